//! At which address of ours a datagram came, where a socket has all of them, and the way out from that address (ip(7),
//! `IP_PKTINFO`; RFC 3542 section 6).
//!
//! A response leaves from the address that its request was sent to (RFC 3581 section 4): a peer, or a NAT before it, takes
//! none from another. Left to itself the system chooses by the routing table.

use super::address;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Peers that are kept in mind; beyond them all are forgotten, and answered by the routing table until they ask again.
const PEERS_MAX: usize = 4_096;

/// Where requests came to.
#[derive(Debug, Default)]
pub struct CameTo {
    by_peer: BTreeMap<SocketAddr, IpAddr>,
}

impl CameTo {
    /// A request of `peer` came to this address of ours.
    pub fn note(&mut self, peer: SocketAddr, local: IpAddr) {
        if self.by_peer.len() >= PEERS_MAX && !self.by_peer.contains_key(&peer) {
            self.by_peer.clear();
        }
        self.by_peer.insert(peer, local);
    }

    /// From where `peer` is answered. Without `rport` that is at the port of its Via, which need not be the one that it has
    /// asked from (RFC 3261 section 18.2.2).
    pub fn of(&self, peer: SocketAddr) -> Option<IpAddr> {
        let port = |port| SocketAddr::new(peer.ip(), port);
        let any = || self.by_peer.range(port(0)..=port(u16::MAX)).next().map(|(_, local)| local);
        self.by_peer.get(&peer).or_else(any).copied()
    }
}

/// Has the system tell where this socket's datagrams come to.
///
/// # Errors
/// When the system does not know how.
pub fn ask(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => Ok(setsockopt(socket, Ipv4PacketInfo, &true)?),
        SocketAddr::V6(_) => Ok(setsockopt(socket, Ipv6RecvPacketInfo, &true)?),
    }
}

/// A datagram that is there already: its length, from whom it is, and where it came to, if the system tells.
///
/// # Errors
/// When there is none.
pub fn try_receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    socket.try_io(Interest::READABLE, || {
        let mut control = nix::cmsg_space!(libc::in6_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let told = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let source = told.address.as_ref().and_then(address::of_system);
        let source = source.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let local = told.cmsgs().ok().and_then(|mut told| told.find_map(|told| local_of(&told)));
        Ok((told.bytes, source, local))
    })
}

/// Sends from one of our addresses.
///
/// # Errors
/// When the system refuses, as where that address is ours no more.
pub async fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let sent = socket.async_io(Interest::WRITABLE, || {
        let parts = [IoSlice::new(bytes)];
        let (fd, to) = (socket.as_raw_fd(), SockaddrStorage::from(to));
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match from {
            IpAddr::V4(ip) => {
                // Which interface it leaves by is the routing table's business.
                let source = libc::in_addr { s_addr: ip.to_bits().to_be() };
                let own = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&own)], flags, Some(&to))
            }
            IpAddr::V6(ip) => {
                let source = libc::in6_addr { s6_addr: ip.octets() };
                let own = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&own)], flags, Some(&to))
            }
        };
        Ok(sent?)
    });
    sent.await.map(drop)
}

fn local_of(told: &ControlMessageOwned) -> Option<IpAddr> {
    let local: IpAddr = match told {
        // Not where it was sent to, which may be a broadcast, but which of ours that is.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into()
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Ipv6Addr::from(info.ipi6_addr.s6_addr).into(),
        _ => return None,
    };
    (!local.is_unspecified() && !local.is_multicast()).then_some(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_peers_than_are_kept_in_mind_the_last_are_known() {
        let mut came_to = CameTo::default();
        let (first, ours) = ("127.0.0.2:1".parse().unwrap(), IpAddr::from([127, 0, 0, 9]));
        came_to.note(first, ours);
        let mut peers = (0..PEERS_MAX as u16).map(|port| SocketAddr::from(([127, 0, 0, 3], port)));
        peers.clone().for_each(|peer| came_to.note(peer, ours));
        assert_eq!(came_to.of(first), None);
        assert_eq!(came_to.of(peers.next_back().unwrap()), Some(ours));
        assert_eq!(came_to.of("127.0.0.3:65000".parse().unwrap()), Some(ours), "the same host");
        assert!(came_to.by_peer.len() <= PEERS_MAX);
    }
}
