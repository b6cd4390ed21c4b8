//! The first look at an account: may the key trade, what is held, what rests from earlier runs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::desk::Reading;
use crate::engine::ids::{Account, RunId};
use crate::engine::num::Money;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::Odd;
use crate::venue::bybit::parse::rest::account::{KeyInfo, MarginMode};
use crate::venue::bybit::parse::rows::{OrderRow, PositionRow, WalletRow};
use crate::venue::bybit::rest::{Rest, RestError};

/// Executions of this long before the opening are known as part of it.
const BEFORE: Span = Span::from_secs(600);
/// Executions are read again from this long before the newest one known.
const OVERLAP: Span = Span::from_secs(60);
/// Rounds of cancelling what earlier runs left, and of reading until nothing moves.
const ROUNDS: usize = 10;
const ROUND_PAUSE: Duration = Duration::from_millis(400);

/// The account as it was found.
pub struct Opened {
    pub reading: Reading,
    /// Rows of every instrument of the run, flat ones included: they tell the position mode.
    pub modes: Vec<PositionRow>,
    /// Open orders that are not ours.
    pub foreign_orders: u16,
    /// What the person should know.
    pub notes: Vec<String>,
    /// Why the key cannot trade, if so.
    pub cannot_trade: Option<String>,
}

/// Reads everything and cancels what earlier runs of this account left resting.
pub async fn open(rest: &Rest, account: Account, run: &RunId, symbols: &[String]) -> Result<Opened, RestError> {
    rest.sync_clock().await?;
    let mut notes = Vec::new();
    let cannot_trade = check_key(&rest.key_info().await?, &mut notes);
    note_margin(rest, &mut notes).await;
    let mut modes = Vec::new();
    for symbol in symbols {
        modes.extend(rest.positions_of(symbol).await?);
    }
    let ours = format!("t{}-", account.letter());
    let this_run = format!("{ours}{run}-");
    let open = cancel_earlier(rest, &ours, &this_run, &mut notes).await?;
    let foreign = open.iter().filter(|row| !row.link_id.as_deref().is_some_and(|link| link.starts_with(&ours)));
    let foreign_orders = u16::try_from(foreign.count()).unwrap_or(u16::MAX);
    let reading = read_still(rest).await?;
    check_positions(&reading, symbols, &mut notes)?;
    Ok(Opened { reading, modes, foreign_orders, notes, cannot_trade })
}

/// What the key may do: a key that cannot trade holds, one that could withdraw is warned about.
fn check_key(key: &KeyInfo, notes: &mut Vec<String>) -> Option<String> {
    if key.may_withdraw() {
        notes.push("the API key may WITHDRAW money: make one that may only trade, and delete this one".into());
    }
    if !key.is_bound() {
        notes
            .push("the API key is not bound to an address: whoever has it can trade, and it ends after 90 days".into());
    }
    if let Some(days) = key.days_left.filter(|days| (0..14).contains(days)) {
        notes.push(format!("the API key ends in {days} day(s): make a new one"));
    }
    let trades = (key.may("ContractTrade", "Order") && key.may("ContractTrade", "Position"))
        || key.may("Derivatives", "DerivativesTrade");
    if key.read_only {
        Some("the API key may only read: make one with read-write access to Contract orders and positions".into())
    } else if !trades {
        Some("the API key may not trade contracts: allow Contract orders and positions for it at Bybit".into())
    } else {
        None
    }
}

/// Account facts that change what the numbers mean. None of them is needed to trade.
async fn note_margin(rest: &Rest, notes: &mut Vec<String>) {
    let Ok(info) = rest.account_info().await else { return };
    match info.margin_mode {
        MarginMode::Portfolio => {
            notes.push("the account is in portfolio margin: margin figures here are estimates".into());
        }
        MarginMode::Isolated => {
            notes.push("the account is in isolated margin: each position has margin of its own".into());
        }
        MarginMode::Cross | MarginMode::Unknown => {}
    }
    // Refused instead of silently moved; not offered everywhere, and then the echoed price is compared.
    let refuses = rest.user_settings().await.is_ok_and(|settings| settings.refuses_outside_band == Some(true));
    if !refuses && rest.refuse_outside_band().await.is_err() {
        notes.push("prices outside the exchange's band are moved to its edge there, not refused".into());
    }
}

