//! One RTP packet (RFC 3550, 5.1), read and written by rtp-rs.

use super::Ssrc;
use rtp_rs::{RtpPacketBuilder, RtpReader, RtpReaderError, Seq};
use std::fmt;

/// The fixed header's length in bytes.
pub const HEADER: usize = 12;

/// A view of a packet that has been checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Of audio: the first packet after silence (RFC 3551, 4.1); of a telephone event: its first packet.
    pub marker: bool,
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// The packet's number.
    pub sequence: u16,
    /// The media time of the payload's first sample.
    pub timestamp: u32,
    /// The sender.
    pub ssrc: Ssrc,
    /// What is carried, without padding.
    pub payload: &'a [u8],
}

/// The bytes are no RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Shorter than its own header says.
    Truncated,
    /// Another version than 2; STUN, DTLS and noise end here.
    Version(u8),
    /// More padding than packet.
    Padding,
    /// An RTCP packet on the port of RTP (RFC 5761, 4): second byte 192 to 223.
    Rtcp,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Truncated => f.write_str("RTP packet shorter than its header says"),
            Malformed::Version(version) => write!(f, "RTP version {version} instead of 2"),
            Malformed::Padding => f.write_str("RTP padding longer than the packet"),
            Malformed::Rtcp => f.write_str("RTCP packet on the port of RTP"),
        }
    }
}

impl std::error::Error for Malformed {}

impl<'a> Packet<'a> {
    /// Checks `bytes` once; nothing behind this has to.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let reader = RtpReader::new(bytes).map_err(|error| match error {
            RtpReaderError::BufferTooShort(_) | RtpReaderError::HeadersTruncated { .. } => {
                Malformed::Truncated
            }
            RtpReaderError::UnsupportedVersion(version) => Malformed::Version(version),
            RtpReaderError::PaddingLengthInvalid(_) => Malformed::Padding,
        })?;
        if (192..=223).contains(&bytes[1]) {
            return Err(Malformed::Rtcp);
        }
        Ok(Packet {
            marker: reader.mark(),
            payload_type: reader.payload_type(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: Ssrc(reader.ssrc()),
            payload: reader.payload(),
        })
    }

    /// Writes the packet to the begin of `buffer` and tells its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`HEADER`] and payload, or the payload type is above 127: both are ours.
    pub fn write(&self, buffer: &mut [u8]) -> usize {
        RtpPacketBuilder::new()
            .marked(self.marker)
            .payload_type(self.payload_type)
            .sequence(Seq::from(self.sequence))
            .timestamp(self.timestamp)
            .ssrc(self.ssrc.0)
            .payload(self.payload)
            .build_into(buffer)
            .expect("the buffer has room for header and payload")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 16] = [0x80, 0x80, 0x12, 0x34, 0, 0, 0, 0xa0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4];

    #[test]
    fn what_is_written_is_read_again() {
        let packet = Packet {
            marker: true,
            payload_type: 0,
            sequence: 0x1234,
            timestamp: 160,
            ssrc: Ssrc(0xdead_beef),
            payload: &[1, 2, 3, 4],
        };
        let mut buffer = [0; 64];
        assert_eq!(packet.write(&mut buffer), 16);
        assert_eq!(buffer[..16], PLAIN);
        assert_eq!(Packet::parse(&PLAIN), Ok(packet));
    }

    #[test]
    fn contributors_extension_and_padding_are_no_payload() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend_from_slice(&[7, 8, 0, 0, 3]);
        assert_eq!(Packet::parse(&bytes).unwrap().payload, [7, 8]);
    }

    #[test]
    fn what_is_no_packet_is_named() {
        let with = |place: usize, value: u8| {
            let mut bytes = PLAIN.to_vec();
            bytes[place] = value;
            bytes
        };
        for (bytes, expected) in [
            (vec![], Malformed::Truncated),
            (PLAIN[..11].to_vec(), Malformed::Truncated),
            (with(0, 0x00), Malformed::Version(0)),
            (with(0, 0x41), Malformed::Version(1)),
            (with(0, 0x82), Malformed::Truncated),
            (with(0, 0x90), Malformed::Truncated),
            (with(0, 0xa0), Malformed::Padding),
            (with(1, 200), Malformed::Rtcp),
        ] {
            let bytes = if expected == Malformed::Padding { [&bytes[..15], &[9]].concat() } else { bytes };
            assert_eq!(Packet::parse(&bytes), Err(expected));
        }
    }
}
