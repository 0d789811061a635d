//! SIP over TCP and TLS (RFC 3261 sections 18.2 and 18.3): one connection a peer, opened when first needed, used in both
//! directions, framed by Content-Length, kept alive by RFC 5626 section 4.4.1.
//!
//! A connection is one task. What a peer can make it cost is bounded in number, in memory and in time: a connection that
//! was made to us and has not brought one whole message yet is pending, there are few of them, the oldest makes room for
//! the next, and each has seconds to prove itself. So has every message that has begun. Where all have proven themselves, the
//! one that was idle for longest makes room: a trunk that leaves its connections open is let in all the same.

use crate::io::tls::Tls;
use crate::sip::endpoint::{AccessTable, Loss, Target, Transport};
use crate::sip::framing::Framer;
use crate::sip::message::KEEP_ALIVE;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Connections at once, taken and made.
const CONNECTIONS_MAX: usize = 256;

/// Those of them that were made to us: what we have to say finds room beside them.
const ACCEPTED_MAX: usize = 192;

/// Connections of one address that it made to us.
const CONNECTIONS_A_SOURCE: usize = 32;

/// Connections made to us that have not brought a message yet.
const PENDING_MAX: usize = 64;

/// So long one that is pending does not make room for another while there is an idle one: its message is on its way.
const PROVE_WITHIN: Duration = Duration::from_secs(1);

/// How often it is written that connections in use are closed to make room.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Messages that wait to be written to one peer.
const QUEUE_MAX: usize = 1_024;

/// A peer that does not take the connection by then is given up; another trunk may be waiting its turn.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How long the two sides of TLS may take to agree.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(4);

/// How long a message may take to come in whole, the first one of a connection that was made to us included, and how long
/// one may take to go out.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// Without a message in either direction for this long a connection is closed; the next message opens another.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// After so long a silence a double line end is sent (RFC 5626 section 4.4.1 has 95 to 120 seconds).
const PING_AFTER: Duration = Duration::from_secs(100);

/// How long a peer that answers pings may take to (RFC 5626 section 4.4.1).
const PONG_WITHIN: Duration = Duration::from_secs(10);

const PONG: &[u8] = b"\r\n";

/// What a connection tells the control plane.
#[derive(Debug)]
pub enum StreamEvent {
    /// One whole message came.
    Message {
        /// From whom, and by which way.
        source: Target,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The connection could not be made, or is gone.
    Closed {
        /// With whom.
        target: Target,
        /// How much is lost with it.
        loss: Loss,
    },
}

/// Both ends of one peer's queue of messages to write, and what is known of its connection.
type Queue = (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>, Arc<Standing>);

/// All connections.
#[derive(Debug)]
pub struct Streams {
    peers: HashMap<Target, Peer>,
    events: mpsc::Sender<StreamEvent>,
    /// Our listeners' addresses, in the order of the table.
    locals: Vec<IpAddr>,
    table: AccessTable,
    tls: Tls,
    /// When it was last written that connections in use are closed to make room.
    noted: Option<Instant>,
}

#[derive(Debug)]
struct Peer {
    queue: mpsc::Sender<Vec<u8>>,
    was_accepted: bool,
    standing: Arc<Standing>,
}

/// What the task of a connection tells of it.
#[derive(Debug)]
struct Standing {
    begun: Instant,
    /// It has brought a whole message.
    is_proven: AtomicBool,
    /// It has said all that it had to say, and waits for its answers: nothing else goes there.
    has_ended: AtomicBool,
    /// A request of its has no final response yet.
    is_owed: AtomicBool,
    /// The last message in either direction, from `begun` on.
    active_ms: AtomicU64,
}

impl Standing {
    fn new(begun: Instant) -> Self {
        let (is_proven, has_ended, is_owed) = Default::default();
        Standing { begun, is_proven, has_ended, is_owed, active_ms: AtomicU64::new(0) }
    }

