//! Which models answer and which decide: shadows that are never acted upon, a challenger that becomes the champion, and files
//! that change under a running engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use tickdeck::engine::command::Command;
use tickdeck::engine::event::{Event, HorizonForecast, ModelInfo, Prediction};
use tickdeck::engine::ids::ModelId;
use tickdeck::engine::num::Side;
use tickdeck::engine::settings::{Ensemble, Settings};
use tickdeck::engine::snapshot::{Freshness, Snapshot};
use tickdeck::engine::time::Span;

mod rig;
use rig::*;

fn info(name: &str) -> ModelInfo {
    ModelInfo { name: name.into(), ..restored(eager(), limits()).models[0].clone() }
}

fn limits() -> tickdeck::engine::risk::limits::RiskLimits {
    tickdeck::engine::risk::limits::RiskLimits::default()
}

/// A rig whose first model is `test`, which the rig itself answers for, and these others.
fn rig(shadow: &[&str], others: &[&str]) -> Rig {
    rig_of(Settings { shadow: shadow.iter().map(|name| (*name).to_owned()).collect(), ..eager() }, others)
}

fn rig_of(settings: Settings, others: &[&str]) -> Rig {
    let mut restored = restored(settings, limits());
    restored.models.extend(others.iter().map(|name| info(name)));
    Rig::from(restored)
}

fn picture(rig: &mut Rig) -> Snapshot {
    rig.snapshot()
}

/// The model of this number says up about the last boundary of BTC.
fn says_up(rig: &mut Rig, model: u8) {
    let at = rig.now.floor_to(Span::from_secs(1));
    let up = HorizonForecast { horizon_s: 10, up: 0.9, flat: 0.1, down: 0.0, move_bps: 50.0 };
    rig.event(Event::Predicted(Prediction {
        symbol: BTC,
        model: ModelId(model),
        features_at: at,
        took: Span(1),
        horizons: vec![up],
    }));
}

fn refused(rig: &mut Rig, name: &str) -> String {
    let before = rig.notices.len();
    rig.command(Command::Promote(name.into()));
    rig.notices[before..].iter().map(|notice| notice.text.clone()).collect()
}

#[test]
fn nothing_is_opened_on_a_shadow_until_it_is_promoted_and_that_takes_safe() {
    let mut rig = rig(&["test"], &[]);
    rig.forecast = [(0.9, 0.0, 50.0); 2];
    rig.arm();
    rig.run(5_000);
    assert!(rig.submitted.is_empty());
    let rows = picture(&mut rig).signals;
    assert!(rows.iter().all(|row| row.shadow && !row.decides) && !rows.is_empty());
    assert!(refused(&mut rig, "test").contains("only in SAFE"));
    rig.command(Command::Disarm);
    assert!(refused(&mut rig, "nobody").contains("no model nobody runs"));
    rig.command(Command::Promote("test".into()));
    assert!(picture(&mut rig).signals.iter().any(|row| row.decides));
    assert!(refused(&mut rig, "test").contains("decides already"));
    rig.arm();
    rig.run(5_000);
    assert!(rig.submitted.iter().any(|order| order.side == Side::Buy));
}

#[test]
fn a_decision_neither_hears_nor_awaits_a_shadow() {
    let mut quiet = rig(&["challenger"], &["challenger"]);
    quiet.forecast = [(0.1, 0.1, 0.0); 2];
    quiet.arm();
    quiet.run(3_000);
    says_up(&mut quiet, 1);
    quiet.run(3_000);
    assert!(quiet.submitted.is_empty(), "the shadow says up, the model that decides does not");
    let mut alone = rig(&["challenger"], &["challenger"]);
    alone.forecast = [(0.9, 0.0, 50.0); 2];
    alone.arm();
    alone.run(3_000);
    assert!(!alone.submitted.is_empty(), "the shadow never answers");
}

#[test]
fn a_model_that_does_not_answer_holds_a_decision_up_until_the_next_boundary() {
    let mut rig = rig(&[], &["slow"]);
    rig.forecast = [(0.9, 0.0, 50.0); 2];
    rig.arm();
    rig.run(900);
    assert!(rig.submitted.is_empty(), "it may still answer");
    rig.run(3_000);
    assert!(!rig.submitted.is_empty(), "the others decide without it");
}

