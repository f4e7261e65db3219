//! Reading a queue: `DefaultMessageStore.getMessage`.

use std::io;
use std::sync::Arc;

use message::{Message, Record};
use tracing::error;

use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::consume_queue::ext::ExtUnit;
use super::layout::QueueEntry;
use super::mapped_file::MappedRange;
use super::multi_dispatch::MultiDispatch;
use super::queue::{Queue, Unit, Units};
use super::topic_name::SCHEDULE_TOPIC_XXXX;

/// How a read went (`GetMessageStatus`). The broker maps each to a response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetMessageStatus {
    Found,
    NoMatchedMessage,
    MessageWasRemoving,
    OffsetFoundNull,
    OffsetOverflowBadly,
    OffsetOverflowOne,
    OffsetTooSmall,
    NoMatchedLogicQueue,
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
}

/// What to read. Counts and bytes are further bounded by the `max_transfer_*` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct GetRequest<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub count_max: usize,
    /// Bytes of records; [`PULL_BYTES_MAX`] for none.
    pub bytes_max: usize,
}

/// `MAX_PULL_MSG_SIZE`: for requests without a limit of their own.
pub const PULL_BYTES_MAX: usize = 128 << 20;

/// What was read (`GetMessageResult`).
#[derive(Debug)]
pub struct GetMessageResult {
    pub status: GetMessageStatus,
    pub next_begin_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    pub suggest_pulling_from_slave: bool,
    /// The records, in order; neighbours in the log share a range.
    pub(super) ranges: Vec<MappedRange>,
    pub message_count: usize,
    /// Bytes of all ranges.
    pub bytes: usize,
    /// Whether the ranges are in memory; if not, sending them may wait for the disk.
    pub resident: bool,
    /// What the first records must turn out to be; none if this process wrote them all.
    unverified: Option<Unverified>,
}

/// Records that an earlier process wrote: a disk may have changed them since, or the entries that point to them.
#[derive(Debug)]
struct Unverified {
    topic: Arc<str>,
    queue_id: i32,
    multi_dispatch: MultiDispatch,
    /// Of each record in bytes.
    sizes: Vec<usize>,
}

/// What was written less than this many bytes ago, by this process, is taken to be in memory without asking the kernel.
const HOT_BYTES: i64 = 64 << 20;

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
            unverified: None,
        }
    }

    /// The records, in order; neighbours in the log share a range. Those that an earlier process wrote are looked at
    /// here, which may wait for the disk unless [`resident`](Self::resident): one that is damaged, or of another queue, is
    /// left out and reported.
    pub fn into_ranges(mut self) -> Vec<MappedRange> {
        match self.unverified.take() {
            Some(unverified) => unverified.leave_out_damaged(self.ranges),
            None => self.ranges,
        }
    }

    /// Brings the messages into memory: see [`MappedRange::load`].
    pub fn load(&self) -> io::Result<()> {
        self.ranges.iter().try_for_each(MappedRange::load)
    }

    fn add(&mut self, range: MappedRange, batch_num: i64) {
        self.bytes += range.len();
        self.message_count += batch_num as usize;
        self.status = GetMessageStatus::Found;
        let apart = match self.ranges.last_mut() {
            Some(last) => last.join(range).err(),
            None => Some(range),
        };
        self.ranges.extend(apart);
    }
}

impl Unverified {
    fn leave_out_damaged(&self, ranges: Vec<MappedRange>) -> Vec<MappedRange> {
        let mut sizes = self.sizes.iter().copied();
        let mut kept = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut from = 0;
            let mut at = 0;
            while at < range.len()
                && let Some(size) = sizes.next()
            {
                if !self.is_sound(&range.as_ref()[at..at + size]) {
                    kept.extend(range.slice(from..at));
                    from = at + size;
                }
                at += size;
            }
            kept.extend(range.slice(from..range.len()));
        }
        kept
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
}

