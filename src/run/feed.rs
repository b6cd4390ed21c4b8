//! Where market events come from: the built-in market or a tape. Both give events in event time.

use std::collections::VecDeque;

use tokio::runtime::{Handle, Runtime};

use super::carry::Carry;
use crate::engine::event::Event;
use crate::engine::snapshot::{Health, HealthRow};
use crate::engine::time::Ts;
use crate::tape::{TapeError, TapeReader};
use crate::venue::bybit::public::{PublicOptions, PublicStream};
use crate::venue::line::Inlet;
use crate::venue::simulated::SimulatedMarket;

/// A source of market events.
pub enum Feed {
    /// The built-in market; never ends.
    Simulated(Box<SimulatedMarket>),
    /// A tape.
    Tape(Box<TapeFeed>),
    /// Sockets of a venue; never ends.
    Live(Box<LiveFeed>),
}

/// What the sockets of a venue hear, and everything that keeps them open.
pub struct LiveFeed {
    inlet: Inlet,
    stream: PublicStream,
    options: PublicOptions,
    runtime: Option<Runtime>,
    /// What the run before hands on; comes before anything new.
    handed: VecDeque<(Ts, Event)>,
    /// What is handed on to the next run, where one may follow.
    carry: Option<Carry>,
}

impl LiveFeed {
    /// Events from `inlet` for as long as `stream` and `runtime` live here. `carries`: another run may follow on it.
    pub fn new(inlet: Inlet, stream: PublicStream, options: PublicOptions, runtime: Runtime, carries: bool) -> Self {
        let carry = carries.then(Carry::default);
        Self { inlet, stream, options, runtime: Some(runtime), handed: VecDeque::new(), carry }
    }

    /// What the stream was started with.
    pub const fn options(&self) -> &PublicOptions {
        &self.options
    }
    /// Where tasks of an account on this market run.
    pub fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// Another run follows on this stream and takes in its past first ([`Carry::hand_over`]). Returns when that begins.
    pub fn hand_over(&mut self, now: Ts, with_past: bool) -> Ts {
        if let Some(carry) = self.carry.replace(Carry::default()) {
            // What this run itself was handed and has not taken in yet belongs behind what it has.
            let mut handed = carry.hand_over(now, with_past);
            handed.append(&mut self.handed);
            self.handed = handed;
        }
        self.handed.front().map_or(now, |(at, _)| *at)
    }

    fn next_at(&self) -> Option<Ts> {
        self.handed.front().map(|(at, _)| *at).or_else(|| self.inlet.next_at())
    }

    fn pop(&mut self) -> Option<(Ts, Event)> {
        let next = self.handed.pop_front().or_else(|| self.inlet.pop())?;
        if let Some(carry) = &mut self.carry {
            carry.note(next.0, &next.1);
        }
        Some(next)
    }

    /// Connections, and what went wrong on them so far.
    pub fn health(&self) -> HealthRow {
        let counts = self.stream.counts();
        let (lost, anew, odd) = (counts.reconnects, counts.resyncs, counts.odd);
        HealthRow {
            name: "streams".to_owned(),
            health: if counts.connected > 0 && odd == 0 { Health::Ok } else { Health::Warn },
            detail: format!("{} up · lost {lost} · books anew {anew} · odd {odd}", counts.connected),
        }
    }
}

impl Drop for LiveFeed {
    fn drop(&mut self) {
        // A socket that hangs does not hold up the end of a run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How a tape is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayKind {
    /// Market and link events only: paper venue and models run again.
    WhatIf,
    /// Everything the recorded run saw: its decisions must come out again.
    Audit,
}

/// A tape, one event ahead.
pub struct TapeFeed {
    reader: TapeReader,
    kind: ReplayKind,
    next: Option<(Ts, Event)>,
    failed: Option<TapeError>,
    span: (Ts, Ts),
}

impl TapeFeed {
    /// Reads on from where `reader` stands.
    pub fn new(reader: TapeReader, kind: ReplayKind, span: (Ts, Ts)) -> Self {
        let mut feed = Self { reader, kind, next: None, failed: None, span };
        feed.fill();
        feed
    }

    fn fill(&mut self) {
        self.next = loop {
            match self.reader.next_event() {
                Ok(Some((at, _, event))) if self.wanted(&event) => break Some((at, event)),
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => {
                    self.failed = Some(error);
                    break None;
                }
            }
        };
    }

    const fn wanted(&self, event: &Event) -> bool {
        match (self.kind, event) {
            (_, Event::Market(..) | Event::Link(_)) => true,
            (ReplayKind::WhatIf, _) | (ReplayKind::Audit, Event::Tick) => false,
            (ReplayKind::Audit, _) => true,
        }
    }

    /// Time of the next event that will be given.
    pub fn first_at(&self) -> Option<Ts> {
        self.next.as_ref().map(|next| next.0)
    }

    /// The moment at this part of the tape's span, 0 to 1.
    pub fn time_at(&self, part: f64) -> Option<Ts> {
        let length = self.span.1.since(self.span.0).0 as f64;
        part.is_finite().then(|| Ts(self.span.0.0 + (length * part.clamp(0.0, 1.0)) as i64))
    }

    /// Why reading stopped before the end of the tape.
    pub const fn failed(&self) -> Option<&TapeError> {
        self.failed.as_ref()
    }

    /// Part of the tape's span played, 0 to 1.
    pub fn done(&self) -> f64 {
        let Some((at, _)) = &self.next else { return 1.0 };
        let length = self.span.1.since(self.span.0).0.max(1) as f64;
        (at.since(self.span.0).0 as f64 / length).clamp(0.0, 1.0)
    }
}

impl Feed {
    /// Time of the next event; `None` at the end of a tape.
    pub fn next_at(&self) -> Option<Ts> {
        match self {
            Self::Simulated(market) => Some(market.next_at()),
            Self::Tape(tape) => tape.next.as_ref().map(|next| next.0),
            Self::Live(live) => live.next_at(),
        }
    }
    /// Events that sockets have heard and the run has not taken; `None` where there are no sockets.
    pub fn depth(&self) -> Option<usize> {
        if let Self::Live(live) = self { Some(live.inlet.depth()) } else { None }
    }
    /// Takes in what sockets have heard.
    pub fn collect(&mut self) {
        if let Self::Live(live) = self {
            live.inlet.collect();
        }
    }
    /// May more come although nothing is waiting?
    pub const fn may_go_on(&self) -> bool {
        matches!(self, Self::Live(_))
    }
    /// The next event.
    pub fn pop(&mut self) -> Option<(Ts, Event)> {
        match self {
            Self::Simulated(market) => {
                let (at, symbol, data) = market.next_event();
                Some((at, Event::Market(symbol, data)))
            }
            Self::Tape(tape) => {
                let next = tape.next.take();
                tape.fill();
                next
            }
            Self::Live(live) => live.pop(),
        }
    }
}
