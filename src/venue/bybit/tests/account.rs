//! The account: every order is sent once, and its truth is found whatever is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::engine::effect::{NewOrder, Purpose, TimeInForce};
use crate::engine::event::{AccountUpdate, Event, Fault, Hold, MarketData, OrderNews, Statement};
use crate::engine::ids::{OrderSeq, Symbol, order_link_id};
use crate::engine::market::instrument::InstrumentStatus;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::risk::gate::Approved;
use crate::engine::risk::verdict::DenialCode;
use crate::venue::Venue;
use crate::venue::bybit::account::requests::cancel;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::rest::{Placement, Rest, RestError, RestOptions, VenueClock};
use crate::venue::bybit::trade::TradeSocket;

/// Nothing stands in the way of this order.
fn leave() -> Leave {
    Leave::new(&Withdrawn::default(), OrderSeq(0), false)
}

/// The venue and everything it said.
struct Talk {
    venue: BybitVenue,
    events: Vec<Event>,
    next: u64,
}

impl Talk {
    fn new(venue: BybitVenue) -> Self {
        Self { venue, events: Vec::new(), next: 0 }
    }

    /// Connected, and the account is known and reached.
    fn open(rig: &Rig, transport: Transport) -> Self {
        let mut talk = Self::new(rig.venue(transport));
        talk.until("the account", |talk| {
            let opened = talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Opening(_))));
            opened && talk.held(DenialCode::VenueUnreachable).is_none()
        });
        talk
    }

    fn listen(&mut self) {
        self.venue.collect();
        while let Some((_, event)) = self.venue.pop_due(Ts(i64::MAX)) {
            self.events.push(event);
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        wait(what, || {
            self.listen();
            done(self).then_some(())
        });
    }

    fn order(&mut self, side: Side, qty: &str, price: &str, tif: TimeInForce, reduce_only: bool) -> OrderSeq {
        self.next += 1;
        let seq = OrderSeq(self.next);
        let order = NewOrder {
            seq,
            symbol: Symbol(0),
            side,
            qty: Qty::parse(qty).unwrap(),
            price: Price::parse(price).unwrap(),
            tif,
            reduce_only,
            purpose: Purpose::Entry,
            decided: wall(),
        };
        self.venue.submit(wall(), Approved::for_test(order), &order_link_id(Account::Testnet, &Rig::run_id(), seq));
        seq
    }

    /// Takes what is there at a price above the market.
    fn buy(&mut self, rig: &Rig, qty: &str) -> OrderSeq {
        let price = touch(rig, "asks", 102);
        self.order(Side::Buy, qty, &price, TimeInForce::ImmediateOrCancel, false)
    }

    /// Rests below the market.
    fn rest(&mut self, rig: &Rig, qty: &str) -> OrderSeq {
        let price = touch(rig, "bids", 98);
        self.order(Side::Buy, qty, &price, TimeInForce::PostOnly, false)
    }

    fn news(&self, seq: OrderSeq) -> Vec<&OrderNews> {
        let orders = self.events.iter().filter_map(|e| if let Event::Order(update) = e { Some(update) } else { None });
        orders.filter(|update| update.order == seq).map(|update| &update.what).collect()
    }

    fn filled(&self, seq: OrderSeq) -> Qty {
        let fills = self
            .news(seq)
            .into_iter()
            .filter_map(|n| if let OrderNews::Filled(fill) = n { Some(fill.qty) } else { None });
        fills.sum()
    }

    fn has(&self, seq: OrderSeq, what: fn(&OrderNews) -> bool) -> bool {
        self.news(seq).into_iter().any(what)
    }

    /// A hold that is in force.
    fn held(&self, code: DenialCode) -> Option<&Hold> {
        let holds = self.events.iter().rev().filter_map(|e| if let Event::Hold(hold) = e { Some(hold) } else { None });
        holds.into_iter().find(|hold| hold.code == code).filter(|hold| hold.detail.is_some())
    }

    fn statement(&mut self) -> Statement {
        let before = self.events.len();
        self.venue.ask(wall());
        let mut found = None;
        self.until("a statement", |talk| {
            found = talk.events[before..].iter().find_map(|e| match e {
                Event::Account(AccountUpdate::Statement(statement)) => Some(statement.clone()),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }

    fn told(&self, words: &str) -> bool {
        self.events.iter().any(|e| matches!(e, Event::Told(text) if text.contains(words)))
    }

    /// No execution was told twice.
    fn assert_fills_once(&self) {
        let mut seen = BTreeSet::new();
        for event in &self.events {
            if let Event::Order(update) = event
                && let OrderNews::Filled(fill) = &update.what
            {
                assert!(seen.insert(fill.exec_id.clone()), "told twice: {fill:?}");
            }
        }
    }
}

/// A price this many per cent of the best one, on a tenth.
fn touch(rig: &Rig, side: &str, percent: i64) -> String {
    let markets = rig.truth("markets");
    let market = markets.iter().find(|market| market["symbol"] == "BTCUSDT").unwrap();
    let best = Price::parse(market[side][0][0].as_str().unwrap()).unwrap().raw();
    let price = best / 100 * percent;
    Price::from_raw(price - price % 100_000_000).to_string()
}

const ONE_LOT: &str = "0.01";

#[test]
fn an_order_lives_and_ends_as_the_exchange_says() {
    for transport in [Transport::Rest, Transport::Socket] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, transport);
        let bought = talk.buy(&rig, ONE_LOT);
        talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
        let rests = talk.rest(&rig, ONE_LOT);
        talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
        let statement = talk.statement();
        assert_eq!(statement.working, [rests]);
        assert_eq!(statement.positions, [(Symbol(0), Qty::parse(ONE_LOT).unwrap().raw())]);
        talk.venue.cancel(wall(), rests);
        talk.until("its end", |talk| {
            talk.has(rests, |n| matches!(n, OrderNews::Cancelled(why) if why.contains("request")))
        });
        let crossing = touch(&rig, "asks", 102);
        let would_take = talk.order(Side::Buy, ONE_LOT, &crossing, TimeInForce::PostOnly, false);
        talk.until("post-only", |talk| {
            talk.has(would_take, |n| matches!(n, OrderNews::Cancelled(why) if why.contains("post-only")))
        });
        let low = touch(&rig, "bids", 98);
        let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
        talk.until("flat", |talk| talk.filled(sold) == Qty::parse(ONE_LOT).unwrap());
        let statement = talk.statement();
        assert_eq!((statement.positions, statement.working), (vec![], vec![]));
        talk.assert_fills_once();
        assert_eq!(rig.creates(), 4);
    }
}

#[test]
fn a_lost_answer_is_settled_by_asking_and_nothing_is_sent_twice() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    // Executed, but neither the answer nor any push arrives.
    rig.faults(&json!({ "lose_acks": 1, "skip_pushes": 20 }));
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the doubt", |talk| talk.has(bought, |n| matches!(n, OrderNews::Uncertain(_))));
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    assert_eq!((rig.creates(), rig.truth("orders").len()), (1, 1));
    // A gateway's page instead of an answer is no answer either, and a code that says neither yes nor no.
    rig.faults(&json!({ "skip_pushes": 0, "fail_after": 1 }));
    let second = talk.buy(&rig, ONE_LOT);
    talk.until("the second fill", |talk| talk.filled(second) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "fake_codes": 1, "fake_code": 10016, "fake_after": true }));
    let third = talk.buy(&rig, ONE_LOT);
    talk.until("the third fill", |talk| talk.filled(third) == Qty::parse(ONE_LOT).unwrap());
    assert_eq!((rig.creates(), rig.truth("orders").len()), (3, 3));
    talk.assert_fills_once();
}

