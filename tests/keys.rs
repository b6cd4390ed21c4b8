//! Ceremonies as key strings: what was typed, what was asked of the engine, which layers are open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod keys_support;

use keys_support::{Desk, busy, bybit, calm, check, killed, notice, order, replay, used};
use proptest::prelude::*;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::Errand;
use tickdeck::engine::event::{Outsider, Reach};
use tickdeck::engine::ids::{Account, OrderSeq, Symbol};
use tickdeck::engine::notice::Level;
use tickdeck::engine::num::{Price, Qty, Side, UNIT};
use tickdeck::engine::risk::limits::LimitKey;
use tickdeck::engine::risk::state::{Latch, LatchCause, LossTrip};
use tickdeck::engine::snapshot::{CandleLength, Health, OrderRow, OutsideRow, Protected, Snapshot, StateWord};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::tui::cockpit::{Cockpit, Wish};
use tickdeck::tui::commands::{COMMANDS, key_table_markdown};
use tickdeck::tui::keymap::{Code, Key, Keymap};
use tickdeck::tui::link::{PlaybackRequest, QuitChoice, Request};
use tickdeck::tui::panes::PaneId;

fn command(command: Command) -> Vec<Request> {
    vec![Request::Command(command)]
}

fn arm() -> Vec<Request> {
    command(Command::Arm { lasts: Span::from_secs(900) })
}

#[test]
fn arming_on_paper_is_a_checklist_and_enter() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("A"), []);
    assert_eq!(desk.layers(), ["arm"]);
    for word in ["SIMULATED MARKET", "max_order_notional 500 USDT", "BTCUSDT, ETHUSDT, SOLUSDT", "15m00", "feed"] {
        assert!(desk.dialog().contains(word), "{word} in {}", desk.dialog());
    }
    assert_eq!(desk.types("<200><Enter>"), arm());
    assert!(desk.layers().is_empty());
}

#[test]
fn what_cannot_be_shown_whole_is_not_confirmed_and_what_tightens_needs_no_room() {
    let mut desk = Desk::new(calm());
    desk.cockpit.ui.drawn = (20, 5);
    assert_eq!(desk.types("A<200><Enter>"), []);
    assert!(desk.layers().is_empty() && desk.hint().contains("40x12 are needed"), "{}", desk.hint());
    assert_eq!(desk.types("d"), command(Command::Disarm));
    desk.cockpit.ui.drawn = (40, 12);
    assert_eq!(desk.types("A<200><Enter>"), arm());
}

#[test]
fn keys_typed_ahead_do_not_reach_a_guard() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("A<Enter><100><Enter>"), [], "Enter within 150 ms is type-ahead");
    assert_eq!(desk.layers(), ["arm"]);
    assert_eq!(desk.types("<500><Enter><33><Enter>"), [], "and what follows may be that key, held down");
    assert_eq!(desk.types("<1000><Enter>"), arm());
}

#[test]
fn the_key_that_opened_a_guard_cannot_confirm_it() {
    let mut desk = Desk::new(calm());
    // Enter in the palette opens the guard; a held Enter must not arm, however long it is held.
    assert_eq!(desk.types(":arm<Enter><660><Enter><33><Enter><33><Enter><5000><Enter>"), []);
    assert_eq!(desk.layers(), ["arm"]);
    assert!(desk.hint().contains("another key first"), "{}", desk.hint());
    assert_eq!(desk.types("x<Enter>"), arm(), "another key ends the repeat");
}

#[test]
fn warnings_are_acknowledged_and_red_lights_refuse() {
    let mut picture = calm();
    picture.state.preflight.push(check("model drift", Health::Warn));
    let mut desk = Desk::new(picture);
    assert_eq!(desk.types("A<200><Enter>"), []);
    assert!(desk.hint().contains("model drift"), "{}", desk.hint());
    desk.picture.state.preflight.push(check("clock", Health::Warn));
    assert_eq!(desk.types("<Space><500><Space><33><Space><Enter>"), [], "a held Space acknowledges one of two");
    assert_eq!(desk.types("<1000><Space><Enter>"), arm());

    let mut picture = calm();
    picture.state.preflight.push(check("books", Health::Fail));
    let mut desk = Desk::new(picture);
    assert_eq!(desk.types("A<200><Space><Enter><Enter>"), []);
    assert!(desk.hint().contains("books fails"), "{}", desk.hint());
}

#[test]
fn arming_is_refused_with_the_reason() {
    let mut desk = Desk::new(killed());
    assert_eq!(desk.types("A"), []);
    assert_eq!((desk.layers().len(), desk.hint()), (0, "arm: KILLED: reset first (R)"));
    let mut picture = calm();
    picture.state.arming_refused = Some("the day's loss limit is spent".to_owned());
    let mut desk = Desk::new(picture);
    assert_eq!(desk.types("A<200><Enter>"), []);
    assert_eq!(desk.hint(), "", "the key after the hint clears it");
    let mut desk = Desk::new(bybit(Account::Live, calm()));
    assert_eq!(desk.types("A<2000><Space><Enter><Enter>"), []);
    assert_eq!(desk.layers(), ["real money"], "the checklist leads to the typed tail and no further");
}

