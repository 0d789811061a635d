//! Where the law meets the engine: what a dial rested on is kept, an opt-out reaches as far as its campaign says, and one
//! switch stops all dialing.

use super::*;
use crate::campaign::law::Basis;
use crate::campaign::law::options::Scope;
use crate::campaign::suppression::{List, Reach};

impl Engine {
    /// Whether anything is dialed at all (`[engine] dialing`); before the first call.
    pub fn set_dialing(&mut self, dialing: bool) {
        self.dialing = dialing;
    }

    /// Published do-not-call lists, read anew: effective at once, also for what rings.
    pub fn handle_lists(&mut self, now: Now, lists: Vec<List>) {
        if lists.is_empty() {
            return;
        }
        lists.into_iter().for_each(|list| self.ledger.put_list(list));
        for running in &mut self.campaigns {
            running.campaign.handle_suppressed(now, &self.ledger);
        }
        self.cancel_suppressed(now);
        self.settle(now);
    }

    /// The operator's switch over all campaigns. Off: nothing is dialed, and what rings is ended; who has answered is
    /// served.
    pub(super) fn switch_dialing(&mut self, now: Now, dialing: bool) {
        self.dialing = dialing;
        if !dialing {
            self.each_attempt(now, |attempt, out| attempt.handle_cancel(now, out));
            self.cancel_transfers(now, |_, _, _| true);
        }
    }

    /// Why an attempt is made; asked of the store before its INVITE is.
    pub(super) fn keep_decision(&mut self, now: Now, key: Key) {
        let Some(line) = self.lines.get(key) else { return };
        let (contact, attempt) = (&line.contact, line.attempt.id());
        self.ledger.handle_dialed(&contact.number, now.wall);
        let gate = self.campaigns[line.campaign].campaign.gate();
        let basis = Basis {
            caller_id: line.attempt.caller_id().to_owned(),
            caller_id_why: line.caller_id_why.clone(),
            ..gate.basis(contact, now.wall, &self.ledger)
        };
        let caps = basis.caps.iter().map(|cap| (cap.most, cap.since)).collect();
        let decision = basis.to_json();
        self.outputs.push_back(Output::Store(Request::KeepDecision { attempt, decision, caps }));
    }

    /// The callee has pressed the key: nobody is called again whom the campaign's `opt_out_scope` means.
    pub(super) fn opt_out(&mut self, now: Now, key: Key) {
        let Some(line) = self.lines.get(key) else { return };
        let number = line.attempt.number().clone();
        let options = self.campaigns[line.campaign].campaign.options();
        let reach = match (options.law.opt_out_scope, options.law.purpose) {
            (Scope::ThisCampaign, _) => Reach::Campaign(options.name.clone()),
            (Scope::ThisPurpose, Some(purpose)) => Reach::Purpose(purpose),
            (Scope::ThisPurpose, None) | (Scope::All, _) => Reach::All,
        };
        if reach == Reach::All {
            self.suppress(now, &[number], "key_press");
            return;
        }
        let word = reach.to_word();
        if self.ledger.suppress_for(&number, reach) == Ok(true) {
            for running in &mut self.campaigns {
                running.campaign.handle_suppressed(now, &self.ledger);
            }
            self.cancel_suppressed(now);
            let request =
                Request::SuppressFor { number, reach: word, source: "key_press".to_owned(), at: now.wall };
            self.outputs.push_back(Output::Store(request));
        }
    }
}
