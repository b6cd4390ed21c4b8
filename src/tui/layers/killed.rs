//! The KILLED layer: what is still open after a kill, what closing it costs, and Enter to close it. Esc closes the
//! layer, never the latch.

use super::dialog::{Dialog, Tone};
use super::flatten::{position_line, total_cost};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::danger::Danger;
use crate::engine::snapshot::Snapshot;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::widgets::banner::moment;
use crate::tui::widgets::{danger, figures};

/// The layer.
#[derive(Default)]
pub struct Killed;

fn is_latched(snapshot: &Snapshot) -> bool {
    snapshot.state.latch.as_ref().is_some_and(crate::engine::risk::state::Latch::is_kill)
}

/// Why Enter does nothing now.
fn refusal(snapshot: &Snapshot) -> Option<&'static str> {
    if snapshot.state.closing {
        Some("closing already runs")
    } else if snapshot.positions.is_empty() && snapshot.state.flat_proven.is_some() {
        Some("flat is proven: nothing is left to close")
    } else {
        None
    }
}

impl Layer for Killed {
    fn name(&self) -> &'static str {
        "killed"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Enter => match refusal(ctx.snapshot) {
                Some(why) => Outcome::Say(why.to_owned()),
                None => Outcome::Ask(Request::Command(Command::KillClose)),
            },
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let (snapshot, state) = (ctx.snapshot, &ctx.snapshot.state);
        let title = match (is_latched(snapshot), snapshot.positions.len(), state.flat_proven) {
            (false, _, _) => "KILL ASKED - the engine has not confirmed it yet".to_owned(),
            (true, 0, Some(at)) => format!("KILLED - FLAT (proven {})", moment(at, snapshot.at)),
            (true, open, _) => format!("KILLED - {open} OPEN"),
        };
        let foot = if refusal(snapshot).is_none() {
            "Enter close every position   Esc leave them open, stay killed"
        } else {
            "Esc close this layer, stay killed"
        };
        let mut dialog = Dialog::new(title).grave().foot(foot);
        if let Some(latch) = &state.latch {
            dialog.row(format!("{} at {}", latch.cause, latch.at.clock()), Tone::Dim);
        }
        let (mut opening, mut protective) = (0, 0);
        for order in snapshot.orders.iter().filter(|o| o.ours_works()) {
            if order.protective { protective += 1 } else { opening += 1 }
        }
        dialog.say(format!("Nothing opens. Orders still working: {opening}; protective orders kept: {protective}."));
        // What the venue refuses now decides whether Enter can work, and where else a position can be closed.
        for row in snapshot.danger.iter().filter(|row| matches!(row.danger, Danger::Hold { .. })) {
            dialog.row(danger::sentence(row, snapshot), Tone::Danger);
        }
        dialog.gap();
        for row in &snapshot.positions {
            dialog.row(position_line(row, snapshot), Tone::Bright);
        }
        if snapshot.positions.is_empty() {
            dialog.say(if state.flat_proven.is_some() {
                "No position is open: proven."
            } else {
                "No position is known; not proven yet."
            });
        } else {
            let cost = figures::or_unknown(total_cost(snapshot), figures::money);
            dialog.say(format!("Closing all of it costs about {cost}. Stops go on until then."));
        }
        if !state.receipt.is_empty() {
            dialog.gap();
            for line in &state.receipt {
                dialog.row(line.clone(), Tone::Good);
            }
            dialog.focus = Some(dialog.rows.len() - 1);
        }
        if !state.guardian.is_empty() {
            dialog.gap();
            for line in &state.guardian {
                dialog.row(line.clone(), Tone::Good);
            }
            dialog.focus = Some(dialog.rows.len() - 1);
        }
        dialog.gap();
        dialog.row(format!("{} resets the latch, later, when the cause is gone.", reset_key(ctx)), Tone::Dim);
        dialog
    }
}

fn reset_key(ctx: &Ctx<'_>) -> String {
    ctx.keys.label(crate::tui::commands::Id::Reset)
}
