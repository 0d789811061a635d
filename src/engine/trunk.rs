//! A trunk: a way to the telephone network, with its caps, its health and its registration.
//!
//! A trunk has one hop or several (`sip::locate`). `health` has the OPTIONS that tell which of them live (two unanswered:
//! dead; two answered: alive again; a 503 says that the trunk is full, not that it is dead), `breaker` keeps calls from a
//! trunk that fails too often or has asked for a rest, `score` says how well it carries them.

pub mod breaker;
pub mod health;
pub mod score;

use crate::engine::rate::RateLimit;
use crate::record::CallRecord;
use crate::sdp::Codec;
use crate::sip::digest::Credentials;
use crate::sip::endpoint::{PingKey, PingOutcome, RegistrationKey, Target, Transport};
use crate::sip::locate::hops::Place;
use crate::sip::locate::{Destination, Hop, Hops};
use crate::time::Instant;
use breaker::{Breaker, Limits, Refusal};
use health::{Health, place_of};
use score::{Score, Turn};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The next trunk's INVITE is to be out when `answer_timeout_s` is over, and it has still to be committed.
const COMMIT_MARGIN: Duration = Duration::from_millis(200);

/// A carrier may not send us away for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// `[[trunk]]`, as configured.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What it is called elsewhere in the configuration and in records.
    pub name: String,
    /// Name or address, with or without a port.
    pub host: String,
    /// The transport.
    #[serde(default)]
    pub transport: TransportOption,
    /// For digest.
    pub username: Option<String>,
    /// For digest.
    pub password: Option<String>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Whether to register.
    #[serde(default)]
    pub register: bool,
    /// The registration's life.
    #[serde(default = "default_register_expires_s")]
    pub register_expires_s: u64,
    /// Host part of From and To.
    pub domain: Option<String>,
    /// Lower is tried first.
    #[serde(default = "default_priority")]
    pub priority: u32,
    /// Share among equals.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// Calls at once.
    #[serde(default = "default_channels_max")]
    pub channels_max: u32,
    /// Calls per second.
    #[serde(default = "default_calls_per_second_max")]
    pub calls_per_second_max: f64,
    /// In order of preference.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<String>,
    /// OPTIONS keepalive; 0 turns it off.
    #[serde(default = "default_options_interval_s")]
    pub options_interval_s: u64,
    /// How it wants numbers.
    #[serde(default)]
    pub number_format: NumberFormat,
    /// Put before the number.
    #[serde(default)]
    pub number_prefix: String,
    /// No response to an INVITE for this long: the next hop, or the next trunk.
    #[serde(default = "default_answer_timeout_s")]
    pub answer_timeout_s: u64,
    /// Statuses before any ringing after which the next trunk is tried.
    #[serde(default = "default_failover_on")]
    pub failover_on: Vec<u16>,
    /// So many failures within `breaker_window_s`: the trunk rests; 0: it never does.
    #[serde(default = "default_breaker_failures")]
    pub breaker_failures: u32,
    /// See `breaker_failures`.
    #[serde(default = "default_breaker_s")]
    pub breaker_window_s: u64,
    /// The first rest; each further one is twice as long.
    #[serde(default = "default_breaker_s")]
    pub breaker_rest_s: u64,
}

fn default_register_expires_s() -> u64 {
    300
}
fn default_priority() -> u32 {
    1
}
fn default_weight() -> u32 {
    10
}
fn default_channels_max() -> u32 {
    30
}
fn default_calls_per_second_max() -> f64 {
    5.0
}
fn default_codecs() -> Vec<String> {
    vec!["PCMU".into(), "PCMA".into()]
}
fn default_options_interval_s() -> u64 {
    30
}
fn default_answer_timeout_s() -> u64 {
    4
}
fn default_failover_on() -> Vec<u16> {
    crate::call::outcome::FAILOVER_ON.to_vec()
}
fn default_breaker_failures() -> u32 {
    5
}
fn default_breaker_s() -> u64 {
    30
}

/// Statuses with which the callee, or software on the callee's behalf, has spoken: no other trunk may be tried.
const CALLEE_HAS_SPOKEN: [u16; 6] = [486, 487, 600, 603, 607, 608];

/// `transport`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportOption {
    /// As the DNS says (RFC 3263), UDP where it says nothing.
    #[default]
    Auto,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

