//! The message store: files and nothing else. It knows no socket, no request header, no consumer group.
//!
//! Mirrors `org.apache.rocketmq.store.DefaultMessageStore`. The commit log is the truth; queues are derived from it by a
//! thread of their own and can be rebuilt.
//!
//! ```text
//! append -> commit log -> derive (own thread) -> consume queues -> on_arrived -> index
//!              |                                      |                             |
//!            flush (own thread)                  get_message -> MappedRange <- query_message
//! ```

mod append;
mod batch_consume_queue;
mod batch_queues;
mod checkpoint;
mod commit_log;
pub mod config;
mod consume_queue;
mod derive;
pub mod disk;
pub mod error;
mod expire;
mod file_queue;
mod flush;
pub mod get;
mod index;
mod inner_batch;
pub mod layout;
pub mod mapped_file;
mod multi_dispatch;
mod open;
mod probe;
mod query;
mod queue;
mod queues;
mod recover;
mod roots;
mod sparse_files;
#[cfg(test)]
pub(crate) mod tests;
pub mod timer;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use remoting::message::property_crc::PROPERTY_CRC32;
use remoting::message::{Message, PropertyCrc, Record, RecordError, RecordPatch, batch, property, sys_flag};

use append::{Ahead, Placed};
use checkpoint::Checkpoint;
use commit_log::CommitLog;
use derive::Derive;
use expire::Expire;
use flush::Flusher;
use get::Get;
use index::Index;
use queue::Queue;
use queues::Queues;

pub use config::{BatchTopics, Clock, FilterBits, FlushDiskType, StoreConfig, system_clock};
pub use consume_queue::ext::ExtUnit;
pub use derive::SCHEDULE_TOPIC;
pub use error::{OpenError, PutError, WheelTimerError};
pub use expire::{UsedRatios, bounded_ratio};
pub use get::{Everything, GetMessageResult, GetMessageStatus, GetRequest, MessageFilter};
pub use index::{KeyKind, KeyQuery};
use mapped_file::FileLock;
pub use mapped_file::{MappedRange, local_time};
pub use multi_dispatch::is_lmq;
pub use query::QueryMessageResult;

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

/// A batch that was stored as one record.
impl From<Appended> for AppendedBatch {
    fn from(one: Appended) -> Self {
        let Appended { physical_offset, size, queue_offset, store_timestamp_ms } = one;
        Self { physical_offsets: vec![physical_offset], size, queue_offset, store_timestamp_ms }
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

/// Log, queues, and the threads between them.
pub struct MessageStore {
    clock: Clock,
    parts: Arc<Parts>,
    /// Bytes of the log that Java takes to be in memory (`accessMessageInMemoryMaxRatio`).
    memory_bytes: i64,
    /// Where the log ended when it was opened.
    opened_at: i64,
    was_clean: bool,
    /// Whether appends are taken.
    running: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Until the store is shut down.
    lock: Mutex<Option<FileLock>>,
}

/// What the threads share with the store.
struct Parts {
    config: StoreConfig,
    log: CommitLog,
    queues: Queues,
    index: Index,
    checkpoint: Checkpoint,
    ahead: Ahead,
    flusher: Flusher,
    derive: Derive,
    /// See [`MessageStore::append_with_lmqs`].
    lmq_order: Mutex<()>,
    queue_flush: open::QueueFlush,
    expire: Expire,
}

/// A thread keeps an encoding buffer of at most so many bytes.
const KEPT_BUFFER_BYTES_MAX: usize = 1 << 20;
/// `HookUtils.MAX_TOPIC_LENGTH` and, for other topics than a group's retries, `Byte.MAX_VALUE`; in bytes.
const RETRY_TOPIC_BYTES_MAX: usize = 255;
const TOPIC_BYTES_MAX: usize = 127;
const RETRY_TOPIC_PREFIX: &str = "%RETRY%";
/// `MessageExtEncoder`: what a record may have besides its body, in bytes.
const RECORD_OVERHEAD_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `use_it` with this thread's buffer, empty.
fn with_buffer<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let result = use_it(buffer);
        buffer.shrink_to(KEPT_BUFFER_BYTES_MAX);
        result
    })
}

