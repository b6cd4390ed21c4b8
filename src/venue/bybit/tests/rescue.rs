//! The module of last resort and the gate, at the venue: what is cancelled, what is closed, what is left alone, and that it
//! is proven by the exchange's own answers whatever goes wrong on the way.

use std::collections::BTreeSet;

use super::*;
use crate::engine::effect::{Errand, Protection};
use crate::engine::ids::OrderSeq;
use crate::engine::num::{Price, Qty, Side};
use crate::gate::Gate;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::rescue::{Closer, Ending, Receipt, Rescue, RescueOptions, Whose, is_rescue_link};
use crate::venue::bybit::rest::{Placement, Rest, RestError, RestOptions, VenueClock};

const LONG: Duration = Duration::from_secs(30);

struct Last {
    rig: Rig,
    rest: Rest,
    rescue: Rescue,
    gate: Gate,
    next: std::cell::Cell<u32>,
}

impl Last {
    fn new() -> Self {
        let rig = Rig::new();
        let rescue = Self::rescue(&rig, Closer::Guardian);
        Self { rest: Rest::new(Self::options(&rig)).unwrap(), rig, rescue, gate: Gate::default(), next: 0.into() }
    }

    fn options(rig: &Rig) -> RestOptions {
        RestOptions {
            base: rig.sim.rest_url(),
            credentials: Some(Rig::credentials(SECRET)),
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: SharedLimits::default(),
            clock: Arc::new(VenueClock::default()),
            now: now(),
        }
    }

    fn rescue(rig: &Rig, by: Closer) -> Rescue {
        let (account, run) = (Account::Testnet, Rig::run_id());
        Rescue::new(RescueOptions { rest: Self::options(rig), account, run, by }).unwrap()
    }

    fn leave(&self, reduces: bool) -> Leave {
        Leave::new(&Withdrawn::default(), OrderSeq(0), self.gate.pass(self.gate.epoch(), LONG, reduces))
    }

    fn best(&self, symbol: &str, side: &str, percent: i64) -> Price {
        let markets = self.rig.truth("markets");
        let market = markets.iter().find(|market| market["symbol"] == symbol).unwrap();
        let best = Price::parse(market[side][0][0].as_str().unwrap()).unwrap().raw();
        let price = best / 100 * percent;
        Price::from_raw(price - price % 100_000_000)
    }

    fn placement(&self, link: &str, reduce_only: bool) -> Placement {
        let (side, book, percent) = if reduce_only { (Side::Sell, "asks", 102) } else { (Side::Buy, "bids", 98) };
        Placement {
            symbol: "BTCUSDT".into(),
            link_id: link.into(),
            side,
            qty: Qty::parse("0.01").unwrap(),
            price: self.best("BTCUSDT", book, percent),
            tif: crate::engine::effect::TimeInForce::PostOnly,
            reduce_only,
            protection: Protection::default(),
        }
    }

    /// Rests at the exchange, under an id of ours or of somebody else.
    fn rests(&self, ours: bool, reduce_only: bool) -> String {
        self.next.set(self.next.get() + 1);
        let link = format!("{}-{:06}", if ours { "tt-0000000000" } else { "grid" }, self.next.get());
        let placement = self.placement(&link, reduce_only);
        let leave = self.leave(reduce_only);
        self.rig.runtime.block_on(self.rest.create(&placement, &leave)).unwrap();
        link
    }

    fn holds(&self, symbol: &str, side: &str, qty: &str, idx: u8) {
        self.rig.act(&json!({ "order": { "symbol": symbol, "side": side, "qty": qty, "positionIdx": idx } }));
    }

