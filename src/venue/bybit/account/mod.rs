//! Our account at the venue: orders go out, and what became of them comes back as events. One task keeps the books
//! ([`desk`]); sockets and requests run beside it and report to it.

pub mod desk;
mod opening;
mod runner;
pub(super) mod stream;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use runner::{Command, Runner};

use super::credentials::Credentials;
use super::hosts::PrivateHosts;
use super::leave::Withdrawn;
use super::rest::{Rest, RestError, RestOptions, SharedLimits, VenueClock};
use super::socket::Heartbeat;
use crate::engine::effect::NewOrder;
use crate::engine::event::{Event, MarketData};
use crate::engine::ids::{Account, OrderSeq, RunId, Symbol};
use crate::engine::risk::gate::Approved;
use crate::engine::time::Ts;
use crate::venue::Venue;
use crate::venue::line::{Inlet, Now, Wake, line};

/// Events that may wait between the account's task and the run.
const LINE_MAX: usize = 1_024;

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
    /// Signs of life of its sockets.
    pub heartbeat: Heartbeat,
}

/// Bybit as a venue. Dropping it ends its tasks; orders that rest stay at the venue.
pub struct BybitVenue {
    commands: UnboundedSender<Command>,
    inlet: Inlet,
    withdrawn: Withdrawn,
    task: JoinHandle<()>,
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
        let (outlet, inlet) = line(LINE_MAX, now, wake);
        let (commands, taken) = unbounded_channel();
        let withdrawn = Withdrawn::default();
        let runner = Runner::new(options, rest, outlet, withdrawn.clone());
        let task = handle.spawn(runner.run(taken));
        Ok(Self { commands, inlet, withdrawn, task })
    }

    /// The task is gone only when the run is over: then there is nobody to tell.
    fn command(&self, command: Command) {
        drop(self.commands.send(command));
    }
}

impl Venue for BybitVenue {
    fn on_market(&mut self, _: Ts, _: Symbol, _: &MarketData) {}
    fn submit(&mut self, _: Ts, order: Approved<NewOrder>, link_id: &str) {
        self.command(Command::Submit { order, link_id: link_id.to_owned() });
    }
    fn cancel(&mut self, _: Ts, order: OrderSeq) {
        // At once and for whoever is about to write it, before the cancel takes its way through the task.
        self.withdrawn.withdraw(order);
        self.command(Command::Cancel(order));
    }
    fn ask(&mut self, _: Ts) {
        self.command(Command::Ask);
    }
    fn collect(&mut self) {
        self.inlet.collect();
    }
    fn next_due(&self) -> Option<Ts> {
        self.inlet.next_at()
    }
    fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)> {
        if self.inlet.next_at()? > now {
            return None;
        }
        self.inlet.pop()
    }
}

impl Drop for BybitVenue {
    fn drop(&mut self) {
        self.task.abort();
    }
}
