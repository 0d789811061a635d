//! TLS between two of our own ends, with certificates of authorities that the tests make.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An authority and the folder for what it issues.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // No two alike: another's name with one's own key is another fault than an unknown name.
        params.distinguished_name.push(DnType::CommonName, folder.path().display().to_string());
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Files with a certificate for these names, valid in these years.
    pub fn issue(&self, file: &str, names: &[SanType], years: std::ops::Range<i32>) -> Files {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &certificate.pem(), &key.serialize_pem())
    }

    fn write(&self, file: &str, certificate: &str, key: &str) -> Files {
        let path = |ending: &str| self.folder.path().join(format!("{file}{ending}"));
        std::fs::write(path(".pem"), certificate).unwrap();
        std::fs::write(path(".key"), key).unwrap();
        std::fs::set_permissions(path(".key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        Files {
            ca_file: Some(self.ca_file()),
            certificate_file: Some(path(".pem")),
            key_file: Some(path(".key")),
        }
    }
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub const VALID: std::ops::Range<i32> = 2020..2099;

/// A side that takes connections, and asks for a certificate of `domains` where there are any.
pub fn server(files: &Files, domains: &[&str]) -> Tls {
    let settings = Settings {
        server: Some(files.clone()),
        require_client_certificate: !domains.is_empty(),
        domains: domains.iter().map(|domain| domain.to_string()).collect(),
        trunks: Vec::new(),
    };
    Tls::load(settings).unwrap()
}

/// A side that makes connections.
pub fn client(files: Files) -> Tls {
    Tls::load(Settings { trunks: vec![(AccessId::default(), files)], ..Settings::default() }).unwrap()
}

fn trusting(authority: &Authority) -> Files {
    Files { ca_file: Some(authority.ca_file()), ..Files::default() }
}

/// Connects; a byte goes there and back, because TLS 1.3 refuses a client's certificate only then.
async fn shake(server: &Tls, client: &Tls, domain: &str) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = server.acceptor().expect("the server has a certificate");
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await
    });
    let told = async {
        let stream = TcpStream::connect(address).await?;
        let mut stream = client.connect(AccessId::default(), domain, stream).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let told = told.await;
    let accepted = accepted.await.unwrap();
    match (told, accepted) {
        (Ok(7), Ok(())) => Ok(()),
        (Err(ours), theirs) => Err(format!("{ours} / {theirs:?}")),
        (Ok(_), theirs) => Err(format!("{theirs:?}")),
    }
}

#[tokio::test]
async fn a_server_is_let_in_only_as_its_domain_in_its_time_and_by_a_known_authority() {
    let (ours, other) = (Authority::new(), Authority::new());
    let domain = [uri("sip:pbx.example")];
    let right = server(&ours.issue("right", &domain, VALID), &[]);
    let client = client(trusting(&ours));
    assert_eq!(shake(&right, &client, "pbx.example").await, Ok(()));
    assert_eq!(shake(&right, &client, "PBX.example").await, Ok(()));
    let table = [
        (&right, "sip.pbx.example", "NotValidForName"),
        (&right, "192.0.2.1", "NotValidForName"),
        (
            &server(&ours.issue("wrong", &[uri("sip:other.example")], VALID), &[]),
            "pbx.example",
            "NotValidForName",
        ),
        (&server(&ours.issue("old", &domain, 2019..2020), &[]), "pbx.example", "expired"),
        (&server(&ours.issue("early", &domain, 2090..2099), &[]), "pbx.example", "not valid yet"),
        (&server(&other.issue("unknown", &domain, VALID), &[]), "pbx.example", "UnknownIssuer"),
    ];
    for (server, domain, why) in table {
        let refused = shake(server, &client, domain).await.expect_err(why);
        let said = refused.to_lowercase();
        assert!(said.contains(&why.to_lowercase()) || said.contains("not valid for"), "{why}: {refused}");
    }
}

