//! The latch marker: a small file beside the ledger that keeps a kill or trip alive when the ledger cannot.
//!
//! Either one, ledger or marker, is enough to start latched. A marker that cannot be read counts as a kill.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::LedgerError;
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::time::Ts;

/// Longest marker that is read: ours are a few hundred bytes.
const MARKER_BYTES_MAX: u64 = 64 * 1024;
/// So long does a writer wait for the one before it: longer takes only one whose disk hangs, or that was stopped.
const TURN_WITHIN: Duration = Duration::from_secs(1);
/// Names that are tried for a marker in the making, each of which only one writer can have.
const FRESH_NAMES: u32 = 64;

/// `latched.simulated` beside `simulated.sqlite`.
pub(super) fn path_beside(ledger: &Path, pair: Pair) -> PathBuf {
    ledger.with_file_name(format!("latched.{}", pair.name()))
}

/// Latches an account past its ledger, because that or its engine is slow or gone: the next start finds the marker. A newer
/// kill stays; an older one gives way, so that a lift that still waits for a slow disk lifts only what it is about.
pub fn mark_latched(ledger: &Path, pair: Pair, latch: &Latch) -> Result<(), LedgerError> {
    change(&path_beside(ledger, pair), |found| marker_after(found, [(latch.at, Some(latch))]))
}

/// Changes a marker by what is in it, one writer at a time: engine, watchdog and `tickdeck kill` may all be at it, and none may
/// undo what another one wrote between its look and its pen. Who gets no turn writes a kill all the same, and nothing else over
/// what is there.
pub(super) fn change(path: &Path, after: impl Fn(Option<Latch>) -> Option<Latch>) -> Result<(), LedgerError> {
    let turn = Turn::take(path);
    let refuse = |verb| {
        let why = "another writer does not come to an end".to_owned();
        Err(LedgerError::Marker { path: path.to_owned(), verb, why })
    };
    loop {
        let found = read(path);
        let marker = after(found.clone());
        // Somebody may have killed without a turn while the disk was slow.
        let as_found = || read(path) == found;
        let done = match &marker {
            _ if marker == found => true,
            None if turn.is_anothers() => return refuse("removed"),
            Some(latch) if turn.is_anothers() && found.is_some() && !latch.is_kill() => return refuse("written"),
            None => as_found() && remove(path).map(|()| true)?,
            Some(latch) => write(path, latch, as_found)?,
        };
        if done {
            return Ok(());
        }
    }
}

/// A turn among the writers of a folder's markers, until it is dropped.
enum Turn {
    /// Nobody else writes.
    Ours(File),
    /// This folder cannot be locked: writers do not know of each other.
    Nobodys,
    /// It did not come.
    Anothers,
}

