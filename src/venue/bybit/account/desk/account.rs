//! The account behind the orders: how it opens, what a statement may say, funding, forced closes, danger.

use std::collections::{BTreeMap, BTreeSet};

use super::adopt::CLOCK_WRONG;
use super::ties::{Tie, Ties};
use super::{Desk, Found, Request};
use crate::engine::account::Holding;
use crate::engine::effect::Protection;
use crate::engine::event::{AccountUpdate, Event, Fill, FillKind, Opening, Outsider, Statement, Stranger, Tally};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::{Money, Price, Qty, Rate};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::holds::{Holds, Source};
use crate::venue::bybit::parse::Odd;
use crate::venue::bybit::parse::rest::account::{FeeRow, TransactionRow};
use crate::venue::bybit::parse::rows::{ExecKind, ExecutionRow, OrderRow, PositionRow, PositionStatus};
use crate::venue::bybit::rescue::is_rescue_link;

/// An order younger than this may be missing from a list that was read meanwhile.
const LISTED_WITHIN: Span = Span::from_secs(2);

/// What the venue said about the account, read as one.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When the reading began, local time.
    pub began: Ts,
    /// The same on the venue's clock.
    pub began_at: Ts,
    /// [`Desk::version`] when it began.
    pub version: u64,
    /// Wallet balance of the settlement coin.
    pub balance: Money,
    /// Open positions.
    pub positions: Vec<PositionRow>,
    /// Every row of the instruments that are watched, flat ones included.
    pub modes: Vec<PositionRow>,
    /// Rows that cannot be read, each with its instrument.
    pub odd: Vec<Odd>,
    /// Open orders, ours and others.
    pub open: Vec<OrderRow>,
    /// How many of them are not ours.
    pub foreign_orders: u16,
    /// Executions, where they were asked for; read last, so that none of the positions' is missing.
    pub executions: Option<Vec<ExecutionRow>>,
    /// Ids of executions that were listed before the positions were read, by instrument: the positions hold them, whatever
    /// clocks and sequences say. Of the opening only.
    pub listed: BTreeSet<(String, String)>,
}

/// What asking about an order of an earlier run found.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The order.
    pub order: OrderSeq,
    /// What it traded.
    pub executions: Vec<ExecutionRow>,
    /// Where it stands.
    pub found: Found,
}

/// What has been told about the account.
#[derive(Debug, Default)]
pub struct Known {
    pub opened: bool,
    /// The opening began then, on the venue's clock.
    opened_at: Option<Ts>,
    /// The venue's sequence of each position that it opened with.
    opened_seqs: BTreeMap<Symbol, i64>,
    danger: BTreeMap<Symbol, (Option<Price>, u8)>,
    /// What protects each position, as it was told.
    pub(super) levels: BTreeMap<Symbol, Protection>,
    holds: Holds,
    /// Instruments outside the run of which an unreadable row was told.
    odd_told: BTreeSet<String>,
    /// Newest row of each leg, by the venue's sequence (contract O13).
    seqs: BTreeMap<(Symbol, i64), i64>,
    legs: BTreeMap<Symbol, BTreeMap<i64, String>>,
    /// Instruments that may be in another position mode.
    doubted_modes: BTreeSet<Symbol>,
    /// Whose mode is read next.
    mode_turn: u16,
    /// What the account pays, maker and taker.
    fees: BTreeMap<Symbol, (Rate, Rate)>,
    pub(super) ties: Ties,
    /// Orders of others, as they were told.
    pub(super) strangers: Vec<Stranger>,
    /// What of others is outside the run, as it was told; `None` before the first time.
    pub(super) outside: Option<Vec<Outsider>>,
}

impl Desk {
    /// Has the account been opened?
    pub const fn is_open(&self) -> bool {
        self.account.opened
    }

