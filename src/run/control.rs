//! The control socket of a running engine: `engine-ACCOUNT.sock` in the data directory, for its owner alone. One line of JSON
//! in, one line out, then the connection ends; `v` names the version of both. Every verb is answered at once: what takes
//! time is asked for again with `state`. Verbs that loosen carry what was typed for real money; the engine looks at it again.
//! `attach` turns the connection into a cockpit's ([`super::attach`]).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attach::{Guest, Seats};
use super::guardian::Report;
use super::log::{Event, Line};
use super::pulse::{Life, Pulse};
use super::refusals::{Refusal, Refusals};
use super::watchdog::link::{Watched, refuse};
use crate::engine::ceremony::Ceremony;
use crate::engine::command::Command;
use crate::engine::effect::Errand;
use crate::engine::ids::Pair;
use crate::engine::num::Price;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::state::Latch;
use crate::engine::snapshot::Snapshot;
use crate::engine::time::{Span, Ts};
use crate::gate::Gate;
use crate::tui::link::{Board, CockpitEnd, QuitChoice, Reply, Request};

/// The version of both lines.
pub const VERSION: u32 = 1;
/// Longest line that is read.
const LINE_MAX: u64 = 64 * 1024;
/// Nobody who is there takes longer for a line.
const LINE_TAKES: Duration = Duration::from_secs(2);

/// The build of this program: a cockpit and its engine must be of one.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");
/// Connections at once: a few cockpits and some scripts.
const CONNECTIONS_MAX: usize = 24;
/// An engine that keeps up says something to a command within this.
const ENGINE_TAKES: Duration = Duration::from_secs(3);
/// An engine that keeps up draws a picture within this.
const DRAWN_WITHIN: Duration = Duration::from_millis(500);
/// How a kill through the socket is named.
const BY_SOCKET: &str = "by `tickdeck kill`";

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Kill, first step: closes the gate, cancels opening orders, latches.
    Kill,
    /// Kill, second step: closes every position and proves it. Kills first where nobody did.
    KillClose,
    /// Closes one position of ours, or all, and proves it. Disarms, latches nothing.
    Flatten,
    /// From now on this connection is the line of a watchdog (`run/watchdog`).
    Watch,
    /// Nothing but the state.
    State,
    /// Stop opening, cancel resting opening orders; exits go on.
    Disarm,
    /// Allow opening for so many seconds.
    Arm {
        /// How long.
        seconds: u32,
    },
    /// Lift the kill or trip that was shown.
    Reset {
        /// When it was set.
        latched: Ts,
    },
    /// Change a limit.
    SetLimit {
        /// By configuration key, without its section.
        limit: String,
        /// Decimal number in the limit's unit.
        value: String,
    },
    /// A position becomes the person's.
    Release,
    /// Take a released position back.
    Adopt,
    /// Close a released position: one reduce-only order at market.
    CloseReleased,
    /// Close what others have in an instrument outside the run, with every order in it.
    CloseOutside,
    /// Cancel one order of others in an instrument outside the run.
    CancelOutside {
        /// The venue's id of it.
        order: String,
    },
    /// An order counts as over whose id another order at the venue has.
    SettleOrder {
        /// Our id of it.
        link_id: String,
    },
    /// Read the folder of models again.
    ReloadModels,
    /// A shadow model decides from now on.
    Promote {
        /// Its name.
        model: String,
    },
    /// End the run and leave what is open.
    Stop,
    /// Show the cockpit over this connection.
    Attach {
        /// The asking program's [`BUILD`].
        build: String,
        /// Look and nothing else.
        read_only: bool,
    },
    /// One picture follows the answer.
    Look {
        /// The asking program's [`BUILD`].
        build: String,
    },
}

/// A line in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Version.
    pub v: u32,
    /// What to do.
    pub verb: Verb,
    /// The instrument, where the verb may be about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What was typed for real money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

