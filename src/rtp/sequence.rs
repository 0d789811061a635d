//! Endless numbers: the 16 bits of a sequence number and the 32 of a timestamp, unrolled to 64 (RFC 3550, A.1).
//!
//! Numbers that wrap have no order that could serve as a key; these have.

/// A sequence number or timestamp that never wraps. It starts one turn above zero, so that going back is possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unrolled {
    newest: Option<u64>,
}

impl Unrolled {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Unrolled::default()
    }

    /// The unrolled value of a 16-bit number: the one that is nearest to the newest accepted.
    pub fn peek16(&self, number: u16) -> u64 {
        match self.newest {
            None => (1 << 16) + u64::from(number),
            Some(newest) => newest.wrapping_add_signed(i64::from(number.wrapping_sub(newest as u16) as i16)),
        }
    }

    /// The unrolled value of a 32-bit number: the one that is nearest to the newest accepted.
    pub fn peek32(&self, number: u32) -> u64 {
        match self.newest {
            None => (1 << 32) + u64::from(number),
            Some(newest) => newest.wrapping_add_signed(i64::from(number.wrapping_sub(newest as u32) as i32)),
        }
    }

    /// Accepts an unrolled value; the newest stays when it was older.
    pub fn accept(&mut self, value: u64) {
        self.newest = Some(self.newest.map_or(value, |newest| newest.max(value)));
    }

    /// Forgets the past, so that the next value starts anew.
    pub fn reset(&mut self) {
        self.newest = None;
    }

    /// The newest accepted.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap_and_back() {
        let mut unrolled = Unrolled::new();
        let mut values = Vec::new();
        for number in [65_534u16, 65_535, 1, 0, 2, 65_533] {
            let value = unrolled.peek16(number);
            unrolled.accept(value);
            values.push(value - 65_536);
        }
        assert_eq!(values, [65_534, 65_535, 65_537, 65_536, 65_538, 65_533]);
        assert_eq!(unrolled.newest(), Some(65_536 + 65_538));
    }

    #[test]
    fn timestamps_go_on_over_the_wrap_and_back() {
        let mut unrolled = Unrolled::new();
        unrolled.accept(unrolled.peek32(u32::MAX - 159));
        let next = unrolled.peek32(0);
        assert_eq!(next, 1 << 33);
        unrolled.accept(next);
        assert_eq!(unrolled.peek32(u32::MAX - 159), next - 160);
    }
}
