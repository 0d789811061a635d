//! What can be exported: three tables, their columns in their lasting order, their rows as plain cells.
//!
//! Programs read exports by these names and in this order: columns are only ever added at the end.

use sqlx::{ColumnIndex, Decode, Type};

/// An exportable table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// A row for each contact.
    Contacts,
    /// A row for each attempt, also for those in flight.
    Attempts,
    /// A row for each call record.
    Calls,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Free text: a list's, a peer's, the configuration's.
    Text,
    /// A telephone number.
    Number,
    /// A whole number.
    Integer,
    /// A measured number.
    Real,
    /// Milliseconds since the Unix epoch.
    Time,
    /// A JSON object of texts.
    Json,
}

/// One column of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// One cell of an export.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Nothing.
    Absent,
    /// Of the kinds text, number and JSON.
    Text(String),
    /// Of the kinds integer and time.
    Integer(i64),
    /// Of the kind real.
    Real(f64),
}

/// One row of an export.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Where the next page goes on.
    pub position: i64,
    /// In the order of [`Table::columns`].
    pub cells: Vec<Cell>,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const CONTACTS: [Column; 12] = [
    column("contact", Kind::Integer),
    column("campaign", Kind::Text),
    column("number", Kind::Number),
    column("name", Kind::Text),
    column("comment", Kind::Text),
    column("state", Kind::Text),
    column("attempts", Kind::Integer),
    column("last_disposition", Kind::Text),
    column("last_dialed_at", Kind::Time),
    column("next_attempt_at", Kind::Time),
    column("last_reason", Kind::Text),
    column("attributes", Kind::Json),
];

const CONTACTS_SQL: &str = "
    SELECT k.id, k.id, k.campaign, k.number, k.name, k.comment, k.state,
           (SELECT count(*) FROM calls WHERE contact = k.id), c.disposition, c.dialed_at,
           CASE WHEN k.state = 'pending' AND k.next_attempt_at > 0 THEN k.next_attempt_at END,
           k.last_reason, k.attributes
    FROM contacts AS k
    LEFT JOIN calls AS c ON c.sequence = (SELECT max(sequence) FROM calls WHERE contact = k.id)
    WHERE k.id > $1 AND ($2 IS NULL OR k.campaign = $2) ORDER BY k.id LIMIT $3";

const ATTEMPTS: [Column; 11] = [
    column("attempt", Kind::Text),
    column("contact", Kind::Integer),
    column("campaign", Kind::Text),
    column("number", Kind::Number),
    column("started_at", Kind::Time),
    column("invites", Kind::Integer),
    column("trunks", Kind::Text),
    column("call_ids", Kind::Text),
    column("disposition", Kind::Text),
    column("ended_at", Kind::Time),
    column("decision", Kind::Json),
];

const ATTEMPTS_SQL: &str = "
    SELECT a.sequence, a.id, a.contact, a.campaign, a.number, a.started_at,
           (SELECT count(*) FROM invites WHERE attempt = a.id),
           (SELECT group_concat(trunk, ' ' ORDER BY rowid) FROM invites WHERE attempt = a.id),
           (SELECT group_concat(call_id, ' ' ORDER BY rowid) FROM invites WHERE attempt = a.id),
           c.disposition, c.ended_at, d.decision
    FROM attempts AS a LEFT JOIN calls AS c ON c.attempt = a.id LEFT JOIN decisions AS d ON d.attempt = a.id
    WHERE a.sequence > $1 AND ($2 IS NULL OR a.campaign = $2) ORDER BY a.sequence LIMIT $3";

