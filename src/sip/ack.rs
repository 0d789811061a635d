//! The memory of ACKs to 2xx responses: RFC 3261 section 13.2.2.4.
//!
//! A 2xx is repeated until its ACK arrives, and only the user agent, no transaction, can repeat the ACK. So each ACK is
//! kept for 64*T1, also when its session has long ended: the peer of a short call may have missed it.

use std::collections::{BTreeMap, VecDeque};

use super::message::Response;
use super::target::{Target, Transport};
use crate::time::Instant;

/// Which 2xx an ACK is for: a dialog and a CSeq number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct AckId(String);

impl AckId {
    /// The 2xx that `response` is, when it is one of an INVITE.
    pub(crate) fn of(response: &Response) -> Option<AckId> {
        let headers = response.headers();
        let (from, to, cseq) = (headers.from().ok()?, headers.to().ok()?, headers.cseq().ok()?);
        let (local, remote) = (from.tag()?, to.tag().unwrap_or_default());
        Some(AckId(format!("{} {local} {remote} {}", headers.call_id().ok()?, cseq.number)))
    }
}

/// An ACK as it leaves.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) target: Target,
    pub(crate) bytes: Vec<u8>,
    /// The same as a datagram, where nobody but us has asked for TCP and the peer may refuse it.
    pub(crate) over_udp: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Kept {
    ack: Ack,
    /// It has not left yet: somebody must be told of the dialog first.
    is_held: bool,
}

impl Ack {
    fn ready(&self) -> (Target, Vec<u8>) {
        (self.target, self.bytes.clone())
    }
}

/// The ACKs of the last 64*T1.
#[derive(Debug)]
pub(crate) struct AckMemory {
    acks: BTreeMap<AckId, Kept>,
    /// In the order of their ends, for all are kept equally long.
    ends: VecDeque<(Instant, AckId)>,
    limit: usize,
}

impl AckMemory {
    /// For at most `limit` ACKs; beyond it the oldest is forgotten.
    pub(crate) fn new(limit: usize) -> Self {
        AckMemory { acks: BTreeMap::new(), ends: VecDeque::new(), limit: limit.max(1) }
    }

    /// Keeps an ACK until `end`.
    pub(crate) fn remember(&mut self, end: Instant, id: AckId, ack: Ack) {
        self.keep(end, id, Kept { ack, is_held: false });
    }

    /// Keeps an ACK until `end` that is to leave only when it is [released](AckMemory::release).
    pub(crate) fn hold(&mut self, end: Instant, id: AckId, ack: Ack) {
        self.keep(end, id, Kept { ack, is_held: true });
    }

    fn keep(&mut self, end: Instant, id: AckId, kept: Kept) {
        if self.acks.len() >= self.limit {
            self.forget_oldest();
        }
        if self.acks.insert(id.clone(), kept).is_none() {
            self.ends.push_back((end, id));
        }
    }

    /// Whether this 2xx is known already; with the ACK to repeat, unless it is held.
    pub(crate) fn recall(&self, id: &AckId) -> Option<Option<(Target, Vec<u8>)>> {
        self.acks.get(id).map(|kept| (!kept.is_held).then(|| kept.ack.ready()))
    }

    /// The ACK that was held, and is not any more; none when it has left before.
    pub(crate) fn release(&mut self, id: &AckId) -> Option<(Target, Vec<u8>)> {
        let kept = self.acks.get_mut(id).filter(|kept| kept.is_held)?;
        kept.is_held = false;
        Some(kept.ack.ready())
    }

    /// No connection to `target` could be made: gives what has left for it, as datagrams, which it is repeated as from now on.
    pub(crate) fn handle_refused(&mut self, target: Target) -> Vec<(Target, Vec<u8>)> {
        let mut again = Vec::new();
        for kept in self.acks.values_mut().filter(|kept| kept.ack.target == target) {
            let Some(bytes) = kept.ack.over_udp.take() else { continue };
            let target = Target { transport: Transport::Udp, ..target };
            kept.ack = Ack { target, bytes, over_udp: None };
            if !kept.is_held {
                again.push(kept.ack.ready());
            }
        }
        again
    }

    /// Forgets what is old enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|end| end <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.acks.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.ends.pop_front() {
            self.acks.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_ack_is_known_until_its_end_and_the_oldest_makes_room() {
        let at = |s| Instant::from_start(Duration::from_secs(s));
        let target = Target::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        let id = |tag: &str| {
            let mut response = Response::new(200, "OK");
            response.headers_mut().push("From", "<sip:a@h>;tag=1");
            response.headers_mut().push("To", &format!("<sip:b@h>;tag={tag}"));
            response.headers_mut().push("Call-ID", "c");
            response.headers_mut().push("CSeq", "7 INVITE");
            AckId::of(&response).unwrap()
        };
        let mut memory = AckMemory::new(2);
        memory.remember(at(32), id("a"), ack(target, 1));
        memory.remember(at(33), id("b"), ack(target, 2));
        assert_eq!(memory.recall(&id("a")), Some(Some((target, vec![1]))));
        memory.remember(at(34), id("c"), ack(target, 3));
        assert_eq!(memory.recall(&id("a")), None);
        memory.handle_timeout(at(33));
        assert_eq!((memory.recall(&id("b")), memory.len()), (None, 1));
        assert_eq!(memory.poll_timeout(), Some(at(34)));
        memory.handle_timeout(at(34));
        assert_eq!((memory.len(), memory.poll_timeout()), (0, None));
    }

    #[test]
    fn a_held_ack_is_known_and_leaves_once() {
        let target = Target::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        let id = AckId("c 1 2 7".to_owned());
        let mut memory = AckMemory::new(2);
        memory.hold(Instant::from_start(Duration::from_secs(32)), id.clone(), ack(target, 1));
        assert_eq!(memory.recall(&id), Some(None));
        assert_eq!(memory.release(&id), Some((target, vec![1])));
        assert_eq!((memory.release(&id), memory.recall(&id)), (None, Some(Some((target, vec![1])))));
    }

    fn ack(target: Target, byte: u8) -> Ack {
        Ack { target, bytes: vec![byte], over_udp: None }
    }
}
