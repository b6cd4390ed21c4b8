//! Checks of one account with its own key, and the changes that `--fix` may make there.

use std::sync::Arc;

use super::network::{client, stream};
use super::{Finding, unanswered};
use crate::config::Config;
use crate::engine::ceremony::Ceremony;
use crate::engine::ids::Account as Whose;
use crate::engine::preflight::{leverage_exceeds, leverage_with_room};
use crate::keys::{self, KeysError, Part, Source, title};
use crate::venue::bybit::credentials::{Credentials, PrivateAccount};
use crate::venue::bybit::hosts::{PrivateHosts, Region};
use crate::venue::bybit::parse::rest::account::{AccountInfo, KeyInfo, MarginMode, UserSettings};
use crate::venue::bybit::parse::rows::PositionRow;
use crate::venue::bybit::rest::{Rest, RestError};
use crate::venue::bybit::unlock::{Locked, UnlockError};

/// A key that ends this soon is worth a warning, in days.
const EXPIRY_WARN_DAYS: i64 = 14;

/// A change of the account that puts a finding right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fix {
    /// Put this instrument into one-way mode.
    OneWay(String),
    /// Have futures orders outside the price band refused instead of moved.
    RefuseOutsideBand,
    /// Set the leverage of this instrument.
    Leverage(String, u32),
}

/// An account that its key opens.
pub struct Account {
    rest: Rest,
    whose: Whose,
    stream: String,
    symbols: Vec<String>,
    /// Where the key was found: what is wrong with it is put right there.
    source: Source,
    /// The leverage above which a symbol's is worth a word.
    leverage: u32,
}

/// Keys that were found.
pub struct Found {
    credentials: keys::Credentials,
    source: Source,
}

impl Found {
    /// Was LIVE and the tail of this key typed?
    pub fn is_confirmed_by(&self, typed: Option<&str>) -> bool {
        let tail = self.credentials.api_key.expose();
        let tail = tail.get(tail.len().saturating_sub(4)..).unwrap_or_default();
        typed.is_some_and(|text| Ceremony::typed(text, tail).is_some())
    }
}

/// Where the keys of an account come from; looks nothing up at the exchange.
pub fn keys(config: &Config, whose: Whose) -> (Vec<Finding>, Option<Found>) {
    let Some(places) = config.keys.of(whose) else {
        return (vec![Finding::skip("API key", "the paper account needs none; --mode names another account")], None);
    };
    let told =
        |error: &KeysError| Finding::fail("API key", error.to_string(), "`tickdeck keys show` names every source");
    let found =
        keys::find(whose, Part::ApiKey, places).and_then(|key| Ok((key, keys::find(whose, Part::Secret, places)?)));
    match found {
        Ok(((api_key, source), (secret, secret_from))) => {
            let detail = format!("{}, from {source}; secret from {secret_from}", api_key.tail());
            let credentials = keys::Credentials { api_key, secret };
            let mut findings = vec![Finding::ok("API key", detail)];
            findings.extend(watchdog_key(config, whose));
            (findings, Some(Found { credentials, source }))
        }
        Err(error) => (vec![told(&error)], None),
    }
}

/// Which key a watchdog uses that is started from here; `None` where none is wanted.
fn watchdog_key(config: &Config, whose: Whose) -> Option<Finding> {
    let (is_own, words) = keys::watchdog_key();
    let wanted = config.watchdog.is_wanted(whose);
    let todo = "a key that is revoked or locked out takes engine and watchdog away together: give the watchdog one of its own, with \
                the right to trade and no other, in BYBIT_WATCHDOG_API_KEY and BYBIT_WATCHDOG_API_SECRET";
    let finding = if is_own { Finding::ok("watchdog key", words) } else { Finding::warn("watchdog key", words, todo) };
    wanted.then_some(finding)
}

