//! The master switch: whose money, may it trade, what ends it, what a kill would do, what stands in the way of arming.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::ids::{Account, Market};
use crate::engine::snapshot::{Check, Health, StateView, StateWord};
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::{banner, bars};

/// The pane.
pub struct Master;

/// Where the values begin.
const VALUES: u16 = 8;

impl Pane for Master {
    fn id(&self) -> PaneId {
        PaneId::Master
    }
    fn title(&self, _: &Scene<'_>) -> String {
        "master".to_owned()
    }
    fn min(&self) -> (u16, u16) {
        (36, 6)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let theme = scene.theme;
        let mut lines = vec![
            ("money", money(scene), theme.bright, "m"),
            ("market", market(scene), theme.text, ""),
            ("arm", arming(scene), arm_style(scene), arm_key(scene)),
            ("", consequence(&scene.snapshot.state, scene), theme.dim, ""),
            ("kill", kill(scene), theme.dim, "^K"),
        ];
        if let Some(playback) = &scene.snapshot.session.playback {
            let (full, rest) = bars::line(playback.done, 12, &theme.glyphs);
            let speed = match playback.speed {
                _ if playback.ended => "at its end".to_owned(),
                s if s > 0.0 => format!("{s}x"),
                _ => "paused".to_owned(),
            };
            lines.push(("tape", format!("{full}{rest} {:3.0}% {speed}", playback.done * 100.0), theme.text, ""));
        }
        let mut pen = Pen::new(buffer, area);
        let mut y = 0;
        for (label, value, style, key) in lines {
            pen.put(0, y, label, theme.dim);
            let room = area.width.saturating_sub(VALUES + if key.is_empty() { 0 } else { 4 });
            pen.text(VALUES, y, room, &value, style, theme.glyphs.ellipsis);
            pen.number(area.width.saturating_sub(3), y, 3, key, theme.key, ' ');
            y += 1;
        }
        draw_preflight(&scene.snapshot.state.preflight, y, theme, &mut pen);
    }
}

fn money(scene: &Scene<'_>) -> String {
    let g = &scene.theme.glyphs;
    match scene.snapshot.session.pair.account() {
        Account::Paper => format!("{} PAPER, no real money", g.paper),
        Account::DemoAccount => format!("{} BYBIT DEMO ACCOUNT", g.demo),
        Account::Testnet => format!("{} BYBIT TESTNET", g.testnet),
        Account::Live => format!("{0}LIVE{0}REAL MONEY{0}", g.live),
    }
}

fn market(scene: &Scene<'_>) -> String {
    let session = &scene.snapshot.session;
    let word = match session.pair.market() {
        Market::Bybit if session.simulated_venue => "SIMULATED exchange",
        Market::Bybit => "Bybit",
        Market::Simulated => "simulated",
        Market::Tape => "tape",
    };
    match banner::market_detail(session) {
        detail if detail.is_empty() => word.to_owned(),
        detail => format!("{word} · {detail}"),
    }
}

