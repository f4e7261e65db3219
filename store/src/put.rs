//! Putting messages: what the store refuses, encoding, a place in the log (`DefaultMessageStore.asyncPutMessage`).

use std::cell::RefCell;

use message::property_crc::PROPERTY_CRC32;
use message::{Message, PropertyCrc, RecordError, RecordPatch, batch, property, sys_flag};

use super::append::Placed;
use super::config::{FlushDiskType, MessageStoreConfig};
use super::error::PutError;
use super::multi_dispatch::without_sent_offsets;
use super::topic_name::RETRY_GROUP_TOPIC_PREFIX;
use super::{MessageStore, Shared, dispatch_request};

/// Where an appended message lies (`AppendMessageResult`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the record begins in the log.
    pub physical_offset: i64,
    /// Bytes of the record.
    pub size: usize,
    /// The message's offset in its queue; of a batch in one record, that of its first message.
    pub queue_offset: i64,
    /// When it was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
}

impl Appended {
    pub(super) fn of(placed: Placed, size: usize) -> Self {
        let Placed { physical_offset, queue_offset, store_timestamp_ms } = placed;
        Self { physical_offset, size, queue_offset, store_timestamp_ms }
    }

    /// First byte behind the record: what [`WaitingRoom::when_safe`](super::WaitingRoom::when_safe) waits for.
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
    /// When they were stored, all at one time, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
}

impl AppendedBatch {
    /// First byte of the log behind the batch.
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

/// A thread keeps an encoding buffer of at most so many bytes.
const KEPT_BUFFER_BYTES_MAX: usize = 1 << 20;
/// `HookUtils.MAX_TOPIC_LENGTH` and, for other topics than a group's retries, `Byte.MAX_VALUE`; in bytes.
const RETRY_TOPIC_BYTES_MAX: usize = 255;
const TOPIC_BYTES_MAX: usize = 127;
/// `MessageExtEncoder`: what a record may have besides its body, in bytes.
const RECORD_OVERHEAD_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `use_it` with this thread's buffer, empty.
pub(super) fn with_buffer<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let result = use_it(buffer);
        buffer.shrink_to(KEPT_BUFFER_BYTES_MAX);
        result
    })
}

impl MessageStore {
    /// Appends one message. Never waits for the disk: see [`WaitingRoom`](super::WaitingRoom). An error says why the
    /// log does not take it.
    pub fn append(&self, message: &Message<'_>) -> Result<Appended, PutError> {
        let config = self.config();
        self.check(&config, message)?;
        let cleared = config.enable_multi_dispatch.then(|| without_sent_offsets(message)).flatten();
        let message = cleared.as_ref().unwrap_or(message);
        match config.enable_lmq {
            true => self.append_with_lmqs(&config, message),
            false => self.append_one(&config, message),
        }
    }

    pub(super) fn append_one(
        &self,
        config: &MessageStoreConfig,
        message: &Message<'_>,
    ) -> Result<Appended, PutError> {
        let crc = PropertyCrc::of(config.enabled_append_prop_crc);
        if crc == PropertyCrc::Append && property::find(&message.properties, PROPERTY_CRC32).is_some() {
            let properties = property::without(&message.properties, PROPERTY_CRC32).into();
            return self.append_one(config, &Message { properties, ..message.clone() });
        }
        let body_bytes = message.body.len();
        if body_bytes > config.max_message_size_bytes {
            return Err(PutError::MessageIllegal(format!("message body of {body_bytes} bytes")));
        }
        with_buffer(|buffer| {
            let record = message.encode(crc, buffer).map_err(illegal_record)?;
            if record.size > config.max_message_size_bytes.saturating_add(RECORD_OVERHEAD_BYTES_MAX) {
                return Err(PutError::MessageIllegal(format!("record of {} bytes", record.size)));
            }
            let placed = self.place(config, message, buffer, &[record])?;
            Ok(Appended::of(placed, record.size))
        })
    }

