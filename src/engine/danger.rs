//! What can hurt a position from outside, and how near it is: liquidation, auto-deleveraging, funding, the venue's price
//! band, the end of the contract, what the venue forbids now, and the distance of its clock from ours.
//!
//! What is not known is a row of its own level, never a number.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::account::Holding;
use super::desk::Desk;
use super::ids::{Account, Market, Symbol};
use super::market::instrument::InstrumentStatus;
use super::num::{Money, Price, Rate, Side, UNIT};
use super::risk::limits::LimitKey;
use super::risk::state::ReduceCause;
use super::snapshot::Protected;
use super::time::{Span, Ts};

/// One percent as a raw [`Rate`].
const PERCENT: i64 = 10_000_000;
/// Distance of mark from the liquidation price. A tenth is a day's ordinary move of the coins we trade; half of that is
/// an hour's in a storm.
const LIQUIDATION: Steps = Steps { warn: 10 * PERCENT, alarm: 5 * PERCENT };
/// Place in the deleveraging queue, of 5: the last but one, and the next to be reduced.
const ADL: Steps = Steps { warn: 4, alarm: 5 };
/// A settlement this near can no longer be avoided by an ordinary exit.
const FUNDING_NEAR: Span = Span::from_secs(600);
/// Cost of a settlement as a part of the position: about one taker fee, and the default distance of a stop.
const FUNDING: Steps = Steps { warn: PERCENT / 20, alarm: 3 * PERCENT / 10 };
/// Room between the book's middle and the edge of the venue's band on the side of an exit: the third and the first try
/// of the close loop reach this far.
const BAND: Steps = Steps { warn: PERCENT, alarm: PERCENT / 10 };
/// Time left to the end of a contract, in milliseconds: a week to leave in calm, a day to leave at all.
const DELISTING: Steps = Steps { warn: 7 * 86_400_000, alarm: 86_400_000 };
/// Distance of the clocks in milliseconds that is a quarter of what the venue takes (contract 2).
pub const CLOCK_WARN_MS: i64 = 250;
/// Distance of the clocks in milliseconds at which the venue refuses requests (contract 2).
pub const CLOCK_ALARM_MS: i64 = 1000;
const CLOCK: Steps = Steps { warn: CLOCK_WARN_MS, alarm: CLOCK_ALARM_MS };

/// Where a measure begins to matter.
#[derive(Clone, Copy)]
struct Steps {
    warn: i64,
    alarm: i64,
}

impl Steps {
    /// The smaller the worse: below a step.
    const fn below(self, value: i64) -> DangerLevel {
        match value {
            v if v < self.alarm => DangerLevel::Alarm,
            v if v < self.warn => DangerLevel::Warn,
            _ => DangerLevel::Ok,
        }
    }
    /// The larger the worse: at a step.
    const fn reached(self, value: i64) -> DangerLevel {
        match value {
            v if v >= self.alarm => DangerLevel::Alarm,
            v if v >= self.warn => DangerLevel::Warn,
            _ => DangerLevel::Ok,
        }
    }
    /// The larger the worse: above a step.
    const fn above(self, value: i64) -> DangerLevel {
        match value {
            v if v > self.alarm => DangerLevel::Alarm,
            v if v > self.warn => DangerLevel::Warn,
            _ => DangerLevel::Ok,
        }
    }
}

/// Where a position is liquidated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LiquidationAt {
    /// Nobody has said.
    Unknown,
    /// No price does it.
    NoPrice,
    /// Here.
    Price(Price),
}

impl LiquidationAt {
    /// The price, where there is one.
    pub(super) const fn price(self) -> Option<Price> {
        match self {
            Self::Price(price) => Some(price),
            Self::Unknown | Self::NoPrice => None,
        }
    }
}

/// How bad it is, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum DangerLevel {
    /// Far away.
    Ok,
    /// Not known now.
    Unknown,
    /// Look at it.
    Warn,
    /// Act.
    Alarm,
}

/// One danger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DangerRow {
    /// Whose; `None` concerns everything.
    pub symbol: Option<Symbol>,
    /// Venue name of the instrument, empty where it concerns everything.
    pub name: String,
    /// How bad.
    pub level: DangerLevel,
    /// What, with its numbers.
    pub danger: Danger,
}

