//! `headers` of a trunk or a campaign: what is added to an INVITE, with variables, safely.
//!
//! A template is text with variables in braces, such as `{campaign}` or `{contact.id}`. What a list's author can choose
//! must not become syntax: whatever could end a quoted string, an address, a parameter or the line is replaced in a
//! variable's value, and the whole is bounded. Headers that the stack makes itself cannot be set.

use std::collections::BTreeMap;

use crate::record::Contact;

/// Headers of one trunk or one campaign.
const HEADERS_MAX: usize = 16;

/// The longest name.
const NAME_MAX: usize = 64;

/// The longest template.
const TEMPLATE_MAX: usize = 512;

/// The longest value of one variable, in characters: a PASSporT made elsewhere must fit.
const VARIABLE_MAX: usize = 1_024;

/// The longest header value that leaves, in bytes.
const VALUE_MAX: usize = 2_048;

/// Made by the stack, or said by settings of their own; some would change what the request means.
const OWNED: [&str; 55] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "allow-events",
    "authentication-info",
    "authorization",
    "b",
    "c",
    "call-id",
    "contact",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cseq",
    "date",
    "e",
    "event",
    "expires",
    "f",
    "from",
    "i",
    "join",
    "k",
    "l",
    "m",
    "max-forwards",
    "mime-version",
    "min-expires",
    "min-se",
    "o",
    "p-asserted-identity",
    "p-early-media",
    "p-preferred-identity",
    "privacy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "reason",
    "record-route",
    "refer-to",
    "remote-party-id",
    "replaces",
    "require",
    "route",
    "rseq",
    "session-expires",
    "supported",
    "t",
    "to",
    "user-agent",
    "via",
];

/// More of them, in their compact or rarer forms.
const OWNED_TOO: [&str; 7] = ["r", "u", "v", "x", "www-authenticate", "target-dialog", "timestamp"];

/// What the variables of a template stand for, in one call.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// `{campaign}`
    pub campaign: &'a str,
    /// `{trunk}`
    pub trunk: &'a str,
    /// `{attempt}`
    pub attempt: &'a str,
    /// `{call_id}`
    pub call_id: &'a str,
    /// `{caller_id}`
    pub caller_id: &'a str,
    /// `{number}`, and `{contact.id}`, `{contact.name}`, `{contact.comment}`; any other `{contact.x}` is the list's column `x`.
    pub contact: &'a Contact,
}

/// The headers of a trunk and of a campaign, which overrules it, for one call.
pub fn expand(
    trunk: &BTreeMap<String, String>,
    campaign: &BTreeMap<String, String>,
    variables: &Variables<'_>,
) -> Vec<(String, String)> {
    let overruled = |name: &String| campaign.keys().any(|other| other.eq_ignore_ascii_case(name));
    let of_trunk = trunk.iter().filter(|(name, _)| !overruled(name));
    let all = of_trunk.chain(campaign).map(|(name, template)| (name.clone(), value(template, variables)));
    all.filter(|(_, value)| !value.is_empty()).collect()
}

/// What is wrong with the headers of a table: the header, and what to do about it.
pub fn faults(headers: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    if headers.len() > HEADERS_MAX {
        faults.push(format!("there are {} headers: leave {HEADERS_MAX} at most", headers.len()));
    }
    for (name, template) in headers {
        if let Some(fault) = name_fault(name).or_else(|| template_fault(template)) {
            faults.push(format!("header {name:?}: {fault}"));
        }
        let again = headers.keys().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
        if again {
            faults.push(format!("header {name:?}: it is there twice, for names are compared without case"));
        }
    }
    faults
}

fn name_fault(name: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_token) {
        return Some(format!(
            "write a name of 1 to {NAME_MAX} letters, digits and hyphens, such as \"X-Campaign\""
        ));
    }
    let small = name.to_ascii_lowercase();
    let is_owned = OWNED.contains(&small.as_str()) || OWNED_TOO.contains(&small.as_str());
    is_owned.then(|| "it is made by the engine itself, or has a setting of its own: remove it".to_owned())
}

fn template_fault(template: &str) -> Option<String> {
    if template.trim().is_empty() || template.len() > TEMPLATE_MAX {
        return Some(format!("write a value of 1 to {TEMPLATE_MAX} bytes"));
    }
    if template.chars().any(char::is_control) {
        return Some("its value holds a line end or another control character: remove it".to_owned());
    }
    pieces(template).find_map(|piece| match piece {
        Piece::Unclosed => Some("a brace is not closed, or closed without being opened".to_owned()),
        Piece::Variable(name) if !is_known(name) => Some(format!(
            "no variable is called {name:?}: there are campaign, trunk, attempt, call_id, caller_id, number, contact.id, \
             contact.name, contact.comment and contact.COLUMN"
        )),
        Piece::Variable(_) | Piece::Text(_) => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
    Unclosed,
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(inside) = rest.strip_prefix('{') {
            let Some((name, behind)) = inside.split_once('}').filter(|(name, _)| !name.contains('{')) else {
                rest = "";
                return Some(Piece::Unclosed);
            };
            rest = behind;
            return Some(Piece::Variable(name));
        }
        let end = rest.find(['{', '}']).unwrap_or(rest.len());
        if rest[end..].starts_with('}') {
            rest = "";
            return Some(Piece::Unclosed);
        }
        let (text, behind) = rest.split_at(end);
        rest = behind;
        Some(Piece::Text(text))
    })
}

