//! Candles of the instrument in front, with our entry, stop and target on the axis and what we did on the candles.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, PaneId, Scene};
use crate::engine::ids::Market;
use crate::engine::snapshot::{Freshness, Protected};
use crate::tui::widgets::candles::{self, Line};
use crate::tui::widgets::figures;
use crate::tui::widgets::pen::Pen;

/// The pane.
pub struct Chart;

/// The market has not been reached: why, what happens next, and what works meanwhile.
fn draw_nothing_heard(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let theme = scene.theme;
    let why = scene.snapshot.health.feed_down.as_deref().map_or("connecting", |why| why);
    let session = &scene.snapshot.session;
    let from = match session.pair.market() {
        Market::Bybit if session.simulated_venue => " from the simulated exchange",
        Market::Bybit => " from Bybit",
        Market::Simulated | Market::Tape => "",
    };
    let mut lines = vec![(format!("no market data{from} yet"), theme.bright), (why.to_owned(), theme.warn)];
    if scene.snapshot.health.feed_down.is_some() {
        lines.push(("it is tried again by itself, ever more slowly, for as long as this runs".to_owned(), theme.dim));
        lines.push(("q, then `tickdeck demo`: a simulated market that needs no network".to_owned(), theme.dim));
        lines.push(("`tickdeck doctor` says what stands in the way".to_owned(), theme.dim));
    }
    let mut pen = Pen::new(buffer, area);
    let room = area.width.saturating_sub(2);
    let mut y = 0;
    for (text, style) in lines {
        for part in crate::tui::widgets::pen::wrap(&text, room) {
            pen.text(1, y, room, &part, style, theme.glyphs.ellipsis);
            y += 1;
        }
    }
}

impl Pane for Chart {
    fn id(&self) -> PaneId {
        PaneId::Chart
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let (Some(focus), Some(row)) = (&scene.snapshot.focus, scene.front()) else { return "chart".to_owned() };
        let mut title = format!("{} · {}", row.name, focus.candle.word());
        if let Freshness::Stale { age, .. } = row.last {
            let _ = write!(title, " · STALE {age}");
        }
        if !focus.category.is_empty() {
            let _ = write!(title, " · {}", focus.category);
        }
        if let Some((rate, settles)) = focus.funding {
            let _ = write!(title, " · funding {}%", figures::signed(rate.bps_lossy() / 100.0, 4));
            if let Some(at) = settles {
                let _ = write!(title, " in {}", at.since(scene.snapshot.at));
            }
        }
        title
    }
    fn min(&self) -> (u16, u16) {
        (24, 4)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let theme = scene.theme;
        let (Some(focus), Some(row)) = (&scene.snapshot.focus, scene.front()) else {
            Pen::new(buffer, area).put(1, 0, "no market in front", theme.dim);
            return;
        };
        if focus.candles.is_empty() && scene.snapshot.health.feed_age.is_none() {
            return draw_nothing_heard(scene, area, buffer);
        }
        let mut lines = Vec::new();
        if let Some(last) = row.last.value() {
            let style = if row.last.fresh().is_some() { theme.bright } else { theme.dim };
            lines.push(Line { mark: theme.glyphs.last, price: *last, style });
        }
        if let Some(position) = scene.snapshot.positions.iter().find(|p| p.symbol == focus.symbol) {
            lines.extend(position.stop.map(|price| Line { mark: 'S', price, style: theme.warn }));
            if let Protected::Stop(price) | Protected::Far(price) = position.protected {
                lines.push(Line { mark: 'V', price, style: theme.warn });
            }
            lines.push(Line { mark: 'E', price: position.entry, style: theme.text });
            lines.extend(position.take_profit.map(|price| Line { mark: 'T', price, style: theme.text }));
        }
        let chart = candles::Chart {
            candles: &focus.candles,
            length: focus.candle,
            marks: &focus.marks,
            lines: &lines,
            decimals: row.price_decimals,
        };
        candles::draw(&chart, area, theme, buffer);
    }
}
