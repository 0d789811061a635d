//! What a simulated hour is made of: contacts, callees, trunks, campaigns, weather and the operator's acts, all from one
//! seed.

use super::voices::{Prompts, Voices};
use crate::agent;
use crate::call::outcome::FAILOVER_ON;
use crate::call::treatment::{AgentDial, Drop, Human, Machine as OnMachine, Treatment, Whom};
use crate::campaign;
use crate::campaign::law::options::Packs;
use crate::campaign::retry::Rule as RetryRule;
use crate::campaign::window::{Day, TimeOfDay, Window, Zone};
use crate::disposition::Disposition;
use crate::engine::engine::Operator;
use crate::engine::trunk::{self, NumberFormat, SrtpOption, TransportOption};
use crate::number::E164;
use crate::rng::Rng;
use crate::sim::agents::{Agent, Queue};
use crate::sim::callee::{Callee, Fax, Machine, Person, Temper, Tone};
use crate::sim::carrier::{Fault, Habits};
use crate::sim::network::Quality;
use crate::sim::records::Disk;
use crate::sim::subscribers::{Subscriber, Subscribers};
use crate::sim::voice::{Marker, Sit};
use crate::sip::endpoint::ReliableProvisionals;
use crate::time::{Instant, WallTime};
use std::collections::BTreeMap;
use std::time::Duration;

/// 2026-11-20, a Friday, 15:00 UTC: 10:00 in New York, 9:00 in Chicago, 7:00 in Los Angeles.
pub const START_MS: i64 = 1_795_186_800_000;

/// How long the campaigns run before everything is drained.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Area codes, and the minutes that their clocks are ahead of UTC in November.
pub const AREAS: [(&str, i64); 3] = [("1212", -300), ("1312", -360), ("1213", -480)];

/// The name of the agents' queue.
pub const QUEUE: &str = "queue";

/// A trunk, with the carrier behind it.
#[derive(Clone, Debug)]
pub struct TrunkPlan {
    /// As the engine is configured.
    pub options: trunk::Options,
    /// The carrier asks for credentials.
    pub account: bool,
    /// The carrier's faults.
    pub habits: Habits,
    /// What it answers to OPTIONS.
    pub options_status: u16,
    /// From INVITE to ringing.
    pub post_dial_delay: Duration,
    /// The wire, each way, for SIP.
    pub signalling: Quality,
    /// The wire, each way, for RTP.
    pub media: Quality,
}

/// A campaign.
#[derive(Clone, Debug)]
pub struct CampaignPlan {
    /// The rules.
    pub options: campaign::Options,
    /// Open from and until, in minutes of the callee's day, as in the rules.
    pub window: (i64, i64),
    /// What is done with whoever answers.
    pub treatment: Treatment,
    /// Whom it calls.
    pub numbers: Vec<E164>,
}

/// One simulated hour.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All of it follows from this.
    pub seed: u64,
    /// Civil time at the beginning.
    pub start: WallTime,
    /// Attempts at once, of all campaigns.
    pub lines_max: u32,
    /// INVITEs to callees per second, on all trunks.
    pub calls_per_second_max: f64,
    /// Even ports for the engine's streams.
    pub ports: u16,
    /// Trunks in the order of configuration.
    pub trunks: Vec<TrunkPlan>,
    /// Campaigns.
    pub campaigns: Vec<CampaignPlan>,
    /// The trunk behind which the agents are.
    pub agent_trunk: usize,
    /// Who has which number.
    pub subscribers: Subscribers,
    /// Agents' extensions.
    pub agents: Vec<Agent>,
    /// The queue before them.
    pub queue: Queue,
    /// Those of them whose states the engine knows; none where no campaign rings them one by one.
    pub staff: Vec<agent::Options>,
    /// The store's pace and faults.
    pub disk: Disk,
    /// What the operator does, in order of time.
    pub acts: Vec<(Instant, Operator)>,
    /// When the engine dies, and for how long it is gone; in order, and each after the one before is over.
    pub crashes: Vec<(Instant, Duration)>,
}

