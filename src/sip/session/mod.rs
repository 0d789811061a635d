//! One call that we make: RFC 3261 sections 9, 13, 14 and 15.
//!
//! ```text
//!  invite
//!    |
//!    v       1xx        +------------+      2xx: ACK       +-----------+
//! +---------+---------->| Proceeding |-------------------->| Confirmed |
//! | Calling |           +------------+          +--------->|           |
//! +---------+---------------|-------------------+          +-----------+
//!    |  | hang up           | hang up: CANCEL       2xx: ACK     |
//!    |  v       1xx:        v                                    | BYE, ours or theirs
//!    | +---------+ CANCEL +------------+                         |
//!    | | Leaving |------->| Cancelling |                         |
//!    | +---------+        +------------+                         |
//!    |   |                  | 487, other refusal, silence        |
//!    |   |                  | 2xx: ACK and BYE at once           |
//!    v   v                  v                                    v
//!  +-----------------------------------------------------------------+
//!  |                              Ended                              |
//!  +-----------------------------------------------------------------+
//! ```
//!
//! A CANCEL may leave only after a provisional response (section 9.1): until then a session that was hung up is
//! Leaving. `Ended` is said with the first BYE; what lingers of it belongs to [`super::late`].
//!
//! | file | what it does |
//! |---|---|
//! | `dial` | the INVITE and its responses |
//! | `inbound` | requests of the peer within the dialog |
//! | `info` | INFOs that we send |
//! | `exchange` | offers and answers once the call is up |
//! | `prack` | reliable provisional responses |
//! | `remains` | what is to be known of the call when we are not there any more |
//! | `refer` | transfers that the peer or we ask for |
//! | `timer` | when the session must be refreshed, and when it has died |

mod dial;
mod exchange;
mod inbound;
mod info;
mod prack;
mod refer;
mod remains;
mod timer;

use std::time::Duration;

use super::ack::AckId;
use super::authentication::Authentication;
use super::content::description as sdp_of;
use super::dialog::Dialog;
use super::event::{Event, SessionEvent, SessionKey};
use super::header::{NameAddr, Reason};
use super::late::{self, Farewell, Late};
use super::message::Headers;
use super::options::{Extensions, HangUpReason};
use super::remains::branch_of;
use super::stack::{ALLOW, Stack};
use super::target::Target;
use super::uri::Uri;
use crate::slab::Key;
use crate::time::Instant;
use exchange::Exchange;
use info::Infos;
use refer::Referrals;
use timer::{Due, SessionTimer};

pub(crate) use dial::{draw_names, from_with_tag, prepare};
pub(crate) use prack::Reliability;

/// The most early dialogs that one INVITE may make; more forks than this are not kept apart until one answers.
const EARLY_DIALOGS_MAX: usize = 8;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
    trunk: Target,
    callee: Uri,
    call_id: String,
    local_tag: String,
    /// From with our tag, and To, as the INVITE has them.
    parties: (String, String),
    /// The branch and the number of the first INVITE.
    first: (String, u32),
    /// How often the INVITE was sent anew, with another branch and number.
    tries: u32,
    /// How often it was for a challenge.
    challenges: u8,
    /// The user part of our Contact.
    contact_user: String,
    authentication: Authentication,
    response_timeout: Duration,
    state: State,
    /// Early dialogs; once confirmed, the one that was.
    dialogs: Vec<Dialog>,
    /// Tags of forks that hung up before their 2xx was heard.
    left: Vec<String>,
    exchange: Exchange,
    /// Our side of the session, as it was last agreed upon.
    description: Vec<u8>,
    timer: SessionTimer,
    extensions: Extensions,
    referrals: Referrals,
    infos: Infos,
    /// The ACK of the 2xx, while the caller wants it held, and when it leaves at the latest.
    held_ack: Option<(AckId, Instant)>,
    /// Our next offer, until there is a time for it.
    next_offer: Option<exchange::NextOffer>,
    /// The alarm that is set for it.
    pub(crate) armed: Option<Instant>,
}

