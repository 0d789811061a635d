//! What the law says of one number at one time: every rule that applies, with its finding, and the strictest of them.

use super::pack::Pack;
use super::place::Place;
use super::rule::{Kind, Rule};
use crate::campaign::gate::{Decision, Refusal};
use crate::campaign::window::Opening;
use crate::time::WallTime;
use std::time::Duration;

/// What only somebody's act can change (a list to be imported, a setting) is looked at again so often.
const ACT_RECHECK: Duration = Duration::from_secs(600);

/// What one rule says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// It is kept.
    Kept,
    /// It would be broken before that moment.
    Until(WallTime),
    /// It is kept if an agent is there before the call is made.
    WithGuaranteedAgent,
    /// It is broken for as long as nobody changes something: a list, a setting.
    Unmet,
    /// It is broken for this contact.
    Never,
    /// The gate cannot see whether it is kept.
    Unseen,
}

/// One rule and what it says.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding<'a> {
    /// Of which pack.
    pub pack: &'a Pack,
    /// Which rule.
    pub rule: &'a Rule,
    /// What it says.
    pub ruling: Ruling,
    /// With which figures.
    pub note: String,
}

/// All of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Judgement<'a> {
    /// Where the callee may be.
    pub place: Place,
    /// The packs that hold for the callee.
    pub packs: Vec<&'a Pack>,
    /// Whether the hours of all rules together are open; `None` where no rule speaks of hours.
    pub opening: Option<Opening>,
    /// Each rule, in the order of the packs.
    pub findings: Vec<Finding<'a>>,
}

impl Judgement<'_> {
    /// Whether the contact may be dialed by these rules: what is final first, then what takes longest to pass.
    pub fn decision(&self, now: WallTime) -> Decision {
        let reasons =
            || self.findings.iter().filter_map(|finding| Some((finding, reason(&finding.rule.kind)?)));
        if let Some((_, reason)) = reasons().find(|(finding, _)| finding.ruling == Ruling::Never) {
            return Decision::Never { reason };
        }
        match self.opening {
            Some(Opening::Closed { opens_at: None }) if self.place.zones.is_empty() => {
                return Decision::Never { reason: Refusal::NoZone };
            }
            Some(Opening::Closed { opens_at: None }) => {
                return Decision::Never { reason: Refusal::WindowNeverOpens };
            }
            Some(Opening::Closed { opens_at: Some(until) }) => {
                return Decision::Skip { reason: Refusal::LawHours, until };
            }
            Some(Opening::Open { .. }) | None => {}
        }
        let until = |ruling| match ruling {
            Ruling::Until(until) => Some(until),
            Ruling::Unmet => Some(now + ACT_RECHECK),
            Ruling::Kept | Ruling::WithGuaranteedAgent | Ruling::Never | Ruling::Unseen => None,
        };
        let latest = reasons().filter_map(|(finding, reason)| Some((until(finding.ruling)?, reason)));
        match latest.max_by_key(|(until, _)| *until) {
            Some((until, reason)) => Decision::Skip { reason, until },
            None => Decision::Allow { guaranteed_agent: self.guaranteed_agent() },
        }
    }

    /// Whether the call may be made only with an agent who is there for it.
    pub fn guaranteed_agent(&self) -> bool {
        self.findings.iter().any(|finding| finding.ruling == Ruling::WithGuaranteedAgent)
    }
}

/// The word for a call that is not made because of such a rule.
fn reason(kind: &Kind) -> Option<Refusal> {
    match kind {
        // The hours of all rules are judged together.
        Kind::Hours { .. } | Kind::Duty { .. } => None,
        Kind::Cap { .. } => Some(Refusal::LawCap),
        Kind::Rest { .. } => Some(Refusal::LawRest),
        Kind::Ring { .. } => Some(Refusal::RingTooShort),
        Kind::Abandonment { .. } => Some(Refusal::AbandonmentLimit),
        Kind::Consent { .. } => Some(Refusal::NoConsent),
        Kind::DoNotCall { .. } => Some(Refusal::ListStale),
    }
}
