//! Times gathered: their middle, their tails, their histogram.

use serde::Serialize;

/// Steps of a histogram in milliseconds: the finest that needs no more than [`BINS_MAX`] of them.
const STEPS_MS: [i64; 9] = [10, 20, 50, 100, 250, 500, 1000, 2000, 5000];
/// Bins of a histogram.
pub const BINS_MAX: usize = 16;

/// Milliseconds in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Times {
    sorted: Vec<i64>,
}

impl FromIterator<i64> for Times {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Self {
        let mut sorted: Vec<i64> = values.into_iter().collect();
        sorted.sort_unstable();
        Times { sorted }
    }
}

/// A bin of a histogram: values of at least `from_ms` and below `to_ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Bin {
    /// The least value.
    pub from_ms: i64,
    /// Above the highest.
    pub to_ms: i64,
    /// How many.
    pub count: u64,
}

/// What is told of a distribution; without any value all is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// The least.
    pub min_ms: Option<i64>,
    /// 5 % lie below.
    pub p5_ms: Option<i64>,
    /// Half lie below.
    pub median_ms: Option<i64>,
    /// 95 % lie below.
    pub p95_ms: Option<i64>,
    /// The greatest.
    pub max_ms: Option<i64>,
    /// The whole.
    pub histogram: Vec<Bin>,
}

impl Times {
    /// The value below which this part (0 to 1) of all lies, interpolated between neighbours.
    pub fn quantile(&self, part: f64) -> Option<i64> {
        let last = self.sorted.len().checked_sub(1)?;
        let place = part.clamp(0.0, 1.0) * last as f64;
        let below = self.sorted[place.floor() as usize] as f64;
        let above = self.sorted[place.ceil() as usize] as f64;
        Some((below + (above - below) * place.fract()).round() as i64)
    }

    /// All that is told of them.
    pub fn distribution(&self) -> Distribution {
        Distribution {
            count: self.sorted.len() as u64,
            min_ms: self.sorted.first().copied(),
            p5_ms: self.quantile(0.05),
            median_ms: self.quantile(0.5),
            p95_ms: self.quantile(0.95),
            max_ms: self.sorted.last().copied(),
            histogram: self.histogram(),
        }
    }

    /// Bins of one width without a gap, from the first value to the last; what lies beyond the last bin counts in it.
    fn histogram(&self) -> Vec<Bin> {
        let (Some(&min), Some(&max)) = (self.sorted.first(), self.sorted.last()) else { return Vec::new() };
        let needs = |step: i64| (max.div_euclid(step) - min.div_euclid(step) + 1) as usize;
        let widest = STEPS_MS[STEPS_MS.len() - 1];
        let step = STEPS_MS.into_iter().find(|step| needs(*step) <= BINS_MAX).unwrap_or(widest);
        let first = min.div_euclid(step);
        let mut bins: Vec<Bin> = (0..needs(step).min(BINS_MAX) as i64)
            .map(|n| Bin { from_ms: (first + n) * step, to_ms: (first + n + 1) * step, count: 0 })
            .collect();
        for value in &self.sorted {
            let place = ((value.div_euclid(step) - first) as usize).min(bins.len() - 1);
            bins[place].count += 1;
        }
        if let Some(bin) = bins.last_mut() {
            bin.to_ms = bin.to_ms.max(max + 1);
        }
        bins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let times: Times = [400, 100, 300, 200].into_iter().collect();
        assert_eq!(
            [0.0, 0.05, 0.5, 0.95, 1.0].map(|part| times.quantile(part).unwrap()),
            [100, 115, 250, 385, 400]
        );
        assert_eq!(Times::default().quantile(0.5), None);
    }

    #[test]
    fn a_histogram_has_equal_bins_without_gaps_and_counts_all() {
        let times: Times = [-120, 80, 99, 101, 370].into_iter().collect();
        let bins = times.distribution().histogram;
        // 20 ms would need 25 bins.
        assert_eq!((bins[0].from_ms, bins[0].to_ms, bins.len()), (-150, -100, 11));
        assert!(bins.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms), "{bins:?}");
        let counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_stray_value_neither_grows_the_histogram_nor_is_lost() {
        let bins = [0, 10, 3_600_000].into_iter().collect::<Times>().distribution().histogram;
        assert_eq!((bins.len(), bins[0].count, bins[BINS_MAX - 1].count), (BINS_MAX, 2, 1));
        assert_eq!(bins[BINS_MAX - 1].to_ms, 3_600_001);
    }
}
