//! One connection of the public stream with its share of the instruments: subscribed one by one, every answer checked,
//! and made anew for as long as the stream runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::backfill;
use super::book::{Compared, Mirror, Told};
use super::hub::{Doubter, Hub};
use crate::engine::event::{Event, MarketData, Pool, Trade};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Rate};
use crate::engine::time::Ts;
use crate::venue::bybit::parse::public::{AdlAlert, Public, Room, parse};
use crate::venue::bybit::parse::reply::{Asked, Reply};
use crate::venue::bybit::parse::rest::market::BookAnswer;
use crate::venue::bybit::rest::Stage;
use crate::venue::bybit::signs::Stream;
use crate::venue::bybit::socket::{Backoff, Socket, Trouble, chance};

/// How often deadlines are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Frames that are read before their events go out together, where so many have arrived.
const FRAMES_MAX: usize = 64;
/// Longest patience with a connection that carries no data.
const DATA_WITHIN_MAX: Duration = Duration::from_secs(960);

/// Keeps one connection up for as long as the stream runs.
pub(super) async fn keep(hub: Arc<Hub>, names: Vec<String>) {
    let mut backoff = Backoff::default();
    let mut last_up: Option<Ts> = None;
    let mut data_within = hub.options.timing.data_within;
    loop {
        let began = Instant::now();
        let options = &hub.options;
        let dialled = Socket::dial(&options.hosts.linear(), options.proxy.as_deref(), options.timing.heartbeat).await;
        match dialled {
            Ok(socket) => {
                let socket = socket.told(&options.signs, Stream::Public);
                let mut session = Session::new(&hub, socket, &names, last_up, data_within);
                let why = session.run().await;
                let (was_up, heard) = (session.up, session.heard_data);
                data_within = if heard { options.timing.data_within } else { (data_within * 2).min(DATA_WITHIN_MAX) };
                if was_up {
                    last_up = Some(hub.now());
                }
                // At once: nobody may decide on a book that no longer moves.
                for symbol in session.shown() {
                    hub.market(symbol, MarketData::Gap).await;
                }
                hub.prints_end(session.feeds.values().map(|feed| feed.symbol));
                hub.lost(was_up, &why.to_string()).await;
            }
            Err(why) => hub.lost(false, &why.to_string()).await,
        }
        tokio::time::sleep(backoff.next(began.elapsed(), chance())).await;
    }
}

/// One instrument on a connection.
struct Feed {
    symbol: Symbol,
    mirror: Mirror,
    band: Option<(Price, Price)>,
    pool: Option<Pool>,
    /// Since when a snapshot is awaited.
    awaits: Option<Instant>,
    depth: u16,
    /// Topics that the venue took and that it refused.
    taken: usize,
    refused: usize,
}

/// A subscription that waits for its answer.
struct Request {
    name: String,
    topics: Vec<String>,
    since: Instant,
}

struct Session<'h> {
    hub: &'h Arc<Hub>,
    socket: Socket,
    feeds: BTreeMap<String, Feed>,
    requests: BTreeMap<String, Request>,
    next_request: u64,
    last_up: Option<Ts>,
    data_within: Duration,
    data_at: Instant,
    heard_data: bool,
    /// Data has come since the clock was looked at.
    fresh: bool,
    up: bool,
    compare_next: usize,
    compare_to: Option<(BookAnswer, Instant)>,
}

impl<'h> Session<'h> {
    fn new(hub: &'h Arc<Hub>, socket: Socket, names: &[String], last_up: Option<Ts>, data_within: Duration) -> Self {
        let feed = |name: &String| {
            let symbol = hub.symbol(name)?;
            let depth = hub.options.depth;
            let feed = Feed {
                symbol,
                mirror: Mirror::default(),
                band: None,
                pool: None,
                awaits: None,
                depth,
                taken: 0,
                refused: 0,
            };
            Some((name.clone(), feed))
        };
        Self {
            hub,
            socket,
            feeds: names.iter().filter_map(feed).collect(),
            requests: BTreeMap::new(),
            next_request: 0,
            last_up,
            data_within,
            data_at: Instant::now(),
            heard_data: false,
            fresh: false,
            up: false,
            compare_next: 0,
            compare_to: None,
        }
    }

    /// Instruments whose books were passed on.
    fn shown(&self) -> impl Iterator<Item = Symbol> {
        self.feeds.values().filter(|feed| feed.mirror.was_valid()).map(|feed| feed.symbol)
    }

