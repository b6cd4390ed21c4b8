//! Verbs for a running engine, through its control socket: one-shot control for scripts and for a second terminal. What
//! loosens asks first, or is told yes on the line; what tightens is done at once.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::global::Global;
use super::output::{note, print};
use super::runs::{Place, needs_terminal};
use crate::engine::ids::{Account, Pair};
use crate::engine::risk::limits::{LimitKey, show};
use crate::engine::risk::state::COUNTS_ANEW;
use crate::engine::snapshot::{Health, Snapshot};
use crate::engine::time::Span;
use crate::ledger::{Cell, Format, Sheet, holder};
use crate::run::attach::{self, AttachError, Attachment};
use crate::run::control::{Ask, ControlError, Verb, say_to, socket_path};
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::tui::{UiExit, consequences};

/// A running engine answers a line within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// An engine that is told to stop first sets stops where there are none, which takes up to half a minute.
const STOP_WITHIN: Duration = Duration::from_secs(45);
/// Between two looks whether it has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How an answer is printed.
#[derive(clap::Args, Debug)]
pub(super) struct Answered {
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// `arm`.
#[derive(clap::Args, Debug)]
pub(super) struct Arm {
    /// How long: 15m, 8h. The default is the configuration's of the running engine
    #[arg(long = "for", value_name = "TIME", value_parser = super::span)]
    lasts: Option<Span>,
    /// Yes, arm; what the checklist warns of is accepted
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    answered: Answered,
}

/// A verb that loosens.
#[derive(clap::Args, Debug)]
pub(super) struct Loosen {
    /// Yes, do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    answered: Answered,
}

/// A verb about one position.
#[derive(clap::Args, Debug)]
pub(super) struct About {
    /// Instrument, such as BTCUSDT
    symbol: String,
    /// Yes, do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    answered: Answered,
}

/// `model promote`.
#[derive(clap::Args, Debug)]
pub(super) struct Promote {
    /// A shadow model of the running engine
    model: String,
    /// Yes, do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    answered: Answered,
}

/// `limits`.
#[derive(clap::Subcommand, Debug)]
pub(super) enum Limits {
    /// Every limit and what is used of it
    Get {
        #[command(flatten)]
        answered: Answered,
    },
    /// Change one. Lowering is done at once; raising asks
    Set {
        /// Its name, such as `max_daily_loss`
        limit: String,
        /// In the limit's own unit
        #[arg(allow_negative_numbers = true)]
        value: String,
        /// Yes, raise it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        answered: Answered,
    },
}

/// `outside`.
#[derive(clap::Subcommand, Debug)]
pub(super) enum Outside {
    /// What is there, and what it counts for
    List {
        #[command(flatten)]
        answered: Answered,
    },
    /// Close a position there, reduce-only, with every order in its instrument; flat is proven. Asks
    Close(About),
    /// Cancel one order there. Asks
    Cancel {
        /// Instrument, such as XRPUSDT
        symbol: String,
        /// The exchange's id of the order
        order: String,
        /// Yes, do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        answered: Answered,
    },
}

/// `settle-order`.
#[derive(clap::Args, Debug)]
pub(super) struct SettleOrder {
    /// Our id of the order, as `orders` shows it
    link_id: String,
    /// Yes, do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    answered: Answered,
}

/// `attach`.
#[derive(clap::Args, Debug)]
pub(super) struct Attach {
    /// Look and nothing else: no key does anything to the engine
    #[arg(long)]
    read_only: bool,
}

/// A running engine.
pub(super) struct Engine {
    pair: Pair,
    files: Files,
    confirm: Option<String>,
}

impl Engine {
    /// All of them, or the one of `--mode`; at least one.
    fn all(global: &Global, verb: &str) -> Result<Vec<Self>, Failure> {
        let files = global.files()?;
        let running = running(global, &files);
        if running.is_empty() {
            return Err(Self::none(verb, &files));
        }
        let engine = |pair| Self { pair, files: files.clone(), confirm: global.confirm.clone() };
        Ok(running.into_iter().map(engine).collect())
    }

    fn none(verb: &str, files: &Files) -> Failure {
        let why = format!("{verb}: nothing was done, no engine is running in {}", files.data_dir().display());
        Failure::new(Exit::NotRunning, why)
    }

    /// The only one, or the one of `--mode`.
    pub(super) fn find(global: &Global, verb: &str) -> Result<Self, Failure> {
        let files = global.files()?;
        let running = running(global, &files);
        let pair = match running[..] {
            [pair] => pair,
            [] => return Err(Self::none(verb, &files)),
            _ => {
                let names: Vec<String> = running.iter().map(|pair| pair.stamp()).collect();
                let why = format!("{verb}: several engines are running ({}): --mode says which", names.join(", "));
                return Err(Failure::new(Exit::Usage, why));
            }
        };
        Ok(Self { pair, files, confirm: global.confirm.clone() })
    }