#[test]
fn models_that_must_agree_open_only_together() {
    let opens = |ensemble, forecast, other_answers: bool| {
        let mut rig = rig_of(Settings { ensemble, ..eager() }, &["other"]);
        rig.forecast = [forecast; 2];
        rig.arm();
        for _ in 0..5 {
            rig.run(1_000);
            if other_answers {
                says_up(&mut rig, 1);
            }
        }
        let verdict = picture(&mut rig).signals.into_iter().find(|row| row.model == "ensemble").unwrap().verdict;
        (!rig.submitted.is_empty(), rig.denied("MODELS_DISAGREE"), verdict)
    };
    let (up, rather_down) = ((0.9, 0.0, 50.0), (0.2, 0.3, 0.0));
    assert!(opens(Ensemble::Mean, rather_down, true).0, "the mean says up");
    assert_eq!(opens(Ensemble::Agree, rather_down, true), (false, true, "the models disagree".to_owned()));
    assert!(opens(Ensemble::Agree, up, true).0);
    assert!(
        opens(Ensemble::Mean, up, false).0 && !opens(Ensemble::Agree, up, false).0,
        "one that is silent agrees to nothing"
    );
}

#[test]
fn an_answer_is_about_the_boundary_it_was_asked_at_and_an_old_one_opens_nothing() {
    let mut rig = rig(&[], &[]);
    rig.forecast = [(0.1, 0.1, 0.0); 2];
    rig.arm();
    rig.run(3_000);
    let up = |rig: &mut Rig| picture(rig).signals[0].probs.fresh().map(|probs| probs.0);
    let at = rig.now;
    rig.now = at - Span::from_secs(1);
    says_up(&mut rig, 0);
    rig.now = at;
    assert_eq!(up(&mut rig), Some(0.1), "an answer about an earlier boundary takes the place of none");
    // Its only answer is older than `max_age_ms`.
    let mut late = self::rig(&["test"], &["late"]);
    late.arm();
    let at = late.now;
    late.now = at - Span::from_secs(3);
    says_up(&mut late, 1);
    late.now = at;
    late.event(Event::Link(tickdeck::engine::event::Link::MarketAlive));
    assert!(matches!(picture(&mut late).signals[1].probs, Freshness::Stale { .. }));
    assert!(late.submitted.is_empty() && rig.submitted.is_empty());
}

#[test]
fn the_champion_and_the_challenger_change_places() {
    let mut rig = rig(&["challenger"], &["challenger"]);
    rig.command(Command::Promote("challenger".into()));
    assert_eq!(picture(&mut rig).health.shadows, ["test"]);
    rig.command(Command::Promote("test".into()));
    assert_eq!(picture(&mut rig).health.shadows, ["challenger"]);
}

#[test]
fn a_new_line_up_keeps_roles_by_name_and_forecasts_by_model() {
    let mut rig = rig(&["challenger"], &["challenger"]);
    rig.run(1_000);
    says_up(&mut rig, 1);
    // Whatever was known of its answers goes with the model.
    let known = |rig: &mut Rig, name: &str| {
        let row = picture(rig).signals.into_iter().find(|row| row.model == name && row.symbol == BTC);
        row.is_some_and(|row| row.probs.fresh().is_some())
    };
    assert!(known(&mut rig, "test") && known(&mut rig, "challenger"));
    let test = info("test");
    rig.event(Event::Models(vec![info("new"), info("challenger"), ModelInfo { hash: "other".into(), ..test }]));
    assert!(known(&mut rig, "challenger") && !known(&mut rig, "new"));
    assert!(!known(&mut rig, "test"), "other weights under the same name are another model");
    assert_eq!(picture(&mut rig).health.shadows, ["challenger"]);
    assert!(rig.notices.iter().any(|notice| notice.text.contains("models: new abcdef, challenger abcdef (shadow)")));
    rig.event(Event::Models(Vec::new()));
    rig.run(2_000);
    assert!(picture(&mut rig).signals.is_empty());
}

#[cfg(feature = "models")]
mod files {
    //! A running engine whose folder of models changes.

    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use tempfile::TempDir;

