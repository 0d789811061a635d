//! What the store is told of calls while they go on, so that a later run can end them.
//!
//! The INVITE's part is committed with the attempt, before it leaves. What is heard later follows without anybody waiting
//! for it: whoever rings or answers at once, changes of the way within [`CHANGED_WITHIN`], and an end with others. Where we
//! ended the call, it is at its end when the BYE was answered, or nobody will: a run that cannot wait for that leaves it to
//! the next.
//!
//! The INVITE of an agent's leg waits for the store too (see `holding.rs`), and so does the ACK of an answer. A callee repeats
//! what was not acknowledged, so that a call which came up as the engine died is heard of by the next one: it is known to the
//! store, or to its own callee.

use super::*;
use crate::record::DialogRecord;
use crate::sip::endpoint::{Remains, SessionEvent};

/// What can wait is told of within this time: one request carries many.
const CHANGED_WITHIN: Duration = Duration::from_millis(200);

/// However slow the store is, after so long a callee has its ACK: time for a write that failed to be tried once more.
pub const ACK_HELD_MAX: Duration = Duration::from_millis(3_500);

/// The most changes that wait.
const CHANGES_MAX: usize = 256;

/// Calls of this run, as the store should know them.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// As they were last told; bounded by the endpoint's sessions and its BYEs.
    kept: BTreeMap<SessionKey, Kept>,
    /// What waits for the store, by Call-ID; bounded as those.
    awaited: BTreeMap<String, Awaited>,
    /// By Call-ID: records that the store has not answered for yet.
    told: BTreeMap<String, u32>,
    changed: BTreeMap<String, DialogRecord>,
    tell_at: Option<Instant>,
    gone: BTreeSet<(Instant, String)>,
}

/// What the store is waited for with.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    /// The INVITE of an agent's leg.
    Invite,
    /// The ACK of an answer.
    Ack(SessionKey),
}

#[derive(Debug)]
struct Kept {
    attempt: AttemptId,
    trunk: String,
    remains: Remains,
}

impl Keeping {
    /// The call has ended, for its peer too.
    pub fn forget(&mut self, now: Instant, call_id: String) {
        self.changed.remove(&call_id);
        self.awaited.remove(&call_id);
        self.gone.insert((now + CHANGED_WITHIN, call_id));
    }

    /// The INVITE was committed and will not leave: there is nothing to end.
    pub fn forget_unsent(&mut self, now: Instant, unsent: Option<&Remains>) {
        if let Some(remains) = unsent {
            self.forget(now, remains.call_id.clone());
        }
    }

    /// The INVITE of an agent's leg is about to leave.
    pub fn announce(&mut self, now: Instant, attempt: AttemptId, trunk: &str, remains: &Remains) {
        self.awaited.insert(remains.call_id.clone(), Awaited::Invite);
        self.change(now, record_of(attempt, trunk, remains));
    }

    /// Whether the store knows all that it should.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let gone = self.gone.first().map(|(at, _)| *at);
        self.tell_at.into_iter().chain(gone).min()
    }

    /// One record of this call is kept: what has waited for it, if that was the last that was on its way.
    fn take_known(&mut self, call_id: &str) -> Option<Awaited> {
        let left = self.told.get_mut(call_id).map_or(0, |told| {
            *told = told.saturating_sub(1);
            *told
        });
        if left > 0 || self.changed.contains_key(call_id) {
            return None;
        }
        self.told.remove(call_id);
        self.awaited.remove(call_id)
    }

    fn change(&mut self, at: Instant, record: DialogRecord) {
        self.changed.insert(record.call_id.clone(), record);
        self.tell_at = Some(self.tell_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// What is due, or all there is.
    fn take(&mut self, now: Instant, all: bool) -> Option<Request> {
        let is_due = self.poll_timeout().is_some_and(|at| at <= now);
        let is_much = self.changed.len() + self.gone.len() >= CHANGES_MAX;
        if self.is_empty() || !(all || is_due || is_much) {
            return None;
        }
        self.tell_at = None;
        let open: Vec<DialogRecord> = std::mem::take(&mut self.changed).into_values().collect();
        for record in &open {
            *self.told.entry(record.call_id.clone()).or_default() += 1;
        }
        let mut gone = Vec::new();
        while let Some((at, _)) = self.gone.first()
            && (all || is_much || *at <= now)
        {
            gone.extend(self.gone.pop_first().map(|(_, call_id)| call_id));
        }
        Some(Request::KeepDialogs { open, gone })
    }
}

impl Engine {
    /// An INVITE has left; the store was told of it before.
    pub(super) fn keep_invited(
        &mut self,
        session: SessionKey,
        attempt: AttemptId,
        trunk: usize,
        remains: Remains,
    ) {
        let trunk = self.trunks[trunk].options.name.clone();
        let kept = Kept { attempt, trunk, remains };
        self.keeping.kept.insert(session, kept);
    }

    /// Something has happened to a session.
    pub(super) fn keep_heard(&mut self, now: Now, session: SessionKey, event: &SessionEvent) {
        let at = match event {
            SessionEvent::Provisional { .. } | SessionEvent::Answered { .. } => now.instant,
            // The way to the far end may change with it.
            SessionEvent::OfferAnswered { .. } | SessionEvent::Offered { .. } => now.instant + CHANGED_WITHIN,
            _ => return,
        };
        let is_answer = matches!(event, SessionEvent::Answered { .. });
        let Some(kept) = self.keeping.kept.get_mut(&session) else { return };
        let Some(remains) = self.endpoint.remains(session, &kept.remains) else { return };
        if remains != kept.remains {
            kept.remains = remains;
            let record = record_of(kept.attempt, &kept.trunk, &kept.remains);
            if is_answer {
                self.keeping.awaited.insert(record.call_id.clone(), Awaited::Ack(session));
            }
            self.keeping.change(at, record);
        } else if is_answer {
            self.endpoint.acknowledge(session);
        }
    }

    /// Nothing is left of a session, neither here nor at its peer's.
    pub(super) fn forget_parted(&mut self, now: Now, session: SessionKey) {
        if let Some(kept) = self.keeping.kept.remove(&session) {
            self.keeping.forget(now.instant, kept.remains.call_id);
        }
    }

    /// The store knows these calls as far as they had come.
    pub(super) fn handle_kept(&mut self, now: Now, call_ids: &[String]) {
        for call_id in call_ids {
            match self.keeping.take_known(call_id) {
                Some(Awaited::Ack(session)) => self.endpoint.acknowledge(session),
                Some(Awaited::Invite) => self.release_held(now, call_id),
                None => {}
            }
        }
    }

    /// The store could not do this: whose phone waits for it waits for nothing.
    pub(super) fn release_untold(&mut self, now: Now, request: &Request) {
        let Request::KeepDialogs { open, .. } = request else { return };
        for record in open {
            self.release_held(now, &record.call_id);
        }
    }

    /// Tells the store what is due; all, when this run comes to its end.
    pub(super) fn tell_dialogs(&mut self, now: Now) {
        let is_ending = self.sessions.is_empty() && (self.draining || self.is_completed());
        if let Some(request) = self.keeping.take(now.instant, is_ending) {
            self.outputs.push_back(Output::Store(request));
        }
    }
}

fn record_of(attempt: AttemptId, trunk: &str, remains: &Remains) -> DialogRecord {
    DialogRecord {
        call_id: remains.call_id.clone(),
        attempt,
        trunk: trunk.to_owned(),
        dialog: remains.to_text(),
    }
}
