//! The shipped model, and everything that must not load.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor, safetensors};
use libtest_mimic::Trial;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame, Set};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::Ts;
use tickdeck::model::{Card, ModelError, load, scan};

use crate::{shipped, trial};

/// The model that comes with the program.
pub const SHIPPED: &str = "logistic-v1";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_shipped_models_are_sound", the_shipped_models_are_sound),
        trial("forecasts_are_probabilities_and_mirror_when_the_market_does", forecasts_mirror),
        trial("a_frame_in_warm_up_gets_no_forecast", a_frame_in_warm_up_gets_no_forecast),
        trial("a_batch_gives_what_single_calls_give", a_batch_gives_what_single_calls_give),
        trial("a_card_that_does_not_fit_is_refused", a_card_that_does_not_fit_is_refused),
        trial("weights_that_do_not_fit_are_refused", weights_that_do_not_fit_are_refused),
        trial("what_pytorch_exported_loads_as_it_is", what_pytorch_exported_loads_as_it_is),
        trial("a_name_cannot_leave_the_folder", a_name_cannot_leave_the_folder),
    ]
}

pub fn frame(value: impl Fn(usize) -> f32) -> FeatureFrame {
    let values = (0..FEATURE_COUNT).map(value).collect();
    FeatureFrame { symbol: Symbol(0), at: Ts(0), values, warm: FEATURE_COUNT as u16, bars: None }
}

fn the_shipped_models_are_sound() {
    let found = scan(&shipped());
    assert!(found.iter().any(|model| model.as_ref().is_ok_and(|m| m.info().name == SHIPPED)));
    for model in found {
        let model = model.unwrap_or_else(|error| panic!("{error}"));
        let card = model.card();
        assert_eq!((card.features_hash.as_str(), card.reads()), (Set::Market.hash(), Set::Market));
        assert_eq!(model.info().horizons_s, [1, 5, 10, 60]);
        // Loading has recomputed these within 1e-6; here only that there is something to recompute.
        assert!(card.golden.len() == 4 && card.golden.iter().flatten().flatten().any(|v| *v != 0.0));
        assert!(!card.out_of_sample.is_empty() && !card.recipe.is_empty() && !card.sources.is_empty());
        assert!(card.shuffled_passes.is_some_and(|share| share < 1e-3), "{:?}", card.shuffled_passes);
        assert!(!fs::read_to_string(shipped().join(format!("{}.toml", card.name))).unwrap().contains("/work"));
    }
}

fn forecasts_mirror() {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let spec = tickdeck::engine::features::FEATURES;
    let one = frame(|n| (n % 7) as f32 / 7.0 - 0.4);
    let other = frame(|n| one.values[n] * if spec[n].odd { -1.0 } else { 1.0 });
    let forecasts = model.predict(&[one, other]).unwrap();
    for (a, b) in forecasts[0].iter().zip(&forecasts[1]) {
        assert!((a.up + a.flat + a.down - 1.0).abs() < 1e-5);
        assert!([a.up, a.flat, a.down].iter().all(|p| (0.0..=1.0).contains(p)) && a.move_bps.is_finite());
        // The fit sees every row mirrored in the same step, so up and down trade places up to rounding.
        assert!((a.up - b.down).abs() < 5e-3 && (a.down - b.up).abs() < 5e-3, "{a:?} {b:?}");
    }
}

fn a_frame_in_warm_up_gets_no_forecast() {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let cold = FeatureFrame { warm: FEATURE_COUNT as u16 - 1, ..frame(|_| 0.1) };
    let forecasts = model.predict(&[cold.clone(), frame(|_| 0.1), cold]).unwrap();
    assert_eq!(forecasts.iter().map(Vec::len).collect::<Vec<_>>(), [0, 4, 0]);
    assert!(model.predict(&[]).unwrap().is_empty());
    let short = FeatureFrame { values: vec![0.0; 3], ..frame(|_| 0.0) };
    assert!(matches!(model.predict(&[short]), Err(ModelError::Frame { .. })));
    let wrong = frame(|n| if n == 5 { f32::NAN } else { 0.0 });
    assert!(matches!(model.predict(&[wrong]), Err(ModelError::Frame { .. })));
}

