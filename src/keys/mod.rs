//! API keys and secrets of the exchange accounts: where they may lie, and how they are found. The environment is asked
//! first, then a file of mode 0600, then the system's keyring, then a program; the first that has a text counts, and a
//! source that is configured but cannot be used is an error, never a reason to take another text silently.

mod error;
mod file;
pub mod keyring;
mod named;
mod places;
mod program;
mod secret;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use error::{KeysError, Why};
pub use file::FileError;
pub use keyring::KeyringError;
pub use named::{
    EMAIL_PASSWORD, MODEL_TOKEN, NAMED, Named, NamedError, SERVE_TOKEN, SLACK_WEBHOOK, TELEGRAM_CODE, TELEGRAM_TOKEN,
    WEBHOOK_URL, find_named,
};
pub use places::{Place, Places};
pub use program::ProgramError;
pub use secret::{Malformed, Secret};

use crate::engine::ids::Account;

/// How long a program may take: a person may have to unlock something.
const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

/// One of the two texts that open an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Names the key pair; sent with every request.
    ApiKey,
    /// Signs; never sent.
    Secret,
}

impl Part {
    /// Both, the key first.
    pub const ALL: [Self; 2] = [Self::ApiKey, Self::Secret];
    /// End of the names of its configuration keys and environment variables.
    const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey => "API key",
            Self::Secret => "API secret",
        })
    }
}

/// Where a text was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An environment variable.
    Environment(&'static str),
    /// A file.
    File(PathBuf),
    /// The system's keyring.
    Keyring,
    /// A program, by its name without arguments.
    Program(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Keyring => f.write_str("system keyring"),
            Self::Program(name) => write!(f, "program {name}"),
        }
    }
}

/// What opens an account. Debug output shows neither text.
#[derive(Debug)]
pub struct Credentials {
    /// Names the key pair.
    pub api_key: Secret,
    /// Signs.
    pub secret: Secret,
}

/// The accounts that have keys.
pub const ACCOUNTS: [Account; 3] = [Account::DemoAccount, Account::Testnet, Account::Live];

/// How an account is called in a sentence.
pub const fn title(account: Account) -> &'static str {
    match account {
        Account::Paper => "paper account",
        Account::DemoAccount => "demo account",
        Account::Testnet => "testnet account",
        Account::Live => "live account",
    }
}

/// The environment variable of a text; the paper account has none.
pub const fn variable(account: Account, part: Part) -> Option<&'static str> {
    Some(match (account, part) {
        (Account::Paper, _) => return None,
        (Account::DemoAccount, Part::ApiKey) => "BYBIT_DEMO_API_KEY",
        (Account::DemoAccount, Part::Secret) => "BYBIT_DEMO_API_SECRET",
        (Account::Testnet, Part::ApiKey) => "BYBIT_TESTNET_API_KEY",
        (Account::Testnet, Part::Secret) => "BYBIT_TESTNET_API_SECRET",
        (Account::Live, Part::ApiKey) => "BYBIT_API_KEY",
        (Account::Live, Part::Secret) => "BYBIT_API_SECRET",
    })
}

/// Finds key and secret of an account. May wait for a person who unlocks the keyring or answers a program.
pub fn credentials(account: Account, places: &Places) -> Result<Credentials, KeysError> {
    System::default().credentials(account, places)
}

/// The variables of the watchdog's own key and secret.
const OF_THE_WATCHDOG: [&str; 2] = ["BYBIT_WATCHDOG_API_KEY", "BYBIT_WATCHDOG_API_SECRET"];

/// Where the key comes from that a watchdog in this environment uses, in words, and whether it is its own.
pub fn watchdog_key() -> (bool, String) {
    let [key, secret] = OF_THE_WATCHDOG;
    match OF_THE_WATCHDOG.map(|name| std::env::var(name).is_ok_and(|text| !text.trim().is_empty())) {
        [true, true] => (true, format!("its own, from {key}")),
        [false, false] => (false, "the account's own".to_owned()),
        [has_key, _] => {
            let (set, missing) = if has_key { (key, secret) } else { (secret, key) };
            (false, format!("the account's own, because {set} is set and {missing} is not"))
        }
    }
}

/// The watchdog's own key and secret from its own two variables, else those of its account.
pub fn watchdog_credentials(account: Account, places: &Places) -> Result<Credentials, KeysError> {
    let own = |part, variable: &'static str| {
        let text = std::env::var(variable).ok().map(zeroize::Zeroizing::new).filter(|text| !text.trim().is_empty())?;
        let place = Source::Environment(variable);
        Some(Secret::new(&text).map_err(|why| KeysError::Unusable { account, part, place, why: why.into() }))
    };
    let [key, secret] = OF_THE_WATCHDOG;
    match (own(Part::ApiKey, key), own(Part::Secret, secret)) {
        (Some(api_key), Some(secret)) => Ok(Credentials { api_key: api_key?, secret: secret? }),
        _ => credentials(account, places),
    }
}

/// Finds one text and where it was.
pub fn find(account: Account, part: Part, places: &Places) -> Result<(Secret, Source), KeysError> {
    System::default().find(account, part, places)
}

/// What is asked besides files and programs.
struct System<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    keyring: &'a dyn Fn(&str) -> Result<Option<Secret>, KeyringError>,
}

impl Default for System<'_> {
    fn default() -> Self {
        Self { environment: &|name| std::env::var(name).ok(), keyring: &keyring::read }
    }
}

