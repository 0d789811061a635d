//! Which calls are traced, and what they have said: switches that end by themselves, and a bounded ring for each call.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::packet::{self, Micros, Packet};
use crate::number::E164;
use crate::time::Instant;

/// Switches at once.
pub const SWITCHES_MAX: usize = 64;

/// Rows that are kept of one call; older ones go.
pub const ROWS_MAX: usize = 200;

/// Bytes of messages that are kept of one call.
pub const BYTES_MAX: usize = 192 * 1024;

/// Of the end of an identifier this much names a call: as many as the journal shows.
const SUFFIX_MIN: usize = 6;

/// What a switch is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// Every call, and the registrations.
    Everything,
    /// Every call of a campaign.
    Campaign(String),
    /// Every call to a number.
    Number(E164),
    /// One call, by its identifier.
    Call(String),
}

impl fmt::Display for What {
    /// For people; a number is masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Everything => f.write_str("all"),
            What::Campaign(name) => write!(f, "campaign {name}"),
            What::Number(number) => write!(f, "number {}", number.masked()),
            What::Call(id) => write!(f, "call {id}"),
        }
    }
}

/// A wish to see calls, for a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switch {
    /// Which calls.
    pub what: What,
    /// Until then.
    pub until: Instant,
    /// Their RTP too.
    pub rtp: bool,
    /// With the numbers as they are.
    pub unmasked: bool,
}

/// Who calls whom; what is no call (a registration) has neither campaign nor number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The attempt's identifier, the same for all its legs and tries.
    pub id: String,
    /// The campaign's name.
    pub campaign: String,
    /// Whom it is for.
    pub number: Option<E164>,
}

/// How a call is traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Its RTP too.
    pub rtp: bool,
    /// With the numbers as they are.
    pub unmasked: bool,
}

/// One line of a kept call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Row {
    /// A SIP message.
    Message(Message),
    /// What the engine made of it.
    Note {
        /// Microseconds since 1970.
        at_us: u64,
        /// The journal's words.
        text: String,
    },
}

/// A SIP message as it is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// Whether we sent it.
    pub sent: bool,
    /// `UDP`, `TCP`, `TLS`.
    pub transport: String,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Its method or its status.
    pub label: String,
    /// Its session description in one line.
    pub sdp: Option<String>,
    /// Whether the same message has passed before.
    pub again: bool,
    /// All of it, masked unless asked otherwise.
    pub text: String,
}

/// A call as `outdial trace show` gets it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Its identifier.
    pub id: String,
    /// Its campaign.
    pub campaign: String,
    /// Its number, masked unless asked otherwise.
    pub number: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Rows that had to go.
    pub dropped: u64,
    /// The rest, in order.
    pub rows: Vec<Row>,
}

/// A call in the list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its identifier.
    pub id: String,
    /// Its campaign.
    pub campaign: String,
    /// Its number, masked unless asked otherwise.
    pub number: String,
    /// Microseconds since 1970: its first message.
    pub began_us: u64,
    /// Messages that are kept.
    pub messages: usize,
    /// Whether it has ended.
    pub ended: bool,
}

#[derive(Debug)]
struct Call {
    shown: Shown,
    rows: VecDeque<Row>,
    bytes: usize,
}

/// The book. See the module's page.
#[derive(Debug)]
pub struct Book {
    calls_max: usize,
    switches: Vec<Switch>,
    calls: VecDeque<Call>,
}

impl Book {
    /// An empty book for at most so many calls.
    pub fn new(calls_max: usize) -> Book {
        Book { calls_max: calls_max.max(1), switches: Vec::new(), calls: VecDeque::new() }
    }

    /// Traces what the switch says, in place of an older one about the same.
    ///
    /// # Errors
    /// When there are too many switches.
    pub fn switch_on(&mut self, switch: Switch) -> Result<(), String> {
        self.switches.retain(|other| other.what != switch.what);
        if self.switches.len() >= SWITCHES_MAX {
            return Err(format!(
                "{SWITCHES_MAX} traces are on already: switch one off, or trace a campaign or all"
            ));
        }
        self.switches.push(switch);
        Ok(())
    }

    /// Ends a switch; false when there is none about this. Everything means every switch.
    pub fn switch_off(&mut self, what: &What) -> bool {
        let before = self.switches.len();
        self.switches.retain(|switch| *what != What::Everything && switch.what != *what);
        self.switches.len() < before
    }

    /// Ends the switches whose time is over; true when there was one.
    pub fn expire(&mut self, now: Instant) -> bool {
        let before = self.switches.len();
        self.switches.retain(|switch| switch.until > now);
        self.switches.len() < before
    }

    /// What is traced now, and for how long yet.
    pub fn switches(&self, now: Instant) -> Vec<(String, Duration)> {
        self.switches.iter().map(|switch| (switch.what.to_string(), switch.until - now)).collect()
    }

