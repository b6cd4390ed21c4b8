//! What users of other programs complain about, as tests of this one, where no other test holds it already. The list with
//! the numbers is docs/complaints.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;

use std::path::Path;

use at_sim::{Listener, client, credentials, exchange};
use serde_json::json;
use tickdeck::engine::event::{AccountUpdate, Event, Hold};
use tickdeck::engine::num::Money;
use tickdeck::engine::preflight::LEVERAGE;
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::snapshot::{Check, Health};
use tickdeck::venue::bybit::account::Transport;
use tickdeck::venue::bybit::rest::RestError;
use tickdeck::venue::sim::Sim;

const KEY: &str = "complaints-key";
const SECRET: &str = "complaints-secret";

/// Paths of the requests that change something, as the exchange saw them.
fn changes(sim: &Sim) -> Vec<String> {
    let state = sim.state();
    let requests = state["requests"].as_array().unwrap().iter();
    requests.map(|request| request["path"].as_str().unwrap().to_owned()).collect()
}

/// Complaints 32 and 33: what waits for room in a budget is signed when it leaves. Signed before, it would be too old:
/// it waits for more than a second, and its window is 700 ms.
#[test]
fn a_request_that_waited_for_room_is_signed_when_it_leaves() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sim = exchange(KEY, SECRET);
    let rest = client(sim.rest_url(), credentials(KEY, SECRET), 700, None).unwrap();
    sim.set_faults(&json!({ "too_many": 1, "bare_10006": true })).unwrap();
    let cancel = || runtime.block_on(rest.cancel("BTCUSDT", "tt-complaints-000001"));
    let first = cancel();
    assert!(matches!(first, Err(RestError::Refused { code: 10_006, .. })), "{first:?}");
    let asked = rest.now();
    let second = cancel();
    assert!(rest.now().since(asked).as_ms() > 700, "it had to wait for longer than its window");
    assert!(!matches!(second, Err(RestError::Refused { code: 10_002, .. } | RestError::Unsent(_))), "{second:?}");
    assert_eq!(changes(&sim).len(), 2, "both arrived");
}

/// Complaints 30 and 34: a hedged instrument is named and left as it is, and no connection that is made anew writes
/// anything about the account.
#[test]
fn the_accounts_own_settings_are_left_alone() {
    let sim = exchange(KEY, SECRET);
    sim.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } })).unwrap();
    let mut account = Listener::start(&sim, credentials(KEY, SECRET), Transport::Socket);
    let reached =
        |event: &Event| matches!(event, Event::Hold(Hold { code: DenialCode::VenueUnreachable, detail: None, .. }));
    account.until("the account", reached);
    let hedged =
        |event: &Event| matches!(event, Event::Hold(Hold { code: DenialCode::PositionModeHedge, detail: Some(_), .. }));
    assert!(account.events.iter().any(hedged), "{:?}", account.events);
    // Ten times, where two leave room: the checklist and the doctor judge by the same rule.
    let high =
        |event: &Event| matches!(event, Event::Checked(Check { name, health: Health::Warn, .. }) if name == LEVERAGE);
    assert!(account.events.iter().any(high), "{:?}", account.events);
    assert_eq!(changes(&sim), [""; 0], "settings are changed by `doctor --fix` only, which asks");
    sim.act(&json!({ "drop": "all" })).unwrap();
    account.until("the account again", reached);
    assert_eq!(changes(&sim), [""; 0], "nothing is written at a reconnect");
}

/// Complaint 45: the balance that equity is counted from is the wallet's, without the profit of what is open, which would
/// else be counted twice.
#[test]
fn unrealised_profit_is_not_counted_twice() {
    let sim = exchange(KEY, SECRET);
    sim.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } })).unwrap();
    sim.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "0.03" } })).unwrap();
    let state = sim.state();
    let coin = |field: &str| Money::parse(state["wallet"]["coin"][0][field].as_str().unwrap()).unwrap();
    let (balance, equity) = (coin("walletBalance"), coin("equity"));
    assert!(equity > balance + Money::from_units(20), "the position must have a profit to be counted twice");
    let mut account = Listener::start(&sim, credentials(KEY, SECRET), Transport::Rest);
    let event = account.until("the opening", |event| matches!(event, Event::Account(AccountUpdate::Opening(_))));
    let Event::Account(AccountUpdate::Opening(opening)) = event else { panic!("{event:?}") };
    assert_eq!(opening.balance, balance);
}

/// Every test that the list names is there.
#[test]
fn the_list_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("docs/complaints.md")).unwrap();
    let mut named = 0;
    for line in list.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")) {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let mut text = String::new();
        for word in quoted {
            if Path::new(word).extension().is_some_and(|end| end == "rs") {
                text = std::fs::read_to_string(root.join(word)).unwrap_or_else(|_| panic!("no file {word}"));
            } else if !text.is_empty() {
                assert!(text.contains(word), "no `{word}` where the list says: {line}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named} tests named");
}
