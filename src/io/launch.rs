//! From a configuration to a running engine: addresses, prompts, store, lists, sockets, threads.
//!
//! Nothing is dialed before all of it stands, and everything that does not is named at once.

use crate::campaign::ledger::RECENT_MAX;
use crate::campaign::suppression::Reach;
use crate::campaign::{Campaign, Ledger};
use crate::engine::caller_id::Pool;
use crate::engine::engine::{
    ACK_HELD_MAX, CampaignSetup, Engine, FormerRun, MediaAddress, Options, TrunkSetup,
};
use crate::engine::passport::Signer;
use crate::engine::trunk;
use crate::io::access::{self, Prepared, at_line};
use crate::io::address::{self, LookUp};
use crate::io::books::Books;
use crate::io::caller_ids;
use crate::io::clock::Clock;
use crate::io::config::law::read_lists;
use crate::io::config::{Config, Fault, JitterOption};
use crate::io::control::{Control, Onlooker};
use crate::io::enrolled;
use crate::io::labels::Labels;
use crate::io::lists::import;
use crate::io::media::MediaPlane;
use crate::io::operator::Door;
use crate::io::prompts::Prompts;
use crate::io::resolver::{self, Located, Resolver};
use crate::io::trace::{Copies, Tracer};
use crate::io::{abandonment, entropy, reload, secret, stir, trunks};
use crate::record::CampaignState;
use crate::rtp::delay::Delay;
use crate::sip::digest::{Credentials, Secret};
use crate::sip::endpoint::{self, AccessTable, Endpoint, Target, Transport};
use crate::sip::locate::Destination;
use crate::sip::locate::search::Abilities;
use crate::store::{Reader, Store, StoreError, writer};
use crate::time::{Now, WallTime};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Wishes of the operator that wait.
const WISHES_MAX: usize = 64;

/// Added to the detector's deadline: then the engine decides without it.
const VERDICT_MARGIN: Duration = Duration::from_millis(1_500);

/// Transactions that one line may have going at once, with room for retransmissions of finished ones.
const TRANSACTIONS_A_LINE: usize = 32;

/// Where trunks are is waited for this long at the start; what is not known then comes later.
const LOCATE_WITHIN: Duration = Duration::from_secs(6);

/// An attempt that was committed so long before the start at most may have sent its INVITE within the last second: a store
/// that stalls lets it wait, but not for longer.
const DIALED_LATELY: Duration = Duration::from_secs(60);

/// An address of nobody (RFC 5737): only the routing table is asked about it.
const ANYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

/// The same in IPv6 (RFC 3849).
const ANYBODY_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 5060);

/// What is wished of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// End by itself when every campaign is completed.
    pub until_completed: bool,
    /// Open the operator's socket.
    pub open_door: bool,
    /// Report the level of what callees say.
    pub watch: bool,
}

/// A launched engine.
pub struct Launched {
    /// The loop: call its `run`.
    pub control: Control,
    /// What the import and the recovery did, a line each.
    pub notes: Vec<String>,
    /// What goes on working and is still not as it should be, a line each.
    pub warnings: Vec<String>,
    books: Books,
    _door: Option<Door>,
}

impl Launched {
    /// What runs now, a line each: the first that an operator looks for in a log.
    pub fn introduction(&self) -> Vec<String> {
        let status = self.control.engine.status(self.control.clock.now());
        let mut lines: Vec<String> = status
            .campaigns
            .iter()
            .map(|campaign| format!("{} is {}", campaign.name, campaign.state))
            .collect();
        let trunks: Vec<String> = status.trunks.into_iter().map(|trunk| trunk.name).collect();
        let described = self.control.sockets.listeners().iter().filter_map(|listener| {
            let address = listener.address().ok()?;
            let tls = listener.tls_address().map(|tls| format!(", TLS on port {}", tls.port()));
            Some(format!("{address}, UDP and TCP{}", tls.unwrap_or_default()))
        });
        let listeners = described.collect::<Vec<_>>().join("; ");
        lines.push(format!("SIP on {listeners}; trunks: {}", trunks.join(", ")));
        lines
    }

    /// After the loop: waits until everything is on disk and the threads are gone.
    pub async fn finish(self) -> Result<(), String> {
        let Control { requests, answers, media, tracer, .. } = self.control;
        // Nobody reads them any more; the writer must not wait for room among them.
        drop(answers);
        media.stop();
        tracer.stop();
        drop(requests);
        self.books.finish()
    }
}