impl Ask {
    /// A verb about everything, with nothing typed.
    pub const fn plain(verb: Verb) -> Self {
        Self { v: VERSION, verb, symbol: None, confirm: None }
    }
}

/// A line out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Version.
    pub v: u32,
    /// Why it was not done; `None` when it was.
    pub error: Option<String>,
    /// It was not done, or is not known to be done, because the engine does not keep up.
    #[serde(default)]
    pub late: bool,
    /// What the engine said to it; begins with `refused:` where it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// How things stand after it.
    pub state: Option<State>,
}

/// How a kill stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The process.
    pub pid: u32,
    /// Is the account killed?
    pub latched: bool,
    /// No order of ours is left that could open; of an account at a venue by the venue's own list.
    pub no_openings: bool,
    /// Every position of ours is closed and proven, after a kill.
    pub flat: bool,
    /// What was to be flattened is closed and proven.
    #[serde(default)]
    pub flattened: bool,
    /// What the engine did, step by step.
    pub receipt: Vec<String>,
    /// What the guardian did.
    pub guardian: Vec<String>,
    /// What is the person's or somebody else's, and is left as it is.
    #[serde(default)]
    pub left_alone: Vec<String>,
    /// Positions of ours that are open, for closing is a step of its own.
    #[serde(default)]
    pub open: Vec<String>,
}

/// What the socket tells about and asks of.
#[derive(Clone)]
pub struct ControlOptions {
    /// The way requests of a person take.
    pub cockpit: CockpitEnd,
    /// The gate.
    pub gate: Gate,
    /// The engine's signs of life.
    pub pulse: Pulse,
    /// The guardian's results.
    pub report: Report,
    /// The newest picture.
    pub board: Board,
    /// The watchdog, which may come by this socket.
    pub watched: Option<Watched>,
    /// Places for cockpits of other processes.
    pub seats: Seats,
    /// What was refused at the door.
    pub refusals: Refusals,
}

#[cfg(test)]
impl ControlOptions {
    /// Of a run that has nothing but its line.
    pub(super) fn alone(cockpit: CockpitEnd, end: &crate::tui::link::EngineEnd) -> Self {
        Self {
            cockpit,
            gate: end.gate(),
            pulse: Pulse::default(),
            report: Report::default(),
            board: end.board(),
            watched: None,
            seats: Seats::default(),
            refusals: Refusals::default(),
        }
    }
}

/// Where the socket of a pair lies.
pub fn socket_path(data_dir: &Path, pair: Pair) -> PathBuf {
    data_dir.join(format!("engine-{}.sock", pair.name()))
}

/// Why nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no engine answers at {path}: {why}", path = path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// An answer that is none.
    #[error("the engine's answer cannot be read: {0}")]
    Odd(String),
    /// It does not keep up.
    #[error("{0}")]
    Late(String),
    /// It said no.
    #[error("the engine refuses: {0}")]
    Refused(String),
}

/// Listens on a thread of its own until the process ends. The ledger's lock is held: a socket that lies there is an old one.
#[cfg(unix)]
pub fn listen(path: &Path, options: ControlOptions) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let options = Arc::new(options);
    let serve = move || {
        for stream in listener.incoming().flatten() {
            if options.pulse.life() == Life::Leaving {
                return;
            }
            // How many share the options says how many are there.
            let (options, full) = (options.clone(), Arc::strong_count(&options) > CONNECTIONS_MAX);
            if full {
                options.refusals.count(Refusal::SocketCrowded);
                drop(write_line(&stream, &refused("too many connections at once".to_owned().into())));
                continue;
            }
            // Whoever breaks off is gone; whom no thread can serve hears the connection end.
            drop(std::thread::Builder::new().name("asked".into()).spawn(move || drop(answer(&stream, &options))));
        }
    };
    std::thread::Builder::new().name("control".into()).spawn(serve)?;
    Ok(())
}