    fn note(&self, state: &Conversation) {
        let active_ms = state.active.saturating_duration_since(self.begun).as_millis() as u64;
        self.active_ms.store(active_ms, Ordering::Relaxed);
        self.is_owed.store(state.owed > 0, Ordering::Relaxed);
    }

    fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }

    /// The least is the first to make room.
    fn worth(&self, now: Instant) -> (u8, Instant) {
        let active = self.begun + Duration::from_millis(self.active_ms.load(Ordering::Relaxed));
        match (self.is_proven(), self.is_owed.load(Ordering::Relaxed)) {
            (false, _) if self.begun + PROVE_WITHIN <= now => (0, self.begun),
            (true, false) => (1, active),
            (false, _) => (2, self.begun),
            (true, true) => (3, active),
        }
    }
}

impl Streams {
    /// None yet; what they say goes to `events`. Ours come from the addresses of our listeners, as our datagrams do: peers
    /// know us by them.
    pub fn new(locals: Vec<IpAddr>, table: AccessTable, tls: Tls, events: mpsc::Sender<StreamEvent>) -> Self {
        Streams { peers: HashMap::new(), events, locals, table, tls, noted: None }
    }

    /// Sends a message, over a new connection if there is none. False when it cannot be queued.
    pub fn send(&mut self, target: Target, bytes: Vec<u8>) -> bool {
        let bytes = match self.peers.get(&target) {
            // It came from a port that takes no connection.
            Some(peer) if peer.standing.has_ended.load(Ordering::Relaxed) && !is_response(&bytes) => {
                return false;
            }
            Some(peer) => match peer.queue.try_send(bytes) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(_)) => return false,
                Err(mpsc::error::TrySendError::Closed(bytes)) => bytes,
            },
            None => bytes,
        };
        let Some((queue, receiver, standing)) = self.add(target, false) else { return false };
        let sent = queue.try_send(bytes).is_ok();
        let local = self.locals.get(self.table.local_of(target)).copied();
        let domain = self.table.get(target.access).domain.clone();
        let (events, tls) = (self.events.clone(), self.tls.clone());
        tokio::spawn(async move {
            let connection =
                Connection { peer: target, queue: receiver, events, standing, was_accepted: false };
            match open(local, target, &domain, &tls).await {
                Ok(Opened::Plain(stream)) => connection.serve(stream).await,
                Ok(Opened::Secured(stream)) => connection.serve(stream).await,
                Err(error) => {
                    tracing::info!(peer = %target.address, transport = target.transport.as_str(), %error,
                        "a SIP connection could not be made");
                    connection.close(Loss::Refused).await;
                }
            }
        });
        sent
    }

    /// A peer has connected to us.
    pub fn accept(&mut self, stream: TcpStream, source: Target) {
        let Some((_, queue, standing)) = self.add(source, true) else { return };
        let events = self.events.clone();
        let connection = Connection { peer: source, queue, events, standing, was_accepted: true };
        let acceptor = (source.transport == Transport::Tls).then(|| self.tls.acceptor());
        tokio::spawn(async move {
            // Small messages must not wait for each other.
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => connection.serve(stream).await,
                Some(None) => connection.close(Loss::Refused).await,
                Some(Some(acceptor)) => connection.secure(acceptor, stream).await,
            }
        });
    }

    /// A connection is gone. False when the peer has a newer one, which stays.
    pub fn forget(&mut self, target: Target) -> bool {
        if self.peers.get(&target).is_some_and(|peer| !peer.queue.is_closed()) {
            return false;
        }
        self.peers.remove(&target);
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.peers.values().filter(|peer| !peer.queue.is_closed()).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, peer: Target, was_accepted: bool) -> Option<Queue> {
        self.peers.retain(|_, peer| !peer.queue.is_closed());
        if was_accepted {
            self.make_room(peer.address.ip());
        }
        if self.peers.len() >= CONNECTIONS_MAX {
            tracing::warn!(limit = CONNECTIONS_MAX, "no more SIP connections are taken");
            return None;
        }
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let standing = Arc::new(Standing::new(Instant::now()));
        self.peers.insert(peer, Peer { queue: queue.clone(), was_accepted, standing: Arc::clone(&standing) });
        Some((queue, receiver, standing))
    }

    /// Room for one more connection of `source` among those that were made to us.
    fn make_room(&mut self, source: IpAddr) {
        let accepted = || self.peers.iter().filter(|(_, peer)| peer.was_accepted);
        let of_source = |(target, _): &(&Target, &Peer)| target.address.ip() == source;
        let pending = |(_, peer): &(&Target, &Peer)| !peer.standing.is_proven();
        let now = Instant::now();
        let worth = |(_, peer): &(&Target, &Peer)| peer.standing.worth(now);
        let least = if accepted().filter(of_source).count() >= CONNECTIONS_A_SOURCE {
            accepted().filter(of_source).min_by_key(worth)
        } else if accepted().filter(pending).count() >= PENDING_MAX {
            accepted().filter(pending).min_by_key(worth)
        } else if accepted().count() >= ACCEPTED_MAX {
            accepted().min_by_key(worth)
        } else {
            return;
        };
        let Some(least) = least.map(|(target, _)| *target) else { return };
        // Its task ends with its queue.
        let Some(peer) = self.peers.remove(&least) else { return };
        if peer.standing.is_proven() && self.noted.is_none_or(|noted| noted + NOTE_EVERY <= now) {
            self.noted = Some(now);
            tracing::warn!(peer = %least.address, limit_a_source = CONNECTIONS_A_SOURCE, limit = ACCEPTED_MAX,
                "peers leave SIP connections open: those that were idle for longest are closed for new ones");
        }
    }
}

