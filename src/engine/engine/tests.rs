//! The engine with a store that commits at once, ports that are always free, and trunks played by hand.

use super::*;
use crate::call::treatment::{AgentDial, Human, Machine};
use crate::media::command as media;
use crate::record::{Answer, ContactId};
use crate::sip::endpoint::{self, Transport};
use crate::sip::message::{Message, Request as SipRequest, Response};
use crate::sip::method::Method;
use crate::time::WallTime;
use std::net::SocketAddr;

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

#[test]
fn a_canceled_agent_holds_its_channel_until_the_last_word_about_the_invite() {
    let agent = AgentDial {
        uri: "sip:600@pbx".into(),
        timeout: Duration::from_secs(2),
        machine_key: None,
        transfer: Default::default(),
        hold: None,
    };
    let mut stage = Stage::new(&["priority = 1"], Human::Agent(agent));
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
    assert_eq!(stage.waiting_for(), ["trunk trunk-0: all channels in use"]);
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

mod transfers;

struct Stage {
    engine: Engine,
    now: Now,
    sent: VecDeque<SipRequest>,
    /// What it answered, as `603 REFER`.
    replies: Vec<String>,
}

impl Stage {
    /// Trunks with these lines of configuration, in their order.
    fn new(trunks: &[&str], human: Human) -> Stage {
        let now = Now { instant: Instant::ZERO, wall: WallTime::from_unix_ms(1_795_186_800_000) };
        let names: Vec<String> = (0..trunks.len()).map(|place| format!("trunk-{place}")).collect();
        let rules = format!(
            "name = \"spring\"\ntrunks = {names:?}\ncontacts = \"contacts.csv\"\ncaller_id = \"+12025550100\"
             [window]\nzone = \"UTC\"\nstart = \"00:00\"\nend = \"24:00\""
        );
        let rules: campaign::Options = toml::from_str(&rules).expect("the campaign's options are right");
        let treatment = Treatment {
            human,
            safe_harbour: None,
            machine: Machine::HangUp,
            unsure_is_human: true,
            opt_out: None,
            record: false,
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
        };
        let endpoint = Endpoint::new(endpoint::Options::default(), Rng::from_seed(1));
        let mut stage = Stage {
            engine: Engine::new(now, options, endpoint, Rng::from_seed(2)),
            now,
            sent: VecDeque::new(),
            replies: Vec::new(),
        };
        stage.settle();
        stage
    }

    fn contacts(&mut self, numbers: &[&str]) {
        let contact = |(id, number): (i64, &&str)| Contact {
            id: ContactId(id),
            number: E164::from_e164(number).expect("a number"),
            name: String::new(),
            comment: String::new(),
            attributes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_attempt_at: self.now.wall,
        };
        let contacts = (1..).zip(numbers).map(contact).collect();
        let answer = Answer::Refilled { campaign: "spring".into(), contacts, pending: 0, next_due_at: None };
        self.engine.handle_answer(self.now, answer);
        self.settle();
    }

    /// Does at once what the engine asks of store and media, and keeps what it sends.
    fn settle(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip { bytes, .. } => match Message::parse(&bytes).expect("the engine writes SIP") {
                    Message::Request(request) => self.sent.push_back(request),
                    Message::Response(response) => {
                        let method = response.headers().cseq().expect("it was copied").method;
                        self.replies.push(format!("{} {method}", response.status()));
                    }
                },
                Output::Store(Request::CommitInvite(invite)) => {
                    let attempt = invite.attempt;
                    self.engine.handle_answer(self.now, Answer::InviteCommitted { attempt });
                }
                Output::Media(command) => self.obey(command),
                Output::Store(_) | Output::Journal(_) => {}
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let (stream, kind) = match command {
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
            if *request.method() == method {
                return request;
            }
        }
    }

    fn answers(&mut self, request: &SipRequest, status: u16) {
        let mut response = Response::to_request(request, status, "Word");
        let headers = response.headers_mut();
        let to = headers.get("To").expect("it was copied").to_owned();
        headers.set("To", &format!("{to};tag=far"));
        headers.push("Contact", "<sip:far@198.51.100.1:5060>");
        if status == 200 {
            let sdp = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0\r\n";
            response.set_body("application/sdp", sdp.to_vec());
        }
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
    let options = format!(
        "name = \"trunk-{place}\"\nhost = \"198.51.100.{}\"\noptions_interval_s = 0\n{more}",
        place + 1
    );
    TrunkSetup {
        options: toml::from_str(&options).expect("the trunk's options are right"),
        target: Target { transport: Transport::Udp, address: address(place) },
        credentials: None,
    }
}