#[test]
fn a_request_that_never_arrived_stays_in_doubt_and_is_not_repeated() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "lose_requests": 1 }));
    let lost = talk.buy(&rig, ONE_LOT);
    talk.until("the doubt", |talk| talk.has(lost, |n| matches!(n, OrderNews::Uncertain(_))));
    let next = talk.buy(&rig, ONE_LOT);
    talk.until("another order", |talk| talk.filled(next) == Qty::parse(ONE_LOT).unwrap());
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse(ONE_LOT).unwrap().raw())]);
    assert!(!talk.has(lost, |n| matches!(n, OrderNews::Rejected(_) | OrderNews::Filled(_))));
    assert_eq!(rig.truth("orders").len(), 1);
}

#[test]
fn lost_repeated_and_late_pushes_end_in_the_same_books() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    // Answered, but none of its pushes comes.
    rig.faults(&json!({ "skip_pushes": 20 }));
    let silent = talk.buy(&rig, ONE_LOT);
    talk.until("the fill without a push", |talk| talk.filled(silent) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "skip_pushes": 0, "repeat_pushes": 20, "double_filled": 1, "ack_delay_ms": 300 }));
    let twice = talk.buy(&rig, ONE_LOT);
    talk.until("the fill told twice", |talk| talk.filled(twice) == Qty::parse(ONE_LOT).unwrap());
    // Filled while the stream is away.
    let rests = talk.rest(&rig, ONE_LOT);
    talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
    rig.act(&json!({ "drop": "private" }));
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "-0.05" } }));
    talk.until("the fill that was missed", |talk| talk.filled(rests) == Qty::parse(ONE_LOT).unwrap());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse("0.03").unwrap().raw())]);
    talk.assert_fills_once();
}

