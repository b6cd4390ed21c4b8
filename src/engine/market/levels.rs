//! One side of an order book as a ladder: a slot for every tick around the best price and a bit for every slot that has
//! a level, so that a change costs the same at every depth and the next level is some bits away.
//!
//! The ladder covers a window of ticks. What lies beyond its far end is a sorted list, the window follows the best
//! price, and the tick is learnt from the prices: whatever a feed sends is kept exactly, only slower.

use std::iter;

use super::book::Level;
use crate::engine::num::{Price, Qty, Side};

/// Slots of a new ladder and of the largest one: 2 and 33 KiB.
const SLOTS_MIN: usize = 256;
const SLOTS_MAX: usize = 4096;
/// A longer list beyond the window makes the window larger.
const FAR_MAX: usize = 64;

/// The levels of one side, best first.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Prices are counted in ticks from here on: `key` is rising from the best price to the worst, which for bids is the
    /// complement (all ones here) of the number of ticks.
    flip: i64,
    /// Greatest common divisor of all prices so far; zero before the first.
    tick: i64,
    /// Key of the first slot. No level has a smaller key.
    base: i64,
    /// Quantity in every slot.
    slots: Vec<Qty>,
    /// One bit for every slot with a level.
    taken: Vec<u64>,
    /// Levels in slots, and the slots of the first and the last; one past the end and zero when there is none.
    near: usize,
    best: usize,
    worst: usize,
    /// Levels beyond the last slot, best first. Empty while there is none in a slot.
    far: Vec<Level>,
}

impl Levels {
    /// No levels.
    pub const fn new(side: Side) -> Self {
        let flip = match side {
            Side::Buy => -1,
            Side::Sell => 0,
        };
        Self {
            flip,
            tick: 0,
            base: 0,
            slots: Vec::new(),
            taken: Vec::new(),
            near: 0,
            best: 0,
            worst: 0,
            far: Vec::new(),
        }
    }

