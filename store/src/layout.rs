//! Where each thing lies in the store's files. All numbers are big-endian. The record of a message is in
//! [`message::record`].

pub mod checkpoint;
pub mod index;
pub mod inventory;

pub use index::{IndexEntry, IndexHeader, index_key_hash};

/// `CommitLog.DefaultAppendMessageCallback.END_FILE_MIN_BLANK_LENGTH`, 5.5.0: room that every log file keeps at its end
/// for `remaining size i32 | MAGIC_BLANK`.
pub const BLANK_BYTES: usize = 8;

/// `MappedFileQueue`, `UtilAll.offset2FileName`, 5.5.0: a file's name is its start offset in 20 digits.
const FILE_NAME_DIGITS: usize = 20;

/// The name of the file that starts at `offset`.
pub fn file_name(offset: i64) -> String {
    format!("{offset:020}")
}

/// Ours: a directory beside log files, with the copy of the last one while the log is being cut. 5.5.0 skips directories.
pub const TRUNCATING_DIR: &str = "truncating";

/// The start offset that a file's name says, if it is such a name.
pub fn parse_file_name(name: &str) -> Option<i64> {
    (name.len() == FILE_NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| name.parse().ok())
        .flatten()
}

/// One entry of a consume queue file (`ConsumeQueue.putMessagePositionInfo`, 5.5.0):
/// `physicalOffset i64 | size i32 | tagsCode i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// Where the message's record begins in the log.
    pub physical_offset: i64,
    /// Bytes of the record.
    pub size: i32,
    /// Hash of the tags; the deliver time in SCHEDULE_TOPIC_XXXX.
    pub tags_code: i64,
}

/// `ConsumeQueue.CQ_STORE_UNIT_SIZE`, 5.5.0.
pub const QUEUE_ENTRY_BYTES: usize = 20;

impl QueueEntry {
    /// What fills a queue before its first real entry (`ConsumeQueue.fillPreBlank`, 5.5.0).
    pub const PRE_BLANK: Self = Self { physical_offset: 0, size: i32::MAX, tags_code: 0 };

    /// Stands for a message that was removed with its log file, where its entry was lost. Ours; Java takes it for an old entry,
    /// other than [`PRE_BLANK`](Self::PRE_BLANK) as the last of a queue, which it takes for one of a message at 2 GiB.
    pub const GONE: Self = Self { physical_offset: 0, size: 1, tags_code: 0 };

    /// The entry as it stands in the file.
    pub fn encode(&self) -> [u8; QUEUE_ENTRY_BYTES] {
        let mut bytes = [0; QUEUE_ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.physical_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    /// The entry at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (physical_offset, rest) = bytes.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        Some(Self {
            physical_offset: i64::from_be_bytes(*physical_offset),
            size: i32::from_be_bytes(*size),
            tags_code: i64::from_be_bytes(*rest.first_chunk()?),
        })
    }

    /// Whether something was written here (`ConsumeQueue.recover`, 5.5.0).
    pub fn is_written(&self) -> bool {
        self.physical_offset >= 0 && self.size > 0
    }

    /// Hash of the tags, if the entry says it itself.
    pub fn tags_hash(&self) -> Option<i64> {
        (self.tags_code > ext::ADDRESS_MAX).then_some(self.tags_code)
    }

    /// First byte of the log behind the message.
    pub fn physical_end(&self) -> i64 {
        self.physical_offset.saturating_add(i64::from(self.size))
    }
}

/// `BatchConsumeQueue.CQ_STORE_UNIT_SIZE`, 5.5.0.
pub const BATCH_QUEUE_ENTRY_BYTES: usize = 46;

/// One entry of a batch consume queue file (`BatchConsumeQueue.putBatchMessagePositionInfo`, 5.5.0): a queue entry, then
/// `storeTime i64 | msgBaseOffset i64 | batchSize i16 | compactedOffset i32 | reserved i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchQueueEntry {
    /// Place and tags of the record that holds the batch.
    pub entry: QueueEntry,
    /// When the record was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
    /// Queue offset of the first message.
    pub base_offset: i64,
    /// Messages in the record.
    pub batch_size: i16,
    /// The last two fields, which have one value each unless the topic is compacted.
    pub rest: [u8; 8],
}

