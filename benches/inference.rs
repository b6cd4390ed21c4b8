//! What a forecast costs by architecture, beside onnxruntime in the same run. `cargo bench --bench inference`.
//!
//! `TICKDECK_ORT` names a Python with onnxruntime, onnx and numpy; `inference.py` beside this file builds the same networks
//! from the same files there, checks that they say the same, and both are timed in turns on one thread. Ours is the whole way
//! from features to calibrated forecasts; theirs the run of the network alone, with its buffers bound. With `TICKDECK_PEERS`
//! (a folder of other people's networks: `mlp`, `tcn` and `gru`, each as `NAME.safetensors` and `NAME_1.onnx`, and `io.safetensors`
//! with inputs and `PyTorch`'s outputs) our passes over their weights are timed beside the same networks there, both the network
//! alone, once both say what `PyTorch` says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a program of measurements

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use candle_core::Tensor;
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::model::bare::{Net, Work, open};
use tickdeck::model::train::{MarketEvents, TrainOptions, train_on};
use tickdeck::model::{Model, load};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const ARCHS: [&str; 4] = ["logistic", "mlp", "tcn", "gru"];
const WINDOW: usize = 16;
const ROUNDS: usize = 5;
const CALLS: usize = 400;
const START: Ts = Ts::from_ms(1_767_225_600_000);

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let mut models: Vec<Box<dyn Model>> = ARCHS.iter().map(|arch| trained(dir.path(), arch)).collect();
    write_expected(dir.path(), &mut models);
    let mut peer = std::env::var_os("TICKDECK_ORT").map(|python| Peer::start(&PathBuf::from(python), dir.path()));
    if peer.is_none() {
        println!("TICKDECK_ORT is not set: ours alone");
    }
    println!("{:10} {:>5} {:22} {:>9} {:>9} {:>7}", "network", "batch", "", "ours us", "ort us", "ratio");
    for (arch, model) in ARCHS.iter().zip(&mut models) {
        for batch in [1, WINDOW] {
            let memory = model.window() > 1;
            let what: &[(&str, bool)] =
                if memory { &[("one new row", true), ("whole window", false)] } else { &[("", true)] };
            for (what, streams) in what {
                let mut asked = Asked::new(batch, if *streams { 1 } else { WINDOW });
                let mut turns = Vec::new();
                for _ in 0..ROUNDS {
                    let ours = asked.time(model.as_mut());
                    turns.push((ours, peer.as_mut().map(|peer| peer.time(arch, batch))));
                }
                tell(arch, batch, what, &turns);
            }
        }
    }
    if let Some(folder) = std::env::var_os("TICKDECK_PEERS") {
        theirs(Path::new(&folder), peer.as_mut());
    }
}

/// Our passes over other people's weights: a stream's step and the whole window, against the whole window there.
fn theirs(folder: &Path, mut peer: Option<&mut Peer>) {
    let io = candle_core::safetensors::load(folder.join("io.safetensors"), &candle_core::Device::Cpu).unwrap();
    for name in ["mlp", "tcn", "gru"] {
        let mut network = Bare::open(folder, name, &io);
        let whats: &[(&str, bool)] = if network.rows.len() > 1 {
            &[("theirs, one new row", true), ("theirs, whole window", false)]
        } else {
            &[("theirs", true)]
        };
        for (what, streams) in whats {
            let mut turns = Vec::new();
            for _ in 0..ROUNDS {
                let ours = network.time(*streams);
                turns.push((ours, peer.as_mut().map(|peer| peer.time(&format!("{name}_1"), 1))));
            }
            tell(name, 1, what, &turns);
        }
    }
}

/// One of them, with the rows of its window.
struct Bare {
    net: Box<dyn Net>,
    rows: Vec<Vec<f32>>,
    carried: Vec<f32>,
    work: Work,
    said: Vec<f32>,
}

