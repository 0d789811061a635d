//! A trunk at work: its hops, its channels, its rates, and whether it takes a call.

use super::breaker::{Breaker, Refusal};
use super::health::{Health, place_of};
use super::score::{Score, Turn};
use super::service_route::ServiceRoute;
use super::{Options, RETRY_AFTER_MAX};
use crate::engine::passport::Signer;
use crate::engine::rate::RateLimit;
use crate::record::CallRecord;
use crate::sip::digest::Credentials;
use crate::sip::endpoint::{PingKey, PingOutcome, RegistrationKey, Target};
use crate::sip::locate::hops::{self, Place};
use crate::sip::locate::{Hop, Hops};
use crate::time::Instant;
use std::net::IpAddr;
use std::time::Duration;

/// A trunk at work.
#[derive(Debug)]
pub struct Trunk {
    /// As configured.
    pub options: Options,
    /// For digest.
    pub credentials: Option<Credentials>,
    /// Who signs its caller ids.
    pub signer: Option<Signer>,
    /// Calls per second, as they are decided on.
    pub rate: RateLimit,
    /// The same cap on INVITEs as they leave: what the store holds up must not leave in a burst.
    pub leaving: RateLimit,
    /// The running registration, when one is wanted, and the hop that it is kept at.
    pub registration: Option<(RegistrationKey, Place)>,
    /// What its registrar has said of us last, where one is asked.
    pub standing: Standing,
    /// Hops that are not asked to register us before that time: they are in trouble.
    pub registrars_resting: Vec<(Place, Instant)>,
    /// Where calls go first while it is registered.
    pub service_route: ServiceRoute,
    /// Why its Service-Route is not followed, as it was told last.
    pub route_told: String,
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
}

/// What a trunk's registrar has said of us last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It has us.
    Registered,
    /// It does not have us.
    Refused {
        /// Why; 408 when it said nothing.
        status: u16,
        /// When it is asked again.
        again_at: Instant,
    },
    /// What it had of us has run out, and it does not answer.
    Lapsed,
    /// No REGISTER could leave, for this reason.
    Unsent(String),
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
            signer: None,
            leaving: rate.clone(),
            rate,
            registration: None,
            standing: Standing::default(),
            registrars_resting: Vec::new(),
            service_route: ServiceRoute::default(),
            route_told: String::new(),
            retired: false,
            agents_unpaced: 0,
            dns: String::new(),
            way: target,
            hops,
            health: Health::default(),
            score: Score::default(),
            channels_used: 0,
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
        if self.options.register && self.standing != Standing::Registered {
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

    /// Takes a channel for a call that a former run has left: it may be one too many, and says nothing of the trunk.
    pub fn seize_adopted(&mut self) {
        self.channels_used += 1;
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

    /// Whether a registration may stay at this hop: it is one of the trunk's, is not dead, and has not just failed to register.
    pub fn may_register_at(&self, now: Instant, at: Place) -> bool {
        self.lives(now, at) && !self.rests_as_registrar(now, at)
    }

    /// Where to register next, and when: at a hop that may be asked now, or at the first of those that may be asked again.
    pub fn next_registrar(&self, now: Instant) -> Option<(Target, Instant)> {
        let resting = self.registrars_resting.iter().filter(|(_, until)| *until > now);
        let tried: Vec<Place> = resting.clone().map(|(at, _)| *at).collect();
        let first = resting.filter(|(at, _)| self.lives(now, *at)).min_by_key(|(_, until)| *until);
        let free = self.target(now, &tried).map(|target| (target, now));
        // That a hop wants no calls for a while says nothing about registering there.
        let living = self.hops.states(now).filter(|state| state.word != "dead");
        let living = living.map(|state| hops::place(state.hop)).find(|at| !tried.contains(at));
        let living = living.map(|at| (self.target_at(at), now));
        free.or(living).or(first.map(|(at, until)| (self.target_at(*at), *until)))
    }

    /// The hop that was asked to register us is in trouble: it is not asked again for so long.
    pub fn rest_registrar(&mut self, now: Instant, rest: Duration) {
        let Some((_, at)) = self.registration else { return };
        let hops = &self.hops;
        let is_hop = |at: Place| hops.states(now).any(|state| hops::place(state.hop) == at);
        self.registrars_resting.retain(|(known, until)| *known != at && *until > now && is_hop(*known));
        self.registrars_resting.push((at, now + rest));
    }

    fn rests_as_registrar(&self, now: Instant, at: Place) -> bool {
        self.registrars_resting.iter().any(|(known, until)| *known == at && *until > now)
    }

    fn lives(&self, now: Instant, at: Place) -> bool {
        self.hops.states(now).any(|state| hops::place(state.hop) == at && state.word != "dead")
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

impl Standing {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Standing::Unknown => "the registrar has not answered yet".to_owned(),
            Standing::Registered => "the registrar has us".to_owned(),
            Standing::Refused { status: 200..300, .. } => {
                "the registrar has us for no time at all; it is asked again".to_owned()
            }
            Standing::Refused { status, .. } => format!("the registrar answered {status}; it is asked again"),
            Standing::Lapsed => "the registration has run out, and its refresh goes unanswered".to_owned(),
            Standing::Unsent(fault) => format!("no REGISTER can leave: {fault}"),
        }
    }
}

impl Unavailable {
    /// For people.
    pub fn describe(self, now: Instant) -> String {
        let seconds = |until: Instant| (until - now).as_secs_f32();
        match self {
            Unavailable::Retired => "not in the configuration any more".to_owned(),
            Unavailable::NotLocated => "no address of it is known".to_owned(),
            Unavailable::Down => "down: OPTIONS goes unanswered".to_owned(),
            Unavailable::Resting { until } => format!("resting for {:.0} s", seconds(until)),
            Unavailable::Broken { until } => {
                format!("failed too often, rests for {:.0} s", seconds(until))
            }
            Unavailable::Probing => "after a rest: one call tries whether it works again".to_owned(),
            Unavailable::NotRegistered => "not registered".to_owned(),
            Unavailable::Full => "all channels in use".to_owned(),
            Unavailable::Rate { until } => {
                format!("calls per second used up for {:.1} s", seconds(until))
            }
        }
    }
}
