//! Step one: every order that can open ends, by the venue's own list, until that list shows none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{Ending, ROUND_PAUSE, Receipt, Rescue, Whose};
use crate::gate::Gate;
use crate::venue::bybit::parse::rows::OrderRow;
use crate::venue::bybit::rest::RestError;

/// Cancels under way at once.
const AT_ONCE: usize = 10;
/// An order that is still listed is asked for again after this long.
const AGAIN: Duration = Duration::from_millis(700);

/// What an open order can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Open or grow a position.
    Opens,
    /// Rests, and can only reduce.
    Reduces,
    /// A stop or take profit that waits for its trigger.
    Protects,
}

/// What it can do, by the venue's own flags (contract 8.4, O5) and not by our books.
pub fn kind_of(row: &OrderRow) -> Kind {
    let triggered = row.stop_order_type.as_deref().is_some_and(|kind| kind != "Stop" && kind != "UNKNOWN");
    match (row.reduce_only || row.close_on_trigger || triggered, row.trigger_price.is_some() || triggered) {
        (false, _) => Kind::Opens,
        (true, true) => Kind::Protects,
        (true, false) => Kind::Reduces,
    }
}

impl Whose {
    /// May this order be cancelled? What the venue attached to an order of ours, or to a position, has no id of ours.
    pub(super) fn has_order(&self, row: &OrderRow, ours: &str) -> bool {
        let named = |link: &Option<String>| link.as_deref().is_some_and(|link| link.starts_with(ours));
        match self {
            Self::Everything => true,
            Self::Instrument(name) => row.symbol == *name,
            Self::Ours(_) | Self::Unknown => {
                let attached = row.link_id.is_none() && kind_of(row) == Kind::Protects && row.close_on_trigger;
                let of_ours = attached && self.has_position(&row.symbol) == Some(true);
                named(&row.link_id) || named(&row.parent_link_id) || of_ours
            }
        }
    }
}

/// An order in words, with the venue's id.
pub(super) fn words(row: &OrderRow) -> String {
    let price = row.price.map_or_else(String::new, |price| format!(" @ {price}"));
    format!("{} {} {}{price} (order {})", row.symbol, row.side.word(), row.qty, row.order_id)
}

/// That nothing of scope is left that can open, and what of others is.
fn none_opens(others: &[String]) -> String {
    match others.len() {
        0 => "the exchange lists no order that can open".to_owned(),
        left => {
            format!("the exchange lists no order of ours that can open; {left} of others left: {}", others.join("; "))
        }
    }
}

impl Rescue {
    /// An order that was sent before now has arrived after this long, or never will: its window bounds it (contract 8.9).
    pub fn in_flight(&self) -> Duration {
        Duration::from_millis(u64::from(self.rest.create_window_ms()) + 500)
    }

    /// How long an order of the engine beside this may still arrive. Without an engine a first step has waited already.
    pub(super) fn still_in_flight(&self) -> Duration {
        let shut_for = self.beside.as_ref().map(|gate| gate.shut_for().unwrap_or_default());
        shut_for.map_or(Duration::ZERO, |shut_for| self.in_flight().saturating_sub(shut_for))
    }

    /// Step one as a kill needs it: what was on its way when the gate closed may reach the venue after a list was read, but
    /// not later than its window allows, so the list is read again then.
    pub async fn first_step(&self, whose: &Whose, within: Duration, receipt: &mut Receipt) -> Ending {
        let began = Instant::now();
        let ending = self.cancel_openings(whose, within, &|| false, receipt).await;
        if !ending.no_openings {
            return ending;
        }
        tokio::time::sleep(self.in_flight()).await;
        self.cancel_openings(whose, within.saturating_sub(began.elapsed()), &|| false, receipt).await
    }

    /// Cancels every order of `whose` that can open until the venue lists none, for at most this long. Repeats freely.
    /// Nothing more is cancelled once it `is_over`.
    pub async fn cancel_openings(
        &self,
        whose: &Whose,
        within: Duration,
        is_over: &(dyn Fn() -> bool + Sync),
        receipt: &mut Receipt,
    ) -> Ending {
        let began = Instant::now();
        let mut asked = BTreeMap::new();
        receipt.note("cancelling every order that can open");
        loop {
            let kills = self.kills();
            let mut left = vec!["the open orders could not be read".to_owned()];
            match self.rest.open_orders().await {
                Ok(rows) => {
                    let others = self.others(&rows.good, whose);
                    let opening: Vec<&OrderRow> = self.opening(&rows.good, whose).collect();
                    left = opening.iter().map(|row| words(row)).collect();
                    left.extend(rows.odd.iter().map(ToString::to_string));
                    if left.is_empty() {
                        receipt.note(&none_opens(&others));
                        return Ending { no_openings: true, others, ..Ending::default() };
                    }
                    if is_over() {
                        receipt.note("the kill was lifted: nothing more is cancelled");
                        return Ending::default();
                    }
                    self.cancel_each(&opening, &mut asked, receipt).await;
                }
                Err(error) => self.wait_after(&error, receipt).await,
            }
            if began.elapsed() >= within {
                receipt.note("not done: orders that can open may be left");
                return Ending { left, ..Ending::default() };
            }
            self.pause(kills).await;
        }
    }

    /// Kills beside which this runs.
    fn kills(&self) -> u64 {
        self.beside.as_ref().map_or(0, Gate::kills)
    }

