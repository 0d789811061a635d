//! How long something takes, as far as recent cases tell: a histogram that forgets.

/// The bins of one histogram: the first is `first_s` wide, each further one wider by `growth`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bins {
    /// Width of the first bin, in seconds.
    pub first_s: f64,
    /// Ratio of a bin's width to that before it, 1 or more.
    pub growth: f64,
    /// How many.
    pub count: usize,
}

impl Bins {
    /// For times to answer and to a verdict: half seconds up to a minute.
    pub const RINGING: Bins = Bins { first_s: 0.5, growth: 1.0, count: 130 };
    /// For verdicts: tenths up to ten seconds.
    pub const VERDICT: Bins = Bins { first_s: 0.1, growth: 1.0, count: 100 };
    /// For talk and wrap-up: from two seconds up to an hour, the wider the longer.
    pub const HANDLING: Bins = Bins { first_s: 2.0, growth: 1.05, count: 92 };

    /// Where bin `index` begins, in seconds.
    pub fn begin(self, index: usize) -> f64 {
        if self.growth == 1.0 {
            return self.first_s * index as f64;
        }
        self.first_s * (self.growth.powi(index as i32) - 1.0) / (self.growth - 1.0)
    }

    /// The bin of a duration, and how far through it lies, 0 to 1.
    pub fn place(self, seconds: f64) -> (usize, f64) {
        let seconds = seconds.max(0.0);
        if self.growth == 1.0 {
            let position = seconds / self.first_s;
            let index = position as usize;
            return if index >= self.count { (self.count - 1, 1.0) } else { (index, position.fract()) };
        }
        let index = ((1.0 + seconds * (self.growth - 1.0) / self.first_s).ln() / self.growth.ln()) as usize;
        if index >= self.count {
            return (self.count - 1, 1.0);
        }
        let begin = self.begin(index);
        (index, ((seconds - begin) / (self.begin(index + 1) - begin)).clamp(0.0, 1.0))
    }
}

/// A histogram of durations in which each new case makes the older ones weigh less.
///
/// A new case costs one addition; what is asked of the histogram is as of the last [`Durations::refresh`].
#[derive(Clone, Debug)]
pub struct Durations {
    bins: Bins,
    weights: Vec<f64>,
    // What the next case weighs, and by how much each outweighs that before it.
    next_weight: f64,
    outweighs: f64,
    is_stale: bool,
    // `begins[i]` is where bin `i` begins, `below[i]` the share of all that lies below it; one longer than `weights`.
    begins: Vec<f64>,
    below: Vec<f64>,
    mean_s: f64,
}

/// Weights are scaled down before they grow beyond what can be added up with precision.
const WEIGHT_MAX: f64 = 1e9;

impl Durations {
    /// Begins with a log-normal guess of that mean and coefficient of variation, as if it were `cases` cases; about
    /// `memory` cases are remembered.
    pub fn guess(bins: Bins, mean_s: f64, variation: f64, cases: f64, memory: f64) -> Self {
        let spread = (1.0 + variation * variation).ln().sqrt();
        let middle = mean_s.max(1e-3).ln() - spread * spread / 2.0;
        let cumulative =
            |s: f64| if s <= 0.0 { 0.0 } else { normal_cdf((s.ln() - middle) / spread.max(1e-6)) };
        let begins: Vec<f64> = (0..=bins.count).map(|bin| bins.begin(bin)).collect();
        let weights = (0..bins.count)
            .map(|bin| {
                let end = if bin + 1 == bins.count { 1.0 } else { cumulative(begins[bin + 1]) };
                cases * (end - cumulative(begins[bin]))
            })
            .collect();
        let mut durations = Durations {
            bins,
            weights,
            next_weight: 1.0,
            outweighs: 1.0 / (1.0 - 1.0 / memory),
            is_stale: true,
            begins,
            below: vec![0.0; bins.count + 1],
            mean_s,
        };
        durations.refresh();
        durations
    }

    /// One more case.
    pub fn add(&mut self, seconds: f64) {
        let (bin, _) = self.bins.place(seconds);
        self.weights[bin] += self.next_weight;
        self.next_weight *= self.outweighs;
        self.is_stale = true;
        if self.next_weight > WEIGHT_MAX {
            self.weights.iter_mut().for_each(|weight| *weight /= self.next_weight);
            self.next_weight = 1.0;
        }
    }

