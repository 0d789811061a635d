//! Many rows as one value: a JSON text of arrays, which `json_each` takes apart.
//!
//! SQLite has a thread of its own, and a server is a network away: what a statement costs is mostly that it is one. However
//! many rows there are, the statement's text stays the same and is prepared once. It materializes `json_each` before it reads
//! columns: SQLite would write a row out as text anew for each mention of it.

use serde::Serialize;

/// Rows, each a list of columns.
#[derive(Default)]
pub(super) struct Rows {
    text: Vec<u8>,
    columns: usize,
}

impl Rows {
    /// Begins the next row.
    pub(super) fn begin(&mut self) -> &mut Self {
        self.text.extend_from_slice(if self.text.is_empty() { b"[[" } else { b"],[" });
        self.columns = 0;
        self
    }

    /// The row's next column. What is no number is absent.
    pub(super) fn put(&mut self, value: impl Serialize) -> &mut Self {
        if self.columns > 0 {
            self.text.push(b',');
        }
        self.columns += 1;
        serde_json::to_writer(&mut self.text, &value).expect("texts and numbers always have a JSON form");
        self
    }

    /// Whether no row was begun.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The value for the statement.
    pub(super) fn into_text(mut self) -> String {
        self.text.extend_from_slice(if self.text.is_empty() { b"[]" } else { b"]]" });
        String::from_utf8(self.text).expect("JSON is UTF-8")
    }
}

/// Rows that are nothing but a text each.
pub(super) fn of_texts(texts: &[&str]) -> Rows {
    let mut rows = Rows::default();
    for text in texts {
        rows.begin().put(text);
    }
    rows
}

/// Numbers of rows, each a text of its own: what `json_each` takes apart into plain numbers.
pub(super) fn of_ids(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<i64> = ids.into_iter().collect();
    serde_json::to_string(&ids).expect("integers always have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_arrays_of_their_columns() {
        assert_eq!(Rows::default().into_text(), "[]");
        let mut rows = Rows::default();
        rows.begin().put("a \"b\"\n").put(7_i64);
        rows.begin().put(None::<i64>).put(f64::NAN).put(1.5);
        assert!(!rows.is_empty());
        assert_eq!(rows.into_text(), r#"[["a \"b\"\n",7],[null,null,1.5]]"#);
        assert_eq!(of_texts(&["a", "b"]).into_text(), r#"[["a"],["b"]]"#);
    }
}
