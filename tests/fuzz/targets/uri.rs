//! URIs and addresses with names, and what is read from them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::sip::header::NameAddr;
use outdial::sip::uri::Uri;

fuzz_target!(|text: &str| {
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.as_str(), text);
        let _ = (uri.user(), uri.host(), uri.port(), uri.address(), uri.headers(), uri.parameter("lr"));
        assert!(text.starts_with(uri.without_headers()));
    }
    if let Ok(address) = NameAddr::parse(text) {
        // Control characters are for the tokenizer to take out.
        if !text.chars().any(char::is_control) {
            assert_eq!(NameAddr::parse(&address.to_string()).as_ref(), Ok(&address), "{text}");
        }
    }
});
