//! Payloads that we write ourselves from the contract, and what never happens whatever comes in.

use proptest::prelude::*;

use super::private::Private;
use super::public::{Public, Room};
use super::rest::{Envelope, account, market, orders};
use super::rows::{ExecKind, OrderStatus};
use super::trade::TradeAsked;
use super::*;
use crate::engine::num::{Money, Price, Qty, Side};

const BOOK: &str = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1700000000100,"data":{"s":"BTCUSDT","b":[["30000.10","1.5"],["29999.90","0"]],"a":[["30000.20","0.25"]],"u":18,"seq":77},"cts":1700000000090}"#;
const TRADES: &str = r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1700000000100,"data":[{"T":1700000000095,"s":"BTCUSDT","S":"Sell","v":"0.149","p":"30000.10","L":"MinusTick","i":"e35630b4-31d5-54f6-8e3f-3025908ef863","BT":false,"RPI":true,"seq":77}]}"#;
const TICKER: &str = r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"30000.15","nextFundingTime":"1700006400000","fundingRate":"0.0001","volume24h":"91705.276"},"cs":77,"ts":1700000000100}"#;
const ORDER: &str = r#"{"id":"x","topic":"order","creationTime":1700000000100,"data":[{"category":"linear","symbol":"BTCUSDT","orderId":"a-1","orderLinkId":"tl-1","side":"Buy","orderType":"Limit","timeInForce":"PostOnly","orderStatus":"PartiallyFilled","cancelType":"UNKNOWN","rejectReason":"EC_NoError","price":"30000.1","qty":"0.5","avgPrice":"30000.1","leavesQty":"0.4","cumExecQty":".1","cumExecValue":"3000.01","cumFeeDetail":{"USDT":"0.6"},"positionIdx":0,"reduceOnly":false,"closeOnTrigger":false,"triggerPrice":"0.00","takeProfit":"","createdTime":"1700000000000","updatedTime":""}]}"#;
const EXECUTION: &str = r#"{"topic":"execution.linear","id":"x","creationTime":1,"data":[{"category":"linear","symbol":"BTCUSDT","orderId":"1700000000-BTCUSDT-1-Buy","orderLinkId":"","side":"Buy","execId":"e-1","execType":"Funding","orderType":"UNKNOWN","execPrice":"30000.1","execQty":"0.5","execFee":"-0.75","execTime":"1700000000000","isMaker":false,"feeRate":"-0.00005","orderQty":"0","seq":5}]}"#;
const POSITION: &str = r#"{"topic":"position","creationTime":1,"data":[{"category":"linear","symbol":"BTCUSDT","positionIdx":0,"side":"Sell","size":"0.5","entryPrice":"30000.12345678912","leverage":"","positionIM":"","liqPrice":"0","positionStatus":"Liq","seq":-1}]}"#;
const WALLET: &str = r#"{"topic":"wallet","creationTime":1,"data":[{"accountType":"UNIFIED","totalEquity":"","coin":[{"coin":"USDT","walletBalance":"-1.000000000000000001","locked":""}]}]}"#;
const CREATED: &str = r#"{"reqId":"r","retCode":0,"retMsg":"OK","op":"order.create","data":{"orderId":"a","orderLinkId":"l"},"retExtInfo":{},"header":{"X-Bapi-Limit":"10","X-Bapi-Limit-Status":"9","X-Bapi-Limit-Reset-Timestamp":"1700000000100"},"connId":"c"}"#;
const INSTRUMENTS: &str = r#"{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"1000PEPEUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"1000PEPE","quoteCoin":"USDT","settleCoin":"USDT","launchTime":"1683200000000","deliveryTime":"1795000000000","priceFilter":{"minPrice":"0.0000001","maxPrice":"1.9999998","tickSize":"0.0000001"},"lotSizeFilter":{"qtyStep":"100","minOrderQty":"100","maxOrderQty":"25000000000","maxMktOrderQty":"5000000","minNotionalValue":"5"},"fundingInterval":240,"riskParameters":{"priceLimitRatioX":"0.05","priceLimitRatioY":"0.15"}},{"symbol":"ODD"},7],"nextPageCursor":"a%3Db"},"retExtInfo":{},"time":1700000000100}"#;

