//! Consent as a list carries it: kind, moment, scope, in columns of their own.

use super::rule::Consent;
use crate::record::Contact;
use serde::{Deserialize, Serialize};

/// Columns: what was consented to, when, and to whose calls.
const KIND: [&str; 2] = ["consent", "consent_kind"];
const AT: [&str; 3] = ["consent_at", "consent_date", "consented_at"];
const SCOPE: [&str; 2] = ["consent_scope", "consent_purpose"];

/// What a contact has consented to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConsentGiven {
    /// Which kind.
    pub kind: Consent,
    /// When, as the list writes it.
    pub at: String,
    /// To calls of this purpose or campaign; to all when empty.
    pub scope: String,
}

impl ConsentGiven {
    /// By the list's columns; none without a kind, or without the moment, for a consent that nobody can date proves nothing.
    pub fn of(contact: &Contact) -> Option<ConsentGiven> {
        let cell = |titles: &[&str]| {
            let found = titles.iter().find_map(|title| contact.attributes.get(*title));
            found.map(|cell| cell.trim().to_owned()).unwrap_or_default()
        };
        let kind = Consent::from_word(&cell(&KIND))?;
        let at = cell(&AT);
        (!at.is_empty()).then(|| ConsentGiven { kind, at, scope: cell(&SCOPE) })
    }

    /// Whether it covers what is needed, for calls of this campaign and purpose.
    pub fn covers(&self, needs: Consent, campaign: &str, purpose: &str) -> bool {
        let ours = |scope: &str| scope.is_empty() || scope == "all" || scope == campaign || scope == purpose;
        self.kind >= needs && ours(&self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::tests::contact;
    use super::*;

    #[test]
    fn consent_needs_its_kind_its_moment_and_its_scope() {
        for (cells, needs, covered) in [
            ("consent=express consent_at=2026-05-01", Consent::Express, true),
            ("consent=written consent_at=2026-05-01", Consent::Express, true),
            ("consent=express consent_at=2026-05-01", Consent::Written, false),
            ("consent=express", Consent::Express, false),
            ("consent=no consent_at=2026-05-01", Consent::Express, false),
            ("consent=express consent_at=2026-05-01 consent_scope=sales", Consent::Express, true),
            ("consent=express consent_at=2026-05-01 consent_scope=spring", Consent::Express, true),
            ("consent=express consent_at=2026-05-01 consent_scope=research", Consent::Express, false),
            ("", Consent::Express, false),
        ] {
            let cell = |text: &str| text.split_once('=').map(|(key, cell)| (key.to_owned(), cell.to_owned()));
            let attributes = cells.split_ascii_whitespace().filter_map(cell).collect();
            let given = ConsentGiven::of(&Contact { attributes, ..contact(1, "+12025550101") });
            let covers = given.is_some_and(|given| given.covers(needs, "spring", "sales"));
            assert_eq!(covers, covered, "{cells}");
        }
    }
}
