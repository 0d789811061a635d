//! Pairs of UDP ports: an even one for RTP, the odd one above for RTCP (RFC 3550, 11).

use super::Options;
use super::reader;
use crate::rng::Rng;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// What one socket may hold: a second and more of packets, and no more of a flood.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Expedited forwarding (RFC 3246), as IPv4's type of service.
const EXPEDITED: u32 = 0xb8;

/// The range that ports are taken from.
#[derive(Debug)]
pub struct Ports {
    listen: IpAddr,
    advertise: IpAddr,
    first: u16,
    pairs: u16,
    rng: Rng,
}

/// Two sockets that belong together.
#[derive(Debug)]
pub struct Pair {
    /// For RTP.
    pub rtp: UdpSocket,
    /// The system stamps what comes there.
    pub stamped: bool,
    /// For RTCP.
    pub rtcp: UdpSocket,
    /// The address to offer.
    pub offered: SocketAddr,
}

impl Ports {
    /// The range of `options`.
    pub fn new(options: &Options, rng: Rng) -> Self {
        let first = options.port_min + options.port_min % 2;
        let pairs = (options.port_max.saturating_sub(first).saturating_add(1)) / 2;
        Ports { listen: options.listen, advertise: options.advertise, first, pairs, rng }
    }

    /// Takes a pair: a random one, so that a call that has just ended does not talk into the next, and the ones after
    /// it when it is taken.
    ///
    /// # Errors
    /// When the whole range is taken, or the address is not ours.
    pub fn open(&mut self) -> io::Result<Pair> {
        let mut last = None;
        let begin = self.rng.below(u64::from(self.pairs)) as u16;
        for step in 0..self.pairs {
            let pair = (u32::from(begin) + u32::from(step)) % u32::from(self.pairs);
            let port = self.first + 2 * pair as u16;
            match self.open_at(port) {
                Ok(pair) => return Ok(pair),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                // Any other fault (address not ours, no more descriptors) is the same for every port.
                Err(error) => return Err(self.explained(Some(error))),
            }
        }
        Err(self.explained(last))
    }

    fn open_at(&self, port: u16) -> io::Result<Pair> {
        let rtp = bind(SocketAddr::new(self.listen, port))?;
        let rtcp = bind(SocketAddr::new(self.listen, port + 1))?;
        let stamped = reader::stamp(&rtp).is_ok();
        Ok(Pair { rtp, stamped, rtcp, offered: SocketAddr::new(self.advertise, port) })
    }

    fn explained(&self, error: Option<io::Error>) -> io::Error {
        let last = u32::from(self.first) + 2 * u32::from(self.pairs);
        let range = format!("{} ports {} to {}", self.listen, self.first, last.saturating_sub(1));
        match error {
            Some(error) if error.kind() == io::ErrorKind::AddrInUse => {
                io::Error::new(error.kind(), format!("every pair of {range} is in use; widen the range"))
            }
            Some(error) => io::Error::new(error.kind(), format!("cannot take RTP ports of {range}: {error}")),
            None => {
                io::Error::new(io::ErrorKind::InvalidInput, format!("there is no pair of ports in {range}"))
            }
        }
    }
}

/// Lets a connected socket take packets of anybody again; it keeps its port, as that was bound. Tells whether it could.
pub fn disconnect(socket: &UdpSocket) -> bool {
    rustix::net::connect_unspec(socket).is_ok()
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Both are wishes: where the system refuses them, calls work all the same.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.is_ipv4() {
        let _ = socket.set_tos_v4(EXPEDITED);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
