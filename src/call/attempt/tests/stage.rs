//! The stage of the transcripts: one attempt, a clock, and what stands around an attempt played by words.

use super::super::*;
use crate::amd::verdict::{Beep, Cause, Class, Finding, Name, ToneEvent, ToneKind, Verdict};
use crate::call::keys::Dtmf;
use crate::call::outcome::FAILOVER_ON;
use crate::call::transfer::Declined;
pub(super) use crate::call::treatment::Whom;
use crate::call::treatment::{AgentDial, Drop, Human, Machine, Treatment};
use crate::media::command::{PromptId, Statistics, StreamKey};
use crate::sdp::{Codec, Security};
use crate::slab::Slab;

const HOLD: PromptId = PromptId(0);
const SORRY: PromptId = PromptId(1);
const VOICEMAIL: PromptId = PromptId(2);
const MESSAGE: PromptId = PromptId(3);
const WHISPER: PromptId = PromptId(4);

pub(super) fn to_agent() -> Treatment {
    Treatment {
        human: Human::Agent(AgentDial {
            whom: Whom::Uri("sip:600@pbx".into()),
            timeout: Duration::from_secs(15),
            machine_key: Some('*'),
            transfer: Default::default(),
            hold: Some(HOLD),
            whisper: None,
        }),
        safe_harbour: Some(SORRY),
        machine: Machine::Voicemail(Drop {
            message: VOICEMAIL,
            end_silence: Duration::from_secs(2),
            wait_max: Duration::from_secs(30),
        }),
        unsure_is_human: true,
        opt_out: Some('9'),
        record: false,
        pause_key: None,
    }
}

/// Recorded, and paused by the agent with `#`.
pub(super) fn recorded() -> Treatment {
    Treatment { record: true, pause_key: Some('#'), ..to_agent() }
}

pub(super) fn with_whisper(whom: Whom) -> Treatment {
    let mut treatment = to_agent();
    if let Human::Agent(agent) = &mut treatment.human {
        (agent.whisper, agent.whom) = (Some(WHISPER), whom);
    }
    treatment
}

pub(super) fn with_message() -> Treatment {
    Treatment { human: Human::Message { message: MESSAGE }, ..to_agent() }
}

const ANSWER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

pub(super) struct Stage {
    pub(super) attempt: Attempt,
    now: Now,
    answered_at: Instant,
    log: Vec<(u64, String)>,
    dialed_trunks: u32,
}

pub(super) fn calling() -> Stage {
    let mut stage = Stage::new(to_agent());
    stage.plays_on(
        "0.000 < opened\n 0.000 > open callee\n 0.000 > commit carrier\n 0.010 < committed\n 0.010 > INVITE callee",
    );
    stage
}

pub(super) fn answered(treatment: Treatment) -> Stage {
    let mut stage = Stage::new(treatment);
    stage.plays_on(
        "0.000 > open callee\n 0.000 < opened\n 0.000 > commit carrier\n 0.010 < committed\n 0.010 > INVITE callee
         5.000 < 200\n 5.000 > connect callee\n 5.000 > detect callee",
    );
    stage
}

pub(super) fn awaiting_agent() -> Stage {
    awaiting_agent_of(to_agent())
}

pub(super) fn awaiting_agent_of(treatment: Treatment) -> Stage {
    let mut stage = answered(treatment);
    stage.plays_on(
        "5.900 < quiet 5.400\n 5.900 < human\n 5.900 > play 0 for ever\n 5.900 > open agent\n 5.905 < agent opened
         5.905 > place agent\n 5.905 > INVITE agent",
    );
    stage
}

pub(super) fn bridged() -> Stage {
    let mut stage = awaiting_agent();
    stage.plays_on("7.000 < agent 200\n 7.000 > connect agent\n 7.000 > stop detecting\n 7.000 > bridge");
    stage
}

impl Treatment {
    pub(super) fn plays(self, transcript: &str) {
        Stage::new(self).plays_on(transcript);
    }
}

