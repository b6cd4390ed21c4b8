//! Account, position and key endpoints (contract 6, 8.8, 8.10, 9).

use serde_json::json;

use super::trade::write_protection;
use super::{Ask, Rest, RestError, query};
use crate::engine::effect::Protection;
use crate::venue::bybit::codes::Op;
use crate::venue::bybit::limits::{Budget, Urgency};
use crate::venue::bybit::parse::rest::account::{
    self as read, AccountInfo, FeeRow, KeyInfo, TransactionRow, UserSettings,
};
use crate::venue::bybit::parse::rows::{PositionRow, WalletRow};
use crate::venue::bybit::parse::{Page, Rows};

const POSITIONS: &str = "/v5/position/list";
/// Longest time of one request to the log of transactions, with some room.
const TRANSACTIONS_DAY_MS: i64 = 86_400_000 - 60_000;

impl Rest {
    /// Open positions settled in USDT, and what of them cannot be read: a position is all or nothing.
    pub async fn positions(&self) -> Result<Rows<PositionRow>, RestError> {
        let pairs = [("category", "linear"), ("settleCoin", "USDT"), ("limit", "200")];
        self.pages(POSITIONS, &pairs, (Budget::Positions, Urgency::Reducing), read::positions).await
    }

    /// The rows of one instrument, flat ones included: two of them in hedge mode. One that cannot be read is an error.
    pub async fn positions_of(&self, symbol: &str) -> Result<Vec<PositionRow>, RestError> {
        let pairs = [("category", "linear"), ("symbol", symbol)];
        let ask = self.signed(POSITIONS, query(&pairs), Budget::Positions, Urgency::Reducing);
        let Page { rows, .. } = self.read(&ask, read::positions).await?;
        rows.odd.into_iter().next().map_or(Ok(rows.good), |odd| Err(RestError::Odd(odd)))
    }

    /// The unified wallet.
    pub async fn wallet(&self) -> Result<WalletRow, RestError> {
        let ask = self.signed(
            "/v5/account/wallet-balance",
            query(&[("accountType", "UNIFIED")]),
            Budget::Wallet,
            Urgency::Reducing,
        );
        let rows = self.read(&ask, read::wallets).await?;
        match (rows.good.into_iter().next(), rows.odd.into_iter().next()) {
            (Some(wallet), _) => Ok(wallet),
            (None, Some(odd)) => Err(RestError::Odd(odd)),
            // A new account without any coin has no row to show.
            (None, None) => Ok(empty_wallet()),
        }
    }

    /// What changed the wallet of USDT between two moments on the venue's clock (ms), of every category, and what of it
    /// cannot be read. One request covers a day (contract 8.7).
    pub async fn transactions(&self, from_ms: i64, to_ms: i64) -> Result<Rows<TransactionRow>, RestError> {
        let mut all = Rows { good: Vec::new(), odd: Vec::new() };
        let mut start = from_ms;
        while start < to_ms {
            let end = to_ms.min(start + TRANSACTIONS_DAY_MS);
            let (from, to) = (start.to_string(), end.to_string());
            let pairs = [
                ("accountType", "UNIFIED"),
                ("currency", "USDT"),
                ("startTime", &from),
                ("endTime", &to),
                ("limit", "50"),
            ];
            let budget = (Budget::Transactions, Urgency::Ordinary);
            let rows = self.pages("/v5/account/transaction-log", &pairs, budget, read::transactions).await?;
            all.good.extend(rows.good);
            all.odd.extend(rows.odd);
            start = end + 1;
        }
        Ok(all)
    }

    /// Kind of account and margin.
    pub async fn account_info(&self) -> Result<AccountInfo, RestError> {
        let ask = self.signed("/v5/account/info", String::new(), Budget::Account, Urgency::Ordinary);
        self.read(&ask, read::info).await
    }

    /// Asks once whether the venue answers this address and key, also while it is known to refuse them. An answer ends
    /// what is known of a ban; a refusal begins it anew.
    pub async fn try_again(&self) -> Result<(), RestError> {
        let ask = self.signed("/v5/user/query-api", String::new(), Budget::Account, Urgency::Ordinary);
        self.exchange(&ask, &|_| Ok(())).await?;
        self.limits(|limits, _| limits.pardon());
        Ok(())
    }

    /// What the key may do.
    pub async fn key_info(&self) -> Result<KeyInfo, RestError> {
        let ask = self.signed("/v5/user/query-api", String::new(), Budget::Account, Urgency::Ordinary);
        self.read(&ask, read::key_info).await
    }

    /// Fees of every instrument. Not on the demo account.
    pub async fn fees(&self) -> Result<Vec<FeeRow>, RestError> {
        let pairs = [("category", "linear")];
        let ask = self.signed("/v5/account/fee-rate", query(&pairs), Budget::Account, Urgency::Ordinary);
        Ok(self.read(&ask, read::fees).await?.good)
    }

    /// Account settings. Not on the demo account.
    pub async fn user_settings(&self) -> Result<UserSettings, RestError> {
        let ask = self.signed("/v5/account/user-setting-config", String::new(), Budget::Account, Urgency::Ordinary);
        self.read(&ask, read::user_settings).await
    }

    /// Has futures orders outside the price band refused instead of silently re-priced (contract 9). Not on the demo
    /// account.
    pub async fn refuse_outside_band(&self) -> Result<(), RestError> {
        let body = json!({ "category": "linear", "modifyEnable": false });
        self.set("/v5/account/set-limit-px-action", &body, Budget::Account).await
    }

    /// Sets the leverage of one instrument, both sides alike. "Unchanged" is done.
    pub async fn set_leverage(&self, symbol: &str, leverage: u32) -> Result<(), RestError> {
        let leverage = leverage.to_string();
        let body = json!({ "category": "linear", "symbol": symbol, "buyLeverage": leverage, "sellLeverage": leverage });
        self.set("/v5/position/set-leverage", &body, Budget::PositionSettings).await
    }

    /// Puts one instrument into one-way mode; refused while it has positions or orders.
    pub async fn one_way(&self, symbol: &str) -> Result<(), RestError> {
        let body = json!({ "category": "linear", "symbol": symbol, "mode": 0 });
        self.set("/v5/position/switch-mode", &body, Budget::PositionSettings).await
    }

    /// Sets stop loss and take profit of a whole position, triggered by mark; an absent one stays as it is. May be repeated.
    pub async fn trading_stop(&self, symbol: &str, protection: Protection) -> Result<(), RestError> {
        let mut body = json!({ "category": "linear", "symbol": symbol, "positionIdx": 0 });
        write_protection(&mut body, protection);
        let ask = self.write(Op::Setting, "/v5/position/trading-stop", &body, Budget::PositionSettings);
        self.once(&Ask { urgency: Urgency::Reducing, ..ask }, &|_| Ok(())).await
    }

    /// A setting, sent once. A code that says "unchanged" is done.
    async fn set(&self, path: &str, body: &serde_json::Value, budget: Budget) -> Result<(), RestError> {
        self.once(&self.write(Op::Setting, path, body, budget), &|_| Ok(())).await
    }
}

const fn empty_wallet() -> WalletRow {
    WalletRow {
        account_type: None,
        equity: None,
        balance: None,
        margin_balance: None,
        available: None,
        unrealised: None,
        initial_margin: None,
        maintenance_margin: None,
        initial_margin_rate: None,
        maintenance_margin_rate: None,
        coins: Vec::new(),
    }
}
