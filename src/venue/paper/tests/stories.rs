//! What the venue does, told as short stories: one order, one market, the reports in order.

use super::super::*;
use super::story::{Story, words};
use super::{m, ms, p, q};
use crate::engine::effect::TimeInForce;
use crate::engine::event::Ticker;
use crate::engine::num::{Qty, Side};

use Side::{Buy, Sell};
use TimeInForce::{GoodTillCancel as Gtc, ImmediateOrCancel as Ioc, PostOnly};

#[test]
fn an_order_meets_the_book_of_its_arrival_and_is_reported_one_latency_later() {
    let mut story = Story::begin();
    story.send(story.order(Buy, "1", "102", Ioc));
    assert_eq!(story.venue.next_due(), Some(ms(120)));
    story.now = 119;
    story.delta(&[], &[("101", "0"), ("101.5", "0.4")]);
    assert_eq!(story.venue.pop_due(ms(239)), None);
    let reports: Vec<_> = std::iter::from_fn(|| story.venue.pop_due(ms(240))).collect();
    assert!(reports.iter().all(|(at, _)| *at == ms(240)));
    let told: Vec<String> = reports.iter().map(|(_, r)| words(r)).collect();
    assert_eq!(told, ["1 accepted", "1 filled 0.4 @ 101.5 taker fee 0.02233", "1 filled 0.6 @ 102 taker fee 0.03366"]);
    assert_eq!(story.venue.balance(), m("9999.94401"));
    assert_eq!(story.venue.next_due(), None);
}

#[test]
fn what_was_taken_stays_taken_until_the_level_changes() {
    let mut story = Story::begin();
    story.place(Buy, "4", "101", Ioc);
    story.place(Buy, "4", "101", Ioc);
    let told = story.news();
    assert_eq!(told[3..], ["2 filled 1 @ 101 taker fee 0.05555", "2 cancelled: EC_CancelForNoFullFill"]);
    story.snapshot(&[("99", "5"), ("98", "10")], &[("101", "5"), ("102", "10")]);
    story.place(Buy, "1", "101", Ioc);
    assert_eq!(story.news(), ["3 accepted", "3 cancelled: EC_NoImmediateQtyToFill"]);
    story.delta(&[], &[("101", "5")]);
    story.place(Buy, "1", "101", Ioc);
    assert_eq!(story.news()[1], "4 filled 1 @ 101 taker fee 0.05555");
}

#[test]
fn good_till_cancel_takes_then_rests_and_post_only_refuses_to_take() {
    let mut story = Story::begin();
    story.place(Buy, "6", "101", Gtc);
    assert_eq!(story.news(), ["1 accepted", "1 filled 5 @ 101 taker fee 0.27775"]);
    assert_eq!(story.venue.statement().working, [OrderSeq(1)]);
    story.print(Sell, "99", "0.4");
    assert_eq!(story.news(), ["1 filled 0.4 @ 101 maker fee 0.00808"]);
    story.place(Sell, "1", "99", PostOnly);
    assert!(story.news()[0].starts_with("2 rejected: EC_PostOnlyWillTakeLiquidity"));
}

#[test]
fn a_print_that_takes_what_we_had_taken_is_not_ours_too() {
    let mut story = Story::begin();
    story.place(Buy, "20", "102", Gtc);
    story.news();
    story.print(Buy, "101", "5");
    assert_eq!(story.news(), Vec::<String>::new(), "someone bought what we believe to have bought before");
    story.print(Buy, "101", "6");
    assert_eq!(story.news(), ["1 filled 1 @ 102 maker fee 0.0204"]);
}

