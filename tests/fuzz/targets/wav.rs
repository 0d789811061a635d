//! WAV files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::audio::resample::{RATE_HZ_MAX, RATE_HZ_MIN};
use outdial::audio::wav;

fuzz_target!(|bytes: &[u8]| {
    if names_a_slow_rate(bytes) {
        return;
    }
    let _ = wav::read_first_channel(bytes);
    if let Ok(clip) = wav::read(bytes) {
        let again = wav::read(&wav::write(&clip.samples)).expect("what we write can be read");
        assert_eq!(again.samples, clip.samples);
    }
});

/// A rate that shares no period with ours takes a transform as long as a second of sound, half a second of work: well within
/// the limits of an input, and so slow that nothing else would be tried.
fn names_a_slow_rate(bytes: &[u8]) -> bool {
    let rate_hz = |format: &[u8]| u32::from_le_bytes([format[12], format[13], format[14], format[15]]);
    let is_slow = |rate_hz: u32| (RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) && !rate_hz.is_multiple_of(25);
    bytes.windows(16).any(|chunk| chunk.starts_with(b"fmt ") && is_slow(rate_hz(chunk)))
}
