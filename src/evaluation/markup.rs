//! The little of HTML and SVG that the page and its pictures need.

use std::fmt::Write;

/// Text that may stand in an element or in a quoted attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML allows no other control characters, not even written as a number.
            '\n' | '\t' => out.push(' '),
            sign if sign.is_control() => out.push('\u{fffd}'),
            sign => out.push(sign),
        }
    }
    out
}

/// A table: a head, and rows whose first cell names them. Cells are markup already.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = String::from("<div class=\"wide\"><table><thead><tr>");
    for cell in head {
        write!(out, "<th>{cell}</th>").expect("a string");
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let tag = if place == 0 { "th" } else { "td" };
            write!(out, "<{tag}>{cell}</{tag}>").expect("a string");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Panics unless every element of the markup is closed, in order, and every attribute quoted.
    pub fn assert_well_formed(markup: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = markup;
        while let Some(at) = rest.find('<') {
            assert!(!rest[..at].contains('>'), "a stray > in {:?}", &rest[..at]);
            let end = at + rest[at..].find('>').expect("every tag ends");
            let tag = &rest[at + 1..end];
            rest = &rest[end + 1..];
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if tag.starts_with('!') || ["meta", "col"].contains(&name) {
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
            assert_eq!(tag.matches('=').count() * 2, tag.matches('"').count(), "attributes of <{tag}>");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "<{tag}> closes what is not open");
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
        for piece in markup.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| piece.starts_with(entity));
            assert!(known, "a stray & before {:?}", piece.chars().take(12).collect::<String>());
        }
    }

    #[test]
    fn no_name_of_a_file_breaks_the_page() {
        assert_eq!(escaped("<a & \"b\">\u{1}\n"), "&lt;a &amp; &quot;b&quot;&gt;\u{fffd} ");
    }

    #[test]
    fn a_table_is_well_formed() {
        let table = table(&["", "n"], [vec![escaped("<x>"), "1".to_owned()]]);
        assert_well_formed(&table);
        assert!(table.contains("<th>&lt;x&gt;</th><td>1</td>"), "{table}");
    }
}
