//! Parts that panes are made of: a clipped pen, figures, tables, gauges, curves. Each is a pure function into a buffer.

pub mod banner;
pub mod bars;
pub mod candles;
pub mod curve;
pub mod danger;
pub mod field;
pub mod figures;
pub mod frame;
pub mod pen;
pub mod table;
