//! The configuration seen from outside: the example file is the code's defaults, digits survive, mistakes are named with
//! file, line, key, what is allowed and the nearest known key, and nothing from outside panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use tickdeck::config::{Config, ConfigError, KEYS, Loaded, Origin, Sources, example, schema};
use tickdeck::engine::ids::Account;
use tickdeck::engine::num::{Money, Rate};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::{Ensemble, Execution, OnLossTrip, Protect, Settings};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::keys::Places;

const NOW: Ts = Ts::from_ms(1_763_800_000_000);

fn load(text: &str) -> Result<Loaded, ConfigError> {
    Sources::load_text(Path::new("config.toml"), text)
}
fn refusal(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn the_example_file_is_what_the_code_writes() {
    let written = include_str!("../config.example.toml");
    assert!(written == example(), "run `tickdeck config init --print > config.example.toml`");
}

#[test]
fn every_line_of_the_example_uncommented_gives_the_defaults() {
    let keys: Vec<String> = include_str!("../config.example.toml")
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with([' ', '#']))
        .map(str::to_owned)
        .collect();
    let values = keys.iter().filter(|line| line.contains(" = ")).count();
    assert_eq!(values, KEYS.len(), "a key is missing or doubled");
    let loaded = load(&keys.join("\n")).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.origins.len(), KEYS.len());
    // Each line alone, under its own section, is a configuration as well.
    let mut section = String::new();
    for line in &keys {
        if line.starts_with('[') {
            section.clone_from(line);
        } else {
            assert_eq!(load(&format!("{section}\n{line}\n")).unwrap().config, Config::default(), "{line}");
        }
    }
}

#[test]
fn defaults_are_the_engines_own() {
    let config = Config::default();
    assert_eq!(config.settings(Account::Paper, NOW), Settings::default());
    assert_eq!(config.limits(), Ok(RiskLimits::default()));
    assert_eq!(config.paper.balance, Money::from_units(10_000));
    assert_eq!(config.notes(NOW), Vec::<String>::new());
}

#[test]
fn digits_survive() {
    let loaded = load(
        "[paper]\nbalance = 10000.123456789012345678\ntaker_fee_bps = 5.50001\n\
         [risk]\nmax_daily_loss = 0.1\nmax_loss_24h = 1_000.000000001\ncooldown_after_loss = \"5m\"\nmax_order_notional = \"333.3\"\n",
    )
    .unwrap();
    assert_eq!(loaded.config.paper.balance.to_string(), "10000.123456789012345678");
    assert_eq!(loaded.config.paper.taker_fee, Rate::parse("0.000550001").unwrap());
    let limits = loaded.config.limits().unwrap();
    assert_eq!(limits.money(LimitKey::MaxDailyLoss), Money::parse("0.1").unwrap());
    assert_eq!(limits.money(LimitKey::MaxLoss24h), Money::parse("1000.000000001").unwrap());
    assert_eq!(limits.money(LimitKey::MaxOrderNotional), Money::parse("333.3").unwrap());
    assert_eq!(limits.span(LimitKey::CooldownAfterLoss), Span::from_secs(300));
}