#[derive(Clone, Debug)]
enum State {
    Prepared,
    /// Nothing was heard yet.
    Calling {
        invite: Key,
        give_up: Instant,
    },
    /// As Calling, but hung up.
    Leaving {
        invite: Key,
        give_up: Instant,
        reason: Option<HangUpReason>,
    },
    Proceeding {
        invite: Key,
    },
    Cancelling {
        invite: Key,
    },
    Confirmed,
    Ended,
}

impl Session {
    /// Names the session in the endpoint's index: every request of the peer carries both.
    pub(crate) fn index(&self) -> (String, String) {
        (self.call_id.clone(), self.local_tag.clone())
    }

    /// Whether it can be forgotten.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether `transaction` is the INVITE that is waited for, not one that was challenged and sent again.
    pub(crate) fn dials(&self, transaction: Key) -> bool {
        match &self.state {
            State::Calling { invite, .. }
            | State::Leaving { invite, .. }
            | State::Proceeding { invite }
            | State::Cancelling { invite } => *invite == transaction,
            State::Prepared | State::Confirmed | State::Ended => false,
        }
    }

    /// How many dialogs it has.
    pub(crate) fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// Lets the ACK go that was held; whatever else is sent in the dialog comes after it.
    pub(crate) fn acknowledge(&mut self, stack: &mut Stack) {
        if let Some((id, _)) = self.held_ack.take() {
            stack.release_ack(&id);
        }
    }

    /// Ends the call by whatever means its state calls for.
    pub(crate) fn hang_up(&mut self, now: Instant, stack: &mut Stack, reason: Option<HangUpReason>) {
        match self.state.clone() {
            State::Calling { invite, give_up } => {
                stack.layer.forbid_fallback(invite);
                self.state = State::Leaving { invite, give_up, reason };
            }
            State::Proceeding { invite } => self.cancel(now, stack, invite, reason),
            State::Confirmed => self.leave(now, stack, reason),
            State::Prepared | State::Leaving { .. } | State::Cancelling { .. } | State::Ended => {}
        }
    }

    /// The deadline it asked for has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        if self.held_ack.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.acknowledge(stack);
        }
        match self.state.clone() {
            State::Calling { invite, give_up } | State::Leaving { invite, give_up, .. } if give_up <= now => {
                let late = self.late();
                late::abandon(now, stack, invite, late);
                self.emit(stack, SessionEvent::NoResponse);
                self.end(now, stack);
            }
            State::Confirmed => match self.timer.due(now) {
                Some(Due::Expired) => self.expire(now, stack),
                Some(Due::Refresh) => self.refresh(now, stack),
                None => self.handle_exchange_timeout(now, stack),
            },
            State::Calling { .. } | State::Leaving { .. } | State::Proceeding { .. } => {
                self.handle_exchange_timeout(now, stack);
            }
            State::Prepared | State::Cancelling { .. } | State::Ended => {}
        }
    }

    /// When it wants to be woken.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Calling { give_up, .. } | State::Leaving { give_up, .. } => Some(*give_up),
            State::Confirmed => self.timer.poll_timeout(),
            State::Prepared | State::Proceeding { .. } | State::Cancelling { .. } => None,
            State::Ended => return None,
        };
        let held = self.held_ack.as_ref().map(|(_, until)| *until);
        // The end of a cancelled INVITE ends all: nobody waits for what was offered before.
        let cancelled = matches!(self.state, State::Cancelling { .. });
        let exchange = if cancelled { None } else { self.poll_exchange_timeout() };
        [own, held, exchange].into_iter().flatten().min()
    }

    /// Nobody has refreshed the session in time (RFC 4028 section 10).
    fn expire(&mut self, now: Instant, stack: &mut Stack) {
        let reason = "the session timer ran out".to_owned();
        let told = SessionEvent::HungUp { q850: Some(102), reason: reason.clone(), vanished: true };
        self.emit(stack, told);
        self.leave(now, stack, Some(HangUpReason { q850: 102, text: reason }));
    }

    /// BYE, and the session is over at once.
    fn leave(&mut self, now: Instant, stack: &mut Stack, reason: Option<HangUpReason>) {
        self.acknowledge(stack);
        // Its last report leaves in the dialog that the BYE ends.
        self.end_referrals(now, stack);
        let authentication = std::mem::replace(&mut self.authentication, Authentication::new(None));
        if let Some(dialog) = self.dialogs.last_mut() {
            let farewell = Farewell { authentication, session: Some(self.key) };
            stack.bye(now, dialog, self.trunk, farewell, reason.as_ref());
        }
        self.end(now, stack);
    }

    fn end(&mut self, now: Instant, stack: &mut Stack) {
        self.acknowledge(stack);
        self.refuse_pending_offer(now, stack);
        self.abandon_own_offer(now, stack);
        self.end_referrals(now, stack);
        self.state = State::Ended;
        self.exchange = Exchange::Idle;
        self.next_offer = None;
        self.infos = Infos::default();
        self.dialogs.clear();
        self.emit(stack, SessionEvent::Ended);
        if !stack.takes_leave(self.key) {
            stack.emit(Event::Parted { key: self.key });
        }
    }

    /// What its INVITE leaves to be known when others than the call's own dialog may yet answer it.
    fn late(&mut self) -> Late {
        let dialogs = std::mem::take(&mut self.dialogs);
        Late::of_call(self.trunk, self.authentication.sibling(), dialogs, self.left.clone())
    }

    fn emit(&self, stack: &mut Stack, event: SessionEvent) {
        stack.emit(Event::Session { key: self.key, event });
    }

    /// The methods that it takes.
    fn allow(&self) -> String {
        if self.extensions.transfer { format!("{ALLOW}, REFER, NOTIFY") } else { ALLOW.to_owned() }
    }

    /// The extensions that it knows.
    fn supported(&self) -> String {
        self.extensions.supported()
    }

    fn branch(&self) -> String {
        branch_of(&self.first.0, self.tries)
    }

    fn contact(&self, stack: &Stack) -> String {
        stack.contact(self.trunk, &self.contact_user)
    }
}

