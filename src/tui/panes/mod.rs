//! The panes and their registry. A new pane is one file here and one line in [`PANES`].

mod chart;
mod depth;
mod events;
mod health;
mod limits;
pub(crate) mod markets;
mod master;
mod orders;
mod pnl;
mod positions;
mod signals;
mod trades;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::UiState;
use super::theme::Theme;
use crate::engine::ids::Symbol;
use crate::engine::snapshot::{MarketRow, Snapshot};

/// Names of the panes; the number is the key that focuses it, minus one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
#[allow(missing_docs)] // the words say it
pub enum PaneId {
    Master,
    Markets,
    Signals,
    Chart,
    Depth,
    Positions,
    Orders,
    Limits,
    Events,
    Pnl,
    Health,
    Trades,
}

impl PaneId {
    /// How many panes there are.
    pub const COUNT: usize = 12;
}

/// What a pane draws from.
pub struct Scene<'a> {
    /// The picture.
    pub snapshot: &'a Snapshot,
    /// The cockpit's own state.
    pub ui: &'a UiState,
    /// Styles and glyphs.
    pub theme: &'a Theme,
    /// Keys for the footer, most important first: key, title, valid here.
    pub footer: &'a [(String, String, bool)],
}

/// A part of the screen.
pub trait Pane: Sync {
    /// Which.
    fn id(&self) -> PaneId;
    /// Title for the border.
    fn title(&self, scene: &Scene<'_>) -> String;
    /// Which rows are in sight inside a border with this room, for the border; empty where all are.
    fn note(&self, _scene: &Scene<'_>, _room: Rect) -> String {
        String::new()
    }
    /// Smallest useful inner size, width and height.
    fn min(&self) -> (u16, u16);
    /// Draws the inside of the border into `area`.
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer);
}

/// Every pane, in the order of their keys.
pub const PANES: &[&dyn Pane] = &[
    &master::Master,
    &markets::Markets,
    &signals::Signals,
    &chart::Chart,
    &depth::Depth,
    &positions::Positions,
    &orders::Orders,
    &limits::Limits,
    &events::Events,
    &pnl::Pnl,
    &health::HealthPane,
    &trades::Trades,
];

impl Scene<'_> {
    /// The market row of an instrument.
    pub fn market(&self, symbol: Symbol) -> Option<&MarketRow> {
        self.snapshot.markets.iter().find(|row| row.symbol == symbol)
    }
    /// The market row of the instrument in front, as the snapshot has it in detail.
    pub fn front(&self) -> Option<&MarketRow> {
        self.market(self.snapshot.focus.as_ref().map_or(self.ui.symbol, |focus| focus.symbol))
    }
    /// Selected row of a pane, only while it has the focus.
    fn selected(&self, pane: PaneId, rows: usize) -> Option<usize> {
        let at = self.ui.selected.get(pane as usize).copied().unwrap_or(0);
        (self.ui.focus == pane && rows > 0).then(|| at.min(rows - 1))
    }
}
