//! How numbers look: thousands grouped, signs always written, unknown as `--`. For the eye only, never read back.

use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::risk::limits::LimitUnit;
use crate::engine::time::Span;
use crate::tui::glyphs::Glyphs;

/// What stands where a number is not known.
pub const UNKNOWN: &str = "--";

/// `64182.5` becomes `64,182.5`.
pub fn grouped(plain: &str) -> String {
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", plain),
    };
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A price with the instrument's decimals.
pub fn price(value: Price, decimals: u8) -> String {
    grouped(&format!("{value:.*}", usize::from(decimals)))
}

/// A quantity with the instrument's decimals.
pub fn qty(value: Qty, decimals: u8) -> String {
    grouped(&format!("{value:.*}", usize::from(decimals)))
}

/// An amount with cents: `10,412.37`.
pub fn money(value: Money) -> String {
    grouped(&format!("{value:.2}"))
}

/// An amount with its sign: `+82.11`, `-9.40`, `0.00`.
pub fn signed_money(value: Money) -> String {
    signed_text(&money(value))
}

/// Adds the plus that a positive number needs.
fn signed_text(text: &str) -> String {
    let zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0');
    if zero || text.starts_with('-') { text.to_owned() } else { format!("+{text}") }
}

/// A float with its sign and this many decimals; `--` when it is not a number.
pub fn signed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = format!("{value:.decimals$}");
    let zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0');
    if zero { text.trim_start_matches('-').to_owned() } else { signed_text(&grouped(&text)) }
}

/// A float with this many decimals; `--` when it is not a number.
pub fn plain(value: f64, decimals: usize) -> String {
    if value.is_finite() { grouped(&format!("{value:.decimals$}")) } else { UNKNOWN.to_owned() }
}

/// An optional figure, or `--`.
pub fn or_unknown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// A size without needless digits: `950`, `1.9k`, `2.5M`.
pub fn compact(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        m if !m.is_finite() => UNKNOWN.to_owned(),
        m if m < 10.0 && m.fract() != 0.0 => format!("{value:.2}"),
        m if m < 999.5 => format!("{value:.0}"),
        m if m < 999_500.0 => format!("{}k", trimmed(value / 1e3)),
        m if m < 999_500_000.0 => format!("{}M", trimmed(value / 1e6)),
        _ => format!("{}G", trimmed(value / 1e9)),
    }
}

fn trimmed(value: f64) -> String {
    if value.abs() >= 100.0 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// A limit's number with a short unit: `1.9k`, `0.35x`, `3%`.
pub fn limit(value: f64, unit: LimitUnit) -> String {
    let suffix = match unit {
        LimitUnit::Quote | LimitUnit::Count => "",
        LimitUnit::Percent => "%",
        LimitUnit::Times => "x",
        LimitUnit::BasisPoints => "bp",
        LimitUnit::Milliseconds => "ms",
        LimitUnit::Seconds => "s",
    };
    format!("{}{suffix}", amount(value, unit))
}

/// The number of a limit without its unit: money in thousands, the rest as it is.
pub fn amount(value: f64, unit: LimitUnit) -> String {
    match unit {
        LimitUnit::Quote => compact(value),
        _ if value.fract() == 0.0 => plain(value, 0),
        _ => plain(value, 2),
    }
}

/// Up, flat and down in percent: `59/27/14`.
pub fn probabilities((up, flat, down): (f32, f32, f32)) -> String {
    let percent = |p: f32| -> String {
        if p.is_finite() { format!("{:2.0}", (p * 100.0).clamp(0.0, 99.0)) } else { UNKNOWN.to_owned() }
    };
    format!("{}/{}/{}", percent(up), percent(flat), percent(down))
}

/// An age, or `--`.
pub fn age(value: Option<Span>) -> String {
    or_unknown(value, |span| span.to_string())
}

/// `LONG` or `SHORT`: the side of a position.
pub const fn long_short(side: Side) -> &'static str {
    match side {
        Side::Buy => "LONG",
        Side::Sell => "SHORT",
    }
}

/// The arrow of a side.
pub const fn side_arrow(side: Side, glyphs: &Glyphs) -> char {
    match side {
        Side::Buy => glyphs.up,
        Side::Sell => glyphs.down,
    }
}

/// The arrow of a signed number.
pub fn sign_arrow(value: f64, glyphs: &Glyphs) -> char {
    match value {
        v if v > 0.0 => glyphs.up,
        v if v < 0.0 => glyphs.down,
        _ => glyphs.level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_and_signed() {
        assert_eq!(price(Price::parse("64182.5").unwrap(), 1), "64,182.5");
        assert_eq!(price(Price::parse("0.1234").unwrap(), 4), "0.1234");
        assert_eq!(price(Price::parse("1000").unwrap(), 2), "1,000.00");
        assert_eq!(signed_money(Money::parse("82.11").unwrap()), "+82.11");
        assert_eq!(signed_money(Money::parse("-1234.5").unwrap()), "-1,234.50");
        assert_eq!(signed_money(Money::parse("0.001").unwrap()), "0.00");
        assert_eq!([signed(3.12, 1), signed(-0.04, 1), signed(f64::NAN, 1)], ["+3.1", "0.0", "--"]);
        assert_eq!([compact(950.0), compact(1_940.0), compact(2_000.0), compact(0.35)], ["950", "1.9k", "2k", "0.35"]);
        assert_eq!(compact(999_600.0), "1M");
    }

    #[test]
    fn probabilities_stay_eight_wide() {
        assert_eq!(probabilities((0.59, 0.27, 0.14)), "59/27/14");
        assert_eq!(probabilities((1.0, 0.0, 0.0)), "99/ 0/ 0");
        assert_eq!(probabilities((f32::NAN, 0.0, 0.0)), "--/ 0/ 0");
    }
}
