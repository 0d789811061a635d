//! What holds for one campaign: its packs, its purpose, its way of dialing; asked for each contact before each dial.

use super::basis::{Basis, Cap};
use super::consent::ConsentGiven;
use super::judgement::{Finding, Judgement, Ruling};
use super::options::Packs;
use super::pack::Pack;
use super::past;
use super::place::Place;
use super::rule::{Kind, Purpose, Rule};
use super::span::{Span, local_date};
use super::timetable;
use crate::campaign::ledger::Ledger;
use crate::campaign::options::Options;
use crate::campaign::pacing::Mode;
use crate::campaign::window::{Opening, both, meet, open_in};
use crate::record::{Contact, PastAttempt};
use crate::time::WallTime;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use std::sync::Arc;
use std::time::Duration;

/// The law of one campaign.
#[derive(Clone, PartialEq, Debug)]
pub struct Law {
    packs: Vec<Arc<Pack>>,
    /// Whether a pack holds only where its place is the callee's.
    by_place: bool,
    purpose: Option<Purpose>,
    prerecorded: bool,
    campaign: String,
    ring_timeout_s: u32,
    /// Whether a call can have its agent before it is made.
    guarantees_agents: bool,
    /// The share that it may abandon, where it dials more lines than agents wait.
    abandonment: Option<f64>,
}

/// One contact at one time, with what rules look at.
struct Case<'c> {
    contact: &'c Contact,
    now: WallTime,
    place: &'c Place,
    past: Vec<PastAttempt>,
    ledger: &'c Ledger,
    dates: Vec<NaiveDate>,
    opening: Option<Opening>,
}

impl Law {
    /// By the campaign's options, which have no [`Options::faults`].
    pub fn new(options: &Options) -> Law {
        let law = &options.law;
        let mut packs = law.known();
        if let Packs::Named(ids) = &law.packs {
            packs.retain(|pack| ids.contains(&pack.id));
        }
        let mode = options.dialing.mode;
        Law {
            packs,
            by_place: law.packs == Packs::Auto,
            purpose: law.purpose,
            prerecorded: law.prerecorded.unwrap_or(mode == Mode::Agentless),
            campaign: options.name.clone(),
            ring_timeout_s: options.ring_timeout_s,
            guarantees_agents: mode.needs_agents(),
            abandonment: mode.overdials().then_some(options.dialing.abandonment_limit),
        }
    }

    /// What the campaign calls for.
    pub fn purpose(&self) -> Option<Purpose> {
        self.purpose
    }

    /// Whether the hours of the law are open there; `None` where no rule speaks of hours.
    pub fn opening(&self, place: &Place, at: WallTime) -> Option<Opening> {
        let rules = self.hours(place);
        if rules.is_empty() {
            return None;
        }
        let on = |date| timetable::hours_on(rules.iter().copied(), date);
        let zones = || place.zones.iter();
        Some(meet(at, |moment| zones().map(|zone| open_in(*zone, moment, on)).reduce(both)))
    }

    fn hours(&self, place: &Place) -> Vec<(&Pack, &Rule)> {
        let of_pack = |pack| self.concerning(pack).map(move |rule| (pack, rule));
        let rules = self.packs_for(place).flat_map(of_pack);
        rules.filter(|(_, rule)| matches!(rule.kind, Kind::Hours { .. })).collect()
    }

    fn packs_for(&self, place: &Place) -> impl Iterator<Item = &Pack> {
        self.packs.iter().map(Arc::as_ref).filter(|pack| !self.by_place || pack.is_for(place))
    }

