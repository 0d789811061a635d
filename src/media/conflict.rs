//! Another participant that sends by our SSRC (RFC 3550, 8.2): a collision, after which we choose another one, or a loop, in
//! which our own packets come back.

use crate::rtp::Ssrc;
use crate::rtp::packet::Packet;
use std::net::SocketAddr;

/// What came back no later than this is told from what another says: 4 s, in packets of 20 ms and in media time.
const RETURN_PACKETS_MAX: u16 = 200;
const RETURN_UNITS_MAX: u32 = 32_000;

/// The collision of one stream, if there was one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conflict {
    /// With whom. Who takes our second SSRC too does not do so by chance.
    with: Option<SocketAddr>,
    /// We have not chosen another one yet.
    is_due: bool,
}

impl Conflict {
    /// A packet of the source that is heard came by our SSRC.
    pub fn handle_packet(&mut self, source: SocketAddr, packet: &Packet<'_>, ours: &Position) {
        if self.with != Some(source) && !ours.comes_back_in(packet) {
            *self = Conflict { with: Some(source), is_due: true };
        }
    }

    /// Whether another SSRC is due; told once.
    pub fn take(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }
}

/// Where our own packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// By which SSRC.
    pub ssrc: Ssrc,
    /// The number of the next.
    pub sequence: u16,
    /// Its media time.
    pub timestamp: u32,
}

impl Position {
    /// Whether a packet is one of those that we have just sent.
    fn comes_back_in(&self, packet: &Packet<'_>) -> bool {
        self.ssrc == packet.ssrc
            && self.sequence.wrapping_sub(packet.sequence) <= RETURN_PACKETS_MAX
            && self.timestamp.wrapping_sub(packet.timestamp) <= RETURN_UNITS_MAX
    }
}
