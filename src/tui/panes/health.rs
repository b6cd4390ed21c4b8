//! Engine, feed, models and disk: rows of ok / warn / fail / skip, by shape and word.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::snapshot::{Health, HealthView};
use crate::tui::glyphs::Glyphs;
use crate::tui::state::UiState;
use crate::tui::theme::Theme;
use crate::tui::widgets::figures;
use crate::tui::widgets::pen::Pen;

/// The pane.
pub struct HealthPane;

const NAME: u16 = 12;

impl Health {
    /// `ok`, `warn`, `fail`, `skip`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
    /// Its shape.
    pub const fn glyph(self, glyphs: &Glyphs) -> char {
        match self {
            Self::Ok => glyphs.ok,
            Self::Warn => glyphs.warn,
            Self::Fail => glyphs.fail,
            Self::Skip => glyphs.skip,
        }
    }
    /// Its style: only what needs a human is loud.
    pub const fn style(self, theme: &Theme) -> Style {
        match self {
            Self::Ok => theme.text,
            Self::Warn => theme.warn,
            Self::Fail => theme.alarm,
            Self::Skip => theme.dim,
        }
    }
}

impl Pane for HealthPane {
    fn id(&self) -> PaneId {
        PaneId::Health
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let rows = &scene.snapshot.health.rows;
        let count = |health: Health| rows.iter().filter(|row| row.health == health).count();
        if scene.ui.is_old() {
            return format!("health · ENGINE {}", if scene.ui.engine_ended { "ENDED" } else { "SILENT" });
        }
        match (count(Health::Fail), count(Health::Warn)) {
            (0, 0) => "health · ok".to_owned(),
            (0, warn) => format!("health · {warn} warn"),
            (fail, warn) => format!("health · {fail} FAIL {warn} warn"),
        }
    }
    fn min(&self) -> (u16, u16) {
        (34, 3)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let (view, theme) = (&scene.snapshot.health, scene.theme);
        let mut pen = Pen::new(buffer, area);
        let old = scene.ui.is_old();
        // Of an engine that says nothing only its silence is known: the rest was so once.
        let lines = lines(view).into_iter().map(|(health, name, detail)| match health {
            Health::Ok if old => (Health::Skip, name, format!("not known now, was: {detail}")),
            _ => (health, name, detail),
        });
        let mut rows: Vec<_> = beat(scene.ui).into_iter().chain(lines).collect();
        // Trouble first when there is no room for all.
        if rows.len() > usize::from(area.height) {
            rows.sort_by_key(|row| match row.0 {
                Health::Fail => 0,
                Health::Warn => 1,
                Health::Ok => 2,
                Health::Skip => 3,
            });
        }
        for (y, (health, name, detail)) in (0..area.height).zip(rows) {
            let style = health.style(theme);
            pen.glyph(0, y, health.glyph(&theme.glyphs), style);
            pen.text(2, y, NAME, &name, theme.dim, theme.glyphs.ellipsis);
            let x = 2 + NAME + 1;
            let word = if health == Health::Ok { String::new() } else { format!("{} ", health.word()) };
            let text = format!("{word}{detail}");
            pen.text(x, y, area.width.saturating_sub(x), &text, style, theme.glyphs.ellipsis);
        }
    }
}

/// The engine's last heartbeat, by the clock of whoever looks.
fn beat(ui: &UiState) -> Option<(Health, String, String)> {
    let age = ui.beat_age_ms?;
    if ui.engine_ended {
        let detail = "ended: nobody listens at its socket".to_owned();
        return Some((Health::Fail, "engine".to_owned(), detail));
    }
    let ago = || format!("last beat {}.{} s ago", age / 1000, age % 1000 / 100);
    let (health, detail) = match (age, ui.engine_silent_ms) {
        (0, _) => (Health::Ok, "beats, less than 1 s ago".to_owned()),
        (_, None) => (Health::Warn, ago()),
        (_, Some(_)) => (Health::Fail, ago()),
    };
    Some((health, "engine".to_owned(), detail))
}

/// Health rows, then models, then what the engine has done.
fn lines(view: &HealthView) -> Vec<(Health, String, String)> {
    let mut lines: Vec<(Health, String, String)> =
        view.rows.iter().map(|row| (row.health, row.name.clone(), row.detail.clone())).collect();
    for model in &view.models {
        let detail = format!("{} trained {}", model.hash, model.trained);
        lines.push((Health::Ok, model.name.clone(), detail));
    }
    if view.models.is_empty() {
        lines.push((Health::Skip, "models".to_owned(), "none installed: no entries".to_owned()));
    }
    let count = figures::grouped(&view.events.to_string());
    lines.push((Health::Ok, "events".to_owned(), format!("{count} · {}/s", view.event_rate)));
    if !view.decisions.is_empty() {
        lines.push((Health::Ok, "decisions".to_owned(), view.decisions.clone()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_beat_has_a_row_with_its_age() {
        let row = |beat_age_ms, engine_silent_ms| {
            beat(&UiState { engine_silent_ms, beat_age_ms, ..UiState::default() })
                .map(|(health, _, text)| (health, text))
        };
        assert_eq!(row(None, None), None, "before the first");
        assert_eq!(row(Some(0), None).unwrap().0, Health::Ok);
        assert_eq!(row(Some(1_200), None).unwrap(), (Health::Warn, "last beat 1.2 s ago".to_owned()));
        assert_eq!(row(Some(61_500), Some(61_500)).unwrap(), (Health::Fail, "last beat 61.5 s ago".to_owned()));
    }
}