const CALLS: [Column; 44] = [
    column("attempt", Kind::Text),
    column("contact", Kind::Integer),
    column("campaign", Kind::Text),
    column("number", Kind::Number),
    column("caller_id", Kind::Number),
    column("trunk", Kind::Text),
    column("call_id", Kind::Text),
    column("disposition", Kind::Text),
    column("dialed_at", Kind::Time),
    column("trying_at", Kind::Time),
    column("ringing_at", Kind::Time),
    column("early_media_at", Kind::Time),
    column("answered_at", Kind::Time),
    column("first_media_at", Kind::Time),
    column("greeting_end_at", Kind::Time),
    column("verdict_at", Kind::Time),
    column("beep_at", Kind::Time),
    column("drop_started_at", Kind::Time),
    column("drop_ended_at", Kind::Time),
    column("agent_dialed_at", Kind::Time),
    column("agent_answered_at", Kind::Time),
    column("bridged_at", Kind::Time),
    column("ended_at", Kind::Time),
    column("ended_by", Kind::Text),
    column("sip_status", Kind::Integer),
    column("q850_cause", Kind::Integer),
    column("reason", Kind::Text),
    column("verdict", Kind::Text),
    column("verdict_cause", Kind::Text),
    column("revised_verdict", Kind::Text),
    column("codec", Kind::Text),
    column("packets_sent", Kind::Integer),
    column("packets_received", Kind::Integer),
    column("packets_lost", Kind::Integer),
    column("jitter_ms", Kind::Real),
    column("round_trip_ms", Kind::Real),
    column("recording", Kind::Text),
    column("agent", Kind::Text),
    column("digits", Kind::Text),
    column("revised_at", Kind::Time),
    column("revised_cause", Kind::Text),
    column("beep_started_at", Kind::Time),
    column("label", Kind::Text),
    column("labelled_by", Kind::Text),
];

const CALLS_SQL: &str = "
    SELECT c.sequence, c.attempt, contact, campaign, number, caller_id, trunk, call_id, disposition, dialed_at,
           trying_at, ringing_at, early_media_at, answered_at, first_media_at, greeting_end_at, verdict_at, beep_at,
           drop_started_at, drop_ended_at, agent_dialed_at, agent_answered_at, bridged_at, ended_at, ended_by,
           sip_status, q850_cause, reason, verdict, verdict_cause, revised_verdict, codec, packets_sent,
           packets_received, packets_lost, jitter_ms, round_trip_ms, recording, agent, digits, revised_at,
           revised_cause, beep_started_at, l.label, l.labelled_by
    FROM calls AS c LEFT JOIN latest_labels AS l ON l.attempt = c.attempt
    WHERE c.sequence > $1 AND ($2 IS NULL OR campaign = $2) ORDER BY c.sequence LIMIT $3";

impl Table {
    /// Its columns in their order.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Contacts => &CONTACTS,
            Table::Attempts => &ATTEMPTS,
            Table::Calls => &CALLS,
        }
    }

    /// Its select: the position, then the columns. $1 the position to go on behind, $2 the campaign or none, $3 the
    /// most rows.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Table::Contacts => CONTACTS_SQL,
            Table::Attempts => ATTEMPTS_SQL,
            Table::Calls => CALLS_SQL,
        }
    }
}

/// A row of either database, its columns read by their place.
pub(super) trait Wide<'r> {
    fn text(&'r self, index: usize) -> Result<Option<String>, sqlx::Error>;
    fn integer(&'r self, index: usize) -> Result<Option<i64>, sqlx::Error>;
    fn real(&'r self, index: usize) -> Result<Option<f64>, sqlx::Error>;
}

impl<'r, R> Wide<'r> for R
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<f64>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn text(&'r self, index: usize) -> Result<Option<String>, sqlx::Error> {
        self.try_get(index)
    }

    fn integer(&'r self, index: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(index)
    }

    fn real(&'r self, index: usize) -> Result<Option<f64>, sqlx::Error> {
        self.try_get(index)
    }
}

impl Row {
    pub(super) fn read<'r, R: Wide<'r>>(table: Table, row: &'r R) -> Result<Row, sqlx::Error> {
        let cells = table.columns().iter().enumerate().map(|(i, column)| Cell::read(column.kind, row, i + 1));
        Ok(Row { position: row.integer(0)?.unwrap_or_default(), cells: cells.collect::<Result<_, _>>()? })
    }
}

impl Cell {
    /// An empty text is an absent one.
    fn read<'r, R: Wide<'r>>(kind: Kind, row: &'r R, index: usize) -> Result<Cell, sqlx::Error> {
        let cell = match kind {
            Kind::Text | Kind::Number | Kind::Json => {
                row.text(index)?.filter(|text| !text.is_empty()).map(Cell::Text)
            }
            Kind::Integer | Kind::Time => row.integer(index)?.map(Cell::Integer),
            Kind::Real => row.real(index)?.map(Cell::Real),
        };
        Ok(cell.unwrap_or(Cell::Absent))
    }
}
