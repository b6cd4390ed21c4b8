//! What an answer's code means for the order it is about (contract 4): the one table of it.
//!
//! The rule behind the table: only a documented refusal is a refusal. What is not in the table, and every HTTP status,
//! leaves an order *unknown* until it has been asked for (contract O1, correction 8.9b).

/// What was asked of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// An order.
    Create,
    /// A cancel, of one order or of all.
    Cancel,
    /// Anything that changes nothing.
    Read,
    /// A setting of the account or an instrument: leverage, margin mode, price limit action.
    Setting,
}

impl Op {
    /// Does it work on an order?
    const fn is_order(self) -> bool {
        matches!(self, Self::Create | Self::Cancel)
    }
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Accepted, or already as wanted.
    Ok,
    /// Definitely refused; unchanged it will be refused again.
    Fix,
    /// Definitely refused for now; may be asked anew later (an order: under a new id).
    Wait,
    /// Unknown whether it was done. Ask; never send again.
    Ambiguous,
    /// Stop trading and tell the person.
    Halt,
}

/// What helps next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing in particular.
    Nothing,
    /// Measure the clock offset anew, sign anew.
    SyncClock,
    /// Wait for the rate limit's reset, a second where it is not told.
    AwaitLimit,
    /// No request at all for ten minutes at least (contract 5).
    Silence,
    /// Close spare trade sockets and back off.
    CloseSockets,
    /// Read the order by our id and take what it says.
    ReadOrder,
    /// Read the setting back; it failed if it differs.
    ReadBack,
    /// Our position is wrong: reconcile.
    Reconcile,
    /// Take a new price inside the current band.
    Reprice,
    /// Take a smaller or larger quantity, by the instrument's rules or the money there is.
    Resize,
    /// Cancel something first.
    CancelSome,
    /// Open nothing more on this instrument.
    LeaveSymbol,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the answer is worth.
    pub action: Action,
    /// What helps next.
    pub next: Next,
    /// What happened, in words for the person.
    pub meaning: &'static str,
}

/// How a code reads before it is known what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Refused.
    No(Next),
    /// Refused for now.
    NotNow(Next),
    /// Refused for now when asked alone; inside a batch nobody says (correction 8.9b).
    Limited,
    /// Nobody says.
    Unclear(Next),
    /// The setting is as wanted already.
    Unchanged,
    /// Refused, and so will be everything else.
    Never(Next),
}

impl Class {
    fn for_op(self, op: Op, meaning: &'static str) -> Verdict {
        let (action, next) = match self {
            Self::No(next) => (Action::Fix, next),
            Self::NotNow(next) => (Action::Wait, next),
            Self::Limited => (Action::Wait, Next::AwaitLimit),
            Self::Never(next) => (Action::Halt, next),
            Self::Unchanged if op == Op::Setting => (Action::Ok, Next::Nothing),
            Self::Unclear(next) if op == Op::Read => (Action::Wait, next),
            Self::Unclear(Next::ReadOrder) if op == Op::Setting => (Action::Ambiguous, Next::ReadBack),
            Self::Unclear(Next::ReadBack) if op.is_order() => (Action::Ambiguous, Next::ReadOrder),
            Self::Unclear(next) => (Action::Ambiguous, next),
            // About a setting, but no setting was asked for: as good as undocumented.
            Self::Unchanged => return undocumented(op),
        };
        Verdict { action, next, meaning }
    }
}

/// What an answer's code means. `message` is the venue's text: a few codes say two things and only the text tells.
///
/// Never [`Action::Ok`] for an order unless the code is 0.
pub fn classify(op: Op, code: i64, message: &str) -> Verdict {
    if code == 0 {
        return Verdict { action: Action::Ok, next: Next::Nothing, meaning: "accepted" };
    }
    if let Some((class, meaning)) = by_text(code, message) {
        return class.for_op(op, meaning);
    }
    match TABLE.iter().find(|(codes, ..)| codes.contains(&code)) {
        // A read of an order that is not there is an answer.
        Some((_, Class::Unclear(Next::ReadOrder), meaning)) if op == Op::Read && GONE.contains(&code) => {
            Verdict { action: Action::Fix, next: Next::Nothing, meaning }
        }
        Some((_, class, meaning)) => class.for_op(op, meaning),
        None => undocumented(op),
    }
}

/// What the code of one item of a batch means: as [`classify`], but a rate limit inside a batch proves nothing.
pub fn classify_item(op: Op, code: i64, message: &str) -> Verdict {
    match TABLE.iter().find(|(codes, ..)| codes.contains(&code)) {
        Some((_, Class::Limited, meaning)) => Class::Unclear(Next::ReadOrder).for_op(op, meaning),
        _ => classify(op, code, message),
    }
}

