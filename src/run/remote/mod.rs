//! Remote control by Telegram: a thread waits for what allowed chats write to the bot. What closes the gate is done on that thread,
//! past every queue; everything else is done in order by a second one, which may wait for the engine. Answers leave by a queue of
//! their own, so that a slow service delays nobody's kill.

mod clerk;
mod codes;
mod desk;
mod tell;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

pub use codes::{Codes, NoSecret};

use self::clerk::{Asked, Clerk};
use self::desk::{Desk, Follow, described, shut};
use super::clock::wall;
use super::control::{Ask, Verb};
use super::log::{Event, Line};
use super::watch::Watch;
use crate::alerts::{Bot, Light, SendError, Settings};
use crate::engine::notice::Level;
use crate::keys::{NamedError, TELEGRAM_CODE, find_named};

/// Its name among the channels that the checklist shows.
pub const NAME: &str = "telegram control";
/// The file in the data directory that remembers the last code.
const USED: &str = "telegram-code.used";

/// How long one request waits for a message.
const WAITS: Duration = Duration::from_secs(25);
/// Between two tries of a service that does not answer: doubled each time, up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Another program that reads the same messages: asked again so often, and told again after so long without it.
const CONFLICT_RETRY: Duration = Duration::from_secs(3);
const CONFLICT_OVER: Duration = Duration::from_secs(600);
const WEBHOOK: &str =
    "the bot's messages go to a webhook: remove it (deleteWebhook), or make a bot of its own for tickdeck";
/// What waits to be done, and to be said.
const QUEUE: usize = 64;
/// Longest text of a message, in characters: Telegram's own bound is 4096.
const TEXT_MAX: usize = 3_900;
/// Tries of an answer.
const TRIES: u32 = 3;
/// Between two looks whether something has come true, and how long a close is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const CANCELS_TAKE: Duration = Duration::from_secs(15);
const CLOSING_TAKES: Duration = Duration::from_secs(180);

/// What the remote control is started with.
pub struct Plan {
    /// Where the bot is, and who may command.
    pub settings: Settings,
    /// The run.
    pub watch: Watch,
    /// How it stands.
    pub light: Light,
    /// Where the ledgers lie.
    pub data_dir: PathBuf,
}

