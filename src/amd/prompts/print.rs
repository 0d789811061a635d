//! The print of a sound: 16 bits every 10 ms that say in which bands it grows against its neighbours.
//!
//! After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002: each bit is the sign of a
//! difference over frequency of a difference over time. Here the differences are those of logarithms, so that neither the
//! level nor a line's frequency response can turn a bit, and a second word says which bits stand so far from zero that
//! noise and codecs leave them.

use crate::amd::transform::Power;

/// Bits of a word.
pub const BITS: usize = 16;
/// Bands, from 250 to 3400 Hz, as wide as each other on the mel scale.
const BANDS: usize = BITS + 1;
/// The bins that the bands begin with; the last one ends before the last of these.
const EDGES: [usize; BANDS + 1] = [8, 11, 14, 17, 21, 24, 28, 33, 38, 43, 49, 55, 62, 69, 77, 86, 96, 107];
/// Power is summed over so many hops: a prompt is met at any place between two hops.
const SMOOTH: usize = 4;
/// The difference over time reaches so many hops back.
const LAG: usize = 6;
/// Hops that a word depends on.
const REACH: usize = SMOOTH + LAG;
/// Added to the power in a band: below the faintest code of G.711, above the rounding of the transform.
const FLOOR: f32 = 8e-11;
/// A bit is sure when its difference is as large as this, in factors of two.
const SURE: f32 = 1.0;

/// What is heard in a hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Word {
    /// The signs.
    pub bits: u16,
    /// Which of them are sure; none while lost frames reach in.
    pub sure: u16,
    /// Nothing was lost in what it depends on.
    pub known: bool,
}

/// Makes the words, hop by hop.
#[derive(Clone, Debug)]
pub struct Printer {
    /// Power in the bands of the last hops, a ring.
    powers: [[f32; BANDS]; SMOOTH],
    /// Logarithms of the smoothed powers, a ring.
    levels: [[f32; BANDS]; LAG + 1],
    hops: usize,
    /// Hops since the last that was lost.
    whole: usize,
    floor: f32,
}

impl Printer {
    /// For what is heard: any level counts.
    pub fn new() -> Self {
        Printer::with_floor(FLOOR)
    }

    /// What lies in a band below `floor` does not count: for the original, of which only the loud parts survive a line.
    pub fn with_floor(floor: f32) -> Self {
        Printer {
            powers: [[0.0; BANDS]; SMOOTH],
            levels: [[(floor.max(FLOOR)).log2(); BANDS]; LAG + 1],
            hops: 0,
            whole: REACH,
            floor: floor.max(FLOOR),
        }
    }

    /// Hears the power spectrum of the window that ends with the hop; `None` where frames were lost.
    pub fn handle_hop(&mut self, power: Option<&Power>) -> Word {
        let place = self.hops % SMOOTH;
        match power {
            Some(power) => {
                self.whole += 1;
                for (band, edges) in self.powers[place].iter_mut().zip(EDGES.windows(2)) {
                    *band = power[edges[0]..edges[1]].iter().sum();
                }
            }
            None => {
                self.whole = 0;
                self.powers[place] = self.powers[(self.hops + SMOOTH - 1) % SMOOTH];
            }
        }
        let mut now = [0.0; BANDS];
        for (band, level) in now.iter_mut().enumerate() {
            let sum: f32 = self.powers.iter().map(|powers| powers[band]).sum();
            *level = (sum + self.floor).log2();
        }
        let before = self.levels[(self.hops + 1) % (LAG + 1)];
        self.levels[self.hops % (LAG + 1)] = now;
        self.hops += 1;
        let mut word = Word { known: self.whole >= REACH, ..Word::default() };
        for bit in 0..BITS {
            let growth = (now[bit] - before[bit]) - (now[bit + 1] - before[bit + 1]);
            word.bits |= u16::from(growth > 0.0) << bit;
            word.sure |= u16::from(growth.abs() >= SURE && word.known) << bit;
        }
        word
    }

    /// The power that one hop shows in its loudest band.
    pub fn loudest(power: &Power) -> f32 {
        EDGES.windows(2).map(|e| power[e[0]..e[1]].iter().sum::<f32>()).fold(0.0, f32::max)
    }
}

impl Default for Printer {
    fn default() -> Self {
        Printer::new()
    }
}