impl Plan {
    /// The hour of this seed.
    pub fn from_seed(seed: u64, voices: &Voices) -> Plan {
        let mut rng = Rng::from_seed(seed);
        let agents = agents(&mut rng);
        let trunks = trunks(&mut rng);
        let names: Vec<String> = trunks.iter().map(|trunk| trunk.options.name.clone()).collect();
        let lines_max = rng.between(2, 8) as u32;
        let campaigns = campaigns(&mut rng, &names);
        let mut subscribers = Subscribers::default();
        for (place, number) in campaigns.iter().flat_map(|campaign| &campaign.numbers).enumerate() {
            if subscribers.get(number.as_str()).is_none() {
                subscribers.insert(number.as_str(), subscriber(&mut rng, voices, place));
            }
        }
        let members = agents.iter().map(|agent| agent.extension.clone()).collect();
        // Seldom there are too few ports, so that streams cannot be opened.
        let ports = if rng.chance(0.1) { lines_max as u16 } else { 2 * lines_max as u16 };
        let mut plan = Plan {
            seed,
            start: WallTime::from_unix_ms(START_MS + rng.below(30) as i64 * 1_000),
            lines_max,
            calls_per_second_max: *pick(&mut rng, &[0.5, 1.0, 2.0, 10.0]),
            ports,
            agent_trunk: rng.below(trunks.len() as u64) as usize,
            acts: acts(&mut rng, &campaigns),
            disk: disk(&mut rng),
            crashes: crashes(&mut rng),
            queue: Queue { name: QUEUE.into(), members, waiting_max: 2 },
            staff: Vec::new(),
            trunks,
            campaigns,
            subscribers,
            agents,
        };
        super::staff::add(&mut plan);
        super::staff::add_whispers(&mut plan);
        plan
    }

    /// The INVITEs' host of the trunk at `place`: one address a carrier.
    pub fn host(place: usize) -> String {
        format!("198.51.100.{}", place + 1)
    }
}

fn pick<'a, T>(rng: &mut Rng, list: &'a [T]) -> &'a T {
    &list[rng.below(list.len() as u64) as usize]
}

fn ms(rng: &mut Rng, low: u64, high: u64) -> Duration {
    Duration::from_millis(rng.between(low, high))
}

fn minute_of(rng: &mut Rng, low: u64, high: u64) -> Instant {
    Instant::ZERO + ms(rng, low * 60_000, high * 60_000)
}

/// A stretch of time within the hour.
fn stretch(rng: &mut Rng, longest_s: u64) -> (Instant, Instant) {
    let from = minute_of(rng, 0, 55);
    (from, from + ms(rng, 2_000, longest_s * 1_000))
}

fn agents(rng: &mut Rng) -> Vec<Agent> {
    (0..rng.between(1, 3) as usize)
        .map(|n| Agent {
            extension: format!("60{n}"),
            ring: ms(rng, 200, 1_500),
            talk: ms(rng, 500, 3_000),
            marker: Marker::new(n),
        })
        .collect()
}

fn quality(rng: &mut Rng) -> Quality {
    let share = *pick(rng, &[0.0, 0.0, 0.01, 0.05, 0.1]);
    let outages = if rng.chance(0.1) { vec![stretch(rng, 60)] } else { Vec::new() };
    Quality { delay: ms(rng, 1, 60), jitter: ms(rng, 0, 30), outages, ..Quality::faulty(share) }
}

fn trunks(rng: &mut Rng) -> Vec<TrunkPlan> {
    (0..rng.between(1, 3) as usize).map(|place| trunk_plan(rng, place)).collect()
}

