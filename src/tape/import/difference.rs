//! What changes between two looks at one side of a book.

use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty};

/// Levels that turn `before` into `after`; both are sorted so that `better` holds between neighbours.
pub(super) fn difference(mut before: &[Level], mut after: &[Level], better: fn(Price, Price) -> bool) -> Vec<Level> {
    let mut changed = Vec::new();
    while let Some((was, older)) = before.split_first() {
        match after.split_first() {
            Some((is, newer)) if is.price == was.price => {
                if is.qty != was.qty {
                    changed.push(*is);
                }
                (before, after) = (older, newer);
            }
            Some((is, newer)) if better(is.price, was.price) => {
                changed.push(*is);
                after = newer;
            }
            _ => {
                changed.push(Level { price: was.price, qty: Qty::ZERO });
                before = older;
            }
        }
    }
    changed.extend_from_slice(after);
    changed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::market::book::{Book, BookUpdate};

    fn side(levels: &std::collections::BTreeMap<i64, i64>) -> Vec<Level> {
        levels.iter().map(|(p, q)| Level { price: Price::from_raw(*p), qty: Qty::from_raw(*q) }).collect()
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_second_look(
            before in prop::collection::btree_map(1..40_i64, 1..4_i64, 0..30),
            after in prop::collection::btree_map(1..40_i64, 1..4_i64, 0..30),
        ) {
            let (asks, asks_after) = (side(&before), side(&after));
            let bids: Vec<Level> = asks.iter().rev().copied().collect();
            let bids_after: Vec<Level> = asks_after.iter().rev().copied().collect();
            let mut book = Book::new();
            book.apply(&BookUpdate { snapshot: true, bids: vec![], asks: asks.clone() });
            let changed = difference(&asks, &asks_after, |a, b| a < b);
            prop_assert!(changed.len() <= asks.len() + asks_after.len());
            book.apply(&BookUpdate { snapshot: false, bids: vec![], asks: changed });
            prop_assert!(book.asks().iter().eq(asks_after));
            book.apply(&BookUpdate { snapshot: true, bids: bids.clone(), asks: vec![] });
            book.apply(&BookUpdate { snapshot: false, bids: difference(&bids, &bids_after, |a, b| a > b), asks: vec![] });
            prop_assert!(book.bids().iter().eq(bids_after));
        }
    }
}
