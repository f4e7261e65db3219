//! What a read has found, on its way to whoever asked.

use std::sync::Arc;

use message::{Message, Record};
use smallvec::SmallVec;
use tracing::error;

use super::GetMessageStatus;
use crate::error::AccessError;
use crate::mapped_file::MappedRange;
use crate::multi_dispatch::MultiDispatch;
use crate::queue::Unit;

/// What was read (`GetMessageResult`).
#[derive(Debug)]
pub struct GetMessageResult {
    /// How the read went; there are ranges only where it [found](GetMessageStatus::Found) messages.
    pub status: GetMessageStatus,
    /// The queue offset to read from next; for one beyond the queue's ends, the end that is right.
    pub next_begin_offset: i64,
    /// The queue's first offset when the read began.
    pub min_offset: i64,
    /// The queue's end when the read began: the offset that its next message gets.
    pub max_offset: i64,
    /// What was read lies farther from the log's end than Java takes memory to reach (`isSuggestPullingFromSlave`).
    pub suggest_pulling_from_slave: bool,
    /// The records, in order; neighbours in the log share a range.
    ranges: Vec<MappedRange>,
    /// Messages in all ranges, those within a batch counted singly.
    pub message_count: usize,
    /// Bytes of all ranges.
    pub bytes: usize,
    /// Whether the ranges are in memory; if not, the result is to be [loaded](Self::load), which may wait for the disk.
    pub resident: bool,
    taken: SmallVec<[Taken; TAKEN_INLINE]>,
    /// What the first records must turn out to be; none if this process wrote them all.
    unverified: Option<Unverified>,
}

/// A record of the ranges.
#[derive(Clone, Copy, Debug)]
struct Taken {
    bytes: u32,
    messages: u32,
    queue_offset: i64,
}

/// Records for which a result needs no memory of its own: as many as clients ask for by default.
const TAKEN_INLINE: usize = 32;

impl GetMessageResult {
    /// A result without messages.
    pub fn empty(status: GetMessageStatus, next_begin_offset: i64, min_offset: i64, max_offset: i64) -> Self {
        Self {
            status,
            next_begin_offset,
            min_offset,
            max_offset,
            suggest_pulling_from_slave: false,
            ranges: Vec::new(),
            message_count: 0,
            bytes: 0,
            resident: true,
            taken: SmallVec::new(),
            unverified: None,
        }
    }

    pub(super) fn add(&mut self, range: MappedRange, unit: &Unit) {
        self.taken.push(Taken {
            bytes: range.len() as u32,
            messages: unit.batch_num as u32,
            queue_offset: unit.queue_offset,
        });
        self.bytes += range.len();
        self.message_count += unit.batch_num as usize;
        self.status = GetMessageStatus::Found;
        let apart = match self.ranges.last_mut() {
            Some(last) => last.join(range).err(),
            None => Some(range),
        };
        self.ranges.extend(apart);
    }

    /// The record that is added next was written by an earlier process.
    pub(super) fn is_unverified(&mut self, unverified: impl FnOnce() -> Unverified) {
        self.unverified.get_or_insert_with(unverified).count += 1;
    }

    pub(super) fn are_ranges_resident(&self) -> bool {
        MappedRange::are_resident(&self.ranges)
    }

    /// How many ranges the records make.
    #[cfg(test)]
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// As [`up_to_unreadable`](Self::up_to_unreadable), of records that are in memory: there they can be read but where a file
    /// was cut, and then the last record of that file cannot.
    pub(super) fn up_to_cut(self) -> Result<Self, AccessError> {
        match self.is_any_cut() {
            false => Ok(self),
            true => self.up_to_unreadable(),
        }
    }

    fn is_any_cut(&self) -> bool {
        let mut ranges = self.ranges.iter().peekable();
        while let Some(range) = ranges.next() {
            let is_last = ranges.peek().is_none_or(|next| !range.is_of_file_of(next));
            if is_last && range.check_end().is_err() {
                return true;
            }
        }
        false
    }

