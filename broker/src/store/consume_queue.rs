//! One consume queue: for each message of a topic's queue, where it lies in the log (`ConsumeQueue`).
//!
//! A broker may have 100,000 of them: files are mapped on use, at most [`Mappings`] of them at once, and no descriptor
//! stays open. The derive thread writes, anyone reads.

mod recover;
mod search;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tracing::{error, warn};

use super::file_queue::sync_dir;
use super::layout::{self, QUEUE_ENTRY_BYTES, QueueEntry};
use super::mapped_file::{self, MappedFile, PAGE_BYTES, Reserve};

pub use recover::Trust;

const ENTRY_BYTES: i64 = QUEUE_ENTRY_BYTES as i64;

/// Disk blocks are reserved in steps that grow with the file from one page to this many bytes: a full disk shows when
/// reserving, as an error, and not when writing, as SIGBUS.
const RESERVE_STEP_BYTES_MAX: i64 = 64 << 10;

/// What all queues share.
#[derive(Debug)]
pub struct QueueDir {
    /// `consumequeue` under the store's root.
    pub path: PathBuf,
    pub file_bytes: i64,
    pub mappings: Mappings,
}

#[derive(Debug)]
pub struct ConsumeQueue {
    topic: Arc<str>,
    queue_id: i32,
    dir: Arc<QueueDir>,
    /// The offset of the next message to be appended to the log. Belongs to the append lock.
    pub next_offset: AtomicI64,
    min_offset: AtomicI64,
    /// Entries before it are written and readable.
    max_offset: AtomicI64,
    /// First byte of the log behind the last message that the queue knows; -1 for none.
    max_physical_offset: AtomicI64,
    /// On the list of queues to flush.
    pub(super) listed_dirty: AtomicBool,
    files: Mutex<Files>,
}

/// Positions are in bytes from the queue's first entry ever.
#[derive(Debug, Default)]
struct Files {
    /// Of the files there are, ascending.
    starts: Vec<i64>,
    mapped: Vec<Arc<MappedFile>>,
    reserved_to: i64,
    flushed_to: i64,
    /// A file was made whose name may not be on disk.
    new_names: bool,
}

impl ConsumeQueue {
    pub fn new(dir: Arc<QueueDir>, topic: Arc<str>, queue_id: i32) -> Self {
        Self {
            topic,
            queue_id,
            dir,
            next_offset: AtomicI64::new(0),
            min_offset: AtomicI64::new(0),
            max_offset: AtomicI64::new(0),
            max_physical_offset: AtomicI64::new(-1),
            listed_dirty: AtomicBool::new(false),
            files: Mutex::default(),
        }
    }

    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub fn queue_id(&self) -> i32 {
        self.queue_id
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

    pub fn has_files(&self) -> bool {
        !self.files.lock().starts.is_empty()
    }

    /// First offset of the file behind the one that holds `offset`.
    pub fn roll_next_file(&self, offset: i64) -> i64 {
        let file_entries = self.dir.file_bytes / ENTRY_BYTES;
        offset - offset % file_entries + file_entries
    }

    fn dir_path(&self) -> PathBuf {
        self.dir.path.join(&*self.topic).join(self.queue_id.to_string())
    }

    fn file_path(&self, start: i64) -> PathBuf {
        self.dir_path().join(layout::file_name(start))
    }

    fn floor(&self, position: i64) -> i64 {
        position - position % self.dir.file_bytes
    }
}

/// Writing: by the derive thread, and by recovery before it.
impl ConsumeQueue {
    /// Adds the entry of the message that has `queue_offset`. True if it was not known before
    /// (`putMessagePositionInfo`).
    pub fn put(self: &Arc<Self>, queue_offset: i64, entry: QueueEntry) -> io::Result<bool> {
        if entry.physical_end() <= self.max_physical_offset() {
            return Ok(false);
        }
        let max_offset = self.max_offset();
        let mut at = queue_offset;
        if !self.has_files() {
            let from = self.floor(queue_offset * ENTRY_BYTES) / ENTRY_BYTES;
            self.fill(from, queue_offset)?;
            self.min_offset.store(queue_offset, Ordering::Release);
        } else if queue_offset < max_offset {
            let (topic, queue_id) = (&*self.topic, self.queue_id);
            warn!(topic, queue_id, queue_offset, max_offset, "entry is there already, message not added");
            return Ok(false);
        } else if queue_offset > max_offset {
            at = self.close_gap(queue_offset, max_offset)?;
        }
        self.write(at, &entry.encode())?;
        self.max_physical_offset.store(entry.physical_end(), Ordering::Release);
        self.max_offset.store(at + 1, Ordering::Release);
        Ok(true)
    }

