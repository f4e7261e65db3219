//! SQL92 over message properties, and the Bloom filter that marks its results in consume queues. Java: the module
//! `rocketmq-filter` 5.5.0, whose every answer and every error text this crate gives. Knows no message and no file.
#![warn(missing_docs)]

pub mod bloom;
mod compare;
mod error;
mod evaluate;
mod explain;
mod expression;
mod grammar;
mod number;
mod parser;
mod token;
mod value;

#[cfg(test)]
mod tests;

pub use error::{CompileError, EvaluateError};
pub use evaluate::Properties;
pub use expression::Expression;
pub use grammar::NESTING_MAX;
pub use parser::HEIGHT_MAX;
pub use value::Value;