#[test]
fn a_latch_that_comes_while_the_checklist_is_open_refuses() {
    let mut desk = Desk::new(calm());
    desk.types("A<200>");
    desk.picture = killed();
    assert_eq!(desk.types("<Enter>"), []);
    assert!(desk.hint().contains("KILLED"));
}

#[test]
fn disarm_is_one_key_everywhere_but_in_text() {
    for keys in ["d", "D", "в", "В", "Ad", "Fx<Esc>d", "md", "rd", "<Enter>d", "<^C>d", "Ad"] {
        let mut desk = Desk::new(busy());
        assert_eq!(desk.types(keys), command(Command::Disarm), "{keys}");
    }
    let mut desk = Desk::new(calm());
    desk.types("A");
    assert_eq!(desk.types("d"), command(Command::Disarm), "also while the guard is still quiet");
    assert!(desk.layers().is_empty(), "and the checklist is gone");
    for text in ["/", ":", "?", "F<200>"] {
        let mut desk = Desk::new(busy());
        desk.types(text);
        assert_eq!(desk.types("d"), [], "{text} takes letters");
    }
}

#[test]
fn kill_works_everywhere_and_repeats_its_first_step_only() {
    for before in ["", "A", "F<200>FL", "/eth", ":arm", "?help", "r5", "f", "q", "<^C>", "p", "m", "c"] {
        let mut desk = Desk::new(busy());
        desk.types(before);
        for key in ["<^K>", "<^\\>", "<^4>", "<^л>", "<^Л>"] {
            assert_eq!(desk.types(key), command(Command::Kill), "{key} after {before}");
            assert_eq!(desk.layers(), ["killed"], "{key} after {before}");
        }
    }
    let mut desk = Desk::new(busy());
    let held: Vec<Request> = (0..50).flat_map(|_| desk.types("<33><^K>")).collect();
    assert_eq!(held.len(), 50);
    assert!(held.iter().all(|r| *r == Request::Command(Command::Kill)));
}

#[test]
fn enter_in_the_killed_layer_is_the_second_step() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("<^K><Enter>"), command(Command::Kill), "not within 150 ms");
    desk.picture = killed();
    for word in ["KILLED - 2 OPEN", "BTCUSDT LONG 0.012", "costs about 0.84", "protective orders kept: 1"] {
        assert!(desk.dialog().contains(word), "{word} in {}", desk.dialog());
    }
    assert_eq!(desk.types("<1000><Enter>"), command(Command::KillClose));
    assert_eq!(desk.layers(), ["killed"], "the layer stays and shows the receipt");
    desk.picture.state.closing = true;
    desk.picture.state.receipt = vec!["sell 0.012 BTCUSDT sent".to_owned()];
    assert_eq!(desk.types("<Enter>"), []);
    assert!(desk.dialog().contains("sell 0.012 BTCUSDT sent"));
    desk.picture.positions.clear();
    (desk.picture.state.open, desk.picture.state.closing) = (0, false);
    desk.picture.state.flat_proven = Some(Ts::from_ms(1_763_800_009_000));
    assert!(desk.dialog().contains("FLAT (proven"));
    assert_eq!(desk.types("<Enter>"), []);
    assert_eq!(desk.types("<Esc>"), [], "Esc closes the layer, never the latch");
    assert!(desk.layers().is_empty());
    assert_eq!(desk.types("<^K>"), command(Command::Kill), "and ^K opens it again");
}

/// The layer speaks of the newest picture: nothing of an earlier kill, nothing before the engine says it, and a kill that somebody
/// has lifted closes it.
#[test]
fn the_killed_layer_follows_the_latch() {
    let mut picture = busy();
    picture.state.receipt = vec!["of an earlier kill".to_owned()];
    picture.state.guardian = vec!["guardian of an earlier kill".to_owned()];
    let mut desk = Desk::new(picture);
    desk.cockpit.ui.attached = Some(tickdeck::tui::state::Attached::Full);
    desk.types("<^K>");
    let shown = desk.dialog();
    assert!(shown.contains("KILL ASKED, not confirmed") && !shown.contains("opens. Orders"), "{shown}");
    assert!(!shown.contains("earlier kill") && !shown.contains("tickdeck kill --flat"), "{shown}");
    desk.types("<2100>");
    assert!(desk.dialog().contains("run `tickdeck kill --flat` in a shell"), "{}", desk.dialog());
    desk.picture = killed();
    desk.cockpit.observe(&desk.picture);
    assert!(desk.dialog().contains("KILLED - 2 OPEN"), "{}", desk.dialog());
    desk.picture = busy();
    desk.cockpit.observe(&desk.picture);
    assert!(desk.layers().is_empty() && desk.hint().contains("LIFTED"), "{}", desk.hint());
}

