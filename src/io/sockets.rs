//! SIP's sockets: of each listener one for datagrams, one for TCP and, where wished, one for TLS, and behind them the
//! connections. One call waits for whatever comes next on any of them, one sends by the way that a target names.

use crate::io::icmp;
use crate::io::packet_info::{self, CameTo};
use crate::io::stream::{StreamEvent, Streams};
use crate::io::tls::Tls;
use crate::sip::endpoint::{AccessTable, Target, Transport};
use crate::sip::message::is_response;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Socket buffers of SIP: bursts of hundreds of calls overflow the system's default.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Stream events that wait for the loop. Each holds at most one message; connections wait while it is full.
const STREAM_QUEUE: usize = 1_024;

/// Addresses that ICMP has told of and that wait for the loop; what is told beyond them, SIP's timers find out.
const UNREACHABLE_QUEUE: usize = 64;

/// Connections that the kernel keeps until they are taken.
const BACKLOG: i32 = 1_024;

/// Ports of the system's choice that are tried.
const CHOICES_MAX: usize = 16;

/// The sockets of one address of ours.
#[derive(Debug)]
pub struct Listener {
    udp: Arc<UdpSocket>,
    /// It is bound to the wildcard address, and the system tells where datagrams come to.
    tells_local: bool,
    tcp: TcpListener,
    tls: Option<TcpListener>,
}

/// What came.
#[derive(Debug)]
pub enum Arrival {
    /// A datagram, in the caller's buffer.
    Datagram(Datagram),
    /// A connection tells.
    Stream(StreamEvent),
    /// A peer has connected.
    Accepted {
        /// The connection.
        stream: TcpStream,
        /// From whom, and by which way.
        source: Target,
    },
    /// ICMP says that datagrams cannot be brought there.
    Unreachable(SocketAddr),
    /// A socket error that concerns no one in particular: a connection that has gone before it was taken.
    Nothing,
}

/// Of a datagram in the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// From whom, and by which way.
    pub source: Target,
    /// How long it is.
    pub length: usize,
    /// The address of ours that it came to, where the socket has several.
    pub local: Option<IpAddr>,
}

