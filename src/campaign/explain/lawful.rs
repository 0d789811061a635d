//! What the rule packs say of a contact, as checks beside the campaign's own.

use super::super::gate::{Decision, Gate};
use super::super::law::judgement::{Finding, Judgement, Ruling};
use super::super::ledger::Ledger;
use super::super::options::Options;
use super::checks::{Check, Verdict, allow, never, skip};
use super::moment::Moment;
use crate::record::Contact;
use crate::time::Now;
use chrono_tz::Tz;

/// One check for the packs' calling hours together, and one for each other rule that says no; where all is kept, one that names
/// the packs. None where no pack holds for the number.
pub fn checks(options: &Options, contact: &Contact, now: Now, zone: Option<Tz>) -> Vec<Check> {
    let (gate, ledger) = (Gate::new(options), Ledger::new());
    let judgement = gate.judge(contact, now.wall, &ledger);
    if judgement.packs.is_empty() {
        return Vec::new();
    }
    let mut checks: Vec<Check> = hours(&judgement, now, zone).into_iter().collect();
    checks.extend(judgement.findings.iter().filter_map(|finding| broken(finding, now, zone)));
    if checks.is_empty() {
        let names: Vec<&str> = judgement.packs.iter().map(|pack| pack.name.as_str()).collect();
        let value = format!("{} rules kept", judgement.findings.len());
        checks.push(allow("law", names.join(", "), value));
    }
    checks
}

/// The strictest hours of all packs together.
fn hours(judgement: &Judgement<'_>, now: Now, zone: Option<Tz>) -> Option<Check> {
    let names: Vec<&str> = judgement.packs.iter().map(|pack| pack.name.as_str()).collect();
    let source = format!("calling hours of {}", names.join(", "));
    let value = format!("it is {}", Moment::in_zone(now.wall, zone).local());
    match judgement.decision(now.wall) {
        Decision::Skip { reason, until } if reason.is_hours() => {
            Some(skip(reason.as_str(), source, value, until, now, zone))
        }
        Decision::Never { reason } if reason.is_hours() => Some(never(reason.as_str(), source, value)),
        _ => None,
    }
}

fn broken(finding: &Finding<'_>, now: Now, zone: Option<Tz>) -> Option<Check> {
    let rule = format!("law_{}", finding.rule.kind.as_str());
    let source = format!("{}: {}", finding.pack.name, finding.rule.source);
    let value = if finding.note.is_empty() { finding.rule.kind.to_string() } else { finding.note.clone() };
    match finding.ruling {
        // The hours of all rules are judged together.
        _ if finding.rule.kind.as_str() == "hours" => None,
        Ruling::Until(until) => Some(skip(&rule, source, value, until, now, zone)),
        // Until somebody imports a list or changes a setting.
        Ruling::Unmet => Some(Check { verdict: Verdict::Skip, ..allow(&rule, source, value) }),
        Ruling::Never => Some(never(&rule, source, value)),
        Ruling::Kept | Ruling::WithGuaranteedAgent | Ruling::Unseen => None,
    }
}
