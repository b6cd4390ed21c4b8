//! A seat: where one attached cockpit looks, and the newest picture made for it. The engine's thread looks at a flag and
//! draws where somebody waits; it never waits itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::snapshot::{Snapshot, View};

/// Cockpits that may look on at once.
const SEATS_MAX: usize = 8;

/// All seats of a run.
#[derive(Clone, Default)]
pub struct Seats(Arc<Row>);

#[derive(Default)]
struct Row {
    places: Mutex<Vec<Arc<Place>>>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Place {
    view: Mutex<View>,
    /// The cockpit waits for a picture.
    wanted: AtomicBool,
    picture: Mutex<Option<Arc<Snapshot>>>,
    drawn: Condvar,
}

/// One cockpit's place; free again when dropped.
pub struct Seat {
    seats: Seats,
    place: Arc<Place>,
}

impl Seats {
    /// A free place; `None` where all are taken or the run has ended.
    pub fn take(&self) -> Option<Seat> {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= SEATS_MAX || self.are_closed() {
            return None;
        }
        let place = Arc::new(Place::default());
        places.push(place.clone());
        Some(Seat { seats: self.clone(), place })
    }

    /// Draws for every cockpit that waits.
    pub fn draw(&self, mut picture: impl FnMut(View) -> Snapshot) {
        let places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for place in places.iter().filter(|place| place.wanted.swap(false, Ordering::SeqCst)) {
            let view = *place.view.lock().unwrap_or_else(PoisonError::into_inner);
            let drawn = Arc::new(picture(view));
            *place.picture.lock().unwrap_or_else(PoisonError::into_inner) = Some(drawn);
            place.drawn.notify_all();
        }
    }

    /// Does anybody look on?
    pub fn are_taken(&self) -> bool {
        !self.0.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The run has ended: no picture comes any more.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        for place in self.0.places.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            place.drawn.notify_all();
        }
    }

    fn are_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }
}

impl Seat {
    /// What the next pictures show in detail.
    pub fn look_at(&self, view: View) {
        *self.place.view.lock().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// The next picture; `None` where none was drawn for so long.
    pub fn next(&self, within: Duration) -> Option<Arc<Snapshot>> {
        self.place.wanted.store(true, Ordering::SeqCst);
        let picture = self.place.picture.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |picture: &mut Option<Arc<Snapshot>>| picture.is_none() && !self.seats.are_closed();
        let (mut picture, _) =
            self.place.drawn.wait_timeout_while(picture, within, waits).unwrap_or_else(PoisonError::into_inner);
        picture.take()
    }

    /// Has the run ended?
    pub fn is_over(&self) -> bool {
        self.seats.are_closed()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = self.seats.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}
