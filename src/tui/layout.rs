//! Where everything is: a pure function of the screen's size and of what the person looks at.
//!
//! ```text
//! wide, watch                          wide, pilot                         compact
//! banner                               banner                              banner
//! danger                               danger                              danger
//! master  | markets                    ticker                              ticker
//! pnl     | chart         | depth      chart          | depth | trades     chart          | depth
//! limits  | positions                  signals | positions                 signals
//! health  | signals       | orders     events    | orders | limits         positions, orders
//!         | events                                                         events, limits
//! notice                               notice                              notice
//! keys                                 keys                                keys
//! ```
//!
//! Where there is no room for every pane, several share a slot: the focused one is shown, otherwise the first. Below
//! 80x24 there are no panes; the strip says what matters.

use ratatui::layout::Rect;

use super::panes::PaneId;
use super::state::{MainView, UiState};

/// Smallest screen with every pane in sight.
pub const WIDE: (u16, u16) = (150, 40);
/// Smallest screen with boxes.
pub const MEDIUM: (u16, u16) = (110, 32);
/// Smallest screen with panes.
pub const COMPACT: (u16, u16) = (80, 24);
/// Smallest body in which a zoomed pane is drawn below [`COMPACT`].
const ZOOM_MIN: (u16, u16) = (24, 4);

/// Width of the left column in the watch view.
const LEFT_WIDE: u16 = 46;
const LEFT_MEDIUM: u16 = 40;
/// Height that the master pane needs with its frame.
const MASTER: u16 = 9;
const DEPTH_WIDE: u16 = 38;
const DEPTH_MEDIUM: u16 = 32;
const DEPTH_COMPACT: u16 = 29;
const TRADES: u16 = 36;
const SIGNALS: u16 = 56;
const SIGNALS_WIDE: u16 = 62;
const ORDERS: u16 = 53;

/// How much room there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Banner, positions, drawdown, keys.
    Strip,
    /// Panes under rules.
    Compact,
    /// Boxes; some panes share a slot.
    Medium,
    /// Everything.
    Wide,
}

/// The class of a screen.
pub const fn class(area: Rect) -> Class {
    const fn holds(area: Rect, least: (u16, u16)) -> bool {
        area.width >= least.0 && area.height >= least.1
    }
    match area {
        a if holds(a, WIDE) => Class::Wide,
        a if holds(a, MEDIUM) => Class::Medium,
        a if holds(a, COMPACT) => Class::Compact,
        _ => Class::Strip,
    }
}

/// The horizontal bands of the screen; an empty one is not drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bands {
    /// Row 1, at every size.
    pub banner: Rect,
    /// What can hurt from outside, worst first; row 2 wherever there are panes.
    pub danger: Rect,
    /// Panes or the strip.
    pub body: Rect,
    /// The newest warning until it is acknowledged.
    pub notice: Rect,
    /// Keys.
    pub footer: Rect,
}

/// Cuts the screen into bands, the banner first.
pub fn bands(area: Rect) -> Bands {
    let mut rest = area;
    let banner = top(&mut rest, 1);
    let danger = top(&mut rest, u16::from(class(area) != Class::Strip));
    let footer = bottom(&mut rest, 1);
    let notice = bottom(&mut rest, u16::from(area.height >= 6));
    Bands { banner, danger, body: rest, notice, footer }
}

/// Every visible pane with its place. Places never overlap and never leave `area`, the whole screen.
pub fn layout(area: Rect, ui: &UiState) -> Vec<(PaneId, Rect)> {
    let body = bands(area).body;
    let mut panes = match (class(area), ui.view) {
        _ if ui.zoomed && body.width >= ZOOM_MIN.0 && body.height >= ZOOM_MIN.1 => vec![(ui.focus, body)],
        (Class::Strip, _) => Vec::new(),
        (Class::Compact, view) => compact(body, ui.focus, view),
        (Class::Medium, MainView::Watch) => medium_watch(body, ui.focus),
        (Class::Medium, MainView::Pilot) => medium_pilot(body, ui.focus),
        (Class::Wide, MainView::Watch) => wide_watch(body, ui.focus),
        (Class::Wide, MainView::Pilot) => wide_pilot(body, ui.focus),
    };
    panes.retain(|(_, rect)| !rect.is_empty());
    panes
}

/// The pane shown in a slot that several share.
fn slot(shared: &[PaneId], focus: PaneId) -> PaneId {
    if shared.contains(&focus) { focus } else { shared.first().copied().unwrap_or(focus) }
}

