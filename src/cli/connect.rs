//! `tickdeck model connect`: the card of a model that a server or an ONNX file answers for, made by asking it.

use std::path::{Path, PathBuf};

use super::global::Global;
use super::output::{note, print};
use crate::engine::features::Set;
use crate::model::{ForeignCard, ForeignHorizon, MadeFor, OnnxCard, RemoteCard, enrol, sha256};
use crate::run::exit::{Exit, Failure};

/// Which server or file, and what its model means.
#[derive(clap::Args, Debug)]
pub(super) struct Connect {
    /// Name of the model here
    name: String,
    /// The server, such as `http://127.0.0.1:8000`
    #[arg(long, required_unless_present = "onnx")]
    url: Option<String>,
    /// An ONNX file instead of a server; it is copied beside the card
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    onnx: Option<PathBuf>,
    /// The ONNX file gives numbers before the softmax
    #[arg(long, requires = "onnx")]
    logits: bool,
    /// Name of the model there, where it differs
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Seconds ahead of each output; a tickdeck server says so itself
    #[arg(long, value_name = "SECONDS", value_delimiter = ',')]
    horizons: Vec<u32>,
    /// Mean move, in usual moves, that follows a forecast up (and down, the other way): a claim, and nothing opens before
    /// `tickdeck eval --write` has judged it
    #[arg(long, value_name = "MOVES", default_value_t = 0.0)]
    class_move: f32,
    /// Output with the probabilities of up, flat, down
    #[arg(long, default_value = crate::model::protocol::PROBABILITIES)]
    output: String,
    /// Output with expected moves in basis points, where the model states them; a tickdeck server says so itself
    #[arg(long)]
    moves: Option<String>,
    /// Rows that a forecast needs
    #[arg(long, default_value_t = 1)]
    window: usize,
    /// Milliseconds between the rows of a window
    #[arg(long, default_value_t = 0)]
    step_ms: u32,
    /// Instruments that it may be asked about, any without this: in a run with others it is refused
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    symbols: Vec<String>,
    /// In words: what kind of market it was trained on
    #[arg(long, value_name = "TEXT", default_value = "")]
    regime: String,
    /// How long an answer may take, in milliseconds
    #[arg(long, default_value_t = 500)]
    timeout_ms: u32,
    /// Tensors in the binary extension; not every server takes it
    #[arg(long)]
    binary: bool,
    /// Header that carries the token of `tickdeck keys set model-token`, such as `authorization`
    #[arg(long, value_name = "NAME", default_value = "")]
    token_header: String,
    /// Replace a card of this name
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(global: &Global, asked: &Connect) -> Result<(), Failure> {
    let files = global.files()?;
    let config = global.load(&files)?.config;
    let dir = files.models(config.model.dir.as_deref());
    let path = dir.join(format!("{}.toml", asked.name));
    if path.exists() && !asked.replace {
        let what = format!("{} is there already: take another name, or --replace", path.display());
        return Err(Failure::new(Exit::Usage, what));
    }
    std::fs::create_dir_all(&dir).map_err(|error| cannot(&dir, &error))?;
    let onnx = asked.onnx.as_ref().map(|file| copied(file, &dir, asked)).transpose()?;
    let card = enrol(&dir, &card(asked, onnx), &config.model.token).map_err(Failure::error)?;
    let text = toml::to_string(&card).map_err(Failure::error)?;
    std::fs::write(&path, text).map_err(|error| cannot(&path, &error))?;
    let expects = card.horizon.iter().any(|horizon| horizon.class_move.iter().any(|class| *class != 0.0));
    let states = card.remote.as_ref().is_some_and(|remote| remote.moves.is_some());
    if !(states || expects) {
        note("no move is expected from its forecasts, so nothing opens by them: set `class_move` in the card");
    } else if card.horizon.iter().all(|horizon| horizon.move_gain <= 0.0) {
        note(&format!(
            "nothing is proved of it yet, so nothing opens by it: `tickdeck eval --model {} --write FILES` judges it on data \
             that it was not trained on, and writes what it found",
            asked.name
        ));
    }
    print(&format!("{}\n", path.display()))
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::error(format!("cannot write {}: {error}", path.display()))
}

/// Puts the file beside the card that will be.
fn copied(file: &Path, dir: &Path, asked: &Connect) -> Result<OnnxCard, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::error(format!("{}: {error}", file.display())))?;
    let place = dir.join(format!("{}.onnx", asked.name));
    std::fs::write(&place, &bytes).map_err(|error| cannot(&place, &error))?;
    let sha256 = sha256(&bytes);
    Ok(OnnxCard { sha256, output: 0, logits: asked.logits })
}

fn card(asked: &Connect, onnx: Option<OnnxCard>) -> ForeignCard {
    let horizon = |seconds: &u32| ForeignHorizon {
        seconds: *seconds,
        class_move: [asked.class_move, 0.0, -asked.class_move],
        move_gain: 0.0,
    };
    ForeignCard {
        name: asked.name.clone(),
        about: String::new(),
        trained: String::new(),
        features_hash: Set::Market.hash().to_owned(),
        window: asked.window,
        step_ms: asked.step_ms,
        tolerance: 1e-4,
        golden: Vec::new(),
        made_for: MadeFor { regime: asked.regime.clone(), symbols: asked.symbols.clone(), ..MadeFor::default() },
        horizon: asked.horizons.iter().map(horizon).collect(),
        judged: None,
        remote: asked.url.clone().map(|url| RemoteCard {
            url,
            model: asked.model.clone().unwrap_or_else(|| asked.name.clone()),
            version: String::new(),
            input: crate::model::protocol::INPUT.to_owned(),
            output: asked.output.clone(),
            moves: asked.moves.clone(),
            binary: asked.binary,
            timeout_ms: asked.timeout_ms,
            token_header: asked.token_header.clone(),
        }),
        onnx,
    }
}