/// What the venue shows and our books do not is no flat account.
#[test]
fn a_mismatch_in_the_killed_layer_is_unknown() {
    let mut picture = killed();
    picture.positions.clear();
    picture.state.open = 0;
    picture.state.flat_proven = Some(picture.at);
    picture.state.unresolved = vec!["ETHUSDT ours 0 venue -0.11".to_owned()];
    let mut desk = Desk::new(picture);
    desk.types("<^K>");
    let shown = desk.dialog();
    assert!(shown.contains("KILLED - 1 UNKNOWN") && shown.contains("ETHUSDT ours 0 venue -0.11"), "{shown}");
    assert!(!shown.contains("FLAT") && !shown.contains("No position"), "{shown}");
}

#[test]
fn reset_shows_the_cause_and_takes_the_word() {
    let mut picture = calm();
    picture.state.word = StateWord::Tripped;
    let trip = LossTrip { limit: "max_daily_loss".into(), measured: "201.3".into(), allowed: "200".into() };
    picture.state.latch = Some(Latch { cause: LatchCause::Loss(trip), at: Ts::from_ms(5) });
    let mut desk = Desk::new(picture.clone());
    desk.types("R");
    assert!(desk.dialog().contains("max_daily_loss 201.3/200"), "{}", desk.dialog());
    assert_eq!(desk.types("<400><Enter>RESE<Enter>"), []);
    assert_eq!(desk.types("T<Enter>"), command(Command::Reset { latched: Ts::from_ms(5) }));

    let mut desk = Desk::new(picture);
    desk.types("R<400>RESET");
    desk.picture.state.latch = killed().state.latch;
    assert_eq!(desk.types("<Enter>"), [], "another cause needs another look");
    assert!(desk.layers().is_empty() && desk.hint().contains("cause has changed"));
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("R<400>RESET<Enter>"), []);
    let mut desk = Desk::new(bybit(Account::Live, killed()));
    assert_eq!(desk.types("R<400><Enter>"), []);
    assert_eq!(desk.layers(), ["real money"], "RESET is not enough where the tail is asked for");
}

#[test]
fn a_word_may_be_typed_on_the_other_layout() {
    let mut desk = Desk::new(killed());
    let latched = desk.picture.state.latch.as_ref().unwrap().at;
    assert_eq!(desk.types("К<400>куыуе<Enter>"), command(Command::Reset { latched }));
}

#[test]
fn flattening_one_position_takes_y_after_a_moment() {
    let mut desk = Desk::new(busy());
    desk.types("f");
    assert!(desk.dialog().contains("BTCUSDT LONG 0.012") && desk.dialog().contains("0.42"), "{}", desk.dialog());
    assert_eq!(desk.types("<200>y"), [], "200 ms is too early");
    assert_eq!(desk.types("<500>y<33>y<33>y"), [], "and held down it stays too early");
    assert_eq!(desk.types("<1000>y"), command(Command::Flatten(Some(Symbol(0)))));
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("]"), [desk_view(1)]);
    assert_eq!(desk.types("f<400>н"), command(Command::Flatten(Some(Symbol(1)))));
    let mut desk = Desk::new(busy());
    desk.types("f<400>");
    desk.picture.positions.remove(0);
    assert_eq!(desk.types("y"), []);
    assert!(desk.hint().contains("no longer open"));
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("f<400>y"), []);
}

fn desk_view(symbol: u16) -> Request {
    let view = tickdeck::engine::snapshot::View {
        symbol: Symbol(symbol),
        candle: CandleLength::OneSecond,
        depth: 40,
        why: None,
    };
    Request::View(view)
}

#[test]
fn the_positions_pane_chooses_what_is_flattened() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("6jf<400>y"), command(Command::Flatten(Some(Symbol(1)))));
}

#[test]
fn flattening_everything_takes_the_word() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("F<400><Enter>y<Enter>"), []);
    assert_eq!(desk.types("<Backspace>FLAT"), []);
    assert_eq!(desk.types("<Enter>"), command(Command::Flatten(None)));
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("FFLAT<Enter><400><Enter>"), [], "typed ahead: nothing of it arrived");
}

#[test]
fn paste_and_focus_loss_cancel_guards() {
    for opener in ["A", "F", "f", "r", "q", "<^K>"] {
        let mut desk = Desk::new(if opener == "A" { calm() } else { busy() });
        desk.types(opener);
        assert_eq!(desk.layers().len(), 1, "{opener}");
        desk.cockpit.paste("FLAT");
        assert!(desk.layers().is_empty() && desk.hint().contains("past"), "{opener}");
        desk.types(opener);
        desk.cockpit.focus_lost();
        assert!(desk.layers().is_empty(), "{opener}");
    }
    let mut desk = Desk::new(busy());
    desk.types("?");
    desk.cockpit.focus_lost();
    desk.cockpit.paste("kill");
    assert_eq!(desk.layers(), ["help"]);
    assert!(desk.dialog().contains("search: kill"));
    desk.types("<Esc>/");
    desk.cockpit.paste("ETH\u{1b}");
    assert_eq!(desk.cockpit.ui.filter, "eth");
}

