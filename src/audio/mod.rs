//! Samples at 8 kHz: companding, levels, tones, WAV files, resampling.
pub mod g711;
