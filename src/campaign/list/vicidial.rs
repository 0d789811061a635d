//! Leads, statuses and recycle rules of VICIdial, as CSV exports of its tables have them, in our words.
//!
//! Known are the tables' columns: of `vicidial_list` the lead's id, status, phone code and numbers, called count, last local
//! call time and its offset from Greenwich, rank, owner; of `vicidial_statuses` the yes-or-no columns that say what a status
//! means; of `vicidial_lead_recycle` a status, a delay in seconds and how often. What a status means is said by those columns
//! first, then by the system's own codes, which every installation shares.

use super::Options;
use super::fault::{RowFault, RowReason};
use super::records::Row;
use crate::disposition::Disposition;
use crate::number::{self, E164, ZoneGroup};
use crate::record::{ContactState, NewContact, Past};
use crate::time::WallTime;
use chrono::NaiveDateTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The header of an export: each row's cells by their titles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Export {
    titles: BTreeMap<String, usize>,
}

/// What a status means to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Never dialed yet.
    Fresh,
    /// The last attempt ended so; whether there is another one is for the retry rules to say.
    Ended(Disposition),
    /// A person was reached, and that was that.
    Reached,
    /// A call was promised.
    Promised,
    /// Never again: also for the do-not-call list.
    DoNotCall,
}

/// A recycle rule in our words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recycle {
    /// Minutes.
    pub delay_min: u32,
    /// Attempts that may end this way.
    pub max: u32,
}

/// What is known of an installation, and what could not be mapped.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    statuses: BTreeMap<String, Meaning>,
    recycle: BTreeMap<Disposition, Recycle>,
    /// Statuses that mean nothing to us, with how many leads have each. Those are kept as reached: nobody is called by
    /// mistake.
    pub unknown: BTreeMap<String, u64>,
    /// Recycle rules that no outcome of ours has.
    pub rules_unknown: Vec<String>,
    /// Promised calls whose time is in another table.
    pub promised: u64,
}

impl Export {
    /// By the first row.
    pub fn of_header(row: &Row) -> Export {
        let title = |cell: &String| cell.trim().trim_start_matches('\u{feff}').to_lowercase();
        Export { titles: row.cells().iter().map(title).zip(0..).collect() }
    }

    /// Whether it has these columns; else those that it lacks.
    pub fn lacks(&self, columns: &[&str]) -> Vec<String> {
        columns.iter().filter(|column| !self.titles.contains_key(**column)).map(|c| (*c).to_owned()).collect()
    }

    /// A cell; what the database calls NULL is empty.
    fn cell<'c>(&self, cells: &'c [String], title: &str) -> &'c str {
        let cell = self.titles.get(title).and_then(|index| cells.get(*index)).map_or("", |cell| cell.trim());
        if matches!(cell, "NULL" | "\\N") { "" } else { cell }
    }
}

impl Mapping {
    /// A row of `vicidial_statuses` or `vicidial_campaign_statuses`. What it says counts more than the code.
    pub fn handle_status(&mut self, export: &Export, row: &Row) {
        let cells = row.cells();
        let yes = |title: &str| export.cell(&cells, title).eq_ignore_ascii_case("y");
        let meaning = if yes("dnc") {
            Meaning::DoNotCall
        } else if yes("scheduled_callback") {
            Meaning::Promised
        } else if yes("answering_machine") {
            Meaning::Ended(Disposition::Machine)
        } else if yes("unworkable") {
            Meaning::Ended(Disposition::InvalidNumber)
        } else if ["sale", "not_interested", "completed", "customer_contact", "human_answered"]
            .into_iter()
            .any(yes)
        {
            Meaning::Reached
        } else {
            return;
        };
        self.statuses.insert(export.cell(&cells, "status").to_uppercase(), meaning);
    }