#[test]
fn a_burst_of_too_many_requests_is_a_refusal_and_passes() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "too_many": 1, "bare_10006": true }));
    let refused = talk.buy(&rig, ONE_LOT);
    talk.until("the refusal", |talk| {
        talk.has(refused, |n| matches!(n, OrderNews::Rejected(why) if why.contains("too many")))
    });
    // An opening order does not wait for a budget: its price grows old. A closing one does.
    let low = touch(&rig, "asks", 102);
    let waits = talk.order(Side::Buy, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.until("an answer", |talk| {
        talk.has(waits, |n| matches!(n, OrderNews::Rejected(why) if why.contains("110017")))
    });
}

#[test]
fn a_ban_is_named_with_its_end_and_with_what_to_do() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let detail = talk.held(DenialCode::VenueBanned).unwrap().detail.clone().unwrap();
    assert!(detail.contains("Bybit app > Derivatives > Positions"), "{detail}");
    // Nothing leaves any more, and what did not leave is no mystery.
    let before = rig.creates();
    let unsent = talk.buy(&rig, ONE_LOT);
    talk.until("not sent", |talk| talk.has(unsent, |n| matches!(n, OrderNews::Unsent(_))));
    assert_eq!(rig.creates(), before);
}

#[test]
fn while_rest_is_banned_the_trade_socket_still_closes() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Socket);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let low = touch(&rig, "bids", 98);
    let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.until("closed all the same", |talk| talk.filled(sold) == Qty::parse(ONE_LOT).unwrap());
    let opens = talk.buy(&rig, ONE_LOT);
    talk.until("opening waits", |talk| talk.has(opens, |n| matches!(n, OrderNews::Unsent(_))));
}

#[test]
fn a_trade_socket_that_answers_without_a_name_leaves_doubt_that_is_settled() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Socket);
    let first = talk.buy(&rig, ONE_LOT);
    talk.until("the socket works", |talk| talk.filled(first) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "stall_trade": true }));
    let silent = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(silent) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json_null());
    assert_eq!(rig.truth("orders").len(), 2);
    talk.assert_fills_once();
}

#[test]
fn hedge_mode_is_named_with_both_legs() {
    let rig = Rig::new();
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Sell", "qty": "0.02", "positionIdx": 2 } }));
    let talk = Talk::open(&rig, Transport::Rest);
    let hold = talk.held(DenialCode::PositionModeHedge).unwrap();
    assert_eq!(hold.symbol, Some(Symbol(0)));
    let detail = hold.detail.as_ref().unwrap();
    assert!(detail.contains("long 0, short 0.02") && detail.contains("One-Way"), "{detail}");
}

#[test]
fn a_refused_key_is_named() {
    let rig = Rig::new();
    let mut talk = Talk::new(rig.venue_with(Transport::Rest, "another-secret"));
    talk.until("the refusal", |talk| talk.held(DenialCode::VenueKeyRefused).is_some());
    let shown = format!("{:?}", talk.events);
    assert!(!shown.contains("another-secret") && !shown.contains(KEY), "no secret is told: {shown}");
}

