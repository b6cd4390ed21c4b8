//! A drawn screen as an SVG picture: the real cells, in the real colours, made by the program itself.
//!
//! Lines, blocks and braille are drawn as shapes, so that they join whatever font the viewer has; letters are placed on
//! the cell grid. The picture needs nothing from outside.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;

use super::theme::Theme;

/// Cell width and height in user units.
const CELL: (f64, f64) = (9.0, 18.0);
const MARGIN: f64 = 12.0;
const FONT: &str = "ui-monospace,'DejaVu Sans Mono','JetBrains Mono',Menlo,Consolas,monospace";

/// Shapes of the whole screen by colour, as path data: a screen of borders is a handful of elements.
#[derive(Default)]
struct Shapes {
    fills: BTreeMap<u32, String>,
    /// By colour and stroke width in tenths.
    strokes: BTreeMap<(u32, u8), String>,
}

/// The picture of a buffer; `title` is read out by screen readers.
pub fn svg(buffer: &Buffer, theme: &Theme, title: &str) -> String {
    let area = buffer.area;
    let (width, height) = (f64::from(area.width) * CELL.0, f64::from(area.height) * CELL.1);
    let mut out = String::with_capacity(usize::from(area.width) * usize::from(area.height) * 16);
    let (_, ground) = theme.paint(&Cell::EMPTY);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {} {}\" font-family=\"{FONT}\" \
         font-size=\"15\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#{ground:06x}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\">",
        width + 2.0 * MARGIN,
        height + 2.0 * MARGIN,
        escaped(title),
    );
    let (mut shapes, mut text) = (Shapes::default(), String::new());
    for row in 0..area.height {
        let cells: Vec<&Cell> = (0..area.width).filter_map(|x| buffer.cell((area.x + x, area.y + row))).collect();
        let y = f64::from(row) * CELL.1;
        grounds(&cells, y, ground, theme, &mut out);
        letters(&cells, y, theme, &mut shapes, &mut text);
    }
    for (colour, path) in &shapes.fills {
        let _ = writeln!(out, "<path fill=\"#{colour:06x}\" d=\"{path}\"/>");
    }
    for ((colour, tenths), path) in &shapes.strokes {
        let width = f64::from(*tenths) / 10.0;
        let _ = writeln!(out, "<path stroke=\"#{colour:06x}\" stroke-width=\"{width}\" fill=\"none\" d=\"{path}\"/>");
    }
    out.push_str(&text);
    out.push_str("</g>\n</svg>\n");
    out
}

/// Backgrounds that differ from the canvas, one rectangle per run.
fn grounds(cells: &[&Cell], y: f64, ground: u32, theme: &Theme, out: &mut String) {
    let mut start = 0;
    while let Some(first) = cells.get(start) {
        let colour = theme.paint(first).1;
        let length = cells.iter().skip(start).take_while(|cell| theme.paint(cell).1 == colour).count();
        if colour != ground {
            let (x, width) = (start as f64 * CELL.0, length as f64 * CELL.0);
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"#{colour:06x}\"/>",
                CELL.1
            );
        }
        start += length;
    }
}

/// Text in runs of one style and without blanks; every symbol that is not a letter stands alone in its cell.
fn letters(cells: &[&Cell], y: f64, theme: &Theme, shapes: &mut Shapes, out: &mut String) {
    let mut start = 0;
    while let Some(first) = cells.get(start) {
        let x = start as f64 * CELL.0;
        let colour = theme.paint(first).0;
        let same = |cell: &&&Cell| cell.symbol() == first.symbol() && cell.style() == first.style();
        let repeated = cells.iter().skip(start).take_while(same).count().max(1);
        let mut symbols = first.symbol().chars();
        let alone = symbols.next().filter(|c| !c.is_ascii() && symbols.next().is_none());
        if first.symbol().trim().is_empty() || alone.is_some_and(|c| shapes.add(c, repeated, (x, y), colour)) {
            start += repeated;
            continue;
        }
        let plain = |cell: &&&Cell| cell.symbol().is_ascii() && cell.symbol() != " " && cell.style() == first.style();
        let length = if alone.is_some() { repeated } else { cells.iter().skip(start).take_while(plain).count().max(1) };
        let text: String = cells.iter().skip(start).take(length).map(|cell| cell.symbol()).collect();
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#{colour:06x}\"{}>{}</text>",
            y + 13.5,
            length as f64 * CELL.0,
            face(first.modifier),
            escaped(&text)
        );
        start += length;
    }
}

