//! The way between a process and the exchange, and what the exchange does with what arrives.

use tickdeck::engine::effect::{Protection as Levels, TimeInForce};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::num::Qty;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::bybit::account::jobs::{Done, Heard};
use tickdeck::venue::bybit::codes::{Action, Op, classify};
use tickdeck::venue::bybit::parse::Rows;
use tickdeck::venue::bybit::parse::rest::orders::OrderRef;
use tickdeck::venue::bybit::rest::{Placement, RestError, Stage};
use tickdeck::venue::sim::exchange::model::{
    Kind, Leg, NewOrder, News as Told, Protection, Refusal, Slot, Status, Tif, TpslMode, Transfer, TriggerBy,
};
use tickdeck::venue::sim::exchange::orders::OrderName;
use tickdeck::venue::sim::exchange::protect::TradingStop;

use super::api::{Number, Query, Reply};
use super::process::CREATE_WINDOW;
use super::rows;
use super::world::{Item, News, World};

/// The longest wait for an answer.
const ANSWER_MAX: Span = Span::from_secs(5);
/// What is stamped lies this far in the past.
const BEHIND: Span = Span::from_ms(50);
/// How old a request that is no create may be.
const WINDOW: Span = Span::from_secs(5);
/// An opening order that has waited longer than this stays here.
const OPENING_KEEPS: Span = Span::from_ms(500);

/// A create or a cancel.
#[derive(Clone, Debug)]
pub struct Write {
    pub order: OrderSeq,
    what: What,
    /// Number of the request.
    number: u64,
    /// When it was wanted, local time.
    wanted: Ts,
    /// What it is stamped with, on the venue's clock.
    stamp: Ts,
}

#[derive(Clone, Debug)]
enum What {
    Create(Symbol, Placement),
    Cancel(String, String),
    Protect(Symbol, Levels),
    CancelById(Symbol, String),
}

impl Write {
    pub const fn protect(symbol: Symbol, levels: Levels) -> Self {
        Self { order: OrderSeq(0), what: What::Protect(symbol, levels), number: 0, wanted: Ts(0), stamp: Ts(0) }
    }
    pub const fn cancel_by_id(symbol: Symbol, id: String) -> Self {
        Self { order: OrderSeq(0), what: What::CancelById(symbol, id), number: 0, wanted: Ts(0), stamp: Ts(0) }
    }
    pub const fn create(order: OrderSeq, symbol: Symbol, placement: Placement) -> Self {
        Self { order, what: What::Create(symbol, placement), number: 0, wanted: Ts(0), stamp: Ts(0) }
    }
    pub const fn cancel(order: OrderSeq, symbol: String, link_id: String) -> Self {
        Self { order, what: What::Cancel(symbol, link_id), number: 0, wanted: Ts(0), stamp: Ts(0) }
    }

    fn done(&self, answer: Result<OrderRef, RestError>) -> Done {
        match &self.what {
            What::Create(symbol, _) => Done::Created(self.order, *symbol, answer),
            What::Cancel(..) => Done::Cancelled(self.order, answer),
            What::Protect(symbol, _) => Done::Protected(*symbol, answer.map(|_| ())),
            What::CancelById(symbol, id) => Done::CancelledById(*symbol, id.clone(), answer),
        }
    }
}

/// Levels as the exchange takes them: of the whole position, triggered by mark.
fn attached(levels: Levels) -> Protection {
    let leg = |price| Leg { price, by: TriggerBy::Mark, limit: None };
    Protection { mode: TpslMode::Full, take: levels.take_profit.map(leg), stop: levels.stop.map(leg) }
}

fn accepted() -> OrderRef {
    OrderRef { order_id: None, link_id: None }
}

fn unclear(why: &str) -> RestError {
    RestError::Ambiguous(why.into())
}

fn unreachable() -> RestError {
    RestError::Unreachable { stage: Stage::Timeout, detail: "nobody answered".into() }
}

