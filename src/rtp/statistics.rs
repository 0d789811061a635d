//! What a receiver counts: validity and sequence (RFC 3550, A.1), loss (A.3), interarrival jitter (A.8).

use super::CLOCK_HZ;
use crate::time::Instant;
use std::time::Duration;

/// A gap of more packets is a restart of the sender rather than loss (A.1, MAX_DROPOUT).
const DROPOUT_MAX: u64 = 3_000;
/// A packet that is older than this is of another life of the sender (A.1, MAX_MISORDER).
const MISORDER_MAX: u64 = 100;

/// What a packet's sequence number says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The next one, or one after a gap.
    Ahead,
    /// An older one, late or for the second time.
    Behind,
    /// The second packet in a row after a jump: the sender has begun anew, and so have the counters.
    Restarted,
    /// A jump that one packet alone does not prove: do not use this packet.
    Doubtful,
}

/// The reception of one source.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    base: u64,
    highest: u64,
    /// The number that would prove a jump.
    expected_after_jump: Option<u16>,
    received: u64,
    /// What earlier lives of the sender lost and delivered.
    lost_before: u64,
    received_before: u64,
    at_last_report: Reported,
    transit: Option<u32>,
    /// Sixteen times the jitter, in units of the RTP clock.
    jitter_16: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    received: u64,
}

impl Reception {
    /// Nothing received.
    pub fn new() -> Self {
        Reception::default()
    }

    /// A packet of this source came. Packets whose timestamp is not the moment of their sampling (telephone events
    /// carry that of the key's press), or of which nothing is known, count without one.
    pub fn handle_packet(&mut self, now: Instant, sequence: u16, timestamp: Option<u32>) -> Arrival {
        let arrival = self.count(sequence);
        if arrival == Arrival::Restarted {
            self.transit = None;
        }
        if let (Some(timestamp), true) = (timestamp, arrival != Arrival::Doubtful) {
            self.measure(now, timestamp);
        }
        arrival
    }

    fn count(&mut self, sequence: u16) -> Arrival {
        if self.received == 0 {
            self.begin(sequence);
            return Arrival::Ahead;
        }
        let ahead = u64::from(sequence.wrapping_sub(self.highest as u16));
        if ahead < DROPOUT_MAX && ahead > 0 {
            self.highest += ahead;
        } else if ahead != 0 && ahead <= (1 << 16) - MISORDER_MAX {
            if self.expected_after_jump == Some(sequence) {
                self.lost_before = self.lost();
                self.received_before += self.received;
                self.begin(sequence);
                return Arrival::Restarted;
            }
            self.expected_after_jump = Some(sequence.wrapping_add(1));
            return Arrival::Doubtful;
        }
        self.expected_after_jump = None;
        self.received += 1;
        if ahead < DROPOUT_MAX && ahead > 0 { Arrival::Ahead } else { Arrival::Behind }
    }

    fn begin(&mut self, sequence: u16) {
        self.base = (1 << 16) + u64::from(sequence);
        self.highest = self.base;
        self.received = 1;
        self.expected_after_jump = None;
        self.at_last_report = Reported::default();
    }

