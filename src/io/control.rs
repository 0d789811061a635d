//! The control plane's loop: whatever comes in goes to the engine, and what the engine wants goes out.
//!
//! One task owns the engine. It waits for a datagram, a stream's message, a media event, an answer of the store, a wish of
//! the operator, a signal, or the engine's own deadline, and works off whatever has gathered before it waits again, no more
//! often than every few milliseconds.

use crate::call::step::Step;
use crate::engine::engine::{Engine, Operator, Output};
use crate::engine::journal::{self, Entry};
use crate::io::address;
use crate::io::clock::Clock;
use crate::io::intake::Intake;
use crate::io::labels::Labels;
use crate::io::media::MediaPlane;
use crate::io::operator::{Asked, Reply, Report, Wish};
use crate::io::pace::Pace;
use crate::io::priority;
use crate::io::resolver::{Answered, Resolver};
use crate::io::sockets::{Arrival, Datagram, Sockets};
use crate::io::stream::StreamEvent;
use crate::io::trace::Tracer;
use crate::media::command as media;
use crate::record::{Answer, LabelRecord, Request};
use crate::sip::endpoint::{Loss, Target};
use crate::sip::locate::Record;
use crate::time::Now;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant as TokioInstant;

/// Datagrams, connections, messages of streams, events of the media plane or answers of the store that one turn works off: so
/// many of each, and what has gathered beyond them has to wait for the next.
const A_TURN: usize = 64;

/// Connections of those that we know among them: what they bring is to be heard before more of the same come.
const KNOWN_A_TURN: usize = 8;

/// The largest datagram: a SIP message over UDP is at most 65,535 bytes with its headers.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// After the time to drain: how long calls may take to end. A CANCEL and a BYE that nobody answers are given up after 32 s
/// (64*T1), and until then they are repeated: a single lost datagram would leave a line up.
const END_WITHIN: Duration = Duration::from_secs(35);

/// Told twice to stop: how long calls may take to end. What is left then, the next run ends.
const KILL_WITHIN: Duration = Duration::from_secs(3);

/// Answers to the last BYEs are waited for in silence for so long.
const PART_WITHIN: Duration = Duration::from_secs(1);

