//! How many requests may leave (contract 5): one bucket per endpoint, driven by the venue's own headers, and one for the
//! address. A share of each belongs to what can only reduce risk. Pure: time is an argument.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::time::{Span, Ts};

/// Requests per address in five seconds, over all hosts.
const ADDRESS_LIMIT: usize = 600;
const ADDRESS_WINDOW: Span = Span::from_secs(5);
/// How long an address that was refused stays silent.
pub const BAN: Span = Span::from_secs(600);
/// Where an answer says "too many" without saying until when.
const PAUSE: Span = Span::from_ms(1_100);
/// A reset further ahead than this is not believed.
const RESET_MAX: Span = Span::from_secs(10);

/// Endpoints with budgets of their own. Market data only counts for the address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Budget {
    /// `order/create`.
    Create,
    /// `order/cancel`.
    Cancel,
    /// `order/create-batch`; counts orders, not calls.
    CreateBatch,
    /// `order/cancel-batch`; counts orders, not calls.
    CancelBatch,
    /// `order/realtime`.
    Realtime,
    /// `order/history`.
    History,
    /// `execution/list`.
    Executions,
    /// `position/list`.
    Positions,
    /// Settings of a position: leverage, mode, trading stop.
    PositionSettings,
    /// `account/wallet-balance`.
    Wallet,
    /// `account/transaction-log`.
    Transactions,
    /// Everything else that is signed.
    Account,
    /// Public data.
    Market,
}

impl Budget {
    /// Requests a second of the default tier; `None` where only the address counts.
    const fn per_second(self) -> Option<usize> {
        match self {
            Self::Create | Self::Cancel | Self::CreateBatch | Self::CancelBatch | Self::PositionSettings => Some(10),
            Self::Realtime | Self::History | Self::Executions | Self::Positions | Self::Wallet => Some(50),
            Self::Transactions => Some(25),
            Self::Account => Some(5),
            Self::Market => None,
        }
    }
}

impl Budget {
    /// Its name in the metrics.
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Cancel => "cancel",
            Self::CreateBatch => "create-batch",
            Self::CancelBatch => "cancel-batch",
            Self::Realtime => "realtime",
            Self::History => "history",
            Self::Executions => "executions",
            Self::Positions => "positions",
            Self::PositionSettings => "position-settings",
            Self::Wallet => "wallet",
            Self::Transactions => "transactions",
            Self::Account => "account",
            Self::Market => "market",
        }
    }
}

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// Can only reduce risk: reducing creates, cancels, and asking what became of them. May use every token.
    Reducing,
    /// Everything else leaves the reserved share alone.
    Ordinary,
}

/// Why a request may not leave now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Its budget has room again at this time.
    Until(Ts),
    /// The venue refuses this address until then.
    Banned(Ts),
}

/// What an answer said about the limit of its endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Headers {
    /// `X-Bapi-Limit`: requests per second.
    pub limit: Option<u32>,
    /// `X-Bapi-Limit-Status`: left.
    pub left: Option<u32>,
    /// `X-Bapi-Limit-Reset-Timestamp`, on our clock.
    pub reset: Option<Ts>,
}

/// All budgets of one address and account.
#[derive(Debug, Clone)]
pub struct Limits {
    address: Bucket,
    endpoints: BTreeMap<Budget, Bucket>,
    banned_until: Option<Ts>,
}

/// Tokens of a rolling window: a token comes back when what took it is older than the window, which is how the venue
/// counts. One that is refilled evenly would let twice as many through at its edge.
#[derive(Debug, Clone)]
struct Bucket {
    size: usize,
    window: Span,
    reserved: usize,
    /// When each token that is gone was taken, oldest first.
    taken: VecDeque<Ts>,
    /// The venue said "too many": nothing before this.
    closed_until: Option<Ts>,
}

