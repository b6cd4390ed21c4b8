//! `tickdeck alerts test`: one message through each channel, a look at the remote control, and for each that fails why.

use super::global::Global;
use super::output::print;
use crate::alerts::{Alert, Event, Message, try_once};
use crate::ledger::{Cell, Format, Sheet};
use crate::run::clock::wall;
use crate::run::exit::Failure;
use crate::run::remote;

/// What to do with the channels.
#[derive(clap::Subcommand, Debug)]
pub(super) enum AlertsCommand {
    /// Send one message through each channel of `alerts.channels`, and look at Telegram's remote control. Exit code 1 when one fails, 4 when there is none
    Test {
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(global: &Global, command: &AlertsCommand) -> Result<(), Failure> {
    let AlertsCommand::Test { format } = command;
    let files = global.files()?;
    let config = global.load(&files)?.config.alerts;
    let controls = !config.settings.telegram_control.is_empty();
    if config.channels.is_empty() && !controls {
        let why = "alerts.channels names none: nobody is called. `tickdeck config init` writes a file that lists them";
        return Err(Failure::configuration(why));
    }
    let (settings, now) = (config.settings.clone(), wall());
    let message = Message {
        head: "tickdeck".to_owned(),
        at: now,
        alerts: vec![Alert::new(now, Event::Run, "this is a test: whoever reads it would be called")],
        lost: 0,
        silent: false,
    };
    let mut sheet = Sheet::new(["channel", "health", "detail"]);
    let mut failed = Vec::new();
    for channel in &config.channels {
        let outcome = try_once(channel, &settings, &message);
        let (health, detail) = match &outcome {
            Ok(()) => ("ok", "a message was taken"),
            Err(why) => ("fail", why.as_str()),
        };
        sheet.push(vec![Cell::text(channel), Cell::text(health), Cell::text(detail)]);
        failed.extend(outcome.err().map(|_| channel.clone()));
    }
    if controls {
        let outcome = remote::prove(&config.settings, files.data_dir());
        let (health, detail) = match &outcome {
            Ok(detail) => ("ok", detail),
            Err(why) => ("fail", why),
        };
        sheet.push(vec![Cell::text(remote::NAME), Cell::text(health), Cell::text(detail)]);
        failed.extend(outcome.is_err().then(|| remote::NAME.to_owned()));
    }
    print(&sheet.render(*format))?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::error(format!("nobody is reached through {}; arming is refused while that is so", failed.join(", "))))
}