/// The key that changes the state.
fn arm_key(scene: &Scene<'_>) -> &'static str {
    match &scene.snapshot.state {
        state if state.latch.is_some() => "R",
        state if state.armed_until.is_some() => "d",
        _ => "A",
    }
}

fn arm_style(scene: &Scene<'_>) -> Style {
    if scene.ui.engine_ended {
        return scene.theme.alarm;
    }
    match scene.snapshot.state.word {
        StateWord::Safe | StateWord::Armed => scene.theme.bright,
        StateWord::Reducing => scene.theme.warn,
        StateWord::Tripped | StateWord::Killed | StateWord::Unknown => scene.theme.alarm,
    }
}

fn arming(scene: &Scene<'_>) -> String {
    let (state, g) = (&scene.snapshot.state, &scene.theme.glyphs);
    if scene.ui.engine_ended {
        return format!("{} ENGINE ENDED, was {}", g.fail, state.word.text());
    }
    match state.word {
        StateWord::Safe if state.exiting > 0 => format!("{} DISARMED, exiting {}", g.exiting, state.exiting),
        StateWord::Safe => format!("{} SAFE (disarmed)", g.safe),
        StateWord::Armed => {
            let left = state.armed_until.map_or_else(|| "?".to_owned(), |u| u.since(scene.snapshot.at).to_string());
            format!("{} ARMED, {left} left", g.armed)
        }
        StateWord::Reducing => format!("{} {}", g.reducing, banner::reducing_words(state, scene.snapshot.at)),
        StateWord::Tripped => format!("{} TRIPPED", g.latched),
        StateWord::Killed => format!("{} KILLED", g.latched),
        StateWord::Unknown => format!("{} UNKNOWN", g.unknown),
    }
}

/// One line: why it may not trade, or what ends it.
fn consequence(state: &StateView, scene: &Scene<'_>) -> String {
    if scene.ui.engine_ended {
        return "nobody listens at its socket: what is shown is old".to_owned();
    }
    if let Some(latch) = &state.latch {
        return format!("{} · R resets", latch.cause);
    }
    if let Some(cause) = state.reducing.first() {
        return cause.name.as_ref().map_or_else(|| cause.why.clone(), |name| format!("{name}: {}", cause.why));
    }
    match state.word {
        StateWord::Armed => state.armed_until.map_or_else(String::new, |until| format!("lapses at {}", until.clock())),
        StateWord::Unknown => "the account is not known for certain".to_owned(),
        _ => match &state.arming_refused {
            Some(why) => format!("refused: {why}"),
            None => format!("arms for {}, then safe", scene.snapshot.state.arm_for),
        },
    }
}

/// What a kill does now; what was released to the person is never closed by it.
fn kill(scene: &Scene<'_>) -> String {
    let (state, positions) = (&scene.snapshot.state, &scene.snapshot.positions);
    let yours = positions.iter().filter(|row| row.released).count();
    match (positions.len() - yours, yours) {
        (ours, _) if state.closing => format!("closing {ours}"),
        _ if !state.unresolved.is_empty() => format!("UNKNOWN: {}", state.unresolved.join(", ")),
        (0, 0) => "nothing open".to_owned(),
        (ours, 0) => format!("latches; Enter closes {ours}"),
        (0, yours) => format!("latches; closes none, {yours} yours"),
        (ours, yours) => format!("Enter closes {ours}, keeps {yours} yours"),
    }
}

/// Every check while there is room, otherwise the counts and the first that is not ok.
fn draw_preflight(checks: &[Check], y: u16, theme: &Theme, pen: &mut Pen<'_>) {
    if checks.is_empty() {
        return;
    }
    let room = usize::from(pen.height().saturating_sub(y));
    pen.put(0, y, "checks", theme.dim);
    if checks.len() <= room {
        for (y, check) in (y..).zip(checks) {
            let text = format!("{} {}: {}", check.health.glyph(&theme.glyphs), check.name, check.detail);
            pen.text(
                VALUES,
                y,
                pen.width().saturating_sub(VALUES),
                &text,
                check.health.style(theme),
                theme.glyphs.ellipsis,
            );
        }
        return;
    }
    let mut x = VALUES;
    for health in [Health::Ok, Health::Warn, Health::Fail] {
        let count = checks.iter().filter(|c| c.health == health).count();
        if count > 0 {
            let text = format!("{} {count} {}", health.glyph(&theme.glyphs), health.word());
            x = pen.put(x, y, &text, health.style(theme)) + 2;
        }
    }
    let worst = checks.iter().find(|c| c.health == Health::Fail).or(checks.iter().find(|c| c.health == Health::Warn));
    if let Some(check) = worst {
        let text = format!("{}: {}", check.name, check.detail);
        let style = check.health.style(theme);
        let (x, y) = if room > 1 { (VALUES, y + 1) } else { (x, y) };
        pen.text(x, y, pen.width().saturating_sub(x), &text, style, theme.glyphs.ellipsis);
    }
}