    fn ours(names: &[&str]) -> Whose {
        Whose::Ours(Arc::new(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    fn close(&self, whose: &Whose, within: Duration) -> (Ending, Vec<String>) {
        let mut receipt = Receipt::new(now(), Box::new(|_| ()));
        let ending = self.rig.runtime.block_on(self.rescue.close(whose, within, &mut receipt));
        (ending, receipt.lines().to_vec())
    }

    fn cancel(&self, whose: &Whose) -> Ending {
        let mut receipt = Receipt::new(now(), Box::new(|_| ()));
        self.rig.runtime.block_on(self.rescue.cancel_openings(whose, LONG, &|| false, &mut receipt))
    }

    /// Ids of open orders.
    fn open(&self) -> BTreeSet<String> {
        let open =
            |row: &&Value| matches!(row["orderStatus"].as_str(), Some("New" | "PartiallyFilled" | "Untriggered"));
        let orders = self.rig.truth("orders");
        orders.iter().filter(open).map(|row| row["orderLinkId"].as_str().unwrap().to_owned()).collect()
    }

    /// Every create has an id of its own: none was sent twice.
    fn assert_sent_once(&self) {
        let mut seen = BTreeSet::new();
        for request in self.rig.truth("requests") {
            if request["path"] == "/v5/order/create" {
                let body = request["body"].to_string();
                assert!(seen.insert(body.clone()), "sent twice: {body}");
            }
        }
    }
}

#[test]
fn step_one_ends_what_can_open_and_nothing_else() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.02", 0);
    let (stranger, reducing) = (last.rests(false, false), last.rests(true, true));
    for _ in 0..4 {
        last.rests(true, false);
    }
    let stop = Protection { stop: Some(last.best("BTCUSDT", "bids", 90)), ..Protection::default() };
    last.rig.runtime.block_on(last.rest.trading_stop("BTCUSDT", stop)).unwrap();
    let kept = last.open().len() - 4;
    let ending = last.cancel(&Last::ours(&["BTCUSDT"]));
    assert!(ending.no_openings, "{ending:?}");
    assert_eq!(ending.others.len(), 1, "the stranger's order is named: {ending:?}");
    let open = last.open();
    assert!(open.contains(&stranger) && open.contains(&reducing), "{open:?}");
    assert_eq!(open.len(), kept, "the stop at the exchange stays");
    assert!(last.cancel(&Whose::Everything).no_openings);
    assert!(!last.open().contains(&stranger));
}

#[test]
fn positions_are_closed_and_flat_is_proven_twice() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    last.holds("ETHUSDT", "Sell", "0.3", 0);
    last.rests(true, false);
    // It stands in the way of a close: together they would be more than is held.
    last.rests(true, true);
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT", "ETHUSDT"]), LONG);
    assert!(ending.flat.is_some() && ending.no_openings && ending.left.is_empty(), "{ending:?} {lines:#?}");
    assert_eq!(last.rig.truth("positions").len(), 0);
    assert_eq!(last.open().len(), 0);
    let text = lines.join("\n");
    for words in ["tt-", "-g1", "order ", "within 10 bp", "(1 of 2)", "(2 of 2)", "FLAT, proven"] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    last.assert_sent_once();
}

#[test]
fn an_errand_ends_one_instrument_whoever_has_it_and_touches_nothing_else() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    last.holds("ETHUSDT", "Sell", "0.3", 0);
    let trigger = last.best("ETHUSDT", "bids", 90).to_string();
    for link in ["grid-1", "grid-2"] {
        last.rig
            .act(&json!({ "conditional": { "symbol": "ETHUSDT", "qty": "0.01", "trigger": trigger, "link": link } }));
    }
    let (ours, others) = (last.rests(true, false), last.rests(false, false));
    let rescue = Last::rescue(&last.rig, Closer::Person);
    let run = |errand: &Errand| {
        let mut receipt = Receipt::new(now(), Box::new(|_| ()));
        let done = last.rig.runtime.block_on(rescue.run_errand(errand, &mut receipt));
        (done, receipt.lines().join("\n"))
    };
    let orders = last.rig.truth("orders");
    let order =
        orders.iter().find(|row| row["orderLinkId"] == "grid-1").unwrap()["orderId"].as_str().unwrap().to_owned();
    last.rig.faults(&json!({ "fail_before": 2, "path": "/v5/order/cancel" }));
    let (done, text) = run(&Errand::Cancel { name: "ETHUSDT".into(), order });
    assert!(done && text.contains("does not list it any more"), "{text}");
    assert_eq!(last.open(), [others.clone(), "grid-2".into(), ours.clone()].into(), "{text}");
    last.rig.faults(&json!({ "fail_after": 1, "path": "/v5/order/create" }));
    let (done, text) = run(&Errand::Close("ETHUSDT".into()));
    assert!(done && text.contains("ETHUSDT FLAT, proven") && text.contains("-p"), "{text}");
    assert_eq!(last.open(), [others, ours].into(), "{text}");
    let held: Vec<String> = last.rig.truth("positions").iter().map(|row| row["symbol"].to_string()).collect();
    assert_eq!(held, ["\"BTCUSDT\""], "{text}");
    last.assert_sent_once();
}

