//! The exchange as its clients meet it, without a network: signed requests, sockets, faults.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zeroize::Zeroizing;

use super::exchange::Exchange;
use super::faults::Scenario;
use super::wire::Request;
use super::wire::route::{Outcome, rest};
use super::wire::sign::{Keys, signature};
use super::wire::socket::Kind;
use super::world::{Out, World};
use super::{Clock, Sim, SimError, SimOptions};
use crate::engine::event::{MarketData, Ticker, Trade};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};
use crate::venue::simulated::{SimulatedMarket, Weather};

const START: Ts = Ts::from_ms(1_700_000_000_000);

struct Client {
    world: World,
    now: Ts,
}

impl Client {
    fn open() -> Self {
        Self::with(Scenario::default())
    }

    /// An exchange whose book stands still at 100.0 / 100.5.
    fn with(scenario: Scenario) -> Self {
        let price = |text: &str| Price::parse(text).unwrap();
        let level = |text: &str| vec![Level { price: price(text), qty: Qty::parse("5").unwrap() }];
        let book = BookUpdate { snapshot: true, bids: level("100"), asks: level("100.5") };
        let ticker = Ticker { mark: Some(price("100")), index: Some(price("100")), ..Ticker::default() };
        let trade = Trade { price: price("100"), qty: Qty::parse("1").unwrap(), taker: Side::Buy };
        let events = [MarketData::Book(book), MarketData::Ticker(ticker), MarketData::Trade(trade)];
        let market = events.into_iter().map(|data| (Ts(0), Symbol(0), data));
        let rules = Instrument::linear("BTCUSDT", price("0.5"), Qty::parse("0.01").unwrap());
        let keys = Keys { key: "k".to_owned(), secret: Zeroizing::new("s".to_owned()) };
        let exchange = Exchange::new(vec![rules], crate::engine::num::Money::from_units(1_000), 1);
        Self { world: World::open(exchange, keys, Box::new(market), Span(0), scenario, START), now: START }
    }

    fn later(&mut self, ms: i64) -> &mut Self {
        self.now = self.now + Span::from_ms(ms);
        self.world.pump(self.now);
        self
    }

    fn faults(&mut self, change: &Value) {
        self.world.faults = self.world.faults.changed(change).unwrap();
    }

    fn send(&mut self, method: &str, path: &str, query: &str, body: &str) -> Outcome {
        let stamp = self.now.as_ms().to_string();
        let sign = signature("s", format!("{stamp}k5000{query}{body}").as_bytes());
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![
                header("x-bapi-api-key", "k"),
                header("x-bapi-timestamp", &stamp),
                header("x-bapi-recv-window", "5000"),
                header("x-bapi-sign", &sign),
            ],
            body: body.as_bytes().to_vec(),
        };
        rest(&mut self.world, &request, self.now)
    }

    fn get(&mut self, path: &str, query: &str) -> Value {
        serde_json::from_str(&self.send("GET", path, query, "").reply.unwrap().body).unwrap()
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        serde_json::from_str(&self.send("POST", path, "", &body.to_string()).reply.unwrap().body).unwrap()
    }

    fn create(&mut self, link: &str) -> Outcome {
        self.send("POST", "/v5/order/create", "", &order(link).to_string())
    }

    /// Rows of a list about one link id.
    fn listed(&mut self, path: &str, link: &str) -> Vec<Value> {
        let answer = self.get(path, &format!("category=linear&symbol=BTCUSDT&orderLinkId={link}"));
        answer["result"]["list"].as_array().unwrap().clone()
    }

    fn socket(&mut self, kind: Kind) -> Socket {
        let (send, frames) = unbounded_channel();
        Socket { number: self.world.connect(kind, send, self.now).unwrap(), frames }
    }

    fn say(&mut self, socket: &Socket, frame: &Value) {
        self.world.heard(socket.number, &frame.to_string(), self.now);
    }

    fn login(&mut self, kind: Kind) -> Socket {
        let mut socket = self.socket(kind);
        let expires = (self.now.as_ms() + 10_000).to_string();
        let sign = signature("s", format!("GET/realtime{expires}").as_bytes());
        self.say(&socket, &json!({"op": "auth", "args": ["k", expires, sign]}));
        let reply = socket.next().unwrap();
        assert!(reply["success"] == true || reply["retCode"] == 0, "{reply}");
        socket
    }
}

