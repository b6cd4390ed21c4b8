//! What the next run starts from: balance, positions, baselines, latch, limits lowered by hand, released symbols and
//! intents whose end is not known.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Ledger, LedgerError, marker};
use crate::engine::account::Holding;
use crate::engine::effect::{
    ARMED_NO_MORE, ARMED_UNTIL, FLAT_PROVEN, NewOrder, OUTSIDE_SEEN, Protection, Purpose, TimeInForce,
};
use crate::engine::event::{Baselines, EarlierOrder};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::orders::OrderState;
use crate::engine::outside::seen_of;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::state::{Latch, LatchCause, LossTrip};
use crate::engine::time::Ts;

/// States after which nothing more is expected of an order. `market-ended` is written by the ledger itself.
pub(super) const ENDED: &str = "('filled', 'cancelled', 'rejected', 'unsent', 'market-ended')";

/// Cause of the row by which an account of the venue was first opened.
pub(super) const OPENED: &str = "opened";

/// Instruments whose last release row says released.
pub(super) const RELEASED: &str =
    "SELECT symbol FROM releases WHERE released AND id IN (SELECT max(id) FROM releases GROUP BY symbol)";

/// Instruments of whose position the person took the stop away.
pub(super) const WAIVED: &str =
    "SELECT symbol FROM waivers WHERE waived AND id IN (SELECT max(id) FROM waivers GROUP BY symbol)";

/// Instruments whose flatten is not over.
pub(super) const FLATTENING: &str =
    "SELECT symbol FROM flattens WHERE wanted AND id IN (SELECT max(id) FROM flattens GROUP BY symbol)";

/// Everything a run needs to know about the time before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Wallet balance; `None` for a new account.
    pub balance: Option<Money>,
    /// Open positions in instruments of this run.
    pub holdings: Vec<Holding>,
    /// Names of instruments with an open position that this run does not know. They must be shown, not forgotten.
    pub unknown_holdings: Vec<String>,
    /// Loss baselines; `None` for a new account.
    pub baselines: Option<Baselines>,
    /// A kill or trip that nobody has lifted, from the ledger or from the marker file.
    pub latch: Option<Latch>,
    /// When the whole account was last proven flat, where nothing has been opened, traded or killed since.
    pub flat_proven: Option<Ts>,
    /// Last value of each limit that was changed by hand, in 1e-9 of its unit. The tighter of this and the file binds.
    pub limits: Vec<(LimitKey, i64)>,
    /// Until when the last run was armed, where it was not disarmed, killed or tripped after it.
    pub armed_until: Option<Ts>,
    /// What of others outside the run a person has armed beside, by its name there, with how much of it.
    pub outside_seen: Vec<(String, Qty)>,
    /// Instruments whose positions belong to the person.
    pub released: Vec<Symbol>,
    /// Instruments whose stop at the venue the person cancelled.
    pub waived: Vec<Symbol>,
    /// Instruments whose flatten is not over.
    pub flattening: Vec<Symbol>,
    /// When the last run began, where it did not end in order: it crashed or was cut off.
    pub cut_off: Option<Ts>,
    /// When the account at the venue was first opened with this ledger.
    pub account_since: Option<Ts>,
    /// When an earlier run was last heard of: its end, or the last minute it wrote down.
    pub last_run: Option<Ts>,
    /// Executions that were booked lately, by instrument and id: around when an earlier run was last heard of.
    pub booked: Vec<(String, String)>,
    /// Intents of earlier runs whose order has not ended as far as the ledger knows.
    pub unresolved: Vec<UnresolvedIntent>,
    /// When opening orders were decided on in the 24 hours before the last one, oldest first.
    pub opened: Vec<Ts>,
    /// Those of them in this run's instruments, as the run takes them up: numbered from 1 in the order they were made.
    pub earlier: Vec<EarlierOrder>,
}