/// Kinds of danger with their numbers; a number that is `None` is not known, unless said otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Danger {
    /// The position is closed by the venue when mark gets there.
    Liquidation {
        /// The price; `None` at level [`DangerLevel::Ok`] means that no price does it.
        price: Option<Price>,
        /// From mark to there, as a part of mark; not above zero when it is reached.
        distance: Option<Rate>,
        /// Our own estimate, not the venue's statement.
        estimate: bool,
    },
    /// The venue reduces the most profitable and most leveraged positions when its insurance fund is empty.
    Deleveraging {
        /// Place in the queue, 0 (none) to 5 (next).
        rank: Option<u8>,
    },
    /// The insurance pool behind the instrument has lost much: then the queue above begins to move.
    Pool {
        /// Its result over eight hours as a part of it.
        result: Rate,
        /// The result at which deleveraging starts.
        starts: Rate,
        /// Nothing is left of it: deleveraging starts whatever its result.
        empty: bool,
    },
    /// The next funding settlement.
    Funding {
        /// Rate of the settlement; longs pay a positive one.
        rate: Option<Rate>,
        /// Time to the settlement.
        left: Option<Span>,
        /// What it costs the position in quote currency, negative when it receives; `None` also where nothing is held.
        cost: Option<Money>,
    },
    /// Prices that the venue takes end here.
    Band {
        /// Room above the book's middle for a buy, as a part of it.
        above: Option<Rate>,
        /// Room below the book's middle for a sell.
        below: Option<Rate>,
        /// The side that an exit needs, where something is held.
        exit: Option<Side>,
    },
    /// The contract ends.
    Delisting {
        /// Time to the end; negative when it is past.
        left: Span,
    },
    /// It does not trade now.
    Halted,
    /// Its rules are not known, or the venue does not list it.
    Unlisted,
    /// The venue, or the way to it, forbids opening.
    Hold {
        /// Name of the reason.
        code: String,
        /// The numbers and what to do.
        detail: String,
    },
    /// No stop at the venue closes the position, whatever becomes of this program.
    NoStop {
        /// That is the person's choice, or the position is.
        yours: bool,
    },
    /// The venue shows another position than our books: both.
    Unresolved {
        /// In words.
        what: String,
    },
    /// Killed or tripped with positions open: nothing but stops runs for them.
    LeftOpen {
        /// How many.
        open: usize,
    },
    /// Others have positions in instruments outside the run, of which nothing here looks after.
    Outside {
        /// How many.
        open: usize,
    },
    /// The venue's clock minus ours.
    Clock {
        /// As last measured.
        offset: Option<Span>,
    },
}

impl Engine {
    /// Dangers of the instrument in front, of every open position and of the account, worst first.
    pub(super) fn danger_rows(&self, front: Symbol) -> Vec<DangerRow> {
        let mut rows = Vec::new();
        for desk in &self.desks {
            let held = self.account.holding(desk.symbol);
            if held.is_flat() && desk.symbol != front {
                continue;
            }
            let found = [
                self.no_stop(desk, &held),
                self.liquidation(desk, &held),
                self.deleveraging(desk, &held),
                self.pool(desk),
                self.funding(desk, &held),
                self.price_band(desk, &held),
                self.listing(desk),
            ];
            // Where nothing is held there is nothing to act on.
            let worst = if held.is_flat() { DangerLevel::Warn } else { DangerLevel::Alarm };
            let row = |(level, danger): (DangerLevel, Danger)| DangerRow {
                symbol: Some(desk.symbol),
                name: desk.instrument.name.clone(),
                level: level.min(worst),
                danger,
            };
            rows.extend(found.into_iter().flatten().map(row));
        }
        rows.extend(self.left_open());
        rows.extend(self.holds());
        rows.extend(self.clock().map(|(level, danger)| DangerRow { symbol: None, name: String::new(), level, danger }));
        // The account's own come first among equals: they concern every position, and there are few of them.
        rows.sort_by_key(|row| (std::cmp::Reverse(row.level), row.symbol.is_some()));
        rows
    }

    /// Is the account one of the venue's, so that what it states counts?
    pub(super) fn is_venue_account(&self) -> bool {
        self.pair.account() != Account::Paper
    }

    /// The mark price, while the market connection is alive.
    fn fresh_mark(&self, desk: &Desk) -> Option<Price> {
        let oldest = self.limits.span(LimitKey::MaxDataAgeMs);
        desk.mark().filter(|_| self.feed_age().is_some_and(|age| age <= oldest))
    }

