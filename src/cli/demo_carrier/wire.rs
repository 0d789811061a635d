//! A worse way for the sound of the simulated carrier than loopback: loss and jitter, drawn from one seed.
//!
//! Each line has a wire of its own, so that the packets of one call share their fate whatever the other calls do.

use crate::rng::Rng;
use crate::sim::network::{Link, Network, Quality};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Packets under way on one line: a second of sound, far more than any delay here.
const PACKETS_A_LINE: usize = 50;

/// A packet, the port that it leaves from, and where it goes.
type Packet = (u16, SocketAddr, Vec<u8>);

/// All lines' wires.
#[derive(Debug)]
pub struct Wire {
    quality: Quality,
    rng: Rng,
    links: BTreeMap<u16, Link>,
    network: Network<Packet>,
}

impl Wire {
    /// Wires of this quality for so many lines.
    pub fn new(quality: Quality, rng: Rng, lines: usize) -> Wire {
        Wire { quality, rng, links: BTreeMap::new(), network: Network::new(lines * PACKETS_A_LINE) }
    }

    /// A line is opened: a new call, a new fate.
    pub fn handle_open(&mut self, port: u16) {
        self.links.insert(port, Link::new(self.quality.clone(), self.rng.fork()));
    }

    /// A packet leaves.
    pub fn handle_packet(&mut self, now: Instant, from_port: u16, to: SocketAddr, bytes: Vec<u8>) {
        if let Some(link) = self.links.get_mut(&from_port) {
            self.network.handle_packet(now, link, (from_port, to, bytes));
        }
    }

    /// The next packet that has come through.
    pub fn poll_output(&mut self, now: Instant) -> Option<Packet> {
        self.network.poll_output(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_line_loses_its_share_and_keeps_its_order() {
        let quality = Quality { loss: 0.01, jitter: Duration::from_millis(40), ..Quality::perfect() };
        let mut wire = Wire::new(quality, Rng::from_seed(3), 4);
        let to = SocketAddr::from(([127, 0, 0, 1], 4000));
        let ports = [20_000, 20_002];
        ports.into_iter().for_each(|port| wire.handle_open(port));
        let mut seen: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for number in 0..5_000u32 {
            let now = Instant::from_start(Duration::from_millis(20) * number);
            for port in ports {
                wire.handle_packet(now, port, to, number.to_be_bytes().to_vec());
            }
            while let Some((port, _, bytes)) = wire.poll_output(now) {
                seen.entry(port).or_default().push(u32::from_be_bytes(bytes.try_into().unwrap()));
            }
        }
        for port in ports {
            let seen = &seen[&port];
            assert!(seen.is_sorted());
            assert!((4_900..4_990).contains(&seen.len()), "{}", seen.len());
        }
        assert_ne!(seen[&ports[0]], seen[&ports[1]]);
    }
}
