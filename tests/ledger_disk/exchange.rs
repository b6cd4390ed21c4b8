//! The simulated exchange in a process of its own, and what it knows.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tickdeck::engine::num::{Price, Qty};

pub const KEY: &str = "diskKey01";
pub const SECRET: &str = "diskSecret";

pub struct Exchange {
    process: Child,
    pub address: SocketAddr,
}

impl Exchange {
    pub fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
            .args(["sim", "--listen", "127.0.0.1:0", "--seed", "11", "--key", KEY, "--secret", SECRET])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url =
            lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("rest_url = \"http://")?.to_owned()));
        let address = url.expect("it says where it listens").trim_end_matches('"').parse().unwrap();
        Self { process, address }
    }

    fn ask(&self, request: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    pub fn state(&self) -> Value {
        self.ask(&format!("GET /sim/state HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    /// Changes what goes wrong.
    pub fn faults(&self, change: &Value) {
        let body = change.to_string();
        let head = format!("POST /sim/faults HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        self.ask(&format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    }

    /// Ids of the orders that it was asked to create, one for each time it was asked, alone or among others.
    pub fn creates(&self) -> Vec<String> {
        let state = self.state();
        let mut ids = Vec::new();
        for row in state["requests"].as_array().unwrap() {
            let (path, body) = (row["path"].as_str().unwrap(), &row["body"]);
            let orders = match path {
                "/v5/order/create" => std::slice::from_ref(body),
                "/v5/order/create-batch" => body["request"].as_array().unwrap().as_slice(),
                _ => continue,
            };
            ids.extend(orders.iter().map(|order| order["orderLinkId"].as_str().unwrap().to_owned()));
        }
        ids
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Price and quantity of each trade by execution id.
pub fn executions(state: &Value) -> BTreeMap<String, (Price, Qty)> {
    let rows = state["executions"].as_array().unwrap().iter().filter(|row| row["execType"] == "Trade");
    rows.map(|row| {
        let text = |key: &str| row[key].as_str().unwrap();
        let lot = (Price::parse(text("execPrice")).unwrap(), Qty::parse(text("execQty")).unwrap());
        (text("execId").to_owned(), lot)
    })
    .collect()
}

/// Signed positions by instrument, as text.
pub fn positions(state: &Value) -> BTreeMap<String, String> {
    let rows = state["positions"].as_array().unwrap().iter();
    rows.filter_map(|row| {
        let size = Qty::parse(row["size"].as_str().unwrap()).unwrap();
        let sign = if row["side"] == "Sell" { "-" } else { "" };
        (!size.is_zero()).then(|| (row["symbol"].as_str().unwrap().to_owned(), format!("{sign}{size}")))
    })
    .collect()
}
