//! Row 1: what market, whose money, may it trade, how much is at stake, is it alive. State before data, at every width.
//!
//! Every piece has forms from short to long, every form a rank. Forms are granted in order of rank while they fit, so a
//! narrow screen loses detail before it loses a word, and no number is ever cut.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::figures;
use super::pen::{Pen, columns, shorten};
use crate::engine::ids::{Account, Market};
use crate::engine::num::UNIT;
use crate::engine::risk::limits::LimitKey;
use crate::engine::snapshot::{Playback, SessionView, Snapshot, StateView, StateWord};
use crate::engine::time::{Span, Ts};
use crate::tui::glyphs::Glyphs;
use crate::tui::panes::Scene;
use crate::tui::theme::Theme;

/// One piece of the banner.
struct Piece {
    /// Rank and text, shortest first. Lower ranks are granted first.
    forms: Vec<(u8, String)>,
    style: Style,
    /// Aligned to the right end.
    right: bool,
}

impl Piece {
    fn left(forms: Vec<(u8, String)>, style: Style) -> Self {
        Self { forms, style, right: false }
    }
    fn right(forms: Vec<(u8, String)>, style: Style) -> Self {
        Self { forms, style, right: true }
    }
}

/// Draws the banner over the whole of `area`, one row.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let ground = ground(scene);
    let pieces = pieces(scene, ground);
    let mut pen = Pen::new(buffer, area);
    pen.style_row(0, ground);
    let (chosen, spacing) = choose(&pieces, area.width);
    let separator = scene.theme.glyphs.separator;
    let gap = match spacing {
        Spacing::Wide => format!(" {separator} "),
        Spacing::Close => format!("{separator} "),
        Spacing::Tight => separator.to_string(),
    };
    let pad = spacing.padding() / 2;
    let mut x = pad;
    let mut right_width = pad;
    for (piece, form) in pieces.iter().zip(&chosen) {
        let Some(text) = form.and_then(|f| piece.forms.get(f)).map(|f| f.1.as_str()) else { continue };
        if piece.right {
            right_width += columns(text) + columns(&gap);
            continue;
        }
        if x > pad {
            x = pen.put(x, 0, &gap, ground);
        }
        x = pen.put(x, 0, text, piece.style);
    }
    let mut x = area.width.saturating_sub(right_width.saturating_sub(columns(&gap)));
    let mut first = true;
    for (piece, form) in pieces.iter().zip(&chosen).filter(|(p, _)| p.right) {
        let Some(text) = form.and_then(|f| piece.forms.get(f)).map(|f| f.1.as_str()) else { continue };
        if !first {
            x = pen.put(x, 0, &gap, ground);
        }
        first = false;
        x = pen.put(x, 0, text, piece.style);
    }
}

/// How far apart the pieces stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Wide,
    Close,
    Tight,
}

impl Spacing {
    const fn gap(self) -> u16 {
        match self {
            Self::Wide => 3,
            Self::Close => 2,
            Self::Tight => 1,
        }
    }
    /// Columns left free at both ends together.
    const fn padding(self) -> u16 {
        match self {
            Self::Wide | Self::Close => 2,
            Self::Tight => 0,
        }
    }
}

/// Grants forms in order of rank while they fit, as loosely as the essentials allow.
fn choose(pieces: &[Piece], width: u16) -> (Vec<Option<usize>>, Spacing) {
    let mut asked: Vec<(u8, usize, usize)> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        asked.extend(piece.forms.iter().enumerate().map(|(form, (rank, _))| (*rank, index, form)));
    }
    asked.sort_unstable();
    let grant = |spacing: Spacing| -> (Vec<Option<usize>>, u8) {
        let mut chosen: Vec<Option<usize>> = vec![None; pieces.len()];
        let mut refused = u8::MAX;
        for (rank, index, form) in &asked {
            let mut next = chosen.clone();
            if let Some(slot) = next.get_mut(*index) {
                *slot = Some(*form);
            }
            if total(pieces, &next, spacing.gap()) + spacing.padding() <= width {
                chosen = next;
            } else {
                refused = refused.min(*rank);
            }
        }
        (chosen, refused)
    };
    for (spacing, needed) in [(Spacing::Wide, ESSENTIALS), (Spacing::Close, WORDS)] {
        let (chosen, refused) = grant(spacing);
        if refused > needed {
            return (chosen, spacing);
        }
    }
    (grant(Spacing::Tight).0, Spacing::Tight)
}