    /// Number of levels.
    pub const fn len(&self) -> usize {
        self.near + self.far.len()
    }
    /// No level at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The best level.
    #[inline]
    pub fn first(&self) -> Option<Level> {
        self.in_slot(self.best)
    }
    /// The worst level.
    pub fn last(&self) -> Option<Level> {
        self.far.last().copied().or_else(|| self.in_slot(self.worst))
    }
    /// Quantity at exactly this price.
    pub fn qty_at(&self, price: Price) -> Qty {
        let Some(key) = self.key(price) else { return Qty::ZERO };
        match self.slot(key) {
            Some(slot) => self.slots.get(slot).copied().unwrap_or(Qty::ZERO),
            None => self.find_far(price).map_or(Qty::ZERO, |at| self.far[at].qty),
        }
    }
    /// All levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = Level> {
        let mut word = self.best / 64;
        let mut bits = self.taken.get(word).copied().unwrap_or(0);
        let near = iter::from_fn(move || {
            while bits == 0 {
                word += 1;
                bits = *self.taken.get(word)?;
            }
            let slot = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            Some(Level { price: self.price(slot), qty: self.slots[slot] })
        });
        near.chain(self.far.iter().copied())
    }

    /// Puts a level, or takes it away where its quantity is zero.
    #[inline]
    pub fn set(&mut self, level: Level) {
        let Some(key) = self.key(level.price) else { return self.set_off_tick(level) };
        match self.slot(key) {
            Some(slot) => self.set_slot(slot, level.qty),
            None => self.set_outside(key, level),
        }
    }

    /// Takes the worst level away.
    pub fn pop(&mut self) -> Option<Level> {
        if let Some(level) = self.far.pop() {
            return Some(level);
        }
        let level = self.in_slot(self.worst)?;
        self.set_slot(self.worst, Qty::ZERO);
        Some(level)
    }

    /// Forgets every level.
    pub fn clear(&mut self) {
        self.reset(self.base, self.slots.len());
    }

    /// The place of a price in the order of keys; `None` off the tick.
    #[inline]
    fn key(&self, price: Price) -> Option<i64> {
        let ticks = price.raw().checked_div(self.tick)?;
        (ticks * self.tick == price.raw()).then_some(ticks ^ self.flip)
    }
    #[inline]
    fn slot(&self, key: i64) -> Option<usize> {
        let slot = key.wrapping_sub(self.base) as usize;
        (slot < self.slots.len() && key >= self.base).then_some(slot)
    }
    /// The price of a slot with a level.
    #[inline]
    fn price(&self, slot: usize) -> Price {
        Price::from_raw(((self.base + slot as i64) ^ self.flip) * self.tick)
    }
    #[inline]
    fn in_slot(&self, slot: usize) -> Option<Level> {
        let qty = *self.slots.get(slot)?;
        (!qty.is_zero()).then(|| Level { price: self.price(slot), qty })
    }

    #[inline]
    fn set_slot(&mut self, slot: usize, qty: Qty) {
        let (word, bit) = (slot / 64, 1 << (slot % 64));
        let had = self.taken[word] & bit != 0;
        self.slots[slot] = qty;
        if !qty.is_zero() {
            self.taken[word] |= bit;
            self.near += usize::from(!had);
            self.best = self.best.min(slot);
            self.worst = self.worst.max(slot);
        } else if had {
            self.taken[word] ^= bit;
            self.near -= 1;
            self.left(slot);
        }
    }

    /// The level of this slot went away: the ends of the ladder may have moved.
    #[inline]
    fn left(&mut self, slot: usize) {
        if self.near == 0 {
            (self.best, self.worst) = (self.slots.len(), 0);
            if let Some(first) = self.far.first() {
                let key = self.key(first.price).unwrap_or(self.base);
                self.rebuild(key, self.slots.len());
            }
        } else if slot == self.best {
            let mut word = slot / 64;
            while self.taken[word] == 0 {
                word += 1;
            }
            self.best = word * 64 + self.taken[word].trailing_zeros() as usize;
        } else if slot == self.worst {
            let mut word = slot / 64;
            while self.taken[word] == 0 {
                word -= 1;
            }
            self.worst = word * 64 + 63 - self.taken[word].leading_zeros() as usize;
        }
    }

    #[cold]
    fn set_outside(&mut self, key: i64, level: Level) {
        let before = key < self.base;
        if level.qty.is_zero() {
            if !before && let Ok(at) = self.find_far(level.price) {
                self.far.remove(at);
            }
            return;
        }
        let crowded = self.far.len() >= FAR_MAX.max(self.near) && self.slots.len() < SLOTS_MAX;
        if before || self.near == 0 {
            self.rebuild(key, self.slots.len());
        } else if crowded || self.best > self.slots.len() / 2 {
            let slots = if crowded { self.slots.len() * 2 } else { self.slots.len() };
            self.rebuild(self.base + self.best as i64, slots);
        }
        match (self.slot(key), self.find_far(level.price)) {
            (Some(slot), _) => self.set_slot(slot, level.qty),
            (None, Ok(at)) => self.far[at] = level,
            (None, Err(at)) => self.far.insert(at, level),
        }
    }

    /// A price between the ticks: the tick is smaller than we thought.
    #[cold]
    fn set_off_tick(&mut self, level: Level) {
        if level.qty.is_zero() {
            // No level has such a price.
            return;
        }
        let levels: Vec<Level> = self.iter().collect();
        self.clear();
        self.tick = common_divisor(self.tick, level.price.raw());
        for known in levels.into_iter().chain([level]) {
            self.set(known);
        }
    }

    fn find_far(&self, price: Price) -> Result<usize, usize> {
        let order = |price: Price| price.raw() ^ self.flip;
        self.far.binary_search_by_key(&order(price), |level| order(level.price))
    }

    /// Moves the window, so that it begins a quarter of its slots before `first`, the smallest key of all.
    #[cold]
    fn rebuild(&mut self, first: i64, slots: usize) {
        let levels: Vec<Level> = self.iter().collect();
        let slots = slots.max(SLOTS_MIN);
        self.reset(first.saturating_sub(slots as i64 / 4), slots);
        for level in levels {
            match self.key(level.price).and_then(|key| self.slot(key)) {
                Some(slot) => self.set_slot(slot, level.qty),
                None => self.far.push(level),
            }
        }
    }

    fn reset(&mut self, base: i64, slots: usize) {
        // The last slot's key is a number too.
        self.base = base.min(i64::MAX.saturating_sub(slots as i64 - 1));
        self.slots.clear();
        self.slots.resize(slots, Qty::ZERO);
        self.taken.clear();
        self.taken.resize(slots.div_ceil(64), 0);
        (self.near, self.best, self.worst) = (0, slots, 0);
        self.far.clear();
    }
}

