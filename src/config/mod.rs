//! Configuration: every key with its default, its check and its help, once. Command line over environment over file over
//! defaults. Keys of parts that this build does not have are refused, not ignored.

mod address;
mod alerts;
mod error;
mod keys;
mod load;
mod slot;
mod text;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use alerts::AlertsConfig;
pub use error::{ConfigError, Origin, Problem};
pub use keys::KEYS;
pub use load::{Loaded, PREFIX, Sources};
pub use slot::Key;
pub use text::{example, schema};
pub use value::{DayStart, Literal, parse_span, show_span};

use crate::engine::ids::Account;
use crate::engine::num::{Money, Rate};
use crate::engine::risk::limits::{LimitError, LimitKey, RiskLimits};
use crate::engine::settings::{Ensemble, Execution, OnLossTrip, Protect, Settings};
use crate::engine::time::{Span, Ts};
use crate::keys::{MODEL_TOKEN, Named, Place, Places, SERVE_TOKEN};
use crate::venue::bybit::hosts::Overrides;

/// A complete, checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// May the live account be used at all?
    pub live: bool,
    /// Instruments by venue name, in the order shown.
    pub symbols: Vec<String>,
    /// Time between decisions per instrument.
    pub decision_interval: Span,
    /// `[bybit]`.
    pub bybit: BybitConfig,
    /// `[keys]`.
    pub keys: KeysConfig,
    /// `[model]`.
    pub model: ModelConfig,
    /// `[strategy]`.
    pub strategy: StrategyConfig,
    /// `[risk]`.
    pub risk: RiskConfig,
    /// `[risk.live]`.
    pub live_risk: LiveRiskConfig,
    /// `[arming]`.
    pub arming: ArmingConfig,
    /// `[protect]`.
    pub protect: Protect,
    /// `[paper]`.
    pub paper: PaperConfig,
    /// `[tape]`.
    pub tape: TapeConfig,
    /// `[watchdog]`.
    pub watchdog: WatchdogConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[metrics]`.
    pub metrics: MetricsConfig,
    /// `[serve]`.
    pub serve: ServeConfig,
    /// `[alerts]`.
    pub alerts: AlertsConfig,
    /// `[ui]`.
    pub ui: UiConfig,
}

/// The connection to Bybit. Empty addresses are the account's own.
#[derive(Clone, Debug, PartialEq)]
pub struct BybitConfig {
    /// REST.
    pub rest_url: String,
    /// Public stream.
    pub ws_public_url: String,
    /// The account's stream.
    pub ws_private_url: String,
    /// The stream that takes orders.
    pub ws_trade_url: String,
    /// Whose Bybit: `global` or a country's.
    pub region: String,
    /// How old a request may be when it arrives.
    pub recv_window: Span,
    /// The same for new orders.
    pub create_recv_window: Span,
    /// `rest` or `ws`.
    pub order_transport: String,
    /// Proxy of every connection; empty is none.
    pub proxy: String,
    /// Levels per side of the book that is subscribed to.
    pub book_depth: u32,
}

impl BybitConfig {
    /// Addresses that replace the account's own.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            rest: given(&self.rest_url),
            ws_public: given(&self.ws_public_url),
            ws_private: given(&self.ws_private_url),
            ws_trade: given(&self.ws_trade_url),
        }
    }
    /// The proxy, where there is one.
    pub fn proxy(&self) -> Option<String> {
        given(&self.proxy)
    }
}

/// Empty means none.
fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// Where each account's API key and secret lie, besides the environment and the system's keyring.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct KeysConfig {
    /// Bybit's demo trading.
    pub demo_account: Places,
    /// Bybit's testnet.
    pub testnet: Places,
    /// Real money.
    pub live: Places,
}

impl KeysConfig {
    /// Of one account; the paper account has no keys.
    pub fn of(&self, account: Account) -> Option<&Places> {
        match account {
            Account::Paper => None,
            Account::DemoAccount => Some(&self.demo_account),
            Account::Testnet => Some(&self.testnet),
            Account::Live => Some(&self.live),
        }
    }

    /// Every place, under the key of its command.
    fn places(&self) -> [(&'static str, &Place); 6] {
        [
            ("keys.demo_account.api_key_command", &self.demo_account.api_key),
            ("keys.demo_account.secret_command", &self.demo_account.secret),
            ("keys.testnet.api_key_command", &self.testnet.api_key),
            ("keys.testnet.secret_command", &self.testnet.secret),
            ("keys.live.api_key_command", &self.live.api_key),
            ("keys.live.secret_command", &self.live.secret),
        ]
    }
}

/// Models.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Folder of models; `None` looks in the usual places.
    pub dir: Option<PathBuf>,
    /// Names of the models that run; empty means all that are sound.
    pub active: Vec<String>,
    /// Names of the models that are scored and never acted upon.
    pub shadow: Vec<String>,
    /// `mean` or `agree`.
    pub ensemble: String,
    /// Expected edge after costs that an entry needs, in basis points.
    pub min_edge_bps: f64,
    /// Oldest prediction that may open.
    pub max_age: Span,
    /// The token for model servers.
    pub token: Place,
}

/// `tickdeck serve`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeConfig {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Requests that are worked on at once.
    pub at_once: u32,
    /// The token that callers must show.
    pub token: Place,
}

/// The strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyConfig {
    /// Registry name.
    pub name: String,
    /// Notional of one entry in quote currency.
    pub entry_notional: Money,
    /// Horizon in seconds that it trades on.
    pub horizon_s: u32,
    /// Rest at the best price instead of taking.
    pub passive: bool,
    /// `now` or `timed`.
    pub execution: String,
    /// Probability of its direction that an entry needs.
    pub min_prob: f64,
    /// How long the signal must hold before an entry.
    pub confirm: Span,
    /// Longest holding time.
    pub max_hold: Span,
    /// Distance from entry at which it leaves at a loss; zero means none.
    pub stop: Rate,
    /// Distance from entry at which it leaves with a profit; zero means none.
    pub take_profit: Rate,
    /// Enter on closed forecasts only.
    pub close_only: bool,
}

/// Risk limits and what goes with them.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskConfig {
    /// Values in 1e-9 of each limit's unit, in the order of [`LimitKey`].
    values: [i64; LimitKey::COUNT],
    /// When the trading day starts.
    pub day_starts_at: DayStart,
    /// `flatten` or `hold`.
    pub on_loss_trip: String,
}

/// Risk limits of the live account: nothing of them is taken over from `[risk]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRiskConfig {
    /// Values that were given, in the order of [`LimitKey`].
    values: [Option<i64>; LimitKey::COUNT],
    /// When the trading day starts.
    pub day_starts_at: DayStart,
    /// `flatten` or `hold`.
    pub on_loss_trip: String,
}

