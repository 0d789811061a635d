//! The one place that decides whether a contact may be dialed now, with a word for every refusal.

use super::explain::rule_of;
use super::law::{Basis, Judgement, Law, Place};
use super::ledger::Ledger;
use super::options::Options;
use super::window::{Opening, Window, Zone, both, meet};
use crate::number::E164;
use crate::record::{Contact, ContactState};
use crate::time::{Now, WallTime};
use chrono_tz::Tz;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Why a contact is not dialed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The number is on the do-not-call list.
    DoNotCall,
    /// All attempts have been made.
    AttemptsUsed,
    /// Nobody knows where the phone may ring, so no window can be kept.
    NoZone,
    /// The zones where the phone may ring have no hour of the window in common.
    WindowNeverOpens,
    /// The calling window is closed.
    WindowClosed,
    /// The law's calling hours are over, or have not begun.
    LawHours,
    /// The law allows no more attempts on the number for now.
    LawCap,
    /// By law the number rests, after an abandoned call, a machine, a refusal or any attempt.
    LawRest,
    /// The law asks for a longer ring than the campaign gives.
    RingTooShort,
    /// The law allows less abandonment than the campaign does.
    AbandonmentLimit,
    /// The law asks for consent, and the list has none.
    NoConsent,
    /// The law asks for a do-not-call list that is missing or too old.
    ListStale,
    /// The next attempt is due later.
    NotDue,
    /// The number was tried a short while ago, by this or another campaign.
    AttemptGap,
    /// The number is being dialed, by this or another campaign.
    NumberInFlight,
    /// More contacts came than were asked for.
    ClaimedMax,
    /// The store knows a reason that the engine does not.
    Forbidden,
    /// The campaign does not run any more; the contact goes back as it was.
    NotRunning,
    /// It may be dialed only with an agent kept for it, and none is free.
    AgentDemanded,
    /// The agent who was shown it did not want it.
    PassedOver,
}

