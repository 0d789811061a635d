//! Labelled recordings: the manifest that lists them, and how more of them are made.
//!
//! A corpus is a folder of WAV files with a `manifest.csv`: one row a clip, which says who or what answered and where the
//! greeting and the beep lie. [`manifest`] reads and writes it.
pub mod manifest;
