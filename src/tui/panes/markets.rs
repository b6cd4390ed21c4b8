//! Every market in a row, with the answer to "why does it not trade?". One row high, it is a ticker.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::market::book::BookState;
use crate::engine::num::{Money, Qty, Side};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::{Freshness, MarketRow, Verdict};
use crate::tui::theme::Theme;
use crate::tui::widgets::figures::{self, long_short, side_arrow};
use crate::tui::widgets::pen::{Pen, columns};
use crate::tui::widgets::table::{self, Cell, Column, Row, number, rest, words};

/// The pane.
pub struct Markets;

const COLUMNS: [Column; 12] = [
    words("", 1, 0),
    words("symbol", 9, 0),
    number("last", 10, 0),
    words("", 1, 0),
    number("change", 8, 2),
    words("trend", 7, 7),
    words("up·fl·down", 10, 6),
    words("u/f/d %", 8, 4),
    number("edge bp", 7, 3),
    number("position", 9, 1),
    number("uPnL", 9, 1),
    rest("verdict", 14, 2),
];

impl Pane for Markets {
    fn id(&self) -> PaneId {
        PaneId::Markets
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let day = scene.snapshot.markets.iter().all(|row| row.change_is_24h);
        let since = if day { "change over 24 h" } else { "change since start" };
        match filter(scene) {
            Some(text) => format!("markets · {since} · filter {text}"),
            None => format!("markets · {since}"),
        }
    }
    fn note(&self, scene: &Scene<'_>, room: Rect) -> String {
        if room.height < 2 { String::new() } else { table::range(visible(scene).count(), selected(scene), room.height) }
    }
    fn min(&self) -> (u16, u16) {
        (40, 3)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        if area.height == 1 {
            return draw_ticker(scene, area, buffer);
        }
        let rows: Vec<&MarketRow> = visible(scene).collect();
        if rows.is_empty() {
            Pen::new(buffer, area).put(1, 0, "no markets", scene.theme.dim);
            return;
        }
        let lines: Vec<Row> = rows.iter().map(|row| line(row, scene)).collect();
        table::draw(&COLUMNS, &lines, selected(scene), area, scene.theme, buffer);
    }
}

/// The market in front, while the pane has the focus.
fn selected(scene: &Scene<'_>) -> Option<usize> {
    let focused = scene.ui.focus == PaneId::Markets;
    visible(scene).position(|row| row.symbol == scene.ui.symbol).filter(|_| focused)
}

fn filter<'a>(scene: &'a Scene<'_>) -> Option<&'a str> {
    (scene.ui.focus == PaneId::Markets && !scene.ui.filter.is_empty()).then_some(scene.ui.filter.as_str())
}

fn visible<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a MarketRow> {
    let wanted = filter(scene);
    scene.snapshot.markets.iter().filter(move |row| wanted.is_none_or(|text| row.name.to_lowercase().contains(text)))
}

/// Is the row's price not to be trusted now?
fn is_stale(row: &MarketRow) -> bool {
    row.last.fresh().is_none() || row.book != BookState::Valid
}

fn line(row: &MarketRow, scene: &Scene<'_>) -> Row {
    let theme = scene.theme;
    let front = row.symbol == scene.ui.symbol;
    let change = row.change_pct.unwrap_or(0.0);
    let direction = f64::from(row.direction);
    let stale = is_stale(row);
    let pnl = row.unrealised.map_or(0.0, Money::to_f64_lossy);
    let edge = row.edge_bps.unwrap_or(0.0);
    let (why, why_style) = verdicts(row, theme);
    Row {
        dim: stale,
        cells: vec![
            Cell::Text(if front { theme.glyphs.front.to_string() } else { " ".to_owned() }, theme.bright),
            Cell::Text(row.name.clone(), if front { theme.bright } else { theme.text }),
            Cell::Number(last(row), theme.bright),
            Cell::Text(arrow(row, theme), theme.signed(direction)),
            Cell::Number(change_text(row), theme.signed(change)),
            Cell::Spark(row.spark.clone(), theme.dim),
            Cell::Shares(if stale { None } else { row.probs }),
            Cell::Text(
                if stale {
                    "--/--/--".to_owned()
                } else {
                    row.probs.map_or_else(|| "--/--/--".to_owned(), figures::probabilities)
                },
                theme.text,
            ),
            Cell::Number(
                figures::or_unknown(row.edge_bps.filter(|_| !stale), |e| figures::signed(e, 1)),
                theme.signed(edge),
            ),
            Cell::Number(position(row, theme), theme.signed(row.position as f64)),
            Cell::Number(pnl_text(row), theme.signed(pnl)),
            Cell::Forms(why, why_style),
        ],
    }
}

fn last(row: &MarketRow) -> String {
    figures::or_unknown(row.last.value(), |price| figures::price(*price, row.price_decimals))
}

fn arrow(row: &MarketRow, theme: &Theme) -> String {
    if is_stale(row) {
        " ".to_owned()
    } else {
        figures::sign_arrow(f64::from(row.direction), &theme.glyphs).to_string()
    }
}

