//! Laws and group sizes beside each other, as text and as data.

use super::tally::Tally;
use crate::campaign::pacing::Mode;
use serde::Serialize;
use std::fmt::Write;

/// What one law reached with one group size.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Cell {
    /// The law.
    #[serde(serialize_with = "word")]
    pub mode: Mode,
    /// The group size.
    pub agents: u32,
    /// What came of it.
    #[serde(flatten)]
    pub figures: Figures,
    /// Over the day, each day's slices together.
    #[serde(skip)]
    pub tally: Tally,
}

/// The figures of a cell, worked out.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Figures {
    /// Percent of the agents' time spent in talk and wrap-up.
    pub occupancy_percent: f64,
    /// Percent of people abandoned, all days together ...
    pub abandoned_percent: f64,
    /// ... and on the worst day.
    pub worst_day_percent: f64,
    /// Days above 3 %.
    pub days_over_3_percent: u32,
    /// Days.
    pub days: u32,
    /// Minutes of talk with people, of each hour of an agent.
    pub talk_minutes_per_hour: f64,
    /// How much more than `progressive` talks with the same agents, where that was played too: what overdialing gains.
    pub gain_minutes_per_hour: Option<f64>,
    /// Conversations of each hour of an agent.
    pub conversations_per_hour: f64,
    /// Mean seconds that connected people waited after the verdict.
    pub mean_wait_s: f64,
    /// Attempts for each hour of an agent.
    pub dials_per_hour: f64,
    /// The most lines in flight.
    pub lines_peak: usize,
    /// The most calls dialed in any second.
    pub calls_per_second_peak: u64,
}

fn word<S: serde::Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode.as_str())
}

impl Cell {
    /// Of the days of one law and group size.
    pub fn new(mode: Mode, agents: u32, tally: Tally) -> Self {
        let hours = (tally.staffed_s / 3_600.0).max(1e-9);
        let figures = Figures {
            occupancy_percent: tally.occupancy_percent(),
            abandoned_percent: tally.abandoned_percent(),
            worst_day_percent: tally.worst_day * 100.0,
            days_over_3_percent: tally.days_over,
            days: tally.days,
            talk_minutes_per_hour: tally.talk_minutes_per_hour(),
            gain_minutes_per_hour: None,
            conversations_per_hour: tally.conversations_per_hour(),
            mean_wait_s: tally.mean_wait_s(),
            dials_per_hour: tally.dialed as f64 / hours,
            lines_peak: tally.lines_peak,
            calls_per_second_peak: tally.calls_per_second_peak,
        };
        Cell { mode, agents, figures, tally }
    }
}

/// Works out what each cell gains over `progressive` with as many agents.
pub fn compare(cells: &mut [Cell]) {
    let talk = |cell: &Cell| (cell.agents, cell.figures.talk_minutes_per_hour);
    let progressive = cells.iter().filter(|cell| cell.mode == Mode::Progressive);
    let base: Vec<(u32, f64)> = progressive.map(talk).collect();
    for cell in cells.iter_mut().filter(|cell| cell.mode != Mode::Progressive) {
        let beside = base.iter().find(|(agents, _)| *agents == cell.agents);
        cell.figures.gain_minutes_per_hour =
            beside.map(|(_, minutes)| cell.figures.talk_minutes_per_hour - minutes);
    }
}

/// The cells as a table for people.
pub fn text(name: &str, cells: &[Cell]) -> String {
    let mut out = format!(
        "{name}\n\n{:<12} {:>6} {:>9} {:>9} {:>9} {:>8} {:>8} {:>6} {:>8} {:>7} {:>6}\n",
        "mode",
        "agents",
        "occupancy",
        "abandoned",
        "worst day",
        "over 3 %",
        "talk/h",
        "gain",
        "convs/h",
        "wait",
        "lines"
    );
    for cell in cells {
        let f = &cell.figures;
        writeln!(
            out,
            "{:<12} {:>6} {:>7.1} % {:>7.2} % {:>7.2} % {:>8} {:>4.1} min {:>6} {:>8.1} {:>5.2} s {:>6}",
            cell.mode.as_str(),
            cell.agents,
            f.occupancy_percent,
            f.abandoned_percent,
            f.worst_day_percent,
            format!("{}/{}", f.days_over_3_percent, f.days),
            f.talk_minutes_per_hour,
            f.gain_minutes_per_hour.map_or("-".into(), |gain| format!("{gain:+.1}")),
            f.conversations_per_hour,
            f.mean_wait_s,
            f.lines_peak
        )
        .expect("a string takes every line");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_figure() {
        let tally = Tally {
            people: 200,
            abandoned: 4,
            staffed_s: 36_000.0,
            busy_s: 27_000.0,
            talk_s: 18_000.0,
            waited_s: 98.0,
            dialed: 1_000,
            lines_peak: 31,
            days: 2,
            days_over: 1,
            worst_day: 0.031,
            ..Tally::default()
        };
        let rows = text("S1", &[Cell::new(Mode::Predictive, 10, tally)]);
        let row = rows.lines().last().unwrap();
        assert_eq!(
            row,
            "predictive       10    75.0 %    2.00 %    3.10 %      1/2 30.0 min      -     19.6  0.50 s     31"
        );
    }

    #[test]
    fn what_a_law_gains_is_told_beside_progressive_with_as_many_agents() {
        let cell = |mode, agents, talk_s| {
            Cell::new(mode, agents, Tally { staffed_s: 3_600.0, talk_s, ..Tally::default() })
        };
        let mut cells = [
            cell(Mode::Progressive, 5, 1_200.0),
            cell(Mode::Predictive, 5, 2_400.0),
            cell(Mode::Predictive, 9, 2_400.0),
        ];
        compare(&mut cells);
        let gains = cells.map(|cell| cell.figures.gain_minutes_per_hour.map(f64::round));
        assert_eq!(gains, [None, Some(20.0), None]);
    }
}
