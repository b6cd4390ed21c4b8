//! An order is as old as the clock says, also when the events of its run lag behind: what grew too old is not sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program
#![cfg(feature = "models")]

#[path = "common/armed.rs"]
mod armed;

use armed::{START, armed};
use tickdeck::engine::snapshot::StateWord;
use tickdeck::engine::time::Span;

#[test]
fn a_run_whose_events_lag_behind_the_clock_opens_nothing() {
    for (ahead, opens) in [(Span::from_ms(100), true), (Span::from_secs(2), false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut driver = armed(folder.path());
        assert_eq!(driver.engine().state_word(), StateWord::Armed);
        for second in 80..140 {
            for part in 1..=10 {
                let at = START + Span::from_ms(second * 1_000 + part * 100);
                driver.look_at_clock(at + ahead);
                driver.advance(at, usize::MAX >> 1);
            }
        }
        let told: Vec<String> = driver.take_notices().into_iter().map(|notice| notice.text).collect();
        assert_eq!(driver.engine().fills() > 0, opens, "the clock {ahead} ahead: {told:?}");
        assert_eq!(told.iter().any(|text| text.contains("intent_age")), !opens, "{told:?}");
    }
}
