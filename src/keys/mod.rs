//! API keys and secrets of the exchange accounts: where they may lie, and how they are found.

mod places;

pub use places::{Place, Places};
