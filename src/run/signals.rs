//! Signals of the operating system as requests of a person.

use std::sync::mpsc::{Receiver, TrySendError, sync_channel};

/// What a signal means to a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGINT: in a cockpit raw mode is lost, so it is a kill; without a screen it stops.
    Interrupt,
    /// SIGQUIT: a kill everywhere.
    Quit,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal went away.
    HangUp,
}

impl Signal {
    /// Is it a kill, in a run with a screen or without?
    pub const fn kills(self, screen: bool) -> bool {
        matches!(self, Self::Quit) || (matches!(self, Self::Interrupt) && screen)
    }
    /// Name for notices and the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }
}

/// Starts listening. `past` may take a signal at once, on the thread that listens; every other one is queued, and `wake` is
/// called after it.
#[cfg(unix)]
pub fn listen(
    past: impl Fn(Signal) -> bool + Send + 'static,
    wake: impl Fn() + Send + 'static,
) -> std::io::Result<Receiver<Signal>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = sync_channel(16);
    let (ready, started) = sync_channel(1);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async move {
            let handlers = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::quit()),
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
                // A bound on the size of files ends no process that hears of it: writing fails, and that is handled.
                signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())),
            );
            let (Ok(mut int), Ok(mut quit), Ok(mut term), Ok(mut hup), Ok(_full)) = handlers else {
                let error = std::io::Error::other("cannot listen for signals");
                return drop(ready.send(Err(error)));
            };
            drop(ready.send(Ok(())));
            loop {
                let signal = tokio::select! {
                    _ = int.recv() => Signal::Interrupt,
                    _ = quit.recv() => Signal::Quit,
                    _ = term.recv() => Signal::Terminate,
                    _ = hup.recv() => Signal::HangUp,
                };
                // A kill goes past the queue: an engine that is stuck must not hold it up, nor one that does not listen.
                if past(signal) {
                    continue;
                }
                if let Err(TrySendError::Disconnected(_)) = sender.try_send(signal) {
                    return;
                }
                wake();
            }
        });
    })?;
    started.recv().map_err(|_| std::io::Error::other("the signal thread ended"))??;
    Ok(receiver)
}
