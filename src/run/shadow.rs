//! Shadow paper: while an account at the venue trades, the paper venue gets the same orders on the same market, with a small
//! account of its own. It shows how far paper and the venue differ; nothing of it reaches the engine or the tape, and
//! the ledger keeps its figures only.

use std::collections::BTreeMap;

use crate::engine::effect::NewOrder;
use crate::engine::event::{Fill, MarketData, OrderNews, OrderUpdate};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::{Money, Qty, Side};
use crate::engine::risk::gate::Approved;
use crate::engine::snapshot::ShadowView;
use crate::engine::time::Ts;
use crate::venue::paper::{PaperVenue, VenueReport};

/// Orders that are followed one by one; older ones are in the sums.
const FOLLOWED_MAX: usize = 512;

/// The paper venue beside a real one.
pub struct Shadow {
    venue: PaperVenue,
    began_with: Money,
    followed: BTreeMap<OrderSeq, Both>,
    sums: Sums,
}

/// One order in both places.
struct Both {
    symbol: Symbol,
    side: Side,
    qty: Qty,
    here: Filled,
    paper: Filled,
    /// What it executed on paper, one by one.
    executed: Vec<Fill>,
}

/// What of an order traded.
#[derive(Clone, Copy, Default)]
struct Filled {
    qty: Qty,
    value: Money,
}

/// Sums over orders.
#[derive(Clone, Copy, Default)]
struct Sums {
    orders: u32,
    /// Sum of the filled parts of orders, 1 for each whole one.
    here: f64,
    paper: f64,
    /// Sum of the price differences in basis points, each weighted by its value here.
    weighted_bps: f64,
    weight: f64,
}

impl Shadow {
    /// Beside a run that begins, with this balance.
    pub const fn new(venue: PaperVenue, balance: Money) -> Self {
        Self { venue, began_with: balance, followed: BTreeMap::new(), sums: Sums::NONE }
    }

    /// Public market data of event time `at`.
    pub fn on_market(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
        self.venue.on_market(at, symbol, data);
    }

    /// An order is on its way to the venue. Where the last look before the wire stops it, [`Self::on_news`] takes it back: paper
    /// would come too late if it waited for the venue's answer.
    pub fn submit(&mut self, at: Ts, order: Approved<NewOrder>) {
        let intent = order.get();
        let both = Both {
            symbol: intent.symbol,
            side: intent.side,
            qty: intent.qty,
            here: Filled::default(),
            paper: Filled::default(),
            executed: Vec::new(),
        };
        self.followed.insert(intent.seq, both);
        self.venue.submit(at, order);
        while self.followed.len() > FOLLOWED_MAX {
            let Some((_, old)) = self.followed.pop_first() else { break };
            self.sums.add(&old);
        }
    }

    /// A cancel has left for the venue.
    pub fn cancel(&mut self, at: Ts, order: OrderSeq) {
        self.venue.cancel(at, order);
    }

    /// What the venue said about an order. One that has ended there ends here: nobody would cancel it any more. One that never
    /// left was never here: it is not counted, and what it traded here is booked back.
    pub fn on_news(&mut self, at: Ts, update: &OrderUpdate) {
        if matches!(update.what, OrderNews::Unsent(_)) {
            if let Some(both) = self.followed.remove(&update.order) {
                self.venue.take_back(at, (both.symbol, both.side, update.order), &both.executed);
            }
            return;
        }
        let Some(both) = self.followed.get_mut(&update.order) else { return };
        let ended = match &update.what {
            OrderNews::Filled(fill) => {
                both.here.add(fill.qty, fill.price * fill.qty);
                both.here.qty >= both.qty
            }
            OrderNews::Rejected(_) | OrderNews::Cancelled(_) => true,
            _ => false,
        };
        if ended {
            self.venue.cancel(at, update.order);
        }
    }

    /// Lets the paper venue do what is due.
    pub fn advance(&mut self, now: Ts) {
        while let Some((_, report)) = self.venue.pop_due(now) {
            if let VenueReport::Order(OrderUpdate { order, what: OrderNews::Filled(fill) }) = report
                && let Some(both) = self.followed.get_mut(&order)
            {
                both.paper.add(fill.qty, fill.price * fill.qty);
                both.executed.push(fill);
            }
        }
    }

