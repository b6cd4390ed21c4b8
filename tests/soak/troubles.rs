//! What goes wrong in the soak, and when: drawn from the seed, ended again soon after.

use std::time::Duration;

use serde_json::{Value, json};

use super::gate::Draws;

/// One change of the exchange.
pub enum Act {
    /// Fields of its faults.
    Faults(Value),
    /// A thing it does.
    Do(Value),
}

/// A change and when it comes, counted from the start of the phase.
pub type Step = (Duration, Act);

/// Time between two random troubles, and how long one lasts that must be ended.
const EVERY: Duration = Duration::from_millis(600);
const LASTS: Duration = Duration::from_millis(900);

/// The random troubles of a phase, in order of time. Requests are lost only before `lose_until`: each of them is asked
/// about for a minute before it counts as never accepted.
pub fn random(draws: &mut Draws, length: Duration, lose_until: Duration) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = Duration::from_secs(1);
    while at + LASTS < length {
        trouble(draws, at, at < lose_until, &mut steps);
        at += EVERY;
    }
    steps
}

/// Sorts the steps of a phase.
pub fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|(at, _)| *at);
    steps
}

fn trouble(draws: &mut Draws, at: Duration, lose: bool, steps: &mut Vec<Step>) {
    let some = 1 + draws.below(4);
    let coin = draws.coin();
    let mut once = |change: Value| steps.push((at, Act::Faults(change)));
    match draws.below(24) {
        0 | 1 => once(json!({ "lose_acks": some.min(2) })),
        2 => once(json!({ "fail_after": 1 })),
        3 => once(json!({ "fake_codes": 1, "fake_code": if coin { 10_016 } else { 10_000 }, "fake_after": coin })),
        4 => once(json!({ "too_many": some, "bare_10006": coin })),
        5 | 6 => once(json!({ "skip_deltas": some })),
        7 => once(json!({ "repeat_deltas": some })),
        8 => once(json!({ "reorder_deltas": some })),
        9 | 10 => once(json!({ "skip_pushes": some * 2 })),
        11 => once(json!({ "repeat_pushes": some * 2 })),
        12 => once(json!({ "double_filled": 1 })),
        13 => once(json!({ "late_rejects": 1 })),
        14 | 15 if lose => once(if coin { json!({ "lose_requests": 1 }) } else { json!({ "fail_before": 1 }) }),
        14 | 15 => steps.push((at, Act::Do(json!({ "restart_stream": {} })))),
        16 => steps.push((at, Act::Do(json!({ "funding": { "symbol": if coin { "BTCUSDT" } else { "ETHUSDT" } } })))),
        17 => span(at, steps, json!({ "ack_delay_ms": 300 }), json!({ "ack_delay_ms": 0 })),
        18 => span(at, steps, json!({ "private_delay_ms": 250 }), json!({ "private_delay_ms": 0 })),
        19 => span(at, steps, json!({ "public_delay_ms": 80 }), json!({ "public_delay_ms": 0 })),
        20 => {
            let ahead = if coin { 3_000 } else { -3_000 };
            span(at, steps, json!({ "clock_skew_ms": ahead }), json!({ "clock_skew_ms": 0 }));
        }
        21 => span(at, steps, json!({ "fill_percent": 30 }), json!({ "fill_percent": 100 })),
        22 => span(
            at,
            steps,
            json!({ "hide_ended_ms": 800, "history_lag_ms": 1_500, "hide_executions_ms": 500, "forget_closed": coin }),
            json!({ "hide_ended_ms": 0, "history_lag_ms": 0, "hide_executions_ms": 0, "forget_closed": false }),
        ),
        _ => span(
            at,
            steps,
            json!({ "odd_refusals": true, "bare_points": true }),
            json!({ "odd_refusals": false, "bare_points": false }),
        ),
    }
}

fn span(at: Duration, steps: &mut Vec<Step>, begin: Value, end: Value) {
    steps.push((at, Act::Faults(begin)));
    steps.push((at + LASTS, Act::Faults(end)));
}

/// Connections of every kind are lost, all at once, and go silent.
pub fn lost_connections() -> Vec<Step> {
    let at = Duration::from_secs;
    let silent = |on: bool| Act::Faults(json!({ "stall_public": on, "stall_private": on, "stall_trade": on }));
    vec![
        (at(4), Act::Do(json!({ "drop": "private" }))),
        (at(7), Act::Do(json!({ "drop": "public" }))),
        (at(12), Act::Do(json!({ "drop": "all" }))),
        (at(17), silent(true)),
        (at(20), silent(false)),
    ]
}

/// Connections are lost and no new one is let in for a while.
pub fn refused_connections() -> Vec<Step> {
    let at = Duration::from_secs;
    vec![
        (at(5), Act::Do(json!({ "drop": "trade" }))),
        (at(9), Act::Do(json!({ "drop": "private" }))),
        (at(16), Act::Faults(json!({ "refuse_sockets": true }))),
        (at(16), Act::Do(json!({ "drop": "all" }))),
        (at(18), Act::Faults(json!({ "refuse_sockets": false }))),
    ]
}
