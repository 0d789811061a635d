//! A dialog: what two user agents share once a response carried a To tag (RFC 3261 section 12).
//!
//! Ours are all made by INVITEs that we sent: an early one per To tag of a 101-199, a confirmed one by a 2xx.

use super::header::NameAddr;
use super::malformed::Malformed;
use super::message::{Headers, Request, Response};
use super::method::Method;
use super::remains::FarEnd;
use super::session::Reliability;
use super::uri::Uri;

/// The longest route that is followed.
const ROUTES_MAX: usize = 32;

/// A dialog that is taken up after a crash goes on so far above the last number that is known: no call has sent as many
/// requests since that was written down.
const RESUMED_ABOVE: u32 = 1_000_000;

/// A dialog. Lists of routes are in the order in which requests take them.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    call_id: String,
    /// From, with our tag.
    local: String,
    /// To, with the peer's tag.
    remote: String,
    remote_tag: String,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    routes: Vec<NameAddr>,
    remote_target: Uri,
    /// What the peer has last described as its side of the session.
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) reliability: Reliability,
    /// Whether the peer takes UPDATE, as far as it has said.
    pub(crate) allows_update: bool,
}

impl Dialog {
    /// The dialog that a response to our INVITE makes (section 12.1.2). `callee` takes the place of a Contact that is
    /// missing, though a peer must give one.
    pub(crate) fn of_response(response: &Response, callee: &Uri) -> Result<Dialog, Malformed> {
        let headers = response.headers();
        let missing = |place| Malformed::new(place, "is missing");
        // A route that cannot be followed leads through the trunk, as all that has no other place does.
        let mut routes = headers.record_routes().unwrap_or_default();
        if routes.len() > ROUTES_MAX {
            routes.clear();
        }
        routes.reverse();
        let contact = headers.contacts().into_iter().map(|contact| contact.uri).find(Uri::is_sip);
        Ok(Dialog {
            call_id: headers.call_id()?.to_owned(),
            local: headers.get("From").ok_or(missing("From"))?.to_owned(),
            remote: headers.get("To").ok_or(missing("To"))?.to_owned(),
            remote_tag: headers.to()?.tag().unwrap_or_default().to_owned(),
            local_cseq: headers.cseq()?.number,
            remote_cseq: None,
            routes,
            remote_target: contact.unwrap_or_else(|| callee.clone()),
            description: None,
            reliability: Reliability::default(),
            allows_update: headers.lists("Allow", "UPDATE"),
        })
    }

    /// The dialog of a call that a former run has made. What it may have sent within it is not known, so the numbers go on
    /// well above (section 12.2.1.1: they need only rise). `None` when it cannot be read.
    pub(crate) fn resumed(call_id: &str, local: &str, far: &FarEnd) -> Option<Dialog> {
        let remote = NameAddr::parse(&far.to).ok()?;
        let routes: Result<Vec<_>, _> = far.routes.iter().map(|route| NameAddr::parse(route)).collect();
        Some(Dialog {
            call_id: call_id.to_owned(),
            local: local.to_owned(),
            remote: far.to.clone(),
            remote_tag: remote.tag().unwrap_or_default().to_owned(),
            local_cseq: far.number.wrapping_add(RESUMED_ABOVE),
            remote_cseq: None,
            routes: routes.ok()?,
            remote_target: Uri::parse(&far.target).ok()?,
            description: None,
            reliability: Reliability::default(),
            allows_update: false,
        })
    }

    /// The other side, as it is to be known when we are not there any more.
    pub(crate) fn far_end(&self) -> FarEnd {
        FarEnd {
            to: self.remote.clone(),
            target: self.remote_target.to_string(),
            routes: self.routes.iter().map(NameAddr::to_string).collect(),
            number: self.local_cseq,
        }
    }

    /// Goes on with numbers that a former run cannot have used.
    pub(crate) fn resume_numbers(&mut self) {
        self.local_cseq = self.local_cseq.wrapping_add(RESUMED_ABOVE);
    }

