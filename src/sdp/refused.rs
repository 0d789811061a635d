//! The media lines that a session has beside our audio (RFC 3264 section 8).
//!
//! A peer may offer more than audio in mid-call, and in any order. What we refuse stays in the session: every later offer, of
//! either side, has at least as many media lines as there were, each at its place.

use super::description::Description;
use sdp_types::Media;

/// The longest word of a line that is remembered; those that mean something are shorter.
const WORD_CHARS_MAX: usize = 32;

/// A media line that we have refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    media: String,
    proto: String,
    /// One of its formats: there must be one, and of a refused line it means nothing (section 6).
    format: String,
}

/// The refused lines of an answer of ours: those before our audio, and those behind it. An answer has as many lines as its
/// offer, and an offer with more than [`super::MEDIA_MAX`] is not read.
pub fn refused(answer: &[u8]) -> (Vec<Refused>, Vec<Refused>) {
    let Ok(description) = Description::parse(answer) else { return Default::default() };
    let lines = description.media();
    let Some(ours) = lines.iter().position(|line| line.port != 0) else { return Default::default() };
    let (before, after) = (&lines[..ours], &lines[ours + 1..]);
    (before.iter().map(Refused::of).collect(), after.iter().map(Refused::of).collect())
}

impl Refused {
    fn of(line: &Media) -> Refused {
        let word = |text: &str| text.chars().take(WORD_CHARS_MAX).collect();
        let format = line.fmt.split(' ').next().unwrap_or_default();
        Refused { media: word(&line.media), proto: word(&line.proto), format: word(format) }
    }

    /// The line as it is said again.
    pub(super) fn line(&self) -> Media {
        Media {
            media: self.media.clone(),
            port: 0,
            num_ports: None,
            proto: self.proto.clone(),
            fmt: self.format.clone(),
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Vec::new(),
        }
    }
}
