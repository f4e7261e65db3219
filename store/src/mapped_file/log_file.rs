//! Files that are appended to, whose written part is lent to sockets.
//!
//! What is lent never changes: there is one [`Appender`] a file, it writes behind what it has published, and nothing is lent
//! beyond that.

use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{AccessError, Disk, Mapping, Reserve, page_floor};

/// A file of the log, or of the timer's.
#[derive(Debug)]
pub struct LogFile {
    mapping: Mapping,
    /// Bytes from the start on that are written for good.
    published: AtomicUsize,
    has_appender: AtomicBool,
}

impl Deref for LogFile {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        &self.mapping
    }
}

impl LogFile {
    /// Makes a file of zeros, with all its blocks. If that fails, no file is left.
    pub fn create(disk: &Disk, path: &Path, start: i64, bytes: usize) -> io::Result<Self> {
        Mapping::create(disk, path, start, bytes, Reserve::All).map(Self::of)
    }

    /// Nothing of it can be lent before someone says how much [is written](Self::is_written).
    pub fn open(disk: &Disk, path: &Path, start: i64) -> io::Result<Self> {
        Mapping::open(disk, path, start).map(Self::of)
    }

    fn of(mapping: Mapping) -> Self {
        Self { mapping, published: AtomicUsize::new(0), has_appender: AtomicBool::new(false) }
    }

    pub fn in_root(mut self, root: u16) -> Self {
        self.mapping.root = root;
        self
    }

    /// The right to append behind `end`, which everything before is written up to; `None` while another has it, or where
    /// more has been lent.
    pub fn appender(self: &Arc<Self>, end: usize) -> Option<Appender> {
        if self.has_appender.swap(true, Ordering::AcqRel) {
            return None;
        }
        // From here on it is given back when it is dropped.
        let appender = Appender(Arc::clone(self));
        (self.published.fetch_max(end, Ordering::AcqRel) <= end).then_some(appender)
    }

    /// Everything up to `end` is written for good.
    pub fn is_written(self: &Arc<Self>, end: usize) {
        drop(self.appender(end));
    }

    /// `None` unless all of it is written.
    pub fn range(self: &Arc<Self>, at: usize, len: usize) -> Option<MappedRange> {
        let end = at.checked_add(len)?;
        (end <= self.published.load(Ordering::Acquire).min(self.len())).then(|| MappedRange {
            file: Arc::clone(self),
            offset: at,
            len,
        })
    }
}

/// The right to append to a file. One at a time.
#[derive(Debug)]
pub struct Appender(Arc<LogFile>);

impl Appender {
    pub fn file(&self) -> &Arc<LogFile> {
        &self.0
    }

    /// Appends `bytes` behind what is written. After an error they are not, though a part may stand there.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), AccessError> {
        // Nobody else changes it: that takes an appender.
        let at = self.0.published.load(Ordering::Relaxed);
        // SAFETY: slices are made of what is published alone, and only this appender writes or publishes.
        unsafe { self.0.mapping.write(at, bytes) }?;
        self.0.published.store(at + bytes.len(), Ordering::Release);
        Ok(())
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.0.has_appender.store(false, Ordering::Release);
    }
}

/// Of pages between two ranges, asked for along with them.
const SPAN_GAP_BYTES_MAX: usize = 16 << 10;

/// Bytes of a file that are written for good. Keeps the mapping alive: deleting the file does not invalidate it.
#[derive(Clone, Debug)]
pub struct MappedRange {
    file: Arc<LogFile>,
    offset: usize,
    len: usize,
}

impl MappedRange {
    /// Bytes of the range.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has been [shortened](Self::shorten) to nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of the range; `None` for an empty one or one that is not within it.
    pub fn slice(&self, part: Range<usize>) -> Option<Self> {
        (part.start < part.end && part.end <= self.len).then(|| Self {
            file: Arc::clone(&self.file),
            offset: self.offset + part.start,
            len: part.end - part.start,
        })
    }

    /// Whether all ranges are in memory. Ranges that lie close together (`SPAN_GAP_BYTES_MAX`) share one system call.
    pub fn are_resident(ranges: &[Self]) -> bool {
        let close = |one: &Self, next: &Self| {
            let gap = next.offset.checked_sub(one.offset + one.len);
            Arc::ptr_eq(&one.file, &next.file) && gap.is_some_and(|gap| gap <= SPAN_GAP_BYTES_MAX)
        };
        ranges.chunk_by(close).all(|span| {
            let (first, last) = (&span[0], &span[span.len() - 1]);
            first.file.is_resident(first.offset, last.offset + last.len - first.offset)
        })
    }

    /// Brings what the disk gives of the range into memory.
    pub fn populate(&self) {
        self.file.populate(self.offset, self.len);
    }

    /// Takes `next` in if it lies right behind; gives it back otherwise.
    pub fn join(&mut self, next: Self) -> Result<(), Self> {
        if !Arc::ptr_eq(&self.file, &next.file) || self.offset + self.len != next.offset {
            return Err(next);
        }
        self.len += next.len;
        Ok(())
    }

    /// A copy of the bytes; an error if the disk cannot be read or the file was cut.
    pub fn to_vec(&self) -> Result<Vec<u8>, AccessError> {
        let mut bytes = Vec::new();
        self.copy_to(&mut bytes).map(|()| bytes)
    }

    /// Appends the bytes to `buffer`. Errors are those of [`to_vec`](Self::to_vec).
    pub fn copy_to(&self, buffer: &mut Vec<u8>) -> Result<(), AccessError> {
        self.file.read_to(self.offset, self.len, buffer)
    }

    /// That the record of `len` bytes at `at` in the range can be read to its end.
    pub fn check_record(&self, at: usize, len: usize) -> Result<(), AccessError> {
        self.file.check_record(self.offset + at, len)
    }

    /// That the last byte of the range, where a record ends, can be read and the file was not cut before it. [`AccessError`]
    /// otherwise.
    pub fn check_end(&self) -> Result<(), AccessError> {
        self.file.check_record(self.offset + self.len.saturating_sub(1), self.len.min(1))
    }

    /// Whether both lie in one file.
    pub fn is_of_file_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }

    /// Leaves no more than `len` bytes.
    pub fn shorten(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Where the bytes lie, for a socket.
    pub fn for_socket(self) -> SocketBytes {
        SocketBytes(self)
    }
}

impl Mapping {
    /// That a record can be read to its end. Looks at its pages and at its last byte: where a file was cut, the rest of the
    /// page reads as zeros.
    pub fn check_record(&self, at: usize, len: usize) -> Result<(), AccessError> {
        let Some(last) = len.checked_sub(1).map(|before| at + before) else { return Ok(()) };
        self.check(at, page_floor(last).saturating_sub(at))?;
        if self.read_array::<1>(last)? == [0] { self.check_length() } else { Ok(()) }
    }
}

/// Bytes for the kernel to send from where they lie. The kernel answers with an error where a page is gone; this process, if it
/// reads them, ends.
#[derive(Debug)]
pub struct SocketBytes(MappedRange);

impl AsRef<[u8]> for SocketBytes {
    fn as_ref(&self) -> &[u8] {
        let MappedRange { file, offset, len } = &self.0;
        // SAFETY: in bounds and published, as `LogFile::range` has checked: not written any more. Mapped as long as `self`
        // lives.
        unsafe { std::slice::from_raw_parts(file.mapping.map.as_ptr().add(*offset), *len) }
    }
}
