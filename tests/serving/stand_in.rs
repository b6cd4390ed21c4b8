//! A model server that says what a test wants said: one connection, one request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tickdeck::engine::features::FEATURE_COUNT;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub body: Value,
}

impl Asked {
    /// Rows of the question.
    pub fn rows(&self) -> usize {
        self.body["inputs"][0]["shape"][0].as_u64().unwrap() as usize
    }
}

/// Status, further headers and body.
pub type Said = (u16, String, Vec<u8>);

/// A server that listens until it is dropped.
pub struct StandIn {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl StandIn {
    pub fn start(answer: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let server = Self { address: listener.local_addr().unwrap(), asked: asked.clone(), over: over.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, answer) = (asked.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    asked.lock().unwrap().push(request.clone());
                    let (status, headers, body) = answer(&request);
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    drop((&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&body)));
                });
            }
        });
        server
    }

    /// How often it was asked for forecasts.
    pub fn questions(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path.ends_with("/infer")).count()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        let header = header.to_lowercase();
        if let Some(number) = header.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
        head.push_str(&header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

pub fn said(json: &Value) -> Said {
    (200, String::new(), json.to_string().into_bytes())
}

/// Metadata of a model `theirs` with one horizon.
pub fn metadata() -> Value {
    json!({
        "name": "theirs", "versions": ["1"], "platform": "test",
        "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, FEATURE_COUNT] }],
        "outputs": [{ "name": "probabilities", "datatype": "FP32", "shape": [-1, 3] }],
    })
}

/// The same three probabilities for every row.
pub fn even(asked: &Asked) -> Value {
    let rows = asked.rows();
    let data = [0.5, 0.25, 0.25].repeat(rows);
    json!({
        "model_name": "theirs", "model_version": "1", "id": asked.body["id"],
        "outputs": [{ "name": "probabilities", "datatype": "FP64", "shape": [rows, 3], "data": data }],
    })
}

/// A sound server, but for what `change` makes of its answers to questions.
pub fn answering(change: impl Fn(&Asked, Value) -> Said + Send + Sync + 'static) -> StandIn {
    StandIn::start(
        move |asked| {
            if asked.path.ends_with("/infer") { change(asked, even(asked)) } else { said(&metadata()) }
        },
    )
}

/// A card `mine` of that model in a folder of its own; `more` is appended to `[remote]`.
pub fn card(address: SocketAddr, more: &str) -> tempfile::TempDir {
    let dir = tempfile::TempDir::new().unwrap();
    let golden = ["[[0.5, 0.25, 0.25, 0.0]]"; 4].join(", ");
    let hash = tickdeck::engine::features::Set::Market.hash();
    let text = format!(
        "name = \"mine\"\nfeatures_hash = \"{hash}\"\ngolden = [{golden}]\n[[horizon]]\nseconds = 10\n\
         [remote]\nurl = \"http://{address}\"\nmodel = \"theirs\"\n{more}\n"
    );
    std::fs::write(dir.path().join("mine.toml"), text).unwrap();
    dir
}
