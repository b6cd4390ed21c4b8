//! From picture to bytes: composes base screen and layer into a buffer and turns what changed into one write.
//!
//! Not ratatui's `Terminal`: that asks the terminal where its cursor is, writes several times a frame, and does not
//! bracket frames.

use std::io;

use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::aged::aged;
use super::base::draw_base;
use super::cockpit::Cockpit;
use super::commands::footer;
use super::panes::Scene;
use super::theme::Theme;
use super::widgets::pen::Pen;
use crate::engine::snapshot::Snapshot;

/// Draws everything: base screen, and the top layer over it.
pub fn compose(cockpit: &Cockpit, live: &Snapshot, theme: &Theme, now_ms: i64, area: Rect, buffer: &mut Buffer) {
    let footer = footer(cockpit.keys(), live, &cockpit.ui);
    let silence = crate::engine::time::Span::from_ms(cockpit.ui.beat_age_ms.unwrap_or(0));
    let old = cockpit.ui.is_old().then(|| aged(cockpit.shown(live), silence));
    let scene = Scene {
        snapshot: old.as_ref().unwrap_or_else(|| cockpit.shown(live)),
        ui: &cockpit.ui,
        theme,
        footer: &footer,
    };
    draw_base(area, buffer, &scene);
    if let Some(dialog) = cockpit.stack().dialog(&cockpit.ctx(live, now_ms)) {
        dialog.draw(area, cockpit.ui.hint.as_deref(), theme, buffer);
    }
    theme.fold(area, buffer);
}

/// Draws the screen before the first snapshot.
pub fn compose_waiting(cockpit: &Cockpit, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.ground);
    let mut pen = Pen::new(buffer, area);
    pen.put(1, 0, "waiting for the engine", theme.bright);
    pen.put(1, 1, "^K kill   q leave", theme.key);
    if let Some(hint) = &cockpit.ui.hint {
        pen.put(1, 2, hint, theme.warn);
    }
}

/// Two buffers and the bytes between them.
#[derive(Debug, Default)]
pub struct Painter {
    shown: Buffer,
    next: Buffer,
    bytes: Vec<u8>,
    /// What the terminal shows is not known: the next frame starts from a cleared screen.
    lost: bool,
}

impl Painter {
    /// A painter that knows nothing of the terminal yet.
    pub fn new() -> Self {
        Self { lost: true, ..Self::default() }
    }

    /// The next frame is painted in full.
    pub fn forget(&mut self) {
        self.lost = true;
    }

    /// Does the terminal, of this size, show the last frame?
    pub fn fits(&self, area: Rect) -> bool {
        !self.lost && self.shown.area == area
    }

    /// The bytes that make the terminal show what `draw` draws; empty when it shows it already.
    pub fn frame(&mut self, area: Rect, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<&[u8]> {
        self.bytes.clear();
        if self.shown.area != area {
            self.lost = true;
        }
        self.next.resize(area);
        self.next.reset();
        if area.is_empty() {
            return Ok(&self.bytes);
        }
        draw(area, &mut self.next);
        if self.lost {
            self.shown = Buffer::empty(area);
        }
        let mut changes = self.shown.diff_iter(&self.next).peekable();
        if changes.peek().is_none() && !self.lost {
            return Ok(&self.bytes);
        }
        queue!(self.bytes, BeginSynchronizedUpdate)?;
        if self.lost {
            queue!(self.bytes, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
        }
        let drawn = CrosstermBackend::new(&mut self.bytes).draw(changes);
        queue!(self.bytes, EndSynchronizedUpdate)?;
        drawn?;
        self.lost = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn text(text: &'static str) -> impl Fn(Rect, &mut Buffer) {
        move |area, buffer| {
            buffer.set_stringn(0, 0, text, usize::from(area.width), Style::new());
        }
    }

    #[test]
    fn a_frame_is_bracketed_and_an_unchanged_one_is_silent() {
        let area = Rect::new(0, 0, 20, 2);
        let mut painter = Painter::new();
        let first = String::from_utf8(painter.frame(area, text("hello")).unwrap().to_vec()).unwrap();
        assert!(first.starts_with("\u{1b}[?2026h") && first.ends_with("\u{1b}[?2026l"), "{first:?}");
        assert!(!first.contains("[6n") && !first.contains('\n'));
        assert_eq!(painter.frame(area, text("hello")).unwrap(), b"");
        let change = painter.frame(area, text("hallo")).unwrap().to_vec();
        assert!(change.len() < first.len() && !change.is_empty());
    }

    #[test]
    fn the_terminal_shows_what_was_drawn_after_any_resize() {
        let mut painter = Painter::new();
        let of = |n: u16| std::num::NonZeroU16::new(n.max(1)).unwrap();
        let mut parser = vt100::Parser::new(of(4), of(30), 0);
        for (width, height, word) in [(30, 4, "wide"), (7, 2, "small"), (0, 0, "none"), (30, 4, "wide again")] {
            parser.screen_mut().set_size(of(height), of(width));
            let bytes = painter.frame(Rect::new(0, 0, width, height), text(word)).unwrap().to_vec();
            parser.process(&bytes);
            if width > 0 {
                assert_eq!(parser.screen().contents().trim_end(), word);
            }
        }
        painter.forget();
        parser.process(b"\x1b[1;1Hgarbage");
        let bytes = painter.frame(Rect::new(0, 0, 30, 4), text("wide again")).unwrap().to_vec();
        parser.process(&bytes);
        assert_eq!(parser.screen().contents().trim_end(), "wide again");
    }
}
