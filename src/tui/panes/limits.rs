//! Every limit as a gauge. With too little room the fullest are shown; one row high, the four that matter most.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::num::UNIT;
use crate::engine::risk::limits::LimitKey;
use crate::engine::snapshot::LimitRow;
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{Pen, columns};
use crate::tui::widgets::{bars, figures};

/// The pane.
pub struct Limits;

const LABEL: u16 = 15;
/// Least room for `used / limit`.
const AMOUNT: u16 = 9;
/// From here on a gauge asks for a look.
const NEAR: f64 = 0.7;

/// Shown where there is one row only.
const VITAL: [LimitKey; 4] =
    [LimitKey::MaxGrossNotional, LimitKey::MaxDrawdownPct, LimitKey::MaxDailyLoss, LimitKey::MaxOrdersPer10s];

impl Pane for Limits {
    fn id(&self) -> PaneId {
        PaneId::Limits
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let over = scene.snapshot.limits.iter().filter(|row| row.utilisation.is_some_and(|u| u >= 1.0)).count();
        if over > 0 { format!("risk limits · {over} REACHED") } else { "risk limits".to_owned() }
    }
    fn min(&self) -> (u16, u16) {
        (36, 3)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(buffer, area);
        let rows = &scene.snapshot.limits;
        if area.height == 1 {
            return draw_line(rows, scene.theme, &mut pen);
        }
        let room = usize::from(area.height);
        let selected = scene.selected(PaneId::Limits, rows.len());
        let amounts = rows.iter().map(|row| columns(&amount(row)) + 1).fold(AMOUNT, u16::max);
        for (y, row) in (0..).zip(shown(rows, room, selected)) {
            draw_gauge(row, y, amounts, scene.theme, &mut pen);
            if selected.and_then(|at| rows.get(at)).is_some_and(|chosen| chosen.key == row.key) {
                pen.style_row(y, scene.theme.selected);
            }
        }
    }
}

/// The rows that fit: the fullest ones (and the selected one), in the order of the limits.
fn shown(rows: &[LimitRow], room: usize, selected: Option<usize>) -> Vec<&LimitRow> {
    let mut ranked: Vec<usize> = (0..rows.len()).collect();
    let use_of = |at: usize| rows.get(at).and_then(|r| r.utilisation).unwrap_or(-1.0);
    ranked.sort_by(|a, b| {
        (selected == Some(*b)).cmp(&(selected == Some(*a))).then(use_of(*b).total_cmp(&use_of(*a))).then(a.cmp(b))
    });
    ranked.truncate(room);
    ranked.sort_unstable();
    ranked.into_iter().filter_map(|at| rows.get(at)).collect()
}

const fn label(key: LimitKey) -> &'static str {
    match key {
        LimitKey::MaxOrderNotional => "order size",
        LimitKey::MaxPositionNotional => "position",
        LimitKey::MaxGrossNotional => "gross exposure",
        LimitKey::MaxNetNotional => "net exposure",
        // As the orders pane counts them: protective orders are not among them.
        LimitKey::MaxOpenOrders => "working orders",
        LimitKey::MaxOrdersPer10s => "orders/10s",
        LimitKey::MaxOrders24h => "orders/24h",
        LimitKey::MaxDailyLoss => "daily loss",
        LimitKey::MaxLoss24h => "loss 24h",
        LimitKey::MaxDrawdownPct => "drawdown",
        LimitKey::MaxLeverage => "leverage",
        LimitKey::MaxSlippageBps => "slippage",
        LimitKey::MaxDataAgeMs => "data age",
        LimitKey::CooldownAfterLoss => "cooldown",
        LimitKey::UnprotectedMaxMs => "unprotected",
    }
}

/// For the single line.
const fn short_label(key: LimitKey) -> &'static str {
    match key {
        LimitKey::MaxGrossNotional => "limits: gross",
        LimitKey::MaxDrawdownPct => "dd",
        LimitKey::MaxDailyLoss => "day loss",
        LimitKey::MaxOrdersPer10s => "rate",
        other => label(other),
    }
}

fn tone(utilisation: Option<f64>, theme: &Theme) -> Style {
    match utilisation {
        Some(u) if u >= 1.0 => theme.alarm,
        Some(u) if u >= NEAR => theme.warn,
        Some(_) => theme.text,
        None => theme.dim,
    }
}

fn percent(utilisation: Option<f64>) -> String {
    match utilisation {
        Some(u) if u >= 1.0 => format!("{:.0}%!", u.min(9.99) * 100.0),
        Some(u) => format!("{:.0}%", u * 100.0),
        None => figures::UNKNOWN.to_owned(),
    }
}

/// `298 / 1k`: what is used and what may be.
fn amount(row: &LimitRow) -> String {
    let unit = row.key.unit();
    let used = figures::or_unknown(row.used, |used| figures::amount(used, unit));
    format!("{used} / {}", figures::limit(row.value as f64 / UNIT as f64, unit))
}

fn draw_gauge(row: &LimitRow, y: u16, amounts: u16, theme: &Theme, pen: &mut Pen<'_>) {
    let style = tone(row.utilisation, theme);
    let worst = row.worst.as_deref().unwrap_or_default();
    let tail = amounts + 6;
    let bar = pen.width().saturating_sub(LABEL + tail + 1);
    let (bar, worst_room) = if bar > 24 { (bar - 10, 9) } else { (bar, 0) };
    pen.text(0, y, LABEL, label(row.key), theme.dim, theme.glyphs.ellipsis);
    let (full, rest) = bars::line(row.utilisation.unwrap_or(0.0), bar, &theme.glyphs);
    let end = pen.put(LABEL, y, &full, style);
    let end = pen.put(end, y, &rest, theme.border) + 1;
    pen.number(end, y, amounts, &amount(row), theme.text, theme.glyphs.ellipsis);
    pen.number(end + amounts, y, 6, &percent(row.utilisation), style, theme.glyphs.ellipsis);
    if worst_room > 0 {
        pen.text(end + tail + 1, y, worst_room, worst, theme.dim, theme.glyphs.ellipsis);
    }
}

fn draw_line(rows: &[LimitRow], theme: &Theme, pen: &mut Pen<'_>) {
    let mut x = 0;
    for key in VITAL {
        let Some(row) = rows.iter().find(|row| row.key == key) else { continue };
        let (name, text) = (short_label(key), percent(row.utilisation));
        let width = columns(name) + 1 + 5 + 1 + 5;
        if x + width > pen.width() {
            break;
        }
        let start = pen.put(x, 0, name, theme.dim) + 1;
        let (full, rest) = bars::line(row.utilisation.unwrap_or(0.0), 5, &theme.glyphs);
        let style = tone(row.utilisation, theme);
        let end = pen.put(start, 0, &full, style);
        let end = pen.put(end, 0, &rest, theme.border) + 1;
        pen.put(end, 0, &text, style);
        x += width + 1;
    }
}
