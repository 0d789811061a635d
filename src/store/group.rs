//! Requests of many calls at once, in a handful of statements however many they are.
//!
//! What a busy engine asks is nearly all of four kinds: decisions, INVITEs, dialogs and call records. Nothing of a group is
//! there twice that one of its members reads and another writes, so that the kinds may be written one after the other
//! whatever the order in which they came: a look at the contacts, then all that is to be written at once.

use super::call_record;
use super::connection::Connection;
use super::dialog::{self, Known};
use super::error::StoreError;
use super::history;
use super::invite;
use super::order::Orders;
use super::rows::{self, Rows};
use super::statement::composed;
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
        let objections = invite::objections(conn, &self.invites, &self.decisions).await?;
        let late = call_record::late(conn, &self.records).await?;
        let free = || self.invites.iter().zip(&objections).filter_map(|(i, why)| why.is_none().then_some(*i));
        let begun = free().map(Known::of_invite).filter(|known| !known.dialog.is_empty());
        let in_time = (0..).zip(&self.records).filter(|(place, _)| !late.contains(place));
        let (ends, calls) = call_record::rows(orders, in_time.map(|(_, end)| end));
        let writes = [
            (history::KEEP, history::rows(&self.decisions)),
            (invite::COMMIT, invite::rows(free())),
            (call_record::FINISH, ends),
            (call_record::INSERT, calls),
            (dialog::PUT, dialog::rows(begun.chain(self.open.iter().map(|open| Known::of_record(open))))),
            (dialog::FORGET, rows::of_texts(&self.gone)),
        ];
        write(conn, writes).await?;
        let mut invites = self.invites.iter().zip(objections);
        let answer = |asked| match asked {
            Asked::Invite => invites.next().map(|(invite, objection)| match objection {
                Some(objection) => objection.into_answer(invite.attempt),
                None => Answer::InviteCommitted { attempt: invite.attempt },
            }),
            Asked::Dialogs(open) => Answer::of_kept(open),
        };
        Ok(self.asked.into_iter().filter_map(answer).collect())
    }
}

/// All statements at once: each with its rows as `$2` to `$7`, in this order, and with the node as `$1`; without those that
/// have no rows.
async fn write(conn: &mut Connection, writes: [(&str, Rows); 6]) -> Result<(), StoreError> {
    let needed: Vec<&str> = writes.iter().filter(|(_, rows)| !rows.is_empty()).map(|(sql, _)| *sql).collect();
    if needed.is_empty() {
        return Ok(());
    }
    let mut statement = composed(needed.join(";\n")).bind(conn.holder());
    for (_, rows) in writes {
        statement = statement.bind(rows.into_text());
    }
    statement.execute_all(conn).await.map_err(|e| conn.error("write what calls ask for", e))
}
