//! What the process around the mapping has to know, or to say.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::visit_relations;

use crate::syntax::parse_query;

/// The sources that free SQL names, as `connection.table`, sorted; names that the query itself defines (`WITH`)
/// may be among them. `None` where the text is no query: deriving the table then says why.
pub fn tables_in(sql: &str) -> Option<Vec<String>> {
    let statement = parse_query(sql).ok()?;
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_relations(&statement, |relation| {
        names.insert(crate::query::full_name(relation));
        ControlFlow::Continue(())
    });
    Some(names.into_iter().collect())
}

/// Sets how many threads polars uses. It takes effect only before the first table is derived, and must be called
/// while the process has a single thread.
pub fn set_threads(threads: usize) {
    // SAFETY: the caller is the start of `main`, before any other thread could read the environment.
    unsafe { std::env::set_var("POLARS_MAX_THREADS", threads.to_string()) };
}
