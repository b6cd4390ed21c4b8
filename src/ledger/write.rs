//! Writing: runs, batches of jobs in one transaction, and the end of a simulated market.
//!
//! Every fill and funding row is checked against the rows before it (position, entry cost, balance). What does not add
//! up is stored as the engine told it and reported, because losing a fill is worse than storing a surprising one.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::marker::{self, marker_after};
use super::restore::{self, ENDED, FLATTENING, OPENED, RELEASED, WAIVED};
use super::{Committed, Job, Ledger, LedgerError, RunRow};
use crate::engine::account::{Holding, Residual};
use crate::engine::effect::{NewOrder, Purpose, Record};
use crate::engine::event::{Baselines, Fill, FillKind};
use crate::engine::ids::{Account, OrderSeq, Symbol};
use crate::engine::market::instrument::{Category, Instrument};
use crate::engine::num::{Money, Price, Side};
use crate::engine::risk::limits::show;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::snapshot::ShadowView;
use crate::engine::time::Ts;

impl Ledger {
    /// Begins a run. A balance that differs from the stored one is booked as external, a first one as opening.
    pub fn begin_run(&mut self, row: &RunRow) -> Result<(), LedgerError> {
        if row.pair != self.pair {
            return Err(LedgerError::content("runs.env", &row.pair.stamp(), "pair of this ledger"));
        }
        let stored = restore::balance(&self.connection)?;
        let txn = self.connection.transaction()?;
        txn.execute(
            "INSERT INTO runs (run, env, started, label, version) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![row.run.0, self.stamp, row.started.0, row.label, row.version],
        )?;
        if stored != Some(row.balance) {
            let cause = if stored.is_some() { "external" } else { "opening" };
            let change = row.balance - stored.unwrap_or(Money::ZERO);
            add_balance(&txn, &self.stamp, Some(&row.run.0), row.started, cause, change, row.balance)?;
        }
        let chain = self.chain.sealed(&txn)?;
        txn.commit()?;
        self.chain = chain;
        self.run = Some(row.run.clone());
        Ok(())
    }

    /// Ends the run that was begun. `outcome` is a word or two: `quit`, `killed`, `market ended`.
    pub fn end_run(&mut self, at: Ts, outcome: &str) -> Result<(), LedgerError> {
        let run = self.run.take().ok_or(LedgerError::NoRun)?;
        self.change("UPDATE runs SET ended = ?1, outcome = ?2 WHERE run = ?3", params![at.0, outcome, run.0])
    }

    /// One change, with its note in the chain.
    fn change(&mut self, sql: &str, params: impl rusqlite::Params) -> Result<(), LedgerError> {
        let txn = self.connection.transaction()?;
        txn.execute(sql, params)?;
        let chain = self.chain.sealed(&txn)?;
        txn.commit()?;
        self.chain = chain;
        Ok(())
    }

    /// Makes a batch durable: all of it or, on an error, none of it. A latch also goes to the marker file, before the
    /// ledger when it is set and after it when it is lifted, so a failure between the two leaves the account latched.
    pub fn commit(&mut self, batch: &[Job]) -> Result<Committed, LedgerError> {
        let mut done = Committed::default();
        self.refuse_as_stand_in(batch)?;
        let changes: Vec<_> = batch.iter().filter_map(latch_change).collect();
        let set = changes.iter().rposition(|(_, latch)| latch.is_some()).map_or(0, |last| last + 1);
        self.mark(changes.get(..set).unwrap_or_default(), &mut done);
        let run = self.run.clone().ok_or(LedgerError::NoRun)?;
        if let Some(place) = &self.place {
            place.check()?;
        }
        let txn = self.connection.transaction()?;
        let mut desk = Desk {
            connection: &txn,
            stamp: &self.stamp,
            run: &run.0,
            account: self.pair.account(),
            names: &self.names,
            earlier: &self.earlier,
            troubles: &mut done.troubles,
        };
        for job in batch {
            match job {
                Job::Intent { at, order, link_id } => {
                    desk.intent(*at, order, link_id)?;
                    done.intents.push(order.seq);
                }
                Job::Shadow { at, view } => desk.shadow(*at, view)?,
                Job::Record { at, record } => desk.record(*at, record)?,
            }
        }
        let chain = self.chain.sealed(&txn)?;
        txn.commit()?;
        self.chain = chain;
        self.mark(changes.get(set..).unwrap_or_default(), &mut done);
        Ok(done)
    }

