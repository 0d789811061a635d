//! Registering with trunks: at which of their hops, and what the registrars say.

use super::*;
use crate::engine::trunk::Standing;
use crate::engine::trunk::health::place_of;
use crate::engine::trunk::service_route::ServiceRoute;
use crate::sip::endpoint::{Leave, Local, Registration, RegistrationEvent, RegistrationKey};
use crate::sip::header::NameAddr;
use std::net::SocketAddr;

/// A registrar that let a registration run out is not asked again so soon, where another can be asked.
const LAPSED_REST: Duration = Duration::from_secs(30);

/// What is told of a registrar that did not let us go.
const UNCONFIRMED: &str = "did not answer our leave: what its registrar has of us runs out by itself";

impl Engine {
    /// Takes every registration back; the engine is not quiet before the registrars have answered or time is up.
    pub(super) fn unregister_trunks(&mut self, now: Now) {
        self.unregister_until = Some(now.instant + UNREGISTER_WITHIN);
        for (key, _) in self.trunks.iter().filter_map(|trunk| trunk.registration) {
            self.endpoint.unregister(now.instant, key);
        }
    }

    /// Registrars that have not answered our leave in time are waited for no more.
    pub(super) fn end_unregistering(&mut self, now: Now) {
        if self.unregister_until.is_none_or(|until| until > now.instant) {
            return;
        }
        self.unregister_until = None;
        for place in 0..self.trunks.len() {
            if self.trunks[place].registration.take().is_some() {
                self.note_trunk(now, place, UNCONFIRMED.to_owned());
                self.follow_service_route(now, place);
            }
        }
    }

    /// Registers with the hop that is next, if that is wanted; a registration that runs goes on there where its own hop is dead,
    /// gone or in trouble.
    pub(super) fn register_trunk(&mut self, now: Now, place: usize) {
        let trunk = &self.trunks[place];
        if !trunk.options.register || trunk.retired || self.draining {
            return;
        }
        match trunk.registration {
            None => self.begin_registration(now, place),
            Some((_, at)) if trunk.may_register_at(now.instant, at) => {}
            Some((_, at)) => {
                if let Some((there, due)) = self.move_registration(now, place) {
                    if due > now.instant {
                        // Nobody keeps alive meanwhile what the hop that is left has of us.
                        self.trunks[place].standing = Standing::Refused { status: 503, again_at: due };
                    }
                    let note = format!("registers at {there}: {} does not work", at.1);
                    self.note_trunk(now, place, note);
                }
            }
        }
    }

    /// What is registered next is somebody else.
    pub(super) fn leave_registrar(&mut self, now: Now, place: usize) {
        let trunk = &mut self.trunks[place];
        trunk.standing = Standing::Unknown;
        if let Some((old, _)) = trunk.registration.take() {
            self.endpoint.unregister(now.instant, old);
        }
        self.follow_service_route(now, place);
    }

    /// The registration goes on under the trunk's present credentials, where it may be.
    pub(super) fn renew_registration(&mut self, now: Now, place: usize) {
        let trunk = &mut self.trunks[place];
        let Some((key, at)) = trunk.registration else { return };
        let must_move = !trunk.may_register_at(now.instant, at);
        let next = trunk.next_registrar(now.instant).filter(|(_, due)| must_move && *due <= now.instant);
        let target = next.map_or(trunk.target_at(at), |(target, _)| target);
        trunk.registration = Some((key, place_of(target)));
        let expires = Duration::from_secs(trunk.options.register_expires_s);
        self.endpoint.renew_registration(now.instant, key, target, trunk.credentials.clone(), expires);
    }

    fn begin_registration(&mut self, now: Now, place: usize) {
        let trunk = &mut self.trunks[place];
        let Some((target, _)) = trunk.next_registrar(now.instant) else { return };
        let registration = Registration {
            target,
            registrar_uri: trunk.options.registrar(),
            aor: trunk.options.aor(),
            contact_user: trunk.options.user(),
            credentials: trunk.credentials.clone(),
            expires: Duration::from_secs(trunk.options.register_expires_s),
        };
        match self.endpoint.register(now.instant, registration) {
            Ok(key) => trunk.registration = Some((key, place_of(target))),
            Err(refused) => {
                let unsent = Standing::Unsent(refused.to_string());
                let note = format!("cannot register: {}", unsent.describe());
                if std::mem::replace(&mut trunk.standing, unsent.clone()) != unsent {
                    self.note_trunk(now, place, note);
                }
            }
        }
    }

    /// The registration goes on at another hop, now or once that may be asked again. None when there is no other.
    fn move_registration(&mut self, now: Now, place: usize) -> Option<(SocketAddr, Instant)> {
        let trunk = &mut self.trunks[place];
        let (key, at) = trunk.registration?;
        let (target, due) = trunk.next_registrar(now.instant)?;
        if place_of(target) == at || self.draining {
            return None;
        }
        trunk.registration = Some((key, place_of(target)));
        self.endpoint.move_registration(now.instant, key, target, due);
        self.follow_service_route(now, place);
        Some((target.address, due))
    }

