//! Everything the engine knows about one instrument.

use std::collections::VecDeque;

use super::event::{MarketData, ModelInfo, Pool, Prediction};
use super::execution::Wait;
use super::features::{BarFrame, FeatureFrame, FeatureState};
use super::ids::{ModelId, Symbol};
use super::market::book::Book;
use super::market::candles::Candles;
use super::market::instrument::{Instrument, InstrumentStatus, decimals};
use super::market::ticker::MergedTicker;
use super::market::trades::Trades;
use super::num::{Price, Rate, Side};
use super::protecting::Cover;
use super::risk::verdict::DenialCode;
use super::settings::Settings;
use super::signal::{Adverse, Signal};
use super::snapshot::{ChartMark, MarkKind, Verdict};
use super::strategy::threshold::Confirmation;
use super::time::{Span, Ts};
use super::trust::{Trust, Turn};

/// Chart marks kept per instrument: more than a chart can show.
const MARKS_MAX: usize = 200;
/// A mark price that the instrument has outlived by this much is no mark any more: the book's middle values positions.
const MARK_MAX_AGE: Span = Span::from_secs(10);
/// Sparkline points kept per instrument, one a second.
const SPARK_MAX: usize = 60;

/// One instrument: its market, features, forecasts, signal and what the strategy makes of it.
#[derive(Debug)]
pub struct Desk {
    /// Which.
    pub symbol: Symbol,
    /// Its rules.
    pub instrument: Instrument,
    /// Order book.
    pub book: Book,
    /// Candles from trades.
    pub candles: Candles,
    /// Recent trades.
    pub trades: Trades,
    /// Mark, index, funding.
    pub ticker: MergedTicker,
    /// Incremental features.
    pub features: FeatureState,
    /// Features of the last decision boundary.
    pub frame: Option<FeatureFrame>,
    /// What closed minutes said when models were asked about them last.
    pub bars: Option<BarFrame>,
    /// Latest answer of each model.
    pub forecasts: Vec<Option<Prediction>>,
    /// When each of them was heard.
    pub answered: Vec<Option<Ts>>,
    /// When the book and the trades spoke last.
    pub sources: [Option<Ts>; 2],
    /// Which of them are shadows: asked and scored, never acted upon.
    pub shadows: Vec<bool>,
    /// Which of these answers are believed.
    pub trust: Trust,
    /// Signal at the strategy's horizon, from the last decision.
    pub signal: Option<Signal>,
    /// How long the signal has pointed one way.
    pub confirmation: Confirmation,
    /// What passive fills are followed by.
    pub adverse: Adverse,
    /// Why it does or does not trade.
    pub verdict: Verdict,
    /// The denial the person was last told of, so that each is told once.
    pub told: Option<DenialCode>,
    /// Levels at which the position is left; set when it opens.
    pub exits: Exits,
    /// Tries of the running exit: each widens the price band.
    pub exit_tries: u8,
    /// A trade that waits for a better moment, in timed execution.
    pub wait: Option<Wait>,
    /// Why reducing orders did not leave, and how many in a row: told once, then counted.
    pub kept_back: Option<(String, u32)>,
    /// No entries before this moment.
    pub cooldown_until: Ts,
    /// What the venue says protects the position.
    pub cover: Cover,
    /// Marks on the chart.
    pub marks: VecDeque<ChartMark>,
    /// Mid once a second, for the sparkline.
    pub spark: VecDeque<f64>,
    /// Last trade or mid and the direction of its last change.
    pub last: Option<(Ts, Price)>,
    /// +1 up, -1 down, 0 unchanged so far.
    pub direction: i8,
    /// First price of the run, for the change column where there is no 24 h price.
    pub first: Option<Price>,
    /// When this instrument last said anything.
    pub heard: Option<Ts>,
    /// Highest price of a buy and lowest of a sell that the venue takes, where it says so.
    pub band: Option<(Price, Price)>,
    /// Liquidation price of our position and its place in the deleveraging queue, as the venue states them.
    pub danger: Option<(Option<Price>, u8)>,
    /// The insurance pool behind it, where the venue tells.
    pub pool: Option<Pool>,
    /// What the account pays, where the venue has said it.
    pub fees: Option<Fees>,
}

/// What a trade costs, as parts of its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fees {
    /// Of an order that rested; negative is a rebate.
    pub maker: Rate,
    /// Of an order that took.
    pub taker: Rate,
}

/// Exit levels of an open position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exits {
    /// Leave when mark is at or beyond this against us.
    pub stop: Option<Price>,
    /// Leave when mark is at or beyond this in our favour.
    pub take_profit: Option<Price>,
}

