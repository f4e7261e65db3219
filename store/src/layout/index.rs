//! An index file (`IndexHeader`, `IndexFile`, 5.5.0): header, `maxHashSlotNum` slots of i32, `maxIndexNum` entries. A slot
//! holds the number of the newest entry of its chain, 0 for none. Entries count from 1: the place of number 0 is never used.

/// Where [`IndexHeader::begin_timestamp_ms`] lies.
pub const BEGIN_TIMESTAMP: usize = 0;
/// Where [`IndexHeader::end_timestamp_ms`] lies.
pub const END_TIMESTAMP: usize = 8;
/// Where [`IndexHeader::begin_offset`] lies.
pub const BEGIN_PHY_OFFSET: usize = 16;
/// Where [`IndexHeader::end_offset`] lies.
pub const END_PHY_OFFSET: usize = 24;
/// Slots in use.
pub const HASH_SLOT_COUNT: usize = 32;
/// The number that the next entry gets.
pub const INDEX_COUNT: usize = 36;
/// Bytes of an [`IndexHeader`]; the slots follow.
pub const HEADER_BYTES: usize = 40;
/// A slot is the number of an entry.
pub const SLOT_BYTES: usize = 4;
/// `keyHash i32 | phyOffset i64 | timeDiff i32 | slotValue i32`: see [`IndexEntry`].
pub const ENTRY_BYTES: usize = 20;
/// `UtilAll.timeMillisToHumanString`, 5.5.0: a file is named by the local time at which it was made, as
/// `yyyyMMddHHmmssSSS`.
pub const NAME_DIGITS: usize = 17;

/// What a file begins with: `beginTimestamp i64 | endTimestamp i64 | beginPhyOffset i64 | endPhyOffset i64 |
/// hashSlotCount i32 | indexCount i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    /// Store time of the first message, in milliseconds since the epoch.
    pub begin_timestamp_ms: i64,
    /// Store time of the last message.
    pub end_timestamp_ms: i64,
    /// Where the first message begins in the log.
    pub begin_offset: i64,
    /// Where the last message begins in the log.
    pub end_offset: i64,
    /// Slots in use.
    pub used_slots: i32,
    /// The number that the next entry gets: 1 in an empty file.
    pub count: i32,
}

impl IndexHeader {
    /// The header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
        let int = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        Some(Self {
            begin_timestamp_ms: long(BEGIN_TIMESTAMP)?,
            end_timestamp_ms: long(END_TIMESTAMP)?,
            begin_offset: long(BEGIN_PHY_OFFSET)?,
            end_offset: long(END_PHY_OFFSET)?,
            used_slots: int(HASH_SLOT_COUNT)?,
            count: int(INDEX_COUNT)?,
        })
    }
}

/// One entry of an index file (`IndexFile.putKey`, 5.5.0): `keyHash i32 | physicalOffset i64 | seconds i32 | previous i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// See [`index_key_hash`].
    pub key_hash: i32,
    /// Where the message begins in the log.
    pub physical_offset: i64,
    /// From the file's begin timestamp to the message's.
    pub seconds: i32,
    /// Number of the entry before it in the chain; 0: none.
    pub previous: i32,
}

impl IndexEntry {
    /// The entry as it stands in the file.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.key_hash.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.physical_offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.seconds.to_be_bytes());
        bytes[16..].copy_from_slice(&self.previous.to_be_bytes());
        bytes
    }

    /// The entry at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (key_hash, rest) = bytes.split_first_chunk()?;
        let (physical_offset, rest) = rest.split_first_chunk()?;
        let (seconds, rest) = rest.split_first_chunk()?;
        Some(Self {
            key_hash: i32::from_be_bytes(*key_hash),
            physical_offset: i64::from_be_bytes(*physical_offset),
            seconds: i32::from_be_bytes(*seconds),
            previous: i32::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// `IndexFile.indexKeyHashMethod`, 5.5.0, of a key's `String.hashCode`: never negative.
pub fn index_key_hash(java_hash: i32) -> i32 {
    java_hash.checked_abs().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS_KEY_A: [u8; ENTRY_BYTES] =
        [4, 0xa6, 0xff, 0x7d, 0, 0, 0, 0, 0x26, 0xab, 0x82, 0x43, 0, 0, 0xb, 0xe1, 0, 0x14, 0x6c, 0x17];

    #[test]
    fn entry_as_seen_live() {
        // Of FactsTopic#KeyA, as a 5.5.0 broker wrote it.
        let (entry, offset) = (IndexEntry::decode(&FACTS_KEY_A), 648_774_211);
        let expected =
            IndexEntry { key_hash: 78_053_245, physical_offset: offset, seconds: 3041, previous: 1_338_391 };
        assert_eq!(entry, Some(expected));
        assert_eq!(expected.encode(), FACTS_KEY_A);
        assert_eq!([i32::MIN, -5, 7].map(index_key_hash), [0, 5, 7]);
    }
}
