//! Why a campaign does not dial at this moment: its own reasons, in the order in which they bind.

use super::super::explain::hold::Hold;
use super::super::explain::moment::Moment;
use super::super::explain::{Reason, rule_of};
use super::super::gate::Refusal;
use super::super::pacing::budget::Sums;
use super::super::window::Zone;
use super::Campaign;
use crate::record::CampaignState;
use crate::time::{Now, WallTime};
use chrono_tz::Tz;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

impl Campaign {
    /// Why it does not dial at this moment, the weightiest reason first; empty when it does.
    pub fn explain(&self, now: Now) -> Vec<Reason> {
        match self.state {
            CampaignState::Draft => return vec![Reason::NotStarted],
            CampaignState::Paused => return vec![Reason::Paused],
            CampaignState::Stopped => return vec![Reason::Stopped],
            CampaignState::Completed => return vec![Reason::Completed],
            CampaignState::Running => {}
        }
        if let Some(opens_at) = self.gate.closed_for_all_until(now.wall) {
            // The store is not even asked.
            return vec![Reason::WindowClosed { opens_at }];
        }
        let mut reasons = Vec::new();
        if let Some(opens_at) = self.window_opens_at.filter(|at| *at > now.wall).map(Some) {
            reasons.push(Reason::WindowClosed { opens_at });
        }
        if self.supply.claimed() == 0 {
            let next_at = self.supply.next_due_at().filter(|at| *at > now.wall);
            let nothing_due = self.supply.pending() == Some(0) || next_at.is_some();
            reasons.push(if nothing_due { Reason::NothingDue { next_at } } else { Reason::AwaitingStore });
        }
        if self.lines_used() >= self.options.lines_max as usize {
            reasons.push(Reason::LinesBusy { lines: self.options.lines_max });
        }
        if self.engine_lines_free == 0 || now.instant < self.no_room_until {
            reasons.push(Reason::EngineBusy);
        }
        if self.is_paced() && self.supply.claimed() > 0 && self.pacing.next_at() > now.instant {
            reasons.push(Reason::Pace { next_at: self.pacing.next_at() });
        }
        let mut pacer = self.pacer.clone();
        if let Some(held) = pacer.held(now) {
            if pacer.is_guarded() {
                let Sums { people, abandoned, .. } = pacer.budget().sums(now.wall);
                reasons.push(Reason::Guarded { people, abandoned });
            }
            reasons.push(Reason::Agents(held));
        }
        reasons
    }

    /// The same with all numbers and the end of each.
    pub fn holds(&self, now: Now) -> Vec<Hold> {
        self.explain(now).into_iter().filter_map(|reason| self.hold(now, reason)).collect()
    }

    fn hold(&self, now: Now, reason: Reason) -> Option<Hold> {
        let hold = Hold::new(reason.as_str(), reason.to_string());
        Some(match reason {
            Reason::NotStarted
            | Reason::Paused
            | Reason::Stopped
            | Reason::Completed
            | Reason::AwaitingStore => hold,
            Reason::WindowClosed { opens_at } => self.window_hold(now, opens_at),
            Reason::NothingDue { next_at } => self.nothing_due_hold(now, next_at),
            Reason::LinesBusy { lines } => {
                hold.with("lines_max", lines).with_count("in_flight", self.in_flight.len() as u64)
            }
            // Which of the engine's caps it is, the engine says itself.
            Reason::EngineBusy if now.instant >= self.no_room_until => return None,
            Reason::EngineBusy => {
                let text =
                    "the last contact found no room on a trunk, no port, or no database, and is tried again";
                Hold::new("not_dialed", text).until(now, now.wall_at(self.no_room_until), None)
            }
            Reason::Pace { next_at } => {
                let pace = self.options.calls_per_minute;
                let text =
                    format!("the pace of {pace} calls a minute (calls_per_minute) holds the next call back");
                Hold::new("pace", text).with("calls_per_minute", pace).until(now, now.wall_at(next_at), None)
            }
            Reason::Guarded { .. } => self.guard_hold(now),
            Reason::Agents(held) => {
                held.numbers().into_iter().fold(hold, |hold, (name, n)| hold.with_count(name, n as u64))
            }
        })
    }