#[test]
fn the_key_that_brings_the_focus_back_means_nothing_but_kill() {
    let mut desk = Desk::new(busy());
    desk.cockpit.focus_gained(desk.now_ms);
    assert_eq!(desk.types("qzA"), []);
    assert!(desk.layers().is_empty());
    assert_eq!(desk.types("d"), command(Command::Disarm));
    assert_eq!(desk.types("<^K>"), command(Command::Kill));
}

fn set(key: LimitKey, units: i64) -> Vec<Request> {
    command(Command::SetLimit { key, value: units * UNIT })
}

#[test]
fn a_tighter_limit_applies_at_once() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("r<200>400<Enter>"), set(LimitKey::MaxOrderNotional, 400));
    assert_eq!(desk.layers(), ["limits"]);
    assert_eq!(desk.types("<Down>0<Enter>"), set(LimitKey::MaxPositionNotional, 0));
    let mut desk = Desk::new(calm());
    assert_eq!(
        desk.types("r<200>4.5<Enter>").first(),
        Some(&Request::Command(Command::SetLimit { key: LimitKey::MaxOrderNotional, value: 4_500_000_000 }))
    );
    assert_eq!(desk.types("-<Enter>"), [], "no sign, no number");
    assert_eq!(desk.types("<Esc>r<200>jjjj9.5<Enter>"), [], "orders are whole");
}

#[test]
fn a_limit_below_what_is_used_says_what_follows_first() {
    let mut picture = busy();
    used(&mut picture, LimitKey::MaxPositionNotional, 964.0, Some("ETHUSDT"));
    let mut desk = Desk::new(picture);
    assert_eq!(desk.types("r<200>j900<Enter>"), []);
    let text = desk.dialog();
    assert!(text.contains("REDUCING") && text.contains("ETHUSDT") && !text.contains("BTCUSDT"), "{text}");
    assert_eq!(desk.types("<500><Enter><33><Enter><33><Enter>"), [], "a held Enter is no answer");
    assert_eq!(desk.types("<1000><Enter>"), set(LimitKey::MaxPositionNotional, 900));

    let mut picture = busy();
    used(&mut picture, LimitKey::MaxDailyLoss, 60.0, None);
    let mut desk = Desk::new(picture);
    assert_eq!(desk.types("r<200>jjjjjjj60<Enter>"), []);
    assert!(desk.dialog().contains("TRIPS at once"), "{}", desk.dialog());
    assert_eq!(desk.types("1<Enter>"), [], "another number is another question");
    assert_eq!(desk.types("<Esc>r<200>jjjjjjj61<Enter>"), set(LimitKey::MaxDailyLoss, 61));
}

#[test]
fn a_looser_limit_needs_safe_and_is_typed_twice() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("r<200>900<Enter>"), []);
    assert!(desk.hint().contains("disarmed") && !desk.dialog().contains("LOOSER"), "{}", desk.hint());
    assert_eq!(desk.types("900<Enter>"), []);
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("r<200>900<Enter>"), []);
    assert!(desk.dialog().contains("500 USDT -> 900 USDT"), "{}", desk.dialog());
    assert_eq!(desk.types("<Enter>"), [], "an empty second number is none");
    assert_eq!(desk.types("900<Enter>90<Enter>"), [], "and one that differs is none");
    assert_eq!(desk.types("900<Enter>900.0<Enter>"), set(LimitKey::MaxOrderNotional, 900));
    let mut desk = Desk::new(calm());
    desk.types("r<200>900<Enter>900");
    desk.picture.state.word = StateWord::Armed;
    assert_eq!(desk.types("<Enter>"), [], "armed meanwhile");
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("r<200>jjjjjjjjjjjjj30<Enter>"), set(LimitKey::CooldownAfterLoss, 30), "longer is tighter");
}

#[test]
fn cancelling_asks_only_for_protection() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types("c"), [], "nothing is selected");
    assert!(desk.hint().contains("select an order"), "{}", desk.hint());
    assert_eq!(desk.types("7c"), command(Command::Cancel(OrderSeq(12))));
    assert_eq!(desk.types("jc"), []);
    assert_eq!(desk.layers(), ["cancel-protective"]);
    assert_eq!(desk.types("<400>y"), command(Command::Cancel(OrderSeq(11))));
    assert_eq!(desk.types("jc"), []);
    assert!(desk.hint().contains("has ended"));
}

#[test]
fn the_selected_order_stays_selected_when_the_list_moves() {
    let mut desk = Desk::new(busy());
    desk.types("7");
    desk.picture.orders.insert(0, order(13, "entry", false));
    assert_eq!(desk.types("c"), command(Command::Cancel(OrderSeq(12))));
}

