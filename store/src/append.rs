//! Appending to the log: one short lock, under which records get their place and are copied
//! (`CommitLog.asyncPutMessage`, `DefaultAppendMessageCallback.doAppend`).
//!
//! Whatever may wait is done elsewhere: records are encoded before the lock, and a thread makes the next file and touches
//! pages ahead of the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use message::RecordPatch;
use message::record::MAGIC_BLANK;
use parking_lot::{Condvar, Mutex};
use tracing::error;

use super::commit_log::CommitLog;
use super::consume_queue::RETIRED;
use super::error::PutError;
use super::layout::BLANK_BYTES;
use super::mapped_file::LogFile;
use super::tail::{RETRY_AFTER, Tail};
use super::threads::PanicPoint;

/// Where records were put.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Of the first record.
    pub physical_offset: i64,
    /// Of the first record.
    pub queue_offset: i64,
    pub store_timestamp_ms: i64,
}

impl CommitLog {
    /// Puts encoded records, one behind another in `buffer`, at the end of the log, in one file. Each takes the next
    /// offset of its queue from `queue_offset`; with `None` (prepared and rolled back transactions) all get 0.
    pub fn append(
        &self,
        buffer: &mut [u8],
        records: &[RecordPatch],
        queue_offset: Option<&AtomicI64>,
    ) -> Result<Placed, PutError> {
        if buffer.len() + BLANK_BYTES > self.files.file_bytes() {
            return Err(PutError::MessageIllegal(format!("{} bytes do not fit a log file", buffer.len())));
        }
        let mut tail = self.tail.lock();
        let now_ms = self.clock.wall_ms();
        self.locked_since_ms.store(now_ms, Ordering::Relaxed);
        let placed = self.append_locked(&mut tail, buffer, records, queue_offset, now_ms);
        if placed.is_ok() {
            self.counters.put(records.len(), buffer.len());
        }
        self.locked_since_ms.store(0, Ordering::Relaxed);
        drop(tail);
        placed.inspect_err(|_| self.counters.put_failed())
    }

    fn append_locked(
        &self,
        tail: &mut Tail,
        buffer: &mut [u8],
        records: &[RecordPatch],
        queue_offset: Option<&AtomicI64>,
        now_ms: i64,
    ) -> Result<Placed, PutError> {
        let physical_offset = self.room(tail, buffer.len())?;
        let first = queue_offset.map_or(0, |next| next.load(Ordering::Relaxed));
        if first == RETIRED {
            // Between its being found and the lock. The client tries again, with the queue that takes its place.
            return Err(PutError::ServiceNotAvailable("queue removed".to_owned()));
        }
        for (index, record) in records.iter().enumerate() {
            let queue_offset = if queue_offset.is_some() { first + index as i64 } else { 0 };
            record.place(buffer, queue_offset, physical_offset + record.at as i64, now_ms);
        }
        tail.append(buffer)?;
        if let Some(next) = queue_offset {
            next.store(first + records.len() as i64, Ordering::Relaxed);
        }
        self.store_timestamp_ms.store(now_ms, Ordering::Release);
        self.max_offset.store(physical_offset + buffer.len() as i64, Ordering::Release);
        Ok(Placed { physical_offset, queue_offset: first, store_timestamp_ms: now_ms })
    }

    /// Where `bytes` more bytes go, for which there is room then; rolls to the next file where they do not fit.
    fn room(&self, tail: &mut Tail, bytes: usize) -> Result<i64, PutError> {
        let end = self.max_offset.load(Ordering::Relaxed);
        let needed = tail.file().map(|file| (end - file.start()) as usize + bytes + BLANK_BYTES);
        let fits = tail.file().zip(needed).is_some_and(|(file, needed)| needed <= file.len());
        if let Some(needed) = needed.filter(|&needed| fits && needed > tail.reserved_to) {
            tail.reserve_for_append(needed)?;
        }
        if !fits {
            self.roll(tail, end)?;
        }
        Ok(self.max_offset.load(Ordering::Relaxed))
    }

