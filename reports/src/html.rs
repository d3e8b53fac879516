//! `report.html`: one self-contained file, without scripts, for reading and printing.

use std::fmt::Write;

use counterfoil_model::report::{CheckResult, Report};
use counterfoil_model::{Level, Rule, Verdict};

use crate::text::{self, CONVENTION, SHOWN, Side, count, number, sides, verdict, visible};
use crate::view;

const STYLE: &str = include_str!("report.css");

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a String can't fail.
    let _ = page(&mut out, report);
    out
}

fn page(out: &mut String, report: &Report) -> std::fmt::Result {
    let title = format!("{}: {}", verdict(report.verdict), report.plan.name);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n",
        escape(&title)
    )?;
    head(out, report)?;
    snapshots(out, report)?;
    tables(out, report)?;
    checks(out, report)?;
    not_compared(out, report)?;
    origins(out, report)?;
    waivers(out, report)?;
    rules(out, report)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn head(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "<header class=\"{}\">\n<p class=\"verdict\">{}</p>\n<h1>{}</h1>\n<p><strong>{}.</strong> {}; {}. {}</p>\n<p>{}.</p>\n</header>",
        class(report.verdict),
        verdict(report.verdict),
        escape(&report.plan.name),
        escape(view::headline(report)),
        view::tally(report),
        view::rate(report),
        escape(view::decision(report)),
        view::extent(report).join("; ")
    )?;
    writeln!(
        out,
        "<nav><a href=\"#compared\">Compared</a> <a href=\"#tables\">Tables</a> <a href=\"#checks\">Checks</a> \
         <a href=\"#not-compared\">Not compared</a> <a href=\"#origins\">Origins</a> <a href=\"#rules\">Rules</a> <a href=\"#verify\">Verify</a></nav>"
    )
}

fn snapshots(out: &mut String, report: &Report) -> std::fmt::Result {
    let run = &report.run;
    writeln!(out, "<h2 id=\"compared\">What was compared</h2>\n<dl>")?;
    let plan = format!("{} (BLAKE3 {})", report.plan.path, report.plan.blake3);
    let time = format!("{} to {}", run.started_at, run.finished_at);
    let phase = run.phase.as_deref().unwrap_or("all rows");
    let memory = run.peak_rss_bytes.map_or_else(|| "unknown".into(), view::memory);
    for (name, text) in [
        ("Run", run.id.as_str()),
        ("Phase", phase),
        ("Time", &time),
        ("Peak memory", &memory),
        ("Plan", &plan),
        ("counterfoil", &run.version),
    ] {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(text))?;
    }
    writeln!(out, "</dl>")?;
    let rows = report.snapshots.iter().map(|s| {
        vec![
            escape(&s.connection),
            escape(&s.url),
            number(s.tables),
            number(s.rows),
            escape(&s.consistency),
            format!("<code>{}</code>", escape(s.root.as_deref().unwrap_or("none"))),
        ]
    });
    table(out, &["connection", "URL", "#tables", "#rows", "consistency", "root"], rows)
}

fn tables(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2 id=\"tables\">Tables</h2>")?;
    let outcome = |n: Option<u64>| n.map_or("–".into(), number);
    let rows = report.tables.iter().map(|t| {
        vec![
            escape(&t.name),
            escape(&if t.key.is_empty() { "none: a bag".to_owned() } else { t.key.join(", ") }),
            number(t.expected),
            number(t.actual),
            outcome(t.matched),
            outcome(t.missing_in_target),
            outcome(t.extra_in_target),
            outcome(t.changed),
            outcome(t.duplicate_key),
        ]
    });
    let head = [
        "table",
        "key",
        "#expected",
        "#actual",
        "#matched",
        "#missing",
        "#extra",
        "#changed",
        "#duplicate key",
    ];
    table(out, &head, rows)
}

fn checks(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2 id=\"checks\">Checks</h2>\n<p class=\"note\">{}</p>", escape(CONVENTION))?;
    for check in &report.checks {
        let open = if check.verdict == Verdict::Fail && report.checks.len() < 12 { " open" } else { "" };
        writeln!(
            out,
            "<details class=\"{}\"{open}><summary><span class=\"badge\">{}</span> <strong>{}</strong> {}</summary>",
            class(check.verdict),
            verdict(check.verdict),
            escape(&check.id),
            escape(&check.message)
        )?;
        findings(out, check)?;
        for note in &check.coverage.notes {
            writeln!(out, "<p class=\"note\">{}</p>", escape(note))?;
        }
        writeln!(out, "</details>")?;
    }
    Ok(())
}

