//! `[campaign.law]`: by which rules a campaign dials.

use super::pack::{self, Pack};
use super::rule::Purpose;
use serde::{Deserialize, Deserializer};
use std::sync::Arc;

/// The table.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What it calls for. Unset: the hours, caps and rests of every purpose hold, and no consent and no list is asked for.
    pub purpose: Option<Purpose>,
    /// The packs that hold.
    pub packs: Packs,
    /// Whether a recording speaks to callees; unset: as the campaign's tables for people and machines say.
    pub prerecorded: Option<bool>,
    /// Whom an opt-out keeps from being called.
    pub opt_out_scope: Scope,
    /// Packs of one's own, read from `[law] packs_dir`.
    #[serde(skip)]
    pub own: Arc<Vec<Arc<Pack>>>,
}

/// `packs`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Packs {
    /// Those of the places where a callee may be: `"auto"`.
    #[default]
    Auto,
    /// These, for every callee; none at all with `[]`.
    Named(Vec<String>),
}

impl<'de> Deserialize<'de> for Packs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Packs, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            One(String),
            Many(Vec<String>),
        }
        match Text::deserialize(deserializer)? {
            Text::One(word) if word == "auto" => Ok(Packs::Auto),
            Text::One(word) => Err(serde::de::Error::custom(format!(
                "packs: {word:?} is neither \"auto\" nor a list such as [\"us-federal\"]"
            ))),
            Text::Many(ids) => Ok(Packs::Named(ids)),
        }
    }
}

/// For which calls an entry of a do-not-call list holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of one campaign.
    ThisCampaign,
    /// Those of all campaigns with its purpose.
    ThisPurpose,
    /// All.
    #[default]
    All,
}

impl Options {
    /// No law but the campaign's own: for callees that are simulated.
    pub fn none() -> Options {
        Options { packs: Packs::Named(Vec::new()), ..Options::default() }
    }

    /// All packs there are; one of one's own stands for the shipped one of the same id.
    pub fn known(&self) -> Vec<Arc<Pack>> {
        let replaced = |pack: &&Arc<Pack>| !self.own.iter().any(|own| own.id == pack.id);
        let shipped = pack::shipped().iter().filter(replaced);
        shipped.chain(self.own.iter()).cloned().collect()
    }

    /// What is wrong, and what to write instead; by the setting below `law`.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let known = self.known();
        let Packs::Named(ids) = &self.packs else { return Vec::new() };
        let unknown = ids.iter().filter(|id| !known.iter().any(|pack| pack.id == **id));
        unknown
            .map(|id| ("packs", format!("no pack is called {id:?}: `outdial rules list` shows them")))
            .collect()
    }
}
