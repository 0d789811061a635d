//! Requests that belong to no call of ours: refused at once and forgotten (RFC 3261 section 8.2.7), so that a flood of them
//! makes no transaction and takes no memory.
//!
//! A copy gets the same answer as the first, To tag included. Of the requests that came last it is known by which way they
//! came, in a table that never grows: one that a forking proxy has sent by two ways is told so (section 8.2.2.2).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::message::{Request, Response};
use super::refusal;
use super::transaction::server_record::origin;
use crate::rng::Rng;
use crate::time::Instant;

/// Places of the table. Where two requests share one, the later has it.
const PLACES: usize = 1_024;

/// So long a request and its copies may be on their way: 64*T1.
const KEPT: Duration = Duration::from_secs(32);

/// What answers them.
#[derive(Debug)]
pub(crate) struct Stateless {
    /// Of this run, or a peer could foresee the tags.
    secret: u64,
    seen: Box<[Seen]>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    origin: u64,
    /// The transaction that it would have been.
    index: u64,
    until: Instant,
}

impl Stateless {
    /// Nothing was seen yet.
    pub(crate) fn new(mut rng: Rng) -> Self {
        Stateless { secret: rng.fork().next_u64(), seen: vec![Seen::default(); PLACES].into() }
    }

    /// The refusal of a request; `index` names the transaction that it would have been.
    pub(crate) fn answer(&mut self, now: Instant, request: &Request, index: &str) -> Response {
        let tag = self.tag(index.as_bytes());
        if let Some(mut response) = refusal::of_broken(request) {
            refusal::add_tag(&mut response, &tag);
            return response;
        }
        if self.is_merged(now, request, index) {
            return refusal::of_merged(request, &tag);
        }
        match request.headers().to().is_ok_and(|to| to.tag().is_some()) {
            true => refusal::no_such_call(request),
            false => refusal::of_stranger(request, &tag),
        }
    }

    /// Whether the same request has come by another way already.
    fn is_merged(&mut self, now: Instant, request: &Request, index: &str) -> bool {
        let Some(origin) = origin(request).map(|origin| self.hash(origin.as_bytes())) else { return false };
        let index = self.hash(index.as_bytes());
        let place = &mut self.seen[origin as usize % PLACES];
        let is_known = place.origin == origin && now < place.until;
        if !is_known {
            *place = Seen { origin, index, until: now + KEPT };
        }
        is_known && place.index != index
    }

    /// The To tag of the answer to what came so: of all copies the same.
    pub(crate) fn tag(&self, came: &[u8]) -> String {
        Rng::from_seed(self.hash(came)).token(12)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.secret, bytes).hash(&mut hasher);
        hasher.finish()
    }
}
