//! The bars that the stream did not tell: all of the recent past at first, later what passed while it was away.

use std::sync::Arc;

use super::hub::Hub;
use crate::engine::event::{Bar, MarketData};
use crate::engine::ids::Symbol;
use crate::engine::num::Qty;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::public::Candle;

/// Lengths in minutes with the number of bars at the first start.
const LENGTHS: &[(u32, u32)] = &[(1, 500), (5, 300)];

/// Reads finished bars of these instruments and tells them, oldest first; since `since` where the stream was up before.
pub(super) async fn fill(hub: Arc<Hub>, names: Vec<(String, Symbol)>, since: Option<Ts>) {
    for (name, symbol) in names {
        for (minutes, most) in LENGTHS.iter().copied() {
            let span = Span::from_secs(i64::from(minutes) * 60);
            // The bar that was running when the stream went away is read whole.
            let start = since.map(|since| hub.rest().clock().venue_time(since).floor_to(span));
            let Ok(rows) = hub.rest().candles(&name, minutes, start.map(Ts::as_ms), most).await else {
                // A chart with a hole is what it looks like; nothing else depends on it.
                continue;
            };
            hub.count_odd(rows.odd.len());
            let now = hub.rest().clock().venue_time(hub.now());
            for bar in finished(&rows.good, span, now) {
                hub.market(symbol, MarketData::Bar(bar)).await;
            }
        }
    }
}

/// Bars that had ended by `now` on the venue's clock, oldest first (contract 7.4: newest first, the running one included).
fn finished(rows: &[Candle], span: Span, now: Ts) -> Vec<Bar> {
    let bars = rows.iter().rev().map(|row| Bar {
        start: Ts::from_ms(row.start_ms),
        span,
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: volume(row.volume),
    });
    bars.filter(|bar| bar.start + span <= now).collect()
}

/// Volume is drawn, never booked: more than [`Qty`] holds is shown as all it holds.
fn volume(base: f64) -> Qty {
    Qty::from_raw((base.max(0.0) * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::Price;

    #[test]
    fn only_finished_bars_oldest_first() {
        let row = |minute: i64| Candle {
            start_ms: minute * 60_000,
            interval: String::new(),
            open: Price::from_raw(minute),
            high: Price::from_raw(9),
            low: Price::from_raw(1),
            close: Price::from_raw(5),
            volume: 1.5,
            confirmed: false,
        };
        let bars = finished(&[row(3), row(2), row(1)], Span::from_secs(60), Ts::from_ms(3 * 60_000 + 1));
        assert_eq!(bars.iter().map(|bar| bar.start.as_ms() / 60_000).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(bars[0].volume, Qty::parse("1.5").unwrap());
        assert_eq!(volume(1e30), Qty::from_raw(i64::MAX));
    }
}
