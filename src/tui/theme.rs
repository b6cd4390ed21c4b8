//! Semantic styles and glyphs. Panes name meanings, never colours; this is the only file of the cockpit that does.
//!
//! Colours are stored as RGB with a hand-picked twin for sixteen-colour terminals. Without colour (`NO_COLOR`, a dumb
//! terminal) a theme holds *modifiers only*: crossterm prints empty colour codes then, and an empty code is a reset that
//! would wipe bold and inverse with it.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

pub use super::glyphs::{GlyphSet, Glyphs};

/// What the person asked for with `--color`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ColorChoice {
    /// As the terminal says.
    #[default]
    Auto,
    /// At least sixteen colours, whatever the environment says.
    Always,
    /// None.
    Never,
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ColorDepth {
    /// None: bold, dim, inverse, underline.
    Mono,
    /// The sixteen named ones.
    Ansi16,
    /// The xterm cube.
    Ansi256,
    /// 24 bit.
    True,
}

impl ColorDepth {
    /// From `--color` and the environment (`NO_COLOR`, `COLORTERM`, `TERM`); the choice wins over the environment.
    pub fn detect(choice: ColorChoice, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        if choice == ColorChoice::Never || (choice == ColorChoice::Auto && set("NO_COLOR").is_some()) {
            return Self::Mono;
        }
        let term = set("TERM").unwrap_or_default();
        let direct = set("COLORTERM").is_some_and(|c| c == "truecolor" || c == "24bit") || term.ends_with("-direct");
        let found = match term.as_str() {
            _ if direct => Self::True,
            "" | "dumb" => Self::Mono,
            _ if term.contains("256color") => Self::Ansi256,
            _ if term.starts_with("vt") => Self::Mono,
            _ => Self::Ansi16,
        };
        if choice == ColorChoice::Always { found.max(Self::Ansi16) } else { found }
    }
}

/// One colour: 24 bit, and its twin among the sixteen.
#[derive(Clone, Copy)]
struct Ink {
    rgb: u32,
    basic: Color,
}

const fn ink(rgb: u32, basic: Color) -> Ink {
    Ink { rgb, basic }
}

impl Ink {
    fn at(self, depth: ColorDepth) -> Color {
        let [_, r, g, b] = self.rgb.to_be_bytes();
        match depth {
            ColorDepth::Mono => Color::Reset,
            ColorDepth::Ansi16 => self.basic,
            ColorDepth::Ansi256 => Color::Indexed(nearest_256(r, g, b)),
            ColorDepth::True => Color::Rgb(r, g, b),
        }
    }
}

/// The colours behind one theme.
struct Palette {
    ground: Ink,
    raised: Ink,
    text: Ink,
    dim: Ink,
    bright: Ink,
    border: Ink,
    up: Ink,
    down: Ink,
    warn: Ink,
    alarm: Ink,
}

/// Blue up, orange down: the pair that stays apart for every kind of colour vision, 7:1 on the ground.
const DEFAULT: Palette = Palette {
    ground: ink(0x0010_1418, Color::Reset),
    raised: ink(0x0026_2E38, Color::DarkGray),
    text: ink(0x00C5_CBD3, Color::Gray),
    dim: ink(0x007F_8893, Color::DarkGray),
    bright: ink(0x00FF_FFFF, Color::White),
    border: ink(0x0046_4F5A, Color::DarkGray),
    up: ink(0x005B_A8F5, Color::LightBlue),
    down: ink(0x00F2_8E2B, Color::LightYellow),
    warn: ink(0x00E8_CE5A, Color::Yellow),
    alarm: ink(0x00FF_6B81, Color::LightRed),
};

/// Teal up, red down.
const WESTERN: Palette =
    Palette { up: ink(0x0026_C6A6, Color::LightGreen), down: ink(0x00F2_6B68, Color::LightRed), ..DEFAULT };

/// Red up, green down.
const EAST_ASIA: Palette =
    Palette { up: ink(0x00F2_6B68, Color::LightRed), down: ink(0x0026_C6A6, Color::LightGreen), ..DEFAULT };

/// For light backgrounds: darker twins.
const LIGHT: Palette = Palette {
    ground: ink(0x00FB_FBF9, Color::Reset),
    raised: ink(0x00DD_E3EA, Color::Gray),
    text: ink(0x0030_363D, Color::Black),
    dim: ink(0x0068_717B, Color::DarkGray),
    bright: ink(0x0000_0000, Color::Black),
    border: ink(0x00A4_ADB6, Color::DarkGray),
    up: ink(0x001B_5FAE, Color::Blue),
    down: ink(0x00B0_4E00, Color::Red),
    warn: ink(0x0080_5B00, Color::Magenta),
    alarm: ink(0x00B0_0020, Color::Red),
};

