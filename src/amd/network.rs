//! Network tones by their rhythm: ring-back, busy, reorder, dial tone.
//!
//! Their two lines lie so near to each other (440 and 480 Hz, 400 and 450 Hz) that a window of 32 ms shows one lump that
//! beats. So what is followed is not a line but the share of 310 to 660 Hz in the power, its centre of gravity, and how
//! long it is on and off. Values: ITU-T E.180 supplement 2, and the precise tone plan of North America.

use super::spectrum::Lines;
use super::verdict::ToneKind;

const HOP_MS: u32 = 10;
/// The range's share of the power while such a tone sounds.
const SHARE: f32 = 0.93;
/// -56 dBFS.
const POWER_MIN: f32 = 2.5e-6;
/// The centre of gravity strays no further from its mean.
const STRAY_HZ: f32 = 40.0;
/// Beats and lost frames may hide the tone for so long.
const DROPOUT_MS: u32 = 50;
/// Shorter bursts are speech or clicks.
const BURST_MS: u32 = 120;

/// A vowel rarely stays in the range for longer.
const SYLLABLE_MS: u32 = 250;

/// A burst and the pause before it, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Burst {
    start_ms: u32,
    on_ms: u32,
    pause_ms: u32,
    hz: f32,
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
    last: Option<Burst>,
    first_start_ms: u32,
    named: Option<ToneKind>,
}

impl Network {
    /// A burst sounds that is too long for a syllable.
    pub fn sounding(&self) -> bool {
        self.burst.is_some_and(|burst| burst.on_ms >= SYLLABLE_MS)
    }

    /// A burst may have begun.
    pub fn pending(&self) -> bool {
        self.burst.is_some_and(|burst| burst.on_ms >= 2 * HOP_MS)
    }

    /// A steady tone is a burst of the tone that was named, not a beep.
    pub fn owns(&self, hz: f32) -> bool {
        let near = |burst: &Burst| (burst.hz - hz).abs() <= 2.0 * STRAY_HZ;
        let fresh = |burst: &Burst| self.now_ms - burst.start_ms < 8000;
        self.named.is_some() && self.last.as_ref().is_some_and(|last| near(last) && fresh(last))
    }

    /// Hears a hop; `None` while lost frames lie in the window. `spoken`: speech was heard in this call, so that a single
    /// burst is a voicemail's beep rather than the network's.
    pub fn handle_hop(&mut self, power: f32, lines: Option<&Lines>, spoken: bool) -> Option<Named> {
        self.now_ms += HOP_MS;
        let lines = lines?;
        let on = power >= POWER_MIN && lines.network_share >= SHARE;
        match self.burst {
            None if on => {
                let pause_ms = self.last.map_or(u32::MAX, |last| self.now_ms - last.start_ms - last.on_ms);
                let start_ms = self.now_ms - HOP_MS;
                self.burst = Some(Burst { start_ms, on_ms: HOP_MS, pause_ms, hz: lines.network_hz });
                self.missing_ms = 0;
                None
            }
            None => None,
            Some(burst) if on && (lines.network_hz - burst.hz).abs() <= STRAY_HZ => {
                self.missing_ms = 0;
                let hz = burst.hz + 0.1 * (lines.network_hz - burst.hz);
                let burst = Burst { on_ms: self.now_ms - burst.start_ms, hz, ..burst };
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
        let unbroken = burst.on_ms >= if (375.0..410.0).contains(&burst.hz) { 1500 } else { 3000 };
        if unbroken { self.name(ToneKind::DialTone, burst.start_ms) } else { None }
    }

    /// What a burst is once it has ended.
    fn after(&mut self, burst: Burst, spoken: bool) -> Option<Named> {
        if burst.on_ms < BURST_MS {
            return None;
        }
        let last = self.last.replace(burst);
        let follows = last.filter(|last| (last.hz - burst.hz).abs() <= STRAY_HZ && burst.pause_ms < 6000);
        if follows.is_none() {
            (self.first_start_ms, self.named) = (burst.start_ms, None);
        }
        let on_ms = burst.on_ms;
        let kind = match follows {
            // The United Kingdom rings twice 400 ms, 200 ms apart.
            Some(last)
                if burst.pause_ms.abs_diff(200) <= 60 && on_ms.abs_diff(400) <= 60 && same(&last, &burst) =>
            {
                ToneKind::RingBack
            }
            Some(last) if on_ms <= 800 && same(&last, &burst) && burst.pause_ms.abs_diff(on_ms) <= 150 => {
                if on_ms < 330 {
                    ToneKind::Reorder
                } else {
                    ToneKind::Busy
                }
            }
            Some(_) if (700..=2600).contains(&on_ms) && burst.pause_ms >= 1500 => ToneKind::RingBack,
            None if !spoken && (700..=2600).contains(&on_ms) => ToneKind::RingBack,
            _ => return None,
        };
        self.name(kind, self.first_start_ms)
    }

    /// Each tone is named once in a row.
    fn name(&mut self, kind: ToneKind, start_ms: u32) -> Option<Named> {
        (self.named.replace(kind) != Some(kind)).then_some(Named { kind, start_ms })
    }
}

fn same(a: &Burst, b: &Burst) -> bool {
    a.on_ms.abs_diff(b.on_ms) <= 80
}
