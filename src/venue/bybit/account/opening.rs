//! The first look at an account: may the key trade, what is held, what rests from earlier runs.

use std::collections::BTreeSet;

use super::Claim;
use super::desk::{CLOCK_WRONG, Reading, Settled};
use super::explain::{is_explained, misses_a_fill};
use super::jobs::Moment;
use super::requests::{Api, look_up};
use crate::engine::event::{EarlierOrder, Restored};
use crate::engine::ids::{Account, RunId, Symbol};
use crate::engine::num::Money;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::rest::account::{AccountInfo, KeyInfo, MarginMode};
use crate::venue::bybit::parse::rows::{OrderRow, PositionRow, WalletRow};
use crate::venue::bybit::parse::{Odd, Rows};
use crate::venue::bybit::rest::RestError;

/// Executions are read from this long before an earlier run was last heard of, or before the opening.
const BEFORE: Span = Span::from_secs(600);
/// Executions are read again from this long before the last whole reading began: the venue's list lags.
const OVERLAP: Span = Span::from_secs(60);
/// One reading covers at most seven days of executions (contract 8.7), less some room.
const LISTED_FOR: Span = Span::from_secs(7 * 86_400 - 600);
/// Rounds of cancelling what earlier runs left, of reading until nothing moves, and of waiting for what lists do not show yet.
const ROUNDS: usize = 10;
const ROUND_PAUSE: Span = Span::from_ms(400);
/// The same rounds and ten seconds more where a fill of ours is missing; one that comes even later is booked then.
const FILL_ROUNDS: usize = ROUNDS + 5;
const FILL_PAUSE: Span = Span::from_secs(2);

/// The account as it was found.
#[derive(Debug)]
pub struct Opened {
    /// What it holds.
    pub reading: Reading,
    /// Orders of earlier runs, as asking about them found them.
    pub earlier: Vec<Settled>,
    /// What key and account allow.
    pub standing: Standing,
}

/// What key and account allow, besides what is in the account.
#[derive(Debug, Default)]
pub struct Standing {
    /// Whose account it is, by the venue's number.
    pub user: Option<i64>,
    /// What the person should know.
    pub notes: Vec<String>,
    /// What of it is about the key.
    pub key_notes: Vec<String>,
    /// May the key take money out?
    pub may_withdraw: bool,
    /// Why the key cannot trade, if so.
    pub cannot_trade: Option<String>,
    /// Why nothing may open in an account of this kind, if so.
    pub wrong_kind: Option<String>,
}

/// What the ledger knows of the time before a run.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Orders whose end is not known: asked about before anything else.
    pub orders: Vec<EarlierOrder>,
    /// Executions that were booked lately, by instrument and id.
    pub booked: Vec<(String, String)>,
    /// Positions, signed, in raw units of quantity.
    pub held: Vec<(Symbol, i64)>,
    /// When an earlier run was last heard of, local time.
    pub heard: Option<Ts>,
    /// When the ledger first opened the account, local time: nothing before is ours.
    pub since: Option<Ts>,
}

impl Before {
    /// What a run starts from, when an earlier one was last heard of with what was booked around then, and since when the ledger
    /// knows the account.
    pub fn of(restored: &Restored, (heard, booked): (Option<Ts>, Vec<(String, String)>), since: Option<Ts>) -> Self {
        let held = restored.holdings.iter().map(|held| (held.symbol, held.signed)).collect();
        Self { orders: restored.earlier.clone(), booked, held, heard, since }
    }
}

/// How ids of our orders begin ([`crate::engine::ids::order_link_id`]).
#[derive(Clone, Debug)]
pub struct Names {
    ours: String,
    this_run: String,
    real: bool,
}

impl Names {
    /// Of this account and run.
    pub fn new(account: Account, run: &RunId) -> Self {
        let ours = format!("t{}-", account.letter());
        Self { this_run: format!("{ours}{run}-"), ours, real: account == Account::Live }
    }
    /// Is it real money?
    pub const fn are_real(&self) -> bool {
        self.real
    }
    /// Is it the id of an order of ours, of whichever run?
    pub fn is_ours(&self, link_id: &str) -> bool {
        link_id.starts_with(&self.ours)
    }
    fn are_ours(&self, row: &OrderRow) -> bool {
        row.link_id.as_deref().is_some_and(|link| self.is_ours(link))
    }
    /// Is it an order of ours of another run?
    pub fn are_earlier(&self, row: &OrderRow) -> bool {
        self.are_ours(row) && !row.link_id.as_deref().is_some_and(|link| link.starts_with(&self.this_run))
    }
}

/// What a reading is to read.
#[derive(Clone, Debug)]
pub struct Scope {
    /// [`super::desk::Desk::version`] now.
    pub version: u64,
    /// Executions from here, ms on the venue's clock.
    pub since_ms: i64,
    /// While the balance is this, executions may be left out.
    pub unchanged: Option<Money>,
    /// Instruments whose flat rows are wanted too: they tell the position mode.
    pub watched: Vec<String>,
    /// Ours and others'.
    pub names: Names,
}

