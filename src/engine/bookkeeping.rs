//! What the venue says: order news, fills, funding, liquidations, statements - booked exactly, recorded, told.

use std::collections::BTreeMap;

use super::Engine;
use super::account::{Holding, Residual, TieOut, Whose};
use super::control::CloseWhy;
use super::desk::{Exits, Fees};
use super::effect::{Effect, Effects, Purpose, Record};
use super::event::{AccountUpdate, Fill, FillKind, Opening, OrderNews, OrderUpdate, Statement, Tally};
use super::ids::{OrderSeq, Symbol};
use super::notice::{Kind, Level};
use super::num::{Money, Qty, Rate, Side};
use super::orders::{Order, OrderState, Outcome};
use super::pending::About;
use super::risk::limits::LimitKey;
use super::risk::state::{Latch, ReduceCause};
use super::snapshot::MarkKind;
use super::taken_over::Replaced;
use super::time::{Span, Ts};

impl Engine {
    pub(super) fn on_order(&mut self, update: &OrderUpdate, out: &mut Effects) {
        self.hear_order(update, Self::book_fill, out);
    }

    /// News of an order; what it traded is booked by `book`.
    pub(super) fn hear_order(&mut self, update: &OrderUpdate, book: Book, out: &mut Effects) {
        let was_unknown = self.orders.get(update.order).is_some_and(|order| order.state == OrderState::Unknown);
        let Some((order, outcome)) = self.orders.apply(self.now, update.order, &update.what) else { return };
        let symbol = order.intent.symbol;
        if was_unknown && order.state != OrderState::Unknown {
            self.settle_unknown(&order, out);
        }
        let traded = if let Outcome::Traded(fill) = &outcome { Some(fill.qty) } else { None };
        match outcome {
            Outcome::Traded(fill) => {
                if order.intent.purpose == Purpose::Close {
                    let line = format!(
                        "{} filled {} @ {} (execution {})",
                        self.name(symbol),
                        fill.qty,
                        fill.price,
                        fill.exec_id
                    );
                    self.control.note(self.now, &line);
                }
                book(self, (FillKind::Trade, Some(order.intent.seq)), symbol, order.intent.side, &fill, out);
            }
            Outcome::CancelRefused => {}
            Outcome::Moved if self.is_kept_back_again(&order) => {}
            Outcome::Moved => self.tell_ended(&order, out),
        }
        self.tell_left(&order, out);
        self.hear_for_wait(&order, traded, out);
        out.push(Effect::Record(Record::OrderState {
            order: order.intent.seq,
            state: order.state.word().into(),
            filled: order.filled,
            reason: order.reason.clone(),
        }));
        // An order that was never sent or was refused is tried again at the next boundary, not at once: its cause may last.
        if order.intent.purpose == Purpose::Close {
            self.after_close_order(&order);
        }
        let over = order.state.is_terminal() && !matches!(order.state, OrderState::Unsent | OrderState::Rejected);
        if over && self.control.close.as_ref().is_some_and(|close| close.scope.contains(&symbol)) {
            self.run_close(out);
            self.ask(out);
        }
        let waits = self.desks.get(symbol.index()).is_some_and(|desk| desk.wait.is_some());
        if matches!(update.what, OrderNews::Rejected(_)) && order.intent.purpose == Purpose::Entry && !waits {
            // A venue that refuses an entry is not asked again at once.
            self.pause_entries(symbol, Span::from_secs(5));
        }
    }

    fn tell_ended(&mut self, order: &Order, out: &mut Effects) {
        let (level, word) = match order.state {
            OrderState::Unknown => (Level::Alarm, "outcome UNKNOWN: counted as working until the venue has answered"),
            OrderState::Rejected => (Level::Warn, "rejected by the venue"),
            OrderState::Unsent => (Level::Info, "not sent"),
            OrderState::Cancelled => (Level::Info, "cancelled"),
            _ => return,
        };
        let name = self.name(order.intent.symbol);
        let text = format!("{name} {} {} {word}: {}", order.intent.side.word(), order.intent.qty, order.reason);
        let about = if order.state == OrderState::Unknown { About::Order(order.intent.seq) } else { About::Past };
        self.tell_about(level, Kind::Order, Some(order.intent.symbol), text, about, out);
    }