fn findings(out: &mut String, check: &CheckResult) -> std::fmt::Result {
    if check.findings.is_empty() {
        return writeln!(out, "<p>No findings; {} checked.</p>", number(check.checked));
    }
    let rows = check.findings.iter().map(|f| {
        let (expected, actual) = sides(f, SHOWN);
        let kind = match f.level {
            Level::Error => view::kind(f),
            Level::Warning => format!("<span class=\"warning\">{}</span>", view::kind(f)),
        };
        vec![
            kind,
            f.key.as_deref().map_or(String::new(), |k| format!("<code>{}</code>", escape(text::key(k)))),
            escape(f.column.as_deref().unwrap_or("")),
            side(&expected),
            side(&actual),
            f.rule.map_or("", Rule::id).to_owned(),
            escape(&f.message),
        ]
    });
    table(out, &["kind", "key", "column", "expected", "actual", "rule", "what"], rows)?;
    if let Some(rest) = view::unshown(check) {
        writeln!(out, "<p>{}.</p>", escape(&rest))?;
    }
    Ok(())
}

/// A side of a finding; what its note says stands outside of the value.
fn side(side: &Side) -> String {
    match side {
        Side::Nothing => String::new(),
        Side::Null => "<em>null</em>".into(),
        Side::Plain(text) => escape(text),
        Side::Value { quoted, note } if note.is_empty() => format!("<code>{}</code>", escape(quoted)),
        Side::Value { quoted, note } => {
            format!("<code>{}</code> <span class=\"note\">{}</span>", escape(quoted), escape(note))
        }
    }
}

fn not_compared(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2 id=\"not-compared\">What was not compared</h2>")?;
    if report.coverage.not_compared.is_empty() {
        return writeln!(out, "<p>{}</p>", view::nothing_left_out(report));
    }
    let rows = report.coverage.not_compared.iter().map(|n| {
        vec![
            escape(&n.table),
            escape(n.column.as_deref().unwrap_or("the whole table")),
            number(n.cells),
            escape(&n.reason),
            if n.ignored { "yes".into() } else { "<strong>no</strong>".into() },
        ]
    });
    table(out, &["table", "column", "#cells", "reason", "ignored by the plan"], rows)
}

fn origins(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2 id=\"origins\">Where rows come from</h2>")?;
    for t in &report.tables {
        writeln!(
            out,
            "<details><summary><strong>{}</strong> {} merged</summary>",
            escape(&t.name),
            count(t.merges_total, "source row", "source rows")
        )?;
        let sources = t.sources.iter().map(|s| {
            vec![
                escape(&s.source),
                number(s.rows),
                number(s.filtered),
                number(s.exploded),
                number(s.merged),
                number(s.kept),
            ]
        });
        table(out, &["source", "#read", "#filtered", "#after explode", "#merged", "#kept"], sources)?;
        let pairings = t.pairings.iter().map(|p| {
            vec![
                escape(&p.column),
                format!("<code>{}</code>", escape(&p.from)),
                escape(view::paired_by(p)),
                escape(p.read_as.as_deref().unwrap_or("")),
                escape(p.tolerances.join(", ")),
            ]
        });
        table(out, &["column", "compared with", "paired by", "read as", "tolerances"], pairings)?;
        if !t.merges.is_empty() {
            let merges = t.merges.iter().map(|m| vec![escape(&m.from), escape(&m.into), escape(&m.identity)]);
            table(out, &["merged", "into", "because both are"], merges)?;
        }
        writeln!(out, "</details>")?;
    }
    Ok(())
}

fn waivers(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.waivers.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2 id=\"waivers\">Waivers</h2>")?;
    let rows = report.waivers.iter().map(|w| {
        let until = w.until.as_deref().unwrap_or("");
        let text = [&w.id, &w.owner, &w.reason, until, &w.status].map(escape);
        let [id, owner, reason, until, status] = text;
        vec![id, owner, reason, until, number(w.findings), status]
    });
    table(out, &["id", "owner", "reason", "until", "#findings", "status"], rows)
}

fn rules(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2 id=\"rules\">Rules that were applied</h2>\n<ul>")?;
    for rule in view::rules(report) {
        writeln!(out, "<li><strong>{}</strong> equal when: {}</li>", rule.id(), escape(rule.text()))?;
    }
    for line in view::looser(report) {
        writeln!(out, "<li>{}</li>", escape(&line))?;
    }
    writeln!(out, "</ul>\n<h2 id=\"verify\">How to verify</h2>\n<ul>")?;
    for line in view::VERIFY {
        writeln!(out, "<li>{}</li>", code(line))?;
    }
    writeln!(out, "</ul>")
}

/// Our own sentences: what stands between backticks is code.
fn code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) })
        .collect()
}

/// A table; `#` before a heading marks a column of numbers. Cells are HTML already.
fn table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> std::fmt::Result {
    writeln!(out, "<div class=\"scroll\"><table>\n<thead><tr>")?;
    let numeric = |i: usize| if head[i].starts_with('#') { " class=\"n\"" } else { "" };
    for (i, name) in head.iter().enumerate() {
        write!(out, "<th scope=\"col\"{}>{}</th>", numeric(i), name.trim_start_matches('#'))?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate().take(head.len()) {
            write!(out, "<td{}>{cell}</td>", numeric(i))?;
        }
        out.push_str("</tr>\n");
    }
    writeln!(out, "</tbody></table></div>")
}

fn class(verdict: Verdict) -> &'static str {
    verdict.as_str()
}

fn escape(text: impl AsRef<str>) -> String {
    let mut out = String::new();
    for c in visible(text.as_ref()).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
