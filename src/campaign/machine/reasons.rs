//! Why a campaign does not dial at this moment: its own reasons, in the order in which they bind.

use super::super::explain::hold::Hold;
use super::super::explain::moment::Moment;
use super::super::explain::{Reason, rule_of};
use super::super::gate::Refusal;
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
        if self.in_flight.len() >= self.options.lines_max as usize {
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
                reasons.push(Reason::Guard);
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
            Reason::NotStarted | Reason::Paused | Reason::Stopped | Reason::Completed | Reason::AwaitingStore => hold,
            Reason::WindowClosed { opens_at } => self.window_hold(now, opens_at),
            Reason::NothingDue { next_at } => self.nothing_due_hold(now, next_at),
            Reason::LinesBusy { lines } => {
                hold.with("lines_max", lines).with_count("in_flight", self.in_flight.len() as u64)
            }
            // Which of the engine's caps it is, the engine says itself.
            Reason::EngineBusy if now.instant >= self.no_room_until => return None,
            Reason::EngineBusy => {
                let text = "the last contact found no room on a trunk, no port, or no database, and is tried again";
                Hold::new("not_dialed", text).until(now, now.wall_at(self.no_room_until), None)
            }
            Reason::Pace { next_at } => {
                let pace = self.options.calls_per_minute;
                let text = format!("the pace of {pace} calls a minute (calls_per_minute) holds the next call back");
                Hold::new("pace", text).with("calls_per_minute", pace).until(now, now.wall_at(next_at), None)
            }
            Reason::Guard => self.guard_hold(now),
            Reason::Agents(held) => held.numbers().into_iter().fold(hold, |hold, (name, n)| hold.with_count(name, n as u64)),
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
            (Some(zone), _) => format!("the calling window is closed for all: it is {}", self.clock(now, zone)),
            (None, Some(group)) if group.contacts == 1 => {
                "the calling window is closed where the only contact due is".to_owned()
            }
            (None, Some(group)) => {
                format!("the calling window is closed where the {} contacts due are", group.contacts)
            }
            (None, None) => "the calling window is closed where the contacts due are".to_owned(),
        };
        let text = format!("{whose}; it is open {rule}");
        let hold = Hold::new("window_closed", text);
        let hold = met.into_iter().fold(hold, |hold, group| hold.with_count("contacts", group.contacts));
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
            "the guard of the abandonment limit holds: {} of {} people{mistaken} were abandoned in {days} days ({share:.1} %), \
             and the next one would break the limit of {limit:.1} % (abandonment_limit); no more than one line for each \
             waiting agent",
            sums.abandoned, sums.people
        );
        let hold = Hold::new("guard", text)
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
        (today + 1..=today + days).map(midnight).find(|at| !self.pacer.budget().would_break(*at, 0))
    }
}
