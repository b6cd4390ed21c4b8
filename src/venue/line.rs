//! The line from threads that listen to sockets into a run: events with the local time at which they were heard, bounded.
//! A run that does not keep up slows the socket down (it shows as age); nothing is dropped and nothing piles up.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::engine::event::Event;
use crate::engine::time::Ts;

/// Local time, on the run's clock.
pub type Now = Arc<dyn Fn() -> Ts + Send + Sync>;
/// Wakes the run.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Events that take their places on the line together: few, so that nobody waits for an empty line.
const AT_ONCE_MAX: usize = 256;

/// The listener's end.
#[derive(Clone)]
pub struct Outlet {
    sender: Sender<(Ts, Event)>,
    now: Now,
    wake: Wake,
}

/// The run's end.
pub struct Inlet {
    receiver: Receiver<(Ts, Event)>,
    waiting: VecDeque<(Ts, Event)>,
    most: usize,
}

/// A line that holds at most `most` events at each end.
pub fn line(most: usize, now: Now, wake: Wake) -> (Outlet, Inlet) {
    let (sender, receiver) = channel(most.max(1));
    (Outlet { sender, now, wake }, Inlet { receiver, waiting: VecDeque::new(), most: most.max(1) })
}

impl Outlet {
    /// Local time.
    pub fn now(&self) -> Ts {
        (self.now)()
    }
    /// Puts events on the line, heard now, and leaves none. Waits and answers as [`Outlet::say`] does.
    pub async fn say_all(&self, events: &mut Vec<Event>) -> bool {
        let heard = (self.now)();
        while !events.is_empty() {
            let count = events.len().min(AT_ONCE_MAX).min(self.sender.max_capacity());
            let Ok(places) = self.sender.reserve_many(count).await else {
                events.clear();
                return false;
            };
            places.zip(events.drain(..count)).for_each(|(place, event)| place.send((heard, event)));
            (self.wake)();
        }
        true
    }
    /// Puts an event on the line, heard now. Waits while the run does not keep up; `false` when the run is over.
    pub async fn say(&self, event: Event) -> bool {
        let heard = (self.now)();
        let said = self.sender.send((heard, event)).await.is_ok();
        (self.wake)();
        said
    }
}

impl Inlet {
    /// Takes in what has arrived.
    pub fn collect(&mut self) {
        while self.waiting.len() < self.most {
            match self.receiver.try_recv() {
                Ok(heard) => self.waiting.push_back(heard),
                Err(_) => break,
            }
        }
    }
    /// Events that have come and were not taken, at both ends of the line.
    pub fn depth(&self) -> usize {
        self.waiting.len() + self.receiver.len()
    }
    /// When the next event was heard.
    pub fn next_at(&self) -> Option<Ts> {
        self.waiting.front().map(|(at, _)| *at)
    }
    /// The next event.
    pub fn pop(&mut self) -> Option<(Ts, Event)> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Link;

    #[test]
    fn events_arrive_in_order_and_the_line_is_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (outlet, mut inlet) = line(2, Arc::new(|| Ts(7)), Arc::new(|| ()));
        let other = outlet.clone();
        runtime.block_on(async {
            assert!(other.say(Event::Link(Link::MarketUp)).await);
            assert!(other.say(Event::Link(Link::MarketAlive)).await);
        });
        assert_eq!(inlet.next_at(), None);
        inlet.collect();
        assert_eq!(inlet.next_at(), Some(Ts(7)));
        assert_eq!(inlet.pop(), Some((Ts(7), Event::Link(Link::MarketUp))));
        drop(inlet);
        assert!(!runtime.block_on(outlet.say(Event::Link(Link::MarketUp))));
    }
}
