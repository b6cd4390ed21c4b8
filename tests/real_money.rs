//! Real money moves only by the typed tail: the real cockpit at the keys, the real engine behind it, and any sequence of
//! keys, pastes and focus changes in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod keys_support;
mod rig;

use keys_support::{Desk, TAIL};
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
use tickdeck::tui::link::Request;

/// A person at a cockpit on real money.
struct Live {
    rig: Rig,
    desk: Desk,
    version: u64,
}

impl Live {
    fn new() -> Self {
        let mut rig = Rig::new(Settings { tail: Some(TAIL.to_owned()), ..eager() }, RiskLimits::default());
        rig.run(3_000);
        assert!(rig.engine.may_arm(), "{:?}", rig.engine.snapshot(View::default()).state.preflight);
        let desk = Desk::new(picture(&mut rig, 1));
        Self { rig, desk, version: 1 }
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
    rig.command(Command::Reset);
    assert!(rig.engine.latch().is_some());
    rig.command(confirmed(TAIL, &Command::Reset));
    assert!(rig.engine.latch().is_none());
}

/// Anything but the one letter that the tail cannot do without, in any layout.
fn any_input() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["A", "m", "R", "r", "q", "d", "F", "<^K>", "<Space>", "<Enter>", "<Esc>", "y"]),
        4 => prop::sample::select(vec!["<Down>", "<Up>", "<Down><Down><Down>", "<Tab>", "<Backspace>", ":", "/", "?"]),
        4 => prop::sample::select(vec!["LIVE a1", "LIVE ", "a1", "2", "RESET", "FLAT", "LIVE a12", "9", "900"]),
        3 => prop::sample::select(vec!["paste:LIVE a1B2", "paste:B2", "paste:B", "focus:", "back:"]),
        3 => prop::sample::select(vec!["<200>", "<400>", "<1100>", "<3100>", "<31000>"]),
        2 => Just(TO_THE_TAIL),
        2 => Just("m<400><Down><Down><Down><Enter><3100>"),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Without the tail being typed key by key, no keys, pastes or focus changes arm real money or go live.
    #[test]
    fn no_input_without_the_typed_tail_reaches_real_money(inputs in prop::collection::vec(any_input(), 1..80)) {
        let mut live = Live::new();
        for input in inputs {
            let switches = match input.split_once(':') {
                Some(("paste", text)) => {
                    live.desk.cockpit.paste(text);
                    Vec::new()
                }
                Some(("focus", "")) => {
                    live.desk.cockpit.focus_lost();
                    Vec::new()
                }
                Some(("back", "")) => {
                    live.desk.cockpit.focus_gained(live.desk.now_ms);
                    Vec::new()
                }
                _ => live.types(&input),
            };
            prop_assert!(!live.is_armed(), "{input}");
            prop_assert!(live.rig.engine.limits().get(LimitKey::MaxDailyLoss) <= 200 * UNIT, "{input}");
            for switch in switches {
                let went_live = matches!(&switch, Request::Switch { account: Account::Live, typed: Some(text) }
                    if Ceremony::typed(text, TAIL).is_some());
                prop_assert!(!went_live, "{input}: {switch:?}");
            }
        }
    }
}
