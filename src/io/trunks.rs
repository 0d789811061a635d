//! Whether the trunks can be used as they are configured and located: what hinders the start, and what is only told.

use crate::engine::engine::TrunkSetup;
use crate::io::config::{Config, Fault, MediaSection};
use crate::io::resolver::Located;
use crate::io::tls;
use crate::sip::endpoint::Transport;

/// A trunk that is given by a number, of a family that `[media] listen` has no address of, could take a call but not carry
/// its sound: SDP must name an address of the same family.
pub fn check_media(media: &MediaSection, config: &Config, setups: &[TrunkSetup]) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for setup in setups {
        let number = setup.options.destination().and_then(|destination| destination.address());
        let Some((_, address)) = number else { continue };
        if media.listen_of(address.is_ipv4()).is_none() {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let both = media.listen.iter().map(|ip| format!("{:?}", ip.to_string()));
            let both: Vec<String> =
                both.chain([if address.is_ipv4() { "\"0.0.0.0\"" } else { "\"::\"" }.to_owned()]).collect();
            let text = format!(
                "trunk {} is reached over {family}, and listen in [media] has no address of {family}: calls would have no \
                 sound; set listen = [{}] in [media]",
                setup.options.name,
                both.join(", ")
            );
            // At a reload some of the file's trunks are left out of the setups.
            let place = config.trunks.iter().position(|trunk| trunk.name == setup.options.name).unwrap_or(0);
            faults.push(Fault { line: config.line(&format!("trunk.{place}.host")), text });
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Why a name may have no address although the DNS has some: those that `[sip] listen` reaches and `[media] listen` does not
/// are not asked for.
pub fn lacking_family(config: &Config) -> &'static str {
    let lacks = |is_ipv4: bool| {
        config.sip.listen.iter().any(|listen| listen.is_ipv4() == is_ipv4)
            && config.media.listen_of(is_ipv4).is_none()
    };
    match (lacks(true), lacks(false)) {
        (true, _) => " (IPv4 is not asked for: listen in [media] has no address of it)",
        (false, true) => " (IPv6 is not asked for: listen in [media] has no address of it)",
        (false, false) => "",
    }
}

/// The trunks over TLS that could not connect to us: Via and Contact name the port of TLS (RFC 3261 section 19.1.2), where
/// nobody listens. Calls go all the same, over the connections that we make. `located` may be of nobody.
pub fn secured_unheard(config: &Config, setups: &[TrunkSetup], located: &[Located]) -> Vec<String> {
    if config.sip.tls_port.is_some() {
        return Vec::new();
    }
    let leads_there = |located: &Located| located.hops.iter().any(|hop| hop.transport == Transport::Tls);
    let is_secured = |(i, setup): &(usize, &TrunkSetup)| {
        setup.options.is_secured() || located.get(*i).is_some_and(leads_there)
    };
    let secured = setups.iter().enumerate().filter(is_secured);
    let warning = |(_, setup): (usize, &TrunkSetup)| {
        format!(
            "trunk {} is reached over TLS, and nobody listens at port 5061, which Via and Contact name: a BYE of its that comes \
             over a new connection is refused; set tls_port = 5061 in [sip], with certificate_file and key_file",
            setup.options.name
        )
    };
    secured.map(warning).collect()
}

/// The trunks that the DNS leads to over TLS while nobody is known who may sign their certificates: all of their calls fail,
/// as what is to be reached over TLS is never reached in clear. Where TLS is asked for in the file, that is a fault of the file.
pub fn unverifiable(config: &Config, setups: &[TrunkSetup], located: &[Located]) -> Vec<String> {
    let over_tls = |located: &Located| located.hops.iter().any(|hop| hop.transport == Transport::Tls);
    let is_unverifiable = |(setup, located): &(&TrunkSetup, &Located)| {
        over_tls(located) && !setup.options.is_secured() && setup.options.ca_file.is_none()
    };
    let found: Vec<_> = setups.iter().zip(located).filter(is_unverifiable).collect();
    if found.is_empty() || config.sip.ca_file.is_some() || tls::system_has_authorities() {
        return Vec::new();
    }
    let warning = |(setup, _): (&TrunkSetup, &Located)| {
        format!(
            "trunk {} is reached over TLS, as its DNS says, and this system knows no authority that may sign its certificate: its \
             calls fail; set ca_file in [sip], or transport = \"udp\" in its [[trunk]]",
            setup.options.name
        )
    };
    found.into_iter().map(warning).collect()
}

/// A name of which the DNS says that it leads nowhere is a fault where no other trunk has an address: else the calls that
/// the others could carry are worth more. It is asked for again, as one that could not be asked for is.
pub fn check_located(
    config: &Config,
    located: &[Located],
    warnings: &mut Vec<String>,
) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let any = located.iter().any(|located| !located.hops.is_empty());
    for (i, (options, located)) in config.trunks.iter().zip(located).enumerate() {
        match (&located.trouble, located.lack) {
            _ if !located.hops.is_empty() => {}
            (None, Some(lack)) if any => warnings.push(format!(
                "trunk {} has no address: {lack}{}; it takes no calls until {:?} has one, and is asked for again: correct its \
                 host or take it out",
                options.name,
                lacking_family(config),
                options.host
            )),
            (None, Some(lack)) => {
                let text = format!("cannot resolve {:?}: {lack}{}", options.host, lacking_family(config));
                faults.push(Fault { line: config.line(&format!("trunk.{i}.host")), text });
            }
            (trouble, _) => {
                let trouble = trouble.as_deref().unwrap_or("the DNS has not answered for it");
                warnings
                    .push(format!("trunk {} has no address yet: {trouble}; it is asked again", options.name));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::launch::trunk_setups;
    use crate::sip::locate::{Hop, Lack};
    use std::path::Path;

    #[test]
    fn a_name_that_is_nowhere_keeps_no_other_trunk_from_its_calls() {
        let config = config("", &["gone.example", "192.0.2.7"]);
        let mut notes = Vec::new();
        assert_eq!(check_located(&config, &[nowhere(), at("192.0.2.7:5060")], &mut notes), Ok(()));
        assert!(notes[0].contains("trunk t0 has no address") && notes[0].contains("host"), "{notes:?}");
        assert!(!notes[0].contains("not asked for"), "nobody wants IPv6 here: {notes:?}");

        let mut notes = Vec::new();
        let faults = check_located(&config, &[nowhere(), nowhere()], &mut notes).unwrap_err();
        assert_eq!(faults.len(), 2, "nobody could be called: {faults:?}");
        assert!(
            faults[0].line > 0 && faults[0].text.contains("cannot resolve \"gone.example\""),
            "{faults:?}"
        );
    }

    #[test]
    fn a_trunk_of_a_family_that_media_lacks_is_refused_with_its_remedy() {
        let sip = "[sip]\nlisten = [\"0.0.0.0:5060\", \"[::]:5060\"]\n[media]\nlisten = ";
        let hosts = ["192.0.2.7", "[2001:db8::7]:5070", "gw.example"];
        for (listen, named, remedy) in [
            ("\"0.0.0.0\"", Some("trunk t1 "), "listen = [\"0.0.0.0\", \"::\"]"),
            ("\"2001:db8::1\"", Some("trunk t0 "), "listen = [\"2001:db8::1\", \"0.0.0.0\"]"),
            ("[\"0.0.0.0\", \"::\"]", None, ""),
        ] {
            let config = config(&format!("{sip}{listen}"), &hosts);
            let checked = check_media(&config.media, &config, &trunk_setups(&config).unwrap());
            let faults = checked.err().unwrap_or_default();
            assert_eq!(faults.len(), usize::from(named.is_some()), "{listen}: {faults:?}");
            for fault in faults {
                assert!(fault.line > 0 && fault.text.starts_with(named.unwrap()), "{fault}");
                assert!(fault.text.contains(remedy), "{fault}");
            }
            assert_eq!(lacking_family(&config).is_empty(), named.is_none());
        }
    }

    #[test]
    fn a_trunk_over_tls_that_cannot_connect_to_us_is_told_of() {
        let tls_port = "[sip]\ntls_port = 5061\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"";
        for (sections, told) in [("", true), (tls_port, false)] {
            let config = config(sections, &["192.0.2.7", "192.0.2.8\"\ntransport = \"tls", "gw.example"]);
            let mut by_dns = at("192.0.2.9:5061");
            by_dns.hops[0].transport = Transport::Tls;
            let located = [at("192.0.2.7:5060"), at("192.0.2.8:5061"), by_dns];
            let warnings = secured_unheard(&config, &trunk_setups(&config).unwrap(), &located);
            let expected: &[&str] = if told { &["trunk t1 ", "trunk t2 "] } else { &[] };
            assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
            for (warning, trunk) in warnings.iter().zip(expected) {
                assert!(warning.starts_with(trunk) && warning.contains("tls_port = 5061"), "{warning}");
            }
        }
    }

    fn config(sections: &str, hosts: &[&str]) -> Config {
        let trunk = |(place, host)| format!("[[trunk]]\nname = \"t{place}\"\nhost = \"{host}\"\n");
        let trunks: String = hosts.iter().enumerate().map(trunk).collect();
        Config::parse(Path::new("outdial.toml"), &format!("{sections}\n{trunks}")).unwrap()
    }

    fn nowhere() -> Located {
        Located { lack: Some(Lack::NoRecord), ..Located::default() }
    }

    fn at(address: &str) -> Located {
        let (transport, address) = (Transport::Udp, address.parse().unwrap());
        Located { hops: vec![Hop { transport, address, rank: 0, why: String::new() }], ..Located::default() }
    }
}