/// Why the limits of an account are no limits.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitsError {
    /// The live account lacks some.
    #[error("real money takes limits of its own, and [risk.live] lacks {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// They contradict each other.
    #[error("[risk.live] {0}")]
    Contradiction(#[from] LimitError),
    /// No entry would ever fit.
    #[error("strategy.entry_notional ({0}) exceeds risk.live.max_order_notional ({1}): every entry would be denied")]
    Entry(Money, Money),
}

/// Arming.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmingConfig {
    /// How long arming lasts unless said otherwise.
    pub arm_for: Span,
    /// Arming lapses without any key for this long; zero means never.
    pub deadman: Span,
    /// Is arming resumed after a restart inside its time?
    pub resume: bool,
    /// Arming for longer than this counts as unattended.
    pub unattended_from: Span,
    /// What becomes of the engine when its terminal goes while something is open: `stay` or `leave`.
    pub on_hangup: String,
    /// `leave` or `flatten`.
    pub on_sigterm: String,
}

/// The paper account.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperConfig {
    /// Opening balance of a new account, in quote currency.
    pub balance: Money,
    /// Taker fee.
    pub taker_fee: Rate,
    /// Maker fee.
    pub maker_fee: Rate,
    /// One-way latency.
    pub latency: Span,
    /// Queue model of resting orders.
    pub queue: String,
}

