//! `outdial check`: everything that can be validated without dialing anyone.

use crate::cli::output;
use crate::cli::run::runtime;
use crate::cli::{ConfigArg, Failure};
use crate::engine::engine::TrunkSetup;
use crate::engine::trunk;
use crate::io::config::{Config, Fault};
use crate::io::enrolled;
use crate::io::prompts::Prompts;
use crate::io::resolver::Located;
use crate::io::{access, launch, lists, probe, trunks};
use crate::sip::endpoint::PingOutcome;
use crate::sip::locate::Hop;
use crate::store::Store;
use clap::Args;
use serde::Serialize;

/// Ports of the media range that are tried.
const PORTS_TRIED: u16 = 4;

/// Addresses of one trunk that are asked.
const HOPS_ASKED: usize = 8;

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
    /// It works all the same.
    warning: bool,
}

impl Report {
    fn good(&mut self, text: String) {
        self.findings.push(Finding { ok: true, line: 0, text, warning: false });
    }

    fn bad(&mut self, line: usize, text: String) {
        self.findings.push(Finding { ok: false, line, text, warning: false });
    }

    fn warn(&mut self, text: String) {
        self.findings.push(Finding { ok: true, line: 0, text, warning: true });
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
        let mark = match (finding.ok, finding.warning) {
            (false, _) => "FAULT ",
            (true, true) => "WARN  ",
            (true, false) => "ok    ",
        };
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
        for list in rules.lists() {
            match lists::count_contacts(&list.file, region) {
                Err(text) => report.bad(config.line(&format!("campaign.{i}.contacts")), text),
                Ok((good, faults)) => {
                    let shown = list.file.display();
                    report.good(format!("{shown}: {good} contacts, {} rows skipped", faults.skipped));
                    for line in faults.lines {
                        report.good(format!("  {line}"));
                    }
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
            report.good(format!("{} can be written", config.engine.database));
        }
        Err(error) => report.bad(config.line("engine.database"), error.to_string()),
    }
    check_media_ports(config, report);
    let mut trunks = match launch::trunk_setups(config) {
        Ok(trunks) => trunks,
        Err(faults) => return report.all(faults),
    };
    if let Err(faults) = trunks::check_media(&config.media, config, &trunks) {
        report.all(faults);
    }
    if let Err(faults) = launch::signers(config) {
        return report.all(faults);
    }
    let located = if offline { Vec::new() } else { launch::locate_trunks(config, &mut trunks).await };
    trunks::secured_unheard(config, &trunks, &located).into_iter().for_each(|text| report.warn(text));
    trunks::unverifiable(config, &trunks, &located).into_iter().for_each(|text| report.warn(text));
    let prepared = match access::prepare(config, &mut trunks, &located) {
        Ok(prepared) => prepared,
        Err(faults) => return report.all(faults),
    };
    for address in config.sip.listen.iter() {
        report.good(format!("{address} is free, UDP and TCP"));
    }
    if offline || trunks.is_empty() {
        return;
    }
    // Each address is asked by itself: a trunk with one that lives works, and the dead one is worth knowing.
    let mut asked = Vec::new();
    for (i, (trunk, located)) in trunks.iter().zip(&located).enumerate() {
        let hops = located.hops.iter().take(HOPS_ASKED);
        asked.extend(hops.map(|hop| (i, hop, at_hop(trunk, hop))));
    }
    let setups: Vec<TrunkSetup> = asked.iter().map(|(_, _, setup)| setup.clone()).collect();
    match probe::options(&setups, prepared).await {
        Err(error) => report.bad(0, format!("the trunks cannot be asked: {error}")),
        Ok(outcomes) => {
            for (i, (trunk, located)) in trunks.iter().zip(&located).enumerate() {
                let of_trunk = asked.iter().zip(&outcomes).filter(|((place, _, _), _)| *place == i);
                let of_trunk: Vec<_> = of_trunk.map(|((_, hop, _), outcome)| (*hop, outcome)).collect();
                let line = config.line(&format!("trunk.{i}.host"));
                report_trunk(
                    &trunk.options,
                    line,
                    located,
                    &of_trunk,
                    trunks::lacking_family(config),
                    report,
                );
            }
        }
    }
}

/// The trunk as if this were its only address.
fn at_hop(trunk: &TrunkSetup, hop: &Hop) -> TrunkSetup {
    let mut setup = trunk.clone();
    (setup.target.transport, setup.target.address) = (hop.transport, hop.address);
    setup
}

/// Where a trunk is, why in that order, and what each of its addresses says to OPTIONS.
fn report_trunk(
    options: &trunk::Options,
    line: usize,
    located: &Located,
    asked: &[(&Hop, &Option<PingOutcome>)],
    hint: &str,
    report: &mut Report,
) {
    let name = &options.name;
    if let Some(trouble) = &located.trouble {
        report.bad(line, format!("trunk {name}: {trouble}"));
    }
    if located.hops.is_empty() {
        let lack = located.lack.map(|lack| format!(": {lack}{hint}")).unwrap_or_default();
        let text = format!("cannot resolve {:?}: no address is known of trunk {name}{lack}", options.host);
        return report.bad(line, text);
    }
    for (place, hop) in located.hops.iter().enumerate() {
        let (transport, address) = (hop.transport.as_str(), hop.address);
        report.good(format!("trunk {name} address {}: {address} over {transport} ({})", place + 1, hop.why));
    }
    let lives = asked.iter().any(|(_, outcome)| matches!(outcome, Some(PingOutcome::Answered { .. })));
    for (hop, outcome) in asked {
        let address = hop.address;
        match outcome {
            Some(PingOutcome::Answered { status, round_trip, .. }) => {
                let ms = round_trip.as_millis();
                report.good(format!(
                    "trunk {name} answers OPTIONS with {status} in {ms} ms at {address}{}",
                    reading(*status)
                ));
            }
            Some(PingOutcome::NoAnswer) | None if lives => report.bad(
                line,
                format!("trunk {name} does not answer OPTIONS at {address}; calls go to its other addresses"),
            ),
            Some(PingOutcome::NoAnswer) | None => report.bad(
                line,
                format!(
                    "trunk {name} does not answer OPTIONS at {address}: is it up, and does a firewall let us through?"
                ),
            ),
        }
    }
}

/// What an answer to OPTIONS says beside that somebody is there.
fn reading(status: u16) -> &'static str {
    match status {
        200..=299 => "",
        300..=399 => ": it is alive, but sends us elsewhere, where we do not go",
        401 | 407 => {
            ": it is alive, but wants credentials even for that; whether yours are taken, a call shows"
        }
        403 => ": it is alive, but refuses us: does it know our address?",
        404 => ": it is alive, but knows no such name: is `host` (or `domain`) the one it expects?",
        405 | 501 => ": it is alive, but does not know OPTIONS",
        480 | 503 => ": it is alive, but takes no calls at present",
        400..=499 => ": it is alive, but does not like the request",
        _ => ": it is alive, but in trouble",
    }
}

fn check_media_ports(config: &Config, report: &mut Report) {
    let media = &config.media;
    for listen in media.listen.iter() {
        let tried = (media.port_min..=media.port_max).take(usize::from(PORTS_TRIED));
        let taken = tried.filter(|port| std::net::UdpSocket::bind((*listen, *port)).is_err()).count();
        if taken == usize::from(PORTS_TRIED) {
            let text = format!(
                "no RTP port can be bound at {listen} from {} on: is it an address of this machine?",
                media.port_min
            );
            report.bad(config.line("media.listen"), text);
        } else {
            report.good(format!("RTP ports can be bound at {listen}"));
        }
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
