//! `tickdeck why TAPE`: the whole chain behind a decision of a recorded run, computed again from its tape.

use std::path::PathBuf;

use super::global::Global;
use super::output::print;
use super::runs::start_failure;
use crate::engine::time::Span;
use crate::engine::why::WhyOf;
use crate::model::{Model, scan};
use crate::run::exit::Failure;
use crate::run::why::{Question, Recomputed, Report, TOLERANCE, why};
use crate::tui::layers::dialog::Dialog;
use crate::tui::layers::why::chain;

/// Which decision of which run.
#[derive(clap::Args, Debug)]
pub(super) struct WhyAsked {
    /// A tape that tickdeck recorded
    file: PathBuf,
    /// The order with this number
    #[arg(long)]
    order: Option<u64>,
    /// The last decision about this instrument
    #[arg(long, conflicts_with = "order", required_unless_present = "order")]
    symbol: Option<String>,
    /// So long after the tape begins instead of at its end: 90s, 15m
    #[arg(long, value_name = "TIME", value_parser = super::span, conflicts_with = "order")]
    at: Option<Span>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: super::LineFormat,
}

pub(super) fn run(global: &Global, asked: &WhyAsked) -> Result<(), Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    let dir = files.models(loaded.config.model.dir.as_deref());
    let mut models: Vec<Box<dyn Model>> = scan(&dir).into_iter().filter_map(Result::ok).collect();
    let question = match (asked.order, &asked.symbol) {
        (Some(order), _) => Question::Order(order),
        (None, symbol) => Question::Instrument(symbol.clone().unwrap_or_default(), asked.at),
    };
    let found = why(&asked.file, &question, &mut models).map_err(start_failure)?;
    let report = found.ok_or_else(|| Failure::error("the tape holds no such decision"))?;
    match asked.format {
        super::LineFormat::Json => {
            print(&format!("{}\n", serde_json::to_string_pretty(&report).map_err(Failure::error)?))?;
        }
        super::LineFormat::Text => print(&text(&report))?,
    }
    match report.recomputed.iter().find(|again| again.differs()) {
        Some(again) => Err(Failure::error(format!(
            "{} gives another answer now than the tape holds: its files or this build are not those of the run",
            again.model
        ))),
        None => Ok(()),
    }
}

fn text(report: &Report) -> String {
    let of: WhyOf = report.why.of;
    let mut dialog = Dialog::new(report.name.clone());
    chain(of, Some(&report.why), &mut dialog);
    let again = |again: &Recomputed| match (again.difference, again.why_not) {
        (Some(difference), _) => {
            format!("{} computed again: differs by {difference:e} (at most {TOLERANCE:e})", again.model)
        }
        (None, why) => format!("{} not computed again: {}", again.model, why.unwrap_or("unknown")),
    };
    let rows = dialog.rows.iter().map(|(text, _)| text.trim_end().to_owned());
    let lines: Vec<String> =
        std::iter::once(report.name.clone()).chain(rows).chain(report.recomputed.iter().map(again)).collect();
    format!("{}\n", lines.join("\n"))
}
