//! `outdial export`: contacts, attempts and call records as CSV or JSON Lines, and labelled calls as a corpus, also while
//! the engine runs.
//!
//! Times are RFC 3339 in UTC with milliseconds. In CSV an absent value is an empty cell; in JSON Lines it is `null`,
//! and a contact's attributes are an object.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab or a line break can be run as a formula by the spreadsheet that
//! opens the CSV, and names, comments and reason phrases come from strangers: such a cell gets a leading `'`. Telephone
//! numbers stay as they are, for the next dialer to read: `+` and digits, which is checked here, is no formula.

mod labels;

use crate::io::config::database;
use crate::number::E164;
use crate::store::table::{Cell, Kind, Row, Table};
use crate::store::{Location, Reader, StoreError};
use chrono::{DateTime, SecondsFormat};
use clap::ValueEnum;
use serde::Deserialize;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;

/// The arguments of `outdial export`.
#[derive(clap::Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// What to export
    #[arg(value_enum)]
    pub table: TableName,
    /// The configuration that names the database
    #[arg(long, value_name = "FILE", group = "source")]
    pub config: Option<PathBuf>,
    /// The database itself: a file, or a server as postgres://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "FILE|URL", group = "source", value_parser = Location::parse)]
    pub database: Option<Location>,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Only this campaign's
    #[arg(long, value_name = "NAME")]
    pub campaign: Option<String>,
    /// Write to this file (for labels: into this folder), readable by its owner only, instead of the standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What can be exported.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableName {
    /// One row a contact: where it stands
    Contacts,
    /// One row an attempt, also those in flight
    Attempts,
    /// One row a call record: how the call went
    Calls,
    /// Recordings of labelled calls and their manifest, into the folder --output: a corpus of one's own
    Labels,
}

/// The forms of an export.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180)
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Why an export failed.
#[derive(Debug)]
pub enum ExportError {
    /// The configuration cannot be read.
    Config(PathBuf, String),
    /// The store cannot be read.
    Store(StoreError),
    /// No such campaign; those that there are.
    UnknownCampaign(String, Vec<String>),
    /// The output would overwrite the database.
    OutputIsDatabase(PathBuf),
    /// Labels go into a folder, and none is named.
    NoFolder,
    /// The output cannot be written.
    Output(PathBuf, io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Config(path, what) => {
                write!(f, "{}: {what}: correct it, or name the database with --database", path.display())
            }
            ExportError::Store(error) => error.fmt(f),
            ExportError::UnknownCampaign(name, known) if known.is_empty() => {
                write!(f, "there is no campaign {name:?}: the database has none yet")
            }
            ExportError::UnknownCampaign(name, known) => {
                write!(f, "there is no campaign {name:?}: there are {}", known.join(", "))
            }
            ExportError::OutputIsDatabase(path) => {
                write!(f, "{} is the database itself: name another file with --output", path.display())
            }
            ExportError::NoFolder => {
                f.write_str("labels are exported with their recordings: name a folder for them with --output")
            }
            ExportError::Output(path, error) => {
                write!(f, "cannot write {}: {error}: name another file with --output", path.display())
            }
        }
    }
}

impl std::error::Error for ExportError {}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        ExportError::Store(error)
    }
}

/// Runs `outdial export` and gives the number of rows written. An output that is closed early, as by `head`, is no
/// error.
pub async fn run(args: &Args) -> Result<u64, ExportError> {
    let database = database_of(args)?;
    let mut reader = Reader::open(&database).await?;
    if let Some(name) = &args.campaign {
        let known: Vec<String> = reader.campaigns().await?.into_iter().map(|(name, _)| name).collect();
        if !known.contains(name) {
            return Err(ExportError::UnknownCampaign(name.clone(), known));
        }
    }
    let Some(table) = args.table.table() else {
        return labels::run(args, &database, &mut reader).await;
    };
    let (out, path) = open_output(args, &database)?;
    match write_table(&mut reader, args, table, out).await {
        Err(Stopped::Store(error)) => Err(error.into()),
        Err(Stopped::Output(_, error)) if error.kind() != ErrorKind::BrokenPipe => {
            Err(ExportError::Output(path, error))
        }
        Ok(rows) | Err(Stopped::Output(rows, _)) => Ok(rows),
    }
}

pub(super) fn database_of(args: &Args) -> Result<Location, ExportError> {
    if let Some(database) = &args.database {
        return Ok(database.clone());
    }
    let Some(config) = &args.config else { unreachable!("one of the two is demanded above") };
    let text =
        std::fs::read_to_string(config).map_err(|e| ExportError::Config(config.clone(), e.to_string()))?;
    let parsed: DatabaseSetting =
        toml::from_str(&text).map_err(|e| ExportError::Config(config.clone(), e.to_string()))?;
    let EngineSetting { database, database_password_file: password } = parsed.engine;
    database::settle(database, password.as_deref(), None, config)
        .map_err(|(key, text)| ExportError::Config(config.clone(), format!("{key}: {text}")))
}

