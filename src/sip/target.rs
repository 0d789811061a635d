//! Where a message goes: a transport and an address. Names are resolved outside, before a call is dialed.

use std::net::{IpAddr, SocketAddr};

use super::uri::Uri;

/// The port of SIP where none is given (RFC 3261 section 19.1.2).
const PORT: u16 = 5060;

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams: what gets lost is sent again.
    Udp,
    /// A stream: nothing is ever sent again.
    Tcp,
}

impl Transport {
    /// Whether the transport itself cares for what gets lost.
    pub fn is_reliable(self) -> bool {
        self == Transport::Tcp
    }

    /// The word of a Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// A peer's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// How to reach it.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
}

impl Target {
    /// Where a request to `uri` goes, as far as that can be told without asking the DNS; a transport that the URI does
    /// not name is that of `self`.
    pub fn of_uri(self, uri: &Uri) -> Option<Target> {
        let host: IpAddr = uri.host().parse().ok()?;
        let transport = match uri.parameter("transport") {
            None => self.transport,
            Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(_) => return None,
        };
        Some(Target { transport, address: SocketAddr::new(host, uri.port().unwrap_or(PORT)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_leads_somewhere_only_with_an_address_and_a_known_transport() {
        let trunk = Target { transport: Transport::Tcp, address: "192.0.2.1:5070".parse().unwrap() };
        let table = [
            ("sip:a@192.0.2.9", Some((Transport::Tcp, "192.0.2.9:5060"))),
            ("sip:a@192.0.2.9:5080;transport=UDP", Some((Transport::Udp, "192.0.2.9:5080"))),
            ("sip:[2001:db8::1];transport=tcp;lr", Some((Transport::Tcp, "[2001:db8::1]:5060"))),
            ("sip:a@192.0.2.9;transport=tls", None),
            ("sip:a@pbx.example", None),
            ("tel:+12025550100", None),
        ];
        for (uri, expected) in table {
            let found = trunk.of_uri(&Uri::parse(uri).unwrap());
            let expected =
                expected.map(|(transport, address)| Target { transport, address: address.parse().unwrap() });
            assert_eq!(found, expected, "{uri}");
        }
    }
}
