//! HEP version 3: a message with its two ends and its time, as Homer and its kin take it over UDP.
//!
//! A packet is `HEP3`, its whole length, and chunks: vendor (0: generic), type, length with these six bytes, value; all
//! numbers in network order (HEP/EEP specification, revision 36).

use std::net::{IpAddr, SocketAddr};

use super::packet::{Micros, Packet, transport};

/// The port that Homer listens on.
pub const PORT: u16 = 9_060;

/// The most payload of one packet, so that it fits a datagram with all its chunks.
pub const PAYLOAD_MAX: usize = 64_000;

/// Chunk types.
mod chunk {
    pub const FAMILY: u16 = 1;
    pub const PROTOCOL: u16 = 2;
    pub const SOURCE_V4: u16 = 3;
    pub const DESTINATION_V4: u16 = 4;
    pub const SOURCE_V6: u16 = 5;
    pub const DESTINATION_V6: u16 = 6;
    pub const SOURCE_PORT: u16 = 7;
    pub const DESTINATION_PORT: u16 = 8;
    pub const SECONDS: u16 = 9;
    pub const MICROSECONDS: u16 = 10;
    pub const CONTENT: u16 = 11;
    pub const AGENT: u16 = 12;
    pub const KEY: u16 = 14;
    pub const PAYLOAD: u16 = 15;
    pub const CORRELATION: u16 = 17;
}

/// The content of a payload: SIP.
const SIP: u8 = 1;

/// Who sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// Our number among the senders.
    pub id: u32,
    /// What the server wants to see, when it wants anything.
    pub password: Option<String>,
}

/// One SIP message as a HEP3 packet. `correlation` is the same for all legs of a call.
pub fn encode(agent: &Agent, packet: &Packet, correlation: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.bytes.len() + 160);
    out.extend(*b"HEP3\0\0");
    let (source, destination) = (packet.source(), packet.destination());
    let protocol = if transport(&packet.bytes).eq_ignore_ascii_case("UDP") { 17u8 } else { 6 };
    ends(&mut out, source, destination);
    push(&mut out, chunk::PROTOCOL, &[protocol]);
    push(&mut out, chunk::SOURCE_PORT, &source.port().to_be_bytes());
    push(&mut out, chunk::DESTINATION_PORT, &destination.port().to_be_bytes());
    let Micros(at) = packet.at;
    push(&mut out, chunk::SECONDS, &((at / 1_000_000) as u32).to_be_bytes());
    push(&mut out, chunk::MICROSECONDS, &((at % 1_000_000) as u32).to_be_bytes());
    push(&mut out, chunk::CONTENT, &[SIP]);
    push(&mut out, chunk::AGENT, &agent.id.to_be_bytes());
    if let Some(password) = &agent.password {
        push(&mut out, chunk::KEY, password.as_bytes());
    }
    if !correlation.is_empty() {
        push(&mut out, chunk::CORRELATION, correlation.as_bytes());
    }
    push(&mut out, chunk::PAYLOAD, &packet.bytes[..packet.bytes.len().min(PAYLOAD_MAX)]);
    let length = (out.len() as u16).to_be_bytes();
    out[4..6].copy_from_slice(&length);
    out
}

fn ends(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            push(out, chunk::FAMILY, &[2]);
            push(out, chunk::SOURCE_V4, &source.octets());
            push(out, chunk::DESTINATION_V4, &destination.octets());
        }
        (source, destination) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            push(out, chunk::FAMILY, &[10]);
            push(out, chunk::SOURCE_V6, &octets(source));
            push(out, chunk::DESTINATION_V6, &octets(destination));
        }
    }
}

fn push(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend(((value.len() + 6) as u16).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::INVITE;
    use super::*;
    use std::collections::BTreeMap;

    fn chunks(bytes: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&bytes[..4], b"HEP3");
        let short = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(usize::from(short(4)), bytes.len());
        let mut found = BTreeMap::new();
        let mut at = 6;
        while at < bytes.len() {
            assert_eq!(short(at), 0, "a generic chunk");
            let length = usize::from(short(at + 4));
            found.insert(short(at + 2), bytes[at + 6..at + length].to_vec());
            at += length;
        }
        found
    }

    fn packet(local: &str, peer: &str, sent: bool, bytes: &[u8]) -> Packet {
        let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
        Packet { at: Micros(1_795_186_800_123_456), sent, local, peer, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_message_carries_its_ends_its_time_and_its_call() {
        let agent = Agent { id: 2_001, password: Some("secret".into()) };
        let packet = packet("192.0.2.9:5060", "192.0.2.1:5070", false, INVITE.as_bytes());
        let chunks = chunks(&encode(&agent, &packet, "attempt-1"));
        assert_eq!(chunks[&1], [2]);
        assert_eq!(chunks[&2], [6], "its Via says TCP");
        assert_eq!((&chunks[&3], &chunks[&4]), (&vec![192, 0, 2, 1], &vec![192, 0, 2, 9]), "it was received");
        assert_eq!(
            (&chunks[&7], &chunks[&8]),
            (&5_070u16.to_be_bytes().to_vec(), &5_060u16.to_be_bytes().to_vec())
        );
        assert_eq!(chunks[&9], 1_795_186_800u32.to_be_bytes());
        assert_eq!(chunks[&10], 123_456u32.to_be_bytes());
        assert_eq!((&chunks[&11], &chunks[&12]), (&vec![1], &2_001u32.to_be_bytes().to_vec()));
        assert_eq!((chunks[&14].as_slice(), chunks[&17].as_slice()), (&b"secret"[..], &b"attempt-1"[..]));
        assert_eq!(chunks[&15], INVITE.as_bytes());
    }

    #[test]
    fn ipv6_has_chunks_of_its_own_and_a_long_message_still_fits_a_datagram() {
        let agent = Agent { id: 1, password: None };
        let packet = packet("[2001:db8::9]:5060", "[2001:db8::1]:5060", true, &vec![b'x'; 70_000]);
        let bytes = encode(&agent, &packet, "");
        let chunks = chunks(&bytes);
        assert_eq!((chunks[&1].as_slice(), chunks[&5].len(), chunks[&6].len()), (&[10][..], 16, 16));
        assert!(!chunks.contains_key(&14) && !chunks.contains_key(&17) && bytes.len() < 65_507);
        assert_eq!(chunks[&2], [17]);
    }
}
