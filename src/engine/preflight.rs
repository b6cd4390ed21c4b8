//! The checklist before arming: one light per thing that must be right before real orders leave. A `fail` refuses arming and
//! names itself, a `warn` is acknowledged by the person, a `skip` says why there is nothing to look at.
//!
//! What only an edge can know - the key's permissions, the disk, the watchdog - arrives as [`Event::Checked`] and stays
//! until it is said anew.
//!
//! [`Event::Checked`]: super::event::Event::Checked

use super::Engine;
use super::danger::{CLOCK_ALARM_MS, CLOCK_WARN_MS};
use super::effect::Effects;
use super::ids::Symbol;
use super::notice::{Kind, Level};
use super::num::{Money, Rate, UNIT};
use super::outside::UNSEEN;
use super::risk::limits::{LimitKey, RiskLimits, show};
use super::risk::state::ReduceCause;
use super::risk::verdict::DenialCode;
use super::snapshot::{Check, Health};

/// The key's permissions, by the account's task.
pub const KEY: &str = "key";
/// The leverage that the venue has set, by the account's task.
pub const LEVERAGE: &str = "leverage";
/// Free space, by the run.
pub const DISK: &str = "disk";
/// The process that covers the death of this one.
pub const WATCHDOG: &str = "watchdog";
/// Whether our books and the venue's agree.
pub const RECONCILED: &str = "reconciled";
/// Channels that reach a person who does not look.
pub const ALERTS: &str = "alerts";

/// What others have in instruments outside the run; shown where there is something.
pub const OUTSIDE: &str = "outside the run";

/// How a light ends whose channels have not answered yet.
pub const BEING_TRIED: &str = "being tried";

/// Lights that edges light, in the order shown, with what is said while one is dark.
const EDGES: [(&str, &str); 5] = [
    (KEY, "no key: nothing leaves this machine"),
    (LEVERAGE, "none is set for an account of our own"),
    (WATCHDOG, "none runs: when this process dies, only stops at the venue are left"),
    (DISK, "not looked at"),
    (ALERTS, "no channel is configured"),
];

/// The highest leverage of an instrument at the venue that is no finding: one more than `max_leverage`, rounded up, because
/// margin for the whole of it leaves no room for fees and orders.
pub fn leverage_with_room(limits: &RiskLimits) -> u32 {
    let max = limits.get(LimitKey::MaxLeverage);
    let whole = max / UNIT + i64::from(max % UNIT > 0);
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX).saturating_add(1)
}

/// Is this leverage at the venue a finding, where so much is the highest that is none? It asks for so little margin that
/// only our own limits bound a position.
pub fn leverage_exceeds(leverage: Rate, most: u32) -> bool {
    i128::from(leverage.raw()) > i128::from(most) * i128::from(UNIT)
}

/// May arming happen with nobody there to look? Not while a channel may still turn out to be broken, nor beside what nobody has
/// looked at.
pub fn passes_unseen(checks: &[Check]) -> bool {
    let being_tried = |check: &Check| check.name == ALERTS && check.detail.ends_with(BEING_TRIED);
    let unseen = |check: &Check| check.name == OUTSIDE && check.detail.ends_with(UNSEEN);
    checks.iter().all(|check| check.health != Health::Fail && !being_tried(check) && !unseen(check))
}

impl Engine {
    /// The lights, in the order shown; a `fail` refuses arming.
    pub(super) fn preflight(&self) -> Vec<Check> {
        let mut checks = vec![
            match &self.control.latch {
                Some(latch) => light("latch", false, latch.cause.to_string()),
                None => light("latch", true, "none"),
            },
            self.clock_light(),
            self.feed_light(),
            self.books_light(),
            self.stream_light(),
            self.reconciled_light(),
            self.mode_light(),
        ];
        checks.extend(self.limits_lights());
        checks.push(match self.control.close {
            None => light("close loop", true, "none"),
            Some(_) => light("close loop", false, "still closing"),
        });
        checks.push(match self.equity_now() {
            Some(equity) => light("equity", equity > Money::ZERO, format!("{equity:.2}")),
            None => light("equity", false, "unknown: a position cannot be valued"),
        });
        checks.push(self.models_light());
        checks.push(self.protection_light());
        checks.extend(EDGES.iter().map(|(name, dark)| self.edge_light(name, dark)));
        checks.extend(self.outside_light());
        checks.extend(self.control.unrecorded.as_ref().map(|why| {
            let next = "nothing that happens now is recorded; make room where it fails, then start tickdeck anew";
            light("tape", false, format!("{why}: {next}"))
        }));
        checks.extend(self.control.reducing.iter().filter_map(|cause| self.reducing_light(cause)));
        checks
    }

