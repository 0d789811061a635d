//! From the configuration to the way to each trunk: listeners, what they are known as outside, the one that each trunk sees,
//! outbound proxies, certificates.

use crate::engine::engine::TrunkSetup;
use crate::engine::trunk;
use crate::io::address::LookUp;
use crate::io::config::{Config, Fault};
use crate::io::resolver::Located;
use crate::io::sockets::{Listener, Sockets};
use crate::io::tls::{self, Files, Tls};
use crate::io::{address, launch};
use crate::sip::endpoint::{Access, AccessTable, Local, Target, Transport};
use crate::sip::locate::Destination;
use crate::sip::locate::destination::Host;
use crate::sip::uri::without_port;
use std::net::{IpAddr, SocketAddr};

/// SIP's side of the machine, ready to be used.
#[derive(Debug)]
pub struct Prepared {
    /// The sockets.
    pub sockets: Sockets,
    /// The ways that they know, for the endpoint.
    pub table: AccessTable,
    /// What their connections are secured with.
    pub tls: Tls,
}

/// Binds the listeners, reads the certificates, and tells each trunk by which way it is reached. `located` is what the DNS
/// has said of the trunks.
pub fn prepare(
    config: &Config,
    trunks: &mut [TrunkSetup],
    located: &[Located],
) -> Result<Prepared, Vec<Fault>> {
    prepare_by(config, trunks, located, address::local_towards)
}

