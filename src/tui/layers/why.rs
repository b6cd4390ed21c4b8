//! The whole chain behind a decision, in rows: what came of it, what it was asked, the models, the features, the time it took.

use super::dialog::{Dialog, Tone};
use crate::engine::event::HorizonForecast;
use crate::engine::snapshot::Record;
use crate::engine::time::Span;
use crate::engine::trust::ranges::DRIFT_MAX;
use crate::engine::why::{AnswerFact, FeatureFact, Why, WhyOf};
use crate::tui::widgets::figures;

/// Adds the chain that was asked for, or says why it is not there.
pub fn chain(of: WhyOf, why: Option<&Why>, dialog: &mut Dialog) {
    let Some(why) = why.filter(|why| why.of == of) else {
        dialog.row("no decision of the engine is kept for this", Tone::Dim);
        return;
    };
    dialog.row(format!("{} decided: {}", why.at.clock_ms(), why.outcome), Tone::Bright);
    if let Some(order) = &why.order {
        dialog.pair("order", format!("{} {}, {}", order.order.0, order.text, order.state));
    }
    asked(why, dialog);
    signal(why, dialog);
    for answer in &why.answers {
        dialog.gap();
        self::answer(answer, why, dialog);
    }
    latency(why, dialog);
    features(why, dialog);
}

fn asked(why: &Why, dialog: &mut Dialog) {
    for step in &why.steps {
        if let Some(denial) = &step.denial {
            dialog.row(format!("{:<11} {}: {denial}", "refused", step.name), Tone::Warn);
        }
    }
    let passed: Vec<&str> = why.steps.iter().filter(|s| s.denial.is_none()).map(|s| s.name.as_str()).collect();
    if !passed.is_empty() {
        dialog.pair("passed", passed.join(", "));
    }
}

fn signal(why: &Why, dialog: &mut Dialog) {
    let needs = &why.needs;
    let Some(signal) = &why.signal else { return };
    let probs = figures::probabilities((signal.up, signal.flat, signal.down));
    let needed = figures::plain(needs.min_prob, 2);
    dialog.pair("signal", format!("{} s  up/flat/down {probs}, needs {needed}", needs.horizon_s));
    let edge = match (signal.cost_bps, signal.edge_bps) {
        (Some(cost), Some(edge)) => format!(
            "{} bp in its favour - {} bp cost = {} bp",
            figures::signed(cost + edge, 2),
            figures::plain(cost, 2),
            figures::signed(edge, 2)
        ),
        _ => "the book cannot fill the size".to_owned(),
    };
    let needs = match needs.min_edge_bps {
        Some(least) => format!("needs {}", figures::plain(least, 2)),
        None => "edge gate off".to_owned(),
    };
    dialog.pair("edge", format!("{edge}, {needs}"));
}

fn answer(answer: &AnswerFact, why: &Why, dialog: &mut Dialog) {
    dialog.pair("model", format!("{} {}, trained {}", answer.model, answer.hash, answer.trained));
    if answer.said.is_empty() {
        dialog.row("no forecast: features in warm-up", Tone::Dim);
    }
    let one = |said: &HorizonForecast| {
        let probs = figures::probabilities((said.up, said.flat, said.down));
        format!("{}s {probs} {}bp", said.horizon_s, figures::signed(f64::from(said.move_bps), 2))
    };
    let said: Vec<String> = answer.said.iter().map(one).collect();
    if !said.is_empty() {
        dialog.pair("said", said.join("  "));
    }
    if let Some(record) = &answer.record {
        judged(record, why.needs.horizon_s, dialog);
    }
}

fn judged(record: &Record, horizon_s: u32, dialog: &mut Dialog) {
    let figures = &record.figures;
    let share = |value: Option<f64>| figures::or_unknown(value, |v| figures::plain(v, 3));
    let promised = share(figures.promise.map(|promise| f64::from(promise.hit_low)));
    let (hit, said, brier) = (share(figures.hit), share(figures.said), share(figures.brier));
    dialog.pair("record", format!("{horizon_s} s: hit {hit}, promised {promised}, said {said}; Brier {brier}"));
    let drift = figures::or_unknown(record.drift, |v| figures::plain(v, 2));
    dialog.pair(
        "",
        format!(
            "{} answers, {} witnesses; market drifted {drift} of {}",
            figures.answers,
            figures.witnesses,
            figures::plain(DRIFT_MAX, 1)
        ),
    );
    for why in [&record.benched, &record.strange].into_iter().flatten() {
        dialog.row(format!("{:<11} {why}", "not believed"), Tone::Warn);
    }
}

fn latency(why: &Why, dialog: &mut Dialog) {
    if why.latency.is_empty() {
        return;
    }
    dialog.gap();
    let leg = |(name, span): &(String, Option<Span>)| format!("{name} {}", span.map_or_else(|| "?".to_owned(), fine));
    dialog.pair("took", why.latency.iter().map(leg).collect::<Vec<_>>().join(" · "));
}

/// Microseconds where milliseconds would say nothing.
fn fine(span: Span) -> String {
    match span.0 {
        0 => "0".to_owned(),
        ns if ns < 1_000_000 => format!("{} us", ns / 1_000),
        _ => span.to_string(),
    }
}

fn features(why: &Why, dialog: &mut Dialog) {
    let Some(at) = why.features_at else { return };
    dialog.gap();
    let ages: Vec<Option<Span>> = why.features.iter().map(|feature| feature.age).collect();
    let book = ages.first().copied().flatten();
    let trades = ages.last().copied().flatten();
    dialog.row(
        format!(
            "features at {} · book {}, trades {} old · range in training",
            at.clock_ms(),
            figures::age(book),
            figures::age(trades)
        ),
        Tone::Bright,
    );
    for pair in why.features.chunks(2) {
        let strange = pair.iter().any(FeatureFact::is_outside);
        let text = pair.iter().map(feature).collect::<Vec<_>>().join("  ");
        dialog.row(text, if strange { Tone::Warn } else { Tone::Plain });
    }
}

/// `imb_5              0.412 -1.00..1.00 `; `!` beyond training, `~` in warm-up.
fn feature(fact: &FeatureFact) -> String {
    let mark = match (fact.warm, fact.is_outside()) {
        (false, _) => '~',
        (true, true) => '!',
        (true, false) => ' ',
    };
    let range =
        fact.range.map_or_else(|| format!("{:>5}..{:<5}", "?", "?"), |(low, high)| format!("{low:>5.2}..{high:<5.2}"));
    format!("{:<17}{mark}{:>6.3} {range}", fact.name, fact.value)
}
