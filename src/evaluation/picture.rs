//! The picture of one recording: what was heard, what the detector made of it, and the moment of each decision.
//!
//! Lanes above one axis of time: waveform; level against the noise floor, with the hops taken for speech; tones and beeps;
//! what is counted about the voice; how periodic the sound is; the model's probability. Labelled greeting and beep lie
//! behind all lanes as bands, verdicts before them as upright lines with a sentence. SVG without a script; the colours are
//! the page's.

use super::markup::escaped;
use super::plot::{Point, area, height, path, step};
use super::sentence::{revision, sentence};
use super::trace::Trace;
use crate::amd::glimpse::Glimpse;
use crate::amd::replay::Summary;
use crate::amd::verdict::{Class, Verdict};
use crate::corpus::manifest::Clip;
use std::fmt::Write;
use std::time::Duration;

/// The picture's width, and where the lanes begin and end, in pixels.
const WIDTH: i32 = 1120;
const LEFT: i32 = 128;
const RIGHT: i32 = 1104;
/// Points of a curve.
const POINTS_MAX: usize = 650;
const GAP: i32 = 8;
/// The row of a verdict's sentence.
const ROW: i32 = 19;
/// A waveform is drawn as tall as the lane, but silence is not blown up.
const PEAK_MIN: f32 = 0.02;
/// Levels and lines shown.
const LEVEL_DB: (f32, f32) = (-80.0, 0.0);
const TONE_HZ: (f32, f32) = (250.0, 2400.0);
/// Seconds shown of what is counted, at most; silence may go on for longer.
const COUNTED_S: (f32, f32) = (2.0, 8.0);

/// What a picture shows.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The labels, where there are any.
    pub clip: Option<&'a Clip>,
    /// What was said.
    pub summary: &'a Summary,
    /// What was seen.
    pub trace: &'a Trace,
}

/// Draws the picture.
pub fn picture(scene: &Scene) -> String {
    let columns = columns(scene.trace);
    let span_s = columns.last().map_or(1.0, |column| column.seen.now_ms as f32 / 1000.0).max(1.0);
    let mut drawing = Drawing { out: String::new(), span_s, y: 6 };
    let first = scene.summary.verdict.map(|verdict| (verdict, false));
    let verdicts: Vec<(Verdict, bool)> =
        first.into_iter().chain(scene.summary.revised.map(|verdict| (verdict, true))).collect();
    let top = drawing.y + ROW * verdicts.len().max(1) as i32;
    drawing.y = top + GAP;
    drawing.waveform(&columns);
    drawing.level(&columns);
    drawing.tones(&columns, scene.summary);
    drawing.counted(&columns);
    drawing.periodicity(&columns);
    drawing.model(&columns);
    let bottom = drawing.y;
    let lanes = std::mem::take(&mut drawing.out);
    drawing.labels(scene.clip, top, bottom);
    drawing.axis(top, bottom);
    drawing.out.push_str(&lanes);
    let mut sentences = String::new();
    for (place, (verdict, revised)) in verdicts.iter().enumerate() {
        let row = 20 + ROW * place as i32;
        sentences.push_str(&drawing.verdict(verdict, *revised, row, bottom));
    }
    drawing.out.push_str(&sentences);
    let height = bottom + 24;
    format!("<svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n{}</svg>\n", drawing.out)
}

/// What happened in the frames that share a column of the picture.
struct Column {
    x_ms: u32,
    /// The newest frame, with the highest level and periodicity of all.
    seen: Glimpse,
    low: f32,
    high: f32,
}

