//! Removing what points before the start of the log (`ConsumeQueue.deleteExpiredFile`).

use std::io;
use std::sync::atomic::Ordering;

use super::{ConsumeQueue, ENTRY_BYTES};
use crate::error::AccessError;
use crate::layout::{QUEUE_ENTRY_BYTES, QueueEntry};

/// What [`ConsumeQueue::next_offset`] says once the queue is removed: no append may count on it any more.
pub const RETIRED: i64 = i64::MIN;

impl ConsumeQueue {
    /// Removes the files that hold only entries of messages before `min_physical_offset`, never the last, and says how
    /// many it removed. The min offset must have been corrected, so that nobody looks for them.
    pub fn remove_expired_files(&self, min_physical_offset: i64) -> io::Result<usize> {
        let (expired, kept_start) = self.expired_files(min_physical_offset)?;
        if expired == 0 {
            return Ok(0);
        }
        let removed = self.files.remove_before(kept_start)?;
        if let Some(ext) = &self.ext
            && let Some(first) = self.entry(self.min_offset())?
        {
            ext.remove_before(first.tags_code)?;
        }
        Ok(removed)
    }

    /// How many files from the first on hold only entries of messages before `min_physical_offset`, and the start of the
    /// one behind them. The last file is never among them (`deleteExpiredFileByOffset`).
    pub(super) fn expired_files(&self, min_physical_offset: i64) -> Result<(usize, i64), AccessError> {
        let starts = self.files.starts();
        let Some((&last, others)) = starts.split_last() else { return Ok((0, 0)) };
        let nothing_left = self.max_physical_offset() <= min_physical_offset;
        let mut expired = 0;
        for start in others {
            let last_entry = start + self.files.file_bytes() - ENTRY_BYTES;
            let is_before = |entry: QueueEntry| entry.physical_offset < min_physical_offset;
            if !nothing_left && !self.peek(last_entry)?.is_some_and(is_before) {
                break;
            }
            expired += 1;
        }
        Ok((expired, others.get(expired).copied().unwrap_or(last)))
    }

    /// The entry at a position in bytes, if one is written there, read without mapping its file.
    fn peek(&self, position: i64) -> Result<Option<QueueEntry>, AccessError> {
        let mut bytes = [0; QUEUE_ENTRY_BYTES];
        let there = self.files.peek(position, &mut bytes)?;
        Ok(QueueEntry::decode(&bytes).filter(|entry| there && entry.is_written()))
    }

    /// Whether every message of the queue lies before `min_physical_offset`, and none is on its way from the log
    /// (`ConsumeQueueStore.cleanExpired`). A queue that never had a message is not expired.
    pub fn is_expired(&self, min_physical_offset: i64) -> bool {
        let end = self.max_physical_offset();
        end != -1
            && end < min_physical_offset
            && self.next_offset.load(Ordering::Relaxed) == self.max_offset()
    }

    /// Has appends that still hold the queue fail, so that they cannot count on from an offset that is forgotten. Under the
    /// append lock.
    pub fn retire(&self) {
        self.next_offset.store(RETIRED, Ordering::Relaxed);
    }
}
