//! Which sockets hold something: one question to the kernel a slot (epoll(7)) instead of one a socket.
//!
//! It is level-triggered: a socket is told of for as long as anything is in it, so nothing has to be read to its end. A
//! closed socket forgets itself.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;

/// Sockets that one answer can tell of.
const ANSWER_MAX: usize = 256;

/// Do not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The sockets of one thread.
pub struct Ready {
    epoll: OwnedFd,
    answer: Vec<Event>,
}

/// The descriptor that a [`Ready`] asks by: it can be had, or refused, before the thread begins.
///
/// # Errors
/// When the system gives none.
pub fn descriptor() -> io::Result<OwnedFd> {
    Ok(epoll::create(CreateFlags::CLOEXEC)?)
}

impl Ready {
    /// No sockets yet.
    pub fn new(epoll: OwnedFd) -> Self {
        Ready { epoll, answer: Vec::with_capacity(ANSWER_MAX) }
    }

    /// Watches a socket until it is closed; `index` is what tells it from others.
    pub fn watch(&self, socket: &UdpSocket, index: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(index as u64), EventFlags::IN)?)
    }

    /// Asks anew; tells how many sockets hold something, as far as an answer can tell: those beyond come first the next time.
    pub fn ask(&mut self) -> usize {
        self.answer.clear();
        // The one error there can be is a signal that came between: the next slot asks again.
        epoll::wait(&self.epoll, spare_capacity(&mut self.answer), Some(&AT_ONCE)).unwrap_or(0)
    }

    /// The index of one of the sockets of the last answer.
    pub fn get(&self, place: usize) -> usize {
        self.answer[place].data.u64() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_told_of_until_it_is_read_to_its_end_and_never_after_it_is_closed() {
        let mut ready = Ready::new(descriptor().unwrap());
        let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for (index, socket) in sockets.iter().enumerate() {
            ready.watch(socket, 40 + index).unwrap();
        }
        assert_eq!(ready.ask(), 0);
        for _ in 0..2 {
            sockets[0].send_to(b"x", sockets[2].local_addr().unwrap()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(ready.ask(), 1);
            assert_eq!(ready.get(0), 42);
            sockets[2].recv_from(&mut [0; 8]).unwrap();
        }
        assert_eq!(ready.ask(), 0);
        sockets[0].send_to(b"x", sockets[1].local_addr().unwrap()).unwrap();
        drop(sockets);
        assert_eq!(ready.ask(), 0);
    }
}
