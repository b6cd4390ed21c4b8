//! Whole screens: pictures at the designed sizes in every look, a second picture of the styles, and properties over
//! every size from 1x1 to 300x100.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

#[path = "common/sample.rs"]
mod sample;

use std::num::NonZero;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::snapshot::{CandleLength, Snapshot};
use tickdeck::engine::why::WhyOf;
use tickdeck::tui::base::draw_base;
use tickdeck::tui::keymap::Keymap;
use tickdeck::tui::layers::details::Details;
use tickdeck::tui::layers::dialog::Dialog;
use tickdeck::tui::layers::{Ctx, Layer as _};
use tickdeck::tui::panes::{PANES, PaneId, Scene};
use tickdeck::tui::state::{MainView, UiState};
use tickdeck::tui::svg::svg;
use tickdeck::tui::theme::{ColorDepth, GlyphSet, Theme};

type Maker = fn() -> Snapshot;

const STATES: [(&str, Maker); 9] = [
    ("disarmed", sample::sample),
    ("armed", sample::armed),
    ("killed", sample::killed),
    ("tripped", sample::tripped),
    ("reducing", sample::reducing),
    ("stale", sample::stale),
    ("empty", sample::empty),
    ("nothing", sample::nothing_known),
    ("benched", sample::benched),
];

fn footer() -> Vec<(String, String, bool)> {
    let keys = [
        ("^K", "kill", true),
        ("d", "disarm", false),
        ("A", "arm…", true),
        ("f", "flatten…", true),
        ("m", "account…", true),
        ("r", "limits…", true),
        ("z", "zoom", true),
        ("v", "view", true),
        (":", "command", true),
        ("?", "help", true),
    ];
    keys.iter().map(|(key, title, valid)| ((*key).to_owned(), (*title).to_owned(), *valid)).collect()
}

fn theme(name: &str) -> Theme {
    let found = match name {
        "ascii" => Theme::named("mono", ColorDepth::Mono, GlyphSet::Ascii),
        "mono" => Theme::named("default", ColorDepth::Mono, GlyphSet::Unicode),
        name => Theme::named(name, ColorDepth::True, GlyphSet::Unicode),
    };
    found.unwrap_or_default()
}

fn watch() -> UiState {
    UiState { candle: CandleLength::OneMinute, ..UiState::default() }
}

fn draw(snapshot: &Snapshot, ui: &UiState, theme: &Theme, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw_base(area, &mut buffer, &Scene { snapshot, ui, theme, footer: &footer() });
    buffer
}

fn text(buffer: &Buffer) -> String {
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// One letter per semantic style and cell; what a picture of the text cannot show.
fn styles(buffer: &Buffer, theme: &Theme) -> String {
    let named: [(char, Style); 18] = [
        ('P', theme.banner_paper),
        ('S', theme.banner_sim),
        ('D', theme.banner_demo),
        ('L', theme.banner_live),
        ('K', theme.killed),
        ('X', theme.silent),
        ('s', theme.selected),
        ('u', theme.up),
        ('d', theme.down),
        ('w', theme.warn),
        ('!', theme.alarm),
        ('?', theme.believed),
        ('b', theme.bright),
        ('.', theme.text),
        (',', theme.dim),
        ('-', theme.border),
        ('f', theme.focus),
        ('k', theme.key),
    ];
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let found = named.iter().find(|(_, style)| {
                let mut expected = Buffer::empty(Rect::new(0, 0, 1, 1));
                expected.set_style(Rect::new(0, 0, 1, 1), theme.ground);
                expected[(0, 0)].set_style(*style);
                expected[(0, 0)].style() == cell.style()
            });
            lines.push(if cell.symbol() == " " && found.is_none_or(|f| f.0 == '.') {
                ' '
            } else {
                found.map_or('#', |f| f.0)
            });
        }
        let kept = lines.trim_end().len();
        lines.truncate(kept);
        lines.push('\n');
    }
    lines
}

#[test]
fn designed_sizes_in_every_look() {
    for (width, height) in [(160, 45), (120, 40), (80, 24), (52, 14)] {
        for look in ["default", "mono", "ascii"] {
            let theme = theme(look);
            let buffer = draw(&sample::sample(), &watch(), &theme, width, height);
            if look != "mono" {
                insta::assert_snapshot!(format!("disarmed_{width}x{height}_{look}"), text(&buffer));
            }
            insta::assert_snapshot!(format!("disarmed_{width}x{height}_{look}_styles"), styles(&buffer, &theme));
        }
    }
}

