//! Checks of the way to the exchange: names, connections, clocks, maintenance. Nothing here needs a key.

use std::sync::{Arc, Mutex};

use super::{Finding, stage_todo, unanswered};
use crate::config::BybitConfig;
use crate::engine::danger::{CLOCK_ALARM_MS, CLOCK_WARN_MS};
use crate::engine::ids::Account;
use crate::engine::time::Ts;
use crate::run::clock::wall;
use crate::venue::bybit::credentials::Credentials;
use crate::venue::bybit::hosts::{Network, PublicHosts, Region};
use crate::venue::bybit::limits::Limits;
use crate::venue::bybit::parse::public::SystemStatus;
use crate::venue::bybit::rest::{Offset, Rest, RestError, RestOptions, VenueClock};
use crate::venue::bybit::socket::{Heartbeat, Socket};

/// REST host, clock, maintenance and public stream of the account's network. The flag: did REST answer?
pub async fn public(config: &BybitConfig, account: Account) -> (Vec<Finding>, bool) {
    let network = if account == Account::Testnet { Network::Testnet } else { Network::Mainnet };
    let region = Region::parse(&config.region);
    let hosts = match region.and_then(|region| PublicHosts::new(network, region, &config.overrides())) {
        Ok(hosts) => hosts,
        Err(error) => return (vec![Finding::fail("addresses", error.to_string(), "correct it in [bybit]")], false),
    };
    let rest = match client(config, hosts.rest(), None) {
        Ok(rest) => rest,
        Err(error) => return (vec![unanswered("REST", &error)], false),
    };
    let mut found = Vec::new();
    if hosts.is_simulated() {
        let detail = "an address on this machine: a simulated exchange, not Bybit";
        let todo = "what follows says nothing of Bybit; take the *_url lines out of [bybit] to look there";
        found.push(Finding::warn("exchange", detail, todo));
    }
    let answered = match rest.sync_clock().await {
        Ok(offset) => {
            found.push(Finding::ok("REST", format!("{} answers", hosts.rest())));
            found.push(clock(offset));
            true
        }
        Err(error) => {
            found.push(unanswered("REST", &error));
            found.push(Finding::skip("clock", "REST does not answer"));
            false
        }
    };
    found.push(if answered { status(&rest).await } else { Finding::skip("maintenance", "REST does not answer") });
    found.push(stream("public stream", &hosts.linear(), config).await);
    (found, answered)
}

/// A client for one question after the other.
pub(super) fn client(
    config: &BybitConfig,
    base: &str,
    credentials: Option<Arc<Credentials>>,
) -> Result<Rest, RestError> {
    let window = |span: crate::engine::time::Span| u32::try_from(span.as_ms()).unwrap_or(5000);
    Rest::new(RestOptions {
        base: base.to_owned(),
        credentials,
        recv_window_ms: window(config.recv_window),
        create_recv_window_ms: window(config.create_recv_window),
        proxy: config.proxy(),
        limits: Arc::new(Mutex::new(Limits::new())),
        clock: Arc::new(VenueClock::default()),
        now: Arc::new(wall),
    })
}

fn clock(offset: Offset) -> Finding {
    let (ms, within) = (offset.ahead.as_ms(), offset.within.as_ms());
    let detail = format!("Bybit's clock is {ms:+} ms from ours, known to {within} ms");
    let todo = "let this machine's clock follow NTP (chrony, systemd-timesyncd)";
    match ms.saturating_abs() {
        off if off > CLOCK_ALARM_MS => Finding::fail("clock", detail, todo),
        off if off > CLOCK_WARN_MS => Finding::warn("clock", detail, todo),
        _ => Finding::ok("clock", detail),
    }
}

async fn status(rest: &Rest) -> Finding {
    match rest.system_status().await {
        Ok(rows) => maintenance(&rows.good, rest.clock().venue_time(rest.now())),
        Err(error) => Finding { health: crate::engine::snapshot::Health::Warn, ..unanswered("maintenance", &error) },
    }
}

/// What is announced and not over. Products: 1 is futures; a row that names none concerns all.
fn maintenance(rows: &[SystemStatus], now: Ts) -> Finding {
    let futures = |row: &&SystemStatus| row.products.is_empty() || row.products.contains(&1);
    let open = |row: &&SystemStatus| {
        let over = row.end_ms.is_some_and(|end| Ts::from_ms(end) <= now);
        matches!(row.state.as_str(), "scheduled" | "ongoing") && !over
    };
    let time = |ms: Option<i64>| ms.map_or("?".to_owned(), |ms| Ts::from_ms(ms).to_string());
    let told: Vec<String> = rows
        .iter()
        .filter(futures)
        .filter(open)
        .map(|row| format!("{} ({}) from {} to {}", row.title, row.state, time(row.begin_ms), time(row.end_ms)))
        .collect();
    if told.is_empty() {
        return Finding::ok("maintenance", "none announced");
    }
    Finding::warn("maintenance", told.join("; "), "hold nothing that needs an exit during it")
}

/// Can a stream be opened?
pub(super) async fn stream(check: &str, url: &str, config: &BybitConfig) -> Finding {
    match Socket::dial(url, config.proxy().as_deref(), Heartbeat::default()).await {
        Ok(_) => Finding::ok(check, format!("{url} opens")),
        Err(trouble) => Finding::fail(check, format!("{url}: {trouble}"), stage_todo(trouble.stage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::Health;
    use crate::engine::time::Span;

    #[test]
    fn clocks_are_judged_by_their_distance() {
        for (ms, health) in [(250, Health::Ok), (-251, Health::Warn), (1000, Health::Warn), (-1001, Health::Fail)] {
            let offset = Offset { ahead: Span::from_ms(ms), within: Span::from_ms(9) };
            assert_eq!(clock(offset).health, health, "{ms}");
        }
    }

    #[test]
    fn maintenance_counts_until_it_is_over_and_for_futures_only() {
        let row = |state: &str, products: &[i64], end_ms| SystemStatus {
            id: "1".into(),
            title: "Upgrade".into(),
            state: state.into(),
            begin_ms: Some(1_000),
            end_ms,
            services: vec![1],
            products: products.to_vec(),
            kind: Some(1),
            environment: Some(1),
        };
        let health = |row: SystemStatus| maintenance(&[row], Ts::from_ms(5_000)).health;
        assert_eq!(health(row("scheduled", &[1, 2], None)), Health::Warn);
        assert_eq!(health(row("ongoing", &[], Some(6_000))), Health::Warn);
        assert_eq!(health(row("ongoing", &[1], Some(5_000))), Health::Ok);
        assert_eq!(health(row("completed", &[1], None)), Health::Ok);
        assert_eq!(health(row("scheduled", &[2, 3], None)), Health::Ok);
    }
}
