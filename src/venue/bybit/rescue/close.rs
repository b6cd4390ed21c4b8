//! Step two: positions are closed and flat is proven. Every round reads the account anew; what a closing order did is what
//! the next reading shows. Each of them can only reduce and has an id of its own, so a doubtful one cannot over-close.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::orders::words;
use super::{Ending, Kind, ROUND_PAUSE, Receipt, Rescue, Seen, Whose, kind_of};
use crate::engine::num::{Price, Qty, Rate, Side};
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rest::market::InstrumentRow;
use crate::venue::bybit::parse::rows::{OrderRow, PositionRow};
use crate::venue::bybit::rest::{ClosingOrder, RestError};

/// How far from the middle the tries of a position go, in 1e-9 of price: 10, 30, 100 basis points, then market.
const BANDS: [i64; 3] = [1_000_000, 3_000_000, 10_000_000];
/// From this try on every second one leaves the quantity to the venue: ours may be what is refused.
const VENUE_SIZES: u32 = 5;
/// Orders for one position in one round: the largest quantity of an order bounds each.
const SPLITS_MAX: usize = 5;
/// Readings in a row that must show flat.
pub(super) const PROOFS: u32 = 2;
/// Between them, and after closing orders: fills and lists take a moment.
const FILLS_TAKE: Duration = Duration::from_millis(250);
/// How long what protected the positions may take to end, once they are closed.
const PROTECTION_TAKES: Duration = Duration::from_secs(15);

/// A position's leg: instrument and position index.
type Leg = (String, i64);

/// What is remembered between rounds: how often each leg was tried, and which rules are known. Never a size.
#[derive(Default)]
struct Memory {
    tries: BTreeMap<Leg, u32>,
    /// A reduce-only order that rests stands in the way.
    blocked: BTreeMap<Leg, bool>,
    rules: BTreeMap<String, InstrumentRow>,
    asked: BTreeMap<String, Instant>,
    sizes: BTreeMap<Leg, Qty>,
}

/// At its end, however it comes, nobody is kept back any more.
struct Guarding<'a>(&'a Rescue);

impl Drop for Guarding<'_> {
    fn drop(&mut self) {
        self.0.guard(false);
    }
}

