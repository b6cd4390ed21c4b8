//! Does what an allowed chat asks: what tightens at once, what loosens for a one-time code and never with real money. Everything
//! goes to the run the way it goes from its control socket.

use std::path::PathBuf;
use std::sync::Arc;

use super::codes::Codes;
use super::tell;
use super::words::{self, Word};
use crate::engine::ids::Account;
use crate::engine::num::Price;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::state::Latch;
use crate::engine::snapshot::Snapshot;
use crate::engine::time::{Span, Ts};
use crate::ledger::{Filter, Format, PnlBy, Reader};
use crate::run::control::{Answer, Ask, State, Verb};
use crate::run::files::ledger_path;
use crate::run::refusals::Refusal;
use crate::run::watch::Watch;

/// Days that `/daily` lists.
const DAYS: Span = Span::from_secs(7 * 86_400);
const REAL_MONEY: &str = "real money: nothing is loosened from here. Use the cockpit or `tickdeck` on the machine";
const NO_CODES: &str =
    "no one-time codes are set up (`tickdeck keys set telegram-code`): nothing is loosened from here";

/// Does what is asked.
pub struct Desk {
    /// The run.
    pub watch: Watch,
    /// One-time codes, where there are any.
    pub codes: Option<Codes>,
    /// Where the ledgers lie.
    pub data_dir: PathBuf,
}

/// What becomes of a word that closes the gate, to be followed until it is so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// No opening order is left.
    NoOpenings,
    /// Flat after a kill.
    Flat,
    /// What was to be flattened is closed.
    Flattened,
}

impl Follow {
    /// Is it so?
    pub const fn is_so(self, state: &State) -> bool {
        match self {
            Self::NoOpenings => state.no_openings,
            Self::Flat => state.flat,
            Self::Flattened => state.flattened,
        }
    }
}

/// A word that closes the gate: done at once, past every queue. What to wait for, or why it was not done.
pub fn shut(watch: &Watch, word: &Word) -> Result<Follow, String> {
    let (verb, symbol, follow) = match word {
        Word::Flatten(symbol) => (Verb::Flatten, symbol.clone(), Follow::Flattened),
        Word::KillClose => (Verb::KillClose, None, Follow::Flat),
        _ => (Verb::Kill, None, Follow::NoOpenings),
    };
    asked(watch, &Ask { symbol, ..Ask::plain(verb) }).map(|_| follow)
}

/// What the word does, of which the engine has heard: for its answer. May wait for a picture.
pub fn described(watch: &Watch, word: &Word) -> String {
    let reading = watch.look();
    let killed = |snapshot: &Snapshot| snapshot.state.latch.as_ref().is_some_and(Latch::is_kill);
    match word {
        Word::Flatten(_) if reading.snapshot.as_deref().is_some_and(killed) => {
            format!("{}\nnot done: killed: /kill flat closes everything", tell::head(&reading))
        }
        Word::Flatten(symbol) => {
            let real = if is_real(reading.snapshot.as_deref()) { "REAL MONEY. " } else { "" };
            let rows = tell::to_close(&reading, symbol.as_deref());
            let what = "disarmed; reduce-only orders in widening bands, then at market, until flat is proven twice:";
            format!("{real}FLATTEN: {what}\n{rows}")
        }
        Word::KillClose => {
            let rows = tell::to_close(&reading, None);
            format!("KILL: the gate is closed, opening orders are cancelled, and everything is closed:\n{rows}")
        }
        _ => "KILL: the gate is closed, opening orders are cancelled; positions and their stops stay".to_owned(),
    }
}

/// Asks the run; why it was not done, where it was not.
fn asked(watch: &Watch, ask: &Ask) -> Result<Answer, String> {
    let answer = watch.ask(ask)?;
    match answer.error {
        Some(why) => Err(why),
        None => Ok(answer),
    }
}

fn is_real(snapshot: Option<&Snapshot>) -> bool {
    snapshot.is_none_or(|snapshot| snapshot.session.pair.account() == Account::Live)
}