fn trunk_plan(rng: &mut Rng, place: usize) -> TrunkPlan {
    let account = rng.chance(0.4);
    let register = account && rng.chance(0.5);
    let codecs = *pick(rng, &["PCMU PCMA", "PCMA PCMU", "PCMA"]);
    let options = trunk::Options {
        from: None,
        outbound_proxy: None,
        peers: Vec::new(),
        sips: false,
        ca_file: None,
        certificate_file: None,
        key_file: None,
        name: format!("trunk-{place}"),
        host: format!("{}:5060", Plan::host(place)),
        transport: TransportOption::Udp,
        username: account.then(|| "outdial".into()),
        password: account.then(|| "secret".into()),
        password_file: None,
        register,
        register_expires_s: 120,
        domain: Some(Plan::host(place)),
        priority: rng.between(1, 2) as u32,
        weight: rng.between(1, 10) as u32,
        channels_max: rng.between(1, 4) as u32,
        calls_per_second_max: *pick(rng, &[0.5, 1.0, 2.0, 5.0]),
        codecs: codecs.split(' ').map(str::to_owned).collect(),
        dtmf: Default::default(),
        comfort_noise: false,
        options_interval_s: *pick(rng, &[0, 30, 60]),
        number_format: if rng.chance(0.5) { NumberFormat::Plus } else { NumberFormat::Digits },
        number_prefix: String::new(),
        srtp: SrtpOption::Never,
        identity: Default::default(),
        headers: Default::default(),
        realm: None,
        redirects_max: 0,
        redirect_prefixes: Vec::new(),
        stir: None,
        answer_timeout_s: rng.between(2, 5),
        failover_on: FAILOVER_ON.to_vec(),
        breaker_failures: 5,
        breaker_window_s: 30,
        breaker_rest_s: 30,
        reliable_provisionals: ReliableProvisionals::Supported,
        refer: false,
        session_expires_s: 1_800,
    };
    TrunkPlan {
        options,
        account,
        habits: habits(rng),
        options_status: *pick(rng, &[200, 200, 404, 503]),
        post_dial_delay: ms(rng, 20, 800),
        signalling: quality(rng),
        media: quality(rng),
    }
}

/// Often none, sometimes all, sometimes a carrier that has one bad habit.
fn habits(rng: &mut Rng) -> Habits {
    match rng.below(3) {
        0 => Habits::good(),
        1 => Habits::bad(0.4),
        _ => Habits { shares: vec![(*pick(rng, &Fault::ALL), 0.5)] },
    }
}

fn disk(rng: &mut Rng) -> Disk {
    let mut times = |chance: f64, count: usize, longest_s: u64| -> Vec<_> {
        let count = if rng.chance(chance) { count } else { 0 };
        (0..count).map(|_| stretch(rng, longest_s)).collect()
    };
    // An INVITE is refused only where a failure begins between its claim and its commit: many short ones meet some.
    let (stalls, failures) = (times(0.3, 2, 20), times(0.2, 20, 10));
    Disk { delay_max: *pick(rng, &[2, 20, 300, 1_500].map(Duration::from_millis)), stalls, failures }
}

/// Early, when most is in flight, and some shorter than the windows of the rates.
fn crashes(rng: &mut Rng) -> Vec<(Instant, Duration)> {
    let count = if rng.chance(0.3) { rng.between(1, 3) } else { 0 };
    let mut at = Instant::ZERO;
    (0..count)
        .map(|_| {
            let (from, gone) = (at + ms(rng, 2_000, 150_000), ms(rng, 100, 20_000));
            at = from + gone;
            (from, gone)
        })
        .collect()
}

fn campaigns(rng: &mut Rng, trunks: &[String]) -> Vec<CampaignPlan> {
    let mut numbers = Vec::new();
    (0..rng.between(1, 2) as usize)
        .map(|place| {
            let own: Vec<E164> = (0..rng.between(6, 20)).map(|n| number(rng, &numbers, place, n)).collect();
            numbers.extend(own.iter().cloned());
            campaign_plan(rng, place, own, trunks)
        })
        .collect()
}

