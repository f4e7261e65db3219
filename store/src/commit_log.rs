//! The commit log: the messages, one record after another, in files of one size (`CommitLog`).
//!
//! Appending is in [`append`](super::append), finding the end after a stop in [`recover`](super::recover).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

use message::{Record, record};
use parking_lot::Mutex;
use process::clock::Clock;

use super::config::{FlushDiskType, MessageStoreConfig};
use super::counts::Counters;
use super::disk::Disk;
use super::error::{AccessError, OpenError};
use super::file_queue::FileQueue;
use super::mapped_file::{LogFile, MappedRange};
use super::roots::Roots;
use super::tail::{NextFile, Tail};
use super::window;

/// Where the store time of a record with IPv6 hosts ends, in bytes.
pub const STORE_TIMESTAMP_END: usize = 76;

pub struct CommitLog {
    pub(super) files: FileQueue,
    pub(super) clock: Clock,
    /// The append lock. Under it: `next`, then the list of files.
    pub(super) tail: Mutex<Tail>,
    /// Whoever makes a file holds this.
    pub(super) next: Mutex<NextFile>,
    /// First byte not written yet. Everything before it is written for good.
    pub(super) max_offset: AtomicI64,
    pub(super) flushed_where: AtomicI64,
    /// Store time of the last record.
    pub(super) store_timestamp_ms: AtomicI64,
    /// Since when the append lock is held; 0: it is not.
    pub(super) locked_since_ms: AtomicI64,
    /// What is put into the log, and read by queue.
    pub(super) counters: Counters,
    /// One flush at a time.
    pub(super) flushing: Mutex<()>,
    /// Odd while the log is being cut off; see [`undisturbed`](Self::undisturbed).
    pub(super) cuts: AtomicU64,
    /// Consumers see nothing that is not on disk.
    confirms_flushed: bool,
    /// What is in it comes from a master, in any pieces.
    pub(super) is_slave: bool,
}

impl CommitLog {
    /// Maps the files. Where the log ends is not known before [`set_end`](Self::set_end); until then it
    /// reaches as far as recovery has come.
    pub fn load(
        config: &MessageStoreConfig,
        disk: &Disk,
        roots: Roots,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let files = FileQueue::load(disk, roots, config.mapped_file_size_commit_log_bytes as usize)?;
        Ok(Self {
            files,
            clock,
            tail: Mutex::default(),
            next: Mutex::default(),
            max_offset: AtomicI64::new(0),
            flushed_where: AtomicI64::new(0),
            store_timestamp_ms: AtomicI64::new(0),
            locked_since_ms: AtomicI64::new(0),
            counters: Counters::default(),
            flushing: Mutex::new(()),
            cuts: AtomicU64::new(0),
            confirms_flushed: config.flush_disk_type == FlushDiskType::SyncFlush,
            is_slave: config.is_slave(),
        })
    }

    /// The log goes on to `end` at least: recovery has come so far.
    pub fn reaches(&self, end: i64) {
        self.max_offset.store(end, Ordering::Release);
    }

    /// Everything behind `end` is no part of the log any more.
    pub fn set_end(&self, end: i64) -> io::Result<()> {
        self.files.truncate(end)?;
        for file in self.files.snapshot() {
            file.is_written((end - file.start()).clamp(0, file.len() as i64) as usize);
        }
        let mut tail = self.tail.lock();
        // There is one right to append to a file.
        *tail = Tail::default();
        *tail = Tail::at(self.files.last(), end);
        drop(tail);
        self.flushed_where.store(end, Ordering::Release);
        self.max_offset.store(end, Ordering::Release);
        Ok(())
    }

    /// Start of the oldest file; -1 for a log without files.
    pub fn min_offset(&self) -> i64 {
        self.files.first().map_or(-1, |file| file.start())
    }

    pub fn max_offset(&self) -> i64 {
        self.max_offset.load(Ordering::Acquire)
    }

    pub fn flushed_where(&self) -> i64 {
        self.flushed_where.load(Ordering::Acquire)
    }

    /// Where that ends which consumers may see and queues are told of (`getConfirmOffset`): with SYNC_FLUSH what is on disk,
    /// else the log. As in Java it says nothing of slaves: consumers see what no slave has.
    pub fn confirm_offset(&self) -> i64 {
        if self.confirms_flushed { self.flushed_where() } else { self.max_offset() }
    }

    /// What `read` makes of queues and log together; `None` if the log was cut meanwhile: places that a queue told may hold other
    /// bytes since.
    pub fn undisturbed<T>(&self, read: impl FnOnce() -> T) -> Option<T> {
        let before = self.cuts.load(Ordering::Acquire);
        let read = read();
        fence(Ordering::Acquire);
        (before.is_multiple_of(2) && self.cuts.load(Ordering::Relaxed) == before).then_some(read)
    }

    /// Whether the `len` bytes at `offset`, the last that are written and beginning with `head`, may be the begin of a record
    /// whose rest is yet to come from the master.
    pub fn is_cut(&self, offset: i64, len: usize, head: &[u8]) -> bool {
        let room = self.roll_next_file(offset) - offset;
        let is_cut = |size: &[u8; 4]| (len as i64..=room).contains(&i32::from_be_bytes(*size).into());
        self.is_slave && head.first_chunk().is_none_or(is_cut)
    }

