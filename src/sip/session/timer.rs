//! Session timers: RFC 4028. A call whose far side has gone without a word does not stay up for ever.
//!
//! ```text
//!  we refresh                           the peer refreshes
//!  0          1/2        1 - min(32 s, 1/3)   1   of the session interval
//!  |-----------|-----------------|------------|
//!  2xx      our UPDATE,        BYE, if no 2xx to ours
//!           or re-INVITE       or no refresh of theirs came
//! ```
//!
//! Every 2xx to an INVITE or an UPDATE of either side settles interval and refresher anew (sections 7.2 and 9); without
//! Session-Expires in it the session does not expire.

use std::time::Duration;

use super::super::header::list::split;
use super::super::message::{Headers, Request, Response};
use crate::time::Instant;

/// No interval is shorter (section 4).
pub(crate) const INTERVAL_MIN: Duration = Duration::from_secs(90);
/// A server may not drive ours up beyond this.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// How often an interval may be called too small in one call, by one proxy after the other.
const RAISES_MAX: u8 = 4;
/// A refresh that was refused for a reason that may pass is tried again no sooner than this.
const RETRY_MIN: Duration = Duration::from_secs(2);

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Send a refresh.
    Refresh,
    /// Nobody refreshed the session: end it.
    Expired,
}

/// One session's timer.
#[derive(Debug)]
pub(super) struct SessionTimer {
    /// The interval that we ask for; none: we know nothing of session timers.
    wanted: Option<Duration>,
    /// The least that some server on the way takes (Min-SE).
    least: Duration,
    raises: u8,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    interval: Duration,
    /// Whether the refreshes are ours to send.
    ours: bool,
    since: Instant,
    /// When our next refresh leaves; none while one is under way.
    refresh_at: Option<Instant>,
}

impl Running {
    fn new(now: Instant, interval: Duration, ours: bool) -> Self {
        Running { interval, ours, since: now, refresh_at: ours.then_some(now + interval / 2) }
    }

    /// Section 10: some time before the end, so that the BYE still finds the way that proxies keep.
    fn ends_at(&self) -> Instant {
        self.since + (self.interval - (self.interval / 3).min(Duration::from_secs(32)))
    }
}

impl SessionTimer {
    pub(super) fn new(wanted: Option<Duration>) -> Self {
        let wanted = wanted.map(|interval| interval.clamp(INTERVAL_MIN, INTERVAL_MAX));
        SessionTimer { wanted, least: INTERVAL_MIN, raises: 0, running: None }
    }

    /// Whether we know session timers at all.
    pub(super) fn is_on(&self) -> bool {
        self.wanted.is_some()
    }

    /// What an INVITE or an UPDATE of ours says of it (sections 7.1 and 7.4). The first one leaves open who refreshes.
    pub(super) fn ask(&self, headers: &mut Headers) {
        let Some(wanted) = self.wanted else { return };
        let value = match &self.running {
            Some(running) => {
                let interval = running.interval.max(self.least).as_secs();
                format!("{interval};refresher={}", if running.ours { "uac" } else { "uas" })
            }
            None => wanted.max(self.least).as_secs().to_string(),
        };
        headers.set("Session-Expires", &value);
        if self.least > INTERVAL_MIN {
            headers.set("Min-SE", &self.least.as_secs().to_string());
        }
    }

    /// Takes a 422 to heart (section 7.3): true when the request may be sent again with a longer interval.
    pub(super) fn raise(&mut self, response: &Response) -> bool {
        let least = response.headers().get("Min-SE").and_then(seconds);
        let Some(least) = least.filter(|least| (INTERVAL_MIN..=INTERVAL_MAX).contains(least)) else {
            return false;
        };
        let Some(wanted) = self.wanted else { return false };
        let asked = self.running.as_ref().map_or(wanted.max(self.least), |running| running.interval);
        if least <= asked || self.raises >= RAISES_MAX {
            return false;
        }
        self.raises += 1;
        self.least = self.least.max(least);
        if let Some(running) = &mut self.running {
            running.interval = running.interval.max(least);
        }
        true
    }

    /// What a 2xx to a request of ours has settled.
    pub(super) fn settle(&mut self, now: Instant, headers: &Headers) {
        if self.wanted.is_none() {
            return;
        }
        self.running = headers.get("Session-Expires").and_then(expires).map(|(interval, refresher)| {
            Running::new(now, interval.max(INTERVAL_MIN), refresher != Some(Refresher::Uas))
        });
    }

    /// Whether the interval of a peer's request is too small for us (section 9).
    pub(super) fn is_too_small(&self, request: &Request) -> bool {
        let asked = request.headers().get("Session-Expires").and_then(expires);
        self.is_on() && knows_timers(request) && asked.is_some_and(|(interval, _)| interval < INTERVAL_MIN)
    }

    /// Settles what a request of the peer asks for, and says so in its 2xx (section 9).
    pub(super) fn answer(&mut self, now: Instant, request: &Request, headers: &mut Headers) {
        if self.wanted.is_none() {
            return;
        }
        let knows = knows_timers(request);
        let was_ours = self.running.as_ref().map(|running| running.ours);
        let (interval, theirs) = match request.headers().get("Session-Expires").and_then(expires) {
            Some((interval, Some(refresher))) => (interval, refresher == Refresher::Uac),
            // Whoever refreshes now goes on; a proxy may have asked in the name of a peer that cannot.
            Some((interval, None)) => (interval, knows && was_ours != Some(true)),
            None => match &self.running {
                Some(running) if knows || running.ours => (running.interval, !running.ours),
                Some(_) | None => {
                    self.running = None;
                    return;
                }
            },
        };
        let interval = interval.max(INTERVAL_MIN);
        self.running = Some(Running::new(now, interval, !theirs));
        let refresher = if theirs { "uac" } else { "uas" };
        headers.push("Session-Expires", &format!("{};refresher={refresher}", interval.as_secs()));
        if knows {
            headers.push("Require", "timer");
        }
    }

    /// Our refresh was refused, but not for ever.
    pub(super) fn retry(&mut self, now: Instant) {
        if let Some(running) = &mut self.running
            && running.ours
        {
            let left = running.ends_at().max(now) - now;
            running.refresh_at = Some(now + (left / 2).max(RETRY_MIN));
        }
    }

    /// What there is to do now; a refresh is asked for once.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.ends_at() <= now {
            self.running = None;
            return Some(Due::Expired);
        }
        running.refresh_at.filter(|at| *at <= now)?;
        running.refresh_at = None;
        Some(Due::Refresh)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        Some(running.refresh_at.map_or(running.ends_at(), |at| at.min(running.ends_at())))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answered it.
    Uas,
}

fn knows_timers(request: &Request) -> bool {
    request.headers().lists("Supported", "timer") || request.headers().lists("Require", "timer")
}

/// The value of Session-Expires.
fn expires(value: &str) -> Option<(Duration, Option<Refresher>)> {
    let mut parts = split(value, b';');
    let interval = seconds(parts.next()?)?;
    let refresher = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        match value.trim().to_ascii_lowercase().as_str() {
            "uac" if name.trim().eq_ignore_ascii_case("refresher") => Some(Refresher::Uac),
            "uas" if name.trim().eq_ignore_ascii_case("refresher") => Some(Refresher::Uas),
            _ => None,
        }
    });
    Some((interval, refresher))
}

/// Seconds, before parameters if there are any.
fn seconds(value: &str) -> Option<Duration> {
    let number = value.split(';').next().unwrap_or_default().trim();
    number.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into()))
}
