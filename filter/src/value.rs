//! What an expression or an operand is worth.

use crate::number;
use std::fmt;

/// A value of one of Java's types. Java: the objects that `evaluate` returns.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the Java type of its name")]
pub enum Value<'a> {
    /// Unknown: neither true nor false.
    Null,
    Boolean(bool),
    Integer(i32),
    Long(i64),
    Double(f64),
    String(&'a str),
}

impl Value<'_> {
    /// Only numbers have a negative; the smallest is its own, as everywhere in Java.
    pub(crate) fn negate(self) -> Self {
        match self {
            Value::Integer(value) => Value::Integer(value.wrapping_neg()),
            Value::Long(value) => Value::Long(value.wrapping_neg()),
            Value::Double(value) => Value::Double(-value),
            _ => Value::Null,
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Value::Boolean(value) => Value::Boolean(!value),
            _ => Value::Null,
        }
    }
}

/// As Java's `String.valueOf`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Long(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&number::double_to_string(*value)),
            Value::String(value) => f.write_str(value),
        }
    }
}
