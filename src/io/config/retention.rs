//! `[retention]`: how long call records and contacts say whom they are of.

use serde::Deserialize;

/// `[retention]`: what `outdial retention` forgets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSection {
    /// Call records and their recordings, so many days after the call.
    pub calls_days: Option<u32>,
    /// Contacts in a final state, so many days after their last call.
    pub contacts_days: Option<u32>,
}

/// Caps look back over this many days: what they count must still be there.
const DAYS_MIN: u32 = 31;

impl RetentionSection {
    /// Its faults, each with its setting.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let settings = [("calls_days", self.calls_days), ("contacts_days", self.contacts_days)];
        let short = |(key, days): (&'static str, Option<u32>)| {
            let text = || format!("{key} must be at least {DAYS_MIN}: caps and rates look back over a month");
            days.filter(|days| *days < DAYS_MIN).map(|_| (key, text()))
        };
        settings.into_iter().filter_map(short).collect()
    }
}