/// As the REST client reads a code.
fn refused(op: Op, code: i64, message: &str) -> RestError {
    let verdict = classify(op, code, message);
    let said = RestError::Refused { code, verdict, message: message.to_owned() };
    if verdict.action == Action::Ambiguous && op != Op::Read { unclear(&said.to_string()) } else { said }
}

impl World {
    /// How long a message is on its way.
    fn way(&mut self) -> Span {
        if self.chance.permille(self.weather.slow) { self.chance.span(800, 7_000) } else { self.chance.span(1, 60) }
    }

    /// A write is wanted: it leaves when there is room for it.
    pub fn write(&mut self, mut write: Write) {
        let Some(process) = &self.process else { return };
        write.wanted = process.local(self.now);
        self.numbers += 1;
        write.number = self.numbers;
        self.waiting.insert(write.number);
        let room = if self.chance.permille(30) { self.chance.span(20, 800) } else { self.chance.span(0, 3) };
        let leaves = self.now + room;
        self.tell_life(leaves, Item::Leave(write));
    }

    fn answer(&mut self, at: Ts, write: &Write, answer: Result<OrderRef, RestError>) {
        self.tell_life(at, Item::Hear(News::Done(write.number, write.done(answer))));
    }

    /// The last moment before the wire.
    pub fn leave(&mut self, mut write: Write) {
        let Some(process) = &self.process else { return };
        let local = process.local(self.now);
        if let What::Create(_, placement) = &write.what {
            let client = process.client();
            // As the client's last look does, by the same pass; its age counts in virtual time.
            let shut = client.passes.get(&write.order).is_none_or(|pass| !pass.stands());
            let withdrawn = shut || client.withdrawn.contains(&write.order);
            drop(client);
            let old = !placement.reduce_only && local.since(write.wanted) > OPENING_KEEPS;
            if withdrawn || old {
                return self.answer(self.now, &write, Err(RestError::Unsent("it is not wanted any more".into())));
            }
        }
        if process.banned(self.now).is_some() {
            return self.answer(self.now, &write, Err(RestError::Unsent("the exchange refuses this address".into())));
        }
        write.stamp = local + process.reads.api.wires().ahead - BEHIND;
        if self.chance.permille(self.weather.unsent) {
            let fails = self.now + self.chance.span(5, 4_000);
            return self.answer(fails, &write, Err(RestError::Unsent("no connection".into())));
        }
        if let What::Create(_, placement) = &write.what {
            let placement = placement.clone();
            self.truth_leaves(&placement);
            self.say(|| {
                let (side, qty, price) = (placement.side.word(), placement.qty, placement.price);
                let link = &placement.link_id;
                let (symbol, reduce, how) = (&placement.symbol, placement.reduce_only, placement.tif.word());
                format!("create {link} {symbol} {side} {qty} @ {price} {how} reduce={reduce}")
            });
        }
        let gives_up = self.now + ANSWER_MAX;
        self.answer(gives_up, &write, Err(unclear("no answer in time")));
        if self.cut || self.chance.permille(self.weather.lost_there) {
            return self.truth.lost(&write_link(&write));
        }
        let there = self.now + self.way();
        let life = Item::Arrive(write);
        self.tell_life(there, life);
    }

