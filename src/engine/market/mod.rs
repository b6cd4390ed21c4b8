//! What is true of the market: instruments, books, candles, tickers.

pub mod book;
pub mod instrument;