/// More than one round of cancels takes, and the first of them are lost: none is left behind.
#[test]
fn what_protected_ends_too_however_much_it_is() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    for (number, symbol) in ["BTCUSDT", "ETHUSDT"].repeat(7).into_iter().enumerate() {
        let trigger = last.best(symbol, "bids", 90).to_string();
        let link = format!("tt-0000000000-{number:06}");
        last.rig.act(&json!({ "conditional": { "symbol": symbol, "qty": "0.01", "trigger": trigger, "link": link } }));
    }
    let stranger = last.best("BTCUSDT", "bids", 91).to_string();
    let stranger = json!({ "symbol": "BTCUSDT", "qty": "0.01", "trigger": stranger, "link": "grid-1" });
    last.rig.act(&json!({ "conditional": stranger }));
    last.rig.faults(&json!({ "fail_before": 3, "path": "/v5/order/cancel" }));
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT", "ETHUSDT"]), LONG);
    assert!(ending.flat.is_some() && ending.left.is_empty(), "{ending:?} {lines:#?}");
    assert_eq!(last.open().into_iter().collect::<Vec<_>>(), ["grid-1"], "{lines:#?}");
}

/// Without a ledger nobody can say whose a position is: it is not closed, and nothing is called flat.
#[test]
fn a_position_of_which_nobody_can_say_whose_it_is_is_left_and_flat_is_not_proven() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    last.rests(true, false);
    let stranger = last.rests(false, false);
    let (ending, lines) = last.close(&Whose::Unknown, LONG);
    assert_eq!((ending.flat, ending.no_openings), (None, true), "{ending:?} {lines:#?}");
    assert_eq!(ending.unattributed, ["BTCUSDT long 0.05"]);
    assert_eq!(last.open().into_iter().collect::<Vec<_>>(), [stranger]);
    assert!(lines.join(" ").contains("FLAT IS NOT PROVEN: BTCUSDT long 0.05: not known to be ours"), "{lines:#?}");
    last.rig.act(&json!({ "close": { "symbol": "BTCUSDT" } }));
    let (ending, lines) = last.close(&Whose::Unknown, LONG);
    assert!(ending.flat.is_some(), "nothing is open: {ending:?} {lines:#?}");
}

/// A watchdog that comes back to the same run: the venue refuses an id that it has seen.
#[test]
fn two_rescues_of_one_run_use_no_id_twice() {
    let last = Last::new();
    let again = || Last::rescue(&last.rig, Closer::Watchdog);
    for round in 0..2 {
        last.holds("BTCUSDT", "Buy", "0.05", 0);
        let mut receipt = Receipt::new(now(), Box::new(|_| ()));
        let ours = Last::ours(&["BTCUSDT"]);
        let ending = last.rig.runtime.block_on(again().close(&ours, LONG, &mut receipt));
        let text = receipt.lines().join("\n");
        assert!(ending.flat.is_some() && !text.contains("duplicate"), "{round}: {text}");
    }
    let orders = last.rig.truth("orders");
    let links = orders.iter().filter_map(|row| row["orderLinkId"].as_str()).filter(|link| !link.is_empty());
    let links: BTreeSet<&str> = links.collect();
    assert_eq!(links.len(), 2, "{links:?}");
    assert!(links.iter().all(|link| link.len() <= 36 && is_rescue_link(link)), "{links:?}");
}

#[test]
fn both_legs_of_a_hedge_are_closed_by_their_own_index() {
    let last = Last::new();
    last.rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
    last.holds("BTCUSDT", "Buy", "0.03", 1);
    last.holds("BTCUSDT", "Sell", "0.02", 2);
    assert_eq!(last.rig.truth("positions").len(), 2);
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), LONG);
    assert!(ending.flat.is_some(), "{lines:#?}");
    assert_eq!(last.rig.truth("positions").len(), 0);
}

