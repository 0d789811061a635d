//! The operator's door: a Unix socket that takes one JSON line and answers with one.
//!
//! `{"do":"status"}`, `{"do":"start","campaign":"spring"}`, likewise `pause`, `resume`, `stop`,
//! `{"do":"imported","campaign":"spring"}` after its contacts have changed, `{"do":"dialing","on":false}`,
//! `{"do":"suppress","number":"+12025550101"}`, and `{"do":"label","call":"...","label":"machine","by":"ann"}` with an
//! attempt's id or a Call-ID. `{"do":"agent","name":"ann","word":"ready"}` is an agent's word: also `break`, `away`, `offline`,
//! and `accept` or `skip` of a contact that the agent is shown. `trace_on` with `what`, `minutes`, `rtp` and `unmasked`,
//! `trace_off` with `what`, `trace_list` and `trace_show` with `call` are what `outdial trace` says; `explain_contact` and
//! `explain_attempt` what `outdial explain` asks. `{"do":"recording","call":"...","on":false}` pauses a call's recording. The
//! answer is `{"ok":true}`, a status, or `{"error":"..."}`. Who may open the socket is the file system's matter: it is made
//! with mode 0600.

use crate::agent::Word;
use crate::campaign::explain::checks::Facts;
use crate::engine::engine::{AgentWord, Operator};
use crate::engine::explain::{AttemptExplained, ContactExplained};
use crate::engine::status::Status;
use crate::io::trace::Traces;
use crate::number::{E164, Masked};
use crate::trace::book::Shown;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// A longer request is none.
const REQUEST_BYTES_MAX: u64 = 4_096;

/// A longer answer is none of ours.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// After a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// How is it going?
    Status,
    /// Start a campaign.
    Start {
        /// Its name.
        campaign: String,
    },
    /// Dial no more for now.
    Pause {
        /// Its name.
        campaign: String,
    },
    /// Dial again.
    Resume {
        /// Its name.
        campaign: String,
    },
    /// Dial no more until started again.
    Stop {
        /// Its name.
        campaign: String,
    },
    /// Its contacts have changed in the store: look again.
    Imported {
        /// Its name.
        campaign: String,
    },
    /// Put a number on the do-not-call list.
    Suppress {
        /// E.164.
        number: String,
    },
    /// Switch all dialing off, or on again.
    Dialing {
        /// On?
        on: bool,
    },
    /// An agent says something of themselves, or of the contact that they are shown.
    Agent {
        /// Who.
        name: String,
        /// What.
        word: SaidWord,
    },
    /// Trace calls.
    TraceOn {
        /// A call, a number, a campaign or `all`.
        what: String,
        /// For so long; as configured when left out.
        #[serde(default)]
        minutes: Option<u32>,
        /// RTP too.
        #[serde(default)]
        rtp: bool,
        /// With the numbers as they are.
        #[serde(default)]
        unmasked: bool,
    },
    /// Trace them no longer.
    TraceOff {
        /// As it was switched on, or `all`.
        what: String,
    },
    /// What is traced, and which calls are kept?
    TraceList,
    /// What did a call look like?
    TraceShow {
        /// The attempt's id, the end of it, or a Call-ID.
        call: String,
    },
    /// Why is a contact not dialed? With what the store has of it.
    ExplainContact {
        /// The campaign's name.
        campaign: String,
        /// The contact.
        facts: Box<Facts>,
    },
    /// What is known of an attempt in flight?
    ExplainAttempt {
        /// Its id or a Call-ID.
        call: String,
    },
    /// Go on with a call's recording, or pause it.
    Recording {
        /// The attempt's id, the end of it, or a Call-ID.
        call: String,
        /// Is what is said kept?
        on: bool,
    },
    /// Keep a person's word on who answered.
    Label {
        /// The attempt's id or a Call-ID.
        call: String,
        /// `human`, `machine` ...
        label: String,
        /// Who says so.
        by: String,
    },
}

/// What an agent may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaidWord {
    /// Takes calls.
    Ready,
    /// On a break.
    Break,
    /// Not at the phone.
    Away,
    /// Signed out.
    Offline,
    /// Dial the contact that is shown.
    Accept,
    /// Do not dial it.
    Skip,
}

impl SaidWord {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            SaidWord::Ready => "ready",
            SaidWord::Break => "break",
            SaidWord::Away => "away",
            SaidWord::Offline => "offline",
            SaidWord::Accept => "accept",
            SaidWord::Skip => "skip",
        }
    }

    fn to_engine(self) -> AgentWord {
        match self {
            SaidWord::Ready => AgentWord::State(Word::Ready),
            SaidWord::Break => AgentWord::State(Word::Break),
            SaidWord::Away => AgentWord::State(Word::Away),
            SaidWord::Offline => AgentWord::State(Word::Offline),
            SaidWord::Accept => AgentWord::Accept,
            SaidWord::Skip => AgentWord::Skip,
        }
    }
}