    /// The peer's tag; empty when it gave none, as RFC 2543 allowed.
    pub(crate) fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Takes what a later response or request says of the peer's place (section 12.2): only the target may change once
    /// the dialog is there.
    pub(crate) fn refresh_target(&mut self, contacts: Vec<NameAddr>) {
        if let Some(contact) = contacts.into_iter().find(|contact| contact.uri.is_sip()) {
            self.remote_target = contact.uri;
        }
    }

    /// The dialog that a 2xx to our INVITE makes, or confirms and takes out of the early ones (section 13.2.2.4). Then its
    /// numbers go on, and so does its target where the 2xx has no Contact.
    pub(crate) fn of_answer(
        response: &Response,
        early: &mut Vec<Dialog>,
        callee: &Uri,
    ) -> Result<Dialog, Malformed> {
        let to = response.headers().to()?;
        let known = early.iter().position(|early| early.remote_tag() == to.tag().unwrap_or_default());
        let Some(at) = known else { return Dialog::of_response(response, callee) };
        let confirmed = Dialog::of_response(response, &early[at].remote_target)?;
        Ok(early.swap_remove(at).confirm(confirmed))
    }

    /// What a 2xx says anew of an early dialog: route set and target (section 13.2.2.4). The numbers go on.
    fn confirm(self, confirmed: Dialog) -> Dialog {
        Dialog {
            local_cseq: self.local_cseq.max(confirmed.local_cseq),
            remote_cseq: self.remote_cseq,
            description: self.description,
            reliability: self.reliability,
            allows_update: self.allows_update || confirmed.allows_update,
            ..confirmed
        }
    }

    /// Takes what a later message says of the methods that the peer takes.
    pub(crate) fn note_allow(&mut self, headers: &Headers) {
        if headers.count("Allow") > 0 {
            self.allows_update = headers.lists("Allow", "UPDATE");
        }
    }

    /// Whether a request of the peer is in order; then its number is the highest now (section 12.2.2).
    pub(crate) fn accept_number(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|highest| number > highest);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// The number of a request that is tried again: others may have left since it was first sent.
    pub(crate) fn renumber(&mut self, request: &mut Request) {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        let value = format!("{} {}", self.local_cseq, request.method());
        request.headers_mut().set("CSeq", &value);
    }

    /// A new request within the dialog, without Via.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        self.numbered(method, self.local_cseq)
    }

    /// The ACK of the 2xx to the INVITE with this number (section 13.2.2.4), without Via.
    pub(crate) fn ack(&self, number: u32) -> Request {
        self.numbered(Method::Ack, number)
    }

    /// The URI whose host is the next hop (section 8.1.2).
    pub(crate) fn next_hop(&self) -> &Uri {
        self.routes.first().map_or(&self.remote_target, |route| &route.uri)
    }

    /// Whom the INVITE was to.
    pub(crate) fn callee(&self) -> Option<Uri> {
        NameAddr::parse(&self.remote).ok().map(|to| to.uri)
    }

    fn numbered(&self, method: Method, number: u32) -> Request {
        let strict = self.routes.first().filter(|route| !route.uri.has_parameter("lr"));
        // A strict router of RFC 2543 wants itself in the Request-URI and the target last (section 12.2.1.1).
        let uri = request_uri(strict.map_or(&self.remote_target, |route| &route.uri));
        let mut request = Request::new(method.clone(), &uri);
        let headers = request.headers_mut();
        headers.push("Max-Forwards", "70");
        self.routes.iter().skip(usize::from(strict.is_some())).for_each(|route| {
            headers.push("Route", &route.to_string());
        });
        if strict.is_some() {
            headers.push("Route", &format!("<{}>", self.remote_target));
        }
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.call_id);
        headers.push("CSeq", &format!("{number} {method}"));
        request
    }
}

