//! `[[agent]]`, and whether campaigns and agents fit together.

use super::{CampaignSection, Config};
use crate::agent::AGENTS_MAX;

impl Config {
    pub(super) fn check_agents(&self, fault: &mut impl FnMut(String, String)) {
        if self.agents.len() > AGENTS_MAX {
            fault("agent".into(), format!("more than {AGENTS_MAX} agents: run a second engine"));
        }
        for (i, agent) in self.agents.iter().enumerate() {
            let name = &agent.name;
            if self.agents[..i].iter().any(|other| other.name == *name) {
                fault(format!("agent.{i}.name"), format!("agent {name:?} is there twice"));
            }
            if !self.trunks.iter().any(|trunk| trunk.name == agent.trunk) {
                fault(format!("agent.{i}.trunk"), format!("no [[trunk]] is called {:?}", agent.trunk));
            }
            for wanted in &agent.campaigns {
                if !self.campaigns.iter().any(|campaign| campaign.rules.name == *wanted) {
                    fault(format!("agent.{i}.campaigns"), format!("no [[campaign]] is called {wanted:?}"));
                }
            }
            for (key, text) in agent.faults() {
                fault(format!("agent.{i}.{key}"), format!("{key}: {text}"));
            }
        }
    }

    /// Whether a campaign that dials for agents has any.
    pub(super) fn check_staffing(
        &self,
        i: usize,
        campaign: &CampaignSection,
        fault: &mut impl FnMut(String, String),
    ) {
        let (rules, human) = (&campaign.rules, &campaign.treatment.human);
        let mode = rules.dialing.mode;
        if mode.needs_agents() && !human.rings_agents() {
            let text = match &human.agent_uri {
                Some(uri) => format!(
                    "dialing.mode: {mode} needs agents whose states the engine knows, and nobody tells it what they do behind \
                     {uri}: give each an [[agent]] and write agents = true instead of agent_uri, or dial by \"paced\""
                ),
                None => format!(
                    "dialing.mode: {mode} dials for agents: write action = \"agent\" and agents = true in [campaign.human], \
                     or dial by \"paced\" or \"agentless\""
                ),
            };
            fault(format!("campaign.{i}.dialing.mode"), text);
        }
        if !rules.guaranteed_agent_after.is_empty() && !human.rings_agents() {
            let text = "guaranteed_agent_after keeps an [[agent]] for the call: write agents = true in [campaign.human]";
            fault(format!("campaign.{i}.guaranteed_agent_after"), text.to_owned());
        }
        if human.rings_agents() && !self.agents.iter().any(|agent| agent.serves(&rules.name, &human.skills)) {
            let asked = match human.skills.is_empty() {
                true => String::new(),
                false => format!(" with the skills {}", human.skills.join(", ")),
            };
            let text = format!("agents = true, and no [[agent]] works for {:?}{asked}", rules.name);
            fault(format!("campaign.{i}.human.agents"), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const FILE: &str = r#"
[[trunk]]
name = "carrier"
host = "127.0.0.1:5080"

[[agent]]
name = "ann"
uri = "sip:601@127.0.0.1:5080"
trunk = "carrier"
skills = ["spanish"]

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
caller_id = "+12025550100"
[campaign.dialing]
mode = "predictive"
[campaign.human]
action = "agent"
agents = true
"#;

    #[test]
    fn agents_and_campaigns_that_do_not_fit_are_named_with_their_line() {
        let parse = |text: &str| Config::parse(Path::new("outdial.toml"), text);
        assert_eq!(parse(FILE).map(|config| config.agents.len()), Ok(1));
        let queue = "agent_uri = \"sip:600@pbx\"\nagent_trunk = \"carrier\"";
        let twice = "[[agent]]\nname = \"ann\"\nuri = \"sip:602@pbx\"\ntrunk = \"carrier\"\n\n[[campaign]]";
        for (written, instead, line, word) in [
            ("agents = true", queue, 18, "nobody tells it what they do behind sip:600@pbx"),
            ("action = \"agent\"\nagents = true", "action = \"hang_up\"", 18, "dials for agents"),
            ("agents = true", "agents = true\nskills = [\"german\"]", 21, "with the skills german"),
            ("[\"spanish\"]", "[]\ncampaigns = [\"autumn\"]", 11, "no [[campaign]] is called \"autumn\""),
            ("trunk = \"carrier\"", "trunk = \"pbx\"", 9, "no [[trunk]] is called \"pbx\""),
            ("sip:601@127.0.0.1:5080", "601", 8, "no phone of an agent"),
            ("[[campaign]]", twice, 13, "is there twice"),
        ] {
            let faults = parse(&FILE.replace(written, instead)).expect_err(word);
            let named = faults.iter().any(|fault| fault.line == line && fault.text.contains(word));
            assert!(named, "{word} on line {line} is not among {faults:?}");
        }
        let paced = FILE.replace("predictive", "paced").replace("agents = true", queue);
        assert!(parse(&paced).is_ok());
        let kept = paced.replace("caller_id", "guaranteed_agent_after = [\"abandoned\"]\ncaller_id");
        assert!(parse(&kept).expect_err("no agents")[0].text.contains("keeps an [[agent]]"));
    }
}