fn is_known(name: &str) -> bool {
    let of_contact = name.strip_prefix("contact.");
    of_contact.is_some_and(|column| !column.trim().is_empty())
        || ["campaign", "trunk", "attempt", "call_id", "caller_id", "number"].contains(&name)
}

fn value(template: &str, variables: &Variables<'_>) -> String {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out += text,
            Piece::Variable(name) => out.extend(variables.get(name).chars().take(VARIABLE_MAX).map(harmless)),
            Piece::Unclosed => {}
        }
    }
    while out.len() > VALUE_MAX {
        out.pop();
    }
    out.trim().to_owned()
}

/// What could end a quoted string, an address, a parameter, a list's element or the line stands for nothing.
fn harmless(c: char) -> char {
    if c.is_control() || "\"\\<>,;{}".contains(c) || ('\u{2028}'..='\u{2029}').contains(&c) { '_' } else { c }
}

impl Variables<'_> {
    fn get(&self, name: &str) -> String {
        let contact = self.contact;
        match name {
            "campaign" => self.campaign.to_owned(),
            "trunk" => self.trunk.to_owned(),
            "attempt" => self.attempt.to_owned(),
            "call_id" => self.call_id.to_owned(),
            "caller_id" => self.caller_id.to_owned(),
            "number" => contact.number.to_string(),
            "contact.id" => contact.id.0.to_string(),
            "contact.name" => contact.name.clone(),
            "contact.comment" => contact.comment.clone(),
            _ => {
                let column = name.strip_prefix("contact.").unwrap_or_default();
                contact.attributes.get(column).cloned().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::number::E164;
    use crate::record::ContactId;
    use crate::time::WallTime;

    pub(in crate::engine) fn contact(name: &str) -> Contact {
        Contact {
            id: ContactId(42),
            number: E164::from_e164("+12025550101").unwrap(),
            name: name.into(),
            comment: String::new(),
            attributes: [("policy".to_owned(), "A-7".to_owned())].into(),
            outcomes: BTreeMap::new(),
            next_attempt_at: WallTime::from_unix_ms(0),
            history: Vec::new(),
        }
    }

    fn table(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn variables(contact: &Contact) -> Variables<'_> {
        Variables {
            campaign: "spring",
            trunk: "carrier",
            attempt: "a-1",
            call_id: "c-1",
            caller_id: "+12025550100",
            contact,
        }
    }

    #[test]
    fn variables_are_filled_in_and_the_campaign_overrules_the_trunk() {
        let contact = contact("Ann");
        let trunk = table(&[("X-Campaign", "none"), ("X-Way", "{trunk}/{call_id}")]);
        let campaign = table(&[
            ("x-campaign", "{campaign}"),
            ("X-Contact", "\"{contact.name}\" {contact.id}; policy={contact.policy}; {contact.nothing}"),
            ("X-Empty", "{contact.nothing}"),
            ("X-Who", "{number} {caller_id} {attempt}"),
        ]);
        assert!(faults(&trunk).is_empty() && faults(&campaign).is_empty());
        let expanded = expand(&trunk, &campaign, &variables(&contact));
        let expected = [
            ("X-Way", "carrier/c-1"),
            ("X-Contact", "\"Ann\" 42; policy=A-7;"),
            ("X-Who", "+12025550101 +12025550100 a-1"),
            ("x-campaign", "spring"),
        ];
        assert_eq!(expanded, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_name_on_the_list_is_no_syntax() {
        let contact = contact("Eve\"\r\nRoute: <sip:evil>;lr, \\{campaign}\u{2028}\0");
        let headers = table(&[("X-Contact", "\"{contact.name}\"")]);
        let expanded = expand(&BTreeMap::new(), &headers, &variables(&contact));
        assert_eq!(expanded[0].1, "\"Eve___Route: _sip:evil__lr_ __campaign___\"");
    }

    #[test]
    fn a_value_has_its_bound() {
        let contact = contact(&"ü".repeat(10_000));
        let headers = table(&[("X-Long", &"{contact.name}".repeat(30))]);
        let value = &expand(&BTreeMap::new(), &headers, &variables(&contact))[0].1;
        assert!(value.len() <= VALUE_MAX && value.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn what_cannot_stand_is_said_at_the_start() {
        for (name, template, word) in [
            ("Via", "x", "made by the engine"),
            ("call-ID", "x", "made by the engine"),
            ("f", "x", "made by the engine"),
            ("P-Asserted-Identity", "x", "made by the engine"),
            ("X Y", "x", "write a name"),
            ("X-Y:", "x", "write a name"),
            ("X-\r\nRoute", "x", "write a name"),
            ("", "x", "write a name"),
            ("X-Y", "", "write a value"),
            ("X-Y", "a\r\nRoute: b", "control character"),
            ("X-Y", "{contact}", "no variable"),
            ("X-Y", "{contact.}", "no variable"),
            ("X-Y", "{campaign", "brace"),
            ("X-Y", "a}", "brace"),
            ("X-Y", "{a{campaign}}", "brace"),
        ] {
            let found = faults(&table(&[(name, template)]));
            assert!(found.len() == 1 && found[0].contains(word), "{name:?} {template:?}: {found:?}");
        }
        let many: BTreeMap<_, _> = (0..17).map(|n| (format!("X-{n}"), "x".to_owned())).collect();
        assert!(faults(&many)[0].contains("16 at most"));
        assert!(faults(&table(&[("X-A", "1"), ("x-a", "2")]))[0].contains("twice"));
    }
}