#[test]
fn quitting_asks_when_there_is_risk_on() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("q"), [Request::Quit(QuitChoice::Leave)]);
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("<^C>"), []);
    assert_eq!(desk.layers(), ["quit"]);
    assert_eq!(desk.types("<400><Enter>"), [], "the default is to stay");
    assert!(desk.layers().is_empty());

    let mut desk = Desk::new(bybit(Account::Paper, busy()));
    desk.types("й");
    for word in ["ARMED", "BTCUSDT LONG", "nothing watches it", "close everything"] {
        assert!(desk.dialog().contains(word), "{word} in {}", desk.dialog());
    }
    assert_eq!(desk.types("<400><Enter>"), []);
    assert_eq!(desk.types("q<400><Down><Enter>"), [Request::Quit(QuitChoice::CloseAndQuit)]);
    assert_eq!(desk.types("q<400>jj<Enter>"), [Request::Quit(QuitChoice::Leave)]);

    let mut desk = Desk::new(bybit(Account::DemoAccount, busy()));
    desk.picture.positions[0].protected = Protected::Stop(Price::parse("63850").unwrap());
    desk.types("q");
    assert!(desk.dialog().contains("stop 63850 @venue"), "{}", desk.dialog());
    assert!(desk.dialog().contains("NOTHING protects it"), "{}", desk.dialog());

    let mut desk = Desk::new(calm());
    desk.types("<^C><400>j");
    desk.picture = busy();
    assert_eq!(desk.types("<Enter>"), [], "the choices mean something else now");
}

#[test]
fn suspending_needs_a_quiet_engine() {
    let mut desk = Desk::new(busy());
    desk.types("<^Z>");
    assert_eq!(desk.cockpit.take_wish(), None);
    assert!(desk.hint().contains("armed"), "{}", desk.hint());
    let mut desk = Desk::new(calm());
    desk.types("<^Z>");
    assert_eq!(desk.cockpit.take_wish(), Some(Wish::Suspend));
    desk.types("<^L>");
    assert_eq!(desk.cockpit.take_wish(), Some(Wish::Redraw));
}

#[test]
fn the_account_dialog_says_why_not() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("m<2000>"), []);
    assert!(desk.dialog().contains("a simulated market has the paper account and no other"), "{}", desk.dialog());
    let mut desk = Desk::new(bybit(Account::Paper, calm()));
    desk.types("ь");
    assert!(desk.dialog().contains("it is the account now"), "{}", desk.dialog());
    assert_eq!(desk.types("<400><Down><Down><Enter>"), [Request::Switch { account: Account::Testnet, typed: None }]);
    let mut desk = Desk::new(bybit(Account::Paper, calm()));
    desk.picture.state.stays = Some("1 position(s) are open".to_owned());
    assert_eq!(desk.types("m<400><Down><Enter>"), []);
    assert!(desk.hint().contains("1 position(s) are open"), "{}", desk.hint());
}

#[test]
fn release_and_adopt_are_palette_commands_that_ask() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types(":rele<Enter><400>y"), command(Command::Release(Symbol(0))));
    desk.picture.positions[0].released = true;
    assert_eq!(desk.types("f"), []);
    assert!(desk.hint().contains("adopt it first"), "{}", desk.hint());
    assert_eq!(desk.types(":adop<Enter><400>y"), command(Command::Adopt(Symbol(0))));
    assert_eq!(desk.types(":rele<Enter>"), []);
    assert_eq!(desk.layers(), ["palette"]);
    assert!(desk.hint().contains("already released"), "{}", desk.hint());
}

#[test]
fn what_is_outside_the_run_is_chosen_by_name_and_asks() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types(":outside<Enter>"), []);
    assert!(desk.hint().contains("nothing is outside the run"), "{}", desk.hint());
    desk.types("<Esc>");
    let row = |side, order| OutsideRow {
        what: Outsider { name: "XRPUSDT".into(), side, left: Qty::parse("4").unwrap(), worth: None, order },
        seen: false,
        busy: false,
    };
    let (held, order) = (row(Side::Buy, None), row(Side::Sell, Some(("o7".to_owned(), Reach::Opens))));
    desk.picture.outside = vec![held.clone(), order.clone()];
    desk.types(":outside<Enter>");
    let text = desk.dialog();
    assert!(
        text.contains("CLOSES XRPUSDT") && text.contains("of unknown worth") && text.contains("`symbols`"),
        "{text}"
    );
    assert_eq!(desk.types("y"), [], "nobody reads that fast");
    // The list moves under the finger: what was chosen is what is meant.
    desk.picture.outside = vec![order.clone(), held];
    assert_eq!(desk.types("<1500>y"), command(Command::Outside(Errand::Close("XRPUSDT".into()))));
    desk.picture.outside = vec![order];
    desk.types(":outside<Enter>");
    assert!(desk.dialog().contains("can OPEN"), "{}", desk.dialog());
    let cancel = Errand::Cancel { name: "XRPUSDT".into(), order: "o7".into() };
    assert_eq!(desk.types("<1500>y"), command(Command::Outside(cancel)));
}

