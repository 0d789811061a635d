//! What a call costs the whole control plane: campaign, gate, trunk, attempt, SIP user agent, record. The store and the
//! media plane are played: the one commits at once, the other says "human" a second after the answer, and we hang up.

mod signalling;

use outdial::amd::verdict::{Cause, Class, Finding, Verdict};
use outdial::call::treatment::{Human, Machine, Treatment};
use outdial::campaign::window::Window;
use outdial::campaign::{self, Campaign, Ledger};
use outdial::engine::engine::{CampaignSetup, Engine, Options, Output, TrunkSetup};
use outdial::engine::trunk;
use outdial::media::command::{Command, Event, EventKind, Statistics, StreamKey};
use outdial::number::E164;
use outdial::record::{Answer, CampaignState, Contact, ContactId, Request};
use outdial::rng::Rng;
use outdial::sip::endpoint::{self, Endpoint, Target, Transport};
use outdial::time::{Instant, Now, WallTime};
use signalling::{CALLEE, Callee, Later, Measured, RATE, calls_wanted, cpu_time, resident};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const CALLEE_SIDE: Callee = Callee { challenges: false };

/// From the answer to the verdict.
const JUDGED_AFTER: Duration = Duration::from_secs(1);

/// Virtual time after which as many calls begin as are forgotten.
const WARM_UP: Duration = Duration::from_secs(100);

/// 2027-01-15 08:00:00 UTC.
const BEGINS_AT_MS: i64 = 1_800_000_000_000;

fn main() {
    let warm_calls = RATE * WARM_UP.as_secs() as u32;
    let mut bench = Bench::new(warm_calls + calls_wanted());
    bench.run_until_ended(warm_calls);
    let (sent, ended, warm, begun) = (bench.sent, bench.ended, resident(), cpu_time());
    // The last calls end while no new ones begin; they are left out.
    bench.run_until_ended(warm_calls + calls_wanted() - RATE);
    let cpu = cpu_time() - begun;
    let calls = bench.ended - ended;
    let measured = Measured {
        calls,
        cpu,
        requests_a_call: (bench.sent - sent) as f64 / f64::from(calls),
        grown: resident() - warm,
        sample: std::mem::take(&mut bench.sample),
    };
    measured.print("engine", CALLEE_SIDE);
    bench.run_until_ended(warm_calls + calls_wanted());
    assert!(bench.engine.is_quiet(), "nothing is left");
}

struct Bench {
    engine: Engine,
    wire: Later<Vec<u8>>,
    media: Later<Event>,
    now: Instant,
    /// Contacts that the store has left.
    contacts: u32,
    claimed: u32,
    ended: u32,
    sent: u64,
    sample: Vec<Vec<u8>>,
}

impl Bench {
    fn new(contacts: u32) -> Self {
        let now = at(Instant::ZERO);
        let trunk_options: trunk::Options = toml::from_str(&format!(
            "name = \"carrier\"\nhost = \"{CALLEE}\"\nchannels_max = 10000\ncalls_per_second_max = {RATE}.0\n\
             options_interval_s = 0"
        ))
        .expect("a trunk");
        let trunk = TrunkSetup {
            options: trunk_options,
            target: Target::new(Transport::Udp, callee_address()),
            credentials: None,
        };
        let options = Options {
            lines_max: 10_000,
            calls_per_second_max: f64::from(RATE),
            verdict_within: Duration::from_secs(7),
            recordings: "recordings".into(),
            trunks: vec![trunk],
            campaigns: vec![campaign(now)],
            ledger: Ledger::new(),
            watch: false,
            media: Vec::new(),
        };
        let mut rng = Rng::from_seed(1);
        let endpoint = Endpoint::new(endpoint::Options::default(), rng.fork());
        let mut bench = Bench {
            engine: Engine::new(now, options, endpoint, rng),
            wire: Later::new(),
            media: Later::new(),
            now: Instant::ZERO,
            contacts,
            claimed: 0,
            ended: 0,
            sent: 0,
            sample: Vec::new(),
        };
        bench.flush();
        bench
    }

