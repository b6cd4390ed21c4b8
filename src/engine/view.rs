//! Builds the [`Snapshot`]: on demand, one row per instrument, detail only for what a viewer asked for.

use super::Engine;
use super::desk::Desk;
use super::event::{ModelInfo, Protective, Stranger};
use super::features::Set;
use super::features::bars::{FRESH, MINUTE};
use super::ids::{OrderSeq, Symbol, order_link_id};
use super::market::instrument::Category;
use super::num::{Money, Price, Qty, Side};
use super::orders::Order;
use super::risk::limits::LimitKey;
use super::risk::state::{Arming, ReduceCause};
use super::signal::{crossing_bps, half_spread_bps, signal};
use super::snapshot::{
    AccountView, Check, FocusView, Freshness, Health, HealthRow, HealthView, LimitRow, MarketRow, OrderRow,
    PositionRow, Reduction, SessionView, Snapshot, StateView, StateWord, Verdict, View,
};
use super::time::{Span, Ts};

/// Ended orders shown below the working ones.
const ENDED_SHOWN: usize = 20;
/// Pre-flight checks that are shown as health too.
const HEALTH_CHECKS: [&str; 9] =
    ["market feed", "books", "reconciled", "equity", "venue", "reducing", "disk", "watchdog", "alerts"];
/// Candles and trades handed to a viewer.
const CANDLES_SHOWN: usize = 240;
const TRADES_SHOWN: usize = 60;

/// A minute's answers are the newest there are until the next one has been asked about.
const BETWEEN_MINUTES: Span = Span(MINUTE.0 + FRESH.0);

impl Engine {
    /// The picture for a viewer. The run fills in what it alone knows (session label, playback, heartbeat, edges' health).
    pub fn snapshot(&mut self, view: View) -> Snapshot {
        self.versions += 1;
        let account = self.account_view();
        Snapshot {
            version: self.versions,
            at: self.now,
            session: SessionView {
                pair: self.pair,
                run: self.run.to_string(),
                market_label: String::new(),
                tail: self.settings.tail.clone(),
                practice: !self.settings.edge_gate,
                playback: None,
                weather: None,
                simulated_venue: false,
                unattended: false,
                bell: 0,
            },
            state: self.state_view(),
            markets: self.desks.iter().map(|desk| self.market_row(desk)).collect(),
            focus: self.desks.get(view.symbol.index()).map(|desk| self.focus_view(desk, view)),
            why: view.why.and_then(|of| self.why(of)),
            trust: self.trust_rows(),
            signals: self.desks.get(view.symbol.index()).map(|desk| self.signal_rows(desk)).unwrap_or_default(),
            positions: self.position_rows(),
            outside: self.outside_rows(),
            danger: self.danger_rows(view.symbol),
            orders: self.order_rows(),
            limits: self.limit_rows(&account),
            account,
            notices: self.notices.iter().cloned().collect(),
            pending_notice: self.pending.first().cloned(),
            more_pending: self.pending.count().saturating_sub(1),
            health: self.health_view(),
            shadow: None,
        }
    }

    /// The word for the banner.
    pub fn state_word(&self) -> StateWord {
        match (&self.control.latch, self.control.arming) {
            (Some(latch), _) if latch.is_kill() => StateWord::Killed,
            (Some(_), _) => StateWord::Tripped,
            _ if !self.control.reconciled || self.equity_now().is_none() => StateWord::Unknown,
            _ if !self.control.reducing.is_empty() => StateWord::Reducing,
            (None, Arming::Armed { .. }) => StateWord::Armed,
            (None, Arming::Safe) => StateWord::Safe,
        }
    }

