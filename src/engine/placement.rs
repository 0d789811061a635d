//! Which trunk carries a call, and in what form it wants the number.

use crate::engine::trunk::{NumberFormat, Options, Trunk, Unavailable};
use crate::number::E164;
use crate::rng::Rng;
use crate::sip::uri::escape_user;
use crate::time::Instant;

/// Picks a trunk among `allowed` (places in `trunks`) that is not in `tried`: the lowest priority that has one available,
/// by weight among equals. Without one, the first reason met in the order of `allowed`.
pub fn choose(
    trunks: &[Trunk],
    allowed: &[usize],
    tried: &[usize],
    now: Instant,
    rng: &mut Rng,
) -> Result<usize, Option<Unavailable>> {
    let mut best: Vec<usize> = Vec::with_capacity(allowed.len());
    let mut reason = None;
    for &index in allowed.iter().filter(|index| !tried.contains(index)) {
        match trunks[index].available(now) {
            Err(unavailable) => {
                reason.get_or_insert(unavailable);
            }
            Ok(()) => {
                let priority = trunks[index].options.priority;
                let of_best = best.first().map(|&first| trunks[first].options.priority);
                if of_best.is_some_and(|of_best| priority < of_best) {
                    best.clear();
                }
                if of_best.is_none_or(|of_best| priority <= of_best) {
                    best.push(index);
                }
            }
        }
    }
    let weight = |index: usize| u64::from(trunks[index].options.weight.max(1));
    let total: u64 = best.iter().map(|&index| weight(index)).sum();
    let mut draw = rng.below(total);
    for &index in &best {
        if draw < weight(index) {
            return Ok(index);
        }
        draw -= weight(index);
    }
    Err(reason)
}

/// The user part of the Request-URI for this trunk.
pub fn dialed_form(number: &E164, options: &Options) -> String {
    let prefix = escape_user(&options.number_prefix);
    match options.number_format {
        NumberFormat::Plus => format!("{prefix}{number}"),
        NumberFormat::Digits => format!("{prefix}{}", number.digits()),
        NumberFormat::National => format!("{prefix}{}", crate::number::national(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::{Target, Transport};

    fn trunk(name: &str, priority: u32, weight: u32) -> Trunk {
        let toml = format!(
            "name = \"{name}\"\nhost = \"127.0.0.1\"\npriority = {priority}\nweight = {weight}\nchannels_max = 1000"
        );
        let options: Options = toml::from_str(&toml).unwrap();
        let target = Target::new(Transport::Udp, "127.0.0.1:5060".parse().unwrap());
        Trunk::new(Instant::ZERO, options, target, None)
    }

    #[test]
    fn the_lowest_priority_goes_first_and_the_rest_is_for_failover() {
        let trunks = [trunk("backup", 2, 10), trunk("main", 1, 10)];
        let mut rng = Rng::from_seed(1);
        assert_eq!(choose(&trunks, &[0, 1], &[], Instant::ZERO, &mut rng), Ok(1));
        assert_eq!(choose(&trunks, &[0, 1], &[1], Instant::ZERO, &mut rng), Ok(0));
        assert_eq!(choose(&trunks, &[0, 1], &[0, 1], Instant::ZERO, &mut rng), Err(None));
    }

    #[test]
    fn equals_share_by_weight() {
        let trunks = [trunk("a", 1, 30), trunk("b", 1, 10)];
        let mut rng = Rng::from_seed(2);
        let to_a =
            (0..4_000).filter(|_| choose(&trunks, &[0, 1], &[], Instant::ZERO, &mut rng) == Ok(0)).count();
        assert!((2_850..3_150).contains(&to_a), "{to_a} of 4,000");
    }

    #[test]
    fn a_full_trunk_is_passed_over_and_named_when_it_was_the_last() {
        let mut trunks = [trunk("a", 1, 10)];
        trunks[0].options.channels_max = 1;
        trunks[0].seize(Instant::ZERO);
        let mut rng = Rng::from_seed(3);
        let none = choose(&trunks, &[0], &[], Instant::ZERO, &mut rng);
        assert_eq!(none, Err(Some(Unavailable::Full)));
    }

    #[test]
    fn each_trunk_gets_the_number_in_its_form() {
        let number = E164::from_e164("+12025550101").unwrap();
        let mut options = trunk("a", 1, 1).options;
        assert_eq!(dialed_form(&number, &options), "+12025550101");
        options.number_format = NumberFormat::Digits;
        options.number_prefix = "#31#".into();
        assert_eq!(dialed_form(&number, &options), "%2331%2312025550101");
        options.number_prefix = "99".into();
        assert_eq!(dialed_form(&number, &options), "9912025550101");
        options.number_format = NumberFormat::National;
        assert_eq!(dialed_form(&number, &options), "992025550101");
    }
}
