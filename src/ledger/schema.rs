//! The tables of a ledger and how an older file becomes a newer one.
//!
//! Money, prices and quantities are exact decimals in TEXT, so any `SQLite` tool shows them unharmed. Times are
//! nanoseconds since 1970 in UTC. Instruments are stored by name: their index changes from run to run. Rows that
//! tell what happened can be added and never changed; triggers hold that for every program that opens the file.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction};

use super::audit::Chain;
use super::states;

/// Marks a `SQLite` file as a tickdeck ledger: `tdkl` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x7464_6b6c;
/// The schema this build reads and writes.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Step `n` turns schema `n` into `n + 1`. A released step is never edited; a change is a new step. A column that is added
/// to a fact after schema 2 allows NULL, or the audit chain of older rows would no longer fit.
const MIGRATIONS: &[Migration] = &[
    Migration { tables: FIRST, facts: FIRST_FACTS, guarded: &[] },
    Migration { tables: SECOND, facts: &["audit"], guarded: STAMPED },
    Migration { tables: THIRD, facts: &["residuals"], guarded: &["residuals"] },
    Migration { tables: FOURTH, facts: &["waivers"], guarded: &["waivers", "shadows"] },
    Migration { tables: FIFTH, facts: &["flattens"], guarded: &["flattens"] },
    Migration { tables: SIXTH, facts: &["states"], guarded: &["states"] },
];

/// The schema that brought the table `states`.
const STATES_SINCE: i64 = 6;

/// One step.
struct Migration {
    /// Tables and columns.
    tables: &'static str,
    /// Tables whose rows can only be added from here on.
    facts: &'static [&'static str],
    /// Tables that take rows of the ledger's own environment only from here on.
    guarded: &'static [&'static str],
}

/// Tables whose rows are facts: added, never changed, never removed, and chained.
pub(super) const FACTS: &[&str] = &[
    "intents",
    "fills",
    "funding",
    "settlements",
    "balances",
    "limits",
    "latches",
    "releases",
    "operators",
    "waivers",
    "flattens",
    "residuals",
    "states",
];

/// Facts that are chained from schema 6 on only.
pub(super) const CHAINED_LATE: &[&str] = &["residuals", "states"];

/// Those of them that schema 1 had.
const FIRST_FACTS: &[&str] =
    &["intents", "fills", "funding", "settlements", "balances", "limits", "latches", "releases", "operators"];

/// Tables whose rows say whose money they are about.
pub(super) const STAMPED: &[&str] = &[
    "runs",
    "instruments",
    "intents",
    "orders",
    "fills",
    "funding",
    "settlements",
    "positions",
    "balances",
    "baselines",
    "baseline_minutes",
    "limits",
    "latches",
    "releases",
    "operators",
    "audit",
];

