//! `:`: every command, found by a few of its letters in order. Sixty entries need no library.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::tui::commands::{COMMANDS, CommandSpec};
use crate::tui::keymap::{Code, Key};
use crate::tui::widgets::field::{Accepts, Field};

/// The palette.
pub struct Palette {
    search: Field,
    row: usize,
}

impl Default for Palette {
    fn default() -> Self {
        Self { search: Field::new(Accepts::Text), row: 0 }
    }
}

/// How well the letters of `wanted` are found in `text`, in order; smaller is better, `None` when they are not.
fn score(text: &str, wanted: &str) -> Option<usize> {
    let mut gaps = 0;
    let mut rest = text.char_indices();
    let mut previous: Option<usize> = None;
    for letter in wanted.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = rest.by_ref().find(|(_, c)| *c == letter)?;
        gaps += at - previous.map_or(0, |p| p + 1);
        previous = Some(at);
    }
    Some(gaps)
}

impl Palette {
    fn found(&self) -> Vec<&'static CommandSpec> {
        let wanted = self.search.text().to_lowercase();
        let mut found: Vec<(usize, &CommandSpec)> =
            COMMANDS.iter().filter_map(|c| Some((score(&format!("{} {}", c.name, c.title), &wanted)?, c))).collect();
        found.sort_by_key(|(score, _)| *score);
        found.into_iter().map(|(_, c)| c).collect()
    }
}

impl Layer for Palette {
    fn name(&self) -> &'static str {
        "palette"
    }
    fn is_guard(&self) -> bool {
        false
    }
    fn is_typing(&self) -> bool {
        true
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let found = self.found();
        match key.code {
            Code::Up => self.row = self.row.saturating_sub(1),
            Code::Down => self.row = (self.row + 1).min(found.len().saturating_sub(1)),
            Code::Enter => {
                let Some(command) = found.get(self.row) else {
                    return Outcome::Say("no command matches".to_owned());
                };
                return match (command.valid)(ctx.snapshot, ctx.ui).reason() {
                    None => Outcome::Run(command.id),
                    Some(why) => Outcome::Say(format!("{}: {why}", command.name)),
                };
            }
            _ if self.search.key(key) => self.row = 0,
            _ => {}
        }
        Outcome::Stay
    }
    fn paste(&mut self, text: &str) {
        self.search.paste(text);
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("command").foot("type to find   Up Down choose   Enter go   Esc close");
        dialog.row(format!(": {}_", self.search.text()), Tone::Bright);
        for (index, command) in self.found().into_iter().enumerate() {
            let validity = (command.valid)(ctx.snapshot, ctx.ui);
            let text = format!("{:<18} {:<6} {}", command.name, ctx.keys.label(command.id), command.title);
            let text = validity.reason().map_or_else(|| text.clone(), |why| format!("{text} (now: {why})"));
            let tone = match (index == self.row, validity.is_yes()) {
                (true, _) => Tone::Selected,
                (false, true) => Tone::Plain,
                (false, false) => Tone::Dim,
            };
            dialog.row(text, tone);
        }
        dialog.focus = Some(self.row + 1);
        dialog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_in_order() {
        assert_eq!(score("flatten-all", "fla"), Some(0));
        assert!(score("flatten-all", "fta").unwrap() < score("flatten-all", "fll").unwrap());
        assert_eq!(score("flatten", "nf"), None);
        let first = |text: &str| {
            let mut palette = Palette::default();
            palette.search.paste(text);
            palette.found().first().map(|c| c.name)
        };
        assert_eq!(first("flat"), Some("flatten"));
        assert_eq!(first("rel"), Some("release"));
        assert_eq!(first("zzz"), None);
    }
}
