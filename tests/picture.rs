//! The picture in the README: the real screen over the real engine on the simulated market, drawn by the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program
#![cfg(feature = "models")]

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Pair;
use tickdeck::engine::num::Money;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{Snapshot, StateWord, View};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::run::decisions::DecisionLog;
use tickdeck::run::demo::practice;
use tickdeck::run::driver::{Driver, LedgerPort, Parts};
use tickdeck::run::feed::Feed;
use tickdeck::run::inference::Inference;
use tickdeck::run::start::{Opening, Setup, open, paper_venue};
use tickdeck::tui::base::draw_base;
use tickdeck::tui::commands::footer;
use tickdeck::tui::keymap::Keymap;
use tickdeck::tui::panes::Scene;
use tickdeck::tui::state::UiState;
use tickdeck::tui::svg::svg;
use tickdeck::tui::theme::Theme;
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

/// Two armed minutes of the practice profile.
fn armed_demo() -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setup = Setup {
        settings: practice(Settings::default()),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: tickdeck::model::scan(&root.join("models")).into_iter().map(Result::unwrap).collect(),
        data_dir: folder.path().to_owned(),
        tape: None,
    };
    let start = Ts::from_ms(1_795_357_800_000);
    let Opening { restored, ledger, .. } =
        open(Pair::SIMULATED, SimulatedMarket::instruments(), &setup, "seed 7", start).unwrap();
    let parts = Parts {
        venue: Some(Box::new(paper_venue(&restored))),
        shadow: None,
        feed: Feed::Simulated(Box::new(SimulatedMarket::new(7, Weather::Calm, start))),
        inference: Inference::inline(setup.models),
        ledger: LedgerPort::Inline(Box::new(ledger)),
        tape: None,
        decisions: DecisionLog::new(None),
        latch_beside: None,
        gate: tickdeck::gate::Gate::default(),
        restored,
    };
    let mut driver = Driver::start(start, parts, false);
    driver.advance(start + Span::from_secs(80), usize::MAX >> 1);
    driver.command(Command::Arm { lasts: Span::from_secs(900) });
    driver.advance(start + Span::from_secs(200), usize::MAX >> 1);
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