    /// The venue has answered about an order whose outcome nobody knew: its alarm is over.
    fn settle_unknown(&mut self, order: &Order, out: &mut Effects) {
        self.pending.settle(|about| *about == About::Order(order.intent.seq));
        let (name, side) = (self.name(order.intent.symbol), order.intent.side.word());
        let text = format!("{name} {side} {}: outcome known now: {}", order.intent.qty, order.state.word());
        self.tell(Level::Info, Kind::Order, Some(order.intent.symbol), text, out);
    }

    /// A reducing order that did not leave, for the reason of the one before it. During a ban there is one every second.
    fn is_kept_back_again(&mut self, order: &Order) -> bool {
        if order.state != OrderState::Unsent || order.opens() {
            return false;
        }
        let Some(desk) = self.desks.get_mut(order.intent.symbol.index()) else { return false };
        match &mut desk.kept_back {
            Some((why, times)) if *why == order.reason => {
                *times = times.saturating_add(1);
                true
            }
            other => {
                *other = Some((order.reason.clone(), 1));
                false
            }
        }
    }

    /// A reducing order left again: how many before it did not.
    fn tell_left(&mut self, order: &Order, out: &mut Effects) {
        let left =
            !order.opens() && matches!(order.state, OrderState::Live | OrderState::Filled | OrderState::Rejected);
        let Some(desk) = self.desks.get_mut(order.intent.symbol.index()).filter(|_| left) else { return };
        let Some((why, times)) = desk.kept_back.take().filter(|(_, times)| *times > 1) else { return };
        let text = format!("{}: {times} tries before this one were not sent: {why}", desk.instrument.name);
        self.tell(Level::Info, Kind::Order, Some(order.intent.symbol), text, out);
    }

