//! What ICMP says of datagrams that we sent (ip(7), `IP_RECVERR`): a peer that is not there need not be waited for.
//!
//! RFC 3261, 18.4 has host, network, port and protocol unreachable taken for a failure of the transport. That a port is closed
//! only its own host can know; of the rest, any router on the way may tell.

use super::address;
use nix::libc::{self, sock_extended_err};
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What is read in one turn; a peer that is not there gets a datagram every few hundred milliseconds.
const READS_MAX: usize = 64;

/// Has the system keep what ICMP says of this socket's datagrams.
///
/// # Errors
/// When the system does not know how.
pub fn ask(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => Ok(setsockopt(socket, Ipv4RecvErr, &true)?),
        SocketAddr::V6(_) => Ok(setsockopt(socket, Ipv6RecvErr, &true)?),
    }
}

/// Tells the addresses that datagrams cannot be brought to, for ever.
pub async fn watch(socket: &UdpSocket, mut tell: impl FnMut(SocketAddr)) {
    while socket.ready(Interest::ERROR).await.is_ok() {
        // It waits for the next when it hears that nothing is left.
        let _ = socket.try_io(Interest::ERROR, || read(socket, &mut tell));
    }
}

/// Some of what is kept; an error when nothing is left.
fn read(socket: &impl AsRawFd, tell: &mut impl FnMut(SocketAddr)) -> io::Result<()> {
    let mut control = nix::cmsg_space!(sock_extended_err, libc::sockaddr_in6);
    for _ in 0..READS_MAX {
        let mut datagram = [0];
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let told = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let told = told.map_err(|_nothing_left| io::ErrorKind::WouldBlock)?;
        let Some(to) = told.address.as_ref().and_then(address::of_system) else { continue };
        if told.cmsgs().is_ok_and(|mut errors| errors.any(|error| is_unreachable(&error, to.ip()))) {
            tell(to);
        }
    }
    Ok(())
}

fn is_unreachable(error: &ControlMessageOwned, to: IpAddr) -> bool {
    let (error, offender) = match error {
        ControlMessageOwned::Ipv4RecvErr(error, offender) => {
            let offender = offender.map(|offender| u32::from_be(offender.sin_addr.s_addr));
            (error, offender.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))))
        }
        ControlMessageOwned::Ipv6RecvErr(error, offender) => {
            (error, offender.map(|offender| IpAddr::V6(Ipv6Addr::from(offender.sin6_addr.s6_addr))))
        }
        _ => return false,
    };
    match error.ee_errno as i32 {
        libc::ECONNREFUSED => offender == Some(to),
        libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENOPROTOOPT => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[tokio::test]
    async fn of_a_closed_port_it_is_told_and_of_an_open_one_it_is_not() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(socket), Ok(open)) = (UdpSocket::bind(host).await, UdpSocket::bind(host).await) else {
                eprintln!("{host} not tried: this machine has no IPv6");
                continue;
            };
            let closed = UdpSocket::bind(host).await.unwrap().local_addr().unwrap();
            ask(&socket, closed).unwrap();
            let (tell, mut told) = unbounded_channel();
            let hear = watch(&socket, |address| tell.send(address).unwrap());
            let send = async {
                for _ in 0..2 {
                    socket.send_to(b"x", open.local_addr().unwrap()).await.unwrap();
                    socket.send_to(b"x", closed).await.unwrap();
                    assert_eq!(told.recv().await, Some(closed));
                    // The same is told once more as the error of whatever is done next.
                    let _ = socket.try_recv_from(&mut [0; 8]);
                }
                assert!(told.try_recv().is_err());
            };
            tokio::select! {
                () = hear => panic!("it ends with the socket"),
                () = send => {}
            }
        }
    }
}
