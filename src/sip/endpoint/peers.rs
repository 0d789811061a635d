//! From whom requests are taken, at which listeners, and where these are to each peer.

use super::*;
use std::net::IpAddr;

impl Endpoint {
    /// Takes requests from this address; asked for twice, it takes two [`Endpoint::disallow_source`] to end it.
    pub fn allow_source(&mut self, source: IpAddr) {
        self.stack.sources.allow(source);
    }

    /// Takes back one [`Endpoint::allow_source`].
    pub fn disallow_source(&mut self, source: IpAddr) {
        self.stack.sources.disallow(source);
    }

    /// Takes back one [`Endpoint::allow_source`], that of a call which has ended: what is on its way yet is taken for 64*T1.
    pub fn leave_source(&mut self, now: Instant, source: IpAddr) {
        self.stack.sources.leave(source, now + self.stack.timers.give_up());
    }

    /// Our listeners.
    pub fn locals(&self) -> &[Local] {
        self.stack.locals()
    }

    /// Whether requests from this address are taken.
    pub fn takes_from(&self, source: IpAddr) -> bool {
        self.stack.sources.allows(source)
    }

    /// Whether this message is worth to be read: it comes from an address that requests are taken from, or it has the branch
    /// of a request of ours, wherever it comes from. Of a stranger's no more is looked at than that.
    pub fn takes(&self, source: IpAddr, bytes: &[u8]) -> bool {
        self.takes_from(source) || (is_response(bytes) && self.stack.layer.is_awaited(bytes))
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
