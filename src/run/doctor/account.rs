//! Checks of one account with its own key, and the two changes that `--fix` may make there.

use super::network::{client, stream};
use super::{Finding, unanswered};
use crate::config::Config;
use crate::engine::ids::Account as Whose;
use crate::keys::{self, KeysError, Part, title};
use crate::venue::bybit::credentials::{Credentials, PrivateAccount};
use crate::venue::bybit::hosts::PrivateHosts;
use crate::venue::bybit::parse::rest::account::{AccountInfo, KeyInfo, MarginMode, UserSettings};
use crate::venue::bybit::parse::rows::PositionRow;
use crate::venue::bybit::rest::{Rest, RestError};

/// A key that ends this soon is worth a warning, in days.
const EXPIRY_WARN_DAYS: i64 = 14;

/// A change of the account that puts a finding right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fix {
    /// Put this instrument into one-way mode.
    OneWay(String),
    /// Have futures orders outside the price band refused instead of moved.
    RefuseOutsideBand,
}

/// An account that its key opens.
pub struct Account {
    rest: Rest,
    whose: Whose,
    stream: String,
    symbols: Vec<String>,
}

/// Where the keys of an account come from; looks nothing up at the exchange.
pub fn keys(config: &Config, whose: Whose) -> (Vec<Finding>, Option<keys::Credentials>) {
    let Some(places) = config.keys.of(whose) else {
        return (vec![Finding::skip("API key", "the paper account needs none; --mode names another account")], None);
    };
    let told =
        |error: &KeysError| Finding::fail("API key", error.to_string(), "`tickdeck keys show` names every source");
    let found =
        keys::find(whose, Part::ApiKey, places).and_then(|key| Ok((key, keys::find(whose, Part::Secret, places)?)));
    match found {
        Ok(((api_key, key_from), (secret, secret_from))) => {
            let detail = format!("{} from {key_from}; secret from {secret_from}", api_key.tail());
            (vec![Finding::ok("API key", detail)], Some(keys::Credentials { api_key, secret }))
        }
        Err(error) => (vec![told(&error)], None),
    }
}

impl Account {
    /// Gets ready to ask. Nothing is sent.
    pub fn open(config: &Config, whose: Whose, found: keys::Credentials) -> Result<Self, Finding> {
        let private = match whose {
            Whose::DemoAccount => PrivateAccount::Demo,
            Whose::Testnet => PrivateAccount::Testnet,
            Whose::Paper | Whose::Live => {
                return Err(Finding::skip(
                    "account",
                    format!("this version sends nothing to the {}: it is not asked", title(whose)),
                ));
            }
        };
        let credentials = Credentials::new(private, found.api_key.expose(), found.secret.into_text())
            .map_err(|error| Finding::fail("API key", error.to_string(), "store it anew: `tickdeck keys set`"))?;
        let hosts = PrivateHosts::new(&credentials, &config.bybit.overrides())
            .map_err(|error| Finding::fail("addresses", error.to_string(), "correct it in [bybit]"))?;
        let rest = client(&config.bybit, hosts.rest(), Some(credentials)).map_err(|e| unanswered("account", &e))?;
        Ok(Self { rest, whose, stream: hosts.stream(), symbols: config.symbols.clone() })
    }

    /// Everything that can be asked about the account.
    pub async fn findings(&self, config: &Config) -> Vec<Finding> {
        // A failure here is told by the first signed request.
        self.rest.sync_clock().await.ok();
        let mut found = match self.rest.key_info().await {
            Ok(info) => judge_key(&info, self.whose),
            Err(error) => return vec![refused_key(&error)],
        };
        found.push(match self.rest.account_info().await {
            Ok(info) => judge_account(&info),
            Err(error) => unanswered("account type", &error),
        });
        for symbol in &self.symbols {
            found.push(self.position_mode(symbol).await);
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
        }
    }

    /// Makes the change, once, and looks at what is there now.
    pub async fn fix(&self, fix: &Fix) -> Finding {
        let (check, changed) = match fix {
            Fix::OneWay(symbol) => (mode_check(symbol), self.rest.one_way(symbol).await),
            Fix::RefuseOutsideBand => (BAND.to_owned(), self.rest.refuse_outside_band().await),
        };
        if let Err(error) = changed {
            let refused = unanswered(&check, &error);
            let todo = match fix {
                Fix::OneWay(symbol) => {
                    format!("close positions and cancel orders of {symbol} first, or switch it on Bybit's page")
                }
                Fix::RefuseOutsideBand => refused.todo,
            };
            return Finding::fail(check, format!("not changed: {error}"), todo);
        }
        match fix {
            Fix::OneWay(symbol) => self.position_mode(symbol).await,
            Fix::RefuseOutsideBand => self.band_action().await,
        }
    }

    async fn position_mode(&self, symbol: &str) -> Finding {
        match self.rest.positions_of(symbol).await {
            Ok(rows) => judge_mode(symbol, &rows),
            Err(error) => unanswered(&mode_check(symbol), &error),
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

const BAND: &str = "orders outside the price band";

fn mode_check(symbol: &str) -> String {
    format!("position mode {symbol}")
}

/// `retCode` of a signature that does not fit (contract 4).
const SIGNATURE: i64 = 10_004;

fn refused_key(error: &RestError) -> Finding {
    let todo = match error {
        RestError::Refused { code: SIGNATURE, .. } => {
            "the secret does not belong to this key: `tickdeck keys set` stores both anew"
        }
        RestError::Refused { .. } => {
            "keys of the main network, demo trading and testnet are three different things: was it made for this account?"
        }
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

fn judge_expiry(info: &KeyInfo) -> Finding {
    let until = info.expires.as_deref().unwrap_or("no date given");
    match info.days_left {
        // Bybit writes a count below one for keys that do not end.
        Some(days) if (1..=EXPIRY_WARN_DAYS).contains(&days) => {
            Finding::warn("API key expiry", format!("in {days} days ({until})"), "make a new one in time")
        }
        Some(days) if days > 0 => Finding::ok("API key expiry", format!("in {days} days ({until})")),
        _ => Finding::ok("API key expiry", until),
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
    }
}
