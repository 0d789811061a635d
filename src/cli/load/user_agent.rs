//! `outdial load --signalling --against user-agent`: the SIP user agent by itself, over the same sockets, to the same far
//! end, at the same rate; no campaign, no gate, no store, no media.
//!
//! It is a process of its own, so that all that it spends is counted: the kernel's part, the runtime and the start too.
//! That is how other SIP stacks are measured, so that theirs and ours may be compared.

use super::callee::{Callee, Manner};
use super::signalling::{FORGET_WITHIN, patience};
use super::{LoadArgs, meter};
use crate::cli::{Failure, run};
use crate::io::clock::Clock;
use crate::io::entropy;
use crate::io::pace::Pace;
use crate::io::priority;
use crate::io::sockets::{Arrival, Datagram, Listener, Sockets};
use crate::io::tls::{Settings, Tls};
use crate::sdp;
use crate::sip::endpoint::{
    AccessTable, Counts, Dial, Endpoint, Event, Extensions, Local, Options, Output, SessionEvent, Target,
    Transport,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::Instant as TokioInstant;

/// Datagrams that one turn takes, as in the engine.
const A_TURN: usize = 64;

/// What the child says, a line each, as it comes to it.
#[derive(Serialize, Deserialize, Debug)]
enum Said {
    /// It begins to dial.
    Ready,
    /// So many calls were answered and have ended.
    Over(u32),
    /// So much is left once SIP may forget.
    Left(usize),
}

/// What came of it.
#[derive(Serialize, Debug)]
pub struct Outcome {
    /// Processor time of the whole process.
    pub cpu_ms_per_call: f64,
    /// Calls that did not come to an answer and a BYE.
    pub lost: u32,
    /// When the last call had ended.
    pub resident_bytes_after: u64,
    /// Sessions, dialogs and transactions.
    pub left_after_64_t1: usize,
}

/// Runs it as a child and measures that.
pub fn measure(args: &LoadArgs, calls: u32) -> Result<Outcome, Failure> {
    let far = Callee::start(None, Manner::signalling(args.lose))?;
    let child = Command::new(std::env::current_exe()?)
        .args(["load", "--signalling", "--user-agent-towards", &far.address().to_string()])
        .args([
            "--calls",
            &calls.to_string(),
            "--rate",
            &args.rate.to_string(),
            "--lose",
            &args.lose.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut child = Alone { lines: None, child };
    let bar = super::bar(args, 1, "user agent");
    child.hear()?;
    let before = meter::of_process(child.child.id())?;
    let Said::Over(ended) = child.hear()? else { return Err(child.lost()) };
    let spent = meter::of_process(child.child.id())? - before;
    let resident_bytes_after = meter::resident(child.child.id())?;
    let Said::Left(left_after_64_t1) = child.hear()? else { return Err(child.lost()) };
    bar.finish_and_clear();
    Ok(Outcome {
        cpu_ms_per_call: spent.all.as_secs_f64() * 1_000.0 / f64::from(calls),
        lost: calls - ended.min(far.seen().ended.load(Ordering::Relaxed)).min(calls),
        resident_bytes_after,
        left_after_64_t1,
    })
}

struct Alone {
    lines: Option<BufReader<std::process::ChildStdout>>,
    child: Child,
}

impl Alone {
    fn hear(&mut self) -> Result<Said, Failure> {
        if self.lines.is_none() {
            self.lines = self.child.stdout.take().map(BufReader::new);
        }
        let mut line = String::new();
        if let Some(lines) = &mut self.lines {
            lines.read_line(&mut line)?;
        }
        serde_json::from_str(&line).map_err(|_| self.lost())
    }

    fn lost(&self) -> Failure {
        Failure::Failed("the SIP user agent has ended before its time".to_owned())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child: dials, takes what comes, and tells.
pub fn serve(args: &LoadArgs, callee: SocketAddr) -> Result<(), Failure> {
    priority::raise(priority::CONTROL);
    run::runtime()?.block_on(async {
        let mut agent = UserAgent::new(args, callee)?;
        say(&Said::Ready)?;
        let dialed_within = Duration::from_secs(u64::from(args.calls / args.rate));
        agent.run_until(patience(args.lose) + dialed_within, |agent| agent.ended == args.calls).await;
        say(&Said::Over(agent.answered.min(agent.ended)))?;
        agent.run_until(FORGET_WITHIN, |agent| agent.left() == 0).await;
        say(&Said::Left(agent.left()))
    })
}

fn say(said: &Said) -> Result<(), Failure> {
    let line = serde_json::to_string(said).map_err(std::io::Error::from)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

struct UserAgent {
    clock: Clock,
    endpoint: Endpoint,
    sockets: Sockets,
    callee: SocketAddr,
    own: SocketAddr,
    calls: u32,
    rate: u32,
    begun: TokioInstant,
    dialed: u32,
    answered: u32,
    ended: u32,
}

impl UserAgent {
    fn new(args: &LoadArgs, callee: SocketAddr) -> Result<Self, Failure> {
        let failed = |text: String| Failure::Failed(text);
        let listener = Listener::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), None).map_err(
            |(what, address, error)| failed(format!("cannot listen on {what} {address}: {error}")),
        )?;
        let own = listener.address()?;
        let access = AccessTable::new(vec![Local::new(own)]);
        let tls = Tls::load(Settings::default()).map_err(|_| failed("no TLS".to_owned()))?;
        let sockets = Sockets::new(vec![listener], access.clone(), tls);
        let options = Options { access, sessions_max: args.calls as usize, ..Options::default() };
        let mut endpoint = Endpoint::new(options, entropy::rng()?);
        endpoint.allow_source(callee.ip());
        Ok(UserAgent {
            clock: Clock::start(),
            endpoint,
            sockets,
            callee,
            own,
            calls: args.calls,
            rate: args.rate,
            begun: TokioInstant::now(),
            dialed: 0,
            answered: 0,
            ended: 0,
        })
    }

    /// What SIP remembers.
    fn left(&self) -> usize {
        let Counts { sessions, dialogs, client_transactions, server_transactions, acks, .. } =
            self.endpoint.counts();
        sessions + dialogs + client_transactions + server_transactions + acks
    }

    /// In turns, as the engine's control plane does: what has gathered is worked off together.
    async fn run_until(&mut self, within: Duration, is_over: impl Fn(&Self) -> bool) {
        let mut buffer = vec![0u8; 65_536];
        let mut pace = Pace::default();
        let give_up = TokioInstant::now() + within;
        while !is_over(self) && TokioInstant::now() < give_up {
            pace.rest().await;
            let wake_at = self.wake_at().map_or(give_up, |due| due.min(give_up));
            tokio::select! {
                arrival = self.sockets.next(&mut buffer) => {
                    if let Arrival::Datagram(came) = arrival {
                        self.take(came, &buffer);
                    }
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
            pace.begin(Instant::now());
            for _ in 1..A_TURN {
                let Some(came) = self.sockets.try_datagram(&mut buffer) else { break };
                self.take(came, &buffer);
            }
            self.dial_due();
            let now = self.clock.now().instant;
            if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
                self.endpoint.handle_timeout(now);
            }
            self.flush().await;
        }
    }

    fn take(&mut self, came: Datagram, buffer: &[u8]) {
        self.endpoint.handle_from(self.clock.now().instant, came.source, &buffer[..came.length]);
    }

    fn wake_at(&self) -> Option<TokioInstant> {
        let timer = self.endpoint.poll_timeout().map(|due| TokioInstant::from_std(self.clock.to_std(due)));
        let dial = (self.dialed < self.calls).then(|| self.dial_at());
        timer.into_iter().chain(dial).min()
    }

    fn dial_at(&self) -> TokioInstant {
        self.begun + Duration::from_secs(u64::from(self.dialed)) / self.rate
    }

    fn dial_due(&mut self) {
        while self.dialed < self.calls && self.dial_at() <= TokioInstant::now() {
            let dial = self.call();
            self.dialed += 1;
            if self.endpoint.invite(self.clock.now().instant, dial).is_err() {
                // Counted as lost: it has ended and was not answered.
                self.ended += 1;
            }
        }
    }

    fn call(&self) -> Dial {
        let number = format!("+1202{:07}", 2_000_000 + self.dialed);
        let offer = sdp::Offer {
            before: &[],
            after: &[],
            session_id: u64::from(self.dialed),
            version: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 9,
            codecs: &[sdp::Codec::Pcmu, sdp::Codec::Pcma],
            telephone_event: Some(101),
            comfort_noise: false,
            ptime_ms: 20,
            direction: sdp::Direction::BOTH,
            rtcp_mux: true,
            security: sdp::Security::Plain,
        };
        Dial {
            target: Target::new(Transport::Udp, self.callee),
            request_uri: format!("sip:{number}@{}", self.callee),
            from: format!("<sip:+12025550100@{}>", self.own.ip()),
            to: format!("<sip:{number}@{}>", self.callee.ip()),
            call_id: format!("load-{}@{}", self.dialed, self.own),
            credentials: None,
            headers: Vec::new(),
            sdp: sdp::offer(&offer),
            response_timeout: Duration::from_secs(32),
            extensions: Extensions::default(),
            names: None,
        }
    }

    async fn flush(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { target, bytes } => {
                    if !self.sockets.send(target, bytes).await {
                        self.endpoint.handle_transport_error(self.clock.now().instant, target);
                    }
                }
                Output::Event(Event::Session { event: SessionEvent::Answered { .. }, .. }) => {
                    self.answered += 1
                }
                Output::Event(Event::Session { event: SessionEvent::Ended, .. }) => self.ended += 1,
                Output::Event(_) => {}
            }
        }
    }
}
