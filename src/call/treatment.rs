//! What is done with whoever answers: one table a campaign.
//!
//! [`Options`] is the form of the configuration file, with the prompts as file names; [`Treatment`] is the form of the
//! running engine, with the prompts loaded.

use crate::call::transfer;
use crate::media::command::PromptId;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[campaign.human]`, `[campaign.machine]` and their neighbours, as configured.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A person answered.
    pub human: HumanOptions,
    /// A machine answered.
    pub machine: MachineOptions,
    /// Nobody can tell.
    pub unsure: UnsureOptions,
    /// The opt-out key.
    pub opt_out: OptOutOptions,
    /// Recording of calls.
    pub recording: RecordingOptions,
}

/// `[campaign.human]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HumanOptions {
    /// What is done.
    pub action: HumanAction,
    /// The agent's extension or the queue, a SIP URI.
    pub agent_uri: Option<String>,
    /// The trunk that leads there.
    pub agent_trunk: Option<String>,
    /// The agents of `[[agent]]` take the calls, instead of `agent_uri`.
    pub agents: bool,
    /// Those of them who have all of these skills.
    pub skills: Vec<String>,
    /// An agent must be on the line by then, counted from the verdict.
    pub agent_timeout_ms: u64,
    /// The agent's key for "it was a machine", `0`-`9`, `*` or `#`; without it there is none.
    pub machine_key: Option<char>,
    /// What a REFER of the agent may do.
    pub transfer: transfer::Allowed,
    /// Telephone numbers that a transfer may reach begin with one of these.
    pub transfer_prefixes: Vec<String>,
    /// Heard while the agent is being rung.
    pub hold: Option<PathBuf>,
    /// Heard by the agent alone, between their answer and the bridge.
    pub whisper: Option<PathBuf>,
    /// Heard when no agent comes.
    pub safe_harbour: Option<PathBuf>,
    /// Heard with `action = "message"`.
    pub message: Option<PathBuf>,
}

impl Default for HumanOptions {
    fn default() -> Self {
        HumanOptions {
            action: HumanAction::Agent,
            agent_uri: None,
            agent_trunk: None,
            agents: false,
            skills: Vec::new(),
            agent_timeout_ms: 15_000,
            machine_key: None,
            transfer: transfer::Allowed::Never,
            transfer_prefixes: Vec::new(),
            hold: None,
            whisper: None,
            safe_harbour: None,
            message: None,
        }
    }
}

impl HumanOptions {
    /// Whether people are given to agents whose states are known.
    pub fn rings_agents(&self) -> bool {
        self.action == HumanAction::Agent && self.agents
    }
}

/// What is done with a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HumanAction {
    /// Bridge to an agent.
    Agent,
    /// Play a message.
    Message,
    /// Hang up.
    HangUp,
}

/// `[campaign.machine]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MachineOptions {
    /// What is done.
    pub action: MachineAction,
    /// The voicemail message.
    pub message: Option<PathBuf>,
    /// Without a beep the message starts after this much silence.
    pub end_silence_ms: u64,
    /// And at the latest this long after the verdict.
    pub wait_max_s: u64,
}

impl Default for MachineOptions {
    fn default() -> Self {
        MachineOptions { action: MachineAction::HangUp, message: None, end_silence_ms: 2_000, wait_max_s: 30 }
    }
}

/// What is done with a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineAction {
    /// Hang up.
    HangUp,
    /// Leave the message.
    Voicemail,
}

/// `[campaign.unsure]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnsureOptions {
    /// What is done.
    pub action: UnsureAction,
}

impl Default for UnsureOptions {
    fn default() -> Self {
        UnsureOptions { action: UnsureAction::Agent }
    }
}

/// What is done when the detector cannot tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsureAction {
    /// The same as with a person.
    Agent,
    /// Hang up.
    HangUp,
}

/// `[campaign.opt_out]`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptOutOptions {
    /// The key, `0`-`9`, `*` or `#`; without it there is none.
    pub digit: Option<char>,
}

/// `[campaign.recording]`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingOptions {
    /// Whether calls are recorded from the answer on.
    pub enabled: bool,
    /// The agent's key that pauses a recording, and goes on with it, `0`-`9`, `*` or `#`; without it there is none.
    pub pause_key: Option<char>,
}