/// An order of an earlier run that may or may not be at the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresolvedIntent {
    /// Run that made it.
    pub run: String,
    /// Its number in that run.
    pub seq: u64,
    /// Order link id: how the venue knows it.
    pub link_id: String,
    /// Instrument by name.
    pub symbol: String,
    /// Last known state word.
    pub state: String,
}

impl Ledger {
    /// Reads what the run starts from and remembers the names behind this run's symbols.
    pub fn restore(&mut self, instruments: &[Instrument]) -> Result<Stored, LedgerError> {
        self.names = instruments.iter().map(|i| i.name.clone()).collect();
        let mut stored = Stored {
            balance: balance(&self.connection)?,
            baselines: baselines(&self.connection)?,
            limits: limits(&self.connection)?,
            unresolved: unresolved(&self.connection)?,
            booked: booked(&self.connection)?,
            opened: opened(&self.connection)?,
            last_run: last_run(&self.connection)?,
            account_since: account_since(&self.connection)?,
            cut_off: cut_off(&self.connection)?,
            flat_proven: flat_proven(&self.connection)?,
            latch: self.latch()?,
            armed_until: armed_until(&self.connection)?,
            outside_seen: outside_seen(&self.connection)?,
            ..Stored::default()
        };
        stored.earlier = self.take_up(&stored.unresolved)?;
        for (name, holding) in holdings(&self.connection)? {
            match self.symbol(&name) {
                Some(symbol) => stored.holdings.push(Holding { symbol, ..holding }),
                None => stored.unknown_holdings.push(name),
            }
        }
        stored.holdings.sort_by_key(|h| h.symbol);
        stored.released = self.symbols_of(RELEASED)?;
        stored.waived = self.symbols_of(WAIVED)?;
        stored.flattening = self.symbols_of(FLATTENING)?;
        Ok(stored)
    }

    /// The latch that holds now: of the stand-in, of the ledger, or of the marker beside it.
    pub fn latch(&self) -> Result<Option<Latch>, LedgerError> {
        if let Some(latch) = &self.stand_in {
            return Ok(Some(latch.clone()));
        }
        Ok(latch_that_holds(self.marker.as_deref().and_then(marker::read), latch(&self.connection)?))
    }

    /// Gives orders of earlier runs numbers of this run and remembers which they are.
    fn take_up(&mut self, unresolved: &[UnresolvedIntent]) -> Result<Vec<EarlierOrder>, LedgerError> {
        self.earlier.clear();
        let mut orders = Vec::new();
        for intent in unresolved {
            let Some(symbol) = self.symbol(&intent.symbol) else { continue };
            self.earlier.push((intent.run.clone(), intent.seq));
            let number = OrderSeq(self.earlier.len() as u64);
            orders.push(earlier_order(&self.connection, intent, number, symbol)?);
        }
        Ok(orders)
    }

    /// Instruments of this run that a query names.
    fn symbols_of(&self, sql: &str) -> Result<Vec<Symbol>, LedgerError> {
        let mut statement = self.connection.prepare(sql)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let mut symbols: Vec<Symbol> = names.iter().filter_map(|name| self.symbol(name)).collect();
        symbols.sort();
        Ok(symbols)
    }

    pub(super) fn symbol(&self, name: &str) -> Option<Symbol> {
        let index = self.names.iter().position(|n| n == name)?;
        u16::try_from(index).ok().map(Symbol)
    }
}

/// Of marker and ledger the latch that holds. A disk that failed took a kill to the marker only: it is more than an older
/// trip in the ledger. Where both are kills the first one's cause stays, with the time of the last.
pub fn latch_that_holds(marked: Option<Latch>, stored: Option<Latch>) -> Option<Latch> {
    match (marked, stored) {
        (Some(marked), Some(stored)) if marked.is_kill() && stored.is_kill() => {
            let at = marked.at.max(stored.at);
            let is_first = stored.at <= marked.at || marked.at == Ts(0);
            Some(Latch { cause: if is_first { stored.cause } else { marked.cause }, at })
        }
        (Some(marked), _) if marked.is_kill() => Some(marked),
        (marked, stored) => stored.or(marked),
    }
}