#[test]
fn what_an_earlier_run_left_is_cancelled_and_what_others_left_is_counted() {
    let rig = Rig::new();
    let rest = client(&rig);
    let price = Price::parse(&touch(&rig, "bids", 95)).unwrap();
    let place = |link: &str| Placement {
        symbol: "BTCUSDT".into(),
        link_id: link.into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price,
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
    };
    for link in ["tt-earlierrun-000001", "somebody-else"] {
        rig.runtime.block_on(rest.create(&place(link), &leave())).unwrap();
    }
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } }));
    let talk = Talk::open(&rig, Transport::Rest);
    assert!(talk.told("1 resting order(s) of an earlier run"), "{:?}", talk.events);
    let opening = talk.events.iter().find_map(|e| match e {
        Event::Account(AccountUpdate::Opening(opening)) => Some(opening.clone()),
        _ => None,
    });
    let opening = opening.unwrap();
    assert_eq!(opening.foreign_orders, 1);
    assert_eq!(opening.holdings.len(), 1);
    assert_eq!(opening.holdings[0].signed, Qty::parse("0.02").unwrap().raw());
    let open = rig.runtime.block_on(rest.open_orders()).unwrap();
    assert_eq!(open.good.iter().filter_map(|row| row.link_id.as_deref()).collect::<Vec<_>>(), ["somebody-else"]);
}

#[test]
fn funding_liquidation_and_foreign_trades_are_told() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    rig.act(&json!({ "funding": { "symbol": "BTCUSDT" } }));
    talk.until("funding", |talk| {
        talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Funding { .. })))
    });
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } }));
    talk.until("a trade that is not ours", |talk| {
        let two = Qty::parse("0.02").unwrap();
        talk.events.iter().any(
            |e| matches!(e, Event::Account(AccountUpdate::Foreign { side: Side::Buy, fill, .. }) if fill.qty == two),
        )
    });
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse("0.03").unwrap().raw())]);
    rig.act(&json!({ "liquidate": {} }));
    talk.until("liquidation", |talk| {
        talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Liquidated { side: Side::Sell, .. })))
    });
}

#[test]
fn a_signed_read_survives_a_wrong_clock() {
    let rig = Rig::new();
    rig.faults(&json!({ "clock_skew_ms": 7_000 }));
    let rest = client(&rig);
    // The first answer says that the stamp is too old; the clock is measured and the read repeated.
    let wallet = rig.runtime.block_on(rest.wallet()).unwrap();
    assert!(wallet.coins.iter().any(|coin| coin.coin == "USDT" && coin.balance == Money::from_units(10_000)));
    // A create is never repeated, whatever the code.
    rig.faults(&json!({ "clock_skew_ms": -7_000 }));
    let order = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-x-000001".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
    };
    let refused = rig.runtime.block_on(rest.create(&order, &leave()));
    assert!(matches!(refused, Err(RestError::Refused { code: 10_002, .. })), "{refused:?}");
    assert_eq!(rig.truth("orders").len(), 0);
}

fn client(rig: &Rig) -> Rest {
    let credentials = Rig::credentials(SECRET);
    let hosts = PrivateHosts::new(&credentials, &rig.overrides()).unwrap();
    Rest::new(RestOptions {
        base: hosts.rest().to_owned(),
        credentials: Some(credentials),
        recv_window_ms: 5_000,
        create_recv_window_ms: 2_500,
        proxy: None,
        limits: rig.limits.clone(),
        clock: Arc::new(VenueClock::default()),
        now: now(),
    })
    .unwrap()
}

/// A kill or disarm cancels what is still on its way to the wire: it never gets there, on either transport.
#[test]
fn what_is_cancelled_before_it_is_written_never_leaves() {
    for transport in [Transport::Rest, Transport::Socket] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, transport);
        let before = rig.creates();
        let next = OrderSeq(talk.next + 1);
        talk.venue.cancel(wall(), next);
        let order = talk.buy(&rig, ONE_LOT);
        assert_eq!(order, next);
        talk.until("the end of the order", |talk| talk.has(order, |news| matches!(news, OrderNews::Unsent(_))));
        let other = talk.buy(&rig, ONE_LOT);
        talk.until("the other order", |talk| !talk.filled(other).is_zero());
        assert_eq!((rig.creates() - before, talk.filled(order)), (1, Qty::ZERO));
    }
}