/// Builds everything. Faults come with the configuration's lines.
pub async fn launch(mut config: Config, wished: &Launch, onlooker: Onlooker) -> Result<Launched, Vec<Fault>> {
    let clock = Clock::start();
    let now = clock.now();
    let mut trunks = trunk_setups(&config)?;
    let prompts = Prompts::load(&config)?;
    config.amd.prompts = enrolled::load_for(&config)?;
    let mut notes = Vec::new();
    let located = locate_trunks(&config, &mut trunks).await;
    trunks::check_media(&config.media, &config, &trunks)?;
    let mut warnings = trunks::secured_unheard(&config, &trunks, &located);
    warnings.extend(trunks::unverifiable(&config, &trunks, &located));
    trunks::check_located(&config, &located, &mut warnings)?;
    let mut store = open_store(&config).await?;
    let mut ledger = Ledger::new();
    import::at_start(&config, &mut store, &mut ledger, now.wall, &mut notes).await?;
    remember_recent(&config, &mut store, &mut ledger, now).await?;
    load_lists(&config, &mut store, &mut ledger, &mut notes).await?;
    let former = former_run(&mut store, now, &mut notes)
        .await
        .map_err(|error| database_fault(&config, &error.to_string()))?;
    let campaigns = campaigns(&config, &prompts, &mut store, now).await?;
    let pools = pools(&config, &mut store).await?;
    let signers = signers(&config)?;
    let media_addresses = media_addresses(&config, &trunks, address::local_towards)?;
    let Prepared { sockets, table, tls } = access::prepare(&config, &mut trunks, &located)?;
    let seen_as = sockets.listeners().first().and_then(|listener| listener.address().ok()).unwrap_or(ANYBODY);
    let tracer = Tracer::start(config.trace.clone(), seen_as, now)
        .map_err(|(key, text)| vec![Fault { line: config.line(&format!("trace.{key}")), text }])?;
    let (media, media_events) =
        start_media(&config, &prompts, &clock, media_addresses.clone(), tracer.copies())?;
    let no_randomness = |error| vec![whole(format!("no randomness to be had: {error}"))];
    let rng = entropy::rng().map_err(no_randomness)?;
    let secret = entropy::bits_256().map_err(no_randomness)?;
    let mut engine =
        make_engine(&config, wished, now, trunks, campaigns, ledger, table, media_addresses, rng);
    engine.set_media_secret(secret);
    engine.set_dialing(config.engine.dialing);
    engine.set_caller_id_pools(pools);
    engine.handle_agents(now, config.agents.clone());
    for (trunk, signer) in signers {
        engine.handle_signer(&trunk, signer);
    }
    // Calls per second are counted from here: whoever ran before has died before our store was opened.
    engine.handle_former_run(clock.now(), former);
    if store.is_shared() {
        engine.join(clock.now());
    }
    let (requests, request_queue) = mpsc::channel(writer::REQUESTS_MAX);
    let (answer_sender, answers) = mpsc::channel(writer::ANSWERS_MAX);
    let orders = store.orders();
    let books = Books::start(store, request_queue, answer_sender)
        .await
        .map_err(|error| vec![whole(format!("cannot start the store's thread: {error}"))])?;
    let (wish_sender, wishes) = mpsc::channel(WISHES_MAX);
    let door = if wished.open_door { Some(open_door(&config, wish_sender)?) } else { None };
    let drain = Duration::from_secs(config.engine.drain_s);
    let (resolver, dns_answers) = Resolver::new(&config.sip.dns);
    let control = Control {
        clock,
        engine,
        sockets,
        media,
        media_events,
        resolver,
        dns_answers,
        requests,
        answers,
        wishes,
        labels: Labels::default(),
        tracer,
        onlooker,
        reload: reload::of(config, prompts, tls, orders),
        drain,
        stop: Rc::default(),
        until_completed: wished.until_completed,
    };
    Ok(Launched { control, notes, warnings, books, _door: door })
}

/// A fault of the file as a whole.
fn whole(text: String) -> Fault {
    Fault { line: 0, text }
}

