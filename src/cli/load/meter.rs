//! What a process has spent: processor time by the scheduler's own account, and resident memory (proc(5)).

use std::fs;
use std::io;
use std::ops::Sub;
use std::time::Duration;

/// Ticks of `/proc` a second: fixed at 100 for programs on Linux.
const TICKS: u64 = 100;

/// Processor time, user and system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Of the whole process.
    pub all: Duration,
    /// Of its media threads alone, where it has some.
    pub media: Duration,
    /// Of the thread that decides: the process's first.
    pub first: Duration,
}

impl Sub for Spent {
    type Output = Spent;
    fn sub(self, before: Spent) -> Spent {
        Spent {
            all: self.all.saturating_sub(before.all),
            media: self.media.saturating_sub(before.media),
            first: self.first.saturating_sub(before.first),
        }
    }
}

/// What a process has spent since its start.
///
/// # Errors
/// When it is gone.
pub fn of_process(id: u32) -> io::Result<Spent> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Behind the name in brackets: state is field 3, user and system time are 14 and 15. Threads that have ended count.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    let mut spent = Spent { all: Duration::from_millis(ticks * 1_000 / TICKS), ..Spent::default() };
    for task in fs::read_dir(format!("/proc/{id}/task"))?.flatten() {
        // A thread may end while we look.
        let Ok(name) = fs::read_to_string(task.path().join("comm")) else { continue };
        if name.starts_with("media-") {
            spent.media += of_thread(&task.path().to_string_lossy());
        } else if task.file_name().to_string_lossy().parse() == Ok(id) {
            spent.first += of_thread(&task.path().to_string_lossy());
        }
    }
    Ok(spent)
}

/// What the thread of this folder of `/proc` has spent. The scheduler counts it in nanoseconds.
pub fn of_thread(folder: &str) -> Duration {
    let text = fs::read_to_string(format!("{folder}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// What the calling thread has spent.
pub fn of_this_thread() -> Duration {
    of_thread("/proc/thread-self")
}

/// Resident memory in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident(id: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok(kib * 1024)
}

/// Datagrams that found no room, at the sockets of these local ports (`/proc/net/udp`, its last column).
pub fn drops(ports: std::ops::RangeInclusive<u16>) -> u64 {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let of_line = |line: &str| {
        let mut fields = line.split_whitespace();
        let port = fields.nth(1)?.rsplit_once(':')?.1;
        let port = u16::from_str_radix(port, 16).ok().filter(|port| ports.contains(port));
        port.and(fields.next_back()?.parse::<u64>().ok())
    };
    text.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_spent_something_and_holds_memory() {
        let id = std::process::id();
        let begun = of_this_thread();
        while of_this_thread() == begun {}
        assert!(of_process(id).is_ok() && resident(id).unwrap() > 1 << 20);
        assert_eq!(of_process(u32::MAX).ok(), None);
    }
}
