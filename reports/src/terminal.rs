//! The summary on the terminal: short, the verdict last.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use counterfoil_model::Verdict;
use counterfoil_model::report::{CheckResult, Report};

use crate::text::{self, Side, number, sides, verdict, visible};
use crate::view;

/// How many findings of a check the summary shows.
const FINDINGS: usize = 3;

/// Columns where there is no terminal to ask.
const WIDTH: u16 = 100;

/// The most characters of a value on a line.
const VALUE: usize = 48;

/// How to print for a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalOptions {
    /// Columns; `None`: the terminal's own, or 100 where there is none.
    pub width: Option<u16>,
    /// Whether to use colours.
    pub color: bool,
}

/// The summary of a run.
pub fn terminal(report: &Report, options: &TerminalOptions) -> String {
    let mut out = format!("{}\n\n", tables(report, options));
    for check in view::with_findings(report) {
        check_lines(check, options, &mut out);
    }
    let gaps = view::gaps(report);
    if !gaps.is_empty() {
        out.push_str(&format!("\n{} not compared and not ignored by the plan:\n", number(gaps.len() as u64)));
        for gap in gaps.iter().take(10) {
            let column = gap.column.as_deref().map_or(String::new(), |c| format!(" {c}"));
            out.push_str(&format!("  {}{column}: {}\n", visible(&gap.table), visible(&gap.reason)));
        }
        if gaps.len() > 10 {
            out.push_str(&format!("  … and {} more in the report\n", gaps.len() - 10));
        }
    }
    out.push_str(&format!(
        "\n{} {}: {}\n{}; {}. {}\n",
        paint(verdict(report.verdict), report.verdict, options),
        visible(&view::headline(report)),
        view::tally(report),
        view::extent(report).join("; "),
        view::rate(report),
        visible(&view::decision(report)),
    ));
    out
}

fn tables(report: &Report, options: &TerminalOptions) -> String {
    let mut table = new_table(options);
    table.set_header(["table", "expected", "actual", "matched", "missing", "extra", "changed", "dup. key"]);
    let count = |n: Option<u64>| n.map_or("-".into(), number);
    for t in &report.tables {
        table.add_row([
            visible(&t.name),
            number(t.expected),
            number(t.actual),
            count(t.matched),
            count(t.missing_in_target),
            count(t.extra_in_target),
            count(t.changed),
            count(t.duplicate_key),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A table as wide as its place, plain where no colours are wanted.
pub(crate) fn new_table(options: &TerminalOptions) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // Before `force_no_tty`, which makes the table blind to the terminal's width.
    let width = options.width.or_else(|| table.width()).unwrap_or(WIDTH);
    table.set_width(width);
    if !options.color {
        table.force_no_tty();
    }
    table
}

fn check_lines(check: &CheckResult, options: &TerminalOptions, out: &mut String) {
    let word = paint(verdict(check.verdict), check.verdict, options);
    out.push_str(&format!("{word} {}: {}\n", visible(&check.id), visible(&check.message)));
    for f in check.findings.iter().take(FINDINGS) {
        let (expected, actual) = sides(f, VALUE);
        let place = [f.key.as_deref().map(text::key), f.column.as_deref().map(visible)];
        let place: String = place.into_iter().flatten().map(|p| format!(" {p}")).collect();
        let values = match (&expected, &actual) {
            (Side::Nothing, Side::Nothing) => String::new(),
            (Side::Nothing, found) => format!(" {}", found.plain()),
            (wanted, Side::Nothing) => format!(" expected {}", wanted.plain()),
            (wanted, found) => format!(" expected {}, found {}", wanted.plain(), found.plain()),
        };
        let rule = f.rule.map_or(String::new(), |r| format!(" [{r}]"));
        out.push_str(&format!("    {}{place}{values}: {}{rule}\n", view::kind(f), visible(&f.message)));
    }
    if check.total > FINDINGS as u64 {
        out.push_str(&format!("    … and {} more\n", number(check.total - FINDINGS as u64)));
    }
}

fn paint(word: &str, verdict: Verdict, options: &TerminalOptions) -> String {
    if !options.color {
        return word.to_owned();
    }
    let code = match verdict {
        Verdict::Pass => "1;32",
        Verdict::Fail => "1;31",
        Verdict::Inconclusive => "1;33",
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}
