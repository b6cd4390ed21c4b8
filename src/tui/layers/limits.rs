//! `r`: every limit with its use. A tighter number applies at once, unless it lies below what is used: then the dialog
//! says what follows before a second Enter. A looser one needs a disarmed trader and is typed twice.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::num::{Price, UNIT};
use crate::engine::risk::limits::{LimitKey, LimitUnit, show};
use crate::engine::snapshot::{LimitRow, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::widgets::field::{Accepts, Field};
use crate::tui::widgets::figures;

/// Where an edit is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    /// A number is being typed.
    Typing,
    /// The consequences of a tighter number are shown; Enter again applies it.
    Tighter { value: i64 },
    /// A looser number was typed once.
    Looser { old: i64, value: i64 },
}

/// The limits editor.
pub struct Limits {
    row: usize,
    number: Field,
    stage: Stage,
}

impl Limits {
    /// With this row selected.
    pub const fn new(row: usize) -> Self {
        Self { row, number: Field::new(Accepts::Number), stage: Stage::Typing }
    }

    fn again(&mut self) {
        self.number.clear();
        self.stage = Stage::Typing;
    }

    fn enter(&mut self, row: &LimitRow, ctx: &Ctx<'_>) -> Outcome {
        match self.stage.clone() {
            Stage::Typing => self.first_enter(row, ctx),
            Stage::Tighter { value } => self.set(row.key, value),
            Stage::Looser { old, value } => {
                let typed = number(self.number.text(), row.key);
                self.again();
                match (typed, may_loosen(ctx.snapshot)) {
                    (_, Err(why)) => Outcome::Say(why.to_owned()),
                    (Ok(again), Ok(())) if again == value && row.value == old => self.set(row.key, value),
                    (Ok(_), Ok(())) if row.value != old => Outcome::Say("the limit changed meanwhile".to_owned()),
                    _ => Outcome::Say("the two numbers differ: nothing was changed".to_owned()),
                }
            }
        }
    }

    fn first_enter(&mut self, row: &LimitRow, ctx: &Ctx<'_>) -> Outcome {
        let value = match number(self.number.text(), row.key) {
            Ok(value) => value,
            Err(why) => return Outcome::Say(why),
        };
        if value == row.value {
            self.again();
            return Outcome::Say(format!("{} is {} already", row.key.name(), show(value)));
        }
        if row.key.is_tighter(row.value, value) {
            if consequences(row, value, ctx.snapshot).is_empty() {
                return self.set(row.key, value);
            }
            self.stage = Stage::Tighter { value };
            // The Enter that brought the question up cannot answer it.
            return Outcome::Early;
        }
        if let Err(why) = may_loosen(ctx.snapshot) {
            return Outcome::Say(why.to_owned());
        }
        self.number.clear();
        self.stage = Stage::Looser { old: row.value, value };
        Outcome::Stay
    }

    fn set(&mut self, key: LimitKey, value: i64) -> Outcome {
        self.again();
        Outcome::Ask(Request::Command(Command::SetLimit { key, value }))
    }

    fn select(&mut self, down: bool, count: usize) {
        self.again();
        self.row = if down { (self.row + 1).min(count.saturating_sub(1)) } else { self.row.saturating_sub(1) };
    }
}

/// The number typed for a limit, in 1e-9 of its unit.
fn number(text: &str, key: LimitKey) -> Result<i64, String> {
    if text.is_empty() {
        return Err("type a number; 0 means zero, there is no \"unlimited\"".to_owned());
    }
    let value = Price::parse(text).map_err(|e| e.to_string())?.raw();
    if key.unit() == LimitUnit::Count && value % UNIT != 0 {
        return Err(format!("{} counts whole orders", key.name()));
    }
    Ok(value)
}

fn may_loosen(snapshot: &Snapshot) -> Result<(), &'static str> {
    let state = &snapshot.state;
    state.word.may_loosen(state.armed_until.is_some(), state.latch.is_some())
}

