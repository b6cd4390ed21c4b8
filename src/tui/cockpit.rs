//! The cockpit without a terminal: keys in, requests out. Everything a key can do is decided here, so that tests drive
//! the ceremonies with key strings and a clock of their own.

use super::commands::Id;
use super::keymap::{Code, Key, Keymap};
use super::layers::{
    Ctx, Layer, Layers, Outcome, QUIET_MS, READ_FIRST, Taken, account, arm, cancel, details, flatten, help,
};
use super::layers::{
    killed, limits, outside, palette, promote, quit, real_money, release, reset, seek, settle, unbench,
};
use super::link::{PlaybackRequest, QuitChoice, Request};
use super::panes::PaneId;
use super::state::{Attached, MainView, QUESTION_NEEDS, Step, UiState};
use super::validity;
use crate::engine::command::Command;
use crate::engine::snapshot::{CandleLength, Snapshot, View};

const READ_ONLY: &str = "attached read-only: nothing can be commanded from here";
/// [`Request::Alive`] at most this often.
const ALIVE_MS: i64 = 1000;
/// Depth rows asked for per side: a tall screen's worth.
const DEPTH: u16 = 40;
/// Speeds of a replay, in times real time.
const SPEEDS: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Weathers of the simulated market, in the order of the key.
const WEATHERS: [&str; 3] = ["calm", "busy", "crash"];

/// Things only the terminal's owner can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Paint everything again.
    Redraw,
    /// Give the terminal back and stop the process until it is continued.
    Suspend,
}

/// The cockpit.
pub struct Cockpit {
    /// What panes draw from beside the snapshot.
    pub ui: UiState,
    keys: Keymap,
    layers: Layers,
    quiet_until_ms: i64,
    alive_ms: Option<i64>,
    sent_view: Option<View>,
    /// The frozen picture, with the live state in it.
    frozen: Option<Box<Snapshot>>,
    wish: Option<Wish>,
    quit_ms: Option<i64>,
    /// Newest event seen, by number.
    newest_notice: u64,
    /// The kill that the open layer is about was confirmed: when it is not shown any more, it was lifted.
    kill_seen: bool,
    /// The run that is looked at.
    run: Option<String>,
    /// Name of the instrument in front.
    front: String,
}

impl Cockpit {
    /// With this keymap.
    pub fn new(keys: Keymap) -> Self {
        Self {
            ui: UiState::default(),
            keys,
            layers: Layers::default(),
            quiet_until_ms: i64::MIN,
            alive_ms: None,
            sent_view: None,
            frozen: None,
            wish: None,
            quit_ms: None,
            newest_notice: 0,
            kill_seen: false,
            run: None,
            front: String::new(),
        }
    }

