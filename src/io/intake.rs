//! What may reach the parser: messages of those that we know, and of each no more than one core can take apart beside its
//! other work.
//!
//! A datagram costs its sender nothing. Strangers' are dropped as they are read; of a known address so many messages pass,
//! and the rest is dropped unread, for SIP sends again what it needs (RFC 3261 section 17).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Requests a second that a trunk may send for long: the hang-ups of three times the calls that we can make in a second.
const REQUESTS_A_SECOND: f64 = 1_000.0;

/// Responses a second: several to each INVITE of the fastest campaign.
const RESPONSES_A_SECOND: f64 = 20_000.0;

/// What may come at once: all calls end together when a trunk does.
const BURST: Duration = Duration::from_secs(4);

/// Addresses whose messages are counted; there are no more trunks than this.
const SOURCES_MAX: usize = 4_096;

/// How often a flood is written of.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// The gate before the parser.
#[derive(Debug, Default)]
pub struct Intake {
    sources: HashMap<IpAddr, Budget>,
    dropped: u64,
    noted: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Budget {
    requests: f64,
    responses: f64,
    at: Instant,
}

impl Intake {
    /// Whether a message of a known address goes to the parser.
    pub fn admits(&mut self, now: Instant, source: IpAddr, bytes: &[u8]) -> bool {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sources.clear();
        }
        let burst = BURST.as_secs_f64();
        let full =
            Budget { requests: REQUESTS_A_SECOND * burst, responses: RESPONSES_A_SECOND * burst, at: now };
        let budget = self.sources.entry(source).or_insert(full);
        let seconds = now.saturating_duration_since(budget.at).as_secs_f64();
        budget.at = now;
        budget.requests = (budget.requests + seconds * REQUESTS_A_SECOND).min(full.requests);
        budget.responses = (budget.responses + seconds * RESPONSES_A_SECOND).min(full.responses);
        let left = if bytes.starts_with(b"SIP/") { &mut budget.responses } else { &mut budget.requests };
        if *left >= 1.0 {
            *left -= 1.0;
            return true;
        }
        self.dropped += 1;
        if self.noted.is_none_or(|noted| now >= noted + NOTE_EVERY) {
            self.noted = Some(now);
            tracing::warn!(%source, dropped = self.dropped, "more SIP messages than are taken from one address");
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_25_a_flood_of_requests_is_cut_to_its_budget_and_leaves_that_of_responses_and_of_others_alone() {
        let mut intake = Intake::default();
        let (flooding, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let start = Instant::now();
        let mut admitted = 0.0;
        for packet in 0..100_000u32 {
            let now = start + Duration::from_micros(50) * packet;
            admitted += f64::from(u8::from(intake.admits(now, flooding, b"OPTIONS sip:us SIP/2.0")));
        }
        let allowed = REQUESTS_A_SECOND * (5.0 + BURST.as_secs_f64());
        assert!((admitted - allowed).abs() < 2.0, "{admitted} of 20,000 a second for 5 s");
        let now = start + Duration::from_secs(5);
        assert!(intake.admits(now, flooding, b"SIP/2.0 200 OK"));
        assert!(intake.admits(now, other, b"BYE sip:us SIP/2.0"));
    }
}
