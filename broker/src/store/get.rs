//! Reading a queue: `DefaultMessageStore.getMessage`.

use super::mapped_file::MappedRange;

/// How a read went (`GetMessageStatus`). The broker maps each to a response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetMessageStatus {
    Found,
    NoMatchedMessage,
    MessageWasRemoving,
    OffsetFoundNull,
    OffsetOverflowBadly,
    OffsetOverflowOne,
    OffsetTooSmall,
    NoMatchedLogicQueue,
    NoMessageInQueue,
}

impl GetMessageStatus {
    /// Java's constant: the remark of a pull reply.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "FOUND",
            Self::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            Self::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            Self::OffsetFoundNull => "OFFSET_FOUND_NULL",
            Self::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            Self::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            Self::OffsetTooSmall => "OFFSET_TOO_SMALL",
            Self::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            Self::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        }
    }
}

/// Decides which messages a read returns (`org.apache.rocketmq.store.MessageFilter`).
pub trait MessageFilter {
    /// By the tags code in the queue, before the record is touched.
    fn matches_queue_entry(&self, tags_code: i64) -> bool;

    /// By the whole stored record ([`remoting::message::record::properties`] gives its properties).
    fn matches_record(&self, _record: &[u8]) -> bool {
        true
    }
}

/// The filter that lets everything through.
pub struct Everything;

impl MessageFilter for Everything {
    fn matches_queue_entry(&self, _tags_code: i64) -> bool {
        true
    }
}

/// What to read. Counts and bytes are further bounded by the `max_transfer_*` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct GetRequest<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub count_max: usize,
    /// Bytes of records; Java passes 4 MiB less a little when the request has no limit.
    pub bytes_max: usize,
}

/// `MAX_PULL_MSG_SIZE`: for requests without a limit of their own.
pub const PULL_BYTES_MAX: usize = 128 << 20;

/// What was read (`GetMessageResult`).
#[derive(Debug)]
pub struct GetMessageResult {
    pub status: GetMessageStatus,
    pub next_begin_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    pub suggest_pulling_from_slave: bool,
    /// The records, in order; neighbours in the log share a range.
    pub ranges: Vec<MappedRange>,
    pub message_count: usize,
    /// Bytes of all ranges.
    pub bytes: usize,
    /// Whether the ranges are in memory; if not, sending them may wait for the disk.
    pub resident: bool,
}