#[test]
fn states() {
    let theme = theme("default");
    for (name, make) in STATES.into_iter().skip(1) {
        for (width, height) in [(160, 45), (80, 24)] {
            let buffer = draw(&make(), &watch(), &theme, width, height);
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&buffer));
        }
        let buffer = draw(&make(), &watch(), &theme, 160, 45);
        insta::assert_snapshot!(format!("{name}_160x45_styles"), styles(&buffer, &theme));
    }
}

#[test]
fn pilot_view_and_guests_of_the_compact_screen() {
    let theme = theme("default");
    for (width, height) in [(160, 45), (120, 40), (80, 24)] {
        let ui = UiState { view: MainView::Pilot, focus: PaneId::Chart, ..watch() };
        insta::assert_snapshot!(
            format!("pilot_{width}x{height}"),
            text(&draw(&sample::sample(), &ui, &theme, width, height))
        );
    }
    for focus in [PaneId::Markets, PaneId::Master, PaneId::Health, PaneId::Pnl, PaneId::Events] {
        let ui = UiState { focus, ..watch() };
        insta::assert_snapshot!(format!("compact_{focus:?}"), text(&draw(&sample::sample(), &ui, &theme, 80, 24)));
    }
    let ui = UiState { focus: PaneId::Signals, zoomed: true, ..watch() };
    insta::assert_snapshot!("zoomed_signals", text(&draw(&sample::sample(), &ui, &theme, 120, 20)));
}

#[test]
fn the_chain_of_a_decision_at_both_sizes() {
    let (theme, keys, snapshot) = (theme("default"), Keymap::default(), sample::explained());
    let ui = UiState { focus: PaneId::Signals, ..watch() };
    let layer = Details::why(&ui, &snapshot);
    assert_eq!(layer.why(), Some(WhyOf::Latest(Symbol(0))), "what the engine is asked for");
    let ctx = Ctx { snapshot: &snapshot, ui: &ui, keys: &keys, now_ms: 0, age_ms: 1_000 };
    for (width, height, scrolled) in [(160, 45, 0), (80, 24, 0), (80, 24, 18)] {
        let mut buffer = draw(&snapshot, &ui, &theme, width, height);
        Dialog { scrolled, ..layer.dialog(&ctx) }.draw(buffer.area, None, &theme, &mut buffer);
        let more = if scrolled > 0 { "_below" } else { "" };
        insta::assert_snapshot!(format!("why_{width}x{height}{more}"), text(&buffer));
    }
    let order = snapshot.orders[0].order;
    let ui = UiState { focus: PaneId::Orders, selected_order: Some(order), ..watch() };
    let other = Details::of(&ui, &snapshot);
    assert_eq!(other.why(), Some(WhyOf::Order(order)));
    assert!(
        other.dialog(&ctx).text().contains("no decision of the engine is kept"),
        "another chain is not shown for it"
    );
}

/// Every state and every look at one size; a write outside the buffer would panic.
fn draw_all(width: u16, height: u16, turn: usize) {
    let looks = ["default", "mono", "ascii", "light", "western", "east-asia"];
    let (_, make) = STATES[turn % STATES.len()];
    let ui = UiState {
        view: if turn.is_multiple_of(2) { MainView::Watch } else { MainView::Pilot },
        focus: PANES[turn % PANES.len()].id(),
        zoomed: turn.is_multiple_of(5),
        filter: if turn.is_multiple_of(7) { "btc".to_owned() } else { String::new() },
        events_back: turn % 11,
        hint: turn.is_multiple_of(3).then(|| "d: already disarmed".to_owned()),
        ..watch()
    };
    draw(&make(), &ui, &theme(looks[turn % looks.len()]), width, height);
}