pub(super) fn database_fault(config: &Config, error: &str) -> Vec<Fault> {
    vec![Fault { line: config.line("engine.database"), text: error.to_owned() }]
}

/// Every trunk with its credentials, and with its address where that is no name.
pub fn trunk_setups(config: &Config) -> Result<Vec<TrunkSetup>, Vec<Fault>> {
    let mut setups = Vec::new();
    let mut faults = Vec::new();
    for (i, options) in config.trunks.iter().enumerate() {
        let known = options.destination().and_then(|destination| destination.address());
        let unknown = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let (transport, address) = known.unwrap_or((Transport::Udp, unknown));
        match credentials(options, &config.path) {
            Ok(credentials) => setups.push(TrunkSetup {
                options: options.clone(),
                target: Target::new(transport, address),
                credentials,
            }),
            Err((key, text)) => {
                faults.push(Fault { line: config.line(&format!("trunk.{i}.{key}")), text });
            }
        }
    }
    if faults.is_empty() { Ok(setups) } else { Err(faults) }
}

/// What this machine can speak: with an address of a family for SIP and one for media.
fn abilities(config: &Config) -> Abilities {
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    let speaks = |is_ipv4: bool| {
        config.sip.listen.iter().any(|listen| listen.is_ipv4() == is_ipv4)
            && config.media.listen_of(is_ipv4).is_some()
    };
    Abilities { transports, v4: speaks(true), v6: speaks(false) }
}

/// Asks the DNS where the trunks are and puts their first addresses into the setups.
pub async fn locate_trunks(config: &Config, setups: &mut [TrunkSetup]) -> Vec<Located> {
    let destinations: Vec<Destination> =
        setups.iter().filter_map(|setup| setup.options.destination()).collect();
    let located =
        resolver::locate_all(&config.sip.dns, abilities(config), &destinations, LOCATE_WITHIN).await;
    resolver::set_targets(setups, &located);
    located
}

/// A peer of a family for finding out which of our addresses those see of whom nothing else is known: the first trunk whose
/// address is known, or, where none of any family is known yet, anybody beyond the default route.
pub fn towards(trunks: &[TrunkSetup], is_ipv4: bool) -> Option<SocketAddr> {
    let is_known = |address: &SocketAddr| !address.ip().is_unspecified();
    let mut known = trunks.iter().map(|trunk| trunk.target.address).filter(is_known).peekable();
    let nobody = !trunks.is_empty() && known.peek().is_none();
    known.chain(nobody.then_some(ANYBODY)).find(|peer| peer.is_ipv4() == is_ipv4)
}

/// Where media ports are, with what SDP says where the routing table says nothing of the trunk.
fn media_addresses(
    config: &Config,
    trunks: &[TrunkSetup],
    look_up: LookUp,
) -> Result<Vec<MediaAddress>, Vec<Fault>> {
    let address = |listen: &IpAddr| {
        let (listen, is_ipv4) = (*listen, listen.is_ipv4());
        if let Some(offered) = config.media.advertised(is_ipv4) {
            let listen = address::bound(listen, offered, look_up);
            return Ok(MediaAddress { listen, offered, is_wildcard: false });
        }
        let anybody = if is_ipv4 { ANYBODY } else { ANYBODY_V6 };
        let offered = match towards(trunks, is_ipv4) {
            None if listen.is_unspecified() => look_up(anybody).unwrap_or(listen),
            towards => access::concrete(listen, towards, look_up).map_err(at_line(config, "media.listen"))?,
        };
        Ok(MediaAddress { listen, offered, is_wildcard: listen.is_unspecified() })
    };
    config.media.listen.iter().map(address).collect()
}

/// The keys of the trunks that sign, by the trunk's name.
pub fn signers(config: &Config) -> Result<Vec<(String, Signer)>, Vec<Fault>> {
    let mut signers = Vec::new();
    let mut faults = Vec::new();
    for (i, options) in config.trunks.iter().enumerate() {
        match options.stir.as_ref().map(stir::signer) {
            Some(Ok(signer)) => signers.push((options.name.clone(), signer)),
            Some(Err(text)) => {
                faults.push(Fault { line: config.line(&format!("trunk.{i}.stir.key_file")), text });
            }
            None => {}
        }
    }
    if faults.is_empty() { Ok(signers) } else { Err(faults) }
}

