//! What must be known of a call to end it when the engine that made it has died: its INVITE by name, and the far ends
//! that were heard of.
//!
//! CANCEL needs the INVITE's Via, numbers and route as they were (RFC 3261 section 9.1); BYE needs the dialog (section
//! 12.2.1.1). The rest of a call dies with the engine. It is written down before the INVITE leaves, so it is plain data
//! with a text form.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::dialog::Dialog;
use super::header::NameAddr;
use super::message::Request;
use super::method::Method;
use super::options::{Dial, Names, Refused};
use super::session;
use super::stack::Stack;
use super::target::{Target, Transport};
use super::uri::Uri;

/// The most INVITEs of one call: the first, and one after each of two challenges or a 422.
const TRIES_MAX: u32 = 3;

/// The largest text that is read back, in bytes: a dialog has at most 32 routes, and a call 8 early dialogs.
const TEXT_BYTES_MAX: usize = 256 * 1_024;

/// What a call leaves behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Remains {
    /// Its Call-ID.
    pub call_id: String,
    /// How its INVITE went: `udp`, `tcp` or `tls`.
    transport: String,
    /// Where it went.
    pub address: SocketAddr,
    uri: String,
    /// With our tag.
    from: String,
    to: String,
    /// Of the first INVITE.
    via: String,
    branch: String,
    number: u32,
    /// Which of its INVITEs may be waiting: those sent again after a challenge are counted from 0.
    tries: (u32, u32),
    /// The Route headers of the INVITE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<String>,
    /// Who was heard of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub far_ends: Vec<FarEnd>,
    /// Whether a 2xx has come, and all that is left is a BYE.
    #[serde(default)]
    pub is_answered: bool,
}

/// The other side of a dialog.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FarEnd {
    /// With its tag.
    pub(super) to: String,
    /// Its Contact.
    pub(super) target: String,
    /// In the order in which requests take them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) routes: Vec<String>,
    /// The last number that we have used, as far as is known.
    pub(super) number: u32,
}

impl Remains {
    /// Of a call whose INVITE is about to leave under `names`.
    pub(super) fn of_dial(stack: &Stack, dial: &Dial, names: &Names) -> Result<Remains, Refused> {
        let unusable = |part| {
            move |fault: super::malformed::Malformed| Refused::Unusable { part, fault: fault.to_string() }
        };
        let from = session::from_with_tag(&dial.from, &names.local_tag).map_err(unusable("From"))?;
        let to = NameAddr::parse(&dial.to).map_err(unusable("To"))?.to_string();
        let uri = Uri::parse(&dial.request_uri).map_err(unusable("the Request-URI"))?;
        let mut probe = Request::new(Method::Invite, uri.without_headers());
        let routes = dial.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Route"));
        routes.for_each(|(name, value)| probe.headers_mut().push(name, value));
        stack.add_route(dial.target, &mut probe);
        let mut last = 0;
        if dial.credentials.is_some() {
            last += 1;
        }
        if dial.extensions.session_interval.is_some() {
            last += 1;
        }
        Ok(Remains {
            call_id: dial.call_id.clone(),
            transport: dial.target.transport.parameter().to_owned(),
            address: dial.target.address,
            uri: probe.uri().to_owned(),
            from,
            to,
            via: stack.via(dial.target, &names.branch),
            branch: names.branch.clone(),
            number: names.number,
            tries: (0, last.min(TRIES_MAX - 1)),
            routes: probe.headers().all("Route").map(str::to_owned).collect(),
            far_ends: Vec::new(),
            is_answered: false,
        })
    }

    /// The same, with what is known now: which INVITE was answered, by which way, and by whom.
    pub(super) fn heard(
        &self,
        tries: u32,
        transport: Option<Transport>,
        far_ends: Vec<FarEnd>,
        is_answered: bool,
    ) -> Remains {
        let transport = transport.map_or(self.transport.clone(), |known| known.parameter().to_owned());
        let tries = if far_ends.is_empty() { self.tries } else { (tries, tries) };
        Remains { transport, tries, far_ends, is_answered, ..self.clone() }
    }

