//! The fast path for the frames that come hundreds of times a second: books, trades and tickers in the documented order
//! of fields. It allocates nothing once the caller's [`Room`] has grown.
//!
//! Whatever is not exactly as expected (another order of fields, an escape, a space, a number too large to be exact) is
//! given back as `None`, and the tolerant path reads the frame instead. So this path never decides that something is
//! wrong, and what it does read is the same to the last digit.

use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Rate, Side};
use crate::engine::time::Ts;

use super::parse::LENGTH_MAX;
use super::parse::public::{Book, Public, Room, Ticker, Trade, TradeId, Trades};

/// Reads a book, trades or a ticker. Levels and trades are put into `room`; the slices of the result are empty, for the
/// caller to point them there.
pub(super) fn frame<'a>(text: &'a str, room: &mut Room) -> Option<Public<'a>> {
    if text.len() > LENGTH_MAX {
        return None;
    }
    let mut cursor = Cursor { rest: text.as_bytes() };
    cursor.expect(b"{\"topic\":\"")?;
    if cursor.take(b"orderbook.") {
        book(&mut cursor, room).map(Public::Book)
    } else if cursor.take(b"publicTrade.") {
        trades(&mut cursor, room).map(Public::Trades)
    } else if cursor.take(b"tickers.") {
        ticker(&mut cursor).map(Public::Ticker)
    } else {
        None
    }
}

fn book<'a>(cursor: &mut Cursor<'a>, room: &mut Room) -> Option<Book<'a>> {
    let depth = u16::try_from(cursor.whole()?).ok()?;
    cursor.expect(b".")?;
    cursor.skip_text()?;
    let (kind, ts_ms) = cursor.kind_and_time()?;
    cursor.expect(b",\"data\":{\"s\":\"")?;
    let symbol = cursor.text()?;
    cursor.expect(b",\"b\":")?;
    cursor.levels(&mut room.bids)?;
    cursor.expect(b",\"a\":")?;
    cursor.levels(&mut room.asks)?;
    cursor.expect(b",\"u\":")?;
    let u = cursor.whole()?;
    cursor.expect(b",\"seq\":")?;
    let seq = cursor.whole()?;
    cursor.expect(b"},\"cts\":")?;
    let cts_ms = cursor.ms()?;
    cursor.end()?;
    let snapshot = kind == b"snapshot" || u == 1;
    Some(Book { symbol, depth, snapshot, u, seq, cts_ms: Some(cts_ms), ts_ms, bids: &[], asks: &[] })
}

fn trades<'a>(cursor: &mut Cursor<'a>, room: &mut Room) -> Option<Trades<'a>> {
    let symbol = cursor.text()?;
    let (_, ts_ms) = cursor.kind_and_time()?;
    cursor.expect(b",\"data\":[")?;
    room.trades.clear();
    loop {
        room.trades.push(trade(cursor, symbol)?);
        if !cursor.take(b",") {
            break;
        }
    }
    cursor.expect(b"]")?;
    cursor.end()?;
    Some(Trades { symbol, ts_ms, rows: &[], odd: Vec::new() })
}

fn trade(cursor: &mut Cursor<'_>, symbol: &str) -> Option<Trade> {
    cursor.expect(b"{\"T\":")?;
    let time_ms = cursor.ms()?;
    cursor.expect(b",\"s\":\"")?;
    cursor.expect(symbol.as_bytes())?;
    cursor.expect(b"\",\"S\":\"")?;
    let taker = if cursor.take(b"Buy\"") {
        Side::Buy
    } else {
        cursor.expect(b"Sell\"")?;
        Side::Sell
    };
    cursor.expect(b",\"v\":\"")?;
    let qty = Qty::from_raw(cursor.decimal()?);
    cursor.expect(b",\"p\":\"")?;
    let price = cursor.price()?;
    cursor.expect(b",\"L\":\"")?;
    cursor.skip_text()?;
    cursor.expect(b",\"i\":\"")?;
    let id = cursor.uuid()?;
    cursor.expect(b",\"BT\":")?;
    let block = cursor.flag()?;
    let rpi = if cursor.take(b",\"RPI\":") { cursor.flag()? } else { false };
    cursor.expect(b",\"seq\":")?;
    let seq = cursor.whole()?;
    cursor.expect(b"}")?;
    Some(Trade { time_ms, taker, price, qty, block, rpi, seq, id })
}