    /// Figures for the screen.
    pub fn view(&self) -> ShadowView {
        let mut sums = self.sums;
        self.followed.values().for_each(|both| sums.add(both));
        let part = |filled: f64| (sums.orders > 0).then(|| filled / f64::from(sums.orders));
        ShadowView {
            orders: sums.orders,
            filled_here: part(sums.here),
            filled_paper: part(sums.paper),
            worse_bps: (sums.weight > 0.0).then(|| sums.weighted_bps / sums.weight),
            paper_pnl: self.venue.equity() - self.began_with,
        }
    }
}

impl Filled {
    fn add(&mut self, qty: Qty, value: Money) {
        self.qty = Qty::from_raw(self.qty.raw().saturating_add(qty.raw()));
        self.value += value;
    }
    fn price(&self) -> Option<f64> {
        (!self.qty.is_zero()).then(|| self.value.to_f64_lossy() / self.qty.to_f64_lossy())
    }
}

impl Sums {
    const NONE: Self = Self { orders: 0, here: 0.0, paper: 0.0, weighted_bps: 0.0, weight: 0.0 };

    fn add(&mut self, both: &Both) {
        let whole = both.qty.to_f64_lossy().max(f64::MIN_POSITIVE);
        self.orders = self.orders.saturating_add(1);
        self.here += both.here.qty.to_f64_lossy() / whole;
        self.paper += both.paper.qty.to_f64_lossy() / whole;
        if let (Some(here), Some(paper)) = (both.here.price(), both.paper.price()) {
            let worse = if both.side == Side::Buy { here - paper } else { paper - here };
            let weight = both.here.value.to_f64_lossy();
            self.weighted_bps += worse / paper * 1e4 * weight;
            self.weight += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::config::Config;
    use crate::engine::command::Command;
    use crate::engine::effect::Errand;
    use crate::engine::effect::Protection;
    use crate::engine::event::{Event, Restored};
    use crate::engine::ids::{Account, Pair, RunId};
    use crate::engine::snapshot::StateWord;
    use crate::engine::time::Span;
    use crate::gate::Pass;
    use crate::ledger::{Ledger, RunRow};
    use crate::model::scan;
    use crate::run::decisions::DecisionLog;
    use crate::run::demo::practice;
    use crate::run::driver::{Driver, LedgerPort, Parts};
    use crate::run::feed::Feed;
    use crate::run::inference::Inference;
    use crate::venue::Venue;
    use crate::venue::paper::PaperSettings;
    use crate::venue::simulated::{SimulatedMarket, Weather};

    const START: Ts = Ts::from_ms(1_767_225_600_000);

    fn restored() -> Restored {
        let models = scan(Path::new("models")).into_iter().flatten();
        Restored {
            instruments: SimulatedMarket::instruments(),
            models: models.map(|model| model.info().clone()).collect(),
            settings: practice(Config::default().settings(Account::Paper, START)),
            balance: Money::from_units(10_000),
            ..Restored::empty(RunId::new(START.as_ms(), 0), Pair::TAPE)
        }
    }

    fn paper(latency: Span) -> PaperVenue {
        let settings = PaperSettings { latency, ..PaperSettings::default() };
        PaperVenue::new(settings, SimulatedMarket::instruments(), Money::from_units(10_000), &[])
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::in_memory(Pair::TAPE).unwrap();
        let instruments = SimulatedMarket::instruments();
        ledger.restore(&instruments).unwrap();
        ledger.note_instruments(&instruments).unwrap();
        let (run, balance) = (RunId::new(START.as_ms(), 0), Money::from_units(10_000));
        let (label, version) = (String::new(), String::new());
        ledger.begin_run(&RunRow { run, pair: Pair::TAPE, started: START, label, version, balance }).unwrap();
        ledger
    }

    /// Four minutes of the built-in market, armed.
    fn run(shadow: Option<Shadow>) -> Driver {
        run_at(Box::new(paper(Span::from_ms(120))), shadow)
    }

    fn run_at(venue: Box<dyn Venue>, shadow: Option<Shadow>) -> Driver {
        let parts = Parts {
            restored: restored(),
            feed: Feed::Simulated(Box::new(SimulatedMarket::new(3, Weather::Busy, START))),
            inference: Inference::inline(scan(Path::new("models")).into_iter().flatten().collect()),
            venue: Some(venue),
            shadow,
            ledger: LedgerPort::Inline(Box::new(ledger())),
            tape: None,
            decisions: DecisionLog::new(None),
            latch_beside: None,
            gate: crate::gate::Gate::default(),
        };
        let mut driver = Driver::start(START, parts, false);
        driver.advance(START + Span::from_secs(5), usize::MAX >> 1);
        driver.command(Command::Arm { lasts: Span::from_secs(3_600) });
        assert_eq!(driver.engine().state_word(), StateWord::Armed);
        driver.advance(START + Span::from_secs(240), usize::MAX >> 1);
        driver
    }

    #[test]
    fn no_decision_changes_beside_a_shadow_and_the_shadow_of_paper_is_paper() {
        let alone = run(None);
        let beside = run(Some(Shadow::new(paper(Span::from_ms(120)), Money::from_units(10_000))));
        assert_eq!(alone.decisions().hash(), beside.decisions().hash());
        let view = beside.shadow().unwrap();
        assert!(view.orders > 2, "{view:?} {:?}", beside.engine().latch());
        assert_eq!((view.filled_here, view.worse_bps), (view.filled_paper, Some(0.0)));
        let totals = beside.engine().account().totals();
        assert!(beside.engine().fills() > 2 && totals.fees > Money::ZERO);
        assert_eq!(Some(view.paper_pnl), beside.engine().equity().map(|equity| equity - Money::from_units(10_000)));
    }

    #[test]
    fn a_faster_paper_venue_differs_and_decisions_do_not() {
        let alone = run(None);
        let beside = run(Some(Shadow::new(paper(Span::from_ms(1)), Money::from_units(10_000))));
        assert_eq!(alone.decisions().hash(), beside.decisions().hash());
        assert_ne!(beside.shadow().unwrap().worse_bps, Some(0.0));
    }

    /// A way to a venue whose last look lets nothing pass, and says so when paper has long traded.
    struct Shut {
        account: PaperVenue,
        news: VecDeque<(Ts, OrderSeq)>,
        asked: Arc<AtomicUsize>,
    }

    impl Venue for Shut {
        fn on_market(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
            self.account.on_market(at, symbol, data);
        }
        fn submit(&mut self, at: Ts, order: Approved<NewOrder>, _: &str, _: Pass) {
            // Before, while and after paper hears of it and tells.
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let late = [Span(0), Span::from_ms(15), Span::from_ms(400)][asked % 3];
            self.news.push_back((at + late, order.get().seq));
        }
        fn cancel(&mut self, _: Ts, _: OrderSeq) {}
        fn ask(&mut self, at: Ts) {
            self.account.ask(at);
        }
        fn tie_out(&mut self, _: Ts) {}
        fn protect(&mut self, _: Ts, _: Symbol, _: Protection) {}
        fn cancel_by_id(&mut self, _: Ts, _: Symbol, _: &str) {}
        fn retry(&mut self, _: Ts) {}
        fn run_errand(&mut self, _: Ts, _: Errand) {}
        fn settle(&mut self, _: Ts, _: OrderSeq) {}
        fn collect(&mut self) {}
        fn next_due(&self) -> Option<Ts> {
            let news = self.news.front().map(|(at, _)| *at);
            [news, self.account.next_due()].into_iter().flatten().min()
        }
        fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)> {
            let Some((at, order)) = self.news.pop_front_if(|(at, _)| *at <= now) else {
                return Venue::pop_due(&mut self.account, now);
            };
            Some((at, Event::Order(OrderUpdate { order, what: OrderNews::Unsent("withdrawn".into()) })))
        }
    }

    #[test]
    fn what_never_left_is_not_counted_and_leaves_nothing_on_paper() {
        let balance = Money::from_units(10_000);
        let asked = Arc::<AtomicUsize>::default();
        let shut = Shut { account: paper(Span::from_ms(120)), news: VecDeque::new(), asked: asked.clone() };
        let driver = run_at(Box::new(shut), Some(Shadow::new(paper(Span::from_ms(10)), balance)));
        let view = driver.shadow().unwrap();
        assert!(asked.load(Ordering::Relaxed) > 5, "it decided");
        assert_eq!((view.orders, view.paper_pnl), (0, Money::ZERO));
    }
}
