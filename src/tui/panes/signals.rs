//! What every model says about the instrument in front, and what is left of it after cost.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::engine::snapshot::{Freshness, SignalRow};
use crate::engine::trust::repaint::Steadiness;
use crate::tui::widgets::figures;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::table::{self, Cell, Column, Row, number, rest, words};

/// The pane.
pub struct Signals;

const COLUMNS: [Column; 13] = [
    words("model", 11, 0),
    number("hor", 3, 1),
    words("up·fl·down", 10, 4),
    words("u/f/d %", 8, 0),
    number("move", 6, 6),
    number("edge bp", 7, 2),
    number("cost", 5, 7),
    number("age", 5, 5),
    number("hit/said", 9, 8),
    number("promised", 8, 9),
    number("flips/min", 9, 10),
    number("held·half-life", 14, 11),
    rest("verdict", 14, 3),
];

impl Pane for Signals {
    fn id(&self) -> PaneId {
        PaneId::Signals
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        match scene.front() {
            Some(row) => format!("signals {}", row.name),
            None => "signals".to_owned(),
        }
    }
    fn min(&self) -> (u16, u16) {
        (36, 1)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let rows = &scene.snapshot.signals;
        if rows.is_empty() {
            let text = if scene.snapshot.health.models.is_empty() {
                "no model installed: no signals, no entries"
            } else {
                "no prediction yet"
            };
            Pen::new(buffer, area).text(
                1,
                0,
                area.width.saturating_sub(1),
                text,
                scene.theme.dim,
                scene.theme.glyphs.ellipsis,
            );
            return;
        }
        // With too little room the row that decides stays in sight.
        let room = usize::from(if area.height >= 3 { area.height - 1 } else { area.height });
        let selected = scene.selected(PaneId::Signals, rows.len());
        let decides = rows.iter().position(|row| row.decides).unwrap_or(rows.len());
        let skip = if selected.is_none() { rows.len().saturating_sub(room).min(decides) } else { 0 };
        let lines: Vec<Row> = rows.iter().skip(skip).map(|row| line(row, scene)).collect();
        table::draw(&COLUMNS, &lines, selected, area, scene.theme, buffer);
    }
}

fn line(row: &SignalRow, scene: &Scene<'_>) -> Row {
    let theme = scene.theme;
    let fresh = row.probs.fresh().copied();
    let name = if row.decides { theme.bright } else { theme.text };
    let edge = row.edge_bps.unwrap_or(f64::NAN);
    let record = row.record.as_ref();
    let figures = record.map(|record| record.figures);
    let steadiness = record.map(|record| record.steadiness);
    let benched = record.is_some_and(|record| record.benched.is_some() || record.strange.is_some());
    let verdict = match &row.probs {
        Freshness::Stale { age, .. } => format!("STALE {age}"),
        Freshness::Missing => match scene.market(row.symbol).and_then(|market| market.warming) {
            Some(left) => format!("warming {left}"),
            None => "no prediction".to_owned(),
        },
        Freshness::Fresh(_) => row.verdict.clone(),
    };
    Row {
        dim: fresh.is_none(),
        cells: vec![
            Cell::Text(row.model.clone(), name),
            Cell::Number(horizon(row.horizon_s, steadiness.is_some_and(|steady| !steady.closed)), theme.text),
            Cell::Shares(fresh),
            Cell::Text(fresh.map_or_else(|| "--/--/--".to_owned(), figures::probabilities), theme.text),
            Cell::Number(
                figures::or_unknown(row.move_bps, |v| figures::signed(v, 1)),
                theme.signed(row.move_bps.unwrap_or(0.0)),
            ),
            Cell::Number(figures::or_unknown(row.edge_bps, |v| figures::signed(v, 1)), theme.signed(edge)),
            Cell::Number(figures::or_unknown(row.cost_bps, |v| figures::plain(v, 1)), theme.dim),
            Cell::Number(figures::age(row.age), theme.dim),
            Cell::Number(hits(figures.and_then(|f| f.hit), figures.and_then(|f| f.said)), theme.text),
            Cell::Number(
                figures::or_unknown(figures.and_then(|f| f.promise).map(|p| f64::from(p.hit_low)), |v| {
                    figures::plain(v, 2)
                }),
                theme.dim,
            ),
            Cell::Number(
                figures::or_unknown(steadiness.and_then(|steady| steady.flips_per_min), |v| figures::plain(v, 1)),
                theme.text,
            ),
            Cell::Number(steadiness.map_or_else(String::new, stands), theme.text),
            Cell::Forms(vec![verdict.clone(), terse(&verdict)], if benched { theme.warn } else { theme.text }),
        ],
    }
}

/// `.56/.60`: moves whose direction was told, and the probability that was said for it.
fn hits(hit: Option<f64>, said: Option<f64>) -> String {
    let share = |value: Option<f64>| figures::or_unknown(value, |v| figures::plain(v, 2));
    format!("{}/{}", share(hit), share(said))
}

/// `42% · 4s`: spans whose first call still stood at the end, and after how long half of the calls were gone.
fn stands(steady: Steadiness) -> String {
    let held =
        steady.survived.map_or_else(|| figures::UNKNOWN.to_owned(), |(share, _)| format!("{:.0}%", share * 100.0));
    format!("{held} · {}", figures::age(steady.half_life))
}

/// `edge gate: 0.8 bp < 11.6 bp` becomes `edge 0.8<11.6`: its numbers stay.
fn terse(verdict: &str) -> String {
    let short =
        [("edge gate: ", "edge "), (" bp", ""), (" < ", "<"), ("promised=", "of "), ("expected=", "of "), ("hit=", "")];
    short.iter().fold(verdict.to_owned(), |text, (long, short)| text.replace(long, short))
}

/// `10s`, `1m`, `5m`, `1h`; `~10s` while the forecast is forming: it may be another one when its span closes.
fn horizon(seconds: u32, forming: bool) -> String {
    let span = match seconds {
        s if s >= 3600 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    };
    if forming { format!("~{span}") } else { span }
}
