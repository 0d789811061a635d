//! P-Early-Media (RFC 5009): whether what is heard before the answer is authorised by the network.

use crate::sip::message::Headers;

/// What a provisional response says of sound towards us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarlyMedia {
    /// `sendrecv` or `sendonly`: whoever responds may send, and we may listen.
    Authorised,
    /// `recvonly` or `inactive`: what comes is not meant for us.
    Withheld,
}

impl EarlyMedia {
    /// `None` where nothing is said, which leaves it to local policy (section 8). Of several values, one a dialog with
    /// media on the way (section 6), a single one that authorises is enough.
    pub fn of(headers: &Headers) -> Option<EarlyMedia> {
        let mut found = None;
        for value in headers.all("P-Early-Media").flat_map(|value| value.split(',')) {
            let direction = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            match direction.as_str() {
                "sendrecv" | "sendonly" => return Some(EarlyMedia::Authorised),
                "recvonly" | "inactive" => found = Some(EarlyMedia::Withheld),
                // `supported`, `gated` and what is not known say nothing of a direction.
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_is_read_as_whoever_responds_sees_it() {
        use EarlyMedia::*;
        for (values, expected) in [
            (&[][..], None),
            (&["supported"], None),
            (&["sendrecv"], Some(Authorised)),
            (&["SendOnly, gated"], Some(Authorised)),
            (&["recvonly"], Some(Withheld)),
            (&["inactive,gated"], Some(Withheld)),
            (&["inactive", "sendonly"], Some(Authorised)),
            (&["strange"], None),
        ] {
            let mut headers = Headers::default();
            values.iter().for_each(|value| headers.push("P-Early-Media", value));
            assert_eq!(EarlyMedia::of(&headers), expected, "{values:?}");
        }
    }
}
