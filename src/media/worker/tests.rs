//! One worker in virtual time.

mod agreed;
mod bench;
mod coding;
mod collision;
mod faults;
mod keys;
mod missed;
mod moved;
mod ptime;
mod rekeyed;
mod rest;

use super::*;
use crate::amd::verdict::{Class, Finding, ToneKind};
use crate::audio::g711::{self, Law};
use crate::audio::level::dbfs;
use crate::audio::tone::{Tone, cadence};
use crate::audio::wav::{self, Clip};
use crate::audio::{FRAME_SAMPLES, SILENT_FRAME};
use crate::media::SLOT;
use crate::media::command::{Coding, PromptId, Statistics};
use crate::rtp::Ssrc;
use crate::rtp::packet::Packet;
use crate::rtp::telephone_event::EventReceiver;
use bench::{Bench, Notes, Sent, packet, remote, session, write};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn a_connected_stream_sends_one_packet_every_twenty_milliseconds() {
    let mut bench = Bench::new(4);
    let leg = bench.leg(0);
    bench.run_ms(1_000);
    let sent = &bench.sink.sent[&leg];
    assert_eq!(sent.len(), 50);
    for pair in sent.windows(2) {
        let (before, after) = (pair[0].packet(), pair[1].packet());
        assert_eq!(pair[1].at - pair[0].at, Duration::from_millis(20));
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
        assert_eq!((after.ssrc, after.payload_type, after.marker), (before.ssrc, 0, false));
        assert_eq!(after.payload, [Law::Mu.silence(); FRAME_SAMPLES]);
    }
    assert!(sent[0].packet().marker);
    assert_eq!(bench.sink.words(leg), ["opened", "first sent"]);
}

#[test]
fn streams_are_spread_over_the_slots() {
    let mut bench = Bench::new(8);
    let legs: Vec<StreamKey> = (0..8).map(|index| bench.leg(index)).collect();
    bench.run_ms(20);
    let mut slots: Vec<u128> =
        legs.iter().map(|leg| bench.sink.sent[leg][0].at.since_start().as_millis() % 20).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 0, 5, 5, 10, 10, 15, 15]);
}

#[test]
fn nothing_is_sent_before_connect_on_hold_or_after_close() {
    let mut bench = Bench::new(1);
    let leg = bench.open(0);
    bench.run_ms(100);
    assert!(!bench.sink.sent.contains_key(&leg));
    bench.connect(leg, session(0));
    bench.run_ms(100);
    bench.connect(leg, Session { send: false, ..session(0) });
    bench.run_ms(100);
    assert_eq!(bench.sink.sent[&leg].len(), 5);
    bench.connect(leg, session(0));
    bench.run_ms(100);
    let sent = &bench.sink.sent[&leg];
    assert_eq!(sent.len(), 10);
    let (last, resumed) = (sent[4].packet(), sent[5].packet());
    assert!(resumed.marker, "sound after silence begins a talkspurt");
    assert_eq!(resumed.timestamp.wrapping_sub(last.timestamp), 6 * 160, "media time went on");
    assert_eq!(resumed.sequence, last.sequence.wrapping_add(1));
    bench.command(Command::Close { stream: leg });
    bench.run_ms(100);
    assert_eq!(bench.sink.sent[&leg].len(), 10);
    assert_eq!(bench.sink.words(leg), ["opened", "first sent", "closed"]);
}

#[test]
fn an_address_is_aimed_at_again_only_when_it_changes() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.connect(leg, session(0));
    bench.connect(leg, session(9));
    assert_eq!(bench.sink.aims, [(leg, remote(0)), (leg, remote(9))]);
    bench.packet(leg, remote(0), &packet(1, 0, &[0; 160]));
    bench.packet(leg, remote(9), &packet(1, 0, &[0; 160]));
    assert_eq!(bench.sink.latches, [(leg, remote(9))]);
}