#[test]
fn a_resting_order_waits_for_everything_displayed_before_it() {
    let mut story = Story::begin();
    story.place(Buy, "2", "99", PostOnly);
    assert_eq!(story.ahead(1), Some(q("5")));
    story.delta(&[("99", "3")], &[("99.5", "9")]);
    assert_eq!(story.ahead(1), Some(q("3")), "size that left was before us or is not there");
    story.delta(&[("99", "30")], &[]);
    assert_eq!(story.ahead(1), Some(q("3")), "newcomers stand behind us");
    story.now += 2_000;
    story.print(Buy, "99", "50");
    story.print(Sell, "99.5", "50");
    assert_eq!(story.news(), ["1 accepted"], "neither a touch nor a buyer reaches a bid");
    story.print(Sell, "99", "4.5");
    assert_eq!(story.news(), ["1 filled 1.5 @ 99 maker fee 0.0297"]);
    story.print(Sell, "98.5", "0.1");
    story.print(Sell, "98.5", "7");
    assert_eq!(
        story.news(),
        ["1 filled 0.1 @ 99 maker fee 0.00198", "1 filled 0.4 @ 99 maker fee 0.00792"],
        "traded through: filled at our price"
    );
}

#[test]
fn a_fall_seen_before_its_print_does_not_advance_twice() {
    let mut story = Story::begin();
    story.place(Buy, "2", "99", PostOnly);
    story.delta(&[("99", "1")], &[]);
    story.print(Sell, "99", "4");
    assert_eq!(story.ahead(1), Some(q("1")));
    story.print(Sell, "99", "2");
    assert_eq!(story.news()[1..], ["1 filled 1 @ 99 maker fee 0.0198"]);
}

#[test]
fn an_order_that_joined_after_a_fall_does_not_overtake_one_that_saw_it() {
    let mut story = Story::begin();
    story.place(Buy, "1", "99", PostOnly);
    story.delta(&[("99", "1")], &[]);
    story.place(Buy, "1", "99", PostOnly);
    story.print(Sell, "99", "4");
    assert_eq!((story.ahead(1), story.ahead(2)), (Some(q("1")), Some(q("1"))));
    assert_eq!(story.news(), ["1 accepted", "2 accepted"]);
    story.print(Sell, "99", "3");
    assert_eq!(story.news(), ["1 filled 1 @ 99 maker fee 0.0198", "2 filled 1 @ 99 maker fee 0.0198"]);
}

#[test]
fn a_print_is_shared_once_among_our_orders_in_order_of_price_and_time() {
    let mut story = Story::begin();
    story.place(Buy, "1", "99", PostOnly);
    story.delta(&[("99", "7")], &[]);
    story.place(Buy, "1", "99", PostOnly);
    story.place(Buy, "1", "99.5", PostOnly);
    story.news();
    story.print(Sell, "99", "7.5");
    assert_eq!(
        story.news(),
        ["3 filled 1 @ 99.5 maker fee 0.0199", "1 filled 1 @ 99 maker fee 0.0198"],
        "1 to the better price, 5 to the public, 1 to the first at 99; 0.5 goes to the public between ours"
    );
    assert_eq!(story.ahead(2), Some(q("1.5")));
}

#[test]
fn improving_the_market_means_no_queue_but_still_needs_a_print() {
    let mut story = Story::begin();
    story.place(Sell, "1", "100.5", PostOnly);
    assert_eq!(story.ahead(1), Some(Qty::ZERO));
    story.delta(&[("100", "5")], &[]);
    assert_eq!(story.news(), ["1 accepted"]);
    story.print(Buy, "100.5", "0.3");
    assert_eq!(story.news(), ["1 filled 0.3 @ 100.5 maker fee 0.00603"]);
}

#[test]
fn out_of_sight_only_a_trade_through_fills_and_first_sight_is_the_back_of_the_queue() {
    let mut story = Story::begin();
    story.place(Buy, "1", "90", PostOnly);
    assert_eq!(story.ahead(1), None);
    story.print(Sell, "90", "100");
    story.delta(&[("90", "4")], &[]);
    assert_eq!(story.ahead(1), Some(q("4")));
    story.delta(&[("90", "0")], &[]);
    assert_eq!(story.ahead(1), Some(q("4")), "a level that leaves the displayed depth says nothing");
    story.delta(&[("89", "1")], &[]);
    assert_eq!(story.ahead(1), Some(Qty::ZERO), "within the depth, an absent level is an empty one");
}