    /// Does the opening cover it? Such an execution is never booked, whenever it is listed.
    pub(super) fn is_before_opening(&self, row: &ExecutionRow) -> bool {
        let Some(opened) = self.account.opened_at else { return false };
        let executed = Ts::from_ms(row.time_ms);
        // Each leg has a sequence of its own: what traded in hedge mode is no later for being ahead of the one-way row's.
        let long_before = executed + CLOCK_WRONG < opened;
        long_before || self.follows_opening(row).map_or(executed <= opened, |follows| !follows)
    }

    /// Did it move its position after the opening read it? The sequence ties fills to positions (contract O13) and needs no
    /// clock: what we know of the venue's is wrong by as much as a slow answer. `None` where it does not tell.
    fn follows_opening(&self, row: &ExecutionRow) -> Option<bool> {
        let symbol = self.symbol(&row.symbol).filter(|_| row.kind != ExecKind::Funding)?;
        Some(row.seq? > *self.account.opened_seqs.get(&symbol)?)
    }

    /// The venue's sequence of each position of a reading, flat ones included; a leg that is not listed says nothing.
    fn seqs_of(&self, reading: &Reading) -> BTreeMap<Symbol, i64> {
        let held: BTreeSet<&str> = reading.positions.iter().map(|row| row.symbol.as_str()).collect();
        let flat = reading.modes.iter().filter(|row| row.size.is_zero() && !held.contains(row.symbol.as_str()));
        let mut seqs = BTreeMap::new();
        // -1 is of an instrument that never traded (contract 8.8): of a position that is there it says nothing.
        let told = |row: &&PositionRow| row.size.is_zero() || row.seq.is_some_and(|seq| seq >= 0);
        for row in reading.positions.iter().chain(flat).filter(told) {
            if let (Some(symbol), Some(seq)) = (self.symbol(&row.symbol), row.seq) {
                let newest = seqs.entry(symbol).or_insert(seq);
                *newest = seq.max(*newest);
            }
        }
        seqs
    }

    /// The account as it is when we first hear of it. Its executions so far are part of it.
    pub fn open(&mut self, at: Ts, reading: &Reading, earlier: &[Settled]) {
        for old in earlier {
            self.on_looked_up(at, old.order, &old.executions, &old.found);
        }
        self.account.opened_seqs = self.seqs_of(reading);
        let listed = reading.executions.iter().flatten();
        // The sequence of a position says nothing of what traded in another position mode.
        let held = |row: &ExecutionRow| reading.listed.contains(&(row.symbol.clone(), row.exec_id.clone()));
        let (after, before): (Vec<_>, Vec<_>) =
            listed.partition(|row| !held(row) && self.follows_opening(row) == Some(true));
        for row in &before {
            // What an order of an earlier run traded is booked before the account is compared: it explains the position.
            // Funding that fell due while nothing ran is a row of its own, not a difference of the balance; and a position that
            // the exchange took (part of) meanwhile is not the person's for that.
            let by_venue =
                matches!(row.kind, ExecKind::Funding | ExecKind::Adl | ExecKind::Bust | ExecKind::Settlement);
            // Before the first run nothing was ours, whatever it is called.
            let ours = self.heard.is_some()
                && (by_venue || self.is_of_an_unknown_order(row) || self.protective_purpose(row).is_some());
            let symbol = self.symbol(&row.symbol).filter(|_| ours);
            if self.adopt_traded(at, row).is_some() {
                // Of an order of an earlier run.
                self.on_execution(at, row);
            } else if self.remember(row)
                && let Some(symbol) = symbol
            {
                self.on_foreign(symbol, row);
            }
        }
        self.told = self.signed(reading);
        self.version += 1;
        self.account.opened = true;
        self.account.opened_at = Some(reading.began_at);
        self.account.ties.open(reading.began_at.as_ms());
        for row in before {
            self.account.ties.covered(row);
        }
        let mut holdings = Vec::new();
        for (symbol, signed) in self.told.clone() {
            match self.holding(at, symbol, signed, &reading.positions) {
                Some(holding) => holdings.push(holding),
                None => self.hold_costless(symbol, signed),
            }
        }
        let opening = Opening { balance: reading.balance, holdings, foreign_orders: reading.foreign_orders };
        self.events.push(Event::Account(AccountUpdate::Opening(opening)));
        self.take_positions(reading);
        for row in after {
            self.on_execution(at, row);
        }
    }

