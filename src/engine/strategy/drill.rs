//! Drill: enters and leaves by the clock, whatever the signal says, in turns long and short. No configuration can name it:
//! measurements of execution on tapes trade by it, because what they compare must want the same at the same moments.

use serde::{Deserialize, Serialize};

use super::Wish;
use crate::engine::ids::Symbol;
use crate::engine::num::Side;
use crate::engine::risk::verdict::{Denial, DenialCode};
use crate::engine::time::{Span, Ts};

/// When it trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Drill {
    /// It enters at every multiple of this and leaves half of it later.
    pub every: Span,
    /// That much later than that: a wait that looks at nothing.
    pub late: Span,
    /// What may wait rests and looks at no forecast, and crosses at its end: what resting brings without a model.
    pub joins: bool,
}

impl Drill {
    /// The side of the trade of the half that begins at `at`.
    pub fn side(&self, symbol: Symbol, at: Ts) -> Side {
        let halves = at.0.div_euclid((self.every.0 / 2).max(1));
        let cycle = halves.div_euclid(2) + i64::from(symbol.0);
        let enters = halves.rem_euclid(2) == 0;
        if (cycle.rem_euclid(2) == 0) == enters { Side::Buy } else { Side::Sell }
    }
}

/// What the clock wants.
pub fn wish(drill: &Drill, symbol: Symbol, held: Option<Side>, at: Ts) -> Wish {
    let due = Ts(at.0.saturating_sub(drill.late.0));
    let leaves = due.0.rem_euclid(drill.every.0.max(1)) >= drill.every.0 / 2;
    match (held, leaves) {
        (None, false) => Wish::Enter(drill.side(symbol, due)),
        (Some(_), false) => Wish::Hold,
        (Some(_), true) => Wish::Exit,
        (None, true) => Wish::Nothing(None, Denial::bare(DenialCode::SignalFlat)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_enters_and_leaves_in_turns() {
        let drill = Drill { every: Span::from_secs(20), late: Span::from_secs(3), joins: false };
        let at = |s: i64| Ts(s * 1_000_000_000);
        let btc = Symbol(0);
        assert_eq!(wish(&drill, btc, None, at(3)), Wish::Enter(Side::Buy));
        assert_eq!(wish(&drill, btc, Some(Side::Buy), at(12)), Wish::Hold);
        assert_eq!(wish(&drill, btc, Some(Side::Buy), at(13)), Wish::Exit);
        assert!(matches!(wish(&drill, btc, None, at(22)), Wish::Nothing(..)));
        assert_eq!(wish(&drill, btc, None, at(23)), Wish::Enter(Side::Sell));
        assert_eq!((drill.side(btc, at(10)), drill.side(btc, at(20))), (Side::Sell, Side::Sell));
        assert_eq!(wish(&drill, Symbol(1), None, at(3)), Wish::Enter(Side::Sell));
    }
}
