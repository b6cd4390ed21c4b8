//! `tickdeck doctor`: the checks, one by one, and the questions before anything is changed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::global::Global;
use super::output::print;
use crate::config::{Config, Loaded};
use crate::engine::snapshot::Health;
use crate::ledger::{Cell, Format, Sheet};
use crate::run::clock::wall;
use crate::run::doctor::{self, Account, Finding, Terminal};
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;

/// What to check, and what may be changed.
#[derive(clap::Args, Debug)]
pub(super) struct Doctor {
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Put right what can be put right at the exchange, asking before each change: one-way mode of the configured
    /// symbols, and that orders outside the price band are refused
    #[arg(long)]
    fix: bool,
    /// Yes to every question of --fix
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Only what needs no network
    #[arg(long, conflicts_with = "fix")]
    offline: bool,
}

/// Exit code 1 when a check fails.
pub(super) fn run(global: &Global, asked: &Doctor) -> Result<(), Failure> {
    if asked.fix && !asked.yes && !std::io::stdin().is_terminal() {
        let why = "--fix asks before each change and there is no terminal to ask on: add --yes. Nothing was changed";
        return Err(Failure::new(Exit::Usage, why));
    }
    let files = global.files()?;
    let loaded = global.sources(&files).load();
    let mut found = doctor::config(&files, loaded.as_ref(), wall());
    let config = loaded.as_ref().map_or_else(|_| Config::default(), |loaded| loaded.config.clone());
    found.extend(machine(global, &files, &config));
    match (&loaded, asked.offline) {
        (Err(_), _) => found.push(Finding::skip("exchange", "the configuration is refused: nothing is sent")),
        (Ok(_), true) => found.push(Finding::skip("exchange", "--offline")),
        (Ok(loaded), false) => found.extend(exchange(global, loaded, asked)?),
    }
    print(&sheet(&found).render(asked.format))?;
    match found.iter().filter(|finding| finding.health == Health::Fail).count() {
        0 => Ok(()),
        bad => Err(Failure::error(format!("{bad} of {} checks failed", found.len()))),
    }
}

fn machine(global: &Global, files: &Files, config: &Config) -> Vec<Finding> {
    let size = std::io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    let variable = |name: &str| std::env::var(name).ok();
    let terminal = Terminal { size, variable: &variable, ascii: global.ascii(config) };
    let mut found = doctor::data_dir(files, config);
    found.extend(doctor::ledgers(files));
    found.extend(doctor::terminal(&terminal));
    found.extend(doctor::models(files, config));
    found
}

/// Everything about the exchange, and the fixes that were agreed to.
fn exchange(global: &Global, loaded: &Loaded, asked: &Doctor) -> Result<Vec<Finding>, Failure> {
    let (config, whose) = (&loaded.config, global.account());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(format!("the network cannot be used: {error}")))?;
    let (mut found, answered) = runtime.block_on(doctor::public(&config.bybit, whose));
    let (keys, credentials) = doctor::keys(config, whose);
    found.extend(keys);
    let Some(credentials) = credentials else { return Ok(found) };
    if !answered {
        found.push(Finding::skip("account", "REST does not answer"));
        return Ok(found);
    }
    match Account::open(config, whose, credentials) {
        Err(finding) => found.push(finding),
        Ok(account) => {
            let mut about = runtime.block_on(account.findings(config));
            for finding in about.iter_mut().filter(|_| asked.fix) {
                let Some(fix) = finding.fix.clone() else { continue };
                if asked.yes || agreed(&account.question(&fix))? {
                    *finding = runtime.block_on(account.fix(&fix));
                }
            }
            found.extend(about);
        }
    }
    Ok(found)
}

/// Only a clear yes is one.
fn agreed(question: &str) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::error(format!("cannot ask: {error}; nothing was changed"));
    let mut err = std::io::stderr().lock();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn sheet(found: &[Finding]) -> Sheet {
    let mut sheet = Sheet::new(["check", "health", "detail", "todo"]);
    for finding in found {
        let health = match finding.health {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "fail",
            Health::Skip => "skip",
        };
        let texts = [finding.check.as_str(), health, &finding.detail, &finding.todo];
        sheet.push(texts.into_iter().map(Cell::text).collect());
    }
    sheet
}
