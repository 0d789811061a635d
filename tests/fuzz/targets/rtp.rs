//! RTP packets, and the jitter buffer and key presses behind them: the input is a row of packets with a length before each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::rtp::jitter::{FRAME, JitterBuffer};
use outdial::rtp::packet::Packet;
use outdial::rtp::statistics::Reception;
use outdial::rtp::telephone_event::EventReceiver;
use outdial::time::Instant;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let (mut buffer, mut reception) = (JitterBuffer::new(Duration::from_millis(60)), Reception::new());
    let mut keys = EventReceiver::new();
    let (mut rest, mut now, mut frame) = (bytes, Instant::ZERO, [0; FRAME]);
    while let [length, behind @ ..] = rest {
        let (datagram, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        now += Duration::from_millis(u64::from(*length % 40));
        if let Ok(packet) = Packet::parse(datagram) {
            reception.handle_packet(now, packet.sequence, Some(packet.timestamp));
            buffer.handle_payload(now, packet.timestamp, packet.payload);
            keys.handle_payload(packet.marker, packet.timestamp, packet.payload);
        }
        buffer.handle_slot(now, &mut frame);
    }
});