    /// A write arrives, also one of a process that is gone.
    pub fn arrive(&mut self, life: Option<u32>, write: &Write) {
        let link = write_link(write);
        let lives = self.process.as_ref().map(|process| process.life);
        if self.is_banned() {
            self.truth.lost(&link);
            if life == lives {
                self.note_ban();
                let back = self.now + self.way();
                self.answer(back, write, Err(unclear("HTTP 403")));
            }
            return;
        }
        let fate = self.fate();
        let answer = match (&write.what, fate) {
            (What::Create(..), Fate::Failed) => {
                self.truth.lost(&link);
                Err(unclear("HTTP 502"))
            }
            (What::Create(..), Fate::Limited) => {
                self.truth.lost(&link);
                Err(refused(Op::Create, 10_006, "too many visits"))
            }
            (What::Create(_, placement), _) => self.create(&placement.clone(), write.stamp),
            (_, Fate::Failed) => Err(unclear("HTTP 502")),
            (_, Fate::Limited) => Err(refused(Op::Cancel, 10_006, "too many visits")),
            (What::Cancel(symbol, link), _) => self.cancel(&symbol.clone(), &link.clone(), write.stamp),
            (What::Protect(symbol, levels), _) => self.protect(*symbol, *levels),
            (What::CancelById(symbol, id), _) => {
                let name = OrderName { id: id.clone(), link: String::new() };
                let done = self.exchange.cancel(self.now, *symbol, &name);
                done.map(|_| accepted()).map_err(|no| refused(Op::Cancel, no.code, &no.message))
            }
        };
        self.publish();
        let answer = if matches!(fate, Fate::DoneAndFailed) { Err(unclear("HTTP 502")) } else { answer };
        if life != lives || self.cut || matches!(fate, Fate::Unheard) {
            return;
        }
        let back = self.now + self.way();
        self.answer(back, write, answer);
    }

    fn fate(&mut self) -> Fate {
        let weather = self.weather.clone();
        let fates = [
            (weather.failed_before, Fate::Failed),
            (weather.limited, Fate::Limited),
            (weather.failed_after, Fate::DoneAndFailed),
            (weather.lost_back, Fate::Unheard),
        ];
        fates.into_iter().find(|(times, _)| self.chance.permille(*times)).map_or(Fate::Well, |(_, fate)| fate)
    }

    /// A stamp that the exchange takes, or the refusal.
    fn in_time(&self, op: Op, stamp: Ts, window: Span) -> Result<(), RestError> {
        let age = self.now.since(stamp);
        let fits = age <= window && age >= Span::from_ms(-1_000);
        if fits { Ok(()) } else { Err(refused(op, 10_002, "invalid request, please check your server timestamp")) }
    }

    fn create(&mut self, placement: &Placement, stamp: Ts) -> Result<OrderRef, RestError> {
        self.truth.arrives(&placement.link_id);
        self.in_time(Op::Create, stamp, CREATE_WINDOW)?;
        self.exchange.late_rejects = u32::from(self.chance.permille(self.weather.rejected_late));
        let Some(symbol) = self.exchange.symbol(&placement.symbol) else {
            return Err(refused(Op::Create, 10_001, "symbol invalid"));
        };
        let at_market = placement.tif == TimeInForce::CloseAtMarket;
        let ask = NewOrder {
            slot: Slot { symbol, idx: 0 },
            side: placement.side,
            kind: if at_market { Kind::Market } else { Kind::Limit },
            // The venue sizes it.
            qty: if at_market { Qty::ZERO } else { placement.qty },
            price: (!at_market).then_some(placement.price),
            tif: match placement.tif {
                TimeInForce::ImmediateOrCancel | TimeInForce::CloseAtMarket => Tif::Ioc,
                TimeInForce::PostOnly => Tif::PostOnly,
                TimeInForce::GoodTillCancel => Tif::Gtc,
            },
            link: placement.link_id.clone(),
            reduce_only: placement.reduce_only,
            close_on_trigger: at_market,
            trigger: None,
            protection: attached(placement.protection),
            slippage: None,
        };
        let placed = self.exchange.create(self.now, ask);
        self.exchange.late_rejects = 0;
        let answer = placed.map(|_| accepted()).map_err(|no: Refusal| refused(Op::Create, no.code, &no.message));
        self.say(|| match &answer {
            Ok(_) => format!("        taken {}", placement.link_id),
            Err(error) => format!("        refused {}: {error}", placement.link_id),
        });
        answer
    }

