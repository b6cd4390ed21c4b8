//! What the cockpit itself remembers: focus, zoom, scroll, layers. Never trading state.

use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::notice::Notice;
use crate::engine::snapshot::{CandleLength, MarketRow, OrderRow, PositionRow, Snapshot};

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

/// The engine runs in another process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attached {
    /// What is asked here is done there.
    Full,
    /// Nothing is asked.
    ReadOnly,
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
    /// Nobody listens where the attached engine was: what is shown is old.
    pub engine_ended: bool,
    /// Age of the engine's last heartbeat, while it has one; 0 while it is young.
    pub beat_age_ms: Option<i64>,
    /// The engine runs in another process and goes on when this cockpit leaves.
    pub attached: Option<Attached>,
    /// Columns and rows of what was drawn last.
    pub drawn: (u16, u16),
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
            engine_ended: false,
            beat_age_ms: None,
            attached: None,
            drawn: (u16::MAX, u16::MAX),
            hint: None,
        }
    }
}

/// Panes in the order of Tab and of their keys.
const PANES: [PaneId; PaneId::COUNT] = [
    PaneId::Master,
    PaneId::Markets,
    PaneId::Signals,
    PaneId::Chart,
    PaneId::Depth,
    PaneId::Positions,
    PaneId::Orders,
    PaneId::Limits,
    PaneId::Events,
    PaneId::Pnl,
    PaneId::Health,
    PaneId::Trades,
];

/// Rows of a page.
const PAGE: isize = 10;

/// How far a selection moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// One row, down or up.
    Row(bool),
    /// A page, down or up.
    Page(bool),
    /// To the first or last row.
    End(bool),
}

impl Step {
    /// New index among `count` rows.
    fn from(self, index: usize, count: usize) -> usize {
        let last = count.saturating_sub(1);
        let moved = |by: isize| index.saturating_add_signed(by).min(last);
        match self {
            Self::Row(down) => moved(if down { 1 } else { -1 }),
            Self::Page(down) => moved(if down { PAGE } else { -PAGE }),
            Self::End(down) => {
                if down {
                    last
                } else {
                    0
                }
            }
        }
    }
}

/// Columns and rows that a question takes which loosens something: below, it would be confirmed unseen.
pub const QUESTION_NEEDS: (u16, u16) = (40, 12);

impl UiState {
    /// Is there room for a question that loosens something?
    pub const fn shows_questions(&self) -> bool {
        self.drawn.0 >= QUESTION_NEEDS.0 && self.drawn.1 >= QUESTION_NEEDS.1
    }

    /// Is the picture of an engine that is silent or has ended? Then nothing in it is as of now.
    pub const fn is_old(&self) -> bool {
        self.engine_ended || self.engine_silent_ms.is_some()
    }

    /// The position that commands mean: the selected row of the positions pane while it is focused, otherwise that of
    /// the instrument in front.
    pub fn position<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a PositionRow> {
        let symbol = self.target(snapshot);
        snapshot.positions.iter().find(|p| p.symbol == symbol)
    }

    /// The instrument that commands mean.
    pub fn target(&self, snapshot: &Snapshot) -> Symbol {
        if self.focus == PaneId::Positions
            && let Some(row) = snapshot.positions.get(self.row(PaneId::Positions))
        {
            return row.symbol;
        }
        self.symbol
    }

    /// Venue name of the instrument that commands mean.
    pub fn symbol_name(&self, snapshot: &Snapshot) -> String {
        name_of(snapshot, self.target(snapshot))
    }

    /// The selected order, while it is still listed.
    pub fn order<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a OrderRow> {
        let wanted = self.selected_order?;
        snapshot.orders.iter().find(|o| o.order == wanted)
    }

    /// Selected row of a pane.
    pub fn row(&self, pane: PaneId) -> usize {
        self.selected.get(pane as usize).copied().unwrap_or(0)
    }

    fn set_row(&mut self, pane: PaneId, row: usize) {
        if let Some(slot) = self.selected.get_mut(pane as usize) {
            *slot = row;
        }
    }

