//! From whom requests are taken, at which listeners, and where these are to each peer.

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

    /// What the routing table says of peers: before the first request to each, and whenever it says otherwise.
    pub fn handle_towards(&mut self, towards: &[Towards]) {
        self.stack.handle_towards(towards);
    }

    /// Nobody could ask the routing table about `peer`: until somebody does, it is reached as `like` is.
    pub fn assume_towards(&mut self, peer: IpAddr, like: IpAddr) {
        if let (None, Some(local)) = (self.local_towards(peer), self.local_towards(like)) {
            self.handle_towards(&[Towards { peer, local }]);
        }
    }

    /// The address of ours that `peer` is reached from, where that was told.
    pub fn local_towards(&self, peer: IpAddr) -> Option<IpAddr> {
        self.stack.options.access.local_towards(peer)
    }

    /// The peers that the routing table was asked about.
    pub fn peers(&self) -> impl Iterator<Item = IpAddr> {
        self.stack.options.access.peers()
    }
}