#[test]
fn every_part_reaches_the_engine() {
    let loaded = load(
        "decision_interval_ms = 250\n[model]\nmin_edge_bps = 1.5\nmax_age_ms = 900\nensemble = \"agree\"\n[strategy]\nentry_notional = 50\n\
         horizon_s = 60\npassive = true\nexecution = \"timed\"\nmin_prob = 0.7\nconfirm_seconds = 3\nmax_hold_s = 120\nstop_bps = 12.5\ntake_profit_bps = 0\nclose_only = true\n\
         [risk]\non_loss_trip = \"hold\"\nday_starts_at = \"00:00 Europe/Moscow\"\n[arming]\narm_for = \"8h\"\ndeadman = \"10m\"\n\
         [protect]\nstop_bps = 60\ntake_profit_bps = 80\nrequired = false\n[paper]\nmaker_fee_bps = 0\nlatency_ms = 7\n",
    )
    .unwrap();
    let expected = Settings {
        decision_interval: Span::from_ms(250),
        min_edge_bps: 1.5,
        prediction_max_age: Span::from_ms(900),
        ensemble: Ensemble::Agree,
        maker_fee: Rate::ZERO,
        entry_notional: Money::from_units(50),
        horizon_s: 60,
        passive_entry: true,
        execution: Execution::Timed,
        min_prob: 0.7,
        confirm: Span::from_secs(3),
        max_hold: Span::from_secs(120),
        stop: Rate::parse("0.00125").unwrap(),
        take_profit: Rate::ZERO,
        protect: Protect {
            stop: Rate::parse("0.006").unwrap(),
            take_profit: Rate::parse("0.008").unwrap(),
            required: false,
        },
        close_only: true,
        on_loss_trip: OnLossTrip::Hold,
        day_starts_at: Span::from_secs(21 * 3600),
        arm_for: Span::from_secs(8 * 3600),
        deadman: Span::from_secs(600),
        paper_latency: Span::from_ms(7),
        ..Settings::default()
    };
    assert_eq!(loaded.config.settings(Account::Paper, NOW), expected);
    assert_eq!(loaded.config.arming.arm_for, Span::from_secs(8 * 3600));
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "symbols = [\"XRPUSDT\"]\n\n[ui]\nfps = 30\ntheme = \"mono\"\n[risk]\nmax_daily_loss = 10\n")
        .unwrap();
    let sources = Sources {
        file: Some((path.clone(), true)),
        environment: vec![
            ("TICKDECK__UI__FPS".into(), "40".into()),
            ("TICKDECK__UI__MOUSE".into(), "true".into()),
            ("TICKDECK__SYMBOLS".into(), "BTCUSDT, SOLUSDT".into()),
            ("TICKDECK_DATA_DIR".into(), "/elsewhere".into()),
            ("HOME".into(), "/root".into()),
        ],
        overrides: vec!["ui.fps=50".into(), "risk.max_daily_loss=0.5".into()],
    };
    let Loaded { config, .. } = sources.load().unwrap();
    assert_eq!((config.ui.fps, config.ui.mouse, config.ui.theme.as_str()), (50, true, "mono"));
    assert_eq!(config.symbols, ["BTCUSDT", "SOLUSDT"]);
    assert_eq!(config.limits().unwrap().money(LimitKey::MaxDailyLoss), Money::parse("0.5").unwrap());
    let loaded = sources.load().unwrap();
    let origin = |path: &str| loaded.origin(KEYS.iter().find(|key| key.path == path).unwrap());
    assert_eq!(origin("ui.theme"), Origin::File(path, 5));
    assert_eq!(origin("ui.mouse"), Origin::Environment("TICKDECK__UI__MOUSE".into()));
    assert_eq!((origin("ui.fps"), origin("live")), (Origin::CommandLine, Origin::Default));
}

