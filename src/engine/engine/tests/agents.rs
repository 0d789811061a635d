//! Agents in calls: who is rung for whom, and how each law of dialing counts on them.

use super::*;
use crate::agent;
use crate::campaign::pacing::budget::Day;
use crate::engine::status::AgentStatus;

/// People of former days, of whom nobody was abandoned.
const KNOWN_PEOPLE: u64 = 1_000;

/// A floor of agents behind the trunk, and the campaign that dials for them.
pub(super) struct Floor {
    pub(super) stage: Stage,
}

#[test]
fn a_person_gets_the_longest_idle_agent_who_is_busy_until_the_phone_is_on_the_hook_and_the_call_written_up() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann", "bob"]);
    floor.stage.contacts(&["+12125550101", "+12125550102", "+12125550103", "+12125550104"]);
    let [first, second] = floor.callees();
    assert_eq!(floor.states(), ["ann ready", "bob ready"], "two lines for two agents, and no more");
    let ann = floor.answered_by(&first, "ann");
    assert_eq!(floor.states(), ["ann talking", "bob ready"]);
    assert_eq!(floor.invites(), 0, "bob's line rings already");
    floor.stage.answers(&second, 486);
    floor.stage.pass(1_000);
    assert_eq!(floor.invites(), 1, "one line for bob");
    floor.stage.says_bye(&ann);
    assert_eq!(floor.states(), ["ann wrap_up", "bob ready"]);
    floor.stage.pass(9_000);
    assert_eq!(floor.states(), ["ann wrap_up", "bob ready"]);
    floor.stage.pass(1_500);
    assert_eq!(floor.states(), ["ann ready", "bob ready"]);
    let bridged = floor.stage.records.iter().find(|record| record.disposition == Disposition::Bridged);
    assert_eq!(bridged.map(|record| record.agent.as_str()), Some("sip:ann@pbx"));
}

#[test]
fn an_agent_who_does_not_answer_is_passed_over_and_away_in_the_end_while_the_caller_waits_for_the_next() {
    let mut floor = Floor::new("mode = \"power\"\nratio = 2.0", &["ann", "bob"]);
    floor.stage.contacts(&["+12125550101"]);
    let callee = floor.callees::<1>()[0].clone();
    floor.stage.answers(&callee, 200);
    floor.stage.pass(1_001);
    let ann = floor.stage.sent(Method::Invite);
    assert_eq!(user_of(&ann), "ann");
    floor.stage.answers(&ann, 180);
    floor.stage.pass(3_001);
    let cancel = floor.stage.sent(Method::Cancel);
    assert_eq!(user_of(&cancel), "ann", "three seconds are all that a phone may ring");
    let bob = floor.stage.sent(Method::Invite);
    assert_eq!(user_of(&bob), "bob");
    assert_eq!(floor.states(), ["ann ringing", "bob ringing"]);
    floor.stage.answers(&ann, 487);
    assert_eq!(floor.states(), ["ann away", "bob ringing"], "one missed call is enough here");
    floor.stage.answers(&bob, 200);
    assert_eq!(floor.states(), ["ann away", "bob talking"]);
    floor.says("ann", AgentWord::State(agent::Word::Ready)).unwrap();
    assert_eq!(floor.states(), ["ann ready", "bob talking"]);
}

#[test]
fn who_finds_no_agent_waits_for_one_to_become_free_and_hears_the_safe_harbour_message_at_the_deadline() {
    let mut floor = Floor::new("mode = \"power\"\nratio = 3.0", &["ann"]);
    floor.stage.contacts(&["+12125550101", "+12125550102", "+12125550103"]);
    let [first, second, third] = floor.callees();
    let ann = floor.answered_by(&first, "ann");
    for callee in [&second, &third] {
        floor.stage.answers(callee, 200);
    }
    floor.stage.pass(1_001);
    assert_eq!(floor.waiting(), 2);
    floor.stage.says_bye(&ann);
    floor.says("ann", AgentWord::State(agent::Word::Ready)).unwrap();
    let again = floor.stage.sent(Method::Invite);
    assert_eq!(user_of(&again), "ann", "who has waited longest has her");
    floor.stage.answers(&again, 200);
    assert_eq!(floor.waiting(), 1);
    floor.stage.pass(15_000);
    assert_eq!((floor.waiting(), floor.sums()), (0, (3, 1)), "three people, and the third was abandoned");
    assert!(floor.stage.records.iter().any(|record| record.disposition == Disposition::Abandoned));
}