/// Somebody's take-profit for the whole position rests: no other reduce-only order is taken while it does.
#[test]
fn a_resting_reduce_only_order_of_others_that_blocks_the_close_is_cancelled() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.01", 0);
    let blocks = last.rests(false, true);
    last.rig.faults(&json!({ "reduce_only_counts": true }));
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), LONG);
    assert!(ending.flat.is_some(), "{lines:#?}");
    assert_eq!((last.rig.truth("positions").len(), last.open().contains(&blocks)), (0, false));
    assert!(lines.iter().any(|line| line.contains("110017")), "it did block: {lines:#?}");
}

#[test]
fn what_is_released_and_what_others_have_stays() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.02", 0);
    last.holds("ETHUSDT", "Buy", "0.2", 0);
    let stranger = last.rests(false, false);
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), LONG);
    assert!(ending.flat.is_some(), "{lines:#?}");
    let held = last.rig.truth("positions");
    assert_eq!((held.len(), held[0]["symbol"].as_str()), (1, Some("ETHUSDT")));
    assert!(last.open().contains(&stranger));
    assert_eq!(ending.others.len(), 2, "{ending:?}");
    assert!(lines.iter().any(|line| line.contains("left alone") && line.contains("ETHUSDT long 0.2")), "{lines:#?}");
}

#[test]
fn a_book_that_gives_nothing_widens_the_band_up_to_market_and_then_leaves_the_size_to_the_venue() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    last.rig.faults(&json!({ "fill_percent": 0 }));
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), Duration::from_secs(4));
    assert!(ending.flat.is_none() && ending.left == ["BTCUSDT long 0.05"], "{ending:?}");
    let text = lines.join("\n");
    for words in ["within 10 bp", "within 30 bp", "within 100 bp", "0.05 market", "all of it market"] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    last.rig.faults(&json!({ "fill_percent": 100 }));
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), LONG);
    assert!(ending.flat.is_some(), "{lines:#?}");
    last.assert_sent_once();
}

#[test]
fn nothing_on_the_way_keeps_it_from_being_flat() {
    for fault in [
        json!({ "too_many": 4 }),
        json!({ "too_many": 3, "bare_10006": true }),
        json!({ "lose_acks": 2 }),
        json!({ "lose_requests": 2 }),
        json!({ "fail_after": 2 }),
        json!({ "fail_before": 2 }),
        json!({ "fake_codes": 2, "fake_code": 10_016, "fake_after": true }),
        json!({ "fake_codes": 2, "fake_code": 110_017 }),
        json!({ "stall_private": true, "refuse_sockets": true }),
    ] {
        let last = Last::new();
        last.holds("BTCUSDT", "Buy", "0.05", 0);
        last.rests(true, false);
        last.rig.faults(&fault);
        let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), LONG);
        assert!(ending.flat.is_some() && ending.no_openings, "{fault}: {lines:#?}");
        assert_eq!(last.rig.truth("positions").len(), 0, "{fault}");
        assert_eq!(last.open().len(), 0, "{fault}");
        last.assert_sent_once();
    }
}

#[test]
fn what_cannot_be_proven_is_said() {
    let last = Last::new();
    last.holds("BTCUSDT", "Buy", "0.05", 0);
    last.rig.faults(&json!({ "banned": true }));
    let (ending, lines) = last.close(&Last::ours(&["BTCUSDT"]), Duration::ZERO);
    assert!(ending.flat.is_none() && !ending.no_openings && !ending.left.is_empty(), "{ending:?}");
    let text = lines.join("\n");
    assert!(text.contains("close from the phone") && text.contains("FLAT IS NOT PROVEN"), "{text}");
}

#[test]
fn a_kill_while_the_connection_is_made_keeps_the_order_back() {
    // Somebody who takes the connection late: the kernel completes it, and the order's body waits for nothing else.
    let last = Last::new();
    let (leave, placement) = (last.leave(false), last.placement("tt-0000000000-000001", false));
    last.gate.kill();
    let answer = last.rig.runtime.block_on(last.rest.create(&placement, &leave));
    assert!(matches!(&answer, Err(RestError::Unsent(why)) if why.contains("kill")), "{answer:?}");
    // A reducing order of the same moment goes.
    last.holds("BTCUSDT", "Buy", "0.02", 0);
    last.rests(true, true);
    assert_eq!(last.open().len(), 1);
    assert_eq!(last.rig.creates(), 1, "the killed one never arrived");
}
