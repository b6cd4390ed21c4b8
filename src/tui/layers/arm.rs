//! `A`: the checklist before the autotrader may open positions. Warnings are acknowledged one by one.

use super::dialog::{Dialog, Tone};
use super::{AGAIN_MS, Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::Market;
use crate::engine::risk::limits::{LimitKey, show};
use crate::engine::snapshot::{Check, Health, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::validity;

/// Limits named in the checklist; the rest is one key away.
const SHOWN: [LimitKey; 5] = [
    LimitKey::MaxOrderNotional,
    LimitKey::MaxPositionNotional,
    LimitKey::MaxGrossNotional,
    LimitKey::MaxDailyLoss,
    LimitKey::MaxDrawdownPct,
];

/// The arming guard.
#[derive(Default)]
pub struct Arm {
    /// Names of the warnings that were acknowledged; their numbers move all the time.
    acknowledged: Vec<String>,
    /// When Space was pressed last: a held one acknowledges a single warning.
    space_ms: Option<i64>,
}

impl Arm {
    fn is_acknowledged(&self, check: &Check) -> bool {
        self.acknowledged.contains(&check.name)
    }

    fn waiting<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Check> {
        snapshot.state.preflight.iter().find(|c| c.health == Health::Warn && !self.is_acknowledged(c))
    }

    /// Why Enter does nothing now.
    fn refusal(&self, ctx: &Ctx<'_>) -> Option<String> {
        if let Some(why) = validity::arm(ctx.snapshot, ctx.ui).reason() {
            return Some(why.to_owned());
        }
        if let Some(red) = validity::red_light(ctx.snapshot) {
            return Some(format!("not yet: {red} fails"));
        }
        self.waiting(ctx.snapshot).map(|check| format!("acknowledge the warning first (Space): {}", check.name))
    }
}

impl Layer for Arm {
    fn name(&self) -> &'static str {
        "arm"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Char(' ') => {
                let last = self.space_ms.replace(ctx.now_ms);
                let held = last.is_some_and(|at| ctx.now_ms.saturating_sub(at) < AGAIN_MS);
                match self.waiting(ctx.snapshot) {
                    Some(_) if held => return Outcome::Say("one at a time: read the next warning first".to_owned()),
                    Some(check) => self.acknowledged.push(check.name.clone()),
                    None => {}
                }
                Outcome::Stay
            }
            Code::Enter => match self.refusal(ctx) {
                Some(why) => Outcome::Say(why),
                None => Outcome::Done(Request::Command(Command::Arm { lasts: ctx.snapshot.state.arm_for })),
            },
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let snapshot = ctx.snapshot;
        let ready = self.refusal(ctx);
        let foot =
            if ready.is_none() { "Enter arm   Esc stay disarmed" } else { "Space acknowledge   Esc stay disarmed" };
        let mut dialog = Dialog::new(format!("ARM THE AUTOTRADER - {}", account_line(snapshot))).grave().foot(foot);
        dialog.pair("account", account_line(snapshot));
        if !snapshot.session.market_label.is_empty() {
            dialog.pair("market", &snapshot.session.market_label);
        }
        let names: Vec<&str> = snapshot.markets.iter().map(|m| m.name.as_str()).collect();
        dialog.pair("symbols", names.join(", "));
        dialog.pair("limits", limits_line(snapshot));
        let models: Vec<String> = snapshot.health.models.iter().map(|m| format!("{} {}", m.name, m.hash)).collect();
        dialog.pair("model", if models.is_empty() { "none".to_owned() } else { models.join(", ") });
        if snapshot.session.practice {
            dialog.pair("practice", "edge gate off: it trades what does not pay, and loses the fees");
        }
        dialog.pair("for", format!("{}, then it disarms by itself", snapshot.state.arm_for));
        dialog.gap();
        match ready {
            Some(why) => dialog.row(why, Tone::Warn),
            None => dialog.row("every check passed", Tone::Good),
        }
        // What keeps from arming comes first: a small screen shows no more than that.
        for health in [Health::Fail, Health::Warn, Health::Ok, Health::Skip] {
            for check in snapshot.state.preflight.iter().filter(|check| check.health == health) {
                let (word, tone) = match health {
                    Health::Ok => ("ok  ", Tone::Plain),
                    Health::Warn if self.is_acknowledged(check) => ("[x] ", Tone::Plain),
                    Health::Warn => ("warn", Tone::Warn),
                    Health::Fail => ("FAIL", Tone::Danger),
                    Health::Skip => ("skip", Tone::Dim),
                };
                dialog.row(format!("{word}  {}  {}", check.name, check.detail), tone);
            }
        }
        dialog
    }
}

/// Market and account in words; the word DEMO never stands alone.
pub fn account_line(snapshot: &Snapshot) -> String {
    let pair = snapshot.session.pair;
    match pair.market() {
        Market::Simulated => "paper account on a SIMULATED MARKET".to_owned(),
        Market::Tape => "paper account on a TAPE".to_owned(),
        Market::Bybit if snapshot.session.simulated_venue => {
            format!("{} account on a SIMULATED EXCHANGE", pair.account().word())
        }
        Market::Bybit => format!("{} account on Bybit", pair.account().word()),
    }
}

fn limits_line(snapshot: &Snapshot) -> String {
    let one = |key: LimitKey| {
        let row = snapshot.limits.iter().find(|row| row.key == key)?;
        Some(format!("{} {}{}", key.name(), show(row.value), key.unit().suffix()))
    };
    let list: Vec<String> = SHOWN.into_iter().filter_map(one).collect();
    if list.is_empty() { "unknown".to_owned() } else { list.join(", ") }
}
