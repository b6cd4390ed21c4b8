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
use crate::tui::widgets::banner::open_words;
use crate::tui::widgets::{danger, figures};

/// An engine that has not confirmed a kill for so long may not hear it.
const CONFIRMS_WITHIN_MS: i64 = 2_000;

/// The layer.
#[derive(Default)]
pub struct Killed;

/// Does the engine say that it is killed?
pub fn is_latched(snapshot: &Snapshot) -> bool {
    snapshot.state.latch.as_ref().is_some_and(crate::engine::risk::state::Latch::is_kill)
}

/// Open positions: those that Enter closes, and those that are the person's and stay.
fn ours_and_yours(snapshot: &Snapshot) -> (usize, usize) {
    let yours = snapshot.positions.iter().filter(|row| row.released).count();
    (snapshot.positions.len() - yours, yours)
}

/// Why Enter does nothing now.
fn refusal(snapshot: &Snapshot) -> Option<&'static str> {
    match ours_and_yours(snapshot) {
        _ if snapshot.state.closing => Some("closing already runs"),
        (0, 0) if is_flat(snapshot) => Some("flat is proven: nothing is left to close"),
        (0, 1..) => Some("nothing of ours is open: what is open is yours, close it yourself or adopt it first"),
        _ => None,
    }
}

/// Proven, and the venue shows nothing else since.
fn is_flat(snapshot: &Snapshot) -> bool {
    snapshot.state.flat_proven.is_some() && snapshot.state.unresolved.is_empty()
}

/// What Enter and Esc do now, for the line that is always in sight.
fn foot(snapshot: &Snapshot) -> String {
    match (ours_and_yours(snapshot), refusal(snapshot)) {
        (_, Some(_)) => "Esc close this layer, stay killed".to_owned(),
        ((0, _), None) => "Enter have flat proven   Esc stay killed".to_owned(),
        ((ours, 0), None) => format!("Enter close {ours} of {ours}   Esc leave open, stay killed"),
        ((ours, yours), None) => {
            format!("Enter close {ours} of {}, {yours} of yours kept   Esc leave open, stay killed", ours + yours)
        }
    }
}

/// Every open position under what Enter does to it.
fn list_positions(snapshot: &Snapshot, dialog: &mut Dialog) {
    let (ours, yours) = ours_and_yours(snapshot);
    let unresolved = &snapshot.state.unresolved;
    for what in unresolved {
        dialog.row(format!("UNKNOWN: {what}: not ours, or not booked yet: look at the exchange"), Tone::Danger);
    }
    if (ours, yours) == (0, 0) && unresolved.is_empty() {
        let proven = is_flat(snapshot);
        dialog.say(if proven { "No position is open: proven." } else { "No position is known; not proven yet." });
    }
    if ours > 0 {
        dialog.say(if snapshot.state.closing { "Being closed:" } else { "Enter closes:" });
        for row in snapshot.positions.iter().filter(|row| !row.released) {
            dialog.row(format!("  {}", position_line(row, snapshot)), Tone::Bright);
        }
        let cost = figures::or_unknown(total_cost(snapshot), figures::money);
        dialog.say(format!("It costs about {cost}. Stops go on until then."));
    }
    if yours > 0 {
        dialog.row("Stays open whatever is pressed here, it is yours:", Tone::Warn);
        for row in snapshot.positions.iter().filter(|row| row.released) {
            dialog.row(format!("  {}", position_line(row, snapshot)), Tone::Bright);
        }
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
        if !is_latched(snapshot) {
            return unconfirmed(ctx);
        }
        let title = format!("KILLED - {}", open_words(state, snapshot.at));
        let mut dialog = Dialog::new(title).grave().foot(foot(snapshot));
        if let Some(latch) = &state.latch {
            dialog.row(format!("{} at {}", latch.cause, latch.at.clock()), Tone::Dim);
        }
        list_orders(snapshot, &mut dialog);
        // What the venue refuses now decides whether Enter can work, and where else a position can be closed.
        for row in snapshot.danger.iter().filter(|row| matches!(row.danger, Danger::Hold { .. })) {
            dialog.row(danger::sentence(row, snapshot), Tone::Danger);
        }
        dialog.gap();
        list_positions(snapshot, &mut dialog);
        // Before anything is closed what is open stays in sight, afterwards what was done.
        let under_way = state.closing || snapshot.positions.is_empty();
        list_receipts(&[&state.receipt, &state.guardian], under_way, &mut dialog);
        dialog.gap();
        dialog.row(format!("{} resets the latch, later, when the cause is gone.", reset_key(ctx)), Tone::Dim);
        dialog
    }
}

/// A kill was asked for, and no picture of the engine shows it yet: nothing is said of the account but what is known.
fn unconfirmed(ctx: &Ctx<'_>) -> Dialog {
    let (snapshot, attached) = (ctx.snapshot, ctx.ui.attached.is_some());
    let title = "KILL ASKED, not confirmed by the engine yet";
    let mut dialog = Dialog::new(title).grave().foot(foot(snapshot));
    dialog.say("What is shown is from before the kill. It is done when the engine confirms it.");
    if attached && ctx.age_ms >= CONFIRMS_WITHIN_MS {
        let shell = "The engine does not confirm it: run `tickdeck kill --flat` in a shell now, it needs no engine.";
        dialog.row(shell, Tone::Danger);
    }
    dialog.gap();
    list_positions(snapshot, &mut dialog);
    if !attached {
        list_receipts(&[&snapshot.state.guardian], true, &mut dialog);
    }
    dialog
}

/// Working orders: ours, and those of others, which a kill leaves.
fn list_orders(snapshot: &Snapshot, dialog: &mut Dialog) {
    let (mut opening, mut protective) = (0, 0);
    for order in snapshot.orders.iter().filter(|o| o.ours_works()) {
        if order.protective { protective += 1 } else { opening += 1 }
    }
    dialog
        .say(format!("Nothing of ours opens. Orders still working: {opening}; protective orders kept: {protective}."));
    let foreign = snapshot.orders.iter().filter(|order| order.working && order.foreign.is_some());
    let inside = foreign.map(|o| format!("{} {} {} (order {})", o.name, o.side.word(), o.qty, o.link_id));
    let outside = snapshot.outside.iter().map(|row| row.what.words());
    let others: Vec<String> = inside.chain(outside).collect();
    if !others.is_empty() {
        dialog.row(format!("Of others, left as they are: {}", others.len()), Tone::Warn);
        for words in others {
            dialog.row(format!("  {words}"), Tone::Bright);
        }
    }
}

/// What was done, step by step; the last step is kept in sight where it matters.
fn list_receipts(receipts: &[&Vec<String>], in_sight: bool, dialog: &mut Dialog) {
    for lines in receipts.iter().filter(|lines| !lines.is_empty()) {
        dialog.gap();
        for line in *lines {
            dialog.row(line.clone(), Tone::Good);
        }
        dialog.focus = in_sight.then_some(dialog.rows.len() - 1);
    }
}

fn reset_key(ctx: &Ctx<'_>) -> String {
    ctx.keys.label(crate::tui::commands::Id::Reset)
}
