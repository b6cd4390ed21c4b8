//! What is the person's: orders of others and released positions. Shown and counted, touched by a person's choice only.

use super::Engine;
use super::closing::AT_MARKET;
use super::effect::{Effect, Effects, Purpose, Record};
use super::event::Stranger;
use super::ids::Symbol;
use super::notice::{Kind, Level};

impl Engine {
    /// Takes over the venue's list. An order keeps the number that it was given when it was first seen: `c` cancels by it.
    pub(super) fn list_strangers(&mut self, listed: &[Stranger], out: &mut Effects) {
        let (mut before, instruments) = (std::mem::take(&mut self.strangers), self.desks.len());
        for order in listed.iter().filter(|order| order.symbol.index() < instruments) {
            let known = before.iter().find(|(_, known)| known.order == order.order && known.symbol == order.symbol);
            let known = known.map(|(number, _)| *number);
            if known.is_none() {
                let text = format!("{}: not ours and not touched", self.stranger_line(order));
                self.tell(Level::Info, Kind::Order, Some(order.symbol), text, out);
            }
            let number = known.unwrap_or_else(|| self.orders.next_seq());
            before.remove(&number);
            self.strangers.insert(number, order.clone());
        }
    }

    /// A person ends an order of somebody else.
    pub(super) fn cancel_stranger(&mut self, stranger: Stranger, out: &mut Effects) -> String {
        let text = format!("cancel of {}, by choice", self.stranger_line(&stranger));
        out.push(Effect::CancelById { symbol: stranger.symbol, order: stranger.order });
        self.ask(out);
        self.tell(Level::Info, Kind::Order, Some(stranger.symbol), text.clone(), out);
        text
    }

    /// A person closes what is theirs through us: one order. What it leaves is still theirs, and nothing follows by itself.
    pub(super) fn close_released(&mut self, symbol: Symbol, out: &mut Effects) -> Result<String, String> {
        if !self.control.released.contains(&symbol) {
            return Err("it is not released: flatten closes what is ours".into());
        }
        if self.orders.reducing_works(symbol, self.now) {
            return Err("a closing order is on its way already".into());
        }
        let held = self.account.holding(symbol);
        if !self.reduce(symbol, Purpose::Close, AT_MARKET, out) {
            return Err("nothing is open".into());
        }
        Ok(format!("{} {}: your position is closed at market, reduce-only, by choice", self.name(symbol), held.qty()))
    }

    /// What a person chose for a position ends with it, also where it ended unseen: the next one in its place is ours again.
    pub(super) fn end_choices(&mut self, out: &mut Effects) {
        let flat: Vec<Symbol> = self
            .desks
            .iter()
            .map(|desk| desk.symbol)
            .filter(|symbol| self.account.holding(*symbol).is_flat())
            .collect();
        for symbol in flat {
            if self.control.released.remove(&symbol) {
                out.push(Effect::Record(Record::Released { symbol, released: false }));
            }
            self.end_waiver(symbol, out);
        }
    }

    /// `BTCUSDT: order of others, buy 0.5 @ 49000 (opens; id 1234)`.
    fn stranger_line(&self, order: &Stranger) -> String {
        let price = order.price.map_or_else(|| "market".to_owned(), |price| price.to_string());
        format!(
            "{}: order of others, {} {} @ {price} ({}; id {})",
            self.name(order.symbol),
            order.side.word(),
            order.qty,
            order.reach.word(),
            order.order
        )
    }
}