fn columns(trace: &Trace) -> Vec<Column> {
    let frames = trace.glimpses.len().div_ceil(POINTS_MAX).max(1);
    let pieces = trace.glimpses.chunks(frames).zip(trace.extremes.chunks(frames));
    let column = |(glimpses, extremes): (&[Glimpse], &[(f32, f32)])| {
        let mut seen = *glimpses.last().expect("a chunk is not empty");
        seen.level_db = glimpses.iter().filter_map(|glimpse| glimpse.level_db).reduce(f32::max);
        seen.periodicity = glimpses.iter().map(|glimpse| glimpse.periodicity).fold(0.0, f32::max);
        seen.sound = glimpses.iter().any(|glimpse| glimpse.sound);
        seen.network = glimpses.iter().any(|glimpse| glimpse.network);
        seen.tone_hz = glimpses.iter().rev().find_map(|glimpse| glimpse.tone_hz);
        let low = extremes.iter().map(|(low, _)| *low).fold(0.0, f32::min);
        let high = extremes.iter().map(|(_, high)| *high).fold(0.0, f32::max);
        let x_ms = glimpses[0].now_ms.saturating_sub(10);
        Column { x_ms, seen, low, high }
    };
    pieces.map(column).collect()
}

struct Drawing {
    out: String,
    span_s: f32,
    /// Where the next lane begins.
    y: i32,
}

/// Strings take whatever is written to them.
macro_rules! put {
    ($drawing:expr, $($arg:tt)*) => { writeln!($drawing.out, $($arg)*).expect("a string takes every line") };
}

impl Drawing {
    fn x(&self, ms: u32) -> i32 {
        let part = (ms as f32 / 1000.0 / self.span_s).min(1.0);
        LEFT + (part * (RIGHT - LEFT) as f32).round() as i32
    }

