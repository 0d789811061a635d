//! Standard output that may end early: whoever reads it through `head` or `grep -q` has seen enough, and that is no fault
//! and must end no call.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes one line to standard output, see [`text`].
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// Writes to standard output. Once nobody reads it any more, what is written is lost; the work goes on, and the exit status
/// tells how it ended.
pub fn text(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
