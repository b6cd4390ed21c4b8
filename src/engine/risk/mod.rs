//! The risk gate and everything it consults.

pub mod checks;
pub mod exposure;
pub mod gate;
pub mod limits;
pub mod state;
pub mod verdict;
