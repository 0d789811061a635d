//! Which samples of a ring are there: a bit each, so that a frame's are three words instead of 160 bytes.

/// Bits of a word.
const WORD: usize = 64;

/// The flags of a ring whose length is a multiple of 64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    words: Box<[u64]>,
}

impl Present {
    /// Nothing is there yet.
    ///
    /// # Panics
    /// When the length is no multiple of 64: it is ours.
    pub fn new(length: usize) -> Self {
        assert!(length.is_multiple_of(WORD), "the ring's length is a multiple of a word's");
        Present { words: vec![0; length / WORD].into_boxed_slice() }
    }

    /// Nothing is there any more.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// So many samples from `begin` on are there now; false when all of them were.
    pub fn set(&mut self, begin: u64, count: usize) -> bool {
        let mut fresh = false;
        self.each(begin, count, |word, mask| {
            fresh |= *word & mask != mask;
            *word |= mask;
        });
        fresh
    }

    /// So many samples from `begin` on are gone now; true when all of them were there.
    pub fn take(&mut self, begin: u64, count: usize) -> bool {
        let mut whole = true;
        self.each(begin, count, |word, mask| {
            whole &= *word & mask == mask;
            *word &= !mask;
        });
        whole
    }

    fn each(&mut self, begin: u64, count: usize, mut change: impl FnMut(&mut u64, u64)) {
        let length = self.words.len() * WORD;
        let mut at = (begin % length as u64) as usize;
        let mut left = count;
        while left > 0 {
            let bit = at % WORD;
            let here = left.min(WORD - bit);
            let mask = (u64::MAX >> (WORD - here)) << bit;
            change(&mut self.words[at / WORD], mask);
            at = (at + here) % length;
            left -= here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_set_and_taken_like_one_by_one() {
        let mut present = Present::new(256);
        let mut model = [false; 256];
        let mut seed = 1u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (begin, count) = (seed >> 40, (seed >> 33) as usize % 200 + 1);
            let places = || (0..count as u64).map(|offset| ((begin + offset) % 256) as usize);
            if seed >> 63 == 0 {
                let fresh = places().any(|place| !model[place]);
                assert_eq!(present.set(begin, count), fresh);
                places().for_each(|place| model[place] = true);
            } else {
                let whole = places().all(|place| model[place]);
                assert_eq!(present.take(begin, count), whole);
                places().for_each(|place| model[place] = false);
            }
        }
        present.clear();
        assert!(present.set(0, 256) && present.take(0, 256));
    }
}