impl Stage {
    pub(super) fn new(treatment: Treatment) -> Stage {
        let mut keys = Slab::with_limit(2);
        let now = Now::default();
        let recording = treatment.record.then(|| "call.wav".into());
        let plan = Plan {
            id: AttemptId(7),
            contact: ContactId(1),
            number: E164::from_e164("+12025550101").unwrap(),
            campaign: "spring".into(),
            caller_id: "+12025550100".into(),
            treatment: Arc::new(treatment),
            ring_timeout: Duration::from_secs(25),
            ring_min: Duration::from_secs(15),
            guaranteed: false,
            duration_max: Duration::from_secs(3_600),
            verdict_within: Duration::from_millis(6_500),
            recording,
            watch: false,
            callee_stream: keys.insert(()).unwrap(),
            agent_stream: keys.insert(()).unwrap(),
            session_id: 1,
        };
        let mut out = Vec::new();
        let attempt = Attempt::new(now, plan, placement("carrier"), &mut out);
        let mut stage = Stage { attempt, now, answered_at: Instant::ZERO, log: Vec::new(), dialed_trunks: 1 };
        stage.note(out);
        stage
    }

    /// Plays the `<` lines and compares the rest, in order.
    pub(super) fn plays_on(&mut self, transcript: &str) {
        let lines = transcript.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut expected = Vec::new();
        for line in lines {
            let (time, rest) = line.split_once(' ').unwrap();
            let ms = (time.parse::<f64>().unwrap() * 1_000.0).round() as u64;
            self.advance(ms);
            match rest.trim().split_once(' ').unwrap() {
                ("<", input) => self.play(input),
                (mark, output) => expected.push((ms, format!("{mark} {output}"))),
            }
        }
        let log = std::mem::take(&mut self.log);
        assert_eq!(log, expected, "in\n{transcript}");
    }

    /// Time passes, deadline by deadline.
    fn advance(&mut self, ms: u64) {
        let until = Instant::from_start(Duration::from_millis(ms));
        while let Some(due) = self.attempt.poll_timeout().filter(|due| *due <= until) {
            self.now.instant = due.max(self.now.instant);
            let mut out = Vec::new();
            self.attempt.handle_timeout(self.now, &mut out);
            self.note(out);
        }
        self.now.instant = until;
    }

    fn play(&mut self, input: &str) {
        let (side, input) = match input.split_once(' ') {
            Some(("agent", rest)) => (Side::Agent, rest),
            Some(("target", rest)) => (Side::Target, rest),
            _ => (Side::Callee, input),
        };
        let now = self.now;
        let mut out = Vec::new();
        let attempt = &mut self.attempt;
        match input {
            "committed" => attempt.handle_committed(now, &mut out),
            "refused" => attempt.handle_refused(now, "disk full", &mut out),
            "pause" | "go on" => {
                if let Err(why) = attempt.pause_recording(now, input == "pause", &mut out) {
                    self.log
                        .push((now.instant.since_start().as_millis() as u64, format!("! not paused: {why}")));
                }
            }
            "cancel" => attempt.handle_cancel(now, &mut out),
            "hold" => attempt.handle_hold(side, true, &mut out),
            "resume" => attempt.handle_hold(side, false, &mut out),
            _ => {
                if let Some(event) = session_event(input) {
                    if matches!(event, SessionEvent::Answered { .. }) && side == Side::Callee {
                        self.answered_at = now.instant;
                    }
                    attempt.handle_session(now, side, event, &mut out);
                } else {
                    let kind = media_event(input, now.instant, self.answered_at);
                    let stream = match side {
                        Side::Callee => attempt.callee.stream,
                        Side::Agent | Side::Target => attempt.agent.stream,
                    };
                    let event = Event { stream, at: now.instant, kind };
                    attempt.handle_media(now, &event, &mut out);
                }
            }
        }
        self.note(out);
    }

