//! What the decision to make an attempt rested on, as it was kept with it: for whoever asks, years later, why a number was called
//! at that moment.
//!
//! Kept are the editions of the rule packs and the figures; what a rule says and who says so stands in the pack. A pack of which
//! another edition is at hand by now is named, and its rules are not told: they are not those that were asked.

use super::super::law::pack::Pack;
use super::super::law::rule::{Kind, Rule};
use super::super::law::{Basis, Cap, local_date};
use super::moment::Moment;
use crate::time::WallTime;
use chrono_tz::Tz;
use serde::Serialize;
use std::sync::Arc;

/// What was kept, with the rules behind it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Kept {
    /// As it was kept.
    #[serde(flatten)]
    pub basis: Basis,
    /// The rules that were asked, as far as their editions are at hand.
    pub rules: Vec<Asked>,
    /// Editions that are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
}

/// A rule that was asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Asked {
    /// Of which pack.
    pub pack: String,
    /// `hours`, `cap`, `rest`, `consent` or `do_not_call`.
    pub kind: &'static str,
    /// What it asks.
    pub rule: String,
    /// Who says so.
    pub source: String,
    /// When somebody read it there.
    pub read: String,
    /// How sure that is.
    pub confidence: &'static str,
}

impl Kept {
    /// Reads what was kept; the error says what is wrong with it.
    pub fn read(text: &str, packs: &[Arc<Pack>]) -> Result<Kept, String> {
        let basis: Basis = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (mut rules, mut replaced) = (Vec::new(), Vec::new());
        for edition in &basis.packs {
            match packs.iter().find(|pack| pack.edition() == *edition) {
                Some(pack) => rules.extend(asked(pack, &basis)),
                None => replaced.push(edition.clone()),
            }
        }
        Ok(Kept { basis, rules, replaced })
    }

    /// For people: a word and what there is to say, in the order in which one asks.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let basis = &self.basis;
        let mut lines = Vec::new();
        lines.extend(basis.local.iter().map(|local| ("clock", local.clone())));
        lines.push(("place", self.place()));
        lines.push(("purpose", self.purpose()));
        if !basis.window.is_empty() {
            lines.push(("window", basis.window.clone()));
        }
        if let Some(until) = basis.open_until {
            lines.push(("hours", format!("open by every pack until {}", self.moment(until))));
        }
        if let Some((made, most)) = basis.attempts {
            lines.push(("attempts", format!("{made} of {most} made on the contact (max_attempts)")));
        }
        lines.extend(basis.caps.iter().map(|cap| ("cap", self.cap(cap))));
        lines.push(("lists", self.lists()));
        lines.push(("consent", self.consent()));
        if basis.guaranteed_agent {
            lines.push(("agent", "one was kept for the call before it was made".to_owned()));
        }
        if basis.packs.is_empty() {
            lines.push(("law", "no rule pack held for the number".to_owned()));
        }
        lines.extend(basis.packs.iter().map(|pack| ("law", self.pack(pack))));
        lines.extend(self.rules.iter().map(|asked| ("rule", asked.to_string())));
        lines
    }

    /// On the clock of the first zone that was looked at.
    fn moment(&self, at: WallTime) -> Moment {
        let zone = self.basis.local.first().and_then(|local| local.rsplit(' ').next()?.parse::<Tz>().ok());
        Moment::in_zone(at, zone)
    }

    fn place(&self) -> String {
        let places: Vec<&str> =
            self.basis.countries.iter().chain(&self.basis.states).map(String::as_str).collect();
        if places.is_empty() { "not asked for".to_owned() } else { places.join(", ") }
    }

    fn purpose(&self) -> String {
        let voice = if self.basis.prerecorded { "a recording speaks" } else { "no recording speaks" };
        match self.basis.purpose {
            Some(purpose) => format!("{}; {voice}", purpose.as_str()),
            None => format!("none named: hours, caps and rests of every purpose held; {voice}"),
        }
    }

    fn cap(&self, cap: &Cap) -> String {
        let Cap { pack, per, most, made, since } = cap;
        let within = if per.is_empty() { String::new() } else { format!(" in {per}") };
        let by = if pack.is_empty() { String::new() } else { format!(" ({pack})") };
        format!("{made} of {most} made{within}, counted since {}{by}", self.moment(*since))
    }

    fn lists(&self) -> String {
        match self.basis.lists.is_empty() {
            true => "not on our own do-not-call list; no published one was loaded".to_owned(),
            false => format!("not on our own do-not-call list, nor on {}", self.basis.lists.join(", ")),
        }
    }

    fn consent(&self) -> String {
        let Some(given) = &self.basis.consent else { return "none with the contact".to_owned() };
        let to = if given.scope.is_empty() { "all" } else { &given.scope };
        format!("{}, given {}, to calls of {to}", given.kind.as_str(), given.at)
    }

    fn pack(&self, edition: &str) -> String {
        match self.replaced.iter().any(|gone| gone == edition) {
            true => {
                format!("{edition}; this edition is not at hand any more, so its rules are not told here")
            }
            false => edition.to_owned(),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Asked { pack, rule, source, read, confidence, .. } = self;
        write!(f, "{pack}: {rule}; {source}, read {read}, confidence {confidence}")
    }
}

