//! One consume queue: for each message of a topic's queue, where it lies in the log (`ConsumeQueue`).
//!
//! The derive thread writes, anyone reads.

mod expire;
pub mod ext;
mod recover;
mod search;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::{error, warn};

use super::entries::Entries;
use super::error::AccessError;
use super::layout::{QUEUE_ENTRY_BYTES, QueueEntry};
use super::sparse_files::{SparseDir, SparseFiles};

pub use super::probe::Trust;
pub use expire::RETIRED;
use ext::{ConsumeQueueExt, ExtUnit};

const ENTRY_BYTES: i64 = QUEUE_ENTRY_BYTES as i64;

/// Offsets from here on have no position in a file that a number can say.
const QUEUE_OFFSET_END: i64 = i64::MAX / ENTRY_BYTES / 2;

/// Where queues have their files.
#[derive(Clone, Debug)]
pub struct QueueDirs {
    /// `consumequeue`.
    pub entries: Arc<SparseDir>,
    /// `consumequeue_ext`, with `enableConsumeQueueExt`.
    pub ext: Option<Arc<SparseDir>>,
}

#[derive(Debug)]
pub struct ConsumeQueue {
    files: Arc<SparseFiles>,
    ext: Option<Box<ConsumeQueueExt>>,
    /// The offset of the next message to be appended to the log. Belongs to the append lock.
    pub next_offset: AtomicI64,
    min_offset: AtomicI64,
    /// Entries before it are written and readable.
    max_offset: AtomicI64,
    /// First byte of the log behind the last message that the queue knows; -1 for none.
    max_physical_offset: AtomicI64,
    /// On the list of queues to flush.
    pub(super) listed_dirty: AtomicBool,
    /// Why a message could not be added: none is since.
    broken: OnceLock<AccessError>,
}

/// How much of a queue there is at a moment, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    entries: i64,
    ext: i64,
}