/// A URI as it may stand as Request-URI: without headers and `method` (section 19.1.1, table 1).
fn request_uri(uri: &Uri) -> String {
    let text = uri.without_headers();
    if !uri.has_parameter("method") {
        return text.to_owned();
    }
    // A user part may hold semicolons of its own.
    let parameters = text.find('@').unwrap_or(0);
    let (before, after) = text.split_at(parameters);
    let is_method =
        |part: &str| part.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("method"));
    let kept: Vec<&str> = after.split(';').filter(|part| !is_method(part)).collect();
    [before, &kept.join(";")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_the_record_route_backwards_to_the_contact() {
        let mut dialog = dialog(&["<sip:p2.example;lr>", "<sip:p1.example;lr>"], "<sip:b@192.0.2.9:5080>");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri(), "sip:b@192.0.2.9:5080");
        assert_eq!(
            bye.headers().all("Route").collect::<Vec<_>>(),
            ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
        );
        assert_eq!(bye.headers().get("CSeq"), Some("8 BYE"));
        assert_eq!(bye.headers().get("From"), Some("<sip:a@h>;tag=us"));
        assert_eq!(bye.headers().get("To"), Some("<sip:b@h>;tag=them"));
        assert_eq!(dialog.next_hop().as_str(), "sip:p1.example;lr");
        assert_eq!(dialog.ack(7).headers().get("CSeq"), Some("7 ACK"));
    }

    #[test]
    fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
        let mut dialog = dialog(&["<sip:p2.example;lr>", "<sip:p1.example>"], "<sip:b@192.0.2.9>");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri(), "sip:p1.example");
        assert_eq!(
            bye.headers().all("Route").collect::<Vec<_>>(),
            ["<sip:p2.example;lr>", "<sip:b@192.0.2.9>"]
        );
    }

    #[test]
    fn no_method_nor_headers_stand_in_a_request_uri() {
        let table = [
            ("<sip:b;method=x@192.0.2.9;Method=INVITE;lr?Subject=x>", "sip:b;method=x@192.0.2.9;lr"),
            ("<sip:192.0.2.9;transport=udp;method=BYE>", "sip:192.0.2.9;transport=udp"),
            ("<sip:b@192.0.2.9;x=method>", "sip:b@192.0.2.9;x=method"),
        ];
        for (contact, uri) in table {
            assert_eq!(dialog(&[], contact).request(Method::Bye).uri(), uri);
        }
        let mut strict = dialog(&["<sip:p1.example;method=INVITE>"], "<sip:b@192.0.2.9>");
        assert_eq!(strict.request(Method::Bye).uri(), "sip:p1.example");
    }

    #[test]
    fn numbers_must_rise_on_their_side_and_rise_on_ours() {
        let mut dialog = dialog(&[], "<sip:b@192.0.2.9>");
        assert!(dialog.accept_number(100));
        assert!(!dialog.accept_number(100));
        assert!(!dialog.accept_number(99));
        assert!(dialog.accept_number(103));
        let mut again = dialog.request(Method::Info);
        let number = |request: &Request| request.headers().cseq().unwrap().number;
        let first = number(&again);
        assert_eq!(number(&dialog.request(Method::Info)), first + 1);
        dialog.renumber(&mut again);
        assert_eq!(number(&again), first + 2);
    }

    #[test]
    fn a_missing_contact_is_replaced_by_the_callee_and_a_new_one_moves_the_target() {
        let mut dialog = dialog(&[], "*");
        assert_eq!(dialog.next_hop().as_str(), "sip:callee@192.0.2.1");
        dialog.refresh_target(vec![NameAddr::parse("<sip:b@192.0.2.7>").unwrap()]);
        assert_eq!(dialog.next_hop().as_str(), "sip:b@192.0.2.7");
    }

    fn dialog(record_routes: &[&str], contact: &str) -> Dialog {
        let mut response = Response::new(200, "OK");
        let headers = response.headers_mut();
        headers.push("From", "<sip:a@h>;tag=us");
        headers.push("To", "<sip:b@h>;tag=them");
        headers.push("Call-ID", "c");
        headers.push("CSeq", "7 INVITE");
        headers.push("Contact", contact);
        record_routes.iter().for_each(|route| headers.push("Record-Route", route));
        Dialog::of_response(&response, &Uri::parse("sip:callee@192.0.2.1").unwrap()).unwrap()
    }
}