    fn protect(&mut self, symbol: Symbol, levels: Levels) -> Result<OrderRef, RestError> {
        let wanted = attached(levels);
        let asked = TradingStop { take: wanted.take, stop: wanted.stop, ..TradingStop::default() };
        let done = self.exchange.trading_stop(Slot { symbol, idx: 0 }, &asked);
        done.map(|()| accepted()).map_err(|no| refused(Op::Setting, no.code, &no.message))
    }

    fn cancel(&mut self, symbol: &str, link: &str, stamp: Ts) -> Result<OrderRef, RestError> {
        self.in_time(Op::Cancel, stamp, WINDOW)?;
        let name = OrderName { id: String::new(), link: link.to_owned() };
        let fresh =
            self.exchange.orders.find(&name).is_some_and(|order| self.now.since(order.created) < Span::from_ms(150));
        if fresh && self.chance.permille(self.weather.unseen) {
            return Err(refused(Op::Cancel, 110_001, "order not exists or too late to cancel"));
        }
        let Some(symbol) = self.exchange.symbol(symbol) else {
            return Err(refused(Op::Cancel, 10_001, "symbol invalid"));
        };
        let done = self.exchange.cancel(self.now, symbol, &name);
        done.map(|_| accepted()).map_err(|no| refused(Op::Cancel, no.code, &no.message))
    }

    /// A read goes out.
    pub fn read(&mut self, number: Number, query: Query) {
        if let Query::Pause(span) = query {
            return self.tell_life(self.now + span, Item::Hear(News::Reply(number, Reply::Done)));
        }
        let banned = self.process.as_ref().and_then(|process| process.banned(self.now));
        if let Some(until) = banned.filter(|_| query != Query::Retry) {
            return self
                .tell_life(self.now, Item::Hear(News::Reply(number, Reply::Failed(RestError::Banned { until }))));
        }
        if self.cut {
            let fails = self.now + self.chance.span(5, 5_000);
            return self.tell_life(fails, Item::Hear(News::Reply(number, Reply::Failed(unreachable()))));
        }
        let lost = self.chance.permille(self.weather.lost_there);
        let there = self.now + if lost { ANSWER_MAX } else { self.way() };
        if lost {
            return self.tell_life(there, Item::Hear(News::Reply(number, Reply::Failed(unreachable()))));
        }
        self.tell_life(there, Item::Asked(number, query));
    }

    /// A read arrives.
    pub fn asked(&mut self, life: Option<u32>, number: Number, query: &Query) {
        let lives = self.process.as_ref().map(|process| process.life);
        if life != lives {
            return;
        }
        let fate = if self.is_banned() { Fate::Well } else { self.fate() };
        let reply = match fate {
            _ if self.is_banned() => Reply::Failed(RestError::Banned { until: self.note_ban() }),
            Fate::Failed | Fate::DoneAndFailed => {
                Reply::Failed(RestError::Unreachable { stage: Stage::Http, detail: "HTTP 502".into() })
            }
            Fate::Limited => Reply::Failed(refused(Op::Read, 10_006, "too many visits")),
            Fate::Unheard => Reply::Failed(unreachable()),
            Fate::Well => self.reply(query),
        };
        let heard = matches!(&reply, Reply::Failed(RestError::Unreachable { stage: Stage::Timeout, .. }));
        let back = self.now + if heard { ANSWER_MAX } else { self.way() };
        self.tell_life(back, Item::Hear(News::Reply(number, reply)));
    }

