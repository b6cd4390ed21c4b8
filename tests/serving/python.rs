//! Python with the packages of these trials, installed once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use libtest_mimic::{Failed, Trial};

const PACKAGES: &[&str] = &[
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "scikit-learn==1.9.1",
    "joblib==1.6.0",
    "numpy==2.4.6",
    "tritonclient[http]==2.73.0",
    #[cfg(feature = "onnx")]
    "onnx==1.23.2",
];

/// One installs, the others wait.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A trial that gets the interpreter of an environment with [`PACKAGES`]; ignored where none can be made.
pub fn trial(name: &str, run: fn(&Path) -> Result<(), String>) -> Trial {
    let able = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let trial = Trial::test(name, move || run(&interpreter()?).map_err(Failed::from));
    trial.with_ignored_flag(!able).with_kind(if able { "python" } else { "no python3 venv here" })
}

fn interpreter() -> Result<PathBuf, String> {
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = Path::new(env!("CARGO_BIN_EXE_tickdeck")).ancestors().nth(2).unwrap();
    let folder = target.join("model-servers/venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|text| text == PACKAGES.join("\n")) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    done(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    done(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    fs::write(stamp, PACKAGES.join("\n")).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs a script of `tests/serving` to its end.
pub fn run(python: &Path, script: &str, args: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving").join(script);
    done(Command::new(python).arg(script).args(args))
}

pub fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?}: {}\n{out}\n{err}", output.status))
}