impl BatchQueueEntry {
    /// `INVALID_POS` for the compacted offset, and zeros.
    pub const PLAIN_REST: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

    /// The entry as it stands in the file.
    pub fn encode(&self) -> [u8; BATCH_QUEUE_ENTRY_BYTES] {
        let mut bytes = [0; BATCH_QUEUE_ENTRY_BYTES];
        bytes[..20].copy_from_slice(&self.entry.encode());
        bytes[20..28].copy_from_slice(&self.store_timestamp_ms.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[36..38].copy_from_slice(&self.batch_size.to_be_bytes());
        bytes[38..].copy_from_slice(&self.rest);
        bytes
    }

    /// The entry at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<BATCH_QUEUE_ENTRY_BYTES>()?;
        let (store_timestamp_ms, rest) = bytes[QUEUE_ENTRY_BYTES..].split_first_chunk()?;
        let (base_offset, rest) = rest.split_first_chunk()?;
        Some(Self {
            entry: QueueEntry::decode(bytes)?,
            store_timestamp_ms: i64::from_be_bytes(*store_timestamp_ms),
            base_offset: i64::from_be_bytes(*base_offset),
            batch_size: i16::from_be_bytes(*rest.first_chunk()?),
            rest: *rest.last_chunk()?,
        })
    }

    /// Whether something was written here (`BatchConsumeQueue.recover`, 5.5.0).
    pub fn is_written(&self) -> bool {
        self.entry.is_written() && self.base_offset >= 0 && self.batch_size > 0
    }

    /// First offset behind the messages.
    pub fn end_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.batch_size))
    }
}

/// Files of `consumequeue_ext` (`ConsumeQueueExt`, 5.5.0): units of
/// `size i16 | tagsCode i64 | storeTime i64 | bitMapSize i16 | bit map`.
pub mod ext {
    /// `MAX_ADDR`: with `enableConsumeQueueExt` a tags code up to this is the address of a unit instead.
    pub const ADDRESS_MAX: i64 = i32::MIN as i64 - 1;
    /// The address of the first unit.
    pub const ADDRESS_BASE: i64 = i64::MIN;
    /// `CqExtUnit.MIN_EXT_UNIT_SIZE`: of a unit without a bit map.
    pub const UNIT_BYTES_MIN: usize = 20;
    /// `CqExtUnit.MAX_EXT_UNIT_SIZE`.
    pub const UNIT_BYTES_MAX: usize = i16::MAX as usize;
    /// `END_BLANK_DATA_LENGTH`: room that every file keeps at its end.
    pub const END_BLANK_BYTES: usize = 4;
    /// Stands behind the last unit of a file where the next did not fit.
    pub const END_MARK: [u8; 2] = (-1i16).to_be_bytes();

    /// What stands before a unit's bit map.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct UnitHead {
        /// Bytes of the unit with its bit map.
        pub size: i16,
        /// Hash of the tags; the deliver time in SCHEDULE_TOPIC_XXXX.
        pub tags_code: i64,
        /// When the message was stored, in milliseconds since the epoch.
        pub store_timestamp_ms: i64,
        /// Bytes of the bit map alone; 0: none.
        pub bit_map_bytes: i16,
    }

    impl UnitHead {
        /// The head at the start of `bytes`.
        pub fn decode(bytes: &[u8]) -> Option<Self> {
            let (size, rest) = bytes.split_first_chunk()?;
            let (tags_code, rest) = rest.split_first_chunk()?;
            let (store_timestamp_ms, rest) = rest.split_first_chunk()?;
            Some(Self {
                size: i16::from_be_bytes(*size),
                tags_code: i64::from_be_bytes(*tags_code),
                store_timestamp_ms: i64::from_be_bytes(*store_timestamp_ms),
                bit_map_bytes: i16::from_be_bytes(*rest.first_chunk()?),
            })
        }
    }
}