/// What a tighter number does at once; empty when nothing.
pub fn consequences(row: &LimitRow, value: i64, snapshot: &Snapshot) -> Vec<String> {
    let Some(used) = row.used else { return Vec::new() };
    let bound = Price::from_raw(value).to_f64_lossy();
    let trips = matches!(row.key, LimitKey::MaxDailyLoss | LimitKey::MaxLoss24h | LimitKey::MaxDrawdownPct);
    if used < bound || (used <= bound && !trips) || row.key == LimitKey::CooldownAfterLoss {
        return Vec::new();
    }
    let suffix = row.key.unit().suffix();
    let mut lines =
        vec![format!("{} is {}{suffix} now, above {}{suffix}.", row.key.name(), figures::plain(used, 2), show(value))];
    lines.push(match row.key {
        _ if trips => {
            "It TRIPS at once: opening orders are cancelled, `on_loss_trip` decides about positions, and it latches."
                .to_owned()
        }
        LimitKey::MaxPositionNotional => {
            format!("REDUCING at once for {}: no opening orders until it is smaller.", too_large(row, value, snapshot))
        }
        LimitKey::MaxGrossNotional | LimitKey::MaxNetNotional | LimitKey::MaxLeverage => {
            format!("REDUCING at once for every symbol ({}): no opening orders until use falls.", every(snapshot))
        }
        _ => "No opening orders until use falls below it; exits go on.".to_owned(),
    });
    lines
}

fn every(snapshot: &Snapshot) -> String {
    snapshot.markets.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Symbols whose position is larger than the new limit.
fn too_large(row: &LimitRow, value: i64, snapshot: &Snapshot) -> String {
    let bound = i128::from(value) * i128::from(UNIT);
    let above = |p: &&crate::engine::snapshot::PositionRow| p.notional.is_none_or(|n| n.abs().raw() > bound);
    let mut names: Vec<String> = snapshot.positions.iter().filter(above).map(|p| p.name.clone()).collect();
    if let Some(worst) = row.worst.as_ref().filter(|worst| !names.contains(worst)) {
        names.push(worst.clone());
    }
    if names.is_empty() { "the symbols above it".to_owned() } else { names.join(", ") }
}

impl Layer for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let limits = &ctx.snapshot.limits;
        let Some(row) = limits.get(self.row) else {
            self.row = 0;
            return Outcome::Stay;
        };
        match key.code {
            Code::Up | Code::Char('k') => self.select(false, limits.len()),
            Code::Down | Code::Char('j') => self.select(true, limits.len()),
            Code::Enter => return self.enter(row, ctx),
            _ => {
                if matches!(self.stage, Stage::Tighter { .. }) {
                    self.again();
                }
                self.number.key(key);
            }
        }
        Outcome::Stay
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("RISK LIMITS");
        for (index, row) in ctx.snapshot.limits.iter().enumerate() {
            let used = figures::or_unknown(row.used, |used| figures::limit(used, row.key.unit()));
            let value = format!("{}{}", show(row.value), row.key.unit().suffix());
            let worst = row.worst.as_ref().map(|w| format!(" ({w})")).unwrap_or_default();
            let text = format!("{:<22} {value:>14}  used {used}{worst}", row.key.name());
            dialog.row(text, if index == self.row { Tone::Selected } else { Tone::Plain });
        }
        dialog.focus = Some(self.row);
        let Some(row) = ctx.snapshot.limits.get(self.row) else {
            dialog.row("no limits are known yet", Tone::Dim);
            return dialog;
        };
        dialog.foot = self.prompt(row, ctx);
        dialog.grave = self.stage != Stage::Typing;
        dialog
    }
}

impl Limits {
    fn prompt(&self, row: &LimitRow, ctx: &Ctx<'_>) -> String {
        let (name, suffix, typed) = (row.key.name(), row.key.unit().suffix(), self.number.text());
        let old = show(row.value);
        match &self.stage {
            Stage::Typing => format!(
                "{}\n{name}: {old}{suffix} -> {typed}_\ntype a number, Enter   Up Down choose   Esc close",
                row.key.help()
            ),
            Stage::Tighter { value } => format!(
                "{}\n{name}: {old}{suffix} -> {}{suffix}\nEnter apply it all the same   Esc keep {old}",
                consequences(row, *value, ctx.snapshot).join("\n"),
                show(*value)
            ),
            Stage::Looser { old, value } => format!(
                "LOOSER: {name} {}{suffix} -> {}{suffix}\ntype the new number again: {typed}_\nEnter apply   Esc keep {}",
                show(*old),
                show(*value),
                show(*old)
            ),
        }
    }
}
