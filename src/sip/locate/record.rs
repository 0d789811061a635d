//! The words of the DNS (RFC 1035, RFC 2782, RFC 3403) as far as finding a SIP server needs them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The longest name (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Which services a domain has.
    Naptr,
    /// Which servers a service has.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
        })
    }
}

/// A question to the DNS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Question {
    /// In lower case, without the last dot.
    pub name: String,
    /// What about it.
    pub kind: Kind,
}

impl Question {
    /// A question, unless the name cannot be one.
    pub fn new(name: &str, kind: Kind) -> Option<Question> {
        Some(Question { name: normal(name)?, kind })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// A name as it is compared: lower case, without the last dot. `None` for the root and for what is no name: labels of
/// 1 to 63 letters, digits, hyphens and underscores.
pub fn normal(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

/// What one record says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Data {
    /// RFC 3403 section 4.1; the regular expression has no use here (RFC 3263 section 4.1).
    Naptr {
        /// Lower ones must be tried first.
        order: u16,
        /// Lower ones are better liked.
        preference: u16,
        /// `s`: the replacement has SRV records.
        flags: String,
        /// `SIP+D2U`, say.
        services: String,
        /// The next name.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// Lower ones must be tried first.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The server's name; `.` for none.
        target: String,
    },
    /// An address.
    A(Ipv4Addr),
    /// An address.
    Aaaa(Ipv6Addr),
}

impl Data {
    /// What one asks to get it.
    pub fn kind(&self) -> Kind {
        match self {
            Data::Naptr { .. } => Kind::Naptr,
            Data::Srv { .. } => Kind::Srv,
            Data::A(_) => Kind::A,
            Data::Aaaa(_) => Kind::Aaaa,
        }
    }
}

/// A record with its life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// How long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: Data,
}

impl Record {
    /// The address that it tells, if it tells one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.data {
            Data::A(ip) => Some(ip.into()),
            Data::Aaaa(ip) => Some(ip.into()),
            Data::Naptr { .. } | Data::Srv { .. } => None,
        }
    }
}

/// Why there is no answer. Only the first two say anything about the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The name does not exist (NXDOMAIN), for so long at least if that was said.
    NoSuchName(Option<Duration>),
    /// The name has nothing of this kind.
    NoData(Option<Duration>),
    /// The server could not or would not say (SERVFAIL, REFUSED).
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// The answer could not be read.
    Unreadable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NoSuchName(_) => "the name does not exist",
            Failure::NoData(_) => "the name has no such record",
            Failure::Refused => "the DNS server failed (SERVFAIL or REFUSED)",
            Failure::TimedOut => "the DNS server gave no answer in time",
            Failure::Unreadable => "the DNS server's answer cannot be read",
        })
    }
}

/// What became of a question.
pub type Answer = Result<Vec<Record>, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_last_dot_and_nonsense_is_none() {
        assert_eq!(normal("SIP.Example.COM."), Some("sip.example.com".into()));
        assert_eq!(normal("_sip._udp.example"), Some("_sip._udp.example".into()));
        let long = format!("{}.example", "a".repeat(64));
        let longer = "a.".repeat(127) + "a";
        for nonsense in ["", ".", "a..b", "a b", "a/b", "ex\u{e4}mple", &long, &longer] {
            assert_eq!(normal(nonsense), None, "{nonsense}");
        }
    }
}