impl Refusal {
    /// The word in records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::DoNotCall => "do_not_call",
            Refusal::AttemptsUsed => "attempts_used",
            Refusal::NoZone => "no_zone",
            Refusal::WindowNeverOpens => "window_never_opens",
            Refusal::WindowClosed => "window_closed",
            Refusal::LawHours => "law_hours",
            Refusal::LawCap => "law_cap",
            Refusal::LawRest => "law_rest",
            Refusal::RingTooShort => "ring_too_short",
            Refusal::AbandonmentLimit => "abandonment_limit",
            Refusal::NoConsent => "no_consent",
            Refusal::ListStale => "list_stale",
            Refusal::NotDue => "not_due",
            Refusal::AttemptGap => "attempt_gap",
            Refusal::NumberInFlight => "number_in_flight",
            Refusal::ClaimedMax => "claimed_max",
            Refusal::Forbidden => "forbidden",
            Refusal::NotRunning => "not_running",
            Refusal::AgentDemanded => "agent_demanded",
            Refusal::PassedOver => "passed_over",
        }
    }

    /// Whether it is about the hour, the campaign's or the law's.
    pub fn is_hours(self) -> bool {
        matches!(self, Refusal::WindowClosed | Refusal::LawHours)
    }

    /// The state of a contact that is never dialed again for this reason.
    pub fn final_state(self) -> ContactState {
        match self {
            Refusal::AttemptsUsed => ContactState::Done,
            _ => ContactState::Suppressed,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the gate says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Dial.
    Allow {
        /// Only with an agent who is there before the call is made.
        guaranteed_agent: bool,
    },
    /// Not now.
    Skip {
        /// Why.
        reason: Refusal,
        /// Ask again then.
        until: WallTime,
    },
    /// Never.
    Never {
        /// Why.
        reason: Refusal,
    },
}

/// The campaign's rules on single contacts, and the law's.
#[derive(Clone, PartialEq, Debug)]
pub struct Gate {
    campaign: String,
    window: Window,
    law: Law,
    max_attempts: u32,
    attempt_gap: Duration,
    /// What a window in a named zone has last said, and of which moment: it is asked with every input.
    said: Cell<Option<(WallTime, Opening)>>,
}

impl Gate {
    /// By the campaign's options.
    pub fn new(options: &Options) -> Self {
        Gate {
            campaign: options.name.clone(),
            window: options.window.clone(),
            law: Law::new(options),
            max_attempts: options.max_attempts,
            attempt_gap: options.attempt_gap(),
            said: Cell::new(None),
        }
    }

    /// Whether the contact may be dialed now. What is final is asked first, then what takes longest to pass.
    pub fn may_dial(&self, contact: &Contact, now: Now, ledger: &Ledger) -> Decision {
        if ledger.listed(&contact.number, &self.campaign, self.law.purpose()).is_some() {
            return Decision::Never { reason: Refusal::DoNotCall };
        }
        if contact.attempts() >= self.max_attempts {
            return Decision::Never { reason: Refusal::AttemptsUsed };
        }
        let judgement = self.law.judge(contact, self.place(contact), now.wall, ledger);
        let lawful = judgement.decision(now.wall);
        if let Decision::Never { .. } = lawful {
            return lawful;
        }
        match self.own_opening(&judgement.place, now.wall) {
            Err(reason) => return Decision::Never { reason },
            Ok(Opening::Closed { .. }) => match self.opening(&judgement.place, now.wall) {
                Opening::Closed { opens_at: Some(opens_at) } => {
                    return skip(Refusal::WindowClosed, opens_at.max(contact.next_attempt_at));
                }
                _ => return Decision::Never { reason: Refusal::WindowNeverOpens },
            },
            Ok(Opening::Open { .. }) => {}
        }
        if let Decision::Skip { reason: Refusal::LawHours, .. } = lawful {
            return match self.opening(&judgement.place, now.wall) {
                Opening::Closed { opens_at: Some(opens_at) } => {
                    skip(Refusal::LawHours, opens_at.max(contact.next_attempt_at))
                }
                _ => Decision::Never { reason: Refusal::WindowNeverOpens },
            };
        }
        if contact.next_attempt_at > now.wall {
            return skip(Refusal::NotDue, contact.next_attempt_at);
        }
        if ledger.is_in_flight(&contact.number) {
            return skip(Refusal::NumberInFlight, now.wall + self.attempt_gap.max(Duration::from_secs(60)));
        }
        let rest = ledger.rest(&contact.number, self.attempt_gap, now.instant);
        if !rest.is_zero() {
            return skip(Refusal::AttemptGap, now.wall + rest);
        }
        lawful
    }

    /// What the law says of the contact, rule by rule.
    pub fn judge(&self, contact: &Contact, now: WallTime, ledger: &Ledger) -> Judgement<'_> {
        self.law.judge(contact, Place::of(&contact.number, &contact.attributes), now, ledger)
    }

    /// What a dial that is allowed now rests on.
    pub fn basis(&self, contact: &Contact, now: WallTime, ledger: &Ledger) -> Basis {
        Basis {
            window: rule_of(&self.window),
            attempts: Some((contact.attempts(), self.max_attempts)),
            ..self.law.basis(contact, self.place(contact), now, ledger)
        }
    }

    /// Where the callee may be; nobody asks that where neither the window nor a pack depends on it.
    fn place(&self, contact: &Contact) -> Place {
        match self.window.zone {
            Zone::Named(_) if self.law.is_empty() => Place::default(),
            _ => Place::of(&contact.number, &contact.attributes),
        }
    }

    /// Whether the list of somebody forbids the call.
    pub fn is_listed(&self, number: &E164, ledger: &Ledger) -> bool {
        ledger.listed(number, &self.campaign, self.law.purpose()).is_some()
    }

    /// Whether the contact's phone may ring at this moment, by the campaign's hours and the law's.
    pub fn window_is_open(&self, contact: &Contact, at: WallTime) -> bool {
        let place = self.place(contact);
        self.own_opening(&place, at).is_ok() && matches!(self.opening(&place, at), Opening::Open { .. })
    }

    /// As [`Gate::window_is_open`], of a number of which nothing else is known.
    pub fn number_may_ring(&self, number: &E164, at: WallTime) -> bool {
        let place = Place::of(number, &BTreeMap::new());
        self.own_opening(&place, at).is_ok() && matches!(self.opening(&place, at), Opening::Open { .. })
    }

    /// When the window of all contacts opens, if it is one for all and closed.
    pub fn closed_for_all_until(&self, at: WallTime) -> Option<Option<WallTime>> {
        match (self.window.zone, self.window_of(&[], at)) {
            (Zone::Named(_), Opening::Closed { opens_at }) => Some(opens_at),
            _ => None,
        }
    }

    /// The window in these zones, or in its own. What it says once holds until the moment that it names.
    fn window_of(&self, zones: &[Tz], at: WallTime) -> Opening {
        if self.window.zone == Zone::Contact {
            return self.window.open(zones, at);
        }
        if let Some((since, said)) = self.said.get() {
            let (Opening::Open { until } | Opening::Closed { opens_at: Some(until) }) = said else {
                return self.window.open(zones, at);
            };
            if (since..until).contains(&at) {
                return said;
            }
        }
        let said = self.window.open(zones, at);
        self.said.set(Some((at, said)));
        said
    }

    /// The hours of the campaign alone.
    fn own_opening(&self, place: &Place, at: WallTime) -> Result<Opening, Refusal> {
        match self.window.zone {
            Zone::Contact if place.zones.is_empty() => Err(Refusal::NoZone),
            _ => Ok(self.window_of(&place.zones, at)),
        }
    }

    /// The hours of campaign and law together.
    fn opening(&self, place: &Place, at: WallTime) -> Opening {
        meet(at, |moment| {
            let own = self.window_of(&place.zones, moment);
            let lawful = self.law.opening(place, moment);
            Some(lawful.map_or(own, |lawful| both(own, lawful)))
        })
    }
}

