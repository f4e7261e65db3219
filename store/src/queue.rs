//! A queue of either kind, as reads see it.

use std::io;
use std::sync::Arc;

use super::Boundary;
use super::batch_consume_queue::BatchConsumeQueue;
use super::commit_log::CommitLog;
use super::consume_queue::ConsumeQueue;
use super::consume_queue::ext::ExtUnit;
use super::entries::Entries;
use super::error::AccessError;
use super::layout::{BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry, QUEUE_ENTRY_BYTES, QueueEntry};

#[derive(Clone, Debug)]
pub enum Queue {
    Simple(Arc<ConsumeQueue>),
    Batch(Arc<BatchConsumeQueue>),
}

/// One entry of either kind (`CqUnit`).
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Of the first message.
    pub queue_offset: i64,
    /// Messages in the record.
    pub batch_num: i64,
    pub entry: QueueEntry,
}

/// Entries of one file from some offset on.
pub enum Units {
    /// And the offset of the next.
    Simple(i64, Entries<QueueEntry>),
    Batch(Entries<BatchQueueEntry>),
}

impl Iterator for Units {
    type Item = Result<Unit, AccessError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Simple(next_offset, entries) => {
                let queue_offset = *next_offset;
                *next_offset += 1;
                Some(entries.next()?.map(|entry| Unit { queue_offset, batch_num: 1, entry }))
            }
            Self::Batch(entries) => Some(entries.next()?.map(|batch| Unit {
                queue_offset: batch.base_offset,
                batch_num: batch.batch_size.into(),
                entry: batch.entry,
            })),
        }
    }
}

impl Queue {
    pub fn topic(&self) -> &Arc<str> {
        match self {
            Self::Simple(queue) => queue.topic(),
            Self::Batch(queue) => queue.topic(),
        }
    }

    pub fn queue_id(&self) -> i32 {
        match self {
            Self::Simple(queue) => queue.queue_id(),
            Self::Batch(queue) => queue.queue_id(),
        }
    }

    /// Removes the files. Whoever reads the queue right now keeps what it has.
    pub fn destroy(&self) -> io::Result<()> {
        match self {
            Self::Simple(queue) => queue.destroy(),
            Self::Batch(queue) => queue.destroy(),
        }
    }

    /// Brings to disk that the queue ends where it does.
    pub fn sync_end(&self) -> io::Result<()> {
        match self {
            Self::Simple(queue) => queue.sync_end(),
            Self::Batch(queue) => queue.sync_end(),
        }
    }

    /// Forgets all entries and removes their files: it begins anew.
    pub fn reset(&self) -> io::Result<()> {
        match self {
            Self::Simple(queue) => queue.reset(),
            Self::Batch(queue) => queue.reset(),
        }
    }

    /// Makes `max_offset` the end, as if messages stood before it that the log has no more.
    pub fn skip_to(&self, max_offset: i64) -> io::Result<()> {
        match self {
            Self::Simple(queue) => queue.skip_to(max_offset),
            Self::Batch(queue) => queue.skip_to(max_offset),
        }
    }

    /// Where its first file starts, in bytes.
    pub fn first_file(&self) -> Option<i64> {
        match self {
            Self::Simple(queue) => queue.first_file(),
            Self::Batch(queue) => queue.first_file(),
        }
    }

    /// First byte of the log behind the last message that the queue knows; -1 for none.
    pub fn max_physical_end(&self) -> Result<i64, AccessError> {
        match self {
            Self::Simple(queue) => Ok(queue.max_physical_offset()),
            Self::Batch(queue) => queue.max_physical_end(),
        }
    }

    pub fn min_offset(&self) -> i64 {
        match self {
            Self::Simple(queue) => queue.min_offset(),
            Self::Batch(queue) => queue.min_offset(),
        }
    }

    pub fn max_offset(&self) -> i64 {
        match self {
            Self::Simple(queue) => queue.max_offset(),
            Self::Batch(queue) => queue.max_offset(),
        }
    }

    pub fn entry_bytes(&self) -> usize {
        match self {
            Self::Simple(_) => QUEUE_ENTRY_BYTES,
            Self::Batch(_) => BATCH_QUEUE_ENTRY_BYTES,
        }
    }

    /// Where reading goes on when the file that holds `offset` cannot be read.
    pub fn roll_next_file(&self, offset: i64) -> i64 {
        match self {
            Self::Simple(queue) => queue.roll_next_file(offset),
            // As Java: back to the begin.
            Self::Batch(_) => 0,
        }
    }

    /// `None` for an offset that is out of range.
    pub fn units(&self, offset: i64) -> Result<Option<Units>, AccessError> {
        match self {
            Self::Simple(queue) => Ok(queue.entries(offset)?.map(|entries| Units::Simple(offset, entries))),
            Self::Batch(queue) => Ok(queue.entries(offset)?.map(Units::Batch)),
        }
    }

    /// Of the record that holds the message at `offset`.
    pub fn entry(&self, offset: i64) -> Result<Option<QueueEntry>, AccessError> {
        match self {
            Self::Simple(queue) => queue.entry(offset),
            Self::Batch(_) => {
                let unit = self.units(offset)?.and_then(|mut units| units.next()).transpose()?;
                Ok(unit.map(|unit| unit.entry))
            }
        }
    }

    pub fn look_ext<T>(
        &self,
        entry: &QueueEntry,
        look: impl FnOnce(ExtUnit<'_>) -> T,
    ) -> Result<Option<T>, AccessError> {
        match self {
            Self::Simple(queue) => queue.look_ext(entry, look),
            Self::Batch(_) => Ok(None),
        }
    }

    pub fn offset_by_time(
        &self,
        log: &CommitLog,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<i64, AccessError> {
        match self {
            Self::Simple(queue) => queue.offset_by_time(log, timestamp_ms, boundary),
            Self::Batch(queue) => queue.offset_by_time(timestamp_ms, boundary),
        }
    }
}
