//! Takes due messages out of the levels' queues. Java: `ScheduleMessageService.DeliverDelayedMessageTimerTask`.
//!
//! The queues hold times of the wall clock, which may be set. So a look at a queue goes by that clock, and the wait for the
//! next look by both: it ends when the wall clock says so, and at the latest after the time that was left when it began.

use super::Schedule;
use crate::real_place;
use crate::topic_validator::{RMQ_SYS_TRANS_HALF_TOPIC, SCHEDULE_TOPIC_XXXX};
use crate::unreadable::Unreadable;
use message::{Message, StoredMessage, record};
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::get::PULL_BYTES_MAX;
use store::{AccessError, GetMessageStatus, GetRequest, MessageFilter, PutError};

/// Messages read from the store at once.
const BATCH_MESSAGES_MAX: usize = 32;
/// Until a message that the store did not take is tried again. Java: `DELAY_FOR_A_WHILE`.
const RETRY_MS: i64 = 100;

/// Until a place that could not be read is tried again.
const UNREADABLE_RETRY_MS: i64 = 1000;

pub(super) struct Deliveries<'a> {
    schedule: &'a Schedule,
    /// By level from 1. At first nobody has looked.
    next_look: Vec<Look>,
    /// By level from 1.
    unreadable: Vec<Unreadable>,
}

/// When a level is to be looked at.
#[derive(Clone, Copy)]
enum Look {
    Now,
    /// At the earlier of the two.
    At {
        wall_ms: i64,
        monotonic_ms: u64,
    },
    /// When it is woken: it has no messages.
    Woken,
}

/// How a look at a queue ended.
enum Progress {
    /// There may be more that is due.
    Delivered,
    /// The next message is due at this time.
    Until(i64),
    Empty,
}

