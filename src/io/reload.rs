//! What SIGHUP takes over of a changed configuration, and what only a restart brings.

use crate::campaign;
use crate::engine::engine::{Engine, TrunkSetup};
use crate::engine::trunk;
use crate::io::config::{self, Config, Fault};
use crate::io::control::{Reload, Reloaded};
use crate::io::prompts::Prompts;
use crate::io::tls::Tls;
use crate::io::{address, enrolled, launch, lists, trunks};
use crate::store::Orders;
use std::net::IpAddr;
use std::sync::Arc;

/// What SIGHUP does: reads the configuration anew and takes over what can be changed under running calls. Every file is read
/// before anything is taken over, so that a fault leaves all as it was.
pub fn of(running: Config, mut loaded: Prompts, tls: Tls, orders: Orders) -> Reload {
    Box::new(move |engine, media, now| {
        let file = running.path.display();
        let named = |fault: &Fault| match fault.line {
            0 => fault.text.clone(),
            line => format!("{file}:{line}: {}", fault.text),
        };
        let list = |faults: Vec<Fault>| faults.iter().map(named).collect::<Vec<_>>().join("; ");
        let mut config = Config::load(&running.path).map_err(list)?;
        let (setups, kept_back) = trunks_to_take(&running, &config, engine).map_err(list)?;
        check_agent_trunks(&config, &setups).map_err(list)?;
        trunks::check_media(&running.media, &config, &setups).map_err(list)?;
        let prompts = loaded.reload(&config).map_err(list)?;
        let enrolled = enrolled::load_for(&config).map_err(list)?;
        // Calls go on over the connections that they have; those made from now on are secured anew.
        tls.reload().map_err(|fault| format!("{}: {}", fault.setting, fault.text))?;
        // These are taken over; what else [amd] says is compared.
        config.amd.prompts = Arc::clone(&running.amd.prompts);
        config.amd.prompts_dir.clone_from(&running.amd.prompts_dir);
        let mut numbers = Vec::new();
        let mut warnings = not_taken_over(&running, &config);
        warnings.extend(kept_back);
        for (i, section) in config.campaigns.iter().enumerate() {
            if let Some(file) = &section.rules.do_not_call {
                let fault = |text| {
                    let line = config.line(&format!("campaign.{i}.do_not_call"));
                    list(vec![Fault { line, text }])
                };
                let read = lists::do_not_call(file, section.rules.default_region).map_err(fault)?;
                numbers.extend(read.numbers);
                warnings.extend(read.faults);
            }
        }
        let (published, read) = config::law::read_lists(&config).map_err(list)?;
        warnings.extend(read);
        let suppressed = engine.handle_suppressed(now, &numbers, "file");
        engine.handle_lists(now, published);
        engine.handle_caller_id_pools(config.caller_id_pools.clone());
        // The routes to those that are known may be others by now, too; the DNS will tell of the rest.
        let named = setups.iter().map(|setup| setup.target.address.ip());
        let further = setups.iter().flat_map(|setup| setup.options.peers());
        let peers: Vec<IpAddr> = engine.peers().chain(named).chain(further).collect();
        engine.handle_towards(&address::towards(peers, address::local_towards));
        let renewed = engine.handle_trunks(now, setups);
        let mut rules = 0;
        let agents = config.agents;
        for section in config.campaigns {
            let agent_trunk = section.treatment.human.agent_trunk.clone();
            orders.set(&section.rules.name, lists::order::of(&section.rules));
            let treatment = section.treatment.resolve(|path| prompts.place(path));
            rules += usize::from(engine.handle_rules(now, section.rules, treatment, agent_trunk.as_deref()));
        }
        // After the rules, which say whom campaigns may have.
        engine.handle_agents(now, agents);
        media.send(crate::media::command::Command::LoadPrompts(Arc::new(prompts.table.clone())));
        let recognised = enrolled.len();
        media.send(crate::media::command::Command::Enrol(enrolled));
        loaded = prompts;
        let counted =
            |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
        let (rules, suppressed) = (counted(rules, "campaign"), counted(suppressed, "new do-not-call number"));
        let mut done = format!("the rules and treatments of {rules}, agents, prompts, {suppressed}");
        for (count, what) in
            [(renewed.added, "added"), (renewed.changed, "changed"), (renewed.retired, "taken out")]
        {
            if count > 0 {
                done += &format!(", {} {what}", counted(count, "trunk"));
            }
        }
        if recognised > 0 {
            done += &format!(", {} to recognise", counted(recognised, "prompt"));
        }
        Ok(Reloaded { done, warnings })
    })
}

