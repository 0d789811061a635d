//! A commit that a server did not answer: it may be on disk, or not.
//!
//! The engine is told at once that it failed. Once the server is back it is asked what became of the transaction, and where
//! it was committed after all, what the engine does not know of is undone or told to it.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::statement::query;
use crate::record::{Answer, ContactId, Inherited, InviteRecord, Request};

/// What hangs on a commit that was not answered.
pub(super) enum Doubt {
    /// Requests of the engine, with the answers that it did not get.
    Requests(Vec<Request>, Vec<Answer>),
    /// What this node has taken over from the dead.
    Inherited(Inherited),
}

impl Store {
    /// To be called before each transaction; does nothing when every commit was answered.
    pub(super) async fn resolve_doubt(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_in_doubt() {
            return Ok(());
        }
        self.connection.connect_again().await?;
        let committed = self.connection.settled().await?;
        match self.doubt.take() {
            Some(doubt) if committed => self.resolve(doubt).await,
            _ => Ok(()),
        }
    }

    async fn resolve(&mut self, doubt: Doubt) -> Result<(), StoreError> {
        match doubt {
            Doubt::Inherited(inherited) => {
                self.untold.extend(inherited);
                Ok(())
            }
            Doubt::Requests(requests, answers) => {
                let conn = &mut self.connection;
                conn.begin().await?;
                let undone = undo(conn, &requests, &answers).await;
                conn.end(undone).await
            }
        }
    }
}

/// An INVITE that the engine was told had not been committed did not leave: it goes. Contacts that it did not get wait again.
/// All the rest is asked for again by the engine, and is the same when it is done twice.
async fn undo(conn: &mut Connection, requests: &[Request], answers: &[Answer]) -> Result<(), StoreError> {
    for request in requests {
        if let Request::CommitInvite(invite) = request
            && answers.contains(&Answer::InviteCommitted { attempt: invite.attempt })
        {
            retract(conn, invite).await.map_err(|e| conn.error("retract an INVITE", e))?;
        }
    }
    for answer in answers {
        if let Answer::Refilled { contacts, .. } = answer {
            for contact in contacts {
                release(conn, contact.id).await.map_err(|e| conn.error("release a contact", e))?;
            }
        }
    }
    Ok(())
}

async fn retract(conn: &mut Connection, invite: &InviteRecord) -> Result<(), sqlx::Error> {
    let attempt = invite.attempt.to_string();
    query("DELETE FROM invites WHERE call_id = $1").bind(&invite.call_id).execute(conn).await?;
    query("DELETE FROM dialogs WHERE call_id = $1").bind(&invite.call_id).execute(conn).await?;
    query(
        "UPDATE contacts SET state = 'claimed', attempt = NULL
         WHERE id = $1 AND attempt = $2 AND holder = $3 AND NOT EXISTS (SELECT 1 FROM invites WHERE attempt = $2)",
    )
    .bind(invite.contact.0)
    .bind(&attempt)
    .bind(conn.holder())
    .execute(conn)
    .await?;
    query(
        "DELETE FROM attempts WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM invites WHERE attempt = $1)
         AND NOT EXISTS (SELECT 1 FROM calls WHERE attempt = $1)",
    )
    .bind(&attempt)
    .execute(conn)
    .await
    .map(drop)
}

async fn release(conn: &mut Connection, contact: ContactId) -> Result<(), sqlx::Error> {
    query("UPDATE contacts SET state = 'pending', holder = 0 WHERE id = $1 AND state = 'claimed' AND holder = $2")
        .bind(contact.0)
        .bind(conn.holder())
        .execute(conn)
        .await
        .map(drop)
}