fn change_text(row: &MarketRow) -> String {
    figures::or_unknown(row.change_pct, |pct| format!("{}%", figures::signed(pct, 2)))
}

fn position(row: &MarketRow, theme: &Theme) -> String {
    if row.position == 0 {
        return "-".to_owned();
    }
    let qty = figures::qty(Qty::from_raw(row.position.saturating_abs()), row.qty_decimals);
    format!("{}{qty}", figures::sign_arrow(row.position as f64, &theme.glyphs))
}

fn pnl_text(row: &MarketRow) -> String {
    match (row.position, row.unrealised) {
        (0, _) => "-".to_owned(),
        (_, pnl) => figures::or_unknown(pnl, figures::signed_money),
    }
}

/// The verdict from long to short: the code of a denial goes before its numbers.
fn verdicts(row: &MarketRow, theme: &Theme) -> (Vec<String>, Style) {
    let (whole, style) = verdict(row, theme);
    let mut forms = vec![whole];
    if let Verdict::Denied(_, denial) | Verdict::Quiet(denial) = &row.verdict
        && let Some(head) = forms.first().and_then(|whole| whole.strip_suffix(&denial.to_string())).map(str::to_owned)
        && !denial.detail.is_empty()
    {
        forms.push(format!("{head}{}", denial.detail));
        forms.push(format!("{head}{}", denial.code.text()));
    }
    (forms, style)
}

/// What timed execution does with what is wanted: `timed: joins, 3.2 s left`.
pub(crate) fn waiting(row: &MarketRow) -> Option<String> {
    let (plan, left) = row.timed?;
    let left = left.as_ms().max(0) as f64 / 1e3;
    Some(format!("timed: {}, {left:.1} s left", plan.word()))
}

/// Why it does or does not trade now; a stream that cannot be trusted says so first.
pub(crate) fn verdict(row: &MarketRow, theme: &Theme) -> (String, Style) {
    let g = &theme.glyphs;
    let side = |side: Side| format!("{}{}", side_arrow(side, g), long_short(side));
    let tone = |side: Side| theme.signed(side.sign() as f64);
    match (&row.last, row.book) {
        (Freshness::Missing, _) => return ("no price yet".to_owned(), theme.dim),
        (Freshness::Stale { age, .. }, _) => return (format!("{} STALE {age}", g.fail), theme.warn),
        (_, BookState::Gapped) => return (format!("{} BOOK GAPPED", g.fail), theme.warn),
        (_, BookState::Missing) => return ("no book yet".to_owned(), theme.dim),
        (_, BookState::Valid) => {}
    }
    let timed = waiting(row).map_or_else(String::new, |waiting| format!(", {waiting}"));
    match &row.verdict {
        Verdict::Waiting => ("waiting for a decision".to_owned(), theme.dim),
        Verdict::Flat => ("flat, nothing wanted".to_owned(), theme.dim),
        Verdict::Entering(s) => (format!("{} entering{timed}", side(*s)), tone(*s)),
        Verdict::Holding(s) => (format!("{} held{timed}", side(*s)), tone(*s)),
        Verdict::Exiting(s) => (format!("{} exiting{timed}", side(*s)), tone(*s)),
        Verdict::Denied(s, denial) => (format!("{} {} {denial}", side(*s), g.veto), theme.text),
        Verdict::Quiet(denial) => match row.warming {
            Some(left) if matches!(denial.code, DenialCode::PredictionMissing | DenialCode::PredictionStale) => {
                (format!("warming {left}"), theme.dim)
            }
            _ => (denial.to_string(), theme.dim),
        },
    }
}

/// As many whole markets as fit, the one in front first.
fn draw_ticker(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let theme = scene.theme;
    let mut pen = Pen::new(buffer, area);
    let markets = &scene.snapshot.markets;
    let front = markets.iter().position(|row| row.symbol == scene.ui.symbol).unwrap_or(0);
    let mut x = 0;
    for row in markets.iter().cycle().skip(front).take(markets.len()) {
        let mark = if row.symbol == scene.ui.symbol { theme.glyphs.front } else { ' ' };
        let (price, change) = (last(row), change_text(row));
        let age = match &row.last {
            Freshness::Stale { age, .. } => format!(" STALE {age}"),
            _ => String::new(),
        };
        let width = 1 + columns(&row.name) + 1 + columns(&price) + 1 + 1 + columns(&change) + columns(&age);
        if x + width > area.width {
            break;
        }
        let stale = is_stale(row);
        let tone = |style| if stale { theme.dim } else { style };
        x = pen.put(x, 0, &format!("{mark}{} ", row.name), tone(theme.text));
        x = pen.put(x, 0, &price, tone(theme.bright));
        x = pen.put(x, 0, &arrow(row, theme), tone(theme.signed(f64::from(row.direction))));
        x = pen.put(x, 0, &format!(" {change}"), tone(theme.signed(row.change_pct.unwrap_or(0.0))));
        x = pen.put(x, 0, &age, theme.warn) + 2;
    }
}
