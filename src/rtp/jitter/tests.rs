//! Packets in, frames out, in virtual time.

use super::*;

fn at(ms: f64) -> Instant {
    Instant::from_start(Duration::from_micros((ms * 1_000.0) as u64))
}

/// Each packet is (arrival in ms, index of the frame it carries); each frame is filled with its index. Slots come
/// at 10, 30, 50 ms... What is heard: the index, `-` waiting, `_` missing, `.` quiet.
fn play(delay_ms: u64, packets: &[(f64, u32)], slots: u32) -> String {
    play_from(0, delay_ms, packets, slots)
}

fn play_from(first_timestamp: u32, delay_ms: u64, packets: &[(f64, u32)], slots: u32) -> String {
    let mut buffer = JitterBuffer::new(Duration::from_millis(delay_ms));
    let mut packets = packets.to_vec();
    packets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut packets = packets.into_iter().peekable();
    let mut heard = Vec::new();
    for slot in 0..slots {
        let due = 10.0 + 20.0 * f64::from(slot);
        while let Some((ms, index)) = packets.next_if(|packet| packet.0 <= due) {
            let timestamp = first_timestamp.wrapping_add(index * FRAME as u32);
            buffer.handle_payload(at(ms), timestamp, &[index as u8; FRAME]);
        }
        heard.push(slot_word(&mut buffer, at(due)));
    }
    heard.join(" ")
}

fn slot_word(buffer: &mut JitterBuffer, now: Instant) -> String {
    let mut frame = [0; FRAME];
    match buffer.handle_slot(now, &mut frame) {
        Playout::Waiting => "-".into(),
        Playout::Missing => "_".into(),
        Playout::Quiet => ".".into(),
        Playout::Frame => {
            assert!(frame.iter().all(|code| *code == frame[0]), "frames are not torn");
            frame[0].to_string()
        }
    }
}

fn steady(count: u32) -> Vec<(f64, u32)> {
    (0..count).map(|index| (f64::from(index) * 20.0, index)).collect()
}

#[test]
fn the_first_packet_waits_out_the_delay() {
    assert_eq!(play(40, &steady(5), 6), "- - 0 1 2 3");
    assert_eq!(play(0, &steady(5), 6), "0 1 2 3 4 _");
    assert_eq!(play(60, &steady(5), 6), "- - - 0 1 2");
}

#[test]
fn late_by_the_delay_is_heard_and_later_is_not() {
    let mut packets = steady(6);
    packets[2].0 = 40.0 + 49.0;
    assert_eq!(play(40, &packets, 7), "- - 0 1 2 3 4");
    packets[2].0 = 40.0 + 51.0;
    assert_eq!(play(40, &packets, 7), "- - 0 1 _ 3 4");
}

#[test]
fn order_copies_and_loss() {
    let (mut swapped, mut doubled, mut lost) = (steady(6), steady(6), steady(6));
    swapped[1].0 = 45.0;
    doubled.push((41.0, 1));
    lost.remove(2);
    assert_eq!(play(40, &swapped, 7), "- - 0 1 2 3 4");
    assert_eq!(play(40, &doubled, 7), "- - 0 1 2 3 4");
    assert_eq!(play(40, &lost, 7), "- - 0 1 _ 3 4");
}

#[test]
fn a_first_packet_that_was_overtaken_is_heard() {
    assert_eq!(play(40, &[(0.0, 1), (1.0, 0), (20.0, 2)], 6), "- - 0 1 2 _");
}

#[test]
fn timestamps_wrap() {
    assert_eq!(play_from(u32::MAX - 200, 40, &steady(6), 7), "- - 0 1 2 3 4");
}

#[test]
fn packets_of_any_length_give_frames_of_twenty_milliseconds() {
    for samples in [80usize, 240, 320, 480] {
        let mut buffer = JitterBuffer::new(Duration::from_millis(40));
        let mut frame = [0; FRAME];
        let sound: Vec<u8> = (0..9_600).map(|index| (index / 160) as u8).collect();
        let mut packets = sound.chunks(samples).enumerate();
        let mut fed = 0;
        for slot in 0..55usize {
            while fed * samples * 1_000 / 8_000 <= slot * 20 {
                let Some((index, payload)) = packets.next() else { break };
                let ms = (index * samples) as f64 / 8.0;
                let taken = buffer.handle_payload(at(ms), (index * samples) as u32, payload);
                assert_eq!(taken, Taken::Queued);
                fed += 1;
            }
            let playout = buffer.handle_slot(at(slot as f64 * 20.0), &mut frame);
            if slot >= 2 {
                assert_eq!(
                    (playout, frame[0]),
                    (Playout::Frame, (slot - 2) as u8),
                    "{samples} samples a packet"
                );
            }
        }
    }
}

