//! Which column holds what: said by a header, or by custom (number, name, comment) where there is none.

use super::PHONES_MAX;

/// What the columns of a list hold. Indices count from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    /// Whether the first row was a header and not a contact.
    pub is_header: bool,
    /// Whether some title names the number; else the first column is taken.
    pub has_number: bool,
    /// The number's column.
    pub number: usize,
    /// The columns of the numbers to try after that one.
    pub further: Vec<usize>,
    /// The column of the place in the order of dialing; it stays an attribute too.
    pub priority: Option<usize>,
    /// The columns of which the name is made: one, or first and last name.
    pub names: Vec<usize>,
    /// The comment's column.
    pub comment: Option<usize>,
    // The titles by column, made unique; empty without a header.
    titles: Vec<String>,
}

const NUMBER: &[&str] = &[
    "number",
    "phone",
    "phone_number",
    "phonenumber",
    "phone_no",
    "tel",
    "telephone",
    "telephone_number",
    "tel_no",
    "mobile",
    "mobile_number",
    "mobile_phone",
    "cell",
    "cell_phone",
    "cellphone",
    "msisdn",
    "e164",
    "contact_number",
];
/// With a number behind them, from 1 on: `phone1`, `phone_2` ...
const NUMBERED: &[&str] = &["number", "phone", "phone_number", "tel", "telephone", "mobile"];
const ALTERNATIVE: &[&str] =
    &["alt_phone", "alternate_phone", "alternative_phone", "alt_number", "second_phone", "second_number"];
const PRIORITY: &[&str] = &["priority"];
/// What `outdial import` writes beside rows that it refuses, so that the corrected file can be imported as it is.
pub(super) const REJECTED: [&str; 3] = ["rejected_line", "rejected_reason", "rejected_remedy"];
const NAME: &[&str] =
    &["name", "full_name", "fullname", "contact_name", "contact", "customer", "customer_name"];
const FIRST_NAME: &[&str] = &["first_name", "firstname", "given_name", "forename"];
const LAST_NAME: &[&str] = &["last_name", "lastname", "surname", "family_name"];
const COMMENT: &[&str] = &["comment", "comments", "note", "notes", "remark", "remarks"];

impl Columns {
    /// By the first row. It is a header when it has a known title, or when its first cell can be no number at all.
    pub fn of_first(cells: &[String], is_number: impl Fn(&str) -> bool) -> Columns {
        let columns = Columns::of_titles(cells);
        let known = columns.has_number
            || !columns.names.is_empty()
            || columns.comment.is_some()
            || columns.is_returned();
        let first = cells.first().map_or("", String::as_str);
        let wordy = !first.chars().any(char::is_numeric) && first.chars().any(char::is_alphabetic);
        // A contact whose name happens to be a title ("Contact") still begins with a number.
        if !(known || wordy) || (!columns.has_number && is_number(first)) {
            return Columns::without_header();
        }
        columns
    }

    /// Of titles that are known to be such.
    pub fn of_titles(titles: &[String]) -> Columns {
        let keys: Vec<String> = titles.iter().map(|title| key(title)).collect();
        let find = |words: &[&str]| keys.iter().position(|key| words.contains(&key.as_str()));
        let names = match find(NAME) {
            Some(index) => vec![index],
            None => find(FIRST_NAME).into_iter().chain(find(LAST_NAME)).collect(),
        };
        let mut phones: Vec<usize> = find(NUMBER).into_iter().collect();
        for n in 1..=PHONES_MAX {
            phones.extend(keys.iter().position(|key| is_numbered(key, n)));
        }
        phones.extend(find(ALTERNATIVE));
        let mut phones = phones.into_iter();
        let number = phones.next();
        Columns {
            is_header: true,
            has_number: number.is_some(),
            number: number.unwrap_or(0),
            further: phones.collect(),
            priority: find(PRIORITY),
            names,
            comment: find(COMMENT),
            titles: unique(&keys),
        }
    }

