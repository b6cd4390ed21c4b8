//! What is held, what protects it, and what leaving would cost.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::engine::num::{Money, Price};
use crate::engine::snapshot::{Freshness, OutsideRow, PositionRow, Protected, StateWord};
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
        let outside = match scene.snapshot.outside.len() {
            0 => String::new(),
            some => format!(" · {some} outside the run"),
        };
        let outside = match scene.snapshot.state.unresolved.as_slice() {
            [] => outside,
            unknown => format!(" · UNKNOWN {}{outside}", unknown.join(", ")),
        };
        let oldest = rows.iter().filter_map(|row| match row.mark {
            Freshness::Stale { age, .. } => Some(age),
            _ => None,
        });
        match oldest.max() {
            Some(age) => format!("positions {}{outside} · marks STALE {age}", rows.len()),
            None => format!("positions {}{outside}", rows.len()),
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
        let outside = &scene.snapshot.outside;
        if rows.is_empty() && outside.is_empty() {
            return draw_none(scene, area, buffer);
        }
        let lines: Vec<Row> = rows.iter().map(|row| line(row, scene)).collect();
        let selected = scene.selected(PaneId::Positions, lines.len()).filter(|_| !rows.is_empty());
        let lines: Vec<Row> = lines.into_iter().chain(outside.iter().map(|row| line_outside(row, scene))).collect();
        table::draw(&COLUMNS, &lines, selected, area, scene.theme, buffer);
    }
}

/// No position is known, which is flat only where the venue says the same.
fn draw_none(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (theme, state) = (scene.theme, &scene.snapshot.state);
    let mut pen = Pen::new(buffer, area);
    if state.word == StateWord::Unknown {
        pen.put(1, 0, "not known: no position is known to be open", theme.warn);
    } else if state.unresolved.is_empty() {
        pen.put(1, 0, "flat: no open positions", theme.dim);
    }
    for (y, what) in (0..area.height).zip(&state.unresolved) {
        let text = format!("{what}: not ours, or not booked yet");
        pen.text(1, y, area.width.saturating_sub(1), &text, theme.alarm, theme.glyphs.ellipsis);
    }
}

/// Something of others in an instrument outside the run: not to be selected, `outside` of the palette is about it.
fn line_outside(row: &OutsideRow, scene: &Scene<'_>) -> Row {
    let (theme, what) = (scene.theme, &row.what);
    let kind = if what.order.is_some() { what.side.word() } else { long_short(what.side) };
    let note = match (row.busy, row.seen) {
        (true, _) => "being ended",
        (false, true) => "outside: others'",
        (false, false) => "OUTSIDE: others'",
    };
    let mut cells = vec![
        Cell::Text(what.name.clone(), theme.dim),
        Cell::Text(format!("{}{kind}", side_arrow(what.side, &theme.glyphs)), theme.dim),
        Cell::Number(what.left.to_string(), theme.dim),
    ];
    // Between quantity and notional stand columns that are known of what the run looks after only.
    cells.extend((cells.len()..COLUMNS.len() - 3).map(|_| Cell::Text(String::new(), theme.dim)));
    cells.extend([
        Cell::Number(figures::or_unknown(what.worth, figures::money), theme.dim),
        Cell::Text(String::new(), theme.dim),
        Cell::Text(note.to_owned(), theme.warn),
    ]);
    Row { dim: true, cells }
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
        Protected::Far(stop) => (format!("FAR {}", figure(stop)), theme.alarm),
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