    /// Whether anything is traced at all.
    pub fn is_on(&self) -> bool {
        !self.switches.is_empty()
    }

    /// Whether no call is kept.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether everything is, and with it what is no call.
    pub fn takes_everything(&self) -> bool {
        self.switches.iter().any(|switch| switch.what == What::Everything)
    }

    /// How a call is traced; `None` when it is not.
    pub fn manner_of(&self, facts: &Facts) -> Option<Manner> {
        let wanted = |switch: &&Switch| match &switch.what {
            What::Everything => true,
            What::Campaign(name) => facts.campaign == *name,
            What::Number(number) => facts.number.as_ref() == Some(number),
            What::Call(id) => facts.id == *id,
        };
        self.switches.iter().filter(wanted).fold(None, |manner, switch| {
            let before = manner.unwrap_or(Manner { rtp: false, unmasked: false });
            Some(Manner { rtp: before.rtp || switch.rtp, unmasked: before.unmasked || switch.unmasked })
        })
    }

    /// A message of a traced call, as it may be kept.
    pub fn handle_packet(&mut self, facts: &Facts, manner: Manner, kept: &Packet) {
        let call = self.call(facts, manner);
        let text = String::from_utf8_lossy(&kept.bytes).into_owned();
        let same = |row: &Row| matches!(row, Row::Message(m) if (m.sent, m.peer) == (kept.sent, kept.peer) && m.text == text);
        let again = call.rows.iter().any(same);
        call.push(Row::Message(Message {
            at_us: kept.at.0,
            sent: kept.sent,
            transport: packet::transport(&kept.bytes).to_owned(),
            local: kept.local,
            peer: kept.peer,
            label: packet::label(&kept.bytes),
            sdp: packet::sdp_summary(&kept.bytes),
            again,
            text,
        }));
    }

    /// What the engine has to say of a call, if that is kept.
    pub fn handle_note(&mut self, id: &str, at: Micros, text: String) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.shown.id == id) {
            call.push(Row::Note { at_us: at.0, text });
        }
    }

    /// A call has ended.
    pub fn handle_ended(&mut self, id: &str) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.shown.id == id) {
            call.shown.ended = true;
        }
    }

    /// The kept calls, the oldest first.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |call: &Call| Listed {
            id: call.shown.id.clone(),
            campaign: call.shown.campaign.clone(),
            number: call.shown.number.clone(),
            began_us: call.rows.front().map_or(0, Row::at_us),
            messages: call.rows.iter().filter(|row| matches!(row, Row::Message(_))).count(),
            ended: call.shown.ended,
        };
        self.calls.iter().map(listed).collect()
    }

    /// A kept call, by its identifier, the end of it, or a Call-ID that one of its messages has.
    ///
    /// # Errors
    /// When it is not kept, or several would fit.
    pub fn show(&self, id: &str) -> Result<Shown, String> {
        let id = id.trim();
        let named = |call: &&Call| {
            call.shown.id == id
                || (id.len() >= SUFFIX_MIN && call.shown.id.ends_with(id))
                || call.rows.iter().any(
                    |row| matches!(row, Row::Message(m) if packet::call_id(m.text.as_bytes()) == Some(id)),
                )
        };
        let found: Vec<&Call> = self.calls.iter().filter(named).collect();
        match found[..] {
            [call] => Ok(Shown { rows: call.rows.iter().cloned().collect(), ..call.shown.clone() }),
            [] => Err(format!("no traced call is known as {id:?}: `outdial trace list` names them")),
            _ => Err(format!("{} traced calls end in {id:?}: give more of the identifier", found.len())),
        }
    }

    fn call(&mut self, facts: &Facts, manner: Manner) -> &mut Call {
        if let Some(place) = self.calls.iter().rposition(|call| call.shown.id == facts.id) {
            return &mut self.calls[place];
        }
        if self.calls.len() >= self.calls_max {
            // Who still speaks is kept before who has ended.
            let place = self.calls.iter().position(|call| call.shown.ended).unwrap_or(0);
            self.calls.remove(place);
        }
        let number = facts.number.as_ref().map_or(String::new(), |number| match manner.unmasked {
            true => number.to_string(),
            false => number.masked().to_string(),
        });
        let shown = Shown {
            id: facts.id.clone(),
            campaign: facts.campaign.clone(),
            number,
            ended: false,
            dropped: 0,
            rows: Vec::new(),
        };
        self.calls.push_back(Call { shown, rows: VecDeque::new(), bytes: 0 });
        self.calls.back_mut().expect("it was put in just now")
    }
}

