//! Who we say we are to a trunk: From, P-Asserted-Identity and P-Preferred-Identity (RFC 3325), Privacy (RFC 3323),
//! Remote-Party-ID (an expired draft that PBXs still read), P-Early-Media (RFC 5009).

use serde::Deserialize;

use crate::sip::header::list::quote_into;
use crate::sip::uri::escape_user;

/// The longest display name.
const DISPLAY_MAX: usize = 64;

/// `[trunk.identity]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The user part of From.
    pub from: From,
    /// The display name of From and of the identities.
    pub display: Option<String>,
    /// P-Asserted-Identity, for trunks that trust us.
    pub asserted: Form,
    /// P-Preferred-Identity, for trunks that check.
    pub preferred: Form,
    /// Remote-Party-ID.
    pub remote_party: bool,
    /// The number is for the trunk alone.
    pub private: bool,
    /// Announce that P-Early-Media is understood.
    pub early_media: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            from: From::CallerId,
            display: None,
            asserted: Form::None,
            preferred: Form::None,
            remote_party: false,
            private: false,
            early_media: false,
        }
    }
}

/// The user part of From.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// The campaign's caller id; of an agent's leg the callee's number.
    CallerId,
    /// The trunk's user name: some registrars know nobody else.
    Username,
}

/// The form of an identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// No such header.
    None,
    /// `<sip:+12025550100@domain>`
    Sip,
    /// `<tel:+12025550100>`
    Tel,
    /// Both, as RFC 3325, 9.1 allows.
    Both,
}

/// From and the headers of one INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name-addr of From, without a tag.
    pub from: String,
    /// The headers beside it.
    pub headers: Vec<(String, String)>,
}

impl Options {
    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self, username: Option<&str>) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.from == From::Username && username.is_none() {
            faults.push(("identity.from", "from = \"username\" needs username in the trunk".to_owned()));
        }
        if self.asserted != Form::None && self.preferred != Form::None {
            let text = "a request asserts an identity or prefers one, not both (RFC 3325, 9.2)";
            faults.push(("identity.preferred", text.to_owned()));
        }
        let plain = |name: &String| {
            !name.is_empty() && name.chars().count() <= DISPLAY_MAX && !name.contains(char::is_control)
        };
        if self.display.as_ref().is_some_and(|name| !plain(name)) {
            let text = format!("write a display name of 1 to {DISPLAY_MAX} characters on one line");
            faults.push(("identity.display", text));
        }
        faults
    }

    /// Who we are in a call that shows `number`, as a user of `domain`, in URIs of `scheme`.
    pub fn of(&self, scheme: &str, number: &str, domain: &str, username: Option<&str>) -> Identity {
        let address = format!("{scheme}:{number}@{domain}");
        let name = self.display.as_deref().map_or(String::new(), quoted);
        let from = match (self.private, self.from, username) {
            // RFC 3323, 4.1.1.3.
            (true, _, _) => "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned(),
            (false, From::Username, Some(user)) => {
                format!("{name}<{scheme}:{}@{domain}>", escape_user(user))
            }
            (false, _, _) => format!("{name}<{address}>"),
        };
        let mut headers = Vec::new();
        let mut push = |header: &str, value: String| headers.push((header.to_owned(), value));
        for (header, form) in
            [("P-Asserted-Identity", self.asserted), ("P-Preferred-Identity", self.preferred)]
        {
            let sip = matches!(form, Form::Sip | Form::Both).then(|| format!("{name}<{address}>"));
            let tel =
                matches!(form, Form::Tel | Form::Both).then(|| format!("{name}<{}>", tel(number, domain)));
            sip.into_iter().chain(tel).for_each(|value| push(header, value));
        }
        if self.remote_party {
            let privacy = if self.private { "full" } else { "off" };
            push("Remote-Party-ID", format!("{name}<{address}>;party=calling;screen=yes;privacy={privacy}"));
        }
        if self.private {
            push("Privacy", "id".to_owned());
        }
        if self.early_media {
            push("P-Early-Media", "supported".to_owned());
        }
        Identity { from, headers }
    }
}

/// A number without a plus is somebody's local one, and says whose (RFC 3966, 5.1.5).
fn tel(number: &str, domain: &str) -> String {
    if number.starts_with('+') {
        format!("tel:{number}")
    } else {
        format!("tel:{number};phone-context={domain}")
    }
}

fn quoted(name: &str) -> String {
    let mut out = String::new();
    quote_into(&mut out, name);
    out.push(' ');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::header::NameAddr;

    fn options(text: &str) -> Options {
        toml::from_str(text).unwrap()
    }

    fn of(text: &str, number: &str) -> (String, Vec<String>) {
        let identity = options(text).of("sip", number, "carrier.example", Some("account"));
        (
            identity.from,
            identity.headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect(),
        )
    }

    #[test]
    fn by_default_the_caller_id_stands_in_from_and_nowhere_else() {
        assert_eq!(of("", "+12025550100"), ("<sip:+12025550100@carrier.example>".to_owned(), vec![]));
    }

    #[test]
    fn each_setting_makes_its_header() {
        let (from, headers) = of(
            "from = \"username\"\nasserted = \"both\"\nremote_party = true\nearly_media = true\ndisplay = 'A \"B\"'",
            "+12025550100",
        );
        assert_eq!(from, "\"A \\\"B\\\"\" <sip:account@carrier.example>");
        assert_eq!(
            headers,
            [
                "P-Asserted-Identity: \"A \\\"B\\\"\" <sip:+12025550100@carrier.example>",
                "P-Asserted-Identity: \"A \\\"B\\\"\" <tel:+12025550100>",
                "Remote-Party-ID: \"A \\\"B\\\"\" <sip:+12025550100@carrier.example>;party=calling;screen=yes;privacy=off",
                "P-Early-Media: supported",
            ]
        );
        let (_, headers) = of("preferred = \"tel\"", "600");
        assert_eq!(headers, ["P-Preferred-Identity: <tel:600;phone-context=carrier.example>"]);
    }

    #[test]
    fn a_user_name_with_a_domain_of_its_own_is_one_user_of_ours() {
        let options = options("from = \"username\"");
        let identity = options.of("sip", "+12025550100", "carrier.example", Some("acme@sales 1"));
        assert_eq!(identity.from, "<sip:acme%40sales%201@carrier.example>");
        assert_eq!(NameAddr::parse(&identity.from).unwrap().uri.host(), "carrier.example");
    }

    #[test]
    fn a_private_caller_is_anonymous_to_the_callee_and_known_to_the_trunk() {
        let (from, headers) = of("private = true\nasserted = \"sip\"\nremote_party = true", "+12025550100");
        assert_eq!(from, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        NameAddr::parse(&from).unwrap();
        assert_eq!(headers[0], "P-Asserted-Identity: <sip:+12025550100@carrier.example>");
        assert!(headers[1].ends_with("privacy=full"));
        assert_eq!(headers[2], "Privacy: id");
    }

    #[test]
    fn what_contradicts_itself_is_said() {
        let keys = |text: &str, user: Option<&str>| {
            options(text).faults(user).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys("from = \"username\"", None), ["identity.from"]);
        assert_eq!(keys("asserted = \"sip\"\npreferred = \"tel\"", None), ["identity.preferred"]);
        assert_eq!(keys("display = \"a\\r\\nRoute: x\"", None), ["identity.display"]);
        assert_eq!(keys("from = \"username\"\ndisplay = \"Acme\"", Some("u")), Vec::<&str>::new());
    }
}