/// One of everything, for what must never happen.
const ALL: &[&str] =
    &[BOOK, TRADES, TICKER, ORDER, EXECUTION, POSITION, WALLET, CREATED, INSTRUMENTS, "{}", "[]", "null", ""];

fn private(text: &str) -> Private<'_> {
    super::private::parse(text).unwrap()
}

fn answer(text: &str) -> Envelope<'_> {
    Envelope::parse(text.as_bytes()).unwrap()
}

#[test]
fn an_order_takes_every_spelling_of_no_value() {
    let Private::Orders(pushed) = private(ORDER) else { panic!() };
    let row = &pushed.rows.good[0];
    assert_eq!((row.filled, row.leaves), (Qty::parse("0.1").unwrap(), Qty::parse("0.4").ok()));
    assert_eq!((row.trigger_price, row.take_profit, row.updated_ms), (None, None, None));
    assert_eq!((row.cancel_type.as_deref(), row.reject_reason.as_deref()), (None, None));
    assert!(row.status.is_open() && !row.status.is_closed());
}

#[test]
fn an_order_without_what_money_hangs_on_is_left_out() {
    for field in ["symbol", "orderId", "side", "orderStatus", "qty", "cumExecQty"] {
        let text = ORDER.replace(&format!("\"{field}\":"), "\"other\":");
        let Private::Orders(pushed) = private(&text) else { panic!() };
        assert!(pushed.rows.good.is_empty(), "{field}");
        assert_eq!(pushed.rows.odd[0].field, field);
    }
    let text = ORDER.replace("\"price\":\"30000.1\"", "\"price\":30000.1");
    let Private::Orders(pushed) = private(&text) else { panic!() };
    assert_eq!(pushed.rows.odd[0].field, "price", "a float is never a price");
}

#[test]
fn a_status_of_tomorrow_is_neither_open_nor_closed() {
    let text = ORDER.replace("PartiallyFilled", "Suspended");
    let Private::Orders(pushed) = private(&text) else { panic!() };
    let status = pushed.rows.good[0].status;
    assert!(status == OrderStatus::Unknown && !status.is_open() && !status.is_closed());
    for old in ["Created", "Active", "PendingCancel"] {
        let text = ORDER.replace("PartiallyFilled", old);
        let Private::Orders(pushed) = private(&text) else { panic!() };
        assert!(pushed.rows.good[0].status.is_open(), "{old}");
    }
}

#[test]
fn one_odd_row_leaves_the_others() {
    let text = ORDER.replace("\"data\":[{", "\"data\":[null,5,{\"symbol\":\"X\"},{");
    let Private::Orders(pushed) = private(&text) else { panic!() };
    assert_eq!((pushed.rows.good.len(), pushed.rows.odd.len()), (1, 3));
    assert!(super::private::parse(&ORDER.replace("\"data\":[", "\"data\":5,\"x\":[")).is_err());
}

#[test]
fn funding_is_an_execution_that_is_not_ours() {
    let Private::Executions(pushed) = private(EXECUTION) else { panic!() };
    let row = &pushed.rows.good[0];
    assert_eq!((row.kind, row.link_id.as_deref()), (ExecKind::Funding, None));
    assert_eq!(row.fee, Money::parse("-0.75").unwrap());
}

#[test]
fn a_position_needs_a_side_unless_flat() {
    let Private::Positions(pushed) = private(POSITION) else { panic!() };
    let row = &pushed.rows.good[0];
    assert_eq!(row.entry, Price::parse("30000.123456789").ok(), "cut after nine decimals");
    assert_eq!((row.leverage, row.initial_margin, row.liquidation, row.seq), (None, None, None, Some(-1)));
    for side in ["", "None"] {
        let text = POSITION.replace("\"Sell\"", &format!("\"{side}\""));
        let Private::Positions(pushed) = private(&text) else { panic!() };
        assert_eq!(pushed.rows.odd[0].field, "side");
        let flat = text.replace("\"size\":\"0.5\"", "\"size\":\"0\"");
        let Private::Positions(pushed) = private(&flat) else { panic!() };
        assert_eq!(pushed.rows.good[0].side, None);
    }
}