    /// Runs until the connection is of no more use.
    async fn run(&mut self) -> Trouble {
        match self.work().await {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, Trouble> {
        for name in self.feeds.keys().cloned().collect::<Vec<_>>() {
            // One bad topic fails its whole request: an instrument's own topics only (contract 0.10).
            let topics = topics(&name, self.hub.options.depth);
            self.subscribe(&name, topics).await?;
        }
        // One topic for all instruments; without it nothing is missed but its danger row.
        self.subscribe("", vec![POOLS.to_owned()]).await?;
        let (mut room, mut events) = (Room::default(), Vec::new());
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compare = interval(self.hub.options.timing.compare_every);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        compare.reset();
        let (answers, mut answered): (Sender<BookAnswer>, Receiver<BookAnswer>) = channel(4);
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    let heard = self.on_frames(frame, &mut room, &mut events).await;
                    // What was heard before the trouble is news all the same.
                    self.hub.say_all(&mut events).await;
                    if std::mem::take(&mut self.fresh) {
                        (self.data_at, self.heard_data) = (Instant::now(), true);
                    }
                    heard?;
                }
                _ = look.tick() => self.look()?,
                _ = compare.tick() => self.ask_rest(answers.clone()),
                Some(answer) = answered.recv() => self.compare_to = Some((answer, Instant::now())),
            }
            self.compare().await?;
        }
    }

    async fn subscribe(&mut self, name: &str, topics: Vec<String>) -> Result<(), Trouble> {
        self.next_request += 1;
        let id = format!("s{}", self.next_request);
        let text = json!({ "req_id": id, "op": "subscribe", "args": topics }).to_string();
        self.requests.insert(id, Request { name: name.to_owned(), topics, since: Instant::now() });
        if let Some(feed) = self.feeds.get_mut(name) {
            feed.awaits.get_or_insert_with(Instant::now);
        }
        self.socket.send(text).await
    }

    /// Takes a frame and those that have arrived behind it.
    async fn on_frames(
        &mut self,
        first: Result<Utf8Bytes, Trouble>,
        room: &mut Room,
        events: &mut Vec<Event>,
    ) -> Result<(), Trouble> {
        let mut frame = first;
        for _ in 1..FRAMES_MAX {
            self.on_text(&frame?, room, events).await?;
            match self.socket.waiting() {
                Some(next) => frame = next,
                None => return Ok(()),
            }
        }
        self.on_text(&frame?, room, events).await
    }

    async fn on_text(&mut self, text: &str, room: &mut Room, events: &mut Vec<Event>) -> Result<(), Trouble> {
        let before = events.len();
        let resync = match parse(text, room) {
            Ok(Public::Reply(reply)) => return self.on_reply(&reply).await,
            Ok(frame) => self.take(frame, events),
            Err(_) => {
                self.hub.count_odd(1);
                // A book that misses a frame is wrong.
                book_of(text).filter(|name| self.feeds.contains_key(*name)).map(str::to_owned)
            }
        };
        self.fresh = true;
        self.now_up().await;
        if events.len() == before {
            self.hub.alive().await;
        }
        let Some(name) = resync else { return Ok(()) };
        // The gap comes after what was heard before it.
        self.hub.say_all(events).await;
        self.resync(&name).await
    }

    /// Turns a frame into events; names the instrument whose book must be asked for anew.
    fn take(&mut self, frame: Public<'_>, events: &mut Vec<Event>) -> Option<String> {
        match frame {
            Public::Book(book) => {
                let feed = self.feeds.get_mut(book.symbol).filter(|feed| feed.depth == book.depth)?;
                match feed.mirror.on(&book) {
                    Told::Update(update) => {
                        feed.awaits = None;
                        events.push(Event::Market(feed.symbol, MarketData::Book(update)));
                    }
                    Told::Nothing => {}
                    Told::Gap => return Some(book.symbol.to_owned()),
                }
            }
            Public::Trades(trades) => {
                self.hub.count_odd(trades.odd.len());
                let feed = self.feeds.get(trades.symbol)?;
                if let (Some(first), Some(last)) = (trades.rows.first(), trades.rows.last()) {
                    self.hub.printed(feed.symbol, first.seq, last.seq);
                }
                // A trade agreed beside the book says nothing about the market.
                events.extend(trades.rows.iter().filter(|trade| !trade.block).map(|trade| {
                    let trade = Trade { price: trade.price, qty: trade.qty, taker: trade.taker };
                    Event::Market(feed.symbol, MarketData::Trade(trade))
                }));
            }
            Public::Ticker(ticker) => {
                let feed = self.feeds.get(ticker.symbol)?;
                if ticker.facts != crate::engine::event::Ticker::default() {
                    events.push(Event::Market(feed.symbol, MarketData::Ticker(ticker.facts)));
                }
            }
            Public::PriceLimit(limit) => {
                let feed = self.feeds.get_mut(&limit.symbol)?;
                let (buy_max, sell_min) = (limit.buy_max, limit.sell_min);
                // Sent three times a second whether it moved or not.
                if feed.band.replace((buy_max, sell_min)) != Some((buy_max, sell_min)) {
                    events.push(Event::Market(feed.symbol, MarketData::Band { buy_max, sell_min }));
                }
            }
            Public::Liquidations { symbol, rows } => {
                self.hub.count_odd(rows.odd.len());
                let feed = self.feeds.get(symbol)?;
                events.extend(rows.good.iter().map(|row| {
                    let data = MarketData::Liquidation { side: row.position, price: row.bankruptcy, qty: row.qty };
                    Event::Market(feed.symbol, data)
                }));
            }
            Public::AdlAlerts(rows) => {
                self.hub.count_odd(rows.odd.len());
                for row in &rows.good {
                    let Some(feed) = self.feeds.get_mut(&row.symbol) else { continue };
                    let pool = pool_of(row);
                    // Sent every second for every contract there is.
                    if feed.pool.replace(pool) != Some(pool) {
                        events.push(Event::Market(feed.symbol, MarketData::Pool(pool)));
                    }
                }
            }
            Public::Candles { symbol, rows } => {
                self.hub.count_odd(rows.odd.len());
                let feed = self.feeds.get(symbol)?;
                let over = rows.good.iter().filter(|row| row.confirmed);
                let bars = over.map(|row| MarketData::Bar(backfill::bar_of(row, backfill::MINUTE)));
                events.extend(bars.map(|bar| Event::Market(feed.symbol, bar)));
            }
            Public::SystemStatus(_) | Public::Reply(_) | Public::Other(_) => {}
        }
        None
    }

    async fn on_reply(&mut self, reply: &Reply<'_>) -> Result<(), Trouble> {
        self.hub.alive().await;
        let Some(request) = reply.request.as_deref().and_then(|id| self.requests.remove(id)) else { return Ok(()) };
        if reply.asked != Asked::Subscribe && reply.ok {
            return Ok(());
        }
        let Request { name, topics, .. } = request;
        if reply.ok || (reply.already() && topics.len() == 1) {
            self.now_up().await;
            if let Some(feed) = self.feeds.get_mut(&name) {
                feed.taken += topics.len();
                let symbol = feed.symbol;
                self.hub.doubt(symbol, Doubter::Stream, None).await;
            }
            return Ok(());
        }
        if topics.len() > 1 {
            // The whole request failed with one topic: each for itself tells which.
            for topic in topics {
                self.subscribe(&name, vec![topic]).await?;
            }
            return Ok(());
        }
        self.on_refused(&name, topics.first().map_or("", String::as_str)).await
    }

    async fn on_refused(&mut self, name: &str, topic: &str) -> Result<(), Trouble> {
        let all = topics(name, self.hub.options.depth).len();
        let Some(feed) = self.feeds.get_mut(name) else { return Ok(()) };
        feed.refused += 1;
        let (symbol, nothing, shallow) = (feed.symbol, feed.refused >= all && feed.taken == 0, feed.depth == 50);
        if nothing {
            feed.awaits = None;
            // The venue's words name whichever topic came last, which is no help.
            let why = "the exchange has no market data of this name: check it".to_owned();
            self.hub.doubt(symbol, Doubter::Stream, Some(why)).await;
        } else if topic.starts_with("orderbook.") && !shallow && feed.taken > 0 {
            // A depth that was withdrawn, not an instrument.
            feed.depth = 50;
            self.hub.say(Event::Told(format!("{name}: no book that deep at the exchange, 50 levels instead"))).await;
            return self.subscribe(name, vec![format!("orderbook.50.{name}")]).await;
        }
        Ok(())
    }

    async fn now_up(&mut self) {
        if self.up {
            return;
        }
        self.up = true;
        self.hub.connected().await;
        let names = self.feeds.iter().map(|(name, feed)| (name.clone(), feed.symbol)).collect();
        // Not awaited: bars may come late, the stream may not.
        tokio::spawn(backfill::fill(self.hub.clone(), names, self.last_up));
    }

    /// The book is unusable until the next snapshot, which is asked for.
    async fn resync(&mut self, name: &str) -> Result<(), Trouble> {
        let Some(feed) = self.feeds.get_mut(name) else { return Ok(()) };
        feed.mirror.forget();
        // The gap takes the band away, too: it is told again.
        feed.band = None;
        feed.awaits = Some(Instant::now());
        let (symbol, topic) = (feed.symbol, format!("orderbook.{}.{name}", feed.depth));
        self.hub.count_resync();
        self.hub.market(symbol, MarketData::Gap).await;
        self.socket.send(json!({ "op": "unsubscribe", "args": [topic] }).to_string()).await?;
        self.subscribe(name, vec![topic]).await
    }

    /// Deadlines: answers, snapshots, data.
    fn look(&mut self) -> Result<(), Trouble> {
        let within = self.hub.options.timing.answer_within;
        // Where its data flows, a lost answer is of no matter.
        let feeds = &self.feeds;
        self.requests.retain(|_, request| {
            let flows = feeds.get(&request.name).is_none_or(|feed| feed.awaits.is_none());
            !(flows && request.since.elapsed() > within)
        });
        if self.requests.values().any(|request| request.since.elapsed() > within) {
            return Err(Trouble::new(Stage::Timeout, "a subscription was not answered"));
        }
        // A contract before its launch has no book (contract 11.2): only a lost one is missed.
        let missing = |feed: &Feed| feed.awaits.is_some_and(|since| since.elapsed() > within);
        if self.feeds.values().any(|feed| missing(feed) && feed.mirror.was_valid()) {
            return Err(Trouble::new(Stage::Timeout, "a book was not sent again"));
        }
        let listens = self.feeds.values().any(|feed| feed.taken > 0);
        if listens && self.data_at.elapsed() > self.data_within {
            return Err(Trouble::new(Stage::Timeout, "no market data"));
        }
        Ok(())
    }

    /// Asks REST for the book of the next instrument, without waiting for it.
    fn ask_rest(&mut self, answers: Sender<BookAnswer>) {
        let valid: Vec<&String> =
            self.feeds.iter().filter(|(_, feed)| feed.mirror.is_valid()).map(|(name, _)| name).collect();
        if valid.is_empty() {
            return;
        }
        self.compare_next = (self.compare_next + 1) % valid.len();
        let Some(name) = valid.get(self.compare_next).map(|name| (*name).clone()) else { return };
        let hub = self.hub.clone();
        tokio::spawn(async move {
            if let Ok(answer) = hub.rest().order_book(&name, 1).await {
                // The session may be over: then nobody asks any more.
                let _over = answers.send(answer).await;
            }
        });
    }

    /// Compares a book with REST's answer as soon as the stream has come as far.
    async fn compare(&mut self) -> Result<(), Trouble> {
        let Some((answer, since)) = &self.compare_to else { return Ok(()) };
        let Some(feed) = self.feeds.get(&answer.symbol) else { return Ok(()) };
        match feed.mirror.compare(answer) {
            Compared::TooEarly if since.elapsed() < self.hub.options.timing.answer_within => {}
            Compared::Same => {
                self.hub.count_agreed();
                self.compare_to = None;
            }
            Compared::Different => {
                let name = answer.symbol.clone();
                self.compare_to = None;
                let text = format!("{name}: the book of the stream and of REST disagree; it is asked for anew");
                self.hub.say(Event::Told(text)).await;
                return self.resync(&name).await;
            }
            Compared::TooEarly | Compared::Unknown => self.compare_to = None,
        }
        Ok(())
    }
}