    fn x_of(&self, time: Duration) -> i32 {
        self.x(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }

    /// Opens a lane with its name and a note below it; returns its bottom and top.
    fn lane(&mut self, name: &str, note: &str, tall: i32) -> (i32, i32) {
        let (top, bottom) = (self.y, self.y + tall);
        put!(self, "<path class=\"lane\" d=\"M{LEFT} {top}H{RIGHT}V{bottom}H{LEFT}z\"/>");
        put!(self, "<text class=\"name\" x=\"6\" y=\"{}\">{}</text>", top + 11, escaped(name));
        if !note.is_empty() {
            put!(self, "<text class=\"note\" x=\"6\" y=\"{}\">{}</text>", top + 24, escaped(note));
        }
        self.y = bottom + GAP;
        (bottom, top)
    }

    /// What a curve of the lane is, in its colour, below the lane's name.
    fn key(&mut self, class: &str, y: i32, text: &str) {
        put!(self, "<text class=\"key {class}\" x=\"6\" y=\"{y}\">{text}</text>");
    }

    fn mark(&mut self, y: i32, text: &str) {
        put!(self, "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/>");
        put!(self, "<text class=\"tick end\" x=\"{}\" y=\"{}\">{text}</text>", LEFT - 4, y + 3);
    }

    fn curve(&mut self, class: &str, points: &[Point]) {
        put!(self, "<path class=\"{class}\" d=\"{}\"/>", path(points));
    }

    /// Stretches of columns for which `holds`, as one line of the class's width.
    fn stretches(&mut self, class: &str, columns: &[Column], y: i32, holds: impl Fn(&Column) -> bool) {
        let mut d = String::new();
        let mut from = None;
        for column in columns.iter().map(Some).chain([None]) {
            match (column.filter(|column| holds(column)), from) {
                (Some(column), None) => from = Some(self.x(column.x_ms)),
                (None, Some(start)) => {
                    let end = column.map_or(RIGHT, |column| self.x(column.x_ms));
                    write!(d, "M{start} {y}H{}", end.max(start + 1)).expect("a string");
                    from = None;
                }
                _ => {}
            }
        }
        put!(self, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    fn waveform(&mut self, columns: &[Column]) {
        let peak = columns.iter().map(|column| column.high.max(-column.low)).fold(PEAK_MIN, f32::max);
        let note = format!("peak {:.0} dBFS", 20.0 * peak.log10());
        let lane = self.lane("waveform", &note, 64);
        let line = |value: &dyn Fn(&Column) -> f32| -> Vec<Point> {
            let point = |column: &Column| (self.x(column.x_ms), height(value(column), (-peak, peak), lane));
            columns.iter().map(point).collect()
        };
        let d = area(&line(&|column| column.high), &line(&|column| column.low));
        put!(self, "<path class=\"wave\" d=\"{d}\"/>");
    }

    fn level(&mut self, columns: &[Column]) {
        let lane = self.lane("level, dBFS", "", 64);
        self.key("key-floor", lane.1 + 24, "noise floor");
        for db in [-60, -40, -20] {
            self.mark(height(db as f32, LEVEL_DB, lane), &db.to_string());
        }
        let at = |column: &Column, db: f32| (self.x(column.x_ms), height(db, LEVEL_DB, lane));
        let level: Vec<Point> =
            columns.iter().filter_map(|column| Some(at(column, column.seen.level_db?))).collect();
        let floor: Vec<Point> = columns.iter().map(|column| at(column, column.seen.floor_db)).collect();
        self.curve("level", &level);
        self.curve("floor", &floor);
        self.y -= GAP - 2;
        let (bottom, top) = self.lane("speech", "", 12);
        self.stretches("speech", columns, (bottom + top) / 2, |column| column.seen.sound);
    }

    fn tones(&mut self, columns: &[Column], summary: &Summary) {
        let lane = self.lane("tones, beeps", "Hz", 54);
        for hz in [500, 1000, 2000] {
            self.mark(height(hz as f32, TONE_HZ, lane), &hz.to_string());
        }
        let (bottom, top) = lane;
        self.stretches("network", columns, bottom - 3, |column| column.seen.network);
        let mut line: Vec<Point> = Vec::new();
        let mut lines = Vec::new();
        for column in columns {
            match column.seen.tone_hz {
                Some(hz) => {
                    let y = height(hz, TONE_HZ, lane);
                    // A curve of one point would not be seen.
                    if line.is_empty() {
                        line.push((self.x(column.x_ms) - 2, y));
                    }
                    line.push((self.x(column.x_ms), y));
                }
                None => lines.extend((!line.is_empty()).then(|| std::mem::take(&mut line))),
            }
        }
        lines.push(line);
        let d: String = lines.iter().map(|line| path(line)).collect();
        put!(self, "<path class=\"tone\" d=\"{d}\"/>");
        let mut free = LEFT;
        for tone in &summary.tones {
            let x = self.x_of(tone.at);
            put!(self, "<path class=\"named\" d=\"M{x} {top}V{bottom}\"/>");
            free = self.event(x, top + 11, free, &tone.kind.as_str().replace('_', " "));
        }
        let mut free = LEFT;
        for beep in &summary.beeps {
            let (start, end, said) =
                (self.x_of(beep.start), self.x_of(beep.end), self.x_of(beep.reported_at));
            let end = end.max(start + 2);
            put!(self, "<path class=\"heard\" d=\"M{start} {top}H{end}V{bottom}H{start}z\"/>");
            put!(self, "<path class=\"named\" d=\"M{said} {top}V{bottom}\"/>");
            free = self.event(end, bottom - 8, free, &format!("beep {:.0} Hz", beep.frequency_hz));
        }
    }

    /// A word at an event, unless another stands there; returns where the next one may stand.
    fn event(&mut self, x: i32, y: i32, free: i32, text: &str) -> i32 {
        if x < free {
            return free;
        }
        let wide = 7 * text.len() as i32;
        let (class, at) = if x + wide > RIGHT { ("event end", x - 4) } else { ("event", x + 4) };
        put!(self, "<text class=\"{class}\" x=\"{at}\" y=\"{y}\">{}</text>", escaped(text));
        x + wide + 8
    }

    fn counted(&mut self, columns: &[Column]) {
        let lane = self.lane("so far, seconds", "", 72);
        self.key("key-span", lane.1 + 26, "first to newest word");
        self.key("key-voiced", lane.1 + 40, "sound in words");
        self.key("key-silence", lane.1 + 54, "quiet since");
        let most = columns.iter().map(|column| column.seen.span_ms).max().unwrap_or(0) as f32 / 1000.0;
        let seconds = (0.0, most.clamp(COUNTED_S.0, COUNTED_S.1));
        let step = step(seconds.1, 3.0);
        for mark in (1..).map(|n| n as f32 * step).take_while(|mark| *mark <= seconds.1 * 0.97) {
            self.mark(height(mark, seconds, lane), &mark.to_string());
        }
        self.seconds("silence", columns, lane, seconds, |glimpse| glimpse.silence_ms);
        self.seconds("span", columns, lane, seconds, |glimpse| glimpse.span_ms);
        self.seconds("voiced", columns, lane, seconds, |glimpse| glimpse.voiced_ms);
        self.y -= GAP - 2;
        let (bottom, _) = self.lane("words", "", 14);
        let (mut words, mut free) = (0, LEFT);
        for column in columns.iter().filter(|column| column.seen.words > 0) {
            let x = self.x(column.x_ms);
            if column.seen.words != words && x >= free {
                words = column.seen.words;
                put!(self, "<text class=\"word\" x=\"{x}\" y=\"{}\">{words}</text>", bottom - 3);
                free = x + if words < 10 { 8 } else { 15 };
            }
        }
    }

    /// Milliseconds as a curve over an axis of seconds.
    fn seconds(
        &mut self,
        class: &str,
        columns: &[Column],
        lane: (i32, i32),
        seconds: (f32, f32),
        value: impl Fn(&Glimpse) -> u32,
    ) {
        let at = |column: &Column| height(value(&column.seen) as f32 / 1000.0, seconds, lane);
        let points: Vec<Point> = columns.iter().map(|column| (self.x(column.x_ms), at(column))).collect();
        self.curve(class, &points);
    }

    fn periodicity(&mut self, columns: &[Column]) {
        let lane = self.lane("periodicity", "0 to 1", 30);
        self.share("periodic", columns, lane, |glimpse| glimpse.periodicity);
    }

    fn model(&mut self, columns: &[Column]) {
        if columns.iter().all(|column| column.seen.machine == 0.0) {
            return;
        }
        let lane = self.lane("model: machine", "probability", 56);
        for mark in [0.25, 0.5, 0.75] {
            self.mark(height(mark, (0.0, 1.0), lane), &mark.to_string());
        }
        self.share("model", columns, lane, |glimpse| glimpse.machine);
    }

    /// A share of 0 to 1 as an area.
    fn share(&mut self, class: &str, columns: &[Column], lane: (i32, i32), value: impl Fn(&Glimpse) -> f32) {
        let points: Vec<Point> = columns
            .iter()
            .map(|column| (self.x(column.x_ms), height(value(&column.seen), (0.0, 1.0), lane)))
            .collect();
        let base: Vec<Point> = points.iter().map(|(x, _)| (*x, lane.0)).collect();
        put!(self, "<path class=\"{class}\" d=\"{}\"/>", area(&points, &base));
    }

    /// The labelled greeting and beep, behind everything.
    fn labels(&mut self, clip: Option<&Clip>, top: i32, bottom: i32) {
        let Some(clip) = clip else { return };
        let mut free = LEFT;
        for (class, text, start, end) in [
            ("greeting", "labelled greeting", clip.greeting_start, clip.greeting_end),
            ("beep", "labelled beep", clip.beep_start, clip.beep_end),
        ] {
            let Some(start) = start else { continue };
            let from = self.x_of(start);
            let to = end.map_or(from + 1, |end| self.x_of(end)).max(from + 1);
            put!(self, "<path class=\"{class}\" d=\"M{from} {top}H{to}V{bottom}H{from}z\"/>");
            let (x, align) = if from > RIGHT - 90 { (RIGHT, " end") } else { (from.max(free), "") };
            put!(self, "<text class=\"{class}-name{align}\" x=\"{x}\" y=\"{}\">{text}</text>", bottom + 9);
            free = x + 100;
        }
    }

    fn axis(&mut self, top: i32, bottom: i32) {
        let step = step(self.span_s, 14.0);
        let marks = (0..).map(|n| n as f32 * step).take_while(|mark| *mark <= self.span_s);
        for mark in marks.collect::<Vec<_>>() {
            let x = self.x((mark * 1000.0).round() as u32);
            put!(self, "<path class=\"grid\" d=\"M{x} {top}V{}\"/>", bottom);
            let text = (mark * 100.0).round() / 100.0;
            put!(self, "<text class=\"tick middle\" x=\"{x}\" y=\"{}\">{text} s</text>", bottom + 20);
        }
    }

    /// Draws a verdict's line; returns its sentence, which goes before all lines.
    fn verdict(&mut self, verdict: &Verdict, revised: bool, row: i32, bottom: i32) -> String {
        let x = self.x_of(verdict.at);
        let class = match verdict.class {
            Class::Human => "human",
            Class::Machine => "machine",
            Class::Silence | Class::Unsure => "unsure",
            _ => "other",
        };
        let text = if revised { revision(verdict) } else { sentence(verdict) };
        put!(self, "<g class=\"verdict {class}\"><path d=\"M{x} {}V{bottom}\"/></g>", row - 10);
        let (align, at) = if x > (LEFT + RIGHT) / 2 { ("end", x - 6) } else { ("start", x + 6) };
        let text = escaped(&text);
        format!(
            "<g class=\"verdict {class}\"><text class=\"{align}\" x=\"{at}\" y=\"{row}\">{text}</text></g>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::markup::tests::assert_well_formed;
    use super::super::trace::watch;
    use super::*;
    use crate::amd::detector::{Detector, Options};
    use crate::audio::tone::Tone;
    use crate::corpus::manifest::Label;

    #[test]
    fn a_picture_is_well_formed_and_names_what_it_shows() {
        let samples = Tone::sine(425.0, -16.0).samples(Duration::from_secs(6));
        let (summary, trace) = watch(&mut Detector::new(&Options::default()), &samples);
        let clip = Clip {
            greeting_start: Some(Duration::from_millis(300)),
            greeting_end: Some(Duration::from_millis(900)),
            ..Clip::new("<busy>.wav", Label::Other)
        };
        let drawn = picture(&Scene { clip: Some(&clip), summary: &summary, trace: &trace });
        assert_well_formed(&drawn);
        for want in ["labelled greeting", "dial tone", "called tone at", ">5 s<", "waveform"] {
            assert!(drawn.contains(want), "no «{want}» in {drawn}");
        }
        assert!(!drawn.contains("model: machine"), "a model that says nothing has no lane");
    }

    #[test]
    fn a_model_that_speaks_has_a_lane() {
        let (summary, mut trace) = watch(&mut Detector::new(&Options::default()), &[0; 16_000]);
        for (place, glimpse) in trace.glimpses.iter_mut().enumerate() {
            glimpse.machine = place as f32 / 200.0;
        }
        let drawn = picture(&Scene { clip: None, summary: &summary, trace: &trace });
        assert_well_formed(&drawn);
        assert!(drawn.contains("model: machine") && drawn.contains("class=\"model\""), "{drawn}");
    }

    #[test]
    fn a_minute_takes_no_more_room_than_a_few_seconds() {
        let mut samples = Vec::new();
        for second in 0..70 {
            samples.extend(
                Tone::sine(300.0 + 20.0 * f64::from(second), -16.0).samples(Duration::from_millis(700)),
            );
            samples.resize(samples.len() + 2400, 0);
        }
        let (summary, trace) = watch(&mut Detector::new(&Options::default()), &samples);
        let drawn = picture(&Scene { clip: None, summary: &summary, trace: &trace });
        assert_well_formed(&drawn);
        assert!(drawn.len() < 45_000, "{} bytes", drawn.len());
    }

    #[test]
    fn nothing_seen_is_drawn_without_a_panic() {
        let (summary, trace) = (Summary::default(), Trace::default());
        assert_well_formed(&picture(&Scene { clip: None, summary: &summary, trace: &trace }));
    }
}
