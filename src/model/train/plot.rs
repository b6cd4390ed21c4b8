//! Plots as SVG inside a page that needs nothing from elsewhere.

use std::fmt::Write as _;

/// Size of a plot and the room for its labels.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 52.0;
const BELOW: f64 = 34.0;
const ABOVE: f64 = 24.0;
/// Colours of the lines, told apart without red against green.
const COLOURS: [&str; 6] = ["#0b6e99", "#d9730d", "#6940a5", "#787774", "#0f7b6c", "#ad1a72"];

/// One line of a plot.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A page around a body.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>\n\
         body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }}\n\
         table {{ border-collapse: collapse; margin: 1rem 0; }}\n\
         td, th {{ padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }}\n\
         td:last-child, th:last-child {{ text-align: left; }}\n\
         svg {{ margin: .5rem; }} svg text {{ font: 11px system-ui, sans-serif; fill: #444; }}\n\
         .bad {{ color: #b00020; font-weight: bold; }}\n</style></head>\n<body><h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// Text that cannot become markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A table of texts; the first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table>\n");
    for (n, row) in rows.iter().enumerate() {
        let tag = if n == 0 { "th" } else { "td" };
        let cells = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        // Writing to a String cannot fail.
        let _ = writeln!(html, "<tr>{}</tr>", cells.collect::<String>());
    }
    html + "</table>\n"
}

/// Lines in one plot.
pub(super) fn lines(title: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|line| line.points.iter().copied());
    let frame = Frame::around(points().map(|p| p.0), points().map(|p| p.1));
    let mut svg = frame.begin(title);
    for (n, line) in series.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let path: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", frame.x(*x), frame.y(*y))).collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
            path.join(" ")
        );
        for (x, y) in &line.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\" fill=\"{colour}\"/>",
                frame.x(*x),
                frame.y(*y)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{}</text>",
            LEFT + 6.0,
            ABOVE + 12.0 + 13.0 * n as f64,
            escaped(&line.name)
        );
    }
    svg + "</svg>\n"
}

/// Values with intervals, one below the other, around zero.
pub(super) fn intervals(title: &str, rows: &[(String, f64, [f64; 2])]) -> String {
    let frame = Frame::around(rows.iter().flat_map(|r| [r.2[0], r.2[1], 0.0]), [0.0, rows.len() as f64].into_iter());
    let mut svg = frame.begin_tall(title, WIDTH * 2.0);
    let _ = writeln!(
        svg,
        "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{ABOVE}\" y2=\"{1:.1}\" stroke=\"#999\" stroke-dasharray=\"3\"/>",
        frame.x(0.0),
        HEIGHT - BELOW
    );
    for (n, (name, value, [low, high])) in rows.iter().enumerate() {
        let y = frame.y(rows.len() as f64 - n as f64 - 0.5);
        let colour = if *low > 0.0 { COLOURS[4] } else { COLOURS[3] };
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            frame.x(*low),
            frame.x(*high),
            frame.x(*value),
            WIDTH,
            y + 4.0,
            escaped(name)
        );
    }
    svg + "</svg>\n"
}

/// The corner values of a plot.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn around(x: impl Iterator<Item = f64>, y: impl Iterator<Item = f64>) -> Self {
        Self { x: span(x), y: span(y) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - 8.0)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BELOW - (value - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - BELOW - ABOVE)
    }

    fn begin(&self, title: &str) -> String {
        let mut svg = self.begin_tall(title, WIDTH);
        for share in [0.0, 0.5, 1.0] {
            let y = self.y.0 + (self.y.1 - self.y.0) * share;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{y:.3}</text>",
                LEFT - 4.0,
                self.y(y) + 4.0
            );
        }
        svg
    }

    fn begin_tall(&self, title: &str, width: f64) -> String {
        let mut svg = format!(
            "<svg width=\"{width}\" height=\"{HEIGHT}\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" \
             aria-label=\"{0}\">\n<text x=\"{LEFT}\" y=\"14\" style=\"font-weight:bold\">{0}</text>\n\
             <rect x=\"{LEFT}\" y=\"{ABOVE}\" width=\"{1:.1}\" height=\"{2:.1}\" fill=\"none\" stroke=\"#ccc\"/>\n",
            escaped(title),
            WIDTH - LEFT - 8.0,
            HEIGHT - BELOW - ABOVE
        );
        for share in [0.0, 0.5, 1.0] {
            let x = self.x.0 + (self.x.1 - self.x.0) * share;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x:.3}</text>",
                self.x(x),
                HEIGHT - BELOW + 16.0
            );
        }
        svg
    }
}

/// Least and greatest finite value, never the same.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match (low.is_finite(), high > low) {
        (true, true) => (low, high),
        (true, false) => (low - 0.5, low + 0.5),
        (false, _) => (0.0, 1.0),
    }
}