    fn pause_entries(&mut self, symbol: Symbol, span: Span) {
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.cooldown_until = desk.cooldown_until.max(self.now + span);
        }
    }

    fn book_fill(
        &mut self,
        of: (FillKind, Option<OrderSeq>),
        symbol: Symbol,
        side: Side,
        fill: &Fill,
        out: &mut Effects,
    ) {
        let (proven, before) = (self.control.close_proven, self.account.balance());
        self.write_fill(of, symbol, side, fill, out);
        self.explain_balance(fill.executed, self.account.balance() - before, out);
        self.observe_equity(out);
        // It came after the proof: whoever killed and closed everything asked for this one too.
        if proven && !self.control.close_proven && self.latch().is_some_and(Latch::is_kill) {
            self.begin_close(CloseWhy::Kill, self.closable(None), out);
        }
    }

    /// Books and records an execution, and what follows from it for its position.
    pub(super) fn write_fill(
        &mut self,
        (kind, order): (FillKind, Option<OrderSeq>),
        symbol: Symbol,
        side: Side,
        fill: &Fill,
        out: &mut Effects,
    ) {
        if symbol.index() >= self.desks.len() {
            return;
        }
        self.fills += 1;
        let before = self.account.holding(symbol).signed;
        let whose = self.whose_trade(kind, symbol, side);
        let booked = self.account.book(whose, self.now, symbol, side, fill);
        let held = self.account.holding(symbol);
        let (position, cost, flat) = (held.signed, held.cost, held.is_flat());
        out.push(Effect::Record(Record::Fill {
            order,
            kind,
            theirs: whose == Whose::Theirs,
            symbol,
            side,
            fill: fill.clone(),
            realised: booked.realised,
            balance: self.account.balance(),
            position,
            cost,
        }));
        let now = self.now;
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.mark_chart(now, Some(fill.price), MarkKind::Fill(side));
            desk.exit_tries = 0;
            if flat {
                desk.exits = Exits::default();
            }
        }
        if flat && self.control.released.remove(&symbol) {
            out.push(Effect::Record(Record::Released { symbol, released: false }));
            let text = format!("{}: your position is closed; tickdeck may trade it again", self.name(symbol));
            self.tell(Level::Info, Kind::Account, Some(symbol), text, out);
        }
        if !booked.opened.is_zero() {
            self.control.flat_proven = None;
            self.control.close_proven &= whose == Whose::Theirs;
            self.protect(symbol);
        }
        self.follow_position(symbol, before, out);
        if booked.realised.is_negative() && whose == Whose::Ours {
            self.pause_entries(symbol, self.limits.span(LimitKey::CooldownAfterLoss));
        }
        let role = if fill.maker { "maker" } else { "taker" };
        let pnl = if booked.closed.is_zero() { String::new() } else { format!(" pnl {:.2}", Signed(booked.realised)) };
        let text = format!(
            "{} {} {} @ {} fee {:.4} ({role}){pnl}",
            self.name(symbol),
            side.word(),
            fill.qty,
            fill.price,
            fill.fee
        );
        self.tell(Level::Info, Kind::Fill, Some(symbol), text, out);
    }

    /// Whose trade is it? Where the exchange closes what our books do not hold, it was somebody else's.
    fn whose_trade(&self, kind: FillKind, symbol: Symbol, side: Side) -> Whose {
        let forced = matches!(kind, FillKind::Deleveraging | FillKind::Liquidation | FillKind::Settlement);
        let holds = self.account.holding(symbol).side() == Some(side.opposite());
        if forced && !holds { Whose::Theirs } else { self.whose(kind, symbol) }
    }

    /// What happens to a position of the person is theirs, also where our order does it for them.
    fn whose(&self, kind: FillKind, symbol: Symbol) -> Whose {
        let theirs = kind == FillKind::Outside || self.control.released.contains(&symbol);
        if theirs { Whose::Theirs } else { Whose::Ours }
    }

    fn book_funding(
        &mut self,
        symbol: Symbol,
        rate: Rate,
        amount: Money,
        settled: Option<&(String, Ts)>,
        out: &mut Effects,
    ) {
        let whose = self.whose(FillKind::Trade, symbol);
        self.account.book_funding(whose, amount);
        let (balance, theirs) = (self.account.balance(), whose == Whose::Theirs);
        let (settled, executed) = (settled.cloned(), settled.map(|(_, at)| *at));
        let late = settled.as_ref().filter(|(_, at)| self.now.since(*at) > LATE).map(|(_, at)| *at);
        out.push(Effect::Record(Record::Funding { theirs, settled, symbol, rate, amount, balance }));
        let due = late.map_or_else(String::new, |at| format!(", due {} while we were away", at.clock()));
        let text = format!("{} funding {:.4} at {:.4} bp{due}", self.name(symbol), Signed(amount), rate.bps_lossy());
        self.tell(Level::Info, Kind::Account, Some(symbol), text, out);
        self.explain_balance(executed, amount, out);
    }

    pub(super) fn on_account(&mut self, update: &AccountUpdate, out: &mut Effects) {
        match update {
            AccountUpdate::Funding { symbol, rate, amount, settled } => {
                self.book_funding(*symbol, *rate, *amount, settled.as_ref(), out);
            }
            AccountUpdate::Liquidated { kind, symbol, fill, side } => {
                self.book_fill((*kind, None), *symbol, *side, fill, out);
                let why = match kind {
                    FillKind::Deleveraging => "AUTO-DELEVERAGED: the exchange closed (part of) the position",
                    FillKind::Settlement => "SETTLED: the contract ended",
                    _ => "LIQUIDATED: margin ran out",
                };
                let text = format!("{} {why}", self.name(*symbol));
                self.tell(Level::Alarm, Kind::Account, Some(*symbol), text, out);
            }
            AccountUpdate::Covered { kind, order, symbol, side, fill } => {
                self.hear_covered((*kind, *order), *symbol, *side, fill, out);
            }
            AccountUpdate::Foreign { symbol, side, fill } => self.book_foreign(*symbol, *side, fill, out),
            AccountUpdate::Rescued { symbol, side, fill, link_id } => {
                self.book_fill((FillKind::Trade, None), *symbol, *side, fill, out);
                let name = self.name(*symbol).to_owned();
                let text =
                    format!("{name} {} {} @ {}: closed by the guardian ({link_id})", side.word(), fill.qty, fill.price);
                self.control.note(self.now, &text);
                self.tell(Level::Warn, Kind::Account, Some(*symbol), text, out);
            }
            AccountUpdate::Statement(statement) => {
                self.foreign_orders = statement.foreign_orders;
                self.reconcile(statement, out);
                self.verify_protection(statement, out);
                self.prove_flat(statement, out);
            }
            AccountUpdate::Opening(opening) => self.open_account(opening, out),
            AccountUpdate::Danger { symbol, liquidation, adl } => {
                if let Some(desk) = self.desks.get_mut(symbol.index()) {
                    desk.danger = Some((*liquidation, *adl));
                }
            }
            AccountUpdate::Strangers(listed) => self.list_strangers(listed, out),
            AccountUpdate::Outside(found) => self.on_outside(found, out),
            AccountUpdate::ErrandOver { errand, done, receipt } => self.end_errand(errand, *done, receipt, out),
            AccountUpdate::TiedOut(tally) => self.take_tally(tally.as_ref(), out),
            AccountUpdate::Protection { symbol, protection } => self.hear_protection(*symbol, *protection, out),
            AccountUpdate::Protected { symbol, side, fill, purpose } => {
                let (level, kind) = match purpose {
                    Purpose::TakeProfit => (Level::Info, FillKind::TakeProfit),
                    _ => (Level::Warn, FillKind::Stop),
                };
                let text = format!("{}: the {} at the venue closed {}", self.name(*symbol), purpose.word(), fill.qty);
                self.book_fill((kind, None), *symbol, *side, fill, out);
                self.tell(level, Kind::Fill, Some(*symbol), text, out);
            }
            AccountUpdate::Fees { symbol, maker, taker } => {
                if let Some(desk) = self.desks.get_mut(symbol.index()) {
                    desk.fees = Some(Fees { maker: *maker, taker: *taker });
                }
            }
        }
    }

    /// An execution of somebody else. A position that it opens or turns round belongs to the person.
    fn book_foreign(&mut self, symbol: Symbol, side: Side, fill: &Fill, out: &mut Effects) {
        if symbol.index() >= self.desks.len() {
            return;
        }
        let before = self.account.holding(symbol).signed;
        self.book_fill((FillKind::Outside, None), symbol, side, fill, out);
        let after = self.account.holding(symbol).signed;
        let name = self.name(symbol).to_owned();
        let text = format!("{name} {} {} @ {}: traded outside tickdeck", side.word(), fill.qty, fill.price);
        self.tell(Level::Warn, Kind::Account, Some(symbol), text, out);
        let theirs_now = after != 0 && (before == 0 || before.signum() != after.signum());
        if theirs_now && self.control.leave_alone(symbol) {
            out.push(Effect::Record(Record::Released { symbol, released: true }));
            let text = format!("{name}: the position is yours: shown, counted, not touched (adopt takes it over)");
            self.tell(Level::Warn, Kind::Account, Some(symbol), text, out);
        }
    }

    /// The venue's account as it is when we first hear of it. What our ledger does not explain belongs to the person:
    /// shown, counted in every limit, never touched.
    fn open_account(&mut self, opening: &Opening, out: &mut Effects) {
        let mut replaced = BTreeMap::new();
        for desk in &self.desks {
            let symbol = desk.symbol;
            let venue = opening.holdings.iter().find(|held| held.symbol == symbol).map_or(0, |held| held.signed);
            replaced.insert(symbol, Replaced { books: self.account.holding(symbol), venue, released: false });
        }
        let apart = opening.balance - self.account.balance();
        // A position that is as we left it keeps what we know of it: its exact cost, and since when it is open.
        let as_we_left_it = |theirs: &Holding| {
            let ours = self.account.holding(theirs.symbol);
            let apart = (ours.cost - theirs.cost).abs();
            let same = ours.signed == theirs.signed && apart <= theirs.cost.abs().times(COST_ROUNDS);
            if same { ours } else { theirs.clone() }
        };
        let holdings: Vec<Holding> = opening.holdings.iter().map(as_we_left_it).collect();
        self.account.open_with(opening.balance, &holdings);
        self.doubt_protection();
        out.push(Effect::Record(Record::Adopted { balance: opening.balance, holdings: Some(holdings) }));
        self.starting_balance = opening.balance;
        self.opening_totals = self.account.whole();
        self.end_choices(out);
        if self.account.open().next().is_some() {
            self.control.flat_proven = None;
        }
        self.foreign_orders = opening.foreign_orders;
        let mut differs = apart.abs() > self.settings.balance_tolerance;
        for strange in replaced.values_mut().filter(|replaced| replaced.books.signed != replaced.venue) {
            differs = true;
            self.take_over_strange(strange, out);
        }
        self.taken_over.open(replaced);
        if differs && self.control.resume.is_some() {
            self.disarm("the account differs after the restart", out);
            let text = "not armed again after the restart: ledger and venue differ; look first, then arm".to_owned();
            self.tell(Level::Warn, Kind::State, None, text, out);
        }
        let held: Vec<Symbol> = self.account.open().map(|held| held.symbol).collect();
        for symbol in held {
            self.protect(symbol);
        }
        if opening.foreign_orders > 0 {
            let text =
                format!("{} open order(s) at the venue are not ours: they are not touched", opening.foreign_orders);
            self.tell(Level::Warn, Kind::Account, None, text, out);
        }
        let text =
            format!("account at the venue: balance {:.2}, {} position(s)", opening.balance, opening.holdings.len());
        self.tell(Level::Info, Kind::Account, None, text, out);
        self.observe_equity(out);
        self.ask(out);
    }

    /// A position that our ledger does not explain.
    fn take_over_strange(&mut self, strange: &mut Replaced, out: &mut Effects) {
        let symbol = strange.books.symbol;
        let doubtful = self.orders.working_of(symbol).any(|order| order.state == OrderState::Unknown);
        let what = if strange.venue == 0 {
            "it was closed while we were away. It is gone from our books, our exits for it end, and what it brought is in the \
             venue's balance"
        } else {
            strange.released = self.control.leave_alone(symbol);
            if strange.released {
                out.push(Effect::Record(Record::Released { symbol, released: true }));
            }
            "it is yours now: shown, counted in every limit, not touched (adopt in the palette takes it back)"
        };
        let by = if doubtful {
            "; an order of ours may have done it: its outcome is asked for, and booked once the venue lists it"
        } else {
            "; no fill of ours explains it"
        };
        let (name, ours, venue) = (self.name(symbol), Position(strange.books.signed), Position(strange.venue));
        let text = format!("{name}: the venue holds {venue}, our ledger {ours}; {what}{by}");
        self.tell(Level::Warn, Kind::Account, Some(symbol), text, out);
    }

    /// Compares realised PnL, fees and funding with what the venue's own log adds up to. What it lists was told before it,
    /// so that a difference is one: shown, recorded, and nothing opens while it is more than rounding.
    fn take_tally(&mut self, tally: Option<&Tally>, out: &mut Effects) {
        let asked = std::mem::take(&mut self.tie_out_asked);
        let residual = tally.map(|tally| Residual::of(tally, &self.account.whole(), &self.opening_totals));
        let before = match self.tie_out {
            TieOut::Known { residual, .. } => Some(residual),
            TieOut::Nothing | TieOut::Unknown => None,
        };
        if before != residual || self.tie_out == TieOut::Unknown {
            out.push(Effect::Record(Record::Residual(residual)));
        }
        self.tie_out = residual.map_or(TieOut::Unknown, |residual| TieOut::Known { at: self.now, residual });
        if asked {
            let text = match residual {
                Some(residual) if residual == Residual::default() => "PnL ties out with the exchange's log".to_owned(),
                Some(residual) => format!("the exchange's log less our books: {residual}"),
                None => "PnL cannot be compared with the exchange's log now".to_owned(),
            };
            self.tell(Level::Info, Kind::Account, None, text, out);
        }
        let Some(residual) = residual else { return };
        let is_old = |cause: &&ReduceCause| matches!(cause, ReduceCause::Residual(_));
        let old: Vec<ReduceCause> = self.control.reducing.iter().filter(is_old).cloned().collect();
        let fits = residual.is_within(self.settings.balance_tolerance);
        let new = (!fits).then(|| ReduceCause::Residual(residual.to_string()));
        if fits && !old.is_empty() {
            let since = self.residual_since.take().map_or_else(String::new, |at| format!(" since {}", at.clock()));
            let text = format!(
                "PnL ties out again at {}: the exchange's log and our books list the same; what differed{since} is gone",
                self.now.clock()
            );
            self.tell(Level::Info, Kind::Account, None, text, out);
        }
        for cause in old.iter().filter(|cause| new.as_ref() != Some(cause)) {
            self.stop_reducing(cause, out);
        }
        if let Some(cause) = new {
            self.residual_since.get_or_insert(self.now);
            self.start_reducing(&cause, out);
        }
    }

    /// Compares our books with the venue's statement. The venue's reports arrive in order, so what it says here is
    /// exactly what its earlier reports add up to; anything else is a mismatch, shown, and nothing opens.
    fn reconcile(&mut self, statement: &Statement, out: &mut Effects) {
        if !self.account.is_known() {
            return;
        }
        let mut differences = Vec::new();
        for desk in &self.desks {
            let theirs = statement.positions.iter().find(|p| p.0 == desk.symbol).map_or(0, |p| p.1);
            let ours = self.account.holding(desk.symbol).signed;
            if theirs != ours {
                let (ours, theirs) = (Position(ours), Position(theirs));
                differences.push(format!("{} ours {ours} venue {theirs}", desk.instrument.name));
            }
        }
        let old: Vec<ReduceCause> = self
            .control
            .reducing
            .iter()
            .filter(|cause| matches!(cause, ReduceCause::Mismatch(_) | ReduceCause::ExternalEquity))
            .cloned()
            .collect();
        let mut causes = Vec::new();
        if !differences.is_empty() {
            causes.push(ReduceCause::Mismatch(differences.join(", ")));
        }
        // The venue rounds in its own way: what is within the tolerance is rounding, and its figure is the truth.
        let apart = statement.balance - self.account.balance();
        if apart.abs() <= self.settings.balance_tolerance {
            self.control.unexplained = None;
            self.adopt_balance(statement.balance, out);
        } else if let Some(since) = differences.is_empty().then(|| self.said_since(statement.balance)).flatten() {
            self.control.unexplained = None;
            self.adopt_balance(statement.balance, out);
            self.note_unexplained(since, apart);
            let text = format!(
                "the venue's balance is {:.2} and nothing we know explains {:.2} of it: taken over{}",
                statement.balance,
                Signed(apart),
                if apart.is_negative() { ", counted as a loss" } else { " as a deposit" }
            );
            self.tell(Level::Alarm, Kind::Account, None, text, out);
        } else {
            causes.push(ReduceCause::ExternalEquity);
        }
        for cause in old.iter().filter(|cause| !causes.contains(cause)) {
            self.stop_reducing(cause, out);
        }
        self.control.reconciled = true;
        // After an absence arming goes on only where nothing differed: a person looks first.
        let was_unknown = self.control.unreachable_since.is_some() || self.control.unknown_since.is_some();
        let opens = self.control.is_armed() || self.control.resume.is_some();
        if was_unknown && !causes.is_empty() && opens {
            self.disarm("the account differs after a time in which it was not known", out);
        }
        for cause in causes {
            self.start_reducing(&cause, out);
        }
    }
}

