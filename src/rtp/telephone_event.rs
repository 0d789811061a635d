//! Keys as telephone events (RFC 4733, 2.3 and 2.5), both ways.
//!
//! Sending, one packet a slot of 20 ms in place of audio: five packets with growing duration, of which the last has
//! the end bit, the last repeated twice (2.5.1.4), then audio for the rest of the pause.
//!
//! ```text
//! slot      0    1    2    3    4    5    6    7
//! duration  160  320  480  640  800  800  800  audio
//! flags     M                   E    E    E
//! ```

use std::collections::VecDeque;

/// Digits that may wait for their turn; a longer string loses its end.
pub const DIGITS_MAX: usize = 64;

/// The length of an event's payload in bytes.
pub const PAYLOAD: usize = 4;

/// Packets of one event until the end: 100 ms.
const SENT_PACKETS: u16 = 5;
/// How often the end is repeated.
const END_REPEATS: u16 = 2;
/// Slots from the end of an event to the next one: 60 ms.
const PAUSE_SLOTS: u16 = 3;
/// -10 dBm0, in the middle of what receivers must take.
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// An event's end is repeated within so much media time after its begin: a second.
const REPEATED_UNITS: i32 = 8_000;

/// The event code of a key (RFC 4733, 3.2, table 3).
pub fn event_of(digit: char) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        digit @ '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        digit @ 'A'..='D' => Some(digit as u8 - b'A' + 12),
        _ => None,
    }
}

/// The key of an event code.
pub fn digit_of(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|&digit| char::from(digit))
}

/// What an event sends in one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The first packet of the event: its marker bit is set.
    pub marker: bool,
    /// The media time at which the event began.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; PAYLOAD],
    /// The end is being repeated: the key was already released.
    pub repeated: bool,
}

/// Sends keys, one after the other.
#[derive(Clone, Debug)]
pub struct EventSender {
    waiting: VecDeque<u8>,
    state: Sending,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Sending {
    Idle,
    /// So many packets of the event have left.
    Event {
        event: u8,
        timestamp: u32,
        packets: u16,
    },
    /// So many slots until the next event.
    Pause {
        slots: u16,
    },
}

impl EventSender {
    /// Nothing to send; memory for [`DIGITS_MAX`] digits is taken here.
    pub fn new() -> Self {
        EventSender { waiting: VecDeque::with_capacity(DIGITS_MAX), state: Sending::Idle }
    }

    /// Forgets everything, keeps the memory.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.state = Sending::Idle;
    }

    /// Puts digits in the queue; what is no key is skipped. Tells how many were lost because the queue was full.
    pub fn handle_digits(&mut self, digits: &str) -> usize {
        let events = digits.chars().filter_map(event_of);
        let mut lost = 0;
        for event in events {
            if self.waiting.len() < DIGITS_MAX {
                self.waiting.push_back(event);
            } else {
                lost += 1;
            }
        }
        lost
    }

    /// The slot whose audio would have this timestamp: an event's packet, or `None` for audio. `slot_units` is the
    /// slot's length on the RTP clock.
    pub fn handle_slot(&mut self, timestamp: u32, slot_units: u16) -> Option<Outgoing> {
        if self.state == Sending::Idle {
            let event = self.waiting.pop_front()?;
            self.state = Sending::Event { event, timestamp, packets: 0 };
        }
        match self.state {
            Sending::Idle => None,
            Sending::Event { event, timestamp, packets } => {
                let packets = packets + 1;
                self.state = if packets == SENT_PACKETS + END_REPEATS {
                    Sending::Pause { slots: PAUSE_SLOTS - END_REPEATS }
                } else {
                    Sending::Event { event, timestamp, packets }
                };
                let end = if packets >= SENT_PACKETS { END } else { 0 };
                let [high, low] = (packets.min(SENT_PACKETS) * slot_units).to_be_bytes();
                Some(Outgoing {
                    marker: packets == 1,
                    timestamp,
                    payload: [event, end | VOLUME, high, low],
                    repeated: packets > SENT_PACKETS,
                })
            }
            Sending::Pause { slots } => {
                self.state = if slots <= 1 { Sending::Idle } else { Sending::Pause { slots: slots - 1 } };
                None
            }
        }
    }
}

