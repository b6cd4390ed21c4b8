//! Is the market known well enough to open, and deep enough for this size?

use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::market::book::BookState;
use crate::engine::num::Side;
use crate::engine::risk::gate::GateView;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::verdict::{Denial, DenialCode};

/// Stream age, book validity, a mark to value with.
pub fn data(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let desk = view.desk(order.symbol)?;
    match desk.book.state() {
        BookState::Missing => return Some(Denial::bare(DenialCode::BookMissing)),
        BookState::Gapped => return Some(Denial::bare(DenialCode::BookGapped)),
        BookState::Valid => {}
    }
    let oldest = view.limits.span(LimitKey::MaxDataAgeMs);
    match view.feed_age {
        Some(age) if age <= oldest => {}
        Some(age) => {
            return Some(Denial::with(
                DenialCode::DataStale,
                format!("age={}ms max={}ms", age.as_ms(), oldest.as_ms()),
            ));
        }
        None => return Some(Denial::bare(DenialCode::DataStale)),
    }
    if desk.book.best().is_none() {
        return Some(Denial::bare(DenialCode::BookMissing));
    }
    desk.mark().is_none().then(|| Denial::bare(DenialCode::DataMarkMissing))
}

/// A taking order must find its size within the slippage limit.
pub fn slippage(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    if order.tif == TimeInForce::PostOnly {
        return None;
    }
    let desk = view.desk(order.symbol)?;
    let mid = desk.book.mid()?;
    let Some((_, worst)) = desk.book.walk(order.side, order.qty) else {
        return Some(Denial::with(DenialCode::BookTooThin, format!("qty={}", order.qty)));
    };
    // Compared exactly: |worst - mid| * 10_000 against limit * mid.
    let distance = match order.side {
        Side::Buy => i128::from(worst.raw()) - i128::from(mid.raw()),
        Side::Sell => i128::from(mid.raw()) - i128::from(worst.raw()),
    };
    let limit = i128::from(view.limits.get(LimitKey::MaxSlippageBps));
    let beyond = distance * 10_000 * 1_000_000_000 > limit * i128::from(mid.raw());
    beyond.then(|| {
        let bps = distance * 100_000 / i128::from(mid.raw().max(1));
        let detail = format!("worst={}.{}bp max={}bp", bps / 10, bps % 10, view.limits.count(LimitKey::MaxSlippageBps));
        Denial::with(DenialCode::SlippageTooLarge, detail)
    })
}