    /// Its control socket.
    pub(super) fn socket(&self) -> PathBuf {
        socket_path(self.files.data_dir(), self.pair)
    }

    /// The account by the name that its ledger and its socket have.
    pub(super) fn name(&self) -> &'static str {
        self.pair.name()
    }

    fn look(&self) -> Result<Snapshot, Failure> {
        attach::look(&self.socket()).map_err(unheard)
    }

    /// Asks; what the engine said. Its refusal is a failure.
    fn ask(&self, verb: Verb, symbol: Option<String>) -> Result<String, Failure> {
        let ask = Ask { symbol, confirm: self.confirm.clone(), ..Ask::plain(verb) };
        let (said, _) = say_to(&self.socket(), &ask, ANSWER_WITHIN).map_err(unheard)?;
        match said.strip_prefix("refused: ") {
            Some(why) => Err(Failure::new(Exit::Refused, format!("refused: {why}"))),
            None => Ok(said),
        }
    }

    /// Before something loosens: real money takes the typed tail, everything else `--yes` or a yes.
    fn agree(&self, yes: bool, what: &str) -> Result<(), Failure> {
        if self.pair.account() == Account::Live {
            let missing = "real money: --confirm \"LIVE TAIL\" goes with it, the tail being the last four characters of the \
                           account's key";
            return self.confirm.as_ref().map(|_| ()).ok_or_else(|| Failure::new(Exit::Usage, missing));
        }
        Self::agree_plainly(yes, what)
    }

    fn agree_plainly(yes: bool, what: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(Exit::Usage, format!("{what}: nothing was done, --yes says that it is meant")));
        }
        note(&format!("{what}. Type yes to go on:"));
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Failure::error)?;
        if line.trim() == "yes" { Ok(()) } else { Err(Failure::new(Exit::Usage, "nothing was done")) }
    }
}

/// Accounts with an engine here.
fn running(global: &Global, files: &Files) -> Vec<Pair> {
    let wanted = |pair: &Pair| global.mode.is_none() || *pair == Pair::bybit(global.account());
    Pair::KEPT.into_iter().filter(|pair| wanted(pair) && holder(&files.ledger(*pair)).is_some()).collect()
}

/// Nothing was done: the engine refused, did not answer, or said what cannot be read.
pub(super) fn unheard(error: ControlError) -> Failure {
    match error {
        ControlError::Refused(why) => Failure::new(Exit::Refused, format!("refused: {why}")),
        ControlError::Unreachable { .. } | ControlError::Late(_) => Failure::new(
            Exit::Timeout,
            format!("{error}; `tickdeck kill` works all the same, with `--flat` it closes too"),
        ),
        ControlError::Odd(_) => Failure::error(error),
    }
}

/// What was said, as text or as one row.
fn tell(answered: &Answered, verb: &str, said: &str) -> Result<(), Failure> {
    if answered.format == Format::Table {
        return print(&format!("{said}\n"));
    }
    let mut sheet = Sheet::new(["verb", "said"]);
    sheet.push(vec![Cell::text(verb), Cell::text(said)]);
    print(&sheet.render(answered.format))
}

pub(super) fn arm(global: &Global, arm: &Arm) -> Result<(), Failure> {
    let engine = Engine::find(global, "arm")?;
    let picture = engine.look()?;
    let lasts = arm.lasts.unwrap_or(picture.state.arm_for);
    for check in picture.state.preflight.iter().filter(|check| check.health != Health::Ok) {
        note(&format!("{:<4} {}: {}", format!("{:?}", check.health).to_lowercase(), check.name, check.detail));
    }
    let what = format!("arm {} for {lasts}: it opens positions by itself until then", engine.pair.stamp());
    engine.agree(arm.yes, &what)?;
    let seconds = u32::try_from(lasts.0 / 1_000_000_000).map_err(|_| Failure::new(Exit::Usage, "too long"))?;
    let said = engine.ask(Verb::Arm { seconds }, None)?;
    // The checks that follow are the ledger's.
    tell(&arm.answered, "arm", said.split_once("; ").map_or(said.as_str(), |(armed, _)| armed))
}

