//! What waits for one channel: repetitions are counted instead of sent, what came together leaves together, a channel that does
//! not take it is tried again ever more slowly, and what is too old or too much is given up, counted and told. Pure: time is an
//! argument.

use std::collections::VecDeque;

use super::event::{Alert, Event};
use crate::engine::time::{Span, Ts};

/// Alerts that may wait.
pub const WAITING_MAX: usize = 200;
/// Alerts of one message, and characters of all of them.
const BATCH_MAX: usize = 20;
const CHARACTERS_MAX: usize = 3_000;
/// The same words again within this time are counted, not sent.
const REPEATS_WITHIN: Span = Span::from_secs(60);
/// Texts that are remembered for that.
const REMEMBERED_MAX: usize = 64;
/// Between two messages: what services allow to a group. What is urgent waits for a second only.
const PAUSE: Span = Span::from_secs(3);
const PAUSE_URGENT: Span = Span::from_secs(1);
/// Between two tries of what was not taken: doubled each time, up to the longest.
const RETRY_FIRST: Span = Span::from_secs(1);
const RETRY_MAX: Span = Span::from_secs(60);
/// A service that names a time to wait is believed up to here.
const TOLD_MAX: Span = Span::from_secs(600);
/// What could not be told for so long is given up.
const KEPT: Span = Span::from_secs(3_600);
/// A message that is refused, not merely undeliverable, is tried so often.
const REFUSALS_MAX: u32 = 3;

struct Waiting {
    alert: Alert,
    silent: bool,
    /// Times that it was said again while it waited.
    again: u32,
}

struct Remembered {
    event: Event,
    text: String,
    until: Ts,
    again: u32,
    silent: bool,
}

/// Alerts that leave as one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// In the order of the message.
    pub alerts: Vec<Alert>,
    /// None of them has a sound.
    pub silent: bool,
    /// Alerts given up before it.
    pub lost: u64,
}

/// The queue of one channel.
#[derive(Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    remembered: VecDeque<Remembered>,
    /// How many of the front are in the message under way.
    under_way: usize,
    failures: u32,
    refusals: u32,
    not_before: Ts,
    last_sent: Option<Ts>,
    lost: u64,
    dropped: u64,
}

impl Outbox {
    /// Something happened.
    pub fn push(&mut self, alert: Alert, silent: bool, now: Ts) {
        let same = |event: Event, text: &str| event == alert.event && *text == alert.text;
        if let Some(waiting) = self.waiting.iter_mut().skip(self.under_way).find(|w| same(w.alert.event, &w.alert.text))
        {
            waiting.again += 1;
            return;
        }
        if let Some(known) = self.remembered.iter_mut().find(|k| k.until > now && same(k.event, &k.text)) {
            known.again += 1;
            return;
        }
        if self.remembered.len() == REMEMBERED_MAX {
            self.forget_first(now);
        }
        let (event, text, until) = (alert.event, alert.text.clone(), now + REPEATS_WITHIN);
        self.remembered.push_back(Remembered { event, text, until, again: 0, silent });
        self.wait(Waiting { alert, silent, again: 0 });
    }

    /// The oldest that is not urgent makes room; where all are, the oldest. What is under way stays.
    fn wait(&mut self, new: Waiting) {
        if self.waiting.len() == WAITING_MAX {
            let free = |place: usize, w: &Waiting| place >= self.under_way && !w.alert.event.is_urgent();
            let oldest = self.waiting.iter().enumerate().position(|(place, w)| free(place, w));
            self.waiting.remove(oldest.unwrap_or(self.under_way));
            self.give_up(1);
        }
        self.waiting.push_back(new);
    }

    /// What was counted meanwhile is told.
    fn forget_first(&mut self, now: Ts) {
        if let Some(known) = self.remembered.pop_front().filter(|known| known.again > 0) {
            let text = format!("{} (again {} times in a minute)", known.text, known.again);
            self.wait(Waiting { alert: Alert::new(now, known.event, &text), silent: known.silent, again: 0 });
        }
    }

