//! A kept call as a ladder: time runs down, we stand left, each peer has a column, each message is an arrow between two.

use std::fmt::Write;
use std::net::SocketAddr;

use super::book::{Message, Row, Shown};

/// Between two columns.
const STEP: usize = 28;

/// Where our own column stands.
const MARGIN: usize = 26;

/// Columns at once; the messages of a farther peer are drawn to the last one, with its address beside them.
const PEERS_MAX: usize = 5;

const DAY_US: u64 = 86_400_000_000;

/// Draws a call.
pub fn draw(call: &Shown) -> String {
    let peers = peers(call);
    let began = call.rows.first().map_or(0, Row::at_us);
    let mut out = headline(call, began);
    if call.dropped > 0 {
        let _ = writeln!(out, "... {} earlier lines were dropped", call.dropped);
    }
    if !peers.is_empty() {
        columns(&mut out, call, &peers);
    }
    for row in &call.rows {
        let at = row.at_us();
        let since = at.saturating_sub(began);
        let time = format!("{}  +{}.{:03}", clock(at), since / 1_000_000, since / 1_000 % 1_000);
        let _ = match row {
            Row::Message(message) => writeln!(out, "{time:MARGIN$}{}", arrow(message, &peers)),
            Row::Note { text, .. } => writeln!(out, "{time:MARGIN$}{}  -- {text}", bars(peers.len())),
        };
    }
    out
}

fn headline(call: &Shown, began: u64) -> String {
    let mut words = vec![format!("call {}", call.id)];
    if !call.campaign.is_empty() {
        words.push(format!("campaign {}", call.campaign));
    }
    if !call.number.is_empty() {
        words.push(format!("to {}", call.number));
    }
    words.push(format!("{} {} UTC", date(began), clock(began)));
    if !call.ended {
        words.push("not ended".to_owned());
    }
    words.join(", ") + "\n"
}

/// The peers in the order of their first message.
fn peers(call: &Shown) -> Vec<SocketAddr> {
    let mut peers = Vec::new();
    for row in &call.rows {
        if let Row::Message(message) = row
            && !peers.contains(&message.peer)
            && peers.len() < PEERS_MAX
        {
            peers.push(message.peer);
        }
    }
    peers
}

fn columns(out: &mut String, call: &Shown, peers: &[SocketAddr]) {
    let first = call.rows.iter().find_map(|row| match row {
        Row::Message(message) => Some(message),
        Row::Note { .. } => None,
    });
    let names = std::iter::once("outdial".to_owned()).chain(peers.iter().map(ToString::to_string));
    let mut line = " ".repeat(MARGIN - STEP / 2);
    names.for_each(|name| line += &format!("{name:^STEP$}"));
    let _ = writeln!(out, "{}", line.trim_end());
    if let Some(first) = first {
        let mut line = " ".repeat(MARGIN - STEP / 2);
        line += &format!("{:^STEP$}", first.local.to_string());
        line += &format!("{:^STEP$}", first.transport);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "{:MARGIN$}{}", "", bars(peers.len()));
}

/// The columns where nothing passes.
fn bars(peers: usize) -> String {
    let mut line = String::from("|");
    (0..peers).for_each(|_| line += &format!("{:>STEP$}", "|"));
    line
}

fn arrow(message: &Message, peers: &[SocketAddr]) -> String {
    let known = peers.iter().position(|peer| *peer == message.peer);
    let place = known.unwrap_or(peers.len().saturating_sub(1));
    let width = STEP * (place + 1) - 1;
    let label: String = message.label.chars().take(width - 6).collect();
    let line = format!(" {label} ");
    let shaft = format!("{line:-^width$}", width = width - 1);
    let mut out = match message.sent {
        true => format!("|{shaft}>|"),
        false => format!("|<{shaft}|"),
    };
    (place + 1..peers.len()).for_each(|_| out += &format!("{:>STEP$}", "|"));
    if message.again {
        out += "  (again)";
    }
    if known.is_none() {
        let _ = write!(out, "  {}", message.peer);
    }
    if let Some(sdp) = &message.sdp {
        let _ = write!(out, "  {sdp}");
    }
    out
}

