//! Signals of the operating system as requests of a person.

use std::sync::mpsc::{Receiver, sync_channel};

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

/// Starts listening; `wake` is called after every signal.
#[cfg(unix)]
pub fn listen(wake: impl Fn() + Send + 'static) -> std::io::Result<Receiver<Signal>> {
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
            );
            let (Ok(mut int), Ok(mut quit), Ok(mut term), Ok(mut hup)) = handlers else {
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
                if sender.send(signal).is_err() {
                    return;
                }
                wake();
            }
        });
    })?;
    started.recv().map_err(|_| std::io::Error::other("the signal thread ended"))??;
    Ok(receiver)
}