/// A record of the timer log (`TimerLog`, `TimerMessageStore.doEnqueue`, 5.5.0): `size i32 | previous i64 | magic i32 |
/// writeTime i64 | delay i32 | physicalOffset i64 | messageSize i32 | topicHash i32 | reserved i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerLogRecord {
    /// Bytes of this record, always [`TIMER_LOG_RECORD_BYTES`].
    pub size: i32,
    /// Place of the record before it in its slot; -1: none.
    pub previous: i64,
    /// Bits: see [`timer_magic`].
    pub magic: i32,
    /// The timer's time as the message was entered, in milliseconds since the epoch.
    pub write_time_ms: i64,
    /// Deliver time less write time.
    pub delay_ms: i32,
    /// Where the waiting message begins in the commit log.
    pub physical_offset: i64,
    /// Bytes of that message.
    pub message_bytes: i32,
    /// `String.hashCode` of its real topic.
    pub topic_hash: i32,
    /// Always 0.
    pub reserved: i64,
}

/// `TimerLog.UNIT_SIZE`, 5.5.0.
pub const TIMER_LOG_RECORD_BYTES: usize = 52;

/// `TimerMessageStore.MAGIC_*`, 5.5.0.
pub mod timer_magic {
    /// Set in every record.
    pub const DEFAULT: i32 = 1;
    /// Rolled: the wheel does not reach as far as the message's time, so its slot enters it once more.
    pub const ROLL: i32 = 2;
    /// Recalls another message, instead of being one.
    pub const DELETE: i32 = 4;
}

impl TimerLogRecord {
    /// The record at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        let (magic, rest) = rest.split_first_chunk()?;
        let (write_time_ms, rest) = rest.split_first_chunk()?;
        let (delay_ms, rest) = rest.split_first_chunk()?;
        let (physical_offset, rest) = rest.split_first_chunk()?;
        let (message_bytes, rest) = rest.split_first_chunk()?;
        let (topic_hash, rest) = rest.split_first_chunk()?;
        Some(Self {
            size: i32::from_be_bytes(*size),
            previous: i64::from_be_bytes(*previous),
            magic: i32::from_be_bytes(*magic),
            write_time_ms: i64::from_be_bytes(*write_time_ms),
            delay_ms: i32::from_be_bytes(*delay_ms),
            physical_offset: i64::from_be_bytes(*physical_offset),
            message_bytes: i32::from_be_bytes(*message_bytes),
            topic_hash: i32::from_be_bytes(*topic_hash),
            reserved: i64::from_be_bytes(*rest.first_chunk()?),
        })
    }

    /// The record as it stands in the file.
    pub fn encode(&self) -> [u8; TIMER_LOG_RECORD_BYTES] {
        let mut bytes = [0; TIMER_LOG_RECORD_BYTES];
        let fields: [&[u8]; 9] = [
            &self.size.to_be_bytes(),
            &self.previous.to_be_bytes(),
            &self.magic.to_be_bytes(),
            &self.write_time_ms.to_be_bytes(),
            &self.delay_ms.to_be_bytes(),
            &self.physical_offset.to_be_bytes(),
            &self.message_bytes.to_be_bytes(),
            &self.topic_hash.to_be_bytes(),
            &self.reserved.to_be_bytes(),
        ];
        let mut rest = &mut bytes[..];
        for field in fields {
            let (head, tail) = rest.split_at_mut(field.len());
            head.copy_from_slice(field);
            rest = tail;
        }
        bytes
    }

    /// `TimerMessageStore.isMagicOK`, and the size: whether it can be a record.
    pub fn is_record(&self) -> bool {
        self.size as usize == TIMER_LOG_RECORD_BYTES && (0..=0xf).contains(&self.magic)
    }

    /// The slot it is in: when the message is due, or rolls on.
    pub fn slot_ms(&self) -> i64 {
        self.write_time_ms.saturating_add(self.delay_ms.into())
    }

    /// Enters its message once more when its time comes, instead of delivering it.
    pub fn rolls(&self) -> bool {
        self.magic & timer_magic::ROLL != 0
    }

    /// Recalls another message, instead of being one.
    pub fn deletes(&self) -> bool {
        self.magic & timer_magic::DELETE != 0
    }
}

