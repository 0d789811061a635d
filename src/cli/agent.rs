//! `outdial agent`: what agents do, and what they say of themselves.

use super::campaign::ask;
use crate::cli::{ConfigArg, Failure, output};
use crate::engine::status::{AgentStatus, PreviewStatus};
use crate::io::operator::{Reply, SaidWord, Wish};
use clap::{Args, Subcommand};

/// Arguments of `outdial agent`.
#[derive(Args, Debug)]
#[command(
    after_help = "An agent of the configuration's [[agent]] tables begins as `initial` says, offline where it says \
                        nothing, and is rung only when ready. What is said during a call counts after it.\n\n  \
                        outdial agent ready ann      ann takes calls\n  \
                        outdial agent break ann      after the present call, or the one that lines in flight have her wait for\n  \
                        outdial agent accept ann     the contact that ann is shown is dialed (mode = \"preview\")\n  \
                        outdial agent list --json    for a wallboard"
)]
pub struct AgentArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show every agent: state, campaign, calls, and the contact that they are shown
    List(ListArgs),
    /// Takes calls from now on; ends the wrap-up
    Ready(NameArgs),
    /// On a break, after the present call
    Break(NameArgs),
    /// Not at the phone
    Away(NameArgs),
    /// Signed out
    Offline(NameArgs),
    /// Have the contact dialed that the agent is shown
    Accept(NameArgs),
    /// Pass over the contact that the agent is shown; it comes again later
    Skip(NameArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object an agent, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct NameArgs {
    /// The agent's name
    name: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// Shows agents, or passes on what one says.
pub fn run(args: &AgentArgs) -> Result<(), Failure> {
    let (args, word, done) = match &args.verb {
        Verb::List(args) => return list(args),
        Verb::Ready(args) => (args, SaidWord::Ready, "takes calls"),
        Verb::Break(args) => (
            args,
            SaidWord::Break,
            "has a break, after the present call or the next one where a line counts on them",
        ),
        Verb::Away(args) => (args, SaidWord::Away, "is away, after the present call if there is one"),
        Verb::Offline(args) => {
            (args, SaidWord::Offline, "is signed out, after the present call if there is one")
        }
        Verb::Accept(args) => (args, SaidWord::Accept, "has the contact dialed"),
        Verb::Skip(args) => (args, SaidWord::Skip, "passes the contact over"),
    };
    ask(&args.config, &Wish::Agent { name: args.name.clone(), word })?;
    output::line(format_args!("agent {} {done}", args.name));
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let Reply::Status(status) = ask(&args.config, &Wish::Status)? else {
        return Err(Failure::Failed("the engine gave no status".to_owned()));
    };
    let agents = &status.engine.agents;
    if args.json {
        for agent in agents {
            output::line(serde_json::to_string(agent).expect("a status is plain data"));
        }
    } else if agents.is_empty() {
        output::line("the running engine has no [[agent]]");
    } else {
        output::text(agents.iter().map(describe).collect::<String>());
    }
    Ok(())
}

/// An agent in a line, and below it the contact that they are shown.
pub(super) fn describe(agent: &AgentStatus) -> String {
    let state = if agent.missed { "away (missed calls)" } else { &agent.state };
    let minutes = format!("{}:{:02}", agent.for_s / 60, agent.for_s % 60);
    let mut text = format!("agent    {:16} {state:10} {minutes:>6}  {:5} calls", agent.name, agent.calls);
    if !agent.campaign.is_empty() {
        text += &format!("  {}", agent.campaign);
    }
    if !agent.skills.is_empty() {
        text += &format!("  ({})", agent.skills.join(", "));
    }
    text += "\n";
    agent.preview.iter().for_each(|preview| text += &describe_preview(preview));
    text
}

fn describe_preview(preview: &PreviewStatus) -> String {
    let then = match (preview.accepted, preview.decided_in_s) {
        (true, _) => "accepted, is dialed as soon as a line is free".to_owned(),
        (false, Some(seconds)) => format!("accept or skip, {seconds} s left"),
        (false, None) => "accept or skip".to_owned(),
    };
    let further = preview.attributes.iter().map(|(column, value)| format!("{column}: {value}"));
    let said = [preview.number.clone(), preview.name.clone(), preview.comment.clone()].into_iter();
    let shown: Vec<String> = said.chain(further).filter(|word| !word.is_empty()).collect();
    format!("  shown: {} ({then})\n", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_reads_in_a_line_and_the_contact_below_it() {
        let preview = PreviewStatus {
            number: "+12025550101".into(),
            name: "Ada Alder".into(),
            attributes: [("debt".to_owned(), "120".to_owned())].into(),
            decided_in_s: Some(12),
            ..PreviewStatus::default()
        };
        let agent = AgentStatus {
            name: "ann".into(),
            state: "reserved".into(),
            for_s: 75,
            calls: 3,
            campaign: "spring".into(),
            preview: Some(preview),
            ..AgentStatus::default()
        };
        assert_eq!(
            describe(&agent),
            "agent    ann              reserved     1:15      3 calls  spring\n  \
             shown: +12025550101, Ada Alder, debt: 120 (accept or skip, 12 s left)\n"
        );
    }
}
