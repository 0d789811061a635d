//! What the store is told of calls while they go on, so that a later run can end them.
//!
//! The INVITE's part is committed with the attempt, before it leaves. What is heard later follows without anybody waiting
//! for it: who answered at once, who rings within [`RINGING_WITHIN`], and an end some time after it, for until then a lost
//! BYE may have to be sent again.

use super::*;
use crate::record::DialogRecord;
use crate::sip::endpoint::{Remains, SessionEvent};

/// A far end that rings is told of within this time: one answer among many carries them all.
const RINGING_WITHIN: Duration = Duration::from_millis(200);

/// So long after its end a call is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(2);

/// The most changes that wait.
const CHANGES_MAX: usize = 256;

/// Calls of this run, as the store should know them.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// As they were last told; bounded by the endpoint's sessions.
    kept: BTreeMap<SessionKey, Kept>,
    changed: BTreeMap<String, DialogRecord>,
    tell_at: Option<Instant>,
    gone: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Kept {
    attempt: AttemptId,
    trunk: String,
    remains: Remains,
}

impl Keeping {
    /// The call has ended.
    pub fn forget(&mut self, now: Instant, call_id: String) {
        self.changed.remove(&call_id);
        self.gone.push_back((now + FORGET_AFTER, call_id));
    }

    /// Whether the store knows all that it should.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let gone = self.gone.front().map(|(at, _)| *at);
        self.tell_at.into_iter().chain(gone).min()
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
        let open = std::mem::take(&mut self.changed).into_values().collect();
        let due =
            if all || is_much { self.gone.len() } else { self.gone.partition_point(|(at, _)| *at <= now) };
        let gone = self.gone.drain(..due).map(|(_, call_id)| call_id).collect();
        Some(Request::KeepDialogs { open, gone })
    }
}

impl Engine {
    /// An INVITE has left; an agent's is told of now, a callee's was before.
    pub(super) fn keep_invited(
        &mut self,
        now: Now,
        session: SessionKey,
        attempt: AttemptId,
        side: Side,
        trunk: usize,
        remains: Remains,
    ) {
        let trunk = self.trunks[trunk].options.name.clone();
        let kept = Kept { attempt, trunk, remains };
        if side != Side::Callee {
            self.keeping.change(now.instant, record_of(&kept));
        }
        self.keeping.kept.insert(session, kept);
    }

    /// Something has happened to a session.
    pub(super) fn keep_heard(&mut self, now: Now, session: SessionKey, event: &SessionEvent) {
        let at = match event {
            SessionEvent::Provisional { .. } => now.instant + RINGING_WITHIN,
            // The way to the far end may change with it.
            SessionEvent::OfferAnswered { .. } | SessionEvent::Offered { .. } => now.instant + RINGING_WITHIN,
            SessionEvent::Answered { .. } => now.instant,
            SessionEvent::Ended => {
                if let Some(kept) = self.keeping.kept.remove(&session) {
                    self.keeping.forget(now.instant, kept.remains.call_id);
                }
                return;
            }
            _ => return,
        };
        let Some(kept) = self.keeping.kept.get_mut(&session) else { return };
        let Some(remains) = self.endpoint.remains(session, &kept.remains) else { return };
        if remains != kept.remains {
            kept.remains = remains;
            let record = record_of(kept);
            self.keeping.change(at, record);
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

fn record_of(kept: &Kept) -> DialogRecord {
    DialogRecord {
        call_id: kept.remains.call_id.clone(),
        attempt: kept.attempt,
        trunk: kept.trunk.clone(),
        dialog: kept.remains.to_text(),
    }
}
