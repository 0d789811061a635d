//! A registration that is kept: RFC 3261 section 10.2, seen by the client.
//!
//! ```text
//!   register                     2xx                    refresh is due
//!   -------> +-------------+ ------------> +------------+ -------+
//!            | Registering |               | Registered |        |
//!       +--> +-------------+ <-----------------------------------+
//!       |        | | failure,   ^ 401, 407: digest;      | unregister
//!       | again, | | silence    | 423: longer            |
//!       | moved  | |            |                        |
//!       |        v |            |                        v
//!     +---------+  | unregister is asked for      +---------------+   any answer
//!     | Resting |  +----------------------------> | Unregistering | --------------> gone
//!     +---------+                                 +---------------+   or silence
//! ```

use std::time::Duration;

use super::authentication::Authentication;
use super::digest::Credentials;
use super::event::{Event, Leave, RegistrationEvent, RegistrationKey};
use super::header::{NameAddr, retry_after};
use super::malformed::Malformed;
use super::message::{Request, Response};
use super::method::Method;
use super::options::{Refused, Registration};
use super::stack::Stack;
use super::target::Target;
use super::transaction::owner::Owner;
use super::uri::Uri;
use crate::slab::Key;
use crate::time::Instant;

/// The first pause after a failure; it doubles.
const REST_MIN: Duration = Duration::from_secs(5);
/// The longest pause of our own choice: the default of RFC 5626 section 4.5.
const REST_MAX: Duration = Duration::from_secs(1_800);
/// The longest pause that a registrar may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How much before its end a registration is refreshed: time for a lost request to be sent again.
const REFRESH_AHEAD_MAX: Duration = Duration::from_secs(60);
/// The longest that a registrar can want us to register for, or be believed to.
const EXPIRES_MAX: Duration = Duration::from_secs(86_400);
/// The shortest time between two refreshes, unless that is longer than the registration.
const REFRESH_MIN: Duration = Duration::from_secs(5);
/// Hops of a Service-Route: a longer one leads nowhere.
const SERVICE_ROUTE_MAX: usize = 8;
/// How often in a row a registrar may ask for a longer time.
const LONGER_MAX: u8 = 2;

/// The machine of one registration.
#[derive(Debug)]
pub(crate) struct Registrar {
    key: RegistrationKey,
    wanted: Registration,
    expires: Duration,
    contact: String,
    from: String,
    to: String,
    call_id: String,
    number: u32,
    authentication: Authentication,
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Times in a row that the registrar asked for a longer time.
    longer: u8,
    /// Through where requests should go while it is registered (RFC 3608), as values of Route.
    service_route: Vec<String>,
    /// Whether to unregister once the answer is there.
    leaving: bool,
    /// The alarm that is set for it.
    pub(crate) armed: Option<Instant>,
}

/// `bound` is until when the registrar keeps what it has of us, as far as we know.
#[derive(Clone, Copy, Debug)]
enum State {
    Registering { transaction: Option<Key>, bound: Option<Instant> },
    Registered { refresh: Instant, bound: Instant },
    Resting { until: Instant, bound: Option<Instant> },
    Unregistering { transaction: Option<Key> },
    Gone,
}

impl Registrar {
    /// Checks what is to be registered.
    pub(crate) fn prepare(stack: &mut Stack, wanted: Registration) -> Result<Registrar, Refused> {
        let unusable = |part| move |fault: Malformed| Refused::Unusable { part, fault: fault.to_string() };
        Uri::parse(&wanted.registrar_uri).map_err(unusable("the registrar's URI"))?;
        let aor = NameAddr::new(Uri::parse(&wanted.aor).map_err(unusable("the address of record"))?);
        let contact = stack.contact(wanted.target, &wanted.contact_user);
        NameAddr::parse(&contact).map_err(unusable("the Contact"))?;
        Ok(Registrar {
            key: Key::from_u64(0),
            expires: wanted.expires,
            contact,
            to: aor.to_string(),
            from: aor.with_tag(&stack.rng.token(12)).to_string(),
            call_id: stack.rng.token(24),
            number: stack.rng.between(1, 10_000) as u32,
            authentication: Authentication::new(wanted.credentials.clone()),
            state: State::Gone,
            failures: 0,
            longer: 0,
            service_route: Vec::new(),
            leaving: false,
            armed: None,
            wanted,
        })
    }

