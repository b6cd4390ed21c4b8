//! `g` in a replay: go forward to a part of the tape.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::{PlaybackRequest, Request};
use crate::tui::widgets::field::{Accepts, Field};

/// The question.
pub struct Seek {
    percent: Field,
}

impl Default for Seek {
    fn default() -> Self {
        Self { percent: Field::new(Accepts::Number) }
    }
}

impl Layer for Seek {
    fn name(&self) -> &'static str {
        "seek"
    }
    fn is_guard(&self) -> bool {
        false
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        if key.code != Code::Enter {
            self.percent.key(key);
            return Outcome::Stay;
        }
        let done = ctx.snapshot.session.playback.as_ref().map_or(0.0, |p| p.done);
        match self.percent.text().parse::<f64>() {
            Ok(percent) if percent > 100.0 => Outcome::Say("a tape ends at 100".to_owned()),
            Ok(percent) if percent / 100.0 <= done => {
                Outcome::Say("forward only: what happened cannot unhappen; start the replay again".to_owned())
            }
            Ok(percent) => Outcome::Done(Request::Playback(PlaybackRequest::Seek(percent / 100.0))),
            Err(_) => Outcome::Say("type a number of percent".to_owned()),
        }
    }
    fn paste(&mut self, text: &str) {
        self.percent.paste(text);
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("go to").foot("Enter go   Esc stay");
        if let Some(playback) = &ctx.snapshot.session.playback {
            dialog.say(format!("played: {:.1} % of the tape", playback.done * 100.0));
        }
        dialog.row(format!("to percent: {}_", self.percent.text()), Tone::Bright);
        dialog
    }
}
