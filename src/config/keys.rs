//! The table of keys: one row per key feeds the parser, the checks, the example file, `config show` and `config schema`.

use super::address::Address;
use super::slot::{At, Key, Slot};
use crate::alerts::{Event, Loudness};
use crate::engine::risk::limits::LimitKey;
use crate::engine::strategy::STRATEGIES;
use crate::engine::time::Span;
use crate::tui::theme::Theme;

/// Names of strategies in the engine's registry.
const STRATEGY_NAMES: &[&str] = &{
    let mut names = [""; STRATEGIES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = STRATEGIES[index].0;
        index += 1;
    }
    names
};

/// Sites of Bybit with hosts of their own (contract 1, corrections 1.3).
const BYBIT_REGIONS: &[&str] = &["global", "nl", "tr", "kz", "ge", "ae", "eu", "id", "jp"];
const API_KEY_FILE: &str = "file that holds the API key and nothing else, mode 0600; asked after the environment";
const API_KEY_COMMAND: &str = "program that prints the API key, asked after the system's keyring";
const SECRET_FILE: &str = "file that holds the API secret and nothing else, mode 0600; asked after the environment";
const SECRET_COMMAND: &str =
    "program that prints the API secret, such as [\"pass\", \"show\", \"bybit\"]; asked after the system's keyring";

const fn key(path: &'static str, slot: Slot, help: &'static str) -> Key {
    Key { path, help, slot }
}
const HOUR: Span = Span::from_secs(3600);
const DAY: Span = Span::from_secs(86_400);