    /// The simulated market of earlier runs is gone: closes every position it left and ends its orders.
    ///
    /// Each position becomes a settlement row of kind `market ended`. Without a price in `settle` it is closed at its
    /// entry cost, so neither profit nor loss is made up; with one it is closed there and the balance moves. Releases
    /// of these positions end too. Call it before `restore`. Returns how many positions were closed.
    pub fn market_ended(
        &mut self,
        at: Ts,
        instruments: &[Instrument],
        settle: &[(Symbol, Price)],
    ) -> Result<usize, LedgerError> {
        let open = restore::holdings(&self.connection)?;
        let mut balance = restore::balance(&self.connection)?.unwrap_or(Money::ZERO);
        let txn = self.connection.transaction()?;
        for (name, held) in &open {
            let index = instruments.iter().position(|i| i.name == *name);
            let price = settle.iter().find(|(s, _)| Some(s.index()) == index).map(|(_, price)| *price);
            let realised = price.map_or(Money::ZERO, |price| held.unrealised(price));
            txn.execute(
                "INSERT INTO settlements (env, at, symbol, kind, position, cost, price, realised)
                 VALUES (?1, ?2, ?3, 'market ended', ?4, ?5, ?6, ?7)",
                params![
                    self.stamp,
                    at.0,
                    name,
                    show(held.signed),
                    held.cost.to_string(),
                    price.map(|p| p.to_string()),
                    realised.to_string()
                ],
            )?;
            if realised != Money::ZERO {
                balance += realised;
                add_balance(&txn, &self.stamp, None, at, "market ended", realised, balance)?;
            }
        }
        txn.execute("DELETE FROM positions", [])?;
        txn.execute(
            &format!("INSERT INTO releases (env, at, symbol, released) SELECT ?1, ?2, symbol, 0 FROM ({RELEASED})"),
            params![self.stamp, at.0],
        )?;
        txn.execute(
            &format!("INSERT INTO waivers (env, at, symbol, waived) SELECT ?1, ?2, symbol, 0 FROM ({WAIVED})"),
            params![self.stamp, at.0],
        )?;
        txn.execute(
            &format!("INSERT INTO flattens (env, at, symbol, wanted) SELECT ?1, ?2, symbol, 0 FROM ({FLATTENING})"),
            params![self.stamp, at.0],
        )?;
        txn.execute(
            &format!("UPDATE orders SET state = 'market-ended', updated = ?1 WHERE state NOT IN {ENDED}"),
            [at.0],
        )?;
        let chain = self.chain.sealed(&txn)?;
        txn.commit()?;
        self.chain = chain;
        Ok(open.len())
    }

    /// Orders of earlier runs that rested in a venue of our own ended with it.
    pub fn orders_ended(&mut self, at: Ts) -> Result<(), LedgerError> {
        let sql = format!(
            "UPDATE orders SET state = 'cancelled', reason = 'the run ended', updated = ?1 WHERE state NOT IN {ENDED}"
        );
        self.change(&sql, [at.0])
    }

