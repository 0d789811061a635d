//! `outdial load --signalling`: what a call costs apart from its sound, INVITE to BYE, store and journal included.
//!
//! The far end hangs up as soon as its 200 is acknowledged. What the media threads spend on ports that are opened and
//! closed is told apart and counted in.

use super::callee::{Callee, Manner};
use super::engine::{Engine, Plan};
use super::{Folder, LoadArgs, PATIENCE, Rival, user_agent};
use crate::cli::{Failure, output};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Calls per second of the rate, when no number of calls says otherwise: half a minute of them.
const PERIOD: u32 = 30;

/// A call that meets loss may take this long: an INVITE, its 200 and its BYE each have 64*T1.
const LOSSY_PATIENCE: Duration = Duration::from_secs(100);

/// From the last call's end until nothing is remembered of it: 64*T1, and a moment to look.
pub const FORGET_WITHIN: Duration = Duration::from_secs(36);

/// What came of it.
struct Outcome {
    calls: u32,
    /// Came to a BYE that was answered.
    whole: u32,
    over: Duration,
    cpu_ms: [f64; 3],
    resident: (u64, u64),
    messages: u64,
    ended: String,
    left: u64,
    user_agent: Option<user_agent::Outcome>,
}

/// How long calls may take to end beyond what their pace says.
pub fn patience(lose: u32) -> Duration {
    if lose > 0 { LOSSY_PATIENCE } else { PATIENCE }
}

/// Runs it and prints what came of it.
pub fn run(args: &LoadArgs, folder: &Folder) -> Result<(), Failure> {
    let calls = if args.calls == 500 { PERIOD * args.rate } else { args.calls };
    let far = Callee::start(None, Manner::signalling(args.lose))?;
    let plan = Plan {
        trunk: far.address(),
        contacts: calls,
        lines: calls.min(3_000),
        rate: args.rate,
        threads: args.threads,
        treatment: "[campaign.human]\naction = \"hang_up\"\n".to_owned(),
        // Loss is overcome by sending again, which takes longer than a trunk that works is given.
        answer_timeout_s: if args.lose > 0 { 32 } else { 4 },
    };
    let mut engine = Engine::start(folder, &plan)?;
    let (before, resident_before) = engine.spent()?;
    let begun = Instant::now();
    engine.dial()?;
    let bar = super::bar(args, u64::from(calls), "signalling");
    let until = begun + patience(args.lose) + Duration::from_secs(u64::from(calls / args.rate));
    let ended = || far.seen().ended.load(Ordering::Relaxed) + far.seen().given_up.load(Ordering::Relaxed);
    while ended() < calls && Instant::now() < until {
        bar.set_position(u64::from(ended()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let over = begun.elapsed();
    let (after, resident_after) = engine.spent()?;
    bar.finish_and_clear();
    let left = engine.wait_until_quiet(FORGET_WITHIN, true)?;
    let status = engine.status()?.engine;
    let mut ends = std::collections::BTreeMap::new();
    for campaign in &status.campaigns {
        for (disposition, count) in &campaign.ended {
            *ends.entry(disposition.clone()).or_insert(0) += count;
        }
    }
    engine.stop()?;
    let alone =
        args.against.contains(&Rival::UserAgent).then(|| user_agent::measure(args, calls)).transpose()?;
    let spent = after - before;
    let per_call = |time: Duration| time.as_secs_f64() * 1_000.0 / f64::from(calls);
    let outcome = Outcome {
        calls,
        whole: far.seen().ended.load(Ordering::Relaxed),
        over,
        cpu_ms: [per_call(spent.all), per_call(spent.first), per_call(spent.media)],
        resident: (resident_before, resident_after),
        messages: far.seen().messages.load(Ordering::Relaxed),
        ended: ends.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", "),
        left,
        user_agent: alone,
    };
    outcome.print(args);
    if outcome.holds() { Ok(()) } else { Err(Failure::Said) }
}

impl Outcome {
    /// Whether nothing was lost and nothing is left.
    fn holds(&self) -> bool {
        let alone =
            self.user_agent.as_ref().is_none_or(|alone| alone.lost == 0 && alone.left_after_64_t1 == 0);
        self.whole == self.calls && self.left == 0 && alone
    }

    fn print(&self, args: &LoadArgs) {
        let [all, control, media] = self.cpu_ms;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let lost = self.calls - self.whole.min(self.calls);
        if args.json {
            return output::line(serde_json::json!({
                "calls": self.calls,
                "lost": lost,
                "lose_percent": args.lose,
                "seconds": self.over.as_secs_f64(),
                "cpu_ms_per_call": all,
                "cpu_ms_per_call_control": control,
                "cpu_ms_per_call_media": media,
                "messages_at_the_far_end": self.messages,
                "resident_bytes_before": self.resident.0,
                "resident_bytes_after": self.resident.1,
                "left_after_64_t1": self.left,
                "ended": self.ended,
                "user_agent": self.user_agent,
            }));
        }
        output::text(format_args!(
            "calls                   {} in {:.1} s, {} SIP messages; {}\n\
             lost                    {lost} of {} with {} % of datagrams lost each way\n\
             CPU a call              {all:.3} ms, of which {control:.3} the control plane, {media:.3} the media threads, \
             {:.3} store and log\n\
             resident memory         {:.1} MiB before, {:.1} MiB after\n\
             left 64*T1 later        {} sessions, dialogs, transactions, attempts and ports\n",
            self.calls,
            self.over.as_secs_f64(),
            self.messages,
            self.ended,
            self.calls,
            args.lose,
            all - control - media,
            mib(self.resident.0),
            mib(self.resident.1),
            self.left,
        ));
        if let Some(alone) = &self.user_agent {
            output::text(format_args!(
                "\nthe SIP user agent by itself, as a process of its own\n\
                 lost                    {} of {}\n\
                 CPU a call              {:.3} ms\n\
                 resident memory         {:.1} MiB after\n\
                 left 64*T1 later        {} sessions, dialogs and transactions\n",
                alone.lost,
                self.calls,
                alone.cpu_ms_per_call,
                mib(alone.resident_bytes_after),
                alone.left_after_64_t1,
            ));
        }
    }
}