    /// Writes down what was asked for, and does at once what the engine would.
    fn note(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Some(text) = describe(&action, &self.attempt) {
                self.log.push((self.now.instant.since_start().as_millis() as u64, text));
            }
            let mut more = Vec::new();
            match action {
                Action::PlaceAgent => {
                    let (uri, placement) = ("sip:600@pbx".to_owned(), placement("pbx"));
                    let seat = Seat::Agent { uri, placement, ring_timeout: None };
                    self.attempt.handle_seat(self.now, seat, &mut more);
                }
                Action::PlaceTransfer { to, replaces } => {
                    let transfer = match to.as_str() {
                        "sip:700@pbx" => Ok(Transfer::Dial {
                            placement: placement("pbx"),
                            uri: to.clone(),
                            whom: to.clone(),
                            replaces,
                        }),
                        "sip:800@pbx" => Ok(Transfer::HandOver { uri: to.clone(), whom: to.clone() }),
                        _ => Err(Declined::Prefix),
                    };
                    self.attempt.handle_transfer(self.now, transfer, &mut more);
                }
                Action::NextTrunk => {
                    self.dialed_trunks += 1;
                    let next = (self.dialed_trunks == 2).then(|| placement("second"));
                    self.attempt.handle_placement(self.now, next, &mut more);
                }
                _ => {}
            }
            self.note(more);
        }
    }
}

fn placement(trunk: &str) -> Placement {
    Placement {
        trunk: trunk.into(),
        call_id: format!("{trunk}-id"),
        codecs: vec![Codec::Pcmu],
        failover_on: FAILOVER_ON.to_vec(),
        security: Security::Plain,
        dtmf: Dtmf::AutoInfo,
        comfort_noise: false,
        media_address: None,
    }
}

fn session_event(input: &str) -> Option<SessionEvent> {
    Some(match input {
        "100" => SessionEvent::Trying,
        "180" => SessionEvent::Provisional { status: 180, sdp: None },
        "183 with media" => SessionEvent::Provisional { status: 183, sdp: Some(ANSWER.to_vec()) },
        "200" => SessionEvent::Answered { sdp: Some(ANSWER.to_vec()) },
        "200 without events" => {
            let text = String::from_utf8_lossy(ANSWER);
            let plain = text.replace(" 101\r\n", "\r\n").replace("a=rtpmap:101 telephone-event/8000\r\n", "");
            SessionEvent::Answered { sdp: Some(plain.into_bytes()) }
        }
        "200 without sdp" => SessionEvent::Answered { sdp: None },
        info if info.starts_with("info ") => SessionEvent::Info {
            content_type: "application/dtmf-relay".into(),
            body: info.replace("info ", "Signal=").into_bytes(),
        },
        refer if refer.starts_with("refers to ") => {
            let mut words = refer.trim_start_matches("refers to ").split(" in place of ");
            let to = words.next().unwrap_or_default().to_owned();
            SessionEvent::Referred { to, replaces: words.next().map(str::to_owned) }
        }
        progress if progress.starts_with("refer ") => {
            SessionEvent::ReferProgress { status: progress.trim_start_matches("refer ").parse().ok()? }
        }
        "offers nothing" => SessionEvent::Offered { sdp: None },
        offer if offer.starts_with("offers ") => SessionEvent::Offered { sdp: Some(changed(offer)) },
        answer if answer.starts_with("answers ") => {
            SessionEvent::OfferAnswered { status: 200, sdp: Some(changed(answer)) }
        }
        "refuses 488" => SessionEvent::OfferAnswered { status: 488, sdp: None },
        unusable if unusable.starts_with("200 with ") => {
            SessionEvent::Answered { sdp: Some(unusable_answer(unusable)) }
        }
        "bye" => SessionEvent::HungUp { q850: Some(16), reason: String::new(), vanished: false },
        "vanishes" => SessionEvent::HungUp { q850: Some(102), reason: String::new(), vanished: true },
        status => SessionEvent::Rejected {
            status: status.parse().ok()?,
            phrase: String::new(),
            q850: None,
            reason: String::new(),
            retry_after: None,
            contacts: Vec::new(),
        },
    })
}