#[test]
fn after_a_gap_nothing_fills_and_places_are_lost() {
    let mut story = Story::begin();
    story.place(Buy, "1", "99", PostOnly);
    story.delta(&[("99", "1")], &[]);
    story.data(&MarketData::Gap);
    story.print(Sell, "98", "50");
    story.place(Buy, "1", "99", PostOnly);
    story.place(Buy, "1", "103", Ioc);
    let told = story.news();
    assert_eq!(told[0], "1 accepted");
    assert_eq!(told[1], "2 rejected: no order book: the market stream is broken");
    assert_eq!(told[2..], ["3 accepted", "3 cancelled: EC_NoImmediateQtyToFill"]);
    story.snapshot(&[("99", "8")], &[("101", "5")]);
    assert_eq!(story.ahead(1), Some(q("8")));
    story.print(Sell, "99", "8.5");
    assert_eq!(story.news(), ["1 filled 0.5 @ 99 maker fee 0.0099"]);
}

#[test]
fn reduce_only_is_trimmed_on_arrival_and_at_every_fill() {
    let mut story = Story::begin();
    story.close(Sell, "1", "99", Ioc);
    assert!(story.news()[0].starts_with("1 rejected: reduce-only"));
    story.place(Buy, "2", "101", Ioc);
    story.close(Sell, "3", "100", PostOnly);
    story.close(Sell, "2", "100.5", PostOnly);
    story.news();
    story.close(Sell, "0.5", "99", Ioc);
    assert_eq!(story.news(), ["5 accepted", "5 filled 0.5 @ 99 taker fee 0.027225"]);
    story.print(Buy, "102", "50");
    assert_eq!(
        story.news(),
        ["3 filled 1.5 @ 100 maker fee 0.03", "3 cancelled: CancelByReduceOnly", "4 cancelled: CancelByReduceOnly"]
    );
    assert_eq!(story.position(), 0);
}

#[test]
fn our_orders_never_meet_each_other() {
    let mut story = Story::begin();
    story.place(Sell, "1", "100", PostOnly);
    story.place(Buy, "1", "100", PostOnly);
    story.place(Buy, "6", "101", Gtc);
    let told = story.news();
    assert_eq!(told[1], "2 rejected: EC_BySelfMatch: it would meet our own order 1");
    assert_eq!(told[2..], ["3 accepted", "3 filled 5 @ 101 taker fee 0.27775", "3 cancelled: EC_BySelfMatch"]);
    assert_eq!(story.venue.statement().working, [OrderSeq(1)]);
}

#[test]
fn the_instruments_rules_are_enforced() {
    let mut story = Story::begin();
    for (qty, price, said) in [
        ("1", "100.25", "multiple of the tick"),
        ("1.05", "100", "multiple of the step"),
        ("0", "100", "multiple of the step"),
        ("100000.1", "0.5", "above the maximum"),
        ("0.1", "1", "below the minimum 5"),
        ("1", "0", "not above zero"),
    ] {
        story.place(Buy, qty, price, Ioc);
        let told = story.news();
        assert!(told.len() == 1 && told[0].contains("rejected") && told[0].contains(said), "{told:?}");
    }
    story.send(NewOrder { symbol: Symbol(7), ..story.order(Buy, "1", "100", Ioc) });
    story.wait(120);
    assert_eq!(story.news(), ["7 rejected: no instrument number 7"]);
}

#[test]
fn a_number_is_used_once_and_a_cancel_needs_an_order() {
    let mut story = Story::begin();
    story.place(Buy, "1", "99", PostOnly);
    story.send(NewOrder { seq: OrderSeq(1), ..story.order(Buy, "1", "98", PostOnly) });
    story.venue.cancel(ms(story.now), OrderSeq(1));
    story.venue.cancel(ms(story.now), OrderSeq(1));
    story.venue.ask(ms(story.now));
    story.wait(120);
    assert_eq!(
        story.news(),
        [
            "1 accepted",
            "1 rejected: duplicate order number",
            "1 cancelled: cancelled by us",
            "1 cancel rejected",
            "statement 10000 [] []"
        ]
    );
}

