//! One cell of a rule pack: what it asks, of which calls, since when, and who says so.
//!
//! Packs are files, so every word of a cell is checked as it is read; what does not fit its kind is an error with the
//! cell's number, never a rule that silently does nothing.

use super::super::window::{Day, TimeOfDay};
use super::span::Span;
use crate::disposition::Disposition;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a campaign calls for (`[campaign.law] purpose`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Something is to be sold, or a donation asked for.
    Sales,
    /// Opinions and facts are asked for.
    Research,
    /// Something that the callee has ordered or is a customer of.
    Service,
    /// A debt is to be collected.
    Debt,
    /// Votes and parties.
    Political,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 5] =
        [Purpose::Sales, Purpose::Research, Purpose::Service, Purpose::Debt, Purpose::Political];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Sales => "sales",
            Purpose::Research => "research",
            Purpose::Service => "service",
            Purpose::Debt => "debt",
            Purpose::Political => "political",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;

    fn from_str(word: &str) -> Result<Purpose, String> {
        let words = || Purpose::ALL.map(Purpose::as_str).join(", ");
        let found = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == word);
        found.ok_or_else(|| format!("{word:?} is no purpose: there are {}", words()))
    }
}

/// How sure it is that a cell says what its source says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The text itself, or several sources that agree.
    High,
    /// One secondary source.
    Medium,
    /// Not looked up: verify it before you rely on it.
    Low,
}

impl Confidence {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        }
    }
}

/// The voice of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// A person speaks.
    Live,
    /// A recording or a machine speaks.
    Prerecorded,
}

/// After which calls a number rests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Any.
    Attempt,
    /// A person answered and nobody was there for them.
    Abandoned,
    /// The detector said machine, and may have been wrong.
    Machine,
    /// The callee said no.
    Refusal,
    /// The callee talked with an agent.
    Conversation,
}

impl After {
    /// Its words, as in "after ...".
    pub fn as_str(self) -> &'static str {
        match self {
            After::Attempt => "any attempt",
            After::Abandoned => "an abandoned call",
            After::Machine => "a machine",
            After::Refusal => "a refusal",
            After::Conversation => "a conversation",
        }
    }

    /// Whether a call that ended so is one of these. An attempt that nobody saw the end of may have been abandoned.
    pub fn fits(self, ended: Option<Disposition>) -> bool {
        use Disposition::*;
        match self {
            After::Attempt => true,
            After::Abandoned => matches!(ended, Some(Abandoned | Interrupted)),
            After::Machine => matches!(ended, Some(Machine | VoicemailLeft)),
            After::Refusal => matches!(ended, Some(OptedOut | Declined)),
            After::Conversation => matches!(ended, Some(Bridged)),
        }
    }
}

/// A kind of consent; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Given by word or by giving the number.
    Express,
    /// In writing, or by an act that is kept as well.
    Written,
}

impl Consent {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Consent::Express => "express",
            Consent::Written => "written",
        }
    }

    /// Of a list's cell.
    pub fn from_word(word: &str) -> Option<Consent> {
        match word.trim().to_lowercase().as_str() {
            "express" | "yes" | "oral" | "opt-in" | "opt_in" => Some(Consent::Express),
            "written" | "express_written" | "pewc" => Some(Consent::Written),
            _ => None,
        }
    }
}

/// What a cell asks.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// On these days a phone may be rung in these hours only; in none when there are none.
    Hours {
        /// Days of the week.
        days: Vec<Day>,
        /// The pack's holidays, whatever day of the week they are.
        holidays: bool,
        /// From and until.
        open: Vec<(TimeOfDay, TimeOfDay)>,
    },
    /// At most so many attempts on a number.
    Cap {
        /// So many.
        most: u32,
        /// In so long.
        per: Span,
    },
    /// A number rests.
    Rest {
        /// After these calls.
        after: After,
        /// For so long, from the call's end.
        span: Span,
        /// Not when an agent is there for the callee before the call is made.
        unless_guaranteed_agent: bool,
    },
    /// A phone rings at least so long.
    Ring {
        /// Seconds.
        seconds_min: u32,
    },
    /// At most this share of the people who answer may find nobody.
    Abandonment {
        /// 0 to 1.
        limit: f64,
        /// Counted over so long.
        per: Span,
    },
    /// Nobody is called without this consent.
    Consent {
        /// Of this kind or a stronger one.
        needs: Consent,
    },
    /// A do-not-call list must have been asked.
    DoNotCall {
        /// Its kind, as in `[[law.do_not_call]]`.
        list: String,
        /// It may be so old.
        age_days_max: u32,
    },
    /// What people or messages must do; the gate cannot see it.
    Duty {
        /// What.
        text: String,
    },
}

