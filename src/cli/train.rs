//! `tickdeck train` fits models on tapes and recordings, judges them out of sample and writes the one worth shipping;
//! `tickdeck eval` judges an installed model on other files.

#[cfg(feature = "models")]
use std::path::Path;
use std::path::PathBuf;

use super::global::Global;
#[cfg(feature = "models")]
use super::output::{Progress, note, print};
#[cfg(feature = "models")]
use super::worker;
#[cfg(feature = "models")]
use crate::engine::features::Set;
#[cfg(feature = "models")]
use crate::engine::time::Span;
#[cfg(feature = "models")]
use crate::model::train::{EvalReport, TrainProgress};
#[cfg(feature = "models")]
use crate::run::clock::Stopwatch;
use crate::run::exit::Failure;

/// What to train on, and as what.
#[derive(clap::Args, Debug)]
pub(super) struct Train {
    /// Tapes and recordings, or folders of them; tables of one-minute bars with `--bars`
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Learn from closed one-minute bars instead of books and trades
    #[arg(long)]
    bars: bool,
    /// Folder the model's two files go to
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
    /// Name of the model; files of this name are replaced
    #[arg(long, default_value = "own-v1")]
    name: String,
    /// Architectures to try, `logistic,mlp,tcn,gru` without it; the simplest that none beats is written
    #[arg(long)]
    arch: Option<String>,
    /// Seed: the same data and seed give the same model
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Networks with seeds of their own whose mean is the model
    #[arg(long, default_value_t = 1)]
    seeds: usize,
    /// Passes over the data at most; it stops earlier where held-out data gets no better
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// What squared weights cost
    #[arg(long, default_value_t = 0.2)]
    l2: f64,
    /// Variants that were tried on these data before (other options, other seeds): they count against what is found
    #[arg(long, value_name = "N", default_value_t = 0)]
    tried: usize,
    /// Rare moves count as much as frequent ones while learning
    #[arg(long)]
    balanced: bool,
    /// Milliseconds between the rows that tcn and gru remember: the `decision_interval_ms` they will be asked at, 1000
    /// without it
    #[arg(long, value_name = "MS", conflicts_with = "bars")]
    step_ms: Option<u32>,
    /// Units of the layers of mlp, tcn and gru, 32, 16 and 16 without it
    #[arg(long, value_name = "N")]
    units: Option<usize>,
    /// Rows that tcn and gru learn from at a time, a power of two, 16 without it
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Longest horizon in seconds, 60 without it: it is learned, and all shorter ones of 1, 5, 10, 60 and 300 (which needs hours
    /// of recording); with `--bars` 300 without it, of 60, 300 and 900
    #[arg(long, value_name = "SECONDS")]
    longest: Option<u32>,
    /// Go on where an interrupted training of the same data and options stopped
    #[arg(long)]
    resume: bool,
    /// Write the rows to learn from to this safetensors file and train nothing: for models that are trained elsewhere
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "resume", "html"])]
    rows: Option<PathBuf>,
    /// Also write a page with the curves of every fit
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What computes: this processor, or an NVIDIA GPU through the worker `tickdeck-train-cuda` beside this program
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

/// What computes while learning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Device {
    /// This processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

/// Which model, on which files.
#[derive(clap::Args, Debug)]
pub(super) struct Eval {
    /// Tapes and recordings, or folders of them, that the model was not trained on
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Name of an installed model
    #[arg(long, required_unless_present = "walk_forward")]
    model: Option<String>,
    /// Instead of a model an architecture, fitted anew as time goes on: each part of it is told by a fit on what came before
    #[arg(long, value_name = "ARCH", conflicts_with_all = ["model", "write"])]
    walk_forward: Option<String>,
    /// The fit learns from closed one-minute bars instead of books and trades
    #[arg(long, requires = "walk_forward")]
    bars: bool,
    /// Passes over the data at most, for a fit
    #[arg(long, default_value_t = 30, requires = "walk_forward")]
    epochs: usize,
    /// Variants that were tried on these data before: they count against what is found
    #[arg(long, value_name = "N", default_value_t = 0, requires = "walk_forward")]
    tried: usize,
    /// Longest horizon in seconds, for a fit: 1, 5, 10, 60 or 300, with `--bars` 60, 300 or 900
    #[arg(long, value_name = "SECONDS", requires = "walk_forward")]
    longest: Option<u32>,
    /// Write what is found into the card of a connected model: nothing opens by it before
    #[arg(long)]
    write: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: EvalFormat,
    /// Also write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// How an evaluation is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum EvalFormat {
    /// Aligned columns.
    #[default]
    Table,
    /// Everything, for programs.
    Json,
}