/// Forms up to this rank are the words, the money with its name and the age of the feed, which must be there.
const WORDS: u8 = 6;
/// Forms up to this rank are worth standing closer for.
const ESSENTIALS: u8 = 9;

fn total(pieces: &[Piece], chosen: &[Option<usize>], gap: u16) -> u16 {
    let texts = pieces.iter().zip(chosen).filter_map(|(p, form)| form.and_then(|f| p.forms.get(f)));
    let (count, sum) = texts.fold((0_u16, 0_u16), |(n, w), (_, text)| (n + 1, w.saturating_add(columns(text))));
    sum.saturating_add(gap.saturating_mul(count.saturating_sub(1)))
}

/// Background by whose money it is.
fn ground(scene: &Scene<'_>) -> Style {
    let (pair, theme) = (scene.snapshot.session.pair, scene.theme);
    match (pair.market(), pair.account()) {
        _ if scene.snapshot.session.simulated_venue => theme.banner_sim,
        (Market::Bybit, Account::Live) => theme.banner_live,
        (Market::Bybit, Account::DemoAccount | Account::Testnet) => theme.banner_demo,
        (Market::Bybit, Account::Paper) => theme.banner_paper,
        (Market::Simulated | Market::Tape, _) => theme.banner_sim,
    }
}

fn pieces(scene: &Scene<'_>, ground: Style) -> Vec<Piece> {
    let (snapshot, theme) = (scene.snapshot, scene.theme);
    let loud = theme.killed;
    let ended = scene.ui.engine_ended;
    let mut pieces = Vec::with_capacity(12);
    pieces.push(market(snapshot, ground));
    if let Some(playback) = &snapshot.session.playback {
        pieces.push(Piece::left(tape(playback), ground));
    }
    pieces.push(Piece::left(account(snapshot.session.pair.account(), &theme.glyphs), ground));
    if ended {
        pieces.push(state_before_its_end(snapshot, theme));
    } else {
        pieces.push(state(snapshot, theme, ground));
    }
    if let Some(ms) = scene.ui.engine_silent_ms {
        let age = crate::engine::time::Span::from_ms(ms);
        // While the engine is silent nothing else on the screen is news: only the names come before it.
        let forms = if ended {
            vec![(1, format!("OLD {age}")), (5, format!("nobody listens, all is OLD {age}"))]
        } else {
            vec![(1, format!("SILENT {age}")), (5, format!("{} ENGINE SILENT {age}", theme.glyphs.fail))]
        };
        pieces.push(Piece::left(forms, theme.silent));
    }
    if scene.ui.frozen {
        pieces.push(Piece::left(vec![(4, "FROZEN".to_owned()), (13, "VIEW FROZEN".to_owned())], loud));
    }
    if snapshot.session.unattended {
        pieces.push(Piece::left(vec![(7, "UNATTENDED".to_owned())], ground.add_modifier(Modifier::BOLD)));
    }
    if snapshot.session.practice {
        pieces.push(Piece::left(
            vec![(4, "PRACTICE".to_owned()), (11, "PRACTICE: edge gate off".to_owned())],
            ground.add_modifier(Modifier::BOLD),
        ));
    }
    pieces.extend(money(snapshot, theme, ground));
    pieces.push(feed(scene, ground));
    pieces.push(Piece::right(vec![(12, format!("{}Z", snapshot.at.clock()))], ground));
    pieces
}

