//! Working orders, newest first, then the last few that ended.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::markets::waiting;
use super::{Pane, PaneId, Scene};
use crate::engine::snapshot::{MarketRow, OrderRow};
use crate::tui::widgets::figures::{self, side_arrow};
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::table::{self, Cell, Column, Row, number, rest, words};

/// The pane.
pub struct Orders;

const COLUMNS: [Column; 9] = [
    words("symbol", 9, 0),
    words("side", 5, 0),
    number("qty", 8, 0),
    number("price", 10, 0),
    number("done", 4, 3),
    words("state", 10, 1),
    words("purpose", 7, 4),
    number("age", 5, 5),
    rest("link id / reason", 16, 6),
];

impl Pane for Orders {
    fn id(&self) -> PaneId {
        PaneId::Orders
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let rows = &scene.snapshot.orders;
        let works = |protective| rows.iter().filter(|o| o.ours_works() && o.protective == protective).count();
        // The limit counts what works; what protects a position at the venue is no order that could use it up.
        let protective = match works(true) {
            0 => String::new(),
            protective => format!(" + {protective} protective"),
        };
        let theirs = match rows.iter().filter(|o| o.foreign.is_some()).count() {
            0 => String::new(),
            theirs => format!(" · {theirs} of others"),
        };
        let timed = |row: &MarketRow| Some(format!(" · {} {}", row.name, waiting(row)?));
        let timed: String = scene.snapshot.markets.iter().filter_map(timed).collect();
        format!("orders {} working{protective}{theirs}{timed}", works(false))
    }
    fn note(&self, scene: &Scene<'_>, room: Rect) -> String {
        table::range(scene.snapshot.orders.len(), selected(scene), room.height)
    }
    fn min(&self) -> (u16, u16) {
        (34, 2)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let rows = &scene.snapshot.orders;
        if rows.is_empty() {
            Pen::new(buffer, area).put(1, 0, "no orders", scene.theme.dim);
            return;
        }
        let lines: Vec<Row> = rows.iter().map(|row| line(row, scene)).collect();
        table::draw(&COLUMNS, &lines, selected(scene), area, scene.theme, buffer);
    }
}

/// The order that was chosen, wherever it stands now.
fn selected(scene: &Scene<'_>) -> Option<usize> {
    let rows = &scene.snapshot.orders;
    let chosen = scene.ui.selected_order.and_then(|order| rows.iter().position(|row| row.order == order));
    chosen.filter(|_| scene.ui.focus == PaneId::Orders).or(scene.selected(PaneId::Orders, rows.len()))
}

fn line(row: &OrderRow, scene: &Scene<'_>) -> Row {
    let theme = scene.theme;
    let (price_decimals, qty_decimals) =
        scene.market(row.symbol).map_or((9, 9), |m| (m.price_decimals, m.qty_decimals));
    let done = match row.qty.raw() {
        0 => figures::UNKNOWN.to_owned(),
        whole => format!("{}%", i128::from(row.filled.raw()) * 100 / i128::from(whole)),
    };
    // An order of somebody else may have no price at all.
    let priced = Some(row.price).filter(|price| row.foreign.is_none() || price.raw() != 0);
    let (state, style) = match row.state.as_str() {
        "unknown" => ("unknown?".to_owned(), theme.alarm),
        "rejected" => (row.state.clone(), theme.warn),
        "intent" | "sent" | "acked" | "cancelling" => (format!("{}?", row.state), theme.believed),
        _ => (row.state.clone(), theme.text),
    };
    let tail = if row.reason.is_empty() { row.link_id.clone() } else { row.reason.clone() };
    Row {
        dim: !row.working,
        cells: vec![
            Cell::Text(row.name.clone(), theme.bright),
            Cell::Text(
                format!("{}{}", side_arrow(row.side, &theme.glyphs), row.side.word()),
                theme.signed(row.side.sign() as f64),
            ),
            Cell::Number(figures::qty(row.qty, qty_decimals), theme.text),
            Cell::Number(figures::or_unknown(priced, |price| figures::price(price, price_decimals)), theme.text),
            Cell::Number(done, theme.dim),
            Cell::Text(state, style),
            Cell::Text(row.purpose.clone(), theme.dim),
            Cell::Number(figures::age(row.age), theme.dim),
            Cell::Text(tail, theme.dim),
        ],
    }
}
