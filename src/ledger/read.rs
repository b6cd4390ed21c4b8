//! Reading a ledger for a person or a script, also while an engine writes it: orders, fills, positions, PnL, export.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};

use super::restore::{OPENED, UnresolvedIntent, money};
use super::schema::{APPLICATION_ID, SCHEMA};
use super::{Cell, Head, LedgerError, Sheet, Verdict};
use crate::engine::num::{Money, Qty};
use crate::engine::orders::OrderState;
use crate::engine::risk::state::Latch;
use crate::engine::time::Ts;

/// Tables that `export` writes, in the order written.
const EXPORTED: &[&str] = &[
    "runs",
    "instruments",
    "intents",
    "orders",
    "fills",
    "funding",
    "settlements",
    "positions",
    "balances",
    "baselines",
    "limits",
    "latches",
    "releases",
    "operators",
    "residuals",
    "waivers",
    "shadows",
    "baseline_minutes",
    "states",
    "meta",
    "audit",
];

/// Columns that hold times, in every table.
const TIMES: &[&str] = &["at", "decided", "updated", "started", "ended", "opened", "day_start", "executed"];

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only this instrument.
    pub symbol: Option<String>,
    /// Only this run.
    pub run: Option<String>,
    /// Nothing older.
    pub since: Ts,
    /// Nothing at or after this.
    pub until: Ts,
    /// At most this many rows, the newest.
    pub rows_max: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self { symbol: None, run: None, since: Ts(0), until: Ts(i64::MAX), rows_max: 100 }
    }
}

/// What PnL is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum PnlBy {
    /// One line per instrument.
    #[default]
    Symbol,
    /// One line per UTC day.
    Day,
    /// One line per UTC day and instrument.
    DaySymbol,
    /// One line per run.
    Run,
}

/// A ledger opened for reading only.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    env: String,
    schema: i64,
    /// The latch in the marker file, which counts like one in the ledger.
    marked: Option<Latch>,
}

