//! The media plane of one thread.
pub mod command;
pub mod player;