    /// Instruments whose position is another one at the venue: `ETHUSDT ours 0 venue -0.11`.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &str> {
        let mismatches = self.control.reducing.iter().filter_map(|cause| match cause {
            ReduceCause::Mismatch(what) => Some(what),
            _ => None,
        });
        mismatches.flat_map(|what| what.split(", "))
    }

    fn state_view(&self) -> StateView {
        let open = self.account.open().count() as u16;
        // Of the person's positions none is exited.
        let ours = self.account.open().filter(|held| !self.control.released.contains(&held.symbol)).count() as u16;
        let armed_until = match self.control.arming {
            Arming::Armed { until, .. } => Some(until),
            Arming::Safe => None,
        };
        let mut reducing: Vec<Reduction> = self
            .control
            .reducing
            .iter()
            .map(|cause| Reduction {
                name: cause.symbol().map(|symbol| self.name(symbol).to_owned()),
                why: cause.to_string(),
            })
            .collect();
        if self.state_word() == StateWord::Unknown {
            let why = if !self.account.is_known() {
                "the venue has not said what the account holds"
            } else if self.control.reconciled {
                "equity: a position cannot be valued"
            } else {
                "reconciling with the venue"
            };
            reducing.insert(0, Reduction { name: None, why: why.into() });
        }
        StateView {
            word: self.state_word(),
            armed_until,
            latch: self.control.latch.clone(),
            reducing,
            exiting: if armed_until.is_none() && self.control.latch.is_none() { ours } else { 0 },
            open,
            unresolved: self.unresolved().map(str::to_owned).collect(),
            closing: self.control.close.is_some(),
            flat_proven: self.control.flat_proven,
            receipt: self.control.receipt.clone(),
            guardian: Vec::new(),
            preflight: self.preflight(),
            arming_refused: self.arming_refused(),
            arm_for: self.settings.arm_for,
            max_hold: self.settings.max_hold,
            stays: self.may_leave().err(),
        }
    }

    fn account_view(&self) -> AccountView {
        let equity = self.equity_now();
        let baselines = self.equity.baselines();
        let day_pnl = equity.zip(baselines).map(|(equity, base)| equity - base.day_equity);
        let totals = self.account.totals();
        AccountView {
            equity,
            balance: self.account.balance(),
            day_pnl,
            day_pnl_pct: day_pnl.zip(baselines).map(|(pnl, base)| pnl.ratio_lossy(base.day_equity) * 100.0),
            drawdown_pct: equity.and(self.equity.drawdown_pct_1e9()).map(|pct| pct as f64 / 1e9),
            high_water: baselines.map_or(Money::ZERO, |base| base.high_water),
            theirs: self.account.theirs().map(|theirs| theirs.realised - theirs.fees + theirs.funding),
            realised: totals.realised,
            unrealised: self.account.unrealised(|symbol| self.mark(symbol)),
            fees: totals.fees,
            funding: totals.funding,
            tie_out: self.tie_out,
            margin_used: self.margin_used(),
            trades: totals.trades,
            wins: totals.wins,
            gross_profit: totals.gross_profit,
            gross_loss: totals.gross_loss,
            curve: self.curve.iter().copied().collect(),
        }
    }

    fn margin_used(&self) -> Money {
        let view = self.gate_view();
        self.desks
            .iter()
            .map(|desk| {
                let worst = view.worst(desk.symbol, None).notional();
                if worst == Money::MAX { Money::ZERO } else { worst.times(desk.instrument.tier(worst).initial) }
            })
            .sum()
    }

    fn market_row(&self, desk: &Desk) -> MarketRow {
        let held = self.account.holding(desk.symbol);
        let signal = signal(desk, &self.settings, self.settings.horizon_s, self.now).ok();
        let (change_pct, change_is_24h) = change(desk);
        let (price_decimals, qty_decimals) = desk.decimals();
        MarketRow {
            symbol: desk.symbol,
            name: desk.instrument.name.clone(),
            price_decimals: price_decimals as u8,
            qty_decimals: qty_decimals as u8,
            last: self.freshness(desk.last.map(|last| last.1)),
            direction: desk.direction,
            change_pct,
            change_is_24h,
            spark: desk.spark.iter().copied().collect(),
            spread_bps: half_spread_bps(desk).map(|half| half * 2.0),
            imbalance: imbalance(desk),
            book: desk.book.state(),
            age: desk.heard.map(|heard| self.now.since(heard)),
            probs: signal.map(|s| (s.up, s.flat, s.down)),
            edge_bps: signal.and_then(|s| s.edge_bps),
            position: held.signed,
            unrealised: self.unrealised_of(desk),
            verdict: desk.verdict.clone(),
            timed: desk.wait.map(|wait| (wait.plan, wait.until.since(self.now))),
            warming: self.warming(desk),
        }
    }

    /// Fresh while the connection is alive and the instrument has said anything; the connection's silence makes it stale,
    /// not a thin book that has not moved.
    fn freshness<T>(&self, value: Option<T>) -> Freshness<T> {
        let oldest = self.limits.span(LimitKey::MaxDataAgeMs);
        match (value, self.feed_age()) {
            (Some(value), Some(age)) if age <= oldest => Freshness::Fresh(value),
            (Some(value), Some(age)) => Freshness::Stale { value, age },
            (Some(value), None) => Freshness::Stale { value, age: self.silent_for() },
            (None, _) => Freshness::Missing,
        }
    }

    fn silent_for(&self) -> Span {
        self.desks.iter().filter_map(|d| d.heard).max().map_or(Span(0), |heard| self.now.since(heard))
    }

    fn unrealised_of(&self, desk: &Desk) -> Option<Money> {
        let held = self.account.holding(desk.symbol);
        if held.is_flat() { None } else { desk.mark().map(|mark| held.unrealised(mark)) }
    }

    fn focus_view(&self, desk: &Desk, view: View) -> FocusView {
        let depth = usize::from(view.depth);
        FocusView {
            symbol: desk.symbol,
            category: match desk.instrument.category {
                Category::Linear => desk.instrument.category.word().into(),
                Category::Inverse => "inverse, not traded".into(),
            },
            bids: desk.book.bids().iter().take(depth).collect(),
            asks: desk.book.asks().iter().take(depth).collect(),
            candle: view.candle,
            candles: desk.candles.view(view.candle, CANDLES_SHOWN),
            marks: desk.marks.iter().copied().collect(),
            trades: desk.trades.newest(TRADES_SHOWN),
            mark: self.freshness(desk.mark()),
            funding: desk.ticker.facts().funding_rate.map(|rate| (rate, desk.ticker.facts().next_funding)),
            features: self.feature_rows(desk),
        }
    }

    /// The end of the minute that models of bars were asked about last; long ago where there was none.
    fn last_asked_of_bars(desk: &Desk) -> Ts {
        desk.bars.as_ref().map_or(Ts(0), |bars| bars.closed)
    }

    fn feature_rows(&self, desk: &Desk) -> Vec<(String, f32, bool)> {
        let Some(frame) = &desk.frame else { return Vec::new() };
        let rows = super::features::FEATURES.iter().zip(&frame.values).enumerate();
        let market =
            rows.map(|(index, (spec, value))| (spec.name.to_owned(), *value, desk.features.is_warm(self.now, index)));
        // Of minutes nobody is told whom no model asks about them.
        let asked = self.models.iter().any(|model| model.reads == Set::Bars);
        let bars = asked.then(|| desk.features.bars(self.now)).flatten();
        let minutes = Set::Bars.features().iter().enumerate().filter(|_| asked).map(|(index, spec)| {
            let value = bars.as_ref().and_then(|bars| bars.values.get(index).copied());
            (spec.name.to_owned(), value.unwrap_or_default(), value.is_some())
        });
        market.chain(minutes).collect()
    }

    fn position_rows(&self) -> Vec<PositionRow> {
        self.account
            .open()
            .filter_map(|held| {
                let desk = self.desks.get(held.symbol.index())?;
                let (side, mark) = (held.side()?, desk.mark());
                let released = self.control.released.contains(&held.symbol);
                Some(PositionRow {
                    symbol: held.symbol,
                    name: desk.instrument.name.clone(),
                    side,
                    qty: held.qty(),
                    entry: held.entry_price()?,
                    mark: self.freshness(mark),
                    unrealised: self.unrealised_of(desk),
                    notional: mark.map(|mark| mark * held.qty()),
                    // Of the person's position no exit of ours runs.
                    stop: desk.exits.stop.filter(|_| !released),
                    take_profit: desk.exits.take_profit.filter(|_| !released),
                    liquidation: self.stated_liquidation(desk).price(),
                    age: self.now.since(held.opened),
                    released,
                    close_cost: self.close_cost(desk, held.qty(), side),
                    believed: !self.control.reconciled,
                    protected: self.protected(desk),
                })
            })
            .collect()
    }

    /// Half spread, walk and taker fee of closing now.
    fn close_cost(&self, desk: &Desk, qty: Qty, side: Side) -> Option<Money> {
        let crossing = crossing_bps(desk, side.opposite(), qty)?;
        let notional = desk.book.mid()? * qty;
        // Shown only: a float may become money here because nothing is booked from it.
        let bps = (crossing * 100_000.0) as i64;
        Some(notional.times(super::num::Rate::from_raw(bps)) + notional.times(desk.fees(&self.settings).taker))
    }

    fn order_rows(&self) -> Vec<OrderRow> {
        let ended = self.orders.ended().rev().take(ENDED_SHOWN);
        let ours = self.orders.working().rev().chain(ended).map(|order| self.order_row(order));
        let theirs = self.strangers.iter().map(|(number, order)| self.stranger_row(*number, order));
        let protective = self.protective.iter().map(|(number, order)| self.protective_row(*number, order));
        protective.chain(theirs).chain(ours).collect()
    }

    /// An order of somebody else.
    fn stranger_row(&self, number: OrderSeq, order: &Stranger) -> OrderRow {
        OrderRow {
            filled: order.filled,
            price: order.price.unwrap_or_default(),
            purpose: order.reach.word().to_owned(),
            state: "theirs".into(),
            foreign: Some(order.reach),
            ..self.venue_row(number, &order.order, order.symbol, (order.side, order.qty))
        }
    }

    /// A protective order at the venue: it waits for its price.
    fn protective_row(&self, number: OrderSeq, order: &Protective) -> OrderRow {
        OrderRow {
            price: order.trigger,
            purpose: order.purpose.word().to_owned(),
            state: "@venue".into(),
            protective: true,
            ..self.venue_row(number, &order.order, order.symbol, (order.side, order.qty))
        }
    }

    /// What is alike in the orders that are known by the venue's id alone: they work, and nothing says since when.
    fn venue_row(&self, number: OrderSeq, id: &str, symbol: Symbol, (side, qty): (Side, Qty)) -> OrderRow {
        OrderRow {
            order: number,
            link_id: id.to_owned(),
            name: self.name(symbol).to_owned(),
            symbol,
            side,
            qty,
            filled: Qty::ZERO,
            price: Price::default(),
            purpose: String::new(),
            state: String::new(),
            working: true,
            contested: false,
            protective: false,
            foreign: None,
            age: None,
            reason: String::new(),
        }
    }

    fn order_row(&self, order: &Order) -> OrderRow {
        let intent = &order.intent;
        let working = !order.state.is_terminal();
        OrderRow {
            order: intent.seq,
            link_id: order_link_id(self.pair.account(), &self.run, intent.seq),
            name: self.name(intent.symbol).to_owned(),
            symbol: intent.symbol,
            side: intent.side,
            qty: intent.qty,
            filled: order.filled,
            price: intent.price,
            purpose: intent.purpose.word().to_owned(),
            state: if working && order.cancel_asked.is_some() {
                "cancelling".into()
            } else {
                order.state.word().into()
            },
            working,
            contested: order.contested && working,
            protective: intent.purpose == super::effect::Purpose::Stop,
            foreign: None,
            age: Some(order.ended.unwrap_or(self.now).since(intent.decided)),
            reason: order.reason.clone(),
        }
    }

    fn limit_rows(&self, account: &AccountView) -> Vec<LimitRow> {
        let view = self.gate_view();
        let worst = self.desks.iter().map(|d| (d, view.worst(d.symbol, None).notional())).max_by_key(|w| w.1);
        let totals = view.totals(None);
        let money = |amount: Money| (amount != Money::MAX).then(|| amount.to_f64_lossy());
        LimitKey::all()
            .map(|key| {
                let used = match key {
                    LimitKey::MaxPositionNotional => worst.and_then(|w| money(w.1)),
                    LimitKey::MaxGrossNotional => money(totals.gross),
                    LimitKey::MaxNetNotional => money(totals.net),
                    LimitKey::MaxOpenOrders => Some(self.orders.count() as f64),
                    LimitKey::MaxOrdersPer10s => Some(self.sent_lately() as f64),
                    LimitKey::MaxOrders24h => Some(self.sent.len() as f64),
                    LimitKey::MaxDailyLoss => account.equity.and(self.equity.day_loss()).and_then(money),
                    LimitKey::MaxLoss24h => account.equity.and(self.equity.loss_24h()).and_then(money),
                    LimitKey::MaxDrawdownPct => account.drawdown_pct,
                    LimitKey::MaxLeverage => account
                        .equity
                        .filter(|_| totals.gross != Money::MAX)
                        .map(|equity| totals.gross.ratio_lossy(equity)),
                    LimitKey::MaxDataAgeMs => self.feed_age().map(|age| age.as_ms() as f64),
                    _ => None,
                };
                let value = self.limits.get(key);
                LimitRow {
                    key,
                    value,
                    used,
                    utilisation: used.map(|used| {
                        if value == 0 { f64::from(u8::from(used > 0.0)) } else { used / (value as f64 / 1e9) }
                    }),
                    worst: match key {
                        LimitKey::MaxPositionNotional => {
                            worst.filter(|w| w.1 > Money::ZERO).map(|w| w.0.instrument.name.clone())
                        }
                        _ => None,
                    },
                }
            })
            .collect()
    }

    fn sent_lately(&self) -> usize {
        self.sent.iter().rev().take_while(|then| self.now.since(**then) < Span::from_secs(10)).count()
    }

    fn health_view(&self) -> HealthView {
        let row = |name: &str, health: Health, detail: String| HealthRow { name: name.into(), health, detail };
        let mut rows: Vec<HealthRow> = self
            .preflight()
            .into_iter()
            .filter(|check| HEALTH_CHECKS.contains(&check.name.as_str()))
            .filter(|check| check.health != Health::Skip)
            .map(|Check { name, health, detail }| HealthRow { name, health, detail })
            .collect();
        // An answer without a forecast says only that there is not enough history yet.
        let fresh = |desk: &&Desk| {
            desk.deciding().next().is_some()
                && desk.deciding().all(|(model, forecast)| {
                    // Between two minutes a model of bars has nothing new to say.
                    let reads = self.models.get(model).map(|model| model.reads);
                    if reads == Some(Set::Bars) && self.now.since(Self::last_asked_of_bars(desk)) < BETWEEN_MINUTES {
                        return true;
                    }
                    forecast.is_some_and(|f| {
                        !f.horizons.is_empty() && self.now.since(f.features_at) <= self.settings.prediction_max_age
                    })
                })
        };
        let predictions = self.desks.iter().filter(fresh).count();
        if !self.models.is_empty() {
            let slowest = self.desks.iter().flat_map(|d| d.forecasts.iter().flatten()).map(|p| p.took).max();
            let took = slowest.map_or_else(String::new, |took| format!(" · slowest {} us", took.0 / 1000));
            let health = if predictions == self.desks.len() { Health::Ok } else { Health::Warn };
            let fresh = format!("{predictions} of {} fresh", self.desks.len());
            // Until when comes first: a narrow pane cuts what stands behind it.
            let detail = match self.warming_words() {
                Some(words) => format!("no signal {words} · {fresh}"),
                None => format!("{fresh}{took}"),
            };
            rows.push(row("models", health, detail));
        }
        HealthView {
            rows,
            models: self.models.iter().map(ModelInfo::brief).collect(),
            shadows: self.shadows(),
            feed_age: self.feed_age(),
            feed_down: self.feed_down.clone(),
            events: self.events,
            ..HealthView::default()
        }
    }
}

