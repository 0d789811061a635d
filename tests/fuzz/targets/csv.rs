//! Contact and do-not-call lists: every row is a contact or a fault with its line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outdial::campaign::list::{Options, Reader, do_not_call};
use outdial::number::Region;

// The numbering plans of the world are read once, which takes longer than an input may.
fuzz_target!(init: assert!(Region::from_code("US").is_some()), |bytes: &[u8]| {
    let options = Options { default_region: Region::from_code("US") };
    let rows = Reader::new(bytes, options).count();
    let numbers = do_not_call::Reader::new(bytes, options).count();
    assert!(rows.max(numbers) <= bytes.len() + 1, "more rows than bytes");
});
