//! What a read has found, on its way to whoever asked.

use std::sync::Arc;

use message::{Message, Record};
use tracing::error;

use super::GetMessageStatus;
use super::records::{Piece, Records, Taken};
use crate::error::AccessError;
use crate::multi_dispatch::MultiDispatch;

/// What was read (`GetMessageResult`).
#[derive(Debug)]
pub struct GetMessageResult {
    /// How the read went; there are records only where it [found](GetMessageStatus::Found) messages.
    pub status: GetMessageStatus,
    /// The queue offset to read from next; for one beyond the queue's ends, the end that is right.
    pub next_begin_offset: i64,
    /// The queue's first offset when the read began.
    pub min_offset: i64,
    /// The queue's end when the read began: the offset that its next message gets.
    pub max_offset: i64,
    /// What was read lies farther from the log's end than Java takes memory to reach (`isSuggestPullingFromSlave`).
    pub suggest_pulling_from_slave: bool,
    /// Messages in all records, those within a batch counted singly.
    pub message_count: usize,
    /// Bytes of all records.
    pub bytes: usize,
    /// Whether the records are in memory; if not, the result is to be [loaded](Self::load), which may wait for the disk.
    pub resident: bool,
    pub(super) records: Records,
    /// What the first records must turn out to be; none if this process wrote them all.
    unverified: Option<Unverified>,
}

impl GetMessageResult {
    /// A result without messages.
    pub fn empty(status: GetMessageStatus, next_begin_offset: i64, min_offset: i64, max_offset: i64) -> Self {
        Self {
            status,
            next_begin_offset,
            min_offset,
            max_offset,
            suggest_pulling_from_slave: false,
            message_count: 0,
            bytes: 0,
            resident: true,
            records: Records::default(),
            unverified: None,
        }
    }

    pub(super) fn add(&mut self, taken: Taken) {
        self.bytes += taken.bytes;
        self.message_count += taken.messages;
        self.status = GetMessageStatus::Found;
        self.records.push(taken);
    }

    /// The record that is added next was written by an earlier process.
    pub(super) fn is_unverified(&mut self, unverified: impl FnOnce() -> Unverified) {
        self.unverified.get_or_insert_with(unverified).count += 1;
    }

    /// As [`up_to_unreadable`](Self::up_to_unreadable), of records that are in memory: there they can be read but where a file
    /// was cut, and then the last record of that file cannot.
    pub(super) fn up_to_cut(self) -> Result<Self, AccessError> {
        match self.records.is_any_cut() {
            false => Ok(self),
            true => self.up_to_unreadable(),
        }
    }

    /// Ends the result before the first record that cannot be read. An error if that is the first of all.
    pub(super) fn up_to_unreadable(mut self) -> Result<Self, AccessError> {
        let Some((count, error)) = self.records.first_unreadable() else { return Ok(self) };
        match self.records.get(count) {
            Some(first) if count > 0 => self.next_begin_offset = first.queue_offset,
            _ => return Err(error),
        }
        self.records.truncate(count);
        (self.message_count, self.bytes) = (self.records.messages(), self.records.bytes());
        Ok(self)
    }

    /// Brings the messages into memory, up to the first that cannot be read; an error if none can. Waits for the disk.
    pub fn load(self) -> Result<Self, AccessError> {
        self.records.populate();
        self.up_to_unreadable()
    }

    /// The records of a result that is in memory, in order. Neighbours in the log go out where they lie if `in_place` says so of
    /// their bytes, all others are copied together. Of those that an earlier process wrote, one that is damaged, or of another
    /// queue, is left out and reported. An error if one that is looked at cannot be read.
    pub fn into_pieces(mut self, in_place: impl Fn(usize) -> bool) -> Result<Vec<Piece>, AccessError> {
        if let Some(unverified) = self.unverified {
            self.records.retain_first(unverified.count, |record| unverified.is_sound(record))?;
        }
        self.records.into_pieces(in_place)
    }

    /// A copy of the records, one behind the other, for those who look into them: of all, or an error. May wait for the disk;
    /// otherwise as [`into_pieces`](Self::into_pieces).
    pub fn into_copy(self) -> Result<Vec<u8>, AccessError> {
        if let Some((_, error)) = self.records.first_unreadable() {
            return Err(error);
        }
        match self.into_pieces(|_| false)?.pop() {
            Some(Piece::Copied(copy)) => Ok(copy),
            _ => Ok(Vec::new()),
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
