//! Group commit: requests that wait together are committed together, and answered only afterwards.
//!
//! When the transaction fails, what follows depends on how far the fault reaches. A lock that another program holds
//! is worth another try; one request that the database refuses must not take its neighbours down, so each is then
//! tried alone; a full, failing or read-only disk refuses everything at once, so that no INVITE leaves unrecorded and
//! the engine learns of it without delay.

use super::connection::Connection;
use super::database::Store;
use super::error::{Reach, StoreError};
use super::order::Orders;
use super::request::apply;
use crate::record::{Answer, Request};
use std::time::Duration;

/// How often a transaction is tried again while another program holds the database. SQLite itself waits for the lock
/// at each try.
pub const RETRIES_MAX: u32 = 3;

/// The wait between two tries.
const RETRY_DELAY: Duration = Duration::from_millis(100);

impl Store {
    /// Does one request; see [`Store::handle_all`].
    pub async fn handle(&mut self, request: Request) -> Option<Answer> {
        self.handle_all(vec![request]).await.pop()
    }

    /// Does all requests in their order, in one transaction, and gives the answers of those that have one, in the
    /// same order. When this returns, all is on disk, except what was answered [`Answer::InviteRefused`] or
    /// [`Answer::Failed`]: of that, nothing is.
    pub async fn handle_all(&mut self, requests: Vec<Request>) -> Vec<Answer> {
        let error = match commit(&mut self.connection, &self.orders, &requests).await {
            Ok(answers) => return answers,
            Err(error) => error,
        };
        if requests.len() > 1 && error.reach() == Reach::Request {
            return self.handle_each_alone(requests).await;
        }
        let why = error.to_string();
        requests.into_iter().map(|request| refusal(request, &why)).collect()
    }

    async fn handle_each_alone(&mut self, requests: Vec<Request>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for request in requests {
            match commit(&mut self.connection, &self.orders, std::slice::from_ref(&request)).await {
                Ok(answer) => answers.extend(answer),
                Err(error) => answers.push(refusal(request, &error.to_string())),
            }
        }
        answers
    }
}

async fn commit(conn: &mut Connection, orders: &Orders, requests: &[Request]) -> Result<Vec<Answer>, StoreError> {
    let mut retries = 0;
    loop {
        match commit_once(conn, orders, requests).await {
            Err(error) if error.reach() == Reach::Moment && retries < RETRIES_MAX => {
                retries += 1;
                tokio::time::sleep(RETRY_DELAY).await;
            }
            done => return done,
        }
    }
}

async fn commit_once(conn: &mut Connection, orders: &Orders, requests: &[Request]) -> Result<Vec<Answer>, StoreError> {
    conn.begin().await?;
    let applied = apply_all(conn, orders, requests).await;
    conn.end(applied).await
}

async fn apply_all(conn: &mut Connection, orders: &Orders, requests: &[Request]) -> Result<Vec<Answer>, StoreError> {
    let mut answers = Vec::new();
    for request in requests {
        answers.extend(apply(conn, orders, request).await?);
    }
    Ok(answers)
}

fn refusal(request: Request, why: &str) -> Answer {
    match request {
        Request::CommitInvite(invite) => {
            Answer::InviteRefused { attempt: invite.attempt, error: why.to_owned() }
        }
        other => Answer::Failed { request: Box::new(other), error: why.to_owned() },
    }
}
