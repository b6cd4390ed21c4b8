//! Real money moves only by the typed tail: the real cockpit at the keys, the real engine behind it, and any sequence of
//! keys, pastes and focus changes in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod keys_support;
mod rig;

use keys_support::{Desk, Stroke, TAIL, strokes};
use proptest::prelude::*;
use rig::{Rig, eager};
use tickdeck::engine::ceremony::Ceremony;
use tickdeck::engine::command::Command;
use tickdeck::engine::ids::{Account, Pair};
use tickdeck::engine::num::UNIT;
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::risk::state::Arming;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{Snapshot, StateWord, View};
use tickdeck::engine::time::Span;
use tickdeck::tui::commands::COMMANDS;
use tickdeck::tui::input::{Input, Parser, UNFINISHED_MS};
use tickdeck::tui::keymap::{Code, Key};
use tickdeck::tui::link::Request;

/// A person at a cockpit on real money.
struct Live {
    rig: Rig,
    desk: Desk,
    version: u64,
    /// Commands go as the lines of an attached cockpit.
    attached: bool,
}

impl Live {
    fn new() -> Self {
        let mut rig = Rig::new(Settings { tail: Some(TAIL.to_owned()), ..eager() }, RiskLimits::default());
        rig.run(3_000);
        assert!(rig.engine.may_arm(), "{:?}", rig.engine.snapshot(View::default()).state.preflight);
        let desk = Desk::new(picture(&mut rig, 1));
        Self { rig, desk, version: 1, attached: false }
    }

    /// Types; whatever is asked goes to the engine. Returns requests to change the account.
    fn types(&mut self, keys: &str) -> Vec<Request> {
        let asked = self.desk.types(keys);
        self.hand_over(asked)
    }

    fn hand_over(&mut self, asked: Vec<Request>) -> Vec<Request> {
        let mut switches = Vec::new();
        for request in asked {
            match request {
                Request::Command(command) if self.attached => {
                    let line = serde_json::to_string(&command).unwrap();
                    self.rig.command(serde_json::from_str(&line).unwrap());
                }
                Request::Command(command) => self.rig.command(command),
                Request::Switch { .. } => switches.push(request),
                _ => {}
            }
        }
        self.version += 1;
        self.desk.picture = picture(&mut self.rig, self.version);
        let more = self.desk.cockpit.observe(&self.desk.picture);
        assert!(more.iter().all(|request| matches!(request, Request::View(_))));
        switches
    }

    fn is_armed(&self) -> bool {
        self.desk.picture.state.word == StateWord::Armed
    }
}

fn is_armed(rig: &Rig) -> bool {
    matches!(rig.engine.arming(), Arming::Armed { .. })
}

fn picture(rig: &mut Rig, version: u64) -> Snapshot {
    let mut picture = rig.engine.snapshot(View::default());
    picture.version = version;
    picture.session.pair = Pair::bybit(Account::Live);
    picture
}

/// Opens the checklist, acknowledges what there is, and goes on to the typed tail.
const TO_THE_TAIL: &str = "A<400><Space><1100><Space><1100><Space><1100><Enter>";

#[test]
fn the_typed_tail_arms_and_nothing_less_does() {
    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    assert_eq!(live.desk.layers(), ["real money"]);
    live.types("<400>LIVE a1B2<Enter>");
    assert!(!live.is_armed(), "Enter is locked for three seconds");
    live.types("<3000><Enter>");
    assert!(live.is_armed(), "{}", live.desk.hint());
    live.types("d");
    assert!(!live.is_armed(), "tightening takes no ceremony");

    for (typed, why) in [("LIVE a1b2", "not LIVE a1B2"), ("a1B2", "not LIVE a1B2"), ("", "not LIVE a1B2")] {
        let mut live = Live::new();
        live.types(TO_THE_TAIL);
        live.types(&format!("<3500>{typed}<Enter>"));
        assert!(!live.is_armed() && live.desk.hint().contains(why), "{typed}: {}", live.desk.hint());
    }
}

#[test]
fn it_lapses_and_paste_focus_and_typing_ahead_cancel_it() {
    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    live.types("<3500>LIVE a1B2<27000><Enter>");
    assert!(!live.is_armed() && live.desk.hint().contains("too long"), "{}", live.desk.hint());

    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    live.types("<200>L<3500>LIVE a1B2<Enter>");
    assert!(!live.is_armed(), "typed ahead");

    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    live.types("<3500>LIVE ");
    live.desk.cockpit.paste("a1B2");
    assert!(live.desk.layers().is_empty() && live.desk.hint().contains("pasting cancels"));

    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    live.types("<3500>LIVE a1B2");
    live.desk.cockpit.focus_lost();
    live.types("<Enter>");
    assert!(!live.is_armed() && !live.desk.layers().contains(&"real money"));

    let mut live = Live::new();
    live.types(TO_THE_TAIL);
    live.types("<3500>LIVE a1B2<^K><Enter>");
    assert_eq!(live.desk.picture.state.word, StateWord::Killed, "kill works in the middle of it");
}

