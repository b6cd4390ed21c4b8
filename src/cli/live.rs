//! `tickdeck`, `tickdeck run` and `tickdeck record` on Bybit's market: whose account, which hosts, which symbols.

use std::sync::Arc;

use super::global::{Front, Global};
use super::lines::{Lines, finish_lines};
use super::output::note;
use super::runs::{Place, conclude, headless, needs_terminal, start_failure};
use super::unlock::{Typed, locked, may_trade, unlock};
use super::watching::Watching;
use super::{HeadlessOptions, LineFormat, RecordOptions};
use crate::engine::ids::{Account, Pair};
use crate::engine::time::Span;
use crate::keys;
use crate::run::assemble::Shown;
use crate::run::cockpit as screen;
use crate::run::exit::{Exit, Failure};
use crate::run::live::{LiveOptions, Prepared, PrivateAccess, RescueAccess, session as live_session};
use crate::run::session::Session;
use crate::run::stage::Departure;
use crate::run::switch::{Switch, Wanted};
use crate::venue::bybit::account::Transport;
use crate::venue::bybit::credentials::{Credentials, PrivateAccount};
use crate::venue::bybit::hosts::{HostError, Network, PrivateHosts, PublicHosts, Region};
use crate::venue::bybit::public::{PublicOptions, Timing};
use crate::venue::bybit::rest::SharedLimits;
use crate::venue::bybit::signs::Signs;

const PRACTICE: &str =
    "--practice trades without an edge and loses the fees: real money does not practise; nothing was started";

const MIXED: &str = "bybit.ws_public_url and the account's addresses lie in different places, one of them on this machine: \
                     an order is never priced from another market's book. Set all four addresses or none; nothing was \
                     started";

/// `tickdeck` without a command.
pub(super) fn cockpit(global: &Global, practice: bool) -> Result<(), Failure> {
    if global.front == Front::Lines {
        return headless(global, &HeadlessOptions::lines(practice));
    }
    let place = Place::load(global)?;
    needs_terminal("tickdeck run")?;
    place.files.make_data_dir().map_err(Failure::error)?;
    let account = global.account();
    let mut session = session(global, &place, practice, place.on_screen(), Some(way(place.clone(), practice)))?;
    let pair = Pair::bybit(account);
    let _watching = Watching::start(&place, &mut session, pair);
    conclude(screen::run(session, place.ui(global), Some((place.files.ledger(pair), pair))))
}

/// The way from one account to another: what a start would look at is looked at again.
fn way(place: Place, practice: bool) -> Switch {
    Switch::new(Arc::new(move |asked: Wanted| {
        let failed = |failure: Failure| failure.message;
        let typed = Typed::Text(asked.typed.as_deref().unwrap_or_default());
        let options = wanted(&place, asked.account, &typed, practice).map_err(failed)?;
        // Real money's key was asked about when it was unlocked.
        if let Some(access) = options.private.as_ref().filter(|access| access.account != Account::Live) {
            may_trade(&place, access).map_err(failed)?;
        }
        let setup = place.setup(asked.account).map_err(failed)?;
        Prepared::new(setup, options, asked.running.as_ref(), asked.at).map_err(|error| error.to_string())
    }))
}

/// `tickdeck record`.
pub(super) fn record(global: &Global, options: &RecordOptions) -> Result<(), Failure> {
    if global.account() != Account::Paper {
        return Err(Failure::new(Exit::Usage, "a recording takes public data and has no account: leave --mode out"));
    }
    let place = Place::find(global)?;
    let mut setup = place.setup(Account::Paper)?;
    setup.tape = Some(place.quota());
    setup.models.clear();
    let lines = Lines::new(LineFormat::Text, None, None);
    let (stop_after, departure) = (options.stop_after, Departure::default());
    let shown = Shown { fps: None, outputs: Some(lines.outputs()), stop_after, departure };
    let wanted = LiveOptions { recording: true, ..wanted(&place, Account::Paper, &Typed::Text(""), false)? };
    let session = live_session(setup, wanted, shown, None).map_err(start_failure)?;
    let tape = place.files.tape(session.driver.run_id());
    note(&format!("recording to {} until interrupted", tape.display()));
    let ended = screen::run_without_screen(session, place.files.data_dir().to_owned(), None);
    finish_lines();
    note(&format!("recorded {}; `tickdeck tape info` says what is in it", tape.display()));
    conclude(Ok(ended))
}

