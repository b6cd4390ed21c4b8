//! The danger strip: what can hurt from outside, worst first, on one line. What does not fit is counted, never cut.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures;
use super::pen::{Pen, columns};
use crate::engine::danger::{Danger, DangerLevel, DangerRow};
use crate::engine::num::{Money, Rate, Side};
use crate::engine::snapshot::Snapshot;
use crate::tui::panes::Scene;
use crate::tui::theme::Theme;

/// Columns kept for the count of what does not fit.
const COUNT: u16 = 6;
/// Beyond this a distance is far, whatever its digits: a price may double.
const FAR: Rate = Rate::from_raw(1_000_000_000);

/// Draws the strip into one row.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (rows, theme) = (&scene.snapshot.danger, scene.theme);
    let mut pen = Pen::new(buffer, area);
    let worst = rows.first().map_or(DangerLevel::Ok, |row| row.level);
    let head = match worst {
        DangerLevel::Ok => "no danger",
        DangerLevel::Unknown => "danger ?",
        DangerLevel::Warn | DangerLevel::Alarm => "DANGER",
    };
    let mut x = pen.put(1, 0, head, style(worst, theme));
    let mut whose = None;
    for (index, row) in rows.iter().enumerate() {
        let name = (whose != Some(row.symbol)).then_some(row.name.as_str()).filter(|name| !name.is_empty());
        let text = [name, Some(item(row).as_str())].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let text = match row.level {
            DangerLevel::Alarm => format!("!! {text}"),
            DangerLevel::Warn => format!("! {text}"),
            _ => text,
        };
        let last = index + 1 == rows.len();
        let room = area.width.saturating_sub(if last { 0 } else { COUNT });
        if x + 2 + columns(&text) > room {
            let left = rows.iter().skip(index).filter(|row| row.level > DangerLevel::Ok).count();
            if left > 0 {
                let mark = if row.level == DangerLevel::Alarm { "!!" } else { "" };
                pen.put(x + 1, 0, &format!("+{left}{mark}"), style(row.level, theme));
            }
            break;
        }
        x = pen.put(x + 2, 0, &text, style(row.level, theme));
        whose = Some(row.symbol);
    }
}

/// The worst danger as a line of its own, where it needs a look.
pub fn worst_line(scene: &Scene<'_>) -> Option<(String, Style)> {
    let row = scene.snapshot.danger.first().filter(|row| row.level >= DangerLevel::Warn)?;
    let text = format!("DANGER {} {}", row.name, item(row));
    Some((text, style(row.level, scene.theme)))
}

const fn style(level: DangerLevel, theme: &Theme) -> Style {
    match level {
        DangerLevel::Ok | DangerLevel::Unknown => theme.dim,
        DangerLevel::Warn => theme.warn,
        DangerLevel::Alarm => theme.alarm,
    }
}

