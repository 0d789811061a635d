//! A private Asterisk: its configuration comes from `tests/asterisk/`, its folders lie in a scratch folder, its sockets on
//! an address of its own, and it runs on the C library that was unpacked with it.

use super::process::Process;
use super::{eventually, own_address, root, test_file};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A running Asterisk.
pub struct Asterisk {
    process: Process,
    scratch: TempDir,
    address: Ipv4Addr,
}

/// A user that the trunk knows.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its name, which is the endpoint's too.
    pub name: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// Challenged by MD5.
pub const MD5_USER: User = User { name: "outdial", password: "s3cret-md5" };
/// Challenged by SHA-256.
pub const SHA256_USER: User = User { name: "outdial256", password: "s3cret-sha" };

/// Challenged by SHA-256, and given no media but protected one.
pub const SDES_USER: User = User { name: "outdialsdes", password: "s3cret-sdes" };

impl Asterisk {
    /// Starts one and waits until it takes calls.
    pub fn start() -> Asterisk {
        Asterisk::start_at(own_address())
    }

    /// The same on a given address.
    pub fn start_at(address: Ipv4Addr) -> Asterisk {
        let scratch = tempfile::Builder::new().prefix("outdial-asterisk-").tempdir().unwrap();
        for folder in ["etc", "db", "spool", "run", "log", "recordings", "tls"] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        write_configuration(scratch.path(), address);
        write_certificates(&scratch.path().join("tls"));
        let configuration = scratch.path().join("etc/asterisk.conf");
        let arguments = ["-f", "-C", configuration.to_str().unwrap()];
        let process =
            Process::start(&program(), &arguments, scratch.path(), &scratch.path().join("log/console"));
        let mut asterisk = Asterisk { process, scratch, address };
        asterisk.wait_until_ready();
        asterisk
    }

    fn wait_until_ready(&mut self) {
        eventually(Duration::from_secs(60), "Asterisk is fully booted and listens", || {
            if let Some(status) = self.process.ended() {
                panic!("Asterisk ended with {status}\n{}", self.process.last_words());
            }
            let booted = self.ask("core show uptime").contains("System uptime");
            (booted && TcpStream::connect((self.address, 5060)).is_ok()).then_some(())
        });
        for module in ["chan_pjsip.so", "app_queue.so", "app_mixmonitor.so", "res_pjsip_registrar.so"] {
            let shown = self.ask(&format!("module show like {module}"));
            assert!(
                shown.contains("Running"),
                "{module} is not running\n{shown}{}",
                self.process.last_words()
            );
        }
    }

    /// Where its SIP is, by UDP and TCP.
    pub fn sip(&self) -> String {
        format!("{}:5060", self.address)
    }

    /// Where its SIP is, by TLS.
    pub fn sip_tls(&self) -> String {
        format!("{}:5061", self.address)
    }

    /// A file of the authority that issued its certificate: `ca.pem`, or `client.pem` and `client.key` for who connects.
    pub fn tls_file(&self, name: &str) -> PathBuf {
        self.scratch.path().join("tls").join(name)
    }

