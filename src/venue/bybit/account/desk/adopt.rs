//! Is what the venue shows under an id of ours the order that was sent? An id alone proves nothing: a ledger that was put
//! back, or another engine with the same ledger, uses an id twice. Only what is the same order is ours; anything else is told,
//! trips, and is booked as somebody else's.
//!
//! What that says of ours: ids are unique at the venue, so where the other order was there before ours was sent *and* our create
//! was refused as a duplicate (110072), ours never existed, and is settled as refused. With one of the two missing nobody can
//! know: the venue documents neither how long an id stays taken (contract 8.9) nor that it never fails to notice. Then ours stays
//! unknown, counts as working, and a person who has looked may settle it.

use super::own::{Holder, Own};
use super::{Desk, LOOK_FIRST};
use crate::engine::effect::TimeInForce;
use crate::engine::event::{Event, Fault, OrderNews};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::rows::{ExecKind, ExecutionRow, OrderRow};

/// What we take for the venue's time is wrong by half of a slow answer at most; beyond this an order was made before ours.
pub(in crate::venue::bybit::account) const CLOCK_WRONG: Span = Span::from_secs(10);
/// The same for an order of an earlier run: its moment is known by that run's clock only.
const EARLIER_CLOCK_WRONG: Span = Span::from_secs(60);
/// Orders of others under ids of ours that are remembered.
const ALIENS_MAX: usize = 1_000;

/// What a row of the venue says of the order behind it; what a short row leaves out is not compared.
struct Shown<'a> {
    id: &'a str,
    link: Option<&'a str>,
    name: &'a str,
    side: Side,
    qty: Option<Qty>,
    /// It can only reduce, so the venue may have cut it; an execution does not say.
    reduces: bool,
    price: Option<Price>,
    /// It was there at this moment of the venue's clock, or was made then.
    at_ms: Option<i64>,
}

impl Shown<'_> {
    /// Was it there before this moment of the venue's clock?
    fn was_there(&self, moment: Ts) -> bool {
        self.at_ms.is_some_and(|ms| ms < moment.as_ms())
    }
}

impl Own {
    /// Why this is another order, if it is. The venue cuts a reduce-only order to what is open, sizes and prices one that closes at
    /// market, and moves a limit price to the edge of its band: away from the market, never towards it (contract 0.5).
    /// A person may have changed what an earlier run had seen.
    fn differs(&self, shown: &Shown, symbol: Option<Symbol>, ahead: Span) -> Option<String> {
        let order = &self.order;
        if symbol != Some(order.symbol) {
            return Some(format!("it is in {}", shown.name));
        }
        if shown.side != order.side {
            return Some(format!("it is to {}, ours to {}", shown.side.word(), order.side.word()));
        }
        let (made, wrong) = match self.made {
            Some(made) => (made, CLOCK_WRONG),
            None => (order.decided + ahead, EARLIER_CLOCK_WRONG),
        };
        if shown.was_there(made - wrong) {
            return Some("it is older than ours".to_owned());
        }
        let sized = order.tif != TimeInForce::CloseAtMarket && !self.seen_before;
        let may_be_cut = order.reduce_only && shown.reduces;
        let qty = shown.qty.filter(|qty| sized && !qty.is_zero());
        if let Some(qty) = qty.filter(|qty| *qty > order.qty || (*qty < order.qty && !may_be_cut)) {
            return Some(format!("it is of {qty}, ours of {}", order.qty));
        }
        let worse = |price: &Price| if order.side == Side::Buy { *price > order.price } else { *price < order.price };
        let price = shown.price.filter(|price| sized && *price != Price::ZERO);
        price.filter(worse).map(|price| format!("its price is {price}, ours {}", order.price))
    }
}

impl Desk {
    /// How far the venue's clock is ahead of ours, as measured.
    pub fn measured(&mut self, ahead: Span) {
        self.ahead = ahead;
    }

    /// The order of ours that a row is about.
    pub(super) fn adopt(&mut self, at: Ts, row: &OrderRow) -> Option<OrderSeq> {
        self.adopt_shown(
            at,
            &Shown {
                id: &row.order_id,
                link: row.link_id.as_deref(),
                name: &row.symbol,
                side: row.side,
                qty: Some(row.qty),
                reduces: row.reduce_only,
                price: row.price,
                at_ms: row.created_ms,
            },
        )
    }