impl Desk {
    /// A desk that has seen nothing.
    pub fn new(symbol: Symbol, instrument: Instrument, models: &[ModelInfo]) -> Self {
        Self {
            symbol,
            instrument,
            book: Book::new(),
            candles: Candles::new(),
            trades: Trades::new(),
            ticker: MergedTicker::new(),
            features: FeatureState::new(),
            frame: None,
            bars: None,
            forecasts: vec![None; models.len()],
            answered: vec![None; models.len()],
            sources: [None; 2],
            shadows: vec![false; models.len()],
            trust: Trust::new(models),
            signal: None,
            confirmation: Confirmation::default(),
            adverse: Adverse::default(),
            verdict: Verdict::Waiting,
            told: None,
            exits: Exits::default(),
            exit_tries: 0,
            wait: None,
            kept_back: None,
            cooldown_until: Ts(0),
            cover: Cover::default(),
            marks: VecDeque::new(),
            spark: VecDeque::new(),
            last: None,
            direction: 0,
            first: None,
            heard: None,
            band: None,
            danger: None,
            pool: None,
            fees: None,
        }
    }

    /// Takes in public market data.
    pub fn on_market(&mut self, at: Ts, data: &MarketData, horizon: Span) {
        if *data != MarketData::Gap {
            self.heard = Some(at);
        }
        match data {
            MarketData::Book(_) => self.sources[0] = Some(at),
            MarketData::Trade(_) => self.sources[1] = Some(at),
            _ => {}
        }
        match data {
            MarketData::Book(update) => {
                self.book.apply(update);
                if self.trades.last_price().is_none()
                    && let Some(mid) = self.book.mid()
                {
                    self.set_last(at, mid);
                }
            }
            MarketData::Trade(trade) => {
                self.candles.on_trade(at, trade);
                self.trades.on_trade(at, trade);
                self.set_last(at, trade.price);
                if let Some(mid) = self.book.mid() {
                    self.adverse.on_trade(at, mid.to_f64_lossy(), trade.taker);
                }
            }
            MarketData::Ticker(ticker) => self.ticker.apply(at, ticker),
            MarketData::Gap => {
                self.book.gap();
                self.trust.void();
                self.band = None;
            }
            MarketData::Rules(rules) => self.instrument.clone_from(rules),
            MarketData::Bar(bar) => self.candles.on_bar(bar),
            MarketData::Band { buy_max, sell_min } => self.band = Some((*buy_max, *sell_min)),
            MarketData::Liquidation { .. } => {}
            MarketData::Missed { at, trade } => self.trades.on_missed(*at, trade),
            MarketData::Pool(pool) => self.pool = Some(*pool),
        }
        if let Some(mid) = self.book.mid() {
            self.adverse.on_mid(at, mid.to_f64_lossy(), horizon);
        }
        self.features.on_market(at, data, &self.book);
    }

    fn set_last(&mut self, at: Ts, price: Price) {
        if let Some((_, before)) = self.last
            && before != price
        {
            self.direction = if price > before { 1 } else { -1 };
        }
        self.first.get_or_insert(price);
        self.last = Some((at, price));
    }

    /// Price that values a position: the venue's mark, the book's middle where the market has no mark, else unknown.
    pub fn mark(&self) -> Option<Price> {
        let fresh = self.ticker.mark_at().zip(self.heard).is_some_and(|(at, heard)| heard.since(at) <= MARK_MAX_AGE);
        self.ticker.facts().mark.filter(|_| fresh).or_else(|| self.book.mid())
    }

    /// Decimals of prices and quantities for the screen. While the rules are not known they are those of the book: a tick
    /// that was assumed would cut prices.
    pub fn decimals(&self) -> (usize, usize) {
        let rules = (self.instrument.price_decimals(), self.instrument.qty_decimals());
        let levels = [Side::Buy, Side::Sell].into_iter().flat_map(|side| self.book.same(side).iter().take(10));
        let seen = levels.map(|level| (decimals(level.price.raw()), decimals(level.qty.raw())));
        let most = |one: (usize, usize), other: (usize, usize)| (one.0.max(other.0), one.1.max(other.1));
        match self.instrument.status {
            InstrumentStatus::Unknown => seen.reduce(most).unwrap_or(rules),
            _ => rules,
        }
    }

    /// What a trade costs: as the venue said, else as configured.
    pub fn fees(&self, settings: &Settings) -> Fees {
        self.fees.unwrap_or(Fees { maker: settings.maker_fee, taker: settings.taker_fee })
    }