    /// Registers under the key that it was given.
    pub(crate) fn begin(&mut self, now: Instant, stack: &mut Stack, key: RegistrationKey) {
        self.key = key;
        self.register(now, stack);
    }

    /// Takes the registration back.
    pub(crate) fn unregister(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Registering { .. } => self.leaving = true,
            State::Registered { .. } => self.send_unregister(now, stack),
            State::Resting { bound: Some(bound), .. } if bound > now => self.send_unregister(now, stack),
            State::Resting { .. } => self.finish(stack, Leave::Needless),
            State::Unregistering { .. } | State::Gone => {}
        }
    }

    /// Registers there, with these credentials and for this long from now on, at once; what it is registered as stays. A
    /// request under way is not sent again to the same address: its challenge is answered with the new credentials.
    pub(crate) fn renew(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        target: Target,
        credentials: Option<Credentials>,
        expires: Duration,
    ) {
        self.authentication = Authentication::new(credentials);
        (self.wanted.expires, self.expires) = (expires, expires);
        self.failures = 0;
        let before = self.wanted.target;
        if (before.transport, before.address) != (target.transport, target.address) {
            return self.move_to(now, stack, target, now);
        }
        match self.state {
            State::Registered { .. } | State::Resting { .. } => self.register(now, stack),
            State::Registering { .. } | State::Unregistering { .. } | State::Gone => {}
        }
    }

    /// Goes on at another address of the same registrar, from `due` on: with the same Call-ID, so that it is one
    /// registration to them all. What is under way elsewhere is not waited for.
    pub(crate) fn move_to(&mut self, now: Instant, stack: &mut Stack, target: Target, due: Instant) {
        if self.leaving || matches!(self.state, State::Unregistering { .. } | State::Gone) {
            return;
        }
        self.wanted.target = target;
        self.contact = stack.contact(target, &self.wanted.contact_user);
        self.service_route.clear();
        if due <= now {
            self.register(now, stack);
        } else {
            self.state = State::Resting { until: due, bound: self.bound() };
        }
    }

    /// Where a new request of ours goes first, as Route headers: what the last registration said, and before it the outbound
    /// proxy, if there is one (RFC 3608 section 6.1).
    pub(crate) fn service_route(&self, stack: &Stack) -> Vec<(String, String)> {
        let proxy = stack.options.access.get(self.wanted.target.access).route.as_ref();
        let proxy = proxy.filter(|proxy| self.service_route.first().is_some_and(|top| !is_same(proxy, top)));
        let routes = proxy.into_iter().chain(&self.service_route);
        routes.map(|route| ("Route".to_owned(), route.clone())).collect()
    }

    /// Whether it can be forgotten.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// A response to a REGISTER.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: Key,
        response: &Response,
        sent: &[u8],
    ) {
        if response.is_provisional() || !self.awaits(transaction) {
            return;
        }
        if let Some(request) = self.authentication.retry(&mut stack.rng, sent, response) {
            return self.send(now, stack, request);
        }
        match (self.state, response.status()) {
            (State::Registering { .. }, 200..=299) => self.succeed(now, stack, response),
            (State::Registering { .. }, 423) if self.lengthen(response) => self.register(now, stack),
            (State::Registering { .. }, status) => {
                let asked = response.headers().get("Retry-After").and_then(retry_after);
                self.fail(now, stack, status, asked);
            }
            (State::Unregistering { .. }, 200..=299) => self.finish(stack, Leave::Confirmed),
            (State::Unregistering { .. }, _) => self.finish(stack, Leave::Unconfirmed),
            (State::Registered { .. } | State::Resting { .. } | State::Gone, _) => {}
        }
    }

    /// Nothing came, or the transport failed.
    pub(crate) fn handle_silence(&mut self, now: Instant, stack: &mut Stack, transaction: Key) {
        if !self.awaits(transaction) {
            return;
        }
        match self.state {
            State::Registering { .. } => self.fail(now, stack, 408, None),
            State::Unregistering { .. } => self.finish(stack, Leave::Unconfirmed),
            State::Registered { .. } | State::Resting { .. } | State::Gone => {}
        }
    }

    /// The deadline it asked for has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        match &mut self.state {
            State::Registered { .. } | State::Resting { .. } => self.register(now, stack),
            State::Registering { bound, .. } => {
                *bound = None;
                self.service_route.clear();
                self.emit(stack, RegistrationEvent::Lapsed);
            }
            State::Unregistering { .. } | State::Gone => {}
        }
    }

    /// When it wants to be woken.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Registered { refresh: due, .. } | State::Resting { until: due, .. } => Some(due),
            State::Registering { bound, .. } => bound,
            State::Unregistering { .. } | State::Gone => None,
        }
    }

    fn bound(&self) -> Option<Instant> {
        match self.state {
            State::Registered { bound, .. } => Some(bound),
            State::Registering { bound, .. } | State::Resting { bound, .. } => bound,
            State::Unregistering { .. } | State::Gone => None,
        }
    }

    fn register(&mut self, now: Instant, stack: &mut Stack) {
        let bound = self.bound().filter(|bound| *bound > now);
        self.state = State::Registering { transaction: None, bound };
        self.authentication.begin();
        let request = self.request(stack, self.expires);
        self.send(now, stack, request);
    }

    fn send_unregister(&mut self, now: Instant, stack: &mut Stack) {
        self.state = State::Unregistering { transaction: None };
        self.authentication.begin();
        let request = self.request(stack, Duration::ZERO);
        self.send(now, stack, request);
    }

    fn request(&mut self, stack: &mut Stack, expires: Duration) -> Request {
        self.number = self.number.wrapping_add(1);
        let mut request = Request::new(Method::Register, &self.wanted.registrar_uri);
        let headers = request.headers_mut();
        headers.push("Max-Forwards", "70");
        headers.push("From", &self.from);
        headers.push("To", &self.to);
        headers.push("Call-ID", &self.call_id);
        headers.push("CSeq", &format!("{} REGISTER", self.number));
        headers.push("Contact", &self.contact);
        headers.push("Expires", &expires.as_secs().to_string());
        // Proxies on the way may ask to be on the way back; to us it is all one (RFC 3327 section 5.1).
        headers.push("Supported", "path");
        stack.add_user_agent(&mut request);
        self.authentication.apply(&mut stack.rng, &mut request);
        request
    }

    fn send(&mut self, now: Instant, stack: &mut Stack, request: Request) {
        if let Ok(cseq) = request.headers().cseq() {
            self.number = cseq.number;
        }
        let sent = stack.send(now, self.wanted.target, request, Owner::Registration(self.key));
        match (&mut self.state, sent) {
            (State::Registering { transaction, .. } | State::Unregistering { transaction }, Ok(key)) => {
                *transaction = Some(key);
            }
            (State::Registering { .. }, Err(_)) => self.fail(now, stack, 503, None),
            (State::Unregistering { .. }, Err(_)) => self.finish(stack, Leave::Unconfirmed),
            (State::Registered { .. } | State::Resting { .. } | State::Gone, _) => {}
        }
    }

    fn awaits(&self, answered: Key) -> bool {
        match self.state {
            State::Registering { transaction, .. } | State::Unregistering { transaction } => {
                transaction == Some(answered)
            }
            State::Registered { .. } | State::Resting { .. } | State::Gone => false,
        }
    }

    fn succeed(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        self.longer = 0;
        self.authentication.note_accepted(response);
        self.service_route = service_route(response);
        let expires = granted(response, &self.contact).unwrap_or(self.expires);
        let expires = expires.min(EXPIRES_MAX.max(self.expires));
        if expires.is_zero() {
            // A binding that lasts no time is none (sections 10.2.2 and 10.3 step 7).
            self.state = State::Registering { transaction: None, bound: None };
            return self.fail(now, stack, response.status(), None);
        }
        self.failures = 0;
        let ahead = (expires / 4).min(REFRESH_AHEAD_MAX);
        let refresh = if expires <= REFRESH_MIN { expires / 2 } else { (expires - ahead).max(REFRESH_MIN) };
        let refresh = now + refresh;
        self.state = State::Registered { refresh, bound: now + expires };
        self.emit(stack, RegistrationEvent::Registered { expires });
        if self.leaving {
            self.send_unregister(now, stack);
        }
    }

    /// 423: the registrar wants fewer refreshes (section 10.2.8).
    fn lengthen(&mut self, response: &Response) -> bool {
        let least = response.headers().get("Min-Expires").and_then(|text| text.trim().parse().ok());
        let Some(least) = least.map(Duration::from_secs) else { return false };
        if least <= self.expires || least > EXPIRES_MAX || self.longer >= LONGER_MAX {
            return false;
        }
        self.longer += 1;
        self.expires = least;
        true
    }

    fn fail(&mut self, now: Instant, stack: &mut Stack, status: u16, asked: Option<Duration>) {
        let is_bound = self.bound().is_some_and(|bound| bound > now);
        // A silent registrar may have us all the same, and is not asked again.
        match (self.leaving, status) {
            (true, 408) => return self.finish(stack, Leave::Unconfirmed),
            (true, _) if is_bound => return self.send_unregister(now, stack),
            (true, _) => return self.finish(stack, Leave::Needless),
            (false, _) => {}
        }
        let own = (REST_MIN * 2u32.pow(self.failures.min(9))).min(REST_MAX);
        // Many engines that lost one registrar at once must not come back at once: anywhere in the upper half of the pause
        // (RFC 5626 section 4.5).
        let spread = own.mul_f64(0.5 + 0.5 * stack.rng.unit());
        let retry_in = asked.map_or(spread, |asked| asked.min(RETRY_AFTER_MAX).max(spread));
        self.failures += 1;
        self.longer = 0;
        self.expires = self.wanted.expires;
        self.service_route.clear();
        self.state = State::Resting { until: now + retry_in, bound: self.bound() };
        self.emit(stack, RegistrationEvent::Failed { status, retry_in });
    }

    fn finish(&mut self, stack: &mut Stack, leave: Leave) {
        self.state = State::Gone;
        self.emit(stack, RegistrationEvent::Unregistered { leave });
    }

    fn emit(&self, stack: &mut Stack, event: RegistrationEvent) {
        stack.emit(Event::Registration { key: self.key, event });
    }
}

