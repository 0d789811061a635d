//! Transcripts of attempts: `<` is played to the attempt, everything else is what it asked for, with times.

use super::*;
use crate::amd::verdict::{Beep, Cause, Class, Finding, ToneEvent, ToneKind, Verdict};
use crate::call::treatment::{AgentDial, Drop, Human, Machine};
use crate::media::command::{PromptId, Statistics};
use crate::slab::Slab;

const HOLD: PromptId = PromptId(0);
const SORRY: PromptId = PromptId(1);
const VOICEMAIL: PromptId = PromptId(2);
const MESSAGE: PromptId = PromptId(3);

fn to_agent() -> Treatment {
    Treatment {
        human: Human::Agent(AgentDial {
            uri: "sip:600@pbx".into(),
            timeout: Duration::from_secs(15),
            hold: Some(HOLD),
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
    }
}

fn with_message() -> Treatment {
    Treatment { human: Human::Message { message: MESSAGE }, ..to_agent() }
}

#[test]
fn a_person_is_bridged_to_an_agent() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.010 < committed
         0.010 > INVITE callee
         0.050 < 100
         1.000 < 180
         5.000 < 200
         5.000 > connect callee
         5.000 > detect callee
         5.900 < quiet 5.400
         5.900 < human
         5.900 > play 0 for ever
         5.900 > open agent
         5.905 < agent opened
         5.905 > place agent
         5.905 > INVITE agent
         7.000 < agent 200
         7.000 > connect agent
         7.000 > stop detecting
         7.000 > bridge
        60.000 < bye
        60.000 > BYE agent
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by callee
    ",
    );
}

#[test]
fn a_revision_that_comes_too_late_changes_nothing_for_people_who_are_joined() {
    let mut stage = bridged();
    stage.plays_on(
        "
         7.010 < revised machine
        60.000 < agent bye
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by agent
    ",
    );
    assert_eq!(stage.attempt.record.revised_verdict, "");
}

#[test]
fn an_agent_who_hangs_up_ends_the_call_for_both() {
    bridged().plays_on(
        "
        60.000 < agent bye
        60.000 > BYE callee
        60.000 > close agent
        60.000 > close callee
        60.010 < agent closed
        60.010 < closed
        60.010 ! bridged by agent
    ",
    );
}

#[test]
fn without_an_agent_in_time_the_safe_harbour_message_is_heard_and_the_call_is_abandoned() {
    awaiting_agent().plays_on(
        "
        20.900 > CANCEL agent
        20.900 > close agent
        20.900 > play 1
        20.910 < agent closed
        28.000 < played 1
        28.000 > BYE callee
        28.000 > close callee
        28.010 < closed
        28.010 ! abandoned by us
    ",
    );
}

#[test]
fn a_busy_agent_is_known_at_once() {
    awaiting_agent().plays_on(
        "
         7.000 < agent 486
         7.000 > close agent
         7.000 > play 1
         7.010 < agent closed
         9.000 < bye
         9.000 > close callee
         9.010 < closed
         9.010 ! abandoned by callee
    ",
    );
}