#[tokio::test]
async fn a_certificate_that_a_pbx_has_signed_for_itself_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.subject_alt_names = vec![uri("sip:pbx.example")];
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let files = authority.write("self", &own.pem(), &key.serialize_pem());
    let server = server(&Files { ca_file: None, ..files.clone() }, &[]);
    let pinning = client(Files { ca_file: files.certificate_file.clone(), ..Files::default() });
    assert_eq!(shake(&server, &pinning, "pbx.example").await, Ok(()));
    assert!(shake(&server, &pinning, "other.example").await.is_err(), "its name counts all the same");
    assert!(shake(&server, &client(trusting(&authority)), "pbx.example").await.is_err());
}

#[tokio::test]
async fn whoever_connects_shows_a_certificate_of_a_trunk_where_that_is_required() {
    let (ours, other) = (Authority::new(), Authority::new());
    let names = |name: &str| [uri(&format!("sip:{name}"))];
    let server = server(&ours.issue("us", &names("us.example"), VALID), &["trunk.example"]);
    let trunk = ours.issue("trunk", &names("trunk.example"), VALID);
    assert_eq!(shake(&server, &client(trunk.clone()), "us.example").await, Ok(()));
    let without = trusting(&ours);
    let stranger = ours.issue("stranger", &names("stranger.example"), VALID);
    let expired = ours.issue("expired", &names("trunk.example"), 2019..2020);
    let unknown = Files { ca_file: Some(ours.ca_file()), ..other.issue("x", &names("trunk.example"), VALID) };
    for files in [without, stranger, expired, unknown] {
        let refused = shake(&server, &client(files.clone()), "us.example").await;
        assert!(refused.is_err(), "{files:?} was let in");
    }
}

#[tokio::test]
async fn a_reload_holds_for_new_connections_and_leaves_the_old_ones_and_a_faulty_file_alone() {
    let authority = Authority::new();
    let files = authority.issue("us", &[uri("sip:first.example")], VALID);
    let server = server(&files, &[]);
    let client = client(trusting(&authority));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = server.acceptor().unwrap();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.unwrap()
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let mut old = client.connect(AccessId::default(), "first.example", stream).await.unwrap();
    let mut accepted = accepted.await.unwrap();

    authority.issue("us", &[uri("sip:second.example")], VALID);
    server.reload().unwrap();
    assert_eq!(shake(&server, &client, "second.example").await, Ok(()));
    assert!(shake(&server, &client, "first.example").await.is_err());
    std::fs::write(files.certificate_file.as_ref().unwrap(), "nothing").unwrap();
    let fault = server.reload().expect_err("there is no certificate in it");
    assert_eq!(fault.setting, "certificate_file");
    assert!(fault.text.contains("us.pem"), "{}", fault.text);
    assert_eq!(shake(&server, &client, "second.example").await, Ok(()));

    old.write_u8(9).await.unwrap();
    old.flush().await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), 9);
}

#[test]
fn faulty_files_are_named_with_their_setting() {
    let authority = Authority::new();
    let good = authority.issue("us", &[uri("sip:us.example")], VALID);
    let other = authority.issue("other", &[uri("sip:us.example")], VALID);
    let open = authority.issue("open", &[uri("sip:us.example")], VALID);
    std::fs::set_permissions(open.key_file.as_ref().unwrap(), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let missing = Some(PathBuf::from("/nowhere/at/all.pem"));
    let table = [
        (Files { ca_file: missing.clone(), ..good.clone() }, "ca_file"),
        (Files { certificate_file: missing.clone(), ..good.clone() }, "certificate_file"),
        (Files { key_file: missing, ..good.clone() }, "key_file"),
        (Files { key_file: None, ..good.clone() }, "certificate_file"),
        (Files { key_file: other.key_file, ..good.clone() }, "certificate_file"),
        (open, "key_file"),
    ];
    for (files, setting) in table {
        let settings = Settings { trunks: vec![(AccessId::default(), files.clone())], ..Settings::default() };
        assert_eq!(Tls::load(settings).map(drop).map_err(|fault| fault.setting), Err(setting), "{files:?}");
    }
}