#[test]
fn every_size_is_drawn_without_a_panic() {
    let mut turn = 0;
    let few = [1, 2, 3, 5, 8, 14, 23, 24, 32, 40, 45, 100];
    for width in 1..=300 {
        for height in few {
            draw_all(width, height, turn);
            turn += 1;
        }
    }
    for height in 1..=100 {
        for width in [1, 2, 10, 39, 52, 79, 80, 110, 149, 150, 160, 300] {
            draw_all(width, height, turn);
            turn += 1;
        }
    }
    let mut seed: u64 = 20_261_122;
    for turn in 0..2_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        draw_all((seed >> 33) as u16 % 300 + 1, (seed >> 49) as u16 % 100 + 1, turn);
    }
}

#[test]
fn the_banner_names_market_account_and_state_at_every_width() {
    let theme = theme("default");
    for (name, make) in STATES {
        let snapshot = make();
        for width in 40..=300 {
            let row = text(&draw(&snapshot, &watch(), &theme, width, 1));
            let (market, account, state) = match name {
                "disarmed" | "stale" | "benched" => ("SIMULATED MARKET", "PAPER", "DISARMED"),
                "empty" => ("SIMULATED MARKET", "PAPER", "SAFE"),
                "armed" => ("SIMULATED MARKET", "PAPER", "ARMED 14m02"),
                "killed" => ("BYBIT", "LIVE", "KILLED"),
                "tripped" => ("BYBIT DEMO ACCOUNT", "BYBIT DEMO ACCOUNT", "TRIPPED"),
                "reducing" => ("BYBIT", "PAPER", "REDUCING"),
                _ => ("BYBIT", "PAPER", "SAFE"),
            };
            for word in [market, account, state] {
                assert!(row.contains(word), "{name} {width}: {word} in {row}");
            }
        }
    }
}

#[test]
fn killed_is_not_flat_and_says_how_many_are_open() {
    let theme = theme("default");
    for width in 40..=300 {
        let row = text(&draw(&sample::killed(), &watch(), &theme, width, 24));
        assert!(row.contains("2 OPEN"), "{width}: {row}");
    }
    let row = text(&draw(&sample::tripped(), &watch(), &theme, 160, 1));
    assert!(row.contains("FLAT (proven 14:32:09)"), "{row}");
}

#[test]
fn an_engine_that_is_silent_is_named_at_every_designed_width() {
    let theme = theme("default");
    let ui = UiState { engine_silent_ms: Some(3_400), ..watch() };
    for (name, make) in STATES {
        for width in 52..=300 {
            let row = text(&draw(&make(), &ui, &theme, width, 1));
            assert!(row.contains("SILENT 3.4s"), "{name} {width}: {row}");
        }
    }
    assert!(text(&draw(&sample::sample(), &ui, &theme, 160, 1)).contains("ENGINE SILENT 3.4s"));
}

/// Of an engine that stands still or has ended nothing is shown as if it were of now.
#[test]
fn what_an_engine_that_says_nothing_said_last_is_old() {
    let theme = theme("default");
    let silent = UiState { engine_silent_ms: Some(3_400), beat_age_ms: Some(3_400), ..watch() };
    let ended = UiState { engine_ended: true, ..silent.clone() };
    for width in 80..=300 {
        let row = text(&draw(&sample::armed(), &ended, &theme, width, 1));
        assert!(row.contains("ENDED") && !row.contains("ARMED 1"), "{width}: {row}");
    }
    let shown = text(&draw(&sample::armed(), &ended, &theme, 160, 45));
    assert!(shown.contains("ENGINE ENDED, was ARMED") && shown.contains("nobody listens"), "{shown}");
    for ui in [silent, ended] {
        let buffer = draw(&sample::armed(), &ui, &theme, 160, 45);
        let shown = text(&buffer);
        let unknown = ["✖ ?", "✖ not known"].iter().any(|feed| shown.contains(feed));
        assert!(unknown && !shown.contains("health · ok"), "{shown}");
        let column = shown.lines().next().unwrap().chars().position(|c| c == '✖').unwrap();
        assert_eq!(buffer[(column as u16, 0)].bg, theme.silent.bg.unwrap(), "red, not the yellow of a latch");
    }
}

