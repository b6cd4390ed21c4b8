//! Tables with columns of fixed width, so that numbers do not jump. Columns leave by rank when there is no room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::pen::{Pen, columns};
use crate::tui::theme::Theme;

/// One column.
pub struct Column {
    /// Heading.
    pub title: &'static str,
    /// Width in cells; the least width of a `flex` column.
    pub width: u16,
    /// 0 stays longest.
    pub rank: u8,
    /// Takes what is left over; one per table.
    pub flex: bool,
    /// Heading at the right end, as numbers are.
    pub right: bool,
}

/// A column of text.
pub const fn words(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, flex: false, right: false }
}

/// A column of numbers.
pub const fn number(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, flex: false, right: true }
}

/// The column that takes what is left over.
pub const fn rest(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, flex: true, right: false }
}

/// What is in one cell.
pub enum Cell {
    /// May be shortened.
    Text(String, Style),
    /// Shown whole or as an ellipsis.
    Number(String, Style),
    /// Recent values.
    Spark(Vec<f64>, Style),
    /// Probabilities up, flat, down; `None` is unknown.
    Shares(Option<(f32, f32, f32)>),
}

/// One row: a cell per column, in the order of the columns.
pub struct Row {
    /// Cells.
    pub cells: Vec<Cell>,
    /// Every cell dimmed: stale or ended.
    pub dim: bool,
}

/// Draws heading (from three rows of height) and rows; `selected` is kept in sight and highlighted.
pub fn draw(layout: &[Column], rows: &[Row], selected: Option<usize>, area: Rect, theme: &Theme, buffer: &mut Buffer) {
    let shown = fit(layout, area.width);
    let heading = u16::from(area.height >= 3);
    let mut pen = Pen::new(buffer, area);
    if heading == 1 {
        for (index, x, width) in &shown {
            let Some(column) = layout.get(*index) else { continue };
            if column.right {
                pen.number(*x, 0, *width, column.title, theme.dim, theme.glyphs.ellipsis);
            } else {
                pen.text(*x, 0, *width, column.title, theme.dim, theme.glyphs.ellipsis);
            }
        }
    }
    let room = usize::from(area.height - heading.min(area.height));
    let first = selected.map_or(0, |at| (at + 1).saturating_sub(room));
    if rows.len() > room && heading == 1 {
        let note = format!(" {}-{} of {}", first + 1, (first + room).min(rows.len()), rows.len());
        pen.put(area.width.saturating_sub(columns(&note)), 0, &note, theme.dim);
    }
    for (line, (at, row)) in rows.iter().enumerate().skip(first).take(room).enumerate() {
        let y = heading + u16::try_from(line).unwrap_or(u16::MAX);
        for (index, x, width) in &shown {
            if let Some(cell) = row.cells.get(*index) {
                draw_cell(cell, row.dim, (*x, y, *width), theme, &mut pen);
            }
        }
        if selected == Some(at) {
            pen.style_row(y, theme.selected);
        }
    }
}

fn draw_cell(cell: &Cell, dim: bool, (x, y, width): (u16, u16, u16), theme: &Theme, pen: &mut Pen<'_>) {
    let tone = |style: Style| if dim { theme.dim } else { style };
    match cell {
        Cell::Text(text, style) => {
            pen.text(x, y, width, text, tone(*style), theme.glyphs.ellipsis);
        }
        Cell::Number(text, style) => pen.number(x, y, width, text, tone(*style), theme.glyphs.ellipsis),
        Cell::Spark(values, style) => {
            let text = bars::spark(values, width, &theme.glyphs);
            pen.put_within(x, y, width, &text, tone(*style));
        }
        Cell::Shares(None) => {
            let unknown: String = std::iter::repeat_n('?', usize::from(width)).collect();
            pen.put_within(x, y, width, &unknown, theme.dim);
        }
        Cell::Shares(Some(shares)) => {
            let mut at = x;
            let styles = [theme.up, theme.dim, theme.down];
            for (text, style) in bars::shares(*shares, width, &theme.glyphs).iter().zip(styles) {
                at = pen.put(at, y, text, tone(style));
            }
        }
    }
}

/// The columns that fit `width`, with their place: index, x, width. The highest rank leaves first.
fn fit(layout: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let mut kept: Vec<usize> = (0..layout.len()).collect();
    let need = |kept: &[usize]| -> u16 {
        let sum: u16 = kept.iter().filter_map(|i| layout.get(*i)).map(|c| c.width).sum();
        sum + u16::try_from(kept.len().saturating_sub(1)).unwrap_or(0)
    };
    while need(&kept) > width && kept.len() > 1 {
        let leaving = kept.iter().enumerate().max_by_key(|(place, i)| (layout.get(**i).map(|c| c.rank), *place));
        let Some((place, _)) = leaving else { break };
        kept.remove(place);
    }
    let spare = width.saturating_sub(need(&kept));
    let mut x = 0;
    let mut shown = Vec::with_capacity(kept.len());
    for index in kept {
        let Some(column) = layout.get(index) else { continue };
        let width = if column.flex { column.width + spare } else { column.width };
        shown.push((index, x, width));
        x += width + 1;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [words("symbol", 8, 0), number("qty", 6, 1), number("liq", 6, 3), rest("why", 4, 2)];

    #[test]
    fn columns_leave_by_rank_and_the_rest_is_used() {
        assert_eq!(fit(&COLUMNS, 40), [(0, 0, 8), (1, 9, 6), (2, 16, 6), (3, 23, 17)]);
        assert_eq!(fit(&COLUMNS, 22), [(0, 0, 8), (1, 9, 6), (3, 16, 6)]);
        assert_eq!(fit(&COLUMNS, 16), [(0, 0, 8), (1, 9, 6)]);
        assert_eq!(fit(&COLUMNS, 3), [(0, 0, 8)]);
    }

    #[test]
    fn the_selected_row_is_kept_in_sight() {
        let theme = Theme::default();
        let area = Rect::new(0, 0, 24, 3);
        let mut buffer = Buffer::empty(area);
        let rows: Vec<Row> =
            (0..5).map(|i| Row { cells: vec![Cell::Text(format!("row {i}"), theme.text)], dim: false }).collect();
        draw(&COLUMNS, &rows, Some(3), area, &theme, &mut buffer);
        let text: Vec<String> = (0..3)
            .map(|y| (0..24).filter_map(|x| buffer.cell((x, y))).map(ratatui::buffer::Cell::symbol).collect())
            .collect();
        assert!(text[1].starts_with("row 2") && text[2].starts_with("row 3"), "{text:?}");
        assert!(text[0].ends_with("3-4 of 5"), "{text:?}");
    }
}
