//! The metrics as those who watch use them: dashboard and rules name only what exists, `promtool` accepts the page and the
//! rules, and a real Prometheus that scrapes two running engines has data for every query of both. What needs Prometheus is
//! listed as ignored where there is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;
mod rig;
#[path = "common/sample.rs"]
mod sample;
mod services;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use rustix::process::Signal;
use serde_json::Value;
use tickdeck::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use tickdeck::engine::event::{Event, Link, MarketData, OrderNews, OrderUpdate};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::num::Side;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::metrics::{Kind, METRICS, Metric, Outcomes, Reading, Tally, page};

/// A practice run trades within half a minute; Prometheus needs two scrapes of it.
const PATIENCE: Duration = Duration::from_secs(150);

fn main() -> ExitCode {
    let able = works("prometheus") && works("promtool");
    let trial = |name: &str, body: fn()| {
        Trial::test(name, move || {
            body();
            Ok(())
        })
    };
    let with_prometheus = |name: &str, body: fn()| {
        trial(name, body).with_ignored_flag(!able).with_kind(if able { "prometheus" } else { "no prometheus here" })
    };
    let trials = vec![
        trial("dashboard_and_rules_name_only_what_exists", name_only_what_exists),
        trial("what_is_not_known_is_absent", what_is_not_known_is_absent),
        trial("an_order_has_one_outcome", an_order_has_one_outcome),
        trial("an_engine_that_died_calls_through_its_watchdog", a_dead_engine_calls),
        with_prometheus("promtool_accepts_rules_and_their_tests", promtool_accepts),
        trial("every_rule_has_a_test_of_its_own", every_rule_is_tested),
        with_prometheus("every_query_has_data_and_a_kill_and_a_trip_fire", every_query_has_data),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn works(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap()
}

/// Every query of the dashboard, with its variables meaning everything.
fn dashboard_queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboards/tickdeck.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 15);
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let plain = |query: &str| {
        let all =
            ["$instance", "$symbol", "$model"].iter().fold(query.to_owned(), |text, name| text.replace(name, ".*"));
        all.replace("$quantile", "0.99")
    };
    targets.map(|target| plain(target["expr"].as_str().unwrap())).collect()
}

/// What the dashboard's variables are filled from: metric and label.
fn variables() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboards/tickdeck.json")).unwrap();
    let list = dashboard["templating"]["list"].as_array().unwrap().clone();
    let queries = list.iter().filter_map(|variable| variable["definition"].as_str().map(str::to_owned));
    let parts = |query: String| {
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap().to_owned();
        let (metric, label) = inside.split_once(", ").unwrap();
        (metric.to_owned(), label.to_owned())
    };
    queries.map(parts).collect()
}

/// Every expression of the rules: recorded ones, and what alerts compare with a bound.
fn rule_queries() -> (Vec<String>, Vec<String>) {
    let exprs = |kind: &str| {
        let mut found = Vec::new();
        let mut inside = false;
        for line in read("prometheus/rules.yml").lines() {
            let line = line.trim();
            if line.starts_with("- record:") || line.starts_with("- alert:") {
                inside = line.starts_with(&format!("- {kind}:"));
            }
            if let (true, Some(expr)) = (inside, line.strip_prefix("expr: ")) {
                found.push(expr.to_owned());
            }
        }
        found
    };
    let (recorded, alerts) = (exprs("record"), exprs("alert"));
    assert!(recorded.len() >= 3 && alerts.len() >= 12);
    (recorded, alerts)
}

/// What an alert compares with its bound.
fn compared(expr: &str) -> &str {
    let at = [" > ", " < ", " == "].iter().filter_map(|sign| expr.rfind(sign)).max();
    &expr[..at.unwrap_or_else(|| panic!("{expr} compares nothing"))]
}

/// Names and labels that a query uses.
fn uses(query: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices("tickdeck_") {
        let rest = &query[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let selector = rest[end..].strip_prefix('{').and_then(|inside| inside.split('}').next()).unwrap_or_default();
        let labels = selector.split(',').filter_map(|pair| pair.split(['=', '!']).next()).map(str::trim);
        found.push((rest[..end].to_owned(), labels.filter(|label| !label.is_empty()).map(str::to_owned).collect()));
    }
    found
}

fn exists(name: &str) -> Option<&'static Metric> {
    let is = |metric: &&&Metric| {
        let of_histogram =
            || ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name));
        name == metric.name || (metric.kind == Kind::Histogram && of_histogram())
    };
    METRICS.iter().find(is).copied()
}

