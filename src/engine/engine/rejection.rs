//! Answers to an INVITE that are about more than this one call: redirections, and caller ids that nobody wants.

use super::*;
use crate::engine::redirect;
use crate::engine::status::CallerIdStatus;
use crate::sip::endpoint::SessionEvent;

/// Caller ids that are counted: there are as many as campaigns.
const CALLER_IDS_MAX: usize = 1_024;

impl Engine {
    /// A 3xx: where the trunk's table and every other rule allow it, the attempt goes on with another number. False when
    /// the event is still the attempt's to judge.
    pub(super) fn follow_redirect(&mut self, now: Now, key: Key, event: &SessionEvent) -> bool {
        let SessionEvent::Rejected { status: status @ 300..=399, contacts, .. } = event else { return false };
        let Some(line) = self.lines.get(key) else { return false };
        if !line.attempt.is_ringing() {
            return false;
        }
        let options = &self.trunks[line.trunk].options;
        let mut rung = line.redirects.clone();
        rung.push(line.contact.number.clone());
        let left = options.redirects_max.saturating_sub(line.redirects.len() as u32);
        let ledger = &self.ledger;
        let wanted = redirect::follow(contacts, left, &options.redirect_prefixes, &rung, |number| {
            ledger.is_suppressed(number)
        });
        let trunk = options.name.clone();
        match wanted {
            Ok(number) => {
                let note = format!("sends a call on to {} ({status})", number.masked());
                self.journal(now, Event::Trunk { name: trunk, note });
                self.redirect(now, key, number);
                true
            }
            Err(refused) => {
                let note = format!("a redirection is not followed ({status}): {refused}");
                self.journal(now, Event::Trunk { name: trunk, note });
                false
            }
        }
    }

    /// Dials another number through the same trunk; the store commits this INVITE too before it leaves.
    fn redirect(&mut self, now: Now, key: Key, number: E164) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let place = line.trunk;
        line.redirects.push(number);
        line.reserved[Side::Callee as usize] = Some(place);
        // It is another call to the trunk: every hop of it may carry it.
        line.tried_hops.clear();
        line.may_try_hop = false;
        // The redirected session has still to say that it has ended, which is not the attempt's end.
        line.sessions[Side::Callee as usize] = None;
        self.trunks[place].seize(now.instant);
        self.trunks[place].rate.record(now.instant);
        self.rate.record(now.instant);
        let placement = self.placement_on(place);
        self.with_attempt(now, key, |attempt, out| attempt.handle_placement(now, Some(placement), out));
    }

    /// 607: the callee does not want calls of this caller id (RFC 8197). 608: a machine on the way thinks so (RFC 8688).
    /// Either says more of the caller id than of the callee, so somebody should hear of it.
    pub(super) fn watch_caller_id(&mut self, now: Now, key: Key, side: Side, event: &SessionEvent) {
        let SessionEvent::Rejected { status: status @ (607 | 608), .. } = event else { return };
        let Some(line) = self.lines.get(key).filter(|_| side == Side::Callee) else { return };
        let caller_id = line.attempt.caller_id().to_owned();
        let name = line.attempt.campaign().to_owned();
        if !self.caller_ids.contains_key(&caller_id) && self.caller_ids.len() >= CALLER_IDS_MAX {
            return;
        }
        let counted = self.caller_ids.entry(caller_id.clone()).or_insert_with(|| CallerIdStatus {
            caller_id: caller_id.clone(),
            unwanted: 0,
            blocked: 0,
        });
        match status {
            607 => counted.unwanted += 1,
            _ => counted.blocked += 1,
        }
        let note = match status {
            607 => "was called unwanted by a callee (607)",
            _ => "was rejected by call analytics (608): have it registered and its reputation checked",
        };
        self.journal(now, Event::CallerId { campaign: name, caller_id, note: note.to_owned() });
    }
}