#[test]
fn an_order_that_comes_before_the_account_is_known_never_leaves() {
    let rig = Rig::new();
    let mut talk = Talk::new(rig.venue(Transport::Rest));
    let low = touch(&rig, "bids", 98);
    let reduces = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    let opens = talk.buy(&rig, ONE_LOT);
    talk.until("the account", |talk| talk.events.iter().any(is_lift));
    for order in [reduces, opens] {
        let news = talk.news(order);
        assert!(matches!(&news[..], [OrderNews::Unsent(why)] if why.contains("not been read yet")), "{news:?}");
    }
    assert_eq!(rig.creates(), 0);
}

#[test]
fn a_batch_is_answered_item_by_item_and_a_lost_answer_leaves_every_item_in_doubt() {
    let rig = Rig::new();
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.05", "positionIdx": 0 } }));
    let rest = client(&rig);
    let sell = |seq: u64, symbol: &str, price: &str| Placement {
        symbol: symbol.into(),
        link_id: format!("tt-x-{seq:06}"),
        side: Side::Sell,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(price).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: true,
    };
    let high = touch(&rig, "asks", 102);
    let withdrawn = Withdrawn::default();
    withdrawn.withdraw(OrderSeq(3));
    let batch = |orders: [Placement; 3]| {
        let with_leave = (1..).zip(orders).map(|(seq, order)| (order, Leave::new(&withdrawn, OrderSeq(seq), true)));
        rig.runtime.block_on(rest.create_batch(&with_leave.collect::<Vec<_>>()))
    };
    let orders = [sell(1, "BTCUSDT", &high), sell(2, "ETHUSDT", "3000"), sell(3, "BTCUSDT", &high)];
    let links: Vec<_> = orders.iter().map(|order| (order.symbol.clone(), order.link_id.clone())).collect();
    let answers = batch(orders);
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(RestError::Refused { code: 110_017, .. })), "{answers:?}");
    assert!(matches!(answers[2], Err(RestError::Unsent(_))), "withdrawn while it waited: {answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good.len(), 1);
    let answers = rig.runtime.block_on(rest.cancel_batch(&links));
    assert!(answers[0].is_ok() && answers[1].is_err(), "{answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good, []);
    // Executed, and the answer is lost: nobody knows of any of them.
    rig.faults(&json!({ "lose_acks": 1 }));
    let answers = batch([sell(4, "BTCUSDT", &high), sell(5, "BTCUSDT", &high), sell(6, "BTCUSDT", &high)]);
    let unclear = |answer: &Result<_, RestError>| matches!(answer, Err(RestError::Ambiguous(_)));
    assert!(unclear(&answers[0]) && unclear(&answers[1]) && !unclear(&answers[2]), "{answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good.len(), 2);
}

#[test]
fn what_closes_together_leaves_together() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, "0.05");
    talk.until("the position", |talk| talk.filled(bought) == Qty::parse("0.05").unwrap());
    let low = touch(&rig, "bids", 98);
    let sold: Vec<OrderSeq> =
        (0..5).map(|_| talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true)).collect();
    talk.until("flat", |talk| sold.iter().all(|order| talk.filled(*order) == Qty::parse(ONE_LOT).unwrap()));
    talk.assert_fills_once();
    assert_eq!(rig.truth("orders").len(), 6, "each was sent once");
}

#[test]
fn what_the_account_pays_is_told_and_nothing_is_set_at_the_exchange() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let paid = |symbol, event: &Event| matches!(event, Event::Account(AccountUpdate::Fees { symbol: told, .. }) if *told == symbol);
    talk.until("the fees", |talk| {
        [Symbol(0), Symbol(1)].iter().all(|symbol| talk.events.iter().any(|e| paid(*symbol, e)))
    });
    let settings = rig.runtime.block_on(client(&rig).user_settings()).unwrap();
    assert_eq!(settings.refuses_outside_band, Some(false), "settings change by `doctor --fix` only");
    assert!(talk.told("doctor --fix"), "{:?}", talk.events);
}

