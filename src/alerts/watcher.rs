//! Looks at the newest picture of a run, again and again, and says what happened since the last look. Pure: it sees what it is
//! shown, and time is an argument.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::event::{Alert, Event};
use crate::engine::ids::Market;
use crate::engine::notice::{Kind, Level, Notice};
use crate::engine::num::Money;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::state::Latch;
use crate::engine::snapshot::Snapshot;
use crate::engine::time::{Span, Ts};

/// Data that is too old for so long is told: shorter gaps are a stream's ordinary life.
const STALE_FOR: Span = Span::from_secs(5);
/// A machine that wakes up turns its engine within this time: until then it is not frozen.
const TURNS_WITHIN: Span = Span::from_secs(1);
/// So many reconnects within this time are a storm.
const STORM: u64 = 5;
const STORM_WITHIN: Span = Span::from_secs(600);
/// How often a heartbeat and market data are expected.
const EXPECTED: Span = Span::from_secs(1);
/// Features need so much of the market before a model can be asked: until then nobody waits for its first answer.
const WARM_UP: Span = Span::from_secs(120);
const DAY: Span = Span::from_secs(86_400);

/// What one look sees.
#[derive(Clone, Default)]
pub struct Look {
    /// When.
    pub at: Ts,
    /// The newest picture.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Time since the engine's last turn.
    pub heartbeat: Option<Span>,
    /// Connections of all streams that were lost.
    pub reconnects: u64,
    /// Orders of which nobody knows whether the venue has them.
    pub unresolved: usize,
    /// The models that are asked.
    pub models: Vec<Voice>,
}

/// A model that is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voice {
    /// Its name.
    pub model: String,
    /// When the features of its newest forecast were made; `None` where it has never answered.
    pub newest: Option<Ts>,
    /// Since when it is asked.
    pub since: Ts,
}

/// Something that lasts: told once when it has lasted long enough, and once when it is over.
#[derive(Default)]
struct Lasting {
    since: Option<Ts>,
    told: bool,
}

enum Turn {
    Began,
    Ended,
}

impl Lasting {
    fn look(&mut self, at: Ts, on: bool, long_enough: Span) -> Option<Turn> {
        if !on {
            self.since = None;
            return std::mem::take(&mut self.told).then_some(Turn::Ended);
        }
        let since = *self.since.get_or_insert(at);
        let begins = !self.told && at.since(since) >= long_enough;
        self.told |= begins;
        begins.then_some(Turn::Began)
    }
}

/// What was seen of the run so far.
#[derive(Default)]
struct Seen {
    run: String,
    /// When it was first seen.
    since: Ts,
    notice: u64,
    armed: bool,
    latch: Option<Latch>,
    flat_proven: Option<Ts>,
    unresolved: usize,
    /// Models that are benched, with their instruments.
    benched: BTreeSet<(String, String)>,
}

/// The eyes.
pub struct Watcher {
    silence: Span,
    signal_silence: Span,
    seen: Seen,
    last: Option<Arc<Snapshot>>,
    stale: Lasting,
    no_heartbeat: Lasting,
    no_data: Lasting,
    /// Models whose silence was told.
    no_signal: BTreeSet<String>,
    storm: Lasting,
    /// Counts of reconnects at earlier moments.
    reconnects: VecDeque<(Ts, u64)>,
    digest_after_midnight: Span,
    next_digest: Option<Ts>,
}

impl Watcher {
    /// Nothing seen yet. Silence for `silence_times` what is expected is told; signals are expected once per `interval`.
    pub fn new(silence_times: u32, interval: Span, digest_after_midnight: Span) -> Self {
        let times = i64::from(silence_times);
        Self {
            silence: Span(EXPECTED.0 * times),
            signal_silence: Span(interval.max(EXPECTED).0.saturating_mul(times)),
            seen: Seen::default(),
            last: None,
            stale: Lasting::default(),
            no_heartbeat: Lasting::default(),
            no_data: Lasting::default(),
            no_signal: BTreeSet::new(),
            storm: Lasting::default(),
            reconnects: VecDeque::new(),
            digest_after_midnight,
            next_digest: None,
        }
    }