impl Bare {
    /// Opens it and compares what it says with what `PyTorch` said.
    fn open(folder: &Path, name: &str, io: &HashMap<String, Tensor>) -> Self {
        let net = open(&folder.join(format!("{name}.safetensors"))).unwrap();
        let (x, y) = (&io[&format!("{name}_1_x")], io[&format!("{name}_1_y")].flatten_all().unwrap());
        let rows = match name {
            "tcn" => x.squeeze(0).unwrap().t().unwrap().to_vec2().unwrap(),
            "gru" => x.squeeze(0).unwrap().to_vec2().unwrap(),
            _ => x.to_vec2().unwrap(),
        };
        let carried = vec![0.0; net.carried()];
        let mut bare = Self { net, rows, carried, work: Work::default(), said: Vec::new() };
        bare.window();
        let apart = bare.said.iter().zip(y.to_vec1::<f32>().unwrap()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(bare.said.len() == 3 && apart < 1e-5, "{name} differs from PyTorch by {apart}");
        bare
    }

    fn window(&mut self) {
        self.carried.fill(0.0);
        for row in &self.rows {
            self.net.step(row, &mut self.carried, &mut self.work, &mut self.said);
        }
    }

    /// Median of single calls in microseconds.
    fn time(&mut self, streams: bool) -> f64 {
        let mut times: Vec<f64> = (0..CALLS)
            .map(|n| {
                let since = Instant::now();
                for m in 0..5 {
                    if streams {
                        let row = &self.rows[(n * 5 + m) % self.rows.len()];
                        self.net.step(black_box(row), &mut self.carried, &mut self.work, &mut self.said);
                    } else {
                        self.window();
                    }
                    black_box(&self.said);
                }
                since.elapsed().as_secs_f64() * 1e6 / 5.0
            })
            .collect();
        median(&mut times)
    }
}

fn tell(arch: &str, batch: usize, what: &str, turns: &[(f64, Option<f64>)]) {
    let mut ours: Vec<f64> = turns.iter().map(|turn| turn.0).collect();
    let mut theirs: Vec<f64> = turns.iter().filter_map(|turn| turn.1).collect();
    let mut ratios: Vec<f64> = turns.iter().filter_map(|(ours, theirs)| Some(ours / theirs.as_ref()?)).collect();
    let (ours, rest) = (median(&mut ours), !theirs.is_empty());
    let theirs = if rest { format!("{:9.2} {:7.3}", median(&mut theirs), median(&mut ratios)) } else { String::new() };
    println!("{arch:10} {batch:5} {what:22} {ours:9.2} {theirs}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A small model of this architecture: what it knows does not matter here.
fn trained(dir: &Path, arch: &str) -> Box<dyn Model> {
    let mut market = SimulatedMarket::new(7, Weather::Calm, START);
    let name = SimulatedMarket::instruments()[0].name.clone();
    let events = std::iter::from_fn(move || {
        loop {
            let (at, symbol, data) = market.next_event();
            if at > START + Span::from_secs(3_000) {
                return None;
            }
            if symbol == Symbol(0) {
                return Some(Ok((at, name.clone(), data)));
            }
        }
    });
    let options = TrainOptions {
        out: dir.to_owned(),
        name: arch.to_owned(),
        arch: Some(arch.to_owned()),
        sample: Span::from_secs(1),
        epochs_max: 1,
        ..TrainOptions::default()
    };
    let market = MarketEvents { name: "simulated".to_owned(), events: Box::new(events) };
    train_on([Ok(market)], &options, &mut |_| {}).unwrap();
    load(dir, arch).unwrap()
}

fn row(number: usize) -> Vec<f32> {
    (0..FEATURE_COUNT).map(|place| ((place * 7 + number * 5) % 11) as f32 / 8.0 - 0.6).collect()
}

/// Rows of a window and what each model says after them.
fn write_expected(dir: &Path, models: &mut [Box<dyn Model>]) {
    let rows: Vec<Vec<f32>> = (0..WINDOW).map(row).collect();
    let mut said = serde_json::Map::new();
    for (arch, model) in ARCHS.iter().zip(models) {
        let mut asked = Asked::new(1, WINDOW);
        let forecast = asked.next(model.as_mut()).pop().unwrap();
        let probabilities: Vec<[f32; 3]> = forecast.iter().map(|f| [f.up, f.flat, f.down]).collect();
        assert!(!probabilities.is_empty(), "{arch} says nothing");
        said.insert((*arch).to_owned(), serde_json::to_value(probabilities).unwrap());
    }
    let whole = serde_json::json!({ "rows": rows, "said": said });
    std::fs::write(dir.join("expected.json"), whole.to_string()).unwrap();
}

/// Frames of `batch` instruments, `rows` rows of each in one call; each call goes on where the last ended, or after a gap
/// where it brings a whole window.
struct Asked {
    frames: Vec<FeatureFrame>,
    rows: usize,
    at: Ts,
}

impl Asked {
    fn new(batch: usize, rows: usize) -> Self {
        let frame = |symbol: usize, number: usize| FeatureFrame {
            symbol: Symbol(symbol as u16),
            at: START,
            values: row(number),
            warm: FEATURE_COUNT as u16,
            bars: None,
        };
        let frames = (0..rows).flat_map(|number| (0..batch).map(move |symbol| frame(symbol, number))).collect();
        Self { frames, rows, at: START }
    }

    fn next(&mut self, model: &mut dyn Model) -> Vec<Vec<tickdeck::engine::event::HorizonForecast>> {
        let batch = self.frames.len() / self.rows;
        // A window begins anew after a gap.
        self.at = self.at + Span::from_secs(if self.rows > 1 { 100 } else { 1 });
        for (number, frame) in self.frames.iter_mut().enumerate() {
            frame.at = self.at + Span::from_secs((number / batch) as i64);
        }
        model.predict(&self.frames).unwrap()
    }

    /// Median of single calls in microseconds.
    fn time(&mut self, model: &mut dyn Model) -> f64 {
        for _ in 0..50 {
            black_box(self.next(model));
        }
        let mut times: Vec<f64> = (0..CALLS)
            .map(|_| {
                let since = Instant::now();
                for _ in 0..5 {
                    black_box(self.next(model));
                }
                since.elapsed().as_secs_f64() * 1e6 / 5.0
            })
            .collect();
        median(&mut times)
    }
}

/// onnxruntime, in a process of its own.
struct Peer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Peer {
    fn start(python: &Path, models: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/inference.py");
        let others = std::env::var_os("TICKDECK_PEERS").unwrap_or_default();
        let mut child = Command::new(python)
            .arg(script)
            .arg(models)
            .arg(others)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of TICKDECK_ORT starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        println!("{}", lines.next().expect("inference.py says what it has").unwrap());
        Self { child, lines }
    }

    /// Median microseconds of a run.
    fn time(&mut self, name: &str, batch: usize) -> f64 {
        writeln!(self.child.stdin.as_mut().unwrap(), "{name} {batch}").unwrap();
        self.lines.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