#[test]
fn a_stray_timestamp_is_not_believed_and_a_jump_is() {
    let mut buffer = JitterBuffer::new(Duration::ZERO);
    let mut feed = |ms: f64, timestamp: u32| buffer.handle_payload(at(ms), timestamp, &[7; FRAME]);
    assert_eq!(feed(0.0, 0), Taken::Queued);
    assert_eq!(feed(20.0, 900_000), Taken::Doubtful);
    assert_eq!(feed(21.0, 160), Taken::Queued);
    assert_eq!(feed(21.0, 160), Taken::Duplicate);
    assert_eq!(feed(40.0, 1_900_000), Taken::Doubtful);
    assert_eq!(feed(60.0, 1_900_160), Taken::Restarted);
    assert_eq!(feed(80.0, 1_900_320), Taken::Queued);
    assert_eq!(slot_word(&mut buffer, at(80.0)), "7");
}

#[test]
fn a_sender_whose_clock_stood_still_is_heard_again_at_once() {
    let mut buffer = JitterBuffer::new(Duration::ZERO);
    buffer.handle_payload(at(0.0), 0, &[1; FRAME]);
    for slot in 0..500 {
        slot_word(&mut buffer, at(f64::from(slot) * 20.0));
    }
    for index in 1..7 {
        let now = at(10_000.0 + f64::from(index) * 20.0);
        assert_eq!(buffer.handle_payload(now, index * 160, &[2; FRAME]), Taken::Queued);
        assert_eq!(slot_word(&mut buffer, now), "2");
    }
}

#[test]
fn a_sender_that_falls_behind_by_half_a_frame_is_followed_after_four_packets() {
    for shift in [-560i64, -400, -360, -240, 80] {
        let mut buffer = JitterBuffer::new(Duration::from_millis(40));
        let mut heard = Vec::new();
        for slot in 0..110u32 {
            let (now, index) = (f64::from(slot) * 20.0, 1_000 + i64::from(slot) * 160);
            let shift = if slot < 50 { 0 } else { shift };
            buffer.handle_payload(at(now), (index + shift) as u32, &[7; FRAME]);
            heard.push(slot_word(&mut buffer, at(now + 10.0)));
        }
        let missing = heard[2..].iter().filter(|word| *word != "7").count();
        assert!(missing <= 7, "{shift}: {missing} frames are missing: {heard:?}");
    }
}

#[test]
fn a_sender_whose_clock_jumps_back_is_heard_again_after_four_packets() {
    let mut buffer = JitterBuffer::new(Duration::ZERO);
    for index in 0..50 {
        buffer.handle_payload(at(f64::from(index) * 20.0), 80_000 + index * 160, &[1; FRAME]);
        slot_word(&mut buffer, at(f64::from(index) * 20.0));
    }
    let taken: Vec<Taken> = (50..55)
        .map(|index| buffer.handle_payload(at(f64::from(index) * 20.0), index * 160, &[2; FRAME]))
        .collect();
    assert_eq!(taken, [Taken::Late, Taken::Late, Taken::Late, Taken::Restarted, Taken::Queued]);
    assert_eq!(slot_word(&mut buffer, at(1_101.0)), "2");
}

#[test]
fn after_a_pause_the_delay_is_waited_out_anew() {
    // The sender's clock and ours are never quite one: after a pause its packets come up to two frames before or after
    // their slots. All of them must be heard, and at once.
    for shift in [-480i64, -240, -80, 0, 80, 240] {
        let mut buffer = JitterBuffer::new(Duration::from_millis(40));
        let mut heard = Vec::new();
        for slot in 0..200u32 {
            let (now, index) = (f64::from(slot) * 20.0, i64::from(slot) * 160);
            match slot {
                0..10 => drop(buffer.handle_payload(at(now), index as u32, &[1; FRAME])),
                100..150 => drop(buffer.handle_payload(at(now), (index + shift) as u32, &[2; FRAME])),
                _ => {}
            }
            heard.push(slot_word(&mut buffer, at(now + 10.0)));
        }
        assert_eq!(heard.iter().filter(|word| *word == "1").count(), 10, "{shift}: {heard:?}");
        assert_eq!(heard[102..152], ["2"; 50], "{shift}: {heard:?}");
    }
}