/// A session on Bybit's market with the account of `--mode`. Real money takes its ceremony first.
pub(super) fn session(
    global: &Global,
    place: &Place,
    practice: bool,
    shown: Shown,
    switch: Option<Switch>,
) -> Result<Session, Failure> {
    let account = global.account();
    let typed = global.confirm.as_deref().map_or(Typed::Terminal, Typed::Text);
    let options = wanted(place, account, &typed, practice)?;
    live_session(place.setup(account)?, options, shown, switch).map_err(start_failure)
}

fn wanted(place: &Place, account: Account, typed: &Typed<'_>, practice: bool) -> Result<LiveOptions, Failure> {
    if practice && account == Account::Live {
        return Err(Failure::configuration(PRACTICE));
    }
    let config = &place.loaded.config;
    let network = if account == Account::Testnet { Network::Testnet } else { Network::Mainnet };
    let unusable = |error: HostError| Failure::configuration(format!("bybit.{error}; nothing was started"));
    let region = Region::parse(&config.bybit.region).map_err(unusable)?;
    let hosts = PublicHosts::new(network, region, &config.bybit.overrides()).map_err(unusable)?;
    let public = PublicOptions {
        hosts,
        symbols: config.symbols.clone(),
        depth: u16::try_from(config.bybit.book_depth).unwrap_or(50),
        proxy: config.bybit.proxy(),
        limits: SharedLimits::default(),
        signs: Signs::default(),
        timing: Timing::default(),
    };
    let private = access(place, account, typed, keys::credentials)?;
    if let Some(private) = &private
        && private.hosts.is_simulated() != public.hosts.is_simulated()
    {
        return Err(Failure::configuration(MIXED));
    }
    let watchdog = super::watchdog::plan(place, account)?;
    Ok(LiveOptions { public, private, recording: false, practice, watchdog })
}

/// Finds the texts that open an account.
pub(super) type Find = fn(Account, &keys::Places) -> Result<keys::Credentials, keys::KeysError>;

/// The way to an account; `None` for paper, which has no key and names no private host.
pub(super) fn access(
    place: &Place,
    account: Account,
    typed: &Typed<'_>,
    find: Find,
) -> Result<Option<PrivateAccess>, Failure> {
    let config = &place.loaded.config;
    let mut notes = Vec::new();
    let (credentials, hosts) = match account {
        Account::Paper => return Ok(None),
        Account::DemoAccount => play_money(place, account, PrivateAccount::Demo, find)?,
        Account::Testnet => play_money(place, account, PrivateAccount::Testnet, find)?,
        Account::Live => {
            let unlocked = unlock(place, typed, find)?;
            notes = unlocked.notes;
            (unlocked.credentials, unlocked.hosts)
        }
    };
    Ok(Some(PrivateAccess {
        account,
        hosts,
        credentials,
        notes,
        transport: if config.bybit.order_transport == "ws" { Transport::Socket } else { Transport::Rest },
        recv_window_ms: millis(config.bybit.recv_window),
        create_recv_window_ms: millis(config.bybit.create_recv_window),
    }))
}

/// The way to an account for what only tightens: real money takes no ceremony here, and none of its checks.
pub(super) fn to_tighten(place: &Place, account: Account, find: Find) -> Result<RescueAccess, Failure> {
    let config = &place.loaded.config;
    let (credentials, hosts) = match account {
        Account::Paper => return Err(Failure::configuration("there is no way to the paper account: it has no key")),
        Account::DemoAccount => play_money(place, account, PrivateAccount::Demo, find)?,
        Account::Testnet => play_money(place, account, PrivateAccount::Testnet, find)?,
        Account::Live => locked(config, find)?.to_tighten(),
    };
    Ok(RescueAccess {
        account,
        hosts,
        credentials,
        recv_window_ms: millis(config.bybit.recv_window),
        create_recv_window_ms: millis(config.bybit.create_recv_window),
    })
}

fn millis(span: Span) -> u32 {
    u32::try_from(span.as_ms()).unwrap_or(u32::MAX)
}

type Opened = (Arc<Credentials>, PrivateHosts);

/// The key pair of an account that is no real money, and its hosts.
fn play_money(place: &Place, account: Account, whose: PrivateAccount, find: Find) -> Result<Opened, Failure> {
    let config = &place.loaded.config;
    let places = config.keys.of(account).cloned().unwrap_or_default();
    let found = find(account, &places).map_err(Failure::configuration)?;
    let credentials = Credentials::new(whose, found.api_key.expose(), found.secret.into_text())
        .map_err(|error| Failure::configuration(format!("{}: {error}; nothing was started", account.word())))?;
    let hosts = PrivateHosts::new(&credentials, &config.bybit.overrides())
        .map_err(|error| Failure::configuration(format!("bybit.{error}; nothing was started")))?;
    Ok((Arc::new(credentials), hosts))
}
