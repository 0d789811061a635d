//! The engine and the carriers of a plan.

use super::account::{Coverage, Ladder};
use super::plan::{AREAS, Plan, QUEUE};
use super::ports::Ports;
use super::voices::Voices;
use super::{FNV, Far, World, staff};
use crate::agent::Word;
use crate::call::treatment::{AgentDial, Human, Treatment, Whom};
use crate::campaign::law::options::Packs;
use crate::campaign::{Campaign, Ledger};
use crate::disposition::Disposition;
use crate::engine::engine::{self, ACK_HELD_MAX, CampaignSetup, Engine, FormerRun, TrunkSetup};
use crate::media::player::PromptTable;
use crate::media::{self, worker::Worker};
use crate::record::CampaignState;
use crate::rng::Rng;
use crate::sim::carrier::{self, Carrier};
use crate::sim::checks::{CampaignRules, Checks, Lawful, PhoneRules, Rules, TrunkRules};
use crate::sim::guard::{Account, Algorithm};
use crate::sim::network::{Link, Network};
use crate::sim::records::Records;
use crate::sip::digest::{Credentials, Secret};
use crate::sip::endpoint::{self, AccessTable, Endpoint, Local, Target, Transport};
use crate::time::{Instant, Now};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The most packets under way at once.
const PACKETS_MAX: usize = 20_000;

/// The detector's deadline of five seconds and a margin, as the shell configures it.
const VERDICT_WITHIN: Duration = Duration::from_millis(5_500);

/// A connected stream without a packet for this long is reported.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(12);

/// Where the engine's SIP socket is.
pub(super) fn engine_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

/// Where the carrier of the trunk at `place` is.
fn carrier_address(place: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, place as u8 + 1], 5060))
}

impl World {
    /// The world of a plan, at its first instant.
    pub fn new(plan: Plan, voices: &Voices) -> World {
        // Generators of their own, so that what one part draws does not change what another one gets.
        let mut rng = Rng::from_seed(plan.seed ^ 0x5eed_0000_0000_0000);
        let now = Now { instant: Instant::ZERO, wall: plan.start };
        let far = (0..plan.trunks.len()).map(|place| far(&plan, place, voices, &mut rng)).collect();
        let listed = plan.campaigns.iter().flat_map(|campaign| {
            campaign.numbers.iter().map(|number| (campaign.options.name.clone(), number.clone()))
        });
        let records = Records::new(plan.disk.clone(), listed, rng.fork());
        World {
            now: Instant::ZERO,
            engine: engine(&plan, &records, now, &mut rng),
            worker: worker(&plan, &voices.prompts, &mut rng),
            ports: ports(&plan),
            prompts: voices.prompts.clone(),
            rng,
            crashes: plan.crashes.iter().copied().collect(),
            gone_until: None,
            far,
            network: Network::new(PACKETS_MAX),
            records,
            acts: plan.acts.iter().cloned().collect(),
            last_slot: 0,
            steps_at_once: 0,
            checks: Checks::new(rules(&plan)),
            ladder: Ladder::default(),
            journal: String::new(),
            fingerprint: FNV,
            seen: BTreeSet::new(),
            coverage: Coverage::default(),
            plan,
        }
    }

    /// The engine dies at once, and its ports with it.
    pub(super) fn crash(&mut self, gone: Duration) {
        self.gone_until = Some(self.now + gone);
        self.records.handle_crash();
        let (now, records) = (self.now(), &self.records);
        let unknown = self.checks.handle_crash(now, records.calls(), records.suppressed(), records.dialogs());
        self.coverage.add("calls that came up as a crash came", unknown);
        self.worker = worker(&self.plan, &self.prompts, &mut self.rng);
        self.ports = ports(&self.plan);
        self.coverage.add("crashes", 1);
        writeln!(self.journal, "{:>10.3} the engine dies", self.now.since_start().as_secs_f64())
            .expect("a string takes everything");
    }

