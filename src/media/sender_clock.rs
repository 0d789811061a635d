//! Whether a sender's clock goes on as its packets do: finds the jumps that timestamps alone do not show.
//!
//! A sender that switches its source without a new SSRC (a PBX between an announcement and a person, a transcoder that
//! begins anew) may jump in media time while its sequence numbers go on. Taken at its word such a jump would move all
//! that follows to a wrong time. So time is compared with time: a packet that follows in sequence may be ahead of the
//! last by what was lost between, or by what has passed since, and not by much more; and never behind.

use crate::rtp::CLOCK_HZ;
use crate::rtp::packet::Packet;
use crate::time::Instant;

/// What is no jump yet: 40 ms, since packets may be looked at every 20 ms only.
const TOLERANCE: i64 = 320;

/// Numbers that are further apart say nothing about each other's time.
const STEPS_MAX: u16 = 100;

/// The longest packet in units of the RTP clock that lost ones are taken for: 60 ms.
const PACKET_MAX: i64 = 480;

/// What to make of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Its time is as its number says.
    Goes,
    /// Its time has jumped: to be left out, unless the next one says the same.
    Doubtful,
    /// The clock has jumped.
    Jumped,
}

/// The clock of one sender.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SenderClock {
    newest: Option<Newest>,
    /// The number and the time that would confirm a jump.
    expected_after_jump: Option<(u16, u32)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Newest {
    sequence: u16,
    /// The media time behind its last sample.
    end: u32,
    at: Instant,
}

impl SenderClock {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        SenderClock::default()
    }

    /// The sender changed.
    pub fn reset(&mut self) {
        *self = SenderClock::default();
    }

    /// A packet of audio.
    pub fn handle_audio(&mut self, now: Instant, packet: &Packet<'_>) -> Step {
        let end = packet.timestamp.wrapping_add(packet.payload.len() as u32);
        let step = match self.newest {
            Some(newest) if newest.jumps_to(now, packet) => {
                let confirmed = self.expected_after_jump == Some((packet.sequence, packet.timestamp));
                match confirmed || packet.marker {
                    true => Step::Jumped,
                    false => {
                        self.expected_after_jump = Some((packet.sequence.wrapping_add(1), end));
                        return Step::Doubtful;
                    }
                }
            }
            _ => Step::Goes,
        };
        self.expected_after_jump = None;
        self.accept(now, packet.sequence, end);
        step
    }

    /// The sender says that it is silent from `timestamp` on.
    pub fn handle_quiet(&mut self, now: Instant, sequence: u16, timestamp: u32) {
        self.accept(now, sequence, timestamp);
    }

    fn accept(&mut self, at: Instant, sequence: u16, end: u32) {
        let older = self.newest.is_some_and(|newest| {
            let behind = newest.sequence.wrapping_sub(sequence);
            (1..=STEPS_MAX).contains(&behind)
        });
        if !older {
            self.newest = Some(Newest { sequence, end, at });
        }
    }
}

impl Newest {
    fn jumps_to(&self, now: Instant, packet: &Packet<'_>) -> bool {
        let steps = packet.sequence.wrapping_sub(self.sequence);
        if !(1..=STEPS_MAX).contains(&steps) {
            return false;
        }
        let ahead = i64::from(packet.timestamp.wrapping_sub(self.end) as i32);
        let lost = i64::from(steps - 1) * (packet.payload.len() as i64).clamp(1, PACKET_MAX);
        let passed = now.saturating_since(self.at).as_micros() as i64 * i64::from(CLOCK_HZ) / 1_000_000;
        // A packet comes when its last sample is there.
        let paused = passed - packet.payload.len() as i64;
        ahead < -TOLERANCE || ahead > lost.max(paused) + TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Ssrc;
    use std::time::Duration;

    /// Packets as (arrival in ms, sequence, timestamp in ms, marker); `g`oes, `.` doubtful, `j`umped.
    fn steps(packets: &[(u64, u16, i64, bool)]) -> String {
        let mut clock = SenderClock::new();
        let step = |&(ms, sequence, media_ms, marker): &(u64, u16, i64, bool)| {
            let timestamp = (media_ms * 8) as u32;
            let packet =
                Packet { marker, payload_type: 0, sequence, timestamp, ssrc: Ssrc(1), payload: &[0; 160] };
            match clock.handle_audio(Instant::from_start(Duration::from_millis(ms)), &packet) {
                Step::Goes => 'g',
                Step::Doubtful => '.',
                Step::Jumped => 'j',
            }
        };
        packets.iter().map(step).collect()
    }

    #[test]
    fn jumps_are_told_from_loss_pauses_bursts_and_reordering() {
        let plain = |ms, sequence, media_ms| (ms, sequence, media_ms, false);
        let cases = [
            ("steady", vec![plain(0, 1, 0), plain(20, 2, 20), plain(40, 3, 40)], "ggg"),
            ("loss", vec![plain(0, 1, 0), plain(1_000, 51, 1_000), plain(1_001, 52, 1_020)], "ggg"),
            ("a lost burst that comes at once", vec![plain(0, 1, 0), plain(1, 51, 1_000)], "gg"),
            ("a pause", vec![plain(0, 1, 0), plain(3_000, 2, 3_000), plain(3_020, 3, 3_020)], "ggg"),
            ("a pause whose end is late", vec![plain(0, 1, 0), plain(3_070, 2, 3_000)], "gg"),
            ("a clock that stood still", vec![plain(0, 1, 0), plain(3_000, 2, 20)], "gg"),
            ("reordered", vec![plain(0, 1, 0), plain(20, 3, 40), plain(21, 2, 20), plain(40, 4, 60)], "gggg"),
            ("ahead", vec![plain(0, 1, 0), plain(20, 2, 320), plain(40, 3, 340), plain(60, 4, 360)], "g.jg"),
            ("far ahead", vec![plain(0, 1, 0), plain(20, 2, 90_000), plain(40, 3, 90_020)], "g.j"),
            ("behind", vec![plain(0, 1, 900), plain(20, 2, 20), plain(40, 3, 40), plain(60, 4, 60)], "g.jg"),
            ("ahead, and marked", vec![plain(0, 1, 0), (20, 2, 320, true), plain(40, 3, 340)], "gjg"),
            (
                "one stray",
                vec![plain(0, 1, 0), plain(20, 2, 700), plain(40, 3, 40), plain(60, 4, 60)],
                "g.gg",
            ),
        ];
        for (name, packets, expected) in cases {
            assert_eq!(steps(&packets), expected, "{name}");
        }
    }
}
