//! What an account holds is explained before it is opened, or waited for.

use super::*;
use crate::venue::bybit::account::explain::{is_explained, misses_a_fill};
use crate::venue::bybit::account::opening::Before;

/// One order of an earlier run without a known end, for two.
fn before() -> Before {
    let earlier =
        EarlierOrder { order: intent(1, 2), link_id: link(1), seen: true, filled: Qty::ZERO, execs: Vec::new() };
    Before { orders: vec![earlier], ..Before::default() }
}

fn found(found: Found, executions: Vec<ExecutionRow>) -> Settled {
    Settled { order: OrderSeq(1), executions, found }
}

fn filled(units: i64) -> Found {
    Found::Row(Box::new(row(1, 2, OrderStatus::Filled, units)))
}

/// A long of so many, last moved then, and these executions.
fn held(units: i64, updated_ms: Option<i64>, executions: Vec<ExecutionRow>) -> Reading {
    let row = PositionRow { updated_ms, ..position(0, Some(Side::Buy), units) };
    Reading { executions: Some(executions), began_at: T, ..reading(&desk(), T, vec![row], vec![]) }
}

fn explained(before: &Before, settled: Settled, reading: &Reading) -> bool {
    is_explained(before, &["BTCUSDT".into()], &[settled], reading)
}

#[test]
fn a_fill_that_the_order_counts_and_no_list_shows_is_waited_for() {
    let fill = || execution(Some(1), "e1", 2, ExecKind::Trade);
    assert!(!explained(&before(), found(filled(2), vec![]), &held(2, None, vec![])));
    assert!(explained(&before(), found(filled(2), vec![fill()]), &held(2, None, vec![])));
    assert!(explained(&before(), found(filled(2), vec![]), &held(2, None, vec![fill()])), "listed a moment later");
    assert!(explained(&before(), found(filled(2), vec![fill()]), &held(2, None, vec![fill()])), "counted once");
    // Its position is gone already: the row alone tells that something is missing.
    assert!(!explained(&before(), found(filled(2), vec![]), &held(0, None, vec![])));
}

#[test]
fn a_position_that_an_order_without_an_end_may_have_made_is_waited_for() {
    let open = || Found::Row(Box::new(row(1, 2, OrderStatus::New, 0)));
    for doubt in [Found::Nothing, Found::Unknown, open()] {
        assert!(!explained(&before(), found(doubt.clone(), vec![]), &held(2, Some(0), vec![])), "{doubt:?}");
        assert!(explained(&before(), found(doubt, vec![]), &held(0, Some(0), vec![])));
    }
}

#[test]
fn what_others_did_is_explained_by_what_is_listed_and_what_is_old_is_not_waited_for() {
    let nothing = Before::default();
    let by_hand = || execution(None, "f1", 3, ExecKind::Trade);
    let long = |held| Before { held: vec![(Symbol(0), held)], ..Before::default() };
    let is = |before: &Before, reading: &Reading| is_explained(before, &["BTCUSDT".into()], &[], reading);
    assert!(is(&nothing, &held(3, Some(T.as_ms()), vec![by_hand()])));
    assert!(!is(&nothing, &held(3, Some(T.as_ms()), vec![])), "moved just now, and no list says why");
    assert!(is(&nothing, &held(3, Some(T.as_ms() - 61_000), vec![])), "older than any list lags");
    assert!(is(&long(2_000_000_000), &held(5, None, vec![by_hand()])));
    let booked = Before { booked: vec![("BTCUSDT".into(), "f1".into())], ..long(3_000_000_000) };
    assert!(is(&booked, &held(3, None, vec![by_hand()])), "what the ledger has is not counted again");
    let funding = execution(None, "p1", 3, ExecKind::Funding);
    assert!(is(&long(3_000_000_000), &held(3, None, vec![funding])), "funding moves no position");
}

#[test]
fn a_fill_of_ours_is_waited_for_longer_than_what_others_did() {
    let misses = |before: &Before, settled: Settled, reading: &Reading| {
        misses_a_fill(before, &["BTCUSDT".into()], &[settled], reading)
    };
    let fill = || execution(Some(1), "e1", 2, ExecKind::Trade);
    assert!(misses(&before(), found(filled(2), vec![]), &held(0, None, vec![])), "its row counts it");
    assert!(!misses(&before(), found(filled(2), vec![fill()]), &held(2, None, vec![])));
    for (units, may) in [(2, true), (1, true), (3, false), (0, false)] {
        let here = held(units, None, vec![]);
        assert_eq!(misses(&before(), found(Found::Nothing, vec![]), &here), may, "{units} of two");
    }
    let ended = Found::Row(Box::new(row(1, 2, OrderStatus::Cancelled, 0)));
    assert!(!misses(&before(), found(ended, vec![]), &held(2, None, vec![])), "it ended without a trade");
}