#[test]
fn packets_of_others_are_refused_and_counted() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let stranger = "198.51.100.1:4000".parse().unwrap();
    let good = packet(1, 0, &[0; 160]);
    bench.packet(leg, stranger, &good);
    bench.packet(leg, remote(0), b"no RTP at all");
    bench.packet(leg, remote(0), &[&[0x80, 97], &good[2..]].concat());
    assert_eq!(bench.sink.words(leg), ["opened"]);
    bench.packet(leg, remote(0), &good);
    bench.packet(leg, stranger, &packet(2, 160, &[0; 160]));
    bench.command(Command::Close { stream: leg });
    let statistics = bench.sink.closed[&leg];
    assert_eq!((statistics.packets_received, statistics.packets_refused), (1, 4));
    assert_eq!(bench.sink.words(leg), ["opened", "first received", "closed"]);
}

#[test]
fn a_peer_behind_address_translation_is_found_at_its_other_port() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let elsewhere = "192.0.2.1:62000".parse().unwrap();
    for number in 0..8u16 {
        bench.packet(leg, elsewhere, &packet(number, u32::from(number) * 160, &[0; 160]));
    }
    assert_eq!(bench.sink.aims.last(), Some(&(leg, elsewhere)));
    assert!(bench.sink.latches.is_empty(), "the negotiated address may still come");
    bench.command(Command::Close { stream: leg });
    assert_eq!((bench.sink.closed[&leg].packets_received, bench.sink.closed[&leg].packets_refused), (4, 4));
}

#[test]
fn a_new_source_takes_over_with_its_second_packet() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let with = |ssrc: u32, number: u16| write(false, 0, number, u32::from(number) * 160, ssrc, &[0; 160]);
    for (ssrc, number) in [(1, 1), (1, 2), (2, 700), (1, 3), (2, 702), (2, 703), (2, 704), (1, 4)] {
        bench.packet(leg, remote(0), &with(ssrc, number));
    }
    bench.command(Command::Close { stream: leg });
    assert_eq!((bench.sink.closed[&leg].packets_received, bench.sink.closed[&leg].packets_refused), (5, 3));
}

#[test]
fn a_prompt_is_played_whole_and_then_reported() {
    let prompt: Vec<i16> = Tone::sine(440.0, -10.0).samples(Duration::from_millis(100));
    let mut bench = Bench::with_prompts(1, vec![Clip { samples: prompt.clone() }]);
    let leg = bench.leg(0);
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: false });
    bench.run_ms(200);
    let coded: Vec<u8> = prompt.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
    assert_eq!(bench.sink.codes(leg)[..800], coded);
    assert_eq!(bench.sink.codes(leg)[800..], [0xff; 800]);
    assert_eq!(bench.sink.words(leg), ["opened", "first sent", "played 0"]);
    let played_at = bench.sink.when(leg, "played 0");
    assert_eq!(played_at, bench.sink.sent[&leg][4].at, "with its last packet");
}

#[test]
fn a_prompt_begins_again_a_repeated_one_goes_on_and_an_unknown_one_is_silent() {
    let samples = Tone::sine(440.0, -10.0).samples(Duration::from_millis(60));
    let mut bench = Bench::with_prompts(1, vec![Clip { samples }]);
    let leg = bench.leg(0);
    let play = |repeat| Command::Play { stream: leg, prompt: PromptId(0), repeat };
    bench.command(play(false));
    bench.run_ms(40);
    bench.command(play(false));
    bench.run_ms(100);
    let frames = bench.sink.frames(leg);
    assert_eq!(frames[0], frames[2], "it began again");
    assert_eq!(bench.sink.words(leg).iter().filter(|word| *word == "played 0").count(), 1);
    bench.command(play(true));
    bench.run_ms(300);
    let frames = bench.sink.frames(leg);
    assert!(frames[7..].iter().all(|frame| dbfs(frame) > -11.0));
    bench.command(Command::Play { stream: leg, prompt: PromptId(5), repeat: true });
    bench.run_ms(20);
    assert_eq!(*bench.sink.frames(leg).last().unwrap(), SILENT_FRAME);
    bench.command(Command::LoadPrompts(Arc::default()));
    assert_eq!(bench.sink.words(leg).iter().filter(|word| *word == "played 0").count(), 1);
}