    /// Another engine begins with what the store has.
    pub(super) fn restart(&mut self) {
        self.gone_until = None;
        let now = self.now();
        let orphans = self.records.recover();
        writeln!(self.journal, "{:>10.3} the engine starts again", self.now.since_start().as_secs_f64())
            .expect("a string takes everything");
        self.engine = engine(&self.plan, &self.records, now, &mut self.rng);
        self.coverage.add("attempts that a crash cut off", orphans.len() as u64);
        let dialogs: Vec<_> = self.records.dialogs().values().cloned().collect();
        self.coverage.add("calls that a crash left", dialogs.len() as u64);
        let former = FormerRun { attempts: orphans, dialogs, dialed_lately: true };
        self.engine.handle_former_run(now, former);
    }
}

fn ports(plan: &Plan) -> Ports {
    Ports::new(engine_address().ip(), plan.ports)
}

fn worker(plan: &Plan, prompts: &Arc<PromptTable>, rng: &mut Rng) -> Worker {
    let media = media::Options {
        streams_max: 2 * plan.lines_max as usize,
        media_timeout: MEDIA_TIMEOUT,
        ..media::Options::default()
    };
    Worker::new(&media, prompts.clone(), rng.fork())
}

fn engine(plan: &Plan, records: &Records, now: Now, rng: &mut Rng) -> Engine {
    let access = AccessTable::new(vec![Local::new(engine_address())]);
    let options =
        endpoint::Options { access, ack_held_max: Some(ACK_HELD_MAX), ..endpoint::Options::default() };
    let endpoint = Endpoint::new(options, rng.fork());
    let options = engine::Options {
        lines_max: plan.lines_max,
        calls_per_second_max: plan.calls_per_second_max,
        verdict_within: VERDICT_WITHIN,
        recordings: "recordings".into(),
        trunks: (0..plan.trunks.len()).map(|place| trunk(plan, place)).collect(),
        campaigns: plan.campaigns.iter().map(|campaign| setup(plan, records, campaign, now)).collect(),
        ledger: ledger(records, now),
        watch: false,
        media: Vec::new(),
    };
    let mut engine = Engine::new(now, options, endpoint, rng.fork());
    engine.handle_agents(now, plan.staff.clone());
    engine
}

fn trunk(plan: &Plan, place: usize) -> TrunkSetup {
    let plan = &plan.trunks[place];
    let credentials = plan.account.then(|| Credentials {
        username: "outdial".into(),
        password: Secret::new("secret"),
        realm: None,
    });
    let target = Target::new(Transport::Udp, carrier_address(place));
    TrunkSetup { options: plan.options.clone(), target, credentials }
}

/// As the shell fills it from the store.
fn ledger(records: &Records, now: Now) -> Ledger {
    let mut ledger = Ledger::new();
    for number in records.suppressed() {
        ledger.suppress(number).expect("a plan's numbers are few");
    }
    let mut ends: Vec<_> = records.calls().values().map(|call| (call.ended_at, &call.number)).collect();
    ends.sort();
    for (ended, number) in ends {
        let ago = u64::try_from(now.wall.unix_ms() - ended.unix_ms()).unwrap_or(0);
        ledger.remember(number, Duration::from_millis(ago), now.instant);
    }
    ledger
}

fn setup(plan: &Plan, records: &Records, campaign: &super::plan::CampaignPlan, now: Now) -> CampaignSetup {
    let trunk = &plan.trunks[plan.agent_trunk].options;
    let human = match &campaign.treatment.human {
        Human::Agent(agent) if agent.uri().is_some() => {
            let whom = Whom::Uri(format!("sip:{QUEUE}@{}", trunk.host));
            Human::Agent(AgentDial { whom, ..agent.clone() })
        }
        other => other.clone(),
    };
    let state = records.campaign(&campaign.options.name).unwrap_or(CampaignState::Draft);
    let mut of_engine = Campaign::new(campaign.options.clone(), state, now);
    staff::restore(&mut of_engine, records);
    CampaignSetup {
        campaign: of_engine,
        treatment: Treatment { human, ..campaign.treatment.clone() },
        agent_trunk: Some(trunk.name.clone()),
    }
}