    /// A position whose cost is not told cannot be taken over: its profit would be a guess.
    fn hold_costless(&mut self, symbol: Symbol, signed: i64) {
        let size = Qty::from_raw(signed.saturating_abs());
        let why = format!(
            "{}: the exchange does not tell the cost of the position of {size}: it is not taken over; close it at the \
             exchange",
            self.name(symbol)
        );
        self.tell(why.clone());
        self.hold(DenialCode::VenueRefused, Some(symbol), Source::Cost, Some(why));
    }

    /// A position at the venue's average price. Of two legs the larger one is what is held on balance, at its price.
    fn holding(&self, at: Ts, symbol: Symbol, signed: i64, rows: &[PositionRow]) -> Option<Holding> {
        let of = |row: &&PositionRow| self.symbol(&row.symbol) == Some(symbol);
        let row = rows.iter().filter(of).max_by_key(|row| row.size)?;
        let whole = row.size.raw() == signed.saturating_abs();
        let entry = || row.entry.map(|entry| entry * Qty::from_raw(signed.saturating_abs()));
        // The value is exact; the price is cut after nine decimals.
        let cost = row.value.filter(|_| whole).or_else(entry)?;
        Some(Holding { signed, cost, opened: at, ..Holding::flat(symbol) })
    }

    /// Signed sums per instrument of this run.
    fn signed(&self, reading: &Reading) -> BTreeMap<Symbol, i64> {
        let mut sums: BTreeMap<Symbol, i64> = BTreeMap::new();
        for row in &reading.positions {
            if let (Some(symbol), Some(side)) = (self.symbol(&row.symbol), row.side) {
                let sum = sums.entry(symbol).or_default();
                *sum = sum.saturating_add(side.sign().saturating_mul(row.size.raw()));
            }
        }
        // A row that cannot be read says nothing of a size: what was told stands.
        for odd in reading.odd.iter().filter(|odd| odd.what == "position") {
            if let Some(symbol) = odd.symbol.as_deref().and_then(|name| self.symbol(name)) {
                sums.insert(symbol, self.told.get(&symbol).copied().unwrap_or_default());
            }
        }
        sums.retain(|_, signed| *signed != 0);
        sums
    }

    /// Takes over orders, executions and positions of a reading.
    pub fn take_reading(&mut self, at: Ts, reading: &Reading) {
        // Whose executions are is said by the orders' own rows best.
        for row in &reading.open {
            self.adopt(at, row);
        }
        for row in reading.executions.iter().flatten() {
            self.on_execution(at, row);
        }
        for row in &reading.open {
            self.on_order(at, row);
        }
        self.take_positions(reading);
        let listed: BTreeSet<OrderSeq> = self.listed(reading).collect();
        for (order, own) in &mut self.orders {
            let old = reading.began.since(own.sent) > LISTED_WITHIN;
            if own.over.is_some() || !own.accepted || !old || listed.contains(order) {
                continue;
            }
            own.unlisted = own.unlisted.saturating_add(1);
            if own.unlisted >= 2 {
                own.look_in(at, Span(0));
            }
        }
    }

    fn take_positions(&mut self, reading: &Reading) {
        for row in reading.positions.iter().chain(&reading.modes) {
            self.on_position(row);
        }
        self.forget_flat(reading);
        self.take_odd(reading);
    }

    /// Rows that cannot be read: nothing opens in an instrument of the run until they can be; of another it is told once.
    fn take_odd(&mut self, reading: &Reading) {
        let mut unread = BTreeMap::new();
        for odd in &reading.odd {
            let Some(name) = odd.symbol.as_ref() else { continue };
            if let Some(symbol) = self.symbol(name) {
                unread.insert(symbol, format!("{name}: {odd}: look at the exchange; nothing opens in it meanwhile"));
            } else if self.account.odd_told.insert(name.clone()) {
                self.tell(format!("{name}: {odd}; it is not of this run and is left out"));
            }
        }
        // A short reading does not show every row that could not be read.
        if reading.executions.is_some() {
            let held: Vec<Symbol> = self.account.holds.symbols(Source::Unread).collect();
            for symbol in held.into_iter().filter(|symbol| !unread.contains_key(symbol)) {
                self.hold(DenialCode::VenueRefused, Some(symbol), Source::Unread, None);
            }
        }
        for (symbol, why) in unread {
            self.hold(DenialCode::VenueRefused, Some(symbol), Source::Unread, Some(why));
        }
    }