/// Of what the gate can see, what concerned such a call on that day.
fn asked(pack: &Pack, basis: &Basis) -> Vec<Asked> {
    let zones = basis.local.iter().filter_map(|local| local.rsplit(' ').next()?.parse().ok());
    let mut dates: Vec<_> = zones.filter_map(|zone: Tz| local_date(basis.at, zone)).collect();
    if dates.is_empty() {
        dates.extend(local_date(basis.at, Tz::UTC));
    }
    let rules = pack.rules.iter().filter(|rule| {
        rule.concerns(basis.purpose, basis.prerecorded)
            && dates.iter().any(|date| rule.holds_on(*date))
            && !matches!(rule.kind, Kind::Ring { .. } | Kind::Abandonment { .. } | Kind::Duty { .. })
    });
    let told = |rule: &Rule| Asked {
        pack: pack.id.clone(),
        kind: rule.kind.as_str(),
        rule: rule.kind.to_string(),
        source: rule.source.clone(),
        read: rule.read.to_string(),
        confidence: rule.confidence.as_str(),
    };
    rules.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::Gate;
    use super::super::super::gate::tests::contact;
    use super::super::super::law::pack::shipped;
    use super::super::super::ledger::Ledger;
    use super::super::super::options::Options;
    use super::*;

    /// What a campaign for sales keeps with a call to Florida, at 18:59 there.
    fn kept(cells: &[(&str, &str)]) -> String {
        let options: Options = toml::from_str(
            "name = \"spring\"\ntrunks = [\"t\"]\ncontacts = \"c.csv\"\ncaller_id = \"+12025550100\"\n\
             [window]\nstart = \"09:00\"\nend = \"19:00\"\n[law]\npurpose = \"sales\"",
        )
        .expect("the options are right");
        let mut contact = contact(1, "+13055550101");
        contact.attributes =
            cells.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect();
        // 2026-11-20T23:59:02Z.
        let now = WallTime::from_unix_ms(1_795_219_142_000);
        let basis = Gate::new(&options).basis(&contact, now, &Ledger::new());
        let (caller_id, caller_id_why) = ("+12025550100".to_owned(), "the only one".to_owned());
        Basis { caller_id, caller_id_why, ..basis }.to_json()
    }

    #[test]
    fn why_was_this_number_called_at_18_59_is_answered_with_clock_hours_counts_consent_and_sources() {
        let text = kept(&[("consent", "written"), ("consent_at", "2026-05-01")]);
        let kept = Kept::read(&text, shipped()).expect("it was just written");
        let said: Vec<String> =
            kept.lines().into_iter().map(|(word, text)| format!("{word}: {text}")).collect();
        let florida = shipped().iter().find(|pack| pack.id == "us-florida").expect("it is shipped");
        let hours = florida.rules.iter().find(|rule| rule.kind.as_str() == "hours").expect("it has hours");
        for words in [
            "clock: Fri 2026-11-20 18:59:02 America/New_York".to_owned(),
            "place: US, US-FL".to_owned(),
            "purpose: sales; no recording speaks".to_owned(),
            "window: mon-fri 09:00-19:00 in the callee's own zone (campaign.window)".to_owned(),
            "hours: open by every pack until Fri 2026-11-20 20:00 EST (America/New_York), Sat 2026-11-21 01:00 UTC"
                .to_owned(),
            "attempts: 0 of 3 made on the contact (max_attempts)".to_owned(),
            "cap: 0 of 3 made in 24 h, counted since ".to_owned(),
            "lists: ".to_owned(),
            "consent: written, given 2026-05-01, to calls of all".to_owned(),
            format!("law: {}", florida.edition()),
            format!("rule: us-florida: {}; {}, read {}", hours.kind, hours.source, hours.read),
        ] {
            assert!(said.iter().any(|line| line.contains(&words)), "no {words:?} in {said:#?}");
        }
        assert_eq!(kept.basis.caller_id_why, "the only one");
    }

    #[test]
    fn another_edition_of_a_pack_does_not_speak_for_the_one_that_was_asked() {
        let text = kept(&[]).replace("us-florida ", "us-florida 19");
        let kept = Kept::read(&text, shipped()).expect("it is still a basis");
        assert!(kept.rules.iter().all(|rule| rule.pack != "us-florida"));
        let said = kept.lines();
        assert!(said.iter().any(|(_, text)| text.contains("not at hand any more")), "{said:#?}");
        assert!(said.contains(&("consent", "none with the contact".to_owned())), "{said:#?}");
    }

    #[test]
    fn what_was_kept_before_there_was_more_to_keep_reads_as_well() {
        let old = r#"{"at":1795219142000,"packs":[],"countries":["US"],"local":[],
            "caps":[{"most":3,"made":1,"since":1795132742001}],"guaranteed_agent":false}"#;
        let kept = Kept::read(old, shipped()).expect("it was written by an earlier version");
        let said = kept.lines();
        assert!(
            said.iter().any(|(word, text)| *word == "cap" && text.starts_with("1 of 3 made, ")),
            "{said:#?}"
        );
        assert!(said.contains(&("law", "no rule pack held for the number".to_owned())), "{said:#?}");
        assert!(Kept::read("{}", shipped()).is_err());
    }
}