fn far(plan: &Plan, place: usize, voices: &Voices, rng: &mut Rng) -> Far {
    let trunk = &plan.trunks[place];
    let address = carrier_address(place);
    let account = trunk.account.then(|| Account {
        realm: "carrier".into(),
        username: "outdial".into(),
        password: "secret".into(),
        algorithms: if rng.chance(0.5) {
            vec![Algorithm::Md5]
        } else {
            vec![Algorithm::Sha256, Algorithm::Md5]
        },
        nonce_life: Duration::from_secs(rng.between(5, 300)),
    });
    let options = carrier::Options {
        account,
        habits: trunk.habits.clone(),
        options_status: trunk.options_status,
        post_dial_delay: trunk.post_dial_delay,
        subscribers: plan.subscribers.clone(),
        agents: plan.agents.clone(),
        queues: vec![plan.queue.clone()],
        messages: voices.messages.clone(),
        ..carrier::Options::new(address, (0..40).map(|n| 30_000 + 2 * n).collect())
    };
    let mut link = |quality: &crate::sim::network::Quality| Link::new(quality.clone(), rng.fork());
    Far {
        sip_there: link(&trunk.signalling),
        sip_back: link(&trunk.signalling),
        media_there: link(&trunk.media),
        media_back: link(&trunk.media),
        carrier: Carrier::new(options, rng.fork()),
        address,
    }
}

/// What the packs of a plan ask, read by hand from the same sources; the simulated hour begins at ten in the morning.
/// The rests are for calls that no agent is kept for.
fn law(packs: &Packs, keeps_agents: bool) -> Vec<Lawful> {
    use Disposition::{Abandoned, Interrupted, Machine, VoicemailLeft};
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    match packs {
        Packs::Auto => vec![Lawful::Hours(8 * 60, 21 * 60)],
        Packs::Named(ids) => {
            let mut asked = vec![Lawful::Hours(8 * 60, 20 * 60), Lawful::Cap(3, hours(24))];
            if !keeps_agents && ids.iter().any(|id| id == "uk-ofcom") {
                asked.push(Lawful::Rest(vec![Abandoned, Interrupted], hours(72)));
                // To the end of the day, which the hour does not reach.
                asked.push(Lawful::Rest(vec![Machine, VoicemailLeft], hours(6)));
            }
            asked
        }
    }
}

/// Whether an agent can be kept for a call: of a queue nobody knows who is free.
fn keeps_agents(treatment: &Treatment) -> bool {
    matches!(&treatment.human, Human::Agent(dial) if matches!(dial.whom, Whom::Agents { .. }))
}

fn rules(plan: &Plan) -> Rules {
    let trunk = |trunk: &super::plan::TrunkPlan| TrunkRules {
        channels_max: trunk.options.channels_max as usize,
        calls_per_second_max: trunk.options.calls_per_second_max,
        answer_timeout: trunk.options.response_timeout(),
    };
    let campaign = |campaign: &super::plan::CampaignPlan| {
        let options = &campaign.options;
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let rules = CampaignRules {
            lines_max: options.lines_max as usize,
            max_attempts: options.max_attempts as usize,
            attempt_gap: minutes(options.attempt_gap_min),
            delays: options.retry.iter().map(|(word, rule)| (*word, minutes(rule.delay_min))).collect(),
            window: campaign.window,
            law: law(&options.law.packs, keeps_agents(&campaign.treatment)),
        };
        (options.name.clone(), rules)
    };
    Rules {
        trunks: plan.trunks.iter().map(trunk).collect(),
        campaigns: plan.campaigns.iter().map(campaign).collect(),
        lines_max: plan.lines_max as usize,
        calls_per_second_max: plan.calls_per_second_max,
        agents: [QUEUE.to_owned()].into(),
        phones: plan
            .staff
            .iter()
            .map(|agent| {
                let rules = PhoneRules { wrap_up: agent.wrap_up(), is_ready: agent.initial == Word::Ready };
                (agent.name.clone(), rules)
            })
            .collect(),
        offsets: AREAS.iter().map(|(area, offset)| ((*area).to_owned(), *offset)).collect(),
    }
}
