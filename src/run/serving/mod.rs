//! Models for others over HTTP: a listener on threads of its own, bounded in connections, bodies and work at once.

mod answer;
mod routes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::keys::Secret;
use crate::metrics::{ServedModel, TurnedAway};
use crate::model::Model;
use crate::model::protocol::Offer;

/// Connections at once; more are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a head may take, and how long a connection may do nothing.
const HEAD_TAKES: Duration = Duration::from_secs(60);
/// Threads that read and write; models compute on as many as work is allowed at once.
const THREADS: usize = 2;

/// How models are served.
pub struct ServingOptions {
    /// Where; port 0 is any free port.
    pub listen: SocketAddr,
    /// What callers must show.
    pub token: Option<Secret>,
    /// Requests that are worked on at once.
    pub at_once: usize,
}

/// A listener; it ends when this is dropped.
pub struct Serving {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

/// What every connection shares.
struct Shelf {
    models: BTreeMap<String, Mutex<Offered>>,
    /// Sha256 of the token: comparing hashes tells nobody how much of a guess was right.
    token: Option<[u8; 32]>,
    places: Semaphore,
    away: Mutex<TurnedAway>,
}

/// A model and its counts.
struct Offered {
    offer: Offer,
    counts: ServedModel,
}

impl Serving {
    /// Listens from now on. An error is an address that cannot be had, or a thread.
    pub fn start(models: Vec<Box<dyn Model>>, options: ServingOptions) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let offered = models.into_iter().map(Offer::new).map(|offer| {
            let counts = ServedModel::new(offer.name());
            (offer.name().to_owned(), Mutex::new(Offered { offer, counts }))
        });
        let shelf = Arc::new(Shelf {
            models: offered.collect(),
            token: options.token.map(|token| Sha256::digest(token.expose().as_bytes()).into()),
            places: Semaphore::new(options.at_once),
            away: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(options.at_once.max(1))
            .thread_name("serving")
            .enable_all()
            .build()?;
        let _entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        runtime.spawn(accept(listener, shelf));
        Ok(Self { address, _runtime: runtime })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Shelf {
    /// Does this caller show the token?
    fn admits(&self, shown: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = shown.and_then(|header| header.strip_prefix("Bearer "));
        shown.is_some_and(|shown| Sha256::digest(shown.trim().as_bytes()).as_slice() == token)
    }

    fn turned_away(&self) -> MutexGuard<'_, TurnedAway> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model, also after a request on which it panicked: each request makes it forget the one before.
fn lock(offered: &Mutex<Offered>) -> MutexGuard<'_, Offered> {
    offered.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: tokio::net::TcpListener, shelf: Arc<Shelf>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // A connection that could not be accepted concerns nobody else; where no descriptor is free, one may be soon.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let shelf = shelf.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shelf = shelf.clone();
                async move { Ok::<_, Infallible>(routes::answer(shelf, request).await) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TAKES);
            // A client that goes away in the middle is ordinary.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
            drop(place);
        });
    }
}
