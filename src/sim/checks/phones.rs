//! The books of agents' phones: who may be rung, as far as the wire and the agents' own words tell.

use super::wire::Wire;
use super::{PhoneRules, Rule};
use crate::agent::Word;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// One phone.
#[derive(Clone, Debug)]
struct Phone {
    rules: PhoneRules,
    is_ready: bool,
    /// Its last call.
    call_id: String,
    /// When the last talk ended, if it is to be written up.
    talk_ended: Option<Instant>,
    /// Whoever wants a break while somebody is being called for them has one more call, until then.
    last_call_until: Option<Instant>,
}

/// Nobody waits for a break for longer.
const BREAK_WITHIN: Duration = Duration::from_secs(60);

/// All phones.
#[derive(Clone, Debug)]
pub(super) struct Phones(BTreeMap<String, Phone>);

impl Phones {
    pub fn new(rules: &BTreeMap<String, PhoneRules>) -> Phones {
        let phone = |rules: &PhoneRules| Phone {
            rules: *rules,
            is_ready: rules.is_ready,
            call_id: String::new(),
            talk_ended: None,
            last_call_until: None,
        };
        Phones(rules.iter().map(|(extension, rules)| (extension.clone(), phone(rules))).collect())
    }

    /// An agent has said what they do.
    pub fn handle_word(&mut self, now: Instant, extension: &str, word: Word, somebody_is_called: bool) {
        let Some(phone) = self.0.get_mut(extension) else { return };
        let counts = phone.is_ready || phone.last_call_until.is_some();
        let waits = word == Word::Break && counts && somebody_is_called;
        phone.last_call_until = waits.then_some(now + BREAK_WITHIN);
        phone.is_ready = word == Word::Ready;
        if phone.is_ready {
            phone.talk_ended = None;
        }
    }

    /// Another engine knows nothing of what was said to the former one, but of its calls.
    pub fn handle_crash(&mut self) {
        for phone in self.0.values_mut() {
            (phone.is_ready, phone.talk_ended) = (phone.rules.is_ready, None);
            phone.last_call_until = None;
        }
    }

    /// A BYE passes, from either side.
    pub fn handle_bye(&mut self, now: Instant, call_id: &str) {
        for phone in self.0.values_mut().filter(|phone| phone.call_id == call_id) {
            phone.talk_ended.get_or_insert(now);
        }
    }

    /// The phone of this extension is to ring for a new call; nothing when it is nobody's whom we know.
    pub fn handle_ring(
        &mut self,
        now: Instant,
        extension: &str,
        call_id: &str,
        wire: &Wire,
        found: &mut Vec<(Rule, String)>,
    ) -> Option<()> {
        let phone = self.0.get_mut(extension)?;
        let mut fault = |what: &str| found.push((Rule::AgentsAreReady, format!("agent {extension} {what}")));
        if wire.holds(now, &phone.call_id) {
            fault("is rung during another call");
        }
        if phone.talk_ended.is_some_and(|ended| now < ended + phone.rules.wrap_up) {
            fault("is rung while the last call is written up");
        }
        let is_last = phone.last_call_until.take().is_some_and(|until| now <= until);
        if !phone.is_ready && !is_last {
            fault("is rung without being ready");
        }
        (phone.call_id, phone.talk_ended) = (call_id.to_owned(), None);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_a_break_has_one_more_call_if_somebody_is_called_for_them_and_none_otherwise() {
        for (word, somebody_is_called, after_s, broken) in [
            (Word::Break, true, 10, [false, true]),
            (Word::Break, true, 61, [true, true]),
            (Word::Break, false, 10, [true, true]),
            (Word::Offline, true, 10, [true, true]),
            (Word::Ready, true, 10, [false, false]),
        ] {
            let rules = PhoneRules { is_ready: true, wrap_up: Duration::ZERO };
            let mut phones = Phones::new(&BTreeMap::from([("600".to_owned(), rules)]));
            phones.handle_word(Instant::ZERO, "600", word, somebody_is_called);
            let at = Instant::ZERO + Duration::from_secs(after_s);
            let found = ["a", "b"].map(|call_id| {
                let mut found = Vec::new();
                phones.handle_ring(at, "600", call_id, &Wire::new(Vec::new()), &mut found);
                !found.is_empty()
            });
            assert_eq!(found, broken, "{word:?}, somebody called: {somebody_is_called}, after {after_s} s");
        }
    }
}
