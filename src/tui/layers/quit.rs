//! `q` with risk on, and `^C` always: stay, close and quit, or leave with everything that stays named.

use super::dialog::{Dialog, Tone};
use super::flatten::{position_line, total_cost};
use super::{Ctx, Layer, Outcome};
use crate::engine::ids::{Account, Market};
use crate::engine::snapshot::{OrderRow, PositionRow, Protected, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::{QuitChoice, Request};
use crate::tui::validity;
use crate::tui::widgets::figures;

/// The dialog.
pub struct Quit {
    /// Whether there was risk on when the choices were shown; when that changes they mean something else.
    risk: bool,
    /// The engine is another process's and goes on.
    attached: bool,
    row: usize,
}

impl Quit {
    /// With the choices that this picture calls for.
    pub fn new(snapshot: &Snapshot, attached: bool) -> Self {
        Self { risk: validity::risk_is_on(snapshot), attached, row: 0 }
    }
    const fn choices(&self) -> &'static [Choice] {
        if self.attached {
            &DETACH
        } else if self.risk {
            &WITH_RISK
        } else {
            &WITHOUT_RISK
        }
    }
}

type Choice = (&'static str, Option<QuitChoice>);

const WITH_RISK: [Choice; 3] = [
    ("stay", None),
    ("close everything, then quit when flat is proven", Some(QuitChoice::CloseAndQuit)),
    ("leave it open and quit", Some(QuitChoice::Leave)),
];
const DETACH: [Choice; 2] = [("stay", None), ("detach: the engine goes on", Some(QuitChoice::Leave))];
const WITHOUT_RISK: [Choice; 2] = [("stay", None), ("quit", Some(QuitChoice::Leave))];

/// What still looks after a position once this process is gone.
pub fn what_stays(row: &PositionRow, snapshot: &Snapshot) -> String {
    let pair = snapshot.session.pair;
    match (pair.market(), pair.account()) {
        (Market::Simulated, _) => "ends with the simulated market".to_owned(),
        (Market::Tape, _) => "ends with the tape".to_owned(),
        (Market::Bybit, Account::Paper) => {
            "kept in the ledger; its stop and exits end with this process, nothing watches it".to_owned()
        }
        (Market::Bybit, _) => at_the_venue(row, snapshot),
    }
}

/// What the venue does for a position without us.
fn at_the_venue(row: &PositionRow, snapshot: &Snapshot) -> String {
    let target = |o: &&OrderRow| o.working && o.protective && o.symbol == row.symbol && o.purpose == "take-profit";
    let target = snapshot.orders.iter().find(target);
    let target = target.map_or_else(String::new, |order| format!(", take-profit {} @venue", order.price));
    match row.protected {
        Protected::Stop(stop) => format!("stop {stop} @venue{target}"),
        Protected::Far(stop) => format!("STOP FAR: {stop} @venue{target}"),
        Protected::Unknown => format!("the venue has not said what protects it{target}"),
        Protected::Yours => format!("NO STOP (yours): NOTHING protects it at the venue{target}"),
        Protected::None | Protected::Unwanted => format!("NO STOP: NOTHING protects it at the venue{target}"),
    }
}

impl Layer for Quit {
    fn name(&self) -> &'static str {
        "quit"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        if !self.attached && self.risk != validity::risk_is_on(ctx.snapshot) {
            return Outcome::CloseAndSay("what is open has changed: look again (q)".to_owned());
        }
        let choices = self.choices();
        match key.code {
            Code::Up | Code::Char('k') => self.row = self.row.saturating_sub(1),
            Code::Down | Code::Char('j') => self.row = (self.row + 1).min(choices.len() - 1),
            Code::Enter => {
                return match choices.get(self.row) {
                    Some((_, Some(choice))) if ctx.may_confirm() => Outcome::Done(Request::Quit(*choice)),
                    Some((_, Some(_))) => Outcome::Early,
                    _ => Outcome::Close,
                };
            }
            _ => {}
        }
        Outcome::Stay
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let snapshot = ctx.snapshot;
        let mut dialog = Dialog::new("QUIT").foot("Up Down choose   Enter go   Esc stay");
        dialog.grave = self.risk && !self.attached;
        if self.attached {
            dialog.say("The engine is another process: it goes on as it is, armed or not, with what is open.");
            dialog.say("`tickdeck attach` comes back; `tickdeck stop` ends it.");
        } else if self.risk {
            if validity::is_armed(snapshot) {
                dialog.row("ARMED: quitting disarms and cancels resting opening orders.", Tone::Warn);
            }
            for row in &snapshot.positions {
                dialog.row(position_line(row, snapshot), Tone::Bright);
                dialog.say(format!("  if left: {}", what_stays(row, snapshot)));
            }
            let working = snapshot.orders.iter().filter(|o| o.ours_works() && !o.protective).count();
            dialog.say(format!("Working orders: {working}, cancelled either way."));
            let cost = figures::or_unknown(total_cost(snapshot), figures::money);
            dialog.say(format!("Closing everything costs about {cost}."));
        } else {
            dialog.say("Nothing is open, nothing is armed.");
        }
        dialog.gap();
        for (index, (text, _)) in self.choices().iter().enumerate() {
            let chosen = index == self.row;
            dialog.row(
                format!("{} {text}", if chosen { ">" } else { " " }),
                if chosen { Tone::Selected } else { Tone::Plain },
            );
        }
        dialog.focus = Some(dialog.rows.len() - 1);
        dialog
    }
}
