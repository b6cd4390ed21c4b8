//! What REST watches: the instruments' rules and the venue's clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::hub::{Doubter, Hub};
use crate::engine::event::{Event, Link, MarketData};
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::{Instrument, InstrumentStatus};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::Span;
use crate::venue::bybit::rest::RestError;
use crate::venue::bybit::socket::{Backoff, chance};

/// A clock further off than this gets requests refused (contract 0.3).
const SKEW_MAX: Span = Span::from_secs(1);

/// Reads every instrument's rules now and from time to time, and tells what changed.
pub(super) async fn watch_rules(hub: Arc<Hub>) {
    let mut known: BTreeMap<Symbol, Instrument> = BTreeMap::new();
    let mut told = String::new();
    loop {
        let mut left: Vec<(String, Symbol)> = hub.symbols().map(|(name, symbol)| (name.to_owned(), symbol)).collect();
        let mut backoff = Backoff::default();
        while !left.is_empty() {
            let mut failed = Vec::new();
            let mut pause = Duration::ZERO;
            for (name, symbol) in left {
                match hub.rest().rules(&name).await {
                    Ok(rules) => tell_rules(&hub, symbol, &name, rules, &mut known).await,
                    // Unknown until heard: entries are denied by name, closing goes on, the others do not wait.
                    Err(error) => {
                        pause = pause.max(pause_of(&error, &hub));
                        failed.push((name, symbol));
                    }
                }
            }
            left = failed;
            if !left.is_empty() {
                tokio::time::sleep(backoff.next(Duration::ZERO, chance()).max(pause)).await;
            }
        }
        let unlisted = hub.unlisted();
        if unlisted != told && !unlisted.is_empty() {
            let text = format!("the exchange has no USDT perpetual of these names: {unlisted}: check `symbols`");
            hub.say(Event::Told(text)).await;
        }
        told = unlisted;
        tokio::time::sleep(hub.options.timing.rules_every).await;
    }
}

fn pause_of(error: &RestError, hub: &Hub) -> Duration {
    match error {
        RestError::Banned { until } => Duration::from_nanos(u64::try_from(until.since(hub.now()).0).unwrap_or(0)),
        _ => Duration::ZERO,
    }
}

async fn tell_rules(
    hub: &Hub,
    symbol: Symbol,
    name: &str,
    rules: Option<Instrument>,
    known: &mut BTreeMap<Symbol, Instrument>,
) {
    let doubt = rules
        .is_none()
        .then(|| "not among the exchange's USDT perpetuals: check the name, or the contract has ended".to_owned());
    hub.doubt(symbol, Doubter::Rules, doubt).await;
    // One that vanished keeps its last rules, so that what is still held can be shown and closed.
    let gone = || known.get(&symbol).map(|old| Instrument { status: InstrumentStatus::Unknown, ..old.clone() });
    let Some(rules) = rules.or_else(gone) else { return };
    let ends = rules.delivery.map(|end| format!("{name} ends {end}: close before"));
    hub.hold(DenialCode::VenueDelisting, Some(symbol), ends).await;
    if known.get(&symbol) != Some(&rules) {
        known.insert(symbol, rules.clone());
        hub.market(symbol, MarketData::Rules(Box::new(rules))).await;
    }
}

/// Measures the venue's clock now and from time to time.
pub(super) async fn watch_clock(hub: Arc<Hub>) {
    loop {
        // A venue that is not reached says nothing about clocks; the account's own checks say what that means.
        if let Ok(offset) = hub.rest().sync_clock().await {
            hub.say(Event::Link(Link::Clock(offset.ahead))).await;
            let off = Span(offset.ahead.0.saturating_abs() - offset.within.0);
            let detail = (off > SKEW_MAX).then(|| {
                let way = if offset.ahead.0 > 0 { "behind" } else { "ahead of" };
                let apart = Span(offset.ahead.0.saturating_abs());
                format!("this machine's clock is {apart} {way} the exchange's: switch time synchronisation on and start tickdeck anew")
            });
            hub.hold(DenialCode::ClockSkew, None, detail).await;
        }
        tokio::time::sleep(hub.options.timing.clock_every).await;
    }
}