    /// Whether these are the titles of a file of refused rows.
    fn is_returned(&self) -> bool {
        self.titles.iter().any(|title| REJECTED.contains(&title.as_str()))
    }

    fn without_header() -> Columns {
        Columns {
            is_header: false,
            has_number: true,
            number: 0,
            further: Vec::new(),
            priority: None,
            names: vec![1],
            comment: Some(2),
            titles: Vec::new(),
        }
    }

    /// How many columns the header has.
    pub fn len(&self) -> usize {
        self.titles.len()
    }

    /// Whether the column is kept as an attribute.
    pub fn is_attribute(&self, index: usize) -> bool {
        let returned = self.titles.get(index).is_some_and(|title| REJECTED.contains(&title.as_str()));
        index != self.number
            && !self.further.contains(&index)
            && !self.names.contains(&index)
            && self.comment != Some(index)
            && !returned
    }

    /// The titles by column; none without a header.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// The attribute's name.
    pub fn title(&self, index: usize) -> String {
        self.titles.get(index).cloned().unwrap_or_else(|| format!("column{}", index + 1))
    }
}

/// `phone2`, `phone_2`: the n-th of several.
fn is_numbered(key: &str, n: usize) -> bool {
    let stem = key.strip_suffix(&n.to_string()).map(|stem| stem.strip_suffix('_').unwrap_or(stem));
    stem.is_some_and(|stem| NUMBERED.contains(&stem))
}

/// `Phone Number`, `phone-number` and `PHONE_NUMBER` are one title.
fn key(title: &str) -> String {
    let lower = title.trim().trim_start_matches('\u{feff}').to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// Empty titles become `column4`, repeated ones `city_2`.
fn unique(keys: &[String]) -> Vec<String> {
    let mut titles: Vec<String> = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let base = if key.is_empty() { format!("column{}", index + 1) } else { key.clone() };
        let numbered = (2..).map(|n| format!("{base}_{n}"));
        let free = std::iter::once(base.clone()).chain(numbered).find(|title| !titles.contains(title));
        titles.push(free.expect("there are more numbers than columns"));
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_titles_in_any_spelling() {
        for (first, number, names, comment) in [
            ("number,name,comment", 0, vec![1], Some(2)),
            ("Name,Phone Number,Notes", 1, vec![0], Some(2)),
            ("\u{feff}PHONE,First Name,Last-Name", 0, vec![1, 2], None),
            ("id,first_name,last_name,mobile,tel", 3, vec![1, 2], None),
        ] {
            let columns = columns(first);
            assert!(columns.is_header && columns.has_number, "{first}");
            assert_eq!((columns.number, columns.names, columns.comment), (number, names, comment), "{first}");
        }
    }

    #[test]
    fn a_first_row_that_begins_with_a_number_is_a_contact() {
        for first in ["12025550101,John Doe,Google Ads", "12025550101", "12025550101,Contact,Note", "555,x"] {
            assert!(!columns(first).is_header, "{first}");
        }
    }

    #[test]
    fn further_numbers_are_known_by_their_places_and_the_first_goes_first() {
        for (first, number, further) in [
            ("phone2,name,phone1,phone_3", 2, vec![0, 3]),
            ("number,number2,Number 3,number4,number5", 0, vec![1, 2, 3]),
            ("phone_number,alt_phone", 0, vec![1]),
            // Which of them to dial is nothing to guess: the first, and the other is an attribute.
            ("tel,mobile", 0, vec![]),
        ] {
            let columns = columns(first);
            assert_eq!((columns.number, columns.further), (number, further), "{first}");
        }
    }

    #[test]
    fn titles_without_a_number_among_them_are_a_header_that_lacks_it() {
        let columns = columns("Klant,Stad,Klant,");
        assert!(columns.is_header && !columns.has_number);
        assert_eq!(columns.titles(), ["klant", "stad", "klant_2", "column4"]);
    }

    fn columns(first: &str) -> Columns {
        let cells: Vec<String> = first.split(',').map(str::to_owned).collect();
        Columns::of_first(&cells, |text| text.len() == 11)
    }
}
