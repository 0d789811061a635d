//! The engine with a store that commits at once, ports that are always free, and trunks played by hand.

use super::*;
use crate::call::treatment::{AgentDial, Human, Machine, Whom};
use crate::disposition::Disposition;
use crate::media::command as media;
use crate::record::{Answer, ContactId};
use crate::sip::endpoint::{self, AccessTable, Transport};
use crate::sip::locate::Question;
use crate::sip::message::{Message, Request as SipRequest, Response};
use crate::sip::method::Method;
use crate::time::WallTime;
use std::net::SocketAddr;

mod agents;
mod ending;
mod explaining;
mod holding;
mod lawful;
mod registering;
mod routes;
mod saving;

#[test]
fn a_call_that_went_on_to_a_second_trunk_holds_a_channel_of_that_one() {
    let mut stage = Stage::new(&["priority = 1", "priority = 2"], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.answers(&first, 503);
    let second = stage.sent(Method::Invite);
    assert_eq!(stage.channels(), [0, 1], "the INVITE to the second trunk is out");
    stage.answers(&second, 180);
    assert_eq!(stage.channels(), [0, 1], "the phone rings");
    stage.answers(&second, 486);
    assert_eq!(stage.channels(), [0, 0], "it is busy");
}

/// An agent whose phone rings for two seconds.
fn agent() -> AgentDial {
    AgentDial {
        whom: Whom::Uri("sip:600@pbx".into()),
        timeout: Duration::from_secs(2),
        machine_key: None,
        transfer: Default::default(),
        hold: None,
        whisper: None,
    }
}

#[test]
fn a_canceled_agent_holds_its_channel_until_the_last_word_about_the_invite() {
    let mut stage = Stage::new(&["priority = 1"], Human::Agent(agent()));
    stage.contacts(&["+12125550101"]);
    let callee = stage.sent(Method::Invite);
    stage.answers(&callee, 200);
    // The detector is silent: after its deadline the engine takes whoever answered for a person.
    stage.pass(2_000);
    let agent = stage.sent(Method::Invite);
    stage.answers(&agent, 180);
    stage.pass(2_500);
    stage.sent(Method::Cancel);
    assert_eq!(stage.channels(), [1], "the callee is hung up on, but the agent's phone may still ring");
    stage.answers(&agent, 487);
    assert_eq!(stage.channels(), [0]);
}

#[test]
fn a_full_trunk_is_named_while_the_campaign_runs_and_not_when_it_is_paused() {
    let mut stage = Stage::new(&["channels_max = 1"], Human::HangUp);
    stage.contacts(&["+12125550101", "+12125550102"]);
    stage.sent(Method::Invite);
    stage.pass(2_000);
    assert_eq!(stage.waiting_for(), ["trunk trunk-0 has all its 1 channels in use (channels_max)"]);
    stage.engine.handle_operator(stage.now, &Operator::Pause("spring".into())).unwrap();
    assert_eq!(stage.waiting_for(), ["paused by the operator"]);
}

#[test]
fn what_cannot_be_asked_of_a_campaign_is_said_with_the_remedy() {
    let mut stage = Stage::new(&["channels_max = 1"], Human::HangUp);
    let spring = || "spring".to_owned();
    for (wish, answer) in [
        (Operator::Resume(spring()), Ok(())),
        (Operator::Stop(spring()), Ok(())),
        (Operator::Pause(spring()), Err("campaign \"spring\" is stopped: only one that runs can be paused")),
        (
            Operator::Resume(spring()),
            Err("campaign \"spring\" is stopped, not paused: `outdial campaign start` has it dial"),
        ),
        (Operator::Start(spring()), Ok(())),
        (Operator::Pause(spring()), Ok(())),
        (Operator::Pause(spring()), Ok(())),
        (Operator::Start("summer".into()), Err("no campaign is called \"summer\"; there are: spring")),
    ] {
        let said = stage.engine.handle_operator(stage.now, &wish);
        assert_eq!(said, answer.map_err(str::to_owned), "{wish:?}");
    }
}

#[test]
fn an_invite_says_who_we_are_and_what_the_trunk_wants_to_know() {
    let identity = "identity = { asserted = \"both\", display = \"Acme\", early_media = true }
        headers = { \"X-Campaign\" = \"{campaign}\", \"X-Contact\" = \"{contact.id} {number}\", Identity = \"made;elsewhere\" }";
    let mut stage = Stage::new(&[identity], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    let headers = invite.headers();
    assert_eq!(headers.from().unwrap().display, "Acme");
    let asserted: Vec<&str> = headers.all("P-Asserted-Identity").collect();
    assert_eq!(asserted, ["\"Acme\" <sip:+12025550100@198.51.100.1>", "\"Acme\" <tel:+12025550100>"]);
    for (name, value) in [
        ("P-Early-Media", "supported"),
        ("X-Campaign", "spring"),
        ("X-Contact", "101 +12125550101"),
        ("Identity", "made;elsewhere"),
    ] {
        assert_eq!((headers.get(name), headers.count(name)), (Some(value), 1), "{name}");
    }
}

#[test]
fn what_we_end_has_its_q850_reason_in_words() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.answers(&invite, 180);
    stage.pass(26_000);
    let cancel = stage.sent(Method::Cancel);
    assert_eq!(cancel.headers().get("Reason"), Some("Q.850;cause=19;text=\"No answer from user\""));
}

#[test]
fn a_trunk_with_a_certificate_signs_the_caller_id() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    let options = "key_file = \"key\"\nx5u = \"https://cert.example/c.pem\"\nattest = \"A\"";
    let options = toml::from_str(options).unwrap();
    let sign: crate::engine::passport::Sign = Arc::new(|_| Some(vec![7; 64]));
    assert!(stage.engine.handle_signer("trunk-0", crate::engine::passport::Signer { options, sign }));
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    let identity = invite.headers().get("Identity").unwrap();
    assert!(identity.ends_with(";info=<https://cert.example/c.pem>;alg=ES256;ppt=\"shaken\""), "{identity}");
}

const ELSEWHERE: (&str, &str) = ("Contact", "<sip:+12125550177@198.51.100.99:5099>");

#[test]
fn fault_22_a_302_is_not_followed_by_default() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let invite = stage.sent(Method::Invite);
    stage.responds(&invite, 302, &[ELSEWHERE]);
    stage.pass(2_000);
    assert!(stage.sent.iter().all(|request| *request.method() == Method::Ack), "nothing is dialed");
    assert_eq!((stage.channels(), stage.commits.len()), (vec![0], 1));
    assert!(stage.notes.iter().any(|note| note.contains("redirects_max allows none")), "{:?}", stage.notes);
}

