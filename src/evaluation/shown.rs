//! One recording on a page: its name, what is known of it, whether it was judged wrongly, and its picture.

use super::judged::Judged;
use super::markup::escaped;
use super::picture::{Scene, picture};
use super::report::Wrong;
use super::sentence::{revision, sentence, time};
use super::trace::Trace;
use crate::amd::replay::Summary;
use crate::corpus::manifest::Clip;

/// One recording as the page shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    title: String,
    tag: String,
    facts: String,
    fault: Option<&'static str>,
    picture: String,
}

impl Shown {
    /// A labelled clip, drawn at once, for what was seen takes more room than its picture.
    pub fn labelled(clip: &Clip, summary: &Summary, trace: &Trace, deadline_ms: u32) -> Shown {
        let one = Judged { clip: clip.clone(), summary: summary.clone() };
        let subtype = if clip.subtype.is_empty() { String::new() } else { format!(", {}", clip.subtype) };
        Shown {
            title: clip.file.clone(),
            tag: format!("{}{subtype}", clip.label.as_str()),
            facts: facts(clip),
            fault: Wrong::of(&one, deadline_ms).map(|wrong| wrong.what),
            picture: picture(&Scene { clip: Some(clip), summary, trace }),
        }
    }

    /// The recording's name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A verdict on it was wrong.
    pub fn is_wrong(&self) -> bool {
        self.fault.is_some()
    }

    /// The recording with its picture, folded unless `open`.
    pub fn detail(&self, open: bool, out: &mut String) {
        let (open, title) = (if open { " open=\"\"" } else { "" }, escaped(&self.title));
        let class = if self.fault.is_some() { " class=\"fault\"" } else { "" };
        let tag = match self.fault {
            Some(fault) => format!("{fault} · {}", self.tag),
            None => self.tag.clone(),
        };
        let (anchor, tag, facts) = (anchor(&self.title), escaped(&tag), escaped(&self.facts));
        *out += &format!("<details{class}{open} id=\"{anchor}\">\n");
        *out += &format!("<summary>{title}<span class=\"tag\">{tag}</span></summary>\n");
        *out += &format!("<div><p class=\"facts\">{facts}</p>\n{}</div></details>\n", self.picture);
    }

    /// A recording of which nothing is known.
    pub fn unlabelled(title: &str, summary: &Summary, trace: &Trace) -> Shown {
        let said = summary.verdict.map_or("no verdict".to_owned(), |verdict| sentence(&verdict));
        let revised = summary.revised.map_or(String::new(), |verdict| format!("; {}", revision(&verdict)));
        let greeting =
            summary.greeting_end.map_or(String::new(), |end| format!("; greeting ended at {}", time(end)));
        Shown {
            title: title.to_owned(),
            tag: summary.class().map_or("none", |class| class.as_str()).to_owned(),
            facts: format!("{said}{revised}{greeting}"),
            fault: None,
            picture: picture(&Scene { clip: None, summary, trace }),
        }
    }
}

/// What the manifest tells about a clip.
fn facts(clip: &Clip) -> String {
    let noise = Some(&clip.noise).filter(|noise| !noise.is_empty() && *noise != "none");
    let facts = [
        Some(clip.codec.clone()),
        (clip.loss > 0.0).then(|| format!("{:.0} % of packets lost", clip.loss * 100.0)),
        clip.level_db.map(|db| format!("{db:.0} dBFS")),
        noise.map(|noise| format!("noise: {noise}")),
        clip.snr_db.map(|db| format!("{db:.0} dB SNR")),
        Some(clip.source.clone()),
        Some(clip.note.clone()),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().filter(|fact| !fact.is_empty()).collect();
    facts.join(" · ")
}

/// The recording's place in the page, to be linked to.
pub fn anchor(file: &str) -> String {
    let sign = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '-' };
    format!("clip-{}", file.chars().map(sign).collect::<String>())
}
