//! Candles, hollow when rising and solid when falling, with marks on them and lines on the price axis.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures;
use super::pen::{Pen, columns};
use crate::engine::num::{Price, Side};
use crate::engine::snapshot::{CandleLength, CandleView, ChartMark, MarkKind};
use crate::tui::glyphs::GlyphSet;
use crate::tui::theme::Theme;

/// A named price on the axis.
pub struct Line {
    /// One letter or glyph.
    pub mark: char,
    /// Where.
    pub price: Price,
    /// How it looks.
    pub style: Style,
}

/// Everything a chart shows.
pub struct Chart<'a> {
    /// Oldest first.
    pub candles: &'a [CandleView],
    /// Length of one candle.
    pub length: CandleLength,
    /// Signals, fills, vetoes.
    pub marks: &'a [ChartMark],
    /// Most important first: last, stop, entry, target.
    pub lines: &'a [Line],
    /// Decimals of prices.
    pub decimals: u8,
}

/// Columns per candle: the body and a gap.
const STRIDE: u16 = 2;
/// Lines further away than this part of the candles' range stay at the edge instead of flattening the candles.
const STRETCH: f64 = 0.25;
/// Candles between two times.
const TIME_EVERY: usize = 10;
/// Rows between ticks of the axis.
const TICK_EVERY: u16 = 4;

/// Vertical scale in half rows, the highest price at 0.
struct Scale {
    low: f64,
    high: f64,
    rows: u16,
}

impl Scale {
    fn half(&self, price: f64) -> i32 {
        let share = if self.high > self.low { (self.high - price) / (self.high - self.low) } else { 0.5 };
        (share * f64::from(self.rows * 2 - 1)).round().clamp(-1.0, f64::from(self.rows) * 2.0) as i32
    }
    fn row(&self, price: f64) -> u16 {
        u16::try_from(self.half(price).max(0) / 2).unwrap_or(0).min(self.rows - 1)
    }
    fn price(&self, row: u16) -> f64 {
        self.high - (self.high - self.low) * (f64::from(row) * 2.0 + 0.5) / f64::from((self.rows * 2 - 1).max(1))
    }
}

/// Draws the chart; the lowest row carries the time.
pub fn draw(chart: &Chart<'_>, area: Rect, theme: &Theme, buffer: &mut Buffer) {
    let axis = axis_width(chart);
    if area.width < axis + 4 || area.height < 3 {
        return;
    }
    let rows = area.height - 1;
    let plot = area.width - axis;
    let room = usize::from(plot / STRIDE);
    let shown = chart.candles.get(chart.candles.len().saturating_sub(room)..).unwrap_or_default();
    let mut pen = Pen::new(buffer, area);
    if shown.is_empty() {
        pen.put(1, rows / 2, "no candles yet", theme.dim);
        return;
    }
    let scale = scale(shown, chart.lines, rows);
    let start = plot - STRIDE * u16::try_from(shown.len()).unwrap_or(0);
    for (index, candle) in shown.iter().enumerate() {
        let x = start + STRIDE * u16::try_from(index).unwrap_or(0);
        draw_candle(candle, x, &scale, theme, &mut pen);
        draw_time(index, candle, chart.length, (x, rows), plot, theme, &mut pen);
    }
    for mark in chart.marks {
        let slot = shown.iter().position(|c| c.start <= mark.at && mark.at < c.start + chart.length.span());
        if let Some(index) = slot
            && let Some(candle) = shown.get(index)
        {
            draw_mark(mark, candle, start + STRIDE * u16::try_from(index).unwrap_or(0), &scale, theme, &mut pen);
        }
    }
    draw_axis(chart, &scale, plot, axis, theme, &mut pen);
}

fn axis_width(chart: &Chart<'_>) -> u16 {
    let prices = chart.candles.iter().rev().take(1).map(|c| c.high).chain(chart.lines.iter().map(|l| l.price));
    let widest = prices.map(|p| columns(&figures::price(p, chart.decimals))).max().unwrap_or(8);
    widest.max(8) + 2
}

