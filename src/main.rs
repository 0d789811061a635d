//! The `outdial` binary: everything is in the library's [`outdial::cli`].

use std::process::ExitCode;

/// The system's allocator took a seventh of the processor time of a call's signalling.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    outdial::cli::main()
}
