//! Venues: where orders go and where their fate comes from.

pub mod paper;