/// Appending.
impl MessageStore {
    /// Appends one message. Never waits for the disk: see [`Self::when_flushed`].
    pub fn append(&self, message: &Message<'_>) -> Result<Appended, PutError> {
        self.check(message)?;
        match self.parts.config.enable_lmq {
            true => self.append_with_lmqs(message),
            false => self.append_one(message),
        }
    }

    fn append_one(&self, message: &Message<'_>) -> Result<Appended, PutError> {
        let crc = PropertyCrc::of(self.parts.config.enabled_append_prop_crc);
        if crc == PropertyCrc::Append && property::find(&message.properties, PROPERTY_CRC32).is_some() {
            let properties = property::without(&message.properties, PROPERTY_CRC32).into();
            return self.append_one(&Message { properties, ..message.clone() });
        }
        let body_bytes = message.body.len();
        if body_bytes > self.parts.config.max_message_size {
            return Err(PutError::MessageIllegal(format!("message body of {body_bytes} bytes")));
        }
        with_buffer(|buffer| {
            let record = message.encode(crc, buffer).map_err(illegal_record)?;
            if record.size > self.parts.config.max_message_size.saturating_add(RECORD_OVERHEAD_BYTES_MAX) {
                return Err(PutError::MessageIllegal(format!("record of {} bytes", record.size)));
            }
            let placed = self.place(message, buffer, &[record])?;
            Ok(Appended {
                physical_offset: placed.physical_offset,
                size: record.size,
                queue_offset: placed.queue_offset,
                store_timestamp_ms: placed.store_timestamp_ms,
            })
        })
    }

    /// Appends the messages of a `SEND_BATCH_MESSAGE` body as one piece.
    pub fn append_batch(&self, message: &Message<'_>) -> Result<AppendedBatch, PutError> {
        self.check(message)?;
        if sys_flag::transaction(message.sys_flag) != sys_flag::TRANSACTION_NOT {
            return Err(PutError::MessageIllegal("a batch cannot be a transaction".to_owned()));
        }
        let delay_level = property::find(&message.properties, property::DELAY_TIME_LEVEL);
        if delay_level.and_then(|level| level.parse::<i32>().ok()).is_some_and(|level| level > 0) {
            return Err(PutError::MessageIllegal("a batch cannot be delayed".to_owned()));
        }
        if message.body.len() > self.parts.config.max_message_size {
            return Err(PutError::BatchIllegal("message body size exceeded".to_owned()));
        }
        let crc = PropertyCrc::of(self.parts.config.enabled_append_prop_crc);
        with_buffer(|buffer| {
            let mut records = Vec::new();
            for item in batch::split(message.body) {
                let item = item.map_err(|error| PutError::BatchIllegal(error.to_string()))?;
                records.push(message.encode_item(item, crc, buffer).map_err(illegal_record)?);
            }
            if records.is_empty() {
                return Err(PutError::BatchIllegal("batch without messages".to_owned()));
            }
            let placed = self.place(message, buffer, &records)?;
            Ok(AppendedBatch {
                physical_offsets: records
                    .iter()
                    .map(|record| placed.physical_offset + record.at as i64)
                    .collect(),
                size: buffer.len(),
                queue_offset: placed.queue_offset,
                store_timestamp_ms: placed.store_timestamp_ms,
            })
        })
    }

    /// `HookUtils.checkBeforePutMessage`.
    fn check(&self, message: &Message<'_>) -> Result<(), PutError> {
        let refuse = |why: &str| Err(PutError::ServiceNotAvailable(why.to_owned()));
        if !self.running.load(Ordering::Relaxed) {
            return refuse("not running");
        }
        if self.parts.config.slave {
            return refuse("a slave");
        }
        if self.parts.flusher.has_failed() {
            return refuse("the disk has failed");
        }
        if self.parts.expire.is_disk_full() {
            return refuse("the disk is nearly full");
        }
        let topic_bytes_max = match message.topic.starts_with(RETRY_TOPIC_PREFIX) {
            true => RETRY_TOPIC_BYTES_MAX,
            false => TOPIC_BYTES_MAX,
        };
        if message.topic.len() > topic_bytes_max {
            return Err(PutError::MessageIllegal(format!("topic of {} bytes", message.topic.len())));
        }
        if self.is_os_page_cache_busy() {
            return Err(PutError::OsPageCacheBusy);
        }
        Ok(())
    }