    fn window_hold(&self, now: Now, opens_at: Option<WallTime>) -> Hold {
        let rule = rule_of(&self.options.window);
        let named = match self.options.window.zone {
            Zone::Named(zone) => Some(zone),
            Zone::Contact => None,
        };
        let met = self.met.group(now.wall, Refusal::WindowClosed).filter(|_| named.is_none());
        let whose = match (named, met) {
            (Some(zone), _) => {
                format!("the calling window is closed for all: it is {}", self.clock(now, zone))
            }
            // One alone may stand for others: where all hours are closed the store gives a single contact.
            (None, Some(group)) if group.contacts > 1 => {
                format!("the calling window is closed where the {} contacts due are", group.contacts)
            }
            (None, _) => "the calling window is closed where the contacts due are".to_owned(),
        };
        let text = format!("{whose}; it is open {rule}");
        let hold = Hold::new("window_closed", text);
        let counted = met.into_iter().filter(|group| group.contacts > 1);
        let hold = counted.fold(hold, |hold, group| hold.with_count("contacts", group.contacts));
        match opens_at {
            Some(at) => hold.until(now, at, named.or(met.and_then(|group| group.zone))),
            None => Hold { text: format!("{}, which never comes: see [campaign.window]", hold.text), ..hold },
        }
    }

    fn clock(&self, now: Now, zone: Tz) -> String {
        format!("{} in {zone}", Moment::in_zone(now.wall, Some(zone)).local())
    }

    /// None is due: how many wait, and for what, as far as the engine has seen it; the store knows the rest.
    fn nothing_due_hold(&self, now: Now, next_at: Option<WallTime>) -> Hold {
        let in_flight = self.in_flight.len() as u64;
        let pending = self.supply.pending().unwrap_or(0);
        let calls = match in_flight {
            0 => String::new(),
            1 => ", 1 call is still up".to_owned(),
            _ => format!(", {in_flight} calls are still up"),
        };
        let Some(at) = next_at else {
            let text = format!("the list is exhausted: no contact waits any more{calls}");
            return Hold::new("list_exhausted", text).with_count("in_flight", in_flight);
        };
        let waiting = match pending {
            1 => "the only contact that is left waits".to_owned(),
            _ => format!("all {pending} contacts that are left wait"),
        };
        let hold = Hold::new("nothing_due", format!("{waiting} for a later attempt{calls}; none is due"));
        hold.with_count("pending", pending).with_count("in_flight", in_flight).until(now, at, self.zone())
    }

    /// The one clock of the campaign, where it has one.
    fn zone(&self) -> Option<Tz> {
        match self.options.window.zone {
            Zone::Named(zone) => Some(zone),
            Zone::Contact => None,
        }
    }

    fn guard_hold(&self, now: Now) -> Hold {
        let (sums, dialing) = (self.pacer.budget().sums(now.wall), self.pacer.dialing());
        let days = dialing.abandonment_window_days;
        let (share, limit) = (100.0 * sums.share(), 100.0 * dialing.abandonment_limit);
        let mistaken = match sums.mistaken.round() as u64 {
            0 => String::new(),
            n => format!(" and {n} more taken for machines"),
        };
        let text = format!(
            "the abandonment guard holds dialing at one line for each waiting agent: {} of {} people{mistaken} were \
             abandoned in {days} days ({share:.1} %), and one more would exceed the limit of {limit:.1} % (abandonment_limit)",
            sums.abandoned, sums.people
        );
        let hold = Hold::new("abandonment_guard", text)
            .with_count("abandoned", sums.abandoned)
            .with_count("people", sums.people)
            .with("share_percent", (share * 100.0).round() / 100.0)
            .with("limit_percent", limit)
            .with("window_days", days);
        match self.guard_ends_at(now.wall) {
            Some(at) => hold.until(now, at, None),
            None => hold,
        }
    }