#[test]
fn an_agent_who_comes_more_than_two_seconds_late_has_an_abandoned_person_on_the_line() {
    for (after_ms, abandoned) in [(1_900, 0), (2_100, 1)] {
        let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
        floor.stage.contacts(&["+12125550101"]);
        let [callee] = floor.callees();
        floor.stage.answers(&callee, 200);
        floor.stage.pass(1_001);
        let ann = floor.stage.sent(Method::Invite);
        floor.stage.pass(after_ms);
        floor.stage.answers(&ann, 200);
        assert_eq!(floor.sums(), (1, abandoned), "{after_ms} ms after the wish for an agent");
    }
}

#[test]
fn nothing_is_dialed_without_agents_and_the_reason_is_named() {
    for mode in ["progressive", "power", "power_auto", "predictive", "preview"] {
        let mut floor = Floor::with(&format!("mode = \"{mode}\""), &["ann"], "initial = \"offline\"", "");
        floor.stage.contacts(&["+12125550101"]);
        floor.stage.pass(5_000);
        assert_eq!(
            (floor.invites(), floor.stage.waiting_for()),
            (0, vec!["no agent is signed in (its agents: 1 offline)".to_owned()]),
            "{mode}"
        );
        floor.says("ann", AgentWord::State(agent::Word::Ready)).unwrap();
        floor.stage.pass(1_000);
        assert_eq!(floor.invites(), usize::from(mode != "preview"), "{mode}");
    }
}

