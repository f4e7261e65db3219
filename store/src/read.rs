//! Reading: messages of a queue, single records, where queues and log begin and end.

use message::Record;

use super::MessageStore;
use super::commit_log::STORE_TIMESTAMP_END;
use super::error::AccessError;
use super::get::{self, Get, GetMessageResult, GetMessageStatus, GetRequest, MessageFilter};
use super::layout::QueueEntry;
use super::queue::Queue;

/// Which end of the messages stored at one moment (`BoundaryType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The first message of that moment, or after it.
    Lower,
    /// The last message of that moment, or before it.
    Upper,
}

/// A part of a queue, for people to look at.
#[derive(Debug)]
pub struct QueueEntries {
    /// The queue's first offset.
    pub min_offset: i64,
    /// The queue's end.
    pub max_offset: i64,
    /// `None` if nothing stands at the offset that was asked for.
    pub entries: Option<Vec<CqUnit>>,
}

/// An entry of a queue (`CqUnit`).
#[derive(Debug)]
pub struct CqUnit {
    /// Where the record lies in the log.
    pub physical_offset: i64,
    /// The record's bytes.
    pub size: i32,
    /// Hash of the tags, or the address of the extension's unit.
    pub tags_code: i64,
    /// What the queue's extension says of the message.
    pub ext: Option<OwnedExtUnit>,
    /// There should be a unit of the extension, and is none.
    pub is_ext_lost: bool,
}

/// An [`ExtUnit`](super::ExtUnit) that was copied.
#[derive(Debug)]
pub struct OwnedExtUnit {
    /// As [`ExtUnit::tags_code`](super::ExtUnit::tags_code).
    pub tags_code: i64,
    /// As [`ExtUnit::store_timestamp_ms`](super::ExtUnit::store_timestamp_ms).
    pub store_timestamp_ms: i64,
    /// As [`ExtUnit::bit_map`](super::ExtUnit::bit_map).
    pub bit_map: Vec<u8>,
}

/// Each read is an [`AccessError`] where the disk does not give the bytes, or a file was cut.
impl MessageStore {
    /// Reads messages of a queue without copying them (`DefaultMessageStore.getMessage`). A queue that nobody has written to
    /// is an empty queue.
    pub fn get_message(
        &self,
        request: GetRequest<'_>,
        filter: &dyn MessageFilter,
    ) -> Result<GetMessageResult, AccessError> {
        let config = self.config();
        let Some(queue) = self.queue(request.topic, request.queue_id) else {
            let next = get::corrected(&config, request.offset, 0);
            let min = self.min_offset_of_none(request.topic);
            return Ok(GetMessageResult::empty(GetMessageStatus::NoMessageInQueue, next, min, 0));
        };
        let memory_percent = config.access_message_in_memory_max_ratio;
        let memory_bytes = (self.physical_memory_bytes / 100).saturating_mul(memory_percent);
        let (log, memory_bytes) = (&self.parts.log, i64::try_from(memory_bytes).unwrap_or(i64::MAX));
        let opened_at = self.opened_at;
        let get = Get { config: &config, log, queue: &queue, request, filter, memory_bytes, opened_at };
        let result = log.undisturbed(|| get.run()).unwrap_or_else(|| {
            // Only a slave's log is cut. Whoever asks again is told what is there then.
            let status = GetMessageStatus::NoMatchedMessage;
            Ok(GetMessageResult::empty(status, request.offset, queue.min_offset(), queue.max_offset()))
        })?;
        log.counters.got(result.message_count);
        Ok(result)
    }

    fn queue(&self, topic: &str, queue_id: i32) -> Option<Queue> {
        self.parts.queues.queue(topic, queue_id)
    }

    /// Whether a read from `offset` on may have to look at records on the disk, if its filter looks at records.
    pub fn is_cold(&self, topic: &str, queue_id: i32, offset: i64) -> bool {
        match self.entry(topic, queue_id, offset) {
            Ok(Some(entry)) => !get::is_hot(entry.physical_offset, self.opened_at, self.max_phy_offset()),
            Ok(None) => false,
            // The read will tell.
            Err(_) => true,
        }
    }

    fn entry(&self, topic: &str, queue_id: i32, offset: i64) -> Result<Option<QueueEntry>, AccessError> {
        self.queue(topic, queue_id).map_or(Ok(None), |queue| queue.entry(offset))
    }

    /// A copy of the record at a physical offset, if one starts there (`lookMessageByOffset`).
    pub fn look_message_by_offset(&self, physical_offset: i64) -> Result<Option<Vec<u8>>, AccessError> {
        let bytes = self.parts.log.record(physical_offset)?;
        let is_record = |bytes: &Vec<u8>| match Record::decode(bytes) {
            // Offsets come from clients, and a body may hold what looks like a record.
            Ok(Record::Message(record)) => {
                record.physical_offset == physical_offset
                    && record.size == bytes.len()
                    && record.body_is_intact()
            }
            _ => false,
        };
        Ok(bytes.filter(is_record))
    }

