//! The shapes of the screen, in two sets: `unicode`, and `ascii` for terminals and readers that draw `▲` two cells wide
//! or not at all. Every glyph is one cell wide.

use ratatui::symbols::border;

/// Which set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GlyphSet {
    /// Blocks, arrows, braille.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

/// One glyph per meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the words say it
pub struct Glyphs {
    pub set: GlyphSet,
    pub up: char,
    pub down: char,
    pub level: char,
    /// Signals, as opposed to deeds: hollow arrows.
    pub hint_up: char,
    pub hint_down: char,
    pub veto: char,
    pub ok: char,
    pub warn: char,
    pub fail: char,
    pub skip: char,
    pub paper: char,
    pub demo: char,
    pub testnet: char,
    pub live: char,
    pub safe: char,
    pub armed: char,
    pub reducing: char,
    pub latched: char,
    pub unknown: char,
    pub exiting: char,
    pub front: char,
    pub last: char,
    pub ours: char,
    pub tick: char,
    pub separator: char,
    pub rule: char,
    pub wall: char,
    pub ellipsis: char,
    /// A calm gauge: a line, its half cell, and what is left.
    pub line: char,
    pub half_line: char,
    pub thin_line: char,
    pub full: char,
    /// One to seven eighths of a bar cell.
    pub eighths: [char; 7],
    /// Eight rising heights of a sparkline.
    pub heights: [char; 8],
    pub empty: char,
    pub border: border::Set<'static>,
    /// Frame of real money and of guards.
    pub double: border::Set<'static>,
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const ASCII_DOUBLE: border::Set<'static> = border::Set {
    top_left: "#",
    top_right: "#",
    bottom_left: "#",
    bottom_right: "#",
    vertical_left: "#",
    vertical_right: "#",
    horizontal_top: "=",
    horizontal_bottom: "=",
};

impl Glyphs {
    /// The glyphs of a set.
    pub const fn of(set: GlyphSet) -> Self {
        match set {
            GlyphSet::Unicode => Self::unicode(),
            GlyphSet::Ascii => Self::ascii(),
        }
    }

    /// Blocks, arrows, box lines.
    pub const fn unicode() -> Self {
        Self {
            set: GlyphSet::Unicode,
            up: '▲',
            down: '▼',
            level: '·',
            hint_up: '△',
            hint_down: '▽',
            veto: '×',
            ok: '●',
            warn: '◐',
            fail: '✖',
            skip: '○',
            paper: '▣',
            demo: '◪',
            testnet: '◩',
            live: '╋',
            safe: '○',
            armed: '●',
            reducing: '◒',
            latched: '✖',
            unknown: '?',
            exiting: '◐',
            front: '▸',
            last: '▶',
            ours: '◀',
            tick: '┤',
            separator: '▕',
            rule: '─',
            wall: '│',
            ellipsis: '…',
            line: '━',
            half_line: '╸',
            thin_line: '─',
            full: '█',
            eighths: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
            heights: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            empty: '·',
            border: border::ROUNDED,
            double: border::DOUBLE,
        }
    }

    /// ASCII only.
    pub const fn ascii() -> Self {
        Self {
            set: GlyphSet::Ascii,
            up: '^',
            down: 'v',
            level: '.',
            hint_up: 'u',
            hint_down: 'd',
            veto: 'x',
            ok: '+',
            warn: '!',
            fail: 'X',
            skip: 'o',
            paper: '=',
            demo: '%',
            testnet: '&',
            live: '#',
            safe: 'o',
            armed: '*',
            reducing: 'v',
            latched: 'X',
            unknown: '?',
            exiting: '~',
            front: '>',
            last: '>',
            ours: '<',
            tick: '+',
            separator: '|',
            rule: '-',
            wall: '|',
            ellipsis: '~',
            line: '=',
            half_line: '-',
            thin_line: '.',
            full: '#',
            eighths: ['.', '.', '.', '=', '=', '=', '='],
            heights: ['_', '.', ':', '-', '=', '+', '*', '#'],
            empty: '.',
            border: ASCII_BORDER,
            double: ASCII_DOUBLE,
        }
    }

    /// The closest ASCII character to a symbol from outside.
    pub fn plain(symbol: &str) -> char {
        match symbol.chars().next() {
            Some('·' | '•') => '.',
            Some('–' | '—' | '−' | '─' | '━') => '-',
            Some('═') => '=',
            Some('│' | '┃' | '║' | '▕') => '|',
            Some('╭' | '╮' | '╰' | '╯' | '┌' | '┐' | '└' | '┘') => '+',
            Some('╔' | '╗' | '╚' | '╝' | '█') => '#',
            Some('▲') => '^',
            Some('▼') => 'v',
            Some('●') => '*',
            Some('○') => 'o',
            Some('…') => '~',
            Some('≤') => '<',
            Some('×') => 'x',
            Some('≥' | '→') => '>',
            Some('’' | '‘') => '\'',
            Some('“' | '”') => '"',
            Some(c) if c.is_ascii() => c,
            _ => '?',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_ascii_and_foreign_text_folds() {
        let g = Glyphs::ascii();
        let text: String = [g.up, g.down, g.level, g.veto, g.ok, g.warn, g.fail, g.paper, g.live, g.ellipsis]
            .iter()
            .chain(&g.eighths)
            .chain(&g.heights)
            .collect();
        assert!(text.is_ascii(), "{text}");
        assert_eq!(["·", "−", "漢", "a", "╭", "═"].map(Glyphs::plain), ['.', '-', '?', 'a', '+', '=']);
    }
}