    fn place(
        &self,
        message: &Message<'_>,
        buffer: &mut [u8],
        records: &[RecordPatch],
    ) -> Result<Placed, PutError> {
        let Some(queue) = self.parts.queues.find_or_create(&message.topic, message.queue_id) else {
            return self.place_in_batch_queue(message, buffer, records);
        };
        let counter = derive::is_for_queue(message.sys_flag).then_some(&queue.next_offset);
        let placed = self.parts.log.append(buffer, records, counter)?;
        self.announce(placed.physical_offset + buffer.len() as i64);
        Ok(placed)
    }

    /// Has what was appended up to `end` flushed and derived.
    fn announce(&self, end: i64) {
        let Parts { ahead, flusher, derive, .. } = &*self.parts;
        ahead.appended(end);
        match self.parts.config.flush_disk_type {
            FlushDiskType::AsyncFlush => derive.wake(),
            FlushDiskType::SyncFlush => flusher.want(),
        }
    }

    /// Calls back when the log is on disk up to `offset`: at once on this thread if it is, else from a thread of the store.
    /// Needed under SYNC_FLUSH only, and there only for messages that wait for it (property `WAIT` not `false`).
    pub fn when_flushed(&self, offset: i64, callback: FlushCallback) {
        self.parts.flusher.when_flushed(
            &self.parts.log,
            self.parts.config.sync_flush_timeout,
            offset,
            callback,
        );
    }

    /// Whether an append has been holding the lock for long (`isOSPageCacheBusy`).
    pub fn is_os_page_cache_busy(&self) -> bool {
        self.parts.log.lock_time_ms() > self.parts.config.os_page_cache_busy_timeout.as_millis() as i64
    }

    /// How long the present holder of the append lock has it, in milliseconds; 0 if nobody.
    pub fn lock_time_ms(&self) -> i64 {
        self.parts.log.lock_time_ms()
    }
}

fn illegal_record(error: RecordError) -> PutError {
    match error {
        RecordError::PropertiesTooLong { .. } => PutError::PropertiesSizeExceeded,
        other => PutError::MessageIllegal(other.to_string()),
    }
}

/// Reading.
impl MessageStore {
    /// Reads messages of a queue without copying them (`DefaultMessageStore.getMessage`). A queue that nobody has written to
    /// is an empty queue.
    pub fn get_message(&self, request: GetRequest<'_>, filter: &dyn MessageFilter) -> GetMessageResult {
        let Some(queue) = self.queue(request.topic, request.queue_id) else {
            let next = get::corrected(self.config(), request.offset, 0);
            return GetMessageResult::empty(GetMessageStatus::NoMessageInQueue, next, 0, 0);
        };
        let Parts { config, log, .. } = &*self.parts;
        let (memory_bytes, opened_at) = (self.memory_bytes, self.opened_at);
        Get { config, log, queue: &queue, request, filter, memory_bytes, opened_at }.run()
    }

    fn queue(&self, topic: &str, queue_id: i32) -> Option<Queue> {
        self.parts.queues.queue(topic, queue_id)
    }

    /// The record at a physical offset, if one starts there (`lookMessageByOffset`).
    pub fn look_message_by_offset(&self, physical_offset: i64) -> Option<MappedRange> {
        let log = &self.parts.log;
        let size = log.range(physical_offset, 4)?;
        let size = i32::from_be_bytes(*size.as_ref().first_chunk()?);
        let range = log.range(physical_offset, usize::try_from(size).ok()?)?;
        let is_record = matches!(
            Record::decode(range.as_ref()),
            Ok(Record::Message(record)) if record.size == range.len() && record.body_is_intact()
        );
        is_record.then_some(range)
    }

