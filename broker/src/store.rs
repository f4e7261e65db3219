//! The message store: files and nothing else. It knows no socket, no request header, no consumer group.
//!
//! Mirrors `org.apache.rocketmq.store.DefaultMessageStore`. The commit log is the truth; queues are derived from it by a
//! thread of their own and can be rebuilt.
//!
//! ```text
//! append -> commit log -> derive (own thread) -> consume queues -> on_arrived
//!              |                                      |
//!            flush (own thread)                  get_message -> MappedRange (no copy)
//! ```

pub mod config;
pub mod error;
pub mod get;
pub mod mapped_file;

use std::sync::Arc;

pub use config::{Clock, FlushDiskType, StoreConfig, system_clock};
pub use error::{OpenError, PutError};
pub use get::{Everything, GetMessageResult, GetMessageStatus, GetRequest, MessageFilter};
pub use mapped_file::MappedRange;
use remoting::message::Message;

/// Where an appended message lies (`AppendMessageResult`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub physical_offset: i64,
    /// Bytes of the record.
    pub size: usize,
    pub queue_offset: i64,
    pub store_timestamp_ms: i64,
}

impl Appended {
    /// First byte behind the record: what [`MessageStore::when_flushed`] waits for.
    pub fn end_offset(&self) -> i64 {
        self.physical_offset + self.size as i64
    }
}

/// Where the messages of a batch lie: one after another in the log and in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// Of each message, in order. Never empty.
    pub physical_offsets: Vec<i64>,
    /// Bytes of all records.
    pub size: usize,
    /// Of the first message.
    pub queue_offset: i64,
    pub store_timestamp_ms: i64,
}

impl AppendedBatch {
    pub fn end_offset(&self) -> i64 {
        self.physical_offsets[0] + self.size as i64
    }
}

/// How waiting for the disk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOutcome {
    Flushed,
    /// `FLUSH_DISK_TIMEOUT`: not within `sync_flush_timeout`, or the disk refused. The message may or may not survive.
    TimedOut,
}

pub type FlushCallback = Box<dyn FnOnce(FlushOutcome) + Send>;

/// A message that a queue has just got (`MessageArrivingListener.arriving`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    /// The queue's max offset now: the message's own plus one.
    pub max_offset: i64,
    pub tags_code: i64,
    pub store_timestamp_ms: i64,
    pub properties: &'a str,
}

/// Called by the derive thread once a batch, after all its queue entries are readable. Must not block.
pub type OnArrived = Box<dyn FnMut(&[Arrived<'_>]) + Send>;

/// Which end of the messages stored at one moment (`BoundaryType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    Lower,
    Upper,
}

pub struct MessageStore {}

impl MessageStore {
    /// Locks, loads and recovers the store; starts nothing. On error nothing on disk has changed.
    pub fn open(_config: StoreConfig, _clock: Clock) -> Result<Arc<Self>, OpenError> {
        todo!()
    }

    /// Marks the store as in use (`abort`) and starts its threads.
    pub fn start(self: &Arc<Self>, _on_arrived: OnArrived) -> Result<(), OpenError> {
        todo!()
    }

    /// Derives and flushes everything, removes `abort`, unlocks. Later calls find a closed store.
    pub fn shutdown(&self) {
        todo!()
    }

    /// Appends one message. Never waits for the disk: see [`Self::when_flushed`].
    pub fn append(&self, _message: &Message<'_>) -> Result<Appended, PutError> {
        todo!()
    }

    /// Appends the messages of a `SEND_BATCH_MESSAGE` body as one piece.
    pub fn append_batch(&self, _message: &Message<'_>) -> Result<AppendedBatch, PutError> {
        todo!()
    }

    /// Calls back when the log is on disk up to `offset`: at once on this thread if it is, else from the flush thread.
    /// Needed under SYNC_FLUSH only, and there only for messages that wait for it (property `WAIT` not `false`).
    pub fn when_flushed(&self, _offset: i64, _callback: FlushCallback) {
        todo!()
    }

    pub fn get_message(&self, _request: GetRequest<'_>, _filter: &dyn MessageFilter) -> GetMessageResult {
        todo!()
    }

    /// The record at a physical offset, if one starts there (`lookMessageByOffset`). The range is one record.
    pub fn look_message_by_offset(&self, _physical_offset: i64) -> Option<MappedRange> {
        todo!()
    }

    /// 0 for a queue that does not exist.
    pub fn max_offset_in_queue(&self, _topic: &str, _queue_id: i32) -> i64 {
        todo!()
    }

    /// -1 for a queue that does not exist.
    pub fn min_offset_in_queue(&self, _topic: &str, _queue_id: i32) -> i64 {
        todo!()
    }

    pub fn offset_in_queue_by_time(
        &self,
        _topic: &str,
        _queue_id: i32,
        _timestamp_ms: i64,
        _boundary: Boundary,
    ) -> i64 {
        todo!()
    }

    /// Physical offset of a queue entry; 0 if there is none (`getCommitLogOffsetInQueue`).
    pub fn commit_log_offset_in_queue(&self, _topic: &str, _queue_id: i32, _offset: i64) -> i64 {
        todo!()
    }

    /// Store time of a queue entry's message in milliseconds; -1 if there is none.
    pub fn message_store_timestamp(&self, _topic: &str, _queue_id: i32, _offset: i64) -> i64 {
        todo!()
    }

    /// Store time of the first message of a queue in milliseconds; -1 if there is none.
    pub fn earliest_message_time(&self, _topic: &str, _queue_id: i32) -> i64 {
        todo!()
    }

    /// Store time of the first message of the log in milliseconds; -1 if there is none.
    pub fn earliest_message_time_of_store(&self) -> i64 {
        todo!()
    }

    pub fn min_phy_offset(&self) -> i64 {
        todo!()
    }

    pub fn max_phy_offset(&self) -> i64 {
        todo!()
    }

    pub fn flushed_where(&self) -> i64 {
        todo!()
    }

    /// Bytes of the log that no queue knows yet.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        todo!()
    }

    /// How long the present holder of the append lock has it, in milliseconds; 0 if nobody.
    pub fn lock_time_ms(&self) -> i64 {
        todo!()
    }

    /// Every queue that has ever had a message: topic and queue ids.
    pub fn queues(&self) -> Vec<(String, Vec<i32>)> {
        todo!()
    }

    /// Forgets the queues of a topic and removes their files. The log keeps its records.
    pub fn delete_topic(&self, _topic: &str) {
        todo!()
    }

    pub fn config(&self) -> &StoreConfig {
        todo!()
    }

    pub fn now_ms(&self) -> i64 {
        todo!()
    }
}