    /// A row of `vicidial_lead_recycle`. Its maximum counts repetitions, ours counts attempts. Where two statuses are one
    /// outcome of ours, the more patient rule holds.
    pub fn handle_recycle(&mut self, export: &Export, row: &Row) {
        let cells = row.cells();
        if export.cell(&cells, "active").eq_ignore_ascii_case("n") {
            return;
        }
        let status = export.cell(&cells, "status").to_uppercase();
        let number = |title: &str| export.cell(&cells, title).parse::<u32>().ok();
        let (Some(Meaning::Ended(disposition)), Some(delay), Some(repetitions)) =
            (self.meaning(&status), number("attempt_delay"), number("attempt_maximum"))
        else {
            self.rules_unknown.push(status);
            return;
        };
        let rule = Recycle { delay_min: delay.div_ceil(60), max: repetitions.saturating_add(1) };
        self.recycle
            .entry(disposition)
            .and_modify(|known| {
                known.delay_min = known.delay_min.max(rule.delay_min);
                known.max = known.max.min(rule.max);
            })
            .or_insert(rule);
    }

    /// The rules by outcome.
    pub fn rules(&self) -> &BTreeMap<Disposition, Recycle> {
        &self.recycle
    }

    /// What a status means: by the installation's own table, else by the codes that all share.
    pub fn meaning(&self, status: &str) -> Option<Meaning> {
        use Disposition::*;
        if let Some(known) = self.statuses.get(status) {
            return Some(*known);
        }
        Some(match status {
            "" | "NEW" | "QUEUE" => Meaning::Fresh,
            "NA" | "N" | "RQXFER" => Meaning::Ended(NoAnswer),
            "B" | "AB" => Meaning::Ended(Busy),
            "A" | "AA" | "AM" => Meaning::Ended(Machine),
            "AL" => Meaning::Ended(VoicemailLeft),
            "AFAX" => Meaning::Ended(Fax),
            "DC" | "ADC" | "DISC" => Meaning::Ended(InvalidNumber),
            "DROP" | "PDROP" | "XDROP" | "TIMEOT" => Meaning::Ended(Abandoned),
            "INCALL" | "ERI" | "LRERR" => Meaning::Ended(Interrupted),
            "CALLBK" | "CBHOLD" => Meaning::Promised,
            "DNC" | "DNCL" | "DNCC" => Meaning::DoNotCall,
            "SALE" | "NI" | "DEC" | "NP" | "XFER" | "PU" | "PM" | "WRONG" => Meaning::Reached,
            _ => return None,
        })
    }

    /// A row of `vicidial_list`. `gap` is the least time between two attempts.
    pub fn lead(
        &mut self,
        export: &Export,
        row: &Row,
        options: Options,
        gap: Duration,
    ) -> Result<NewContact, RowFault> {
        let cells = row.cells();
        let cell = |title: &str| export.cell(&cells, title);
        let fault = |reason| RowFault::new(row.line, 0, RowReason::Number(reason));
        let phone = |text: &str| phone(cell("phone_code"), text, options);
        let number = phone(cell("phone_number")).map_err(fault)?;
        let further =
            Some(cell("alt_phone")).filter(|text| !text.is_empty()).and_then(|text| phone(text).ok());
        let further: Vec<E164> = further.into_iter().filter(|other| *other != number).collect();
        let names = [cell("first_name"), cell("middle_initial"), cell("last_name")];
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let attributes = KEPT.iter().filter(|title| !cell(title).is_empty());
        let attributes = attributes.map(|title| ((*title).to_owned(), cell(title).to_owned())).collect();
        // A higher rank goes first there, a lower priority here.
        let rank: i32 = cell("rank").parse().unwrap_or(0);
        Ok(NewContact {
            zone: ZoneGroup::of(&number),
            number,
            further,
            name: names.join(" "),
            comment: cell("comments").to_owned(),
            attributes,
            priority: rank.saturating_neg(),
            past: self.past(&cell("status").to_uppercase(), &Called::of(export, &cells), gap),
        })
    }