impl Turn {
    fn take(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (Ok(folder), since) = (File::open(folder), Instant::now()) else { return Self::Nobodys };
        loop {
            match folder.try_lock() {
                Ok(()) => return Self::Ours(folder),
                Err(TryLockError::Error(_)) => return Self::Nobodys,
                Err(TryLockError::WouldBlock) if since.elapsed() >= TURN_WITHIN => return Self::Anothers,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    const fn is_anothers(&self) -> bool {
        matches!(self, Self::Anothers)
    }
}

impl Drop for Turn {
    /// Said aloud: a process that is begun at this moment would keep the lock until it runs its own program.
    fn drop(&mut self) {
        if let Self::Ours(folder) = self {
            drop(folder.unlock());
        }
    }
}

/// A latch on its way to the marker, on a thread of its own: a disk that hangs holds up nothing else.
pub struct Latching(Receiver<Result<(), String>>);

impl Latching {
    /// Begins to write it, see [`mark_latched`].
    pub fn start(ledger: PathBuf, pair: Pair, latch: Latch) -> Self {
        let (tells, told) = sync_channel(1);
        // A thread that cannot be made drops its end, and that is told.
        drop(std::thread::Builder::new().name("latch".into()).spawn(move || {
            // Nobody may wait for the answer.
            tells.send(mark_latched(&ledger, pair, &latch).map_err(|error| error.to_string())).ok();
        }));
        Self(told)
    }

    /// Waits for it, but no longer than this.
    pub fn ends(&self, within: Duration) -> Result<(), String> {
        let late = |_| Err(format!("it was not written within {} s", within.as_secs()));
        self.0.recv_timeout(within).unwrap_or_else(late)
    }
}

/// The latch that others left beside a ledger, if there is one.
pub fn marked(ledger: &Path, pair: Pair) -> Option<Latch> {
    read(&path_beside(ledger, pair))
}

/// What a marker says once these changes of the latch, oldest first, are in the ledger. Changes that waited for a slow disk
/// undo no kill that others marked meanwhile: a trip replaces no kill, an older kill no newer one, and a lift lifts nothing
/// that is newer than itself.
pub fn marker_after<'a>(
    marker: Option<Latch>,
    changes: impl IntoIterator<Item = (Ts, Option<&'a Latch>)>,
) -> Option<Latch> {
    changes.into_iter().fold(marker, |marker, (at, change)| match change {
        Some(latch) => marker
            .filter(Latch::is_kill)
            .filter(|kill| !latch.is_kill() || kill.at >= latch.at)
            .or_else(|| Some(latch.clone())),
        None => marker.filter(|marked| marked.at > at),
    })
}

/// The latch in the marker, if there is a marker.
pub(super) fn read(path: &Path) -> Option<Latch> {
    let unreadable = |why: String| {
        let how = format!("the latch marker {} cannot be read ({why})", path.display());
        Some(Latch { cause: LatchCause::Killed(how), at: Ts(0) })
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return unreadable(error.to_string()),
        Ok(meta) if meta.len() > MARKER_BYTES_MAX => return unreadable(format!("{} bytes", meta.len())),
        Ok(_) => {}
    }
    match fs::read_to_string(path).map_err(|e| e.to_string()) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(latch) => Some(latch),
            Err(error) => unreadable(error.to_string()),
        },
        Err(error) => unreadable(error),
    }
}

/// Writes the marker so that it survives a power loss, unless it is not `as_found` any more when it is about to be replaced.
fn write(path: &Path, latch: &Latch, as_found: impl Fn() -> bool) -> Result<bool, LedgerError> {
    let failed = |why: String| LedgerError::Marker { path: path.to_owned(), verb: "written", why };
    let text = serde_json::to_string_pretty(latch).map_err(|e| failed(e.to_string()))?;
    let written = fresh_beside(path).and_then(|(fresh, mut file)| {
        let made = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let moved = match made {
            Ok(()) if !as_found() => Ok(false),
            made => made.and_then(|()| fs::rename(&fresh, path)).map(|()| true),
        };
        if !matches!(moved, Ok(true)) {
            // What is left of it would only lie there.
            fs::remove_file(&fresh).ok();
        }
        moved.and_then(|moved| sync_folder(path).map(|()| moved))
    });
    // A marker that exists latches whatever it says: an imperfect one is better than none, and one that is there already is
    // better than what a full disk would make of it.
    match written {
        Err(error) if path.exists() => Err(failed(error.to_string())),
        Err(_) => imperfect(path, &text).map(|()| true).map_err(|e| failed(e.to_string())),
        Ok(written) => Ok(written),
    }
}

/// What a disk takes of a marker where it does not take a whole one.
fn imperfect(path: &Path, text: &str) -> std::io::Result<()> {
    private(path)?.write_all(text.as_bytes())
}

/// A new file that only its owner may read.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Removes the marker.
fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path).and_then(|()| sync_folder(path)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LedgerError::Marker { path: path.to_owned(), verb: "removed", why: error.to_string() }),
    }
}

