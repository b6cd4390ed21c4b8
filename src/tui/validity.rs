//! When a command may be given, and the reason when not. Pure questions to the picture; the engine asks its own.

use std::borrow::Cow;

use super::state::UiState;
use crate::engine::account::TieOut;
use crate::engine::danger::Danger;
use crate::engine::ids::{Account, Market};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::{Health, OrderRow, Snapshot, StateWord};

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Validity {
    /// Go on.
    Yes,
    /// Not now; the reason, for the hint line.
    No(Cow<'static, str>),
}

impl Validity {
    /// May it be given?
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }
    /// The reason when not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Yes => None,
            Self::No(reason) => Some(reason),
        }
    }
}

fn unless(refused: bool, reason: &'static str) -> Validity {
    if refused { Validity::No(Cow::Borrowed(reason)) } else { Validity::Yes }
}

/// Always.
pub fn always(_: &Snapshot, _: &UiState) -> Validity {
    Validity::Yes
}

/// No latch, and nothing that keeps arming refused.
pub fn arm(snapshot: &Snapshot, _: &UiState) -> Validity {
    let state = &snapshot.state;
    if let Some(latch) = &state.latch {
        let word = if latch.is_kill() { "KILLED" } else { "TRIPPED" };
        return Validity::No(format!("{word}: reset first (R)").into());
    }
    if snapshot.session.pair.account() == Account::Live && snapshot.session.tail.is_none() {
        return Validity::No("real money without a tail to type: start anew".into());
    }
    match &state.arming_refused {
        Some(why) => Validity::No(why.clone().into()),
        None => Validity::Yes,
    }
}

/// Is any pre-flight check red? Its name, for the checklist.
pub fn red_light(snapshot: &Snapshot) -> Option<&str> {
    snapshot.state.preflight.iter().find(|c| c.health == Health::Fail).map(|c| c.name.as_str())
}

/// The selected instrument has a position.
pub fn flatten_one(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.position(snapshot) {
        Some(row) if row.released => Validity::No(
            format!("{} is released to you: adopt it first, or close it as yours (close-released)", row.name).into(),
        ),
        Some(_) => Validity::Yes,
        None => Validity::No(format!("no position in {}", ui.symbol_name(snapshot)).into()),
    }
}

/// Something is open.
pub fn flatten_all(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.positions.iter().all(|p| p.released), "nothing of ours is open")
}

/// A working order is selected.
pub fn cancel_order(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.order(snapshot) {
        Some(row) if row.working => Validity::Yes,
        Some(_) => Validity::No("the selected order has ended".into()),
        None => Validity::No("select an order in the orders pane first (7)".into()),
    }
}

/// There is a latch.
pub fn reset(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.state.latch.is_none(), "neither killed nor tripped")
}

/// There is a notice to acknowledge.
pub fn acknowledge(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.pending_notice.is_none(), "no notice waits")
}

/// The exchange refuses this address or the key.
pub fn retry_venue(snapshot: &Snapshot, _: &UiState) -> Validity {
    let refused = snapshot.danger.iter().any(|row| {
        let Danger::Hold { code, .. } = &row.danger else { return false };
        DenialCode::TABLE.iter().any(|(named, text, _)| text == code && named.may_be_retried())
    });
    unless(!refused, "the exchange refuses neither this address nor the key")
}

/// A model is benched.
pub fn unbench(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.trust.iter().all(|row| row.record.benched.is_none()), "no model is benched")
}

/// Others have something outside the run.
pub fn outside(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.outside.is_empty(), "nothing is outside the run")
}

/// The selected order's id is another one's.
pub fn settle_order(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.order(snapshot) {
        Some(row) => unless(!row.contested, "nobody else has its id: what is unknown is asked for until it is known"),
        None => Validity::No("select an order in the orders pane first (7)".into()),
    }
}

/// The account is the exchange's.
pub fn tie_out(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.account.tie_out == TieOut::Nothing, "there is no log of an exchange to compare with")
}

/// A shadow model runs, and nothing is armed or latched.
pub fn promote(snapshot: &Snapshot, _: &UiState) -> Validity {
    if snapshot.health.shadows.is_empty() {
        return Validity::No("no shadow model runs: `shadow` in [model] names them".into());
    }
    unless(snapshot.state.word != StateWord::Safe, "only in SAFE: a model never changes under an armed autotrader")
}

/// The selected position is ours.
pub fn release(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.position(snapshot) {
        Some(row) => unless(row.released, "already released to you"),
        None => Validity::No(format!("no position in {}", ui.symbol_name(snapshot)).into()),
    }
}

/// The selected position was released.
pub fn adopt(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.position(snapshot) {
        Some(row) => unless(!row.released, "not released: it is managed already"),
        None => Validity::No(format!("no position in {}", ui.symbol_name(snapshot)).into()),
    }
}

/// The selected position was released.
pub fn close_released(snapshot: &Snapshot, ui: &UiState) -> Validity {
    match ui.position(snapshot) {
        Some(row) => unless(!row.released, "not released: flatten closes what is ours (f)"),
        None => Validity::No(format!("no position in {}", ui.symbol_name(snapshot)).into()),
    }
}

/// The market is a tape.
pub fn replay(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.session.playback.is_none(), "only in a replay")
}

/// The market is a tape and stands still.
pub fn paused(snapshot: &Snapshot, _: &UiState) -> Validity {
    match &snapshot.session.playback {
        None => Validity::No("only in a replay".into()),
        Some(playback) => unless(playback.speed > 0.0, "pause first (Space)"),
    }
}

/// The market is simulated.
pub fn weather(snapshot: &Snapshot, _: &UiState) -> Validity {
    unless(snapshot.session.pair.market() != Market::Simulated, "only in the simulated market")
}

/// Stopping the process stops nothing that matters.
pub fn suspend(snapshot: &Snapshot, _: &UiState) -> Validity {
    if is_armed(snapshot) {
        return Validity::No("armed: suspending would stop the engine; disarm first (d)".into());
    }
    unless(risk_is_on(snapshot), "suspending stops the engine, and its exits with it: positions or orders are open")
}

/// May open.
pub fn is_armed(snapshot: &Snapshot) -> bool {
    snapshot.state.word == StateWord::Armed || snapshot.state.armed_until.is_some()
}

/// Armed, open, closing, or with working orders: leaving needs a decision.
pub fn risk_is_on(snapshot: &Snapshot) -> bool {
    let state = &snapshot.state;
    is_armed(snapshot)
        || state.open > 0
        || state.exiting > 0
        || state.closing
        || !snapshot.positions.is_empty()
        || snapshot.orders.iter().any(OrderRow::ours_works)
}
