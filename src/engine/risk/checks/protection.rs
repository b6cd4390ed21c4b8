//! Does the entry carry a stop that can do its work?

use crate::engine::effect::NewOrder;
use crate::engine::event::Fill;
use crate::engine::num::{Money, Price, Side};
use crate::engine::risk::gate::GateView;
use crate::engine::risk::verdict::{Denial, DenialCode};

/// The stop is there where it is required, lies between the market and liquidation, and the take-profit beyond the market.
pub fn check(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let Some(stop) = order.protection.stop else {
        return view.settings.protect.required.then(|| Denial::bare(DenialCode::StopMissing));
    };
    let worse = |one: Price, other: Price| if order.side == Side::Buy { one <= other } else { one >= other };
    let mark = view.desk(order.symbol)?.mark()?;
    // The venue compares with the order's price, and triggers by mark.
    if !worse(stop, order.price) || !worse(stop, mark) || stop == order.price || stop == mark {
        return Some(at_once("stop", stop, mark));
    }
    if let Some(target) = order.protection.take_profit
        && (worse(target, order.price) || worse(target, mark))
    {
        return Some(at_once("take_profit", target, mark));
    }
    let liquidation = liquidation_after(order, view)?;
    worse(stop, liquidation).then(|| {
        let detail = format!("stop={stop} liquidation={liquidation}");
        Denial::with(DenialCode::StopBeyondLiquidation, detail)
    })
}

fn at_once(word: &str, level: Price, mark: Price) -> Denial {
    Denial::with(DenialCode::StopAtOnce, format!("{word}={level} mark={mark}"))
}

/// The nearer of the venue's figure for what is held on this side and our estimate with the order filled.
fn liquidation_after(order: &NewOrder, view: &GateView<'_>) -> Option<Price> {
    let desk = view.desk(order.symbol)?;
    let same_side = view.account.holding(order.symbol).side() == Some(order.side);
    let stated = desk.danger.and_then(|(liquidation, _)| liquidation).filter(|_| same_side);
    let mut after = view.account.clone();
    let fill = Fill {
        exec_id: String::new(),
        price: order.price,
        qty: order.qty,
        fee: Money::ZERO,
        maker: false,
        executed: None,
    };
    after.book_fill(view.at, order.symbol, order.side, &fill);
    let price = |symbol| view.desk(symbol).and_then(crate::engine::desk::Desk::mark);
    let reckoned = after.liquidation_price(order.symbol, view.instruments, price);
    match order.side {
        Side::Buy => stated.max(reckoned),
        Side::Sell => [stated, reckoned].into_iter().flatten().min(),
    }
}