impl Call {
    fn push(&mut self, row: Row) {
        self.bytes += row.bytes();
        self.rows.push_back(row);
        while self.rows.len() > ROWS_MAX || (self.bytes > BYTES_MAX && self.rows.len() > 1) {
            let gone = self.rows.pop_front().expect("there is more than one");
            self.bytes -= gone.bytes();
            self.shown.dropped += 1;
        }
    }
}

impl Row {
    /// Microseconds since 1970.
    pub fn at_us(&self) -> u64 {
        match self {
            Row::Message(message) => message.at_us,
            Row::Note { at_us, .. } => *at_us,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Row::Message(message) => message.text.len(),
            Row::Note { text, .. } => text.len(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const MANNER: Manner = Manner { rtp: false, unmasked: false };

    fn facts(n: u32) -> Facts {
        Facts {
            id: format!("attempt-{n:06}"),
            campaign: "spring".into(),
            number: E164::from_e164(&format!("+12025550{n:03}")),
        }
    }

    pub(in crate::trace) fn packet(at_ms: u64, sent: bool, peer: &str, text: &str) -> Packet {
        Packet {
            at: Micros(1_795_186_800_000_000 + at_ms * 1_000),
            sent,
            local: "192.0.2.9:5060".parse().unwrap(),
            peer: peer.parse().unwrap(),
            bytes: text.replace('|', "\r\n").into_bytes(),
        }
    }

    fn switch(what: What, until_s: u64, rtp: bool, unmasked: bool) -> Switch {
        Switch { what, until: Instant::from_start(Duration::from_secs(until_s)), rtp, unmasked }
    }

    #[test]
    fn a_call_is_traced_as_the_switches_about_it_say_and_no_longer() {
        let mut book = Book::new(10);
        assert!(!book.is_on() && book.manner_of(&facts(1)).is_none());
        book.switch_on(switch(What::Campaign("spring".into()), 60, false, false)).unwrap();
        book.switch_on(switch(What::Number(facts(1).number.unwrap()), 30, true, true)).unwrap();
        assert_eq!(book.manner_of(&facts(1)), Some(Manner { rtp: true, unmasked: true }));
        assert_eq!(book.manner_of(&facts(2)), Some(MANNER));
        let autumn = Facts { campaign: "autumn".into(), ..facts(3) };
        assert_eq!(book.manner_of(&autumn), None);
        assert!(book.expire(Instant::from_start(Duration::from_secs(30))));
        assert_eq!(book.manner_of(&facts(1)), Some(MANNER));
        assert!(book.switch_off(&What::Campaign("spring".into())) && !book.is_on());
        assert!(!book.switch_off(&What::Everything));
    }

    #[test]
    fn calls_and_their_messages_are_bounded() {
        let mut book = Book::new(3);
        for n in 1..=3 {
            book.handle_packet(
                &facts(n),
                MANNER,
                &packet(0, true, "192.0.2.1:5060", "INVITE sip:h SIP/2.0|Call-ID: a||"),
            );
        }
        book.handle_ended("attempt-000002");
        book.handle_packet(&facts(4), MANNER, &packet(1, true, "192.0.2.1:5060", "x"));
        let kept: Vec<String> = book.list().into_iter().map(|call| call.id).collect();
        assert_eq!(kept, ["attempt-000001", "attempt-000003", "attempt-000004"], "who has ended goes first");
        for n in 0..1_000 {
            book.handle_packet(
                &facts(4),
                MANNER,
                &packet(n, true, "192.0.2.1:5060", &"y".repeat(n as usize)),
            );
        }
        let shown = book.show("attempt-000004").unwrap();
        assert_eq!((shown.rows.len() as u64 + shown.dropped, shown.rows.len() <= ROWS_MAX), (1_001, true));
        let bytes: usize = shown.rows.iter().map(Row::bytes).sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
        for n in 0..SWITCHES_MAX {
            book.switch_on(switch(What::Call(n.to_string()), 1, false, false)).unwrap();
        }
        assert!(book.switch_on(switch(What::Everything, 1, false, false)).is_err());
    }

    #[test]
    fn a_call_is_found_by_its_end_and_by_its_call_id() {
        let mut book = Book::new(10);
        for n in [1, 2] {
            let text = format!("INVITE sip:h SIP/2.0|Call-ID: call-{n}||");
            book.handle_packet(&facts(n), MANNER, &packet(0, true, "192.0.2.1:5060", &text));
            book.handle_packet(&facts(n), MANNER, &packet(5, true, "192.0.2.1:5060", &text));
        }
        for id in ["attempt-000002", "000002", "call-2"] {
            assert_eq!(book.show(id).unwrap().id, "attempt-000002", "{id}");
        }
        assert!(book.show("2").is_err() && book.show("nobody").is_err());
        assert!(matches!(&book.show("call-1").unwrap().rows[1], Row::Message(m) if m.again));
        assert_eq!(book.list()[0].number, "+*********01");
    }
}
