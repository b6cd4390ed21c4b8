//! What a training found, for a person.

use std::fmt;

use super::Curve;
use super::plot::{Series, escaped, lines, page};
use super::sampling;
use crate::model::card::{Card, Score};

/// An architecture and how it did out of sample.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchReport {
    /// Name.
    pub arch: &'static str,
    /// Figures by held-out part and horizon.
    pub scores: Vec<Score>,
}

/// The result of a training.
#[derive(Clone, PartialEq, Debug)]
pub struct TrainReport {
    /// The card of the model that was written.
    pub card: Card,
    /// Rows learned from.
    pub rows: usize,
    /// Every architecture tried.
    pub archs: Vec<ArchReport>,
    /// How every fit learned.
    pub curves: Vec<Curve>,
}

impl ArchReport {
    /// Mean AUC over parts and horizons.
    pub fn mean_auc(&self) -> f64 {
        self.scores.iter().map(|score| score.auc).sum::<f64>() / self.scores.len().max(1) as f64
    }

    /// Mean AUC of the plainest signal alone on the same rows.
    pub fn mean_auc_plain(&self) -> f64 {
        self.scores.iter().map(|score| score.auc_plain).sum::<f64>() / self.scores.len().max(1) as f64
    }
}

impl TrainReport {
    /// The report as a page that needs nothing else: curves of every fit, and what was held out.
    pub fn html(&self) -> String {
        let mut body = format!("<p>{} rows, {}. {}</p>\n", self.rows, self.card.trained, escaped(&self.card.about));
        for line in &self.card.compared {
            body = format!("{body}<p>{}</p>\n", escaped(line));
        }
        for curve in &self.curves {
            let series = |name: &str, losses: &[f64]| Series {
                name: name.to_owned(),
                points: losses.iter().enumerate().map(|(n, loss)| (n as f64 + 1.0, *loss)).collect(),
            };
            let part = if curve.part.is_empty() { "everything" } else { curve.part.as_str() };
            let title = format!("{} {part}, seed {}: {} epochs", curve.arch, curve.seed, curve.best);
            body += &lines(&title, &[series("learned", &curve.learned), series("held out", &curve.held_out)]);
        }
        page(&format!("Training of {}", self.card.name), &body)
    }
}

impl fmt::Display for TrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}) from {} rows, {}", self.card.name, self.card.arch, self.rows, self.card.trained)?;
        self.card.compared.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if self.card.horizon.iter().all(|horizon| horizon.move_gain <= 0.0) {
            writeln!(
                f,
                "realised moves stand behind none of its forecasts: nothing opens by it while the edge gate is on"
            )?;
        }
        for report in &self.archs {
            writeln!(
                f,
                "\n{}: mean AUC {:.3}, {} alone {:.3}",
                report.arch,
                report.mean_auc(),
                sampling::of(self.card.reads()).plain.0,
                report.mean_auc_plain()
            )?;
            heading(f)?;
            report.scores.iter().try_for_each(|score| line(f, score))?;
        }
        Ok(())
    }
}

/// Names of the columns that [`line`] writes.
fn heading(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "{:>4} {:>7} {:>6} {:>6} {:>16} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6}  rows",
        "s", "moves", "AUC", "plain", "gain 95%", "late", "MCC", "IC", "plain", "top bps", "slope"
    )
}

/// One score as a line of the table.
fn line(f: &mut fmt::Formatter<'_>, s: &Score) -> fmt::Result {
    let [low, high] = s.auc_gain_95;
    write!(f, "{:>4} {:>7} {:>6.3} {:>6.3} {low:>7.3} .. {high:>5.3}", s.seconds, s.moved, s.auc, s.auc_plain)?;
    write!(f, " {:>6.3} {:>6.3} {:>6.3} {:>6.3}", s.auc_late, s.mcc, s.ic, s.ic_plain)?;
    writeln!(f, " {:>7.2} {:>6.2}  {}", s.top_decile_bps, s.slope, s.part)
}
