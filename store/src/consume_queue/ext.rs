//! The consume queue extension: what does not fit a queue's entries, one unit a message, found by an address that stands in
//! the entry instead of the hash of the tags (`ConsumeQueueExt`).
//!
//! Units lie one behind another in files of one size; where the next does not fit, an end marker stands.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tracing::{error, warn};

use crate::error::{AccessError, OpenError};
use crate::layout::ext::{
    ADDRESS_BASE, ADDRESS_MAX, END_BLANK_BYTES, END_MARK, UNIT_BYTES_MAX, UNIT_BYTES_MIN, UnitHead,
};
use crate::mapped_file::MappedFile;
use crate::sparse_files::{SparseDir, SparseFiles};

/// What a unit says of its message (`ConsumeQueueExt.CqExtUnit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtUnit<'a> {
    /// Hash of the tags; the deliver time in SCHEDULE_TOPIC_XXXX.
    pub tags_code: i64,
    /// When the message was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
    /// Which filters the message passes, as a bloom filter; empty if none was computed.
    pub bit_map: &'a [u8],
}

impl<'a> ExtUnit<'a> {
    /// `size i16 | tagsCode i64 | storeTime i64 | bitMapSize i16 | bit map`; `None` if the bit map is too long.
    fn encode(&self) -> Option<Vec<u8>> {
        let bytes = UNIT_BYTES_MIN + self.bit_map.len();
        if bytes > UNIT_BYTES_MAX {
            return None;
        }
        let mut unit = Vec::with_capacity(bytes);
        unit.extend_from_slice(&(bytes as i16).to_be_bytes());
        unit.extend_from_slice(&self.tags_code.to_be_bytes());
        unit.extend_from_slice(&self.store_timestamp_ms.to_be_bytes());
        unit.extend_from_slice(&(self.bit_map.len() as i16).to_be_bytes());
        unit.extend_from_slice(self.bit_map);
        Some(unit)
    }

    /// The unit at the start of `bytes`, which may run on behind it, and its size in bytes.
    fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let size = size_of_unit(*bytes.first_chunk()?, bytes.len())?;
        let head = UnitHead::decode(&bytes[..size])?;
        let bit_map_bytes = usize::try_from(head.bit_map_bytes).unwrap_or(0);
        let bit_map = bytes[UNIT_BYTES_MIN..size].get(..bit_map_bytes)?;
        let unit = Self { tags_code: head.tags_code, store_timestamp_ms: head.store_timestamp_ms, bit_map };
        Some((unit, size))
    }
}

/// Bytes of the unit at the start of `bytes`, which has `left` bytes; `None` where none begins.
fn size_of_unit(bytes: [u8; 2], left: usize) -> Option<usize> {
    let size = usize::try_from(i16::from_be_bytes(bytes)).ok()?;
    (UNIT_BYTES_MIN..=left).contains(&size).then_some(size)
}

fn unit_size_at(file: &MappedFile, at: usize) -> Result<Option<usize>, AccessError> {
    match file.len().checked_sub(at) {
        Some(left) if left >= UNIT_BYTES_MIN => Ok(size_of_unit(file.read_array(at)?, left)),
        _ => Ok(None),
    }
}

/// The extension of one queue. Written by whoever writes the queue.
#[derive(Debug)]
pub struct ConsumeQueueExt {
    files: Arc<SparseFiles>,
    /// First position not written yet.
    end: AtomicI64,
}

/// A unit that is written, but counts only when its entry is: see [`ConsumeQueueExt::settle`].
#[derive(Clone, Copy, Debug)]
pub struct PlacedUnit {
    pub address: i64,
    end: i64,
}

impl ConsumeQueueExt {
    pub fn new(dir: Arc<SparseDir>, topic: Arc<str>, queue_id: i32) -> Self {
        Self { files: SparseFiles::new(dir, topic, queue_id), end: AtomicI64::new(0) }
    }

    pub fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    pub fn files(&self) -> &Arc<SparseFiles> {
        &self.files
    }

