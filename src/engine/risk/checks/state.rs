//! May anything open at all, and this instrument?

use crate::engine::control::Control;
use crate::engine::effect::NewOrder;
use crate::engine::ids::Symbol;
use crate::engine::risk::gate::GateView;
use crate::engine::risk::state::{Arming, ReduceCause};
use crate::engine::risk::verdict::{Denial, DenialCode};
use crate::engine::time::Ts;

/// The check of the registry, with the cooldown after a loss.
pub fn check(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    if let Some(denial) = state(order.symbol, view.at, view.control) {
        return Some(denial);
    }
    let until = view.desk(order.symbol)?.cooldown_until;
    (until > view.at)
        .then(|| Denial::with(DenialCode::CooldownActive, format!("left={}ms", until.since(view.at).as_ms())))
}

/// Latches, arming, close loops, reasons to reduce, released positions.
pub fn state(symbol: Symbol, at: Ts, control: &Control) -> Option<Denial> {
    if let Some(latch) = &control.latch {
        let code = if latch.is_kill() { DenialCode::StateKilled } else { DenialCode::StateTripped };
        return Some(Denial::bare(code));
    }
    if control.close.is_some() {
        return Some(Denial::bare(DenialCode::StateFlattening));
    }
    match control.arming {
        Arming::Armed { until, .. } if until > at => {}
        _ => return Some(Denial::bare(DenialCode::StateDisarmed)),
    }
    if let Some(cause) = control.reducing.iter().find(|cause| cause.covers(symbol)) {
        if let ReduceCause::Venue { code, detail, .. } = cause {
            return Some(Denial::with(*code, detail.clone()));
        }
        return Some(Denial::with(DenialCode::StateReducing, format!("cause={}", cause.to_string().replace(' ', "_"))));
    }
    control.released.contains(&symbol).then(|| Denial::bare(DenialCode::StateReleased))
}
