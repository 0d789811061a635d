//! What we have found out about the ways to our peers: who refuses TCP, and where they see us.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::header::Via;
use super::target::{Target, Transport};
use crate::time::Instant;

/// How long a peer that refused TCP gets its long requests over UDP before TCP is tried again.
const REFUSAL_HOLDS: Duration = Duration::from_secs(600);

/// Peers that are kept in mind; there are no more trunks than this.
const PEERS_MAX: usize = 1_024;

/// What is known of peers.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    refused: BTreeMap<SocketAddr, Instant>,
    seen: BTreeMap<Target, SocketAddr>,
}

impl Reach {
    /// A peer has refused a TCP connection, or says nothing over it.
    pub(crate) fn note_refusal(&mut self, now: Instant, peer: SocketAddr) {
        if self.refused.len() >= PEERS_MAX {
            self.refused.clear();
        }
        self.refused.insert(peer, now + REFUSAL_HOLDS);
    }

    /// Whether TCP need not be tried.
    pub(crate) fn refuses_tcp(&self, now: Instant, peer: SocketAddr) -> bool {
        self.refused.get(&peer).is_some_and(|until| now < *until)
    }

    /// What a response of `peer` says of where our request came from (RFC 3581 section 4): over a stream the port is the
    /// connection's and nobody can connect to it, so that of the listener stays.
    pub(crate) fn note_via(&mut self, peer: Target, via: &Via, own_port: u16) {
        let host: Option<IpAddr> = via.host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let Some(ip) = via.received().or(host.filter(|_| via.rport().is_some())) else { return };
        if ip.is_unspecified() || ip.is_multicast() || ip.is_ipv4() != peer.address.is_ipv4() {
            return;
        }
        let port = match peer.transport {
            Transport::Udp => via.rport().unwrap_or(own_port),
            Transport::Tcp | Transport::Tls => own_port,
        };
        if self.seen.len() >= PEERS_MAX && !self.seen.contains_key(&peer) {
            self.seen.clear();
        }
        self.seen.insert(peer, SocketAddr::new(ip, port));
    }

    /// Where `peer` sees us, if it has said so.
    pub(crate) fn seen_by(&self, peer: Target) -> Option<SocketAddr> {
        self.seen.get(&peer).copied()
    }
}
