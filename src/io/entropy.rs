//! The operating system's randomness, for the seed of the engine's generator.

use crate::rng::Rng;
use std::fs::File;
use std::io::Read;

/// A generator seeded with 256 bits of the kernel's.
pub fn rng() -> std::io::Result<Rng> {
    bits_256().map(Rng::from_entropy)
}

/// As many bits as no search gets through.
pub fn bits_256() -> std::io::Result<[u8; 32]> {
    let mut entropy = [0u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut entropy)?;
    Ok(entropy)
}