/// Every running engine, or the one of `--mode`: what is safe asks nobody which.
pub(super) fn disarm(global: &Global, answered: &Answered) -> Result<(), Failure> {
    let engines = Engine::all(global, "disarm")?;
    let several = engines.len() > 1;
    let mut first_failure = None;
    for engine in engines {
        let said = engine.ask(Verb::Disarm, None);
        let named = |said: String| if several { format!("{}: {said}", engine.pair.stamp()) } else { said };
        if let Err(failure) = said.and_then(|said| tell(answered, "disarm", &named(said))) {
            note(&format!("disarm {}: {failure}", engine.pair.stamp()));
            first_failure.get_or_insert(failure);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

pub(super) fn reset(global: &Global, loosen: &Loosen) -> Result<(), Failure> {
    let engine = Engine::find(global, "reset")?;
    let picture = engine.look()?;
    let Some(latch) = picture.state.latch else {
        return Err(Failure::new(Exit::Refused, "refused: nothing is latched"));
    };
    for row in picture.positions.iter().filter(|row| !row.released) {
        note(&format!("{} {} {}: its exits resume at once", row.name, row.side.word(), row.qty));
    }
    if latch.cause.counts_anew() {
        note(COUNTS_ANEW);
    }
    engine.agree(loosen.yes, &format!("lift \"{}\", which holds since {}", latch.cause, latch.at))?;
    tell(&loosen.answered, "reset", &engine.ask(Verb::Reset { latched: latch.at }, None)?)
}

pub(super) fn release(global: &Global, about: &About) -> Result<(), Failure> {
    let engine = Engine::find(global, "release")?;
    engine
        .agree(about.yes, &format!("{}: yours from now on, no exit of tickdeck's closes it any more", about.symbol))?;
    tell(&about.answered, "release", &engine.ask(Verb::Release, Some(about.symbol.clone()))?)
}

pub(super) fn adopt(global: &Global, about: &About) -> Result<(), Failure> {
    let engine = Engine::find(global, "adopt")?;
    engine.agree(about.yes, &format!("{}: tickdeck's from now on, its exits may close it at once", about.symbol))?;
    tell(&about.answered, "adopt", &engine.ask(Verb::Adopt, Some(about.symbol.clone()))?)
}

pub(super) fn close_released(global: &Global, about: &About) -> Result<(), Failure> {
    let engine = Engine::find(global, "close-released")?;
    let what =
        format!("{}: your position is closed by one reduce-only order at market; nothing is repeated", about.symbol);
    engine.agree(about.yes, &what)?;
    tell(&about.answered, "close-released", &engine.ask(Verb::CloseReleased, Some(about.symbol.clone()))?)
}

pub(super) fn outside(global: &Global, asked: &Outside) -> Result<(), Failure> {
    let engine = Engine::find(global, "outside")?;
    match asked {
        Outside::List { answered } => print(&outside_sheet(&engine.look()?).render(answered.format)),
        Outside::Close(about) => {
            let name = &about.symbol;
            engine.agree(
                about.yes,
                &format!("{}; it is closed reduce-only, with every order in it", there(&engine, name)?),
            )?;
            tell(&about.answered, "close-outside", &engine.ask(Verb::CloseOutside, Some(name.clone()))?)
        }
        Outside::Cancel { symbol, order, yes, answered } => {
            engine.agree(*yes, &format!("{}; its order {order} is cancelled", there(&engine, symbol)?))?;
            let verb = Verb::CancelOutside { order: order.clone() };
            tell(answered, "cancel-outside", &engine.ask(verb, Some(symbol.clone()))?)
        }
    }
}

/// What is outside in one instrument, in words.
fn there(engine: &Engine, name: &str) -> Result<String, Failure> {
    let rows = engine.look()?.outside.clone();
    let words: Vec<String> = rows.iter().filter(|row| row.what.name == name).map(|row| row.what.words()).collect();
    Ok(if words.is_empty() { format!("{name}: nothing is known to be there") } else { words.join("; ") })
}

fn outside_sheet(picture: &Snapshot) -> Sheet {
    let mut sheet = Sheet::new(["symbol", "what", "side", "qty", "worth", "order", "armed_beside"]);
    for row in &picture.outside {
        let what = &row.what;
        let (kind, order) = what.order.as_ref().map_or(("position", ""), |(id, reach)| (reach.word(), id.as_str()));
        sheet.push(vec![
            Cell::text(&what.name),
            Cell::text(kind),
            Cell::text(what.side.word()),
            Cell::decimal(what.left),
            what.worth.map_or(Cell::text(""), Cell::decimal),
            Cell::text(order),
            Cell::text(if row.seen { "yes" } else { "no" }),
        ]);
    }
    sheet
}

pub(super) fn settle_order(global: &Global, asked: &SettleOrder) -> Result<(), Failure> {
    let engine = Engine::find(global, "settle-order")?;
    let picture = engine.look()?;
    let row = picture.orders.iter().find(|row| row.link_id == asked.link_id);
    let Some(row) = row.filter(|row| row.contested) else {
        let why = "refused: no order of this id here whose id another order at the exchange has";
        return Err(Failure::new(Exit::Refused, why));
    };
    let (name, side, qty, price, why) = (&row.name, row.side.word(), row.qty, row.price, &row.reason);
    engine.agree(asked.yes, &format!("{name} {side} {qty} @ {price} counts as over from now on ({why})"))?;
    let verb = Verb::SettleOrder { link_id: asked.link_id.clone() };
    tell(&asked.answered, "settle-order", &engine.ask(verb, None)?)
}

pub(super) fn limits(global: &Global, limits: &Limits) -> Result<(), Failure> {
    let engine = Engine::find(global, "limits")?;
    match limits {
        Limits::Get { answered } => print(&limit_sheet(&engine.look()?).render(answered.format)),
        Limits::Set { limit, value, yes, answered } => {
            let picture = engine.look()?;
            let row = picture.limits.iter().find(|row| row.key.name() == limit);
            let row = row.ok_or_else(|| Failure::new(Exit::Usage, unknown(limit)))?;
            let wanted = crate::engine::num::Price::parse(value)
                .ok()
                .filter(|wanted| wanted.raw() >= 0)
                .ok_or_else(|| Failure::new(Exit::Usage, format!("{value} is not a decimal number, 0 or more")))?;
            if !row.key.is_tighter(row.value, wanted.raw()) {
                engine.agree(*yes, &format!("loosen {limit} from {} to {value}", show(row.value)))?;
            } else if let what @ [_, ..] = &consequences(row, wanted.raw(), &picture)[..] {
                // Tightening takes no tail, but nobody trips what is open without having been told.
                Engine::agree_plainly(*yes, &what.join(" "))?;
            }
            let verb = Verb::SetLimit { limit: limit.clone(), value: value.clone() };
            tell(answered, "limits set", &engine.ask(verb, None)?)
        }
    }
}

/// `model reload`.
pub(super) fn reload_models(global: &Global, answered: &Answered) -> Result<(), Failure> {
    tell(answered, "reload", &Engine::find(global, "model reload")?.ask(Verb::ReloadModels, None)?)
}

/// `model promote`.
pub(super) fn promote(global: &Global, asked: &Promote) -> Result<(), Failure> {
    let engine = Engine::find(global, "model promote")?;
    engine.agree(asked.yes, &format!("{}: it decides from now on, those that did become shadows", asked.model))?;
    let verb = Verb::Promote { model: asked.model.clone() };
    tell(&asked.answered, "promote", &engine.ask(verb, None)?)
}

fn unknown(limit: &str) -> String {
    let names: Vec<&str> = LimitKey::all().map(LimitKey::name).collect();
    format!("there is no limit {limit}; there are {}", names.join(", "))
}

fn limit_sheet(picture: &Snapshot) -> Sheet {
    let mut sheet = Sheet::new(["limit", "value", "unit", "used"]);
    for row in &picture.limits {
        sheet.push(vec![
            Cell::text(row.key.name()),
            Cell::decimal(show(row.value)),
            Cell::text(row.key.unit().suffix().trim()),
            row.used.map_or(Cell::Nothing, |used| Cell::decimal(format!("{used:.2}"))),
        ]);
    }
    sheet
}

/// Ends the engine and waits until it has gone.
pub(super) fn stop(global: &Global, answered: &Answered) -> Result<(), Failure> {
    let engine = Engine::find(global, "stop")?;
    engine.ask(Verb::Stop, None)?;
    let (ledger, began) = (engine.files.ledger(engine.pair), Instant::now());
    while holder(&ledger).is_some() {
        if began.elapsed() > STOP_WITHIN {
            return Err(Failure::new(Exit::Timeout, "the engine was told to stop and is still there"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    tell(answered, "stop", "stopped; positions were left as they are")
}

/// The cockpit of a running engine.
pub(super) fn attach(global: &Global, asked: &Attach) -> Result<(), Failure> {
    let engine = Engine::find(global, "attach")?;
    needs_terminal("tickdeck status")?;
    let place = Place::load(global)?;
    let (files, wanted) = (engine.files, global.clone());
    let socket = move || match running(&wanted, &files)[..] {
        [pair] => Some(socket_path(files.data_dir(), pair)),
        _ => None,
    };
    let attachment = Attachment { socket: Box::new(socket), read_only: asked.read_only };
    match attach::attach(attachment, place.ui(global)) {
        Ok(UiExit::Detached) => {
            note("detached; the engine goes on. `tickdeck attach` comes back, `tickdeck stop` ends it");
            Ok(())
        }
        Ok(UiExit::Ended | UiExit::EngineGone | UiExit::TerminalGone) => Ok(()),
        Err(AttachError::Control(error)) => Err(unheard(error)),
        Err(other) => Err(Failure::error(other)),
    }
}
