//! Lists good and bad, as they come.

use super::*;

#[test]
fn a_list_without_a_header_is_number_name_comment() {
    let rows = read(include_bytes!("../../../fixtures/contacts/plain.csv"));
    assert_eq!(
        rows,
        [
            "1 +12025550101 [John Doe] (Google Ads) {}",
            "2 +12025550102 [Jane Roe] (Trade fair) {}",
            "3 +12025550103 [Sam Poe] () {\"column4\": \"gold\", \"column5\": \"Boston\"}",
        ]
    );
}

#[test]
fn a_header_says_what_the_columns_hold_and_further_ones_are_attributes() {
    let rows = read(include_bytes!("../../../fixtures/contacts/header.csv"));
    assert_eq!(
        rows,
        [
            "2 +12025550104 [Ada Byron] (wants a call back) {\"city\": \"Portland\", \"customer_id\": \"A-17\"}",
            "3 +493012345678 [Karl Ernst] (two\nlines) {\"city\": \"Berlin, Mitte\"}",
            "5 +4915123456789 [Mononym] () {\"customer_id\": \"A-19\"}",
        ]
    );
}

#[test]
fn semicolons_and_a_byte_order_mark_are_read_as_spreadsheets_write_them() {
    let rows = read(include_bytes!("../../../fixtures/contacts/semicolon.csv"));
    assert_eq!(rows, ["2 +12025550105 [Müller, Jörg] (VIP; alt) {}", "3 +12025550106 [Chloé] () {}"]);
}

#[test]
fn a_list_that_is_not_utf_8_is_read_as_latin_1() {
    let rows = read(include_bytes!("../../../fixtures/contacts/latin1.csv"));
    assert_eq!(rows, ["2 +12025550107 [José Núñez] (señor) {}", "3 +12025550108 [Zoë Ångström] (naïve) {}"]);
}

#[test]
fn every_bad_row_is_skipped_with_its_line_and_column_and_every_good_one_kept() {
    let rows = read(include_bytes!("../../../fixtures/contacts/bad.csv"));
    assert_eq!(
        rows,
        [
            "2 +12025550110 [Good First] () {}",
            "3.1!empty",
            "4.1!not_a_number",
            "5.1!too_short",
            "6.1!too_long",
            "7.1!unassigned",
            "8.1!premium",
            "9.1!global",
            "10.1!rounded",
            "11.1!extension",
            "12.1!unknown_country",
            "13.1!duplicate",
            "14.4!too_many_columns",
            "15.1!not_a_number",
            "16.2!control_character",
            "17.0!open_quote",
            "18 +12025550111 [Good Last] () {}",
        ]
    );
}

#[test]
fn a_duplicate_names_the_line_of_the_first_in_whatever_spelling() {
    let list = b"+12025550101,a\n(202) 555-0101,b\n1-202-555-0101,c\n";
    let faults: Vec<String> =
        Reader::new(&list[..], us()).filter_map(Result::err).map(|fault| fault.to_string()).collect();
    assert_eq!(
        faults,
        [
            "line 2, column 1: the number is on line 1 already: keep one of them",
            "line 3, column 1: the number is on line 1 already: keep one of them",
        ]
    );
}

#[test]
fn a_header_without_a_number_is_reported_and_the_first_column_tried() {
    assert_eq!(
        read(b"Klant,Stad\n2025550101,Breda\n"),
        ["1.1!no_number_column", "2 +12025550101 [] () {\"stad\": \"Breda\"}"]
    );
}

#[test]
fn a_bad_number_in_the_first_row_does_not_make_it_a_header() {
    assert_eq!(read(b"911,x\n2025550101,y\n"), ["1.1!too_short", "2 +12025550101 [y] () {}"]);
}

#[test]
fn a_large_list_is_read_row_by_row_and_every_row_is_accounted_for() {
    struct Endless {
        row: u64,
        rest: Vec<u8>,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.rest.is_empty() && self.row < 20_000 {
                self.rest = format!("+1202{:07},n\r\n", 2_000_000 + self.row).into_bytes();
                self.row += 1;
            }
            let count = self.rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.rest[..count]);
            self.rest.drain(..count);
            Ok(count)
        }
    }
    let rows: Vec<_> = Reader::new(Endless { row: 0, rest: Vec::new() }, us()).collect();
    assert_eq!(rows.len(), 20_000);
    assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 20_000);
}

#[test]
fn random_bytes_never_panic_and_end() {
    let mut rng = crate::rng::Rng::from_seed(9);
    let alphabet = b"\",;\t\n\r#+2025550101ab\xe9\0 ";
    for _ in 0..2_000 {
        let length = rng.below(200);
        let bytes: Vec<u8> =
            (0..length).map(|_| alphabet[rng.below(alphabet.len() as u64) as usize]).collect();
        let rows = Reader::new(bytes.as_slice(), us()).count();
        assert!(rows <= bytes.len() + 1);
        assert!(do_not_call::Reader::new(bytes.as_slice(), us()).count() <= bytes.len() + 1);
    }
}

fn us() -> Options {
    Options { default_region: Region::from_code("US") }
}

fn read(bytes: &[u8]) -> Vec<String> {
    let print = |row: Result<(u64, NewContact), RowFault>| match row {
        Ok((line, c)) => format!("{line} {} [{}] ({}) {:?}", c.number, c.name, c.comment, c.attributes),
        Err(fault) => format!("{}.{}!{}", fault.line, fault.column, fault.reason.as_str()),
    };
    Reader::new(bytes, us()).map(print).collect()
}
