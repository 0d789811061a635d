//! The engine: inputs in, outputs out, no lock, no clock, no await.

mod belonging;
mod breaks;
mod calls;
mod carry;
mod dialing;
mod explaining;
mod hearing;
mod holding;
mod keeping;
mod lawful;
mod leaving;
mod orphans;
mod previews;
mod promises;
mod registering;
mod rejection;
mod renewal;
mod staffing;
mod suppressing;
mod transfers;
mod trunks;

pub use keeping::ACK_HELD_MAX;
pub use orphans::FormerRun;
pub use renewal::Renewed;
pub use trunks::MediaAddress;

use crate::agent::{self, AgentKey};
use crate::call::attempt::{Action, Attempt, Side};
use crate::call::treatment::Treatment;
use crate::campaign::{self, Campaign, Ledger};
use crate::engine::caller_id::Pool;
use crate::engine::journal::{Entry, Event};
use crate::engine::measures::Measures;
use crate::engine::media_keys::MediaKeys;
use crate::engine::membership::Membership;
use crate::engine::rate::RateLimit;
use crate::engine::status::{CallerIdStatus, CampaignStatus, MediaStatus, SipStatus, Status};
use crate::engine::trunk::{self, Trunk};
use crate::media::command::{Command, StreamKey};
use crate::number::E164;
use crate::record::{
    AttemptId, CallRecord, CampaignState, Contact, ContactState, ContactUpdate, InviteRecord, Request,
};
use crate::rng::Rng;
use crate::sip::digest::Credentials;
use crate::sip::endpoint::{Endpoint, SessionKey, Target};
use crate::sip::locate::hops::Place;
use crate::sip::locate::{Locator, Question};
use crate::slab::{Key, Slab};
use crate::time::{Instant, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use calls::Placed;

use carry::Draft;
use holding::Holding;
use keeping::Keeping;
use orphans::Orphans;
use transfers::Transferred;

/// After a failure of the store: how long until it is tried again.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// A registrar that has not taken our leave by then is not waited for: what it keeps will expire.
const UNREGISTER_WITHIN: Duration = Duration::from_secs(2);

/// Requests that are kept while the store fails. Only attempts in flight make them, so this is never met in practice; beyond
/// it the oldest campaign states would be dropped, never a record.
const UNSAVED_MAX: usize = 100_000;

/// What the engine is made of.
pub struct Options {
    /// Attempts at once.
    pub lines_max: u32,
    /// INVITEs to callees per second.
    pub calls_per_second_max: f64,
    /// When a verdict must be there, from the answer.
    pub verdict_within: Duration,
    /// Folder for recordings.
    pub recordings: PathBuf,
    /// The trunks.
    pub trunks: Vec<TrunkSetup>,
    /// The campaigns.
    pub campaigns: Vec<CampaignSetup>,
    /// The do-not-call set, as the store has it.
    pub ledger: Ledger,
    /// Have the level of what callees say reported.
    pub watch: bool,
    /// Where media ports are, one address of each family at most: a trunk's hop of another family is not used. Where nothing
    /// is said, SDP names the address of the port.
    pub media: Vec<MediaAddress>,
}

/// A trunk, ready to run.
#[derive(Clone)]
pub struct TrunkSetup {
    /// As configured.
    pub options: trunk::Options,
    /// Where it is, and how it is reached. When `host` is a name, the DNS is asked from then on, and an unspecified
    /// address says that none is known yet.
    pub target: Target,
    /// For digest.
    pub credentials: Option<Credentials>,
}

/// A campaign, ready to run.
pub struct CampaignSetup {
    /// The rules.
    pub campaign: Campaign,
    /// What is done with whoever answers.
    pub treatment: Treatment,
    /// The agents' trunk, by name.
    pub agent_trunk: Option<String>,
}

/// What the engine asks of the shell.
#[derive(Debug)]
pub enum Output {
    /// Send a SIP message.
    Sip {
        /// Where to.
        target: Target,
        /// What.
        bytes: Vec<u8>,
    },
    /// Ask the DNS; [`Engine::handle_dns`] is waited for.
    Dns(Question),
    /// Tell the media plane.
    Media(Command),
    /// Ask the store.
    Store(Request),
    /// Tell the world.
    Journal(Entry),
}

/// What an operator may ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operator {
    /// Start a campaign, from whatever state.
    Start(String),
    /// Dial no more; calls in flight go on.
    Pause(String),
    /// Dial again.
    Resume(String),
    /// Dial no more until started again.
    Stop(String),
    /// Put a number on the do-not-call list.
    Suppress(E164),
    /// A campaign's contacts have changed in the store.
    Imported(String),
    /// Switch all dialing off, or on again.
    Dialing(bool),
    /// Pause the recording of a call (by its attempt's id, the end of it, or a Call-ID), or go on with it.
    PauseRecording(String, bool),
    /// An agent says something of themselves, or of the contact that they are shown.
    Agent {
        /// Who.
        name: String,
        /// What.
        word: AgentWord,
    },
    /// Shut down: no new call, unanswered ones are ended, answered ones go on.
    Drain,
    /// End every call now.
    Kill,
}