    /// Closes the present file with a blank record and goes on at the start of the next. Nothing changes if that cannot
    /// be made.
    fn roll(&self, tail: &mut Tail, end: i64) -> Result<(), PutError> {
        let file_bytes = self.files.file_bytes() as i64;
        let start = tail.file().map_or(end - end % file_bytes, |file| file.start() + file_bytes);
        // The blank's blocks come with every record of ours; but the file may end with one of Java's.
        let needed = tail.file().map_or(0, |file| (end - file.start()) as usize + BLANK_BYTES);
        if end < start && needed > tail.reserved_to {
            tail.reserve_for_append(needed)?;
        }
        let mut next_file = self.next.lock();
        let next = next_file.take(&self.files, start)?;
        if end < start {
            let mut blank = [0; BLANK_BYTES];
            blank[..4].copy_from_slice(&((start - end) as i32).to_be_bytes());
            blank[4..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
            let room = BLANK_BYTES.min((start - end) as usize);
            if let Err(error) = tail.append(&blank[..room]) {
                next_file.ready = Some(next);
                return Err(error);
            }
        }
        self.files.push(Arc::clone(&next));
        *tail = Tail::reserved(next);
        self.max_offset.store(start, Ordering::Release);
        Ok(())
    }

    /// Reserves disk blocks before the first append has to. A full disk is no error yet: an append tries again.
    pub fn prepare_tail(&self) {
        let mut tail = self.tail.lock();
        let at = tail.file().map_or(0, |file| (self.max_offset() - file.start()) as usize);
        if let Some(needed) = tail.file().map(|file| (at + BLANK_BYTES).min(file.len()))
            && let Err(error) = tail.reserve(needed)
        {
            error!(%error, "no room for appends");
        }
    }

    /// Reserves blocks of `file` up to `until`; whether it has them now.
    fn reserve_ahead(&self, file: &Arc<LogFile>, until: usize) -> bool {
        let mut tail = self.tail.lock();
        let is_tail = tail.file().is_some_and(|tail| Arc::ptr_eq(tail, file));
        is_tail && (until <= tail.reserved_to || tail.reserve(until).is_ok())
    }

    fn end_of_last_file(&self) -> Option<(Arc<LogFile>, usize)> {
        let file = self.files.last()?;
        let at = usize::try_from(self.max_offset() - file.start()).ok()?;
        Some((file, at))
    }
}

/// How far ahead of the writer pages are touched, in bytes. At 500 MB/s, 16 ms.
const TOUCHED_AHEAD_BYTES: usize = 8 << 20;
/// The next file is made when this much room is left, in bytes.
const NEXT_FILE_ROOM_BYTES_MAX: usize = 64 << 20;
/// Keeps pages and the next file ready ahead of the writer (`AllocateMappedFileService`, done in small steps).
#[derive(Debug, Default)]
pub struct Ahead {
    /// Beyond this offset the thread has something to do.
    wanted_at: AtomicI64,
    stop: Mutex<bool>,
    wake: Condvar,
    pub panic_point: PanicPoint,
}

impl Ahead {
    /// To be called after each append. Costs a load unless there is something to do.
    pub fn appended(&self, end: i64) {
        if end > self.wanted_at.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// The log ends earlier than it did.
    pub fn log_was_cut(&self) {
        self.wanted_at.store(0, Ordering::Relaxed);
        self.wake.notify_one();
    }

    pub fn stop(&self) {
        *self.stop.lock() = true;
        self.wake.notify_one();
    }

    /// The thread.
    pub fn run(&self, log: &CommitLog) {
        let mut touched = 0;
        loop {
            self.panic_point.pass();
            let mut stop = self.stop.lock();
            while !*stop && log.max_offset() <= self.wanted_at.load(Ordering::Relaxed) {
                self.wake.wait(&mut stop);
            }
            if *stop {
                break;
            }
            drop(stop);
            if !self.step(log, &mut touched) {
                self.wake.wait_for(&mut self.stop.lock(), RETRY_AFTER);
            }
        }
        remove_unused_next(log);
    }

    /// False if the next file is wanted and cannot be made.
    fn step(&self, log: &CommitLog, touched: &mut i64) -> bool {
        let Some((file, at)) = log.end_of_last_file() else { return true };
        let end = file.start() + at as i64;
        if *touched > end + TOUCHED_AHEAD_BYTES as i64 {
            // The log was cut.
            *touched = end;
        }
        let from = (*touched).max(end);
        let until = (end + TOUCHED_AHEAD_BYTES as i64).min(file.start() + file.len() as i64);
        // Touching a page that has no block on a full disk would fail.
        if from < until && log.reserve_ahead(&file, (until - file.start()) as usize) {
            file.touch((from - file.start()) as usize, (until - from) as usize);
            *touched = until;
        }
        let next_file_at = (file.len() - NEXT_FILE_ROOM_BYTES_MAX.min(file.len() / 2)) as i64 + file.start();
        if end > next_file_at && !make_next(log, &file) {
            return false;
        }
        let touch_again_at = end + TOUCHED_AHEAD_BYTES as i64 / 2;
        let wanted_at = if end <= next_file_at { touch_again_at.min(next_file_at) } else { touch_again_at };
        self.wanted_at.store(wanted_at, Ordering::Relaxed);
        true
    }
}

/// Makes the file behind `last` and leaves it for the writer, unless there is one or the writer was faster.
fn make_next(log: &CommitLog, last: &Arc<LogFile>) -> bool {
    let mut next = log.next.lock();
    let still_last = log.files.last().is_some_and(|file| Arc::ptr_eq(&file, last));
    if next.ready.is_some() || !still_last {
        return true;
    }
    let Ok(made) = next.make(&log.files, last.start() + last.len() as i64) else { return false };
    made.touch(0, TOUCHED_AHEAD_BYTES);
    next.ready = Some(made);
    true
}

fn remove_unused_next(log: &CommitLog) {
    if let Some(next) = log.next.lock().ready.take() {
        let _ = log.files.remove_unused(&next);
    }
}