    /// 0 for a queue that does not exist.
    pub fn max_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue(topic, queue_id).map_or(0, |queue| queue.max_offset())
    }

    /// 0 for a queue that does not exist.
    pub fn min_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue(topic, queue_id).map_or(0, |queue| queue.min_offset())
    }

    /// The first offset stored at `timestamp_ms` or later, or the last stored then or earlier (`getOffsetInQueueByTime`); 0
    /// for a queue that does not exist.
    pub fn offset_in_queue_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> i64 {
        let queue = self.queue(topic, queue_id);
        queue.map_or(0, |queue| queue.offset_by_time(&self.parts.log, timestamp_ms, boundary))
    }

    /// Physical offset of a queue entry; 0 if there is none (`getCommitLogOffsetInQueue`).
    pub fn commit_log_offset_in_queue(&self, topic: &str, queue_id: i32, offset: i64) -> i64 {
        let entry = self.queue(topic, queue_id).and_then(|queue| queue.entry(offset));
        entry.map_or(0, |entry| entry.physical_offset)
    }

    /// Store time of a queue entry's message in milliseconds; -1 if there is none.
    pub fn message_store_timestamp(&self, topic: &str, queue_id: i32, offset: i64) -> i64 {
        let Some(entry) = self.queue(topic, queue_id).and_then(|queue| queue.entry(offset)) else {
            return -1;
        };
        let Ok(size) = usize::try_from(entry.size) else { return -1 };
        self.parts.log.pickup_store_timestamp(entry.physical_offset, size)
    }

    /// Store time of the first message of a queue in milliseconds; -1 if there is none.
    pub fn earliest_message_time(&self, topic: &str, queue_id: i32) -> i64 {
        self.message_store_timestamp(topic, queue_id, self.min_offset_in_queue(topic, queue_id))
    }

    /// Store time of the first message of the log in milliseconds; -1 if there is none.
    pub fn earliest_message_time_of_store(&self) -> i64 {
        /// Up to the end of the store time of a record with an IPv6 host.
        const BYTES: usize = 76;
        self.parts.log.pickup_store_timestamp(self.min_phy_offset(), BYTES)
    }

    /// -1 for a log without files.
    pub fn min_phy_offset(&self) -> i64 {
        self.parts.log.min_offset()
    }

    pub fn max_phy_offset(&self) -> i64 {
        self.parts.log.max_offset()
    }

    pub fn flushed_where(&self) -> i64 {
        self.parts.log.flushed_where()
    }

    /// Bytes of the log that no queue knows yet.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        self.parts.log.max_offset() - self.parts.derive.from()
    }

    /// Every queue that has messages, or had: topic and queue ids.
    pub fn queues(&self) -> Vec<(String, Vec<i32>)> {
        self.parts.queues.ids()
    }

    /// Whether the store had been shut down when it was opened.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    pub fn config(&self) -> &StoreConfig {
        &self.parts.config
    }

    /// Now in milliseconds since the epoch, by the clock that stamps messages.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// Space.
impl MessageStore {
    /// Forgets the queues of a topic and removes their files. The log keeps its records. Waits for the disk.
    pub fn delete_topic(&self, topic: &str) {
        let Parts { log, queues, .. } = &*self.parts;
        let taken = {
            let _no_appends = log.tail.lock();
            queues.take_topic(topic)
        };
        Queues::destroy(&taken);
    }

    /// Forgets the queues that have no message left in the log and removes their files, but for topics that `is_kept`
    /// (`cleanExpiredConsumerQueue`). Waits for the disk.
    pub fn clean_expired_consumer_queue(&self, is_kept: &dyn Fn(&str) -> bool) {
        let Parts { log, queues, .. } = &*self.parts;
        let begin = log.min_offset();
        let taken = {
            let _no_appends = log.tail.lock();
            queues.take_expired(begin, is_kept)
        };
        Queues::destroy(&taken);
    }

    /// Deletes the topics that have queues but are not `is_kept` (`cleanUnusedTopic`). Waits for the disk.
    pub fn clean_unused_topic(&self, is_kept: &dyn Fn(&str) -> bool) {
        let topics = self.parts.queues.topics();
        topics.iter().filter(|topic| !is_kept(topic)).for_each(|topic| self.delete_topic(topic));
    }

    /// Has log files removed that are old enough, whatever the hour (`executeDeleteFilesManually`); soon, not at once.
    pub fn delete_files_manually(&self) {
        self.parts.expire.delete_files_manually();
    }

    /// How full the disks are.
    pub fn used_ratios(&self) -> UsedRatios {
        expire::used_ratios(&self.parts)
    }
}