    /// Instruments whose flat rows are read too, for a list leaves them out: those that are held, or the hold would never
    /// lift; those of which a refusal said that they are in another mode; and one more each time, in turn, so that a
    /// switch of a flat instrument is noticed.
    pub fn watched(&mut self) -> Vec<String> {
        let mut watched: BTreeSet<Symbol> = self.account.holds.symbols(Source::Position).collect();
        watched.extend(self.account.holds.symbols(Source::Unread));
        watched.append(&mut self.account.doubted_modes);
        let turns = u16::try_from(self.symbols.len()).unwrap_or(u16::MAX).max(1);
        watched.insert(Symbol(self.account.mode_turn % turns));
        self.account.mode_turn = (self.account.mode_turn + 1) % turns;
        watched.into_iter().map(|symbol| self.name(symbol)).filter(|name| !name.is_empty()).collect()
    }

    /// An order was refused because its instrument is in another position mode: its rows are read at once.
    pub fn doubt_mode(&mut self, symbol: Symbol) {
        self.account.doubted_modes.insert(symbol);
        self.requests.push(Request::Reconcile);
    }

    /// Does the reading say what the engine was told, with nothing in between?
    pub fn agrees(&self, reading: &Reading) -> bool {
        let mut told = self.told.clone();
        told.retain(|_, signed| *signed != 0);
        reading.version == self.version && self.signed(reading) == told
    }

    /// Tells the reading as the venue's statement.
    pub fn state(&mut self, reading: &Reading) {
        reading.open.iter().for_each(|row| self.note_protective(row));
        self.tell_strangers(reading);
        self.tell_outside(reading);
        let protective = self.protective_orders(reading);
        let statement = Statement {
            balance: reading.balance,
            positions: self.signed(reading).into_iter().collect(),
            working: self.listed(reading).collect(),
            unlisted: self.unlisted(reading),
            foreign_orders: reading.foreign_orders,
            protection: self.protection(reading, &protective),
            protective,
        };
        self.events.push(Event::Account(AccountUpdate::Statement(statement)));
    }

    /// Positions that the statement's own list does not show for what they are: of other instruments, and two open legs
    /// of one instrument, which may sum to nothing.
    fn unlisted(&self, reading: &Reading) -> u16 {
        let mut legs: BTreeMap<Symbol, u16> = BTreeMap::new();
        let mut outside = 0_u16;
        for row in reading.positions.iter().filter(|row| !row.size.is_zero()) {
            match self.symbol(&row.symbol) {
                Some(symbol) => *legs.entry(symbol).or_default() += 1,
                None => outside = outside.saturating_add(1),
            }
        }
        // One that cannot be read is there, whatever it is.
        let unread = reading.odd.iter().filter(|odd| odd.what == "position");
        let unread = unread.filter(|odd| odd.symbol.as_ref().is_none_or(|name| self.symbol(name).is_none())).count();
        let both = legs.values().filter(|open| **open > 1).count();
        outside.saturating_add(u16::try_from(both + unread).unwrap_or(u16::MAX))
    }