#[test]
fn comfort_noise_is_quiet_and_not_missing() {
    let mut buffer = JitterBuffer::new(Duration::ZERO);
    buffer.handle_payload(at(0.0), 0, &[1; FRAME]);
    buffer.handle_comfort_noise(160);
    let heard: Vec<String> = (0..3).map(|slot| slot_word(&mut buffer, at(f64::from(slot) * 20.0))).collect();
    assert_eq!(heard, ["1", ".", "."]);
    buffer.handle_payload(at(60.0), 640, &[2; FRAME]);
    let heard: Vec<String> = (3..6).map(|slot| slot_word(&mut buffer, at(f64::from(slot) * 20.0))).collect();
    assert_eq!(heard, ["_", "2", "_"]);
}

#[test]
fn a_drifting_sender_is_followed_for_an_hour() {
    for ppm in [-300.0, -100.0, 0.0, 100.0, 300.0] {
        let mut buffer = JitterBuffer::new(Duration::from_millis(40));
        let slots = 180_000u32;
        let (mut sent, mut missing, mut deepest) = (0u32, 0u32, Duration::ZERO);
        for slot in 0..slots {
            let now = f64::from(slot) * 20.0 + 10.0;
            while f64::from(sent) * 20.0 * (1.0 - ppm / 1e6) <= now {
                let ms = f64::from(sent) * 20.0 * (1.0 - ppm / 1e6);
                buffer.handle_payload(at(ms), sent.wrapping_mul(160), &[0; FRAME]);
                sent += 1;
            }
            missing += u32::from(slot_word(&mut buffer, at(now)) == "_");
            deepest = deepest.max(buffer.depth());
        }
        // A slow sender owes one frame for every 20 ms it falls behind, and no more.
        let owed = (-ppm / 1e6 * 180_000.0).max(0.0) as u32;
        assert!(missing <= owed + 1, "{ppm} ppm: {missing} missing, {owed} owed");
        assert!(deepest <= Duration::from_millis(120), "{ppm} ppm: {deepest:?}");
    }
}

#[test]
fn what_is_no_sound_is_refused() {
    let mut buffer = JitterBuffer::new(Duration::ZERO);
    assert_eq!(buffer.handle_payload(at(0.0), 0, &[]), Taken::Unusable);
    assert_eq!(buffer.handle_payload(at(0.0), 0, &[0; CAPACITY / 4 + 1]), Taken::Unusable);
}

