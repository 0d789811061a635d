//! Charts of the page: a histogram of decision times, and the trade-off between persons lost and machines found.

use super::distribution::Distribution;
use super::markup::escaped;
use super::plot::{Point, height, path, step};
use super::share::Share;
use super::tally::Tally;
use super::text::{percent, seconds};
use serde::Serialize;
use std::fmt::Write;

const WIDTH: i32 = 520;
const TALL: i32 = 190;
const LEFT: i32 = 46;
const RIGHT: i32 = 508;
const TOP: i32 = 12;
const BOTTOM: i32 = 150;

/// Strings take whatever is written to them.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a string takes every line") };
}

/// One setting's place in the trade-off.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Setting {
    /// The setting, such as `patience_ms=2500`.
    pub name: String,
    /// The setting that was swept, whose values make one curve; empty for a setting that stands alone.
    pub curve: String,
    /// Persons called or revised to a machine.
    pub human_lost: Share,
    /// Machines found by the first verdict.
    pub machine_found: Share,
    /// Machines found in the end.
    pub machine_found_finally: Share,
    /// From the end of a person's speech to the verdict `human`, the median in milliseconds.
    pub human_after_speech_ms: Option<i64>,
    /// From the answer to the verdict `machine` of machines, the median in milliseconds.
    pub machine_decided_ms: Option<i64>,
}

impl Setting {
    /// A setting's place, by the figures it reached.
    pub fn of(name: &str, curve: &str, figures: &Tally) -> Setting {
        Setting {
            name: name.to_owned(),
            curve: curve.to_owned(),
            human_lost: figures.human_lost,
            machine_found: figures.machine_found,
            machine_found_finally: figures.machine_found_finally,
            human_after_speech_ms: figures.human_after_speech_ms,
            machine_decided_ms: figures.machine_decided_ms,
        }
    }
}

