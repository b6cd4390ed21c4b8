//! An order is as old as the clock says, also when the events of its run lag behind: what grew too old is not sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program
#![cfg(feature = "models")]

use std::path::Path;

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Pair;
use tickdeck::engine::num::Money;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::StateWord;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::run::decisions::DecisionLog;
use tickdeck::run::demo::practice;
use tickdeck::run::driver::{Driver, LedgerPort, Parts};
use tickdeck::run::feed::Feed;
use tickdeck::run::inference::Inference;
use tickdeck::run::start::{Opening, Setup, open, paper_venue};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const START: Ts = Ts::from_ms(1_795_357_800_000);

/// The practice profile on the simulated market, armed after its warm-up.
fn armed(folder: &Path) -> Driver {
    let setup = Setup {
        settings: practice(Settings::default()),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: tickdeck::model::scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
            .into_iter()
            .map(Result::unwrap)
            .collect(),
        data_dir: folder.to_owned(),
        tape: None,
    };
    let Opening { restored, ledger, .. } =
        open(Pair::SIMULATED, SimulatedMarket::instruments(), &setup, "seed 7", START).unwrap();
    let parts = Parts {
        venue: Some(Box::new(paper_venue(&restored))),
        shadow: None,
        feed: Feed::Simulated(Box::new(SimulatedMarket::new(7, Weather::Calm, START))),
        inference: Inference::inline(setup.models),
        ledger: LedgerPort::Inline(Box::new(ledger)),
        tape: None,
        decisions: DecisionLog::new(None),
        latch_beside: None,
        gate: tickdeck::gate::Gate::default(),
        restored,
    };
    let mut driver = Driver::start(START, parts, true);
    driver.advance(START + Span::from_secs(80), usize::MAX >> 1);
    driver.command(Command::Arm { lasts: Span::from_secs(900) });
    assert_eq!(driver.engine().state_word(), StateWord::Armed);
    driver
}

#[test]
fn a_run_whose_events_lag_behind_the_clock_opens_nothing() {
    for (ahead, opens) in [(Span::from_ms(100), true), (Span::from_secs(2), false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut driver = armed(folder.path());
        for second in 80..140 {
            for part in 1..=10 {
                let at = START + Span::from_ms(second * 1_000 + part * 100);
                driver.look_at_clock(at + ahead);
                driver.advance(at, usize::MAX >> 1);
            }
        }
        let told: Vec<String> = driver.take_notices().into_iter().map(|notice| notice.text).collect();
        assert_eq!(driver.engine().fills() > 0, opens, "the clock {ahead} ahead: {told:?}");
        assert_eq!(told.iter().any(|text| text.contains("intent_age")), !opens, "{told:?}");
    }
}