#[test]
fn fault_22_a_proxy_and_an_alternative_service_are_no_redirection() {
    for status in [305, 380] {
        let mut stage = Stage::new(&["redirects_max = 1\nredirect_prefixes = [\"+1\"]"], Human::HangUp);
        stage.contacts(&["+12125550101"]);
        let invite = stage.sent(Method::Invite);
        stage.responds(&invite, status, &[ELSEWHERE]);
        stage.pass(2_000);
        assert!(
            stage.sent.iter().all(|request| *request.method() == Method::Ack),
            "{status} is not followed"
        );
        assert_eq!((stage.channels(), stage.commits.len()), (vec![0], 1));
    }
}

#[test]
fn fault_22_a_302_is_followed_through_the_same_trunk_and_the_store_as_far_as_the_trunk_allows() {
    let mut stage = Stage::new(&["redirects_max = 1\nredirect_prefixes = [\"+1\"]"], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.responds(&first, 302, &[ELSEWHERE]);
    let second = stage.sent(Method::Invite);
    assert_eq!(second.uri(), "sip:+12125550177@198.51.100.1", "the Contact's host is nobody we know");
    assert_ne!(first.headers().call_id(), second.headers().call_id());
    assert_eq!((stage.channels(), stage.commits.len()), (vec![1], 2));
    stage.responds(&second, 302, &[("Contact", "<sip:+12125550178@h>")]);
    stage.pass(2_000);
    assert!(stage.sent.iter().all(|request| *request.method() == Method::Ack), "one is all that is allowed");
    assert_eq!((stage.channels(), stage.commits.len()), (vec![0], 2));
}

#[test]
fn fault_22_no_redirection_leads_to_the_do_not_call_list_or_a_dear_number() {
    for (contact, word) in [
        ("<sip:+12125550177@h>", "do-not-call"),
        ("<sip:+882990001234@h>", "redirect_prefixes"),
        ("<sip:+19005550199@h>", "redirect_prefixes"),
        ("<sip:+4930123456@h>", "redirect_prefixes"),
        ("<sip:+12125550101@h>", "rung already"),
        ("<sip:operator@h>", "no number"),
    ] {
        let mut stage =
            Stage::new(&["redirects_max = 3\nredirect_prefixes = [\"+1\", \"+88\"]"], Human::HangUp);
        let listed = E164::from_e164("+12125550177").unwrap();
        stage.engine.handle_operator(stage.now, &Operator::Suppress(listed)).unwrap();
        stage.contacts(&["+12125550101"]);
        let invite = stage.sent(Method::Invite);
        stage.responds(&invite, 302, &[("Contact", contact)]);
        stage.pass(2_000);
        assert_eq!((stage.commits.len(), stage.channels()), (1, vec![0]), "{contact}");
        let said = stage.notes.iter().any(|note| note.contains(word) && !note.contains("5550"));
        assert!(said, "{contact}: {:?}", stage.notes);
    }
}

#[test]
fn fault_22_nobody_is_rung_twice_at_once_because_of_a_redirection() {
    let rules = ["redirects_max = 1\nredirect_prefixes = [\"+1\"]"];
    // One rings where the other is sent.
    let mut stage = Stage::new(&rules, Human::HangUp);
    stage.contacts(&["+12125550177"]);
    let there = stage.sent(Method::Invite);
    stage.responds(&there, 180, &[]);
    stage.contacts(&["+12125550101"]);
    stage.pass(2_000);
    let elsewhere = stage.sent(Method::Invite);
    assert!(elsewhere.uri().contains("5550101"), "{}", elsewhere.uri());
    stage.responds(&elsewhere, 302, &[ELSEWHERE]);
    stage.pass(2_000);
    assert_eq!(stage.commits.len(), 2);
    assert!(stage.notes.iter().any(|note| note.contains("in a call already")), "{:?}", stage.notes);
    // And the other way about: whoever is sent there first has it.
    let mut stage = Stage::new(&rules, Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.responds(&first, 302, &[ELSEWHERE]);
    let second = stage.sent(Method::Invite);
    stage.responds(&second, 180, &[]);
    stage.sent.clear();
    stage.contacts(&["+12125550177"]);
    stage.pass(5_000);
    assert!(stage.sent.iter().all(|request| *request.method() != Method::Invite), "it rings already");
}

#[test]
fn fault_22_a_number_that_a_redirection_has_led_to_rests_as_any_other_does() {
    let mut stage = Stage::new(&["redirects_max = 1\nredirect_prefixes = [\"+1\"]"], Human::HangUp);
    stage.contacts(&["+12125550101"]);
    let first = stage.sent(Method::Invite);
    stage.responds(&first, 302, &[ELSEWHERE]);
    let second = stage.sent(Method::Invite);
    stage.responds(&second, 486, &[]);
    stage.pass(2_000);
    stage.contacts(&["+12125550102"]);
    stage.pass(2_000);
    let third = stage.sent(Method::Invite);
    assert!(third.uri().contains("5550102"), "{}", third.uri());
    stage.responds(&third, 302, &[ELSEWHERE]);
    stage.pass(2_000);
    assert_eq!(stage.commits.len(), 3, "nobody is rung again after two seconds");
    assert!(stage.notes.iter().any(|note| note.contains("attempt_gap")), "{:?}", stage.notes);
}

#[test]
fn a_caller_id_that_nobody_wants_is_an_alarm() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    stage.contacts(&["+12125550101", "+12125550102", "+12125550103"]);
    for status in [607, 608, 603] {
        let is_out = |stage: &Stage| stage.sent.iter().any(|request| *request.method() == Method::Invite);
        while !is_out(&stage) && stage.now.instant < Instant::from_start(Duration::from_secs(60)) {
            stage.pass(100);
        }
        let invite = stage.sent(Method::Invite);
        stage.responds(&invite, status, &[]);
        stage.sent.clear();
    }
    let status = stage.engine.status(stage.now);
    assert_eq!(status.campaigns[0].ended.get("declined"), Some(&3));
    let [counted] = &status.caller_ids[..] else { panic!("{:?}", status.caller_ids) };
    assert_eq!((counted.caller_id.as_str(), counted.unwanted, counted.blocked), ("+12025550100", 1, 1));
    let said = |word: &str| stage.notes.iter().any(|note| note.contains(word) && note.contains("*00"));
    assert!(said("(607)") && said("(608)"), "{:?}", stage.notes);
}
mod transfers;
mod wildcard;

struct Stage {
    /// The INVITEs that the store has committed.
    commits: Vec<InviteRecord>,
    /// What the journal says of trunks and caller ids.
    notes: Vec<String>,
    engine: Engine,
    now: Now,
    sent: VecDeque<SipRequest>,
    /// Where each request of `sent` went, and when.
    targets: VecDeque<(SocketAddr, Instant)>,
    asked: VecDeque<Question>,
    journal: Vec<String>,
    records: Vec<CallRecord>,
    contact_states: Vec<&'static str>,
    /// Branches that were seen.
    known: BTreeSet<String>,
    /// The store takes its time.
    hold_commits: bool,
    /// All ports are taken.
    no_port: bool,
    held: Vec<AttemptId>,
    /// It takes its time over calls that are up.
    hold_keeps: bool,
    held_keeps: Vec<Answer>,
    /// What else was asked of the store.
    of_store: Vec<Request>,
    /// What it answered, as `603 REFER`.
    replies: Vec<String>,
}

impl Stage {
    /// Trunks with these lines of configuration, in their order.
    fn new(trunks: &[&str], human: Human) -> Stage {
        Stage::with_rules(trunks, human, "")
    }

    /// The same, with these rules of the campaign.
    fn with_rules(trunks: &[&str], human: Human, rules: &str) -> Stage {
        Stage::with_access(trunks, human, rules, AccessTable::default())
    }

    /// The same, with these listeners.
    fn with_access(trunks: &[&str], human: Human, rules: &str, access: AccessTable) -> Stage {
        let now = Now { instant: Instant::ZERO, wall: WallTime::from_unix_ms(1_795_186_800_000) };
        let names: Vec<String> = (0..trunks.len()).map(|place| format!("trunk-{place}")).collect();
        let rules = format!(
            "name = \"spring\"\ntrunks = {names:?}\ncontacts = \"contacts.csv\"\ncaller_id = \"+12025550100\"
             {rules}\n[window]\nzone = \"UTC\"\nstart = \"00:00\"\nend = \"24:00\""
        );
        let rules: campaign::Options = toml::from_str(&rules).expect("the campaign's options are right");
        let treatment = Treatment {
            human,
            safe_harbour: None,
            machine: Machine::HangUp,
            unsure_is_human: true,
            opt_out: None,
            record: false,
            pause_key: None,
        };
        let options = Options {
            lines_max: 10,
            calls_per_second_max: 10.0,
            verdict_within: Duration::from_secs(1),
            recordings: PathBuf::new(),
            trunks: trunks.iter().enumerate().map(|(place, more)| trunk_setup(place, more)).collect(),
            campaigns: vec![CampaignSetup {
                campaign: Campaign::new(rules, CampaignState::Running, now),
                treatment,
                agent_trunk: names.first().cloned(),
            }],
            ledger: Ledger::new(),
            watch: false,
            media: Vec::new(),
        };
        let endpoint = endpoint::Options { access, ..endpoint::Options::default() };
        let endpoint = Endpoint::new(endpoint, Rng::from_seed(1));
        let mut stage = Stage {
            engine: Engine::new(now, options, endpoint, Rng::from_seed(2)),
            now,
            sent: VecDeque::new(),
            targets: VecDeque::new(),
            asked: VecDeque::new(),
            journal: Vec::new(),
            records: Vec::new(),
            contact_states: Vec::new(),
            known: BTreeSet::new(),
            hold_commits: false,
            no_port: false,
            held: Vec::new(),
            hold_keeps: false,
            held_keeps: Vec::new(),
            commits: Vec::new(),
            notes: Vec::new(),
            of_store: Vec::new(),
            replies: Vec::new(),
        };
        stage.settle();
        stage
    }

    fn contacts(&mut self, numbers: &[&str]) {
        // Numbers of the tests differ in their last digits.
        let contact = |number: &&str| Contact {
            id: ContactId(number[number.len() - 4..].parse().expect("digits")),
            number: E164::from_e164(number).expect("a number"),
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_attempt_at: self.now.wall,
            history: Vec::new(),
        };
        let contacts = numbers.iter().map(contact).collect();
        // There are more, so that the campaign is not completed by these.
        let answer =
            Answer::Refilled { campaign: "spring".into(), contacts, pending: 1_000, next_due_at: None };
        self.engine.handle_answer(self.now, answer);
        self.settle();
    }

    /// Does at once what the engine asks of store and media, and keeps what it sends.
    fn settle(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip { target, bytes } => match Message::parse(&bytes).expect("the engine writes SIP")
                {
                    Message::Request(request) => {
                        self.sent.push_back(request);
                        self.targets.push_back((target.address, self.now.instant));
                    }
                    Message::Response(response) => {
                        let method = response.headers().cseq().expect("it was copied").method;
                        self.replies.push(format!("{} {method}", response.status()));
                    }
                },
                Output::Store(Request::CommitInvite(invite)) => {
                    let attempt = invite.attempt;
                    self.commits.push(invite);
                    if self.hold_commits {
                        self.held.push(attempt);
                        continue;
                    }
                    self.engine.handle_answer(self.now, Answer::InviteCommitted { attempt });
                }
                Output::Store(Request::FinishAttempt { record, contact }) => {
                    self.records.push(*record);
                    self.contact_states.push(contact.state.as_str());
                }
                Output::Media(command) => self.obey(command),
                Output::Dns(question) => self.asked.push_back(question),
                Output::Journal(entry) => {
                    if matches!(entry.event, Event::Trunk { .. } | Event::CallerId { .. }) {
                        self.notes.push(entry.event.to_string());
                    }
                    self.journal.push(entry.event.to_string());
                }
                Output::Store(request) => {
                    self.keep(&request);
                    self.of_store.push(request);
                }
            }
        }
    }

    fn keep(&mut self, request: &Request) {
        let Request::KeepDialogs { open, .. } = request else { return };
        self.held_keeps.extend(Answer::of_kept(open));
        if !self.hold_keeps {
            self.keep_held();
        }
    }

    /// The store knows of all calls that it was told of.
    fn keep_held(&mut self) {
        self.hold_keeps = false;
        for answer in std::mem::take(&mut self.held_keeps) {
            self.engine.handle_answer(self.now, answer);
        }
        self.settle();
    }

    /// The store has committed what it was holding up.
    fn commit_held(&mut self) {
        for attempt in std::mem::take(&mut self.held) {
            self.engine.handle_answer(self.now, Answer::InviteCommitted { attempt });
        }
        self.settle();
    }

    fn obey(&mut self, command: Command) {
        let (stream, kind) = match command {
            Command::Open { stream, .. } if self.no_port => {
                (stream, media::EventKind::OpenFailed { reason: "all ports are in use".into() })
            }
            Command::Open { stream, .. } => {
                let local = SocketAddr::from(([192, 0, 2, 1], 4_000));
                (stream, media::EventKind::Opened { local })
            }
            Command::Close { stream } => (stream, media::EventKind::Closed(media::Statistics::default())),
            _ => return,
        };
        self.engine.handle_media(self.now, &media::Event { stream, at: self.now.instant, kind });
    }

    /// The next request of this method that the engine has sent, or sends.
    fn sent(&mut self, method: Method) -> SipRequest {
        loop {
            let request = self.sent.pop_front().unwrap_or_else(|| panic!("no {method} was sent"));
            self.targets.pop_front();
            if *request.method() == method {
                return request;
            }
        }
    }

    fn answers(&mut self, request: &SipRequest, status: u16) {
        self.answers_with(request, status, &[]);
    }

    /// Answers, with these headers beside the usual ones.
    fn answers_with(&mut self, request: &SipRequest, status: u16, more: &[(&str, &str)]) {
        let mut response = Response::to_request(request, status, "Word");
        let headers = response.headers_mut();
        let to = headers.get("To").expect("it was copied").to_owned();
        headers.set("To", &format!("{to};tag=far"));
        headers.push("Contact", "<sip:far@198.51.100.1:5060>");
        more.iter().for_each(|(name, value)| headers.push(name, value));
        if status == 200 {
            let sdp = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0\r\n";
            response.set_body("application/sdp", sdp.to_vec());
        }
        self.engine.handle_datagram(self.now, address(0), &response.to_bytes());
        self.settle();
    }

    /// A final response with these headers and no others.
    fn responds(&mut self, request: &SipRequest, status: u16, headers: &[(&str, &str)]) {
        let mut response = Response::to_request(request, status, "Word");
        let to = response.headers().get("To").expect("it was copied").to_owned();
        response.headers_mut().set("To", &format!("{to};tag=far"));
        headers.iter().for_each(|(name, value)| response.headers_mut().push(name, value));
        self.engine.handle_datagram(self.now, address(0), &response.to_bytes());
        self.settle();
    }

    /// Time passes, deadline by deadline.
    fn pass(&mut self, ms: u64) {
        let until = self.now.instant + Duration::from_millis(ms);
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            self.wait_until(due.max(self.now.instant));
            self.engine.handle_timeout(self.now);
            self.settle();
        }
        self.wait_until(until);
    }

    fn wait_until(&mut self, instant: Instant) {
        self.now = Now { instant, wall: self.now.wall + (instant - self.now.instant) };
    }

    fn waiting_for(&self) -> Vec<String> {
        self.engine.status(self.now).campaigns.remove(0).waiting_for
    }

    fn channels(&self) -> Vec<u32> {
        self.engine.status(self.now).trunks.iter().map(|trunk| trunk.channels).collect()
    }
}

fn address(place: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, place as u8 + 1], 5_060))
}

fn trunk_setup(place: usize, more: &str) -> TrunkSetup {
    let host = format!("host = \"198.51.100.{}\"", place + 1);
    let host = if more.contains("host =") { "" } else { host.as_str() };
    let pings = if more.contains("options_interval_s") { "" } else { "options_interval_s = 0" };
    let options = format!("name = \"trunk-{place}\"\n{host}\n{pings}\n{more}");
    let address = |place| match host {
        // Nothing is known of it before the DNS was asked.
        "" => SocketAddr::from(([0, 0, 0, 0], 0)),
        _ => address(place),
    };
    let transport = if more.contains("\"tcp\"") { Transport::Tcp } else { Transport::Udp };
    TrunkSetup {
        options: toml::from_str(&options).expect("the trunk's options are right"),
        target: Target::new(transport, address(place)),
        credentials: None,
    }
}
