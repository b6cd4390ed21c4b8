//! Scripted faults: what goes wrong, from when on. Switched while the exchange runs (`POST /sim/faults`) or by a
//! scenario file. Without any the exchange is orderly.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::time::Span;

/// What goes wrong. A count says how many times more; a flag or a time holds until it is switched back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Requests that the counts below hit: those whose path contains this. `order.create` of the trade socket counts
    /// as `/v5/order/create`.
    pub path: String,
    /// Answers to such requests come this much later; pushes may overtake them.
    pub ack_delay_ms: i64,
    /// Executed, then the connection closes without an answer.
    pub lose_acks: u32,
    /// Not executed, and the connection closes without an answer.
    pub lose_requests: u32,
    /// Executed, then answered by a gateway's 502 page.
    pub fail_after: u32,
    /// Not executed, answered by a gateway's 502 page.
    pub fail_before: u32,
    /// Answered with `fake_code`.
    pub fake_codes: u32,
    /// The code, 10016 unless said.
    pub fake_code: i64,
    /// Executed before it is answered with `fake_code`.
    pub fake_after: bool,
    /// Signed requests that are answered with 10006, whatever their path.
    pub too_many: u32,
    /// 10006 comes without the rate headers.
    pub bare_10006: bool,
    /// Every HTTP request is answered with 403, as to a banned address.
    pub banned: bool,
    /// The exchange's clock against the true one.
    pub clock_skew_ms: i64,
    /// New sockets are refused.
    pub refuse_sockets: bool,
    /// Public sockets stay open and say nothing.
    pub stall_public: bool,
    /// Private sockets stay open and say nothing.
    pub stall_private: bool,
    /// Trade sockets stay open and say nothing; what they ask is still done.
    pub stall_trade: bool,
    /// Whatever is said on a socket comes this much later, as over a link of that length; the order stays.
    pub link_ms: i64,
    /// Public frames come this much later.
    pub public_delay_ms: i64,
    /// Private pushes come this much later.
    pub private_delay_ms: i64,
    /// Book deltas that are left out.
    pub skip_deltas: u32,
    /// Book deltas that come twice.
    pub repeat_deltas: u32,
    /// Book deltas that come after their successor.
    pub reorder_deltas: u32,
    /// Private frames that never come.
    pub skip_pushes: u32,
    /// Private frames that come twice.
    pub repeat_pushes: u32,
    /// Filled orders that are told a second time, as if a cancel had lost the race.
    pub double_filled: u32,
    /// New orders that are accepted and then rejected.
    pub late_rejects: u32,
    /// Part of the displayed size that an order may take, in percent.
    pub fill_percent: u8,
    /// A new order is in no list for this long.
    pub hide_new_ms: i64,
    /// An execution is in no list for this long.
    pub hide_executions_ms: i64,
    /// An order that ended is in no list for this long.
    pub hide_ended_ms: i64,
    /// History shows an order only this long after it ended.
    pub history_lag_ms: i64,
    /// `realtime` has forgotten every closed order, as after a restart.
    pub forget_closed: bool,
    /// Numbers below one come without the zero before the point, `.5`, on everything signed or private.
    pub bare_points: bool,
    /// More authenticated trade sockets than this are refused with 10003; 0 is no bound.
    pub trade_sessions_max: u32,
    /// Refusals on the trade socket come in the private shape and without an id.
    pub odd_refusals: bool,
    /// Resting orders that reduce count: a reduce-only order for more than they leave of the position is refused with 110017.
    pub reduce_only_counts: bool,
    /// The key says that it may only read.
    pub read_only_key: bool,
    /// The key may take money out.
    pub withdrawing_key: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            path: "/v5/order/create".to_owned(),
            ack_delay_ms: 0,
            lose_acks: 0,
            lose_requests: 0,
            fail_after: 0,
            fail_before: 0,
            fake_codes: 0,
            fake_code: 10_016,
            fake_after: false,
            too_many: 0,
            bare_10006: false,
            banned: false,
            clock_skew_ms: 0,
            refuse_sockets: false,
            stall_public: false,
            stall_private: false,
            stall_trade: false,
            link_ms: 0,
            public_delay_ms: 0,
            private_delay_ms: 0,
            skip_deltas: 0,
            repeat_deltas: 0,
            reorder_deltas: 0,
            skip_pushes: 0,
            repeat_pushes: 0,
            double_filled: 0,
            late_rejects: 0,
            fill_percent: 100,
            hide_new_ms: 0,
            hide_executions_ms: 0,
            hide_ended_ms: 0,
            history_lag_ms: 0,
            forget_closed: false,
            bare_points: false,
            trade_sessions_max: 0,
            odd_refusals: false,
            reduce_only_counts: false,
            read_only_key: false,
            withdrawing_key: false,
        }
    }
}