/// Mostly a number of its own, sometimes one that stands on another list too.
fn number(rng: &mut Rng, known: &[E164], place: usize, n: u64) -> E164 {
    if !known.is_empty() && rng.chance(0.15) {
        return pick(rng, known).clone();
    }
    let area = if rng.chance(0.8) { AREAS[0].0 } else { pick(rng, &AREAS).0 };
    E164::from_e164(&format!("+{area}555{:04}", 100 + 50 * place as u64 + n))
        .expect("a number of eleven digits")
}

fn campaign_plan(rng: &mut Rng, place: usize, mut numbers: Vec<E164>, trunks: &[String]) -> CampaignPlan {
    numbers.sort();
    numbers.dedup();
    // For New York it is open all the hour, or closes within it; for Chicago it opens within it.
    let window = (
        9 * 60 + rng.below(40) as i64,
        if rng.chance(0.3) { 10 * 60 + rng.between(20, 50) as i64 } else { 1_200 },
    );
    let time = |minutes: i64| {
        TimeOfDay::parse(&format!("{:02}:{:02}", minutes / 60, minutes % 60)).expect("a time of day")
    };
    let mut allowed = trunks.to_vec();
    if rng.chance(0.2) {
        allowed.truncate(1);
    }
    let options = campaign::Options {
        name: format!("campaign-{place}"),
        trunks: allowed,
        contacts: "contacts.csv".into(),
        list: Vec::new(),
        order: Default::default(),
        default_region: None,
        do_not_call: None,
        caller_id: "+12125550100".into(),
        caller_id_pool: None,
        headers: Default::default(),
        autostart: true,
        lines_max: rng.between(1, 5) as u32,
        calls_per_minute: *pick(rng, &[6.0, 20.0, 60.0, 300.0]),
        ring_timeout_s: rng.between(15, 20) as u32,
        max_attempts: rng.between(1, 4) as u32,
        attempt_gap_min: *pick(rng, &[0, 1, 5]),
        call_duration_max_s: rng.between(10, 40) as u32,
        dialing: Default::default(),
        guaranteed_agent_after: Vec::new(),
        window: Window {
            zone: Zone::Contact,
            days: vec![Day::Fri],
            start: time(window.0),
            end: time(window.1),
        },
        law: law(place, window.0),
        retry: retry(rng),
    };
    CampaignPlan { options, window, treatment: treatment(rng), numbers }
}

/// The packs that hold by place, or those of a state and a country wherever the phone is; drawn from what is drawn already.
fn law(place: usize, opens: i64) -> campaign::law::options::Options {
    let packs: &[&str] = match (place as i64 + opens) % 4 {
        0 | 1 => return Default::default(),
        2 => &["us-florida"],
        _ => &["us-florida", "uk-ofcom"],
    };
    let packs = packs.iter().map(|id| (*id).to_owned()).collect();
    campaign::law::options::Options { packs: Packs::Named(packs), ..Default::default() }
}

fn retry(rng: &mut Rng) -> BTreeMap<Disposition, RetryRule> {
    use Disposition::*;
    [NoAnswer, Busy, Congestion, Machine, Silence, Abandoned, HungUpEarly, Declined, TrunkRejected]
        .into_iter()
        .filter_map(|disposition| {
            let rule = RetryRule {
                delay_min: rng.between(0, 8) as u32,
                max: rng.between(1, 4) as u32,
                ..RetryRule::default()
            };
            rng.chance(0.6).then_some((disposition, rule))
        })
        .collect()
}

