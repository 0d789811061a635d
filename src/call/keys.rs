//! Keys of the other side, however they come: as telephone events, as sound, or in SIP INFO.
//!
//! Some gateways tell one press in two ways. Each press counts once ([`Presses`]).

pub use crate::media::command::{Means, Presses};
use serde::Deserialize;

/// How keys are sent to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtmf {
    /// As telephone events (RFC 4733); in the sound, where the peer knows none.
    #[default]
    Auto,
    /// As telephone events; by SIP INFO, where the peer knows none.
    AutoInfo,
    /// By SIP INFO, whatever the peer knows.
    Info,
}

impl Dtmf {
    /// Whether keys go by INFO to a peer who knows telephone events or does not.
    pub fn is_info(self, knows_events: bool) -> bool {
        match self {
            Dtmf::Auto => false,
            Dtmf::AutoInfo => !knows_events,
            Dtmf::Info => true,
        }
    }
}

/// The media type of a key in SIP INFO.
pub const INFO_TYPE: &str = "application/dtmf-relay";

/// The body of an INFO with a key, as [`of_info`] reads it: pressed for 160 ms, as most send it.
pub fn info_body(key: char) -> Vec<u8> {
    format!("Signal={key}\r\nDuration=160\r\n").into_bytes()
}

/// The key of an INFO: `application/dtmf-relay` has `Signal=5` among its lines, `application/dtmf` the bare key.
pub fn of_info(content_type: &str, body: &[u8]) -> Option<char> {
    let kind = content_type.split(';').next()?.trim();
    let text = std::str::from_utf8(body).ok()?;
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.lines().next()?
    } else {
        return None;
    };
    key_of(signal.trim())
}

/// A key by itself, or by its event code (RFC 4733, 3.2), as some send 10 for `*` and 11 for `#`.
fn key_of(signal: &str) -> Option<char> {
    let mut characters = signal.chars();
    match (characters.next(), characters.next()) {
        (Some(key), None) => {
            let key = key.to_ascii_uppercase();
            matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(key)
        }
        _ => {
            let code: usize = signal.parse().ok()?;
            "0123456789*#ABCD".chars().nth(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_info_are_read_in_every_way_they_are_written() {
        let table = [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5')),
            ("application/dtmf-relay", "Signal= *\r\nDuration= 250", Some('*')),
            ("Application/DTMF-Relay; charset=utf-8", "duration=100\nsignal=#\n", Some('#')),
            ("application/dtmf-relay", "Signal=11\r\n", Some('#')),
            ("application/dtmf-relay", "Signal=a\r\n", Some('A')),
            ("application/dtmf-relay", "Duration=160\r\n", None),
            ("application/dtmf-relay", "Signal=\r\n", None),
            ("application/dtmf-relay", "Signal=17\r\n", None),
            ("application/dtmf", "7", Some('7')),
            ("application/dtmf", "d\r\n", Some('D')),
            ("application/dtmf", "", None),
            ("application/dtmf", "\u{ff15}", None),
            ("application/broadsoft", "Signal=5", None),
            ("", "5", None),
        ];
        for (content_type, body, key) in table {
            assert_eq!(of_info(content_type, body.as_bytes()), key, "{content_type} {body:?}");
        }
        assert_eq!(of_info("application/dtmf", &[0xff, b'5']), None);
        assert!("0123456789*#ABCD".chars().all(|key| of_info(INFO_TYPE, &info_body(key)) == Some(key)));
    }
}
