//! A model of ours as others see it through the protocol: what goes in, what comes out, and the forecasts of a batch.
//!
//! In: `features`, one row of features for each forecast, or the last rows of its instrument, oldest first, where the
//! network has memory. Out: `probabilities` (up, flat, down by horizon) and `move_bps` (expected move by horizon).

use serde_json::{Value, json};

use super::{Encoded, Form, Request, Response, Tensor, WireError, told};
use crate::engine::event::HorizonForecast;
use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};
use crate::model::{Model, ModelError};

/// Name of the tensor that goes in.
pub const INPUT: &str = "features";
/// Name of the probabilities that come out.
pub const PROBABILITIES: &str = "probabilities";
/// Name of the expected moves that come out.
pub const MOVES: &str = "move_bps";
/// Forecasts of one request.
pub const ROWS_MAX: usize = 1024;

/// A model that is offered to others.
pub struct Offer {
    model: Box<dyn Model>,
}

/// Why a request gets no forecast.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What it asks for is not what this model takes or gives.
    #[error("{0}")]
    Request(String),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Offer {
    /// Offers a model.
    pub fn new(model: Box<dyn Model>) -> Self {
        Self { model }
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.model.info().name
    }

    /// Version: the first digits of the hash of its weights, so that a caller knows what it talks to.
    pub fn version(&self) -> &str {
        &self.model.info().hash
    }

    /// What `GET /v2/models/NAME` answers. `parameters` say what the protocol has no place for.
    pub fn metadata(&self) -> Value {
        let info = self.model.info();
        let horizons = info.horizons_s.len();
        json!({
            "name": info.name,
            "versions": [info.hash],
            "platform": "tickdeck",
            "inputs": [{ "name": INPUT, "datatype": "FP32", "shape": self.input_shape() }],
            "outputs": [
                { "name": PROBABILITIES, "datatype": "FP32", "shape": [-1, horizons, 3] },
                { "name": MOVES, "datatype": "FP32", "shape": [-1, horizons] },
            ],
            "parameters": {
                "about": self.model.card().about,
                "trained": info.trained,
                "horizons_s": info.horizons_s,
                "step_ms": self.model.card().step_ms,
                "classes": ["up", "flat", "down"],
                "features_hash": info.reads.hash(),
                "features": info.reads.features().iter().map(|feature| feature.name).collect::<Vec<_>>(),
            },
        })
    }

    fn reads(&self) -> Set {
        self.model.info().reads
    }

    fn input_shape(&self) -> Vec<i64> {
        let count = self.reads().count() as i64;
        match self.model.window() {
            1 => vec![-1, count],
            window => vec![-1, window as i64, count],
        }
    }

    /// Answers a request, each output in the form that was asked for. How many forecasts it holds comes with it.
    pub fn infer(&mut self, request: &Request) -> Result<(Encoded, usize), OfferError> {
        let all = [PROBABILITIES, MOVES];
        if let Some(other) = request.outputs.iter().find(|wanted| !all.contains(&wanted.name.as_str())) {
            let name = told(&other.name);
            return Err(OfferError::Request(format!(
                "there is no output `{name}`: there are {PROBABILITIES}, {MOVES}"
            )));
        }
        let (input, rows) = self.input(request)?;
        let horizons = self.model.info().horizons_s.len();
        let forecasts = self.forecasts(&input.values, rows)?;
        if let Some(row) = forecasts.iter().position(|forecast| forecast.len() != horizons) {
            return Err(OfferError::Request(format!("the model gives no forecast about row {row}")));
        }
        let (mut probabilities, mut moves) = (Vec::new(), Vec::new());
        for one in forecasts.iter().flatten() {
            probabilities.extend([one.up, one.flat, one.down]);
            moves.push(one.move_bps);
        }
        let outputs = [
            Tensor { name: PROBABILITIES.to_owned(), shape: vec![rows, horizons, 3], values: probabilities },
            Tensor { name: MOVES.to_owned(), shape: vec![rows, horizons], values: moves },
        ];
        let form = |name: &str| match request.outputs.iter().find(|wanted| wanted.name == name) {
            Some(wanted) => Some(wanted.form),
            None => request.outputs.is_empty().then_some(request.usual_form),
        };
        let info = self.model.info();
        let response = Response {
            model_name: info.name.clone(),
            model_version: Some(info.hash.clone()),
            id: request.id.clone(),
            outputs: outputs.into_iter().filter(|output| form(&output.name).is_some()).collect(),
        };
        Ok((response.encode(|name| form(name).unwrap_or(Form::Json)), rows))
    }

    /// The one input, and for how many forecasts it has rows.
    fn input<'a>(&self, request: &'a Request) -> Result<(&'a Tensor, usize), OfferError> {
        let shape = self.input_shape();
        let [input] = request.inputs.as_slice() else {
            let count = request.inputs.len();
            return Err(OfferError::Request(format!(
                "{count} inputs: one is expected, `{INPUT}` of the shape {shape:?}"
            )));
        };
        let fits = input.shape.len() == shape.len()
            && input.shape.iter().zip(&shape).skip(1).all(|(found, wanted)| i64::try_from(*found) == Ok(*wanted));
        match input.shape.first() {
            Some(rows @ 1..=ROWS_MAX) if fits && input.name == INPUT => Ok((input, *rows)),
            _ => Err(OfferError::Request(format!(
                "`{}` of the shape {:?}: `{INPUT}` of the shape {shape:?} is expected, with 1 to {ROWS_MAX} rows",
                told(&input.name),
                input.shape
            ))),
        }
    }

    /// One forecast for each row, or for each window of rows. Every one is an instrument of its own that begins here.
    fn forecasts(&mut self, values: &[f32], rows: usize) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let window = self.model.window();
        let step = Span::from_ms(i64::from(self.model.card().step_ms));
        let reads = self.reads();
        self.model.forget();
        let mut newest = Vec::new();
        for place in 0..window {
            let at = Ts(step.0 * place as i64);
            let of_row = |row: usize| {
                let begin = (row * window + place) * reads.count();
                let values = values.get(begin..begin + reads.count()).unwrap_or_default().to_vec();
                FeatureFrame::of_set(reads, Symbol(row as u16), at, values)
            };
            newest = self.model.predict(&(0..rows).map(of_row).collect::<Vec<_>>())?;
        }
        Ok(newest)
    }
}
