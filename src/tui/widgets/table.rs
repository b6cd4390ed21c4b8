//! Tables with columns of fixed width, so that numbers do not jump. Columns leave by rank when there is no room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::pen::{Pen, columns, fitting};
use crate::tui::theme::Theme;

/// One column.
pub struct Column {
    /// Heading.
    pub title: &'static str,
    /// Least width in cells: a column grows with its content, so that nothing in it is cut.
    pub width: u16,
    /// 0 stays longest.
    pub rank: u8,
    /// Takes what is left over, and its content is shortened to that; one per table.
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
    /// The same from long to short: words go before numbers.
    Forms(Vec<String>, Style),
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
    let shown = fit(layout, &contents(layout, rows), area.width);
    let mut pen = Pen::new(buffer, area);
    let heading = heading(area.height);
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
    let (first, room) = window(selected, area.height);
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

/// `1-4 of 22` for the frame, where not every row is in sight; empty otherwise.
pub fn range(count: usize, selected: Option<usize>, height: u16) -> String {
    let (first, room) = window(selected, height);
    if count <= room { String::new() } else { format!("{}-{} of {count}", first + 1, (first + room).min(count)) }
}

/// Rows of heading.
const fn heading(height: u16) -> u16 {
    if height >= 3 { 1 } else { 0 }
}

/// The first row in sight and how many there is room for.
fn window(selected: Option<usize>, height: u16) -> (usize, usize) {
    let room = usize::from(height - heading(height));
    (selected.map_or(0, |at| (at + 1).saturating_sub(room)), room)
}

/// The width that each column takes to show its widest content whole. What is left over, and a picture, takes what it gets.
fn contents(layout: &[Column], rows: &[Row]) -> Vec<u16> {
    let widest = |index: usize| {
        let width = |row: &Row| match row.cells.get(index) {
            Some(Cell::Text(text, _) | Cell::Number(text, _)) => columns(text),
            _ => 0,
        };
        rows.iter().map(width).max().unwrap_or(0)
    };
    let width = |(index, column): (usize, &Column)| if column.flex { 0 } else { widest(index) };
    layout.iter().enumerate().map(width).collect()
}

fn draw_cell(cell: &Cell, dim: bool, (x, y, width): (u16, u16, u16), theme: &Theme, pen: &mut Pen<'_>) {
    let tone = |style: Style| if dim { theme.dim } else { style };
    match cell {
        Cell::Text(text, style) => {
            pen.text(x, y, width, text, tone(*style), theme.glyphs.ellipsis);
        }
        Cell::Forms(forms, style) => {
            pen.put_within(x, y, width, &fitting(forms, width, theme.glyphs.ellipsis), tone(*style));
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
fn fit(layout: &[Column], contents: &[u16], width: u16) -> Vec<(usize, u16, u16)> {
    let mut kept: Vec<usize> = (0..layout.len()).collect();
    let wide = |index: usize| {
        let least = layout.get(index).map_or(0, |column| column.width);
        least.max(contents.get(index).copied().unwrap_or(0))
    };
    let need = |kept: &[usize]| -> u16 {
        let gaps = u16::try_from(kept.len().saturating_sub(1)).unwrap_or(0);
        kept.iter().map(|index| wide(*index)).fold(gaps, u16::saturating_add)
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
        let width = if column.flex { column.width + spare } else { wide(index) };
        shown.push((index, x, width));
        x += width + 1;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [words("symbol", 8, 0), number("qty", 6, 1), number("liq", 6, 3), rest("why", 4, 2)];

    fn text(buffer: &Buffer) -> Vec<String> {
        let line =
            |y| (0..buffer.area.width).filter_map(|x| buffer.cell((x, y))).map(ratatui::buffer::Cell::symbol).collect();
        (0..buffer.area.height).map(line).collect()
    }

    #[test]
    fn columns_leave_by_rank_and_the_rest_is_used() {
        let fit = |width| fit(&COLUMNS, &[], width);
        assert_eq!(fit(40), [(0, 0, 8), (1, 9, 6), (2, 16, 6), (3, 23, 17)]);
        assert_eq!(fit(22), [(0, 0, 8), (1, 9, 6), (3, 16, 6)]);
        assert_eq!(fit(16), [(0, 0, 8), (1, 9, 6)]);
        assert_eq!(fit(3), [(0, 0, 8)]);
    }

    #[test]
    fn a_column_grows_with_its_content_and_a_number_is_never_cut() {
        let theme = Theme::default();
        let number = |text: &str| Cell::Number(text.to_owned(), theme.text);
        let cells = |qty: &str| {
            let why = vec!["SIGNAL_FLAT: p=0.49 min=0.50".to_owned(), "p=0.49 min=0.50".to_owned(), "FLAT".to_owned()];
            vec![Cell::Text("BTC".into(), theme.text), number(qty), number("7"), Cell::Forms(why, theme.text)]
        };
        let rows = [Row { cells: cells("1,234,567.89"), dim: false }, Row { cells: cells("2"), dim: false }];
        for width in 1..60 {
            let area = Rect::new(0, 0, width, 3);
            let mut buffer = Buffer::empty(area);
            draw(&COLUMNS, &rows, None, area, &theme, &mut buffer);
            let line = &text(&buffer)[1];
            assert!(!line.contains("1,2") || line.contains("1,234,567.89"), "{width}: {line}");
            assert!(!line.contains("0.4") || line.contains("p=0.49 min=0.50"), "{width}: {line}");
            assert!(width < 22 || line.contains("1,234,567.89"), "{width}: {line}");
        }
    }

    #[test]
    fn the_selected_row_is_kept_in_sight() {
        let theme = Theme::default();
        let area = Rect::new(0, 0, 24, 3);
        let mut buffer = Buffer::empty(area);
        let rows: Vec<Row> =
            (0..5).map(|i| Row { cells: vec![Cell::Text(format!("row {i}"), theme.text)], dim: false }).collect();
        draw(&COLUMNS, &rows, Some(3), area, &theme, &mut buffer);
        let text = text(&buffer);
        assert!(text[1].starts_with("row 2") && text[2].starts_with("row 3"), "{text:?}");
        assert_eq!([range(5, Some(3), 3), range(5, None, 6), range(5, None, 2)], ["3-4 of 5", "", "1-2 of 5"]);
    }
}
