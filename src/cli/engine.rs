//! Which engine judges recordings: the choice that `classify` and `evaluate` share.

use crate::amd::Options;
use crate::amd::options::Engine;
use crate::amd::parameters::Parameters;
use clap::Args;

/// The choice.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct EngineArgs {
    /// Who judges: `outdial`, as by default, or `asterisk` for the documented rules of its AMD, to compare with.
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<Engine>,
    /// AMD's arguments as a dialplan has them, such as "2000|2000|1000|5000|120|50|4|256"; with --engine asterisk.
    #[arg(long, value_name = "ARGUMENTS")]
    pub arguments: Option<Parameters>,
}

impl EngineArgs {
    /// The detector's settings, this choice taken over.
    pub fn apply(&self, options: Options) -> Result<Options, String> {
        let engine = self.engine.unwrap_or(options.engine);
        if self.arguments.is_some() && engine != Engine::Asterisk {
            return Err(
                "--arguments are those of Asterisk's AMD: give --engine asterisk with them".to_owned()
            );
        }
        let asterisk = self.arguments.clone().unwrap_or(options.asterisk);
        Ok(Options { engine, asterisk, ..options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        engine: EngineArgs,
    }

    fn options(line: &str) -> Result<Options, String> {
        let words = std::iter::once("outdial").chain(line.split_whitespace());
        let parsed = Command::try_parse_from(words).map_err(|error| error.to_string())?;
        parsed.engine.apply(Options::default())
    }

    #[test]
    fn the_engine_and_its_arguments_are_taken_from_the_command_line() {
        assert_eq!(options(""), Ok(Options::default()));
        let vicidial = options("--engine asterisk --arguments 2000|2000|1000|5000|120|50|4|256").unwrap();
        assert_eq!((vicidial.engine, vicidial.asterisk.greeting), (Engine::Asterisk, 2_000));
    }

    #[test]
    fn what_is_not_understood_says_what_would_be() {
        for (line, want) in [
            ("--engine avmd", "neither \"outdial\" nor \"asterisk\""),
            ("--engine asterisk --arguments 1|x", "\"x\" is no whole number for greeting"),
            ("--arguments 2000", "give --engine asterisk"),
        ] {
            let fault = options(line).expect_err(line);
            assert!(fault.contains(want), "{line}: {fault}");
        }
    }
}
