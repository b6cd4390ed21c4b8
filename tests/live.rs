//! The real binary in a real terminal against a simulated Bybit in another process: live data for the paper account, an
//! account at the venue that trades what the exchange's own books show, an exchange that goes away, and a secret that is
//! found nowhere afterwards. Listed as ignored where tmux is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod tmux;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command as Process, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tmux::{Tmux, trial};

const BINARY: &str = env!("CARGO_BIN_EXE_tickdeck");
const SECRET: &str = "s3cretOfTheSimulatedAccount";

fn main() -> ExitCode {
    let trials = vec![
        trial("the_exchange_goes_away_and_comes_back", (160, 45), goes_away_and_comes_back),
        trial("an_account_at_the_venue_trades_what_its_books_show", (160, 45), trades_at_the_venue),
        trial("an_exchange_that_is_not_there_says_so", (80, 24), not_there),
        trial("from_one_account_to_another_and_back", (160, 45), to_another_account),
        trial("real_money_takes_its_ceremony", (160, 45), real_money),
        trial("real_money_from_the_start_on_a_small_screen", (80, 24), real_money_from_the_start),
        trial("from_one_account_to_another_on_a_small_screen", (80, 24), to_another_account),
    ];
    let headless = Trial::test("real_money_without_a_screen", || without_a_screen().map_err(Failed::from));
    let paper = Trial::test("paper_sends_the_exchange_no_order", || paper_sends_nothing().map_err(Failed::from));
    let second = Trial::test("a_second_engine_on_an_account_is_refused", || second_engine().map_err(Failed::from));
    let recording =
        Trial::test("a_recording_of_live_data_plays_again", || recording_plays_again().map_err(Failed::from));
    libtest_mimic::run(
        &Arguments::from_args(),
        trials.into_iter().chain([recording, headless, second, paper]).collect(),
    )
    .exit_code()
}

/// A simulated exchange in a process of its own.
struct Exchange {
    process: Child,
    address: SocketAddr,
}

impl Exchange {
    fn start(listen: &str) -> Result<Self, String> {
        let mut process = Process::new(BINARY)
            .args(["sim", "--listen", listen, "--seed", "7", "--key", "simKey01", "--secret", SECRET])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let lines = BufReader::new(process.stdout.take().ok_or("no stdout")?).lines();
        let url = lines.map_while(Result::ok).find_map(|line| {
            let url = line.strip_prefix("rest_url = \"http://")?;
            Some(url.trim_end_matches('"').to_owned())
        });
        let address = url.ok_or("the exchange did not say where it listens")?.parse().map_err(|_| "not an address")?;
        Ok(Self { process, address })
    }