/// A position whose cost is not told cannot be taken over: its profit would be a guess. One of another instrument is
/// left to the person.
fn check_positions(reading: &Reading, symbols: &[String], notes: &mut Vec<String>) -> Result<(), RestError> {
    for row in reading.positions.iter().filter(|row| !row.size.is_zero()) {
        if !symbols.contains(&row.symbol) {
            notes.push(format!(
                "{}: a position of {} is not of this run; no limit here counts it",
                row.symbol, row.size
            ));
        } else if row.value.is_none() && row.entry.is_none() {
            return Err(RestError::Odd(Odd { what: "position", field: "its entry price is missing".into() }));
        }
    }
    Ok(())
}

/// Orders of ours from earlier runs end; returns what is open afterwards.
async fn cancel_earlier(
    rest: &Rest,
    ours: &str,
    this_run: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<OrderRow>, RestError> {
    let earlier =
        |row: &OrderRow| row.link_id.as_deref().is_some_and(|l| l.starts_with(ours) && !l.starts_with(this_run));
    let mut cancelled = BTreeSet::new();
    let mut open = rest.open_orders().await?.good;
    for _ in 0..ROUNDS {
        let left: Vec<&OrderRow> = open.iter().filter(|row| earlier(row)).collect();
        if left.is_empty() {
            break;
        }
        for row in left {
            let link = row.link_id.clone().unwrap_or_default();
            // Whatever it answers, the next round shows what is left.
            if rest.cancel(&row.symbol, &link).await.is_ok() {
                cancelled.insert(link);
            }
        }
        tokio::time::sleep(ROUND_PAUSE).await;
        open = rest.open_orders().await?.good;
    }
    if !cancelled.is_empty() {
        notes.push(format!("{} resting order(s) of an earlier run were cancelled", cancelled.len()));
    }
    let left = open.iter().filter(|row| earlier(row)).count();
    if left > 0 {
        notes.push(format!("{left} order(s) of an earlier run could not be cancelled: cancel them at the exchange"));
    }
    Ok(open)
}

/// Reads until no execution came in between: then balance and positions belong together.
async fn read_still(rest: &Rest) -> Result<Reading, RestError> {
    let since = (rest.clock().venue_time(rest.now()) - BEFORE).as_ms();
    let mut before = Some(rest.executions_since(since).await?);
    let mut reading = read(rest, 0, Some(since)).await?;
    for _ in 1..ROUNDS {
        if reading.executions == before {
            break;
        }
        before = reading.executions.take();
        reading = read(rest, 0, Some(since)).await?;
    }
    Ok(reading)
}

/// Where to read executions from, so that none is missed: the newest known one with some overlap.
pub fn since_ms(rest: &Rest, newest_ms: i64) -> i64 {
    let newest = if newest_ms > 0 { Ts::from_ms(newest_ms) } else { rest.clock().venue_time(rest.now()) - BEFORE };
    (newest - OVERLAP).as_ms()
}

/// Balance, positions and open orders; executions last, so that none of the positions' is missing.
pub async fn read(rest: &Rest, version: u64, since: Option<i64>) -> Result<Reading, RestError> {
    let began = rest.now();
    let balance = balance_of(&rest.wallet().await?);
    let positions = rest.positions().await?;
    let open = rest.open_orders().await?.good;
    let executions = match since {
        Some(since) => Some(rest.executions_since(since).await?),
        None => None,
    };
    Ok(Reading { began, version, balance, positions, open, executions })
}

/// The settlement coin's wallet balance; a coin of which there is nothing is left out by the venue.
fn balance_of(wallet: &WalletRow) -> Money {
    wallet.coins.iter().find(|coin| coin.coin == "USDT").map_or(Money::ZERO, |coin| coin.balance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_trade_is_named_and_one_that_can_withdraw_is_warned_about() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let key = KeyInfo {
            read_only: false,
            permissions: vec![
                ("ContractTrade".into(), words(&["Order", "Position"])),
                ("Wallet".into(), words(&["Withdraw"])),
            ],
            ips: words(&["10.0.0.1"]),
            expires: None,
            days_left: Some(3),
            unified: true,
            user_id: None,
            master: true,
        };
        let mut notes = Vec::new();
        assert_eq!(check_key(&key, &mut notes), None);
        assert!(notes.len() == 2 && notes[0].contains("WITHDRAW") && notes[1].contains("3 day"), "{notes:?}");
        let reads = KeyInfo { read_only: true, ..key.clone() };
        assert!(check_key(&reads, &mut notes).unwrap().contains("only read"));
        let spot = KeyInfo { permissions: vec![("Spot".into(), words(&["SpotTrade"]))], ..key };
        assert!(check_key(&spot, &mut notes).unwrap().contains("may not trade contracts"));
    }
}