    /// Where a position is liquidated: the venue's figure, for the paper account our own estimate.
    pub(super) fn stated_liquidation(&self, desk: &Desk) -> LiquidationAt {
        let at = |price: Option<Price>| price.map_or(LiquidationAt::NoPrice, LiquidationAt::Price);
        if self.is_venue_account() {
            let heard = stated(desk).filter(|_| self.control.unreachable_since.is_none());
            return heard.map_or(LiquidationAt::Unknown, |(price, _)| at(price));
        }
        if self.fresh_mark(desk).and(self.equity_now()).is_none() {
            return LiquidationAt::Unknown;
        }
        at(self.account.liquidation_price(desk.symbol, &self.instruments, |symbol| self.mark(symbol)))
    }

    fn no_stop(&self, desk: &Desk, held: &Holding) -> Option<(DangerLevel, Danger)> {
        held.side()?;
        match self.protected(desk) {
            Protected::None => Some((DangerLevel::Alarm, Danger::NoStop { yours: false })),
            Protected::Yours => Some((DangerLevel::Warn, Danger::NoStop { yours: true })),
            _ if self.is_left_bare(desk) => Some((DangerLevel::Warn, Danger::NoStop { yours: true })),
            _ => None,
        }
    }

    /// A position of the person at the venue that no stop is known for.
    fn is_left_bare(&self, desk: &Desk) -> bool {
        let stopped = matches!(self.protected(desk), Protected::Stop(_) | Protected::Far(_));
        self.is_venue_account() && self.control.released.contains(&desk.symbol) && !stopped
    }

    /// What is open beside what is looked after.
    fn left_open(&self) -> Vec<DangerRow> {
        let row = |level, danger| DangerRow { symbol: None, name: String::new(), level, danger };
        let unresolved = self.unresolved().map(|what| Danger::Unresolved { what: what.to_owned() });
        let mut rows: Vec<DangerRow> = unresolved.map(|danger| row(DangerLevel::Alarm, danger)).collect();
        let open = self.account.open().filter(|held| !self.control.released.contains(&held.symbol)).count();
        if self.control.latch.is_some() && open > 0 {
            rows.push(row(DangerLevel::Warn, Danger::LeftOpen { open }));
        }
        let open = self.outside.positions();
        if open > 0 {
            rows.push(row(DangerLevel::Unknown, Danger::Outside { open }));
        }
        rows
    }

    fn liquidation(&self, desk: &Desk, held: &Holding) -> Option<(DangerLevel, Danger)> {
        let side = held.side()?;
        let (mark, estimate) = (self.fresh_mark(desk), !self.is_venue_account());
        let stated = self.stated_liquidation(desk);
        let price = stated.price();
        let distance = price.zip(mark).and_then(|(price, mark)| {
            let room = i128::from(mark.raw()) - i128::from(price.raw());
            part(room * i128::from(side.sign()), mark)
        });
        let level = match (stated, distance) {
            (LiquidationAt::NoPrice, _) => DangerLevel::Ok,
            (_, Some(distance)) => LIQUIDATION.below(distance.raw()),
            _ => DangerLevel::Unknown,
        };
        Some((level, Danger::Liquidation { price, distance, estimate }))
    }

    /// Only a venue's account stands in the queue.
    fn deleveraging(&self, desk: &Desk, held: &Holding) -> Option<(DangerLevel, Danger)> {
        held.side().filter(|_| self.is_venue_account())?;
        let heard = stated(desk).filter(|_| self.control.unreachable_since.is_none());
        let rank = heard.map(|(_, rank)| rank);
        let level = rank.map_or(DangerLevel::Unknown, |rank| ADL.reached(i64::from(rank)));
        Some((level, Danger::Deleveraging { rank }))
    }

    /// Worth a row only where it is near: the pool of an ordinary day says nothing to anybody.
    fn pool(&self, desk: &Desk) -> Option<(DangerLevel, Danger)> {
        let oldest = self.limits.span(LimitKey::MaxDataAgeMs);
        let pool = desk.pool.filter(|_| self.feed_age().is_some_and(|age| age <= oldest))?;
        let level = match (pool.empty, pool.low) {
            (true, _) => DangerLevel::Alarm,
            (false, true) => DangerLevel::Warn,
            (false, false) if pool.result <= pool.starts => DangerLevel::Alarm,
            (false, false) if pool.result <= pool.stops => DangerLevel::Warn,
            (false, false) => return None,
        };
        Some((level, Danger::Pool { result: pool.result, starts: pool.starts, empty: pool.empty }))
    }

