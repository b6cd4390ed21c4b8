//! `tickdeck config`: make, show, check, describe.

use std::io::Write as _;

use super::global::Global;
use super::output::{note, print};
use crate::config::{Config, KEYS, example, schema};
use crate::engine::ids::Account;
use crate::ledger::{Cell, Format, Sheet};
use crate::run::clock::wall;
use crate::run::exit::Failure;
use crate::run::files::make;
use crate::venue::bybit::credentials::PrivateAccount;
use crate::venue::bybit::hosts::{HostError, Network, PrivateHosts, PublicHosts, Region};

/// Accounts that a run may have.
const MODES: [Account; 3] = [Account::Paper, Account::DemoAccount, Account::Testnet];

/// What to do with the configuration.
#[derive(clap::Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Write a file with every key and its default, all switched off
    Init {
        /// Print it instead of writing it
        #[arg(long)]
        print: bool,
    },
    /// Every key, its value and where it comes from
    Show {
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Is the configuration sound?
    Check,
    /// A JSON schema of the file, for editors
    Schema,
}

pub(super) fn run(global: &Global, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init { print: true } => print(&example()),
        ConfigCommand::Init { print: false } => init(global),
        ConfigCommand::Show { format } => show(global, *format),
        ConfigCommand::Check => check(global),
        ConfigCommand::Schema => print(&format!("{:#}\n", schema())),
    }
}

fn init(global: &Global) -> Result<(), Failure> {
    let (path, _) = global.files()?.config();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make(folder).map_err(Failure::error)?;
    }
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    written.and_then(|mut file| file.write_all(example().as_bytes())).map_err(|error| {
        Failure::error(format!("cannot write {}: {error}; nothing was overwritten", path.display()))
    })?;
    print(&format!("{}\n", path.display()))
}

fn show(global: &Global, format: Format) -> Result<(), Failure> {
    let loaded = global.load(&global.files()?)?;
    let mut sheet = Sheet::new(["key", "value", "from"]);
    for key in KEYS {
        let value = key.get(&loaded.config).to_string();
        sheet.push(vec![Cell::text(key.path), Cell::text(value), Cell::text(loaded.origin(key).to_string())]);
    }
    print(&sheet.render(format))
}

/// Addresses belong to one mode's family of hosts: to that of `--mode`, without it to that of at least one.
fn check_hosts(global: &Global, config: &Config) -> Result<(), Failure> {
    let (given, region) = (config.bybit.overrides(), Region::parse(&config.bybit.region));
    let region = region.map_err(|error| Failure::configuration(format!("bybit.{error}")))?;
    let of = |account: Account| -> Result<(), HostError> {
        let network = if account == Account::Testnet { Network::Testnet } else { Network::Mainnet };
        // Every mode reads public data and, but for paper, an account; what one of them refuses, the mode refuses.
        PublicHosts::new(network, region, &given)?;
        match account {
            Account::DemoAccount => PrivateHosts::check(&PrivateAccount::Demo, &given),
            Account::Testnet => PrivateHosts::check(&PrivateAccount::Testnet, &given),
            Account::Paper | Account::Live => Ok(()),
        }
    };
    let asked = if global.mode.is_some() { vec![global.account()] } else { MODES.to_vec() };
    let mut refused = Vec::new();
    for account in &asked {
        if let Err(error) = of(*account) {
            refused.push(format!("--mode {}: bybit.{error}", account.word()));
        }
    }
    if refused.len() == asked.len() {
        return Err(Failure::configuration(refused.join("\n")));
    }
    for text in &refused {
        note(text);
    }
    Ok(())
}

fn check(global: &Global) -> Result<(), Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    for text in loaded.config.notes(wall()) {
        note(&text);
    }
    check_hosts(global, &loaded.config)?;
    let (path, _) = files.config();
    let file = if path.exists() { path.display().to_string() } else { format!("{} (absent)", path.display()) };
    print(&format!("ok: {} of {} keys are set; file {file}\n", loaded.origins.len(), KEYS.len()))
}
