//! The message record: its properties, its identifiers, and the one encoder and decoder of the layout in which the
//! commit log stores it and a pull reply carries it.
#![warn(missing_docs)]

pub mod batch;
mod error;
pub mod id;
pub mod property;
pub mod property_crc;
pub mod record;
pub mod sys_flag;
pub mod uniq_key;

pub use error::RecordError;
pub use property::Properties;
pub use property_crc::PropertyCrc;
pub use record::{Message, Record, RecordPatch, StoredMessage};

/// Longest properties string in bytes: its length travels as a signed 16-bit number.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

/// CRC-32 with the sign bit cleared (`UtilAll.crc32`), as every RocketMQ checksum is stored.
pub fn crc32(bytes: &[u8]) -> i32 {
    (crc32fast::hash(bytes) & 0x7fff_ffff) as i32
}

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
pub fn java_string_hash(text: &str) -> i32 {
    continue_java_string_hash(0, text)
}

/// The hash of some text with `text` behind it, from the hash of the text before it.
pub fn continue_java_string_hash(hash: i32, text: &str) -> i32 {
    let add = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    match text.is_ascii() {
        true => text.bytes().fold(hash, |hash, byte| add(hash, byte.into())),
        false => text.encode_utf16().fold(hash, add),
    }
}

/// What a consume queue keeps of a message's tags (`MessageExtBrokerInner.tagsString2tagsCode`): 0 for none.
pub fn tags_code(tags: &str) -> i64 {
    i64::from(java_string_hash(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java() {
        assert_eq!(java_string_hash("TagA"), 2598919);
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("FactsTopic#KeyA").wrapping_abs(), 78053245);
        let topic = java_string_hash("FactsTopic#");
        assert_eq!(continue_java_string_hash(topic, "KeyA").wrapping_abs(), 78053245);
        // Above the first 65,536 characters one counts as two.
        let blue = "\u{8272}\u{1f535}";
        assert_eq!(java_string_hash(blue), (0x8272 * 31 + 0xd83d) * 31 + 0xdd35);
        assert_eq!(java_string_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
    }

    #[test]
    fn crc_has_no_sign() {
        assert_eq!(crc32(b"abc"), 891568578);
    }
}
