//! Checks of this machine: configuration, data directory, ledgers, terminal, models.

use std::path::Path;

use super::Finding;
use crate::config::{Config, ConfigError, KEYS, Loaded};
use crate::engine::ids::{Account, Pair};
use crate::engine::time::Ts;
use crate::ledger::{Ledger, Reader};
use crate::model::scan_with;
use crate::run::files::{Files, make};
use crate::tape::free_bytes;
use crate::tui::layout::COMPACT;
use crate::tui::theme::{ColorChoice, ColorDepth};

const GIB: u64 = 1 << 30;

/// Is the configuration sound?
pub fn config(files: &Files, loaded: Result<&Loaded, &ConfigError>, now: Ts) -> Vec<Finding> {
    let (path, _) = files.config();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let todo = if path.exists() {
                "correct it; nothing starts before"
            } else {
                "name a file that is there, or leave --config out: every key has a default"
            };
            let told = |problem: &crate::config::Problem| Finding::fail("configuration", problem.to_string(), todo);
            return error.problems.iter().map(told).collect();
        }
    };
    let place = if path.exists() { path.display().to_string() } else { format!("no file at {}", path.display()) };
    let set = format!("{place}; {} of {} keys are set", loaded.origins.len(), KEYS.len());
    let notes = loaded.config.notes(now).into_iter().map(|note| Finding::warn("configuration", note, ""));
    std::iter::once(Finding::ok("configuration", set)).chain(notes).collect()
}

/// The data directory: ours alone, writable, with room, and on a disk that keeps what it is told.
pub fn data_dir(files: &Files, config: &Config) -> Vec<Finding> {
    let dir = files.data_dir();
    if !dir.exists() {
        return vec![to_be_made(dir)];
    }
    vec![private(dir), room(dir, config.tape.min_free_gib), local(dir), keeps(dir)]
}

/// A directory that the first run makes, if it can.
fn to_be_made(dir: &Path) -> Finding {
    let above = dir.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
    let probe = above.join(format!(".tickdeck-doctor-{}", std::process::id()));
    match std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe)) {
        Ok(()) => Finding::skip("data directory", format!("{} is made by the first run", dir.display())),
        Err(error) => Finding::fail(
            "data directory",
            format!("{} cannot be made below {}: {error}", dir.display(), above.display()),
            "name another one: --data-dir",
        ),
    }
}

#[cfg(unix)]
fn private(dir: &Path) -> Finding {
    use std::os::unix::fs::MetadataExt as _;
    let check = "data directory";
    match std::fs::metadata(dir) {
        Err(error) => Finding::fail(check, format!("{}: {error}", dir.display()), "make it readable for this user"),
        Ok(about) if about.mode() & 0o077 != 0 => Finding::warn(
            check,
            format!("{} is open to others (mode {:04o})", dir.display(), about.mode() & 0o7777),
            format!("chmod 700 {}", dir.display()),
        ),
        Ok(_) => Finding::ok(check, format!("{}, this user's alone", dir.display())),
    }
}

#[cfg(not(unix))]
fn private(dir: &Path) -> Finding {
    Finding::ok("data directory", dir.display().to_string())
}

fn room(dir: &Path, min_free_gib: u32) -> Finding {
    match free_bytes(&dir.join("room")) {
        Err(error) => Finding::warn("disk space", format!("not known: {error}"), ""),
        Ok(free) => {
            let detail = format!("{:.1} GiB free", free as f64 / GIB as f64);
            if free < u64::from(min_free_gib).saturating_mul(GIB) {
                let todo = format!("nothing opens below tape.min_free_gib ({min_free_gib}): make room, or lower it");
                return Finding::fail("disk space", detail, todo);
            }
            Finding::ok("disk space", detail)
        }
    }
}

/// File systems over a network, by their number in `statfs(2)`: NFS, SMB, CIFS, SMB2, AFS, Ceph, 9P.
#[cfg(target_os = "linux")]
const NETWORKS: [u64; 7] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400, 0x0102_1997];

