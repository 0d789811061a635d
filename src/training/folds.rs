//! Folds that keep voices and sources apart.
//!
//! A model that has heard a voice knows it again. So all clips that share a source or a voice go into one group, and a
//! whole group is either trained on or judged, never both.

use crate::corpus::manifest::{Clip, Label};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// The group of each clip: clips with one origin or one voice have the same number.
pub fn groups(clips: &[Clip]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..clips.len()).collect();
    let mut first: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        for (is_voice, name) in [(false, clip.origin()), (true, clip.voice.as_str())] {
            if name.is_empty() {
                continue;
            }
            let other = *first.entry((is_voice, name)).or_insert(place);
            let (a, b) = (root(&mut parent, place), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    (0..clips.len()).map(|place| root(&mut parent, place)).collect()
}

fn root(parent: &mut [usize], mut place: usize) -> usize {
    while parent[place] != place {
        parent[place] = parent[parent[place]];
        place = parent[place];
    }
    place
}

/// The fold of each clip, `0..count`. Large groups are dealt first, each to the fold that lacks its class most; `rng` breaks ties.
pub fn deal(clips: &[Clip], count: usize, rng: &mut Rng) -> Vec<usize> {
    let groups = groups(clips);
    let mut sizes: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (clip, group) in clips.iter().zip(&groups) {
        let size = sizes.entry(*group).or_default();
        match clip.label {
            Label::Human => size[0] += 1,
            Label::Machine => size[1] += 1,
            Label::Other => {}
        }
    }
    let mut order: Vec<(usize, [usize; 2], u64)> =
        sizes.iter().map(|(group, size)| (*group, *size, rng.next_u64())).collect();
    order.sort_by_key(|(_, size, tie)| (std::cmp::Reverse(size[0] + size[1]), *tie));
    let mut filled = vec![[0usize; 2]; count.max(1)];
    let mut fold_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (group, size, _) in order {
        let load = |fold: &[usize; 2]| (fold[0] + size[0]).pow(2) + (fold[1] + size[1]).pow(2);
        let fold = (0..filled.len()).min_by_key(|fold| load(&filled[*fold])).unwrap_or(0);
        filled[fold][0] += size[0];
        filled[fold][1] += size[1];
        fold_of.insert(group, fold);
    }
    groups.iter().map(|group| fold_of[group]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_source_nor_a_voice_is_in_two_folds() {
        let mut rng = Rng::from_seed(3);
        let clips: Vec<Clip> = (0..300)
            .map(|i| {
                let label = if i % 3 == 0 { Label::Machine } else { Label::Human };
                let mut clip = Clip::new(format!("{i}.wav"), label);
                clip.source = format!("maker/corpus{} {i}.flac", rng.below(9));
                clip.voice = if i % 50 == 0 { format!("voice{}", i % 100) } else { String::new() };
                clip
            })
            .collect();
        let folds = deal(&clips, 3, &mut rng);
        for a in 0..clips.len() {
            for b in 0..a {
                let together = clips[a].origin() == clips[b].origin()
                    || !clips[a].voice.is_empty() && clips[a].voice == clips[b].voice;
                assert!(!together || folds[a] == folds[b], "{:?} and {:?}", clips[a], clips[b]);
            }
        }
        assert!((0..3).all(|fold| folds.contains(&fold)), "each fold has something to judge");
    }

    #[test]
    fn a_seed_deals_the_same_folds_again() {
        let clips: Vec<Clip> = (0..60)
            .map(|i| Clip {
                source: format!("voice {}", i % 13),
                ..Clip::new(format!("{i}.wav"), Label::Human)
            })
            .collect();
        let folds = |seed| deal(&clips, 5, &mut Rng::from_seed(seed));
        assert_eq!(folds(1), folds(1));
    }
}
