//! Every command of the cockpit in one table: dispatch, footer, help, palette and the key list in the docs read it.
//!
//! A new command is a row here and an arm in [`Cockpit::apply`](super::cockpit::Cockpit).

use std::fmt::Write as _;

use super::panes::PaneId;
use super::state::UiState;
use super::validity::{self as when, Validity};
use crate::engine::snapshot::Snapshot;

/// Names of commands, for dispatch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // described by `CommandSpec::help`
pub enum Id {
    Kill,
    Disarm,
    Arm,
    FlattenOne,
    FlattenAll,
    CancelOrder,
    Limits,
    Account,
    Reset,
    Acknowledge,
    Release,
    Adopt,
    CloseReleased,
    Outside,
    SettleOrder,
    RetryVenue,
    Unbench,
    TieOut,
    ReloadModels,
    Promote,
    SymbolNext,
    SymbolPrevious,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    PaneNext,
    PanePrevious,
    Pane(PaneId),
    Zoom,
    View,
    Candle,
    Freeze,
    Details,
    Why,
    Dangers,
    Filter,
    PlayPause,
    Step,
    Faster,
    Slower,
    Seek,
    Weather,
    Palette,
    Help,
    Redraw,
    Suspend,
    Quit,
}

impl Id {
    /// The row of the table.
    pub fn spec(self) -> Option<&'static CommandSpec> {
        COMMANDS.iter().find(|c| c.id == self)
    }
    /// Stable name, as `[ui] keymap` writes it.
    pub fn name(self) -> &'static str {
        self.spec().map_or("", |c| c.name)
    }
}

/// Headings of the help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the words say it
pub enum Group {
    Safety,
    Trading,
    Move,
    Screen,
    Market,
    Cockpit,
}

impl Group {
    /// Every group, in the order shown.
    pub const ALL: [Self; 6] = [Self::Safety, Self::Trading, Self::Move, Self::Screen, Self::Market, Self::Cockpit];
    /// Heading.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Safety => "Safety",
            Self::Trading => "Trading",
            Self::Move => "Moving about",
            Self::Screen => "The screen",
            Self::Market => "Replay and simulated market",
            Self::Cockpit => "The cockpit",
        }
    }
}

/// What a command may lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Danger {
    /// Changes the view only.
    None,
    /// Acts at once, in the safe direction.
    Safe,
    /// Opens a ceremony.
    Guarded,
}

/// One command.
pub struct CommandSpec {
    /// For dispatch.
    pub id: Id,
    /// Stable name, unique.
    pub name: &'static str,
    /// Its keys, most important first; may be empty (palette only).
    pub keys: &'static [&'static str],
    /// A few words for footer and palette; ends in `...` when a dialog opens.
    pub title: &'static str,
    /// One sentence for the help.
    pub help: &'static str,
    /// Heading.
    pub group: Group,
    /// May it be given now, and if not why not.
    pub valid: fn(&Snapshot, &UiState) -> Validity,
    /// What it may lead to.
    pub danger: Danger,
}

type When = fn(&Snapshot, &UiState) -> Validity;

const fn safe(
    id: Id,
    name: &'static str,
    keys: &'static [&'static str],
    title: &'static str,
    valid: When,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { id, name, keys, title, help, group: Group::Safety, valid, danger: Danger::Safe }
}

const fn guarded(
    id: Id,
    name: &'static str,
    keys: &'static [&'static str],
    title: &'static str,
    valid: When,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { id, name, keys, title, help, group: Group::Trading, valid, danger: Danger::Guarded }
}

const fn look(
    group: Group,
    id: Id,
    name: &'static str,
    keys: &'static [&'static str],
    title: &'static str,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { id, name, keys, title, help, group, valid: when::always, danger: Danger::None }
}

const fn pane(
    id: PaneId,
    name: &'static str,
    keys: &'static [&'static str],
    title: &'static str,
    help: &'static str,
) -> CommandSpec {
    look(Group::Screen, Id::Pane(id), name, keys, title, help)
}

const fn market(
    id: Id,
    name: &'static str,
    keys: &'static [&'static str],
    title: &'static str,
    valid: When,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { id, name, keys, title, help, group: Group::Market, valid, danger: Danger::None }
}