/// Of two numbers, at least one.
fn common_divisor(one: i64, other: i64) -> i64 {
    let (mut one, mut other) = (one.unsigned_abs(), other.unsigned_abs());
    while other != 0 {
        (one, other) = (other, one % other);
    }
    i64::try_from(one).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same as one sorted list.
    struct Sorted(Side, Vec<Level>);

    impl Sorted {
        fn set(&mut self, level: Level) {
            let found = match self.0 {
                Side::Buy => self.1.binary_search_by(|known| level.price.cmp(&known.price)),
                Side::Sell => self.1.binary_search_by(|known| known.price.cmp(&level.price)),
            };
            match (found, level.qty.is_zero()) {
                (Ok(at), true) => drop(self.1.remove(at)),
                (Ok(at), false) => self.1[at] = level,
                (Err(_), true) => {}
                (Err(at), false) => self.1.insert(at, level),
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Price in ticks from where the market is now, and quantity.
        Set(i64, i64),
        /// Many levels side by side.
        Fill(i64, u16),
        /// The market goes elsewhere, this many ticks away.
        Walk(i64),
        /// A price that may be anything.
        Odd(i64, i64),
        PopBeyond(usize),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let qty = prop_oneof![Just(0), 1_i64..5];
        let odd = prop_oneof![any::<i64>(), -9_i64..9, Just(i64::MAX), Just(i64::MIN)];
        prop_oneof![
            40 => (-30_i64..30, qty.clone()).prop_map(|(at, qty)| Step::Set(at, qty)),
            10 => (-6_000_i64..6_000, qty.clone()).prop_map(|(at, qty)| Step::Set(at, qty)),
            4 => (-6_000_i64..6_000, 1_u16..400).prop_map(|(at, count)| Step::Fill(at, count)),
            4 => (-2_000_i64..2_000).prop_map(Step::Walk),
            1 => (odd, qty).prop_map(|(price, qty)| Step::Odd(price, qty)),
            3 => (0_usize..400).prop_map(Step::PopBeyond),
            1 => Just(Step::Clear),
        ]
    }

    fn agree(levels: &Levels, sorted: &Sorted) -> Result<(), TestCaseError> {
        prop_assert_eq!(levels.iter().collect::<Vec<_>>(), sorted.1.clone());
        prop_assert_eq!((levels.len(), levels.is_empty()), (sorted.1.len(), sorted.1.is_empty()));
        prop_assert_eq!((levels.first(), levels.last()), (sorted.1.first().copied(), sorted.1.last().copied()));
        Ok(())
    }

    proptest! {
        #[test]
        fn a_ladder_is_a_sorted_list(
            tick in prop_oneof![Just(1_i64), Just(10), Just(250_000_000)],
            buys in any::<bool>(),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let side = if buys { Side::Buy } else { Side::Sell };
            let (mut levels, mut sorted) = (Levels::new(side), Sorted(side, Vec::new()));
            let mut market = 30_000;
            for step in steps {
                let mut set = |price: i64, qty: i64| {
                    let level = Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) };
                    levels.set(level);
                    sorted.set(level);
                };
                match step {
                    Step::Set(at, qty) => set((market + at) * tick, qty),
                    Step::Fill(at, count) => (0..i64::from(count)).for_each(|n| set((market + at + n) * tick, 7 + n)),
                    Step::Walk(ticks) => market += ticks,
                    Step::Odd(price, qty) => set(price, qty),
                    Step::PopBeyond(most) => {
                        while sorted.1.len() > most {
                            prop_assert_eq!(levels.pop(), sorted.1.pop());
                        }
                    }
                    Step::Clear => {
                        levels.clear();
                        sorted.1.clear();
                    }
                }
                agree(&levels, &sorted)?;
                for price in [market * tick, market * tick + 1, i64::MIN, i64::MAX, 0] {
                    let known = sorted.1.iter().find(|level| level.price.raw() == price);
                    prop_assert_eq!(levels.qty_at(Price::from_raw(price)), known.map_or(Qty::ZERO, |level| level.qty));
                }
                prop_assert!(levels.slots.len() <= SLOTS_MAX);
            }
        }
    }

    #[test]
    fn the_window_follows_the_market_and_keeps_what_is_far() {
        let mut levels = Levels::new(Side::Sell);
        let level = |price| Level { price: Price::from_raw(price), qty: Qty::from_raw(1) };
        levels.set(level(1_000_000));
        for price in (100..30_000).step_by(10) {
            levels.set(level(price));
            levels.set(Level { qty: Qty::ZERO, ..level(price - 100) });
        }
        assert_eq!((levels.first(), levels.len()), (Some(level(29_900)), 11));
        assert_eq!((levels.slots.len(), levels.last()), (SLOTS_MIN, Some(level(1_000_000))));
        for price in (29_900..30_000).step_by(10) {
            levels.set(Level { qty: Qty::ZERO, ..level(price) });
        }
        assert_eq!((levels.first(), levels.len(), levels.far.len()), (Some(level(1_000_000)), 1, 0));
    }
}
