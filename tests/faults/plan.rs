//! What goes wrong in a seed, and when: drawn at its start, or written by hand for a named scenario.

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::num::{Money, Qty, Rate, Side};
use tickdeck::engine::risk::limits::LimitKey;
use tickdeck::engine::time::{Span, Ts};

use super::disk::Medium;
use super::random::Chance;

/// Lifts whatever is shown as latched when it is asked for.
pub const RESET: Command = Command::Reset { latched: Ts(0) };

/// How long everything goes wrong.
pub const STORM: Span = Span::from_secs(60);

/// How often messages meet with what, in a thousand.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// A message takes seconds.
    pub slow: u32,
    /// A request is lost on its way there.
    pub lost_there: u32,
    /// An answer is lost on its way back.
    pub lost_back: u32,
    /// HTTP 5xx, and nothing was done.
    pub failed_before: u32,
    /// HTTP 5xx, and it was done.
    pub failed_after: u32,
    /// 10006.
    pub limited: u32,
    /// No connection: it does not leave.
    pub unsent: u32,
    /// Accepted, then rejected.
    pub rejected_late: u32,
    /// A cancel does not see an order that is fresh.
    pub unseen: u32,
    /// A push is skipped.
    pub push_lost: u32,
    /// A push comes twice.
    pub push_twice: u32,
    /// A push comes late, after others.
    pub push_late: u32,
    /// A commit takes seconds.
    pub disk_slow: u32,
    /// What the exchange lists lags behind by up to this, ms.
    pub list_lag_ms: i64,
    /// The exchange takes at most this part of what is displayed, in whole percent.
    pub fill_percent: u8,
}

/// Something that happens once.
#[derive(Clone, Debug)]
pub enum Act {
    /// The process dies; the next one starts after this long.
    Crash(Span),
    /// The machine sleeps for this long.
    Suspend(Span),
    /// A person asks.
    Ask(Command),
    /// The person wants it armed, or not.
    WantArmed(bool),
    /// Somebody trades by hand.
    ForeignTrade(Symbol, Side, Qty),
    /// Somebody closes a position by hand.
    ForeignClose(Symbol),
    /// Money comes or goes.
    Deposit(Money),
    /// Nothing gets through for this long.
    Cut(Span),
    /// The private stream breaks.
    StreamBreaks,
    /// The medium under the ledger.
    Disk(Medium),
    /// The market stream is away for this long.
    MarketAway(Span),
    /// Funding is settled.
    Funding(Symbol),
    /// The market jumps.
    Jump(Symbol, Rate),
    /// A kill reaches the gate while the engine's thread is busy for this long; does the guardian close too?
    KillBeside(Span, bool),
    /// The exchange refuses our address (HTTP 403) for this long.
    Ban(Span),
    /// Auto-deleveraging takes so many percent of a position.
    Deleverage(Symbol, u8),
    /// The exchange takes over every position.
    Liquidate,
    /// Somebody flips the position mode by hand, where it may be: to hedge mode or back.
    Hedge(Symbol, bool),
}

/// A seed's troubles.
#[derive(Clone, Debug)]
pub struct Plan {
    pub weather: Weather,
    pub acts: Vec<(Span, Act)>,
    /// Clock of the machine minus the true one, at the start.
    pub skew: Span,
    /// What is wanted anyway may wait.
    pub timed: bool,
}

impl Plan {
    /// Nothing goes wrong.
    pub fn calm() -> Self {
        let weather = Weather { fill_percent: 100, ..Weather::default() };
        Self { weather, acts: Vec::new(), skew: Span(0), timed: false }
    }

    /// The troubles of a seed: some kinds of them, so that each is met alone and with others.
    pub fn of(seed: u64, symbols: usize) -> Self {
        let mut chance = Chance::new(seed ^ 0x706c_616e);
        let weather = weather(&mut chance);
        let skew = if chance.permille(300) { chance.span(-3_000, 3_000) } else { chance.span(-100, 100) };
        let mut acts = Vec::new();
        for _ in 0..chance.between(1, 10) {
            let at = Span(chance.between(500_000, STORM.0 / 1_000 - 1_000_000) * 1_000);
            draw(&mut chance, symbols, at, &mut acts);
        }
        // From a source of their own: seeds without them stay what they were.
        let mut rare = Chance::new(seed ^ 0x7261_7265);
        if rare.permille(350) {
            let at = Span(rare.between(2_000_000, STORM.0 / 1_000 - 5_000_000) * 1_000);
            draw_rare(&mut rare, symbols, at, &mut acts);
        }
        // And these from another one.
        let mut forced = Chance::new(seed ^ 0x666f_7263);
        if forced.permille(250) {
            draw_forced(&mut forced, symbols, &mut acts);
        }
        acts.retain(|(at, _)| *at < STORM);
        acts.sort_by_key(|(at, _)| *at);
        Self { weather, acts, skew, timed: seed % 4 == 1 }
    }
}

fn weather(chance: &mut Chance) -> Weather {
    let mut kind = |most: u64| if chance.permille(350) { chance.below(most) as u32 } else { 0 };
    let mut weather = Weather {
        slow: kind(60),
        lost_there: kind(120),
        lost_back: kind(120),
        failed_before: kind(120),
        failed_after: kind(120),
        limited: kind(150),
        unsent: kind(80),
        rejected_late: kind(80),
        unseen: kind(500),
        push_lost: kind(200),
        push_twice: kind(300),
        push_late: kind(200),
        disk_slow: kind(60),
        list_lag_ms: 0,
        fill_percent: 100,
    };
    if chance.permille(400) {
        weather.list_lag_ms = chance.between(1, 900);
    }
    if chance.permille(300) {
        weather.fill_percent = chance.between(1, 60) as u8;
    }
    weather
}