/// Why the codes cannot be used. Never says what the secret is.
#[derive(Debug, thiserror::Error)]
pub enum CodesError {
    /// Its place.
    #[error(transparent)]
    Secret(#[from] NamedError),
    /// What is there.
    #[error("the {title}: {0}", title = TELEGRAM_CODE.title)]
    Unusable(#[from] NoSecret),
}

/// The codes of the configuration; `None` where no secret lies anywhere.
pub fn codes(settings: &Settings, data_dir: &std::path::Path) -> Result<Option<Codes>, CodesError> {
    match find_named(TELEGRAM_CODE, &settings.telegram_code) {
        Ok((secret, _)) => Ok(Some(Codes::new(secret.expose(), data_dir.join(USED))?)),
        Err(NamedError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Would it work? Without reading messages, which a running engine waits for. What is right, or why not.
pub fn prove(settings: &Settings, data_dir: &std::path::Path) -> Result<String, String> {
    let bot = Bot::open(settings).map_err(|error| error.to_string())?;
    let codes = codes(settings, data_dir).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime can be had: {error}"))?;
    let asked = runtime.block_on(async {
        let me = bot.call("getMe", &json!({})).await?;
        let hook = bot.call("getWebhookInfo", &json!({})).await?;
        Ok::<_, SendError>((me, hook))
    });
    let (me, hook) = asked.map_err(|error| error.why)?;
    if hook["result"]["url"].as_str().is_some_and(|url| !url.is_empty()) {
        return Err(WEBHOOK.to_owned());
    }
    let name = me["result"]["username"].as_str().unwrap_or_default();
    let loosens = if codes.is_some() { "one-time codes are set up" } else { "no one-time codes: it only tightens" };
    Ok(format!("@{name} listens to {} chat(s); {loosens}", settings.telegram_control.len()))
}

/// Begins to listen, until the process ends. An error is a thread that cannot be had.
pub fn start(plan: Plan) -> std::io::Result<()> {
    plan.light.configured(NAME);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("remote".into()).spawn(move || {
        let light = plan.light.clone();
        if let Err(why) = listen(plan, &runtime) {
            light.failed(NAME, &why);
        }
    })?;
    Ok(())
}

/// Messages that were let through, for the thread that does them.
struct Work {
    asked: Asked,
    /// Words that closed the gate before it.
    shuts: u64,
}

/// Where answers are put.
type Answers = Sender<(i64, String)>;

/// The one that listens.
struct Listener {
    bot: Bot,
    clerk: Clerk,
    watch: Watch,
    light: Light,
    allowed: Vec<i64>,
    answers: Answers,
    work: Sender<Work>,
    /// Words that have closed the gate.
    shuts: Arc<AtomicU64>,
    conflict: Option<Instant>,
}

fn listen(plan: Plan, runtime: &tokio::runtime::Runtime) -> Result<(), String> {
    let started = wall();
    let bot = Bot::open(&plan.settings).map_err(|error| error.to_string())?;
    let codes = codes(&plan.settings, &plan.data_dir).map_err(|error| error.to_string())?;
    let allowed: Vec<i64> = plan.settings.telegram_control.iter().filter_map(|chat| chat.parse().ok()).collect();
    let (answers, to_send) = channel(QUEUE);
    let (work, to_do) = channel(QUEUE);
    let shuts = Arc::new(AtomicU64::new(0));
    let desk = Desk { watch: plan.watch.clone(), codes, data_dir: plan.data_dir };
    let (answered, shut) = (answers.clone(), shuts.clone());
    std::thread::Builder::new()
        .name("remote desk".into())
        .spawn(move || serve(desk, to_do, &answered, &shut))
        .map_err(|error| format!("no thread can be had: {error}"))?;
    runtime.block_on(async move {
        tokio::spawn(deliver(bot.clone(), to_send));
        let name = named(&bot, &plan.light).await;
        let clerk = Clerk::new(started, allowed.clone(), name, plan.watch.refusals());
        let (watch, light) = (plan.watch, plan.light);
        Listener { bot, clerk, watch, light, allowed, answers, work, shuts, conflict: None }.run().await;
    });
    Ok(())
}

/// The bot's own name, once Telegram says it.
async fn named(bot: &Bot, light: &Light) -> String {
    let mut pause = RETRY_FIRST;
    loop {
        match bot.call("getMe", &json!({})).await {
            Ok(body) => return body["result"]["username"].as_str().unwrap_or_default().to_owned(),
            Err(error) => light.failed(NAME, &error.why),
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

impl Listener {
    async fn run(mut self) {
        let mut pause = RETRY_FIRST;
        loop {
            let wanted = json!({
                "offset": self.clerk.offset(), "timeout": WAITS.as_secs(), "limit": 50, "allowed_updates": ["message"],
            });
            let wait = match self.bot.updates(&wanted, WAITS).await {
                Ok(updates) => {
                    self.sound();
                    pause = RETRY_FIRST;
                    let asked = updates.iter().filter_map(|update| self.clerk.look(update, wall())).collect();
                    self.take(asked);
                    continue;
                }
                Err(error) if error.status == Some(409) => {
                    self.conflicts(&error.why);
                    CONFLICT_RETRY
                }
                Err(error) => {
                    self.light.failed(NAME, &error.why);
                    let asked_for = error.wait.and_then(|wait| u64::try_from(wait.0).ok()).map(Duration::from_nanos);
                    let wait = asked_for.unwrap_or(pause).max(pause).min(RETRY_MAX);
                    pause = (pause * 2).min(RETRY_MAX);
                    wait
                }
            };
            sleep(wait).await;
        }
    }

    /// What closes the gate first, wherever it stands; then the rest in order.
    fn take(&self, asked: Vec<Asked>) {
        let mut rest = Vec::new();
        let mut shuts = self.shuts.load(Ordering::SeqCst);
        for asked in asked {
            let line = Line::new(Event::RemoteAsked).with("chat", asked.chat).with("word", asked.word.name());
            self.watch.log().write(line);
            if asked.word.shuts() {
                shuts += 1;
                self.shuts.store(shuts, Ordering::SeqCst);
                let shut = shut(&self.watch, &asked.word);
                if asked.answered {
                    tokio::spawn(followed(self.watch.clone(), asked, shut, self.answers.clone()));
                }
            } else {
                rest.push(Work { asked, shuts });
            }
        }
        for work in rest {
            let (chat, answered) = (work.asked.chat, work.asked.answered);
            if self.work.try_send(work).is_err() {
                self.answer(chat, answered, "not done: too much is asked at once. /kill works all the same".to_owned());
            }
        }
    }

    fn answer(&self, chat: i64, answered: bool, text: String) {
        if answered {
            // A queue that is full belongs to a service that takes nothing.
            let _full = self.answers.try_send((chat, text));
        }
    }

    fn sound(&mut self) {
        if self.conflict.is_some_and(|at| at.elapsed() < CONFLICT_OVER) {
            return;
        }
        self.conflict = None;
        self.light.sound(NAME);
    }

    /// Another program takes messages of the same bot, or has them sent elsewhere: told once.
    fn conflicts(&mut self, said: &str) {
        let why = if said.to_lowercase().contains("webhook") {
            WEBHOOK
        } else {
            "another program reads this bot's messages, so that commands may reach either: stop it, or make a bot of its own \
             for each"
        };
        if self.conflict.is_none() {
            self.watch.log().write(Line::new(Event::RemoteConflict).level(Level::Warn).with("text", why));
            for chat in &self.allowed {
                self.answer(*chat, true, format!("!! {NAME}: {why}"));
            }
        }
        self.conflict = Some(Instant::now());
        self.light.doubtful(NAME, why);
    }
}

/// Tells what a kill or flatten does, and what became of it.
async fn followed(watch: Watch, asked: Asked, shut: Result<Follow, String>, answers: Answers) {
    let Asked { chat, word, .. } = asked;
    // Who listens no longer needs no answer.
    let tell = async |text: String| drop(answers.send((chat, text)).await);
    let follow = match shut {
        Ok(follow) => follow,
        Err(why) => return tell(format!("/{}: {why}", word.name())).await,
    };
    let looked = watch.clone();
    let text = tokio::task::spawn_blocking(move || described(&looked, &word)).await;
    tell(text.unwrap_or_else(|_| "done, and what it does cannot be told".to_owned())).await;
    let within = if follow == Follow::NoOpenings { CANCELS_TAKE } else { CLOSING_TAKES };
    let until = Instant::now() + within;
    loop {
        let state = watch.ask(&Ask::plain(Verb::State)).ok().and_then(|answer| answer.state);
        let so = state.as_ref().is_some_and(|state| follow.is_so(state));
        if so || Instant::now() >= until {
            let seconds = within.as_secs();
            let text = match (follow, so) {
                (Follow::NoOpenings, true) => "no order is left that could open".to_owned(),
                (Follow::NoOpenings, false) => format!(
                    "NOT CONFIRMED within {seconds} s that no order is left that could open: look at the exchange"
                ),
                (_, true) => "FLAT, proven".to_owned(),
                (_, false) => format!("FLAT IS NOT PROVEN within {seconds} s: look at the exchange"),
            };
            let left = state.map(|state| state.left_alone).unwrap_or_default();
            let text = std::iter::once(text).chain(left).collect::<Vec<_>>().join("\n");
            return tell(text).await;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Does what may wait for the engine, in order.
fn serve(mut desk: Desk, mut work: Receiver<Work>, answers: &Answers, shuts: &AtomicU64) {
    while let Some(Work { asked, shuts: before }) = work.blocking_recv() {
        let void = shuts.load(Ordering::SeqCst) != before;
        let text = desk.answer(asked.chat, &asked.word, wall(), void);
        if asked.answered {
            let _full = answers.try_send((asked.chat, text));
        }
    }
}

/// Sends answers, each a few times.
async fn deliver(bot: Bot, mut answers: Receiver<(i64, String)>) {
    while let Some((chat, text)) = answers.recv().await {
        let text: String = bot.redacted(&text).chars().take(TEXT_MAX).collect();
        let message = json!({ "chat_id": chat, "text": text, "link_preview_options": { "is_disabled": true } });
        for _ in 0..TRIES {
            let Err(SendError { refused, wait, .. }) = bot.call("sendMessage", &message).await else { break };
            if refused {
                break;
            }
            let wait = wait.and_then(|wait| u64::try_from(wait.0).ok()).map_or(RETRY_FIRST, Duration::from_nanos);
            sleep(wait.min(RETRY_MAX)).await;
        }
    }
}
