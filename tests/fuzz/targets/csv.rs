//! Contact and do-not-call lists: every row is a contact or a fault with its line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::campaign::list::{Options, Reader, do_not_call};
use outdial::number::Region;

fuzz_target!(|bytes: &[u8]| {
    let options = Options { default_region: Region::from_code("US") };
    let rows = Reader::new(bytes, options).count();
    let numbers = do_not_call::Reader::new(bytes, options).count();
    assert!(rows.max(numbers) <= bytes.len() + 1, "more rows than bytes");
});
