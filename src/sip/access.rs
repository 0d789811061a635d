//! Our side of the way to a peer: which of our addresses it sees, by which outbound proxy it is reached, and whom its
//! certificate must name.
//!
//! A [`Target`] is small and is copied everywhere; what only few peers need to have said stands here once and is named
//! by an [`AccessId`]. The shell that sends looks it up in the same table as the core that writes Via and Contact.
//!
//! A listener that is bound to the wildcard address is another address to each peer: that from which the routing table
//! reaches it. The core cannot ask there; it is told ([`Towards`]).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::target::{Target, Transport};

/// The place of an access in its table. The default is that of the first listener.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct AccessId(u16);

/// One of our listeners, as peers are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    /// What Via and Contact say over UDP and TCP.
    pub address: SocketAddr,
    /// The same over TLS.
    pub tls_address: SocketAddr,
    /// Whether an operator has said that this is how peers see us: then what they report is not asked for.
    pub is_advertised: bool,
    /// Whether it is bound to the wildcard address and none is advertised: a peer that the routing table was asked about
    /// sees the address that leads there, and `address` is what the others are told.
    pub is_wildcard: bool,
}

/// What the routing table says of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Towards {
    /// The peer.
    pub peer: IpAddr,
    /// The address of ours that it is reached from.
    pub local: IpAddr,
}

impl Local {
    /// A listener whose TLS port is the one after its SIP port, as 5061 follows 5060 (RFC 3261 section 19.1.2).
    pub fn new(address: SocketAddr) -> Local {
        let mut tls_address = address;
        tls_address.set_port(address.port().wrapping_add(1));
        Local { address, tls_address, is_advertised: false, is_wildcard: false }
    }

    /// The sent-by of a Via; IPv6 stands in brackets.
    pub fn sent_by(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Udp | Transport::Tcp => self.address,
            Transport::Tls => self.tls_address,
        }
    }
}

/// What is special about the way to a trunk.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Access {
    /// Which of our listeners requests leave from, unless the peer is of another address family.
    pub local: usize,
    /// The SIP domain that a TLS peer's certificate must name (RFC 5922); empty for one that connected to us.
    pub domain: String,
    /// The Route that requests outside a dialog begin with: an outbound proxy (RFC 3261 section 8.1.2).
    pub route: Option<String>,
    /// Whether our Contact is a `sips` URI, as it must be where the Request-URI is one (RFC 3261 section 8.1.1.8).
    pub is_sips: bool,
}

/// All listeners and all accesses. The first accesses are those of the listeners themselves, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessTable {
    locals: Vec<Local>,
    accesses: Vec<Access>,
    /// The addresses of ours that peers are reached from.
    towards: BTreeMap<IpAddr, IpAddr>,
}

impl AccessTable {
    /// With these listeners, one at least.
    pub fn new(locals: Vec<Local>) -> AccessTable {
        assert!(!locals.is_empty(), "a user agent has a listener");
        let accesses = (0..locals.len()).map(|local| Access { local, ..Access::default() }).collect();
        AccessTable { locals, accesses, towards: BTreeMap::new() }
    }

    /// The name of an access; the same one gets the same name. A full table gives that of the plain listener.
    pub fn add(&mut self, access: Access) -> AccessId {
        let known = self.accesses.iter().position(|known| *known == access);
        let place = known.unwrap_or_else(|| {
            self.accesses.push(access.clone());
            self.accesses.len() - 1
        });
        u16::try_from(place).map_or(AccessId(access.local as u16), AccessId)
    }

    /// What a listener receives from.
    pub fn of_local(&self, local: usize) -> AccessId {
        AccessId(local.min(self.locals.len() - 1) as u16)
    }

    /// The access of a name.
    pub fn get(&self, id: AccessId) -> &Access {
        self.accesses.get(usize::from(id.0)).unwrap_or(&self.accesses[0])
    }

    /// Every access with its name.
    pub fn iter(&self) -> impl Iterator<Item = (AccessId, &Access)> {
        self.accesses.iter().enumerate().map(|(place, access)| (AccessId(place as u16), access))
    }

    /// The listeners.
    pub fn locals(&self) -> &[Local] {
        &self.locals
    }

    /// Which listener `target` is reached from: that of its access, or the first of its address family.
    pub fn local_of(&self, target: Target) -> usize {
        let fits = |local: &Local| local.address.is_ipv4() == target.address.is_ipv4();
        let wanted = self.get(target.access).local;
        if self.locals.get(wanted).is_some_and(fits) {
            return wanted;
        }
        self.locals.iter().position(fits).unwrap_or(0)
    }

