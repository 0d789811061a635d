//! Calibration after Platt (1999): a line through the log-odds of clips that the model was not trained on, so that its
//! probabilities are neither too sure nor too timid.

use super::fit::{Table, logistic, logistic_of};
use crate::amd::model::Calibration;

/// A line of two numbers needs no penalty but against classes that are parted entirely.
const RIDGE: f64 = 1e-6;
/// Probabilities are compared with what happened in so many bands.
const BANDS: usize = 10;

/// The line for these log-odds of held-out examples.
pub fn line(odds: &[f64], positive: &[bool], weights: &[f64]) -> Calibration {
    let rows = odds.iter().map(|odds| vec![*odds]).collect();
    let table = Table { rows, positive: positive.to_vec(), weights: weights.to_vec() };
    let line = logistic(&table, RIDGE);
    Calibration { slope: line.weights.first().copied().unwrap_or(1.0), intercept: line.bias }
}

/// How far the probabilities are from what happened, on average (the expected calibration error, 0 to 1).
pub fn error(odds: &[f64], positive: &[bool], weights: &[f64], calibration: Calibration) -> f64 {
    let mut bands = [(0.0, 0.0, 0.0); BANDS];
    for ((odds, positive), weight) in odds.iter().zip(positive).zip(weights) {
        let p = logistic_of(calibration.slope * odds + calibration.intercept);
        let band = &mut bands[((p * BANDS as f64) as usize).min(BANDS - 1)];
        band.0 += weight;
        band.1 += weight * p;
        band.2 += if *positive { *weight } else { 0.0 };
    }
    let total: f64 = weights.iter().sum();
    bands.iter().map(|(_, said, was)| (said - was).abs()).sum::<f64>() / total
}

/// The mean logarithm of the probability that was given to what did not happen (cross entropy in nats; 0.693 is a coin).
pub fn loss(odds: &[f64], positive: &[bool], weights: &[f64], calibration: Calibration) -> f64 {
    let one = |odds: f64, positive: bool| {
        let odds = calibration.slope * odds + calibration.intercept;
        let against = if positive { -odds } else { odds };
        against.max(0.0) + (-against.abs()).exp().ln_1p()
    };
    let sum: f64 = (0..odds.len()).map(|i| weights[i] * one(odds[i], positive[i])).sum();
    sum / weights.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_model_that_is_twice_too_sure_is_halved() {
        let mut rng = Rng::from_seed(5);
        let mut uniform = || rng.next_u32() as f64 / f64::from(u32::MAX);
        let (mut odds, mut positive) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let truth = uniform() * 6.0 - 3.0;
            odds.push(truth * 2.0 + 1.0);
            positive.push(uniform() < logistic_of(truth));
        }
        let weights = vec![1.0; odds.len()];
        let raw = Calibration { slope: 1.0, intercept: 0.0 };
        let found = line(&odds, &positive, &weights);
        assert!((found.slope - 0.5).abs() < 0.02 && (found.intercept + 0.5).abs() < 0.05, "{found:?}");
        assert!(error(&odds, &positive, &weights, raw) > 0.05);
        assert!(error(&odds, &positive, &weights, found) < 0.02);
        assert!(loss(&odds, &positive, &weights, found) < loss(&odds, &positive, &weights, raw));
    }

    #[test]
    fn the_loss_of_a_coin_is_the_logarithm_of_two() {
        let calibration = Calibration { slope: 1.0, intercept: 0.0 };
        let got = loss(&[0.0, 0.0], &[true, false], &[1.0, 1.0], calibration);
        assert!((got - std::f64::consts::LN_2).abs() < 1e-12, "{got}");
    }
}
