//! The calls for help, each through its channel: they arrive, wait while a service is down, are not sent too often, and no error,
//! light, log or file holds a secret. Telegram and Slack are stand-ins written from their documentation, the mail server is a
//! real one (ignored where Python's venv is missing), the runs are the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

#[path = "common/sample.rs"]
mod sample;
mod services;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use services::{Answer, Request, Service, anything, nowhere, slack, telegram};
use tickdeck::alerts::{
    Alert, Bells, EVENTS, Event, Light, Look, Loudness, Message, Plan, Settings, Voice, Watcher, try_once,
};
use tickdeck::engine::notice::{Kind, Level, Notice};
use tickdeck::engine::snapshot::{Health, Snapshot};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::keys::Place;
use tickdeck::run::clock::wall;

const TOKEN: &str = "7012345678:AAHk3vQ9zLmX2wRtY8sNpJd5FgBcE1uVoKi";
const CHAT: &str = "-100200300";
const HOOK: &str = "/services/T0AB1CD2E/B0FG3HI4J/kLmNoPqRsTuVwXyZaBcDeFgH";
const WEBHOOK: &str = "/in/9f8e7d6c5b4a39281706";
const PASSWORD: &str = "mAil-pAssw0rd-of-nobody";
/// A piece of a secret that long is no accident.
const PIECE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

const PACKAGES: &[&str] = &["aiosmtpd==1.4.6", "trustme==1.2.1"];

