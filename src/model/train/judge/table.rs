//! An evaluation as text.

use std::fmt;

use super::{Checks, Economy, EvalReport, Line};
use crate::engine::features::Set;
use crate::model::train::figures::Estimate;
use crate::model::train::sampling::{self, Sampling};

impl fmt::Display for EvalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = sampling::of(self.reads);
        let late = match self.reads {
            Set::Market => format!("{} ms late", usual.late.as_ms()),
            Set::Bars => "a bar late".to_owned(),
        };
        writeln!(
            f,
            "{}{} on {} rows in {} session(s); {} variant(s) tried before it was chosen",
            self.model,
            if self.hash.is_empty() { String::new() } else { format!(" ({})", self.hash) },
            self.rows,
            self.sessions,
            self.tried
        )?;
        if !self.in_sample.is_empty() {
            writeln!(f, "NO PROOF: it was trained on {}", self.in_sample.join(", "))?;
        }
        writeln!(
            f,
            "\nAUC of the direction at once, and {late}; MCC, IC, top tenth in bps; calibration of the odds with 95 %"
        )?;
        writeln!(
            f,
            "{:>4} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6} {:>6} {:>6} {:>6}  {:<24} {:<24} part",
            "s",
            "moves",
            "model",
            "late",
            if usual.other.is_some() { "tick" } else { "none" },
            if usual.other.is_some() { "queue" } else { "last" },
            "ridge",
            "MCC",
            "IC",
            "top bps",
            "loss",
            "flat",
            "Brier",
            "flat",
            "slope",
            "offset"
        )?;
        for line in self.lines.iter().filter(|line| line.delay_ms == 0) {
            let same = |other: &&Line| other.part == line.part && other.seconds == line.seconds && other.delay_ms > 0;
            row(f, usual, line, self.lines.iter().find(same))?;
        }
        writeln!(f, "\nagainst the others over whole sessions (better only where the interval is above zero):")?;
        for difference in &self.differences {
            let verdict = if difference.is_better() { "better" } else { "not better" };
            let gain = difference.gain.map_or("? (two sessions are needed)".to_owned(), shown);
            let late = if difference.delay_ms > 0 { format!(", {late}") } else { String::new() };
            writeln!(f, "{:>4} s  {:<42} {gain}  {verdict}", difference.seconds, format!("{}{late}", difference.what))?;
        }
        writeln!(f, "\nacting on it, {late}, one position per market (bps; Sharpe per trade):")?;
        if self.reads == Set::Bars {
            writeln!(f, "   bars tell neither spread nor depth: costs are fees alone, and the capacity is not known")?;
        }
        self.economies.iter().filter(|e| e.trades > 0).try_for_each(|economy| trade(f, economy))?;
        if self.economies.iter().filter(|e| e.policy == "edge gate").all(|e| e.trades == 0) {
            writeln!(f, "   the edge gate lets no forecast through: none is expected to pay its costs")?;
        }
        writeln!(f)?;
        self.checks.iter().try_for_each(|check| checked(f, check))
    }
}

fn row(f: &mut fmt::Formatter<'_>, usual: &Sampling, line: &Line, late: Option<&Line>) -> fmt::Result {
    let auc = |line: &Line, name: &str| line.contenders.iter().find(|c| c.name == name).map(|c| c.auc);
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    write!(f, "{:>4} {:>7} {:>6}", line.seconds, line.moved, show(auc(line, "model")))?;
    write!(f, " {:>6}", show(late.and_then(|late| auc(late, "model"))))?;
    for name in [usual.other.map_or("", |other| other.0), usual.plain.0, "ridge"] {
        write!(f, " {:>6}", show(auc(line, name)))?;
    }
    if let Some(model) = line.contenders.first() {
        write!(f, " {:>6.3} {:>6.3} {:>7.2}", model.mcc, model.ic, model.top_decile_bps)?;
    }
    let [loss, flat] = line.log_loss;
    let slope = line.calibration.map_or("-".to_owned(), |c| shown(c.slope));
    let offset = line.calibration.map_or("-".to_owned(), |c| shown(c.intercept));
    let [brier, of_flat] = line.brier;
    writeln!(f, " {loss:>6.3} {flat:>6.3} {brier:>6.3} {of_flat:>6.3}  {slope:<24} {offset:<24} {}", line.part)
}

fn trade(f: &mut fmt::Formatter<'_>, economy: &Economy) -> fmt::Result {
    let bps = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:+.2}"));
    write!(f, "{:>4} s  {:<16} {:<38}", economy.seconds, economy.policy, economy.scheme)?;
    write!(f, " {:>6} trades {:>6.1}/1000", economy.trades, economy.per_1000)?;
    write!(f, "  gross {:>6}  net {:>6}", bps(economy.gross_bps), bps(economy.net_bps))?;
    let sharpe = economy.sharpe.map_or("-".to_owned(), shown);
    let deflated = economy.deflated.map_or("-".to_owned(), |p| format!("{p:.3}"));
    let capacity = economy.capacity.map_or("-".to_owned(), |c| format!("{c:.0}"));
    writeln!(f, "  Sharpe {sharpe}  deflated {deflated}  capacity {capacity}")
}

fn checked(f: &mut fmt::Formatter<'_>, check: &Checks) -> fmt::Result {
    let verdict = if check.look_ahead_differences == 0 { "ok  " } else { "FAIL" };
    writeln!(
        f,
        "{verdict}  look-ahead: {} of {} rows change without the future; recursion: over {} rows features drift by at most \
         {:.4} deviations ({}), forecasts by {:.4}  {}",
        check.look_ahead_differences,
        check.look_ahead_rows,
        check.recursion_rows,
        check.feature_drift,
        check.worst_feature,
        check.forecast_drift,
        check.source
    )
}

/// `0.012 [-0.003, 0.027]`.
pub(super) fn shown(estimate: Estimate) -> String {
    let [low, high] = estimate.interval;
    format!("{:.3} [{low:.3}, {high:.3}]", estimate.value)
}