    /// Notes the rules of this run's instruments, for whoever reads the file.
    pub fn note_instruments(&mut self, instruments: &[Instrument]) -> Result<(), LedgerError> {
        let txn = self.connection.transaction()?;
        for instrument in instruments {
            let category = match instrument.category {
                Category::Linear => "linear",
                Category::Inverse => "inverse",
            };
            txn.execute(
                "INSERT OR REPLACE INTO instruments (symbol, env, category, tick, step) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    instrument.name,
                    self.stamp,
                    category,
                    instrument.tick.to_string(),
                    instrument.step.to_string()
                ],
            )?;
        }
        txn.commit()?;
        Ok(())
    }

    /// The stand-in for an unreadable ledger closes risk and latches, and does nothing else.
    fn refuse_as_stand_in(&self, batch: &[Job]) -> Result<(), LedgerError> {
        let Some(latch) = &self.stand_in else { return Ok(()) };
        let refused = batch.iter().any(|job| match job {
            Job::Intent { order, .. } => order.purpose == Purpose::Entry || !order.reduce_only,
            Job::Record { record, .. } => matches!(record, Record::Latch(None)),
            Job::Shadow { .. } => false,
        });
        if refused { Err(LedgerError::StandIn(latch.cause.to_string())) } else { Ok(()) }
    }

    /// Makes these changes of the latch in the marker.
    fn mark(&self, changes: &[(Ts, Option<&Latch>)], done: &mut Committed) {
        let Some(path) = self.marker.as_deref().filter(|_| !changes.is_empty()) else { return };
        if let Err(error) = marker::change(path, |found| marker_after(found, changes.iter().copied())) {
            done.troubles.push(error.to_string());
        }
    }
}

/// What a job makes of the latch, where it is about the latch: when, and set to this or lifted.
fn latch_change(job: &Job) -> Option<(Ts, Option<&Latch>)> {
    match job {
        Job::Record { at, record: Record::Latch(latch) } => Some((*at, latch.as_ref())),
        _ => None,
    }
}

fn add_balance(
    connection: &Connection,
    stamp: &str,
    run: Option<&str>,
    at: Ts,
    cause: &str,
    change: Money,
    balance: Money,
) -> Result<(), LedgerError> {
    connection
        .prepare_cached("INSERT INTO balances (env, run, at, cause, change, balance) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![stamp, run, at.0, cause, change.to_string(), balance.to_string()])?;
    Ok(())
}

/// Writes rows inside one transaction.
struct Desk<'a> {
    connection: &'a Connection,
    stamp: &'a str,
    run: &'a str,
    account: Account,
    names: &'a [String],
    earlier: &'a [(String, u64)],
    troubles: &'a mut Vec<String>,
}