fn wide_watch(mut body: Rect, focus: PaneId) -> Vec<(PaneId, Rect)> {
    use PaneId::{Chart, Depth, Events, Health, Limits, Markets, Master, Orders, Pnl, Positions, Signals, Trades};
    let height = body.height;
    let mut column = left(&mut body, LEFT_WIDE);
    let mut panes = vec![(Master, top(&mut column, MASTER))];
    panes.push((Pnl, top(&mut column, (height / 4).clamp(9, 16))));
    let limits = (column.height * 3 / 5).min(16);
    panes.push((Limits, top(&mut column, limits)));
    panes.push((Health, column));
    panes.push((Markets, top(&mut body, (height / 5).clamp(7, 20))));
    panes.push((Events, bottom(&mut body, (height / 6).clamp(6, 14))));
    let mut lower = bottom(&mut body, (height / 6).clamp(7, 10));
    panes.push((Orders, right(&mut lower, ORDERS)));
    panes.push((Signals, lower));
    panes.push((Positions, bottom(&mut body, (height / 6).clamp(7, 12))));
    panes.push((slot(&[Depth, Trades], focus), right(&mut body, DEPTH_WIDE)));
    panes.push((Chart, body));
    panes
}

fn wide_pilot(mut body: Rect, focus: PaneId) -> Vec<(PaneId, Rect)> {
    use PaneId::{Chart, Depth, Events, Health, Limits, Markets, Master, Orders, Pnl, Positions, Signals, Trades};
    let height = body.height;
    let mut panes = vec![(Markets, top(&mut body, 1))];
    let mut lower = bottom(&mut body, (height / 4).clamp(9, 16));
    let mut middle = bottom(&mut body, 8);
    panes.push((Trades, right(&mut body, TRADES)));
    panes.push((Depth, right(&mut body, DEPTH_WIDE)));
    panes.push((Chart, body));
    panes.push((slot(&[Signals, Health], focus), left(&mut middle, SIGNALS_WIDE)));
    panes.push((Positions, middle));
    panes.push((slot(&[Limits, Pnl, Master], focus), right(&mut lower, LEFT_WIDE)));
    panes.push((Orders, right(&mut lower, ORDERS)));
    panes.push((Events, lower));
    panes
}

fn medium_watch(mut body: Rect, focus: PaneId) -> Vec<(PaneId, Rect)> {
    use PaneId::{Chart, Depth, Events, Health, Limits, Markets, Master, Orders, Pnl, Positions, Signals, Trades};
    let height = body.height;
    let mut lower = bottom(&mut body, (height / 4).clamp(7, 10));
    let mut panes = vec![(Signals, left(&mut lower, SIGNALS)), (Events, lower)];
    let tall = body.height >= 27;
    let mut column = left(&mut body, LEFT_MEDIUM);
    panes.push((Master, top(&mut column, MASTER)));
    if tall {
        panes.push((slot(&[Pnl, Health], focus), bottom(&mut column, 8)));
        panes.push((Limits, column));
    } else {
        panes.push((slot(&[Limits, Pnl, Health], focus), column));
    }
    panes.push((Markets, top(&mut body, 7)));
    if tall {
        panes.push((Orders, bottom(&mut body, 5)));
        panes.push((Positions, bottom(&mut body, 5)));
    } else {
        panes.push((slot(&[Positions, Orders], focus), bottom(&mut body, 5)));
    }
    panes.push((slot(&[Depth, Trades], focus), right(&mut body, DEPTH_MEDIUM)));
    panes.push((Chart, body));
    panes
}

fn medium_pilot(mut body: Rect, focus: PaneId) -> Vec<(PaneId, Rect)> {
    use PaneId::{Chart, Depth, Events, Health, Limits, Markets, Master, Orders, Pnl, Positions, Signals, Trades};
    let mut panes = vec![(Markets, top(&mut body, 1))];
    let height = body.height;
    let mut lower = bottom(&mut body, (height / 4).clamp(8, 11));
    panes.push((Signals, left(&mut lower, SIGNALS)));
    panes.push((slot(&[Events, Limits, Pnl, Health, Master], focus), lower));
    panes.push((slot(&[Positions, Orders], focus), bottom(&mut body, 6)));
    panes.push((slot(&[Depth, Trades], focus), right(&mut body, DEPTH_MEDIUM)));
    panes.push((Chart, body));
    panes
}