#[test]
fn the_message_starts_after_the_beep_and_again_after_a_later_one() {
    answered(to_agent()).plays_on(
        "
         8.000 < machine
         9.000 < quiet 8.800
        10.800 > play 2
        12.000 < beep
        12.000 > play 2
        20.000 < played 2
        20.000 > BYE callee
        20.000 > close callee
        20.010 < closed
        20.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn a_machine_that_hangs_up_during_the_message_did_not_get_it_in_full() {
    answered(to_agent()).plays_on(
        "
         8.000 < machine
         9.000 < beep
         9.000 > play 2
        11.000 < bye
        11.000 > close callee
        11.010 < closed
        11.010 ! machine by callee
    ",
    );
}

#[test]
fn a_verdict_of_human_turned_over_releases_the_agent_and_waits_for_the_beep() {
    awaiting_agent().plays_on(
        "
         7.000 < speech
         7.500 < revised machine
         7.500 > CANCEL agent
         7.500 > close agent
         7.500 > stop playing
         7.510 < agent closed
         9.000 < beep
         9.000 > play 2
        15.000 < played 2
        15.000 > BYE callee
        15.000 > close callee
        15.010 < closed
        15.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn the_end_of_a_message_to_a_person_is_no_voicemail_left() {
    answered(with_message()).plays_on(
        "
         5.900 < human
         5.900 > play 3
         7.500 < revised machine
         7.500 > stop playing
         7.501 < played 3
         9.000 < beep
         9.000 > play 2
        15.000 < played 2
        15.000 > BYE callee
        15.000 > close callee
        15.010 < closed
        15.010 ! voicemail_left by us
    ",
    );
}

#[test]
fn the_opt_out_key_works_at_once() {
    answered(with_message()).plays_on(
        "
         5.900 < human
         5.900 > play 3
         7.000 < key 9
         7.000 > opt out
         7.000 > BYE callee
         7.000 > close callee
         7.010 < closed
         7.010 ! opted_out by us
    ",
    );
}

#[test]
fn fax_tone_silence_and_no_media_have_their_own_ends() {
    for (word, end) in [("fax", "fax"), ("busy tone", "busy"), ("vacant tone", "invalid_number")] {
        answered(to_agent()).plays_on(&format!(
            "
             6.000 < {word}
             6.000 > BYE callee
             6.000 > close callee
             6.010 < closed
             6.010 ! {end} by us
        "
        ));
    }
    let without_a_packet = [("", "silence", "no_media"), ("", "unsure", "no_media")];
    for (heard, word, end) in [("heard", "silence", "silence")].into_iter().chain(without_a_packet) {
        let line = if heard.is_empty() { String::new() } else { format!(" 6.000 < {heard}\n") };
        answered(to_agent()).plays_on(&format!(
            "{line}
             9.000 < {word}
             9.000 > BYE callee
             9.000 > close callee
             9.010 < closed
             9.010 ! {end} by us
        "
        ));
    }
}

#[test]
fn an_answer_without_a_single_packet_is_no_person() {
    answered(to_agent()).plays_on(
        "
        10.900 < unsure
        10.900 > BYE callee
        10.900 > close callee
        10.910 < closed
        10.910 ! no_media by us
    ",
    );
    // Whoever was heard, however little, may be one.
    answered(with_message()).plays_on(
        "
         6.000 < heard
        10.900 < unsure
        10.900 > play 3
        12.000 < bye
        12.000 > close callee
        12.010 < closed
        12.010 ! hung_up_early by callee
    ",
    );
}

#[test]
fn a_detector_that_never_speaks_leaves_nobody_in_silence() {
    answered(with_message()).plays_on(
        "
        11.500 > play 3
        12.000 < bye
        12.000 > close callee
        12.010 < closed
        12.010 ! hung_up_early by callee
    ",
    );
}

#[test]
fn a_phone_that_rings_out_is_cancelled_and_waits_for_the_last_word() {
    calling().plays_on(
        "
         1.000 < 180
        25.010 > CANCEL callee
        25.010 > close callee
        25.020 < closed
        25.050 < 487
        25.050 ! no_answer by us
    ",
    );
}

#[test]
fn an_answer_that_crosses_the_cancel_counts_as_abandoned() {
    calling().plays_on(
        "
         1.000 < 180
        25.010 > CANCEL callee
        25.010 > close callee
        25.020 < closed
        25.030 < 200
        25.030 ! abandoned by us
    ",
    );
}

#[test]
fn a_trunk_that_fails_before_ringing_is_followed_by_the_next_and_its_invite_is_committed_too() {
    calling().plays_on(
        "
         0.200 < 503
         0.200 > next trunk
         0.200 > commit second
         0.210 < committed
         0.210 > INVITE callee
         1.000 < 486
         1.000 > close callee
         1.010 < closed
         1.010 ! busy by callee
    ",
    );
}

#[test]
fn whoever_was_rung_is_not_rung_through_another_trunk() {
    calling().plays_on(
        "
         1.000 < 180
         2.000 < 503
         2.000 > close callee
         2.010 < closed
         2.010 ! congestion by callee
    ",
    );
}

#[test]
fn tones_in_early_media_end_the_wait() {
    calling().plays_on(
        "
         1.000 < 183 with media
         1.000 > connect callee
         1.000 > detect tones
         2.000 < vacant tone heard
         2.000 > CANCEL callee
         2.000 > close callee
         2.010 < closed
         2.050 < 487
         2.050 ! invalid_number by callee
    ",
    );
}

#[test]
fn what_the_store_refuses_is_not_dialed() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.010 < refused
         0.010 > close callee
         0.020 < closed
         0.020 ! not dialed: disk full
    ",
    );
}

#[test]
fn an_invite_that_was_committed_while_the_operator_stopped_gets_its_record() {
    to_agent().plays(
        "
         0.000 > open callee
         0.000 < opened
         0.000 > commit carrier
         0.005 < cancel
         0.005 > close callee
         0.006 < closed
         0.010 < committed
         0.010 ! canceled by us
    ",
    );
}

#[test]
fn an_answer_without_usable_media_is_hung_up() {
    calling().plays_on(
        "
         5.000 < 200 without sdp
         5.000 > BYE callee
         5.000 > close callee
         5.010 < closed
         5.010 ! media_mismatch by us
    ",
    );
}

// The stage.

const ANSWER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

struct Stage {
    attempt: Attempt,
    now: Now,
    answered_at: Instant,
    log: Vec<(u64, String)>,
    dialed_trunks: u32,
}

fn calling() -> Stage {
    let mut stage = Stage::new(to_agent());
    stage.plays_on(
        "0.000 < opened\n 0.000 > open callee\n 0.000 > commit carrier\n 0.010 < committed\n 0.010 > INVITE callee",
    );
    stage
}

fn answered(treatment: Treatment) -> Stage {
    let mut stage = Stage::new(treatment);
    stage.plays_on(
        "0.000 > open callee\n 0.000 < opened\n 0.000 > commit carrier\n 0.010 < committed\n 0.010 > INVITE callee
         5.000 < 200\n 5.000 > connect callee\n 5.000 > detect callee",
    );
    stage
}

fn awaiting_agent() -> Stage {
    let mut stage = answered(to_agent());
    stage.plays_on(
        "5.900 < quiet 5.400\n 5.900 < human\n 5.900 > play 0 for ever\n 5.900 > open agent\n 5.905 < agent opened
         5.905 > place agent\n 5.905 > INVITE agent",
    );
    stage
}

fn bridged() -> Stage {
    let mut stage = awaiting_agent();
    stage.plays_on("7.000 < agent 200\n 7.000 > connect agent\n 7.000 > stop detecting\n 7.000 > bridge");
    stage
}

impl Treatment {
    fn plays(self, transcript: &str) {
        Stage::new(self).plays_on(transcript);
    }
}

impl Stage {
    fn new(treatment: Treatment) -> Stage {
        let mut keys = Slab::with_limit(2);
        let now = Now::default();
        let plan = Plan {
            id: AttemptId(7),
            contact: ContactId(1),
            number: E164::from_e164("+12025550101").unwrap(),
            campaign: "spring".into(),
            caller_id: "+12025550100".into(),
            treatment: Arc::new(treatment),
            ring_timeout: Duration::from_secs(25),
            duration_max: Duration::from_secs(3_600),
            verdict_within: Duration::from_millis(6_500),
            recording: None,
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
    fn plays_on(&mut self, transcript: &str) {
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
        let (side, input) = match input.strip_prefix("agent ") {
            Some(rest) => (Side::Agent, rest),
            None => (Side::Callee, input),
        };
        let now = self.now;
        let mut out = Vec::new();
        let attempt = &mut self.attempt;
        match input {
            "committed" => attempt.handle_committed(now, &mut out),
            "refused" => attempt.handle_refused(now, "disk full", &mut out),
            "cancel" => attempt.handle_cancel(now, &mut out),
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
                        Side::Agent => attempt.agent.stream,
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
                    self.attempt.handle_agent_placement(self.now, Some(placement("pbx")), &mut more);
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
    Placement { trunk: trunk.into(), call_id: format!("{trunk}-id"), codecs: vec![Codec::Pcmu] }
}

fn session_event(input: &str) -> Option<SessionEvent> {
    Some(match input {
        "100" => SessionEvent::Trying,
        "180" => SessionEvent::Provisional { status: 180, sdp: None },
        "183 with media" => SessionEvent::Provisional { status: 183, sdp: Some(ANSWER.to_vec()) },
        "200" => SessionEvent::Answered { sdp: Some(ANSWER.to_vec()) },
        "200 without sdp" => SessionEvent::Answered { sdp: None },
        "bye" => SessionEvent::HungUp { q850: Some(16), reason: String::new() },
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

fn media_event(input: &str, now: Instant, answered_at: Instant) -> EventKind {
    let at = now - answered_at;
    let verdict = |class, cause| Finding::Verdict(Verdict { class, cause, at });
    let tone = |kind| verdict(Class::Tone, Cause::Tone(kind));
    let finding = match input {
        "opened" => return EventKind::Opened { local: "192.0.2.1:4000".parse().unwrap() },
        "closed" => return EventKind::Closed(Statistics::default()),
        "heard" => return EventKind::FirstReceived,
        "played 1" => return EventKind::Played(SORRY),
        "played 2" => return EventKind::Played(VOICEMAIL),
        "played 3" => return EventKind::Played(MESSAGE),
        "key 9" => return EventKind::Digit('9'),
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
    let side = |side: &Side| if *side == Side::Callee { "callee" } else { "agent" };
    Some(match action {
        Action::Media(command) => match command {
            Command::Open { stream, .. } => format!("> open {}", name(stream)),
            Command::Connect { stream, .. } => format!("> connect {}", name(stream)),
            Command::DetectTones { .. } => "> detect tones".into(),
            Command::Detect { stream } => format!("> detect {}", name(stream)),
            Command::Play { prompt, repeat: true, .. } => format!("> play {} for ever", prompt.0),
            Command::Play { prompt, .. } => format!("> play {}", prompt.0),
            Command::StopPlaying { .. } => "> stop playing".into(),
            Command::StopDetecting { .. } => "> stop detecting".into(),
            Command::Bridge { .. } => "> bridge".into(),
            Command::Close { stream } => format!("> close {}", name(stream)),
            other => format!("> {other:?}"),
        },
        Action::Commit(invite) => format!("> commit {}", invite.trunk),
        Action::Invite { side: to, .. } => format!("> INVITE {}", side(to)),
        Action::PlaceAgent => "> place agent".into(),
        Action::HangUp { side: to, .. } => {
            let answered = match to {
                Side::Callee => attempt.is_answered(),
                Side::Agent => attempt.record.agent_answered_at.is_some(),
            };
            format!("> {} {}", if answered { "BYE" } else { "CANCEL" }, side(to))
        }
        Action::AnswerOffer { .. } => "> answer offer".into(),
        Action::NextTrunk => "> next trunk".into(),
        Action::OptOut => "> opt out".into(),
        Action::Journal(_) => return None,
        Action::NotDialed { reason } => format!("! not dialed: {reason}"),
        Action::Finished(record) => format!("! {} by {}", record.disposition, record.ended_by.as_str()),
    })
}
