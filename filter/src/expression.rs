//! Expressions, how they may be put together, and how error texts show them. Java: the classes of
//! `org.apache.rocketmq.filter.expression`.

use crate::error::CompileError;
use crate::value::Value;
use crate::{compare, number};
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::Arc;

/// A filter, compiled once and evaluated for each message.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A literal.
    Constant(Constant),
    /// The value of the property of this name.
    Property(Box<str>),
    /// A property as a boolean: false, since all properties are strings.
    BooleanCast(Box<str>),
    /// Minus.
    Negate(Box<Expression>),
    /// NOT.
    Not(Box<Expression>),
    /// `=` and IS; within [`Not`](Self::Not) `<>` and IS NOT.
    Equal(Box<[Expression; 2]>),
    /// `>`, `>=`, `<`, `<=`.
    Ordered(Comparison, Box<[Expression; 2]>),
    /// Value, low, high.
    Between(Box<[Expression; 3]>, Negated),
    /// AND over all operands of a chain.
    And(Vec<Expression>),
    /// OR over all operands of a chain.
    Or(Vec<Expression>),
    /// IN: the name of a property and the texts that it may be.
    In(Box<str>, StringList, Negated),
    /// CONTAINS, STARTSWITH or ENDSWITH: an operand, and the text to look for.
    Text(TextMatch, Box<Expression>, Box<str>, Negated),
}

/// With NOT before the operator.
pub type Negated = bool;

/// A literal of the expression, as Java types it.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Null,
    Boolean(bool),
    Integer(i32),
    Long(i64),
    Double(f64),
    String(Box<str>),
}

