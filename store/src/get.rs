//! Reading a queue: `DefaultMessageStore.getMessage`.

mod records;
mod result;

use std::sync::Arc;

use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::consume_queue::ext::ExtUnit;
use super::error::AccessError;
use super::layout::QueueEntry;
use super::multi_dispatch::MultiDispatch;
use super::queue::{Queue, Unit, Units};
use super::topic_name::SCHEDULE_TOPIC_XXXX;
pub use records::Piece;
use records::Taken;
pub use result::GetMessageResult;
use result::Unverified;

/// How a read went (`GetMessageStatus`). The broker maps each to a response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetMessageStatus {
    /// There are messages.
    Found,
    /// There are entries, but the filter wants none of their messages.
    NoMatchedMessage,
    /// The log file that held the messages is being removed.
    MessageWasRemoving,
    /// Nothing stands at the offset, though it lies between the queue's ends.
    OffsetFoundNull,
    /// The offset lies beyond the queue's end.
    OffsetOverflowBadly,
    /// The offset is the queue's end: there is nothing new yet.
    OffsetOverflowOne,
    /// The offset lies before the queue's first message.
    OffsetTooSmall,
    /// Java's for a queue that does not exist; here that one has [no message](Self::NoMessageInQueue).
    NoMatchedLogicQueue,
    /// The queue has no message, nor had one, or does not exist.
    NoMessageInQueue,
}

impl GetMessageStatus {
    /// Java's constant: the remark of a pull reply.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "FOUND",
            Self::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            Self::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            Self::OffsetFoundNull => "OFFSET_FOUND_NULL",
            Self::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            Self::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            Self::OffsetTooSmall => "OFFSET_TOO_SMALL",
            Self::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            Self::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        }
    }
}

/// Decides which messages a read returns (`org.apache.rocketmq.store.MessageFilter`).
pub trait MessageFilter {
    /// By the tags code in the queue, before the record is touched.
    fn matches_queue_entry(&self, tags_code: i64) -> bool;

    /// By the tags code and what else the queue's extension says of the message.
    fn matches_ext(&self, unit: &ExtUnit<'_>) -> bool {
        self.matches_queue_entry(unit.tags_code)
    }

    /// Whether [`matches_record`](Self::matches_record) is to be asked: it costs a copy.
    fn looks_at_records(&self) -> bool {
        true
    }

    /// By the whole stored record ([`message::record::properties`] gives its properties).
    fn matches_record(&self, _record: &[u8]) -> bool {
        true
    }
}

/// The filter that lets everything through.
pub struct Everything;

impl MessageFilter for Everything {
    fn matches_queue_entry(&self, _tags_code: i64) -> bool {
        true
    }

    fn looks_at_records(&self) -> bool {
        false
    }
}

/// What to read. Counts and bytes are further bounded by the `max_transfer_*` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct GetRequest<'a> {
    /// The queue's topic.
    pub topic: &'a str,
    /// The queue within the topic.
    pub queue_id: i32,
    /// The queue offset to read from.
    pub offset: i64,
    /// Messages, at most, those within a batch counted singly; the first record comes whole whatever it holds.
    pub count_max: usize,
    /// Bytes of records; [`PULL_BYTES_MAX`] for none.
    pub bytes_max: usize,
}

/// `MAX_PULL_MSG_SIZE`: for requests without a limit of their own.
pub const PULL_BYTES_MAX: usize = 128 << 20;

/// What was written less than this many bytes ago, by this process, is taken to be in memory without asking the kernel.
const HOT_BYTES: i64 = 64 << 20;

/// One read of one queue.
pub(super) struct Get<'a> {
    pub config: &'a MessageStoreConfig,
    pub log: &'a CommitLog,
    pub queue: &'a Queue,
    pub request: GetRequest<'a>,
    pub filter: &'a dyn MessageFilter,
    /// Bytes of the log that Java takes to be in memory.
    pub memory_bytes: i64,
    /// Where the log ended when this process opened it.
    pub opened_at: i64,
}

/// How far scanning the queue has come.
struct Scan {
    result: GetMessageResult,
    log_end: i64,
    bytes_max: usize,
    /// Messages before this offset of the log are in a file that is being removed.
    removing_until: i64,
    last_physical_offset: i64,
    first_added: Option<i64>,
    /// A copy for the filter to look at.
    record: Vec<u8>,
}