fn last_run(connection: &Connection) -> Result<Option<Ts>, LedgerError> {
    let sql = "SELECT max(at) FROM (SELECT max(ended) AS at FROM runs UNION ALL SELECT max(at) FROM baselines
                   UNION ALL SELECT max(at) FROM balances)";
    let at: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(at.map(Ts))
}

/// Ledgers of before that row began with the venue's first figure.
pub(super) fn account_since(connection: &Connection) -> Result<Option<Ts>, LedgerError> {
    let sql = "SELECT min(at) FROM balances WHERE cause IN (?1, 'venue')";
    let at: Option<i64> = connection.query_row(sql, [OPENED], |row| row.get(0))?;
    Ok(at.map(Ts))
}

fn opened(connection: &Connection) -> Result<Vec<Ts>, LedgerError> {
    let sql = "SELECT decided FROM intents WHERE NOT reduce_only
                   AND decided > (SELECT max(decided) FROM intents) - 86400000000000 ORDER BY decided";
    let mut statement = connection.prepare(sql)?;
    let times = statement.query_map([], |row| row.get(0).map(Ts))?;
    Ok(times.collect::<Result<_, _>>()?)
}

fn cut_off(connection: &Connection) -> Result<Option<Ts>, LedgerError> {
    let sql = "SELECT started, ended FROM runs ORDER BY started DESC, rowid DESC LIMIT 1";
    let row =
        connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))).optional()?;
    Ok(row.filter(|(_, ended)| ended.is_none()).map(|(started, _)| Ts(started)))
}

fn flat_proven(connection: &Connection) -> Result<Option<Ts>, LedgerError> {
    let sql = "SELECT max(at) FROM operators WHERE command = ?1
                   AND at >= coalesce((SELECT max(at) FROM intents WHERE NOT reduce_only), 0)
                   AND at >= coalesce((SELECT max(at) FROM fills), 0)
                   AND at >= coalesce((SELECT max(at) FROM latches WHERE kind = 'killed'), 0)";
    let at: Option<i64> = connection.query_row(sql, [FLAT_PROVEN], |row| row.get(0))?;
    Ok(at.map(Ts))
}

/// Only the last run counts: one that came up disarmed has ended what was before it.
fn armed_until(connection: &Connection) -> Result<Option<Ts>, LedgerError> {
    let sql = "SELECT command, outcome FROM operators WHERE command IN (?1, ?2)
                   AND run = (SELECT run FROM runs ORDER BY started DESC, rowid DESC LIMIT 1)
                   AND at >= coalesce((SELECT max(at) FROM latches), 0) ORDER BY id DESC LIMIT 1";
    let row = connection
        .query_row(sql, [ARMED_UNTIL, ARMED_NO_MORE], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    // A time that cannot be read is none: then nothing is resumed.
    Ok(row.filter(|(command, _)| command == ARMED_UNTIL).and_then(|(_, until)| until.parse().ok()).map(Ts))
}

/// Of whichever run: it holds for as long as nothing of it has changed.
fn outside_seen(connection: &Connection) -> Result<Vec<(String, Qty)>, LedgerError> {
    let sql = "SELECT outcome FROM operators WHERE command = ?1 ORDER BY id DESC LIMIT 1";
    let text: Option<String> = connection.query_row(sql, [OUTSIDE_SEEN], |row| row.get(0)).optional()?;
    Ok(text.map(|text| seen_of(&text)).unwrap_or_default())
}

/// How long before an earlier run was last heard of executions are of interest to the next one: more than it asks the
/// venue about, in nanoseconds.
const LATELY: i64 = 1_800_000_000_000;

fn booked(connection: &Connection) -> Result<Vec<(String, String)>, LedgerError> {
    let since = last_run(connection)?.map_or(i64::MAX, |last| last.0.saturating_sub(LATELY));
    let mut statement = connection.prepare(
        "SELECT symbol, exec_id FROM fills WHERE at >= ?1
         UNION ALL SELECT symbol, exec_id FROM funding WHERE at >= ?1 AND exec_id IS NOT NULL",
    )?;
    let rows = statement.query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Signed quantities are kept as signed decimals, like prices.
pub(super) fn signed(text: &str, place: &'static str) -> Result<i64, LedgerError> {
    Price::parse(text).map(Price::raw).map_err(LedgerError::number(place))
}

pub(super) fn money(text: &str, place: &'static str) -> Result<Money, LedgerError> {
    Money::parse(text).map_err(LedgerError::number(place))
}

pub(super) fn balance(connection: &Connection) -> Result<Option<Money>, LedgerError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT balance FROM balances ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    text.map(|t| money(&t, "balances.balance")).transpose()
}

/// One stored position by name; its symbol is filled in by the caller.
pub(super) fn holding(connection: &Connection, name: &str) -> Result<Option<Holding>, LedgerError> {
    let row = connection
        .prepare_cached("SELECT symbol, position, cost, opened, realised, fees FROM positions WHERE symbol = ?1")?
        .query_row([name], HoldingRow::read)
        .optional()?;
    row.map(|row| row.parse().map(|(_, holding)| holding)).transpose()
}

pub(super) fn holdings(connection: &Connection) -> Result<Vec<(String, Holding)>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT symbol, position, cost, opened, realised, fees FROM positions WHERE position <> '0' ORDER BY symbol",
    )?;
    let rows = statement.query_map([], HoldingRow::read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(HoldingRow::parse).collect()
}

