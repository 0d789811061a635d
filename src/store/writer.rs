//! The writer task: it owns the [`Store`] while the engine runs.

use super::database::Store;
use crate::record::{Answer, Request};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use super::batch::RETRIES_MAX;

/// The most requests of one transaction. What waits beyond them goes into the next.
pub const BATCH_MAX: usize = 256;

/// From the beginning of one transaction to that of the next, unless that one is full. At hundreds of calls a second each
/// commit then serves dozens of requests; an INVITE, or the ACK of an answer, waits so long for it at most.
const PACE: Duration = Duration::from_millis(40);

/// A good bound for the channel of requests: some seconds of dialing at full speed.
pub const REQUESTS_MAX: usize = 4_096;

/// A good bound for the channel of answers.
pub const ANSWERS_MAX: usize = 4_096;

/// Serves requests until the channel's last sender is gone, and everything sent before that is done; then gives the
/// store back for closing.
///
/// While one transaction is being synced to the disk, and for 40 ms since its beginning, the next one gathers in the
/// channel: under load each sync serves many requests, without load none waits. When nobody reads the answers, requests
/// wait; when nobody is there to read them, requests are still done, for a record must not be lost because its engine is on
/// its way out.
pub async fn run(
    mut store: Store,
    mut requests: mpsc::Receiver<Request>,
    answers: mpsc::Sender<Answer>,
) -> Store {
    let mut due = Instant::now();
    loop {
        tokio::time::sleep_until(due).await;
        let mut waiting = Vec::new();
        if requests.recv_many(&mut waiting, BATCH_MAX).await == 0 {
            return store;
        }
        if waiting.len() < BATCH_MAX {
            due = Instant::now() + PACE;
        }
        for answer in store.handle_all(waiting).await {
            let _nobody_listens = answers.send(answer).await;
        }
    }
}
