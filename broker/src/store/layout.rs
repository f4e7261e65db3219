//! Where each thing lies in the store's files. All numbers are big-endian. The record of a message is in
//! [`remoting::message::record`].

/// `CommitLog.DefaultAppendMessageCallback.END_FILE_MIN_BLANK_LENGTH`, 5.5.0: room that every log file keeps at its end
/// for `remaining size i32 | MAGIC_BLANK`.
pub const BLANK_BYTES: usize = 8;

/// `MappedFileQueue`, `UtilAll.offset2FileName`, 5.5.0: a file's name is its start offset in 20 digits.
pub const FILE_NAME_DIGITS: usize = 20;

/// The name of the file that starts at `offset`.
pub fn file_name(offset: i64) -> String {
    format!("{offset:020}")
}

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
    pub physical_offset: i64,
    pub size: i32,
    /// Hash of the tags; the deliver time in SCHEDULE_TOPIC_XXXX.
    pub tags_code: i64,
}

/// `ConsumeQueueExt.MAX_ADDR`, 5.5.0: with `enableConsumeQueueExt` a tags code up to this is an address of
/// `consumequeue_ext` instead.
pub const EXT_ADDRESS_MAX: i64 = i32::MIN as i64 - 1;

/// `ConsumeQueue.CQ_STORE_UNIT_SIZE`, 5.5.0.
pub const QUEUE_ENTRY_BYTES: usize = 20;

impl QueueEntry {
    /// What fills a queue before its first real entry (`ConsumeQueue.fillPreBlank`, 5.5.0).
    pub const PRE_BLANK: Self = Self { physical_offset: 0, size: i32::MAX, tags_code: 0 };

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

    /// Hash of the tags, if the entry says it.
    pub fn tags_hash(&self) -> Option<i64> {
        (self.tags_code > EXT_ADDRESS_MAX).then_some(self.tags_code)
    }

    /// First byte of the log behind the message.
    pub fn physical_end(&self) -> i64 {
        self.physical_offset.saturating_add(i64::from(self.size))
    }
}

/// The `checkpoint` file (`StoreCheckpoint`, 5.5.0; 4.9.7 has the first three fields).
pub mod checkpoint {
    /// `DefaultMappedFile.OS_PAGE_SIZE`.
    pub const FILE_BYTES: usize = 4096;
    pub const PHYSIC_MSG_TIMESTAMP: usize = 0;
    pub const LOGICS_MSG_TIMESTAMP: usize = 8;
    pub const INDEX_MSG_TIMESTAMP: usize = 16;
    pub const MASTER_FLUSHED_OFFSET: usize = 24;
    pub const CONFIRM_PHY_OFFSET: usize = 32;
    pub const LOGICS_PHYSICAL_OFFSET: usize = 40;
    /// Ours, in the part of the page that Java neither reads nor writes: [`DURABLE_MARK`], then the start of a message
    /// up to which log and queues are on disk. Java notes its offsets without having flushed its log.
    pub const DURABLE: usize = FILE_BYTES - 16;
    pub const DURABLE_MARK: i64 = i64::from_be_bytes(*b"durable\x01");
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
        // SCHEDULE_TOPIC_XXXX/4 of quirks.md.
        let bytes = [0, 0, 0, 0, 0x26, 0xab, 0x86, 0x90, 0, 0, 1, 0x0e, 0, 0, 1, 0xa2, 4, 0x25, 0xc3, 0x1b];
        let entry = QueueEntry { physical_offset: 0x26ab8690, size: 270, tags_code: 0x1a20425c31b };
        assert_eq!(QueueEntry::decode(&bytes), Some(entry));
        assert_eq!(entry.encode(), bytes);
        assert_eq!(QueueEntry::decode(&bytes[..19]), None);
        assert!(QueueEntry::PRE_BLANK.is_written());
    }
}
