//! Which models answer and which of them decide: a new line-up between two decisions, and a challenger that becomes the
//! champion. Roles go by name; a shadow is asked, shown and scored like any model, and nothing is opened or left on it.

use super::Engine;
use super::effect::{Effect, Effects};
use super::event::ModelInfo;
use super::notice::{Kind, Level};
use super::pending::About;
use super::risk::state::Arming;

impl Engine {
    /// From now on these models answer. Names keep their roles; forecasts of models that are gone go with them.
    pub(super) fn on_models(&mut self, models: &[ModelInfo], out: &mut Effects) {
        for desk in &mut self.desks {
            desk.change_models(&self.models, models);
        }
        self.models = models.to_vec();
        self.cast();
        // These go by a model's number, which may be another one now; what is benched shows it in its row.
        self.pending.settle(|about| matches!(about, About::Bench(..)));
        let named = |info: &ModelInfo| {
            let role = if self.settings.is_shadow(&info.name) { " (shadow)" } else { "" };
            format!("{} {}{role}", info.name, info.hash)
        };
        let names: Vec<String> = models.iter().map(named).collect();
        let text =
            if names.is_empty() { "no model answers any more".into() } else { format!("models: {}", names.join(", ")) };
        self.tell(Level::Info, Kind::Signal, None, text, out);
    }

    /// Tells every desk who decides.
    pub(super) fn cast(&mut self) {
        let shadows: Vec<bool> = self.models.iter().map(|info| self.settings.is_shadow(&info.name)).collect();
        for desk in &mut self.desks {
            desk.shadows.clone_from(&shadows);
        }
    }

    /// A shadow becomes the one that decides; those that did become shadows. Only in SAFE: a model never changes under an
    /// armed autotrader.
    pub(super) fn promote(&mut self, name: &str) -> Result<String, String> {
        if self.control.arming != Arming::Safe || self.control.latch.is_some() {
            return Err("only in SAFE: disarm first".to_owned());
        }
        if !self.models.iter().any(|info| info.name == name) {
            return Err(format!("no model {name} runs"));
        }
        if !self.settings.is_shadow(name) {
            return Err(format!("{name} decides already"));
        }
        let others = self.models.iter().map(|info| info.name.clone()).filter(|other| other != name);
        self.settings.shadow = others.collect();
        self.cast();
        Ok(format!("{name} decides until this run ends; shadows: {}", self.settings.shadow.join(", ")))
    }

    /// A person wants the folder of models read again.
    pub(super) fn reload_models(out: &mut Effects) -> String {
        out.push(Effect::ReloadModels);
        "the models are read and checked; they change between two decisions, or it is said why not".to_owned()
    }

    /// Models that answer, in the order of their numbers.
    pub fn models(&self) -> &[ModelInfo] {
        &self.models
    }

    /// Those of them, by name, that are never acted upon.
    pub(super) fn shadows(&self) -> Vec<String> {
        let names = self.models.iter().map(|info| &info.name);
        names.filter(|name| self.settings.is_shadow(name)).cloned().collect()
    }

    /// Does the autotrader open positions?
    pub const fn is_armed(&self) -> bool {
        self.control.is_armed()
    }
}
