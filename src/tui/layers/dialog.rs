//! The look of a layer: a box over the dimmed screen with wrapped rows and a line of keys that is always in sight.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{Pen, columns, wrap};

/// Widest dialog: longer lines are hard to read.
const WIDTH_MAX: u16 = 92;

/// Columns that the sign takes which says how much is not in sight.
const SIGN: u16 = 36;

/// What a row means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the words say it
pub enum Tone {
    Plain,
    Dim,
    Bright,
    Good,
    Warn,
    Danger,
    Selected,
}

impl Tone {
    fn style(self, theme: &Theme) -> Style {
        match self {
            Self::Plain => theme.text,
            Self::Dim => theme.dim,
            Self::Bright => theme.bright,
            Self::Good => theme.up,
            Self::Warn => theme.warn,
            Self::Danger => theme.danger,
            Self::Selected => theme.text.patch(theme.selected),
        }
    }
}

/// A dialog to draw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// Heading in the border.
    pub title: String,
    /// A consequence hangs on it: the border says so.
    pub grave: bool,
    /// Content.
    pub rows: Vec<(String, Tone)>,
    /// The row that must be in sight.
    pub focus: Option<usize>,
    /// Lines that a person has scrolled away from what would be in sight by itself.
    pub scrolled: isize,
    /// Keys, always in sight.
    pub foot: String,
}

impl Dialog {
    /// An empty one.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            grave: false,
            rows: Vec::new(),
            focus: None,
            scrolled: 0,
            foot: "Esc close".to_owned(),
        }
    }
    /// With a border that warns.
    pub fn grave(mut self) -> Self {
        self.grave = true;
        self
    }
    /// With these keys.
    pub fn foot(mut self, foot: impl Into<String>) -> Self {
        self.foot = foot.into();
        self
    }
    /// Adds a row.
    pub fn row(&mut self, text: impl Into<String>, tone: Tone) {
        self.rows.push((text.into(), tone));
    }
    /// Adds an ordinary row.
    pub fn say(&mut self, text: impl Into<String>) {
        self.row(text, Tone::Plain);
    }
    /// Adds a label with its value.
    pub fn pair(&mut self, label: &str, value: impl AsRef<str>) {
        self.say(format!("{label:<11} {}", value.as_ref()));
    }
    /// Adds an empty row.
    pub fn gap(&mut self) {
        self.row("", Tone::Plain);
    }
    /// Every word on it, for tests.
    pub fn text(&self) -> String {
        let rows: Vec<&str> = self.rows.iter().map(|(text, _)| text.as_str()).collect();
        format!("{}\n{}\n{}", self.title, rows.join("\n"), self.foot)
    }

    /// Draws it below the banner, which stays readable, with the hint above the keys.
    pub fn draw(&self, area: Rect, hint: Option<&str>, theme: &Theme, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let under = Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area };
        if under.is_empty() {
            return;
        }
        buffer.set_style(under, theme.backdrop);
        let room = if under.height >= 10 { Rect { height: under.height - 1, ..under } } else { under };
        let foot = hint.map_or_else(|| self.foot.clone(), |hint| format!("{hint}\n{}", self.foot));
        let boxed = room.width >= 12 && room.height >= 5;
        let border = if boxed { 2 } else { 0 };
        let wanted =
            self.rows.iter().map(|(text, _)| columns(text)).chain(foot.lines().map(columns)).max().unwrap_or(0);
        let wanted = wanted.max(columns(&self.title) + 4).clamp(SIGN, WIDTH_MAX);
        let inner_width = wanted.min(room.width.saturating_sub(border * 2));
        let (lines, focus) = self.wrapped(inner_width);
        let foot: Vec<String> = foot.lines().flat_map(|line| wrap(line, inner_width)).collect();
        let foot_height = u16::try_from(foot.len()).unwrap_or(1);
        let content = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(foot_height + 1);
        let place = centred(room, inner_width + border * 2, content.saturating_add(border));
        Clear.render(place, buffer);
        buffer.set_style(place, theme.guard);
        let inner = if boxed { self.draw_box(place, theme, buffer) } else { place };
        let foot_height = foot_height.min(inner.height);
        let room = Rect { height: inner.height - foot_height, ..inner };
        self.draw_rows(&lines, focus, room, theme, buffer);
        let below = Rect { y: room.y + room.height, height: foot_height, ..inner };
        let mut pen = Pen::new(buffer, below);
        let hint_lines = foot.len().saturating_sub(wrap(&self.foot, inner_width).len());
        let skip = foot.len().saturating_sub(usize::from(foot_height));
        for (y, (index, text)) in (0..foot_height).zip(foot.iter().enumerate().skip(skip)) {
            pen.put(0, y, text, if index < hint_lines { theme.warn } else { theme.key });
        }
    }

    /// The rows that there is room for, and how many there are besides: what is not in sight is said to be there.
    fn draw_rows(
        &self,
        lines: &[(String, Tone)],
        focus: Option<usize>,
        room: Rect,
        theme: &Theme,
        buffer: &mut Buffer,
    ) {
        let cut = lines.len() > usize::from(room.height) && room.height >= 3;
        let body = Rect { height: room.height - u16::from(cut), ..room };
        let height = usize::from(body.height);
        let last = lines.len().saturating_sub(height);
        let first = first_row(lines.len(), height, focus).saturating_add_signed(self.scrolled).min(last);
        let mut pen = Pen::new(buffer, room);
        if cut {
            let below = lines.len().saturating_sub(first + height);
            pen.put(0, body.height, &out_of_sight(first, below), theme.warn);
        }
        for (y, (text, tone)) in (0..body.height).zip(lines.iter().skip(first)) {
            pen.put(0, y, text, tone.style(theme));
            if *tone == Tone::Selected {
                pen.style_row(y, theme.selected);
            }
        }
    }

    fn draw_box(&self, place: Rect, theme: &Theme, buffer: &mut Buffer) -> Rect {
        let (style, kind) =
            if self.grave { (theme.danger, BorderType::Double) } else { (theme.focus, BorderType::Rounded) };
        let block = Block::bordered().border_type(kind).border_style(style);
        let inner = block.inner(place);
        block.render(place, buffer);
        let mut pen = Pen::new(buffer, Rect { x: place.x + 1, width: place.width.saturating_sub(2), ..place });
        pen.put(0, 0, &format!(" {} ", self.title), style);
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    }

    fn wrapped(&self, width: u16) -> (Vec<(String, Tone)>, Option<usize>) {
        let mut lines = Vec::new();
        let mut focus = None;
        for (index, (text, tone)) in self.rows.iter().enumerate() {
            if self.focus == Some(index) {
                focus = Some(lines.len());
            }
            lines.extend(wrap(text, width).into_iter().map(|line| (line, *tone)));
        }
        (lines, focus)
    }
}

