//! What a panic does. On the cockpit's thread: give the terminal back and write a report. On any other thread: write the
//! report, remember it for the run, and leave the terminal alone, because the cockpit goes on drawing on it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::link::CockpitEnd;
use super::term;
use crate::engine::snapshot::Snapshot;
use crate::redact::redacted;

/// Panics remembered for the run; the first ones matter.
const FOREIGN_MAX: usize = 16;
/// Events in a report.
const NOTICES: usize = 200;

/// A panic of another thread while the cockpit was up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignPanic {
    /// Name of the thread.
    pub thread: String,
    /// Message and place.
    pub message: String,
}

static FOREIGN: Mutex<Vec<ForeignPanic>> = Mutex::new(Vec::new());

thread_local! {
    static FORGIVEN: Cell<bool> = const { Cell::new(false) };
}

/// Does work of others that may panic, such as a network in a file that somebody else made: the report is written, and nobody
/// trips on it, because whoever calls this knows what a panic means there.
pub fn forgiving<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    FORGIVEN.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    FORGIVEN.set(false);
    done
}

/// Panics of other threads since the last call. The run trips the engine on them.
pub fn take_foreign_panics() -> Vec<ForeignPanic> {
    std::mem::take(&mut *FOREIGN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Installs the policy for panics; the calling thread counts as the cockpit's.
pub fn install(data_dir: PathBuf, end: CockpitEnd) {
    let cockpit = thread::current().id();
    set_hook(Box::new(move |info| {
        let current = thread::current();
        let ours = current.id() == cockpit;
        if ours {
            term::restore_now();
        }
        let name = current.name().unwrap_or("unnamed").to_owned();
        let message = redacted(&message_of(info));
        let snapshot = end.newest();
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        let text = report(&name, &message, &backtrace, snapshot.as_deref());
        let _ = write_report(&report_path(&data_dir, snapshot.as_deref()), &text);
        if !ours && !FORGIVEN.get() {
            let mut list = FOREIGN.lock().unwrap_or_else(PoisonError::into_inner);
            if list.len() < FOREIGN_MAX {
                list.push(ForeignPanic { thread: name, message });
            }
        }
    }));
}

/// Back to the standard hook. Must not be called while panicking.
pub fn uninstall() {
    drop(take_hook());
}

fn message_of(info: &PanicHookInfo<'_>) -> String {
    let text = info
        .payload()
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| info.payload().downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    info.location().map_or_else(|| text.clone(), |place| format!("{text} at {place}"))
}

/// `crash-<run>.txt` in the data directory.
pub fn report_path(data_dir: &Path, snapshot: Option<&Snapshot>) -> PathBuf {
    let run = snapshot.map_or("unknown", |s| s.session.run.as_str());
    let safe: String = run.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    data_dir.join(format!("crash-{safe}.txt"))
}

fn report(thread: &str, message: &str, backtrace: &str, snapshot: Option<&Snapshot>) -> String {
    let mut text = format!("tickdeck {}\nthread: {thread}\n{message}\n\n{backtrace}\n", env!("CARGO_PKG_VERSION"));
    let Some(snapshot) = snapshot else {
        text.push_str("no snapshot yet\n");
        return text;
    };
    text.push_str("last events, newest first:\n");
    for notice in snapshot.notices.iter().rev().take(NOTICES) {
        let _ = writeln!(text, "{}", redacted(&notice.to_string()));
    }
    let json = serde_json::to_string(snapshot).unwrap_or_else(|e| format!("not serialisable: {e}"));
    let _ = writeln!(text, "\nsnapshot:\n{json}");
    text
}

/// Appends to a file that only its owner may read.
fn write_report(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Restored;
    use crate::engine::ids::{Pair, RunId};
    use crate::engine::notice::{Kind, Level, Notice};
    use crate::engine::snapshot::View;
    use crate::engine::time::Ts;
    use crate::tui::link::link;

    /// The hook is the process's: one test at a time has it.
    static HOOK: Mutex<()> = Mutex::new(());

    #[test]
    fn a_panic_elsewhere_is_reported_and_remembered() {
        let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let (cockpit, _engine) = link();
        install(dir.path().to_owned(), cockpit);
        let joined = thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("boom {}", 7)).unwrap().join();
        let forgiven = thread::spawn(|| forgiving(|| panic!("somebody else's"))).join().unwrap();
        uninstall();
        assert!(joined.is_err() && forgiven.is_err());
        let foreign = take_foreign_panics();
        assert!(foreign.iter().any(|p| p.thread == "worker" && p.message.starts_with("boom 7 at ")), "{foreign:?}");
        assert!(foreign.iter().all(|p| !p.message.contains("somebody else's")), "{foreign:?}");
        let path = report_path(dir.path(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("boom 7") && text.contains("thread: worker") && text.contains("no snapshot yet"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_report_has_the_last_events_newest_first_and_no_secret() {
        let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let notice = |id, text: &str| Notice {
            id,
            at: Ts::from_ms(1_763_800_000_000),
            level: Level::Info,
            kind: Kind::Account,
            symbol: None,
            text: text.to_owned(),
            denial: None,
        };
        let restored = Restored::empty(RunId::new(1_763_800_000_000, 9), Pair::SIMULATED);
        let mut picture = crate::engine::Engine::new(&restored).snapshot(View::default());
        picture.notices = vec![notice(1, "the older"), notice(2, "the newer, with crash-secret-0815")];
        crate::redact::remember("crash-secret-0815");
        let dir = tempfile::tempdir().unwrap();
        let (cockpit, engine) = link();
        let path = report_path(dir.path(), Some(&picture));
        engine.publish(picture);
        install(dir.path().to_owned(), cockpit);
        let fell = thread::spawn(|| panic!("cannot sign with crash-secret-0815")).join();
        uninstall();
        drop((fell.unwrap_err(), take_foreign_panics()));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, events) = text.split_once("last events, newest first:\n").unwrap();
        let (events, _) = events.split_once("\nsnapshot:\n").unwrap();
        assert!(events.find("the newer") < events.find("the older") && events.contains("the older"), "{events}");
        assert!(text.contains("cannot sign with [hidden]") && !events.contains("crash-secret"), "{text}");
    }
}
