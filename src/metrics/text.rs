//! Prometheus' text format 0.0.4: every metric with its help and type once, then its samples.

use std::fmt::{Display, Write as _};

use super::tally::Histogram;

/// What a metric does over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only rises, until the run ends.
    Counter,
    /// Goes where it likes.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A metric of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Full name.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in which unit, and when it is absent.
    pub help: &'static str,
}

/// A page that is being written.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

/// A metric whose samples are being written.
pub(super) struct Family<'a> {
    page: &'a mut Page,
    metric: &'static Metric,
}

impl Page {
    /// Begins a metric.
    pub fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {} {}\n# TYPE {} {kind}\n", metric.name, metric.help, metric.name));
        Family { page: self, metric }
    }
    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(text);
    }
}

impl Family<'_> {
    /// A sample. What is not known is not written.
    pub fn put(&mut self, labels: &[&str], value: Option<impl Display>) {
        let Some(value) = value else { return };
        let labels = self.labels(labels, None);
        self.page.line(format_args!("{}{labels} {value}\n", self.metric.name));
    }

    /// A sample of a figure that is a float by nature; one that is no number is not written.
    pub fn put_float(&mut self, labels: &[&str], value: Option<f64>) {
        self.put(labels, value.filter(|value| value.is_finite()));
    }

    /// All samples of a histogram.
    pub fn put_histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let name = self.metric.name;
        for (bound, count) in histogram.cumulative() {
            let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
            let labels = self.labels(labels, Some(&bound));
            self.page.line(format_args!("{name}_bucket{labels} {count}\n"));
        }
        let labels = self.labels(labels, None);
        self.page.line(format_args!(
            "{name}_sum{labels} {}\n{name}_count{labels} {}\n",
            histogram.sum(),
            histogram.count()
        ));
    }

    fn labels(&self, values: &[&str], bound: Option<&str>) -> String {
        let named = self.metric.labels.iter().copied().zip(values.iter().copied());
        let pairs: Vec<String> = named
            .chain(bound.map(|bound| ("le", bound)))
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;

    const PLAIN: Metric = Metric { name: "a", kind: Kind::Gauge, labels: &["x"], help: "An a." };
    const TIMES: Metric = Metric { name: "t_seconds", kind: Kind::Histogram, labels: &[], help: "Times." };

    #[test]
    fn samples_follow_their_head_and_unknown_ones_are_absent() {
        let mut page = Page::default();
        let mut family = page.family(&PLAIN);
        family.put(&["a\"b\\c\nd"], Some(1));
        family.put(&["none"], None::<i32>);
        family.put_float(&["nan"], Some(f64::NAN));
        assert_eq!(page.into_text(), "# HELP a An a.\n# TYPE a gauge\na{x=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn a_histogram_counts_upwards_to_everything() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        for ms in [50, 500, 5_000] {
            histogram.add(Span::from_ms(ms));
        }
        let mut page = Page::default();
        page.family(&TIMES).put_histogram(&[], &histogram);
        let text = page.into_text();
        let samples: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "t_seconds_bucket{le=\"0.1\"} 1",
                "t_seconds_bucket{le=\"1\"} 2",
                "t_seconds_bucket{le=\"+Inf\"} 3",
                "t_seconds_sum 5.55",
                "t_seconds_count 3",
            ]
        );
    }
}