#[test]
fn an_order_whose_id_another_one_has_is_settled_by_hand_with_its_evidence() {
    let mut desk = Desk::new(calm());
    desk.picture.orders = vec![order(5, "entry", false)];
    assert_eq!(desk.types("7:settle<Enter>"), []);
    assert!(desk.hint().contains("nobody else has its id"), "{}", desk.hint());
    desk.types("<Esc>");
    let reason = "order 9f at the exchange has its id: it is to sell, ours to buy".to_owned();
    desk.picture.orders[0] = OrderRow { contested: true, state: "unknown".into(), reason, ..order(5, "entry", false) };
    desk.types(":settle<Enter>");
    let text = desk.dialog();
    assert!(text.contains("order 9f at the exchange has its id") && text.contains("counts as over"), "{text}");
    assert_eq!(desk.types("<1500>y"), command(Command::Settle(OrderSeq(5))));
}

#[test]
fn what_is_the_persons_is_closed_and_cancelled_by_choice_and_both_ask() {
    let mut desk = Desk::new(busy());
    assert_eq!(desk.types(":close-rel<Enter>"), []);
    assert!(desk.hint().contains("flatten closes what is ours"), "{}", desk.hint());
    desk.types("<Esc>");
    desk.picture.positions[0].released = true;
    desk.types(":close-rel<Enter>");
    let text = desk.dialog();
    assert!(text.contains("at market, reduce-only") && text.contains("0.012"), "{text}");
    assert_eq!(desk.types("y"), [], "nobody reads that fast");
    assert_eq!(desk.types("<1500>y"), command(Command::CloseReleased(Symbol(0))));

    for (reach, words) in [(Reach::Opens, "can OPEN"), (Reach::Reduces, "only REDUCES"), (Reach::Protects, "PROTECTS")]
    {
        let mut desk = Desk::new(calm());
        desk.picture.orders = vec![OrderRow { foreign: Some(reach), ..order(5, reach.word(), false) }];
        assert_eq!(desk.types("7c"), [], "it asks");
        assert_eq!(desk.layers(), ["cancel-foreign"]);
        assert!(desk.dialog().contains(words), "{}", desk.dialog());
        assert_eq!(desk.types("<400>y"), command(Command::Cancel(OrderSeq(5))));
        assert_eq!(desk.types("q"), [Request::Quit(QuitChoice::Leave)], "it is no risk of ours");
    }
}

#[test]
fn a_frozen_view_acts_on_live_data() {
    let mut desk = Desk::new(busy());
    desk.types("p");
    assert!(desk.cockpit.ui.frozen);
    let mut live = killed();
    live.version = 2;
    live.markets[0].last = tickdeck::engine::snapshot::Freshness::Missing;
    desk.cockpit.observe(&live);
    desk.picture = live;
    let shown = desk.cockpit.shown(&desk.picture);
    assert!(shown.markets[0].last.value().is_some(), "markets stand still");
    assert_eq!(shown.state.word, StateWord::Killed, "the state never does");
    desk.types("A");
    assert!(desk.hint().contains("KILLED"), "{}", desk.hint());
    desk.types("p");
    assert!(!desk.cockpit.ui.frozen && desk.cockpit.shown(&desk.picture).markets[0].last.value().is_none());
}

#[test]
fn the_replay_keys() {
    use PlaybackRequest::{Seek, Speed, Step, TogglePause};
    let mut desk = Desk::new(replay(2.0));
    let playback = |request| vec![Request::Playback(request)];
    assert_eq!(desk.types("<Space>"), playback(TogglePause));
    assert_eq!(desk.types("."), [], "step needs a pause");
    assert_eq!(desk.types("+"), playback(Speed(4.0)));
    assert_eq!(desk.types("-"), playback(Speed(1.0)));
    assert_eq!(desk.types("g20<Enter>"), []);
    assert!(desk.hint().contains("forward only"));
    assert_eq!(desk.types("<Backspace><Backspace>62.5<Enter>"), playback(Seek(0.625)));
    assert_eq!(desk.types("g101<Enter>"), []);
    let mut desk = Desk::new(replay(0.0));
    assert_eq!(desk.types("."), playback(Step));
    assert_eq!(desk.types("+"), []);
    assert_eq!(desk.types("w"), [], "no weather on a tape");
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("<Space>.+-g"), []);
    assert_eq!(desk.types("w"), [Request::Weather("busy".to_owned())]);
    desk.picture.session.weather = Some("crash".to_owned());
    assert_eq!(desk.types("ц"), [Request::Weather("calm".to_owned())]);
}

#[test]
fn moving_about_asks_for_what_is_in_front() {
    let mut desk = Desk::new(calm());
    assert_eq!(desk.types("]"), [desk_view(1)]);
    assert_eq!(desk.types("[["), [desk_view(0), desk_view(2)]);
    assert_eq!(desk.types("<Down>"), [], "the last row stays the last");
    assert_eq!(desk.types("<Home>"), [desk_view(0)]);
    assert_eq!(desk.types("/sol<Enter>]"), [desk_view(2)], "only what the filter shows");
    assert_eq!(desk.types("<Esc>"), []);
    assert_eq!(desk.cockpit.ui.filter, "");
    let candle = desk.types("t");
    assert!(matches!(candle.as_slice(), [Request::View(v)] if v.candle == CandleLength::OneMinute));
    desk.types("<Tab>");
    assert_eq!(desk.cockpit.ui.focus, PaneId::Signals);
    desk.types("<BackTab><BackTab><BackTab>");
    assert_eq!(desk.cockpit.ui.focus, PaneId::Trades);
    desk.types("9<Down><Down>");
    assert_eq!(desk.cockpit.ui.events_back, 0, "there is only one event");
}

