//! The value of an expression for one message. Java: the `evaluate` methods of the expression classes.

use crate::compare::{self, compare};
use crate::error::EvaluateError;
use crate::expression::{Comparison, Expression, TextMatch};
use crate::value::Value;

/// The properties of a message. Java: `EvaluationContext`.
pub trait Properties {
    /// The value of a property, if the message has it.
    fn get(&self, name: &str) -> Option<&str>;
}

type Evaluated<'a> = Result<Value<'a>, EvaluateError>;

impl Expression {
    /// Whether a message with these properties is wanted: unknown counts as no. An error as of
    /// [`evaluate`](Self::evaluate).
    pub fn matches(&self, properties: &dyn Properties) -> Result<bool, EvaluateError> {
        Ok(self.evaluate(properties)? == Value::Boolean(true))
    }

    /// The value for a message with these properties. An error where Java throws: see [`EvaluateError`].
    pub fn evaluate<'a>(&'a self, properties: &'a dyn Properties) -> Evaluated<'a> {
        match self {
            Expression::Constant(constant) => Ok(constant.value()),
            Expression::Property(name) => Ok(properties.get(name).map_or(Value::Null, Value::String)),
            Expression::BooleanCast(name) => {
                Ok(properties.get(name).map_or(Value::Null, |_| Value::Boolean(false)))
            }
            Expression::Negate(operand) => Ok(operand.evaluate(properties)?.negate()),
            Expression::Not(operand) => Ok(operand.evaluate(properties)?.not()),
            Expression::Equal(operands) => {
                equal(operands[0].evaluate(properties)?, operands[1].evaluate(properties)?)
            }
            Expression::Ordered(comparison, operands) => match operands[0].evaluate(properties)? {
                Value::Null => Ok(Value::Null),
                left => ordered(*comparison, left, operands[1].evaluate(properties)?),
            },
            Expression::Between(operands, negated) => between(operands, *negated, properties),
            Expression::And(operands) => chain(operands, false, properties),
            Expression::Or(operands) => chain(operands, true, properties),
            Expression::In(name, list, negated) => Ok(match properties.get(name) {
                None => Value::Null,
                Some(string) => Value::Boolean(list.contains(string) != *negated),
            }),
            // Without a text to look for nothing matches, with NOT or without; no value is asked for.
            Expression::Text(_, _, search, _) if search.is_empty() => Ok(Value::Boolean(false)),
            Expression::Text(how, operand, search, negated) => Ok(match operand.evaluate(properties)? {
                Value::String(string) => Value::Boolean(how.matches(string, search) != *negated),
                _ => Value::Boolean(false),
            }),
        }
    }
}

/// AND ends at the first false, OR at the first true; else one unknown makes all unknown.
fn chain<'a>(operands: &'a [Expression], end: bool, properties: &'a dyn Properties) -> Evaluated<'a> {
    let mut unknown = false;
    for operand in operands {
        match operand.evaluate(properties)? {
            Value::Boolean(value) if value == end => return Ok(Value::Boolean(end)),
            Value::Null => unknown = true,
            _ => {}
        }
    }
    Ok(if unknown { Value::Null } else { Value::Boolean(!end) })
}

/// As `value >= low AND value <= high`, or `value < low OR value > high`, in this order; the value is found once.
fn between<'a>(
    operands: &'a [Expression; 3],
    negated: bool,
    properties: &'a dyn Properties,
) -> Evaluated<'a> {
    let [value, low, high] = operands;
    let value = value.evaluate(properties)?;
    if value == Value::Null {
        return Ok(Value::Null);
    }
    let (above, below) = match negated {
        false => (Comparison::GreaterEqual, Comparison::LessEqual),
        true => (Comparison::Less, Comparison::Greater),
    };
    let end = Value::Boolean(negated);
    let low = ordered(above, value, low.evaluate(properties)?)?;
    if low == end {
        return Ok(end);
    }
    match ordered(below, value, high.evaluate(properties)?)? {
        high if high == end => Ok(end),
        Value::Null => Ok(Value::Null),
        high => Ok(if low == Value::Null { low } else { high }),
    }
}

fn equal<'a>(left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(Value::Boolean(true)),
        (Value::Null, _) => Ok(Value::Null),
        (_, Value::Null) => Ok(Value::Boolean(false)),
        _ => Ok(Value::Boolean(compare(&left, &right)?.is_eq())),
    }
}

fn ordered<'a>(comparison: Comparison, left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    let ordering = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Null),
        (Value::String(left), Value::String(right)) => compare::strings_as_numbers(left, right)?,
        _ => compare(&left, &right)?,
    };
    Ok(Value::Boolean(match comparison {
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterEqual => ordering.is_ge(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessEqual => ordering.is_le(),
    }))
}

impl TextMatch {
    fn matches(self, string: &str, search: &str) -> bool {
        match self {
            TextMatch::Contains => string.contains(search),
            TextMatch::StartsWith => string.starts_with(search),
            TextMatch::EndsWith => string.ends_with(search),
        }
    }
}
