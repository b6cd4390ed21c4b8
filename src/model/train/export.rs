//! The rows to learn from as a file, for models that are trained elsewhere: the same features, windows and moves that a
//! training here uses. `assets/examples/train_torch.py` reads it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Result, Tensor, safetensors};

use super::dataset::{Dataset, Row};
use super::{TrainError, TrainOptions, TrainProgress, sources};

/// Writes the rows of the files of `options` as safetensors and says how many there are.
///
/// `frames` are feature values, `windows` the places in them of the rows that a network with memory sees (the last one is the
/// row itself), `moves_bps` how far the mid moved by horizon (NaN where that is unknown), `stream` and `at_ms` where and when.
/// `features_hash` and `feature_names` are texts as bytes.
pub fn write_rows(
    options: &TrainOptions,
    out: &Path,
    progress: &mut dyn FnMut(TrainProgress),
) -> std::result::Result<usize, TrainError> {
    let files: Vec<PathBuf> = sources::files(&options.data)?;
    let data = Dataset::read(files.iter().map(|file| sources::open(file)), options.taking(&[]), progress)?;
    data.enough()?;
    let failed = |why: String| TrainError::Write { file: out.display().to_string(), why };
    let tensors = tensors(&data, options.taking(&[]).window).map_err(|error| failed(error.to_string()))?;
    safetensors::save(&tensors, out).map_err(|error| failed(error.to_string()))?;
    Ok(data.rows.len())
}

fn tensors(data: &Dataset, window: usize) -> Result<HashMap<&'static str, Tensor>> {
    let (rows, horizons_s) = (data.rows.len(), data.horizons_s());
    let text = |text: String| Tensor::new(text.into_bytes(), &Device::Cpu);
    let each = |of: fn(&Row) -> i64| data.rows.iter().map(of).collect::<Vec<_>>();
    let places = |row: &Row| row.place as i64 + 1 - window as i64..=row.place as i64;
    let windows: Vec<i64> = data.rows.iter().flat_map(places).collect();
    let moves: Vec<f32> = data.rows.iter().flat_map(|row| row.moves.into_iter().take(data.horizons)).collect();
    let names: Vec<&str> = data.set.features().iter().map(|feature| feature.name).collect();
    Ok(HashMap::from([
        ("frames", Tensor::from_vec(data.frames.concat(), (data.frames.len(), data.width()), &Device::Cpu)?),
        ("windows", Tensor::from_vec(windows, (rows, window), &Device::Cpu)?),
        ("moves_bps", Tensor::from_vec(moves, (rows, data.horizons), &Device::Cpu)?),
        ("horizons_s", Tensor::from_iter(horizons_s.iter().copied().map(i64::from), &Device::Cpu)?),
        ("stream", Tensor::new(each(|row| row.stream as i64), &Device::Cpu)?),
        ("at_ms", Tensor::new(each(|row| row.at.as_ms()), &Device::Cpu)?),
        ("features_hash", text(data.set.hash().to_owned())?),
        ("feature_names", text(names.join("\n"))?),
    ]))
}
