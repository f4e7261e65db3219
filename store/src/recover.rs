//! Finding the log's end when the store opens, and bringing the queues in line with it
//! (`CommitLog.recoverNormally`, `recoverAbnormally`).

use std::sync::Arc;

use message::{Record, StoredMessage, property_crc};
use tracing::{error, info, warn};

use super::checkpoint::Checkpoint;
use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::consume_queue_store::ConsumeQueueStore;
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest, is_for_queue};
use super::error::OpenError;
use super::layout::QueueEntry;
use super::mapped_file::{self, MappedFile, Reserve};

pub struct Recovery<'a> {
    pub config: &'a MessageStoreConfig,
    pub log: &'a CommitLog,
    pub queues: &'a ConsumeQueueStore,
    pub checkpoint: &'a Checkpoint,
    /// The last broker stopped as it should.
    pub clean: bool,
}

/// Where the walk through the log came to.
struct End {
    /// First byte that is no part of the log.
    offset: i64,
    last_record: Option<i64>,
    /// Bytes stand there that are no record, as opposed to nothing.
    damaged: bool,
}

impl Recovery<'_> {
    pub fn run(&self) -> Result<(), OpenError> {
        let files = self.log.files.snapshot();
        if files.is_empty() {
            self.queues.remove_all();
            return self.log.set_end(0).map_err(OpenError::io(self.config.commit_log_dir()));
        }
        // Messages from here on may be unknown to a queue.
        let dispatch_from = match self.clean {
            true => self.queues.max_physical_offset(),
            false => 0,
        };
        let first = self.first_file(&files);
        let start = self.start_in(&files[first]);
        info!(offset = start, clean = self.clean, "recovery begins");
        let end = self.walk(&files[first..], start, dispatch_from)?;
        info!(offset = end.offset, "recovery ends");
        self.checkpoint.update(|fields| fields.confirm_phy_offset = end.last_record.unwrap_or(start));
        if self.queues.max_physical_offset() >= end.offset {
            self.queues.truncate(end.offset)?;
        }
        self.cut_log(&end)?;
        if !self.clean {
            self.queues.flush(0);
        }
        self.queues.settle(self.log.min_offset());
        Ok(())
    }

    /// The last file that begins with a message that the queues are known to have; at most `commit_log_recover_max_num`
    /// files from the end (`isMappedFileMatchedRecover`).
    fn first_file(&self, files: &[Arc<MappedFile>]) -> usize {
        if self.queues.max_physical_offset() < 0 {
            // ConsumeQueueStore were removed to have them built anew.
            return 0;
        }
        let looked_at = self.config.commit_log_recover_max_num.clamp(1, files.len());
        let oldest = files.len() - looked_at;
        let known = |index: &usize| first_record(&files[*index]).is_some_and(|record| self.is_known(&record));
        (oldest..files.len()).rev().find(known).unwrap_or(oldest)
    }

    fn is_known(&self, record: &StoredMessage<'_>) -> bool {
        if record.store_timestamp_ms == 0 || !record.body_is_intact() {
            return false;
        }
        let fields = self.checkpoint.fields();
        match self.clean {
            true => record.physical_offset <= self.queues.max_physical_offset(),
            // A checkpoint of 4.9.7 has times only.
            false if fields.logics_physical_offset <= 0 => {
                record.store_timestamp_ms <= fields.logics_msg_timestamp
            }
            false => record.physical_offset <= fields.logics_physical_offset,
        }
    }

    /// A message before which everything is in order, if one is known: no need to read the file from its start. After a
    /// clean stop the queues know it, else the checkpoint may.
    fn start_in(&self, file: &MappedFile) -> i64 {
        let known = match self.clean {
            true => self.queues.last_entry().map(|last| last.physical_offset),
            false => self.checkpoint.fields().durable(),
        };
        known.filter(|&offset| self.is_in_queue(file, offset)).unwrap_or(file.start())
    }

    /// Whether a message starts at `offset` and its queue points to it: both can be damaged.
    fn is_in_queue(&self, file: &MappedFile, offset: i64) -> bool {
        let Ok(at) = usize::try_from(offset - file.start()) else { return false };
        let bytes = file.read(at, file.len().saturating_sub(at));
        let Some(Ok(Record::Message(record))) = bytes.map(Record::decode) else { return false };
        let message = &record.message;
        let is_entry = |entry: QueueEntry| {
            entry.physical_offset == offset && usize::try_from(entry.size) == Ok(record.size)
        };
        record.physical_offset == offset
            && (!is_for_queue(message.sys_flag)
                || self
                    .queues
                    .queue(&message.topic, message.queue_id)
                    .and_then(|queue| queue.entry(record.queue_offset))
                    .is_some_and(is_entry))
    }

    fn walk(&self, files: &[Arc<MappedFile>], start: i64, dispatch_from: i64) -> Result<End, OpenError> {
        let mut end = End { offset: start, last_record: None, damaged: false };
        self.log.reaches(start);
        for file in files {
            if file.start() > end.offset {
                end.offset = file.start();
            }
            let at = (end.offset - file.start()) as usize;
            let bytes = file.read(at, file.len() - at).unwrap_or_default();
            if !self.walk_file(bytes, dispatch_from, &mut end)? {
                break;
            }
        }
        Ok(end)
    }

    /// Walks to the end of a file. False if the log ends in it.
    fn walk_file(&self, bytes: &[u8], dispatch_from: i64, end: &mut End) -> Result<bool, OpenError> {
        let mut read = 0;
        loop {
            let mut record = match Record::decode(&bytes[read..]) {
                Ok(Record::Message(record)) => record,
                Ok(Record::Blank) => return Ok(true),
                Err(error) => {
                    end.damaged = bytes[read..].iter().take(mapped_file::PAGE_BYTES).any(|&byte| byte != 0);
                    if end.damaged {
                        warn!(%error, offset = end.offset, "the log is cut off here");
                    }
                    return Ok(false);
                }
            };
            if !self.is_intact(&record, &bytes[read..]) {
                warn!(offset = end.offset, "record does not match its checksum, the log is cut off here");
                end.damaged = true;
                return Ok(false);
            }
            // Where it stands counts, not what a flipped bit makes it say.
            record.physical_offset = end.offset;
            read += record.size;
            end.last_record = Some(end.offset);
            end.offset += record.size as i64;
            self.log.reaches(end.offset);
            if record.physical_offset >= dispatch_from {
                let told = self.queues.dispatch(&DispatchRequest::new(self.config, record));
                told.map_err(OpenError::io(self.config.root()))?;
            }
        }
    }

    /// `bytes` begins with the record.
    fn is_intact(&self, record: &StoredMessage<'_>, bytes: &[u8]) -> bool {
        match (self.config.check_crc_on_recover, self.config.force_verify_prop_crc) {
            (false, _) => true,
            (true, false) => record.body_is_intact(),
            (true, true) => property_crc::is_intact(&bytes[..record.size], &record.message.properties),
        }
    }

    fn cut_log(&self, end: &End) -> Result<(), OpenError> {
        let dir = self.config.commit_log_dir();
        self.log.set_end(end.offset).map_err(OpenError::io(&dir))?;
        let Some(last) = self.log.files.last() else { return Ok(()) };
        let at = usize::try_from(end.offset - last.start()).unwrap_or(0).min(last.len());
        if self.clean && !end.damaged {
            return Ok(());
        }
        // Else a record that was cut off could come back behind a new one that happens to end where it begins.
        let path = self.log.files.path(&last);
        if let Err(error) = mapped_file::zero(&path, at, last.len() - at, Reserve::All) {
            error!(%error, path = %path.display(), "cannot clear the end of the log");
        }
        Ok(())
    }
}

fn first_record(file: &MappedFile) -> Option<StoredMessage<'_>> {
    match Record::decode(file.read(0, file.len())?) {
        Ok(Record::Message(record)) => Some(record),
        _ => None,
    }
}
