//! A pen that cannot leave its area. Ratatui panics on a write outside the buffer; with this, no pane can.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Writes into one area, in coordinates of that area.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// A pen for the part of `area` that lies in the buffer.
    pub fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        Self { area: area.intersection(buffer.area), buffer }
    }
    /// Columns.
    pub const fn width(&self) -> u16 {
        self.area.width
    }
    /// Rows.
    pub const fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes from column `x`, clipped; returns the column after the text.
    pub fn put(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.put_within(x, y, self.area.width.saturating_sub(x), text, style)
    }

    /// Writes at most `width` columns from `x`, clipped; returns the column after the text.
    pub fn put_within(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = width.min(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, usize::from(room), style);
        end.saturating_sub(self.area.x)
    }

    /// Writes one glyph.
    pub fn glyph(&mut self, x: u16, y: u16, glyph: char, style: Style) {
        if x < self.area.width
            && y < self.area.height
            && let Some(cell) = self.buffer.cell_mut((self.area.x + x, self.area.y + y))
        {
            cell.set_char(glyph).set_style(style);
        }
    }

    /// Writes text that may be shortened: what does not fit ends in an ellipsis.
    pub fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style, ellipsis: char) -> u16 {
        self.put_within(x, y, width, &shorten(text, width, ellipsis), style)
    }

    /// Writes a number right-aligned in `width` columns. A number that does not fit is not written: a cut number is a
    /// wrong number.
    pub fn number(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style, ellipsis: char) {
        let length = columns(text);
        if length > width {
            self.glyph(x.saturating_add(width.saturating_sub(1)), y, ellipsis, style);
        } else {
            self.put_within(x + (width - length), y, length, text, style);
        }
    }

    /// Styles a whole row.
    pub fn style_row(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            self.buffer.set_style(Rect { y: self.area.y + y, height: 1, ..self.area }, style);
        }
    }
}

/// Width of a text on the screen.
pub fn columns(text: &str) -> u16 {
    if text.is_ascii() {
        return u16::try_from(text.len()).unwrap_or(u16::MAX);
    }
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// The first of these forms that fits, from long to short; where none does, the last one shortened.
pub fn fitting(forms: &[String], width: u16, ellipsis: char) -> String {
    let fits = forms.iter().find(|form| columns(form) <= width);
    fits.cloned().unwrap_or_else(|| forms.last().map_or_else(String::new, |last| shorten(last, width, ellipsis)))
}

/// The text, or its beginning and an ellipsis. Words are cut, numbers never: one that does not fit is dropped whole.
pub fn shorten(text: &str, width: u16, ellipsis: char) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if columns(&kept) >= width {
            kept.pop();
            break;
        }
    }
    let cut = kept.len();
    let starts = text.get(..cut).and_then(|head| head.rfind(parts)).map_or(0, |at| at + 1);
    let ends = text.get(cut..).and_then(|tail| tail.find(parts)).map_or(text.len(), |at| cut + at);
    if starts < cut && text.get(starts..ends).is_some_and(is_number) {
        kept.truncate(starts);
    }
    kept.push(ellipsis);
    kept
}

/// What stands between a number and what comes before or after it.
const fn parts(c: char) -> bool {
    matches!(c, ' ' | '=' | '(' | ')')
}

/// Does a part of a text begin with a digit, signs and arrows before it left out? Its unit belongs to it: `3h51`, `12.5k`.
fn is_number(part: &str) -> bool {
    part.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with(|c: char| c.is_ascii_digit())
}

/// Breaks a line at blanks; only a word wider than the whole line is cut.
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    if columns(text) <= width || width == 0 {
        return vec![text.to_owned()];
    }
    let indent: String = text.chars().take_while(|c| *c == ' ').take(usize::from(width / 2)).collect();
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if !line.trim().is_empty() && columns(&line) + columns(word.trim_end()) > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
        }
        for c in word.chars() {
            if columns(&line) >= width && c != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        let mut pen = Pen::new(&mut buffer, Rect::new(2, 0, 50, 50));
        pen.put(0, 0, "abcdefgh", Style::new());
        pen.put(9, 9, "x", Style::new());
        pen.glyph(4, 0, 'x', Style::new());
        assert_eq!(buffer, Buffer::with_lines(["  abcd"]));
    }

    #[test]
    fn a_number_is_whole_or_absent() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
        let mut pen = Pen::new(&mut buffer, Rect::new(0, 0, 8, 2));
        pen.number(0, 0, 8, "64,182.5", Style::new(), '…');
        pen.number(0, 1, 7, "64,182.5", Style::new(), '…');
        assert_eq!(buffer, Buffer::with_lines(["64,182.5", "      … "]));
    }

    #[test]
    fn text_is_shortened_by_width_not_bytes() {
        assert_eq!(shorten("edge gate", 6, '…'), "edge …");
        assert_eq!(shorten("漢字漢字", 5, '…'), "漢字…");
        assert_eq!(shorten("edge_bps=11.6", 12, '…'), "edge_bps=…");
        assert_eq!(shorten("in 3h51 again", 6, '…'), "in …");
        assert_eq!(shorten("flat 0.38<0.50", 12, '…'), "flat …");
        assert_eq!(shorten("▼-12.5k lost", 7, '…'), "…");
        assert_eq!(shorten("conv-v12 x", 8, '…'), "conv-v1…");
        assert_eq!(fitting(&["edge 0.8 bp".into(), "edge 0.8".into()], 8, '…'), "edge 0.8");
        assert_eq!(fitting(&["edge 0.8 bp".into(), "edge 0.8".into()], 6, '…'), "edge …");
        assert_eq!(shorten("abc", 0, '…'), "");
        assert_eq!(shorten("abc", 3, '…'), "abc");
    }
}
