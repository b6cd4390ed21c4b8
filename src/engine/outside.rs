//! What the account holds in instruments outside the run: somebody else's. Shown, counted by the limits that are about the whole
//! account, and closed or cancelled by a person's choice only. Nothing opens beside it until a person has armed beside it; that
//! holds for as long as no more of it is there.

use std::collections::BTreeMap;

use super::Engine;
use super::effect::{Effect, Effects, Errand, OUTSIDE_SEEN, Record};
use super::event::{Outsider, Reach};
use super::notice::{Kind, Level};
use super::num::{Money, Qty, Side};
use super::preflight::OUTSIDE;
use super::risk::exposure::Worst;
use super::snapshot::{Check, Health, OutsideRow};

/// How its light ends while something of it was not armed beside: arming with nobody there waits for a person.
pub const UNSEEN: &str = "arming says that you have seen it";
/// Lines of a receipt that are told; the ledger has all of them.
const LINES_TOLD: usize = 20;

/// Things outside by their names, with how much of each.
type Amounts = BTreeMap<String, Qty>;

/// What is outside, and what is being done about it.
#[derive(Debug, Default)]
pub struct Outside {
    found: Vec<Outsider>,
    /// What a person has armed beside.
    seen: Amounts,
    /// What was told.
    told: Amounts,
    /// Under way.
    errands: Vec<Errand>,
}

impl Outside {
    /// What an earlier run was armed beside.
    pub fn new(seen: &[(String, Qty)]) -> Self {
        Self { seen: seen.iter().cloned().collect(), ..Self::default() }
    }

    /// How many positions there are.
    pub fn positions(&self) -> usize {
        self.found.iter().filter(|one| one.order.is_none()).count()
    }

    fn amounts(&self) -> Amounts {
        self.found.iter().map(|one| (one.key(), one.left)).collect()
    }

    fn is_seen(&self, one: &Outsider) -> bool {
        covers(&self.seen, one)
    }

    fn is_busy(&self, one: &Outsider) -> bool {
        self.errands.iter().any(|errand| errand.is_about(one))
    }

    /// The worst case of each instrument, by the venue's own figures. It never gives room: whoever made it may end it at any
    /// moment.
    pub fn worsts(&self) -> impl Iterator<Item = Worst> {
        let mut worsts: BTreeMap<&str, Worst> = BTreeMap::new();
        for one in self.found.iter().filter(|one| one.adds()) {
            let worth = one.worth.unwrap_or(Money::MAX);
            let worst = worsts.entry(&one.name).or_default();
            match one.side {
                Side::Buy => worst.long += worth,
                Side::Sell => worst.short += worth,
            }
        }
        worsts.into_values()
    }

    /// What it counts for in the limits; [`Money::MAX`] where the venue does not say what something of it is worth.
    pub fn counts(&self) -> Money {
        self.worsts().map(Worst::notional).sum()
    }
}

/// Is there no more of it than this?
fn covers(amounts: &Amounts, one: &Outsider) -> bool {
    amounts.get(&one.key()).is_some_and(|amount| one.left <= *amount)
}

/// What is gone is forgotten, and of what became less the rest: should it come back, it is news.
fn shrink(amounts: &mut Amounts, now: &Amounts) {
    amounts.retain(|key, amount| {
        now.get(key).is_some_and(|left| {
            *amount = (*amount).min(*left);
            true
        })
    });
}

impl Outsider {
    /// Its name among everything outside: the instrument with the side of a position, or with the venue's id of an order.
    pub fn key(&self) -> String {
        match &self.order {
            Some((id, _)) => format!("{} order {id}", self.name),
            None => format!("{} {}", self.name, self.side.position()),
        }
    }

    /// Does it hold, or could it open, a position?
    fn adds(&self) -> bool {
        self.order.as_ref().is_none_or(|(_, reach)| *reach == Reach::Opens)
    }

