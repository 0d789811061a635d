//! What the engine does for its trunks beside calls: where they are, whether they live, and what calls say about them.

use super::*;
use crate::call::outcome::{self, Next};
use crate::engine::status::{HopStatus, TrunkStatus};
use crate::engine::trunk::Unavailable;
use crate::engine::trunk::health::place_of;
use crate::engine::trunk::score::Turn;
use crate::sip::endpoint::{PingKey, PingOutcome, SessionEvent, Towards, Transport};
use crate::sip::locate::destination::Host;
use crate::sip::locate::hops::HopState;
use crate::sip::locate::search::Abilities;
use crate::sip::locate::{self, Answer, Destination, Hop, Locator, Question};
use std::net::IpAddr;

/// An address at which media ports are bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaAddress {
    /// It.
    pub listen: IpAddr,
    /// The address that SDP names.
    pub offered: IpAddr,
    /// `listen` is the wildcard address and none is advertised: each trunk is told the address that leads to it, where the
    /// routing table says which.
    pub is_wildcard: bool,
}

impl MediaAddress {
    /// An address that is offered as it is.
    pub fn at(ip: IpAddr) -> Self {
        MediaAddress { listen: ip, offered: ip, is_wildcard: false }
    }
}

impl Engine {
    /// What the DNS answered to an [`Output::Dns`], or why it did not.
    pub fn handle_dns(&mut self, now: Now, question: &Question, answer: Answer) {
        self.locator.handle_answer(now.instant, question, answer);
        self.drain_locator(now);
        self.settle(now);
    }

    /// What is found out about where trunks are.
    pub(super) fn drain_locator(&mut self, now: Now) {
        while let Some(output) = self.locator.poll_output() {
            match output {
                locate::Output::Ask(question) => self.outputs.push_back(Output::Dns(question)),
                locate::Output::Located { destination, hops } => {
                    for place in self.trunks_at(&destination) {
                        self.handle_located(now, place, hops.clone());
                    }
                }
                locate::Output::Trouble { destination, question, failure, serves_stale } => {
                    let stale = if serves_stale { "; goes on with what was known" } else { "" };
                    self.note_dns(now, &destination, &format!("{failure} ({question}){stale}"));
                }
                locate::Output::Recovered(destination) => {
                    self.note_dns(now, &destination, "");
                }
            }
        }
    }

    fn trunks_at(&self, destination: &Destination) -> Vec<usize> {
        let there =
            |trunk: &Trunk| !trunk.retired && trunk.options.destination().as_ref() == Some(destination);
        (0..self.trunks.len()).filter(|place| there(&self.trunks[*place])).collect()
    }

    fn note_dns(&mut self, now: Now, destination: &Destination, fault: &str) {
        for place in self.trunks_at(destination) {
            self.trunks[place].dns = fault.to_owned();
            let said = if fault.is_empty() { "the DNS answers again" } else { fault };
            self.note_trunk(now, place, format!("DNS: {said}"));
        }
    }

    pub(super) fn note_trunk(&mut self, now: Now, place: usize, note: String) {
        let name = self.trunks[place].options.name.clone();
        self.journal(now, Event::Trunk { name, note });
    }

    /// A trunk's addresses are others than before: requests are taken from these, and it registers at one of them.
    fn handle_located(&mut self, now: Now, place: usize, hops: Vec<Hop>) {
        let listed: Vec<String> =
            hops.iter().map(|hop| format!("{} ({})", hop.address, hop.transport.as_str())).collect();
        let note = match listed.is_empty() {
            true => {
                let lack = name_of(&self.trunks[place]).and_then(|name| self.locator.lack(&name));
                format!("is nowhere: {}", lack.unwrap_or(locate::Lack::NoRecord))
            }
            false => format!("is at {}", listed.join(", ")),
        };
        let (before, after) = self.trunks[place].handle_located(now.instant, hops);
        self.allow_sources(&before, &after);
        self.note_trunk(now, place, note);
        self.register_trunk(now, place);
    }

    /// What the routing table says of trunks' addresses: before they are known as such, and whenever it says otherwise.
    pub fn handle_towards(&mut self, towards: &[Towards]) {
        self.endpoint.handle_towards(towards);
    }

    /// The addresses that the routing table was asked about.
    pub fn peers(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoint.peers()
    }

    /// The address that SDP names to the trunk at `place`, after its hops `tried`: one of the family that the hop is of, as
    /// the peer answers with one of the same. `None`: that of the port.
    pub(super) fn media_address(&self, now: Now, place: usize, tried: &[Place]) -> Option<IpAddr> {
        let trunk = &self.trunks[place];
        let hop = trunk.target(now.instant, tried)?;
        let hop = if tried.is_empty() { trunk.service_route.from(hop) } else { hop }.address.ip();
        let media = self.media_of(hop)?;
        let towards = if media.is_wildcard { self.endpoint.local_towards(hop) } else { None };
        Some(towards.filter(|local| local.is_ipv4() == hop.is_ipv4()).unwrap_or(media.offered))
    }