    fn past(&mut self, status: &str, called: &Called, gap: Duration) -> Past {
        let meaning = self.meaning(status).unwrap_or_else(|| {
            *self.unknown.entry(status.to_owned()).or_default() += 1;
            Meaning::Reached
        });
        let mut past = Past::default();
        let (outcome, ended) = match meaning {
            Meaning::Fresh => (Disposition::NoAnswer, None),
            Meaning::Ended(outcome) => (outcome, self.end_of(outcome, called.count)),
            Meaning::Reached => (Disposition::Bridged, Some(ContactState::Done)),
            Meaning::DoNotCall => (Disposition::OptedOut, Some(ContactState::Suppressed)),
            Meaning::Promised => {
                self.promised += 1;
                (Disposition::Bridged, None)
            }
        };
        past.ended = ended;
        if called.count > 0 {
            past.outcomes.insert(outcome, called.count);
            if let Some(last) = called.last {
                let rule = self.recycle.get(&outcome);
                let delay = rule.map_or(0, |rule| u64::from(rule.delay_min) * 60);
                past.next_attempt_at = last + gap.max(Duration::from_secs(delay));
            }
        }
        past
    }

    /// Final, when the numbering plan has no such number or the rule's attempts are made. Without a rule of its own an
    /// outcome waits for whatever our rules say at its next attempt.
    fn end_of(&self, outcome: Disposition, count: u32) -> Option<ContactState> {
        let used = self.recycle.get(&outcome).is_some_and(|rule| count >= rule.max);
        (used || outcome == Disposition::InvalidNumber).then_some(ContactState::Done)
    }
}

/// The columns that are kept as they are.
const KEPT: [&str; 14] = [
    "lead_id",
    "vendor_lead_code",
    "source_id",
    "list_id",
    "owner",
    "title",
    "address1",
    "city",
    "state",
    "province",
    "postal_code",
    "country_code",
    "email",
    "date_of_birth",
];

/// How often and when a lead was called.
struct Called {
    count: u32,
    last: Option<WallTime>,
}

impl Called {
    /// The time is that of the lead's own clock; the offset says how many hours that is ahead of Greenwich.
    fn of(export: &Export, cells: &[String]) -> Called {
        let last =
            NaiveDateTime::parse_from_str(export.cell(cells, "last_local_call_time"), "%Y-%m-%d %H:%M:%S");
        let offset: f64 = export.cell(cells, "gmt_offset_now").parse().unwrap_or(0.0);
        let utc = |local: NaiveDateTime| {
            WallTime::from_unix_ms(
                local.and_utc().timestamp_millis() - (offset.clamp(-14.0, 14.0) * 3_600_000.0) as i64,
            )
        };
        Called {
            // "called_count" of a lead that is being dialed at the export counts too.
            count: export.cell(cells, "called_count").parse().unwrap_or(0),
            last: last.ok().map(utc).filter(|at| at.unix_ms() > 0),
        }
    }
}

