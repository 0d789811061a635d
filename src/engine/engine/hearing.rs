//! What the engine hears: SIP, media, the store.

use super::*;
use crate::call::attempt::Placement;
use crate::engine::placement;
use crate::engine::trunk::SrtpOption;
use crate::media::command as media;
use crate::record::Answer;
use crate::sdp::Security;
use crate::sip::endpoint::{self, Loss, SessionEvent};
use std::net::{IpAddr, SocketAddr};

impl Engine {
    /// A UDP datagram came.
    pub fn handle_datagram(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        self.endpoint.handle_datagram(now.instant, source, bytes);
        self.settle(now);
    }

    /// A message came by the way that `source` tells: a datagram, or what was cut from a stream.
    pub fn handle_message(&mut self, now: Now, source: Target, bytes: &[u8]) {
        self.endpoint.handle_from(now.instant, source, bytes);
        self.settle(now);
    }

    /// Whether anything is taken from this address: it is a trunk's, or a call's.
    pub fn takes_from(&self, source: IpAddr) -> bool {
        self.endpoint.takes_from(source)
    }

    /// Whether this message is taken: it comes from there, or it answers a request of ours.
    pub fn takes(&self, source: IpAddr, bytes: &[u8]) -> bool {
        self.endpoint.takes(source, bytes)
    }

    /// A message could not be sent, or a connection is lost.
    pub fn handle_undelivered(&mut self, now: Now, target: Target, loss: Loss) {
        match loss {
            Loss::Refused => self.endpoint.handle_refused(now.instant, target),
            Loss::Unheard => self.endpoint.handle_unheard(now.instant, target),
            Loss::Broken => self.endpoint.handle_transport_error(now.instant, target),
        }
        self.settle(now);
    }

    /// ICMP says that datagrams cannot be brought to `address`.
    pub fn handle_unreachable(&mut self, now: Now, address: SocketAddr) {
        self.endpoint.handle_unreachable(now.instant, address);
        self.settle(now);
    }

    /// The media plane tells.
    pub fn handle_media(&mut self, now: Now, event: &media::Event) {
        if let Some(&(key, _)) = self.streams.get(event.stream) {
            self.with_attempt(now, key, |attempt, out| attempt.handle_media(now, event, out));
            self.settle(now);
        }
    }

    /// The store answers.
    pub fn handle_answer(&mut self, now: Now, answer: Answer) {
        match answer {
            Answer::Refilled { campaign, contacts, pending, next_due_at } => {
                // Contacts that go back to the store and have not been taken there wait too: the campaign is not over.
                let pending = pending + self.unsaved.iter().filter(|request| waits(request)).count() as u64;
                let known = |running: &&mut Running| running.campaign.options().name == campaign;
                if let Some(running) = self.campaigns.iter_mut().find(known) {
                    running.campaign.handle_contacts(now, contacts, pending, next_due_at);
                }
            }
            Answer::InviteCommitted { attempt } => {
                self.store_works(now);
                self.handle_committed(now, attempt);
            }
            Answer::InviteForbidden { attempt, reason } => {
                if let Some(&key) = self.attempts.get(&attempt) {
                    if let Some(line) = self.lines.get_mut(key) {
                        line.forbidden = true;
                    }
                    self.refuse(now, key, &reason);
                }
            }
            Answer::InviteRefused { attempt, error } => {
                self.store_failed(now, &error);
                if let Some(&key) = self.attempts.get(&attempt) {
                    self.refuse(now, key, &error);
                }
            }
            Answer::Beat(beat) => {
                self.store_works(now);
                self.handle_beat(now, *beat);
            }
            Answer::DialogsKept { call_ids } => self.handle_kept(now, &call_ids),
            // Whoever asked has been told before the engine.
            Answer::Labelled { .. } => {}
            Answer::Failed { request, error } => {
                self.store_failed(now, &error);
                match *request {
                    Request::Refill { campaign, .. } => {
                        let known = |running: &&mut Running| running.campaign.options().name == campaign;
                        if let Some(running) = self.campaigns.iter_mut().find(known) {
                            running.campaign.handle_refill_failed(now);
                        }
                    }
                    Request::Beat(_) => {
                        self.membership.iter_mut().for_each(|member| member.handle_failed(now.instant));
                    }
                    request => {
                        self.release_untold(now, &request);
                        if self.unsaved.len() < UNSAVED_MAX {
                            self.unsaved.push_back(request);
                        }
                    }
                }
            }
        }
        self.settle(now);
    }

    fn refuse(&mut self, now: Now, key: Key, reason: &str) {
        self.with_attempt(now, key, |attempt, out| attempt.handle_refused(now, reason, out));
    }

    fn store_works(&mut self, now: Now) {
        if !self.store_fault.is_empty() && self.unsaved.is_empty() {
            self.store_fault.clear();
            self.store_retry_at = None;
            self.journal(now, Event::Store { note: "works again".to_owned() });
        }
    }

    fn store_failed(&mut self, now: Now, error: &str) {
        if self.store_fault.is_empty() {
            let note = format!("failed, dialing stops: {error}");
            self.journal(now, Event::Store { note });
        }
        self.store_fault = error.to_owned();
        self.store_retry_at = Some(now.instant + STORE_RETRY);
    }

    /// Asks again for everything that was not written; dialing goes on when an INVITE gets through.
    pub(super) fn retry_store(&mut self, now: Now) {
        if self.store_retry_at.is_some_and(|at| at <= now.instant) {
            self.store_retry_at = None;
            self.write_unsaved();
        }
    }

    /// What was not written is sent to the store once more, before whatever comes next.
    pub(super) fn write_unsaved(&mut self) {
        self.outputs.extend(self.unsaved.drain(..).map(Output::Store));
    }

