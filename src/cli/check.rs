//! `outdial check`: everything that can be validated without dialing anyone.

use crate::cli::output;
use crate::cli::run::runtime;
use crate::cli::{ConfigArg, Failure};
use crate::io::config::{Config, Fault};
use crate::io::enrolled;
use crate::io::prompts::Prompts;
use crate::io::{launch, lists, probe};
use crate::sip::endpoint::PingOutcome;
use crate::store::Store;
use clap::Args;
use serde::Serialize;

/// Ports of the media range that are tried.
const PORTS_TRIED: u16 = 4;

/// Arguments of `outdial check`.
#[derive(Args, Debug)]
#[command(
    after_help = "Reads the configuration and every file that it names, binds the ports, opens the database, and asks each \
                  trunk with OPTIONS. No INVITE is sent.\nExit status: 0 all well, 1 something is wrong, 3 the \
                  configuration is faulty."
)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object for programs
    #[arg(long)]
    json: bool,
    /// Do not ask the trunks
    #[arg(long)]
    offline: bool,
}

/// What the check found.
#[derive(Serialize, Debug, Default)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Serialize, Debug)]
struct Finding {
    ok: bool,
    /// In the configuration file; 0 when it is none of its lines.
    line: usize,
    text: String,
}

impl Report {
    fn good(&mut self, text: String) {
        self.findings.push(Finding { ok: true, line: 0, text });
    }

    fn bad(&mut self, line: usize, text: String) {
        self.findings.push(Finding { ok: false, line, text });
    }

    fn all(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            self.bad(fault.line, fault.text);
        }
    }
}

/// Checks.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let path = &args.config.config;
    let mut report = Report::default();
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) if args.json => {
            report.all(faults);
            output::line(serde_json::to_string(&report).expect("a report is plain data"));
            return Err(Failure::faults(path, Vec::new()));
        }
        Err(faults) => return Err(Failure::faults(path, faults)),
    };
    report.good(format!(
        "{}: {} trunks, {} campaigns",
        path.display(),
        config.trunks.len(),
        config.campaigns.len()
    ));
    check_files(&config, &mut report);
    runtime()?.block_on(check_outside(&config, args.offline, &mut report));
    report.ok = report.findings.iter().all(|finding| finding.ok);
    if args.json {
        output::line(serde_json::to_string(&report).expect("a report is plain data"));
    } else {
        print_report(&args.config, &report);
    }
    if report.ok { Ok(()) } else { Err(Failure::Said) }
}

fn print_report(arg: &ConfigArg, report: &Report) {
    for finding in &report.findings {
        let mark = if finding.ok { "ok    " } else { "FAULT " };
        match finding.line {
            0 => output::line(format_args!("{mark}{}", finding.text)),
            line => output::line(format_args!("{mark}{}:{line}: {}", arg.config.display(), finding.text)),
        }
    }
}

fn check_files(config: &Config, report: &mut Report) {
    match Prompts::load(config) {
        Ok(_) => report.good("all prompts can be played".to_owned()),
        Err(faults) => report.all(faults),
    }
    match enrolled::load_for(config) {
        Ok(prompts) if prompts.is_empty() => {}
        Ok(prompts) => report.good(format!("{} enrolled prompts can be recognised", prompts.len())),
        Err(faults) => report.all(faults),
    }
    for (i, campaign) in config.campaigns.iter().enumerate() {
        let (rules, region) = (&campaign.rules, campaign.rules.default_region);
        match lists::contacts(&rules.contacts, region) {
            Err(text) => report.bad(config.line(&format!("campaign.{i}.contacts")), text),
            Ok(mut rows) => {
                let faults = rows.faults();
                let good = rows.by_ref().count();
                let faults = faults.take();
                let shown = rules.contacts.display();
                report.good(format!("{shown}: {good} contacts, {} rows skipped", faults.skipped));
                for line in faults.lines {
                    report.good(format!("  {line}"));
                }
            }
        }
        if let Some(file) = &rules.do_not_call {
            match lists::do_not_call(file, region) {
                Err(text) => report.bad(config.line(&format!("campaign.{i}.do_not_call")), text),
                Ok(list) => {
                    report.good(format!("{}: {} numbers", file.display(), list.numbers.len()));
                    for line in list.faults {
                        report.good(format!("  {line}"));
                    }
                }
            }
        }
    }
}

async fn check_outside(config: &Config, offline: bool, report: &mut Report) {
    match Store::open(&config.engine.database).await {
        Ok(store) => {
            let _ = store.close().await;
            report.good(format!("{} can be written", config.engine.database.display()));
        }
        Err(error) => report.bad(config.line("engine.database"), error.to_string()),
    }
    check_media_ports(config, report);
    let sockets = match launch::bind_sip(config) {
        Ok(sockets) => sockets,
        Err(faults) => return report.all(faults),
    };
    report.good(format!("{} is free, UDP and TCP", config.sip.listen));
    let trunks = match launch::resolve_trunks(config) {
        Ok(trunks) => trunks,
        Err(faults) => return report.all(faults),
    };
    if let Err(faults) = launch::signers(config) {
        return report.all(faults);
    }
    if offline || trunks.is_empty() {
        return;
    }
    let towards = trunks.first().map(|trunk| trunk.target.address);
    let advertised = match launch::advertised_sip(config, &sockets.0, towards) {
        Ok(address) => address,
        Err(faults) => return report.all(faults),
    };
    match probe::options(&trunks, &sockets.0, advertised).await {
        Err(error) => report.bad(0, format!("the trunks cannot be asked: {error}")),
        Ok(outcomes) => {
            for (i, (trunk, outcome)) in trunks.iter().zip(outcomes).enumerate() {
                let name = &trunk.options.name;
                match outcome {
                    Some(PingOutcome::Answered { status, round_trip, .. }) => report.good(format!(
                        "trunk {name} answers OPTIONS with {status} in {} ms",
                        round_trip.as_millis()
                    )),
                    Some(PingOutcome::NoAnswer) | None => report.bad(
                        config.line(&format!("trunk.{i}.host")),
                        format!(
                            "trunk {name} does not answer OPTIONS at {}: is it up, and does a firewall let us through?",
                            trunk.target.address
                        ),
                    ),
                }
            }
        }
    }
}

fn check_media_ports(config: &Config, report: &mut Report) {
    let media = &config.media;
    let tried = (media.port_min..=media.port_max).take(usize::from(PORTS_TRIED));
    let taken: Vec<u16> =
        tried.filter(|port| std::net::UdpSocket::bind((media.listen, *port)).is_err()).collect();
    if taken.len() == usize::from(PORTS_TRIED) {
        let text = format!(
            "no RTP port can be bound at {} from {} on: is it an address of this machine?",
            media.listen, media.port_min
        );
        report.bad(config.line("media.listen"), text);
    } else {
        report.good(format!("RTP ports can be bound at {}", media.listen));
    }
    let wanted = 4 * config.engine.lines_max;
    let range = u32::from(media.port_max - media.port_min) + 1;
    if range < wanted {
        let text = format!(
            "{range} RTP ports are too few for lines_max = {}: each line may take {} (two legs, RTP and RTCP)",
            config.engine.lines_max, 4
        );
        report.bad(config.line("media.port_min"), text);
    }
}
