//! What the longest hostile messages cost: a header filled with one kind of character, at a length and at twice that length.
//!
//! A reader that looks at each byte a fixed number of times takes about twice as long for twice the bytes. One that takes
//! four times as long is quadratic, and the bench says so.

use outdial::sip::verdict::Verdict;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes of filler, and twice as many.
const LENGTH: usize = 30_000;

/// Twice the bytes may cost so many times the time. A quadratic reader would need 4.
const RATIO_MAX: f64 = 3.0;

/// Below this nothing can be told from noise.
const WORTH_TELLING: Duration = Duration::from_micros(200);

const HEADERS: [&str; 8] = [
    "Odd: ",
    "From: \"",
    "Contact: ",
    "Route: <sip:",
    "Via: SIP/2.0/UDP h;a=",
    "User-Agent: (",
    "Proxy-Authenticate: ",
    "Content-Type: multipart/mixed;boundary=",
];

const FILLERS: [&str; 14] = [
    ",",
    "\"",
    "\\",
    ";a",
    "<",
    "(",
    ":",
    "\r\n ",
    "\r\n\t\"",
    "\r\nOdd:",
    "\r\nv: SIP/2.0/UDP h",
    "%",
    "\n",
    "\0",
];

fn main() {
    let mut worst = (0.0, String::new());
    let mut longest = (Duration::ZERO, String::new());
    for header in HEADERS {
        for filler in FILLERS {
            let (once, twice) = (cost(header, filler, LENGTH), cost(header, filler, 2 * LENGTH));
            let what = format!("{header:?} filled with {filler:?}");
            let ratio = twice.as_secs_f64() / once.as_secs_f64();
            if twice > WORTH_TELLING && ratio > worst.0 {
                worst = (ratio, what.clone());
            }
            if twice > longest.0 {
                longest = (twice, what);
            }
        }
    }
    println!("messages: the dearest of {} bytes takes {:?}: {}", 2 * LENGTH, longest.0, longest.1);
    println!("messages: twice the bytes take at most {:.2} times the time: {}", worst.0, worst.1);
    assert!(worst.0 < RATIO_MAX, "{} is not linear", worst.1);
}

/// The least of several times that a message takes to be judged and answered.
fn cost(header: &str, filler: &str, length: usize) -> Duration {
    let message = format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
         {header}{}\r\n\r\n",
        filler.repeat(length / filler.len())
    );
    let times = (0..15).map(|_| {
        let begun = Instant::now();
        black_box(Verdict::of(black_box(message.as_bytes())));
        begun.elapsed()
    });
    times.min().unwrap_or_default()
}
