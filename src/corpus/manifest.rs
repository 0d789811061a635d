//! The manifest of a corpus: a CSV file with one row a clip, columns by name in any order.
//!
//! `file` and `label` are required, every other column may be missing or empty. Unknown columns are ignored, so that a
//! corpus can carry what only its makers need.

use csv::{ReaderBuilder, StringRecord, Trim};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// A manifest with more clips is refused.
pub const CLIPS_MAX: usize = 1_000_000;
/// The columns that are written, in order.
pub const COLUMNS: [&str; 20] = [
    "file",
    "label",
    "subtype",
    "source",
    "voice",
    "licence",
    "kind",
    "greeting_start_s",
    "greeting_end_s",
    "beep_start_s",
    "beep_end_s",
    "beep_hz",
    "dur_s",
    "codec",
    "loss",
    "level_db",
    "noise",
    "snr_db",
    "note",
    "may_be_published",
];

/// Who answered, as a person labelled it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Label {
    /// A living person.
    Human,
    /// An answering machine or voicemail.
    Machine,
    /// Neither: tones, fax, music, silence, a phone tree, a screening assistant. The subtype says which.
    Other,
}

impl Label {
    /// The word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Label::Human => "human",
            Label::Machine => "machine",
            Label::Other => "other",
        }
    }
}

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub struct Clip {
    /// The WAV file, relative to the manifest's folder.
    pub file: String,
    /// Who answered.
    pub label: Label,
    /// What kind of it: `word`, `vm_system`, `busy`, `sit_intercept` ... ; empty when unknown.
    pub subtype: String,
    /// Where the sound comes from: a corpus and its speaker, a prompt package, a synthesiser's voice.
    pub source: String,
    /// The speaker, where the source does not say; folds keep voices apart.
    pub voice: String,
    /// Its licence.
    pub licence: String,
    /// `real`, `tts`, `synth`, or empty.
    pub kind: String,
    /// Where the greeting begins, from the clip's start.
    pub greeting_start: Option<Duration>,
    /// Where it ends.
    pub greeting_end: Option<Duration>,
    /// Where the beep begins.
    pub beep_start: Option<Duration>,
    /// Where it ends.
    pub beep_end: Option<Duration>,
    /// Its strongest line in Hz.
    pub beep_hz: Option<f64>,
    /// How long the clip lasts.
    pub duration: Option<Duration>,
    /// What the sound went through: `ulaw`, `alaw`, `gsm`.
    pub codec: String,
    /// The share of packets lost, 0 to 1.
    pub loss: f64,
    /// The level of the speech in dBFS.
    pub level_db: Option<f64>,
    /// `none`, `line`, `ambient`, `own`.
    pub noise: String,
    /// Signal-to-noise ratio in dB, where noise was added.
    pub snr_db: Option<f64>,
    /// What was said, and how the clip was made.
    pub note: String,
    /// It may be copied and published.
    pub may_be_published: bool,
}

impl Clip {
    /// A clip of which nothing but the label is known.
    pub fn new(file: impl Into<String>, label: Label) -> Self {
        Clip {
            file: file.into(),
            label,
            subtype: String::new(),
            source: String::new(),
            voice: String::new(),
            licence: String::new(),
            kind: String::new(),
            greeting_start: None,
            greeting_end: None,
            beep_start: None,
            beep_end: None,
            beep_hz: None,
            duration: None,
            codec: String::new(),
            loss: 0.0,
            level_db: None,
            noise: String::new(),
            snr_db: None,
            note: String::new(),
            may_be_published: false,
        }
    }
}

impl Clip {
    /// The source without the single recording: the repository of a path such as `maker/corpus speaker/file.wav`, else all
    /// of it. Folds and tables go by it.
    pub fn origin(&self) -> &str {
        let first = self.source.split_whitespace().next().unwrap_or("");
        if first.contains('/') { first } else { &self.source }
    }

    /// How long the greeting lasts.
    pub fn greeting(&self) -> Option<Duration> {
        self.greeting_end?.checked_sub(self.greeting_start?)
    }
}

/// What is wrong with a manifest, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The line of the file, 1 being the header.
    pub line: u64,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// Reads a manifest; stops at the first fault, for a half-read corpus gives a wrong figure.
pub fn read(text: &[u8]) -> Result<Vec<Clip>, Fault> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text);
    let header = reader.headers().map_err(fault_of)?.clone();
    for required in ["file", "label"] {
        if !header.iter().any(|name| name == required) {
            let text =
                format!("no column `{required}`; a manifest needs at least `file,label` in its first line");
            return Err(Fault { line: 1, text });
        }
    }
    let mut clips = Vec::new();
    for record in reader.records() {
        let record = record.map_err(fault_of)?;
        if clips.len() == CLIPS_MAX {
            return Err(Fault { line: line_of(&record), text: format!("more than {CLIPS_MAX} clips") });
        }
        clips.push(Row { header: &header, record: &record }.clip()?);
    }
    Ok(clips)
}

/// Writes a manifest with all of [`COLUMNS`].
pub fn write(clips: &[Clip]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let seconds = |time: Option<Duration>| time.map_or(String::new(), |t| format!("{:.3}", t.as_secs_f64()));
    let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.1}"));
    let mut put = |row: [String; COLUMNS.len()]| writer.write_record(row).expect("memory takes every row");
    put(COLUMNS.map(str::to_owned));
    for clip in clips {
        put([
            clip.file.clone(),
            clip.label.as_str().to_owned(),
            clip.subtype.clone(),
            clip.source.clone(),
            clip.voice.clone(),
            clip.licence.clone(),
            clip.kind.clone(),
            seconds(clip.greeting_start),
            seconds(clip.greeting_end),
            seconds(clip.beep_start),
            seconds(clip.beep_end),
            number(clip.beep_hz),
            seconds(clip.duration),
            clip.codec.clone(),
            clip.loss.to_string(),
            number(clip.level_db),
            clip.noise.clone(),
            number(clip.snr_db),
            clip.note.clone(),
            if clip.may_be_published { "yes" } else { "no" }.to_owned(),
        ]);
    }
    writer.into_inner().expect("memory needs no flush")
}

struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl Row<'_> {
    fn clip(&self) -> Result<Clip, Fault> {
        let file = self.text("file");
        if file.is_empty() {
            return Err(self.fault("the column `file` is empty"));
        }
        let label = match self.text("label") {
            "human" => Label::Human,
            "machine" => Label::Machine,
            "other" => Label::Other,
            word => {
                return Err(self.fault(&format!("label `{word}` is none of `human`, `machine`, `other`")));
            }
        };
        let word = |name: &str| self.text(name).to_owned();
        let beep_start = self.time("beep_start_s")?;
        let beep = self.beep()?;
        Ok(Clip {
            subtype: word("subtype"),
            source: word("source"),
            voice: word("voice"),
            licence: word("licence"),
            kind: word("kind"),
            greeting_start: self.time("greeting_start_s")?,
            greeting_end: self.time("greeting_end_s")?,
            beep_start,
            beep_end: self.time("beep_end_s")?.or_else(|| beep_start?.checked_add(beep.length()?)),
            beep_hz: self.number("beep_hz")?.or(beep.f),
            duration: self.time("dur_s")?,
            codec: word("codec"),
            loss: self.number("loss")?.unwrap_or(0.0),
            level_db: self.number("level_db")?,
            noise: word("noise"),
            snr_db: self.number("snr_db")?,
            note: word("note"),
            may_be_published: self.text("may_be_published") == "yes",
            ..Clip::new(file, label)
        })
    }

    fn text(&self, name: &str) -> &str {
        let column = self.header.iter().position(|column| column == name);
        column.and_then(|column| self.record.get(column)).unwrap_or("")
    }

    fn number(&self, name: &str) -> Result<Option<f64>, Fault> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.map(Some).ok_or_else(|| self.fault(&format!("`{text}` in `{name}` is no number")))
    }

    fn time(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let Some(seconds) = self.number(name)? else { return Ok(None) };
        let time = Duration::try_from_secs_f64(seconds);
        let text = format!("`{seconds}` in `{name}` is no time in seconds from the clip's start");
        time.map(Some).map_err(|_| self.fault(&text))
    }

    fn beep(&self) -> Result<BeepColumn, Fault> {
        match self.text("beep") {
            "" => Ok(BeepColumn::default()),
            text => serde_json::from_str(text).map_err(|error| {
                self.fault(&format!("`beep` holds no JSON object with `dur` and `f`: {error}"))
            }),
        }
    }

    fn fault(&self, text: &str) -> Fault {
        Fault { line: line_of(self.record), text: text.to_owned() }
    }
}

/// The column `beep` of a corpus that says in JSON how its beeps were made.
#[derive(Deserialize, Default)]
#[serde(default)]
struct BeepColumn {
    dur: Option<f64>,
    f: Option<f64>,
}

impl BeepColumn {
    fn length(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.dur?).ok()
    }
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn fault_of(error: csv::Error) -> Fault {
    Fault { line: error.position().map_or(1, csv::Position::line), text: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let clip = Clip {
            subtype: "vm_system".into(),
            source: "prompts, \"quoted\"".into(),
            greeting_start: Some(Duration::from_millis(519)),
            beep_hz: Some(1000.0),
            loss: 0.03,
            may_be_published: true,
            ..Clip::new("machine/a.wav", Label::Machine)
        };
        let clips = [clip, Clip::new("human/b.wav", Label::Human)];
        assert_eq!(read(&write(&clips)).unwrap(), clips);
    }

    #[test]
    fn columns_may_stand_in_any_order_and_be_missing_or_unknown() {
        let clips = read(b"label,shoe_size,file\nother,43,x.wav\n").unwrap();
        assert_eq!(clips, [Clip::new("x.wav", Label::Other)]);
    }

    #[test]
    fn a_beep_told_in_json_has_an_end_and_a_line() {
        let text = "file,label,beep_start_s,beep\na.wav,machine,2.5,\"{\"\"kind\"\": \"\"sine\"\", \"\"f\"\": 1330, \"\"dur\"\": 0.6}\"\n";
        let clips = read(text.as_bytes()).unwrap();
        assert_eq!((clips[0].beep_end, clips[0].beep_hz), (Some(Duration::from_millis(3100)), Some(1330.0)));
        let fault = read(b"file,label,beep\na.wav,machine,loud\n").unwrap_err();
        assert!(fault.text.contains("no JSON object with `dur`"), "{fault}");
    }

    #[test]
    fn a_fault_names_its_line_and_what_would_be_right() {
        let cases: [(&str, u64, &str); 5] = [
            ("file,subtype\n", 1, "no column `label`"),
            ("file,label\na.wav,human\nb.wav,robot\n", 3, "none of `human`"),
            ("file,label\n,human\n", 2, "`file` is empty"),
            ("file,label,loss\na.wav,human,much\n", 2, "`much` in `loss`"),
            ("file,label,greeting_end_s\na.wav,human,-1\n", 2, "no time in seconds"),
        ];
        for (text, line, want) in cases {
            let fault = read(text.as_bytes()).unwrap_err();
            assert_eq!(fault.line, line, "{fault}");
            assert!(fault.text.contains(want), "{fault}");
        }
    }
}