fn main() -> ExitCode {
    let venv = works(Command::new("python3").args(["-c", "import ensurepip, venv"]));
    let trial = |name: &str, body: fn()| {
        Trial::test(name, move || {
            body();
            Ok(())
        })
    };
    let with_mail = |name: &str, body: fn()| {
        trial(name, body).with_ignored_flag(!venv).with_kind(if venv { "mail" } else { "no python3 venv here" })
    };
    let trials = vec![
        trial("a_picture_that_changes_says_what_happened", a_picture_that_changes),
        trial("silence_of_engine_data_and_models_is_told_apart", silence),
        trial("what_was_never_heard_is_silent_from_the_start", silence_from_the_start),
        trial("a_stream_that_comes_and_goes_is_a_storm", a_storm),
        trial("the_day_is_told_by_its_last_picture", the_day),
        trial("telegram_slack_and_webhook_deliver", all_deliver),
        trial("what_happens_while_a_service_is_down_waits_for_it", a_service_that_is_down),
        trial("a_service_that_asks_for_a_pause_is_asked_again", a_pause),
        trial("no_failure_tells_a_secret", no_failure_tells_a_secret),
        trial("a_broken_channel_refuses_arming_and_is_named", arming),
        trial("a_run_tells_its_story_and_keeps_the_secret", a_story),
        with_mail("mail_goes_through_starttls_and_login", mail),
        with_mail("mail_waits_for_its_server_and_trusts_nobody_unknown", mail_waits),
        with_mail("no_failure_of_mail_tells_a_secret", mail_tells_no_secret),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn is_clean(what: &str, output: &str) {
    for secret in [TOKEN, HOOK, WEBHOOK, PASSWORD] {
        for piece in secret.as_bytes().windows(PIECE).filter(|piece| !b"/services".windows(PIECE).any(|w| w == *piece))
        {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!output.contains(piece), "{what}: a piece of a secret in {output}");
        }
    }
}

// --- what is said ---------------------------------------------------------------------------------------------------

fn eyes() -> Watcher {
    Watcher::new(10, Span::from_secs(1), Span(0))
}

fn seen(at: Ts, snapshot: &Snapshot) -> Look {
    Look { at, snapshot: Some(Arc::new(snapshot.clone())), heartbeat: Some(Span::from_ms(3)), ..Look::default() }
}

fn told(alerts: &[Alert]) -> Vec<(&'static str, &str)> {
    alerts.iter().map(|alert| (alert.event.word(), alert.text.as_str())).collect()
}

fn notice(id: u64, kind: Kind, level: Level, text: &str) -> Notice {
    Notice { id, at: sample::NOW, level, kind, symbol: None, text: text.to_owned(), denial: None }
}

fn a_picture_that_changes() {
    let mut eyes = eyes();
    let mut picture = sample::sample();
    picture.notices.clear();
    let first = eyes.look(&seen(sample::NOW, &picture));
    assert!(matches!(&told(&first)[..], [("run", text)] if text.contains("SAFE")), "{first:?}");
    assert_eq!(eyes.look(&seen(sample::NOW, &picture)), [], "nothing happened");

    picture.state.armed_until = Some(sample::NOW + Span::from_secs(900));
    picture.notices.push(notice(1, Kind::Fill, Level::Info, "BTCUSDT Buy 0.01 @ 60000"));
    picture.notices.push(notice(2, Kind::Account, Level::Alarm, "liquidated"));
    picture.notices.push(notice(3, Kind::Account, Level::Info, "funding"));
    let alerts = eyes.look(&seen(sample::NOW, &picture));
    let said = told(&alerts);
    assert_eq!(said[..2], [("fill", "BTCUSDT Buy 0.01 @ 60000"), ("alarm", "liquidated")]);
    assert!(said.len() == 3 && said[2].0 == "armed", "{said:?}");

    let killed = sample::killed();
    (picture.state.latch, picture.state.armed_until) = (killed.state.latch, None);
    let mut look = seen(sample::NOW, &picture);
    look.unresolved = 2;
    let alerts = eyes.look(&look);
    let said = told(&alerts);
    assert!(said[0].0 == "killed" && said[0].1.contains("KILLED: "), "a kill is not also a disarming: {said:?}");
    assert!(said.len() == 2 && said[1].0 == "ambiguous" && said[1].1.contains('2'), "{said:?}");
    let alerts = eyes.look(&seen(sample::NOW, &picture));
    assert_eq!(told(&alerts), [("ambiguous", "every order is settled again")]);

    picture.state.latch = None;
    let alerts = eyes.look(&seen(sample::NOW, &picture));
    assert_eq!(told(&alerts), [("killed", "reset: no longer latched")]);
    picture.notices = vec![notice(600, Kind::Fill, Level::Info, "late")];
    let alerts = eyes.look(&seen(sample::NOW, &picture));
    assert!(told(&alerts)[0].1.starts_with("596 events came too fast"), "{alerts:?}");

    "another".clone_into(&mut picture.session.run);
    picture.state.latch = sample::tripped().state.latch;
    let alerts = eyes.look(&seen(sample::NOW, &picture));
    let said: Vec<&str> = told(&alerts).into_iter().map(|(word, _)| word).collect();
    assert_eq!(said, ["run", "fill", "tripped"], "a new run is looked at anew");
    assert_eq!(eyes.head(), "tickdeck paper (simulated market)");
}

fn silence() {
    let mut eyes = eyes();
    let mut picture = sample::sample();
    picture.notices.clear();
    let at = |seconds: i64| sample::NOW + Span::from_secs(seconds);
    let mut look = |seconds: i64, age_s: i64, heartbeat_s: i64, forecast_s: i64| {
        picture.health.feed_age = Some(Span::from_secs(age_s));
        let mut look = seen(at(seconds), &picture);
        let voice = |model: &str, answered: i64| Voice {
            model: model.to_owned(),
            newest: Some(at(answered)),
            since: sample::NOW,
        };
        look.heartbeat = Some(Span::from_secs(heartbeat_s));
        look.models = vec![voice("tcn", forecast_s), voice("alive", seconds)];
        let alerts = eyes.look(&look);
        told(&alerts)
            .iter()
            .map(|(word, text)| format!("{word} {}", text.split(':').next().unwrap()))
            .collect::<Vec<_>>()
    };
    look(0, 0, 0, 0);
    assert_eq!(look(5, 4, 0, 5), [""; 0], "a gap is told when it lasts");
    assert_eq!(look(10, 9, 0, 10), ["stale market data is stale"]);
    assert_eq!(look(20, 19, 0, 10), ["silence NO DATA"]);
    let both = look(30, 0, 0, 15);
    assert_eq!(both, ["stale market data is fresh again", "silence data comes again", "silence NO SIGNAL"]);
    assert_eq!(look(31, 0, 0, 31), ["silence signals come again"]);
    assert_eq!(look(50, 0, 3_600, 31), [""; 0], "a machine that wakes up turns at once");
    assert_eq!(look(51, 0, 11, 31), ["silence NO HEARTBEAT"], "what a frozen engine last said counts for nothing");
    assert_eq!(look(60, 0, 21, 31), [""; 0], "once");
    assert_eq!(look(61, 0, 0, 61), ["silence the engine turns again"]);
}

/// What was never heard counts from the beginning: of the run, or of the model's own among the others.
fn silence_from_the_start() {
    let mut eyes = eyes();
    let mut picture = sample::sample();
    picture.notices.clear();
    let at = |seconds: i64| sample::NOW + Span::from_secs(seconds);
    let mut look = |seconds: i64, heard: bool, models: &[(&str, Option<i64>, i64)]| {
        picture.health.feed_age = heard.then_some(Span(0));
        let mut look = seen(at(seconds), &picture);
        let voice = |(model, newest, since): &(&str, Option<i64>, i64)| Voice {
            model: (*model).to_owned(),
            newest: newest.map(at),
            since: at(*since),
        };
        look.models = models.iter().map(voice).collect();
        let alerts = eyes.look(&look);
        alerts.into_iter().filter(|alert| alert.event == Event::Silence).map(|alert| alert.text).collect::<Vec<_>>()
    };
    assert_eq!(look(0, false, &[]), [""; 0]);
    assert_eq!(look(9, false, &[]), [""; 0]);
    assert_eq!(look(11, false, &[]), ["NO DATA: never heard"]);
    assert_eq!(look(12, true, &[("dead", None, 0), ("alive", Some(12), 0)]), ["data comes again"]);
    assert_eq!(look(110, true, &[("dead", None, 0), ("alive", Some(110), 0)]), [""; 0], "its features warm up");
    let told = look(121, true, &[("dead", None, 0), ("alive", Some(121), 0)]);
    assert_eq!(told, ["NO SIGNAL: dead did not answer in time"], "one that lives does not hide it");
    assert_eq!(look(122, true, &[("dead", None, 0), ("alive", Some(122), 0), ("new", None, 122)]), [""; 0]);
    let told = look(133, true, &[("dead", Some(133), 0), ("alive", Some(122), 0), ("new", None, 122)]);
    assert_eq!(told, ["NO SIGNAL: alive did not answer in time", "signals come again: dead"]);
}

fn a_storm() {
    let mut eyes = eyes();
    let mut look = |minute: i64, reconnects: u64| {
        let at = sample::NOW + Span::from_secs(60 * minute);
        told(&eyes.look(&Look { at, reconnects, ..Look::default() })).len()
    };
    assert_eq!([look(0, 0), look(20, 4), look(40, 8), look(60, 12)].iter().sum::<usize>(), 0, "now and then");
    assert_eq!(
        [look(61, 14), look(62, 16), look(63, 17), look(64, 18)],
        [1, 0, 0, 0],
        "five in ten minutes, told once"
    );
    assert_eq!([look(80, 18), look(81, 0), look(82, 4)], [0, 0, 0], "a new run counts anew");
    assert_eq!([look(83, 6), look(100, 6)], [1, 0]);
}

fn the_day() {
    let mut eyes = eyes();
    let picture = sample::sample();
    let midnight = sample::NOW.floor_to(Span::from_secs(86_400)) + Span::from_secs(86_400);
    eyes.look(&seen(midnight - Span::from_secs(2), &picture));
    let mut after = picture;
    after.account.day_pnl = None;
    let alerts = eyes.look(&seen(midnight, &after));
    let said = told(&alerts);
    let digests: Vec<_> = said.iter().filter(|(word, _)| *word == "digest").collect();
    assert!(digests.len() == 1 && !digests[0].1.contains("day: unknown"), "{said:?}");
    assert_eq!(eyes.look(&seen(midnight + Span::from_secs(3600), &after)), []);
}

// --- how it is sent -------------------------------------------------------------------------------------------------

/// A file with a secret, mode 0600.
fn kept(folder: &Path, name: &str, secret: &str) -> Place {
    let path = folder.join(name);
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Place { file: Some(path), command: Vec::new() }
}

struct Addresses {
    telegram: SocketAddr,
    slack: SocketAddr,
    webhook: SocketAddr,
}

fn settings(folder: &Path, at: &Addresses) -> Settings {
    Settings {
        telegram_chats: vec![CHAT.to_owned()],
        telegram_url: format!("http://{}", at.telegram),
        telegram_token: kept(folder, "token", TOKEN),
        slack_webhook: kept(folder, "slack", &format!("http://{}{HOOK}", at.slack)),
        webhook_url: kept(folder, "webhook", &format!("http://{}{WEBHOOK}", at.webhook)),
        ..Settings::default()
    }
}

/// Alerts about a run that this test plays.
struct Played {
    service: tickdeck::alerts::Service,
    light: Light,
    picture: Arc<Mutex<Snapshot>>,
}

fn play(channels: &[&str], settings: Settings) -> Played {
    let light = Light::default();
    let picture = Arc::new(Mutex::new(Snapshot { notices: Vec::new(), ..sample::sample() }));
    let shown = picture.clone();
    let mut loudness = EVENTS.map(|_| Loudness::Off);
    loudness[Event::Killed as usize] = Loudness::On;
    loudness[Event::Fill as usize] = Loudness::Silent;
    let plan = Plan {
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        settings,
        loudness,
        watcher: eyes(),
        look: Box::new(move || seen(wall(), &shown.lock().unwrap())),
        now: Arc::new(wall),
        light: light.clone(),
        bells: Bells::default(),
    };
    Played { service: tickdeck::alerts::Service::start(plan).unwrap(), light, picture }
}

impl Played {
    fn kill(&self) {
        self.picture.lock().unwrap().state.latch = sample::killed().state.latch;
    }
    fn until(&self, health: Health) -> String {
        wait(&format!("{health:?}"), || {
            let check = self.light.check();
            (check.health == health).then_some(check.detail)
        })
    }
    fn sent(&self, outcome: &str) -> u64 {
        self.service.counts()().iter().filter(|row| row.1 == outcome).map(|row| row.2).sum()
    }
}

const HTTP: [&str; 3] = ["telegram", "slack", "webhook"];

fn all_deliver() {
    let folder = tempfile::tempdir().unwrap();
    let services = (Service::start(telegram(TOKEN, CHAT)), Service::start(slack(HOOK)), Service::start(anything));
    let at = Addresses { telegram: services.0.address, slack: services.1.address, webhook: services.2.address };
    let played = play(&HTTP, settings(folder.path(), &at));
    assert_eq!(played.until(Health::Ok), "slack, telegram, webhook", "a probe proves a channel");
    assert!(services.0.bodies("sendMessage").is_empty(), "quietly");
    played.picture.lock().unwrap().notices.push(notice(1, Kind::Fill, Level::Info, "BTCUSDT Buy <&>"));
    let fill = wait("the fill", || services.0.bodies("sendMessage").pop());
    assert!(fill["disable_notification"] == true && fill["text"].as_str().unwrap().contains("Buy <&>"), "{fill}");
    played.kill();
    let is_kill = |body: &Value| body["text"].as_str().is_some_and(|text| text.contains("KILLED"));
    let killed = wait("the kill", || services.0.bodies("sendMessage").into_iter().find(is_kill));
    assert!(killed["disable_notification"] == false && killed["chat_id"] == CHAT, "{killed}");
    wait("the kill", || services.1.bodies(HOOK).into_iter().find(is_kill));
    assert!(
        services.1.bodies(HOOK).iter().any(|body| body["text"].as_str().is_some_and(|t| t.contains("&lt;&amp;&gt;")))
    );
    let hooked = wait("the kill", || services.2.bodies(WEBHOOK).into_iter().find(is_kill));
    let events: Vec<&str> = hooked["events"].as_array().unwrap().iter().filter_map(|e| e["event"].as_str()).collect();
    assert!(events.contains(&"killed") && hooked["run"] == "tickdeck paper (simulated market)", "{hooked}");
    assert_eq!((played.sent("failed"), played.sent("dropped")), (0, 0));
    played.service.finish("over", PATIENCE);
}

fn a_service_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let at = Addresses { telegram: nowhere(), slack: nowhere(), webhook: nowhere() };
    let played = play(&HTTP, settings(folder.path(), &at));
    let detail = wait("all to be broken", || {
        let check = played.light.check();
        HTTP.iter().all(|name| check.detail.contains(&format!("{name}: it"))).then_some(check)
    });
    assert!(detail.health == Health::Fail && detail.detail.contains("cannot be reached"), "{detail:?}");
    is_clean("the light", &detail.detail);
    played.kill();
    wait("tries", || (played.sent("failed") >= 3).then_some(()));
    let services = (
        Service::at(at.telegram, telegram(TOKEN, CHAT)),
        Service::at(at.slack, slack(HOOK)),
        Service::at(at.webhook, anything),
    );
    let is_kill = |body: &Value| body["text"].as_str().is_some_and(|text| text.contains("KILLED"));
    for (service, end) in [(&services.0, "sendMessage"), (&services.1, HOOK), (&services.2, WEBHOOK)] {
        wait("the kill", || service.bodies(end).into_iter().find(is_kill));
    }
    played.until(Health::Ok);
    assert_eq!(played.sent("dropped"), 0);
    played.service.finish("over", PATIENCE);
}