impl<'a> Deliveries<'a> {
    pub(super) fn new(schedule: &'a Schedule) -> Deliveries<'a> {
        let levels = schedule.levels.count();
        let unreadable = (0..levels).map(|_| Unreadable::default()).collect();
        Deliveries { schedule, next_look: vec![Look::Now; levels], unreadable }
    }

    /// Delivers what is due and returns how long it is until the next message will be, if there is one.
    pub(super) fn deliver_due(&mut self) -> Option<Duration> {
        for index in 0..self.next_look.len() {
            let is_time = match self.next_look[index] {
                Look::Woken => !self.schedule.idle[index].load(Ordering::Acquire),
                look => self.until(look).is_some_and(|wait| wait.is_zero()),
            };
            if is_time && !self.schedule.workers.is_stopping() {
                self.next_look[index] = self.deliver_level(index);
            }
        }
        self.next_look.iter().filter_map(|look| self.until(*look)).min()
    }

    /// How long it is until a look; none for a level that must be woken.
    fn until(&self, look: Look) -> Option<Duration> {
        let left_ms = match look {
            Look::Now => 0,
            Look::At { wall_ms, monotonic_ms } => {
                let by_wall_ms = u64::try_from(wall_ms.saturating_sub(self.now_ms())).unwrap_or(0);
                by_wall_ms.min(monotonic_ms.saturating_sub(self.schedule.clock.monotonic_ms()))
            }
            Look::Woken => return None,
        };
        Some(Duration::from_millis(left_ms))
    }

    fn deliver_level(&mut self, index: usize) -> Look {
        let idle = &self.schedule.idle[index];
        while !self.schedule.workers.is_stopping() {
            // Before the look, so that a message that comes during it is not overlooked.
            idle.store(true, Ordering::Release);
            match self.deliver_batch(index as i32 + 1) {
                Progress::Delivered => {}
                Progress::Until(wall_ms) => {
                    idle.store(false, Ordering::Release);
                    let left_ms = u64::try_from(wall_ms.saturating_sub(self.now_ms())).unwrap_or(0);
                    let monotonic_ms = self.schedule.clock.monotonic_ms().saturating_add(left_ms);
                    return Look::At { wall_ms, monotonic_ms };
                }
                Progress::Empty => return Look::Woken,
            }
        }
        Look::Now
    }

    fn deliver_batch(&mut self, level: i32) -> Progress {
        let now_ms = self.now_ms();
        let filter =
            DueFilter { now_ms, delay_ms: self.schedule.delay_ms(level).unwrap_or(0), next: Cell::new(None) };
        let offset = self.schedule.offset(level);
        let request = GetRequest {
            topic: SCHEDULE_TOPIC_XXXX,
            queue_id: level - 1,
            offset,
            count_max: self.unreadable[level as usize - 1].count_max(offset, BATCH_MESSAGES_MAX),
            bytes_max: PULL_BYTES_MAX,
        };
        let found = match self.schedule.store.get_message(request, &filter) {
            Ok(found) => found,
            Err(error) => return self.skip_unreadable(level, offset, &error),
        };
        match found.status {
            GetMessageStatus::Found => {}
            _ if offset < found.min_offset => return self.correct_offset(level, offset, found.min_offset),
            _ if offset > found.max_offset => return self.correct_offset(level, offset, found.max_offset),
            GetMessageStatus::NoMatchedLogicQueue | GetMessageStatus::NoMessageInQueue => {
                return Progress::Empty;
            }
            _ if filter.next.get().is_some() => {}
            GetMessageStatus::OffsetOverflowOne => return Progress::Empty,
            // Nothing readable here: go where the store says it goes on, as long as that is ahead.
            _ if found.next_begin_offset > offset => {
                return self.correct_offset(level, offset, found.next_begin_offset);
            }
            _ => return Progress::Until(now_ms + RETRY_MS),
        }
        let goes_on_at = found.next_begin_offset;
        let records = match found.into_copy() {
            Ok(records) => records,
            Err(error) => return self.skip_unreadable(level, offset, &error),
        };
        for stored in record::messages(&records) {
            if let Err(error) = self.deliver(&stored) {
                tracing::warn!("level {level}: offset {} is not delivered yet: {error}", stored.queue_offset);
                return Progress::Until(self.now_ms() + RETRY_MS);
            }
            self.schedule.update_offset(level, stored.queue_offset + 1);
            if self.schedule.workers.is_stopping() {
                return Progress::Delivered;
            }
        }
        match filter.next.get() {
            Some(due_ms) => {
                self.schedule.update_offset(level, self.schedule.offset(level));
                Progress::Until(due_ms)
            }
            None => {
                // Beyond what was delivered, if the last ones could not be read.
                self.schedule.update_offset(level, goes_on_at);
                Progress::Delivered
            }
        }
    }

    fn skip_unreadable(&mut self, level: i32, offset: i64, error: &AccessError) -> Progress {
        match self.unreadable[level as usize - 1].failed(&format!("level {level}"), offset, error) {
            true => self.correct_offset(level, offset, offset + 1),
            false => Progress::Until(self.now_ms() + UNREADABLE_RETRY_MS),
        }
    }

    fn correct_offset(&self, level: i32, from: i64, to: i64) -> Progress {
        tracing::error!("level {level}: the queue has no offset {from}; going on at {to}");
        self.schedule.update_offset(level, to);
        Progress::Delivered
    }

    /// Appends the message to its real topic. Its properties stay as they are, DELAY among them, as Java's do.
    /// Java: `messageTimeUp`.
    fn deliver(&self, stored: &StoredMessage<'_>) -> Result<(), PutError> {
        let message = &stored.message;
        let Some((topic, queue_id)) = real_place::of(&message.properties) else {
            tracing::error!("no real topic and queue: the message at {} is dropped", stored.physical_offset);
            return Ok(());
        };
        if topic == RMQ_SYS_TRANS_HALF_TOPIC {
            tracing::error!("a delayed half message at {} is dropped", stored.physical_offset);
            return Ok(());
        }
        let due = Message {
            topic: Cow::Borrowed(topic),
            queue_id,
            properties: Cow::Borrowed(&message.properties),
            prepared_transaction_offset: 0,
            ..message.clone()
        };
        self.schedule.store.append(&due).map(drop)
    }

    fn now_ms(&self) -> i64 {
        self.schedule.clock.wall_ms()
    }
}

/// Lets messages through up to the first that is not due, whose time it keeps. The queue holds that time in place of a
/// tags code.
struct DueFilter {
    now_ms: i64,
    delay_ms: i64,
    next: Cell<Option<i64>>,
}

impl MessageFilter for DueFilter {
    fn matches_queue_entry(&self, deliver_ms: i64) -> bool {
        if self.next.get().is_some() {
            return false;
        }
        // Later than any message of this level can be: the level was longer, or the clock went back.
        // Java: `correctDeliverTimestamp`.
        let is_due = deliver_ms <= self.now_ms || deliver_ms > self.now_ms + self.delay_ms;
        if !is_due {
            self.next.set(Some(deliver_ms));
        }
        is_due
    }
}
