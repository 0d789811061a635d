//! Rows from one database into another of the same schema, whichever of the two kinds each is: a server's into a file,
//! where they are a backup, and a file's into a server.

use super::connection::Connection;
use super::error::StoreError;
use super::rows::Rows;
use super::statement::{Statement, Value, composed, composed_scalar, query};
use super::table::Wide;
use serde_json::Value as Json;

/// Every table of which a copy has the rows, with what orders them; whoever is referred to comes before who refers. The
/// versions are the schema's own, counts are kept by triggers, and nodes, shares and leaders are of the moment.
const TABLES: [(&str, &[&str]); 12] = [
    ("campaigns", &["name"]),
    ("lists", &["id"]),
    ("contacts", &["id"]),
    ("attempts", &["sequence"]),
    ("invites", &["rowid"]),
    ("calls", &["sequence"]),
    ("labels", &["sequence"]),
    ("decisions", &["attempt"]),
    ("dialogs", &["call_id"]),
    ("suppressions", &["number"]),
    ("scoped_suppressions", &["number", "reach"]),
    ("erasures", &["hash"]),
];

/// Whoever held a row is no node of the other database.
const HOLDER: &str = "holder";

/// Rows that are on their way at once.
const PAGE_ROWS: u32 = 1_000;

/// What a column holds, by its declaration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Real,
}

/// A table and those of its columns that are copied.
pub(super) struct Layout {
    table: &'static str,
    keys: &'static [&'static str],
    columns: Vec<(String, Kind)>,
    /// Where the database numbers the rows by itself: the next number is to be above all that came along.
    numbered: Option<String>,
}

/// Of all tables, as a file declares them.
pub(super) async fn layouts(file: &mut Connection) -> Result<Vec<Layout>, StoreError> {
    let mut layouts = Vec::with_capacity(TABLES.len());
    for (table, keys) in TABLES {
        let declared: Vec<(String, String, i64)> =
            query("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")
                .bind(table)
                .fetch_all(file)
                .await
                .map_err(|e| file.error("be read", e))?;
        let numbered = declared.iter().find(|(_, kind, key)| *key == 1 && kind == "INTEGER");
        let numbered = numbered.map(|(name, ..)| name.clone());
        let columns = declared.into_iter().filter(|(name, ..)| name != HOLDER);
        let columns = columns.map(|(name, kind, _)| (name, Kind::of(&kind))).collect();
        layouts.push(Layout { table, keys, columns, numbered });
    }
    Ok(layouts)
}

/// Copies all rows. Both connections are in transactions, so that it is one moment's state that is read, and all of it or
/// nothing that is written.
pub(super) async fn copy(
    layouts: &[Layout],
    from: &mut Connection,
    into: &mut Connection,
) -> Result<(), StoreError> {
    for layout in layouts {
        let mut last: Vec<Json> = Vec::new();
        loop {
            let rows = layout.page(from, &last).await?;
            let Some(end) = rows.last() else { break };
            last = end[..layout.keys.len()].to_vec();
            layout.insert(into, &rows).await?;
        }
        layout.number_on(into).await?;
    }
    Ok(())
}

impl Layout {
    /// The rows after these keys, the first ones without: keys first, then columns.
    async fn page(&self, from: &mut Connection, after: &[Json]) -> Result<Vec<Vec<Json>>, StoreError> {
        let keys = self.keys.join(", ");
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let places: Vec<String> = (1..=after.len()).map(|place| format!("${place}")).collect();
        let which = match after {
            [] => String::new(),
            _ => format!("WHERE ({keys}) > ({})", places.join(", ")),
        };
        let statement = composed(format!(
            "SELECT {keys}, {} FROM {} {which} ORDER BY {keys} LIMIT {PAGE_ROWS}",
            columns.join(", "),
            self.table
        ));
        let statement = after.iter().fold(statement, bind);
        let kinds = self.kinds();
        let rows = statement.fetch_rows(from).await.map_err(|e| from.error("be copied", e))?;
        rows.read(|row| cells(row, &kinds), |row| cells(row, &kinds)).map_err(|e| from.error("be copied", e))
    }

    /// Of the keys, then of the columns.
    fn kinds(&self) -> Vec<Kind> {
        let of = |key: &&str| {
            let column = self.columns.iter().find(|(name, _)| name == key);
            column.map_or(Kind::Integer, |(_, kind)| *kind)
        };
        self.keys.iter().map(of).chain(self.columns.iter().map(|(_, kind)| *kind)).collect()
    }

    async fn insert(&self, into: &mut Connection, rows: &[Vec<Json>]) -> Result<(), StoreError> {
        let mut written = Rows::default();
        for row in rows {
            let begun = written.begin();
            for cell in &row[self.keys.len()..] {
                begun.put(cell);
            }
        }
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let values = self.columns.iter().enumerate().map(|(place, (_, kind))| kind.cell(place));
        let values: Vec<String> = values.collect();
        let source = match into.is_server() {
            true => "jsonb_array_elements(CAST($1 AS jsonb)) AS rows (value)",
            false => "json_each($1)",
        };
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {source}",
            self.table,
            names.join(", "),
            values.join(", ")
        );
        composed(sql)
            .bind(written.into_text())
            .execute(into)
            .await
            .map_err(|e| into.error("take a copy", e))?;
        Ok(())
    }

    /// SQLite goes on above the largest number by itself.
    async fn number_on(&self, into: &mut Connection) -> Result<(), StoreError> {
        let (Some(column), true) = (&self.numbered, into.is_server()) else { return Ok(()) };
        let table = self.table;
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING max({column}) > 0"
        );
        let _where_it_goes_on: Option<i64> =
            composed_scalar(sql).fetch_optional(into).await.map_err(|e| into.error("take a copy", e))?;
        Ok(())
    }
}

impl Kind {
    fn of(declared: &str) -> Kind {
        match declared {
            "INTEGER" => Kind::Integer,
            "REAL" => Kind::Real,
            _ => Kind::Text,
        }
    }

    /// A cell of a row that is a JSON array, in words that both databases know.
    fn cell(self, place: usize) -> String {
        match self {
            Kind::Text => format!("value ->> {place}"),
            Kind::Integer => format!("CAST(value ->> {place} AS BIGINT)"),
            Kind::Real => format!("CAST(value ->> {place} AS DOUBLE PRECISION)"),
        }
    }
}

fn bind<'v>(statement: Statement<'v>, key: &Json) -> Statement<'v> {
    statement.bind(match key.as_i64() {
        Some(number) => Value::from(number),
        None => Value::from(key.as_str().unwrap_or_default().to_owned()),
    })
}

fn cells<'r>(row: &'r impl Wide<'r>, kinds: &[Kind]) -> Result<Vec<Json>, sqlx::Error> {
    let cell = |(place, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Text => row.text(place)?.map(without_nul).into(),
            Kind::Integer => row.integer(place)?.into(),
            Kind::Real => row.real(place)?.into(),
        })
    };
    kinds.iter().enumerate().map(cell).collect()
}

/// PostgreSQL has no text with a NUL in it.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
