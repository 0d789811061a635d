//! Network tones by their rhythm: ring-back, busy, reorder, dial tone.
//!
//! Their two lines lie so near to each other (440 and 480 Hz, 400 and 450 Hz) that a window of 32 ms shows one lump that
//! beats. So what is followed is not a line but the share of 310 to 660 Hz in the power, its centre of gravity, and how
//! long it is on and off. Values: ITU-T E.180 supplement 2, and the precise tone plan of North America.

use super::spectrum::Lines;
use super::verdict::ToneKind;

const HOP_MS: u32 = 10;
/// The range's share of the power while such a tone sounds.
const SHARE: f32 = 0.9;
/// And while it goes on: a GSM codec adds lines of its own.
const SHARE_ON: f32 = 0.78;
/// -56 dBFS.
const POWER_MIN: f32 = 2.5e-6;
/// The centre of gravity strays no further from its mean.
const STRAY_HZ: f32 = 40.0;
/// Two bursts of one generator have the same mean within this, and a voice's syllables hardly do ...
const SAME_HZ: f32 = 7.0;
/// ... and the same level within 2 dB.
const SAME_POWER: f32 = 1.6;
/// What holds so much near the frequency of a burst, about as loud, is a torn piece of another.
const ECHO_SHARE: f32 = 0.65;
const ECHO_POWER: std::ops::RangeInclusive<f32> = 0.1..=3.0;
/// Beats and lost frames may hide the tone for so long.
const DROPOUT_MS: u32 = 50;
/// Shorter bursts are speech or clicks.
const BURST_MS: u32 = 120;
/// A burst or a pause lasts as long as another one.
const SAME_MS: u32 = 70;
/// The pauses of ring-back.
const RING_PAUSE_MS: u32 = 6000;
/// Bursts remembered: rhythms of two bursts and two pauses exist.
const MEMORY: usize = 5;

/// A vowel rarely stays in the range for longer.
const SYLLABLE_MS: u32 = 250;

/// A burst and the pause before it, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Burst {
    start_ms: u32,
    on_ms: u32,
    pause_ms: u32,
    /// Sums over the hops in which it was heard.
    hz: f32,
    power: f32,
    hops: u32,
}

impl Burst {
    fn mean_hz(&self) -> f32 {
        self.hz / self.hops as f32
    }

    fn is_torn(&self, lines: &Lines) -> bool {
        let level = lines.power * self.hops as f32 / self.power;
        lines.network_share >= ECHO_SHARE
            && (lines.network_hz - self.mean_hz()).abs() <= STRAY_HZ
            && ECHO_POWER.contains(&level)
    }

    fn is_like(&self, other: &Burst) -> bool {
        let level = self.power / self.hops as f32 / (other.power / other.hops as f32);
        (self.mean_hz() - other.mean_hz()).abs() <= SAME_HZ
            && (1.0 / SAME_POWER..=SAME_POWER).contains(&level)
    }
}

/// A tone that was named.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Named {
    /// Which.
    pub kind: ToneKind,
    /// Where its first burst began, in milliseconds.
    pub start_ms: u32,
}

/// Follows the rhythm.
#[derive(Default)]
pub struct Network {
    now_ms: u32,
    burst: Option<Burst>,
    missing_ms: u32,
    /// Bursts of one generator, the newest first.
    row: [Burst; MEMORY],
    count: usize,
    first_start_ms: u32,
    named: Option<ToneKind>,
    echo: bool,
}

impl Network {
    /// A burst sounds that is too long for a syllable, or one of a row.
    pub fn sounding(&self) -> bool {
        let again =
            |burst: &Burst| self.count > 0 && burst.on_ms >= 3 * HOP_MS && burst.is_like(&self.row[0]);
        self.echo || self.burst.is_some_and(|burst| burst.on_ms >= SYLLABLE_MS || again(&burst))
    }

    /// A burst may have begun.
    pub fn pending(&self) -> bool {
        self.burst.is_some_and(|burst| burst.on_ms >= 2 * HOP_MS)
    }

    /// A steady tone is a burst of the tone that was named, not a beep.
    pub fn owns(&self, hz: f32) -> bool {
        let near = |burst: &Burst| (burst.mean_hz() - hz).abs() <= 2.0 * STRAY_HZ;
        let fresh = |burst: &Burst| self.now_ms - burst.start_ms < 8000;
        self.named.is_some() && self.count > 0 && near(&self.row[0]) && fresh(&self.row[0])
    }

