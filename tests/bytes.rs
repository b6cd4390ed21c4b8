//! The screen as bytes and at every size: what a terminal really shows, and that no size and no layer panics.

#![allow(clippy::unwrap_used)] // a broken fixture should stop the test

mod keys_support;

use std::num::NonZeroU16;

use keys_support::{Desk, busy, bybit, calm, killed, replay, used};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tickdeck::engine::ids::Account;
use tickdeck::engine::risk::limits::LimitKey;
use tickdeck::tui::screen::{Painter, compose, compose_waiting};
use tickdeck::tui::theme::{ColorDepth, GlyphSet, Theme};

fn drawn(desk: &Desk, theme: &Theme, area: Rect) -> Buffer {
    let mut buffer = Buffer::empty(area);
    compose(&desk.cockpit, &desk.picture, theme, desk.now_ms, area, &mut buffer);
    buffer
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn row(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width).map(|x| buffer[(x, y)].symbol().to_owned()).collect()
}

/// Every layer, opened over a picture in which it can be opened.
fn desks() -> Vec<Desk> {
    let open = |picture, keys: &str| {
        let mut desk = Desk::new(picture);
        desk.types(keys);
        desk
    };
    let mut tight = busy();
    used(&mut tight, LimitKey::MaxGrossNotional, 1734.0, None);
    vec![
        open(calm(), ""),
        open(busy(), "6<Down>"),
        open(calm(), "A"),
        open(busy(), "f"),
        open(busy(), "F<200>FL"),
        open(killed(), "R<200>RES"),
        open(killed(), "<^K>"),
        open(tight, "r<200>jj100<Enter>"),
        open(calm(), "r<200>9000<Enter>90"),
        open(busy(), "7jc"),
        open(busy(), ":rel<Enter>"),
        open(busy(), "q<200>j"),
        open(busy(), "m"),
        open(busy(), "?kill"),
        open(busy(), "?"),
        open(busy(), ":fl<Down>"),
        open(busy(), "<Enter>"),
        open(busy(), "9<Enter>"),
        open(replay(2.0), "g50"),
        open(bybit(Account::Live, busy()), "pq"),
        open(busy(), "z/b"),
    ]
}

#[test]
fn no_size_panics_and_the_banner_is_never_covered() {
    let theme = Theme::default();
    let ascii = Theme::named("mono", ColorDepth::Mono, GlyphSet::Ascii).unwrap();
    let widths = [1, 2, 3, 5, 8, 11, 13, 20, 37, 52, 79, 80, 81, 110, 149, 150, 160, 300];
    let heights = [1, 2, 3, 4, 5, 6, 9, 14, 23, 24, 25, 32, 40, 45, 100];
    for desk in desks() {
        let mut bare = Desk::new(desk.picture.clone());
        bare.cockpit.ui = desk.cockpit.ui.clone();
        for width in widths {
            for height in heights {
                let area = Rect::new(0, 0, width, height);
                let buffer = drawn(&desk, &theme, area);
                assert_eq!(row(&buffer, 0), row(&drawn(&bare, &theme, area), 0), "{:?} {area}", desk.layers());
                let plain = drawn(&desk, &ascii, area);
                assert!(plain.content.iter().all(|cell| cell.symbol().is_ascii()), "{:?} {area}", desk.layers());
            }
        }
    }
}

#[test]
fn a_resize_storm_with_a_layer_open_leaves_a_true_picture() {
    let theme = Theme::default();
    for desk in desks() {
        let mut painter = Painter::new();
        let mut parser = vt100::Parser::new(cells(24), cells(80), 0);
        for (width, height) in [(80, 24), (1, 1), (300, 100), (13, 3), (160, 45), (79, 24), (80, 23), (160, 45)] {
            let area = Rect::new(0, 0, width, height);
            parser.screen_mut().set_size(cells(height), cells(width));
            let draw = |area: Rect, buffer: &mut Buffer| {
                compose(&desk.cockpit, &desk.picture, &theme, desk.now_ms, area, buffer);
            };
            parser.process(painter.frame(area, draw).unwrap());
            let expected = drawn(&desk, &theme, area);
            let shown: Vec<String> = parser.screen().rows(0, width).collect();
            for y in 0..height {
                assert_eq!(
                    shown[usize::from(y)].trim_end(),
                    row(&expected, y).trim_end(),
                    "{:?} {area}",
                    desk.layers()
                );
            }
            assert_eq!(painter.frame(area, draw).unwrap(), b"", "an unchanged frame writes nothing");
        }
    }
}

