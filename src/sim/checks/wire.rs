//! The books of the wire: one call for each Call-ID, which channel it takes, and what must follow its responses at once.
//!
//! They know what the messages at the engine's edge say and nothing else: a call is over when its final response or a BYE
//! has passed, or when it may be given up by the protocol's own times, never because the engine says so.

use super::{Rule, TrunkRules, Violation};
use crate::engine::engine::ACK_HELD_MAX;
use crate::record::DialogRecord;
use crate::sip::header::NameAddr;
use crate::sip::message::{Headers, Message, Request, Response};
use crate::sip::method::Method;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// 64 * T1: for so long the copies of a 2xx are acknowledged (RFC 3261, 13.3.1.4), and a cancelled INVITE's final response
/// is waited for (9.1).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(32);

/// One INVITE's call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub trunk: usize,
    /// The last final response to its INVITE, 0 while there is none.
    pub status: u16,
    /// The phone rang, as far as the engine can know.
    pub rang: bool,
    /// The number of its INVITE, which a challenge moves on.
    number: u32,
    invited_at: Instant,
    /// Any response to this INVITE came.
    heard: bool,
    canceled_at: Option<Instant>,
    /// The tag of the 2xx that made the call.
    tag: Option<String>,
    over: bool,
    /// The engine that made it is gone: the next one has to end it.
    orphaned: bool,
    /// It was in the store when an engine died: the next one does not know what was heard of it, or that it had been given up.
    left: bool,
}

impl Call {
    /// For how long it has been given up by now: no response at all came, or no final one after the CANCEL.
    fn given_up(&self, now: Instant, trunks: &[TrunkRules]) -> Option<Duration> {
        let at = match self.canceled_at {
            _ if self.tag.is_some() => return None,
            Some(at) => at + GIVEN_UP_AFTER,
            None if self.heard || self.orphaned => return None,
            None => self.invited_at + trunks[self.trunk].answer_timeout,
        };
        (now >= at).then(|| now - at)
    }
}

/// What is known of a 2xx: Call-ID, sequence number, To tag.
type Answer = (String, u32, String);

/// What an INVITE is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Invite {
    /// The first of a call.
    New,
    /// A copy, or one within the call.
    Known,
    /// The same call again with credentials.
    Again,
}

/// All calls.
#[derive(Debug)]
pub(super) struct Wire {
    trunks: Vec<TrunkRules>,
    calls: BTreeMap<String, Call>,
    /// Calls that are not over, given up or not.
    active: BTreeSet<String>,
    answers: BTreeMap<Answer, Instant>,
    /// Each with when its ACK must have left.
    unacknowledged: Vec<(Answer, Instant)>,
    unwanted: Vec<Answer>,
    repeated_answers: u64,
}

impl Wire {
    pub fn new(trunks: Vec<TrunkRules>) -> Wire {
        Wire {
            trunks,
            calls: BTreeMap::new(),
            active: BTreeSet::new(),
            answers: BTreeMap::new(),
            unacknowledged: Vec::new(),
            unwanted: Vec::new(),
            repeated_answers: 0,
        }
    }

    pub fn call(&self, call_id: &str) -> Option<&Call> {
        self.calls.get(call_id)
    }

    /// The engine sends an INVITE.
    pub fn handle_invite(&mut self, now: Instant, trunk: usize, call_id: &str, number: u32) -> Invite {
        match self.calls.get_mut(call_id) {
            Some(call) if call.tag.is_some() || number <= call.number => return Invite::Known,
            Some(call) => {
                (call.number, call.invited_at, call.heard) = (number, now, false);
                (call.status, call.over) = (0, false);
                self.active.insert(call_id.to_owned());
                return Invite::Again;
            }
            None => {}
        }
        let call = Call {
            trunk,
            status: 0,
            rang: false,
            number,
            invited_at: now,
            heard: false,
            canceled_at: None,
            tag: None,
            over: false,
            orphaned: false,
            left: false,
        };
        self.calls.insert(call_id.to_owned(), call);
        self.active.insert(call_id.to_owned());
        Invite::New
    }

    /// The engine sends another request within a call.
    pub fn handle_sent(
        &mut self,
        now: Instant,
        call_id: &str,
        request: &Request,
        found: &mut Vec<Violation>,
    ) {
        match request.method() {
            Method::Ack => {
                let answer = answer_of(request.headers());
                self.unacknowledged.retain(|(waiting, _)| *waiting != answer);
            }
            Method::Bye => self.end_dialog(call_id, &tag(request.headers().to())),
            Method::Cancel => {
                let Some(call) = self.calls.get_mut(call_id) else { return };
                if !call.heard && !call.left {
                    let what = "a CANCEL leaves before any response came".to_owned();
                    let rule = Rule::CancelFollowsAResponse;
                    found.push(Violation { rule, call_id: Some(call_id.to_owned()), what });
                }
                call.canceled_at.get_or_insert(now);
            }
            _ => {}
        }
    }

    pub fn handle_received(&mut self, now: Instant, message: &Message) {
        match message {
            Message::Request(request) if *request.method() == Method::Bye => {
                if let Ok(call_id) = request.headers().call_id() {
                    self.end_dialog(call_id, &tag(request.headers().from()));
                }
            }
            Message::Request(_) => {}
            Message::Response(response) => self.handle_response(now, response),
        }
    }