/// Why faults or a scenario were not understood.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Not the fields we know.
    #[error("these are no faults: {0}")]
    Faults(#[from] serde_json::Error),
    /// Not a scenario.
    #[error("this is no scenario: {0}")]
    Scenario(#[from] toml::de::Error),
    /// Not a time.
    #[error("`{0}` is no time: write 500ms, 5s or 2m")]
    Time(String),
}

impl Faults {
    /// These faults with the fields of `change` in place of theirs; `null` switches everything off.
    pub fn changed(&self, change: &Value) -> Result<Self, FaultError> {
        let Value::Object(fields) = change else {
            return Ok(serde_json::from_value(change.clone()).unwrap_or_default());
        };
        let mut all = serde_json::to_value(self)?;
        for (key, value) in fields {
            all[key.as_str()] = value.clone();
        }
        Ok(serde_json::from_value(all)?)
    }

    /// Text as it leaves, without leading zeros where that is asked for.
    pub(super) fn spelled(&self, text: String) -> String {
        if self.bare_points { text.replace("\"0.", "\".") } else { text }
    }

    /// What happens to a request of this path, in the order of the fields; counts one down.
    pub(super) fn strike(&mut self, path: &str) -> Strike {
        if !path.contains(&self.path) {
            return Strike::None;
        }
        for (left, strike) in [
            (&mut self.lose_requests, Strike::LoseRequest),
            (&mut self.lose_acks, Strike::LoseAck),
            (&mut self.fail_before, Strike::FailBefore),
            (&mut self.fail_after, Strike::FailAfter),
            (&mut self.fake_codes, Strike::Fake),
        ] {
            if *left > 0 {
                *left -= 1;
                return strike;
            }
        }
        Strike::None
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
    None,
    LoseRequest,
    LoseAck,
    FailBefore,
    FailAfter,
    Fake,
}

/// What happens when, counted from the start of the exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario(pub Vec<(Span, Act)>);

/// One entry of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Fields of [`Faults`].
    Faults(Value),
    /// What `POST /sim/do` takes.
    Do(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: String,
    faults: Option<Value>,
    #[serde(rename = "do")]
    act: Option<Value>,
}

impl Scenario {
    /// Reads a scenario: `[[step]]` tables with `at = "5s"` and `faults = {…}` or `do = {…}`.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let file: File = toml::from_str(text)?;
        let mut acts = Vec::new();
        for step in file.step {
            let at = span(&step.at)?;
            if let Some(change) = step.faults {
                Faults::default().changed(&change)?;
                acts.push((at, Act::Faults(change)));
            }
            acts.extend(step.act.map(|act| (at, Act::Do(act))));
        }
        acts.sort_by_key(|(at, _)| *at);
        Ok(Self(acts))
    }
}

fn span(text: &str) -> Result<Span, FaultError> {
    let wrong = || FaultError::Time(text.chars().take(40).collect());
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    let ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    if number < 0 { Err(wrong()) } else { Ok(Span::from_ms(number.saturating_mul(ms))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_keeps_the_rest_and_an_unknown_field_is_refused() {
        let first = Faults::default().changed(&json!({"lose_acks": 2, "banned": true})).unwrap();
        let second = first.changed(&json!({"banned": false})).unwrap();
        assert_eq!((second.lose_acks, second.banned), (2, false));
        assert!(second.changed(&json!({"lose_ack": 1})).is_err());
        assert_eq!(second.changed(&Value::Null).unwrap(), Faults::default());
    }

    #[test]
    fn counts_strike_their_path_and_run_out() {
        let mut faults = Faults { lose_acks: 1, fake_codes: 1, ..Faults::default() };
        assert_eq!(faults.strike("/v5/order/realtime"), Strike::None);
        assert_eq!(faults.strike("/v5/order/create"), Strike::LoseAck);
        assert_eq!(faults.strike("/v5/order/create-batch"), Strike::Fake);
        assert_eq!(faults.strike("/v5/order/create"), Strike::None);
    }

    #[test]
    fn scenarios_are_sorted_and_checked() {
        let text =
            "[[step]]\nat = \"2m\"\ndo = { drop = \"all\" }\n[[step]]\nat = \"500ms\"\nfaults = { banned = true }\n";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.0[0], (Span::from_ms(500), Act::Faults(json!({"banned": true}))));
        assert_eq!(scenario.0[1].0, Span::from_secs(120));
        assert!(Scenario::parse("[[step]]\nat = \"soon\"\n").is_err());
        assert!(Scenario::parse("[[step]]\nat = \"1s\"\nfaults = { nonsense = 1 }\n").is_err());
    }
}
