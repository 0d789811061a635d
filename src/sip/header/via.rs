//! Via: where a response goes and which transaction it belongs to (RFC 3261 section 20.42, RFC 3581).

use super::list::split;
use super::parameters::Parameters;
use crate::sip::malformed::Malformed;
use crate::sip::method::is_token;
use crate::sip::uri::split_host_port;
use std::fmt;
use std::net::IpAddr;

/// What a branch begins with when its sender speaks RFC 3261 (section 8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// `2.0`; another only in a request that is refused for it.
    pub version: String,
    /// `UDP`, `TCP`, `TLS` and so on, in capitals.
    pub transport: String,
    /// The sent-by host; an IPv6 address keeps its brackets.
    pub host: String,
    /// The sent-by port, when one is given.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and the rest.
    pub parameters: Parameters,
}

impl Via {
    /// Reads one value: `SIP / 2.0 / UDP host : port ; parameters`, blanks allowed at every place.
    pub fn parse(text: &str) -> Result<Via, Malformed> {
        let via = Via::parse_any_version(text)?;
        match via.version.as_str() {
            "2.0" => Ok(via),
            _ => Err(Malformed::new("Via", "is not of SIP/2.0")),
        }
    }

    /// As [`Via::parse`], also for a version that we do not speak: its sender is to be told so.
    pub(crate) fn parse_any_version(text: &str) -> Result<Via, Malformed> {
        let malformed = |fault| Malformed::new("Via", fault);
        let end = text.find(';').unwrap_or(text.len());
        let (protocol, parameters) = text.split_at(end);
        let mut parts = protocol.splitn(3, '/');
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("does not name its protocol"));
        };
        let version = version.trim();
        if !name.trim().eq_ignore_ascii_case("SIP") || !is_token(version) {
            return Err(malformed("is not of SIP/2.0"));
        }
        let rest = rest.trim();
        let Some((transport, sent_by)) = rest.split_once(|c: char| c.is_ascii_whitespace()) else {
            return Err(malformed("has no sender's address"));
        };
        if !is_token(transport) {
            return Err(malformed("has a transport that is no token"));
        }
        let (host, port) = read_sent_by(sent_by)?;
        let parameters = Parameters::parse(parameters)?;
        if parameters.count("branch") > 1 {
            return Err(malformed("has two branches"));
        }
        Ok(Via {
            version: version.to_owned(),
            transport: transport.to_ascii_uppercase(),
            host,
            port,
            parameters,
        })
    }

    /// A request's Via as its responses repeat it: with what the server saw of its sender, `rport` where it was asked for, and
    /// all else as it came (RFC 3261 sections 8.2.6.2 and 18.2.1, RFC 3581 section 4).
    pub(crate) fn repeated(text: &str, received: Option<IpAddr>, rport: Option<u16>) -> String {
        let (protocol, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut repeated = protocol.trim_end().to_owned();
        for parameter in split(parameters, b';') {
            let name = parameter.split('=').next().unwrap_or_default().trim_end();
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match rport.filter(|_| is("rport")) {
                Some(port) => repeated += &format!(";{name}={port}"),
                None if is("received") && received.is_some() => {}
                None => repeated += &format!(";{parameter}"),
            }
        }
        repeated + &received.map(|address| format!(";received={address}")).unwrap_or_default()
    }

    /// The transaction's branch, when there is one.
    pub fn branch(&self) -> Option<&str> {
        self.parameters.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The address that a server saw the request come from.
    pub fn received(&self) -> Option<IpAddr> {
        crate::sip::uri::address(self.parameters.get("received")?)
    }

    /// The port that a server saw the request come from (RFC 3581); `None` also when it was only asked for.
    pub fn rport(&self) -> Option<u16> {
        self.parameters.get("rport")?.parse().ok()
    }

    /// Whether the sender asks for responses to the port it sends from (RFC 3581 section 3).
    pub fn wants_rport(&self) -> bool {
        self.parameters.get("rport").is_some()
    }

    /// Host and port as they stand on the wire.
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/{}/{} {}{}", self.version, self.transport, self.sent_by(), self.parameters)
    }
}

