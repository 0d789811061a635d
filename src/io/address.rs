//! Names to addresses, and which of our own addresses a peer sees.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

/// Resolves `host`, `host:port`, an IPv4 address, or a bracketed IPv6 address with or without a port.
pub fn resolve(host: &str, default_port: u16) -> io::Result<SocketAddr> {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default_port));
    }
    let with_port = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:{default_port}"),
    };
    with_port
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

/// A host as it is written, without its port; an IPv6 address keeps its brackets.
pub fn without_port(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// The address of ours from which `peer` is reached, by the routing table; nothing is sent.
pub fn local_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_with_and_without_a_port() {
        let table = [
            ("127.0.0.1", "127.0.0.1:5060"),
            ("127.0.0.1:5080", "127.0.0.1:5080"),
            ("[::1]", "[::1]:5060"),
            ("[::1]:5080", "[::1]:5080"),
            ("::1", "[::1]:5060"),
        ];
        for (host, expected) in table {
            assert_eq!(resolve(host, 5060).unwrap(), expected.parse().unwrap(), "{host}");
        }
    }

    #[test]
    fn a_port_is_cut_off_and_nothing_else_is() {
        for (host, expected) in [
            ("sip.example:5061", "sip.example"),
            ("sip.example", "sip.example"),
            ("[::1]:5061", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("192.0.2.1:5060", "192.0.2.1"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }

    #[test]
    fn loopback_is_reached_from_loopback() {
        let local = local_towards("127.0.0.1:5060".parse().unwrap()).unwrap();
        assert_eq!(local, IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
