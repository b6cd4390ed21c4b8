//! The guardian beside an engine that is healthy, silent, gone or cut off, at a simulated exchange: the first step of a kill
//! waits for nobody, the closing is taken over where the engine does not close, and nobody closes twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod rig;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use at_sim::{client, credentials, exchange, now};
use serde_json::{Value, json};
use tickdeck::engine::Engine;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effects, Protection, TimeInForce};
use tickdeck::engine::event::{Event, OrderNews, OrderUpdate};
use tickdeck::engine::ids::{Account, OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{StateWord, View};
use tickdeck::engine::time::Ts;
use tickdeck::gate::Gate;
use tickdeck::run::guardian::{self, GuardianOptions, Report};
use tickdeck::run::pulse::{Heard, Pulse};
use tickdeck::tui::link::{Board, CockpitEnd, EngineEnd, link};
use tickdeck::venue::bybit::leave::{Leave, Withdrawn};
use tickdeck::venue::bybit::rescue::{Closer, RescueOptions};
use tickdeck::venue::bybit::rest::{Placement, Rest, RestOptions, SharedLimits, VenueClock};
use tickdeck::venue::line::Now;
use tickdeck::venue::sim::Sim;
use tokio::runtime::Runtime;

const KEY: &str = "guardian-key";
const SECRET: &str = "guardian-secret";
const PATIENCE: Duration = Duration::from_secs(60);

/// A run with an account at the exchange and no engine's thread: the test beats for it, or does not.
struct Run {
    sim: Sim,
    runtime: Runtime,
    rest: Rest,
    cockpit: CockpitEnd,
    end: EngineEnd,
    gate: Gate,
    board: Board,
    pulse: Pulse,
    report: Report,
    engine: Engine,
    folder: tempfile::TempDir,
    /// Nanoseconds by which the guardian's clock is moved.
    moved: Arc<AtomicI64>,
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

impl Run {
    fn new() -> Self {
        Self::with_marker("testnet.sqlite")
    }

    fn with_marker(ledger: &str) -> Self {
        let sim = exchange(KEY, SECRET);
        let credentials = credentials(KEY, SECRET);
        let (cockpit, end) = link();
        let (gate, board, pulse) = (end.gate(), end.board(), Pulse::default());
        let mut engine = Engine::new(&rig::restored(Settings::default(), RiskLimits::default()));
        let mut effects = Effects::new();
        engine.step(Ts(1), &Event::Tick, &mut effects);
        end.publish(engine.snapshot(View::default()));
        pulse.beat();
        pulse.tell(&engine, 0, Heard::default());
        let folder = tempfile::tempdir().unwrap();
        let moved = Arc::new(AtomicI64::new(0));
        let (true_time, by) = (now(), moved.clone());
        let moving: Now = Arc::new(move || Ts(true_time().0 + by.load(Ordering::SeqCst)));
        let rest = RestOptions {
            base: sim.rest_url(),
            credentials: Some(credentials.clone()),
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: SharedLimits::default(),
            clock: Arc::new(VenueClock::default()),
            now: moving,
        };
        let run = RunId::new(1_763_800_000_000, 3);
        let report = guardian::start(GuardianOptions {
            gate: gate.clone(),
            pulse: pulse.clone(),
            board: board.clone(),
            rescue: Some(RescueOptions { rest, account: Account::Testnet, run, by: Closer::Guardian }),
            latch_beside: Some((folder.path().join(ledger), Pair::bybit(Account::Testnet))),
            now: now(),
        })
        .unwrap();
        let rest = client(sim.rest_url(), credentials, 5_000, None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { sim, runtime, rest, cockpit, end, gate, board, pulse, report, engine, folder, moved }
    }

    fn marker(&self) -> PathBuf {
        self.folder.path().join("latched.testnet")
    }

    fn truth(&self, what: &str) -> Vec<Value> {
        self.sim.state()[what].as_array().unwrap().clone()
    }

    fn best(&self, side: &str) -> Price {
        let markets = self.truth("markets");
        let market = markets.iter().find(|market| market["symbol"] == "BTCUSDT").unwrap();
        Price::parse(market[side][0][0].as_str().unwrap()).unwrap()
    }

    /// An opening order that rests.
    fn rests(&self, number: u32) {
        let price = self.best("bids").raw() / 100 * 98;
        self.places(&Self::placement(Price::from_raw(price - price % 100_000_000), number));
    }

    fn placement(price: Price, number: u32) -> Placement {
        Placement {
            symbol: "BTCUSDT".into(),
            link_id: format!("tt-0000000000-{number:06}"),
            side: Side::Buy,
            qty: Qty::parse("0.01").unwrap(),
            price,
            tif: TimeInForce::PostOnly,
            reduce_only: false,
            protection: Protection::default(),
        }
    }

    fn places(&self, order: &Placement) {
        let open = Gate::default();
        let pass = open.pass(open.epoch(), PATIENCE, false);
        let leave = Leave::new(&Withdrawn::default(), OrderSeq(0), pass);
        self.runtime.block_on(self.rest.create(order, &leave)).unwrap();
    }

    fn holds(&self) {
        let order = json!({ "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 });
        self.sim.act(&json!({ "order": order })).unwrap();
    }

    fn open_orders(&self) -> usize {
        let open = |row: &&Value| matches!(row["orderStatus"].as_str(), Some("New" | "PartiallyFilled"));
        self.truth("orders").iter().filter(open).count()
    }

    /// The engine's thread is there and knows of everything.
    fn beats(&self) {
        self.pulse.beat();
        let (kills, closes, flattens) = (self.gate.kills(), self.gate.closes(), self.end.flattens());
        self.pulse.tell(&self.engine, 0, Heard { kills, closes, flattens });
    }

    fn engine_hears(&mut self, command: Command) {
        self.engine.step(Ts(2), &Event::Command(command), &mut Effects::new());
    }

    /// Closing orders that the guardian sent.
    fn closings(&self) -> usize {
        let requests = self.truth("requests");
        requests.iter().filter(|request| request["body"].to_string().contains("-g")).count()
    }
}

#[test]
fn a_silent_engine_neither_delays_the_cancels_nor_the_latch_nor_the_closing() {
    let run = Run::new();
    run.holds();
    run.rests(1);
    run.rests(2);
    // The queue of requests is full and nobody empties it: the engine is stuck.
    while run.cockpit.ask(tickdeck::tui::link::Request::Wake) {}
    run.cockpit.kill();
    wait("the cancels", || (run.open_orders() == 0).then_some(()));
    wait("the marker", || run.marker().exists().then_some(()));
    let picture = wait("the picture", || {
        run.cockpit.newest().filter(|s| s.state.word == StateWord::Killed && !s.state.guardian.is_empty())
    });
    assert!(picture.state.latch.is_some());
    assert_eq!(run.truth("positions").len(), 1, "the first step closes nothing");
    assert!(!run.cockpit.close_after_kill(), "the engine does not take it");
    wait("flat", || (run.report.get().closes == 1).then_some(()));
    assert_eq!(run.truth("positions").len(), 0);
    let shown = run.cockpit.newest().unwrap().state.guardian.join("\n");
    assert!(shown.contains("takes over: the engine") && shown.contains("FLAT, proven"), "{shown}");
    assert!(run.end.take_kill().is_some(), "the engine finds the kill when it comes back");
}

#[test]
fn an_engine_that_closes_is_left_to_it() {
    let mut run = Run::new();
    run.holds();
    run.rests(1);
    run.beats();
    run.cockpit.kill();
    run.engine_hears(Command::Kill);
    wait("the cancels", || {
        run.beats();
        (run.open_orders() == 0).then_some(())
    });
    run.cockpit.close_after_kill();
    run.engine_hears(Command::KillClose);
    let since = Instant::now();
    wait("some time", || {
        run.beats();
        (since.elapsed() > Duration::from_secs(4)).then_some(())
    });
    assert_eq!((run.closings(), run.truth("positions").len()), (0, 1), "it beats: its own loop closes");
    // Then it does not any more.
    wait("flat", || (run.report.get().closes == 1).then_some(()));
    assert_eq!(run.truth("positions").len(), 0);
}

/// The engine is well and killed, but its queue was full when the close was asked for: it never hears of it.
#[test]
fn a_close_that_the_queue_refused_is_done_here() {
    let mut run = Run::new();
    run.holds();
    run.cockpit.kill();
    run.engine_hears(Command::Kill);
    while run.cockpit.ask(tickdeck::tui::link::Request::Wake) {}
    assert!(!run.cockpit.close_after_kill());
    wait("flat", || {
        run.beats();
        (run.report.get().closes == 1).then_some(())
    });
    assert_eq!(run.truth("positions").len(), 0);
    assert!(run.report.get().receipt.join(" ").contains("queue did not take it"));
}

/// `F` while the engine's thread stands still, for longer than it takes to be called silent: closed here, nothing latched.
#[test]
fn a_flatten_of_a_silent_engine_is_done_here() {
    let mut run = Run::new();
    run.holds();
    run.rests(1);
    let decided = run.gate.pass(run.gate.epoch(), PATIENCE, false);
    run.cockpit.flatten(None);
    assert!(decided.refusal().is_some(), "it disarms at once");
    wait("flat", || (run.report.get().flattens == 1).then_some(()));
    assert_eq!((run.open_orders(), run.truth("positions").len()), (0, 0));
    let shown = run.cockpit.newest().unwrap().state.guardian.join("\n");
    assert!(shown.contains("takes over: the engine is silent") && shown.contains("FLAT, proven"), "{shown}");
    assert!(!run.marker().exists(), "a flatten is no latch");
    assert_eq!(run.report.await_closing(Duration::ZERO), None);
    // It comes back, finds what was asked, and has nothing left to close.
    assert_eq!((run.end.take_flattens(), run.end.take_flattens()), (vec![None], Vec::new()));
    run.engine_hears(Command::Flatten(None));
    run.beats();
}

/// `f` after the engine's thread has fallen over: that position and no other, and the next one when it is asked for.
#[test]
fn a_flatten_of_one_after_the_engines_death_leaves_the_others() {
    let run = Run::new();
    run.holds();
    run.sim.act(&json!({ "order": { "symbol": "ETHUSDT", "side": "Sell", "qty": "0.3", "positionIdx": 0 } })).unwrap();
    run.pulse.died();
    wait("the answer to the death", || run.report.get().death.then_some(()));
    run.cockpit.flatten(Some(Symbol(1)));
    wait("flat", || (run.report.get().flattens == 1).then_some(()));
    let held = run.truth("positions");
    assert_eq!((held.len(), &held[0]["symbol"]), (1, &json!("BTCUSDT")), "{held:?}");
    let shown: Vec<_> = run.cockpit.newest().unwrap().positions.iter().map(|row| row.name.clone()).collect();
    assert!(!shown.contains(&"ETHUSDT".to_owned()), "{shown:?}");
    run.cockpit.flatten(Some(Symbol(0)));
    wait("flat", || (run.report.get().flattens == 2).then_some(()));
    assert_eq!(run.truth("positions").len(), 0);
}

/// The engine has taken the flatten up: its own loop closes, and only when it falls silent the guardian goes on with that.
#[test]
fn a_flatten_that_the_engine_heard_is_left_to_it() {
    let mut run = Run::new();
    run.holds();
    run.beats();
    run.cockpit.flatten(Some(Symbol(0)));
    assert_eq!(run.end.take_flattens(), [Some(Symbol(0))]);
    run.engine_hears(Command::Flatten(Some(Symbol(0))));
    let since = Instant::now();
    wait("some time", || {
        run.beats();
        (since.elapsed() > Duration::from_secs(4)).then_some(())
    });
    assert_eq!((run.closings(), run.truth("positions").len()), (0, 1), "it beats: its own loop closes");
    wait("flat", || run.truth("positions").is_empty().then_some(()));
}

/// The venue refuses whatever the engine sends, because somebody's order that reduces rests beside it, or because the position is
/// one leg of two: the guardian can do both, and does.
#[test]
fn a_close_that_the_venue_refuses_the_engine_is_taken_over() {
    for hedged in [false, true] {
        let mut run = Run::new();
        if hedged {
            run.sim.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } })).unwrap();
            for (side, idx) in [("Buy", 1), ("Sell", 2)] {
                let order = json!({ "symbol": "BTCUSDT", "side": side, "qty": "0.02", "positionIdx": idx });
                run.sim.act(&json!({ "order": order })).unwrap();
            }
        } else {
            run.holds();
            let ask = run.best("asks").raw() / 100 * 102;
            let blocks = Placement {
                link_id: "grid-1".into(),
                side: Side::Sell,
                qty: Qty::parse("0.02").unwrap(),
                reduce_only: true,
                price: Price::from_raw(ask - ask % 100_000_000),
                ..Run::placement(Price::ZERO, 0)
            };
            run.places(&blocks);
            run.sim.set_faults(&json!({ "reduce_only_counts": true })).unwrap();
        }
        run.engine = refused();
        wait("flat", || {
            run.beats();
            run.truth("positions").is_empty().then_some(())
        });
        let said = wait("the proof", || {
            run.beats();
            Some(run.report.get()).filter(|done| done.flat.is_some()).map(|done| done.receipt.join(" "))
        });
        assert!(said.contains("the exchange refuses the engine's closing orders"), "{said}");
        assert_eq!((run.open_orders(), run.closings() >= 2), (0, true), "{said}");
    }
}

/// An engine whose closing orders were refused three times.
fn refused() -> Engine {
    let settings = rig::eager();
    let mut rig = rig::Rig::armed(settings, RiskLimits::default());
    rig.want(Symbol(0), Side::Buy);
    rig.run(3_000);
    rig.want_nothing();
    rig.hold_back = true;
    rig.command(Command::Flatten(Some(Symbol(0))));
    for _ in 0..3 {
        assert!(!rig.engine.close_is_refused());
        let closing = rig.submitted.last().unwrap().seq;
        let why = OrderNews::Rejected("110017 Reduce-only rule not satisfied".into());
        rig.event(Event::Order(OrderUpdate { order: closing, what: why }));
        rig.run(2_000);
    }
    assert!(rig.engine.close_is_refused() && rig.engine.closing(), "{}", rig.told());
    rig.engine
}

/// An entry that left before the gate was shut arrives after the account has looked flat: nothing is called flat before no
/// such order can arrive any more, and then this one is closed too.
#[test]
fn flat_is_not_proven_while_an_order_may_still_arrive() {
    // Tried again where this machine was so slow that the order could not have been on its way for so long.
    let run = wait("an order that arrives in time", || {
        let run = Run::new();
        run.pulse.died();
        wait("the answer to the death", || run.report.get().death.then_some(()));
        run.holds();
        let shut = Instant::now();
        run.cockpit.flatten(None);
        wait("an account that looks flat", || run.truth("positions").is_empty().then_some(()));
        wait("time for two readings", || (shut.elapsed() > Duration::from_millis(1_800)).then_some(()));
        run.holds();
        (shut.elapsed() < Duration::from_millis(2_400)).then_some(run)
    });
    assert_eq!(run.report.get().flattens, 0, "not proven yet");
    let flat = wait("flat", || Some(run.report.get()).filter(|done| done.flattens == 1));
    assert_eq!(run.truth("positions").len(), 0, "{:?}", flat.receipt);
    assert!(flat.receipt.join(" ").contains("may still arrive"), "{:?}", flat.receipt);
}

/// What cannot be proven is named for as long as somebody waits for it: that is exit code 8.
#[test]
fn a_flatten_that_is_not_proven_says_what_is_left() {
    let run = Run::new();
    run.holds();
    run.sim.set_faults(&json!({ "banned": true })).unwrap();
    run.pulse.died();
    run.cockpit.flatten(None);
    wait("the taking over", || run.report.get().closing.then_some(()));
    assert!(run.report.await_closing(Duration::from_millis(50)).is_some());
    assert_eq!((run.report.get().flattens, run.truth("positions").len()), (0, 1));
}

/// A latch that was lifted ends what was asked under it: a later silence closes nothing.
#[test]
fn a_close_of_a_kill_that_was_lifted_is_not_armed_any_more() {
    let run = Run::new();
    run.holds();
    run.cockpit.close_after_kill();
    wait("that it is over", || {
        run.beats();
        (run.report.get().closes == 1).then_some(())
    });
    assert_eq!((run.closings(), run.truth("positions").len()), (0, 1));
}

/// What was on its way is looked for again after a kill; an order of after the reset is none of that, and the next kill ends it.
#[test]
fn an_order_of_after_the_reset_is_left_alone() {
    let run = Run::new();
    run.rests(1);
    run.cockpit.kill();
    wait("the cancel", || (run.open_orders() == 0).then_some(()));
    run.beats();
    run.rests(2);
    let lifted = |line: &String| line.contains("the kill was lifted");
    wait("the second look", || run.report.get().receipt.iter().any(lifted).then_some(()));
    assert_eq!(run.open_orders(), 1);
    run.cockpit.kill();
    wait("the cancel of the second kill", || {
        run.pulse.beat();
        (run.open_orders() == 0).then_some(())
    });
}

/// REST is refused altogether, the engine's own way may not be: its closing orders are not kept back.
#[test]
fn a_guardian_that_cannot_read_keeps_no_closing_order_back() {
    let run = Run::new();
    run.holds();
    run.sim.set_faults(&json!({ "banned": true })).unwrap();
    run.pulse.died();
    run.cockpit.close_after_kill();
    wait("the taking over", || {
        assert!(!run.gate.is_guarded());
        let said = run.report.get().receipt.join(" ");
        (said.contains("closing every position") && said.contains("close from the phone")).then_some(())
    });
    assert!(!run.gate.is_guarded());
    assert!(!run.report.get().death, "nothing was reached, so nothing was answered");
}

/// The exchange refuses this address for ten minutes, and for as long as it is asked. Nothing is asked until they are over by
/// our clock (which jumps here, as it does after a sleep); then the kill and the closing are done without anybody asking again.
#[test]
fn a_guardian_goes_on_when_a_ban_is_over() {
    let run = Run::new();
    run.holds();
    run.rests(1);
    run.sim.set_faults(&json!({ "banned": true })).unwrap();
    run.cockpit.kill();
    run.cockpit.flatten(None);
    wait("the refusal", || run.report.get().receipt.join(" ").contains("close from the phone").then_some(()));
    run.sim.set_faults(&json!({ "banned": false })).unwrap();
    let asked = run.truth("requests").len();
    let since = Instant::now();
    wait("two seconds", || (since.elapsed() > Duration::from_secs(2)).then_some(()));
    assert_eq!(run.truth("requests").len(), asked, "it does not knock while it is refused");
    run.moved.store(601 * 1_000_000_000, Ordering::SeqCst);
    wait("the cancels", || (run.open_orders() == 0).then_some(()));
    wait("flat", || (run.report.get().flattens == 1).then_some(()));
    assert_eq!(run.truth("positions").len(), 0);
}

/// The run ends right after the kill, before anybody saw to its latch.
#[test]
fn a_guardian_that_leaves_looks_after_a_kill_that_just_came() {
    let run = Run::new();
    run.cockpit.kill();
    run.pulse.leaves();
    run.gate.ring();
    wait("the marker", || run.marker().exists().then_some(()));
}

#[test]
fn the_death_of_the_engine_cancels_what_can_open_and_closes_nothing_by_itself() {
    let run = Run::new();
    run.holds();
    run.rests(1);
    run.pulse.died();
    wait("the answer to it", || run.report.get().death.then_some(()));
    assert_eq!((run.open_orders(), run.truth("positions").len()), (0, 1));
    run.cockpit.close_after_kill();
    wait("flat", || (run.report.get().closes == 1).then_some(()));
    assert_eq!(run.truth("positions").len(), 0);
}

#[test]
fn a_run_that_leaves_in_order_is_left_alone() {
    let run = Run::new();
    run.rests(1);
    run.pulse.leaves();
    run.gate.ring();
    let since = Instant::now();
    wait("more than the time after which it is silent", || (since.elapsed() > Duration::from_secs(3)).then_some(()));
    assert_eq!(run.open_orders(), 1);
}

/// Complaint 53: the way of a kill has its own thread, client and budgets, and shares no lock.
#[test]
fn nothing_that_is_broken_keeps_a_kill_from_its_cancels() {
    let faults = [
        json!({ "too_many": 5, "bare_10006": true }),
        json!({ "stall_private": true, "stall_trade": true, "refuse_sockets": true }),
        json!({ "lose_acks": 1, "path": "/v5/order/cancel" }),
        json!({ "fail_before": 2, "path": "/v5/order" }),
        json!({ "ack_delay_ms": 900, "path": "/v5/order" }),
    ];
    for fault in faults {
        let run = Run::new();
        run.rests(1);
        run.rests(2);
        run.sim.set_faults(&fault).unwrap();
        run.cockpit.kill();
        wait(&format!("the cancels: {fault}"), || (run.open_orders() == 0).then_some(()));
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_hangs_delays_the_latch_and_not_the_cancels() {
    let run = Run::new();
    // A pipe that nobody writes where the marker is: opening it never returns.
    let made = std::process::Command::new("mkfifo").arg(run.marker()).status().unwrap();
    assert!(made.success());
    run.rests(1);
    run.cockpit.kill();
    wait("the cancels", || (run.open_orders() == 0).then_some(()));
    run.cockpit.kill();
    run.rests(2);
    run.cockpit.kill();
    wait("the cancels of another kill", || (run.open_orders() == 0).then_some(()));
    wait("the picture", || run.cockpit.newest().filter(|s| s.state.word == StateWord::Killed));
    assert!(!std::fs::metadata(run.marker()).unwrap().is_file(), "no marker was made");
}

/// Complaint 54: the gate is closed when the cancels leave, and complaint 57: only what is ours is cancelled.
#[test]
fn the_gate_is_closed_first_and_only_ours_is_cancelled() {
    let run = Run::new();
    let decided = run.gate.pass(run.gate.epoch(), PATIENCE, false);
    run.cockpit.kill();
    assert!(decided.refusal().is_some(), "closed before anything was asked of anybody");
    run.holds();
    let stranger = run.truth("orders").len();
    run.rests(1);
    run.cockpit.kill();
    wait("the cancels", || (run.open_orders() == 0).then_some(()));
    assert_eq!(run.truth("orders").len(), stranger + 1);
    assert!(run.board.newest().is_some());
}
