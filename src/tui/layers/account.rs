//! `m`: which account trades, and what changing it takes.

use super::arm::account_line;
use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::ids::{Account as Which, Market};
use crate::tui::keymap::{Code, Key};

/// The dialog. It can change nothing: an account belongs to a run.
#[derive(Default)]
pub struct Account;

const ACCOUNTS: [(Which, &str); 4] = [
    (Which::Paper, "our own fills, no keys"),
    (Which::DemoAccount, "BYBIT DEMO ACCOUNT: play money at the venue"),
    (Which::Testnet, "Bybit's test network"),
    (Which::Live, "REAL MONEY"),
];

fn refusal(market: Market, account: Which) -> &'static str {
    match (market, account) {
        (Market::Simulated, _) => "no: a simulated market has the paper account and no other",
        (Market::Tape, _) => "no: a tape has the paper account and no other",
        (Market::Bybit, Which::Live) => "no: real money takes `live = true`, its own limits and steps of its own",
        (Market::Bybit, Which::Paper) => "no: another account is another run; quit, then `tickdeck`",
        (Market::Bybit, Which::DemoAccount) => {
            "no: another account is another run; quit, then `tickdeck --mode demo-account`"
        }
        (Market::Bybit, Which::Testnet) => "no: another account is another run; quit, then `tickdeck --mode testnet`",
    }
}

impl Layer for Account {
    fn name(&self) -> &'static str {
        "account"
    }
    fn is_guard(&self) -> bool {
        false
    }
    fn key(&mut self, key: Key, _ctx: &Ctx<'_>) -> Outcome {
        if key.code == Code::Enter { Outcome::Close } else { Outcome::Stay }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let pair = ctx.snapshot.session.pair;
        let mut dialog = Dialog::new("account");
        dialog.row(format!("now: {}", account_line(ctx.snapshot)), Tone::Bright);
        dialog.pair("ledger", pair.ledger_name());
        dialog.pair("run", &ctx.snapshot.session.run);
        dialog.gap();
        for (account, what) in ACCOUNTS {
            if account == pair.account() {
                dialog.row(format!("> {:<13} {what}", account.word()), Tone::Good);
            } else {
                dialog.row(format!("  {:<13} {what}", account.word()), Tone::Dim);
                dialog.row(format!("                {}", refusal(pair.market(), account)), Tone::Dim);
            }
        }
        dialog.gap();
        dialog.say("Account, orders, limits, arming and positions never move from one account to another.");
        dialog
    }
}