    /// Appends the messages of a `SEND_BATCH_MESSAGE` body as one piece. Errors are those of
    /// [`append`](Self::append), and [`PutError::BatchIllegal`] for a body that is no batch.
    pub fn append_batch(&self, message: &Message<'_>) -> Result<AppendedBatch, PutError> {
        let config = self.config();
        self.check(&config, message)?;
        if sys_flag::transaction(message.sys_flag) != sys_flag::TRANSACTION_NOT {
            return Err(PutError::MessageIllegal("a batch cannot be a transaction".to_owned()));
        }
        if has_delay_level(message) {
            return Err(PutError::MessageIllegal("a batch cannot be delayed".to_owned()));
        }
        if message.body.len() > config.max_message_size_bytes {
            return Err(PutError::BatchIllegal("message body size exceeded".to_owned()));
        }
        let crc = PropertyCrc::of(config.enabled_append_prop_crc);
        with_buffer(|buffer| {
            let mut records = Vec::new();
            for item in batch::split(message.body) {
                let mut item = item.map_err(|error| PutError::BatchIllegal(error.to_string()))?;
                let cleared;
                if config.enable_multi_dispatch {
                    cleared = property::bytes_without(item.properties, property::INNER_MULTI_QUEUE_OFFSET);
                    item.properties = &cleared;
                }
                records.push(message.encode_item(item, crc, buffer).map_err(illegal_record)?);
            }
            if records.is_empty() {
                return Err(PutError::BatchIllegal("batch without messages".to_owned()));
            }
            let placed = self.place(&config, message, buffer, &records)?;
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
    pub(super) fn check(&self, config: &MessageStoreConfig, message: &Message<'_>) -> Result<(), PutError> {
        let refuse = |why: &str| Err(PutError::ServiceNotAvailable(why.to_owned()));
        if !self.parts.running.is_on() {
            return refuse(self.parts.running.why_not());
        }
        if config.is_slave() {
            return refuse("a slave");
        }
        if self.parts.flusher.has_failed() {
            return refuse("the disk has failed");
        }
        if self.parts.expire.is_disk_full() {
            return refuse("the disk is nearly full");
        }
        let topic_bytes_max = match message.topic.starts_with(RETRY_GROUP_TOPIC_PREFIX) {
            true => RETRY_TOPIC_BYTES_MAX,
            false => TOPIC_BYTES_MAX,
        };
        if message.topic.len() > topic_bytes_max {
            return Err(PutError::MessageIllegal(format!("topic of {} bytes", message.topic.len())));
        }
        if self.is_os_page_cache_busy(config) {
            return Err(PutError::OsPageCacheBusy);
        }
        Ok(())
    }

    fn place(
        &self,
        config: &MessageStoreConfig,
        message: &Message<'_>,
        buffer: &mut [u8],
        records: &[RecordPatch],
    ) -> Result<Placed, PutError> {
        let Some(queue) = self.parts.queues.find_or_create(&message.topic, message.queue_id) else {
            return self.place_in_batch_queue(config, message, buffer, records);
        };
        if let Some(why) = queue.broken() {
            return Err(PutError::ServiceNotAvailable(why.to_string()));
        }
        let counter = dispatch_request::is_for_queue(message.sys_flag).then_some(&queue.next_offset);
        let placed = self.parts.log.append(buffer, records, counter)?;
        self.announce(config, placed.physical_offset + buffer.len() as i64);
        Ok(placed)
    }

    /// Has what was appended up to `end` flushed and derived.
    pub(super) fn announce(&self, config: &MessageStoreConfig, end: i64) {
        let Shared { ahead, flusher, derive, .. } = &*self.parts;
        ahead.appended(end);
        match config.flush_disk_type {
            FlushDiskType::AsyncFlush => derive.wake(),
            FlushDiskType::SyncFlush => flusher.want(),
        }
    }

    /// Brings the log to disk up to `end`, which waits for the disk; whether it is there.
    pub fn flush(&self, end: i64) -> bool {
        self.flushed_where() >= end
            || (self.parts.flusher.flush_all(&self.parts) && self.flushed_where() >= end)
    }

    /// Whether an append has been holding the lock for long (`isOSPageCacheBusy`).
    pub fn is_os_page_cache_busy(&self, config: &MessageStoreConfig) -> bool {
        self.parts.log.lock_time_ms() > config.os_page_cache_busy_timeout_ms as i64
    }

    /// How long the present holder of the append lock has it, in milliseconds; 0 if nobody.
    pub fn lock_time_ms(&self) -> i64 {
        self.parts.log.lock_time_ms()
    }
}

pub(super) fn has_delay_level(message: &Message<'_>) -> bool {
    let level = property::find(&message.properties, property::DELAY_TIME_LEVEL);
    level.and_then(|level| level.parse::<i32>().ok()).is_some_and(|level| level > 0)
}

pub(super) fn illegal_record(error: RecordError) -> PutError {
    match error {
        RecordError::PropertiesTooLong { .. } => PutError::PropertiesSizeExceeded,
        other => PutError::MessageIllegal(other.to_string()),
    }
}