/// A position that only the venue shows is open for the words.
#[test]
fn a_mismatch_is_not_flat() {
    let theme = theme("default");
    let mut snapshot = sample::tripped();
    snapshot.positions.clear();
    snapshot.state.open = 0;
    snapshot.state.unresolved = vec!["ETHUSDT ours 0 venue -0.11".to_owned()];
    for (width, height) in [(160, 45), (80, 24), (60, 15)] {
        let ui = UiState { focus: PaneId::Positions, ..watch() };
        let shown = text(&draw(&snapshot, &ui, &theme, width, height));
        assert!(shown.contains("1 UNKNOWN") && shown.contains("ETHUSDT ours 0 venue -0.11"), "{shown}");
        assert!(!shown.contains("FLAT") && !shown.contains("flat: no open"), "{shown}");
    }
}

/// A long state and its cause never push out what the account is worth, what the day brought and how long it is armed.
#[test]
fn money_and_arming_stay_in_sight_whatever_the_state() {
    let theme = theme("default");
    for (name, make) in STATES {
        let mut snapshot = make();
        let long =
            "a cause that is much longer than any banner has room for, with numbers 1.25 of 3.00, again and again";
        for reason in &mut snapshot.state.reducing {
            reason.why = long.to_owned();
        }
        if let Some(latch) = &mut snapshot.state.latch
            && !latch.is_kill()
        {
            latch.cause = tickdeck::engine::risk::state::LatchCause::Fault(long.to_owned());
        }
        let money = tickdeck::tui::widgets::figures::money;
        let equity = snapshot.account.equity.map_or("?".to_owned(), money);
        let day = snapshot.account.day_pnl.map_or("?".to_owned(), |pnl| money(pnl).replace('-', ""));
        for width in 80..=300 {
            let row = text(&draw(&snapshot, &watch(), &theme, width, 1));
            assert!(row.contains(&equity) && row.contains(&day), "{name} {width}: {row}");
        }
    }
    let mut snapshot = sample::reducing();
    snapshot.state.armed_until = Some(snapshot.at + tickdeck::engine::time::Span::from_secs(724));
    snapshot.state.reducing[0].name = Some("SOLUSDT".to_owned());
    for width in 80..=300 {
        let row = text(&draw(&snapshot, &watch(), &theme, width, 1)).replace(" · ", "·");
        assert!(row.contains("ARMED 12m04·REDUCING SOLUSDT"), "{width}: {row}");
    }
}

/// Whatever is shown of equity is all of it: no width cuts it in the middle.
#[test]
fn no_number_of_the_banner_is_cut() {
    let theme = theme("default");
    for width in 1..=300 {
        let row = text(&draw(&sample::sample(), &watch(), &theme, width, 1));
        assert!(!row.contains("10,4") || row.contains("10,412.37"), "{width}: {row}");
        assert!(!row.contains("+82") || row.contains("+82.11"), "{width}: {row}");
    }
}

#[test]
fn ascii_screens_are_ascii() {
    let theme = theme("ascii");
    for (_, make) in STATES {
        for (width, height) in [(160, 45), (120, 40), (80, 24), (52, 14)] {
            assert!(text(&draw(&make(), &watch(), &theme, width, height)).is_ascii());
        }
    }
}

/// A stale price is never drawn in the style of a fresh one.
#[test]
fn stale_prices_are_dim() {
    let theme = theme("default");
    let buffer = draw(&sample::stale(), &watch(), &theme, 160, 45);
    let picture = text(&buffer);
    let row = picture
        .lines()
        .position(|line| line.contains("▸BTCUSDT"))
        .or(picture.lines().position(|l| l.contains("▸ BTCUSDT")))
        .unwrap();
    let line: Vec<char> = picture.lines().nth(row).unwrap().chars().collect();
    let column = line.windows(8).position(|w| w.iter().collect::<String>() == "64,182.5").unwrap();
    assert_eq!(buffer[(column as u16, row as u16)].fg, theme.dim.fg.unwrap());
    assert!(picture.contains("STALE 4.2s"));
}

/// The picture in the README is drawn by the program; `TICKDECK_BLESS=1` draws it anew.
#[test]
fn the_pictures_are_up_to_date() {
    let theme = theme("default");
    let pilot = UiState { view: MainView::Pilot, focus: PaneId::Chart, ..watch() };
    let pictures = [
        ("cockpit.svg", draw(&sample::armed(), &watch(), &theme, 160, 45)),
        ("pilot.svg", draw(&sample::armed(), &pilot, &theme, 160, 45)),
        ("killed.svg", draw(&sample::killed(), &watch(), &theme, 120, 40)),
        ("compact.svg", draw(&sample::sample(), &watch(), &theme, 80, 24)),
    ];
    for (name, buffer) in pictures {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name);
        let drawn = svg(&buffer, &theme, "tickdeck, with invented data");
        if std::env::var_os("TICKDECK_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &drawn).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == drawn,
            "assets/{name} is out of date: TICKDECK_BLESS=1 cargo test --test screens, then look at it"
        );
    }
}

