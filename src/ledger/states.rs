//! What can change in a ledger and decides about money: every state of such a row is noted in `states`, which is a fact like any
//! other and is chained. What a table says must be what was noted last; an edit by another program is not noted.
//!
//! Triggers of this connection alone do the noting (`TEMP`), so that no way of writing is forgotten and no other program
//! is helped.

use rusqlite::{Connection, OptionalExtension as _};

use super::audit::Verdict;

/// A table whose rows change.
struct Changing {
    table: &'static str,
    /// What names a row.
    key: &'static [&'static str],
    /// What else it says.
    says: &'static [&'static str],
    /// When it was written.
    at: &'static str,
    /// Rows whose end is not news, by `OLD`: only the others' is noted, and missed.
    ages: Option<&'static str>,
}

/// How a line begins.
const INTO: &str = "INSERT INTO states (at, env, table_name, row_key, says)";

const CHANGING: &[Changing] = &[
    Changing {
        table: "runs",
        key: &["run"],
        says: &["env", "started", "label", "version", "ended", "outcome"],
        at: "started",
        ages: None,
    },
    Changing {
        table: "orders",
        key: &["run", "seq"],
        says: &["env", "state", "filled", "reason", "updated"],
        at: "updated",
        ages: None,
    },
    Changing {
        table: "positions",
        key: &["symbol"],
        says: &["env", "position", "cost", "opened", "realised", "fees", "updated"],
        at: "updated",
        ages: None,
    },
    Changing {
        table: "baselines",
        key: &["id"],
        says: &["env", "at", "day_start", "day_equity", "high_water", "day_loss_spent"],
        at: "at",
        ages: None,
    },
    // The high of the day is the highest of its minutes: older ones are nobody's.
    Changing {
        table: "baseline_minutes",
        key: &["at"],
        says: &["env", "equity"],
        at: "at",
        ages: Some("coalesce((SELECT max(at) FROM baseline_minutes), 0) - 86400000000000"),
    },
];

impl Changing {
    /// Columns of `row` (`NEW.`, `OLD.` or nothing) as one text that no other values share.
    fn text(columns: &[&str], row: &str) -> String {
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote({row}{column})")).collect();
        quoted.join(" || ',' || ")
    }

    /// A row's line in `states`, as it is or gone.
    fn line(&self, row: &str, says: &str) -> String {
        let (table, at, key) = (self.table, self.at, Self::text(self.key, row));
        format!("{row}{at}, {row}env, '{table}', {key}, {says}")
    }

    fn note(&self) -> String {
        let table = self.table;
        let (new, gone) = (self.line("NEW.", &Self::text(self.says, "NEW.")), self.line("OLD.", "NULL"));
        let when = self.ages.map_or_else(String::new, |ages| format!("WHEN OLD.at > {ages}"));
        format!(
            "CREATE TEMP TRIGGER {table}_added AFTER INSERT ON main.{table} BEGIN {INTO} VALUES ({new}); END;
             CREATE TEMP TRIGGER {table}_changed AFTER UPDATE ON main.{table} BEGIN {INTO} VALUES ({new}); END;
             CREATE TEMP TRIGGER {table}_removed AFTER DELETE ON main.{table} {when} BEGIN {INTO} VALUES ({gone}); END;"
        )
    }
}

/// From here on every change that this connection makes is noted.
pub(super) fn note_changes(connection: &Connection) -> Result<(), rusqlite::Error> {
    CHANGING.iter().try_for_each(|changing| connection.execute_batch(&changing.note()))
}

/// Notes everything as it is, for a ledger of before the noting.
pub(super) fn note_all(connection: &Connection) -> Result<(), rusqlite::Error> {
    for changing in CHANGING {
        let line = changing.line("", &Changing::text(changing.says, ""));
        connection.execute_batch(&format!("{INTO} SELECT {line} FROM {} ORDER BY rowid", changing.table))?;
    }
    Ok(())
}

/// The first row that does not say what was noted of it last.
pub(super) fn verify(connection: &Connection) -> Result<Option<Verdict>, rusqlite::Error> {
    for changing in CHANGING {
        if let Some(broken) = changing.first_changed(connection)? {
            return Ok(Some(broken));
        }
        if let Some(broken) = changing.first_missing(connection)? {
            return Ok(Some(broken));
        }
    }
    Ok(None)
}

impl Changing {
    fn first_changed(&self, connection: &Connection) -> Result<Option<Verdict>, rusqlite::Error> {
        let (table, key, says) = (self.table, Self::text(self.key, ""), Self::text(self.says, ""));
        let sql = format!(
            "SELECT number, key || ': ' || text FROM (SELECT rowid AS number, {key} AS key, {says} AS text FROM {table})
             WHERE text IS NOT (SELECT says FROM states WHERE table_name = ?1 AND row_key = key ORDER BY id DESC LIMIT 1)
             ORDER BY number LIMIT 1"
        );
        let found = connection.query_row(&sql, [table], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let what = "does not say what was last written of it";
        Ok(found.map(|(row, says)| Verdict::Broken { table: table.to_owned(), row, what, says: Some(says) }))
    }

    fn first_missing(&self, connection: &Connection) -> Result<Option<Verdict>, rusqlite::Error> {
        let (table, key) = (self.table, Self::text(self.key, ""));
        let current = self.ages.map_or_else(String::new, |ages| format!("AND s.at > {ages}"));
        let sql = format!(
            "SELECT s.id, s.row_key || ': ' || s.says FROM states s
             WHERE s.id IN (SELECT max(id) FROM states WHERE table_name = ?1 GROUP BY row_key) AND s.says IS NOT NULL
                 {current} AND s.row_key NOT IN (SELECT {key} FROM {table})
             ORDER BY s.id LIMIT 1"
        );
        let found = connection.query_row(&sql, [table], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let what = "tells of a row that is not there any more";
        Ok(found.map(|(row, says)| Verdict::Broken { table: "states".to_owned(), row, what, says: Some(says) }))
    }
}
