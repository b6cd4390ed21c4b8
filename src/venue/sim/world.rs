//! The running exchange: the pure parts put together, with everybody who is connected. Time comes in as an argument;
//! what goes out is queued with the moment it is due.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::Market;
use super::exchange::Exchange;
use super::exchange::model::News;
use super::faults::{Act, Faults, Scenario};
use super::wire::limits::Limits;
use super::wire::private::{self, Push};
use super::wire::sign::{AuthFailure, Keys, check_auth};
use super::wire::socket::{Kind, Session};
use super::wire::stream::Publisher;
use super::wire::{ms, socket};
use crate::engine::event::MarketData;
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};

/// A private push comes this long after what it tells, so that an answer comes first where no fault is set.
const PUSH_AFTER: Span = Span::from_ms(3);
/// A socket that says nothing for this long is closed.
const IDLE_MAX: Span = Span::from_secs(600);
/// Requests that are remembered for `GET /sim/state`.
const REQUESTS_MAX: usize = 10_000;

/// What a socket's writer is told.
#[derive(Debug)]
pub enum Out {
    /// A frame, not before this moment.
    Text(Ts, String),
    /// The connection breaks, without a word.
    Break,
}

/// Somebody who is connected.
#[derive(Debug)]
pub struct Connection {
    /// Standing of the socket.
    pub session: Session,
    out: UnboundedSender<Out>,
}

/// Everything.
pub struct World {
    /// The exchange.
    pub exchange: Exchange,
    /// What goes wrong.
    pub faults: Faults,
    /// Rate limits.
    pub limits: Limits,
    /// The account's key pair.
    pub keys: Keys,
    /// Status notices, newest first.
    pub notices: Vec<Value>,
    /// Order requests as they came, oldest first.
    pub requests: Vec<Value>,
    publisher: Publisher,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    market: Market,
    waiting: Option<(Ts, Symbol, MarketData)>,
    /// Added to the feed's time.
    shift: Span,
    scenario: Scenario,
    began: Ts,
}

impl World {
    /// Opens the exchange at `now`: the part of the feed before `now` is played at once.
    pub fn open(
        exchange: Exchange,
        keys: Keys,
        mut market: Market,
        prelude: Span,
        scenario: Scenario,
        now: Ts,
    ) -> Self {
        let waiting = market.next();
        let shift = waiting.as_ref().map_or(Span(0), |(at, ..)| (now - prelude).since(*at));
        let mut world = Self {
            exchange,
            faults: Faults::default(),
            limits: Limits::default(),
            keys,
            notices: Vec::new(),
            requests: Vec::new(),
            publisher: Publisher::default(),
            connections: BTreeMap::new(),
            next_connection: 1,
            market,
            waiting,
            shift,
            scenario,
            began: now,
        };
        world.pump(now);
        world
    }

    /// The exchange's own clock, which a fault may set wrong.
    pub fn clock(&self, now: Ts) -> Ts {
        now + Span::from_ms(self.faults.clock_skew_ms)
    }

    /// Does everything that is due: feed, scenario, matching, pushes.
    pub fn pump(&mut self, now: Ts) {
        while let Some((at, symbol, data)) = self.waiting.take_if(|(at, ..)| *at + self.shift <= now) {
            self.exchange.market(at + self.shift, symbol, &data);
            self.waiting = self.market.next();
        }
        while self.scenario.0.first().is_some_and(|(at, _)| self.began + *at <= now) {
            let (_, act) = self.scenario.0.remove(0);
            match act {
                // Both were checked when the scenario was read; a `do` that fails now changes nothing.
                Act::Faults(change) => self.faults = self.faults.changed(&change).unwrap_or_default(),
                Act::Do(act) => drop(super::control::act(self, &act, now)),
            }
        }
        self.exchange.fill_percent = self.faults.fill_percent;
        self.exchange.reduce_only_counts = self.faults.reduce_only_counts;
        self.exchange.late_rejects += std::mem::take(&mut self.faults.late_rejects);
        self.exchange.advance(now);
        self.tell_news(now);
        self.publish(now);
        self.drop_idle(now);
    }

    fn tell_news(&mut self, now: Ts) {
        let news: Vec<News> = self.exchange.take_news();
        for push in private::pushes(&self.exchange, &news) {
            if self.faults.skip_pushes > 0 {
                self.faults.skip_pushes -= 1;
                continue;
            }
            self.push(&push, now);
            if self.faults.repeat_pushes > 0 {
                self.faults.repeat_pushes -= 1;
                self.push(&push, now);
            }
            if self.faults.double_filled > 0
                && let Some(second) = private::second_filled(&push)
            {
                self.faults.double_filled -= 1;
                self.push(&second, now);
            }
        }
    }