impl Engine {
    /// Takes over the venue's figure, as a row of its own.
    pub(super) fn adopt_balance(&mut self, balance: Money, out: &mut Effects) {
        if self.account.adopt_balance(balance) != Money::ZERO {
            out.push(Effect::Record(Record::Adopted { balance, holdings: None }));
        }
    }

    /// Since when the venue has said this balance, where it has said so often enough to believe it. Only where it has a wallet of
    /// its own.
    fn said_since(&mut self, balance: Money) -> Option<Ts> {
        if self.settings.balance_tolerance == Money::ZERO {
            return None;
        }
        let (times, since) = match self.control.unexplained {
            Some((said, times, since)) if said == balance => (times.saturating_add(1), since),
            _ => (1, self.now),
        };
        self.control.unexplained = Some((balance, times, since));
        (times >= SAID_OFTEN).then_some(since)
    }
}

/// How an execution of an order is booked: why it happened and by which order, instrument, side, execution.
type Book = fn(&mut Engine, (FillKind, Option<OrderSeq>), Symbol, Side, &Fill, &mut Effects);

/// Statements in a row, some seconds apart, after which an unexplained balance is the truth.
const SAID_OFTEN: u8 = 3;
/// Funding that is heard of later than this is said to be.
const LATE: Span = Span::from_secs(60);
/// A venue's average price is rounded: costs this near are the same. Farther apart, the venue realised something else than our
/// books on the way, and its balance goes with its own cost only.
const COST_ROUNDS: Rate = Rate::from_raw(1_000);

/// A signed position in raw [`Qty`] units, as text.
struct Position(i64);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Qty::from_raw(self.0.saturating_abs()))
    }
}

/// Money with its sign always written.
struct Signed(Money);

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.0.is_negative() {
            f.write_str("+")?;
        }
        match f.precision() {
            Some(places) => write!(f, "{:.places$}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