#[test]
fn portfolio_margin_holds_by_name_until_it_is_left() {
    let rig = Rig::new();
    rig.act(&json!({ "margin": { "mode": "PORTFOLIO_MARGIN" } }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    let why = talk.held(DenialCode::VenueRefused).and_then(|hold| hold.detail.clone()).unwrap();
    assert!(why.contains("portfolio margin"), "{why}");
    rig.act(&json!({ "margin": { "mode": "REGULAR_MARGIN" } }));
    rig.act(&json!({ "drop": "private" }));
    talk.until("the end of the hold", |talk| talk.held(DenialCode::VenueRefused).is_none());
}

#[test]
fn a_refusal_that_hints_at_other_rules_has_them_read_at_once() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.act(&json!({ "status": { "symbol": "BTCUSDT", "status": "Delivering" } }));
    let refused = talk.buy(&rig, ONE_LOT);
    talk.until("the refusal", |talk| talk.has(refused, |n| matches!(n, OrderNews::Rejected(_))));
    talk.until("its rules", |talk| {
        let halted = |e: &Event| matches!(e, Event::Market(Symbol(0), MarketData::Rules(rules)) if rules.status == InstrumentStatus::Halted);
        talk.events.iter().any(halted)
    });
}

/// Where an event stands in what was said.
fn place(events: &[Event], what: impl Fn(&Event) -> bool) -> Option<usize> {
    events.iter().position(what)
}

fn is_lift(event: &Event) -> bool {
    matches!(event, Event::Hold(hold) if hold.code == DenialCode::VenueUnreachable && hold.detail.is_none())
}

fn is_statement(event: &Event) -> bool {
    matches!(event, Event::Account(AccountUpdate::Statement(_)))
}

#[test]
fn after_an_outage_the_statement_comes_before_the_account_counts_as_reached() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    assert!(place(&talk.events, is_statement) < place(&talk.events, is_lift), "at the start, too");
    let rests = talk.rest(&rig, ONE_LOT);
    talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
    let before = talk.events.len();
    // Filled while nobody listened, and no list shows the execution: the books disagree.
    rig.faults(&json!({ "hide_executions_ms": 600_000 }));
    rig.act(&json!({ "drop": "private" }));
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "-0.05" } }));
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let since = &talk.events[before..];
    let (stated, lifted) = (place(since, is_statement), place(since, is_lift));
    assert!(stated.is_some() && stated < lifted, "{since:?}");
    let held = Qty::parse(ONE_LOT).unwrap().raw();
    let Event::Account(AccountUpdate::Statement(statement)) = &since[stated.unwrap()] else { panic!() };
    assert_eq!(statement.positions, [(Symbol(0), held)]);
}

#[test]
fn funding_whose_push_was_lost_comes_before_the_statement_that_shows_it() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    talk.statement();
    rig.faults(&json!({ "skip_pushes": 20 }));
    rig.act(&json!({ "funding": { "symbol": "BTCUSDT" } }));
    let before = talk.events.len();
    talk.statement();
    let since = &talk.events[before..];
    let funding = place(since, |e| matches!(e, Event::Account(AccountUpdate::Funding { .. })));
    assert!(funding.is_some() && funding < place(since, is_statement), "{since:?}");
}

#[test]
fn an_order_of_an_earlier_run_that_turns_up_late_is_cancelled() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let rest = client(&rig);
    let late = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-earlierrun-000009".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
    };
    rig.runtime.block_on(rest.create(&late, &leave())).unwrap();
    talk.statement();
    talk.until("the news of it", |talk| talk.told("an earlier run turned up"));
    wait("its end", || rig.runtime.block_on(rest.open_orders()).unwrap().good.is_empty().then_some(()));
}