fn scale(candles: &[CandleView], lines: &[Line], rows: u16) -> Scale {
    let (mut low, mut high) = candles
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), c| (low.min(c.low.to_f64_lossy()), high.max(c.high.to_f64_lossy())));
    let reach = (high - low) * STRETCH;
    let (floor, ceiling) = (low - reach, high + reach);
    for price in lines.iter().map(|l| l.price.to_f64_lossy()).filter(|p| (floor..=ceiling).contains(p)) {
        low = low.min(price);
        high = high.max(price);
    }
    Scale { low, high, rows }
}

fn draw_candle(candle: &CandleView, x: u16, scale: &Scale, theme: &Theme, pen: &mut Pen<'_>) {
    let rising = candle.close >= candle.open;
    let style = if rising { theme.up } else { theme.down };
    let (top, bottom) = (candle.open.max(candle.close), candle.open.min(candle.close));
    let body = scale.half(top.to_f64_lossy())..=scale.half(bottom.to_f64_lossy());
    let wick = scale.half(candle.high.to_f64_lossy())..=scale.half(candle.low.to_f64_lossy());
    for row in 0..scale.rows {
        let half = |offset: i32| {
            let at = i32::from(row) * 2 + offset;
            if body.contains(&at) { 2 } else { u8::from(wick.contains(&at)) }
        };
        let glyph = match theme.glyphs.set {
            GlyphSet::Unicode => shape(rising, half(0), half(1)),
            GlyphSet::Ascii => plain_shape(rising, half(0), half(1)),
        };
        if let Some(glyph) = glyph {
            pen.glyph(x, row, glyph, style);
        }
    }
}

/// Glyph of a cell whose upper and lower half hold nothing (0), wick (1) or body (2).
const fn shape(rising: bool, upper: u8, lower: u8) -> Option<char> {
    Some(match (rising, upper, lower) {
        (_, 0, 0) => return None,
        (_, 1, 1) => '│',
        (_, 1, 0) => '╵',
        (_, 0, 1) => '╷',
        (true, 2, 2) => '┃',
        (true, 2, 1) => '╿',
        (true, 2, _) => '╹',
        (true, 1, _) => '╽',
        (true, ..) => '╻',
        (false, 2, 2) => '█',
        (false, 2, _) => '▀',
        (false, ..) => '▄',
    })
}

const fn plain_shape(rising: bool, upper: u8, lower: u8) -> Option<char> {
    match (rising, upper, lower) {
        (_, 0, 0) => None,
        (true, 2, _) | (true, _, 2) => Some('0'),
        (false, 2, _) | (false, _, 2) => Some('#'),
        _ => Some('|'),
    }
}

fn draw_time(
    index: usize,
    candle: &CandleView,
    length: CandleLength,
    (x, y): (u16, u16),
    plot: u16,
    theme: &Theme,
    pen: &mut Pen<'_>,
) {
    let clock = candle.start.clock();
    let label = if length == CandleLength::OneSecond { clock.as_str() } else { clock.get(..5).unwrap_or("") };
    if index.is_multiple_of(TIME_EVERY) && x + columns(label) <= plot {
        pen.put(x, y, label, theme.dim);
    }
}

/// Signals are hollow arrows beside the candle, fills solid arrows on it, vetoes crosses above it.
fn draw_mark(mark: &ChartMark, candle: &CandleView, x: u16, scale: &Scale, theme: &Theme, pen: &mut Pen<'_>) {
    let g = &theme.glyphs;
    let above = scale.row(candle.high.to_f64_lossy()).saturating_sub(1);
    let below = (scale.row(candle.low.to_f64_lossy()) + 1).min(scale.rows - 1);
    let (row, glyph, style) = match mark.kind {
        MarkKind::Signal(Side::Buy) => (below, g.hint_up, theme.up),
        MarkKind::Signal(Side::Sell) => (above, g.hint_down, theme.down),
        MarkKind::Fill(Side::Buy) => (scale.row(mark.price.to_f64_lossy()), g.up, theme.bright),
        MarkKind::Fill(Side::Sell) => (scale.row(mark.price.to_f64_lossy()), g.down, theme.bright),
        MarkKind::Vetoed(_) => (above, g.veto, theme.warn),
    };
    pen.glyph(x, row, glyph, style);
}