    /// A.8: the mean deviation of the transit time, smoothed by a sixteenth.
    fn measure(&mut self, now: Instant, timestamp: u32) {
        let arrival = (now.since_start().as_micros() * u128::from(CLOCK_HZ) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let deviation = u64::from((transit.wrapping_sub(before) as i32).unsigned_abs());
            // A jump of the sender's clock is no jitter of the network.
            if deviation < u64::from(CLOCK_HZ) {
                self.jitter_16 = self.jitter_16 + deviation - ((self.jitter_16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Packets received, copies included.
    pub fn received(&self) -> u64 {
        self.received_before + self.received
    }

    /// Packets lost (A.3), never less than zero.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// The highest sequence number with its turns above it, as reports carry it.
    pub fn highest_extended(&self) -> u32 {
        // The internal numbers start one turn up.
        self.highest.wrapping_sub(1 << 16) as u32
    }

    /// Interarrival jitter in units of the RTP clock, as reports carry it.
    pub fn jitter_units(&self) -> u32 {
        u32::try_from(self.jitter_16 >> 4).unwrap_or(u32::MAX)
    }

    /// Interarrival jitter.
    pub fn jitter(&self) -> Duration {
        Duration::from_micros(u64::from(self.jitter_units()) * 1_000_000 / u64::from(CLOCK_HZ))
    }

    /// The part that was lost since the last report, in 256ths (A.3); a report begins the next interval.
    pub fn report_fraction(&mut self) -> u8 {
        let expected = self.expected() - self.at_last_report.expected;
        let received = self.received - self.at_last_report.received;
        self.at_last_report = Reported { expected: self.expected(), received: self.received };
        let lost = expected.saturating_sub(received);
        if lost == 0 { 0 } else { ((lost << 8) / expected).min(255) as u8 }
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.base + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    fn feed(reception: &mut Reception, numbers: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
        numbers.into_iter().map(|number| reception.handle_packet(at(0), number, Some(0))).collect()
    }

    #[test]
    fn loss_duplicates_and_order_are_counted_over_the_wrap() {
        for (name, numbers, received, lost, highest) in [
            ("whole", vec![65_534, 65_535, 0, 1], 4, 0, 65_537),
            ("one lost", vec![65_534, 65_535, 1], 3, 1, 65_537),
            ("out of order", vec![65_534, 0, 65_535, 1], 4, 0, 65_537),
            ("a copy hides no more than one loss", vec![10, 10, 13], 3, 1, 13),
            ("nothing", vec![], 0, 0, 0),
        ] {
            let mut reception = Reception::new();
            feed(&mut reception, numbers);
            assert_eq!((reception.received(), reception.lost()), (received, lost), "{name}");
            if received > 0 {
                assert_eq!(reception.highest_extended(), highest, "{name}");
            }
        }
    }

    #[test]
    fn a_jump_needs_two_packets_in_a_row() {
        let mut reception = Reception::new();
        feed(&mut reception, [100, 101, 103]);
        assert_eq!(feed(&mut reception, [40_000]), [Arrival::Doubtful]);
        assert_eq!(feed(&mut reception, [104]), [Arrival::Ahead]);
        assert_eq!(
            feed(&mut reception, [40_000, 40_001, 40_002]),
            [Arrival::Doubtful, Arrival::Restarted, Arrival::Ahead]
        );
        assert_eq!((reception.received(), reception.lost()), (6, 1));
    }

    #[test]
    fn an_older_packet_is_behind_and_a_much_older_one_is_doubtful() {
        let mut reception = Reception::new();
        assert_eq!(
            feed(&mut reception, [1_000, 999, 1_000, 901, 800]),
            [Arrival::Ahead, Arrival::Behind, Arrival::Behind, Arrival::Behind, Arrival::Doubtful]
        );
    }

    #[test]
    fn the_fraction_is_of_the_interval() {
        let mut reception = Reception::new();
        feed(&mut reception, (0..100).filter(|number| number % 4 != 1));
        assert_eq!(reception.report_fraction(), 64);
        feed(&mut reception, 100..200);
        assert_eq!(reception.report_fraction(), 0);
        assert_eq!(reception.report_fraction(), 0);
        assert_eq!(reception.lost(), 25);
    }

    #[test]
    fn steady_packets_have_no_jitter_and_shaken_ones_approach_theirs() {
        let mut steady = Reception::new();
        let mut shaken = Reception::new();
        for index in 0..500u64 {
            steady.handle_packet(at(index * 20), index as u16, Some(index as u32 * 160));
            let late = if index % 2 == 0 { 0 } else { 10 };
            shaken.handle_packet(at(index * 20 + late), index as u16, Some(index as u32 * 160));
        }
        assert_eq!(steady.jitter(), Duration::ZERO);
        let jitter = shaken.jitter().as_micros();
        assert!((9_000..=10_500).contains(&jitter), "{jitter} us");
    }
}
