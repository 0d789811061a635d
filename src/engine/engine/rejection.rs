//! Answers to an INVITE that are about more than this one call: redirections, and caller ids that nobody wants.

use super::*;
use crate::campaign::gate::{Decision, Refusal};
use crate::engine::redirect::{self, Allowed, Refused};
use crate::engine::status::CallerIdStatus;
use crate::sip::endpoint::SessionEvent;
use crate::time::WallTime;

/// Caller ids that are counted: there are as many as campaigns.
const CALLER_IDS_MAX: usize = 1_024;

impl Engine {
    /// A 3xx: where the trunk's table and every other rule allow it, the attempt goes on with another number. False when
    /// the event is still the attempt's to judge.
    pub(super) fn follow_redirect(&mut self, now: Now, key: Key, event: &SessionEvent) -> bool {
        // 305 names a proxy, and the alternatives of a 380 are described in its body (RFC 3261, 21.3).
        let SessionEvent::Rejected { status: status @ 300..=302, contacts, .. } = event else { return false };
        let Some(line) = self.lines.get(key) else { return false };
        if !line.attempt.is_ringing() {
            return false;
        }
        let options = &self.trunks[line.trunk].options;
        let mut rung = line.redirects.clone();
        rung.push(line.contact.number.clone());
        let allowed = Allowed {
            left: options.redirects_max.saturating_sub(line.redirects.len() as u32),
            prefixes: &options.redirect_prefixes,
            format: options.number_format,
            number_prefix: &options.number_prefix,
        };
        let ledger = &self.ledger;
        let suppressed = |number: &E164| ledger.is_suppressed(number);
        let in_flight = |number: &E164| ledger.is_in_flight(number);
        let wanted = redirect::follow(contacts, allowed, &rung, suppressed, in_flight)
            .and_then(|number| self.may_redirect(now, line, number));
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

    /// A number that a redirection names is dialed as any other is: by hours and caps of its own, and no sooner after another
    /// attempt. Only what this run knows of it counts, for its past is not in the contact's row; nor is anybody's consent.
    fn may_redirect(&self, now: Now, line: &Line, number: E164) -> Result<E164, Refused> {
        let gate = self.campaigns[line.campaign].campaign.gate();
        let stranger = Contact {
            number,
            attributes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_attempt_at: WallTime::from_unix_ms(0),
            history: Vec::new(),
            ..line.contact.clone()
        };
        match gate.may_dial(&stranger, now, &self.ledger) {
            Decision::Allow { guaranteed_agent } if !guaranteed_agent || line.attempt.is_guaranteed() => {
                Ok(stranger.number)
            }
            Decision::Allow { .. } => Err(Refused::Rule(stranger.number, Refusal::AgentDemanded)),
            Decision::Skip { reason, .. } | Decision::Never { reason } => {
                Err(Refused::Rule(stranger.number, reason))
            }
        }
    }

    /// Dials another number through the same trunk; the store commits this INVITE too before it leaves.
    fn redirect(&mut self, now: Now, key: Key, number: E164) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let place = line.trunk;
        self.ledger.take(&number, now.wall);
        line.redirects.push(number);
        line.tried_hops.clear();
        line.reserved[Side::Callee as usize] = Some(place);
        // The redirected session has still to say that it has ended, which is not the attempt's end.
        line.sessions[Side::Callee as usize] = None;
        self.trunks[place].seize(now.instant);
        self.trunks[place].rate.record(now.instant);
        self.rate.record(now.instant);
        let placement = self.placement_on(now, place, &[]);
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
        let pool = self.campaigns[line.campaign].pool;
        let cause = pool.and_then(|pool| self.pools[pool].handle_complaint(now, &caller_id));
        let event =
            Event::CallerId { campaign: name.clone(), caller_id: caller_id.clone(), note: note.to_owned() };
        self.journal(now, event);
        self.note_rest(now, name, caller_id, cause);
    }

    /// A call is over: what it says about its caller id.
    pub(super) fn judge_caller_id(&mut self, now: Now, turn: usize, record: &CallRecord) {
        let Some(pool) = self.campaigns[turn].pool else { return };
        let cause = self.pools[pool].handle_record(now, record);
        self.note_rest(now, record.campaign.clone(), record.caller_id.clone(), cause);
    }

    fn note_rest(&mut self, now: Now, campaign: String, caller_id: String, cause: Option<String>) {
        if let Some(cause) = cause {
            let note = format!("rests (rest_h): {cause}");
            self.journal(now, Event::CallerId { campaign, caller_id, note });
        }
    }

    /// The pools of caller ids, with what they did before; calls in flight keep the numbers that they have.
    pub fn set_caller_id_pools(&mut self, pools: Vec<Pool>) {
        self.pools = pools;
        self.find_pools();
    }

    /// Other pools from now on: a number that stays keeps its counts and its rest.
    pub fn handle_caller_id_pools(&mut self, options: Vec<crate::engine::caller_id::Options>) {
        let mut known = std::mem::take(&mut self.pools);
        for options in options {
            match known.iter().position(|pool| pool.name() == options.name) {
                Some(place) => {
                    let mut pool = known.swap_remove(place);
                    pool.set_options(options);
                    self.pools.push(pool);
                }
                None => self.pools.push(Pool::new(options)),
            }
        }
        self.find_pools();
    }

    fn find_pools(&mut self) {
        for running in &mut self.campaigns {
            let wanted = running.campaign.options().pool();
            running.pool = self.pools.iter().position(|pool| Some(pool.name()) == wanted);
        }
    }
}