    /// Writes a unit behind the last. `None` if there is no address for it, and the entry keeps the hash.
    pub fn place(&self, unit: &ExtUnit<'_>) -> io::Result<Option<PlacedUnit>> {
        let (topic, queue_id) = (&**self.files.topic(), self.files.queue_id());
        let Some(bytes) = unit.encode() else {
            error!(topic, queue_id, "no extension for a bit map of {} bytes", unit.bit_map.len());
            return Ok(None);
        };
        let size = bytes.len() as i64;
        let mut at = self.end();
        let file_end = self.files.floor(at) + self.files.file_bytes();
        if at + size + END_BLANK_BYTES as i64 > file_end {
            if at + size_of_val(&END_MARK) as i64 <= file_end {
                self.files.write(at, &END_MARK)?;
            }
            at = file_end;
        }
        if size + END_BLANK_BYTES as i64 > self.files.file_bytes() || at + size > ADDRESS_MAX - ADDRESS_BASE {
            warn!(topic, queue_id, at, "no room for a unit of {size} bytes in the extension");
            return Ok(None);
        }
        self.files.write(at, &bytes)?;
        Ok(Some(PlacedUnit { address: at + ADDRESS_BASE, end: at + size }))
    }

    /// The unit's entry is written.
    pub fn settle(&self, placed: PlacedUnit) {
        self.end.store(placed.end, Ordering::Release);
    }

    /// Looks at the unit behind an address, if there is one.
    pub fn look<T>(
        &self,
        address: i64,
        look: impl FnOnce(ExtUnit<'_>) -> T,
    ) -> Result<Option<T>, AccessError> {
        // What lies behind the end may be written right now.
        let Some(position) = position_of(address).filter(|position| *position < self.end()) else {
            return Ok(None);
        };
        let bytes = self.unit(position)?.filter(|bytes| position + bytes.len() as i64 <= self.end());
        Ok(bytes.as_deref().and_then(ExtUnit::decode).map(|(unit, _)| look(unit)))
    }

    /// Whether all of a unit stands behind an address: for entries that a power cut may have separated from it.
    pub fn is_written(&self, address: i64) -> Result<bool, AccessError> {
        match position_of(address) {
            Some(position) => Ok(self.unit_end(position)?.is_some()),
            None => Ok(false),
        }
    }

    /// Where the unit at a position ends, even before the end is known.
    fn unit_end(&self, position: i64) -> Result<Option<i64>, AccessError> {
        let bytes = self.unit(position)?;
        let unit = bytes.as_deref().and_then(ExtUnit::decode);
        Ok(unit.filter(|(unit, _)| unit.store_timestamp_ms > 0).map(|(_, size)| position + size as i64))
    }

    /// The bytes of the unit at a position; `None` where none begins.
    fn unit(&self, position: i64) -> Result<Option<Vec<u8>>, AccessError> {
        let Some((file, at)) = self.files.locate(position)? else { return Ok(None) };
        let Some(size) = unit_size_at(&file, at)? else {
            // Or the place was cut off.
            return file.check_length().map(|()| None);
        };
        let mut bytes = Vec::with_capacity(size);
        file.check_record(at, size)?;
        file.read_to(at, size, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes the unit of the queue's last address the last one (`recover`, `truncateByMaxAddress`). With `None` no entry
    /// has an address.
    pub fn end_behind(&self, last_address: Option<i64>, cleared: bool) -> Result<(), OpenError> {
        let last = last_address.and_then(position_of);
        let last_end = match last {
            Some(position) => self.unit_end(position)?,
            None => None,
        };
        let end = match last_end {
            Some(end) => end,
            // No address that is in use may be given to another unit.
            None => self.walked_end()?.max(last.map_or(0, |position| position + UNIT_BYTES_MIN as i64)),
        };
        self.files.end_at(end, cleared)?;
        self.end.store(end, Ordering::Release);
        Ok(())
    }

    /// Behind the last unit of the last file.
    fn walked_end(&self) -> Result<i64, AccessError> {
        let Some(&last) = self.files.starts().last() else { return Ok(0) };
        let Some((file, _)) = self.files.locate(last)? else { return Ok(last) };
        let mut at = 0;
        while let Some(size) = unit_size_at(&file, at)? {
            at += size;
        }
        Ok(last + at as i64)
    }

    /// Removes files whose units all lie before an address (`truncateByMinAddress`, which leaves the one that ends there).
    pub fn remove_before(&self, address: i64) -> io::Result<()> {
        let Some(position) = position_of(address) else { return Ok(()) };
        self.files.remove_before(self.files.floor((position - 1).max(0))).map(drop)
    }

    pub fn destroy(&self) -> io::Result<()> {
        self.end.store(0, Ordering::Release);
        self.files.destroy()
    }
}

/// `ConsumeQueueExt.unDecorate`; `None` for what is no address.
fn position_of(address: i64) -> Option<i64> {
    (address <= ADDRESS_MAX).then(|| address.wrapping_sub(ADDRESS_BASE))
}
