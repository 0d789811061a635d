//! Messages, alone and as a stream: whatever is accepted is written so that it reads the same, and whatever comes, an
//! endpoint answers it at most once and does nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::sip::framing::Framer;
use outdial::sip::header::{NameAddr, Reason, Via, retry_after};
use outdial::sip::message::{MESSAGE_BYTES_MAX, Message};
use outdial::sip::verdict::Verdict;

fuzz_target!(|bytes: &[u8]| {
    let mut framer = Framer::new();
    framer.push(bytes);
    while let Ok(Some(framed)) = framer.next() {
        assert!(framed.len() <= bytes.len());
    }
    let verdict = Verdict::of(bytes);
    let Ok(message) = verdict.message else { return };
    let headers = message.headers();
    let _ = (headers.contacts(), headers.record_routes(), headers.routes());
    for (_, value) in headers.iter() {
        let _ = (NameAddr::parse(value), Via::parse(value), Reason::parse(value), retry_after(value));
    }
    let written = message.to_bytes();
    if written.len() <= MESSAGE_BYTES_MAX {
        assert_eq!(Message::parse(&written).as_ref(), Ok(&message));
    }
    if let Some(answer) = verdict.answer
        && answer.len() <= MESSAGE_BYTES_MAX
    {
        Message::parse(&answer).expect("the answer to a message that was read can be read");
    }
});