struct Socket {
    number: u64,
    frames: UnboundedReceiver<Out>,
}

impl Socket {
    /// The next frame, or `None` where none waits or the connection broke.
    fn next(&mut self) -> Option<Value> {
        match self.frames.try_recv() {
            Ok(Out::Text(_, text)) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    fn all(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next()).collect()
    }

    fn is_broken(&mut self) -> bool {
        matches!(self.frames.try_recv(), Ok(Out::Break))
    }
}

fn order(link: &str) -> Value {
    json!({"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "99.5",
        "orderLinkId": link})
}

fn code(answer: &Value) -> i64 {
    answer["retCode"].as_i64().unwrap()
}

#[test]
fn an_order_lives_over_rest_with_headers_and_text_numbers() {
    let mut client = Client::open();
    let outcome = client.create("a");
    let reply = outcome.reply.unwrap();
    assert!(reply.headers.contains(&("X-Bapi-Limit-Status", "9".to_owned())));
    let row = client.listed("/v5/order/realtime", "a").remove(0);
    assert_eq!((&row["price"], &row["qty"], &row["positionIdx"]), (&json!("99.5"), &json!("0.10"), &json!(0)));
    assert!(client.listed("/v5/order/history", "a").is_empty());
    let name = json!({"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "a"});
    assert_eq!(code(&client.post("/v5/order/cancel", &name)), 0);
    assert_eq!(code(&client.post("/v5/order/cancel", &name)), 110_001);
    assert_eq!(client.listed("/v5/order/history", "a")[0]["orderStatus"], "Cancelled");
}

#[test]
fn what_is_asked_wrongly_has_its_code() {
    let mut client = Client::open();
    assert_eq!(code(&client.get("/v5/order/realtime", "category=spots")), 10_001);
    assert_eq!(code(&client.get("/v5/order/realtime", "category=linear")), 10_001);
    assert_eq!(code(&client.get("/v5/no/such/path", "")), 10_017);
    assert_eq!(code(&client.post("/v5/order/create", &json!({"category": "linear", "symbol": "NOPE"}))), 10_001);
    assert_eq!(code(&client.get("/v5/market/funding/history", "category=linear&symbol=BTCUSDT&startTime=1")), 10_001);
    assert_eq!(client.send("PUT", "/v5/order/create", "", "").reply.unwrap().status, 400);
    assert_eq!(client.send("GET", "/v4/time", "", "").reply.unwrap().status, 404);
    assert_eq!(client.send("GET", "/v5/account/info", "", "{}").reply.unwrap().status, 403);
}

#[test]
fn every_client_asks_and_gets_an_answer_at_start() {
    let mut client = Client::open();
    for (path, query) in [
        ("/v5/market/time", ""),
        ("/v5/market/instruments-info", "category=linear&limit=1000"),
        ("/v5/market/instruments-info", "category=linear&status=PreLaunch"),
        ("/v5/market/instruments-info", "category=option&baseCoin=BTC"),
        ("/v5/market/tickers", "category=linear&symbol=BTCUSDT"),
        ("/v5/market/risk-limit", "category=linear&symbol=BTCUSDT"),
        ("/v5/market/price-limit", "category=linear&symbol=BTCUSDT"),
        ("/v5/market/kline", "category=linear&symbol=BTCUSDT&interval=1"),
        ("/v5/system/status", ""),
        ("/v5/asset/coin/query-info", ""),
        ("/v5/user/query-api", ""),
        ("/v5/account/info", ""),
        ("/v5/account/fee-rate", "category=linear&symbol=BTCUSDT"),
        ("/v5/account/transaction-log", "accountType=UNIFIED"),
        ("/v5/account/user-setting-config", ""),
        ("/v5/account/wallet-balance", "accountType=UNIFIED"),
        ("/v5/position/list", "category=linear&settleCoin=USDT"),
        ("/v5/position/closed-pnl", "category=linear"),
        ("/v5/execution/list", "category=linear"),
    ] {
        let answer = client.get(path, query);
        assert_eq!(code(&answer), 0, "{path}?{query}: {answer}");
    }
}

#[test]
fn too_many_in_a_second_and_a_batch_that_runs_out() {
    let mut client = Client::open();
    let item = |n: i32| {
        json!({"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "99.5",
        "orderLinkId": format!("b{n}")})
    };
    let batch =
        |from: i32, n: i32| json!({"category": "linear", "request": (from..from + n).map(item).collect::<Vec<_>>()});
    let codes = |answer: &Value| -> Vec<i64> {
        answer["retExtInfo"]["list"].as_array().unwrap().iter().map(|row| row["code"].as_i64().unwrap()).collect()
    };
    assert_eq!(codes(&client.post("/v5/order/create-batch", &batch(0, 8))), [0; 8]);
    let second = client.post("/v5/order/create-batch", &batch(8, 4));
    assert_eq!((code(&second), codes(&second)), (0, vec![0, 0, 10_006, 10_006]));
    assert_eq!(second["result"]["list"][3]["orderId"], "");
    assert_eq!(code(&client.post("/v5/order/create-batch", &batch(12, 1))), 10_006);
    assert_eq!(code(&client.later(1_000).post("/v5/order/create-batch", &batch(12, 1))), 0);
}

#[test]
fn lost_answers_leave_or_leave_not_an_order() {
    let mut client = Client::open();
    client.faults(&json!({"lose_acks": 1, "lose_requests": 1, "fail_after": 1, "fail_before": 1}));
    for (link, answered, there) in [("a", false, false), ("b", false, true), ("c", true, false), ("d", true, true)] {
        let outcome = client.create(link);
        assert_eq!(outcome.reply.map(|reply| reply.status), answered.then_some(502), "{link}");
        assert_eq!(!client.listed("/v5/order/realtime", link).is_empty(), there, "{link}");
    }
    assert_eq!(client.create("e").reply.unwrap().status, 200);
    let requests: Vec<&str> = client.world.requests.iter().filter_map(|r| r["body"]["orderLinkId"].as_str()).collect();
    assert_eq!(requests, ["a", "b", "c", "d", "e"]);
}

#[test]
fn made_up_codes_bans_and_bare_refusals() {
    let mut client = Client::open();
    client.faults(&json!({"fake_codes": 1, "fake_code": 10_000, "fake_after": true}));
    assert_eq!(code(&client.post("/v5/order/create", &order("a"))), 10_000);
    assert_eq!(client.listed("/v5/order/realtime", "a").len(), 1);
    client.faults(&json!({"too_many": 1, "bare_10006": true}));
    let reply = client.send("GET", "/v5/account/info", "", "").reply.unwrap();
    assert!(reply.body.contains("10006") && !reply.headers.iter().any(|(name, _)| *name == "X-Bapi-Limit"));
    client.faults(&json!({"banned": true}));
    let reply = client.send("GET", "/v5/market/time", "", "").reply.unwrap();
    assert_eq!((reply.status, reply.content_type), (403, "text/html"));
}

#[test]
fn an_accepted_order_may_be_rejected_late() {
    let mut client = Client::open();
    client.faults(&json!({"late_rejects": 1}));
    client.later(1);
    assert_eq!(code(&client.post("/v5/order/create", &order("a"))), 0);
    assert_eq!(client.listed("/v5/order/history", "a")[0]["orderStatus"], "Rejected");
    assert_eq!(code(&client.post("/v5/order/create", &order("b"))), 0);
    assert_eq!(client.listed("/v5/order/realtime", "b")[0]["orderStatus"], "New");
}

#[test]
fn a_wrong_clock_refuses_and_says_its_time() {
    let mut client = Client::open();
    client.faults(&json!({"clock_skew_ms": -2_000}));
    let answer = client.get("/v5/account/info", "");
    assert_eq!((code(&answer), answer["time"].as_i64()), (10_002, Some(START.as_ms() - 2_000)));
}

#[test]
fn orders_hide_for_as_long_as_a_fault_says() {
    let mut client = Client::open();
    client.faults(&json!({"hide_new_ms": 500}));
    client.create("a");
    assert!(client.listed("/v5/order/realtime", "a").is_empty());
    assert_eq!(client.later(500).listed("/v5/order/realtime", "a").len(), 1);
    client.faults(&json!({"hide_ended_ms": 3_000}));
    client.post("/v5/order/cancel-all", &json!({"category": "linear", "symbol": "BTCUSDT"}));
    for path in ["/v5/order/realtime", "/v5/order/history"] {
        assert!(client.listed(path, "a").is_empty());
    }
    assert_eq!(client.later(3_000).listed("/v5/order/history", "a").len(), 1);
    client.faults(&json!({"forget_closed": true}));
    assert!(client.listed("/v5/order/realtime", "a").is_empty());
}

#[test]
fn the_book_stream_is_a_snapshot_and_numbered_deltas() {
    let mut client = Client::open();
    let mut socket = client.socket(Kind::Public);
    client.say(&socket, &json!({"op": "subscribe", "args": ["orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT"]}));
    let frames = socket.all();
    assert_eq!(frames[0]["op"], "subscribe");
    let u = frames[1]["data"]["u"].as_u64().unwrap();
    assert_eq!((&frames[1]["type"], &frames[1]["data"]["b"]), (&json!("snapshot"), &json!([["100.0", "5.00"]])));
    let buy = json!({"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "2"});
    client.post("/v5/order/create", &buy);
    client.later(50);
    let delta = socket.all().into_iter().find(|frame| frame["type"] == "delta").unwrap();
    assert_eq!((&delta["data"]["a"], delta["data"]["u"].as_u64()), (&json!([["100.5", "3.00"]]), Some(u + 1)));
    client.later(2_900);
    assert!(socket.all().is_empty());
    client.later(210);
    let repeated = socket.next().unwrap();
    assert_eq!((&repeated["topic"], &repeated["type"]), (&json!("orderbook.1.BTCUSDT"), &json!("snapshot")));
}

#[test]
fn deltas_can_be_skipped_repeated_reordered_and_the_stream_restarted() {
    let mut client = Client::open();
    let mut socket = client.socket(Kind::Public);
    client.say(&socket, &json!({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]}));
    let first =
        socket.all().into_iter().find(|frame| frame["type"] == "snapshot").unwrap()["data"]["u"].as_u64().unwrap();
    let mut step = |client: &mut Client, fault: &Value| -> Vec<u64> {
        client.faults(fault);
        let buy =
            json!({"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.1"});
        client.post("/v5/order/create", &buy);
        client.later(200);
        socket.all().iter().map(|frame| frame["data"]["u"].as_u64().unwrap() - first).collect()
    };
    assert!(step(&mut client, &json!({"skip_deltas": 1})).is_empty());
    assert_eq!(step(&mut client, &json!({"repeat_deltas": 1})), [2, 2]);
    assert!(step(&mut client, &json!({"reorder_deltas": 1})).is_empty());
    assert_eq!(step(&mut client, &json!({})), [4, 3]);
    client.world.restart_stream(client.now);
    let snapshot = socket.next().unwrap();
    assert_eq!((&snapshot["type"], &snapshot["data"]["u"]), (&json!("snapshot"), &json!(1)));
}

#[test]
fn private_pushes_tell_orders_fills_positions_and_the_wallet() {
    let mut client = Client::open();
    let mut socket = client.login(Kind::Private);
    let topics = ["order", "execution", "execution.fast", "position.linear", "wallet"];
    client.say(&socket, &json!({"op": "subscribe", "args": topics, "req_id": 1}));
    assert_eq!(socket.all().len(), 1, "no snapshots");
    client.faults(&json!({"double_filled": 1}));
    let buy = json!({"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "2",
        "orderLinkId": "m"});
    client.post("/v5/order/create", &buy);
    assert!(socket.all().is_empty(), "the answer comes first");
    client.later(2);
    let frames = socket.all();
    let of = |topic: &str| frames.iter().filter(|f| f["topic"] == topic).collect::<Vec<_>>();
    let orders = of("order");
    assert_eq!((orders.len(), &orders[1]["data"][0]["cancelType"]), (2, &json!("CancelByUser")));
    assert_eq!(of("execution")[0]["data"][0]["execFee"], "0.11055");
    assert!(of("execution.fast")[0].get("id").is_none());
    assert_eq!(of("position.linear")[0]["data"][0]["entryPrice"], "100.5");
    assert_eq!(of("wallet")[0]["data"][0]["coin"][0]["walletBalance"], "999.88945");
    client.faults(&json!({"stall_private": true}));
    client.create("n");
    client.say(&socket, &json!({"op": "ping"}));
    client.later(10);
    assert!(socket.all().is_empty());
}

#[test]
fn the_trade_socket_acknowledges_refuses_and_breaks() {
    let mut client = Client::open();
    let mut socket = client.login(Kind::Trade);
    let request = |id: &str, link: &str, now: Ts| json!({"reqId": id, "header": {"X-BAPI-TIMESTAMP": now.as_ms()}, "op": "order.create", "args": [order(link)]});
    client.say(&socket, &request("1", "a", client.now));
    let ack = socket.next().unwrap();
    assert_eq!(
        (code(&ack), &ack["data"]["orderLinkId"], &ack["header"]["X-Bapi-Limit"]),
        (0, &json!("a"), &json!("10"))
    );
    client.say(&socket, &request("1", "b", client.now));
    assert_eq!(code(&socket.next().unwrap()), 20_006);
    client.say(&socket, &request("2", "a", client.now));
    assert_eq!(code(&socket.next().unwrap()), 110_072);
    client.say(&socket, &request("3", "c", client.now - Span::from_secs(6)));
    assert_eq!(code(&socket.next().unwrap()), 10_002);
    client.faults(&json!({"odd_refusals": true}));
    client.say(&socket, &request("4", "a", client.now));
    assert_eq!(socket.next().unwrap()["ret_msg"], "Params Error");
    client.faults(&json!({"lose_acks": 1, "odd_refusals": false}));
    client.say(&socket, &request("5", "d", client.now));
    assert!(socket.is_broken());
    assert_eq!(client.listed("/v5/order/realtime", "d").len(), 1);
    let mut stranger = client.socket(Kind::Trade);
    client.say(&stranger, &request("1", "e", client.now));
    assert_eq!(code(&stranger.next().unwrap()), 10_003);
}

#[test]
fn a_socket_that_says_nothing_for_ten_minutes_is_closed() {
    let mut client = Client::open();
    let mut socket = client.socket(Kind::Public);
    client.later(600_000);
    assert!(!socket.is_broken());
    client.later(1);
    assert!(socket.is_broken());
}

#[test]
fn a_scenario_plays_by_the_clock_and_the_back_door_says_what_it_did() {
    let text = "[[step]]\nat = \"5s\"\nfaults = { banned = true }\n[[step]]\nat = \"6s\"\ndo = { deposit = { amount = \"5\" } }\n";
    let mut client = Client::with(Scenario::parse(text).unwrap());
    assert!(!client.later(4_999).world.faults.banned);
    assert!(client.later(1).world.faults.banned);
    assert_eq!(client.later(1_000).world.exchange.account.balance, crate::engine::num::Money::from_units(1_005));
    let mut ask = |method: &str, path: &str, body: &str| client.send(method, path, "", body).reply.unwrap();
    assert_eq!(
        ask("POST", "/sim/do", "{\"order\":{\"symbol\":\"BTCUSDT\",\"side\":\"Buy\",\"qty\":\"1\"}}").status,
        200
    );
    assert_eq!(ask("POST", "/sim/do", "{\"dance\":1}").status, 400);
    assert_eq!(ask("POST", "/sim/faults", "{\"no\":1}").status, 400);
    let state: Value = serde_json::from_str(&ask("GET", "/sim/state", "").body).unwrap();
    assert_eq!((&state["positions"][0]["size"], &state["faults"]["banned"]), (&json!("1.00"), &json!(true)));
}

#[test]
fn a_feed_is_played_from_before_the_opening_to_now() {
    let keys = Keys { key: "k".to_owned(), secret: Zeroizing::new("s".to_owned()) };
    let mut market = SimulatedMarket::new(1, Weather::Calm, Ts(0));
    let feed = Box::new(std::iter::from_fn(move || Some(market.next_event())));
    let exchange = Exchange::new(SimulatedMarket::instruments(), crate::engine::num::Money::from_units(1), 1);
    let mut world = World::open(exchange, keys, feed, Span::from_secs(2), Scenario::default(), START);
    let played = world.exchange.markets[0].seq;
    assert!(world.exchange.markets.iter().all(|market| market.book.mid().is_some()));
    world.pump(START + Span::from_secs(1));
    assert!(world.exchange.markets[0].seq > played);
    assert!(world.exchange.now() <= START + Span::from_secs(1));
}

#[test]
fn small_numbers_may_lose_their_zero_and_trade_sockets_their_room() {
    let mut client = Client::open();
    client.faults(&json!({"bare_points": true}));
    client.create("a");
    assert_eq!(client.listed("/v5/order/realtime", "a")[0]["qty"], ".10");
    client.faults(&json!({"trade_sessions_max": 1}));
    client.login(Kind::Trade);
    let mut second = client.socket(Kind::Trade);
    let expires = (client.now.as_ms() + 10_000).to_string();
    let sign = signature("s", format!("GET/realtime{expires}").as_bytes());
    client.say(&second, &json!({"op": "auth", "args": ["k", expires, sign]}));
    assert_eq!(code(&second.next().unwrap()), 10_003);
}

/// What comes back for one HTTP request over the network; nothing where the connection just closes.
fn over_the_network(sim: &Sim, request: &str) -> String {
    let mut stream = TcpStream::connect(sim.addr).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A connection that breaks is what some requests ask for.
    drop(stream.read_to_string(&mut answer));
    answer
}

#[test]
fn it_serves_on_loopback_only_and_ends_when_dropped() {
    let clock: Clock = Arc::new(|| START);
    let options = || SimOptions { prelude: Span(0), ..SimOptions::simulated(1, Weather::Calm, clock.clone()) };
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(matches!(Sim::start(SimOptions { listen: everywhere, ..options() }), Err(SimError::NotLoopback(_))));
    let sim = Sim::start(options()).unwrap();
    let time = over_the_network(&sim, "GET /v5/market/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(time.starts_with("HTTP/1.1 200") && time.contains("\"timeSecond\":\"1700000000\""), "{time}");
    sim.set_faults(&json!({"lose_requests": 1, "path": "/v5/account"})).unwrap();
    let sign = signature("sim_secret", b"1700000000000sim_key5000");
    let signed = format!(
        "GET /v5/account/info HTTP/1.1\r\nHost: x\r\nX-BAPI-API-KEY: sim_key\r\nx-bapi-timestamp: 1700000000000\r\n\
         X-Bapi-Recv-Window: 5000\r\nX-BAPI-SIGN: {sign}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(over_the_network(&sim, &signed), "");
    assert!(over_the_network(&sim, &signed).contains("\"retCode\":0"));
    assert_eq!(sim.state()["faults"]["lose_requests"], 0);
    sim.act(&json!({"deposit": {"amount": "1"}})).unwrap();
    assert_eq!(sim.state()["wallet"]["totalWalletBalance"], "10001");
    let addr = sim.addr;
    drop(sim);
    assert!(TcpStream::connect(addr).is_err());
}
