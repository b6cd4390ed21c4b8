//! One-line pictures of numbers: gauges, probability shares, sparklines.

use crate::tui::glyphs::{GlyphSet, Glyphs};

/// A gauge of `width` cells: the filled part and the empty part. What is used but little still shows a sliver.
pub fn gauge(ratio: f64, width: u16, glyphs: &Glyphs) -> (String, String) {
    let cells = usize::from(width);
    if !ratio.is_finite() {
        return (String::new(), std::iter::repeat_n(glyphs.empty, cells).collect());
    }
    let eighths = (ratio.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let eighths = if ratio > 0.0 && cells > 0 { eighths.max(1) } else { 0 };
    let (whole, part) = (eighths / 8, eighths % 8);
    let mut filled: String = std::iter::repeat_n(glyphs.full, whole).collect();
    if part > 0
        && let Some(glyph) = glyphs.eighths.get(part - 1)
    {
        filled.push(*glyph);
    }
    let left = cells.saturating_sub(whole + usize::from(part > 0));
    (filled, std::iter::repeat_n(glyphs.empty, left).collect())
}

/// A calm gauge of `width` cells: a heavy line for what is used, to half a cell, and a thin one for what is left.
pub fn line(ratio: f64, width: u16, glyphs: &Glyphs) -> (String, String) {
    let cells = usize::from(width);
    let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 };
    let halves = (ratio * cells as f64 * 2.0).round() as usize;
    let halves = if ratio > 0.0 && cells > 0 { halves.max(1) } else { 0 };
    let mut used: String = std::iter::repeat_n(glyphs.line, halves / 2).collect();
    if halves % 2 == 1 {
        used.push(glyphs.half_line);
    }
    let left = cells.saturating_sub(halves.div_ceil(2));
    (used, std::iter::repeat_n(glyphs.thin_line, left).collect())
}

/// Probabilities as three runs that fill `width` cells exactly: rising, level, falling.
pub fn shares((up, flat, down): (f32, f32, f32), width: u16, glyphs: &Glyphs) -> [String; 3] {
    let sound = |p: f32| if p.is_finite() { f64::from(p.max(0.0)) } else { 0.0 };
    let (up, flat, down) = (sound(up), sound(flat), sound(down));
    let total = up + flat + down;
    let cells = usize::from(width);
    if total <= 0.0 {
        return [String::new(), std::iter::repeat_n('?', cells).collect(), String::new()];
    }
    let rising = (up / total * cells as f64).round() as usize;
    let falling = ((down / total * cells as f64).round() as usize).min(cells - rising.min(cells));
    let run = |glyph: char, count: usize| -> String { std::iter::repeat_n(glyph, count).collect() };
    let rising = rising.min(cells);
    [run(glyphs.up, rising), run(glyphs.level, cells - rising - falling), run(glyphs.down, falling)]
}

/// The newest values as heights, one per cell.
pub fn spark(values: &[f64], width: u16, glyphs: &Glyphs) -> String {
    let tail = values.get(values.len().saturating_sub(usize::from(width))..).unwrap_or_default();
    let sound: Vec<f64> = tail.iter().copied().filter(|v| v.is_finite()).collect();
    let (low, high) = sound.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let span = high - low;
    sound
        .iter()
        .map(|value| {
            let height = if span > 0.0 { ((value - low) / span * 7.0).round() as usize } else { 3 };
            glyphs.heights.get(height).copied().unwrap_or(glyphs.full)
        })
        .collect()
}

/// Does the set have shapes of less than a cell?
pub const fn is_fine(glyphs: &Glyphs) -> bool {
    matches!(glyphs.set, GlyphSet::Unicode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_fill_their_width_at_every_value() {
        let g = Glyphs::unicode();
        assert_eq!(gauge(0.5, 4, &g), ("██".to_owned(), "··".to_owned()));
        assert_eq!(gauge(0.001, 4, &g), ("▏".to_owned(), "···".to_owned()));
        assert_eq!(gauge(7.0, 4, &g), ("████".to_owned(), String::new()));
        assert_eq!(gauge(f64::NAN, 2, &g), (String::new(), "··".to_owned()));
        assert_eq!(line(0.5, 5, &g), ("━━╸".to_owned(), "──".to_owned()));
        assert_eq!(line(0.001, 2, &g), ("╸".to_owned(), "─".to_owned()));
        for step in 0..=100 {
            for (a, b) in [gauge(f64::from(step) / 100.0, 9, &g), line(f64::from(step) / 100.0, 9, &g)] {
                assert_eq!(a.chars().count() + b.chars().count(), 9);
            }
        }
    }

    #[test]
    fn shares_fill_their_width() {
        let g = Glyphs::ascii();
        assert_eq!(shares((0.5, 0.25, 0.25), 8, &g).concat(), "^^^^..vv");
        assert_eq!(shares((0.0, 0.0, 0.0), 3, &g).concat(), "???");
        for (a, b, c) in [(1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (0.333, 0.333, 0.334), (f32::NAN, 1.0, 1.0)] {
            assert_eq!(shares((a, b, c), 7, &g).concat().chars().count(), 7);
        }
    }

    #[test]
    fn sparks_show_the_newest() {
        let g = Glyphs::unicode();
        assert_eq!(spark(&[9.0, 1.0, 2.0, 3.0], 3, &g), "▁▅█");
        assert_eq!(spark(&[5.0, 5.0], 3, &g), "▄▄");
        assert_eq!(spark(&[], 3, &g), "");
    }
}