/// Decision times as bars; the median stands out.
pub fn histogram(times: &Distribution, class: &str) -> String {
    let (Some(first), Some(last)) = (times.histogram.first(), times.histogram.last()) else {
        return "<p>None.</p>\n".to_owned();
    };
    let (from, to) = (first.from_ms as f32, (last.from_ms + first.to_ms - first.from_ms) as f32);
    // Room above the tallest bar for the median's name.
    let most = times.histogram.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f32 * 1.16;
    let x = |ms: f32| height(ms, (from, to), (LEFT, RIGHT));
    let y = |count: f32| height(count, (0.0, most), (BOTTOM, TOP));
    let mut out = open();
    let rise = step(most, 4.0).max(1.0);
    for mark in (0..).map(|n| n as f32 * rise).take_while(|mark| *mark <= most) {
        level(&mut out, y(mark), &mark.to_string());
    }
    for bin in &times.histogram {
        let (left, right) = (x(bin.from_ms as f32), x(bin.to_ms as f32));
        let top = y(bin.count as f32);
        let [left_ms, right_ms] = [bin.from_ms, bin.to_ms].map(|ms| short(ms, from, to));
        let title = format!("{left_ms} to {right_ms}: {}", bin.count);
        put!(
            out,
            "<path class=\"bar {class}\" d=\"M{} {BOTTOM}V{top}H{}V{BOTTOM}z\"><title>{title}</title></path>",
            left + 1,
            right - 1
        );
    }
    put!(out, "<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>");
    let stride = step((to - from) / 1000.0, 8.0) * 1000.0;
    let start = (from / stride).ceil() as i32;
    for mark in (start..).map(|n| n as f32 * stride).take_while(|mark| *mark <= to) {
        upright(&mut out, x(mark), &short(mark.round() as i64, from, to));
    }
    if let Some(median) = times.median_ms {
        let at = x(median as f32);
        put!(out, "<path class=\"median\" d=\"M{at} {TOP}V{BOTTOM}\"/>");
        let (class, place) = if at > RIGHT - 120 { ("end", at - 4) } else { ("start", at + 4) };
        put!(
            out,
            "<text class=\"tick strong {class}\" x=\"{place}\" y=\"{}\">median {}</text>",
            TOP + 8,
            short(median, from, to)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Seconds, or milliseconds on an axis of less than one.
fn short(ms: i64, from: f32, to: f32) -> String {
    if to - from < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms as f64 / 1000.0) }
}

/// Persons lost (to the right) against machines found (upward); the best corner is the upper left one.
pub fn trade_off(settings: &[Setting]) -> String {
    let points: Vec<(&Setting, f32, f32, f32)> = settings
        .iter()
        .filter_map(|setting| {
            let value = |share: &Share| share.value().map(|value| value as f32 * 100.0);
            let (lost, first) = (value(&setting.human_lost)?, value(&setting.machine_found)?);
            Some((setting, lost, first, value(&setting.machine_found_finally)?))
        })
        .collect();
    let most = points.iter().map(|(_, lost, ..)| *lost).fold(5.0, f32::max) * 1.08;
    let least = points.iter().map(|(_, _, first, last)| first.min(*last)).fold(90.0, f32::min);
    let least = (least / 10.0).floor() * 10.0;
    let x = |lost: f32| height(lost, (0.0, most), (LEFT, RIGHT));
    let y = |found: f32| height(found, (least, 100.0), (BOTTOM, TOP));
    let mut out = open();
    let rise = step(100.0 - least, 4.0);
    for mark in (0..).map(|n| least + n as f32 * rise).take_while(|mark| *mark <= 100.0) {
        level(&mut out, y(mark), &format!("{mark} %"));
    }
    for mark in (0..).map(|n| n as f32 * step(most, 6.0)).take_while(|mark| *mark <= most) {
        upright(&mut out, x(mark), &format!("{mark} %"));
    }
    put!(
        out,
        "<text class=\"tick middle\" x=\"{}\" y=\"{}\">persons lost</text>",
        (LEFT + RIGHT) / 2,
        BOTTOM + 32
    );
    for (style, what) in ["first verdict", "with revision"].into_iter().enumerate() {
        let places: Vec<Point> = points
            .iter()
            .map(|(_, lost, first, last)| (x(*lost), y(if style == 0 { *first } else { *last })))
            .collect();
        let settings = || points.iter().map(|(setting, ..)| *setting);
        let mut curves: Vec<&str> = settings().map(|setting| setting.curve.as_str()).collect();
        curves.dedup();
        for curve in curves.into_iter().filter(|curve| !curve.is_empty()) {
            let on = settings().zip(&places).filter(|(setting, _)| setting.curve == curve);
            let line: Vec<Point> = on.map(|(_, place)| *place).collect();
            put!(out, "<path class=\"curve style{style}\" d=\"{}\"/>", path(&line));
        }
        let mut taken: Vec<Point> = Vec::new();
        for (place, (setting, (px, py))) in settings().zip(&places).enumerate() {
            let lost = percent(&setting.human_lost);
            let found =
                percent(if style == 0 { &setting.machine_found } else { &setting.machine_found_finally });
            let title = escaped(&format!(
                "{}, {what}: {lost} of persons lost, {found} of machines found",
                setting.name
            ));
            let d = format!("M{} {py}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", px - 4);
            put!(out, "<path class=\"dot style{style}\" d=\"{d}\"><title>{title}</title></path>");
            // The number of its row, below the lower of the two points, unless another's stands there.
            let free = taken.iter().all(|(x, y)| (x - px).abs() >= 12 || (y - py).abs() >= 10);
            if style == 0 && free {
                taken.push((*px, *py));
                put!(out, "<text class=\"tick middle\" x=\"{px}\" y=\"{}\">{}</text>", py + 15, place + 1);
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The settings as rows of markup cells, numbered as the points are.
pub fn rows(settings: &[Setting]) -> Vec<Vec<String>> {
    let row = |(place, setting): (usize, &Setting)| {
        vec![
            format!("{}. {}", place + 1, escaped(&setting.name)),
            percent(&setting.human_lost),
            percent(&setting.machine_found),
            percent(&setting.machine_found_finally),
            seconds(setting.human_after_speech_ms),
            seconds(setting.machine_decided_ms),
        ]
    };
    settings.iter().enumerate().map(row).collect()
}

fn open() -> String {
    format!("<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {TALL}\" role=\"img\">\n")
}

fn level(out: &mut String, y: i32, text: &str) {
    put!(out, "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/>");
    put!(out, "<text class=\"tick end\" x=\"{}\" y=\"{}\">{text}</text>", LEFT - 5, y + 3);
}

fn upright(out: &mut String, x: i32, text: &str) {
    put!(out, "<text class=\"tick middle\" x=\"{x}\" y=\"{}\">{text}</text>", BOTTOM + 16);
}

#[cfg(test)]
mod tests {
    use super::super::distribution::Times;
    use super::super::markup::tests::assert_well_formed;
    use super::*;

    #[test]
    fn a_histogram_has_a_bar_a_bin_and_marks_the_median() {
        let drawn = histogram(&[400, 450, 460, 900].into_iter().collect::<Times>().distribution(), "human");
        assert_well_formed(&drawn);
        assert_eq!(drawn.matches("class=\"bar human\"").count(), 11);
        assert!(drawn.contains("median 455 ms") && drawn.contains("450 ms to 500 ms: 2"), "{drawn}");
        assert_eq!(histogram(&Times::default().distribution(), "human"), "<p>None.</p>\n");
    }

    #[test]
    fn a_trade_off_shows_each_setting_by_both_verdicts() {
        let setting = |name: &str, lost, found| Setting {
            name: name.into(),
            curve: if name == "c" { String::new() } else { "patience_ms".into() },
            human_lost: Share { hits: lost, of: 100 },
            machine_found: Share { hits: found, of: 100 },
            machine_found_finally: Share { hits: found + 3, of: 100 },
            human_after_speech_ms: Some(500),
            machine_decided_ms: None,
        };
        let settings = [setting("<a>", 1, 80), setting("b", 4, 95), setting("c", 0, 0)];
        let drawn = trade_off(&settings);
        assert_well_formed(&drawn);
        assert_eq!((drawn.matches("class=\"dot").count(), drawn.matches("class=\"curve").count()), (6, 2));
        assert_eq!(rows(&settings)[1][..3], ["2. b", "4.0 % [1.6-9.8]", "95.0 % [88.8-97.8]"]);
        assert_well_formed(&trade_off(&[]));
    }
}
