//! `assets/examples/serve_any.py` end to end: a pickled scikit-learn model forecasts in a running demo.

#[cfg(feature = "onnx")]
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
#[cfg(feature = "onnx")]
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::Ts;
use tickdeck::model::load;

use crate::http::get;
use crate::python;

/// How long the demo may take to its first forecast.
const PATIENCE: Duration = Duration::from_secs(60);

/// An ONNX file that a script writes is computed here, and one that is not what its card says is refused.
#[cfg(feature = "onnx")]
fn onnx(python: &Path) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    let [soft, logits, models] = ["soft.onnx", "logits.onnx", "models"].map(|name| dir.path().join(name));
    python::run(python, "onnx_tiny.py", &[soft.to_str().unwrap(), logits.to_str().unwrap()])?;
    for (name, file, more) in [("soft", &soft, None), ("logits", &logits, Some("--logits"))] {
        let mut connect = tickdeck(dir.path());
        connect
            .args(["model", "connect", name, "--horizons", "1,10", "--class-move", "1", "--onnx"])
            .arg(file)
            .args(more);
        python::done(&mut connect)?;
    }
    let about = |name: &str| {
        let mut model = load(&models, name).unwrap_or_else(|error| panic!("{error}"));
        let values = (0..FEATURE_COUNT).map(|n| (n % 7) as f32 / 7.0).collect();
        let frame = FeatureFrame { symbol: Symbol(0), at: Ts(0), values, warm: FEATURE_COUNT as u16, bars: None };
        model.predict(&[frame.clone(), frame]).unwrap()
    };
    let (soft, logits) = (about("soft"), about("logits"));
    assert_eq!((soft.len(), soft[0].len(), soft[0].clone()), (2, 2, soft[1].clone()));
    for (one, other) in soft[0].iter().zip(&logits[0]) {
        assert!((one.up - other.up).abs() < 1e-6 && (one.up - one.down).abs() > 1e-3, "{one:?} {other:?}");
    }
    let path = models.join("soft.onnx");
    let bytes = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load(&models, "soft").map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(&bytes[..bytes.len() / 2]).contains("sha256"));
    for poison in [&bytes[..bytes.len() / 2], b"\x80\x04\x95pickle", &[]] {
        let digest = Sha256::digest(poison);
        let hex = digest.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        let card = std::fs::read_to_string(models.join("logits.toml")).unwrap().replace("\"logits\"", "\"soft\"");
        let from = card.find("sha256 = \"").unwrap() + 10;
        std::fs::write(models.join("soft.toml"), [&card[..from], &hex, &card[from + 64..]].concat()).unwrap();
        let said = refused(poison);
        assert!(said.contains("soft") && !said.contains("sha256"), "{said}");
    }
    Ok(())
}

/// Recurrent networks over windows say here what ONNX's own reference says.
#[cfg(feature = "onnx")]
fn recurrent(python: &Path) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    python::run(python, "onnx_recurrent.py", &[dir.path().to_str().unwrap()])?;
    let said: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("said.json")).unwrap()).unwrap();
    for name in ["gru", "lstm"] {
        let mut connect = tickdeck(dir.path());
        connect.args(["model", "connect", name, "--horizons", "10", "--window", "16", "--step-ms", "1000", "--onnx"]);
        python::done(connect.arg(dir.path().join(format!("{name}.onnx"))))?;
        let mut model = load(&dir.path().join("models"), name).map_err(|error| error.to_string())?;
        let mut last = Vec::new();
        for row in 0..16 {
            let values = (0..FEATURE_COUNT).map(|place| ((place * 7 + row * 5) % 11) as f32 / 8.0 - 0.6).collect();
            let at = Ts::from_ms(row as i64 * 1_000);
            let frame = FeatureFrame { symbol: Symbol(0), at, values, warm: FEATURE_COUNT as u16, bars: None };
            last = model.predict(&[frame]).unwrap().remove(0);
        }
        for (found, expected) in [last[0].up, last[0].flat, last[0].down].iter().zip(said[name].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap() as f32;
            assert!((found - expected).abs() < 1e-5, "{name}: {last:?} and {}", said[name]);
        }
    }
    Ok(())
}

pub fn trials() -> Vec<Trial> {
    vec![
        python::trial("a_pickled_sklearn_model_forecasts_in_a_demo_through_serve_any", serve_any),
        #[cfg(feature = "onnx")]
        python::trial("recurrent_onnx_networks_say_what_onnx_says", recurrent),
        #[cfg(feature = "onnx")]
        python::trial("an_onnx_file_is_computed_here_and_a_poisoned_one_is_refused", onnx),
    ]
}

/// A process that is stopped with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn tickdeck(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.arg("--data-dir").arg(dir).arg("--set").arg(format!("model.dir={}", dir.join("models").display()));
    command
}

/// Serves a file under the name `mine`; the server says where, once it listens.
fn serve(python: &Path, file: &Path) -> Result<(Process, String), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/examples/serve_any.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(file)
        .args(["--name", "mine", "--port", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = String::new();
    let url = lines.by_ref().find_map(|line| {
        said.push_str(&line);
        let url = line.split_once("running on ")?.1;
        Some(url.split(' ').next()?.to_owned())
    });
    // What it says later is read and dropped: a full pipe would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    let process = Process(child);
    url.map(|url| (process, url)).ok_or(said)
}

fn serve_any(python: &Path) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("model.joblib");
    python::run(python, "train_sklearn.py", &[file.to_str().unwrap()])?;
    let (server, url) = serve(python, &file)?;
    let connect = ["model", "connect", "mine", "--horizons", "10", "--class-move", "1.5", "--url", &url];
    python::done(tickdeck(dir.path()).args(connect))?;
    python::done(tickdeck(dir.path()).args(["model", "check"]))?;

    let mut model = load(&dir.path().join("models"), "mine").map_err(|error| error.to_string())?;
    let about = |first: f32| {
        let values = (0..FEATURE_COUNT).map(|n| if n == 0 { first } else { 0.0 }).collect();
        FeatureFrame { symbol: Symbol(0), at: Ts(0), values, warm: FEATURE_COUNT as u16, bars: None }
    };
    let [up, down] = [0.9, -0.9].map(|first| model.predict(&[about(first)]).unwrap()[0][0]);
    assert!(up.up > 0.8 && down.down > 0.8, "{up:?} {down:?}");
    assert!(up.move_bps == 0.0 && down.move_bps == 0.0, "nothing is proved of it, so nothing is expected of it");

    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("metrics.listen={metrics}");
    let demo = tickdeck(dir.path())
        .args(["run", "--demo", "--seed", "7", "--for", "10m", "--set", &listen])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _demo = Process(demo.unwrap());
    until(metrics, |page| page.contains("tickdeck_signal_prob{symbol=\"BTCUSDT\",model=\"mine\""))?;
    drop(server);
    // Without its server there is no forecast, and the run goes on.
    until(metrics, |page| !page.contains("tickdeck_signal_prob{") && page.contains("tickdeck_info{"))
}

fn until(metrics: SocketAddr, there: impl Fn(&str) -> bool) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let page = match TcpStream::connect(metrics) {
            Ok(_) => String::from_utf8_lossy(&get(metrics, "/metrics").body).into_owned(),
            Err(error) => error.to_string(),
        };
        if there(&page) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("it did not come: {page}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
