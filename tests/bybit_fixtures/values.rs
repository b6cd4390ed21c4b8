//! What is in single payloads, to the last digit.

use tickdeck::engine::num::{Money, Price, Qty, Rate, Side};
use tickdeck::engine::time::Ts;
use tickdeck::venue::bybit::codes::{Action, Next, Op, classify};
use tickdeck::venue::bybit::parse::private::{self, Private};
use tickdeck::venue::bybit::parse::public::{self, Book, Public, Room, Ticker};
use tickdeck::venue::bybit::parse::reply::{Asked, Reply};
use tickdeck::venue::bybit::parse::rest::market::{ContractType, InstrumentStatus};
use tickdeck::venue::bybit::parse::rest::{Envelope, account, market, orders};
use tickdeck::venue::bybit::parse::rows::{
    ExecKind, ExecutionRow, OrderRow, OrderStatus, OrderType, PositionRow, PositionStatus, TimeInForce, WalletRow,
};
use tickdeck::venue::bybit::parse::trade::{self, TradeAsked, TradeReply};

/// A payload and what must be in it.
pub type Check = (&'static str, fn(&str));

/// All that is looked at.
pub const CHECKS: &[Check] = &[
    ("ws/docs__websocket__public__orderbook__snapshot.json", |text| {
        with_book(text, |book| {
            assert_eq!((book.symbol, book.depth, book.snapshot), ("BTCUSDT", 50, true));
            assert_eq!((book.u, book.seq), (18_521_288, 7_961_638_724));
            assert_eq!((book.ts_ms, book.cts_ms), (1_672_304_484_978, Some(1_672_304_484_976)));
            assert_eq!((book.bids[1].price, book.bids[1].qty), (px("16493"), qty("0.1")));
            assert_eq!((book.asks[0].price, book.asks[0].qty), (px("16611"), qty("0.029")));
        });
    }),
    ("ws/docs__websocket__public__orderbook__delta.json", |text| {
        with_book(text, |book| {
            assert!(!book.snapshot);
            assert_eq!((book.bids.len(), book.asks.len()), (5, 7));
            assert_eq!((book.bids[4].price, book.bids[4].qty), (px("30240"), Qty::ZERO));
        });
    }),
    ("ws/ccxt__handle_order_book.json", |text| with_book(text, |book| assert_eq!(book.cts_ms, None))),
    ("ws/docs__websocket__public__trade__snapshot.json", |text| {
        let mut room = Room::default();
        let Public::Trades(trades) = public::parse(text, &mut room).unwrap() else { panic!() };
        let [trade] = trades.rows else { panic!() };
        assert_eq!((trades.symbol, trade.taker, trade.seq), ("BTCUSDT", Side::Buy, 1_783_284_617));
        assert_eq!((trade.price, trade.qty, trade.time_ms), (px("16578.5"), qty("0.001"), 1_672_304_486_865));
        assert_eq!((trade.id.as_str(), trade.block), ("20f43950-d8dd-5b31-9112-a178eb6023af", false));
    }),
    ("ws/gct__publicTrade__snapshot.json", |text| {
        let mut room = Room::default();
        let Public::Trades(trades) = public::parse(text, &mut room).unwrap() else { panic!() };
        assert_eq!((trades.rows[0].id.as_str(), trades.rows[0].seq), ("2200000000067341890", 0));
        assert_eq!(trades.rows[0].taker, Side::Sell);
    }),
    ("ws/docs__websocket__public__ticker__snapshot.json", |text| {
        with_ticker(text, |ticker| {
            assert_eq!((ticker.snapshot, ticker.seq, ticker.ts_ms), (true, Some(9_532_239_429), 1_760_325_052_630));
            assert_eq!((ticker.facts.mark, ticker.facts.index), (Some(px("66666.6")), Some(px("115418.19"))));
            assert_eq!(ticker.facts.funding_rate, Some(rate("-0.005")));
            assert_eq!(ticker.facts.next_funding, Some(Ts::from_ms(1_760_342_400_000)));
            assert_eq!(ticker.facts.price_24h_ago, Some(px("79206.2")));
            assert_eq!((ticker.bid_qty, ticker.ask), (Some(qty("23789.165")), Some(px("66666.7"))));
            assert_eq!((ticker.funding_interval_h, ticker.funding_cap), (Some(8), Some(rate("0.005"))));
            assert_eq!((ticker.open_interest, ticker.delivery_ms), (Some(492_373.72), None));
        });
    }),
    ("ws/docs__websocket__public__ticker__snapshot__2.json", |text| {
        with_ticker(text, |ticker| {
            assert_eq!(ticker.delivery_ms, Some(1_766_736_000_000), "2025-12-26T08:00:00Z");
            assert_eq!((ticker.facts.next_funding, ticker.facts.funding_rate), (None, None));
            assert_eq!(ticker.predicted_delivery, None);
        });
    }),
    ("ws/gct__wsTicker__tickers__delta.json", |text| {
        with_ticker(text, |ticker| {
            assert!(!ticker.snapshot);
            assert_eq!((ticker.bid, ticker.ask, ticker.last), (Some(px("61873.9")), None, None));
            assert_eq!(ticker.facts.funding_rate, None);
        });
    }),
    ("ws/net__V5_Linear_Liquidations.json", |text| {
        let mut room = Room::default();
        let Public::Liquidations { symbol, rows } = public::parse(text, &mut room).unwrap() else { panic!() };
        assert_eq!((symbol, rows.good[0].position), ("ETHUSDT", Side::Sell));
        assert_eq!((rows.good[0].bankruptcy, rows.good[0].qty), (px("0.04499"), qty("20000")));
    }),
    ("ws/docs__websocket__public__order-price-limit__push.json", |text| {
        let mut room = Room::default();
        let Public::PriceLimit(limit) = public::parse(text, &mut room).unwrap() else { panic!() };
        assert_eq!((limit.buy_max, limit.sell_min), (px("114450"), px("103550")));
        assert_eq!((limit.symbol.as_str(), limit.ts_ms), ("BTCUSDT", Some(1_750_059_683_782)));
    }),
    ("ws/docs__websocket__public__adl-alert__snapshot.json", |text| {
        let mut room = Room::default();
        let Public::AdlAlerts(rows) = public::parse(text, &mut room).unwrap() else { panic!() };
        assert_eq!((rows.good.len(), rows.good[0].symbol.as_str()), (3, "FWOGUSDT"));
        assert!((rows.good[2].ratio - 0.245_76).abs() < 1e-12);
    }),
    ("ws/docs__websocket__system__system-status__push.json", |text| {
        let mut room = Room::default();
        let Public::SystemStatus(rows) = public::parse(text, &mut room).unwrap() else { panic!() };
        assert_eq!((rows.good[0].state.as_str(), rows.good[0].services.as_slice()), ("completed", &[2, 3, 4, 5][..]));
        assert_eq!((rows.good[0].begin_ms, rows.good[0].kind), (Some(1_751_596_902_000), Some(1)));
    }),
    ("ws/issue__subscribe_already_subscribed.json", |text| {
        let reply = reply(text);
        assert_eq!((reply.asked, reply.ok, reply.already()), (Asked::Subscribe, false, true));
        assert!(reply.request.unwrap().len() > 200);
    }),
    ("ws/gct__op_subscribe__fail.json", |text| {
        let reply = reply(text);
        assert_eq!((reply.ok, &*reply.message, reply.request.as_deref()), (false, "failed auth", Some("1")));
    }),
    ("ws/docs__websocket__wss-authentication__ack__5.json", |text| {
        let reply = reply(text);
        assert_eq!((reply.asked, reply.ok, reply.request), (Asked::Ping, true, None));
    }),
    ("ws/gct__op_auth__fail.json", |text| {
        let reply = trade_reply(text);
        assert_eq!((reply.asked, reply.code, reply.ok), (TradeAsked::Auth, Some(10004), false));
        assert_eq!((&*reply.message, reply.request), ("Invalid sign", None));
    }),
    ("ws/docs__websocket__trade__guideline__ack__2.json", |text| {
        let reply = trade_reply(text);
        assert_eq!((reply.asked, reply.ok, reply.request.as_deref()), (TradeAsked::Create, true, Some("test-005")));
        let order = reply.order.unwrap();
        assert_eq!(order.order_id.as_deref(), Some("a4c1718e-fe53-4659-a118-1f6ecce04ad9"));
        assert_eq!(order.link_id, None);
        assert_eq!((reply.limit.limit, reply.limit.left), (Some(10), Some(9)));
        assert_eq!(reply.limit.reset_ms, Some(1_711_001_595_208));
    }),
    ("ws/docs__websocket__private__execution__push.json", |text| {
        let Private::Executions(pushed) = private::parse(text).unwrap() else { panic!() };
        let [row] = pushed.rows.good.as_slice() else { panic!() };
        assert_eq!(pushed.created_ms, Some(1_746_270_400_355));
        assert_eq!((row.fee, row.price, row.qty), (money("26.3725275"), px("95900.1"), qty("0.5")));
        assert_eq!((row.kind, row.side, row.maker), (ExecKind::Trade, Side::Sell, Some(false)));
        assert_eq!((row.pnl, row.seq), (Some(money("0.05")), Some(140_612_148_849_382)));
        assert_eq!(row.extra_fees, [("USDT".to_owned(), money("0.006403779"))]);
        assert_eq!((row.fee_coin.as_deref(), row.link_id.as_deref()), (Some("USDT"), None));
    }),
    ("ws/net__V5_Private_MinimalUserTrades.json", |text| {
        let Private::FastExecutions(pushed) = private::parse(text).unwrap() else { panic!() };
        let [row] = pushed.rows.good.as_slice() else { panic!() };
        assert_eq!((row.price, row.qty, row.maker), (px("12.015"), qty("3000"), None));
        assert_eq!((row.link_id.as_deref(), row.time_ms), (Some("test-00001"), 1_716_800_399_334));
    }),
    ("ws/gct__order__push.json", |text| {
        let row = pushed_order(text);
        assert_eq!((row.status, row.time_in_force), (OrderStatus::Filled, TimeInForce::Fok));
        assert_eq!((row.filled, row.qty, row.leaves), (qty("194.1"), qty("194.1"), Some(Qty::ZERO)));
        assert_eq!(row.fees, [("USDT".to_owned(), money("0.0048975312"))]);
        assert_eq!((row.trigger_price, row.take_profit, row.stop_order_type), (None, None, None));
    }),
    ("ws/gct__wsAuth__order__push.json", |text| {
        let row = pushed_order(text);
        assert_eq!(
            (row.order_type, row.price, row.avg_price),
            (OrderType::Market, Some(px("4.033")), Some(px("4.24")))
        );
        assert_eq!((row.category.as_deref(), row.create_type.as_deref()), (Some("linear"), Some("CreateByUser")));
        assert_eq!((row.filled_value, row.closed_pnl), (Some(money("7.2086")), Some(Money::ZERO)));
        assert_eq!((row.cancel_type, row.reject_reason), (None, None));
    }),
    ("ws/gct__wsAuth__position__push.json", |text| {
        let Private::Positions(pushed) = private::parse(text).unwrap() else { panic!() };
        let [row] = pushed.rows.good.as_slice() else { panic!() };
        assert_eq!((row.side, row.size, row.entry), (Some(Side::Buy), qty("75"), Some(px("0.3615"))));
        assert_eq!((row.liquidation, row.seq, row.status), (None, None, PositionStatus::Normal));
        assert_eq!((row.unrealised, row.adl_rank), (Some(money("-1.8075")), Some(2)));
    }),
    ("ws/docs__websocket__private__position__push.json", |text| {
        let Private::Positions(pushed) = private::parse(text).unwrap() else { panic!() };
        let [row] = pushed.rows.good.as_slice() else { panic!() };
        assert_eq!((row.side, row.size, row.entry, row.position_idx), (None, Qty::ZERO, None, 2));
        assert_eq!((row.liquidation, row.take_profit), (None, None));
        assert_eq!((row.seq, row.realised_ever), (Some(8_327_597_863), Some(money("-25.06579337"))));
    }),
    ("ws/docs__websocket__private__wallet__push.json", |text| {
        let Private::Wallets(pushed) = private::parse(text).unwrap() else { panic!() };
        let [row] = pushed.rows.good.as_slice() else { panic!() };
        check_wallet(row, "10262.91335023", "9556.6056555", "0.00102964");
        assert_eq!((row.coins[0].order_margin, row.coins[0].is_collateral), (None, Some(true)));
    }),
    ("rest/docs__market__time__resp.json", |text| {
        assert_eq!(market::server_time_ns(&answer(text)).unwrap(), 1_688_639_403_423_213_947);
    }),
    ("rest/docs__market__instrument__resp_linear.json", |text| {
        let page = market::instruments(&answer(text)).unwrap();
        let [row] = page.rows.good.as_slice() else { panic!() };
        assert_eq!((row.contract, row.status), (ContractType::LinearPerpetual, InstrumentStatus::Trading));
        assert_eq!((row.tick, row.step, row.min_qty), (px("0.1"), qty("0.001"), qty("0.001")));
        assert_eq!((row.max_qty, row.max_market_qty), (qty("1190"), Some(qty("500"))));
        assert_eq!((row.min_notional, row.max_leverage), (Some(money("5")), Some(rate("100"))));
        assert_eq!((row.funding_interval_min, row.delivery_ms), (Some(480), None));
        assert_eq!((row.band_x, row.band_y), (Some(rate("0.01")), Some(rate("0.02"))));
        assert_eq!((row.settle.as_deref(), page.next), (Some("USDT"), None));
    }),
    ("rest/xchange__getInstrumentLinear.json", |text| {
        let page = market::instruments(&answer(text)).unwrap();
        assert_eq!((page.rows.good[0].max_market_qty, page.rows.good[0].min_notional), (None, None));
    }),
    ("rest/docs__market__orderbook__resp.json", |text| {
        let book = market::order_book(&answer(text)).unwrap();
        assert!(!book.bids.is_empty() && book.bids[0].price < book.asks[0].price);
    }),
    ("rest/docs__market__kline__resp_inverse.json", |text| {
        let rows = market::candles(&answer(text)).unwrap();
        assert_eq!((rows.good.len(), rows.good[0].start_ms), (3, 1_670_608_800_000));
        assert_eq!((rows.good[0].close, rows.good[0].low), (px("17055.5"), px("17027")));
    }),
    ("rest/docs__market__recent-trade__resp_spot.json", |text| {
        let rows = market::recent_trades(&answer(text)).unwrap();
        assert_eq!((rows.good[0].rpi, rows.good[0].seq, rows.good[0].qty), (true, 123_456, qty("0.00012")));
    }),
    ("rest/docs__market__order-price-limit__resp.json", |text| {
        let limit = market::price_limit(&answer(text)).unwrap();
        assert_eq!((limit.buy_max, limit.ts_ms), (px("105878.1"), Some(1_750_302_284_491)));
    }),
    ("rest/docs__market__risk-limit__resp_inverse.json", |text| {
        let page = market::risk_tiers(&answer(text)).unwrap();
        let tier = &page.rows.good[0];
        assert_eq!((tier.initial, tier.maintenance, tier.lowest), (rate("0.01"), rate("0.005"), true), "per cent");
    }),
    ("rest/docs__market__history-fund-rate__resp_linear.json", |text| {
        let rows = market::funding_history(&answer(text)).unwrap();
        assert_eq!((rows.good[0].rate, rows.good[0].time_ms), (rate("0.0001"), 1_672_041_600_000));
    }),
    ("rest/net__ExchangeData_GetLinearInverseTickers.json", |text| {
        let rows = market::tickers(&answer(text)).unwrap();
        let row = &rows.good[0];
        assert_eq!((row.symbol.as_str(), row.ticker.last), ("BTCUSD", Some(px("16597"))));
        assert_eq!((row.ticker.delivery_ms, row.ticker.ts_ms), (None, 1_672_376_496_682));
    }),
    ("rest/ccxtstatic__resp_createMarketBuyOrderWithCost.json", |text| {
        let envelope = answer(text);
        assert_eq!((envelope.code, envelope.time_ms), (0, Some(1_749_814_467_805)), "numbers as texts");
        assert_eq!(orders::accepted(&envelope).order_id.as_deref(), Some("1971981115648733696"));
    }),
    ("rest/docs__order__batch-place__resp.json", |text| {
        let items = orders::batch(&answer(text));
        assert_eq!((items.len(), items[1].code, items[1].message.as_str()), (2, Some(0), "OK"));
        assert_eq!(items[1].order.link_id.as_deref(), Some("spot-atom-03"));
    }),
    ("rest/docs__order__open-order__resp_linear.json", |text| {
        let page = orders::page(&answer(text)).unwrap();
        let row = &page.rows.good[0];
        assert_eq!((row.status, row.link_id.as_deref()), (OrderStatus::New, Some("test-000005")));
        assert_eq!((row.take_profit, row.stop_loss, row.trigger_price), (Some(px("2500")), Some(px("1500")), None));
        assert_eq!((row.leaves, row.filled, row.avg_price), (Some(qty("0.1")), Qty::ZERO, None));
        assert!(page.next.unwrap().contains("%3D"), "as sent");
    }),
    ("rest/docs__order__order-list__resp_linear.json", |text| {
        let row = &orders::page(&answer(text)).unwrap().rows.good[0];
        assert_eq!((row.status, row.time_in_force), (OrderStatus::Cancelled, TimeInForce::PostOnly));
        assert_eq!(row.reject_reason.as_deref(), Some("EC_PostOnlyWillTakeLiquidity"));
        assert_eq!((row.cancel_type.as_deref(), row.status.is_closed()), (None, true));
    }),
    ("rest/ccxt__fetch_orders_classic.json", |text| {
        let row = &orders::page(&answer(text)).unwrap().rows.good[0];
        assert_eq!(row.status, OrderStatus::Cancelled, "a plain cancel by us, whatever the reject reason says");
        assert_eq!(row.cancel_type.as_deref(), Some("CancelByUser"));
        assert_eq!(row.reject_reason.as_deref(), Some("EC_PerCancelRequest"));
    }),
    ("rest/docs__order__execution__resp_linear.json", |text| {
        let row: &ExecutionRow = &orders::executions(&answer(text)).unwrap().rows.good[0];
        assert_eq!((row.fee, row.value, row.closed), (money("0.071409"), Some(money("119.015")), None));
        assert_eq!((row.category.as_deref(), row.fee_coin.as_deref()), (None, None));
        assert!(row.extra_fees.is_empty());
    }),
    ("rest/docs__position__position__resp_inverse.json", |text| {
        let row: &PositionRow = &account::positions(&answer(text)).unwrap().rows.good[0];
        assert_eq!((row.side, row.entry), (Some(Side::Sell), Some(px("27464.50441675"))));
        assert_eq!((row.auto_add_margin, row.risk_limit), (true, Some(money("150"))));
    }),
    ("rest/docs__account__wallet-balance__resp.json", |text| {
        let rows = account::wallets(&answer(text)).unwrap();
        check_wallet(&rows.good[0], "3.31216591", "3.00326056", "0");
    }),
    ("rest/docs__account__transaction-log__resp.json", |text| {
        let page = account::transactions(&answer(text)).unwrap();
        let (funding, trade) = (&page.rows.good[0], &page.rows.good[1]);
        assert_eq!((funding.kind.as_str(), funding.funding), ("SETTLEMENT", Some(money("-0.003676"))));
        assert_eq!((funding.change, funding.fee), (money("-0.003676"), Some(Money::ZERO)));
        assert_eq!((trade.funding, trade.fee, trade.change), (None, Some(money("0.0190872")), money("-0.0190872")));
        assert_eq!(page.next.as_deref(), Some("21963%3A1%2C14954%3A1"));
    }),
    ("rest/docs__account__fee-rate__resp.json", |text| {
        let rows = account::fees(&answer(text)).unwrap();
        assert_eq!((rows.good[0].taker, rows.good[0].maker), (rate("0.0006"), rate("0.0001")));
    }),
    ("rest/docs__user__apikey-info__resp.json", |text| {
        let key = account::key_info(&answer(text)).unwrap();
        assert!(key.read_only && key.unified && key.master && key.is_bound() && !key.may_withdraw());
        assert!(key.may("ContractTrade", "Order") && !key.may("Options", "OptionsTrade"));
        assert_eq!((key.expires, key.days_left, key.user_id), (None, None, Some(1_448_939)));
    }),
    ("rest/docs__account__get-user-setting-config__resp.json", |text| {
        assert_eq!(account::user_settings(&answer(text)).unwrap().refuses_outside_band, Some(false));
    }),
    ("rest/docs__system-status__resp.json", |text| {
        let rows = market::system_status(&answer(text)).unwrap();
        assert_eq!((rows.good.len(), rows.good[5].environment), (6, Some(2)));
    }),
    ("rest/issue__err_10002_clock_ahead.json", |text| {
        let envelope = answer(text);
        assert_eq!(envelope.code, 10002);
        assert!(envelope.message.contains("req_timestamp"));
    }),
];

/// A refusal, what was asked, and what it means.
pub const REFUSALS: &[(&str, Op, Action, Next)] = &[
    ("rest/issue__err_10000_server_timeout.json", Op::Create, Action::Ambiguous, Next::ReadOrder),
    ("rest/issue__err_10001_market_no_liquidity.json", Op::Create, Action::Wait, Next::Nothing),
    ("rest/issue__err_10001_orderlinkid_too_long.json", Op::Create, Action::Fix, Next::Nothing),
    ("rest/issue__err_10003_key_invalid.json", Op::Create, Action::Halt, Next::Nothing),
    ("rest/issue__err_10005_permission.json", Op::Read, Action::Halt, Next::Nothing),
    ("rest/issue__err_10006_too_many_visits.json", Op::Create, Action::Wait, Next::AwaitLimit),
    ("rest/issue__err_10010_unmatched_ip.json", Op::Create, Action::Halt, Next::Nothing),
    ("rest/issue__err_110001_not_exists.json", Op::Cancel, Action::Ambiguous, Next::ReadOrder),
    ("rest/issue__err_110017_position_zero.json", Op::Create, Action::Fix, Next::Reconcile),
    ("rest/issue__err_110043_leverage_not_modified.json", Op::Setting, Action::Ok, Next::Nothing),
    ("rest/issue__err_110094_min_value.json", Op::Create, Action::Fix, Next::Resize),
    ("rest/ccxt__err_110007.json", Op::Create, Action::Fix, Next::Resize),
    ("rest/ccxt__err_10016.json", Op::Create, Action::Ambiguous, Next::ReadOrder),
    ("rest/ccxt__err_12201.json", Op::Create, Action::Ambiguous, Next::ReadOrder),
    ("rest/ccxt__err_7001.json", Op::Read, Action::Fix, Next::Nothing),
    ("rest/issue__err_10002_clock_ahead.json", Op::Create, Action::Wait, Next::SyncClock),
];

/// Holds one of [`REFUSALS`].
pub fn check_refusal(text: &str, op: Op, action: Action, next: Next) {
    let envelope = answer(text);
    let verdict = classify(op, envelope.code, &envelope.message);
    assert_eq!((verdict.action, verdict.next), (action, next), "{}: {}", envelope.code, envelope.message);
}

fn px(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

fn with_book(text: &str, check: impl FnOnce(&Book)) {
    let mut room = Room::default();
    match public::parse(text, &mut room).unwrap() {
        Public::Book(book) => check(&book),
        other => panic!("{other:?}"),
    }
}

fn with_ticker(text: &str, check: impl FnOnce(&Ticker)) {
    let mut room = Room::default();
    match public::parse(text, &mut room).unwrap() {
        Public::Ticker(ticker) => check(&ticker),
        other => panic!("{other:?}"),
    }
}

fn reply(text: &str) -> Reply<'_> {
    let Private::Reply(reply) = private::parse(text).unwrap() else { panic!("{text}") };
    reply
}

fn trade_reply(text: &str) -> TradeReply<'_> {
    trade::parse(text).unwrap()
}

fn pushed_order(text: &str) -> OrderRow {
    let Private::Orders(mut pushed) = private::parse(text).unwrap() else { panic!("{text}") };
    pushed.rows.good.remove(0)
}

fn answer(text: &str) -> Envelope<'_> {
    Envelope::parse(text.as_bytes()).unwrap()
}

fn check_wallet(row: &WalletRow, equity: &str, available: &str, btc: &str) {
    assert_eq!((row.equity, row.available), (Some(money(equity)), Some(money(available))));
    assert_eq!((row.coins[0].coin.as_str(), row.coins[0].balance), ("BTC", money(btc)));
}
