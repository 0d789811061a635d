//! SIP over TCP (RFC 3261, 18.2 and 18.3): one connection a peer, opened when first needed, framed by Content-Length.

use crate::sip::framing::Framer;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// Connections at once, taken and made.
const CONNECTIONS_MAX: usize = 256;

/// Messages that wait to be written to one peer.
const QUEUE_MAX: usize = 1_024;

/// A peer that does not take the connection by then is given up; another trunk may be waiting its turn.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// What a connection tells the control plane.
#[derive(Debug)]
pub enum StreamEvent {
    /// One whole message came.
    Message {
        /// From whom.
        peer: SocketAddr,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The connection could not be made, or is gone.
    Closed {
        /// With whom.
        peer: SocketAddr,
    },
}

/// Both ends of one peer's queue of messages to write.
type Queue = (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>);

/// All connections.
#[derive(Debug)]
pub struct Streams {
    peers: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    events: mpsc::Sender<StreamEvent>,
    local: IpAddr,
}

impl Streams {
    /// None yet; what they say goes to `events`. Ours come from the address `local`, as our datagrams do: peers know us
    /// by it.
    pub fn new(local: IpAddr, events: mpsc::Sender<StreamEvent>) -> Self {
        Streams { peers: HashMap::new(), events, local }
    }

    /// Sends a message, over a new connection if there is none. False when it cannot be queued.
    pub fn send(&mut self, peer: SocketAddr, bytes: Vec<u8>) -> bool {
        let bytes = match self.peers.get(&peer) {
            Some(queue) => match queue.try_send(bytes) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(_)) => return false,
                Err(mpsc::error::TrySendError::Closed(bytes)) => bytes,
            },
            None => bytes,
        };
        let Some(queue) = self.add(peer) else { return false };
        let sent = queue.0.try_send(bytes).is_ok();
        let (events, local) = (self.events.clone(), self.local);
        tokio::spawn(async move {
            let connect = tokio::time::timeout(CONNECT_WITHIN, connect(local, peer)).await;
            match connect {
                Ok(Ok(stream)) => serve(stream, peer, queue.1, events).await,
                Ok(Err(_)) | Err(_) => {
                    drop(queue.1);
                    let _ = events.send(StreamEvent::Closed { peer }).await;
                }
            }
        });
        sent
    }

    /// A peer has connected to us.
    pub fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Some((_, queue)) = self.add(peer) {
            tokio::spawn(serve(stream, peer, queue, self.events.clone()));
        }
    }

    /// A connection is gone; one that has taken its place by now stays.
    pub fn forget(&mut self, peer: SocketAddr) {
        if self.peers.get(&peer).is_some_and(mpsc::Sender::is_closed) {
            self.peers.remove(&peer);
        }
    }

    fn add(&mut self, peer: SocketAddr) -> Option<Queue> {
        self.peers.retain(|_, queue| !queue.is_closed());
        if self.peers.len() >= CONNECTIONS_MAX {
            tracing::warn!(limit = CONNECTIONS_MAX, "no more SIP connections are taken");
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        self.peers.insert(peer, sender.clone());
        Some((sender, receiver))
    }
}

async fn connect(local: IpAddr, peer: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if local.is_ipv4() == peer.is_ipv4() && !local.is_unspecified() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(peer).await
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    mut queue: mpsc::Receiver<Vec<u8>>,
    events: mpsc::Sender<StreamEvent>,
) {
    // Small messages must not wait for each other.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let mut framer = Framer::new();
    let mut buffer = vec![0u8; 16 * 1_024];
    loop {
        tokio::select! {
            read = reader.read(&mut buffer) => {
                let Ok(length @ 1..) = read else { break };
                if !deliver(&mut framer, &buffer[..length], peer, &events).await {
                    break;
                }
            }
            message = queue.recv() => {
                let Some(message) = message else { break };
                if writer.write_all(&message).await.is_err() {
                    break;
                }
            }
        }
    }
    // Nothing may be queued here any more when the end is told.
    drop(queue);
    let _ = events.send(StreamEvent::Closed { peer }).await;
}

/// Hands on every whole message; false when the stream cannot be framed any more.
async fn deliver(
    framer: &mut Framer,
    bytes: &[u8],
    peer: SocketAddr,
    events: &mpsc::Sender<StreamEvent>,
) -> bool {
    framer.push(bytes);
    loop {
        match framer.next() {
            Ok(Some(bytes)) => {
                if events.send(StreamEvent::Message { peer, bytes }).await.is_err() {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(error) => {
                tracing::warn!(%peer, %error, "a SIP stream cannot be framed and is closed");
                return false;
            }
        }
    }
}

/// Takes connections and hands them to the control plane.
pub async fn listen(listener: TcpListener, accepted: mpsc::Sender<(TcpStream, SocketAddr)>) {
    loop {
        match listener.accept().await {
            Ok(pair) => {
                if accepted.send(pair).await.is_err() {
                    return;
                }
            }
            // Out of descriptors, most likely: the pause keeps the loop from spinning.
            Err(error) => {
                tracing::warn!(%error, "cannot take a SIP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