/// What an agent may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentWord {
    /// Of themselves.
    State(agent::Word),
    /// Dial the contact that is shown.
    Accept,
    /// Do not dial it.
    Skip,
}

/// A campaign at work.
struct Running {
    campaign: Campaign,
    treatment: Arc<Treatment>,
    trunks: Vec<usize>,
    agent_trunk: Option<usize>,
    /// The pool of its caller ids.
    pool: Option<usize>,
    in_flight: usize,
    /// Its state in a store that is shared, as it was last seen there.
    followed: Option<CampaignState>,
    ended: BTreeMap<String, u64>,
    /// Why contacts are not dialed, as it was told since the last that was.
    not_dialed: Option<String>,
}

/// An attempt with what the engine holds for it.
struct Line {
    attempt: Attempt,
    contact: Contact,
    campaign: usize,
    trunk: usize,
    /// Why it has the caller id that it has.
    caller_id_why: String,
    tried: Vec<usize>,
    /// Hops of the present trunk that had its INVITE.
    tried_hops: Vec<Place>,
    /// The last failure was one after which another hop of the same trunk may be tried.
    may_try_hop: bool,
    /// The present trunk's failure is counted already.
    is_scored: bool,
    /// From the callee's INVITE to its answer.
    answered_after: Option<Duration>,
    /// Numbers that redirections have led to; the last is the one that is rung.
    redirects: Vec<E164>,
    /// The number that a transfer rings, and the one that the callee talks with since an earlier one.
    transferred: Transferred,
    /// The store's own gate refused it.
    forbidden: bool,
    /// The agent who is kept for it, or about to be rung; while the phone rings and later it is the session's.
    agent: Option<AgentKey>,
    /// Agents whose phones have rung for it.
    rung: Vec<AgentKey>,
    /// The trunk that leads to its agent.
    agent_trunk: Option<usize>,
    /// The callee's INVITE, from its commit until it leaves.
    draft: Option<Box<Draft>>,
    /// Trunks of which a channel is taken for an INVITE that has not left.
    reserved: [Option<usize>; 3],
    sessions: [Option<SessionKey>; 3],
    streams: [StreamKey; 2],
    timer: Option<Instant>,
}

/// A session with the channel that it takes up, which outlives the line: after a CANCEL the trunk goes on counting until
/// the INVITE's final response.
#[derive(Clone, Copy)]
struct Channel {
    line: Key,
    side: Side,
    trunk: usize,
    target: Target,
    /// The hop that answers for it: that at `target`, unless a Service-Route led elsewhere.
    hop: Place,
    /// The INVITE left then.
    since: Instant,
    /// Anything was heard.
    responded: bool,
    /// More than 100 was heard.
    rang: bool,
    /// Whose phone it is.
    agent: Option<AgentKey>,
    /// That phone did not take the call.
    missed: bool,
}

