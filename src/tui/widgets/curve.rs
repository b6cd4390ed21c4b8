//! A line over time: braille dots (two by four in a cell), or stars in ASCII.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::pen::Pen;
use crate::tui::glyphs::Glyphs;

/// Draws `values` over the whole width of `area`, lowest at the bottom, newest at the right end.
pub fn draw(values: &[f64], style: Style, glyphs: &Glyphs, area: Rect, buffer: &mut Buffer) {
    let sound: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if sound.len() < 2 || area.is_empty() {
        return;
    }
    let (low, high) = range(&sound);
    let (fine_x, fine_y) = if bars::is_fine(glyphs) { (2_usize, 4_usize) } else { (1, 1) };
    let (wide, tall) = (usize::from(area.width) * fine_x, usize::from(area.height) * fine_y);
    let level = |value: f64| -> usize {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        tall - 1 - ((share * (tall - 1) as f64).round() as usize).min(tall - 1)
    };
    let mut dots = vec![0_u8; usize::from(area.width) * usize::from(area.height)];
    let mut before: Option<usize> = None;
    for x in 0..wide {
        let at = x as f64 / (wide - 1).max(1) as f64 * (sound.len() - 1) as f64;
        let (left, part) = (at.floor() as usize, at.fract());
        let a = sound.get(left).copied().unwrap_or(low);
        let b = sound.get(left + 1).copied().unwrap_or(a);
        let y = level(a + (b - a) * part);
        let (from, to) = before.map_or((y, y), |p| if p < y { (p + 1, y) } else { (y, p.saturating_sub(1).max(y)) });
        for row in from..=to {
            let cell = row / fine_y * usize::from(area.width) + x / fine_x;
            if let Some(slot) = dots.get_mut(cell) {
                *slot |= bit(x % fine_x, row % fine_y);
            }
        }
        before = Some(y);
    }
    let mut pen = Pen::new(buffer, area);
    for (index, dot) in dots.iter().enumerate().filter(|(_, dot)| **dot != 0) {
        let (x, y) = (index % usize::from(area.width), index / usize::from(area.width));
        let glyph = if fine_x == 2 { char::from_u32(0x2800 + u32::from(*dot)).unwrap_or('*') } else { '*' };
        pen.glyph(u16::try_from(x).unwrap_or(u16::MAX), u16::try_from(y).unwrap_or(u16::MAX), glyph, style);
    }
}

/// Lowest and highest.
pub fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
}

/// Braille bit of a dot: column 0 or 1, row 0 to 3.
const fn bit(x: usize, y: usize) -> u8 {
    match (x, y) {
        (0, 3) => 0x40,
        (1, 3) => 0x80,
        (0, y) => 1 << y,
        (_, y) => 8 << y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_goes_from_bottom_left_to_top_right() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buffer = Buffer::empty(area);
        draw(&[0.0, 1.0], Style::new(), &Glyphs::unicode(), area, &mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["  ⡠⠊", "⡠⠊  "]));
    }

    #[test]
    fn nothing_known_draws_nothing_and_ascii_is_ascii() {
        let area = Rect::new(0, 0, 5, 3);
        let mut buffer = Buffer::empty(area);
        draw(&[f64::NAN, 1.0], Style::new(), &Glyphs::unicode(), area, &mut buffer);
        assert_eq!(buffer, Buffer::empty(area));
        draw(&[2.0, 2.0, 2.0], Style::new(), &Glyphs::ascii(), area, &mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["     ", "*****", "     "]));
    }
}
