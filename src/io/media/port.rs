//! Pairs of UDP ports: an even one for RTP, the odd one above for RTCP (RFC 3550, 11).

use super::Options;
use super::pairs::Pairs;
use super::reader;
use crate::engine::engine::MediaAddress;
use crate::media::latch::Former;
use crate::rng::Rng;
use crate::time::Instant;
use rustix::net::sockopt::set_ipv6_tclass;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one socket may hold: a second and more of packets, and no more of a flood.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Expedited forwarding (RFC 3246), as IPv4's type of service and IPv6's traffic class.
const EXPEDITED: u32 = 0xb8;

/// The range that ports are taken from.
#[derive(Debug)]
pub struct Ports {
    addresses: Vec<MediaAddress>,
    first: u16,
    pairs: u16,
    rng: Rng,
    /// Shared by all threads; none takes the lock on a packet's way, nor while it asks the system for a socket.
    taken: Arc<Mutex<Pairs>>,
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
    /// They are bound to the wildcard address, and SDP names one of ours for each peer.
    pub is_wildcard: bool,
    /// Where the peer of the call before was, and then where this one's was.
    pub former: Former,
}

impl Ports {
    /// The range of `options`.
    pub fn new(options: &Options, rng: Rng) -> Self {
        let first = options.port_min + options.port_min % 2;
        let pairs = (options.port_max.saturating_sub(first).saturating_add(1)) / 2;
        let taken = Arc::new(Mutex::new(Pairs::new(pairs)));
        Ports { addresses: options.addresses.clone(), first, pairs, rng, taken }
    }

    /// The same range for another thread.
    pub fn shared(&self, rng: Rng) -> Self {
        Ports { addresses: self.addresses.clone(), rng, taken: Arc::clone(&self.taken), ..*self }
    }

    /// Takes a pair: a random one of those that nobody has used lately, so that a call that has just ended does not talk into
    /// the next, and the ones after it when it is taken; then the one that was given back longest ago. With an address of each
    /// family, one of the same numbers at the second too: which of them the peer is reached from is known later.
    ///
    /// # Errors
    /// When the whole range is taken, or an address is not ours.
    pub fn open(&mut self, now: Instant) -> io::Result<(Pair, Option<Pair>)> {
        let mut begin = self.rng.below(u64::from(self.pairs)) as u16;
        let mut refused = Vec::new();
        let mut last = (self.pairs > 0).then(|| io::Error::from(io::ErrorKind::AddrInUse));
        let opened = loop {
            let Some((pair, former)) = self.taken().take(now, begin) else { break None };
            match self.open_at(self.first + 2 * pair, former) {
                Ok(pairs) => break Some(pairs),
                Err(error) => {
                    // Any other fault (address not ours, no more descriptors) is the same for every port.
                    let same = error.kind() != io::ErrorKind::AddrInUse;
                    refused.push(pair);
                    last = Some(error);
                    if same {
                        break None;
                    }
                    begin = pair + 1;
                }
            }
        };
        refused.into_iter().for_each(|pair| self.taken().refuse(pair));
        opened.ok_or_else(|| self.explained(last))
    }

    /// Gives a pair back, and its like of the other family; their sockets first.
    pub fn close(&mut self, now: Instant, pair: Pair, spare: Option<Pair>) {
        let Pair { rtp, rtcp, offered, former, .. } = pair;
        drop((rtp, rtcp, spare));
        self.taken().give_back(now, (offered.port() - self.first) / 2, former);
    }

    fn taken(&self) -> MutexGuard<'_, Pairs> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_at(&self, port: u16, former: Former) -> io::Result<(Pair, Option<Pair>)> {
        let mut pairs = self.addresses.iter().map(|address| pair(*address, port, former));
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "no address");
        let first = pairs.next().unwrap_or_else(|| Err(none()))?;
        Ok((first, pairs.next().transpose()?))
    }

    fn explained(&self, error: Option<io::Error>) -> io::Error {
        let last = u32::from(self.first) + 2 * u32::from(self.pairs);
        let listen: Vec<String> = self.addresses.iter().map(|address| address.listen.to_string()).collect();
        let range = format!("{} ports {} to {}", listen.join(" and "), self.first, last.saturating_sub(1));
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

fn pair(address: MediaAddress, port: u16, former: Former) -> io::Result<Pair> {
    let rtp = bind(SocketAddr::new(address.listen, port))?;
    let rtcp = bind(SocketAddr::new(address.listen, port + 1))?;
    let stamped = reader::stamp(&rtp).is_ok();
    let (offered, is_wildcard) = (SocketAddr::new(address.offered, port), address.is_wildcard);
    Ok(Pair { rtp, stamped, rtcp, offered, is_wildcard, former })
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Both are wishes: where the system refuses them, calls work all the same.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = match address.is_ipv4() {
        true => socket.set_tos_v4(EXPEDITED),
        false => set_ipv6_tclass(&socket, EXPEDITED).map_err(io::Error::from),
    };
    if address.is_ipv6() {
        // Else it would have the port of IPv4 too, where another socket of ours may be.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{ip_tos, ipv6_tclass};

    #[test]
    fn what_is_sent_is_marked_for_expedited_forwarding_in_both_families() {
        let [v4, v6] = ["127.0.0.1:0", "[::1]:0"].map(|address| bind(address.parse().unwrap()).unwrap());
        assert_eq!(u32::from(ip_tos(&v4).unwrap()), EXPEDITED);
        assert_eq!(ipv6_tclass(&v6).unwrap(), EXPEDITED);
    }
}