    /// An edge says how one of its lights stands. A light that turns red is told.
    pub(super) fn on_checked(&mut self, check: &Check, out: &mut Effects) {
        let red = |check: &Check| check.health == Health::Fail;
        let was = self.edges.insert(check.name.clone(), check.clone());
        if red(check) && !was.as_ref().is_some_and(red) {
            self.tell(Level::Warn, Kind::State, None, format!("{}: {}", check.name, check.detail), out);
        }
    }

    fn edge_light(&self, name: &str, dark: &str) -> Check {
        let silent = self.control.reducing.iter().find(|cause| name == WATCHDOG && is_watchdog(cause));
        if let Some(cause) = silent {
            return light(name, false, cause.to_string());
        }
        match self.edges.get(name) {
            Some(said) => said.clone(),
            None if self.at_venue && matches!(name, KEY | LEVERAGE) => warn(name, false, "not read yet"),
            None if self.at_venue && name == WATCHDOG => warn(name, false, dark),
            None if !self.at_venue && name == WATCHDOG => {
                skip(name, "the account is our own: no order of it outlives this process")
            }
            None => skip(name, dark),
        }
    }

    fn clock_light(&self) -> Check {
        let Some(offset) = self.clock_offset else {
            let (health, detail) = if self.at_venue {
                (Health::Warn, "the venue's clock has not been measured yet")
            } else {
                (Health::Skip, "no venue's clock to agree with")
            };
            return Check { name: "clock".into(), health, detail: detail.into() };
        };
        let health = match offset.as_ms().abs() {
            ms if ms >= CLOCK_ALARM_MS => Health::Fail,
            ms if ms >= CLOCK_WARN_MS => Health::Warn,
            _ => Health::Ok,
        };
        Check { name: "clock".into(), health, detail: format!("{offset} from the venue's") }
    }

    fn feed_light(&self) -> Check {
        let age = self.feed_age();
        let fresh = age.is_some_and(|age| age <= self.limits.span(LimitKey::MaxDataAgeMs));
        light("market feed", fresh, age.map_or_else(|| "no market data".to_owned(), |age| format!("{age} old")))
    }

    /// A market without a book may be armed: every entry is then denied by name.
    fn books_light(&self) -> Check {
        let books = self.desks.iter().filter(|desk| desk.book.best().is_some()).count();
        warn("books", books == self.desks.len(), format!("{books} of {} valid", self.desks.len()))
    }

    fn stream_light(&self) -> Check {
        if !self.at_venue {
            return skip("private stream", "the account is our own");
        }
        match self.control.unreachable_since {
            Some(since) => {
                light("private stream", false, format!("the account is out of reach since {}", since.clock()))
            }
            None => light("private stream", true, "up"),
        }
    }

    fn reconciled_light(&self) -> Check {
        let differs = |cause: &&ReduceCause| {
            matches!(cause, ReduceCause::Mismatch(_) | ReduceCause::ExternalEquity | ReduceCause::Residual(_))
        };
        let difference = self.control.reducing.iter().find(differs);
        match difference {
            _ if !self.control.reconciled => light(RECONCILED, false, "waiting for the venue's statement"),
            Some(cause) => light(RECONCILED, false, cause.to_string()),
            None => light(RECONCILED, true, "books agree"),
        }
    }

    /// Is this instrument in hedge mode?
    pub(super) fn is_hedged(&self, symbol: Symbol) -> bool {
        let about = |cause: &ReduceCause| matches!(cause, ReduceCause::Venue { symbol: of, .. } if of.is_none_or(|of| of == symbol));
        self.control.reducing.iter().any(|cause| is_hedged(cause) && about(cause))
    }

