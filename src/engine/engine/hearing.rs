//! What the engine hears: SIP, media, the store.

use super::*;
use crate::call::attempt::Placement;
use crate::engine::placement;
use crate::media::command as media;
use crate::record::Answer;
use crate::sip::endpoint::{self, PingOutcome, Registration, RegistrationEvent, SessionEvent, Transport};
use std::net::{IpAddr, SocketAddr};

impl Engine {
    /// A UDP datagram came.
    pub fn handle_datagram(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        self.endpoint.handle_datagram(now.instant, source, bytes);
        self.settle(now);
    }

    /// A message of a TCP stream came, framed.
    pub fn handle_message(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        self.endpoint.handle_message(now.instant, Transport::Tcp, source, bytes);
        self.settle(now);
    }

    /// Whether anything is taken from this address: it is a trunk's.
    pub fn takes_from(&self, source: IpAddr) -> bool {
        self.endpoint.takes_from(source)
    }

    /// A message could not be sent, or a connection broke.
    pub fn handle_transport_error(&mut self, now: Now, target: Target) {
        self.endpoint.handle_transport_error(now.instant, target);
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
                    request if self.unsaved.len() < UNSAVED_MAX => self.unsaved.push_back(request),
                    _ => {}
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
            self.outputs.extend(self.unsaved.drain(..).map(Output::Store));
        }
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
            endpoint::Event::Registration { key, event } => {
                let of = |trunk: &Trunk| trunk.registration == Some(key);
                if let Some(place) = self.trunks.iter().position(of) {
                    self.handle_registration(now, place, event);
                }
            }
            endpoint::Event::Ping { key, outcome } => {
                let of = |trunk: &Trunk| trunk.ping == Some(key);
                if let Some(place) = self.trunks.iter().position(of) {
                    self.handle_ping(now, place, &outcome);
                }
            }
        }
    }

    fn handle_session(&mut self, now: Now, session: SessionKey, event: SessionEvent) {
        let Some(&Channel { line: key, side, trunk }) = self.sessions.get(&session) else { return };
        self.watch_trunk(now, trunk, &event);
        if matches!(event, SessionEvent::Ended) {
            self.sessions.remove(&session);
            self.trunks[trunk].release();
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

    /// What a session's fate says about the trunk that carries it.
    fn watch_trunk(&mut self, now: Now, place: usize, event: &SessionEvent) {
        let trunk = &mut self.trunks[place];
        match event {
            SessionEvent::NoResponse => trunk.handle_no_response(now.instant),
            SessionEvent::Rejected { status: 503, retry_after: Some(rest), .. } => {
                trunk.handle_response();
                trunk.rest(now.instant, *rest);
                let note = format!("asked for {} s of rest (503)", rest.as_secs());
                let name = trunk.options.name.clone();
                self.journal(now, Event::Trunk { name, note });
            }
            SessionEvent::Trying
            | SessionEvent::Provisional { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Rejected { .. } => trunk.handle_response(),
            _ => {}
        }
    }

    fn handle_registration(&mut self, now: Now, place: usize, event: RegistrationEvent) {
        let trunk = &mut self.trunks[place];
        let note = match event {
            RegistrationEvent::Registered { expires } => {
                trunk.handle_registered(true);
                format!("registered for {} s", expires.as_secs())
            }
            RegistrationEvent::Failed { status, retry_in } => {
                trunk.handle_registered(false);
                format!("could not register ({status}); next try in {} s", retry_in.as_secs())
            }
            RegistrationEvent::Unregistered => {
                trunk.handle_registered(false);
                trunk.registration = None;
                "unregistered".to_owned()
            }
        };
        let name = trunk.options.name.clone();
        self.journal(now, Event::Trunk { name, note });
    }

    fn handle_ping(&mut self, now: Now, place: usize, outcome: &PingOutcome) {
        let trunk = &mut self.trunks[place];
        if trunk.handle_ping(now.instant, outcome) {
            let up = trunk.healthy(now.instant).is_ok();
            let note = if up { "is up again" } else { "is down: OPTIONS goes unanswered" };
            let name = trunk.options.name.clone();
            self.journal(now, Event::Trunk { name, note: note.to_owned() });
        }
    }

    /// Takes every registration back; the engine is not quiet before the registrars have answered or time is up.
    pub(super) fn unregister_trunks(&mut self, now: Now) {
        self.unregister_until = Some(now.instant + UNREGISTER_WITHIN);
        for key in self.trunks.iter().filter_map(|trunk| trunk.registration) {
            self.endpoint.unregister(now.instant, key);
        }
    }

    pub(super) fn register_trunks(&mut self, now: Now) {
        for trunk in &mut self.trunks {
            self.endpoint.allow_source(trunk.target.address.ip());
            if !trunk.options.register {
                continue;
            }
            let user = trunk.options.username.clone().unwrap_or_default();
            let domain = trunk.options.domain();
            let registration = Registration {
                target: trunk.target,
                registrar_uri: format!("sip:{domain}"),
                aor: format!("sip:{user}@{domain}"),
                contact_user: user,
                credentials: trunk.credentials.clone(),
                expires: Duration::from_secs(trunk.options.register_expires_s),
            };
            trunk.registration = self.endpoint.register(now.instant, registration).ok();
        }
    }

    pub(super) fn ping_trunks(&mut self, now: Now) {
        if self.draining {
            return;
        }
        for trunk in self.trunks.iter_mut().filter(|trunk| trunk.ping_due(now.instant)) {
            let uri = format!("sip:{}", trunk.options.host);
            let from = format!("<sip:outdial@{}>", trunk.options.domain());
            let key = self.endpoint.ping(now.instant, trunk.target, &uri, &from);
            trunk.handle_ping_sent(now.instant, key.ok());
        }
    }

    /// A placement on the trunk at `place`, with a Call-ID of its own.
    pub(super) fn placement_on(&mut self, place: usize) -> Placement {
        let options = &self.trunks[place].options;
        Placement { trunk: options.name.clone(), call_id: self.rng.token(26), codecs: options.codecs() }
    }

    /// Where the callee's INVITE goes next, after a trunk failed.
    pub(super) fn next_trunk(&mut self, now: Now, key: Key) -> Option<Placement> {
        let line = self.lines.get_mut(key)?;
        let allowed = &self.campaigns[line.campaign].trunks;
        let place = placement::choose(&self.trunks, allowed, &line.tried, now.instant, &mut self.rng).ok()?;
        line.tried.push(place);
        line.trunk = place;
        line.reserved[Side::Callee as usize] = Some(place);
        // The failed session has still to say that it has ended, which is not the attempt's end.
        line.sessions[Side::Callee as usize] = None;
        self.trunks[place].seize();
        self.trunks[place].rate.record(now.instant);
        self.rate.record(now.instant);
        Some(self.placement_on(place))
    }

    /// A channel of the campaign's agent trunk.
    pub(super) fn agent_placement(&mut self, now: Now, key: Key) -> Option<Placement> {
        let line = self.lines.get_mut(key)?;
        let place = self.campaigns[line.campaign].agent_trunk?;
        let trunk = &mut self.trunks[place];
        trunk.healthy(now.instant).ok()?;
        if trunk.channels_used() >= trunk.options.channels_max {
            return None;
        }
        // A person waits: the agent's INVITE does not wait for the rate, but it counts in it.
        trunk.seize();
        trunk.rate.record(now.instant);
        trunk.leaving.record(now.instant);
        line.reserved[Side::Agent as usize] = Some(place);
        Some(self.placement_on(place))
    }
}
