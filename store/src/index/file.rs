//! One index file: chains of entries, each chain found through a slot (`IndexFile`, `IndexHeader`).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing::error;

use super::super::disk::{Disk, Reserve};
use super::super::error::AccessError;
use super::super::layout::{IndexEntry, IndexHeader, index as at};
use super::super::mapped_file::{MappedFile, PAGE_BYTES};

/// Disk blocks for entries are reserved in steps that grow with the file up to this many bytes: a full disk shows when
/// reserving, and not in the middle of a write.
const RESERVE_STEP_BYTES_MAX: usize = 4 << 20;

/// What every file of an index has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// `maxHashSlotNum`.
    pub slots: usize,
    /// `maxIndexNum`; number 0 is never used.
    pub entries: usize,
}

impl Geometry {
    /// `None` for a file that Java could not map, or without room for an entry.
    pub fn new(slots: usize, entries: usize) -> Option<Self> {
        let slot_bytes = slots.checked_mul(at::SLOT_BYTES)?;
        let file_bytes = entries.checked_mul(at::ENTRY_BYTES)?.checked_add(slot_bytes)?;
        let fits = file_bytes <= i32::MAX as usize - at::HEADER_BYTES;
        (fits && slots >= 1 && entries >= 2).then_some(Self { slots, entries })
    }

    pub fn file_bytes(self) -> usize {
        self.entries_at() + self.entries * at::ENTRY_BYTES
    }

    /// Where the entries begin.
    pub fn entries_at(self) -> usize {
        at::HEADER_BYTES + self.slots * at::SLOT_BYTES
    }

    fn entry_at(self, number: i32) -> usize {
        self.entries_at() + number as usize * at::ENTRY_BYTES
    }

    /// Of a hash that is not negative.
    pub fn slot_of(self, key_hash: i32) -> usize {
        key_hash as usize % self.slots
    }

    pub fn slot_at(self, slot: usize) -> usize {
        at::HEADER_BYTES + slot * at::SLOT_BYTES
    }
}

/// Seconds as an entry has them.
pub fn seconds_between(begin_ms: i64, timestamp_ms: i64) -> i32 {
    if begin_ms <= 0 {
        return 0;
    }
    (timestamp_ms.saturating_sub(begin_ms) / 1000).clamp(0, i32::MAX.into()) as i32
}

/// A file, mapped. The derive thread puts, anyone reads: entries never change once counted, header and slots are numbers
/// changed in place.
#[derive(Debug)]
pub struct IndexFile {
    pub(super) disk: Disk,
    pub(super) map: MappedFile,
    pub(super) geometry: Geometry,
    /// What has disk blocks for sure: bytes up to here. 0 if nobody has looked yet.
    reserved_to: AtomicUsize,
    dirty: AtomicBool,
}

impl IndexFile {
    /// Makes an empty file that goes on where `before` ends.
    pub fn create(
        disk: &Disk,
        path: &Path,
        geometry: Geometry,
        before: Option<IndexHeader>,
    ) -> io::Result<Self> {
        let map = MappedFile::create(disk, path, 0, geometry.file_bytes(), Reserve::Nothing)?;
        let file = Self::over(disk, geometry, map);
        let begun = file.reserve_up_to(geometry.entries_at()).and_then(|()| {
            let (offset, timestamp_ms) =
                before.map_or((0, 0), |before| (before.end_offset, before.end_timestamp_ms));
            Ok(file.write_header(IndexHeader {
                begin_timestamp_ms: timestamp_ms,
                end_timestamp_ms: timestamp_ms,
                begin_offset: offset,
                end_offset: offset,
                used_slots: 0,
                count: 1,
            })?)
        });
        begun.map(|()| file).inspect_err(|_| {
            let _ = disk.remove_file(path);
        })
    }

    pub fn open(disk: &Disk, path: &Path, geometry: Geometry) -> io::Result<Self> {
        Ok(Self::over(disk, geometry, MappedFile::open(disk, path, 0)?))
    }

    fn over(disk: &Disk, geometry: Geometry, map: MappedFile) -> Self {
        Self {
            disk: disk.clone(),
            map,
            geometry,
            reserved_to: AtomicUsize::new(0),
            dirty: AtomicBool::new(false),
        }
    }

    pub fn path(&self) -> &Path {
        self.map.path()
    }

    /// As one look finds it.
    pub fn header(&self) -> Result<IndexHeader, AccessError> {
        Ok(IndexHeader {
            begin_timestamp_ms: self.map.load_i64(at::BEGIN_TIMESTAMP)?,
            end_timestamp_ms: self.map.load_i64(at::END_TIMESTAMP)?,
            begin_offset: self.map.load_i64(at::BEGIN_PHY_OFFSET)?,
            end_offset: self.map.load_i64(at::END_PHY_OFFSET)?,
            used_slots: self.map.load_i32(at::HASH_SLOT_COUNT)?,
            count: self.count()?,
        })
    }

    /// A file that Java has just made says 0.
    fn count(&self) -> Result<i32, AccessError> {
        Ok(match self.map.load_i32(at::INDEX_COUNT)? {
            0 => 1,
            count => count,
        })
    }

    pub(super) fn write_header(&self, header: IndexHeader) -> Result<(), AccessError> {
        self.map.store_i64(at::BEGIN_TIMESTAMP, header.begin_timestamp_ms)?;
        self.map.store_i64(at::END_TIMESTAMP, header.end_timestamp_ms)?;
        self.map.store_i64(at::BEGIN_PHY_OFFSET, header.begin_offset)?;
        self.map.store_i64(at::END_PHY_OFFSET, header.end_offset)?;
        self.map.store_i32(at::HASH_SLOT_COUNT, header.used_slots)?;
        self.map.store_i32(at::INDEX_COUNT, header.count)?;
        self.note_dirty();
        Ok(())
    }