/// Tapes.
#[derive(Clone, Debug, PartialEq)]
pub struct TapeConfig {
    /// `full` or `off`.
    pub record: String,
    /// Tapes older than this are removed.
    pub keep: Span,
    /// Most disk space of all tapes, in GiB.
    pub max_gib: u32,
    /// Free disk space that is never used, in GiB.
    pub min_free_gib: u32,
}

/// The watchdog.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchdogConfig {
    /// `live`, `on` (every account at the exchange), `service` (it comes by itself) or `off`.
    pub enabled: String,
    /// Silence for longer than this is a death.
    pub deadline: Span,
    /// Close positions too.
    pub close: bool,
}

impl WatchdogConfig {
    /// Does a run on this account have one?
    pub fn is_wanted(&self, account: Account) -> bool {
        match (account, self.enabled.as_str()) {
            (Account::Paper, _) | (_, "off") => false,
            (Account::Live, _) => true,
            (_, enabled) => matches!(enabled, "on" | "service"),
        }
    }
}

/// The log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `info`, `warn`, `alarm` or `off`.
    pub level: String,
    /// `json` or `pretty`.
    pub format: String,
    /// Size after which a file is put aside, in MiB.
    pub max_mib: u32,
    /// Files put aside that are kept.
    pub files: u32,
}

/// What Prometheus reads.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MetricsConfig {
    /// Where `/metrics`, `/livez` and `/readyz` are served; `None` is nowhere.
    pub listen: Option<SocketAddr>,
}

/// The cockpit.
#[derive(Clone, Debug, PartialEq)]
pub struct UiConfig {
    /// Most frames per second.
    pub fps: u32,
    /// Theme by name.
    pub theme: String,
    /// `unicode` or `ascii`.
    pub glyphs: String,
    /// Commands and the keys that replace theirs.
    pub keymap: Vec<(String, Vec<String>)>,
    /// Take mouse events from the terminal.
    pub mouse: bool,
}

impl Default for Config {
    fn default() -> Self {
        let engine = Settings::default();
        let limits = RiskLimits::default();
        let mut values = [0; LimitKey::COUNT];
        for (slot, key) in values.iter_mut().zip(LimitKey::all()) {
            *slot = limits.get(key);
        }
        Self {
            live: false,
            symbols: ["BTCUSDT", "ETHUSDT", "SOLUSDT"].map(str::to_owned).to_vec(),
            decision_interval: engine.decision_interval,
            bybit: BybitConfig {
                rest_url: String::new(),
                ws_public_url: String::new(),
                ws_private_url: String::new(),
                ws_trade_url: String::new(),
                region: "global".to_owned(),
                recv_window: Span::from_secs(5),
                create_recv_window: Span::from_ms(2500),
                order_transport: "rest".to_owned(),
                proxy: String::new(),
                book_depth: 50,
            },
            keys: KeysConfig::default(),
            model: ModelConfig {
                dir: None,
                active: Vec::new(),
                shadow: Vec::new(),
                ensemble: "mean".to_owned(),
                min_edge_bps: engine.min_edge_bps,
                max_age: engine.prediction_max_age,
                token: Place::default(),
            },
            strategy: StrategyConfig {
                name: engine.strategy,
                entry_notional: engine.entry_notional,
                horizon_s: engine.horizon_s,
                passive: engine.passive_entry,
                execution: "now".to_owned(),
                min_prob: engine.min_prob,
                confirm: engine.confirm,
                max_hold: engine.max_hold,
                stop: engine.stop,
                take_profit: engine.take_profit,
                close_only: engine.close_only,
            },
            risk: RiskConfig { values, day_starts_at: DayStart::default(), on_loss_trip: "flatten".to_owned() },
            live_risk: LiveRiskConfig {
                values: [None; LimitKey::COUNT],
                day_starts_at: DayStart::default(),
                on_loss_trip: "flatten".to_owned(),
            },
            arming: ArmingConfig {
                arm_for: Span::from_secs(900),
                deadman: engine.deadman,
                resume: engine.resume,
                unattended_from: Span::from_secs(3600),
                on_hangup: "stay".to_owned(),
                on_sigterm: "leave".to_owned(),
            },
            protect: engine.protect,
            paper: PaperConfig {
                balance: Money::from_units(10_000),
                taker_fee: engine.taker_fee,
                maker_fee: engine.maker_fee,
                latency: engine.paper_latency,
                queue: "pessimistic".to_owned(),
            },
            tape: TapeConfig {
                record: "full".to_owned(),
                keep: Span::from_secs(7 * 86_400),
                max_gib: 20,
                min_free_gib: 2,
            },
            watchdog: WatchdogConfig { enabled: "live".to_owned(), deadline: Span::from_secs(5), close: false },
            log: LogConfig { level: "info".to_owned(), format: "json".to_owned(), max_mib: 10, files: 5 },
            metrics: MetricsConfig::default(),
            serve: ServeConfig {
                listen: Some(SocketAddr::from(([127, 0, 0, 1], 8470))),
                at_once: 4,
                token: Place::default(),
            },
            alerts: AlertsConfig::default(),
            ui: UiConfig {
                fps: 20,
                theme: "default".to_owned(),
                glyphs: "unicode".to_owned(),
                keymap: Vec::new(),
                mouse: false,
            },
        }
    }
}