impl Kind {
    /// Its word in packs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Kind::Hours { .. } => "hours",
            Kind::Cap { .. } => "cap",
            Kind::Rest { .. } => "rest",
            Kind::Ring { .. } => "ring",
            Kind::Abandonment { .. } => "abandonment",
            Kind::Consent { .. } => "consent",
            Kind::DoNotCall { .. } => "do_not_call",
            Kind::Duty { .. } => "duty",
        }
    }

    /// Whether it asks for papers (consent, lists), which a campaign must state its purpose for.
    fn is_paper(&self) -> bool {
        matches!(self, Kind::Consent { .. } | Kind::DoNotCall { .. })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Hours { days, holidays, open } => {
                let mut on: Vec<&str> = days.iter().map(|day| day.as_str()).collect();
                on.extend(holidays.then_some("holidays"));
                let hours: Vec<String> = open.iter().map(|(from, to)| format!("{from}-{to}")).collect();
                let hours = if hours.is_empty() { "no calls".to_owned() } else { hours.join(" and ") };
                write!(f, "{}: {hours}", on.join(" "))
            }
            Kind::Cap { most, per } => write!(f, "at most {most} attempts in {per}"),
            Kind::Rest { after, span, unless_guaranteed_agent } => {
                let unless = if *unless_guaranteed_agent { ", unless an agent is guaranteed" } else { "" };
                write!(f, "rest of {span} after {}{unless}", after.as_str())
            }
            Kind::Ring { seconds_min } => write!(f, "ring at least {seconds_min} s"),
            Kind::Abandonment { limit, per } => {
                write!(f, "at most {:.4} % abandoned in {per}", limit * 100.0)
            }
            Kind::Consent { needs } => write!(f, "{} consent", needs.as_str()),
            Kind::DoNotCall { list, age_days_max } => {
                write!(f, "do-not-call list {list}, at most {age_days_max} days old")
            }
            Kind::Duty { text } => f.write_str(text),
        }
    }
}

/// A cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What it asks.
    pub kind: Kind,
    /// Of calls for these purposes; of all when empty.
    pub purposes: Vec<Purpose>,
    /// Of calls with this voice; of both without.
    pub voice: Option<Voice>,
    /// In force from this day on, if not from the pack's first.
    pub from: Option<NaiveDate>,
    /// In force until this day, included.
    pub to: Option<NaiveDate>,
    /// Who says so.
    pub source: String,
    /// When somebody read it there.
    pub read: NaiveDate,
    /// How sure that is.
    pub confidence: Confidence,
}

impl Rule {
    /// Whether it speaks of such calls. Where a campaign does not say what it calls for, the rules of every purpose hold,
    /// but for those that ask for papers.
    pub fn concerns(&self, purpose: Option<Purpose>, prerecorded: bool) -> bool {
        let voice = match self.voice {
            None => true,
            Some(Voice::Live) => !prerecorded,
            Some(Voice::Prerecorded) => prerecorded,
        };
        let purposes = match purpose {
            None => !self.kind.is_paper(),
            Some(purpose) => self.purposes.is_empty() || self.purposes.contains(&purpose),
        };
        voice && purposes
    }

    /// Whether it is in force on a day.
    pub fn holds_on(&self, date: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}

/// A cell as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    kind: String,
    days: Option<Vec<String>>,
    open: Option<Vec<String>>,
    most: Option<u32>,
    per: Option<String>,
    after: Option<After>,
    #[serde(rename = "for")]
    span: Option<String>,
    #[serde(default)]
    unless_guaranteed_agent: bool,
    seconds_min: Option<u32>,
    limit: Option<f64>,
    needs: Option<Consent>,
    list: Option<String>,
    age_days_max: Option<u32>,
    text: Option<String>,
    #[serde(default)]
    purposes: Vec<Purpose>,
    voice: Option<Voice>,
    from: Option<NaiveDateText>,
    to: Option<NaiveDateText>,
    source: String,
    read: NaiveDateText,
    confidence: Confidence,
}

