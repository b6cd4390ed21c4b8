//! `?`: every command with its keys, grouped; typing searches it.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::tui::commands::{COMMANDS, CommandSpec, Group};
use crate::tui::keymap::{Code, Key};
use crate::tui::widgets::field::{Accepts, Field};

/// Rows that Page Up and Page Down move by.
const PAGE: usize = 10;

/// The help.
pub struct Help {
    search: Field,
    row: usize,
}

impl Default for Help {
    fn default() -> Self {
        Self { search: Field::new(Accepts::Text), row: 0 }
    }
}

impl Help {
    fn matches(&self, command: &CommandSpec, ctx: &Ctx<'_>) -> bool {
        let wanted = self.search.text().to_lowercase();
        wanted.is_empty()
            || [command.name, command.title, command.help].iter().any(|t| t.to_lowercase().contains(&wanted))
            || ctx.keys.keys(command.id).any(|key| key.to_string() == self.search.text())
    }
}

impl Layer for Help {
    fn name(&self) -> &'static str {
        "help"
    }
    fn is_guard(&self) -> bool {
        false
    }
    fn is_typing(&self) -> bool {
        true
    }
    fn turns_pages(&self) -> bool {
        true
    }
    fn key(&mut self, key: Key, _ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Enter => return Outcome::Close,
            Code::Up => self.row = self.row.saturating_sub(1),
            Code::Down => self.row = (self.row + 1).min(COMMANDS.len() * 2),
            Code::PageUp => self.row = self.row.saturating_sub(PAGE),
            Code::PageDown => self.row = (self.row + PAGE).min(COMMANDS.len() * 2),
            _ if self.search.key(key) => self.row = 0,
            _ => {}
        }
        Outcome::Stay
    }
    fn paste(&mut self, text: &str) {
        self.search.paste(text);
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("help").foot("type to search   Up Down scroll   Esc close");
        dialog.row(format!("search: {}_", self.search.text()), Tone::Bright);
        for group in Group::ALL {
            let of_group = |c: &&CommandSpec| c.group == group && self.matches(c, ctx);
            if COMMANDS.iter().any(|c| of_group(&c)) {
                dialog.gap();
                dialog.row(group.word(), Tone::Bright);
            }
            for command in COMMANDS.iter().filter(of_group) {
                let keys: Vec<String> = ctx.keys.keys(command.id).map(|k| k.to_string()).collect();
                let reason = (command.valid)(ctx.snapshot, ctx.ui);
                // What has no key has its name in the palette.
                let how = if keys.is_empty() { format!(":{}", command.name) } else { keys.join(" ") };
                let text = format!("{how:<13} {}", command.help);
                match reason.reason() {
                    None => dialog.say(text),
                    Some(why) => dialog.row(format!("{text} (now: {why})"), Tone::Dim),
                }
            }
        }
        if dialog.rows.len() == 1 {
            dialog.row("nothing matches", Tone::Dim);
        }
        dialog.focus = Some(self.row.min(dialog.rows.len().saturating_sub(1)));
        dialog
    }
}