fn face(modifier: Modifier) -> String {
    let mut face = String::new();
    for (flag, attribute) in [
        (Modifier::BOLD, " font-weight=\"700\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::DIM, " opacity=\"0.6\""),
    ] {
        if modifier.contains(flag) {
            face.push_str(attribute);
        }
    }
    face
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

impl Shapes {
    /// Adds `count` equal line, block or braille symbols side by side; `false` when the symbol is none of these.
    fn add(&mut self, symbol: char, count: usize, (x, y): (f64, f64), colour: u32) -> bool {
        let (w, h) = CELL;
        let run = count as f64 * w;
        let fill = self.fills.entry(colour).or_default();
        let mut rect = |left: f64, top: f64, width: f64, height: f64| {
            let _ = write!(fill, "M{} {}h{width}v{height}h-{width}z", x + left, y + top);
        };
        match symbol {
            '█' => rect(0.0, 0.0, run, h),
            '▀' => rect(0.0, 0.0, run, h / 2.0),
            '▁'..='▇' => {
                let part = f64::from(u32::from(symbol) - u32::from('▁') + 1) / 8.0;
                rect(0.0, h * (1.0 - part), run, h * part);
            }
            '▕' => (0..count).for_each(|i| rect(i as f64 * w + w * 7.0 / 8.0, 0.0, w / 8.0, h)),
            '▉'..='▏' => {
                let part = f64::from(8 - (u32::from(symbol) - u32::from('█'))) / 8.0;
                (0..count).for_each(|i| rect(i as f64 * w, 0.0, w * part, h));
            }
            '\u{2800}'..='\u{28ff}' => {
                let bits = u32::from(symbol) - 0x2800;
                for (_, left, top) in BRAILLE.iter().filter(|dot| bits & dot.0 != 0) {
                    (0..count).for_each(|i| rect(i as f64 * w + left * w - 1.1, top * h - 1.1, 2.2, 2.2));
                }
            }
            '─' | '━' | '═' => {
                let offsets: &[f64] = if symbol == '═' { &[-1.5, 1.5] } else { &[0.0] };
                let width = if symbol == '━' { HEAVY } else { LIGHT };
                for offset in offsets {
                    let line = self.strokes.entry((colour, width)).or_default();
                    let _ = write!(line, "M{x} {}h{run}", y + h / 2.0 + offset);
                }
            }
            _ => return (0..count).all(|i| self.arms(symbol, (x + i as f64 * w, y), colour)),
        }
        true
    }

    /// Box drawing by its four arms.
    fn arms(&mut self, symbol: char, (x, y): (f64, f64), colour: u32) -> bool {
        let Some((_, arms)) = ARMS.iter().find(|entry| entry.0 == symbol) else { return false };
        let (cx, cy) = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
        let ends = [(cx, y), (x + CELL.0, cy), (cx, y + CELL.1), (x, cy)];
        for ((arm, (ex, ey)), upright) in arms.iter().zip(ends).zip([true, false, true, false]) {
            let offsets: &[f64] = match arm {
                0 => &[],
                3 => &[-1.5, 1.5],
                _ => &[0.0],
            };
            let width = if *arm == 2 { HEAVY } else { LIGHT };
            for offset in offsets {
                let (dx, dy) = if upright { (*offset, 0.0) } else { (0.0, *offset) };
                let line = self.strokes.entry((colour, width)).or_default();
                let _ = write!(line, "M{} {}L{} {}", cx + dx, cy + dy, ex + dx, ey + dy);
            }
        }
        true
    }
}

/// Stroke widths in tenths.
const LIGHT: u8 = 12;
const HEAVY: u8 = 30;

/// Braille bit and place of its dot in the cell.
const BRAILLE: [(u32, f64, f64); 8] = [
    (0x01, 0.25, 0.125),
    (0x02, 0.25, 0.375),
    (0x04, 0.25, 0.625),
    (0x40, 0.25, 0.875),
    (0x08, 0.75, 0.125),
    (0x10, 0.75, 0.375),
    (0x20, 0.75, 0.625),
    (0x80, 0.75, 0.875),
];

/// Arms up, right, down, left: 1 light, 2 heavy, 3 double.
const ARMS: [(char, [u8; 4]); 20] = [
    ('╸', [0, 0, 0, 2]),
    ('│', [1, 0, 1, 0]),
    ('┃', [2, 0, 2, 0]),
    ('╷', [0, 0, 1, 0]),
    ('╵', [1, 0, 0, 0]),
    ('╻', [0, 0, 2, 0]),
    ('╹', [2, 0, 0, 0]),
    ('╽', [1, 0, 2, 0]),
    ('╿', [2, 0, 1, 0]),
    ('┤', [1, 0, 1, 1]),
    ('╋', [2, 2, 2, 2]),
    ('╭', [0, 1, 1, 0]),
    ('╮', [0, 0, 1, 1]),
    ('╰', [1, 1, 0, 0]),
    ('╯', [1, 0, 0, 1]),
    ('║', [3, 0, 3, 0]),
    ('╔', [0, 3, 3, 0]),
    ('╗', [0, 0, 3, 3]),
    ('╚', [3, 3, 0, 0]),
    ('╝', [3, 0, 0, 3]),
];

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn text_is_escaped_and_stands_on_the_grid() {
        let theme = Theme::default();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_style(buffer.area, theme.ground);
        buffer.set_string(2, 1, "a<b&\"c\"", theme.up);
        let picture = svg(&buffer, &theme, "5 > 4");
        assert!(picture.contains("<title>5 &gt; 4</title>"));
        assert!(picture.contains(">a&lt;b&amp;&quot;c&quot;</text>"), "{picture}");
        assert!(picture.contains("x=\"18\" y=\"31.5\" textLength=\"63\"") && picture.contains("#5ba8f5"), "{picture}");
        assert!(picture.contains("viewBox=\"0 0 132 60\""));
    }

    #[test]
    fn inverse_is_resolved_and_lines_are_shapes() {
        let theme = Theme::default();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
        buffer.set_string(0, 0, "█╭⣿", Style::new().add_modifier(Modifier::REVERSED));
        let picture = svg(&buffer, &theme, "");
        assert!(!picture.contains("<text"), "{picture}");
        assert!(picture.contains("<path fill=\"#101418\"") && picture.matches("h2.2").count() == 8, "{picture}");
    }
}
