//! Asterisk under the same load: it originates the calls, runs AMD() on them, then Playback() of the same message.
//!
//! It runs from folders of its own on an address of its own. AMD() ends with its verdict, and Asterisk sends nothing while
//! AMD() runs unless `transmit_silence` says so; it does here, as both directions are to be carried.

use super::meter;
use super::report::Carried;
use super::sound::Sounds;
use super::{ASTERISK_CALLS_MAX, Folder, LoadArgs, PATIENCE, SETTLE, callee, measure};
use crate::audio::wav;
use crate::cli::Failure;
use crate::sim::recordings::Recordings;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Until it is fully booted.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Calls a second that it originates.
const RATE: u32 = 50;

/// What originate, AMD and playback need, and nothing else.
const MODULES: [&str; 24] = [
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_timing_timerfd",
    "res_pjproject",
    "res_statsd",
    "res_geolocation",
    "res_pjsip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_pubsub",
    "res_pjsip_session",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_nat",
    "res_rtp_asterisk",
    "chan_pjsip",
    "bridge_simple",
    "codec_ulaw",
    "codec_resample",
    "format_wav",
    "format_pcm",
    "pbx_config",
    "app_amd",
    "app_playback",
];

/// Asterisk's calls.
pub fn carry(args: &LoadArgs, folder: &Folder, sounds: &Arc<Sounds>) -> Result<Carried, Failure> {
    let far = callee(sounds)?;
    let lines = args.calls.min(ASTERISK_CALLS_MAX);
    let mut asterisk =
        Asterisk::start(&args.asterisk, &folder.path.join("asterisk"), far.address(), args.seconds)?;
    let idle = meter::resident(asterisk.child.id())?;
    let begun = Instant::now();
    let mut originated = 0;
    let mut up_after = None;
    let id = asterisk.child.id();
    let measured = measure(args, sounds, lines, "asterisk", || {
        let due = (begun.elapsed().as_millis() as u32 * RATE / 1_000).min(lines);
        while originated < due {
            asterisk.originate(originated)?;
            originated += 1;
        }
        asterisk.forget_events();
        if sounds.sounding() >= lines {
            up_after.get_or_insert(begun.elapsed());
        }
        Ok((meter::of_process(id)?, meter::resident(id)?))
    })?;
    far.hang_up();
    std::thread::sleep(Duration::from_secs(1));
    Ok(Carried {
        what: "asterisk",
        lines,
        calls: lines,
        over: measured.over,
        spent: measured.spent,
        heard: measured.heard,
        resident: Some((idle, measured.resident_bytes)),
        dropped: 0,
        up_after,
        left: 0,
    })
}

struct Asterisk {
    child: Child,
    manager: TcpStream,
}

impl Asterisk {
    fn start(home: &Path, scratch: &Path, far: SocketAddr, seconds: u64) -> Result<Self, Failure> {
        let program = home.join("asterisk").canonicalize().map_err(|error| {
            Failure::Failed(format!(
                "no Asterisk in {}: {error}; --asterisk names its folder",
                home.display()
            ))
        })?;
        let home = program.parent().unwrap_or(home).to_owned();
        let id = std::process::id();
        let own = Ipv4Addr::new(127, 64 + (id >> 16 & 0x3f) as u8, (id >> 8) as u8, (id as u8).max(1));
        for name in ["etc", "db", "spool", "run", "log"] {
            fs::create_dir_all(scratch.join(name))?;
        }
        configure(&home, scratch, own, far)?;
        write_message(scratch, seconds)?;
        let console = fs::File::create(scratch.join("log/console"))?;
        let child = Command::new(program)
            .args(["-f", "-C"])
            .arg(scratch.join("etc/asterisk.conf"))
            .current_dir(scratch)
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()?;
        let mut starting = Starting(Some(child));
        let manager = log_in(&mut starting, own, scratch)?;
        let child = starting.0.take().expect("it was put there");
        Ok(Asterisk { child, manager })
    }

    fn originate(&mut self, number: u32) -> Result<(), Failure> {
        let action = format!(
            "Action: Originate\r\nActionID: {number}\r\nChannel: PJSIP/far\r\nContext: load\r\nExten: s\r\nPriority: 1\r\n\
             Timeout: 30000\r\nAsync: true\r\n\r\n"
        );
        Ok(self.manager.write_all(action.as_bytes())?)
    }

