//! A tmux server of its own with a shell in it: types keys, reads the screen, waits for words, never sleeps.
#![allow(dead_code)] // each test program uses its part

use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

/// Longest wait for a text: a loaded machine starts a process in far less.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Is tmux there?
fn is_installed() -> bool {
    Process::new("tmux").arg("-V").output().is_ok_and(|out| out.status.success())
}

/// A trial in a terminal of this size; ignored, with the reason, where tmux is missing.
pub fn trial(name: &'static str, size: (u16, u16), body: fn(&Tmux) -> Result<(), String>) -> Trial {
    let has_tmux = is_installed();
    Trial::test(name, move || Tmux::start(name, size.0, size.1).and_then(|tmux| body(&tmux)).map_err(Failed::from))
        .with_ignored_flag(!has_tmux)
        .with_kind(if has_tmux { "tmux" } else { "no tmux here" })
}

/// A tmux server of its own with a shell in it.
pub struct Tmux {
    socket: String,
    pub dir: tempfile::TempDir,
}

impl Tmux {
    pub fn start(name: &str, width: u16, height: u16) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let tmux = Self { socket: format!("tickdeck-{}-{name}", std::process::id()), dir };
        let home = tmux.dir.path().display().to_string();
        let (width, height) = (width.to_string(), height.to_string());
        tmux.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "-c",
            &home,
            "env PS1='$ ' sh",
        ])?;
        // A line typed before the shell reads would be echoed in front of its first prompt.
        tmux.prompts()?;
        Ok(tmux)
    }

    pub fn tmux(&self, arguments: &[&str]) -> Result<String, String> {
        let out = Process::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .map_err(|e| format!("tmux: {e}"))?;
        if !out.status.success() {
            return Err(format!("tmux {arguments:?}: {}", String::from_utf8_lossy(&out.stderr)));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    pub fn keys(&self, keys: &[&str]) -> Result<(), String> {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        self.tmux(&arguments).map(|_| ())
    }

    /// Types a line into the shell.
    pub fn line(&self, text: &str) -> Result<(), String> {
        self.tmux(&["send-keys", "-l", text])?;
        self.keys(&["Enter"])
    }

    pub fn screen(&self) -> Result<String, String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows every word.
    pub fn shows(&self, words: &[&str]) -> Result<String, String> {
        self.until(&format!("no {words:?}"), |text| words.iter().all(|word| text.contains(word)))
    }

    /// Waits until the screen no longer shows a word.
    pub fn is_gone(&self, word: &str) -> Result<String, String> {
        self.until(&format!("still {word}"), |text| !text.contains(word))
    }

    pub fn until(&self, otherwise: &str, done: impl Fn(&str) -> bool) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let text = self.screen()?;
            if done(&text) {
                return Ok(text);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{otherwise} in\n{text}"));
            }
        }
    }

    /// Types a key until the screen shows a word, with more than a second between two tries: a guard ignores keys right
    /// after it opened, and a key that came too early until it has been left alone.
    pub fn insist(&self, key: &str, word: &str) -> Result<String, String> {
        let start = Instant::now();
        loop {
            self.keys(&[key])?;
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_millis(1600) {
                let text = self.screen()?;
                if text.contains(word) {
                    return Ok(text);
                }
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{key} does not bring {word} in\n{}", self.screen()?));
            }
        }
    }

    /// Leaves a layer: Escape, and nothing else until what it showed is gone. A key right behind it would arrive as Alt.
    pub fn leave(&self, word: &str) -> Result<(), String> {
        self.keys(&["Escape"])?;
        self.is_gone(word).map(|_| ())
    }

    /// Waits until the shell prompts.
    fn prompts(&self) -> Result<String, String> {
        let prompts = |text: &str| text.trim_end().lines().next_back().is_some_and(|line| line.trim() == "$");
        self.until("the shell does not prompt", prompts)
    }

    /// Is the pane back on its ordinary screen, with the cursor shown and the keys the shell's? Asked once the shell
    /// prompts again: a line typed while the program still has raw mode would reach the shell without its line end.
    pub fn is_given_back(&self) -> Result<(), String> {
        self.prompts()?;
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"])?;
        if flags.trim() != "0 1 0" {
            return Err(format!("alternate, cursor, mouse: {flags}"));
        }
        self.keys(&["stty -a; echo asked", "Enter"])?;
        let text = self.shows(&["icanon", "\nasked"])?;
        if text.contains("-icanon") || text.contains("-echo ") {
            return Err(format!("still raw:\n{text}"));
        }
        Ok(())
    }

    pub fn file(&self, name: &str) -> Result<String, String> {
        let path: &Path = self.dir.path();
        let start = Instant::now();
        loop {
            match std::fs::read_to_string(path.join(name)) {
                Ok(text) if !text.is_empty() => return Ok(text),
                _ if start.elapsed() > PATIENCE => return Err(format!("no {name}")),
                _ => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