/// What an answer means that has an HTTP status other than 200, or no JSON (contract 3). No status is proof for an
/// order (correction 8.9b).
pub fn classify_http(op: Op, status: u16) -> Verdict {
    let (refused, next, meaning) = match status {
        403 => (Action::Wait, Next::Silence, "the exchange blocks this address (too many requests, or the country)"),
        429 => (Action::Wait, Next::AwaitLimit, "the exchange protects itself from load"),
        401 => (Action::Halt, Next::Nothing, "the API key is not accepted"),
        400 | 404 | 405 => (Action::Fix, Next::Nothing, "the exchange does not know this request"),
        _ => (Action::Wait, Next::Nothing, "the exchange answered with an error of its own"),
    };
    match op {
        Op::Read => Verdict { action: refused, next, meaning },
        Op::Setting | Op::Create | Op::Cancel => {
            let ask = if op.is_order() { Next::ReadOrder } else { Next::ReadBack };
            // Silence comes before asking: a request now makes the block longer.
            Verdict { action: Action::Ambiguous, next: if next == Next::Silence { next } else { ask }, meaning }
        }
    }
}

/// Was an order refused because its instrument is in another position mode? The code says only "parameter"
/// (contract 8.1).
pub fn is_wrong_mode(code: i64, message: &str) -> bool {
    code == 10_001 && message.to_ascii_lowercase().contains("position idx")
}

/// May this refusal of an order mean that the instrument's rules are not what we think? Limits change while running, and
/// an instrument moves between trading and not (contract O14, correction 7.2d).
pub const fn doubts_rules(code: i64) -> bool {
    matches!(
        code,
        10_001
            | 30_208
            | 30_209
            | 30_228
            | 110_003
            | 110_023
            | 110_042
            | 110_049
            | 110_063
            | 110_066
            | 110_074
            | 110_094..=110_100 | 110_103
    )
}

fn undocumented(op: Op) -> Verdict {
    let meaning = "a code that is not documented";
    match op {
        Op::Read => Verdict { action: Action::Fix, next: Next::Nothing, meaning },
        Op::Setting => Verdict { action: Action::Ambiguous, next: Next::ReadBack, meaning },
        Op::Create | Op::Cancel => Verdict { action: Action::Ambiguous, next: Next::ReadOrder, meaning },
    }
}

/// Codes that say two things.
fn by_text(code: i64, message: &str) -> Option<(Class, &'static str)> {
    match code {
        // " [id]buy: [a,b] invalid": a market order found nothing inside the band.
        10001 if message.contains("]buy: [") || message.contains("]sell: [") => {
            Some((Class::NotNow(Next::Nothing), "nothing to trade with inside the price band"))
        }
        // On the trade socket (correction 4.10003).
        10003 if message.to_ascii_lowercase().contains("session") => {
            Some((Class::NotNow(Next::CloseSockets), "too many trade connections of this account"))
        }
        _ => None,
    }
}

/// Codes of an order that is not there: proof of nothing after a cancel, an answer to a read.
const GONE: &[i64] = &[110_001, 170_213, 170_143];

use Class::{Limited, Never, No, NotNow, Unchanged, Unclear};

