//! Tables: trades, which can become a tape, and bars, which cannot. Columns are found by their names, so the common
//! exports are read as they are: the exchanges' own dumps, tick-data vendors, and plain `ts,px,qty,side`.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::error::ImportError;
use super::message::{Bad, Line, Message, moment, positive_price};
use super::source::{Lines, Read1};
use crate::engine::event::Trade;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::Ts;

/// Where the columns of a table of trades are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TradeColumns {
    time: usize,
    price: usize,
    qty: usize,
    side: Option<SideColumn>,
    symbol: Option<usize>,
    /// Instrument that the file's name says.
    named: Option<String>,
    /// Quantities count quote currency: an inverse contract.
    pub qty_in_quote: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SideColumn {
    Taker(usize),
    /// True when the buyer was resting, that is the taker sold.
    BuyerIsMaker(usize),
}

/// One trade of a table. The taker's side is unknown where the table does not say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradeRow {
    /// When.
    pub at: Ts,
    /// Price.
    pub price: Price,
    /// Quantity, in the table's own unit (base, or contracts of quote currency).
    pub qty: Qty,
    /// Side of the taker.
    pub taker: Option<Side>,
}

/// One bar. What a table does not have is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// When it began.
    pub at: Ts,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Volume in base.
    pub volume: Option<Qty>,
    /// Volume in quote currency.
    pub quote_volume: Option<Qty>,
    /// Number of trades.
    pub trades: Option<u64>,
    /// Volume in base that takers bought.
    pub taker_buy: Option<Qty>,
}

/// The cells of a row.
fn cells(row: &str) -> Vec<&str> {
    row.split(',').map(|cell| cell.trim().trim_matches('"')).collect()
}

/// Index of the first of `names` among the columns.
fn column(header: &[&str], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|h| h.eq_ignore_ascii_case(name)))
}

impl TradeColumns {
    /// Whether a first line looks like the header of a table that we know something about.
    pub(super) fn is_header(row: &str) -> bool {
        let header = cells(row);
        column(&header, TIMES).is_some() && (column(&header, PRICES).is_some() || column(&header, &["close"]).is_some())
    }

    /// The columns of a table whose trades can go on a tape.
    pub(super) fn of(path: &Path, row: &str) -> Result<Self, ImportError> {
        let columns = Self::any(path, row)?;
        if columns.side.is_none() {
            return Err(ImportError::NoSide(path.to_owned()));
        }
        if columns.symbol.is_none() && columns.named.is_none() {
            return Err(ImportError::NoName(path.to_owned()));
        }
        Ok(columns)
    }

    fn any(path: &Path, row: &str) -> Result<Self, ImportError> {
        let header = cells(row);
        if column(&header, &["open"]).is_some() && column(&header, &["close"]).is_some() {
            return Err(ImportError::Bars(path.to_owned()));
        }
        let need =
            |names, what| column(&header, names).ok_or_else(|| ImportError::NoColumn { path: path.to_owned(), what });
        let side = column(&header, &["side"]).map(SideColumn::Taker);
        let maker = column(&header, &["is_buyer_maker", "isBuyerMaker"]).map(SideColumn::BuyerIsMaker);
        let qty = need(QUANTITIES, "quantity")?;
        Ok(Self {
            time: need(TIMES, "time")?,
            price: need(PRICES, "price")?,
            qty,
            side: side.or(maker),
            symbol: column(&header, &["symbol"]),
            named: instrument_in_name(path),
            qty_in_quote: header.get(qty).is_some_and(|name| name.eq_ignore_ascii_case("qty_usd")),
        })
    }