    fn give_up(&mut self, count: usize) {
        self.lost += count as u64;
        self.dropped += count as u64;
    }

    /// Time goes on: repetitions are told, what is too old is given up.
    pub fn tick(&mut self, now: Ts) {
        while self.remembered.front().is_some_and(|known| known.until <= now) {
            self.forget_first(now);
        }
        if self.under_way == 0 {
            let before = self.waiting.len();
            self.waiting.retain(|waiting| now.since(waiting.alert.at) <= KEPT);
            self.give_up(before - self.waiting.len());
        }
    }

    /// When the next message may leave; `None` while nothing waits or one is under way.
    pub fn due(&self) -> Option<Ts> {
        if self.waiting.is_empty() || self.under_way > 0 {
            return None;
        }
        let pause = if self.waiting.iter().any(|w| w.alert.event.is_urgent()) { PAUSE_URGENT } else { PAUSE };
        Some(self.last_sent.map_or(self.not_before, |sent| self.not_before.max(sent + pause)))
    }

    /// The next message. It is under way until [`Outbox::sent`] or [`Outbox::failed`].
    pub fn take(&mut self, now: Ts) -> Option<Batch> {
        self.due().filter(|due| *due <= now)?;
        // What is urgent goes first, otherwise the order stays.
        self.waiting.make_contiguous().sort_by_key(|waiting| !waiting.alert.event.is_urgent());
        let mut characters = 0;
        let fits = |waiting: &&Waiting| {
            characters += waiting.alert.text.len();
            characters <= CHARACTERS_MAX
        };
        let count = self.waiting.iter().take(BATCH_MAX).take_while(fits).count().max(1);
        self.under_way = count.min(self.waiting.len());
        let batch = self.waiting.iter().take(self.under_way);
        let silent = batch.clone().all(|waiting| waiting.silent);
        let told = |waiting: &Waiting| match waiting.again {
            0 => waiting.alert.clone(),
            n => {
                Alert::new(waiting.alert.at, waiting.alert.event, &format!("{} ({} times)", waiting.alert.text, n + 1))
            }
        };
        Some(Batch { alerts: batch.map(told).collect(), silent, lost: self.lost })
    }

    /// The message under way was taken.
    pub fn sent(&mut self, now: Ts) {
        self.waiting.drain(..self.under_way);
        (self.under_way, self.failures, self.refusals, self.lost) = (0, 0, 0, 0);
        self.last_sent = Some(now);
        self.not_before = now;
    }

    /// It was not. `refused`: it will not be as it is; `wait`: what the service asked for.
    pub fn failed(&mut self, now: Ts, refused: bool, wait: Option<Span>) {
        let pause = Span(RETRY_FIRST.0 << self.failures.min(6)).min(RETRY_MAX);
        self.failures += 1;
        self.refusals += u32::from(refused);
        self.not_before = now + pause.max(wait.unwrap_or_default().min(TOLD_MAX));
        if self.refusals >= REFUSALS_MAX {
            let given_up = self.waiting.drain(..self.under_way).count();
            self.give_up(given_up);
            self.refusals = 0;
        }
        self.under_way = 0;
    }

    /// The run is over: what waits does not wait for its pause.
    pub fn hurry(&mut self) {
        self.last_sent = None;
    }
    /// Nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
    /// Given up in all.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Ts = Ts::from_ms(1_763_800_000_000);

    fn at(seconds: i64) -> Ts {
        START + Span::from_secs(seconds)
    }
    fn alert(seconds: i64, event: Event, text: &str) -> Alert {
        Alert::new(at(seconds), event, text)
    }
    fn texts(batch: Option<Batch>) -> Vec<String> {
        batch.map(|batch| batch.alerts.into_iter().map(|alert| alert.text).collect()).unwrap_or_default()
    }