    fn run_until_ended(&mut self, calls: u32) {
        while self.ended < calls {
            let due = [self.wire.next_at(), self.media.next_at(), self.engine.poll_timeout()];
            let next = due.into_iter().flatten().min().expect("calls are still to come");
            self.now = self.now.max(next);
            while let Some(bytes) = self.wire.pop_due(self.now) {
                self.engine.handle_datagram(at(self.now), callee_address(), &bytes);
                self.flush();
            }
            while let Some(event) = self.media.pop_due(self.now) {
                self.engine.handle_media(at(self.now), &event);
                self.flush();
            }
            if self.engine.poll_timeout().is_some_and(|due| due <= self.now) {
                self.engine.handle_timeout(at(self.now));
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip { bytes, .. } => {
                    CALLEE_SIDE.handle(self.now, &bytes, &mut self.wire);
                    self.sent += 1;
                    if self.sample.len() < 5_000 {
                        self.sample.push(bytes);
                    }
                }
                Output::Media(command) => self.command(&command),
                Output::Store(request) => self.request(request),
                Output::Dns(_) => {}
                Output::Journal(entry) => drop(std::hint::black_box(entry)),
            }
        }
    }

    /// The media plane, as far as signalling can tell.
    fn command(&mut self, command: &Command) {
        let local = "192.0.2.7:20000".parse().expect("an address");
        match *command {
            Command::Open { stream, .. } => {
                self.tell(stream, Duration::ZERO, EventKind::Opened { local });
            }
            Command::Detect { stream } => {
                let verdict = Verdict {
                    class: Class::Human,
                    cause: Cause::SilenceAfterGreeting(Duration::from_millis(500)),
                    at: JUDGED_AFTER,
                };
                let finding = Finding::Verdict(verdict);
                let kind = EventKind::Finding { detect_started: self.now, finding };
                self.tell(stream, JUDGED_AFTER, kind);
            }
            Command::Close { stream } => {
                self.tell(stream, Duration::ZERO, EventKind::Closed(Statistics::default()));
            }
            _ => {}
        }
    }

    fn tell(&mut self, stream: StreamKey, after: Duration, kind: EventKind) {
        let at = self.now + after;
        self.media.push(at, Event { stream, at, kind });
    }

    /// The store, as fast as one can be.
    fn request(&mut self, request: Request) {
        let answer = match request {
            Request::Refill { campaign, limit, .. } => {
                let claimed = limit.min(self.contacts - self.claimed);
                let contacts = (self.claimed..self.claimed + claimed).map(contact).collect();
                self.claimed += claimed;
                let pending = u64::from(self.contacts - self.claimed);
                let next_due_at = (pending > 0).then_some(at(Instant::ZERO).wall);
                Answer::Refilled { campaign, contacts, pending, next_due_at }
            }
            Request::CommitInvite(invite) => Answer::InviteCommitted { attempt: invite.attempt },
            Request::FinishAttempt { record, .. } => {
                std::hint::black_box(record);
                self.ended += 1;
                return;
            }
            Request::ReleaseContact { reason, .. } => panic!("every contact can be dialed, but: {reason}"),
            Request::Suppress { .. }
            | Request::Label { .. }
            | Request::SaveCampaign { .. }
            | Request::KeepDialogs { .. }
            | Request::KeepDecision { .. }
            | Request::SuppressFor { .. } => return,
            Request::Beat(_) => panic!("one engine alone has no beat"),
        };
        self.engine.handle_answer(at(self.now), answer);
    }
}

fn campaign(now: Now) -> CampaignSetup {
    let mut rules: campaign::Options = toml::from_str(
        "name = \"spring\"\ntrunks = [\"carrier\"]\ncontacts = \"contacts.csv\"\ncaller_id = \"+12025550100\"\n\
         lines_max = 10000\ncalls_per_minute = 6000.0\n[law]\npacks = []",
    )
    .expect("a campaign");
    rules.window = Window::always();
    let treatment = Treatment {
        human: Human::HangUp,
        safe_harbour: None,
        machine: Machine::HangUp,
        unsure_is_human: true,
        opt_out: None,
        record: false,
        pause_key: None,
    };
    let campaign = Campaign::new(rules, CampaignState::Draft, now);
    CampaignSetup { campaign, treatment, agent_trunk: None }
}

fn contact(row: u32) -> Contact {
    Contact {
        id: ContactId(i64::from(row) + 1),
        number: E164::from_e164(&format!("+1{:010}", 2_020_000_000 + u64::from(row))).expect("a number"),
        name: String::new(),
        comment: String::new(),
        attributes: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        next_attempt_at: at(Instant::ZERO).wall,
        history: Vec::new(),
    }
}

fn at(instant: Instant) -> Now {
    let ms = instant.since_start().as_millis() as i64;
    Now { instant, wall: WallTime::from_unix_ms(BEGINS_AT_MS + ms) }
}

fn callee_address() -> SocketAddr {
    CALLEE.parse().expect("an address")
}