/// The run has ended: nobody finds the socket any more, and its thread goes.
#[cfg(unix)]
pub fn close(path: &Path) {
    // It wakes up, sees that the run leaves, and ends. One that is gone already needs no waking.
    drop(std::os::unix::net::UnixStream::connect(path));
    drop(std::fs::remove_file(path));
}

#[cfg(unix)]
fn answer(stream: &std::os::unix::net::UnixStream, options: &ControlOptions) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LINE_TAKES))?;
    stream.set_write_timeout(Some(LINE_TAKES))?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_MAX)).read_until(b'\n', &mut line)?;
    let counted = |refusal: Refusal, why: String| {
        options.refusals.count(refusal);
        refused(why.into())
    };
    let answer = match serde_json::from_slice::<Ask>(&line) {
        _ if line.len() as u64 == LINE_MAX && !line.ends_with(b"\n") => {
            counted(Refusal::SocketOversized, format!("a line has at most {LINE_MAX} bytes"))
        }
        Ok(Ask { v, .. }) if v != VERSION => {
            counted(Refusal::SocketVersion, format!("version {v} is not known here, {VERSION} is"))
        }
        Ok(Ask { verb: Verb::Watch, .. }) => return watch(stream, options.watched.as_ref()),
        Ok(Ask { verb: Verb::Attach { build, read_only }, .. }) => {
            let guest = if read_only { Guest::Onlooker } else { Guest::Cockpit };
            match seat(&build, guest, options) {
                Ok(seat) => {
                    write_line(stream, &taken(options))?;
                    return super::attach::serve(stream, &seat, options, read_only);
                }
                Err(why) => refused(why.into()),
            }
        }
        Ok(Ask { verb: Verb::Look { build }, .. }) => match seat(&build, Guest::Glance, options) {
            Ok(seat) => {
                write_line(stream, &taken(options))?;
                return super::attach::show(stream, &seat, ENGINE_TAKES);
            }
            Err(why) => refused(why.into()),
        },
        // Whoever asked has given up: an engine that stood still must not loosen anything long after.
        Ok(ask) if has_hung_up(stream) && !tightens(&ask.verb) => return Ok(()),
        Ok(ask) => carry_out(&ask, BY_SOCKET, options),
        Err(error) => counted(Refusal::SocketMalformed, error.to_string()),
    };
    write_line(stream, &answer)
}

/// Done for whoever asked, also when nobody waits for the answer any more.
const fn tightens(verb: &Verb) -> bool {
    matches!(verb, Verb::Kill | Verb::KillClose | Verb::Flatten | Verb::Disarm | Verb::Stop)
}

/// Nothing follows a line but its answer: what can be read is the end.
#[cfg(unix)]
fn has_hung_up(mut stream: &std::os::unix::net::UnixStream) -> bool {
    let ended = stream.set_nonblocking(true).is_ok() && matches!(stream.read(&mut [0; 1]), Ok(0));
    // A stream that cannot be made to wait again fails at the answer.
    ended || stream.set_nonblocking(false).is_err()
}

#[cfg(unix)]
fn write_line(mut stream: &std::os::unix::net::UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    stream.write_all(text.as_bytes())
}

/// A watchdog has come: the connection is its line.
#[cfg(unix)]
fn watch(stream: &std::os::unix::net::UnixStream, watched: Option<&Watched>) -> std::io::Result<()> {
    if let Some(watched) = watched.filter(|watched| watched.is_service()) {
        return watched.attach(stream.try_clone()?);
    }
    refuse(stream, "`[watchdog] enabled` of its configuration is not \"service\"")
}

/// Why a line was not done.
struct NotDone {
    why: String,
    /// The engine does not keep up.
    late: bool,
}

impl NotDone {
    fn late(why: impl Into<String>) -> Self {
        Self { why: why.into(), late: true }
    }
}

impl From<String> for NotDone {
    fn from(why: String) -> Self {
        Self { why, late: false }
    }
}

