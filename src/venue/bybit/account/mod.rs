//! Our account at the venue: orders go out, and what became of them comes back as events. One task keeps the books
//! ([`desk`]); sockets and requests run beside it and report to it.

mod claim;
pub mod desk;
mod explain;
pub mod jobs;
mod lights;
pub mod opening;
pub mod requests;
pub mod runner;
pub(super) mod stream;
mod task;
mod tying;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

pub use claim::Claim;
use opening::Before;
pub(super) use opening::check_key;
use task::{Command, Task};

use super::credentials::Credentials;
use super::hosts::PrivateHosts;
use super::leave::Withdrawn;
use super::rest::{Rest, RestError, RestOptions, SharedLimits, VenueClock};
use super::signs::{Signs, Stream};
use super::socket::Heartbeat;
use crate::engine::effect::{Errand, NewOrder, Protection};
use crate::engine::event::{AccountUpdate, Event, Hold, MarketData, OrderNews, OrderUpdate};
use crate::engine::ids::{Account, OrderSeq, RunId, Symbol};
use crate::engine::risk::gate::Approved;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::Ts;
use crate::gate::Pass;
use crate::venue::Venue;
use crate::venue::line::{Inlet, Now, Wake, line};

/// Events that may wait between the account's task and the run.
const LINE_MAX: usize = 1_024;

/// Said where the task is gone.
const ENDED: &str = "tickdeck's connection to the account has ended by a fault of its own";

/// How orders are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// One request each.
    #[default]
    Rest,
    /// By the trade socket while it is open, else by REST. The demo account has none.
    Socket,
}

/// What an account is connected with.
pub struct AccountOptions {
    /// Where it is reached.
    pub hosts: PrivateHosts,
    /// Its key.
    pub credentials: Arc<Credentials>,
    /// Whose money, for the ids of orders.
    pub account: Account,
    /// The run, for the ids of orders.
    pub run: RunId,
    /// What the ledger knows of the time before this run.
    pub before: Before,
    /// Venue names, in the order of the run's symbols.
    pub symbols: Vec<String>,
    /// How orders are sent.
    pub transport: Transport,
    /// `[bybit] recv_window_ms`.
    pub recv_window_ms: u32,
    /// `[bybit] create_recv_window_ms`.
    pub create_recv_window_ms: u32,
    /// A proxy's URL, for both transports.
    pub proxy: Option<String>,
    /// Request budgets, shared with the public stream on the same address.
    pub limits: SharedLimits,
    /// When its sockets are asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// Where their signs of life go.
    pub signs: Signs,
    /// The highest leverage at the venue that is no finding of the checklist.
    pub leverage_most: u32,
    /// Asked before anything of the account is changed.
    pub claim: Claim,
}

/// Bybit as a venue. Dropping it ends its tasks; orders that rest stay at the venue.
pub struct BybitVenue {
    commands: UnboundedSender<Command>,
    inlet: Inlet,
    withdrawn: Withdrawn,
    signs: Signs,
    task: JoinHandle<()>,
    now: Now,
    /// The task has ended, which was told.
    over: bool,
    /// What is said where no task is left to say it.
    last_words: VecDeque<(Ts, Event)>,
}

impl BybitVenue {
    /// Connects. What is heard carries the time of `now`; `wake` is called for each event. Fails only where no request
    /// could ever be made (proxy address, root certificates).
    pub fn start(handle: &Handle, options: AccountOptions, now: Now, wake: Wake) -> Result<Self, RestError> {
        let rest = Rest::new(RestOptions {
            base: options.hosts.rest().to_owned(),
            credentials: Some(options.credentials.clone()),
            recv_window_ms: options.recv_window_ms,
            create_recv_window_ms: options.create_recv_window_ms,
            proxy: options.proxy.clone(),
            limits: options.limits.clone(),
            clock: Arc::new(VenueClock::default()),
            now: now.clone(),
        })?;
        let (outlet, inlet) = line(LINE_MAX, now.clone(), wake);
        let (commands, taken) = unbounded_channel();
        let (withdrawn, signs) = (Withdrawn::default(), options.signs.clone());
        let task = handle.spawn(Task::new(options, rest, outlet, withdrawn.clone()).run(taken));
        Ok(Self { commands, inlet, withdrawn, signs, task, now, over: false, last_words: VecDeque::new() })
    }

