//! `outdial call`: one test call, live.
//!
//! The call goes the whole way of a campaign's: do-not-call list, calling window, trunk, detector, treatment. Only its
//! records go to a database of its own.

use crate::agent::Word;
use crate::amd::verdict::Finding;
use crate::call::step::Step;
use crate::campaign::gate::Gate;
use crate::campaign::law;
use crate::campaign::pacing::Mode;
use crate::campaign::window::Window;
use crate::campaign::{self, Decision, Ledger, Reason, Refusal};
use crate::cli::log::{self, LogFormat};
use crate::cli::output;
use crate::cli::run::runtime;
use crate::cli::{ConfigArg, Failure};
use crate::disposition::Disposition;
use crate::engine::journal::Event;
use crate::io::clock::Clock;
use crate::io::config::{CampaignSection, Config, Fault};
use crate::io::control::{Onlooker, Seen};
use crate::io::launch::{self, Launch};
use crate::io::lists;
use crate::media::command::EventKind;
use crate::number::{self, E164};
use crate::record::{Contact, ContactId};
use crate::store::Reader;
use crate::time::WallTime;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// When the call has not left by then, it is said what it waits for: longer than a registration may go unanswered.
const DIAL_WITHIN: Duration = Duration::from_secs(40);

/// Columns of the level meter.
const METER_WIDTH: usize = 40;

/// The quietest level that the meter shows, in dBFS.
const METER_FLOOR_DBFS: f32 = -60.0;

/// Arguments of `outdial call`.
#[derive(Args, Debug)]
#[command(
    after_help = "Shows the SIP ladder, the level of what the callee says, and the verdict as it forms.\nThe do-not-call \
                  list is always kept; the calling window is, unless --outside-hours says that you are calling yourself.\n\
                  Exit status: 0 the call was carried to the callee, whatever became of it (answered, busy, declined, no answer: \
                  the last line says which); 1 it was not placed, or was broken off; 2 the command line is not understood; \
                  3 the configuration is faulty; 4 no trunk carried it: dead, congested, or it refused us."
)]
pub struct CallArgs {
    /// Whom to call, in any form that the campaign's default_region understands
    number: String,
    #[command(flatten)]
    config: ConfigArg,
    /// The campaign whose trunk and treatment are used [default: the first]
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// Dial although the campaign's calling window is closed
    #[arg(long)]
    outside_hours: bool,
    /// Show whole SIP messages, not only their first lines
    #[arg(long)]
    verbose: bool,
    /// One JSON object a line for programs
    #[arg(long)]
    json: bool,
}

/// Places the call.
pub fn run(args: &CallArgs) -> Result<(), Failure> {
    let _logging = log::start(LogFormat::Text, "error");
    let path = &args.config.config;
    let config = Config::load(path).map_err(|faults| Failure::faults(path, faults))?;
    let folder = Scratch::make()?;
    let config = narrowed(config, args, &folder)?;
    runtime()?.block_on(place(args, config))
}

async fn place(args: &CallArgs, config: Config) -> Result<(), Failure> {
    let path = &args.config.config;
    let end = Rc::new(RefCell::new(End::default()));
    let stop = Rc::new(Cell::new(false));
    let display = Display::new(args, Rc::clone(&end), Rc::clone(&stop));
    let launch = Launch { until_completed: true, open_door: false, watch: true };
    let mut launched = launch::launch(config, &launch, display.onlooker())
        .await
        .map_err(|faults| Failure::faults(path, faults))?;
    launched.control.stop = Rc::clone(&stop);
    let patience = async {
        tokio::time::sleep(DIAL_WITHIN).await;
        stop.set(!end.borrow().dialed);
        std::future::pending::<()>().await
    };
    tokio::select! {
        done = launched.control.run() => done?,
        () = patience => {}
    }
    let now = launched.control.clock.now();
    let waited_for = launched.control.engine.status(now).campaigns.into_iter().flat_map(|c| c.waiting_for);
    let waited_for = waited_for.collect::<Vec<_>>().join("; ");
    launched.finish().await.map_err(Failure::Failed)?;
    let end = end.take();
    match (end.refused, end.disposition) {
        (Some(reason), _) => Err(Failure::Failed(format!("not dialed: {reason}"))),
        (None, Some(disposition)) => verdict(disposition, end.answered),
        (None, None) if end.dialed => Err(Failure::Failed("the call was broken off".to_owned())),
        (None, None) => Err(Failure::Failed(format!("not dialed: {waited_for}"))),
    }
}

/// What became of the call.
#[derive(Default)]
struct End {
    dialed: bool,
    answered: bool,
    disposition: Option<Disposition>,
    refused: Option<String>,
}

/// No trunk carried the call.
const NO_TRUNK: u8 = 4;

