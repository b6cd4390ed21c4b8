//! Parts that panes are made of: a clipped pen, figures, tables, gauges, curves. Each is a pure function into a buffer.

pub mod field;
pub mod figures;
pub mod pen;