impl TransportOption {
    /// The transport, when one is given.
    pub fn fixed(self) -> Option<Transport> {
        match self {
            TransportOption::Auto => None,
            TransportOption::Udp => Some(Transport::Udp),
            TransportOption::Tcp => Some(Transport::Tcp),
            TransportOption::Tls => Some(Transport::Tls),
        }
    }
}

/// `number_format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    /// `+12025550101`.
    #[default]
    Plus,
    /// `12025550101`.
    Digits,
    /// `2025550101`.
    National,
}

impl Options {
    /// The codecs, unknown names left out.
    pub fn codecs(&self) -> Vec<Codec> {
        self.codecs.iter().filter_map(|name| codec_of(name)).collect()
    }

    /// Host part of From and To, and of the Request-URI.
    pub fn domain(&self) -> &str {
        self.domain.as_deref().unwrap_or(&self.host)
    }

    /// Where its requests go, before the DNS is asked; `None` when `host` is no host.
    pub fn destination(&self) -> Option<Destination> {
        Destination::parse(&self.host, self.transport.fixed())
    }

    /// Without any response for this long an INVITE has failed.
    pub fn response_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_s).saturating_sub(COMMIT_MARGIN)
    }

    /// Whether it needs a way of its own, which is made at the start only.
    pub fn needs_restart(&self) -> bool {
        self.transport == TransportOption::Tls
    }

    fn ping_interval(&self) -> Option<Duration> {
        (self.options_interval_s > 0).then(|| Duration::from_secs(self.options_interval_s))
    }

    fn breaker_limits(&self) -> Limits {
        Limits {
            failures: self.breaker_failures,
            window: Duration::from_secs(self.breaker_window_s),
            rest: Duration::from_secs(self.breaker_rest_s),
        }
    }

    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for name in &self.codecs {
            if codec_of(name).is_none() {
                faults.push(("codecs", format!("codec {name:?} is not known: use \"PCMU\" or \"PCMA\"")));
            }
        }
        if self.codecs.is_empty() {
            faults.push(("codecs", "at least one codec is needed: \"PCMU\" or \"PCMA\"".into()));
        }
        if self.password.is_some() && self.password_file.is_some() {
            faults.push(("password", "give either password or password_file, not both".into()));
        }
        if self.register && self.username.is_none() {
            faults.push(("register", "register = true needs username".into()));
        }
        if self.username.is_some() && self.password.is_none() && self.password_file.is_none() {
            faults.push(("username", "username needs password_file (or password)".into()));
        }
        if !(self.calls_per_second_max > 0.0 && self.calls_per_second_max.is_finite()) {
            faults.push(("calls_per_second_max", "must be a positive number".into()));
        }
        if self.channels_max == 0 {
            faults.push(("channels_max", "must be at least 1".into()));
        }
        if self.answer_timeout_s == 0 {
            faults.push(("answer_timeout_s", "must be at least 1".into()));
        }
        for status in &self.failover_on {
            if CALLEE_HAS_SPOKEN.contains(status) {
                let text =
                    format!("after {status} the callee has spoken: no other trunk may ring the phone again");
                faults.push(("failover_on", text));
            } else if !(400..700).contains(status) {
                faults.push(("failover_on", format!("{status} is no status of a failure: 400 to 699")));
            }
        }
        if self.breaker_failures > 0 && (self.breaker_window_s == 0 || self.breaker_rest_s == 0) {
            let text =
                "breaker_window_s and breaker_rest_s must be at least 1; breaker_failures = 0 turns it off";
            faults.push(("breaker_failures", text.into()));
        }
        if self.destination().is_none() {
            let text = format!("{:?} is no host: a name or an address, with or without a port", self.host);
            faults.push(("host", text));
        }
        faults
    }
}

fn codec_of(name: &str) -> Option<Codec> {
    match name.to_ascii_uppercase().as_str() {
        "PCMU" => Some(Codec::Pcmu),
        "PCMA" => Some(Codec::Pcma),
        _ => None,
    }
}

