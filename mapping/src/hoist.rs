//! Runs a query part by part: polars evaluates common tables, tables in FROM and the sides of a UNION without
//! the functions that guard arithmetic, so each such part is planned on its own, with them, and stands in the
//! query as a table.

use polars::prelude::{LazyFrame, PolarsError, PolarsResult};
use polars::sql::SQLContext;
use sqlparser::ast::{Query, SetExpr, Statement, TableFactor, TableWithJoins};

use crate::syntax::parse_query;

/// Plans a query over the tables of a context.
pub(crate) fn execute(context: &mut SQLContext, statement: &Statement) -> PolarsResult<LazyFrame> {
    let mut statement = statement.clone();
    let mut parts = Parts { context, count: 0 };
    if let Statement::Query(query) = &mut statement {
        parts.query(query)?;
    }
    context.execute(&statement.to_string())
}

struct Parts<'a> {
    context: &'a mut SQLContext,
    count: usize,
}

impl Parts<'_> {
    fn query(&mut self, query: &mut Query) -> PolarsResult<()> {
        if let Some(with) = query.with.as_mut().filter(|with| !with.recursive) {
            for cte in &mut with.cte_tables {
                self.replace_query(&mut cte.query)?;
                // Later parts see the table under its name, with its renamed columns.
                let name = cte.alias.name.clone();
                let frame = self.context.execute(&format!("WITH {cte} SELECT * FROM {name}"))?;
                self.context.register(&name.value, frame);
            }
            query.with = None;
        }
        self.body(&mut query.body)
    }

    fn body(&mut self, body: &mut SetExpr) -> PolarsResult<()> {
        match body {
            SetExpr::Select(select) => select.from.iter_mut().try_for_each(|from| self.from(from)),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)?;
                self.replace_body(left)?;
                self.replace_body(right)
            }
            _ => Ok(()),
        }
    }

    fn from(&mut self, from: &mut TableWithJoins) -> PolarsResult<()> {
        self.factor(&mut from.relation)?;
        from.joins.iter_mut().try_for_each(|join| self.factor(&mut join.relation))
    }

    fn factor(&mut self, factor: &mut TableFactor) -> PolarsResult<()> {
        match factor {
            TableFactor::Derived { subquery, .. } => self.replace_query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(table_with_joins),
            _ => Ok(()),
        }
    }

    fn replace_query(&mut self, query: &mut Query) -> PolarsResult<()> {
        self.query(query)?;
        *query = self.part(&query.to_string())?;
        Ok(())
    }

    fn replace_body(&mut self, body: &mut SetExpr) -> PolarsResult<()> {
        *body = *self.part(&body.to_string())?.body;
        Ok(())
    }

    /// Plans one part; what stands for it is a query of its table.
    fn part(&mut self, query: &str) -> PolarsResult<Query> {
        let frame = self.context.execute(query)?;
        self.count += 1;
        let name = format!("counterfoil part {}", self.count);
        self.context.register(&name, frame);
        match parse_query(&format!("SELECT * FROM \"{name}\"")) {
            Ok(Statement::Query(query)) => Ok(*query),
            _ => Err(PolarsError::SQLInterface("a part of the query can't be planned".into())),
        }
    }
}