#[test]
fn bridged_legs_hear_each_other_in_their_own_laws_and_sequences() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.leg(0), bench.open(1));
    bench.connect(b, Session { coding: Coding::G711(Law::A), payload_type: 8, ..session(1) });
    bench.command(Command::Bridge { a, b });
    let (low, high) = (Tone::sine(300.0, -12.0), Tone::sine(1_500.0, -12.0));
    for index in 0..50u16 {
        let frame = |tone: &Tone, law| -> Vec<u8> {
            (0..160).map(|sample| g711::encode(law, tone.sample(usize::from(index) * 160 + sample))).collect()
        };
        bench.packet(a, remote(0), &packet(index, u32::from(index) * 160, &frame(&low, Law::Mu)));
        let from_b = write(false, 8, 900 + index, 7_000 + u32::from(index) * 160, 0xb, &frame(&high, Law::A));
        bench.packet(b, remote(1), &from_b);
        bench.run_ms(20);
    }
    for (leg, tone) in [(a, &high), (b, &low)] {
        let frames = bench.sink.frames(leg);
        let heard: Vec<i16> = frames[10..45].concat();
        assert!((dbfs(&heard) + 12.0).abs() < 0.3, "{}", dbfs(&heard));
        let periods = heard.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count() as f64;
        let expected = tone.lines()[0].frequency_hz * heard.len() as f64 / 8_000.0;
        assert!((periods - expected).abs() <= 2.0, "{periods} periods instead of {expected}");
        assert!(bench.sink.sent[&leg].windows(2).all(|pair| {
            pair[1].packet().sequence == pair[0].packet().sequence.wrapping_add(1)
                && pair[1].at - pair[0].at == Duration::from_millis(20)
        }));
    }
    bench.command(Command::Unbridge { stream: b });
    bench.run_ms(200);
    assert_eq!(*bench.sink.frames(a).last().unwrap(), SILENT_FRAME);
}

#[test]
fn a_bridge_survives_neither_leg_and_can_be_made_anew() {
    let mut bench = Bench::new(3);
    let (a, b, c) = (bench.leg(0), bench.leg(1), bench.leg(2));
    bench.command(Command::Bridge { a, b });
    bench.command(Command::Bridge { a: b, b: c });
    bench.command(Command::Bridge { a, b: a });
    let loud: Vec<u8> = vec![g711::encode(Law::Mu, 8_000); 160];
    for index in 0..10u16 {
        bench.packet(b, remote(1), &packet(index, u32::from(index) * 160, &loud));
        bench.run_ms(20);
    }
    assert!(dbfs(&bench.sink.frames(c).concat()) > -30.0);
    assert_eq!(dbfs(&bench.sink.frames(a).concat()), -96.0);
    bench.command(Command::Close { stream: b });
    bench.run_ms(100);
    assert_eq!(*bench.sink.frames(c).last().unwrap(), SILENT_FRAME);
}

#[test]
fn keys_arrive_once_and_cross_the_bridge() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.leg(0), bench.leg(1));
    bench.command(Command::Bridge { a, b });
    bench.command(Command::SendDigits { stream: a, digits: "12#".into() });
    let (mut number, mut fed) = (0u16, 0);
    for _ in 0..60 {
        bench.run_ms(20);
        // What `a` sends comes back to it as its peer's: the round trip of every digit.
        let sent: Vec<Vec<u8>> = bench.sink.sent[&a][fed..].iter().map(|sent| sent.bytes.clone()).collect();
        fed += sent.len();
        for bytes in sent {
            let got = Packet::parse(&bytes).unwrap();
            let echo = write(got.marker, got.payload_type, number, got.timestamp, 77, got.payload);
            bench.packet(a, remote(0), &echo);
            number += 1;
        }
    }
    assert_eq!(bench.sink.words(a)[2..], ["first received", "digit 1", "digit 2", "digit #"]);
    let mut receiver = EventReceiver::new();
    let crossed: String = bench.sink.sent[&b]
        .iter()
        .map(Sent::packet)
        .filter(|packet| packet.payload_type == 101)
        .filter_map(|packet| receiver.handle_payload(packet.marker, packet.timestamp, packet.payload))
        .collect();
    assert_eq!(crossed, "12#");
}

