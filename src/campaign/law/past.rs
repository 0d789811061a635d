//! What a number has already been through: how often it was tried, and until when it rests.

use super::rule::After;
use super::span::Span;
use crate::record::PastAttempt;
use crate::time::WallTime;
use chrono_tz::Tz;

/// The attempts that count at `now`, and when there is room for one more if there is none.
pub fn cap(
    past: &[PastAttempt],
    most: u32,
    per: Span,
    zones: &[Tz],
    now: WallTime,
) -> (u32, Option<WallTime>) {
    let mut ends: Vec<WallTime> =
        past.iter().filter_map(|attempt| per.end(attempt.at, zones)).filter(|end| *end > now).collect();
    ends.sort();
    let made = ends.len();
    // Of `made` so many must have stopped counting that less than `most` are left.
    let room_at = (made >= most as usize).then(|| ends[made - most as usize]);
    (made as u32, room_at)
}

/// Until when the number rests, if it does.
pub fn rest(past: &[PastAttempt], after: After, span: Span, zones: &[Tz], now: WallTime) -> Option<WallTime> {
    past.iter()
        .filter(|attempt| after.fits(attempt.disposition))
        // One that is not over yet rests from now on; that it is in flight is another rule's matter.
        .filter_map(|attempt| span.end(attempt.ended_at.unwrap_or(attempt.at), zones))
        .filter(|end| *end > now)
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::Disposition;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn room_comes_when_enough_of_the_oldest_no_longer_count() {
        let per = Span::parse("24h").unwrap();
        let past = [1, 2, 3].map(|hour| attempt(hour * HOUR, Disposition::NoAnswer));
        let cap = |past: &[PastAttempt], most, now| cap(past, most, per, &[], wall(now));
        assert_eq!(cap(&past[..2], 3, 4 * HOUR), (2, None));
        assert_eq!(cap(&past, 3, 4 * HOUR), (3, Some(wall(25 * HOUR))));
        assert_eq!(cap(&past, 2, 4 * HOUR), (3, Some(wall(26 * HOUR))));
        assert_eq!(cap(&past, 3, 25 * HOUR - 1), (3, Some(wall(25 * HOUR))));
        assert_eq!(cap(&past, 3, 25 * HOUR), (2, None));
    }

    #[test]
    fn a_rest_counts_from_the_end_of_the_call_it_follows() {
        let per = Span::parse("72h").unwrap();
        let past = [attempt(0, Disposition::Abandoned), attempt(HOUR, Disposition::NoAnswer)];
        let rest = |after, now| rest(&past, after, per, &[], wall(now));
        assert_eq!(rest(After::Abandoned, 5 * HOUR), Some(wall(72 * HOUR + 30_000)));
        assert_eq!(rest(After::Abandoned, 72 * HOUR + 30_000), None);
        assert_eq!(rest(After::Attempt, 5 * HOUR), Some(wall(73 * HOUR + 30_000)));
        assert_eq!(rest(After::Machine, 5 * HOUR), None);
    }

    fn attempt(at: i64, disposition: Disposition) -> PastAttempt {
        PastAttempt { at: wall(at), ended_at: Some(wall(at + 30_000)), disposition: Some(disposition) }
    }

    fn wall(ms: i64) -> WallTime {
        WallTime::from_unix_ms(ms)
    }
}