fn draw_rare(chance: &mut Chance, symbols: usize, at: Span, acts: &mut Vec<(Span, Act)>) {
    let symbol = Symbol(chance.below(symbols as u64) as u16);
    match chance.below(10) {
        0..5 => {
            acts.push((at, Act::KillBeside(chance.span(0, 3_000), chance.permille(400))));
            if chance.permille(400) {
                acts.push((at + chance.span(0, 2_500), Act::Crash(chance.span(50, 2_000))));
            }
            if chance.permille(700) {
                acts.push((at + chance.span(300, 20_000), Act::Ask(RESET)));
            }
        }
        5..8 => acts.push((at, Act::Ban(chance.span(500, 30_000)))),
        _ => {
            // The mode is changed while nothing is open.
            acts.push((at, Act::Ask(Command::Flatten(Some(symbol)))));
            acts.push((at, Act::WantArmed(false)));
            let flat = at + chance.span(1_000, 4_000);
            acts.push((flat, Act::Hedge(symbol, true)));
            acts.push((flat, Act::WantArmed(true)));
            if chance.permille(600) {
                let side = if chance.permille(500) { Side::Buy } else { Side::Sell };
                let qty = Qty::from_raw(chance.between(1, 400) * 10_000_000);
                acts.push((flat + chance.span(10, 8_000), Act::ForeignTrade(symbol, side, qty)));
            }
            acts.push((flat + chance.span(3_000, 20_000), Act::Hedge(symbol, false)));
        }
    }
}

/// The exchange closes by itself: once or a few times, some of them while nothing runs or right before it dies.
fn draw_forced(chance: &mut Chance, symbols: usize, acts: &mut Vec<(Span, Act)>) {
    for _ in 0..chance.between(1, 4) {
        let at = Span(chance.between(1_500_000, STORM.0 / 1_000 - 2_000_000) * 1_000);
        let symbol = Symbol(chance.below(symbols as u64) as u16);
        let act = if chance.permille(700) {
            Act::Deleverage(symbol, *chance.pick(&[1, 20, 50, 80, 100]))
        } else {
            Act::Liquidate
        };
        acts.push((at, act));
        if chance.permille(300) {
            acts.push((at + chance.span(-500, 300), Act::Crash(chance.span(50, 3_000))));
        }
    }
}

fn draw(chance: &mut Chance, symbols: usize, at: Span, acts: &mut Vec<(Span, Act)>) {
    let symbol = Symbol(chance.below(symbols as u64) as u16);
    let side = if chance.permille(500) { Side::Buy } else { Side::Sell };
    let later = |chance: &mut Chance| at + chance.span(300, 15_000);
    match chance.below(100) {
        0..20 => acts.push((at, Act::Crash(chance.span(50, 5_000)))),
        20..26 => {
            // Twice in a row: the second in the middle of the start.
            acts.push((at, Act::Crash(chance.span(10, 300))));
            acts.push((at + chance.span(20, 1_500), Act::Crash(chance.span(10, 2_000))));
        }
        26..32 => acts.push((at, Act::Suspend(chance.span(500, 40_000)))),
        32..42 => {
            acts.push((at, Act::Ask(Command::Kill)));
            if chance.permille(500) {
                acts.push((at + chance.span(100, 3_000), Act::Ask(Command::KillClose)));
            }
            if chance.permille(600) {
                acts.push((later(chance), Act::Ask(RESET)));
            }
        }
        42..47 => {
            acts.push((at, Act::Ask(Command::Disarm)));
            acts.push((at, Act::WantArmed(false)));
            acts.push((later(chance), Act::WantArmed(true)));
        }
        47..55 => {
            let one = chance.permille(500).then_some(symbol);
            acts.push((at, Act::Ask(Command::Flatten(one))));
        }
        55..60 => {
            let value = chance.between(100, 1_500) * 1_000_000_000;
            acts.push((at, Act::Ask(Command::SetLimit { key: LimitKey::MaxPositionNotional, value })));
        }
        60..66 => {
            let qty = Qty::from_raw(chance.between(1, 400) * 10_000_000);
            acts.push((at, Act::ForeignTrade(symbol, side, qty)));
        }
        66..69 => acts.push((at, Act::ForeignClose(symbol))),
        69..73 => acts.push((at, Act::Deposit(Money::from_units(chance.between(-400, 2_000))))),
        73..80 => acts.push((at, Act::Cut(chance.span(200, 20_000)))),
        80..87 => acts.push((at, Act::StreamBreaks)),
        87..92 => {
            let medium = if chance.permille(700) { Medium::Full } else { Medium::Gone };
            acts.push((at, Act::Disk(medium)));
            acts.push((later(chance), Act::Disk(Medium::Well)));
            acts.push((later(chance), Act::Ask(RESET)));
        }
        92..95 => acts.push((at, Act::MarketAway(chance.span(200, 8_000)))),
        95..97 => acts.push((at, Act::Funding(symbol))),
        97..98 => acts
            .push((at, Act::Ask(if chance.permille(500) { Command::Release(symbol) } else { Command::Adopt(symbol) }))),
        _ => acts.push((at, Act::Jump(symbol, Rate::from_raw(chance.between(-8_000_000, 8_000_000))))),
    }
}