/// The engine. See the module's page.
pub struct Engine {
    options: EngineLimits,
    endpoint: Endpoint,
    locator: Locator,
    trunks: Vec<Trunk>,
    campaigns: Vec<Running>,
    lines: Slab<Line>,
    streams: Slab<(Key, Side)>,
    sessions: BTreeMap<SessionKey, Channel>,
    attempts: BTreeMap<AttemptId, Key>,
    timers: BTreeSet<(Instant, Key)>,
    ledger: Ledger,
    calls_per_second_max: f64,
    staff: staffing::Staff,
    rate: RateLimit,
    media_keys: MediaKeys,
    media: Vec<MediaAddress>,
    rng: Rng,
    outputs: VecDeque<Output>,
    unsaved: VecDeque<Request>,
    store_retry_at: Option<Instant>,
    store_fault: String,
    dial_at: Option<Instant>,
    /// Lines whose INVITE is committed and waits for the rates. Bounded by the lines.
    committed: VecDeque<Key>,
    /// INVITEs as they leave.
    leaving: RateLimit,
    /// Since when INVITEs have left of which it is not known yet that they are on the wire.
    left_since: Option<Instant>,
    leave_at: Option<Instant>,
    next_campaign: usize,
    measures: Measures,
    /// Caller ids that somebody has complained about.
    caller_ids: BTreeMap<String, CallerIdStatus>,
    /// Caller ids to choose from.
    pools: Vec<Pool>,
    /// Of a node among several.
    membership: Option<Membership>,
    keeping: Keeping,
    holding: Holding,
    orphans: Orphans,
    draining: bool,
    /// The switch over all campaigns.
    dialing: bool,
    /// Until then the end waits for registrars to let us go.
    unregister_until: Option<Instant>,
}

struct EngineLimits {
    verdict_within: Duration,
    recordings: PathBuf,
    watch: bool,
}

impl Engine {
    /// An engine with its trunks and campaigns; it registers and pings at once, and dials as the campaigns ask.
    pub fn new(now: Now, options: Options, endpoint: Endpoint, mut rng: Rng) -> Self {
        let lines_max = options.lines_max as usize;
        let trunks: Vec<Trunk> = options
            .trunks
            .into_iter()
            .map(|setup| Trunk::new(now.instant, setup.options, setup.target, setup.credentials))
            .collect();
        let place = |name: &String| trunks.iter().position(|trunk| trunk.options.name == *name);
        let campaigns = options
            .campaigns
            .into_iter()
            .map(|setup| Running {
                trunks: setup.campaign.options().trunks.iter().filter_map(place).collect(),
                agent_trunk: setup.agent_trunk.as_ref().and_then(place),
                campaign: setup.campaign,
                pool: None,
                treatment: Arc::new(setup.treatment),
                in_flight: 0,
                followed: None,
                ended: BTreeMap::new(),
                not_dialed: None,
            })
            .collect();
        let mut engine = Engine {
            options: EngineLimits {
                verdict_within: options.verdict_within,
                recordings: options.recordings,
                watch: options.watch,
            },
            locator: trunks::locator(&endpoint, &options.media, rng.fork()),
            endpoint,
            trunks,
            campaigns,
            lines: Slab::with_limit(lines_max),
            streams: Slab::with_limit(2 * lines_max),
            sessions: BTreeMap::new(),
            attempts: BTreeMap::new(),
            timers: BTreeSet::new(),
            ledger: options.ledger,
            calls_per_second_max: options.calls_per_second_max,
            staff: staffing::Staff::default(),
            rate: RateLimit::new(options.calls_per_second_max),
            media_keys: MediaKeys::of_simulation(&rng),
            media: options.media,
            rng,
            outputs: VecDeque::new(),
            unsaved: VecDeque::new(),
            store_retry_at: None,
            store_fault: String::new(),
            dial_at: None,
            committed: VecDeque::new(),
            leaving: RateLimit::new(options.calls_per_second_max),
            left_since: None,
            leave_at: None,
            next_campaign: 0,
            measures: Measures::default(),
            caller_ids: BTreeMap::new(),
            pools: Vec::new(),
            membership: None,
            keeping: Keeping::default(),
            holding: Holding::default(),
            orphans: Orphans::default(),
            draining: false,
            dialing: true,
            unregister_until: None,
        };
        for place in 0..engine.trunks.len() {
            engine.change_peers(now, &[], &engine.trunks[place].options.peers());
            engine.locate_trunk(now, place);
            engine.register_trunk(now, place);
        }
        engine.drain_locator(now);
        engine.settle(now);
        engine
    }