/// Tells how far it is, and how long it will take at this pace.
#[cfg(feature = "models")]
struct Teller {
    since: Stopwatch,
    bar: Progress,
    /// Share that was done when the clock started: what a resumed training need not repeat.
    first: Option<f64>,
}

#[cfg(feature = "models")]
impl Teller {
    fn new(what: &'static str) -> Self {
        Self { since: Stopwatch::start(), bar: Progress::new(what), first: None }
    }

    fn tell(&mut self, progress: TrainProgress) {
        if let TrainProgress::Epoch { arch, epoch, loss, held_out, share, .. } = progress {
            let held_out = held_out.map(|loss| format!(", held out {loss:.4}")).unwrap_or_default();
            let first = *self.first.get_or_insert(share);
            let seconds = self.since.elapsed().as_ms() as f64 / 1e3;
            let pace = (share - first) / seconds.max(1e-3);
            let left = if pace > 0.0 { format!("{:.0} s left", (1.0 - share) / pace) } else { "? left".to_owned() };
            self.bar.show(share, &format!("{left}  {arch} epoch {epoch}, loss {loss:.4}{held_out}"));
            return;
        }
        self.bar.end();
        note(&match progress {
            TrainProgress::Reading(file) => format!("reading {file}"),
            TrainProgress::Rows { rows, streams } => format!("{rows} rows of {streams} streams"),
            TrainProgress::HoldingOut { arch, part } => format!("{arch}: judged on {part}"),
            TrainProgress::Final { arch } => format!("{arch}: fitted on everything"),
            TrainProgress::Epoch { .. } => return,
        });
    }
}

/// Trains in the worker that has a GPU, where this program has none itself.
#[cfg(all(feature = "models", not(feature = "cuda")))]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    match asked.device {
        Device::Cpu => here(asked),
        Device::Cuda => worker::run(),
    }
}

/// Trains in this program.
#[cfg(feature = "cuda")]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    here(asked)
}

/// The command line of the worker: that of `tickdeck train`.
#[cfg(feature = "cuda")]
pub(super) fn of_worker() -> Result<(), Failure> {
    #[derive(clap::Parser)]
    #[command(name = worker::NAME, version, about = "tickdeck train, with an NVIDIA GPU", max_term_width = 110)]
    struct Worker {
        #[command(flatten)]
        train: Train,
    }
    here(&<Worker as clap::Parser>::parse().train)
}

