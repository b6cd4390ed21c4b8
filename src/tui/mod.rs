//! The cockpit: a view of [`Snapshot`](crate::engine::snapshot::Snapshot) and a source of requests. Knows no venue,
//! no ledger and no clock of the engine; nothing here assumes that the engine lives in the same process.

mod aged;
pub mod base;
pub mod cockpit;
pub mod commands;
pub mod crash;
pub mod glyphs;
pub mod input;
pub mod keymap;
pub mod layers;
pub mod layout;
pub mod link;
pub mod panes;
pub mod screen;
pub mod shell;
pub mod state;
pub mod svg;
pub mod term;
pub mod theme;
pub mod validity;
pub mod widgets;

pub use layers::limits::consequences;
pub use shell::{UiError, UiExit, UiOptions, run};
pub use state::Attached;