    /// Names of the open layers, bottom first.
    pub fn layers(&self) -> Vec<&'static str> {
        self.layers.names()
    }
    /// The layers, for drawing.
    pub const fn stack(&self) -> &Layers {
        &self.layers
    }
    /// The keymap.
    pub const fn keys(&self) -> &Keymap {
        &self.keys
    }
    /// Takes what only the terminal's owner can do.
    pub fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }
    /// When a quit was last asked for, in monotonic milliseconds.
    pub const fn quit_asked_ms(&self) -> Option<i64> {
        self.quit_ms
    }
    /// The picture that panes draw: frozen or live.
    pub fn shown<'a>(&'a self, live: &'a Snapshot) -> &'a Snapshot {
        self.frozen.as_deref().unwrap_or(live)
    }
    /// What layers decide and draw from.
    pub fn ctx<'a>(&'a self, snapshot: &'a Snapshot, now_ms: i64) -> Ctx<'a> {
        Ctx { snapshot, ui: &self.ui, keys: &self.keys, now_ms, age_ms: 0 }
    }

    /// Looks at a new live snapshot; returns requests that follow from it.
    pub fn observe(&mut self, live: &Snapshot) -> Vec<Request> {
        if self.run.as_ref() != Some(&live.session.run) {
            self.meet(live);
        }
        if let Some(frozen) = &mut self.frozen {
            // A frozen picture of markets is a help, a frozen picture of the state would be a lie.
            frozen.version = live.version;
            frozen.at = live.at;
            frozen.session.clone_from(&live.session);
            frozen.state.clone_from(&live.state);
            frozen.account.clone_from(&live.account);
            frozen.danger.clone_from(&live.danger);
            frozen.health.clone_from(&live.health);
            frozen.pending_notice.clone_from(&live.pending_notice);
        }
        self.follow_events(live);
        self.follow_latch(live);
        if !live.markets.is_empty() && live.markets.iter().all(|m| m.symbol != self.ui.symbol) {
            self.ui.symbol = live.markets.first().map_or(self.ui.symbol, |m| m.symbol);
        }
        if let Some(row) = live.markets.iter().find(|row| row.symbol == self.ui.symbol) {
            self.front.clone_from(&row.name);
        }
        let mut out = Vec::new();
        self.sync_view(&mut out);
        out
    }

    /// Where the person looks was not taken: it is asked for with the next picture.
    pub const fn ask_view_again(&mut self) {
        self.sent_view = None;
    }

    /// Another run: what was open, frozen or asked for belonged to the one before.
    fn meet(&mut self, live: &Snapshot) {
        if self.run.replace(live.session.run.clone()).is_some() {
            let UiState { view, focus, candle, attached, .. } = self.ui;
            let ui = UiState { view, focus, candle, attached, ..UiState::default() };
            let symbol = live.markets.iter().find(|row| row.name == self.front).map_or(ui.symbol, |row| row.symbol);
            self.ui = UiState { symbol, hint: Some(format!("now: {}", arm::account_line(live))), ..ui };
            self.layers.clear();
            (self.frozen, self.sent_view, self.newest_notice) = (None, None, 0);
        }
    }

    /// A kill that somebody else has lifted meanwhile is over: its layer would speak of a state that is not there any more.
    fn follow_latch(&mut self, live: &Snapshot) {
        if killed::is_latched(live) {
            self.kill_seen = true;
        } else if std::mem::take(&mut self.kill_seen) && self.layers.names().contains(&"killed") {
            self.layers.close("killed");
            self.ui.hint = Some("the kill was LIFTED by somebody: look at the banner".to_owned());
        }
    }

    /// Somebody who reads old events keeps reading them: new ones must not push them away.
    fn follow_events(&mut self, live: &Snapshot) {
        let newest = live.notices.last().map_or(0, |n| n.id);
        if self.ui.events_back > 0 && self.frozen.is_none() {
            let new = self.ui.visible_notices(live).take_while(|n| n.id > self.newest_notice).count();
            self.ui.events_back = self.ui.events_back.saturating_add(new).min(live.notices.len());
        }
        self.newest_notice = newest;
    }

    /// Takes a key before there is any snapshot: kill and quit work, nothing else does.
    pub fn handle_blind(&mut self, key: Key, now_ms: i64) -> Vec<Request> {
        match self.keys.command(key) {
            Some(Id::Kill) if self.ui.attached == Some(Attached::ReadOnly) => {
                self.ui.hint = Some(READ_ONLY.to_owned());
                Vec::new()
            }
            Some(Id::Kill) => {
                self.ui.hint = Some("kill asked: nothing will open".to_owned());
                vec![Request::Command(Command::Kill)]
            }
            Some(Id::Quit) => {
                self.quit_ms = Some(now_ms);
                vec![Request::Quit(QuitChoice::Leave)]
            }
            _ => Vec::new(),
        }
    }

    /// Takes a key. `now_ms` is monotonic; `live` is the newest snapshot, frozen view or not.
    pub fn handle(&mut self, key: Key, live: &Snapshot, now_ms: i64) -> Vec<Request> {
        let mut out = Vec::new();
        if self.alive_ms.is_none_or(|at| now_ms.saturating_sub(at) >= ALIVE_MS) {
            self.alive_ms = Some(now_ms);
            out.push(Request::Alive);
        }
        self.ui.hint = None;
        self.dispatch(key, live, now_ms, &mut out);
        if live.session.playback.as_ref().is_some_and(|playback| playback.kind == "audit") {
            self.refuse_commands("an audit plays what was recorded: nothing here can be commanded", &mut out);
        }
        if self.ui.attached == Some(Attached::ReadOnly) {
            self.refuse_commands(READ_ONLY, &mut out);
        }
        self.sync_view(&mut out);
        out
    }

    /// Nothing is commanded here, and whoever tries is told.
    fn refuse_commands(&mut self, why: &str, out: &mut Vec<Request>) {
        let asked = out.len();
        let commands =
            |request: &Request| matches!(request, Request::Command(_) | Request::Switch { .. } | Request::Weather(_));
        out.retain(|request| !commands(request));
        if out.len() < asked {
            self.layers.clear();
            self.ui.hint = Some(why.to_owned());
        }
    }

    fn dispatch(&mut self, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) {
        let command = self.keys.command(key);
        let typing = self.ui.filtering || self.layers.is_typing();
        match command {
            Some(Id::Kill) => return self.kill(key, now_ms, out),
            Some(Id::Disarm) if !typing => return self.disarm(out),
            _ if now_ms < self.quiet_until_ms => return,
            _ => {}
        }
        if command == Some(Id::Quit) && key.ctrl {
            if !self.layers.names().contains(&"quit") {
                self.open(quit::Quit::new(live, self.ui.attached.is_some()), key, now_ms);
            }
            return;
        }
        if !self.layers.is_empty() {
            return self.give_to_layer(key, live, now_ms, out);
        }
        if self.ui.filtering {
            return self.filter_key(key);
        }
        match command {
            Some(id) => self.run(id, key, live, now_ms, out),
            None if key.code == Code::Esc => self.ui.filter.clear(),
            None => self.ui.hint = Some(format!("{key} does nothing here; ? lists the keys")),
        }
    }

    /// Kill, first step. Held or repeated it stays the first step: whatever else was open is gone.
    fn kill(&mut self, key: Key, now_ms: i64, out: &mut Vec<Request>) {
        out.push(Request::Command(Command::Kill));
        self.ui.filtering = false;
        self.kill_seen = false;
        self.layers.clear();
        self.open(killed::Killed, key, now_ms);
    }

    fn disarm(&mut self, out: &mut Vec<Request>) {
        out.push(Request::Command(Command::Disarm));
        self.layers.close("arm");
        self.ui.hint = Some("disarm asked".to_owned());
    }

    fn open(&mut self, layer: impl Layer + Send + 'static, opener: Key, now_ms: i64) {
        self.layers.push(Box::new(layer), Some(opener), now_ms);
    }

    fn give_to_layer(&mut self, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) {
        let ctx = Ctx { snapshot: live, ui: &self.ui, keys: &self.keys, now_ms, age_ms: 0 };
        match self.layers.key(key, &ctx) {
            Taken::Outcome(Outcome::Done(request) | Outcome::Ask(request)) => {
                if matches!(request, Request::Quit(_)) {
                    self.quit_ms = Some(now_ms);
                }
                if loosens(&request, live) && !self.ui.shows_questions() {
                    let (columns, rows) = QUESTION_NEEDS;
                    self.ui.hint =
                        Some(format!("nothing done: {columns}x{rows} are needed to show what you would confirm"));
                    return;
                }
                match takes_ceremony(&request, live) {
                    Some((command, tail)) => self.open(real_money::RealMoney::new(command, tail, now_ms), key, now_ms),
                    None => out.push(request),
                }
            }
            Taken::Outcome(Outcome::Say(text) | Outcome::CloseAndSay(text)) => self.ui.hint = Some(text),
            Taken::Outcome(Outcome::Run(id)) => self.run(id, key, live, now_ms, out),
            Taken::Outcome(Outcome::Early) => self.ui.hint = Some(READ_FIRST.to_owned()),
            Taken::Ignored(Some(why)) => self.ui.hint = Some(why.to_owned()),
            Taken::Outcome(Outcome::Stay | Outcome::Close) | Taken::Ignored(None) | Taken::No => {}
        }
    }

    fn filter_key(&mut self, key: Key) {
        match key.code {
            Code::Enter => self.ui.filtering = false,
            Code::Esc => {
                self.ui.filtering = false;
                self.ui.filter.clear();
            }
            Code::Backspace => {
                self.ui.filter.pop();
            }
            Code::Char(c) if !key.ctrl && !key.alt => self.type_filter(c),
            _ => {}
        }
    }

    fn type_filter(&mut self, c: char) {
        let room = super::widgets::field::LENGTH_MAX.saturating_sub(self.ui.filter.chars().count());
        self.ui.filter.extend(c.to_lowercase().filter(|c| !c.is_control()).take(room));
    }

    /// Pasted text: cancels a guard, is text in a text field, and is nothing anywhere else.
    pub fn paste(&mut self, text: &str) {
        if self.layers.cancel_guards() {
            self.ui.hint = Some("pasting cancels: type it yourself".to_owned());
        } else if self.layers.is_empty() && self.ui.filtering {
            text.chars().for_each(|c| self.type_filter(c));
        } else if self.layers.is_empty() {
            self.ui.hint = Some("pasted text is no command: nothing was done".to_owned());
        } else {
            self.layers.paste(text);
        }
    }

    /// The terminal lost the focus: a guard does not wait for somebody who looks elsewhere.
    pub fn focus_lost(&mut self) {
        if self.layers.cancel_guards() {
            self.ui.hint = Some("cancelled: the terminal lost the focus".to_owned());
        }
    }

    /// The terminal got the focus back: the key that brought it back means nothing here.
    pub fn focus_gained(&mut self, now_ms: i64) {
        self.quiet_until_ms = now_ms.saturating_add(QUIET_MS);
    }

    /// The terminal shows an old picture: whatever is pressed at it means nothing but kill and disarm, and no guard waits for
    /// somebody who does not see it.
    pub fn is_unseen(&mut self, now_ms: i64) {
        self.layers.cancel_guards();
        self.quiet_until_ms = now_ms.saturating_add(QUIET_MS);
    }

    /// The mouse wheel moves the selection of the focused pane; the mouse can do nothing else.
    pub fn wheel(&mut self, down: bool, live: &Snapshot) -> Vec<Request> {
        let mut out = Vec::new();
        if self.layers.is_empty() {
            self.move_by(Step::Row(down), live);
            self.sync_view(&mut out);
        }
        out
    }

    fn move_by(&mut self, step: Step, live: &Snapshot) {
        let shown = self.frozen.as_deref().unwrap_or(live);
        self.ui.move_selection(shown, step);
    }

    fn sync_view(&mut self, out: &mut Vec<Request>) {
        let view = View { symbol: self.ui.symbol, candle: self.ui.candle, depth: DEPTH, why: self.layers.why() };
        if self.sent_view != Some(view) {
            self.sent_view = Some(view);
            out.push(Request::View(view));
        }
    }

    fn run(&mut self, id: Id, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) {
        if let Some(spec) = id.spec()
            && let Some(why) = (spec.valid)(live, &self.ui).reason()
        {
            self.ui.hint = Some(format!("{}: {why}", spec.title.trim_end_matches('.')));
            return;
        }
        if !self.run_ceremony(id, key, live, now_ms, out) && !self.run_market(id, key, live, now_ms, out) {
            self.run_view(id, key, live, now_ms);
        }
    }

    /// Commands that act on trading, and the dialogs before them; `false` when `id` is none of them.
    fn run_ceremony(&mut self, id: Id, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) -> bool {
        let target = self.ui.target(live);
        let name = self.ui.symbol_name(live);
        match id {
            Id::Kill => self.kill(key, now_ms, out),
            Id::Disarm => self.disarm(out),
            Id::Arm => self.open(arm::Arm::default(), key, now_ms),
            Id::FlattenOne => self.open(flatten::FlattenOne::new(target, name), key, now_ms),
            Id::FlattenAll => self.open(flatten::FlattenAll::default(), key, now_ms),
            Id::Release => self.open(release::Released::new(target, name, release::Choice::Release), key, now_ms),
            Id::Adopt => self.open(release::Released::new(target, name, release::Choice::Adopt), key, now_ms),
            Id::CloseReleased => self.open(release::Released::new(target, name, release::Choice::Close), key, now_ms),
            Id::Outside => {
                if let Some(layer) = outside::Outside::first(live) {
                    self.open(layer, key, now_ms);
                }
            }
            Id::SettleOrder => {
                if let Some(row) = self.ui.order(live) {
                    self.open(settle::Settle::new(row.order), key, now_ms);
                }
            }
            Id::Account => self.open(account::Account::new(live), key, now_ms),
            Id::Limits => {
                let row = if self.ui.focus == PaneId::Limits { self.ui.row(PaneId::Limits) } else { 0 };
                self.open(limits::Limits::new(row), key, now_ms);
            }
            Id::Reset => {
                if let Some(latch) = &live.state.latch {
                    self.open(reset::Reset::new(latch.clone()), key, now_ms);
                }
            }
            Id::Acknowledge => {
                out.extend(live.pending_notice.as_ref().map(|n| Request::Command(Command::Acknowledge(n.id))));
            }
            Id::ReloadModels => out.push(Request::Command(Command::ReloadModels)),
            Id::Promote => self.open(promote::Promote::default(), key, now_ms),
            Id::Unbench => {
                if let Some(layer) = unbench::Unbench::first(live) {
                    self.open(layer, key, now_ms);
                }
            }
            Id::TieOut => out.push(Request::Command(Command::TieOut)),
            Id::RetryVenue => out.push(Request::Command(Command::RetryVenue)),
            Id::CancelOrder => self.cancel_order(key, live, now_ms, out),
            Id::Quit if validity::risk_is_on(live) && self.ui.attached.is_none() => {
                self.open(quit::Quit::new(live, self.ui.attached.is_some()), key, now_ms);
            }
            Id::Quit => {
                self.quit_ms = Some(now_ms);
                out.push(Request::Quit(QuitChoice::Leave));
            }
            _ => return false,
        }
        true
    }

    fn cancel_order(&mut self, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) {
        let Some(row) = self.ui.order(live) else { return };
        if row.protective || row.foreign.is_some() {
            let what = details::order_line(row.order, live);
            self.open(cancel::CancelAsked::new(row.order, what, row.foreign), key, now_ms);
        } else {
            self.ui.hint = Some(format!("cancel asked: {}", details::order_line(row.order, live)));
            out.push(Request::Command(Command::Cancel(row.order)));
        }
    }

    /// Replay and weather; `false` when `id` is none of them.
    fn run_market(&mut self, id: Id, key: Key, live: &Snapshot, now_ms: i64, out: &mut Vec<Request>) -> bool {
        let playback = |request| Request::Playback(request);
        match id {
            Id::PlayPause => out.push(playback(PlaybackRequest::TogglePause)),
            Id::Step => out.push(playback(PlaybackRequest::Step)),
            Id::Faster | Id::Slower => {
                let now = live.session.playback.as_ref().map_or(0.0, |p| p.speed);
                match next_speed(now, id == Id::Faster) {
                    Some(speed) => out.push(playback(PlaybackRequest::Speed(speed))),
                    None => self.ui.hint = Some("paused: Space goes on".to_owned()),
                }
            }
            Id::Seek => self.open(seek::Seek::default(), key, now_ms),
            Id::Weather => {
                let now = live.session.weather.as_deref();
                let index = WEATHERS.iter().position(|w| Some(*w) == now).map_or(0, |i| (i + 1) % WEATHERS.len());
                out.extend(WEATHERS.get(index).map(|w| Request::Weather((*w).to_owned())));
            }
            _ => return false,
        }
        true
    }

    fn run_view(&mut self, id: Id, key: Key, live: &Snapshot, now_ms: i64) {
        match id {
            Id::SymbolNext => self.ui.turn_symbol(live, true),
            Id::SymbolPrevious => self.ui.turn_symbol(live, false),
            Id::Down => self.move_by(Step::Row(true), live),
            Id::Up => self.move_by(Step::Row(false), live),
            Id::PageDown => self.move_by(Step::Page(true), live),
            Id::PageUp => self.move_by(Step::Page(false), live),
            Id::First => self.move_by(Step::End(false), live),
            Id::Last => self.move_by(Step::End(true), live),
            Id::PaneNext => self.ui.turn_pane(true, live),
            Id::PanePrevious => self.ui.turn_pane(false, live),
            Id::Pane(pane) => self.ui.focus_pane(pane, live),
            Id::Zoom => self.ui.zoomed = !self.ui.zoomed,
            Id::View => {
                self.ui.view = match self.ui.view {
                    MainView::Watch => MainView::Pilot,
                    MainView::Pilot => MainView::Watch,
                }
            }
            Id::Candle => self.ui.candle = next_candle(self.ui.candle),
            Id::Freeze => {
                self.frozen = if self.ui.frozen { None } else { Some(Box::new(live.clone())) };
                self.ui.frozen = !self.ui.frozen;
                if self.ui.frozen {
                    self.ui.hint =
                        Some("FROZEN: the picture stands still, actions use live data; p goes on".to_owned());
                }
            }
            Id::Details => self.open(details::Details::of(&self.ui, live), key, now_ms),
            Id::Why => self.open(details::Details::why(&self.ui, live), key, now_ms),
            Id::Dangers => self.open(details::Details::dangers(), key, now_ms),
            Id::Filter => self.ui.filtering = true,
            Id::Palette => self.open(palette::Palette::default(), key, now_ms),
            Id::Help => self.open(help::Help::default(), key, now_ms),
            Id::Redraw => self.wish = Some(Wish::Redraw),
            Id::Suspend => self.wish = Some(Wish::Suspend),
            _ => {}
        }
    }
}

