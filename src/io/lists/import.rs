//! From files into the store. A file that has not changed since it was imported is not read again: a list of a million
//! contacts must not hold up a restart.

use super::pipeline::{Chunk, Pipeline};
use super::rejects::Rejects;
use super::{ListFile, Skipped, file, identity, numbers, order};
use crate::campaign::Ledger;
use crate::campaign::list::Options;
use crate::io::config::{Config, Fault};
use crate::number::Region;
use crate::record::NewContact;
use crate::store::{Identity, ImportCounts, KnownList, ListId, ListKind, ROWS_MAX, Store, StoreError};
use crate::time::WallTime;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows of one transaction beside an engine.
const ROWS_BESIDE: usize = 2_000;

/// Between two of them.
const PAUSE_BESIDE: Duration = Duration::from_millis(10);

/// How far an import has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes of the file that have been read.
    pub read: u64,
    /// All of them.
    pub size: u64,
    /// Rows that have been read.
    pub rows: u64,
}

/// What is to be imported, and how.
pub struct Import<'a> {
    /// Into which campaign.
    pub campaign: &'a str,
    /// For numbers without a `+`.
    pub region: Option<Region>,
    /// Refused rows are kept there.
    pub rejects: Option<PathBuf>,
    /// An engine holds the database: it is to wait for each transaction only for a moment, and to come in between.
    pub beside: bool,
    /// Read the file even if it has not changed.
    pub anew: bool,
    /// When.
    pub now: WallTime,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// The file is as it was when it was imported last: nothing was read.
    pub unchanged: bool,
    /// Rows that were read.
    pub rows: u64,
    /// What the store did with the good ones.
    pub counts: ImportCounts,
    /// The others.
    pub skipped: Skipped,
    /// Where those are kept.
    pub rejects: Option<PathBuf>,
}

/// Why an import failed.
#[derive(Debug)]
pub enum ImportError {
    /// The list cannot be read, or its refused rows not be written.
    File(String),
    /// The store failed.
    Store(StoreError),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::File(text) => f.write_str(text),
            ImportError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        ImportError::Store(error)
    }
}

impl From<String> for ImportError {
    fn from(text: String) -> Self {
        ImportError::File(text)
    }
}

