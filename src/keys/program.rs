//! A key from a program that prints it: a password manager, a cloud's secret store.

use std::io::Read as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{ACCOUNTS, NAMED, Part, Secret, Why, variable};

/// Most that is read of what a program prints.
const BYTES_MAX: usize = 4096;
/// How often a program that has closed its output is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Why a program gave no key. What it printed is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be started.
    #[error("it cannot be started: {0}")]
    Start(std::io::Error),
    /// It ended with an error.
    #[error("it failed ({0}); run it yourself to see what it says")]
    Failed(std::process::ExitStatus),
    /// It did not end in time.
    #[error("it did not end within {0} s and was stopped; run it yourself to see what it waits for")]
    Late(u64),
    /// Its output cannot be read.
    #[error("its output cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It printed something that is not text.
    #[error("it printed something that is not a text")]
    NotText,
}

/// Runs the program and takes what it prints. Its standard error is not shown: it might hold the key.
pub(super) fn ask(program: &[String], limit: Duration) -> Result<Secret, Why> {
    let Some((name, arguments)) = program.split_first() else {
        return Err(ProgramError::Start(std::io::ErrorKind::NotFound.into()).into());
    };
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let of_accounts = ACCOUNTS.iter().flat_map(|account| Part::ALL.map(|part| variable(*account, part))).flatten();
    for name in of_accounts.chain(NAMED.iter().map(|named| named.variable)) {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(ProgramError::Start)?;
    let printed = child.stdout.take().map(|out| printed(&mut child, out, limit));
    let bytes = printed.unwrap_or(Err(ProgramError::Late(0)))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ProgramError::NotText)?;
    Ok(Secret::new(text)?)
}

/// What the program printed by the time it ended well. It is stopped when it takes too long.
fn printed(child: &mut Child, out: ChildStdout, limit: Duration) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
    let deadline = Instant::now() + limit;
    let (send, receive) = sync_channel(1);
    // A reader of its own: a program that hands its output to another may keep the pipe open after it was stopped.
    let reader = std::thread::Builder::new().name("key program".into()).spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * BYTES_MAX));
        let read = out.take(BYTES_MAX as u64).read_to_end(&mut bytes).map(|_| bytes);
        let _ = send.send(read);
    });
    let outcome = match reader {
        Err(error) => Err(ProgramError::Start(error)),
        Ok(_) => match receive.recv_timeout(limit) {
            Ok(read) => read.map_err(ProgramError::Unreadable),
            Err(_) => Err(ProgramError::Late(limit.as_secs())),
        },
    };
    let outcome = outcome.and_then(|bytes| ended(child, deadline, limit).map(|()| bytes));
    if outcome.is_err() {
        // It may have ended by itself; either way it is waited for, so that none is left behind.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

fn ended(child: &mut Child, deadline: Instant, limit: Duration) -> Result<(), ProgramError> {
    loop {
        match child.try_wait().map_err(ProgramError::Unreadable)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(ProgramError::Failed(status)),
            None if Instant::now() >= deadline => return Err(ProgramError::Late(limit.as_secs())),
            None => std::thread::sleep(POLL),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit_ms: u64) -> Result<Secret, Why> {
        ask(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], Duration::from_millis(limit_ms))
    }

    #[test]
    fn what_a_program_prints_is_the_key() {
        assert_eq!(shell("echo 0123456789abcdef", 60_000).unwrap().expose(), "0123456789abcdef");
        assert_eq!(shell("exec 2>&-; printf abc; exec >&-; sleep 0.05", 60_000).unwrap().expose(), "abc");
    }

    #[test]
    fn a_program_that_fails_is_told_without_what_it_said() {
        let told = shell("echo 0123456789abcdef; echo 0123456789abcdef >&2; exit 3", 60_000).unwrap_err().to_string();
        assert!(told.contains("exit status: 3") && !told.contains("0123456789"), "{told}");
        assert!(matches!(shell("true", 60_000), Err(Why::Malformed(_))));
        assert!(matches!(shell("printf '\\377'", 60_000), Err(Why::Program(ProgramError::NotText))));
        let missing = ask(&["no-such-program-here".to_owned()], Duration::from_secs(60));
        assert!(matches!(missing, Err(Why::Program(ProgramError::Start(_)))));
        assert!(matches!(ask(&[], Duration::ZERO), Err(Why::Program(ProgramError::Start(_)))));
    }

    #[test]
    fn a_program_that_waits_for_ever_is_stopped() {
        for script in ["sleep 600", "printf abc; exec >&-; sleep 600", "sleep 600 & echo"] {
            assert!(matches!(shell(script, 50), Err(Why::Program(ProgramError::Late(_)))), "{script}");
        }
    }

    #[test]
    fn the_other_keys_stay_with_us() {
        // The variables are those of this test's own process; only their absence in the child can be seen from here.
        let printed = shell("env | grep -c '^BYBIT_.*API_' || true", 60_000).unwrap();
        assert_eq!(printed.expose(), "0");
    }
}
