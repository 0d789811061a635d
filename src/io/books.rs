//! The store's writer on a thread of its own: each statement's answer wakes that thread, and not the one that decides.

use super::priority;
use crate::record::{Answer, Request};
use crate::store::{Store, StoreError, writer};
use std::io;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// The running thread.
#[derive(Debug)]
pub struct Books {
    join: JoinHandle<Result<(), StoreError>>,
}

impl Books {
    /// Hands the store over. The thread ends when the last sender of requests is gone and all is on disk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub async fn start(
        mut store: Store,
        requests: mpsc::Receiver<Request>,
        answers: mpsc::Sender<Answer>,
    ) -> io::Result<Books> {
        let runtime = runtime(&store)?;
        store.leave_thread().await;
        let join = std::thread::Builder::new().name("store".into()).spawn(move || {
            priority::raise(priority::CONTROL);
            runtime.block_on(async { writer::run(store, requests, answers).await.close().await })
        })?;
        Ok(Books { join })
    }

    /// Waits until everything is on disk and the database is closed. Nobody may hold the other ends any more.
    ///
    /// # Errors
    /// What went wrong, in a line.
    pub fn finish(self) -> Result<(), String> {
        let closed = self.join.join().map_err(|_| "the store's writer has panicked".to_owned())?;
        closed.map_err(|error| error.to_string())
    }
}

/// A file needs no sockets; without them a thread is woken at less cost.
fn runtime(store: &Store) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    if store.is_shared() { builder.enable_all() } else { builder.enable_time() }.build()
}
