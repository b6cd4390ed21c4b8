//! What the venue keeps for a position: attached, triggered by mark, grown and shrunk with it, gone with it.

use super::super::*;
use super::story::Story;
use super::{BTC, p, q};
use crate::engine::effect::TimeInForce;
use crate::engine::num::Side;

use Side::{Buy, Sell};
use TimeInForce::{GoodTillCancel as Gtc, ImmediateOrCancel as Ioc};

fn levels(stop: &str, take_profit: &str) -> Protection {
    let level = |text: &str| (!text.is_empty()).then(|| p(text));
    Protection { stop: level(stop), take_profit: level(take_profit) }
}

/// Bought, with these levels attached; what was told so far is heard.
fn bought(qty: &str, levels: Protection) -> Story {
    let mut story = Story::begin();
    story.send(NewOrder { protection: levels, ..story.order(Buy, qty, "102", Ioc) });
    story.wait(120);
    let told = story.news();
    assert!(told.iter().any(|line| line.starts_with("protected by stop")), "{told:?}");
    story
}

#[test]
fn a_stop_triggers_by_mark_takes_the_book_and_is_told_one_latency_later() {
    let mut story = bought("6", levels("95", "110"));
    // The book alone falls through the stop: the mark of the ticker is what counts.
    story.mark("100");
    story.snapshot(&[("94", "5"), ("93", "10")], &[("96", "5")]);
    assert_eq!(story.news(), Vec::<String>::new());
    let before = story.now;
    story.mark("95");
    assert_eq!(story.venue.next_due().map(|due| due.0), Some((before + 120) * 1_000_000));
    assert_eq!(story.news(), ["stop SELL 5 @ 94 taker fee 0.2585", "stop SELL 1 @ 93 taker fee 0.05115"]);
    let statement = story.venue.statement();
    assert_eq!((story.position(), statement.protective.len(), statement.protection.len()), (0, 0, 0));
}

#[test]
fn without_a_mark_the_middle_of_the_book_triggers_and_what_the_book_lacks_is_taken_from_the_next() {
    let mut story = bought("6", levels("95", ""));
    story.snapshot(&[("94", "2")], &[("95", "5")]);
    assert_eq!(story.news(), ["stop SELL 2 @ 94 taker fee 0.1034"]);
    assert_eq!(story.venue.statement().protective[0].qty, q("4"), "what is left is covered on");
    story.snapshot(&[("90", "10")], &[("95", "5")]);
    assert_eq!(story.news(), ["stop SELL 4 @ 90 taker fee 0.198"]);
    assert_eq!(story.position(), 0);
}

#[test]
fn a_take_profit_closes_with_a_profit() {
    let mut story = bought("1", levels("95", "110"));
    story.snapshot(&[("111", "5")], &[("112", "5")]);
    assert_eq!(story.news(), ["take-profit SELL 1 @ 111 taker fee 0.06105"]);
}

#[test]
fn it_covers_the_whole_position_as_it_grows_and_shrinks_and_ends_with_it() {
    let mut story = bought("1", levels("95", ""));
    story.place(Buy, "2", "102", Ioc);
    assert_eq!(story.venue.statement().protective[0].qty, q("3"));
    story.close(Sell, "2", "98", Ioc);
    assert_eq!(story.venue.statement().protective[0].qty, q("1"));
    story.close(Sell, "1", "98", Ioc);
    story.news();
    story.mark("90");
    story.snapshot(&[("89", "5")], &[("91", "5")]);
    assert_eq!((story.news(), story.position()), (vec![], 0), "nothing is left that could open anything");
}

#[test]
fn a_resting_entry_is_covered_from_its_first_fill_on() {
    let mut story = Story::begin();
    story.send(NewOrder { protection: levels("95", ""), ..story.order(Buy, "2", "99", Gtc) });
    story.wait(120);
    assert!(story.venue.statement().protective.is_empty());
    story.print(Sell, "98.5", "0.5");
    assert_eq!(story.venue.statement().protective[0].qty, q("0.5"));
}

#[test]
fn levels_that_make_no_sense_are_refused() {
    let mut story = Story::begin();
    let at_or_above = NewOrder { protection: levels("102", ""), ..story.order(Buy, "1", "102", Ioc) };
    story.send(at_or_above);
    story.wait(120);
    assert_eq!(story.news(), ["1 rejected: the stop 102 must be lower than 102"]);
    story.place(Buy, "1", "102", Ioc);
    story.send(NewOrder { reduce_only: true, protection: levels("95", ""), ..story.order(Sell, "1", "98", Ioc) });
    story.wait(120);
    assert!(story.news().last().unwrap().contains("reduce-only orders cannot carry"));
}

#[test]
fn it_is_set_afterwards_changed_and_cancelled() {
    let mut story = Story::begin();
    story.venue.protect(super::ms(0), BTC, levels("95", ""));
    story.place(Buy, "1", "102", Ioc);
    story.news();
    assert!(story.venue.statement().protective.is_empty(), "nothing was there to protect");
    for (asked, told) in [("95", "95"), ("96", "96"), ("104", "96")] {
        story.venue.protect(super::ms(story.now), BTC, levels(asked, ""));
        story.news();
        assert_eq!(story.venue.statement().protection[0].1.stop, Some(p(told)), "{asked}");
    }
    story.venue.cancel_by_id(super::ms(story.now), BTC, "stop");
    story.wait(120);
    assert_eq!(story.news(), ["protected by stop none target none"]);
    assert!(story.venue.statement().protective.is_empty());
}
