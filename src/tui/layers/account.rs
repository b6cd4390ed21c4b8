//! `m`: which account trades, and the way to another one. Real money takes its ceremony.

use super::arm::account_line;
use super::dialog::{Dialog, Tone};
use super::tail::{TypedTail, Typing};
use super::{Ctx, Layer, Outcome};
use crate::engine::ids::{Account as Which, Market};
use crate::engine::snapshot::Snapshot;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

const ACCOUNTS: [(Which, &str); 4] = [
    (Which::Paper, "our own fills on live data, no keys"),
    (Which::DemoAccount, "BYBIT DEMO ACCOUNT: play money at the venue"),
    (Which::Testnet, "Bybit's test network: play money, a market of its own"),
    (Which::Live, "REAL MONEY"),
];

/// The dialog.
pub struct Account {
    row: usize,
    /// The ceremony of real money, once it was chosen.
    ceremony: Option<TypedTail>,
}

impl Account {
    /// With the account of this picture chosen.
    pub fn new(snapshot: &Snapshot) -> Self {
        let now = snapshot.session.pair.account();
        Self { row: ACCOUNTS.iter().position(|(account, _)| *account == now).unwrap_or(0), ceremony: None }
    }

    fn chosen(&self) -> Which {
        ACCOUNTS.get(self.row).map_or(Which::Paper, |(account, _)| *account)
    }

    fn choose(&mut self, ctx: &Ctx<'_>) -> Outcome {
        let account = self.chosen();
        match refusal(ctx.snapshot, account) {
            Some(why) => Outcome::Say(why),
            None if !ctx.may_confirm() => Outcome::Early,
            None if account == Which::Live => {
                self.ceremony = Some(TypedTail::begin(ctx.now_ms));
                Outcome::Stay
            }
            None => Outcome::Done(Request::Switch { account, typed: None }),
        }
    }
}

/// Why this account cannot take over now.
fn refusal(snapshot: &Snapshot, account: Which) -> Option<String> {
    let pair = snapshot.session.pair;
    match pair.market() {
        Market::Simulated => Some("a simulated market has the paper account and no other".to_owned()),
        Market::Tape => Some("a tape has the paper account and no other".to_owned()),
        Market::Bybit if account == pair.account() => Some("it is the account now".to_owned()),
        Market::Bybit => snapshot.state.stays.clone(),
    }
}

impl Layer for Account {
    fn name(&self) -> &'static str {
        "account"
    }
    fn is_typing(&self) -> bool {
        self.ceremony.is_some()
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        if let Some(ceremony) = &mut self.ceremony {
            return match ceremony.key(key, ctx.now_ms) {
                Typing::On => Outcome::Stay,
                Typing::Early => Outcome::Early,
                Typing::Over(why) => Outcome::CloseAndSay(why.to_owned()),
                Typing::Entered(text) if text.is_empty() => Outcome::Say("type it, then Enter".to_owned()),
                Typing::Entered(text) => Outcome::Done(Request::Switch { account: Which::Live, typed: Some(text) }),
            };
        }
        match key.code {
            Code::Up | Code::Char('k') => self.row = self.row.saturating_sub(1),
            Code::Down | Code::Char('j') => self.row = (self.row + 1).min(ACCOUNTS.len() - 1),
            Code::Enter => return self.choose(ctx),
            _ => {}
        }
        Outcome::Stay
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        if let Some(ceremony) = &self.ceremony {
            return real_money(ceremony, ctx);
        }
        let pair = ctx.snapshot.session.pair;
        let mut dialog = Dialog::new("account").foot("↑ ↓ choose   Enter go on with it   Esc stay");
        dialog.row(format!("now: {}", account_line(ctx.snapshot)), Tone::Bright);
        dialog.pair("ledger", pair.ledger_name());
        dialog.pair("run", &ctx.snapshot.session.run);
        dialog.gap();
        for (index, (account, what)) in ACCOUNTS.into_iter().enumerate() {
            let now = if account == pair.account() && pair.market() == Market::Bybit { "now" } else { "" };
            let mark = if index == self.row { '>' } else { ' ' };
            let tone = if index == self.row { Tone::Selected } else { Tone::Plain };
            dialog.row(format!("{mark} {:<13} {now:<4} {what}", account.word()), tone);
        }
        dialog.gap();
        if let Some(why) = refusal(ctx.snapshot, self.chosen()) {
            dialog.row(format!("not now: {why}"), Tone::Warn);
        }
        dialog.say(
            "Another account is another run with its own ledger and tape. Orders, limits, arming and positions never \
             move from one account to another; the market goes on where both read the same one.",
        );
        dialog
    }
}

fn real_money(ceremony: &TypedTail, ctx: &Ctx<'_>) -> Dialog {
    let mut dialog = Dialog::new("GO ON WITH REAL MONEY").grave().foot("Enter go live, disarmed   Esc stay");
    dialog.row("LIVE is REAL MONEY: orders spend it, and losses are yours.", Tone::Danger);
    dialog.say("It takes `live = true` in the file, limits of its own in [risk.live], and a key that cannot withdraw.");
    dialog.say("The tail is the last four characters of the API key; `tickdeck keys show` names them.");
    dialog.gap();
    ceremony.draw("LIVE and the tail", ctx.now_ms, &mut dialog);
    dialog
}
