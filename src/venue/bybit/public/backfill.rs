//! What the stream did not tell: bars and trades of the recent past at first, later what passed while it was away, and the
//! minutes in which something went missing once they are over. Bars fill the chart and stand for minutes that features of bars
//! would lack; trades come marked as missed, because a print that is heard seconds late says nothing about the flow of now,
//! and features, last price and decisions must not see it as if it did.

use std::collections::BTreeMap;
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
const MINUTE: Span = Span::from_secs(60);

/// Minutes that the stream did not tell from beginning to end, by instrument.
#[derive(Default)]
pub(super) struct Unseen(BTreeMap<String, Ts>);

impl Unseen {
    /// At this moment of the venue's clock something of an instrument went missing, or was first heard.
    pub(super) fn note(&mut self, name: &str, now: Ts) {
        self.0.entry(name.to_owned()).or_insert(now.floor_to(MINUTE));
    }

    /// Takes those whose minute is over, with its beginning.
    pub(super) fn take_over(&mut self, now: Ts) -> BTreeMap<String, Ts> {
        let over = |start: &Ts| *start + MINUTE + WHOLE_AFTER <= now;
        let (done, open) = std::mem::take(&mut self.0).into_iter().partition(|(_, start)| over(start));
        self.0 = open;
        done
    }
}

/// Reads the finished bars of these instruments since a minute each.
pub(super) async fn finish(hub: Arc<Hub>, minutes: BTreeMap<String, Ts>) {
    for (name, start) in minutes {
        if let Some(symbol) = hub.symbol(&name) {
            fill_bars(&hub, &name, symbol, (1, 10), Some(start)).await;
        }
    }
}

/// Reads finished bars of these instruments and tells them, oldest first; since `since` where the stream was up before.
pub(super) async fn fill(hub: Arc<Hub>, names: Vec<(String, Symbol)>, since: Option<Ts>) {
    for (name, symbol) in names {
        for length in LENGTHS.iter().copied() {
            let since = since.map(|since| hub.rest().clock().venue_time(since));
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
    let Ok(rows) = hub.rest().candles(name, minutes, start, most).await else { return };
    hub.count_odd(rows.odd.len());
    let now = hub.rest().clock().venue_time(hub.now());
    for bar in finished(&rows.good, span, now) {
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

    #[test]
    fn a_minute_with_something_missing_is_read_once_it_is_over() {
        let (mut unseen, at) = (Unseen::default(), |ms: i64| Ts::from_ms(600_000 + ms));
        unseen.note("BTCUSDT", at(30_000));
        unseen.note("BTCUSDT", at(61_000));
        unseen.note("ETHUSDT", at(61_000));
        assert_eq!(unseen.take_over(at(60_999)), BTreeMap::new());
        assert_eq!(
            unseen.take_over(at(61_000)),
            BTreeMap::from([("BTCUSDT".to_owned(), at(0))]),
            "what is read since then is in it"
        );
        assert_eq!(unseen.take_over(at(121_000)), BTreeMap::from([("ETHUSDT".to_owned(), at(60_000))]));
        assert_eq!(unseen.take_over(at(999_000)), BTreeMap::new());
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