fn credentials(
    options: &trunk::Options,
    config: &Path,
) -> Result<Option<Credentials>, (&'static str, String)> {
    let Some(username) = &options.username else { return Ok(None) };
    let password = match (&options.password, &options.password_file) {
        (Some(password), _) => {
            secret::owner_only(config).map_err(|text| ("password", text))?;
            password.clone()
        }
        (None, Some(file)) => secret::read(file).map_err(|text| ("password_file", text))?,
        (None, None) => String::new(),
    };
    Ok(Some(Credentials {
        username: username.clone(),
        password: Secret::new(password),
        realm: options.realm.clone(),
    }))
}

pub(super) async fn open_store(config: &Config) -> Result<Store, Vec<Fault>> {
    let fault = |error: StoreError| database_fault(config, &error.to_string());
    let mut store = Store::open(&config.engine.database).await.map_err(fault)?;
    store.join(&config.engine.node.clone().unwrap_or_else(machine_name)).await.map_err(fault)?;
    Ok(store)
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "outdial".to_owned() } else { name.trim().to_owned() }
}

/// Published do-not-call lists, and opt-outs that reach one campaign or one purpose.
pub(super) async fn load_lists(
    config: &Config,
    store: &mut Store,
    ledger: &mut Ledger,
    notes: &mut Vec<String>,
) -> Result<(), Vec<Fault>> {
    let (lists, read) = read_lists(config)?;
    notes.extend(read);
    lists.into_iter().for_each(|list| ledger.put_list(list));
    let scoped =
        store.scoped_suppressions().await.map_err(|error| database_fault(config, &error.to_string()))?;
    for (number, reach) in scoped {
        let full = |_| vec![whole("the do-not-call list is larger than the engine can hold".to_owned())];
        ledger.suppress_for(&number, Reach::from_word(&reach)).map_err(full)?;
    }
    Ok(())
}

/// The gap between attempts on a number holds across a restart, and across lists: another list's contact with that number
/// knows nothing of the call.
pub(super) async fn remember_recent(
    config: &Config,
    store: &mut Store,
    ledger: &mut Ledger,
    now: Now,
) -> Result<(), Vec<Fault>> {
    let gaps = config.campaigns.iter().map(|campaign| campaign.rules.attempt_gap());
    let longest = gaps.max().unwrap_or_default().as_millis() as i64;
    let since = WallTime::from_unix_ms(now.wall.unix_ms().saturating_sub(longest));
    let recent = store
        .recent_ends(since, RECENT_MAX)
        .await
        .map_err(|error| database_fault(config, &error.to_string()))?;
    for (number, ended) in recent {
        let ago = u64::try_from(now.wall.unix_ms() - ended.unix_ms()).unwrap_or(0);
        ledger.remember(&number, Duration::from_millis(ago), now.instant);
    }
    Ok(())
}

/// What the run before this one has left, when it had no time to close its books.
pub(super) async fn former_run(
    store: &mut Store,
    now: Now,
    notes: &mut Vec<String>,
) -> Result<FormerRun, StoreError> {
    let orphans = store.recover().await?;
    let dialogs = store.dialogs().await?;
    for orphan in &orphans {
        notes.push(format!(
            "attempt {} on {} was in flight when the engine died: its call is ended, and it is closed as interrupted",
            orphan.attempt,
            orphan.contact.number.masked()
        ));
    }
    let lately = now.wall.unix_ms() - DIALED_LATELY.as_millis() as i64;
    let dialed_lately = store.last_attempt_at().await?.is_some_and(|at| at.unix_ms() > lately);
    let attempts = orphans.into_iter().map(|orphan| (orphan.contact, orphan.invites)).collect();
    Ok(FormerRun { attempts, dialogs, dialed_lately })
}

pub(super) async fn campaigns(
    config: &Config,
    prompts: &Prompts,
    store: &mut Store,
    now: Now,
) -> Result<Vec<CampaignSetup>, Vec<Fault>> {
    let mut setups = Vec::new();
    let mut reader = Reader::open(&config.engine.database)
        .await
        .map_err(|error| database_fault(config, &error.to_string()))?;
    for section in &config.campaigns {
        let kept = store
            .campaign_state(&section.rules.name)
            .await
            .map_err(|error| database_fault(config, &error.to_string()))?;
        let state = kept.unwrap_or(CampaignState::Draft);
        let mut campaign = Campaign::new(section.rules.clone(), state, now);
        abandonment::restore(&mut campaign, &mut reader, now)
            .await
            .map_err(|error| database_fault(config, &error.to_string()))?;
        setups.push(CampaignSetup {
            campaign,
            treatment: section.treatment.resolve(|path| prompts.place(path)),
            agent_trunk: section.treatment.human.agent_trunk.clone(),
        });
    }
    Ok(setups)
}

