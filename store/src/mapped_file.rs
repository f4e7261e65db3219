//! Files mapped into memory: the only unsafe code of the workspace.
//!
//! What another process or a bad sector does to a file shows as an error: all access is [`guarded`]. Reading copies, so that
//! nothing in the language refers to what a mapping holds, but for the ranges that a [`LogFile`] lends to sockets.
//!
//! Blocks are reserved before anything is written through a mapping: a full disk shows when reserving.
#![allow(unsafe_code)]

mod guarded;
mod log_file;
mod machine;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::disk::{Disk, Reserve};
use super::error::AccessError;
use guarded::FaultAt;
pub use log_file::{Appender, LogFile, MappedRange, SocketBytes};
pub use machine::{local_time, physical_memory_bytes};

/// What the kernel flushes and maps by, in bytes (`DefaultMappedFile.OS_PAGE_SIZE`).
pub const PAGE_BYTES: usize = 4096;

/// A file mapped as a whole, shared and writable (`DefaultMappedFile`). No descriptor is kept.
#[derive(Debug)]
pub struct Mapping {
    map: MmapRaw,
    path: Box<Path>,
    disk: Disk,
    /// Offset of the file's first byte in its sequence of files: its name.
    start: i64,
    /// Which of the directories of its sequence it lies in.
    root: u16,
}

impl Mapping {
    /// Makes a file of zeros. If that fails, no file is left.
    fn create(disk: &Disk, path: &Path, start: i64, bytes: usize, what: Reserve) -> io::Result<Self> {
        let file = disk.create_new(path)?;
        let made = disk.resize(&file, path, bytes as u64).and_then(|()| match what {
            // The size too must survive a power cut, before the name does: an empty file in the middle is no log.
            Reserve::All => disk.reserve(&file, path, 0, bytes).and_then(|()| disk.sync(&file, path)),
            Reserve::Nothing => Ok(()),
        });
        made.and_then(|()| Self::map(disk, &file, path, start)).inspect_err(|_| {
            let _ = disk.remove_file(path);
        })
    }

    fn open(disk: &Disk, path: &Path, start: i64) -> io::Result<Self> {
        Self::map(disk, &disk.open(path)?, path, start)
    }

    fn map(disk: &Disk, file: &File, path: &Path, start: i64) -> io::Result<Self> {
        guarded::install();
        Ok(Self {
            map: MmapOptions::new().map_raw(file)?,
            path: path.into(),
            disk: disk.clone(),
            start,
            root: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
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

    fn contains(&self, at: usize, len: usize) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.map.len())
    }

    fn within(&self, at: usize, len: usize) -> Result<(), AccessError> {
        if self.contains(at, len) { Ok(()) } else { Err(self.error(at, "the file ends before it".into())) }
    }

    fn error(&self, at: usize, why: std::borrow::Cow<'static, str>) -> AccessError {
        AccessError::new(&self.path, at as u64, why)
    }

    /// What a fault means: the file was cut, or its disk does not give or take what lies there.
    #[cold]
    fn fault(&self, FaultAt(address): FaultAt) -> AccessError {
        let at = address.wrapping_sub(self.map.as_ptr() as usize);
        match self.check_length() {
            Ok(()) => self.error(at, "a fault of its disk".into()),
            Err(cut) => cut,
        }
    }

    /// That the file is as long as ever. The kernel lets the rest of the last page be read, as zeros, and even written.
    #[cold]
    pub fn check_length(&self) -> Result<(), AccessError> {
        match self.disk.metadata(&self.path) {
            Ok(metadata) if metadata.len() < self.len() as u64 => {
                let why = format!("the file was cut behind it, of {} bytes", self.len());
                Err(self.error(metadata.len() as usize, why.into()))
            }
            // Removed: its content stays as long as it is mapped.
            _ => Ok(()),
        }
    }
}

/// Reading copies.
impl Mapping {
    /// Fills `buffer` with the bytes at `at`.
    pub fn read(&self, at: usize, buffer: &mut [u8]) -> Result<(), AccessError> {
        self.within(at, buffer.len())?;
        // SAFETY: in bounds by the check above, and mapped as long as `self` lives; `buffer` is no part of a mapping.
        let read = unsafe { guarded::copy(buffer.as_mut_ptr(), self.map.as_ptr().add(at), buffer.len()) };
        read.map_err(|at| self.fault(at))
    }

    pub fn read_array<const N: usize>(&self, at: usize) -> Result<[u8; N], AccessError> {
        let mut bytes = [0; N];
        self.read(at, &mut bytes).map(|()| bytes)
    }

    /// Appends the `len` bytes at `at` to `buffer`, which stays as it was after an error.
    pub fn read_to(&self, at: usize, len: usize, buffer: &mut Vec<u8>) -> Result<(), AccessError> {
        self.within(at, len)?;
        buffer.reserve(len);
        let free = buffer.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: as in `read`; there is room for so many bytes.
        unsafe { guarded::copy(free, self.map.as_ptr().add(at), len) }.map_err(|at| self.fault(at))?;
        // SAFETY: they are written now.
        unsafe { buffer.set_len(buffer.len() + len) };
        Ok(())
    }

    /// Touches every page of a region: an error here, where a socket that is given the region would find one later.
    pub fn check(&self, at: usize, len: usize) -> Result<(), AccessError> {
        self.within(at, len)?;
        let pages = (page_floor(at)..at + len).step_by(PAGE_BYTES);
        pages.map(|page| page.max(at)).try_for_each(|place| self.read(place, &mut [0]))
    }

