//! Models of others behind the protocol: what is taken from a server, and everything that is not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tickdeck::engine::event::{HorizonForecast, ModelInfo, Prediction};
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame, Set};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::engine::trust::promise::Promise;
use tickdeck::keys::Place;
use tickdeck::model::{Card, Judged, Model, ModelError, load, load_to_judge, load_with, write_card};
use tickdeck::run::inference::{Answer, Inference};

use crate::stand_in::{Said, StandIn, answering, card, even, metadata, said};
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_remote_model_forecasts_all_instruments_in_one_request", forecasts),
        trial("nothing_is_expected_of_a_model_before_it_is_judged", judged),
        trial("a_card_that_cannot_be_right_is_refused", cards),
        trial("a_server_that_describes_another_model_is_refused", descriptions),
        trial("every_answer_that_does_not_fit_is_a_named_failure", answers),
        trial("a_slow_server_is_a_late_answer_and_a_failing_one_is_left_alone", late_and_left_alone),
        trial("a_remote_model_that_hangs_holds_up_nobody_and_questions_do_not_pile_up", holds_up_nobody),
        trial("a_model_that_falls_over_is_told_and_the_others_go_on", falls_over),
        trial("the_token_goes_to_the_server_and_nowhere_else", token),
    ]
}

fn frame(symbol: u16, at_ms: i64) -> FeatureFrame {
    let values = (0..FEATURE_COUNT).map(|n| (n % 5) as f32 / 7.0).collect();
    FeatureFrame { symbol: Symbol(symbol), at: Ts::from_ms(at_ms), values, warm: FEATURE_COUNT as u16, bars: None }
}

fn refused(dir: &tempfile::TempDir) -> ModelError {
    load(dir.path(), "mine").map(|_| ()).unwrap_err()
}

fn forecasts() {
    let server = answering(|_, even| said(&even));
    let dir = card(server.address, "");
    let mut model = load(dir.path(), "mine").unwrap();
    assert!(model.waits());
    let cold = FeatureFrame { warm: 3, ..frame(1, 0) };
    let told = model.predict(&[frame(0, 0), cold, frame(2, 0)]).unwrap();
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
    let HorizonForecast { horizon_s, up, flat, down, move_bps } = told[2][0];
    assert_eq!((horizon_s, up, flat, down, move_bps), (10, 0.5, 0.25, 0.25, 0.0));
    let asked = server.asked.lock().unwrap().clone();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    let infer = "/v2/models/theirs/infer";
    assert_eq!(paths, ["/v2/models/theirs/ready", "/v2/models/theirs", infer, infer]);
    assert_eq!(asked[3].body["inputs"][0]["shape"], json!([2, FEATURE_COUNT]));
    assert_eq!(asked[3].body["outputs"][0]["name"], "probabilities");
}

fn judged() {
    let server = answering(|_, even| said(&even));
    let dir = card(server.address, "");
    let path = dir.path().join("mine.toml");
    let claims = "seconds = 10\nclass_move = [2.0, 0.0, -2.0]";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("seconds = 10", claims)).unwrap();
    let move_bps = |model: &mut dyn Model| model.predict(&[frame(0, 0)]).unwrap()[0][0].move_bps;
    let claimed = load(dir.path(), "mine").unwrap();
    assert!(move_bps({ claimed }.as_mut()).abs() < f32::EPSILON, "a claim of its card opens nothing");

    let nowhere = Place::default();
    let (mut card, mut model) = load_to_judge(dir.path(), "mine", &nowhere).unwrap().unwrap();
    let bold = move_bps(model.as_mut());
    assert!(bold > 0.0, "a judgement looks at its moves as they are");
    card.horizon[0].move_gain = 0.5;
    card.judged = Some(Judged { sources: vec!["a day".to_owned()], confidence: 0.95, ..Judged::default() });
    write_card(dir.path(), &card, &nowhere).unwrap();
    let mut model = load(dir.path(), "mine").unwrap();
    assert!((move_bps(model.as_mut()) - bold / 2.0).abs() < 1e-6, "so much of them is proved");
    assert!((model.card().confidence - 0.95).abs() < 1e-6);
    let ours = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    assert!(load_to_judge(&ours, "logistic-v1", &nowhere).unwrap().is_none(), "its training judged it");
}

