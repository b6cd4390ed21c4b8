//! What was done, step by step, for the person: times, venue ids, what is left.

use crate::engine::time::Ts;
use crate::venue::line::Now;

/// Lines kept: a close of every instrument with retries stays below.
const LINES_MAX: usize = 400;

/// Hears every new line together with those before it.
pub type Said = Box<dyn Fn(&[String]) + Send + Sync>;

/// Steps with the time since the first.
pub struct Receipt {
    now: Now,
    began: Ts,
    lines: Vec<String>,
    said: Said,
}

impl Receipt {
    /// A receipt that begins now.
    pub fn new(now: Now, said: Said) -> Self {
        Self { began: now(), now, lines: Vec::new(), said }
    }
    /// Adds a step. The same again replaces the one before: waiting is one line with its newest time.
    pub fn note(&mut self, text: &str) {
        let at = (self.now)();
        if self.lines.last().is_some_and(|last| last.ends_with(&format!(": {text}"))) {
            self.lines.pop();
        }
        if self.lines.len() >= LINES_MAX {
            self.lines.remove(1);
        }
        self.lines.push(format!("{} +{:.2} s: {text}", at.clock(), at.since(self.began).as_secs_f64()));
        (self.said)(&self.lines);
    }
    /// The steps so far.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
    /// Time of now, for results.
    pub fn now(&self) -> Ts {
        (self.now)()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn waiting_is_one_line() {
        let clock = Arc::new(AtomicI64::new(0));
        let reads = clock.clone();
        let mut receipt = Receipt::new(Arc::new(move || Ts(reads.load(Ordering::SeqCst))), Box::new(|_| ()));
        receipt.note("asked");
        receipt.note("no answer");
        clock.store(1_500_000_000, Ordering::SeqCst);
        receipt.note("no answer");
        assert_eq!(receipt.lines(), ["00:00:00 +0.00 s: asked", "00:00:01 +1.50 s: no answer"]);
    }
}