/// The pools of caller ids, with what the store knows of their calls.
pub(super) async fn pools(config: &Config, store: &mut Store) -> Result<Vec<Pool>, Vec<Fault>> {
    if config.caller_id_pools.is_empty() {
        return Ok(Vec::new());
    }
    let uses = store.caller_id_uses(caller_ids::CALLS_MAX).await;
    let uses = uses.map_err(|error| database_fault(config, &error.to_string()))?;
    Ok(caller_ids::pools(config, &uses))
}

fn start_media(
    config: &Config,
    prompts: &Prompts,
    clock: &Clock,
    addresses: Vec<MediaAddress>,
    copies: Option<Copies>,
) -> Result<(MediaPlane, mpsc::Receiver<crate::media::command::Event>), Vec<Fault>> {
    let section = &config.media;
    std::fs::create_dir_all(&config.engine.recordings).map_err(|error| {
        let text =
            format!("cannot make the folder for recordings, {}: {error}", config.engine.recordings.display());
        vec![Fault { line: config.line("engine.recordings"), text }]
    })?;
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    let options = crate::io::media::Options {
        addresses,
        port_min: section.port_min,
        port_max: section.port_max,
        threads: section.threads,
        streams_max: 2 * config.engine.lines_max as usize,
        jitter: ms(section.jitter_ms),
        jitter_agents: match section.jitter {
            JitterOption::Fixed => Delay::Fixed(ms(section.jitter_ms)),
            JitterOption::Adaptive => {
                Delay::Adaptive { min: ms(section.jitter_min_ms), max: ms(section.jitter_max_ms) }
            }
        },
        media_timeout: Duration::from_secs(section.timeout_s),
        amd: config.amd.clone(),
    };
    MediaPlane::start_traced(options, Arc::new(prompts.table.clone()), clock.epoch(), copies).map_err(
        |error| {
            vec![Fault { line: config.line("media"), text: format!("cannot start the media plane: {error}") }]
        },
    )
}

#[expect(clippy::too_many_arguments, reason = "the one place where all parts come together")]
pub(super) fn make_engine(
    config: &Config,
    wished: &Launch,
    now: Now,
    trunks: Vec<TrunkSetup>,
    campaigns: Vec<CampaignSetup>,
    ledger: Ledger,
    table: AccessTable,
    media: Vec<MediaAddress>,
    mut rng: crate::rng::Rng,
) -> Engine {
    let lines_max = config.engine.lines_max;
    let endpoint_options = endpoint::Options {
        user_agent: config.sip.user_agent.clone(),
        access: table,
        tcp_above_bytes: config.sip.tcp_above_bytes,
        learn_address: config.sip.learn_address,
        sessions_max: 4 * lines_max as usize,
        transactions_max: TRANSACTIONS_A_LINE * lines_max as usize + 1_024,
        ack_held_max: Some(ACK_HELD_MAX),
        ..endpoint::Options::default()
    };
    let endpoint = Endpoint::new(endpoint_options, rng.fork());
    let options = Options {
        lines_max,
        calls_per_second_max: config.engine.calls_per_second_max,
        verdict_within: Duration::from_millis(u64::from(config.amd.verdict_by_ms())) + VERDICT_MARGIN,
        recordings: config.engine.recordings.clone(),
        trunks,
        campaigns,
        ledger,
        watch: wished.watch,
        media,
    };
    Engine::new(now, options, endpoint, rng)
}

fn open_door(config: &Config, wishes: mpsc::Sender<crate::io::operator::Asked>) -> Result<Door, Vec<Fault>> {
    let path = &config.engine.control;
    let mut door = Door::open(path).map_err(|error| {
        let text = format!("cannot open the control socket {}: {error}", path.display());
        vec![Fault { line: config.line("engine.control"), text }]
    })?;
    door.serve(wishes);
    Ok(door)
}
