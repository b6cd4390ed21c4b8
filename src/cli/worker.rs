//! The worker that trains on a GPU: a program of its own, because what is linked with CUDA does not start without the
//! NVIDIA driver, and the cockpit must.

use crate::run::exit::Failure;

/// Its name, beside this program.
pub(super) const NAME: &str = "tickdeck-train-cuda";

/// Runs what this program was asked for in the worker, and ends as it ends.
#[cfg(not(feature = "cuda"))]
pub(super) fn run() -> Result<(), Failure> {
    let beside = std::env::current_exe().map_err(Failure::error)?.with_file_name(NAME);
    let asked = std::env::args_os().skip_while(|word| word != "train").skip(1);
    let ended = std::process::Command::new(&beside).args(asked).status();
    let why = match ended {
        Ok(status) if status.success() => return Ok(()),
        // What a dynamic linker ends with.
        Ok(status) if status.code() == Some(127) => {
            "it did not start: is the NVIDIA driver (libcuda.so.1) with CUDA's libraries installed?".to_owned()
        }
        Ok(status) => format!("it ended with {status}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!(
            "there is no {}: build it with `cargo build --release --features cuda --bin {NAME}` and put it beside this \
             program",
            beside.display()
        ),
        Err(error) => format!("{} cannot be started: {error}", beside.display()),
    };
    Err(Failure::error(format!("the worker that trains on a GPU: {why}. Nothing was written; --device cpu needs none")))
}

/// `tickdeck train` in this program, for the worker.
#[cfg(feature = "cuda")]
pub fn train_here() -> Result<(), Failure> {
    super::train::of_worker()
}