    /// Start of the file behind the one that holds `offset`.
    pub fn roll_next_file(&self, offset: i64) -> i64 {
        let file_bytes = self.files.file_bytes() as i64;
        self.floor(offset) + file_bytes
    }

    /// Start of the file that holds `offset`.
    pub fn floor(&self, offset: i64) -> i64 {
        offset - offset % self.files.file_bytes() as i64
    }

    /// Whether a message starts at `offset`.
    pub fn is_record(&self, offset: i64) -> Result<bool, AccessError> {
        let record = self.record(offset)?;
        let record = record.as_deref().map(Record::decode);
        Ok(matches!(record, Some(Ok(Record::Message(record))) if record.physical_offset == offset))
    }

    /// The bytes of the record at `offset`; `None` if none can begin there.
    pub fn record(&self, offset: i64) -> Result<Option<Vec<u8>>, AccessError> {
        match self.rest_of_file(offset, self.max_offset()) {
            Some((file, at, len)) => window::record_at(&file, at, len),
            None => Ok(None),
        }
    }

    /// `size` bytes at `offset`, if they are written and in one file.
    pub fn range(&self, offset: i64, size: usize) -> Option<MappedRange> {
        let (file, at) = self.locate(offset, size)?;
        file.range(at, size)
    }

    /// The file that holds the `size` written bytes at `offset`, and where in it they are.
    pub fn locate(&self, offset: i64, size: usize) -> Option<(Arc<LogFile>, usize)> {
        let end = offset.checked_add(i64::try_from(size).ok()?)?;
        if offset < 0 || end > self.max_offset() {
            return None;
        }
        let file = self.files.find(offset)?;
        let at = (offset - file.start()) as usize;
        (at + size <= file.len()).then_some((file, at))
    }

    /// What is written at `offset` and behind it in the same file.
    pub fn rest_of_file(&self, offset: i64, end: i64) -> Option<(Arc<LogFile>, usize, usize)> {
        let file = self.files.find(offset)?;
        let at = (offset - file.start()) as usize;
        let len = usize::try_from(end.min(self.max_offset()) - offset).ok()?.min(file.len() - at);
        Some((file, at, len))
    }

    /// Store time of the record of `size` bytes at `offset`; -1 if there is none (`pickupStoreTimestamp`).
    pub fn pickup_store_timestamp(&self, offset: i64, size: usize) -> Result<i64, AccessError> {
        let Some((file, at)) = self.locate(offset, size) else { return Ok(-1) };
        let mut bytes = [0; STORE_TIMESTAMP_END];
        let bytes = &mut bytes[..size.min(STORE_TIMESTAMP_END)];
        file.read(at, bytes)?;
        match record::store_timestamp_ms(bytes) {
            // Or what is left of a page behind a cut.
            Some(0) => file.check_length().map(|()| 0),
            timestamp_ms => Ok(timestamp_ms.unwrap_or(-1)),
        }
    }

    /// Has the kernel read ahead, or not, in the files that there are.
    pub fn set_read_ahead(&self, reads_ahead: bool) {
        self.files.snapshot().iter().for_each(|file| file.set_read_ahead(reads_ahead));
    }

    /// Bytes that are not on disk yet.
    pub fn dirty_bytes(&self) -> i64 {
        self.max_offset() - self.flushed_where()
    }

    /// Brings everything written so far to disk. The store time of a record that is on disk then; 0 if none is known.
    pub fn flush(&self) -> io::Result<i64> {
        let _one_at_a_time = self.flushing.lock();
        // Read before the end: a record at or before the end has this time.
        let store_timestamp_ms = self.store_timestamp_ms.load(Ordering::Acquire);
        let end = self.max_offset();
        let mut from = self.flushed_where();
        while from < end {
            let Some(file) = self.files.find(from) else { break };
            let at = (from - file.start()) as usize;
            let len = ((end - from) as usize).min(file.len() - at);
            file.sync(at, len)?;
            from += len as i64;
            self.flushed_where.store(from, Ordering::Release);
            // The sync took the write permission of the page that the next append goes to: get it back here, or that
            // append faults under the lock.
            if at + len < file.len() {
                file.touch(at + len, 1);
            }
        }
        Ok(store_timestamp_ms)
    }

    /// Removes the oldest file, if it is flushed and not the last; whether it did.
    pub fn remove_first_file(&self) -> io::Result<bool> {
        let Some(first) = self.files.first().filter(|_| self.files.len() > 1) else { return Ok(false) };
        // Flushing goes from file to file: it would not get over a gap.
        if self.flushed_where() < first.start() + first.len() as i64 {
            return Ok(false);
        }
        self.files.remove_first().map(|()| true)
    }

    /// How long the holder of the append lock has had it, in milliseconds; 0 if nobody has.
    pub fn lock_time_ms(&self) -> i64 {
        match self.locked_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => (self.clock.wall_ms() - since).max(0),
        }
    }
}
