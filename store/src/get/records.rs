//! Records of the log that a read has found: where they lie, not what they say.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::commit_log::CommitLog;
use crate::error::AccessError;
use crate::mapped_file::{LogFile, MappedRange};

/// Of pages between two records, asked for along with them.
const SPAN_GAP_BYTES_MAX: usize = 16 << 10;

/// Longer records are fetched by whoever reads them: the processor sees where that goes.
const PREFETCHED_BYTES_MAX: usize = 1 << 10;

/// Room for as many records as clients ask for by default.
const CAPACITY_MIN: usize = 32;

/// Records in the order of their queue.
#[derive(Debug, Default)]
pub struct Records {
    /// Those that were looked into; most reads stay in one.
    files: SmallVec<[Arc<LogFile>; 1]>,
    taken: Vec<Taken>,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Which of the files.
    file: usize,
    /// Where in it.
    at: usize,
    /// Its length.
    pub bytes: usize,
    pub messages: usize,
    pub queue_offset: i64,
}

/// Some records of a read, as a reply takes them.
#[derive(Debug)]
pub enum Piece {
    /// Neighbours in the log, where they lie.
    Mapped(MappedRange),
    /// A copy.
    Copied(Vec<u8>),
}

/// Records that lie close together in one file, with what is between them.
struct Span<'a> {
    file: &'a Arc<LogFile>,
    at: usize,
    bytes: usize,
}

impl Records {
    /// Where the `size` written bytes at `offset` of the log lie, for a [`Taken`] of `messages` messages.
    pub fn locate(
        &mut self,
        log: &CommitLog,
        offset: i64,
        size: usize,
        (queue_offset, messages): (i64, usize),
    ) -> Option<Taken> {
        let place = |file: &LogFile| {
            let at = usize::try_from(offset.checked_sub(file.start())?).ok()?;
            file.is_written_at(at, size).then_some(at)
        };
        // Most records lie in the file of the one before.
        let at = match self.files.last().and_then(|last| place(last)) {
            Some(at) => at,
            None => {
                let (file, at) = log.locate(offset, size)?;
                self.files.push(file);
                at
            }
        };
        Some(Taken { file: self.files.len() - 1, at, bytes: size, messages, queue_offset })
    }

    /// Adds a record. One that is likely to be copied is fetched meanwhile: they are apart, and each would be waited for.
    pub fn push(&mut self, taken: Taken) {
        if taken.bytes <= PREFETCHED_BYTES_MAX {
            self.files[taken.file].prefetch(taken.at, taken.bytes);
        }
        if self.taken.capacity() == 0 {
            self.taken.reserve(CAPACITY_MIN);
        }
        self.taken.push(taken);
    }

    pub fn get(&self, index: usize) -> Option<&Taken> {
        self.taken.get(index)
    }

    pub fn bytes(&self) -> usize {
        self.taken.iter().map(|taken| taken.bytes).sum()
    }

    pub fn messages(&self) -> usize {
        self.taken.iter().map(|taken| taken.messages).sum()
    }

    pub fn truncate(&mut self, count: usize) {
        self.taken.truncate(count);
    }

    /// Appends a copy of the record to `buffer`.
    pub fn copy(&self, taken: &Taken, buffer: &mut Vec<u8>) -> Result<(), AccessError> {
        self.files[taken.file].read_to(taken.at, taken.bytes, buffer)
    }

    /// That the record can be read to its end.
    pub fn check(&self, taken: &Taken) -> Result<(), AccessError> {
        self.files[taken.file].check_record(taken.at, taken.bytes)
    }

    /// Whether all are in memory. Those that lie close together (`SPAN_GAP_BYTES_MAX`) share one system call.
    pub fn are_resident(&self) -> bool {
        self.spans(SPAN_GAP_BYTES_MAX).all(|span| span.file.is_resident(span.at, span.bytes))
    }

    /// Brings what the disk gives of them into memory.
    pub fn populate(&self) {
        self.spans(SPAN_GAP_BYTES_MAX).for_each(|span| span.file.populate(span.at, span.bytes));
    }

    /// Whether a file was cut before the end of its last record.
    pub fn is_any_cut(&self) -> bool {
        self.taken.chunk_by(|one, next| one.file == next.file).any(|of_file| {
            let Some(last) = of_file.last() else { return false };
            let end = last.at + last.bytes;
            self.files[last.file].check_record(end - 1, 1).is_err()
        })
    }

    /// Index and error of the first record that cannot be read.
    pub fn first_unreadable(&self) -> Option<(usize, AccessError)> {
        let unreadable = |(index, taken)| self.check(taken).err().map(|error| (index, error));
        self.taken.iter().enumerate().find_map(unreadable)
    }

    /// Leaves out those of the first `count` that `is_kept` is false for. An error if one of those cannot be read.
    pub fn retain_first(&mut self, count: usize, is_kept: impl Fn(&[u8]) -> bool) -> Result<(), AccessError> {
        let (mut kept, mut record) = (Vec::with_capacity(self.taken.len()), Vec::new());
        for (index, taken) in self.taken.iter().enumerate() {
            if index < count {
                record.clear();
                self.copy(taken, &mut record)?;
                if !is_kept(&record) {
                    continue;
                }
            }
            kept.push(*taken);
        }
        self.taken = kept;
        Ok(())
    }

    /// The records: neighbours of so many bytes together that they go out `in_place` as a range, all others copied.
    pub fn into_pieces(self, in_place: impl Fn(usize) -> bool) -> Result<Vec<Piece>, AccessError> {
        let is_copied = |span: &Span<'_>| !in_place(span.bytes);
        let mut to_copy: usize = self.spans(0).filter(is_copied).map(|span| span.bytes).sum();
        let mut pieces = Vec::with_capacity(1);
        for span in self.spans(0) {
            if !is_copied(&span) {
                pieces.extend(span.file.range(span.at, span.bytes).map(Piece::Mapped));
                continue;
            }
            if !matches!(pieces.last(), Some(Piece::Copied(_))) {
                pieces.push(Piece::Copied(Vec::with_capacity(to_copy)));
            }
            if let Some(Piece::Copied(copy)) = pieces.last_mut() {
                span.file.read_to(span.at, span.bytes, copy)?;
            }
            to_copy -= span.bytes;
        }
        Ok(pieces)
    }

    /// Neighbours with at most `gap_bytes` between them.
    fn spans(&self, gap_bytes: usize) -> impl Iterator<Item = Span<'_>> {
        let are_close = move |one: &Taken, next: &Taken| {
            let gap = next.at.checked_sub(one.at + one.bytes);
            one.file == next.file && gap.is_some_and(|gap| gap <= gap_bytes)
        };
        self.taken.chunk_by(are_close).map(|records| {
            let (first, last) = (records[0], records[records.len() - 1]);
            Span { file: &self.files[first.file], at: first.at, bytes: last.at + last.bytes - first.at }
        })
    }
}
