//! The files that lists came from: what each looked like when it was imported, so that an unchanged one need not be read
//! again.

use super::connection::Connection;
use super::database::Store;
use super::error::StoreError;
use super::statement::{query, scalar};
use crate::time::WallTime;

/// An imported list's row in the store; 0 for contacts that came with none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListId(pub i64);

/// What a list holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// Whom to dial.
    Contacts,
    /// Whom not to.
    DoNotCall,
}

/// What a file looks like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Bytes.
    pub size: u64,
    /// Milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// SHA-256 of its bytes in hexadecimal digits; empty where it has not been reckoned.
    pub digest: String,
    /// The region by which its numbers without a `+` are read: another one makes other numbers of them.
    pub region: String,
}

/// A list as the store knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownList {
    /// Its row.
    pub id: ListId,
    /// What the file looked like.
    pub identity: Identity,
    /// Rows that were read, and refused ones among them.
    pub rows: (u64, u64),
    /// When all of it was in; none when the import did not come to its end.
    pub imported_at: Option<WallTime>,
}

impl ListKind {
    fn as_str(self) -> &'static str {
        match self {
            ListKind::Contacts => "contacts",
            ListKind::DoNotCall => "do_not_call",
        }
    }
}

type Columns = (i64, i64, i64, String, String, i64, i64, Option<i64>);

impl Store {
    /// What is known of a list by its file. A do-not-call list is no campaign's: its campaign is empty.
    pub async fn known_list(
        &mut self,
        kind: ListKind,
        campaign: &str,
        source: &str,
    ) -> Result<Option<KnownList>, StoreError> {
        let conn = &mut self.connection;
        let row: Option<Columns> = query(
            "SELECT id, size, modified_at, digest, region, rows, refused, imported_at FROM lists
             WHERE kind = $1 AND campaign = $2 AND source = $3",
        )
        .bind(kind.as_str())
        .bind(campaign)
        .bind(source)
        .fetch_optional(conn)
        .await
        .map_err(|e| conn.error("read lists", e))?;
        Ok(row.map(|(id, size, modified_ms, digest, region, rows, refused, imported_at)| KnownList {
            id: ListId(id),
            identity: Identity { size: size as u64, modified_ms, digest, region },
            rows: (rows as u64, refused as u64),
            imported_at: imported_at.map(WallTime::from_unix_ms),
        }))
    }

    /// Before a list's first row. Until [`Store::finish_list`] it counts as not imported, so that an import that dies is
    /// run again.
    pub async fn begin_list(
        &mut self,
        kind: ListKind,
        campaign: &str,
        source: &str,
    ) -> Result<ListId, StoreError> {
        let conn = &mut self.connection;
        conn.begin().await?;
        let begun = begin(conn, kind, campaign, source).await;
        conn.end(begun).await
    }

    /// After a list's last row.
    pub async fn finish_list(
        &mut self,
        list: ListId,
        identity: &Identity,
        rows: (u64, u64),
        at: WallTime,
    ) -> Result<(), StoreError> {
        let conn = &mut self.connection;
        query(
            "UPDATE lists SET size = $2, modified_at = $3, digest = $4, region = $5, rows = $6, refused = $7,
                 imported_at = $8
             WHERE id = $1",
        )
        .bind(list.0)
        .bind(identity.size as i64)
        .bind(identity.modified_ms)
        .bind(identity.digest.as_str())
        .bind(identity.region.as_str())
        .bind(rows.0 as i64)
        .bind(rows.1 as i64)
        .bind(at.unix_ms())
        .execute(conn)
        .await
        .map_err(|e| conn.error("keep a list", e))?;
        Ok(())
    }
}

async fn begin(
    conn: &mut Connection,
    kind: ListKind,
    campaign: &str,
    source: &str,
) -> Result<ListId, StoreError> {
    let id: i64 = scalar(
        "INSERT INTO lists (kind, campaign, source) VALUES ($1, $2, $3)
         ON CONFLICT (kind, campaign, source) DO UPDATE SET imported_at = NULL
         RETURNING id",
    )
    .bind(kind.as_str())
    .bind(campaign)
    .bind(source)
    .fetch_one(conn)
    .await
    .map_err(|e| conn.error("keep a list", e))?;
    Ok(ListId(id))
}