    fn row(&self, text: &str) -> Result<TradeRow, Bad> {
        let cells = cells(text);
        let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("no column {}", at + 1));
        let taker = match self.side {
            None => None,
            Some(SideColumn::Taker(at)) => Some(side(cell(at)?)?),
            Some(SideColumn::BuyerIsMaker(at)) => Some(match cell(at)? {
                "true" | "True" | "TRUE" | "1" => Side::Sell,
                "false" | "False" | "FALSE" | "0" => Side::Buy,
                other => return Err(format!("`{other}` says neither that the buyer rested nor that it did not")),
            }),
        };
        Ok(TradeRow {
            at: moment(cell(self.time)?)?,
            price: positive_price(&plain(cell(self.price)?))?,
            qty: Qty::parse(&plain(cell(self.qty)?)).map_err(|e| e.to_string())?,
            taker,
        })
    }

    /// A line as a message of the instrument.
    pub(super) fn parse<'a>(&'a self, text: &'a str) -> Result<Line<'a>, Bad> {
        if text.is_empty() || Self::is_header(text) {
            return Ok(Line::Other);
        }
        let row = self.row(text)?;
        let taker = row.taker.ok_or("no side")?;
        let name = match self.symbol {
            Some(at) => text.split(',').nth(at).map(|cell| cell.trim().trim_matches('"')),
            None => self.named.as_deref(),
        };
        let trade = Trade { price: row.price, qty: row.qty, taker };
        Ok(Line::Message { at: row.at, name, message: Message::Trades(vec![trade]) })
    }
}

/// The same decimal without an exponent, which some tables write for small numbers: `1.5e-05` is `0.000015`. What is no
/// such number is returned as it is; the exact parsers refuse it.
fn plain(text: &str) -> Cow<'_, str> {
    let as_it_is = Cow::Borrowed(text);
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return as_it_is };
    let Ok(exponent @ -18..=18) = exponent.parse::<i32>() else { return as_it_is };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 40 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return as_it_is;
    }
    let point = whole.len() as i32 + exponent;
    let padded = format!("{}{digits}{}", "0".repeat((1 - point).max(0) as usize), "0".repeat(point.max(0) as usize));
    let (before, after) = padded.split_at(point.max(1) as usize);
    Cow::Owned(format!("{before}.{after}"))
}

/// Receive times first: they are what the tape is ordered by.
const TIMES: &[&str] = &["local_timestamp", "ts", "timestamp", "time", "transact_time"];
const PRICES: &[&str] = &["px", "price"];
const QUANTITIES: &[&str] = &["qty", "size", "amount", "quantity", "qty_usd"];

fn side(text: &str) -> Result<Side, Bad> {
    match text {
        "1" | "buy" | "Buy" | "BUY" => Ok(Side::Buy),
        "-1" | "sell" | "Sell" | "SELL" => Ok(Side::Sell),
        other => Err(format!("a trade of side `{}`", other.chars().take(20).collect::<String>())),
    }
}

/// The part of a file's name that names an instrument, where one does: `bybit_linear_btcusdt_20251204.csv.gz` is `BTCUSDT`.
pub fn instrument_in_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.split(['_', '-', '.']).peekable();
    while let Some(part) = parts.next() {
        let upper = part.to_ascii_uppercase();
        let named = ["USDT", "USDC", "USD"].iter().any(|quote| upper.len() > quote.len() + 1 && upper.ends_with(quote));
        if named && upper.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let perpetual = parts.peek().is_some_and(|next| next.eq_ignore_ascii_case("perp"));
            return Some(if perpetual { format!("{upper}_PERP") } else { upper });
        }
    }
    None
}

/// Reads a table row by row; the first bad row is an error that names its line.
fn read_table<T>(
    path: &Path,
    header: impl FnOnce(&str) -> Result<(), ImportError>,
    mut row: impl FnMut(&str) -> Result<T, Bad>,
) -> Result<Vec<T>, ImportError> {
    let mut lines = Lines::open(path, &Arc::default())?;
    match lines.next()? {
        Read1::Text(text) => header(text)?,
        Read1::Bad(_) | Read1::End => return Err(ImportError::Unknown(path.to_owned())),
    }
    let mut rows = Vec::new();
    loop {
        let read = match lines.next()? {
            Read1::Text("") => continue,
            Read1::Text(text) => row(text),
            Read1::Bad(why) => Err(why.to_owned()),
            Read1::End => break,
        };
        rows.push(read.map_err(|why| wrong(path, &lines, why))?);
    }
    if lines.truncated() {
        return Err(wrong(path, &lines, "the compressed data ends here, in the middle".to_owned()));
    }
    Ok(rows)
}

