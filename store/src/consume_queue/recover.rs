//! Finding a queue's end when the store opens, and cutting off what points behind the log's end.

use std::io;
use std::sync::atomic::Ordering;

use tracing::{error, warn};

use super::{ConsumeQueue, ENTRY_BYTES, Trust};
use crate::error::{AccessError, OpenError};
use crate::layout::inventory::QueueExtent;
use crate::layout::{QueueEntry, ext};
use crate::probe::{Loaded, RECOVERED_FILES_MAX, load_entries};

impl ConsumeQueue {
    /// Loads the files of a queue and finds its end. If entries are missing there: what its max offset was at least. Those
    /// behind them are cut off.
    pub fn load(&self, trust: Trust) -> Result<Option<i64>, OpenError> {
        if let Some(ext) = &self.ext {
            ext.files().load()?;
        }
        let is_whole = |entry: &QueueEntry| Ok(self.has_its_ext(entry)?);
        let Loaded { end, last, behind_hole } = load_entries(&self.files, trust, is_whole)?;
        self.max_physical_offset.store(last.map_or(-1, |last| last.physical_end()), Ordering::Release);
        self.end_at(end, trust != Trust::All || behind_hole.is_some())?;
        Ok(behind_hole.map(|start| start / ENTRY_BYTES + 1))
    }

    /// After a clean stop: the queue as it was noted then, if nobody has changed its last file since. False if its files are not
    /// such: then they have to be [loaded](Self::load). Of 100,000 queues that is a fraction of the work.
    pub fn load_as_noted(&self, noted: &QueueExtent) -> bool {
        let (first, end) = (noted.first, noted.max_offset.saturating_mul(ENTRY_BYTES));
        if self.ext.is_some() || !self.files.load_as_noted(first, end, noted.changed_ns) {
            return false;
        }
        self.max_physical_offset.store(noted.physical_end, Ordering::Release);
        self.max_offset.store(noted.max_offset, Ordering::Release);
        true
    }

    /// Forgets all entries and removes their files: it begins anew.
    pub fn reset(&self) -> io::Result<()> {
        self.max_offset.store(0, Ordering::Release);
        self.min_offset.store(0, Ordering::Release);
        self.max_physical_offset.store(-1, Ordering::Release);
        self.destroy()
    }

    /// Makes `max_offset` the end, as if messages stood before it that the log has no more.
    pub fn skip_to(&self, max_offset: i64) -> io::Result<()> {
        let Some(last) = max_offset.checked_sub(1).filter(|last| *last >= self.max_offset()) else {
            return Ok(());
        };
        let from = match self.has_files() {
            true => self.max_offset(),
            false => last - last % self.file_entries(),
        };
        if last - from > self.file_entries() {
            let (topic, queue_id) = (&**self.topic(), self.queue_id());
            error!(topic, queue_id, from, max_offset, "too many entries are missing");
            return Ok(());
        }
        self.fill(from, last)?;
        self.write(last, &QueueEntry::GONE.encode())?;
        self.max_physical_offset.fetch_max(QueueEntry::GONE.physical_end(), Ordering::AcqRel);
        self.max_offset.store(max_offset, Ordering::Release);
        Ok(())
    }

    /// Makes `end` (in bytes) the end, with `cleared` whatever may stand behind it.
    fn end_at(&self, end: i64, cleared: bool) -> Result<(), OpenError> {
        // First, so that readers do not go where the files are about to end.
        self.max_offset.store(end / ENTRY_BYTES, Ordering::Release);
        self.files.end_at(end, cleared)?;
        match &self.ext {
            Some(ext) => ext.end_behind(self.last_ext_address()?, cleared),
            None => Ok(()),
        }
    }

    /// Of the entries that `ConsumeQueue.recover` reads, the last that stands in one.
    fn last_ext_address(&self) -> Result<Option<i64>, AccessError> {
        let starts = self.files.starts();
        let from = starts.get(starts.len().saturating_sub(RECOVERED_FILES_MAX)).copied().unwrap_or(0);
        for offset in (from / ENTRY_BYTES..self.max_offset()).rev() {
            match self.raw_entry(offset)? {
                Some(entry) if entry.tags_code <= ext::ADDRESS_MAX => return Ok(Some(entry.tags_code)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Cuts off the entries of messages at `physical_offset` and behind it (`truncateDirtyLogicFiles`).
    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        if self.max_physical_offset() <= physical_offset {
            return Ok(());
        }
        let first = self.files.first().map_or(0, |start| start / ENTRY_BYTES);
        let mut end = self.max_offset();
        while end > first && self.physical(end - 1)? >= physical_offset {
            end -= 1;
        }
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        warn!(topic, queue_id, from = self.max_offset(), to = end, "queue cut off");
        self.end_at(end * ENTRY_BYTES, true)?;
        self.min_offset.fetch_min(end, Ordering::AcqRel);
        let last = if end > first { self.raw_entry(end - 1)? } else { None };
        self.max_physical_offset.store(last.map_or(-1, |entry| entry.physical_end()), Ordering::Release);
        Ok(())
    }

    /// Brings to disk that queue and extension end where they do.
    pub fn sync_end(&self) -> io::Result<()> {
        self.ext.as_ref().map_or(Ok(()), |ext| ext.files().sync_end())?;
        self.files.sync_end()
    }

    /// Where the message of an entry lies; the end of all things for an entry that is not there.
    pub(super) fn physical(&self, offset: i64) -> Result<i64, AccessError> {
        Ok(self.raw_entry(offset)?.map_or(i64::MAX, |entry| entry.physical_offset))
    }

    /// Whether an entry that may be newer than what is on disk points to a unit that is there. One that does not is made
    /// again from the log.
    fn has_its_ext(&self, entry: &QueueEntry) -> Result<bool, AccessError> {
        match (&self.ext, entry.tags_hash()) {
            (Some(ext), None) => ext.is_written(entry.tags_code),
            _ => Ok(true),
        }
    }
}
