//! Time as data: [`Ts`] and [`Span`] in nanoseconds. There is no `now()` here; time reaches the engine as an argument.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment: nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Ts(pub i64);

/// A length of time in nanoseconds, signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Span(pub i64);

impl Span {
    /// From milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }
    /// From seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }
    /// Whole milliseconds, rounded down.
    pub const fn as_ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// Seconds as a float, for features and drawing.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Ts {
    /// From milliseconds since 1970.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }
    /// Milliseconds since 1970, rounded down.
    pub const fn as_ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// The last multiple of `step` at or before this moment.
    pub const fn floor_to(self, step: Span) -> Self {
        if step.0 <= 0 { self } else { Self(self.0.saturating_sub(self.0.rem_euclid(step.0))) }
    }
    /// Time since `earlier`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
    /// `(year, month, day, hour, minute, second, millisecond)` in UTC.
    pub const fn civil(self) -> (i64, u32, u32, u32, u32, u32, u32) {
        let ms = self.as_ms();
        let days = ms.div_euclid(86_400_000);
        let in_day = ms.rem_euclid(86_400_000);
        // Days to civil date, proleptic Gregorian (H. Hinnant's published algorithm).
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
        let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (
            year,
            month as u32,
            day as u32,
            (in_day / 3_600_000) as u32,
            (in_day / 60_000 % 60) as u32,
            (in_day / 1_000 % 60) as u32,
            (in_day % 1_000) as u32,
        )
    }
    /// `14:32:07` in UTC.
    pub fn clock(self) -> String {
        let (_, _, _, h, m, s, _) = self.civil();
        format!("{h:02}:{m:02}:{s:02}")
    }
    /// `14:32:07.412` in UTC.
    pub fn clock_ms(self) -> String {
        let (_, _, _, h, m, s, ms) = self.civil();
        format!("{h:02}:{m:02}:{s:02}.{ms:03}")
    }
}

impl Add<Span> for Ts {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}
impl Sub<Span> for Ts {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}
impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// `2026-11-22T14:32:07.412Z`.
impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, mo, d, h, m, s, ms) = self.civil();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
    }
}

/// `950ms`, `4.2s`, `12m04`, `3h07`, `2d`: at most five characters, for ages on the screen.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_ms().max(0);
        match ms {
            0..=999 => write!(f, "{ms}ms"),
            1_000..=9_999 => write!(f, "{}.{}s", ms / 1_000, ms % 1_000 / 100),
            10_000..=59_999 => write!(f, "{}s", ms / 1_000),
            60_000..=3_599_999 => write!(f, "{}m{:02}", ms / 60_000, ms / 1_000 % 60),
            3_600_000..=86_399_999 => write!(f, "{}h{:02}", ms / 3_600_000, ms / 60_000 % 60),
            _ => write!(f, "{}d", ms / 86_400_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates() {
        assert_eq!(Ts(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Ts::from_ms(1_723_161_255_518).to_string(), "2024-08-08T23:54:15.518Z");
        assert_eq!(Ts::from_ms(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Ts::from_ms(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn ages_are_short() {
        let texts: Vec<String> = [0, 950, 4_250, 42_000, 724_000, 11_220_000, 200_000_000]
            .iter()
            .map(|ms| Span::from_ms(*ms).to_string())
            .collect();
        assert_eq!(texts, ["0ms", "950ms", "4.2s", "42s", "12m04", "3h07", "2d"]);
    }
}
