//! A batch consume queue: one entry a record, and a record may hold many messages (`BatchConsumeQueue`, topics with
//! `queue.type=BatchCQ`, 5.x).
//!
//! An entry's place says nothing of its offsets: those are looked up by the offset of the first message in it.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tracing::{error, info, warn};

use super::Boundary;
use super::entries::Entries;
use super::error::{AccessError, OpenError};
use super::layout::{BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry, QueueEntry};
use super::probe::{Loaded, Trust, load_entries};
use super::sparse_files::{SparseDir, SparseFiles};

const ENTRY_BYTES: i64 = BATCH_QUEUE_ENTRY_BYTES as i64;

#[derive(Debug)]
pub struct BatchConsumeQueue {
    files: Arc<SparseFiles>,
    /// Held while a record gets its offsets, one of which becomes part of it.
    pub order: Mutex<()>,
    /// The offset of the next message to be appended to the log.
    pub next_offset: AtomicI64,
    /// -1 for a queue without messages.
    min_offset: AtomicI64,
    max_offset: AtomicI64,
    /// How many entries there are and ever were.
    end: AtomicI64,
    /// Where the last record that the queue knows starts; -1 for none.
    max_physical_offset: AtomicI64,
    /// Why a record could not be added: none is since.
    broken: OnceLock<AccessError>,
}

impl BatchConsumeQueue {
    pub fn new(dir: Arc<SparseDir>, topic: Arc<str>, queue_id: i32) -> Self {
        Self {
            files: SparseFiles::new(dir, topic, queue_id),
            order: Mutex::default(),
            next_offset: AtomicI64::new(0),
            min_offset: AtomicI64::new(-1),
            max_offset: AtomicI64::new(0),
            end: AtomicI64::new(0),
            max_physical_offset: AtomicI64::new(-1),
            broken: OnceLock::new(),
        }
    }

    pub fn topic(&self) -> &Arc<str> {
        self.files.topic()
    }

    pub fn queue_id(&self) -> i32 {
        self.files.queue_id()
    }

    pub fn min_offset(&self) -> i64 {
        self.min_offset.load(Ordering::Acquire)
    }

    pub fn max_offset(&self) -> i64 {
        self.max_offset.load(Ordering::Acquire)
    }

    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Where its first file starts, in bytes.
    pub fn first_file(&self) -> Option<i64> {
        self.files.first()
    }

    /// First byte of the log behind the last record that the queue knows; -1 for none.
    pub fn max_physical_end(&self) -> Result<i64, AccessError> {
        Ok(self.last()?.map_or(-1, |last| last.entry.physical_end()))
    }

    fn file_entries(&self) -> i64 {
        self.files.file_bytes() / ENTRY_BYTES
    }

    /// The entries there are.
    fn indexes(&self) -> Range<i64> {
        let first = self.files.first().map_or(0, |start| start / ENTRY_BYTES);
        first..self.end.load(Ordering::Acquire)
    }

    fn last(&self) -> Result<Option<BatchQueueEntry>, AccessError> {
        match self.indexes().next_back() {
            Some(last) => self.at(last),
            None => Ok(None),
        }
    }

    fn at(&self, index: i64) -> Result<Option<BatchQueueEntry>, AccessError> {
        self.files.entry(index * ENTRY_BYTES)
    }

    /// How many entries from the front of `within` on are as `holds` says, given that none is behind one that is not.
    fn partition(
        &self,
        within: Range<i64>,
        holds: impl Fn(&BatchQueueEntry) -> bool,
    ) -> Result<i64, AccessError> {
        let (mut low, mut high) = (within.start, within.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle)?.is_some_and(|entry| holds(&entry)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low - within.start)
    }
}

/// Writing: by the derive thread, and by recovery before it.
impl BatchConsumeQueue {
    /// Adds an entry at the end. True if its record was not known before.
    pub fn put(&self, entry: BatchQueueEntry) -> io::Result<bool> {
        if entry.entry.physical_offset <= self.max_physical_offset.load(Ordering::Acquire)
            || self.broken().is_some()
        {
            return Ok(false);
        }
        let end = self.end.load(Ordering::Acquire);
        self.files.write(end * ENTRY_BYTES, &entry.encode())?;
        self.max_physical_offset.store(entry.entry.physical_offset, Ordering::Release);
        if self.min_offset() < 0 {
            self.min_offset.store(entry.base_offset, Ordering::Release);
        }
        self.end.store(end + 1, Ordering::Release);
        self.max_offset.store(entry.end_offset(), Ordering::Release);
        Ok(true)
    }

