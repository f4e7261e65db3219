//! One walk through the commit log, from its first byte to its end: every record in order, and what is wrong between them.

use std::io;

use message::record::{MAGIC_BLANK, MAGIC_V1, MAGIC_V2};
use message::{Record, StoredMessage};

use super::source::Reader;
use super::tree::{FileSeq, SeqFile};

/// Bytes read at once.
const PIECE_BYTES: usize = 4 << 20;
/// A longer record is taken for damage; bounds the memory of a walk. Java's default body is at most 4 MiB.
const RECORD_BYTES_MAX: usize = 128 << 20;
/// Shortest record: no topic, no body, no properties, IPv4 hosts.
const RECORD_BYTES_MIN: usize = 91;
/// Fields of a record up to and with its stated physical offset.
const HEAD_BYTES: usize = 36;
const PHYSICAL_OFFSET_AT: usize = 28;
/// Places tried, at most, to find records behind damage in one file.
const CANDIDATES_MAX: usize = 10_000;

/// A record and where it was found.
pub struct Found<'a> {
    /// Physical offset by place, whatever the record says.
    pub at: i64,
    pub file: &'a SeqFile,
    pub stored: StoredMessage<'a>,
    pub bytes: &'a [u8],
}

/// What is wrong in the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No record at `at`; the next one is at `next`.
    Broken { at: i64, next: i64, why: String },
    /// The blank record at `at` does not reach to the end of its file.
    Blank { at: i64, says: i32, rest: u64 },
    /// A file that ends without a blank record.
    NoBlank { at: i64 },
    /// The log ends at `at`, and what stands behind it is no record. `stale`: whole records older than the last one are
    /// among it, as a log leaves them that was cut off once and written again.
    Tail { at: i64, nonzero: i64, why: String, stale: bool },
}

/// Who hears of it. `false` ends the walk.
pub trait Visitor {
    fn record(&mut self, found: &Found<'_>) -> bool;
    fn fault(&mut self, fault: Fault, file: &SeqFile);
}

/// What a walk went over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub min: i64,
    pub end: i64,
}

/// Walks from the record at `from`, or from the first file's start.
pub fn walk(log: &FileSeq, from: Option<i64>, visitor: &mut dyn Visitor) -> io::Result<Span> {
    let min = log.files.first().map_or(0, |file| file.start);
    let mut walk = Walk { log, visitor, end: from.unwrap_or(min), store_ms: i64::MIN, going: true };
    let first = from.map_or(0, |from| log.files.partition_point(|file| file.end() <= from));
    let mut skip_to = walk.end;
    for index in first..log.files.len() {
        let file = log.files[index];
        let at = skip_to.max(file.start);
        if at >= file.end() {
            continue;
        }
        match walk.file(index, at)? {
            Next::Here(offset) | Next::At(offset) => skip_to = offset,
            Next::End => break,
        }
    }
    Ok(Span { min, end: walk.end })
}

struct Walk<'w> {
    log: &'w FileSeq,
    visitor: &'w mut dyn Visitor,
    end: i64,
    /// Of the last record.
    store_ms: i64,
    going: bool,
}

enum Next {
    /// Go on with the record at this offset, further on in the same file.
    Here(i64),
    /// Go on with a later file, at this offset or behind it.
    At(i64),
    End,
}

/// What lies at a place.
enum Here {
    Record(usize),
    Blank,
    Bad(String),
}

impl Walk<'_> {
    fn file(&mut self, index: usize, from: i64) -> io::Result<Next> {
        let file = &self.log.files[index];
        let mut reader = Reader::open(&self.log.path(file), PIECE_BYTES)?;
        let mut at = from;
        loop {
            let place = (at - file.start) as u64;
            let rest = reader.len().saturating_sub(place);
            if rest < 8 {
                self.visitor.fault(Fault::NoBlank { at }, file);
                return Ok(Next::At(file.end()));
            }
            match look(&mut reader, place)? {
                Here::Record(size) => {
                    self.record(&mut reader, file, at, size)?;
                    at += size as i64;
                    self.end = at;
                    if !self.going {
                        return Ok(Next::End);
                    }
                }
                Here::Blank => {
                    let says = i32_at(reader.bytes(place, 4)?, 0);
                    if i64::from(says) != rest as i64 {
                        self.visitor.fault(Fault::Blank { at, says, rest }, file);
                    }
                    self.end = file.end();
                    return Ok(Next::At(file.end()));
                }
                Here::Bad(why) => match self.behind_damage(&mut reader, index, at, why)? {
                    Next::Here(next) => at = next,
                    other => return Ok(other),
                },
            }
        }
    }

    fn record(&mut self, reader: &mut Reader, file: &SeqFile, at: i64, size: usize) -> io::Result<()> {
        let bytes = reader.bytes((at - file.start) as u64, size)?;
        if let Ok(Record::Message(stored)) = Record::decode(bytes) {
            self.store_ms = stored.store_timestamp_ms;
            self.going = self.visitor.record(&Found { at, file, stored, bytes });
        }
        Ok(())
    }

    /// Nothing at `at` can be read: finds the next record, or else this is the end of the log.
    fn behind_damage(&mut self, reader: &mut Reader, index: usize, at: i64, why: String) -> io::Result<Next> {
        let file = &self.log.files[index];
        let mut nonzero =
            reader.first_nonzero((at - file.start) as u64)?.map(|place| file.start + place as i64);
        let mut stale = false;
        if nonzero.is_some()
            && let Some((next, store_ms)) = resync(reader, file, at + 1)?
        {
            if store_ms >= self.store_ms {
                self.visitor.fault(Fault::Broken { at, next, why }, file);
                return Ok(Next::Here(next));
            }
            stale = true;
        }
        for later in &self.log.files[index + 1..] {
            let mut reader = Reader::open(&self.log.path(later), PIECE_BYTES)?;
            let Some(place) = reader.first_nonzero(0)? else { continue };
            nonzero = nonzero.or(Some(later.start + place as i64));
            match resync(&mut reader, later, later.start)? {
                Some((next, store_ms)) if store_ms >= self.store_ms => {
                    self.visitor.fault(Fault::Broken { at, next, why }, file);
                    return Ok(Next::At(next));
                }
                found => stale |= found.is_some(),
            }
        }
        self.end = at;
        if let Some(nonzero) = nonzero {
            self.visitor.fault(Fault::Tail { at, nonzero, why, stale }, file);
        }
        Ok(Next::End)
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(-1, |bytes| i64::from_be_bytes(*bytes))
}