#[test]
fn the_ceremony_can_be_read_at_80x24() {
    let theme = Theme::default();
    let area = Rect::new(0, 0, 80, 24);
    let shows = |desk: &Desk, words: &[&str]| {
        let buffer = drawn(desk, &theme, area);
        let text: Vec<String> = (0..24).map(|y| row(&buffer, y)).collect();
        let text = text.join("\n");
        for word in words {
            assert!(text.contains(word), "{word} in\n{text}");
        }
    };
    let mut desk = Desk::new(calm());
    desk.types("A");
    shows(&desk, &["ARM THE AUTOTRADER", "SIMULATED MARKET", "Enter arm", "Esc stay disarmed"]);
    let mut desk = Desk::new(killed());
    desk.types("<^K>");
    shows(&desk, &["KILLED - 2 OPEN", "BTCUSDT LONG 0.012", "ETHUSDT", "Enter close 2 of 2"]);
    desk.types("<Esc>R<400>RES");
    shows(&desk, &["type RESET to go on: RES_", "killed: key"]);
    let mut desk = Desk::new(busy());
    desk.types("r<200><Down>77");
    shows(&desk, &["max_position_notional: 1000 USDT -> 77_", "unprotected_max_ms", "type a number, Enter"]);
}

#[test]
fn waiting_for_the_engine_fits_any_size() {
    let cockpit = tickdeck::tui::cockpit::Cockpit::new(tickdeck::tui::keymap::Keymap::default());
    for (width, height) in [(1, 1), (2, 9), (80, 24)] {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        compose_waiting(&cockpit, &Theme::default(), area, &mut buffer);
    }
}

/// With `NO_COLOR`, crossterm prints colours as nothing, and a combined colour command becomes a reset that wipes bold
/// and inverse. The mono theme holds modifiers only, so they survive all the way into the terminal.
#[test]
fn without_colour_inverse_and_bold_reach_the_terminal() {
    crossterm::style::force_color_output(false);
    let mono = Theme::named("default", ColorDepth::Mono, GlyphSet::Unicode).unwrap();
    let mut desk = Desk::new(bybit(Account::Live, busy()));
    for keys in ["", "f"] {
        desk.types(keys);
        let area = Rect::new(0, 0, 160, 45);
        let mut painter = Painter::new();
        let draw = |area: Rect, buffer: &mut Buffer| {
            compose(&desk.cockpit, &desk.picture, &mono, desk.now_ms, area, buffer);
        };
        let bytes = painter.frame(area, draw).unwrap();
        let mut parser = vt100::Parser::new(cells(45), cells(160), 0);
        parser.process(bytes);
        let line = |y: u16| (0..160).filter_map(|x| parser.screen().cell(y, x)).collect::<Vec<_>>();
        let loud = line(0).iter().filter(|c| c.inverse() && c.bold()).count();
        assert!(loud >= "LIVE".len(), "the LIVE banner is inverse and bold: {loud} cells");
        let expected = drawn(&desk, &mono, area);
        for y in 0..45 {
            for (x, cell) in (0..160).zip(line(y)) {
                let style = expected[(x, y)].modifier;
                assert_eq!(cell.inverse(), style.contains(ratatui::style::Modifier::REVERSED), "{x},{y}");
                assert_eq!(cell.bold(), style.contains(ratatui::style::Modifier::BOLD), "{x},{y}");
            }
        }
    }
}
