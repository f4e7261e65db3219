//! What can be wrong with an expression, and with one message's properties under it.

use std::fmt;

/// Why an expression cannot be used. Its text is what Java's `MQFilterException.getMessage` gives, since it reaches
/// the consumer's user in the reply's remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// Characters that begin no token. Java: `TokenMgrError`.
    Lexical(String),
    /// Tokens in the wrong place, or a result that is no boolean. Java: `ParseException`.
    Syntax(String),
    /// An operand that its operator refuses. Java: `RuntimeException`.
    Operand(String),
    /// A number that no `long` holds. Java: `NumberFormatException`.
    Number(String),
    /// `TRUE` and a string as limits of BETWEEN. Java: `ClassCastException`.
    ClassCast,
    /// Java ends with a `StackOverflowError`, at a depth that depends on the thread.
    TooDeep {
        /// Levels that are taken.
        levels_max: usize,
    },
}

/// Java casts a `Boolean` to `String` where it means to convert the other operand.
const CLASS_CAST: &str = "java.lang.ClassCastException: class java.lang.Boolean cannot be cast to class \
     java.lang.String (java.lang.Boolean and java.lang.String are in module java.base of loader 'bootstrap')";

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lexical(text) => write!(f, "org.apache.rocketmq.filter.parser.TokenMgrError: {text}"),
            Self::Syntax(text) => write!(f, "org.apache.rocketmq.filter.parser.ParseException: {text}"),
            Self::Operand(text) => write!(f, "java.lang.RuntimeException: {text}"),
            Self::Number(text) => write!(f, "java.lang.NumberFormatException: {text}"),
            Self::ClassCast => f.write_str(CLASS_CAST),
            Self::TooDeep { levels_max } => {
                write!(f, "The expression is nested too deeply: more than {levels_max} levels")
            }
        }
    }
}

impl std::error::Error for CompileError {}

/// Why an expression has no value for these properties; such a message does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluateError {
    /// Text that is compared with a number is none. Holds Java's `NumberFormatException` text.
    NotANumber(String),
    /// Two strings are ordered, and one of them is no number.
    StringsOrdered,
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber(text) => write!(f, "java.lang.NumberFormatException: {text}"),
            Self::StringsOrdered => f.write_str("It's illegal to compare string by '>=', '>', '<', '<='"),
        }
    }
}

impl std::error::Error for EvaluateError {}

impl From<EvaluateError> for CompileError {
    /// As BETWEEN's check of its limits meets them.
    fn from(error: EvaluateError) -> CompileError {
        CompileError::Operand(error.to_string())
    }
}
