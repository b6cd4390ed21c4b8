//! `tickdeck flatten [SYMBOL]`: a running engine closes one position of ours or all, and proves it; where it is stuck or has
//! fallen over, its guardian does. It disarms and latches nothing.

use std::time::{Duration, Instant};

use super::control::{Engine, unheard};
use super::global::Global;
use super::kill::receipt_sheet;
use super::output::print;
use crate::engine::time::Span;
use crate::ledger::Format;
use crate::run::control::{Ask, State, Verb, ask};
use crate::run::exit::{Exit, Failure};

/// A running engine answers a line within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is to be closed.
#[derive(clap::Args, Debug)]
pub(super) struct Flatten {
    /// The instrument, such as BTCUSDT; without one every position of ours
    symbol: Option<String>,
    /// Yes, close
    #[arg(long)]
    yes: bool,
    /// How long it may take to be proven: 60s, 5m
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = super::span)]
    within: Span,
    /// How the receipt is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// `tickdeck flatten`.
pub(super) fn run(global: &Global, flatten: &Flatten) -> Result<(), Failure> {
    if !flatten.yes {
        let why = "flatten: nothing was done. It closes positions at market prices: add --yes";
        return Err(Failure::new(Exit::Usage, why));
    }
    let engine = Engine::find(global, "flatten")?;
    let socket = engine.socket();
    let asks = |line: &Ask| ask(&socket, line, ANSWER_WITHIN).map_err(unheard);
    let began = Instant::now();
    let within = Duration::from_nanos(u64::try_from(flatten.within.0).unwrap_or(0));
    let mut state = asks(&Ask { symbol: flatten.symbol.clone(), ..Ask::plain(Verb::Flatten) })?;
    while !state.flattened && began.elapsed() < within {
        std::thread::sleep(LOOK_EVERY);
        state = asks(&Ask::plain(Verb::State))?;
    }
    print(&shown(flatten.format, engine.name(), &state)?)?;
    // Asked for by name, and not ours to close: the instrument is not flat, whatever was proven of ours.
    let is_of = |left: &String, symbol: &String| left.starts_with(&format!("{symbol} ")) && left.ends_with("left open");
    let of_person = |symbol: &&String| state.left_alone.iter().any(|left| is_of(left, symbol));
    if let Some(symbol) = flatten.symbol.as_ref().filter(of_person) {
        let why =
            format!("{symbol} IS NOT FLAT: what is open there is yours, `tickdeck close-released {symbol}` closes it");
        return Err(Failure::new(Exit::NotFlat, why));
    }
    if state.flattened {
        return Ok(());
    }
    let why = "FLAT IS NOT PROVEN: look at the exchange now and close there what is open";
    Err(Failure::new(Exit::NotFlat, why))
}

fn shown(format: Format, account: &str, state: &State) -> Result<String, Failure> {
    match format {
        Format::Json => return serde_json::to_string(state).map(|text| format!("{text}\n")).map_err(Failure::error),
        Format::Csv => return Ok(receipt_sheet(account, state).render(Format::Csv)),
        Format::Table => {}
    }
    let head = format!("process {}: {}", state.pid, if state.flattened { "flat, proven" } else { "closing" });
    let lines = state.receipt.iter().chain(&state.guardian).chain(&state.left_alone);
    let lines: Vec<&str> = std::iter::once(&head).chain(lines).map(String::as_str).collect();
    Ok(format!("{}\n", lines.join("\n")))
}