/// For the log: a number is masked, whatever the operator typed for one.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Status => f.write_str("status"),
            Wish::Start { campaign } => write!(f, "start {campaign:?}"),
            Wish::Pause { campaign } => write!(f, "pause {campaign:?}"),
            Wish::Resume { campaign } => write!(f, "resume {campaign:?}"),
            Wish::Stop { campaign } => write!(f, "stop {campaign:?}"),
            Wish::Imported { campaign } => write!(f, "imported {campaign:?}"),
            Wish::Suppress { number } => write!(f, "suppress {}", Masked(number)),
            Wish::Dialing { on } => write!(f, "dialing {}", if *on { "on" } else { "off" }),
            Wish::Agent { name, word } => write!(f, "agent {name:?} {}", word.as_str()),
            Wish::TraceOn { what, .. } => write!(f, "trace on {}", Masked(what)),
            Wish::TraceOff { what } => write!(f, "trace off {}", Masked(what)),
            Wish::TraceList => f.write_str("trace list"),
            Wish::TraceShow { call } => write!(f, "trace show {call:?}"),
            Wish::ExplainContact { campaign, facts } => {
                write!(f, "explain contact {} of {campaign:?}", facts.id)
            }
            Wish::ExplainAttempt { call } => write!(f, "explain attempt {call:?}"),
            Wish::Recording { call, on } => {
                write!(f, "recording of {call:?} {}", if *on { "on" } else { "off" })
            }
            Wish::Label { call, label, by } => write!(f, "label {call:?} {label:?} by {by:?}"),
        }
    }
}

/// What comes back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Ok(bool),
    /// Asked for.
    Status(Box<Report>),
    /// What is traced, and which calls are kept.
    Traces(Box<Traces>),
    /// What a call looked like.
    Trace(Box<Shown>),
    /// Every rule about a contact.
    Contact(Box<ContactExplained>),
    /// An attempt in flight; nothing when it is not.
    Attempt(Option<Box<AttemptExplained>>),
    /// Not done, and why.
    Error(String),
}

/// The engine's status, and what its process holds for it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What the engine knows of itself.
    #[serde(flatten)]
    pub engine: Status,
    /// Tasks that are alive, the one that answers included: as many as at the start when nothing is going on.
    pub tasks: usize,
    /// Pairs of RTP and RTCP ports that the media threads hold; none when nothing is going on.
    pub ports: usize,
}

impl Wish {
    /// For the engine; `None` for what others answer: a status, a label, a trace, an explanation; an error for a number that is none.
    pub fn to_operator(&self) -> Result<Option<Operator>, String> {
        Ok(Some(match self {
            Wish::Status
            | Wish::Label { .. }
            | Wish::TraceOn { .. }
            | Wish::TraceOff { .. }
            | Wish::TraceList
            | Wish::ExplainContact { .. }
            | Wish::ExplainAttempt { .. }
            | Wish::TraceShow { .. } => return Ok(None),
            Wish::Start { campaign } => Operator::Start(campaign.clone()),
            Wish::Pause { campaign } => Operator::Pause(campaign.clone()),
            Wish::Resume { campaign } => Operator::Resume(campaign.clone()),
            Wish::Stop { campaign } => Operator::Stop(campaign.clone()),
            Wish::Imported { campaign } => Operator::Imported(campaign.clone()),
            Wish::Dialing { on } => Operator::Dialing(*on),
            Wish::Recording { call, on } => Operator::PauseRecording(call.clone(), !*on),
            Wish::Agent { name, word } => Operator::Agent { name: name.clone(), word: word.to_engine() },
            Wish::Suppress { number } => Operator::Suppress(
                E164::from_e164(number)
                    .ok_or_else(|| format!("{number:?} is no E.164 number: write it as +12025550101"))?,
            ),
        }))
    }
}

/// A wish on its way to the engine, with the way back.
pub type Asked = (Wish, oneshot::Sender<Reply>);

/// The open door; its socket file goes with it.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Door {
    /// Opens the socket. A file left by a dead engine is replaced; a living engine's is an error.
    pub fn open(path: &Path) -> io::Result<Door> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let text = format!("another engine listens on {}", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Door { path: path.to_owned(), listener: Some(listener) })
    }

    /// Serves the socket until the engine goes.
    pub fn serve(&mut self, wishes: mpsc::Sender<Asked>) {
        if let Some(listener) = self.listener.take() {
            tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => drop(tokio::spawn(answer(stream, wishes.clone()))),
                        // Out of descriptors, most likely: the door must work again when there are some.
                        Err(error) => {
                            tracing::warn!(%error, "cannot take an operator's connection");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            });
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, wishes: mpsc::Sender<Asked>) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(REQUEST_BYTES_MAX));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    let reply = match serde_json::from_str::<Wish>(&line) {
        Ok(wish) => {
            let (back, reply) = oneshot::channel();
            match wishes.send((wish, back)).await {
                Ok(()) => reply.await.unwrap_or(Reply::Error("the engine is going down".to_owned())),
                Err(_) => Reply::Error("the engine is going down".to_owned()),
            }
        }
        Err(error) => Reply::Error(format!("not understood: {error}")),
    };
    let mut text = serde_json::to_string(&reply).expect("a reply is plain data");
    text.push('\n');
    let _ = writer.write_all(text.as_bytes()).await;
}

/// Asks a running engine, from another process.
pub fn ask(path: &Path, wish: &Wish) -> io::Result<Reply> {
    let mut stream = std::os::unix::net::UnixStream::connect(path).map_err(|error| {
        let text = format!("no engine answers on {} ({error}); is `outdial run` up?", path.display());
        io::Error::new(error.kind(), text)
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = serde_json::to_string(wish).expect("a wish is plain data");
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_goes_to_the_log_without_its_number() {
        let wish = Wish::Suppress { number: "+12025550123".to_owned() };
        assert_eq!(wish.to_string(), format!("suppress {}", Masked("+12025550123")));
        assert!(!wish.to_string().contains("5550123"), "{wish}");
    }
}