#[test]
fn the_boost_factor_of_a_watched_queue_dials_for_free_agents_and_not_while_people_wait() {
    let names: Vec<String> = (0..5).map(|n| format!("a{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut floor = Floor::new("mode = \"power\"\nratio = 1.2\nwaiting_max = 2", &names);
    let numbers: Vec<String> = (101..140).map(|n| format!("+12125550{n}")).collect();
    floor.stage.contacts(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let callees: [SipRequest; 6] = floor.callees();
    // Copies of those that had not rung yet.
    floor.stage.sent.clear();
    floor.stage.pass(2_000);
    assert_eq!(floor.invites(), 0, "1.2 x 5 free agents, and no more");
    for name in &names {
        floor.says(name, AgentWord::State(agent::Word::Away)).unwrap();
    }
    callees[..2].iter().for_each(|callee| floor.stage.answers(callee, 200));
    floor.stage.pass(1_001);
    assert_eq!(
        (floor.waiting(), floor.stage.waiting_for()),
        (2, vec!["no agent is signed in (its agents: 5 away)".to_owned()])
    );
    floor.stage.sent.clear();
    floor.says("a0", AgentWord::State(agent::Word::Ready)).unwrap();
    floor.says("a1", AgentWord::State(agent::Word::Ready)).unwrap();
    let rung: Vec<String> = [0, 1].map(|_| user_of(&floor.stage.sent(Method::Invite))).into();
    assert_eq!(rung, ["a0", "a1"], "who is free is for those who wait, not for further lines");
}

#[test]
fn an_agent_looks_at_a_contact_has_it_dialed_and_is_rung_when_somebody_answers() {
    let mut floor =
        Floor::new("mode = \"preview\"\npreview_s = 30\npreview_then = \"skip\"", &["ann", "bob"]);
    floor.stage.contacts(&["+12125550101", "+12125550102", "+12125550103"]);
    floor.stage.pass(100);
    assert_eq!(floor.states(), ["ann reserved", "bob reserved"]);
    assert_eq!(floor.shown(), ["+12125550101", "+12125550102"]);
    assert_eq!(floor.invites(), 0, "nothing is dialed unasked");
    floor.says("ann", AgentWord::Accept).unwrap();
    let [callee] = floor.callees();
    assert_eq!(user_of(&callee), "+12125550101");
    floor.stage.answers(&callee, 200);
    floor.stage.pass(10);
    let ann = floor.stage.sent(Method::Invite);
    assert_eq!(user_of(&ann), "ann", "she hears at once who it is: no detector is asked");
    floor.stage.answers(&ann, 200);
    floor.says("bob", AgentWord::Skip).unwrap();
    assert_eq!(floor.shown(), ["+12125550103"], "the next one");
    floor.stage.pass(31_000);
    assert_eq!((floor.shown().len(), floor.invites()), (0, 0), "the time is over: it is not dialed");
    assert_eq!(floor.states(), ["ann talking", "bob ready"]);
    let denied = floor.says("bob", AgentWord::Accept).unwrap_err();
    assert!(denied.contains("\"bob\" is shown no contact"), "{denied}");
    assert!(floor.says("cem", AgentWord::Accept).unwrap_err().contains("there are: ann, bob"));
}

#[test]
fn a_preview_that_nobody_decides_is_dialed_where_the_rules_say_so_and_never_after_a_pause() {
    let mut floor = Floor::new("mode = \"preview\"\npreview_s = 5", &["ann"]);
    floor.stage.contacts(&["+12125550101", "+12125550102"]);
    floor.stage.pass(5_001);
    let [callee] = floor.callees();
    floor.stage.answers(&callee, 486);
    assert_eq!(
        (floor.states(), floor.shown()),
        (vec!["ann reserved".to_owned()], vec!["+12125550102".to_owned()])
    );
    floor.stage.engine.handle_operator(floor.stage.now, &Operator::Pause("spring".into())).unwrap();
    floor.stage.settle();
    assert_eq!((floor.states(), floor.shown().len()), (vec!["ann ready".to_owned()], 0));
    floor.stage.pass(30_000);
    assert_eq!(floor.invites(), 0);
}

#[test]
fn a_contact_that_the_law_wants_an_agent_for_is_dialed_with_one_kept_and_not_judged_by_the_detector() {
    let rules = "guaranteed_agent_after = [\"abandoned\"]";
    let mut floor = Floor::with("mode = \"power\"\nratio = 3.0", &["ann"], "", rules);
    floor.stage.contacts_after(&["+12125550101"], Disposition::Abandoned);
    let [callee] = floor.callees();
    assert_eq!(floor.states(), ["ann reserved"], "before the phone rings");
    floor.stage.contacts(&["+12125550102"]);
    floor.stage.pass(5_000);
    assert_eq!(floor.invites(), 0, "she is nobody else's");
    floor.stage.answers(&callee, 200);
    floor.stage.pass(10);
    assert_eq!(user_of(&floor.stage.sent(Method::Invite)), "ann");
}

#[test]
fn such_a_contact_waits_while_all_agents_are_taken() {
    let rules = "guaranteed_agent_after = [\"abandoned\"]";
    let mut floor = Floor::with("mode = \"predictive\"", &["ann"], "", rules);
    floor.stage.contacts(&["+12125550102"]);
    let [callee] = floor.callees();
    floor.answered_by(&callee, "ann");
    floor.stage.contacts_after(&["+12125550101"], Disposition::Abandoned);
    floor.stage.pass(30_000);
    assert_eq!((floor.invites(), floor.states()), (0, vec!["ann talking".to_owned()]));
}

#[test]
fn a_promised_call_waits_for_the_agent_who_promised_it_and_is_theirs_before_the_phone_rings() {
    let mut floor = Floor::new("mode = \"predictive\"", &["ann", "bob", "cem"]);
    floor.stage.contacts(&["+12125550101"]);
    let [callee] = floor.callees();
    let ann = floor.answered_by(&callee, "ann");
    floor.stage.contacts_promised_by("ann", &["+12125550102"]);
    floor.stage.contacts_promised_by("cem", &["+12125550103"]);
    let [of_cem] = floor.callees();
    assert_eq!(user_of(&of_cem), "+12125550103");
    assert_eq!(
        floor.states(),
        ["ann talking", "bob ready", "cem reserved"],
        "bob is idle longer, but it is cem's"
    );
    floor.stage.says_bye(&ann);
    floor.says("ann", AgentWord::State(agent::Word::Ready)).unwrap();
    floor.stage.contacts_promised_by("ann", &["+12125550102"]);
    let [of_ann] = floor.callees();
    assert_eq!(user_of(&of_ann), "+12125550102");
    floor.stage.answers(&of_ann, 200);
    floor.stage.pass(10);
    assert_eq!(user_of(&floor.stage.sent(Method::Invite)), "ann");
}

#[test]
fn the_promised_time_is_kept_by_another_where_that_agent_stays_busy_or_is_not_at_work() {
    let mut floor = Floor::new("mode = \"predictive\"", &["ann", "bob"]);
    floor.stage.contacts(&["+12125550101"]);
    let [callee] = floor.callees();
    floor.answered_by(&callee, "ann");
    for _ in 0..5 {
        floor.stage.contacts_promised_by("ann", &["+12125550102"]);
        floor.stage.pass(59_000);
        assert_eq!(floor.invites(), 0);
    }
    floor.stage.pass(6_000);
    for (name, number) in [("ann", "+12125550102"), ("eve", "+12125550103")] {
        floor.stage.contacts_promised_by(name, &[number]);
        let [callee] = floor.callees();
        assert_eq!(user_of(&callee), number);
        floor.stage.answers(&callee, 486);
    }
}

#[test]
fn a_break_begins_after_one_more_call_where_lines_count_on_the_agent_and_at_once_where_none_does() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann", "bob"]);
    let has_break = AgentWord::State(agent::Word::Break);
    floor.stage.contacts(&["+12125550101"]);
    let [callee] = floor.callees();
    floor.says("bob", has_break).unwrap();
    assert_eq!(floor.states(), ["ann ready", "bob break"], "one line, and ann is there for it");
    floor.says("ann", has_break).unwrap();
    assert_eq!(floor.states(), ["ann ready", "bob break"]);
    let ann = floor.answered_by(&callee, "ann");
    floor.stage.says_bye(&ann);
    floor.stage.pass(10_001);
    assert_eq!(floor.states(), ["ann break", "bob break"], "behind the call and its wrap-up");

    for (number, answer, waits_ms) in [("+12125550102", Some(486), 0), ("+12125550103", None, 60_000)] {
        floor.says("ann", AgentWord::State(agent::Word::Ready)).unwrap();
        floor.stage.contacts(&[number]);
        let [callee] = floor.callees();
        floor.says("ann", has_break).unwrap();
        assert_eq!(floor.states()[0], "ann ready");
        if let Some(status) = answer {
            floor.stage.answers(&callee, status);
        }
        floor.stage.pass(waits_ms);
        assert_eq!(floor.states()[0], "ann break", "{answer:?}");
    }
}

#[test]
fn where_the_next_abandoned_person_is_one_too_many_one_line_for_each_agent_is_the_most_and_it_is_said() {
    let mut floor = Floor::new("mode = \"power\"\nratio = 3.0", &["ann"]);
    let day = floor.stage.now.wall.unix_ms() / 86_400_000;
    let abandoned = Day { day, abandoned: 30, ..Day::default() };
    floor.stage.engine.campaigns[0].campaign.pacer_mut().budget_mut().remember(abandoned);
    floor.stage.contacts(&["+12125550101", "+12125550102", "+12125550103"]);
    floor.stage.pass(300);
    assert_eq!(floor.invites(), 1);
    let told = "spring goes on with one line for each waiting agent: 30 of 1000 people were abandoned";
    assert_eq!(
        floor.stage.journal.iter().filter(|line| *line == told).count(),
        1,
        "{:?}",
        floor.stage.journal
    );
    let why = floor.stage.waiting_for();
    assert!(why[0].starts_with("the abandonment guard") && why[0].contains("30 of 1000 people"), "{why:?}");
    let more = Day { day, people: 1_000, ..Day::default() };
    floor.stage.engine.campaigns[0].campaign.pacer_mut().budget_mut().remember(more);
    floor.stage.pass(1_000);
    assert_eq!(floor.invites(), 3, "1.5 % leave room");
    assert!(floor.stage.journal.iter().any(|line| line.starts_with("spring may overdial again")));
}

#[test]
fn agents_of_two_campaigns_are_counted_on_by_one_of_them_at_a_time() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann", "bob"]);
    let status =
        |floor: &Floor| -> Vec<String> { floor.agents().into_iter().map(|agent| agent.campaign).collect() };
    floor.stage.add_campaign("autumn");
    floor.stage.contacts(&["+12125550101", "+12125550102"]);
    assert_eq!(status(&floor), ["spring", "spring"]);
    floor.stage.contacts_of("autumn", &["+12125550103", "+12125550104"]);
    let mut campaigns = status(&floor);
    campaigns.sort();
    assert_eq!(campaigns, ["autumn", "spring"], "each has one as soon as both dial");
}

