//! Offsets by time, and the first offset whose message the log still has.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::{ConsumeQueue, ENTRY_BYTES};
use crate::Boundary;
use crate::commit_log::CommitLog;
use crate::error::AccessError;

/// A file's entries as offsets: the first that counts and the last.
#[derive(Clone, Copy)]
struct FileRange {
    file_first: i64,
    floor: i64,
    ceiling: i64,
}

impl ConsumeQueue {
    /// The offset of the first (`Lower`) message stored at `timestamp_ms` or later, or of the last (`Upper`) stored then or
    /// earlier; where no message has that very time, as Java answers (`getOffsetInQueueByTime`): within one queue file,
    /// then brought into the queue's range.
    pub fn offset_by_time(
        &self,
        log: &CommitLog,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<i64, AccessError> {
        let found = match self.file_by_time(log, timestamp_ms, boundary)? {
            Some(file) => self.search_file(log, file, timestamp_ms, boundary)?,
            None => 0,
        };
        Ok(found.max(self.min_offset()).min(self.max_offset()))
    }

    fn store_time(&self, log: &CommitLog, offset: i64) -> Result<i64, AccessError> {
        match self.raw_entry(offset)? {
            Some(entry) => log.pickup_store_timestamp(entry.physical_offset, entry.size as usize),
            None => Ok(-1),
        }
    }

    /// `MappedFileQueue.getConsumeQueueMappedFileByTime`.
    fn file_by_time(
        &self,
        log: &CommitLog,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<Option<FileRange>, AccessError> {
        let starts = self.files.starts();
        let file_entries = self.file_entries();
        let ranges: Vec<_> = starts
            .iter()
            .map(|start| {
                let file_first = start / ENTRY_BYTES;
                let ceiling = (file_first + file_entries).min(self.max_offset()) - 1;
                FileRange { file_first, floor: file_first.max(self.min_offset()), ceiling }
            })
            .filter(|range| range.ceiling >= range.file_first)
            .collect();
        match boundary {
            Boundary::Lower => {
                for range in &ranges {
                    if self.store_time(log, range.ceiling)? >= timestamp_ms {
                        return Ok(Some(*range));
                    }
                }
                Ok(ranges.last().copied())
            }
            Boundary::Upper => {
                for range in ranges.iter().rev() {
                    if self.store_time(log, range.file_first)? <= timestamp_ms {
                        return Ok(Some(*range));
                    }
                }
                Ok(None)
            }
        }
    }

    /// `ConsumeQueue.binarySearchInQueueByTime`.
    fn search_file(
        &self,
        log: &CommitLog,
        range: FileRange,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<i64, AccessError> {
        let FileRange { file_first, floor, ceiling } = range;
        if self.store_time(log, ceiling)? < timestamp_ms {
            return Ok(if boundary == Boundary::Lower { ceiling + 1 } else { ceiling });
        }
        if self.store_time(log, floor)? > timestamp_ms {
            return Ok(if boundary == Boundary::Lower { file_first } else { 0 });
        }
        let min_physical_offset = log.min_offset();
        let (mut low, mut high) = (floor, ceiling);
        let (mut left, mut right) = (floor, ceiling);
        while high >= low {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.raw_entry(middle)? else { return Ok(0) };
            if entry.physical_offset < min_physical_offset {
                (low, left) = (middle + 1, middle);
                continue;
            }
            let time = log.pickup_store_timestamp(entry.physical_offset, entry.size as usize)?;
            if time < 0 {
                warn!(offset = entry.physical_offset, "no store time at this place of the log");
                return Ok(0);
            }
            match time.cmp(&timestamp_ms) {
                std::cmp::Ordering::Equal => {
                    return self.edge_of_run(log, middle, range, timestamp_ms, boundary);
                }
                std::cmp::Ordering::Greater => (high, right) = (middle - 1, middle),
                std::cmp::Ordering::Less => (low, left) = (middle + 1, middle),
            }
        }
        Ok(if boundary == Boundary::Lower { right } else { left })
    }

    /// From one message of the wanted time to the first or last of its neighbours of the same time.
    fn edge_of_run(
        &self,
        log: &CommitLog,
        from: i64,
        range: FileRange,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<i64, AccessError> {
        let step = if boundary == Boundary::Lower { -1 } else { 1 };
        let mut edge = from;
        while (range.floor..=range.ceiling).contains(&(edge + step))
            && self.store_time(log, edge + step)? == timestamp_ms
        {
            edge += step;
        }
        Ok(edge)
    }

    /// Moves the min offset up to the first entry whose message the log has, which begins at `min_physical_offset`
    /// (`correctMinOffset`).
    pub fn correct_min_offset(&self, min_physical_offset: i64) -> Result<(), AccessError> {
        let (min, max) = (self.min_offset(), self.max_offset());
        let Some(first_start) = self.files.first() else { return Ok(()) };
        // The log has everything that it ever had: no need to look.
        if min >= max || (min_physical_offset <= 0 && min * ENTRY_BYTES >= first_start) {
            return Ok(());
        }
        if self.max_physical_offset() <= min_physical_offset || self.physical(max - 1)? < min_physical_offset
        {
            // Nothing of the queue is left: the min points to a message to come.
            return self.set_min_offset(max);
        }
        let kept_start = self.expired_files(min_physical_offset)?.1;
        let file_first = kept_start / ENTRY_BYTES;
        let start = min.max(file_first);
        if min >= file_first && self.physical(start)? >= min_physical_offset {
            return Ok(());
        }
        let end = (file_first + self.file_entries()).min(max);
        let (mut low, mut high) = (start, end - 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.physical(middle)?.cmp(&min_physical_offset) {
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Less => low = middle,
                std::cmp::Ordering::Equal => (low, high) = (middle, middle),
            }
        }
        for offset in low..=high {
            if self.physical(offset)? >= min_physical_offset {
                return self.set_min_offset(offset);
            }
        }
        Ok(())
    }

    fn set_min_offset(&self, offset: i64) -> Result<(), AccessError> {
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        info!(topic, queue_id, offset, "min offset corrected");
        self.min_offset.store(offset, Ordering::Release);
        // As in Java nothing of the extension goes with the queue's last message.
        if let (Some(ext), Some(entry)) = (&self.ext, self.entry(offset)?)
            && let Err(error) = ext.remove_before(entry.tags_code)
        {
            warn!(%error, topic, queue_id, "cannot remove old files of the queue's extension");
        }
        Ok(())
    }
}