impl Get<'_> {
    pub fn run(&self) -> Result<GetMessageResult, AccessError> {
        let offset = self.request.offset;
        let (min, max) = (self.queue.min_offset(), self.queue.max_offset());
        let (status, next) = if max == 0 {
            (GetMessageStatus::NoMessageInQueue, 0)
        } else if offset < min {
            (GetMessageStatus::OffsetTooSmall, min)
        } else if offset == max {
            (GetMessageStatus::OffsetOverflowOne, offset)
        } else if offset > max {
            (GetMessageStatus::OffsetOverflowBadly, max)
        } else {
            return self.read(min, max);
        };
        Ok(GetMessageResult::empty(status, corrected(self.config, offset, next), min, max))
    }

    fn read(&self, min: i64, max: i64) -> Result<GetMessageResult, AccessError> {
        let mut scan = Scan {
            result: GetMessageResult::empty(
                GetMessageStatus::NoMatchedMessage,
                self.request.offset,
                min,
                max,
            ),
            log_end: self.log.max_offset(),
            bytes_max: self.request.bytes_max.clamp(100, PULL_BYTES_MAX),
            removing_until: i64::MIN,
            last_physical_offset: 0,
            first_added: None,
            record: Vec::new(),
        };
        let mut files = 0;
        while scan.result.bytes == 0
            && scan.result.next_begin_offset < max
            && files < self.config.travel_cq_file_num_when_get_message
        {
            files += 1;
            let next = scan.result.next_begin_offset;
            let Some(units) = self.queue.units(next)? else {
                // Messages may have expired since we looked: what is left begins before the next file.
                let min = self.queue.min_offset();
                if next < min {
                    let corrected = corrected(self.config, next, min);
                    let status = GetMessageStatus::OffsetTooSmall;
                    return Ok(GetMessageResult::empty(status, corrected, min, max));
                }
                scan.result.status = GetMessageStatus::OffsetFoundNull;
                let rolled = self.queue.roll_next_file(next);
                scan.result.next_begin_offset = corrected(self.config, next, rolled);
                break;
            };
            self.scan(units, &mut scan)?;
        }
        scan.result.suggest_pulling_from_slave = scan.log_end - scan.last_physical_offset > self.memory_bytes;
        scan.result.resident = self.is_resident(&scan);
        match scan.result.resident {
            true => scan.result.up_to_cut(),
            false => Ok(scan.result),
        }
    }

    fn scan(&self, units: Units, scan: &mut Scan) -> Result<(), AccessError> {
        let entry_bytes = self.queue.entry_bytes();
        // As Java computes it, where a count beyond all reason counts for nothing.
        let wanted_bytes = (self.request.count_max as i32).wrapping_mul(entry_bytes as i32);
        let scanned_bytes_max = (self.config.max_filter_message_size_bytes as i64).max(wanted_bytes.into());
        for unit in units {
            let unit = match unit {
                Err(error) if scan.result.message_count == 0 => return Err(error),
                // What was found before is served.
                Err(_) => break,
                Ok(unit) => unit,
            };
            let scanned_bytes = (unit.queue_offset - self.request.offset) * entry_bytes as i64;
            if unit.queue_offset >= scan.result.max_offset
                || scanned_bytes >= scanned_bytes_max
                || self.is_full(scan, &unit)
                || scan.result.bytes >= scan.bytes_max
            {
                break;
            }
            scan.last_physical_offset = unit.entry.physical_offset;
            scan.result.next_begin_offset = unit.queue_offset + unit.batch_num;
            if unit.entry.physical_offset >= scan.removing_until {
                match self.take(unit, scan) {
                    Err(error) if scan.result.message_count == 0 => return Err(error),
                    Err(_) => {
                        scan.result.next_begin_offset = unit.queue_offset;
                        break;
                    }
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    fn take(&self, unit: Unit, scan: &mut Scan) -> Result<(), AccessError> {
        let entry = unit.entry;
        let nothing_yet = scan.result.bytes == 0;
        if !self.matches_entry(&entry)? {
            if nothing_yet {
                scan.result.status = GetMessageStatus::NoMatchedMessage;
            }
            return Ok(());
        }
        let size = usize::try_from(entry.size).ok().filter(|size| *size > 0);
        let of = (unit.queue_offset, unit.batch_num as usize);
        let records = &mut scan.result.records;
        let taken = size.and_then(|size| records.locate(self.log, entry.physical_offset, size, of));
        let Some(taken) = taken else {
            if nothing_yet {
                scan.result.status = GetMessageStatus::MessageWasRemoving;
            }
            scan.removing_until = self.log.roll_next_file(entry.physical_offset);
            return Ok(());
        };
        if self.filter.looks_at_records() && !self.matches_record(&taken, scan)? {
            if nothing_yet {
                scan.result.status = GetMessageStatus::NoMatchedMessage;
            }
            return Ok(());
        }
        scan.first_added.get_or_insert(entry.physical_offset);
        if entry.physical_offset < self.opened_at {
            scan.result.is_unverified(|| self.unverified());
        }
        scan.result.add(taken);
        scan.removing_until = i64::MIN;
        Ok(())
    }

    fn matches_record(&self, taken: &Taken, scan: &mut Scan) -> Result<bool, AccessError> {
        let records = &scan.result.records;
        records.check(taken)?;
        scan.record.clear();
        records.copy(taken, &mut scan.record)?;
        Ok(self.filter.matches_record(&scan.record))
    }

    fn matches_entry(&self, entry: &QueueEntry) -> Result<bool, AccessError> {
        if let Some(hash) = entry.tags_hash() {
            return Ok(self.filter.matches_queue_entry(hash));
        }
        match self.queue.look_ext(entry, |unit| self.filter.matches_ext(&unit))? {
            Some(matches) => Ok(matches),
            None => self.matches_lost_unit(entry),
        }
    }

    /// Where nothing says the tags, the client looks at them. A delayed message must not come too early, though.
    #[cold]
    fn matches_lost_unit(&self, entry: &QueueEntry) -> Result<bool, AccessError> {
        if self.request.topic != SCHEDULE_TOPIC_XXXX {
            return Ok(true);
        }
        let size = usize::try_from(entry.size).unwrap_or(0);
        let store_timestamp_ms = self.log.pickup_store_timestamp(entry.physical_offset, size)?;
        let deliver_ms = self
            .config
            .message_delay_level
            .deliver_timestamp_ms(self.request.queue_id + 1, store_timestamp_ms);
        Ok(deliver_ms.is_none_or(|deliver_ms| self.filter.matches_queue_entry(deliver_ms)))
    }

    fn unverified(&self) -> Unverified {
        let (topic, queue_id) = (Arc::clone(self.queue.topic()), self.queue.queue_id());
        Unverified::new(topic, queue_id, MultiDispatch::of(self.config))
    }

    /// `DefaultMessageStore.isTheBatchFull`: never before the first message.
    fn is_full(&self, scan: &Scan, unit: &Unit) -> bool {
        let entry = &unit.entry;
        let GetMessageResult { bytes, message_count, .. } = scan.result;
        if bytes == 0 || message_count == 0 {
            return false;
        }
        let bytes = bytes.saturating_add(entry.size.max(0) as usize);
        if message_count + unit.batch_num as usize > self.request.count_max || bytes > scan.bytes_max {
            return true;
        }
        let config = self.config;
        let in_memory = scan.log_end - entry.physical_offset <= self.memory_bytes;
        let (bytes_max, count_max) = match in_memory {
            true => (
                config.max_transfer_bytes_on_message_in_memory,
                config.max_transfer_count_on_message_in_memory,
            ),
            false => {
                (config.max_transfer_bytes_on_message_in_disk, config.max_transfer_count_on_message_in_disk)
            }
        };
        bytes > bytes_max || message_count >= count_max
    }

    fn is_resident(&self, scan: &Scan) -> bool {
        scan.first_added.is_none_or(|first| is_hot(first, self.opened_at, scan.log_end))
            || scan.result.records.are_resident()
    }
}

/// Whether a record is in memory for certain.
pub(super) fn is_hot(physical_offset: i64, opened_at: i64, log_end: i64) -> bool {
    physical_offset >= opened_at.max(log_end - HOT_BYTES)
}

/// `nextOffsetCorrection`: a slave leaves wrong offsets as they are unless told otherwise.
pub(super) fn corrected(config: &MessageStoreConfig, old: i64, new: i64) -> i64 {
    if config.is_slave() && !config.offset_check_in_slave { old } else { new }
}
