//! TLS for SIP (RFC 3261 section 26, RFC 5922): certificates from files, versions 1.2 and 1.3, both sides of it.
//!
//! [`Tls`] is what connections are secured with; copies of it share what the files said when they were read last, so that
//! a reload holds for every connection that is made after it and touches none that is there. `domain` reads whom a
//! certificate stands for, `verifier` decides with it.

mod domain;
mod verifier;

use crate::sip::endpoint::AccessId;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use verifier::DomainVerifier;

/// Nothing older: RFC 8996 has put TLS 1.0 and 1.1 away.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Files that say who we are and whom we trust.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Files {
    /// Who may issue the peer's certificate; the system's authorities when unset.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, with those between it and its authority.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// What TLS is to be made of.
#[derive(Clone, Default, Debug)]
pub struct Settings {
    /// For those who connect to us; `None` when nobody may.
    pub server: Option<Files>,
    /// Whether they must show a certificate of one of `domains`.
    pub require_client_certificate: bool,
    /// The trunks' domains.
    pub domains: Vec<String>,
    /// For each trunk that we connect to.
    pub trunks: Vec<(AccessId, Files)>,
}

/// A file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which setting names it: `ca_file`, `certificate_file` or `key_file`.
    pub setting: &'static str,
    /// What is wrong, and what to do about it.
    pub text: String,
}

/// What connections are secured with.
#[derive(Clone, Debug)]
pub struct Tls {
    settings: Arc<Settings>,
    made: Arc<RwLock<Made>>,
}

#[derive(Default)]
struct Made {
    acceptor: Option<TlsAcceptor>,
    connectors: HashMap<AccessId, TlsConnector>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} connectors", self.connectors.len())
    }
}

impl Tls {
    /// Reads the files.
    pub fn load(settings: Settings) -> Result<Tls, Fault> {
        let made = Arc::new(RwLock::new(make(&settings)?));
        Ok(Tls { settings: Arc::new(settings), made })
    }

    /// Where no trunk is reached over TLS and none may reach us.
    #[cfg(test)]
    pub fn none() -> Tls {
        Tls { settings: Arc::default(), made: Arc::default() }
    }

    /// Reads the files again, for connections made from now on. A fault leaves all as it was.
    pub fn reload(&self) -> Result<(), Fault> {
        let made = make(&self.settings)?;
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(())
    }

    /// What a connection made to us is secured with.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        self.made.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Secures a connection that we have made, if the other side is `domain`.
    pub async fn connect(
        &self,
        access: AccessId,
        domain: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            made.connectors.get(&access).cloned()
        };
        let missing = || io::Error::other("no trunk with this domain is reached over TLS");
        let connector = connector.ok_or_else(missing)?;
        let bare = domain.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }
}

fn make(settings: &Settings) -> Result<Made, Fault> {
    let provider = Arc::new(ring::default_provider());
    let mut known = HashMap::new();
    let mut connectors = HashMap::new();
    for (access, files) in &settings.trunks {
        let connector = match known.get(files) {
            Some(connector) => TlsConnector::clone(connector),
            None => TlsConnector::from(Arc::new(client(files, &provider)?)),
        };
        known.insert(files, connector.clone());
        connectors.insert(*access, connector);
    }
    let server = settings.server.as_ref().map(|files| server(files, settings, &provider)).transpose()?;
    Ok(Made { acceptor: server.map(|server| TlsAcceptor::from(Arc::new(server))), connectors })
}

fn client(files: &Files, provider: &Arc<CryptoProvider>) -> Result<ClientConfig, Fault> {
    let (roots, pinned) = authorities(files)?;
    let verifier = DomainVerifier::of_servers(Arc::new(roots), pinned, Arc::clone(provider));
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(VERSIONS)
        .expect("the provider has suites of both versions")
        // Not less than the usual check of a name but another one, RFC 5922's.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match own(files)? {
        None => Ok(builder.with_no_client_auth()),
        Some((certificates, key)) => builder
            .with_client_auth_cert(certificates, key)
            .map_err(|error| fault("certificate_file", format!("certificate and key do not fit: {error}"))),
    }
}

fn server(files: &Files, settings: &Settings, provider: &Arc<CryptoProvider>) -> Result<ServerConfig, Fault> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(VERSIONS)
        .expect("the provider has suites of both versions");
    let builder = if settings.require_client_certificate {
        let (roots, pinned) = authorities(files)?;
        let domains = settings.domains.clone();
        let verifier = DomainVerifier::of_clients(Arc::new(roots), pinned, Arc::clone(provider), domains)
            .map_err(|text| fault("ca_file", text))?;
        builder.with_client_cert_verifier(Arc::new(verifier))
    } else {
        builder.with_no_client_auth()
    };
    let missing = || fault("certificate_file", "a TLS listener needs certificate_file and key_file".into());
    let (certificates, key) = own(files)?.ok_or_else(missing)?;
    builder
        .with_single_cert(certificates, key)
        .map_err(|error| fault("certificate_file", format!("certificate and key do not fit: {error}")))
}

/// Whom we trust, and which certificates we trust as they are.
/// Whether this machine knows certificate authorities, for whom no file names any.
pub fn system_has_authorities() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

fn authorities(files: &Files) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Fault> {
    let mut roots = RootCertStore::empty();
    let Some(file) = &files.ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let text =
                "the system has no certificate authorities: install its ca-certificates or set ca_file";
            return Err(fault("ca_file", text.into()));
        }
        return Ok((roots, Vec::new()));
    };
    let certificates = read_certificates("ca_file", file)?;
    roots.add_parsable_certificates(certificates.iter().cloned());
    Ok((roots, certificates))
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(files: &Files) -> Result<Option<Own>, Fault> {
    let (certificate, key) = match (&files.certificate_file, &files.key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err(fault("certificate_file", "certificate_file needs key_file".into())),
        (None, Some(_)) => return Err(fault("key_file", "key_file needs certificate_file".into())),
    };
    let certificates = read_certificates("certificate_file", certificate)?;
    let mode = std::fs::metadata(key).map_or(0, |metadata| metadata.permissions().mode());
    let shown = key.display();
    if mode & 0o007 != 0 {
        return Err(fault("key_file", format!("anybody may read {shown}: chmod 600 {shown}")));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| fault("key_file", format!("cannot read a key in PEM from {shown}: {error}")))?;
    Ok(Some((certificates, key)))
}

fn read_certificates(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let shown = file.display();
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(fault(setting, format!("there is no certificate in PEM in {shown}")))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(fault(setting, format!("cannot read certificates from {shown}: {error}"))),
    }
}

fn fault(setting: &'static str, text: String) -> Fault {
    Fault { setting, text }
}

#[cfg(test)]
pub(crate) mod tests;
