//! A trunk: a way to the telephone network, with its caps, its health and its registration.
//!
//! Health comes from OPTIONS with hysteresis (two unanswered: down; two answered: up again), from INVITEs that nobody
//! answered, and from Retry-After. A 503 to OPTIONS means that the trunk is full, not that it is dead.

use crate::engine::rate::RateLimit;
use crate::sdp::Codec;
use crate::sip::digest::Credentials;
use crate::sip::endpoint::{Extensions, PingKey, PingOutcome, RegistrationKey, ReliableProvisionals, Target};
use crate::time::Instant;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Unanswered (answered) OPTIONS in a row that turn a trunk down (up again).
const PINGS_TO_TURN: u32 = 2;

/// INVITEs in a row without any response that make a trunk rest.
const FAILURES_TO_REST: u32 = 3;

/// How long it rests then.
const REST: Duration = Duration::from_secs(30);

/// A carrier may not send us away for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// No session interval is shorter (RFC 4028 section 4).
const SESSION_EXPIRES_S_MIN: u64 = 90;

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
    /// No response to an INVITE for this long: the next trunk.
    #[serde(default = "default_answer_timeout_s")]
    pub answer_timeout_s: u64,
    /// PRACK.
    #[serde(default)]
    pub reliable_provisionals: ReliableProvisionals,
    /// Whether a transfer is handed on to it by REFER.
    #[serde(default)]
    pub refer: bool,
    /// The session interval that is asked for; 0 turns session timers off.
    #[serde(default = "default_session_expires_s")]
    pub session_expires_s: u64,
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
fn default_session_expires_s() -> u64 {
    1_800
}

/// `transport`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportOption {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
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

    /// What calls through it may use beyond RFC 3261.
    pub fn extensions(&self) -> Extensions {
        Extensions {
            reliable_provisionals: self.reliable_provisionals,
            session_interval: (self.session_expires_s > 0)
                .then(|| Duration::from_secs(self.session_expires_s)),
            transfer: false,
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
        if (1..SESSION_EXPIRES_S_MIN).contains(&self.session_expires_s) {
            faults.push((
                "session_expires_s",
                "must be 0 (no session timers) or at least 90 (RFC 4028)".into(),
            ));
        }
        if self.answer_timeout_s == 0 {
            faults.push(("answer_timeout_s", "must be at least 1".into()));
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
    /// Where it is.
    pub target: Target,
    /// For digest.
    pub credentials: Option<Credentials>,
    /// Calls per second, as they are decided on.
    pub rate: RateLimit,
    /// The same cap on INVITEs as they leave: what the store holds up must not leave in a burst.
    pub leaving: RateLimit,
    /// The running registration, when one is wanted.
    pub registration: Option<RegistrationKey>,
    /// The OPTIONS that is out.
    pub ping: Option<PingKey>,
    channels_used: u32,
    registered: bool,
    up: bool,
    pings_against: u32,
    failures: u32,
    rests_until: Option<Instant>,
    ping_due: Option<Instant>,
}

/// Why a trunk takes no call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// OPTIONS went unanswered.
    Down,
    /// It asked for a rest, or did not respond.
    Resting {
        /// Until then.
        until: Instant,
    },
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
    /// A trunk that was just configured; it is taken for healthy until it shows otherwise.
    pub fn new(now: Instant, options: Options, target: Target, credentials: Option<Credentials>) -> Self {
        let rate = RateLimit::new(options.calls_per_second_max);
        let ping_due = (options.options_interval_s > 0).then_some(now);
        Trunk {
            options,
            target,
            credentials,
            leaving: rate.clone(),
            rate,
            registration: None,
            ping: None,
            channels_used: 0,
            registered: false,
            up: true,
            pings_against: 0,
            failures: 0,
            rests_until: None,
            ping_due,
        }
    }

    /// Whether a call can be placed now.
    pub fn available(&self, now: Instant) -> Result<(), Unavailable> {
        self.healthy(now)?;
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
        if !self.up {
            return Err(Unavailable::Down);
        }
        if let Some(until) = self.rests_until.filter(|until| *until > now) {
            return Err(Unavailable::Resting { until });
        }
        if self.options.register && !self.registered {
            return Err(Unavailable::NotRegistered);
        }
        Ok(())
    }

    /// Takes a channel.
    pub fn seize(&mut self) {
        self.channels_used += 1;
    }

    /// Gives a channel back.
    pub fn release(&mut self) {
        self.channels_used = self.channels_used.saturating_sub(1);
    }

    /// Channels in use.
    pub fn channels_used(&self) -> u32 {
        self.channels_used
    }

    /// Any response to an INVITE: the trunk lives.
    pub fn handle_response(&mut self) {
        self.failures = 0;
    }

    /// No response at all to an INVITE.
    pub fn handle_no_response(&mut self, now: Instant) {
        self.failures += 1;
        if self.failures >= FAILURES_TO_REST {
            self.failures = 0;
            self.rest(now, REST);
        }
    }

    /// The trunk asked to be left alone (Retry-After, RFC 3261, 20.33).
    pub fn rest(&mut self, now: Instant, time: Duration) {
        self.rests_until = Some(now + time.min(RETRY_AFTER_MAX));
    }

    /// The registration came or went.
    pub fn handle_registered(&mut self, registered: bool) {
        self.registered = registered;
    }

    /// Whether an OPTIONS is due.
    pub fn ping_due(&self, now: Instant) -> bool {
        self.ping.is_none() && self.ping_due.is_some_and(|due| due <= now)
    }

    /// When [`Trunk::ping_due`] turns true.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ping.is_none() { self.ping_due } else { None }
    }

    /// An OPTIONS has left; without a key the endpoint was too full for one, and the next is tried in its turn.
    pub fn handle_ping_sent(&mut self, now: Instant, key: Option<PingKey>) {
        self.ping = key;
        self.ping_due = Some(now + Duration::from_secs(self.options.options_interval_s));
    }

    /// An OPTIONS was answered, or not. True when the trunk's health has changed by it.
    pub fn handle_ping(&mut self, now: Instant, outcome: &PingOutcome) -> bool {
        self.ping = None;
        let answered = match outcome {
            PingOutcome::Answered { status, retry_after, .. } => {
                if let (503, Some(rest)) = (*status, *retry_after) {
                    self.rest(now, rest);
                }
                true
            }
            PingOutcome::NoAnswer => false,
        };
        self.pings_against = if answered == self.up { 0 } else { self.pings_against + 1 };
        if self.pings_against < PINGS_TO_TURN {
            return false;
        }
        self.pings_against = 0;
        self.up = !self.up;
        true
    }
}