fn change(desk: &Desk) -> (Option<f64>, bool) {
    let is_24h = desk.ticker.facts().price_24h_ago.is_some();
    let base = desk.ticker.facts().price_24h_ago.or(desk.first);
    let pct = base
        .zip(desk.last)
        .filter(|(base, _)| base.raw() > 0)
        .map(|(base, (_, last))| (last.to_f64_lossy() / base.to_f64_lossy() - 1.0) * 100.0);
    (pct, is_24h)
}

fn imbalance(desk: &Desk) -> Option<f64> {
    let (bid, ask) = desk.book.best()?;
    let (bid, ask) = (bid.qty.to_f64_lossy(), ask.qty.to_f64_lossy());
    (bid + ask > 0.0).then(|| (bid - ask) / (bid + ask))
}

impl Verdict {
    /// One short phrase for a table cell.
    pub fn phrase(&self) -> String {
        let word = |side: &Side| if *side == Side::Buy { "LONG" } else { "SHORT" };
        match self {
            Self::Waiting => "waiting".into(),
            Self::Flat => "flat".into(),
            Self::Entering(side) => format!("{} entering", word(side)),
            Self::Holding(side) => format!("{} held", word(side)),
            Self::Exiting(side) => format!("{} exiting", word(side)),
            Self::Denied(side, denial) => format!("{} blk: {denial}", word(side)),
            Self::Quiet(denial) => denial.to_string(),
        }
    }
}