/// The Q.850 cause and the words of a message's Reason headers.
fn reason_of(headers: &Headers) -> (Option<u16>, String) {
    let reasons: Vec<Reason> = headers.all("Reason").filter_map(|value| Reason::parse(value).ok()).collect();
    let q850 = reasons.iter().find_map(Reason::q850);
    let told = reasons.iter().find(|reason| reason.q850().is_some()).or(reasons.first());
    (q850, told.map(|reason| reason.text.clone()).unwrap_or_default())
}

/// Contacts of one response that are told.
const CONTACTS_MAX: usize = 8;

/// In the order in which they are to be tried: by `q`, of which a Contact without one has the most, and as they came
/// (RFC 3261 section 20.10).
fn contact_uris(headers: &Headers) -> Vec<String> {
    let mut contacts = headers.contacts();
    contacts.sort_by_key(|contact| std::cmp::Reverse(thousandths(contact.parameters.get("q"))));
    contacts.into_iter().map(|NameAddr { uri, .. }| uri.to_string()).take(CONTACTS_MAX).collect()
}

/// A `qvalue` (RFC 3261 section 25.1) in thousandths; what is none counts as the least.
fn thousandths(q: Option<&str>) -> u16 {
    let Some(q) = q else { return 1_000 };
    let value: f32 = q.parse().unwrap_or(0.0);
    (value.clamp(0.0, 1.0) * 1_000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_told_by_their_q_and_as_they_came() {
        let mut headers = Headers::default();
        headers.push("Contact", "<sip:1@h>;q=0.1, <sip:2@h>;q=0.95, <sip:3@h>;q=odd");
        headers.push("Contact", "<sip:4@h>, <sip:5@h>;q=1.0, <sip:6@h>;q=0.95, <sip:7@h>;q=NaN");
        let order: Vec<String> = contact_uris(&headers).iter().map(|uri| uri[4..5].to_owned()).collect();
        assert_eq!(order.concat(), "4526137");
    }

    #[test]
    fn the_q850_reason_speaks_before_others() {
        let mut headers = Headers::default();
        headers.push("Reason", "SIP;cause=480;text=\"sip\"");
        assert_eq!(reason_of(&headers), (None, "sip".to_owned()));
        headers.push("Reason", "Q.850;cause=19;text=\"no answer\"");
        assert_eq!(reason_of(&headers), (Some(19), "no answer".to_owned()));
    }
}
