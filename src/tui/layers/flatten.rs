//! `f` and `F`: close one position (`y`), or all of them (the word FLAT). Both disarm.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::Symbol;
use crate::engine::num::Money;
use crate::engine::snapshot::{OrderRow, PositionRow, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::widgets::field::{Accepts, Field};
use crate::tui::widgets::figures;

/// The word that closes everything.
const WORD: &str = "FLAT";

/// `BTCUSDT LONG 0.012, marked 64,182.50, unrealised +1.82, closing costs about 0.42`.
pub fn position_line(row: &PositionRow, snapshot: &Snapshot) -> String {
    let market = snapshot.markets.iter().find(|m| m.symbol == row.symbol);
    let (price_decimals, qty_decimals) = market.map_or((9, 9), |m| (m.price_decimals, m.qty_decimals));
    let mark = figures::or_unknown(row.mark.fresh().copied(), |mark| figures::price(mark, price_decimals));
    let pnl = figures::or_unknown(row.unrealised, figures::signed_money);
    let cost = figures::or_unknown(row.close_cost, figures::money);
    let mut text = format!(
        "{} {} {}{}, marked {mark}, unrealised {pnl}, closing costs about {cost}",
        row.name,
        figures::long_short(row.side),
        figures::qty(row.qty, qty_decimals),
        if row.believed { "?" } else { "" },
    );
    if row.released {
        text.push_str(" - released to you, never touched");
    }
    text
}

/// Cost of closing all of ours; `None` while one of them is unknown.
pub fn total_cost(snapshot: &Snapshot) -> Option<Money> {
    snapshot.positions.iter().filter(|p| !p.released).try_fold(Money::ZERO, |sum, p| Some(sum + p.close_cost?))
}

/// `1 working order`: what is cancelled at once. What protects a position is none of them.
fn working(snapshot: &Snapshot, symbol: Option<Symbol>) -> String {
    let ours = |o: &&OrderRow| o.ours_works() && !o.protective && symbol.is_none_or(|symbol| o.symbol == symbol);
    match snapshot.orders.iter().filter(ours).count() {
        1 => "1 working order".to_owned(),
        count => format!("{count} working orders"),
    }
}

/// Close one position.
pub struct FlattenOne {
    symbol: Symbol,
    name: String,
}

impl FlattenOne {
    /// For this instrument, whatever is selected later.
    pub const fn new(symbol: Symbol, name: String) -> Self {
        Self { symbol, name }
    }
    fn position<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a PositionRow> {
        snapshot.positions.iter().find(|p| p.symbol == self.symbol && !p.released)
    }
}

impl Layer for FlattenOne {
    fn name(&self) -> &'static str {
        "flatten"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if self.position(ctx.snapshot).is_none() => {
                Outcome::CloseAndSay(format!("{} is no longer open", self.name))
            }
            Code::Char('y') => Outcome::Done(Request::Command(Command::Flatten(Some(self.symbol)))),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new(format!("FLATTEN {}", self.name)).grave().foot("y close it   Esc keep it");
        match self.position(ctx.snapshot) {
            Some(row) => {
                dialog.row(position_line(row, ctx.snapshot), Tone::Bright);
                dialog.gap();
                let orders = working(ctx.snapshot, Some(self.symbol));
                dialog.say(format!("Disarms, cancels {orders} of {}, closes at market.", self.name));
                dialog.say("Protection stays until it is flat.");
            }
            None => dialog.say(format!("{} is no longer open.", self.name)),
        }
        dialog
    }
}

/// Close every position.
pub struct FlattenAll {
    word: Field,
}

impl Default for FlattenAll {
    fn default() -> Self {
        Self { word: Field::new(Accepts::Word) }
    }
}

impl Layer for FlattenAll {
    fn name(&self) -> &'static str {
        "flatten-all"
    }
    fn is_typing(&self) -> bool {
        true
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        if key.code == Code::Enter {
            return match self.word.text() {
                WORD if ctx.may_confirm() => Outcome::Done(Request::Command(Command::Flatten(None))),
                WORD => Outcome::Early,
                _ => Outcome::Say(format!("type {WORD}, then Enter")),
            };
        }
        self.word.key(key);
        Outcome::Stay
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let snapshot = ctx.snapshot;
        let mut dialog = Dialog::new("FLATTEN ALL").grave().foot("Enter close everything   Esc keep everything");
        for row in &snapshot.positions {
            dialog.row(position_line(row, snapshot), Tone::Bright);
        }
        let orders = working(snapshot, None);
        let cost = figures::or_unknown(total_cost(snapshot), figures::money);
        dialog.gap();
        dialog.say(format!("Disarms, cancels {orders}, closes at market; about {cost} in all."));
        dialog.say("Protection stays until all is flat.");
        dialog.gap();
        dialog.row(format!("type {WORD} to go on: {}_", self.word.text()), Tone::Bright);
        dialog.focus = Some(dialog.rows.len() - 1);
        dialog
    }
}
