//! What is true of the market: instruments, books, trades, candles, tickers.

pub mod book;
pub mod candles;
pub mod instrument;
pub mod levels;
pub mod ticker;
pub mod trades;
