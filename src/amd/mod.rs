//! Answering-machine detection.
pub mod verdict;