/// The Service-Route of a 2xx, whole or not at all: a route with a gap leads elsewhere, and one to a strict router would
/// lose the callee (RFC 3608 section 6.1 asks for loose ones).
fn service_route(response: &Response) -> Vec<String> {
    let values: Vec<&str> = response.headers().all("Service-Route").collect();
    let routes: Result<Vec<NameAddr>, Malformed> =
        values.iter().map(|value| NameAddr::parse(value)).collect();
    match routes {
        Ok(routes)
            if routes.len() <= SERVICE_ROUTE_MAX
                && routes.iter().all(|route| route.uri.is_sip() && route.uri.has_parameter("lr")) =>
        {
            routes.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether two routes lead through the same host.
fn is_same(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (NameAddr::parse(one), NameAddr::parse(other)) else { return false };
    one.uri.host().eq_ignore_ascii_case(other.uri.host()) && one.uri.port() == other.uri.port()
}

/// How long the registrar keeps our Contact (section 10.3 step 8): its own parameter before the header.
fn granted(response: &Response, contact: &str) -> Option<Duration> {
    let ours = NameAddr::parse(contact).ok()?;
    let contacts = response.headers().contacts();
    let same = |known: &&NameAddr| {
        (known.uri.user(), known.uri.host(), known.uri.port())
            == (ours.uri.user(), ours.uri.host(), ours.uri.port())
    };
    let listed = contacts.iter().find(same).or(contacts.first().filter(|_| contacts.len() == 1));
    let seconds = listed.and_then(|known| known.parameters.get("expires")?.parse().ok());
    let seconds = seconds.or_else(|| response.headers().get("Expires")?.trim().parse().ok());
    seconds.map(Duration::from_secs)
}