    /// Adds a chart mark at the current price.
    pub fn mark_chart(&mut self, at: Ts, price: Option<Price>, kind: MarkKind) {
        let Some(price) = price.or(self.last.map(|l| l.1)) else { return };
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(ChartMark { at, price, kind });
    }

    /// Once a second: the sparkline and the signal's turn marks.
    pub fn on_second(&mut self) {
        let Some(price) = self.book.mid().or(self.last.map(|l| l.1)) else { return };
        if self.spark.len() >= SPARK_MAX {
            self.spark.pop_front();
        }
        self.spark.push_back(price.to_f64_lossy());
    }

    /// Takes a model's answer; an answer older than the one we have is dropped.
    pub fn on_prediction(&mut self, at: Ts, prediction: &Prediction, settings: &Settings) {
        self.trust.answer(prediction, |said| settings.call(said));
        let Some(slot) = self.forecasts.get_mut(usize::from(prediction.model.0)) else { return };
        if slot.as_ref().is_none_or(|old| old.features_at <= prediction.features_at) {
            *slot = Some(prediction.clone());
            if let Some(heard) = self.answered.get_mut(usize::from(prediction.model.0)) {
                *heard = Some(at);
            }
        }
    }

    /// Answers of the models that decide, with their numbers.
    pub fn deciding(&self) -> impl Iterator<Item = (usize, Option<&Prediction>)> {
        let all = self.forecasts.iter().enumerate();
        all.filter(|(model, _)| !self.is_shadow(*model)).map(|(model, forecast)| (model, forecast.as_ref()))
    }

    /// Is this model asked and scored, and never acted upon?
    pub fn is_shadow(&self, model: usize) -> bool {
        self.shadows.get(model).copied().unwrap_or(false)
    }

    /// Compares answers that came due with the middle of the book as it is until `now`.
    pub fn settle_answers(&mut self, now: Ts) -> Vec<Turn> {
        if !self.trust.is_due(now) {
            return Vec::new();
        }
        self.trust.settle(now, self.book.mid().map(Price::to_f64_lossy))
    }

    /// Has every model that decides answered about the features of the last boundary?
    pub fn all_answered(&self) -> bool {
        let Some(frame) = &self.frame else { return false };
        self.deciding().next().is_some() && self.deciding().all(|(_, f)| f.is_some_and(|f| f.features_at == frame.at))
    }

    /// Have some models that decide answered about the features of the last boundary, and others not?
    pub fn partly_answered(&self) -> bool {
        let Some(frame) = &self.frame else { return false };
        self.deciding().any(|(_, f)| f.is_some_and(|f| f.features_at == frame.at)) && !self.all_answered()
    }

    /// Other models answer from now on. What is known of one that stays goes to its new place.
    pub fn change_models(&mut self, before: &[ModelInfo], now: &[ModelInfo]) {
        let mut old = std::mem::take(&mut self.forecasts);
        let place = |info: &ModelInfo| before.iter().position(|one| one.name == info.name && one.hash == info.hash);
        let kept = |(number, info): (usize, &ModelInfo)| {
            let forecast = old.get_mut(place(info)?)?.take()?;
            Some(Prediction { model: ModelId(number as u8), ..forecast })
        };
        self.forecasts = now.iter().enumerate().map(kept).collect();
        let heard = std::mem::take(&mut self.answered);
        self.answered = now.iter().map(|info| heard.get(place(info)?).copied().flatten()).collect();
        self.trust.change_models(before, now);
    }

    /// Stop and take-profit this far from an entry price, where they are wanted, rounded to ticks towards the entry: the
    /// stop loses no more than was said, the profit is taken no later.
    pub fn levels(&self, side: Side, entry: Price, stop: Rate, take_profit: Rate) -> (Option<Price>, Option<Price>) {
        let against = if side == Side::Buy { -stop } else { stop };
        let favour = if side == Side::Buy { take_profit } else { -take_profit };
        let stop = (stop != Rate::ZERO).then(|| self.instrument.tick_away(side, entry.shifted(against)));
        let take_profit =
            (take_profit != Rate::ZERO).then(|| self.instrument.tick_away(side.opposite(), entry.shifted(favour)));
        (stop, take_profit)
    }

    /// Sets the levels at which this program leaves, around an entry price.
    pub fn set_exits(&mut self, side: Side, entry: Price, stop: Rate, take_profit: Rate) {
        let (stop, take_profit) = self.levels(side, entry, stop, take_profit);
        self.exits = Exits { stop, take_profit };
    }
}