#[cfg(feature = "models")]
fn here(asked: &Train) -> Result<(), Failure> {
    use crate::model::train::{Processor, TrainOptions, train, write_rows};

    let usual = TrainOptions::of(features(asked.bars));
    let options = TrainOptions {
        data: asked.data.clone(),
        out: asked.out.clone(),
        name: asked.name.clone(),
        arch: asked.arch.clone(),
        seed: asked.seed,
        seeds: asked.seeds,
        epochs_max: asked.epochs,
        l2: asked.l2,
        balanced: asked.balanced,
        step: asked.step_ms.map_or(usual.step, |ms| Span::from_ms(i64::from(ms))),
        units: asked.units,
        tried: asked.tried,
        window: asked.window,
        longest_s: asked.longest.unwrap_or(usual.longest_s),
        resume: asked.resume,
        on: match asked.device {
            Device::Cpu => Processor::Cpu,
            Device::Cuda => Processor::Cuda,
        },
        ..usual
    };
    let mut teller = Teller::new("training");
    if let Some(out) = &asked.rows {
        let rows = write_rows(&options, out, &mut |progress| teller.tell(progress)).map_err(Failure::error)?;
        return print(&format!("{rows} rows in {}\n", out.display()));
    }
    let report = train(&options, &mut |progress| teller.tell(progress));
    teller.bar.end();
    let report = report.map_err(Failure::error)?;
    write_page(asked.html.as_deref(), || report.html())?;
    print(&format!("{report}\n"))?;
    note(&format!("wrote {}", options.out.join(&options.name).with_extension("safetensors").display()));
    Ok(())
}

#[cfg(feature = "models")]
const fn features(bars: bool) -> Set {
    if bars { Set::Bars } else { Set::Market }
}

#[cfg(feature = "models")]
fn write_page(path: Option<&Path>, page: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, page())
        .map_err(|error| Failure::error(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(feature = "models")]
pub(super) fn eval(global: &Global, asked: &Eval) -> Result<(), Failure> {
    let mut teller = Teller::new("judging");
    let report = judged(global, asked, &mut |progress| teller.tell(progress));
    teller.bar.end();
    let report = report?;
    write_page(asked.html.as_deref(), || report.html())?;
    match asked.format {
        EvalFormat::Table => print(&format!("{report}\n"))?,
        EvalFormat::Json => print(&format!("{}\n", report.json()))?,
    }
    if report.looks_ahead() {
        return Err(Failure::error(format!(
            "forecasts of {} change when the future is cut off: none of its figures means anything",
            report.model
        )));
    }
    Ok(())
}

#[cfg(feature = "models")]
fn judged(global: &Global, asked: &Eval, tell: &mut dyn FnMut(TrainProgress)) -> Result<EvalReport, Failure> {
    use crate::model::train::{TrainOptions, evaluate, prove, walk_forward};
    use crate::model::{load_to_judge, load_with, write_card};

    let Some(name) = &asked.model else {
        let usual = TrainOptions::of(features(asked.bars));
        let options = TrainOptions {
            data: asked.data.clone(),
            arch: asked.walk_forward.clone(),
            epochs_max: asked.epochs,
            tried: asked.tried,
            longest_s: asked.longest.unwrap_or(usual.longest_s),
            ..usual
        };
        return walk_forward(&options, tell).map_err(Failure::error);
    };
    let files = global.files()?;
    let config = global.load(&files)?.config;
    let (dir, token) = (files.models(config.model.dir.as_deref()), &config.model.token);
    if !asked.write {
        let mut model = load_with(&dir, name, token).map_err(Failure::error)?;
        return evaluate(model.as_mut(), &asked.data, tell).map_err(Failure::error);
    }
    let Some((card, mut model)) = load_to_judge(&dir, name, token).map_err(Failure::error)? else {
        return Err(Failure::error(format!("{name} was judged by its training: its card stays as it is")));
    };
    let (report, card) = prove(&card, model.as_mut(), &asked.data, tell).map_err(Failure::error)?;
    if !report.looks_ahead() {
        write_card(&dir, &card, token).map_err(Failure::error)?;
        note(&format!("wrote {}", dir.join(name).with_extension("toml").display()));
    }
    Ok(report)
}

#[cfg(not(feature = "models"))]
const NO_MODELS: &str = "this build has no models; build it with the feature `models`";

#[cfg(not(feature = "models"))]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    Err(Failure::error(format!("{NO_MODELS}. Nothing was trained ({asked:?})")))
}

#[cfg(not(feature = "models"))]
pub(super) fn eval(_: &Global, asked: &Eval) -> Result<(), Failure> {
    Err(Failure::error(format!("{NO_MODELS}. Nothing was judged ({asked:?})")))
}
