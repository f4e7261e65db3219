//! Files mapped into memory: the only unsafe code of the workspace.
//!
//! Blocks are reserved before anything is written through a mapping: a mapped write that meets a hole which a full disk
//! cannot fill ends the process with SIGBUS. Writing is by one thread at a time, always behind what readers were told
//! of, so that a slice handed out never changes.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// What the kernel flushes and maps by, in bytes (`DefaultMappedFile.OS_PAGE_SIZE`).
pub const PAGE_BYTES: usize = 4096;

/// A file mapped as a whole, shared and writable (`DefaultMappedFile`). No descriptor is kept.
#[derive(Debug)]
pub struct MappedFile {
    map: MmapRaw,
    /// Offset of the file's first byte in its sequence of files: its name.
    start: i64,
    /// Which of the directories of its sequence it lies in.
    root: u16,
}

/// How much of a file gets disk blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    All,
    /// None yet: see [`reserve`].
    Nothing,
}

impl MappedFile {
    /// Makes a file of zeros. If that fails, no file is left.
    pub fn create(path: &Path, start: i64, bytes: usize, what: Reserve) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let made = file.set_len(bytes as u64).and_then(|()| match what {
            // The size too must survive a power cut, before the name does: an empty file in the middle is no log.
            Reserve::All => allocate(&file, 0, 0, bytes).and_then(|()| file.sync_all()),
            Reserve::Nothing => Ok(()),
        });
        made.and_then(|()| Self::map(&file, start)).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
    }

    pub fn open(path: &Path, start: i64) -> io::Result<Self> {
        Self::map(&OpenOptions::new().read(true).write(true).open(path)?, start)
    }

    fn map(file: &File, start: i64) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().map_raw(file)?, start, root: 0 })
    }

    /// For a file that is read and written a page here and there: a page that is not in memory is read alone. Otherwise
    /// the kernel reads megabytes around it, 100,000 times where there are as many queues.
    pub fn without_read_ahead(self) -> Self {
        let _ = self.map.advise(Advice::Random);
        self
    }

    pub fn in_root(self, root: u16) -> Self {
        Self { root, ..self }
    }

    pub fn root(&self) -> u16 {
        self.root
    }

    pub fn start(&self) -> i64 {
        self.start
    }

    /// Bytes of the whole file.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn is_empty(&self) -> bool {
        self.map.len() == 0
    }

    /// Copies `bytes` to `at`. False, and nothing written, if they do not fit.
    ///
    /// For one writer at a time (the append lock, the derive thread), behind all that readers were told of, into blocks
    /// that are reserved.
    #[must_use]
    pub fn write(&self, at: usize, bytes: &[u8]) -> bool {
        if !self.contains(at, bytes.len()) {
            return false;
        }
        // SAFETY: in bounds by the check above; by the contract no reader has a slice of this region and no other
        // thread writes to it; `bytes` cannot overlap it, since slices of the mapping end before it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(at), bytes.len()) };
        true
    }

    /// The bytes at `at`, which must lie before the writer's position.
    pub fn read(&self, at: usize, len: usize) -> Option<&[u8]> {
        if !self.contains(at, len) {
            return None;
        }
        // SAFETY: in bounds by the check above, mapped as long as `self` lives, and not written any more by the
        // contract of `write`.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), len) })
    }

    /// The number at `at`, one that is changed in place. 0 outside of the file.
    pub fn load_i32(&self, at: usize) -> i32 {
        // Acquire: what was written before the number was is seen too.
        self.word32(at).map_or(0, |word| u32::from_be(word.load(Ordering::Acquire)).cast_signed())
    }

    /// Changes a number in place while others may read it; nothing outside of the file. One writer at a time.
    pub fn store_i32(&self, at: usize, value: i32) {
        if let Some(word) = self.word32(at) {
            word.store(value.cast_unsigned().to_be(), Ordering::Release);
        }
    }

    /// As [`load_i32`](Self::load_i32).
    pub fn load_i64(&self, at: usize) -> i64 {
        self.word64(at).map_or(0, |word| u64::from_be(word.load(Ordering::Acquire)).cast_signed())
    }

    /// As [`store_i32`](Self::store_i32).
    pub fn store_i64(&self, at: usize, value: i64) {
        if let Some(word) = self.word64(at) {
            word.store(value.cast_unsigned().to_be(), Ordering::Release);
        }
    }

    fn word32(&self, at: usize) -> Option<&AtomicU32> {
        debug_assert!(at.is_multiple_of(4) && self.contains(at, 4));
        // SAFETY: in bounds and aligned by the check (a mapping starts on a page), mapped as long as `self` lives; a
        // number that is changed in place is read and written through here alone, once there are readers.
        (at.is_multiple_of(4) && self.contains(at, 4))
            .then(|| unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) })
    }

    fn word64(&self, at: usize) -> Option<&AtomicU64> {
        debug_assert!(at.is_multiple_of(8) && self.contains(at, 8));
        // SAFETY: as in `word32`.
        (at.is_multiple_of(8) && self.contains(at, 8))
            .then(|| unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) })
    }

    pub fn range(self: &Arc<Self>, at: usize, len: usize) -> Option<MappedRange> {
        self.contains(at, len).then(|| MappedRange { file: Arc::clone(self), offset: at, len })
    }

    fn contains(&self, at: usize, len: usize) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.map.len())
    }

    /// Makes the pages of a region present and writable, so that writing to them later does not fault. A kernel that
    /// cannot do that leaves it to the write.
    pub fn touch(&self, at: usize, len: usize) {
        let at = page_floor(at.min(self.map.len()));
        let len = len.min(self.map.len() - at);
        if len > 0 {
            let _ = self.map.advise_range(Advice::PopulateWrite, at, len);
        }
    }

    /// Brings a region into memory. An error where the disk, or a file that was cut behind our back, does not give it: a
    /// plain read of it would end the process with SIGBUS. A kernel that cannot do that (before 5.14) leaves it to the
    /// read.
    pub fn load(&self, at: usize, len: usize) -> io::Result<()> {
        if !self.contains(at, len) || len == 0 {
            return Ok(());
        }
        let from = page_floor(at);
        match self.map.advise_range(Advice::PopulateRead, from, at + len - from) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            other => other,
        }
    }

    /// Waits until the pages of a region are on disk.
    pub fn sync(&self, at: usize, len: usize) -> io::Result<()> {
        let from = page_floor(at);
        self.map.flush_range(from, at + len - from)
    }

    /// Whether every page of a region is in memory. True when the kernel does not say.
    pub fn is_resident(&self, at: usize, len: usize) -> bool {
        if !self.contains(at, len) || len == 0 {
            return true;
        }
        let from = page_floor(at);
        let mut present = vec![0u8; (at + len - from).div_ceil(PAGE_BYTES)];
        // SAFETY: the region lies in the mapping, starts on a page, and `present` has a byte for each of its pages.
        let answer = unsafe {
            let start = self.map.as_mut_ptr().add(from).cast();
            libc::mincore(start, at + len - from, present.as_mut_ptr())
        };
        answer != 0 || present.iter().all(|page| page & 1 == 1)
    }
}