/// Reads everything and cancels what earlier runs of this account left resting.
pub async fn open(rest: &impl Api, scope: &Scope, before: &Before, claim: &Claim) -> Result<Opened, RestError> {
    let symbols = &scope.watched;
    rest.sync_clock().await?;
    let mut standing = standing(rest).await?;
    standing.user.map_or(Ok(()), |user| claim.take(user)).map_err(RestError::Taken)?;
    cancel_earlier(rest, &scope.names, &mut standing.notes).await?;
    // After the cancels, so that what can end has ended; before the reading, which then holds nothing that was not asked for.
    let mut earlier = settle(rest, symbols, &before.orders).await;
    let mut reading = read_still(rest, scope).await?;
    for round in 1..FILL_ROUNDS {
        let patient = round < ROUNDS || misses_a_fill(before, symbols, &earlier, &reading);
        if !patient || is_explained(before, symbols, &earlier, &reading) {
            break;
        }
        rest.pause(if round < ROUNDS { ROUND_PAUSE } else { FILL_PAUSE }).await;
        earlier = settle(rest, symbols, &before.orders).await;
        reading = read_still(rest, scope).await?;
    }
    Ok(Opened { reading, earlier, standing })
}

/// Reads what key and account allow. Nothing is changed: that is `doctor --fix`, which asks.
pub async fn standing(rest: &impl Api) -> Result<Standing, RestError> {
    let mut standing = Standing::default();
    let key = rest.key_info().await?;
    standing.user = key.user_id;
    standing.may_withdraw = key.may_withdraw();
    standing.cannot_trade = check_key(&key, &mut standing.key_notes);
    standing.notes.clone_from(&standing.key_notes);
    if let Ok(info) = rest.account_info().await {
        check_margin(&info, &mut standing);
    }
    // Not offered everywhere. Orders are kept inside the band here, and the price that is echoed is compared.
    if rest.user_settings().await.is_ok_and(|settings| settings.refuses_outside_band == Some(false)) {
        standing.notes.push(
            "the exchange moves prices outside its band to the edge instead of refusing them: `tickdeck doctor --fix` \
             changes that"
                .into(),
        );
    }
    Ok(standing)
}