fn a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let first = Mutex::new(true);
    let usual = telegram(TOKEN, CHAT);
    let busy = move |request: &Request| -> Answer {
        if request.path.ends_with("sendMessage") && std::mem::take(&mut *first.lock().unwrap()) {
            let words =
                r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":2}}"#;
            return (429, "", words.to_owned());
        }
        usual(request)
    };
    let service = Service::start(busy);
    let at = Addresses { telegram: service.address, slack: nowhere(), webhook: nowhere() };
    let played = play(&["telegram"], settings(folder.path(), &at));
    played.until(Health::Ok);
    played.kill();
    wait("the refusal", || (!service.bodies("sendMessage").is_empty()).then_some(()));
    wait("the second try", || (service.bodies("sendMessage").len() == 2).then_some(()));
    wait("it to be sent", || (played.sent("sent") == 1).then_some(()));
    assert_eq!(played.sent("failed"), 1);
    played.service.finish("over", PATIENCE);
}

fn message() -> Message {
    let alert = Alert::new(wall(), Event::Killed, "KILLED");
    Message { head: "tickdeck".to_owned(), at: wall(), alerts: vec![alert], lost: 0, silent: false }
}

fn no_failure_tells_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    // Everything that a service can do wrong, with the address in the answer where it would hurt.
    let echo = Service::start(|request| (404, "", format!("no route {}", request.path)));
    let moved = Service::start(|_| (302, "location: http://127.0.0.1:1/elsewhere\r\n", String::new()));
    let broken = Service::start(|request| (500, "content-type: text/html\r\n", format!("<b>{}</b>", request.path)));
    let other_bot = Service::start(telegram("1:other-bot", CHAT));
    for (name, address) in [
        ("echo", echo.address),
        ("moved", moved.address),
        ("broken", broken.address),
        ("bot", other_bot.address),
        ("gone", nowhere()),
    ] {
        let at = Addresses { telegram: address, slack: address, webhook: address };
        let settings = settings(folder.path(), &at);
        is_clean("settings", &format!("{settings:?}"));
        for channel in HTTP {
            let told = try_once(channel, &settings, &message()).unwrap_err();
            assert!(told.len() > 5, "{name} {channel}: {told}");
            is_clean(name, &told);
        }
    }
    // Secrets that are none.
    let at = Addresses { telegram: echo.address, slack: echo.address, webhook: echo.address };
    let mut odd = settings(folder.path(), &at);
    odd.telegram_token = kept(folder.path(), "odd", &format!("{TOKEN} {PASSWORD}"));
    odd.slack_webhook = kept(folder.path(), "plain", &format!("http://hooks.example.org{HOOK}"));
    odd.webhook_url = kept(folder.path(), "none", WEBHOOK);
    for channel in HTTP {
        is_clean("an unusable secret", &try_once(channel, &odd, &message()).unwrap_err());
    }
    assert!(try_once("slack", &odd, &message()).unwrap_err().contains("https://"));
}

