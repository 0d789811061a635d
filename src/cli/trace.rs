//! `outdial trace`: what calls look like on the wire, of a running engine.

use crate::cli::campaign::ask;
use crate::cli::{ConfigArg, Failure, output};
use crate::io::operator::{Reply, Wish};
use crate::io::trace::Traces;
use crate::trace::ladder;
use clap::{Args, Subcommand};

/// Arguments of `outdial trace`.
#[derive(Args, Debug)]
#[command(
    after_help = "A trace ends by itself (see [trace] for_min) and shows no whole number unless asked to. With folder in \
                  [trace] each traced call also gets a capture file for Wireshark, with hep its messages go to a Homer \
                  server."
)]
pub struct TraceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Trace a call, the calls to a number, those of a campaign, or all
    On {
        /// An attempt's id (or its last characters) or a Call-ID, a number as +12025550101, a campaign, or `all`
        #[arg(value_name = "CALL|NUMBER|CAMPAIGN|all")]
        what: String,
        /// For so many minutes [default: as [trace] for_min says]
        #[arg(long, value_name = "MINUTES")]
        for_min: Option<u32>,
        /// RTP too, into the capture files
        #[arg(long)]
        rtp: bool,
        /// Show numbers as they are
        #[arg(long)]
        unmasked: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// End a trace before its time; what was kept stays
    Off {
        /// As it was switched on; `all` ends every trace
        #[arg(value_name = "CALL|NUMBER|CAMPAIGN|all")]
        what: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say what is traced, and which calls are kept
    List {
        /// One JSON object for programs
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Draw a call as a ladder
    Show {
        /// An attempt's id, or the end of it as the log shows it, or a Call-ID
        #[arg(value_name = "CALL")]
        call: String,
        /// One JSON object for programs, with the messages
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Asks the running engine.
pub fn run(args: &TraceArgs) -> Result<(), Failure> {
    match &args.verb {
        Verb::On { what, for_min, rtp, unmasked, config } => {
            let (minutes, rtp, unmasked) = (*for_min, *rtp, *unmasked);
            ask(config, &Wish::TraceOn { what: what.clone(), minutes, rtp, unmasked })?;
            output::line(format_args!("tracing {what}"));
        }
        Verb::Off { what, config } => {
            ask(config, &Wish::TraceOff { what: what.clone() })?;
            output::line(format_args!("no longer tracing {what}"));
        }
        Verb::List { json, config } => {
            let Reply::Traces(traces) = ask(config, &Wish::TraceList)? else { return Err(no_answer()) };
            match json {
                true => output::line(serde_json::to_string(&traces).expect("traces are plain data")),
                false => output::text(describe(&traces)),
            }
        }
        Verb::Show { call, json, config } => {
            let wish = Wish::TraceShow { call: call.clone() };
            let Reply::Trace(shown) = ask(config, &wish)? else { return Err(no_answer()) };
            match json {
                true => output::line(serde_json::to_string(&shown).expect("a call is plain data")),
                false => output::text(ladder::draw(&shown)),
            }
        }
    }
    Ok(())
}

fn no_answer() -> Failure {
    Failure::Failed("the engine does not know traces: is it of another version?".to_owned())
}

fn describe(traces: &Traces) -> String {
    let mut text = String::new();
    if traces.on.is_empty() {
        text += "nothing is traced: `outdial trace on` begins\n";
    }
    for on in &traces.on {
        text += &format!("tracing {} for {} min\n", on.what, on.seconds.div_ceil(60));
    }
    for call in &traces.calls {
        let state = if call.ended { "ended" } else { "up" };
        text += &format!(
            "{:36}  {:16} {:16} {:4} messages  {state}\n",
            call.id, call.campaign, call.number, call.messages
        );
    }
    if traces.dropped > 0 {
        text += &format!("{} packets are in no capture file: too many at once\n", traces.dropped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::trace::On;
    use crate::trace::book::Listed;

    #[test]
    fn the_list_says_what_is_on_and_what_is_kept() {
        let call = Listed {
            id: "019ab".into(),
            campaign: "spring".into(),
            number: "+*********01".into(),
            began_us: 0,
            messages: 7,
            ended: true,
        };
        let on = On { what: "campaign spring".into(), seconds: 61 };
        let text = describe(&Traces { on: vec![on], calls: vec![call], dropped: 2 });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "tracing campaign spring for 2 min");
        assert!(lines[1].starts_with("019ab") && lines[1].ends_with("7 messages  ended"), "{text}");
        assert!(lines[2].starts_with("2 packets"));
        assert!(describe(&Traces::default()).starts_with("nothing is traced"));
    }
}