    fn handle_response(&mut self, now: Instant, response: &Response) {
        let headers = response.headers();
        let Ok(cseq) = headers.cseq() else { return };
        let Ok(call_id) = headers.call_id() else { return };
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let status = response.status();
        if cseq.method == Method::Cancel && status == 481 && call.orphaned && cseq.number == call.number {
            // There is no such INVITE; one that was answered is another matter.
            if call.tag.is_none() {
                call.over = true;
                self.active.remove(call_id);
            }
            return;
        }
        if cseq.method == Method::Bye && (200..300).contains(&status) && call.orphaned && call.tag.is_none() {
            // It rang as the engine died, and the refusal of its INVITE was lost: with the dialog the call has ended.
            call.over = true;
            self.active.remove(call_id);
            return;
        }
        if cseq.method != Method::Invite {
            return;
        }
        if (200..300).contains(&status) {
            return self.handle_answer(now, answer_of(headers));
        }
        if call.tag.is_some() || cseq.number != call.number {
            return;
        }
        // Who has been given up stays so, whatever comes late.
        call.over |= call.given_up(now, &self.trunks).is_some_and(|since| !since.is_zero());
        call.heard = true;
        call.rang |= (101..200).contains(&status);
        if status >= 300 {
            (call.status, call.over) = (status, true);
            self.active.remove(call_id);
        }
    }

    fn handle_answer(&mut self, now: Instant, answer: Answer) {
        if let Some(first) = self.answers.get(&answer) {
            self.repeated_answers += 1;
            let is_held = self.unacknowledged.iter().any(|(waiting, _)| *waiting == answer);
            if now - *first < GIVEN_UP_AFTER && !is_held {
                self.unacknowledged.push((answer, now));
            }
            return;
        }
        let Some(call) = self.calls.get_mut(&answer.0) else { return };
        let given_up = call.given_up(now, &self.trunks).is_some_and(|since| !since.is_zero());
        // The ACK of a call may wait until the store knows of it, all others leave at once.
        let mut due_at = now;
        if call.tag.is_none() && call.canceled_at.is_none() && !given_up && !call.over {
            (call.tag, call.status, call.heard) = (Some(answer.2.clone()), 200, true);
            due_at = now + ACK_HELD_MAX;
        } else {
            if call.tag.is_none() {
                (call.status, call.over) = (200, true);
                self.active.remove(&answer.0);
            }
            self.unwanted.push(answer.clone());
        }
        self.answers.insert(answer.clone(), now);
        self.unacknowledged.push((answer, due_at));
    }

    pub fn handle_step_end(&mut self, now: Instant, found: &mut Vec<Violation>) {
        for ((call_id, number, tag), _) in self.unacknowledged.extract_if(.., |(_, due_at)| *due_at <= now) {
            let what = format!("no ACK for the 2xx to INVITE {number} with the tag {tag}");
            let rule = Rule::EveryAnswerIsAcknowledged;
            found.push(Violation { rule, call_id: Some(call_id), what });
        }
        for (call_id, number, tag) in self.unwanted.drain(..) {
            let what =
                format!("no BYE after the 2xx to INVITE {number} with the tag {tag}, which nobody waits for");
            let rule = Rule::UnwantedAnswersAreEnded;
            found.push(Violation { rule, call_id: Some(call_id), what });
        }
    }

    fn end_dialog(&mut self, call_id: &str, tag: &str) {
        self.unwanted.retain(|(of_call, _, of_tag)| of_call != call_id || of_tag != tag);
        let Some(call) = self.calls.get_mut(call_id) else { return };
        if call.tag.as_deref() == Some(tag) {
            call.over = true;
            self.active.remove(call_id);
        }
    }

    /// Whether a call takes a channel.
    pub fn holds(&self, now: Instant, call_id: &str) -> bool {
        self.calls.get(call_id).is_some_and(|call| !call.over && call.given_up(now, &self.trunks).is_none())
    }

    /// The calls that take a channel of a trunk.
    pub fn channels(&self, now: Instant, trunk: usize) -> usize {
        self.active.iter().filter(|id| self.calls[*id].trunk == trunk && self.holds(now, id)).count()
    }

    /// Calls that nobody has ended.
    pub fn open(&self, now: Instant) -> impl Iterator<Item = &String> {
        self.active.iter().filter(move |id| self.holds(now, id))
    }

    /// Whether the call was answered, as far as the engine can know.
    pub fn was_answered(&self, call_id: &str) -> bool {
        self.calls.get(call_id).is_some_and(|call| call.status == 200)
    }

    /// The engine is gone: what it had on the wire is for the next one to end, and counts until it has. `kept` is what the
    /// store has of each call. Gives how many calls nobody can know to be up, because they came up in the moment of the
    /// crash: those end when their callees please.
    pub fn handle_crash(&mut self, now: Instant, kept: &BTreeMap<String, DialogRecord>) -> u64 {
        self.unacknowledged.clear();
        self.unwanted.clear();
        let held: Vec<String> = self.open(now).cloned().collect();
        self.active.clear();
        for call_id in kept.keys() {
            self.calls.get_mut(call_id).into_iter().for_each(|call| call.left = true);
        }
        let mut unknown = 0;
        for call_id in held {
            let Some(call) = self.calls.get_mut(&call_id) else { continue };
            let knows =
                |tag: &String| kept.get(&call_id).is_some_and(|d| d.dialog.contains(&format!("tag={tag}")));
            if !kept.contains_key(&call_id) || call.tag.as_ref().is_some_and(|tag| !knows(tag)) {
                (call.over, unknown) = (true, unknown + 1);
            } else {
                call.orphaned = true;
                self.active.insert(call_id);
            }
        }
        unknown
    }

    pub fn repeated_answers(&self) -> u64 {
        self.repeated_answers
    }
}

fn answer_of(headers: &Headers) -> Answer {
    let call_id = headers.call_id().unwrap_or_default().to_owned();
    (call_id, headers.cseq().map_or(0, |cseq| cseq.number), tag(headers.to()))
}

fn tag<E>(party: Result<NameAddr, E>) -> String {
    party.ok().and_then(|party| party.tag().map(str::to_owned)).unwrap_or_default()
}
