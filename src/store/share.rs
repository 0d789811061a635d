//! How the caps of several nodes are divided among them, so that their sum holds at every moment.
//!
//! A node may use what it is offered. What it is offered less than before it goes on holding until it has said that it
//! lets go: only then is that much offered to another. So the sum of what is offered or held never grows beyond the cap,
//! whoever is slow, frozen or dead.

/// What one node is offered and what it holds, in calls at once or in calls per second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stake {
    /// It may use so much.
    pub offered: u32,
    /// It has said to hold so much.
    pub held: u32,
}

impl Stake {
    /// What must be counted for it.
    pub fn counted(self) -> u32 {
        self.offered.max(self.held)
    }
}

/// New offers, in the nodes' order: even shares, the odd ones to the first.
pub fn divide(cap: u32, stakes: &[Stake]) -> Vec<u32> {
    let nodes = stakes.len().max(1) as u32;
    let target = |place: usize| cap / nodes + u32::from((place as u32) < cap % nodes);
    let mut divided: Vec<Stake> = stakes
        .iter()
        .enumerate()
        .map(|(place, stake)| Stake { offered: stake.offered.min(target(place)), ..*stake })
        .collect();
    let counted: u64 = divided.iter().map(|stake| u64::from(stake.counted())).sum();
    let mut free = u64::from(cap).saturating_sub(counted) as u32;
    for (place, stake) in divided.iter_mut().enumerate() {
        let wanted = target(place).max(stake.offered);
        // What it holds already costs nothing more.
        let costs = wanted.saturating_sub(stake.counted());
        let given = costs.min(free);
        free -= given;
        stake.offered = wanted - (costs - given);
    }
    divided.into_iter().map(|stake| stake.offered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn stake(offered: u32, held: u32) -> Stake {
        Stake { offered, held }
    }

    #[test]
    fn a_share_grows_only_by_what_another_has_let_go() {
        for (cap, stakes, offers) in [
            (10, vec![], vec![]),
            (10, vec![stake(0, 0)], vec![10]),
            // Another comes: it waits until the first has let go.
            (10, vec![stake(10, 10), stake(0, 0)], vec![5, 0]),
            (10, vec![stake(5, 10), stake(0, 0)], vec![5, 0]),
            (10, vec![stake(5, 7), stake(0, 0)], vec![5, 3]),
            (10, vec![stake(5, 5), stake(3, 3)], vec![5, 5]),
            // One goes: what it held is free.
            (10, vec![stake(5, 5)], vec![10]),
            // The odd ones go to the first, and nobody gets half of one.
            (10, vec![stake(0, 0), stake(0, 0), stake(0, 0)], vec![4, 3, 3]),
            (1, vec![stake(0, 0), stake(0, 0)], vec![1, 0]),
            // Somebody who holds too much, having inherited calls, is offered his share and no more.
            (10, vec![stake(5, 9), stake(5, 5)], vec![5, 5]),
            // The cap has become smaller.
            (4, vec![stake(5, 5), stake(5, 5)], vec![2, 2]),
        ] {
            assert_eq!(divide(cap, &stakes), offers, "{cap} among {stakes:?}");
        }
    }

    #[test]
    fn whoever_comes_goes_or_sleeps_the_sum_stays_within_the_cap() {
        for seed in 0..200 {
            let mut rng = Rng::from_seed(seed);
            let cap = rng.below(40) as u32;
            // (what the database says, what the node really may use)
            let mut nodes: Vec<(Stake, u32)> = Vec::new();
            for _step in 0..300 {
                match rng.below(10) {
                    0 if nodes.len() < 6 => nodes.push((stake(0, 0), 0)),
                    1 if !nodes.is_empty() => drop(nodes.remove(rng.below(nodes.len() as u64) as usize)),
                    2..=5 => {
                        let stakes: Vec<Stake> = nodes.iter().map(|(stake, _)| *stake).collect();
                        for (node, offer) in nodes.iter_mut().zip(divide(cap, &stakes)) {
                            node.0.offered = offer;
                        }
                    }
                    _ if !nodes.is_empty() => {
                        // A beat: it says what it could use so far, and takes and holds what is offered.
                        let place = rng.below(nodes.len() as u64) as usize;
                        let (stake, usable) = &mut nodes[place];
                        (stake.held, *usable) = ((*usable).max(stake.offered), stake.offered);
                    }
                    _ => {}
                }
                let usable: u32 = nodes.iter().map(|(stake, usable)| stake.held.max(*usable)).sum();
                assert!(usable <= cap, "seed {seed}: {usable} of {cap}: {nodes:?}");
            }
            let settle = |nodes: &mut Vec<(Stake, u32)>| {
                let stakes: Vec<Stake> = nodes.iter().map(|(stake, _)| *stake).collect();
                for ((stake, usable), offer) in nodes.iter_mut().zip(divide(cap, &stakes)) {
                    stake.offered = offer;
                    stake.offered = offer;
                    (stake.held, *usable) = ((*usable).max(offer), offer);
                }
            };
            (0..4).for_each(|_| settle(&mut nodes));
            let used: u32 = nodes.iter().map(|(_, usable)| usable).sum();
            assert!(nodes.is_empty() || used == cap, "seed {seed}: {used} of {cap} in use at last");
        }
    }
}