impl System<'_> {
    fn credentials(&self, account: Account, places: &Places) -> Result<Credentials, KeysError> {
        let (api_key, _) = self.find(account, Part::ApiKey, places)?;
        let (secret, _) = self.find(account, Part::Secret, places)?;
        Ok(Credentials { api_key, secret })
    }

    fn find(&self, account: Account, part: Part, places: &Places) -> Result<(Secret, Source), KeysError> {
        let Some(variable) = variable(account, part) else { return Err(KeysError::Paper) };
        self.look(variable, &keyring::entry(account, part), places.of(part)).map_err(|lack| match lack {
            Lack::Unusable(place, why) => KeysError::Unusable { account, part, place, why },
            Lack::Missing(keyring) => KeysError::Missing { account, part, variable, keyring },
        })
    }

    /// Looks in every place, in order.
    fn look(&self, variable: &'static str, entry: &str, place: &Place) -> Result<(Secret, Source), Lack> {
        let text = (self.environment)(variable).map(zeroize::Zeroizing::new).filter(|text| !text.trim().is_empty());
        if let Some(text) = text {
            let source = Source::Environment(variable);
            let secret = Secret::new(&text).map_err(|why| Lack::Unusable(source.clone(), why.into()))?;
            return Ok((secret, source));
        }
        if let Some(path) = &place.file {
            let source = Source::File(path.clone());
            let secret = file::read(path).map_err(|why| Lack::Unusable(source.clone(), why))?;
            return Ok((secret, source));
        }
        // A keyring that does not answer does not hide a program that does; what it said is told if nothing is found.
        let keyring = match (self.keyring)(entry) {
            Ok(Some(secret)) => return Ok((secret, Source::Keyring)),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if let Some(name) = place.command.first() {
            let source = Source::Program(name.clone());
            let asked = program::ask(&place.command, PROGRAM_LIMIT);
            let secret = asked.map_err(|why| Lack::Unusable(source.clone(), why))?;
            return Ok((secret, source));
        }
        Err(Lack::Missing(keyring))
    }
}

/// Why a text was not found.
enum Lack {
    /// A source has one that cannot be used.
    Unusable(Source, Why),
    /// No source has it; what the keyring said, where it did not answer.
    Missing(Option<KeyringError>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AbCdEfGhIjKlMnOpQr";

    fn printing(text: &str) -> Place {
        Place { file: None, command: vec!["printf".into(), text.into()] }
    }

    #[test]
    fn the_first_source_that_has_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        file::tests::write(&path, "from-the-file", 0o600);
        let ring = |entry: &str| Ok((entry == "testnet api_key").then(|| Secret::new("from-the-keyring").unwrap()));
        let environment = |name: &str| (name == "BYBIT_TESTNET_API_KEY").then(|| " from-environment\n".to_owned());
        let empty = |_: &str| Some(" ".to_owned());

        let mut places = Places { api_key: printing("from-the-program"), ..Places::default() };
        places.api_key.file = Some(path.clone());
        let asked = |system: &System<'_>, places: &Places| {
            let (text, source) = system.find(Account::Testnet, Part::ApiKey, places).unwrap();
            (text.expose().to_owned(), source)
        };
        let all = System { environment: &environment, keyring: &ring };
        let variable = Source::Environment("BYBIT_TESTNET_API_KEY");
        assert_eq!(asked(&all, &places), ("from-environment".into(), variable));
        let unset = System { environment: &empty, keyring: &ring };
        assert_eq!(asked(&unset, &places), ("from-the-file".into(), Source::File(path)));
        places.api_key.file = None;
        assert_eq!(asked(&unset, &places), ("from-the-keyring".into(), Source::Keyring));
        let unset = System { environment: &empty, keyring: &|_| Ok(None) };
        assert_eq!(asked(&unset, &places), ("from-the-program".into(), Source::Program("printf".into())));
    }

    #[test]
    fn a_configured_source_that_fails_is_not_passed_over() {
        let ring = |_: &str| Ok(Some(Secret::new("from-the-keyring").unwrap()));
        let system = System { environment: &|_| None, keyring: &ring };
        let places =
            Places { api_key: Place { file: Some("/nowhere/key".into()), command: Vec::new() }, ..Places::default() };
        let told = system.credentials(Account::Live, &places).unwrap_err().to_string();
        assert!(told.contains("API key of the live account") && told.contains("/nowhere/key"), "{told}");
        let bad = System { environment: &|_| Some("two words".into()), keyring: &ring };
        let told = bad.credentials(Account::Live, &Places::default()).unwrap_err().to_string();
        assert!(told.contains("environment BYBIT_API_KEY") && !told.contains("two words"), "{told}");
    }

    #[test]
    fn nothing_found_says_where_was_looked_and_what_to_do() {
        let silent = |_: &str| Err(KeyringError::Unavailable("no bus".into()));
        let environment = |name: &str| (name == "BYBIT_API_KEY").then(|| KEY.to_owned());
        let system = System { environment: &environment, keyring: &silent };
        let told = system.credentials(Account::Live, &Places::default()).unwrap_err().to_string();
        for part in
            ["no API secret for the live account", "BYBIT_API_SECRET", "no bus", "keys.live.secret_file", "0600"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains(KEY), "{told}");
        let told = system.credentials(Account::Paper, &Places::default()).unwrap_err().to_string();
        assert!(told.contains("paper account has no keys"), "{told}");
    }

    #[test]
    fn a_keyring_that_does_not_answer_does_not_hide_a_program() {
        let silent = |_: &str| Err(KeyringError::Unavailable("no bus".into()));
        let system = System { environment: &|_| None, keyring: &silent };
        let places = Places { api_key: printing(KEY), secret: printing("0123456789abcdef") };
        let found = system.credentials(Account::DemoAccount, &places).unwrap();
        assert_eq!((found.api_key.expose(), found.secret.expose()), (KEY, "0123456789abcdef"));
        let shown = format!("{found:?}");
        assert!(!shown.contains(KEY) && !shown.contains("0123"), "{shown}");
    }
}
