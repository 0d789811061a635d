//! WAV files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::audio::wav;

fuzz_target!(|bytes: &[u8]| {
    let _ = wav::read_first_channel(bytes);
    if let Ok(clip) = wav::read(bytes) {
        let again = wav::read(&wav::write(&clip.samples)).expect("what we write can be read");
        assert_eq!(again.samples, clip.samples);
    }
});
