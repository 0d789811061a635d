//! Which records come first: services of NAPTR records (RFC 3263 section 4.1, RFC 3403 section 4.1), servers of SRV
//! records (RFC 2782, "Usage rules").

use super::super::target::Transport;
use super::record::{Data, Record, normal};
use crate::rng::Rng;

/// Services of one domain that are looked at.
const SERVICES_MAX: usize = 8;

/// Servers of one service that are looked at.
const SERVERS_MAX: usize = 16;

/// A way to speak SIP that a domain offers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Service {
    /// Lower ones must be tried first.
    pub order: u16,
    /// Lower ones are better liked by the domain.
    pub preference: u16,
    /// How it is spoken.
    pub transport: Transport,
    /// Whose SRV records to ask for.
    pub name: String,
}

/// A server of a service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Server {
    /// Lower ones must be tried first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name.
    pub name: String,
}

/// The transport of a service's word.
pub fn transport_of(services: &str) -> Option<Transport> {
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)]
        .into_iter()
        .find(|(word, _)| services.eq_ignore_ascii_case(word))
        .map(|(_, transport)| transport)
}

/// The name under which SRV records of a transport stand (RFC 3263 section 4.2).
pub fn srv_name(transport: Transport, domain: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    format!("{prefix}.{domain}")
}

/// The services that we speak, in the domain's order. A domain that puts TLS first is reached by nothing less: whoever can
/// break a TLS connection, or show a wrong certificate, would have its calls in clear. Else what has a higher ORDER is kept
/// for the time when nothing of a lower one can be reached, though RFC 3403, section 4.1 does not consider it: a call over UDP
/// is better than none. A `sips` destination takes TLS only.
pub fn services(records: &[Record], supported: &[Transport], secure: bool) -> Vec<Service> {
    let mut services: Vec<Service> =
        records.iter().filter_map(|record| service(&record.data, supported, secure)).collect();
    services.sort();
    services.dedup();
    if services.first().is_some_and(|first| first.transport == Transport::Tls) {
        services.retain(|service| service.transport == Transport::Tls);
    }
    services.truncate(SERVICES_MAX);
    services
}

fn service(data: &Data, supported: &[Transport], secure: bool) -> Option<Service> {
    let Data::Naptr { order, preference, flags, services, replacement } = data else { return None };
    let transport = transport_of(services)?;
    // Other flags lead to addresses or to further NAPTR records, which SIP does not use.
    let is_meant = flags.eq_ignore_ascii_case("s")
        && supported.contains(&transport)
        && (!secure || transport == Transport::Tls);
    let name = normal(replacement)?;
    is_meant.then_some(Service { order: *order, preference: *preference, transport, name })
}

/// The servers of a service, by priority, and by their names where priorities are equal: the order that does not change
/// from one answer to the next. A service whose only server is `.` is decidedly not there: none are left.
pub fn servers(records: &[Record]) -> Vec<Server> {
    let mut servers: Vec<Server> = records.iter().filter_map(|record| server(&record.data)).collect();
    servers.sort();
    servers.dedup();
    servers.truncate(SERVERS_MAX);
    servers
}

fn server(data: &Data) -> Option<Server> {
    let Data::Srv { priority, weight, port, target } = data else { return None };
    let name = normal(target)?;
    (*port != 0).then_some(Server { priority: *priority, weight: *weight, port: *port, name })
}

/// The order among servers of one priority (RFC 2782): each next one is drawn from the rest, with a chance in proportion
/// to its weight; those of weight 0 stand first in the draw and so have a small one.
pub fn draw(mut equals: Vec<Server>, rng: &mut Rng) -> Vec<Server> {
    let mut drawn = Vec::with_capacity(equals.len());
    equals.sort_by_key(|server| server.weight > 0);
    while !equals.is_empty() {
        let total: u64 = equals.iter().map(|server| u64::from(server.weight)).sum();
        let number = rng.below(total + 1);
        let mut sum = 0;
        let place = equals.iter().position(|server| {
            sum += u64::from(server.weight);
            sum >= number
        });
        drawn.push(equals.remove(place.expect("the sum of all is the largest number drawn")));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn record(data: Data) -> Record {
        Record { ttl: Duration::from_secs(60), data }
    }

    fn naptr(order: u16, preference: u16, flags: &str, services: &str) -> Record {
        record(Data::Naptr {
            order,
            preference,
            flags: flags.into(),
            services: services.into(),
            replacement: format!("_{order}.{preference}.example."),
        })
    }

    #[test]
    fn naptr_records_come_by_order_then_preference_and_unsupported_services_are_left_out() {
        let records = [
            naptr(20, 1, "s", "SIP+D2U"),
            naptr(10, 60, "S", "SIPS+D2T"),
            naptr(10, 50, "s", "sip+d2t"),
            naptr(5, 1, "s", "SIP+D2S"),
            naptr(5, 1, "u", "E2U+sip"),
            naptr(5, 1, "a", "SIP+D2U"),
        ];
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let transports = |supported: &[Transport], secure| -> Vec<Transport> {
            services(&records, supported, secure).iter().map(|service| service.transport).collect()
        };
        assert_eq!(transports(&all, false), [Transport::Tcp, Transport::Tls, Transport::Udp]);
        assert_eq!(transports(&all[..1], false), [Transport::Udp]);
        assert_eq!(transports(&all, true), [Transport::Tls], "nothing less than TLS for sips");
    }

    #[test]
    fn servers_of_one_priority_share_by_weight_and_weight_0_gets_a_little() {
        let server = |name: &str, weight| Server { priority: 1, weight, port: 5060, name: name.into() };
        let mut rng = Rng::from_seed(5);
        let mut first = std::collections::BTreeMap::new();
        for _ in 0..8_000 {
            let drawn = draw(vec![server("heavy", 60), server("none", 0), server("light", 20)], &mut rng);
            assert_eq!(drawn.len(), 3);
            *first.entry(drawn[0].name.clone()).or_insert(0) += 1;
        }
        // 1 of 81, 60 of 81 and 20 of 81.
        assert!((50..160).contains(&first["none"]), "{first:?}");
        assert!((5_700..6_150).contains(&first["heavy"]), "{first:?}");
        assert!((1_800..2_150).contains(&first["light"]), "{first:?}");
    }

    #[test]
    fn a_target_of_a_dot_is_no_server_and_a_flood_of_servers_is_cut() {
        let srv =
            |target: &str, port| record(Data::Srv { priority: 1, weight: 1, port, target: target.into() });
        assert_eq!(servers(&[srv(".", 5060), srv("a.example", 0)]), []);
        let flood: Vec<Record> = (0..1_000).map(|n| srv(&format!("s{n}.example"), 5060)).collect();
        assert_eq!(servers(&flood).len(), SERVERS_MAX);
    }
}
