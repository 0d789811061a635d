//! The books of agents' phones: who may be rung, as far as the wire and the agents' own words tell.

use super::wire::Wire;
use super::{PhoneRules, Rule};
use crate::time::Instant;
use std::collections::BTreeMap;

/// One phone.
#[derive(Clone, Debug)]
struct Phone {
    rules: PhoneRules,
    is_ready: bool,
    /// Its last call.
    call_id: String,
    /// When the last talk ended, if it is to be written up.
    talk_ended: Option<Instant>,
}

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
        };
        Phones(rules.iter().map(|(extension, rules)| (extension.clone(), phone(rules))).collect())
    }

    /// An agent has said that they are ready, or not.
    pub fn handle_word(&mut self, extension: &str, is_ready: bool) {
        if let Some(phone) = self.0.get_mut(extension) {
            phone.is_ready = is_ready;
            if is_ready {
                phone.talk_ended = None;
            }
        }
    }

    /// Another engine knows nothing of what was said to the former one, but of its calls.
    pub fn handle_crash(&mut self) {
        for phone in self.0.values_mut() {
            (phone.is_ready, phone.talk_ended) = (phone.rules.is_ready, None);
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
        if !phone.is_ready {
            fault("is rung without being ready");
        }
        (phone.call_id, phone.talk_ended) = (call_id.to_owned(), None);
        Some(())
    }
}
