//! Reads every shared payload of the exchange with the parser of its endpoint or topic: none may fail, no row may be left
//! out but those named here with the reason, and many say exactly what is in them. The payloads are read where
//! `TICKDECK_SHARED` says; without it these tests are listed as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use tickdeck::venue::bybit::codes::{Action, Op, classify};
use tickdeck::venue::bybit::parse::private::{self, Private};
use tickdeck::venue::bybit::parse::public::{self, Public, Room};
use tickdeck::venue::bybit::parse::rest::{Envelope, account, market, orders};
use tickdeck::venue::bybit::parse::{Odd, Page, Rows, trade};
use tickdeck::venue::bybit::sign::Signer;

#[path = "bybit_fixtures/values.rs"]
mod values;

fn main() {
    let args = Arguments::from_args();
    let folder = std::env::var_os("TICKDECK_SHARED").map(|root| PathBuf::from(root).join("bybit/fixtures"));
    libtest_mimic::run(&args, trials(folder.as_deref())).exit();
}

fn trials(folder: Option<&Path>) -> Vec<Trial> {
    let Some(folder) = folder else {
        let names = ["read", "value", "refusal", "sign"];
        return names.iter().map(|name| ignored(name)).collect();
    };
    let mut trials = Vec::new();
    for payload in manifest(folder) {
        trials.push(Trial::test(format!("read::{}", payload.file), move || payload.check()));
    }
    for (file, check) in values::CHECKS {
        let text = read(&folder.join(file));
        trials.push(Trial::test(format!("value::{file}"), move || {
            check(&text);
            Ok(())
        }));
    }
    for (file, op, action, next) in values::REFUSALS {
        let text = read(&folder.join(file));
        trials.push(Trial::test(format!("refusal::{file}"), move || {
            values::check_refusal(&text, *op, *action, *next);
            Ok(())
        }));
    }
    let vectors = read(&folder.join("sign_vectors.json"));
    trials.push(Trial::test("sign::vectors", move || {
        check_signatures(&vectors);
        Ok(())
    }));
    trials
}

