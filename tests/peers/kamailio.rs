//! A private Kamailio: a proxy that stays on the way of every request (Record-Route), by `tests/kamailio.cfg`.

use super::process::Process;
use super::{eventually, own_address, root, test_file};
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Until it and its children have ended.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A running Kamailio.
pub struct Kamailio {
    process: Process,
    _scratch: TempDir,
    address: Ipv4Addr,
}

impl Kamailio {
    /// Starts one and waits until it listens.
    pub fn start() -> Kamailio {
        let scratch = tempfile::Builder::new().prefix("outdial-kamailio-").tempdir().unwrap();
        let address = own_address();
        let configuration = fs::read_to_string(test_file("kamailio.cfg")).unwrap();
        let configuration = configuration.replace("@ADDRESS@", &address.to_string());
        let file = scratch.path().join("kamailio.cfg");
        fs::write(&file, configuration).unwrap();
        let folder = scratch.path().to_str().unwrap();
        let arguments =
            ["-f", file.to_str().unwrap(), "-DD", "-E", "-Y", folder, "-w", folder, "-m", "32", "-M", "8"];
        let program = root().join("target/kamailio/kamailio");
        let process = Process::start(&program, &arguments, scratch.path(), &scratch.path().join("log"));
        let mut kamailio = Kamailio { process, _scratch: scratch, address };
        eventually(Duration::from_secs(30), "Kamailio listens", || {
            if let Some(status) = kamailio.process.ended() {
                panic!("Kamailio ended with {status}\n{}", kamailio.process.last_words());
            }
            UdpSocket::bind((address, 5060)).is_err().then_some(())
        });
        kamailio
    }

    /// Where its SIP is.
    pub fn sip(&self) -> String {
        format!("{}:5060", self.address)
    }

    /// What it relayed, a line each: the method and where it went.
    pub fn relayed(&self) -> String {
        self.process.output().lines().filter(|line| line.contains("relayed")).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Kamailio {
    /// Asked to, it ends its children too; killed, it would leave them behind.
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.signal("TERM");
            let until = Instant::now() + END_WITHIN;
            while self.process.ended().is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
