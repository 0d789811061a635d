//! Where a transfer may go: by the campaign's rules, past the do-not-call list, and through which trunk.

use super::*;
use crate::call::attempt::Transfer;
use crate::call::transfer::{Declined, Destination, destination};
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
        if let Destination::Number(number) = &destination {
            // A number is a number, whoever asks for it.
            if self.ledger.is_suppressed(number) {
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
        let carrier = &self.trunks[line.trunk].options;
        if carrier.refer {
            let mut uri = uri_through(carrier, &carrier.host);
            if let Some(replaces) = replaces {
                uri += &format!("?Replaces={}", escape(&replaces));
            }
            return Ok(Transfer::HandOver { uri });
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
        Ok(Transfer::Dial { placement: self.placement_on(now, place), uri, replaces })
    }

    /// The transfer's target is the agent from here on; what the former agent's session still says is nobody's.
    pub(super) fn promote_target(&mut self, key: Key) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let target = line.sessions[Side::Target as usize].take();
        line.sessions[Side::Agent as usize] = target;
        if let Some(channel) = target.and_then(|session| self.sessions.get_mut(&session)) {
            channel.side = Side::Agent;
        }
    }

    /// The session of a line's side.
    pub(super) fn session(&self, key: Key, side: Side) -> Option<SessionKey> {
        self.lines.get(key)?.sessions[side as usize]
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