fn refused(not: NotDone) -> Answer {
    Answer { v: VERSION, error: Some(not.why), late: not.late, said: None, state: None }
}

fn taken(options: &ControlOptions) -> Answer {
    Answer { v: VERSION, error: None, late: false, said: None, state: Some(state(options)) }
}

fn seat(build: &str, guest: Guest, options: &ControlOptions) -> Result<super::attach::Seat, String> {
    if build != BUILD {
        options.refusals.count(Refusal::SocketVersion);
        return Err(format!("this engine is tickdeck {BUILD}, the cockpit is {build}: use the engine's own program"));
    }
    options.seats.take(guest).ok_or_else(|| {
        options.refusals.count(Refusal::SocketCrowded);
        "every seat is taken: as many cockpits as there may be look on".to_owned()
    })
}

/// Does what was asked, as far as it can be done at once, whoever asks: the socket and the remote control. The `way` names
/// who kills.
pub fn carry_out(ask: &Ask, way: &str, options: &ControlOptions) -> Answer {
    let (cockpit, gate) = (&options.cockpit, &options.gate);
    if ask.verb != Verb::State {
        let line = Line::new(Event::ControlAsked).with("verb", serde_json::to_value(&ask.verb).unwrap_or_default());
        options.refusals.log().write(line.with("symbol", ask.symbol.clone()));
    }
    let mut said = None;
    match &ask.verb {
        // To watch and to attach is more than a line: the connection was taken over before this.
        Verb::State | Verb::Watch | Verb::Attach { .. } | Verb::Look { .. } => {}
        Verb::Kill => cockpit.kill_by(way),
        Verb::KillClose => {
            if gate.kills() == 0 || !options.pulse.is_killed() {
                cockpit.kill_by(way);
            }
            // An engine that does not take it is the guardian's case.
            let _taken = cockpit.close_after_kill();
        }
        Verb::Stop => {
            if !cockpit.ask(Request::Quit(QuitChoice::Leave)) {
                return refused(NotDone::late(DEAF));
            }
        }
        Verb::Flatten => {
            if let Err(why) = flatten(ask.symbol.as_deref(), options) {
                return refused(why.into());
            }
        }
        verb => match command(verb, ask, options).and_then(|command| say(command, ask, options)) {
            Ok(text) => said = Some(text),
            Err(why) => return refused(why),
        },
    }
    Answer { v: VERSION, error: None, late: false, said, state: Some(state(options)) }
}

const DEAF: &str = "the engine does not keep up and did not take it; `tickdeck kill` works all the same";

/// The engine's own word for a verb.
fn command(verb: &Verb, ask: &Ask, options: &ControlOptions) -> Result<Command, NotDone> {
    let symbol = || {
        let name = ask.symbol.as_deref().ok_or_else(|| "which instrument?".to_owned())?;
        options.pulse.symbol_of(name).ok_or_else(|| {
            NotDone::from(format!(
                "this run has no instrument {name}: add it to `symbols` and start anew; what is there now `tickdeck outside` \
                 shows, closes and cancels"
            ))
        })
    };
    let outside = || ask.symbol.clone().ok_or_else(|| "which instrument?".to_owned());
    Ok(match verb {
        Verb::Disarm => Command::Disarm,
        Verb::Arm { seconds } => Command::Arm { lasts: Span::from_secs(i64::from(*seconds)) },
        Verb::Reset { latched } => Command::Reset { latched: *latched },
        Verb::SetLimit { limit, value } => {
            let key = LimitKey::by_name(limit).ok_or_else(|| format!("there is no limit {limit}"))?;
            let value = Price::parse(value).map_err(|_| format!("{value} is not a decimal number, 0 or more"))?;
            Command::SetLimit { key, value: value.raw() }
        }
        Verb::Release => Command::Release(symbol()?),
        Verb::Adopt => Command::Adopt(symbol()?),
        Verb::CloseReleased => Command::CloseReleased(symbol()?),
        Verb::CloseOutside => Command::Outside(Errand::Close(outside()?)),
        Verb::CancelOutside { order } => Command::Outside(Errand::Cancel { name: outside()?, order: order.clone() }),
        Verb::SettleOrder { link_id } => {
            let picture = options.board.newest();
            let rows = picture.iter().flat_map(|picture| &picture.orders);
            let row = rows.into_iter().find(|row| row.link_id == *link_id && row.contested);
            Command::Settle(row.ok_or_else(|| format!("no order {link_id} here whose id another one has"))?.order)
        }
        Verb::ReloadModels => Command::ReloadModels,
        Verb::Promote { model } => Command::Promote(model.clone()),
        Verb::Kill
        | Verb::KillClose
        | Verb::Flatten
        | Verb::Watch
        | Verb::State
        | Verb::Stop
        | Verb::Attach { .. }
        | Verb::Look { .. } => {
            return Err("that is no command of an engine".to_owned().into());
        }
    })
}