    /// Where media ports for a peer's family are.
    pub(super) fn media_of(&self, peer: IpAddr) -> Option<&MediaAddress> {
        self.media.iter().find(|media| media.listen.is_ipv4() == peer.is_ipv4())
    }

    pub(super) fn allow_sources(&mut self, before: &[IpAddr], after: &[IpAddr]) {
        after.iter().for_each(|source| self.endpoint.allow_source(*source));
        before.iter().for_each(|source| self.endpoint.disallow_source(*source));
    }

    /// A trunk's further addresses are others than before. From those that are not its any more comes what is on its way yet.
    pub(super) fn change_peers(&mut self, now: Now, before: &[IpAddr], after: &[IpAddr]) {
        after.iter().for_each(|peer| self.endpoint.allow_source(*peer));
        before.iter().for_each(|peer| self.endpoint.leave_source(now.instant, *peer));
    }

    /// Begins to know and to tell where the trunk at `place` is.
    pub(super) fn locate_trunk(&mut self, now: Now, place: usize) {
        let sources = self.trunks[place].addresses();
        self.allow_sources(&[], &sources);
        if let Some(destination) = name_of(&self.trunks[place]) {
            self.locator.want(now.instant, &destination);
            // Another trunk may have asked before.
            let hops = self.locator.hops(&destination).to_vec();
            if !hops.is_empty() {
                self.handle_located(now, place, hops);
            }
        }
    }

    /// What a session's fate says about the trunk and the hop that carry it.
    pub(super) fn watch_trunk(&mut self, now: Now, session: SessionKey, event: &SessionEvent) {
        let Some(channel) = self.sessions.get_mut(&session) else { return };
        let (place, at) = (channel.trunk, channel.hop);
        let trunk = &mut self.trunks[place];
        let mut closed = false;
        match event {
            SessionEvent::NoResponse if !channel.responded => {
                let given_up = trunk.handle_no_response(now.instant, at);
                let channel = *channel;
                if given_up {
                    let note = format!(
                        "gave no answer at {}: goes on with its other addresses",
                        channel.target.address
                    );
                    self.note_trunk(now, place, note);
                    self.register_trunk(now, place);
                }
                self.handle_trunk_failed(now, channel, true);
            }
            SessionEvent::Trying => closed = trunk.handle_response(now.instant, at, false),
            SessionEvent::Provisional { .. } | SessionEvent::Answered { .. } => {
                if matches!(event, SessionEvent::Answered { .. }) {
                    let after = now.instant - channel.since;
                    if let Some(line) = self.lines.get_mut(channel.line)
                        && channel.side == Side::Callee
                    {
                        line.answered_after = Some(after);
                    }
                } else {
                    channel.rang = true;
                }
                closed = trunk.handle_response(now.instant, at, true);
            }
            SessionEvent::Rejected { status, q850, retry_after, .. } => {
                let next = outcome::of_response(*status, *q850, channel.rang, &trunk.options.failover_on);
                let failed = matches!(next, Next::OtherTrunk(_));
                closed = trunk.handle_response(now.instant, at, !failed);
                let channel = *channel;
                if let (500 | 502 | 503 | 504, Some(rest)) = (*status, *retry_after) {
                    self.handle_retry_after(now, place, at, *status, rest);
                }
                if failed {
                    self.handle_trunk_failed(now, channel, *status == 503);
                }
            }
            _ => {}
        }
        if let Some(channel) = self.sessions.get_mut(&session) {
            channel.responded = true;
        }
        if closed {
            self.note_trunk(now, place, "works again".to_owned());
        }
    }

    fn handle_retry_after(
        &mut self,
        now: Now,
        place: usize,
        at: locate::hops::Place,
        status: u16,
        rest: Duration,
    ) {
        let all = self.trunks[place].handle_retry_after(now.instant, at, rest);
        let whole = if all { String::new() } else { format!(" at {}", at.1) };
        let note = format!("asked for {} s of rest ({status}){whole}", rest.as_secs());
        self.note_trunk(now, place, note);
    }

    /// A call came to nothing through the trunk's fault. Only when it has no other hop to go on to, it counts against it.
    fn handle_trunk_failed(&mut self, now: Now, channel: Channel, may_try_hop: bool) {
        let mut tried = vec![channel.hop];
        if let Some(line) = self.lines.get_mut(channel.line)
            && channel.side == Side::Callee
        {
            line.may_try_hop = may_try_hop;
            tried.clone_from(&line.tried_hops);
        }
        let trunk = &mut self.trunks[channel.trunk];
        if may_try_hop && trunk.target(now.instant, &tried).is_some() {
            return;
        }
        if let Some(line) = self.lines.get_mut(channel.line)
            && channel.side == Side::Callee
        {
            line.is_scored = true;
        }
        if let Some(rest) = trunk.handle_failure(now.instant) {
            let note = format!("fails too often and rests for {} s", rest.as_secs());
            self.note_trunk(now, channel.trunk, note);
        }
    }

