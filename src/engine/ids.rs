//! Names that are validated once and then trusted: symbols, runs, orders, and the two axes market and account.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An instrument of this run, by its place in the run's instrument list. Cheap to copy and to index with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Symbol(pub u16);

impl Symbol {
    /// Index into per-instrument tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Place of an event in the total order of a run, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

/// Our own number of an order within its run, from 1. With the run id it makes the order link id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct OrderSeq(pub u64);

/// A model of this run, by its place in the run's model list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ModelId(pub u8);

/// A run: start in milliseconds, base 36, eight characters, plus two random ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// From the start time and two random characters' worth of entropy.
    pub fn new(start_ms: i64, entropy: u16) -> Self {
        let mut text = base36(u64::try_from(start_ms).unwrap_or(0), 8);
        text.push_str(&base36(u64::from(entropy) % 1296, 2));
        Self(text)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn base36(mut value: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for slot in digits.iter_mut().rev() {
        *slot = b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize];
        value /= 36;
    }
    digits.iter().map(|b| char::from(*b)).collect()
}

/// `t<env letter>-<run>-<seq>`, at most 36 characters: a pure function of account, run and sequence.
pub fn order_link_id(account: Account, run: &RunId, order: OrderSeq) -> String {
    format!("t{}-{}-{:06}", account.letter(), run.0, order.0)
}

/// Where prices come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Market {
    /// Bybit's public stream.
    Bybit,
    /// The built-in market generator.
    Simulated,
    /// A tape file.
    Tape,
}

/// Whose money it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// Our own paper account.
    Paper,
    /// Bybit's demo trading.
    DemoAccount,
    /// Bybit's testnet.
    Testnet,
    /// Real money.
    Live,
}

impl Account {
    /// The letter in order link ids.
    pub const fn letter(self) -> char {
        match self {
            Self::Paper => 'p',
            Self::DemoAccount => 'd',
            Self::Testnet => 't',
            Self::Live => 'l',
        }
    }
    /// `paper`, `demo-account`, `testnet`, `live`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::DemoAccount => "demo-account",
            Self::Testnet => "testnet",
            Self::Live => "live",
        }
    }
}

/// A market and the account that trades on it. Pairs that must not exist have no constructor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pair {
    market: Market,
    account: Account,
}

impl Pair {
    /// The built-in market; the paper account and no other.
    pub const SIMULATED: Self = Self { market: Market::Simulated, account: Account::Paper };
    /// Every pair that keeps a ledger.
    pub const KEPT: [Self; 5] = [
        Self::SIMULATED,
        Self::bybit(Account::Paper),
        Self::bybit(Account::DemoAccount),
        Self::bybit(Account::Testnet),
        Self::bybit(Account::Live),
    ];
    /// A tape; the paper account and no other.
    pub const TAPE: Self = Self { market: Market::Tape, account: Account::Paper };
    /// Bybit's stream with the given account.
    pub const fn bybit(account: Account) -> Self {
        Self { market: Market::Bybit, account }
    }
    /// The market axis.
    pub const fn market(self) -> Market {
        self.market
    }
    /// The account axis.
    pub const fn account(self) -> Account {
        self.account
    }
    /// What the files of this pair are called by: ledger, socket, marker and log.
    pub fn name(self) -> &'static str {
        self.ledger_name().trim_end_matches(".sqlite")
    }
    /// Name of the ledger file of this pair, without folder.
    pub const fn ledger_name(self) -> &'static str {
        match (self.market, self.account) {
            (Market::Simulated, _) => "simulated.sqlite",
            (Market::Tape, _) => "replay.sqlite",
            (Market::Bybit, Account::Paper) => "paper.sqlite",
            (Market::Bybit, Account::DemoAccount) => "demo-account.sqlite",
            (Market::Bybit, Account::Testnet) => "testnet.sqlite",
            (Market::Bybit, Account::Live) => "live.sqlite",
        }
    }
    /// Stamp for ledger rows: `simulated/paper`.
    pub fn stamp(self) -> String {
        let market = match self.market {
            Market::Bybit => "bybit",
            Market::Simulated => "simulated",
            Market::Tape => "tape",
        };
        format!("{market}/{}", self.account.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_ids_fit_the_venue() {
        let run = RunId::new(1_763_800_000_000, 777);
        assert_eq!(run.0.len(), 10);
        let id = order_link_id(Account::Paper, &run, OrderSeq(u64::MAX));
        assert!(id.len() <= 36, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    }
}