// --- the real binary ------------------------------------------------------------------------------------------------

fn tickdeck(folder: &Path, at: &Addresses, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "data"]).args(words);
    command.env("HOME", folder).env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command.env("TICKDECK_TELEGRAM_TOKEN", TOKEN).env("TICKDECK_SLACK_WEBHOOK", format!("http://{}{HOOK}", at.slack));
    command.env("TICKDECK_WEBHOOK_URL", format!("http://{}{WEBHOOK}", at.webhook));
    let chats = format!("alerts.telegram.chats=[\"{CHAT}\"]");
    let api = format!("alerts.telegram.api_url=http://{}", at.telegram);
    command.args(["--set", "alerts.channels=telegram,slack,webhook", "--set", &chats, "--set", &api]);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn arming() {
    let folder = tempfile::tempdir().unwrap();
    let (bot, hook) = (Service::start(telegram(TOKEN, CHAT)), Service::start(anything));
    let broken = Addresses { telegram: bot.address, slack: nowhere(), webhook: hook.address };
    let run = ["run", "--demo", "--arm", "--yes", "--for", "6s", "--format", "json"];
    let output = tickdeck(folder.path(), &broken, &run).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(6), "armed although nobody could be called: {text}");
    assert!(text.contains("alerts: slack: it cannot be reached"), "{text}");
    is_clean("the run", &text);

    let tested = tickdeck(folder.path(), &broken, &["alerts", "test"]).output().unwrap();
    let text = said(&tested);
    assert_eq!(tested.status.code(), Some(1), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.contains(" fail ")).collect();
    assert!(rows.len() == 1 && rows[0].contains("slack") && rows[0].contains("cannot be reached"), "{text}");
    is_clean("the test", &text);

    let slack = Service::start(slack(HOOK));
    let sound = Addresses { slack: slack.address, ..broken };
    let tested = tickdeck(folder.path(), &sound, &["alerts", "test", "--format", "json"]).output().unwrap();
    assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
    let mut none = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    let none = none.current_dir(folder.path()).args(["--data-dir", "data", "alerts", "test"]).output().unwrap();
    assert_eq!(none.status.code(), Some(4), "{}", said(&none));
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process.0.id()).unwrap()).unwrap(), signal).unwrap();
}

