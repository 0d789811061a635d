//! The SIP domains that a certificate stands for, and whether the one we want is among them: RFC 5922 section 7.

use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Whom a certificate was given to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identities {
    /// SIP domains.
    pub domains: Vec<String>,
    /// Addresses: no identities of RFC 5922, but all that a trunk without a name can have.
    pub addresses: Vec<IpAddr>,
}

impl Identities {
    /// What a certificate in DER says (section 7.1). `None` when it cannot be read.
    pub fn of(certificate: &[u8]) -> Option<Identities> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let Some(names) = certificate.subject_alternative_name().ok()? else {
            // Only without any subjectAltName may the common name be looked at.
            let names = certificate.subject().iter_common_name();
            let domains = names.filter_map(|name| name.as_str().ok()).filter(|name| is_domain(name));
            return Some(Identities { domains: domains.map(str::to_owned).collect(), addresses: Vec::new() });
        };
        let names = &names.value.general_names;
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => host_of(uri),
            _ => None,
        });
        let mut domains: Vec<String> = uris.map(str::to_owned).collect();
        // A DNS name counts if and only if no SIP URI was found.
        if domains.is_empty() {
            let names = names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_string()),
                _ => None,
            });
            domains.extend(names);
        }
        let addresses = names.iter().filter_map(|name| match name {
            GeneralName::IPAddress(bytes) => address_of(bytes),
            _ => None,
        });
        Some(Identities { addresses: addresses.collect(), domains })
    }

    /// Whether it stands for `domain` (section 7.2): the whole name, capitals aside; a wildcard matches nothing.
    pub fn name(&self, domain: &str) -> bool {
        let domain = domain.trim_end_matches('.');
        if let Ok(address) = domain.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let is_it =
            |name: &String| !name.contains('*') && name.trim_end_matches('.').eq_ignore_ascii_case(domain);
        self.domains.iter().any(is_it)
    }
}

/// The host of a URI that names a SIP domain: of scheme `sip` and without a user.
fn host_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?']).next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { rest }
    });
    is_domain(host).then_some(host)
}

fn is_domain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.bytes().all(allowed) && name.parse::<IpAddr>().is_err()
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn identities(common_name: &str, names: &[SanType]) -> Identities {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = names.to_vec();
        let key = KeyPair::generate().unwrap();
        Identities::of(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn a_certificate_stands_for_its_sip_uris_else_its_dns_names_else_its_common_name() {
        // Names of the certificate, the domain that is wanted, whether it is the one.
        let table: &[(&[SanType], &str, bool)] = &[
            (&[uri("sip:example.com")], "example.com", true),
            (&[uri("SIP:Example.COM")], "eXample.com", true),
            (&[uri("sip:example.com:5061;transport=tls")], "example.com", true),
            // A user is no domain; another scheme is no SIP identity.
            (&[uri("sip:alice@example.com")], "example.com", false),
            (&[uri("sips:example.com")], "example.com", false),
            (&[uri("https://example.com")], "example.com", false),
            // A DNS name counts only where no SIP URI was found.
            (&[dns("example.com")], "example.com", true),
            (&[dns("example.com"), uri("sip:other.example")], "example.com", false),
            (&[dns("example.com"), uri("sip:other.example")], "other.example", true),
            (&[dns("example.com"), uri("https://other.example")], "example.com", true),
            (&[dns("example.com"), uri("sip:alice@other.example")], "example.com", true),
            // The whole name: no part of it, no wildcard.
            (&[dns("*.example.com")], "sip.example.com", false),
            (&[dns("*.example.com")], "*.example.com", false),
            (&[uri("sip:example.com")], "sip.example.com", false),
            (&[dns("sip.example.com")], "example.com", false),
            // The common name counts only without any subjectAltName.
            (&[], "cn.example", true),
            (&[dns("example.com")], "cn.example", false),
            (&[uri("https://example.com")], "cn.example", false),
            // A trunk without a name.
            (&[SanType::IpAddress("192.0.2.1".parse().unwrap())], "192.0.2.1", true),
            (&[SanType::IpAddress("2001:db8::1".parse().unwrap())], "[2001:db8::1]", true),
            (&[SanType::IpAddress("192.0.2.1".parse().unwrap())], "192.0.2.2", false),
            (&[dns("192.0.2.1")], "192.0.2.1", false),
        ];
        for (names, domain, expected) in table {
            let found = identities("cn.example", names);
            assert_eq!(found.name(domain), *expected, "{names:?} {domain}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_stands_for_nobody() {
        assert_eq!(Identities::of(b"certainly"), None);
        assert_eq!(Identities::of(b""), None);
    }
}