#[test]
fn reordered_and_doubled_packets_are_heard_in_order() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.leg(0), bench.leg(1));
    bench.command(Command::Bridge { a, b });
    let order = [0u16, 2, 1, 1, 3, 4, 6, 5, 7, 8, 9, 10];
    for (step, index) in order.into_iter().enumerate() {
        let level = g711::encode(Law::Mu, 1_000 + 500 * index as i16);
        bench.packet(a, remote(0), &packet(index, u32::from(index) * 160, &[level; 160]));
        if step != 3 {
            bench.run_ms(20);
        }
    }
    bench.run_ms(100);
    let heard: Vec<i16> =
        bench.sink.frames(b).iter().map(|frame| frame[100]).filter(|sample| *sample > 900).collect();
    assert!(heard.len() >= 11, "{heard:?}");
    assert!(heard[..11].windows(2).all(|pair| pair[0] < pair[1]), "{heard:?}");
}

#[test]
fn a_silent_peer_is_reported_once_and_again_after_it_came_back() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.run_ms(29_900);
    assert_eq!(bench.sink.words(leg), ["opened", "first sent"]);
    bench.run_ms(60_000);
    assert_eq!(bench.sink.words(leg)[2..], ["media timeout"]);
    assert_eq!(bench.sink.when(leg, "media timeout").since_start().as_millis() / 100, 300);
    bench.packet(leg, remote(0), &packet(0, 0, &[0; 160]));
    bench.run_ms(31_000);
    assert_eq!(bench.sink.words(leg)[3..], ["first received", "media timeout"]);
    bench.connect(leg, Session { receive: false, ..session(0) });
    bench.run_ms(60_000);
    assert_eq!(bench.sink.words(leg).len(), 5, "on hold nobody has to speak");
}

#[test]
fn a_peer_that_keeps_its_port_open_is_there_once_it_was_heard() {
    // RFC 6263, 4.6: a payload type that was not agreed on.
    let keep = |bench: &mut Bench, leg, source| {
        for number in 1..90u16 {
            bench.packet(leg, source, &write(false, 96, number, u32::from(number) * 160, 1, &[]));
            bench.run_ms(1_000);
        }
    };
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.packet(leg, remote(0), &packet(0, 0, &[0; 160]));
    keep(&mut bench, leg, remote(0));
    assert_eq!(bench.sink.words(leg), ["opened", "first received", "first sent"]);
    keep(&mut bench, leg, "198.51.100.1:4000".parse().unwrap());
    assert_eq!(bench.sink.words(leg)[3..], ["media timeout"], "but not a stranger");
    bench.connect(leg, session(9));
    keep(&mut bench, leg, remote(9));
    assert_eq!(bench.sink.words(leg).len(), 4, "from where it has moved to, too");
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    keep(&mut bench, leg, remote(0));
    assert_eq!(bench.sink.words(leg), ["opened", "first sent", "media timeout"], "nothing was ever heard");
}

#[test]
fn a_recording_gets_both_sides_frame_by_frame() {
    let samples = Tone::sine(440.0, -10.0).samples(Duration::from_millis(100));
    let mut bench = Bench::with_prompts(1, vec![Clip { samples }]);
    let leg = bench.leg(0);
    bench.command(Command::Record { stream: leg, path: "call.wav".into() });
    bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: false });
    let loud = [g711::encode(Law::Mu, 4_000); 160];
    for index in 0..25u16 {
        bench.packet(leg, remote(0), &packet(index, u32::from(index) * 160, &loud));
        bench.run_ms(20);
    }
    bench.command(Command::Close { stream: leg });
    assert_eq!(bench.sink.recordings, [(leg, PathBuf::from("call.wav"))]);
    let recorded = &bench.sink.recorded[&leg];
    // What was said waits as long as what was heard, by 40 ms here, and is written to its end.
    assert_eq!(recorded.len(), 27);
    let said: Vec<i16> = recorded[2..].iter().flat_map(|(_, said)| said.to_vec()).collect();
    assert_eq!(said, bench.sink.frames(leg).concat(), "what was said is what was sent");
    assert!(recorded[5..25].iter().all(|(heard, _)| (heard[50] - 4_000).abs() < 100));
}