#[cfg(target_os = "linux")]
fn local(dir: &Path) -> Finding {
    match rustix::fs::statfs(dir) {
        Ok(about) if NETWORKS.contains(&(about.f_type as u64 & 0xFFFF_FFFF)) => Finding::fail(
            "file system",
            "the data directory lies on a network file system, where a ledger can be damaged",
            "keep it on a local disk: --data-dir",
        ),
        Ok(_) => Finding::ok("file system", "local"),
        Err(error) => Finding::skip("file system", format!("not known: {error}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn local(_: &Path) -> Finding {
    Finding::skip("file system", "its kind is not looked up on this system")
}

/// Makes a ledger in a folder of its own and removes it: write-ahead log, full sync and lock, as a run needs them.
fn keeps(dir: &Path) -> Finding {
    let check = "ledger storage";
    let folder = dir.join(format!(".doctor-{}", std::process::id()));
    let tried = make(&folder).map_err(|error| error.to_string()).and_then(|()| {
        let path = folder.join(Pair::SIMULATED.ledger_name());
        Ledger::open(&path, Pair::SIMULATED).map(drop).map_err(|error| error.to_string())
    });
    let removed = std::fs::remove_dir_all(&folder);
    match (tried, removed) {
        (Err(why), _) => Finding::fail(
            check,
            why,
            "tickdeck keeps no money's record there: make it writable, or name another --data-dir",
        ),
        (Ok(()), Err(error)) => {
            Finding::warn(check, format!("{} cannot be removed: {error}", folder.display()), "remove it")
        }
        (Ok(()), Ok(())) => Finding::ok(check, "a ledger can be made, locked and synced"),
    }
}

/// Every ledger that is there: can it be read, and is its account latched?
pub fn ledgers(files: &Files) -> Vec<Finding> {
    let accounts = [Account::Paper, Account::DemoAccount, Account::Testnet, Account::Live].map(Pair::bybit);
    let pairs = std::iter::once(Pair::SIMULATED).chain(accounts);
    let there = pairs.map(|pair| files.ledger(pair)).filter(|path| path.exists());
    there.map(|path| ledger(&path)).collect()
}

fn ledger(path: &Path) -> Finding {
    let check = format!("ledger {}", path.file_stem().unwrap_or_default().to_string_lossy());
    match Reader::open(path).and_then(|reader| reader.latch()) {
        Ok(None) => Finding::ok(check, "readable, not latched"),
        Ok(Some(latch)) => Finding::warn(
            check,
            format!("{} since {}: nothing opens", latch.cause, latch.at),
            "find out why, then reset it with R in its cockpit",
        ),
        Err(error) => {
            Finding::fail(check, format!("{error}; such an account counts as killed"), "restore it from a copy")
        }
    }
}

/// What is known of the terminal.
pub struct Terminal<'a> {
    /// Columns and rows; `None` without a terminal.
    pub size: Option<(u16, u16)>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The cockpit is to draw in ASCII.
    pub ascii: bool,
}

/// Can the cockpit be drawn here?
pub fn terminal(of: &Terminal<'_>) -> Vec<Finding> {
    let Some((width, height)) = of.size else {
        return vec![Finding::skip("terminal", "there is none here; `tickdeck run` needs none")];
    };
    let set = |name: &str| (of.variable)(name).filter(|value| !value.is_empty());
    let (least_width, least_height) = COMPACT;
    let size = format!("{width}x{height}");
    let mut found = vec![if width < least_width || height < least_height {
        Finding::warn(
            "terminal",
            size,
            format!("the cockpit needs {least_width}x{least_height}; below it shows a strip"),
        )
    } else {
        Finding::ok("terminal", if set("TMUX").is_some() { format!("{size}, in tmux") } else { size })
    }];
    found.push(match ColorDepth::detect(ColorChoice::Auto, |name| set(name)) {
        ColorDepth::Mono => {
            Finding::warn("colours", "none", "set TERM, or keep it so: the cockpit marks states without colour")
        }
        ColorDepth::Ansi16 => Finding::ok("colours", "16"),
        ColorDepth::Ansi256 => Finding::ok("colours", "256"),
        ColorDepth::True => Finding::ok("colours", "24 bit"),
    });
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let unicode = locale.to_lowercase().replace('-', "").contains("utf8");
    found.push(if of.ascii {
        Finding::ok("characters", "ASCII, as configured")
    } else if unicode {
        Finding::ok("characters", locale)
    } else {
        let locale = if locale.is_empty() { "no locale is set".to_owned() } else { format!("{locale} is not UTF-8") };
        Finding::warn("characters", locale, "set LANG to a UTF-8 locale, or use --glyphs ascii")
    });
    found
}

/// Are the installed models sound?
pub fn models(files: &Files, config: &Config) -> Vec<Finding> {
    let dir = files.models(config.model.dir.as_deref());
    let found = scan_with(&dir, &config.model.token);
    if found.is_empty() {
        let detail = format!("none in {}: nothing is entered", dir.display());
        return vec![Finding::warn("models", detail, "`tickdeck train` makes one; model.dir names their folder")];
    }
    let judged = found.into_iter().map(|model| match model {
        Ok(model) => Finding::ok("model", model.info().name.clone()),
        Err(error) => Finding::fail("model", error.to_string(), "remove or replace it; it does not run"),
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::Health;

    fn health(found: &[Finding]) -> Vec<Health> {
        found.iter().map(|finding| finding.health).collect()
    }

    #[test]
    fn terminals_are_judged_by_size_colour_and_characters() {
        let variable = |name: &str| match name {
            "TERM" => Some("xterm-256color".to_owned()),
            "LANG" => Some("de_DE.UTF-8".to_owned()),
            _ => None,
        };
        let good = Terminal { size: Some((120, 40)), variable: &variable, ascii: false };
        assert_eq!(health(&terminal(&good)), [Health::Ok; 3]);
        let bad = Terminal { size: Some((79, 24)), variable: &|_| None, ascii: false };
        assert_eq!(health(&terminal(&bad)), [Health::Warn; 3]);
        let none = Terminal { size: None, ..bad };
        assert_eq!(health(&terminal(&none)), [Health::Skip]);
    }

    #[test]
    fn a_data_directory_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let files = Files::find(None, Some(&data), |_| None).unwrap();
        let mut config = Config::default();
        config.tape.min_free_gib = 0;
        assert_eq!(health(&data_dir(&files, &config)), [Health::Skip], "nothing is made by looking");
        make(&data).unwrap();
        let found = data_dir(&files, &config);
        assert!(found.iter().all(|f| matches!(f.health, Health::Ok | Health::Skip)), "{found:?}");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
        config.tape.min_free_gib = u32::MAX;
        assert!(data_dir(&files, &config).iter().any(|f| f.check == "disk space" && f.health == Health::Fail));
    }

    #[test]
    fn ledgers_that_cannot_be_read_count_as_killed() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::find(None, Some(folder.path()), |_| None).unwrap();
        assert_eq!(ledgers(&files), []);
        drop(Ledger::open(&files.ledger(Pair::SIMULATED), Pair::SIMULATED).unwrap());
        std::fs::write(files.ledger(Pair::bybit(Account::Paper)), "not a ledger").unwrap();
        let found = ledgers(&files);
        assert_eq!(health(&found), [Health::Ok, Health::Fail]);
        assert!(found[1].detail.contains("counts as killed"), "{found:?}");
    }
}