/// Of pages between two ranges, asked for along with them.
const SPAN_GAP_BYTES_MAX: usize = 16 << 10;

/// Bytes of a mapped file, for a socket to send without a copy. Keeps the mapping alive: deleting the file does not
/// invalidate it.
#[derive(Clone, Debug)]
pub struct MappedRange {
    file: Arc<MappedFile>,
    offset: usize,
    len: usize,
}

impl AsRef<[u8]> for MappedRange {
    fn as_ref(&self) -> &[u8] {
        self.file.read(self.offset, self.len).unwrap_or_default()
    }
}

impl MappedRange {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of the range; `None` for an empty one or one that is not within it.
    pub fn slice(&self, part: std::ops::Range<usize>) -> Option<Self> {
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

    /// Brings the range into memory: see [`MappedFile::load`].
    pub fn load(&self) -> io::Result<()> {
        self.file.load(self.offset, self.len)
    }

    /// Takes `next` in if it lies right behind; gives it back otherwise.
    pub fn join(&mut self, next: Self) -> Result<(), Self> {
        if !Arc::ptr_eq(&self.file, &next.file) || self.offset + self.len != next.offset {
            return Err(next);
        }
        self.len += next.len;
        Ok(())
    }
}

fn page_floor(at: usize) -> usize {
    at - at % PAGE_BYTES
}

/// Gives a region of a file its disk blocks; contents stay.
pub fn reserve(path: &Path, at: usize, len: usize) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    allocate(&file, 0, at, len)
}

/// Makes a region of a file read as zeros, with disk blocks for all of it or for none.
pub fn zero(path: &Path, at: usize, len: usize, blocks: Reserve) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let punch = || allocate(&file, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, at, len);
    if blocks == Reserve::Nothing {
        return punch();
    }
    match allocate(&file, libc::FALLOC_FL_ZERO_RANGE, at, len) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            punch()?;
            allocate(&file, 0, at, len)
        }
        other => other,
    }
}