#[test]
fn a_wallet_may_be_in_debt_and_blank() {
    let Private::Wallets(pushed) = private(WALLET) else { panic!() };
    let row = &pushed.rows.good[0];
    assert_eq!((row.equity, row.coins[0].balance.raw()), (None, -1_000_000_000_000_000_001));
    let text = WALLET.replace("walletBalance", "wallet");
    let Private::Wallets(pushed) = private(&text) else { panic!() };
    assert_eq!((pushed.rows.good.len(), pushed.rows.odd[0].field.as_ref()), (0, "walletBalance"));
}

#[test]
fn a_refusal_on_the_trade_socket_may_name_nothing() {
    let text = r#"{"success":false,"ret_msg":"Params Error","op":"order.create","conn_id":"c"}"#;
    let reply = trade::parse(text).unwrap();
    assert_eq!((reply.asked, reply.ok, reply.code, reply.request), (TradeAsked::Create, false, None, None));
    let text = r#"{"retCode":10005,"retMsg":"Permission denied","op":"order.create","data":{},"connId":"c"}"#;
    let reply = trade::parse(text).unwrap();
    assert_eq!((reply.code, reply.request, reply.order), (Some(10005), None, None));
    assert!(trade::parse(r#"{"op":"order.create"}"#).is_err());
}

#[test]
fn a_failed_batch_without_a_list_has_no_items() {
    let text = r#"{"retCode":0,"retMsg":"OK","result":{"list":[{"orderId":"","orderLinkId":"a"},{"orderId":"2","orderLinkId":"b"}]},"retExtInfo":{"list":[{"code":10006,"msg":"Too many visits!"}]},"time":1}"#;
    let items = orders::batch(&answer(text));
    assert_eq!((items[0].code, &items[0].order.order_id), (Some(10006), &None));
    assert_eq!((items[1].code, items[1].message.as_str()), (None, ""), "no code of its own: unknown");
}

#[test]
fn an_instrument_that_ends_and_one_too_large_to_count() {
    let page = market::instruments(&answer(INSTRUMENTS)).unwrap();
    let row = &page.rows.good[0];
    assert_eq!((row.delivery_ms, row.max_qty), (Some(1_795_000_000_000), Qty::from_raw(i64::MAX)));
    assert_eq!((page.rows.odd.len(), page.next.as_deref()), (2, Some("a%3Db")));
    let text = INSTRUMENTS.replace("25000000000", "a lot");
    let odd = &market::instruments(&answer(&text)).unwrap().rows.odd[0];
    assert_eq!(odd.field, "maxOrderQty");
    assert!(odd.symbol.as_ref().is_some_and(|name| text.contains(name)), "{odd:?}");
    // What is no plain name is not repeated to anybody.
    let text = text.replace(odd.symbol.as_ref().unwrap(), "<b>");
    assert_eq!(market::instruments(&answer(&text)).unwrap().rows.odd[0].symbol, None);
}

#[test]
fn a_key_without_permissions_told_is_not_trusted() {
    let text = r#"{"retCode":0,"retMsg":"","result":{"readOnly":0,"permissions":{"Wallet":["Withdraw"]},"ips":["*"],"expiredAt":"2026-12-01T00:00:00Z","deadlineDay":9},"time":1}"#;
    let key = account::key_info(&answer(text)).unwrap();
    assert!(key.may_withdraw() && !key.is_bound() && !key.read_only);
    assert_eq!((key.expires.as_deref(), key.days_left), (Some("2026-12-01T00:00:00Z"), Some(9)));
    assert!(account::key_info(&answer(&text.replace("permissions", "p"))).is_err());
    assert!(account::key_info(&answer(&text.replace("readOnly", "r"))).is_err());
}

#[test]
fn risk_tiers_are_fractions() {
    let text = r#"{"retCode":0,"result":{"list":[{"id":1,"symbol":"X","riskLimitValue":"2000000","maintenanceMargin":"0.005","initialMargin":"0.01","isLowestRisk":1,"maxLeverage":"100.00","mmDeduction":""},{"id":2,"symbol":"Y","riskLimitValue":"150","maintenanceMargin":"0.5","initialMargin":"1","isLowestRisk":0,"maxLeverage":"100.00"}]}}"#;
    let rows = market::risk_tiers(&answer(text)).unwrap().rows.good;
    assert_eq!((rows[0].initial, rows[0].maintenance), (rows[1].initial, rows[1].maintenance));
    assert_eq!(rows[0].initial.raw(), 10_000_000);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in ["", "<html>502 Bad Gateway</html>", "[]", "{}", r#"{"retCode":"x"}"#, r#"{"retMsg":"OK"}"#] {
        assert!(Envelope::parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(Envelope::parse(&[0xff, 0xfe]).is_err());
    let envelope = answer(r#"{"retCode":10001,"retMsg":"bad","result":null,"retExtInfo":"","time":1}"#);
    assert_eq!((envelope.code, &*envelope.message), (10001, "bad"));
    assert!(orders::batch(&envelope).is_empty() && orders::page(&envelope).is_err());
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let long = format!("{{\"topic\":\"{}\"}}", "x".repeat(LENGTH_MAX));
    assert!(super::public::parse(&long, &mut Room::default()).is_err());
    let levels = vec![r#"["29999.90","0"]"#; LENGTH_MAX / 16].join(",");
    let book = BOOK.replace(r#"["29999.90","0"]"#, &levels);
    assert!(super::public::parse(&book, &mut Room::default()).is_err());
    assert!(super::private::parse(&long).is_err() && trade::parse(&long).is_err());
    assert!(Envelope::parse(long.as_bytes()).is_err());
    let deep = format!("{{\"topic\":\"order\",\"data\":{}", "[".repeat(100_000));
    assert!(super::private::parse(&deep).is_err());
    assert!(super::public::parse(&deep, &mut Room::default()).is_err());
}

#[test]
fn an_odd_trade_leaves_the_others_and_an_odd_level_spoils_the_book() {
    let mut room = Room::default();
    let text = TRADES.replace("\"data\":[{", r#""data":[{"T":1,"S":"Up","p":"1","v":"1"},{"#);
    let Public::Trades(trades) = super::public::parse(&text, &mut room).unwrap() else { panic!() };
    assert_eq!((trades.rows.len(), trades.odd[0].field.as_ref()), (1, "S"));
    assert_eq!((trades.rows[0].taker, trades.rows[0].rpi), (Side::Sell, true));
    for (good, bad) in [("30000.10", "thirty"), ("30000.10", "0"), ("1.5", "-1.5"), ("0.25", "1e3")] {
        assert!(super::public::parse(&BOOK.replace(good, bad), &mut room).is_err(), "{bad}");
    }
}

#[test]
fn number_one_is_a_snapshot_whatever_it_is_called() {
    let mut room = Room::default();
    let text = BOOK.replace("\"u\":18", "\"u\":1");
    let Public::Book(book) = super::public::parse(&text, &mut room).unwrap() else { panic!() };
    assert!(book.snapshot);
    let Public::Book(book) = super::public::parse(BOOK, &mut room).unwrap() else { panic!() };
    assert!(!book.snapshot);
}

#[test]
fn other_books_and_topics_are_other() {
    let mut room = Room::default();
    for topic in ["orderbook.rpi.BTCUSDT", "orderbook.full.BTCUSDT", "insurance.USDT", "greeks", "new.thing"] {
        let text = format!(r#"{{"topic":"{topic}","data":{{}}}}"#);
        assert_eq!(super::public::parse(&text, &mut room), Ok(Public::Other(topic)));
    }
}

#[test]
fn candles_and_the_time_of_delivery() {
    let mut room = Room::default();
    let text = r#"{"topic":"kline.5.BTCUSDT","data":[{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16677","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":true,"timestamp":1672324988882}],"ts":1672324988882,"type":"snapshot"}"#;
    let Public::Candles { symbol, rows } = super::public::parse(text, &mut room).unwrap() else { panic!() };
    assert_eq!((symbol, rows.good[0].confirmed, rows.good[0].interval.as_str()), ("BTCUSDT", true, "5"));
    for (sent, ms) in [("2025-12-26T08:00:00Z", Some(1_766_736_000_000)), ("1766736000000", Some(1_766_736_000_000))] {
        let text = TICKER.replace("\"symbol\"", &format!("\"deliveryTime\":\"{sent}\",\"symbol\""));
        let Public::Ticker(ticker) = super::public::parse(&text, &mut room).unwrap() else { panic!() };
        assert_eq!(ticker.delivery_ms, ms);
    }
    let text = TICKER.replace("\"symbol\"", "\"deliveryTime\":\"soon\",\"symbol\"");
    assert!(super::public::parse(&text, &mut room).is_err());
}

/// Everything that reads, on anything.
fn read_all(text: &str) {
    let mut room = Room::default();
    let _ = super::public::parse(text, &mut room);
    let _ = super::private::parse(text);
    let _ = trade::parse(text);
    if let Ok(envelope) = Envelope::parse(text.as_bytes()) {
        let _ = market::server_time_ns(&envelope);
        let _ = market::instruments(&envelope);
        let _ = market::tickers(&envelope);
        let _ = market::order_book(&envelope);
        let _ = market::candles(&envelope);
        let _ = market::recent_trades(&envelope);
        let _ = market::price_limit(&envelope);
        let _ = market::risk_tiers(&envelope);
        let _ = market::funding_history(&envelope);
        let _ = market::system_status(&envelope);
        let _ = orders::accepted(&envelope);
        let _ = orders::batch(&envelope);
        let _ = orders::page(&envelope);
        let _ = orders::executions(&envelope);
        let _ = account::positions(&envelope);
        let _ = account::wallets(&envelope);
        let _ = account::transactions(&envelope);
        let _ = account::info(&envelope);
        let _ = account::fees(&envelope);
        let _ = account::key_info(&envelope);
        let _ = account::user_settings(&envelope);
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_any_text(text in ".{0,200}") {
        read_all(&text);
        let _ = Envelope::parse(text.as_bytes());
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(&bytes);
        read_all(&String::from_utf8_lossy(&bytes));
    }

    /// A frame that was cut off is never taken for a whole one.
    #[test]
    fn a_cut_frame_is_an_error(which in 0..ALL.len(), part in 0.0..1.0_f64) {
        let text = ALL[which];
        let cut = (text.len() as f64 * part) as usize;
        if cut < text.len() {
            let text = &text[..cut];
            read_all(text);
            prop_assert!(super::public::parse(text, &mut Room::default()).is_err());
            prop_assert!(super::private::parse(text).is_err() && trade::parse(text).is_err());
            prop_assert!(Envelope::parse(text.as_bytes()).is_err());
        }
    }

    /// Any bytes changed, inserted or dropped anywhere.
    #[test]
    fn nothing_panics_on_a_changed_frame(
        which in 0..ALL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = ALL[which].as_bytes().to_vec();
        for (place, byte, how) in edits {
            if bytes.is_empty() {
                bytes.push(byte);
            }
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => { bytes.remove(place); }
            }
        }
        let _ = Envelope::parse(&bytes);
        read_all(&String::from_utf8_lossy(&bytes));
    }

    /// The same frame with one value replaced by a value of any other kind.
    #[test]
    fn nothing_panics_on_a_value_of_another_kind(
        which in 0..ALL.len(),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "null", "true", "-1", "1e400", "18446744073709551616", "0.1", "[]", "{}", "[[]]", "\"\"", "\"\\u0000\"",
            "\"99999999999999999999999999999999999999999\"", "\"-0\"", "\"é\"", "[null]", "[{}]",
        ]),
    ) {
        let text = ALL[which];
        let colons: Vec<usize> = text.match_indices("\":").map(|(at, _)| at + 2).collect();
        if !colons.is_empty() {
            let at = colons[place.index(colons.len())];
            let rest = &text[at..];
            let end = match rest.as_bytes().first() {
                Some(b'"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
                _ => rest.find([',', '}', ']']).unwrap_or(rest.len()),
            };
            read_all(&format!("{}{value}{}", &text[..at], &rest[end..]));
        }
    }
}