enum Opened {
    Plain(TcpStream),
    Secured(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn open(local: Option<IpAddr>, target: Target, domain: &str, tls: &Tls) -> io::Result<Opened> {
    let too_late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let stream = timeout(CONNECT_WITHIN, connect(local, target.address)).await.map_err(too_late)??;
    // Small messages must not wait for each other.
    let _ = stream.set_nodelay(true);
    if target.transport != Transport::Tls {
        return Ok(Opened::Plain(stream));
    }
    let handshake = tls.connect(target.access, domain, stream);
    let stream = timeout(HANDSHAKE_WITHIN, handshake).await.map_err(too_late)??;
    Ok(Opened::Secured(Box::new(stream)))
}

async fn connect(local: Option<IpAddr>, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local.filter(|local| local.is_ipv4() == peer.is_ipv4() && !local.is_unspecified()) {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(peer).await
}

/// One connection and its task.
struct Connection {
    peer: Target,
    queue: mpsc::Receiver<Vec<u8>>,
    events: mpsc::Sender<StreamEvent>,
    standing: Arc<Standing>,
    was_accepted: bool,
}

impl Connection {
    async fn secure(mut self, acceptor: tokio_rustls::TlsAcceptor, stream: TcpStream) {
        let handshake = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            // The queue is closed when another connection takes this one's place.
            _ = self.queue.recv() => return self.close(Loss::Refused).await,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => {
                tracing::info!(peer = %self.peer.address, %error, "a TLS peer was not let in");
                self.close(Loss::Refused).await;
            }
            Err(_) => self.close(Loss::Refused).await,
        }
    }

    async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut state = Conversation::new(Instant::now(), self.was_accepted);
        let mut is_heard = self.was_accepted;
        let mut buffer = vec![0u8; 16 * 1_024];
        loop {
            let deadline = state.deadline();
            let outgoing = tokio::select! {
                read = reader.read(&mut buffer), if !state.has_ended() => {
                    let length = match read {
                        Ok(0) if self.was_accepted && state.owed > 0 => {
                            self.standing.has_ended.store(true, Ordering::Relaxed);
                            state.handle_end(Instant::now());
                            continue;
                        }
                        Ok(0) | Err(_) => break,
                        Ok(length) => length,
                    };
                    is_heard = true;
                    if state.is_broken() {
                        // Read, or the answer would be lost with what was not; but not looked at.
                        continue;
                    }
                    match self.deliver(&mut state, &buffer[..length]).await {
                        Some(0) => continue,
                        Some(pings) => PONG.repeat(pings),
                        None if state.is_broken() => continue,
                        None => break,
                    }
                }
                message = self.queue.recv() => {
                    let Some(message) = message else { break };
                    state.handle_outgoing(Instant::now(), &message);
                    self.standing.note(&state);
                    message
                }
                () = tokio::time::sleep_until(deadline) => match state.handle_timeout(Instant::now()) {
                    Due::Ping => KEEP_ALIVE.to_vec(),
                    Due::Close(why) => {
                        tracing::debug!(peer = %self.peer.address, why, "a SIP connection is closed");
                        break;
                    }
                    Due::Nothing => continue,
                },
            };
            let written = async {
                writer.write_all(&outgoing).await?;
                writer.flush().await
            };
            let is_written = matches!(timeout(MESSAGE_WITHIN, written).await, Ok(Ok(())));
            if !is_written || state.is_broken() || state.is_answered() && self.queue.is_empty() {
                break;
            }
        }
        let _ = timeout(Duration::from_millis(200), writer.shutdown()).await;
        self.close(if is_heard { Loss::Broken } else { Loss::Unheard }).await;
    }

    /// Hands on every whole message and tells how many pings came; `None` when the stream cannot be framed any more.
    async fn deliver(&self, state: &mut Conversation, bytes: &[u8]) -> Option<usize> {
        state.framer.push(bytes);
        state.unaccounted += bytes.len() + state.waiting;
        loop {
            match state.framer.next() {
                Ok(Some(bytes)) => {
                    state.unaccounted -= bytes.len();
                    state.handle_message(Instant::now(), &bytes);
                    self.standing.is_proven.store(true, Ordering::Relaxed);
                    self.standing.note(state);
                    let message = StreamEvent::Message { source: self.peer, bytes };
                    if self.events.send(message).await.is_err() {
                        return None;
                    }
                }
                Ok(None) => return Some(state.handle_rest(Instant::now())),
                Err(error) => {
                    tracing::warn!(peer = %self.peer.address, %error, "a SIP stream cannot be framed and is closed");
                    // It is told why, if it was a request: what is there of it is read and refused like any other.
                    let message =
                        StreamEvent::Message { source: self.peer, bytes: state.framer.take_rejected() };
                    state.handle_broken(Instant::now());
                    let _ = self.events.send(message).await;
                    return None;
                }
            }
        }
    }

    /// Closed before it is told, or what is sent meanwhile would be queued for nobody.
    async fn close(self, loss: Loss) {
        let Connection { peer: target, queue, events, .. } = self;
        drop(queue);
        let _ = events.send(StreamEvent::Closed { target, loss }).await;
    }
}

/// So long a peer whose message broke the frame may be told so.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// So long a peer that has closed its side (RFC 9293, 3.6: it may still listen) may be answered what it has asked.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

fn is_response(message: &[u8]) -> bool {
    message.starts_with(b"SIP/2.0 ")
}

/// What a connection's deadline asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Ping,
    Close(&'static str),
    Nothing,
}

/// What has passed over a connection, and until when it must go on.
#[derive(Debug)]
struct Conversation {
    framer: Framer,
    /// Bytes of an incomplete message, as of the last read.
    waiting: usize,
    /// Line ends between messages that no ping was made of yet, while a read is taken apart: everything not yet told apart.
    unaccounted: usize,
    /// When the message that has begun, or the first one of a connection made to us, must be there.
    message_by: Option<Instant>,
    /// The last message in either direction.
    active: Instant,
    /// The last bytes of any kind, or the last ping.
    heard: Instant,
    pong_by: Option<Instant>,
    /// The stream has lost its frame: nothing is read any more, and what is answered until then still leaves.
    broken_until: Option<Instant>,
    /// The peer has closed its side, and is owed answers until then.
    ended_until: Option<Instant>,
    /// Requests that no final response has gone out to.
    owed: usize,
    /// Whether it has ever answered a ping: only then is silence a fault (RFC 5626 section 4.4.1 has it negotiated).
    answers_pings: bool,
    /// We ping those that we have connected to; those that connected to us ping us.
    pings: bool,
}

impl Conversation {
    fn new(now: Instant, was_accepted: bool) -> Self {
        Conversation {
            framer: Framer::new(),
            waiting: 0,
            unaccounted: 0,
            message_by: was_accepted.then(|| now + MESSAGE_WITHIN),
            active: now,
            heard: now,
            pong_by: None,
            broken_until: None,
            ended_until: None,
            owed: 0,
            answers_pings: false,
            pings: !was_accepted,
        }
    }