    /// The number at `at`, one that is changed in place: what was written before it is seen, too.
    pub fn load_i32(&self, at: usize) -> Result<i32, AccessError> {
        self.within(at, 4)?;
        debug_assert!(at.is_multiple_of(4));
        // SAFETY: in bounds and aligned (a mapping starts on a page), mapped as long as `self` lives.
        let loaded = unsafe { guarded::load32(self.map.as_ptr().add(at).cast()) };
        loaded.map(|value| u32::from_be(value).cast_signed()).map_err(|at| self.fault(at))
    }

    /// As [`load_i32`](Self::load_i32).
    pub fn load_i64(&self, at: usize) -> Result<i64, AccessError> {
        self.within(at, 8)?;
        debug_assert!(at.is_multiple_of(8));
        // SAFETY: as in `load_i32`.
        let loaded = unsafe { guarded::load64(self.map.as_ptr().add(at).cast()) };
        loaded.map(|value| u64::from_be(value).cast_signed()).map_err(|at| self.fault(at))
    }

    /// Copies `bytes` to `at`. After a fault a part may be there.
    ///
    /// # Safety
    /// No slice of the region exists or is made later.
    unsafe fn write(&self, at: usize, bytes: &[u8]) -> Result<(), AccessError> {
        self.within(at, bytes.len())?;
        // SAFETY: in bounds by the check above, mapped as long as `self` lives; `bytes` cannot overlap it by the contract.
        let written = unsafe { guarded::copy(self.map.as_mut_ptr().add(at), bytes.as_ptr(), bytes.len()) };
        written.map_err(|at| self.fault(at))
    }
}

/// Pages in memory and on disk.
impl Mapping {
    /// Gives a region its disk blocks.
    pub fn reserve(&self, region: Range<usize>) -> io::Result<()> {
        let file = self.disk.open(&self.path)?;
        self.disk.reserve(&file, &self.path, region.start, region.len())
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

    /// Has the processor fetch from memory what is to be read soon. Nothing happens where the pages are not there.
    pub fn prefetch(&self, at: usize, len: usize) {
        if self.contains(at, len) {
            for line in (at..at + len).step_by(machine::CACHE_LINE_BYTES) {
                machine::prefetch(self.map.as_ptr().wrapping_add(line));
            }
        }
    }

    /// Brings what the disk gives of a region into memory. A kernel that cannot do that (before 5.14) leaves it to those who
    /// read.
    pub fn populate(&self, at: usize, len: usize) {
        if self.contains(at, len) && len > 0 {
            let from = page_floor(at);
            let _ = self.map.advise_range(Advice::PopulateRead, from, at + len - from);
        }
    }

    /// Whether the kernel reads pages around one that it has to read. A kernel that cannot be told goes on as before.
    pub fn set_read_ahead(&self, reads_ahead: bool) {
        let _ = self.map.advise(if reads_ahead { Advice::Normal } else { Advice::Random });
    }

    /// Waits until the pages of a region are on disk. An error if the file was cut: what lies behind is not.
    pub fn sync(&self, at: usize, len: usize) -> io::Result<()> {
        let from = page_floor(at);
        self.disk.sync_by(&self.path, || self.map.flush_range(from, at + len - from))?;
        Ok(self.check_length()?)
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

fn page_floor(at: usize) -> usize {
    at - at % PAGE_BYTES
}

/// A file that is read by copying alone, and so can be written anywhere, by one thread at a time lest bytes get mixed.
#[derive(Debug)]
pub struct MappedFile(Mapping);

impl Deref for MappedFile {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        &self.0
    }
}

impl MappedFile {
    /// Makes a file of zeros. If that fails, no file is left.
    pub fn create(disk: &Disk, path: &Path, start: i64, bytes: usize, what: Reserve) -> io::Result<Self> {
        Mapping::create(disk, path, start, bytes, what).map(Self::read_by_page)
    }

    pub fn open(disk: &Disk, path: &Path, start: i64) -> io::Result<Self> {
        Mapping::open(disk, path, start).map(Self::read_by_page)
    }

    /// Such a file is read and written a page here and there: a page that is not in memory is read alone. Otherwise the kernel
    /// reads megabytes around it, 100,000 times where there are as many queues.
    fn read_by_page(mapping: Mapping) -> Self {
        let _ = mapping.map.advise(Advice::Random);
        Self(mapping)
    }

    /// Copies `bytes` to `at`, into blocks that are reserved, behind all that readers were told of. After an error a part
    /// may be there.
    pub fn write(&self, at: usize, bytes: &[u8]) -> Result<(), AccessError> {
        // SAFETY: nothing makes slices of such a file.
        unsafe { self.0.write(at, bytes) }
    }

    /// Changes a number in place while others may read it. One writer at a time.
    pub fn store_i32(&self, at: usize, value: i32) -> Result<(), AccessError> {
        self.within(at, 4)?;
        debug_assert!(at.is_multiple_of(4));
        // SAFETY: in bounds and aligned, mapped as long as `self` lives, and nothing makes slices of such a file.
        let stored = unsafe {
            guarded::store32(self.0.map.as_mut_ptr().add(at).cast(), value.cast_unsigned().to_be())
        };
        stored.map_err(|at| self.fault(at))
    }

    /// As [`store_i32`](Self::store_i32).
    pub fn store_i64(&self, at: usize, value: i64) -> Result<(), AccessError> {
        self.within(at, 8)?;
        debug_assert!(at.is_multiple_of(8));
        // SAFETY: as in `store_i32`.
        let stored = unsafe {
            guarded::store64(self.0.map.as_mut_ptr().add(at).cast(), value.cast_unsigned().to_be())
        };
        stored.map_err(|at| self.fault(at))
    }
}