    /// The secret that the keys of protected media come from: 256 bits of the operating system's, before the first call.
    pub fn set_media_secret(&mut self, secret: [u8; 32]) {
        self.media_keys = MediaKeys::new(secret);
    }

    /// The operator asks. The error says what cannot be, and which campaigns there are.
    pub fn handle_operator(&mut self, now: Now, wish: &Operator) -> Result<(), String> {
        if self.draining && matches!(wish, Operator::Start(_) | Operator::Resume(_)) {
            return Err("the engine is shutting down and dials nobody any more".to_owned());
        }
        match wish {
            Operator::Start(name) => drop(self.find(name)?.start(now)),
            Operator::Pause(name) => {
                let campaign = self.find(name)?;
                if !campaign.pause(now) && campaign.state() != CampaignState::Paused {
                    let state = campaign.state().as_str();
                    return Err(format!("campaign {name:?} is {state}: only one that runs can be paused"));
                }
            }
            Operator::Resume(name) => {
                let campaign = self.find(name)?;
                if !campaign.resume(now) && campaign.state() != CampaignState::Running {
                    let state = campaign.state().as_str();
                    return Err(format!(
                        "campaign {name:?} is {state}, not paused: `outdial campaign start` has it dial"
                    ));
                }
            }
            Operator::Stop(name) => drop(self.find(name)?.stop(now)),
            Operator::Imported(name) => self.find(name)?.handle_imported(now),
            Operator::Suppress(number) => {
                self.suppress(now, std::slice::from_ref(number), "operator");
            }
            Operator::Dialing(on) => self.switch_dialing(now, *on),
            Operator::PauseRecording(call, on) => self.pause_recording(now, call, *on)?,
            Operator::Agent { name, word } => self.handle_agent_word(now, name, *word)?,
            Operator::Drain => {
                self.draining = true;
                self.each_attempt(now, |attempt, out| attempt.handle_drain(now, out));
                self.cancel_transfers(now, |_, _, _| true);
                self.unregister_trunks(now);
            }
            Operator::Kill => {
                self.draining = true;
                self.unregister_until = None;
                self.each_attempt(now, |attempt, out| attempt.handle_kill(now, out));
            }
        }
        self.settle(now);
        Ok(())
    }

