//! Equity over time and what it is made of: of the day its change, of this run realised PnL, fees, funding and how the closed trades
//! went.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Pane, PaneId, Scene};
use crate::engine::account::{Residual, TieOut};
use crate::engine::num::Money;
use crate::engine::snapshot::{AccountView, ShadowView};
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{Pen, columns, fitting};
use crate::tui::widgets::{curve, figures};

/// The pane.
pub struct Pnl;

impl Pane for Pnl {
    fn id(&self) -> PaneId {
        PaneId::Pnl
    }
    fn title(&self, scene: &Scene<'_>) -> String {
        let day = figures::or_unknown(scene.snapshot.account.day_pnl, figures::signed_money);
        match scene.snapshot.account.curve.first() {
            Some((since, _)) => format!("pnl today {day} · curve since {}", since.clock().get(..5).unwrap_or_default()),
            None => format!("pnl today {day}"),
        }
    }
    fn min(&self) -> (u16, u16) {
        (34, 4)
    }
    fn draw(&self, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let (account, theme) = (&scene.snapshot.account, scene.theme);
        let shadow = scene.snapshot.shadow.as_ref();
        let residual = account.tie_out != TieOut::Nothing;
        let more = [residual, shadow.is_some(), account.theirs.is_some()];
        let text_rows = area.height.min(3 + more.iter().map(|row| u16::from(*row)).sum::<u16>());
        let plot = Rect { height: area.height - text_rows, ..area };
        if plot.height > 0 {
            draw_curve(account, plot, theme, buffer);
        }
        let text = Rect { y: area.y + plot.height, height: text_rows, ..area };
        let mut pen = Pen::new(buffer, text);
        amounts(&mut pen, 0, &[("equity", account.equity, false), ("open", account.unrealised, true)], theme);
        let of_the_run = |realised: &'static str| {
            [
                (realised, Some(account.realised), true),
                ("fees", Some(-account.fees), true),
                ("fund", Some(account.funding), true),
            ]
        };
        let named = of_the_run("run realised");
        let parts = if amounts_width(&named) <= area.width { named } else { of_the_run("realised") };
        amounts(&mut pen, 1, &parts, theme);
        let mut row = 2;
        if let Some(theirs) = account.theirs {
            let text = format!("yours {} (not tickdeck's; in equity only)", figures::signed_money(theirs));
            pen.text(0, row, area.width, &text, theme.dim, theme.glyphs.ellipsis);
            row += 1;
        }
        if residual {
            let (forms, style) = residuals(account.tie_out, theme);
            pen.put(0, row, &fitting(&forms, area.width, theme.glyphs.ellipsis), style);
            row += 1;
        }
        pen.put(0, row, &fitting(&trades(account), area.width, theme.glyphs.ellipsis), theme.dim);
        if let Some(shadow) = shadow {
            let text = fitting(&beside_paper(shadow, account), area.width, theme.glyphs.ellipsis);
            pen.put(0, row + 1, &text, theme.dim);
        }
    }
}

/// What the exchange's log has more than our books of each figure above, and when that was last known; long to short, the
/// shortest in the order of the figures.
fn residuals(tie_out: TieOut, theme: &Theme) -> (Vec<String>, Style) {
    let TieOut::Known { at, residual } = tie_out else {
        let forms = ["residual ? (not compared with the exchange's log)", "residual ? (not compared)"];
        return (forms.map(str::to_owned).to_vec(), theme.dim);
    };
    let at = at.clock();
    if residual == Residual::default() {
        return (
            vec![format!("residual 0.00, the exchange's log agrees at {at}"), format!("residual 0.00 at {at}")],
            theme.dim,
        );
    }
    let [realised, fees, funding] = [residual.realised, residual.fees, residual.funding].map(figures::signed_money);
    let forms = vec![
        format!("residual realised {realised} fees {fees} fund {funding} at {at}"),
        format!("residual {realised} {fees} {funding} at {at}"),
        format!("residual {realised} {fees} {funding}"),
    ];
    (forms, theme.warn)
}

/// How wide all of them are.
fn amounts_width(parts: &[(&str, Option<Money>, bool)]) -> u16 {
    let part =
        |(label, amount, signed): &(&str, Option<Money>, bool)| columns(label) + 3 + columns(&figure(*amount, *signed));
    parts.iter().map(part).sum::<u16>().saturating_sub(2)
}

fn figure(amount: Option<Money>, signed: bool) -> String {
    figures::or_unknown(amount, |a| if signed { figures::signed_money(a) } else { figures::money(a) })
}