fn look(reader: &mut Reader, place: u64) -> io::Result<Here> {
    let rest = reader.len().saturating_sub(place);
    let head = reader.bytes(place, 8)?;
    let (size, magic) = (i32_at(head, 0), i32_at(head, 4) as u32);
    if magic == MAGIC_BLANK && head.len() == 8 {
        return Ok(Here::Blank);
    }
    if head.iter().all(|&byte| byte == 0) {
        return Ok(Here::Bad("zeros where a record should be".to_owned()));
    }
    if magic != MAGIC_V1 && magic != MAGIC_V2 {
        return Ok(Here::Bad(format!("illegal magic 0x{magic:08x}")));
    }
    let size = match usize::try_from(size) {
        Ok(size) if (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&size) && size as u64 <= rest => size,
        _ => return Ok(Here::Bad(format!("record size {size}, {rest} bytes are left in the file"))),
    };
    Ok(match Record::decode(reader.bytes(place, size)?) {
        Ok(_) => Here::Record(size),
        Err(error) => Here::Bad(error.to_string()),
    })
}

/// The first whole record at `from` or behind it that says it lies where it lies: its offset and store time.
fn resync(reader: &mut Reader, file: &SeqFile, from: i64) -> io::Result<Option<(i64, i64)>> {
    let mut place = (from - file.start) as u64;
    let mut candidates = 0;
    while let Some(data) = reader.first_nonzero(place)? {
        // A record's first byte is mostly zero: step back to what could be its head.
        place = place.max(data.saturating_sub(HEAD_BYTES as u64));
        let bytes = reader.some_bytes(place)?;
        if bytes.len() < HEAD_BYTES {
            let tail = reader.bytes(place, HEAD_BYTES)?;
            if tail.len() < HEAD_BYTES {
                return Ok(None);
            }
            continue;
        }
        let start = file.start + place as i64;
        let heads = bytes.windows(HEAD_BYTES).enumerate();
        let found = heads.into_iter().find(|(index, head)| {
            matches!(i32_at(head, 4) as u32, MAGIC_V1 | MAGIC_V2)
                && i64_at(head, PHYSICAL_OFFSET_AT) == start + *index as i64
        });
        let Some((index, _)) = found else {
            place += (bytes.len() - HEAD_BYTES + 1) as u64;
            continue;
        };
        place += index as u64;
        if let Here::Record(size) = look(reader, place)?
            && let Ok(Record::Message(stored)) = Record::decode(reader.bytes(place, size)?)
        {
            return Ok(Some((file.start + place as i64, stored.store_timestamp_ms)));
        }
        candidates += 1;
        if candidates == CANDIDATES_MAX {
            return Ok(None);
        }
        place += 1;
    }
    Ok(None)
}

/// The record at `at`, if one is there: for looking at single places.
pub struct Probe<'t> {
    log: &'t FileSeq,
    open: Option<(i64, Reader)>,
}

impl<'t> Probe<'t> {
    pub fn new(log: &'t FileSeq) -> Self {
        Self { log, open: None }
    }

    pub fn record(&mut self, at: i64) -> io::Result<Option<StoredMessage<'_>>> {
        /// Records looked at alone are mostly short.
        const PROBE_BYTES: usize = 16 << 10;
        let Some(file) = self.log.find(at) else { return Ok(None) };
        if self.open.as_ref().is_none_or(|open| open.0 != file.start) {
            self.open = Some((file.start, Reader::open(&self.log.path(file), PROBE_BYTES)?));
        }
        let Some((_, reader)) = &mut self.open else { return Ok(None) };
        let place = (at - file.start) as u64;
        let Here::Record(size) = look(reader, place)? else { return Ok(None) };
        match Record::decode(reader.bytes(place, size)?) {
            Ok(Record::Message(stored)) => Ok(Some(stored)),
            _ => Ok(None),
        }
    }
}