    fn push(&mut self, push: &Push, now: Ts) {
        let unique = self.exchange.uuid();
        let id = format!("{}{unique}", self.exchange.account.uid);
        let due = now + PUSH_AFTER + Span::from_ms(self.faults.private_delay_ms);
        if self.faults.stall_private {
            return;
        }
        for connection in self.connections.values().filter(|c| c.session.kind == Kind::Private) {
            for topic in &connection.session.topics {
                if topic.strip_suffix(".linear").unwrap_or(topic) == push.topic {
                    let text = private::frame(push, topic, &id, self.clock(now));
                    self.deliver(connection, due, self.faults.spelled(text));
                }
            }
        }
    }

    fn publish(&mut self, now: Ts) {
        for market in &mut self.exchange.markets {
            for liquidation in market.liquidations.drain(..) {
                let row = json!({
                    "T": liquidation.at.as_ms(), "s": market.rules.name,
                    "S": super::wire::market::side_word(liquidation.position),
                    "v": super::wire::market::qx(&market.rules, liquidation.qty),
                    "p": super::wire::market::px(&market.rules, liquidation.price),
                });
                self.publisher.liquidated(&market.rules.name, &row);
            }
        }
        let clock = self.clock(now);
        for frame in self.publisher.due(&self.exchange, clock, &mut self.faults) {
            self.send_public(&frame.topic, &frame.text, now);
        }
    }

    fn send_public(&self, topic: &str, text: &str, now: Ts) {
        if self.faults.stall_public {
            return;
        }
        let due = now + Span::from_ms(self.faults.public_delay_ms);
        for connection in self.connections.values() {
            let public = matches!(connection.session.kind, Kind::Public | Kind::Status);
            if public && connection.session.topics.iter().any(|watched| watched == topic) {
                self.deliver(connection, due, text.to_owned());
            }
        }
    }

    /// The public stream restarts: every book begins again with `u` 1.
    pub fn restart_stream(&mut self, now: Ts) {
        for frame in self.publisher.restart(&self.exchange, now) {
            self.send_public(&frame.topic, &frame.text, now);
        }
    }

    /// Publishes a status notice and keeps it for `GET /v5/system/status`.
    pub fn notice(&mut self, row: Value, now: Ts) {
        let text = json!({"topic": "system.status", "ts": now.as_ms(), "data": [row.clone()]}).to_string();
        self.notices.insert(0, row);
        self.send_public("system.status", &text, now);
    }