#[test]
fn going_live_takes_the_ceremony_in_the_account_dialog() {
    let mut desk = Desk::new(keys_support::bybit(Account::Paper, keys_support::calm()));
    assert_eq!(desk.types("m<400><Down><Down><Down><Enter>"), []);
    assert!(desk.dialog().contains("REAL MONEY"), "{}", desk.dialog());
    assert_eq!(desk.types("<1000>LIVE a1B2<Enter>"), [], "locked for three seconds");
    let asked = desk.types("<2500><Enter>");
    assert_eq!(asked, [Request::Switch { account: Account::Live, typed: Some("LIVE a1B2".to_owned()) }]);
}

#[test]
fn the_engine_itself_refuses_what_loosens_without_the_tail() {
    let mut rig = Rig::new(Settings { tail: Some(TAIL.to_owned()), ..eager() }, RiskLimits::default());
    rig.run(3_000);
    let arm = Command::Arm { lasts: Span::from_secs(900) };
    rig.command(arm.clone());
    assert!(!is_armed(&rig));
    let confirmed = |tail: &str, command: &Command| Command::Confirmed {
        ceremony: Ceremony::typed(&Ceremony::phrase(tail), tail).unwrap(),
        command: Box::new(command.clone()),
    };
    rig.command(confirmed("zzzz", &arm));
    assert!(!is_armed(&rig), "another account's tail");
    rig.command(confirmed(TAIL, &confirmed(TAIL, &arm)));
    assert!(!is_armed(&rig), "a ceremony in a ceremony");
    let raise = Command::SetLimit { key: LimitKey::MaxDailyLoss, value: 201 * UNIT };
    rig.command(raise.clone());
    assert_eq!(rig.engine.limits().get(LimitKey::MaxDailyLoss), 200 * UNIT);
    rig.command(confirmed(TAIL, &raise));
    assert_eq!(rig.engine.limits().get(LimitKey::MaxDailyLoss), 201 * UNIT);
    rig.command(Command::SetLimit { key: LimitKey::MaxDailyLoss, value: 100 * UNIT });
    assert_eq!(rig.engine.limits().get(LimitKey::MaxDailyLoss), 100 * UNIT, "tightening needs nothing");
    rig.command(confirmed(TAIL, &arm));
    assert!(is_armed(&rig));
    rig.command(Command::Kill);
    let reset = Command::Reset { latched: rig.engine.latch().unwrap().at };
    rig.command(reset.clone());
    assert!(rig.engine.latch().is_some());
    rig.command(confirmed(TAIL, &reset));
    assert!(rig.engine.latch().is_none());
}

/// What a terminal can bring.
#[derive(Clone, Debug)]
enum Brought {
    Key(Key),
    /// Whatever comes over the line, as the reader of the cockpit takes it.
    Bytes(Vec<u8>),
    Paste(String),
    Focus(bool),
    Wait(i64),
    /// A way that a person would go, by key string.
    Way(String),
    /// The terminal did not show the newest picture.
    Unseen,
}

/// Every key of every command, on a Latin and on a Cyrillic layout.
fn command_keys() -> Vec<Key> {
    const CYRILLIC: [(char, char); 12] = [
        ('q', 'й'),
        ('r', 'к'),
        ('y', 'н'),
        ('a', 'ф'),
        ('d', 'в'),
        ('f', 'а'),
        ('A', 'Ф'),
        ('F', 'А'),
        ('R', 'К'),
        ('m', 'ь'),
        ('B', 'И'),
        ('c', 'с'),
    ];
    let keys: Vec<Key> = COMMANDS.iter().flat_map(|spec| spec.keys).map(|key| Key::parse(key).unwrap()).collect();
    let twin = |key: &Key| {
        let other = CYRILLIC.iter().find(|pair| Code::Char(pair.0) == key.code)?;
        Some(Key { code: Code::Char(other.1), ..*key })
    };
    let twins: Vec<Key> = keys.iter().filter_map(twin).collect();
    keys.into_iter().chain(twins).collect()
}

/// The way to a command by its words in the palette.
fn by_palette() -> impl Strategy<Value = Brought> {
    let words: Vec<String> = COMMANDS.iter().map(|spec| spec.title.trim_end_matches('.').to_owned()).collect();
    prop::sample::select(words).prop_map(|words| Brought::Way(format!(":<400>{words}<400><Enter><400>")))
}