    /// Host and port of ours that `target` sees in a Via.
    pub fn sent_by(&self, target: Target) -> SocketAddr {
        let local = &self.locals[self.local_of(target)];
        let mut address = local.sent_by(target.transport);
        let towards = self.local_towards(target.address.ip()).filter(|_| local.is_wildcard);
        if let Some(ip) = towards.filter(|ip| ip.is_ipv4() == address.is_ipv4()) {
            address.set_ip(ip);
        }
        address
    }

    /// What the routing table says now; what it said before of others still holds.
    pub fn handle_towards(&mut self, towards: &[Towards]) {
        self.towards.extend(towards.iter().map(|towards| (towards.peer, towards.local)));
    }

    /// The address of ours that `peer` is reached from, where the routing table was asked about it.
    pub fn local_towards(&self, peer: IpAddr) -> Option<IpAddr> {
        self.towards.get(&peer).copied()
    }

    /// The peers that the routing table was asked about.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = IpAddr> {
        self.towards.keys().copied()
    }

    /// Forgets what the routing table has said of all other peers than these.
    pub(crate) fn retain_peers(&mut self, is_kept: impl Fn(IpAddr) -> bool) {
        self.towards.retain(|peer, _| is_kept(*peer));
    }
}

impl Default for AccessTable {
    fn default() -> Self {
        AccessTable::new(vec![Local::new(SocketAddr::from(([127, 0, 0, 1], 5060)))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_reached_from_the_listener_of_its_access_or_of_its_family() {
        let locals = ["192.0.2.5:5060", "198.51.100.5:5080", "[2001:db8::5]:5060"];
        let mut table = AccessTable::new(locals.map(|local| Local::new(local.parse().unwrap())).to_vec());
        let second = table.add(Access { local: 1, ..Access::default() });
        assert_eq!(second, table.of_local(1), "what is the same has one name");
        let proxied = Access { local: 1, route: Some("<sip:proxy.example;lr>".into()), ..Access::default() };
        let proxied = table.add(proxied);
        let v4 = Target::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        let v6 = Target::new(Transport::Tls, "[2001:db8::1]:5061".parse().unwrap());
        let table_of_cases = [
            (v4, "192.0.2.5:5060"),
            (Target { access: second, ..v4 }, "198.51.100.5:5080"),
            (Target { access: proxied, transport: Transport::Tls, ..v4 }, "198.51.100.5:5081"),
            (v6, "[2001:db8::5]:5061"),
            (Target { access: second, ..v6 }, "[2001:db8::5]:5061"),
        ];
        for (target, expected) in table_of_cases {
            assert_eq!(table.sent_by(target).to_string(), expected, "{target:?}");
        }
    }

    #[test]
    fn a_wildcard_listener_is_to_each_peer_the_address_that_leads_to_it() {
        let wildcard = |text: &str| Local { is_wildcard: true, ..Local::new(text.parse().unwrap()) };
        let named = Local::new("192.0.2.5:5070".parse().unwrap());
        let mut table = AccessTable::new(vec![wildcard("127.0.0.1:5060"), wildcard("[::1]:5060"), named]);
        let by_name = table.add(Access { local: 2, ..Access::default() });
        let towards =
            |peer: &str, local: &str| Towards { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        table.handle_towards(&[
            towards("127.0.0.9", "127.0.0.1"),
            towards("198.51.100.9", "198.51.100.5"),
            towards("2001:db8::9", "2001:db8::5"),
        ]);
        let udp = |address: &str| Target::new(Transport::Udp, address.parse().unwrap());
        let cases = [
            (udp("127.0.0.9:5060"), "127.0.0.1:5060"),
            (udp("198.51.100.9:5060"), "198.51.100.5:5060"),
            (Target { transport: Transport::Tls, ..udp("198.51.100.9:5061") }, "198.51.100.5:5061"),
            (Target { access: by_name, ..udp("198.51.100.9:5060") }, "192.0.2.5:5070"),
            (udp("[2001:db8::9]:5060"), "[2001:db8::5]:5060"),
            (udp("203.0.113.9:5060"), "127.0.0.1:5060"),
        ];
        for (target, expected) in cases {
            assert_eq!(table.sent_by(target).to_string(), expected, "{target:?}");
        }
        table.handle_towards(&[towards("198.51.100.9", "203.0.113.5")]);
        assert_eq!(table.sent_by(cases[1].0).to_string(), "203.0.113.5:5060", "the route has changed");
    }
}
