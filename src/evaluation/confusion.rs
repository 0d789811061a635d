//! Who was called what: labels against verdicts.

use super::expectation::CLASSES;
use super::judged::Judged;
use crate::amd::verdict::Class;
use crate::corpus::manifest::Label;
use serde::Serialize;
use std::collections::BTreeMap;

/// A column for each of [`CLASSES`], and one for no verdict at all.
pub const COLUMNS: usize = CLASSES.len() + 1;

/// One label's clips.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// `human`, `machine`, or the subtype of what is neither.
    pub label: String,
    /// Clips.
    pub clips: u64,
    /// How many were called what.
    #[serde(serialize_with = "by_name")]
    pub called: [u64; COLUMNS],
}

/// Counts what `verdict` says of each clip: persons, machines, then the others by subtype.
pub fn matrix(judged: &[Judged], verdict: impl Fn(&Judged) -> Option<Class>) -> Vec<Row> {
    let mut rows: BTreeMap<(Label, &str), [u64; COLUMNS]> = BTreeMap::new();
    for one in judged {
        let subtype = if one.clip.label == Label::Other { one.clip.subtype.as_str() } else { "" };
        let column = verdict(one).and_then(|class| CLASSES.iter().position(|each| *each == class));
        rows.entry((one.clip.label, subtype)).or_default()[column.unwrap_or(COLUMNS - 1)] += 1;
    }
    let row = |((label, subtype), called): ((Label, &str), [u64; COLUMNS])| Row {
        label: if subtype.is_empty() { label.as_str() } else { subtype }.to_owned(),
        clips: called.iter().sum(),
        called,
    };
    rows.into_iter().map(row).collect()
}

/// The columns' words.
pub fn columns() -> [&'static str; COLUMNS] {
    std::array::from_fn(|n| CLASSES.get(n).map_or("none", |class| class.as_str()))
}

fn by_name<S: serde::Serializer>(called: &[u64; COLUMNS], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(columns().into_iter().zip(called))
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::judged;
    use super::*;

    #[test]
    fn first_and_last_verdicts_are_counted_apart() {
        let mut busy = judged(Label::Other, (Class::Tone, 900), None);
        busy.clip.subtype = "busy".into();
        let mut silent = judged(Label::Human, (Class::Human, 1), None);
        silent.summary.verdict = None;
        let all = [
            judged(Label::Machine, (Class::Human, 1500), Some((Class::Machine, 3000))),
            busy,
            judged(Label::Machine, (Class::Machine, 1500), None),
            silent,
        ];
        let rows = |rows: Vec<Row>| rows.into_iter().map(|row| (row.label, row.called)).collect::<Vec<_>>();
        assert_eq!(
            rows(matrix(&all, Judged::first)),
            [
                ("human".into(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                ("machine".into(), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
                ("busy".into(), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            ]
        );
        assert_eq!(rows(matrix(&all, Judged::last))[1].1, [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
