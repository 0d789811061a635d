//! Who is behind a Call-ID, for whoever looks on.

use super::*;

/// The end of an identifier that is long enough to mean one call.
const ID_END_MIN: usize = 6;

/// An attempt that is in flight, as the wire knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Placed {
    /// Its identifier.
    pub attempt: AttemptId,
    /// Its campaign.
    pub campaign: String,
    /// Whom it is for.
    pub number: E164,
    /// The Call-IDs of its legs.
    pub call_ids: Vec<String>,
    /// Its streams, the callee's and the agent's.
    pub streams: [StreamKey; 2],
}

impl Engine {
    /// The attempt that has this Call-ID on one of its legs.
    pub fn call_of(&self, call_id: &str) -> Option<Placed> {
        let mut lines = self.lines.iter().map(|(_, line)| line);
        lines.find(|line| line.attempt.call_ids().any(|known| known == call_id)).map(placed)
    }

    /// Every attempt in flight.
    pub fn calls(&self) -> impl Iterator<Item = Placed> {
        self.lines.iter().map(|(_, line)| placed(line))
    }

    /// The one attempt in flight that is named by its id, the end of it, or a Call-ID; the error says why it is not one.
    pub fn call_named(&self, text: &str) -> Result<AttemptId, String> {
        let named = |line: &&Line| {
            let id = line.attempt.id().to_string();
            let is_end = text.len() >= ID_END_MIN && id.ends_with(text);
            is_end || line.attempt.call_ids().any(|known| known == text)
        };
        let mut named = self.lines.iter().map(|(_, line)| line).filter(named);
        match (named.next(), named.next()) {
            (Some(line), None) => Ok(line.attempt.id()),
            (Some(_), Some(_)) => Err(format!("several calls end in {text:?}: give more of the identifier")),
            (None, _) => Err(format!("{text:?} is no call in flight: give an attempt's id or a Call-ID")),
        }
    }

    /// Pauses a call's recording, or goes on with it.
    pub(super) fn pause_recording(&mut self, now: Now, call: &str, on: bool) -> Result<(), String> {
        let key = self.call_named(call).map(|id| self.attempts.get(&id).copied())?;
        let mut done = Err("nobody is on the line");
        if let Some(key) = key {
            self.with_attempt(now, key, |attempt, out| done = attempt.pause_recording(now, on, out));
        }
        done.map_err(|why| format!("call {call}: {why}"))
    }

    /// The campaign of this name; the error names those that there are.
    pub(super) fn find(&mut self, name: &str) -> Result<&mut Campaign, String> {
        let names: Vec<String> =
            self.campaigns.iter().map(|running| running.campaign.options().name.clone()).collect();
        let place = names.iter().position(|known| known == name);
        place
            .map(|place| &mut self.campaigns[place].campaign)
            .ok_or_else(|| format!("no campaign is called {name:?}; there are: {}", names.join(", ")))
    }

    /// Has caller ids on a trunk signed from now on; false when there is no such trunk.
    pub fn handle_signer(&mut self, trunk: &str, signer: crate::engine::passport::Signer) -> bool {
        let found = self.trunks.iter_mut().find(|known| known.options.name == trunk);
        found.map(|trunk| trunk.signer = Some(signer)).is_some()
    }

    /// Whether there is a campaign of this name.
    pub fn has_campaign(&self, name: &str) -> bool {
        self.campaigns.iter().any(|running| running.campaign.options().name == name)
    }
}

fn placed(line: &Line) -> Placed {
    Placed {
        attempt: line.attempt.id(),
        campaign: line.attempt.campaign().to_owned(),
        number: line.attempt.number().clone(),
        call_ids: line.attempt.call_ids().map(str::to_owned).collect(),
        streams: line.streams,
    }
}
