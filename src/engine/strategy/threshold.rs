//! Threshold: enters when one direction is probable enough, has been for long enough and pays its cost; leaves when the
//! opposite direction is as probable. Between the two it holds: that band is the hysteresis.

use super::Wish;
use crate::engine::features::bars::{FRESH, MINUTE};
use crate::engine::num::Side;
use crate::engine::risk::verdict::{Denial, DenialCode};
use crate::engine::settings::Settings;
use crate::engine::signal::Signal;
use crate::engine::time::{Span, Ts};
use crate::engine::trust::repaint::is_closed;

/// A direction that nobody told of for longer than this is not held any more: a minute, and as long as a model speaks of one.
const SILENCE_MAX: Span = Span(MINUTE.0 + FRESH.0);

/// How long the signal has pointed one way.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Confirmation {
    pointing: Option<(Side, Ts)>,
    /// When a direction was last told.
    told: Ts,
}

impl Confirmation {
    /// Takes note of the direction at `at` (`None`: none probable enough) and says for how long it has held.
    pub fn observe(&mut self, at: Ts, side: Option<Side>) -> Span {
        let silent = at.since(std::mem::replace(&mut self.told, at)) > SILENCE_MAX;
        match (self.pointing, side) {
            (Some((was, since)), Some(is)) if was == is && !silent => at.since(since),
            (_, is) => {
                self.pointing = is.map(|side| (side, at));
                Span(0)
            }
        }
    }
}

/// Decides for one instrument.
pub fn wish(signal: &Signal, held: Option<Side>, confirmation: &mut Confirmation, settings: &Settings, at: Ts) -> Wish {
    let probable = signal.prob >= settings.min_prob;
    let held_for = confirmation.observe(at, probable.then_some(signal.side));
    if let Some(held) = held {
        return if probable && signal.side == held.opposite() { Wish::Exit } else { Wish::Hold };
    }
    match checks(signal, held_for, settings).into_iter().find_map(|(_, denial)| denial) {
        Some(denial) => Wish::Nothing(Some(signal.side), denial),
        None => Wish::Enter(signal.side),
    }
}