impl Desk {
    /// Any other word. `void` says why what loosens is not done any more.
    pub fn answer(&mut self, chat: i64, word: &Word, now: Ts, void: bool) -> String {
        let reading = self.watch.look();
        match word {
            Word::Help => words::help(chat),
            Word::Status => tell::status(&reading),
            Word::Positions => tell::positions(&reading),
            Word::Profit => tell::profit(&reading),
            Word::Limits => tell::limits(&reading),
            Word::Daily => self.days(reading.snapshot.as_deref(), now),
            Word::Version => format!("tickdeck {}", env!("CARGO_PKG_VERSION")),
            Word::Nothing(why) => why.clone(),
            Word::Disarm => self.say(Verb::Disarm),
            Word::Kill | Word::KillClose | Word::Flatten(_) => described(&self.watch, word),
            Word::Arm { lasts, code } => {
                let lasts =
                    lasts.or(reading.snapshot.as_ref().map(|snapshot| snapshot.state.arm_for)).unwrap_or(Span(0));
                let seconds = u32::try_from(lasts.as_ms() / 1000).unwrap_or(u32::MAX);
                self.loosen(code.as_deref(), Verb::Arm { seconds }, now, void)
            }
            Word::Reset { code } => {
                let latch = reading.snapshot.as_ref().and_then(|snapshot| snapshot.state.latch.as_ref());
                let latched = latch.map_or(Ts(0), |latch| latch.at);
                self.loosen(code.as_deref(), Verb::Reset { latched }, now, void)
            }
            Word::SetLimit { limit, value, code } => {
                let verb = Verb::SetLimit { limit: limit.clone(), value: value.clone() };
                match raises(reading.snapshot.as_ref(), limit, value) {
                    Err(why) => why,
                    Ok(true) => self.loosen(code.as_deref(), verb, now, void),
                    Ok(false) => self.say(verb),
                }
            }
        }
    }

    fn loosen(&mut self, code: Option<&str>, verb: Verb, now: Ts, void: bool) -> String {
        if is_real(self.watch.reading().snapshot.as_deref()) {
            self.watch.refusals().count(Refusal::TelegramUnauthorised);
            return REAL_MONEY.to_owned();
        }
        let Some(codes) = &mut self.codes else { return NO_CODES.to_owned() };
        let Some(code) = code else { return "that loosens: the code of your authenticator goes with it".to_owned() };
        if let Err(why) = codes.take(code, now) {
            self.watch.refusals().count(Refusal::TelegramCode);
            return format!("not done: {why}");
        }
        // The code is used up all the same.
        if void {
            return "not done: a kill or flatten came after it".to_owned();
        }
        self.say(verb)
    }

    fn say(&self, verb: Verb) -> String {
        let said = match asked(&self.watch, &Ask::plain(verb)) {
            Ok(answer) => answer.said.unwrap_or_else(|| "done".to_owned()),
            Err(why) => format!("not done: {why}"),
        };
        // The checks that follow are the ledger's.
        said.split_once("; ").map_or(said.clone(), |(first, _)| first.to_owned())
    }

    fn days(&self, snapshot: Option<&Snapshot>, now: Ts) -> String {
        let Some(snapshot) = snapshot else { return "no run has begun yet".to_owned() };
        let filter = Filter { symbol: None, run: None, since: now - DAYS, until: Ts(i64::MAX), rows_max: 100 };
        let path = ledger_path(&self.data_dir, snapshot.session.pair);
        let sheet = Reader::open(&path).and_then(|reader| reader.pnl(&filter, PnlBy::Day));
        match sheet {
            Ok(sheet) => sheet.render(Format::Csv),
            Err(error) => format!("the ledger cannot be read: {error}"),
        }
    }
}

/// Does the change raise the limit?
fn raises(snapshot: Option<&Arc<Snapshot>>, limit: &str, value: &str) -> Result<bool, String> {
    let key = LimitKey::by_name(limit).ok_or_else(|| format!("there is no limit {limit}; /limits lists them"))?;
    let wanted = Price::parse(value).map_err(|_| format!("{value} is not a decimal number, 0 or more"))?;
    let row = snapshot.iter().flat_map(|snapshot| &snapshot.limits).find(|row| row.key == key);
    Ok(row.is_none_or(|row| !key.is_tighter(row.value, wanted.raw())))
}
