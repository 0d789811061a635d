//! Cutting a value at separators that stand outside quotes and angle brackets (RFC 3261 section 7.3.1).

/// The parts of `text` between `separator`s, trimmed, without empty ones. A quote that is never closed reaches to
/// the end of the text.
pub fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator, keeps_empty: false }
}

/// As [`split`], with the empty parts: where nothing may be missing, they are faults.
pub fn split_with_empty(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator, keeps_empty: true }
}

/// The iterator of [`split`]; linear over the whole text.
#[derive(Clone, Debug)]
pub struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
    keeps_empty: bool,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while let Some(rest) = self.rest {
            let part = match find_outside_quotes(rest, self.separator) {
                Some(at) => {
                    self.rest = Some(&rest[at + 1..]);
                    &rest[..at]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            let part = part.trim();
            if !part.is_empty() || self.keeps_empty {
                return Some(part);
            }
        }
        None
    }
}

/// Where `wanted` (an ASCII character) first stands outside quotes and angle brackets.
pub fn find_outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ if byte == wanted && !bracketed => return Some(at),
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            _ => {}
        }
    }
    None
}

/// Whether `text` is one quoted string from its first character to its last (RFC 3261 section 25.1).
pub fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"') else { return false };
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.is_some_and(|end| end + 1 == inner.len())
}

/// The text of a quoted string with its escapes resolved, or the text itself when it is not quoted.
pub fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
    out
}

/// Appends `text` as a quoted string (RFC 3261 section 25.1).
pub fn quote_into(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let table: [(&str, &[&str]); 7] = [
            ("a, b ,c", &["a", "b", "c"]),
            ("\"Doe, J\" <sip:a@h>, <sip:b,c@h>", &["\"Doe, J\" <sip:a@h>", "<sip:b,c@h>"]),
            (r#""a \", b" <sip:a@h>,x"#, &[r#""a \", b" <sip:a@h>"#, "x"]),
            (" , ,", &[]),
            ("", &[]),
            ("\"never closed, x", &["\"never closed, x"]),
            (r#""ends in a backslash \\", b"#, &[r#""ends in a backslash \\""#, "b"]),
        ];
        for (text, parts) in table {
            assert_eq!(split(text, b',').collect::<Vec<_>>(), parts, "{text}");
        }
    }

    #[test]
    fn empty_parts_are_seen_where_they_are_wanted() {
        assert_eq!(split_with_empty("a,,b,", b',').collect::<Vec<_>>(), ["a", "", "b", ""]);
        assert_eq!(split_with_empty("", b',').collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_quoted_string_is_told_from_what_only_begins_like_one() {
        for text in [r#""""#, r#""a""#, r#""a\"b""#, r#""a\\""#] {
            assert!(is_quoted_string(text), "{text}");
        }
        for text in ["", "a", "\"", r#""a"#, r#""a\""#, r#""a" "b""#, r#""a"b""#, r#""a"b"#] {
            assert!(!is_quoted_string(text), "{text}");
        }
    }

    #[test]
    fn a_quoted_string_survives_the_round_trip() {
        for text in ["plain", "with \"quotes\"", r"back\slash\", "ümlaut", ""] {
            let mut quoted = String::new();
            quote_into(&mut quoted, text);
            assert_eq!(unquote(&quoted), text);
        }
        assert_eq!(unquote("token"), "token");
    }
}
