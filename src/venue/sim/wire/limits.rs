//! Rate limits: a rolling second per endpoint and account, five seconds per address (contract 5).

use std::collections::{BTreeMap, VecDeque};

use crate::engine::time::{Span, Ts};

const SECOND: Span = Span::from_secs(1);
const ADDRESS_WINDOW: Span = Span::from_secs(5);
const ADDRESS_MAX: usize = 600;
/// How long an address that asked too much is shut out.
const BAN: Span = Span::from_secs(600);

/// Counters of one account and one address.
#[derive(Debug, Default)]
pub struct Limits {
    endpoints: BTreeMap<String, VecDeque<Ts>>,
    address: VecDeque<Ts>,
    banned_until: Option<Ts>,
}

/// Where a bucket stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests per second.
    pub limit: usize,
    /// How many are left.
    pub left: usize,
    /// How many of those asked for were let through.
    pub granted: usize,
    /// When the next is free.
    pub reset: Ts,
}

/// Requests a second of a path (default tier, linear); `None` where only the address counts.
pub fn per_second(path: &str) -> Option<usize> {
    Some(match path.strip_prefix("/v5/")? {
        "order/realtime"
        | "order/history"
        | "execution/list"
        | "position/list"
        | "position/closed-pnl"
        | "account/wallet-balance"
        | "account/info"
        | "account/user-setting-config" => 50,
        "account/transaction-log" => 25,
        "account/fee-rate" | "asset/coin/query-info" | "account/set-margin-mode" => 5,
        path if path.starts_with("market/") || path.starts_with("system/") => return None,
        _ => 10,
    })
}

impl Limits {
    /// Counts a request of the address; false when it is shut out.
    pub fn admit_address(&mut self, now: Ts) -> bool {
        if self.banned_until.is_some_and(|until| now < until) {
            return false;
        }
        expire(&mut self.address, now, ADDRESS_WINDOW);
        self.address.push_back(now);
        if self.address.len() <= ADDRESS_MAX {
            return true;
        }
        self.banned_until = Some(now + BAN);
        false
    }

    /// Forgets a ban.
    pub fn pardon(&mut self) {
        *self = Self::default();
    }

    /// Takes `cost` from the bucket of a path: as many as are left are granted.
    pub fn charge(&mut self, path: &str, limit: usize, cost: usize, now: Ts) -> Standing {
        let bucket = self.endpoints.entry(path.to_owned()).or_default();
        expire(bucket, now, SECOND);
        let granted = cost.min(limit.saturating_sub(bucket.len()));
        bucket.extend(std::iter::repeat_n(now, granted));
        let reset = bucket.front().filter(|_| granted < cost).map_or(now, |first| *first + SECOND);
        Standing { limit, left: limit.saturating_sub(bucket.len()), granted, reset }
    }
}

fn expire(times: &mut VecDeque<Ts>, now: Ts, window: Span) {
    while times.front().is_some_and(|at| now.since(*at) >= window) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_after_its_second_and_grants_what_is_left() {
        let mut limits = Limits::default();
        let at = Ts::from_ms;
        assert_eq!(limits.charge("x", 10, 8, at(0)).left, 2);
        let standing = limits.charge("x", 10, 5, at(500));
        assert_eq!((standing.granted, standing.left, standing.reset), (2, 0, at(1_000)));
        assert_eq!(limits.charge("x", 10, 1, at(999)).granted, 0);
        assert_eq!(limits.charge("x", 10, 1, at(1_000)).granted, 1);
    }

    #[test]
    fn an_address_that_asks_too_much_is_shut_out_for_ten_minutes() {
        let mut limits = Limits::default();
        assert!((0..600).all(|n| limits.admit_address(Ts::from_ms(n))));
        assert!(!limits.admit_address(Ts::from_ms(700)));
        assert!(!limits.admit_address(Ts::from_ms(599_000)));
        assert!(limits.admit_address(Ts::from_ms(700_000)));
    }
}