fn treatment(rng: &mut Rng) -> Treatment {
    let agent = AgentDial {
        whom: Whom::Uri(String::new()),
        timeout: ms(rng, 1_500, 6_000),
        machine_key: None,
        transfer: Default::default(),
        hold: rng.chance(0.7).then_some(Prompts::HOLD),
        whisper: None,
    };
    let drop = Drop {
        message: Prompts::MESSAGE,
        end_silence: Duration::from_millis(1_200),
        wait_max: Duration::from_secs(12),
    };
    Treatment {
        human: match rng.below(10) {
            0 => Human::HangUp,
            1..=3 => Human::Message { message: Prompts::MESSAGE },
            _ => Human::Agent(agent),
        },
        safe_harbour: rng.chance(0.8).then_some(Prompts::SAFE_HARBOUR),
        machine: if rng.chance(0.7) { OnMachine::Voicemail(drop) } else { OnMachine::HangUp },
        unsure_is_human: rng.chance(0.5),
        opt_out: rng.chance(0.8).then_some('9'),
        record: rng.chance(0.2),
        pause_key: None,
    }
}

fn acts(rng: &mut Rng, campaigns: &[CampaignPlan]) -> Vec<(Instant, Operator)> {
    let mut acts = Vec::new();
    for campaign in campaigns {
        let name = campaign.options.name.clone();
        if rng.chance(0.4) {
            let (from, to) = stretch(rng, 300);
            acts.push((from, Operator::Pause(name.clone())));
            acts.push((to, Operator::Resume(name.clone())));
        }
        if rng.chance(0.2) {
            let (from, to) = stretch(rng, 120);
            acts.push((from, Operator::Stop(name.clone())));
            acts.push((to, Operator::Start(name.clone())));
        }
        for _ in 0..rng.below(4) {
            // Early, when most numbers are still to be dialed.
            let at = Instant::ZERO + ms(rng, 0, 240_000);
            acts.push((at, Operator::Suppress(pick(rng, &campaign.numbers).clone())));
        }
        acts.push((Instant::ZERO + HOUR, Operator::Stop(name)));
    }
    acts.push((Instant::ZERO + HOUR, Operator::Drain));
    acts.sort_by_key(|(at, _)| *at);
    acts
}

fn subscriber(rng: &mut Rng, voices: &Voices, place: usize) -> Subscriber {
    let callee = match rng.below(100) {
        0..35 => Callee::Person(person(rng, voices, place)),
        35..58 => Callee::Machine(machine(rng, voices)),
        58..66 => Callee::Busy,
        66..74 => Callee::NoAnswer,
        74..80 => Callee::Declined,
        80..83 => Callee::Invalid,
        83..86 => Callee::SitEarlyMedia(Sit::Vacant, 404),
        86..88 => Callee::SitEarlyMedia(Sit::NoCircuit, 480),
        88..90 => Callee::SitAfterAnswer(Sit::Intercept),
        90..92 => Callee::Fax(if rng.chance(0.5) { Fax::Called } else { Fax::Calling }),
        92..95 => Callee::Silent,
        95..97 => Callee::RingBackAfterAnswer,
        97..99 => Callee::Music(voices.music.clone()),
        _ => Callee::Screening(voices.screening.clone()),
    };
    Subscriber { callee, ring: ms(rng, 100, 14_000), fault: None }
}

fn person(rng: &mut Rng, voices: &Voices, place: usize) -> Person {
    let temper = match rng.below(10) {
        0..4 => Temper::Talks,
        4..6 => Temper::TalksAndHangsUp(ms(rng, 200, 2_000)),
        6..8 => Temper::HangsUp(ms(rng, 100, 4_000)),
        _ => Temper::Presses('9', Duration::from_millis(400)),
    };
    Person {
        pause: ms(rng, 100, 700),
        hello: pick(rng, &voices.hellos).clone(),
        // The first markers are the agents'.
        marker: Marker::new(8 + place),
        patience: Duration::from_secs(8),
        temper,
    }
}

fn machine(rng: &mut Rng, voices: &Voices) -> Machine {
    let beep = Tone { frequency_hz: *pick(rng, &[440.0, 1000.0, 1400.0]), length: ms(rng, 250, 500) };
    Machine {
        pause: ms(rng, 200, 700),
        greeting: pick(rng, &voices.greetings).clone(),
        gap: ms(rng, 200, 800),
        beep: rng.chance(0.7).then_some(beep),
        recording_max: Duration::from_secs(15),
    }
}
