//! `tickdeck` and `tickdeck run` on Bybit's live market.

use super::global::Global;
use super::runs::Place;
use crate::engine::ids::Pair;
use crate::run::assemble::Shown;
use crate::run::exit::{Exit, Failure};
use crate::run::session::Session;
use crate::tui::link::CockpitEnd;

pub(super) fn session(_: &Global, _: &Place, _: bool, _: Shown) -> Result<(Session, CockpitEnd, Pair), Failure> {
    Err(Failure::new(Exit::Error, "not yet"))
}
