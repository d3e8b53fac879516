//! What the run did not look at: nothing passes unseen.

use std::collections::BTreeMap;

use counterfoil_connectors::Connector;
use counterfoil_model::Verdict;
use counterfoil_model::finding::NotCompared;
use counterfoil_model::pair::TablePair;
use counterfoil_model::plan::Plan;
use counterfoil_model::report::{CheckResult, RunCoverage};

use crate::error::Error;

/// Everything that was not compared: tables that the plan doesn't name, columns without partner, and what checks
/// say they could not look at.
pub fn of_run<'a>(
    unnamed: Vec<NotCompared>,
    pairs: impl IntoIterator<Item = &'a TablePair>,
    checks: &[CheckResult],
) -> RunCoverage {
    let mut not_compared = unnamed;
    let mut rows = 0;
    for pair in pairs {
        rows += pair.actual.rows();
        not_compared.extend(pair.unpaired.iter().map(|u| NotCompared {
            table: pair.name.clone(),
            column: Some(u.column.clone()),
            cells: u.cells,
            reason: u.reason.clone(),
            ignored: u.ignored,
        }));
    }
    not_compared.extend(checks.iter().flat_map(|c| c.coverage.not_compared.iter().cloned()));
    not_compared.sort();
    not_compared.dedup();
    let cells = checks.iter().filter(|c| c.validator == "row_diff").map(|c| c.coverage.cells).sum();
    let gap = not_compared.iter().any(|n| !n.ignored);
    RunCoverage {
        verdict: if gap { Verdict::Inconclusive } else { Verdict::Pass },
        rows,
        cells,
        not_compared,
    }
}

/// Tables and collections that the plan neither uses nor ignores.
///
/// # Errors
/// Where a connection can't list its tables.
pub fn unnamed(
    plan: &Plan,
    connections: &BTreeMap<String, Box<dyn Connector>>,
) -> Result<Vec<NotCompared>, Error> {
    let mut all = Vec::new();
    for (name, connector) in connections {
        let target = *name == plan.target.value;
        for table in connector.tables().map_err(|e| Error::connection(name, e))? {
            let full = format!("{name}.{table}");
            let used = if target {
                plan.tables.iter().any(|t| t.name.value == table)
            } else {
                plan.tables.iter().any(|t| uses(t, &full))
            };
            if used {
                continue;
            }
            let reason = plan.ignore.iter().find(|i| i.name.value == full).map(|i| i.reason.clone());
            let ignored = reason.is_some();
            let reason = reason.unwrap_or_else(|| {
                let what = if target { "target table" } else { "source" };
                format!("the plan names this {what} neither under 'tables' nor under 'ignore'")
            });
            all.push(NotCompared { table: full, column: None, cells: 0, reason, ignored });
        }
    }
    Ok(all)
}

/// Whether a table of the plan takes rows from `connection.table`.
pub fn uses(table: &counterfoil_model::plan::TablePlan, full: &str) -> bool {
    let in_sql = |sql: &str| sources_in(sql).iter().any(|s| s == full);
    table.from.iter().any(|f| f.value == full) || table.sql.as_ref().is_some_and(|s| in_sql(&s.value))
}

/// The tables that free SQL names, as the mapping sees them.
fn sources_in(sql: &str) -> Vec<String> {
    counterfoil_mapping::tables_in(sql).unwrap_or_default()
}
