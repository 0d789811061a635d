//! How many descriptors the process may hold: a call takes two sockets, bridged four.
//!
//! Systems start programs with a soft limit of 1,024 and let them raise it to the hard one by themselves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of calls: database, log, SIP, connections.
const OTHERS: u64 = 256;

/// Descriptors of a line: two legs, each RTP and RTCP, at each address of `[media] listen`.
const OF_A_LINE: u64 = 4;

/// Raises the soft limit to the hard one; tells what holds now, `None` where there is no limit.
pub fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// What is wrong when so many descriptors are to serve so many lines, and what to do about it.
pub fn too_few(descriptors: Option<u64>, lines_max: u32, media_addresses: usize) -> Option<String> {
    let of_a_line = OF_A_LINE * media_addresses.max(1) as u64;
    let wanted = OTHERS + of_a_line * u64::from(lines_max);
    let had = descriptors.filter(|had| *had < wanted)?;
    Some(format!(
        "lines_max = {lines_max} may need {wanted} open files and this process may have {had}: calls beyond {} would fail; \
         raise LimitNOFILE= of the unit or `ulimit -Hn`",
        had.saturating_sub(OTHERS) / of_a_line
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one_and_too_few_are_told() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_descriptors(), hard);
        assert_eq!(too_few(Some(1_056), 200, 1), None);
        assert_eq!(too_few(None, 10_000, 1), None);
        assert!(too_few(Some(1_056), 200, 2).is_some_and(|told| told.contains("beyond 100")));
        let told = too_few(Some(1_024), 200, 1).unwrap();
        assert!(told.contains("1056") && told.contains("beyond 192"), "{told}");
    }
}