/// The answer with another direction, or the address of nowhere by which phones held long ago.
fn changed(words: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(ANSWER);
    match words.split_once(' ').map_or("", |(_, what)| what) {
        "video only" => text.replace("m=audio", "m=video").into_bytes(),
        "nowhere" => text.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0").into_bytes(),
        direction => format!("{text}a={direction}\r\n").into_bytes(),
    }
}

/// Which way media flow by a description of ours.
fn direction(sdp: &[u8]) -> String {
    let text = String::from_utf8_lossy(sdp);
    let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let found = known.into_iter().find(|name| text.contains(&format!("a={name}\r\n")));
    found.expect("a description says its direction").to_owned()
}

/// The answer with one thing in it that no call can be carried by.
fn unusable_answer(words: &str) -> Vec<u8> {
    let (from, to) = match words.trim_start_matches("200 with ") {
        "broken sdp" => ("v=0", "v=x"),
        "no audio" => ("m=audio", "m=video"),
        "port 0" => ("4000", "0"),
        "broadcast" => ("c=IN IP4 192.0.2.9", "c=IN IP4 255.255.255.255"),
        "multicast" => ("c=IN IP4 192.0.2.9", "c=IN IP4 239.1.2.3/127"),
        "a name" => ("c=IN IP4 192.0.2.9", "c=IN IP4 media.example"),
        "G.729" => ("RTP/AVP 0", "RTP/AVP 18"),
        other => panic!("{other:?} is no word of the transcript's"),
    };
    String::from_utf8_lossy(ANSWER).replace(from, to).into_bytes()
}

fn media_event(input: &str, now: Instant, answered_at: Instant) -> EventKind {
    let at = now - answered_at;
    let verdict = |class, cause| Finding::Verdict(Verdict { class, cause, at });
    let tone = |kind| verdict(Class::Tone, Cause::Tone(kind));
    let revised = |class| {
        let name = Name::new("enrolled").unwrap();
        Finding::Revised(Verdict { class, cause: Cause::Prompt(name), at })
    };
    let finding = match input {
        "opened" => return EventKind::Opened { local: "192.0.2.1:4000".parse().unwrap() },
        "closed" => return EventKind::Closed(Statistics::default()),
        "heard" => return EventKind::FirstReceived,
        "no port" => return EventKind::OpenFailed { reason: "all are in use".into() },
        "media timeout" => return EventKind::MediaTimeout,
        "played 1" => return EventKind::Played(SORRY),
        "played 2" => return EventKind::Played(VOICEMAIL),
        "played 3" => return EventKind::Played(MESSAGE),
        "played 4" => return EventKind::Played(WHISPER),
        "key 9" => return EventKind::Digit('9'),
        "key *" => return EventKind::Digit('*'),
        "key #" => return EventKind::Digit('#'),
        "human" => verdict(Class::Human, Cause::SilenceAfterGreeting(Duration::from_millis(500))),
        "machine" => verdict(Class::Machine, Cause::LongGreeting(Duration::from_secs(3))),
        "fax" => verdict(Class::Fax, Cause::Tone(ToneKind::FaxCed)),
        "busy tone" => tone(ToneKind::Busy),
        "vacant tone" => tone(ToneKind::SitInvalid),
        "vacant tone heard" => Finding::Tone(ToneEvent { kind: ToneKind::SitInvalid, start: at, at }),
        "silence" => verdict(Class::Silence, Cause::InitialSilence(at)),
        "unsure" => verdict(Class::Unsure, Cause::Deadline(at)),
        "revised machine" => Finding::Revised(Verdict {
            class: Class::Machine,
            cause: Cause::SecondSentence(Duration::from_secs(2)),
            at,
        }),
        "revised screening" => revised(Class::Screening),
        "revised ivr" => revised(Class::Ivr),
        "speech" => Finding::SpeechStart { at },
        "beep" => Finding::Beep(Beep {
            start: at.saturating_sub(Duration::from_millis(400)),
            reported_at: at,
            end: at,
            frequency_hz: 1_000.0,
        }),
        quiet => {
            let since = quiet.strip_prefix("quiet ").expect("a word of the transcript's");
            let since = Instant::from_start(Duration::from_secs_f64(since.parse().unwrap()));
            Finding::GreetingEnd { at: since - answered_at }
        }
    };
    EventKind::Finding { detect_started: answered_at, finding }
}