/// A trunk at work.
#[derive(Debug)]
pub struct Trunk {
    /// As configured.
    pub options: Options,
    /// For digest.
    pub credentials: Option<Credentials>,
    /// Calls per second, as they are decided on.
    pub rate: RateLimit,
    /// The same cap on INVITEs as they leave: what the store holds up must not leave in a burst.
    pub leaving: RateLimit,
    /// The running registration, when one is wanted, and the hop that it is kept at.
    pub registration: Option<(RegistrationKey, Place)>,
    /// Taken out of the configuration: it carries its calls to their end and takes no other.
    pub retired: bool,
    /// Agents' INVITEs that left although the rate was used up: a person waits.
    pub agents_unpaced: u64,
    /// How its addresses were found, or why not; empty without the DNS.
    pub dns: String,
    /// How requests to any of its hops travel, the hop itself aside.
    way: Target,
    hops: Hops,
    health: Health,
    breaker: Breaker,
    score: Score,
    channels_used: u32,
    registered: bool,
}

/// Why a trunk takes no call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// It is not in the configuration any more.
    Retired,
    /// No address of it is known.
    NotLocated,
    /// OPTIONS went unanswered.
    Down,
    /// It asked for a rest.
    Resting {
        /// Until then.
        until: Instant,
    },
    /// Too many calls have failed.
    Broken {
        /// Until then.
        until: Instant,
    },
    /// One call tries whether it works again.
    Probing,
    /// The registration is missing.
    NotRegistered,
    /// All channels are taken.
    Full,
    /// Calls per second are used up.
    Rate {
        /// Until then.
        until: Instant,
    },
}

impl Trunk {
    /// A trunk that was just configured; it is taken for healthy until it shows otherwise. `target` is its first hop, or
    /// has an unspecified address while none is known.
    pub fn new(now: Instant, options: Options, target: Target, credentials: Option<Credentials>) -> Self {
        let rate = RateLimit::new(options.calls_per_second_max);
        let mut hops = Hops::new(options.ping_interval());
        if !target.address.ip().is_unspecified() {
            let (transport, address) = place_of(target);
            hops.replace(now, vec![Hop { transport, address, rank: 0, why: "as configured".into() }]);
        }
        Trunk {
            breaker: Breaker::new(options.breaker_limits()),
            options,
            credentials,
            leaving: rate.clone(),
            rate,
            registration: None,
            retired: false,
            agents_unpaced: 0,
            dns: String::new(),
            way: target,
            hops,
            health: Health::default(),
            score: Score::default(),
            channels_used: 0,
            registered: false,
        }
    }

    /// New settings for a trunk that runs; calls in flight are not touched.
    pub fn reconfigure(&mut self, now: Instant, options: Options, credentials: Option<Credentials>) {
        if self.options.calls_per_second_max != options.calls_per_second_max {
            self.rate = RateLimit::new(options.calls_per_second_max);
            self.leaving = self.rate.clone();
        }
        self.hops.set_interval(now, options.ping_interval());
        self.breaker.set_limits(options.breaker_limits());
        (self.options, self.credentials, self.retired) = (options, credentials, false);
    }

    /// Its hops are these from now on. Gives the addresses before and after.
    pub fn handle_located(&mut self, now: Instant, hops: Vec<Hop>) -> (Vec<IpAddr>, Vec<IpAddr>) {
        self.hops.replace(now, hops)
    }

