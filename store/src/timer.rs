//! Files of the timer wheel: which messages are due when (`TimerWheel`, `TimerLog`, `TimerCheckpoint`, 5.5.0).
//!
//! ```text
//! timerwheel   a slot for each tick of 14 days -> the newest record of that tick
//! timerlog/    one record a message -> the record before it in its slot, and the message in the commit log
//! config/timercheck   up to where the timer's queue is in the wheel, and the wheel delivered
//! ```
//!
//! The timer log is the truth: the wheel can be made from it, and it from the timer's queue.

mod checkpoint;
mod log;
#[cfg(test)]
mod tests;
mod wheel;

use std::collections::HashSet;
use std::io;

use super::config::MessageStoreConfig;
use super::disk::Disk;
use super::error::{AccessError, OpenError};
use super::layout::{
    TIMER_CHECK_FILE, TIMER_LOG_DIR, TIMER_LOG_RECORD_BYTES, TIMER_SLOTS, TIMER_WHEEL_FILE, TimerLogRecord,
    timer_magic,
};
use checkpoint::CheckpointFile;
pub use checkpoint::TimerCheckpoint;
use log::TimerLog;
use wheel::Wheel;

/// What the store knows about its end, by which the files are judged.
#[derive(Clone, Copy, Debug)]
pub struct StoreEnd {
    /// Where the commit log ends.
    pub log_end: i64,
    /// Whether the store was shut down.
    pub clean: bool,
}

/// A message to be entered.
#[derive(Clone, Copy, Debug)]
pub struct TimerEntry {
    /// Of its slot, in milliseconds since the epoch.
    pub slot_ms: i64,
    /// The timer's time as the message is entered, in milliseconds since the epoch; delays count from it.
    pub write_time_ms: i64,
    /// Its time lies beyond the wheel: the slot enters it once more ([`timer_magic::ROLL`]).
    pub rolls: bool,
    /// It recalls another message, instead of being one ([`timer_magic::DELETE`]).
    pub deletes: bool,
    /// Where the message begins in the commit log.
    pub physical_offset: i64,
    /// Bytes of the message in the commit log.
    pub message_bytes: i32,
    /// `String.hashCode` of the real topic.
    pub topic_hash: i32,
}

/// One thread enters and reads; another may sync meanwhile, and anyone ask for counts.
pub struct TimerFiles {
    wheel: Wheel,
    log: TimerLog,
    checkpoint: CheckpointFile,
}

/// Reads and writes are errors where the disk fails, or a file was cut.
impl TimerFiles {
    /// Opens or makes the files, and mends them: records of messages that the commit log has lost are cut off, slots that
    /// point beyond the timer log's end or lack its last records are corrected, and a wheel that is missing is made from
    /// the whole log (`TimerMessageStore.recover`). An error if a file cannot be read or made, or has another size
    /// than is configured.
    pub fn open(config: &MessageStoreConfig, disk: &Disk, store: StoreEnd) -> Result<TimerFiles, OpenError> {
        let root = config.root();
        let checkpoint = CheckpointFile::open(disk, root.join(TIMER_CHECK_FILE))?;
        let (wheel, new) = Wheel::open(&root.join(TIMER_WHEEL_FILE), disk, config)?;
        let log = TimerLog::load(disk, root.join(TIMER_LOG_DIR), config.mapped_file_size_timer_log_bytes)?;
        let flushed = checkpoint.fields().last_timer_log_flush_pos;
        // One file more than was flushed, as in Java: its checkpoint may be newer than its wheel.
        let mut from = match new {
            true => 0,
            false => flushed.saturating_sub(config.mapped_file_size_timer_log_bytes as i64).max(0),
        };
        log.find_end(from, store.log_end)?;
        // Java writes the wheel as a whole and never ahead of the log.
        if !new
            && (!store.clean || log.end() < flushed)
            && let Some(first) = wheel.forget_beyond(log.end())?
        {
            from = from.min(first);
        }
        log.for_each(from, |at, record| wheel.revise(at, record))?;
        Ok(TimerFiles { wheel, log, checkpoint })
    }

