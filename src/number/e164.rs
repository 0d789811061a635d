//! E.164 as the one identity of a callee, and its masked form for logs.

use std::fmt;

/// The most digits that an E.164 number has, country code included (ITU-T E.164, 6.1).
pub const DIGITS_MAX: usize = 15;

/// A full international number, `+` and digits.
///
/// `Debug` masks it, so that a number cannot reach a log by way of `{:?}`; `Display` prints it whole and is for
/// the wire and for records.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(String);

impl E164 {
    /// From text that is already in E.164 form: `+`, then 3 to 15 digits, the first not zero.
    pub fn from_e164(text: &str) -> Option<E164> {
        let digits = text.strip_prefix('+')?;
        let plausible = (3..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        plausible.then(|| E164(text.to_owned()))
    }

    /// The whole number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits without the `+`.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// For logs: everything but the last two digits is hidden.
    pub fn masked(&self) -> Masked<'_> {
        Masked(&self.0)
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.masked(), f)
    }
}

/// Prints a number, or anything that holds one, with only its last two digits.
#[derive(Clone, Copy)]
pub struct Masked<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.bytes().filter(u8::is_ascii_digit).count();
        let mut seen = 0;
        for c in self.0.chars() {
            let hidden = c.is_ascii_digit() && {
                seen += 1;
                seen + 2 <= digits
            };
            write!(f, "{}", if hidden { '*' } else { c })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_international_numbers_pass() {
        for good in ["+12025550101", "+4915123456789", "+290"] {
            assert!(E164::from_e164(good).is_some(), "{good}");
        }
        for bad in ["12025550101", "+0123456", "+12", "+1234567890123456", "+12a4", "", "+"] {
            assert!(E164::from_e164(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_more_than_two_digits() {
        let number = E164::from_e164("+12025550101").unwrap();
        assert_eq!(format!("{number:?}"), "+*********01");
        assert_eq!(format!("{number}"), "+12025550101");
    }
}
