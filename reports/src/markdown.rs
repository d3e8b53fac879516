//! `report.md`: what an auditor reads, top to bottom.

use std::collections::BTreeSet;
use std::fmt::Write;

use counterfoil_model::report::{CheckResult, Report, TableResult};
use counterfoil_model::{Rule, Verdict};

use crate::text::{both, number, percent, verdict, visible};

/// The report as markdown: verdict first, then what was compared and what was not, then the findings.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a String can't fail.
    let _ = write_all(&mut out, report);
    out
}

fn write_all(out: &mut String, report: &Report) -> std::fmt::Result {
    head(out, report)?;
    compared(out, report)?;
    tables(out, report)?;
    checks(out, report)?;
    not_compared(out, report)?;
    findings(out, report)?;
    for table in &report.tables {
        origin(out, table)?;
    }
    waivers(out, report)?;
    rules(out, report)?;
    verify(out)
}

fn head(out: &mut String, report: &Report) -> std::fmt::Result {
    let gate = &report.gate;
    writeln!(out, "# {}: {}\n", verdict(report.verdict), cell(&report.plan.name))?;
    writeln!(
        out,
        "**{}.** {} of {} checks passed ({}, required {}), {} failed, {} inconclusive{}. Exit code {}.\n",
        cell(&gate.reason),
        number(gate.passed),
        number(gate.passed + gate.failed + gate.inconclusive),
        percent(gate.pass_rate),
        percent(gate.required),
        number(gate.failed),
        number(gate.inconclusive),
        if gate.waived > 0 { format!(", {} findings waived", number(gate.waived)) } else { String::new() },
        gate.exit_code,
    )?;
    let coverage = &report.coverage;
    let gaps = coverage.not_compared.iter().filter(|n| !n.ignored).count();
    let left_out = coverage.not_compared.len() - gaps;
    writeln!(
        out,
        "{} rows of the target and {} cells were compared. {} gaps in the coverage, {} things left out because the plan says so.\n",
        number(coverage.rows),
        number(coverage.cells),
        number(gaps as u64),
        number(left_out as u64)
    )
}

fn compared(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## What was compared\n")?;
    let run = &report.run;
    writeln!(out, "| | |\n| --- | --- |")?;
    writeln!(out, "| run | {} |", cell(&run.id))?;
    writeln!(out, "| phase | {} |", run.phase.as_deref().map_or("all rows".into(), cell))?;
    writeln!(out, "| time | {} to {} |", run.started_at, run.finished_at)?;
    writeln!(out, "| counterfoil | {} |", run.version)?;
    writeln!(out, "| plan | {} |", cell(&report.plan.path))?;
    writeln!(out, "| plan's BLAKE3 | `{}` |", report.plan.blake3)?;
    for set in &report.plan.set {
        writeln!(out, "| set on the command line | `{}` |", cell(set))?;
    }
    writeln!(
        out,
        "\n| connection | URL | tables | rows | taken | consistency | root |\n| --- | --- | ---: | ---: | --- | --- | --- |"
    )?;
    for s in &report.snapshots {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | `{}` |",
            cell(&s.connection),
            cell(&s.url),
            number(s.tables),
            number(s.rows),
            s.taken_at,
            cell(&s.consistency),
            s.root.as_deref().unwrap_or("none"),
        )?;
    }
    writeln!(out)
}

fn tables(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## Tables\n")?;
    writeln!(
        out,
        "| table | key | expected | actual | matched | missing | extra | changed | duplicate key |"
    )?;
    writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let count = |n: Option<u64>| n.map_or("not compared".into(), number);
    for t in &report.tables {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&t.name),
            if t.key.is_empty() { "none: a bag".into() } else { cell(t.key.join(", ")) },
            number(t.expected),
            number(t.actual),
            count(t.matched),
            count(t.missing_in_target),
            count(t.extra_in_target),
            count(t.changed),
            count(t.duplicate_key),
        )?;
    }
    writeln!(out)
}

fn checks(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## Checks\n")?;
    writeln!(
        out,
        "| check | verdict | checked | failed | in a sentence |\n| --- | --- | ---: | ---: | --- |"
    )?;
    for c in &report.checks {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            cell(&c.id),
            verdict(c.verdict),
            number(c.checked),
            number(c.failed),
            cell(&c.message)
        )?;
    }
    writeln!(out)
}

fn not_compared(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## What was not compared\n")?;
    let all = &report.coverage.not_compared;
    if all.is_empty() {
        return writeln!(out, "Nothing was left out.\n");
    }
    writeln!(
        out,
        "| table | column | cells | reason | ignored by the plan |\n| --- | --- | ---: | --- | --- |"
    )?;
    // Gaps first: they are what somebody has to decide about.
    for gap in [true, false] {
        for n in all.iter().filter(|n| n.ignored != gap) {
            let column = n.column.as_deref().map_or("the whole table".into(), cell);
            let ignored = if n.ignored { "yes" } else { "**no**" };
            writeln!(
                out,
                "| {} | {column} | {} | {} | {ignored} |",
                cell(&n.table),
                number(n.cells),
                cell(&n.reason)
            )?;
        }
    }
    writeln!(out)
}

