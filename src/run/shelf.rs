//! The folder of models of a run: which of them run, and a thread that reads it again when it changes or is asked. What is
//! read is checked whole before anybody hears of it; the run goes on with what it has until then, and where it is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use crate::engine::event::ModelInfo;
use crate::engine::market::instrument::Instrument;
use crate::engine::time::Span;
use crate::keys::Place;
use crate::model::{Model, ModelError, load_with, names};
use crate::tui::crash;

/// Between two looks at the folder.
const EVERY: Duration = Duration::from_secs(1);

/// Where models lie and which of them run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The folder.
    pub dir: PathBuf,
    /// Names of those that decide; empty means all that are no shadows.
    pub active: Vec<String>,
    /// Names of those that are scored and never acted upon.
    pub shadow: Vec<String>,
    /// Where the token for model servers may lie.
    pub token: Place,
    /// Time between two decisions.
    pub interval: Span,
}

/// What a folder holds.
pub struct Shelved {
    /// Sound models that run.
    pub models: Vec<Box<dyn Model>>,
    /// The others, by name, with the reason.
    pub unused: Vec<(String, String)>,
}

impl Shelved {
    /// Puts aside what was made for other instruments than these.
    pub fn drop_unfit(&mut self, instruments: &[Instrument], interval: Span) {
        let fits = |model: &dyn Model| model.card().fits(instruments, interval);
        for model in &self.models {
            if let Err(error) = fits(model.as_ref()) {
                self.unused.push((model.info().name.clone(), error.to_string()));
            }
        }
        self.models.retain(|model| fits(model.as_ref()).is_ok());
    }
}

impl Shelf {
    /// Reads and checks every model that is to run. An error is a configured one that is missing or unsound: whoever named it
    /// relies on it.
    pub fn read(&self) -> Result<Shelved, String> {
        let (mut models, mut unused) = (Vec::new(), Vec::new());
        for name in names(&self.dir).into_iter().filter(|name| self.wants(name)) {
            // What it was made for besides is compared with the instruments of the run.
            let loaded = crash::forgiving(|| load_with(&self.dir, &name, &self.token));
            let loaded = loaded.unwrap_or_else(|_| Err(ModelError::FellOver(name.clone())));
            match loaded.and_then(|model| model.card().fits([], self.interval).map(|()| model)) {
                Ok(model) => models.push(model),
                Err(error) => unused.push((name, error.to_string())),
            }
        }
        let runs = |name: &String| models.iter().any(|model| model.info().name == *name);
        match self.active.iter().chain(&self.shadow).find(|name| !runs(name)) {
            None => Ok(Shelved { models, unused }),
            Some(name) => {
                let why = unused.iter().find(|(other, _)| other == name);
                let why = why.map_or_else(|| "`tickdeck model list` shows them".to_owned(), |(_, why)| why.clone());
                let (key, dir) = (if self.active.contains(name) { "active" } else { "shadow" }, self.dir.display());
                Err(format!("model.{key} names `{name}`, which is not a sound model in {dir}: {why}"))
            }
        }
    }

    fn wants(&self, name: &String) -> bool {
        self.active.is_empty() || self.active.contains(name) || self.shadow.contains(name)
    }
}

/// What became of a reading.
pub enum News {
    /// Everything that was read.
    Read {
        /// The models.
        shelved: Shelved,
        /// Did a person ask for it, or did the folder change?
        asked: bool,
    },
    /// Nothing was taken, and why.
    Refused(String),
}

/// The thread that reads; it ends when this is dropped.
pub struct Keeper {
    asks: SyncSender<()>,
    news: Receiver<News>,
}

impl Keeper {
    /// Watches the folder from now on.
    pub fn start(shelf: Shelf) -> std::io::Result<Self> {
        let (asks, asked) = sync_channel(1);
        let (say, news) = sync_channel(1);
        std::thread::Builder::new().name("shelf".into()).spawn(move || watch(&shelf, &asked, &say))?;
        Ok(Self { asks, news })
    }

    /// Reads the folder now. One reading that waits already serves whoever asks meanwhile.
    pub fn ask(&self) {
        let _waits = self.asks.try_send(());
    }

    /// News, if any.
    pub fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

fn watch(shelf: &Shelf, asked: &Receiver<()>, say: &SyncSender<News>) {
    let (mut known, mut last) = (look(&shelf.dir), Vec::new());
    loop {
        let by_hand = match asked.recv_timeout(EVERY) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = look(&shelf.dir);
        // Files that are still being written are read when they have come to rest.
        let settled = now == std::mem::replace(&mut last, now.clone());
        if !by_hand && (now == known || !settled) {
            continue;
        }
        known = now;
        let news = match shelf.read() {
            Ok(shelved) => News::Read { shelved, asked: by_hand },
            Err(why) => News::Refused(why),
        };
        if say.send(news).is_err() {
            return;
        }
    }
}

/// Files of the folder with size and time of change.
fn look(dir: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok()?;
            meta.is_file().then(|| (entry.path(), meta.len(), meta.modified().ok()))
        })
        .collect();
    files.sort();
    files
}

/// Why this reading is not taken over by a run of these models; `None` where it may be. What runs and can no longer be read is
/// a bad file, not a wish to end it.
pub fn refusal(running: &[ModelInfo], shelved: &Shelved) -> Option<String> {
    let runs = |name: &String| running.iter().any(|info| info.name == *name);
    shelved.unused.iter().find(|(name, _)| runs(name)).map(|(_, why)| why.clone())
}
