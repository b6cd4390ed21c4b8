//! What one step, one snapshot and one frame cost. `cargo bench`; figures are in docs/benchmarks.md.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use tickdeck::engine::Engine;
use tickdeck::engine::effect::Effects;
use tickdeck::engine::event::{Event, Restored};
use tickdeck::engine::ids::{Pair, RunId};
use tickdeck::engine::num::Money;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::View;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::tui::base::draw_base;
use tickdeck::tui::panes::Scene;
use tickdeck::tui::state::UiState;
use tickdeck::tui::theme::Theme;
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const START: Ts = Ts::from_ms(1_767_225_600_000);

fn restored() -> Restored {
    Restored {
        run: RunId::new(START.as_ms(), 0),
        pair: Pair::SIMULATED,
        instruments: SimulatedMarket::instruments(),
        models: Vec::new(),
        settings: Settings::default(),
        limits: RiskLimits::default(),
        latch: None,
        balance: Money::from_units(10_000),
        holdings: Vec::new(),
        baselines: None,
        released: Vec::new(),
        armed_until: None,
        outside_seen: Vec::new(),
        flattening: Vec::new(),
        waived: Vec::new(),
        opened: Vec::new(),
        earlier: Vec::new(),
        account_known: true,
        flat_proven: None,
    }
}

/// A minute of the calm market.
fn market() -> Vec<(Ts, Event)> {
    let mut market = SimulatedMarket::new(7, Weather::Calm, START);
    let mut events = Vec::new();
    while market.next_at() < START + Span::from_secs(60) {
        let (at, symbol, data) = market.next_event();
        events.push((at, Event::Market(symbol, data)));
    }
    events
}

fn warm(events: &[(Ts, Event)]) -> (Engine, Effects) {
    let mut engine = Engine::new(&restored());
    let mut effects = Effects::new();
    for (at, event) in events {
        engine.step(*at, event, &mut effects);
        effects.drain();
    }
    engine.step(START + Span::from_secs(60), &Event::Tick, &mut effects);
    effects.drain();
    (engine, effects)
}

fn steps(c: &mut Criterion) {
    let events = market();
    let mut group = c.benchmark_group("engine");
    group.throughput(criterion::Throughput::Elements(events.len() as u64));
    group.sample_size(20);
    group.bench_function("step, a minute of four instruments", |b| {
        b.iter_batched(
            || (Engine::new(&restored()), Effects::new()),
            |(mut engine, mut effects)| {
                for (at, event) in &events {
                    engine.step(*at, event, &mut effects);
                    effects.drain();
                }
                engine
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
    let (mut engine, mut effects) = warm(&events);
    let mut at = START + Span::from_secs(61);
    c.bench_function("engine/decision boundary, four instruments", |b| {
        b.iter(|| {
            at = at + Span::from_secs(1);
            engine.step(at, &Event::Tick, &mut effects);
            black_box(effects.drain().count())
        });
    });
    c.bench_function("engine/snapshot", |b| b.iter(|| black_box(engine.snapshot(View::default()))));
}

fn frames(c: &mut Criterion) {
    let (mut engine, _) = warm(&market());
    let snapshot = engine.snapshot(View::default());
    let (ui, theme) = (UiState::default(), Theme::default());
    for (width, height) in [(160, 45), (80, 24)] {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        c.bench_function(&format!("screen/draw {width}x{height}"), |b| {
            b.iter(|| {
                buffer.reset();
                draw_base(area, &mut buffer, &Scene { snapshot: &snapshot, ui: &ui, theme: &theme, footer: &[] });
                black_box(&buffer);
            });
        });
    }
}

criterion_group!(benches, steps, frames);
criterion_main!(benches);
