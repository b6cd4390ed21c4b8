//! A small table of text cells and its three forms: aligned columns for people, JSON and CSV for programs.
//!
//! Exact decimals stay text in JSON: a reader that wants floats makes them itself. Text that came from outside cannot
//! steer a terminal (control characters are shown as `?`) nor a spreadsheet (a leading `=`, `+`, `-` or `@` is quoted).

use std::fmt::Write as _;

/// How a sheet is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns, or lines for people.
    #[default]
    #[value(alias = "text")]
    Table,
    /// An array of objects.
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// An exact decimal.
    Decimal(String),
    /// A whole number.
    Count(i64),
    /// Yes or no.
    Flag(bool),
    /// Unknown or not applicable.
    Nothing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
    /// An exact decimal, from any of the exact number types.
    pub fn decimal(number: impl std::fmt::Display) -> Self {
        Self::Decimal(number.to_string())
    }
    fn plain(&self) -> String {
        match self {
            Self::Text(text) | Self::Decimal(text) => {
                text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
            }
            Self::Count(number) => number.to_string(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Nothing => String::new(),
        }
    }
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Decimal(text) => text.as_str().into(),
            Self::Count(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Nothing => serde_json::Value::Null,
        }
    }
    fn csv(&self) -> String {
        let mut text = self.plain();
        if matches!(self, Self::Text(_)) && text.starts_with(['=', '+', '-', '@']) {
            text.insert(0, '\'');
        }
        if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    }
    const fn is_number(&self) -> bool {
        matches!(self, Self::Decimal(_) | Self::Count(_))
    }
}

/// Rows of cells under named columns.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sheet {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// An empty sheet with these columns.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }
    /// Adds a row: one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }
    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// No rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// Rows of cells.
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// The sheet as text that ends with a line break.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Json => self.json(),
            Format::Csv => self.csv(),
        }
    }

    fn table(&self) -> String {
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::plain).collect()).collect();
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.chars().count()).collect();
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let right: Vec<bool> = (0..self.columns.len())
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).any(Cell::is_number))
            .collect();
        let mut out = String::new();
        for row in std::iter::once(&self.columns).chain(&cells) {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
                let gap = if line.is_empty() { "" } else { "  " };
                // Writing to a String cannot fail.
                let _ = if *right { write!(line, "{gap}{cell:>width$}") } else { write!(line, "{gap}{cell:<width$}") };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    fn json(&self) -> String {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| self.columns.iter().cloned().zip(row.iter().map(Cell::json)).collect::<serde_json::Map<_, _>>())
            .map(serde_json::Value::Object)
            .collect();
        let mut text = serde_json::to_string_pretty(&rows).unwrap_or_else(|_| "[]".to_owned());
        text.push('\n');
        text
    }

    fn csv(&self) -> String {
        let mut out = self.columns.join(",");
        out.push('\n');
        for row in &self.rows {
            out.push_str(&row.iter().map(Cell::csv).collect::<Vec<_>>().join(","));
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new(["symbol", "pnl", "reason"]);
        sheet.push(vec![Cell::text("BTCUSDT"), Cell::decimal("-12.5"), Cell::text("=HYPERLINK(\"x\"), \u{1b}[2J")]);
        sheet.push(vec![Cell::text("ETH"), Cell::Nothing, Cell::text("")]);
        sheet
    }

    #[test]
    fn a_table_lines_up_and_shows_no_control_characters() {
        assert_eq!(
            sheet().render(Format::Table),
            "symbol     pnl  reason\nBTCUSDT  -12.5  =HYPERLINK(\"x\"), ?[2J\nETH\n"
        );
    }

    #[test]
    fn csv_quotes_and_defuses_formulas_but_not_numbers() {
        assert_eq!(
            sheet().render(Format::Csv),
            "symbol,pnl,reason\nBTCUSDT,-12.5,\"'=HYPERLINK(\"\"x\"\"), ?[2J\"\nETH,,\n"
        );
    }

    #[test]
    fn json_keeps_decimals_exact() {
        let rows: serde_json::Value = serde_json::from_str(&sheet().render(Format::Json)).unwrap();
        assert_eq!(rows[0]["pnl"], "-12.5");
        assert!(rows[1]["pnl"].is_null());
    }
}