fn ignored(name: &str) -> Trial {
    Trial::test(name, || Ok(())).with_kind("needs TICKDECK_SHARED").with_ignored_flag(true)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One payload, and the endpoint or topic it belongs to.
struct Payload {
    file: String,
    group: String,
    text: String,
}

/// Every payload that the venue sends.
fn manifest(folder: &Path) -> Vec<Payload> {
    let manifest = read(&folder.join("MANIFEST.tsv"));
    let lines = manifest.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let payloads: Vec<Payload> = lines
        .filter(|columns| {
            let (file, group) = (columns[0], columns[1]);
            let ours = file.contains("__req") || file.contains("__send") || group.contains("(send)");
            (file.starts_with("rest/") || file.starts_with("ws/")) && !ours && !NO_PAYLOADS.contains(&file)
        })
        .map(|columns| Payload {
            file: columns[0].to_owned(),
            group: columns[1].to_owned(),
            text: whole(columns[0], read(&folder.join(columns[0]))),
        })
        .collect();
    assert!(payloads.len() > 250, "only {} payloads", payloads.len());
    payloads
}

/// A recording that kept only the `result` of an answer gets an envelope around it.
fn whole(file: &str, text: String) -> String {
    if !file.starts_with("rest/hiro__") {
        return text;
    }
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    // That client sorts instruments and tickers by kind; one kind is filled.
    for kind in ["LinearInverse", "Option", "Spot"] {
        if result[kind].is_object() {
            result = result[kind].clone();
        }
    }
    format!(r#"{{"retCode":0,"retMsg":"OK","result":{result},"retExtInfo":{{}},"time":1676725721103}}"#)
}

/// Files that are no payload of the venue.
const NO_PAYLOADS: &[&str] = &["rest/ccxtstatic__request_cases.json", "rest/docs__guide__msg.json"];

/// Payloads with rows that are left out, how many, and why that is right.
const ODD: &[(&str, usize, &str)] = &[
    ("ws/ccxt__handle_order.json", 1, "a row of the API before V5, with names of one letter"),
    ("rest/hiro__v5-market-get-kline.json", 200, "written again by a client, with named columns"),
];

/// Payloads that are refused as a whole, and why that is right.
const REFUSED: &[(&str, &str)] = &[
    ("rest/ccxt__parse_balance.json", "an answer about margin loans, of the API before V5"),
    ("rest/ccxt__parse_balance__2.json", "an answer about the funding account, of another endpoint"),
    ("rest/hiro__v5-market-get-orderbook.json", "written again by a client, with named levels"),
    ("rest/hiro__v5-position-set-risk-limit.json", "the answer of an endpoint that is gone"),
];

impl Payload {
    fn check(&self) -> Result<(), Failed> {
        let refused = REFUSED.iter().any(|(file, _)| *file == self.file);
        let odd = match self.odd() {
            Ok(_) if refused => return Err("it is read, so it is listed for nothing".into()),
            Ok(odd) => odd,
            Err(_) if refused => return Ok(()),
            Err(odd) => return Err(format!("{odd}").into()),
        };
        let expected = ODD.iter().find(|(file, ..)| *file == self.file).map_or(0, |(_, count, _)| *count);
        if odd.len() == expected { Ok(()) } else { Err(format!("left out: {odd:?}").into()) }
    }

    /// Reads it; rows left out, or why it cannot be read.
    fn odd(&self) -> Result<Vec<Odd>, Odd> {
        if self.group == "option subscribe reply" || self.group.starts_with("op ") {
            return self.reply();
        }
        match self.group.strip_prefix("topic ") {
            Some(
                "order" | "execution" | "execution.fast" | "position" | "wallet" | "greeks" | "strategy" | "spread",
            ) => self.private(),
            Some(_) => self.public(),
            None => self.rest(),
        }
    }

    fn reply(&self) -> Result<Vec<Odd>, Odd> {
        if self.text.contains("\"retCode\"") {
            trade::parse(&self.text)?;
        } else {
            assert!(matches!(public::parse(&self.text, &mut Room::default())?, Public::Reply(_)));
            assert!(matches!(private::parse(&self.text)?, Private::Reply(_)));
        }
        Ok(Vec::new())
    }

    fn public(&self) -> Result<Vec<Odd>, Odd> {
        // As it is on the wire, without the spaces of the file: both ways of reading it agree.
        let dense = dense(&self.text);
        let (mut room, mut other) = (Room::default(), Room::default());
        assert_eq!(public::parse(&dense, &mut room), public::parse_tolerantly(&dense, &mut other));
        Ok(match public::parse(&self.text, &mut Room::default())? {
            Public::Trades(trades) => trades.odd,
            Public::Candles { rows, .. } => rows.odd,
            Public::Liquidations { rows, .. } => rows.odd,
            Public::AdlAlerts(rows) => rows.odd,
            Public::SystemStatus(rows) => rows.odd,
            Public::Book(_) | Public::Ticker(_) | Public::PriceLimit(_) => Vec::new(),
            Public::Reply(reply) => panic!("{reply:?}"),
            Public::Other(topic) => {
                let known = ["orderbook.rpi", "orderbook.full", "insurance", "kline"];
                assert!(known.iter().any(|known| topic.starts_with(known)), "{topic}");
                Vec::new()
            }
        })
    }

    fn private(&self) -> Result<Vec<Odd>, Odd> {
        Ok(match private::parse(&self.text)? {
            Private::Orders(pushed) => pushed.rows.odd,
            Private::Executions(pushed) => pushed.rows.odd,
            Private::FastExecutions(pushed) => pushed.rows.odd,
            Private::Positions(pushed) => pushed.rows.odd,
            Private::Wallets(pushed) => pushed.rows.odd,
            Private::Reply(reply) => panic!("{reply:?}"),
            Private::Other(topic) => {
                let known = ["greeks", "strategy", "spread"];
                assert!(known.iter().any(|known| topic.starts_with(known)), "{topic}");
                Vec::new()
            }
        })
    }

    fn rest(&self) -> Result<Vec<Odd>, Odd> {
        let envelope = Envelope::parse(self.text.as_bytes())?;
        if self.group == "(error bodies)" {
            let verdict = classify(Op::Create, envelope.code, &envelope.message);
            assert_ne!(verdict.action, Action::Ok, "{}", envelope.code);
            return Ok(Vec::new());
        }
        let e = &envelope;
        match self.group.as_str() {
            "/v5/market/time" => market::server_time_ns(e).map(|_| Vec::new()),
            "/v5/market/instruments-info" | "/v5/account/instruments-info" => page(market::instruments(e)),
            "/v5/market/tickers" => rows(market::tickers(e)),
            "/v5/market/orderbook" => market::order_book(e).map(|_| Vec::new()),
            "/v5/market/kline" => rows(market::candles(e)),
            "/v5/market/recent-trade" => rows(market::recent_trades(e)),
            "/v5/market/price-limit" => market::price_limit(e).map(|_| Vec::new()),
            "/v5/market/risk-limit" => page(market::risk_tiers(e)),
            "/v5/market/funding/history" => rows(market::funding_history(e)),
            "/v5/system/status" => rows(market::system_status(e)),
            "/v5/order/create" | "/v5/order/amend" | "/v5/order/cancel" => {
                assert!(orders::accepted(e).order_id.is_some());
                Ok(Vec::new())
            }
            "/v5/order/create-batch" | "/v5/order/amend-batch" | "/v5/order/cancel-batch" => {
                let items = orders::batch(e);
                assert!(!items.is_empty() && items.iter().all(|item| item.code.is_some()), "{items:?}");
                Ok(Vec::new())
            }
            "/v5/order/realtime" | "/v5/order/history" => page(orders::page(e)),
            "/v5/execution/list" => page(orders::executions(e)),
            "/v5/position/list" => page(account::positions(e)),
            "/v5/account/wallet-balance" => rows(account::wallets(e)),
            "/v5/account/transaction-log" => page(account::transactions(e)),
            "/v5/account/info" => account::info(e).map(|_| Vec::new()),
            "/v5/account/fee-rate" => rows(account::fees(e)),
            "/v5/account/user-setting-config" => account::user_settings(e).map(|_| Vec::new()),
            "/v5/user/query-api" => account::key_info(e).map(|_| Vec::new()),
            // Endpoints that are not called: the envelope is all there is to read.
            _ => Ok(Vec::new()),
        }
    }
}

/// Without the white space between values.
fn dense(text: &str) -> String {
    let mut dense = String::with_capacity(text.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in text.chars() {
        if in_text || !c.is_ascii_whitespace() {
            dense.push(c);
        }
        if c == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = c == '\\' && !escaped;
    }
    dense
}

fn page<T>(page: Result<Page<T>, Odd>) -> Result<Vec<Odd>, Odd> {
    page.map(|page| page.rows.odd)
}

fn rows<T>(rows: Result<Rows<T>, Odd>) -> Result<Vec<Odd>, Odd> {
    rows.map(|rows| rows.odd)
}

/// Signatures that other clients made of the same requests.
fn check_signatures(text: &str) {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 10);
    for vector in &vectors {
        let field = |name: &str| vector[name].as_str().unwrap_or_else(|| panic!("{name} of {vector}"));
        let signer = Signer::new(field("api_secret").as_bytes());
        let signature = match vector["expires"].as_i64() {
            Some(expires) => signer.sign_ws_auth(expires),
            None => signer.sign_rest(
                field("timestamp").parse().unwrap(),
                field("api_key"),
                field("recv_window").parse().unwrap(),
                field("payload").as_bytes(),
            ),
        };
        assert_eq!(signature.as_str(), field("signature"), "{}", field("name"));
    }
}
