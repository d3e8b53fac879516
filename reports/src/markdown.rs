//! `report.md`: what an auditor reads, top to bottom.

use std::fmt::Write;

use counterfoil_model::Rule;
use counterfoil_model::report::{CheckResult, Report, TableResult};

use crate::text::{self, CONVENTION, SHOWN, Side, count, number, sides, verdict, visible};
use crate::view;

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
    writeln!(out, "# {}: {}\n", verdict(report.verdict), cell(&report.plan.name))?;
    writeln!(
        out,
        "**{}.** {}; {}. {}\n",
        cell(view::headline(report)),
        view::tally(report),
        view::rate(report),
        cell(view::decision(report)),
    )?;
    writeln!(out, "{}.\n", view::extent(report).join("; "))
}

fn compared(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## What was compared\n")?;
    let run = &report.run;
    writeln!(out, "| | |\n| --- | --- |")?;
    writeln!(out, "| run | {} |", cell(&run.id))?;
    writeln!(out, "| phase | {} |", run.phase.as_deref().map_or("all rows".into(), cell))?;
    writeln!(out, "| time | {} to {} |", run.started_at, run.finished_at)?;
    if let Some(bytes) = run.peak_rss_bytes {
        writeln!(out, "| peak memory | {} |", view::memory(bytes))?;
    }
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
    let rows = |n: Option<u64>| n.map_or("not compared".into(), number);
    for t in &report.tables {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&t.name),
            if t.key.is_empty() { "none: a bag".into() } else { cell(t.key.join(", ")) },
            number(t.expected),
            number(t.actual),
            rows(t.matched),
            rows(t.missing_in_target),
            rows(t.extra_in_target),
            rows(t.changed),
            rows(t.duplicate_key),
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
        return writeln!(out, "{}\n", view::nothing_left_out(report));
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
    writeln!(out, "{}\n", cell(CONVENTION))?;
    for check in with {
        writeln!(out, "### {} ({})\n", cell(&check.id), count(check.total, "finding", "findings"))?;
        writeln!(
            out,
            "| kind | key | column | expected | actual | rule | what |\n| --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for f in &check.findings {
            let (expected, actual) = sides(f, SHOWN);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                view::kind(f),
                f.key.as_deref().map_or(String::new(), |k| cell(text::key(k))),
                f.column.as_deref().map_or(String::new(), cell),
                side(&expected),
                side(&actual),
                f.rule.map_or("", Rule::id),
                cell(&f.message),
            )?;
        }
        if let Some(rest) = view::unshown(check) {
            writeln!(out, "\n{}.", cell(&rest))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn side(side: &Side) -> String {
    cell(side.plain())
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
        let by = view::paired_by(p);
        writeln!(out, "| {} | {} | {by} | {read} | {tolerances} |", cell(&p.column), cell(&p.from))?;
    }
    if !table.merges.is_empty() {
        writeln!(
            out,
            "\n{} merged into others:\n",
            count(table.merges_total, "source row was", "source rows were")
        )?;
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
    writeln!(out, "## Rules that were applied\n")?;
    for rule in view::rules(report) {
        writeln!(out, "- **{}** equal when: {}", rule.id(), rule.text())?;
    }
    for line in view::looser(report) {
        writeln!(out, "- {}", cell(&line))?;
    }
    writeln!(out)
}

fn verify(out: &mut String) -> std::fmt::Result {
    writeln!(out, "## How to verify\n")?;
    view::VERIFY.iter().try_for_each(|line| writeln!(out, "- {line}"))
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