/// The next speed of a replay; `None` while it is paused.
fn next_speed(now: f64, faster: bool) -> Option<f64> {
    if now <= 0.0 {
        return None;
    }
    let next = if faster {
        SPEEDS.iter().find(|s| **s > now).or(SPEEDS.last())
    } else {
        SPEEDS.iter().rev().find(|s| **s < now).or(SPEEDS.first())
    };
    next.copied()
}

/// Would this loosen something?
fn loosens(request: &Request, live: &Snapshot) -> bool {
    let limit = |key| live.limits.iter().find(|row| row.key == key).map_or(0, |row| row.value);
    match request {
        Request::Command(command) => command.loosens(limit),
        Request::Switch { .. } => true,
        _ => false,
    }
}

/// The command and the tail that it takes first, where the account is real money and the command would loosen something.
fn takes_ceremony(request: &Request, live: &Snapshot) -> Option<(Command, String)> {
    let (Request::Command(command), Some(tail)) = (request, &live.session.tail) else { return None };
    let confirmed = matches!(command, Command::Confirmed { .. });
    (!confirmed && loosens(request, live)).then(|| (command.clone(), tail.clone()))
}

fn next_candle(now: CandleLength) -> CandleLength {
    let index = CandleLength::ALL.iter().position(|c| *c == now).map_or(0, |i| (i + 1) % CandleLength::ALL.len());
    CandleLength::ALL.get(index).copied().unwrap_or(now)
}