fn name_only_what_exists() {
    let (recorded, alerts) = rule_queries();
    let queries: Vec<String> = dashboard_queries().into_iter().chain(recorded).chain(alerts).collect();
    let mut shown = BTreeSet::new();
    for query in &queries {
        for (name, labels) in uses(query) {
            let metric = exists(&name).unwrap_or_else(|| panic!("{name} does not exist, in: {query}"));
            shown.insert(metric.name);
            for label in labels {
                let known = metric.labels.contains(&label.as_str()) || ["instance", "job"].contains(&label.as_str());
                assert!(known, "{name} has no label {label}, in: {query}");
            }
        }
    }
    for (metric, label) in variables() {
        let known = exists(&metric).unwrap_or_else(|| panic!("{metric} does not exist"));
        assert!(label == "instance" || known.labels.contains(&label.as_str()), "{metric} has no label {label}");
    }
    let hidden: Vec<_> =
        METRICS.iter().filter(|metric| !shown.contains(metric.name)).map(|metric| metric.name).collect();
    assert!(hidden.is_empty(), "neither dashboard nor rules show {hidden:?}");
}

fn what_is_not_known_is_absent() {
    let reading = |snapshot, heartbeat_s| Reading {
        snapshot: Some(Arc::new(snapshot)),
        heartbeat: Some(Duration::from_secs(heartbeat_s)),
        ..Reading::default()
    };
    let sound = page(&reading(sample::sample(), 0));
    for there in
        ["tickdeck_equity ", "tickdeck_price{symbol=\"BTCUSDT\"} ", "tickdeck_position_notional{symbol=\"BTCUSDT\"} "]
    {
        assert!(sound.contains(there), "{there}: {sound}");
    }
    let mut stale = sample::stale();
    stale.account.equity = None;
    let text = page(&reading(stale, 0));
    assert!(!text.contains("\ntickdeck_equity ") && !text.contains("price{symbol=\"BTCUSDT\"}"), "{text}");
    let killed = page(&reading(sample::killed(), 3_600));
    assert!(killed.contains("\ntickdeck_killed 1\n") && killed.contains("\ntickdeck_trading_state 4\n"), "{killed}");
    let silent =
        ["tickdeck_price{", "\ntickdeck_equity ", "tickdeck_ws_last_message_age_seconds{", "limit_headroom_ratio{"];
    for gone in silent {
        assert!(!killed.contains(gone), "a silent engine's {gone} is shown: {killed}");
    }
    let mut unheard = sample::sample();
    unheard.health.feed_age = None;
    let running = Reading {
        running: Some(Duration::from_secs(42)),
        streams: vec![("public", Duration::ZERO, 2), ("private", Duration::from_millis(1_500), 3)],
        ..reading(unheard, 0)
    };
    let text = page(&running);
    for there in [
        "tickdeck_ws_last_message_age_seconds{stream=\"public\"} 42\n",
        "tickdeck_ws_last_message_age_seconds{stream=\"private\"} 1.5\n",
        "tickdeck_ws_reconnects_total{stream=\"public\"} 2\n",
        "tickdeck_ws_reconnects_total{stream=\"private\"} 3\n",
    ] {
        assert!(text.contains(there), "{there}: {text}");
    }
    assert!(!text.contains("stream=\"trade\""), "{text}");
    let empty = page(&Reading::default());
    assert!(empty.lines().all(|line| line.starts_with('#')), "{empty}");
}