fn cards() {
    let server = answering(|_, even| said(&even));
    let with = |change: &dyn Fn(String) -> String| {
        let dir = card(server.address, "");
        let path = dir.path().join("mine.toml");
        let text = change(std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, text).unwrap();
        refused(&dir)
    };
    let replaced = |from: &'static str, to: &'static str| with(&move |text: String| text.replace(from, to));
    assert!(matches!(replaced("name = \"mine\"", "name = \"other\""), ModelError::Card { .. }));
    assert!(matches!(replaced("features_hash = \"", "features_hash = \"0"), ModelError::Features { .. }));
    assert!(matches!(replaced("0.25, 0.25", "0.3, 0.2"), ModelError::Golden { .. }));
    for (from, to, word) in [
        ("seconds = 10", "seconds = 0", "seconds"),
        ("[[horizon]]", "window = 4\n[[horizon]]", "step_ms"),
        ("[[horizon]]", "surprise = 1\n[[horizon]]", "surprise"),
        ("http://", "file://", "url"),
        ("model = \"theirs\"", "model = \"a/b\"", "model"),
        ("model = \"theirs\"", "model = \"theirs\"\ntimeout_ms = 0", "timeout_ms"),
        ("[remote]", "[remote", "mine.toml"),
    ] {
        let error = replaced(from, to);
        assert!(matches!(error, ModelError::Card { .. }) && error.to_string().contains(word), "{from}: {error}");
    }
}