const WHITE: Ink = ink(0x00FF_FFFF, Color::White);
const BLACK: Ink = ink(0x0010_1418, Color::Black);
const PAPER: Ink = ink(0x001F_4E8C, Color::Blue);
const SIMULATED: Ink = ink(0x0014_5C5C, Color::Cyan);
const DEMO: Ink = ink(0x005B_2A86, Color::Magenta);
const LIVE: Ink = ink(0x00B0_0020, Color::Red);
const LATCHED: Ink = ink(0x00FF_D23F, Color::Yellow);
/// Apart from the red of real money by its lightness.
const SILENT: Ink = ink(0x00FF_6B81, Color::LightRed);

/// Styles and glyphs of one look.
#[derive(Clone, PartialEq, Debug)]
pub struct Theme {
    /// Canvas: what every cell starts with.
    pub ground: Style,
    /// Ordinary values.
    pub text: Style,
    /// Labels, units, stale values.
    pub dim: Style,
    /// What the eye should find first.
    pub bright: Style,
    /// Long, buy, profit, rising; always beside an arrow, a sign or a word.
    pub up: Style,
    /// Short, sell, loss, falling.
    pub down: Style,
    /// Needs a look.
    pub warn: Style,
    /// Needs a hand.
    pub alarm: Style,
    /// Border and title of the focused pane.
    pub focus: Style,
    /// Borders and rules.
    pub border: Style,
    /// Pane titles.
    pub title: Style,
    /// Banner: Bybit's market, paper account.
    pub banner_paper: Style,
    /// Banner: simulated market or tape.
    pub banner_sim: Style,
    /// Banner: Bybit's demo account or testnet.
    pub banner_demo: Style,
    /// Banner: real money.
    pub banner_live: Style,
    /// A latch or an unknown account, on any banner.
    pub killed: Style,
    /// An engine that is silent or has ended: what is shown is old.
    pub silent: Style,
    /// Keys in the footer and in help.
    pub key: Style,
    /// A consequence that cannot be taken back.
    pub danger: Style,
    /// Body of a dialog.
    pub guard: Style,
    /// What lies behind a dialog.
    pub backdrop: Style,
    /// Believed, not confirmed; always beside a `?`.
    pub believed: Style,
    /// The selected row.
    pub selected: Style,
    /// Glyphs.
    pub glyphs: Glyphs,
}

impl Default for Theme {
    fn default() -> Self {
        Self::coloured(&DEFAULT, ColorDepth::True, GlyphSet::Unicode)
    }
}

