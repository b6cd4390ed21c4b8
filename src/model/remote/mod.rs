//! Models that a server elsewhere answers for, over the Open Inference Protocol: Triton, `KServe`, `MLServer`, `BentoML`, another
//! tickdeck. A question is one request for all instruments, bounded in time and size; a server that keeps failing is left
//! alone for a while. What it says is never trusted: every answer that does not fit is a named failure.

mod breaker;
mod card;
mod client;

pub use card::RemoteCard;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::ModelError;
use super::foreign::{Answer, Foreign, ForeignCard, ForeignHorizon, Oracle};
use super::protocol::{Form, MOVES, Request, Response, Tensor, Wanted, WireError};
use crate::engine::features::{FEATURE_COUNT, Set};
use crate::keys::Place;
use breaker::Breaker;
use client::Client;

/// What is wrong with a server or its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RemoteError {
    /// Nobody answers there.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("no answer within {0} ms")]
    Late(u128),
    /// It refuses.
    #[error("it answered {status}: {said}")]
    Status {
        /// Of HTTP.
        status: u16,
        /// Its words.
        said: String,
    },
    /// More than any answer needs.
    #[error("its answer has more than {0} bytes")]
    Oversized(usize),
    /// Not of this protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Of this protocol, but not what was asked for.
    #[error("{0}")]
    Unlike(String),
    /// It failed several times in a row and is not asked for a while.
    #[error("it failed {failures} times in a row and is asked again in {} s; last: {last}", .left.as_secs().max(1))]
    LeftAlone {
        /// How often.
        failures: u32,
        /// For how long still.
        left: Duration,
        /// The last failure.
        last: String,
    },
    /// The card, or the token that it asks for.
    #[error("{0}")]
    Setup(String),
}

/// A server that answers for one model.
pub(super) struct Remote {
    card: RemoteCard,
    /// Name of ours, for messages.
    name: String,
    window: usize,
    horizons: usize,
    client: Client,
    breaker: Breaker,
    since: Instant,
    asked: u64,
}

/// Loads the model of a card: the server must be ready, describe the model as the card does, and answer the probes.
pub(super) fn load(card: &ForeignCard, text: &str, token: &Place) -> Result<Foreign<Remote>, ModelError> {
    let remote = Remote::connect(card, token)?;
    let identity = format!("{text}\n{}", remote.describes(card)?);
    Foreign::new(card, "remote", identity.as_bytes(), remote)
}

/// Completes a card by what its server says: what it has, and how it answers the probes.
pub(super) fn enrol(card: &ForeignCard, token: &Place) -> Result<ForeignCard, ModelError> {
    let refuse = |why: String| ModelError::Remote { name: card.name.clone(), why };
    card.remote.as_ref().map_or(Ok(()), RemoteCard::check).map_err(refuse)?;
    let told = Remote::connect(card, token)?.description().map_err(|error| refuse(error.to_string()))?;
    let mut card = card.clone();
    complete(&mut card, &told);
    let remote = Remote::connect(&card, token)?;
    remote.describes(&card)?;
    card.check().map_err(refuse)?;
    card.golden = Foreign::unchecked(&card, "remote", &[], remote).golden()?;
    Ok(card)
}

