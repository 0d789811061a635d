//! Whether the model tells sources apart rather than people from machines.
//!
//! In a small corpus each source holds mostly one class, so a model may learn the microphone, or the corpus maker's habits,
//! and pass for a good judge. Two tests show it. *Sources told apart*: whole sources of one class get labels by lot, and the
//! features try to tell the lots apart in clips not trained on; 0.5 is a coin. *Leaning*: how much smaller the loss is when
//! the judged clips' sources were trained on than when they were not; 0 means that knowing the source helps nothing.

use super::fit::{Table, logistic};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// Lots drawn.
const LOTS: usize = 12;
/// Parts of which one is judged by a model of the others.
const PARTS: usize = 4;
/// A source with fewer clips says nothing.
const CLIPS_MIN: usize = 4;
/// As in training.
pub const RIDGE: f64 = 1e-3;

/// One clip of one class: its group and its features at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The source.
    pub group: usize,
    /// What the model is told about it.
    pub row: Vec<f64>,
}

/// The mean area under the ROC curve at telling lots of sources apart; `None` with fewer than four sources.
pub fn sources_told_apart(samples: &[Sample], rng: &mut Rng) -> Option<f64> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    samples.iter().for_each(|sample| *sizes.entry(sample.group).or_default() += 1);
    let groups: Vec<usize> = sizes.iter().filter(|(_, size)| **size >= CLIPS_MIN).map(|(g, _)| *g).collect();
    if groups.len() < 4 {
        return None;
    }
    let kept: Vec<&Sample> = samples.iter().filter(|sample| groups.contains(&sample.group)).collect();
    let mut sum = 0.0;
    for _ in 0..LOTS {
        let mut order = groups.clone();
        shuffle(&mut order, rng);
        let lot = &order[..order.len() / 2];
        let positive: Vec<bool> = kept.iter().map(|sample| lot.contains(&sample.group)).collect();
        sum += held_out_area(&kept, &positive, rng);
    }
    Some(sum / LOTS as f64)
}

fn held_out_area(samples: &[&Sample], positive: &[bool], rng: &mut Rng) -> f64 {
    let parts: Vec<usize> = samples.iter().map(|_| rng.below(PARTS as u64) as usize).collect();
    let mut odds = vec![0.0; samples.len()];
    for part in 0..PARTS {
        let mut table = Table::default();
        for i in (0..samples.len()).filter(|i| parts[*i] != part) {
            table.rows.push(samples[i].row.clone());
            table.positive.push(positive[i]);
        }
        table.balance();
        let line = logistic(&table, RIDGE);
        for i in (0..samples.len()).filter(|i| parts[*i] == part) {
            odds[i] = line.odds(&samples[i].row);
        }
    }
    area(&odds, positive)
}

/// The area under the ROC curve: how often a positive has the greater odds than a negative, ties counting half.
pub fn area(odds: &[f64], positive: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..odds.len()).collect();
    order.sort_by(|a, b| odds[*a].total_cmp(&odds[*b]));
    let (mut below, mut sum, mut place) = (0.0, 0.0, 0);
    while place < order.len() {
        let tied = order[place..].iter().take_while(|i| odds[**i] == odds[order[place]]).count();
        let hits = order[place..place + tied].iter().filter(|i| positive[**i]).count() as f64;
        let misses = tied as f64 - hits;
        sum += hits * (below + misses / 2.0);
        below += misses;
        place += tied;
    }
    let positives = positive.iter().filter(|positive| **positive).count() as f64;
    if positives == 0.0 || below == 0.0 { 0.5 } else { sum / (positives * below) }
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(mark: f64) -> Vec<Sample> {
        let mut rng = Rng::from_seed(9);
        let mut uniform = move || rng.next_u32() as f64 / f64::from(u32::MAX);
        (0..400)
            .map(|i| {
                let group = i % 8;
                // Each source has its place on three axes, as far apart as `mark` says.
                let axis = |bit: usize| if group >> bit & 1 == 1 { mark } else { -mark };
                Sample { group, row: (0..3).map(|bit| axis(bit) + uniform() - 0.5).collect() }
            })
            .collect()
    }

    #[test]
    fn features_that_carry_the_source_are_caught_and_those_that_do_not_pass() {
        let apart = |mark| sources_told_apart(&samples(mark), &mut Rng::from_seed(2)).unwrap();
        assert!(apart(0.0) < 0.56, "{}", apart(0.0));
        assert!(apart(2.0) > 0.75, "{}", apart(2.0));
    }

    #[test]
    fn two_sources_prove_nothing() {
        let few: Vec<Sample> = samples(1.0).into_iter().filter(|sample| sample.group < 2).collect();
        assert_eq!(sources_told_apart(&few, &mut Rng::from_seed(2)), None);
    }

    #[test]
    fn the_area_counts_pairs() {
        assert_eq!(area(&[1.0, 2.0, 3.0, 4.0], &[false, false, true, true]), 1.0);
        assert_eq!(area(&[1.0, 2.0, 3.0, 4.0], &[true, false, true, false]), 0.25);
        assert_eq!(area(&[1.0, 1.0], &[true, false]), 0.5);
    }
}
