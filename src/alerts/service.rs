//! The thread that looks and sends. It opens the channels (which may wait for a keyring), proves each, and then looks at the run
//! four times a second; each channel has a task of its own, so that a dead one holds up no other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::channels::{Bells, CHANNELS, Channel, SendError, Settings, open};
use super::event::{Alert, EVENTS, Event, Loudness, Message};
use super::light::Light;
use super::outbox::Outbox;
use super::watcher::{Look, Watcher};
use crate::engine::time::{Span, Ts};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A channel's task looks at least so often whether anything is due.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Longest try of a channel, all its steps together.
const TRY_MAX: Duration = Duration::from_secs(30);
/// A broken channel that has nothing to send is tried again so often.
const PROBE_EVERY: Span = Span::from_secs(60);

/// What the alerts are started with.
pub struct Plan {
    /// Channels by name.
    pub channels: Vec<String>,
    /// Where they are.
    pub settings: Settings,
    /// How loud each event is, in the order of [`EVENTS`].
    pub loudness: [Loudness; EVENTS.len()],
    /// The eyes.
    pub watcher: Watcher,
    /// Looks at the run.
    pub look: Box<dyn FnMut() -> Look + Send>,
    /// Local time.
    pub now: Arc<dyn Fn() -> Ts + Send + Sync>,
    /// How they stand.
    pub light: Light,
    /// The bell of the run's cockpits.
    pub bells: Bells,
}

/// Messages of one channel so far.
#[derive(Default)]
struct Count {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The running alerts.
pub struct Service {
    counts: Arc<Vec<(&'static str, Count)>>,
    stop: Arc<Stop>,
    ended: Receiver<()>,
}

#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    bell: Notify,
    within: Mutex<Duration>,
    last_words: Mutex<Option<String>>,
}

/// One way to a person.
struct Way {
    /// Its channel, for the counts.
    channel: &'static str,
    /// Itself, for the light: channels that reach several people have several.
    name: String,
    to: Box<dyn Channel>,
    outbox: Mutex<Outbox>,
    bell: Notify,
    head: Mutex<String>,
}

impl Service {
    /// Begins. An error is a thread that cannot be had.
    pub fn start(plan: Plan) -> std::io::Result<Self> {
        let named = |name: &String| CHANNELS.into_iter().find(|known| known == name);
        let used: Vec<&'static str> = plan.channels.iter().filter_map(named).collect();
        let counts = Arc::new(used.iter().map(|name| (*name, Count::default())).collect::<Vec<_>>());
        for name in &used {
            plan.light.configured(name);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Stop::default());
        let (says, ended) = sync_channel(1);
        let (counted, stopped) = (counts.clone(), stop.clone());
        let work = move || {
            let ways = opened(&used, &plan);
            runtime.block_on(run(plan, ways, &counted, &stopped));
            // A terminal that is blocked holds up nobody.
            runtime.shutdown_background();
            // Nobody waits where the run ended otherwise.
            let _ = says.send(());
        };
        std::thread::Builder::new().name("alerts".into()).spawn(work)?;
        Ok(Self { counts, stop, ended })
    }

    /// Messages so far: channel, outcome, count.
    pub fn counts(&self) -> impl Fn() -> Vec<(&'static str, &'static str, u64)> + Send + Sync + 'static {
        let counts = self.counts.clone();
        move || {
            let rows = counts.iter().flat_map(|(channel, count)| {
                let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
                [("sent", of(&count.sent)), ("failed", of(&count.failed)), ("dropped", of(&count.dropped))]
                    .map(|(outcome, count)| (*channel, outcome, count))
            });
            rows.collect()
        }
    }

