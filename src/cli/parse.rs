//! `outdial parse FILE...`: how SIP messages are judged, one file a message or a whole stream.

use super::Failure;
use super::output;
use crate::sip::framing::Framer;
use crate::sip::malformed::Malformed;
use crate::sip::message::Message;
use crate::sip::verdict::Verdict;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

/// What to judge, and how to show it.
#[derive(Args, Debug)]
#[command(
    after_help = "Each file is one message, as it would come in a datagram from a trunk. The line says whether it is \
                        accepted or refused and where its fault stands, and which final response it would get outside any \
                        call; `no answer` for responses, for ACK, and where nothing says whom to answer.\n\
                        Exit status: 0 when every message is accepted, 1 otherwise."
)]
pub struct ParseArgs {
    /// Files with one SIP message each; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One JSON object a message
    #[arg(long)]
    pub json: bool,
    /// Show the whole response, not its first line only
    #[arg(long)]
    pub answer: bool,
    /// Each file is a TCP stream: cut it into messages by their Content-Length
    #[arg(long)]
    pub stream: bool,
}

/// One message's judgement as programs read it.
#[derive(Serialize)]
struct Report {
    file: String,
    verdict: &'static str,
    /// `request` or `response`; null when it was refused.
    kind: Option<&'static str>,
    method: Option<String>,
    uri: Option<String>,
    status: Option<u16>,
    fault: Option<Fault>,
    answer: Option<Answer>,
}

#[derive(Serialize)]
struct Fault {
    place: &'static str,
    what: &'static str,
    line: Option<u16>,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    phrase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Judges them all.
pub fn run(args: &ParseArgs) -> Result<(), Failure> {
    let mut all_accepted = true;
    for file in &args.files {
        match read(file) {
            Ok(bytes) => all_accepted &= judge(file, &bytes, args),
            Err(error) => {
                eprintln!("error: {}: {error}", file.display());
                all_accepted = false;
            }
        }
    }
    if all_accepted { Ok(()) } else { Err(Failure::Said) }
}

/// Judges one file; whether all in it was accepted.
fn judge(file: &Path, bytes: &[u8], args: &ParseArgs) -> bool {
    let name = file.display().to_string();
    if !args.stream {
        return show(report(name, &Verdict::of(bytes), args.answer), args.json);
    }
    let mut framer = Framer::new();
    let (mut all_accepted, mut number) = (true, 0);
    let mut next = |framer: &mut Framer| loop {
        number += 1;
        let name = format!("{name}#{number}");
        match framer.next() {
            Ok(Some(message)) => {
                all_accepted &= show(report(name, &Verdict::of(&message), args.answer), args.json)
            }
            Ok(None) => {
                number -= 1;
                return true;
            }
            Err(fault) => {
                let broken = Verdict { message: Err(fault), answer: None };
                show(report(name, &broken, args.answer), args.json);
                all_accepted = false;
                return false;
            }
        }
    };
    for piece in bytes.chunks(16 * 1_024) {
        framer.push(piece);
        if !next(&mut framer) {
            return false;
        }
    }
    if framer.waiting() > 0 {
        let fault = Malformed::new("stream", "ends within a message");
        let broken = Verdict { message: Err(fault), answer: None };
        all_accepted = show(report(format!("{name}#{}", number + 1), &broken, args.answer), args.json);
    }
    all_accepted
}

fn report(file: String, verdict: &Verdict, whole: bool) -> Report {
    let mut report = Report {
        file,
        verdict: if verdict.message.is_ok() { "accepted" } else { "refused" },
        kind: None,
        method: None,
        uri: None,
        status: None,
        fault: None,
        answer: verdict.answered().map(|(status, phrase)| Answer {
            status,
            phrase,
            message: verdict
                .answer
                .as_ref()
                .filter(|_| whole)
                .map(|bytes| String::from_utf8_lossy(bytes).into()),
        }),
    };
    match &verdict.message {
        Ok(Message::Request(request)) => {
            report.kind = Some("request");
            report.method = Some(request.method().to_string());
            report.uri = Some(request.uri().to_owned());
        }
        Ok(Message::Response(response)) => {
            report.kind = Some("response");
            report.status = Some(response.status());
            report.method = response.headers().cseq().ok().map(|cseq| cseq.method.to_string());
        }
        Err(Malformed { place, fault, line, .. }) => {
            report.fault = Some(Fault { place, what: fault, line: (*line > 0).then_some(*line) });
        }
    }
    report
}

/// Whether it was accepted.
fn show(report: Report, json: bool) -> bool {
    if json {
        let line = serde_json::to_string(&report).expect("plain strings and numbers can be written as JSON");
        output::line(line);
    } else {
        output::line(line_of(&report));
        if let Some(message) = report.answer.as_ref().and_then(|answer| answer.message.as_ref()) {
            let indented: String = message.lines().map(|line| format!("    {line}\n")).collect();
            output::text(indented);
        }
    }
    report.fault.is_none()
}

fn line_of(report: &Report) -> String {
    let told = match (&report.fault, &report.uri, report.status) {
        (Some(Fault { place, what, line: Some(line) }), ..) => format!("{place} (line {line}): {what}"),
        (Some(Fault { place, what, line: None }), ..) => format!("{place}: {what}"),
        (None, Some(uri), _) => format!("{} {uri}", report.method.as_deref().unwrap_or_default()),
        (None, None, status) => {
            let of = report.method.as_deref().unwrap_or_default();
            status.map_or(String::new(), |status| format!("{status} to {of}"))
        }
    };
    let answer = match &report.answer {
        Some(Answer { status, phrase, .. }) => format!("answered {status} {phrase}"),
        None => "no answer".to_owned(),
    };
    format!("{}: {}, {told}; {answer}", report.file, report.verdict)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_where_its_fault_stands_and_what_is_answered() {
        let head = "Via: SIP/2.0/UDP h\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1";
        let line = |text: String| line_of(&report("m".into(), &Verdict::of(text.as_bytes()), false));
        assert_eq!(
            line(format!("OPTIONS sip:b@h SIP/2.0\r\n{head} OPTIONS\r\n\r\n")),
            "m: accepted, OPTIONS sip:b@h; answered 200 OK"
        );
        assert_eq!(
            line(format!("SIP/2.0 180 Ringing\r\n{head} INVITE\r\n\r\n")),
            "m: accepted, 180 to INVITE; no answer"
        );
        assert_eq!(
            line(format!("OPTIONS sip:b@h SIP/3.0\r\n{head} OPTIONS\r\n\r\n")),
            "m: refused, start line (line 1): is not of SIP/2.0; answered 505 Version Not Supported"
        );
    }

    #[test]
    fn a_json_line_has_the_documented_form() {
        let verdict = Verdict::of(b"OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nX\r\n\r\n");
        let text = serde_json::to_string(&report("m".into(), &verdict, false)).unwrap();
        let want = concat!(
            r#"{"file":"m","verdict":"refused","kind":null,"method":null,"uri":null,"status":null,"#,
            r#""fault":{"place":"header","what":"has no colon","line":3},"#,
            r#""answer":{"status":400,"phrase":"header has no colon"}}"#
        );
        assert_eq!(text, want);
    }
}
