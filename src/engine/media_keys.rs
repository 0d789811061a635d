//! The master keys of protected media (RFC 4568): drawn for each INVITE from one secret of the operating system's.
//!
//! The engine's own generator would not do: it is fast, and what it gives to tags and sources tells what it gives next.

use crate::rng::Rng;
use crate::sdp::{MASTER_KEY, MasterKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// A stream of keys, none of which tells another.
pub struct MediaKeys {
    secret: [u8; 32],
    drawn: u64,
}

impl MediaKeys {
    /// All keys that come from one secret.
    pub fn new(secret: [u8; 32]) -> Self {
        MediaKeys { secret, drawn: 0 }
    }

    /// Keys that are as foreseeable as the simulation that they are for.
    pub fn of_simulation(rng: &Rng) -> Self {
        let mut rng = rng.clone();
        let mut secret = [0; 32];
        secret.chunks_exact_mut(8).for_each(|bytes| bytes.copy_from_slice(&rng.next_u64().to_le_bytes()));
        MediaKeys::new(secret)
    }

    /// The next key.
    pub fn draw(&mut self) -> MasterKey {
        self.drawn += 1;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key of any length will do");
        mac.update(&self.drawn.to_be_bytes());
        let drawn = mac.finalize().into_bytes();
        let mut key = [0; MASTER_KEY];
        key.copy_from_slice(&drawn[..MASTER_KEY]);
        MasterKey(key)
    }
}

impl fmt::Debug for MediaKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaKeys(***, {} drawn)", self.drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_are_not_shown() {
        let mut keys = MediaKeys::new([1; 32]);
        let (first, second) = (keys.draw(), keys.draw());
        assert_ne!(first, second);
        assert_ne!(MediaKeys::new([2; 32]).draw(), first);
        assert_eq!(format!("{keys:?}"), "MediaKeys(***, 2 drawn)");
    }
}