const FIRST: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    run TEXT PRIMARY KEY, env TEXT NOT NULL, started INTEGER NOT NULL, label TEXT NOT NULL, version TEXT NOT NULL,
    ended INTEGER, outcome TEXT
) STRICT;
CREATE TABLE instruments (
    symbol TEXT PRIMARY KEY, env TEXT NOT NULL, category TEXT NOT NULL, tick TEXT NOT NULL, step TEXT NOT NULL
) STRICT;
CREATE TABLE intents (
    run TEXT NOT NULL REFERENCES runs(run), seq INTEGER NOT NULL, env TEXT NOT NULL, link_id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL, decided INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL,
    price TEXT NOT NULL, tif TEXT NOT NULL, reduce_only INTEGER NOT NULL, purpose TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
CREATE TABLE orders (
    run TEXT NOT NULL REFERENCES runs(run), seq INTEGER NOT NULL, env TEXT NOT NULL, state TEXT NOT NULL,
    filled TEXT NOT NULL, reason TEXT NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
CREATE TABLE fills (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    exec_id TEXT NOT NULL UNIQUE, seq INTEGER, symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL,
    qty TEXT NOT NULL, fee TEXT NOT NULL, maker INTEGER NOT NULL, realised TEXT NOT NULL, balance TEXT NOT NULL,
    position TEXT NOT NULL, cost TEXT NOT NULL
) STRICT;
CREATE TABLE funding (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    symbol TEXT NOT NULL, rate TEXT NOT NULL, amount TEXT NOT NULL, balance TEXT NOT NULL
) STRICT;
CREATE TABLE settlements (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, at INTEGER NOT NULL, symbol TEXT NOT NULL, kind TEXT NOT NULL,
    position TEXT NOT NULL, cost TEXT NOT NULL, price TEXT, realised TEXT NOT NULL
) STRICT;
CREATE TABLE positions (
    symbol TEXT PRIMARY KEY, env TEXT NOT NULL, position TEXT NOT NULL, cost TEXT NOT NULL, opened INTEGER NOT NULL,
    realised TEXT NOT NULL, fees TEXT NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE balances (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL, cause TEXT NOT NULL,
    change TEXT NOT NULL, balance TEXT NOT NULL
) STRICT;
CREATE TABLE baselines (
    id INTEGER PRIMARY KEY CHECK (id = 1), env TEXT NOT NULL, at INTEGER NOT NULL, day_start INTEGER NOT NULL,
    day_equity TEXT NOT NULL, high_water TEXT NOT NULL, day_loss_spent INTEGER NOT NULL
) STRICT;
CREATE TABLE baseline_minutes (at INTEGER PRIMARY KEY, env TEXT NOT NULL, equity TEXT NOT NULL) STRICT;
CREATE TABLE limits (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    key TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL
) STRICT;
CREATE TABLE latches (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL, kind TEXT NOT NULL,
    why TEXT NOT NULL, measured TEXT NOT NULL, allowed TEXT NOT NULL
) STRICT;
CREATE TABLE releases (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL,
    symbol TEXT NOT NULL, released INTEGER NOT NULL
) STRICT;
CREATE TABLE operators (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    command TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT;
";

const SECOND: &str = "
ALTER TABLE fills ADD COLUMN kind TEXT NOT NULL DEFAULT 'trade';
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, env TEXT NOT NULL, table_name TEXT NOT NULL, row_id INTEGER NOT NULL,
    digest TEXT NOT NULL, UNIQUE (table_name, row_id)
) STRICT;
CREATE TRIGGER meta_env_no_update BEFORE UPDATE ON meta WHEN OLD.key = 'env'
BEGIN SELECT RAISE(ABORT, 'a ledger never changes hands'); END;
CREATE TRIGGER meta_env_no_delete BEFORE DELETE ON meta WHEN OLD.key = 'env'
BEGIN SELECT RAISE(ABORT, 'a ledger never changes hands'); END;
";

/// What the venue's log of transactions had more than our books, where that was known.
const THIRD: &str = "
CREATE TABLE residuals (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    realised TEXT, fees TEXT, funding TEXT
) STRICT;
";

/// What an intent attached for protection; the venue's own time of executions and id of funding; whose trade it was; stops
/// that a person took away; and how far paper and the venue differed in a run, an observation that is not chained.
const FOURTH: &str = "
ALTER TABLE intents ADD COLUMN stop TEXT;
ALTER TABLE intents ADD COLUMN take_profit TEXT;
ALTER TABLE fills ADD COLUMN executed INTEGER;
ALTER TABLE fills ADD COLUMN theirs INTEGER;
ALTER TABLE funding ADD COLUMN exec_id TEXT;
ALTER TABLE funding ADD COLUMN executed INTEGER;
ALTER TABLE funding ADD COLUMN theirs INTEGER;
CREATE TABLE waivers (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL,
    symbol TEXT NOT NULL, waived INTEGER NOT NULL
) STRICT;
CREATE TABLE shadows (
    run TEXT PRIMARY KEY REFERENCES runs(run), env TEXT NOT NULL, at INTEGER NOT NULL, orders INTEGER NOT NULL,
    filled_here TEXT, filled_paper TEXT, worse_bps TEXT, paper_pnl TEXT NOT NULL
) STRICT;
";

/// What a person asked to flatten.
const FIFTH: &str = "
CREATE TABLE flattens (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL,
    symbol TEXT NOT NULL, wanted INTEGER NOT NULL
) STRICT;
";

/// Every state of the rows that change ([`super::states`]).
const SIXTH: &str = "
CREATE TABLE states (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, env TEXT NOT NULL, table_name TEXT NOT NULL, row_key TEXT NOT NULL,
    says TEXT
) STRICT;
CREATE INDEX states_rows ON states (table_name, row_key);
";

/// Empty ledgers in memory, by their stamp: making one takes some eighty statements, copying one takes a moment, and backtests
/// and the fault simulation need one each time.
static EMPTY: Mutex<BTreeMap<String, Connection>> = Mutex::new(BTreeMap::new());

/// A new ledger in memory, of this build's schema.
pub(super) fn new_in_memory(stamp: &str) -> Result<Connection, rusqlite::Error> {
    let mut empty = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    if !empty.contains_key(stamp) {
        let mut first = Connection::open_in_memory()?;
        migrate(&mut first, 0, stamp)?;
        empty.insert(stamp.to_owned(), first);
    }
    let mut connection = Connection::open_in_memory()?;
    let copied = match empty.get(stamp) {
        Some(first) => Backup::new(first, &mut connection)?.step(-1)? == StepResult::Done,
        None => false,
    };
    if !copied {
        migrate(&mut connection, 0, stamp)?;
    }
    Ok(connection)
}

/// Brings a connection's schema up to this build's, in one transaction, and chains what is not chained yet.
pub(super) fn migrate(connection: &mut Connection, from: i64, stamp: &str) -> Result<(), rusqlite::Error> {
    let txn = connection.transaction()?;
    for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        txn.execute_batch(step.tables)?;
        add_triggers(&txn, step)?;
    }
    if from == 0 {
        txn.pragma_update(None, "application_id", APPLICATION_ID)?;
        txn.execute("INSERT INTO meta (key, value) VALUES ('env', ?1)", [stamp])?;
    }
    if from < STATES_SINCE {
        states::note_all(&txn)?;
    }
    Chain::load(&txn)?.sealed(&txn)?;
    txn.pragma_update(None, "user_version", SCHEMA)?;
    txn.commit()
}

fn add_triggers(txn: &Transaction<'_>, step: &Migration) -> Result<(), rusqlite::Error> {
    for table in step.facts {
        for change in ["UPDATE", "DELETE"] {
            txn.execute_batch(&format!(
                "CREATE TRIGGER {table}_no_{} BEFORE {change} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END;",
                change.to_lowercase()
            ))?;
        }
    }
    for table in step.guarded {
        txn.execute_batch(&format!(
            "CREATE TRIGGER {table}_env BEFORE INSERT ON {table}
             WHEN NEW.env IS NOT (SELECT value FROM meta WHERE key = 'env')
             BEGIN SELECT RAISE(ABORT, 'a row of another market or account'); END;"
        ))?;
    }
    Ok(())
}
