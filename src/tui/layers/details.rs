//! Enter: what is selected, in full. Answers the question that is asked most: why did it not trade?

use super::dialog::{Dialog, Tone};
use super::flatten::position_line;
use super::why::chain;
use super::{Ctx, Layer, Outcome};
use crate::engine::danger::DangerLevel;
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::notice::Notice;
use crate::engine::num::Side;
use crate::engine::risk::verdict::Denial;
use crate::engine::snapshot::{Freshness, MarketRow, Snapshot, Verdict};
use crate::engine::time::Ts;
use crate::engine::why::WhyOf;
use crate::tui::keymap::{Code, Key};
use crate::tui::panes::PaneId;
use crate::tui::state::{UiState, name_of};
use crate::tui::widgets::{danger, figures};

/// Events shown with an instrument.
const EVENTS: usize = 8;

/// What the details are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Market(Symbol),
    /// The last decision about an instrument.
    Decision(Symbol),
    Order(OrderSeq),
    /// An event, and the decision that it was told of.
    Notice(u64, Option<(Symbol, Ts)>),
    Dangers,
}

/// The layer.
pub struct Details {
    subject: Subject,
}

impl Details {
    /// For everything that can hurt from outside.
    pub const fn dangers() -> Self {
        Self { subject: Subject::Dangers }
    }

    /// For the last decision about the instrument in front, or what the selected order or event came from.
    pub fn why(ui: &UiState, snapshot: &Snapshot) -> Self {
        let Self { subject } = Self::of(ui, snapshot);
        match subject {
            Subject::Market(symbol) => Self { subject: Subject::Decision(symbol) },
            subject => Self { subject },
        }
    }

    /// For what is selected in the focused pane, otherwise for the instrument in front.
    pub fn of(ui: &UiState, snapshot: &Snapshot) -> Self {
        let about = |n: &Notice| Subject::Notice(n.id, n.symbol.map(|symbol| (symbol, n.at)));
        let newest_first = || ui.visible_notices(snapshot).nth(ui.events_back).map(about);
        let selected = match ui.focus {
            PaneId::Orders => ui.order(snapshot).map(|row| Subject::Order(row.order)),
            PaneId::Events => newest_first(),
            PaneId::Signals => Some(Subject::Decision(ui.symbol)),
            _ => None,
        };
        Self { subject: selected.unwrap_or_else(|| Subject::Market(ui.target(snapshot))) }
    }
}

impl Layer for Details {
    fn name(&self) -> &'static str {
        "details"
    }
    fn is_guard(&self) -> bool {
        false
    }
    fn key(&mut self, key: Key, _ctx: &Ctx<'_>) -> Outcome {
        if key.code == Code::Enter { Outcome::Close } else { Outcome::Stay }
    }
    fn why(&self) -> Option<WhyOf> {
        match self.subject {
            Subject::Decision(symbol) => Some(WhyOf::Latest(symbol)),
            Subject::Order(order) => Some(WhyOf::Order(order)),
            Subject::Notice(_, moment) => moment.map(|(symbol, at)| WhyOf::Moment(symbol, at)),
            Subject::Market(_) | Subject::Dangers => None,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = match self.subject {
            Subject::Market(symbol) => market(symbol, ctx.snapshot),
            Subject::Decision(symbol) => {
                Dialog::new(format!("{} - why, feature by feature", name_of(ctx.snapshot, symbol)))
            }
            Subject::Order(order) => order_details(order, ctx.snapshot),
            Subject::Notice(id, _) => notice(id, ctx.snapshot),
            Subject::Dangers => dangers(ctx.snapshot),
        };
        if let Some(of) = self.why() {
            if !dialog.rows.is_empty() {
                dialog.gap();
            }
            chain(of, ctx.snapshot.why.as_ref(), &mut dialog);
        }
        dialog
    }
}

fn market(symbol: Symbol, snapshot: &Snapshot) -> Dialog {
    let mut dialog = Dialog::new(format!("{} - why", name_of(snapshot, symbol)));
    let Some(row) = snapshot.markets.iter().find(|m| m.symbol == symbol) else {
        dialog.row("this instrument is not listed", Tone::Dim);
        return dialog;
    };
    verdict(row, &mut dialog);
    for reason in snapshot.state.reducing.iter().filter(|r| r.name.as_ref().is_none_or(|name| *name == row.name)) {
        dialog.row(format!("only reducing orders: {}", reason.why), Tone::Warn);
    }
    dialog.gap();
    let last = match &row.last {
        Freshness::Missing => figures::UNKNOWN.to_owned(),
        Freshness::Fresh(price) => figures::price(*price, row.price_decimals),
        Freshness::Stale { value, age } => format!("{} ({age} old)", figures::price(*value, row.price_decimals)),
    };
    dialog.pair("last", last);
    dialog.pair("spread", figures::or_unknown(row.spread_bps, |bps| format!("{} bp", figures::plain(bps, 2))));
    dialog.pair("stream age", figures::age(row.age));
    dialog.pair("book", format!("{:?}", row.book).to_lowercase());
    dialog.pair("edge", figures::or_unknown(row.edge_bps, |bps| format!("{} bp after costs", figures::signed(bps, 1))));
    for signal in snapshot.signals.iter().filter(|s| s.symbol == symbol) {
        let probs = match &signal.probs {
            Freshness::Fresh(p) => figures::probabilities(*p),
            Freshness::Stale { value, age } => format!("{} ({age} old)", figures::probabilities(*value)),
            Freshness::Missing => figures::UNKNOWN.to_owned(),
        };
        dialog.pair(&signal.model, format!("{}s  up/flat/down {probs}  {}", signal.horizon_s, signal.verdict));
    }
    if let Some(position) = snapshot.positions.iter().find(|p| p.symbol == symbol) {
        dialog.gap();
        dialog.row(position_line(position, snapshot), Tone::Bright);
    }
    for row in snapshot.danger.iter().filter(|row| row.symbol == Some(symbol)) {
        dialog.row(danger::sentence(row, snapshot), tone(row.level));
    }
    dialog.gap();
    for notice in snapshot.notices.iter().rev().filter(|n| n.symbol == Some(symbol)).take(EVENTS) {
        dialog.row(notice.to_string(), Tone::Dim);
    }
    dialog
}

