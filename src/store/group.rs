//! Requests of many calls at once, in a handful of statements however many they are.
//!
//! What a busy engine asks is nearly all of four kinds: decisions, INVITEs, dialogs and call records. Nothing of a group is
//! there twice that one of its members reads and another writes, so that the kinds may be written one after the other
//! whatever the order in which they came.

use super::call_record;
use super::connection::Connection;
use super::dialog::{self, Known};
use super::error::StoreError;
use super::history;
use super::invite;
use super::order::Orders;
use crate::record::{
    Answer, AttemptId, CallRecord, ContactId, ContactUpdate, DialogRecord, InviteRecord, Request,
};
use crate::time::WallTime;
use std::collections::BTreeSet;

/// What the members of a group must not share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark<'r> {
    Contact(ContactId),
    /// The law's caps count INVITEs to it.
    Number(&'r str),
    Attempt(AttemptId),
    Call(&'r str),
}

/// Who is answered, in this order.
enum Asked<'r> {
    Invite,
    Dialogs(&'r [DialogRecord]),
}

/// What an attempt rests on: the decision, and caps as [`Request::KeepDecision`] has them.
pub(super) type Decision<'r> = (AttemptId, &'r str, &'r [(u32, WallTime)]);

/// Requests that are written together.
#[derive(Default)]
pub(super) struct Group<'r> {
    marks: BTreeSet<Mark<'r>>,
    decisions: Vec<Decision<'r>>,
    invites: Vec<&'r InviteRecord>,
    records: Vec<(&'r CallRecord, &'r ContactUpdate)>,
    open: Vec<&'r DialogRecord>,
    gone: Vec<&'r str>,
    asked: Vec<Asked<'r>>,
}

impl<'r> Group<'r> {
    /// Takes the request in, if it is of the kinds that are grouped and has nothing to do with what is among us already.
    pub(super) fn join(&mut self, request: &'r Request) -> bool {
        match request {
            // It is read by its attempt's INVITE, which comes behind it.
            Request::KeepDecision { attempt, decision, caps } => {
                let is_before = !self.marks.contains(&Mark::Attempt(*attempt));
                if is_before {
                    self.decisions.push((*attempt, decision, caps));
                }
                is_before
            }
            Request::CommitInvite(invite) => {
                let joins = self.mark([
                    Mark::Contact(invite.contact),
                    Mark::Number(invite.number.as_str()),
                    Mark::Attempt(invite.attempt),
                    Mark::Call(&invite.call_id),
                ]);
                if joins {
                    self.invites.push(invite);
                    self.asked.push(Asked::Invite);
                }
                joins
            }
            Request::FinishAttempt { record, contact } => {
                let joins = self.mark([
                    Mark::Contact(record.contact),
                    Mark::Contact(contact.id),
                    Mark::Attempt(record.attempt),
                ]);
                if joins {
                    self.records.push((record, contact));
                }
                joins
            }
            Request::KeepDialogs { open, gone } => {
                let calls = open.iter().map(|record| &record.call_id).chain(gone);
                let joins = self.mark(calls.map(|call_id| Mark::Call(call_id)));
                if joins {
                    self.open.extend(open);
                    self.gone.extend(gone.iter().map(String::as_str));
                    self.asked.push(Asked::Dialogs(open));
                }
                joins
            }
            _ => false,
        }
    }

    /// Marks what is new to the group; does nothing and tells so when any of it is not.
    fn mark(&mut self, marks: impl IntoIterator<Item = Mark<'r>> + Clone) -> bool {
        let is_new = !marks.clone().into_iter().any(|mark| self.marks.contains(&mark));
        if is_new {
            self.marks.extend(marks);
        }
        is_new
    }

    /// Writes it all down; gives the answers of those that have one, in their order.
    pub(super) async fn apply(
        self,
        conn: &mut Connection,
        orders: &Orders,
    ) -> Result<Vec<Answer>, StoreError> {
        history::keep_decisions(conn, &self.decisions).await?;
        let objections =
            if self.invites.is_empty() { Vec::new() } else { invite::commit(conn, &self.invites).await? };
        if !self.records.is_empty() {
            call_record::finish(conn, orders, &self.records).await?;
        }
        let leaving = self.invites.iter().zip(&objections).filter(|(_, objection)| objection.is_none());
        let begun = leaving.map(|(invite, _)| Known::of_invite(invite)).filter(|known| !known.dialog.is_empty());
        let known: Vec<Known<'_>> = begun.chain(self.open.iter().map(|open| Known::of_record(open))).collect();
        dialog::keep(conn, &known, &self.gone).await?;
        let mut invites = self.invites.iter().zip(objections);
        let answer = |asked| match asked {
            Asked::Invite => invites.next().map(|(invite, objection)| match objection {
                Some(reason) => Answer::InviteForbidden { attempt: invite.attempt, reason },
                None => Answer::InviteCommitted { attempt: invite.attempt },
            }),
            Asked::Dialogs(open) => Answer::of_kept(open),
        };
        Ok(self.asked.into_iter().filter_map(answer).collect())
    }
}
