//! A seat: where one attached cockpit looks, and the newest picture made for it. The engine's thread looks at a flag and
//! draws where somebody waits; it never waits itself. A cockpit that asks for nothing any more (stopped, or behind a dead line)
//! attends nothing, and gives its place to the next one that wants it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::snapshot::{Snapshot, View};

/// Cockpits that may look on at once.
const SEATS_MAX: usize = 8;
/// Single looks at once (`tickdeck status`, the remote control): they have places of their own, so that no cockpit keeps them out.
const LOOKS_MAX: usize = 8;
/// A cockpit that has said nothing for so long is not there. One behind a slow line says something with every picture.
const SILENT_FOR: Duration = Duration::from_secs(20);

/// Who sits down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guest {
    /// A cockpit that can act.
    Cockpit,
    /// A cockpit that looks and nothing else.
    Onlooker,
    /// One picture, and gone.
    Glance,
}

/// All seats of a run.
#[derive(Clone, Default)]
pub struct Seats(Arc<Row>);

#[derive(Default)]
struct Row {
    places: Mutex<Vec<Arc<Place>>>,
    closed: AtomicBool,
}

struct Place {
    guest: Guest,
    view: Mutex<View>,
    /// The cockpit waits for a picture.
    wanted: AtomicBool,
    picture: Mutex<Option<Arc<Snapshot>>>,
    drawn: Condvar,
    /// When something was last heard of it, or it still waited for a picture.
    heard: Mutex<Instant>,
    /// It was given to somebody else.
    lost: AtomicBool,
}

/// One cockpit's place; free again when dropped.
pub struct Seat {
    seats: Seats,
    place: Arc<Place>,
}

impl Seats {
    /// A free place, or that of somebody who is not there any more; `None` where all are taken or the run has ended.
    pub fn take(&self, guest: Guest) -> Option<Seat> {
        self.take_at(guest, Instant::now())
    }

    fn take_at(&self, guest: Guest, now: Instant) -> Option<Seat> {
        let mut places = self.places();
        let glances = |place: &Arc<Place>| place.guest == Guest::Glance;
        let (glance, most) = (guest == Guest::Glance, if guest == Guest::Glance { LOOKS_MAX } else { SEATS_MAX });
        if self.are_closed() {
            return None;
        }
        if places.iter().filter(|place| glances(place) == glance).count() >= most {
            let gone = places.iter().position(|place| glances(place) == glance && !place.is_there(now))?;
            let gone = places.remove(gone);
            gone.lost.store(true, Ordering::SeqCst);
            gone.drawn.notify_all();
        }
        let place = Arc::new(Place {
            guest,
            view: Mutex::default(),
            wanted: AtomicBool::new(false),
            picture: Mutex::default(),
            drawn: Condvar::new(),
            heard: Mutex::new(now),
            lost: AtomicBool::new(false),
        });
        places.push(place.clone());
        Some(Seat { seats: self.clone(), place })
    }

    /// Draws for every cockpit that waits.
    pub fn draw(&self, mut picture: impl FnMut(View) -> Snapshot) {
        let places = self.places().clone();
        for place in places.iter().filter(|place| place.wanted.swap(false, Ordering::SeqCst)) {
            let drawn = Arc::new(picture(*lock(&place.view)));
            *lock(&place.picture) = Some(drawn);
            place.drawn.notify_all();
        }
    }

    /// Does anybody look on?
    pub fn are_taken(&self) -> bool {
        !self.places().is_empty()
    }

    /// Is anybody there who could act?
    pub fn are_attended(&self) -> bool {
        self.has(&[Guest::Cockpit], Instant::now())
    }

    /// Is anybody there at a cockpit, if only to look?
    pub fn are_watched(&self) -> bool {
        self.has(&[Guest::Cockpit, Guest::Onlooker], Instant::now())
    }

    fn has(&self, guests: &[Guest], now: Instant) -> bool {
        self.places().iter().any(|place| guests.contains(&place.guest) && place.is_there(now))
    }

    /// The run has ended: no picture comes any more.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        for place in self.places().iter() {
            place.drawn.notify_all();
        }
    }

    fn are_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    fn places(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        lock(&self.0.places)
    }
}

impl Place {
    fn is_there(&self, now: Instant) -> bool {
        now.saturating_duration_since(*lock(&self.heard)) <= SILENT_FOR
    }
}

impl Seat {
    /// What the next pictures show in detail.
    pub fn look_at(&self, view: View) {
        *lock(&self.place.view) = view;
    }

    /// Whoever sits here has said something.
    pub fn is_heard(&self) {
        *lock(&self.place.heard) = Instant::now();
    }

    /// The next picture; `None` where none was drawn for so long. Whoever waits for one is there.
    pub fn next(&self, within: Duration) -> Option<Arc<Snapshot>> {
        self.is_heard();
        self.place.wanted.store(true, Ordering::SeqCst);
        let picture = lock(&self.place.picture);
        let waits = |picture: &mut Option<Arc<Snapshot>>| picture.is_none() && !self.is_over();
        let (mut picture, _) =
            self.place.drawn.wait_timeout_while(picture, within, waits).unwrap_or_else(PoisonError::into_inner);
        picture.take()
    }

    /// Has the run ended, or does somebody else sit here now?
    pub fn is_over(&self) -> bool {
        self.seats.are_closed() || self.place.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.places().retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cockpits_that_went_silent_attend_nothing_and_make_room() {
        let (seats, now) = (Seats::default(), Instant::now());
        let later = now + SILENT_FOR + Duration::from_secs(1);
        let first: Vec<Seat> = (0..SEATS_MAX).map(|_| seats.take_at(Guest::Cockpit, now).unwrap()).collect();
        assert!(seats.take_at(Guest::Onlooker, now).is_none(), "all are there");
        assert!(seats.has(&[Guest::Cockpit], now) && !seats.has(&[Guest::Cockpit], later));
        let onlooker = seats.take_at(Guest::Onlooker, later).unwrap();
        assert_eq!(first.iter().filter(|seat| seat.is_over()).count(), 1, "one gave way");
        assert!(!seats.has(&[Guest::Cockpit], later), "an onlooker cannot act");
        assert!(seats.has(&[Guest::Cockpit, Guest::Onlooker], later));
        // One that comes back to a place of its own counts again.
        *lock(&first[7].place.heard) = later;
        assert!(seats.has(&[Guest::Cockpit], later));
        drop((first, onlooker));
        assert!(!seats.are_taken());
    }

    #[test]
    fn no_cockpit_keeps_a_single_look_out() {
        let (seats, now) = (Seats::default(), Instant::now());
        let _cockpits: Vec<Seat> = (0..SEATS_MAX).map(|_| seats.take_at(Guest::Cockpit, now).unwrap()).collect();
        let looks: Vec<Seat> = (0..LOOKS_MAX).map(|_| seats.take_at(Guest::Glance, now).unwrap()).collect();
        assert!(seats.take_at(Guest::Glance, now).is_none() && seats.take_at(Guest::Cockpit, now).is_none());
        drop(looks);
        assert!(seats.take_at(Guest::Glance, now).is_some());
        seats.close();
        assert!(seats.take_at(Guest::Glance, now).is_none());
    }
}
