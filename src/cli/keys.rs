//! `tickdeck keys`: store, name and remove API keys in the system's keyring. A key is never an argument: arguments stand
//! in the shell's history and in every process list.

use std::io::{IsTerminal as _, Read as _, Write as _};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use zeroize::Zeroizing;

use super::global::Global;
use super::output::{note, print};
use crate::config::Loaded;
use crate::engine::ids::Account;
use crate::keys::{
    ACCOUNTS, KeyringError, KeysError, NAMED, Named, NamedError, Part, Secret, Source, find, find_named, keyring,
    title, variable,
};
use crate::ledger::{Cell, Format, Sheet};
use crate::run::exit::{Exit, Failure};

/// Most that is read from stdin: two texts of tens of characters.
const INPUT_MAX: u64 = 8192;

/// What to do with keys.
#[derive(clap::Subcommand, Debug)]
pub(super) enum KeysCommand {
    /// Store an account's API key and secret, or a secret of an alert channel, in the system's keyring. Asks without showing
    /// it; without a terminal, reads lines from stdin: key and secret, or the one secret
    Set {
        /// demo-account, testnet or live; telegram-token, telegram-code, slack-webhook, email-password, webhook-url, serve-token
        /// or model-token
        #[arg(value_parser = whose)]
        whose: Whose,
    },
    /// Where each account's key and secret and each channel's secret come from, and the end of the key. Asks keyring and programs
    Show {
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove an account's API key and secret, or a secret of an alert channel, from the system's keyring
    Remove {
        /// demo-account, testnet or live; telegram-token, telegram-code, slack-webhook, email-password, webhook-url, serve-token
        /// or model-token
        #[arg(value_parser = whose)]
        whose: Whose,
    },
}

/// Whose secrets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    /// An account's two texts.
    Account(Account),
    /// A service's one.
    Service(Named),
}

fn whose(word: &str) -> Result<Whose, String> {
    let account = ACCOUNTS.into_iter().find(|account| account.word() == word).map(Whose::Account);
    account.or_else(|| Named::by_word(word).map(Whose::Service)).ok_or_else(|| {
        let services = NAMED.map(|named| named.word).join(", ");
        format!("write demo-account, testnet, live, {services}; the paper account has no keys")
    })
}

pub(super) fn run(global: &Global, command: &KeysCommand) -> Result<(), Failure> {
    let loaded = global.load(&global.files()?)?;
    match command {
        KeysCommand::Set { whose: Whose::Account(account) } => set(&loaded, *account),
        KeysCommand::Set { whose: Whose::Service(named) } => set_named(*named),
        KeysCommand::Show { format } => show(&loaded, *format),
        KeysCommand::Remove { whose: Whose::Account(account) } => remove(*account),
        KeysCommand::Remove { whose: Whose::Service(named) } => remove_named(*named),
    }
}

fn set(loaded: &Loaded, account: Account) -> Result<(), Failure> {
    let (key, secret) = if std::io::stdin().is_terminal() { asked(account)? } else { piped()? };
    let tail = key.tail();
    // The secret first: a key without its secret in the keyring would be paired with one from elsewhere.
    keyring::write(&keyring::entry(account, Part::Secret), secret).map_err(|error| unstored(account, &error))?;
    keyring::write(&keyring::entry(account, Part::ApiKey), key).map_err(|error| unstored(account, &error))?;
    for part in Part::ALL {
        if let Some(source) = before_the_keyring(loaded, account, part) {
            note(&format!("{source} is asked before the keyring: the {part} stored now is not used while it is there"));
        }
    }
    print(&format!("stored in the system's keyring: API key {tail} of the {} and its secret\n", title(account)))
}

fn set_named(named: Named) -> Result<(), Failure> {
    let unstored = |error: &KeyringError| {
        let (title, key) = (named.title, named.key);
        Failure::error(format!(
            "the {title} was not stored: {error}. Put it into a file of mode 0600 and name the file in {key}_file, or let a \
             program print it ({key}_command)"
        ))
    };
    let text = if std::io::stdin().is_terminal() {
        keyring::check().map_err(|error| unstored(&error))?;
        hidden_line(&format!("{} (not shown): ", named.title))?
    } else {
        let [text] = lines("write the one secret on a line of stdin; nothing was stored")?;
        text
    };
    let secret = Secret::new(&text)
        .map_err(|why| Failure::new(Exit::Usage, format!("{}: {why}; nothing was stored", named.title)))?;
    keyring::write(named.word, secret).map_err(|error| unstored(&error))?;
    if std::env::var_os(named.variable).is_some_and(|text| !text.is_empty()) {
        let source = Source::Environment(named.variable);
        note(&format!("{source} is asked before the keyring: what was stored now is not used while it is there"));
    }
    print(&format!("stored in the system's keyring: {}\n", named.title))
}

fn remove_named(named: Named) -> Result<(), Failure> {
    let removed =
        keyring::remove(named.word).map_err(|error| Failure::error(format!("nothing was removed: {error}")))?;
    let what = if removed { "removed" } else { "nothing was there" };
    print(&format!("system's keyring, {}: {what}\n", named.title))
}

fn unstored(account: Account, error: &KeyringError) -> Failure {
    let section = account.word().replace('-', "_");
    Failure::error(format!(
        "the keys of the {} were not stored: {error}. Put each into a file of mode 0600 and name the files in \
         keys.{section}.api_key_file and keys.{section}.secret_file, or let a program print them \
         (keys.{section}.api_key_command and secret_command)",
        title(account)
    ))
}

