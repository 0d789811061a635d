//! Which of our own addresses a peer sees, and addresses as the system writes them.

use crate::sip::endpoint::Towards;
use nix::sys::socket::SockaddrStorage;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Which of our addresses leads to a peer.
pub type LookUp = fn(SocketAddr) -> io::Result<IpAddr>;

/// The address of ours from which `peer` is reached, by the routing table; nothing is sent.
pub fn local_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

/// The same of each of `peers`, for the core; what the routing table leads nowhere is left out. `look_up` is
/// [`local_towards`], but in tests.
pub fn towards(peers: impl IntoIterator<Item = IpAddr>, look_up: LookUp) -> Vec<Towards> {
    // Any port but 0 will do.
    let asked = |peer: IpAddr| Some(Towards { peer, local: look_up(SocketAddr::new(peer, 5060)).ok()? });
    peers.into_iter().filter(|peer| !peer.is_unspecified()).filter_map(asked).collect()
}

/// Where to bind sockets of `listen` that peers are told to be at `advertised`: there, where `listen` is the wildcard address
/// and that one is of this machine, for what leaves a wildcard socket has the address that the routing table chooses, and a
/// connected one takes what comes to that alone. An address of a NAT's outside is not ours.
pub fn bound(listen: IpAddr, advertised: IpAddr, look_up: LookUp) -> IpAddr {
    // The routing table leads from an address of this machine to itself.
    let is_ours = advertised.is_loopback()
        || look_up(SocketAddr::new(advertised, 5060)).is_ok_and(|local| local == advertised);
    if listen.is_unspecified() && is_ours { advertised } else { listen }
}

/// An address that a system call gave; `None` where it is not one of the Internet.
pub fn of_system(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_bound_to_an_advertised_address_of_this_machine() {
        let look_up = |peer: SocketAddr| match peer.ip() {
            ours if ours == IpAddr::from([10, 0, 0, 5]) => Ok(ours),
            _ => Ok(IpAddr::from([10, 0, 0, 4])),
        };
        let table = [
            ("0.0.0.0", "10.0.0.5", "10.0.0.5"),
            ("0.0.0.0", "127.0.0.9", "127.0.0.9"),
            ("0.0.0.0", "203.0.113.7", "0.0.0.0"),
            ("10.0.0.4", "10.0.0.5", "10.0.0.4"),
        ];
        for (listen, advertised, expected) in table {
            let [listen, advertised, expected] =
                [listen, advertised, expected].map(|ip| ip.parse::<IpAddr>().unwrap());
            assert_eq!(bound(listen, advertised, look_up), expected, "{listen} {advertised}");
        }
    }

    #[test]
    fn loopback_is_reached_from_loopback() {
        let local = local_towards("127.0.0.1:5060".parse().unwrap()).unwrap();
        assert_eq!(local, IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
