//! Logistic regression with a ridge penalty, by Newton's method (iteratively reweighted least squares; Hastie, Tibshirani
//! and Friedman, "The Elements of Statistical Learning", section 4.4.1).
//!
//! Sums are taken in the order of the examples and in 64 bits, so that one input gives one result to the last bit.

/// Newton's method needs about ten steps; more mean that it does not converge.
const STEPS_MAX: usize = 60;
/// The fit is done when no weight moves further than this, in standard deviations of its feature.
const SETTLED: f64 = 1e-9;
/// A feature that varies less than this is a constant and gets no weight.
const VARIANCE_MIN: f64 = 1e-9;

/// Rows of features with the class and the weight of each.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The features, all of one length.
    pub rows: Vec<Vec<f64>>,
    /// The class that is to be found.
    pub positive: Vec<bool>,
    /// How much a row counts.
    pub weights: Vec<f64>,
}

impl Table {
    /// Lets both classes count as much as each other and the rows of a class alike; the weights then sum to 1.
    pub fn balance(&mut self) {
        let count = |class: bool| self.positive.iter().filter(|positive| **positive == class).count().max(1);
        let (positives, negatives) = (count(true) as f64, count(false) as f64);
        let weight = |positive: &bool| 0.5 / if *positive { positives } else { negatives };
        self.weights = self.positive.iter().map(weight).collect();
    }

    /// Features in a row.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }
}

/// A fitted line.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// The log-odds when every feature is 0.
    pub bias: f64,
    /// The log-odds for each unit of a feature.
    pub weights: Vec<f64>,
    /// The weighted mean of each feature.
    pub means: Vec<f64>,
}

impl Line {
    /// The log-odds of a row.
    pub fn odds(&self, row: &[f64]) -> f64 {
        self.bias + self.weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>()
    }
}

/// Fits the table; `ridge` is the penalty on each weight in standard deviations of its feature.
pub fn logistic(table: &Table, ridge: f64) -> Line {
    let width = table.width();
    let total: f64 = table.weights.iter().sum();
    let weighed = |f: &dyn Fn(&[f64]) -> f64| {
        table.rows.iter().zip(&table.weights).map(|(row, w)| w * f(row)).sum::<f64>() / total
    };
    let means: Vec<f64> = (0..width).map(|i| weighed(&|row| row[i])).collect();
    let scales: Vec<f64> = (0..width)
        .map(|i| weighed(&|row| (row[i] - means[i]).powi(2)))
        .map(|variance| if variance < VARIANCE_MIN { 0.0 } else { 1.0 / variance.sqrt() })
        .collect();
    let beta = newton(table, &means, &scales, ridge);
    let weights: Vec<f64> = (0..width).map(|i| beta[i + 1] * scales[i]).collect();
    let bias = beta[0] - weights.iter().zip(&means).map(|(w, mean)| w * mean).sum::<f64>();
    Line { bias, weights, means }
}

fn newton(table: &Table, means: &[f64], scales: &[f64], ridge: f64) -> Vec<f64> {
    let size = means.len() + 1;
    let mut beta = vec![0.0; size];
    let mut x = vec![1.0; size];
    for _ in 0..STEPS_MAX {
        let mut gradient = vec![0.0; size];
        let mut hessian = vec![vec![0.0; size]; size];
        for ((row, positive), weight) in table.rows.iter().zip(&table.positive).zip(&table.weights) {
            for i in 1..size {
                x[i] = (row[i - 1] - means[i - 1]) * scales[i - 1];
            }
            let p = logistic_of(beta.iter().zip(&x).map(|(b, x)| b * x).sum());
            let error = weight * (f64::from(u8::from(*positive)) - p);
            let bend = weight * p * (1.0 - p);
            for i in 0..size {
                gradient[i] += error * x[i];
                for j in 0..=i {
                    hessian[i][j] += bend * x[i] * x[j];
                }
            }
        }
        for i in 0..size {
            // The bias is free, up to what keeps the matrix invertible.
            let penalty = if i == 0 { 1e-12 } else { ridge + 1e-12 };
            gradient[i] -= penalty * beta[i];
            hessian[i][i] += penalty;
        }
        let step = solve(hessian, gradient);
        let furthest = step.iter().fold(0.0f64, |most, step| most.max(step.abs()));
        // Far from the top the quadratic is no guide: no step is longer than this.
        let damp = if furthest > 2.0 { 2.0 / furthest } else { 1.0 };
        beta.iter_mut().zip(&step).for_each(|(beta, step)| *beta += damp * step);
        if furthest < SETTLED {
            break;
        }
    }
    beta
}

/// Solves a symmetric positive definite system, whose lower half is given, after Cholesky.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let size = b.len();
    for j in 0..size {
        for k in 0..j {
            for i in j..size {
                let (left, top) = (a[i][k], a[j][k]);
                a[i][j] -= left * top;
            }
        }
        let root = a[j][j].max(f64::MIN_POSITIVE).sqrt();
        for row in a.iter_mut().skip(j) {
            row[j] /= root;
        }
    }
    for i in 0..size {
        let known: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    for i in (0..size).rev() {
        let known: f64 = (i + 1..size).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

/// The logistic function.
pub fn logistic_of(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_weights_that_made_the_data_are_found_again() {
        let mut rng = Rng::from_seed(1);
        let mut uniform = || rng.next_u32() as f64 / f64::from(u32::MAX);
        let mut table = Table::default();
        for _ in 0..40_000 {
            let row = vec![uniform() * 4.0 - 2.0, uniform(), 3.0];
            table.positive.push(uniform() < logistic_of(0.5 + 1.5 * row[0] - 2.0 * row[1]));
            table.rows.push(row);
            table.weights.push(1.0);
        }
        let line = logistic(&table, 0.0);
        assert!((line.weights[0] - 1.5).abs() < 0.06, "{line:?}");
        assert!((line.weights[1] + 2.0).abs() < 0.15, "{line:?}");
        assert_eq!(line.weights[2], 0.0, "a constant has no weight: {line:?}");
        assert!((line.bias - 0.5).abs() < 0.1, "{line:?}");
    }

    #[test]
    fn classes_that_a_line_parts_entirely_do_not_run_away_under_a_ridge() {
        let rows: Vec<Vec<f64>> = (0..100).map(|i| vec![f64::from(i)]).collect();
        let positive = (0..100).map(|i| i >= 50).collect();
        let mut table = Table { rows, positive, weights: Vec::new() };
        table.balance();
        let line = logistic(&table, 1e-3);
        assert!(line.odds(&[0.0]) < -2.0 && line.odds(&[99.0]) > 2.0 && line.weights[0] < 10.0, "{line:?}");
    }

    #[test]
    fn a_system_is_solved() {
        let x = solve(vec![vec![4.0, 0.0], vec![2.0, 3.0]], vec![10.0, 8.0]);
        assert!((x[0] - 1.75).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12, "{x:?}");
    }
}
