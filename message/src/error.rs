//! What is wrong with a record, or with a message that was to become one.

use std::fmt;

/// Why bytes are no record, or a message cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Fewer bytes than the lengths ask for.
    Short,
    /// Neither of the three magic numbers.
    Magic(u32),
    /// The parts do not add up to the record's size.
    Size {
        /// What the record says, in bytes.
        declared: usize,
        /// What its parts take, in bytes.
        read: usize,
    },
    /// More than [`super::PROPERTIES_BYTES_MAX`].
    PropertiesTooLong {
        /// Of the properties.
        bytes: usize,
    },
    /// The topic does not fit its length field, or the record its own.
    TooLong {
        /// Of the topic or of the record.
        bytes: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("record cut short"),
            Self::Magic(magic) => write!(f, "illegal magic 0x{magic:08x}"),
            Self::Size { declared, read } => write!(f, "record size {declared}, parts add up to {read}"),
            Self::PropertiesTooLong { bytes } => write!(f, "properties of {bytes} bytes"),
            Self::TooLong { bytes } => write!(f, "topic or record of {bytes} bytes"),
        }
    }
}

impl std::error::Error for RecordError {}