/// A file beside a marker that nobody else writes: engine, watchdog and `tickdeck kill` may latch at the same moment.
fn fresh_beside(path: &Path) -> std::io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut last = std::io::Error::from(ErrorKind::AlreadyExists);
    for number in 0..FRESH_NAMES {
        let fresh = path.with_file_name(format!("{name}.{number}.new"));
        match private(&fresh) {
            Ok(file) => return Ok((fresh, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Account;

    #[test]
    fn a_marker_comes_back_and_a_damaged_one_counts_as_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_beside(&folder.path().join("simulated.sqlite"), Pair::SIMULATED);
        assert!(path.ends_with("latched.simulated"));
        assert_eq!(read(&path), None);
        let latch = Latch { cause: LatchCause::Fault("tape".into()), at: Ts(5) };
        assert!(write(&path, &latch, || true).unwrap());
        assert_eq!(read(&path), Some(latch));
        fs::write(&path, "half a ma").unwrap();
        assert!(read(&path).is_some_and(|l| l.is_kill()));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path), None);
    }

    #[test]
    fn of_two_kills_the_first_cause_holds() {
        let killed = |how: &str, at| Some(Latch { cause: LatchCause::Killed(how.into()), at: Ts(at) });
        let holds = super::super::latch_that_holds;
        assert_eq!(holds(killed("later", 9), killed("first", 5)), killed("first", 9), "a lift is about the last");
        assert_eq!(holds(killed("first", 5), killed("later", 9)), killed("first", 9));
        assert_eq!(holds(killed("unreadable", 0), killed("first", 5)), killed("first", 5));
        let trip = Some(Latch { cause: LatchCause::Fault("tape".into()), at: Ts(9) });
        assert_eq!(holds(killed("first", 5), trip.clone()), killed("first", 5), "a trip is no kill");
        assert_eq!((holds(trip.clone(), None), holds(None, None)), (trip, None));
    }

    #[test]
    fn many_that_latch_at_once_leave_one_whole_marker_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("x.sqlite");
        let (one, other) = (Pair::bybit(Account::Testnet), Pair::bybit(Account::DemoAccount));
        // What a writer left that was killed in the middle is in nobody's way.
        fs::write(folder.path().join("latched.testnet.0.new"), "half a ma").unwrap();
        std::thread::scope(|scope| {
            for number in 0..16_i64 {
                let (ledger, pair) = (&ledger, if number % 2 == 0 { one } else { other });
                // Of unlike lengths: two in one file would not be readable.
                let cause = LatchCause::Fault("x".repeat(usize::try_from(number * 500).unwrap()));
                let latch = Latch { cause, at: Ts(number) };
                // A slow disk may leave one of them without a turn.
                scope.spawn(move || (0..20).for_each(|_| drop(mark_latched(ledger, pair, &latch))));
            }
        });
        for pair in [one, other] {
            assert!(matches!(marked(&ledger, pair).unwrap().cause, LatchCause::Fault(_)));
        }
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn a_kill_is_undone_by_nobody_who_looked_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, pair) = (folder.path().join("x.sqlite"), Pair::bybit(Account::Testnet));
        let kill = Latch { cause: LatchCause::Killed("test".into()), at: Ts(1_000) };
        for round in 0..50 {
            std::thread::scope(|scope| {
                for number in 0..3_i64 {
                    let (ledger, latch) =
                        (&ledger, Latch { cause: LatchCause::Fault(number.to_string()), at: Ts(number) });
                    // A slow disk may leave one of them without a turn.
                    scope.spawn(move || (0..3).for_each(|_| drop(mark_latched(ledger, pair, &latch))));
                }
                scope.spawn(|| change(&path_beside(&ledger, pair), |found| marker_after(found, [(Ts(500), None)])));
                scope.spawn(|| mark_latched(&ledger, pair, &kill).unwrap());
            });
            assert_eq!(marked(&ledger, pair), Some(kill.clone()), "round {round}");
            remove(&path_beside(&ledger, pair)).unwrap();
        }
    }

    #[test]
    fn who_gets_no_turn_kills_and_changes_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, pair) = (folder.path().join("x.sqlite"), Pair::bybit(Account::Testnet));
        let latch = |cause: LatchCause, at| Latch { cause, at: Ts(at) };
        let (trip, kill) = (latch(LatchCause::Fault("tape".into()), 5), latch(LatchCause::Killed("test".into()), 6));
        let holder = File::open(folder.path()).unwrap();
        holder.lock().unwrap();
        mark_latched(&ledger, pair, &trip).unwrap();
        assert!(mark_latched(&ledger, pair, &latch(LatchCause::Fault("other".into()), 7)).is_err());
        let lift = || change(&path_beside(&ledger, pair), |_| None);
        assert!(lift().unwrap_err().to_string().contains("removed"));
        assert_eq!(marked(&ledger, pair), Some(trip));
        mark_latched(&ledger, pair, &kill).unwrap();
        assert_eq!(marked(&ledger, pair), Some(kill));
        drop(holder);
        lift().unwrap();
        assert_eq!(marked(&ledger, pair), None);
    }

    #[test]
    fn a_lift_lifts_nothing_that_is_newer_than_itself() {
        let fence = Latch { cause: LatchCause::Fault("the watchdog".into()), at: Ts(7) };
        let lift = |at| marker_after(Some(fence.clone()), [(Ts(at), None)]);
        assert_eq!((lift(6), lift(7)), (Some(fence.clone()), None));
    }

    #[test]
    fn a_latch_that_cannot_be_written_says_so() {
        let latch = Latch { cause: LatchCause::Killed("test".into()), at: Ts(5) };
        let nowhere = PathBuf::from("/nowhere/at/all/x.sqlite");
        let written = Latching::start(nowhere, Pair::bybit(Account::Paper), latch).ends(Duration::from_secs(60));
        assert!(written.unwrap_err().contains("/nowhere/at/all/latched.paper"));
    }

    #[test]
    fn of_two_kills_the_newer_one_is_marked_and_a_trip_replaces_neither() {
        let folder = tempfile::tempdir().unwrap();
        let (path, pair) = (folder.path().join("x.sqlite"), Pair::bybit(Account::Testnet));
        let kill = |at| Latch { cause: LatchCause::Killed("test".into()), at: Ts(at) };
        let trip = Latch { cause: LatchCause::Fault("tape".into()), at: Ts(9) };
        for (latch, marks) in
            [(trip.clone(), trip.clone()), (kill(5), kill(5)), (kill(7), kill(7)), (kill(6), kill(7)), (trip, kill(7))]
        {
            mark_latched(&path, pair, &latch).unwrap();
            assert_eq!(marked(&path, pair), Some(marks));
        }
    }
}