/// The country's code and the number within it; where the code leads nowhere, as the campaign reads its numbers.
fn phone(code: &str, text: &str, options: Options) -> Result<E164, number::NumberFault> {
    let whole = format!("+{code}{text}");
    let with_code =
        (!code.is_empty() && code.bytes().all(|b| b.is_ascii_digit())).then(|| number::parse(&whole, None));
    match with_code {
        Some(Ok(number)) => Ok(number),
        _ => number::parse(text, options.default_region),
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Rows;
    use super::*;
    use crate::number::Region;

    const LEADS: &str = "lead_id,status,phone_code,phone_number,alt_phone,called_count,last_local_call_time,gmt_offset_now,rank,owner,first_name,last_name,comments
1,NEW,1,2025550101,,0,0000-00-00 00:00:00,-5.00,0,,Ann,Lee,hello
2,NA,1,2025550102,3125550102,2,2026-11-20 10:00:00,-5.00,5,bob,,,
3,NA,1,2025550103,,4,2026-11-20 10:00:00,-5.00,0,,,,
4,DNC,1,2025550104,,1,2026-11-20 10:00:00,-5.00,0,,,,
5,MYCODE,1,2025550105,,1,\\N,-5.00,0,,,,
6,ODD,1,2025550106,,1,2026-11-20 10:00:00,-5.00,0,,,,
7,CALLBK,1,2025550107,,1,2026-11-20 10:00:00,-5.00,0,,,,
8,ADC,1,2025550108,,1,2026-11-20 10:00:00,-5.00,0,,,,
9,NEW,44,2079460018,,0,,0.00,0,,,,
10,NEW,1,911,,0,,0.00,0,,,,
";

    #[test]
    fn leads_come_with_their_past_and_what_means_nothing_is_reported() {
        let mut mapping = mapping();
        let leads = leads(&mut mapping);
        let shown: Vec<String> = leads.iter().map(show).collect();
        let noon = 1_795_132_800_000 + 15 * 3_600_000_i64;
        assert_eq!(
            shown,
            [
                "+12025550101 Ann Lee pending {} 0".to_owned(),
                // The rule's two hours stand above the gap of one.
                format!("+12025550102  pending {{NoAnswer: 2}} {}", noon + 2 * 3_600_000),
                format!("+12025550103  done {{NoAnswer: 4}} {}", noon + 2 * 3_600_000),
                format!("+12025550104  suppressed {{OptedOut: 1}} {}", noon + 3_600_000),
                "+12025550105  pending {Machine: 1} 0".to_owned(),
                format!("+12025550106  done {{Bridged: 1}} {}", noon + 3_600_000),
                format!("+12025550107  pending {{Bridged: 1}} {}", noon + 3_600_000),
                format!("+12025550108  done {{InvalidNumber: 1}} {}", noon + 3_600_000),
                "+442079460018  pending {} 0".to_owned(),
                "too_short".to_owned(),
            ]
        );
        let second = leads[1].as_ref().unwrap();
        assert_eq!(second.further, [E164::from_e164("+13125550102").unwrap()]);
        assert_eq!((second.priority, second.attributes["owner"].as_str()), (-5, "bob"));
        assert_eq!((mapping.unknown, mapping.promised), (BTreeMap::from([("ODD".to_owned(), 1)]), 1));
    }

    #[test]
    fn recycle_rules_become_retry_rules_and_the_more_patient_of_two_holds() {
        let mapping = mapping();
        let rule = |delay_min, max| Recycle { delay_min, max };
        let expected = [(Disposition::NoAnswer, rule(120, 4)), (Disposition::Busy, rule(15, 6))];
        assert_eq!(mapping.rules(), &BTreeMap::from(expected));
        assert_eq!(mapping.rules_unknown, ["SALE"]);
    }

    fn mapping() -> Mapping {
        let mut mapping = Mapping::default();
        each(
            "status,status_name,dnc,answering_machine,sale\nMYCODE,Robot,N,Y,N\nNA,No Answer,N,N,N\n",
            |export, row| {
                mapping.handle_status(export, row);
            },
        );
        let recycle = "recycle_id,campaign_id,status,attempt_delay,attempt_maximum,active
1,TEST,NA,3600,5,Y\n2,TEST,N,7200,3,Y\n3,TEST,B,900,5,Y\n4,TEST,A,900,5,N\n5,TEST,SALE,900,5,Y\n";
        each(recycle, |export, row| mapping.handle_recycle(export, row));
        mapping
    }

    fn leads(mapping: &mut Mapping) -> Vec<Result<NewContact, RowFault>> {
        let options = Options { default_region: Region::from_code("US") };
        let mut leads = Vec::new();
        each(LEADS, |export, row| leads.push(mapping.lead(export, row, options, Duration::from_secs(3_600))));
        leads
    }

    fn show(lead: &Result<NewContact, RowFault>) -> String {
        match lead {
            Ok(lead) => {
                let state = lead.past.ended.unwrap_or(ContactState::Pending).as_str();
                let due = lead.past.next_attempt_at.unix_ms();
                format!("{} {} {state} {:?} {due}", lead.number, lead.name, lead.past.outcomes)
            }
            Err(fault) => fault.reason.as_str().to_owned(),
        }
    }

    fn each(text: &str, mut handle: impl FnMut(&Export, &Row)) {
        let mut rows = Rows::new(text.as_bytes()).map(Result::unwrap);
        let export = Export::of_header(&rows.next().unwrap());
        assert!(export.lacks(&["status"]).is_empty());
        rows.for_each(|row| handle(&export, &row));
    }
}
