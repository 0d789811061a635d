//! From a file's bytes to UTF-8: UTF-16 as spreadsheets save "Unicode text", and Windows-1252 where bytes are no UTF-8.

use std::borrow::Cow;

/// How a file writes characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// UTF-8, or Windows-1252 where it is none: taken as it is, see [`decode`].
    Bytes,
    /// UTF-16, with what an earlier chunk has left over: half a unit, or the first of a pair.
    Utf16 {
        /// The first byte of a unit is its upper one.
        big_endian: bool,
        /// Fewer than four bytes.
        left_over: Vec<u8>,
    },
}

impl Encoding {
    /// By the file's first bytes, with the length of the mark that they begin with; an error says what the file is when it
    /// is no text.
    pub fn of_first(bytes: &[u8]) -> Result<(Encoding, usize), &'static str> {
        let utf_16 = |big_endian| Encoding::Utf16 { big_endian, left_over: Vec::new() };
        Ok(match bytes {
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Bytes, 3),
            [0xff, 0xfe, ..] => (utf_16(false), 2),
            [0xfe, 0xff, ..] => (utf_16(true), 2),
            [b'P', b'K', 3, 4, ..] => return Err("a spreadsheet or a ZIP archive"),
            [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err("an old spreadsheet"),
            [0x1f, 0x8b, ..] => return Err("a compressed file within another"),
            [b'%', b'P', b'D', b'F', ..] => return Err("a PDF document"),
            [b'[', b'{' | b'\n' | b'\r' | b' ', ..] => {
                return Err("one JSON array: write one object a line instead");
            }
            // Without a mark: no text has a zero byte, but every second one of plain letters in UTF-16 is zero.
            [a, 0, b, 0, ..] if *a != 0 && *b != 0 => (utf_16(false), 0),
            [0, a, 0, b, ..] if *a != 0 && *b != 0 => (utf_16(true), 0),
            _ => (Encoding::Bytes, 0),
        })
    }

    /// Makes the next chunk of the file UTF-8. What is no character becomes U+FFFD.
    pub fn decode_into_utf_8(&mut self, chunk: &mut Vec<u8>, ended: bool) {
        let Encoding::Utf16 { big_endian, left_over } = self else { return };
        let mut bytes = std::mem::take(left_over);
        bytes.append(chunk);
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|unit| {
                let unit = [unit[0], unit[1]];
                if *big_endian { u16::from_be_bytes(unit) } else { u16::from_le_bytes(unit) }
            })
            .collect();
        let first_of_pair = units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let whole = if ended || !first_of_pair { units.len() } else { units.len() - 1 };
        let text = char::decode_utf16(units[..whole].iter().copied());
        chunk.extend(text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes());
        if !ended {
            left_over.extend_from_slice(&bytes[2 * whole..]);
        }
    }
}

/// UTF-8, or else Windows-1252, the superset of Latin-1 that spreadsheets write.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes
            .iter()
            .map(|byte| match byte {
                0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
                _ => char::from(*byte),
            })
            .collect::<String>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_read_in_both_orders_with_and_without_a_mark_wherever_it_is_cut() {
        let text = "number,name\n+12025550101,Zoë 🎉 ÿ\n";
        for big_endian in [false, true] {
            for mark in ["", "\u{feff}"] {
                let bytes: Vec<u8> = format!("{mark}{text}")
                    .encode_utf16()
                    .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                    .collect();
                for cut in 4..bytes.len() {
                    assert_eq!(read(&bytes[..cut], &bytes[cut..]), text, "{big_endian} {mark:?} {cut}");
                }
            }
        }
    }

    #[test]
    fn half_a_pair_at_the_end_costs_one_character() {
        assert_eq!(read(b"\xff\xfea\0\x3c\xd8", b""), "a\u{fffd}");
    }

    fn read(first: &[u8], second: &[u8]) -> String {
        let (mut encoding, mark) = Encoding::of_first(first).unwrap();
        let mut text = Vec::new();
        for (part, ended) in [(&first[mark..], false), (second, false), (b"", true)] {
            let mut chunk = part.to_vec();
            encoding.decode_into_utf_8(&mut chunk, ended);
            text.extend(chunk);
        }
        String::from_utf8(text).unwrap()
    }
}
