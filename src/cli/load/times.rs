//! Times between packets: a histogram of tenths of a millisecond, which takes no memory on the packets' way.

use std::time::Duration;

/// The width of a bin.
const BIN: Duration = Duration::from_micros(100);

/// Longer times share the last bin; the longest of all is kept by itself.
const BINS: usize = 5_000;

/// How often each time was seen.
#[derive(Clone, Debug)]
pub struct Times {
    bins: Box<[u64]>,
    count: u64,
    longest: Duration,
}

impl Times {
    /// None seen.
    pub fn new() -> Self {
        Times { bins: vec![0; BINS].into_boxed_slice(), count: 0, longest: Duration::ZERO }
    }

    /// One more.
    pub fn add(&mut self, time: Duration) {
        let bin = (time.as_micros() / BIN.as_micros()) as usize;
        self.bins[bin.min(BINS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// How many were longer than `limit`.
    pub fn longer_than(&self, limit: Duration) -> u64 {
        let first = (limit.as_micros() / BIN.as_micros()) as usize;
        self.bins.iter().skip(first).sum()
    }

    /// The time that this share of all did not exceed: the upper end of its bin.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (bin, count) in self.bins.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return (BIN * (bin as u32 + 1)).min(self.longest);
            }
        }
        self.longest
    }
}

impl Default for Times {
    fn default() -> Self {
        Times::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_tenth_of_a_millisecond() {
        let mut times = Times::new();
        for tenths in 1..=1_000u32 {
            times.add(Duration::from_micros(100) * tenths - Duration::from_micros(50));
        }
        assert_eq!(times.quantile(0.5), Duration::from_millis(50));
        assert_eq!(times.quantile(0.99), Duration::from_millis(99));
        assert_eq!((times.longest(), times.count), (Duration::from_micros(99_950), 1_000));
        assert_eq!(times.longer_than(Duration::from_millis(40)), 600);
        times.add(Duration::from_secs(9));
        assert_eq!(times.quantile(1.0), Duration::from_millis(500));
        assert_eq!(times.longest(), Duration::from_secs(9));
        assert_eq!(Times::new().quantile(0.99), Duration::ZERO);
    }
}