    /// Deadlines that have come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.endpoint.handle_timeout(now.instant);
        while let Some(&(due, key)) = self.timers.first()
            && due <= now.instant
        {
            self.timers.pop_first();
            if let Some(line) = self.lines.get_mut(key) {
                line.timer = None;
            }
            self.with_attempt(now, key, |attempt, out| attempt.handle_timeout(now, out));
        }
        for running in &mut self.campaigns {
            running.campaign.handle_timeout(now);
        }
        self.staff.roster.handle_timeout(now.instant);
        self.handle_preview_timeout(now);
        self.locator.handle_timeout(now.instant);
        self.drain_locator(now);
        self.ping_trunks(now);
        self.beat(now);
        self.retry_store(now);
        self.release_committed(now);
        self.release_overdue(now);
        self.end_unregistering(now);
        self.settle(now);
    }

    /// When [`Engine::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let campaigns = self.campaigns.iter().filter_map(|running| running.campaign.poll_timeout());
        let trunks = self.trunks.iter().filter_map(Trunk::poll_timeout).filter(|_| !self.draining);
        let own = [
            self.endpoint.poll_timeout(),
            self.locator.poll_timeout(),
            self.timers.first().map(|(due, _)| *due),
            self.store_retry_at,
            self.dial_at,
            self.leave_at,
            self.keeping.poll_timeout(),
            self.holding.poll_timeout(),
            self.unregister_until,
            self.membership.as_ref().map(Membership::poll_timeout),
            self.staff.poll_timeout(),
        ];
        campaigns.chain(trunks).chain(own.into_iter().flatten()).min()
    }

    /// What the shell should do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether nothing is in flight: attempts, sessions, BYEs that are not answered, records to write.
    pub fn is_quiet(&self) -> bool {
        let counts = self.endpoint.counts();
        let unregistered =
            self.unregister_until.is_none() || self.trunks.iter().all(|t| t.registration.is_none());
        let books_are_closed = self.unsaved.is_empty() && self.keeping.is_empty();
        let nobody_is_rung = self.lines.is_empty() && self.orphans.lines() == 0;
        let nobody_is_up = counts.sessions == 0 && !self.is_parting();
        nobody_is_rung && nobody_is_up && books_are_closed && unregistered
    }

    /// Whether all calls have ended here, and one has perhaps not where it was made to: a BYE is not answered yet.
    pub fn is_parting(&self) -> bool {
        self.sessions.is_empty() && self.endpoint.is_parting()
    }

    /// Whether every campaign has come to its end.
    pub fn is_completed(&self) -> bool {
        let ended = |running: &Running| running.campaign.state() == CampaignState::Completed;
        self.lines.is_empty() && self.orphans.lines() == 0 && self.campaigns.iter().all(ended)
    }

    /// What the operator is told on asking.
    pub fn status(&self, now: Now) -> Status {
        let counts = self.endpoint.counts();
        Status {
            draining: self.draining,
            store_fault: self.store_fault.clone(),
            attempts: self.lines.len(),
            former_calls: self.orphans.calls(),
            campaigns: self.campaigns.iter().map(|running| self.campaign_status(running, now)).collect(),
            trunks: self.shown_trunks().map(|trunk| trunks::status(trunk, now)).collect(),
            agents: self.agents_status(now),
            sip: SipStatus {
                sessions: counts.sessions,
                dialogs: counts.dialogs,
                client_transactions: counts.client_transactions,
                server_transactions: counts.server_transactions,
            },
            media: MediaStatus { streams: self.streams.len() },
            detection: self.measures.status(),
            caller_ids: self.caller_ids.values().cloned().collect(),
            caller_id_pools: self.pools.iter().map(|pool| pool.status(now.wall)).collect(),
        }
    }

    /// A trunk that was taken out is shown as long as it carries calls.
    fn shown_trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.trunks.iter().filter(|trunk| !trunk.retired || trunk.channels_used() > 0)
    }

    fn campaign_status(&self, running: &Running, now: Now) -> CampaignStatus {
        let campaign = &running.campaign;
        let counts = campaign.counts();
        let holds = self.holds(running, now);
        CampaignStatus {
            name: campaign.options().name.clone(),
            state: campaign.state().as_str().to_owned(),
            in_flight: running.in_flight,
            contacts_waiting: counts.pending.map(|pending| pending + counts.claimed as u64),
            waiting_for: holds.iter().map(|hold| hold.text.clone()).collect(),
            holds,
            lines_max: campaign.options().lines_max,
            ended: running.ended.clone(),
            abandonment: staffing::abandonment(campaign, now),
        }
    }

    /// Everything that follows from an input: what the endpoint has to say, what campaigns want, and new calls.
    fn settle(&mut self, now: Now) {
        self.drain_endpoint(now);
        self.drain_campaigns(now);
        self.drain_staff(now);
        self.dial(now);
        self.drain_endpoint(now);
        self.drain_campaigns(now);
        self.drain_staff(now);
        self.tell_dialogs(now);
    }

    fn each_attempt(&mut self, now: Now, mut act: impl FnMut(&mut Attempt, &mut Vec<Action>)) {
        let keys: Vec<Key> = self.lines.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.with_attempt(now, key, &mut act);
        }
    }

    fn journal(&mut self, at: Now, event: Event) {
        self.outputs.push_back(Output::Journal(Entry { at, event }));
    }
}

#[cfg(test)]
mod tests;