fn an_order_has_one_outcome() {
    let restored = rig::restored(rig::eager(), RiskLimits::default());
    let mut tally = Tally::new(&restored);
    let at = |ms: i64| Ts::from_ms(1_763_800_000_000 + ms);
    let order = |seq: u64| NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: rig::q("0.01"),
        price: rig::p("60000"),
        tif: TimeInForce::ImmediateOrCancel,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: at(0),
    };
    let news = |seq: u64, what: OrderNews| Event::Order(OrderUpdate { order: OrderSeq(seq), what });
    for seq in 1..=4 {
        tally.decided(&order(seq));
        tally.hear(at(3), &news(seq, OrderNews::Sent));
    }
    let first = [
        OrderNews::Accepted,
        OrderNews::Rejected("no".into()),
        OrderNews::Unsent("late".into()),
        OrderNews::Uncertain("silence".into()),
    ];
    // The answer to the request comes first; what became of the order comes after it, and is no second answer.
    tally.hear(at(100), &news(1, OrderNews::Acked));
    for (seq, what) in (1..).zip(first) {
        tally.hear(at(200), &news(seq, what));
        tally.hear(at(300), &news(seq, OrderNews::Accepted));
        tally.hear(at(400), &news(seq, OrderNews::Cancelled("ioc".into())));
    }
    tally.hear(at(500), &news(99, OrderNews::Accepted));
    assert_eq!(tally.outcomes, Outcomes { confirmed: 1, rejected: 1, withheld: 1, ambiguous: 1 });
    assert_eq!((tally.tick_to_order.count(), tally.signal_to_ack.count()), (4, 2));
    assert!((tally.signal_to_ack.sum() - 0.3).abs() < 1e-9);

    tally.hear(at(0), &Event::Link(Link::Clock(Span(-7))));
    tally.hear(at(0), &Event::Market(Symbol(0), MarketData::Gap));
    tally.hear(at(0), &Event::Market(Symbol(60_000), MarketData::Gap));
    assert_eq!(tally.clock_offset, Some(Span(-7)));
    assert_eq!(tally.resyncs.iter().sum::<u64>(), 1);
}

fn a_dead_engine_calls() {
    let folder = tempfile::tempdir().unwrap();
    let sim = at_sim::exchange(processes::KEY, processes::SECRET);
    let hook = services::Service::start(services::anything);
    let mut command = processes::tickdeck(&sim, folder.path(), &["run", "--mode", "testnet"]);
    command.args(["--set", "watchdog.enabled=on", "--set", "alerts.channels=webhook"]);
    command.env("TICKDECK_WEBHOOK_URL", format!("http://{}/in", hook.address));
    let (engine, address) = engine(&mut command);
    let ready = |path: &str| get(&address, path).is_some_and(|(status, _)| status == 200);
    until_none_is_left("readiness", vec!["/readyz".to_owned()], ready);
    processes::signal(engine.0.id(), Signal::KILL);
    let said = |words: &str| {
        let bodies = hook.bodies("/in");
        bodies.iter().any(|body| body["text"].as_str().is_some_and(|text| text.contains(words)))
    };
    let words = ["tickdeck watchdog testnet", "the engine's process has ended", "no order is left that could open"];
    until_none_is_left("calls", words.map(str::to_owned).to_vec(), said);
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Each alert is looked at twice: while it must keep still, and while it must fire.
fn every_rule_is_tested() {
    let (rules, tests) = (read("prometheus/rules.yml"), read("prometheus/rules_test.yml"));
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let looks = |alert: &str| tests.lines().filter(|line| line.trim() == format!("alertname: {alert}")).count();
    let fires = tests.matches("exp_alerts:").count();
    let untested: Vec<&str> = alerts.clone().filter(|alert| looks(alert) != 2).collect();
    assert!(untested.is_empty() && fires == alerts.count(), "not tested both ways: {untested:?}");
}

fn promtool_accepts() {
    done(Command::new("promtool").args(["check", "config"]).arg(deploy("prometheus/prometheus.yml")));
    done(Command::new("promtool").args(["test", "rules"]).arg(deploy("prometheus/rules_test.yml")));
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts an engine; it says on stderr where its metrics are.
fn engine(command: &mut Command) -> (Process, String) {
    command.args(["--set", "metrics.listen=127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.split("http://").nth(1)?.strip_suffix("/metrics")?.to_owned()));
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (Process(child), address.expect("it listens"))
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "demo", "run", "--demo", "--practice", "--arm", "--yes"]);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command
}

/// The answer to a GET: status and body.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric();
        let _ = if plain { write!(out, "{}", char::from(byte)) } else { write!(out, "%{byte:02X}") };
        out
    })
}

fn api(prometheus: &str, path: &str) -> Option<Value> {
    let (_, body) = get(prometheus, &format!("/api/v1/{path}"))?;
    serde_json::from_str(&body).ok()
}

