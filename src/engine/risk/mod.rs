//! The risk gate and everything it consults.

pub mod gate;
pub mod limits;
pub mod state;
pub mod verdict;
