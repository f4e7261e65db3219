//! Is an index file what it says, and making it so again after a stop that left it half written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use tracing::warn;

use super::super::error::AccessError;
use super::super::layout::{IndexEntry, IndexHeader, index as at};
use super::file::{IndexFile, seconds_between};

/// What is read at once, of slots or of entries.
const READ_BYTES: usize = 1 << 20;

impl IndexFile {
    /// Whether the header can be true and fits the first and the last entry. Cheap: reads two entries.
    pub fn is_sound(&self) -> Result<bool, AccessError> {
        let header = self.header()?;
        if !self.has_possible_header(&header) {
            return Ok(false);
        }
        if header.count == 1 {
            return Ok(true);
        }
        let (Some(first), Some(last)) = (self.entry(1)?, self.entry(header.count - 1)?) else {
            return Ok(false);
        };
        // The first entry's seconds count from the file before.
        let seconds = seconds_between(header.begin_timestamp_ms, header.end_timestamp_ms);
        Ok(first.physical_offset == header.begin_offset
            && last.physical_offset == header.end_offset
            && (header.count == 2 || last.seconds == seconds))
    }

    fn has_possible_header(&self, header: &IndexHeader) -> bool {
        (1..=self.geometry.entries as i64).contains(&i64::from(header.count))
            && (0..header.count).contains(&header.used_slots)
            && (0..=header.end_offset).contains(&header.begin_offset)
            && header.begin_timestamp_ms >= 0
            && header.end_timestamp_ms >= 0
    }

    /// Brings slots and header in line with the entries, which are written only once. For a file that may have come to disk
    /// in part; nobody may be reading it. False if nothing of it can be kept.
    pub fn repair(&self) -> io::Result<bool> {
        let header = self.header()?;
        if !self.has_possible_header(&header) {
            return Ok(false);
        }
        let mut replay = Replay { slots: vec![0; self.geometry.slots], last: None, count: 1 };
        let file = self.disk.open_to_read(self.path())?;
        let end = self.geometry.entries_at() + header.count as usize * at::ENTRY_BYTES;
        read_in_pieces::<{ at::ENTRY_BYTES }>(
            &file,
            self.geometry.entries_at() + at::ENTRY_BYTES,
            end,
            |entry| replay.take(self, entry),
        )?;
        let Some(last) = replay.last else { return Ok(false) };
        if replay.count < header.count {
            let (kept, said) = (replay.count - 1, header.count - 1);
            warn!(path = %self.path().display(), kept, said, "index file is not all there");
        }
        self.write_slots(&file, &replay.slots)?;
        let Some(first) = self.entry(1)? else { return Ok(false) };
        let repaired = IndexHeader {
            begin_offset: first.physical_offset,
            used_slots: replay.slots.iter().filter(|&&newest| newest != 0).count() as i32,
            ..self.ending_with(&header, replay.count, &last)
        };
        self.reserve_up_to(self.geometry.entries_at())?;
        self.write_header(repaired)?;
        Ok(true)
    }

    /// The header of the file when it ends with another entry. Its end time is then known to the second.
    fn ending_with(&self, header: &IndexHeader, count: i32, last: &IndexEntry) -> IndexHeader {
        let seconds = seconds_between(header.begin_timestamp_ms, header.end_timestamp_ms);
        let is_its_time =
            last.physical_offset == header.end_offset && (count == 2 || last.seconds == seconds);
        let end_timestamp_ms = match is_its_time {
            true => header.end_timestamp_ms,
            false => header.begin_timestamp_ms + i64::from(last.seconds) * 1000,
        };
        IndexHeader { count, end_offset: last.physical_offset, end_timestamp_ms, ..*header }
    }

    fn write_slots(&self, file: &File, slots: &[i32]) -> io::Result<()> {
        let mut slot = 0;
        let mut wrong = Vec::new();
        let slots_at = self.geometry.slot_at(0);
        read_in_pieces::<{ at::SLOT_BYTES }>(file, slots_at, self.geometry.entries_at(), |bytes| {
            if i32::from_be_bytes(*bytes) != slots[slot] {
                wrong.push(slot);
            }
            slot += 1;
            true
        })?;
        if !wrong.is_empty() {
            warn!(path = %self.path().display(), slots = wrong.len(), "slots of an index file put right");
            self.reserve_up_to(self.geometry.entries_at())?;
        }
        for slot in wrong {
            self.map.store_i32(self.geometry.slot_at(slot), slots[slot])?;
        }
        Ok(())
    }

    /// Takes back the entries of messages at `physical_offset` and behind it, the newest first. Nobody may be reading.
    pub fn truncate(&self, physical_offset: i64) -> io::Result<()> {
        self.reserve_up_to(self.geometry.entries_at())?;
        let header = self.header()?;
        let (mut count, mut used_slots) = (header.count, header.used_slots);
        while let Some(entry) =
            self.entry(count - 1)?.filter(|entry| entry.physical_offset >= physical_offset)
        {
            if entry.key_hash >= 0 {
                let slot_at = self.geometry.slot_at(self.geometry.slot_of(entry.key_hash));
                self.map.store_i32(slot_at, entry.previous)?;
            }
            used_slots -= i32::from(entry.previous == 0);
            count -= 1;
        }
        if let Some(last) = self.entry(count - 1)? {
            self.write_header(IndexHeader { used_slots, ..self.ending_with(&header, count, &last) })?;
        }
        Ok(())
    }
}

/// The slots as the entries, put one after another, leave them.
struct Replay {
    slots: Vec<i32>,
    last: Option<IndexEntry>,
    count: i32,
}

impl Replay {
    /// False if this is no entry that can follow the last one.
    fn take(&mut self, file: &IndexFile, bytes: &[u8; at::ENTRY_BYTES]) -> bool {
        let after = self.last.map_or(0, |last| last.physical_offset);
        let follows =
            |entry: &IndexEntry| entry.key_hash >= 0 && entry.seconds >= 0 && entry.physical_offset >= after;
        let written = bytes.iter().any(|&byte| byte != 0);
        let Some(entry) = IndexEntry::decode(bytes).filter(|entry| written && follows(entry)) else {
            return false;
        };
        let slot = &mut self.slots[file.geometry.slot_of(entry.key_hash)];
        if entry.previous != *slot {
            return false;
        }
        *slot = self.count;
        self.count += 1;
        self.last = Some(entry);
        true
    }
}

/// Hands out the pieces of `N` bytes from `at` to `end` until it is told to stop. By reading, not through the mapping,
/// which the kernel reads a page at a time.
fn read_in_pieces<const N: usize>(
    file: &File,
    mut at: usize,
    end: usize,
    mut take: impl FnMut(&[u8; N]) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; (READ_BYTES / N * N).min(end.saturating_sub(at))];
    while at < end {
        let bytes = buffer.len().min(end - at);
        file.read_exact_at(&mut buffer[..bytes], at as u64)?;
        let (pieces, _) = buffer[..bytes].as_chunks::<N>();
        if !pieces.iter().all(&mut take) {
            return Ok(());
        }
        at += bytes;
    }
    Ok(())
}