fn prepare_by(
    config: &Config,
    trunks: &mut [TrunkSetup],
    located: &[Located],
    look_up: LookUp,
) -> Result<Prepared, Vec<Fault>> {
    let listeners = bind(config)?;
    let bound: Vec<SocketAddr> = addresses(&listeners)?;
    let locals = locals(config, &listeners, &bound, trunks, look_up)?;
    let mut table = AccessTable::new(locals);
    let hops = located.iter().flat_map(|located| &located.hops).map(|hop| hop.address);
    let peers = trunks.iter().map(|trunk| trunk.target.address).chain(hops).map(|address| address.ip());
    let further = trunks.iter().flat_map(|trunk| trunk.options.peers());
    table.handle_towards(&address::towards(peers.chain(further), look_up));
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for (i, trunk) in trunks.iter_mut().enumerate() {
        match access(config, trunk, &bound, look_up) {
            Ok(access) => trunk.target.access = table.add(access),
            Err((key, text)) => faults.push(Fault { line: config.line(&format!("trunk.{i}.{key}")), text }),
        }
        let of_trunk = files_of(config, &trunk.options);
        // Whom to trust must be known where TLS is asked for; where the DNS may only lead to it, it is known or not.
        let knows_whom = || of_trunk.ca_file.is_some() || tls::system_has_authorities();
        let is_asked_for = trunk.target.transport == Transport::Tls || trunk.options.is_secured();
        if is_asked_for || (may_be_secured(trunk) && knows_whom()) {
            files.push((trunk.target.access, of_trunk));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let tls = Tls::load(tls_settings(config, trunks, files)).map_err(|fault| vec![placed(config, fault)])?;
    let sockets = Sockets::new(listeners, table.clone(), tls.clone());
    Ok(Prepared { sockets, table, tls })
}

fn whole(text: String) -> Vec<Fault> {
    vec![Fault { line: 0, text }]
}

fn bind(config: &Config) -> Result<Vec<Listener>, Vec<Fault>> {
    let mut listeners = Vec::new();
    for address in config.sip.listen.iter() {
        match Listener::bind(*address, config.sip.tls_port) {
            Ok(listener) => listeners.push(listener),
            Err((what, address, error)) => {
                let setting = if what == "TLS" { "sip.tls_port" } else { "sip.listen" };
                let remedy = if error.kind() == std::io::ErrorKind::AddrInUse {
                    "another program has it: stop that one or choose another port"
                } else {
                    "choose an address of this machine"
                };
                let text = format!("cannot listen on {what} {address}: {error}; {remedy}");
                return Err(vec![Fault { line: config.line(setting), text }]);
            }
        }
    }
    Ok(listeners)
}

fn addresses(listeners: &[Listener]) -> Result<Vec<SocketAddr>, Vec<Fault>> {
    listeners
        .iter()
        .map(Listener::address)
        .collect::<Result<_, _>>()
        .map_err(|error| whole(error.to_string()))
}

/// What each listener is known as.
fn locals(
    config: &Config,
    listeners: &[Listener],
    bound: &[SocketAddr],
    trunks: &[TrunkSetup],
    look_up: LookUp,
) -> Result<Vec<Local>, Vec<Fault>> {
    let mut locals = Vec::new();
    for (place, (listener, bound)) in listeners.iter().zip(bound).enumerate() {
        let advertised = config.sip.advertised(place);
        let address = match advertised {
            Some(address) => address,
            None => {
                let towards = launch::towards(trunks, bound.is_ipv4());
                let ip = concrete(bound.ip(), towards, look_up).map_err(at_line(config, "sip.listen"))?;
                SocketAddr::new(ip, bound.port())
            }
        };
        let tls_port = listener.tls_address().map_or(Transport::Tls.port(), |tls| tls.port());
        let tls_address = SocketAddr::new(address.ip(), tls_port);
        let is_wildcard = bound.ip().is_unspecified() && advertised.is_none();
        locals.push(Local { address, tls_address, is_advertised: advertised.is_some(), is_wildcard });
    }
    Ok(locals)
}

/// An address for others to send to: not the wildcard, which means nothing to them.
pub fn concrete(ip: IpAddr, towards: Option<SocketAddr>, look_up: LookUp) -> Result<IpAddr, String> {
    match towards {
        Some(peer) if ip.is_unspecified() => look_up(peer).map_err(|error| {
            format!("cannot tell which address {peer} reaches us at ({error}): set advertise")
        }),
        _ => Ok(ip),
    }
}

/// A fault of the setting `key`.
pub fn at_line<'c>(config: &'c Config, key: &'c str) -> impl FnOnce(String) -> Vec<Fault> + 'c {
    move |text| vec![Fault { line: config.line(key), text }]
}

fn access(
    config: &Config,
    trunk: &TrunkSetup,
    bound: &[SocketAddr],
    look_up: LookUp,
) -> Result<Access, (&'static str, String)> {
    let options = &trunk.options;
    let local = match options.from {
        Some(from) => {
            let place = bound.iter().zip(config.sip.listen.iter());
            let is_it =
                |(bound, listen): (&SocketAddr, &SocketAddr)| bound.ip() == from || listen.ip() == from;
            let missing = || ("from", format!("{from} is not among the addresses of listen in [sip]"));
            place.map(is_it).position(|is_it| is_it).ok_or_else(missing)?
        }
        // A name that the DNS has not answered for yet: by the address family once it has.
        None if trunk.target.address.ip().is_unspecified() => 0,
        None => nearest(trunk.target, bound, look_up).ok_or_else(|| {
            let family = if trunk.target.address.is_ipv6() { "IPv6" } else { "IPv4" };
            ("host", format!("it is reached over {family}: add an address of {family} to listen in [sip]"))
        })?,
    };
    let domain = match may_be_secured(trunk) {
        true => without_port(options.domain()).to_owned(),
        false => String::new(),
    };
    let route = options.outbound_proxy.as_ref().map(|proxy| format!("<{proxy}>"));
    Ok(Access { local, domain, route, is_sips: options.sips })
}

/// Whether requests to the trunk may go over TLS: by its setting, or because the DNS may say so, now or later (RFC 3263
/// section 4.1).
fn may_be_secured(trunk: &TrunkSetup) -> bool {
    let may_be = |destination: &Destination| {
        let left_to_dns = destination.transport.is_none() && destination.port.is_none();
        destination.secure || (left_to_dns && matches!(destination.host, Host::Name(_)))
    };
    let destination = trunk.options.destination();
    trunk.target.transport == Transport::Tls || destination.as_ref().is_some_and(may_be)
}

/// The listener that the routing table would send from, or the first of the peer's family.
fn nearest(target: Target, bound: &[SocketAddr], look_up: LookUp) -> Option<usize> {
    let fits = |bound: &SocketAddr| bound.is_ipv4() == target.address.is_ipv4();
    let ours = look_up(target.address).ok();
    let exact = bound.iter().position(|bound| fits(bound) && Some(bound.ip()) == ours);
    exact.or_else(|| bound.iter().position(fits))
}

fn files_of(config: &Config, options: &trunk::Options) -> Files {
    let sip = &config.sip;
    let own = options.certificate_file.is_some() || options.key_file.is_some();
    Files {
        ca_file: options.ca_file.clone().or_else(|| sip.ca_file.clone()),
        certificate_file: if own { options.certificate_file.clone() } else { sip.certificate_file.clone() },
        key_file: if own { options.key_file.clone() } else { sip.key_file.clone() },
    }
}

fn tls_settings(
    config: &Config,
    trunks: &[TrunkSetup],
    files: Vec<(crate::sip::endpoint::AccessId, Files)>,
) -> tls::Settings {
    let sip = &config.sip;
    let server = sip.tls_port.map(|_| Files {
        ca_file: sip.ca_file.clone(),
        certificate_file: sip.certificate_file.clone(),
        key_file: sip.key_file.clone(),
    });
    let domains = trunks.iter().filter(|trunk| may_be_secured(trunk));
    tls::Settings {
        server,
        require_client_certificate: sip.require_client_certificate,
        domains: domains.map(|trunk| without_port(trunk.options.domain()).to_owned()).collect(),
        trunks: files,
    }
}

/// A fault of a file, on the line that names it: that of the trunk or, without one, of `[sip]`.
fn placed(config: &Config, fault: tls::Fault) -> Fault {
    let of_trunks = (0..config.trunks.len()).filter(|i| {
        let options = &config.trunks[*i];
        let file = match fault.setting {
            "ca_file" => &options.ca_file,
            "key_file" => &options.key_file,
            _ => &options.certificate_file,
        };
        file.as_ref().is_some_and(|file| fault.text.contains(&*file.to_string_lossy()))
    });
    let of_trunk = of_trunks.map(|i| format!("trunk.{i}.{}", fault.setting)).find(|key| config.line(key) > 0);
    let key = of_trunk.unwrap_or_else(|| format!("sip.{}", fault.setting));
    Fault { line: config.line(&key), text: fault.text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::launch::trunk_setups;
    use std::path::Path;

    const TRIES: usize = 50;

    fn prepared(text: &str) -> Result<(Vec<TrunkSetup>, Prepared), Vec<Fault>> {
        prepared_by(text, address::local_towards)
    }

    fn prepared_by(text: &str, look_up: LookUp) -> Result<(Vec<TrunkSetup>, Prepared), Vec<Fault>> {
        let config = Config::parse(Path::new("/etc/outdial/outdial.toml"), text)?;
        let mut trunks = trunk_setups(&config)?;
        let prepared = prepare_by(&config, &mut trunks, &[], look_up)?;
        Ok((trunks, prepared))
    }

    #[tokio::test]
    async fn each_trunk_sees_the_listener_that_from_the_routing_or_its_family_names() {
        if std::net::UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("not run: this machine has no IPv6");
            return;
        }
        let text = r#"
[sip]
listen = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"]
advertise = "[2001:db8::5]:5060"
[[trunk]]
name = "plain"
host = "127.0.0.9"
[[trunk]]
name = "pinned"
host = "127.0.0.9"
from = "127.0.0.2"
[[trunk]]
name = "six"
host = "[::1]:5080"
[[trunk]]
name = "proxied"
host = "pbx.example"
outbound_proxy = "sip:127.0.0.8:5070;lr"
"#;
        let (trunks, prepared) = prepared(text).unwrap();
        let seen: Vec<_> =
            trunks.iter().map(|trunk| prepared.table.sent_by(trunk.target).ip().to_string()).collect();
        assert_eq!(seen, ["127.0.0.1", "127.0.0.2", "2001:db8::5", "127.0.0.1"]);
        let proxied = &trunks[3];
        assert_eq!(proxied.target.address.to_string(), "127.0.0.8:5070");
        let route = prepared.table.get(proxied.target.access).route.as_deref();
        assert_eq!(route, Some("<sip:127.0.0.8:5070;lr>"));
    }

    /// A machine with a loopback, a network of its own, and the rest of the world; IPv6 is but loopback.
    fn look_up(peer: SocketAddr) -> std::io::Result<IpAddr> {
        let text = match peer.ip() {
            ip if ip.is_loopback() => return Ok(if ip.is_ipv4() { [127, 0, 0, 1].into() } else { ip }),
            IpAddr::V4(ip) if ip.octets()[0] == 10 => "10.0.0.5",
            IpAddr::V4(_) => "198.51.100.5",
            IpAddr::V6(_) => return Err(std::io::ErrorKind::NetworkUnreachable.into()),
        };
        Ok(text.parse().unwrap())
    }

    #[tokio::test]
    async fn behind_a_wildcard_each_trunk_sees_the_address_that_leads_to_it_and_not_to_the_first_one() {
        let trunks = r#"
[[trunk]]
name = "pbx"
host = "127.0.0.9"
[[trunk]]
name = "carrier"
host = "203.0.113.9"
[[trunk]]
name = "own-network"
host = "10.0.0.9"
"#;
        let seen = |sip: &str| {
            let text = format!("[sip]\n{sip}{trunks}");
            // The port that is free for datagrams may be another test's for TCP, at one of the addresses.
            let mut tries = (0..TRIES).map(|_| prepared_by(&text, look_up));
            let (trunks, prepared) = tries.find(Result::is_ok).expect("some port is free").unwrap();
            let seen_by = |trunk: &TrunkSetup| prepared.table.sent_by(trunk.target).ip().to_string();
            trunks.iter().map(seen_by).collect::<Vec<_>>()
        };
        assert_eq!(seen("listen = \"0.0.0.0:0\""), ["127.0.0.1", "198.51.100.5", "10.0.0.5"]);
        assert_eq!(seen("listen = \"127.0.0.1:0\""), ["127.0.0.1"; 3]);
        let advertised = "listen = \"0.0.0.0:0\"\nadvertise = \"192.0.2.7:5060\"";
        assert_eq!(seen(advertised), ["192.0.2.7"; 3]);
    }

    #[tokio::test]
    async fn a_trunk_that_the_dns_may_lead_to_tls_has_a_domain_before_it_does() {
        let text = r#"
[sip]
listen = "127.0.0.1:0"
[[trunk]]
name = "by-naptr"
host = "pbx.example"
[[trunk]]
name = "named"
host = "gw.pbx.example"
domain = "pbx.example"
[[trunk]]
name = "with-port"
host = "pbx.example:5060"
[[trunk]]
name = "plain"
host = "pbx.example"
transport = "tcp"
[[trunk]]
name = "secured"
host = "pbx.example:5061"
transport = "tls"
"#;
        // Nothing was asked of the DNS yet: each target is that of the setting.
        let (trunks, prepared) = prepared(text).unwrap();
        let domains: Vec<&str> =
            trunks.iter().map(|trunk| prepared.table.get(trunk.target.access).domain.as_str()).collect();
        assert_eq!(domains, ["pbx.example", "pbx.example", "", "", "pbx.example"]);
    }

    #[tokio::test]
    async fn a_trunk_that_no_listener_reaches_and_a_faulty_certificate_are_named_with_their_lines() {
        let four = "[sip]\nlisten = \"127.0.0.1:0\"\n[[trunk]]\nname = \"a\"\n";
        let table = [
            (format!("{four}host = \"[::1]\""), 5, "IPv6"),
            (format!("{four}from = \"127.0.0.7\"\nhost = \"127.0.0.9\""), 5, "127.0.0.7"),
            (
                format!("{four}transport = \"tls\"\nca_file = \"none.pem\"\nhost = \"127.0.0.9\""),
                6,
                "none.pem",
            ),
            (format!("{four}sips = true\nhost = \"127.0.0.9\""), 5, "tls"),
            (format!("{four}outbound_proxy = \"sip:127.0.0.8\"\nhost = \"127.0.0.9\""), 5, "lr"),
            // It must be known whom to trust, as with transport = "tls".
            (
                format!(
                    "{four}outbound_proxy = \"sips:127.0.0.8;lr\"\nca_file = \"none.pem\"\nhost = \"127.0.0.9\""
                ),
                6,
                "none.pem",
            ),
        ];
        for (text, line, word) in table {
            let faults = prepared(&text).map(|_| ()).expect_err(word);
            assert!(faults.iter().any(|f| f.line == line && f.text.contains(word)), "{text}\n{faults:?}");
        }
    }
}