/// What is asked before the keyring and has, or must have, this text.
fn before_the_keyring(loaded: &Loaded, account: Account, part: Part) -> Option<Source> {
    let set = variable(account, part).filter(|name| std::env::var_os(name).is_some_and(|text| !text.is_empty()));
    let file = || loaded.config.keys.of(account)?.of(part).file.clone();
    set.map(Source::Environment).or_else(|| file().map(Source::File))
}

fn show(loaded: &Loaded, format: Format) -> Result<(), Failure> {
    let mut sheet = Sheet::new(["account", "api_key", "api_key_from", "secret_from", "health"]);
    let mut unusable = Vec::new();
    for account in ACCOUNTS {
        let places = loaded.config.keys.of(account).cloned().unwrap_or_default();
        let [key, secret] = Part::ALL.map(|part| find(account, part, &places));
        let tail = key.as_ref().map_or(Cell::Nothing, |(text, _)| Cell::text(text.tail()));
        let health = match (&key, &secret) {
            (Ok(_), Ok(_)) => "ok",
            (Err(KeysError::Missing { .. }), Err(KeysError::Missing { .. })) => "none",
            _ => "fail",
        };
        if health == "fail" {
            unusable
                .extend([&key, &secret].into_iter().filter_map(|found| found.as_ref().err()).map(ToString::to_string));
        }
        let [key, secret] =
            [key, secret].map(|found| found.map_or(Cell::Nothing, |(_, place)| Cell::text(place.to_string())));
        sheet.push(vec![Cell::text(account.word()), tail, key, secret, Cell::text(health)]);
    }
    for named in NAMED {
        let found = find_named(named, loaded.config.place(named));
        let health = match &found {
            Ok(_) => "ok",
            Err(NamedError::Missing { .. }) => "none",
            Err(NamedError::Unusable { .. }) => "fail",
        };
        if let Err(error @ NamedError::Unusable { .. }) = &found {
            unusable.push(error.to_string());
        }
        let place = found.map_or(Cell::Nothing, |(_, place)| Cell::text(place.to_string()));
        sheet.push(vec![Cell::text(named.word), Cell::Nothing, Cell::Nothing, place, Cell::text(health)]);
    }
    print(&sheet.render(format))?;
    if unusable.is_empty() { Ok(()) } else { Err(Failure::error(unusable.join("\n"))) }
}

fn remove(account: Account) -> Result<(), Failure> {
    let failed = |error: KeyringError| Failure::error(format!("nothing more was removed: {error}"));
    let mut removed = Vec::new();
    for part in Part::ALL {
        if keyring::remove(&keyring::entry(account, part)).map_err(failed)? {
            removed.push(part.to_string());
        }
    }
    let what =
        if removed.is_empty() { "nothing was there".to_owned() } else { format!("removed {}", removed.join(" and ")) };
    print(&format!("system's keyring, {}: {what}\n", title(account)))
}

/// Key and secret as two lines of stdin.
fn piped() -> Result<(Secret, Secret), Failure> {
    let [key, secret] = lines("write the API key on one line of stdin and the secret on the next; nothing was stored")?;
    Ok((checked(Part::ApiKey, &key)?, checked(Part::Secret, &secret)?))
}

/// As many lines of stdin as there must be, neither more nor fewer.
fn lines<const N: usize>(wanted: &str) -> Result<[Zeroizing<String>; N], Failure> {
    let mut text = Zeroizing::new(String::with_capacity(INPUT_MAX as usize + 1));
    let read = std::io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text);
    read.map_err(|_| Failure::error(format!("stdin holds no text; {wanted}")))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<_> = lines.map(|line| Zeroizing::new(line.to_owned())).collect();
    lines.try_into().map_err(|_| Failure::new(Exit::Usage, wanted))
}

fn asked(account: Account) -> Result<(Secret, Secret), Failure> {
    // Nobody should type a secret for nothing.
    keyring::check().map_err(|error| unstored(account, &error))?;
    let ask = |part: Part| {
        let text = hidden_line(&format!("{part} of the {} (not shown): ", title(account)))?;
        checked(part, &text)
    };
    Ok((ask(Part::ApiKey)?, ask(Part::Secret)?))
}

fn checked(part: Part, text: &str) -> Result<Secret, Failure> {
    Secret::new(text).map_err(|why| Failure::new(Exit::Usage, format!("{part}: {why}; nothing was stored")))
}

/// One line from the terminal, without showing it. The terminal is given back whatever happens.
fn hidden_line(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let mut err = std::io::stderr().lock();
    let shown = write!(err, "{prompt}").and_then(|()| err.flush());
    let line = shown.and_then(|()| enable_raw_mode()).and_then(|()| {
        let line = typed();
        disable_raw_mode().and(line)
    });
    drop(writeln!(err));
    line.map_err(|error| Failure::error(format!("cannot read from the terminal: {error}")))?
        .ok_or_else(|| Failure::error("nothing was stored"))
}

/// What is typed or pasted until Enter; `None` when it was broken off.
fn typed() -> std::io::Result<Option<Zeroizing<String>>> {
    let mut line = Zeroizing::new(String::with_capacity(INPUT_MAX as usize));
    loop {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = read()? else { continue };
        if kind == KeyEventKind::Release {
            continue;
        }
        match code {
            KeyCode::Enter => return Ok(Some(line)),
            KeyCode::Esc => return Ok(None),
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => return Ok(None),
            KeyCode::Char('u') if modifiers.contains(KeyModifiers::CONTROL) => line.clear(),
            KeyCode::Backspace => drop(line.pop()),
            // A buffer that never grows leaves no copy behind; what is longer is no key.
            KeyCode::Char(c) if line.len() + c.len_utf8() < line.capacity() => line.push(c),
            _ => {}
        }
    }
}
