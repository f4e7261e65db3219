//! One index file, read entry by entry.

use std::io;

use super::seconds_from;
use crate::source::Reader;
use crate::tree::{Options, Tree};
use store::layout::index::{ENTRY_BYTES, HEADER_BYTES, SLOT_BYTES};
use store::layout::{IndexEntry, IndexHeader};

const PIECE_BYTES: usize = 1 << 20;
/// Positions in a file are 31-bit numbers in Java. Also bounds the slots kept in memory while a file is read.
const FILE_BYTES_MAX: u64 = i32::MAX as u64;
/// `MessageStoreConfig.maxHashSlotNum` and `maxIndexNum`.
const DEFAULT_GEOMETRY: (u64, u64) = (5_000_000, 20_000_000);

/// One file being read, entry by entry.
pub struct IndexReader {
    pub name: String,
    pub header: IndexHeader,
    pub slots: u64,
    /// Number of the next entry read.
    next: u64,
    reader: Reader,
}

impl IndexReader {
    /// `Err` with the reason if the file is none that can be read.
    pub fn open(tree: &Tree, name: &str, options: &Options) -> io::Result<Result<Self, String>> {
        let path = tree.root.join("index").join(name);
        let mut reader = Reader::open(&path, PIECE_BYTES)?;
        let header = IndexHeader::decode(reader.bytes(0, HEADER_BYTES)?);
        let len = reader.len();
        let Some(header) = header.filter(|_| len <= FILE_BYTES_MAX) else {
            return Ok(Err(format!("an index file of {len} bytes")));
        };
        let Some(slots) = geometry(&mut reader, &header, options)? else {
            return Ok(Err(format!(
                "{len} bytes are no whole number of slots and entries: maxHashSlotNum is needed (--config)"
            )));
        };
        Ok(Ok(Self { name: format!("index/{name}"), header, slots, next: 1, reader }))
    }

    pub fn place_of(&self, number: u64) -> u64 {
        HEADER_BYTES as u64 + self.slots * SLOT_BYTES as u64 + number * ENTRY_BYTES as u64
    }

    /// Entries that fit, the unused one of number 0 included.
    pub fn capacity(&self) -> u64 {
        self.reader.len().saturating_sub(self.place_of(0)) / ENTRY_BYTES as u64
    }

    /// Whether the header can be true and fits the first and the last entry: a start removes a file that is not so, and what comes
    /// behind it, and makes them anew.
    pub fn is_sound(&mut self) -> io::Result<bool> {
        let IndexHeader { begin_timestamp_ms, end_timestamp_ms, begin_offset, end_offset, used_slots, count } =
            self.header;
        let is_possible = count > 0
            && count as u64 <= self.capacity()
            && (0..count).contains(&used_slots)
            && (0..=end_offset).contains(&begin_offset)
            && begin_timestamp_ms >= 0
            && end_timestamp_ms >= 0;
        if !is_possible || count == 1 {
            return Ok(is_possible);
        }
        let (Some(first), Some(last)) = (self.entry(1)?, self.entry(count as u64 - 1)?) else {
            return Ok(false);
        };
        let seconds = match begin_timestamp_ms {
            0 => 0,
            begin_ms => seconds_from(begin_ms, end_timestamp_ms),
        };
        // The first entry's seconds count from the file before.
        let ends_in_time = count == 2 || i64::from(last.seconds) == seconds;
        Ok(first.physical_offset == begin_offset && last.physical_offset == end_offset && ends_in_time)
    }

    fn entry(&mut self, number: u64) -> io::Result<Option<IndexEntry>> {
        let place = self.place_of(number);
        Ok(IndexEntry::decode(self.reader.bytes(place, ENTRY_BYTES)?))
    }

    /// The next entry and its number.
    pub fn next_entry(&mut self) -> io::Result<Option<(u64, IndexEntry)>> {
        let number = self.next;
        if number >= (self.header.count.max(0) as u64).min(self.capacity()) {
            return Ok(None);
        }
        self.next += 1;
        Ok(self.entry(number)?.map(|entry| (number, entry)))
    }

    pub fn slot(&mut self, slot: u64) -> io::Result<i32> {
        let bytes = self.reader.bytes(HEADER_BYTES as u64 + slot * SLOT_BYTES as u64, SLOT_BYTES)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes)))
    }
}

/// The number of slots: what the configuration says, Java's default, or four entries a slot as there. The first one that the
/// file's first entry agrees with.
fn geometry(reader: &mut Reader, header: &IndexHeader, options: &Options) -> io::Result<Option<u64>> {
    let room = reader.len().saturating_sub(HEADER_BYTES as u64);
    let ratio = (SLOT_BYTES + 4 * ENTRY_BYTES) as u64;
    let guesses = [
        options.number("maxHashSlotNum"),
        Some(DEFAULT_GEOMETRY.0),
        room.is_multiple_of(ratio).then_some(room / ratio),
    ];
    let fits = |slots: &u64| {
        let entries = room.checked_sub(slots.saturating_mul(SLOT_BYTES as u64));
        *slots > 0 && entries.is_some_and(|bytes| bytes > 0 && bytes.is_multiple_of(ENTRY_BYTES as u64))
    };
    let guesses: Vec<u64> = guesses.into_iter().flatten().filter(fits).collect();
    for &slots in &guesses {
        let place = HEADER_BYTES as u64 + slots * SLOT_BYTES as u64 + ENTRY_BYTES as u64;
        let entry = IndexEntry::decode(reader.bytes(place, ENTRY_BYTES)?);
        if header.count <= 1 || entry.is_some_and(|entry| entry.physical_offset == header.begin_offset) {
            return Ok(Some(slots));
        }
    }
    Ok(guesses.first().copied())
}