/// The name by which the store knows a file: where it really is, so that two ways to it are one list.
pub(super) fn source_of(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Imports a contact list.
pub async fn contacts(
    store: &mut Store,
    path: &Path,
    import: &Import<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<Imported, ImportError> {
    let source = source_of(path);
    let (identity, known) =
        look(store, ListKind::Contacts, import.campaign, &source, path, import.region).await?;
    if let Some(known) = known.filter(|_| !import.anew) {
        let skipped = Skipped { skipped: known.rows.1, ..Skipped::default() };
        return Ok(Imported { unchanged: true, rows: known.rows.0, skipped, ..Imported::default() });
    }
    let mut rejects = import.rejects.as_deref().map(Rejects::new).transpose()?;
    let list = store.begin_list(ListKind::Contacts, import.campaign, &source).await?;
    let file = ListFile::open(path)?;
    let (size, position) = (file.size, std::sync::Arc::clone(&file.position));
    let mut pipeline = Pipeline::start(file, Options { default_region: import.region });
    let shown = path.display().to_string();
    let mut done = Imported::default();
    let mut waiting = Vec::with_capacity(ROWS_MAX);
    while let Some(chunk) = pipeline.next_chunk() {
        sort_out(chunk, &shown, &mut done, &mut waiting, &mut rejects)?;
        let rows = if import.beside { ROWS_BESIDE } else { ROWS_MAX };
        while waiting.len() >= rows {
            put(store, import.campaign, list, rows, &mut waiting, &mut done).await?;
            if import.beside {
                tokio::time::sleep(PAUSE_BESIDE).await;
            }
        }
        progress(Progress { read: position.load(Ordering::Relaxed), size, rows: done.rows });
    }
    // Also when it is empty: the campaign becomes known.
    let rest = waiting.len();
    put(store, import.campaign, list, rest, &mut waiting, &mut done).await?;
    store.finish_list(list, &identity, (done.rows, done.skipped.skipped), import.now).await?;
    done.rejects = rejects.map(Rejects::finish).transpose()?.flatten();
    Ok(done)
}

/// Good rows wait for the store, others are noted and kept.
fn sort_out(
    chunk: Chunk,
    shown: &str,
    done: &mut Imported,
    waiting: &mut Vec<NewContact>,
    rejects: &mut Option<Rejects>,
) -> Result<(), String> {
    for row in chunk.rows {
        done.rows += 1;
        match row {
            Ok(contact) => waiting.push(contact),
            Err(refused) => {
                done.skipped.note(shown, &refused.fault);
                if let Some(rejects) = rejects {
                    rejects.keep(chunk.sheet.as_deref(), &refused)?;
                }
            }
        }
    }
    Ok(())
}

async fn put(
    store: &mut Store,
    campaign: &str,
    list: ListId,
    count: usize,
    waiting: &mut Vec<NewContact>,
    done: &mut Imported,
) -> Result<(), StoreError> {
    let rest = waiting.split_off(count);
    let rows = std::mem::replace(waiting, rest);
    done.counts += store.import_rows(campaign, list, rows).await?;
    Ok(())
}

/// What the file looks like, and what is known of it if it is the same as then. A file that was only touched is told by its
/// digest, which costs a hundredth of an import.
async fn look(
    store: &mut Store,
    kind: ListKind,
    campaign: &str,
    source: &str,
    path: &Path,
    region: Option<Region>,
) -> Result<(Identity, Option<KnownList>), ImportError> {
    let mut identity = identity(path, region)?;
    let known = store.known_list(kind, campaign, source).await?.filter(|known| known.imported_at.is_some());
    if let Some(known) = &known
        && known.identity == (Identity { digest: known.identity.digest.clone(), ..identity.clone() })
    {
        identity.digest.clone_from(&known.identity.digest);
        return Ok((identity, Some(known.clone())));
    }
    identity.digest = file::digest(path)?;
    let same = known.filter(|known| {
        (&known.identity.digest, &known.identity.region) == (&identity.digest, &identity.region)
    });
    if let Some(known) = &same {
        store.finish_list(known.id, &identity, known.rows, known.imported_at.unwrap_or_default()).await?;
    }
    Ok((identity, same))
}

/// Adds a do-not-call list's numbers to the store's; gives the line that says so.
async fn suppressed(
    store: &mut Store,
    path: &Path,
    region: Option<Region>,
    now: WallTime,
) -> Result<Vec<String>, ImportError> {
    let source = source_of(path);
    let (identity, known) = look(store, ListKind::DoNotCall, "", &source, path, region).await?;
    if let Some(known) = known {
        return Ok(vec![format!(
            "do-not-call list {}: unchanged, {} numbers",
            path.display(),
            known.rows.0 - known.rows.1
        )]);
    }
    let list = store.begin_list(ListKind::DoNotCall, "", &source).await?;
    let mut skipped = Skipped::default();
    let mut counted = 0;
    let numbers = numbers(path, region, &mut skipped)?.inspect(|_| counted += 1);
    let new = store.suppress_many(numbers, "file", now).await?;
    store.finish_list(list, &identity, (counted + skipped.skipped, skipped.skipped), now).await?;
    let mut notes = vec![format!("do-not-call list {}: {counted} numbers, {new} new", path.display())];
    notes.append(&mut skipped.lines);
    Ok(notes)
}

/// All lists of a configuration at the start of an engine; then the do-not-call set is filled.
pub async fn at_start(
    config: &Config,
    store: &mut Store,
    ledger: &mut Ledger,
    now: WallTime,
    notes: &mut Vec<String>,
) -> Result<(), Vec<Fault>> {
    let fault = |key: String| {
        move |error: ImportError| match error {
            ImportError::File(text) => vec![Fault { line: config.line(&key), text }],
            ImportError::Store(error) => {
                vec![Fault { line: config.line("engine.database"), text: error.to_string() }]
            }
        }
    };
    for (i, campaign) in config.campaigns.iter().enumerate() {
        if let Some(file) = &campaign.rules.do_not_call {
            let done = suppressed(store, file, campaign.rules.default_region, now).await;
            notes.extend(done.map_err(fault(format!("campaign.{i}.do_not_call")))?);
        }
    }
    for (i, campaign) in config.campaigns.iter().enumerate() {
        let rules = &campaign.rules;
        let (campaign, region) = (rules.name.as_str(), rules.default_region);
        let import = Import { campaign, region, rejects: None, beside: false, anew: false, now };
        for list in rules.lists() {
            let done = contacts(store, &list.file, &import, |_| ()).await;
            let key = if list.file == rules.contacts { "contacts" } else { "list" };
            let done = done.map_err(fault(format!("campaign.{i}.{key}")))?;
            notes.push(describe(campaign, &list.file, &done));
            notes.extend(done.skipped.lines);
        }
        store.orders().set(campaign, order::of(rules));
    }
    let mut full = false;
    let each = |number| full |= ledger.suppress(&number).is_err();
    let read = store.each_suppressed(each).await;
    read.map_err(ImportError::Store).map_err(fault("engine.database".to_owned()))?;
    if full {
        let text = "the do-not-call list is larger than the engine can hold".to_owned();
        return Err(vec![Fault { line: 0, text }]);
    }
    Ok(())
}

/// One line for people.
pub fn describe(campaign: &str, file: &Path, done: &Imported) -> String {
    let file = file.display();
    if done.unchanged {
        return format!("campaign {campaign}: {file} is unchanged, {} rows", done.rows);
    }
    let Imported { counts, skipped, .. } = done;
    let also = |count: u64, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    format!(
        "campaign {campaign}: {} contacts added, {} known already, {} rows skipped{}{}",
        counts.added,
        counts.already_there,
        skipped.skipped,
        also(skipped.duplicates, "of them duplicates"),
        also(counts.suppressed, "of the added on the do-not-call list"),
    )
}