    /// Entries are missing, which a sound log cannot cause. A small gap is filled, so that offsets stay what producers were
    /// told; for a large one (a damaged offset in the log) the entry goes to the end, as Java puts it.
    fn close_gap(self: &Arc<Self>, queue_offset: i64, max_offset: i64) -> io::Result<i64> {
        let (topic, queue_id) = (&*self.topic, self.queue_id);
        error!(topic, queue_id, queue_offset, max_offset, "queue entries are missing");
        if queue_offset - max_offset > self.dir.file_bytes / ENTRY_BYTES {
            return Ok(max_offset);
        }
        self.fill(max_offset, queue_offset)?;
        Ok(queue_offset)
    }

    fn fill(self: &Arc<Self>, from: i64, until: i64) -> io::Result<()> {
        let blank = QueueEntry::PRE_BLANK.encode();
        (from..until).try_for_each(|offset| self.write(offset, &blank))
    }

    fn write(self: &Arc<Self>, offset: i64, entry: &[u8; QUEUE_ENTRY_BYTES]) -> io::Result<()> {
        let position = offset * ENTRY_BYTES;
        let start = self.floor(position);
        let file = match self.mapped(start)? {
            Some(file) => file,
            None => self.make_file(start)?,
        };
        let at = position - start;
        self.reserve(position)?;
        match file.write(at as usize, entry) {
            true => Ok(()),
            false => Err(io::Error::other("consume queue file is shorter than it should be")),
        }
    }

    fn make_file(self: &Arc<Self>, start: i64) -> io::Result<Arc<MappedFile>> {
        fs::create_dir_all(self.dir_path())?;
        let file = MappedFile::create(
            &self.file_path(start),
            start,
            self.dir.file_bytes as usize,
            Reserve::Nothing,
        )?;
        let file = Arc::new(file.without_read_ahead());
        let mut files = self.files.lock();
        files.starts.push(start);
        files.mapped.push(Arc::clone(&file));
        files.reserved_to = start;
        files.new_names = true;
        if files.starts.len() == 1 {
            files.flushed_to = start;
        }
        drop(files);
        self.dir.mappings.opened(self, start);
        Ok(file)
    }

    fn reserve(&self, position: i64) -> io::Result<()> {
        let mut files = self.files.lock();
        if position + ENTRY_BYTES <= files.reserved_to {
            return Ok(());
        }
        let start = self.floor(position);
        let from = files.reserved_to.max(start) - start;
        let step = from.clamp(PAGE_BYTES as i64, RESERVE_STEP_BYTES_MAX);
        // An entry may lie across a page's end.
        let until = (from + step).max(position - start + ENTRY_BYTES).min(self.dir.file_bytes);
        mapped_file::reserve(&self.file_path(start), from as usize, (until - from) as usize)?;
        files.reserved_to = start + until;
        Ok(())
    }

    /// Brings the entries to disk.
    pub fn flush(self: &Arc<Self>) -> io::Result<()> {
        let until = self.max_offset() * ENTRY_BYTES;
        let (mut from, new_names) = {
            let files = self.files.lock();
            (files.flushed_to, files.new_names)
        };
        while from < until {
            let start = self.floor(from);
            let end = until.min(start + self.dir.file_bytes);
            if let Some(file) = self.mapped(start)? {
                file.sync((from - start) as usize, (end - from) as usize)?;
            }
            from = end;
        }
        if new_names {
            self.sync_names()?;
        }
        self.note_flushed(until / ENTRY_BYTES);
        Ok(())
    }

    /// After the files: a name without its content would be an empty file.
    fn sync_names(&self) -> io::Result<()> {
        let root = self.dir.path.parent().unwrap_or(&self.dir.path);
        self.dir_path().ancestors().take_while(|dir| dir.starts_with(root)).try_for_each(sync_dir)
    }

