//! The message fixtures held against their table, the same through the command line, and thousands of malformed INVITEs
//! between which a probe is always answered.

use outdial::rng::Rng;
use outdial::sip::endpoint::{Counts, Endpoint, Options, Output};
use outdial::sip::framing::Framer;
use outdial::sip::message::{MESSAGE_BYTES_MAX, Message};
use outdial::sip::verdict::Verdict;
use outdial::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A row of `fixtures/sip/table.csv`.
struct Row {
    message: String,
    section: String,
    what: String,
    is_accepted: bool,
    /// The final response; `None` for nothing.
    answer: Option<u16>,
}

impl Row {
    fn path(&self) -> PathBuf {
        folder().join(format!("{}.sip", self.message))
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap_or_else(|error| panic!("{}: {error}", self.message))
    }
}

#[test]
fn every_message_of_the_table_is_judged_and_answered_as_its_rfc_asks() {
    let mut faults = Vec::new();
    for row in table() {
        let verdict = Verdict::of(&row.bytes());
        let told = match &verdict.message {
            Ok(_) => "accepted".to_owned(),
            Err(fault) => format!("refused ({fault})"),
        };
        let answer = verdict.answered();
        if verdict.message.is_ok() != row.is_accepted
            || answer.as_ref().map(|(status, _)| *status) != row.answer
        {
            let Row { message, section, what, .. } = &row;
            faults.push(format!("{message} ({section}, {what}): {told}, answered {answer:?}"));
        }
    }
    assert!(faults.is_empty(), "{} are misjudged:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_table_names_every_message_of_both_rfcs_and_every_file_once() {
    let rows = table();
    let sections = |rfc: &str| rows.iter().filter(|row| row.section.starts_with(rfc)).count();
    assert_eq!((sections("RFC 4475"), sections("RFC 5118")), (49, 12));
    let named: BTreeSet<PathBuf> = rows.iter().map(Row::path).collect();
    assert_eq!(named.len(), rows.len(), "a message has two rows");
    let found: BTreeSet<PathBuf> = ["torture", "ipv6", "traps", "flows"]
        .iter()
        .flat_map(|name| fs::read_dir(folder().join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(named, found);
}

#[test]
fn what_was_accepted_is_written_so_that_it_reads_the_same() {
    for row in table().iter().filter(|row| row.is_accepted) {
        let message = Message::parse(&row.bytes()).unwrap();
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message), "{}", row.message);
    }
}

#[test]
fn every_refusal_says_what_is_missing() {
    let rows = table();
    let answer = |message: &str| {
        let row = rows.iter().find(|row| row.message == message).expect(message);
        String::from_utf8(Verdict::of(&row.bytes()).answer.expect(message)).unwrap()
    };
    let has = |message: &str, lines: &[&str]| {
        let answer = answer(message);
        for line in lines {
            assert!(answer.lines().any(|found| found.starts_with(line)), "{message} lacks {line}:\n{answer}");
        }
    };
    has("torture/38-required-extensions", &["Unsupported: unheardOf, unheardOfToo"]);
    has("torture/39-unknown-content", &["Accept: application/sdp"]);
    has("traps/accept-encoding-gzip", &["Accept-Encoding: identity"]);
    has("torture/02-every-character-of-a-token", &["Allow: INVITE, ACK"]);
    has("torture/31-unknown-method-and-another-in-cseq", &["Allow: INVITE, ACK"]);
    has("torture/04-escaped-zeros", &["Allow: INVITE, ACK"]);
    has(
        "torture/29-version-seven",
        &["Via: SIP/7.0/UDP gate.example", "From: ", "To: ", "Call-ID: ", "CSeq: "],
    );
    has("torture/34-essentials-missing", &["Via: SIP/2.0/UDP gate.example", "CSeq: "]);
    has("torture/15-length-beyond-the-datagram", &["To: <sip:desk@dialer.example>;tag="]);
    assert_eq!(answer("torture/07-long-values").matches("\r\nVia: ").count(), 34);
}

#[test]
fn the_command_line_tells_the_same() {
    let rows = table();
    let output = Command::new(env!("CARGO_BIN_EXE_outdial"))
        .args(["parse", "--json"])
        .args(rows.iter().map(Row::path))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "some were refused");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), rows.len());
    for (row, line) in rows.iter().zip(text.lines()) {
        let told: serde_json::Value = serde_json::from_str(line).unwrap();
        let verdict = if row.is_accepted { "accepted" } else { "refused" };
        assert_eq!(told["verdict"], verdict, "{line}");
        assert_eq!(told["answer"]["status"].as_u64(), row.answer.map(u64::from), "{line}");
    }
    let good = &rows.iter().find(|row| row.is_accepted).unwrap().path();
    let output = Command::new(env!("CARGO_BIN_EXE_outdial")).arg("parse").arg(good).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("answered 481"), "{output:?}");
}

