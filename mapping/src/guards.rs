//! Rewrites parsed SQL so that polars can't bend values in silence. Left alone, it adds, subtracts and
//! multiplies 64-bit integers modulo 2^64, rounds products and quotients of decimals to the scale of the
//! operands, reads `1.10` as a float, compares integers with floats as floats, gives null for a remainder by
//! zero, drops the offsets of times, and more; see `arithmetic`, `compare` and `casts`.
//!
//! A float division by zero gives infinity (polars evaluates every branch of a CASE, so it can't be an error at
//! once), which is looked for in the result. Subqueries in expressions (`IN (SELECT ...)`) stay as they are:
//! polars gives them no functions of ours.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, JoinConstraint, JoinOperator,
    ObjectName, Select, Statement, TimezoneInfo, TypedString, UnaryOperator, Value as SqlValue, VisitMut,
    VisitorMut,
};

/// Guards an expression of which every row gives one value.
pub(crate) fn guard_expression(expression: &mut Expr) {
    let _ = VisitMut::visit(expression, &mut Guards::new(true));
}

/// Guards a query. Comparisons in the conditions of joins stay, since polars joins by nothing else.
pub(crate) fn guard_query(query: &mut Statement) {
    let _ = VisitMut::visit(query, &mut Guards::new(true));
}

/// A walk over a syntax tree that replaces what needs a guard.
struct Guards {
    comparisons: bool,
    /// How many subqueries of expressions the walk is in.
    subqueries: usize,
    /// The conditions of joins, kept away from the walk while their SELECT is visited.
    joins: Vec<Expr>,
}

fn is_subquery(expression: &Expr) -> bool {
    matches!(expression, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. })
}

/// The conditions of a SELECT's joins; with several tables in FROM, its WHERE is one, too.
fn join_conditions(select: &mut Select) -> Vec<&mut Expr> {
    let several = select.from.len() > 1;
    let mut conditions: Vec<&mut Expr> = Vec::new();
    for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
        if let JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::Semi(on)
        | JoinOperator::LeftSemi(on)
        | JoinOperator::RightSemi(on)
        | JoinOperator::Anti(on)
        | JoinOperator::LeftAnti(on)
        | JoinOperator::RightAnti(on) = &mut join.join_operator
            && let JoinConstraint::On(condition) = on
        {
            conditions.push(condition);
        }
    }
    conditions.extend(select.selection.iter_mut().filter(|_| several));
    conditions
}

impl VisitorMut for Guards {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let kept: Vec<Expr> = join_conditions(select).into_iter().map(take).collect();
        self.joins.extend(kept.into_iter().rev());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for place in join_conditions(select) {
            let Some(mut condition) = self.joins.pop() else { break };
            if self.subqueries == 0 {
                let _ = VisitMut::visit(&mut condition, &mut Self::new(false));
            }
            *place = condition;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        self.subqueries += usize::from(is_subquery(expression));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if is_subquery(expression) {
            self.subqueries -= 1;
        } else if self.subqueries == 0 {
            self.guard(expression);
        }
        ControlFlow::Continue(())
    }
}

impl Guards {
    fn new(comparisons: bool) -> Self {
        Self { comparisons, subqueries: 0, joins: Vec::new() }
    }

    fn guard(&self, expression: &mut Expr) {
        match expression {
            Expr::BinaryOp { .. } => self.operator(expression),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } if !matches!(**expr, Expr::Value(_)) => {
                let zero = Expr::Value(SqlValue::Number("0".into(), false).into());
                *expression = call("subtract", vec![zero, take(expr)]);
            }
            Expr::Between { .. } => self.between(expression),
            Expr::Cast { .. } | Expr::TypedString(_) => guard_cast(expression),
            Expr::Case { conditions, else_result, .. } => {
                conditions.iter_mut().for_each(|when| exact_literal(&mut when.result));
                else_result.iter_mut().for_each(|result| exact_literal(result));
            }
            Expr::Function(function) => guard_arguments(function),
            _ => {}
        }
    }

    fn operator(&self, expression: &mut Expr) {
        let Expr::BinaryOp { left, op, right } = expression else { return };
        let interval = |side: &Expr| matches!(side, Expr::Interval(_));
        if interval(left) || interval(right) {
            return;
        }
        exact_literal(left);
        exact_literal(right);
        // polars itself reads text as a time where it is compared with one.
        let text = is_text(left) || is_text(right);
        let name = match op {
            BinaryOperator::Plus => "add",
            BinaryOperator::Minus => "subtract",
            BinaryOperator::Multiply => "multiply",
            BinaryOperator::Divide => "divide",
            BinaryOperator::Modulo | BinaryOperator::DuckIntegerDivide => {
                **right = call("not_zero", vec![take(right)]);
                return;
            }
            op => match comparison(op) {
                Some(name) if self.comparisons && !text => name,
                _ => return,
            },
        };
        *expression = call(name, vec![take(left), take(right)]);
    }

    fn between(&self, expression: &mut Expr) {
        let Expr::Between { expr, negated, low, high } = expression else { return };
        exact_literal(low);
        exact_literal(high);
        if !self.comparisons || is_text(low) || is_text(high) {
            return;
        }
        let (value, low, high) = (take(expr), take(low), take(high));
        let (from, to, op) = match negated {
            false => ("greater_or_equal", "less_or_equal", BinaryOperator::And),
            true => ("less", "greater", BinaryOperator::Or),
        };
        let left = Box::new(call(from, vec![value.clone(), low]));
        let right = Box::new(call(to, vec![value, high]));
        *expression = Expr::Nested(Box::new(Expr::BinaryOp { left, op, right }));
    }
}

fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "equal",
        BinaryOperator::NotEq => "not_equal",
        BinaryOperator::Lt => "less",
        BinaryOperator::LtEq => "less_or_equal",
        BinaryOperator::Gt => "greater",
        BinaryOperator::GtEq => "greater_or_equal",
        _ => return None,
    })
}

fn is_text(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, SqlValue::SingleQuotedString(_)))
}

fn take(expression: &mut Expr) -> Expr {
    std::mem::replace(expression, Expr::Value(SqlValue::Null.into()))
}

/// Casts to times and integers, and literals such as `DATE '2024-02-29'`.
fn guard_cast(expression: &mut Expr) {
    match expression {
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            if let Some(name) = time_cast(data_type) {
                *expression = call(name, vec![Expr::Value(value.clone())]);
            }
        }
        Expr::Cast { kind, expr, data_type, format: None, .. } => {
            let lenient = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
            match time_cast(data_type) {
                Some(name) if lenient => *expression = call(&format!("try_{name}"), vec![take(expr)]),
                Some(name) => *expression = call(name, vec![take(expr)]),
                None if is_integer(data_type) && !lenient => **expr = call("whole", vec![take(expr)]),
                None => {}
            }
        }
        _ => {}
    }
}

fn time_cast(data_type: &SqlType) -> Option<&'static str> {
    Some(match data_type {
        SqlType::Date => "date",
        SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => "time",
        SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => "instant",
        SqlType::Timestamp(..) | SqlType::Datetime(_) | SqlType::TimestampNtz(_) => "local",
        _ => return None,
    })
}

fn is_integer(data_type: &SqlType) -> bool {
    let name = data_type.to_string().to_ascii_uppercase();
    name.contains("INT") && !name.contains("INTERVAL") && !name.contains("POINT")
}

/// `1.10` is a decimal in SQL, but a float to polars, which would draw decimals beside it to floats too.
fn exact_literal(expression: &mut Expr) {
    let (literal, sign) = match &*expression {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (expr.as_ref(), "-"),
        other => (other, ""),
    };
    let Expr::Value(value) = literal else { return };
    let SqlValue::Number(digits, _) = &value.value else { return };
    let Some((whole, fraction)) = digits.split_once('.') else { return };
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || whole.len() + fraction.len() > 18 {
        return;
    }
    let text = Expr::Value(SqlValue::SingleQuotedString(format!("{sign}{digits}")).into());
    let scale = ExactNumberInfo::PrecisionAndScale(38, fraction.len() as i64);
    *expression = cast(text, SqlType::Decimal(scale));
}

/// Arguments that are chosen between are like operands; those of a sum must not overflow it, nor a power.
fn guard_arguments(function: &mut Function) {
    const CHOOSING: [&str; 6] = ["coalesce", "ifnull", "nullif", "greatest", "least", "if"];
    let name = function.name.to_string().to_ascii_lowercase();
    let FunctionArguments::List(list) = &mut function.args else { return };
    let arguments = list.args.iter_mut().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    });
    match name.as_str() {
        "round" => function.name = ObjectName::from(vec![Ident::new("counterfoil_round")]),
        "sum" => arguments.for_each(|a| *a = call("summand", vec![take(a)])),
        "pow" | "power" => arguments.for_each(|a| *a = cast(take(a), SqlType::Double(ExactNumberInfo::None))),
        name if CHOOSING.contains(&name) => arguments.for_each(exact_literal),
        _ => {}
    }
}

fn cast(expression: Expr, data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expression), data_type, array: false, format: None }
}

/// A call of one of our functions.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(format!("counterfoil_{name}"))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
