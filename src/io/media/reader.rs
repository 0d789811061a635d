//! Reads what waits in a socket, one datagram (recvmsg(2)) or all at once (recvmmsg(2)), each with the moment at which the
//! kernel took it in (socket(7), `SO_TIMESTAMPNS`).
//!
//! The kernel stamps with civil time: what a stamp says is how long ago it was; more than ten seconds, or less than nothing,
//! is not believed. When that clock is set back while packets wait, these count as having come just now, and each stream
//! that rested has a gap of 200 ms, once. A socket that is not stamped is read all the same: what comes has come just now.

use crate::io::address;
use crate::media::waiting::{Head, Room, WAITING_MAX, Waiting};
use crate::time::Instant;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, recvmsg, setsockopt,
};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The source of what has none: nobody's.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A socket tells of an ICMP error in place of what waits there, each error once; those of so many are passed over.
const ERRORS_MAX: usize = 3;

/// Nothing waits for longer.
const WAITS_MAX: Duration = Duration::from_secs(10);

/// The memory that the kernel's answers take.
pub struct Reader {
    headers: MultiHeaders<SockaddrStorage>,
    /// Where the kernel puts the stamp of one datagram.
    control: Vec<u8>,
}

/// The present moment by our clock, and by the one that the kernel stamps with.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    now: Instant,
    wall: Duration,
}

impl Clocks {
    /// Asked together; `now` is the present moment.
    pub fn new(now: Instant) -> Self {
        Clocks { now, wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// When came what was stamped so; never later than the present moment.
    fn arrival(&self, stamped: Option<Duration>) -> Instant {
        let ago = stamped.and_then(|at| self.wall.checked_sub(at)).filter(|ago| *ago <= WAITS_MAX);
        Instant::from_start(self.now.since_start().saturating_sub(ago.unwrap_or_default()))
    }
}

/// Has the kernel stamp what a socket receives.
///
/// # Errors
/// When it does not know how.
pub fn stamp(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, ReceiveTimestampns, &true)?)
}

impl Reader {
    /// With its memory.
    pub fn new() -> Self {
        let headers = MultiHeaders::preallocate(WAITING_MAX, Some(nix::cmsg_space!(TimeSpec)));
        Reader { headers, control: nix::cmsg_space!(TimeSpec) }
    }

    /// The next datagram of `socket`, put into `datagram`; `clocks` may have been asked a while ago.
    ///
    /// # Errors
    /// When none waits, or the socket tells of an error.
    pub fn read_one(&mut self, socket: &UdpSocket, clocks: &Clocks, datagram: &mut [u8]) -> io::Result<Head> {
        let (mut place, flags) = ([IoSliceMut::new(datagram)], MsgFlags::MSG_DONTWAIT);
        let control = Some(&mut self.control[..]);
        let told = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut place, control, flags)?;
        let stamped = told.cmsgs().ok().and_then(|mut told| told.find_map(stamp_of));
        let source = told.address.as_ref().and_then(address::of_system).unwrap_or(NOWHERE);
        Ok(Head { at: clocks.arrival(stamped), source, length: told.bytes })
    }

    /// Reads what waits in `socket`; `now` is the present moment. Tells whether nothing is left there. All sockets that are
    /// read with the same memory are stamped ones of one family: an answer leaves the room for the next as long as it was.
    pub fn read(&mut self, socket: &UdpSocket, now: Instant, waiting: &mut Waiting) -> bool {
        let clocks = Clocks::new(now);
        let mut whole = false;
        waiting.fill(|room, tell| {
            for _ in 0..ERRORS_MAX {
                // The media time-out judges a peer of whom ICMP tells.
                let read = match self.read_into(room, socket, &clocks, tell) {
                    Ok(read) => read,
                    Err(Errno::EAGAIN) => 0,
                    Err(_) => continue,
                };
                whole = read < WAITING_MAX;
                return;
            }
        });
        whole
    }

    fn read_into(
        &mut self,
        room: &mut Room,
        socket: &UdpSocket,
        clocks: &Clocks,
        tell: &mut dyn FnMut(Head),
    ) -> nix::Result<usize> {
        let mut places = room.each_mut().map(|place| [IoSliceMut::new(place)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let mut count = 0;
        for datagram in recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut places, flags, None)? {
            count += 1;
            let stamped = datagram.cmsgs().ok().and_then(|mut told| told.find_map(stamp_of));
            let source = datagram.address.as_ref().and_then(address::of_system).unwrap_or(NOWHERE);
            tell(Head { at: clocks.arrival(stamped), source, length: datagram.bytes });
        }
        Ok(count)
    }
}