fn ticker<'a>(cursor: &mut Cursor<'a>) -> Option<Ticker<'a>> {
    let symbol = cursor.text()?;
    cursor.expect(b",\"type\":\"")?;
    let snapshot = cursor.bytes()? == b"snapshot";
    cursor.expect(b",\"data\":{\"symbol\":\"")?;
    cursor.skip_text()?;
    let mut ticker = Ticker { symbol, snapshot, ..Ticker::default() };
    while cursor.take(b",\"") {
        let key = cursor.bytes()?;
        cursor.expect(b":\"")?;
        ticker_field(&mut ticker, key, cursor)?;
    }
    cursor.expect(b"},\"cs\":")?;
    ticker.seq = Some(cursor.whole()?);
    cursor.expect(b",\"ts\":")?;
    ticker.ts_ms = cursor.ms()?;
    cursor.end()?;
    Some(ticker)
}

/// Fields come in any number and order. One that is there twice, and one that is there without a value, is for the
/// tolerant path to judge.
fn ticker_field(ticker: &mut Ticker, key: &[u8], cursor: &mut Cursor<'_>) -> Option<()> {
    match key {
        b"bid1Price" => once(&mut ticker.bid, cursor.price()?),
        b"bid1Size" => once(&mut ticker.bid_qty, Qty::from_raw(cursor.decimal()?)),
        b"ask1Price" => once(&mut ticker.ask, cursor.price()?),
        b"ask1Size" => once(&mut ticker.ask_qty, Qty::from_raw(cursor.decimal()?)),
        b"lastPrice" => once(&mut ticker.last, cursor.price()?),
        b"markPrice" => once(&mut ticker.facts.mark, cursor.price()?),
        b"indexPrice" => once(&mut ticker.facts.index, cursor.price()?),
        b"openInterest" => once(&mut ticker.open_interest, cursor.float()?),
        b"openInterestValue" => once(&mut ticker.open_interest_value, cursor.float()?),
        b"volume24h" => once(&mut ticker.volume_24h, cursor.float()?),
        b"turnover24h" => once(&mut ticker.turnover_24h, cursor.float()?),
        b"price24hPcnt" => once(&mut ticker.change_24h, cursor.rate()?),
        b"fundingRate" => once(&mut ticker.facts.funding_rate, cursor.rate()?),
        b"nextFundingTime" => once(&mut ticker.facts.next_funding, Ts::from_ms(cursor.quoted_ms()?)),
        b"prevPrice24h" => once(&mut ticker.facts.price_24h_ago, cursor.price()?),
        b"highPrice24h" => once(&mut ticker.high_24h, cursor.price()?),
        b"lowPrice24h" => once(&mut ticker.low_24h, cursor.price()?),
        b"prevPrice1h" => once(&mut ticker.price_1h_ago, cursor.price()?),
        // Rare and less simple: the tolerant path.
        b"fundingIntervalHour" | b"fundingCap" | b"deliveryTime" | b"predictedDeliveryPrice" => None,
        // Read by nobody.
        _ => cursor.skip_text(),
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// What is left to read. Every step gives `None` where the text is not as expected.
struct Cursor<'a> {
    rest: &'a [u8],
}

const SCALE: [i64; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Decimal digits that an `i64` always holds.
const DIGITS_MAX: usize = 18;

impl<'a> Cursor<'a> {
    /// Steps over `literal` if it is next.
    #[inline]
    fn take(&mut self, literal: &[u8]) -> bool {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
    #[inline]
    fn expect(&mut self, literal: &[u8]) -> Option<()> {
        self.take(literal).then_some(())
    }
    /// The end of the frame's object and of the frame.
    fn end(&mut self) -> Option<()> {
        self.expect(b"}")?;
        self.rest.is_empty().then_some(())
    }

    /// The rest of a text and its closing quote. No escapes, no control characters.
    #[inline]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=31))?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.expect(b"\"")?;
        Some(text)
    }
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
    #[inline]
    fn skip_text(&mut self) -> Option<()> {
        self.bytes().map(|_| ())
    }

    /// The rest of a UUID and its closing quote.
    #[inline]
    fn uuid(&mut self) -> Option<TradeId> {
        let (id, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.expect(b"\"")?;
        TradeId::of_uuid(id)
    }

    /// `"type"` and `"ts"`, which change places.
    #[inline]
    fn kind_and_time(&mut self) -> Option<(&'a [u8], i64)> {
        if self.take(b",\"type\":\"") {
            let kind = self.bytes()?;
            self.expect(b",\"ts\":")?;
            Some((kind, self.ms()?))
        } else {
            self.expect(b",\"ts\":")?;
            let ts_ms = self.ms()?;
            self.expect(b",\"type\":\"")?;
            Some((self.bytes()?, ts_ms))
        }
    }

    fn flag(&mut self) -> Option<bool> {
        if self.take(b"false") { Some(false) } else { self.take(b"true").then_some(true) }
    }

    /// A whole number of JSON: no sign, no zero in front.
    #[inline]
    fn whole(&mut self) -> Option<u64> {
        let start = self.rest;
        let mut value: u64 = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            // Wraps only after far more digits than are accepted below.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.rest = rest;
        }
        let digits = start.len() - self.rest.len();
        let plain = digits == 1 || start.first() != Some(&b'0');
        (plain && (1..=DIGITS_MAX).contains(&digits)).then_some(value)
    }
    #[inline]
    fn ms(&mut self) -> Option<i64> {
        self.whole().map(|ms| ms as i64)
    }
    /// A moment in quotes; zero is no value and not for here.
    fn quoted_ms(&mut self) -> Option<i64> {
        let ms = self.ms()?;
        self.expect(b"\"")?;
        (ms > 0).then_some(ms)
    }

    /// The rest of a decimal and its closing quote, in 1e-9. No sign, at most nine decimals.
    #[inline]
    fn decimal(&mut self) -> Option<i64> {
        let mut rest = self.rest;
        let mut value: i64 = 0;
        let mut digits = 0;
        let mut decimals = 0;
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            digits += 1;
            rest = after;
        }
        if let [b'.', after @ ..] = rest {
            rest = after;
            while let [digit @ b'0'..=b'9', after @ ..] = rest {
                value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
                decimals += 1;
                rest = after;
            }
        }
        self.rest = rest.strip_prefix(b"\"")?;
        if !(1..=DIGITS_MAX).contains(&(digits + decimals)) {
            return None;
        }
        value.checked_mul(*SCALE.get(decimals)?)
    }
    /// A price. Zero is not for here.
    #[inline]
    fn price(&mut self) -> Option<Price> {
        let raw = self.decimal()?;
        (raw > 0).then_some(Price::from_raw(raw))
    }
    fn rate(&mut self) -> Option<Rate> {
        let negative = self.take(b"-");
        let raw = self.decimal()?;
        Some(Rate::from_raw(if negative { -raw } else { raw }))
    }
    fn float(&mut self) -> Option<f64> {
        let text = self.text()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if plain { text.parse().ok() } else { None }
    }

    /// `[["price","size"],…]`.
    #[inline]
    fn levels(&mut self, levels: &mut Vec<Level>) -> Option<()> {
        levels.clear();
        self.expect(b"[")?;
        if self.take(b"]") {
            return Some(());
        }
        loop {
            self.expect(b"[\"")?;
            let price = self.price()?;
            self.expect(b",\"")?;
            let qty = Qty::from_raw(self.decimal()?);
            levels.push(Level { price, qty });
            // The end of this level and the beginning of the next, at one glance.
            if self.take(b"],") {
                continue;
            }
            return self.expect(b"]]");
        }
    }
}

#[cfg(test)]
mod tests;