/// Without colour crossterm prints empty colour codes, and an empty code is a reset: a theme with colours would lose its
/// inverse banner there. The mono theme keeps it, and a latch stays visible in it.
#[test]
fn without_colour_the_banner_stays_inverse_and_the_latch_stands_out() {
    crossterm::style::force_color_output(false);
    let area = Rect::new(0, 0, 120, 40);
    let mut bytes = Vec::new();
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), options).unwrap();
    let (snapshot, ui, look) = (sample::killed(), watch(), theme("mono"));
    let scene = Scene { snapshot: &snapshot, ui: &ui, theme: &look, footer: &[] };
    terminal.draw(|frame| draw_base(area, frame.buffer_mut(), &scene)).unwrap();
    drop(terminal);
    let (rows, columns) = (NonZero::new(40).unwrap(), NonZero::new(120).unwrap());
    let mut screen = vt100::Parser::new(rows, columns, 0);
    screen.process(&bytes);
    let row = screen.screen().contents_between(0, 0, 0, 120);
    assert!(row.contains("KILLED · 2 OPEN") && row.contains("REAL MONEY"), "{row}");
    let at = |word: &str| {
        let column =
            row.chars().collect::<Vec<_>>().windows(word.len()).position(|w| w.iter().collect::<String>() == word);
        screen.screen().cell(0, column.unwrap() as u16).unwrap().clone()
    };
    assert!(at("REAL").inverse() && at("REAL").bold());
    assert!(!at("KILLED").inverse() && at("KILLED").bold() && at("KILLED").underline());
}

/// Every number of every pane, large or tiny, is there with all of its digits or not at all: words are cut, numbers never.
#[test]
fn no_number_of_any_pane_is_cut() {
    let theme = theme("default");
    let large = sample::with_numbers(("1234567.89", 2), ("1234567.8", 1), "-1234567.89");
    let tiny = sample::with_numbers(("0.00001234", 8), ("123456789", 0), "0.01");
    // A part of a number, what stands before it, and the whole.
    let parts: [(&Snapshot, &[[&str; 3]]); 2] = [
        (&large, &[["1,23", "", "1,234,567.8"], ["567.8", "1,234,", "1,234,567.8"]]),
        (
            &tiny,
            &[
                ["0.000", "", "0.00001234"],
                ["01234", "0.000", "0.00001234"],
                ["123,", "", "123,456,789"],
                [",789", "123,456", "123,456,789"],
            ],
        ),
    ];
    let views = [MainView::Watch, MainView::Pilot].into_iter().flat_map(|view| [(view, false), (view, true)]);
    for (view, zoomed) in views {
        for (width, height) in [(160, 45), (120, 40), (120, 30), (80, 24), (60, 15)] {
            for (pane, (snapshot, parts)) in PANES.iter().flat_map(|pane| parts.map(|numbers| (pane, numbers))) {
                let ui = UiState { view, zoomed, focus: pane.id(), ..watch() };
                let picture = text(&draw(snapshot, &ui, &theme, width, height));
                for [part, before, whole] in parts {
                    for (at, _) in picture.match_indices(part) {
                        let rest = picture.get(at - before.len()..).unwrap_or_default();
                        let shown = rest.starts_with(whole) || rest.starts_with("0.00000000");
                        assert!(shown, "{width}x{height} {:?} {part} of {whole}:\n{picture}", pane.id());
                    }
                }
            }
        }
    }
    let picture = text(&draw(&large, &watch(), &theme, 160, 45));
    assert!(picture.matches("1,234,567.8").count() > 20, "{picture}");
}