    /// As [`ConsumeQueue::broken`](super::consume_queue::ConsumeQueue::broken).
    pub fn broken(&self) -> Option<&AccessError> {
        self.broken.get()
    }

    /// Adds nothing more, so that no record is missing from the middle.
    pub fn give_up(&self, why: AccessError) {
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        error!(%why, topic, queue_id, "cannot write a batch queue, it takes no messages before the next start");
        let _ = self.broken.set(why);
    }

    /// Loads the files of a queue and finds its end. Whether entries are missing there: those behind them are cut off.
    pub fn load(&self, trust: Trust) -> Result<bool, OpenError> {
        let Loaded { end, behind_hole, .. } =
            load_entries(&self.files, trust, |_: &BatchQueueEntry| Ok(true))?;
        self.end_at(end / ENTRY_BYTES, trust != Trust::All || behind_hole.is_some())?;
        Ok(behind_hole.is_some())
    }

    /// Forgets all entries and removes their files: it begins anew.
    pub fn reset(&self) -> io::Result<()> {
        self.end.store(0, Ordering::Release);
        self.max_offset.store(0, Ordering::Release);
        self.min_offset.store(-1, Ordering::Release);
        self.max_physical_offset.store(-1, Ordering::Release);
        self.destroy()
    }

    /// Makes `max_offset` the end of a queue without entries, as if messages stood before it that the log has no more.
    pub fn skip_to(&self, max_offset: i64) -> io::Result<()> {
        if self.max_offset() > 0 || max_offset <= 0 {
            return Ok(());
        }
        let (entry, rest) = (QueueEntry::GONE, BatchQueueEntry::PLAIN_REST);
        let base_offset = max_offset - 1;
        self.put(BatchQueueEntry { entry, store_timestamp_ms: 0, base_offset, batch_size: 1, rest }).map(drop)
    }

    fn end_at(&self, end: i64, cleared: bool) -> Result<(), OpenError> {
        // First, so that readers do not go where the files are about to end.
        self.end.store(end, Ordering::Release);
        self.files.end_at(end * ENTRY_BYTES, cleared)?;
        let last = self.last()?;
        let first = if last.is_some() { self.at(self.indexes().start)? } else { None };
        self.min_offset.store(first.map_or(-1, |first| first.base_offset), Ordering::Release);
        self.max_offset.store(last.map_or(0, |last| last.end_offset()), Ordering::Release);
        let physical = last.map_or(-1, |last| last.entry.physical_offset);
        self.max_physical_offset.store(physical, Ordering::Release);
        Ok(())
    }

    /// Cuts off the entries of records at `physical_offset` and behind it (`truncateDirtyLogicFiles`).
    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        let indexes = self.indexes();
        let is_kept = |entry: BatchQueueEntry| entry.entry.physical_offset < physical_offset;
        let mut end = indexes.end;
        while end > indexes.start && !self.at(end - 1)?.is_some_and(is_kept) {
            end -= 1;
        }
        if end == indexes.end {
            return Ok(());
        }
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        warn!(topic, queue_id, from = indexes.end, to = end, "batch queue cut off");
        self.end_at(end, true)
    }

    /// Brings to disk that the queue ends where it does.
    pub fn sync_end(&self) -> io::Result<()> {
        self.files.sync_end()
    }

    /// Moves the min offset up to the first message that the log has, which begins at `min_physical_offset`.
    pub fn correct_min_offset(&self, min_physical_offset: i64) -> Result<(), AccessError> {
        let indexes = self.indexes();
        let in_first_file = indexes.start..indexes.end.min(indexes.start + self.file_entries());
        let gone =
            self.partition(in_first_file, |entry| entry.entry.physical_offset < min_physical_offset)?;
        let min = match gone {
            0 => self.at(indexes.start)?.map(|first| first.base_offset),
            gone => self.at(indexes.start + gone - 1)?.map(|last_gone| last_gone.end_offset()),
        };
        if let Some(offset) = min.filter(|offset| *offset != self.min_offset() && !indexes.is_empty()) {
            info!(topic = &**self.topic(), queue_id = self.queue_id(), offset, "min offset corrected");
            self.min_offset.store(offset, Ordering::Release);
        }
        Ok(())
    }

    /// Removes the files that hold only entries of records before `min_physical_offset`, never the last, and says how many
    /// it removed.
    pub fn remove_expired_files(&self, min_physical_offset: i64) -> io::Result<usize> {
        let gone =
            self.partition(self.indexes(), |entry| entry.entry.physical_offset < min_physical_offset)?;
        self.files.remove_before(self.files.floor((self.indexes().start + gone) * ENTRY_BYTES))
    }

    /// Bytes of the files, holes counted.
    pub fn total_bytes(&self) -> u64 {
        self.files.total_bytes()
    }

    pub fn dirty_pages(&self) -> u64 {
        self.files.dirty_pages(self.end.load(Ordering::Acquire) * ENTRY_BYTES)
    }

    pub fn flush(&self) -> io::Result<()> {
        self.files.flush(self.end.load(Ordering::Acquire) * ENTRY_BYTES)
    }

    pub fn destroy(&self) -> io::Result<()> {
        self.files.destroy()
    }
}