fn a_story() {
    let folder = tempfile::tempdir().unwrap();
    let services = (Service::start(telegram(TOKEN, CHAT)), Service::start(slack(HOOK)), Service::start(anything));
    let at = Addresses { telegram: services.0.address, slack: services.1.address, webhook: services.2.address };
    let words = ["run", "--demo", "--practice", "--arm", "--yes"];
    let mut command = tickdeck(folder.path(), &at, &words);
    let out = fs::File::create(folder.path().join("out.txt")).unwrap();
    let err = out.try_clone().unwrap();
    let mut process = Process(command.stdout(out).stderr(err).spawn().unwrap());
    let heard = || -> BTreeSet<String> {
        let bodies = services.2.bodies(WEBHOOK);
        let events = bodies.iter().flat_map(|body| body["events"].as_array().cloned().unwrap_or_default());
        events.filter_map(|event| event["event"].as_str().map(str::to_owned)).collect()
    };
    let until = |word: &str| wait(word, || heard().contains(word).then_some(()));
    for word in ["run", "armed", "fill"] {
        until(word);
    }
    signal(&process, Signal::QUIT);
    until("killed");
    signal(&process, Signal::TERM);
    wait("the end", || process.0.try_wait().unwrap());
    let last = services.2.bodies(WEBHOOK).pop().unwrap();
    assert!(last["text"].as_str().unwrap().contains("the run ended"), "{last}");
    assert!(services.0.bodies("sendMessage").iter().any(|body| body["text"].as_str().unwrap().contains("KILLED")));
    // Nothing that the run left behind holds a piece of a secret.
    let mut files = vec![folder.path().join("out.txt")];
    let mut folders = vec![folder.path().join("data")];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 3, "{files:?}");
    for file in files.iter().filter(|file| file.is_file()) {
        is_clean(&file.display().to_string(), &String::from_utf8_lossy(&fs::read(file).unwrap()));
    }
}