    fn handle_outgoing(&mut self, now: Instant, message: &[u8]) {
        self.active = now;
        if is_response(message) && !message.starts_with(b"SIP/2.0 1") {
            self.owed = self.owed.saturating_sub(1);
        }
    }

    fn handle_end(&mut self, now: Instant) {
        self.ended_until = Some(now + ANSWERED_WITHIN);
    }

    /// The peer has closed its side and is owed nothing.
    fn is_answered(&self) -> bool {
        self.has_ended() && self.owed == 0
    }

    fn has_ended(&self) -> bool {
        self.ended_until.is_some()
    }

    fn handle_broken(&mut self, now: Instant) {
        self.broken_until = Some(now + REFUSED_WITHIN);
        self.owed += 1;
    }

    fn is_broken(&self) -> bool {
        self.broken_until.is_some()
    }

    fn handle_message(&mut self, now: Instant, message: &[u8]) {
        self.active = now;
        self.message_by = None;
        // An ACK has no answer.
        self.owed += usize::from(!is_response(message) && !message.starts_with(b"ACK "));
    }

    /// All whole messages are taken: what is left is the beginning of the next, and line ends that went before it.
    fn handle_rest(&mut self, now: Instant) -> usize {
        self.heard = now;
        self.waiting = self.framer.waiting();
        let line_ends = self.unaccounted.saturating_sub(self.waiting);
        if self.waiting > 0 {
            self.message_by.get_or_insert(now + MESSAGE_WITHIN);
        }
        if self.pong_by.is_some() && line_ends >= PONG.len() {
            self.pong_by = None;
            self.answers_pings = true;
            self.unaccounted = 0;
            return 0;
        }
        // Half a ping may be followed by its other half.
        self.unaccounted = if self.waiting > 0 { 0 } else { line_ends % KEEP_ALIVE.len() };
        line_ends / KEEP_ALIVE.len()
    }

