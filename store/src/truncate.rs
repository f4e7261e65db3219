//! Cutting off the end of a slave's log while it is at work: what its new master does not have
//! (`DefaultMessageStore.truncateFiles`, `CommitLog.truncateDirtyFiles`).
//!
//! Bytes of the log that sockets were lent never change. So the file in which the log is cut is replaced by a copy of its begin,
//! and whoever reads the old one goes on. Reads of queue and log together that were under way find nothing.
//!
//! Whenever the process or the power fails, a start finds a sound log: first the checkpoint forgets what is cut off, then the copy
//! takes its file's place, which cuts the log, and then later files go, the last first. Queues and index follow the log, as
//! they do after any crash. Where something fails in the middle, the store gives up and leaves the rest to the next start.
//!
//! Lock order: `Shared::upkeep` (removal and flush of files), `Derive::turning`, `CommitLog::flushing`, the append lock, `next`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use process::threads::caught;
use tracing::info;

use super::commit_log::CommitLog;
use super::error::{AccessError, PutError};
use super::mapped_file::LogFile;
use super::replica::ReplicaError;
use super::tail::{NextFile, Tail};
use super::window::{Found, Window, message_at};
use super::{MessageStore, Shared};

/// What is left of a log that is cut.
struct Kept {
    /// Its end.
    end: i64,
    /// Where its last whole record ends: the one behind is cut in two.
    records_end: i64,
    /// Start and store time of a record among the last of it, if there is one: the first of a file.
    known: Option<(i64, i64)>,
}

impl MessageStore {
    /// Cuts off everything at `offset` and behind it, in log, queues and index; waits for the disk. `offset` may be any place of
    /// the log. No send may be under way that was accepted before the broker became a slave. After an error the log is as it
    /// was, or the store has given up.
    pub fn truncate(&self, offset: i64) -> Result<(), ReplicaError> {
        let Shared { log, derive, upkeep, safety, ahead, expire, queues, checkpoint, inventory, .. } =
            &*self.parts;
        let _no_upkeep = upkeep.lock();
        self.check_slave()?;
        let _no_turn = derive.hold();
        let flushing = log.flushing.lock();
        let mut tail = log.tail.lock();
        let mut next = log.next.lock();
        let (begin, end) = (log.min_offset(), log.max_offset());
        if offset == end {
            return Ok(());
        }
        if begin < 0 || !(begin..end).contains(&offset) {
            return Err(ReplicaError::OutOfLog { at: offset, begin, end });
        }
        let kept = log.kept(offset).map_err(failed)?;
        if !queues.flush(0) {
            return Err(ReplicaError::Disk("the queues cannot be brought to disk".to_owned()));
        }
        remove_ready(log, &mut next).map_err(failed)?;
        inventory.forget();
        checkpoint.update(|fields| fields.forget_behind(kept.known));
        checkpoint.flush().map_err(failed)?;
        let replaced = log.replace_last(offset).map_err(failed)?;
        let cut = caught(|| self.cut(&kept, replaced, &mut tail));
        let cut = cut.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        drop((next, tail));
        ahead.log_was_cut();
        expire.log_was_cut(offset);
        // Before anything more is flushed: what comes in the place of what they wait for is another's.
        safety.fail_from(offset);
        drop(flushing);
        derive.wake();
        if let Err(error) = cut {
            let why =
                format!("the log was cut at {offset}, but not all that follows from it is done: {error}");
            self.parts.give_up(&why);
            return Err(ReplicaError::Put(PutError::ServiceNotAvailable(why)));
        }
        info!(from = end, to = offset, "log cut off");
        Ok(())
    }

    /// The log is cut on the disk; or, if no file was replaced, is to be cut where a file begins.
    fn cut(&self, kept: &Kept, replaced: Option<Arc<LogFile>>, tail: &mut Tail) -> io::Result<()> {
        let Shared { log, derive, queues, index, .. } = &*self.parts;
        log.cuts.fetch_add(1, Ordering::SeqCst);
        derive.cut(kept.records_end, kept.known);
        log.cut(kept, replaced.as_deref(), tail)?;
        if log.files.len() == 0 {
            queues.remove_all();
        } else {
            queues.cut(kept.records_end)?;
            queues.settle(log.min_offset())?;
        }
        index.truncate(kept.records_end).map_err(io::Error::other)?;
        index.flush_all()?;
        log.cuts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn failed(error: impl Into<io::Error>) -> ReplicaError {
    ReplicaError::Disk(error.into().to_string())
}

/// The file that was made for when the last is full is not the one to come.
fn remove_ready(log: &CommitLog, next: &mut NextFile) -> io::Result<()> {
    let Some(ready) = next.ready.take() else { return Ok(()) };
    if let Err(error) = log.files.remove_unused(&ready) {
        next.ready = Some(ready);
        return Err(error);
    }
    log.files.sync_name(&ready)
}

impl CommitLog {
    fn kept(&self, offset: i64) -> Result<Kept, AccessError> {
        let records_end = self.records_end(offset)?;
        let mut known = None;
        for file in self.files.snapshot().iter().rev() {
            let Ok(len) = usize::try_from(records_end - file.start()) else { continue };
            known =
                message_at(file, 0, len.min(file.len()), |first| (file.start(), first.store_timestamp_ms))?;
            if known.is_some() {
                break;
            }
        }
        Ok(Kept { end: offset, records_end, known })
    }

    /// Where the last record ends that is whole before `offset`. Reads the file from its begin.
    fn records_end(&self, offset: i64) -> Result<i64, AccessError> {
        let mut end = self.floor(offset);
        let mut window = Window::default();
        loop {
            match self.rest_of_file(end, offset) {
                Some((file, at, len)) if len > 0 => window.fill(&file, at, len),
                _ => return Ok(end),
            }
            let mut read = 0;
            while let Found::Message(record) = window.look(read)? {
                read += record.size;
            }
            if read == 0 {
                return Ok(end);
            }
            end += read as i64;
        }
    }

    /// Cuts the file that holds `offset`, on the disk; the file before and the one after. `None` if a file begins there: none
    /// has to be cut.
    fn replace_last(&self, offset: i64) -> io::Result<Option<Arc<LogFile>>> {
        let Some(file) = self.files.find(offset).filter(|file| file.start() < offset) else {
            return Ok(None);
        };
        let copy = self.files.copy(&file, (offset - file.start()) as usize)?;
        self.files.replace(&file, &copy)?;
        Ok(Some(file))
    }

    /// Ends the log at `kept.end`, in memory and on the disk, where `replaced` is cut already.
    fn cut(&self, kept: &Kept, replaced: Option<&LogFile>, tail: &mut Tail) -> io::Result<()> {
        self.flushed_where.fetch_min(kept.end, Ordering::AcqRel);
        self.max_offset.store(kept.end, Ordering::Release);
        self.store_timestamp_ms
            .store(kept.known.map_or(0, |(_, timestamp_ms)| timestamp_ms), Ordering::Release);
        let last = replaced.map(|file| self.files.reopen(file)).transpose()?;
        let is_replaced = last.is_some();
        let taken = self.files.take_behind(kept.end, last);
        // There is one right to append to a file.
        *tail = Tail::default();
        *tail = Tail::at(self.files.last(), kept.end);
        if let Some(bytes) = tail.file().filter(|_| is_replaced).map(|file| file.len()) {
            tail.reserved_to = bytes;
        }
        for file in taken.iter().skip(usize::from(is_replaced)).rev() {
            self.files.remove_taken(file)?;
        }
        Ok(())
    }
}