/// Does the query give a number? A query that Prometheus refuses ends the test.
fn has_data(prometheus: &str, query: &str) -> bool {
    let Some(answer) = api(prometheus, &format!("query?query={}", encoded(query))) else { return false };
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    let rows = answer["data"]["result"].as_array().unwrap();
    let number = |row: &Value| row["value"][1].as_str().is_some_and(|text| text.parse().is_ok_and(f64::is_finite));
    rows.iter().any(number)
}

/// Waits until nothing is left of a list.
fn until_none_is_left(what: &str, mut left: Vec<String>, has: impl Fn(&str) -> bool) {
    let since = Instant::now();
    while !left.is_empty() {
        left.retain(|one| !has(one));
        assert!(since.elapsed() < PATIENCE, "{what}: nothing for {left:#?}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// Prometheus with our configuration, faster, and these engines.
fn prometheus(folder: &Path, targets: &[&str]) -> (Process, String) {
    let quoted = format!("[{}]", targets.iter().map(|target| format!("{target:?}")).collect::<Vec<_>>().join(", "));
    let config = read("prometheus/prometheus.yml").replace("[\"127.0.0.1:9464\"]", &quoted).replace(": 5s", ": 1s");
    assert!(config.contains(&quoted));
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    std::fs::copy(deploy("prometheus/rules.yml"), folder.join("rules.yml")).unwrap();
    // Free a moment ago: nobody else looks for ports on this machine in order.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let child = Command::new("prometheus")
        .current_dir(folder)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--log.level=error"])
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Process(child), address)
}

fn every_query_has_data() {
    let folder = tempfile::tempdir().unwrap();
    let sim = at_sim::exchange(processes::KEY, processes::SECRET);
    let hook = services::Service::start(services::anything);
    let mut demo = demo(folder.path());
    demo.args(["--set", "alerts.channels=webhook"]);
    demo.env("TICKDECK_WEBHOOK_URL", format!("http://{}/in", hook.address));
    let (practice, one) = engine(&mut demo);
    let (_testnet, other) = engine(&mut processes::tickdeck(&sim, folder.path(), &["run", "--mode", "testnet"]));
    // Its first losses are more than it may lose in a day.
    let losing = tempfile::tempdir().unwrap();
    let mut loses = self::demo(losing.path());
    loses.args(["--weather", "busy", "--set", "risk.max_daily_loss=0.5"]);
    let (_losing, tripping) = engine(&mut loses);
    let (_prometheus, prometheus) = prometheus(folder.path(), &[&one, &other, &tripping]);

    let (recorded, alerts) = rule_queries();
    let alerts = alerts.iter().map(|expr| compared(expr).to_owned());
    let queries = dashboard_queries().into_iter().chain(recorded).chain(alerts).collect();
    until_none_is_left("queries", queries, |query| has_data(&prometheus, query));
    let filled = |(metric, label): (String, String)| format!("label/{label}/values?match[]={metric}");
    until_none_is_left("variables", variables().into_iter().map(filled).collect(), |path| {
        api(&prometheus, path).is_some_and(|answer| answer["data"].as_array().is_some_and(|values| !values.is_empty()))
    });

    assert_eq!(get(&one, "/readyz"), Some((200, "ok\n".to_owned())));
    assert_eq!(get(&one, "/livez").map(|(status, _)| status), Some(200));
    for address in [&one, &other] {
        let mut check = Command::new("promtool");
        let mut check = check.args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
        let (_, page) = get(address, "/metrics").unwrap();
        check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        assert!(check.wait().unwrap().success(), "{page}");
    }

    processes::signal(practice.0.id(), Signal::QUIT);
    let fires = |(name, instance): (&str, &str)| {
        let firing = api(&prometheus, "alerts").unwrap_or_default();
        let alerts = firing["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let is = |alert: &&Value| alert["labels"]["alertname"] == name && alert["labels"]["instance"] == instance;
        alerts.iter().find(is).is_some_and(|alert| alert["state"] == "firing")
    };
    let expected = [("TickdeckKilled", one.as_str()), ("TickdeckTripped", tripping.as_str())];
    until_none_is_left("alerts", expected.map(|(name, _)| name.to_owned()).to_vec(), |name| {
        expected.iter().filter(|(expected, _)| *expected == name).all(|pair| fires(*pair))
    });
    // Every engine was scraped for a minute, once a second.
    let scraped = "count(sum_over_time(up{job=\"tickdeck\"}[1m]) > 50) == 3";
    until_none_is_left("scrapes", vec![scraped.to_owned()], |query| has_data(&prometheus, query));
}