#[test]
fn a_shutdown_lets_a_phone_ring_for_fifteen_seconds_where_agents_are_dialed_for() {
    let mut floor = Floor::new("mode = \"progressive\"", &["ann"]);
    floor.stage.contacts(&["+12125550101"]);
    let [callee] = floor.callees();
    floor.stage.answers(&callee, 180);
    floor.stage.pass(4_000);
    floor.stage.engine.handle_operator(floor.stage.now, &Operator::Drain).unwrap();
    floor.stage.settle();
    floor.stage.pass(10_800);
    assert!(floor.stage.sent.is_empty(), "{:?}", floor.stage.sent);
    floor.stage.pass(200);
    floor.stage.sent(Method::Cancel);
}

impl Floor {
    pub(super) fn new(dialing: &str, agents: &[&str]) -> Floor {
        Floor::with(dialing, agents, "", "")
    }

    fn with(dialing: &str, agents: &[&str], more: &str, rules: &str) -> Floor {
        let dial = AgentDial {
            whom: Whom::Agents { skills: Vec::new() },
            timeout: Duration::from_secs(10),
            machine_key: None,
            transfer: Default::default(),
            hold: None,
            whisper: None,
        };
        let rules = format!("{rules}\nlines_max = 50\n[dialing]\n{dialing}");
        let mut stage = Stage::with_rules(
            &["calls_per_second_max = 50.0\nchannels_max = 100"],
            Human::Agent(dial),
            &rules,
        );
        let initial = if more.contains("initial") { "" } else { "initial = \"ready\"" };
        let agent = |name: &&str| -> agent::Options {
            let text = format!(
                "name = \"{name}\"\nuri = \"sip:{name}@pbx\"\ntrunk = \"trunk-0\"\nwrap_up_s = 10\nring_timeout_ms = 3000
                 misses_max = 1\n{initial}\n{more}"
            );
            toml::from_str(&text).expect("the agent's table is right")
        };
        stage.engine.handle_agents(stage.now, agents.iter().map(agent).collect());
        // Without people in the ledger the first abandoned one would be too many, and the guard would rule.
        let day = stage.now.wall.unix_ms() / 86_400_000;
        let day = Day { day, people: KNOWN_PEOPLE, ..Day::default() };
        stage.engine.campaigns[0].campaign.pacer_mut().budget_mut().remember(day);
        stage.settle();
        Floor { stage }
    }