/// Named prices take the nearest free row; ticks fill what is left.
fn draw_axis(chart: &Chart<'_>, scale: &Scale, plot: u16, axis: u16, theme: &Theme, pen: &mut Pen<'_>) {
    let mut taken = vec![false; usize::from(scale.rows)];
    let figure = |price: Price| figures::price(price, chart.decimals);
    let numbers = axis - 2;
    for line in chart.lines {
        let price = line.price.to_f64_lossy();
        let wanted = scale.row(price);
        let Some(row) = free_row(&taken, wanted) else { continue };
        if let Some(slot) = taken.get_mut(usize::from(row)) {
            *slot = true;
        }
        let off = match price {
            p if p > scale.high => theme.glyphs.up,
            p if p < scale.low => theme.glyphs.down,
            _ => ' ',
        };
        pen.glyph(plot, row, line.mark, line.style);
        pen.glyph(plot + 1, row, off, line.style);
        pen.number(plot + 2, row, numbers, &figure(line.price), line.style, theme.glyphs.ellipsis);
    }
    for row in (0..scale.rows).step_by(usize::from(TICK_EVERY)) {
        if taken.get(usize::from(row)) == Some(&false) {
            let text = figures::plain(scale.price(row), usize::from(chart.decimals));
            pen.glyph(plot, row, theme.glyphs.tick, theme.border);
            pen.number(plot + 2, row, numbers, &text, theme.dim, theme.glyphs.ellipsis);
        }
    }
}

fn free_row(taken: &[bool], wanted: u16) -> Option<u16> {
    let near = [0_i32, 1, -1, 2, -2].map(|step| i32::from(wanted) + step);
    near.into_iter().filter_map(|row| u16::try_from(row).ok()).find(|row| taken.get(usize::from(*row)) == Some(&false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Ts;

    fn candle(at: i64, prices: [i64; 4]) -> CandleView {
        let [open, high, low, close] = prices.map(|p| Price::from_raw(p * 1_000_000_000));
        CandleView { start: Ts::from_ms(at * 1000), open, high, low, close, volume: 1.0 }
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        (0..buffer.area.height)
            .map(|y| {
                (0..buffer.area.width).filter_map(|x| buffer.cell((x, y))).map(ratatui::buffer::Cell::symbol).collect()
            })
            .collect()
    }

    fn drawn(candles: &[CandleView], marks: &[ChartMark]) -> Vec<String> {
        let area = Rect::new(0, 0, 17, 5);
        let mut buffer = Buffer::empty(area);
        let length = CandleLength::OneSecond;
        draw(&Chart { candles, length, marks, lines: &[], decimals: 0 }, area, &Theme::default(), &mut buffer);
        lines(&buffer)
    }

    #[test]
    fn rising_is_hollow_falling_is_solid() {
        let picture = drawn(&[candle(0, [10, 17, 10, 14]), candle(1, [17, 17, 12, 12])], &[]);
        assert_eq!(
            picture,
            ["   │ █ ┤       16", "   ╽ █           ", "   ┃ █           ", "   ┃             ", "                 "]
        );
    }

    #[test]
    fn constant_prices_and_no_candles_draw_without_harm() {
        assert!(
            drawn(&[candle(0, [5, 5, 5, 5])], &[]).concat().contains('╹'),
            "{:?}",
            drawn(&[candle(0, [5; 4])], &[])
        );
        assert!(drawn(&[], &[]).concat().contains("no candles yet"));
    }

    #[test]
    fn marks_stand_on_their_candle() {
        let fill = ChartMark {
            at: Ts::from_ms(1500),
            price: Price::from_raw(17_000_000_000),
            kind: MarkKind::Fill(Side::Sell),
        };
        let picture = drawn(&[candle(0, [10, 17, 10, 14]), candle(1, [17, 17, 12, 12])], &[fill]);
        assert!(picture[0].starts_with("   │ ▼"), "{picture:?}");
    }
}