    const SHIPPED: &str = "logistic-v1";
    /// How long a line may take to come.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Running {
        dir: TempDir,
        child: Child,
        lines: Receiver<String>,
    }

    impl Running {
        /// With the shipped model, and copies of it under these names.
        fn start(copies: &[&str], more: &[&str]) -> Self {
            let dir = TempDir::new().unwrap();
            fs::create_dir(dir.path().join("models")).unwrap();
            for ending in ["toml", "safetensors"] {
                let name = format!("{SHIPPED}.{ending}");
                fs::copy(
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(&name),
                    dir.path().join("models").join(name),
                )
                .unwrap();
            }
            for name in copies {
                add(dir.path(), name);
            }
            let mut command = tickdeck(dir.path());
            command.args(["run", "--demo", "--seed", "7", "--format", "json"]).args(more);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let (say, lines) = channel();
            let out = BufReader::new(child.stdout.take().unwrap());
            std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| say.send(line).is_ok()));
            Self { dir, child, lines }
        }

        fn model(&self, file: &str) -> PathBuf {
            self.dir.path().join("models").join(file)
        }

        fn until(&self, words: &str) -> String {
            let mut seen = Vec::new();
            loop {
                match self.lines.recv_timeout(PATIENCE) {
                    Ok(line) if line.contains(words) => return line,
                    Ok(line) => seen.push(line),
                    Err(error) => panic!("`{words}` did not come ({error}): {seen:#?}"),
                }
            }
        }

        /// The run that has ended comes out again from its tape, decision by decision, and its market can be played anew.
        fn replays(&self) {
            let tapes = fs::read_dir(self.dir.path().join("tapes")).unwrap().map(|entry| entry.unwrap().path());
            let tape = tapes.into_iter().find(|path| path.extension().is_some_and(|e| e == "tape")).unwrap();
            let tape = tape.to_str().unwrap();
            for how in [&["backtest", "--audit", tape][..], &["backtest", tape]] {
                let (exit, said) = self.ask(how);
                assert_eq!(exit, Some(0), "{how:?}: {said}");
            }
        }

        fn ask(&self, args: &[&str]) -> (Option<i32>, String) {
            let output = tickdeck(self.dir.path()).args(args).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8(said).unwrap())
        }
    }

    /// Copies the shipped model of a data directory under another name.
    fn add(dir: &Path, name: &str) {
        let model = |file: String| dir.join("models").join(file);
        let card = fs::read_to_string(model(format!("{SHIPPED}.toml"))).unwrap();
        let card = card.replace(&format!("\"{SHIPPED}\""), &format!("\"{name}\""));
        fs::copy(model(format!("{SHIPPED}.safetensors")), model(format!("{name}.safetensors"))).unwrap();
        fs::write(model(format!("{name}.toml")), card).unwrap();
    }

    impl Drop for Running {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    fn tickdeck(dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.arg("--data-dir").arg(dir);
        command.arg("--set").arg(format!("model.dir={}", dir.join("models").display()));
        command
    }

    #[test]
    fn files_that_change_are_taken_over_or_refused_and_the_tape_replays_to_the_same_decisions() {
        let mut run = Running::start(&[], &[]);
        run.until("\"");
        let weights = run.model(&format!("{SHIPPED}.safetensors"));
        let whole = fs::read(&weights).unwrap();

        // What runs and becomes unreadable is refused; it goes on.
        fs::write(&weights, &whole[..100]).unwrap();
        let told = run.until("the models stay as they are");
        assert!(told.contains("sha256") && told.contains(SHIPPED), "{told}");
        fs::write(&weights, &whole).unwrap();

        // Something new that is unsound is named, and what runs is the same.
        add(run.dir.path(), "second");
        fs::remove_file(run.model("second.safetensors")).unwrap();
        let told = run.until("model second is not used");
        assert!(told.contains("second.safetensors"), "{told}");

        // A sound one takes part.
        add(run.dir.path(), "second");
        let told = run.until("models: logistic-v1");
        assert!(told.contains("second"), "{told}");

        let (exit, said) = run.ask(&["model", "promote", "second", "--yes"]);
        assert!(exit == Some(6) && said.contains("decides already"), "{said}");
        assert_eq!(run.ask(&["model", "reload"]).0, Some(0));
        run.until("the models are the same as before");

        assert_eq!(run.ask(&["stop"]).0, Some(0));
        drop(run.child.wait());
        run.replays();
    }

    #[test]
    fn a_shadow_of_the_configuration_is_promoted_from_a_shell() {
        let mut run = Running::start(&["challenger"], &["--set", "model.shadow=challenger"]);
        run.until("\"");
        let (exit, said) = run.ask(&["model", "promote", "challenger"]);
        assert!(exit == Some(2) && said.contains("--yes"), "{said}");
        let (exit, said) = run.ask(&["model", "promote", "challenger", "--yes"]);
        assert!(exit == Some(0) && said.contains("challenger decides"), "{said}");
        assert_eq!(run.ask(&["stop"]).0, Some(0));
        drop(run.child.wait());
        run.replays();

        let missing = TempDir::new().unwrap();
        let output = tickdeck(missing.path()).args(["run", "--demo", "--set", "model.shadow=nobody"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(4) && said.contains("model.shadow names `nobody`"), "{said}");
    }
}
