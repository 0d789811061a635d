//! Where a message goes: a transport and an address. Names are resolved outside, before a call is dialed.

use std::net::SocketAddr;

use super::access::AccessId;
use super::locate::record::normal;
use super::uri::{self, Uri};

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams: what gets lost is sent again.
    Udp,
    /// A stream: nothing is ever sent again.
    Tcp,
    /// A stream that nobody on the way can read or change (RFC 3261 section 26.3.1).
    Tls,
}

impl Transport {
    /// Whether the transport itself cares for what gets lost.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// The word of a Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// The word of a URI's `transport` parameter.
    pub fn parameter(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// The port where none is given (RFC 3261 section 19.1.2).
    pub fn port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// Whether the peer must be sought over TLS: it is asked for by the scheme, or by the `transport` parameter, which
    /// RFC 3261 deprecates and everybody uses.
    fn of_uri(uri: &Uri) -> Result<Option<Transport>, ()> {
        let named = match uri.parameter("transport") {
            None => None,
            Some(name) if name.eq_ignore_ascii_case("udp") => Some(Transport::Udp),
            Some(name) if name.eq_ignore_ascii_case("tcp") => Some(Transport::Tcp),
            Some(name) if name.eq_ignore_ascii_case("tls") => Some(Transport::Tls),
            Some(_) => return Err(()),
        };
        match (uri.is_sips(), named) {
            // RFC 3261 section 26.2.2: `sips` over TCP means TLS over TCP; over UDP there is none.
            (true, None | Some(Transport::Tcp | Transport::Tls)) => Ok(Some(Transport::Tls)),
            (true, Some(Transport::Udp)) => Err(()),
            (false, named) => Ok(named),
        }
    }
}

/// How much is lost with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It was never made: nothing that was to be sent has left.
    Refused,
    /// We had made it, and nothing ever came over it.
    Unheard,
    /// What was sent may have been read.
    Broken,
}

/// A peer's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// How to reach it.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
    /// Our side of the way there.
    pub access: AccessId,
}

impl Target {
    /// An address that is reached from the first listener and needs nothing more to be said.
    pub fn new(transport: Transport, address: SocketAddr) -> Target {
        Target { transport, address, access: AccessId::default() }
    }

    /// Where a request to `uri` goes, as far as that can be told without asking the DNS; a transport that the URI does
    /// not name is that of `self`. What is reached over TLS is never reached over anything less.
    ///
    /// `name` is what the peer at `self` is called: a URI with this host leads to the same address, by its own port and
    /// transport (RFC 3263 section 4). One that names neither stays with those of `self`, which the DNS may have chosen.
    /// `maddr` takes the place of the host (RFC 3261 section 19.1.1).
    pub fn of_uri(self, uri: &Uri, name: &str) -> Option<Target> {
        let named = Transport::of_uri(uri).ok()?;
        let transport = named.unwrap_or(self.transport);
        if self.transport == Transport::Tls && transport != Transport::Tls {
            return None;
        }
        let host = uri.parameter("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host());
        let ip = match uri::address(host) {
            Some(ip) => ip,
            None if normal(host).is_none() || normal(host) != normal(name) => return None,
            None if named.is_none() && uri.port().is_none() => return Some(self),
            None => self.address.ip(),
        };
        let address = SocketAddr::new(ip, uri.port().unwrap_or(transport.port()));
        // Nothing can be sent to port 0.
        (address.port() != 0).then_some(Target { transport, address, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_leads_somewhere_only_with_an_address_and_a_known_transport() {
        let trunk = Target::new(Transport::Tcp, "192.0.2.1:5070".parse().unwrap());
        let table = [
            ("sip:a@192.0.2.9", Some((Transport::Tcp, "192.0.2.9:5060"))),
            ("sip:a@192.0.2.9:5080;transport=UDP", Some((Transport::Udp, "192.0.2.9:5080"))),
            ("sip:[2001:db8::1];transport=tcp;lr", Some((Transport::Tcp, "[2001:db8::1]:5060"))),
            ("sip:a@192.0.2.9;transport=tls", Some((Transport::Tls, "192.0.2.9:5061"))),
            ("sips:a@192.0.2.9", Some((Transport::Tls, "192.0.2.9:5061"))),
            ("sips:a@192.0.2.9:5080;transport=tcp", Some((Transport::Tls, "192.0.2.9:5080"))),
            ("sips:a@192.0.2.9;transport=udp", None),
            ("sip:a@192.0.2.9;transport=sctp", None),
            ("sip:a@pbx.example", None),
            ("sip:a@x.example", Some((Transport::Tcp, "192.0.2.1:5070"))),
            ("sip:a@X.Example.:5080", Some((Transport::Tcp, "192.0.2.1:5080"))),
            ("sip:a@x.example;transport=udp", Some((Transport::Udp, "192.0.2.1:5060"))),
            ("sips:a@x.example", Some((Transport::Tls, "192.0.2.1:5061"))),
            ("sip:a@pbx.example:5080;maddr=192.0.2.9", Some((Transport::Tcp, "192.0.2.9:5080"))),
            ("sip:a@192.0.2.8;maddr=[2001:db8::1]", Some((Transport::Tcp, "[2001:db8::1]:5060"))),
            ("sip:a@192.0.2.8;maddr=pbx.example", None),
            ("sip:a@192.0.2.8;maddr=", Some((Transport::Tcp, "192.0.2.8:5060"))),
            ("tel:+12025550100", None),
        ];
        for (uri, expected) in table {
            let found = trunk.of_uri(&Uri::parse(uri).unwrap(), "x.example");
            let expected =
                expected.map(|(transport, address)| Target::new(transport, address.parse().unwrap()));
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn what_is_reached_over_tls_is_never_reached_over_less() {
        let trunk = Target::new(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
        for (uri, port) in
            [("sip:a@192.0.2.9", Some(5061)), ("sip:a@192.0.2.9:7000;transport=TLS", Some(7000))]
        {
            let found = trunk.of_uri(&Uri::parse(uri).unwrap(), "x.example");
            assert_eq!(
                found.map(|target| (target.transport, target.address.port())),
                port.map(|p| (Transport::Tls, p))
            );
        }
        for uri in ["sip:a@192.0.2.9;transport=udp", "sip:a@x.example;transport=tcp"] {
            assert_eq!(trunk.of_uri(&Uri::parse(uri).unwrap(), "x.example"), None, "{uri}");
        }
    }
}