/// `5 more below, 2 above: PgDn PgUp`.
fn out_of_sight(above: usize, below: usize) -> String {
    match (above, below) {
        (0, below) => format!("{below} more below: PgDn"),
        (above, 0) => format!("{above} more above: PgUp"),
        (above, below) => format!("{below} more below, {above} above: PgDn PgUp"),
    }
}

/// First row in sight so that the focused one is.
fn first_row(count: usize, height: usize, focus: Option<usize>) -> usize {
    let latest = count.saturating_sub(height);
    focus.map_or(0, |focus| focus.saturating_sub(height / 2).min(latest))
}

fn centred(room: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(room.width), height.min(room.height));
    Rect { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_numbers_stay_whole() {
        assert_eq!(wrap("sell 0.012 BTC at market", 12), ["sell 0.012 ", "BTC at ", "market"]);
        assert_eq!(wrap("  stop 63,850.0 kept", 10), ["  stop ", "  63,850.0 ", "  kept"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("short", 80), ["short"]);
    }

    #[test]
    fn keys_and_the_focused_row_are_in_sight_on_a_small_screen() {
        let mut dialog = Dialog::new("list").foot("Enter ok");
        for n in 0..50 {
            dialog.say(format!("row {n}"));
        }
        dialog.focus = Some(40);
        let area = Rect::new(0, 0, 44, 10);
        let mut buffer = Buffer::empty(area);
        dialog.draw(area, Some("not yet"), &Theme::default(), &mut buffer);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        for wanted in ["row 40", "Enter ok", "not yet", "list"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(text.contains("more below, ") && text.contains(" above: PgDn PgUp"), "{text}");
        let first_line: String = (0..44).map(|x| buffer[(x, 0)].symbol().to_owned()).collect();
        assert_eq!(first_line.trim(), "", "the banner row is never covered");
    }
}