/// Asks the engine and waits for its answer, with the ceremony that was typed.
fn say(command: Command, ask: &Ask, options: &ControlOptions) -> Result<String, NotDone> {
    let tail = options.board.newest().and_then(|picture| picture.session.tail.clone());
    let needed = tail.is_some();
    let typed = tail.zip(ask.confirm.as_deref()).and_then(|(tail, text)| Ceremony::typed(text, &tail));
    if needed && typed.is_none() && loosens(&command, options) {
        options.refusals.count(Refusal::SocketUnauthorised);
    }
    let command = match typed {
        Some(ceremony) => Command::Confirmed { ceremony, command: Box::new(command) },
        None => command,
    };
    let (reply, answer) = Reply::expected();
    if !options.cockpit.ask(Request::Asked(command, reply)) {
        return Err(NotDone::late(DEAF));
    }
    answer.within(ENGINE_TAKES).map_err(|taken| {
        let took = ENGINE_TAKES.as_secs();
        NotDone::late(if taken {
            format!("the engine took it and has not answered within {took} s: look at its state before you ask again")
        } else {
            format!(
                "the engine has not answered within {took} s: what loosens is not done any more, what tightens is done when \
                 it comes to it"
            )
        })
    })
}

/// Does it loosen something of real money without the words that were typed for it? The engine refuses it.
pub(super) fn lacks_ceremony(command: &Command, options: &ControlOptions) -> bool {
    let real = options.board.newest().is_some_and(|picture| picture.session.tail.is_some());
    real && !matches!(command, Command::Confirmed { .. }) && loosens(command, options)
}

/// As the engine will see it; where the limit is not known, raising it is meant.
fn loosens(command: &Command, options: &ControlOptions) -> bool {
    let picture = options.board.newest();
    let limit =
        |key: LimitKey| picture.iter().flat_map(|p| &p.limits).find(|row| row.key == key).map_or(0, |row| row.value);
    command.loosens(limit)
}

fn flatten(name: Option<&str>, options: &ControlOptions) -> Result<(), String> {
    if options.board.newest().as_ref().is_some_and(killed) {
        return Err("killed: `tickdeck kill --flat` closes everything".to_owned());
    }
    let symbol = match name {
        Some(name) => Some(options.pulse.symbol_of(name).ok_or_else(|| format!("this run has no instrument {name}"))?),
        None => None,
    };
    options.cockpit.flatten(symbol);
    Ok(())
}

fn killed(snapshot: &Arc<Snapshot>) -> bool {
    snapshot.state.latch.as_ref().is_some_and(Latch::is_kill)
}