    /// Ends the result before the first record that cannot be read. An error if that is the first of all.
    pub(super) fn up_to_unreadable(mut self) -> Result<Self, AccessError> {
        match self.first_unreadable() {
            None => Ok(self),
            Some((0, error)) => Err(error),
            Some((count, _)) => {
                self.next_begin_offset = self.taken[count].queue_offset;
                self.taken.truncate(count);
                self.message_count = self.taken.iter().map(|taken| taken.messages as usize).sum();
                self.bytes = self.taken.iter().map(|taken| taken.bytes as usize).sum();
                let mut left = self.bytes;
                for range in &mut self.ranges {
                    range.shorten(left);
                    left -= range.len();
                }
                self.ranges.retain(|range| !range.is_empty());
                Ok(self)
            }
        }
    }

    fn first_unreadable(&self) -> Option<(usize, AccessError)> {
        let mut taken = self.taken.iter().enumerate();
        for range in &self.ranges {
            let mut at = 0;
            while at < range.len()
                && let Some((index, record)) = taken.next()
            {
                if let Err(error) = range.check_record(at, record.bytes as usize) {
                    return Some((index, error));
                }
                at += record.bytes as usize;
            }
        }
        None
    }

    /// Brings the messages into memory, up to the first that cannot be read; an error if none can. Waits for the disk.
    pub fn load(self) -> Result<Self, AccessError> {
        self.ranges.iter().for_each(MappedRange::populate);
        self.up_to_unreadable()
    }

    /// The records of a result that is in memory, in order; neighbours in the log share a range. Of those that an earlier
    /// process wrote, one that is damaged, or of another queue, is left out and reported. An error if one of those
    /// cannot be read.
    pub fn into_ranges(self) -> Result<Vec<MappedRange>, AccessError> {
        let Some(unverified) = self.unverified else { return Ok(self.ranges) };
        let mut taken = self.taken.iter().enumerate();
        let (mut record, mut kept) = (Vec::new(), Vec::with_capacity(self.ranges.len()));
        for range in self.ranges {
            let (mut from, mut at) = (0, 0);
            while at < range.len()
                && let Some((index, Taken { bytes, .. })) = taken.next()
            {
                let end = at + *bytes as usize;
                if index < unverified.count
                    && let Some(part) = range.slice(at..end)
                {
                    record.clear();
                    part.copy_to(&mut record)?;
                    if !unverified.is_sound(&record) {
                        kept.extend(range.slice(from..at));
                        from = end;
                    }
                }
                at = end;
            }
            kept.extend(range.slice(from..range.len()));
        }
        Ok(kept)
    }

    /// Copies of the ranges, for those who look into them: all, or an error. May wait for the disk; otherwise as
    /// [`into_ranges`](Self::into_ranges).
    pub fn into_copies(self) -> Result<Vec<Vec<u8>>, AccessError> {
        match self.first_unreadable() {
            Some((_, error)) => Err(error),
            None => self.into_ranges()?.iter().map(MappedRange::to_vec).collect(),
        }
    }
}

/// Records that an earlier process wrote: a disk may have changed them since, or the entries that point to them.
#[derive(Debug)]
pub(super) struct Unverified {
    topic: Arc<str>,
    queue_id: i32,
    multi_dispatch: MultiDispatch,
    /// How many there are.
    count: usize,
}

impl Unverified {
    pub(super) fn new(topic: Arc<str>, queue_id: i32, multi_dispatch: MultiDispatch) -> Self {
        Self { topic, queue_id, multi_dispatch, count: 0 }
    }

    fn is_of_queue(&self, message: &Message<'_>) -> bool {
        let (topic, queue_id) = (&*self.topic, self.queue_id);
        (message.topic == topic && message.queue_id == queue_id)
            || self
                .multi_dispatch
                .targets(message)
                .any(|target| target.topic == topic && target.queue_id == queue_id)
    }

    fn is_sound(&self, bytes: &[u8]) -> bool {
        let (topic, queue_id, size) = (&*self.topic, self.queue_id, bytes.len());
        match Record::decode(bytes) {
            Ok(Record::Message(record)) => {
                let offset = record.physical_offset;
                if record.size != size || !self.is_of_queue(&record.message) {
                    error!(
                        topic,
                        queue_id, offset, "a queue entry points to a message of another queue, left out"
                    );
                    return false;
                }
                if !record.body_is_intact() {
                    let queue_offset = record.queue_offset;
                    error!(
                        topic,
                        queue_id, queue_offset, offset, "a message does not match its checksum, left out"
                    );
                    return false;
                }
                true
            }
            _ => {
                error!(topic, queue_id, size, "a queue entry points to no message, left out");
                false
            }
        }
    }
}