    /// The first midnight (UTC, as the ledger counts) at which enough abandoned people have left the window.
    fn guard_ends_at(&self, now: WallTime) -> Option<WallTime> {
        let today = now.unix_ms().div_euclid(DAY_MS);
        let days = i64::from(self.pacer.dialing().abandonment_window_days);
        let midnight = |day: i64| WallTime::from_unix_ms(day * DAY_MS);
        (today + 1..=today + days).map(midnight).find(|at| !self.pacer.budget().would_break_now(*at, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::tests::{FRIDAY_MS, contact, wall};
    use super::super::super::ledger::Ledger;
    use super::super::super::options::tests::options;
    use super::super::super::pacing::{AgentId, Presence};
    use super::*;
    use crate::disposition::Disposition;
    use crate::record::Contact;
    use crate::time::Instant;
    use std::time::Duration;

    fn at(seconds: u64) -> Now {
        let since_start = Duration::from_secs(seconds);
        Now { instant: Instant::from_start(since_start), wall: wall(FRIDAY_MS) + since_start }
    }

    /// A campaign that runs, with these contacts claimed.
    fn running(more: &str, contacts: Vec<Contact>) -> (Campaign, Ledger) {
        let mut campaign = Campaign::new(options(more), CampaignState::Running, at(0));
        campaign.handle_contacts(at(0), contacts, 0, None);
        (campaign, Ledger::new())
    }

    fn some(count: i64) -> Vec<Contact> {
        (0..count).map(|n| contact(n, &format!("+120255501{n:02}"))).collect()
    }

    /// Reasons with their words, the first of them foremost.
    fn texts(campaign: &Campaign, now: Now) -> Vec<String> {
        campaign.holds(now).into_iter().map(|hold| hold.text).collect()
    }

    #[test]
    fn a_window_that_is_closed_for_all_is_told_on_its_own_clock() {
        let (campaign, _) = running("[window]\nzone = \"America/Los_Angeles\"", some(2));
        assert_eq!(
            texts(&campaign, at(0)),
            [
                "the calling window is closed for all: it is Fri 2026-11-20 07:00 PST in America/Los_Angeles; it is open \
              mon-fri 09:00-20:00 in America/Los_Angeles (campaign.window), until Fri 2026-11-20 09:00 PST \
              (America/Los_Angeles), 17:00 UTC (in 2 h)"
            ]
        );
    }

    #[test]
    fn windows_that_are_closed_where_the_contacts_are_are_counted() {
        let contacts = vec![contact(1, "+12135550101"), contact(2, "+12135550102")];
        let (mut campaign, mut ledger) = running("", contacts);
        assert_eq!(campaign.next_dial(at(0), 5, &mut ledger), None);
        let hold = campaign.holds(at(0)).remove(0);
        assert_eq!(
            hold.text,
            "the calling window is closed where the 2 contacts due are; it is open mon-fri 09:00-20:00 in the callee's own \
             zone (campaign.window), until Fri 2026-11-20 09:00 PST (America/Los_Angeles), 17:00 UTC (in 2 h)"
        );
        assert_eq!((hold.reason.as_str(), hold.numbers.0["contacts"]), ("window_closed", 2.0));
        assert_eq!(hold.until_ms, Some(FRIDAY_MS + 7_200_000));
    }

    #[test]
    fn contacts_in_retry_delay_are_counted_and_the_next_is_told() {
        let (mut campaign, mut ledger) = running("calls_per_minute = 600.0", some(2));
        for second in [0, 1] {
            let dialed = campaign.next_dial(at(second), 5, &mut ledger).unwrap();
            campaign.handle_outcome(at(10), &dialed, Disposition::NoAnswer, &mut ledger);
        }
        assert_eq!(
            texts(&campaign, at(10)),
            [
                "all 2 contacts that are left wait for a later attempt; none is due, until Fri 2026-11-20 17:00:10 UTC (in 2 h)"
            ]
        );
    }

    #[test]
    fn lines_and_pace_are_told_with_their_settings() {
        let (mut campaign, mut ledger) = running("lines_max = 1\ncalls_per_minute = 0.5", some(3));
        campaign.next_dial(at(0), 5, &mut ledger).unwrap();
        assert_eq!(
            texts(&campaign, at(1)),
            [
                "all 1 lines of the campaign are busy (lines_max)",
                "the pace of 0.5 calls a minute (calls_per_minute) holds the next call back, until Fri 2026-11-20 15:02 UTC \
                 (in 119 s)"
            ]
        );
        assert_eq!(campaign.holds(at(1))[0].numbers.0["lines_max"], 1.0);
    }

    #[test]
    fn agents_are_told_by_what_they_do() {
        let progressive = "[dialing]\nmode = \"progressive\"";
        let (mut campaign, mut ledger) = running(progressive, some(5));
        assert_eq!(texts(&campaign, at(0)), ["no agent is signed in"]);
        campaign.handle_agent(at(0), AgentId(1), Presence::Talking);
        campaign.handle_agent(at(0), AgentId(2), Presence::WrapUp);
        let hold = campaign.holds(at(1)).remove(0);
        assert_eq!(hold.text, "all 2 agents are on calls or write them up");
        assert_eq!((hold.reason.as_str(), hold.numbers.0["staffed"]), ("agents_busy", 2.0));
        campaign.handle_agent(at(2), AgentId(2), Presence::Ready);
        assert!(campaign.next_dial(at(2), 5, &mut ledger).is_some());
        assert_eq!(texts(&campaign, at(3)), ["1 lines in flight for 1 waiting agents are as many as may be"]);
    }

    #[test]
    fn people_who_wait_are_counted() {
        let (mut campaign, mut ledger) =
            running("[dialing]\nmode = \"progressive\"\nwaiting_max = 1", some(5));
        campaign.handle_agent(at(0), AgentId(1), Presence::Ready);
        let dialed = campaign.next_dial(at(0), 5, &mut ledger).unwrap();
        campaign.handle_answered(at(5), dialed.id);
        campaign.handle_waiting(at(6), dialed.id);
        assert_eq!(texts(&campaign, at(6)), ["1 people wait for an agent (waiting_max)"]);
    }

    #[test]
    fn a_tripped_guard_is_told_with_the_ledger_the_limit_and_the_day_on_which_it_ends() {
        let rules = "[dialing]\nmode = \"power\"\nratio = 3.0\nabandonment_window_days = 7";
        let (mut campaign, mut ledger) = running(rules, some(5));
        let day_before = wall(FRIDAY_MS - DAY_MS);
        let budget = campaign.pacer_mut().budget_mut();
        (0..10).for_each(|n| budget.handle_person(day_before, n < 4));
        (0..90).for_each(|_| budget.handle_person(at(0).wall, false));
        campaign.handle_agent(at(0), AgentId(1), Presence::Ready);
        assert!(campaign.next_dial(at(0), 5, &mut ledger).is_some(), "one line for the one who waits");
        let holds = campaign.holds(at(1));
        assert_eq!(
            holds[0].text,
            "the abandonment guard holds dialing at one line for each waiting agent: 4 of 100 people were abandoned in 7 \
             days (4.0 %), and one more would exceed the limit of 3.0 % (abandonment_limit), until Thu 2026-11-26 00:00 UTC \
             (in 5 d 8 h)"
        );
        let numbers = &holds[0].numbers.0;
        assert_eq!((numbers["abandoned"], numbers["people"], numbers["limit_percent"]), (4.0, 100.0, 3.0));
        assert_eq!(holds[1].reason, "lines_suffice");
    }
}