    /// Its answer to a command of its console.
    pub fn ask(&self, command: &str) -> String {
        let output = Command::new(program())
            .arg("-C")
            .arg(self.scratch.path().join("etc/asterisk.conf"))
            .args(["-rx", command])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The channels that are up, in any state.
    pub fn channels(&self) -> u32 {
        let shown = self.ask("core show channels count");
        number_before(&shown, "active channel").unwrap_or_else(|| panic!("no count of channels in: {shown}"))
    }

    /// The calls that it has carried since its start.
    pub fn calls_processed(&self) -> u32 {
        let shown = self.ask("core show channels count");
        number_before(&shown, "call processed")
            .or(number_before(&shown, "calls processed"))
            .unwrap_or_else(|| panic!("no count of calls in: {shown}"))
    }

    /// The callers that wait in a queue, and how many calls its members have completed.
    pub fn queue(&self, name: &str) -> (u32, u32) {
        let shown = self.ask(&format!("queue show {name}"));
        let head = shown.lines().next().unwrap_or_default();
        let field =
            |label: &str| head.split_once(label)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        let waiting =
            head.split_once(" has ").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        match (waiting, field("C:")) {
            (Some(waiting), Some(completed)) => (waiting, completed),
            _ => panic!("no state of queue {name} in: {shown}"),
        }
    }

    /// Whether a user has registered a contact.
    pub fn is_registered(&self, user: User) -> bool {
        let shown = self.ask(&format!("pjsip show aor {}", user.name));
        shown.lines().any(|line| line.trim_start().starts_with("Contact:") && line.contains("sip:"))
    }

    /// What the callee of a number heard since it answered.
    pub fn heard(&self, number: &str) -> Vec<i16> {
        self.recording(number, "heard")
    }

    /// What an agent's extension heard, one recording a call, in no order.
    pub fn heard_by_agent(&self, extension: &str) -> Vec<Vec<i16>> {
        let of_extension =
            |name: &str| name.starts_with(&format!("{extension}-")) && name.ends_with("-heard.wav");
        fs::read_dir(self.scratch.path().join("recordings"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| of_extension(path.file_name().unwrap().to_str().unwrap()))
            .map(|path| super::audio::read(&path, 0))
            .collect()
    }

    /// What it said, on the same time line.
    pub fn said(&self, number: &str) -> Vec<i16> {
        self.recording(number, "said")
    }

    /// The message that a mailbox took.
    pub fn message(&self, number: &str) -> Vec<i16> {
        self.recording(number, "message")
    }

    /// Whether such a recording exists: nobody answered who left none.
    pub fn has_recording(&self, number: &str, kind: &str) -> bool {
        self.recording_path(number, kind).exists()
    }

    fn recording(&self, number: &str, kind: &str) -> Vec<i16> {
        super::audio::read(&self.recording_path(number, kind), 0)
    }

    fn recording_path(&self, number: &str, kind: &str) -> PathBuf {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        self.scratch.path().join(format!("recordings/{digits}-{kind}.wav"))
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log/full")).unwrap_or_default()
    }

    /// Waits until no channel is up.
    pub fn wait_until_idle(&self, limit: Duration) {
        eventually(limit, "Asterisk has no channel left", || (self.channels() == 0).then_some(()));
    }
}

/// A prompt of Asterisk's own, spoken by a person, at 8 kHz.
pub fn prompt(name: &str) -> Vec<i16> {
    super::audio::read(&data().join(format!("sounds/en_US_f_Allison/{name}.wav")), 0)
}

fn write_configuration(scratch: &Path, address: Ipv4Addr) {
    let modules = modules();
    let values = [
        ("@SCRATCH@", scratch.to_str().unwrap().to_string()),
        ("@RECORDINGS@", scratch.join("recordings").to_str().unwrap().to_string()),
        ("@MODULES@", modules.to_str().unwrap().to_string()),
        ("@DATA@", data().to_str().unwrap().to_string()),
        ("@ADDRESS@", address.to_string()),
    ];
    for entry in fs::read_dir(test_file("asterisk")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        for (placeholder, value) in &values {
            text = text.replace(placeholder, value);
        }
        fs::write(scratch.join("etc").join(path.file_name().unwrap()), text).unwrap();
    }
}

/// An authority, a certificate of `pbx.example` for the PBX, and one of `dialer.example` for who connects to it.
fn write_certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Test authority");
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (file, domain) in [("pbx", "pbx.example"), ("client", "dialer.example")] {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, domain);
        params.subject_alt_names = vec![SanType::URI(format!("sip:{domain}").try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        let path = folder.join(format!("{file}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn number_before(text: &str, words: &str) -> Option<u32> {
    text.lines().find(|line| line.contains(words))?.split_whitespace().next()?.parse().ok()
}

/// Where `tests/install` puts Asterisk.
fn home() -> PathBuf {
    std::env::var_os("OUTDIAL_ASTERISK").map_or_else(|| root().join("target/asterisk"), PathBuf::from)
}

fn program() -> PathBuf {
    home().join("asterisk")
}

fn data() -> PathBuf {
    home().join("root/usr/share/asterisk")
}

fn modules() -> PathBuf {
    let libraries = fs::read_dir(home().join("root/usr/lib")).unwrap();
    let found = libraries
        .filter_map(Result::ok)
        .map(|e| e.path().join("asterisk/modules"))
        .find(|path| path.is_dir());
    found.expect("the unpacked packages hold Asterisk's modules")
}
