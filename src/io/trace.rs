//! `[trace]` and `outdial trace`: from what passes the control plane to the book, the capture files and a Homer server.
//!
//! What is traced and what it becomes is `crate::trace`; here are the files, the sockets and the operator's switches. While
//! nothing is traced a message costs one look at an empty list.

mod capture;

use crate::call::step::Step;
use crate::engine::engine::{Engine, Placed};
use crate::engine::journal::{Entry, Event};
use crate::io::operator::{Reply, Wish};
use crate::io::{address, secret};
use crate::media::command::{Command, StreamKey};
use crate::number::E164;
use crate::time::{Instant, Now};
use crate::trace::book::{Book, Facts, Listed, Manner, Switch, What};
use crate::trace::packet::{self, Packet, Timeline};
use crate::trace::{hep, masking};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use capture::{Capture, Copies};

/// Call-IDs whose call is known; the oldest go first.
const KNOWN_MAX: usize = 16_384;

/// Peers towards which our own address is remembered.
const LOCALS_MAX: usize = 1_024;

/// A switch ends by itself after a week at the latest.
const MINUTES_MAX: u32 = 7 * 24 * 60;

/// The most calls that are kept: more would not fit one answer of the control socket.
const KEEP_MAX: usize = 2_000;

/// `[trace]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Trace every call from the start on.
    pub enabled: bool,
    /// How long that, and a switch at run time, holds.
    pub for_min: u32,
    /// Calls that are kept in memory.
    pub keep: usize,
    /// Where capture files go; none are written without it.
    pub folder: Option<PathBuf>,
    /// RTP goes into the capture files too.
    pub rtp: bool,
    /// A Homer server that takes HEP3 over UDP.
    pub hep: Option<String>,
    /// Our number among its senders.
    pub hep_id: u32,
    /// What it wants to see.
    pub hep_password_file: Option<PathBuf>,
    /// Show numbers as they are.
    pub unmasked: bool,
}

impl Default for Section {
    fn default() -> Self {
        Section {
            enabled: false,
            for_min: 60,
            keep: 100,
            folder: None,
            rtp: false,
            hep: None,
            hep_id: 2_001,
            hep_password_file: None,
            unmasked: false,
        }
    }
}

impl Section {
    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if !(1..=MINUTES_MAX).contains(&self.for_min) {
            faults.push((
                "for_min",
                format!("for_min must be between 1 and {MINUTES_MAX}: a trace ends by itself"),
            ));
        }
        if !(1..=KEEP_MAX).contains(&self.keep) {
            faults.push(("keep", format!("keep must be between 1 and {KEEP_MAX}")));
        }
        if self.rtp && self.folder.is_none() {
            faults.push(("rtp", "rtp = true needs folder: RTP is kept in capture files only".to_owned()));
        }
        if self.hep_password_file.is_some() && self.hep.is_none() {
            faults.push(("hep_password_file", "hep_password_file needs hep".to_owned()));
        }
        faults
    }

    /// Relative paths come out joined to the configuration's folder.
    pub fn join_paths(&mut self, join: impl Fn(&mut PathBuf)) {
        self.folder.iter_mut().for_each(&join);
        self.hep_password_file.iter_mut().for_each(&join);
    }
}

/// What `outdial trace list` is told.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Traces {
    /// What is traced now.
    pub on: Vec<On>,
    /// The calls that are kept, the oldest first.
    pub calls: Vec<Listed>,
    /// Packets that no capture file has because the disk was too slow, or the files too many or too long.
    pub dropped: u64,
}

/// One switch.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct On {
    /// What it is about.
    pub what: String,
    /// For so long yet.
    pub seconds: u64,
}

/// Everything that traces. See the module's page.
#[derive(Debug)]
pub struct Tracer {
    section: Section,
    book: Book,
    timeline: Timeline,
    known: BTreeMap<String, Facts>,
    met: VecDeque<String>,
    /// Whose RTP is copied.
    copied: BTreeMap<String, [StreamKey; 2]>,
    listen: SocketAddr,
    locals: BTreeMap<IpAddr, IpAddr>,
    capture: Option<Capture>,
    hep: Option<Homer>,
    commands: Vec<Command>,
}

#[derive(Debug)]
struct Homer {
    socket: UdpSocket,
    agent: hep::Agent,
}

impl Tracer {
    /// As `[trace]` says. `listen` is the address of the SIP socket.
    ///
    /// # Errors
    /// The key of the section that cannot be followed, and why.
    pub fn start(section: Section, listen: SocketAddr, now: Now) -> Result<Tracer, (&'static str, String)> {
        let timeline = Timeline::of(now);
        let capture = match &section.folder {
            Some(folder) => Some(Capture::start(folder, timeline).map_err(|error| {
                ("folder", format!("cannot write captures to {}: {error}", folder.display()))
            })?),
            None => None,
        };
        let hep = section.hep.as_ref().map(|host| Homer::reach(host, &section)).transpose()?;
        let mut tracer = Tracer {
            book: Book::new(section.keep),
            timeline,
            known: BTreeMap::new(),
            met: VecDeque::new(),
            copied: BTreeMap::new(),
            listen,
            locals: BTreeMap::new(),
            capture,
            hep,
            commands: Vec::new(),
            section,
        };
        if tracer.section.enabled {
            let _ = tracer.switch_on(What::Everything, None, false, false, now.instant);
        }
        Ok(tracer)
    }