/// What a tickdeck server says of its model, where the card leaves it open.
fn complete(card: &mut ForeignCard, told: &Value) {
    let said = &told["parameters"];
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    if card.horizon.is_empty() {
        let seconds = said["horizons_s"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        // The moves of a tickdeck are bounds that its own card stands for.
        let horizon = |seconds| ForeignHorizon { seconds, class_move: [0.0; 3], move_gain: 1.0 };
        card.horizon = seconds.filter_map(|seconds| u32::try_from(seconds).ok()).map(horizon).collect();
        (card.about, card.trained) = (text("about"), text("trained"));
        let shape = told["inputs"][0]["shape"].as_array().map_or(&[][..], Vec::as_slice);
        if let ([_, window, _], Some(step)) = (shape, said["step_ms"].as_u64()) {
            card.window = window.as_u64().and_then(|window| usize::try_from(window).ok()).unwrap_or(1);
            card.step_ms = u32::try_from(step).unwrap_or_default();
        }
        let states = told["outputs"].as_array().into_iter().flatten().any(|output| output["name"] == MOVES);
        if let Some(remote) = card.remote.as_mut().filter(|remote| states && remote.moves.is_none()) {
            remote.moves = Some(MOVES.to_owned());
        }
    }
}

impl Remote {
    /// A way to the server; nothing is asked yet.
    pub(super) fn connect(card: &ForeignCard, token: &Place) -> Result<Self, ModelError> {
        let refuse = |error: RemoteError| ModelError::Remote { name: card.name.clone(), why: error.to_string() };
        let Some(remote) = card.remote.clone() else {
            return Err(refuse(RemoteError::Setup("its card has no table `[remote]`".to_owned())));
        };
        let client = Client::new(&remote, token).map_err(refuse)?;
        Ok(Self {
            name: card.name.clone(),
            window: card.window,
            horizons: card.horizon.len(),
            card: remote,
            client,
            breaker: Breaker::default(),
            since: Instant::now(),
            asked: 0,
        })
    }

    fn refuse(&self, error: &RemoteError) -> ModelError {
        ModelError::Remote { name: self.name.clone(), why: error.to_string() }
    }

    /// What the server says of the model, and whether that is what the card says. The version comes back.
    pub(super) fn describes(&self, card: &ForeignCard) -> Result<String, ModelError> {
        self.description().and_then(|told| self.fits(card, &told)).map_err(|error| self.refuse(&error))
    }

    /// The model's metadata, of a server that is ready.
    pub(super) fn description(&self) -> Result<Value, RemoteError> {
        let base = self.card.path();
        self.client.get(&format!("{base}/ready"))?;
        let body = self.client.get(&base)?;
        serde_json::from_slice(&body).map_err(|error| RemoteError::Wire(WireError::Json(error.to_string())))
    }

    /// Many servers leave inputs and outputs empty; what they do say must fit.
    fn fits(&self, card: &ForeignCard, told: &Value) -> Result<String, RemoteError> {
        let unlike = |why: String| Err(RemoteError::Unlike(why));
        if told["name"].as_str() != Some(self.card.model.as_str()) {
            return unlike(format!("its metadata describe another model than `{}`", self.card.model));
        }
        let hash = told["parameters"]["features_hash"].as_str();
        if hash.and_then(Set::of_hash) == Some(Set::Bars) {
            return unlike("it is a model of bars: only models of books and trades can be connected".to_owned());
        }
        if hash.is_some_and(|hash| hash != card.features_hash) {
            return unlike("it was trained on other features than this build computes".to_owned());
        }
        let tensor = |list: &str, name: &str| {
            let all = told[list].as_array().filter(|all| !all.is_empty())?;
            Some(all.iter().find(|tensor| tensor["name"] == name).cloned().unwrap_or_default())
        };
        if let Some(input) = tensor("inputs", &self.card.input) {
            let mut wanted = vec![FEATURE_COUNT];
            if self.window > 1 {
                wanted.insert(0, self.window);
            }
            if !takes(&input, &wanted) {
                return unlike(format!("it has no input `{}` of FP32 and the shape [-1, {wanted:?}]", self.card.input));
            }
        }
        for output in [Some(&self.card.output), self.card.moves.as_ref()].into_iter().flatten() {
            if tensor("outputs", output).is_some_and(|found| found.is_null()) {
                return unlike(format!("it has no output `{output}`"));
            }
        }
        let versions: Vec<&str> = told["versions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let version = &self.card.version;
        if !version.is_empty() && !versions.is_empty() && !versions.contains(&version.as_str()) {
            return unlike(format!("it has the versions {}, the card says {version}", versions.join(", ")));
        }
        Ok(versions.join(","))
    }

    /// One request, whatever became of earlier ones.
    fn request(&mut self, rows: &[f32], count: usize) -> Result<Answer, RemoteError> {
        self.asked = self.asked.wrapping_add(1);
        let form = if self.card.binary { Form::Binary } else { Form::Json };
        let shape = if self.window > 1 { vec![count, self.window, FEATURE_COUNT] } else { vec![count, FEATURE_COUNT] };
        let wanted = [Some(&self.card.output), self.card.moves.as_ref()].into_iter().flatten();
        let id = self.asked.to_string();
        let request = Request {
            id: Some(id.clone()),
            inputs: vec![Tensor { name: self.card.input.clone(), shape, values: rows.to_vec() }],
            outputs: wanted.map(|name| Wanted { name: name.clone(), form }).collect(),
            usual_form: form,
        };
        let (body, header_length) = self.client.post(&format!("{}/infer", self.card.path()), request.encode(form))?;
        let response = Response::parse(&body, header_length)?;
        self.read(response, &id, count)
    }

    fn read(&self, response: Response, id: &str, count: usize) -> Result<Answer, RemoteError> {
        let unlike = |why: String| Err(RemoteError::Unlike(why));
        if response.model_name != self.card.model {
            return unlike("another model answered".to_owned());
        }
        let version = response.model_version.as_deref().unwrap_or_default();
        if !(self.card.version.is_empty() || version.is_empty() || version == self.card.version) {
            return unlike(format!(
                "version {} answered, the card says {}",
                super::protocol::told(version),
                self.card.version
            ));
        }
        if response.id.as_deref().is_some_and(|other| other != id) {
            return unlike("it answered another question".to_owned());
        }
        let mut outputs = response.outputs;
        let mut take = |name: &str, tail: &[&[usize]]| {
            let place = outputs.iter().position(|output| output.name == name);
            let Some(output) = place.map(|place| outputs.swap_remove(place)) else {
                return Err(RemoteError::Unlike(format!("its answer has no output `{name}`")));
            };
            match output.shape.split_first() {
                Some((rows, rest)) if *rows == count && tail.contains(&rest) => Ok(output.values),
                _ => Err(RemoteError::Unlike(format!(
                    "output `{name}` has the shape {:?}: {count} rows of {:?} are expected",
                    output.shape,
                    tail.first().unwrap_or(&[].as_slice())
                ))),
            }
        };
        let horizons = self.horizons;
        let probabilities = take(&self.card.output, &[&[horizons, 3], &[horizons * 3]])?;
        let moves = self.card.moves.as_ref().map(|name| take(name, &[&[horizons]])).transpose()?;
        Ok(Answer { probabilities, moves })
    }
}

/// Is this an input of floats whose dimensions after the first are these, or left open?
fn takes(input: &Value, wanted: &[usize]) -> bool {
    let shape: Vec<i64> = input["shape"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let open_or = |found: i64, wanted: usize| found == -1 || usize::try_from(found) == Ok(wanted);
    matches!(input["datatype"].as_str(), Some("FP32"))
        && shape.len() == wanted.len() + 1
        && shape.iter().skip(1).zip(wanted).all(|(found, wanted)| open_or(*found, *wanted))
}

impl Oracle for Remote {
    fn ask(&mut self, rows: &[f32], count: usize) -> Result<Answer, ModelError> {
        let now = self.since.elapsed();
        if let Some((failures, left, last)) = self.breaker.closed_until(now) {
            return Err(self.refuse(&RemoteError::LeftAlone { failures, left, last }));
        }
        let answered = self.request(rows, count);
        let now = self.since.elapsed();
        match &answered {
            Ok(_) => self.breaker.worked(),
            Err(error) => self.breaker.failed(now, error.to_string()),
        }
        answered.map_err(|error| self.refuse(&error))
    }

    fn waits(&self) -> bool {
        true
    }
}
