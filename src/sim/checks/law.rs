//! The books of the law: what a few packs ask, written here once more by hand, so that neither a pack nor the gate that
//! reads it can err unseen.

use super::Rule;
use crate::disposition::Disposition;
use crate::time::WallTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the law asks of a campaign's calls.
#[derive(Clone, PartialEq, Debug)]
pub enum Lawful {
    /// Nobody is rung before and after, in minutes of the callee's day.
    Hours(i64, i64),
    /// No number is tried more often in so long, by any campaign.
    Cap(usize, Duration),
    /// After these outcomes a number is left alone for so long.
    Rest(Vec<Disposition>, Duration),
}

/// What each number has been through.
#[derive(Debug, Default)]
pub(super) struct Law {
    begun: BTreeMap<String, Vec<WallTime>>,
    ended: BTreeMap<String, Vec<(WallTime, Disposition)>>,
}

impl Law {
    pub(super) fn handle_finished(&mut self, number: &str, at: WallTime, disposition: Disposition) {
        self.ended.entry(number.to_owned()).or_default().push((at, disposition));
    }

    /// The first INVITE of an attempt leaves, at this minute of the callee's day if that is known.
    pub(super) fn handle_begun(
        &mut self,
        now: WallTime,
        number: &str,
        minute: Option<i64>,
        asked: &[Lawful],
        found: &mut Vec<(Rule, String)>,
    ) {
        let begun = self.begun.entry(number.to_owned()).or_default();
        let mut broken = |what| found.push((Rule::LawIsKept, what));
        for rule in asked {
            match rule {
                Lawful::Hours(from, until) => {
                    if let Some(minute) = minute.filter(|minute| !(*from..*until).contains(minute)) {
                        broken(format!("by law nobody is rung at {:02}:{:02}", minute / 60, minute % 60));
                    }
                }
                Lawful::Cap(most, span) => {
                    let made = begun.iter().filter(|at| now < **at + *span).count();
                    if made >= *most {
                        broken(format!("attempt {} on {number} where {most} are lawful", made + 1));
                    }
                }
                Lawful::Rest(after, span) => {
                    let ended = self.ended.get(number).map_or(&[][..], Vec::as_slice);
                    let resting =
                        |(at, how): &&(WallTime, Disposition)| after.contains(how) && now < *at + *span;
                    if let Some((at, how)) = ended.iter().find(resting) {
                        let since = (now.unix_ms() - at.unix_ms()) / 1_000;
                        broken(format!("{number} again {since} s after {how}, which the law forbids"));
                    }
                }
            }
        }
        begun.push(now);
    }
}