fn stamp_of(told: ControlMessageOwned) -> Option<Duration> {
    match told {
        ControlMessageOwned::ScmTimestampns(at) => Some(at.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn read(reader: &mut Reader, socket: &UdpSocket, now: Instant) -> Vec<(Head, Vec<u8>)> {
        let mut waiting = Waiting::new();
        reader.read(socket, now, &mut waiting);
        std::iter::from_fn(|| waiting.next_until(Instant::LAST).map(|(head, bytes)| (head, bytes.to_vec())))
            .collect()
    }

    #[test]
    fn each_datagram_is_told_with_its_source_and_the_moment_at_which_it_came() {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let [socket, peer] = [(); 2].map(|()| UdpSocket::bind((address, 0)).unwrap());
            stamp(&socket).unwrap();
            let mut reader = Reader::new();
            let now = Instant::from_start(Duration::from_secs(9));
            assert!(read(&mut reader, &socket, now).is_empty());
            // The kernel begins to stamp some time after it was first asked to.
            while read(&mut reader, &socket, now).first().is_none_or(|(head, _)| head.at == now) {
                peer.send_to(b"early", socket.local_addr().unwrap()).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(read(&mut reader, &socket, now).is_empty());
            // Twice: what an answer left in the memory for answers must not hurt the next.
            for _ in 0..2 {
                let begun = std::time::Instant::now();
                for text in ["first", "second", "third"] {
                    peer.send_to(text.as_bytes(), socket.local_addr().unwrap()).unwrap();
                    std::thread::sleep(Duration::from_millis(12));
                }
                let told = read(&mut reader, &socket, now);
                let texts: Vec<&[u8]> = told.iter().map(|(_, bytes)| &bytes[..]).collect();
                assert_eq!(texts, [&b"first"[..], b"second", b"third"]);
                assert!(told.iter().all(|(head, _)| head.source == peer.local_addr().unwrap()), "{told:?}");
                let at: Vec<Instant> = told.iter().map(|(head, _)| head.at).collect();
                assert!(at[0] + begun.elapsed() >= now && at[2] < now, "{at:?}");
                assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(12)), "{at:?}");
            }
        }
    }

    #[test]
    fn a_datagram_that_is_read_alone_came_when_it_came_and_not_when_it_was_read() {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let [socket, peer] = [(); 2].map(|()| UdpSocket::bind((address, 0)).unwrap());
            let (to, now) = (socket.local_addr().unwrap(), Instant::from_start(Duration::from_secs(9)));
            let (mut reader, mut bytes) = (Reader::new(), [0; 64]);
            let none = reader.read_one(&socket, &Clocks::new(now), &mut bytes).unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
            // Without a stamp it came just now.
            peer.send_to(b"plain", to).unwrap();
            let head = reader.read_one(&socket, &Clocks::new(now), &mut bytes).unwrap();
            assert_eq!((head.at, head.source, head.length), (now, peer.local_addr().unwrap(), 5));
            stamp(&socket).unwrap();
            loop {
                peer.send_to(b"early", to).unwrap();
                std::thread::sleep(Duration::from_millis(1));
                if reader.read_one(&socket, &Clocks::new(now), &mut bytes).unwrap().at < now {
                    break;
                }
            }
            let before = Clocks::new(now);
            for text in ["first", "second"] {
                peer.send_to(text.as_bytes(), to).unwrap();
                std::thread::sleep(Duration::from_millis(12));
            }
            let first = reader.read_one(&socket, &Clocks::new(now), &mut bytes).unwrap();
            assert_eq!((first.source, &bytes[..first.length]), (peer.local_addr().unwrap(), &b"first"[..]));
            assert!(now - first.at >= Duration::from_millis(24), "{first:?}");
            // It came after the clocks were asked: for them it comes now.
            let second = reader.read_one(&socket, &before, &mut bytes).unwrap();
            assert_eq!((second.at, &bytes[..second.length]), (now, &b"second"[..]));
        }
    }

    #[test]
    fn an_error_of_icmp_does_not_keep_back_what_waits() {
        let [socket, peer] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        socket.connect(peer.local_addr().unwrap()).unwrap();
        peer.send_to(b"before", socket.local_addr().unwrap()).unwrap();
        drop(peer);
        // Nobody is there any more, which is told with the next question.
        socket.send(b"?").unwrap();
        let told = read(&mut Reader::new(), &socket, Instant::from_start(Duration::from_secs(9)));
        assert_eq!(told.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b"before"]);
    }

    #[test]
    fn what_is_more_than_the_room_waits_for_the_next_question() {
        let [socket, peer] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        for number in 0..WAITING_MAX as u8 + 3 {
            peer.send_to(&[number], socket.local_addr().unwrap()).unwrap();
        }
        let mut reader = Reader::new();
        // Nothing was stamped: it counts as having come just now.
        let now = Instant::from_start(Duration::from_secs(9));
        let mut waiting = Waiting::new();
        assert!(!reader.read(&socket, now, &mut waiting), "something is left");
        let told: Vec<Head> =
            std::iter::from_fn(|| waiting.next_until(Instant::LAST).map(|(head, _)| head)).collect();
        assert!(told.len() == WAITING_MAX && told.iter().all(|head| head.at == now), "{told:?}");
        let rest: Vec<Vec<u8>> =
            read(&mut reader, &socket, now).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(rest, (0..3).map(|number| vec![WAITING_MAX as u8 + number]).collect::<Vec<_>>());
    }
}
