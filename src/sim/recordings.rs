//! Recordings of people and machines for the simulated callees: clips of `fixtures/audio`, cut to what is said.
//!
//! Where they come from stands in `fixtures/audio/LICENSES.md`.

use crate::audio::wav;
use crate::sim::voice::Samples;

/// A clip of the fixtures, and the milliseconds of it that are used.
#[derive(Clone, Copy)]
struct Cut {
    bytes: &'static [u8],
    from_ms: usize,
    to_ms: usize,
}

macro_rules! cut {
    ($name:literal, $from:literal, $to:literal) => {
        Cut {
            bytes: include_bytes!(concat!("../../fixtures/audio/", $name, ".wav")),
            from_ms: $from,
            to_ms: $to,
        }
    };
}

/// People who answer: a word or a short phrase.
const HELLOS: [Cut; 9] = [
    cut!("human-word-bed", 500, 1200),
    cut!("human-word-three", 750, 1400),
    cut!("human-word-bird", 200, 850),
    cut!("human-word-marvin", 300, 1100),
    cut!("human-smart-mirror", 250, 1300),
    cut!("human-this-is-dave", 100, 980),
    cut!("human-yeah", 400, 1000),
    cut!("human-word-down", 1200, 2100),
    cut!("human-phrase-1", 450, 2480),
];

/// Greetings of machines, without their beeps.
const GREETINGS: [Cut; 8] = [
    cut!("machine-english-beep", 1750, 8250),
    cut!("machine-karen-beep", 0, 7450),
    cut!("machine-spanish-no-beep", 0, 7600),
    cut!("machine-russian-beep-700", 1100, 10450),
    cut!("machine-johnson-beep", 600, 9750),
    cut!("machine-alan-parker-beep", 200, 10550),
    cut!("machine-mailbox-late-beep", 2200, 10550),
    cut!("machine-russian-beep", 100, 9400),
];

const MUSIC: Cut = cut!("music-on-hold", 0, 3000);

const SCREENING: Cut = cut!("screening", 0, 60_000);

/// What the simulated people and machines say.
#[derive(Clone, PartialEq, Debug)]
pub struct Recordings {
    /// Hellos of people.
    pub hellos: Vec<Samples>,
    /// Greetings of machines.
    pub greetings: Vec<Samples>,
    /// Music on hold.
    pub music: Samples,
    /// A call-screening assistant.
    pub screening: Samples,
}

impl Recordings {
    /// All of them, decoded.
    pub fn load() -> Recordings {
        Recordings {
            hellos: HELLOS.iter().map(read).collect(),
            greetings: GREETINGS.iter().map(read).collect(),
            music: read(&MUSIC),
            screening: read(&SCREENING),
        }
    }
}

fn read(cut: &Cut) -> Samples {
    let clip = wav::read(cut.bytes).expect("the fixtures are WAV files that can be read");
    let end = (cut.to_ms * 8).min(clip.samples.len());
    clip.samples[cut.from_ms * 8..end].into()
}
