//! Every order of the account, found by number, id or the client's own id.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Order, OrderNo};
use crate::engine::ids::Symbol;

/// How a client names an order. Where both are given the id wins (contract 8.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderName {
    /// `orderId`, or empty.
    pub id: String,
    /// `orderLinkId`, or empty.
    pub link: String,
}

/// Orders that are kept; the oldest closed ones go first. Their client ids stay taken.
const KEPT_MAX: usize = 20_000;

/// Orders by number; numbers rise with time.
#[derive(Debug, Default)]
pub struct Orders {
    all: BTreeMap<OrderNo, Order>,
    by_id: BTreeMap<String, OrderNo>,
    by_link: BTreeMap<String, OrderNo>,
    open: BTreeSet<OrderNo>,
    last: OrderNo,
}

impl Orders {
    pub(super) const fn next_number(&mut self) -> OrderNo {
        self.last += 1;
        self.last
    }

    /// Adds an order, or puts its new state in place of the old one.
    pub(super) fn add(&mut self, order: Order) {
        if order.status.is_open() {
            self.open.insert(order.no);
        } else {
            self.open.remove(&order.no);
        }
        self.by_id.insert(order.id.clone(), order.no);
        if !order.ask.link.is_empty() {
            self.by_link.insert(order.ask.link.clone(), order.no);
        }
        self.all.insert(order.no, order);
        if self.all.len() > KEPT_MAX
            && let Some(oldest) = self.all.keys().find(|no| !self.open.contains(no)).copied()
            && let Some(gone) = self.all.remove(&oldest)
        {
            self.by_id.remove(&gone.id);
        }
    }

    /// Was this client's id ever registered?
    pub fn has_link(&self, link: &str) -> bool {
        self.by_link.contains_key(link)
    }

    /// The order of this name, open or not.
    pub fn find(&self, name: &OrderName) -> Option<&Order> {
        let no = if name.id.is_empty() { self.by_link.get(&name.link) } else { self.by_id.get(&name.id) };
        self.all.get(no?)
    }

    /// By number.
    pub fn get(&self, no: OrderNo) -> Option<&Order> {
        self.all.get(&no)
    }

    /// For changes that do not end the order; one that ends is added again.
    pub(super) fn get_mut(&mut self, no: OrderNo) -> Option<&mut Order> {
        self.all.get_mut(&no)
    }

    /// All, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.all.values()
    }

    /// Open ones, oldest first.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.open.iter().filter_map(|no| self.all.get(no)).filter(|order| order.status.is_open())
    }

    pub(super) fn open_numbers(&self) -> Vec<OrderNo> {
        self.open().map(|order| order.no).collect()
    }

    pub(super) fn open_of(&self, symbol: Symbol) -> Vec<OrderNo> {
        self.open().filter(|order| order.ask.slot.symbol == symbol).map(|order| order.no).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Desk, limit, linked};
    use super::*;
    use crate::engine::num::Side;

    #[test]
    fn the_oldest_closed_orders_are_forgotten_and_their_ids_stay_taken() {
        let mut desk = Desk::open();
        let open = desk.create(linked(limit(Side::Buy, "99", "1"), "open")).unwrap();
        for n in 0..KEPT_MAX {
            let name = desk.create(linked(limit(Side::Buy, "99", "1"), &format!("n{n}"))).unwrap();
            desk.cancel(&name).unwrap();
            desk.on.take_news();
        }
        assert_eq!(desk.on.orders.all.len(), KEPT_MAX);
        assert!(desk.on.orders.find(&open).is_some());
        assert!(desk.on.orders.has_link("n0"));
        assert!(desk.on.orders.find(&OrderName { link: "n0".to_owned(), ..OrderName::default() }).is_none());
    }
}