#[test]
fn old_events_stay_in_sight_while_new_ones_come() {
    let mut desk = Desk::new(calm());
    let add = |desk: &mut Desk, id: u64| {
        desk.picture.notices.push(notice(id, Level::Info, &format!("event {id}")));
        desk.cockpit.observe(&desk.picture);
    };
    (2..5).for_each(|id| add(&mut desk, id));
    assert_eq!(desk.cockpit.ui.events_back, 0, "the newest is followed");
    desk.types("9<Down>");
    add(&mut desk, 5);
    assert_eq!(desk.cockpit.ui.events_back, 2);
    desk.types("<Enter>");
    assert!(desk.dialog().contains("event 3"), "{}", desk.dialog());
    desk.types("<Esc>/event 5<Enter><Home><Enter>");
    assert!(desk.dialog().contains("event 5"), "{}", desk.dialog());
}

#[test]
fn keys_feed_the_dead_man_once_a_second() {
    let mut cockpit = Cockpit::new(Keymap::default());
    let picture = calm();
    cockpit.observe(&picture);
    let key = Key::plain(Code::Char('z'));
    let alive: usize =
        (0..25).map(|n| cockpit.handle(key, &picture, n * 100).iter().filter(|r| **r == Request::Alive).count()).sum();
    assert_eq!(alive, 3);
}

#[test]
fn before_the_first_picture_only_kill_and_quit_count() {
    let mut cockpit = Cockpit::new(Keymap::default());
    assert_eq!(cockpit.handle_blind(Key::plain(Code::Char('A')), 0), []);
    assert_eq!(cockpit.handle_blind(Key::ctrl('k'), 0), command(Command::Kill));
    assert_eq!(cockpit.handle_blind(Key::plain(Code::Char('q')), 0), [Request::Quit(QuitChoice::Leave)]);
}

#[test]
fn every_refused_command_says_why() {
    for command in COMMANDS {
        let mut desk = Desk::new(calm());
        let reason = (command.valid)(&desk.picture, &desk.cockpit.ui).reason().map(str::to_owned);
        let (Some(reason), Some(key)) = (reason, command.keys.first()) else { continue };
        let asked = desk.types(&format!("<{key}>"));
        assert_eq!(asked, [], "{}", command.name);
        assert!(desk.hint().contains(&reason), "{}: {}", command.name, desk.hint());
        desk.types("?");
        assert!(desk.dialog().contains(&reason), "the help greys {}", command.name);
    }
}

#[test]
fn the_key_list_in_the_docs_is_the_table() {
    const BEGIN: &str = "<!-- keys:begin -->\n";
    const END: &str = "<!-- keys:end -->";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for file in ["README.md", "docs/keys.md"] {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let Some((_, rest)) = text.split_once(BEGIN) else { continue };
        let (list, _) = rest.split_once(END).expect("keys:begin without keys:end");
        assert_eq!(list, key_table_markdown(), "{file}: paste this table between its markers");
        found += 1;
    }
    assert!(found > 0, "no file has the markers of the key list");
}

