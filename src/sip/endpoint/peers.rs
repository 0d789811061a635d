//! From whom requests are taken, and at which listeners.

use super::*;
use std::net::IpAddr;

impl Endpoint {
    /// Takes requests from this address; asked for twice, it takes two [`Endpoint::disallow_source`] to end it.
    pub fn allow_source(&mut self, source: IpAddr) {
        self.stack.allow(source);
    }

    /// Takes back one [`Endpoint::allow_source`].
    pub fn disallow_source(&mut self, source: IpAddr) {
        self.stack.disallow(source);
    }

    /// Our listeners.
    pub fn locals(&self) -> &[Local] {
        self.stack.locals()
    }

    /// Whether requests from this address are taken.
    pub fn takes_from(&self, source: IpAddr) -> bool {
        self.stack.allows(source)
    }
}
