//! Calls for help of a process without a run: the watchdog, when an engine is gone that cannot call any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::alerts::{Alert, EVENTS, Event, Loudness, Message, Settings, try_once};
use crate::config::AlertsConfig;
use crate::run::clock::wall;
use crate::run::watchdog::say;

/// Tries of a channel, and the pause between two. A process that ends waits for them: each is bounded by itself.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// The channels, and the messages under way.
#[derive(Clone)]
pub(super) struct Calls(Arc<Shared>);

struct Shared {
    head: String,
    channels: Vec<String>,
    settings: Settings,
    loudness: [Loudness; EVENTS.len()],
    under_way: Mutex<Vec<JoinHandle<()>>>,
}

impl Calls {
    /// Nothing is opened and nobody called yet.
    pub fn new(config: &AlertsConfig, head: String) -> Self {
        Self(Arc::new(Shared {
            head,
            // A process in the background has no terminal of its own to ring.
            channels: config.channels.iter().filter(|channel| *channel != "bell").cloned().collect(),
            settings: config.settings.clone(),
            loudness: config.loudness(),
            under_way: Mutex::default(),
        }))
    }

    /// What calls, through every channel at once, each on a thread of its own.
    pub fn caller(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let calls = self.clone();
        Arc::new(move |text| calls.call(text))
    }

    fn call(&self, text: &str) {
        let loud = self.0.loudness.get(Event::Alarm as usize).copied().unwrap_or(Loudness::On);
        if loud == Loudness::Off {
            return;
        }
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).retain(|thread| !thread.is_finished());
        let now = wall();
        let message = Arc::new(Message {
            head: self.0.head.clone(),
            at: now,
            alerts: vec![Alert::new(now, Event::Alarm, text)],
            lost: 0,
            silent: loud == Loudness::Silent,
        });
        for channel in self.0.channels.clone() {
            let (shared, message) = (self.0.clone(), message.clone());
            let work = move || shared.send(&channel, &message);
            match std::thread::Builder::new().name("call".into()).spawn(work) {
                Ok(thread) => self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
                Err(error) => say(&format!("nobody is called: no thread can be had: {error}")),
            }
        }
    }

    /// Waits until every message was taken or given up.
    pub fn finish(&self) {
        let threads = std::mem::take(&mut *self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // One that fell over has called nobody; there is no one left to tell.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn send(&self, channel: &str, message: &Message) {
        for last in (0..TRIES).map(|count| count + 1 == TRIES) {
            match try_once(channel, &self.settings, message) {
                Ok(()) => return,
                Err(why) if last => say(&format!("{channel} was not reached: {why}")),
                Err(_) => std::thread::park_timeout(PAUSE),
            }
        }
    }
}
