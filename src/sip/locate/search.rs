//! From a destination and what the cache knows to an ordered list of hops: RFC 3263 sections 4.1 and 4.2.
//!
//! A search holds no state. It is made again whenever an answer has come, reads as far as the cache knows, and names the
//! questions that it came upon. From a name it goes to a service, from there to a server and to its addresses: three
//! steps, whatever the records say.

use super::super::target::Transport;
use super::cache::{Cache, Lookup};
use super::destination::{Destination, Host};
use super::record::{Data, Failure, Kind, Question};
use super::selection::{self, Server, Service};
use crate::rng::Rng;
use crate::time::Instant;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Hops of one destination.
pub const HOPS_MAX: usize = 16;

/// Servers of one destination whose addresses are asked for.
const SERVERS_MAX: usize = 16;

/// What this machine can speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// In the order of liking, where a domain leaves the choice.
    pub transports: Vec<Transport>,
    /// Whether it has IPv4.
    pub v4: bool,
    /// Whether it has IPv6.
    pub v6: bool,
}

/// A place to send requests to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Those of a lower rank must be tried first; among equals the order of the list is as good as another.
    pub rank: u16,
    /// Which records have led here, for people.
    pub why: String,
}

/// Why there is no hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// The DNS says that there is nothing.
    NoRecord,
    /// Its SRV records say that there is no such service (RFC 2782, a target of `.`), or name nobody who could be a server.
    NoService,
    /// Its SRV records name servers that have no address.
    NoAddress,
    /// The DNS has failed at a question on the way, and nothing is known from before.
    Unanswered,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lack::NoRecord => "the DNS has no address for it",
            Lack::NoService => "its SRV records say that it has no such service",
            Lack::NoAddress => "the servers of its SRV records have no address",
            Lack::Unanswered => "the DNS does not answer for it",
        })
    }
}

/// What a search has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// In the order in which they are to be tried.
    pub hops: Vec<Hop>,
    /// The list is complete as far as the order goes: no service or server is waited for, nor the only address.
    pub settled: bool,
    /// Why it is settled and empty.
    pub lack: Option<Lack>,
    /// The address of a server that comes first is waited for until then; it is to be searched again at that time.
    pub waits_until: Option<Instant>,
    /// It stands on records that are older than they should be.
    pub stale: bool,
    /// Every question that it came upon.
    pub questions: Vec<Question>,
    /// A question that was not answered, and whether old records stand in.
    pub trouble: Option<(Question, Failure, bool)>,
}

/// A service to ask for servers of.
struct Way {
    service: Service,
    /// The words that say why.
    why: String,
    /// Where no service has an SRV record, the domain's own address serves with this one's transport.
    is_fallback: bool,
}

/// What is known of a server's addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Reach {
    /// None, and none is waited for.
    None,
    /// None yet; one may come, and is waited for until then.
    OnItsWay(Instant),
    /// One at least.
    Known,
}

/// One search.
pub struct Search<'s> {
    cache: &'s Cache,
    now: Instant,
    abilities: &'s Abilities,
    found: Found,
    /// A service or a server is waited for.
    pending: bool,
    /// Any answer at all is waited for.
    awaits: bool,
    /// A question has failed, and nothing is known from before.
    failed: bool,
    /// An SRV record says that a service is not there.
    denied: bool,
    servers: usize,
}

impl<'s> Search<'s> {
    /// Searches. `rng` decides among servers of one priority: the same one gives the same order.
    pub fn run(
        destination: &Destination,
        cache: &'s Cache,
        now: Instant,
        abilities: &'s Abilities,
        rng: &mut Rng,
    ) -> Found {
        let found = Found::default();
        let (pending, awaits, failed, denied) = (false, false, false, false);
        let mut search = Search { cache, now, abilities, found, pending, awaits, failed, denied, servers: 0 };
        search.destination(destination, rng);
        let is_empty = search.found.hops.is_empty();
        let is_on_its_way = search.pending || (is_empty && search.awaits);
        search.found.settled = !is_on_its_way;
        search.found.lack = (is_empty && search.found.settled).then(|| search.lack());
        search.found
    }