#[test]
fn mistakes_are_named_with_place_key_and_help() {
    let cases = [
        (
            "[risk]\n\nmax_dayly_loss = 5\n",
            "config.toml:3: `risk.max_dayly_loss`: no such key; did you mean `risk.max_daily_loss`?",
        ),
        ("max_daily_loss = 5\n", "did you mean `risk.max_daily_loss`?"),
        ("[riks]\nx = 1\n", "config.toml:1: `riks`: no such section; did you mean [risk]?"),
        ("[metrics]\nlisten = \"x\"\n", "an address with its port such as \"127.0.0.1:9464\""),
        ("[bybit]\nregion = \"mars\"\n", "\"mars\" is not one of \"global\""),
        ("[bybit]\nbook_depth = 25\n", "25 is not one of 1, 50, 200, 1000"),
        ("[bybit]\nrest_url = \"http://api.bybit.com\"\n", "http only on loopback"),
        ("[bybit]\nws_trade_url = \"https://stream.bybit.com\"\n", "wss://host/path"),
        ("[bybit]\ncreate_recv_window_ms = 6000\n", "is longer than bybit.recv_window_ms (5000)"),
        ("[keys.live]\nsecret_file = \"secret\"\n", "a file with its whole path"),
        ("[keys.live]\nsecret_command = \"pass show bybit\"\n", "a list of a program and its arguments"),
        ("[keys.live]\nsecret_file = \"/s\"\nsecret_command = [\"pass\"]\n", "has a file as well"),
        ("[keys.demo-account]\nsecret_file = \"/s\"\n", "did you mean [keys.demo_account]?"),
        ("keys = 5\n", "`keys`: no such key"),
        ("[risk.live]\nmax_dayly_loss = 5\n", "did you mean `risk.live.max_daily_loss`?"),
        (
            "[model]\nensemble = \"vote\"\n",
            "config.toml:2: `model.ensemble`: \"vote\" is not one of \"mean\", \"agree\"",
        ),
        ("[ui]\nfps = 61\n", "config.toml:2: `ui.fps`: 61 is not a whole number from 1 to 60"),
        ("[ui]\nfps = 0\n", "from 1 to 60"),
        ("[ui]\nfps = 20.5\n", "from 1 to 60"),
        ("[ui]\ntheme = \"neon\"\n", "\"neon\" is not one of \"default\""),
        ("[ui]\nmouse = \"yes\"\n", "true or false"),
        ("[risk]\nmax_daily_loss = -1\n", "there is no \"unlimited\""),
        ("[risk]\nmax_open_orders = 1.5\n", "a whole number, 0 or more"),
        ("[risk]\nmax_daily_loss = 1e5\n", "not a decimal number"),
        ("[risk]\nmax_daily_loss = inf\n", "not a decimal number"),
        ("[risk]\nmax_daily_loss = nan\n", "not a decimal number"),
        ("[risk]\nmax_daily_loss = 0xff\n", "not decimal"),
        ("[risk]\nmax_daily_loss = 0.0000000001\n", "at most 9 decimals"),
        ("[risk]\nmax_daily_loss = 99999999999999999999\n", "does not fit"),
        ("[risk]\nmax_daily_loss = true\n", "true is not a number"),
        ("[risk]\nday_starts_at = \"25:00Z\"\n", "00:00 Europe/Moscow"),
        ("[paper]\nbalance = 0\n", "an amount above 0"),
        ("[paper]\ntaker_fee_bps = 0.000001\n", "at most 5 decimals"),
        ("[arming]\narm_for = \"forever\"\n", "a time such as \"15m\""),
        ("[arming]\narm_for = \"off\"\n", "a time such as \"15m\""),
        ("symbols = []\n", "a list of 1 to 600 names"),
        ("symbols = [\"btc/usdt\"]\n", "`btc/usdt` is no instrument name"),
        ("symbols = [\"BTCUSDT\", \"BTCUSDT\"]\n", "names a symbol twice"),
        ("symbols = [1]\n", "a list with something else than texts"),
        ("[strategy]\nmin_prob = 1.01\n", "a number from 0 to 1"),
        ("[strategy]\nmin_prob = nan\n", "a number from 0 to 1"),
        (
            "[strategy]\nentry_notional = 600\n",
            "config.toml:2: `strategy.entry_notional`: 600 exceeds risk.max_order_notional (500)",
        ),
        (
            "[risk]\nmax_order_notional = 5000\n",
            "config.toml:2: `risk.max_order_notional`: max_order_notional (5000) must not exceed max_position_notional (1000)",
        ),
        ("[arming]\ndeadman = \"1h\"\n", "longer than arming.arm_for"),
        ("[ui\nfps = 1\n", "config.toml:1: this is no TOML"),
        ("fps", "this is no TOML"),
        ("ui = 5\n", "`ui`: no such key"),
        ("[symbols]\nx = 1\n", "`symbols`"),
        ("live = 2020-01-01\n", "a date is not true or false"),
    ];
    for (text, expected) in cases {
        let told = refusal(text);
        assert!(told.contains(expected), "{text:?}\n  told: {told}\n  expected: {expected}");
        assert!(told.contains("nothing was started"), "{told}");
    }
}

/// What looks like a secret is refused wherever it stands, and no message repeats it.
#[test]
fn secrets_in_the_file_are_refused_and_never_repeated() {
    let secret = "0123456789abcdefSECRET";
    for place in [
        "[keys.live]\nsecret",
        "[keys.live]\napi_key",
        "[keys]\napi_secret",
        "[bybit]\napiKey",
        "[bybit]\npassword",
        "BYBIT_API_SECRET",
    ] {
        let told = refusal(&format!("{place} = \"{secret}\"\n"));
        assert!(told.contains("no secret is ever written here") && !told.contains(secret), "{told}");
    }
    for place in ["[keys.live]\nsecret_file", "[keys.live]\nsecret_command", "[bybit]\nproxy"] {
        let told = refusal(&format!("{place} = \"{secret}\"\n"));
        assert!(!told.contains(secret), "{told}");
    }
    let told = refusal(&format!("[bybit]\nproxy = \"http://me:{secret}@proxy:3128\"\n"));
    assert!(told.contains("without a password") && !told.contains(secret), "{told}");
    let sources =
        Sources { environment: vec![("TICKDECK__KEYS__LIVE__SECRET".into(), secret.into())], ..Sources::default() };
    let told = sources.load().unwrap_err().to_string();
    assert!(told.contains("no secret is ever written here") && !told.contains(secret), "{told}");
}

