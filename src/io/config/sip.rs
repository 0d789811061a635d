//! `[sip]`: where we listen, what we are known as, and what TLS is made of.

use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// One value, or a list of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// Every value, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The first.
    pub fn first(&self) -> Option<&T> {
        self.0.first()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> From<T> for OneOrMany<T> {
    fn from(one: T) -> Self {
        OneOrMany(vec![one])
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an address, or a list of addresses")]
        enum Written {
            One(String),
            Many(Vec<String>),
        }
        let texts = match Written::deserialize(deserializer)? {
            Written::One(text) => vec![text],
            Written::Many(texts) => texts,
        };
        let parse = |text: String| {
            text.parse().map_err(|error| {
                let hint = match (text.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
                    (Ok(_), _) => "; a port belongs to it",
                    (_, Ok(_)) => "; no port belongs to it",
                    _ => "",
                };
                serde::de::Error::custom(format!("{text:?} is no such address: {error}{hint}"))
            })
        };
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(OneOrMany)
    }
}

/// `[sip]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipSection {
    /// UDP and TCP.
    pub listen: OneOrMany<SocketAddr>,
    /// What Via and Contact say, where NAT hides `listen`.
    pub advertise: OneOrMany<SocketAddr>,
    /// User-Agent.
    pub user_agent: String,
    /// TLS at each address of `listen`; unset, nobody can connect to us over TLS.
    pub tls_port: Option<u16>,
    /// Who may issue the peers' certificates.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Whether whoever connects over TLS must show a trunk's certificate.
    pub require_client_certificate: bool,
    /// UDP requests longer than this go over TCP; 0 leaves them with UDP.
    pub tcp_above_bytes: usize,
    /// Whether Contact gives the address that peers say they see us at.
    pub learn_address: bool,
    /// DNS servers; those of the system when there are none.
    pub dns: Vec<String>,
}

impl Default for SipSection {
    fn default() -> Self {
        SipSection {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060)).into(),
            advertise: OneOrMany::default(),
            user_agent: "Outdial".to_owned(),
            tls_port: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            require_client_certificate: false,
            tcp_above_bytes: 1_300,
            learn_address: false,
            dns: Vec::new(),
        }
    }
}

impl SipSection {
    /// What the listener at `place` is known as, if that was said: the advertised address of its family, the one of its own
    /// place where there are as many.
    pub fn advertised(&self, place: usize) -> Option<SocketAddr> {
        let listen = self.listen.iter().nth(place)?;
        let fits = |address: &&SocketAddr| address.is_ipv4() == listen.is_ipv4();
        let own = self.advertise.iter().nth(place).filter(|_| self.advertise.len() == self.listen.len());
        own.filter(fits).or_else(|| self.advertise.iter().find(fits)).copied()
    }

    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.listen.is_empty() || self.listen.len() > 16 {
            faults.push(("listen", "give 1 to 16 addresses with their ports".into()));
        }
        for address in self.advertise.iter() {
            if !self.listen.iter().any(|listen| listen.is_ipv4() == address.is_ipv4()) {
                faults.push(("advertise", format!("{address} is of another family than all of listen")));
            }
        }
        if self.tls_port.is_some() && (self.certificate_file.is_none() || self.key_file.is_none()) {
            faults.push(("tls_port", "tls_port needs certificate_file and key_file".into()));
        }
        if self
            .tls_port
            .is_some_and(|port| port != 0 && self.listen.iter().any(|listen| listen.port() == port))
        {
            faults.push(("tls_port", "tls_port must be another than that of listen".into()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_is_advertised_as_its_place_or_its_family_says() {
        // listen, advertise, what each listener is known as
        let table = [
            (r#"listen = "0.0.0.0:5060""#, vec![None]),
            (
                r#"listen = "0.0.0.0:5060"
                advertise = "203.0.113.7:5060""#,
                vec![Some("203.0.113.7:5060")],
            ),
            (
                r#"listen = ["0.0.0.0:5060", "[::]:5060"]
                advertise = "203.0.113.7:5060""#,
                vec![Some("203.0.113.7:5060"), None],
            ),
            (
                r#"listen = ["[::]:5060", "10.0.0.5:5060"]
                advertise = ["203.0.113.7:5070"]"#,
                vec![None, Some("203.0.113.7:5070")],
            ),
            (
                r#"listen = ["10.0.0.5:5060", "10.1.0.5:5060"]
                advertise = ["203.0.113.7:5060", "203.0.113.8:5060"]"#,
                vec![Some("203.0.113.7:5060"), Some("203.0.113.8:5060")],
            ),
        ];
        for (text, expected) in table {
            let section: SipSection = toml::from_str(text).unwrap();
            assert_eq!(section.faults(), [], "{text}");
            let expected: Vec<Option<SocketAddr>> =
                expected.into_iter().map(|address| address.map(|address| address.parse().unwrap())).collect();
            let found: Vec<_> = (0..section.listen.len()).map(|place| section.advertised(place)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        for (text, key) in [
            ("listen = []", "listen"),
            ("advertise = \"[2001:db8::1]:5060\"", "advertise"),
            ("tls_port = 5061", "tls_port"),
            ("tls_port = 5060\ncertificate_file = \"c\"\nkey_file = \"k\"", "tls_port"),
        ] {
            let section: SipSection = toml::from_str(text).unwrap();
            assert!(section.faults().iter().any(|(found, _)| *found == key), "{text}");
        }
        assert!(toml::from_str::<SipSection>("listen = \"here\"").is_err());
    }
}