    fn lack(&self) -> Lack {
        match (self.failed, self.servers, self.denied) {
            (true, _, _) => Lack::Unanswered,
            (false, 1.., _) => Lack::NoAddress,
            (false, 0, true) => Lack::NoService,
            (false, 0, false) => Lack::NoRecord,
        }
    }

    fn destination(&mut self, destination: &Destination, rng: &mut Rng) {
        let name = match (&destination.host, destination.address()) {
            (_, Some((transport, address))) => {
                let why = "as configured".to_owned();
                return self.found.hops.push(Hop { transport, address, rank: 0, why });
            }
            (Host::Name(name), None) => name,
            (Host::Address(_), None) => return,
        };
        if let Some(port) = destination.port {
            self.addresses(name, destination.plain_transport(), port, 0, "");
            return;
        }
        let (mut rank, mut absent) = (0, Vec::new());
        for way in self.ways(destination, name) {
            match self.ask(&way.service.name, Kind::Srv) {
                Some(Lookup::Records { records, .. }) => {
                    let servers = selection::servers(records);
                    self.denied |= servers.is_empty();
                    rank = self.servers(&servers, &way, rank, rng);
                }
                Some(Lookup::Nothing) | None => absent.push(way),
                Some(Lookup::Pending | Lookup::Failed(_)) => {}
            }
        }
        // Only where there are no records, not where nobody says whether there are (RFC 3263 sections 4.1 and 4.2): a domain
        // that is reached by TLS alone would be called in clear whenever its DNS stumbles. A domain that has servers is not
        // to be called elsewhere, and a service that it denies (RFC 2782) not at all.
        if self.servers == 0 && !self.pending && !self.failed {
            for (rank, way) in (0..).zip(absent.iter().filter(|way| way.is_fallback)) {
                let (transport, why) = (way.service.transport, format!("{}no SRV record; ", way.why));
                self.addresses(name, transport, transport.port(), rank, &why);
            }
        }
    }

    /// The ways to ask for servers of, in their order.
    fn ways(&mut self, destination: &Destination, name: &str) -> Vec<Way> {
        let fallback = destination.plain_transport();
        let plain = |transport: Transport| {
            let name = selection::srv_name(transport, name);
            let service = Service { order: 0, preference: 0, transport, name };
            Way { service, why: String::new(), is_fallback: transport == fallback }
        };
        if let Some(transport) = destination.transport {
            return vec![plain(transport)];
        }
        let transports = &self.abilities.transports;
        match self.ask(name, Kind::Naptr) {
            Some(Lookup::Pending | Lookup::Failed(_)) => return Vec::new(),
            Some(Lookup::Records { records, .. }) => {
                let services = selection::services(records, transports, destination.secure);
                if !services.is_empty() {
                    return services.into_iter().map(named).collect();
                }
            }
            Some(Lookup::Nothing) | None => {}
        }
        let fits = |transport: &&Transport| !destination.secure || **transport == Transport::Tls;
        transports.iter().filter(fits).map(|transport| plain(*transport)).collect()
    }

    /// Adds the hops of a service's servers; gives the next free rank. While nobody of a priority has an address and one is
    /// still on its way, the lower ones are not to be called in its place (RFC 2782).
    fn servers(&mut self, servers: &[Server], way: &Way, mut rank: u16, rng: &mut Rng) -> u16 {
        for equals in servers.chunk_by(|one, next| one.priority == next.priority) {
            let mut reaches = Vec::with_capacity(equals.len());
            for server in selection::draw(equals.to_vec(), rng) {
                if self.servers == SERVERS_MAX {
                    return rank;
                }
                self.servers += 1;
                let Server { priority, weight, port, name } = &server;
                let why = format!("{}SRV {priority} {weight} {name}:{port}; ", way.why);
                reaches.push(self.addresses(name, way.service.transport, *port, rank, &why));
            }
            if let Some(Reach::OnItsWay(until)) = reaches.into_iter().max() {
                self.pending = true;
                self.found.waits_until = self.found.waits_until.max(Some(until));
            }
            rank = rank.saturating_add(1);
        }
        rank
    }

