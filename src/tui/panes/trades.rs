//! Public trades of the instrument in front, newest first; the arrow is the side that crossed the spread.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::tui::widgets::figures::{self, side_arrow};
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::table::{self, Cell, Column, Row, number, rest, words};

/// The pane.
pub struct Trades;

const COLUMNS: [Column; 5] =
    [words("time", 8, 1), words("", 1, 0), number("price", 10, 0), number("qty", 10, 0), rest("", 0, 3)];

impl Pane for Trades {
    fn id(&self) -> PaneId {
        PaneId::Trades
    }
    fn title(&self, _: &Scene<'_>) -> String {
        "trades".to_owned()
    }
    fn min(&self) -> (u16, u16) {
        (24, 3)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let theme = scene.theme;
        let (Some(focus), Some(row)) = (&scene.snapshot.focus, scene.front()) else { return };
        if focus.trades.is_empty() {
            Pen::new(buffer, area).put(1, 0, "no trades yet", theme.dim);
            return;
        }
        let stale = row.last.fresh().is_none();
        let lines: Vec<Row> = focus
            .trades
            .iter()
            .take(usize::from(area.height.saturating_sub(1)))
            .map(|trade| {
                let style = theme.signed(trade.taker.sign() as f64);
                Row {
                    dim: stale,
                    cells: vec![
                        Cell::Text(trade.at.clock(), theme.dim),
                        Cell::Text(side_arrow(trade.taker, &theme.glyphs).to_string(), style),
                        Cell::Number(figures::price(trade.price, row.price_decimals), style),
                        Cell::Number(figures::qty(trade.qty, row.qty_decimals), theme.text),
                    ],
                }
            })
            .collect();
        table::draw(&COLUMNS, &lines, None, area, theme, buffer);
    }
}