#[test]
fn cancel_all_takes_orders_that_were_sent_before_it() {
    let mut story = Story::begin();
    story.send(story.order(Buy, "1", "99", PostOnly));
    story.send(story.order(Buy, "1", "98", PostOnly));
    story.venue.cancel_all(ms(story.now));
    story.wait(120);
    assert_eq!(story.news()[2..], ["1 cancelled: cancelled by us", "2 cancelled: cancelled by us"]);
}

#[test]
fn margin_is_asked_of_orders_that_open_and_of_no_other() {
    // Initial margin is 1 %: 10 USDT carry about 1000 of notional less the fee.
    let mut story = Story::with(m("10"), &[]);
    story.place(Buy, "9.9", "101", PostOnly);
    assert!(story.news()[0].contains("PostOnly"));
    story.place(Buy, "9", "100", PostOnly);
    story.place(Sell, "9", "100.5", PostOnly);
    story.place(Buy, "1", "99.5", PostOnly);
    let told = story.news();
    assert_eq!(told[..2], ["2 accepted", "3 accepted"], "only the worse side counts");
    assert_eq!(told[2], "4 rejected: margin: 10.05 needed for positions and orders, 10.00 there");
}

#[test]
fn out_of_margin_the_whole_position_goes_at_mark_and_working_orders_before_it() {
    // Bought for 1015 with a fee of 0.55825: at 96 equity is 4.8, exactly the maintenance margin of 960.
    let mut story = Story::with(m("60.35825"), &[]);
    story.place(Buy, "10", "102", Ioc);
    story.place(Sell, "1", "110", PostOnly);
    story.news();
    story.mark("96.000000001");
    assert_eq!(story.news(), Vec::<String>::new());
    story.mark("96");
    let told = story.news();
    assert_eq!(told, ["2 cancelled: CancelAllBeforeLiq", "liquidated SELL 10 @ 96 taker fee 0.528"]);
    assert_eq!((story.position(), story.venue.balance()), (0, m("4.272")));
}

#[test]
fn funding_is_paid_once_per_settlement_however_the_time_moves() {
    let mut story = Story::begin();
    let hours = |h: i64| h * 3_600_000;
    story.place(Buy, "2", "101", Ioc);
    story.news();
    let ticker = |next: i64| {
        MarketData::Ticker(Ticker {
            mark: Some(p("100")),
            funding_rate: Some(Rate::parse("0.0001").unwrap()),
            next_funding: Some(ms(next)),
            ..Ticker::default()
        })
    };
    story.data(&ticker(hours(8)));
    assert_eq!(story.venue.next_due(), Some(ms(hours(8))));
    story.now = hours(8) + 5;
    story.data(&ticker(hours(8)));
    story.data(&ticker(hours(8) + 1_000));
    assert_eq!(story.news(), ["funding -0.02"]);
    story.now = hours(16) - 1_000;
    story.data(&ticker(hours(24)));
    story.now = hours(16) + 1_000;
    story.data(&ticker(hours(24)));
    assert_eq!(story.news(), ["funding -0.02"], "the venue's clock was ahead: booked when it moved on, and not again");
    story.now = hours(41);
    assert_eq!(story.news(), ["funding -0.02", "funding -0.02", "funding -0.02"], "24, 32 and 40 h, without data");
}

#[test]
fn a_settlement_that_was_moved_is_not_one_that_happened() {
    let mut story = Story::begin();
    story.place(Sell, "2", "99", Ioc);
    story.news();
    let at = |next_ms: i64, rate: &str| {
        MarketData::Ticker(Ticker {
            mark: Some(p("100")),
            funding_rate: Some(Rate::parse(rate).unwrap()),
            next_funding: Some(ms(next_ms)),
            ..Ticker::default()
        })
    };
    story.data(&at(28_800_000, "0.001"));
    story.data(&at(14_400_000, "0.0005"));
    story.now = 14_400_000;
    assert_eq!(story.news(), ["funding 0.1"], "shorts receive");
}
