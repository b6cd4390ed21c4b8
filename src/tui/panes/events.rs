//! Typed events, newest first, filterable, with a follow or pause mark. Never log text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::engine::notice::{Kind, Level, Notice};
use crate::tui::widgets::pen::Pen;

/// The pane.
pub struct Events;

impl Pane for Events {
    fn id(&self) -> PaneId {
        PaneId::Events
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let what = match filter(scene) {
            Some(text) => format!("events · filter {text}"),
            None => "events".to_owned(),
        };
        match scene.ui.events_back {
            0 => format!("{what} · following"),
            back => format!("{what} · PAUSED {back} back"),
        }
    }
    fn min(&self) -> (u16, u16) {
        (30, 1)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let theme = scene.theme;
        let wanted = filter(scene);
        let all: Vec<&Notice> = scene.snapshot.notices.iter().filter(|n| matches(n, wanted, scene)).collect();
        let mut pen = Pen::new(buffer, area);
        if all.is_empty() {
            let text = if wanted.is_some() { "no event matches" } else { "nothing has happened yet" };
            pen.put(1, 0, text, theme.dim);
            return;
        }
        let back = scene.ui.events_back.min(all.len() - 1);
        let times = if area.width >= 60 { 12 } else { 8 };
        for (y, notice) in (0..area.height).zip(all.iter().rev().skip(back)) {
            draw_notice(notice, y, times, scene, &mut pen);
        }
    }
}

fn filter<'a>(scene: &'a Scene<'_>) -> Option<&'a str> {
    let events = scene.ui.focus != PaneId::Markets;
    (events && !scene.ui.filter.is_empty()).then_some(scene.ui.filter.as_str())
}

/// Text, kind and instrument are searched.
fn matches(notice: &Notice, wanted: Option<&str>, scene: &Scene<'_>) -> bool {
    wanted.is_none_or(|text| {
        notice.text.to_lowercase().contains(text)
            || notice.kind.tag().to_lowercase().contains(text)
            || name(notice, scene).to_lowercase().contains(text)
    })
}

fn name<'a>(notice: &Notice, scene: &'a Scene<'_>) -> &'a str {
    notice.symbol.and_then(|symbol| scene.market(symbol)).map_or("", |row| row.name.as_str())
}

fn draw_notice(notice: &Notice, y: u16, times: u16, scene: &Scene<'_>, pen: &mut Pen<'_>) {
    let theme = scene.theme;
    let (mark, style) = match notice.level {
        Level::Alarm => ("!!", theme.alarm),
        Level::Warn => ("! ", theme.warn),
        Level::Info => ("  ", theme.text),
    };
    let kind = match notice.kind {
        Kind::Fill | Kind::State => theme.bright,
        _ => theme.dim,
    };
    let time = if times == 12 { notice.at.clock_ms() } else { notice.at.clock() };
    let mut x = pen.put(0, y, &time, theme.dim);
    x = pen.put(x + 1, y, mark, style);
    x = pen.put(x, y, notice.kind.tag(), if notice.level == Level::Info { kind } else { style }) + 1;
    let name = name(notice, scene);
    if !name.is_empty() && !notice.text.contains(name) {
        x = pen.put(x, y, name, theme.text) + 1;
    }
    let room = pen.width().saturating_sub(x);
    pen.text(x, y, room, &notice.text, style, theme.glyphs.ellipsis);
}
