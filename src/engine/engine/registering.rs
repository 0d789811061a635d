//! Registering with trunks: at which of their hops, and what the registrars say.

use super::*;
use crate::engine::trunk::Standing;
use crate::engine::trunk::health::place_of;
use crate::engine::trunk::service_route::ServiceRoute;
use crate::sip::endpoint::{Registration, RegistrationEvent, RegistrationKey};
use crate::sip::header::NameAddr;

impl Engine {
    /// Takes every registration back; the engine is not quiet before the registrars have answered or time is up.
    pub(super) fn unregister_trunks(&mut self, now: Now) {
        self.unregister_until = Some(now.instant + UNREGISTER_WITHIN);
        for (key, _) in self.trunks.iter().filter_map(|trunk| trunk.registration) {
            self.endpoint.unregister(now.instant, key);
        }
    }

    /// Registers with the hop that is next, if that is wanted.
    pub(super) fn register_trunk(&mut self, now: Now, place: usize) {
        self.register_trunk_beside(now, place, None);
    }

    fn register_trunk_beside(&mut self, now: Now, place: usize, not: Option<Place>) {
        let trunk = &mut self.trunks[place];
        let tried: Vec<_> = not.into_iter().collect();
        let Some(target) = trunk.target(now.instant, &tried) else { return };
        if !trunk.options.register || trunk.retired || self.draining {
            return;
        }
        let registration = Registration {
            target,
            registrar_uri: format!("{}:{}", trunk.options.scheme(), trunk.options.domain()),
            aor: trunk.options.aor(),
            contact_user: trunk.options.user(),
            credentials: trunk.credentials.clone(),
            expires: Duration::from_secs(trunk.options.register_expires_s),
        };
        let old = trunk.registration.take();
        let before = std::mem::take(&mut trunk.standing);
        match self.endpoint.register(now.instant, registration) {
            Ok(key) => trunk.registration = Some((key, place_of(target))),
            Err(refused) => trunk.standing = Standing::Unsent(refused.to_string()),
        }
        let unsent = (trunk.standing != before).then(|| trunk.standing.describe());
        let unsent = unsent.filter(|_| trunk.registration.is_none());
        if let Some((old, _)) = old {
            self.endpoint.unregister(now.instant, old);
        }
        self.follow_service_route(now, place);
        if let Some(why) = unsent {
            self.note_trunk(now, place, format!("cannot register: {why}"));
        }
    }

    pub(super) fn handle_registration(&mut self, now: Now, key: RegistrationKey, event: RegistrationEvent) {
        let of = |trunk: &Trunk| trunk.registration.is_some_and(|(known, _)| known == key);
        let Some(place) = self.trunks.iter().position(of) else { return };
        let trunk = &mut self.trunks[place];
        let note = match event {
            RegistrationEvent::Registered { expires } => {
                trunk.standing = Standing::Registered;
                format!("registered for {} s", expires.as_secs())
            }
            RegistrationEvent::Failed { status, retry_in } => {
                trunk.standing = Standing::Refused { status, again_at: now.instant + retry_in };
                self.move_registration(now, place, status);
                format!("could not register ({status}); next try in {} s", retry_in.as_secs())
            }
            RegistrationEvent::Unregistered => {
                trunk.standing = Standing::Unknown;
                trunk.registration = None;
                "unregistered".to_owned()
            }
        };
        self.note_trunk(now, place, note);
        self.follow_service_route(now, place);
    }

    /// Calls go where the last registration has said, and requests are taken from there.
    pub(super) fn follow_service_route(&mut self, now: Now, place: usize) {
        let trunk = &self.trunks[place];
        let registration = trunk.registration;
        let route = registration.and_then(|(key, at)| {
            let (_, top) = self.endpoint.service_route(key).into_iter().next()?;
            let top = NameAddr::parse(&top).ok()?;
            let registrar = trunk.target_at(at);
            Some(ServiceRoute::of(&top.uri, &trunk.options, registrar, self.endpoint.locals()))
        });
        let route = route.unwrap_or_default();
        let address = |route: &ServiceRoute| match route {
            ServiceRoute::At((_, address)) => vec![address.ip()],
            ServiceRoute::Own | ServiceRoute::Port(..) | ServiceRoute::Unfollowed(_) => Vec::new(),
        };
        let before = std::mem::replace(&mut self.trunks[place].service_route, route.clone());
        self.allow_sources(&address(&before), &address(&route));
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

    /// A registrar that is dead or in trouble: another hop of the trunk is asked.
    fn move_registration(&mut self, now: Now, place: usize, status: u16) {
        let Some((_, at)) = self.trunks[place].registration else { return };
        if !matches!(status, 408 | 500..600) || self.draining {
            return;
        }
        let trunk = &mut self.trunks[place];
        if status == 408 {
            trunk.handle_no_response(now.instant, at);
        }
        if trunk.target(now.instant, &[at]).is_some() {
            self.register_trunk_beside(now, place, Some(at));
        }
    }
}