    pub(super) fn drain_endpoint(&mut self, now: Now) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                endpoint::Output::Transmit { target, bytes } => {
                    self.outputs.push_back(Output::Sip { target, bytes });
                }
                endpoint::Output::Event(event) => self.handle_endpoint_event(now, event),
            }
        }
    }

    fn handle_endpoint_event(&mut self, now: Now, event: endpoint::Event) {
        match event {
            endpoint::Event::Session { key, event } => self.handle_session(now, key, event),
            endpoint::Event::Parted { key } => self.forget_parted(now, key),
            endpoint::Event::Orphan { key, end } => self.handle_orphan_end(now, key, end),
            endpoint::Event::Registration { key, event } => {
                self.handle_registration(now, key, event);
            }
            endpoint::Event::Ping { key, outcome } => {
                self.handle_ping(now, key, &outcome);
            }
        }
    }

    fn handle_session(&mut self, now: Now, session: SessionKey, event: SessionEvent) {
        let Some(&Channel { line: key, side, trunk, target, .. }) = self.sessions.get(&session) else {
            return;
        };
        self.watch_trunk(now, session, &event);
        self.watch_agent(now, session, &event);
        self.keep_heard(now, session, &event);
        if matches!(event, SessionEvent::Ended) {
            self.sessions.remove(&session);
            self.trunks[trunk].release();
            self.endpoint.leave_source(now.instant, target.address.ip());
        }
        self.watch_caller_id(now, key, side, &event);
        let current = self.lines.get(key).and_then(|line| line.sessions[side as usize]);
        // The last words of a session that a second trunk has replaced are not for the attempt.
        if current == Some(session) && side == Side::Callee && self.follow_redirect(now, key, &event) {
            return;
        }
        if current == Some(session) {
            self.with_attempt(now, key, |attempt, out| attempt.handle_session(now, side, event, out));
        }
    }

    /// A placement on the trunk at `place` after its hops `tried`, with a Call-ID of its own.
    pub(super) fn placement_on(&mut self, now: Now, place: usize, tried: &[Place]) -> Placement {
        let media_address = self.media_address(now, place, tried);
        let options = &self.trunks[place].options;
        let security = match options.srtp {
            SrtpOption::Never => Security::Plain,
            SrtpOption::Optional => Security::Optional(self.media_keys.draw()),
            SrtpOption::Required => Security::Required(self.media_keys.draw()),
        };
        Placement {
            trunk: options.name.clone(),
            call_id: draw_call_id(now, &mut self.rng),
            codecs: options.codecs(),
            failover_on: options.failover_on.clone(),
            security,
            dtmf: options.dtmf,
            comfort_noise: options.comfort_noise,
            media_address,
        }
    }

    /// Where the callee's INVITE goes next, after a hop or a trunk failed: to another hop of the same trunk (RFC 3263
    /// section 4.3), or to another trunk. It has a Call-ID and a branch of its own, and belongs to the same attempt.
    pub(super) fn next_trunk(&mut self, now: Now, key: Key) -> Option<Placement> {
        let line = self.lines.get_mut(key)?;
        if let Some(unused) = line.reserved[Side::Callee as usize].take() {
            self.trunks[unused].release_unused();
        }
        let same = &self.trunks[line.trunk];
        let has_hop = std::mem::take(&mut line.may_try_hop)
            && same.may_leave(now.instant)
            && same.target(now.instant, &line.tried_hops).is_some();
        let place = if has_hop {
            line.trunk
        } else {
            let allowed = &self.campaigns[line.campaign].trunks;
            let place =
                placement::choose(&self.trunks, allowed, &line.tried, now.instant, &mut self.rng).ok()?;
            line.tried.push(place);
            line.tried_hops.clear();
            place
        };
        line.trunk = place;
        (line.is_scored, line.answered_after) = (false, None);
        line.reserved[Side::Callee as usize] = Some(place);
        // The failed session has still to say that it has ended, which is not the attempt's end.
        line.sessions[Side::Callee as usize] = None;
        self.trunks[place].seize(now.instant);
        self.trunks[place].rate.record(now.instant);
        self.rate.record(now.instant);
        let tried = line.tried_hops.clone();
        Some(self.placement_on(now, place, &tried))
    }

    /// A channel of the trunk at `place` for the agent of a line.
    pub(super) fn agent_placement(&mut self, now: Now, key: Key, place: usize) -> Option<Placement> {
        let line = self.lines.get_mut(key)?;
        let trunk = &mut self.trunks[place];
        if !is_open_for_agents(trunk, now) {
            return None;
        }
        // A person waits: the agent's INVITE does not wait for the rate, but it counts in it, and that it has not waited
        // is counted too.
        trunk.agents_unpaced += u64::from(!trunk.rate.allows(now.instant));
        trunk.seize(now.instant);
        trunk.rate.record(now.instant);
        line.reserved[Side::Agent as usize] = Some(place);
        line.agent_trunk = Some(place);
        Some(self.placement_on(now, place, &[]))
    }
}

/// A secret behind the time, so that the store's index of calls grows at its end and nowhere else.
fn draw_call_id(now: Now, rng: &mut Rng) -> String {
    format!("{:011x}{}", now.wall.unix_ms().max(0), rng.token(26))
}

/// Whether it is healthy and has a channel.
pub(super) fn is_open_for_agents(trunk: &Trunk, now: Now) -> bool {
    trunk.healthy(now.instant).is_ok() && trunk.channels_used() < trunk.options.channels_max
}

/// Whether a request leaves a contact to be dialed again.
fn waits(request: &Request) -> bool {
    match request {
        Request::FinishAttempt { contact, .. } | Request::ReleaseContact { contact, .. } => {
            contact.state == ContactState::Pending
        }
        _ => false,
    }
}