    /// Hears a hop; `None` while lost frames lie in the window. `spoken`: speech was heard in this call, so that a single
    /// burst is a voicemail's beep rather than the network's.
    pub fn handle_hop(&mut self, power: f32, lines: Option<&Lines>, spoken: bool) -> Option<Named> {
        self.now_ms += HOP_MS;
        self.echo = false;
        let lines = lines?;
        self.echo = self.named.is_some() && self.count > 0 && self.row[0].is_torn(lines);
        let share = if self.burst.is_some() { SHARE_ON } else { SHARE };
        let on = power >= POWER_MIN && lines.network_share >= share;
        match self.burst {
            None if on => {
                let last = &self.row[0];
                let pause_ms =
                    if self.count == 0 { u32::MAX } else { self.now_ms - last.start_ms - last.on_ms };
                let start_ms = self.now_ms - HOP_MS;
                let (hz, power) = (lines.network_hz, lines.power);
                self.burst = Some(Burst { start_ms, on_ms: HOP_MS, pause_ms, hz, power, hops: 1 });
                self.missing_ms = 0;
                None
            }
            None => None,
            Some(burst) if on && (lines.network_hz - burst.mean_hz()).abs() <= STRAY_HZ => {
                self.missing_ms = 0;
                let burst = Burst {
                    on_ms: self.now_ms - burst.start_ms,
                    hz: burst.hz + lines.network_hz,
                    power: burst.power + lines.power,
                    hops: burst.hops + 1,
                    ..burst
                };
                self.burst = Some(burst);
                self.during(&burst, spoken)
            }
            Some(burst) => {
                self.missing_ms += HOP_MS;
                if self.missing_ms < DROPOUT_MS {
                    return None;
                }
                self.burst = None;
                self.after(burst, spoken)
            }
        }
    }

    /// What a burst is before it ends.
    fn during(&mut self, burst: &Burst, spoken: bool) -> Option<Named> {
        if spoken {
            return None;
        }
        // 350 + 440 Hz never stops; nor does any tone of 3 s, since ring-back sounds for 2 s at most.
        let unbroken = burst.on_ms >= if (375.0..410.0).contains(&burst.mean_hz()) { 1500 } else { 3000 };
        if unbroken { self.name(ToneKind::DialTone, burst.start_ms) } else { None }
    }

    /// What a burst is once it has ended.
    fn after(&mut self, burst: Burst, spoken: bool) -> Option<Named> {
        if burst.on_ms < BURST_MS {
            return None;
        }
        let follows = self.count > 0 && burst.is_like(&self.row[0]) && burst.pause_ms < RING_PAUSE_MS;
        if !follows {
            // A burst that was torn or joined to noise is off its frequency: what was named sounds on.
            let lasts = self.count > 0
                && (burst.mean_hz() - self.row[0].mean_hz()).abs() <= STRAY_HZ
                && burst.pause_ms < RING_PAUSE_MS;
            self.named = self.named.filter(|_| lasts);
            (self.first_start_ms, self.count) = (burst.start_ms, 0);
        }
        self.row.rotate_right(1);
        self.row[0] = burst;
        self.count = (self.count + 1).min(MEMORY);
        let kind = self.rhythm(spoken)?;
        self.name(kind, self.first_start_ms)
    }

    /// ITU-T E.180 supplement 2. The first burst of a row may have begun before it was heard: its length says nothing.
    fn rhythm(&self, spoken: bool) -> Option<ToneKind> {
        let row = &self.row[..self.count];
        let newest = row[0];
        let (on_ms, pause_ms) = (newest.on_ms, newest.pause_ms);
        let Some(before) = row.get(1) else {
            let ring = !spoken && (700..=2600).contains(&on_ms);
            return ring.then_some(ToneKind::RingBack);
        };
        let last_pause_ms = if row.len() > 2 { before.pause_ms } else { pause_ms };
        // The United Kingdom and many others ring twice 400 ms, 200 ms apart.
        if near(pause_ms, 200)
            && near(on_ms, 400)
            && (near(before.on_ms, 400) || row.len() > 2 && last_pause_ms > 1500)
        {
            return Some(ToneKind::RingBack);
        }
        if pause_ms >= 1500 {
            return ((350..=2600).contains(&on_ms) && !(spoken && row.len() < 3))
                .then_some(ToneKind::RingBack);
        }
        let even = same(before.on_ms, on_ms) && same(pause_ms, on_ms) && on_ms <= 900;
        if even && (row.len() > 2 && same(last_pause_ms, pause_ms) || !spoken && on_ms >= 160) {
            return Some(if on_ms < 320 { ToneKind::Reorder } else { ToneKind::Busy });
        }
        // Two bursts and two pauses in turn, as in Spain, the United Kingdom and Brazil, or short bursts far apart: three
        // times the same period.
        let [_, _, third, fourth, ..] = row else { return None };
        let period = |a: &Burst, b: &Burst| a.start_ms - b.start_ms;
        let turns = same(period(&newest, third), period(before, fourth)) && period(&newest, third) <= 2300;
        let brief = row.iter().take(3).all(|burst| burst.on_ms <= 900 && burst.pause_ms <= 1100);
        (turns && brief).then_some(ToneKind::Reorder)
    }

    /// Each tone is named once in a row.
    fn name(&mut self, kind: ToneKind, start_ms: u32) -> Option<Named> {
        let new = self.named.is_none();
        self.named.get_or_insert(kind);
        new.then_some(Named { kind, start_ms })
    }
}

fn same(a_ms: u32, b_ms: u32) -> bool {
    a_ms.abs_diff(b_ms) <= SAME_MS
}

fn near(ms: u32, want_ms: u32) -> bool {
    ms.abs_diff(want_ms) <= 60
}