    /// Instruments that the markets pane shows, in its order. The filter is its own while it has the focus.
    pub fn visible_markets(&self, snapshot: &Snapshot) -> Vec<Symbol> {
        let all = self.filter.is_empty() || self.focus != PaneId::Markets;
        let passes = |m: &&MarketRow| all || m.name.to_lowercase().contains(&self.filter);
        snapshot.markets.iter().filter(passes).map(|m| m.symbol).collect()
    }

    /// Events that the events pane shows, newest first. The filter is the markets pane's while that has the focus.
    pub fn visible_notices<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Notice> {
        let all = self.filter.is_empty() || self.focus == PaneId::Markets;
        snapshot.notices.iter().rev().filter(move |n| {
            let has = |text: &str| text.to_lowercase().contains(&self.filter);
            all || has(&n.text) || has(n.kind.tag()) || n.symbol.is_some_and(|s| has(&name_of(snapshot, s)))
        })
    }

    /// Next or previous instrument in front, around the end.
    pub fn turn_symbol(&mut self, snapshot: &Snapshot, forward: bool) {
        let list = self.visible_markets(snapshot);
        if list.is_empty() {
            return;
        }
        let now = list.iter().position(|s| *s == self.symbol);
        let next = match (now, forward) {
            (Some(index), true) => (index + 1) % list.len(),
            (Some(index), false) => (index + list.len() - 1) % list.len(),
            (None, _) => 0,
        };
        self.show_symbol(&list, next);
    }

    fn show_symbol(&mut self, list: &[Symbol], index: usize) {
        if let Some(symbol) = list.get(index) {
            self.symbol = *symbol;
            self.set_row(PaneId::Markets, index);
        }
    }

    /// Moves the selection of the focused pane.
    pub fn move_selection(&mut self, snapshot: &Snapshot, step: Step) {
        match self.focus {
            PaneId::Events => {
                // The newest event is at the top: down the list is back in time.
                self.events_back = step.from(self.events_back, self.visible_notices(snapshot).count());
            }
            PaneId::Orders => {
                let now = self.selected_order.and_then(|o| snapshot.orders.iter().position(|row| row.order == o));
                let next = now.map_or(0, |index| step.from(index, snapshot.orders.len()));
                self.selected_order = snapshot.orders.get(next).map(|row| row.order);
                self.set_row(PaneId::Orders, next);
            }
            PaneId::Positions | PaneId::Limits | PaneId::Health | PaneId::Signals => {
                let count = match self.focus {
                    PaneId::Positions => snapshot.positions.len(),
                    PaneId::Limits => snapshot.limits.len(),
                    PaneId::Health => snapshot.health.rows.len(),
                    _ => snapshot.signals.len(),
                };
                let next = step.from(self.row(self.focus), count);
                self.set_row(self.focus, next);
            }
            _ => {
                let list = self.visible_markets(snapshot);
                let now = list.iter().position(|s| *s == self.symbol);
                let next = now.map_or(0, |index| step.from(index, list.len()));
                self.show_symbol(&list, next);
            }
        }
    }

    /// Gives the focus to the next or previous pane.
    pub fn turn_pane(&mut self, forward: bool, snapshot: &Snapshot) {
        let by = if forward { 1 } else { PaneId::COUNT - 1 };
        if let Some(pane) = PANES.get((self.focus as usize + by) % PaneId::COUNT) {
            self.focus_pane(*pane, snapshot);
        }
    }

    /// Gives the focus to a pane; the orders pane selects its first order when nothing is selected.
    pub fn focus_pane(&mut self, pane: PaneId, snapshot: &Snapshot) {
        self.focus = pane;
        if pane == PaneId::Orders && self.order(snapshot).is_none() {
            self.selected_order = snapshot.orders.first().map(|row| row.order);
            self.set_row(PaneId::Orders, 0);
        }
    }
}

/// Venue name of an instrument; its number where it is not listed.
pub fn name_of(snapshot: &Snapshot, symbol: Symbol) -> String {
    snapshot.markets.iter().find(|m| m.symbol == symbol).map_or_else(|| format!("#{}", symbol.0), |m| m.name.clone())
}