/// Every key, in the order of the example file.
pub const KEYS: &[Key] = &[
    key(
        "symbols",
        Slot::Symbols(|c| &mut c.symbols),
        "instruments of the exchange stream, in the order shown; the simulated market and tapes have their own",
    ),
    key(
        "decision_interval_ms",
        Slot::Millis(|c| &mut c.decision_interval, 100, 60_000),
        "milliseconds between two decisions about an instrument",
    ),
    key(
        "live",
        Slot::Flag(|c| &mut c.live),
        "one of the two things real money needs; the other is --mode live or the account key `m`, and the typed tail",
    ),
    key(
        "bybit.rest_url",
        Slot::Address(|c| &mut c.bybit.rest_url, Address::Rest),
        "REST address; empty is the account's own. Only loopback or a host of the account's own family is taken",
    ),
    key(
        "bybit.ws_public_url",
        Slot::Address(|c| &mut c.bybit.ws_public_url, Address::Socket),
        "stream of public data; empty is the account's own",
    ),
    key(
        "bybit.ws_private_url",
        Slot::Address(|c| &mut c.bybit.ws_private_url, Address::Socket),
        "stream of the account; empty is the account's own",
    ),
    key(
        "bybit.ws_trade_url",
        Slot::Address(|c| &mut c.bybit.ws_trade_url, Address::Socket),
        "stream that takes orders; empty is the account's own",
    ),
    key(
        "bybit.region",
        Slot::Word(|c| &mut c.bybit.region, BYBIT_REGIONS),
        "whose Bybit the account is at: regional accounts have hosts of their own",
    ),
    key(
        "bybit.recv_window_ms",
        Slot::Millis(|c| &mut c.bybit.recv_window, 500, 60_000),
        "how old a request may be when it reaches Bybit, in milliseconds",
    ),
    key(
        "bybit.create_recv_window_ms",
        Slot::Millis(|c| &mut c.bybit.create_recv_window, 500, 60_000),
        "the same for new orders, in milliseconds: a late one is refused rather than filled; at most recv_window_ms",
    ),
    key(
        "bybit.order_transport",
        Slot::Word(|c| &mut c.bybit.order_transport, &["rest", "ws"]),
        "how orders are sent; Bybit's demo account takes \"rest\" only",
    ),
    key(
        "bybit.proxy",
        Slot::Address(|c| &mut c.bybit.proxy, Address::Proxy),
        "proxy of every connection to Bybit, streams included; empty is none",
    ),
    key(
        "bybit.book_depth",
        Slot::Choice(|c| &mut c.bybit.book_depth, &[1, 50, 200, 1000]),
        "levels per side of the book that is subscribed to",
    ),
    key("keys.demo_account.api_key_file", Slot::File(|c| &mut c.keys.demo_account.api_key.file), API_KEY_FILE),
    key(
        "keys.demo_account.api_key_command",
        Slot::Program(|c| &mut c.keys.demo_account.api_key.command),
        API_KEY_COMMAND,
    ),
    key("keys.demo_account.secret_file", Slot::File(|c| &mut c.keys.demo_account.secret.file), SECRET_FILE),
    key("keys.demo_account.secret_command", Slot::Program(|c| &mut c.keys.demo_account.secret.command), SECRET_COMMAND),
    key("keys.testnet.api_key_file", Slot::File(|c| &mut c.keys.testnet.api_key.file), API_KEY_FILE),
    key("keys.testnet.api_key_command", Slot::Program(|c| &mut c.keys.testnet.api_key.command), API_KEY_COMMAND),
    key("keys.testnet.secret_file", Slot::File(|c| &mut c.keys.testnet.secret.file), SECRET_FILE),
    key("keys.testnet.secret_command", Slot::Program(|c| &mut c.keys.testnet.secret.command), SECRET_COMMAND),
    key("keys.live.api_key_file", Slot::File(|c| &mut c.keys.live.api_key.file), API_KEY_FILE),
    key("keys.live.api_key_command", Slot::Program(|c| &mut c.keys.live.api_key.command), API_KEY_COMMAND),
    key("keys.live.secret_file", Slot::File(|c| &mut c.keys.live.secret.file), SECRET_FILE),
    key("keys.live.secret_command", Slot::Program(|c| &mut c.keys.live.secret.command), SECRET_COMMAND),
    key("model.dir", Slot::Folder(|c| &mut c.model.dir), "folder of models; empty looks in the usual places"),
    key("model.active", Slot::Names(|c| &mut c.model.active), "models that run; empty runs every sound one"),
    key(
        "model.shadow",
        Slot::Names(|c| &mut c.model.shadow),
        "models that are asked, shown and scored, and never traded on; `:promote` makes one decide",
    ),
    key(
        "model.ensemble",
        Slot::Word(|c| &mut c.model.ensemble, &["mean", "agree"]),
        "several models together: mean averages those that are believed, agree opens only where all are believed and favour one side",
    ),
    key(
        "model.min_edge_bps",
        Slot::Float(|c| &mut c.model.min_edge_bps, 0.0, 1000.0),
        "expected move minus all costs that an entry needs, in basis points",
    ),
    key(
        "model.max_age_ms",
        Slot::Millis(|c| &mut c.model.max_age, 100, 60_000),
        "oldest prediction that may open a position, in milliseconds",
    ),
    key(
        "model.token_file",
        Slot::File(|c| &mut c.model.token.file),
        "file that holds the token for model servers and nothing else, mode 0600; asked after TICKDECK_MODEL_TOKEN",
    ),
    key(
        "model.token_command",
        Slot::Program(|c| &mut c.model.token.command),
        "program that prints that token, asked after the system's keyring",
    ),
    key("strategy.name", Slot::Word(|c| &mut c.strategy.name, STRATEGY_NAMES), "strategy"),
    key(
        "strategy.entry_notional",
        Slot::Money(|c| &mut c.strategy.entry_notional),
        "size of one entry in quote currency; at most risk.max_order_notional",
    ),
    key(
        "strategy.horizon_s",
        Slot::Count(|c| &mut c.strategy.horizon_s, 1, 86_400),
        "forecast horizon it trades on, in seconds, one that the model has: without a forecast for it nothing opens",
    ),
    key(
        "strategy.passive",
        Slot::Flag(|c| &mut c.strategy.passive),
        "enter by resting at the best price (maker fee, may not fill) instead of taking",
    ),
    key(
        "strategy.execution",
        Slot::Word(|c| &mut c.strategy.execution, &["now", "timed"]),
        "timed: entries, exits and flattens may wait up to 5 s and rest, stand back or take by the nearest forecast (then \
         `passive` is not asked); kill, stops and take-profits never wait",
    ),
    key(
        "strategy.min_prob",
        Slot::Float(|c| &mut c.strategy.min_prob, 0.0, 1.0),
        "probability of its direction that an entry needs, 0 to 1",
    ),
    key(
        "strategy.confirm_seconds",
        Slot::Seconds(|c| &mut c.strategy.confirm, 0, 3600),
        "how long the signal must point the same way before an entry, in seconds",
    ),
    key(
        "strategy.max_hold_s",
        Slot::Seconds(|c| &mut c.strategy.max_hold, 1, 604_800),
        "longest holding time, in seconds",
    ),
    key(
        "strategy.stop_bps",
        Slot::Bps(|c| &mut c.strategy.stop, 5000),
        "distance from entry at which tickdeck itself leaves at a loss, in basis points; 0 is none",
    ),
    key(
        "strategy.take_profit_bps",
        Slot::Bps(|c| &mut c.strategy.take_profit, 5000),
        "distance from entry at which tickdeck itself leaves with a profit, in basis points; 0 is none",
    ),
    key(
        "strategy.close_only",
        Slot::Flag(|c| &mut c.strategy.close_only),
        "enter on closed forecasts only: at the end of a span of the horizon's length; before it they are forming",
    ),
    limit(LimitKey::MaxOrderNotional, "risk.max_order_notional", "largest single opening order, in quote currency"),
    limit(LimitKey::MaxPositionNotional, "risk.max_position_notional", "largest worst-case position per symbol"),
    limit(LimitKey::MaxGrossNotional, "risk.max_gross_notional", "sum of worst-case positions over all symbols"),
    limit(LimitKey::MaxNetNotional, "risk.max_net_notional", "worst-case longs minus shorts, either way"),
    limit(LimitKey::MaxOpenOrders, "risk.max_open_orders", "working orders at once"),
    limit(LimitKey::MaxOrdersPer10s, "risk.max_orders_per_10s", "opening orders sent in any ten seconds"),
    limit(LimitKey::MaxOrders24h, "risk.max_orders_24h", "opening orders sent in the last 24 hours"),
    limit(LimitKey::MaxDailyLoss, "risk.max_daily_loss", "loss since the trading day began, in quote currency; trips"),
    limit(LimitKey::MaxLoss24h, "risk.max_loss_24h", "loss against any moment of the last 24 hours; trips"),
    limit(LimitKey::MaxDrawdownPct, "risk.max_drawdown_pct", "fall from the highest equity, in percent; trips"),
    limit(LimitKey::MaxLeverage, "risk.max_leverage", "gross worst-case notional over equity"),
    limit(
        LimitKey::MaxSlippageBps,
        "risk.max_slippage_bps",
        "how far from mid an opening order may trade, in basis points",
    ),
    limit(LimitKey::MaxDataAgeMs, "risk.max_data_age_ms", "oldest market stream that still opens, in milliseconds"),
    limit(
        LimitKey::CooldownAfterLoss,
        "risk.cooldown_after_loss",
        "pause of a symbol's entries after a losing trade, in seconds or as \"5m\"",
    ),
    limit(
        LimitKey::UnprotectedMaxMs,
        "risk.unprotected_max_ms",
        "longest time a venue position may be without its stop, in milliseconds",
    ),
    key(
        "risk.day_starts_at",
        Slot::DayStart(|c| &mut c.risk.day_starts_at),
        "start of the trading day: \"00:00Z\" or \"00:00 Europe/Moscow\"",
    ),
    key(
        "risk.on_loss_trip",
        Slot::Word(|c| &mut c.risk.on_loss_trip, &["flatten", "hold"]),
        "what a loss trip does to open positions",
    ),
    live_limit(LimitKey::MaxOrderNotional, "risk.live.max_order_notional"),
    live_limit(LimitKey::MaxPositionNotional, "risk.live.max_position_notional"),
    live_limit(LimitKey::MaxGrossNotional, "risk.live.max_gross_notional"),
    live_limit(LimitKey::MaxNetNotional, "risk.live.max_net_notional"),
    live_limit(LimitKey::MaxOpenOrders, "risk.live.max_open_orders"),
    live_limit(LimitKey::MaxOrdersPer10s, "risk.live.max_orders_per_10s"),
    live_limit(LimitKey::MaxOrders24h, "risk.live.max_orders_24h"),
    live_limit(LimitKey::MaxDailyLoss, "risk.live.max_daily_loss"),
    live_limit(LimitKey::MaxLoss24h, "risk.live.max_loss_24h"),
    live_limit(LimitKey::MaxDrawdownPct, "risk.live.max_drawdown_pct"),
    live_limit(LimitKey::MaxLeverage, "risk.live.max_leverage"),
    live_limit(LimitKey::MaxSlippageBps, "risk.live.max_slippage_bps"),
    live_limit(LimitKey::MaxDataAgeMs, "risk.live.max_data_age_ms"),
    live_limit(LimitKey::CooldownAfterLoss, "risk.live.cooldown_after_loss"),
    live_limit(LimitKey::UnprotectedMaxMs, "risk.live.unprotected_max_ms"),
    key(
        "risk.live.day_starts_at",
        Slot::DayStart(|c| &mut c.live_risk.day_starts_at),
        "start of the live account's trading day: \"00:00Z\" or \"00:00 Europe/Moscow\"",
    ),
    key(
        "risk.live.on_loss_trip",
        Slot::Word(|c| &mut c.live_risk.on_loss_trip, &["flatten", "hold"]),
        "what a loss trip does to open positions of the live account",
    ),
    key(
        "arming.arm_for",
        Slot::Span(|c| &mut c.arming.arm_for, Span::from_secs(60), Span::from_secs(86_400), false),
        "how long arming lasts; it always lapses",
    ),
    key(
        "arming.deadman",
        Slot::Span(|c| &mut c.arming.deadman, Span::from_secs(30), DAY, true),
        "arming lapses when no key was pressed for this long, or \"off\"",
    ),
    key(
        "arming.resume",
        Slot::Flag(|c| &mut c.arming.resume),
        "true: a run that was cut off while armed (crash, power loss, kill -9) comes up armed again until the same time, once \
         the checklist allows it; never over a kill or trip, never after a disarm or an end in order, never with real money. \
         false: a restart comes up SAFE",
    ),
    key(
        "arming.unattended_from",
        Slot::Span(|c| &mut c.arming.unattended_from, Span::from_secs(60), DAY, false),
        "armed for longer than this, or without a cockpit, the banner says UNATTENDED",
    ),
    key(
        "arming.on_hangup",
        Slot::Word(|c| &mut c.arming.on_hangup, &["stay", "leave"]),
        "when the terminal goes while something is open: \"stay\" disarms and goes on until nothing is (`tickdeck attach` \
         reaches it), \"leave\" ends as SIGTERM does",
    ),
    key(
        "arming.on_sigterm",
        Slot::Word(|c| &mut c.arming.on_sigterm, &["leave", "flatten"]),
        "SIGTERM (without a screen SIGINT too) disarms and cancels; then \"leave\" keeps positions, each with a stop at the \
         venue, and \"flatten\" closes them first, within 45 s. A second signal does not wait",
    ),
    key(
        "protect.stop_bps",
        Slot::Bps(|c| &mut c.protect.stop, 5000),
        "stop that every entry carries to the venue and that works there without tickdeck: distance from entry in basis \
         points, 0 is none. Wider than strategy.stop_bps, so that tickdeck leaves first, in the price band it chose, and \
         this one closes only where tickdeck, its machine or its line has failed",
    ),
    key(
        "protect.take_profit_bps",
        Slot::Bps(|c| &mut c.protect.take_profit, 5000),
        "take-profit that every entry carries to the venue: distance from entry in basis points; 0 is none",
    ),
    key(
        "protect.required",
        Slot::Flag(|c| &mut c.protect.required),
        "an entry that carries no stop to the venue is refused; always so in live, whatever stands here",
    ),
    key(
        "paper.balance",
        Slot::Money(|c| &mut c.paper.balance),
        "opening balance of a new paper account; later the ledger's balance counts",
    ),
    key("paper.taker_fee_bps", Slot::Bps(|c| &mut c.paper.taker_fee, 100), "taker fee in basis points"),
    key("paper.maker_fee_bps", Slot::Bps(|c| &mut c.paper.maker_fee, 100), "maker fee in basis points"),
    key("paper.latency_ms", Slot::Millis(|c| &mut c.paper.latency, 0, 10_000), "latency each way, in milliseconds"),
    key(
        "paper.queue",
        Slot::Word(|c| &mut c.paper.queue, &["pessimistic"]),
        "where a resting order stands: behind everything that was there",
    ),
    key(
        "tape.record",
        Slot::Word(|c| &mut c.tape.record, &["full", "off"]),
        "record every run, so that it can be replayed, or nothing",
    ),
    key(
        "tape.keep",
        Slot::Span(|c| &mut c.tape.keep, HOUR, Span::from_secs(86_400 * 3650), false),
        "older tapes are removed",
    ),
    key("tape.max_gib", Slot::Count(|c| &mut c.tape.max_gib, 1, 100_000), "most disk space of all tapes, in GiB"),
    key(
        "tape.min_free_gib",
        Slot::Count(|c| &mut c.tape.min_free_gib, 0, 100_000),
        "free disk space that is left alone, in GiB; below it nothing opens",
    ),
    key(
        "watchdog.enabled",
        Slot::Word(|c| &mut c.watchdog.enabled, &["live", "on", "service", "off"]),
        "start a watchdog beside the engine for the live account or for every account at the exchange; \"service\" waits for \
         `tickdeck watchdog --engine` instead, and nothing opens without it",
    ),
    key(
        "watchdog.deadline_ms",
        Slot::Millis(|c| &mut c.watchdog.deadline, 2_000, 60_000),
        "silence of the engine, in milliseconds, after which the watchdog latches the account and cancels opening orders",
    ),
    key(
        "watchdog.close",
        Slot::Flag(|c| &mut c.watchdog.close),
        "the watchdog closes positions too; false keeps them with what protects them at the exchange",
    ),
    key(
        "log.level",
        Slot::Word(|c| &mut c.log.level, &["info", "warn", "alarm", "off"]),
        "least level of the lines in logs/ of the data directory (docs/events.md lists the events), or \"off\"",
    ),
    key(
        "log.format",
        Slot::Word(|c| &mut c.log.format, &["json", "pretty"]),
        "a line of JSON for each event, or text for a person",
    ),
    key("log.max_mib", Slot::Count(|c| &mut c.log.max_mib, 1, 10_000), "size after which a file is put aside, in MiB"),
    key("log.files", Slot::Count(|c| &mut c.log.files, 0, 1000), "files put aside that are kept"),
    key(
        "metrics.listen",
        Slot::Listen(|c| &mut c.metrics.listen),
        "address for Prometheus (/metrics, /livez, /readyz), such as \"127.0.0.1:9464\"; empty serves nothing. No password \
         protects it: keep it on loopback, or where only Prometheus gets through",
    ),
    key(
        "serve.listen",
        Slot::Listen(|c| &mut c.serve.listen),
        "where `tickdeck serve` listens; anything but loopback needs a token",
    ),
    key(
        "serve.at_once",
        Slot::Count(|c| &mut c.serve.at_once, 1, 64),
        "requests that `tickdeck serve` works on at once; more are told to come again",
    ),
    key(
        "serve.token_file",
        Slot::File(|c| &mut c.serve.token.file),
        "file that holds the token its callers must show and nothing else, mode 0600; asked after TICKDECK_SERVE_TOKEN",
    ),
    key(
        "serve.token_command",
        Slot::Program(|c| &mut c.serve.token.command),
        "program that prints that token, asked after the system's keyring",
    ),
    key(
        "alerts.channels",
        Slot::Texts(|c| &mut c.alerts.channels),
        "how a person is reached who does not look: any of \"telegram\", \"slack\", \"email\", \"webhook\", \"bell\"; empty is \
         nowhere. `tickdeck alerts test` proves them",
    ),
    key(
        "alerts.digest_at",
        Slot::DayStart(|c| &mut c.alerts.digest_at),
        "when the daily digest is sent: \"00:00Z\" or \"00:00 Europe/Moscow\"",
    ),
    key(
        "alerts.silence_times",
        Slot::Count(|c| &mut c.alerts.silence_times, 3, 1000),
        "data, signals or a heartbeat that stay away for so many times as long as expected are told",
    ),
    key(
        "alerts.telegram.chats",
        Slot::Texts(|c| &mut c.alerts.settings.telegram_chats),
        "chats that get messages, by number or @name, as texts",
    ),
    key(
        "alerts.telegram.api_url",
        Slot::Address(|c| &mut c.alerts.settings.telegram_url, Address::Rest),
        "Bot API; another one only for a Bot API server of your own",
    ),
    key(
        "alerts.telegram.token_file",
        Slot::File(|c| &mut c.alerts.settings.telegram_token.file),
        "file that holds the bot's token and nothing else, mode 0600; asked after the environment (TICKDECK_TELEGRAM_TOKEN)",
    ),
    key(
        "alerts.telegram.token_command",
        Slot::Program(|c| &mut c.alerts.settings.telegram_token.command),
        "program that prints the token, asked after the system's keyring",
    ),
    key(
        "alerts.telegram.control",
        Slot::Texts(|c| &mut c.alerts.settings.telegram_control),
        "chats that may command the engine (`/help` lists the words), by number, as texts; in a group the sender must be named \
         too; empty is nobody. What tightens is done at once, what loosens takes a one-time code, and with real money it is \
         not done from there",
    ),
    key(
        "alerts.telegram.code_file",
        Slot::File(|c| &mut c.alerts.settings.telegram_code.file),
        "file that holds the secret of the one-time codes in base32, as an authenticator app takes it, mode 0600; asked after \
         the environment (TICKDECK_TELEGRAM_CODE). Without one nothing is loosened from there",
    ),
    key(
        "alerts.telegram.code_command",
        Slot::Program(|c| &mut c.alerts.settings.telegram_code.command),
        "program that prints that secret, asked after the system's keyring",
    ),
    key(
        "alerts.slack.webhook_file",
        Slot::File(|c| &mut c.alerts.settings.slack_webhook.file),
        "file that holds the address of an incoming webhook, which is a secret, mode 0600; asked after the environment \
         (TICKDECK_SLACK_WEBHOOK)",
    ),
    key(
        "alerts.slack.webhook_command",
        Slot::Program(|c| &mut c.alerts.settings.slack_webhook.command),
        "program that prints that address, asked after the system's keyring",
    ),
    key("alerts.email.host", Slot::Text(|c| &mut c.alerts.settings.email_host), "mail server; it must offer STARTTLS"),
    key("alerts.email.port", Slot::Count(|c| &mut c.alerts.settings.email_port, 1, 65_535), "its port for submission"),
    key(
        "alerts.email.user",
        Slot::Text(|c| &mut c.alerts.settings.email_user),
        "who logs in there; empty logs in nobody",
    ),
    key(
        "alerts.email.from",
        Slot::Text(|c| &mut c.alerts.settings.email_from),
        "sender, such as \"tickdeck@example.org\"",
    ),
    key("alerts.email.to", Slot::Texts(|c| &mut c.alerts.settings.email_to), "who gets the mail"),
    key(
        "alerts.email.password_file",
        Slot::File(|c| &mut c.alerts.settings.email_password.file),
        "file that holds the password of `user` and nothing else, mode 0600; asked after the environment \
         (TICKDECK_EMAIL_PASSWORD)",
    ),
    key(
        "alerts.email.password_command",
        Slot::Program(|c| &mut c.alerts.settings.email_password.command),
        "program that prints the password, asked after the system's keyring",
    ),
    key(
        "alerts.email.ca_file",
        Slot::File(|c| &mut c.alerts.settings.email_ca_file),
        "root certificate (PEM) that is trusted beside the system's, for a server of your own",
    ),
    key(
        "alerts.webhook.url_file",
        Slot::File(|c| &mut c.alerts.settings.webhook_url.file),
        "file that holds the address that gets JSON by POST, mode 0600; asked after the environment (TICKDECK_WEBHOOK_URL)",
    ),
    key(
        "alerts.webhook.url_command",
        Slot::Program(|c| &mut c.alerts.settings.webhook_url.command),
        "program that prints that address, asked after the system's keyring",
    ),
    level("alerts.levels.fill", |c| &mut c.alerts.levels[Event::Fill as usize], "an execution"),
    level("alerts.levels.armed", |c| &mut c.alerts.levels[Event::Armed as usize], "the autotrader was armed"),
    level(
        "alerts.levels.disarmed",
        |c| &mut c.alerts.levels[Event::Disarmed as usize],
        "the autotrader was disarmed, or its time ran out",
    ),
    level(
        "alerts.levels.killed",
        |c| &mut c.alerts.levels[Event::Killed as usize],
        "a kill, its proof of flat, its reset",
    ),
    level(
        "alerts.levels.tripped",
        |c| &mut c.alerts.levels[Event::Tripped as usize],
        "a loss limit or a fault latched; its reset",
    ),
    level(
        "alerts.levels.ambiguous",
        |c| &mut c.alerts.levels[Event::Ambiguous as usize],
        "an order of which nobody knows whether the venue has it",
    ),
    level(
        "alerts.levels.reconnects",
        |c| &mut c.alerts.levels[Event::Reconnects as usize],
        "a stream that comes and goes",
    ),
    level("alerts.levels.stale", |c| &mut c.alerts.levels[Event::Stale as usize], "market data too old to open on"),
    level(
        "alerts.levels.silence",
        |c| &mut c.alerts.levels[Event::Silence as usize],
        "no data, no signal or no heartbeat for too long",
    ),
    level("alerts.levels.alarm", |c| &mut c.alerts.levels[Event::Alarm as usize], "any other alarm of the cockpit"),
    level(
        "alerts.levels.model_benched",
        |c| &mut c.alerts.levels[Event::ModelBenched as usize],
        "the answers of a model are no longer believed, or are again",
    ),
    level("alerts.levels.run", |c| &mut c.alerts.levels[Event::Run as usize], "a run began or ended"),
    level("alerts.levels.digest", |c| &mut c.alerts.levels[Event::Digest as usize], "the day in figures"),
    key("ui.fps", Slot::Count(|c| &mut c.ui.fps, 1, 60), "most frames per second"),
    key("ui.theme", Slot::Word(|c| &mut c.ui.theme, &Theme::NAMES), "colours"),
    key("ui.glyphs", Slot::Word(|c| &mut c.ui.glyphs, &["unicode", "ascii"]), "characters the cockpit draws with"),
    key(
        "ui.keymap",
        Slot::Keymap(|c| &mut c.ui.keymap),
        "commands and the keys that replace theirs, as { arm = [\"A\"] }; `?` in the cockpit lists the commands",
    ),
    key("ui.mouse", Slot::Flag(|c| &mut c.ui.mouse), "take the mouse; the terminal's own copying then needs Shift"),
];

const fn level(path: &'static str, at: At<String>, help: &'static str) -> Key {
    key(path, Slot::Word(at, Loudness::WORDS), help)
}

const fn limit(which: LimitKey, path: &'static str, help: &'static str) -> Key {
    key(path, Slot::Limit(which), help)
}

const fn live_limit(which: LimitKey, path: &'static str) -> Key {
    key(
        path,
        Slot::LiveLimit(which),
        "the same for real money, which takes nothing over from [risk]; without it the live account is refused",
    )
}

/// The path of a limit's key.
pub(super) fn limit_path(which: LimitKey) -> &'static str {
    KEYS.iter().find(|key| matches!(key.slot, Slot::Limit(this) if this == which)).map_or("risk", |key| key.path)
}