fn market(snapshot: &Snapshot, ground: Style) -> Piece {
    let session = &snapshot.session;
    let word = match (session.pair.market(), session.pair.account()) {
        (Market::Simulated, _) => vec![(1, "SIM".to_owned()), (2, "SIMULATED MARKET".to_owned())],
        (Market::Tape, _) => vec![(1, "TAPE".to_owned())],
        (Market::Bybit, Account::Paper | Account::Live) => vec![(1, "BYBIT".to_owned())],
        // The account's own words name Bybit already.
        (Market::Bybit, Account::DemoAccount | Account::Testnet) => vec![(14, "BYBIT".to_owned())],
    };
    let mut forms = word;
    if session.simulated_venue {
        forms = vec![(0, "SIM".to_owned()), (6, "SIM EXCHANGE".to_owned())];
    }
    if let Some((_, longest)) = forms.last().cloned()
        && let detail = market_detail(session)
        && !detail.is_empty()
    {
        forms.push((15, format!("{longest} · {detail}")));
    }
    Piece::left(forms, ground)
}

/// Which kind of replay and where it is: `what-if 4x 37%`, `audit paused 12%`, `what-if ended`.
fn tape(playback: &Playback) -> Vec<(u8, String)> {
    let kind = &playback.kind;
    let percent = format!("{:.0}%", playback.done * 100.0);
    let short = match playback.speed {
        _ if playback.ended => format!("{kind} ended"),
        speed if speed <= 0.0 => format!("{kind} paused"),
        speed => format!("{kind} {speed}x"),
    };
    let long = if playback.ended { short.clone() } else { format!("{short} {percent}") };
    vec![(5, short), (9, long)]
}