impl Get<'_> {
    pub fn run(&self) -> GetMessageResult {
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
        GetMessageResult::empty(status, corrected(self.config, offset, next), min, max)
    }

    fn read(&self, min: i64, max: i64) -> GetMessageResult {
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
        };
        let mut files = 0;
        while scan.result.bytes == 0
            && scan.result.next_begin_offset < max
            && files < self.config.travel_cq_file_num_when_get_message
        {
            files += 1;
            let next = scan.result.next_begin_offset;
            let Some(units) = self.queue.units(next) else {
                // Messages may have expired since we looked: what is left begins before the next file.
                let min = self.queue.min_offset();
                if next < min {
                    let corrected = corrected(self.config, next, min);
                    return GetMessageResult::empty(GetMessageStatus::OffsetTooSmall, corrected, min, max);
                }
                scan.result.status = GetMessageStatus::OffsetFoundNull;
                let rolled = self.queue.roll_next_file(next);
                scan.result.next_begin_offset = corrected(self.config, next, rolled);
                break;
            };
            self.scan(units, &mut scan);
        }
        scan.result.suggest_pulling_from_slave = scan.log_end - scan.last_physical_offset > self.memory_bytes;
        scan.result.resident = self.is_resident(&scan);
        scan.result
    }

    fn scan(&self, units: Units, scan: &mut Scan) {
        let entry_bytes = self.queue.entry_bytes();
        // As Java computes it, where a count beyond all reason counts for nothing.
        let wanted_bytes = (self.request.count_max as i32).wrapping_mul(entry_bytes as i32);
        let scanned_bytes_max = (self.config.max_filter_message_size_bytes as i64).max(wanted_bytes.into());
        for unit in units {
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
                self.take(unit, scan);
            }
        }
    }

    fn take(&self, unit: Unit, scan: &mut Scan) {
        let entry = unit.entry;
        let nothing_yet = scan.result.bytes == 0;
        if !self.matches_entry(&entry) {
            if nothing_yet {
                scan.result.status = GetMessageStatus::NoMatchedMessage;
            }
            return;
        }
        let range =
            usize::try_from(entry.size).ok().and_then(|size| self.log.range(entry.physical_offset, size));
        let Some(range) = range else {
            if nothing_yet {
                scan.result.status = GetMessageStatus::MessageWasRemoving;
            }
            scan.removing_until = self.log.roll_next_file(entry.physical_offset);
            return;
        };
        if !self.filter.matches_record(range.as_ref()) {
            if nothing_yet {
                scan.result.status = GetMessageStatus::NoMatchedMessage;
            }
            return;
        }
        scan.first_added.get_or_insert(entry.physical_offset);
        if entry.physical_offset < self.opened_at {
            let unverified = scan.result.unverified.get_or_insert_with(|| self.unverified());
            unverified.sizes.push(range.len());
        }
        scan.result.add(range, unit.batch_num);
        scan.removing_until = i64::MIN;
    }

    fn matches_entry(&self, entry: &QueueEntry) -> bool {
        match entry.tags_hash() {
            Some(hash) => self.filter.matches_queue_entry(hash),
            None => {
                let matched = self.queue.look_ext(entry, |unit| self.filter.matches_ext(&unit));
                matched.unwrap_or_else(|| self.matches_lost_unit(entry))
            }
        }
    }

    /// Where nothing says the tags, the client looks at them. A delayed message must not come too early, though.
    #[cold]
    fn matches_lost_unit(&self, entry: &QueueEntry) -> bool {
        if self.request.topic != SCHEDULE_TOPIC_XXXX {
            return true;
        }
        let size = usize::try_from(entry.size).unwrap_or(0);
        let store_timestamp_ms = self.log.pickup_store_timestamp(entry.physical_offset, size);
        let deliver_ms = self
            .config
            .message_delay_level
            .deliver_timestamp_ms(self.request.queue_id + 1, store_timestamp_ms);
        deliver_ms.is_none_or(|deliver_ms| self.filter.matches_queue_entry(deliver_ms))
    }

    fn unverified(&self) -> Unverified {
        let (topic, queue_id) = (Arc::clone(self.queue.topic()), self.queue.queue_id());
        Unverified { topic, queue_id, multi_dispatch: MultiDispatch::of(self.config), sizes: Vec::new() }
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
            || MappedRange::are_resident(&scan.result.ranges)
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