/// What an entry is asked before the gate, in order, with what each says. `held_for`: how long the signal has pointed that way.
pub fn checks(signal: &Signal, held_for: Span, settings: &Settings) -> [(&'static str, Option<Denial>); 4] {
    let flat = (signal.prob < settings.min_prob).then(|| {
        let detail = format!("p={:.3} min={:.3}", signal.prob, settings.min_prob);
        Denial::with(DenialCode::SignalFlat, detail)
    });
    let unconfirmed = (held_for < settings.confirm).then(|| {
        let detail = format!("held={}ms need={}ms", held_for.as_ms(), settings.confirm.as_ms());
        Denial::with(DenialCode::SignalUnconfirmed, detail)
    });
    let forming = (settings.close_only && !is_closed(signal.at, settings.horizon_s)).then(|| {
        let span = Span::from_secs(i64::from(settings.horizon_s));
        let closes_in = (signal.at.floor_to(span) + span).since(signal.at);
        Denial::with(DenialCode::SignalForming, format!("closes_in={}ms", closes_in.as_ms()))
    });
    [
        ("probability", flat),
        ("confirmed", unconfirmed),
        ("closed forecast", forming),
        ("edge after costs", edge_denial(signal, settings)),
    ]
}

/// The edge gate: no trade unless the expected move beats its cost.
pub fn edge_denial(signal: &Signal, settings: &Settings) -> Option<Denial> {
    if !settings.edge_gate {
        return None;
    }
    let Some(cost) = signal.cost_bps else { return Some(Denial::bare(DenialCode::BookTooThin)) };
    let favourable = signal.move_bps * signal.side.sign() as f64;
    let needed = cost + settings.min_edge_bps;
    // A number that is none pays nothing.
    let pays = favourable >= needed;
    (!pays).then(|| Denial::with(DenialCode::EdgeTooSmall, format!("move={favourable:.1}bp cost={needed:.1}bp")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(side: Side, prob: f64, move_bps: f64) -> Signal {
        let (up, down) = if side == Side::Buy { (prob, 0.1) } else { (0.1, prob) };
        Signal {
            at: Ts(0),
            up: up as f32,
            flat: 0.1,
            down: down as f32,
            move_bps: move_bps * side.sign() as f64,
            side,
            prob,
            cost_bps: Some(11.0),
            edge_bps: Some(move_bps - 11.0),
        }
    }

    #[test]
    fn the_edge_gate_names_its_numbers() {
        let settings = Settings { min_edge_bps: 0.6, ..Settings::default() };
        let mut confirmation = Confirmation::default();
        let Wish::Nothing(Some(Side::Buy), denial) =
            wish(&signal(Side::Buy, 0.7, 0.8), None, &mut confirmation, &settings, Ts(1))
        else {
            panic!("must not enter");
        };
        assert_eq!(denial.to_string(), "EDGE_TOO_SMALL: move=0.8bp cost=11.6bp");
        let open = Settings { edge_gate: false, ..settings };
        assert_eq!(wish(&signal(Side::Buy, 0.7, 0.8), None, &mut confirmation, &open, Ts(2)), Wish::Enter(Side::Buy));
    }

    #[test]
    fn holds_until_the_opposite_is_probable() {
        let settings = Settings { edge_gate: false, ..Settings::default() };
        let mut c = Confirmation::default();
        assert_eq!(wish(&signal(Side::Buy, 0.3, 0.0), Some(Side::Buy), &mut c, &settings, Ts(1)), Wish::Hold);
        assert_eq!(wish(&signal(Side::Sell, 0.4, 0.0), Some(Side::Buy), &mut c, &settings, Ts(1)), Wish::Hold);
        assert_eq!(wish(&signal(Side::Sell, 0.6, 0.0), Some(Side::Buy), &mut c, &settings, Ts(1)), Wish::Exit);
    }

    #[test]
    fn close_only_waits_for_the_end_of_the_span_and_exits_do_not() {
        let settings = Settings { edge_gate: false, close_only: true, horizon_s: 10, ..Settings::default() };
        let mut c = Confirmation::default();
        let at = |s: i64| Ts(s * 1_000_000_000);
        let one = |s: i64, prob: f64| Signal { at: at(s), ..signal(Side::Buy, prob, 0.0) };
        let Wish::Nothing(_, denial) = wish(&one(7, 0.7), None, &mut c, &settings, at(7)) else { panic!("forming") };
        assert_eq!(denial.to_string(), "SIGNAL_FORMING: closes_in=3000ms");
        assert_eq!(wish(&one(10, 0.7), None, &mut c, &settings, at(10)), Wish::Enter(Side::Buy));
        assert_eq!(wish(&one(13, 0.7), Some(Side::Sell), &mut c, &settings, at(13)), Wish::Exit);
    }

    #[test]
    fn confirmation_needs_the_same_side_all_along() {
        let settings = Settings { edge_gate: false, confirm: Span::from_secs(2), ..Settings::default() };
        let mut c = Confirmation::default();
        let at = |s: i64| Ts(s * 1_000_000_000);
        assert!(matches!(wish(&signal(Side::Buy, 0.7, 0.0), None, &mut c, &settings, at(0)), Wish::Nothing(..)));
        assert!(matches!(wish(&signal(Side::Sell, 0.7, 0.0), None, &mut c, &settings, at(1)), Wish::Nothing(..)));
        assert!(matches!(wish(&signal(Side::Sell, 0.7, 0.0), None, &mut c, &settings, at(2)), Wish::Nothing(..)));
        assert_eq!(wish(&signal(Side::Sell, 0.7, 0.0), None, &mut c, &settings, at(3)), Wish::Enter(Side::Sell));
    }
}