/// The time of day.
fn clock(at: u64) -> String {
    let ms = at % DAY_US / 1_000;
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

/// The day in the proleptic Gregorian calendar: days are counted from 1 March of year 0, so that the leap day is a year's
/// last, in eras of 400 years.
fn date(at: u64) -> String {
    let days = at / DAY_US + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::packet;
    use super::super::book::{Book, Facts, Manner};
    use super::super::packet::Micros;
    use super::*;
    use crate::number::E164;

    #[test]
    fn a_call_with_two_peers_is_drawn() {
        let mut book = Book::new(1);
        let facts = Facts {
            id: "attempt-1".into(),
            campaign: "spring".into(),
            number: E164::from_e164("+12025550101"),
        };
        let (carrier, pbx) = ("192.0.2.1:5060", "192.0.2.2:5060");
        let sdp = "||v=0|c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0|";
        for (at, sent, peer, text) in [
            (0, true, carrier, "INVITE sip:h SIP/2.0|Via: SIP/2.0/UDP h||".to_owned()),
            (500, true, carrier, "INVITE sip:h SIP/2.0|Via: SIP/2.0/UDP h||".to_owned()),
            (612, false, carrier, format!("SIP/2.0 200 OK|CSeq: 1 INVITE{sdp}")),
            (2_000, true, pbx, "INVITE sip:600@h SIP/2.0||".to_owned()),
            (2_001, false, pbx, "SIP/2.0 481 Call/Transaction Does Not Exist Here|CSeq: 2 BYE||".to_owned()),
        ] {
            book.handle_packet(
                &facts,
                Manner { rtp: false, unmasked: false },
                &packet(at, sent, peer, &text),
            );
        }
        book.handle_note("attempt-1", Micros(1_795_186_802_500_000), "human (model)".into());
        let drawn = draw(&book.show("attempt-1").unwrap());
        let expected = "\
call attempt-1, campaign spring, to +*********01, 2026-11-20 15:00:00.000 UTC, not ended
                      outdial              192.0.2.1:5060              192.0.2.2:5060
                  192.0.2.9:5060                 UDP
                          |                           |                           |
15:00:00.000  +0.000      |--------- INVITE --------->|                           |
15:00:00.500  +0.500      |--------- INVITE --------->|                           |  (again)
15:00:00.612  +0.612      |<--------- 200 OK ---------|                           |  SDP 192.0.2.1:4000 PCMU sendrecv
15:00:02.000  +2.000      |----------------------- INVITE ----------------------->|
15:00:02.001  +2.001      |<----- 481 Call/Transaction Does Not Exist Here (BYE) -|
15:00:02.500  +2.500      |                           |                           |  -- human (model)
";
        for (drawn, expected) in drawn.lines().zip(expected.lines()) {
            assert_eq!(
                drawn.replace('-', "").split_whitespace().collect::<Vec<_>>(),
                expected.replace('-', "").split_whitespace().collect::<Vec<_>>()
            );
        }
        let width = |line: &str| line.rfind('|');
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(
            lines[3..].iter().all(|line| width(line) == width(lines[3])),
            "the columns stand straight:\n{drawn}"
        );
    }

    #[test]
    fn days_are_counted_right() {
        for (days, date) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_777, "2026-11-20")]
        {
            assert_eq!(super::date(days * DAY_US), date);
        }
    }

    #[test]
    fn a_call_without_messages_is_its_headline() {
        let shown = Shown {
            id: "a".into(),
            campaign: String::new(),
            number: String::new(),
            ended: true,
            dropped: 3,
            rows: Vec::new(),
        };
        assert_eq!(draw(&shown), "call a, 1970-01-01 00:00:00.000 UTC\n... 3 earlier lines were dropped\n");
    }
}
