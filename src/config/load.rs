//! Loading: file, environment and command line laid over the defaults, every problem collected before any is reported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::nearest;
use super::value::Literal;
use super::{Config, ConfigError, KEYS, Key, Origin, Problem};

/// Largest file that is read: ours has a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Prefix of environment variables that set keys.
pub const PREFIX: &str = "TICKDECK__";
/// Sections of other builds, with what they need.
const ELSEWHERE: &[(&str, &str)] = &[("bus", "the message bus")];

/// Ends of names, without `_`, that people give to secrets.
const SECRETS: &[&str] = &["secret", "apikey", "password", "passphrase", "token", "privatekey"];

/// What a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file and whether it must exist (named on the command line).
    pub file: Option<(PathBuf, bool)>,
    /// Environment variables, as `std::env::vars` gives them.
    pub environment: Vec<(String, String)>,
    /// `section.name=value` from the command line, the last one wins.
    pub overrides: Vec<String>,
}

/// A configuration and where each value that is not a default came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Origin by key path.
    pub origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where a key's value came from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key.path).cloned().unwrap_or_default()
    }
}

impl Sources {
    /// Reads everything and checks it as a whole.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut desk = Desk::default();
        if let Some((path, required)) = &self.file {
            desk.file(path, *required);
        }
        for (name, value) in &self.environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path = rest.replace("__", ".").to_lowercase();
                desk.set(&path, &Literal::Bare(value.clone()), Origin::Environment(name.clone()));
            }
        }
        for given in &self.overrides {
            match given.split_once('=') {
                Some((path, value)) => {
                    desk.set(path.trim(), &Literal::Bare(value.trim().to_owned()), Origin::CommandLine);
                }
                None => desk.problem(Origin::CommandLine, given, "write it as section.key=value".to_owned()),
            }
        }
        desk.finish()
    }

    /// Reads one text as if it were the file at `path`.
    pub fn load_text(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        let mut desk = Desk::default();
        desk.text(path, text);
        desk.finish()
    }
}

#[derive(Default)]
struct Desk {
    config: Config,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<Problem>,
}

impl Desk {
    fn problem(&mut self, origin: Origin, key: &str, what: String) {
        let key = key.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
        self.problems.push(Problem { origin, key, what });
    }

    fn file(&mut self, path: &Path, required: bool) {
        let size = std::fs::metadata(path).map(|meta| meta.len());
        let text = match size {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => return,
            Ok(size) if size > FILE_BYTES_MAX => Err(format!("{size} bytes are no configuration file")),
            _ => std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}")),
        };
        match text {
            Ok(text) => self.text(path, &text),
            Err(what) => self.problem(Origin::File(path.to_owned(), 0), "", what),
        }
    }

    fn text(&mut self, path: &Path, text: &str) {
        let lines = Lines { path, text };
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                return self.problem(lines.origin(at), "", format!("this is no TOML: {}", error.message()));
            }
        };
        for (name, value) in table.get_ref() {
            let origin = lines.origin(name.span().start);
            match value.get_ref() {
                DeValue::Table(section) if !is_key(name.get_ref()) => {
                    self.section(&lines, name.get_ref(), section, &origin);
                }
                value => self.set(name.get_ref(), &literal(value), origin),
            }
        }
    }

    fn section(&mut self, lines: &Lines<'_>, name: &str, section: &DeTable<'_>, origin: &Origin) {
        if let Some((_, part)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
            return self.problem(origin.clone(), name, format!("this build does not have {part}; remove the section"));
        }
        let sections = || KEYS.iter().map(Key::section).filter(|s| !s.is_empty());
        let within =
            |known: &str| known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if !sections().any(within) {
            let hint = nearest(name, sections()).map_or(String::new(), |near| format!("; did you mean [{near}]?"));
            return self.problem(origin.clone(), name, format!("no such section{hint}"));
        }
        for (key, value) in section {
            let (path, origin) = (format!("{name}.{}", key.get_ref()), lines.origin(key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) if !is_key(&path) => self.section(lines, &path, inner, &origin),
                value => self.set(&path, &literal(value), origin),
            }
        }
    }

    fn set(&mut self, path: &str, literal: &Literal, origin: Origin) {
        let Some(key) = KEYS.iter().find(|key| key.path == path) else {
            return self.problem(origin, path, unknown(path));
        };
        match key.set(&mut self.config, literal) {
            Ok(()) => drop(self.origins.insert(key.path, origin)),
            Err(what) => self.problem(origin, path, what),
        }
    }

    /// Rules across keys are checked only once every key alone is sound: one mistake, one message.
    fn finish(mut self) -> Result<Loaded, ConfigError> {
        if self.problems.is_empty() {
            for (path, what) in self.config.contradictions() {
                let origin = self.origins.get(path).cloned().unwrap_or_default();
                self.problem(origin, path, what);
            }
        }
        if self.problems.is_empty() {
            Ok(Loaded { config: self.config, origins: self.origins })
        } else {
            Err(ConfigError { problems: self.problems })
        }
    }
}

fn is_key(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path)
}

/// What to say about an unknown key: the same name elsewhere, or the nearest one.
fn unknown(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    if SECRETS.iter().any(|word| name.replace(['-', '_'], "").to_lowercase().ends_with(word)) {
        return "no secret is ever written here: `tickdeck keys set` stores it in the system's keyring, and \
                keys.ACCOUNT.secret_file and secret_command name a file or a program that holds it. Take it out of this \
                place and make a new one at Bybit"
            .to_owned();
    }
    let near = KEYS.iter().find(|key| key.name() == name).map(|key| key.path);
    let near = near.or_else(|| nearest(path, KEYS.iter().map(|key| key.path)));
    let near = near.or_else(|| {
        let close = nearest(name, KEYS.iter().map(Key::name))?;
        KEYS.iter().find(|key| key.name() == close).map(|key| key.path)
    });
    near.map_or("no such key".to_owned(), |near| format!("no such key; did you mean `{near}`?"))
}

struct Lines<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Lines<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        Origin::File(self.path.to_owned(), before.filter(|byte| **byte == b'\n').count() + 1)
    }
}

fn literal(value: &DeValue<'_>) -> Literal {
    match value {
        DeValue::String(text) => Literal::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Literal::Number(plain(number.as_str())),
        DeValue::Integer(_) => Literal::Other("a number that is not decimal"),
        DeValue::Float(number) => Literal::Number(plain(number.as_str())),
        DeValue::Boolean(flag) => Literal::Flag(*flag),
        DeValue::Datetime(_) => Literal::Other("a date"),
        DeValue::Array(_) => {
            texts(value).map_or(Literal::Other("a list with something else than texts"), Literal::List)
        }
        DeValue::Table(table) => table
            .iter()
            .map(|(name, keys)| Some((name.get_ref().to_string(), texts(keys.get_ref())?)))
            .collect::<Option<Vec<_>>>()
            .map_or(Literal::Other("a table with something else than texts"), Literal::Names),
    }
}

/// TOML allows `1_000`.
fn plain(number: &str) -> String {
    number.replace('_', "")
}

/// A list of texts, or one text as a list of one.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(list) => list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