impl Theme {
    /// The names `[ui] theme` may have.
    pub const NAMES: [&'static str; 5] = ["default", "western", "east-asia", "mono", "light"];

    /// A theme by name; `None` for a name that is not in [`Self::NAMES`]. Without colours every name is `mono`.
    pub fn named(name: &str, depth: ColorDepth, glyphs: GlyphSet) -> Option<Self> {
        let palette = match name {
            "default" => &DEFAULT,
            "western" => &WESTERN,
            "east-asia" => &EAST_ASIA,
            "light" => &LIGHT,
            "mono" => return Some(Self::mono(glyphs)),
            _ => return None,
        };
        Some(if depth == ColorDepth::Mono { Self::mono(glyphs) } else { Self::coloured(palette, depth, glyphs) })
    }

    fn coloured(palette: &Palette, depth: ColorDepth, glyphs: GlyphSet) -> Self {
        let fg = |ink: Ink| Style::new().fg(ink.at(depth));
        let on = |ink: Ink, ground: Ink| Style::new().fg(ink.at(depth)).bg(ground.at(depth));
        let selected = if depth == ColorDepth::Ansi16 {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new().bg(palette.raised.at(depth))
        };
        Self {
            ground: on(palette.text, palette.ground),
            text: fg(palette.text),
            dim: fg(palette.dim),
            bright: fg(palette.bright).add_modifier(Modifier::BOLD),
            up: fg(palette.up),
            down: fg(palette.down),
            warn: fg(palette.warn),
            alarm: fg(palette.alarm).add_modifier(Modifier::BOLD),
            focus: fg(palette.bright).add_modifier(Modifier::BOLD),
            border: fg(palette.border),
            title: fg(palette.dim),
            banner_paper: on(WHITE, PAPER),
            banner_sim: on(WHITE, SIMULATED),
            banner_demo: on(WHITE, DEMO),
            banner_live: on(WHITE, LIVE).add_modifier(Modifier::BOLD),
            killed: on(BLACK, LATCHED).add_modifier(Modifier::BOLD),
            silent: on(BLACK, SILENT).add_modifier(Modifier::BOLD),
            key: fg(palette.bright).add_modifier(Modifier::BOLD),
            danger: fg(palette.alarm).add_modifier(Modifier::BOLD),
            guard: on(palette.text, palette.ground),
            backdrop: fg(palette.border),
            believed: fg(palette.dim).add_modifier(Modifier::ITALIC),
            selected,
            glyphs: Glyphs::of(glyphs),
        }
    }

    fn mono(glyphs: GlyphSet) -> Self {
        let plain = Style::new();
        let with = |modifier: Modifier| Style::new().add_modifier(modifier);
        let loud = with(Modifier::REVERSED | Modifier::BOLD);
        Self {
            ground: plain,
            text: plain,
            dim: with(Modifier::DIM),
            bright: with(Modifier::BOLD),
            up: plain,
            down: plain,
            warn: with(Modifier::BOLD),
            alarm: loud,
            focus: with(Modifier::BOLD),
            border: with(Modifier::DIM),
            title: plain,
            banner_paper: with(Modifier::REVERSED),
            banner_sim: with(Modifier::REVERSED),
            banner_demo: with(Modifier::REVERSED | Modifier::UNDERLINED),
            banner_live: loud,
            // A hole in the inverse banner.
            killed: with(Modifier::BOLD | Modifier::UNDERLINED).remove_modifier(Modifier::REVERSED),
            silent: with(Modifier::BOLD | Modifier::UNDERLINED).remove_modifier(Modifier::REVERSED),
            key: with(Modifier::BOLD),
            danger: with(Modifier::BOLD | Modifier::UNDERLINED),
            guard: plain,
            backdrop: with(Modifier::DIM),
            believed: with(Modifier::DIM | Modifier::ITALIC),
            selected: with(Modifier::REVERSED),
            glyphs: Glyphs::of(glyphs),
        }
    }

    /// Style of a signed number.
    pub fn signed(&self, value: f64) -> Style {
        match value {
            v if v > 0.0 => self.up,
            v if v < 0.0 => self.down,
            _ => self.text,
        }
    }

    /// Foreground and background of a drawn cell as RGB, inverse resolved, for pictures of the screen.
    pub fn paint(&self, cell: &Cell) -> (u32, u32) {
        let ground = rgb(self.ground.bg.unwrap_or(Color::Reset), DEFAULT.ground.rgb);
        let text = rgb(self.ground.fg.unwrap_or(Color::Reset), DEFAULT.text.rgb);
        let pair = (rgb(cell.fg, text), rgb(cell.bg, ground));
        if cell.modifier.contains(Modifier::REVERSED) { (pair.1, pair.0) } else { pair }
    }

    /// With the ascii set, replaces whatever is not ASCII (a label from outside) so that the promise holds everywhere.
    pub fn fold(&self, area: Rect, buffer: &mut Buffer) {
        if self.glyphs.set != GlyphSet::Ascii {
            return;
        }
        for at in area.intersection(buffer.area).positions() {
            if let Some(cell) = buffer.cell_mut(at)
                && !cell.symbol().is_ascii()
            {
                let plain = Glyphs::plain(cell.symbol());
                cell.set_char(plain);
            }
        }
    }
}

/// Nearest colour of the xterm cube or grey ramp.
fn nearest_256(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance =
        |x: [u8; 3]| -> i32 { [r, g, b].iter().zip(x).map(|(a, b)| (i32::from(*a) - i32::from(b)).pow(2)).sum() };
    let cube = (0..216_u8).map(|i| {
        let [x, y, z] = [i / 36, i / 6 % 6, i % 6].map(|step| STEPS[usize::from(step)]);
        (16 + i, [x, y, z])
    });
    let greys = (0..24_u8).map(|i| (232 + i, [8 + 10 * i; 3]));
    cube.chain(greys).min_by_key(|(_, rgb)| distance(*rgb)).map_or(0, |(index, _)| index)
}

/// RGB of a colour for pictures; named ones as xterm draws them.
fn rgb(color: Color, default: u32) -> u32 {
    match color {
        Color::Rgb(r, g, b) => u32::from_be_bytes([0, r, g, b]),
        Color::Black => 0,
        Color::Red => 0x00CD_0000,
        Color::Green => 0x0000_CD00,
        Color::Yellow => 0x00CD_CD00,
        Color::Blue => 0x0000_00EE,
        Color::Magenta => 0x00CD_00CD,
        Color::Cyan => 0x0000_CDCD,
        Color::Gray => 0x00E5_E5E5,
        Color::DarkGray => 0x007F_7F7F,
        Color::LightRed => 0x00FF_0000,
        Color::LightGreen => 0x0000_FF00,
        Color::LightYellow => 0x00FF_FF00,
        Color::LightBlue => 0x005C_5CFF,
        Color::LightMagenta => 0x00FF_00FF,
        Color::LightCyan => 0x0000_FFFF,
        Color::White => 0x00FF_FFFF,
        Color::Indexed(_) | Color::Reset => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(choice: ColorChoice, pairs: &[(&str, &str)]) -> ColorDepth {
        ColorDepth::detect(choice, |name| pairs.iter().find(|p| p.0 == name).map(|p| p.1.to_owned()))
    }

    #[test]
    fn depth_follows_the_environment_and_the_choice_wins() {
        let rich = [("COLORTERM", "truecolor"), ("TERM", "xterm-256color")];
        assert_eq!(depth(ColorChoice::Auto, &rich), ColorDepth::True);
        assert_eq!(depth(ColorChoice::Never, &rich), ColorDepth::Mono);
        assert_eq!(depth(ColorChoice::Auto, &[("TERM", "tmux-256color")]), ColorDepth::Ansi256);
        assert_eq!(depth(ColorChoice::Auto, &[("TERM", "linux")]), ColorDepth::Ansi16);
        assert_eq!(depth(ColorChoice::Auto, &[("TERM", "dumb")]), ColorDepth::Mono);
        assert_eq!(depth(ColorChoice::Auto, &[("TERM", "xterm"), ("NO_COLOR", "1")]), ColorDepth::Mono);
        assert_eq!(depth(ColorChoice::Auto, &[("TERM", "xterm"), ("NO_COLOR", "")]), ColorDepth::Ansi16);
        assert_eq!(depth(ColorChoice::Always, &[("NO_COLOR", "1")]), ColorDepth::Ansi16);
    }

    #[test]
    fn every_name_is_a_theme_and_mono_holds_no_colour() {
        for name in Theme::NAMES {
            assert!(Theme::named(name, ColorDepth::True, GlyphSet::Unicode).is_some(), "{name}");
            let mono = Theme::named(name, ColorDepth::Mono, GlyphSet::Unicode).unwrap();
            let styles = [
                mono.ground,
                mono.text,
                mono.dim,
                mono.bright,
                mono.up,
                mono.down,
                mono.warn,
                mono.alarm,
                mono.focus,
                mono.border,
                mono.title,
                mono.banner_paper,
                mono.banner_sim,
                mono.banner_demo,
                mono.banner_live,
                mono.killed,
                mono.silent,
                mono.key,
                mono.danger,
                mono.guard,
                mono.backdrop,
                mono.believed,
                mono.selected,
            ];
            assert!(styles.iter().all(|s| s.fg.is_none() && s.bg.is_none() && s.underline_color.is_none()));
        }
        assert_eq!(Theme::named("neon", ColorDepth::True, GlyphSet::Unicode), None);
    }

    fn luminance(rgb: u32) -> f64 {
        let [_, r, g, b] = rgb.to_be_bytes().map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn words_are_readable_on_their_ground() {
        for palette in [&DEFAULT, &WESTERN, &EAST_ASIA, &LIGHT] {
            for ink in [palette.text, palette.dim, palette.up, palette.down, palette.warn, palette.alarm] {
                let measured = contrast(ink.rgb, palette.ground.rgb);
                assert!(measured >= 4.5, "{:06x} on {:06x}: {measured:.1}", ink.rgb, palette.ground.rgb);
            }
        }
        for ground in [PAPER, SIMULATED, DEMO, LIVE] {
            assert!(contrast(WHITE.rgb, ground.rgb) >= 7.0, "{:06x}", ground.rgb);
        }
        assert!(contrast(BLACK.rgb, LATCHED.rgb) >= 7.0 && contrast(BLACK.rgb, SILENT.rgb) >= 6.0);
    }

    #[test]
    fn the_cube_finds_its_own_colours() {
        assert_eq!(nearest_256(0, 0, 0), 16);
        assert_eq!(nearest_256(255, 255, 255), 231);
        assert_eq!(nearest_256(95, 135, 175), 67);
        assert_eq!(nearest_256(8, 8, 8), 232);
    }
}