    /// The run is over: `words` and what still waits leave, if they can within this time.
    pub fn finish(self, words: &str, within: Duration) {
        *lock(&self.stop.within) = within;
        *lock(&self.stop.last_words) = Some(words.to_owned());
        self.stop.asked.store(true, Ordering::SeqCst);
        self.stop.bell.notify_one();
        // A thread that is still opening a keyring is not waited for.
        let _ = self.ended.recv_timeout(within + LOOK_EVERY);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens what can be opened; the light says what cannot.
fn opened(used: &[&'static str], plan: &Plan) -> Vec<Way> {
    let mut ways = Vec::new();
    for channel in used {
        match open(channel, &plan.settings, Some(&plan.bells)) {
            Err(error) => plan.light.failed(channel, &error.to_string()),
            Ok(several) => {
                for (number, to) in several.into_iter().enumerate() {
                    let name = if number == 0 { (*channel).to_owned() } else { format!("{channel} {}", number + 1) };
                    plan.light.configured(&name);
                    let (outbox, head) = (Mutex::default(), Mutex::new("tickdeck".to_owned()));
                    ways.push(Way { channel, name, to, outbox, bell: Notify::new(), head });
                }
            }
        }
    }
    ways
}

async fn run(plan: Plan, ways: Vec<Way>, counts: &Arc<Vec<(&'static str, Count)>>, stop: &Arc<Stop>) {
    let Plan { loudness, mut watcher, mut look, now, light, .. } = plan;
    let mut tasks = JoinSet::new();
    let ways: Vec<Arc<Way>> = ways.into_iter().map(Arc::new).collect();
    for way in &ways {
        let (way, now, light) = (way.clone(), now.clone(), light.clone());
        let (counts, stop) = (counts.clone(), stop.clone());
        tasks.spawn(async move {
            let none = Count::default();
            let count = counts.iter().find(|(name, _)| *name == way.channel).map_or(&none, |(_, count)| count);
            deliver(&way, count, &light, &*now, &stop.asked).await;
        });
    }
    loop {
        let over = stop.asked.load(Ordering::SeqCst);
        let mut alerts = watcher.look(&look());
        if over && let Some(words) = lock(&stop.last_words).take() {
            alerts.push(Alert::new(now(), Event::Run, &words));
        }
        hand_out(&alerts, &watcher.head(), &loudness, &ways, now());
        if over {
            break;
        }
        drop(timeout(LOOK_EVERY, stop.bell.notified()).await);
    }
    let within = *lock(&stop.within);
    for way in &ways {
        lock(&way.outbox).hurry();
        way.bell.notify_one();
    }
    drop(timeout(within, async { while tasks.join_next().await.is_some() {} }).await);
}

fn hand_out(alerts: &[Alert], head: &str, loudness: &[Loudness; EVENTS.len()], ways: &[Arc<Way>], now: Ts) {
    for alert in alerts {
        let loud = loudness.get(alert.event as usize).copied().unwrap_or(Loudness::On);
        if loud == Loudness::Off {
            continue;
        }
        for way in ways {
            head.clone_into(&mut lock(&way.head));
            lock(&way.outbox).push(alert.clone(), loud == Loudness::Silent, now);
            way.bell.notify_one();
        }
    }
}

/// Proves a channel, then sends what waits for it until the run is over and nothing is left.
async fn deliver(way: &Way, count: &Count, light: &Light, now: &(dyn Fn() -> Ts + Send + Sync), over: &AtomicBool) {
    let mut probed = None;
    loop {
        if !way.to.is_there() {
            // Nobody hears late what was said to nobody.
            *lock(&way.outbox) = Outbox::default();
            light.nobody(&way.name);
            probed = None;
            if over.load(Ordering::SeqCst) {
                return;
            }
            drop(timeout(TURN_MAX, way.bell.notified()).await);
            continue;
        }
        let due = {
            let mut outbox = lock(&way.outbox);
            outbox.tick(now());
            count.dropped.store(outbox.dropped(), Ordering::Relaxed);
            outbox.due()
        };
        let probe_due = probed.is_none_or(|at| light.is_broken(&way.name) && now().since(at) >= PROBE_EVERY);
        if due.is_some_and(|due| due <= now()) && probed.is_some() {
            send(way, count, light, now).await;
        } else if probe_due {
            probed = Some(now());
            match attempt(way.to.probe()).await {
                Ok(()) => light.sound(&way.name),
                Err(error) => light.failed(&way.name, &error.why),
            }
        } else if due.is_none() && over.load(Ordering::SeqCst) {
            return;
        } else {
            let wait = due.map_or(TURN_MAX, |due| Duration::from_nanos(due.since(now()).0.max(0).unsigned_abs()));
            drop(timeout(wait.min(TURN_MAX), way.bell.notified()).await);
        }
    }
}

async fn send(way: &Way, count: &Count, light: &Light, now: &(dyn Fn() -> Ts + Send + Sync)) {
    let Some(batch) = lock(&way.outbox).take(now()) else { return };
    let head = lock(&way.head).clone();
    let message = Message { head, at: now(), alerts: batch.alerts, lost: batch.lost, silent: batch.silent };
    let outcome = attempt(way.to.send(&message)).await;
    let mut outbox = lock(&way.outbox);
    match outcome {
        Ok(()) => {
            outbox.sent(now());
            count.sent.fetch_add(1, Ordering::Relaxed);
            light.sound(&way.name);
        }
        Err(error) => {
            outbox.failed(now(), error.refused, error.wait);
            count.failed.fetch_add(1, Ordering::Relaxed);
            light.failed(&way.name, &error.why);
        }
    }
}

async fn attempt(outcome: super::channels::Outcome<'_>) -> Result<(), SendError> {
    timeout(TRY_MAX, outcome).await.unwrap_or_else(|_| Err(SendError::unreachable("no answer in time")))
}

/// Sends one message to everyone a channel reaches, now; for `tickdeck alerts test`.
pub fn try_once(channel: &str, settings: &Settings, message: &Message) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime can be had: {error}"))?;
    let ways = open(channel, settings, None).map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(async {
        let mut outcome = Ok(());
        for way in &ways {
            outcome = outcome.and(attempt(way.send(message)).await);
        }
        outcome
    });
    runtime.shutdown_background();
    outcome.map_err(|error| error.why)
}
