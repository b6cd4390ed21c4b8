//! The base screen: banner, panes, the sticky notice line, keys. Layers are drawn over it by the shell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::layout::{Class, bands, class, layout};
use super::panes::{PANES, PaneId, Scene, markets};
use super::widgets::frame::{self, Frame};
use super::widgets::pen::{Pen, columns};
use super::widgets::{banner, danger, figures};
use crate::engine::ids::Account;
use crate::engine::notice::Level;
use crate::engine::num::UNIT;
use crate::engine::risk::limits::LimitKey;
use crate::engine::snapshot::{MarketRow, PositionRow, Protected, Snapshot, Verdict};

/// Draws the whole screen into `area`.
pub fn draw_base(area: Rect, buffer: &mut Buffer, scene: &Scene<'_>) {
    let area = area.intersection(buffer.area);
    let bands = bands(area);
    buffer.set_style(area, scene.theme.ground);
    banner::draw(scene, bands.banner, buffer);
    danger::draw(scene, bands.danger, buffer);
    let panes = layout(area, scene.ui);
    if panes.is_empty() {
        draw_strip(area, bands.body, buffer, scene);
    }
    for (id, place) in panes {
        draw_pane(id, place, class(area), buffer, scene);
    }
    draw_notice(bands.notice, buffer, scene);
    draw_footer(bands.footer, buffer, scene);
    scene.theme.fold(area, buffer);
}

fn draw_pane(id: PaneId, place: Rect, class: Class, buffer: &mut Buffer, scene: &Scene<'_>) {
    let Some(pane) = PANES.iter().find(|p| p.id() == id) else { return };
    let number = id as usize + 1;
    let room = frame::inner(place, class, scene.ui.zoomed);
    let frame = Frame {
        title: &pane.title(scene),
        note: &pane.note(scene, room),
        key: &if number <= 9 { number.to_string() } else { String::new() },
        focused: scene.ui.focus == id,
        live: scene.snapshot.session.pair.account() == Account::Live,
    };
    let inner = frame::draw(&frame, place, class, scene.ui.zoomed, scene.theme, buffer);
    if !inner.is_empty() {
        pane.draw(scene, inner, buffer);
    }
}

/// The loudest and weightiest warning or alarm until it is acknowledged; in calm times why the market in front does not trade.
fn draw_notice(area: Rect, buffer: &mut Buffer, scene: &Scene<'_>) {
    let theme = scene.theme;
    let mut pen = Pen::new(buffer, area);
    let Some(notice) = &scene.snapshot.pending_notice else {
        if let Some(row) = scene.front() {
            let text = format!("why {}: {}", row.name, why(row, scene));
            pen.text(1, 0, area.width.saturating_sub(2), &text, theme.dim, theme.glyphs.ellipsis);
        }
        return;
    };
    let (style, mark) = match notice.level {
        Level::Alarm => (theme.alarm, "!! ALARM"),
        Level::Warn => (theme.warn, "! WARN"),
        Level::Info => (theme.text, "INFO"),
    };
    let hint = match scene.snapshot.more_pending {
        0 => " a acknowledges ".to_owned(),
        more => format!(" a acknowledges · {more} more "),
    };
    let room = area.width.saturating_sub(2 + columns(&hint));
    let wide = area.width >= 60;
    let text = format!("{mark} {} {}", notice.at.clock(), notice.text);
    pen.text(1, 0, if wide { room } else { area.width.saturating_sub(1) }, &text, style, theme.glyphs.ellipsis);
    if wide {
        pen.put(area.width.saturating_sub(columns(&hint)), 0, &hint, theme.dim);
    }
}

/// The verdict, with one line of help where it is a denial.
fn why(row: &MarketRow, scene: &Scene<'_>) -> String {
    let verdict = markets::verdict(row, scene.theme).0;
    match &row.verdict {
        Verdict::Denied(_, denial) | Verdict::Quiet(denial) if verdict.contains(denial.code.text()) => {
            format!("{verdict} ({})", denial.code.help())
        }
        _ => verdict,
    }
}