fn state(options: &ControlOptions) -> State {
    let (pulse, gate, done) = (&options.pulse, &options.gate, options.report.get());
    let (kills, closes) = (gate.kills(), gate.closes());
    let flattens = options.board.flattens().count();
    let alive = pulse.life() == Life::Running;
    let loop_over = || pulse.closing().is_some_and(|scope| scope.is_empty()) && pulse.is_proven();
    let engine_heard = alive && pulse.kills_heard() >= kills;
    let latched = engine_heard && pulse.is_killed();
    let no_openings = if done.has_venue { done.kills >= kills } else { engine_heard && pulse.openings() == 0 };
    let flat = closes > 0 && (done.proven >= closes || (alive && pulse.closes_heard() >= closes && pulse.is_proven()));
    let flattened =
        flattens > 0 && (done.flattens >= flattens || (alive && pulse.flattens_heard() >= flattens && loop_over()));
    // Last: it shows how what was found above came to be.
    let picture = drawn(options).or_else(|| options.board.newest());
    let shown = |lines: fn(&crate::engine::snapshot::StateView) -> &Vec<String>| {
        picture.as_ref().map_or_else(Vec::new, |snapshot| lines(&snapshot.state).clone())
    };
    State {
        pid: std::process::id(),
        latched: latched || picture.as_ref().is_some_and(killed),
        no_openings,
        flat,
        flattened,
        receipt: shown(|state| &state.receipt),
        guardian: options.board.reported(),
        left_alone: picture.as_ref().map_or_else(Vec::new, |snapshot| theirs(snapshot)),
        open: picture.as_ref().map_or_else(Vec::new, |snapshot| ours(snapshot)),
    }
}

/// A picture of now, where the engine keeps up: what hangs on the board of a run without a screen may be a second old, and a receipt
/// of another kill.
fn drawn(options: &ControlOptions) -> Option<Arc<Snapshot>> {
    options.pulse.age().filter(|age| *age < DRAWN_WITHIN)?;
    options.seats.take(Guest::Glance)?.next(DRAWN_WITHIN)
}

/// Positions of ours that are open.
fn ours(snapshot: &Snapshot) -> Vec<String> {
    let open = snapshot.positions.iter().filter(|row| !row.released);
    open.map(|row| format!("{} {} {}", row.name, row.side.word(), row.qty)).collect()
}

/// What no kill touches: positions of the person, orders of others, and whatever is outside the run.
fn theirs(snapshot: &Snapshot) -> Vec<String> {
    let released = snapshot.positions.iter().filter(|row| row.released);
    let whose = "yours by this ledger (released, or nothing in it explains the position)";
    let released = released.map(|row| format!("{} {} {}: {whose}, left open", row.name, row.side.word(), row.qty));
    let orders = snapshot.orders.iter().filter(|row| row.working).filter_map(|row| Some((row, row.foreign?)));
    let orders = orders.map(|(row, reach)| {
        let (side, left) = (row.side.word(), row.qty.saturating_sub(row.filled));
        let price = if row.price == Price::ZERO { "market".to_owned() } else { row.price.to_string() };
        format!("{} {side} {left} @ {price}: order of others ({}), left", row.name, reach.word())
    });
    let outside = snapshot.outside.iter().map(|row| format!("{}: outside the run, others', left", row.what.words()));
    released.chain(orders).chain(outside).collect()
}

/// Asks the engine behind a socket how things stand, or for what needs no answer of the engine's.
#[cfg(unix)]
pub fn ask(path: &Path, ask: &Ask, within: Duration) -> Result<State, ControlError> {
    say_to(path, ask, within).map(|(_, state)| state)
}

/// Asks the engine behind a socket; what it said, where it was asked for something, and how things stand after it.
#[cfg(unix)]
pub fn say_to(path: &Path, ask: &Ask, within: Duration) -> Result<(String, State), ControlError> {
    begin(path, ask, within).map(|(_, said, state)| (said, state))
}

