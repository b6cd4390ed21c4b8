//! What timed execution is worth on tapes: implementation shortfall against sending at once and against a random wait.
//!
//! The same tape is run again and again by the same engine, paper venue and models, trading by the clock ([`Drill`]): once
//! timed, once resting without a look at any forecast, once at once, and once for every whole second that a wait may last. A random wait draws one of these runs for
//! every trade. Shortfall is what a trade paid beyond the mid of the moment at which it was wanted, in basis points.
//! Differences are of the same trades, averaged within minutes; intervals are over the minutes.

use std::collections::BTreeMap;
use std::path::Path;

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use super::replay::{RunLog, drilled};
use super::start::{Setup, StartError};
use crate::engine::execution::WAITS;
use crate::engine::num::{Money, Price};
use crate::engine::settings::{Execution, Settings};
use crate::engine::strategy::drill::Drill;
use crate::engine::time::{Span, Ts};
use crate::ledger::Traded;
use crate::model::train::{Estimate, over_blocks};

/// An entry every twenty seconds, an exit ten seconds later: longer than any wait and its confirmation.
const EVERY: Span = Span::from_secs(20);
/// Trades within this count as one witness.
const BLOCK: Span = Span::from_secs(60);
/// An arm that traded less than this share of what another did was not done.
const DONE: f64 = 0.99;

/// Figures of one instrument.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shortfall {
    /// The tape; `all` where several are taken together.
    pub source: String,
    /// Venue name.
    pub symbol: String,
    /// Trades that every arm did whole.
    pub trades: usize,
    /// Blocks of time they fall into.
    pub blocks: usize,
    /// Mean shortfall with fees when sent at once, in basis points.
    pub now_bps: f64,
    /// The same after a random wait.
    pub random_bps: f64,
    /// The same timed.
    pub timed_bps: f64,
    /// Share of the timed quantity that rested.
    pub rested: f64,
    /// Mean shortfall of resting at the best price whatever is forecast, and crossing at the end.
    pub joined_bps: f64,
    /// Mean seconds from wanted to done, timed.
    pub seconds: f64,
    /// Timed less at once; below zero is better.
    pub against_now: Option<Estimate>,
    /// The same without fees.
    pub against_now_price: Option<Estimate>,
    /// Timed less joined: what the forecast adds to resting, fees and price.
    pub against_joined: Option<Estimate>,
    /// The same without fees.
    pub against_joined_price: Option<Estimate>,
    /// Timed less a random wait.
    pub against_random: Option<Estimate>,
    /// The same without fees.
    pub against_random_price: Option<Estimate>,
}

/// A trade as one arm did it.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    qty: f64,
    /// Beyond the arrival mid, in basis points.
    price_bps: f64,
    fee_bps: f64,
    rested: f64,
    seconds: f64,
}

impl Done {
    fn bps(&self) -> f64 {
        self.price_bps + self.fee_bps
    }
}

/// One trade in every arm.
#[derive(Clone, Copy, Debug)]
struct Paired {
    at: Ts,
    now: Done,
    random: Done,
    joined: Done,
    timed: Done,
}

/// Trades of a file by venue name.
type BySymbol = BTreeMap<String, Vec<Paired>>;

/// Measures on tapes; `setup` makes a fresh setup for every run, `seed` draws the random waits.
pub fn measure<'a, E: From<StartError>>(
    files: impl IntoIterator<Item = &'a Path>,
    setup: &dyn Fn() -> Result<Setup, E>,
    seed: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<Vec<Shortfall>, E> {
    let (mut lines, mut all) = (Vec::new(), BySymbol::new());
    let mut files_of = BTreeMap::<String, usize>::new();
    for file in files {
        let source = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        tell(&source);
        for (symbol, trades) in of_file(file, setup, seed)? {
            lines.extend(line(&source, &symbol, &trades));
            *files_of.entry(symbol.clone()).or_default() += 1;
            all.entry(symbol).or_default().extend(trades);
        }
    }
    all.retain(|symbol, _| files_of.get(symbol).is_some_and(|count| *count > 1));
    lines.extend(all.iter().filter_map(|(symbol, trades)| line("all", symbol, trades)));
    Ok(lines)
}

fn of_file<E: From<StartError>>(file: &Path, setup: &dyn Fn() -> Result<Setup, E>, seed: u64) -> Result<BySymbol, E> {
    let run = |execution: Execution, late: i64, joins: bool| -> Result<RunLog, E> {
        let drill = Drill { every: EVERY, late: Span::from_secs(late), joins };
        let setup = setup()?;
        let settings = Settings { execution, drill: Some(drill), ..setup.settings };
        Ok(drilled(Setup { settings, ..setup }, file, Span(EVERY.0 / 2))?)
    };
    let (timed, joined) = (run(Execution::Timed, 0, false)?, run(Execution::Timed, 0, true)?);
    let waits = 0..=WAITS.0 / 1_000_000_000;
    let waited = waits.map(|late| run(Execution::Now, late, false)).collect::<Result<Vec<_>, E>>()?;
    Ok(paired(&timed, &joined, &waited, seed))
}