fn wrong(path: &Path, lines: &Lines, why: Bad) -> ImportError {
    ImportError::Row { path: path.to_owned(), line: lines.number(), why }
}

/// Reads a table of trades for training, with or without sides.
pub fn read_trades_csv(path: &Path) -> Result<Vec<TradeRow>, ImportError> {
    let columns = std::cell::OnceCell::new();
    read_table(
        path,
        |header| {
            // Set once: there is one header.
            drop(columns.set(TradeColumns::any(path, header)?));
            Ok(())
        },
        |text| columns.get().ok_or("no header")?.row(text),
    )
}

/// Where the columns of a table of bars are.
#[derive(Default)]
struct BarColumns {
    time: usize,
    prices: [usize; 4],
    volume: Option<usize>,
    quote_volume: Option<usize>,
    trades: Option<usize>,
    taker_buy: Option<usize>,
}

impl BarColumns {
    fn of(path: &Path, row: &str) -> Result<Self, ImportError> {
        let header = cells(row);
        let need = |names: &[&str], what| {
            column(&header, names).ok_or_else(|| ImportError::NoColumn { path: path.to_owned(), what })
        };
        Ok(Self {
            time: need(&["ts", "open_time", "start", "timestamp", "time"], "time")?,
            prices: [
                need(&["open"], "open price")?,
                need(&["high"], "high price")?,
                need(&["low"], "low price")?,
                need(&["close"], "close price")?,
            ],
            volume: column(&header, &["volume"]),
            quote_volume: column(&header, &["quote_volume", "volume_quote", "turnover"]),
            trades: column(&header, &["trades", "count"]),
            taker_buy: column(&header, &["taker_buy_base", "taker_buy_volume"]),
        })
    }

    fn row(&self, text: &str) -> Result<Bar, Bad> {
        let cells = cells(text);
        let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("no column {}", at + 1));
        let qty = |at: Option<usize>| -> Result<Option<Qty>, Bad> {
            let text = at.map(cell).transpose()?.filter(|text| !text.is_empty());
            text.map(|text| Qty::parse(&plain(text)).map_err(|e| e.to_string())).transpose()
        };
        let [open, high, low, close] = self.prices;
        let count = self.trades.map(cell).transpose()?.filter(|text| !text.is_empty());
        let bar = Bar {
            at: moment(cell(self.time)?)?,
            open: positive_price(cell(open)?)?,
            high: positive_price(cell(high)?)?,
            low: positive_price(cell(low)?)?,
            close: positive_price(cell(close)?)?,
            volume: qty(self.volume)?,
            quote_volume: qty(self.quote_volume)?,
            trades: count.map(|n| n.parse().map_err(|_| format!("`{n}` trades"))).transpose()?,
            taker_buy: qty(self.taker_buy)?,
        };
        if bar.low > bar.open.min(bar.close) || bar.high < bar.open.max(bar.close) {
            return Err("its high and low do not enclose its open and close".to_owned());
        }
        Ok(bar)
    }
}