/// A few words for the strip.
fn item(row: &DangerRow) -> String {
    match &row.danger {
        Danger::Liquidation { distance, estimate, .. } => {
            let mark = if *estimate { "liq est" } else { "liq" };
            match (distance, row.level) {
                (Some(distance), _) if *distance > FAR => format!("{mark} >100%"),
                (Some(distance), _) => format!("{mark} {}%", percent(*distance, 1)),
                (None, DangerLevel::Ok) => format!("{mark} none"),
                (None, _) => "liq ?".to_owned(),
            }
        }
        Danger::Deleveraging { rank } => rank.map_or("ADL ?".to_owned(), |rank| format!("ADL {rank}/5")),
        Danger::Pool { empty: true, .. } => "ADL pool empty".to_owned(),
        Danger::Pool { result, .. } => format!("ADL pool {}%", signed_percent(*result, 0)),
        Danger::Funding { rate, left, cost } => {
            let left = left.map_or("?".to_owned(), |left| left.to_string());
            match (cost, rate) {
                (Some(cost), _) => format!("funding {} in {left}", paid(*cost)),
                (None, Some(rate)) => format!("funding {}% in {left}", signed_percent(*rate, 4)),
                (None, None) => "funding ?".to_owned(),
            }
        }
        Danger::Band { above, below, exit } => {
            let shown = |room: &Option<Rate>| room.map_or("?".to_owned(), |room| format!("{}%", percent(room, 1)));
            match exit {
                Some(Side::Buy) => format!("exit band {}", shown(above)),
                Some(Side::Sell) => format!("exit band {}", shown(below)),
                None => format!("band +{}/-{}", shown(above), shown(below)),
            }
        }
        Danger::Delisting { left } if left.0 <= 0 => "contract ended".to_owned(),
        Danger::Delisting { left } => format!("delisted in {left}"),
        Danger::Halted => "not trading".to_owned(),
        Danger::Unlisted => "rules ?".to_owned(),
        Danger::Hold { code, .. } => code.clone(),
        Danger::NoStop { yours: true } => "NO STOP (yours)".to_owned(),
        Danger::NoStop { yours: false } => "NO STOP".to_owned(),
        Danger::Unresolved { what } => what.clone(),
        Danger::LeftOpen { open } => format!("{open} left open"),
        Danger::Outside { open } => format!("{open} outside ?"),
        Danger::Clock { offset } => match offset {
            Some(offset) => format!("clock {}ms", figures::signed(offset.as_ms() as f64, 0)),
            None => "clock ?".to_owned(),
        },
    }
}

/// The whole of it, for a dialog.
pub fn sentence(row: &DangerRow, snapshot: &Snapshot) -> String {
    match &row.danger {
        Danger::Liquidation { price, distance, estimate } => {
            let whose = if *estimate { "our own estimate" } else { "the venue's figure" };
            match (price, distance) {
                (Some(price), distance) => {
                    let decimals =
                        snapshot.markets.iter().find(|m| Some(m.symbol) == row.symbol).map(|m| m.price_decimals);
                    let price = decimals.map_or(price.to_string(), |decimals| figures::price(*price, decimals));
                    let away = figures::or_unknown(*distance, |distance| percent(distance, 2));
                    format!("liquidation at {price}, {away}% from mark ({whose})")
                }
                (None, _) if row.level == DangerLevel::Ok => format!("no liquidation price ({whose})"),
                (None, _) => "liquidation price not known".to_owned(),
            }
        }
        Danger::Deleveraging { rank: Some(rank) } => format!("deleveraging: place {rank} of 5; 5 is reduced next"),
        Danger::Deleveraging { rank: None } => "deleveraging: place not known".to_owned(),
        Danger::Pool { empty: true, .. } => {
            "the insurance pool is empty: positions are reduced by force, the most profitable ones first".to_owned()
        }
        Danger::Pool { result, starts, .. } => format!(
            "the insurance pool made {}% in eight hours; at {}% positions are reduced by force, the most profitable \
             ones first",
            signed_percent(*result, 0),
            signed_percent(*starts, 0)
        ),
        Danger::Funding { rate, left, cost } => {
            let rate = figures::or_unknown(*rate, |rate| signed_percent(rate, 4));
            let left = figures::or_unknown(*left, |left| left.to_string());
            let cost = cost.map_or(String::new(), |cost| format!(": {} USDT", paid(cost)));
            format!("funding {rate}% in {left}{cost}; longs pay a positive rate")
        }
        Danger::Band { above, below, .. } => {
            let room = |room: &Option<Rate>| figures::or_unknown(*room, |room| percent(room, 2));
            format!(
                "the venue takes buys up to {}% above and sells down to {}% below the middle",
                room(above),
                room(below)
            )
        }
        Danger::Delisting { left } if left.0 <= 0 => "the contract has ended".to_owned(),
        Danger::Delisting { left } => format!("the venue ends the contract in {left}: positions are settled by it"),
        Danger::Halted => "it does not trade now: positions cannot be closed".to_owned(),
        Danger::Unlisted => "its rules are not known, or the venue does not list it".to_owned(),
        Danger::Hold { code, detail } => format!("{code}: {detail}"),
        Danger::NoStop { yours } => {
            let whose = if *yours { ": it is yours, nothing here looks after it" } else { "" };
            format!("no stop at the venue closes it if this program or this machine is gone{whose}")
        }
        Danger::Unresolved { what } => format!("{what}: not ours, or not booked yet; look at the exchange"),
        Danger::LeftOpen { open } => format!("{open} position(s) left open under a latch: stops run, no other exit"),
        Danger::Outside { open } => {
            format!("{open} position(s) of others outside the run: what threatens them is not known")
        }
        Danger::Clock { offset } => match offset {
            Some(offset) => {
                let ms = figures::signed(offset.as_ms() as f64, 0);
                format!("the venue's clock is {ms} ms from ours; at 1000 ms it refuses orders")
            }
            None => "the venue's clock has not been measured".to_owned(),
        },
    }
}

