//! Announced and running maintenance: nothing opens into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::hub::Hub;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::public::{Public, Room, SystemStatus, parse};
use crate::venue::bybit::rest::clean;
use crate::venue::bybit::socket::{Backoff, Socket, chance};

/// Maintenance counts this long before it begins.
const AHEAD: Span = Span::from_secs(900);
/// How often the time is compared with what was announced.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often REST is asked, for what the stream did not tell.
const READ_EVERY: Duration = Duration::from_secs(300);

type Announced = BTreeMap<String, SystemStatus>;

/// Watches announcements for as long as the stream runs.
pub(super) async fn watch(hub: Arc<Hub>) {
    let mut announced = Announced::new();
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        // A stream of announcements that fails says nothing: REST is asked all the same.
        listen(&hub, &mut announced).await;
        let again = Instant::now() + backoff.next(began.elapsed(), chance()).max(Duration::from_secs(5));
        look(&hub, &announced).await;
        tokio::time::sleep_until(again).await;
    }
}

async fn listen(hub: &Hub, announced: &mut Announced) {
    let options = &hub.options;
    read(hub, announced).await;
    look(hub, announced).await;
    let dialled = Socket::dial(&options.hosts.status(), options.proxy.as_deref(), options.timing.heartbeat).await;
    let Ok(mut socket) = dialled else { return };
    if socket.send(r#"{"op":"subscribe","args":["system.status"]}"#.to_owned()).await.is_err() {
        return;
    }
    let mut room = Room::default();
    let mut next_read = Instant::now() + READ_EVERY;
    loop {
        if let Ok(frame) = timeout_at(Instant::now() + LOOK_EVERY, socket.next()).await {
            let Ok(text) = frame else { return };
            if let Ok(Public::SystemStatus(rows)) = parse(&text, &mut room) {
                announced.extend(rows.good.into_iter().map(|row| (row.id.clone(), row)));
            }
        }
        if Instant::now() >= next_read {
            read(hub, announced).await;
            next_read = Instant::now() + READ_EVERY;
        }
        look(hub, announced).await;
    }
}

async fn read(hub: &Hub, announced: &mut Announced) {
    if let Ok(rows) = hub.rest().system_status().await {
        announced.extend(rows.good.into_iter().map(|row| (row.id.clone(), row)));
    }
}

async fn look(hub: &Hub, announced: &Announced) {
    let now = hub.rest().clock().venue_time(hub.now());
    let worst = announced.values().filter(|status| touches(status, now)).max_by_key(|status| status.end_ms);
    let detail = worst.map(|status| {
        let until = status.end_ms.map_or_else(|| "its end".to_owned(), |ms| Ts::from_ms(ms).to_string());
        format!("\"{}\" until {until}: orders may hang, close before or wait", clean(&status.title))
    });
    hub.hold(DenialCode::VenueMaintenance, None, detail).await;
}

/// Does it touch trading of futures now or soon? Services 1 to 3 are trading, 4 the private stream, 5 market data; what
/// is not named may be touched.
fn touches(status: &SystemStatus, now: Ts) -> bool {
    let futures = status.products.is_empty() || status.products.contains(&1);
    let running = match status.state.as_str() {
        "ongoing" => true,
        "scheduled" => status.begin_ms.is_some_and(|begin| Ts::from_ms(begin).since(now) <= AHEAD),
        _ => false,
    };
    let over = status.end_ms.is_some_and(|end| status.state == "scheduled" && now > Ts::from_ms(end));
    futures && running && !over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_of_futures_counts_shortly_before_it_begins() {
        let status = |state: &str, begin_s: i64, products: &[i64]| SystemStatus {
            id: "1".into(),
            title: "t".into(),
            state: state.into(),
            begin_ms: Some(begin_s * 1_000),
            end_ms: Some((begin_s + 600) * 1_000),
            services: vec![],
            products: products.to_vec(),
            kind: None,
            environment: None,
        };
        let now = Ts::from_ms(1_000_000);
        assert!(touches(&status("ongoing", 900, &[]), now));
        assert!(touches(&status("scheduled", 1_900, &[1]), now));
        assert!(!touches(&status("scheduled", 1_901, &[1]), now));
        assert!(!touches(&status("scheduled", 100, &[1]), now));
        assert!(!touches(&status("ongoing", 900, &[2]), now));
        assert!(!touches(&status("completed", 900, &[]), now));
    }
}
