//! `tickdeck`, `tickdeck run` and `tickdeck record` on Bybit's market: whose account, which hosts, which symbols.

use std::sync::Arc;

use super::global::{Front, Global};
use super::lines::{Lines, finish_lines};
use super::output::note;
use super::runs::{Place, conclude, headless, needs_terminal, start_failure};
use super::{HeadlessOptions, LineFormat, RecordOptions};
use crate::engine::ids::{Account, Pair};
use crate::engine::time::Span;
use crate::keys;
use crate::run::assemble::Shown;
use crate::run::cockpit as screen;
use crate::run::exit::{Exit, Failure};
use crate::run::live::{LiveOptions, PrivateAccess, session as live_session};
use crate::run::session::Session;
use crate::tui::link::CockpitEnd;
use crate::venue::bybit::account::Transport;
use crate::venue::bybit::credentials::{Credentials, PrivateAccount};
use crate::venue::bybit::hosts::{HostError, Network, PrivateHosts, PublicHosts, Region};
use crate::venue::bybit::public::{PublicOptions, Timing};
use crate::venue::bybit::rest::SharedLimits;

const NO_LIVE: &str = "--mode live: this version does not trade real money. It will once it is proven that every intent \
                       becomes one order at most under every fault, and that flat is verified; until then --mode testnet \
                       and --mode demo-account trade play money. Nothing was started";

const MIXED: &str = "bybit.ws_public_url and the account's addresses lie in different places, one of them on this machine: \
                     an order is never priced from another market's book. Set all four addresses or none; nothing was \
                     started";

/// `tickdeck` without a command.
pub(super) fn cockpit(global: &Global, practice: bool) -> Result<(), Failure> {
    if global.front == Front::Lines {
        return headless(global, &HeadlessOptions::lines(practice));
    }
    refuse_live(global)?;
    needs_terminal("tickdeck run")?;
    let place = Place::find(global)?;
    let (session, end, pair) = session(global, &place, practice, place.on_screen())?;
    conclude(screen::run(session, end, place.ui(global), Some((place.files.ledger(pair), pair))))
}

/// `tickdeck record`.
pub(super) fn record(global: &Global, options: &RecordOptions) -> Result<(), Failure> {
    if global.account() != Account::Paper {
        return Err(Failure::new(Exit::Usage, "a recording takes public data and has no account: leave --mode out"));
    }
    let place = Place::find(global)?;
    let mut setup = place.setup()?;
    setup.tape = Some(place.quota());
    setup.models.clear();
    let lines = Lines::new(LineFormat::Text, None);
    let shown = Shown { fps: None, outputs: Some(lines.outputs()), stop_after: options.stop_after };
    let wanted = LiveOptions { recording: true, ..wanted(global, &place, false)? };
    let (session, cockpit) = live_session(setup, wanted, shown).map_err(start_failure)?;
    let tape = place.files.tape(session.driver.run_id());
    note(&format!("recording to {} until interrupted", tape.display()));
    let ended = screen::run_without_screen(session, cockpit, place.files.data_dir().to_owned(), None);
    finish_lines();
    note(&format!("recorded {}; `tickdeck tape info` says what is in it", tape.display()));
    conclude(Ok(ended))
}

/// A session on Bybit's market with the account of `--mode`.
pub(super) fn session(
    global: &Global,
    place: &Place,
    practice: bool,
    shown: Shown,
) -> Result<(Session, CockpitEnd, Pair), Failure> {
    let wanted = wanted(global, place, practice)?;
    let (session, end) = live_session(place.setup()?, wanted, shown).map_err(start_failure)?;
    Ok((session, end, Pair::bybit(global.account())))
}

/// Real money is refused before anything is looked at.
pub(super) fn refuse_live(global: &Global) -> Result<(), Failure> {
    if global.account() == Account::Live { Err(Failure::configuration(NO_LIVE)) } else { Ok(()) }
}

fn wanted(global: &Global, place: &Place, practice: bool) -> Result<LiveOptions, Failure> {
    refuse_live(global)?;
    let config = &place.loaded.config;
    let network = if global.account() == Account::Testnet { Network::Testnet } else { Network::Mainnet };
    let unusable = |error: HostError| Failure::configuration(format!("bybit.{error}; nothing was started"));
    let region = Region::parse(&config.bybit.region).map_err(unusable)?;
    let hosts = PublicHosts::new(network, region, &config.bybit.overrides()).map_err(unusable)?;
    let public = PublicOptions {
        hosts,
        symbols: config.symbols.clone(),
        depth: u16::try_from(config.bybit.book_depth).unwrap_or(50),
        proxy: config.bybit.proxy(),
        limits: SharedLimits::default(),
        timing: Timing::default(),
    };
    let private = access(global, place)?;
    if let Some(private) = &private
        && private.hosts.is_simulated() != public.hosts.is_simulated()
    {
        return Err(Failure::configuration(MIXED));
    }
    let watchdog = super::watchdog::plan(global, place)?;
    Ok(LiveOptions { public, private, recording: false, practice, watchdog })
}

/// The way to the account of `--mode`; `None` for paper, which has no key and names no private host.
pub(super) fn access(global: &Global, place: &Place) -> Result<Option<PrivateAccess>, Failure> {
    access_by(global, place, keys::credentials)
}

/// The same with the watchdog's own key, where it has one.
pub(super) fn watchdog_access(global: &Global, place: &Place) -> Result<Option<PrivateAccess>, Failure> {
    access_by(global, place, keys::watchdog_credentials)
}

/// Finds the texts that open an account.
type Find = fn(Account, &keys::Places) -> Result<keys::Credentials, keys::KeysError>;

fn access_by(global: &Global, place: &Place, find: Find) -> Result<Option<PrivateAccess>, Failure> {
    let account = global.account();
    let whose = match account {
        Account::Paper | Account::Live => return Ok(None),
        Account::DemoAccount => PrivateAccount::Demo,
        Account::Testnet => PrivateAccount::Testnet,
    };
    let config = &place.loaded.config;
    let Some(places) = config.keys.of(account) else { return Ok(None) };
    let found = find(account, places).map_err(Failure::configuration)?;
    let credentials = Credentials::new(whose, found.api_key.expose(), found.secret.into_text())
        .map_err(|error| Failure::configuration(format!("{}: {error}; nothing was started", account.word())))?;
    let hosts = PrivateHosts::new(&credentials, &config.bybit.overrides())
        .map_err(|error| Failure::configuration(format!("bybit.{error}; nothing was started")))?;
    let millis = |span: Span| u32::try_from(span.as_ms()).unwrap_or(u32::MAX);
    Ok(Some(PrivateAccess {
        account,
        hosts,
        credentials: Arc::new(credentials),
        transport: if config.bybit.order_transport == "ws" { Transport::Socket } else { Transport::Rest },
        recv_window_ms: millis(config.bybit.recv_window),
        create_recv_window_ms: millis(config.bybit.create_recv_window),
    }))
}