/// How the call ended, as an exit status.
fn verdict(disposition: Disposition, answered: bool) -> Result<(), Failure> {
    match disposition {
        _ if answered => Ok(()),
        Disposition::Congestion | Disposition::TrunkRejected => {
            let text = format!("no trunk carried the call: {disposition}");
            Err(Failure::Ended { status: NO_TRUNK, text })
        }
        Disposition::Canceled | Disposition::Interrupted => {
            Err(Failure::Failed(format!("the call was broken off: {disposition}")))
        }
        _ => Ok(()),
    }
}

/// The configuration for this one call: one campaign, one contact, a database of its own.
fn narrowed(mut config: Config, args: &CallArgs, folder: &Scratch) -> Result<Config, Failure> {
    let wanted = args.campaign.as_deref();
    let fits = |section: &CampaignSection| wanted.is_none_or(|name| section.rules.name == name);
    let Some(mut section) = config.campaigns.iter().find(|section| fits(section)).cloned() else {
        let text = match wanted {
            Some(name) => format!("no [[campaign]] is called {name:?}"),
            None => {
                "a call needs a [[campaign]]: it says which trunk, caller id and treatment to use".to_owned()
            }
        };
        return Err(Failure::faults(&config.path, vec![Fault { line: 0, text }]));
    };
    let rules = &mut section.rules;
    let number = number::parse(&args.number, rules.default_region)
        .map_err(|fault| Failure::Failed(format!("not dialed: {:?}: {fault}", args.number)))?;
    if is_on_do_not_call_list(&config, &number)? {
        return Err(Failure::Failed(format!("not dialed: {number} is on the do-not-call list")));
    }
    let contacts = folder.0.join("contact.csv");
    std::fs::write(&contacts, format!("number\n{number}\n"))?;
    rules.contacts = contacts;
    // The list was asked just now, whole; the scratch database need not hold it.
    rules.do_not_call = None;
    rules.autostart = true;
    rules.max_attempts = 1;
    // One call needs no law of dialing; its agents are rung as if they were there.
    rules.dialing.mode = Mode::Paced;
    rules.guaranteed_agent_after.clear();
    config.agents.iter_mut().for_each(|agent| agent.initial = Word::Ready);
    if args.outside_hours {
        rules.window = Window::always();
        rules.law = law::options::Options::none();
    }
    check_window(rules, &number)?;
    config.campaigns = vec![section];
    config.engine.database = folder.0.join("call.db").into();
    Ok(config)
}

/// Asks the do-not-call files of all campaigns, for they hold for all, and what the engine's database has gathered.
fn is_on_do_not_call_list(config: &Config, number: &E164) -> Result<bool, Failure> {
    let mut listed = false;
    for (i, campaign) in config.campaigns.iter().enumerate() {
        let Some(file) = &campaign.rules.do_not_call else { continue };
        let list = lists::do_not_call(file, campaign.rules.default_region).map_err(|text| {
            let line = config.line(&format!("campaign.{i}.do_not_call"));
            Failure::faults(&config.path, vec![Fault { line, text }])
        })?;
        list.faults.iter().for_each(|fault| eprintln!("{fault}"));
        listed |= list.numbers.contains(number);
    }
    if config.engine.database.file().is_none_or(std::path::Path::exists) {
        let gathered =
            runtime()?.block_on(async { Reader::open(&config.engine.database).await?.suppressions().await });
        let gathered = gathered.map_err(|error| Failure::Failed(error.to_string()))?;
        listed |= gathered.iter().any(|suppression| suppression.number == *number);
    }
    Ok(listed)
}

/// Whether the campaign's window lets the number be rung at this moment: the engine would wait for it to open.
fn check_window(rules: &campaign::Options, number: &E164) -> Result<(), Failure> {
    let contact = Contact {
        id: ContactId(0),
        number: number.clone(),
        name: String::new(),
        comment: String::new(),
        attributes: Default::default(),
        outcomes: Default::default(),
        next_attempt_at: WallTime::from_unix_ms(0),
        history: Vec::new(),
    };
    let why = match Gate::new(rules).may_dial(&contact, Clock::start().now(), &Ledger::new()) {
        Decision::Allow { .. } => return Ok(()),
        Decision::Skip { until, .. } => Reason::WindowClosed { opens_at: Some(until) }.to_string(),
        Decision::Never { reason: Refusal::NoZone } => {
            "it is not known in which time zone the number rings, so no calling window can be kept".to_owned()
        }
        Decision::Never { .. } => Reason::WindowClosed { opens_at: None }.to_string(),
    };
    let remedy = "--outside-hours lifts it when you call yourself";
    Err(Failure::Failed(format!("not dialed: {why}; {remedy}")))
}

/// A folder that goes when the call is over.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        let name = format!("outdial-call-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Numbers go into it, so nobody else may look; and it must be ours, so it must be new.
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            Failure::Failed(format!("cannot make {}: {error}; remove it if it is there", folder.display()))
        })?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The live display.
struct Display {
    json: bool,
    verbose: bool,
    meter: ProgressBar,
    end: Rc<RefCell<End>>,
    stop: Rc<Cell<bool>>,
}