    /// The callees that are dialed next; their phones ring.
    pub(super) fn callees<const N: usize>(&mut self) -> [SipRequest; N] {
        self.stage.pass(N as u64 * 100);
        let callees = std::array::from_fn(|_| self.stage.sent(Method::Invite));
        callees.iter().for_each(|callee| self.stage.answers(callee, 180));
        callees
    }

    /// The callee answers, the detector is silent, and after its deadline this agent's phone rings and is taken.
    fn answered_by(&mut self, callee: &SipRequest, agent: &str) -> SipRequest {
        self.stage.answers(callee, 200);
        self.stage.pass(1_001);
        let invite = self.stage.sent(Method::Invite);
        assert_eq!(user_of(&invite), agent);
        self.stage.answers(&invite, 200);
        invite
    }

    fn says(&mut self, name: &str, word: AgentWord) -> Result<(), String> {
        let said =
            self.stage.engine.handle_operator(self.stage.now, &Operator::Agent { name: name.into(), word });
        self.stage.settle();
        said
    }

    fn agents(&self) -> Vec<AgentStatus> {
        self.stage.engine.status(self.stage.now).agents
    }

    pub(super) fn states(&self) -> Vec<String> {
        self.agents().into_iter().map(|agent| format!("{} {}", agent.name, agent.state)).collect()
    }

