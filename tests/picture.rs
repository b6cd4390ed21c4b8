//! The picture in the README: the real screen over the real engine on the simulated market, drawn by the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program
#![cfg(feature = "models")]

#[path = "common/armed.rs"]
mod armed;

use std::path::Path;

use armed::{START, armed};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tickdeck::engine::snapshot::{Snapshot, StateWord, View};
use tickdeck::engine::time::Span;
use tickdeck::tui::base::draw_base;
use tickdeck::tui::commands::footer;
use tickdeck::tui::keymap::Keymap;
use tickdeck::tui::panes::Scene;
use tickdeck::tui::state::UiState;
use tickdeck::tui::svg::svg;
use tickdeck::tui::theme::Theme;

/// Two armed minutes of the practice profile.
fn armed_demo() -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = armed(folder.path());
    driver.advance(START + Span::from_secs(200), usize::MAX >> 1);
    let mut snapshot = driver.engine_mut().snapshot(View::default());
    "seed 7".clone_into(&mut snapshot.session.market_label);
    snapshot.session.weather = Some("calm".to_owned());
    snapshot
}

#[test]
fn the_readme_shows_the_real_screen() {
    let snapshot = armed_demo();
    assert_eq!(snapshot.state.word, StateWord::Armed);
    assert!(snapshot.account.trades > 0, "the practice profile trades");
    let (ui, theme) = (UiState::default(), Theme::default());
    let area = Rect::new(0, 0, 160, 45);
    let mut buffer = Buffer::empty(area);
    let keys = Keymap::with_overrides(&[]).unwrap();
    let footer = footer(&keys, &snapshot, &ui);
    draw_base(area, &mut buffer, &Scene { snapshot: &snapshot, ui: &ui, theme: &theme, footer: &footer });
    let picture = svg(&buffer, &theme, "tickdeck on its simulated market");
    let words: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    assert!(words.contains("SIMULATED MARKET") && words.contains("● ARMED") && words.contains("BTCUSDT"));
    if std::env::var_os("TICKDECK_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo.svg");
        std::fs::write(path, picture).unwrap();
    }
}