    fn listed<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = OrderSeq> + 'a {
        let open = reading.open.iter().filter(|row| row.status.is_open());
        open.filter_map(|row| self.ours(row))
    }

    /// An execution that no order of this run explains.
    pub(super) fn on_foreign(&mut self, symbol: Symbol, row: &ExecutionRow) {
        let by = row.side.sign().saturating_mul(row.qty.raw());
        match row.kind {
            ExecKind::Funding => {
                // Paid when positive (contract 0.24): the balance moves the other way.
                let (rate, amount) = (row.fee_rate.unwrap_or(Rate::ZERO), -Self::fee_of(row));
                self.version += 1;
                self.account.ties.told(row);
                let settled = Some((row.exec_id.clone(), Ts::from_ms(row.time_ms)));
                self.events.push(Event::Account(AccountUpdate::Funding { symbol, rate, amount, settled }));
            }
            ExecKind::Adl | ExecKind::Bust | ExecKind::Settlement => {
                let kind = match row.kind {
                    ExecKind::Adl => FillKind::Deleveraging,
                    ExecKind::Bust => FillKind::Liquidation,
                    _ => FillKind::Settlement,
                };
                self.move_told(symbol, by);
                let (fill, side) = (self.fill_of(row), row.side);
                self.events.push(Event::Account(AccountUpdate::Liquidated { kind, symbol, fill, side }));
            }
            ExecKind::Trade => {
                self.move_told(symbol, by);
                let (fill, side) = (self.fill_of(row), row.side);
                if let Some(purpose) = self.protective_purpose(row) {
                    self.events.push(Event::Account(AccountUpdate::Protected { symbol, side, fill, purpose }));
                    return;
                }
                let rescue = row.link_id.clone().filter(|link| is_rescue_link(link));
                self.events.push(Event::Account(match rescue {
                    Some(link_id) => AccountUpdate::Rescued { symbol, side, fill, link_id },
                    None => AccountUpdate::Foreign { symbol, side, fill },
                }));
                self.requests.push(Request::Reconcile);
            }
            ExecKind::Beside | ExecKind::Unknown => {
                self.version += 1;
                self.tell(format!(
                    "{}: {} {} @ {} was traded by an order that is not of this run",
                    row.symbol,
                    row.side.word(),
                    row.qty,
                    row.price
                ));
                self.requests.push(Request::Reconcile);
            }
        }
    }

    /// The execution as it is told.
    pub(super) fn fill_of(&mut self, row: &ExecutionRow) -> Fill {
        self.account.ties.told(row);
        if let Some(coin) = row.fee_coin.as_deref().filter(|coin| *coin != "USDT") {
            self.tell(format!("{}: a fee of {} {coin} was taken from that coin, not from USDT", row.symbol, row.fee));
        }
        Self::as_fill(row)
    }

    pub(super) fn as_fill(row: &ExecutionRow) -> Fill {
        Fill {
            exec_id: row.exec_id.clone(),
            price: row.price,
            qty: row.qty,
            fee: Self::fee_of(row),
            maker: row.maker.unwrap_or(false),
            executed: Some(Ts::from_ms(row.time_ms)),
        }
    }

    /// From where the log of transactions is to be read, ms on the venue's clock.
    pub fn log_from(&self) -> Option<i64> {
        self.account.ties.reads_from_ms()
    }

    /// The log of transactions, read at a moment on the venue's clock.
    pub fn take_log(&mut self, read_to_ms: i64, rows: &[TransactionRow]) -> Tie {
        let symbols = &self.symbols;
        self.account.ties.take(read_to_ms, rows, |name| symbols.iter().any(|known| known == name))
    }

    /// Tells what the log adds up to.
    pub fn tie_out(&mut self, tally: Option<Tally>) {
        self.events.push(Event::Account(AccountUpdate::TiedOut(tally)));
    }

    /// What the account pays per trade; a row without an instrument is for all that have none of their own.
    pub fn on_fees(&mut self, rows: &[FeeRow]) {
        for (place, name) in (0..).zip(&self.symbols) {
            let own = rows.iter().find(|row| row.symbol.as_ref() == Some(name));
            let Some(row) = own.or_else(|| rows.iter().find(|row| row.symbol.is_none())) else { continue };
            let (symbol, maker, taker) = (Symbol(place), row.maker, row.taker);
            if self.account.fees.insert(symbol, (maker, taker)) != Some((maker, taker)) {
                self.events.push(Event::Account(AccountUpdate::Fees { symbol, maker, taker }));
            }
        }
    }

    /// A state of a position, pushed or read: what endangers it, and what forbids opening. Its size is told by
    /// executions only.
    pub fn on_position(&mut self, row: &PositionRow) {
        let Some(symbol) = self.symbol(&row.symbol) else { return };
        let key = (symbol, row.position_idx);
        if let Some(seq) = row.seq {
            let newest = self.account.seqs.entry(key).or_insert(seq);
            if seq < *newest {
                return;
            }
            *newest = seq;
        }
        self.watch_mode(symbol, row);
        self.on_levels(symbol, row);
        let danger = if row.size.is_zero() {
            (None, 0)
        } else {
            (row.liquidation, u8::try_from(row.adl_rank.unwrap_or(0).clamp(0, 5)).unwrap_or(0))
        };
        if self.account.danger.insert(symbol, danger).unwrap_or_default() != danger {
            let (liquidation, adl) = danger;
            self.events.push(Event::Account(AccountUpdate::Danger { symbol, liquidation, adl }));
        }
        let forbidden = match (row.status, row.reduce_only) {
            (PositionStatus::Liquidating, _) => Some("the exchange is liquidating the position: check margin now"),
            (PositionStatus::Deleveraging, _) => Some("auto-deleveraging is taking the position"),
            (_, true) => Some("after a cut of the risk limit only reducing orders pass: lower the position"),
            _ => None,
        };
        let why = forbidden.map(|why| format!("{}: {why}", row.symbol));
        self.hold(DenialCode::VenueRefused, Some(symbol), Source::Position, why);
    }

    /// A list names open positions only: what it leaves out is in no danger any more, and nothing holds there.
    fn forget_flat(&mut self, reading: &Reading) {
        let rows = reading.positions.iter().chain(&reading.modes).map(|row| &row.symbol);
        let unread = reading.odd.iter().filter_map(|odd| odd.symbol.as_ref());
        let shown: BTreeSet<Symbol> = rows.chain(unread).filter_map(|name| self.symbol(name)).collect();
        for symbol in (0..self.symbols.len()).filter_map(|place| u16::try_from(place).ok()).map(Symbol) {
            if shown.contains(&symbol) {
                continue;
            }
            self.hold(DenialCode::VenueRefused, Some(symbol), Source::Position, None);
            if self.account.danger.insert(symbol, (None, 0)).unwrap_or_default() != (None, 0) {
                self.events.push(Event::Account(AccountUpdate::Danger { symbol, liquidation: None, adl: 0 }));
            }
        }
        let costless: Vec<Symbol> = self.account.holds.symbols(Source::Cost).collect();
        let signed = self.signed(reading);
        for symbol in costless.into_iter().filter(|symbol| !signed.contains_key(symbol)) {
            self.hold(DenialCode::VenueRefused, Some(symbol), Source::Cost, None);
        }
    }

    /// Hedge mode shows as legs numbered 1 and 2; only one-way mode is traded.
    fn watch_mode(&mut self, symbol: Symbol, row: &PositionRow) {
        let legs = self.account.legs.entry(symbol).or_default();
        if row.position_idx == 0 {
            legs.clear();
        } else {
            let side = if row.position_idx == 1 { "long" } else { "short" };
            legs.insert(row.position_idx, format!("{side} {}", row.size));
        }
        let both = legs.values().cloned().collect::<Vec<_>>().join(", ");
        let detail = (!both.is_empty()).then(|| {
            format!(
                "{} is in hedge mode ({both}): close both legs, then Bybit > Derivatives > Position Mode > One-Way",
                row.symbol
            )
        });
        self.hold(DenialCode::PositionModeHedge, Some(symbol), Source::Position, detail);
    }

    /// Sets (`Some`) or lifts what one source says of a hold.
    pub(in crate::venue::bybit) fn hold(
        &mut self,
        code: DenialCode,
        symbol: Option<Symbol>,
        source: Source,
        detail: Option<String>,
    ) {
        self.events.extend(self.account.holds.set(code, symbol, source, detail));
    }
}