struct HoldingRow {
    symbol: String,
    position: String,
    cost: String,
    opened: i64,
    realised: String,
    fees: String,
}

impl HoldingRow {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            symbol: row.get(0)?,
            position: row.get(1)?,
            cost: row.get(2)?,
            opened: row.get(3)?,
            realised: row.get(4)?,
            fees: row.get(5)?,
        })
    }
    fn parse(self) -> Result<(String, Holding), LedgerError> {
        let holding = Holding {
            symbol: Symbol(0),
            signed: signed(&self.position, "positions.position")?,
            cost: money(&self.cost, "positions.cost")?,
            opened: Ts(self.opened),
            realised: money(&self.realised, "positions.realised")?,
            fees: money(&self.fees, "positions.fees")?,
        };
        Ok((self.symbol, holding))
    }
}

fn baselines(connection: &Connection) -> Result<Option<Baselines>, LedgerError> {
    let row = connection
        .query_row("SELECT day_start, day_equity, high_water, day_loss_spent FROM baselines", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?))
        })
        .optional()?;
    let Some((day_start, day_equity, high_water, day_loss_spent)) = row else { return Ok(None) };
    let mut statement = connection.prepare("SELECT at, equity FROM baseline_minutes ORDER BY at")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut minutes = Vec::new();
    for row in rows {
        let (at, equity) = row?;
        minutes.push((Ts(at), money(&equity, "baseline_minutes.equity")?));
    }
    Ok(Some(Baselines {
        day_start: Ts(day_start),
        day_equity: money(&day_equity, "baselines.day_equity")?,
        high_water: money(&high_water, "baselines.high_water")?,
        minutes,
        day_loss_spent,
    }))
}

pub(super) fn latch(connection: &Connection) -> Result<Option<Latch>, LedgerError> {
    let row = connection
        .query_row("SELECT at, kind, why, measured, allowed FROM latches ORDER BY id DESC LIMIT 1", [], |row| {
            let texts: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((row.get::<_, i64>(0)?, texts))
        })
        .optional()?;
    let Some((at, [kind, why, measured, allowed])) = row else { return Ok(None) };
    let cause = match kind.as_str() {
        "lifted" => return Ok(None),
        "killed" => LatchCause::Killed(why),
        "loss" => LatchCause::Loss(LossTrip { limit: why, measured, allowed }),
        "fault" => LatchCause::Fault(why),
        other => LatchCause::Killed(format!("the ledger holds a latch of unknown kind `{other}`")),
    };
    Ok(Some(Latch { cause, at: Ts(at) }))
}