impl Rescue {
    /// Cancels what can open, closes every position of `whose` and proves it by two readings, for at most this long.
    /// Protection ends last. Beside an engine nothing is proven while an order may arrive that left before the gate was shut.
    pub async fn close(&self, whose: &Whose, within: Duration, receipt: &mut Receipt) -> Ending {
        let began = Instant::now();
        let _guarding = Guarding(self);
        let mut memory = Memory::default();
        let mut proofs = 0;
        let settled = began + self.still_in_flight();
        receipt.note(&format!("closing {}, reduce-only", whose.positions()));
        loop {
            let mut ending = Ending { left: vec!["the account could not be read".to_owned()], ..Ending::default() };
            let counts = Instant::now() >= settled;
            match self.look().await {
                Ok(seen) => {
                    self.guard(true);
                    ending = self.judge(&seen, whose);
                    if !ending.left.is_empty() {
                        proofs = 0;
                        self.one_round(&seen, whose, &mut memory, receipt).await;
                    } else if !counts {
                        receipt.note("nothing is open; an order that left before the gate was shut may still arrive");
                    } else if proofs + 1 < PROOFS {
                        proofs += 1;
                        receipt.note(&format!("the exchange shows {} ({proofs} of {PROOFS})", ending.shown()));
                        tokio::time::sleep(FILLS_TAKE).await;
                    } else {
                        receipt.note(&format!("the exchange shows {} ({PROOFS} of {PROOFS})", ending.shown()));
                        return self.proven(seen.orders, whose, ending, receipt).await;
                    }
                }
                Err(error) => {
                    proofs = 0;
                    self.wait_after(&error, receipt).await;
                }
            }
            if began.elapsed() >= within {
                receipt.note(&format!("FLAT IS NOT PROVEN: {}", ending.left.join("; ")));
                return ending;
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    /// What is left to do, and what is not ours.
    fn judge(&self, seen: &Seen, whose: &Whose) -> Ending {
        let opening: Vec<String> = self.opening(&seen.orders.good, whose).map(words).collect();
        let no_openings = opening.is_empty() && !seen.orders.odd.iter().any(|odd| whose.has_unread(odd));
        let held = |ours: Option<bool>| {
            let open = seen.positions.good.iter().filter(|row| !row.size.is_zero());
            open.filter(move |row| whose.has_position(&row.symbol) == ours).map(holding)
        };
        let unread = seen.orders.odd.iter().chain(&seen.positions.odd).filter(|odd| whose.has_unread(odd));
        let unread = unread.map(ToString::to_string);
        let mut others = self.others(&seen.orders.good, whose);
        others.extend(held(Some(false)).map(|words| format!("position of others: {words}")));
        if matches!(whose, Whose::Instrument(_)) {
            others.clear();
        }
        let left = held(Some(true)).chain(opening).chain(unread).collect();
        Ending { no_openings, flat: None, left, others, unattributed: held(None).collect() }
    }

    /// Nothing of ours is open, for the second time: what protected it ends, and the receipt says what else is there.
    async fn proven(&self, orders: Rows<OrderRow>, whose: &Whose, ending: Ending, receipt: &mut Receipt) -> Ending {
        let at = receipt.now();
        for other in &ending.others {
            receipt.note(&format!("left alone: {other}"));
        }
        if !ending.unattributed.is_empty() {
            let open = ending.unattributed.join("; ");
            receipt.note(&format!("FLAT IS NOT PROVEN: {open}: not known to be ours, left"));
            return ending;
        }
        let left = self.end_protection(orders, whose, receipt).await;
        let what = match whose {
            Whose::Instrument(name) => format!("{name} "),
            _ if ending.others.is_empty() => String::new(),
            _ => "ours is ".to_owned(),
        };
        receipt.note(&format!("{what}FLAT, proven {}", at.clock()));
        if !left.is_empty() {
            receipt.note(&format!("NOT CANCELLED, cancel it at the exchange: {}", left.join("; ")));
        }
        Ending { flat: Some(at), left, ..ending }
    }

    /// Cancels what can only reduce until the venue lists none of it, for a bounded time; what is left, in words. It would act
    /// on the next position.
    async fn end_protection(&self, orders: Rows<OrderRow>, whose: &Whose, receipt: &mut Receipt) -> Vec<String> {
        let (began, mut asked) = (Instant::now(), BTreeMap::new());
        let (mut listed, mut left) = (Ok(orders), Vec::new());
        loop {
            match listed {
                Ok(rows) => {
                    let of_ours = |row: &&OrderRow| {
                        let closed = whose.has_position(&row.symbol) == Some(true);
                        kind_of(row) != Kind::Opens && closed && whose.has_order(row, &self.ours)
                    };
                    let rest: Vec<&OrderRow> = rows.good.iter().filter(of_ours).collect();
                    left = rest.iter().map(|row| words(row)).collect();
                    left.extend(rows.odd.iter().filter(|odd| whose.has_unread(odd)).map(ToString::to_string));
                    if left.is_empty() {
                        return left;
                    }
                    self.cancel_each(&rest, &mut asked, receipt).await;
                }
                Err(error) => self.wait_after(&error, receipt).await,
            }
            if began.elapsed() >= PROTECTION_TAKES {
                return left;
            }
            tokio::time::sleep(ROUND_PAUSE).await;
            listed = self.rest.open_orders().await;
        }
    }

    async fn one_round(&self, seen: &Seen, whose: &Whose, memory: &mut Memory, receipt: &mut Receipt) {
        let opening: Vec<&OrderRow> = self.opening(&seen.orders.good, whose).collect();
        self.cancel_each(&opening, &mut memory.asked, receipt).await;
        let open = seen.positions.good.iter();
        let open = open.filter(|row| !row.size.is_zero() && whose.has_position(&row.symbol) == Some(true));
        let mut sent = false;
        for row in open {
            sent |= self.close_leg(row, seen, whose, memory, receipt).await;
        }
        if sent {
            tokio::time::sleep(FILLS_TAKE).await;
        }
    }

    /// One try at one leg. `true` when an order may have left.
    async fn close_leg(
        &self,
        row: &PositionRow,
        seen: &Seen,
        whose: &Whose,
        memory: &mut Memory,
        receipt: &mut Receipt,
    ) -> bool {
        let Some(held) = row.side else { return false };
        let leg = (row.symbol.clone(), row.position_idx);
        if let Some(before) = memory.sizes.insert(leg.clone(), row.size).filter(|before| *before != row.size) {
            receipt.note(&format!("{}: {before} became {}", row.symbol, row.size));
        }
        let blocked = memory.blocked.remove(&leg).unwrap_or(false);
        let stands = |order: &&OrderRow| {
            order.symbol == row.symbol
                && order.position_idx == row.position_idx
                && kind_of(order) == Kind::Reduces
                && (blocked || whose.has_order(order, &self.ours))
        };
        let standing: Vec<&OrderRow> = seen.orders.good.iter().filter(stands).collect();
        self.cancel_each(&standing, &mut memory.asked, receipt).await;
        let tries = memory.tries.get(&leg).copied().unwrap_or(0);
        let orders = self.orders_of(row, held.opposite(), tries, memory).await;
        let mut left = false;
        for order in orders {
            let answer = self.rest.close(&order).await;
            receipt.note(&format!("{}: {}", order_words(&order, tries), answer_words(&answer)));
            memory.blocked.insert(leg.clone(), may_be_blocked(&answer, tries));
            left |= !matches!(answer, Err(RestError::Unsent(_)));
            if answer.is_err() {
                break;
            }
        }
        if left {
            memory.tries.insert(leg, tries.saturating_add(1));
        }
        left
    }

    /// The closing orders of this try. Without rules, or for a remainder that no order can name, the venue sizes it.
    async fn orders_of(&self, row: &PositionRow, side: Side, tries: u32, memory: &mut Memory) -> Vec<ClosingOrder> {
        let order = |qty: Qty, price: Option<Price>| ClosingOrder {
            symbol: row.symbol.clone(),
            link_id: self.next_link(),
            side,
            qty,
            price,
            position_idx: row.position_idx,
        };
        let whole = || vec![order(Qty::ZERO, None)];
        let Some(rules) = self.rules(&row.symbol, memory).await else { return whole() };
        let dust = row.size < rules.min_qty || row.size.floor_to(rules.step) != row.size;
        if dust || (tries >= VENUE_SIZES && tries % 2 == 1) {
            return whole();
        }
        let price = match BANDS.get(tries as usize) {
            Some(band) => self.priced(&rules, side, *band).await,
            None => None,
        };
        let most = rules.max_market_qty.unwrap_or(rules.max_qty).min(rules.max_qty).floor_to(rules.step);
        split(row.size, most).into_iter().map(|qty| order(qty, price)).collect()
    }

    async fn rules(&self, symbol: &str, memory: &mut Memory) -> Option<InstrumentRow> {
        if let Some(known) = memory.rules.get(symbol) {
            return Some(known.clone());
        }
        let rows = self.rest.instruments(Some(symbol)).await.ok()?;
        let found = rows.into_iter().find(|row| row.symbol == symbol)?;
        memory.rules.insert(symbol.to_owned(), found.clone());
        Some(found)
    }

    /// A price this far beyond the middle of the venue's own book; `None` (market) where it has none.
    async fn priced(&self, rules: &InstrumentRow, side: Side, band: i64) -> Option<Price> {
        let book = self.rest.order_book(&rules.symbol, 1).await.ok()?;
        let middle = book.bids.first()?.price.midpoint(book.asks.first()?.price);
        let tick = rules.tick.raw().max(1);
        let raw = match side {
            Side::Buy => {
                let raw = middle.shifted(Rate::from_raw(band)).raw();
                raw.saturating_add((tick - raw.rem_euclid(tick)) % tick)
            }
            Side::Sell => {
                let raw = middle.shifted(Rate::from_raw(-band)).raw();
                raw - raw.rem_euclid(tick)
            }
        };
        (raw > 0).then(|| Price::from_raw(raw))
    }
}

impl Ending {
    /// What a reading shows in which nothing is left to do.
    fn shown(&self) -> &'static str {
        match (self.unattributed.is_empty(), self.others.is_empty()) {
            (true, true) => "no position and no opening order",
            (true, false) => "no position and no opening order of ours",
            (false, _) => "no opening order of ours, and nothing that is known to be ours",
        }
    }
}

/// Parts of at most `most` each, as many as one round sends.
fn split(size: Qty, most: Qty) -> Vec<Qty> {
    if most.is_zero() {
        return vec![size];
    }
    let mut parts = Vec::new();
    let mut left = size;
    while !left.is_zero() && parts.len() < SPLITS_MAX {
        let part = left.min(most);
        parts.push(part);
        left = left.saturating_sub(part);
    }
    parts
}

fn holding(row: &PositionRow) -> String {
    let side = row.side.map_or("", Side::position);
    format!("{} {side} {}", row.symbol, row.size)
}

/// Was it refused for what rests beside it? 110017 says so (contract 4); when nothing else helped, any refusal may mean it.
const fn may_be_blocked(answer: &Result<Option<String>, RestError>, tries: u32) -> bool {
    matches!(answer, Err(RestError::Refused { code, .. }) if *code == 110_017 || tries as usize >= BANDS.len())
}

fn order_words(order: &ClosingOrder, tries: u32) -> String {
    let how = match (order.price, BANDS.get(tries as usize)) {
        (Some(price), Some(band)) => format!("IOC within {} bp, {price}", band / 100_000),
        _ => "market".to_owned(),
    };
    let qty = if order.qty.is_zero() { "all of it".to_owned() } else { order.qty.to_string() };
    format!("{} {} {qty} {how} ({})", order.symbol, order.side.word(), order.link_id)
}

fn answer_words(answer: &Result<Option<String>, RestError>) -> String {
    match answer {
        Ok(id) => id.as_ref().map_or_else(|| "taken".to_owned(), |id| format!("taken, order {id}")),
        Err(RestError::Ambiguous(why)) => format!("outcome unknown, the next reading shows it: {why}"),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_position_is_split_and_the_rest_waits_for_the_next_round() {
        let q = Qty::from_raw;
        assert_eq!(split(q(25), q(10)), [q(10), q(10), q(5)]);
        assert_eq!(split(q(7), q(10)), [q(7)]);
        assert_eq!(split(q(1_000), q(10)).len(), SPLITS_MAX);
        assert_eq!(split(q(7), Qty::ZERO), [q(7)], "without a maximum it is one order");
    }
}