/// One designed screen of 80x24. What has no place of its own takes the chart's and the ladder's while it is focused.
fn compact(mut body: Rect, focus: PaneId, view: MainView) -> Vec<(PaneId, Rect)> {
    use PaneId::{Chart, Depth, Events, Health, Limits, Markets, Master, Orders, Pnl, Positions, Signals, Trades};
    let guest = [Events, Health, Pnl, Master, Limits].contains(&focus);
    let mut panes = vec![(Markets, top(&mut body, 1))];
    let height = body.height;
    if focus != Limits {
        panes.push((Limits, bottom(&mut body, 1)));
    }
    if focus != Events {
        panes.push((Events, bottom(&mut body, if height >= 26 { 4 } else { 1 })));
    }
    if view == MainView::Watch {
        panes.push((Orders, bottom(&mut body, 3)));
        panes.push((Positions, bottom(&mut body, 4)));
    } else {
        panes.push((slot(&[Positions, Orders], focus), bottom(&mut body, 4)));
    }
    panes.push((Signals, bottom(&mut body, if height >= 26 { 3 } else { 2 })));
    if guest {
        panes.push((focus, body));
    } else {
        panes.push((slot(&[Depth, Trades], focus), right(&mut body, DEPTH_COMPACT)));
        right(&mut body, 1);
        panes.push((Chart, body));
    }
    panes
}

/// Cuts rows off the top.
fn top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let cut = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    cut
}

/// Cuts rows off the bottom.
fn bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect { y: rest.y + rest.height, height, ..*rest }
}

/// Cuts columns off the left.
fn left(rest: &mut Rect, width: u16) -> Rect {
    let width = width.min(rest.width);
    let cut = Rect { width, ..*rest };
    rest.x += width;
    rest.width -= width;
    cut
}

/// Cuts columns off the right.
fn right(rest: &mut Rect, width: u16) -> Rect {
    let width = width.min(rest.width);
    rest.width -= width;
    Rect { x: rest.x + rest.width, width, ..*rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::panes::PANES;
    use crate::tui::widgets::frame;

    fn every_state() -> Vec<UiState> {
        let mut states = Vec::new();
        for view in [MainView::Watch, MainView::Pilot] {
            for pane in PANES {
                for zoomed in [false, true] {
                    states.push(UiState { view, focus: pane.id(), zoomed, ..UiState::default() });
                }
            }
        }
        states
    }

    #[test]
    fn places_never_overlap_and_never_leave_the_screen() {
        for ui in every_state() {
            for width in 1..=300 {
                for height in (1..=100).filter(|h| *h < 50 || (h + width) % 7 == 0) {
                    let area = Rect::new(3, 2, width, height);
                    let panes = layout(area, &ui);
                    let all = bands(area);
                    let mut covered: u32 =
                        [all.banner, all.danger, all.notice, all.footer].iter().map(|r| r.area()).sum();
                    for (index, (id, rect)) in panes.iter().enumerate() {
                        assert_eq!(area.intersection(*rect), *rect, "{id:?} {area} {ui:?}");
                        let bands = [all.banner, all.danger, all.footer];
                        assert!(bands.iter().all(|band| !rect.intersects(*band)), "{id:?} {area}");
                        for (other, place) in panes.iter().take(index) {
                            assert!(!rect.intersects(*place), "{id:?} {other:?} {area} {ui:?}");
                            assert!(id != other, "{id:?} twice {area}");
                        }
                        covered += rect.area();
                    }
                    assert!(covered <= area.area(), "{area}");
                }
            }
        }
    }

    #[test]
    fn the_focused_pane_is_shown_and_nothing_is_squeezed_below_its_minimum() {
        for ui in every_state() {
            for width in 80..=300 {
                for height in (24..=100).filter(|h| *h < 50 || (h + width) % 7 == 0) {
                    let area = Rect::new(0, 0, width, height);
                    let panes = layout(area, &ui);
                    assert!(panes.iter().any(|(id, _)| *id == ui.focus), "{area} {:?} {:?}", ui.view, ui.focus);
                    for (id, rect) in panes {
                        let pane = PANES.iter().find(|p| p.id() == id).unwrap();
                        let inner = frame::inner(rect, class(area), ui.zoomed);
                        let least = pane.min();
                        assert!(
                            rect.height == 1 || (inner.width >= least.0 && inner.height >= least.1),
                            "{id:?} {rect} below {least:?} on {area} {:?} {:?}",
                            ui.view,
                            ui.focus
                        );
                    }
                }
            }
        }
    }
}
