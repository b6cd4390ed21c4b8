//! One of our orders as it stands between us and the venue.

use std::collections::BTreeMap;

use super::{LOOK_FIRST, of_total};
use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::num::{Price, Qty};
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, OrderStatus};
use crate::venue::bybit::rest::clean;

/// Pauses between looks (contract 8.9); the last one repeats.
const PAUSES_MS: &[i64] = &[300, 1_000, 2_000, 4_000, 8_000, 15_000];
/// The most that counts between two rounds of asking: the longest pause and the requests themselves.
const PAUSE_COUNTS: Span = Span::from_secs(20);
/// After so many looks the person is told.
pub const TRIES_TOLD: usize = 9;

/// What we know of it.
#[derive(Debug, Clone)]
pub struct Own {
    pub order: NewOrder,
    pub link_id: String,
    pub sent: Ts,
    /// When it was taken up, on the venue's clock as it was known then; `None` of an earlier run's.
    pub made: Option<Ts>,
    /// The venue's id of it, once it was told apart from every other order.
    pub venue_id: Option<String>,
    /// Its create was refused because its id was known already.
    pub duplicate: bool,
    /// Another order at the venue has its id.
    pub holder: Option<Holder>,
    /// An earlier run saw it at the venue.
    pub seen_before: bool,
    /// The venue showed it: a row or an execution.
    pub seen: bool,
    /// Told as accepted, or traded.
    pub accepted: bool,
    /// Executions told.
    pub filled: Qty,
    /// Executions that look alike: how many were told, and how many one list of the venue's showed.
    alike: BTreeMap<Traits, (usize, usize)>,
    /// Executions that look like ones that were told and may be those under another id.
    pub doubtful: Vec<ExecutionRow>,
    /// The venue's end, held back until the executions add up.
    pub end: Option<End>,
    /// When its end was told.
    pub over: Option<Ts>,
    /// It was told as never there: refused, not sent, or nothing of it found.
    pub denied: bool,
    /// A cancel is on its way.
    pub cancelling: bool,
    /// A cancel was asked for before the order was there.
    pub cancel_early: bool,
    /// A price other than ours was told.
    pub price_told: bool,
    /// Statements in a row that did not list it.
    pub unlisted: u8,
    pub look: Option<Look>,
    silence: Silence,
}

/// Another order that has the id of ours.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The venue's id of it, and why it is not ours.
    pub evidence: String,
    /// It was there before ours was sent, whatever the clocks are wrong by.
    pub before: bool,
}

/// Asking that has found nothing since the account was last reached.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    /// When it was asked last.
    last: Option<Ts>,
    /// How long it has been asked for, round by round.
    lasted: Span,
}

/// What repeats of an execution have in common: sequence, price and quantity.
type Traits = (Option<i64>, Price, Qty);

fn traits_of(row: &ExecutionRow) -> Traits {
    (row.seq, row.price, row.qty)
}

/// A look-up that is due or under way.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    due: Ts,
    tries: usize,
    under_way: bool,
}

/// How it ended, by the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub kind: EndKind,
    /// Filled in all.
    pub filled: Qty,
    /// Why, for the person.
    pub why: String,
}

/// What an execution of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// One that was not told yet.
    New,
    /// It may be one that was told under another id.
    Doubtful,
    /// More than was ordered: it was told under another id.
    Beyond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    Cancelled,
    Rejected,
}

impl End {
    /// Decided by status and filled quantity; the reason only explains (contract O3).
    pub fn of(row: &OrderRow, order: &NewOrder) -> Self {
        let kind = if row.status == OrderStatus::Rejected { EndKind::Rejected } else { EndKind::Cancelled };
        let reason = match (row.reject_reason.as_deref(), row.cancel_type.as_deref()) {
            (Some("EC_PerCancelRequest"), _) | (None, Some("CancelByUser")) => "cancelled on request".to_owned(),
            (Some("EC_PostOnlyWillTakeLiquidity"), _) => "post-only would have taken".to_owned(),
            (Some("EC_NoImmediateQtyToFill"), _) => "nothing to take at this price".to_owned(),
            (Some(reason), _) => clean(reason),
            (None, Some(kind)) if kind != "UNKNOWN" => clean(kind),
            (None, _) => "ended by the exchange".to_owned(),
        };
        Self { kind, filled: row.filled, why: format!("{reason}{}", of_total(row.filled, order.qty)) }
    }
}