/// Labels and amounts from the left; an amount that does not fit is left out whole.
fn amounts(pen: &mut Pen<'_>, y: u16, parts: &[(&str, Option<Money>, bool)], theme: &Theme) {
    let mut x = 0;
    for (label, amount, signed) in parts {
        let text = figure(*amount, *signed);
        let width = columns(label) + 1 + columns(&text);
        if x + width > pen.width() {
            break;
        }
        let style = match amount {
            Some(amount) if *signed => theme.signed(amount.to_f64_lossy()),
            _ => theme.bright,
        };
        x = pen.put(x, y, label, theme.dim) + 1;
        x = pen.put(x, y, &text, style) + 2;
    }
}

/// What paper made of the same orders: `paper +1.20 (here +1.05) · 0.4bp worse · filled 96/99%`, and shorter.
fn beside_paper(shadow: &ShadowView, account: &AccountView) -> Vec<String> {
    if shadow.orders == 0 {
        return vec!["paper beside it: no order yet".to_owned()];
    }
    let paper = figures::signed_money(shadow.paper_pnl);
    let made = account.unrealised.map(|open| account.realised + open - account.fees + account.funding);
    let here = figures::or_unknown(made, figures::signed_money);
    let price = shadow.worse_bps.map_or_else(
        || "no fill in both".to_owned(),
        |bps| format!("{}bp {}", figures::plain(bps.abs(), 1), if bps >= 0.0 { "worse" } else { "better" }),
    );
    let percent = |part: Option<f64>| part.map_or_else(|| "?".to_owned(), |part| figures::plain(part * 100.0, 0));
    let (filled, on_paper) = (percent(shadow.filled_here), percent(shadow.filled_paper));
    vec![
        format!("paper {paper} (here {here}) · {price} · filled {filled}/{on_paper}%"),
        format!("paper {paper} here {here} {price} {filled}/{on_paper}%"),
        format!("paper {paper} here {here} {price}"),
        format!("paper {paper} here {here}"),
    ]
}

fn trades(account: &AccountView) -> Vec<String> {
    if account.trades == 0 {
        return vec!["no closed trade in this run".to_owned()];
    }
    let count = f64::from(account.trades);
    let factor = if account.gross_loss == Money::ZERO {
        figures::UNKNOWN.to_owned()
    } else {
        figures::plain(account.gross_profit.ratio_lossy(account.gross_loss), 2)
    };
    let expected = (account.gross_profit - account.gross_loss).to_f64_lossy() / count;
    let (win, expected) = (f64::from(account.wins) / count * 100.0, figures::signed(expected, 2));
    let trades = figures::grouped(&account.trades.to_string());
    vec![
        format!("trades {trades} · win {win:.0}% · PF {factor} · exp {expected}"),
        format!("trades {trades} win {win:.0}% PF {factor} exp {expected}"),
        format!("trades {trades} win {win:.0}% exp {expected}"),
    ]
}

/// The curve against its first point, with the highest and lowest change on the left.
fn draw_curve(account: &AccountView, area: Rect, theme: &Theme, buffer: &mut Buffer) {
    let Some((_, first)) = account.curve.first() else {
        Pen::new(buffer, area).put(1, 0, "equity curve begins with the first minute", theme.dim);
        return;
    };
    let changes: Vec<f64> = account.curve.iter().map(|(_, equity)| equity - first).filter(|v| v.is_finite()).collect();
    let (low, high) = curve::range(&changes);
    let (top, bottom) = (figures::signed(high, 1), figures::signed(low, 1));
    let labels = columns(&top).max(columns(&bottom)).max(5);
    let mut pen = Pen::new(buffer, area);
    pen.number(0, 0, labels, &top, theme.dim, theme.glyphs.ellipsis);
    pen.number(0, area.height - 1, labels, &bottom, theme.dim, theme.glyphs.ellipsis);
    for y in 0..area.height {
        pen.glyph(labels, y, theme.glyphs.wall, theme.border);
    }
    let plot = Rect { x: area.x + labels + 1, width: area.width.saturating_sub(labels + 1), ..area };
    let newest = changes.last().copied().unwrap_or(0.0);
    curve::draw(&changes, theme.signed(newest), &theme.glyphs, plot, buffer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Ts;

    #[test]
    fn a_residual_is_written_with_its_time_and_unknown_as_unknown() {
        let theme = Theme::default();
        assert!(residuals(TieOut::Unknown, &theme).0.iter().all(|form| form.starts_with("residual ?")));
        let residual = Residual { fees: Money::parse("-0.02").unwrap(), ..Residual::default() };
        let (forms, style) = residuals(TieOut::Known { at: Ts(0), residual }, &theme);
        assert_eq!(forms[0], "residual realised 0.00 fees -0.02 fund 0.00 at 00:00:00");
        assert_eq!(forms[1], "residual 0.00 -0.02 0.00 at 00:00:00");
        let (forms, _) = residuals(TieOut::Known { at: Ts(0), residual: Residual::default() }, &theme);
        assert_eq!(forms[1], "residual 0.00 at 00:00:00");
        assert_eq!(style, theme.warn);
    }
}