fn a_batch_gives_what_single_calls_give() {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let frames: Vec<FeatureFrame> = (0..40).map(|k| frame(|n| ((n * 5 + k * 3) % 13) as f32 / 9.0 - 0.7)).collect();
    let batch = model.predict(&frames).unwrap();
    for (frame, together) in frames.iter().zip(&batch) {
        assert_eq!(&model.predict(std::slice::from_ref(frame)).unwrap()[0], together);
    }
}

/// A copy of the shipped model with its card's text changed.
fn with_card(change: impl Fn(&mut Card)) -> (TempDir, Result<(), ModelError>) {
    let dir = copy();
    let path = dir.path().join(format!("{SHIPPED}.toml"));
    let mut card: Card = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut card);
    fs::write(&path, toml::to_string(&card).unwrap()).unwrap();
    let loaded = load(dir.path(), SHIPPED).map(|_| ());
    (dir, loaded)
}

fn copy() -> TempDir {
    let dir = TempDir::new().unwrap();
    for ending in ["toml", "safetensors"] {
        let name = format!("{SHIPPED}.{ending}");
        fs::copy(shipped().join(&name), dir.path().join(&name)).unwrap();
    }
    dir
}

fn a_card_that_does_not_fit_is_refused() {
    assert_eq!(with_card(|_| {}).1, Ok(()));
    let refused = |change: fn(&mut Card)| with_card(change).1.unwrap_err();
    let features = refused(|card| card.features_hash = "0".repeat(64));
    assert!(matches!(features, ModelError::Features { .. }) && features.to_string().contains("train it again"));
    assert!(matches!(refused(|card| card.weights_sha256 = "1".repeat(64)), ModelError::Hash { .. }));
    assert!(matches!(refused(|card| card.arch = String::from("oracle")), ModelError::Arch { .. }));
    assert!(matches!(refused(|card| card.arch = String::from("mlp")), ModelError::Weights { .. }));
    assert!(matches!(refused(|card| card.golden[1][2][0] += 1e-4), ModelError::Golden { probe: 1, .. }));
    assert!(matches!(refused(|card| card.golden[3][0][3] = f32::NAN), ModelError::Golden { probe: 3, .. }));
    let unsound: [fn(&mut Card); 15] = [
        |card| card.members = 0,
        |card| card.step_ms = 1_000,
        |card| card.step_ms = 7,
        |card| card.inputs += 1,
        |card| card.name = String::from("other"),
        |card| card.mean[0] = f32::NAN,
        |card| card.std[3] = 0.0,
        |card| card.std.truncate(5),
        |card| card.clip = -1.0,
        |card| card.horizon.clear(),
        |card| card.horizon[0].temperature = 0.0,
        |card| card.horizon[0].class_move[1] = f32::INFINITY,
        |card| card.horizon[0].seconds = 0,
        |card| card.golden.truncate(2),
        |card| card.horizon = vec![card.horizon[0].clone(); 17],
    ];
    for (n, change) in unsound.into_iter().enumerate() {
        let error = refused(change);
        assert!(matches!(error, ModelError::Card { .. }), "{n}: {error}");
    }
    assert!(matches!(refused(|card| card.horizon.truncate(2)), ModelError::Weights { .. }));
    let dir = copy();
    fs::write(dir.path().join(format!("{SHIPPED}.toml")), "name = 3").unwrap();
    assert!(matches!(load(dir.path(), SHIPPED), Err(ModelError::Card { .. })));
}

/// Loads a copy of the shipped model whose tensors were changed and whose card knows the new hash.
fn with_tensors(change: impl Fn(&mut HashMap<String, Tensor>)) -> ModelError {
    let dir = copy();
    let path = dir.path().join(format!("{SHIPPED}.safetensors"));
    let mut tensors = safetensors::load(&path, &Device::Cpu).unwrap();
    change(&mut tensors);
    safetensors::save(&tensors, &path).unwrap();
    rehash(dir.path());
    load(dir.path(), SHIPPED).map(|_| ()).unwrap_err()
}