impl BatchConsumeQueue {
    /// The entries from the one that holds `offset` to the end of its file (`iterateFrom`). `None` if it is out of range.
    pub fn entries(&self, offset: i64) -> Result<Option<Entries<BatchQueueEntry>>, AccessError> {
        if offset >= self.max_offset() {
            return Ok(None);
        }
        let indexes = self.indexes();
        let not_behind = self.partition(indexes.clone(), |entry| entry.base_offset <= offset)?;
        if not_behind == 0 {
            return Ok(None);
        }
        let first = indexes.start + not_behind - 1;
        let Some((file, at)) = self.files.locate(first * ENTRY_BYTES)? else { return Ok(None) };
        let end = (indexes.end * ENTRY_BYTES - file.start()).min(self.files.file_bytes()) as usize;
        Ok(Some(Entries::new(file, at, end)))
    }

    /// The first offset of a record stored at `timestamp_ms` or close to it, found as Java finds it
    /// (`getOffsetInQueueByTime`), brought into the queue's range.
    pub fn offset_by_time(&self, timestamp_ms: i64, boundary: Boundary) -> Result<i64, AccessError> {
        let found = self.search_by_time(timestamp_ms, boundary)?.unwrap_or(-1);
        Ok(found.max(self.min_offset()).min(self.max_offset()))
    }

    fn search_by_time(&self, timestamp_ms: i64, boundary: Boundary) -> Result<Option<i64>, AccessError> {
        let indexes = self.indexes();
        let firsts: Vec<_> = self.files.starts().iter().map(|start| start / ENTRY_BYTES).collect();
        let mut first = indexes.start;
        for began in firsts.iter().copied().rev().filter(|first| indexes.contains(first)) {
            if self.at(began)?.is_some_and(|entry| entry.store_timestamp_ms <= timestamp_ms) {
                first = began;
                break;
            }
        }
        let last = (first + self.file_entries()).min(indexes.end) - 1;
        let Some(entry) = self.at(last)? else { return Ok(None) };
        if entry.store_timestamp_ms <= timestamp_ms {
            return Ok(Some(entry.base_offset));
        }
        match self.search_file_by_time(first..last, timestamp_ms, boundary)? {
            Some(found) => Ok(self.at(found)?.map(|entry| entry.base_offset)),
            None => Ok(None),
        }
    }

    /// `binarySearchRight`: other than its name says, the upper boundary ends beside what one would expect.
    fn search_file_by_time(
        &self,
        within: Range<i64>,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Result<Option<i64>, AccessError> {
        let (mut left, mut right) = (within.start, within.end);
        while left <= right {
            let middle = left + (right - left) / 2;
            let Some(entry) = self.at(middle)? else { return Ok(None) };
            let time = entry.store_timestamp_ms;
            if middle == right {
                return Ok((time >= timestamp_ms).then_some(middle));
            }
            if middle == left {
                if time >= timestamp_ms {
                    return Ok(Some(middle));
                }
                left = middle + 1;
                continue;
            }
            match boundary {
                Boundary::Lower if time < timestamp_ms => left = middle + 1,
                Boundary::Lower => right = middle,
                Boundary::Upper if time <= timestamp_ms => left = middle,
                Boundary::Upper => right = middle - 1,
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