/// Every documented code that linear trading may meet, and spot's where the contract lists them.
#[rustfmt::skip]
const TABLE: &[(&[i64], Class, &str)] = &[
    (&[-1, 10002], NotNow(Next::SyncClock), "our clock and the exchange's differ too much"),
    (&[429, 10403, 10429, 20003], Unclear(Next::ReadOrder), "the exchange is overloaded"),
    (&[10000, 170_007], Unclear(Next::ReadOrder), "the exchange ran into a timeout"),
    (&[10001], No(Next::Nothing), "a parameter is wrong"),
    (&[10003], Never(Next::Nothing), "the API key is not valid here: deleted, or of another environment"),
    (&[10004], Never(Next::Nothing), "the signature is wrong: check the API secret"),
    (&[10005], Never(Next::Nothing), "the API key lacks a permission"),
    (&[10006], Limited, "too many requests"),
    (&[10007], Never(Next::Nothing), "the exchange does not authenticate this account"),
    (&[10008], Never(Next::Nothing), "the account is banned or in a mode that does not trade"),
    (&[10009, 10024, 110_132, 170_209], Never(Next::Nothing), "not allowed in this region"),
    (&[10010], Never(Next::Nothing), "the API key is bound to other addresses"),
    (&[10014], Unclear(Next::ReadOrder), "a duplicate request: the first may live"),
    (&[10016, 170_001], Unclear(Next::ReadOrder), "the exchange has an internal error or restarts"),
    (&[10017, 10404], No(Next::Nothing), "the exchange does not know this request"),
    (&[10018], NotNow(Next::Silence), "too many requests from this address"),
    (&[10019], Unclear(Next::ReadOrder), "the trade service restarts"),
    (&[10027], Never(Next::Nothing), "trading is banned for this account"),
    (&[10028, 100_028], Never(Next::Nothing), "not for this kind of account"),
    (&[10029], No(Next::LeaveSymbol), "the API key may not trade this instrument"),
    (&[20006], Unclear(Next::ReadOrder), "a request id was used twice"),
    (&[-2015, 33004], Never(Next::Nothing), "the API key has expired"),
    (&[30208, 30209, 110_003, 110_120, 110_121, 170_192, 170_193, 170_194, 170_371, 170_372],
        No(Next::Reprice), "the price is outside the band or not valid"),
    (&[30228, 110_023, 110_042, 110_066, 110_074, 110_063, 170_151, 170_157, 170_031],
        No(Next::LeaveSymbol), "the instrument is restricted"),
    (&[40004], Unclear(Next::ReadOrder), "the order changed while it was being replaced"),
    (GONE, Unclear(Next::ReadOrder), "no such order, or too late: it may be filled"),
    (&[110_004, 110_006, 110_007, 110_012, 110_014, 110_044, 110_045, 110_051, 110_052, 110_053, 170_033, 170_131],
        No(Next::Resize), "not enough balance or margin"),
    (&[110_008, 110_010, 170_139, 170_142, 170_190], No(Next::ReadOrder), "the order is over already"),
    (&[110_009, 110_020, 110_061, 170_810], No(Next::CancelSome), "too many orders are open"),
    (&[110_013, 110_021, 110_022, 110_031, 110_047, 110_048, 110_085, 110_086, 110_089, 110_090],
        No(Next::Resize), "a limit of risk, leverage or open interest is reached"),
    (&[110_011, 110_039, 110_040, 110_046, 110_131, 30256], No(Next::Resize), "margin would not last"),
    (&[110_017], No(Next::Reconcile), "there is no position to reduce, or a smaller one"),
    (&[110_024, 110_028], No(Next::CancelSome), "open positions or orders block the change of position mode"),
    (&[110_025, 110_026, 110_043, 110_027], Unchanged, "already as wanted"),
    (&[20001], Unchanged, "already authenticated"),
    // Either unchanged or a parameter is missing: only reading tells (correction 0.28).
    (&[34040], Unclear(Next::ReadBack), "not modified, or a parameter is missing"),
    (&[110_029, 110_030], No(Next::Nothing), "hedge mode is not supported here"),
    (&[110_034], No(Next::Reconcile), "there is no position"),
    (&[110_049, 110_064, 110_094, 170_124, 170_130, 170_132, 170_133, 170_134, 170_136, 170_137, 170_140, 170_148,
        170_341, 170_381, 170_382], No(Next::Resize), "tick, step, minimum or maximum is not met"),
    (&[110_057, 110_058, 110_059, 110_060], No(Next::Nothing), "take profit and stop loss contradict each other"),
    // Proves only that the id is known: open, filled, cancelled or rejected (correction 4.110072).
    (&[110_072, 170_141], Unclear(Next::ReadOrder), "an order with this id is known already"),
    (&[110_073], No(Next::Nothing), "the margin mode cannot be changed now"),
    (&[110_079, 170_212, 170_191, 170_144], Unclear(Next::ReadOrder), "the order is being worked on"),
    (&[110_092, 110_093], No(Next::Reprice), "the trigger price is on the wrong side"),
    (&[110_095, 110_096, 110_097, 110_098, 110_099, 110_100, 110_103, 170_217],
        No(Next::LeaveSymbol), "the instrument is in an auction or not yet trading"),
    (&[110_118], NotNow(Next::Nothing), "no price for a market order: the book is too thin"),
    (&[110_124], Never(Next::Nothing), "the account is in a cooling-off period"),
    (&[170_032, 170_035, 170_146, 170_147, 170_149, 170_150, 170_234, 170_310, 170_311],
        Unclear(Next::ReadOrder), "spot: sent on, outcome not told"),
    (&[170_005, 170_222], Limited, "too many orders at a time"),
    (&[170_218], No(Next::Reprice), "a maker order would take"),
    (&[181_017], No(Next::Nothing), "the order is not over yet"),
    (&[3_400_214, 131_230, 500_000], Unclear(Next::ReadOrder), "the exchange is busy"),
    // From here on: contract O2.
    (&[110_005], No(Next::LeaveSymbol), "the position is being liquidated or deleveraged"),
    (&[110_035], Never(Next::Reconcile), "the account is being liquidated"),
    (&[110_018, 110_019, 110_032, 110_050], No(Next::Nothing), "an id or a coin is not valid"),
    (&[3_400_139], No(Next::Resize), "positions and orders together exceed the risk limit"),
    (&[110_108, 110_109], No(Next::Nothing), "the slippage tolerance is out of range"),
    (&[110_119], No(Next::Nothing), "only approved market makers may send this kind of order"),
    (&[110_123, 110_125], No(Next::LeaveSymbol), "the terms for this instrument are not signed"),
    (&[110_135, 110_136, 110_137], No(Next::LeaveSymbol), "the instrument is restricted for this account"),
    (&[110_077, 110_038, 110_036, 110_015, 110_076, 110_033, 110_082, 110_083],
        No(Next::Nothing), "the margin setting does not allow it"),
    (&[110_080, 110_087, 30133, 30134, 30135, 30136], Never(Next::Nothing), "a limit of the institutional loan"),
    (&[170_346, 170_360], Never(Next::Nothing), "the settlement coin is not switched on as collateral"),
    (&[3_200_403], No(Next::Nothing), "isolated margin does not allow this order"),
];

#[cfg(test)]
mod tests;
