//! `outdial call`: one test call, live.
//!
//! The call goes the whole way of a campaign's: do-not-call list, calling window, trunk, detector, treatment. Only its
//! records go to a database of its own.

use crate::amd::verdict::Finding;
use crate::cli::log::{self, LogFormat};
use crate::cli::output;
use crate::cli::run::runtime;
use crate::cli::{ConfigArg, Failure};
use crate::engine::journal::Event;
use crate::io::config::{CampaignSection, Config, Fault};
use crate::io::control::{Onlooker, Seen};
use crate::io::launch::{self, Launch};
use crate::media::command::EventKind;
use crate::store::Reader;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

/// Columns of the level meter.
const METER_WIDTH: usize = 40;

/// The quietest level that the meter shows, in dBFS.
const METER_FLOOR_DBFS: f32 = -60.0;

/// Arguments of `outdial call`.
#[derive(Args, Debug)]
#[command(
    after_help = "Shows the SIP ladder, the level of what the callee says, and the verdict as it forms.\nThe do-not-call \
                  list is always kept; the calling window is, unless --outside-hours says that you are calling yourself."
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
    log::start(LogFormat::Text, "error");
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
    launched.control.stop = stop;
    for line in launched.notes.iter().filter(|line| line.contains("line")) {
        eprintln!("{line}");
    }
    launched.control.run().await?;
    launched.finish().await.map_err(Failure::Failed)?;
    let end = end.take();
    match end.refused {
        Some(reason) => Err(Failure::Failed(format!("not dialed: {reason}"))),
        None if end.dialed => Ok(()),
        None => Err(Failure::Failed("not dialed: is the number valid? see the lines above".to_owned())),
    }
}

/// What became of the call.
#[derive(Default)]
struct End {
    dialed: bool,
    refused: Option<String>,
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
    let contacts = folder.0.join("contact.csv");
    std::fs::write(&contacts, format!("number\n\"{}\"\n", args.number.replace('"', "")))?;
    rules.contacts = contacts;
    rules.autostart = true;
    rules.max_attempts = 1;
    if args.outside_hours {
        rules.window = crate::campaign::window::Window::always();
    }
    let own_list = folder.0.join("do-not-call.csv");
    std::fs::write(&own_list, do_not_call(&config, rules.do_not_call.as_ref())?)?;
    rules.do_not_call = Some(own_list);
    config.campaigns = vec![section];
    config.engine.database = folder.0.join("call.db");
    Ok(config)
}

/// The campaign's do-not-call file and what the engine's database has gathered beside it.
fn do_not_call(config: &Config, file: Option<&PathBuf>) -> Result<String, Failure> {
    let mut text = match file {
        Some(file) => std::fs::read_to_string(file)?,
        None => String::new(),
    };
    if config.engine.database.exists() {
        let gathered =
            runtime()?.block_on(async { Reader::open(&config.engine.database).await?.suppressions().await });
        for suppression in gathered.map_err(|error| Failure::Failed(error.to_string()))? {
            text += &format!("\n{}", suppression.number);
        }
    }
    Ok(text)
}

/// A folder that goes when the call is over.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        let name = format!("outdial-call-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
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
                self.end.borrow_mut().dialed = true;
                self.line(at, "call", &step.to_string());
            }
            Event::Skipped { reason, .. } | Event::NotDialed { reason, .. } => {
                self.end.borrow_mut().refused = Some(reason.clone());
                self.stop.set(true);
            }
            Event::Trunk { .. } | Event::Store { .. } => self.line(at, "note", &entry.event.to_string()),
            Event::Campaign { .. } => {}
        }
    }

    fn line(&self, at: std::time::Duration, kind: &str, text: &str) {
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
    fn the_meter_goes_from_its_floor_to_full_scale() {
        assert_eq!(meter(-96.0).matches('#').count(), 0);
        assert_eq!(meter(-30.0).matches('#').count(), METER_WIDTH / 2);
        assert_eq!(meter(0.0).matches('#').count(), METER_WIDTH);
    }
}