impl Account {
    /// Gets ready to ask. Nothing is sent.
    pub fn open(config: &Config, whose: Whose, found: Found) -> Result<Self, Finding> {
        let Found { credentials: found, source } = found;
        let (credentials, hosts) = way(config, whose, found, &anew(&source, whose))?;
        let rest = client(&config.bybit, hosts.rest(), Some(credentials)).map_err(|e| unanswered("account", &e))?;
        // Without limits of its own the live account is refused anyway: the tightest that a run could have.
        let leverage = config.limits_of(whose).map_or(2, |limits| leverage_with_room(&limits));
        let (stream, symbols) = (hosts.stream(), config.symbols.clone());
        Ok(Self { rest, whose, stream, symbols, source, leverage })
    }

    /// Everything that can be asked about the account.
    pub async fn findings(&self, config: &Config) -> Vec<Finding> {
        // A failure here is told by the first signed request.
        self.rest.sync_clock().await.ok();
        let mut found = match self.rest.key_info().await {
            Ok(info) => judge_key(&info, self.whose),
            Err(error) => return vec![refused_key(&error, &anew(&self.source, self.whose))],
        };
        found.push(match self.rest.account_info().await {
            Ok(info) => judge_account(&info),
            Err(error) => unanswered("account type", &error),
        });
        for symbol in &self.symbols {
            found.extend(self.position(symbol).await);
        }
        found.push(self.band_action().await);
        found.push(stream("private stream", &self.stream, &config.bybit).await);
        found
    }

    /// What a fix would change, as a question.
    pub fn question(&self, fix: &Fix) -> String {
        let account = title(self.whose);
        match fix {
            Fix::OneWay(symbol) => format!("{account}: switch {symbol} from hedge mode to one-way mode?"),
            Fix::RefuseOutsideBand => format!(
                "{account}: have every futures order outside Bybit's price band refused instead of moved to its \
                 edge (set-limit-px-action, for the whole account)?"
            ),
            Fix::Leverage(symbol, to) => format!("{account}: set the leverage of {symbol} to {to}?"),
        }
    }

    /// Makes the change, once, and looks at what is there now.
    pub async fn fix(&self, fix: &Fix) -> Finding {
        let (check, changed) = match fix {
            Fix::OneWay(symbol) => (mode_check(symbol), self.rest.one_way(symbol).await),
            Fix::RefuseOutsideBand => (BAND.to_owned(), self.rest.refuse_outside_band().await),
            Fix::Leverage(symbol, to) => (leverage_check(symbol), self.rest.set_leverage(symbol, *to).await),
        };
        if let Err(error) = changed {
            let refused = unanswered(&check, &error);
            let todo = match fix {
                Fix::OneWay(symbol) => {
                    format!("close positions and cancel orders of {symbol} first, or switch it on Bybit's page")
                }
                Fix::RefuseOutsideBand | Fix::Leverage(..) => refused.todo,
            };
            return Finding::fail(check, format!("not changed: {error}"), todo);
        }
        match fix {
            Fix::OneWay(symbol) | Fix::Leverage(symbol, _) => {
                let about = self.position(symbol).await;
                let found = about.into_iter().find(|finding| finding.check == check);
                found.unwrap_or_else(|| Finding::warn(check, "Bybit does not tell what it is now", "run this again"))
            }
            Fix::RefuseOutsideBand => self.band_action().await,
        }
    }

    /// Position mode and leverage of an instrument.
    async fn position(&self, symbol: &str) -> Vec<Finding> {
        match self.rest.positions_of(symbol).await {
            Ok(rows) => vec![judge_mode(symbol, &rows), judge_leverage(symbol, &rows, self.leverage)],
            Err(error) => vec![unanswered(&mode_check(symbol), &error)],
        }
    }

    async fn band_action(&self) -> Finding {
        if self.whose == Whose::DemoAccount {
            return Finding::skip(BAND, "Bybit's demo account does not tell");
        }
        match self.rest.user_settings().await {
            Ok(settings) => judge_settings(&settings),
            Err(error) => unanswered(BAND, &error),
        }
    }
}