/// What cannot be bound (UDP, TCP or TLS), where, and why.
type Unbound = (&'static str, SocketAddr, io::Error);

/// Its length, its source, and the address of ours that it came to, if the system tells.
type Received = (usize, SocketAddr, Option<IpAddr>);

impl Listener {
    /// Binds all of one address, TCP on the port of UDP. The error names the transport.
    pub fn bind(address: SocketAddr, tls_port: Option<u16>) -> Result<Listener, Unbound> {
        // A port of the system's choice is free for UDP; for TCP another may have it.
        let more = if address.port() == 0 { CHOICES_MAX - 1 } else { 0 };
        let is_had = |pair: &Result<_, Unbound>| !matches!(pair, Err((_, _, error)) if error.kind() == io::ErrorKind::AddrInUse);
        let pair = (0..more).map(|_| one_port(address)).find(is_had);
        let (udp, tcp, bound) = pair.unwrap_or_else(|| one_port(address))?;
        // Without it answers leave by the routing table.
        let tells_local = bound.ip().is_unspecified() && packet_info::ask(&udp, bound).is_ok();
        let secured = tls_port.map(|port| SocketAddr::new(address.ip(), port));
        let tls = secured.map(|address| tcp_listener(address).map_err(|error| ("TLS", address, error)));
        Ok(Listener { udp: Arc::new(udp), tells_local, tcp, tls: tls.transpose()? })
    }

    /// Where it listens for datagrams and TCP.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Waits for a datagram.
    fn poll_datagram(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Received>> {
        loop {
            ready!(self.udp.poll_recv_ready(cx))?;
            match self.try_datagram(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                told => return Poll::Ready(told),
            }
        }
    }

    fn try_datagram(&self, buffer: &mut [u8]) -> io::Result<Received> {
        if self.tells_local {
            return packet_info::try_receive(&self.udp, buffer);
        }
        self.udp.try_recv_from(buffer).map(|(length, source)| (length, source, None))
    }

    /// Where it listens for TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|tls| tls.local_addr().ok())
    }
}

/// All of them.
#[derive(Debug)]
pub struct Sockets {
    listeners: Vec<Listener>,
    table: AccessTable,
    came_to: CameTo,
    streams: Streams,
    stream_events: mpsc::Receiver<StreamEvent>,
    /// What ICMP tells, and who listens for it.
    unreachable: mpsc::Receiver<SocketAddr>,
    _watches: JoinSet<()>,
    /// Which listener is looked at first: each in its turn, so that a flood at one does not silence the others.
    turn: usize,
}

impl Sockets {
    /// The listeners of `table`, in its order.
    pub fn new(listeners: Vec<Listener>, table: AccessTable, tls: Tls) -> Self {
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        let ip = |listener: &Listener| listener.address().map_or(unspecified, |address| address.ip());
        let (events, stream_events) = mpsc::channel(STREAM_QUEUE);
        let streams = Streams::new(listeners.iter().map(ip).collect(), table.clone(), tls, events);
        let (unreachable, watches) = watch(&listeners);
        let came_to = CameTo::default();
        Sockets { listeners, table, came_to, streams, stream_events, unreachable, _watches: watches, turn: 0 }
    }

    /// The listeners.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The connections.
    pub fn streams(&mut self) -> &mut Streams {
        &mut self.streams
    }

    /// Waits for what comes next. Nothing is lost when the wait is given up.
    pub async fn next(&mut self, buffer: &mut [u8]) -> Arrival {
        let count = self.listeners.len();
        self.turn = (self.turn + 1) % count;
        let (listeners, table, turn) = (&self.listeners, &self.table, self.turn);
        let listened = poll_fn(|cx| {
            for place in (0..count).map(|step| (turn + step) % count) {
                if let Poll::Ready(arrival) = poll_listener(&listeners[place], place, table, cx, buffer) {
                    return Poll::Ready(arrival);
                }
            }
            Poll::Pending
        });
        tokio::select! {
            arrival = listened => arrival,
            Some(event) = self.stream_events.recv() => Arrival::Stream(event),
            Some(address) = self.unreachable.recv() => Arrival::Unreachable(address),
        }
    }

    /// Another datagram that is there already; one system call, no waiting.
    pub fn try_datagram(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        let count = self.listeners.len();
        for place in (0..count).map(|step| (self.turn + step) % count) {
            if let Ok((length, source, local)) = self.listeners[place].try_datagram(buffer) {
                self.turn = place;
                return Some(Datagram { source: self.source(Transport::Udp, source, place), length, local });
            }
        }
        None
    }

    /// Where a request came to, its response leaves from (RFC 3581 section 4). Told of what is taken only: strangers' are too
    /// many to be kept in mind.
    pub fn note(&mut self, datagram: Datagram, bytes: &[u8]) {
        if let Some(local) = datagram.local.filter(|_| !is_response(bytes)) {
            self.came_to.note(datagram.source.address, local);
        }
    }

    /// Another connection that waits to be taken, with its peer and its way.
    pub fn try_accept(&mut self) -> Option<(TcpStream, Target)> {
        // Nobody is to be woken: the next wait asks again.
        let mut cx = Context::from_waker(Waker::noop());
        let taken = self.listeners.iter().enumerate().find_map(|(place, listener)| {
            match poll_accept(listener, place, &self.table, &mut cx) {
                Poll::Ready(accepted) => Some(accepted.ok()),
                Poll::Pending => None,
            }
        });
        // Where an error is told, as of too many open files, it is at the next turn, too.
        taken.flatten()
    }

    /// Another thing that a connection tells, if there is one.
    pub fn try_stream(&mut self) -> Option<StreamEvent> {
        self.stream_events.try_recv().ok()
    }

    /// Sends a message. False when it cannot be sent, or cannot be queued.
    pub async fn send(&mut self, target: Target, bytes: Vec<u8>) -> bool {
        match target.transport {
            // The socket buffer is large; waiting here for room in it is rare and short.
            Transport::Udp => {
                let listener = &self.listeners[self.table.local_of(target).min(self.listeners.len() - 1)];
                let from =
                    self.came_to.of(target.address).filter(|_| listener.tells_local && is_response(&bytes));
                if let Some(from) = from
                    && packet_info::send(&listener.udp, &bytes, target.address, from).await.is_ok()
                {
                    return true;
                }
                // What ICMP says of one datagram may be told as an error of the next, whomever that one is for.
                listener.udp.send_to(&bytes, target.address).await.is_ok()
                    || listener.udp.send_to(&bytes, target.address).await.is_ok()
            }
            Transport::Tcp | Transport::Tls => self.streams.send(target, bytes),
        }
    }

    fn source(&self, transport: Transport, address: SocketAddr, place: usize) -> Target {
        Target { transport, address, access: self.table.of_local(place) }
    }
}

/// Listens for what ICMP says of the datagrams of each listener.
fn watch(listeners: &[Listener]) -> (mpsc::Receiver<SocketAddr>, JoinSet<()>) {
    let (tell, told) = mpsc::channel(UNREACHABLE_QUEUE);
    let mut watches = JoinSet::new();
    for listener in listeners {
        let (udp, tell) = (Arc::clone(&listener.udp), tell.clone());
        watches.spawn(async move {
            icmp::watch(&udp, |address| {
                let _full = tell.try_send(address);
            })
            .await;
        });
    }
    (told, watches)
}

fn poll_listener(
    listener: &Listener,
    place: usize,
    table: &AccessTable,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<Arrival> {
    let access = table.of_local(place);
    if let Poll::Ready(received) = listener.poll_datagram(cx, buffer) {
        return Poll::Ready(received.map_or(Arrival::Nothing, |(length, address, local)| {
            let source = Target { transport: Transport::Udp, address, access };
            Arrival::Datagram(Datagram { source, length, local })
        }));
    }
    poll_accept(listener, place, table, cx)
        .map(|taken| taken.map_or(Arrival::Nothing, |(stream, source)| Arrival::Accepted { stream, source }))
}

fn poll_accept(
    listener: &Listener,
    place: usize,
    table: &AccessTable,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(TcpStream, Target)>> {
    let access = table.of_local(place);
    let streams = [(Transport::Tcp, Some(&listener.tcp)), (Transport::Tls, listener.tls.as_ref())];
    for (transport, listener) in streams {
        let Some(listener) = listener else { continue };
        if let Poll::Ready(accepted) = listener.poll_accept(cx) {
            let taken = accepted.map(|(stream, address)| (stream, Target { transport, address, access }));
            return Poll::Ready(taken);
        }
    }
    Poll::Pending
}

/// UDP and TCP on one port, and where that is.
fn one_port(address: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), Unbound> {
    let udp = udp_socket(address).map_err(|error| ("UDP", address, error))?;
    let bound = udp.local_addr().map_err(|error| ("UDP", address, error))?;
    let tcp = tcp_listener(bound).map_err(|error| ("TCP", bound, error))?;
    Ok((udp, tcp, bound))
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    if address.is_ipv6() {
        // Beside a listener of IPv4 on the same port.
        socket.set_only_v6(true)?;
    }
    // The system may grant less; that is its right.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Without it SIP's timers find out who is not there.
    let _ = icmp::ask(&socket, address);
    UdpSocket::from_std(socket.into())
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart finds connections of its predecessor still waiting for their end.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::tls::Settings;
    use crate::sip::endpoint::Local;

    #[tokio::test]
    async fn a_response_leaves_from_the_address_that_its_request_was_sent_to() {
        // The port that is free for datagrams may be another test's for TCP, at one of the addresses.
        let mut sockets = (0..50).find_map(|_| listening("0.0.0.0:0").ok()).expect("some port is free");
        let peer = std::net::UdpSocket::bind("127.0.0.3:0").unwrap();
        for ours in ["127.0.0.9", "127.0.0.1", "127.0.0.8"] {
            is_answered_from(&mut sockets, &peer, ours).await;
        }
        // What we ask ourselves goes by the routing table, whoever asked us.
        let source = Target::new(Transport::Udp, peer.local_addr().unwrap());
        assert!(sockets.send(source, b"BYE sip:a@b SIP/2.0\r\n".to_vec()).await);
        assert_eq!(peer.recv_from(&mut [0; 64]).unwrap().1.ip(), IpAddr::from([127, 0, 0, 1]));
        let (Ok(mut sockets), Ok(peer)) = (listening("[::]:0"), std::net::UdpSocket::bind("[::1]:0")) else {
            return eprintln!("IPv6 not tried: this machine has none");
        };
        is_answered_from(&mut sockets, &peer, "::1").await;
    }

    #[tokio::test]
    async fn connections_that_wait_are_taken_without_a_turn_for_each() {
        let mut sockets = (0..50).find_map(|_| listening("127.0.0.1:0").ok()).expect("some port is free");
        let ours = sockets.listeners()[0].address().unwrap();
        let peers: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(ours).unwrap()).collect();
        let Arrival::Accepted { source, .. } = sockets.next(&mut [0; 64]).await else { panic!("one waits") };
        let mut taken = vec![source.address];
        while let Some((_, source)) = sockets.try_accept() {
            assert_eq!(source.transport, Transport::Tcp);
            taken.push(source.address);
        }
        let all: Vec<_> = peers.iter().map(|peer| peer.local_addr().unwrap()).collect();
        assert_eq!(taken, all);
        // Those that come later are waited for as before.
        let _later = std::net::TcpStream::connect(ours).unwrap();
        assert!(matches!(sockets.next(&mut [0; 64]).await, Arrival::Accepted { .. }));
    }

    /// What `peer` asks at `ours` is answered from there.
    async fn is_answered_from(sockets: &mut Sockets, peer: &std::net::UdpSocket, ours: &str) {
        let port = sockets.listeners()[0].address().unwrap().port();
        let ours = SocketAddr::new(ours.parse().unwrap(), port);
        peer.send_to(b"OPTIONS sip:a@b SIP/2.0\r\n", ours).unwrap();
        let mut buffer = [0; 64];
        let Arrival::Datagram(datagram) = sockets.next(&mut buffer).await else {
            panic!("a datagram was sent");
        };
        let source = datagram.source;
        assert_eq!((source.address, datagram.length), (peer.local_addr().unwrap(), 25));
        sockets.note(datagram, &buffer);
        assert!(sockets.send(source, b"SIP/2.0 200 OK\r\n".to_vec()).await);
        assert_eq!(peer.recv_from(&mut buffer).unwrap(), (16, ours));
    }

    #[tokio::test]
    async fn a_port_of_the_systems_choice_is_one_that_tcp_has_too() {
        let others: Vec<std::net::TcpListener> =
            (0..500).map(|_| std::net::TcpListener::bind("127.0.0.78:0").unwrap()).collect();
        for _ in 0..300 {
            listening("127.0.0.78:0").unwrap();
        }
        let taken = others[0].local_addr().unwrap().to_string();
        assert_eq!(listening(&taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    fn listening(address: &str) -> Result<Sockets, io::Error> {
        let listener = Listener::bind(address.parse().unwrap(), None).map_err(|(_, _, error)| error)?;
        let table = AccessTable::new(vec![Local::new(listener.address()?)]);
        Ok(Sockets::new(vec![listener], table, Tls::load(Settings::default()).unwrap()))
    }
}
