//! From the timer's queue into the wheel. Java: `TimerEnqueueGetService`, `TimerEnqueuePutService`.

use super::{Progress, Timer};
use crate::topic_validator::RMQ_SYS_WHEEL_TIMER;
use message::property::{self, REAL_TOPIC, TIMER_DEL_UNIQKEY, TIMER_OUT_MS};
use message::{StoredMessage, java_string_hash, record};
use store::get::PULL_BYTES_MAX;
use store::timer::TimerEntry;
use store::{AccessError, Everything, GetMessageStatus, GetRequest};

/// Messages read from the store at once; the clock is looked at after each such batch.
const BATCH_MESSAGES_MAX: usize = 32;
/// What a message that has come too late for the wheel has in place of the time at which it was entered.
pub(super) const NEVER_ENTERED: i64 = i64::MAX;

/// The message cannot be handled now: neither it nor those behind it have moved.
struct Later;

impl Timer {
    /// Enters the next messages of the queue; false if there are no more, or not now.
    pub(super) fn enter_batch(&self) -> bool {
        if self.store.config().timer_stop_enqueue {
            return false;
        }
        let offset = self.progress.lock().queue_offset;
        let request = GetRequest {
            topic: RMQ_SYS_WHEEL_TIMER,
            queue_id: 0,
            offset,
            count_max: self.unreadable.lock().count_max(offset, BATCH_MESSAGES_MAX),
            bytes_max: PULL_BYTES_MAX,
        };
        let found = match self.store.get_message(request, &Everything) {
            Ok(found) => found,
            Err(error) => return self.skip_unreadable(offset, &error),
        };
        let goes_on_at = match found.status {
            GetMessageStatus::Found => found.next_begin_offset,
            _ if offset < found.min_offset => return self.skip_to(offset, found.min_offset),
            _ if offset > found.max_offset => return self.skip_to(offset, found.max_offset),
            GetMessageStatus::NoMatchedLogicQueue
            | GetMessageStatus::NoMessageInQueue
            | GetMessageStatus::OffsetOverflowOne => return false,
            // Nothing readable here.
            _ if found.next_begin_offset > offset => return self.skip_to(offset, found.next_begin_offset),
            _ => return false,
        };
        let records = match found.into_copy() {
            Ok(records) => records,
            Err(error) => return self.skip_unreadable(offset, &error),
        };
        for stored in record::messages(&records) {
            if self.enter(&stored).is_err() {
                return false;
            }
            self.moved(|progress| progress.queue_offset = stored.queue_offset + 1);
        }
        // Beyond what was entered, if the last ones could not be read.
        self.progress.lock().queue_offset = goes_on_at;
        true
    }

    /// False as long as the place is to be tried again.
    fn skip_unreadable(&self, offset: i64, error: &AccessError) -> bool {
        self.unreadable.lock().failed(RMQ_SYS_WHEEL_TIMER, offset, error) && self.skip_to(offset, offset + 1)
    }

    fn skip_to(&self, from: i64, to: i64) -> bool {
        tracing::error!("the timer's queue has no offset {from}; going on at {to}");
        self.progress.lock().queue_offset = to;
        true
    }

    pub(super) fn moved(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress.lock();
        change(&mut progress);
        progress.unflushed = true;
    }

    fn enter(&self, stored: &StoredMessage<'_>) -> Result<(), Later> {
        if self.is_entered(stored.physical_offset) {
            return Ok(());
        }
        let properties = &stored.message.properties;
        let out_ms = property::find(properties, TIMER_OUT_MS).and_then(|ms| ms.parse::<i64>().ok());
        let Some(out_ms) = out_ms else {
            tracing::error!("the timed message at {} has no time and is dropped", stored.physical_offset);
            return Ok(());
        };
        let write_ms = self.progress.lock().write_ms;
        if out_ms < write_ms {
            if self.slot_ms(self.clock.wall_ms()) < write_ms {
                // Not late: the clock has gone back, which the next turn follows.
                return Err(Later);
            }
            return self.deliver(stored, NEVER_ENTERED, false).map_err(|_| Later);
        }
        let real_topic = property::find(properties, REAL_TOPIC);
        let rolls_at_ms = self.rolls_at_ms(out_ms, write_ms);
        let deletes = property::find(properties, TIMER_DEL_UNIQKEY).is_some();
        let entered = self.files.enter(&TimerEntry {
            slot_ms: rolls_at_ms.unwrap_or(out_ms),
            write_time_ms: write_ms,
            rolls: rolls_at_ms.is_some(),
            deletes,
            physical_offset: stored.physical_offset,
            message_bytes: stored.size as i32,
            topic_hash: real_topic.map_or(0, java_string_hash),
        });
        if let Err(error) = entered {
            tracing::error!("timed messages wait, as the timer log cannot grow: {error}");
            return Err(Later);
        }
        self.count(stored, if deletes { -1 } else { 1 });
        Ok(())
    }

    /// Whether an earlier process has entered the message and not noted it.
    fn is_entered(&self, physical_offset: i64) -> bool {
        let mut entered = self.entered.lock();
        !entered.is_empty() && entered.remove(&physical_offset)
    }

    /// The slot from which a message that is due at `out_ms` must roll on, if it must. Java: `doEnqueue`.
    fn rolls_at_ms(&self, out_ms: i64, write_ms: i64) -> Option<i64> {
        let (precision_ms, window) = (self.tick_ms, self.roll_window_slots);
        let beyond_ms = out_ms - write_ms - window * precision_ms;
        if beyond_ms < 0 {
            return None;
        }
        // With a whole window now, too little would be left for the last roll.
        let slots = if beyond_ms < window / 3 * precision_ms { window / 2 } else { window };
        Some(write_ms + slots * precision_ms)
    }

    /// Counts a message of those that wait, or no longer do. Java: `addMetric`.
    pub(super) fn count(&self, stored: &StoredMessage<'_>, count: i64) {
        if let Some(topic) = property::find(&stored.message.properties, REAL_TOPIC) {
            self.metrics.add(topic, count);
        }
    }
}