/// What there is to say about the market besides its word: `calm · seed 7`.
pub fn market_detail(session: &SessionView) -> String {
    let weather = session.weather.as_deref().filter(|weather| !session.market_label.contains(*weather));
    let parts = [weather, Some(session.market_label.as_str())];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn account(account: Account, glyphs: &Glyphs) -> Vec<(u8, String)> {
    match account {
        Account::Paper => vec![(0, format!("{}PAPER", glyphs.paper)), (7, format!("{} PAPER", glyphs.paper))],
        Account::DemoAccount => vec![(0, format!("{} BYBIT DEMO ACCOUNT", glyphs.demo))],
        Account::Testnet => vec![(0, format!("{} BYBIT TESTNET", glyphs.testnet))],
        Account::Live => {
            let bar = glyphs.live;
            vec![(0, format!("{bar}LIVE{bar}")), (2, format!("{bar}LIVE{bar}REAL MONEY{bar}"))]
        }
    }
}

/// The word of the state, longer forms with its cause. A latch or an unknown account is loud on every ground.
fn state(snapshot: &Snapshot, theme: &Theme, ground: Style) -> Piece {
    let (view, g) = (&snapshot.state, &theme.glyphs);
    let open = open_words(view, snapshot.at);
    let (forms, style) = match view.word {
        StateWord::Safe if view.exiting > 0 => {
            let exiting = view.exiting;
            let short = format!("DISARMED·exiting {exiting}");
            (
                vec![
                    (0, "DISARMED".to_owned()),
                    (2, short),
                    (5, format!("{} DISARMED · exiting {exiting}", g.exiting)),
                ],
                ground,
            )
        }
        StateWord::Safe => (
            vec![(0, "SAFE".to_owned()), (5, format!("{} SAFE", g.safe)), (11, format!("{} SAFE (disarmed)", g.safe))],
            ground,
        ),
        StateWord::Armed => {
            let left = view.armed_until.map_or_else(|| "?".to_owned(), |until| until.since(snapshot.at).to_string());
            (
                vec![(0, "ARMED".to_owned()), (2, format!("ARMED {left}")), (5, format!("{0} ARMED {left}", g.armed))],
                ground,
            )
        }
        StateWord::Reducing => (reducing(view, snapshot.at, g), theme.killed),
        StateWord::Tripped => {
            let cause = view.latch.as_ref().map(|l| l.cause.to_string());
            let short = format!("TRIPPED·{}", open.split(" (").next().unwrap_or(&open));
            let long = format!("{} TRIPPED · {open}", g.latched);
            (with_cause(vec![(0, "TRIPPED".to_owned()), (2, short), (5, long)], cause.as_deref(), g), theme.killed)
        }
        StateWord::Killed => {
            let short = format!("KILLED·{}", open.split(" (").next().unwrap_or(&open));
            let long = format!("{} KILLED · {open}", g.latched);
            (vec![(0, "KILLED".to_owned()), (2, short), (5, long)], theme.killed)
        }
        StateWord::Unknown => {
            let cause = view.reducing.first().map(|reason| reason.why.as_str()).or(view.arming_refused.as_deref());
            let long = format!("{} UNKNOWN", g.unknown);
            (with_cause(vec![(0, "UNKNOWN".to_owned()), (5, long)], cause, g), theme.killed)
        }
    };
    let forms = if style == theme.killed {
        forms.into_iter().map(|(rank, text)| (rank, if rank > 2 { format!(" {text} ") } else { text })).collect()
    } else {
        forms
    };
    Piece::left(forms, style)
}

/// An engine that has ended is in no state: the last one is a word of the past.
fn state_before_its_end(snapshot: &Snapshot, theme: &Theme) -> Piece {
    let word = snapshot.state.word.text();
    let long = format!("{} ENGINE ENDED", theme.glyphs.fail);
    let forms = vec![(0, "ENDED".to_owned()), (2, "ENGINE ENDED".to_owned()), (5, long.clone())];
    let forms = forms.into_iter().chain([(9, format!("{long} (was {word})"))]).collect();
    Piece::left(forms, theme.silent)
}

/// Armed or not, until when, and what is reduced: one instrument's reason leaves the others armed.
fn reducing(view: &StateView, at: Ts, g: &Glyphs) -> Vec<(u8, String)> {
    let long = reducing_words(view, at);
    let short = if view.armed_until.is_some() { "ARMED·REDUCING" } else { "REDUCING" };
    let forms = vec![(0, short.to_owned()), (2, long.replace(" · ", "·")), (5, format!("{} {long}", g.reducing))];
    with_cause(forms, view.reducing.first().map(|reason| reason.why.as_str()), g)
}

/// `ARMED 12m04 · REDUCING SOLUSDT`, `REDUCING`, `ARMED 42s · REDUCING 3 symbols`.
pub fn reducing_words(view: &StateView, at: Ts) -> String {
    let armed = view.armed_until.map_or(String::new(), |until| format!("ARMED {} · ", until.since(at)));
    let mut names: Vec<&str> = view.reducing.iter().filter_map(|reason| reason.name.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let everything = view.reducing.iter().any(|reason| reason.name.is_none());
    let what = match names.as_slice() {
        [] => String::new(),
        _ if everything => String::new(),
        [only] => format!(" {only}"),
        several => format!(" {} symbols", several.len()),
    };
    format!("{armed}REDUCING{what}")
}

/// Lengths of a cause in the banner with their ranks: it takes what money leaves over. It is whole in events and health.
const CAUSES: [(u8, u16); 3] = [(10, 24), (12, 48), (15, 96)];

/// The forms, and the last of them with as much of the cause as there is room for.
fn with_cause(mut forms: Vec<(u8, String)>, cause: Option<&str>, g: &Glyphs) -> Vec<(u8, String)> {
    let Some((cause, longest)) = cause.zip(forms.last().map(|form| form.1.clone())) else { return forms };
    for (rank, width) in CAUSES {
        forms.push((rank, format!("{longest}: {}", shorten(cause, width, g.ellipsis))));
    }
    forms
}

/// `2 OPEN`, `CLOSING 2`, `FLAT (proven 14:32:09)`, `1 UNKNOWN`: killed is not flat.
pub fn open_words(view: &StateView, now: Ts) -> String {
    let unknown = view.unresolved.len();
    match (view.open, view.flat_proven) {
        (open, _) if view.closing => format!("CLOSING {open}"),
        (0, _) if unknown > 0 => format!("{unknown} UNKNOWN"),
        (open, _) if unknown > 0 => format!("{open} OPEN · {unknown} UNKNOWN"),
        (0, Some(at)) => format!("FLAT (proven {})", moment(at, now)),
        (0, None) => "0 OPEN (not proven)".to_owned(),
        (open, _) => format!("{open} OPEN"),
    }
}

/// A time of today by the clock, an older one with its day.
pub fn moment(at: Ts, now: Ts) -> String {
    const TODAY: Span = Span::from_secs(12 * 3600);
    if now.since(at) < TODAY { at.clock() } else { at.to_string().chars().take(16).collect() }
}

fn money(snapshot: &Snapshot, theme: &Theme, ground: Style) -> Vec<Piece> {
    let account = &snapshot.account;
    let equity = account.equity.map_or_else(|| "?".to_owned(), figures::money);
    let mut pieces = vec![Piece::left(
        vec![
            (3, equity.clone()),
            (4, format!("eq {equity}")),
            (10, format!("equity {equity}")),
            (17, format!("equity {equity} USDT")),
        ],
        ground,
    )];
    let day = account.day_pnl.map_or_else(
        || "?".to_owned(),
        |pnl| {
            let arrow = figures::sign_arrow(pnl.to_f64_lossy(), &theme.glyphs);
            format!("{arrow} {}", figures::signed_money(pnl))
        },
    );
    let mut forms = vec![(3, day.clone()), (4, format!("day {day}"))];
    if let Some(pct) = account.day_pnl_pct {
        forms.push((16, format!("day {day} ({}%)", figures::signed(pct, 2))));
    }
    pieces.push(Piece::left(forms, ground));
    let limit = limit_value(snapshot, LimitKey::MaxDrawdownPct);
    let used = account.drawdown_pct.map_or_else(|| "?".to_owned(), |pct| figures::plain(pct, 1));
    let allowed = limit.map_or_else(|| "?".to_owned(), |pct| figures::plain(pct, 1));
    pieces.push(Piece::left(
        vec![(8, format!("dd {used}/{allowed}%")), (14, format!("dd {used}% of {allowed}%"))],
        ground,
    ));
    pieces
}

fn feed(scene: &Scene<'_>, ground: Style) -> Piece {
    let (snapshot, theme) = (scene.snapshot, scene.theme);
    let g = &theme.glyphs;
    if scene.ui.is_old() {
        // Nobody knows how old the stream of an engine is that says nothing.
        let forms = vec![(4, format!("{} ?", g.fail)), (13, format!("feed {} not known", g.fail))];
        return Piece::right(forms, theme.silent);
    }
    let bound = limit_value(snapshot, LimitKey::MaxDataAgeMs);
    let (text, word, style) = match snapshot.health.feed_age {
        None => (format!("{} --", g.skip), "feed", ground),
        Some(age) if bound.is_some_and(|ms| age.as_secs_f64() * 1e3 > ms) => {
            (format!("{} STALE {age}", g.fail), "feed", theme.killed)
        }
        Some(age) => (format!("{} {age:>5}", g.ok, age = age.to_string()), "feed", ground),
    };
    Piece::right(vec![(4, text.clone()), (13, format!("{word} {text}"))], style)
}

/// A limit's value in its unit.
fn limit_value(snapshot: &Snapshot, key: LimitKey) -> Option<f64> {
    snapshot.limits.iter().find(|row| row.key == key).map(|row| row.value as f64 / UNIT as f64)
}