#[test]
fn an_engine_that_trades_beside_us_is_noticed() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let rest = client(&rig);
    let noticed = |talk: &Talk| {
        let another =
            |event: &Event| matches!(event, Event::Fault(Fault::Internal(why)) if why.contains("another engine"));
        talk.events.iter().filter(|event| another(event)).count()
    };
    // Its orders come all the time; those of the first moments may have been on their way.
    for number in 0.. {
        let theirs = Placement {
            symbol: "BTCUSDT".into(),
            link_id: format!("tt-anotherrun-{number:06}"),
            side: Side::Buy,
            qty: Qty::parse(ONE_LOT).unwrap(),
            price: Price::parse(&touch(&rig, "asks", 102)).unwrap(),
            tif: TimeInForce::ImmediateOrCancel,
            reduce_only: false,
        };
        // The budget may have no room: the next one will.
        rig.runtime.block_on(rest.create(&theirs, &leave())).ok();
        talk.statement();
        if noticed(&talk) > 0 {
            break;
        }
    }
    talk.statement();
    assert_eq!(noticed(&talk), 1, "told once");
}

#[test]
fn hedge_mode_that_was_switched_off_holds_no_longer() {
    let rig = Rig::new();
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.until("the hold", |talk| talk.held(DenialCode::PositionModeHedge).is_some());
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": false } }));
    talk.statement();
    talk.until("its end", |talk| talk.held(DenialCode::PositionModeHedge).is_none());
}

#[test]
fn a_stream_task_that_ends_is_noticed_and_made_anew() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.venue.end_stream();
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
}

#[test]
fn without_the_accounts_task_nothing_is_silent() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.venue.end_task();
    talk.until("the hold", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    let order = talk.buy(&rig, ONE_LOT);
    talk.until("not sent", |talk| talk.has(order, |n| matches!(n, OrderNews::Unsent(_))));
    assert_eq!(rig.creates(), 0);
}

#[test]
fn a_key_that_may_only_read_stays_held_when_the_stream_comes_up() {
    let rig = Rig::new();
    rig.faults(&json!({ "read_only_key": true }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    assert!(talk.held(DenialCode::VenueKeyRefused).is_some());
    rig.act(&json!({ "drop": "private" }));
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    assert!(
        talk.held(DenialCode::VenueKeyRefused).is_some_and(|hold| hold.detail.as_ref().unwrap().contains("only read"))
    );
    // The person allowed more meanwhile: read anew with the next connection.
    rig.faults(&json!({ "read_only_key": false }));
    rig.act(&json!({ "drop": "private" }));
    talk.until("the key", |talk| talk.held(DenialCode::VenueKeyRefused).is_none());
}

#[test]
fn a_cancel_that_the_trade_socket_does_not_take_goes_by_rest() {
    let rig = Rig::new();
    let rest = client(&rig);
    let resting = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-x-000001".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
    };
    rig.runtime.block_on(rest.create(&resting, &leave())).unwrap();
    let (trade, _asked) = TradeSocket::stuck(rest.clone());
    rig.runtime.block_on(cancel(&rest, Some(trade), "BTCUSDT", &resting.link_id)).unwrap();
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good, []);
}

#[test]
fn a_ban_that_was_renewed_is_not_lifted() {
    let rig = Rig::new();
    let later = Arc::new(AtomicI64::new(0));
    let clock = {
        let later = later.clone();
        Arc::new(move || wall() + Span(later.load(Ordering::SeqCst)))
    };
    let mut talk = Talk::new(rig.venue_at(Transport::Rest, SECRET, clock));
    talk.until("the account", |talk| talk.events.iter().any(is_lift));
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let first = talk.held(DenialCode::VenueBanned).cloned();
    // Somebody else on this address was refused five minutes later; then the first ban is over.
    rig.limits.lock().unwrap().ban(wall() + Span::from_secs(300));
    later.store(Span::from_secs(610).0, Ordering::SeqCst);
    talk.venue.ask(wall());
    talk.until("the new ban", |talk| talk.held(DenialCode::VenueBanned) != first.as_ref());
    let lifted =
        |e: &Event| matches!(e, Event::Hold(hold) if hold.code == DenialCode::VenueBanned && hold.detail.is_none());
    assert_eq!(place(&talk.events, lifted), None);
}
