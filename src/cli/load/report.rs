//! What the load test has measured, as a table and as JSON.

use super::LoadArgs;
use super::meter::Spent;
use super::sound::Heard;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// A time between packets beyond this is heard.
const AUDIBLE: Duration = Duration::from_millis(40);

/// What one side has carried.
pub struct Carried {
    /// Who.
    pub what: &'static str,
    /// Streams: a call has one, a bridged pair two.
    pub lines: u32,
    /// Calls, or pairs.
    pub calls: u32,
    /// How long was measured.
    pub over: Duration,
    /// Processor time of the side itself.
    pub spent: Spent,
    /// What the far end heard.
    pub heard: Heard,
    /// Resident memory before the first call, and at its highest with all of them.
    pub resident: Option<(u64, u64)>,
    /// Datagrams of the far end that found no room at our ports.
    pub dropped: u64,
    /// From the first dial to the last call's first packet.
    pub up_after: Option<Duration>,
    /// Attempts and ports that were left after the end.
    pub left: u64,
}

impl Carried {
    /// CPU-seconds for 1,000 seconds of calls (of pairs, when bridged).
    fn cost(&self) -> f64 {
        self.spent.all.as_secs_f64() * 1_000.0 / (f64::from(self.calls) * self.over.as_secs_f64())
    }

    /// Numbers that are missing between packets that came.
    fn lost(&self) -> u64 {
        self.heard.lost
    }

    fn bytes_a_call(&self) -> Option<u64> {
        self.resident.map(|(before, with)| with.saturating_sub(before) / u64::from(self.calls))
    }

    fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (between, first) = (&self.heard.between, &self.heard.first);
        json!({
            "what": self.what,
            "streams": self.lines,
            "calls": self.calls,
            "seconds": self.over.as_secs_f64(),
            "cpu_s_per_1000_call_s": self.cost(),
            "cpu_s_per_1000_call_s_media": self.spent.media.as_secs_f64() * 1_000.0
                / (f64::from(self.calls) * self.over.as_secs_f64()),
            "packets_heard": self.heard.received,
            "packets_said": self.heard.sent,
            "packets_lost": self.lost(),
            "packets_dropped_at_our_ports": self.dropped,
            "between_ms": {
                "p50": ms(between.quantile(0.5)),
                "p99": ms(between.quantile(0.99)),
                "p99_9": ms(between.quantile(0.999)),
                "max": ms(between.longest()),
                "over_40": between.longer_than(AUDIBLE),
            },
            "answer_to_audio_ms": {
                "p50": ms(first.quantile(0.5)),
                "p99": ms(first.quantile(0.99)),
                "max": ms(first.longest()),
            },
            "resident_bytes": self.resident.map(|(before, with)| json!({ "idle": before, "with_calls": with })),
            "bytes_per_call": self.bytes_a_call(),
            "up_after_s": self.up_after.map(|time| time.as_secs_f64()),
            "left": self.left,
            "far_end": {
                "cpu_s_per_1000_call_s": self.heard.cpu.as_secs_f64() * 1_000.0
                    / (f64::from(self.calls) * self.over.as_secs_f64()),
                "own_lateness_ms_max": ms(self.heard.own_lateness),
            },
        })
    }

    fn describe(&self, text: &mut String) {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (between, first) = (&self.heard.between, &self.heard.first);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "\n{} ({} calls, {} streams, {:.0} s)\n\
             \x20 CPU                  {:.3} s for 1,000 seconds of calls\n\
             \x20 packets              {} heard, {} said, {} lost, {} dropped at our ports\n\
             \x20 between two packets  p50 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1} ms; {} over 40 ms\n\
             \x20 answer to audio      p50 {:.1}  p99 {:.1}  max {:.1} ms\n\
             \x20 the far end itself   {:.3} s of CPU for 1,000 seconds of calls, at most {:.1} ms late\n",
            self.what,
            self.calls,
            self.lines,
            self.over.as_secs_f64(),
            self.cost(),
            self.heard.received,
            self.heard.sent,
            self.lost(),
            self.dropped,
            ms(between.quantile(0.5)),
            ms(between.quantile(0.99)),
            ms(between.quantile(0.999)),
            ms(between.longest()),
            between.longer_than(AUDIBLE),
            ms(first.quantile(0.5)),
            ms(first.quantile(0.99)),
            ms(first.longest()),
            self.heard.cpu.as_secs_f64() * 1_000.0 / (f64::from(self.calls) * self.over.as_secs_f64()),
            ms(self.heard.own_lateness),
        );
        if let (Some((idle, with)), Some(bytes)) = (self.resident, self.bytes_a_call()) {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let _ = writeln!(
                text,
                "  memory               {:.1} KiB a call ({:.1} MiB without calls, {:.1} MiB with them)",
                bytes as f64 / 1_024.0,
                mib(idle),
                mib(with)
            );
        }
        if let Some(up_after) = self.up_after {
            let _ = writeln!(text, "  set up               all within {:.1} s", up_after.as_secs_f64());
        }
    }
}

/// All of a run; the engine comes first.
pub struct Report {
    /// Who carried what.
    pub carried: Vec<Carried>,
    bridged: bool,
}

impl Report {
    /// Nothing measured yet.
    pub fn new(args: &LoadArgs) -> Self {
        Report { carried: Vec::new(), bridged: args.bridge }
    }

    /// Whether all went well with the engine: nothing lost, nothing left.
    pub fn holds(&self) -> bool {
        self.carried
            .first()
            .is_some_and(|engine| engine.lost() == 0 && engine.dropped == 0 && engine.left == 0)
    }

    /// The engine's cost as a multiple of another's; of Asterisk's, how often it fits into that.
    fn ratios(&self) -> Vec<(String, f64)> {
        let Some((engine, others)) = self.carried.split_first() else { return Vec::new() };
        let ratio = |other: &Carried| match other.what {
            "asterisk" => ("asterisk / outdial".to_owned(), other.cost() / engine.cost()),
            what => (format!("outdial / {what}"), engine.cost() / other.cost()),
        };
        others.iter().map(ratio).collect()
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        self.carried.iter().for_each(|carried| carried.describe(&mut text));
        if self.bridged {
            text.push_str("\nA call is a pair of legs here.\n");
        }
        for (what, ratio) in self.ratios() {
            let _ = write!(text, "\n{what}: {ratio:.2}");
        }
        text.push('\n');
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let ratios: serde_json::Map<String, Value> =
            self.ratios().into_iter().map(|(what, ratio)| (what, json!(ratio))).collect();
        let carried: Vec<Value> = self.carried.iter().map(Carried::json).collect();
        json!({ "carried": carried, "ratios": ratios, "bridged": self.bridged })
    }
}