fn brought() -> impl Strategy<Value = Brought> {
    let text = |text: &str| Brought::Way(text.to_owned());
    let named = ["Enter", "Esc", "Space", "Tab", "BackTab", "Backspace", "Delete", "Up", "Down", "Left", "Home", "^C"];
    let named: Vec<Key> = named.iter().map(|name| Key::parse(name).unwrap()).collect();
    let parts =
        ["LIVE a1", "LIVE ", "LIVE a1B", "a1B2", "LIVE a1B2", "LIVE a1b2", "B2", "RESET", "FLAT", "900", "9", "y"];
    let ways = [TO_THE_TAIL, "A<1100><Enter>", "m<400><Down><Down><Down><Enter><3100>", "R<400>RESET<1100><Enter>"];
    prop_oneof![
        8 => prop::sample::select(command_keys()).prop_map(Brought::Key),
        6 => prop::sample::select(named).prop_map(Brought::Key),
        3 => any::<char>().prop_map(|c| Brought::Key(Key::plain(Code::Char(c)))),
        2 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Brought::Bytes),
        5 => prop::sample::select(parts.to_vec()).prop_map(text),
        5 => prop::sample::select(ways.to_vec()).prop_map(text),
        3 => by_palette(),
        2 => prop::sample::select(parts.to_vec()).prop_map(|text| Brought::Paste(text.to_owned())),
        2 => any::<bool>().prop_map(Brought::Focus),
        6 => prop::sample::select(vec![50, 200, 400, 1_100, 3_100, 31_000]).prop_map(Brought::Wait),
        1 => Just(Brought::Unseen),
    ]
}

impl Live {
    /// Everything is taken but what types this letter, on whatever layout.
    fn takes(&mut self, brought: &Brought, without: char) -> Vec<Request> {
        match brought {
            Brought::Key(key) => self.presses(*key, without),
            Brought::Bytes(bytes) => {
                let mut inputs = Vec::new();
                let mut parser = Parser::default();
                parser.feed(bytes, 0, &mut inputs);
                parser.idle(UNFINISHED_MS, &mut inputs);
                let taken = inputs.into_iter().flat_map(|input| match input {
                    Input::Key(key) => self.presses(key, without),
                    Input::Paste(text) => self.takes(&Brought::Paste(text), without),
                    Input::Focus(has) => self.takes(&Brought::Focus(has), without),
                    Input::Wheel(_) => Vec::new(),
                });
                taken.collect()
            }
            Brought::Paste(text) => {
                self.desk.cockpit.paste(text);
                Vec::new()
            }
            Brought::Focus(true) => {
                self.desk.cockpit.focus_gained(self.desk.now_ms);
                Vec::new()
            }
            Brought::Focus(false) => {
                self.desk.cockpit.focus_lost();
                Vec::new()
            }
            Brought::Unseen => {
                self.desk.cockpit.is_unseen(self.desk.now_ms);
                Vec::new()
            }
            Brought::Wait(ms) => {
                self.desk.now_ms += ms;
                Vec::new()
            }
            Brought::Way(text) => {
                let goes = strokes(text).into_iter().flat_map(|stroke| match stroke {
                    Stroke::Key(key) => self.presses(key, without),
                    Stroke::Wait(ms) => self.takes(&Brought::Wait(ms), without),
                });
                goes.collect()
            }
        }
    }

    fn presses(&mut self, key: Key, without: char) -> Vec<Request> {
        let types = [key, key.positional()].iter().any(|key| key.code == Code::Char(without));
        if types && !key.ctrl && !key.alt {
            return Vec::new();
        }
        let asked = self.desk.presses(key);
        self.hand_over(asked)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Without every letter of the tail typed key by key, no keys, bytes, pastes or focus changes arm real money or go live: the
    /// letters but one may come in any order, and the whole tail by any other way.
    #[test]
    fn no_input_without_the_typed_tail_reaches_real_money(
        inputs in prop::collection::vec(brought(), 1..60),
        without in prop::sample::select(TAIL.chars().collect::<Vec<char>>()),
        attached in any::<bool>(),
    ) {
        let mut live = Live::new();
        live.attached = attached;
        for input in inputs {
            let switches = live.takes(&input, without);
            prop_assert!(!live.is_armed(), "{input:?}");
            prop_assert!(live.rig.engine.limits().get(LimitKey::MaxDailyLoss) <= 200 * UNIT, "{input:?}");
            for switch in switches {
                let went_live = matches!(&switch, Request::Switch { account: Account::Live, typed: Some(text) }
                    if Ceremony::typed(text, TAIL).is_some());
                prop_assert!(!went_live, "{input:?}: {switch:?}");
            }
        }
    }
}
