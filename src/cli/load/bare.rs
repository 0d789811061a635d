//! The yardstick: connected sockets, one for each call, that receive a packet and send a packet every 20 ms in slots of
//! 5 ms, and nothing else. Whatever carries calls over this kernel's sockets costs at least as much.

use super::meter::{self, Spent};
use super::report::Carried;
use super::sound::Sounds;
use super::{LoadArgs, measure};
use crate::audio::FRAME_SAMPLES;
use crate::cli::Failure;
use crate::io::priority;
use crate::media::{SLOT, SLOTS};
use crate::rtp::Ssrc;
use crate::rtp::packet::{HEADER, Packet};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Instant;

/// As many streams as the engine had, on bare sockets.
pub fn carry(args: &LoadArgs, sounds: &Arc<Sounds>) -> Result<Carried, Failure> {
    let lines = if args.bridge { 2 * args.calls } else { args.calls };
    let mut sockets = Vec::with_capacity(lines as usize);
    for line in 0..lines {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(sounds.address(line))?;
        sounds.connect(line, socket.local_addr()?, Instant::now());
        sockets.push(socket);
    }
    let (stop, thread_id) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
    let (stopped, own_id) = (Arc::clone(&stop), Arc::clone(&thread_id));
    let thread = std::thread::Builder::new().name("bare".into()).spawn(move || {
        priority::raise(priority::MEDIA);
        own_id.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        run(&sockets, &stopped);
    })?;
    let measured = measure(args, sounds, lines, "bare", || {
        let all = meter::of_thread(&format!("/proc/self/task/{}", thread_id.load(Ordering::Relaxed)));
        Ok((Spent { all, ..Spent::default() }, 0))
    });
    stop.store(true, Ordering::Relaxed);
    let _ = thread.join();
    (0..lines).for_each(|line| sounds.disconnect(line));
    let measured = measured?;
    Ok(Carried {
        what: "bare sockets",
        lines,
        calls: args.calls,
        over: measured.over,
        spent: measured.spent,
        heard: measured.heard,
        resident: None,
        dropped: 0,
        up_after: None,
        left: 0,
    })
}

fn run(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut due = Instant::now();
    let mut slot = 0u32;
    let mut received = [0; 2_048];
    let mut packet = [0; HEADER + FRAME_SAMPLES];
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += SLOT;
        let frame = slot / u32::from(SLOTS);
        let sequence = frame as u16;
        let payload = &[0xff; FRAME_SAMPLES];
        Packet { marker: false, payload_type: 0, sequence, timestamp: frame * 160, ssrc: Ssrc(1), payload }
            .write(&mut packet);
        for socket in sockets.iter().skip((slot % u32::from(SLOTS)) as usize).step_by(usize::from(SLOTS)) {
            let _ = socket.recv(&mut received);
            let _ = socket.send(&packet);
        }
        slot += 1;
    }
}