/// What a settlement does to us: `pays 0.31`, `gets 0.31`.
fn paid(cost: Money) -> String {
    let word = if cost.is_negative() { "gets" } else { "pays" };
    format!("{word} {}", figures::money(cost.abs()))
}

fn percent(rate: Rate, decimals: usize) -> String {
    figures::plain(rate.raw() as f64 / 1e7, decimals)
}

fn signed_percent(rate: Rate, decimals: usize) -> String {
    figures::signed(rate.raw() as f64 / 1e7, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Symbol;
    use crate::engine::time::Span;

    fn words(level: DangerLevel, danger: Danger) -> String {
        item(&DangerRow { symbol: Some(Symbol(0)), name: "BTCUSDT".into(), level, danger })
    }

    #[test]
    fn unknown_is_written_as_unknown() {
        let unknown = DangerLevel::Unknown;
        let liquidation = Danger::Liquidation { price: None, distance: None, estimate: true };
        assert_eq!(words(unknown, liquidation.clone()), "liq ?");
        assert_eq!(words(DangerLevel::Ok, liquidation), "liq est none");
        let far = Danger::Liquidation { price: None, distance: Some(Rate::parse("40.2").unwrap()), estimate: true };
        assert_eq!(words(DangerLevel::Ok, far), "liq est >100%");
        assert_eq!(words(unknown, Danger::Deleveraging { rank: None }), "ADL ?");
        assert_eq!(words(unknown, Danger::Funding { rate: None, left: None, cost: None }), "funding ?");
        let band = Danger::Band { above: None, below: None, exit: Some(Side::Sell) };
        assert_eq!(words(unknown, band), "exit band ?");
        assert_eq!(words(unknown, Danger::Clock { offset: None }), "clock ?");
        assert_eq!(words(unknown, Danger::Unlisted), "rules ?");
    }

    #[test]
    fn signs_say_who_pays() {
        let rate = Some(Rate::parse("0.0001").unwrap());
        let funding = |cost: &str, left| Danger::Funding { rate, left, cost: Some(Money::parse(cost).unwrap()) };
        let soon = Some(Span::from_secs(125));
        assert_eq!(words(DangerLevel::Ok, funding("0.31", soon)), "funding pays 0.31 in 2m05");
        assert_eq!(words(DangerLevel::Ok, funding("-0.31", soon)), "funding gets 0.31 in 2m05");
        assert_eq!(words(DangerLevel::Unknown, funding("0.31", None)), "funding pays 0.31 in ?");
        let front = Danger::Funding { rate, left: soon, cost: None };
        assert_eq!(words(DangerLevel::Ok, front), "funding +0.0100% in 2m05");
        assert_eq!(words(DangerLevel::Warn, Danger::Clock { offset: Some(Span::from_ms(-312)) }), "clock -312ms");
    }
}