impl Default for EventSender {
    fn default() -> Self {
        EventSender::new()
    }
}

/// Hears keys: each press once, at its first packet that arrives, however many are repeated or lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventReceiver {
    last: Option<Heard>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Heard {
    event: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
}

impl EventReceiver {
    /// Nothing heard yet.
    pub fn new() -> Self {
        EventReceiver::default()
    }

    /// Before the payload of a packet that is none of those that come late: behind the last press in time it shows that the
    /// sender's clock has jumped back. Ends that are repeated while the next key is pressed are not so far behind, and have no
    /// marker.
    pub fn handle_newest(&mut self, marker: bool, timestamp: u32) {
        let behind = |last: Heard| 0i32.saturating_sub(timestamp.wrapping_sub(last.timestamp) as i32);
        if self.last.map_or(0, behind) > if marker { 0 } else { REPEATED_UNITS } {
            self.reset();
        }
    }

    /// A packet of the negotiated payload type; a key when this packet is the first we get of its press.
    pub fn handle_payload(&mut self, marker: bool, timestamp: u32, payload: &[u8]) -> Option<char> {
        let &[event, flags, high, low, ..] = payload else { return None };
        let heard =
            Heard { event, timestamp, duration: u16::from_be_bytes([high, low]), ended: flags & END != 0 };
        if let Some(last) = &mut self.last {
            let ahead = timestamp.wrapping_sub(last.timestamp) as i32;
            if ahead < 0 {
                // A packet of a press that is over came late.
                return None;
            }
            let same_press = ahead == 0 && event == last.event;
            if same_press || continues(last, &heard, marker) {
                last.timestamp = timestamp;
                last.duration = heard.duration.max(if same_press { last.duration } else { 0 });
                last.ended |= heard.ended;
                return None;
            }
        }
        self.last = Some(heard);
        digit_of(event)
    }