/// `2026-11-22`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct NaiveDateText(pub NaiveDate);

impl TryFrom<String> for NaiveDateText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(NaiveDateText)
            .map_err(|_| format!("{text:?} is no date: write it as \"2026-11-22\""))
    }
}

impl Row {
    /// Checked; the error says what is wrong.
    pub fn into_rule(self) -> Result<Rule, String> {
        if self.source.trim().is_empty() {
            return Err("source: say who says so".to_owned());
        }
        let kind = self.kind()?;
        Ok(Rule {
            kind,
            purposes: self.purposes,
            voice: self.voice,
            from: self.from.map(|date| date.0),
            to: self.to.map(|date| date.0),
            source: self.source,
            read: self.read.0,
            confidence: self.confidence,
        })
    }

    fn kind(&self) -> Result<Kind, String> {
        let lacks = |key: &str| format!("a rule of kind {:?} needs {key}", self.kind);
        let span = |text: &Option<String>, key: &str| {
            text.as_deref().and_then(Span::parse).ok_or_else(|| {
                format!("{}, such as \"24h\", \"30d\", \"calendar_day\" or \"calendar_month\"", lacks(key))
            })
        };
        match self.kind.as_str() {
            "hours" => self.hours(),
            "cap" => {
                let most = self.most.filter(|most| *most > 0).ok_or_else(|| lacks("most, 1 or more"))?;
                Ok(Kind::Cap { most, per: span(&self.per, "per")? })
            }
            "rest" => Ok(Kind::Rest {
                after: self.after.ok_or_else(|| lacks("after"))?,
                span: span(&self.span, "for")?,
                unless_guaranteed_agent: self.unless_guaranteed_agent,
            }),
            "ring" => Ok(Kind::Ring { seconds_min: self.seconds_min.ok_or_else(|| lacks("seconds_min"))? }),
            "abandonment" => {
                let fits = |limit: &f64| (0.0..=1.0).contains(limit);
                let limit = self.limit.filter(fits).ok_or_else(|| lacks("limit, from 0.0 to 1.0"))?;
                Ok(Kind::Abandonment { limit, per: span(&self.per, "per")? })
            }
            "consent" => Ok(Kind::Consent { needs: self.needs.ok_or_else(|| lacks("needs"))? }),
            "do_not_call" => Ok(Kind::DoNotCall {
                list: self.list.clone().ok_or_else(|| lacks("list"))?,
                age_days_max: self.age_days_max.ok_or_else(|| lacks("age_days_max"))?,
            }),
            "duty" => Ok(Kind::Duty { text: self.text.clone().ok_or_else(|| lacks("text"))? }),
            other => Err(format!(
                "{other:?} is no kind: hours, cap, rest, ring, abandonment, consent, do_not_call or duty"
            )),
        }
    }

    fn hours(&self) -> Result<Kind, String> {
        let words = self.days.as_ref().ok_or("a rule of kind \"hours\" needs days")?;
        let (mut days, mut holidays) = (Vec::new(), false);
        for word in words {
            match word.as_str() {
                "holiday" => holidays = true,
                word => days.push(Day::from_word(word).ok_or_else(|| {
                    format!("{word:?} is no day: write mon, tue, wed, thu, fri, sat, sun or holiday")
                })?),
            }
        }
        let open = self.open.as_ref().ok_or("a rule of kind \"hours\" needs open; [] is closed all day")?;
        let open: Option<Vec<_>> = open
            .iter()
            .map(|text| {
                let (from, to) = text.split_once('-')?;
                Some((TimeOfDay::parse(from)?, TimeOfDay::parse(to)?)).filter(|(from, to)| from < to)
            })
            .collect();
        let open = open.ok_or("open: write hours as \"08:00-20:00\", the end after the beginning")?;
        Ok(Kind::Hours { days, holidays, open })
    }
}
