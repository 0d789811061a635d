//! A configuration made ready for a dry run: the real engine over a copy of the database, with trunks that lead nowhere.
//!
//! The copy lies in memory where the system has a file system there, is for the owner's eyes only, and goes with the rehearsal.

use crate::agent::Word;
use crate::campaign::Ledger;
use crate::engine::engine::{Engine, Operator, TrunkSetup};
use crate::engine::trunk::{SrtpOption, TransportOption};
use crate::io::config::{Config, Fault};
use crate::io::launch::{self, Launch};
use crate::io::lists::import;
use crate::io::prompts::Prompts;
use crate::media::player::PromptTable;
use crate::rng::Rng;
use crate::sip::endpoint::{AccessTable, Target, Transport};
use crate::store::{Location, Reader, Store};
use crate::time::Now;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A file system in memory: a commit costs no disk there.
const IN_MEMORY: &str = "/dev/shm";

/// The trunks' addresses begin here (RFC 2544: for benchmarks; nobody is there).
const NOWHERE: [u8; 2] = [198, 18];

/// All that a dry run needs.
pub struct Rehearsal {
    /// The engine, every campaign started.
    pub engine: Engine,
    /// The copy of the database.
    pub store: Store,
    /// The prompts, for how long they play.
    pub prompts: PromptTable,
    /// What the import said.
    pub notes: Vec<String>,
    // Removed at the end.
    _folder: Folder,
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes the engine ready at `now`, on whatever clock that is. Nothing of `config` is written to.
pub async fn prepare(mut config: Config, now: Now, seed: u64) -> Result<Rehearsal, Vec<Fault>> {
    let folder = folder().map_err(|text| vec![Fault { line: 0, text }])?;
    copy_database(&mut config, &folder.0).await?;
    config.engine.recordings = folder.0.clone();
    let trunks = trunks(&mut config)?;
    let prompts = Prompts::load(&config)?;
    let mut notes = Vec::new();
    let mut store = launch::open_store(&config).await?;
    let mut ledger = Ledger::new();
    import::at_start(&config, &mut store, &mut ledger, now.wall, &mut notes).await?;
    launch::load_lists(&config, &mut store, &mut ledger, &mut notes).await?;
    launch::remember_recent(&config, &mut store, &mut ledger, now).await?;
    let fault = |error: crate::store::StoreError| launch::database_fault(&config, &error.to_string());
    let mut former = launch::former_run(&mut store, now, &mut notes).await.map_err(fault)?;
    // Their calls are another engine's to end.
    (former.dialogs, former.dialed_lately) = (Vec::new(), false);
    let campaigns = launch::campaigns(&config, &prompts, &mut store, now).await?;
    let pools = launch::pools(&config, &mut store).await?;
    let wished = Launch { until_completed: true, open_door: false, watch: false };
    let (table, rng) = (AccessTable::default(), Rng::from_seed(seed));
    // Nobody takes part in the media, and the trunks' addresses are of one family.
    let media = Vec::new();
    let mut engine = launch::make_engine(&config, &wished, now, trunks, campaigns, ledger, table, media, rng);
    engine.set_caller_id_pools(pools);
    // Whoever is on the list of agents works.
    config.agents.iter_mut().for_each(|agent| agent.initial = Word::Ready);
    engine.handle_agents(now, config.agents.clone());
    engine.handle_former_run(now, former);
    for campaign in &config.campaigns {
        let start = Operator::Start(campaign.rules.name.clone());
        engine.handle_operator(now, &start).map_err(|text| vec![Fault { line: 0, text }])?;
    }
    Ok(Rehearsal { engine, store, prompts: prompts.table, notes, _folder: folder })
}

fn folder() -> Result<Folder, String> {
    let root = if Path::new(IN_MEMORY).is_dir() { PathBuf::from(IN_MEMORY) } else { std::env::temp_dir() };
    let path = root.join(format!("outdial-dry-run-{}", std::process::id()));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.map_err(|error| format!("cannot make {} for the dry run: {error}", path.display()))?;
    Ok(Folder(path))
}

/// A database that exists is copied as it is at this moment, beside a running engine too.
async fn copy_database(config: &mut Config, folder: &Path) -> Result<(), Vec<Fault>> {
    let copy = folder.join("outdial.db");
    let database = &config.engine.database;
    if database.file().is_none_or(Path::exists) {
        let fault = |error: crate::store::StoreError| launch::database_fault(config, &error.to_string());
        Reader::open(database).await.map_err(fault)?.copy_to(&copy).await.map_err(fault)?;
    }
    let key = database.key().filter(|key| key.exists());
    let copy = Location::File(copy);
    if let (Some(key), Some(beside)) = (key, copy.key()) {
        let failed =
            |error| launch::database_fault(config, &format!("cannot copy {}: {error}", key.display()));
        std::fs::copy(&key, beside).map_err(failed)?;
    }
    config.engine.database = copy;
    Ok(())
}

/// Each trunk with its caps and its numbers' form, at an address of nobody, without what needs a network.
fn trunks(config: &mut Config) -> Result<Vec<TrunkSetup>, Vec<Fault>> {
    for (place, trunk) in config.trunks.iter_mut().enumerate() {
        trunk.host = nowhere(place).to_string();
        trunk.transport = TransportOption::Udp;
        (trunk.sips, trunk.register, trunk.outbound_proxy) = (false, false, None);
        (trunk.options_interval_s, trunk.session_expires_s) = (0, 0);
        (trunk.srtp, trunk.stir) = (SrtpOption::Never, None);
    }
    let mut setups = launch::trunk_setups(config)?;
    for (place, setup) in setups.iter_mut().enumerate() {
        setup.target = Target::new(Transport::Udp, nowhere(place));
    }
    Ok(setups)
}

fn nowhere(place: usize) -> SocketAddr {
    let [a, b] = NOWHERE;
    SocketAddr::from((Ipv4Addr::new(a, b, (place / 250) as u8, (place % 250 + 1) as u8), 5_060))
}
