//! How rows of a set of features are taken and labelled, and which forecasters need no model.

use crate::engine::features::{Set, bars};
use crate::engine::time::Span;

/// What differs between learning from books and trades and learning from bars.
#[derive(Debug)]
pub struct Sampling {
    /// Horizons in seconds that can be learned and judged; what a training takes is those up to its longest.
    pub horizons_s: &'static [u32],
    /// The longest one in seconds where no other is asked for: beyond it recordings of hours are needed.
    pub usual_longest_s: u32,
    /// Event time between two rows, where nothing else was asked for.
    pub sample: Span,
    /// Event time between two rows of a sequence, where nothing else was asked for.
    pub step: Span,
    /// How late the late figures act: what an order takes; on bars the next one.
    pub late: Span,
    /// The longest memory of a feature.
    pub reach: Span,
    /// Rows kept of one stream, evenly thinned beyond: a day of a quiet market must not drown ten minutes of a busy one.
    pub rows_max: usize,
    /// The plainest signal with the feature that is it: what a model must beat.
    pub plain: (&'static str, &'static str),
    /// Another one, where there is one.
    pub other: Option<(&'static str, &'static str)>,
    /// In words what rows are made from.
    pub made_from: &'static str,
    /// In words what a row needs.
    pub needs: &'static str,
}

/// How rows of a set are taken.
pub fn of(set: Set) -> &'static Sampling {
    match set {
        Set::Market => &MARKET,
        Set::Bars => &BARS,
    }
}

static MARKET: Sampling = Sampling {
    horizons_s: &[1, 5, 10, 60, 300],
    usual_longest_s: 60,
    sample: Span::from_ms(250),
    step: Span::from_secs(1),
    late: Span::from_ms(200),
    reach: Span::from_secs(60),
    rows_max: 5_000,
    plain: ("queue imbalance", "imb_l1"),
    other: Some(("last tick", "last_move")),
    made_from: "order books and trades",
    needs: "a valid order book, a minute of warm-up and a minute after it",
};

static BARS: Sampling = Sampling {
    horizons_s: &[60, 300, 900],
    usual_longest_s: 300,
    sample: bars::MINUTE,
    step: bars::MINUTE,
    late: bars::MINUTE,
    reach: Span::from_secs(60 * bars::MINUTES as i64),
    rows_max: 20_000,
    plain: ("the last minute", "bar_ret_1m"),
    other: None,
    made_from: "one-minute bars",
    needs: "thirty-one minutes without a hole before it and the next ones after it",
};