    /// The way for copies of RTP, for the media plane.
    pub fn copies(&self) -> Option<Copies> {
        self.capture.as_ref().map(Capture::copies)
    }

    /// What the media plane should be told, since it was last asked for.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// A SIP message passes.
    pub fn handle_sip(&mut self, engine: &Engine, sent: bool, peer: SocketAddr, bytes: &[u8], at: Now) {
        if !self.book.is_on() {
            return;
        }
        if self.book.expire(at.instant) {
            self.stop_copies();
        }
        let Some(facts) = self.facts(engine, sent, bytes) else { return };
        let Some(manner) = self.book.manner_of(&facts) else { return };
        let local = self.local_towards(peer);
        let bytes = if manner.unmasked { masking::without_secrets(bytes) } else { masking::masked(bytes) };
        let packet = Packet { at: self.timeline.at(at.instant), sent, local, peer, bytes };
        self.book.handle_packet(&facts, manner, &packet);
        if let Some(homer) = &self.hep {
            homer.send(&packet, &facts.id);
        }
        if let Some(capture) = &self.capture {
            capture.handle_packet(&facts.id, packet);
        }
    }

    /// The journal goes on.
    pub fn handle_journal(&mut self, entry: &Entry) {
        let Event::Attempt { id, step, .. } = &entry.event else { return };
        // A trace that was ended before its call has still to hear of the call's end.
        if self.book.is_empty() || !(self.book.is_on() || matches!(step, Step::Ended { .. })) {
            return;
        }
        let id = id.to_string();
        // A key may be a digit of a card's number.
        if !matches!(step, Step::Digit(_)) {
            self.book.handle_note(&id, self.timeline.at(entry.at.instant), step.to_string());
        }
        if matches!(step, Step::Ended { .. }) {
            self.book.handle_ended(&id);
            self.copied.remove(&id);
            if let Some(capture) = &self.capture {
                capture.handle_ended(&id);
            }
        }
    }

    /// What the operator asked, when it is about traces.
    pub fn handle_wish(&mut self, engine: &Engine, wish: &Wish, now: Instant) -> Option<Reply> {
        if self.book.expire(now) {
            self.stop_copies();
        }
        let done = match wish {
            Wish::TraceOn { what, minutes, rtp, unmasked } => resolve(engine, what).and_then(|what| {
                self.switch_on(what, *minutes, *rtp, *unmasked, now)?;
                engine.calls().for_each(|call| self.meet_all(&call));
                Ok(Reply::Ok(true))
            }),
            Wish::TraceOff { what } => {
                let what = resolve(engine, what).unwrap_or_else(|_| What::Call(what.clone()));
                match self.book.switch_off(&what) {
                    true => {
                        self.stop_copies();
                        Ok(Reply::Ok(true))
                    }
                    false => Err(format!("{what} is not being traced: `outdial trace list` says what is")),
                }
            }
            Wish::TraceList => Ok(Reply::Traces(Box::new(self.traces(now)))),
            Wish::TraceShow { call } => self.book.show(call).map(|shown| Reply::Trace(Box::new(shown))),
            _ => return None,
        };
        Some(done.unwrap_or_else(Reply::Error))
    }

    /// Waits until every capture file is written; the media plane must have stopped.
    pub fn stop(self) {
        if let Some(capture) = self.capture {
            capture.stop();
        }
    }

    fn switch_on(
        &mut self,
        what: What,
        minutes: Option<u32>,
        rtp: bool,
        unmasked: bool,
        now: Instant,
    ) -> Result<(), String> {
        if rtp && self.capture.is_none() {
            return Err("RTP is kept in capture files only: set folder in [trace] and restart".to_owned());
        }
        let minutes = minutes.unwrap_or(self.section.for_min);
        if !(1..=MINUTES_MAX).contains(&minutes) {
            return Err(format!("a trace lasts between 1 and {MINUTES_MAX} minutes"));
        }
        self.book.switch_on(Switch {
            what,
            until: now + Duration::from_secs(u64::from(minutes) * 60),
            rtp: rtp || self.section.rtp,
            unmasked: unmasked || self.section.unmasked,
        })
    }

    fn traces(&self, now: Instant) -> Traces {
        let on = |(what, left): (String, Duration)| On { what, seconds: left.as_secs() };
        Traces {
            on: self.book.switches(now).into_iter().map(on).collect(),
            calls: self.book.list(),
            dropped: self.capture.as_ref().map_or(0, Capture::dropped),
        }
    }

