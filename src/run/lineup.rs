//! What a session does with models that were read again: taken over between two decisions, or refused with the reason.

use super::session::Session;
use super::shelf::{Keeper, News, Shelved, refusal};

impl Session {
    /// Asks for what a person asked for, and takes what has come.
    pub(super) fn look_at_models(&mut self) {
        if self.driver.take_reload() {
            match &self.keeper {
                Some(keeper) => keeper.ask(),
                // An audit plays what was recorded and nothing else.
                None if self.replay == Some("audit") => {}
                None => self.driver.tell("this run has no folder of models to read again".to_owned()),
            }
        }
        match self.keeper.as_ref().and_then(Keeper::news) {
            None => {}
            Some(News::Refused(why)) => self.keep_models(&why),
            Some(News::Read { shelved, asked }) => self.take_models(shelved, asked),
        }
    }

    fn take_models(&mut self, mut shelved: Shelved, asked: bool) {
        let engine = self.driver.engine();
        shelved.drop_unfit(engine.instruments(), engine.settings().decision_interval);
        if let Some(why) = refusal(engine.models(), &shelved) {
            return self.keep_models(&why);
        }
        let same = shelved.models.iter().map(|model| model.info()).eq(engine.models());
        let armed = engine.is_armed();
        if !same && armed && !asked {
            let text = "the folder of models has changed: nothing changes by itself while armed, `:reload-models` takes it over";
            return self.driver.tell(text.to_owned());
        }
        for (name, why) in &shelved.unused {
            self.driver.tell(format!("model {name} is not used: {why}"));
        }
        if same {
            if asked {
                self.driver.tell("the models are the same as before".to_owned());
            }
            return;
        }
        let cockpit = self.stage.cockpit.clone();
        if let Err(error) = self.driver.change_models(shelved.models, move || cockpit.wake()) {
            self.keep_models(&format!("the system refused a thread: {error}"));
        }
    }

    /// The models that run go on.
    fn keep_models(&mut self, why: &str) {
        self.driver.tell(format!("the models stay as they are: {why}"));
    }
}