    fn funding(&self, desk: &Desk, held: &Holding) -> Option<(DangerLevel, Danger)> {
        let (facts, mark) = (desk.ticker.facts(), self.fresh_mark(desk));
        if desk.instrument.funding_interval_s == 0 {
            return None;
        }
        let rate = facts.funding_rate.filter(|_| mark.is_some());
        let left = facts.next_funding.map(|at| at.since(self.now)).filter(|left| left.0 >= 0);
        let Some(side) = held.side() else {
            return rate.map(|_| (DangerLevel::Ok, Danger::Funding { rate, left, cost: None }));
        };
        let share = rate.map(|rate| if side == Side::Buy { rate } else { -rate });
        let cost = mark.zip(share).map(|(mark, share)| (mark * held.qty()).times(share));
        let level = match (share, left) {
            (Some(share), Some(left)) if left < FUNDING_NEAR => FUNDING.above(share.raw()),
            (Some(_), Some(_)) => DangerLevel::Ok,
            _ => DangerLevel::Unknown,
        };
        Some((level, Danger::Funding { rate, left, cost }))
    }

    /// A band that is not known is worth a row only where an exit needs it: at the venue, with something held.
    fn price_band(&self, desk: &Desk, held: &Holding) -> Option<(DangerLevel, Danger)> {
        let exit = held.side().map(Side::opposite);
        let mid = desk.book.mid();
        let room = |edge: Price, middle: Price| i128::from(edge.raw()) - i128::from(middle.raw());
        let above = desk.band.zip(mid).and_then(|((buy_max, _), mid)| part(room(buy_max, mid), mid));
        let below = desk.band.zip(mid).and_then(|((_, sell_min), mid)| part(-room(sell_min, mid), mid));
        let needed = match exit {
            Some(Side::Buy) => above,
            Some(Side::Sell) => below,
            None => above.zip(below).map(|(above, below)| above.min(below)),
        };
        let level = match needed {
            Some(room) => BAND.below(room.raw()),
            None if exit.is_some() && self.is_venue_account() => DangerLevel::Unknown,
            None => return None,
        };
        Some((level, Danger::Band { above, below, exit }))
    }

    fn listing(&self, desk: &Desk) -> Option<(DangerLevel, Danger)> {
        let ends: Option<Ts> = desk.instrument.delivery;
        match (desk.instrument.status, ends) {
            (InstrumentStatus::Halted, _) => Some((DangerLevel::Alarm, Danger::Halted)),
            (_, Some(at)) => {
                let left = at.since(self.now);
                Some((DELISTING.below(left.as_ms()), Danger::Delisting { left }))
            }
            (InstrumentStatus::Unknown, None) => Some((DangerLevel::Unknown, Danger::Unlisted)),
            (InstrumentStatus::Trading, None) => None,
        }
    }

    /// What the venue forbids now. It stops opening only, so that it is a warning, not an alarm.
    fn holds(&self) -> impl Iterator<Item = DangerRow> + '_ {
        self.control.reducing.iter().filter_map(|cause| {
            let ReduceCause::Venue { code, symbol, detail } = cause else { return None };
            let name =
                symbol.and_then(|symbol| self.desks.get(symbol.index())).map(|desk| desk.instrument.name.clone());
            Some(DangerRow {
                symbol: *symbol,
                name: name.unwrap_or_default(),
                level: DangerLevel::Warn,
                danger: Danger::Hold { code: code.text().to_owned(), detail: detail.clone() },
            })
        })
    }

    /// Only the venue's own market has a clock of its own; an unknown one matters where orders go there.
    fn clock(&self) -> Option<(DangerLevel, Danger)> {
        if self.pair.market() != Market::Bybit {
            return None;
        }
        let level = match self.clock_offset {
            Some(offset) => CLOCK.above(offset.as_ms().saturating_abs()),
            None if self.is_venue_account() => DangerLevel::Unknown,
            None => return None,
        };
        Some((level, Danger::Clock { offset: self.clock_offset }))
    }
}

/// What the venue says of the position that is held. No price and no place is what it says of no position: it does not
/// describe one that has just been opened.
fn stated(desk: &Desk) -> Option<(Option<Price>, u8)> {
    desk.danger.filter(|stated| *stated != (None, 0))
}

/// A difference of prices as a part of a price.
fn part(difference: i128, whole: Price) -> Option<Rate> {
    let raw = difference.checked_mul(i128::from(UNIT))?.checked_div(i128::from(whole.raw()))?;
    i64::try_from(raw).ok().map(Rate::from_raw)
}