fn skip(reason: Refusal, until: WallTime) -> Decision {
    Decision::Skip { reason, until }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::options::tests::options;
    use super::*;
    use crate::disposition::Disposition;
    use crate::record::ContactId;
    use crate::time::Instant;

    /// 2026-11-20T15:00:00Z, a Friday: 10:00 in New York, 07:00 in Los Angeles.
    pub const FRIDAY_MS: i64 = 1_795_186_800_000;

    #[test]
    fn every_refusal_has_its_word_and_its_time() {
        let gate = Gate::new(&options(""));
        let mut ledger = Ledger::new();
        ledger.suppress(&e164("+12025550109")).unwrap();
        ledger.take(&e164("+12025550108"), wall(0));
        let earlier = Now { instant: Instant::from_start(Duration::from_secs(90)), wall: wall(0) };
        ledger.finish(&e164("+12025550107"), earlier, Disposition::Busy);
        let tried = Contact { outcomes: [(Disposition::Busy, 3)].into(), ..contact(1, "+12025550101") };
        let later = Contact { next_attempt_at: wall(FRIDAY_MS + 60_000), ..contact(1, "+12025550101") };
        for (contact, expected) in [
            (contact(1, "+12025550101"), "allow"),
            (contact(1, "+12025550109"), "never do_not_call"),
            (tried, "never attempts_used"),
            (contact(1, "+881612345678"), "never no_zone"),
            // From Guam to Puerto Rico it is between nine and eight at 23:00Z, on Monday again.
            (contact(1, "+18005550199"), "window_closed 288000"),
            (contact(1, "+12135550101"), "window_closed 7200"),
            (later, "not_due 60"),
            (contact(1, "+12025550108"), "number_in_flight 3600"),
            (contact(1, "+12025550107"), "attempt_gap 3590"),
        ] {
            let said = match gate.may_dial(&contact, now(), &ledger) {
                Decision::Allow { .. } => "allow".to_owned(),
                Decision::Never { reason } => format!("never {reason}"),
                Decision::Skip { reason, until } => {
                    format!("{reason} {}", (until.unix_ms() - FRIDAY_MS) / 1_000)
                }
            };
            assert_eq!(said, expected, "{}", contact.number);
        }
    }

    #[test]
    fn a_named_zone_serves_numbers_of_no_zone_and_closes_for_all_at_once() {
        let gate = Gate::new(&options("[window]\nzone = \"America/Los_Angeles\"\n[law]\npacks = []"));
        assert_eq!(gate.closed_for_all_until(wall(FRIDAY_MS)), Some(Some(wall(FRIDAY_MS + 7_200_000))));
        let open = Now { wall: wall(FRIDAY_MS + 7_200_000), ..now() };
        assert_eq!(gate.closed_for_all_until(open.wall), None);
        let decision = gate.may_dial(&contact(1, "+18005550199"), open, &Ledger::new());
        assert_eq!(decision, Decision::Allow { guaranteed_agent: false });
    }

    #[test]
    fn a_window_that_has_been_asked_before_says_what_a_new_one_says() {
        let options = options("[window]\nzone = \"America/Los_Angeles\"\n[law]\npacks = []");
        let asked = Gate::new(&options);
        let mut rng = crate::rng::Rng::from_seed(3);
        for _ in 0..2_000 {
            // Forwards and backwards: civil time may be set.
            let at = wall(FRIDAY_MS + rng.below(5 * 86_400_000) as i64);
            assert_eq!(
                asked.closed_for_all_until(at),
                Gate::new(&options).closed_for_all_until(at),
                "{at:?}"
            );
        }
    }

    #[test]
    fn zones_without_a_common_hour_are_never_dialed() {
        let gate = Gate::new(&options("[window]\nend = \"10:00\""));
        let decision = gate.may_dial(&contact(1, "+18005550199"), now(), &Ledger::new());
        assert_eq!(decision, Decision::Never { reason: Refusal::WindowNeverOpens });
    }

    pub fn contact(id: i64, number: &str) -> Contact {
        Contact {
            id: ContactId(id),
            number: e164(number),
            name: String::new(),
            comment: String::new(),
            attributes: Default::default(),
            outcomes: Default::default(),
            next_attempt_at: WallTime::from_unix_ms(0),
            history: Vec::new(),
        }
    }

    pub fn e164(number: &str) -> E164 {
        E164::from_e164(number).unwrap()
    }

    pub fn wall(ms: i64) -> WallTime {
        WallTime::from_unix_ms(ms)
    }

    fn now() -> Now {
        Now { instant: Instant::from_start(Duration::from_secs(100)), wall: wall(FRIDAY_MS) }
    }
}