    /// Which run it is about, for the first line of a message.
    pub fn head(&self) -> String {
        let Some(snapshot) = &self.last else { return "tickdeck".to_owned() };
        let (account, session) = (snapshot.session.pair.account().word(), &snapshot.session);
        let market = match session.pair.market() {
            Market::Simulated => " (simulated market)",
            _ if session.simulated_venue => " (SIM)",
            _ => "",
        };
        format!("tickdeck {account}{market}")
    }

    /// What happened since the last look.
    pub fn look(&mut self, look: &Look) -> Vec<Alert> {
        let mut said = Vec::new();
        let mut tell = |event: Event, text: String| said.push(Alert::new(look.at, event, &text));
        self.digest(look.at, &mut tell);
        if let Some(snapshot) = &look.snapshot {
            self.begin(look.at, snapshot, &mut tell);
            self.notices(snapshot, &mut tell);
            self.arming(snapshot, &mut tell);
            self.latch(snapshot, &mut tell);
            self.orders(look.unresolved, &mut tell);
            self.models(snapshot, &mut tell);
            self.last = Some(snapshot.clone());
        }
        self.silence(look, &mut tell);
        self.storm(look, &mut tell);
        said
    }

    fn begin(&mut self, at: Ts, snapshot: &Snapshot, tell: &mut impl FnMut(Event, String)) {
        let run = &snapshot.session.run;
        if *run != self.seen.run {
            self.seen = Seen { run: run.clone(), since: at, ..Seen::default() };
            tell(Event::Run, format!("run {run} has begun: {}", in_words(snapshot)));
        }
    }

    fn notices(&mut self, snapshot: &Snapshot, tell: &mut impl FnMut(Event, String)) {
        let new = || snapshot.notices.iter().filter(|notice| notice.id > self.seen.notice);
        let missed = new().next().map_or(0, |first| first.id - self.seen.notice - 1);
        if missed > 0 && self.seen.notice > 0 {
            tell(Event::Alarm, format!("{missed} events came too fast to be looked at: the ledger has the fills"));
        }
        for notice in new() {
            match (notice.kind, notice.level) {
                (Kind::Fill, _) => tell(Event::Fill, notice.text.clone()),
                (Kind::Order, Level::Alarm) => tell(Event::Ambiguous, notice.text.clone()),
                // A kill or trip is told by its latch, whoever set it.
                (Kind::State, Level::Alarm) | (_, Level::Info | Level::Warn) => {}
                (_, Level::Alarm) => tell(Event::Alarm, notice.text.clone()),
            }
        }
        self.seen.notice = snapshot.notices.last().map_or(self.seen.notice, |notice| notice.id.max(self.seen.notice));
    }

    fn arming(&mut self, snapshot: &Snapshot, tell: &mut impl FnMut(Event, String)) {
        let state = &snapshot.state;
        let armed = state.armed_until.is_some();
        match (self.seen.armed, armed, state.armed_until) {
            (false, true, Some(until)) => tell(Event::Armed, format!("ARMED until {} UTC", until.clock())),
            (true, false, _) if state.latch.is_none() => {
                let why = last_state_words(snapshot).map_or(String::new(), |words| format!(": {words}"));
                tell(Event::Disarmed, format!("DISARMED{why} · {} open", state.open));
            }
            _ => {}
        }
        self.seen.armed = armed;
    }