impl Options {
    /// The prompt files that are named, each with the key that names it.
    pub fn prompts(&self) -> Vec<(&'static str, &PathBuf)> {
        let named = [
            ("human.hold", &self.human.hold),
            ("human.whisper", &self.human.whisper),
            ("human.safe_harbour", &self.human.safe_harbour),
            ("human.message", &self.human.message),
            ("machine.message", &self.machine.message),
        ];
        named.into_iter().filter_map(|(key, path)| path.as_ref().map(|path| (key, path))).collect()
    }

    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let human = &self.human;
        if human.rings_agents() {
            if human.agent_uri.is_some() || human.agent_trunk.is_some() {
                let text = "agents = true rings each [[agent]] at its own uri through its own trunk: take agent_uri and \
                            agent_trunk out";
                faults.push(("human", text.into()));
            }
        } else {
            self.check_agent_uri(&mut faults);
        }
        if !human.skills.is_empty() && !human.agents {
            faults
                .push(("human.skills", "skills choose among the [[agent]]s: write agents = true too".into()));
        }
        if human.action == HumanAction::Message && human.message.is_none() {
            faults.push(("human", "action = \"message\" needs message, a WAV file".into()));
        }
        if self.machine.action == MachineAction::Voicemail && self.machine.message.is_none() {
            faults.push(("machine", "action = \"voicemail\" needs message, a WAV file".into()));
        }
        let is_prefix = |prefix: &&String| {
            let digits = prefix.strip_prefix('+').unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if let Some(wrong) = human.transfer_prefixes.iter().find(|prefix| !is_prefix(prefix)) {
            let text = format!("{wrong:?} is no prefix: write + and the first digits, such as \"+1202\"");
            faults.push(("human.transfer_prefixes", text));
        }
        let pause_key = self.recording.pause_key;
        if pause_key.is_some() && pause_key == self.human.machine_key {
            let text = "is human.machine_key too: one key cannot mean both, choose another".to_owned();
            faults.push(("recording.pause_key", text));
        }
        for (setting, key) in [
            ("opt_out.digit", self.opt_out.digit),
            ("human.machine_key", self.human.machine_key),
            ("recording.pause_key", pause_key),
        ] {
            if let Some(key) = key.filter(|key| !(key.is_ascii_digit() || matches!(key, '*' | '#'))) {
                faults.push((setting, format!("{key:?} is no key of a telephone: use 0-9, * or #")));
            }
        }
        faults
    }

    fn check_agent_uri(&self, faults: &mut Vec<(&'static str, String)>) {
        if self.human.action != HumanAction::Agent {
            return;
        }
        if self.human.agent_uri.is_none() {
            let text = "action = \"agent\" needs agents = true, with an [[agent]] for each of them, or agent_uri, the SIP URI \
                        of an extension or queue";
            faults.push(("human", text.into()));
        }
        if self.human.agent_trunk.is_none() {
            let text = "action = \"agent\" with agent_uri needs agent_trunk, the name of the trunk that leads to the agent";
            faults.push(("human", text.into()));
        }
    }

    /// The running engine's form; `prompt` finds the loaded prompt of a file.
    pub fn resolve(&self, mut prompt: impl FnMut(&PathBuf) -> PromptId) -> Treatment {
        let mut find = |path: &Option<PathBuf>| path.as_ref().map(&mut prompt);
        let human = match self.human.action {
            HumanAction::Agent => Human::Agent(AgentDial {
                whom: match self.human.agents {
                    true => Whom::Agents { skills: self.human.skills.clone() },
                    false => Whom::Uri(self.human.agent_uri.clone().unwrap_or_default()),
                },
                timeout: Duration::from_millis(self.human.agent_timeout_ms),
                machine_key: self.human.machine_key,
                transfer: transfer::Rules {
                    allowed: self.human.transfer,
                    prefixes: self.human.transfer_prefixes.clone(),
                },
                hold: find(&self.human.hold),
                whisper: find(&self.human.whisper),
            }),
            HumanAction::Message => {
                find(&self.human.message).map_or(Human::HangUp, |message| Human::Message { message })
            }
            HumanAction::HangUp => Human::HangUp,
        };
        let machine = match (self.machine.action, find(&self.machine.message)) {
            (MachineAction::Voicemail, Some(message)) => Machine::Voicemail(Drop {
                message,
                end_silence: Duration::from_millis(self.machine.end_silence_ms),
                wait_max: Duration::from_secs(self.machine.wait_max_s),
            }),
            (MachineAction::Voicemail, None) | (MachineAction::HangUp, _) => Machine::HangUp,
        };
        Treatment {
            human,
            safe_harbour: find(&self.human.safe_harbour),
            machine,
            unsure_is_human: self.unsure.action == UnsureAction::Agent,
            opt_out: self.opt_out.digit,
            record: self.recording.enabled,
            pause_key: self.recording.pause_key,
        }
    }
}

/// What is done with whoever answers, ready to run.
#[derive(Clone, PartialEq, Debug)]
pub struct Treatment {
    /// A person.
    pub human: Human,
    /// For a person for whom no agent came.
    pub safe_harbour: Option<PromptId>,
    /// A machine.
    pub machine: Machine,
    /// An undecided answer is treated as a person.
    pub unsure_is_human: bool,
    /// The opt-out key.
    pub opt_out: Option<char>,
    /// Record from the answer on.
    pub record: bool,
    /// The agent's key that pauses the recording, and goes on with it.
    pub pause_key: Option<char>,
}

/// A person's treatment.
#[derive(Clone, PartialEq, Debug)]
pub enum Human {
    /// Bridge to an agent.
    Agent(AgentDial),
    /// Play a message, then hang up.
    Message {
        /// Which.
        message: PromptId,
    },
    /// Hang up.
    HangUp,
}

/// How an agent is rung.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentDial {
    /// Who is rung.
    pub whom: Whom,
    /// From the verdict to the agent's answer.
    pub timeout: Duration,
    /// The agent's key for "it was a machine".
    pub machine_key: Option<char>,
    /// How it may transfer the call.
    pub transfer: transfer::Rules,
    /// What the person hears meanwhile.
    pub hold: Option<PromptId>,
    /// What the agent alone hears before both are joined.
    pub whisper: Option<PromptId>,
}

