//! What the stream did not tell: bars and trades of the recent past at first, later what passed while it was away. Bars fill
//! the chart and stand for minutes that features of bars would lack; trades come marked as missed, because a print that is
//! heard seconds late says nothing about the flow of now, and features, last price and decisions must not see it as if it did.

use std::sync::Arc;

use super::hub::{Hub, Prints};
use crate::engine::event::{Bar, MarketData, Trade};
use crate::engine::ids::Symbol;
use crate::engine::num::Qty;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::public::{Candle, Trade as Print};

/// Lengths in minutes with the number of bars at the first start.
const LENGTHS: &[(u32, u32)] = &[(1, 500), (5, 300)];

/// Trades read of one instrument: what a screen can show.
const TRADES: u32 = 200;

/// So long after its end the venue has a bar whole.
const WHOLE_AFTER: Span = Span::from_secs(1);
/// The length of bar that the stream tells.
pub(super) const MINUTE: Span = Span::from_secs(60);
/// A loss is noticed so long after the last data, at most: bars are read anew from before it.
const NOTICED_WITHIN: Span = Span::from_secs(120);

/// Reads finished bars of these instruments and tells them, oldest first; since `since` where the stream was up before.
pub(super) async fn fill(hub: Arc<Hub>, names: Vec<(String, Symbol)>, since: Option<Ts>) {
    for (name, symbol) in names {
        for length in LENGTHS.iter().copied() {
            let since = since.map(|since| hub.rest().clock().venue_time(since) - NOTICED_WITHIN);
            fill_bars(&hub, &name, symbol, length, since).await;
        }
        fill_trades(&hub, &name, symbol).await;
    }
}

/// Bars of a length in minutes, so many at most; the one that ran at `since` on the venue's clock is read whole.
async fn fill_bars(hub: &Hub, name: &str, symbol: Symbol, (minutes, most): (u32, u32), since: Option<Ts>) {
    let span = Span::from_secs(i64::from(minutes) * 60);
    let start = since.map(|since| since.floor_to(span).as_ms());
    // A chart with a hole is what it looks like; features of bars wait until there is none.
    // What was asked before a bar was over may be answered after it.
    let asked = hub.rest().clock().venue_time(hub.now()) - WHOLE_AFTER;
    let Ok(rows) = hub.rest().candles(name, minutes, start, most).await else { return };
    hub.count_odd(rows.odd.len());
    for bar in finished(&rows.good, span, asked) {
        hub.market(symbol, MarketData::Bar(bar)).await;
    }
}

/// Trades between the last that the stream told before it went away and the first since.
async fn fill_trades(hub: &Hub, name: &str, symbol: Symbol) {
    // Nothing depends on them either.
    let Ok(rows) = hub.rest().recent_trades(name, TRADES).await else { return };
    hub.count_odd(rows.odd.len());
    for print in missed(rows.good, hub.prints(symbol)) {
        let at = hub.rest().clock().local_time(Ts::from_ms(print.time_ms));
        let trade = Trade { price: print.price, qty: print.qty, taker: print.taker };
        hub.market(symbol, MarketData::Missed { at, trade }).await;
    }
}

/// What the stream has not told and will not tell, oldest first (contract 7.5: newest first).
fn missed(mut rows: Vec<Print>, told: Prints) -> Vec<Print> {
    let untold = |seq: u64| seq > told.before && told.first.is_none_or(|first| seq < first);
    rows.retain(|row| !row.block && untold(row.seq));
    rows.reverse();
    rows
}

/// Bars that had ended by `now` on the venue's clock, oldest first (contract 7.4: newest first, the running one included).
fn finished(rows: &[Candle], span: Span, now: Ts) -> Vec<Bar> {
    rows.iter().rev().map(|row| bar_of(row, span)).filter(|bar| bar.start + span <= now).collect()
}

/// A candle of this length as a bar.
pub(super) fn bar_of(row: &Candle, span: Span) -> Bar {
    let Candle { open, high, low, close, .. } = *row;
    Bar { start: Ts::from_ms(row.start_ms), span, open, high, low, close, volume: volume(row.volume) }
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

    #[test]
    fn missed_are_the_trades_between_the_last_told_and_the_first_since() {
        let row = |seq: u64| Print {
            time_ms: 1,
            taker: crate::engine::num::Side::Buy,
            price: Price::from_raw(1),
            qty: Qty::from_raw(1),
            block: seq == 6,
            rpi: false,
            seq,
            id: crate::venue::bybit::parse::public::TradeId::new("t").unwrap(),
        };
        let rows: Vec<Print> = (1..=9).rev().map(row).collect();
        let seqs = |told| missed(rows.clone(), told).iter().map(|print| print.seq).collect::<Vec<_>>();
        assert_eq!(seqs(Prints { before: 3, first: Some(8), ..Prints::default() }), [4, 5, 7]);
        assert_eq!(seqs(Prints::default()), [1, 2, 3, 4, 5, 7, 8, 9]);
        assert_eq!(seqs(Prints { before: 9, first: None, ..Prints::default() }), [] as [u64; 0]);
    }
}
