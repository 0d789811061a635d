//! `outdial recording`: pauses the recording of a call that is up, and goes on with it.

use super::campaign::ask;
use crate::cli::{ConfigArg, Failure, output};
use crate::io::operator::Wish;
use clap::{Args, ValueEnum};

/// Arguments of `outdial recording`.
#[derive(Args, Debug)]
#[command(
    after_help = "While a recording is paused, for the number of a card say, nothing of the call is kept: the file is silent for \
                  that long, both sides stay in step, keys are in no record and no log, and a trace has no RTP of it. An \
                  agent may do the same by a key: [campaign.recording] pause_key.\n\n  \
                  outdial recording pause 0f3a9c     CALL as the log shows it\n  \
                  outdial recording resume 0f3a9c"
)]
pub struct RecordingArgs {
    /// What to do
    #[arg(value_enum)]
    verb: Verb,
    /// The attempt's id, or the end of it as the log shows it, or a Call-ID
    #[arg(value_name = "CALL")]
    call: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// What can be done with a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Verb {
    /// Keep nothing of what is said, until resumed or the call ends
    Pause,
    /// Record again
    Resume,
}

/// Asks the running engine.
pub fn run(args: &RecordingArgs) -> Result<(), Failure> {
    let on = args.verb == Verb::Resume;
    ask(&args.config, &Wish::Recording { call: args.call.clone(), on })?;
    let done = if on { "goes on" } else { "is paused: nothing is kept until it is resumed" };
    output::line(format_args!("the recording of {} {done}", args.call));
    Ok(())
}