#[test]
fn places_of_keys_are_read_per_account() {
    let sources = Sources {
        environment: vec![("TICKDECK__KEYS__DEMO_ACCOUNT__SECRET_COMMAND".into(), "pass, show, bybit".into())],
        ..Sources::default()
    };
    let config = sources.load().unwrap().config;
    let places = config.keys.of(Account::DemoAccount).unwrap();
    assert_eq!(places.secret.command, ["pass", "show", "bybit"]);
    assert_eq!((config.keys.of(Account::Paper), config.keys.of(Account::Live)), (None, Some(&Places::default())));
    let text =
        "[keys.testnet]\napi_key_file = \"/run/key\"\n[bybit]\nrest_url = \"http://127.0.0.1:9\"\nbook_depth = 200\n";
    let config = load(text).unwrap().config;
    assert_eq!(config.keys.testnet.api_key.file.as_deref(), Some(Path::new("/run/key")));
    assert_eq!((config.bybit.rest_url.as_str(), config.bybit.book_depth), ("http://127.0.0.1:9", 200));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = load("fsp = 1\n[ui]\nfps = 99\ntheme = 3\n").unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    let sources = Sources {
        file: Some(("/nowhere/config.toml".into(), true)),
        environment: vec![("TICKDECK__RISK__MAX_DAYLY_LOSS".into(), "5".into())],
        overrides: vec!["nonsense".into()],
    };
    let told = sources.load().unwrap_err().to_string();
    for part in ["cannot be read", "environment TICKDECK__RISK__MAX_DAYLY_LOSS", "section.key=value"] {
        assert!(told.contains(part), "{told}");
    }
    let optional = Sources { file: Some(("/nowhere/config.toml".into(), false)), ..Sources::default() };
    assert_eq!(optional.load().unwrap().config, Config::default());
}

#[test]
fn keymaps_are_read_in_both_forms() {
    let expected =
        [("arm".to_owned(), vec!["A".to_owned()]), ("kill".to_owned(), vec!["^K".to_owned(), "^\\".to_owned()])];
    for text in [
        "[ui.keymap]\narm = \"A\"\nkill = [\"^K\", \"^\\\\\"]\n",
        "[ui]\nkeymap = { arm = [\"A\"], kill = [\"^K\", \"^\\\\\"] }\n",
    ] {
        assert_eq!(load(text).unwrap().config.ui.keymap, expected, "{text}");
    }
}

#[test]
fn real_money_takes_nothing_over_from_the_limits_of_play_money() {
    let given = |text: &str| load(text).unwrap().config;
    let missing = given("[risk.live]\nmax_daily_loss = 5\n").limits_of(Account::Live).unwrap_err().to_string();
    assert!(missing.contains("max_order_notional") && !missing.contains("max_daily_loss"), "{missing}");
    let all: Vec<String> = LimitKey::all().map(|key| format!("{} = 7", key.name())).collect();
    let all = all.join("\n");
    let config = given(&format!("[strategy]\nentry_notional = 7\n[risk.live]\non_loss_trip = \"hold\"\n{all}"));
    let live = config.limits_of(Account::Live).unwrap();
    assert!(LimitKey::all().all(|key| live.get(key) == 7_000_000_000));
    assert_eq!(config.limits_of(Account::Testnet).unwrap(), RiskLimits::default());
    let on_loss = |account| config.settings(account, NOW).on_loss_trip;
    assert_eq!((on_loss(Account::Live), on_loss(Account::Paper)), (OnLossTrip::Hold, OnLossTrip::Flatten));
    let entry = given(&format!("[risk.live]\n{all}")).limits_of(Account::Live).unwrap_err().to_string();
    assert!(entry.contains("entry_notional (300)"), "{entry}");
    let crossed = all.replace("max_order_notional = 7", "max_order_notional = 8");
    let crossed = given(&format!("[strategy]\nentry_notional = 7\n[risk.live]\n{crossed}"));
    assert!(crossed.limits_of(Account::Live).is_err());
}

#[test]
fn notes_say_what_is_unusual() {
    let config = load(
        "live = true\n[risk]\nday_starts_at = \"00:00 Europe/Berlin\"\n[protect]\nstop_bps = 0\nrequired = false\n",
    )
    .unwrap()
    .config;
    let notes = config.notes(NOW).join("\n");
    for part in ["clocks there change at 2026-03-29", "can reach real money", "no stop"] {
        assert!(notes.contains(part), "{notes}");
    }
}

#[test]
fn the_schema_knows_every_key_and_default() {
    let schema = schema();
    for key in KEYS {
        let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
        let described = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer}"));
        assert!(described["description"].as_str().is_some_and(|text| text.len() > 10), "{pointer}");
        assert!(!described["default"].is_null(), "{pointer}");
    }
    assert_eq!(schema.pointer("/properties/risk/properties/max_daily_loss/default"), Some(&200.into()));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", section in "[a-z]{0,8}", value in "\\PC{0,20}") {
        let _ = load(&text);
        let _ = load(&format!("[{section}]\n{section} = {value}\n"));
        for key in KEYS {
            let sources = Sources { overrides: vec![format!("{}={value}", key.path)], ..Sources::default() };
            let _ = sources.load().map_err(|error| error.to_string());
        }
    }
}