fn descriptions() {
    let described = |change: fn(&mut Value), more: &str| {
        let server = StandIn::start(move |asked| {
            let mut told = metadata();
            change(&mut told);
            if asked.path.ends_with("/infer") { said(&even(asked)) } else { said(&told) }
        });
        load(card(server.address, more).path(), "mine").map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |change: fn(&mut Value), word: &str| {
        let error = described(change, "").unwrap_err();
        assert!(error.contains("the server of model mine") && error.contains(word), "{error}");
    };
    refused(|told| told["name"] = json!("other"), "another model");
    refused(|told| told["inputs"][0]["name"] = json!("x"), "no input");
    refused(|told| told["inputs"][0]["datatype"] = json!("INT64"), "no input");
    refused(|told| told["inputs"][0]["shape"] = json!([-1, 5]), "no input");
    refused(|told| told["outputs"][0]["name"] = json!("x"), "no output `probabilities`");
    refused(|told| told["parameters"] = json!({ "features_hash": "0" }), "other features");
    // Many servers do not say what they have.
    assert_eq!(described(|told| (told["inputs"], told["outputs"]) = (json!([]), json!([])), ""), Ok(()));
    assert_eq!(described(|_| {}, "version = \"1\""), Ok(()));
    assert!(described(|_| {}, "version = \"2\"").unwrap_err().contains("the card says 2"));
    let gone = StandIn::start(|_| (404, String::new(), br#"{"error":"no such model"}"#.to_vec()));
    assert!(refused_text(&gone, "").contains("it answered 404: no such model"));
    let nowhere = gone.address;
    drop(gone);
    assert!(self::refused(&card(nowhere, "")).to_string().contains("cannot be reached"));
}

fn refused_text(server: &StandIn, more: &str) -> String {
    refused(&card(server.address, more)).to_string()
}

type Change = fn(&crate::stand_in::Asked, Value) -> Said;

/// What a server may say instead of a forecast, and a word of the failure that it is.
const WRONG: &[(Change, &str)] = &[
    (|_, _| (200, String::new(), b"<html>".to_vec()), "not the JSON"),
    (|_, _| (200, String::new(), Vec::new()), "not the JSON"),
    (|_, _| (500, String::new(), b"oops".to_vec()), "it answered 500: oops"),
    (|_, _| (302, "location: http://127.0.0.1:1/\r\n".into(), Vec::new()), "it answered 302"),
    (|_, _| (200, String::new(), vec![b' '; (4 << 20) + 1]), "more than"),
    (|_, even| changed(even, |e| e["model_name"] = json!("other")), "another model answered"),
    (|_, even| changed(even, |e| e["model_version"] = json!("2")), "version 2 answered"),
    (|_, even| changed(even, |e| e["id"] = json!("other")), "another question"),
    (|_, even| changed(even, |e| e["outputs"] = json!([])), "no output `probabilities`"),
    (
        |_, even| {
            changed(even, |e| {
                let count = e["outputs"][0]["data"].as_array().unwrap().len();
                e["outputs"][0]["shape"] = json!([count]);
            })
        },
        "rows of",
    ),
    (|_, even| changed(even, |e| e["outputs"][0]["data"] = json!([1, 2])), "it has 2"),
    (|_, even| changed(even, |e| e["outputs"][0]["datatype"] = json!("BYTES")), "BYTES"),
    (|_, even| changed(even, |e| e["outputs"][0]["data"][0] = json!(1e39)), "not finite"),
    (|_, even| changed(even, |e| e["outputs"][0]["data"][0] = json!(0.9)), "no probabilities"),
    (|_, even| changed(even, |e| e["outputs"][0]["data"][0] = json!(-0.5)), "no probabilities"),
    (|_, even| (200, String::new(), even.to_string().replace("0.5", "NaN").into_bytes()), "not the JSON"),
    (
        |_, even| (200, "inference-header-content-length: 999999\r\n".into(), even.to_string().into_bytes()),
        "the body has",
    ),
    (|_, even| (200, "inference-header-content-length: x\r\n".into(), even.to_string().into_bytes()), "no number"),
];

fn changed(mut even: Value, change: fn(&mut Value)) -> Said {
    change(&mut even);
    said(&even)
}

/// At load by the probes, and later by every question.
fn answers() {
    for (wrong, word) in WRONG {
        let server = answering(wrong);
        let error = refused(&card(server.address, "version = \"1\"")).to_string();
        assert!(error.contains("mine") && error.contains(word), "{word}: {error}");

        let turn = AtomicUsize::new(0);
        let server = answering(move |asked, even| match turn.fetch_add(1, Ordering::SeqCst) {
            1 => wrong(asked, even),
            _ => said(&even),
        });
        let dir = card(server.address, "version = \"1\"");
        let mut model = load(dir.path(), "mine").unwrap();
        let error = model.predict(&[frame(0, 0), frame(1, 0)]).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
        assert_eq!(model.predict(&[frame(0, 1)]).unwrap()[0].len(), 1, "{word}: it is asked again");
    }
}

fn late_and_left_alone() {
    let (go_on, held) = channel::<()>();
    let held = Mutex::new(held);
    let turn = AtomicUsize::new(0);
    let server = answering(move |_, even| {
        if turn.fetch_add(1, Ordering::SeqCst) > 0 {
            // Ends when the test does.
            let _over = held.lock().unwrap().recv();
        }
        said(&even)
    });
    let dir = card(server.address, "timeout_ms = 50");
    let mut model = load(dir.path(), "mine").unwrap();
    for at in 0..3 {
        let error = model.predict(&[frame(0, at)]).unwrap_err().to_string();
        assert!(error.contains("no answer within 50 ms"), "{error}");
    }
    let asked = server.questions();
    let error = model.predict(&[frame(0, 3)]).unwrap_err().to_string();
    assert!(error.contains("failed 3 times in a row") && error.contains("no answer within"), "{error}");
    assert_eq!(server.questions(), asked, "it is not asked meanwhile");
    drop(go_on);
}

/// A model of this machine: every frame is up.
struct Near {
    info: ModelInfo,
    falls: bool,
}

impl Near {
    fn boxed(falls: bool) -> Box<dyn Model> {
        let info = ModelInfo {
            name: "near".into(),
            hash: String::new(),
            horizons_s: vec![10],
            reads: Set::Market,
            trained: String::new(),
            promise: Promise::default(),
        };
        Box::new(Self { info, falls })
    }
}

impl Model for Near {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn card(&self) -> &Card {
        unreachable!("nobody asks for it here")
    }
    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        assert!(!self.falls, "a model that falls over");
        let up = HorizonForecast { horizon_s: 10, up: 1.0, flat: 0.0, down: 0.0, move_bps: 1.0 };
        Ok(vec![vec![up]; frames.len()])
    }
}

/// Answers until `enough` of them fit.
fn gather(inference: &Inference, woken: &Receiver<()>, enough: impl Fn(&[Answer]) -> bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !enough(&answers) {
        woken.recv_timeout(std::time::Duration::from_secs(30)).expect("no answer came");
        answers.extend(std::iter::from_fn(|| inference.try_answer()));
    }
    answers
}

fn predicted<'a>(answers: &'a [Answer]) -> Vec<&'a Prediction> {
    let of_answer = |answer: &'a Answer| match answer {
        Answer::Predicted(prediction) => Some(prediction),
        Answer::Told(_) => None,
    };
    answers.iter().filter_map(of_answer).collect()
}

