//! What must hold when an hour is drained, and what it is counted as.

use super::{World, staff};
use crate::record::{CampaignState, ContactState};
use crate::sim::checks::Rule;

impl World {
    pub(super) fn judge_the_end(&mut self) {
        self.judge_what_is_left();
        self.judge_contacts();
        self.judge_ledgers();
        self.checks.handle_end(self.now(), self.records.calls());
        let committed: Vec<_> = self.records.invites().iter().map(|invite| invite.attempt).collect();
        for attempt in committed {
            if !self.records.calls().contains_key(&attempt) {
                let what = format!("attempt {attempt} was committed and left no record");
                self.checks.handle_violation(Rule::OneRecordAnAttempt, None, what);
            }
        }
        for (place, far) in self.far.iter().enumerate() {
            if far.carrier.ledger().malformed > 0 {
                let what =
                    format!("carrier {place} could not read {} messages", far.carrier.ledger().malformed);
                self.checks.handle_violation(Rule::NothingIsMalformed, None, what);
            }
        }
    }

    fn judge_what_is_left(&mut self) {
        let status = self.engine.status(self.now());
        let channels: u32 = status.trunks.iter().map(|trunk| trunk.channels).sum();
        // Whom nobody can know to be up, nobody hangs up on.
        let alone = self.coverage.count("calls that came up as a crash came") > 0;
        let carriers = |count: fn(&super::Carrier) -> usize| {
            self.far.iter().map(|far| if alone { 0 } else { count(&far.carrier) }).sum()
        };
        let left: [(&str, usize); 14] = [
            ("lines", status.attempts),
            ("sessions", status.sip.sessions),
            ("dialogs", status.sip.dialogs),
            ("client transactions", status.sip.client_transactions),
            ("server transactions", status.sip.server_transactions),
            ("reserved streams", status.media.streams),
            ("streams of the worker", self.worker.len()),
            ("ports", self.ports.taken()),
            ("channels", channels as usize),
            ("timers", usize::from(self.engine.poll_timeout().is_some())),
            ("requests to the store", self.records.waiting()),
            ("records to write", usize::from(!self.engine.is_quiet())),
            ("lines of the carriers", carriers(super::Carrier::lines)),
            ("calls of the carriers", carriers(super::Carrier::calls)),
        ];
        for (what, count) in left.into_iter().filter(|(_, count)| *count > 0) {
            let what = format!("{count} {what} are left after draining: {:?}", self.engine.poll_timeout());
            self.checks.handle_violation(Rule::NothingIsLeft, None, what);
        }
    }

    /// What the engine has counted is what the records say, and what another engine would begin with.
    fn judge_ledgers(&mut self) {
        for campaign in &self.plan.campaigns {
            let name = &campaign.options.name;
            let Some(sums) = self.engine.ledger_of(name, self.now()) else { continue };
            let [people, abandoned] = staff::ledger_of(name, &self.records);
            let within = |count: u64, (least, most): (u64, u64)| (least..=most).contains(&count);
            if !within(sums.people, people) || !within(sums.abandoned, abandoned) {
                let counted = format!("{} of {} people", sums.abandoned, sums.people);
                let what = format!(
                    "{name} counts {counted} as abandoned, its records say {abandoned:?} of {people:?}"
                );
                self.checks.handle_violation(Rule::LedgersAreTrue, None, what);
            }
        }
    }

    fn judge_contacts(&mut self) {
        let mut wrong = Vec::new();
        for (id, row) in self.records.contacts() {
            let attempts = self.checks.attempts_on(*id);
            let kept = self.records.calls().values().filter(|call| call.contact == *id).count();
            let listed = self.records.is_suppressed(&row.number);
            let completed = self.records.campaign(&row.campaign) == Some(CampaignState::Completed);
            let fault = match row.state {
                ContactState::Claimed | ContactState::InFlight => Some("is still taken"),
                ContactState::Pending if listed => Some("is pending though it is on the do-not-call list"),
                ContactState::Pending if completed => Some("is pending though the campaign is completed"),
                ContactState::Done if kept == 0 => Some("is done without a record"),
                ContactState::Suppressed if !listed => Some("is suppressed and not listed"),
                _ if kept < attempts => Some("has more attempts than records"),
                _ => None,
            };
            wrong.extend(fault.map(|fault| format!("contact {} ({}) {fault}", id.0, row.number)));
        }
        for what in wrong {
            self.checks.handle_violation(Rule::OneStateAContact, None, what);
        }
    }

    pub(super) fn count(&mut self) {
        let outages = self.plan.trunks.iter().map(|t| t.signalling.outages.len() + t.media.outages.len());
        self.coverage.add("outages of a wire", outages.sum::<usize>() as u64);
        self.coverage.add("stalls of the store", self.plan.disk.stalls.len() as u64);
        self.coverage.add("ports refused", self.ports.refused);
        for far in &self.far {
            for link in [&far.sip_there, &far.sip_back] {
                let passed = link.passed();
                self.coverage.add("sip packets", passed.sent);
                self.coverage.add("sip packets lost", passed.lost);
                self.coverage.add("sip packets doubled", passed.duplicated);
                self.coverage.add("sip packets overtaken", passed.reordered);
            }
            for link in [&far.media_there, &far.media_back] {
                let passed = link.passed();
                self.coverage.add("media packets", passed.sent);
                self.coverage.add("media packets lost", passed.lost);
                self.coverage.add("media packets doubled", passed.duplicated);
                self.coverage.add("media packets overtaken", passed.reordered);
            }
            let ledger = far.carrier.ledger();
            self.coverage.add("challenges", ledger.challenged);
            self.coverage.add("registrations", ledger.registrations);
            self.coverage.add("pings", ledger.pings);
            for entry in ledger.entries() {
                self.coverage.add("calls at carriers", 1);
                self.coverage.add("answers", u64::from(entry.answered_at.is_some()));
                self.coverage.add("messages heard", u64::from(entry.message.is_some()));
                self.coverage.add("re-INVITEs answered", entry.reinvites.len() as u64);
                if !entry.fault.is_empty() {
                    self.coverage.add(format!("fault: {}", entry.fault), 1);
                }
            }
            let heard =
                |bridge: &crate::sim::ledger::Bridge| bridge.callee_heard_agent && bridge.agent_heard_callee;
            self.coverage
                .add("bridges heard both ways", ledger.bridges().iter().filter(|b| heard(b)).count() as u64);
        }
        for call in self.records.calls().values() {
            self.coverage.add(format!("outcome: {}", call.disposition), 1);
        }
        for row in self.records.contacts().values() {
            self.coverage.add(format!("contact: {}", row.state.as_str()), 1);
        }
        self.coverage.add("failovers", self.checks.failovers());
        self.coverage.add("answers repeated", self.checks.repeated_answers());
        self.coverage.add("frames recorded", self.ports.recorded);
    }
}
