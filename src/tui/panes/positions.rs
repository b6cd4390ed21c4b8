//! What is held, what protects it, and what leaving would cost.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::engine::num::{Money, Price};
use crate::engine::snapshot::{Freshness, PositionRow, Protected};
use crate::tui::widgets::figures::{self, long_short, side_arrow};
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::table::{self, Cell, Column, Row, number, rest, words};

/// The pane.
pub struct Positions;

const COLUMNS: [Column; 14] = [
    words("symbol", 9, 0),
    words("side", 6, 0),
    number("qty", 8, 0),
    number("entry", 10, 3),
    number("mark", 10, 4),
    number("uPnL", 9, 0),
    number("@venue", 10, 1),
    number("stop", 10, 2),
    number("target", 10, 7),
    number("liq", 10, 6),
    number("age", 5, 5),
    number("notional", 9, 9),
    number("to close", 8, 8),
    rest("", 0, 10),
];

impl Pane for Positions {
    fn id(&self) -> PaneId {
        PaneId::Positions
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let rows = &scene.snapshot.positions;
        let oldest = rows.iter().filter_map(|row| match row.mark {
            Freshness::Stale { age, .. } => Some(age),
            _ => None,
        });
        match oldest.max() {
            Some(age) => format!("positions {} · marks STALE {age}", rows.len()),
            None => format!("positions {}", rows.len()),
        }
    }
    fn note(&self, scene: &Scene<'_>, room: Rect) -> String {
        let count = scene.snapshot.positions.len();
        table::range(count, scene.selected(PaneId::Positions, count), room.height)
    }
    fn min(&self) -> (u16, u16) {
        (34, 2)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let rows = &scene.snapshot.positions;
        if rows.is_empty() {
            Pen::new(buffer, area).put(1, 0, "flat: no open positions", scene.theme.dim);
            return;
        }
        let lines: Vec<Row> = rows.iter().map(|row| line(row, scene)).collect();
        let selected = scene.selected(PaneId::Positions, lines.len());
        table::draw(&COLUMNS, &lines, selected, area, scene.theme, buffer);
    }
}

fn line(row: &PositionRow, scene: &Scene<'_>) -> Row {
    let theme = scene.theme;
    let (price_decimals, qty_decimals) =
        scene.market(row.symbol).map_or((9, 9), |m| (m.price_decimals, m.qty_decimals));
    let figure = |price: Price| figures::price(price, price_decimals);
    let side = theme.signed(row.side.sign() as f64);
    let pnl = row.unrealised.map_or(0.0, Money::to_f64_lossy);
    let (confirmed, doubt) = if row.believed { (theme.believed, "?") } else { (theme.text, "") };
    let (mark_style, pnl_style) =
        if row.mark.fresh().is_some() { (theme.text, theme.signed(pnl)) } else { (theme.dim, theme.dim) };
    let note = match row.protected {
        _ if row.released => "released: yours",
        _ if row.believed => "unconfirmed",
        _ => "",
    };
    let (venue, venue_style) = match row.protected {
        Protected::Stop(stop) => (figure(stop), theme.text),
        _ if row.released => ("yours".to_owned(), theme.dim),
        Protected::None => ("NO STOP".to_owned(), theme.alarm),
        Protected::Yours => ("NO STOP (yours)".to_owned(), theme.warn),
        Protected::Unknown => (figures::UNKNOWN.to_owned(), theme.warn),
        Protected::Unwanted => ("none".to_owned(), theme.dim),
    };
    Row {
        dim: row.released,
        cells: vec![
            Cell::Text(row.name.clone(), theme.bright),
            Cell::Text(format!("{}{}", side_arrow(row.side, &theme.glyphs), long_short(row.side)), side),
            Cell::Number(format!("{}{doubt}", figures::qty(row.qty, qty_decimals)), confirmed),
            Cell::Number(figure(row.entry), theme.text),
            Cell::Number(figures::or_unknown(row.mark.value(), |mark| figure(*mark)), mark_style),
            Cell::Number(figures::or_unknown(row.unrealised, figures::signed_money), pnl_style),
            Cell::Number(venue, venue_style),
            Cell::Number(
                row.stop.map_or_else(|| if row.released { "yours" } else { "none" }.to_owned(), figure),
                row.stop.map_or(if row.released { theme.dim } else { theme.warn }, |_| theme.text),
            ),
            Cell::Number(row.take_profit.map_or_else(|| "none".to_owned(), figure), theme.dim),
            Cell::Number(figures::or_unknown(row.liquidation, figure), theme.dim),
            Cell::Number(row.age.to_string(), theme.dim),
            Cell::Number(figures::or_unknown(row.notional, figures::money), theme.dim),
            Cell::Number(figures::or_unknown(row.close_cost, figures::money), theme.dim),
            Cell::Text(note.to_owned(), theme.warn),
        ],
    }
}