/// Requests that open, loosen or close on a broad scope.
fn needs_ceremony(request: &Request, picture: &Snapshot) -> bool {
    match request {
        Request::Quit(QuitChoice::CloseAndQuit)
        | Request::Command(
            Command::Arm { .. }
            | Command::Reset { .. }
            | Command::Flatten(_)
            | Command::KillClose
            | Command::Release(_)
            | Command::Adopt(_)
            | Command::Outside(_)
            | Command::Settle(_),
        ) => true,
        Request::Command(Command::SetLimit { key, value }) => {
            !key.is_tighter(picture.limits[*key as usize].value, *value)
        }
        _ => false,
    }
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["A", "f", "F", "R", "r", "q", "d", "a", "c", "m", "y", "n", "p", "z", "j", "k"]),
        6 => prop::sample::select(vec!["<Enter>", "<Esc>", "<Space>", "<Down>", "<Up>", "<Tab>", "<^K>", "<^C>"]),
        4 => prop::sample::select(vec!["FLAT", "RESET", "900", "9", "0", ".", "<Backspace>", "L", "x"]),
        2 => prop::sample::select(vec![":", "/", "?", "g", "w", "]", "7", "6", "Ф", "А", "К", "н", "<^Z>"]),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Keys that arrive as fast as a stuck key or a flood of type-ahead never complete a ceremony.
    #[test]
    fn no_flood_of_keys_completes_a_ceremony(keys in prop::collection::vec(any_key(), 1..60), risky in any::<bool>()) {
        let mut desk = Desk::new(if risky { killed() } else { calm() });
        for key in keys {
            let opened = desk.layers();
            let asked = desk.types(&key);
            for request in &asked {
                prop_assert!(!needs_ceremony(request, &desk.picture), "{key} in {opened:?}: {request:?}");
            }
        }
    }

    /// At a person's pace, a request that needs a ceremony comes only out of its own layer, by its own confirming key,
    /// and never by the key that opened the layer.
    #[test]
    fn ceremonies_are_the_only_way(
        keys in prop::collection::vec((any_key(), 0_i64..900), 1..80),
        scene in 0_usize..4,
    ) {
        let picture = [calm(), busy(), killed(), bybit(Account::Live, killed())][scene].clone();
        let live = picture.session.pair.account() == Account::Live;
        let mut desk = Desk::new(picture);
        let mut since_open: Vec<String> = Vec::new();
        for (key, wait) in keys {
            desk.now_ms += wait;
            let before = desk.layers();
            let asked = desk.types(&key);
            for request in asked.iter().filter(|r| needs_ceremony(r, &desk.picture)) {
                let typed = since_open.concat();
                let (layer, confirm) = match request {
                    Request::Command(Command::Arm { .. }) => ("arm", "<Enter>"),
                    Request::Command(Command::Reset { .. }) => ("reset", "<Enter>"),
                    Request::Command(Command::Flatten(None)) => ("flatten-all", "<Enter>"),
                    Request::Command(Command::Flatten(Some(_))) => ("flatten", "y"),
                    Request::Command(Command::KillClose) => ("killed", "<Enter>"),
                    Request::Command(Command::SetLimit { .. }) => ("limits", "<Enter>"),
                    Request::Command(Command::Release(_)) => ("release", "y"),
                    Request::Command(Command::Adopt(_)) => ("adopt", "y"),
                    Request::Command(Command::Outside(_)) => ("outside", "y"),
                    Request::Command(Command::Settle(_)) => ("settle-order", "y"),
                    Request::Command(Command::CloseReleased(_)) => ("close-released", "y"),
                    _ => ("quit", "<Enter>"),
                };
                prop_assert_eq!(before.last(), Some(&layer), "{:?}", request);
                prop_assert!(key == confirm || (confirm == "y" && key == "н"), "{} confirmed {:?}", key, request);
                if matches!(request, Request::Command(Command::SetLimit { .. })) {
                    prop_assert!(typed.matches("<Enter>").count() >= 1, "typed once only: {}", typed);
                }
                let lifts = matches!(request, Request::Command(Command::Arm { .. } | Command::Reset { .. }));
                prop_assert!(!(live && lifts), "{:?}", request);
            }
            if desk.layers() == before { since_open.push(key) } else { since_open.clear() }
        }
    }
}

#[test]
fn an_audit_commands_nothing_and_says_so() {
    let mut picture = replay(1.0);
    picture.session.playback.as_mut().unwrap().kind = "audit".to_owned();
    let mut desk = Desk::new(picture);
    for keys in ["<^K>", "d"] {
        let asked = desk.types(keys);
        assert!(!asked.iter().any(|request| matches!(request, Request::Command(_))), "{keys}: {asked:?}");
        assert!(desk.hint().contains("an audit plays what was recorded"), "{keys}: {}", desk.hint());
        assert!(desk.layers().is_empty(), "no layer waits for a kill that is not coming");
    }
}

#[test]
fn the_reset_names_the_exits_that_run_again() {
    let mut picture = killed();
    picture.state.max_hold = Span::from_secs(1);
    let mut desk = Desk::new(picture);
    desk.types("<Esc>R");
    assert_eq!(desk.layers(), ["reset"]);
    let text = desk.dialog();
    assert!(text.contains("exits resume at once") && text.contains("CLOSED AT ONCE"), "{text}");
}

/// What Enter closes and what stays is said in numbers, and Enter does nothing where everything open is the person's.
#[test]
fn the_kill_layer_tells_ours_from_yours() {
    let mut picture = busy();
    picture.positions[0].released = true;
    let (name, count) = (picture.positions[0].name.clone(), picture.positions.len());
    let mut desk = Desk::new(picture);
    desk.types("<^K><500>");
    let text = desk.dialog();
    assert!(text.contains(&format!("Enter close {} of {count}, 1 of yours kept", count - 1)), "{text}");
    let (closed, kept) = text.split_once("it is yours:").unwrap();
    assert!(!closed.contains(&format!("{name} ")) && kept.contains(&format!("{name} ")), "{text}");
    assert_eq!(desk.types("<1500><Enter>"), [Request::Command(Command::KillClose)]);

    let mut picture = busy();
    picture.positions.iter_mut().for_each(|row| row.released = true);
    let mut desk = Desk::new(picture);
    desk.types("<^K><500>");
    assert!(!desk.dialog().contains("Enter close"), "{}", desk.dialog());
    assert_eq!(desk.types("<1500><Enter>"), []);
    assert!(desk.hint().contains("what is open is yours"), "{}", desk.hint());
}

#[test]
fn pasted_text_is_no_command() {
    let mut desk = Desk::new(busy());
    desk.cockpit.paste("dAF");
    assert!(desk.hint().contains("no command"), "{}", desk.hint());
}