impl Reader {
    /// Opens a ledger without changing it and without its lock.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let damaged = |why: String| LedgerError::Unreadable { path: path.to_owned(), why };
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|e| LedgerError::Unopenable { path: path.to_owned(), why: e.to_string() })?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if pragma("application_id").map_err(|e| super::open::unreadable(path, &e))? != APPLICATION_ID {
            return Err(damaged("it is not a ledger of tickdeck".to_owned()));
        }
        let found = pragma("user_version")?;
        if found > SCHEMA {
            return Err(LedgerError::Newer { path: path.to_owned(), found, known: SCHEMA });
        }
        let env = connection.query_row("SELECT value FROM meta WHERE key = 'env'", [], |row| row.get(0))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let marked = super::marker::read(&path.with_file_name(format!("latched.{stem}")));
        Ok(Self { connection, env, schema: found, marked })
    }

    /// Whose money this is: `simulated/paper`.
    pub fn env(&self) -> &str {
        &self.env
    }

    /// The latch that holds now: of the ledger or of the marker beside it.
    pub fn latch(&self) -> Result<Option<Latch>, LedgerError> {
        Ok(super::restore::latch_that_holds(self.marked.clone(), super::restore::latch(&self.connection)?))
    }

    /// Orders with their state, newest first.
    pub fn orders(&self, filter: &Filter) -> Result<Sheet, LedgerError> {
        let columns = ["at", "link_id", "symbol", "side", "qty", "price", "purpose", "state", "filled", "reason"];
        let sql = "SELECT i.at, i.link_id, i.symbol, i.side, i.qty, i.price, i.purpose, o.state, o.filled, o.reason
                   FROM intents i JOIN orders o USING (run, seq)
                   WHERE (?1 IS NULL OR i.symbol = ?1) AND (?2 IS NULL OR i.run = ?2) AND i.at >= ?3 AND i.at < ?4
                   ORDER BY i.at DESC, i.seq DESC LIMIT ?5";
        self.rows(&columns, sql, filter)
    }

    /// Executions with the venue's time of each, where it has one of its own; those booked last first.
    pub fn fills(&self, filter: &Filter) -> Result<Sheet, LedgerError> {
        let columns = [
            "at", "symbol", "side", "qty", "price", "fee", "role", "kind", "realised", "position", "balance", "exec_id",
        ];
        let kind = if self.schema > 1 { "kind" } else { "'trade'" };
        let when = self.when();
        let sql = format!(
            "SELECT {when} AS at, symbol, side, qty, price, fee, CASE maker WHEN 0 THEN 'taker' ELSE 'maker' END, {kind}, realised,
                       position, balance, exec_id
                   FROM fills WHERE (?1 IS NULL OR symbol = ?1) AND (?2 IS NULL OR run = ?2)
                       AND {when} >= ?3 AND {when} < ?4
                   ORDER BY id DESC LIMIT ?5"
        );
        self.rows(&columns, &sql, filter)
    }

    /// When an execution happened: by the venue's clock where it said so, else when it was heard of.
    const fn when(&self) -> &'static str {
        if self.schema >= 4 { "coalesce(executed, at)" } else { "at" }
    }

    /// Names of the instruments with an open position.
    pub fn held(&self) -> Result<Vec<String>, LedgerError> {
        Ok(super::restore::holdings(&self.connection)?.into_iter().map(|(name, _)| name).collect())
    }

    /// Names of the instruments in which a position is ours, or may be: what the ledger holds and what orders whose end it
    /// does not know may have made, without what was released to the person.
    pub fn ours(&self) -> Result<std::collections::BTreeSet<String>, LedgerError> {
        let mut ours: std::collections::BTreeSet<String> = self.held()?.into_iter().collect();
        ours.extend(super::restore::unresolved(&self.connection)?.into_iter().map(|intent| intent.symbol));
        for name in self.released()? {
            ours.remove(&name);
        }
        Ok(ours)
    }

    /// Names of the instruments whose positions belong to the person.
    fn released(&self) -> Result<std::collections::BTreeSet<String>, LedgerError> {
        let mut statement = self.connection.prepare(super::restore::RELEASED)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Names of the instruments with an order whose end is not known.
    pub fn unsettled(&self) -> Result<Vec<String>, LedgerError> {
        Ok(super::restore::unresolved(&self.connection)?.into_iter().map(|intent| intent.symbol).collect())
    }

    /// Open positions, of one instrument or of all, and whose each is: `tickdeck` or `yours`. Market prices are not in the ledger,
    /// so there is no unrealised PnL here.
    pub fn positions(&self, only: Option<&str>) -> Result<Sheet, LedgerError> {
        let mut sheet = Sheet::new(["symbol", "position", "entry", "cost", "realised", "fees", "opened", "whose"]);
        let released = self.released()?;
        let holdings = super::restore::holdings(&self.connection)?;
        for (symbol, held) in holdings.into_iter().filter(|(symbol, _)| only.is_none_or(|only| only == symbol)) {
            let whose = if released.contains(&symbol) { "yours" } else { "tickdeck" };
            sheet.push(vec![
                Cell::text(symbol),
                Cell::decimal(crate::engine::risk::limits::show(held.signed)),
                held.entry_price().map_or(Cell::Nothing, Cell::decimal),
                Cell::decimal(held.cost),
                Cell::decimal(held.realised),
                Cell::decimal(held.fees),
                Cell::text(held.opened.to_string()),
                Cell::text(whose),
            ]);
        }
        Ok(sheet)
    }

    /// What the ledger says about the account: latch, balance, open positions, last run. `running`: an engine holds it.
    pub fn status(&self, running: bool) -> Result<Sheet, LedgerError> {
        let mut sheet = Sheet::new(["fact", "value"]);
        let released = self.released()?;
        let mut fact = |name: &str, value: String| sheet.push(vec![Cell::text(name), Cell::Text(value)]);
        fact("market and account", self.env.clone());
        fact("latch", self.latch()?.map_or("none".to_owned(), |latch| format!("{} since {}", latch.cause, latch.at)));
        let balance = super::restore::balance(&self.connection)?;
        fact("balance", balance.map_or("unknown".to_owned(), |balance| balance.to_string()));
        for (symbol, held) in super::restore::holdings(&self.connection)? {
            let size = crate::engine::risk::limits::show(held.signed);
            let yours = if released.contains(&symbol) { ", yours" } else { "" };
            fact("position", format!("{symbol} {size}, cost {}, opened {}{yours}", held.cost, held.opened));
        }
        let unresolved = super::restore::unresolved(&self.connection)?;
        // What no engine follows any more is asked about by the next one.
        let in_doubt = |order: &&UnresolvedIntent| !running || order.state == OrderState::Unknown.word();
        let unknown: Vec<_> = unresolved.iter().filter(in_doubt).collect();
        fact("orders of unknown outcome", unknown.len().to_string());
        for order in unknown {
            fact("order of unknown outcome", format!("{} {}", order.symbol, order.link_id));
        }
        let sql = "SELECT run, started, ended, outcome, version FROM runs ORDER BY started DESC LIMIT 1";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            fact("last run", row.get(0)?);
            fact("started", Ts(row.get(1)?).to_string());
            let ended = row.get::<_, Option<i64>>(2)?.map(|at| Ts(at).to_string());
            let cut_off = if running { "not yet: it runs" } else { "not in order: it crashed or was cut off" };
            fact("ended", ended.unwrap_or_else(|| cut_off.to_owned()));
            fact("outcome", row.get::<_, Option<String>>(3)?.unwrap_or_default());
            fact("version", row.get(4)?);
        }
        Ok(sheet)
    }

    /// Realised PnL, fees and funding, exactly summed, with a total; of an account of the venue also what its own log has
    /// more. Settlements of an ended market are counted.
    pub fn pnl(&self, filter: &Filter, by: PnlBy) -> Result<Sheet, LedgerError> {
        let name = match by {
            PnlBy::Symbol => "symbol",
            PnlBy::Day | PnlBy::DaySymbol => "day",
            PnlBy::Run => "run",
        };
        let second = (by == PnlBy::DaySymbol).then_some("symbol");
        let figures = ["fills", "volume", "realised", "fees", "funding", "net"];
        let mut sheet = Sheet::new([name].into_iter().chain(second).chain(figures));
        let mut total = Sum::default();
        let (sums, theirs) = self.sums(filter, by)?;
        for ((key, symbol), sum) in &sums {
            total.add(sum);
            sheet.push(sum.row(key, second.map(|_| symbol.as_str())));
        }
        if let Some(theirs) = theirs {
            total.add(&theirs);
            sheet.push(theirs.row("(yours: traded by you or others)", second.map(|_| "")));
        }
        let taken_over = self.taken_over(filter)?;
        if taken_over != Money::ZERO {
            let outside = Sum { outside: taken_over, ..Sum::default() };
            total.add(&outside);
            sheet.push(outside.row("(taken over from the venue)", second.map(|_| "")));
        }
        sheet.push(total.row("total", second.map(|_| "")));
        if filter.symbol.is_none() && !self.env.ends_with("/paper") {
            sheet.push(self.residual(filter, taken_over, second.is_some())?);
            for row in self.beside_paper(filter, second.is_some())? {
                sheet.push(row);
            }
        }
        Ok(sheet)
    }

    /// What the paper venue made of the same orders, of the run asked for or the newest: its orders and its net, and how far
    /// the two differ. Nothing where no order left in it.
    fn beside_paper(&self, filter: &Filter, two_keys: bool) -> Result<Vec<Vec<Cell>>, LedgerError> {
        if self.schema < 4 {
            return Ok(Vec::new());
        }
        let sql = "SELECT orders, paper_pnl, worse_bps, filled_here, filled_paper FROM shadows
                WHERE orders > 0 AND run = coalesce(?1, (SELECT run FROM runs ORDER BY started DESC LIMIT 1))";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([&filter.run])?;
        let Some(row) = rows.next()? else { return Ok(Vec::new()) };
        let figure = |index: usize| row.get::<_, Option<String>>(index).map(|text| text.unwrap_or("?".to_owned()));
        let apart = format!("venue worse by {} bp, filled {} of 1, on paper {}", figure(2)?, figure(3)?, figure(4)?);
        let paper = money(&row.get::<_, String>(1)?, "shadows.paper_pnl")?;
        let line = |key: &str, count: Cell, net: Cell| {
            let keys = [Cell::text(key)].into_iter().chain(two_keys.then(|| Cell::text("")));
            keys.chain([count]).chain((0..4).map(|_| Cell::Nothing)).chain([net]).collect()
        };
        Ok(vec![
            line("paper beside it (orders)", Cell::Count(row.get(0)?), Cell::decimal(paper)),
            line(&apart, Cell::Nothing, Cell::Nothing),
        ])
    }

    /// What the venue's own log had more than our books, of the run asked for or the newest, when they were last compared; its
    /// net is what the balance changed by without an explanation, where anything was taken over.
    fn residual(&self, filter: &Filter, taken_over: Money, two_keys: bool) -> Result<Vec<Cell>, LedgerError> {
        let mut found = None;
        if self.schema >= 3 {
            let sql = "SELECT realised, fees, funding FROM residuals WHERE run = coalesce(?1,
                    (SELECT run FROM runs ORDER BY started DESC LIMIT 1)) ORDER BY id DESC LIMIT 1";
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([&filter.run])?;
            if let Some(row) = rows.next()? {
                let text = |index: usize| row.get::<_, Option<String>>(index);
                if let (Some(realised), Some(fees), Some(funding)) = (text(0)?, text(1)?, text(2)?) {
                    let part = |text: &str| money(text, "residuals");
                    found = Some((part(&realised)?, part(&fees)?, part(&funding)?));
                }
            }
        }
        let [parts @ .., net] = match found {
            Some((realised, fees, funding)) => [realised, fees, funding, realised - fees + funding].map(Cell::decimal),
            None => [(); 4].map(|()| Cell::text("unknown")),
        };
        let net = if taken_over == Money::ZERO { net } else { Cell::decimal(taken_over) };
        let figures = parts.into_iter().chain([net]);
        let keys = [Cell::text("residual")].into_iter().chain(two_keys.then(|| Cell::text("")));
        Ok(keys.chain([Cell::Nothing, Cell::Nothing]).chain(figures).collect())
    }

    /// What the venue's balance changed by that no fill, fee or funding of ours explains: transfers, and its rounding. The
    /// account begins with its opening, which is no change (in older ledgers its first statement). A balance belongs to no
    /// instrument.
    fn taken_over(&self, filter: &Filter) -> Result<Money, LedgerError> {
        if filter.symbol.is_some() {
            return Ok(Money::ZERO);
        }
        let sql = "SELECT change FROM balances
            WHERE cause = 'venue' AND (?1 IS NULL OR run = ?1) AND at >= ?2 AND at < ?3
                AND id > coalesce((SELECT MIN(id) FROM balances WHERE cause = ?4),
                    (SELECT MIN(id) FROM balances WHERE cause = 'venue'))";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(params![filter.run, filter.since.0, filter.until.0, OPENED])?;
        let mut sum = Money::ZERO;
        while let Some(row) = rows.next()? {
            sum += money(&row.get::<_, String>(0)?, "balances.change")?;
        }
        Ok(sum)
    }

    /// Our sums by line, and that of what the person and others traded, where they did.
    fn sums(&self, filter: &Filter, by: PnlBy) -> Result<(Lines, Option<Sum>), LedgerError> {
        let when = self.when();
        let (fills, funding) = match self.schema {
            1 => ("0", "0"),
            2 | 3 => ("kind = 'outside'", "0"),
            _ => ("kind = 'outside' OR theirs IS NOT NULL", "theirs IS NOT NULL"),
        };
        let sql = format!(
            "SELECT what, at, symbol, run, price, qty, realised, fee, funding, theirs FROM (
                SELECT 'fill' AS what, {when} AS at, symbol, run, price, qty, realised, fee, '0' AS funding,
                    ({fills}) AS theirs FROM fills
                UNION ALL SELECT 'funding', {when}, symbol, run, '0', '0', '0', '0', amount, ({funding}) FROM funding
                UNION ALL SELECT 'settlement', at, symbol, '', '0', '0', realised, '0', '0', 0 FROM settlements)
            WHERE (?1 IS NULL OR symbol = ?1) AND (?2 IS NULL OR run = ?2) AND at >= ?3 AND at < ?4"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut theirs: Option<Sum> = None;
        let mut rows = statement.query(params![filter.symbol, filter.run, filter.since.0, filter.until.0])?;
        let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let day = || -> Result<String, LedgerError> { Ok(Ts(row.get(1)?).to_string().chars().take(10).collect()) };
            let key = match by {
                PnlBy::Symbol => (row.get(2)?, String::new()),
                PnlBy::Day => (day()?, String::new()),
                PnlBy::DaySymbol => (day()?, row.get(2)?),
                PnlBy::Run => (row.get(3)?, String::new()),
            };
            let text = |index: usize| row.get::<_, String>(index);
            let price = crate::engine::num::Price::parse(&text(4)?).map_err(LedgerError::number("fills.price"))?;
            let qty = Qty::parse(&text(5)?).map_err(LedgerError::number("fills.qty"))?;
            let line = if row.get(9)? { theirs.get_or_insert_default() } else { sums.entry(key).or_default() };
            line.add(&Sum {
                fills: i64::from(text(0)? == "fill"),
                volume: price * qty,
                realised: money(&text(6)?, "fills.realised")?,
                fees: money(&text(7)?, "fills.fee")?,
                funding: money(&text(8)?, "funding.amount")?,
                outside: Money::ZERO,
            });
        }
        Ok((sums, theirs))
    }

    /// Every table with its name, whole, for `export`.
    pub fn tables(&self) -> Result<Vec<(&'static str, Sheet)>, LedgerError> {
        let since = |name: &str| match name {
            "audit" => 2,
            "residuals" => 3,
            "waivers" | "shadows" => 4,
            "states" => 6,
            _ => 1,
        };
        let there = EXPORTED.iter().filter(|name| self.schema >= since(name));
        there.map(|name| Ok((*name, self.table(name)?))).collect()
    }

    /// The newest link of the audit chain.
    pub fn audit_head(&self) -> Result<Head, LedgerError> {
        self.has_chain()?;
        Ok(super::audit::head(&self.connection)?)
    }

    /// Follows the audit chain; `expected` is a digest that was noted earlier.
    pub fn audit(&self, expected: Option<&str>) -> Result<Verdict, LedgerError> {
        self.has_chain()?;
        // One view of the file, also while an engine writes it.
        let view = self.connection.unchecked_transaction()?;
        Ok(super::audit::verify(&view, expected)?)
    }

    fn has_chain(&self) -> Result<(), LedgerError> {
        if self.schema > 1 { Ok(()) } else { Err(LedgerError::Unchained) }
    }

    fn table(&self, name: &str) -> Result<Sheet, LedgerError> {
        let mut statement = self.connection.prepare(&format!("SELECT * FROM {name} ORDER BY rowid"))?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut sheet = Sheet::new(columns.iter().copied());
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sheet.push(
                columns.iter().enumerate().map(|(i, name)| cell(name, row.get_ref(i))).collect::<Result<_, _>>()?,
            );
        }
        Ok(sheet)
    }

    fn rows(&self, columns: &[&str], sql: &str, filter: &Filter) -> Result<Sheet, LedgerError> {
        let mut sheet = Sheet::new(columns.iter().copied());
        let mut statement = self.connection.prepare(sql)?;
        let mut rows =
            statement.query(params![filter.symbol, filter.run, filter.since.0, filter.until.0, filter.rows_max])?;
        while let Some(row) = rows.next()? {
            sheet.push(
                columns.iter().enumerate().map(|(i, name)| cell(name, row.get_ref(i))).collect::<Result<_, _>>()?,
            );
        }
        Ok(sheet)
    }
}