/// The carrier that sends them, and then its probes.
const SOURCE: &str = "192.0.2.1:5060";

#[test]
fn between_thousands_of_malformed_invites_every_probe_is_answered() {
    let messages = malformed_invites();
    assert!(messages.len() > 4_527, "{} messages", messages.len());
    for over_tcp in [false, true] {
        let mut endpoint = Endpoint::new(Options::default(), Rng::from_seed(4527));
        let source: SocketAddr = SOURCE.parse().unwrap();
        endpoint.allow_source(source.ip());
        let (mut now, mut probes, mut statuses) = (Instant::ZERO, 0, BTreeMap::new());
        for (number, message) in messages.iter().enumerate() {
            now += Duration::from_millis(10);
            endpoint.handle_timeout(now);
            deliver(&mut endpoint, now, source, message, over_tcp);
            for status in answers(&mut endpoint) {
                *statuses.entry(status).or_insert(0) += 1;
            }
            if number % 100 == 99 {
                probes += 1;
                deliver(&mut endpoint, now, source, probe(number).as_bytes(), over_tcp);
                assert_eq!(answers(&mut endpoint), [200], "the probe behind message {number}");
            }
        }
        assert!(probes >= 45, "{probes} probes");
        assert!(statuses.keys().all(|status| *status == 100 || *status >= 400), "{statuses:?}");
        assert!(statuses[&400] > 1_000, "{statuses:?}");
        endpoint.handle_timeout(now + Duration::from_secs(64));
        while endpoint.poll_timeout().is_some_and(|due| due <= now + Duration::from_secs(64)) {
            endpoint.handle_timeout(now + Duration::from_secs(64));
        }
        answers(&mut endpoint);
        assert_eq!(endpoint.counts(), Counts::default(), "something of them is left");
    }
}

fn deliver(endpoint: &mut Endpoint, now: Instant, source: SocketAddr, bytes: &[u8], over_tcp: bool) {
    if !over_tcp {
        return endpoint.handle_datagram(now, source, bytes);
    }
    // Each on a connection of its own, for a broken frame ends one.
    let mut framer = Framer::new();
    framer.push(bytes);
    while let Ok(Some(message)) = framer.next() {
        endpoint.handle_message(now, outdial::sip::endpoint::Transport::Tcp, source, &message);
    }
}

fn answers(endpoint: &mut Endpoint) -> Vec<u16> {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    outputs
        .map(|output| match output {
            Output::Transmit { bytes, .. } => {
                assert!(bytes.len() <= MESSAGE_BYTES_MAX + 200);
                let text = String::from_utf8_lossy(&bytes[..11]).into_owned();
                text[8..11].parse().unwrap_or_else(|_| panic!("{text} was sent to a stranger"))
            }
            other => panic!("a malformed INVITE caused {other:?}"),
        })
        .collect()
}