fn verdict(row: &MarketRow, dialog: &mut Dialog) {
    let word = figures::long_short;
    let explain = |dialog: &mut Dialog, denial: &Denial| {
        dialog.say(denial.to_string());
        dialog.row(denial.code.help(), Tone::Dim);
    };
    match &row.verdict {
        Verdict::Waiting => dialog.say("No decision yet."),
        Verdict::Flat => dialog.say("Nothing is wanted."),
        Verdict::Entering(side) => dialog.say(format!("Entering {}.", word(*side))),
        Verdict::Holding(side) => dialog.say(format!("Holding {}.", word(*side))),
        Verdict::Exiting(side) => dialog.say(format!("Exiting {}.", word(*side))),
        Verdict::Denied(side, denial) => {
            dialog.row(format!("{} was wanted and denied:", word(*side)), Tone::Bright);
            explain(dialog, denial);
        }
        Verdict::Quiet(denial) => {
            dialog.row("No side is wanted:", Tone::Bright);
            explain(dialog, denial);
        }
    }
}

fn order_details(order: OrderSeq, snapshot: &Snapshot) -> Dialog {
    let mut dialog = Dialog::new("order");
    let Some(row) = snapshot.orders.iter().find(|o| o.order == order) else {
        dialog.row("this order is no longer listed", Tone::Dim);
        return dialog;
    };
    dialog.row(order_line(order, snapshot), Tone::Bright);
    dialog.pair("link id", &row.link_id);
    dialog.pair("purpose", &row.purpose);
    dialog.pair("state", &row.state);
    dialog.pair("filled", format!("{} of {}", row.filled, row.qty));
    dialog.pair("age", figures::age(row.age));
    dialog.pair("protective", if row.protective { "yes" } else { "no" });
    if !row.reason.is_empty() {
        dialog.pair("reason", &row.reason);
    }
    dialog
}

/// `BTCUSDT SELL 0.012 @ 64,410.0`.
pub fn order_line(order: OrderSeq, snapshot: &Snapshot) -> String {
    let Some(row) = snapshot.orders.iter().find(|o| o.order == order) else { return format!("order {}", order.0) };
    let side = match row.side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    };
    format!("{} {side} {} @ {} ({})", row.name, row.qty, row.price, row.purpose)
}

fn dangers(snapshot: &Snapshot) -> Dialog {
    let mut dialog = Dialog::new("dangers");
    if snapshot.danger.is_empty() {
        dialog.row("nothing is held and nothing is announced", Tone::Dim);
    }
    for row in &snapshot.danger {
        let whose = if row.name.is_empty() { "account" } else { &row.name };
        dialog.row(format!("{whose:<11} {}", danger::sentence(row, snapshot)), tone(row.level));
    }
    dialog
}

const fn tone(level: DangerLevel) -> Tone {
    match level {
        DangerLevel::Ok => Tone::Plain,
        DangerLevel::Unknown => Tone::Dim,
        DangerLevel::Warn => Tone::Warn,
        DangerLevel::Alarm => Tone::Danger,
    }
}

fn notice(id: u64, snapshot: &Snapshot) -> Dialog {
    let mut dialog = Dialog::new("event");
    let Some(notice) = snapshot.notices.iter().find(|n| n.id == id) else {
        dialog.row("this event is no longer kept here; the ledger has it", Tone::Dim);
        return dialog;
    };
    dialog.row(notice.text.clone(), Tone::Bright);
    dialog.gap();
    dialog.pair("at", notice.at.to_string());
    dialog.pair("kind", notice.kind.tag().trim_end());
    dialog.pair("level", format!("{:?}", notice.level).to_lowercase());
    if let Some(symbol) = notice.symbol {
        dialog.pair("symbol", name_of(snapshot, symbol));
    }
    if let Some(denial) = &notice.denial {
        dialog.pair("denial", denial.to_string());
        dialog.row(denial.code.help(), Tone::Dim);
    }
    dialog
}
