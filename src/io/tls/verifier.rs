//! Whether a TLS peer is the SIP domain that it should be: RFC 5280 for the chain, RFC 5922 for the name.

use super::domain::Identities;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// Knows whom to trust, and whom to expect.
#[derive(Debug)]
pub struct DomainVerifier {
    roots: Arc<RootCertStore>,
    /// Certificates that are trusted as they are: what a PBX has signed for itself is no issuer of anything.
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    clients: Option<Clients>,
}

/// Those who may connect to us.
#[derive(Debug)]
struct Clients {
    chain: Arc<dyn ClientCertVerifier>,
    domains: Vec<String>,
}

impl DomainVerifier {
    /// For those that we connect to: the domain comes with each connection.
    pub fn of_servers(
        roots: Arc<RootCertStore>,
        pinned: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        DomainVerifier { roots, pinned, provider, clients: None }
    }

    /// For those that connect to us: they must be one of these domains.
    pub fn of_clients(
        roots: Arc<RootCertStore>,
        pinned: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
        domains: Vec<String>,
    ) -> Result<Self, String> {
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(DomainVerifier { roots, pinned, provider, clients: Some(Clients { chain, domains }) })
    }

    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.pinned.iter().any(|pinned| pinned.as_ref() == end_entity.as_ref()) {
            return verify_time(end_entity, now);
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)
    }
}

fn verify_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let bad = Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| bad.clone())?;
    let now = ASN1Time::from_timestamp(now.as_secs() as i64).map_err(|_| bad)?;
    match certificate.validity() {
        validity if now < validity.not_before => Err(CertificateError::NotValidYet.into()),
        validity if now > validity.not_after => Err(CertificateError::Expired.into()),
        _ => Ok(()),
    }
}

fn verify_name(end_entity: &CertificateDer<'_>, domains: &[&str]) -> Result<(), Error> {
    let identities = Identities::of(end_entity).ok_or(CertificateError::BadEncoding)?;
    match domains.iter().any(|domain| identities.name(domain)) {
        true => Ok(()),
        false => Err(CertificateError::NotValidForName.into()),
    }
}

impl ServerCertVerifier for DomainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(end_entity, intermediates, now)?;
        verify_name(end_entity, &[&server_name.to_str()])?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for DomainVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let clients = self.clients.as_ref().expect("a verifier of clients was made as one");
        // A SIP server is a client of ours with the certificate that it has as a server: either use will do (RFC 5922
        // section 7.1 asks for no more than that the extended key usage does not forbid it).
        let as_client = clients.chain.verify_client_cert(end_entity, intermediates, now);
        as_client.map(drop).or_else(|_| self.verify_chain(end_entity, intermediates, now))?;
        let domains: Vec<&str> = clients.domains.iter().map(String::as_str).collect();
        verify_name(end_entity, &domains)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