    /// Entries before `offset`, and the names of their files, are on disk.
    pub fn note_flushed(&self, offset: i64) {
        let mut files = self.files.lock();
        files.flushed_to = files.flushed_to.max(offset * ENTRY_BYTES);
        files.new_names &= files.starts.last().is_some_and(|&last| last >= files.flushed_to);
    }

    /// Pages with entries that are not on disk; 0: there are none.
    pub fn dirty_pages(&self) -> u64 {
        let page = PAGE_BYTES as i64;
        let (from, until) = (self.files.lock().flushed_to, self.max_offset() * ENTRY_BYTES);
        if from < until { ((until - 1) / page - from / page + 1) as u64 } else { 0 }
    }

    /// Removes the files. Whoever reads the queue right now keeps what it has.
    pub fn destroy(&self) -> io::Result<()> {
        *self.files.lock() = Files::default();
        match fs::remove_dir_all(self.dir_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Entries of one file from some offset on.
#[derive(Debug)]
pub struct Entries {
    file: Arc<MappedFile>,
    /// Of the next entry.
    pub offset: i64,
    at: usize,
    end: usize,
}

impl Iterator for Entries {
    type Item = (i64, QueueEntry);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let entry = QueueEntry::decode(self.file.read(self.at, QUEUE_ENTRY_BYTES)?)?;
        self.at += QUEUE_ENTRY_BYTES;
        self.offset += 1;
        Some((self.offset - 1, entry))
    }
}

impl ConsumeQueue {
    /// The entries from `offset` to the end of the file that holds it (`iterateFrom`). `None` if it is out of range or
    /// its file cannot be read.
    pub fn entries(self: &Arc<Self>, offset: i64) -> Option<Entries> {
        let max_offset = self.max_offset();
        if offset < self.min_offset() || offset >= max_offset {
            return None;
        }
        let position = offset * ENTRY_BYTES;
        let start = self.floor(position);
        let file = match self.mapped(start) {
            Ok(file) => file?,
            Err(error) => {
                error!(%error, path = %self.file_path(start).display(), "cannot read a consume queue file");
                return None;
            }
        };
        let end = (max_offset * ENTRY_BYTES - start).min(self.dir.file_bytes) as usize;
        Some(Entries { file, offset, at: (position - start) as usize, end })
    }

    pub fn entry(self: &Arc<Self>, offset: i64) -> Option<QueueEntry> {
        self.entries(offset)?.next().map(|(_, entry)| entry)
    }

    /// An entry wherever it stands, even before the min offset.
    fn raw_entry(self: &Arc<Self>, offset: i64) -> Option<QueueEntry> {
        let position = offset * ENTRY_BYTES;
        let start = self.floor(position);
        let file = self.mapped(start).ok()??;
        QueueEntry::decode(file.read((position - start) as usize, ENTRY_BYTES as usize)?)
    }

    /// The file that starts at `start`, mapped if it was not; `None` if there is no such file.
    fn mapped(self: &Arc<Self>, start: i64) -> io::Result<Option<Arc<MappedFile>>> {
        let mut files = self.files.lock();
        if let Some(file) = files.mapped.iter().find(|file| file.start() == start) {
            return Ok(Some(Arc::clone(file)));
        }
        if files.starts.binary_search(&start).is_err() {
            return Ok(None);
        }
        let file = Arc::new(MappedFile::open(&self.file_path(start), start)?.without_read_ahead());
        files.mapped.push(Arc::clone(&file));
        drop(files);
        self.dir.mappings.opened(self, start);
        Ok(Some(file))
    }

    fn unmap(&self, start: i64) {
        self.files.lock().mapped.retain(|file| file.start() != start);
    }
}

/// Which queue files are mapped; lets the one mapped longest ago go when there are too many.
#[derive(Debug)]
pub struct Mappings {
    max: usize,
    open: Mutex<VecDeque<(Weak<ConsumeQueue>, i64)>>,
}

impl Mappings {
    pub fn new(max: usize) -> Self {
        Self { max, open: Mutex::default() }
    }

    fn opened(&self, queue: &Arc<ConsumeQueue>, start: i64) {
        let mut open = self.open.lock();
        open.push_back((Arc::downgrade(queue), start));
        let oldest = if open.len() > self.max { open.pop_front() } else { None };
        drop(open);
        if let Some((queue, start)) = oldest
            && let Some(queue) = queue.upgrade()
        {
            queue.unmap(start);
        }
    }
}
