//! How `outdial status` shows the live measures of detection to people: a line and a small picture each.

use crate::engine::measures::{Detection, Times};

/// Eighths of a bar; an empty counter is a blank, and one that is not shows at least the least.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// All of it; empty before the first verdict.
pub fn describe(detection: &Detection) -> String {
    let lines = detection.verdicts.iter().flat_map(|verdicts| {
        let of_answer = (verdicts.verdict.clone(), &verdicts.after_answer);
        [of_answer, ("  after the greeting".to_owned(), &verdicts.after_greeting)]
    });
    let others = [
        ("beep reported after its start", &detection.beep_reported),
        ("message after the beep", &detection.drop_after_beep),
        ("agent after the greeting", &detection.agent_after_greeting),
    ];
    let others = others.into_iter().map(|(name, times)| (name.to_owned(), times));
    let rows: Vec<String> = lines
        .chain(others)
        .filter(|(_, times)| times.count > 0)
        .map(|(name, times)| row(&name, times))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let bounds: Vec<String> = detection.bounds_ms.iter().map(|ms| seconds(u64::from(*ms))).collect();
    let (first, last) = (bounds.first().cloned(), bounds.last().cloned());
    let picture = format!("{} to over {} s", first.unwrap_or_default(), last.unwrap_or_default());
    let mut text = format!(
        "{:30} {:>8} {:>8} {:>8} {:>8}  {picture}\n",
        "detection: verdict, time in s", "count", "median", "95 %", "longest"
    );
    text.extend(rows);
    for revision in &detection.revisions {
        text +=
            &format!("{:30} {:>8}\n", format!("{} became {}", revision.from, revision.to), revision.count);
    }
    text
}

fn row(name: &str, times: &Times) -> String {
    let [median, p95, max] =
        [times.median_ms, times.p95_ms, times.max_ms].map(|ms| ms.map_or(String::new(), seconds));
    format!("{name:30} {:>8} {median:>8} {p95:>8} {max:>8}  |{}|\n", times.count, picture(&times.counts))
}

fn picture(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| match count {
        0 => ' ',
        count => BARS[((count * 8).div_ceil(most) as usize - 1).min(7)],
    };
    counts.iter().map(bar).collect()
}

fn seconds(ms: u64) -> String {
    format!("{:.2}", ms as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::measures::{Histogram, Revision, Verdicts};
    use std::time::Duration;

    #[test]
    fn a_row_has_its_figures_and_its_picture() {
        let mut histogram = Histogram::default();
        for ms in [1_100, 1_150, 1_200, 1_240, 1_600, 1_700, 7_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let human = Verdicts {
            verdict: "human".into(),
            after_answer: histogram.status(),
            after_greeting: Times::default(),
        };
        let detection = Detection {
            bounds_ms: crate::engine::measures::BOUNDS_MS.to_vec(),
            verdicts: vec![human],
            revisions: vec![Revision { from: "human".into(), to: "machine".into(), count: 2 }],
            ..Detection::default()
        };
        let text = describe(&detection);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].ends_with("0.05 to over 5.00 s"), "{text}");
        assert!(lines[1].starts_with("human") && lines[1].ends_with("|           █ ▄     ▂|"), "{text}");
        assert!(lines[1].contains("    7.00  |"), "{text}");
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["human", "became", "machine", "2"]);
    }

    #[test]
    fn before_the_first_verdict_there_is_nothing_to_say() {
        assert_eq!(describe(&Detection::default()), "");
    }
}