    /// Keeps an order request for the tests that ask what was really sent.
    pub fn remember(&mut self, path: &str, body: &Value, code: Option<i64>, now: Ts) {
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.remove(0);
        }
        self.requests.push(json!({"time": ms(now), "path": path, "body": body, "code": code}));
    }

    /// How many sockets of each kind are open, and which topics they watch.
    pub fn open_sockets(&self) -> Value {
        let count = |kind: Kind| self.connections.values().filter(|c| c.session.kind == kind).count();
        let topics: BTreeSet<&String> = self.connections.values().flat_map(|c| &c.session.topics).collect();
        json!({"public": count(Kind::Public), "status": count(Kind::Status), "private": count(Kind::Private),
            "trade": count(Kind::Trade), "topics": topics})
    }

    /// A socket opens. `None` while sockets are refused.
    pub fn connect(&mut self, kind: Kind, out: UnboundedSender<Out>, now: Ts) -> Option<u64> {
        if self.faults.refuse_sockets {
            return None;
        }
        let number = self.next_connection;
        self.next_connection += 1;
        let session = Session::new(kind, self.exchange.uuid(), now);
        self.connections.insert(number, Connection { session, out });
        Some(number)
    }

    /// A socket is gone.
    pub fn disconnect(&mut self, number: u64) {
        let Some(gone) = self.connections.remove(&number) else { return };
        self.close_topics(&gone.session.topics);
    }

    fn close_topics(&mut self, topics: &[String]) {
        for topic in topics {
            if !self.connections.values().any(|c| c.session.topics.contains(topic)) {
                self.publisher.close(topic);
            }
        }
    }

    /// Breaks the sockets that `which` picks.
    pub fn break_sockets(&mut self, which: impl Fn(&Session) -> bool) {
        for connection in self.connections.values().filter(|c| which(&c.session)) {
            // The writer may have ended already.
            drop(connection.out.send(Out::Break));
        }
    }

    fn drop_idle(&mut self, now: Ts) {
        self.break_sockets(|session| now.since(session.heard) > IDLE_MAX);
    }

    /// A frame came from a socket.
    pub fn heard(&mut self, number: u64, text: &str, now: Ts) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.session.heard = now;
        let kind = connection.session.kind;
        let Some((message, frame)) = socket::read(text) else {
            return self.say(number, &json!({"success": false, "ret_msg": "Invalid json", "op": ""}), now, Span(0));
        };
        match message {
            socket::Message::Ping => {
                let pong = self.with(number, |session| session.pong(&frame, now));
                self.say(number, &pong, now, Span(0));
            }
            socket::Message::Auth(args) if kind != Kind::Public => {
                let checked = check_auth(&self.keys, &args, self.clock(now)).and_then(|()| self.room(kind));
                let reply = self.with(number, |session| session.authenticate(checked, &frame));
                self.say(number, &reply, now, Span(0));
            }
            socket::Message::Subscribe(topics) if kind != Kind::Trade => self.subscribe(number, &topics, &frame, now),
            socket::Message::Unsubscribe(topics) if kind != Kind::Trade => {
                self.with(number, |session| session.unsubscribe(&topics));
                self.close_topics(&topics);
                let reply = self.with(number, |session| session.acknowledge("unsubscribe", Ok(()), &frame));
                self.say(number, &reply, now, Span(0));
            }
            socket::Message::Order(path, body) if kind == Kind::Trade => {
                super::wire::route::trade_request(self, number, &path, &body, &frame, now);
            }
            other => {
                let reply = unknown(kind, &other, &frame);
                self.say(number, &reply, now, Span(0));
            }
        }
    }

    /// The session of a socket that was just heard.
    pub fn with<T: Default>(&mut self, number: u64, act: impl FnOnce(&mut Session) -> T) -> T {
        self.connections.get_mut(&number).map(|connection| act(&mut connection.session)).unwrap_or_default()
    }

    /// Whether one more trade socket may be authenticated.
    fn room(&self, kind: Kind) -> Result<(), AuthFailure> {
        let most = self.faults.trade_sessions_max as usize;
        let open = self.connections.values().filter(|c| c.session.kind == Kind::Trade && c.session.authed).count();
        if kind == Kind::Trade && most > 0 && open >= most { Err(AuthFailure::Crowded) } else { Ok(()) }
    }

    fn subscribe(&mut self, number: u64, topics: &[String], frame: &Value, now: Ts) {
        let Some(connection) = self.connections.get(&number) else { return };
        let exchange = &self.exchange;
        let done = match connection.session.kind {
            Kind::Private => connection.session.may_subscribe(topics, private::knows),
            Kind::Status => connection.session.may_subscribe(topics, |topic| topic == "system.status"),
            _ => connection.session.may_subscribe(topics, |topic| Publisher::knows(exchange, topic)),
        };
        let good = done.is_ok();
        let mut first = Vec::new();
        if good && connection.session.kind == Kind::Public {
            let clock = self.clock(now);
            first = topics.iter().filter_map(|topic| self.publisher.open(&self.exchange, topic, clock)).collect();
        }
        let reply = self.with(number, |session| {
            if done.is_ok() {
                session.subscribe(topics);
            }
            session.acknowledge("subscribe", done, frame)
        });
        // At the venue the first snapshot may come before the ack (contract 0.9): every second connection sees that.
        let early = number.is_multiple_of(2);
        if !early {
            self.say(number, &reply, now, Span(0));
        }
        for text in first {
            self.say_text(number, text, now, Span::from_ms(self.faults.public_delay_ms));
        }
        if early {
            self.say(number, &reply, now, Span(0));
        }
    }

    /// Says something to one socket after `delay`, unless its kind is stalled.
    pub fn say(&self, number: u64, value: &Value, now: Ts, delay: Span) {
        self.say_text(number, value.to_string(), now, delay);
    }

    fn say_text(&self, number: u64, text: String, now: Ts, delay: Span) {
        let Some(connection) = self.connections.get(&number) else { return };
        let stalled = match connection.session.kind {
            Kind::Public | Kind::Status => self.faults.stall_public,
            Kind::Private => self.faults.stall_private,
            Kind::Trade => self.faults.stall_trade,
        };
        if !stalled {
            self.deliver(connection, now + delay, text);
        }
    }

    /// Queues a frame for its moment, over a link of the set length.
    fn deliver(&self, connection: &Connection, due: Ts, text: String) {
        // The writer may have ended already.
        drop(connection.out.send(Out::Text(due + Span::from_ms(self.faults.link_ms), text)));
    }

    /// Breaks one socket.
    pub fn break_one(&self, number: u64) {
        if let Some(connection) = self.connections.get(&number) {
            drop(connection.out.send(Out::Break));
        }
    }
}
/// The answer to what a socket does not do.
fn unknown(kind: Kind, message: &socket::Message, frame: &Value) -> Value {
    let op = match message {
        socket::Message::Unknown(op) => op.clone(),
        _ => frame.get("op").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    match kind {
        Kind::Trade => json!({"reqId": frame.get("reqId").cloned().unwrap_or(json!("")), "retCode": 10_404,
            "retMsg": "op type is not found", "op": op}),
        _ => json!({"success": false, "ret_msg": format!("error:handler not found,op:{op}"), "op": op,
            "req_id": frame.get("req_id").cloned().unwrap_or(json!(""))}),
    }
}
