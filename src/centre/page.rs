//! The cells as one HTML page: the table, and for each law and group size its day as a picture.

use super::report::Cell;
use super::tally::{SLICE_S, Slice};
use crate::evaluation::markup::{escaped, table};
use crate::evaluation::plot::{Point, height, path};
use std::fmt::Write;

const WIDTH: i32 = 640;
const LEFT: i32 = 44;
const RIGHT: i32 = 630;
const LANE: i32 = 80;

/// One lane of a picture: its name, its unit, its range, and how a slice's value is read.
struct Lane {
    name: &'static str,
    high: f64,
    unit: &'static str,
    value: fn(&Slice) -> Option<f64>,
}

fn lanes(slices: &[Slice]) -> [Lane; 5] {
    let lines = slices.iter().map(|slice| slice.lines).max().unwrap_or(0).max(1) as f64;
    [
        Lane {
            name: "occupancy",
            high: 100.0,
            unit: "%",
            value: |slice| (slice.staffed_s > 0.0).then(|| 100.0 * slice.busy_s / slice.staffed_s),
        },
        Lane {
            name: "abandoned",
            high: 10.0,
            unit: "%",
            value: |slice| (slice.people > 0).then(|| 100.0 * slice.abandoned as f64 / slice.people as f64),
        },
        Lane { name: "calls at once, most", high: lines, unit: "", value: |slice| Some(slice.lines as f64) },
        Lane {
            name: "mean wait for an agent",
            high: 1.0,
            unit: " s",
            value: |slice| {
                (slice.people > slice.abandoned)
                    .then(|| slice.waited_s / (slice.people - slice.abandoned) as f64)
            },
        },
        Lane {
            name: "risk that a line may carry, last day",
            high: 10.0,
            unit: "%",
            value: |slice| Some(100.0 * slice.threshold),
        },
    ]
}

/// The page: one file, nothing fetched.
pub fn page(name: &str, cells: &[Cell]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>{title}</title><style>{STYLE}</style>\
         </head><body>\n<h1>{title}</h1>\n",
        title = escaped(name)
    );
    let head =
        ["law", "agents", "occupancy", "abandoned", "worst day", "talk per hour", "wait", "most lines"];
    out.push_str(&table(&head, cells.iter().map(row)));
    for cell in cells {
        write!(out, "<h2>{}, {} agents</h2>\n{}", cell.mode, cell.agents, picture(&cell.tally.slices))
            .expect("a string");
    }
    out.push_str("</body></html>\n");
    out
}

const STYLE: &str = "body{font:15px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid #ccc}\
svg{max-width:100%}path{fill:none;stroke:#1565c0;stroke-width:1.5}line{stroke:#bbb}text{font-size:11px;fill:#444}";

fn row(cell: &Cell) -> Vec<String> {
    let f = &cell.figures;
    vec![
        cell.mode.to_string(),
        cell.agents.to_string(),
        format!("{:.1} %", f.occupancy_percent),
        format!("{:.2} %", f.abandoned_percent),
        format!("{:.2} %", f.worst_day_percent),
        format!("{:.1} min", f.talk_minutes_per_hour),
        format!("{:.2} s", f.mean_wait_s),
        f.lines_peak.to_string(),
    ]
}

fn picture(slices: &[Slice]) -> String {
    let lanes = lanes(slices);
    let tall = LANE * lanes.len() as i32 + 24;
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {tall}\" width=\"{WIDTH}\" height=\"{tall}\">\n");
    for (place, lane) in lanes.iter().enumerate() {
        let (top, bottom) = (LANE * place as i32 + 16, LANE * place as i32 + LANE - 4);
        let points: Vec<Point> = slices
            .iter()
            .enumerate()
            .filter_map(|(at, slice)| {
                let value = (lane.value)(slice)? as f32;
                Some((x_of(at, slices.len()), height(value, (0.0, lane.high as f32), (bottom, top))))
            })
            .collect();
        writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{RIGHT}\" y2=\"{bottom}\"/>\
             <text x=\"{LEFT}\" y=\"{label}\">{} (to {:.0}{})</text><path d=\"{}\"/>",
            lane.name,
            lane.high,
            lane.unit,
            path(&points),
            label = top - 4
        )
        .expect("a string");
    }
    for hour in 0..=(slices.len() as f64 * SLICE_S / 3_600.0) as usize {
        let x = x_of((hour as f64 * 3_600.0 / SLICE_S) as usize, slices.len());
        writeln!(out, "<text x=\"{x}\" y=\"{}\">{hour} h</text>", tall - 4).expect("a string");
    }
    out.push_str("</svg>\n");
    out
}

fn x_of(slice: usize, slices: usize) -> i32 {
    LEFT + ((RIGHT - LEFT) as f64 * slice as f64 / slices.max(2) as f64) as i32
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;
    use super::*;
    use crate::campaign::pacing::Mode;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_shows_each_cell() {
        let mut tally = Tally { people: 10, staffed_s: 10.0, ..Tally::default() };
        tally.slice(3_000.0).lines = 4;
        let html = page("a <small> one", &[Cell::new(Mode::Power, 7, tally)]);
        assert!(html.contains("a &lt;small&gt; one") && html.contains("<h2>power, 7 agents</h2>"));
        assert!(!html.contains("http") && !html.contains("NaN"), "{html}");
        assert_eq!(html.matches("<path").count(), 5);
    }
}