/// Columns of words; every other text column holds exact decimals.
const WORDS: &[&str] = &[
    "run",
    "env",
    "label",
    "version",
    "outcome",
    "symbol",
    "category",
    "link_id",
    "side",
    "tif",
    "purpose",
    "state",
    "reason",
    "exec_id",
    "role",
    "kind",
    "cause",
    "key",
    "why",
    "measured",
    "allowed",
    "command",
    "table_name",
    "digest",
    "value",
];

fn cell(column: &str, value: Result<ValueRef<'_>, rusqlite::Error>) -> Result<Cell, LedgerError> {
    Ok(match value? {
        ValueRef::Integer(at) if TIMES.contains(&column) => Cell::text(Ts(at).to_string()),
        ValueRef::Integer(number) => Cell::Count(number),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if WORDS.contains(&column) { Cell::Text(text) } else { Cell::Decimal(text) }
        }
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Nothing,
    })
}

/// Sums by the name of their line and its second name.
type Lines = BTreeMap<(String, String), Sum>;

#[derive(Clone, Default)]
struct Sum {
    fills: i64,
    volume: Money,
    realised: Money,
    fees: Money,
    funding: Money,
    /// What the venue's balance changed by without us.
    outside: Money,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.fills += other.fills;
        self.volume += other.volume;
        self.realised += other.realised;
        self.fees += other.fees;
        self.funding += other.funding;
        self.outside += other.outside;
    }
    fn row(&self, key: &str, second: Option<&str>) -> Vec<Cell> {
        let key = Cell::text(if key.is_empty() { "(between runs)" } else { key });
        let figures = [
            Cell::Count(self.fills),
            Cell::decimal(self.volume),
            Cell::decimal(self.realised),
            Cell::decimal(self.fees),
            Cell::decimal(self.funding),
            Cell::decimal(self.realised - self.fees + self.funding + self.outside),
        ];
        [key].into_iter().chain(second.map(Cell::text)).chain(figures).collect()
    }
}