fn allocate(file: &File, mode: i32, at: usize, len: usize) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    loop {
        // SAFETY: a system call on a descriptor that `file` keeps open; it touches no memory of ours.
        let answer = unsafe { libc::fallocate(file.as_raw_fd(), mode, at as i64, len as i64) };
        if answer == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Brings everything of the file system that holds `path` to disk: cheaper than many files one by one.
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: a system call on a descriptor that `file` keeps open.
    match unsafe { libc::syncfs(file.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The lock that Java's `FileChannel.tryLock(0, 1, false)` takes: a file's first byte, for writing.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// `None` if another process, or another store of this one, has it.
    pub fn try_new(file: File) -> io::Result<Option<Self>> {
        match set_lock(&file, libc::F_WRLCK) {
            Ok(()) => Ok(Some(Self(file))),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for FileLock {
    /// Closing is not enough: a child process being started may have the descriptor for a moment longer.
    fn drop(&mut self) {
        let _ = set_lock(&self.0, libc::F_UNLCK);
    }
}

/// An open-file lock: it meets Java's process lock as another owner's, and unlike it also keeps two stores of one process
/// apart.
fn set_lock(file: &File, kind: i32) -> io::Result<()> {
    // SAFETY: plain data, for which all zeros is a valid value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_len = 1;
    // SAFETY: a system call on a descriptor that `file` keeps open, with a struct that outlives it.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Year, month, day, hour, minute and second of a moment in the time zone of the process (`TZ`, `/etc/localtime`).
pub fn local_time(ms: i64) -> [i32; 6] {
    let seconds: libc::time_t = ms.div_euclid(1000);
    // SAFETY: plain data, for which all zeros is a valid value; the call reads one number and fills the struct.
    let time = unsafe {
        let mut time: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut time);
        time
    };
    [time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec]
}

/// Bytes of memory of the machine.
pub fn physical_memory_bytes() -> u64 {
    // SAFETY: asks for two numbers.
    let (pages, page_bytes) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_read_and_join() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        let file = Arc::new(MappedFile::create(&path, 0, 2 * PAGE_BYTES, Reserve::All).unwrap());
        assert!(file.write(5, b"hello"));
        assert!(!file.write(2 * PAGE_BYTES - 4, b"hello"));
        assert!(!file.write(usize::MAX, b"h"));
        assert_eq!(file.read(5, 5), Some(&b"hello"[..]));
        assert_eq!(file.read(2 * PAGE_BYTES, 1), None);
        let mut range = file.range(5, 2).unwrap();
        let apart = range.join(file.range(8, 2).unwrap()).unwrap_err();
        assert_eq!(apart.as_ref(), b"lo");
        range.join(file.range(7, 3).unwrap()).unwrap();
        assert!(MappedRange::are_resident(&[range.clone(), file.range(5000, 3).unwrap()]));
        file.touch(0, usize::MAX);
        file.sync(5, 5).unwrap();
        std::fs::remove_file(&path).unwrap();
        drop(file);
        assert_eq!(range.as_ref(), b"hello");
    }

    #[test]
    fn numbers_in_place_are_big_endian() {
        let dir = tempfile::tempdir().unwrap();
        let file = MappedFile::create(&dir.path().join("0"), 0, PAGE_BYTES, Reserve::All).unwrap();
        file.store_i32(4, -2);
        file.store_i64(8, 0x0102_0304_0506_0708);
        assert_eq!((file.load_i32(4), file.load_i64(8)), (-2, 0x0102_0304_0506_0708));
        assert_eq!(file.read(4, 12), Some(&[255, 255, 255, 254, 1, 2, 3, 4, 5, 6, 7, 8][..]));
    }

    #[test]
    fn zero_keeps_what_lies_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        std::fs::write(&path, [7u8; 10_000]).unwrap();
        zero(&path, 5000, 3000, Reserve::All).unwrap();
        zero(&path, 8000, 2000, Reserve::Nothing).unwrap();
        reserve(&path, 0, 10_000).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes[..5000].iter().all(|&byte| byte == 7) && bytes[5000..].iter().all(|&byte| byte == 0));
        assert_eq!(bytes.len(), 10_000);
    }

    #[test]
    fn a_file_that_does_not_fit_is_not_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        assert!(MappedFile::create(&path, 0, 1 << 60, Reserve::All).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn the_lock_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = File::create(&path).unwrap();
        let second = OpenOptions::new().write(true).open(&path).unwrap();
        let shared = first.try_clone().unwrap();
        let lock = FileLock::try_new(first).unwrap().unwrap();
        assert!(FileLock::try_new(second.try_clone().unwrap()).unwrap().is_none());
        drop(lock);
        assert!(FileLock::try_new(second).unwrap().is_some(), "though {shared:?} is open");
    }
}