/// Insurance pools of all instruments settled in USDT.
const POOLS: &str = "adlAlert.USDT";

/// The pool as the engine takes it: results to the per cent, so that it is news only when it matters.
fn pool_of(row: &AdlAlert) -> Pool {
    let per_cent = |part: f64| Rate::from_raw((part * 100.0).clamp(-1e6, 1e6) as i64 * 10_000_000);
    Pool {
        result: per_cent(row.ratio),
        starts: per_cent(row.start_ratio),
        stops: per_cent(row.stop_ratio),
        low: row.balance <= row.trigger,
        empty: row.balance <= 0.0,
    }
}

/// Everything that is read of one instrument.
fn topics(name: &str, depth: u16) -> Vec<String> {
    vec![
        format!("orderbook.{depth}.{name}"),
        format!("publicTrade.{name}"),
        format!("tickers.{name}"),
        // The venue's own bar of every minute, once it is over.
        format!("kline.1.{name}"),
        format!("priceLimit.{name}"),
        format!("allLiquidation.{name}"),
    ]
}

/// The instrument of a book frame that could not be read otherwise.
fn book_of(text: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        topic: &'a str,
    }
    let topic = serde_json::from_str::<Head<'_>>(text).ok()?.topic;
    topic.strip_prefix("orderbook.")?.split_once('.').map(|(_, name)| name)
}