    /// Lets the cases since the last time count in what is asked.
    pub fn refresh(&mut self) {
        if !self.is_stale {
            return;
        }
        self.is_stale = false;
        let total: f64 = self.weights.iter().sum();
        let (mut sum, mut mean) = (0.0, 0.0);
        for (bin, weight) in self.weights.iter().enumerate() {
            sum += weight;
            mean += weight * (self.begins[bin] + self.begins[bin + 1]) / 2.0;
            self.below[bin + 1] = sum / total;
        }
        self.mean_s = mean / total;
    }

    /// The mean, in seconds.
    pub fn mean_s(&self) -> f64 {
        self.mean_s
    }

    /// The share of cases that take no longer than this.
    pub fn by(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let (bin, within) = self.bins.place(seconds);
        self.below[bin] + (self.below[bin + 1] - self.below[bin]) * within
    }

    /// The chance that a case which has lasted for `elapsed_s` is over within another `ahead_s`. Where no case lasted
    /// for so long, one mean duration is taken for what remains.
    pub fn over_within(&self, elapsed_s: f64, ahead_s: f64) -> f64 {
        if ahead_s <= 0.0 {
            return 0.0;
        }
        let before = self.by(elapsed_s);
        let left = 1.0 - before;
        if left < 1e-3 {
            return 1.0 - (-ahead_s / self.mean_s.max(0.1)).exp();
        }
        ((self.by(elapsed_s + ahead_s) - before) / left).clamp(0.0, 1.0)
    }

    /// The duration that a share `p` of the cases stays below, in seconds.
    pub fn quantile(&self, p: f64) -> f64 {
        let bin = self.below.partition_point(|below| *below < p).clamp(1, self.bins.count) - 1;
        let inside = (self.below[bin + 1] - self.below[bin]).max(1e-12);
        let (begin, end) = (self.begins[bin], self.begins[bin + 1]);
        begin + (end - begin) * ((p - self.below[bin]) / inside).clamp(0.0, 1.0)
    }
}

/// The normal distribution's cumulative function (Abramowitz and Stegun 26.2.17: right to 7.5e-8).
pub fn normal_cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let polynomial = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial;
    if x >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_has_the_mean_and_the_quantiles_of_its_log_normal() {
        let talk = Durations::guess(Bins::HANDLING, 120.0, 1.0, 50.0, 500.0);
        assert!((talk.mean_s() - 120.0).abs() < 5.0, "{}", talk.mean_s());
        // The median of a log-normal with CV 1 is its mean over the square root of 2.
        assert!((talk.quantile(0.5) - 84.9).abs() < 2.0, "{}", talk.quantile(0.5));
        assert!((talk.by(talk.quantile(0.9)) - 0.9).abs() < 1e-9);
    }

    #[test]
    fn cases_take_the_place_of_the_guess() {
        let mut ring = Durations::guess(Bins::RINGING, 10.0, 0.5, 20.0, 100.0);
        for _ in 0..400 {
            ring.add(20.2);
        }
        ring.refresh();
        assert!((ring.quantile(0.5) - 20.25).abs() < 0.3, "{}", ring.quantile(0.5));
        assert!(ring.by(19.9) < 0.02 && ring.by(20.6) > 0.97);
    }

    #[test]
    fn what_has_lasted_is_asked_only_about_what_remains() {
        let mut wrap = Durations::guess(Bins::HANDLING, 15.0, 0.5, 1e-9, 1e9);
        for seconds in [5.0, 15.0, 25.0, 35.0] {
            wrap.add(seconds);
        }
        wrap.refresh();
        assert!((wrap.over_within(10.0, 10.0) - 1.0 / 3.0).abs() < 0.05);
        assert_eq!(wrap.over_within(10.0, 0.0), 0.0);
        assert!(wrap.over_within(3_000.0, 20.0) > 0.5, "longer than ever seen: one mean duration is taken");
    }

    #[test]
    fn weights_stay_small_however_many_cases_come() {
        let mut ring = Durations::guess(Bins::RINGING, 10.0, 0.5, 20.0, 10.0);
        for case in 0..10_000 {
            ring.add(f64::from(case % 2) * 10.0 + 5.2);
            assert!(ring.weights.iter().all(|weight| *weight <= 11.0 * WEIGHT_MAX));
        }
        ring.refresh();
        assert!((ring.by(10.0) - 0.5).abs() < 0.06, "{}", ring.by(10.0));
    }

    #[test]
    fn the_normal_distribution_is_right_to_six_digits() {
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.96, 0.024_997_9), (3.0, 0.998_650_1)] {
            assert!((normal_cdf(x) - expected).abs() < 1e-6, "{x}");
        }
    }
}
