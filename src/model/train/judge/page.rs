//! An evaluation as a page: the table's figures with plots.

use super::EvalReport;
use super::table::shown;
use crate::engine::features::Set;
use crate::model::train::plot::{Series, escaped, intervals, lines, page, table};
use crate::model::train::sampling;

pub(super) fn html(report: &EvalReport) -> String {
    let title = format!("{} ({})", report.model, report.hash);
    let mut body = format!(
        "<p>{} rows in {} session(s); {} variant(s) tried before this model was chosen.</p>\n",
        report.rows, report.sessions, report.tried
    );
    if !report.in_sample.is_empty() {
        let files = escaped(&report.in_sample.join(", "));
        body = format!("{body}<p class=\"bad\">No proof: it was trained on {files}.</p>\n");
    }
    if report.looks_ahead() {
        body += "<p class=\"bad\">Forecasts change when the future is cut off: nothing here means anything.</p>\n";
    }
    body += "<h2>Direction</h2>\n";
    body += &aucs(report);
    body += &intervals("gain over the others, 95 % over whole sessions", &gains(report));
    body += "<h2>Reliability</h2>\n<p>What was said against how often it came; the grey line is honest.</p>\n";
    body += &report.reliability.iter().map(reliability).collect::<String>();
    body += "<h2>Figures</h2>\n";
    body += &table(&figures(report));
    let costs = match report.reads {
        Set::Market => "fees, spread and queue",
        Set::Bars => "fees alone: bars tell neither spread nor depth",
    };
    let late = late_ms(report);
    let how = format!("{late} ms late, one position per market, basis points per trade after {costs}.");
    body = format!("{body}<h2>Acting on it</h2>\n<p>{how}</p>\n");
    body += &table(&economies(report));
    body += "<h2>Look-ahead and recursion</h2>\n";
    body += &table(&checks(report));
    page(&title, &body)
}

/// AUC by horizon of all forecasters, at once and late.
fn aucs(report: &EvalReport) -> String {
    let of = |delay: u32| report.lines.iter().filter(move |line| line.part == "all" && line.delay_ms == delay);
    let plot = |delay: u32| {
        let names: Vec<&str> = of(delay).next().map_or(Vec::new(), |l| l.contenders.iter().map(|c| c.name).collect());
        let series = |name: &&str| Series {
            name: (*name).to_owned(),
            points: of(delay)
                .filter_map(|line| {
                    let found = line.contenders.iter().find(|c| c.name == *name)?;
                    Some((f64::from(line.seconds).log10(), found.auc))
                })
                .collect(),
        };
        lines(&format!("AUC by log10 of seconds, {delay} ms late"), &names.iter().map(series).collect::<Vec<_>>())
    };
    plot(0) + &plot(late_ms(report))
}

/// How late the late figures act.
fn late_ms(report: &EvalReport) -> u32 {
    sampling::of(report.reads).late.as_ms() as u32
}

fn gains(report: &EvalReport) -> Vec<(String, f64, [f64; 2])> {
    let known = report.differences.iter().filter_map(|d| Some((d, d.gain?)));
    known
        .map(|(d, gain)| (format!("{} s {}, {} ms late", d.seconds, d.what, d.delay_ms), gain.value, gain.interval))
        .collect()
}

fn reliability((seconds, bins): &(u32, Vec<crate::model::train::figures::Bin>)) -> String {
    let top = bins.iter().map(|bin| bin.said.max(bin.came)).fold(0.0, f64::max);
    let said = Series { name: "said, came".to_owned(), points: bins.iter().map(|bin| (bin.said, bin.came)).collect() };
    let honest = |name: &str| Series { name: name.to_owned(), points: vec![(0.0, 0.0), (top, top)] };
    lines(&format!("{seconds} s"), &[said, honest("honest")])
}

fn figures(report: &EvalReport) -> Vec<Vec<String>> {
    let heading =
        ["s", "late ms", "moves", "who", "AUC", "MCC", "IC", "top bps", "log loss", "Brier", "slope", "offset", "part"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for line in &report.lines {
        for contender in &line.contenders {
            let model = contender.name == "model";
            let only = |text: String| if model { text } else { String::new() };
            let part = |estimate: fn(&crate::model::train::figures::Recalibration) -> String| {
                only(line.calibration.as_ref().map(estimate).unwrap_or_default())
            };
            rows.push(vec![
                line.seconds.to_string(),
                line.delay_ms.to_string(),
                line.moved.to_string(),
                contender.name.to_owned(),
                format!("{:.3}", contender.auc),
                format!("{:.3}", contender.mcc),
                format!("{:.3}", contender.ic),
                format!("{:.2}", contender.top_decile_bps),
                only(format!("{:.3} (flat {:.3})", line.log_loss[0], line.log_loss[1])),
                only(format!("{:.3} (flat {:.3})", line.brier[0], line.brier[1])),
                part(|c| shown(c.slope)),
                part(|c| shown(c.intercept)),
                line.part.clone(),
            ]);
        }
    }
    rows
}

fn economies(report: &EvalReport) -> Vec<Vec<String>> {
    let heading =
        ["s", "trades", "per 1000", "gross", "net", "net over sessions", "Sharpe", "deflated", "capacity", "how"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let bps = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:+.2}"));
    for e in &report.economies {
        rows.push(vec![
            e.seconds.to_string(),
            e.trades.to_string(),
            format!("{:.1}", e.per_1000),
            bps(e.gross_bps),
            bps(e.net_bps),
            e.net.map_or("-".to_owned(), shown),
            e.sharpe.map_or("-".to_owned(), shown),
            e.deflated.map_or("-".to_owned(), |p| format!("{p:.3}")),
            e.capacity.map_or("-".to_owned(), |c| format!("{c:.0}")),
            format!("{}: {}", e.policy, e.scheme),
        ]);
    }
    rows
}

fn checks(report: &EvalReport) -> Vec<Vec<String>> {
    let heading = ["rows", "changed without the future", "rows", "feature drift", "worst", "forecast drift", "file"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for check in &report.checks {
        rows.push(vec![
            check.look_ahead_rows.to_string(),
            check.look_ahead_differences.to_string(),
            check.recursion_rows.to_string(),
            format!("{:.5}", check.feature_drift),
            check.worst_feature.to_owned(),
            format!("{:.5}", check.forecast_drift),
            check.source.clone(),
        ]);
    }
    rows
}
