//! Opening a ledger: folder and file modes, one process per file, refusing what cannot be trusted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::audit::Chain;
use super::lock::{self, Lock, LockError};
use super::schema::{self, APPLICATION_ID, SCHEMA, STAMPED};
use super::{LedgerError, marker, states};
use crate::engine::ids::{Pair, RunId};
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::time::Ts;

/// How long a statement waits for a reader that holds the file.
const BUSY: std::time::Duration = std::time::Duration::from_secs(2);

/// An open ledger of one market and account. This process is the only one that writes it.
#[derive(Debug)]
pub struct Ledger {
    pub(super) connection: Connection,
    pub(super) pair: Pair,
    pub(super) stamp: String,
    /// Instrument names by [`crate::engine::ids::Symbol`], from `restore`.
    pub(super) names: Vec<String>,
    pub(super) run: Option<RunId>,
    /// Run and number of the orders of earlier runs that this run took up, in its own numbers from 1.
    pub(super) earlier: Vec<(String, u64)>,
    pub(super) marker: Option<PathBuf>,
    /// Where the audit chain stands.
    pub(super) chain: Chain,
    /// Set in the stand-in for a ledger that could not be read.
    pub(super) stand_in: Option<Latch>,
    /// Where the file must still be.
    pub(super) place: Option<Place>,
    /// Keeps other engines from this file.
    #[expect(dead_code, reason = "held, not read")]
    lock: Option<Lock>,
}

/// A ledger, or a stand-in that keeps the account killed.
#[derive(Debug)]
pub struct Opened {
    /// The ledger. The stand-in restores a kill latch, refuses to lift it and refuses intents that open risk.
    pub ledger: Ledger,
    /// Why it is a stand-in and what to do, for the person.
    pub trouble: Option<String>,
}

impl Ledger {
    /// Opens or creates the ledger of `pair`. Refuses another pair's file, a newer schema, a damaged file and a file in
    /// use. Folder mode becomes 0700 when created here, file mode 0600.
    pub fn open(path: &Path, pair: Pair) -> Result<Self, LedgerError> {
        let unopenable =
            |error: std::io::Error| LedgerError::Unopenable { path: path.to_owned(), why: error.to_string() };
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            private_folder(folder).map_err(unopenable)?;
        }
        let lock = Lock::take(&lock_path(path)).map_err(|error| match error {
            LockError::Held(pid) => {
                let holder = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
                LedgerError::InUse { path: path.to_owned(), holder }
            }
            LockError::Failed(error) => {
                LedgerError::Unopenable { path: path.to_owned(), why: format!("cannot lock it: {error}") }
            }
        })?;
        create_private_file(path).map_err(unopenable)?;
        let mut connection = connect(path).map_err(|e| unreadable(path, &e))?;
        check(&connection, path, pair)?;
        prepare(&connection).map_err(|e| unreadable(path, &e))?;
        let from = version(&connection, path)?;
        if from < SCHEMA {
            keep_copy(&connection, path, from)?;
            schema::migrate(&mut connection, from, &pair.stamp()).map_err(|e| unreadable(path, &e))?;
        }
        states::note_changes(&connection).map_err(|e| unreadable(path, &e))?;
        let chain = Chain::load(&connection).map_err(|e| unreadable(path, &e))?;
        let place = Place::of(path).map_err(unopenable)?;
        let marker = Some(marker::path_beside(path, pair));
        Ok(Self { marker, place: Some(place), lock: Some(lock), ..Self::over(connection, pair, chain) })
    }

    /// A ledger that lives as long as the process: for backtests, which must not touch any other ledger.
    pub fn in_memory(pair: Pair) -> Result<Self, LedgerError> {
        let connection = schema::new_in_memory(&pair.stamp())?;
        states::note_changes(&connection)?;
        Ok(Self::over(connection, pair, Chain::default()))
    }

    /// Opens the ledger; one that cannot be read becomes a stand-in whose account is killed. A ledger in use or a folder
    /// that cannot be written is an error: there is nothing to run on.
    pub fn open_or_killed(path: &Path, pair: Pair, now: Ts) -> Result<Opened, LedgerError> {
        let trouble = match Self::open(path, pair) {
            Ok(ledger) => return Ok(Opened { ledger, trouble: None }),
            Err(error @ (LedgerError::InUse { .. } | LedgerError::Unopenable { .. })) => return Err(error),
            Err(error) => error.to_string(),
        };
        let mut ledger = Self::in_memory(pair)?;
        ledger.marker = Some(marker::path_beside(path, pair));
        let cause = LatchCause::Killed(format!("ledger unreadable: {trouble}"));
        ledger.stand_in = Some(Latch { cause, at: now });
        Ok(Opened { ledger, trouble: Some(trouble) })
    }

    /// Writes everything to a new file, with mode 0600: how a backtest keeps the ledger it had in memory.
    pub fn save_copy(&self, to: &Path) -> Result<(), LedgerError> {
        let failed = |why: String| LedgerError::File(format!("cannot write the ledger {}: {why}", to.display()));
        if fs::metadata(to).is_ok_and(|meta| meta.len() > 0) {
            return Err(failed("it exists".to_owned()));
        }
        create_private_file(to).map_err(|e| failed(e.to_string()))?;
        let path = to.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
        self.connection.execute("VACUUM INTO ?1", [path]).map_err(|e| failed(e.to_string()))?;
        Ok(())
    }

    /// The market and account whose money this is.
    pub const fn pair(&self) -> Pair {
        self.pair
    }

    /// Without a file.
    fn over(connection: Connection, pair: Pair, chain: Chain) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self {
            connection,
            pair,
            stamp: pair.stamp(),
            names: Vec::new(),
            run: None,
            earlier: Vec::new(),
            marker: None,
            chain,
            stand_in: None,
            place: None,
            lock: None,
        }
    }
}

