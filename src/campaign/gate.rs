//! The one place that decides whether a contact may be dialed now, with a word for every refusal.

use super::ledger::Ledger;
use super::options::Options;
use super::window::{Opening, Window, Zone};
use crate::number;
use crate::record::{Contact, ContactState};
use crate::time::{Now, WallTime};
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
    Allow,
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

/// The campaign's rules on single contacts.
#[derive(Clone, PartialEq, Debug)]
pub struct Gate {
    window: Window,
    max_attempts: u32,
    attempt_gap: Duration,
}

impl Gate {
    /// By the campaign's options.
    pub fn new(options: &Options) -> Self {
        Gate {
            window: options.window.clone(),
            max_attempts: options.max_attempts,
            attempt_gap: options.attempt_gap(),
        }
    }

    /// Whether the contact may be dialed now. What is final is asked first, then what takes longest to pass.
    pub fn may_dial(&self, contact: &Contact, now: Now, ledger: &Ledger) -> Decision {
        if ledger.is_suppressed(&contact.number) {
            return Decision::Never { reason: Refusal::DoNotCall };
        }
        if contact.attempts() >= self.max_attempts {
            return Decision::Never { reason: Refusal::AttemptsUsed };
        }
        match self.opening(contact, now.wall) {
            Err(reason) => return Decision::Never { reason },
            Ok(Opening::Closed { opens_at: None }) => {
                return Decision::Never { reason: Refusal::WindowNeverOpens };
            }
            Ok(Opening::Closed { opens_at: Some(opens_at) }) => {
                return skip(Refusal::WindowClosed, opens_at.max(contact.next_attempt_at));
            }
            Ok(Opening::Open { .. }) => {}
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
        Decision::Allow
    }

    /// Whether the contact's phone may ring at this moment.
    pub fn window_is_open(&self, contact: &Contact, at: WallTime) -> bool {
        matches!(self.opening(contact, at), Ok(Opening::Open { .. }))
    }

    /// When the window of all contacts opens, if it is one for all and closed.
    pub fn closed_for_all_until(&self, at: WallTime) -> Option<Option<WallTime>> {
        match (self.window.zone, self.window.open(&[], at)) {
            (Zone::Named(_), Opening::Closed { opens_at }) => Some(opens_at),
            _ => None,
        }
    }

    fn opening(&self, contact: &Contact, at: WallTime) -> Result<Opening, Refusal> {
        match self.window.zone {
            Zone::Named(_) => Ok(self.window.open(&[], at)),
            Zone::Contact => match number::zones(&contact.number) {
                [] => Err(Refusal::NoZone),
                zones => Ok(self.window.open(zones, at)),
            },
        }
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
    use crate::number::E164;
    use crate::record::ContactId;
    use crate::time::Instant;

    /// 2026-11-20T15:00:00Z, a Friday: 10:00 in New York, 07:00 in Los Angeles.
    pub const FRIDAY_MS: i64 = 1_795_186_800_000;

    #[test]
    fn every_refusal_has_its_word_and_its_time() {
        let gate = Gate::new(&options(""));
        let mut ledger = Ledger::new();
        ledger.suppress(&e164("+12025550109")).unwrap();
        ledger.take(&e164("+12025550108"));
        ledger.finish(&e164("+12025550107"), Instant::from_start(Duration::from_secs(90)));
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
                Decision::Allow => "allow".to_owned(),
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
        let gate = Gate::new(&options("[window]\nzone = \"America/Los_Angeles\""));
        assert_eq!(gate.closed_for_all_until(wall(FRIDAY_MS)), Some(Some(wall(FRIDAY_MS + 7_200_000))));
        let open = Now { wall: wall(FRIDAY_MS + 7_200_000), ..now() };
        assert_eq!(gate.closed_for_all_until(open.wall), None);
        let decision = gate.may_dial(&contact(1, "+18005550199"), open, &Ledger::new());
        assert_eq!(decision, Decision::Allow);
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