fn holds_up_nobody() {
    let (go_on, held) = channel::<()>();
    let (began, begun) = channel::<()>();
    let (held, began) = (Mutex::new(held), Mutex::new(began));
    let turn = AtomicUsize::new(0);
    let server = answering(move |_, even| {
        if turn.fetch_add(1, Ordering::SeqCst) == 1 {
            began.lock().unwrap().send(()).unwrap();
            let _over = held.lock().unwrap().recv();
        }
        said(&even)
    });
    let dir = card(server.address, "timeout_ms = 30000");
    let models = vec![load(dir.path(), "mine").unwrap(), Near::boxed(false)];
    let (wake, woken) = channel();
    let wake = Mutex::new(wake);
    let mut inference = Inference::worker(models, move || wake.lock().unwrap().send(()).unwrap_or_default()).unwrap();
    inference.ask(Ts(0), vec![frame(0, 0), frame(1, 0)]);
    begun.recv().unwrap();
    // The server sits on its first question. Everybody else is answered, again and again.
    for at in 1..=5 {
        inference.ask(Ts::from_ms(at), vec![frame(0, at), frame(1, at)]);
        let near =
            |answers: &[Answer]| predicted(answers).iter().any(|p| p.model.0 == 1 && p.features_at == Ts::from_ms(at));
        let answers = gather(&inference, &woken, near);
        assert!(predicted(&answers).iter().all(|prediction| prediction.model.0 == 1), "{answers:?}");
    }
    go_on.send(()).unwrap();
    let far = |answers: &[Answer]| predicted(answers).iter().filter(|p| p.model.0 == 0).count() == 4;
    let answers = gather(&inference, &woken, far);
    let of: Vec<i64> = predicted(&answers).iter().map(|prediction| prediction.features_at.as_ms()).collect();
    assert_eq!(of, [0, 0, 5, 5], "the newest question, and none of those between");
    assert_eq!(server.questions(), 3);
}

fn falls_over() {
    let (wake, woken) = channel();
    let wake = Mutex::new(wake);
    let models = vec![Near::boxed(true), Near::boxed(false)];
    let mut inference = Inference::worker(models, move || wake.lock().unwrap().send(()).unwrap_or_default()).unwrap();
    let mut told = 0;
    for at in 0..3 {
        inference.ask(Ts::from_ms(at), vec![frame(0, at)]);
        let answers = gather(&inference, &woken, |answers| predicted(answers).len() == 2);
        let lengths: Vec<usize> = predicted(&answers).iter().map(|prediction| prediction.horizons.len()).collect();
        assert_eq!(lengths, [0, 1], "no forecast is said at once, and the other model's is there");
        told += answers.iter().filter(|a| matches!(a, Answer::Told(text) if text.contains("fall over"))).count();
        assert!(predicted(&answers).iter().all(|prediction| prediction.took >= Span(0)));
    }
    assert_eq!(told, 1, "once, not every second");
}

fn token() {
    let secret = "the-secret-of-the-server";
    let place = Place { file: None, command: vec!["printf".into(), secret.into()] };
    let server = StandIn::start(move |asked| match asked.path.as_str() {
        path if path.ends_with("/infer") => (403, String::new(), format!("no {}", asked.head).into_bytes()),
        _ => said(&metadata()),
    });
    for (header, shown) in
        [("authorization", format!("authorization: bearer {secret}")), ("X-Key", format!("x-key: {secret}"))]
    {
        let dir = card(server.address, &format!("token_header = \"{header}\""));
        let error = load_with(dir.path(), "mine", &place).map(|_| ()).unwrap_err();
        assert!(server.asked.lock().unwrap().last().unwrap().head.contains(&shown));
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("403") && !text.contains(secret), "{text}");
        }
    }
    let dir = card(server.address, "token_header = \"authorization\"");
    let missing = load_with(dir.path(), "mine", &Place::default()).map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("TICKDECK_MODEL_TOKEN") && missing.contains("model.token_file"), "{missing}");
}
