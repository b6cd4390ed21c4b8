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
