//! baresip as an agent's phone: it answers by itself, says a tone, records what it hears, and its keys are pressed over its
//! control connection. It will not live on the loopback, so it is a machine of its own beyond a wire, in a test that is
//! [`super::wire::alone`].

use super::process::Process;
use super::wire::PHONE;
use super::{audio, eventually, root};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A running baresip.
pub struct Baresip {
    process: Process,
    scratch: TempDir,
}

impl Baresip {
    /// Starts one with a line for each of these accounts, and waits until it can be told things. An account is as in
    /// baresip's own file, without `sip:` and with its parameters; without another `audio_source` it says
    /// 1,300 Hz.
    pub fn start(accounts: &[&str]) -> Baresip {
        let scratch = tempfile::Builder::new().prefix("outdial-baresip-").tempdir().unwrap();
        let folder = scratch.path().to_str().unwrap();
        let modules = root().join("target/baresip/modules");
        // The bridge gives what is heard to nobody: without a player baresip would not decode it.
        let configuration = format!(
            "module_path {}\nsip_listen {PHONE}:5060\nctrl_tcp_listen {CONTROL}\nsnd_path {folder}\n\
             audio_player aubridge,nobody\naudio_source ausine,1300\naudio_alert aubridge,nobody\n\
             ausrc_srate 48000\nausrc_channels 2\n\
             module g711.so\nmodule ausine.so\nmodule aubridge.so\nmodule sndfile.so\n\
             module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            modules.display()
        );
        fs::write(scratch.path().join("config"), configuration).unwrap();
        let lines: String = accounts
            .iter()
            .map(|account| {
                let (address, parameters) = account.split_once(';').unwrap_or((account, "regint=0"));
                format!("<sip:{address}>;answermode=auto;audio_codecs=PCMU/8000/1;{parameters}\n")
            })
            .collect();
        fs::write(scratch.path().join("accounts"), lines).unwrap();
        let program = root().join("target/baresip/baresip");
        let script = format!(
            "ip link set lo up; until ip link set far up 2>/dev/null; do sleep 0.1; done
             ip addr add {PHONE}/24 dev far; exec \"$@\""
        );
        let program = [program.to_str().unwrap(), "-f", folder, "-v"];
        let arguments = [&["--net", "sh", "-c", &script, "sh"], &program[..]].concat();
        let log = scratch.path().join("log");
        let process = Process::start(Path::new("unshare"), &arguments, scratch.path(), &log);
        plug_in(process.id());
        let mut baresip = Baresip { process, scratch };
        eventually(Duration::from_secs(30), "baresip is ready", || {
            if let Some(status) = baresip.process.ended() {
                panic!("baresip ended with {status}\n{}", baresip.process.last_words());
            }
            baresip.process.output().contains("baresip is ready").then_some(())
        });
        baresip
    }

    /// Has it do what one of its keys does: `hold`, `resume`, `hangup`, or `transfer` with a URI.
    pub fn press(&self, command: &str, parameters: &str) {
        let mut stream = TcpStream::connect(CONTROL.parse::<SocketAddr>().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let json = format!(r#"{{"command":"{command}","params":"{parameters}"}}"#);
        // A netstring: its length, a colon, itself, a comma.
        write!(stream, "{}:{json},", json.len()).unwrap();
        let mut answer = [0; 2_048];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.contains("\"ok\":true"), "baresip was told to {command} and says {answer}");
    }

    /// What it heard in its calls until it held them, in the order of their beginning.
    pub fn heard(&self) -> Vec<Vec<i16>> {
        let mut files: Vec<_> = fs::read_dir(self.scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files.iter().map(|path| audio::read(path, 0)).collect()
    }

    /// What it printed.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Gives the far end of the wire to the namespace that the process makes for itself.
fn plug_in(process: u32) {
    let space = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let (process, own) = (process.to_string(), space("self"));
    eventually(Duration::from_secs(30), "the phone has a namespace", || {
        space(&process).filter(|theirs| Some(theirs) != own.as_ref())
    });
    let status = Command::new("ip").args(["link", "set", "far", "netns", &process]).status().unwrap();
    assert!(status.success(), "the far end of the wire could not be given to the phone");
}

/// Where its control connection is.
const CONTROL: &str = "192.0.2.2:4444";