    /// The sender changed: its timestamps begin anew.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

/// A press may go on under a new timestamp: when it is longer than the duration field holds (RFC 4733, 2.5.1.3), and
/// with gateways that stamp each packet of an event anew, which then lacks the marker and follows closely. Behind an end
/// only its repetitions do.
fn continues(last: &Heard, heard: &Heard, marker: bool) -> bool {
    let ahead = heard.timestamp.wrapping_sub(last.timestamp);
    let followed = ahead <= u32::from(last.duration).max(400);
    let goes_on = !last.ended || heard.ended;
    heard.event == last.event && !marker && goes_on && followed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(sender: &mut EventSender, slots: u32) -> Vec<String> {
        (0..slots)
            .map(|slot| match sender.handle_slot(1_000 + slot * 160, 160) {
                None => "audio".to_owned(),
                Some(out) => {
                    let duration = u16::from_be_bytes([out.payload[2], out.payload[3]]);
                    let mark = if out.marker { " M" } else { "" };
                    let end = if out.payload[1] & END != 0 { " E" } else { "" };
                    format!("{}@{} {duration}{mark}{end}", out.payload[0], out.timestamp)
                }
            })
            .collect()
    }

    #[test]
    fn a_key_is_five_packets_and_two_more_ends() {
        let mut sender = EventSender::new();
        assert_eq!(sender.handle_digits("5-#"), 0);
        assert_eq!(
            sent(&mut sender, 17),
            [
                "5@1000 160 M",
                "5@1000 320",
                "5@1000 480",
                "5@1000 640",
                "5@1000 800 E",
                "5@1000 800 E",
                "5@1000 800 E",
                "audio",
                "11@2280 160 M",
                "11@2280 320",
                "11@2280 480",
                "11@2280 640",
                "11@2280 800 E",
                "11@2280 800 E",
                "11@2280 800 E",
                "audio",
                "audio",
            ]
        );
    }

    #[test]
    fn the_queue_of_digits_has_an_end() {
        let mut sender = EventSender::new();
        assert_eq!(sender.handle_digits(&"1".repeat(DIGITS_MAX + 3)), 3);
        sender.reset();
        assert_eq!(sent(&mut sender, 1), ["audio"]);
    }

    /// Each case: packets as (marker, timestamp, event, end, duration), and the keys that are heard.
    #[test]
    fn each_press_is_heard_once() {
        type Case = (&'static str, Vec<(bool, u32, u8, bool, u16)>, &'static str);
        let cases: Vec<Case> = vec![
            (
                "in order",
                vec![(true, 0, 5, false, 160), (false, 0, 5, false, 320), (false, 0, 5, true, 320)],
                "5",
            ),
            ("begin lost", vec![(false, 0, 5, false, 320), (false, 0, 5, true, 480)], "5"),
            ("only an end arrives", vec![(false, 0, 11, true, 800)], "#"),
            (
                "ends repeated",
                vec![(true, 0, 1, false, 160), (false, 0, 1, true, 320), (false, 0, 1, true, 320)],
                "1",
            ),
            ("the same key twice", vec![(true, 0, 7, true, 160), (true, 1_600, 7, false, 160)], "77"),
            (
                "twice, first end and second marker lost",
                vec![(true, 0, 7, false, 160), (false, 9_600, 7, true, 160)],
                "77",
            ),
            ("two keys", vec![(true, 0, 1, true, 800), (true, 1_600, 2, true, 800)], "12"),
            (
                "late packet of the key before",
                vec![(true, 0, 1, true, 800), (true, 1_600, 2, false, 160), (false, 0, 1, true, 800)],
                "12",
            ),
            ("longer than the field", vec![(true, 0, 3, false, 65_535), (false, 65_535, 3, false, 160)], "3"),
            (
                "stamped anew",
                vec![(true, 0, 4, false, 160), (false, 160, 4, false, 320), (false, 320, 4, true, 480)],
                "4",
            ),
            (
                "stamped anew, the ends too",
                vec![
                    (true, 0, 4, false, 160),
                    (false, 160, 4, false, 320),
                    (false, 320, 4, true, 480),
                    (false, 480, 4, true, 480),
                    (false, 640, 4, true, 480),
                    (true, 1_600, 4, false, 160),
                    (false, 1_760, 4, true, 320),
                    (false, 1_920, 4, true, 320),
                ],
                "44",
            ),
            ("over the wrap", vec![(true, u32::MAX - 10, 8, true, 160), (true, 1_600, 9, true, 160)], "89"),
            ("no key", vec![(true, 0, 16, true, 160), (true, 999, 200, true, 160)], ""),
        ];
        for (name, packets, expected) in cases {
            let mut receiver = EventReceiver::new();
            let heard: String = packets
                .iter()
                .filter_map(|&(marker, timestamp, event, end, duration)| {
                    let [high, low] = duration.to_be_bytes();
                    let payload = [event, VOLUME | if end { END } else { 0 }, high, low];
                    receiver.handle_payload(marker, timestamp, &payload)
                })
                .collect();
            assert_eq!(heard, expected, "{name}");
        }
        assert_eq!(EventReceiver::new().handle_payload(true, 0, &[5, 10, 0]), None);
    }

    #[test]
    fn what_one_side_sends_the_other_hears_in_spite_of_loss() {
        let keys = "0123456789*#ABCD";
        for lost_every in [usize::MAX, 3, 2] {
            let (mut sender, mut receiver) = (EventSender::new(), EventReceiver::new());
            sender.handle_digits(keys);
            let heard: String = (0..200u32)
                .filter_map(|slot| sender.handle_slot(slot * 160, 160))
                .enumerate()
                .filter(|(index, _)| (index + 1) % lost_every != 0)
                .filter_map(|(_, out)| receiver.handle_payload(out.marker, out.timestamp, &out.payload))
                .collect();
            assert_eq!(heard, keys, "every {lost_every}th lost");
        }
    }
}