fn describe(action: &Action, attempt: &Attempt) -> Option<String> {
    let name = |stream: &StreamKey| if *stream == attempt.callee.stream { "callee" } else { "agent" };
    let side = |side: &Side| match side {
        Side::Callee => "callee",
        Side::Agent => "agent",
        Side::Target => "target",
    };
    Some(match action {
        Action::Media(command) => match command {
            Command::Open { stream, .. } => format!("> open {}", name(stream)),
            Command::Connect { stream, session } => match (session.send, session.receive) {
                (true, true) => format!("> connect {}", name(stream)),
                (send, receive) => format!("> connect {} send={send} receive={receive}", name(stream)),
            },
            Command::DetectTones { .. } => "> detect tones".into(),
            Command::Detect { stream } => format!("> detect {}", name(stream)),
            Command::Play { prompt, repeat: true, .. } => format!("> play {} for ever", prompt.0),
            Command::Play { stream, prompt, .. } if *stream == attempt.agent.stream => {
                format!("> play {} to the agent", prompt.0)
            }
            Command::Play { prompt, .. } => format!("> play {}", prompt.0),
            Command::StopPlaying { .. } => "> stop playing".into(),
            Command::StopDetecting { .. } => "> stop detecting".into(),
            Command::Bridge { .. } => "> bridge".into(),
            Command::Unbridge { .. } => "> unbridge".into(),
            Command::Close { stream } => format!("> close {}", name(stream)),
            Command::SendDigits { stream, digits } => format!("> SendDigits {} {digits}", name(stream)),
            Command::Record { stream, .. } => format!("> record {}", name(stream)),
            Command::Withhold { stream, on: true } => format!("> withhold {}", name(stream)),
            Command::Withhold { stream, on: false } => format!("> keep {}", name(stream)),
            other => format!("> {other:?}"),
        },
        Action::Commit(invite) => format!("> commit {}", invite.trunk),
        Action::Invite { side: to, .. } => format!("> INVITE {}", side(to)),
        Action::PlaceAgent => "> place agent".into(),
        Action::HangUp { side: to, q850 } => {
            let answered = match to {
                Side::Callee => attempt.is_answered(),
                Side::Agent => attempt.record.agent_answered_at.is_some(),
                Side::Target => false,
            };
            let why = if *q850 == 102 { " 102" } else { "" };
            format!("> {} {}{why}", if answered { "BYE" } else { "CANCEL" }, side(to))
        }
        Action::AnswerOffer { side: to, answer } => match answer {
            Ok(sdp) => format!("> answer {} {}", side(to), direction(sdp)),
            Err(status) => format!("> answer {} {status}", side(to)),
        },
        Action::Reoffer { side: to, sdp } => format!("> reoffer {} {}", side(to), direction(sdp)),
        Action::PlaceTransfer { .. } => return None,
        Action::AnswerRefer { side: to, answer } => {
            format!("> {} REFER of {}", answer.err().unwrap_or(202), side(to))
        }
        Action::ReportRefer { side: to, status } => format!("> NOTIFY {} {status}", side(to)),
        Action::Refer { side: to, to: whom } => format!("> REFER {} to {whom}", side(to)),
        Action::SendInfo { side: to, digit } => format!("> INFO {} {digit}", side(to)),
        Action::Journal(step @ Step::NoAgentPort { .. }) => format!("! {step}"),
        Action::Journal(step @ (Step::RecordingPaused | Step::RecordingGap { .. })) => format!("! {step}"),
        Action::PromoteTarget => "> the target is the agent".into(),
        Action::NextTrunk => "> next trunk".into(),
        Action::OptOut => "> opt out".into(),
        Action::Label { label, by } => format!("> label {} by {by}", label.as_str()),
        Action::Journal(_) => return None,
        Action::NotDialed { reason } => format!("! not dialed: {reason}"),
        Action::Finished(record) => format!("! {} by {}", record.disposition, record.ended_by.as_str()),
    })
}
