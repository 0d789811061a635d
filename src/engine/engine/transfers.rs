//! Where a transfer may go: by the campaign's rules, past the do-not-call list, and through which trunk.

use super::*;
use crate::call::attempt::Transfer;
use crate::call::step::Step;
use crate::call::transfer::{Declined, Destination, destination};
use crate::disposition::Disposition;
use crate::engine::placement::dialed_form;

impl Engine {
    /// Decides about a REFER of an agent, and takes a channel for the call that follows it.
    pub(super) fn transfer(
        &mut self,
        now: Now,
        key: Key,
        to: &str,
        replaces: Option<String>,
    ) -> Result<Transfer, Declined> {
        let line = self.lines.get_mut(key).ok_or(Declined::NotAllowed)?;
        let running = &self.campaigns[line.campaign];
        let rules = line.attempt.transfer_rules().ok_or(Declined::NotAllowed)?;
        let place = line.agent_trunk.ok_or(Declined::NoTrunk)?;
        let pbx = &self.trunks[place];
        let addresses: Vec<String> = pbx.addresses().iter().map(ToString::to_string).collect();
        let agents = host_of(line.attempt.agent_uri().unwrap_or_default());
        let mut domains = vec![pbx.options.domain(), &pbx.options.host, agents];
        domains.extend(addresses.iter().map(String::as_str));
        let region = running.campaign.options().default_region;
        let destination = destination(to, replaces.is_some(), rules, &domains, region)?;
        let number = match &destination {
            Destination::Extension(_) => None,
            Destination::Number(number) => Some(number.clone()),
        };
        if let Some(number) = &number {
            // A number is a number, whoever asks for it.
            if self.draining || !self.dialing {
                return Err(Declined::NoDialing);
            }
            if running.campaign.gate().is_listed(number, &self.ledger) {
                return Err(Declined::DoNotCall);
            }
            if self.ledger.is_in_flight(number) {
                return Err(Declined::InFlight);
            }
        }
        let uri_through = |options: &trunk::Options, host: &str| match &destination {
            Destination::Extension(user) => format!("sip:{user}@{agents}"),
            Destination::Number(number) => format!("sip:{}@{host}", dialed_form(number, options)),
        };
        let whom = match &number {
            Some(number) => format!("tel:{number}"),
            None => uri_through(&pbx.options, agents),
        };
        let carrier = &self.trunks[line.trunk].options;
        if carrier.refer {
            let mut uri = uri_through(carrier, &carrier.host);
            if let Some(replaces) = replaces {
                uri += &format!("?Replaces={}", escape(&replaces));
            }
            line.transferred.ring(now, number, &mut self.ledger);
            return Ok(Transfer::HandOver { uri, whom });
        }
        let uri = uri_through(&pbx.options, agents);
        let pbx = &mut self.trunks[place];
        pbx.healthy(now.instant).map_err(|_| Declined::NoTrunk)?;
        if pbx.channels_used() >= pbx.options.channels_max {
            return Err(Declined::NoTrunk);
        }
        // As with an agent, a person waits: it does not wait for the rate, but it counts in it.
        pbx.seize(now.instant);
        pbx.rate.record(now.instant);
        line.reserved[Side::Target as usize] = Some(place);
        line.transferred.ring(now, number, &mut self.ledger);
        Ok(Transfer::Dial { placement: self.placement_on(now, place, &[]), uri, whom, replaces })
    }

    /// The transfer's target is the agent from here on; what the former agent's session still says is nobody's.
    pub(super) fn promote_target(&mut self, now: Now, key: Key) {
        let Some(line) = self.lines.get_mut(key) else { return };
        line.transferred.talk(now, &mut self.ledger);
        let target = line.sessions[Side::Target as usize].take();
        line.sessions[Side::Agent as usize] = target;
        if let Some(channel) = target.and_then(|session| self.sessions.get_mut(&session)) {
            channel.side = Side::Agent;
        }
    }

    /// A transfer that has failed holds its number no longer; one that the trunk has taken over was answered.
    pub(super) fn watch_transfer(&mut self, now: Now, key: Key, step: &Step) {
        let Some(line) = self.lines.get_mut(key) else { return };
        match step {
            Step::TransferFailed { .. } => line.transferred.fail(now, &mut self.ledger),
            Step::Transferred if line.transferred.ringing.is_some() => {
                line.transferred.talk(now, &mut self.ledger);
            }
            _ => {}
        }
    }

    /// Whom a transfer rings is rung no longer where this says so of the number.
    pub(super) fn cancel_transfers(&mut self, now: Now, may_not: impl Fn(&Engine, &Line, &E164) -> bool) {
        let rings = |line: &Line| line.transferred.ringing.as_ref().is_some_and(|n| may_not(self, line, n));
        let keys: Vec<Key> = self.lines.iter().filter(|(_, line)| rings(line)).map(|(key, _)| key).collect();
        for key in keys {
            self.with_attempt(now, key, |attempt, out| attempt.handle_transfer_withdrawn(now, out));
        }
    }

    /// The session of a line's side.
    pub(super) fn session(&self, key: Key, side: Side) -> Option<SessionKey> {
        self.lines.get(key)?.sessions[side as usize]
    }
}

/// The numbers that a call's transfers have to do with. Each is in a call like any other for as long.
#[derive(Debug, Default)]
pub(super) struct Transferred {
    ringing: Option<E164>,
    talking: Option<E164>,
}

impl Transferred {
    fn ring(&mut self, now: Now, number: Option<E164>, ledger: &mut Ledger) {
        if let Some(number) = &number {
            ledger.take(number, now.wall);
        }
        self.ringing = number;
    }

    fn fail(&mut self, now: Now, ledger: &mut Ledger) {
        if let Some(number) = self.ringing.take() {
            ledger.finish(&number, now, Disposition::NoAnswer);
        }
    }

    /// Who was rung has answered; whom the callee talked with before is out of the call.
    fn talk(&mut self, now: Now, ledger: &mut Ledger) {
        if let Some(number) = std::mem::replace(&mut self.talking, self.ringing.take()) {
            ledger.finish(&number, now, Disposition::Bridged);
        }
    }

    /// The call is over.
    pub(super) fn close(&mut self, now: Now, ledger: &mut Ledger) {
        self.fail(now, ledger);
        self.talk(now, ledger);
    }
}

/// The host and port of a SIP URI, without its parameters.
fn host_of(uri: &str) -> &str {
    let host = uri.rsplit_once('@').map_or(uri, |(_, host)| host);
    host.split([';', '?']).next().unwrap_or_default()
}

/// A value as a header of a URI carries it (RFC 3261 section 19.1.1).
fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let write = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(write).collect()
}
