//! Options of every command, and what they load: places, configuration, look.

use std::path::PathBuf;

use crate::config::{Config, Loaded, PREFIX, Sources};
use crate::engine::ids::Account;
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::tui::theme::{ColorChoice, ColorDepth, GlyphSet, Theme};

/// Options that go with every command.
#[derive(clap::Args, Debug, Clone)]
pub struct Global {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for configuration, ledgers, tapes and models
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Set a configuration key, such as `risk.max_daily_loss=50`
    // Not `global`: `Cli::line` puts it at every level, so that those of all levels count.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Whose money
    #[arg(long, global = true, value_enum)]
    pub mode: Option<Mode>,
    /// Real money: the words LIVE and the account's tail (the last four characters of its API key)
    #[arg(long, global = true, value_name = "LIVE TAIL")]
    pub confirm: Option<String>,
    /// Least level of what is logged; the default is the configuration's (log.level)
    #[arg(long, global = true, value_enum)]
    pub log_level: Option<LogLevel>,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t)]
    pub color: Color,
    /// Characters the cockpit draws with; the default is the configuration's
    #[arg(long, global = true, value_enum)]
    pub glyphs: Option<GlyphChoice>,
    /// The cockpit, or lines of text
    #[arg(long, global = true, value_enum, default_value_t)]
    pub front: Front,
}

/// Accounts by the word of the command line.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// tickdeck's own paper account.
    Paper,
    /// Bybit's demo trading.
    DemoAccount,
    /// Bybit's testnet.
    Testnet,
    /// Real money.
    Live,
}

/// Levels of the log by the word of the command line and of the configuration.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// No log.
    Off,
    /// Everything.
    Info,
    /// What wants a look.
    Warn,
    /// What wants a hand.
    Alarm,
}

impl LogLevel {
    const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Alarm => "alarm",
        }
    }
}

/// When to use colours.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// What terminal and `NO_COLOR` say.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Character sets by the word of the command line.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlyphChoice {
    /// Blocks, arrows, braille.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// What a run shows itself with.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Front {
    /// The cockpit.
    #[default]
    Tui,
    /// Lines of text.
    Lines,
}

impl Global {
    /// Where things lie.
    pub fn files(&self) -> Result<Files, Failure> {
        Files::find(self.config.as_deref(), self.data_dir.as_deref(), variable).map_err(Failure::error)
    }

    /// The configuration, checked.
    pub fn load(&self, files: &Files) -> Result<Loaded, Failure> {
        self.sources(files).load().map_err(Failure::configuration)
    }

    /// What the configuration is read from.
    pub fn sources(&self, files: &Files) -> Sources {
        // Only ours: what else is there may be secret and is nobody's business here.
        let ours = |name: &String| name.starts_with(PREFIX);
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok().filter(ours)?, value.into_string().ok()?)));
        let level = self.log_level.map(|level| format!("log.level={}", level.word()));
        let overrides = self.overrides.iter().cloned().chain(level).collect();
        Sources { file: Some(files.config()), environment: environment.collect(), overrides }
    }

    /// The theme of the cockpit: configuration, command line and terminal together.
    pub fn theme(&self, loaded: &Loaded) -> Theme {
        let choice = match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let glyphs = if self.ascii(&loaded.config) { GlyphSet::Ascii } else { GlyphSet::Unicode };
        let depth = ColorDepth::detect(choice, variable);
        Theme::named(&loaded.config.ui.theme, depth, glyphs).unwrap_or_default()
    }

    /// Is the cockpit to draw in ASCII: command line, else configuration?
    pub fn ascii(&self, config: &Config) -> bool {
        self.glyphs.map_or(config.ui.glyphs == "ascii", |glyphs| glyphs == GlyphChoice::Ascii)
    }

    /// The account of `--mode`.
    pub fn account(&self) -> Account {
        match self.mode.unwrap_or(Mode::Paper) {
            Mode::Paper => Account::Paper,
            Mode::DemoAccount => Account::DemoAccount,
            Mode::Testnet => Account::Testnet,
            Mode::Live => Account::Live,
        }
    }

    /// Refuses an account of the exchange on a market that is not its own.
    pub fn refuse_impossible_mode(&self, own_market: bool) -> Result<(), Failure> {
        let account = self.account();
        if !own_market || account == Account::Paper {
            return Ok(());
        }
        let word = account.word();
        let why = format!(
            "the simulated market and tapes have the paper account and no other: no order of the {word} account is ever \
             priced from a market that is not its own"
        );
        Err(Failure::new(Exit::Configuration, format!("--mode {word}: {why}")))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