    /// Between two lists. Another kill ends it: where the one before was lifted meanwhile, orders of since may rest.
    async fn pause(&self, kills: u64) {
        match &self.beside {
            Some(gate) => gate.killed_beyond(kills, ROUND_PAUSE).await,
            None => tokio::time::sleep(ROUND_PAUSE).await,
        }
    }

    pub(super) fn opening<'a>(
        &'a self,
        rows: &'a [OrderRow],
        whose: &'a Whose,
    ) -> impl Iterator<Item = &'a OrderRow> + 'a {
        rows.iter().filter(|row| kind_of(row) == Kind::Opens && whose.has_order(row, &self.ours))
    }

    /// Opening orders that are not ours to cancel, in words.
    pub(super) fn others(&self, rows: &[OrderRow], whose: &Whose) -> Vec<String> {
        let others = rows.iter().filter(|row| kind_of(row) == Kind::Opens && !whose.has_order(row, &self.ours));
        others.map(|row| format!("order of others: {}", words(row))).collect()
    }

    /// Asks for the end of each, those first that were not asked for yet.
    pub(super) async fn cancel_each(
        &self,
        rows: &[&OrderRow],
        asked: &mut BTreeMap<String, Instant>,
        receipt: &mut Receipt,
    ) {
        let due = |row: &&&OrderRow| asked.get(&row.order_id).is_none_or(|at| at.elapsed() >= AGAIN);
        let mut due: Vec<&OrderRow> = rows.iter().filter(due).copied().collect();
        due.sort_by_key(|row| asked.get(&row.order_id).copied());
        due.truncate(AT_ONCE);
        for row in &due {
            asked.insert(row.order_id.clone(), Instant::now());
        }
        let answers = join_all(due.iter().map(|row| self.rest.cancel_id(&row.symbol, &row.order_id))).await;
        for (row, answer) in due.iter().zip(answers) {
            match answer {
                Ok(_) => receipt.note(&format!("cancel taken: {}", words(row))),
                // Too late or gone: the next list says which.
                Err(RestError::Ambiguous(why) | RestError::Unsent(why)) => {
                    receipt.note(&format!("cancel in doubt: {}: {why}", words(row)));
                }
                Err(error) => receipt.note(&format!("cancel refused: {}: {error}", words(row))),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::num::{Qty, Side};
    use crate::venue::bybit::parse::rows::{OrderStatus, OrderType, TimeInForce};

    pub fn row(link: Option<&str>) -> OrderRow {
        OrderRow {
            category: None,
            symbol: "BTCUSDT".into(),
            order_id: "1".into(),
            link_id: link.map(str::to_owned),
            parent_link_id: None,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            status: OrderStatus::New,
            price: None,
            qty: Qty::from_raw(1),
            filled: Qty::ZERO,
            filled_value: None,
            avg_price: None,
            leaves: None,
            fees: Vec::new(),
            trigger_price: None,
            trigger_direction: None,
            take_profit: None,
            stop_loss: None,
            position_idx: 0,
            reduce_only: false,
            close_on_trigger: false,
            create_type: None,
            cancel_type: None,
            reject_reason: None,
            stop_order_type: None,
            smp_order_id: None,
            closed_pnl: None,
            created_ms: None,
            updated_ms: None,
        }
    }

    #[test]
    fn protection_is_known_by_the_venues_flags() {
        let plain = row(None);
        assert_eq!(kind_of(&plain), Kind::Opens);
        assert_eq!(kind_of(&OrderRow { reduce_only: true, ..plain.clone() }), Kind::Reduces);
        let stop = OrderRow { stop_order_type: Some("StopLoss".into()), close_on_trigger: true, ..plain.clone() };
        assert_eq!(kind_of(&stop), Kind::Protects);
        // A conditional order without reduce-only opens when it triggers.
        let entry = OrderRow { stop_order_type: Some("Stop".into()), trigger_price: plain.price, ..plain.clone() };
        assert_eq!(kind_of(&entry), Kind::Opens);
        assert_eq!(kind_of(&OrderRow { stop_order_type: Some("UNKNOWN".into()), ..plain }), Kind::Opens);
    }

    #[test]
    fn what_others_have_is_never_called_nothing() {
        assert_eq!(none_opens(&[]), "the exchange lists no order that can open");
        let said = none_opens(&["order of others: BTCUSDT buy 1 (order 7)".to_owned()]);
        assert!(said.contains("no order of ours") && said.contains("1 of others left") && said.contains("order 7"));
    }

    #[test]
    fn orders_of_others_are_not_ours_to_cancel() {
        let ours = Whose::Ours(std::sync::Arc::new(["BTCUSDT".to_owned()].into()));
        assert!(ours.has_order(&row(Some("tt-run-000001")), "tt-"));
        assert!(!ours.has_order(&row(Some("grid-7")), "tt-") && !ours.has_order(&row(None), "tt-"));
        assert!(Whose::Everything.has_order(&row(None), "tt-"));
        let stop = OrderRow { stop_order_type: Some("StopLoss".into()), close_on_trigger: true, ..row(None) };
        assert!(ours.has_order(&stop, "tt-"), "the stop of a position of ours");
        assert!(
            !Whose::Unknown.has_order(&stop, "tt-") && Whose::Unknown.has_order(&row(Some("tt-run-000001")), "tt-")
        );
        assert!(!ours.has_order(&OrderRow { symbol: "XRPUSDT".into(), ..stop }, "tt-"));
    }
}
