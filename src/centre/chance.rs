//! Draws from the distributions of telephony.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A log-normal duration.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The mean, in seconds.
    pub mean_s: f64,
    /// The coefficient of variation: standard deviation over mean.
    #[serde(default)]
    pub variation: f64,
}

impl Spread {
    /// With this mean and coefficient of variation.
    pub const fn new(mean_s: f64, variation: f64) -> Self {
        Spread { mean_s, variation }
    }

    /// One of them, in seconds.
    pub fn draw(self, rng: &mut Rng) -> f64 {
        let variance = (1.0 + self.variation * self.variation).ln();
        (self.mean_s.ln() - variance / 2.0 + variance.sqrt() * normal(rng)).exp()
    }

    /// Whether it can be drawn from.
    pub fn is_sound(self) -> bool {
        self.mean_s > 0.0 && self.mean_s <= 36_000.0 && (0.0..=5.0).contains(&self.variation)
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    let (radius, angle) = (1.0 - rng.unit(), rng.unit());
    (-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
}

/// Seconds as a duration, whole microseconds, so that a day is the same on every machine.
pub fn duration(seconds: f64) -> Duration {
    Duration::from_micros((seconds.max(0.0) * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variation_that_were_asked_for() {
        let mut rng = Rng::from_seed(7);
        for spread in [Spread::new(120.0, 1.0), Spread::new(11.0, 0.5), Spread::new(3.0, 0.0)] {
            let draws: Vec<f64> = (0..40_000).map(|_| spread.draw(&mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((mean / spread.mean_s - 1.0).abs() < 0.03, "{spread:?}: {mean}");
            assert!((variance.sqrt() / mean - spread.variation).abs() < 0.1, "{spread:?}");
        }
    }
}
