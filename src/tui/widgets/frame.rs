//! The frame of a pane: a box, a rule in compact screens, or nothing for a single row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Block, Borders, Widget};

use super::pen::{Pen, columns};
use crate::tui::layout::Class;
use crate::tui::theme::Theme;

/// What a frame says and how.
pub struct Frame<'a> {
    /// Left title.
    pub title: &'a str,
    /// Which rows are in sight, empty where all are.
    pub note: &'a str,
    /// Key that focuses the pane, empty for none.
    pub key: &'a str,
    /// The pane has the focus.
    pub focused: bool,
    /// Real money: a double frame.
    pub live: bool,
}

/// The room inside the frame of a pane at `area`.
pub fn inner(area: Rect, class: Class, zoomed: bool) -> Rect {
    match kind(area, class, zoomed) {
        Kind::Bare => area,
        Kind::Ruled => Rect { y: area.y + 1, height: area.height - 1, ..area },
        Kind::Boxed => Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 },
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Bare,
    Ruled,
    Boxed,
}

fn kind(area: Rect, class: Class, zoomed: bool) -> Kind {
    match class {
        _ if area.height < 2 || area.width < 4 => Kind::Bare,
        Class::Medium | Class::Wide if area.height >= 3 => Kind::Boxed,
        Class::Strip | Class::Compact if zoomed && area.height >= 6 => Kind::Boxed,
        _ => Kind::Ruled,
    }
}

/// Draws the frame and returns the room inside.
pub fn draw(frame: &Frame<'_>, area: Rect, class: Class, zoomed: bool, theme: &Theme, buffer: &mut Buffer) -> Rect {
    let (line, title) = if frame.focused { (theme.focus, theme.focus) } else { (theme.border, theme.title) };
    let kind = kind(area, class, zoomed);
    if kind == Kind::Boxed {
        let set = if frame.live { theme.glyphs.double } else { theme.glyphs.border };
        Block::new().borders(Borders::ALL).border_set(set).border_style(line).render(area, buffer);
    }
    let edge = Rect { height: 1, ..area };
    match kind {
        Kind::Bare => {}
        Kind::Ruled => {
            let rule: String = std::iter::repeat_n(theme.glyphs.rule, usize::from(area.width)).collect();
            Pen::new(buffer, edge).put(0, 0, &rule, line);
            titles(frame, edge, title, theme, buffer);
        }
        Kind::Boxed => titles(frame, edge, title, theme, buffer),
    }
    inner(area, class, zoomed)
}

fn titles(frame: &Frame<'_>, edge: Rect, style: Style, theme: &Theme, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, edge);
    let key_room = if frame.key.is_empty() { 0 } else { columns(frame.key) + 2 };
    let note_room = if frame.note.is_empty() { 0 } else { columns(frame.note) + 3 };
    let room = edge.width.saturating_sub(4 + key_room + note_room);
    let mut title = frame.title;
    while columns(title) + 2 > room
        && let Some((kept, _)) = title.rsplit_once(" · ")
    {
        title = kept;
    }
    if room >= 3 && !title.is_empty() {
        let mark = if frame.focused { theme.glyphs.front } else { ' ' };
        pen.text(1, 0, room, &format!("{mark}{title} "), style, theme.glyphs.ellipsis);
    }
    if key_room > 0 && edge.width > key_room + 6 {
        pen.put(edge.width - 1 - key_room, 0, &format!(" {} ", frame.key), style);
    }
    if note_room > 0 && edge.width > key_room + note_room + 6 {
        pen.put(edge.width - 1 - key_room - note_room, 0, &format!(" {} ", frame.note), style);
    }
}