/// The same, with the connection, which goes on after `attach`.
#[cfg(unix)]
pub fn begin(
    path: &Path,
    ask: &Ask,
    within: Duration,
) -> Result<(BufReader<std::os::unix::net::UnixStream>, String, State), ControlError> {
    let unreachable =
        |error: std::io::Error| ControlError::Unreachable { path: path.to_owned(), why: error.to_string() };
    let stream = std::os::unix::net::UnixStream::connect(path).map_err(unreachable)?;
    stream.set_read_timeout(Some(within)).map_err(unreachable)?;
    stream.set_write_timeout(Some(within)).map_err(unreachable)?;
    let line = serde_json::to_string(ask).map_err(|error| ControlError::Odd(error.to_string()))?;
    (&stream).write_all(format!("{line}\n").as_bytes()).map_err(unreachable)?;
    let mut text = String::new();
    // What follows the line may have come with it: it stays in the reader.
    let mut stream = BufReader::new(stream);
    stream.by_ref().take(1 << 20).read_line(&mut text).map_err(unreachable)?;
    let answer: Answer = serde_json::from_str(&text).map_err(|error| ControlError::Odd(error.to_string()))?;
    match (answer.error, answer.state) {
        (Some(why), _) if answer.late => Err(ControlError::Late(why)),
        (Some(why), _) => Err(ControlError::Refused(why)),
        (None, Some(state)) => Ok((stream, answer.said.unwrap_or_default(), state)),
        (None, None) => Err(ControlError::Odd("it carries no state".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::link::link;

    #[test]
    fn a_line_kills_past_the_engine_and_what_is_not_understood_does_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_path(folder.path(), Pair::SIMULATED);
        assert!(path.ends_with("engine-simulated.sock"));
        // A socket of a run that crashed lies in the way.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (cockpit, end) = link();
        let gate = end.gate();
        let options = ControlOptions::alone(cockpit, &end);
        let counts = options.refusals.clone();
        listen(&path, options).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let within = Duration::from_secs(20);
        let state = ask(&path, &Ask::plain(Verb::Kill), within).unwrap();
        assert_eq!((state.latched, state.no_openings, state.flat), (false, false, false), "no engine has answered yet");
        assert_eq!((end.take_kill(), gate.kills()), (Some(Command::KillBy(BY_SOCKET.to_owned())), 1));
        let raw = |text: &str| {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            // What is too long is not read to its end.
            drop(stream.write_all(text.as_bytes()));
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            serde_json::from_str::<Answer>(&line).unwrap().error.unwrap()
        };
        assert!(raw("{\"v\":7,\"verb\":\"kill\"}\n").contains("version 7"));
        assert!(raw("kill\n").contains("expected"));
        assert!(raw("{\"v\":1,\"verb\":\"open\"}\n").contains("open"));
        assert!(raw("\u{feff}{\"v\":1}\n").contains("expected"));
        assert!(raw(&"k".repeat(LINE_MAX as usize)).contains("at most"));
        assert_eq!(gate.kills(), 1);
        let of = [Refusal::SocketVersion, Refusal::SocketMalformed, Refusal::SocketOversized].map(|r| counts.of(r));
        assert_eq!(of, [1, 3, 1]);
    }

    #[test]
    fn what_loosens_is_not_done_for_whoever_has_given_up() {
        let (cockpit, end) = link();
        let (gate, pulse, board) = (end.gate(), Pulse::default(), end.board());
        let (report, seats, refusals) = (Report::default(), Seats::default(), Refusals::default());
        let options = ControlOptions { cockpit, gate, pulse, report, board, watched: None, seats, refusals };
        let given_up = |verb: Verb| {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let line = serde_json::to_string(&Ask::plain(verb)).unwrap();
            (&ours).write_all(format!("{line}\n").as_bytes()).unwrap();
            drop(ours);
            drop(answer(&theirs, &options));
            end.requests.try_recv().ok()
        };
        assert_eq!(given_up(Verb::Reset { latched: Ts(1) }), None);
        assert_eq!(given_up(Verb::Stop), Some(Request::Quit(QuitChoice::Leave)), "what tightens is done all the same");
    }
}