/// What a pane says when a row needs a look, and how the row comes to say it.
type Word = (PaneId, &'static str, fn(&mut Snapshot));

/// The words that a person must not miss, each at the sizes that are designed for it.
#[test]
fn every_word_of_alarm_is_on_the_screen() {
    use tickdeck::engine::snapshot::Protected;
    let words: &[Word] = &[
        (PaneId::Positions, "NO STOP", |s| s.positions[0].protected = Protected::None),
        (PaneId::Positions, "NO STOP (yours)", |s| s.positions[0].protected = Protected::Yours),
        (PaneId::Positions, "0.012?", |s| s.positions[0].believed = true),
        (PaneId::Positions, "yours", |s| (s.positions[0].released, s.positions[0].stop) = (true, None)),
        (PaneId::Positions, "marks STALE 4.2s", |s| *s = sample::stale()),
        (PaneId::Orders, "unknown?", |s| "unknown".clone_into(&mut s.orders[0].state)),
        (PaneId::Orders, "rejected", |s| "rejected".clone_into(&mut s.orders[0].state)),
        (PaneId::Orders, "cancelling?", |s| "cancelling".clone_into(&mut s.orders[0].state)),
        (PaneId::Markets, "STALE 4.2s", |s| *s = sample::stale()),
        (PaneId::Markets, "warming 42s", |s| warm_up(s)),
        (PaneId::Signals, "warming 42s", |s| warm_up(s)),
        (PaneId::Signals, "STALE 4.2s", |s| *s = sample::stale()),
        (PaneId::Limits, "REACHED", |s| s.limits[1].utilisation = Some(1.2)),
        (PaneId::Health, "FAIL", |s| s.health.rows[0].health = tickdeck::engine::snapshot::Health::Fail),
        (PaneId::Events, "!!", |s| *s = sample::killed()),
    ];
    let theme = theme("default");
    for (pane, word, change) in words {
        let mut snapshot = sample::sample();
        let before = snapshot.clone();
        change(&mut snapshot);
        for (width, height) in [(160, 45), (120, 40), (80, 24)] {
            let ui = UiState { focus: *pane, ..watch() };
            let picture = text(&draw(&snapshot, &ui, &theme, width, height));
            assert!(picture.contains(word), "{width}x{height} {pane:?} {word}:\n{picture}");
            let calm = text(&draw(&before, &ui, &theme, width, height));
            assert!(!calm.contains(word), "{width}x{height} {pane:?}: {word} is always there");
        }
    }
    let mut bare = sample::sample();
    bare.positions[0].protected = Protected::None;
    bare.positions[1].protected = Protected::Yours;
    let ui = UiState { focus: PaneId::Positions, ..watch() };
    insta::assert_snapshot!("no_stop_160x45", text(&draw(&bare, &ui, &theme, 160, 45)));
    let strip = text(&draw(&bare, &ui, &theme, 60, 15));
    assert!(strip.contains("NO STOP\n") && strip.contains("NO STOP (yours)"), "{strip}");
    insta::assert_snapshot!("no_stop_80x24", text(&draw(&bare, &ui, &theme, 80, 24)));
}

/// The features of the market in front begin again, as after a gap in its stream.
fn warm_up(snapshot: &mut Snapshot) {
    use tickdeck::engine::risk::verdict::{Denial, DenialCode};
    use tickdeck::engine::snapshot::{Freshness, Verdict};
    snapshot.markets[0].warming = Some(tickdeck::engine::time::Span::from_secs(42));
    snapshot.markets[0].verdict = Verdict::Quiet(Denial::bare(DenialCode::PredictionStale));
    for row in &mut snapshot.signals {
        row.probs = Freshness::Missing;
    }
}

/// A price is shown with all of its digits or not at all.
#[test]
fn no_price_on_the_screen_is_cut() {
    let theme = theme("default");
    for width in 20..=220 {
        for height in [12, 24, 32, 40, 50] {
            for view in [MainView::Watch, MainView::Pilot] {
                let ui = UiState { view, ..watch() };
                let picture = text(&draw(&sample::sample(), &ui, &theme, width, height));
                for (at, _) in picture.match_indices("64,18") {
                    let whole = picture.get(at..at + 8).unwrap_or_default();
                    let decimal = whole.chars().nth(6) == Some('.') && whole.ends_with(|c: char| c.is_ascii_digit());
                    assert!(decimal, "{width}x{height}: {whole}");
                }
            }
        }
    }
}
