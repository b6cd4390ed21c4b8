//! What the tasks of one public stream share: the way out, and what has been told already.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PublicOptions;
use crate::engine::event::{Event, Link, MarketData};
use crate::engine::ids::Symbol;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::holds::{Holds, Source};
use crate::venue::bybit::rest::Rest;
use crate::venue::bybit::signs::Stream;
use crate::venue::line::Outlet;

/// A stream that said nothing for this long says that it is alive.
const QUIET: Span = Span::from_ms(500);

/// Figures of a public stream since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Connections that are up.
    pub connected: u64,
    /// Connections that were lost and made anew, by its signs of life.
    pub reconnects: u64,
    /// Books that were asked for anew: a gap, a contradiction, a disagreement with REST.
    pub resyncs: u64,
    /// Frames and rows that could not be read.
    pub odd: u64,
    /// Books that REST agreed with.
    pub agreed: u64,
}

/// Who doubts that an instrument is listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Doubter {
    /// The list of instruments.
    Rules,
    /// The stream, which refused every topic.
    Stream,
}

/// The shared part.
pub struct Hub {
    pub(super) options: PublicOptions,
    outlet: Outlet,
    rest: Rest,
    symbols: BTreeMap<String, Symbol>,
    link: Mutex<LinkState>,
    doubts: Mutex<BTreeMap<(Symbol, Doubter), String>>,
    prints: Mutex<BTreeMap<Symbol, Prints>>,
    holds: Mutex<Holds>,
    spoke: AtomicI64,
    resyncs: AtomicU64,
    odd: AtomicU64,
    agreed: AtomicU64,
}

/// Which public trades of an instrument the stream has told, by the venue's sequence (contract O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Prints {
    /// The last before the stream went away.
    pub before: u64,
    /// The first since it is back.
    pub first: Option<u64>,
    /// The last so far.
    pub last: u64,
}

#[derive(Default)]
struct LinkState {
    up: u64,
    told: Option<String>,
}

impl Hub {
    pub(super) fn new(options: PublicOptions, outlet: Outlet, rest: Rest) -> Self {
        let symbols = options.symbols.iter().zip(0..).map(|(name, place)| (name.clone(), Symbol(place))).collect();
        Self {
            options,
            outlet,
            rest,
            symbols,
            link: Mutex::default(),
            doubts: Mutex::default(),
            prints: Mutex::default(),
            holds: Mutex::default(),
            spoke: AtomicI64::new(0),
            resyncs: AtomicU64::new(0),
            odd: AtomicU64::new(0),
            agreed: AtomicU64::new(0),
        }
    }

    pub(super) const fn rest(&self) -> &Rest {
        &self.rest
    }
    pub(super) fn now(&self) -> Ts {
        self.outlet.now()
    }
    pub(super) fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }
    pub(super) fn symbols(&self) -> impl Iterator<Item = (&str, Symbol)> {
        self.symbols.iter().map(|(name, symbol)| (name.as_str(), *symbol))
    }

    pub(super) async fn say(&self, event: Event) {
        self.spoke.store(self.now().0, Ordering::Relaxed);
        self.outlet.say(event).await;
    }
    /// Says all of them, in order, and leaves none.
    pub(super) async fn say_all(&self, events: &mut Vec<Event>) {
        if !events.is_empty() {
            self.spoke.store(self.now().0, Ordering::Relaxed);
            self.outlet.say_all(events).await;
        }
    }
    pub(super) async fn market(&self, symbol: Symbol, data: MarketData) {
        self.say(Event::Market(symbol, data)).await;
    }
    /// Something was heard that is no news: worth telling only where nothing else was told lately.
    pub(super) async fn alive(&self) {
        if self.now().since(Ts(self.spoke.load(Ordering::Relaxed))) >= QUIET {
            self.say(Event::Link(Link::MarketAlive)).await;
        }
    }

    /// A connection carries data.
    pub(super) async fn connected(&self) {
        let first = {
            let mut link = lock(&self.link);
            link.up += 1;
            link.told = None;
            link.up == 1
        };
        if first {
            self.say(Event::Link(Link::MarketUp)).await;
        }
    }
    /// A connection was lost, or could not be made (`was_up` is false). Told when none is left, and again with each new
    /// reason.
    pub(super) async fn lost(&self, was_up: bool, why: &str) {
        let tell = {
            let mut link = lock(&self.link);
            if was_up {
                link.up = link.up.saturating_sub(1);
                self.options.signs.lost(Stream::Public);
            }
            let new = link.up == 0 && link.told.as_deref() != Some(why);
            if new {
                link.told = Some(why.to_owned());
            }
            new
        };
        if tell {
            self.say(Event::Link(Link::MarketDown(why.to_owned()))).await;
        }
    }

    /// Sets (`Some`) or lifts a hold; told only when it changes.
    pub(super) async fn hold(&self, code: DenialCode, symbol: Option<Symbol>, detail: Option<String>) {
        let told = lock(&self.holds).set(code, symbol, Source::Stream, detail);
        if let Some(event) = told {
            self.say(event).await;
        }
    }
    /// An instrument that nobody doubts any more may open again.
    pub(super) async fn doubt(&self, symbol: Symbol, who: Doubter, why: Option<String>) {
        let detail = {
            let mut doubts = lock(&self.doubts);
            match why {
                Some(why) => doubts.insert((symbol, who), why),
                None => doubts.remove(&(symbol, who)),
            };
            doubts.range((symbol, Doubter::Rules)..=(symbol, Doubter::Stream)).next().map(|(_, why)| why.clone())
        };
        self.hold(DenialCode::InstrumentUnknown, Some(symbol), detail).await;
    }

    /// Names that the list of instruments does not have, for a person.
    pub(super) fn unlisted(&self) -> String {
        let doubts = lock(&self.doubts);
        let doubted = |symbol: &Symbol| doubts.contains_key(&(*symbol, Doubter::Rules));
        let names = self.symbols.iter().filter(|(_, symbol)| doubted(symbol)).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// The stream told trades of these sequences.
    pub(super) fn printed(&self, symbol: Symbol, first: u64, last: u64) {
        let mut prints = lock(&self.prints);
        let prints = prints.entry(symbol).or_default();
        prints.first.get_or_insert(first);
        prints.last = prints.last.max(last);
    }
    /// The stream of these instruments went away.
    pub(super) fn prints_end(&self, symbols: impl Iterator<Item = Symbol>) {
        let mut prints = lock(&self.prints);
        for symbol in symbols {
            let prints = prints.entry(symbol).or_default();
            (prints.before, prints.first) = (prints.last, None);
        }
    }
    pub(super) fn prints(&self, symbol: Symbol) -> Prints {
        lock(&self.prints).get(&symbol).copied().unwrap_or_default()
    }

    pub(super) fn count_resync(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn count_odd(&self, some: usize) {
        self.odd.fetch_add(some as u64, Ordering::Relaxed);
    }
    pub(super) fn count_agreed(&self) {
        self.agreed.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn counts(&self) -> Counts {
        Counts {
            connected: lock(&self.link).up,
            reconnects: self.options.signs.losses(Stream::Public),
            resyncs: self.resyncs.load(Ordering::Relaxed),
            odd: self.odd.load(Ordering::Relaxed),
            agreed: self.agreed.load(Ordering::Relaxed),
        }
    }
}

/// A lock whose holder never panics while it is held; where one did, the plain data in it is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
