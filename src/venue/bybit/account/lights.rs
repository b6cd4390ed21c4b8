//! The lights of the checklist before arming that only the account's task can light: what the key may do, and the leverage
//! that the venue has set.

use super::desk::Reading;
use super::opening::Standing;
use crate::engine::preflight::{KEY, LEVERAGE, leverage_exceeds};
use crate::engine::snapshot::{Check, Health};

/// The key's light. With a `real` account nothing is armed whose key can take money out.
pub fn key_light(standing: &Standing, real: bool) -> Check {
    let (health, detail) = match (&standing.cannot_trade, standing.key_notes.first()) {
        (Some(why), _) => (Health::Fail, why.clone()),
        (None, Some(note)) if real && standing.may_withdraw => (Health::Fail, note.clone()),
        (None, Some(note)) => (Health::Warn, note.clone()),
        (None, None) => (Health::Ok, "may trade, may not withdraw, bound to an address".to_owned()),
    };
    Check { name: KEY.to_owned(), health, detail }
}

/// What leverage the venue has set, and whether one exceeds `most`: margin there depends on it, limits here do not.
pub fn leverage_light(reading: &Reading, most: u32) -> Check {
    let row = |row: &crate::venue::bybit::parse::rows::PositionRow| Some(format!("{} {}x", row.symbol, row.leverage?));
    let rows: Vec<String> = reading.modes.iter().filter_map(row).collect();
    let (health, detail) = if rows.is_empty() {
        (Health::Skip, "the venue does not say".to_owned())
    } else if reading.modes.iter().filter_map(|row| row.leverage).any(|leverage| leverage_exceeds(leverage, most)) {
        let todo = format!("above {most}x, which max_leverage needs: `tickdeck doctor --fix` lowers it");
        (Health::Warn, format!("{}; {todo}", rows.join(", ")))
    } else {
        (Health::Ok, rows.join(", "))
    };
    Check { name: LEVERAGE.to_owned(), health, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_withdraw_warns_on_play_money_and_refuses_real_money() {
        let note = || vec!["the API key may WITHDRAW money".to_owned()];
        let standing = Standing { key_notes: note(), may_withdraw: true, ..Standing::default() };
        assert_eq!(
            (key_light(&standing, false).health, key_light(&standing, true).health),
            (Health::Warn, Health::Fail)
        );
        let unbound = Standing { key_notes: vec!["not bound".to_owned()], ..Standing::default() };
        assert_eq!(key_light(&unbound, true).health, Health::Warn);
        assert_eq!(key_light(&Standing::default(), true).health, Health::Ok);
        let reads = Standing { cannot_trade: Some("may only read".to_owned()), ..Standing::default() };
        assert_eq!(key_light(&reads, false).health, Health::Fail);
    }
}