    /// What the exchange itself knows.
    fn state(&self) -> Result<Value, String> {
        let mut stream = TcpStream::connect(self.address).map_err(|e| e.to_string())?;
        let request = format!("GET /sim/state HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(|e| e.to_string())?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
        serde_json::from_str(body).map_err(|e| format!("{e}: {body}"))
    }

    /// Sets faults.
    fn faults(&self, json: &str) -> Result<(), String> {
        let mut stream = TcpStream::connect(self.address).map_err(|e| e.to_string())?;
        let request = format!(
            "POST /sim/faults HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
            self.address,
            json.len()
        );
        stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    }

    /// Options and environment that lead the program here.
    fn tickdeck(&self) -> String {
        let (at, models) = (self.address, env!("CARGO_MANIFEST_DIR"));
        format!(
            "TICKDECK__MODEL__DIR={models}/models BYBIT_TESTNET_API_KEY=simKey01 BYBIT_TESTNET_API_SECRET={SECRET} \
             BYBIT_API_KEY=simKey01 BYBIT_API_SECRET={SECRET} {BINARY} --data-dir data --set bybit.rest_url=http://{at} \
             --set bybit.ws_public_url=ws://{at}/v5/public/linear --set bybit.ws_private_url=ws://{at}/v5/private \
             --set bybit.ws_trade_url=ws://{at}/v5/trade"
        )
    }

    /// Puts the command into a script, so that no screen shows its environment.
    fn script(&self, tmux: &Tmux, rest: &str) -> Result<(), String> {
        let text = format!("exec env {} {rest}\n", self.tickdeck());
        std::fs::write(tmux.dir.path().join("go.sh"), text).map_err(|e| e.to_string())?;
        tmux.line("sh go.sh; echo ended $?")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn goes_away_and_comes_back(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let address = exchange.address;
    exchange.script(tmux, "")?;
    let screen = tmux.shows(&["SIM EXCHANGE", "PAPER", "BTCUSDT", "market stream up", "3 of 3 valid"])?;
    if screen.contains("LIVE") || screen.contains("TESTNET") {
        return Err(format!("paper looks like something else:\n{screen}"));
    }
    drop(exchange);
    tmux.shows(&["market stream down", "STALE", "0 of 3 valid"])?;
    let again = Exchange::start(&address.to_string())?;
    tmux.shows(&["3 of 3 valid", "market stream up"])?;
    tmux.keys(&["C-k"])?;
    tmux.shows(&["KILLED"])?;
    tmux.leave("resets the latch")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 7"])?;
    tmux.line("clear")?;
    again.script(tmux, "")?;
    tmux.shows(&["SIM EXCHANGE", "KILLED"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 7"])?;
    tmux.is_given_back()
}

fn not_there(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let script = format!("exec env {}\n", exchange.tickdeck());
    drop(exchange);
    std::fs::write(tmux.dir.path().join("go.sh"), script).map_err(|e| e.to_string())?;
    tmux.line("sh go.sh; echo ended $?")?;
    tmux.shows(&["no market data", "refused", "tickdeck demo"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    tmux.is_given_back()
}

fn trades_at_the_venue(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    exchange.script(tmux, "--mode testnet --practice")?;
    tmux.shows(&["SIM EXCHANGE", "BYBIT TESTNET", "PRACTICE", "balance 10000.00, 0 position(s)"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Space", "every check passed")?;
    tmux.insist("Enter", "● ARMED")?;
    // The models need more than a minute of market before they answer.
    for _ in 0..3 {
        if tmux.shows(&["FILL"]).is_ok() {
            break;
        }
    }
    tmux.shows(&["FILL", "taker"])?;
    tmux.insist("F", "type FLAT")?;
    tmux.insist("F", "go on: F_")?;
    tmux.keys(&["-l", "LAT"])?;
    tmux.insist("Enter", "FLAT (proven")?;
    tmux.shows(&["SAFE"])?;
    let state = exchange.state()?;
    let flat = state["positions"].as_array().is_some_and(|rows| rows.iter().all(|row| row["size"] == "0"));
    if !flat {
        return Err(format!("proven flat, and the exchange holds {}", state["positions"]));
    }
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    let fills = query(tmux, &["fills", "--max", "1000"])?;
    same_executions(&fills, &state)?;
    same_balance(&fills, &state)?;
    no_secret_in(tmux.dir.path())?;
    tmux.is_given_back()
}

/// Paper to testnet and back, then to an account without keys: each is a run of its own, and a refusal leaves the old one.
fn to_another_account(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    exchange.script(tmux, "")?;
    tmux.shows(&["SIM EXCHANGE", "PAPER", "market stream up"])?;
    choose(tmux, "Down", &["demo-account"])?;
    tmux.insist("Enter", "the account stays as it is")?;
    choose(tmux, "Down", &["demo-account", "testnet"])?;
    tmux.insist("Enter", "BYBIT TESTNET")?;
    tmux.shows(&["SIM EXCHANGE", "SAFE"])?;
    choose(tmux, "Up", &["demo-account", "paper"])?;
    let screen = tmux.insist("Enter", "PAPER")?;
    if screen.contains("TESTNET") {
        return Err(format!("two accounts at once:\n{screen}"));
    }
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    let tapes = std::fs::read_dir(tmux.dir.path().join("data").join("tapes")).map_err(|e| e.to_string())?;
    let tapes: Vec<_> = tapes.flatten().map(|entry| entry.path()).collect();
    if tapes.len() != 3 {
        return Err(format!("three runs, and these tapes: {tapes:?}"));
    }
    for tape in tapes {
        let info = Process::new(BINARY).args(["tape", "verify"]).arg(&tape).output().map_err(|e| e.to_string())?;
        if !info.status.success() {
            return Err(format!("{}: {}", tape.display(), String::from_utf8_lossy(&info.stderr)));
        }
    }
    tmux.is_given_back()
}

/// Opens the account dialog and moves to an account, over those on the way.
fn choose(tmux: &Tmux, key: &str, way: &[&str]) -> Result<(), String> {
    tmux.insist("m", "Enter go on with it")?;
    for account in way {
        tmux.insist(key, &format!("> {account}"))?;
    }
    Ok(())
}

/// What real money takes in the configuration.
fn live_options() -> String {
    let limits = [
        ("max_order_notional", "500"),
        ("max_position_notional", "1000"),
        ("max_gross_notional", "2500"),
        ("max_net_notional", "2000"),
        ("max_open_orders", "10"),
        ("max_orders_per_10s", "10"),
        ("max_orders_24h", "500"),
        ("max_daily_loss", "200"),
        ("max_loss_24h", "300"),
        ("max_drawdown_pct", "3"),
        ("max_leverage", "1"),
        ("max_slippage_bps", "10"),
        ("max_data_age_ms", "3000"),
        ("cooldown_after_loss", "0"),
        ("unprotected_max_ms", "3000"),
    ];
    let set: Vec<String> = limits.iter().map(|(name, value)| format!("--set risk.live.{name}={value}")).collect();
    format!("--set live=true {}", set.join(" "))
}

/// From paper to real money by `m`, and armed there: each takes the tail, typed after three seconds; nothing else does.
fn real_money(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    exchange.script(tmux, &live_options())?;
    tmux.shows(&["SIM EXCHANGE", "PAPER", "market stream up"])?;
    let all = ["demo-account", "testnet", "live"];
    choose(tmux, "Down", &all)?;
    tmux.insist("Enter", "GO ON WITH REAL MONEY")?;
    tmux.shows(&["Enter works in"])?;
    tmux.shows(&["lapses in"])?;
    tmux.keys(&["-l", "LIVE nope"])?;
    tmux.shows(&["LIVE nope_"])?;
    tmux.insist("Enter", "the account stays as it is")?;
    choose(tmux, "Down", &all)?;
    tmux.insist("Enter", "GO ON WITH REAL MONEY")?;
    tmux.shows(&["lapses in"])?;
    tmux.keys(&["-l", "LIVE ey01"])?;
    tmux.shows(&["LIVE ey01_"])?;
    tmux.insist("Enter", "REAL MONEY╋")?;
    tmux.shows(&["SIM EXCHANGE", "╋LIVE╋REAL MONEY╋", "SAFE"])?;
    arm_with_the_tail(tmux)?;
    tmux.insist("d", "DISARMED")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    no_secret_in(tmux.dir.path())?;
    tmux.is_given_back()
}

fn real_money_from_the_start(tmux: &Tmux) -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    exchange.script(tmux, "--mode live")?;
    tmux.shows(&["takes `live = true`", "ended 4"])?;
    tmux.line("clear")?;
    exchange.script(tmux, "--mode live --set live=true")?;
    tmux.shows(&["[risk.live] lacks", "ended 4"])?;
    tmux.line("clear")?;
    exchange.script(tmux, &format!("--mode live {}", live_options()))?;
    tmux.shows(&["LIVE: REAL MONEY on a SIMULATED EXCHANGE"])?;
    tmux.line("LIVE ey01")?;
    tmux.shows(&["too fast to have been read", "ended 6"])?;
    tmux.line("clear")?;
    exchange.script(tmux, &format!("--mode live --confirm 'LIVE ey01' {}", live_options()))?;
    tmux.shows(&["SIM EXCHANGE", "╋LIVE╋", "SAFE"])?;
    arm_with_the_tail(tmux)?;
    tmux.insist("d", "DISARMED")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    tmux.is_given_back()
}

/// Arms a real account: the checklist, then the tail.
fn arm_with_the_tail(tmux: &Tmux) -> Result<(), String> {
    tmux.insist("A", "Esc stay disarmed")?;
    // Warnings are acknowledged one by one.
    tmux.insist("Space", "every check passed")?;
    tmux.insist("Enter", "type LIVE ey01")?;
    tmux.shows(&["lapses in"])?;
    tmux.keys(&["-l", "LIVE ey01"])?;
    tmux.shows(&["LIVE ey01_"])?;
    tmux.insist("Enter", "● ARMED").map(|_| ())
}

fn without_a_screen() -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let run = |rest: &str| {
        let command = format!("exec env {} {rest}", exchange.tickdeck());
        let output = Process::new("sh").args(["-c", &command]).stdin(Stdio::null()).current_dir(folder.path()).output();
        let output = output.map_err(|e| e.to_string())?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok::<_, String>((output.status.code(), text))
    };
    let expect = |rest: &str, code: i32, words: &str| match run(rest)? {
        (Some(is), text) if is == code && text.contains(words) => Ok(()),
        (is, text) => Err(format!("{rest}: {is:?} is not {code}, or no {words:?} in {text}")),
    };
    let live = live_options();
    let run = "run --mode live --for 20s";
    let right = "--confirm 'LIVE ey01'";
    expect(&format!("{run} {right}"), 4, "live = true")?;
    expect(&format!("--set live=true {run} {right}"), 4, "max_daily_loss")?;
    expect(&format!("{live} {run}"), 6, "--confirm")?;
    expect(&format!("{live} {run} --confirm 'LIVE ey02'"), 6, "the tail of the live account's API key")?;
    expect(&format!("{live} {run} {right} --practice"), 4, "does not practise")?;
    exchange.faults(r#"{"withdrawing_key":true}"#)?;
    expect(&format!("{live} {run} {right}"), 4, "may WITHDRAW")?;
    exchange.faults(r#"{"withdrawing_key":false}"#)?;
    expect(&format!("{live} {run} {right} --arm --yes"), 0, "ARMED for")
}

/// Armed on paper, with the keys of every account at hand: its fills are our own, and the exchange hears of no order.
fn paper_sends_nothing() -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let command = format!("exec env {} run --practice --arm --yes --for 100s", exchange.tickdeck());
    let output = Process::new("sh").args(["-c", &command]).stdin(Stdio::null()).current_dir(folder.path()).output();
    let text = String::from_utf8_lossy(&output.map_err(|e| e.to_string())?.stdout).into_owned();
    let state = exchange.state()?;
    let silent = state["requests"].as_array().is_some_and(Vec::is_empty);
    if !silent || !text.contains("(taker)") {
        return Err(format!("orders at the exchange: {}, and here: {text}", state["requests"]));
    }
    Ok(())
}

/// The same account from another data directory: refused while the first one runs.
fn second_engine() -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let command = |data: &str| {
        let line = exchange.tickdeck().replace("--data-dir data", &format!("--data-dir {data}"));
        let mut process = Process::new("sh");
        process.args(["-c", &format!("exec env {line} run --mode testnet --for 60s")]).current_dir(folder.path());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    };
    let mut first = command("one").spawn().map_err(|e| e.to_string())?;
    let mut lines = BufReader::new(first.stdout.take().ok_or("no stdout")?).lines().map_while(Result::ok);
    let runs = lines.any(|line| line.contains("SAFE") || line.contains("UNKNOWN"));
    let second = command("two").output().map_err(|e| e.to_string())?;
    // The shell's own number: it became the engine.
    let pid = first.id();
    drop(first.kill());
    drop(first.wait());
    let told = String::from_utf8_lossy(&second.stderr);
    let refused = format!("another engine (process {pid}) trades on this testnet account");
    if !runs || second.status.code() != Some(1) || !told.contains(&refused) {
        return Err(format!("runs {runs}, {:?}: {told}", second.status));
    }
    Ok(())
}

fn recording_plays_again() -> Result<(), String> {
    let exchange = Exchange::start("127.0.0.1:0")?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let run = |command: String| {
        let output = Process::new("sh").args(["-c", &command]).current_dir(folder.path()).output();
        let output = output.map_err(|e| e.to_string())?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(format!("{out}{err}")) } else { Err(format!("{command}: {out}{err}")) }
    };
    run(format!("exec env {} record --for 6s", exchange.tickdeck()))?;
    let tape = std::fs::read_dir(folder.path().join("data").join("tapes")).map_err(|e| e.to_string())?;
    let tape = tape.flatten().next().ok_or("no tape")?.path();
    let info = run(format!("{BINARY} tape info {}", tape.display()))?;
    for word in ["BTCUSDT", "book", "trade", "rules"] {
        if !info.contains(word) {
            return Err(format!("no {word} in\n{info}"));
        }
    }
    run(format!("{BINARY} tape verify {}", tape.display()))?;
    let report = run(format!("{BINARY} --data-dir again backtest --format json {}", tape.display()))?;
    if report.contains("decisions_hash") { Ok(()) } else { Err(report) }
}

fn query(tmux: &Tmux, words: &[&str]) -> Result<Vec<Value>, String> {
    let output = Process::new(BINARY)
        .args(["--data-dir", "data", "--mode", "testnet"])
        .args(words)
        .args(["--format", "json"])
        .current_dir(tmux.dir.path())
        .output()
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The ledger's executions are the exchange's, one by one.
fn same_executions(fills: &[Value], state: &Value) -> Result<(), String> {
    let theirs = state["executions"].as_array().ok_or("no executions")?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    for fill in fills {
        let same = theirs.iter().find(|row| row["execId"] == fill["exec_id"]);
        let row = same.ok_or_else(|| format!("the exchange knows nothing of {fill}"))?;
        let agrees = row["symbol"] == fill["symbol"]
            && (number(&row["execPrice"]) - number(&fill["price"])).abs() < 1e-9
            && (number(&row["execQty"]) - number(&fill["qty"])).abs() < 1e-9;
        if !agrees {
            return Err(format!("{fill} is not {row}"));
        }
    }
    if fills.is_empty() || fills.len() != theirs.len() {
        return Err(format!("{} executions in the ledger, {} at the exchange", fills.len(), theirs.len()));
    }
    Ok(())
}

/// The newest balance of the ledger is the exchange's wallet, but for its rounding.
fn same_balance(fills: &[Value], state: &Value) -> Result<(), String> {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let ours = number(&fills[0]["balance"]);
    let theirs = number(&state["wallet"]["coin"][0]["walletBalance"]);
    if (ours - theirs).abs() < 0.01 { Ok(()) } else { Err(format!("balance {ours}, at the exchange {theirs}")) }
}

/// Ledger, tape, reports: the secret is in none of them.
fn no_secret_in(folder: &Path) -> Result<(), String> {
    let mut folders = vec![folder.join("data")];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| e.to_string())? {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
            looked += 1;
            if bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                return Err(format!("the secret is in {}", path.display()));
            }
        }
    }
    if looked < 2 { Err("no ledger and no tape were found to look through".to_owned()) } else { Ok(()) }
}