    fn deadline(&self) -> Instant {
        if let Some(until) = self.broken_until.or(self.ended_until) {
            return until;
        }
        let mut deadline = self.active + IDLE_MAX;
        if self.pings && self.pong_by.is_none() {
            deadline = deadline.min(self.heard.max(self.active) + PING_AFTER);
        }
        [self.message_by, self.pong_by].into_iter().flatten().fold(deadline, Instant::min)
    }

    fn handle_timeout(&mut self, now: Instant) -> Due {
        if self.is_broken() {
            return Due::Close("it cannot be framed");
        }
        if self.has_ended() {
            return Due::Close("its peer has closed it");
        }
        if self.message_by.is_some_and(|by| by <= now) {
            return Due::Close("its message did not come");
        }
        if self.active + IDLE_MAX <= now {
            return Due::Close("it was idle");
        }
        if self.pong_by.is_some_and(|by| by <= now) {
            if self.answers_pings {
                return Due::Close("it does not answer any more");
            }
            self.pong_by = None;
            self.heard = now;
        }
        if self.pings && self.pong_by.is_none() && self.heard.max(self.active) + PING_AFTER <= now {
            self.pong_by = Some(now + PONG_WITHIN);
            return Due::Ping;
        }
        Due::Nothing
    }
}

#[cfg(test)]
mod tests;