/// Every command; the first ones fill the footer.
#[rustfmt::skip]
pub const COMMANDS: &[CommandSpec] = &[
    safe(Id::Kill, "kill", &["^K", "^\\"], "kill", when::always,
        "Close the gate, cancel opening orders, keep protection, latch. Enter in the layer that opens closes positions. Works everywhere, also in text fields."),
    safe(Id::Disarm, "disarm", &["d", "D"], "disarm", when::always,
        "Stop opening and cancel resting opening orders; exits go on. Works in every layer but text fields."),
    guarded(Id::Arm, "arm", &["A"], "arm...", when::arm,
        "Show the checklist; Enter there lets the autotrader open positions until it lapses."),
    guarded(Id::FlattenOne, "flatten", &["f"], "flatten...", when::flatten_one,
        "Close the selected position; disarms."),
    guarded(Id::FlattenAll, "flatten-all", &["F"], "flatten all...", when::flatten_all,
        "Close every position; disarms. Asks for the word FLAT."),
    guarded(Id::Limits, "limits", &["r"], "risk limits...", when::always,
        "See and change every limit. Tighter applies at once; looser only while disarmed, typed twice."),
    guarded(Id::CancelOrder, "cancel-order", &["c"], "cancel order", when::cancel_order,
        "Cancel the selected order: an opening order at once; a protective one, or one of somebody else, asks."),
    guarded(Id::Reset, "reset", &["R"], "reset...", when::reset,
        "Lift a kill or trip latch. Shows its cause and asks for the word RESET."),
    safe(Id::Acknowledge, "acknowledge", &["a"], "acknowledge", when::acknowledge,
        "Acknowledge the notice above the keys. Never lifts a latch."),
    guarded(Id::Account, "account", &["m"], "account...", when::always,
        "Which account trades, and what changing it takes."),
    guarded(Id::Release, "release", &[], "release position...", when::release,
        "The position becomes yours: shown, never touched again."),
    guarded(Id::Adopt, "adopt", &[], "adopt position...", when::adopt,
        "Take a released position back: its exits run again."),
    guarded(Id::CloseReleased, "close-released", &[], "close released...", when::close_released,
        "Close a position that is yours: one reduce-only order at market. Asks; nothing is repeated."),
    guarded(Id::Outside, "outside", &[], "outside the run...", when::outside,
        "What others have in instruments outside the run: close a position or cancel an order of it. Asks."),
    guarded(Id::SettleOrder, "settle-order", &[], "settle order...", when::settle_order,
        "The selected order, whose id another order at the exchange has, counts as over. Shows the evidence and asks."),
    safe(Id::RetryVenue, "retry-venue", &[], "retry venue", when::retry_venue,
        "Ask the exchange once whether it still refuses this address or the key, instead of waiting."),
    guarded(Id::Unbench, "unbench", &[], "unbench model...", when::unbench,
        "Believe a benched model again. Asks; it is judged by what comes."),
    safe(Id::TieOut, "tie-out", &[], "tie out PnL", when::tie_out,
        "Compare realised PnL, fees and funding with the exchange's own log of transactions now."),
    safe(Id::ReloadModels, "reload-models", &[], "reload models", when::always,
        "Read the folder of models again: what is sound takes over between two decisions, a bad file is refused."),
    guarded(Id::Promote, "promote", &[], "promote model...", when::promote,
        "A shadow model decides from now on, and those that did become shadows. Only in SAFE; asks."),
    look(Group::Move, Id::SymbolNext, "symbol-next", &["]", "Right", "l"], "next symbol", "Next instrument in front."),
    look(Group::Move, Id::SymbolPrevious, "symbol-previous", &["[", "Left", "h"], "previous symbol",
        "Previous instrument in front."),
    look(Group::Move, Id::Down, "down", &["Down", "j"], "down", "Next row of the focused pane."),
    look(Group::Move, Id::Up, "up", &["Up", "k"], "up", "Previous row of the focused pane."),
    look(Group::Move, Id::PageDown, "page-down", &["PgDn"], "page down", "Ten rows down."),
    look(Group::Move, Id::PageUp, "page-up", &["PgUp"], "page up", "Ten rows up."),
    look(Group::Move, Id::First, "first", &["Home"], "first row", "First row of the focused pane."),
    look(Group::Move, Id::Last, "last", &["End"], "last row", "Last row of the focused pane."),
    look(Group::Move, Id::Details, "details", &["Enter"], "details", "What is selected, in full: why it does or does not trade."),
    look(Group::Move, Id::Why, "why", &[], "why",
        "The whole chain behind the last decision: checks, models, features with their training ranges, latencies."),
    look(Group::Move, Id::Dangers, "dangers", &[], "dangers",
        "The second row in full: liquidation, deleveraging, funding, price band, delisting, holds, clock."),
    look(Group::Screen, Id::PaneNext, "pane-next", &["Tab"], "next pane", "Focus the next pane."),
    look(Group::Screen, Id::PanePrevious, "pane-previous", &["BackTab"], "previous pane", "Focus the previous pane."),
    look(Group::Screen, Id::Zoom, "zoom", &["z"], "zoom", "The focused pane fills the screen, and back."),
    look(Group::Screen, Id::View, "view", &["v"], "view", "Many markets, or one in front."),
    look(Group::Screen, Id::Candle, "candle", &["t"], "candle length", "Next candle length of the chart."),
    look(Group::Screen, Id::Freeze, "freeze", &["p"], "freeze view",
        "Hold the picture still; the banner stays live and actions use live data."),
    look(Group::Screen, Id::Filter, "filter", &["/"], "filter", "Filter markets and events; Enter keeps it, Esc drops it."),
    market(Id::PlayPause, "play-pause", &["Space"], "pause / play", when::replay, "Pause the replay, or go on."),
    market(Id::Step, "step", &["."], "step", when::paused, "One event of the paused replay."),
    market(Id::Faster, "faster", &["+", "="], "faster", when::replay, "Double the speed of the replay."),
    market(Id::Slower, "slower", &["-"], "slower", when::replay, "Halve the speed of the replay."),
    market(Id::Seek, "seek", &["g"], "go to...", when::replay, "Go forward to a part of the tape, in percent."),
    market(Id::Weather, "weather", &["w"], "weather", when::weather,
        "Next weather of the simulated market: calm, busy, crash."),
    look(Group::Cockpit, Id::Palette, "palette", &[":"], "command", "Find a command by a few of its letters."),
    look(Group::Cockpit, Id::Help, "help", &["?"], "help", "This list; type to search it."),
    look(Group::Cockpit, Id::Quit, "quit", &["q", "Q", "^C"], "quit...", "Leave; asks when there is risk on."),
    CommandSpec { id: Id::Suspend, name: "suspend", keys: &["^Z"], title: "suspend", group: Group::Cockpit,
        help: "Stop the process and give the terminal back; only with nothing armed or open.",
        valid: when::suspend, danger: Danger::None },
    look(Group::Cockpit, Id::Redraw, "redraw", &["^L"], "redraw", "Paint the whole screen again."),
    pane(PaneId::Master, "pane-master", &["1"], "go to master", "Focus the master pane: state, arming, kill."),
    pane(PaneId::Markets, "pane-markets", &["2"], "go to markets", "Focus the markets pane: every instrument with its verdict."),
    pane(PaneId::Signals, "pane-signals", &["3"], "go to signals", "Focus the signals pane: models and their forecasts."),
    pane(PaneId::Chart, "pane-chart", &["4"], "go to chart", "Focus the chart pane: candles and marks."),
    pane(PaneId::Depth, "pane-depth", &["5"], "go to depth", "Focus the depth pane: the order book."),
    pane(PaneId::Positions, "pane-positions", &["6"], "go to positions", "Focus the positions pane."),
    pane(PaneId::Orders, "pane-orders", &["7"], "go to orders", "Focus the orders pane; `c` cancels the selected one."),
    pane(PaneId::Limits, "pane-limits", &["8"], "go to limits", "Focus the limits pane: every limit with its use."),
    pane(PaneId::Events, "pane-events", &["9"], "go to events", "Focus the events pane; scrolling back pauses it."),
    pane(PaneId::Pnl, "pane-pnl", &[], "go to pnl", "Focus the PnL pane."),
    pane(PaneId::Health, "pane-health", &[], "go to health", "Focus the health pane."),
    pane(PaneId::Trades, "pane-trades", &[], "go to trades", "Focus the trades pane: public trades."),
];

