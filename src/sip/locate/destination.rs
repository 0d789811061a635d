//! What a URI or a trunk's setting says of where to go, before the DNS is asked (RFC 3263 section 4).

use super::super::target::Transport;
use super::super::uri::Uri;
use super::record::normal;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A host as it is written: a number that is an address, or a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Host {
    /// Needs no DNS.
    Address(IpAddr),
    /// In lower case, without the last dot.
    Name(String),
}

/// Where to go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// With a port there is nothing to look up but the address.
    pub port: Option<u16>,
    /// With a transport there is none to choose.
    pub transport: Option<Transport>,
    /// `sips`: nothing less than TLS.
    pub secure: bool,
}

impl Destination {
    /// Reads `host`, `host:port`, an IPv4 address, or an IPv6 address (in brackets when a port follows).
    pub fn parse(text: &str, transport: Option<Transport>) -> Option<Destination> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let (host, port) = if let Ok(address) = bare.parse::<IpAddr>() {
            (Host::Address(address), None)
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            (Host::Address(address.ip()), Some(address.port()))
        } else {
            match text.rsplit_once(':') {
                Some((name, port)) => (Host::Name(normal(name)?), Some(port.parse().ok()?)),
                None => (Host::Name(normal(text)?), None),
            }
        };
        Some(Destination { host, port, transport, secure: transport.is_some_and(|t| t == Transport::Tls) })
    }

    /// Where a request to `uri` goes; `None` when it is no SIP URI or names a transport that nobody speaks.
    pub fn of_uri(uri: &Uri) -> Option<Destination> {
        if !uri.is_sip() {
            return None;
        }
        let transport = match uri.parameter("transport").map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") => Some(Transport::Udp),
            Some("tcp") => Some(Transport::Tcp),
            Some("tls") => Some(Transport::Tls),
            Some(_) => return None,
        };
        let transport = match (uri.is_sips(), transport) {
            (false, transport) => transport,
            (true, None) => None,
            (true, Some(Transport::Tcp | Transport::Tls)) => Some(Transport::Tls),
            (true, Some(Transport::Udp)) => return None,
        };
        let host = match uri.host().parse::<IpAddr>() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(normal(uri.host())?),
        };
        let secure = uri.is_sips() || transport == Some(Transport::Tls);
        Some(Destination { host, port: uri.port(), transport, secure })
    }

    /// The transport where the DNS does not choose one (RFC 3263 section 4.1).
    pub fn plain_transport(&self) -> Transport {
        match (self.transport, self.secure) {
            (Some(transport), _) => transport,
            (None, true) => Transport::Tls,
            (None, false) => Transport::Udp,
        }
    }

    /// Where it is, when no DNS is needed to tell.
    pub fn address(&self) -> Option<(Transport, SocketAddr)> {
        let Host::Address(ip) = self.host else { return None };
        let transport = self.plain_transport();
        Some((transport, SocketAddr::new(ip, self.port.unwrap_or(transport.port()))))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Address(ip) => write!(f, "{ip}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_as_numbers_and_names_with_and_without_a_port() {
        let table = [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.0.0.1:5080", Some("127.0.0.1:5080")),
            ("[::1]", Some("[::1]")),
            ("::1", Some("[::1]")),
            ("[::1]:5080", Some("[::1]:5080")),
            ("Sip.Example.com.", Some("sip.example.com")),
            ("sip.example.com:5070", Some("sip.example.com:5070")),
            ("sip.example.com:port", None),
            ("sip.example.com:99999", None),
            ("", None),
            ("two words", None),
        ];
        for (text, expected) in table {
            let read = Destination::parse(text, None).map(|destination| destination.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_uri_says_its_transport_by_its_parameter_and_by_its_scheme() {
        let table = [
            ("sip:a@example.com", Some((None, false))),
            ("sip:a@example.com;transport=TCP", Some((Some(Transport::Tcp), false))),
            ("sip:a@example.com;transport=sctp", None),
            ("sips:a@example.com", Some((None, true))),
            ("sips:a@example.com;transport=tcp", Some((Some(Transport::Tls), true))),
            ("sips:a@example.com;transport=udp", None),
            ("tel:+12025550100", None),
        ];
        for (uri, expected) in table {
            let read = Destination::of_uri(&Uri::parse(uri).unwrap());
            assert_eq!(read.map(|read| (read.transport, read.secure)), expected, "{uri}");
        }
    }

    #[test]
    fn a_number_needs_no_dns() {
        let at = |text, transport| Destination::parse(text, transport).unwrap().address();
        assert_eq!(at("192.0.2.1", None), Some((Transport::Udp, "192.0.2.1:5060".parse().unwrap())));
        let secure = at("192.0.2.1", Some(Transport::Tls));
        assert_eq!(secure, Some((Transport::Tls, "192.0.2.1:5061".parse().unwrap())));
        assert_eq!(at("sip.example.com", None), None);
    }
}
