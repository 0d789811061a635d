//! The `outdial` binary: everything is in the library's [`outdial::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    outdial::cli::main()
}