    fn concerning<'a>(&self, pack: &'a Pack) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let (purpose, prerecorded) = (self.purpose, self.prerecorded);
        pack.rules.iter().filter(move |rule| rule.concerns(purpose, prerecorded))
    }

    /// Whether no pack holds for anybody.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }

    /// What every rule says of a call to the contact, who may be at this place, at this moment.
    pub fn judge(&self, contact: &Contact, place: Place, now: WallTime, ledger: &Ledger) -> Judgement<'_> {
        let mut dates: Vec<NaiveDate> =
            place.zones.iter().filter_map(|zone| local_date(now, *zone)).collect();
        dates.extend(local_date(now, Tz::UTC).filter(|_| place.zones.is_empty()));
        dates.dedup();
        let opening = self.opening(&place, now);
        let past = ledger.past(contact);
        let case = Case { contact, now, place: &place, past, ledger, dates, opening };
        let packs: Vec<&Pack> = self
            .packs_for(&place)
            .filter(|pack| case.dates.iter().any(|date| pack.holds_on(*date)))
            .collect();
        let findings = packs
            .iter()
            .flat_map(|pack| self.concerning(pack).map(move |rule| (*pack, rule)))
            .filter(|(_, rule)| case.dates.iter().any(|date| rule.holds_on(*date)))
            .filter_map(|(pack, rule)| self.find(pack, rule, &case))
            .collect();
        Judgement { packs, opening, findings, place }
    }

    fn find<'a>(&self, pack: &'a Pack, rule: &'a Rule, case: &Case) -> Option<Finding<'a>> {
        let zones = &case.place.zones;
        let (ruling, note) = match &rule.kind {
            Kind::Hours { .. } => return find_hours(pack, rule, case),
            Kind::Cap { most, per } => {
                let (made, room_at) = past::cap(&case.past, *most, *per, zones, case.now);
                (room_at.map_or(Ruling::Kept, Ruling::Until), format!("{made} made"))
            }
            Kind::Rest { after, span, unless_guaranteed_agent } => {
                match past::rest(&case.past, *after, *span, zones, case.now) {
                    Some(_) if *unless_guaranteed_agent && self.guarantees_agents => {
                        (Ruling::WithGuaranteedAgent, "an agent is kept for the call".to_owned())
                    }
                    Some(until) => (Ruling::Until(until), String::new()),
                    None => (Ruling::Kept, "there was none".to_owned()),
                }
            }
            Kind::Ring { seconds_min } => {
                let kept = self.ring_timeout_s >= *seconds_min;
                let note = format!("ring_timeout_s = {}", self.ring_timeout_s);
                (if kept { Ruling::Kept } else { Ruling::Unmet }, note)
            }
            Kind::Abandonment { limit, .. } => match self.abandonment {
                None => (Ruling::Kept, "never more lines than agents who wait".to_owned()),
                Some(share) => {
                    let ruling = if share <= *limit { Ruling::Kept } else { Ruling::Unmet };
                    (ruling, format!("dialing.abandonment_limit = {share}"))
                }
            },
            Kind::Consent { needs } => {
                let purpose = self.purpose.map_or("", Purpose::as_str);
                match ConsentGiven::of(case.contact) {
                    Some(given) if given.covers(*needs, &self.campaign, purpose) => {
                        (Ruling::Kept, format!("{} since {}", given.kind.as_str(), given.at))
                    }
                    Some(_) => (Ruling::Never, "of another kind or for other calls".to_owned()),
                    None => (Ruling::Never, "the list has none (columns consent, consent_at)".to_owned()),
                }
            }
            Kind::DoNotCall { list, age_days_max } => find_list(list, *age_days_max, case),
            Kind::Duty { .. } => (Ruling::Unseen, String::new()),
        };
        Some(Finding { pack, rule, ruling, note })
    }

    /// What is kept with the attempt that is made of this judgement.
    pub fn basis(&self, contact: &Contact, place: Place, now: WallTime, ledger: &Ledger) -> Basis {
        let judgement = self.judge(contact, place, now, ledger);
        let place = &judgement.place;
        let shown = |zone: &Tz| {
            let utc = DateTime::<Utc>::from_timestamp_millis(now.unix_ms())?;
            Some(format!("{} {}", utc.with_timezone(zone).format("%a %Y-%m-%d %H:%M:%S"), zone.name()))
        };
        let mut basis = Basis {
            at: now,
            packs: judgement.packs.iter().map(|pack| pack.edition()).collect(),
            purpose: self.purpose,
            prerecorded: self.prerecorded,
            countries: place.countries.iter().cloned().collect(),
            states: place.states.iter().cloned().collect(),
            local: place.zones.iter().filter_map(shown).collect(),
            open_until: match judgement.opening {
                Some(Opening::Open { until }) => Some(until),
                _ => None,
            },
            window: String::new(),
            attempts: None,
            caps: Vec::new(),
            lists: ledger.editions(),
            consent: ConsentGiven::of(contact),
            guaranteed_agent: judgement.guaranteed_agent(),
            caller_id: String::new(),
            caller_id_why: String::new(),
        };
        for finding in &judgement.findings {
            if let Kind::Cap { most, per } = finding.rule.kind {
                // The attempt that is being made does not count.
                let before: Vec<PastAttempt> =
                    ledger.past(contact).into_iter().filter(|past| past.at < now).collect();
                let (made, _) = past::cap(&before, most, per, &place.zones, now);
                let since = counted_since(per, &place.zones, now);
                let (pack, per) = (finding.pack.id.clone(), per.to_string());
                basis.caps.push(Cap { pack, per, most, made, since });
            }
        }
        basis
    }
}