    /// As text, to be kept.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("text and numbers always have a JSON form")
    }

    /// What was kept; the error says why it is none of ours.
    pub fn parse(text: &str) -> Result<Remains, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("{} bytes are more than any dialog needs", text.len()));
        }
        let remains: Remains = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if remains.tries.1 >= TRIES_MAX || remains.tries.0 > remains.tries.1 {
            return Err("it counts more INVITEs than one call can have".to_owned());
        }
        Ok(remains)
    }

    /// How its requests travel; the error names a transport that nobody knows.
    pub fn transport(&self) -> Result<Transport, String> {
        let known = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let found = known.into_iter().find(|transport| transport.parameter() == self.transport);
        found.ok_or_else(|| format!("{:?} is no transport", self.transport))
    }

    /// The INVITEs that may still be waited for, each with its branch.
    pub(super) fn invites(&self, target: Target) -> impl Iterator<Item = (String, Request)> {
        (self.tries.0..=self.tries.1).map(move |tries| {
            let branch = branch_of(&self.branch, tries);
            let via = self.via.replace(&self.branch, &branch);
            // The transport of a Via is how its request travels.
            let via = via
                .split_once(' ')
                .map_or(via.clone(), |(_, rest)| format!("SIP/2.0/{} {rest}", target.transport.as_str()));
            let mut invite = Request::new(Method::Invite, &self.uri);
            let headers = invite.headers_mut();
            headers.push("Via", &via);
            headers.push("Max-Forwards", "70");
            self.routes.iter().for_each(|route| headers.push("Route", route));
            headers.push("From", &self.from);
            headers.push("To", &self.to);
            headers.push("Call-ID", &self.call_id);
            headers.push("CSeq", &format!("{} INVITE", self.number.wrapping_add(tries)));
            (branch, invite)
        })
    }

    /// The dialogs that were heard of.
    pub(super) fn dialogs(&self) -> Vec<Dialog> {
        self.far_ends.iter().filter_map(|far| Dialog::resumed(&self.call_id, &self.from, far)).collect()
    }

    /// Whether it was made to this SIP URI.
    pub fn is_to(&self, uri: &str) -> bool {
        let (Ok(to), Ok(uri)) = (NameAddr::parse(&self.to), Uri::parse(uri)) else { return false };
        to.uri.without_headers() == uri.without_headers()
    }

    /// The Request-URI of its INVITE.
    pub(super) fn callee(&self) -> Option<Uri> {
        Uri::parse(&self.uri).ok()
    }
}

/// The branch of an INVITE that was sent anew so many times.
pub(super) fn branch_of(first: &str, tries: u32) -> String {
    if tries == 0 { first.to_owned() } else { format!("{first}.{tries}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_and_what_is_not_ours_is_refused() {
        let kept = Remains {
            call_id: "c".into(),
            transport: "udp".into(),
            address: "192.0.2.1:5060".parse().unwrap(),
            uri: "sip:b@192.0.2.1".into(),
            from: "<sip:a@h>;tag=us".into(),
            to: "<sip:b@h>".into(),
            via: "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx;rport".into(),
            branch: "z9hG4bKx".into(),
            number: 7,
            tries: (0, 1),
            routes: Vec::new(),
            far_ends: vec![FarEnd {
                to: "<sip:b@h>;tag=them".into(),
                target: "sip:b@192.0.2.9".into(),
                routes: vec!["<sip:p.example;lr>".into()],
                number: 7,
            }],
            is_answered: true,
        };
        assert_eq!(Remains::parse(&kept.to_text()), Ok(kept.clone()));
        let tcp = Target::new(Transport::Tcp, kept.address);
        let invites: Vec<_> = kept.invites(tcp).collect();
        let numbers: Vec<_> =
            invites.iter().map(|(_, invite)| invite.headers().get("CSeq").unwrap().to_owned()).collect();
        assert_eq!(numbers, ["7 INVITE", "8 INVITE"]);
        assert_eq!(invites[1].0, "z9hG4bKx.1");
        let via = invites[1].1.headers().get("Via");
        assert_eq!(via, Some("SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKx.1;rport"));
        for damaged in ["", "{}", &kept.to_text().replace("[0,1]", "[0,4000000000]")] {
            assert!(Remains::parse(damaged).is_err(), "{damaged}");
        }
        assert!(Remains { transport: "smoke".into(), ..kept }.transport().is_err());
    }
}