/// Statements that stay prepared. A commit runs through more of them than are kept by default, and in turns: it would
/// prepare every one of them anew.
const STATEMENTS: usize = 128;

/// The file of an open ledger: what is written into one that was removed is written nowhere.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    identity: Identity,
    /// The write-ahead log, where there is one: newest rows are in it alone.
    log: Option<PathBuf>,
}

impl Place {
    fn of(path: &Path) -> std::io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = Some(PathBuf::from(log)).filter(|log| log.exists());
        Ok(Self { path: path.to_owned(), identity: identity(&fs::metadata(path)?), log })
    }

    /// Is it still the file that was opened?
    pub fn check(&self) -> Result<(), LedgerError> {
        let same = fs::metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.identity);
        let whole = self.log.as_ref().is_none_or(|log| log.exists());
        if same && whole { Ok(()) } else { Err(LedgerError::Gone { path: self.path.clone() }) }
    }
}

/// Device and number of a file, where the system has them.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(meta: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    (0, 0)
}

/// Copies an older ledger beside itself (`paper.sqlite.v1.bak`, mode 0600) before its schema moves on.
fn keep_copy(connection: &Connection, path: &Path, from: i64) -> Result<(), LedgerError> {
    if from == 0 {
        return Ok(());
    }
    let failed = |why: String| LedgerError::Unopenable { path: path.to_owned(), why: format!("no copy of it: {why}") };
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".v{from}.{ending}"));
        PathBuf::from(name)
    };
    let (fresh, copy) = (beside("new"), beside("bak"));
    let written = (|| {
        // What an earlier try left; the ledger itself was not changed by it.
        if fresh.exists() {
            fs::remove_file(&fresh)?;
        }
        create_private_file(&fresh)?;
        let name = fresh.to_str().ok_or_else(|| std::io::Error::other("its name is not UTF-8"))?;
        connection.execute("VACUUM INTO ?1", [name]).map_err(std::io::Error::other)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &copy)
    })();
    written.map_err(|error| failed(error.to_string()))
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Makes every commit survive a power loss. Only after `check`: this writes to the file.
fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Is this file ours, whole, of this pair, and not from the future? An empty file is a new ledger.
fn check(connection: &Connection, path: &Path, pair: Pair) -> Result<(), LedgerError> {
    let damaged = |why: String| LedgerError::Unreadable { path: path.to_owned(), why };
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|e| unreadable(path, &e))?;
    if verdict != "ok" {
        return Err(damaged(verdict));
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(());
    }
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(damaged("it is a database of another program".to_owned()));
    }
    let found = version(connection, path)?;
    if found > SCHEMA {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    let env: String = connection
        .query_row("SELECT value FROM meta WHERE key = 'env'", [], |row| row.get(0))
        .map_err(|e| damaged(format!("it does not say whose it is ({e})")))?;
    if env != pair.stamp() {
        return Err(LedgerError::OtherPair { path: path.to_owned(), found: env, wanted: pair.stamp() });
    }
    check_rows(connection, path, &env, found)
}

/// Is every row about the money that the file says it is about?
fn check_rows(connection: &Connection, path: &Path, env: &str, schema: i64) -> Result<(), LedgerError> {
    for table in STAMPED.iter().filter(|table| schema > 1 || **table != "audit") {
        let sql = format!("SELECT env FROM {table} WHERE env <> ?1 LIMIT 1");
        let strange: Option<String> =
            connection.query_row(&sql, [env], |row| row.get(0)).optional().map_err(|e| unreadable(path, &e))?;
        if let Some(strange) = strange {
            return Err(LedgerError::OtherPair {
                path: path.to_owned(),
                found: format!("{strange} (a row of {table})"),
                wanted: env.to_owned(),
            });
        }
    }
    Ok(())
}

fn version(connection: &Connection, path: &Path) -> Result<i64, LedgerError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| unreadable(path, &e))
}

/// A passing condition stays what it is; anything else means the file cannot be trusted.
pub(super) fn unreadable(path: &Path, error: &rusqlite::Error) -> LedgerError {
    use rusqlite::ErrorCode as Code;
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(
            Code::CannotOpen | Code::PermissionDenied | Code::DatabaseBusy | Code::DatabaseLocked | Code::DiskFull,
        ) => LedgerError::Unopenable { path: path.to_owned(), why },
        _ => LedgerError::Unreadable { path: path.to_owned(), why },
    }
}

/// Does a running engine hold this ledger, and which process is it, where that is known?
pub fn holder(path: &Path) -> Option<String> {
    lock::holder(&lock_path(path))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Creates the file with mode 0600, or takes the rights of others away from an older one.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    let file = lock::private_file(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Creates a folder (and those above it) with mode 0700; an existing one is left as it is.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}
