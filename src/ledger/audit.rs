//! The audit chain: every row that is a fact gets a digest that depends on all facts before it, written in the same
//! transaction. A row that was altered, removed or slipped in by another program no longer fits.
//!
//! `digest = sha256(digest before || canonical text of the row)`, in hex; before the first row there is nothing. The
//! canonical text names table, row number and every column that holds something, each value with its length, so that no
//! two rows share a text and a column that a later schema adds does not change the text of older rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::schema::{CHAINED_LATE, FACTS};
use super::states;

/// Where the chain stands: its newest digest and what of each table is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    digest: String,
    /// Largest row number by table.
    reached: BTreeMap<String, i64>,
}

/// The newest link of the chain: what to note elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Newest digest; empty where nothing was recorded yet.
    pub digest: String,
    /// Links.
    pub count: i64,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record fits, and the expected digest is one of the chain.
    Sound(Head),
    /// The first record that does not fit.
    Broken {
        /// Table.
        table: String,
        /// Its row number there.
        row: i64,
        /// What is wrong with it.
        what: &'static str,
        /// What it says now, where it is there.
        says: Option<String>,
    },
    /// Every record fits, but the digest that was noted earlier is not in the chain.
    Truncated(Head),
}

impl Chain {
    /// As the file has it.
    pub fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let digest = head(connection)?.digest;
        let mut statement = connection.prepare("SELECT table_name, max(row_id) FROM audit GROUP BY table_name")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { digest, reached: rows.collect::<Result<_, _>>()? })
    }

    /// Adds a link for every fact that is not in the chain yet. The chain as it is after that; it holds once the
    /// transaction is committed.
    pub fn sealed(&self, connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut chain = self.clone();
        for table in FACTS {
            chain.seal_table(connection, table)?;
        }
        Ok(chain)
    }

    fn seal_table(&mut self, connection: &Connection, table: &str) -> Result<(), rusqlite::Error> {
        let reached = self.reached.get(table).copied().unwrap_or(0);
        let sql = format!("SELECT rowid AS row_number, * FROM {table} WHERE rowid > ?1 ORDER BY rowid");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([reached])?;
        let mut insert = connection
            .prepare_cached("INSERT INTO audit (at, env, table_name, row_id, digest) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            self.digest = link(&self.digest, &canonical(table, row)?);
            insert.execute(params![
                row.get::<_, i64>("at")?,
                row.get::<_, String>("env")?,
                table,
                number,
                self.digest
            ])?;
            self.reached.insert(table.to_owned(), number);
        }
        Ok(())
    }
}

/// The newest link.
pub(super) fn head(connection: &Connection) -> Result<Head, rusqlite::Error> {
    let count = connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
    let digest = connection
        .query_row("SELECT digest FROM audit ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    Ok(Head { digest, count })
}

/// Follows the chain from its first link. `expected` is a digest that was noted earlier.
pub(super) fn verify(connection: &Connection, expected: Option<&str>) -> Result<Verdict, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT id, table_name, row_id, digest FROM audit ORDER BY id")?;
    let mut links = statement.query([])?;
    let (mut digest, mut count, mut seen) = (String::new(), 0_i64, expected.is_none());
    while let Some(row) = links.next()? {
        let (id, table, number): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        count += 1;
        let says = if FACTS.contains(&table.as_str()) { text_of(connection, &table, number)? } else { None };
        let broken = |what, says| Ok(Verdict::Broken { table: table.clone(), row: number, what, says });
        let Some(text) = says else { return broken("is missing", None) };
        if id != count {
            return broken("follows a link of the chain that was removed", Some(text));
        }
        digest = link(&digest, &text);
        if row.get::<_, String>(3)? != digest {
            return broken("was altered, or its link was", Some(text));
        }
        seen |= expected == Some(digest.as_str());
    }
    if let Some((table, row)) = unchained(connection)? {
        let says = text_of(connection, table, row)?;
        return Ok(Verdict::Broken { table: table.to_owned(), row, what: "was inserted past the chain", says });
    }
    if is_there(connection, "states")?
        && let Some(broken) = states::verify(connection)?
    {
        return Ok(broken);
    }
    let head = Head { digest, count };
    Ok(if seen { Verdict::Sound(head) } else { Verdict::Truncated(head) })
}

/// The first fact that no link covers.
fn unchained(connection: &Connection) -> Result<Option<(&'static str, i64)>, rusqlite::Error> {
    let chains_all = is_there(connection, "states")?;
    for table in FACTS {
        // A ledger that is only read may be of an older schema.
        if !is_there(connection, table)? || (!chains_all && CHAINED_LATE.contains(table)) {
            continue;
        }
        let sql = format!(
            "SELECT rowid FROM {table} WHERE rowid NOT IN (SELECT row_id FROM audit WHERE table_name = ?1)
             ORDER BY rowid LIMIT 1"
        );
        if let Some(row) = connection.query_row(&sql, [table], |row| row.get(0)).optional()? {
            return Ok(Some((table, row)));
        }
    }
    Ok(None)
}

fn is_there(connection: &Connection, table: &str) -> Result<bool, rusqlite::Error> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    connection.query_row(there, [table], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn text_of(connection: &Connection, table: &str, number: i64) -> Result<Option<String>, rusqlite::Error> {
    let sql = format!("SELECT rowid AS row_number, * FROM {table} WHERE rowid = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([number])?;
    rows.next()?.map(|row| canonical(table, row)).transpose()
}

fn link(before: &str, text: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(text).finalize();
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn canonical(table: &str, row: &Row<'_>) -> Result<String, rusqlite::Error> {
    let mut text = format!("{table} {}", row.get::<_, i64>(0)?);
    for (place, name) in row.as_ref().column_names().iter().enumerate().skip(1) {
        let value = match row.get_ref(place)? {
            ValueRef::Null => continue,
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            // No column of ours takes them: what is there was put there by another program.
            ValueRef::Real(number) => format!("real {number}"),
            ValueRef::Blob(bytes) => format!("blob {bytes:?}"),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, " {name}:{}={value}", value.len());
    }
    Ok(text)
}
