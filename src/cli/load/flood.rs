//! A flood at one call's port: half of it from strangers, half from the very address that the call's packets come from.

use super::sound::Sounds;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often some of it leaves.
const TICK: Duration = Duration::from_millis(1);

/// The flood, running.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Flood {
    /// Floods the port of a line from the moment that it sounds.
    ///
    /// # Errors
    /// When the system gives no socket or no thread.
    pub fn start(sounds: Arc<Sounds>, line: u32, packets_a_second: u32) -> io::Result<Flood> {
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::Builder::new().name("far-flood".into()).spawn(move || {
            // Version 2, a payload type of the call, a source of its own.
            let mut packet = [0x55; 172];
            packet[..4].copy_from_slice(&[0x80, 0, 0, 0]);
            let mut target = None;
            let (mut due, mut debt) = (Instant::now(), 0);
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                due += TICK;
                target = target.take().or_else(|| sounds.of_line(line));
                let Some((remote, peer)) = &target else { continue };
                debt += packets_a_second;
                while debt >= 1_000 {
                    debt -= 1_000;
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
                    let socket: &UdpSocket = if number % 2 == 0 { &stranger } else { peer };
                    let _ = socket.send_to(&packet, *remote);
                }
            }
        })?;
        Ok(Flood { stop, sent, thread })
    }

    /// Ends it; tells how much was sent.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.sent.load(Ordering::Relaxed)
    }
}
