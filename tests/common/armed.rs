//! An armed run of the practice profile on the simulated market, and how it is put together without a session.

use std::path::Path;

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Pair;
use tickdeck::engine::num::Money;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::run::decisions::DecisionLog;
use tickdeck::run::demo::practice;
use tickdeck::run::driver::{Driver, LedgerPort, Parts};
use tickdeck::run::feed::Feed;
use tickdeck::run::inference::Inference;
use tickdeck::run::start::{Opening, Setup, open, paper_venue};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

/// When its market begins.
pub const START: Ts = Ts::from_ms(1_795_357_800_000);

/// Armed after the warm-up of its models.
pub fn armed(folder: &Path) -> Driver {
    let setup = Setup {
        settings: practice(Settings::default()),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: tickdeck::model::scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
            .into_iter()
            .map(Result::unwrap)
            .collect(),
        shelf: None,
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
    driver
}