fn findings(out: &mut String, report: &Report) -> std::fmt::Result {
    let with: Vec<&CheckResult> = report.checks.iter().filter(|c| c.total > 0).collect();
    writeln!(out, "## Findings\n")?;
    if with.is_empty() {
        return writeln!(out, "None.\n");
    }
    writeln!(out, "Text stands in quotes; null without quotes is null.\n")?;
    for check in with {
        writeln!(out, "### {} ({})\n", cell(&check.id), number(check.total))?;
        writeln!(
            out,
            "| kind | key | column | expected | actual | rule | what |\n| --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for f in &check.findings {
            let (expected, actual) = both(f.expected.as_deref(), f.actual.as_deref());
            let has_values = f.expected.is_some() || f.actual.is_some() || f.column.is_some();
            let shown = |text: String| if has_values { cell(&text) } else { String::new() };
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                f.kind.name(),
                f.key.as_deref().map_or(String::new(), cell),
                f.column.as_deref().map_or(String::new(), cell),
                shown(expected),
                shown(actual),
                f.rule.map_or("", Rule::id),
                cell(&f.message),
            )?;
        }
        let rest = check.total.saturating_sub(check.findings.len() as u64);
        if rest > 0 {
            writeln!(out, "\n… and {} more; `row_diff`'s are all in `differences.parquet`.", number(rest))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn origin(out: &mut String, table: &TableResult) -> std::fmt::Result {
    writeln!(out, "## Where {} comes from\n", cell(&table.name))?;
    writeln!(
        out,
        "| source | read | filtered | rows after explode | merged | kept |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for s in &table.sources {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            cell(&s.source),
            number(s.rows),
            number(s.filtered),
            number(s.exploded),
            number(s.merged),
            number(s.kept)
        )?;
    }
    writeln!(
        out,
        "\n| column | compared with | paired by | read as | tolerances |\n| --- | --- | --- | --- | --- |"
    )?;
    for p in &table.pairings {
        let tolerances = if p.tolerances.is_empty() { String::new() } else { cell(p.tolerances.join(", ")) };
        let read = p.read_as.as_deref().unwrap_or("");
        writeln!(out, "| {} | {} | {} | {read} | {tolerances} |", cell(&p.column), cell(&p.from), p.by)?;
    }
    if !table.merges.is_empty() {
        writeln!(out, "\n{} source rows were merged into others:\n", number(table.merges_total))?;
        writeln!(out, "| merged | into | because both are |\n| --- | --- | --- |")?;
        for m in &table.merges {
            writeln!(out, "| {} | {} | {} |", cell(&m.from), cell(&m.into), cell(&m.identity))?;
        }
        let rest = table.merges_total.saturating_sub(table.merges.len() as u64);
        if rest > 0 {
            writeln!(out, "\n… and {} more.", number(rest))?;
        }
    }
    writeln!(out)
}

fn waivers(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.waivers.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Waivers\n\n| id | owner | reason | until | findings | status |\n| --- | --- | --- | --- | ---: | --- |"
    )?;
    for w in &report.waivers {
        let until = w.until.as_deref().unwrap_or("");
        writeln!(
            out,
            "| {} | {} | {} | {until} | {} | {} |",
            cell(&w.id),
            cell(&w.owner),
            cell(&w.reason),
            number(w.findings),
            w.status
        )?;
    }
    writeln!(out)
}

fn rules(out: &mut String, report: &Report) -> std::fmt::Result {
    let applied: BTreeSet<Rule> = report.checks.iter().flat_map(|c| c.rules.iter().copied()).collect();
    writeln!(out, "## Rules that were applied\n")?;
    for rule in applied {
        writeln!(out, "- **{}** equal when: {}", rule.id(), rule.text())?;
    }
    let notes: BTreeSet<String> = report
        .checks
        .iter()
        .flat_map(|c| c.coverage.notes.iter().map(move |n| format!("{}: {n}", c.table)))
        .collect();
    for note in notes {
        writeln!(out, "- {}", cell(&note))?;
    }
    writeln!(out)
}

fn verify(out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "## How to verify\n\n`report.json` is the truth; this file is rendered from it (`counterfoil report RUN --format markdown` \
         gives the same bytes). The plan that was run is `plan.resolved.yaml`. A snapshot's root is a BLAKE3 Merkle root over \
         all its values: taking the snapshot of the same data again gives the same root. `differences.parquet` holds every \
         difference that `row_diff` found."
    )
}

/// Text in a table's cell: nothing in it can end the cell, the row, or start markup.
fn cell(text: impl AsRef<str>) -> String {
    let mut out = String::new();
    for c in visible(text.as_ref()).chars() {
        match c {
            '|' => out.push_str("\\|"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a check needs a person: it failed or couldn't decide.
pub(crate) fn needs_attention(check: &CheckResult) -> bool {
    check.verdict != Verdict::Pass
}
