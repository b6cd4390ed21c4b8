//! Tests of the paper venue: stories told step by step, and random lives of an account checked by a second bookkeeper.

mod hostile;
mod lives;
mod oracle;
mod place;
mod protection;
mod ratio;
mod recorded;
mod stories;
mod story;

use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price, Qty};
use crate::engine::time::Ts;

const BTC: Symbol = Symbol(0);

fn p(text: &str) -> Price {
    Price::parse(text).unwrap()
}
fn q(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}
fn m(text: &str) -> Money {
    Money::parse(text).unwrap()
}
fn ms(ms: i64) -> Ts {
    Ts::from_ms(ms)
}