/// The one setting that an export needs, so that it still works beside a configuration that has a fault elsewhere.
#[derive(Deserialize, Default)]
struct DatabaseSetting {
    #[serde(default)]
    engine: EngineSetting,
}

#[derive(Deserialize)]
#[serde(default)]
struct EngineSetting {
    database: Location,
    database_password_file: Option<PathBuf>,
}

impl Default for EngineSetting {
    fn default() -> Self {
        EngineSetting { database: Location::File("outdial.db".into()), database_password_file: None }
    }
}

type Output = BufWriter<Box<dyn Write>>;

fn open_output(args: &Args, database: &Location) -> Result<(Output, PathBuf), ExportError> {
    let Some(path) = &args.output else {
        return Ok((BufWriter::new(Box::new(io::stdout())), PathBuf::from("the standard output")));
    };
    if database.file().is_some_and(|database| is_database(path, database)) {
        return Err(ExportError::OutputIsDatabase(path.clone()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(path).map_err(|e| ExportError::Output(path.clone(), e))?;
    Ok((BufWriter::new(Box::new(file)), path.clone()))
}

/// The database, or one of the files that SQLite and the engine keep beside it.
fn is_database(output: &Path, database: &Path) -> bool {
    let Ok(output) = std::fs::canonicalize(output) else {
        return false;
    };
    ["", "-wal", "-shm", ".lock"].into_iter().any(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        std::fs::canonicalize(PathBuf::from(name)).is_ok_and(|path| path == output)
    })
}

enum Stopped {
    Store(StoreError),
    /// After so many rows.
    Output(u64, io::Error),
}

async fn write_table(
    reader: &mut Reader,
    args: &Args,
    table: Table,
    mut out: Output,
) -> Result<u64, Stopped> {
    let mut rows = 0;
    let mut position = 0;
    if args.format == Format::Csv {
        write_csv(&mut out, table.columns().iter().map(|c| c.name.to_owned()))
            .map_err(|e| Stopped::Output(0, e))?;
    }
    loop {
        let page = reader.page(table, args.campaign.as_deref(), position).await.map_err(Stopped::Store)?;
        let Some(last) = page.last() else {
            out.flush().map_err(|e| Stopped::Output(rows, e))?;
            return Ok(rows);
        };
        position = last.position;
        for row in &page {
            let written = match args.format {
                Format::Csv => write_csv(&mut out, csv_cells(table, row)),
                Format::Jsonl => write_json(&mut out, table, row),
            };
            written.map_err(|e| Stopped::Output(rows, e))?;
            rows += 1;
        }
    }
}

impl TableName {
    /// The store's table; none for labels, which come with recordings.
    fn table(self) -> Option<Table> {
        Some(match self {
            TableName::Contacts => Table::Contacts,
            TableName::Attempts => Table::Attempts,
            TableName::Calls => Table::Calls,
            TableName::Labels => return None,
        })
    }
}

fn write_csv(out: &mut Output, cells: impl Iterator<Item = String>) -> io::Result<()> {
    // A writer of its own for each record: it borrows the output only for that long, and holds nothing back.
    let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 10).from_writer(out);
    writer.write_record(cells)?;
    writer.flush()
}

fn csv_cells(table: Table, row: &Row) -> impl Iterator<Item = String> {
    table.columns().iter().zip(&row.cells).map(|(column, cell)| csv_cell(column.kind, cell))
}

fn csv_cell(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (_, Cell::Absent) => String::new(),
        (Kind::Number, Cell::Text(text)) if E164::from_e164(text).is_some() => text.clone(),
        (_, Cell::Text(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
            format!("'{text}")
        }
        (_, Cell::Text(text)) => text.clone(),
        (Kind::Time, Cell::Integer(ms)) => rfc3339(*ms),
        (_, Cell::Integer(number)) => number.to_string(),
        (_, Cell::Real(number)) => number.to_string(),
    }
}

fn write_json(out: &mut Output, table: Table, row: &Row) -> io::Result<()> {
    for (index, (column, cell)) in table.columns().iter().zip(&row.cells).enumerate() {
        let opening = if index == 0 { '{' } else { ',' };
        write!(out, "{opening}\"{}\":{}", column.name, json_cell(column.kind, cell))?;
    }
    out.write_all(b"}\n")
}

fn json_cell(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (_, Cell::Absent) => "null".to_owned(),
        // The store's own JSON, on one line.
        (Kind::Json, Cell::Text(object)) => object.clone(),
        (_, Cell::Text(text)) => serde_json::Value::from(text.as_str()).to_string(),
        (Kind::Time, Cell::Integer(ms)) => serde_json::Value::from(rfc3339(*ms)).to_string(),
        (_, Cell::Integer(number)) => number.to_string(),
        (_, Cell::Real(number)) => serde_json::Value::from(*number).to_string(),
    }
}

/// A time outside of chrono's calendar, which no call has, stays a plain number.
fn rfc3339(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => ms.to_string(),
    }
}

#[cfg(test)]
mod tests;