/// Keys that are valid here; a hint or the filter being typed comes first.
fn draw_footer(area: Rect, buffer: &mut Buffer, scene: &Scene<'_>) {
    let theme = scene.theme;
    let mut pen = Pen::new(buffer, area);
    let mut x = 1;
    if scene.ui.filtering {
        x = pen.put(x, 0, &format!("/{}_", scene.ui.filter), theme.bright) + 2;
    } else if let Some(hint) = &scene.ui.hint {
        x = pen.text(x, 0, area.width.saturating_sub(2), hint, theme.warn, theme.glyphs.ellipsis) + 2;
    }
    for (key, title, valid) in scene.footer {
        let width = columns(key) + 1 + columns(title);
        if x + width > area.width {
            break;
        }
        x = pen.put(x, 0, key, if *valid { theme.key } else { theme.dim }) + 1;
        x = pen.put(x, 0, title, if *valid { theme.text } else { theme.dim }) + 2;
    }
}

/// Below 80x24: what a person must still know.
fn draw_strip(area: Rect, body: Rect, buffer: &mut Buffer, scene: &Scene<'_>) {
    let (snapshot, theme) = (scene.snapshot, scene.theme);
    let mut pen = Pen::new(buffer, body);
    let mut y = 0;
    let roomy = body.height >= 8;
    let mut lines: Vec<(String, Style)> = Vec::new();
    if roomy {
        lines.push((String::new(), theme.dim));
        lines.push((format!("terminal is {}x{}; the cockpit needs 80x24.", area.width, area.height), theme.dim));
        lines.push(("Trading goes on. Only this is shown:".to_owned(), theme.dim));
        lines.push((String::new(), theme.dim));
    }
    for what in &snapshot.state.unresolved {
        lines.push((format!("UNKNOWN {what}"), theme.alarm));
    }
    if snapshot.positions.is_empty() && snapshot.state.unresolved.is_empty() {
        lines.push(("no open positions".to_owned(), theme.text));
    }
    for row in &snapshot.positions {
        lines.push(position_line(row, snapshot, scene));
    }
    lines.extend(danger::worst_line(scene));
    lines.push((risk_line(snapshot), theme.text));
    for (text, style) in lines {
        pen.text(1, y, body.width.saturating_sub(1), &text, style, theme.glyphs.ellipsis);
        y += 1;
    }
    for notice in snapshot.notices.iter().rev().take(usize::from(body.height.saturating_sub(y + 1))) {
        y += 1;
        pen.text(1, y, body.width.saturating_sub(1), &notice.to_string(), theme.dim, theme.glyphs.ellipsis);
    }
}

fn position_line(row: &PositionRow, snapshot: &Snapshot, scene: &Scene<'_>) -> (String, Style) {
    let decimals = snapshot.markets.iter().find(|m| m.symbol == row.symbol).map_or(9, |m| m.qty_decimals);
    let arrow = figures::side_arrow(row.side, &scene.theme.glyphs);
    let believed = if row.believed { "?" } else { "" };
    let pnl = figures::or_unknown(row.unrealised, figures::signed_money);
    let bare = match row.protected {
        _ if row.released => "  yours",
        Protected::None => "  NO STOP",
        Protected::Yours => "  NO STOP (yours)",
        Protected::Unknown => "  stop ?",
        Protected::Far(_) => "  STOP FAR",
        Protected::Stop(_) | Protected::Unwanted => "",
    };
    let text = format!(
        "{:<9}{arrow}{:<6}{:>9}{believed} {pnl:>10}{bare}",
        row.name,
        figures::long_short(row.side),
        figures::qty(row.qty, decimals)
    );
    let style = row.unrealised.map_or(scene.theme.dim, |pnl| scene.theme.signed(pnl.to_f64_lossy()));
    (
        text,
        if matches!(row.protected, Protected::None | Protected::Far(_)) && !row.released {
            scene.theme.alarm
        } else {
            style
        },
    )
}

fn risk_line(snapshot: &Snapshot) -> String {
    let row = |key: LimitKey| snapshot.limits.iter().find(|row| row.key == key);
    let drawdown = figures::or_unknown(snapshot.account.drawdown_pct, |pct| figures::plain(pct, 1));
    let allowed = row(LimitKey::MaxDrawdownPct).map(|row| row.value as f64 / UNIT as f64);
    let allowed = figures::or_unknown(allowed, |pct| figures::plain(pct, 1));
    let exposure = row(LimitKey::MaxGrossNotional).and_then(|row| row.utilisation);
    let exposure = figures::or_unknown(exposure, |used| format!("{:.0}%", used * 100.0));
    format!("drawdown {drawdown}% of {allowed}%  exposure {exposure}")
}
