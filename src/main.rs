//! The `outdial` binary: everything is in the library's [`outdial::cli`].

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A call's signalling is some hundreds of short texts; with the system's allocator a fifth of its time goes into them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    outdial::cli::main()
}