fn limits(connection: &Connection) -> Result<Vec<(LimitKey, i64)>, LedgerError> {
    let mut statement =
        connection.prepare("SELECT key, new FROM limits WHERE id IN (SELECT max(id) FROM limits GROUP BY key)")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (key, value) = row?;
        let key = LimitKey::by_name(&key).ok_or_else(|| LedgerError::content("limits.key", &key, "limit"))?;
        found.push((key, signed(&value, "limits.new")?));
    }
    found.sort_by_key(|(key, _)| *key);
    Ok(found)
}

pub(super) fn unresolved(connection: &Connection) -> Result<Vec<UnresolvedIntent>, LedgerError> {
    let mut statement = connection.prepare(&format!(
        "SELECT i.run, i.seq, i.link_id, i.symbol, o.state FROM intents i JOIN orders o USING (run, seq)
         WHERE o.state NOT IN {ENDED} ORDER BY i.at, i.seq"
    ))?;
    let rows = statement.query_map([], |row| {
        Ok(UnresolvedIntent {
            run: row.get(0)?,
            seq: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            link_id: row.get(2)?,
            symbol: row.get(3)?,
            state: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One order as its intent, its state and its executions say.
fn earlier_order(
    connection: &Connection,
    intent: &UnresolvedIntent,
    number: OrderSeq,
    symbol: Symbol,
) -> Result<EarlierOrder, LedgerError> {
    let seq = i64::try_from(intent.seq).unwrap_or(i64::MAX);
    let sql = "SELECT side, qty, price, tif, purpose, reduce_only, decided, stop, take_profit FROM intents
               WHERE run = ?1 AND seq = ?2";
    let (texts, reduce_only, decided, levels) =
        connection.prepare_cached(sql)?.query_row(params![intent.run, seq], |row| {
            let texts: [String; 5] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            let levels: [Option<String>; 2] = [row.get(7)?, row.get(8)?];
            Ok((texts, row.get::<_, bool>(5)?, row.get::<_, i64>(6)?, levels))
        })?;
    let [side, qty, price, tif, purpose] = &texts;
    let [stop, take_profit] = &levels;
    let level = |text: &Option<String>| {
        text.as_deref().map(Price::parse).transpose().map_err(LedgerError::number("intents.stop"))
    };
    let word = |place, value: &str| LedgerError::content(place, value, "word of ours");
    let order = NewOrder {
        seq: number,
        symbol,
        side: by_word(&[Side::Buy, Side::Sell], Side::word, side).ok_or_else(|| word("intents.side", side))?,
        qty: Qty::parse(qty).map_err(LedgerError::number("intents.qty"))?,
        price: Price::parse(price).map_err(LedgerError::number("intents.price"))?,
        tif: by_word(&TimeInForce::ALL, TimeInForce::word, tif).ok_or_else(|| word("intents.tif", tif))?,
        reduce_only,
        purpose: by_word(&Purpose::ALL, Purpose::word, purpose).ok_or_else(|| word("intents.purpose", purpose))?,
        protection: Protection { stop: level(stop)?, take_profit: level(take_profit)? },
        decided: Ts(decided),
    };
    let mut statement = connection.prepare_cached("SELECT exec_id, qty FROM fills WHERE run = ?1 AND seq = ?2")?;
    let rows = statement.query_map(params![intent.run, seq], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let (mut execs, mut filled) = (Vec::new(), Qty::ZERO);
    for row in rows {
        let (exec, qty): (String, String) = row?;
        filled += Qty::parse(&qty).map_err(LedgerError::number("fills.qty"))?;
        execs.push(exec);
    }
    let seen = !execs.is_empty() || intent.state == OrderState::Live.word();
    Ok(EarlierOrder { order, link_id: intent.link_id.clone(), seen, filled, execs })
}

fn by_word<T: Copy>(all: &[T], word: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| word(*one) == text)
}