/// Key pair and hosts of an account. Real money takes no ceremony to be looked at: nothing here makes an order.
fn way(
    config: &Config,
    whose: Whose,
    found: keys::Credentials,
    anew: &str,
) -> Result<(Arc<Credentials>, PrivateHosts), Finding> {
    let overrides = config.bybit.overrides();
    let bad_key = |error: &dyn std::fmt::Display| Finding::fail("API key", error.to_string(), anew);
    let bad_host =
        |error: &dyn std::fmt::Display| Finding::fail("addresses", error.to_string(), "correct it in [bybit]");
    let play = match whose {
        Whose::DemoAccount => PrivateAccount::Demo,
        Whose::Testnet => PrivateAccount::Testnet,
        Whose::Paper => return Err(Finding::skip("account", "the paper account has none at Bybit")),
        Whose::Live => {
            let region = Region::parse(&config.bybit.region).map_err(|error| bad_host(&error))?;
            let locked = Locked::new(found.api_key.expose(), found.secret.into_text(), region, &overrides);
            return locked.map(Locked::to_tighten).map_err(|error| match error {
                UnlockError::Host(error) => bad_host(&error),
                error => bad_key(&error),
            });
        }
    };
    let credentials = Credentials::new(play, found.api_key.expose(), found.secret.into_text());
    let credentials = credentials.map_err(|error| bad_key(&error))?;
    let hosts = PrivateHosts::new(&credentials, &overrides).map_err(|error| bad_host(&error))?;
    Ok((Arc::new(credentials), hosts))
}

/// What stands in the file about real money: may it be reached at all, and within which limits?
pub fn real_money(config: &Config) -> Vec<Finding> {
    let allowed = if config.live {
        Finding::ok("real money", "`live = true`: --mode live and the typed tail reach it")
    } else {
        Finding::warn(
            "real money",
            "`live = true` is not in the file: --mode live is refused",
            "add it when you mean it",
        )
    };
    let limits = match config.limits_of(Whose::Live) {
        Ok(_) => Finding::ok("[risk.live]", "every limit is there"),
        Err(error) => {
            Finding::fail("[risk.live]", error.to_string(), "give it every limit: nothing is taken from [risk]")
        }
    };
    vec![allowed, limits]
}

const BAND: &str = "orders outside the price band";

fn leverage_check(symbol: &str) -> String {
    format!("leverage {symbol}")
}

/// Where a key is put right that was found there.
fn anew(source: &Source, whose: Whose) -> String {
    match source {
        Source::Environment(name) => format!("set {name} and its secret anew"),
        Source::File(path) => format!("write both anew: the key into {}, the secret into its own file", path.display()),
        Source::Keyring => format!("`tickdeck keys set {}` stores both anew", whose.word()),
        Source::Program(name) => format!("let `{name}` print the right ones"),
    }
}

fn mode_check(symbol: &str) -> String {
    format!("position mode {symbol}")
}

/// `retCode` of a signature that does not fit (contract 4).
const SIGNATURE: i64 = 10_004;

fn refused_key(error: &RestError, anew: &str) -> Finding {
    let todo = match error {
        RestError::Refused { code: SIGNATURE, .. } => format!("the secret does not belong to this key: {anew}"),
        RestError::Refused { .. } => format!(
            "keys of the main network, demo trading and testnet are three different things: was it made for this \
             account? If not, {anew}"
        ),
        error => return unanswered("API key accepted", error),
    };
    Finding::fail("API key accepted", error.to_string(), todo)
}