impl Display {
    fn new(args: &CallArgs, end: Rc<RefCell<End>>, stop: Rc<Cell<bool>>) -> Self {
        let meter = if args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        let style = ProgressStyle::with_template("  {msg}").expect("a fixed template");
        meter.set_style(style);
        Display { json: args.json, verbose: args.verbose, meter, end, stop }
    }

    fn onlooker(self) -> Onlooker {
        Box::new(move |seen| match seen {
            Seen::Sip { sent, peer, bytes, at } => {
                let text = String::from_utf8_lossy(bytes);
                let shown = if self.verbose { text.as_ref() } else { text.lines().next().unwrap_or("") };
                let arrow = if sent { "-->" } else { "<--" };
                self.line(at.instant.since_start(), "sip", &format!("{arrow} {peer}  {shown}"));
            }
            Seen::Journal(entry) => self.journal(entry),
            Seen::Media(event) => match &event.kind {
                EventKind::Level(dbfs) => self.meter.set_message(meter(*dbfs)),
                EventKind::Finding { finding, .. } => {
                    if let Some(text) = forming(finding) {
                        self.line(event.at.since_start(), "amd", &text);
                    }
                }
                _ => {}
            },
        })
    }

    fn journal(&self, entry: &crate::engine::journal::Entry) {
        let at = entry.at.instant.since_start();
        match &entry.event {
            Event::Attempt { step, .. } => {
                let mut end = self.end.borrow_mut();
                end.dialed = true;
                match step {
                    Step::Answered => end.answered = true,
                    Step::Ended { disposition, .. } => end.disposition = Some(*disposition),
                    _ => {}
                }
                drop(end);
                self.line(at, "call", &step.to_string());
            }
            Event::Skipped { reason, .. } | Event::NotDialed { reason, .. } => {
                self.end.borrow_mut().refused = Some(reason.clone());
                self.stop.set(true);
            }
            Event::Trunk { .. } | Event::CallerId { .. } | Event::Store { .. } | Event::Former { .. } => {
                self.line(at, "note", &entry.event.to_string())
            }
            Event::Agent { .. } => self.line(at, "note", &entry.event.to_string()),
            Event::Campaign { .. } | Event::Guard { .. } => {}
        }
    }

    fn line(&self, at: Duration, kind: &str, text: &str) {
        if self.json {
            let line = serde_json::json!({ "at_ms": at.as_millis() as u64, "kind": kind, "text": text });
            output::line(line);
        } else {
            self.meter.suspend(|| output::line(format_args!("{:8.3}  {kind:4}  {text}", at.as_secs_f64())));
        }
    }
}

/// What the detector has noticed on its way to a verdict.
fn forming(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::SpeechStart { at } => format!("speech from {} ms", at.as_millis()),
        Finding::GreetingEnd { at } => format!("speech until {} ms", at.as_millis()),
        Finding::BeepProbable { start, .. } => format!("a beep, it seems, from {} ms", start.as_millis()),
        Finding::Prompt { heard, .. } => {
            format!("{} prompt {}, {} ms into it", heard.kind.as_str(), heard.name, heard.into_ms)
        }
        Finding::Beep(beep) => format!("beep until {} ms", beep.end.as_millis()),
        Finding::Tone(tone) => format!("tone {}", tone.kind),
        Finding::Verdict(_) | Finding::Revised(_) => return None,
    })
}

fn meter(dbfs: f32) -> String {
    let share = ((dbfs - METER_FLOOR_DBFS) / -METER_FLOOR_DBFS).clamp(0.0, 1.0);
    let filled = (share * METER_WIDTH as f32).round() as usize;
    format!("[{}{}] {dbfs:6.1} dBFS", "#".repeat(filled), " ".repeat(METER_WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_a_dead_trunk_from_a_call_that_was_carried() {
        let status = |disposition, answered| match verdict(disposition, answered) {
            Ok(()) => 0,
            Err(Failure::Ended { status, .. }) => status,
            Err(_) => 1,
        };
        for (disposition, answered, expected) in [
            (Disposition::MessagePlayed, true, 0),
            (Disposition::Machine, true, 0),
            (Disposition::Congestion, false, 4),
            (Disposition::TrunkRejected, false, 4),
            (Disposition::Busy, false, 0),
            (Disposition::NoAnswer, false, 0),
            (Disposition::InvalidNumber, false, 0),
            (Disposition::Canceled, false, 1),
        ] {
            assert_eq!(status(disposition, answered), expected, "{disposition}");
        }
    }

    #[test]
    fn the_meter_goes_from_its_floor_to_full_scale() {
        assert_eq!(meter(-96.0).matches('#').count(), 0);
        assert_eq!(meter(-30.0).matches('#').count(), METER_WIDTH / 2);
        assert_eq!(meter(0.0).matches('#').count(), METER_WIDTH);
    }
}