    /// What it tells of its calls is not needed, and must not fill the connection.
    fn forget_events(&mut self) {
        let mut buffer = [0; 65_536];
        while self.manager.read(&mut buffer).is_ok_and(|length| length > 0) {}
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the process when its start fails half way.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn log_in(starting: &mut Starting, own: Ipv4Addr, scratch: &Path) -> Result<TcpStream, Failure> {
    let until = Instant::now() + START_WITHIN;
    let mut heard = String::new();
    let failed = |text: &str| {
        let console = fs::read_to_string(scratch.join("log/console")).unwrap_or_default();
        let lines: Vec<&str> = console.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n");
        Failure::Failed(format!("Asterisk {text}; its last words:\n{last}"))
    };
    let mut manager: Option<TcpStream> = None;
    let mut buffer = [0; 4_096];
    while Instant::now() < until {
        if let Some(child) = &mut starting.0
            && child.try_wait()?.is_some()
        {
            return Err(failed("ended at its start"));
        }
        match &mut manager {
            None => {
                std::thread::sleep(Duration::from_millis(100));
                if let Ok(mut stream) = TcpStream::connect((own, 5038)) {
                    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
                    stream.write_all(
                        b"Action: Login\r\nUsername: load\r\nSecret: load\r\nEvents: system\r\n\r\n",
                    )?;
                    manager = Some(stream);
                }
            }
            Some(stream) => {
                if let Ok(length) = stream.read(&mut buffer) {
                    heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
                }
                if heard.contains("FullyBooted") {
                    stream.write_all(b"Action: Events\r\nEventMask: off\r\n\r\n")?;
                    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
                    return Ok(manager.take().expect("it is there"));
                }
            }
        }
    }
    Err(failed("did not start"))
}

fn write_message(scratch: &Path, seconds: u64) -> Result<(), Failure> {
    let lasts = Duration::from_secs(seconds + u64::from(ASTERISK_CALLS_MAX / RATE)) + SETTLE + PATIENCE;
    let samples = 8 * lasts.as_millis() as usize;
    let recordings = Recordings::load();
    let said: Vec<i16> =
        recordings.greetings.iter().cycle().flat_map(|said| said.iter().copied()).take(samples).collect();
    Ok(fs::write(scratch.join("message.wav"), wav::write(&said))?)
}

fn configure(home: &Path, scratch: &Path, own: Ipv4Addr, far: SocketAddr) -> Result<(), Failure> {
    let modules = modules(home)?;
    let (shown, data) = (scratch.display(), home.join("root/usr/share/asterisk"));
    let (modules, data) = (modules.display(), data.display());
    let loads: String = MODULES.iter().map(|name| format!("load = {name}.so\n")).collect();
    let files = [
        (
            "asterisk.conf",
            format!(
                "[directories]\nastetcdir => {shown}/etc\nastmoddir => {modules}\nastvarlibdir => {data}\n\
                 astdbdir => {shown}/db\nastkeydir => {shown}/db\nastdatadir => {data}\nastagidir => {shown}/db\n\
                 astspooldir => {shown}/spool\nastrundir => {shown}/run\nastlogdir => {shown}/log\nastsbindir => {data}\n\n\
                 [options]\nverbose = 0\nnofork = yes\nnocolor = yes\ntransmit_silence = yes\nmaxfiles = 16384\n"
            ),
        ),
        ("modules.conf", format!("[modules]\nautoload = no\n{loads}")),
        ("logger.conf", "[general]\n[logfiles]\nconsole = warning,error\n".to_owned()),
        // Its own defaults; without the file AMD() is not there.
        ("amd.conf", "[general]\n".to_owned()),
        ("rtp.conf", "[general]\nrtpstart = 10000\nrtpend = 29999\nicesupport = no\n".to_owned()),
        (
            "manager.conf",
            format!(
                "[general]\nenabled = yes\nport = 5038\nbindaddr = {own}\n\n[load]\nsecret = load\nread = system\n\
                 write = all\n"
            ),
        ),
        (
            "pjsip.conf",
            format!(
                "[global]\ntype = global\n\n[udp]\ntype = transport\nprotocol = udp\nbind = {own}:5060\n\n\
                 [far]\ntype = endpoint\ntransport = udp\ncontext = load\ndisallow = all\nallow = ulaw\naors = far\n\
                 direct_media = no\nmedia_address = {own}\nbind_rtp_to_media_address = yes\n\n\
                 [far]\ntype = aor\ncontact = sip:phone@{far}\n"
            ),
        ),
        ("extensions.conf", format!("[load]\nexten => s,1,AMD()\n same => n,Playback({shown}/message)\n")),
    ];
    for (name, text) in files {
        fs::write(scratch.join("etc").join(name), text)?;
    }
    Ok(())
}

fn modules(home: &Path) -> Result<PathBuf, Failure> {
    let libraries = fs::read_dir(home.join("root/usr/lib"))?;
    let mut folders = libraries.filter_map(Result::ok).map(|entry| entry.path().join("asterisk/modules"));
    folders
        .find(|path| path.is_dir())
        .ok_or_else(|| Failure::Failed(format!("no modules of Asterisk under {}", home.display())))
}