    /// Adds a server's hops: both families, IPv6 first in each pair (RFC 6724 section 2.1).
    fn addresses(&mut self, name: &str, transport: Transport, port: u16, rank: u16, why: &str) -> Reach {
        let (mut v6, mut v4, mut reach) = (Vec::new(), Vec::new(), Reach::None);
        let waited = self.pending;
        for (kind, able, ips) in
            [(Kind::Aaaa, self.abilities.v6, &mut v6), (Kind::A, self.abilities.v4, &mut v4)]
        {
            if !able {
                continue;
            }
            let lookup = self.ask(name, kind);
            if lookup == Some(Lookup::Pending) {
                reach = reach.max(self.patience(name, kind));
            }
            if let Some(Lookup::Records { records, stale, left }) = lookup {
                self.found.stale |= stale;
                let age = if stale { "; DNS is down, last known".to_owned() } else { life(left) };
                let ip = |data: &Data| match data {
                    Data::A(ip) => Some(IpAddr::V4(*ip)),
                    Data::Aaaa(ip) => Some(IpAddr::V6(*ip)),
                    Data::Naptr { .. } | Data::Srv { .. } => None,
                };
                let usable = records.iter().filter_map(|record| ip(&record.data)).filter(is_somebody);
                ips.extend(usable.map(|ip| (ip, format!("{why}{kind} of {name}{age}"))));
            }
        }
        // An address that is still to come changes nothing about the order of servers.
        self.pending = waited;
        let pairs = v6.len().max(v4.len());
        let reach = if pairs > 0 { Reach::Known } else { reach };
        let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
        for (ip, why) in (0..pairs).flat_map(|_| [v6.next(), v4.next()]).flatten() {
            let address = SocketAddr::new(ip, port);
            let known = |hop: &Hop| (hop.transport, hop.address) == (transport, address);
            if self.found.hops.len() < HOPS_MAX && !self.found.hops.iter().any(known) {
                self.found.hops.push(Hop { transport, address, rank, why });
            }
        }
        reach
    }

    fn patience(&self, name: &str, kind: Kind) -> Reach {
        let until = Question::new(name, kind).and_then(|question| self.cache.patience(self.now, &question));
        until.map_or(Reach::None, Reach::OnItsWay)
    }

    fn ask(&mut self, name: &str, kind: Kind) -> Option<Lookup<'s>> {
        let question = Question::new(name, kind)?;
        let lookup = self.cache.get(self.now, &question);
        self.pending |= lookup == Lookup::Pending;
        self.awaits |= lookup == Lookup::Pending;
        self.failed |= matches!(lookup, Lookup::Failed(_));
        if let Some(failure) = self.cache.failure(&question) {
            let stale = matches!(lookup, Lookup::Records { .. } | Lookup::Nothing);
            self.found.trouble.get_or_insert((question.clone(), failure, stale));
        }
        self.found.questions.push(question);
        Some(lookup)
    }
}

/// A service that NAPTR records name: where it has no SRV record its transport stays chosen (RFC 3263 section 4.2).
fn named(service: Service) -> Way {
    let why = format!("NAPTR {} {} {}; ", service.order, service.preference, service.name);
    Way { service, why, is_fallback: true }
}

fn life(left: std::time::Duration) -> String {
    format!(", good for {} s", left.as_secs_f64().round())
}

/// Whether an address can be that of a server: any, multicast, broadcast and link-local ones without a link are nobody's.
fn is_somebody(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[0] != 0 && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let is_link_local = ip.segments()[0] & 0xffc0 == 0xfe80;
            *ip != Ipv6Addr::UNSPECIFIED
                && !ip.is_multicast()
                && !is_link_local
                && ip.to_ipv4_mapped().is_none()
        }
    }
}
