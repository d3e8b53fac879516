//! The summary on the terminal: short, the verdict last.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use counterfoil_model::Verdict;
use counterfoil_model::report::{CheckResult, Report};

use crate::markdown::needs_attention;
use crate::text::{both, number, percent, verdict, visible};

/// How many findings of a check the summary shows.
const FINDINGS: usize = 3;

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
    for check in report.checks.iter().filter(|c| needs_attention(c) || c.total > 0) {
        check_lines(check, options, &mut out);
    }
    let gaps: Vec<_> = report.coverage.not_compared.iter().filter(|n| !n.ignored).collect();
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
    let gate = &report.gate;
    out.push_str(&format!(
        "\n{} {}: {} passed, {} failed, {} inconclusive ({} of {} required); {} cells compared\n",
        paint(verdict(report.verdict), report.verdict, options),
        visible(&gate.reason),
        number(gate.passed),
        number(gate.failed),
        number(gate.inconclusive),
        percent(gate.pass_rate),
        percent(gate.required),
        number(report.coverage.cells),
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
    match options.width {
        Some(width) => {
            table.set_width(width);
        }
        None if table.width().is_none() => {
            table.set_width(100);
        }
        None => {}
    }
    if !options.color {
        table.force_no_tty();
    }
    table
}

fn check_lines(check: &CheckResult, options: &TerminalOptions, out: &mut String) {
    let word = paint(verdict(check.verdict), check.verdict, options);
    out.push_str(&format!("{word} {}: {}\n", visible(&check.id), visible(&check.message)));
    for f in check.findings.iter().take(FINDINGS) {
        let place: Vec<String> =
            [f.key.as_deref(), f.column.as_deref()].into_iter().flatten().map(visible).collect();
        let (expected, actual) = both(f.expected.as_deref(), f.actual.as_deref());
        let values = match (f.expected.is_some() || f.column.is_some(), f.actual.is_some()) {
            (false, false) => String::new(),
            (false, true) => format!(" {actual}"),
            _ if f.expected.is_none() && f.rule.is_none() => format!(" {actual}"),
            _ => format!(" expected {expected}, found {actual}"),
        };
        let rule = f.rule.map_or(String::new(), |r| format!(" [{r}]"));
        out.push_str(&format!(
            "    {} {}{values}: {}{rule}\n",
            f.kind.name(),
            place.join(" "),
            visible(&f.message)
        ));
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