    #[test]
    fn what_comes_together_leaves_together_and_not_too_often() {
        let mut outbox = Outbox::default();
        for n in 0..30 {
            outbox.push(alert(0, Event::Fill, &format!("fill {n}")), true, at(0));
        }
        let first = outbox.take(at(0)).unwrap();
        assert!(first.alerts.len() == 20 && first.silent);
        assert_eq!(outbox.take(at(0)), None, "one at a time");
        outbox.sent(at(0));
        assert_eq!(outbox.take(at(2)), None);
        outbox.push(alert(2, Event::Killed, "KILLED"), false, at(2));
        let second = outbox.take(at(2)).unwrap();
        assert!(!second.silent && second.alerts[0].text == "KILLED", "what is urgent neither waits nor queues");
        assert_eq!(second.alerts.len(), 11);
        outbox.sent(at(2));
        assert!(outbox.is_empty());
    }

    #[test]
    fn repetitions_are_counted_and_told_once() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(alert(0, Event::Stale, "stale"), false, at(0));
        }
        assert_eq!(texts(outbox.take(at(0))), ["stale (3 times)"]);
        outbox.sent(at(0));
        for second in 1..50 {
            outbox.push(alert(second, Event::Stale, "stale"), false, at(second));
            outbox.tick(at(second));
        }
        assert!(outbox.is_empty());
        outbox.tick(at(60));
        assert_eq!(texts(outbox.take(at(60))), ["stale (again 49 times in a minute)"]);
    }

    #[test]
    fn a_dead_channel_is_tried_ever_more_slowly_and_what_is_too_old_is_given_up_and_told() {
        let mut outbox = Outbox::default();
        outbox.push(alert(0, Event::Tripped, "TRIPPED"), false, at(0));
        let (mut now, mut tries) = (at(0), 0);
        while let Some(due) = outbox.due() {
            now = due.max(now);
            outbox.tick(now);
            if outbox.take(now).is_some() {
                tries += 1;
                outbox.failed(now, false, None);
            }
        }
        assert!((60..=70).contains(&tries) && now > at(3_600), "{tries} tries");
        assert_eq!(outbox.dropped(), 1);
        outbox.push(Alert::new(now, Event::Killed, "KILLED"), false, now);
        let batch = outbox.take(now + RETRY_MAX).unwrap();
        assert_eq!((batch.lost, batch.alerts.len()), (1, 1));
        outbox.sent(now + RETRY_MAX);
    }

    #[test]
    fn a_refused_message_does_not_hold_up_the_next_one() {
        let mut outbox = Outbox::default();
        outbox.push(alert(0, Event::Alarm, "odd"), false, at(0));
        for second in [0, 100, 200] {
            assert_eq!(texts(outbox.take(at(second))), ["odd"]);
            outbox.failed(at(second), true, Some(Span::from_secs(30)));
            assert_eq!(outbox.take(at(second + 29)), None, "the service's own pause counts");
        }
        assert!(outbox.is_empty() && outbox.dropped() == 1);
    }

    #[test]
    fn a_full_queue_gives_up_the_oldest_that_is_not_urgent() {
        let mut outbox = Outbox::default();
        outbox.push(alert(0, Event::Killed, "KILLED"), false, at(0));
        for n in 0..300 {
            outbox.push(alert(1, Event::Fill, &format!("fill {n}")), true, at(1));
        }
        assert_eq!(outbox.dropped(), 101);
        let batch = outbox.take(at(1)).unwrap();
        assert_eq!((batch.alerts[0].text.as_str(), batch.alerts[1].text.as_str()), ("KILLED", "fill 101"));
        assert_eq!(batch.lost, 101);
        // While a message is under way its alerts stay, whatever comes.
        for n in 300..600 {
            outbox.push(alert(2, Event::Fill, &format!("fill {n}")), true, at(2));
        }
        outbox.sent(at(2));
        let next = outbox.take(at(9)).unwrap();
        assert!(next.alerts.iter().all(|alert| alert.text.starts_with("fill ")));
    }
}