// --- mail -----------------------------------------------------------------------------------------------------------

/// The virtual environment with the mail server, made once.
fn python() -> PathBuf {
    static ONCE: Mutex<()> = Mutex::new(());
    let _one = ONCE.lock().unwrap();
    let venv = Path::new(env!("CARGO_BIN_EXE_tickdeck")).ancestors().nth(2).unwrap().join("mail-venv");
    let (python, stamp) = (venv.join("bin/python"), venv.join("installed.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|text| text == PACKAGES.join("\n")) {
        return python;
    }
    let done = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", said(&output));
    };
    done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    done(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
    fs::write(stamp, PACKAGES.join("\n")).unwrap();
    python
}

struct MailServer {
    mails: Receiver<String>,
    _process: Process,
}

impl MailServer {
    /// `new`, `again` or `echo`: see the script.
    fn start(folder: &Path, port: u16, how: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/mail.py");
        let mut command = Command::new(python());
        let command = command.arg(script).arg(folder).arg(port.to_string()).args(["trader", PASSWORD, how]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let (says, mails) = channel();
        std::thread::spawn(move || lines.try_for_each(|line| says.send(line)));
        Self { mails, _process: Process(child) }
    }
    fn mail(&self) -> Value {
        serde_json::from_str(&self.mails.recv_timeout(PATIENCE).unwrap()).unwrap()
    }
}

fn mail_settings(folder: &Path, port: u16) -> Settings {
    Settings {
        email_host: "localhost".to_owned(),
        email_port: u32::from(port),
        email_user: "trader".to_owned(),
        email_from: "tickdeck <tickdeck@example.org>".to_owned(),
        email_to: vec!["person@example.org".to_owned(), "other@example.org".to_owned()],
        email_password: kept(folder, "password", PASSWORD),
        email_ca_file: Some(folder.join("ca.pem")),
        ..Settings::default()
    }
}

fn mail() {
    let (folder, port) = (tempfile::tempdir().unwrap(), nowhere().port());
    let server = MailServer::start(folder.path(), port, "new");
    let settings = mail_settings(folder.path(), port);
    let played = play(&["email"], settings.clone());
    played.until(Health::Ok);
    played.kill();
    let mail = server.mail();
    assert_eq!((&mail["encrypted"], &mail["from"]), (&Value::Bool(true), &Value::from("tickdeck@example.org")));
    assert_eq!(mail["to"].as_array().unwrap().len(), 2);
    let (subject, text) = (mail["subject"].as_str().unwrap(), mail["text"].as_str().unwrap());
    assert!(subject.starts_with("tickdeck paper (simulated market): KILLED") && text.contains("KILLED"), "{mail}");
    played.service.finish("over", PATIENCE);

    let wrong = Settings { email_password: kept(folder.path(), "wrong", "wRong-pAssw0rd-of-somebody"), ..settings };
    let told = try_once("email", &wrong, &message()).unwrap_err();
    assert!(told.contains("535") && told.contains("refuses user or password"), "{told}");
    assert!(!told.contains("wRong-pA"), "{told}");
}

fn mail_waits() {
    let (folder, port) = (tempfile::tempdir().unwrap(), nowhere().port());
    let first = MailServer::start(folder.path(), port, "new");
    let settings = mail_settings(folder.path(), port);
    let unknown = Settings { email_ca_file: None, ..settings.clone() };
    let told = try_once("email", &unknown, &message()).unwrap_err();
    assert!(told.contains("no trusted TLS") || told.to_lowercase().contains("issuer"), "{told}");
    is_clean("mail", &told);
    drop(first);
    let played = play(&["email"], settings);
    is_clean("the light", &played.until(Health::Fail));
    played.kill();
    wait("a try", || (played.sent("failed") >= 1).then_some(()));
    // A new server has a new certificate, of an authority that this client does not know: nothing is told to it.
    let ca = fs::read(folder.path().join("ca.pem")).unwrap();
    let second = MailServer::start(folder.path(), port, "new");
    assert_ne!(ca, fs::read(folder.path().join("ca.pem")).unwrap());
    let failed = played.sent("failed");
    wait("a refusal", || (played.sent("failed") > failed).then_some(()));
    assert!(second.mails.try_recv().is_err());
    played.service.finish("over", Duration::ZERO);
    // One that knows it delivers, also what happened while the server was away.
    let played = play(&["email"], mail_settings(folder.path(), port));
    played.until(Health::Ok);
    drop(second);
    played.kill();
    wait("a try", || (played.sent("failed") >= 1).then_some(()));
    let third = MailServer::start(folder.path(), port, "again");
    let mail = third.mail();
    assert!(mail["text"].as_str().unwrap().contains("KILLED") && mail["encrypted"] == true, "{mail}");
    wait("it to be sent", || (played.sent("sent") == 1).then_some(()));
    assert_eq!(played.sent("dropped"), 0);
    played.service.finish("over", PATIENCE);
}

/// A server that repeats what it was told, where a line would be cut in the middle of it.
fn mail_tells_no_secret() {
    let (folder, port) = (tempfile::tempdir().unwrap(), nowhere().port());
    let _server = MailServer::start(folder.path(), port, "echo");
    let settings = mail_settings(folder.path(), port);
    is_clean("settings", &format!("{settings:?}"));
    let told = try_once("email", &settings, &message()).unwrap_err();
    assert!(told.contains("535") && told.contains("refuses user or password"), "{told}");
    is_clean("mail", &told);
    // As AUTH LOGIN and AUTH PLAIN say it (RFC 4954): made by coreutils, a witness of its own.
    for plain in [PASSWORD.to_owned(), format!("\\0trader\\0{PASSWORD}")] {
        let encoded = Command::new("sh").args(["-c", &format!("printf '{plain}' | base64 -w0")]).output().unwrap();
        let encoded = String::from_utf8(encoded.stdout).unwrap();
        let piece = encoded.as_bytes().windows(PIECE).find(|piece| told.contains(std::str::from_utf8(piece).unwrap()));
        assert_eq!(piece, None, "{told}");
    }
    // A server that hangs up, one that is none, one that is not there.
    let none = Service::start(anything);
    for port in [none.address.port(), nowhere().port()] {
        let settings = Settings { email_port: u32::from(port), ..settings.clone() };
        is_clean("no server", &try_once("email", &settings, &message()).unwrap_err());
    }
}