    /// The order of ours that traded.
    pub(super) fn adopt_traded(&mut self, at: Ts, row: &ExecutionRow) -> Option<OrderSeq> {
        if row.kind == ExecKind::Funding {
            return None;
        }
        self.adopt_shown(
            at,
            &Shown {
                id: &row.order_id,
                link: row.link_id.as_deref(),
                name: &row.symbol,
                side: row.side,
                qty: row.order_qty,
                reduces: true,
                price: row.order_price,
                at_ms: Some(row.time_ms),
            },
        )
    }

    /// The order of ours that has this id, by what is known already.
    pub(super) fn ours(&self, row: &OrderRow) -> Option<OrderSeq> {
        let order = self.links.get(row.link_id.as_ref()?).copied()?;
        (!self.aliens.contains(&row.order_id)).then_some(order)
    }

    fn adopt_shown(&mut self, at: Ts, shown: &Shown) -> Option<OrderSeq> {
        let order = *self.links.get(shown.link?)?;
        if self.aliens.contains(shown.id) {
            return None;
        }
        let (symbol, ahead) = (self.symbol(shown.name), self.ahead);
        let own = self.orders.get_mut(&order)?;
        let why = match own.venue_id.as_deref() {
            Some(ours) if ours == shown.id => None,
            Some(ours) => Some(format!("ours is {ours}")),
            None => own.differs(shown, symbol, ahead),
        };
        let Some(why) = why else {
            own.venue_id.get_or_insert_with(|| shown.id.to_owned());
            return Some(order);
        };
        self.refuse(at, order, shown, &why);
        None
    }

    /// Another order under an id of ours: nothing opens until a person has looked.
    fn refuse(&mut self, at: Ts, order: OrderSeq, shown: &Shown, why: &str) {
        self.aliens.insert(shown.id.to_owned());
        while self.aliens.len() > ALIENS_MAX {
            self.aliens.pop_first();
        }
        let link = shown.link.unwrap_or_default();
        let text = format!(
            "{}: order {} at the exchange has the id of our order {link} and is another one ({why}): it is not booked as ours; \
             look who else trades on this account, then reset",
            shown.name, shown.id
        );
        if let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none() && own.venue_id.is_none()) {
            let was_before = own.holder.as_ref().is_some_and(|holder| holder.before);
            let before = was_before || own.made.is_some_and(|made| shown.was_there(made - CLOCK_WRONG));
            let evidence = format!("order {} at the exchange has its id: {why}", shown.id);
            own.holder = Some(Holder { evidence: evidence.clone(), before });
            own.look_in(at, LOOK_FIRST);
            if !self.settle_duplicate(at, order) {
                self.say(order, OrderNews::Contested(evidence));
            }
        }
        self.tell_event(Event::Fault(Fault::Internal(text)));
    }

    /// Ours never existed where its create was refused as a duplicate of what was there before it. `true` where that is so.
    pub(super) fn settle_duplicate(&mut self, at: Ts, order: OrderSeq) -> bool {
        let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none() && !own.seen) else { return false };
        let Some(holder) = own.holder.as_ref().filter(|holder| holder.before && own.duplicate) else { return false };
        let why = format!("never ours: refused as a duplicate, and {}", holder.evidence);
        own.denied = true;
        self.end(at, order, OrderNews::Rejected(why));
        true
    }

    /// A person has looked: an order whose id another one has is over, with what was booked of it.
    pub fn settle_by_hand(&mut self, at: Ts, order: OrderSeq) {
        let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none()) else { return };
        let Some(holder) = own.holder.as_ref().filter(|_| own.venue_id.is_none()) else {
            let text = format!("order {}: not settled by hand, the exchange shows it by now", own.link_id);
            return self.tell(text);
        };
        let why = format!("settled by hand: {}", holder.evidence);
        own.denied = true;
        let existed = own.seen || !own.filled.is_zero();
        self.end(at, order, if existed { OrderNews::Cancelled(why) } else { OrderNews::Rejected(why) });
    }
}
