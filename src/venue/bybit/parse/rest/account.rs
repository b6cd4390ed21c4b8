//! Answers of the account and user endpoints (contract 6, 8.10).

use std::borrow::Cow;

use super::Envelope;
use crate::engine::num::{Money, Qty, Rate, Side};
use crate::venue::bybit::parse::rows::{PositionRow, WalletRow};
use crate::venue::bybit::parse::tree::{Bad, Node, Row, row};
use crate::venue::bybit::parse::{Odd, Page, Rows};

row! {
    /// A row of the transaction log: what changed the balance (contract 8.7). `change = cash_flow + funding − fee`.
    struct TransactionRow of row {
        /// The venue's id; `None` in old rows.
        id: Option<String> = row.text("id"),
        /// Is it about linear contracts? Transfers and spot trades are not.
        linear: bool = row.word("category") == "linear",
        /// Instrument; `None` on transfers.
        symbol: Option<String> = row.text("symbol"),
        /// Coin of the amounts.
        coin: String = row.need_text("currency")?,
        /// `TRADE`, `SETTLEMENT` (funding), `TRANSFER_IN`, ….
        kind: String = row.need_text("type")?,
        /// Side.
        side: Option<Side> = row.side("side")?,
        /// Quantity of base. `None` too when it is more than [`Qty`] holds, or negative.
        qty: Option<Qty> = row.qty("qty").unwrap_or(None),
        /// Paid when positive.
        fee: Option<Money> = row.money("fee")?,
        /// Received when positive: the opposite sign of an execution's fee.
        funding: Option<Money> = row.money("funding")?,
        /// Realised by the trade.
        cash_flow: Option<Money> = row.money("cashFlow")?,
        /// Change of balance.
        change: Money = row.need_money("change")?,
        /// Balance afterwards.
        balance: Option<Money> = row.money("cashBalance")?,
        /// Our order.
        link_id: Option<String> = row.text("orderLinkId"),
        /// The venue's order.
        order_id: Option<String> = row.text("orderId"),
        /// The execution it books.
        trade_id: Option<String> = row.text("tradeId"),
        /// When, ms since 1970.
        time_ms: i64 = row.need_ms("transactionTime")?,
    }
}

/// `GET /v5/account/info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// 1 classic, 3 and 4 UTA 1.0, 5 and 6 UTA 2.0.
    pub unified_status: i64,
    /// How margin is reckoned.
    pub margin_mode: MarginMode,
    /// When it last changed, ms since 1970.
    pub updated_ms: Option<i64>,
}

/// How margin is reckoned, account-wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarginMode {
    /// `ISOLATED_MARGIN`.
    Isolated,
    /// `REGULAR_MARGIN`.
    Cross,
    /// `PORTFOLIO_MARGIN`.
    Portfolio,
    /// A word this version does not know.
    Unknown,
}

row! {
    /// Fees of one instrument, as fractions of value.
    struct FeeRow of row {
        /// Instrument; `None` where the row is for a whole category.
        symbol: Option<String> = row.text("symbol"),
        /// What a taker pays.
        taker: Rate = row.need_rate("takerFeeRate")?,
        /// What a maker pays; negative is a rebate.
        maker: Rate = row.need_rate("makerFeeRate")?,
    }
}

/// `GET /v5/user/query-api`: what the key may do (contract 6). The secret is never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// May it only read?
    pub read_only: bool,
    /// Permissions by group, `ContractTrade: Order, Position`.
    pub permissions: Vec<(String, Vec<String>)>,
    /// Addresses it is bound to; `*` is all of them.
    pub ips: Vec<String>,
    /// When it ends, as the venue writes it (ISO 8601); `None` where it does not end.
    pub expires: Option<String>,
    /// Days until it ends, of a key without an address; `None` where not sent.
    pub days_left: Option<i64>,
    /// Is the account unified?
    pub unified: bool,
    /// Account number.
    pub user_id: Option<i64>,
    /// Is it the master account?
    pub master: bool,
}

