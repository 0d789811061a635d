//! The right of way of threads that must be in time, where the system grants it (as root, or by `Nice=` of the unit).
//!
//! A frame is due every 20 ms, and a message must start within 300 ms after the beep: neither may wait behind an import,
//! an export, or whatever else the machine is doing. It is a niceness and no real-time class: a thread that runs wild
//! must not take the machine with it.

/// Packets, every 20 ms.
pub const MEDIA: i32 = -10;

/// Signalling and the campaigns' decisions.
pub const CONTROL: i32 = -5;

/// Where the kernel groups processes by session (`sched_autogroup_enabled`), niceness counts within the session only and
/// the sessions share the processors evenly: so the session of this process gets the right of way too, where it may, and
/// keeps what the operator has given it beyond that.
pub fn raise_session(niceness: i32) {
    let now = std::fs::read_to_string("/proc/self/autogroup").unwrap_or_default();
    if now
        .split_whitespace()
        .next_back()
        .and_then(|word| word.parse().ok())
        .is_some_and(|now: i32| now <= niceness)
    {
        return;
    }
    if let Err(error) = std::fs::write("/proc/self/autogroup", niceness.to_string()) {
        tracing::debug!(%error, niceness, "the session keeps its ordinary priority");
    }
}

/// Gives the calling thread this niceness; where that is forbidden everything stays as it is.
pub fn raise(niceness: i32) {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), niceness) {
        tracing::debug!(%error, niceness, "the thread keeps its ordinary priority");
    }
}