impl Config {
    /// What the engine is told about an account. `now` turns the start of the trading day into an offset from midnight UTC.
    pub fn settings(&self, account: Account, now: Ts) -> Settings {
        let live = account == Account::Live;
        let day_starts_at = if live { &self.live_risk.day_starts_at } else { &self.risk.day_starts_at };
        let on_loss_trip = if live { &self.live_risk.on_loss_trip } else { &self.risk.on_loss_trip };
        Settings {
            decision_interval: self.decision_interval,
            edge_gate: true,
            min_edge_bps: self.model.min_edge_bps,
            prediction_max_age: self.model.max_age,
            ensemble: if self.model.ensemble == "agree" { Ensemble::Agree } else { Ensemble::Mean },
            taker_fee: self.paper.taker_fee,
            maker_fee: self.paper.maker_fee,
            strategy: self.strategy.name.clone(),
            entry_notional: self.strategy.entry_notional,
            horizon_s: self.strategy.horizon_s,
            passive_entry: self.strategy.passive,
            execution: if self.strategy.execution == "timed" { Execution::Timed } else { Execution::Now },
            min_prob: self.strategy.min_prob,
            confirm: self.strategy.confirm,
            max_hold: self.strategy.max_hold,
            stop: self.strategy.stop,
            take_profit: self.strategy.take_profit,
            // Real money never opens without a stop at the venue.
            protect: Protect { required: self.protect.required || live, ..self.protect },
            close_only: self.strategy.close_only,
            shadow: self.model.shadow.clone(),
            on_loss_trip: if on_loss_trip == "hold" { OnLossTrip::Hold } else { OnLossTrip::Flatten },
            day_starts_at: day_starts_at.after_midnight_utc(now).0,
            resume: self.arming.resume,
            deadman: self.arming.deadman,
            arm_for: self.arming.arm_for,
            paper_latency: self.paper.latency,
            ..Settings::default()
        }
    }

    /// Where a secret of a service may lie.
    pub fn place(&self, named: Named) -> &Place {
        match named {
            SERVE_TOKEN => &self.serve.token,
            MODEL_TOKEN => &self.model.token,
            of_alerts => self.alerts.place(of_alerts),
        }
    }

    /// The limits of the file. The ledger's, where tighter, bind as well.
    pub fn limits(&self) -> Result<RiskLimits, LimitError> {
        RiskLimits::try_new(self.risk.values)
    }

