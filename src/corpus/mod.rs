//! Labelled recordings: the manifest that lists them, and how more of them are made.
//!
//! A corpus is a folder of WAV files with a `manifest.csv`: one row a clip, which says who or what answered and where the
//! greeting and the beep lie. [`manifest`] reads and writes it.
//!
//! More of them are made from a [`recipe`] in three steps: [`plan`] draws every clip from one seed, [`compose`] lays
//! its utterances, pauses, tones and beep one after the other, [`line`](mod@line) carries them over a simulated
//! telephone line. All of it is pure; the shell runs the synthesisers and reads the files that a recipe names.

pub mod compose;
pub mod line;
pub mod manifest;
pub mod plan;
pub mod recipe;
pub mod storage;