/// What the key may do, where from and how long.
fn judge_key(info: &KeyInfo, whose: Whose) -> Vec<Finding> {
    let trades = !info.read_only && info.may("ContractTrade", "Order") && info.may("ContractTrade", "Position");
    let permissions = if trades {
        Finding::ok("API key permissions", "orders and positions of contracts")
    } else {
        let detail = if info.read_only { "it may only read" } else { "it lacks ContractTrade Order or Position" };
        Finding::fail("API key permissions", detail, "make a key with read-write and contract orders and positions")
    };
    let withdraw = match (info.may_withdraw(), whose) {
        (false, _) => Finding::ok("API key withdrawals", "not allowed"),
        (true, Whose::Live) => Finding::fail(
            "API key withdrawals",
            "it may withdraw",
            "make a key without that permission, remove this one",
        ),
        (true, _) => Finding::warn("API key withdrawals", "it may withdraw", "a trading key should not"),
    };
    let bound = if info.is_bound() {
        Finding::ok("API key addresses", info.ips.join(", "))
    } else {
        Finding::warn(
            "API key addresses",
            "it works from every address",
            "bind it to yours; Bybit ends unbound keys after 90 days",
        )
    };
    vec![Finding::ok("API key accepted", "yes"), permissions, withdraw, bound, judge_expiry(info)]
}

/// Days are counted for keys that are bound to no address; the date stands on those that end for another reason.
fn judge_expiry(info: &KeyInfo) -> Finding {
    let check = "API key expiry";
    match (info.days_left.filter(|days| *days > 0), &info.expires) {
        (Some(days), _) if days <= EXPIRY_WARN_DAYS => {
            Finding::warn(check, format!("in {days} day(s)"), "make a new one in time")
        }
        (Some(days), _) => Finding::ok(check, format!("in {days} days")),
        (None, Some(date)) => Finding::ok(check, date.clone()),
        (None, None) => Finding::ok(check, "no end is told"),
    }
}

/// 5 and 6 are the unified accounts of today (contract 6).
fn judge_account(info: &AccountInfo) -> Finding {
    let margin = match info.margin_mode {
        MarginMode::Isolated => "isolated margin",
        MarginMode::Cross => "cross margin",
        MarginMode::Portfolio => "portfolio margin",
        MarginMode::Unknown => "a margin mode this version does not know",
    };
    let todo = "upgrade it to the unified account on Bybit's page";
    match (info.unified_status, info.margin_mode) {
        (5 | 6, MarginMode::Isolated | MarginMode::Cross) => Finding::ok("account type", format!("unified, {margin}")),
        (5 | 6, _) => Finding::warn(
            "account type",
            format!("unified, {margin}"),
            "liquidation and margin differ from what tickdeck reckons with; cross margin is what it knows",
        ),
        (3 | 4, _) => Finding::warn("account type", format!("unified 1.0, {margin}"), todo),
        (other, _) => Finding::fail("account type", format!("not unified ({other}), {margin}"), todo),
    }
}

fn judge_mode(symbol: &str, rows: &[PositionRow]) -> Finding {
    let check = mode_check(symbol);
    let ours = || rows.iter().filter(|row| row.symbol == symbol);
    if ours().any(|row| row.position_idx != 0) {
        let todo = "`tickdeck doctor --fix` switches it to one-way mode, once it has no positions and orders";
        return Finding::fail(check, "hedge mode; only one-way mode is traded", todo)
            .fixed_by(Fix::OneWay(symbol.to_owned()));
    }
    match ours().next() {
        Some(_) => Finding::ok(check, "one-way"),
        None => Finding::warn(check, "Bybit says nothing about it", "is the symbol listed for this account?"),
    }
}

fn judge_leverage(symbol: &str, rows: &[PositionRow], most: u32) -> Finding {
    let check = leverage_check(symbol);
    let highest = rows.iter().filter(|row| row.symbol == symbol).filter_map(|row| row.leverage).max();
    match highest {
        None => Finding::skip(check, "Bybit does not tell"),
        Some(leverage) if leverage_exceeds(leverage, most) => {
            let detail = format!("{leverage}: a position needs little margin there, whatever max_leverage says here");
            let todo = format!("`tickdeck doctor --fix` sets it to {most}, one more than max_leverage");
            Finding::warn(check, detail, todo).fixed_by(Fix::Leverage(symbol.to_owned(), most))
        }
        Some(leverage) => Finding::ok(check, leverage.to_string()),
    }
}