/// Attempts from this moment on count.
fn counted_since(per: Span, zones: &[Tz], now: WallTime) -> WallTime {
    match per {
        Span::Rolling(duration) => {
            let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            WallTime::from_unix_ms(now.unix_ms().saturating_sub(ms).saturating_add(1))
        }
        // The first moment of which the day or month is not over: found from the end of the one before.
        Span::CalendarDay | Span::CalendarMonth => {
            let days = if per == Span::CalendarDay { 1..=2 } else { 1..=32 };
            let day = 86_400_000;
            let before = |days: i64| WallTime::from_unix_ms(now.unix_ms() - days * day);
            let ends = days.rev().filter_map(|days| per.end(before(days), zones)).filter(|end| *end <= now);
            ends.max().unwrap_or_else(|| before(32))
        }
    }
}

/// A rule about hours is shown where it covers the callee's today.
fn find_hours<'a>(pack: &'a Pack, rule: &'a Rule, case: &Case) -> Option<Finding<'a>> {
    let today: Vec<(Tz, NaiveDate)> =
        case.place.zones.iter().filter_map(|zone| Some((*zone, local_date(case.now, *zone)?))).collect();
    if !today.iter().any(|(_, date)| timetable::covers(pack, rule, *date)) {
        return None;
    }
    let alone = |date| timetable::hours_on(std::iter::once((pack, rule)), date);
    let open = |zone: &Tz| matches!(open_in(*zone, case.now, alone), Opening::Open { .. });
    let ruling = match case.opening {
        _ if case.place.zones.iter().all(open) => Ruling::Kept,
        Some(Opening::Closed { opens_at: Some(opens_at) }) => Ruling::Until(opens_at),
        _ => Ruling::Never,
    };
    let clock = |(zone, _): &(Tz, NaiveDate)| {
        let utc = DateTime::<Utc>::from_timestamp_millis(case.now.unix_ms())?;
        Some(format!("{} in {}", utc.with_timezone(zone).format("%H:%M"), zone.name()))
    };
    let mut note = format!("it is {}", today.iter().filter_map(clock).collect::<Vec<_>>().join(", "));
    if let Some(holiday) = today.iter().find_map(|(_, date)| pack.holiday(*date)) {
        note += &format!("; {holiday}");
    }
    Some(Finding { pack, rule, ruling, note })
}

fn find_list(kind: &str, age_days_max: u32, case: &Case) -> (Ruling, String) {
    let Some(as_of) = case.ledger.list_as_of(kind) else {
        return (Ruling::Unmet, format!("no list of kind {kind} is loaded: name it in [[law.do_not_call]]"));
    };
    let age = Duration::from_millis(u64::try_from(case.now.unix_ms() - as_of.unix_ms()).unwrap_or(0));
    let day = Duration::from_secs(86_400);
    let note = format!("{} days old", age.as_secs() / day.as_secs());
    if age <= day * age_days_max {
        (Ruling::Kept, note)
    } else {
        (Ruling::Unmet, format!("{note}: get a newer one"))
    }
}