    /// The limits of an account. Real money takes nothing over from `[risk]`.
    pub fn limits_of(&self, account: Account) -> Result<RiskLimits, LimitsError> {
        if account != Account::Live {
            return Ok(self.limits()?);
        }
        let given = &self.live_risk.values;
        let missing: Vec<_> =
            LimitKey::all().filter(|key| given[*key as usize].is_none()).map(LimitKey::name).collect();
        if !missing.is_empty() {
            return Err(LimitsError::Missing(missing));
        }
        let limits = RiskLimits::try_new(given.map(Option::unwrap_or_default))?;
        let (entry, most) = (self.strategy.entry_notional, limits.money(LimitKey::MaxOrderNotional));
        if entry > most { Err(LimitsError::Entry(entry, most)) } else { Ok(limits) }
    }

    /// What a person should know about this configuration although nothing is wrong with it.
    pub fn notes(&self, now: Ts) -> Vec<String> {
        let mut notes = Vec::new();
        notes.extend(self.risk.day_starts_at.after_midnight_utc(now).1);
        if self.live {
            notes.push("`live = true`: --mode live and the account key `m` can reach real money".to_owned());
        }
        if let Some(listen) = self.metrics.listen.filter(|listen| !listen.ip().is_loopback()) {
            notes.push(format!(
                "`metrics.listen` {listen}: whoever reaches it reads positions and money, without a password"
            ));
        }
        if self.protect.stop == Rate::ZERO {
            notes.push("`protect.stop_bps` is 0: positions have no stop at the venue".to_owned());
        }
        notes
    }

    /// Rules across keys. Each problem names the key that should give way.
    fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let order_max = match self.limits() {
            Ok(limits) => Some(limits.money(LimitKey::MaxOrderNotional)),
            Err(error @ (LimitError::Negative(name) | LimitError::Contradiction(name, ..))) => {
                found.push((LimitKey::by_name(name).map_or("risk", keys::limit_path), error.to_string()));
                None
            }
        };
        let entry = self.strategy.entry_notional;
        if let Some(max) = order_max.filter(|max| entry > *max) {
            let what = format!("{entry} exceeds risk.max_order_notional ({max}): every entry would be denied");
            found.push(("strategy.entry_notional", what));
        }
        if self.protect.required && self.protect.stop == Rate::ZERO {
            let what = "is 0 while protect.required is true: every entry would be denied".to_owned();
            found.push(("protect.stop_bps", what));
        } else if self.protect.stop != Rate::ZERO && self.protect.stop <= self.strategy.stop {
            let what = format!(
                "must be wider than strategy.stop_bps ({}): the venue's stop would act before tickdeck's own",
                self.strategy.stop.bps_lossy()
            );
            found.push(("protect.stop_bps", what));
        }
        if self.arming.deadman > self.arming.arm_for {
            let what = format!(
                "{} is longer than arming.arm_for ({}): it would never act",
                show_span(self.arming.deadman),
                show_span(self.arming.arm_for)
            );
            found.push(("arming.deadman", what));
        }
        if self.bybit.create_recv_window > self.bybit.recv_window {
            let what = format!("is longer than bybit.recv_window_ms ({})", self.bybit.recv_window.as_ms());
            found.push(("bybit.create_recv_window_ms", what));
        }
        let tokens = [("model.token_command", &self.model.token), ("serve.token_command", &self.serve.token)];
        for (path, place) in self.keys.places().into_iter().chain(self.alerts.places()).chain(tokens) {
            if place.file.is_some() && !place.command.is_empty() {
                found.push((path, "has a file as well, which is read first: keep one of the two".to_owned()));
            }
        }
        if let Some(name) = self.model.shadow.iter().find(|name| self.model.active.contains(name)) {
            found.push((
                "model.shadow",
                format!("names `{name}`, which model.active names as well: keep one of the two"),
            ));
        }
        found.extend(self.alerts.contradictions());
        let mut names = self.symbols.clone();
        names.sort();
        names.dedup();
        if names.len() != self.symbols.len() {
            found.push(("symbols", "names a symbol twice".to_owned()));
        }
        found
    }
}
