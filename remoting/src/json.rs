//! Java's dialect of JSON: what fastjson2 writes and both fastjson generations read.
//!
//! Written: properties as the struct declares them (declare them in alphabetical order), no nulls, integer map keys without
//! quotes, a struct as map key as a bare object. Read: all that, and what other clients send: numbers and booleans in
//! quotes, null for anything, trailing commas, fastjson 1's references (`{"$ref":"$.mqSet[0]"}`).

mod reader;
pub(crate) mod scanner;
#[cfg(test)]
mod tests;
mod writer;

use serde::{Deserialize, Serialize};
use writer::Style;

pub use scanner::ScanError;
pub(crate) use writer::write_string;

/// Deeper than any body is; bounds the recursion that a peer's bytes can cause.
pub(crate) const DEPTH_MAX: usize = 64;

/// As bodies travel. Java: `RemotingSerializable.encode`.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    writer::write(value, Style::Compact)
}

/// As files are kept: members on lines of their own, indented with tabs. Java: `RemotingSerializable.toJson(true)`.
pub fn to_pretty<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    writer::write(value, Style::Pretty)
}

/// Strict JSON: integer keys in quotes. Java: `RemotingSerializable.encode(BrowserCompatible, MapSortField)`.
pub fn to_standard<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    writer::write(value, Style::Standard)
}

/// Reads a value as Java's parser does. [`JsonError`] says why it is none. Java: `RemotingSerializable.decode`.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    reader::read(std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?)
}

/// Why text is no value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It is not UTF-8.
    NotUtf8,
    /// It is no JSON.
    Text(ScanError),
    /// A reference to nothing, to itself, or one too many.
    Reference(usize),
    /// Up to this byte the values take far more memory than their text explains.
    TooLarge(usize),
    /// The type does not want this value.
    Unfit(String),
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JsonError::NotUtf8 => write!(f, "it is not UTF-8"),
            JsonError::Text(error) => error.fmt(f),
            JsonError::Reference(at) => write!(f, "a reference that cannot be followed at byte {at}"),
            JsonError::TooLarge(at) => write!(f, "too many values for so little text up to byte {at}"),
            JsonError::Unfit(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for JsonError {}

impl From<ScanError> for JsonError {
    fn from(error: ScanError) -> JsonError {
        JsonError::Text(error)
    }
}

impl serde::de::Error for JsonError {
    fn custom<T: std::fmt::Display>(why: T) -> JsonError {
        JsonError::Unfit(why.to_string())
    }
}

impl serde::ser::Error for JsonError {
    fn custom<T: std::fmt::Display>(why: T) -> JsonError {
        JsonError::Unfit(why.to_string())
    }
}
