//! Which of two values is greater. Java: `ComparisonExpression.__compare`.

use crate::error::EvaluateError;
use crate::number::{parse_double, parse_integer, parse_long};
use crate::value::Value;
use std::cmp::Ordering;

/// Neither is null. Text beside a number or a boolean is read as one; what cannot be compared counts as less.
pub fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, EvaluateError> {
    use Value::{Boolean, Double, Integer, Long, String};
    let number = EvaluateError::NotANumber;
    Ok(match (*left, *right) {
        (Boolean(l), Boolean(r)) => l.cmp(&r),
        (Integer(l), Integer(r)) => l.cmp(&r),
        (Long(l), Long(r)) => l.cmp(&r),
        (Double(l), Double(r)) => l.total_cmp(&r),
        (String(l), String(r)) => l.encode_utf16().cmp(r.encode_utf16()),
        (Integer(l), Long(r)) => i64::from(l).cmp(&r),
        (Long(l), Integer(r)) => l.cmp(&i64::from(r)),
        (Integer(l), Double(r)) => f64::from(l).total_cmp(&r),
        (Double(l), Integer(r)) => l.total_cmp(&f64::from(r)),
        (Long(l), Double(r)) => (l as f64).total_cmp(&r),
        (Double(l), Long(r)) => l.total_cmp(&(r as f64)),
        (Integer(l), String(r)) => l.cmp(&parse_integer(r).map_err(number)?),
        (Long(l), String(r)) => l.cmp(&parse_long(r).map_err(number)?),
        (Double(l), String(r)) => l.total_cmp(&parse_double(r).map_err(number)?),
        (String(l), Integer(r)) => parse_integer(l).map_err(number)?.cmp(&r),
        (String(l), Long(r)) => parse_long(l).map_err(number)?.cmp(&r),
        (String(l), Double(r)) => parse_double(l).map_err(number)?.total_cmp(&r),
        (String(l), Boolean(r)) => is_true(l).cmp(&r),
        // Java casts the wrong one of the two, and has no value.
        (Boolean(l), String(r)) => l.cmp(&is_true(r)),
        _ => Ordering::Less,
    })
}

/// Java: `Boolean.valueOf`.
fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// Strings have no order but as numbers.
pub fn strings_as_numbers(left: &str, right: &str) -> Result<Ordering, EvaluateError> {
    match (parse_double(left), parse_double(right)) {
        (Ok(left), Ok(right)) => Ok(left.total_cmp(&right)),
        _ => Err(EvaluateError::StringsOrdered),
    }
}
