//! Who is behind a Call-ID, for whoever looks on.

use super::*;

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

    /// Has caller ids on a trunk signed from now on; false when there is no such trunk.
    pub fn handle_signer(&mut self, trunk: &str, signer: Signer) -> bool {
        let known = self.has_trunk(trunk);
        if known {
            self.signers.insert(trunk.to_owned(), signer);
        }
        known
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