    pub(super) fn handle_registration(&mut self, now: Now, key: RegistrationKey, event: RegistrationEvent) {
        let of = |trunk: &Trunk| trunk.registration.is_some_and(|(known, _)| known == key);
        let Some(place) = self.trunks.iter().position(of) else { return };
        let trunk = &mut self.trunks[place];
        let note = match event {
            RegistrationEvent::Registered { expires } => {
                trunk.standing = Standing::Registered;
                trunk.registrars_resting.clear();
                format!("registered for {} s", expires.as_secs())
            }
            RegistrationEvent::Failed { status, retry_in } => {
                self.handle_registration_failed(now, place, status, retry_in)
            }
            RegistrationEvent::Lapsed => {
                // After a refusal that is no news.
                let was_registered = trunk.standing == Standing::Registered;
                if was_registered {
                    trunk.standing = Standing::Lapsed;
                }
                trunk.rest_registrar(now.instant, LAPSED_REST);
                let there = self.move_registration(now, place);
                let there = there.map_or(String::new(), |(there, _)| format!("; asks {there}"));
                match was_registered {
                    true => format!("is not registered any more: the refresh goes unanswered{there}"),
                    false => String::new(),
                }
            }
            RegistrationEvent::Unregistered { leave } => {
                trunk.standing = Standing::Unknown;
                trunk.registration = None;
                match leave {
                    Leave::Confirmed => "unregistered".to_owned(),
                    Leave::Needless => String::new(),
                    Leave::Unconfirmed => UNCONFIRMED.to_owned(),
                }
            }
        };
        if !note.is_empty() {
            self.note_trunk(now, place, note);
        }
        self.follow_service_route(now, place);
    }

    /// A registrar that is dead or in trouble is one of several, perhaps: another hop of the trunk is asked at once (RFC 3263
    /// section 4.3), and none before its time.
    fn handle_registration_failed(
        &mut self,
        now: Now,
        place: usize,
        status: u16,
        retry_in: Duration,
    ) -> String {
        let trunk = &mut self.trunks[place];
        let said = match status {
            200..300 => format!("could not register ({status}, but for no time at all)"),
            _ => format!("could not register ({status})"),
        };
        let refused = Standing::Refused { status, again_at: now.instant + retry_in };
        let Some((_, at)) = trunk.registration.filter(|_| matches!(status, 408 | 500..600)) else {
            trunk.standing = refused;
            return format!("{said}; next try in {} s", retry_in.as_secs());
        };
        trunk.rest_registrar(now.instant, retry_in);
        if status == 408 {
            trunk.handle_no_response(now.instant, at);
        }
        let moved = self.move_registration(now, place);
        let trunk = &mut self.trunks[place];
        match moved {
            Some((there, due)) if due <= now.instant => {
                // What another hop has accepted holds until it has run out.
                if trunk.standing != Standing::Registered {
                    trunk.standing = Standing::Refused { status, again_at: due };
                }
                format!("{said} at {}; asks {there}", at.1)
            }
            Some((there, due)) => {
                trunk.standing = Standing::Refused { status, again_at: due };
                format!("{said} at {}; next try at {there} in {} s", at.1, (due - now.instant).as_secs())
            }
            None => {
                trunk.standing = refused;
                format!("{said}; next try in {} s", retry_in.as_secs())
            }
        }
    }

    /// Calls go where the last registration has said, and requests are taken from there.
    pub(super) fn follow_service_route(&mut self, now: Now, place: usize) {
        let trunk = &self.trunks[place];
        let registration = trunk.registration;
        let mut registered_at = None;
        let route = registration.and_then(|(key, at)| {
            let (_, top) = self.endpoint.service_route(key).into_iter().next()?;
            let top = NameAddr::parse(&top).ok()?;
            let registrar = trunk.target_at(at);
            registered_at = Some(registrar.address.ip());
            let has_media =
                |local: &&Local| self.media.is_empty() || self.media_of(local.address.ip()).is_some();
            let locals: Vec<Local> = self.endpoint.locals().iter().filter(has_media).cloned().collect();
            Some(ServiceRoute::of(&top.uri, &trunk.options, registrar, &locals))
        });
        let route = route.unwrap_or_default();
        let address = |route: &ServiceRoute| match route {
            ServiceRoute::At((_, address)) => vec![address.ip()],
            ServiceRoute::Own | ServiceRoute::Port(..) | ServiceRoute::Unfollowed(_) => Vec::new(),
        };
        let before = std::mem::replace(&mut self.trunks[place].service_route, route.clone());
        self.allow_sources(&address(&before), &address(&route));
        if let (&[peer], Some(registrar)) = (&*address(&route), registered_at) {
            self.endpoint.assume_towards(peer, registrar);
        }
        match route {
            ServiceRoute::Unfollowed(why) if self.trunks[place].route_told != why => {
                self.note_trunk(now, place, format!("is called at its own address: {why}"));
                self.trunks[place].route_told = why;
            }
            ServiceRoute::Own
            | ServiceRoute::Port(..)
            | ServiceRoute::At(_)
            | ServiceRoute::Unfollowed(_) => {}
        }
    }
}