    /// `XRPUSDT short 100 worth 250.00`, `XRPUSDT order buy 5 worth 12.50 (opens; id 1234)`.
    pub fn words(&self) -> String {
        let worth = self.worth.map_or_else(|| "of unknown worth".to_owned(), |worth| format!("worth {worth:.2}"));
        match &self.order {
            Some((id, reach)) => {
                let (side, reach) = (self.side.word(), reach.word());
                format!("{} order {side} {} {worth} ({reach}; id {id})", self.name, self.left)
            }
            None => format!("{} {} {} {worth}", self.name, self.side.position(), self.left),
        }
    }
}

impl Errand {
    /// Is it about this? Closing an instrument is about everything in it.
    pub fn is_about(&self, one: &Outsider) -> bool {
        match self {
            Self::Close(name) => one.name == *name,
            Self::Cancel { name, order } => one.name == *name && one.order.as_ref().is_some_and(|(id, _)| id == order),
        }
    }
}

impl Engine {
    /// The venue's list of it, whenever it differs from the one before.
    pub(super) fn on_outside(&mut self, found: &[Outsider], out: &mut Effects) {
        self.outside.found = found.to_vec();
        let now = self.outside.amounts();
        let seen_before = self.outside.seen.clone();
        shrink(&mut self.outside.seen, &now);
        shrink(&mut self.outside.told, &now);
        if self.outside.seen != seen_before {
            self.keep_seen(out);
        }
        for one in found {
            if covers(&self.outside.told, one) {
                continue;
            }
            let level = if self.outside.is_seen(one) { Level::Info } else { Level::Warn };
            self.tell(level, Kind::State, None, format!("{OUTSIDE}: {}", one.words()), out);
        }
        self.outside.told = now;
        if found.iter().any(|one| !self.outside.is_seen(one)) {
            // Nothing opens beside it until the person has seen it on the checklist, and armed all the same.
            self.disarm("others have something in an instrument outside the run", out);
        }
    }

    /// A person arms beside all of it.
    pub(super) fn see_outside(&mut self, out: &mut Effects) {
        let now = self.outside.amounts();
        if now != self.outside.seen {
            self.outside.seen = now;
            self.keep_seen(out);
        }
    }

    /// A restart finds it.
    fn keep_seen(&self, out: &mut Effects) {
        let seen: Vec<String> = self.outside.seen.iter().map(|(key, amount)| format!("{key}={amount}")).collect();
        out.push(Effect::Record(Record::Operator { command: OUTSIDE_SEEN.into(), outcome: seen.join("; ") }));
    }

    /// A person has something of it closed or cancelled. The account's task does it by the venue's own answers and comes back
    /// with a receipt.
    pub(super) fn begin_errand(&mut self, errand: &Errand, out: &mut Effects) -> Result<String, String> {
        let about = |one: &&Outsider| errand.is_about(one);
        let all: Vec<String> = self.outside.found.iter().filter(about).map(Outsider::words).collect();
        if all.is_empty() {
            return Err(format!("{}: there is nothing of it outside the run (any more)", errand.name()));
        }
        if self.outside.errands.iter().any(|one| one.name() == errand.name()) {
            return Err(format!("{}: something is being done there already", errand.name()));
        }
        self.outside.errands.push(errand.clone());
        out.push(Effect::Errand(errand.clone()));
        let text = format!("{} by choice: {}", errand.word(), all.join("; "));
        self.tell(Level::Info, Kind::Account, None, text.clone(), out);
        Ok(text)
    }

    /// How an errand ended.
    pub(super) fn end_errand(&mut self, errand: &Errand, done: bool, receipt: &[String], out: &mut Effects) {
        self.outside.errands.retain(|one| one != errand);
        let skipped = receipt.len().saturating_sub(LINES_TOLD);
        for line in receipt.iter().skip(skipped) {
            self.tell(Level::Info, Kind::Account, None, format!("{}: {line}", errand.name()), out);
        }
        let word = if done { "done" } else { "NOT DONE: look at the exchange" };
        let level = if done { Level::Info } else { Level::Alarm };
        self.tell(level, Kind::Account, None, format!("{} {}: {word}", errand.word(), errand.name()), out);
        let command = format!("{}-receipt", errand.word());
        let outcome = format!("{}: {word}; {}", errand.name(), receipt.join("; "));
        out.push(Effect::Record(Record::Operator { command, outcome }));
        self.ask(out);
    }