#[test]
fn fault_28_what_the_peer_gives_back_at_once_stands_beside_what_was_said() {
    let mut click = vec![0; 16_000];
    click[8_000..8_160].fill(20_000);
    for (delay_ms, way_ms) in [(0, 1), (40, 1), (200, 1), (40, 10), (40, 19), (50, 1), (200, 12)] {
        let mut bench = Bench::with_prompts(1, vec![Clip { samples: click.clone() }]);
        let options = Options { jitter: Duration::from_millis(delay_ms), ..Options::default() };
        let prompts = PromptTable::new(vec![Clip { samples: click.clone() }]);
        bench.worker = Worker::new(&options, Arc::new(prompts), Rng::from_seed(1));
        let leg = bench.leg(0);
        bench.command(Command::Record { stream: leg, path: "call.wav".into() });
        bench.command(Command::Play { stream: leg, prompt: PromptId(0), repeat: false });
        for _ in 0..100 {
            bench.run_ms(20);
            let sent = &bench.sink.sent[&leg].last().expect("a packet is sent in each slot");
            let (came, bytes) = (sent.at + Duration::from_millis(way_ms), sent.bytes.clone());
            let now = std::mem::replace(&mut bench.now, came);
            bench.packet(leg, remote(0), &bytes);
            bench.now = now;
        }
        bench.command(Command::Close { stream: leg });
        let recorded = &bench.sink.recorded[&leg];
        let place = |side: fn(&(Frame, Frame)) -> &Frame| {
            recorded.iter().flat_map(side).position(|sample| *sample > 10_000).expect("it is recorded") as i64
        };
        let late_ms = (place(|(heard, _)| heard) - place(|(_, said)| said)) / 8;
        assert!(
            (late_ms - way_ms as i64).abs() <= 20,
            "{late_ms} ms late with {delay_ms} ms, {way_ms} ms away"
        );
    }
}

#[test]
fn the_detector_hears_what_came_through_the_network() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let silence = (Tone::silence(), Duration::from_millis(700));
    let fax = cadence(&[silence, (Tone::sine(2_100.0, -15.0), Duration::from_secs(3)), silence]);
    bench.run_ms(100);
    bench.command(Command::Detect { stream: leg });
    let started = bench.now;
    for (index, frame) in fax.chunks_exact(160).enumerate() {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
        bench.packet(leg, remote(0), &packet(index as u16, index as u32 * 160, &codes));
        bench.run_ms(20);
    }
    assert_eq!(bench.sink.verdict(), Some((started, Class::Fax)));
    let findings = bench.sink.findings.len();
    bench.command(Command::StopDetecting { stream: leg });
    bench.run_ms(10_000);
    assert_eq!(bench.sink.findings.len(), findings);
}

#[test]
fn a_peer_that_sends_nothing_after_its_hello_has_ended_it() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::Detect { stream: leg });
    let clip = wav::read(include_bytes!("../../../fixtures/audio/human-yeah.wav")).unwrap();
    let frames: Vec<&[i16]> = clip.samples.chunks_exact(160).collect();
    let last = frames.iter().rposition(|frame| dbfs(frame) > -45.0).unwrap();
    for (index, frame) in frames[..=last].iter().enumerate() {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
        bench.packet(leg, remote(0), &packet(index as u16, index as u32 * 160, &codes));
        bench.run_ms(20);
    }
    bench.run_ms(1_000);
    assert_eq!(bench.sink.verdict().map(|(_, class)| class), Some(Class::Human));
}

#[test]
fn tones_that_open_a_call_are_named_however_late_they_come() {
    let clip = wav::read(include_bytes!("../../../fixtures/audio/sit-number-invalid.wav")).unwrap();
    for late_ms in [0, 60, 100, 140, 300, 1_000] {
        let mut bench = Bench::new(1);
        let leg = bench.leg(0);
        bench.command(Command::Detect { stream: leg });
        bench.run_ms(late_ms);
        for (index, frame) in clip.samples.chunks_exact(160).enumerate() {
            let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Law::Mu, *sample)).collect();
            bench.packet(leg, remote(0), &packet(index as u16, index as u32 * 160, &codes));
            bench.run_ms(20);
        }
        bench.run_ms(500);
        let named = bench.sink.findings.iter().find_map(|(_, finding)| match finding {
            Finding::Tone(tone) => Some(tone.kind),
            _ => None,
        });
        assert_eq!(named, Some(ToneKind::SitInvalid), "{late_ms} ms after the answer");
    }
}

#[test]
fn a_peer_that_never_sends_anything_is_silence() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::Detect { stream: leg });
    bench.run_ms(10_000);
    assert_eq!(bench.sink.verdict().map(|(_, class)| class), Some(Class::Silence));
}