fn rehash(dir: &Path) {
    let bytes = fs::read(dir.join(format!("{SHIPPED}.safetensors"))).unwrap();
    let hex: Vec<String> = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let path = dir.join(format!("{SHIPPED}.toml"));
    let mut card: Card = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    card.weights_sha256 = hex.concat();
    fs::write(path, toml::to_string(&card).unwrap()).unwrap();
}

fn weights_that_do_not_fit_are_refused() {
    let says = |error: ModelError, word: &str| {
        assert!(matches!(&error, ModelError::Weights { .. }) && error.to_string().contains(word), "{error}");
    };
    let name = "out.weight";
    says(with_tensors(|t| drop(t.remove(name))), "missing");
    says(with_tensors(|t| drop(t.insert(name.into(), t[name].t().unwrap().contiguous().unwrap()))), "shape");
    says(with_tensors(|t| drop(t.insert("more".into(), t[name].clone()))), "not part");
    says(with_tensors(|t| drop(t.insert(name.into(), (&t[name] * f64::NAN).unwrap()))), "not finite");
    says(with_tensors(|t| drop(t.insert(name.into(), t[name].to_dtype(candle_core::DType::F64).unwrap()))), "F64");
    let other = with_tensors(|t| drop(t.insert(name.into(), (&t[name] * 1.01).unwrap())));
    assert!(matches!(other, ModelError::Golden { .. }), "{other}");

    let dir = copy();
    let path = dir.path().join(format!("{SHIPPED}.safetensors"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(load(dir.path(), SHIPPED), Err(ModelError::Hash { .. })));
    rehash(dir.path());
    assert!(matches!(load(dir.path(), SHIPPED), Err(ModelError::Weights { .. })));
    // A pickle under the name of the weights is no weights: nothing of it is run.
    for poison in [
        &[0xff; 64][..],
        b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        b"PK\x03\x04",
        b"",
    ] {
        fs::write(&path, poison).unwrap();
        rehash(dir.path());
        let refused = load(dir.path(), SHIPPED).map(|_| ());
        assert!(matches!(refused, Err(ModelError::Weights { .. })), "{poison:?}: {refused:?}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(load(dir.path(), SHIPPED), Err(ModelError::Read { .. })));
}

/// Both files are of `assets/examples/train_torch.py`, run with `PyTorch` 2.15; its golden forecasts are `PyTorch`'s own. Only the
/// hash of the features is brought up to date: their formulas may change, what a network computes may not.
fn what_pytorch_exported_loads_as_it_is() {
    let (dir, from) = (TempDir::new().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model"));
    fs::copy(from.join("torch.safetensors"), dir.path().join("torch.safetensors")).unwrap();
    let mut card: Card = toml::from_str(&fs::read_to_string(from.join("torch.toml")).unwrap()).unwrap();
    Set::Market.hash().clone_into(&mut card.features_hash);
    fs::write(dir.path().join("torch.toml"), toml::to_string(&card).unwrap()).unwrap();
    let mut model = load(dir.path(), "torch").unwrap();
    assert_eq!(model.predict(&[frame(|_| 0.1)]).unwrap()[0].len(), 4);
    card.golden[0][0][0] += 1e-5;
    fs::write(dir.path().join("torch.toml"), toml::to_string(&card).unwrap()).unwrap();
    assert!(matches!(load(dir.path(), "torch"), Err(ModelError::Golden { probe: 0, .. })));
}

fn a_name_cannot_leave_the_folder() {
    for name in ["", "..", "../models/logistic-v1", "a/b", ".hidden", "a\0b", &"x".repeat(61)] {
        assert!(matches!(load(&shipped(), name), Err(ModelError::Name(_))), "{name:?}");
    }
    assert!(matches!(load(&shipped(), "nobody"), Err(ModelError::Read { .. })));
    assert!(scan(Path::new("/nonexistent/folder")).is_empty());
}
