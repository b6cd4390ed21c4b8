//! What the remote control answers: the newest picture of the run in words. What is not known is `?`, and what a silent engine
//! last said is named as old.

use std::time::Duration;

use crate::engine::num::Money;
use crate::engine::risk::limits::show;
use crate::engine::snapshot::{PositionRow, Protected, Snapshot, StateWord};
use crate::metrics::Reading;

/// An engine that has not turned for so long does not keep up.
const SILENT: Duration = Duration::from_secs(2);

/// The first line of every answer about the run: market, account, state.
pub fn head(reading: &Reading) -> String {
    let Some(snapshot) = &reading.snapshot else { return "no run has begun yet".to_owned() };
    let (session, state) = (&snapshot.session, &snapshot.state);
    let word = format!("{:?}", state.word).to_uppercase();
    let until = match (state.armed_until, state.word) {
        (Some(until), StateWord::Armed) => format!(" until {} UTC", until.clock()),
        _ => String::new(),
    };
    let alone = if session.unattended { " · UNATTENDED" } else { "" };
    let silent = match reading.heartbeat {
        Some(age) if age > SILENT => format!("\n!! the engine is SILENT for {} s: what follows is old", age.as_secs()),
        _ => String::new(),
    };
    format!("{}: {word}{until}{alone}{silent}", session.pair.stamp())
}

/// `/status`.
pub fn status(reading: &Reading) -> String {
    let Some(snapshot) = &reading.snapshot else { return head(reading) };
    let (state, account) = (&snapshot.state, &snapshot.account);
    let mut lines = vec![head(reading)];
    if let Some(latch) = &state.latch {
        lines.push(format!("latched: {} (since {})", latch.cause, latch.at));
    }
    lines.extend(state.reducing.iter().map(|reduction| {
        let name = reduction.name.as_deref().unwrap_or("everything");
        format!("only reducing, {name}: {}", reduction.why)
    }));
    let day = account.day_pnl.map_or("?".to_owned(), signed);
    lines.push(format!("equity {} · day {day} · drawdown {}", money(account.equity), drawdown(snapshot)));
    let working = snapshot.orders.iter().filter(|order| order.ours_works()).count();
    lines.push(format!("{} open · {working} working order(s)", state.open));
    let age = snapshot.health.feed_age.map_or("never heard".to_owned(), |age| format!("{age} old"));
    let down = snapshot.health.feed_down.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    lines.push(format!("market data {age}{down}"));
    if let Some(notice) = &snapshot.pending_notice {
        lines.push(format!("wants a look: {}", notice.text));
    }
    lines.join("\n")
}

/// `/positions`.
pub fn positions(reading: &Reading) -> String {
    let rows = reading.snapshot.iter().flat_map(|snapshot| &snapshot.positions).map(position);
    let rows: Vec<String> = rows.collect();
    let rows = if rows.is_empty() { "nothing is open".to_owned() } else { rows.join("\n") };
    format!("{}\n{rows}", head(reading))
}

fn position(row: &PositionRow) -> String {
    let side = row.side.position();
    let protected = match row.protected {
        _ if row.released => "yours: never touched".to_owned(),
        Protected::Stop(price) => format!("stop {price} at the venue"),
        Protected::Far(price) => format!("STOP FAR AWAY: {price} at the venue"),
        Protected::None | Protected::Yours => "NO STOP at the venue".to_owned(),
        Protected::Unknown => "stop at the venue unknown".to_owned(),
        Protected::Unwanted => "no stop at the venue".to_owned(),
    };
    let believed = if row.believed { "?" } else { "" };
    let pnl = row.unrealised.map_or("?".to_owned(), signed);
    format!("{} {side} {}{believed} at {} · {pnl} · held {} · {protected}", row.name, row.qty, row.entry, row.age)
}

/// `/profit`.
pub fn profit(reading: &Reading) -> String {
    let Some(snapshot) = &reading.snapshot else { return head(reading) };
    let account = &snapshot.account;
    let theirs = account.theirs.map_or(String::new(), |theirs| format!("\nyours and others': {}", signed(theirs)));
    format!(
        "{}\nrun: realised {} · fees {:.2} · funding {} · unrealised {}\n{} closed, {} with a profit\nday {} · equity {} · \
         balance {:.2} · drawdown {}{theirs}",
        head(reading),
        signed(account.realised),
        account.fees,
        signed(account.funding),
        account.unrealised.map_or("?".to_owned(), signed),
        account.trades,
        account.wins,
        account.day_pnl.map_or("?".to_owned(), signed),
        money(account.equity),
        account.balance,
        drawdown(snapshot),
    )
}

/// `/limits`.
pub fn limits(reading: &Reading) -> String {
    let rows = reading.snapshot.iter().flat_map(|snapshot| &snapshot.limits).map(|row| {
        let used = row.used.map_or(String::new(), |used| format!(" · used {used:.2}"));
        format!("{} {}{}{used}", row.key.name(), show(row.value), row.key.unit().suffix())
    });
    std::iter::once(head(reading)).chain(rows).collect::<Vec<_>>().join("\n")
}

/// What a close of everything is about to do, position by position.
pub fn to_close(reading: &Reading, symbol: Option<&str>) -> String {
    let rows = reading.snapshot.iter().flat_map(|snapshot| &snapshot.positions);
    let rows = rows.filter(|row| !row.released && symbol.is_none_or(|symbol| row.name == symbol)).map(|row| {
        let side = row.side.position();
        let cost = row.close_cost.map_or("?".to_owned(), |cost| format!("{cost:.2}"));
        format!("{} {side} {}, worth {}, costs about {cost} to close", row.name, row.qty, money(row.notional))
    });
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() { "nothing of ours is open there".to_owned() } else { rows.join("\n") }
}

fn money(amount: Option<Money>) -> String {
    amount.map_or("?".to_owned(), |amount| format!("{amount:.2}"))
}

fn signed(amount: Money) -> String {
    if amount < Money::ZERO { format!("{amount:.2}") } else { format!("+{amount:.2}") }
}

fn drawdown(snapshot: &Snapshot) -> String {
    snapshot.account.drawdown_pct.map_or("?".to_owned(), |percent| format!("{percent:.2} %"))
}
