//! `[media]`.

use super::OneOrMany;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};

/// `[media]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSection {
    /// Address of the RTP sockets, or one of each family.
    pub listen: OneOrMany<IpAddr>,
    /// What SDP says, where NAT hides `listen`; or one of each family.
    pub advertise: OneOrMany<IpAddr>,
    /// First port.
    pub port_min: u16,
    /// Last port.
    pub port_max: u16,
    /// Worker threads.
    pub threads: usize,
    /// Playout delay.
    pub jitter_ms: u32,
    /// Whether it follows the network on agents' legs.
    pub jitter: JitterOption,
    /// Its lower bound then.
    pub jitter_min_ms: u32,
    /// Its upper bound then.
    pub jitter_max_ms: u32,
    /// A call without any packet for this long is ended.
    pub timeout_s: u64,
}

impl Default for MediaSection {
    fn default() -> Self {
        MediaSection {
            listen: IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
            advertise: OneOrMany::default(),
            port_min: 16_384,
            port_max: 32_767,
            threads: 1,
            jitter_ms: 40,
            jitter: JitterOption::Fixed,
            jitter_min_ms: 20,
            jitter_max_ms: 120,
            timeout_s: 30,
        }
    }
}

impl MediaSection {
    /// Where RTP sockets for peers of a family are bound.
    pub fn listen_of(&self, is_ipv4: bool) -> Option<IpAddr> {
        self.listen.iter().find(|ip| ip.is_ipv4() == is_ipv4).copied()
    }

    /// What SDP says to peers of a family, if that was said.
    pub fn advertised(&self, is_ipv4: bool) -> Option<IpAddr> {
        self.advertise.iter().find(|ip| ip.is_ipv4() == is_ipv4).copied()
    }

    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let doubled = |list: &OneOrMany<IpAddr>| {
            [true, false].iter().any(|v4| list.iter().filter(|ip| ip.is_ipv4() == *v4).count() > 1)
        };
        for (key, list) in [("listen", &self.listen), ("advertise", &self.advertise)] {
            if doubled(list) || (key == "listen" && list.is_empty()) {
                faults.push((key, "give one address, or one of IPv4 and one of IPv6".into()));
            }
        }
        for ip in self.advertise.iter().filter(|ip| self.listen_of(ip.is_ipv4()).is_none()) {
            faults.push(("advertise", format!("{ip} is of another family than all of listen")));
        }
        faults
    }
}

/// `jitter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JitterOption {
    /// Always `jitter_ms`.
    #[default]
    Fixed,
    /// As long as the network needs, between `jitter_min_ms` and `jitter_max_ms`, on agents' legs. Callees' legs keep
    /// theirs: a detector's clock must not be stretched.
    Adaptive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_has_an_address_of_one_family_or_of_each() {
        // listen and advertise, the key that is named.
        let table = [
            (r#"listen = "::""#, None),
            (r#"listen = ["0.0.0.0", "::"]"#, None),
            (
                r#"listen = ["::", "10.0.0.5"]
                advertise = "203.0.113.7""#,
                None,
            ),
            (
                r#"listen = ["0.0.0.0", "::"]
                advertise = ["203.0.113.7", "2001:db8::7"]"#,
                None,
            ),
            ("listen = []", Some("listen")),
            (r#"listen = ["10.0.0.5", "10.0.0.6"]"#, Some("listen")),
            (r#"advertise = ["203.0.113.7", "203.0.113.8"]"#, Some("advertise")),
            (
                r#"listen = "::"
                advertise = "203.0.113.7""#,
                Some("advertise"),
            ),
        ];
        for (text, expected) in table {
            let section: MediaSection = toml::from_str(text).unwrap();
            let keys: Vec<_> = section.faults().into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
        let wrong = toml::from_str::<MediaSection>("listen = \"10.0.0.5:5060\"").unwrap_err().to_string();
        assert!(wrong.contains("no port belongs to it"), "{wrong}");
    }
}