/// What an onlooker sees pass.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A journal entry.
    Journal(&'a Entry),
    /// An event of the media plane.
    Media(&'a media::Event),
    /// A SIP message.
    Sip {
        /// Whether we sent it.
        sent: bool,
        /// The other side.
        peer: SocketAddr,
        /// The message.
        bytes: &'a [u8],
        /// When.
        at: Now,
    },
}

/// Someone who looks on: a live display, a log.
pub type Onlooker = Box<dyn FnMut(Seen<'_>)>;

/// A reload of the configuration, for SIGHUP: what the engine and the media plane should take over, or why not.
pub type Reload = Box<dyn FnMut(&mut Engine, &MediaPlane, Now) -> Result<Reloaded, String>>;

/// What a reload did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reloaded {
    /// What was taken over, in one line.
    pub done: String,
    /// What was not, a line each: rows that cannot be read, and changes that only a restart brings.
    pub warnings: Vec<String>,
}

/// Everything that the loop waits for and talks to.
pub struct Control {
    /// The clock.
    pub clock: Clock,
    /// The engine.
    pub engine: Engine,
    /// SIP, over all transports.
    pub sockets: Sockets,
    /// The media plane.
    pub media: MediaPlane,
    /// What it tells.
    pub media_events: mpsc::Receiver<media::Event>,
    /// The DNS.
    pub resolver: Resolver,
    /// What it answers.
    pub dns_answers: mpsc::Receiver<Answered>,
    /// The store's writer.
    pub requests: mpsc::Sender<Request>,
    /// What it answers.
    pub answers: mpsc::Receiver<Answer>,
    /// The operator's wishes.
    pub wishes: mpsc::Receiver<Asked>,
    /// Labels on their way through the store.
    pub labels: Labels,
    /// Who keeps what calls look like on the wire.
    pub tracer: Tracer,
    /// Who looks on.
    pub onlooker: Onlooker,
    /// What SIGHUP does.
    pub reload: Reload,
    /// On SIGTERM: how long answered calls may go on.
    pub drain: Duration,
    /// Set by an onlooker that has seen enough: the loop ends as on SIGTERM.
    pub stop: Rc<Cell<bool>>,
    /// End by itself when every campaign is completed.
    pub until_completed: bool,
}

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ending {
    No,
    Draining { kill_at: TokioInstant },
    Killed { leave_at: TokioInstant },
}

/// The wait for answers to the last BYEs, so that whoever looks on is told once.
#[derive(Clone, Copy, Default)]
struct Parting {
    since: Option<TokioInstant>,
    is_told: bool,
}

impl Parting {
    fn watch(&mut self, now: TokioInstant, is_parting: bool) {
        if !is_parting {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if now >= since + PART_WITHIN && !self.is_told {
            self.is_told = true;
            tracing::warn!(
                "calls are hung up, but their far ends have not answered: BYE is repeated for up to 32 s"
            );
        }
    }
}

/// What the loop woke up for.
enum Woken {
    Arrival(Arrival),
    Media(media::Event),
    Answer(Answer),
    Dns(Answered),
    Wish(Asked),
    Terminate,
    Reload,
    Deadline,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Control {
    /// Runs until told to stop (or, if so wished, until the campaigns are completed). Dropping the control afterwards closes
    /// the store's request channel, so that its writer finishes.
    pub async fn run(&mut self) -> io::Result<()> {
        priority::raise(priority::CONTROL);
        let mut signals = Signals::listen()?;
        let mut buffer = vec![0u8; DATAGRAM_BYTES_MAX];
        let mut intake = Intake::default();
        let mut pace = Pace::default();
        let mut ending = Ending::No;
        let mut parting = Parting::default();
        let mut watchdog = watchdog_interval().map(Watchdog::new);
        notify(sd_notify::NotifyState::Ready);
        self.flush().await;
        loop {
            if self.is_over(&mut ending).await {
                notify(sd_notify::NotifyState::Stopping);
                return Ok(());
            }
            let is_ending = ending != Ending::No || (self.until_completed && self.engine.is_completed());
            parting.watch(TokioInstant::now(), is_ending && self.engine.is_parting());
            pace.rest().await;
            // Each turn of the loop is a sign of life: under load a deadline may not be what ends the wait for minutes.
            if let Some(watchdog) = &mut watchdog {
                watchdog.handle_turn(TokioInstant::now());
            }
            let wake_at = self.wake_at(ending, watchdog.as_ref().map(|watchdog| watchdog.interval));
            let woken = tokio::select! {
                arrival = self.sockets.next(&mut buffer) => Woken::Arrival(arrival),
                Some(event) = self.media_events.recv() => Woken::Media(event),
                Some(answer) = self.answers.recv() => Woken::Answer(answer),
                Some(answered) = self.dns_answers.recv() => Woken::Dns(answered),
                Some(asked) = self.wishes.recv() => Woken::Wish(asked),
                _ = signals.terminate.recv() => Woken::Terminate,
                _ = signals.interrupt.recv() => Woken::Terminate,
                _ = signals.hang_up.recv() => Woken::Reload,
                () = tokio::time::sleep_until(wake_at) => Woken::Deadline,
            };
            pace.begin(std::time::Instant::now());
            match woken {
                Woken::Arrival(arrival) => self.take_arrival(arrival, &buffer, &mut intake),
                Woken::Media(event) => self.take_media(event),
                Woken::Dns((question, answer)) => {
                    // What is sent there next must say where we are.
                    let peers = answer.iter().flatten().filter_map(Record::address);
                    self.engine.handle_towards(&address::towards(peers, address::local_towards));
                    self.engine.handle_dns(self.clock.now(), &question, answer);
                }
                Woken::Answer(answer) => self.take_answer(answer),
                Woken::Wish(asked) => self.take_wish(asked),
                Woken::Terminate => self.terminate(&mut ending),
                Woken::Reload => self.take_reload(),
                Woken::Deadline => {}
            }
            if self.take_gathered(&mut buffer, &mut intake) {
                pace.hurry();
            }
            self.take_due();
            self.flush().await;
        }
    }

    /// The engine's deadline, the end's, or the watchdog's, whichever is first; at least once a second.
    fn wake_at(&self, ending: Ending, watchdog: Option<Duration>) -> TokioInstant {
        let now = TokioInstant::now();
        let engine =
            self.engine.poll_timeout().map(|deadline| TokioInstant::from_std(self.clock.to_std(deadline)));
        let end = match ending {
            Ending::No => None,
            Ending::Draining { kill_at } => Some(kill_at),
            Ending::Killed { leave_at } => Some(leave_at),
        };
        let idle = now + watchdog.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(1));
        [engine, end].into_iter().flatten().fold(idle, TokioInstant::min)
    }

    async fn is_over(&mut self, ending: &mut Ending) -> bool {
        if self.stop.replace(false) && *ending == Ending::No {
            self.terminate(ending);
            self.flush().await;
        }
        let now = TokioInstant::now();
        match *ending {
            Ending::No => self.until_completed && self.engine.is_completed() && self.engine.is_quiet(),
            Ending::Draining { .. } if self.engine.is_quiet() => true,
            Ending::Draining { kill_at } if kill_at <= now => {
                tracing::warn!("the time to drain is over: ending the remaining calls");
                let _ = self.engine.handle_operator(self.clock.now(), &Operator::Kill);
                self.flush().await;
                *ending = Ending::Killed { leave_at: now + END_WITHIN };
                false
            }
            Ending::Draining { .. } => false,
            Ending::Killed { leave_at } => self.engine.is_quiet() || leave_at <= now,
        }
    }

    fn terminate(&mut self, ending: &mut Ending) {
        let now = TokioInstant::now();
        let wish = match ending {
            Ending::No => {
                tracing::info!(seconds = self.drain.as_secs(), "stopping: no new calls, answered ones go on");
                *ending = Ending::Draining { kill_at: now + self.drain };
                Operator::Drain
            }
            Ending::Draining { .. } => {
                tracing::warn!("told twice to stop: ending the remaining calls now");
                *ending = Ending::Killed { leave_at: now + KILL_WITHIN };
                Operator::Kill
            }
            Ending::Killed { .. } => {
                tracing::warn!("told again to stop: calls that have not ended are left to the next run");
                *ending = Ending::Killed { leave_at: now };
                return;
            }
        };
        let _ = self.engine.handle_operator(self.clock.now(), &wish);
    }

    /// Before the engine acts on a message, or after it has made one: whoever looks on sees it.
    fn see_sip(&mut self, sent: bool, peer: SocketAddr, bytes: &[u8], at: Now) {
        (self.onlooker)(Seen::Sip { sent, peer, bytes, at });
        self.tracer.handle_sip(&self.engine, sent, peer, bytes, at);
        self.tell_media_of_traces();
    }

    fn tell_media_of_traces(&mut self) {
        for command in self.tracer.take_commands() {
            self.media.send(command);
        }
    }

    fn take_arrival(&mut self, arrival: Arrival, buffer: &[u8], intake: &mut Intake) {
        match arrival {
            Arrival::Datagram(datagram) => self.take_datagram(datagram, buffer, intake),
            Arrival::Stream(event) => self.take_stream(event),
            Arrival::Accepted { stream, source } => {
                self.take_connection(stream, source);
            }
            Arrival::Unreachable(address) => self.engine.handle_unreachable(self.clock.now(), address),
            Arrival::Nothing => {}
        }
    }

    /// A stranger's connection is closed unread, or a few hundred of them would keep the trunks' out. Tells whether it is kept.
    fn take_connection(&mut self, stream: TcpStream, source: Target) -> bool {
        let is_known = self.engine.takes_from(source.address.ip());
        if is_known {
            self.sockets.streams().accept(stream, source);
        }
        is_known
    }

    /// What else is there already: to wake for it costs more than most of it does. Tells whether more may be left.
    fn take_gathered(&mut self, buffer: &mut [u8], intake: &mut Intake) -> bool {
        let datagrams = self.take_gathered_datagrams(buffer, intake);
        let connections = self.take_gathered_connections();
        let messages = self.take_gathered_messages();
        let events = self.take_gathered_events();
        let answers = self.take_gathered_answers();
        datagrams || connections || messages || events || answers
    }

    /// Strangers' may be thousands, and the trunks' wait behind them.
    fn take_gathered_connections(&mut self) -> bool {
        let mut known = 0;
        for _ in 0..A_TURN {
            let Some((stream, source)) = self.sockets.try_accept() else { return false };
            known += usize::from(self.take_connection(stream, source));
            if known == KNOWN_A_TURN {
                return false;
            }
        }
        true
    }

    fn take_gathered_datagrams(&mut self, buffer: &mut [u8], intake: &mut Intake) -> bool {
        for _ in 0..A_TURN {
            let Some(datagram) = self.sockets.try_datagram(buffer) else { return false };
            self.take_datagram(datagram, buffer, intake);
        }
        true
    }

    fn take_gathered_messages(&mut self) -> bool {
        for _ in 0..A_TURN {
            let Some(event) = self.sockets.try_stream() else { return false };
            self.take_stream(event);
        }
        true
    }

    fn take_gathered_events(&mut self) -> bool {
        for _ in 0..A_TURN {
            let Ok(event) = self.media_events.try_recv() else { return false };
            self.take_media(event);
        }
        true
    }

    fn take_gathered_answers(&mut self) -> bool {
        for _ in 0..A_TURN {
            let Ok(answer) = self.answers.try_recv() else { return false };
            self.take_answer(answer);
        }
        true
    }

    /// A stranger's datagram is dropped unread unless it answers a request of ours, and so is what no trunk in its senses sends
    /// so fast.
    fn take_datagram(&mut self, datagram: Datagram, buffer: &[u8], intake: &mut Intake) {
        let bytes = &buffer[..datagram.length];
        let ip = datagram.source.address.ip();
        if self.engine.takes(ip, bytes) && intake.admits(TokioInstant::now(), ip, bytes) {
            self.sockets.note(datagram, bytes);
            self.take_message(datagram.source, bytes);
        }
    }

    fn take_message(&mut self, source: Target, bytes: &[u8]) {
        let at = self.clock.now();
        self.see_sip(false, source.address, bytes, at);
        self.engine.handle_message(at, source, bytes);
    }

    fn take_stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Message { source, bytes } => self.take_message(source, &bytes),
            // A newer connection may carry the peer's traffic by now; what the old one owed, SIP's timers find out.
            StreamEvent::Closed { target, loss } => {
                if self.sockets.streams().forget(target) {
                    self.engine.handle_undelivered(self.clock.now(), target, loss);
                }
            }
        }
    }

    fn take_media(&mut self, event: media::Event) {
        (self.onlooker)(Seen::Media(&event));
        self.engine.handle_media(self.clock.now(), &event);
    }

    fn take_answer(&mut self, answer: Answer) {
        if let Some(answer) = self.labels.handle_answer(answer) {
            self.engine.handle_answer(self.clock.now(), answer);
        }
    }

    fn take_wish(&mut self, (wish, back): Asked) {
        let now = self.clock.now();
        if let Wish::Label { call, label, by } = &wish {
            tracing::info!("the operator asked: {wish}");
            return match LabelRecord::new(call, label, by, now.wall) {
                Ok(record) => {
                    let request = self.labels.handle_wish(record, back);
                    request.into_iter().for_each(|request| self.store(request));
                }
                Err(error) => drop(back.send(Reply::Error(error))),
            };
        }
        let traced = self.tracer.handle_wish(&self.engine, &wish, now.instant);
        self.tell_media_of_traces();
        let reply = match wish.to_operator() {
            _ if traced.is_some() => traced.expect("it was looked at just now"),
            Err(error) => Reply::Error(error),
            Ok(None) => self.explain(&wish, now).unwrap_or_else(|| Reply::Status(Box::new(self.report(now)))),
            Ok(Some(operator)) => match self.engine.handle_operator(now, &operator) {
                Ok(()) => Reply::Ok(true),
                Err(error) => Reply::Error(error),
            },
        };
        if matches!(reply, Reply::Ok(_)) {
            tracing::info!("the operator asked: {wish}");
        }
        let _ = back.send(reply);
    }

    /// Why something is not dialed, or was: when that is what was asked.
    fn explain(&self, wish: &Wish, now: Now) -> Option<Reply> {
        match wish {
            Wish::ExplainContact { campaign, facts } => {
                Some(match self.engine.explain_contact(now, campaign, facts) {
                    Ok(explained) => Reply::Contact(Box::new(explained)),
                    Err(error) => Reply::Error(error),
                })
            }
            Wish::ExplainAttempt { call } => {
                Some(Reply::Attempt(self.engine.explain_attempt(call).map(Box::new)))
            }
            _ => None,
        }
    }

    fn report(&self, now: Now) -> Report {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Report { engine: self.engine.status(now), tasks, ports: self.media.ports_held() }
    }

    fn take_reload(&mut self) {
        match (self.reload)(&mut self.engine, &self.media, self.clock.now()) {
            Ok(reloaded) => {
                for warning in &reloaded.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!("reloaded: {}", reloaded.done);
            }
            Err(fault) => tracing::error!("not reloaded, the running configuration stays: {fault}"),
        }
    }

    fn take_due(&mut self) {
        let now = self.clock.now();
        if self.engine.poll_timeout().is_some_and(|deadline| deadline <= now.instant) {
            self.engine.handle_timeout(now);
        }
    }

    /// Does what the engine wants.
    async fn flush(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip { target, bytes } => self.send(target, bytes).await,
                Output::Dns(question) => self.resolver.ask(question),
                Output::Media(command) => self.media.send(command),
                Output::Store(request) => self.store(request),
                Output::Journal(entry) => {
                    log(&entry);
                    self.tracer.handle_journal(&entry);
                    (self.onlooker)(Seen::Journal(&entry));
                }
            }
        }
        self.engine.handle_sent(self.clock.now().instant);
    }

    async fn send(&mut self, target: Target, bytes: Vec<u8>) {
        let at = self.clock.now();
        if !self.engine.may_leave(at, &bytes) {
            return;
        }
        self.see_sip(true, target.address, &bytes, at);
        if !self.sockets.send(target, bytes).await {
            self.engine.handle_undelivered(at, target, Loss::Broken);
        }
    }

    fn store(&mut self, request: Request) {
        let (request, error) = match self.requests.try_send(request) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(request)) => (request, "the store's queue is full"),
            Err(mpsc::error::TrySendError::Closed(request)) => (request, "the store has gone"),
        };
        let error = error.to_owned();
        let answer = match &request {
            Request::CommitInvite(invite) => Answer::InviteRefused { attempt: invite.attempt, error },
            _ => Answer::Failed { request: Box::new(request), error },
        };
        self.take_answer(answer);
    }
}