/// Reads a table of bars for training.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, ImportError> {
    let columns = std::cell::OnceCell::new();
    read_table(
        path,
        |header| {
            // Set once: there is one header.
            drop(columns.set(BarColumns::of(path, header)?));
            Ok(())
        },
        |text| columns.get().ok_or("no header")?.row(text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(name: &str, header: &str) -> Result<TradeColumns, ImportError> {
        TradeColumns::of(Path::new(name), header)
    }

    fn trade(name: &str, header: &str, row: &str) -> (Ts, String, Trade) {
        let columns = columns(name, header).unwrap();
        match columns.parse(row) {
            Ok(Line::Message { at, name: Some(name), message: Message::Trades(trades) }) => {
                (at, name.to_owned(), trades[0])
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn common_tables_of_trades_are_read() {
        let plain = trade("bybit_linear_btcusdt_2025.csv", "ts,px,qty,side", "1764878935649,91778.3,0.014,-1");
        assert_eq!((plain.0, plain.1.as_str()), (Ts::from_ms(1_764_878_935_649), "BTCUSDT"));
        assert_eq!(plain.2.taker, Side::Sell);
        let vendor = trade(
            "x.csv",
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            "binance-futures,BTCUSDT,1582329602111000,1582329602418379,42377944,buy,9682,0.132",
        );
        assert_eq!((vendor.0, vendor.1.as_str()), (Ts(1_582_329_602_418_379_000), "BTCUSDT"));
        let venue = trade(
            "x.csv",
            "timestamp,symbol,side,size,price,tickDirection",
            "1585180700.0647,BTCUSDT,Sell,0.5,6698.5,MinusTick",
        );
        assert_eq!(venue.0, Ts(1_585_180_700_064_700_000));
        let dump =
            trade("BTCUSDT-trades.csv", "id,price,qty,quote_qty,time,is_buyer_maker", "1,9.5,2,19,1582329602111,true");
        assert_eq!((dump.1.as_str(), dump.2.taker), ("BTCUSDT", Side::Sell));
    }

    #[test]
    fn what_makes_no_tape_says_why() {
        assert!(matches!(columns("a_btcusdt.csv", "ts,px,qty"), Err(ImportError::NoSide(_))));
        assert!(matches!(columns("a.csv", "ts,px,qty,side"), Err(ImportError::NoName(_))));
        assert!(matches!(columns("a_btcusdt.csv", "ts,open,high,low,close,volume"), Err(ImportError::Bars(_))));
        assert!(matches!(columns("a_btcusdt.csv", "ts,px,side"), Err(ImportError::NoColumn { what: "quantity", .. })));
        let columns = columns("binance_cm_btcusd_perp_1.csv", "ts,px,qty,side").unwrap();
        assert_eq!(columns.named.as_deref(), Some("BTCUSD_PERP"));
        for row in ["x", "1764878935649,91778.3,0.014,up", "1764878935649,0,1,1", "1764878935649,1,-1,1", ",,,"] {
            assert!(columns.parse(row).is_err(), "{row}");
        }
    }

    #[test]
    fn exponents_are_exact() {
        for (text, expected) in
            [("1e-05", "0.00001"), ("1.5E-3", "0.0015"), ("12.5e1", "125"), ("2.5e+2", "250"), ("0e0", "0"), ("7", "7")]
        {
            assert_eq!(Qty::parse(&plain(text)), Qty::parse(expected), "{text}");
        }
        for text in ["e5", "1e", "1e99", "-1e2", "1e-10", "1e1e1", ".e1", "nan"] {
            assert!(Qty::parse(&plain(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn bars_are_read_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.csv");
        let header = "ts,open,high,low,close,volume,quote_volume,trades\n";
        std::fs::write(&path, format!("{header}1733007600000,10,12,9,11,6.6158,,3577\n")).unwrap();
        let bars = read_bars(&path).unwrap();
        assert_eq!((bars.len(), bars[0].trades, bars[0].quote_volume), (1, Some(3577), None));
        std::fs::write(&path, format!("{header}1733007600000,10,12,9,11,1,1,1\n1733007600000,10,9,9,11,1,1,1\n"))
            .unwrap();
        assert!(matches!(read_bars(&path), Err(ImportError::Row { line: 3, .. })));
        std::fs::write(&path, "ts,px,qty\n1642204800000,43059.97,0.00713\n").unwrap();
        let trades = read_trades_csv(&path).unwrap();
        assert_eq!((trades.len(), trades[0].taker), (1, None));
        assert!(matches!(read_bars(&path), Err(ImportError::NoColumn { .. })));
    }
}
