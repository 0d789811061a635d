//! Header names: rsip's variants, the compact forms, and which values are comma lists.

use rsip::Header;
use rsip::headers::UntypedHeader;

/// One list of names makes the constructor and both readers, so they cannot disagree.
macro_rules! known_headers {
    ($($variant:ident => $name:literal),+ $(,)?) => {
        /// The header of this name; unknown names are kept as they came.
        pub(super) fn header(name: &str, value: String) -> Header {
            let name = long_name(name);
            $(if name.eq_ignore_ascii_case($name) { return Header::$variant(value.into()); })+
            Header::Other(name.to_owned(), value)
        }

        /// Its name as it is written.
        pub(super) fn name(header: &Header) -> &str {
            match header {
                $(Header::$variant(_) => $name,)+
                Header::Other(name, _) => name,
            }
        }

        /// Its value.
        pub(super) fn value(header: &Header) -> &str {
            match header {
                $(Header::$variant(inner) => inner.value(),)+
                Header::Other(_, value) => value,
            }
        }
    };
}

known_headers! {
    Via => "Via", From => "From", To => "To", CallId => "Call-ID", CSeq => "CSeq", Contact => "Contact",
    MaxForwards => "Max-Forwards", Route => "Route", RecordRoute => "Record-Route",
    ContentLength => "Content-Length", ContentType => "Content-Type", Allow => "Allow", Supported => "Supported",
    UserAgent => "User-Agent", Server => "Server", Require => "Require", Expires => "Expires",
    Authorization => "Authorization", ProxyAuthorization => "Proxy-Authorization",
    WwwAuthenticate => "WWW-Authenticate", ProxyAuthenticate => "Proxy-Authenticate",
    AuthenticationInfo => "Authentication-Info", RetryAfter => "Retry-After", Accept => "Accept",
    AcceptEncoding => "Accept-Encoding", AcceptLanguage => "Accept-Language", AlertInfo => "Alert-Info",
    CallInfo => "Call-Info", ContentDisposition => "Content-Disposition", ContentEncoding => "Content-Encoding",
    ContentLanguage => "Content-Language", Date => "Date", ErrorInfo => "Error-Info", Event => "Event",
    InReplyTo => "In-Reply-To", MimeVersion => "Mime-Version", MinExpires => "Min-Expires",
    Organization => "Organization", Priority => "Priority", ProxyRequire => "Proxy-Require",
    ReplyTo => "Reply-To", Subject => "Subject", SubscriptionState => "Subscription-State",
    Timestamp => "Timestamp", Unsupported => "Unsupported", Warning => "Warning",
}

/// The long form of a compact name (RFC 3261 section 7.3.3 and the extensions' registrations), or the name itself.
pub(super) fn long_name(name: &str) -> &str {
    let &[letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

/// Whether a value of this header, in its long form, may be several with commas between them (RFC 3261 section
/// 7.3.1). Not so for dates, challenges and whatever we do not know.
pub(super) fn is_list(name: &str) -> bool {
    const LISTS: [&str; 22] = [
        "Via",
        "Route",
        "Record-Route",
        "Contact",
        "Allow",
        "Supported",
        "Require",
        "Proxy-Require",
        "Unsupported",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Alert-Info",
        "Call-Info",
        "Content-Encoding",
        "Error-Info",
        "In-Reply-To",
        "Warning",
        "Reason",
        "Path",
        "Service-Route",
        "P-Asserted-Identity",
    ];
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(name))
}

/// Whether a comma list of this header is taken apart when the message is read: the order of these values across
/// lines is what routing and responses depend on.
pub(super) fn is_split_on_reading(name: &str) -> bool {
    ["Via", "Route", "Record-Route", "Contact"].iter().any(|list| list.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsip_writes_the_names_that_we_read() {
        for spelled in ["cAlL-iD", "www-authenticate", "MIME-Version", "cseq", "X-Carrier", "v", "x"] {
            let header = header(spelled, "value".into());
            assert_eq!(header.to_string(), format!("{}: value", name(&header)));
            assert_eq!(value(&header), "value");
        }
    }

    #[test]
    fn compact_names_become_long_ones() {
        assert_eq!(name(&header("v", "x".into())), "Via");
        assert_eq!(name(&header("I", "x".into())), "Call-ID");
        assert_eq!(name(&header("z", "x".into())), "z");
    }
}