fn log(entry: &Entry) {
    match &entry.event {
        journal::Event::Store { .. } => tracing::error!("{}", entry.event),
        journal::Event::Trunk { .. }
        | journal::Event::CallerId { .. }
        | journal::Event::Guard { .. }
        | journal::Event::Former { .. }
        | journal::Event::Attempt { step: Step::NoAgentPort { .. }, .. } => {
            tracing::warn!("{}", entry.event)
        }
        journal::Event::Skipped { .. } => tracing::debug!("{}", entry.event),
        _ => tracing::info!("{}", entry.event),
    }
}

/// A third of what systemd allows between two signs of life: the wait between two turns comes on top.
fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 3)
}

/// Tells systemd that the loop still turns, no more often than it wants to know.
struct Watchdog {
    interval: Duration,
    due: TokioInstant,
}

impl Watchdog {
    fn new(interval: Duration) -> Self {
        Watchdog { interval, due: TokioInstant::now() }
    }

    fn handle_turn(&mut self, now: TokioInstant) {
        if now >= self.due {
            self.due = now + self.interval;
            notify(sd_notify::NotifyState::Watchdog);
        }
    }
}

/// Without systemd there is nobody to tell, and that is no fault.
fn notify(state: sd_notify::NotifyState<'_>) {
    let _ = sd_notify::notify(&[state]);
}
