//! Group commit: requests that wait together are committed together, and answered only afterwards.
//!
//! When the transaction fails, what follows depends on how far the fault reaches. A lock that another program holds
//! is worth another try; one request that the database refuses must not take its neighbours down, so each is then
//! tried alone; a full, failing or read-only disk refuses everything at once, so that no INVITE leaves unrecorded and
//! the engine learns of it without delay.

use super::connection::Connection;
use super::database::Store;
use super::doubt::Doubt;
use super::error::{Reach, StoreError};
use super::group::Group;
use super::order::Orders;
use super::request::apply;
use crate::record::{Answer, Beat, Request, Usage};
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
        if let Some(place) = requests.iter().position(|request| matches!(request, Request::Beat(_)))
            && requests.len() > 1
        {
            return self.handle_around(place, requests).await;
        }
        if let [Request::Beat(usage)] = &requests[..] {
            let beaten = self.commit_beat(usage).await;
            return match beaten {
                Ok(beat) => vec![Answer::Beat(Box::new(beat))],
                Err(error) => requests.into_iter().map(|beat| refusal(beat, &error.to_string())).collect(),
            };
        }
        let error = match self.commit(&requests).await {
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
            match self.commit(std::slice::from_ref(&request)).await {
                Ok(answer) => answers.extend(answer),
                Err(error) => answers.push(refusal(request, &error.to_string())),
            }
        }
        answers
    }
}

impl Store {
    /// A beat has a transaction of its own: it locks what other nodes wait for, and must not lock it for as long as the
    /// requests beside it take.
    async fn handle_around(&mut self, place: usize, mut requests: Vec<Request>) -> Vec<Answer> {
        let mut rest = requests.split_off(place);
        let after = rest.split_off(1);
        let mut answers = Vec::new();
        for part in [requests, rest, after] {
            if !part.is_empty() {
                answers.extend(Box::pin(self.handle_all(part)).await);
            }
        }
        answers
    }

    async fn commit(&mut self, requests: &[Request]) -> Result<Vec<Answer>, StoreError> {
        let mut retries = 0;
        loop {
            match self.commit_once(requests).await {
                Err(error) if error.reach() == Reach::Moment && retries < RETRIES_MAX => {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                done => return done,
            }
        }
    }

    async fn commit_once(&mut self, requests: &[Request]) -> Result<Vec<Answer>, StoreError> {
        self.resolve_doubt().await?;
        let conn = &mut self.connection;
        conn.begin().await?;
        let applied = apply_all(conn, &self.orders, requests).await;
        let answers = if conn.is_server() { applied.as_ref().ok().cloned() } else { None };
        let ended = conn.end(applied).await;
        if ended.is_err() && conn.is_in_doubt() {
            self.doubt = Some(Doubt::Requests(requests.to_vec(), answers.unwrap_or_default()));
        }
        ended
    }

    /// Commits, and forgets that it was told so.
    #[cfg(test)]
    pub(super) async fn lose_the_answer(&mut self, requests: Vec<Request>) {
        let conn = &mut self.connection;
        conn.begin().await.unwrap();
        let answers = apply_all(conn, &self.orders, &requests).await.unwrap();
        let current = "SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)";
        let transaction = super::statement::scalar(current).fetch_one(conn).await.unwrap();
        conn.end(Ok(())).await.unwrap();
        conn.lose_the_answer(transaction);
        self.doubt = Some(Doubt::Requests(requests, answers));
    }

    async fn commit_beat(&mut self, usage: &[Usage]) -> Result<Beat, StoreError> {
        let mut retries = 0;
        loop {
            self.resolve_doubt().await?;
            match self.beat(usage).await {
                Err(error) if error.reach() == Reach::Moment && retries < RETRIES_MAX => {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                done => return done,
            }
        }
    }
}

/// Requests of calls are gathered into groups; whatever else comes keeps its place among them.
async fn apply_all(
    conn: &mut Connection,
    orders: &Orders,
    requests: &[Request],
) -> Result<Vec<Answer>, StoreError> {
    let mut answers = Vec::new();
    let mut group = Group::default();
    for request in requests {
        if group.join(request) {
            continue;
        }
        answers.extend(std::mem::take(&mut group).apply(conn, orders).await?);
        if !group.join(request) {
            answers.extend(apply(conn, orders, request).await?);
        }
    }
    answers.extend(group.apply(conn, orders).await?);
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