    /// The addresses of its hops.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.hops.addresses()
    }

    /// Where the next request goes that has `tried` some hops already.
    pub fn target(&self, now: Instant, tried: &[Place]) -> Option<Target> {
        self.hops.choose(now, tried).map(|place| self.target_at(place))
    }

    /// A hop as a target.
    pub fn target_at(&self, (transport, address): Place) -> Target {
        Target { transport, address, ..self.way }
    }

    /// Its hops, with their state.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }

    /// Its health, as far as OPTIONS tell.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// How well it carries calls.
    pub fn score(&self) -> &Score {
        &self.score
    }

    /// Its breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether a call can be placed now.
    pub fn available(&self, now: Instant) -> Result<(), Unavailable> {
        self.healthy(now)?;
        match self.breaker.allows(now) {
            Ok(()) => {}
            Err(Refusal::Open { until }) => return Err(Unavailable::Broken { until }),
            Err(Refusal::Probing) => return Err(Unavailable::Probing),
        }
        if self.channels_used >= self.options.channels_max {
            return Err(Unavailable::Full);
        }
        match self.rate.free_at(now) {
            Some(at) if at <= now => Ok(()),
            Some(until) => Err(Unavailable::Rate { until }),
            None => Err(Unavailable::Full),
        }
    }

    /// Whether the trunk itself works, caps aside.
    pub fn healthy(&self, now: Instant) -> Result<(), Unavailable> {
        if self.retired {
            return Err(Unavailable::Retired);
        }
        if self.hops.is_empty() {
            return Err(Unavailable::NotLocated);
        }
        if !self.hops.is_up(now) {
            return Err(Unavailable::Down);
        }
        if let Some(until) = self.hops.rests_until(now) {
            return Err(Unavailable::Resting { until });
        }
        if self.options.register && !self.registered {
            return Err(Unavailable::NotRegistered);
        }
        Ok(())
    }

    /// Whether an INVITE that was decided on may still leave: the trunk has not come to a rest meanwhile.
    pub fn may_leave(&self, now: Instant) -> bool {
        self.healthy(now).is_ok() && !matches!(self.breaker.allows(now), Err(Refusal::Open { .. }))
    }

    /// Takes a channel for a call.
    pub fn seize(&mut self, now: Instant) {
        self.channels_used += 1;
        self.breaker.handle_call(now);
    }

    /// Gives a channel back.
    pub fn release(&mut self) {
        self.channels_used = self.channels_used.saturating_sub(1);
    }

    /// Gives a channel back whose INVITE never left.
    pub fn release_unused(&mut self) {
        self.release();
        self.breaker.handle_not_sent();
    }

    /// Channels in use.
    pub fn channels_used(&self) -> u32 {
        self.channels_used
    }

    /// A response to an INVITE that shows that the hop lives. True when the breaker closes by it.
    pub fn handle_response(&mut self, now: Instant, at: Place, got_through: bool) -> bool {
        self.hops.handle_response(at);
        got_through && self.breaker.handle_success(now)
    }

    /// No response at all to an INVITE: whether the hop is given up for another.
    pub fn handle_no_response(&mut self, now: Instant, at: Place) -> bool {
        self.hops.handle_failure(now, at)
    }

    /// A call came to nothing through the trunk's own fault. Gives the rest when the breaker opens by it.
    pub fn handle_failure(&mut self, now: Instant) -> Option<Duration> {
        self.score.handle_failed();
        self.breaker.handle_failure(now)
    }

    /// A hop asked to be left alone (Retry-After, RFC 3261, 20.33). True when that leaves none for now.
    pub fn handle_retry_after(&mut self, now: Instant, at: Place, time: Duration) -> bool {
        self.hops.rest(at, now + time.min(RETRY_AFTER_MAX));
        match self.hops.rests_until(now) {
            Some(until) => {
                self.breaker.rest(until);
                true
            }
            None => false,
        }
    }

    /// A call that it carried last is over.
    pub fn handle_record(&mut self, record: &CallRecord, answered_after: Option<Duration>) -> Option<Turn> {
        self.score.handle_record(record, answered_after)
    }

    /// The registration came or went.
    pub fn handle_registered(&mut self, registered: bool) {
        self.registered = registered;
    }

    /// A hop that is to be asked with OPTIONS now.
    pub fn ping_due(&self, now: Instant) -> Option<Target> {
        self.hops.ping_due(now).filter(|_| !self.retired).map(|place| self.target_at(place))
    }

    /// When something is to be done about OPTIONS.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.retired { None } else { self.hops.poll_timeout() }
    }

    /// An OPTIONS has left; without a key the endpoint was too full for one, and the next is tried in its turn.
    pub fn handle_ping_sent(&mut self, now: Instant, at: Place, key: Option<PingKey>) {
        self.hops.handle_ping_sent(now, at, key.is_some());
        if let Some(key) = key {
            self.health.handle_sent(key, at);
        }
    }

    /// An OPTIONS was answered, or not. True when a hop has died or come back by it.
    pub fn handle_ping(&mut self, now: Instant, key: PingKey, outcome: &PingOutcome) -> bool {
        let (at, changed) = self.health.handle_outcome(now, key, outcome, &mut self.hops);
        if let (Some(at), PingOutcome::Answered { status: 503, retry_after: Some(rest), .. }) = (at, outcome)
        {
            self.handle_retry_after(now, at, *rest);
        }
        changed
    }

    /// OPTIONS that are overdue count as unanswered. True when a hop has died of it.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        self.health.handle_timeout(now, &mut self.hops)
    }
}