impl ConsumeQueue {
    pub fn new(dirs: &QueueDirs, topic: Arc<str>, queue_id: i32) -> Self {
        let ext = dirs.ext.clone();
        Self {
            ext: ext.map(|dir| Box::new(ConsumeQueueExt::new(dir, Arc::clone(&topic), queue_id))),
            files: SparseFiles::new(Arc::clone(&dirs.entries), topic, queue_id),
            next_offset: AtomicI64::new(0),
            min_offset: AtomicI64::new(0),
            max_offset: AtomicI64::new(0),
            max_physical_offset: AtomicI64::new(-1),
            listed_dirty: AtomicBool::new(false),
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

    pub fn max_physical_offset(&self) -> i64 {
        self.max_physical_offset.load(Ordering::Acquire)
    }

    pub fn next_offset(&self) -> i64 {
        self.next_offset.load(Ordering::Relaxed)
    }

    pub fn set_next_offset(&self, offset: i64) {
        self.next_offset.store(offset, Ordering::Relaxed);
    }

    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// When its last file was changed last, in nanoseconds since the epoch; 0: not known.
    pub fn last_changed_ns(&self) -> i64 {
        self.files.last_changed_ns()
    }

    /// Where its first file starts, in bytes.
    pub fn first_file(&self) -> Option<i64> {
        self.files.first()
    }

    /// Bytes of the files, holes counted.
    pub fn total_bytes(&self) -> u64 {
        self.files.total_bytes()
    }

    /// First offset of the file behind the one that holds `offset`.
    pub fn roll_next_file(&self, offset: i64) -> i64 {
        let file_entries = self.file_entries();
        offset - offset % file_entries + file_entries
    }

    fn file_entries(&self) -> i64 {
        self.files.file_bytes() / ENTRY_BYTES
    }
}

/// Writing: by the derive thread, and by recovery before it.
impl ConsumeQueue {
    /// Adds the entry of the message that has `queue_offset`. True if it was not known before
    /// (`putMessagePositionInfo`). A queue that has an extension keeps `unit` there, if there is one.
    pub fn put(
        &self,
        queue_offset: i64,
        mut entry: QueueEntry,
        unit: Option<&ExtUnit<'_>>,
    ) -> io::Result<bool> {
        if entry.physical_end() <= self.max_physical_offset() || self.broken().is_some() {
            return Ok(false);
        }
        if !(0..QUEUE_OFFSET_END).contains(&queue_offset) {
            let (topic, queue_id) = (&**self.topic(), self.queue_id());
            error!(topic, queue_id, queue_offset, "no such offset can be, message not added");
            return Ok(false);
        }
        let max_offset = self.max_offset();
        let mut at = queue_offset;
        if !self.has_files() {
            let from = queue_offset - queue_offset % self.file_entries();
            self.fill(from, queue_offset)?;
            self.min_offset.store(queue_offset, Ordering::Release);
        } else if queue_offset < max_offset {
            let (topic, queue_id) = (&**self.topic(), self.queue_id());
            warn!(topic, queue_id, queue_offset, max_offset, "entry is there already, message not added");
            return Ok(false);
        } else if queue_offset > max_offset {
            at = self.close_gap(queue_offset, max_offset)?;
        }
        let placed = match (&self.ext, unit) {
            (Some(ext), Some(unit)) => ext.place(unit)?,
            _ => None,
        };
        entry.tags_code = placed.map_or(entry.tags_code, |unit| unit.address);
        self.write(at, &entry.encode())?;
        if let (Some(ext), Some(unit)) = (&self.ext, placed) {
            ext.settle(unit);
        }
        self.max_physical_offset.store(entry.physical_end(), Ordering::Release);
        self.max_offset.store(at + 1, Ordering::Release);
        Ok(true)
    }

    /// Entries are missing, which a sound log cannot cause. A small gap is filled, so that offsets stay what producers were
    /// told; for a large one (a damaged offset in the log) the entry goes to the end, as Java puts it.
    fn close_gap(&self, queue_offset: i64, max_offset: i64) -> io::Result<i64> {
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        error!(topic, queue_id, queue_offset, max_offset, "queue entries are missing");
        if queue_offset - max_offset > self.file_entries() {
            return Ok(max_offset);
        }
        self.fill(max_offset, queue_offset)?;
        Ok(queue_offset)
    }

    fn fill(&self, from: i64, until: i64) -> io::Result<()> {
        let blank = QueueEntry::PRE_BLANK.encode();
        (from..until).try_for_each(|offset| self.write(offset, &blank))
    }

    fn write(&self, offset: i64, entry: &[u8; QUEUE_ENTRY_BYTES]) -> io::Result<()> {
        self.files.write(offset * ENTRY_BYTES, entry)
    }

    /// Why nothing can be added to the queue before the next start, if so.
    pub fn broken(&self) -> Option<&AccessError> {
        self.broken.get()
    }

    /// Adds nothing more, so that no message is missing from the middle.
    pub fn give_up(&self, why: AccessError) {
        let (topic, queue_id) = (&**self.topic(), self.queue_id());
        error!(%why, topic, queue_id, "cannot write a queue, it takes no messages before the next start");
        let _ = self.broken.set(why);
    }

    /// What [`flush`](Self::flush) would bring to disk now.
    pub fn extent(&self) -> Extent {
        let entries = self.max_offset() * ENTRY_BYTES;
        Extent { entries, ext: self.ext.as_ref().map_or(0, |ext| ext.end()) }
    }

    /// Brings the entries to disk, and before them what they point to.
    pub fn flush(&self) -> io::Result<()> {
        let extent = self.extent();
        if let Some(ext) = &self.ext {
            ext.files().flush(extent.ext)?;
        }
        self.files.flush(extent.entries)
    }

    /// That much of the queue, and the names of its files, are on disk.
    pub fn note_flushed(&self, extent: Extent) {
        if let Some(ext) = &self.ext {
            ext.files().note_flushed(extent.ext);
        }
        self.files.note_flushed(extent.entries);
    }

    /// Pages that are not on disk; 0: there are none.
    pub fn dirty_pages(&self) -> u64 {
        let extent = self.extent();
        let ext_pages = self.ext.as_ref().map_or(0, |ext| ext.files().dirty_pages(extent.ext));
        self.files.dirty_pages(extent.entries).max(ext_pages)
    }

    /// Removes the files. Whoever reads the queue right now keeps what it has.
    pub fn destroy(&self) -> io::Result<()> {
        if let Some(ext) = &self.ext {
            ext.destroy()?;
        }
        self.files.destroy()
    }
}

impl ConsumeQueue {
    /// The entries from `offset` to the end of the file that holds it (`iterateFrom`). `None` if it is out of range.
    pub fn entries(&self, offset: i64) -> Result<Option<Entries<QueueEntry>>, AccessError> {
        let max_offset = self.max_offset();
        if offset < self.min_offset() || offset >= max_offset {
            return Ok(None);
        }
        let Some((file, at)) = self.files.locate(offset * ENTRY_BYTES)? else { return Ok(None) };
        let end = (max_offset * ENTRY_BYTES - file.start()).min(self.files.file_bytes()) as usize;
        Ok(Some(Entries::new(file, at, end)))
    }

    pub fn entry(&self, offset: i64) -> Result<Option<QueueEntry>, AccessError> {
        match (self.min_offset()..self.max_offset()).contains(&offset) {
            true => self.raw_entry(offset),
            false => Ok(None),
        }
    }

    /// Looks at the extension of an entry, if it has one.
    pub fn look_ext<T>(
        &self,
        entry: &QueueEntry,
        look: impl FnOnce(ExtUnit<'_>) -> T,
    ) -> Result<Option<T>, AccessError> {
        match &self.ext {
            Some(ext) => ext.look(entry.tags_code, look),
            None => Ok(None),
        }
    }

    /// An entry wherever it stands, even before the min offset.
    fn raw_entry(&self, offset: i64) -> Result<Option<QueueEntry>, AccessError> {
        self.files.entry(offset * ENTRY_BYTES)
    }
}
