//! What a run leaves open when it ends: said after the terminal is restored, where it stays in sight.

use super::output::note;
use crate::engine::ids::{Account, Market};
use crate::engine::snapshot::{Snapshot, View};
use crate::run::driver::Finished;
use crate::tui::layers::quit::what_stays;
use crate::tui::widgets::figures;

/// Names every position that stays open, what protects it, and how to come back to it.
pub(super) fn say(finished: &mut Finished) {
    for line in lines(&finished.engine.snapshot(View::default())) {
        note(&line);
    }
}

/// Positions of a simulated market or a tape end with it: there is nothing to come back to.
fn lines(snapshot: &Snapshot) -> Vec<String> {
    let pair = snapshot.session.pair;
    if snapshot.positions.is_empty() || pair.market() != Market::Bybit {
        return Vec::new();
    }
    let mut lines: Vec<String> = snapshot
        .positions
        .iter()
        .map(|row| {
            let decimals = snapshot.markets.iter().find(|m| m.symbol == row.symbol).map_or(9, |m| m.qty_decimals);
            let (side, qty) = (figures::long_short(row.side), figures::qty(row.qty, decimals));
            format!("{} {side} {qty} STAYS OPEN: {}", row.name, what_stays(row, snapshot))
        })
        .collect();
    let mode =
        if pair.account() == Account::Paper { String::new() } else { format!(" --mode {}", pair.account().word()) };
    lines.push(format!(
        "`tickdeck{mode}` with the same data directory takes them up again; `tickdeck positions` lists them"
    ));
    lines
}