impl KeyInfo {
    /// May the key do `action` of `group`?
    pub fn may(&self, group: &str, action: &str) -> bool {
        self.permissions.iter().any(|(name, actions)| name == group && actions.iter().any(|a| a == action))
    }
    /// May it take money out? Such a key is refused.
    pub fn may_withdraw(&self) -> bool {
        self.may("Wallet", "Withdraw")
    }
    /// Is it bound to addresses?
    pub fn is_bound(&self) -> bool {
        !self.ips.is_empty() && !self.ips.iter().any(|ip| ip == "*")
    }
}

/// `GET /v5/account/user-setting-config` (contract 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    /// Is a futures price outside the band refused (true) or moved to its edge (false)? `None` where not sent.
    pub refuses_outside_band: Option<bool>,
}

/// `GET /v5/position/list`. With a symbol, flat rows come too (contract 8.8).
pub fn positions(envelope: &Envelope) -> Result<Page<PositionRow>, Odd> {
    envelope.result().page("position", PositionRow::whole)
}

/// `GET /v5/account/wallet-balance`.
pub fn wallets(envelope: &Envelope) -> Result<Rows<WalletRow>, Odd> {
    envelope.result().at("list").rows("wallet", WalletRow::read)
}

/// `GET /v5/account/transaction-log`.
pub fn transactions(envelope: &Envelope) -> Result<Page<TransactionRow>, Odd> {
    envelope.result().page("transaction", TransactionRow::read)
}

/// `GET /v5/account/info`.
pub fn info(envelope: &Envelope) -> Result<AccountInfo, Odd> {
    let row = Row(envelope.result());
    let read = || {
        Ok(AccountInfo {
            unified_status: row.need_int("unifiedMarginStatus")?,
            margin_mode: match row.word("marginMode") {
                "ISOLATED_MARGIN" => MarginMode::Isolated,
                "REGULAR_MARGIN" => MarginMode::Cross,
                "PORTFOLIO_MARGIN" => MarginMode::Portfolio,
                "" => return Err("marginMode"),
                _ => MarginMode::Unknown,
            },
            updated_ms: row.ms("updatedTime")?,
        })
    };
    read().map_err(|field| Odd::new("account", field))
}

/// `GET /v5/account/fee-rate`.
pub fn fees(envelope: &Envelope) -> Result<Rows<FeeRow>, Odd> {
    envelope.result().at("list").rows("fee rate", FeeRow::read)
}

/// `GET /v5/user/query-api`.
pub fn key_info(envelope: &Envelope) -> Result<KeyInfo, Odd> {
    let row = Row(envelope.result());
    let words = |node: &Node| node.items().iter().filter_map(Node::text).map(Cow::into_owned).collect::<Vec<_>>();
    let read = || {
        // Without the list of permissions nothing may be concluded from it: not even that withdrawing is off.
        let Node::Map(permissions) = row.0.at("permissions") else { return Err("permissions") };
        Ok(KeyInfo {
            read_only: row.some_flag("readOnly")?.ok_or("readOnly")?,
            permissions: permissions.iter().map(|(group, list)| (group.clone().into_owned(), words(list))).collect(),
            ips: words(row.0.at("ips")),
            // A key that does not end says so with the year 1970 and with a negative number of days.
            expires: row.text("expiredAt").filter(|at| !at.starts_with("1970-")),
            days_left: row.int("deadlineDay")?.filter(|days| *days >= 0),
            unified: row.flag("uta")?,
            user_id: row.int("userID")?,
            master: row.flag("isMaster")?,
        })
    };
    read().map_err(|field| Odd::new("API key", field))
}

/// `GET /v5/account/user-setting-config`.
pub fn user_settings(envelope: &Envelope) -> Result<UserSettings, Odd> {
    let refuses_outside_band =
        Row(envelope.result()).some_flag("lpaPerp").map_err(|field| Odd::new("user settings", field))?;
    Ok(UserSettings { refuses_outside_band })
}