/// Commands of the footer, most important first.
const FOOTER: [Id; 14] = [
    Id::Kill,
    Id::Disarm,
    Id::Arm,
    Id::Reset,
    Id::FlattenOne,
    Id::Limits,
    Id::PlayPause,
    Id::Weather,
    Id::Acknowledge,
    Id::PaneNext,
    Id::Zoom,
    Id::Palette,
    Id::Help,
    Id::Quit,
];

/// Commands that are only worth footer space while they are valid.
const FOOTER_WHEN_VALID: [Id; 4] = [Id::Reset, Id::PlayPause, Id::Weather, Id::Acknowledge];

/// Key, title and validity for the footer, most important first.
pub fn footer(keys: &super::keymap::Keymap, snapshot: &Snapshot, ui: &UiState) -> Vec<(String, String, bool)> {
    FOOTER
        .iter()
        .filter_map(|id| id.spec())
        .map(|c| (keys.label(c.id), c.title.to_owned(), (c.valid)(snapshot, ui).is_yes(), c.id))
        .filter(|(_, _, valid, id)| *valid || !FOOTER_WHEN_VALID.contains(id))
        .map(|(key, title, valid, _)| (key, title, valid))
        .collect()
}

/// The key list of the docs, as a Markdown table.
pub fn key_table_markdown() -> String {
    let mut text = String::from("| key | command | what it does |\n|---|---|---|\n");
    for group in Group::ALL {
        let _ = writeln!(text, "| | **{}** | |", group.word());
        for command in COMMANDS.iter().filter(|c| c.group == group) {
            let keys: Vec<String> = command.keys.iter().map(|k| format!("`{k}`")).collect();
            let keys = if keys.is_empty() { "palette".to_owned() } else { keys.join(" ") };
            let _ = writeln!(text, "| {keys} | {} | {} |", command.name, command.help);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::{Key, Keymap};

    #[test]
    fn names_and_keys_are_unique_and_everything_is_documented() {
        for (index, command) in COMMANDS.iter().enumerate() {
            let before = &COMMANDS[..index];
            assert!(before.iter().all(|c| c.name != command.name && c.id != command.id), "{}", command.name);
            for text in command.keys {
                let key = Key::parse(text).unwrap();
                assert_eq!(&key.to_string(), text, "keys are written the way they are shown");
                let taken = before.iter().find(|c| c.keys.iter().any(|k| Key::parse(k) == Ok(key)));
                assert!(taken.is_none(), "{text} is on {} and {}", command.name, taken.unwrap().name);
            }
            assert!(command.help.ends_with('.') && command.help.len() > 8, "{}", command.name);
            assert!(command.title.len() <= 20 && command.name.is_ascii(), "{}", command.name);
            assert_eq!(Keymap::default().keys(command.id).count(), command.keys.len());
        }
        assert!(Keymap::with_overrides(&[]).is_ok());
    }

    #[test]
    fn the_contract_of_keys_is_kept() {
        let map = Keymap::default();
        for (text, id) in [
            ("^K", Id::Kill),
            ("^\\", Id::Kill),
            ("d", Id::Disarm),
            ("D", Id::Disarm),
            ("A", Id::Arm),
            ("f", Id::FlattenOne),
            ("F", Id::FlattenAll),
            ("R", Id::Reset),
            ("a", Id::Acknowledge),
            ("c", Id::CancelOrder),
            ("m", Id::Account),
            ("r", Id::Limits),
            ("[", Id::SymbolPrevious),
            ("]", Id::SymbolNext),
            ("h", Id::SymbolPrevious),
            ("j", Id::Down),
            ("k", Id::Up),
            ("l", Id::SymbolNext),
            ("Tab", Id::PaneNext),
            ("1", Id::Pane(PaneId::Master)),
            ("9", Id::Pane(PaneId::Events)),
            ("z", Id::Zoom),
            ("v", Id::View),
            ("p", Id::Freeze),
            ("Enter", Id::Details),
            ("/", Id::Filter),
            (":", Id::Palette),
            ("?", Id::Help),
            ("q", Id::Quit),
            ("Q", Id::Quit),
            ("^C", Id::Quit),
        ] {
            assert_eq!(map.command(Key::parse(text).unwrap()), Some(id), "{text}");
        }
    }

    #[test]
    fn pane_keys_are_their_numbers() {
        for command in COMMANDS {
            if let (Id::Pane(pane), [key]) = (command.id, command.keys) {
                assert_eq!(*key, (pane as usize + 1).to_string());
            }
        }
    }
}