fn probe(number: usize) -> String {
    format!(
        "OPTIONS sip:us@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP {SOURCE};branch=z9hG4bKprobe{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:probe@h>;tag=p{number}\r\nTo: <sip:us@192.0.2.9>\r\nCall-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Each part of an INVITE in turn, between `{` and `}`, gives way to each anomaly.
const TEMPLATE: &str = "{INVITE}{ }{sip}{:}{us}{@}{192.0.2.9}{:5060}{;lr}{ }{SIP}{/}{2}{.}{0}{\r\n}{Via}{:}{ }{SIP}{/}{2.0}{/}{UDP}\
     { }{192.0.2.1}{:}{5060}{;}{branch}{=}{z9hG4bKn#}{\r\n}{Max-Forwards}{: }{70}{\r\n}{From}{: }{\"}{Odd Name}{\" }{<}{sip:}{odd}{@}\
     {gate.example}{>}{;}{tag}{=}{t#}{\r\n}{To}{: }{<}{sip:us@192.0.2.9}{>}{\r\n}{Call-ID}{: }{c#}{@}{gate.example}{\r\n}{CSeq}{: }\
     {1}{ }{INVITE}{\r\n}{Contact}{: }{<}{sip:odd@192.0.2.1}{>}{\r\n}{Content-Type}{: }{application}{/}{sdp}{\r\n}\
     {Content-Length}{: }{0}{\r\n}{\r\n}";

fn malformed_invites() -> Vec<Vec<u8>> {
    let parts: Vec<&str> = TEMPLATE.split('}').filter_map(|part| part.strip_prefix('{')).collect();
    let anomalies = anomalies();
    let mut messages = Vec::new();
    for at in 0..parts.len() {
        for anomaly in &anomalies {
            let mut message = Vec::new();
            for (place, part) in parts.iter().enumerate() {
                let part = if place == at { anomaly.as_slice() } else { part.as_bytes() };
                for &byte in part {
                    match byte {
                        b'#' => message.extend_from_slice(messages.len().to_string().as_bytes()),
                        byte => message.push(byte),
                    }
                }
            }
            messages.push(message);
        }
    }
    messages
}

fn anomalies() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for text in [
        "",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\r\n ",
        "\0",
        "\u{1}",
        "\u{7f}",
        ":",
        ";",
        ",",
        "=",
        "@",
        "/",
        "?",
        "<",
        ">",
        "\"",
        "\\",
        "[",
        "]",
        "(",
        ")",
        "{",
        "%",
        "%00",
        "%s%s%s%s",
        "%n%n%n",
        "%x",
        "-1",
        "0",
        "00",
        "255",
        "256",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967296",
        "-2147483649",
        "99999999999999999999",
        "1.5",
        "0x7f",
        "sip:",
        "sip:@",
        "[::1",
        "[]",
        "::1",
        "[2001:db8:::1]",
        "999.999.999.999",
        "тест",
        "a b",
        "<sip:a@b>",
        "\"\"",
        "\\\"",
    ] {
        all.push(text.as_bytes().to_vec());
    }
    for filler in ["a", "%s", "\"", "<", ";", ",", ":", " ", "(", "\\", "/", "1", "\r\n "] {
        for times in [16, 1_024] {
            all.push(filler.repeat(times).into_bytes());
        }
    }
    all.push(vec![0xff, 0xfe, 0x00]);
    all.push(vec![0xc3; 64]);
    all
}

fn table() -> Vec<Row> {
    let mut reader = csv::Reader::from_path(folder().join("table.csv")).unwrap();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        Row {
            message: record[0].to_owned(),
            section: record[1].to_owned(),
            what: record[2].to_owned(),
            is_accepted: match &record[3] {
                "accept" => true,
                "refuse" => false,
                other => panic!("{other} is no verdict"),
            },
            answer: match &record[4] {
                "none" => None,
                status => Some(status.parse().unwrap()),
            },
        }
    });
    rows.collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sip")
}