    fn latch(&mut self, snapshot: &Snapshot, tell: &mut impl FnMut(Event, String)) {
        let state = &snapshot.state;
        let event = |latch: &Latch| if latch.is_kill() { Event::Killed } else { Event::Tripped };
        if state.latch != self.seen.latch {
            match (&self.seen.latch, &state.latch) {
                (_, Some(latch)) => {
                    let word = if latch.is_kill() { "KILLED" } else { "TRIPPED" };
                    tell(event(latch), format!("{word}: {} · {} open", latch.cause, state.open));
                }
                (Some(was), None) => tell(event(was), "reset: no longer latched".to_owned()),
                (None, None) => {}
            }
        }
        if let (Some(latch), Some(proven)) = (&state.latch, state.flat_proven)
            && self.seen.flat_proven != Some(proven)
        {
            tell(event(latch), format!("FLAT, proven at {} UTC", proven.clock()));
        }
        (self.seen.latch, self.seen.flat_proven) = (state.latch.clone(), state.flat_proven);
    }

    fn orders(&mut self, unresolved: usize, tell: &mut impl FnMut(Event, String)) {
        if unresolved > self.seen.unresolved {
            tell(Event::Ambiguous, format!("{unresolved} order(s) that nobody knows about; asking goes on"));
        } else if unresolved == 0 && self.seen.unresolved > 0 {
            tell(Event::Ambiguous, "every order is settled again".to_owned());
        }
        self.seen.unresolved = unresolved;
    }

    fn models(&mut self, snapshot: &Snapshot, tell: &mut impl FnMut(Event, String)) {
        let mut benched = BTreeSet::new();
        for row in &snapshot.trust {
            let Some(why) = &row.record.benched else { continue };
            let market = snapshot.markets.get(row.symbol.index()).map_or("?", |market| market.name.as_str());
            let which = (row.model.clone(), market.to_owned());
            if !self.seen.benched.contains(&which) {
                tell(
                    Event::ModelBenched,
                    format!("{} benched on {market}: {why}; its answers open nothing", row.model),
                );
            }
            benched.insert(which);
        }
        for (model, market) in self.seen.benched.difference(&benched) {
            tell(Event::ModelBenched, format!("{model} is believed again on {market}"));
        }
        self.seen.benched = benched;
    }

    fn silence(&mut self, look: &Look, tell: &mut impl FnMut(Event, String)) {
        let at = look.at;
        let heartbeat = look.heartbeat.unwrap_or_default();
        let frozen = heartbeat > self.silence;
        match self.no_heartbeat.look(at, frozen, TURNS_WITHIN) {
            Some(Turn::Began) => {
                tell(Event::Silence, format!("NO HEARTBEAT: the engine stands still since {heartbeat}"));
            }
            Some(Turn::Ended) => tell(Event::Silence, "the engine turns again".to_owned()),
            None => {}
        }
        let Some(snapshot) = look.snapshot.as_ref().filter(|_| !frozen) else { return };
        let age = snapshot.health.feed_age.map(|age| age + heartbeat);
        let most = snapshot.limits.iter().find(|row| row.key == LimitKey::MaxDataAgeMs);
        let most = most.map_or(EXPECTED, |row| Span::from_ms(row.value / 1_000_000_000));
        let down = snapshot.health.feed_down.as_deref();
        let shown = age.map_or("never heard".to_owned(), |age| format!("{age} old"));
        // What was never heard is as old as the run.
        let age = age.unwrap_or_else(|| at.since(self.seen.since));
        let why = down.map_or(String::new(), |why| format!(" ({why})"));
        match self.stale.look(at, down.is_some() || age > most, STALE_FOR) {
            Some(Turn::Began) => tell(Event::Stale, format!("market data is stale: {shown}{why}; nothing opens")),
            Some(Turn::Ended) => tell(Event::Stale, "market data is fresh again".to_owned()),
            None => {}
        }
        let silent = age > self.silence;
        match self.no_data.look(at, silent, Span(0)) {
            Some(Turn::Began) => tell(Event::Silence, format!("NO DATA: {shown}{why}")),
            Some(Turn::Ended) => tell(Event::Silence, "data comes again".to_owned()),
            None => {}
        }
        // Without data nobody is asked.
        let quiet = if silent { BTreeSet::new() } else { self.quiet(look) };
        let told = |models: Vec<&String>| models.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (newly, again) =
            (told(quiet.difference(&self.no_signal).collect()), told(self.no_signal.difference(&quiet).collect()));
        if !newly.is_empty() {
            tell(Event::Silence, format!("NO SIGNAL: {newly} did not answer in time"));
        }
        if !again.is_empty() && !silent {
            tell(Event::Silence, format!("signals come again: {again}"));
        }
        self.no_signal = quiet;
    }