impl Own {
    pub fn new(sent: Ts, order: NewOrder, link_id: &str) -> Self {
        Self {
            order,
            link_id: link_id.to_owned(),
            sent,
            made: None,
            venue_id: None,
            duplicate: false,
            holder: None,
            seen_before: false,
            seen: false,
            accepted: false,
            filled: Qty::ZERO,
            alike: BTreeMap::new(),
            doubtful: Vec::new(),
            end: None,
            over: None,
            denied: false,
            cancelling: false,
            cancel_early: false,
            price_told: false,
            unlisted: 0,
            look: None,
            silence: Silence::default(),
        }
    }

    /// A round of asking has found nothing: for how long it has been asked for. A longer pause between two rounds than we make
    /// counts as the longest that we make: nobody asked in it.
    pub fn found_nothing(&mut self, at: Ts) -> Span {
        let pause = self.silence.last.replace(at).map_or(Span(0), |last| at.since(last).min(PAUSE_COUNTS));
        self.silence.lasted = self.silence.lasted + pause;
        self.silence.lasted
    }

    /// The account was out of reach: what was not found before says nothing.
    pub fn forget_silence(&mut self) {
        self.silence = Silence::default();
    }

    /// Is an execution with a new id a new execution? The fills of one match may be alike in everything but their id, and
    /// no id is promised to be the same wherever it is told (contract 8.7, correction 13.2b): as many of them are believed as
    /// one list of the venue's shows, and no order fills beyond its quantity, which is the venue's to say where it closes all.
    pub fn judge(&mut self, row: &ExecutionRow) -> Lot {
        let (told, listed) = self.alike.entry(traits_of(row)).or_default();
        let sized = self.order.tif != TimeInForce::CloseAtMarket;
        if sized && self.filled + row.qty > self.order.qty {
            Lot::Beyond
        } else if *told > 0 && *told >= *listed {
            Lot::Doubtful
        } else {
            *told += 1;
            Lot::New
        }
    }

    /// A whole list of the order's executions from one source.
    pub fn take_list(&mut self, rows: &[ExecutionRow]) {
        let mut counts: BTreeMap<Traits, usize> = BTreeMap::new();
        for row in rows {
            *counts.entry(traits_of(row)).or_default() += 1;
        }
        for (traits, count) in counts {
            let (_, listed) = self.alike.entry(traits).or_default();
            *listed = count.max(*listed);
        }
    }

    /// A look after `span`, or earlier where one is due earlier.
    pub fn look_in(&mut self, at: Ts, span: Span) {
        let due = at + span;
        match &mut self.look {
            Some(look) => look.due = look.due.min(due),
            None => self.look = Some(Look { due, tries: 0, under_way: false }),
        }
    }

    /// A look has come back: how many there were.
    pub fn looked(&mut self) -> usize {
        let Some(look) = &mut self.look else { return 0 };
        look.under_way = false;
        look.tries += 1;
        look.tries
    }

    /// The next look after `tries` of them.
    pub fn look_again(&mut self, at: Ts, tries: usize) {
        let pause = PAUSES_MS.get(tries).or(PAUSES_MS.last()).map_or(LOOK_FIRST, |ms| Span::from_ms(*ms));
        self.look = Some(Look { due: at + pause, tries, under_way: false });
    }

    /// Is a look due? It then counts as under way.
    pub fn start_look(&mut self, at: Ts) -> bool {
        let Some(look) = &mut self.look else { return false };
        let due = !look.under_way && look.due <= at;
        look.under_way |= due;
        due
    }

    /// When the next look is due.
    pub fn due(&self) -> Option<Ts> {
        self.look.filter(|look| !look.under_way).map(|look| look.due)
    }
}