    fn reply(&mut self, query: &Query) -> Reply {
        let lag = Span::from_ms(if self.weather.list_lag_ms > 0 {
            self.chance.between(0, self.weather.list_lag_ms)
        } else {
            0
        });
        let shown = self.now - lag;
        let exchange = &self.exchange;
        let find = |link: &str| exchange.orders.find(&OrderName { id: String::new(), link: link.to_owned() });
        match query {
            Query::Time => Reply::Time(self.now),
            Query::Key | Query::Retry | Query::Pause(_) => Reply::Done,
            Query::OpenOrders => {
                let open = exchange.orders.open().filter(|order| order.created <= shown);
                Reply::Orders(open.map(|order| rows::order(exchange, order)).collect())
            }
            Query::OrderNow(link) => {
                let order = find(link).filter(|order| order.created <= shown);
                Reply::Order(order.map(|order| rows::order(exchange, order)))
            }
            Query::OrderPast(link) => {
                let order = find(link).filter(|order| order.updated <= shown && is_over(order.status));
                Reply::Order(order.map(|order| rows::order(exchange, order)))
            }
            Query::Cancel(symbol, link) => match self.cancel(&symbol.clone(), &link.clone(), self.now) {
                Ok(_) => {
                    self.publish();
                    Reply::Done
                }
                Err(error) => Reply::Failed(error),
            },
            Query::Wallet => Reply::Wallet(rows::wallet(exchange.account.balance)),
            Query::Positions => {
                Reply::Positions(exchange.held().map(|position| rows::position(exchange, position)).collect())
            }
            Query::PositionsOf(symbol) => {
                let Some(symbol) = exchange.symbol(symbol) else { return Reply::Positions(Vec::new()) };
                let slots = exchange.account.slots(symbol);
                let all = slots.into_iter().map(|slot| exchange.account.position(slot));
                Reply::Positions(all.map(|position| rows::position(exchange, &position)).collect())
            }
            Query::ExecutionsOf(link) => {
                let own = exchange.executions.iter().filter(|row| row.link == *link && row.at <= shown);
                Reply::Executions(own.map(|row| rows::execution(exchange, row)).collect())
            }
            Query::Log(from, to) => {
                let listed = |line: &&Transfer| line.at <= shown && (*from..=*to).contains(&line.at.as_ms());
                let lines = exchange.account.log.iter().filter(listed);
                Reply::Log(lines.map(|line| rows::transaction(exchange, line)).collect())
            }
            Query::ExecutionsSince(start) => {
                let late = exchange.executions.iter().filter(|row| row.at.as_ms() >= *start && row.at <= shown);
                Reply::Executions(late.map(|row| rows::execution(exchange, row)).collect())
            }
        }
    }

    /// The private stream tells what happened.
    pub fn publish(&mut self) {
        let told = self.exchange.take_news();
        for news in &told {
            if let Told::Execution(row) = news {
                self.say(|| format!("        traded {} {} {} @ {}", row.link, row.side.word(), row.qty, row.price));
            }
        }
        if !self.process.as_ref().is_some_and(|process| process.stream_up) {
            return;
        }
        for news in told {
            let heard = match news {
                Told::Order(order) => Heard::Orders(one(rows::order(&self.exchange, &order))),
                Told::Execution(execution) => Heard::Executions(one(rows::execution(&self.exchange, &execution))),
                Told::Position(position) => Heard::Positions(one(rows::position(&self.exchange, &position))),
                Told::Wallet => continue,
            };
            if self.chance.permille(self.weather.push_lost) {
                continue;
            }
            if self.chance.permille(self.weather.push_twice) {
                self.push(heard.clone());
            }
            self.push(heard);
        }
    }

    fn push(&mut self, heard: Heard) {
        let mut there = self.now + self.chance.span(2, 40);
        if self.chance.permille(self.weather.push_late) {
            there = there + self.chance.span(5, 3_000);
        } else {
            there = there.max(self.last_push);
            self.last_push = there;
        }
        self.tell_life(there, Item::Hear(News::Private(heard)));
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Well,
    Failed,
    Limited,
    DoneAndFailed,
    Unheard,
}

fn one<T>(row: T) -> Rows<T> {
    Rows { good: vec![row], odd: Vec::new() }
}

const fn is_over(status: Status) -> bool {
    !status.is_open()
}

fn write_link(write: &Write) -> String {
    match &write.what {
        What::Create(_, placement) => placement.link_id.clone(),
        What::Cancel(_, link) => link.clone(),
        What::Protect(..) | What::CancelById(..) => String::new(),
    }
}