/// `host : port` with blanks around the colon.
fn read_sent_by(text: &str) -> Result<(String, Option<u16>), Malformed> {
    let text = text.trim();
    if !text.bytes().any(|b| b.is_ascii_whitespace()) {
        let (host, port) = split_host_port(text)?;
        return Ok((host.to_owned(), port));
    }
    let joined: String = text.split_ascii_whitespace().collect();
    let blanks_only_at_the_colon =
        text.split_ascii_whitespace().count() <= 1 + 2 * joined.matches(':').count();
    if !blanks_only_at_the_colon {
        return Err(Malformed::new("Via", "has blanks in its sender's address"));
    }
    let (host, port) = split_host_port(&joined)?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_forms_of_a_via_are_read() {
        // text, transport, sent-by, branch, received, rport
        let table = [
            (
                "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1",
                "UDP",
                "10.0.0.1:5060",
                Some("z9hG4bK1"),
                None,
                None,
            ),
            ("SIP / 2.0 / tcp h : 5061 ; branch = z9hG4bK2", "TCP", "h:5061", Some("z9hG4bK2"), None, None),
            ("SIP/2.0/UDP h ;rport;received=192.0.2.1", "UDP", "h", None, Some("192.0.2.1"), None),
            (
                "sip/2.0/UDP [2001:db8::9]:5060;received=2001:db8::1;rport=1024;branch=z9hG4bK3",
                "UDP",
                "[2001:db8::9]:5060",
                Some("z9hG4bK3"),
                Some("2001:db8::1"),
                Some(1024),
            ),
            ("SIP/2.0/UDP h;received=[2001:db8::1]", "UDP", "h", None, Some("2001:db8::1"), None),
        ];
        for (text, transport, sent_by, branch, received, rport) in table {
            let via = Via::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((via.transport.as_str(), via.sent_by().as_str()), (transport, sent_by), "{text}");
            assert_eq!(via.branch(), branch, "{text}");
            assert_eq!(via.received(), received.map(|address| address.parse().unwrap()), "{text}");
            assert_eq!(via.rport(), rport, "{text}");
            assert_eq!(Via::parse(&via.to_string()).unwrap(), via, "{text}");
        }
    }

    #[test]
    fn asking_for_rport_is_not_having_it() {
        let via = Via::parse("SIP/2.0/UDP h;rport;branch=z9hG4bK1").unwrap();
        assert!(via.wants_rport());
        assert_eq!(via.rport(), None);
    }

    #[test]
    fn a_response_repeats_it_to_the_letter() {
        let seen = "192.0.2.9".parse().ok();
        // as it came, received, rport, as it is repeated
        let table = [
            ("SIP / 2.0 / udp h : 5060 ;branch=z9hG4bKab/c=", None, None, None),
            ("SIP/2.0/UDP h;foo=\"b;ar\";x=\"a\\bc\";e=;flag", None, None, None),
            (
                "SIP/2.0/UDP h;Rport;branch=z9hG4bK1",
                None,
                Some(1),
                Some("SIP/2.0/UDP h;Rport=1;branch=z9hG4bK1"),
            ),
            ("SIP/2.0/UDP h;received=10.0.0.1;a", seen, None, Some("SIP/2.0/UDP h;a;received=192.0.2.9")),
            ("SIP/2.0/UDP h", seen, Some(1), Some("SIP/2.0/UDP h;received=192.0.2.9")),
        ];
        for (text, received, rport, repeated) in table {
            let compact = text.replace(" ;", ";");
            assert_eq!(Via::repeated(text, received, rport), repeated.unwrap_or(&compact), "{text}");
        }
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/3.0/UDP h",
            "UDP h",
            "SIP/2.0/UDP h i",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/UDP h;branch=x;branch=y",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP [[2001:db8::1]]",
            "SIP/2.0/UDP h;;",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
        assert_eq!(Via::parse_any_version("SIP/3.0/UDP h").unwrap().to_string(), "SIP/3.0/UDP h");
    }
}