#[test]
fn a_watched_stream_tells_its_level_ten_times_a_second() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    bench.command(Command::Watch { stream: leg });
    bench.run_ms(1_000);
    assert_eq!(bench.sink.words(leg).iter().filter(|word| *word == "level -96").count(), 10);
}

#[test]
fn reports_are_sent_and_give_the_round_trip() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.leg(0), bench.leg(1));
    // The two legs are each other's peers: media and reports cross with 20 ms of delay.
    let (mut fed_a, mut fed_b, mut reports) = (0, 0, 0);
    for _ in 0..1_500 {
        bench.run_ms(20);
        for (from, to, address, fed) in [(a, b, remote(1), &mut fed_a), (b, a, remote(0), &mut fed_b)] {
            let sent: Vec<Vec<u8>> =
                bench.sink.sent[&from][*fed..].iter().map(|sent| sent.bytes.clone()).collect();
            *fed += sent.len();
            for bytes in sent {
                bench.packet(to, address, &bytes);
            }
        }
        let compounds: Vec<(StreamKey, Vec<u8>)> = bench.sink.rtcp[reports..].to_vec();
        reports = bench.sink.rtcp.len();
        for (from, bytes) in compounds {
            let (to, address) = if from == a { (b, remote(1)) } else { (a, remote(0)) };
            bench.worker.handle_rtcp(bench.now, to, address, &bytes);
        }
    }
    assert!((12..=26).contains(&reports), "{reports} reports in 30 s from two legs");
    bench.command(Command::Close { stream: a });
    let statistics = bench.sink.closed[&a];
    let round_trip = statistics.round_trip.unwrap();
    assert!(round_trip <= Duration::from_millis(45), "{round_trip:?}");
    assert_eq!((statistics.packets_lost, statistics.packets_refused), (0, 0));
    let (_, goodbye) = bench.sink.rtcp.last().unwrap();
    assert_eq!(goodbye[goodbye.len() - 7], 203, "the last compound ends with BYE");
}

#[test]
fn a_full_worker_and_a_lack_of_ports_are_told() {
    let mut bench = Bench::new(1);
    bench.sink.no_port = true;
    let failed = bench.open(0);
    assert_eq!(bench.sink.words(failed), ["failed: no port"]);
    bench.sink.no_port = false;
    let first = bench.open(1);
    let second = bench.open(2);
    assert_eq!(bench.sink.words(second), ["failed: all 1 streams of the media thread are in use"]);
    bench.command(Command::Open { stream: first, partner: None });
    assert_eq!(bench.sink.words(first)[1], "failed: the stream is open already");
    bench.command(Command::Close { stream: first });
    assert!(bench.worker.is_empty());
    bench.open(3);
    assert_eq!(bench.worker.len(), 1);
}

#[test]
fn a_late_command_does_not_reach_the_next_tenant() {
    let mut bench = Bench::new(1);
    let old = bench.leg(0);
    bench.command(Command::Close { stream: old });
    let new = StreamKey::from_u64(old.to_u64() + (1 << 32));
    bench.command(Command::Open { stream: new, partner: None });
    bench.connect(old, session(0));
    bench.command(Command::Close { stream: old });
    bench.packet(old, remote(0), &packet(0, 0, &[0; 160]));
    bench.run_ms(100);
    assert_eq!(bench.sink.words(new), ["opened"]);
    assert!(!bench.sink.sent.contains_key(&new));
}

#[test]
fn no_bytes_from_the_wire_panic() {
    let mut bench = Bench::new(1);
    let leg = bench.leg(0);
    let mut rng = Rng::from_seed(5);
    for round in 0..20_000u32 {
        let length = rng.below(200) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
        if length > 12 && round % 2 == 0 {
            bytes[0] = 0x80;
            bytes[1] = [0, 101, 13, 200, 201, 203][rng.below(6) as usize];
            bytes[8..12].copy_from_slice(&1u32.to_be_bytes());
        }
        bench.packet(leg, remote(0), &bytes);
        bench.worker.handle_rtcp(bench.now, leg, remote(0), &bytes);
        if round % 10 == 0 {
            bench.run_ms(5);
        }
    }
}