/// The trades that every arm did whole.
fn paired(timed: &RunLog, joined: &RunLog, waited: &[RunLog], seed: u64) -> BySymbol {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let drill = Drill { every: EVERY, late: Span(0), joins: false };
    let mut found = BySymbol::new();
    for (at, symbol, mid) in &timed.wanted {
        let drawn = (dice.next_u64() % waited.len().max(1) as u64) as usize;
        let Some(name) = timed.names.get(symbol.index()) else { continue };
        let side = drill.side(*symbol, *at);
        let of = |run: &RunLog| {
            let theirs =
                |t: &&Traded| &t.symbol == name && t.side == side && *at <= t.at && t.at < *at + Span(EVERY.0 / 2);
            done(*at, *mid, run.traded.iter().filter(theirs))
        };
        let arms: Vec<Done> = waited.iter().map(of).collect();
        let (timed, joined) = (of(timed), of(joined));
        let (Some(now), Some(random)) = (arms.first().copied(), arms.get(drawn).copied()) else { continue };
        let most = arms.iter().map(|arm| arm.qty).fold(timed.qty.max(joined.qty), f64::max);
        let whole = |arm: &Done| arm.qty > 0.0 && arm.qty >= most * DONE;
        if whole(&timed) && whole(&joined) && arms.iter().all(whole) {
            found.entry(name.clone()).or_default().push(Paired { at: *at, now, random, joined, timed });
        }
    }
    found
}

/// What executions came to against the mid at which the trade was wanted.
fn done<'a>(at: Ts, mid: Price, traded: impl Iterator<Item = &'a Traded>) -> Done {
    let (mut done, mut value, mut fees, mut sign) = (Done::default(), 0.0, Money::ZERO, 0.0);
    for one in traded {
        let (qty, price) = (one.qty.to_f64_lossy(), one.price.to_f64_lossy());
        done.qty += qty;
        value += qty * price;
        fees += one.fee;
        sign = one.side.sign() as f64;
        done.rested += if one.maker { qty } else { 0.0 };
        done.seconds = one.at.since(at).as_ms() as f64 / 1e3;
    }
    if done.qty > 0.0 {
        let mid = mid.to_f64_lossy();
        done.price_bps = (value / done.qty - mid) / mid * sign * 1e4;
        done.fee_bps = fees.to_f64_lossy() / value * 1e4;
        done.rested /= done.qty;
    }
    done
}

fn line(source: &str, symbol: &str, trades: &[Paired]) -> Option<Shortfall> {
    if trades.is_empty() {
        return None;
    }
    let mean = |of: fn(&Paired) -> f64| trades.iter().map(of).sum::<f64>() / trades.len() as f64;
    let mut blocks = BTreeMap::<i64, Vec<&Paired>>::new();
    for trade in trades {
        blocks.entry(trade.at.0.div_euclid(BLOCK.0)).or_default().push(trade);
    }
    let apart = |of: fn(&Paired) -> f64| {
        let means = blocks.values().map(|block| block.iter().map(|t| of(t)).sum::<f64>() / block.len() as f64);
        over_blocks(&means.collect::<Vec<_>>())
    };
    Some(Shortfall {
        source: source.to_owned(),
        symbol: symbol.to_owned(),
        trades: trades.len(),
        blocks: blocks.len(),
        now_bps: mean(|t| t.now.bps()),
        random_bps: mean(|t| t.random.bps()),
        timed_bps: mean(|t| t.timed.bps()),
        joined_bps: mean(|t| t.joined.bps()),
        rested: mean(|t| t.timed.rested),
        seconds: mean(|t| t.timed.seconds),
        against_now: apart(|t| t.timed.bps() - t.now.bps()),
        against_now_price: apart(|t| t.timed.price_bps - t.now.price_bps),
        against_joined: apart(|t| t.timed.bps() - t.joined.bps()),
        against_joined_price: apart(|t| t.timed.price_bps - t.joined.price_bps),
        against_random: apart(|t| t.timed.bps() - t.random.bps()),
        against_random_price: apart(|t| t.timed.price_bps - t.random.price_bps),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Symbol;
    use crate::engine::num::{Qty, Side};

    fn traded(at_s: i64, side: Side, price: &str, maker: bool) -> Traded {
        Traded {
            at: Ts(at_s * 1_000_000_000),
            symbol: "BTCUSDT".into(),
            side,
            price: Price::parse(price).unwrap(),
            qty: Qty::parse("2").unwrap(),
            fee: Money::parse("0.1").unwrap(),
            maker,
        }
    }

    fn log(traded: Vec<Traded>) -> RunLog {
        let wanted = vec![(Ts(0), Symbol(0), Price::parse("100").unwrap())];
        RunLog { names: vec!["BTCUSDT".into()], wanted, traded }
    }

    #[test]
    fn shortfall_is_counted_from_the_mid_at_which_it_was_wanted() {
        let now = log(vec![traded(0, Side::Buy, "100.1", false)]);
        let timed = log(vec![traded(3, Side::Buy, "99.9", true)]);
        let joined = log(vec![traded(5, Side::Buy, "100.2", false)]);
        let found = paired(&timed, &joined, &[now], 1);
        let line = line("tape", "BTCUSDT", &found["BTCUSDT"]).unwrap();
        assert!((line.now_bps - 14.995).abs() < 1e-3, "{line:?}");
        assert!((line.timed_bps + 4.995).abs() < 1e-3, "{line:?}");
        assert!((line.joined_bps - 24.99).abs() < 1e-2, "{line:?}");
        assert_eq!((line.trades, line.rested, line.seconds, line.against_now.is_none()), (1, 1.0, 3.0, true));
    }

    #[test]
    fn a_trade_that_one_arm_did_not_do_is_compared_in_none() {
        let now = log(vec![traded(0, Side::Buy, "100.1", false)]);
        // The other side, and the right one too late.
        let timed = log(vec![traded(3, Side::Sell, "99.9", true), traded(11, Side::Buy, "99.9", true)]);
        assert!(paired(&timed, &now, std::slice::from_ref(&now), 1).is_empty());
    }
}
