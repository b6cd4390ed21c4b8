//! `tickdeck backtest --execution`: what timed execution costs on tapes beside sending at once and a random wait.

use std::path::PathBuf;

use super::global::Global;
use super::output::{note, print};
use super::runs::{Place, start_failure};
use crate::engine::ids::Account;
use crate::ledger::{Cell, Format, Sheet};
use crate::model::train::Estimate;
use crate::run::exit::Failure;
use crate::run::shortfall::{Shortfall, measure};
use crate::run::start::StartError;

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        start_failure(error)
    }
}

/// Measures and prints. The random waits are drawn from `seed`.
pub(super) fn run(global: &Global, files: &[PathBuf], seed: u64, format: Format) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let setup = || place.setup(Account::Paper);
    if setup()?.models.is_empty() {
        return Err(Failure::error(
            "without a model nothing waits: timed execution has nothing to go by. Nothing was measured",
        ));
    }
    let paths = files.iter().map(PathBuf::as_path);
    let lines = measure(paths, &setup, seed, &mut |file| note(&format!("trading {file} by the clock")))?;
    match format {
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&lines).map_err(Failure::error)?)),
        format => print(&sheet(&lines).render(format)),
    }
}

fn sheet(lines: &[Shortfall]) -> Sheet {
    let columns = [
        "source",
        "symbol",
        "trades",
        "blocks",
        "now",
        "random",
        "joined",
        "timed",
        "rested",
        "seconds",
        "timed less now",
        "its price",
        "timed less joined",
        "price of it",
        "timed less random",
        "price of that",
    ];
    let mut sheet = Sheet::new(columns);
    let bps = |value: f64| Cell::text(format!("{value:.2}"));
    for line in lines {
        sheet.push(vec![
            Cell::text(&line.source),
            Cell::text(&line.symbol),
            Cell::Count(i64::try_from(line.trades).unwrap_or(i64::MAX)),
            Cell::Count(i64::try_from(line.blocks).unwrap_or(i64::MAX)),
            bps(line.now_bps),
            bps(line.random_bps),
            bps(line.joined_bps),
            bps(line.timed_bps),
            Cell::text(format!("{:.0}%", line.rested * 100.0)),
            bps(line.seconds),
            apart(line.against_now.as_ref()),
            apart(line.against_now_price.as_ref()),
            apart(line.against_joined.as_ref()),
            apart(line.against_joined_price.as_ref()),
            apart(line.against_random.as_ref()),
            apart(line.against_random_price.as_ref()),
        ]);
    }
    sheet
}

fn apart(found: Option<&Estimate>) -> Cell {
    found.map_or(Cell::Nothing, |found| {
        let [low, high] = found.interval;
        Cell::text(format!("{:+.2} [{low:+.2}, {high:+.2}]", found.value))
    })
}
