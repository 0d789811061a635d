//! The operating system's randomness, for the seed of the engine's generator.

use crate::rng::Rng;
use std::fs::File;
use std::io::Read;

/// A generator seeded with 256 bits of the kernel's.
pub fn rng() -> std::io::Result<Rng> {
    let mut entropy = [0u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut entropy)?;
    Ok(Rng::from_entropy(entropy))
}