impl Bucket {
    const fn new(size: usize, window: Span, reserved: usize) -> Self {
        Self { size, window, reserved, taken: VecDeque::new(), closed_until: None }
    }
    /// A budget per second, four tenths of it reserved (4 of 10 creates; the same share everywhere).
    const fn per_second(size: usize) -> Self {
        Self::new(size, Span::from_secs(1), size * 4 / 10)
    }
    fn forget(&mut self, now: Ts) {
        while self.taken.front().is_some_and(|at| now.since(*at) >= self.window) {
            self.taken.pop_front();
        }
    }
    /// When `count` tokens may be taken; `now` or earlier means now.
    fn free_at(&mut self, now: Ts, count: usize, urgency: Urgency) -> Ts {
        self.forget(now);
        let most = self.size - if urgency == Urgency::Ordinary { self.reserved } else { 0 };
        // Never more than the bucket can ever hold, or the request would wait for ever.
        let over = (self.taken.len() + count.min(most)).saturating_sub(most);
        let free = match over.checked_sub(1).and_then(|last| self.taken.get(last)) {
            Some(at) => *at + self.window,
            None => now,
        };
        self.closed_until.map_or(free, |closed| free.max(closed))
    }
    /// Tokens that what reduces risk may take now.
    fn left(&mut self, now: Ts) -> usize {
        self.forget(now);
        let closed = self.closed_until.is_some_and(|closed| closed > now);
        if closed { 0 } else { self.size.saturating_sub(self.taken.len()) }
    }
    fn take(&mut self, now: Ts, count: usize) {
        self.taken.extend(std::iter::repeat_n(now, count));
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Full budgets of the default tier.
    pub fn new() -> Self {
        Self {
            address: Bucket::new(ADDRESS_LIMIT, ADDRESS_WINDOW, ADDRESS_LIMIT / 5),
            endpoints: BTreeMap::new(),
            banned_until: None,
        }
    }

    /// Takes the tokens of a request of `count` orders (1 for anything but a batch), or says when it may leave.
    pub fn take(&mut self, now: Ts, budget: Budget, count: usize, urgency: Urgency) -> Result<(), Stop> {
        if let Some(until) = self.banned(now) {
            return Err(Stop::Banned(until));
        }
        let mut free = self.address.free_at(now, 1, urgency);
        if let Some(bucket) = self.endpoint(budget) {
            free = free.max(bucket.free_at(now, count, urgency));
        }
        if free > now {
            return Err(Stop::Until(free));
        }
        self.address.take(now, 1);
        if let Some(bucket) = self.endpoint(budget) {
            bucket.take(now, count);
        }
        Ok(())
    }

    /// Learns from an answer's headers: another program with the same key uses the same budget.
    pub fn learn(&mut self, now: Ts, budget: Budget, headers: Headers) {
        let Some(bucket) = self.endpoint(budget) else { return };
        bucket.forget(now);
        if let Some(limit) = headers.limit.map(|limit| limit as usize).filter(|limit| (1..=1_000).contains(limit)) {
            (bucket.size, bucket.reserved) = (limit, limit * 4 / 10);
        }
        if let Some(left) = headers.left {
            let gone = bucket.size.saturating_sub(left as usize);
            bucket.take(now, gone.saturating_sub(bucket.taken.len()));
        }
        if headers.left == Some(0) {
            // Never earlier than what is known: an old reset, or none, says nothing.
            let told = headers.reset.filter(|reset| *reset > now && reset.since(now) <= RESET_MAX);
            bucket.closed_until = bucket.closed_until.max(told);
        }
    }

    /// An answer said "too many visits" (10006): nothing of this endpoint before the reset, or for a second.
    pub fn exhausted(&mut self, now: Ts, budget: Budget, reset: Option<Ts>) {
        let told = reset.filter(|reset| *reset > now && reset.since(now) <= RESET_MAX);
        let bucket = match budget.per_second() {
            Some(size) => self.endpoints.entry(budget).or_insert_with(|| Bucket::per_second(size)),
            None => &mut self.address,
        };
        bucket.closed_until = Some(told.unwrap_or(now + PAUSE));
    }

    /// The venue refused this address (HTTP 403): nothing leaves for ten minutes, and every new refusal begins them anew.
    pub fn ban(&mut self, now: Ts) -> Ts {
        let until = now + BAN;
        self.banned_until = Some(until);
        until
    }

    /// The venue has answered this address again.
    pub const fn pardon(&mut self) {
        self.banned_until = None;
    }

    /// Requests that may still leave now, for the address and for each endpoint that was used.
    pub fn left(&mut self, now: Ts) -> Vec<(&'static str, usize)> {
        let banned = self.banned(now).is_some();
        let endpoints = self.endpoints.iter_mut().map(|(budget, bucket)| (budget.word(), bucket));
        let buckets = std::iter::once(("address", &mut self.address)).chain(endpoints);
        buckets.map(|(name, bucket)| (name, if banned { 0 } else { bucket.left(now) })).collect()
    }

    /// Until when the address is refused.
    pub fn banned(&self, now: Ts) -> Option<Ts> {
        self.banned_until.filter(|until| *until > now)
    }

    fn endpoint(&mut self, budget: Budget) -> Option<&mut Bucket> {
        let size = budget.per_second()?;
        Some(self.endpoints.entry(budget).or_insert_with(|| Bucket::per_second(size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Ts = Ts(1_000_000_000_000);

    fn count(limits: &mut Limits, now: Ts, budget: Budget, urgency: Urgency) -> usize {
        (0..2_000).take_while(|_| limits.take(now, budget, 1, urgency).is_ok()).count()
    }

    #[test]
    fn four_of_ten_creates_are_kept_for_closing() {
        let mut limits = Limits::new();
        assert_eq!(count(&mut limits, T, Budget::Create, Urgency::Ordinary), 6);
        assert_eq!(count(&mut limits, T, Budget::Create, Urgency::Reducing), 4);
        // A second later, not earlier, everything is free again.
        let next = T + Span::from_secs(1);
        assert_eq!(limits.take(T, Budget::Create, 1, Urgency::Reducing), Err(Stop::Until(next)));
        assert!(limits.take(next - Span(1), Budget::Create, 1, Urgency::Reducing).is_err());
        assert_eq!(count(&mut limits, next, Budget::Create, Urgency::Reducing), 10);
        assert_eq!(
            limits.take(next, Budget::Create, 1, Urgency::Ordinary),
            Err(Stop::Until(next + Span::from_secs(1)))
        );
    }

    #[test]
    fn the_address_keeps_a_fifth_for_closing() {
        let mut limits = Limits::new();
        assert_eq!(count(&mut limits, T, Budget::Market, Urgency::Ordinary), 480);
        assert_eq!(count(&mut limits, T, Budget::Cancel, Urgency::Reducing), 10);
        assert_eq!(count(&mut limits, T, Budget::Market, Urgency::Reducing), 110);
        // Never more than 600 in any five seconds after a rest.
        let later = T + Span::from_secs(60);
        assert_eq!(count(&mut limits, later, Budget::Market, Urgency::Reducing), 600);
        assert!(limits.take(later + Span::from_ms(4_999), Budget::Market, 1, Urgency::Reducing).is_err());
    }

    #[test]
    fn headers_and_refusals_close_a_budget() {
        let mut limits = Limits::new();
        limits.learn(T, Budget::Realtime, Headers { limit: Some(20), left: Some(3), reset: None });
        assert_eq!(count(&mut limits, T, Budget::Realtime, Urgency::Reducing), 3);
        limits.exhausted(T, Budget::Create, Some(T + Span::from_ms(700)));
        assert_eq!(count(&mut limits, T + Span::from_ms(699), Budget::Create, Urgency::Reducing), 0);
        assert_eq!(count(&mut limits, T + Span::from_ms(701), Budget::Create, Urgency::Reducing), 10);
        limits.exhausted(T, Budget::Cancel, None);
        assert_eq!(count(&mut limits, T + Span::from_ms(1_000), Budget::Cancel, Urgency::Reducing), 0);
        assert!(limits.take(T + Span::from_ms(1_200), Budget::Cancel, 1, Urgency::Reducing).is_ok());
        // An answer without a reset, or with an old one, does not open it earlier.
        limits.exhausted(T, Budget::History, None);
        limits.learn(T, Budget::History, Headers { limit: None, left: Some(0), reset: None });
        limits.learn(T, Budget::History, Headers { limit: None, left: Some(0), reset: Some(T - Span(1)) });
        assert_eq!(count(&mut limits, T + Span::from_ms(1_050), Budget::History, Urgency::Reducing), 0);
        // A reset that lies absurdly far ahead is not believed.
        limits.exhausted(T, Budget::CancelBatch, Some(T + Span::from_secs(86_400)));
        assert!(limits.take(T + Span::from_secs(2), Budget::CancelBatch, 1, Urgency::Reducing).is_ok());
    }

    #[test]
    fn a_ban_stops_everything_for_ten_minutes() {
        let mut limits = Limits::new();
        let until = limits.ban(T);
        assert_eq!(limits.take(T, Budget::Cancel, 1, Urgency::Reducing), Err(Stop::Banned(until)));
        assert_eq!(until, T + BAN);
        let mut pardoned = limits.clone();
        pardoned.pardon();
        assert!(pardoned.take(T, Budget::Cancel, 1, Urgency::Reducing).is_ok());
        assert!(limits.take(until, Budget::Cancel, 1, Urgency::Reducing).is_ok());
    }

    #[test]
    fn a_batch_larger_than_the_budget_still_leaves() {
        let mut limits = Limits::new();
        assert!(limits.take(T, Budget::CreateBatch, 10, Urgency::Ordinary).is_ok());
        assert!(matches!(limits.take(T, Budget::CreateBatch, 1, Urgency::Ordinary), Err(Stop::Until(_))));
    }
}
