//! What the cockpit itself remembers: focus, zoom, scroll, layers. Never trading state.

use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::snapshot::CandleLength;

use super::panes::PaneId;

/// Which of the two main views.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MainView {
    /// Many markets, manage by exception.
    #[default]
    Watch,
    /// One market in front.
    Pilot,
}

/// The cockpit's own state.
#[derive(Clone, Debug)]
pub struct UiState {
    /// Main view.
    pub view: MainView,
    /// Focused pane.
    pub focus: PaneId,
    /// The focused pane fills the screen.
    pub zoomed: bool,
    /// Instrument in front.
    pub symbol: Symbol,
    /// Candle length of the chart.
    pub candle: CandleLength,
    /// The view is frozen; actions still use live data.
    pub frozen: bool,
    /// Selected row of the focused list, by pane.
    pub selected: [usize; PaneId::COUNT],
    /// Selected order, when the orders pane is focused.
    pub selected_order: Option<OrderSeq>,
    /// Rows scrolled back in the events pane; 0 follows the newest.
    pub events_back: usize,
    /// Filter text of the markets and events panes, lower case; empty shows all.
    pub filter: String,
    /// The filter is being typed.
    pub filtering: bool,
    /// Engine heartbeat older than the bound: its age in milliseconds.
    pub engine_silent_ms: Option<i64>,
    /// One line about the cockpit itself (a refused key, a lost request), until the next key.
    pub hint: Option<String>,
}

impl Default for UiState {
    fn default() -> Self {
        Self {
            view: MainView::Watch,
            focus: PaneId::Markets,
            zoomed: false,
            symbol: Symbol(0),
            candle: CandleLength::OneSecond,
            frozen: false,
            selected: [0; PaneId::COUNT],
            selected_order: None,
            events_back: 0,
            filter: String::new(),
            filtering: false,
            engine_silent_ms: None,
            hint: None,
        }
    }
}
