//! How the alerts stand, for the checklist before arming: a `fail` while any configured channel is broken, `ok` once each has
//! been proven.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::preflight::{ALERTS, BEING_TRIED};
use crate::engine::snapshot::{Check, Health};

/// Failures in a row after which a channel counts as broken: one may be a hiccup of the network.
const BROKEN_AFTER: u32 = 2;

/// Characters of a reason that fit a row.
const TOLD_MAX: usize = 100;

/// Set by the alerts' thread, looked at by runs.
#[derive(Clone, Default)]
pub struct Light(Arc<Shared>);

#[derive(Default)]
struct Shared {
    version: AtomicU64,
    channels: Mutex<BTreeMap<String, State>>,
}

#[derive(Clone, PartialEq, Eq)]
enum State {
    Untried,
    Sound,
    Failing(u32, String),
    /// It reaches nobody now, and is no channel until it does.
    Nobody,
    /// It works, and something about it wants a look.
    Doubtful(String),
}

impl Light {
    /// This channel is configured.
    pub fn configured(&self, channel: &str) {
        self.set(channel, |_| State::Untried);
    }
    /// It took a message, or a probe succeeded.
    pub fn sound(&self, channel: &str) {
        self.set(channel, |_| State::Sound);
    }
    /// It did not, in words without a secret. A first failure of a channel that never worked breaks it at once.
    pub fn failed(&self, channel: &str, why: &str) {
        self.set(channel, |was| match was {
            State::Untried | State::Nobody => State::Failing(BROKEN_AFTER, why.to_owned()),
            State::Sound | State::Doubtful(_) => State::Failing(1, why.to_owned()),
            State::Failing(count, _) => State::Failing(count.saturating_add(1), why.to_owned()),
        });
    }
    /// There is nobody at its end.
    pub fn nobody(&self, channel: &str) {
        self.set(channel, |_| State::Nobody);
    }
    /// It works, but: in words without a secret.
    pub fn doubtful(&self, channel: &str, why: &str) {
        self.set(channel, |_| State::Doubtful(why.to_owned()));
    }
    /// Is the channel to be tried again although nothing waits for it?
    pub(super) fn is_broken(&self, channel: &str) -> bool {
        let channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.get(channel).is_none_or(|state| !matches!(state, State::Sound))
    }

    fn set(&self, channel: &str, next: impl FnOnce(&State) -> State) {
        let mut channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let was = channels.get(channel).cloned();
        let is = next(was.as_ref().unwrap_or(&State::Untried));
        if was.as_ref() == Some(&is) {
            return;
        }
        channels.insert(channel.to_owned(), is);
        drop(channels);
        self.0.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Rises with every change; 0 while no channel is configured.
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::SeqCst)
    }

    /// The row of the checklist.
    pub fn check(&self) -> Check {
        let channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let broken: Vec<String> = channels.iter().filter_map(|(name, state)| broken(name, state)).collect();
        let doubt = channels.iter().find_map(|(name, state)| match state {
            State::Doubtful(why) => Some(format!("{name}: {}", cut(why))),
            _ => None,
        });
        let untried = channels.values().any(|state| *state == State::Untried);
        let there = |(name, state): (&String, &State)| (*state != State::Nobody).then(|| name.clone());
        let names = channels.iter().filter_map(there).collect::<Vec<_>>().join(", ");
        let (health, detail) = if !broken.is_empty() {
            (Health::Fail, broken.join("; "))
        } else if let Some(doubt) = doubt {
            (Health::Warn, doubt)
        } else if names.is_empty() {
            (Health::Warn, "no channel that is configured reaches anybody now: no cockpit is open".to_owned())
        } else if untried {
            (Health::Warn, format!("{names}: {BEING_TRIED}"))
        } else {
            (Health::Ok, names)
        };
        Check { name: ALERTS.to_owned(), health, detail }
    }
}

fn broken(name: &str, state: &State) -> Option<String> {
    match state {
        State::Failing(count, why) if *count >= BROKEN_AFTER => Some(format!("{name}: {}", cut(why))),
        _ => None,
    }
}

/// As much as fits a row.
fn cut(why: &str) -> String {
    let more = if why.chars().count() > TOLD_MAX { "... (`tickdeck alerts test` says more)" } else { "" };
    format!("{}{more}", why.chars().take(TOLD_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_to_nobody_is_none_and_refuses_nothing() {
        let light = Light::default();
        light.configured("bell");
        light.nobody("bell");
        let check = light.check();
        assert!(check.health == Health::Warn && check.detail.contains("no cockpit is open"), "{check:?}");
        light.configured("slack");
        light.sound("slack");
        let check = light.check();
        assert_eq!((check.health, check.detail.as_str()), (Health::Ok, "slack"));
        light.sound("bell");
        assert_eq!(light.check().detail, "bell, slack");
    }

    #[test]
    fn a_broken_channel_fails_a_hiccup_does_not_and_all_must_be_proven() {
        let light = Light::default();
        assert_eq!(light.version(), 0);
        light.configured("slack");
        light.configured("telegram");
        assert_eq!(light.check().health, Health::Warn);
        light.sound("telegram");
        light.failed("slack", "no such webhook");
        let check = light.check();
        assert!(check.health == Health::Fail && check.detail == "slack: no such webhook", "{check:?}");
        light.sound("slack");
        light.failed("slack", "timed out");
        assert_eq!(light.check().health, Health::Ok);
        assert!(light.is_broken("slack"));
        light.failed("slack", &"long ".repeat(100));
        let check = light.check();
        assert!(check.health == Health::Fail && check.detail.len() < 200, "{check:?}");
        assert!(check.detail.ends_with("says more)"), "{check:?}");
    }
}