    /// 0 for a queue that does not exist.
    pub fn max_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue(topic, queue_id).map_or(0, |queue| queue.max_offset())
    }

    /// 0 for a queue that does not exist, -1 if it is to be a batch queue.
    pub fn min_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue(topic, queue_id).map_or_else(|| self.min_offset_of_none(topic), |queue| queue.min_offset())
    }

    /// Java makes the queue that it is asked for, and a batch queue without messages begins at -1.
    fn min_offset_of_none(&self, topic: &str) -> i64 {
        if self.parts.queues.batch().owns(topic) { -1 } else { 0 }
    }

    /// The first offset stored at `timestamp_ms` or later, or the last stored then or earlier (`getOffsetInQueueByTime`); the
    /// min offset for a queue that does not exist.
    pub fn offset_in_queue_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<i64, AccessError> {
        match self.queue(topic, queue_id) {
            Some(queue) => queue.offset_by_time(&self.parts.log, timestamp_ms, boundary),
            None => Ok(self.min_offset_of_none(topic)),
        }
    }

    /// Physical offset of a queue entry; 0 if there is none (`getCommitLogOffsetInQueue`).
    pub fn commit_log_offset_in_queue(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<i64, AccessError> {
        Ok(self.entry(topic, queue_id, offset)?.map_or(0, |entry| entry.physical_offset))
    }

    /// Store time of a queue entry's message in milliseconds; -1 if there is none.
    pub fn message_store_timestamp(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<i64, AccessError> {
        let Some(entry) = self.entry(topic, queue_id, offset)? else { return Ok(-1) };
        let Ok(size) = usize::try_from(entry.size) else { return Ok(-1) };
        self.parts.log.pickup_store_timestamp(entry.physical_offset, size)
    }

    /// What stands in a queue from `offset` to the end of the file that holds it, at most `count_max` entries; `None` if there is no
    /// such queue (`ConsumeQueue.iterateFrom`). Waits for the disk.
    pub fn queue_entries(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        count_max: usize,
    ) -> Result<Option<QueueEntries>, AccessError> {
        let Some(queue) = self.queue(topic, queue_id) else { return Ok(None) };
        let (min_offset, max_offset) = (queue.min_offset(), queue.max_offset());
        let Some(units) = queue.units(offset)? else {
            return Ok(Some(QueueEntries { min_offset, max_offset, entries: None }));
        };
        let mut entries = Vec::new();
        for unit in units.take(count_max) {
            let entry = unit?.entry;
            let ext = queue.look_ext(&entry, |unit| OwnedExtUnit {
                tags_code: unit.tags_code,
                store_timestamp_ms: unit.store_timestamp_ms,
                bit_map: unit.bit_map.to_vec(),
            })?;
            let is_ext_lost = ext.is_none() && entry.tags_hash().is_none();
            entries.push(CqUnit {
                physical_offset: entry.physical_offset,
                size: entry.size,
                tags_code: entry.tags_code,
                ext,
                is_ext_lost,
            });
        }
        Ok(Some(QueueEntries { min_offset, max_offset, entries: Some(entries) }))
    }

    /// Has the kernel read ahead, or not, in the log's files of now (`scanFileAndSetReadMode`).
    pub fn set_log_read_ahead(&self, reads_ahead: bool) {
        self.parts.log.set_read_ahead(reads_ahead);
    }

    /// Store time of the first message of a queue in milliseconds; -1 if there is none.
    pub fn earliest_message_time(&self, topic: &str, queue_id: i32) -> Result<i64, AccessError> {
        self.message_store_timestamp(topic, queue_id, self.min_offset_in_queue(topic, queue_id))
    }

    /// Store time of the first message of the log in milliseconds; -1 if there is none.
    pub fn earliest_message_time_of_store(&self) -> Result<i64, AccessError> {
        self.parts.log.pickup_store_timestamp(self.min_phy_offset(), STORE_TIMESTAMP_END)
    }

    /// -1 for a log without files.
    pub fn min_phy_offset(&self) -> i64 {
        self.parts.log.min_offset()
    }

    /// Where the log ends, and the next record begins.
    pub fn max_phy_offset(&self) -> i64 {
        self.parts.log.max_offset()
    }

    /// Where that ends which consumers may see; queues follow it.
    pub fn confirm_offset(&self) -> i64 {
        self.parts.log.confirm_offset()
    }

    /// Up to where the log is on disk.
    pub fn flushed_where(&self) -> i64 {
        self.parts.log.flushed_where()
    }

    /// Bytes of the log that no queue knows yet.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        (self.parts.log.max_offset() - self.parts.derive.from()).max(0)
    }

    /// Every queue that has messages, or had: topic and queue ids.
    pub fn queues(&self) -> Vec<(String, Vec<i32>)> {
        self.parts.queues.ids()
    }
}