impl Constant {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Constant::Null => Value::Null,
            Constant::Boolean(value) => Value::Boolean(*value),
            Constant::Integer(value) => Value::Integer(*value),
            Constant::Long(value) => Value::Long(*value),
            Constant::Double(value) => Value::Double(*value),
            Constant::String(value) => Value::String(value),
        }
    }

    fn is_boolean(&self) -> bool {
        matches!(self, Constant::Null | Constant::Boolean(_))
    }

    fn is_number(&self) -> bool {
        matches!(self, Constant::Integer(_) | Constant::Long(_) | Constant::Double(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextMatch {
    Contains,
    StartsWith,
    EndsWith,
}

/// The strings of an IN.
#[derive(Clone, Debug, PartialEq)]
pub struct StringList {
    /// In the order in which Java shows them.
    shown: Vec<Arc<str>>,
    /// The same; empty if they are few.
    many: HashSet<Arc<str>>,
}

/// Java: `UnaryExpression.createInExpression`, where longer lists become a `HashSet`.
const LIST_STRINGS_MAX: usize = 4;

/// Of an operand in an error text; Java shows all, however long.
const SHOWN_BYTES_MAX: usize = 64 << 10;

impl Expression {
    pub(crate) fn into_boolean(self) -> Result<Expression, CompileError> {
        match self {
            Expression::Property(name) => Ok(Expression::BooleanCast(name)),
            boolean if boolean.is_boolean() => Ok(boolean),
            other => Err(CompileError::Syntax(format!(
                "Expression will not result in a boolean value: {}",
                shown(&other)
            ))),
        }
    }

    /// Java: `instanceof BooleanExpression`.
    fn is_boolean(&self) -> bool {
        match self {
            Expression::Constant(constant) => constant.is_boolean(),
            Expression::Property(_) | Expression::Negate(_) => false,
            _ => true,
        }
    }

    /// NOT over what is a boolean.
    pub(crate) fn negated(self) -> Expression {
        Expression::Not(Box::new(self))
    }

    pub(crate) fn or(self, right: Expression) -> Result<Expression, CompileError> {
        let left = self.into_boolean()?;
        let right = right.into_boolean()?;
        Ok(match left {
            Expression::Or(mut operands) => {
                operands.push(right);
                Expression::Or(operands)
            }
            left => Expression::Or(vec![left, right]),
        })
    }

    pub(crate) fn and(self, right: Expression) -> Result<Expression, CompileError> {
        let left = self.into_boolean()?;
        let right = right.into_boolean()?;
        Ok(match left {
            Expression::And(mut operands) => {
                operands.push(right);
                Expression::And(operands)
            }
            left => Expression::And(vec![left, right]),
        })
    }

    pub(crate) fn equals_null(self) -> Expression {
        Expression::Equal(Box::new([self, Expression::Constant(Constant::Null)]))
    }

    pub(crate) fn equal(self, right: Expression) -> Result<Expression, CompileError> {
        for operand in [&self, &right] {
            if let Expression::Constant(Constant::Null) = operand {
                return Err(CompileError::Operand("'NULL' cannot be compared.".into()));
            }
        }
        if let (Expression::Constant(l), Expression::Constant(r)) = (&self, &right)
            && l.is_boolean()
            && !r.is_boolean()
        {
            return Err(CompileError::Operand(format!("'{l}' cannot be compared with '{r}'")));
        }
        Ok(Expression::Equal(Box::new([self, right])))
    }

    pub(crate) fn ordered(
        self,
        comparison: Comparison,
        right: Expression,
    ) -> Result<Expression, CompileError> {
        self.check_ordered()?;
        right.check_ordered()?;
        Ok(Expression::Ordered(comparison, Box::new([self, right])))
    }

    pub(crate) fn between(
        self,
        low: Expression,
        high: Expression,
        negated: bool,
    ) -> Result<Expression, CompileError> {
        if let (Expression::Constant(low), Expression::Constant(high), false) = (&low, &high, negated) {
            check_limits(low, high)?;
        }
        self.check_ordered()?;
        low.check_ordered()?;
        high.check_ordered()?;
        Ok(Expression::Between(Box::new([self, low, high]), negated))
    }

    pub(crate) fn in_list(self, list: Vec<Box<str>>, negated: bool) -> Result<Expression, CompileError> {
        match self {
            Expression::Property(name) => Ok(Expression::In(name, StringList::new(list), negated)),
            other => Err(CompileError::Operand(format!(
                "Expected a property for In expression, got: {}",
                shown(&other)
            ))),
        }
    }

    pub(crate) fn text(self, how: TextMatch, negated: bool, search: Box<str>) -> Expression {
        Expression::Text(how, Box::new(self), search, negated)
    }

    /// Java: `checkLessThanOperand`.
    fn check_ordered(&self) -> Result<(), CompileError> {
        let is_number = match self {
            Expression::Constant(constant) => constant.is_number(),
            other => !other.is_boolean(),
        };
        match is_number {
            true => Ok(()),
            false => Err(CompileError::Operand(format!("Value '{}' cannot be compared.", shown(self)))),
        }
    }
}

/// Java: the beginning of `createBetween`.
fn check_limits(low: &Constant, high: &Constant) -> Result<(), CompileError> {
    if *low == Constant::Null || *high == Constant::Null {
        return Err(CompileError::Operand("Illegal values of between, values can not be null!".into()));
    }
    if let (Constant::String(_), Constant::Boolean(_)) = (low, high) {
        return Err(CompileError::ClassCast);
    }
    if compare::compare(&high.value(), &low.value())?.is_lt() {
        let (low, high) = (low.value().to_string(), high.value().to_string());
        return Err(CompileError::Operand(format!(
            "Illegal values of between, left value({low}) must less than or equal to right value({high})"
        )));
    }
    Ok(())
}

impl StringList {
    fn new(list: Vec<Box<str>>) -> StringList {
        let mut shown: Vec<Arc<str>> = list.into_iter().map(Arc::from).collect();
        if shown.len() <= LIST_STRINGS_MAX {
            return StringList { shown, many: HashSet::new() };
        }
        // As `new HashSet<>(list)` sizes its table, and in the order of that.
        let buckets = ((shown.len() as f32 / 0.75) as u32 + 1).max(16).next_power_of_two();
        let mut many = HashSet::with_capacity(shown.len());
        shown.retain(|string| many.insert(string.clone()));
        shown.sort_by_key(|string| {
            let hash =
                string.encode_utf16().fold(0u32, |hash, c| hash.wrapping_mul(31).wrapping_add(c.into()));
            (hash ^ hash >> 16) & (buckets - 1)
        });
        StringList { shown, many }
    }

    pub(crate) fn contains(&self, string: &str) -> bool {
        match self.many.is_empty() {
            true => self.shown.iter().any(|shown| **shown == *string),
            false => self.many.contains(string),
        }
    }
}

/// For error texts.
fn shown(expression: &Expression) -> String {
    struct Limited(String);
    impl Write for Limited {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if self.0.len() > SHOWN_BYTES_MAX {
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut text = Limited(String::new());
    if write!(text, "{expression}").is_err() {
        text.0.push_str("...");
    }
    text.0
}

/// As Java's `toString` methods.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Constant(constant) => write!(f, "{constant}"),
            Expression::Property(name) | Expression::BooleanCast(name) => f.write_str(name),
            Expression::Negate(operand) => write!(f, "(- {operand})"),
            Expression::Not(operand) => write!(f, "(NOT {operand})"),
            Expression::Equal(operands) => write!(f, "({} == {})", operands[0], operands[1]),
            Expression::Ordered(comparison, operands) => {
                write!(f, "({} {} {})", operands[0], comparison.symbol(), operands[1])
            }
            Expression::Between(operands, negated) => {
                let [value, low, high] = &**operands;
                match negated {
                    false => write!(f, "(({value} >= {low}) && ({value} <= {high}))"),
                    true => write!(f, "(({value} < {low}) || ({value} > {high}))"),
                }
            }
            Expression::And(operands) => chain(f, operands, "&&"),
            Expression::Or(operands) => chain(f, operands, "||"),
            Expression::In(name, list, negated) => {
                let operator = if *negated { "NOT IN" } else { "IN" };
                write!(f, "{name} {operator} ( {} )", list.shown.join(", "))
            }
            Expression::Text(how, operand, _, negated) => {
                let not = if *negated { "NOT " } else { "" };
                write!(f, "({not}{} {operand})", how.symbol())
            }
        }
    }
}

fn chain(f: &mut fmt::Formatter<'_>, operands: &[Expression], symbol: &str) -> fmt::Result {
    for _ in 1..operands.len() {
        f.write_char('(')?;
    }
    for (i, operand) in operands.iter().enumerate() {
        match i {
            0 => write!(f, "{operand}")?,
            _ => write!(f, " {symbol} {operand})")?,
        }
    }
    Ok(())
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constant::Null => f.write_str("NULL"),
            Constant::Boolean(true) => f.write_str("TRUE"),
            Constant::Boolean(false) => f.write_str("FALSE"),
            Constant::Integer(value) => write!(f, "{value}"),
            Constant::Long(value) => write!(f, "{value}"),
            Constant::Double(value) => f.write_str(&number::double_to_string(*value)),
            Constant::String(value) => write!(f, "'{}'", value.replace('\'', "''")),
        }
    }
}

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
        }
    }
}

impl TextMatch {
    fn symbol(self) -> &'static str {
        match self {
            TextMatch::Contains => "CONTAINS",
            TextMatch::StartsWith => "STARTSWITH",
            TextMatch::EndsWith => "ENDSWITH",
        }
    }
}
