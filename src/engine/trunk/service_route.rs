//! Where a registrar's Service-Route has new requests go first (RFC 3608 section 6.1, RFC 3261 section 8.1.2): to the host of
//! its topmost URI, where that can be told without asking the DNS.

use super::Options;
use crate::sip::endpoint::{Local, Target};
use crate::sip::locate::Destination;
use crate::sip::locate::destination::Host;
use crate::sip::locate::hops::Place;
use crate::sip::target::Transport;
use crate::sip::uri::Uri;
use std::net::SocketAddr;

/// The next hop of calls while a registration holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ServiceRoute {
    /// The trunk's own: there is no route, or it begins with the trunk or with its outbound proxy.
    #[default]
    Own,
    /// The trunk's own, by this transport and at this port.
    Port(Transport, u16),
    /// This address.
    At(Place),
    /// The trunk's own, although the route begins elsewhere, for this reason.
    Unfollowed(String),
}

impl ServiceRoute {
    /// What follows from the topmost URI of a route that was given at `registrar`, to one who listens at `locals`.
    pub fn of(top: &Uri, options: &Options, registrar: Target, locals: &[Local]) -> ServiceRoute {
        let unfollowed = |why: &str| ServiceRoute::Unfollowed(format!("its Service-Route {why}"));
        if options.outbound_proxy.is_some() {
            return ServiceRoute::Own;
        }
        let Some(there) = Destination::of_uri(top) else {
            return unfollowed("asks for a transport that is not known here");
        };
        let transport = match there.transport {
            Some(transport) => transport,
            None if there.secure => Transport::Tls,
            None => registrar.transport,
        };
        // What is reached over TLS is never reached over anything less.
        if registrar.transport == Transport::Tls && transport != Transport::Tls {
            return unfollowed("leaves TLS");
        }
        let own = options.destination();
        match there.host {
            Host::Address(ip) => {
                let address = SocketAddr::new(ip, there.port.unwrap_or(transport.port()));
                let reaches = |local: &Local| local.address.is_ipv4() == address.is_ipv4();
                if ip.is_unspecified() || ip.is_multicast() || address.port() == 0 {
                    return unfollowed("leads nowhere");
                }
                if !locals.iter().any(reaches) {
                    let kind = if address.is_ipv4() { "an IPv4" } else { "an IPv6" };
                    return unfollowed(&format!(
                        "leads to {kind} address, and listen in [sip] or [media] has none"
                    ));
                }
                ServiceRoute::At((transport, address))
            }
            Host::Name(_) if own.as_ref().is_none_or(|own| own.host != there.host) => {
                unfollowed("names a host: set outbound_proxy")
            }
            Host::Name(_) => match (there.port, own.and_then(|own| own.port)) {
                (None, _) => ServiceRoute::Own,
                // The hops are the addresses of this very name.
                (Some(port), Some(_)) if port != 0 => ServiceRoute::Port(transport, port),
                _ => unfollowed("names a host and a port: set outbound_proxy"),
            },
        }
    }

    /// Where a request goes that would go to `hop` without it.
    pub fn from(&self, hop: Target) -> Target {
        match *self {
            ServiceRoute::Own | ServiceRoute::Unfollowed(_) => hop,
            ServiceRoute::Port(transport, port) => {
                Target { transport, address: SocketAddr::new(hop.address.ip(), port), ..hop }
            }
            ServiceRoute::At((transport, address)) => Target { transport, address, ..hop },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_followed_where_no_look_up_is_needed_and_something_of_ours_reaches_it() {
        let v4 = [Local::new("192.0.2.5:5060".parse().unwrap())];
        let udp = Target::new(Transport::Udp, "192.0.2.1:5070".parse().unwrap());
        let tls = Target { transport: Transport::Tls, ..udp };
        let at = |transport, address: &str| Ok((transport, address.parse::<SocketAddr>().unwrap()));
        let hop = Ok((Transport::Udp, udp.address));
        let table = [
            ("gw.example", udp, "sip:192.0.2.9;lr", at(Transport::Udp, "192.0.2.9:5060")),
            ("gw.example", udp, "sip:192.0.2.9:5080;transport=tcp;lr", at(Transport::Tcp, "192.0.2.9:5080")),
            ("gw.example", tls, "sip:192.0.2.9;lr", at(Transport::Tls, "192.0.2.9:5061")),
            ("gw.example", udp, "sips:192.0.2.9;lr", at(Transport::Tls, "192.0.2.9:5061")),
            ("gw.example", udp, "sip:GW.example;lr", hop),
            ("gw.example:5070", udp, "sip:gw.example:5090;lr", at(Transport::Udp, "192.0.2.1:5090")),
            ("gw.example", udp, "sip:gw.example:5090;lr", Err("names a host and a port: set outbound_proxy")),
            ("gw.example", udp, "sip:p.example;lr", Err("names a host: set outbound_proxy")),
            ("gw.example", tls, "sip:192.0.2.9;transport=udp;lr", Err("leaves TLS")),
            (
                "gw.example",
                udp,
                "sip:192.0.2.9;transport=sctp;lr",
                Err("asks for a transport that is not known here"),
            ),
            (
                "gw.example",
                udp,
                "sip:[2001:db8::9];lr",
                Err("leads to an IPv6 address, and listen in [sip] or [media] has none"),
            ),
            ("gw.example", udp, "sip:0.0.0.0;lr", Err("leads nowhere")),
        ];
        for (host, registrar, route, expected) in table {
            let options = format!("name = \"t\"\nhost = {host:?}");
            let options: Options = toml::from_str(&options).unwrap();
            let found = ServiceRoute::of(&Uri::parse(route).unwrap(), &options, registrar, &v4);
            let next = found.from(udp);
            match expected {
                Ok(place) => assert_eq!((next.transport, next.address), place, "{host} {route}"),
                Err(why) => {
                    assert_eq!(
                        found,
                        ServiceRoute::Unfollowed(format!("its Service-Route {why}")),
                        "{route}"
                    );
                    assert_eq!(next, udp);
                }
            }
        }
    }
}
