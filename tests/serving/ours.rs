//! `tickdeck serve` as a process, asked by hand and by the client of others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame, Set};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::Ts;
use tickdeck::model::load;

use crate::http::{Answer, ask, get, post};
use crate::{python, shipped, trial};

const SHIPPED: &str = "logistic-v1";
const TOKEN: &str = "a-token-of-this-test";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("serve_answers_what_the_protocol_says_a_server_answers", metadata),
        trial("serve_forecasts_what_the_model_forecasts", forecasts),
        trial("serve_takes_and_gives_binary_tensors", binary),
        trial("serve_names_what_it_cannot_take", refusals),
        trial("serve_is_bounded", bounds),
        trial("serve_wants_its_token", token),
        trial("a_connected_model_keeps_what_it_was_made_for_and_is_asked_about_nothing_else", made_for),
        python::trial("tritonclient_is_answered_by_serve", tritonclient),
    ]
}

/// `tickdeck serve` as its own process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    _data: TempDir,
}

impl Server {
    pub fn start(more: &[&str], variables: &[(&str, &str)]) -> Self {
        let data = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
            .args(["serve", "--listen", "127.0.0.1:0", "--set"])
            .arg(format!("model.dir={}", shipped().display()))
            .arg("--data-dir")
            .arg(data.path())
            .args(more)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("url = \"http://").trim_end_matches('"');
        Self { child, address: address.parse().unwrap_or_else(|_| panic!("{line}")), _data: data }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn row(number: usize) -> Vec<f32> {
    (0..FEATURE_COUNT).map(|n| ((n * 5 + number * 3) % 13) as f32 / 9.0 - 0.7).collect()
}

fn question(rows: &[Vec<f32>]) -> Value {
    json!({ "id": "42", "inputs": [{ "name": "features", "shape": [rows.len(), FEATURE_COUNT], "datatype": "FP32", "data": rows }] })
}

/// What the model itself says: probabilities and moves.
fn told(rows: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let frame = |(n, values): (usize, &Vec<f32>)| FeatureFrame {
        symbol: Symbol(n as u16),
        at: Ts(0),
        values: values.clone(),
        warm: FEATURE_COUNT as u16,
        bars: None,
    };
    let frames: Vec<_> = rows.iter().enumerate().map(frame).collect();
    let all = model.predict(&frames).unwrap().concat();
    (all.iter().flat_map(|h| [h.up, h.flat, h.down]).collect(), all.iter().map(|h| h.move_bps).collect())
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
}

fn infer(version: &str) -> String {
    format!("/v2/models/{SHIPPED}{version}/infer")
}

fn metadata() {
    let server = Server::start(&[], &[]);
    let get = |path: &str| get(server.address, path);
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/logistic-v1/ready", "/v2/"] {
        assert_eq!(get(path).status, 200, "{path}");
    }
    let ours = get("/v2").json();
    assert_eq!((ours["name"].as_str(), ours["extensions"][0].as_str()), (Some("tickdeck"), Some("binary_tensor_data")));
    let model = get("/v2/models/logistic-v1").json();
    let hash = load(&shipped(), SHIPPED).unwrap().info().hash.clone();
    assert_eq!((model["name"].as_str(), model["versions"][0].as_str()), (Some(SHIPPED), Some(hash.as_str())));
    assert_eq!(model["inputs"][0]["shape"], json!([-1, FEATURE_COUNT]));
    assert_eq!(model["outputs"][0], json!({ "name": "probabilities", "datatype": "FP32", "shape": [-1, 4, 3] }));
    assert_eq!(model["parameters"]["features_hash"], Set::Market.hash());
    assert_eq!(get(&format!("/v2/models/{SHIPPED}/versions/{hash}")).json(), model);
    assert_eq!(get(&format!("/v2/models/{SHIPPED}/versions/1")).status, 404);
    assert!(get("/v2/models/nobody").error().contains(SHIPPED));
    assert_eq!(get("/nowhere").status, 404);
    assert_eq!(post(server.address, "/v2", &json!({})).status, 405);
    assert_eq!(get(&infer("")).status, 405);
}

fn forecasts() {
    let server = Server::start(&["--model", SHIPPED], &[]);
    let rows: Vec<Vec<f32>> = (0..40).map(row).collect();
    let (probabilities, moves) = told(&rows);
    let answer = post(server.address, &infer(""), &question(&rows)).json();
    assert_eq!((answer["model_name"].as_str(), answer["id"].as_str()), (Some(SHIPPED), Some("42")));
    let [first, second] = [0, 1].map(|n| &answer["outputs"][n]);
    assert_eq!((first["name"].as_str(), &first["shape"]), (Some("probabilities"), &json!([40, 4, 3])));
    assert_eq!((second["name"].as_str(), &second["shape"]), (Some("move_bps"), &json!([40, 4])));
    assert_eq!((numbers(&first["data"]), numbers(&second["data"])), (probabilities, moves), "bit for bit");
    let mut one = question(&rows[..1]);
    one["outputs"] = json!([{ "name": "move_bps" }]);
    let outputs = post(server.address, &infer(""), &one).json()["outputs"].clone();
    assert_eq!((outputs.as_array().unwrap().len(), outputs[0]["name"].as_str()), (1, Some("move_bps")));
    let page = String::from_utf8(get(server.address, "/metrics").body).unwrap();
    for line in [
        "tickdeck_serve_requests_total{model=\"logistic-v1\",outcome=\"answered\"} 2",
        "tickdeck_serve_rows_total{model=\"logistic-v1\"} 41",
        "tickdeck_serve_seconds_count{model=\"logistic-v1\"} 2",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

fn binary() {
    let server = Server::start(&[], &[]);
    let rows: Vec<Vec<f32>> = (0..3).map(row).collect();
    let raw: Vec<u8> = rows.concat().iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut head = question(&[]);
    head["inputs"][0] = json!({ "name": "features", "shape": [3, FEATURE_COUNT], "datatype": "FP32", "parameters": { "binary_data_size": raw.len() } });
    head["parameters"] = json!({ "binary_data_output": true });
    let head = head.to_string();
    let length = head.len().to_string();
    let body = [head.as_bytes(), &raw].concat();
    let sent = |length: &str| {
        ask(server.address, &format!("POST {}", infer("")), &[("Inference-Header-Content-Length", length)], &body)
    };
    let answer = sent(&length);
    let at: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let head: Value = serde_json::from_slice(&answer.body[..at]).unwrap();
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 3 * 4 * 3 * 4);
    let all: Vec<f32> = answer.body[at..].chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let (probabilities, moves) = told(&rows);
    assert_eq!(all, [probabilities, moves].concat(), "bit for bit");
    for wrong in ["999999", "x", "-1", "7"] {
        assert_eq!(sent(wrong).status, 400, "{wrong}");
    }
}

fn refusals() {
    let server = Server::start(&[], &[]);
    let says = |question: &Value| {
        let answer = post(server.address, &infer(""), question);
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.error()
    };
    let with = |change: fn(&mut Value)| {
        let mut question = question(&[row(0)]);
        change(&mut question);
        question
    };
    assert!(says(&json!([])).contains("JSON"));
    assert!(says(&with(|q| q["inputs"] = json!([]))).contains("one is expected"));
    assert!(says(&with(|q| q["inputs"][0]["name"] = json!("x"))).contains("`features` of the shape [-1, 36]"));
    assert!(says(&with(|q| q["inputs"][0]["shape"] = json!([36]))).contains("is expected"));
    assert!(says(&with(|q| q["inputs"][0]["shape"] = json!([2, 36]))).contains("needs 72 values"));
    assert!(says(&with(|q| q["inputs"][0]["datatype"] = json!("BYTES"))).contains("BYTES"));
    assert!(says(&with(|q| q["inputs"][0]["data"][0][0] = json!(1e300))).contains("not finite"));
    assert!(says(&with(|q| q["inputs"][0]["data"][0][0] = json!("x"))).contains("JSON"));
    assert!(says(&with(|q| q["outputs"] = json!([{ "name": "y" }]))).contains("no output `y`"));
    let many: Vec<Vec<f32>> = (0..1025).map(row).collect();
    assert!(says(&question(&many)).contains("1 to 1024 rows"));
    let packed = ask(server.address, &format!("POST {}", infer("")), &[("content-encoding", "gzip")], b"x");
    assert_eq!(packed.status, 415);
}

/// A body that is too large is refused by its announced length or in the middle; a busy server says so and stays alive.
fn bounds() {
    let server = Server::start(&["--set", "serve.at_once=1"], &[]);
    let large = ask(server.address, &format!("POST {}", infer("")), &[], &vec![b' '; (16 << 20) + 1]);
    assert_eq!(large.status, 413);
    // A caller that announces a body and does not send it holds the one place.
    let mut slow = TcpStream::connect(server.address).unwrap();
    write!(slow, "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n", infer(""))
        .unwrap();
    let mut go_on = [0; 12];
    // The server asks for the body once it has the place.
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    let busy = post(server.address, &infer(""), &question(&[row(0)]));
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    assert_eq!(get(server.address, "/v2/health/live").status, 200);
    drop(slow);
    let again = || post(server.address, &infer(""), &question(&[row(0)])).status;
    while again() == 503 {}
    assert_eq!(again(), 200);
}

fn token() {
    let server = Server::start(&["--token"], &[("TICKDECK_SERVE_TOKEN", TOKEN)]);
    let shown = |header: &str| -> Answer {
        ask(server.address, "GET /v2/models/logistic-v1", &[("authorization", header)], &[])
    };
    assert_eq!(shown(&format!("Bearer {TOKEN}")).status, 200);
    for wrong in ["", TOKEN, "Bearer ", "Bearer other", "Basic YTpi"] {
        let answer = shown(wrong);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{wrong}");
    }
    assert_eq!(get(server.address, "/metrics").status, 401);
    assert_eq!(get(server.address, "/v2/health/ready").status, 200, "a probe has no token");

    let open = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
        .args(["serve", "--listen", "0.0.0.0:0", "--set"])
        .arg(format!("model.dir={}", shipped().display()))
        .env_remove("TICKDECK_SERVE_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&open.stderr).into_owned();
    assert!(
        open.status.code() == Some(4) && said.contains("other machines") && said.contains("TICKDECK_SERVE_TOKEN"),
        "{said}"
    );
}

/// `tickdeck model connect` to a server of ours on another "machine", and a run with what it wrote.
fn made_for() {
    let server = Server::start(&[], &[]);
    let dir = TempDir::new().unwrap();
    let (models, data) = (dir.path().join("models"), dir.path().join("data"));
    let tickdeck = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.args(words).arg("--set").arg(format!("model.dir={}", models.display()));
        let done = command.arg("--data-dir").arg(&data).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let url = format!("http://{}", server.address);
    let connect = ["model", "connect", "theirs", "--url", &url, "--model", SHIPPED];
    let regime = "calm days of two large coins";
    let (code, said) = tickdeck(&[&connect[..], &["--symbols", "BTCUSDT,ETHUSDT", "--regime", regime]].concat());
    assert_eq!(code, Some(0), "{said}");
    let model = load(&models, "theirs").unwrap();
    let card = model.card();
    assert_eq!(card.made_for.symbols, ["BTCUSDT", "ETHUSDT"]);
    assert_eq!((card.made_for.regime.as_str(), &card.made_for.categories), (regime, &Vec::new()));
    assert_eq!(model.info().horizons_s, [1, 5, 10, 60], "a tickdeck server says so itself");
    let (code, said) = tickdeck(&connect);
    assert!(code != Some(0) && said.contains("--replace"), "{said}");

    // The built-in market has more than these two.
    let (code, said) = tickdeck(&["backtest", "--simulated", "10s", "--set", "model.active=[\"theirs\"]"]);
    assert!(code != Some(0), "{said}");
    for part in ["theirs", "BTCUSDT, ETHUSDT", "and this run has"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn tritonclient(python: &std::path::Path) -> Result<(), String> {
    let server = Server::start(&[], &[]);
    python::run(python, "with_tritonclient.py", &[&server.address.to_string()])
}
