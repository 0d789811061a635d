//! CSeq: the number and method of a request (RFC 3261 section 20.16).

use crate::sip::malformed::Malformed;
use crate::sip::method::Method;
use std::fmt;

/// The highest sequence number.
pub const NUMBER_MAX: u32 = (1 << 31) - 1;

/// The order of a request in its dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The sequence number, below 2^31 (section 8.1.1.5).
    pub number: u32,
    /// The method of the request; in a response, of the request it answers.
    pub method: Method,
}

impl CSeq {
    /// Reads `number method`, any blanks between them.
    pub fn parse(text: &str) -> Result<CSeq, Malformed> {
        let mut words = text.split_ascii_whitespace();
        let (Some(number), Some(method), None) = (words.next(), words.next(), words.next()) else {
            return Err(Malformed::new("CSeq", "is not a number and a method"));
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed::new("CSeq", "has a number that is none"));
        }
        match number.parse() {
            Ok(number) if number <= NUMBER_MAX => Ok(CSeq { number, method: Method::parse(method)? }),
            _ => Err(Malformed::new("CSeq", "has a number of 2^31 or more")),
        }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method_are_read() {
        let cseq = CSeq::parse(" 0009 \t INVITE ").unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert_eq!(CSeq::parse("2147483647 BYE").unwrap().number, NUMBER_MAX);
        for text in
            ["", "1", "INVITE", "-1 INVITE", "+1 INVITE", "2147483648 INVITE", "1 INVITE x", "1 IN,VITE"]
        {
            assert!(CSeq::parse(text).is_err(), "{text}");
        }
    }
}
