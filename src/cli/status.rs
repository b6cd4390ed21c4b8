//! `tickdeck status`: what the running engine says of itself, and what its ledger says.

use std::path::Path;

use super::global::Global;
use super::money::{Ask, Lost, look_for, open};
use super::output::{note, print};
use crate::engine::ids::Pair;
use crate::engine::num::Money;
use crate::engine::snapshot::Snapshot;
use crate::ledger::{Cell, Sheet, holder};
use crate::run::attach;
use crate::run::control::{ControlError, socket_path};
use crate::run::exit::{Exit, Failure};

/// The state of the running engine, then of its ledger; exit code 3 where none runs, 5 where one runs and does not answer.
pub(super) fn status(global: &Global, ask: &Ask) -> Result<(), Failure> {
    let path = look_for(global, ask).map_err(|lost| match lost {
        // Without a ledger there is no engine.
        Lost::Missing(failure) => Failure::new(Exit::NotRunning, format!("no engine is running: {failure}")),
        Lost::Failed(failure) => failure,
    })?;
    let holder = holder(&path);
    let picture = holder.as_ref().and_then(|_| picture(&path));
    let mut sheet = Sheet::new(["fact", "value"]);
    if let (Some(Ok(picture)), Some(pid)) = (&picture, &holder) {
        fact(&mut sheet, "engine", format!("running, process {pid}"));
        live(&mut sheet, picture);
    }
    // What the engine says counts, where it says it.
    let said: Vec<Cell> = sheet.rows().iter().filter_map(|row| row.first().cloned()).collect();
    for row in open(&path)?.status(holder.is_some()).map_err(Failure::error)?.rows() {
        if row.first().is_some_and(|name| !said.contains(name)) {
            sheet.push(row.clone());
        }
    }
    print(&sheet.render(ask.format))?;
    match (holder, picture) {
        (None, _) => Err(Failure::new(Exit::NotRunning, "no engine is running; the above is what the ledger says")),
        (Some(_), Some(Ok(_))) => Ok(()),
        (Some(pid), Some(Err(why))) => {
            let what =
                format!("the engine (process {pid}) does not say how it stands: {why}; the above is the ledger's");
            Err(Failure::new(Exit::Timeout, what))
        }
        (Some(pid), None) => {
            note(&format!("an engine is running (process {pid})"));
            Ok(())
        }
    }
}

/// A picture of the engine that holds this ledger; `None` where the file is not one of ours by its name.
pub(super) fn picture(path: &Path) -> Option<Result<Snapshot, ControlError>> {
    let pair = Pair::KEPT.into_iter().find(|pair| path.file_name().is_some_and(|name| name == pair.ledger_name()))?;
    Some(attach::look(&socket_path(path.parent()?, pair)))
}

fn fact(sheet: &mut Sheet, name: &str, value: String) {
    sheet.push(vec![Cell::text(name), Cell::Text(value)]);
}

fn live(sheet: &mut Sheet, picture: &Snapshot) {
    let (session, state, account) = (&picture.session, &picture.state, &picture.account);
    let unknown = |amount: Option<Money>| amount.map_or("unknown".to_owned(), |amount| amount.to_string());
    fact(sheet, "market and account", session.pair.stamp());
    fact(sheet, "state", format!("{:?}", state.word).to_uppercase());
    if let Some(until) = state.armed_until {
        fact(sheet, "armed until", until.to_string());
    }
    fact(sheet, "unattended", if session.unattended { "yes" } else { "no" }.to_owned());
    let latch = state.latch.as_ref().map(|latch| format!("{} since {}", latch.cause, latch.at));
    fact(sheet, "latch", latch.unwrap_or_else(|| "none".to_owned()));
    for reduction in &state.reducing {
        let name = reduction.name.as_deref().unwrap_or("everything");
        fact(sheet, "only reducing", format!("{name}: {}", reduction.why));
    }
    fact(sheet, "equity", unknown(account.equity));
    fact(sheet, "balance", account.balance.to_string());
    fact(sheet, "day", unknown(account.day_pnl));
    fact(sheet, "drawdown", account.drawdown_pct.map_or("unknown".to_owned(), |percent| format!("{percent:.2} %")));
    fact(sheet, "open positions", state.open.to_string());
    for row in &picture.positions {
        let side = row.side.position();
        let yours = if row.released { ", yours" } else { "" };
        fact(
            sheet,
            "position",
            format!("{} {side} {} at {}, {}{yours}", row.name, row.qty, row.entry, unknown(row.unrealised)),
        );
    }
    let working = picture.orders.iter().filter(|order| order.ours_works()).count();
    fact(sheet, "working orders", working.to_string());
    let age = picture.health.feed_age.map_or("never heard".to_owned(), |age| age.to_string());
    fact(sheet, "market data", age);
}