    /// Whose message this is.
    fn facts(&mut self, engine: &Engine, sent: bool, bytes: &[u8]) -> Option<Facts> {
        let call_id = packet::call_id(bytes)?;
        if let Some(facts) = self.known.get(call_id) {
            return Some(facts.clone());
        }
        if sent && packet::method(bytes) == Some("INVITE") {
            let placed = engine.call_of(call_id)?;
            return Some(self.meet(call_id, &placed));
        }
        let is_registration =
            packet::header(bytes, "CSeq", "").is_some_and(|cseq| cseq.ends_with("REGISTER"));
        let facts = Facts { id: call_id.to_owned(), campaign: String::new(), number: None };
        (self.book.takes_everything() && is_registration).then_some(facts)
    }

    fn meet_all(&mut self, placed: &Placed) {
        for call_id in &placed.call_ids {
            self.meet(call_id, placed);
        }
    }

    fn meet(&mut self, call_id: &str, placed: &Placed) -> Facts {
        let id = placed.attempt.to_string();
        let facts =
            Facts { id: id.clone(), campaign: placed.campaign.clone(), number: Some(placed.number.clone()) };
        if self.known.insert(call_id.to_owned(), facts.clone()).is_none() {
            self.met.push_back(call_id.to_owned());
            if self.met.len() > KNOWN_MAX
                && let Some(oldest) = self.met.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        let manner = self.book.manner_of(&facts).filter(|manner| manner.rtp);
        if let (Some(capture), Some(Manner { unmasked, .. })) = (self.capture.as_ref(), manner) {
            for stream in placed.streams {
                capture.handle_stream(&id, stream, unmasked);
                self.commands.push(Command::Trace { stream, on: true });
            }
            self.copied.insert(id, placed.streams);
        }
        facts
    }

    /// Ends the copying of RTP that no switch wants any more.
    fn stop_copies(&mut self) {
        let facts: BTreeMap<&String, &Facts> = self.known.values().map(|facts| (&facts.id, facts)).collect();
        let wanted = |id: &String| {
            facts.get(id).and_then(|facts| self.book.manner_of(facts)).is_some_and(|manner| manner.rtp)
        };
        let over: Vec<String> = self.copied.keys().filter(|id| !wanted(id)).cloned().collect();
        for streams in over.iter().filter_map(|id| self.copied.remove(id)) {
            self.commands.extend(streams.map(|stream| Command::Trace { stream, on: false }));
        }
    }

    /// Our own end towards a peer, as far as it is known: the socket listens on any address, most often.
    fn local_towards(&mut self, peer: SocketAddr) -> SocketAddr {
        if !self.listen.ip().is_unspecified() && self.listen.is_ipv4() == peer.is_ipv4() {
            return self.listen;
        }
        if self.locals.len() >= LOCALS_MAX {
            self.locals.clear();
        }
        let any: IpAddr =
            if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let ip = *self.locals.entry(peer.ip()).or_insert_with(|| address::local_towards(peer).unwrap_or(any));
        SocketAddr::new(ip, self.listen.port())
    }
}

impl Homer {
    fn reach(host: &str, section: &Section) -> Result<Homer, (&'static str, String)> {
        let fault = |error: io::Error| {
            ("hep", format!("cannot reach {host:?}: {error}; write it as \"homer.example:9060\""))
        };
        let with_port = match host.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
            _ => format!("{host}:{}", hep::PORT),
        };
        let mut addresses = with_port.to_socket_addrs().map_err(fault)?;
        let nowhere = || fault(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        let address = addresses.next().ok_or_else(nowhere)?;
        let any: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).map_err(fault)?;
        socket.set_nonblocking(true).map_err(fault)?;
        socket.connect(address).map_err(fault)?;
        let password = match &section.hep_password_file {
            Some(file) => Some(secret::read(file).map_err(|text| ("hep_password_file", text))?),
            None => None,
        };
        Ok(Homer { socket, agent: hep::Agent { id: section.hep_id, password } })
    }

    /// A server that does not take it now misses it: calls are not to wait for whoever watches them.
    fn send(&self, packet: &Packet, id: &str) {
        let _ = self.socket.send(&hep::encode(&self.agent, packet, id));
    }
}

/// What an operator's word means.
fn resolve(engine: &Engine, text: &str) -> Result<What, String> {
    let text = text.trim();
    if text == "all" {
        return Ok(What::Everything);
    }
    if engine.has_campaign(text) {
        return Ok(What::Campaign(text.to_owned()));
    }
    let plus = if text.starts_with('+') { text.to_owned() } else { format!("+{text}") };
    if let Some(number) = E164::from_e164(&plus) {
        return Ok(What::Number(number));
    }
    let named = engine.call_named(text).map(|id| What::Call(id.to_string()));
    named.map_err(|why| {
        format!("{why}; it is no number such as +12025550101, no campaign, and not \"all\" either")
    })
}

/// The folder of captures, made when it is not there.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_says_what_contradicts_itself() {
        let faults = |section: Section| section.faults().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(faults(Section::default()), Vec::<&str>::new());
        let odd = Section {
            for_min: 0,
            keep: 0,
            rtp: true,
            hep_password_file: Some("secret".into()),
            ..Section::default()
        };
        assert_eq!(faults(odd), ["for_min", "keep", "rtp", "hep_password_file"]);
    }
}
