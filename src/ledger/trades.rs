//! Executions as numbers, for measurements of execution.

use super::{Ledger, LedgerError};
use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::time::Ts;

/// One execution.
#[derive(Clone, PartialEq, Debug)]
pub struct Traded {
    /// When it was booked.
    pub at: Ts,
    /// Venue name of the instrument.
    pub symbol: String,
    /// Side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Quantity of base.
    pub qty: Qty,
    /// Fee paid, in quote currency.
    pub fee: Money,
    /// Did our order rest?
    pub maker: bool,
}

impl Ledger {
    /// Every execution, in the order of booking.
    pub fn traded(&self) -> Result<Vec<Traded>, LedgerError> {
        let sql = "SELECT at, symbol, side, price, qty, fee, maker FROM fills ORDER BY id";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut traded = Vec::new();
        while let Some(row) = rows.next()? {
            let text = |place: usize| row.get::<_, String>(place);
            let unread = |column, found: &str| LedgerError::content(column, found, "a number");
            let (side, price, qty, fee) = (text(2)?, text(3)?, text(4)?, text(5)?);
            traded.push(Traded {
                at: Ts(row.get(0)?),
                symbol: text(1)?,
                side: if side == Side::Buy.word() { Side::Buy } else { Side::Sell },
                price: Price::parse(&price).map_err(|_| unread("fills.price", &price))?,
                qty: Qty::parse(&qty).map_err(|_| unread("fills.qty", &qty))?,
                fee: Money::parse(&fee).map_err(|_| unread("fills.fee", &fee))?,
                maker: row.get::<_, i64>(6)? != 0,
            });
        }
        Ok(traded)
    }
}
