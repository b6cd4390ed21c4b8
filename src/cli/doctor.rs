//! `tickdeck doctor`: the checks, one by one, and the questions before anything is changed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::global::Global;
use super::output::{note, print};
use crate::config::{Config, Loaded};
use crate::engine::ids::{Account as Whose, Pair};
use crate::engine::snapshot::Health;
use crate::ledger::{Cell, Format, Sheet, holder};
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
    /// Put right what can be put right at the exchange, asking before each change: one-way mode and
    /// leverage of the configured symbols, and that orders outside the price band are refused
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
    if asked.yes && global.account() == Whose::Live && global.confirm.is_none() {
        let why = "--yes is not enough for real money: --confirm \"LIVE TAIL\" goes with it. Nothing was changed";
        return Err(Failure::new(Exit::Usage, why));
    }
    let files = global.files()?;
    let loaded = global.sources(&files).load();
    let mut found = doctor::config(&files, loaded.as_ref(), wall());
    let config = loaded.as_ref().map_or_else(|_| Config::default(), |loaded| loaded.config.clone());
    found.extend(machine(global, &files, &config));
    if global.account() == Whose::Live {
        found.extend(doctor::real_money(&config));
    }
    if let (Ok(loaded), false) = (&loaded, asked.offline) {
        found.extend(telegram(&files, &loaded.config)?);
    }
    match (&loaded, asked.offline) {
        (Err(_), _) => found.push(Finding::skip("exchange", "the configuration is refused: nothing is sent")),
        (Ok(_), true) => found.push(Finding::skip("exchange", "--offline")),
        (Ok(loaded), false) => found.extend(exchange(global, loaded, asked)?),
    }
    print(&match asked.format {
        Format::Table => listing(&found, columns()),
        format => sheet(&found).render(format),
    })?;
    let count = |health| found.iter().filter(|finding| finding.health == health).count();
    let sum = format!(
        "{} ok, {} to look at, {} failed, {} not checked",
        count(Health::Ok),
        count(Health::Warn),
        count(Health::Fail),
        count(Health::Skip)
    );
    if count(Health::Fail) > 0 {
        return Err(Failure::error(sum));
    }
    note(&sum);
    Ok(())
}

/// Columns of the terminal; a page's width where there is none.
fn columns() -> usize {
    let size = std::io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    size.map_or(100, |(columns, _)| usize::from(columns)).max(40)
}

/// Columns of the health word and its blank.
const HEALTH: usize = 5;

/// One finding after the other, each wrapped, with what to do about it below.
fn listing(found: &[Finding], columns: usize) -> String {
    let widest = found.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
    let indent = (HEALTH + widest + 2).min(columns / 2);
    let mut text = String::new();
    for finding in found {
        let head = format!("{:<HEALTH$}{}", word(finding.health), finding.check);
        let todo = finding.todo.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = wrapped(&finding.detail, columns - indent);
        if !todo.is_empty() {
            lines.extend(wrapped(&format!("-> {todo}"), columns - indent));
        }
        // A long check has a line of its own.
        if head.chars().count() + 2 > indent {
            lines.insert(0, String::new());
        }
        for (nth, line) in lines.iter().enumerate() {
            let left = if nth == 0 { head.as_str() } else { "" };
            text.push_str(format!("{left:<indent$}{line}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// Words in lines of at most so many columns; a longer word stands alone. Control characters never reach the terminal.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            *line = word;
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warn => "warn",
        Health::Fail => "fail",
        Health::Skip => "skip",
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

/// Who is called and who commands by Telegram.
fn telegram(files: &Files, config: &Config) -> Result<Option<Finding>, Failure> {
    let runs = Pair::KEPT.iter().any(|pair| holder(&files.ledger(*pair)).is_some());
    Ok(runtime()?.block_on(doctor::telegram(&config.alerts, runs)))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::error(format!("the network cannot be used: {error}")))
}

/// Everything about the exchange, and the fixes that were agreed to.
fn exchange(global: &Global, loaded: &Loaded, asked: &Doctor) -> Result<Vec<Finding>, Failure> {
    let (config, whose) = (&loaded.config, global.account());
    let runtime = runtime()?;
    let (mut found, answered) = runtime.block_on(doctor::public(&config.bybit, whose));
    let (keys, credentials) = doctor::keys(config, whose);
    found.extend(keys);
    let Some(credentials) = credentials else { return Ok(found) };
    if !answered {
        found.push(Finding::skip("account", "REST does not answer"));
        return Ok(found);
    }
    if asked.yes && whose == Whose::Live && !credentials.is_confirmed_by(global.confirm.as_deref()) {
        return Err(Failure::new(Exit::Refused, "what was typed is not this account's tail; nothing was changed"));
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
        let texts = [finding.check.as_str(), word(finding.health), &finding.detail, &finding.todo];
        sheet.push(texts.into_iter().map(Cell::text).collect());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_finding_stays_within_the_screen() {
        let todo = "make a key with read-write and contract orders and positions, and bind it to your address";
        let found = [
            Finding::ok("REST", "https://api-testnet.bybit.com answers"),
            Finding::fail("orders outside the price band", "silently moved to its edge, which nobody asked for", todo),
        ];
        for columns in [60, 80, 100] {
            let text = listing(&found, columns);
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}:\n{text}");
            assert!(text.contains("-> make a key"), "{text}");
        }
        assert_eq!(wrapped("a b", 1), ["a", "b"]);
        assert_eq!(wrapped("e\u{1b}[2J", 80), ["e?[2J"]);
    }
}