impl AgentDial {
    /// The extension or queue, where it is one for all calls.
    pub fn uri(&self) -> Option<&str> {
        match &self.whom {
            Whom::Uri(uri) => Some(uri),
            Whom::Agents { .. } => None,
        }
    }
}

/// Who takes a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Whoever is behind an extension or a queue; what they are doing is not known.
    Uri(String),
    /// One of the agents whose states are known.
    Agents {
        /// With all of these skills.
        skills: Vec<String>,
    },
}

/// A machine's treatment.
#[derive(Clone, PartialEq, Debug)]
pub enum Machine {
    /// Hang up.
    HangUp,
    /// Leave a message.
    Voicemail(Drop),
}

/// A voicemail message and its timing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Drop {
    /// The message.
    pub message: PromptId,
    /// Without a beep it starts after this much silence.
    pub end_silence: Duration,
    /// And at the latest this long after the verdict.
    pub wait_max: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_treatment_that_lacks_its_means_is_named() {
        let mut options = Options::default();
        options.machine.action = MachineAction::Voicemail;
        options.opt_out.digit = Some('x');
        options.human.machine_key = Some('y');
        options.recording.pause_key = Some('y');
        let keys: Vec<_> = options.faults().into_iter().map(|(key, _)| key).collect();
        let of_keys = ["recording.pause_key", "opt_out.digit", "human.machine_key", "recording.pause_key"];
        assert_eq!(keys[..3], ["human", "human", "machine"]);
        assert_eq!(keys[3..], of_keys);
    }

    #[test]
    fn agents_are_named_by_their_own_table_or_by_one_address_and_not_by_both() {
        let mut options = Options::default();
        options.human.skills = vec!["spanish".into()];
        options.human.agent_uri = Some("sip:600@pbx".into());
        options.human.agent_trunk = Some("pbx".into());
        let keys = |options: &Options| options.faults().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(&options), ["human.skills"]);
        options.human.agents = true;
        assert_eq!(keys(&options), ["human"]);
        (options.human.agent_uri, options.human.agent_trunk) = (None, None);
        assert_eq!(keys(&options), Vec::<&str>::new());
        let Human::Agent(agent) = options.resolve(|_| PromptId(0)).human else { panic!("an agent") };
        assert_eq!(agent.whom, Whom::Agents { skills: vec!["spanish".into()] });
    }

    #[test]
    fn prompts_are_resolved_by_their_file() {
        let mut options = Options::default();
        options.human.agent_uri = Some("sip:600@pbx".into());
        options.human.hold = Some("hold.wav".into());
        options.human.whisper = Some("whisper.wav".into());
        options.machine.action = MachineAction::Voicemail;
        options.machine.message = Some("voicemail.wav".into());
        let treatment = options.resolve(|path| PromptId(path.to_string_lossy().len() as u32));
        let Human::Agent(agent) = &treatment.human else { panic!("an agent") };
        assert_eq!((agent.hold, agent.whisper), (Some(PromptId(8)), Some(PromptId(11))));
        let Machine::Voicemail(drop) = &treatment.machine else { panic!("a voicemail") };
        assert_eq!(drop.message, PromptId(13));
    }
}