    /// Models that should have answered by now.
    fn quiet(&self, look: &Look) -> BTreeSet<String> {
        let late = |voice: &&Voice| match voice.newest {
            Some(newest) => look.at.since(newest.max(voice.since)) > self.signal_silence,
            None => look.at.since(voice.since) > self.signal_silence.max(WARM_UP),
        };
        look.models.iter().filter(late).map(|voice| voice.model.clone()).collect()
    }

    fn storm(&mut self, look: &Look, tell: &mut impl FnMut(Event, String)) {
        // A new run counts from 0.
        if self.reconnects.back().is_some_and(|(_, count)| *count > look.reconnects) {
            self.reconnects.clear();
        }
        if self.reconnects.back().is_none_or(|(_, count)| *count != look.reconnects) {
            self.reconnects.push_back((look.at, look.reconnects));
        }
        while self.reconnects.get(1).is_some_and(|(at, _)| look.at.since(*at) > STORM_WITHIN) {
            self.reconnects.pop_front();
        }
        let first = self.reconnects.front().map_or(look.reconnects, |(_, count)| *count);
        let count = look.reconnects - first;
        if let Some(Turn::Began) = self.storm.look(look.at, count >= STORM, Span(0)) {
            let minutes = STORM_WITHIN.as_ms() / 60_000;
            tell(
                Event::Reconnects,
                format!("connections to the exchange were lost {count} times in {minutes} minutes"),
            );
        }
    }

    /// The day's figures are those of the last picture before it turned.
    fn digest(&mut self, at: Ts, tell: &mut impl FnMut(Event, String)) {
        let next = *self.next_digest.get_or_insert_with(|| {
            let today = at.floor_to(DAY) + self.digest_after_midnight;
            if today > at { today } else { today + DAY }
        });
        if at < next {
            return;
        }
        // A machine that slept through days tells the last one.
        self.next_digest = Some(at.floor_to(DAY) + self.digest_after_midnight)
            .map(|today| if today > at { today } else { today + DAY });
        if let Some(snapshot) = &self.last {
            tell(Event::Digest, figures(snapshot));
        }
    }
}

fn in_words(snapshot: &Snapshot) -> String {
    let word = snapshot.state.word.text();
    format!("{word} · {} open · equity {}", snapshot.state.open, money(snapshot.account.equity))
}

fn money(amount: Option<Money>) -> String {
    amount.map_or("unknown".to_owned(), |amount| format!("{amount:.2}"))
}

fn figures(snapshot: &Snapshot) -> String {
    let account = &snapshot.account;
    let percent = |value: Option<f64>| value.map_or(String::new(), |value| format!(" ({value:+.2} %)"));
    let drawdown = account.drawdown_pct.map_or("unknown".to_owned(), |value| format!("{value:.2} %"));
    format!(
        "the day: {}{} · {} · run: realised {:.2}, fees {:.2}, funding {:.2}, {} trades, {} won · drawdown {drawdown}",
        money(account.day_pnl),
        percent(account.day_pnl_pct),
        in_words(snapshot),
        account.realised,
        account.fees,
        account.funding,
        account.trades,
        account.wins,
    )
}

/// What the engine last said of its state.
fn last_state_words(snapshot: &Snapshot) -> Option<&str> {
    let of_state = |notice: &&Notice| notice.kind == Kind::State;
    snapshot.notices.iter().rev().find(of_state).map(|notice| notice.text.as_str())
}