    /// Its light; `None` where there is nothing to say.
    pub(super) fn outside_light(&self) -> Option<Check> {
        let outside = &self.outside;
        let words: Vec<String> = outside.found.iter().map(Outsider::words).collect();
        let unseen = outside.found.iter().any(|one| !outside.is_seen(one));
        let tail = if unseen { UNSEEN } else { "you have armed beside it" };
        let detail = format!("{}: not of this run, in gross and net exposure; {tail}", words.join("; "));
        (!words.is_empty()).then(|| Check { name: OUTSIDE.to_owned(), health: Health::Warn, detail })
    }

    pub(super) fn outside_rows(&self) -> Vec<OutsideRow> {
        let row = |one: &Outsider| OutsideRow {
            what: one.clone(),
            seen: self.outside.is_seen(one),
            busy: self.outside.is_busy(one),
        };
        self.outside.found.iter().map(row).collect()
    }
}

/// What a ledger row of [`OUTSIDE_SEEN`] says. What cannot be read was not seen.
pub fn seen_of(text: &str) -> Vec<(String, Qty)> {
    let pair = |part: &str| {
        let (key, amount) = part.rsplit_once('=')?;
        Some((key.to_owned(), Qty::parse(amount).ok()?))
    };
    text.split("; ").filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(name: &str, side: Side, left: i64, worth: Option<i64>) -> Outsider {
        let worth = worth.map(Money::from_units);
        Outsider { name: name.into(), side, left: Qty::from_raw(left), worth, order: None }
    }

    fn order(id: &str, side: Side, worth: i64, reach: Reach) -> Outsider {
        Outsider { order: Some((id.into(), reach)), ..position("XRPUSDT", side, 5, Some(worth)) }
    }

    #[test]
    fn what_is_outside_counts_at_its_worst_and_gives_no_room() {
        let found = vec![
            position("XRPUSDT", Side::Sell, 9, Some(100)),
            order("1", Side::Buy, 30, Reach::Opens),
            order("2", Side::Sell, 40, Reach::Opens),
            order("3", Side::Sell, 500, Reach::Protects),
            position("ADAUSDT", Side::Buy, 1, Some(7)),
        ];
        let outside = Outside { found, ..Outside::default() };
        assert_eq!(outside.counts(), Money::from_units(147));
        let totals = super::super::risk::exposure::totals(outside.worsts());
        assert_eq!((totals.gross, totals.net), (Money::from_units(147), Money::from_units(140)));
        let unknown = Outside { found: vec![position("XRPUSDT", Side::Buy, 1, None)], ..Outside::default() };
        assert_eq!(unknown.counts(), Money::MAX);
    }

    #[test]
    fn what_was_seen_is_kept_word_for_word_and_shrinks_with_it() {
        let mut seen: Amounts = [("XRPUSDT long".to_owned(), Qty::from_raw(9))].into();
        shrink(&mut seen, &[("XRPUSDT long".to_owned(), Qty::from_raw(4))].into());
        assert!(covers(&seen, &position("XRPUSDT", Side::Buy, 4, None)));
        assert!(!covers(&seen, &position("XRPUSDT", Side::Buy, 5, None)), "grown again");
        assert!(!covers(&seen, &position("XRPUSDT", Side::Sell, 4, None)), "the other way");
        shrink(&mut seen, &Amounts::new());
        assert!(seen.is_empty());
        let kept = seen_of("XRPUSDT long=0.5; ADAUSDT order a=b=2; odd; worse=x");
        assert_eq!(
            kept,
            [
                ("XRPUSDT long".to_owned(), Qty::parse("0.5").unwrap()),
                ("ADAUSDT order a=b".to_owned(), Qty::parse("2").unwrap())
            ]
        );
        assert!(seen_of("").is_empty());
    }
}