    fn shown(&self) -> Vec<String> {
        let previews = self.agents().into_iter().filter_map(|agent| agent.preview);
        previews.filter(|preview| !preview.accepted).map(|preview| preview.number).collect()
    }

    /// Calls whose INVITEs have left and have not been looked at.
    pub(super) fn invites(&self) -> usize {
        let invites = self.stage.sent.iter().filter(|request| *request.method() == Method::Invite);
        let calls: BTreeSet<&str> = invites.filter_map(|invite| invite.headers().call_id().ok()).collect();
        calls.len()
    }

    fn waiting(&self) -> usize {
        self.stage.engine.campaigns[0].campaign.pacer().floor().waiting()
    }

    fn sums(&self) -> (u64, u64) {
        let sums = self.stage.engine.campaigns[0].campaign.pacer().budget().sums(self.stage.now.wall);
        (sums.people - KNOWN_PEOPLE, sums.abandoned)
    }
}

impl Stage {
    /// Contacts of `spring` that an earlier attempt ended with so.
    fn contacts_after(&mut self, numbers: &[&str], outcome: Disposition) {
        let contacts = numbers.iter().map(|number| contact(number, self.now)).map(|mut contact| {
            contact.outcomes.insert(outcome, 1);
            contact
        });
        self.refill("spring", contacts.collect());
    }

    /// Contacts of `spring` whom this agent is to call.
    fn contacts_promised_by(&mut self, agent: &str, numbers: &[&str]) {
        let promised = numbers.iter().map(|number| contact(number, self.now)).map(|mut contact| {
            contact.attributes.insert(crate::record::CALLBACK_AGENT.into(), agent.into());
            contact
        });
        self.refill("spring", promised.collect());
    }

    fn contacts_of(&mut self, campaign: &str, numbers: &[&str]) {
        self.refill(campaign, numbers.iter().map(|number| contact(number, self.now)).collect());
    }

    fn refill(&mut self, campaign: &str, contacts: Vec<Contact>) {
        let answer =
            Answer::Refilled { campaign: campaign.into(), contacts, pending: 1_000, next_due_at: None };
        self.engine.handle_answer(self.now, answer);
        self.settle();
    }

    /// Another campaign, like the first.
    fn add_campaign(&mut self, name: &str) {
        let first = &self.engine.campaigns[0];
        let rules = campaign::Options { name: name.into(), ..first.campaign.options().clone() };
        let running = Running {
            pool: None,
            campaign: Campaign::new(rules, CampaignState::Running, self.now),
            treatment: Arc::clone(&first.treatment),
            trunks: first.trunks.clone(),
            agent_trunk: None,
            in_flight: 0,
            followed: None,
            ended: BTreeMap::new(),
            not_dialed: None,
        };
        self.engine.campaigns.push(running);
    }

    /// Whom `invite` was sent to hangs up.
    pub(super) fn says_bye(&mut self, invite: &SipRequest) {
        self.asks(invite, Method::Bye, "", 900);
    }
}

fn contact(number: &str, now: Now) -> Contact {
    Contact {
        id: ContactId(number[number.len() - 4..].parse().expect("digits")),
        number: E164::from_e164(number).expect("a number"),
        name: String::new(),
        comment: String::new(),
        attributes: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        next_attempt_at: now.wall,
        history: Vec::new(),
    }
}

/// The user part of the Request-URI.
pub(super) fn user_of(request: &SipRequest) -> String {
    let uri = request.uri().trim_start_matches("sip:");
    uri.split('@').next().unwrap_or_default().to_owned()
}