/// What ends a file of the timer log that has no room for another record: `rest of the file i32 | 0 i64 | kind i32`
/// (`TimerLog.append`, 5.5.0).
pub mod timer_blank {
    /// `TimerLog.MIN_BLANK_LEN`: a record needs so many bytes behind it.
    pub const BYTES: usize = 16;
    /// Where the kind stands, as in a record.
    pub const MAGIC_AT: usize = 12;
}

/// A slot of the timer wheel (`Slot`, 5.5.0): `time i64 | first i64 | last i64 | count i32 | magic i32`. First and last are
/// places of the timer log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSlot {
    /// In units of `timerPrecisionMs`.
    pub time: i64,
    /// The record that was entered first; -1: none.
    pub first: i64,
    /// The record that was entered last; -1: none.
    pub last: i64,
    /// Messages less those recalled.
    pub count: i32,
    /// Unused: 0.
    pub magic: i32,
}

/// Below the store's root (`TimerMessageStore.getTimerWheelPath` and `getTimerLogPath`, `BrokerPathConfigHelper`, 5.5.0).
pub const TIMER_WHEEL_FILE: &str = "timerwheel";
/// The directory of the timer log.
pub const TIMER_LOG_DIR: &str = "timerlog";
/// See [`timer_checkpoint`].
pub const TIMER_CHECK_FILE: &str = "config/timercheck";

/// `Slot.SIZE`, 5.5.0.
pub const TIMER_SLOT_BYTES: usize = 32;

/// `TimerMessageStore.TIMER_WHEEL_TTL_DAY`, twice, 5.5.0: whatever the precision, the wheel has so many slots.
pub const TIMER_SLOTS: i64 = 2 * 7 * 24 * 3600;

/// Where a slot's fields lie in it.
pub(crate) mod timer_slot {
    pub const TIME: usize = 0;
    pub const FIRST: usize = 8;
    pub const LAST: usize = 16;
    pub const COUNT: usize = 24;
    pub const MAGIC: usize = 28;
}

/// `config/timercheck` (`TimerCheckpoint`, 5.5.0): seven `i64`, the rest of the page is zero.
pub mod timer_checkpoint {
    /// The whole file: a page.
    pub const FILE_BYTES: usize = 4096;
    /// The fields that have a meaning.
    pub const FIELDS: usize = 7;
    /// All fields, which are also the body of `GET_TIMER_CHECK_POINT`.
    pub const BYTES: usize = FIELDS * 8;
}

impl TimerSlot {
    /// The slot at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        Some(Self {
            time: i64::from_be_bytes(*time),
            first: i64::from_be_bytes(*first),
            last: i64::from_be_bytes(*last),
            count: i32::from_be_bytes(*count),
            magic: i32::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// `StorePathConfigHelper.getAbortFile`, 5.5.0: there while a broker runs; holds its process id.
pub const ABORT_FILE: &str = "abort";
/// `StorePathConfigHelper.getLockFile`, 5.5.0: holds [`LOCK_TEXT`] and carries the lock.
pub const LOCK_FILE: &str = "lock";
/// `DefaultMessageStore.start`, 5.5.0.
pub const LOCK_TEXT: &str = "lock";
/// `StorePathConfigHelper.getStoreCheckpoint`, 5.5.0.
pub const CHECKPOINT_FILE: &str = "checkpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(file_name(524288), "00000000000000524288");
        assert_eq!(parse_file_name("00000000000000524288"), Some(524288));
        for other in ["524288", "0000000000000052428x", "99999999999999999999", ""] {
            assert_eq!(parse_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn entry_as_seen_live() {
        // Of queue 4 of SCHEDULE_TOPIC_XXXX, as a 5.5.0 broker wrote it.
        let bytes = [0, 0, 0, 0, 0x26, 0xab, 0x86, 0x90, 0, 0, 1, 0x0e, 0, 0, 1, 0xa2, 4, 0x25, 0xc3, 0x1b];
        let entry = QueueEntry { physical_offset: 0x26ab8690, size: 270, tags_code: 0x1a20425c31b };
        assert_eq!(QueueEntry::decode(&bytes), Some(entry));
        assert_eq!(entry.encode(), bytes);
        assert_eq!(QueueEntry::decode(&bytes[..19]), None);
        assert!(QueueEntry::PRE_BLANK.is_written());
    }
}