    /// Puts a message into a slot (`TimerMessageStore.doEnqueue`). After an error it may be in the log, where the next start
    /// finds it.
    pub fn enter(&self, entry: &TimerEntry) -> io::Result<()> {
        let flag = |is_set: bool, flag: i32| if is_set { flag } else { 0 };
        let record = TimerLogRecord {
            size: TIMER_LOG_RECORD_BYTES as i32,
            previous: self.wheel.slot(entry.slot_ms)?.map_or(-1, |slot| slot.last),
            magic: timer_magic::DEFAULT
                | flag(entry.rolls, timer_magic::ROLL)
                | flag(entry.deletes, timer_magic::DELETE),
            write_time_ms: entry.write_time_ms,
            delay_ms: (entry.slot_ms - entry.write_time_ms) as i32,
            physical_offset: entry.physical_offset,
            message_bytes: entry.message_bytes,
            topic_hash: entry.topic_hash,
            reserved: 0,
        };
        let at = self.log.append(&record)?;
        Ok(self.wheel.add(at, &record)?)
    }

    /// Places of the records of a slot, in the order in which they were entered.
    pub fn places(&self, slot_ms: i64) -> Result<Vec<i64>, AccessError> {
        let mut places = Vec::new();
        let mut at = self.wheel.slot(slot_ms)?.map_or(-1, |slot| slot.last);
        while at >= 0 {
            let Some(record) = self.log.record(at)? else {
                tracing::error!("the slot of {slot_ms} misses its records at {at} and before");
                break;
            };
            places.push(at);
            // Strictly backwards, whatever a damaged record says.
            at = if record.previous < at { record.previous } else { -1 };
        }
        places.reverse();
        Ok(places)
    }

    /// Takes all messages out of the slots of some time, the end excluded: they are delivered, or entered anew.
    pub fn empty(&self, from_ms: i64, until_ms: i64) -> Result<(), AccessError> {
        self.wheel.empty(from_ms, until_ms)
    }

    /// The record at a place of the timer log; `None` if none stands there.
    pub fn record(&self, place: i64) -> Result<Option<TimerLogRecord>, AccessError> {
        self.log.record(place)
    }

    /// Messages in a slot, without those recalled (`TimerWheel.getNum`).
    pub fn count(&self, slot_ms: i64) -> Result<i64, AccessError> {
        Ok(self.wheel.slot(slot_ms)?.map_or(0, |slot| slot.count.into()))
    }

    /// The last message that was entered: its physical offset.
    pub fn last_physical_offset(&self) -> Result<Option<i64>, AccessError> {
        Ok(self.log.last()?.map(|record| record.physical_offset))
    }

    /// Physical offsets of the messages that were entered last, back to the first one before `physical_offset`.
    pub fn entered_since(&self, physical_offset: i64) -> Result<HashSet<i64>, AccessError> {
        let offsets = self.log.backwards().map(|record| record.map(|record| record.physical_offset));
        offsets.take_while(|at| !matches!(at, Ok(at) if *at < physical_offset)).collect()
    }

    /// Every record whose slot is not before `slot_ms`, rolled ones included.
    pub fn for_each_pending(
        &self,
        slot_ms: i64,
        mut look: impl FnMut(&TimerLogRecord),
    ) -> Result<(), AccessError> {
        self.log.for_each(0, |place, record| {
            if record.slot_ms() < slot_ms {
                return Ok(());
            }
            if self.wheel.slot(record.slot_ms())?.is_some_and(|slot| slot.first <= place) {
                look(record);
            }
            Ok(())
        })
    }

    /// As it was read or [flushed](Self::flush) last.
    pub fn checkpoint(&self) -> TimerCheckpoint {
        self.checkpoint.fields()
    }

    /// Puts log and wheel on disk, and then the checkpoint that relies on them. Waits for the disk.
    pub fn flush(&self, checkpoint: TimerCheckpoint) -> io::Result<()> {
        let last_timer_log_flush_pos = self.log.sync()?;
        self.wheel.sync()?;
        self.checkpoint.write(TimerCheckpoint { last_timer_log_flush_pos, ..checkpoint })
    }

    /// Removes files of the timer log whose messages are all gone (`deleteExpiredFileByOffsetForTimerLog`).
    pub fn remove_expired(&self, min_physical_offset: i64) -> io::Result<()> {
        self.log.remove_expired(min_physical_offset)
    }
}

/// How far the wheel reaches, in milliseconds: later slots would be those of earlier times.
pub const fn span_ms(precision_ms: i64) -> i64 {
    TIMER_SLOTS * precision_ms
}