/// How many slots behind its arrival's each frame is heard that is heard from `from` on, each number once.
fn lines(heard: &str, from: usize) -> Vec<i64> {
    let mut lines: Vec<i64> = (0i64..)
        .zip(heard.split(' '))
        .skip(from)
        .filter_map(|(slot, word)| Some(slot - word.parse::<i64>().ok()?))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// So many packets from `first` on come together, as many in 20 ms as are read; the others in time.
fn held_up(count: u32, first: u32, held: u32, read_at_once: u32) -> Vec<(f64, u32)> {
    let mut packets = steady(count);
    let end = f64::from(first + held) * 20.0;
    let mut free = end;
    for (place, packet) in packets[first as usize..].iter_mut().enumerate() {
        if (place as u32).is_multiple_of(read_at_once) && place > 0 {
            free += 20.0;
        }
        packet.0 = packet.0.max(free.max(end));
        if packet.0 > free {
            break;
        }
    }
    packets
}

#[test]
fn what_is_heard_after_sound_that_was_held_up_is_heard_in_its_time() {
    for held in [2, 5, 8, 10, 15, 20, 25, 30, 50, 75, 100] {
        for read_at_once in [8, 24, 1_000] {
            let heard = play(40, &held_up(250, 50, held, read_at_once), 250);
            assert_eq!(lines(&heard, 0)[0], 2, "{held} packets, {read_at_once} at once: {heard}");
            let after = (50 + held + 30) as usize;
            let lines = lines(&heard, after);
            assert!(lines == [2] || lines == [3], "{held}, {read_at_once} at once: {lines:?}: {heard}");
        }
    }
}

#[test]
fn what_follows_on_a_burst_that_a_stream_begins_with_is_heard_in_its_time() {
    for burst in [3u32, 5, 10, 20, 30, 60] {
        let packets: Vec<(f64, u32)> =
            (0..200).map(|index| (f64::from(index.max(burst - 1) - (burst - 1)) * 20.0, index)).collect();
        let heard = play(40, &packets, 100);
        let in_time = 2 - i64::from(burst - 1);
        let lines = lines(&heard, 15);
        assert!(lines == [in_time] || lines == [in_time + 1], "{burst}: {lines:?}, not {in_time}: {heard}");
    }
}

#[test]
fn a_line_that_small_jumps_have_moved_is_moved_back() {
    let mut buffer = JitterBuffer::new(Duration::from_millis(40));
    let mut ahead = 0;
    for index in 0..300u32 {
        ahead += if (60..=150).contains(&index) && index % 10 == 0 { 300 } else { 0 };
        buffer.handle_payload(at(f64::from(index) * 20.0), index * 160 + ahead, &[7; FRAME]);
        slot_word(&mut buffer, at(f64::from(index) * 20.0 + 10.0));
    }
    assert!(buffer.depth() <= Duration::from_millis(100), "{:?}", buffer.depth());
}

/// Frames that are missing in the second half of a minute on a way that holds each packet up by at most `jitter_ms`.
fn missing_under_jitter(delay: Delay, jitter_ms: u64, seed: u64) -> u32 {
    let mut buffer = JitterBuffer::new(delay);
    let mut chance = seed;
    let mut chance = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 40) as f64 / f64::from(1 << 24)
    };
    let mut packets: Vec<(f64, u32)> = (0..3_000u32)
        .map(|index| (f64::from(index) * 20.0 + chance() * jitter_ms as f64, index * 160))
        .collect();
    packets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut packets = packets.into_iter().peekable();
    let mut missing = 0;
    for slot in 0..2_950u32 {
        let due = f64::from(slot) * 20.0 + 10.0;
        while let Some((ms, timestamp)) = packets.next_if(|packet| packet.0 <= due) {
            buffer.handle_payload(at(ms), timestamp, &[0; FRAME]);
        }
        missing += u32::from(slot_word(&mut buffer, at(due)) == "_" && slot > 1_500);
    }
    missing
}

#[test]
fn what_the_network_needs_is_not_taken_for_a_backlog() {
    let adaptive = Delay::Adaptive { min: Duration::from_millis(20), max: Duration::from_millis(160) };
    for seed in 0..20 {
        assert_eq!(missing_under_jitter(Duration::from_millis(40).into(), 35, seed), 0, "{seed}");
        let missing = missing_under_jitter(adaptive, 80, seed);
        assert_eq!(missing, 0, "{seed}");
    }
}

#[test]
fn slots_that_were_missed_are_gone_for_what_comes_behind_them_too() {
    for stamped in [false, true] {
        let mut buffer = JitterBuffer::new(Duration::from_millis(40));
        let mut heard = Vec::new();
        for slot in 0..200u32 {
            let now = at(f64::from(slot) * 20.0);
            match slot {
                50..100 => {
                    heard.push("x".into());
                    continue;
                }
                100 => {
                    buffer.handle_missed_slots(50);
                    for index in 50..100 {
                        let came = if stamped { at(f64::from(index) * 20.0) } else { now };
                        let taken = buffer.handle_payload(came, index * 160, &[index as u8; FRAME]);
                        assert_ne!(taken, Taken::Restarted, "{index} was late by our own doing");
                    }
                }
                _ => {}
            }
            buffer.handle_payload(now, slot * 160, &[slot as u8; FRAME]);
            heard.push(slot_word(&mut buffer, now + Duration::from_millis(10)));
        }
        let heard = heard.join(" ");
        let lines = lines(&heard, 110);
        assert!(lines == [2] || lines == [3], "{lines:?}: {heard}");
    }
}