    /// `false` where the task has ended: nothing is done any more.
    fn command(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }
    fn say(&mut self, event: Event) {
        let at = (self.now)();
        self.last_words.push_back((at, event));
    }
    fn say_of(&mut self, order: OrderSeq, what: OrderNews) {
        self.say(Event::Order(OrderUpdate { order, what }));
    }

    /// The account's task ends, as if it had failed.
    #[cfg(test)]
    pub(super) fn end_task(&self) {
        self.task.abort();
    }
    /// What listens to the private stream ends, as if it had failed.
    #[cfg(test)]
    pub(super) fn end_stream(&self) {
        assert!(self.command(Command::EndStream));
    }
}

impl Venue for BybitVenue {
    fn on_market(&mut self, _: Ts, _: Symbol, _: &MarketData) {}
    fn submit(&mut self, _: Ts, order: Approved<NewOrder>, link_id: &str, pass: Pass) {
        let seq = order.get().seq;
        if !self.command(Command::Submit { order, link_id: link_id.to_owned(), pass }) {
            self.say_of(seq, OrderNews::Unsent(ENDED.into()));
        }
    }
    fn cancel(&mut self, _: Ts, order: OrderSeq) {
        // At once and for whoever is about to write it, before the cancel takes its way through the task.
        self.withdrawn.withdraw(order);
        if !self.command(Command::Cancel(order)) {
            self.say_of(order, OrderNews::CancelRejected(ENDED.into()));
        }
    }
    fn ask(&mut self, _: Ts) {
        // Without a task there is no answer, and the hold below says why.
        let _asked = self.command(Command::Ask);
    }
    fn tie_out(&mut self, _: Ts) {
        let _asked = self.command(Command::TieOut);
    }
    fn protect(&mut self, _: Ts, symbol: Symbol, protection: Protection) {
        // Without a task nothing is done, and the hold below says why.
        let _asked = self.command(Command::Protect(symbol, protection));
    }
    fn cancel_by_id(&mut self, _: Ts, symbol: Symbol, order: &str) {
        let _asked = self.command(Command::CancelById(symbol, order.to_owned()));
    }
    fn settle(&mut self, _: Ts, order: OrderSeq) {
        // Without a task it stays as it is, and the hold below says why.
        let _asked = self.command(Command::Settle(order));
    }
    fn run_errand(&mut self, _: Ts, errand: Errand) {
        let over = AccountUpdate::ErrandOver { errand: errand.clone(), done: false, receipt: vec![ENDED.to_owned()] };
        if !self.command(Command::Errand(errand)) {
            self.say(Event::Account(over));
        }
    }
    fn retry(&mut self, _: Ts) {
        let _asked = self.command(Command::Retry);
    }
    fn collect(&mut self) {
        self.inlet.collect();
        if !self.over && self.task.is_finished() {
            self.over = true;
            let detail = Some(format!("{ENDED}: start tickdeck anew; until then close at the exchange"));
            self.say(Event::Hold(Hold { code: DenialCode::VenueUnreachable, symbol: None, detail }));
        }
    }
    fn next_due(&self) -> Option<Ts> {
        self.inlet.next_at().or_else(|| self.last_words.front().map(|(at, _)| *at))
    }
    fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)> {
        if self.next_due()? > now {
            return None;
        }
        // What the task said comes before what is said in its place.
        self.inlet.pop().or_else(|| self.last_words.pop_front())
    }
}

impl Drop for BybitVenue {
    fn drop(&mut self) {
        self.signs.unwanted(&[Stream::Private, Stream::Trade]);
        self.task.abort();
    }
}
