//! A datagram in an Ethernet frame, for capture files: RFC 894 and 2464, IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768).
//!
//! The frames are made up, for nobody hears the real ones without the right to; addresses and ports are the true ones,
//! checksums are right. Messages of TCP and TLS are framed as datagrams too, each whole: what is kept is the message.

use std::net::{IpAddr, SocketAddr};

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;

/// The most that one datagram carries under either IP header.
pub const PAYLOAD_MAX: usize = 65_535 - IPV4_BYTES - UDP_BYTES;

/// UDP's number as IP's payload.
const UDP: u8 = 17;

/// The frame of one datagram; what is longer than [`PAYLOAD_MAX`] is cut. Both ends must be of one family, else the IPv4
/// one is mapped into IPv6 (RFC 4291, 2.5.5.2).
pub fn ethernet(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(PAYLOAD_MAX)];
    let mut frame = Vec::with_capacity(ETHERNET_BYTES + IPV6_BYTES + UDP_BYTES + payload.len());
    // Locally administered addresses: they are nobody's.
    frame.extend([0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01]);
    let udp = udp(source.port(), destination.port(), payload.len());
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00]);
            let length = (IPV4_BYTES + UDP_BYTES + payload.len()) as u16;
            let mut header = [0u8; IPV4_BYTES];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&length.to_be_bytes());
            header[6] = 0x40; // not to be fragmented
            header[8] = 64;
            header[9] = UDP;
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(header);
            finish(&mut frame, udp, &[&from.octets(), &to.octets()], payload);
        }
        (from, to) => {
            let (from, to) = (v6(from), v6(to));
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(((UDP_BYTES + payload.len()) as u16).to_be_bytes());
            frame.extend([UDP, 64]);
            frame.extend(from);
            frame.extend(to);
            finish(&mut frame, udp, &[&from, &to], payload);
        }
    }
    frame
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn udp(source: u16, destination: u16, payload: usize) -> [u8; UDP_BYTES] {
    let mut header = [0u8; UDP_BYTES];
    header[0..2].copy_from_slice(&source.to_be_bytes());
    header[2..4].copy_from_slice(&destination.to_be_bytes());
    header[4..6].copy_from_slice(&((UDP_BYTES + payload) as u16).to_be_bytes());
    header
}

fn finish(frame: &mut Vec<u8>, mut udp: [u8; UDP_BYTES], addresses: &[&[u8]; 2], payload: &[u8]) {
    let pseudo = [0, UDP, udp[4], udp[5]];
    let sum = match checksum(&[addresses[0], addresses[1], &pseudo, &udp, payload]) {
        0 => 0xffff, // zero means that there is none (RFC 768)
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    frame.extend(udp);
    frame.extend(payload);
}

/// The ones' complement sum of RFC 1071; every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_frame_has_its_lengths_and_sums() {
        let frame = ethernet(address("192.0.2.1:5060"), address("198.51.100.7:5080"), b"odd");
        assert_eq!(frame.len(), 14 + 20 + 8 + 3);
        assert_eq!(frame[12..15], [0x08, 0x00, 0x45]);
        assert_eq!(frame[16..18], 31u16.to_be_bytes());
        assert_eq!(frame[34..38], [0x13, 0xc4, 0x13, 0xd8]);
        // A header with its checksum in it sums up to nothing.
        assert_eq!(checksum(&[&frame[14..34]]), 0);
        let pseudo = [0, 17, 0, 11];
        assert_eq!(checksum(&[&frame[26..34], &pseudo, &frame[34..]]), 0);
    }

    #[test]
    fn an_ipv6_frame_has_its_lengths_and_sum() {
        let frame = ethernet(address("[2001:db8::1]:5060"), address("[2001:db8::2]:5060"), b"even");
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        assert_eq!(frame[18..20], 12u16.to_be_bytes());
        let pseudo = [0, 17, 0, 12];
        assert_eq!(checksum(&[&frame[22..54], &pseudo, &frame[54..]]), 0);
    }

    #[test]
    fn what_no_datagram_can_carry_is_cut() {
        let frame = ethernet(address("192.0.2.1:1"), address("192.0.2.2:2"), &vec![1; 70_000]);
        assert_eq!(frame.len(), ETHERNET_BYTES + 65_535);
    }
}
