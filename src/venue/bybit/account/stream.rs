//! The private stream: authenticated, subscribed, made anew for as long as the account is connected.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

use super::jobs::Heard;
use crate::venue::bybit::credentials::Credentials;
use crate::venue::bybit::parse::private::{Private, parse};
use crate::venue::bybit::parse::reply::{Asked, Reply};
use crate::venue::bybit::rest::{Rest, Stage, clean};
use crate::venue::bybit::signs::{Signs, Stream};
use crate::venue::bybit::socket::{Backoff, Heartbeat, Socket, Trouble, chance};

/// How long an authentication stays valid: it must still lie ahead when it arrives (correction 2.9).
const EXPIRES_MS: i64 = 8_000;
/// Longest wait for the answer to an authentication or a subscription.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// A key that was refused is not tried again at once.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
const TOPICS: &[&str] = &["order", "execution", "position", "wallet"];

/// What the stream needs.
pub struct StreamOptions {
    pub url: String,
    pub proxy: Option<String>,
    pub credentials: Arc<Credentials>,
    pub heartbeat: Heartbeat,
    pub signs: Signs,
}

/// Why an authenticated socket ended.
pub enum Ended {
    /// The line.
    Trouble(Trouble),
    /// The venue does not take the key.
    Refused(String),
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Keeps the stream up; ends when nobody listens any more.
pub async fn keep(options: StreamOptions, rest: Rest, heard: Sender<Heard>) {
    let mut backoff = Backoff::default();
    options.signs.wanted(Stream::Private);
    loop {
        let (began, mut up) = (Instant::now(), false);
        let Err(ended) = listen(&options, &rest, &heard, &mut up).await else { return };
        if up {
            options.signs.lost(Stream::Private);
        }
        let (news, pause) = match ended {
            Ended::Trouble(trouble) => (Heard::Down(trouble.to_string()), Duration::ZERO),
            Ended::Refused(why) => (Heard::KeyRefused(why), REFUSED_PAUSE),
        };
        if heard.send(news).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff.next(began.elapsed(), chance()).max(pause)).await;
    }
}

/// One connection, until it ends; `up` once its subscription was taken. `Ok` when nobody listens any more.
async fn listen(options: &StreamOptions, rest: &Rest, heard: &Sender<Heard>, up: &mut bool) -> Result<(), Ended> {
    let socket = Socket::dial(&options.url, options.proxy.as_deref(), options.heartbeat).await?;
    let mut socket = socket.told(&options.signs, Stream::Private);
    authenticate(&mut socket, &options.credentials, rest, "req_id", auth_answer).await?;
    socket.send(json!({ "req_id": "topics", "op": "subscribe", "args": TOPICS }).to_string()).await?;
    let asked = Instant::now();
    loop {
        let text = if *up {
            socket.next().await?
        } else {
            let answer = timeout(ANSWER_WITHIN.saturating_sub(asked.elapsed()), socket.next()).await;
            answer.map_err(|_| Trouble::new(Stage::Timeout, "the subscription was not answered"))??
        };
        let news = match parse(&text) {
            Ok(Private::Orders(push)) => Heard::Orders(push.rows),
            Ok(Private::Executions(push)) => Heard::Executions(push.rows),
            Ok(Private::Positions(push)) => Heard::Positions(push.rows),
            Ok(Private::Reply(reply)) if reply.asked == Asked::Subscribe => {
                on_subscribed(&reply)?;
                *up = true;
                Heard::Up
            }
            // A wallet is read together with positions, or not at all.
            Ok(Private::Reply(_) | Private::Wallets(_) | Private::FastExecutions(_) | Private::Other(_)) => continue,
            // A frame about money that cannot be read: the account is read instead.
            Err(_) => Heard::Odd,
        };
        if heard.send(news).await.is_err() {
            return Ok(());
        }
    }
}

fn on_subscribed(reply: &Reply<'_>) -> Result<(), Ended> {
    if reply.ok || reply.already() {
        return Ok(());
    }
    if reply.message.contains("auth") {
        return Err(Ended::Refused(clean(&reply.message)));
    }
    Err(Trouble::new(Stage::Broken, format!("the subscription was refused: {}", clean(&reply.message))).into())
}

/// Authenticates a private or trade socket; they name the request differently (contract 2).
pub async fn authenticate(
    socket: &mut Socket,
    credentials: &Credentials,
    rest: &Rest,
    request: &str,
    read: fn(&str) -> Option<Result<(), String>>,
) -> Result<(), Ended> {
    let expires = rest.clock().venue_time(rest.now()).as_ms() + EXPIRES_MS;
    let signature = credentials.signer().sign_ws_auth(expires);
    let text = json!({ request: "auth", "op": "auth", "args": [credentials.key(), expires, signature.as_str()] });
    socket.send(text.to_string()).await?;
    let answer = timeout(ANSWER_WITHIN, async {
        loop {
            if let Some(answer) = read(&socket.next().await?) {
                return Ok(answer);
            }
        }
    });
    match answer.await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(why))) => Err(refusal(why)),
        Ok(Err(trouble)) => Err(Ended::Trouble(trouble)),
        Err(_) => Err(Trouble::new(Stage::Timeout, "the authentication was not answered").into()),
    }
}

/// The answer to an authentication, if the frame is one.
fn auth_answer(text: &str) -> Option<Result<(), String>> {
    match parse(text) {
        Ok(Private::Reply(reply)) if matches!(reply.asked, Asked::Auth | Asked::Other) => {
            Some(if reply.ok { Ok(()) } else { Err(clean(&reply.message)) })
        }
        _ => None,
    }
}

/// A wrong key, or only a wrong time: `Params Error` and `expired` mean that the stamp had passed (correction 2.9).
fn refusal(why: String) -> Ended {
    let late = why.contains("expired") || why.contains("Params Error");
    let full = why.to_ascii_lowercase().contains("session");
    if late || full { Trouble::new(Stage::Broken, why).into() } else { Ended::Refused(why) }
}
