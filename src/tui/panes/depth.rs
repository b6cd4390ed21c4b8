//! The ladder: asks above, bids below, the spread between, our resting orders marked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::market::book::{BookState, Level};
use crate::engine::num::{Price, Qty, Side};
use crate::engine::snapshot::{FocusView, MarketRow};
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{Pen, columns, fitting};
use crate::tui::widgets::{bars, figures};

/// The pane.
pub struct Depth;

const SIZE: u16 = 9;
/// Least room for a price.
const PRICE: u16 = 10;

/// One row of the ladder; no quantity where only our own order rests.
struct Rung {
    price: Price,
    qty: Option<Qty>,
    ours: bool,
}

impl Pane for Depth {
    fn id(&self) -> PaneId {
        PaneId::Depth
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        match scene.front().and_then(|row| row.age) {
            Some(age) if scene.front().is_some_and(|row| row.last.fresh().is_none()) => format!("depth · STALE {age}"),
            _ => "depth".to_owned(),
        }
    }
    fn min(&self) -> (u16, u16) {
        (26, 4)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let theme = scene.theme;
        let mut pen = Pen::new(buffer, area);
        let (Some(focus), Some(row)) = (&scene.snapshot.focus, scene.front()) else {
            pen.put(1, 0, "no market in front", theme.dim);
            return;
        };
        let heading = u16::from(area.height >= 8);
        let best = focus.asks.first().or(focus.bids.first());
        let prices = best.map_or(PRICE, |level| columns(&figures::price(level.price, row.price_decimals)).max(PRICE));
        if heading == 1 {
            pen.number(0, 0, SIZE, "size", theme.dim, ' ');
            pen.number(SIZE + 1, 0, prices, "price", theme.dim, ' ');
            pen.put(SIZE + prices + 2, 0, "depth", theme.dim);
        }
        if row.book != BookState::Valid {
            let why = match row.book {
                BookState::Gapped => "book gapped: waits for a snapshot",
                _ => "no order book yet",
            };
            pen.text(1, heading, area.width.saturating_sub(1), why, theme.warn, theme.glyphs.ellipsis);
            return;
        }
        let asks = usize::from((area.height - heading).saturating_sub(1) / 2);
        let bids = usize::from((area.height - heading).saturating_sub(1)) - asks;
        let ask_rungs = rungs(&focus.asks, asks, Side::Sell, scene, focus);
        let bid_rungs = rungs(&focus.bids, bids, Side::Buy, scene, focus);
        let deepest = ask_rungs.iter().chain(&bid_rungs).filter_map(|r| r.qty).max().unwrap_or(Qty::ZERO);
        let stale = row.last.fresh().is_none();
        let tone = |style: Style| if stale { theme.dim } else { style };
        let spread_row = heading + u16::try_from(asks).unwrap_or(0);
        for (rung, y) in ask_rungs.iter().zip((0..spread_row).rev()) {
            draw_rung(rung, (y, prices), (deepest, row), tone(theme.down), theme, &mut pen);
        }
        for (rung, y) in bid_rungs.iter().zip(spread_row + 1..) {
            draw_rung(rung, (y, prices), (deepest, row), tone(theme.up), theme, &mut pen);
        }
        draw_spread(focus, row, spread_row, theme, &mut pen);
    }
}

/// The best levels of a side, best first, with our own orders between them.
fn rungs(levels: &[Level], count: usize, side: Side, scene: &Scene<'_>, focus: &FocusView) -> Vec<Rung> {
    let mut ours: Vec<Price> = scene
        .snapshot
        .orders
        .iter()
        // A stop waits for its trigger, it does not rest in the book; neither does what has yet to cross it.
        .filter(|o| o.ours_works() && !o.protective && o.symbol == focus.symbol && o.side == side)
        .map(|o| o.price)
        .filter(|price| rests(*price, side, focus))
        .collect();
    ours.dedup();
    let mut rungs: Vec<Rung> = levels
        .iter()
        .take(count)
        .map(|l| Rung { price: l.price, qty: Some(l.qty), ours: ours.contains(&l.price) })
        .collect();
    let edge = rungs.last().map(|r| r.price);
    for price in ours {
        let inside = edge.is_some_and(|edge| if side == Side::Buy { price > edge } else { price < edge });
        if inside && rungs.iter().all(|r| r.price != price) {
            rungs.push(Rung { price, qty: None, ours: true });
        }
    }
    match side {
        Side::Buy => rungs.sort_by_key(|r| std::cmp::Reverse(r.price)),
        Side::Sell => rungs.sort_by_key(|r| r.price),
    }
    rungs.truncate(count);
    rungs
}

/// Would an order at this price wait in the book instead of trading at once?
fn rests(price: Price, side: Side, focus: &FocusView) -> bool {
    match side {
        Side::Buy => focus.asks.first().is_some_and(|best| price < best.price),
        Side::Sell => focus.bids.first().is_some_and(|best| price > best.price),
    }
}

fn draw_rung(
    rung: &Rung,
    (y, prices): (u16, u16),
    (deepest, row): (Qty, &MarketRow),
    style: Style,
    theme: &Theme,
    pen: &mut Pen<'_>,
) {
    let size = rung.qty.map_or_else(|| "ours".to_owned(), |qty| size_text(qty, row.qty_decimals));
    pen.number(0, y, SIZE, &size, theme.text, theme.glyphs.ellipsis);
    pen.number(SIZE + 1, y, prices, &figures::price(rung.price, row.price_decimals), style, theme.glyphs.ellipsis);
    let x = SIZE + prices + 2;
    let room = pen.width().saturating_sub(x + 1);
    let share = match (rung.qty, deepest.raw()) {
        (Some(qty), whole) if whole > 0 => qty.raw() as f64 / whole as f64,
        _ => 0.0,
    };
    let (full, rest) = bars::gauge(share, room, &theme.glyphs);
    let end = pen.put(x, y, &full, style);
    pen.put(end, y, &rest, theme.border);
    if rung.ours {
        pen.glyph(pen.width().saturating_sub(1), y, theme.glyphs.ours, theme.bright);
    }
}

/// The size with its decimals, or rounded to a unit where that is too long.
fn size_text(qty: Qty, decimals: u8) -> String {
    let text = figures::qty(qty, decimals);
    if columns(&text) <= SIZE { text } else { figures::compact(qty.to_f64_lossy()) }
}

fn draw_spread(focus: &FocusView, row: &MarketRow, y: u16, theme: &Theme, pen: &mut Pen<'_>) {
    let spread = match (focus.bids.first(), focus.asks.first()) {
        (Some(bid), Some(ask)) => {
            figures::price(Price::from_raw(ask.price.raw().saturating_sub(bid.price.raw())), row.price_decimals)
        }
        _ => figures::UNKNOWN.to_owned(),
    };
    let bps = figures::or_unknown(row.spread_bps, |v| figures::plain(v, 2));
    let imbalance = figures::or_unknown(row.imbalance, |v| format!("{}%", figures::signed(v * 100.0, 0)));
    let long = format!(" spread {spread} · {bps}bp · imb {imbalance} ");
    let short = format!(" spread {spread} · imb {imbalance} ");
    let least = format!(" spread {spread} ");
    let forms = [long, short, least, String::new()];
    let room = pen.width().saturating_sub(2);
    let text = fitting(&forms, room, theme.glyphs.ellipsis);
    let rule: String = std::iter::repeat_n(theme.glyphs.rule, usize::from(pen.width())).collect();
    pen.put(0, y, &rule, theme.border);
    let x = pen.width().saturating_sub(columns(&text)) / 2;
    pen.put(x, y, &text, theme.dim);
}
