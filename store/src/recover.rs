//! Finding the log's end when the store opens, and bringing the queues in line with it
//! (`CommitLog.recoverNormally`, `recoverAbnormally`).

use std::sync::Arc;

use message::{Record, StoredMessage, property_crc};
use tracing::{error, info, warn};

use super::checkpoint::Checkpoint;
use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::consume_queue_store::ConsumeQueueStore;
use super::derive::Line;
use super::disk::Reserve;
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest, is_for_queue};
use super::error::AccessError;
use super::error::OpenError;
use super::layout::QueueEntry;
use super::mapped_file::{LogFile, PAGE_BYTES};
use super::probe::Trust;
use super::rebuild::Rebuild;
use super::window::{self, Found, Window, message_at, record_at};

pub struct Recovery<'a> {
    pub config: &'a MessageStoreConfig,
    pub log: &'a CommitLog,
    pub queues: &'a ConsumeQueueStore,
    pub checkpoint: &'a Checkpoint,
    /// What the last broker left of the queues on the disk: all, if it stopped as it should; else see [`queued_on_disk`].
    pub trust: Trust,
}

/// The queues have all that the log has up to the message at this offset, and have it on disk, as the checkpoint of a broker
/// that crashed says; -1 if it says nothing.
pub fn queued_on_disk(log: &CommitLog, checkpoint: &Checkpoint) -> Result<i64, AccessError> {
    let fields = checkpoint.fields();
    let noted = fields.logics_physical_offset;
    if noted > 0
        && let Some(file) = log.files.find(noted)
        && let at = (noted - file.start()) as usize
        && message_at(&file, at, file.len() - at, |message| message.physical_offset == noted)? == Some(true)
    {
        return Ok(noted);
    }
    // Java's broker of 4.9.7 notes times only; and what points to no message is not believed.
    for file in log.files.snapshot().iter().rev() {
        let is_queued = |first: &StoredMessage<'_>| {
            first.store_timestamp_ms <= fields.logics_msg_timestamp && first.body_is_intact()
        };
        if message_at(file, 0, file.len(), is_queued)? == Some(true) {
            return Ok(file.start());
        }
    }
    Ok(-1)
}

/// Where the walk through the log came to.
struct End {
    /// First byte that is no part of the log.
    offset: i64,
    /// Start and store time of the last record.
    last_record: Option<(i64, i64)>,
    /// Bytes stand there that are no record, as opposed to nothing.
    damaged: bool,
}