/// The trunks as the file has them, and what must be told of them. One that is new and needs what only a restart brings (a way
/// of its own: TLS, a listener) is kept back; of one that runs such a change is told.
fn trunks_to_take(
    running: &Config,
    config: &Config,
    engine: &Engine,
) -> Result<(Vec<TrunkSetup>, Vec<String>), Vec<Fault>> {
    let (mut taken, mut kept_back) = (Vec::new(), Vec::new());
    for setup in launch::trunk_setups(config)? {
        let name = &setup.options.name;
        let needs_restart = |before: &trunk::Options| {
            let way = |options: &trunk::Options| {
                (options.transport, options.outbound_proxy.clone(), options.from, options.is_secured())
            };
            way(before) != way(&setup.options) && (before.needs_restart() || setup.options.needs_restart())
        };
        if running.trunks.iter().any(|before| before.name == *name && needs_restart(before)) {
            kept_back.push(format!(
                "trunk {name}: from, outbound_proxy and transport = \"tls\" are set up at the start only: restart, or its calls fail"
            ));
        }
        if !engine.has_trunk(name) && setup.options.needs_restart() {
            kept_back.push(format!("trunk {name} is new, and over TLS trunks are added at the start only"));
        } else {
            taken.push(setup);
        }
    }
    Ok((taken, kept_back))
}

/// An agent whose trunk does not run could not be rung, and everybody who answers would be left without one.
fn check_agent_trunks(config: &Config, setups: &[TrunkSetup]) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for (i, section) in config.campaigns.iter().enumerate() {
        if let Some(name) = &section.treatment.human.agent_trunk
            && !setups.iter().any(|setup| setup.options.name == *name)
        {
            let line = config.line(&format!("campaign.{i}.human.agent_trunk"));
            let text = format!("agent_trunk {name:?} does not run yet and is added at the start only");
            faults.push(Fault { line, text });
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What the file says otherwise than what runs, and only a restart brings.
fn not_taken_over(running: &Config, file: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let sections = [
        ("[engine]", running.engine != file.engine),
        ("[sip]", running.sip != file.sip),
        ("[media]", running.media != file.media),
        ("[amd]", running.amd != file.amd),
        ("[trace]", running.trace != file.trace),
    ];
    for (section, _) in sections.iter().filter(|(_, changed)| *changed) {
        notes.push(format!("{section} has changed and is read at the start only"));
    }
    for rules in file.campaigns.iter().map(|section| &section.rules) {
        let name = &rules.name;
        match rules_of(running, name) {
            None => notes.push(format!("campaign {name} is new: campaigns are added at the start only")),
            Some(before) => {
                if before.lists() != rules.lists() {
                    notes
                        .push(format!("campaign {name}: contacts has changed and is read at the start only"));
                }
            }
        }
    }
    for rules in running.campaigns.iter().map(|section| &section.rules) {
        if rules_of(file, &rules.name).is_none() {
            let name = &rules.name;
            notes.push(format!(
                "campaign {name} is not in the file any more and goes on until the next start"
            ));
        }
    }
    notes
}

fn rules_of<'c>(config: &'c Config, name: &str) -> Option<&'c campaign::Options> {
    config.campaigns.iter().map(|section| &section.rules).find(|rules| rules.name == name)
}
