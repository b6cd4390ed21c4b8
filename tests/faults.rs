//! The whole engine in virtual time, while everything goes wrong: driver, engine, ledger, account task and the matching
//! engine of the simulated exchange, single-threaded, from one seed. The proof that money is safe.
//!
//! `TICKDECK_SEEDS` says how many seeds run (first `TICKDECK_FIRST_SEED`), `TICKDECK_SEED` runs one with its log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

#[path = "faults/api.rs"]
mod api;
#[path = "faults/beside.rs"]
mod beside;
#[path = "faults/checks.rs"]
mod checks;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/market.rs"]
mod market;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/plan.rs"]
mod plan;
#[path = "faults/process.rs"]
mod process;
#[path = "faults/random.rs"]
mod random;
#[path = "faults/rows.rs"]
mod rows;
#[path = "faults/stories.rs"]
mod stories;
#[path = "faults/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plan::Plan;
use world::{World, symbols_of};

/// Seeds of a run that asks for no number of them.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What a seed came to.
struct Outcome {
    failed: Option<String>,
    log: Vec<String>,
    creates: u64,
    fills: usize,
}

fn play(seed: u64, plan: &Plan, logged: bool) -> Outcome {
    let mut world = World::new(seed, plan);
    world.log = logged.then(Vec::new);
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.run_until(World::storm_end());
        world.finish();
    }));
    let failed = played.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    });
    let fills = world.exchange.executions.len();
    Outcome { failed, log: world.log.take().unwrap_or_default(), creates: world.truth.creates, fills }
}

/// What some seeds came to.
#[derive(Default)]
struct Tally {
    failures: Vec<(u64, String)>,
    creates: u64,
    fills: usize,
}

fn play_until(next: &AtomicU64, end: u64) -> Tally {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return tally;
        }
        let outcome = play(seed, &Plan::of(seed, symbols_of(seed)), false);
        tally.creates += outcome.creates;
        tally.fills += outcome.fills;
        tally.failures.extend(outcome.failed.map(|why| (seed, why)));
    }
}

/// Seeds that found a bug and need no story of their own.
const FOUND: &[u64] = &[
    // A reading that was under way when the machine fell asleep proved flat after it woke.
    3_512_326,
    // What auto-deleveraging and liquidation took while nothing ran was in no ledger, and what they left counted as the person's.
    1_011, 1_057,
    // Money left while the machine slept into the end of the seed: compared before the exchange had said it often enough.
    20_676,
    // A stranger's trade in hedge mode, listed long after it: booked a second time, for the one-way row's sequence is behind it.
    3_477, 4_175,
    // A close whose intent no disk took, executed before the account had been opened by a clock that was ahead.
    4_684,
];

#[test]
fn what_a_seed_found_stays_mended() {
    for seed in FOUND {
        let outcome = play(*seed, &Plan::of(*seed, symbols_of(*seed)), false);
        assert!(outcome.failed.is_none(), "seed {seed}: {}", outcome.failed.unwrap_or_default());
    }
}

#[test]
fn money_is_safe_whatever_goes_wrong() {
    if let Some(seed) = number("TICKDECK_SEED") {
        let plan = Plan::of(seed, symbols_of(seed));
        println!("{plan:#?}");
        let outcome = play(seed, &plan, true);
        outcome.log.iter().for_each(|line| println!("{line}"));
        assert!(outcome.failed.is_none(), "seed {seed}: {}", outcome.failed.unwrap_or_default());
        return;
    }
    let first = number("TICKDECK_FIRST_SEED").unwrap_or(0);
    let count = number("TICKDECK_SEEDS").unwrap_or(SEEDS);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let played: Vec<Tally> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(|| play_until(&next, first + count))).collect();
        players.into_iter().map(|player| player.join().unwrap()).collect()
    });
    std::panic::set_hook(hook);
    let creates: u64 = played.iter().map(|tally| tally.creates).sum();
    let fills: usize = played.iter().map(|tally| tally.fills).sum();
    let mut failures: Vec<(u64, String)> = played.into_iter().flat_map(|tally| tally.failures).collect();
    failures.sort();
    let failures: Vec<String> = failures.into_iter().map(|(seed, why)| format!("seed {seed}: {why}")).collect();
    let took = began.elapsed().as_secs_f64();
    println!(
        "{count} seeds in {took:.1} s: {:.2} ms each, {creates} creates, {fills} fills",
        took * 1e3 / count as f64
    );
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}
