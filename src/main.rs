//! The `outdial` binary.

fn main() {}