/// What the key may do: a key that cannot trade holds, one that could withdraw is warned about.
pub fn check_key(key: &KeyInfo, notes: &mut Vec<String>) -> Option<String> {
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

/// Kinds of account that change what the numbers mean; one of them is not traded.
fn check_margin(info: &AccountInfo, standing: &mut Standing) {
    match info.margin_mode {
        MarginMode::Portfolio => {
            standing.wrong_kind = Some(
                "the account is in portfolio margin: its margin and liquidation are reckoned in a way that tickdeck does \
                 not know; switch to cross margin at Bybit, exits go on meanwhile"
                    .into(),
            );
        }
        MarginMode::Isolated => {
            standing.notes.push("the account is in isolated margin: each position has margin of its own".into());
        }
        MarginMode::Cross | MarginMode::Unknown => {}
    }
}

/// Orders of ours from earlier runs end.
async fn cancel_earlier(rest: &impl Api, names: &Names, notes: &mut Vec<String>) -> Result<(), RestError> {
    let mut cancelled = BTreeSet::new();
    let mut open = rest.open_orders().await?.good;
    for _ in 0..ROUNDS {
        let left: Vec<&OrderRow> = open.iter().filter(|row| names.are_earlier(row)).collect();
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
        rest.pause(ROUND_PAUSE).await;
        open = rest.open_orders().await?.good;
    }
    if !cancelled.is_empty() {
        notes.push(format!("{} resting order(s) of an earlier run were cancelled", cancelled.len()));
    }
    let left = open.iter().filter(|row| names.are_earlier(row)).count();
    if left > 0 {
        notes.push(format!("{left} order(s) of an earlier run could not be cancelled: cancel them at the exchange"));
    }
    Ok(())
}

/// Asks what became of orders that an earlier run made: executed, ended, never there - or still not known.
async fn settle(rest: &impl Api, symbols: &[String], earlier: &[EarlierOrder]) -> Vec<Settled> {
    let mut settled = Vec::new();
    for old in earlier {
        let Some(symbol) = symbols.get(old.order.symbol.index()) else { continue };
        let (executions, found) = look_up(rest, symbol, &old.link_id).await;
        settled.push(Settled { order: old.order.seq, executions, found });
    }
    settled
}

/// Reads until nothing came in between, neither an execution nor, where the list of executions lags, a position that only the
/// later of the two lists of positions shows: then all of it belongs together.
async fn read_still(rest: &impl Api, scope: &Scope) -> Result<Reading, RestError> {
    let mut before = Some(rest.executions_since(scope.since_ms).await?.good);
    let mut reading = read(rest, scope).await?;
    for _ in 1..ROUNDS {
        if reading.executions == before && is_of_one_moment(&reading) {
            break;
        }
        before = reading.executions.take();
        reading = read(rest, scope).await?;
    }
    let listed = before.into_iter().flatten();
    reading.listed = listed.map(|row| (row.symbol, row.exec_id)).collect();
    Ok(reading)
}

/// Do the list of what is held and the rows of each instrument, which are read after it, show the same positions?
fn is_of_one_moment(reading: &Reading) -> bool {
    let same = |a: &PositionRow, b: &PositionRow| a.symbol == b.symbol && a.side == b.side && a.size == b.size;
    let open = |row: &&PositionRow| !row.size.is_zero();
    let of_the_run = |row: &&PositionRow| reading.modes.iter().any(|mode| mode.symbol == row.symbol);
    let listed = |row: &PositionRow| reading.positions.iter().any(|other| same(row, other));
    let shown = |row: &PositionRow| reading.modes.iter().any(|other| same(row, other));
    reading.modes.iter().filter(open).all(listed) && reading.positions.iter().filter(open).filter(of_the_run).all(shown)
}

/// Where the opening reads executions from: what an earlier run did last may have been heard of by nobody.
pub fn first_ms(at: &Moment, before: &Before) -> i64 {
    let from = before.heard.unwrap_or(at.now).min(at.venue) - BEFORE;
    // By the clock of that run, which may have been ahead of the venue's.
    let since = before.since.unwrap_or(Ts(0)).min(at.venue) - CLOCK_WRONG;
    from.max(at.venue - LISTED_FOR).max(since).as_ms()
}

/// Where to read executions from, so that none is missed: `read_to` is when the last whole reading began, both on the
/// venue's clock. What was pushed since says nothing about what was not.
pub fn since_ms(now: Ts, read_to: Ts) -> i64 {
    (read_to - OVERLAP).max(now - LISTED_FOR).as_ms()
}

/// Balance, positions and open orders; executions last, so that none of the positions' is missing.
pub async fn read(rest: &impl Api, scope: &Scope) -> Result<Reading, RestError> {
    let began = rest.now();
    let began_at = rest.venue_time(began);
    let balance = balance_of(&rest.wallet().await?);
    let Rows { good: positions, mut odd } = rest.positions().await?;
    let modes = modes_of(rest, &scope.watched, &mut odd).await?;
    let orders = rest.open_orders().await?;
    let executions = if scope.unchanged == Some(balance) {
        None
    } else {
        let rows = rest.executions_since(scope.since_ms).await?;
        odd.extend(rows.odd);
        Some(rows.good)
    };
    // Nobody knows whose it is: the account is not known then.
    if let Some(odd) = odd.iter().find(|odd| odd.symbol.is_none()) {
        return Err(RestError::Odd(odd.clone()));
    }
    let foreign = orders.good.iter().filter(|row| row.status.is_open() && !scope.names.are_ours(row));
    // What protects a position is nobody's order.
    let foreign = foreign.filter(|row| row.protects().is_none()).count();
    let foreign_orders = u16::try_from(foreign + orders.odd.len()).unwrap_or(u16::MAX);
    let (version, open) = (scope.version, orders.good);
    let listed = BTreeSet::new();
    Ok(Reading { began, began_at, version, balance, positions, modes, odd, open, foreign_orders, executions, listed })
}

/// A parameter is wrong (contract 4): of a request that names nothing but an instrument, the instrument.
const NO_SUCH_SYMBOL: i64 = 10_001;

/// Every row of some instruments.
async fn modes_of(rest: &impl Api, symbols: &[String], odd: &mut Vec<Odd>) -> Result<Vec<PositionRow>, RestError> {
    let mut modes = Vec::new();
    for symbol in symbols {
        match rest.positions_of(symbol).await {
            Ok(rows) => modes.extend(rows),
            Err(RestError::Odd(unread)) => odd.push(Odd { symbol: Some(symbol.clone()), ..unread }),
            // One name that the venue does not know keeps no other from being read; the market says that it is none.
            Err(RestError::Refused { code: NO_SUCH_SYMBOL, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(modes)
}

/// The settlement coin's wallet balance; a coin of which there is nothing is left out by the venue.
fn balance_of(wallet: &WalletRow) -> Money {
    wallet.coins.iter().find(|coin| coin.coin == "USDT").map_or(Money::ZERO, |coin| coin.balance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_before_the_last_whole_reading_on() {
        let now = Ts::from_ms(2_000_000_000_000);
        let an_hour_ago = now - Span::from_secs(3_600);
        assert_eq!(since_ms(now, an_hour_ago), (an_hour_ago - Span::from_secs(60)).as_ms());
        assert_eq!(since_ms(now, Ts(0)), (now - Span::from_secs(7 * 86_400 - 600)).as_ms());
    }

    #[test]
    fn an_opening_reads_nothing_of_before_the_ledger_began() {
        let now = Ts::from_ms(2_000_000_000_000);
        let at = Moment { now, venue: now, banned: None };
        let ago = |seconds| now - Span::from_secs(seconds);
        let before = |heard, since| Before { heard, since, ..Before::default() };
        assert_eq!(first_ms(&at, &before(None, None)), ago(600).as_ms());
        assert_eq!(first_ms(&at, &before(Some(ago(60)), Some(ago(300)))), ago(310).as_ms());
        assert_eq!(first_ms(&at, &before(Some(ago(60)), Some(ago(9_000)))), ago(660).as_ms());
    }

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