    /// `isWriteFull`.
    pub fn is_full(&self) -> Result<bool, AccessError> {
        Ok(self.count()? as usize >= self.geometry.entries)
    }

    /// Adds an entry (`putKey`). False if the file is full.
    pub fn put(&self, key_hash: i32, physical_offset: i64, store_timestamp_ms: i64) -> io::Result<bool> {
        let count = self.count()?;
        if count as usize >= self.geometry.entries {
            return Ok(false);
        }
        let entry_at = self.geometry.entry_at(count);
        self.reserve_up_to(entry_at + at::ENTRY_BYTES)?;
        let slot_at = self.geometry.slot_at(self.geometry.slot_of(key_hash));
        let newest = self.map.load_i32(slot_at)?;
        let previous = if (1..count).contains(&newest) { newest } else { 0 };
        let seconds = seconds_between(self.map.load_i64(at::BEGIN_TIMESTAMP)?, store_timestamp_ms);
        let entry = IndexEntry { key_hash, physical_offset, seconds, previous };
        self.map.write(entry_at, &entry.encode())?;
        if count == 1 {
            self.map.store_i64(at::BEGIN_PHY_OFFSET, physical_offset)?;
            self.map.store_i64(at::BEGIN_TIMESTAMP, store_timestamp_ms)?;
        }
        if previous == 0 {
            self.map.store_i32(at::HASH_SLOT_COUNT, self.map.load_i32(at::HASH_SLOT_COUNT)? + 1)?;
        }
        self.map.store_i64(at::END_PHY_OFFSET, physical_offset)?;
        self.map.store_i64(at::END_TIMESTAMP, store_timestamp_ms)?;
        // Counted before the slot leads to it: whoever finds it there may read it.
        self.map.store_i32(at::INDEX_COUNT, count + 1)?;
        self.map.store_i32(slot_at, count)?;
        self.note_dirty();
        Ok(true)
    }

    fn note_dirty(&self) {
        if !self.dirty.load(Ordering::Relaxed) {
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Header and slots get their disk blocks at once, entries in steps. Holes that Java left before the next entry are
    /// never written to. Whole pages, for the reason that `Tail::reserve` gives.
    pub(super) fn reserve_up_to(&self, end: usize) -> io::Result<()> {
        let whole_pages = |end: usize| end.next_multiple_of(PAGE_BYTES).min(self.geometry.file_bytes());
        let reserved = self.reserved_to.load(Ordering::Relaxed);
        if end <= reserved {
            return Ok(());
        }
        let entries_at = self.geometry.entries_at();
        let mut from = reserved;
        if reserved == 0 {
            self.map.reserve(0..whole_pages(entries_at))?;
            from = self.geometry.entry_at(self.count()?).min(self.geometry.file_bytes());
        }
        let step = (from - entries_at).clamp(PAGE_BYTES, RESERVE_STEP_BYTES_MAX);
        let until = whole_pages((from + step).max(end));
        self.map.reserve(from..until)?;
        self.reserved_to.store(until, Ordering::Relaxed);
        Ok(())
    }

    /// The entry of a number that is counted.
    pub fn entry(&self, number: i32) -> Result<Option<IndexEntry>, AccessError> {
        if !(1..self.count()?).contains(&number) {
            return Ok(None);
        }
        let bytes = self.map.read_array::<{ at::ENTRY_BYTES }>(self.geometry.entry_at(number))?;
        Ok(IndexEntry::decode(&bytes))
    }

    /// Whether messages of the time from `begin_ms` to `end_ms` may be in the file (`isTimeMatched`).
    pub fn is_time_matched(&self, begin_ms: i64, end_ms: i64) -> Result<bool, AccessError> {
        let IndexHeader { begin_timestamp_ms, end_timestamp_ms, .. } = self.header()?;
        let own = begin_timestamp_ms..=end_timestamp_ms;
        Ok(begin_ms < begin_timestamp_ms && end_ms > end_timestamp_ms
            || own.contains(&begin_ms)
            || own.contains(&end_ms))
    }

    /// Adds the offsets of a key's messages, newest first, until there are `count_max` (`selectPhyOffset`).
    pub fn select(
        &self,
        found: &mut Vec<i64>,
        key_hash: i32,
        count_max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<(), AccessError> {
        let begin_timestamp_ms = self.map.load_i64(at::BEGIN_TIMESTAMP)?;
        let slot = self.geometry.slot_of(key_hash);
        let mut number = self.map.load_i32(self.geometry.slot_at(slot))?;
        while number > 0 && found.len() < count_max {
            let entry = self.entry(number)?;
            let sound = |entry: &IndexEntry| {
                // Java goes by the numbers alone and can go round in circles.
                entry.key_hash >= 0
                    && self.geometry.slot_of(entry.key_hash) == slot
                    && entry.previous < number
                    && entry.seconds >= 0
            };
            let Some(entry) = entry.filter(sound) else {
                self.map.check_length()?;
                error!(path = %self.path().display(), number, "damaged index entry, what lies behind it is not found");
                return Ok(());
            };
            let timestamp_ms = begin_timestamp_ms + i64::from(entry.seconds) * 1000;
            if entry.key_hash == key_hash && (begin_ms..=end_ms).contains(&timestamp_ms) {
                found.push(entry.physical_offset);
            }
            if timestamp_ms < begin_ms {
                return Ok(());
            }
            number = entry.previous;
        }
        Ok(())
    }

    /// Whether something was put since the last [`sync`](Self::sync).
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Waits until the file is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.dirty.store(false, Ordering::Release);
        self.map.sync(0, self.map.len()).inspect_err(|_| self.note_dirty())
    }
}