    pub(super) fn handle_ping(&mut self, now: Now, key: PingKey, outcome: &PingOutcome) {
        let Some(place) = self.trunks.iter().position(|trunk| trunk.health().awaits(key)) else { return };
        let was_up = self.trunks[place].hops().is_up(now.instant);
        let echo = self.trunks[place].health().echo();
        if self.trunks[place].handle_ping(now.instant, key, outcome) {
            self.note_life(now, place, was_up);
        }
        let status = self.trunks[place].health().echo().map(|echo| echo.status);
        if let Some(status) =
            status.filter(|status| *status >= 300 && echo.map(|e| e.status) != Some(*status))
        {
            self.note_trunk(now, place, format!("answers OPTIONS with {status}: it lives, but look into it"));
        }
    }

    fn note_life(&mut self, now: Now, place: usize, was_up: bool) {
        let hops = self.trunks[place].hops();
        let dead: Vec<String> = hops
            .states(now.instant)
            .filter(|state| state.word == "dead")
            .map(|state| state.hop.address.to_string())
            .collect();
        let note = match (was_up, hops.is_up(now.instant)) {
            (true, false) => "is down: OPTIONS goes unanswered".to_owned(),
            (false, true) => "is up again".to_owned(),
            _ if dead.is_empty() => "has all its addresses again".to_owned(),
            _ => format!("has dead addresses: {}", dead.join(", ")),
        };
        self.note_trunk(now, place, note);
        self.register_trunk(now, place);
    }

    pub(super) fn ping_trunks(&mut self, now: Now) {
        if self.draining {
            return;
        }
        for place in 0..self.trunks.len() {
            let was_up = self.trunks[place].hops().is_up(now.instant);
            if self.trunks[place].handle_timeout(now.instant) {
                self.note_life(now, place, was_up);
            }
            while let Some(target) = self.trunks[place].ping_due(now.instant) {
                let options = &self.trunks[place].options;
                let scheme = options.scheme();
                let uri = format!("{scheme}:{}", options.host);
                let from = format!("<{scheme}:outdial@{}>", options.domain());
                let key = self.endpoint.ping(now.instant, target, &uri, &from);
                self.trunks[place].handle_ping_sent(now.instant, place_of(target), key.ok());
            }
        }
    }

    /// An attempt is over: what its record says about the trunk that carried it last.
    pub(super) fn score_trunk(&mut self, now: Now, line: &Line, record: &CallRecord) {
        if line.is_scored {
            return;
        }
        let trunk = &mut self.trunks[line.trunk];
        let turn = trunk.handle_record(record, line.answered_after);
        let evidence = trunk.score().quality().evidence();
        let note = match turn {
            Some(Turn::Suspected) => format!("seems to answer falsely: {evidence}"),
            Some(Turn::Cleared) => format!("is not suspected of false answers any more: {evidence}"),
            None => return,
        };
        self.note_trunk(now, line.trunk, note);
    }
}

/// The destination that the DNS has to be asked about.
pub(super) fn name_of(trunk: &Trunk) -> Option<Destination> {
    trunk.options.destination().filter(|destination| matches!(destination.host, Host::Name(_)))
}

/// What this machine can speak, by the addresses that it listens at: of a family that media has none of, a call would have no
/// sound.
pub(super) fn locator(endpoint: &Endpoint, media: &[MediaAddress], rng: Rng) -> Locator {
    let locals = endpoint.locals();
    let speaks = |is_ipv4: bool| {
        locals.iter().any(|local| local.address.is_ipv4() == is_ipv4)
            && (media.is_empty() || media.iter().any(|media| media.listen.is_ipv4() == is_ipv4))
    };
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    Locator::new(Abilities { transports, v4: speaks(true), v6: speaks(false) }, rng)
}

/// A trunk as the operator is told of it.
pub(super) fn status(trunk: &Trunk, now: Now) -> TrunkStatus {
    let state = match trunk.available(now.instant) {
        Ok(()) => "available".to_owned(),
        Err(Unavailable::NotRegistered) => format!("not registered: {}", trunk.standing.describe()),
        Err(unavailable) => unavailable.describe(now.instant),
    };
    let hop = |state: HopState<'_>| HopStatus {
        address: state.hop.address.to_string(),
        transport: state.hop.transport.parameter().to_owned(),
        state: state.word.to_owned(),
        next: state.is_next,
        why: state.hop.why.clone(),
    };
    TrunkStatus {
        name: trunk.options.name.clone(),
        state,
        channels: trunk.channels_used(),
        hops: trunk.hops().states(now.instant).map(hop).collect(),
        dns: trunk.dns.clone(),
        breaker: trunk.breaker().word(now.instant).to_owned(),
        options_status: trunk.health().echo().map(|echo| echo.status),
        options_round_trip_ms: trunk.health().echo().map(|echo| echo.round_trip.as_millis() as u64),
        quality: trunk.score().quality(),
        suspected: trunk.score().is_suspected(),
        agents_unpaced: trunk.agents_unpaced,
    }
}