impl Recovery<'_> {
    /// The last broker stopped as it should.
    pub fn is_clean(&self) -> bool {
        self.trust == Trust::All
    }

    /// Brings log and queues in line; `rebuild` has the queues that lack files, and `queued_to` is where the log ended when all
    /// were noted, -1 if they were not.
    pub fn run(&self, line: &Line<'_>, rebuild: &Rebuild<'_>, queued_to: i64) -> Result<(), OpenError> {
        let files = self.log.files.snapshot();
        if files.is_empty() {
            self.queues.remove_all();
            return self.log.set_end(0).map_err(OpenError::io(self.config.commit_log_dir()));
        }
        // Messages from here on may be unknown to a queue, and those before to one that lacks files.
        let (dispatch_from, rebuilt_to) = match self.trust {
            Trust::All => {
                let from = self.queues.max_physical_offset()?.max(queued_to);
                (from, from)
            }
            Trust::UpTo(known_to) => (0, known_to),
        };
        rebuild.run(line, rebuilt_to).map_err(OpenError::io(self.config.root()))?;
        let first = self.first_file(&files)?;
        let start = self.start_in(&files[first])?;
        info!(offset = start, clean = self.is_clean(), "recovery begins");
        let end = self.walk(&files[first..], start, dispatch_from)?;
        info!(offset = end.offset, "recovery ends");
        self.checkpoint.update(|fields| {
            fields.confirm_phy_offset = end.last_record.map_or(start, |(offset, _)| offset);
            // Or the next recovery would take messages for known that are yet to come.
            if end.last_record.is_some() {
                fields.forget_behind(end.last_record);
            }
        });
        if let Some(error) = self.queues.broken() {
            return Err(error.into());
        }
        if self.queues.max_physical_offset()? >= end.offset {
            self.queues.truncate(end.offset)?;
        }
        self.cut_log(&end)?;
        rebuild.finish().map_err(OpenError::io(self.config.root()))?;
        if !self.is_clean() || !rebuild.is_empty() {
            self.queues.flush(0);
        }
        Ok(self.queues.settle(self.log.min_offset())?)
    }

    /// The last file that begins with a message that the queues are known to have (`isMappedFileMatchedRecover`). After a
    /// clean stop at most `commit_log_recover_max_num` files from the end; after a crash Java stops there too, whatever the
    /// queues then lack.
    fn first_file(&self, files: &[Arc<LogFile>]) -> Result<usize, OpenError> {
        let known_to = match (self.queues.max_physical_offset()?, self.trust) {
            // Queues were removed to have them built anew.
            (..0, _) => return Ok(0),
            (queued_to, Trust::All) => queued_to,
            (_, Trust::UpTo(known_to)) => known_to,
        };
        let looked_at = match self.is_clean() {
            true => self.config.commit_log_recover_max_num.clamp(1, files.len()),
            false => files.len(),
        };
        let oldest = files.len() - looked_at;
        for index in (oldest..files.len()).rev() {
            let file = &files[index];
            if file.start() > known_to {
                continue;
            }
            let is_sound =
                |first: &StoredMessage<'_>| first.store_timestamp_ms != 0 && first.body_is_intact();
            if message_at(file, 0, file.len(), is_sound)? == Some(true) {
                return Ok(index);
            }
        }
        Ok(oldest)
    }

    /// A message before which everything is in order, if one is known: no need to read the file from its start. After a
    /// clean stop the queues know it, else the checkpoint may.
    fn start_in(&self, file: &LogFile) -> Result<i64, AccessError> {
        let known = match self.is_clean() {
            true => self.queues.last_entry()?.map(|last| last.physical_offset),
            false => self.checkpoint.fields().durable(),
        };
        match known {
            Some(offset) if self.is_in_queue(file, offset)? => Ok(offset),
            _ => Ok(file.start()),
        }
    }

    /// Whether a message starts at `offset` and its queue points to it: both can be damaged.
    fn is_in_queue(&self, file: &LogFile, offset: i64) -> Result<bool, AccessError> {
        let Ok(at) = usize::try_from(offset - file.start()) else { return Ok(false) };
        let bytes = record_at(file, at, file.len().saturating_sub(at))?;
        let Some(Ok(Record::Message(record))) = bytes.as_deref().map(Record::decode) else {
            return Ok(false);
        };
        if record.physical_offset != offset {
            return Ok(false);
        }
        let message = &record.message;
        if !is_for_queue(message.sys_flag) {
            return Ok(true);
        }
        let entry = match self.queues.queue(&message.topic, message.queue_id) {
            Some(queue) => queue.entry(record.queue_offset)?,
            None => None,
        };
        let is_its = |entry: QueueEntry| {
            entry.physical_offset == offset && usize::try_from(entry.size) == Ok(record.size)
        };
        Ok(entry.is_some_and(is_its))
    }

    fn walk(&self, files: &[Arc<LogFile>], start: i64, dispatch_from: i64) -> Result<End, OpenError> {
        let mut end = End { offset: start, last_record: None, damaged: false };
        self.log.reaches(start);
        for file in files {
            if file.start() > end.offset {
                end.offset = file.start();
            }
            if !self.walk_file(file, dispatch_from, &mut end)? {
                break;
            }
        }
        Ok(end)
    }

    /// Walks to the end of a file. False if the log ends in it.
    fn walk_file(&self, file: &Arc<LogFile>, dispatch_from: i64, end: &mut End) -> Result<bool, OpenError> {
        let mut window = Window::default();
        loop {
            let at = (end.offset - file.start()) as usize;
            window.fill(file, at, file.len() - at);
            let before = end.offset;
            if let Some(goes_on) = self.walk_window(file, &window, dispatch_from, end)? {
                return Ok(goes_on);
            }
            if end.offset == before {
                return Ok(false);
            }
        }
    }

    /// Walks to the end of a window. False if the log ends in it, true if its file is left out from somewhere on.
    fn walk_window(
        &self,
        file: &LogFile,
        window: &Window,
        dispatch_from: i64,
        end: &mut End,
    ) -> Result<Option<bool>, OpenError> {
        let mut read = 0;
        loop {
            let mut record = match window.look(read)? {
                Found::Message(record) => record,
                Found::Blank => return Ok(Some(true)),
                Found::End => return Ok(None),
                Found::NoRecord(error) => {
                    let mut bytes = Vec::new();
                    let at = (end.offset - file.start()) as usize;
                    file.read_to(at, (file.len() - at).min(PAGE_BYTES), &mut bytes)?;
                    end.damaged = bytes.iter().any(|&byte| byte != 0);
                    if end.damaged {
                        warn!(%error, offset = end.offset, "the log is cut off here");
                    }
                    return Ok(Some(false));
                }
            };
            if is_torn(file, (end.offset - file.start()) as usize, &record)? {
                warn!(offset = end.offset, "the last record is not all there, the log is cut off here");
                end.damaged = true;
                return Ok(Some(false));
            }
            if !self.is_intact(&record, window.bytes(read)) {
                warn!(offset = end.offset, "record does not match its checksum, the log is cut off here");
                end.damaged = true;
                return Ok(Some(false));
            }
            // Where it stands counts, not what a flipped bit makes it say.
            record.physical_offset = end.offset;
            read += record.size;
            end.last_record = Some((end.offset, record.store_timestamp_ms));
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
        if self.is_clean() && !end.damaged {
            return Ok(());
        }
        // Else a record that was cut off could come back behind a new one that happens to end where it begins.
        if let Err(error) = self.log.files.disk().zero(last.path(), at, last.len() - at, Reserve::All) {
            error!(%error, path = %last.path().display(), "cannot clear the end of the log");
        }
        Ok(())
    }
}

/// Whether a record may lack its last bytes: those of its properties, which come last and have no checksum, are zeros at
/// its end, and no other record follows. Of a slave's log, or a crash, that is what is left of a record that had not come as
/// a whole; properties as a broker writes them do not end so.
fn is_torn(file: &LogFile, at: usize, record: &StoredMessage<'_>) -> Result<bool, AccessError> {
    if !record.message.properties.ends_with('\0') {
        return Ok(false);
    }
    Ok(!window::begins_at(file, at + record.size)?)
}
