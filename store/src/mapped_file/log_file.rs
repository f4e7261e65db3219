//! Files that are appended to, whose written part is lent to sockets.
//!
//! What is lent never changes: there is one [`Appender`] a file, it writes behind what it has published, and nothing is lent
//! beyond that.

use std::io;
use std::ops::Deref;
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

    /// Whether all of it is written for good.
    pub fn is_written_at(&self, at: usize, len: usize) -> bool {
        let written = self.published.load(Ordering::Acquire).min(self.len());
        at.checked_add(len).is_some_and(|end| end <= written)
    }

    /// `None` unless all of it is [written](Self::is_written_at).
    pub fn range(self: &Arc<Self>, at: usize, len: usize) -> Option<MappedRange> {
        self.is_written_at(at, len).then(|| MappedRange { file: Arc::clone(self), offset: at, len })
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

/// Bytes of a file that are written for good. Keeps the mapping alive: deleting the file does not invalidate it.
#[derive(Clone, Debug)]
pub struct MappedRange {
    file: Arc<LogFile>,
    offset: usize,
    len: usize,
}

impl MappedRange {
    /// How many there are.
    pub fn bytes(&self) -> usize {
        self.len
    }

    /// A copy of the bytes; an error if the disk cannot be read or the file was cut.
    pub fn to_vec(&self) -> Result<Vec<u8>, AccessError> {
        let mut bytes = Vec::new();
        self.file.read_to(self.offset, self.len, &mut bytes).map(|()| bytes)
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
