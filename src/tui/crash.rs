//! What a panic does. On the cockpit's thread: give the terminal back and write a report. On any other thread: write the
//! report, remember it for the run, and leave the terminal alone, because the cockpit goes on drawing on it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::link::CockpitEnd;
use super::term;
use crate::engine::snapshot::Snapshot;

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
        let message = message_of(info);
        let snapshot = end.newest();
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        let text = report(&name, &message, &backtrace, snapshot.as_deref());
        let _ = write_report(&report_path(&data_dir, snapshot.as_deref()), &text);
        if !ours {
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
        let _ = writeln!(text, "{notice}");
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
    use crate::tui::link::link;

    #[test]
    fn a_panic_elsewhere_is_reported_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let (cockpit, _engine) = link();
        install(dir.path().to_owned(), cockpit);
        let joined = thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("boom {}", 7)).unwrap().join();
        uninstall();
        assert!(joined.is_err());
        let foreign = take_foreign_panics();
        assert!(foreign.iter().any(|p| p.thread == "worker" && p.message.starts_with("boom 7 at ")), "{foreign:?}");
        let path = report_path(dir.path(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("boom 7") && text.contains("thread: worker") && text.contains("no snapshot yet"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