/// `lpaPerp` true means refused (contract 9).
fn judge_settings(settings: &UserSettings) -> Finding {
    match settings.refuses_outside_band {
        Some(true) => Finding::ok(BAND, "refused"),
        Some(false) => {
            let todo = "`tickdeck doctor --fix` has them refused";
            Finding::warn(BAND, "silently moved to its edge", todo).fixed_by(Fix::RefuseOutsideBand)
        }
        None => Finding::warn(BAND, "Bybit does not tell", "watch that orders rest at the price that was sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::UNIT;
    use crate::engine::risk::limits::{LimitKey, RiskLimits};
    use crate::engine::snapshot::Health;

    fn info() -> KeyInfo {
        KeyInfo {
            read_only: false,
            permissions: vec![("ContractTrade".into(), vec!["Order".into(), "Position".into()])],
            ips: vec!["10.0.0.1".into()],
            expires: Some("2027-01-01T00:00:00Z".into()),
            days_left: Some(60),
            unified: true,
            user_id: Some(1),
            master: true,
        }
    }
    fn worst(info: &KeyInfo, whose: Whose) -> Vec<(String, Health)> {
        let found = judge_key(info, whose).into_iter().filter(|f| f.health != Health::Ok);
        found.map(|f| (f.check, f.health)).collect()
    }

    #[test]
    fn keys_are_judged_by_what_they_may_do() {
        assert_eq!(worst(&info(), Whose::Testnet), []);
        let withdraws = ("Wallet".to_owned(), vec!["Withdraw".to_owned()]);
        let mut bad = info();
        bad.permissions.push(withdraws);
        assert_eq!(worst(&bad, Whose::Testnet), [("API key withdrawals".into(), Health::Warn)]);
        assert_eq!(worst(&bad, Whose::Live), [("API key withdrawals".into(), Health::Fail)]);
        let loose = KeyInfo { ips: vec!["*".into()], days_left: Some(3), read_only: true, ..info() };
        let expected = [
            ("API key permissions".into(), Health::Fail),
            ("API key addresses".into(), Health::Warn),
            ("API key expiry".into(), Health::Warn),
        ];
        assert_eq!(worst(&loose, Whose::Testnet), expected);
        assert_eq!(worst(&KeyInfo { days_left: Some(-1), ..info() }, Whose::Testnet), []);
        assert_eq!(judge_expiry(&info()).detail, "in 60 days");
        assert_eq!(judge_expiry(&KeyInfo { days_left: None, ..info() }).detail, "2027-01-01T00:00:00Z");
        let narrow = KeyInfo { permissions: vec![("Spot".into(), vec!["SpotTrade".into()])], ..info() };
        assert_eq!(worst(&narrow, Whose::Testnet), [("API key permissions".into(), Health::Fail)]);
    }

    #[test]
    fn accounts_and_settings_are_judged() {
        let account = |unified_status, margin_mode| {
            judge_account(&AccountInfo { unified_status, margin_mode, updated_ms: None }).health
        };
        assert_eq!(account(5, MarginMode::Cross), Health::Ok);
        assert_eq!(account(6, MarginMode::Portfolio), Health::Warn);
        assert_eq!(account(3, MarginMode::Cross), Health::Warn);
        assert_eq!(account(1, MarginMode::Cross), Health::Fail);
        let settings = |refuses_outside_band| judge_settings(&UserSettings { refuses_outside_band });
        assert_eq!(settings(Some(true)).health, Health::Ok);
        assert_eq!(settings(None).fix, None);
        assert_eq!(settings(Some(false)).fix, Some(Fix::RefuseOutsideBand));
        assert_eq!(judge_mode("BTCUSDT", &[]).health, Health::Warn);
        assert_eq!(judge_leverage("BTCUSDT", &[], 2).health, Health::Skip);
        let room = |max| leverage_with_room(&RiskLimits::default().with(LimitKey::MaxLeverage, max).unwrap());
        assert_eq!((room(UNIT), room(2 * UNIT + 1)), (2, 4));
    }
}