    fn mode_light(&self) -> Check {
        let hedged = self.control.reducing.iter().find(|cause| is_hedged(cause));
        match hedged {
            Some(cause) => light("position mode", false, cause.to_string()),
            None if self.at_venue => light("position mode", true, "one-way"),
            None => skip("position mode", "the account is our own"),
        }
    }

    fn limits_lights(&self) -> Vec<Check> {
        let zero = [LimitKey::MaxOrderNotional, LimitKey::MaxPositionNotional, LimitKey::MaxOpenOrders]
            .into_iter()
            .find(|key| self.limits.get(*key) == 0);
        let value = |key: LimitKey| format!("{} {}{}", key.name(), show(self.limits.get(key)), key.unit().suffix());
        let mut lights = vec![match zero {
            Some(key) => warn("limits", false, format!("{} is 0: nothing can open", key.name())),
            None => warn(
                "limits",
                true,
                format!("{}, {}", value(LimitKey::MaxPositionNotional), value(LimitKey::MaxDailyLoss)),
            ),
        }];
        lights.extend(self.arming_refused().map(|why| light("loss limits", false, why)));
        lights
    }

    /// What is left of a position when this process is gone.
    fn protection_light(&self) -> Check {
        let protect = &self.settings.protect;
        let without = self.unprotected();
        match (protect.stop == Rate::ZERO, protect.required) {
            _ if without > 0 => warn("protection", false, format!("{without} position(s) have no stop at the venue")),
            (true, true) => warn("protection", false, "required, and protect.stop_bps is 0: every entry is denied"),
            (true, false) => warn("protection", false, "none: an open position has nothing when this process is gone"),
            (false, false) => warn("protection", false, "not required: an entry may go without its stop"),
            (false, true) => warn("protection", true, "every entry carries its stop"),
        }
    }

    /// A model that is installed is sound; its features need their time to warm up.
    fn models_light(&self) -> Check {
        match (self.models.len(), self.warming_words()) {
            (0, _) => warn("models", false, "none: nothing will be entered"),
            (n, Some(text)) => warn("models", false, format!("no signal {text}; {n} loaded")),
            (n, None) => warn("models", true, format!("{n} loaded, warm")),
        }
    }

    /// A reason that covers everything refuses arming; one instrument's leaves the others tradable.
    fn reducing_light(&self, cause: &ReduceCause) -> Option<Check> {
        let everything = matches!(cause, ReduceCause::Venue { symbol: None, .. }) || self.desks.len() == 1;
        match cause {
            cause if is_hedged(cause) || is_watchdog(cause) => None,
            ReduceCause::Venue { .. } if everything => Some(light("venue", false, cause.to_string())),
            cause => Some(warn("reducing", false, cause.to_string())),
        }
    }
}

const fn is_hedged(cause: &ReduceCause) -> bool {
    matches!(cause, ReduceCause::Venue { code: DenialCode::PositionModeHedge, .. })
}

const fn is_watchdog(cause: &ReduceCause) -> bool {
    matches!(cause, ReduceCause::Venue { code: DenialCode::WatchdogSilent, .. })
}

fn light(name: &str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name: name.into(), health: if ok { Health::Ok } else { Health::Fail }, detail: detail.into() }
}

fn warn(name: &str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name: name.into(), health: if ok { Health::Ok } else { Health::Warn }, detail: detail.into() }
}

fn skip(name: &str, detail: &str) -> Check {
    Check { name: name.into(), health: Health::Skip, detail: detail.into() }
}

/// The rows in one line, for the record of what was looked at: `latch ok: none; clock warn: 300ms; ...`.
pub(super) fn in_words(checks: &[Check]) -> String {
    let word = |health: Health| match health {
        Health::Ok => "ok",
        Health::Warn => "warn",
        Health::Fail => "fail",
        Health::Skip => "skip",
    };
    let rows: Vec<String> =
        checks.iter().map(|check| format!("{} {}: {}", check.name, word(check.health), check.detail)).collect();
    rows.join("; ")
}