impl Desk<'_> {
    fn name(&self, symbol: Symbol) -> Result<&str, LedgerError> {
        self.names.get(symbol.index()).map(String::as_str).ok_or(LedgerError::UnknownSymbol(symbol.0))
    }

    /// Run and number under which an order was made: those of an earlier run keep theirs.
    fn order_key(&self, order: OrderSeq) -> (&str, i64) {
        let place = usize::try_from(order.0).ok().and_then(|number| number.checked_sub(1));
        match place.and_then(|place| self.earlier.get(place)) {
            Some((run, seq)) => (run, number(OrderSeq(*seq))),
            None => (self.run, number(order)),
        }
    }

    fn intent(&self, at: Ts, order: &NewOrder, link_id: &str) -> Result<(), LedgerError> {
        let twice = LedgerError::IntentTwice { run: self.run.to_owned(), seq: order.seq.0 };
        self.connection
            .prepare_cached(
                "INSERT INTO intents (run, seq, env, link_id, at, decided, symbol, side, qty, price, tif, reduce_only,
                     purpose, stop, take_profit)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                self.run,
                number(order.seq),
                self.stamp,
                link_id,
                at.0,
                order.decided.0,
                self.name(order.symbol)?,
                order.side.word(),
                order.qty.to_string(),
                order.price.to_string(),
                order.tif.word(),
                order.reduce_only,
                order.purpose.word(),
                order.protection.stop.map(|stop| stop.to_string()),
                order.protection.take_profit.map(|level| level.to_string())
            ])
            .map_err(|error| match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::ConstraintViolation) => twice,
                _ => LedgerError::Storage(error),
            })?;
        self.order_state(at, order.seq, "intent", "0", "")
    }

    fn order_state(&self, at: Ts, order: OrderSeq, state: &str, filled: &str, reason: &str) -> Result<(), LedgerError> {
        let (run, seq) = self.order_key(order);
        self.connection
            .prepare_cached(
                "INSERT INTO orders (run, seq, env, state, filled, reason, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (run, seq) DO UPDATE SET state = ?4, filled = ?5, reason = ?6, updated = ?7",
            )?
            .execute(params![run, seq, self.stamp, state, filled, reason, at.0])?;
        Ok(())
    }

    fn record(&mut self, at: Ts, record: &Record) -> Result<(), LedgerError> {
        match record {
            Record::OrderState { order, state, filled, reason } => {
                self.order_state(at, *order, state, &filled.to_string(), reason)
            }
            Record::Fill { order, kind, theirs, symbol, side, fill, realised, balance, position, cost } => {
                let (position, cost) = (*position, *cost);
                let after = After { theirs: *theirs, realised: *realised, balance: *balance, position, cost };
                self.fill(at, (*kind, *order), *symbol, *side, fill, &after)
            }
            Record::Funding { theirs, settled, symbol, rate, amount, balance } => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO funding (env, run, at, symbol, rate, amount, balance, exec_id, executed, theirs)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    )?
                    .execute(params![
                        self.stamp,
                        self.run,
                        at.0,
                        self.name(*symbol)?,
                        rate.to_string(),
                        amount.to_string(),
                        balance.to_string(),
                        settled.as_ref().map(|(id, _)| id),
                        settled.as_ref().map(|(_, at)| at.0),
                        theirs.then_some(1)
                    ])?;
                self.balance(at, "funding", *amount, *balance)
            }
            Record::Limit { key, old, new } => self.insert(
                "INSERT INTO limits (env, run, at, key, old, new) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                at,
                [key.name(), &show(*old), &show(*new)],
            ),
            Record::Latch(latch) => self.latch(at, latch.as_ref()),
            Record::Released { symbol, released } => self.insert(
                "INSERT INTO releases (env, run, at, symbol, released) VALUES (?1, ?2, ?3, ?4, CAST(?5 AS INTEGER))",
                at,
                [self.name(*symbol)?, if *released { "1" } else { "0" }],
            ),
            Record::Waived { symbol, waived } => self.insert(
                "INSERT INTO waivers (env, run, at, symbol, waived) VALUES (?1, ?2, ?3, ?4, CAST(?5 AS INTEGER))",
                at,
                [self.name(*symbol)?, if *waived { "1" } else { "0" }],
            ),
            Record::Flattening { symbol, wanted } => self.insert(
                "INSERT INTO flattens (env, run, at, symbol, wanted) VALUES (?1, ?2, ?3, ?4, CAST(?5 AS INTEGER))",
                at,
                [self.name(*symbol)?, if *wanted { "1" } else { "0" }],
            ),
            Record::Adopted { balance, holdings } => self.adopt(at, *balance, holdings.as_deref()),
            Record::Residual(residual) => self.residual(at, residual.as_ref()),
            Record::Operator { command, outcome } => self.insert(
                "INSERT INTO operators (env, run, at, command, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
                at,
                [command.as_str(), outcome.as_str()],
            ),
            Record::Baselines(baselines) => self.baselines(at, baselines),
        }
    }

    fn shadow(&self, at: Ts, view: &ShadowView) -> Result<(), LedgerError> {
        // Figures about prices, not money: four decimals say all that they know.
        let text = |figure: Option<f64>| figure.map(|figure| format!("{figure:.4}"));
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO shadows (run, env, at, orders, filled_here, filled_paper, worse_bps, paper_pnl)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                self.run,
                self.stamp,
                at.0,
                view.orders,
                text(view.filled_here),
                text(view.filled_paper),
                text(view.worse_bps),
                view.paper_pnl.to_string()
            ])?;
        Ok(())
    }

    fn residual(&self, at: Ts, residual: Option<&Residual>) -> Result<(), LedgerError> {
        let text = |part: fn(&Residual) -> Money| residual.map(|residual| part(residual).to_string());
        self.connection
            .prepare_cached(
                "INSERT INTO residuals (env, run, at, realised, fees, funding) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                self.stamp,
                self.run,
                at.0,
                text(|residual| residual.realised),
                text(|residual| residual.fees),
                text(|residual| residual.funding)
            ])?;
        Ok(())
    }

    /// The venue's figures replace ours, as rows of their own: what was booked before stays as it was.
    fn adopt(&self, at: Ts, balance: Money, holdings: Option<&[Holding]>) -> Result<(), LedgerError> {
        let before = restore::balance(self.connection)?;
        let first = holdings.is_some() && restore::account_since(self.connection)?.is_none();
        if first || before != Some(balance) {
            // Where the account begins for us: no change of it, whatever stood here before.
            let cause = if first { OPENED } else { "venue" };
            let change = balance - before.unwrap_or(Money::ZERO);
            add_balance(self.connection, self.stamp, Some(self.run), at, cause, change, balance)?;
        }
        let Some(holdings) = holdings else { return Ok(()) };
        self.connection.prepare_cached("DELETE FROM positions")?.execute([])?;
        for held in holdings {
            self.write_position(at, self.name(held.symbol)?, held)?;
        }
        Ok(())
    }

    fn write_position(&self, at: Ts, name: &str, held: &Holding) -> Result<(), LedgerError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO positions (symbol, env, position, cost, opened, realised, fees, updated)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                name,
                self.stamp,
                show(held.signed),
                held.cost.to_string(),
                held.opened.0,
                held.realised.to_string(),
                held.fees.to_string(),
                at.0
            ])?;
        Ok(())
    }

    /// Inserts a row that begins with environment, run and time and goes on with texts.
    fn insert<const N: usize>(&self, sql: &str, at: Ts, texts: [&str; N]) -> Result<(), LedgerError> {
        let at = at.0;
        let mut values: Vec<&dyn rusqlite::ToSql> = vec![&self.stamp, &self.run, &at];
        values.extend(texts.iter().map(|text| text as &dyn rusqlite::ToSql));
        self.connection.prepare_cached(sql)?.execute(values.as_slice())?;
        Ok(())
    }

    fn latch(&self, at: Ts, latch: Option<&Latch>) -> Result<(), LedgerError> {
        let sql =
            "INSERT INTO latches (env, run, at, kind, why, measured, allowed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Some(latch) = latch else { return self.insert(sql, at, ["lifted", "", "", ""]) };
        match &latch.cause {
            LatchCause::Killed(how) => self.insert(sql, latch.at, ["killed", how, "", ""]),
            LatchCause::Fault(why) => self.insert(sql, latch.at, ["fault", why, "", ""]),
            LatchCause::Loss(trip) => self.insert(sql, latch.at, ["loss", &trip.limit, &trip.measured, &trip.allowed]),
        }
    }

    fn fill(
        &mut self,
        at: Ts,
        (kind, order): (FillKind, Option<OrderSeq>),
        symbol: Symbol,
        side: Side,
        fill: &Fill,
        after: &After,
    ) -> Result<(), LedgerError> {
        let name = self.name(symbol)?.to_owned();
        // The paper venue numbers executions within a run, an exchange within the account.
        let exec_id = match self.account {
            Account::Paper => format!("{}/{}", self.run, fill.exec_id),
            _ => fill.exec_id.clone(),
        };
        if self.is_booked(&exec_id, &name, side, fill)? {
            return Ok(());
        }
        let (run, seq) = match order.map(|order| self.order_key(order)) {
            Some((run, seq)) => (run, Some(seq)),
            None => (self.run, None),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO fills (env, run, at, exec_id, seq, kind, symbol, side, price, qty, fee, maker, realised,
                     balance, position, cost, executed, theirs)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )?
            .execute(params![
                self.stamp,
                run,
                at.0,
                exec_id,
                seq,
                kind.word(),
                name,
                side.word(),
                fill.price.to_string(),
                fill.qty.to_string(),
                fill.fee.to_string(),
                fill.maker,
                after.realised.to_string(),
                after.balance.to_string(),
                show(after.position),
                after.cost.to_string(),
                fill.executed.map(|at| at.0),
                after.theirs.then_some(1)
            ])?;
        self.position(at, symbol, &name, side, fill, after)?;
        self.balance(at, "fill", after.realised - fill.fee, after.balance)
    }

    /// The venue may tell of an execution twice; the second time changes nothing. By id alone, as the desk of the account has
    /// judged: two fills that are alike but for it may be two, and a ledger that drops one is wrong for ever.
    fn is_booked(&self, exec_id: &str, name: &str, side: Side, fill: &Fill) -> Result<bool, LedgerError> {
        let known: Option<[String; 5]> = self
            .connection
            .prepare_cached("SELECT symbol, side, price, qty, fee FROM fills WHERE exec_id = ?1")?
            .query_row([exec_id], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
            .optional()?;
        let told = [name, side.word(), &fill.price.to_string(), &fill.qty.to_string(), &fill.fee.to_string()]
            .map(str::to_owned);
        match known {
            None => Ok(false),
            Some(known) if known == told => Ok(true),
            Some(_) => Err(LedgerError::FillDiffers(exec_id.to_owned())),
        }
    }

    fn position(
        &mut self,
        at: Ts,
        symbol: Symbol,
        name: &str,
        side: Side,
        fill: &Fill,
        after: &After,
    ) -> Result<(), LedgerError> {
        let mut held = restore::holding(self.connection, name)?.unwrap_or(Holding::flat(symbol));
        let booked = held.book(at, side, fill.price, fill.qty, fill.fee);
        if (held.signed, held.cost, booked.realised) != (after.position, after.cost, after.realised) {
            self.troubles.push(format!(
                "execution {} of {name} does not add up: the ledger counts position {} cost {} realised {}, the engine {} {} {}",
                fill.exec_id,
                show(held.signed),
                held.cost,
                booked.realised,
                show(after.position),
                after.cost,
                after.realised
            ));
        }
        (held.signed, held.cost) = (after.position, after.cost);
        self.write_position(at, name, &held)
    }

    fn balance(&mut self, at: Ts, cause: &str, change: Money, balance: Money) -> Result<(), LedgerError> {
        if let Some(before) = restore::balance(self.connection)?
            && before + change != balance
        {
            self.troubles.push(format!(
                "the balance does not add up after a {cause}: {before} and {change} make {}, the engine counts {balance}",
                before + change
            ));
        }
        add_balance(self.connection, self.stamp, Some(self.run), at, cause, change, balance)
    }

    fn baselines(&self, at: Ts, baselines: &Baselines) -> Result<(), LedgerError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO baselines (id, env, at, day_start, day_equity, high_water, day_loss_spent)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                self.stamp,
                at.0,
                baselines.day_start.0,
                baselines.day_equity.to_string(),
                baselines.high_water.to_string(),
                baselines.day_loss_spent
            ])?;
        self.baseline_minutes(&baselines.minutes)
    }

    /// Writes what differs: all but one are as they were a minute ago.
    fn baseline_minutes(&self, minutes: &[(Ts, Money)]) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO baseline_minutes (at, env, equity) VALUES (?1, ?2, ?3)
             ON CONFLICT (at) DO UPDATE SET equity = excluded.equity WHERE equity <> excluded.equity",
        )?;
        for (minute, equity) in minutes {
            insert.execute(params![minute.0, self.stamp, equity.to_string()])?;
        }
        let kept: BTreeSet<i64> = minutes.iter().map(|(minute, _)| minute.0).collect();
        let mut all = self.connection.prepare_cached("SELECT at FROM baseline_minutes")?;
        let all = all.query_map([], |row| row.get(0))?.collect::<Result<BTreeSet<i64>, _>>()?;
        for gone in all.difference(&kept) {
            self.connection.prepare_cached("DELETE FROM baseline_minutes WHERE at = ?1")?.execute([gone])?;
        }
        Ok(())
    }
}

/// The engine's account right after an execution.
struct After {
    theirs: bool,
    realised: Money,
    balance: Money,
    position: i64,
    cost: Money,
}

/// `SQLite` counts to 2^63; an order number beyond it is out of this world.
fn number(order: OrderSeq) -> i64 {
    i64::try_from(order.0).unwrap_or(i64::MAX)
}
