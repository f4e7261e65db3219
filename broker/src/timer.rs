//! Messages with a delivery time of their own (5.x): they wait in `rmq_sys_wheel_timer`, a wheel says which are due, and
//! go to their real topics. Java: `TimerMessageStore`.
//!
//! ```text
//! send -> rmq_sys_wheel_timer -- enter --> wheel, timer log -- due --> real topic
//!               ^                                            |
//!               `---------- rolls on: due beyond the wheel --'
//! ```
//!
//! One thread enters what is new, then delivers the slots that are over; another puts wheel and progress on disk.
//! Slots are times of the wall clock: where it is set, the wheel follows, forward and back.

mod clock_back;
mod deliver;
mod enter;
mod flush;
mod recall;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::topic_metrics::TopicMetrics;
use crate::topic_validator::RMQ_SYS_WHEEL_TIMER;
use crate::unreadable::Unreadable;
use crate::workers::Workers;
use message::property::{self, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS};
use parking_lot::Mutex;
use process::clock::Clock;
use process::files::LoadError;
use remoting::body::TimerMetricsSerializeWrapper;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};
use store::timer::{StoreEnd, TimerCheckpoint, TimerFiles};
use store::{AccessError, Arrived, MessageStore, OpenError};

pub use recall::RecallHandle;

/// The thread looks at the clock at least this often, as the clock may have been set.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Java: `TIMER_BLANK_SLOTS`.
const BLANK_SLOTS: i64 = 60;
/// A clock may be wrong by decades; a checkpoint that is later still is damaged.
const CLOCK_WRONG_MS_MAX: i64 = 100 * 365 * 24 * 3_600_000;

/// Why the timer does not open.
#[derive(Debug)]
pub enum TimerError {
    /// Wheel, log or checkpoint do not open.
    Files(OpenError),
    /// `timermetrics` cannot be read, nor its backup.
    Metrics(LoadError),
}

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimerError::Files(error) => error.fmt(f),
            TimerError::Metrics(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TimerError {}

/// Messages that wait for a time of their own, and the threads that enter and deliver them. Java: `TimerMessageStore`.
pub struct Timer {
    /// Length of a slot.
    tick_ms: i64,
    /// A message that waits for more slots than this rolls: it is put into its topic again meanwhile.
    roll_window_slots: i64,
    store: Arc<MessageStore>,
    clock: Clock,
    files: TimerFiles,
    metrics: TopicMetrics<TimerMetricsSerializeWrapper>,
    progress: Mutex<Progress>,
    /// Messages of the timer's queue that are in the wheel although the checkpoint does not say so.
    entered: Mutex<HashSet<i64>>,
    /// In the timer's queue.
    unreadable: Mutex<Unreadable>,
    /// The thread sleeps, and wants to know of new messages.
    idle: AtomicBool,
    /// One flush at a time.
    flushing: Mutex<()>,
    workers: Workers,
}

/// How far the timer is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerBehind {
    /// How late deliveries are, in milliseconds.
    pub dequeue_ms: i64,
    /// Messages of the timer's queue that are not in the wheel yet.
    pub enqueue_messages: i64,
    /// Messages in the wheel.
    pub waiting: i64,
}

/// How far things are. Times are those of slots, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The first offset of the timer's queue that is not in the wheel.
    queue_offset: i64,
    /// The slot to deliver next.
    read_ms: i64,
    /// Messages of this slot and later ones are entered; those of earlier ones come too late for the wheel.
    write_ms: i64,
    /// What was delivered or rolled ends here in the commit log.
    delivered_end: i64,
    /// A message was entered, delivered or dropped since the last flush.
    unflushed: bool,
}

impl Timer {
    /// Opens the files under the store's directory; starts nothing. An error if one of them cannot be read or made.
    pub fn load(metrics_path: &Path, store: Arc<MessageStore>, clock: Clock) -> Result<Timer, TimerError> {
        let config = store.config();
        let end = StoreEnd { log_end: store.max_phy_offset(), clean: store.was_clean() };
        let files = TimerFiles::open(&config, store.disk(), end).map_err(TimerError::Files)?;
        let metrics = TopicMetrics::load(metrics_path, clock.clone()).map_err(TimerError::Metrics)?;
        let timer = Timer {
            tick_ms: config.timer_tick_ms(),
            roll_window_slots: roll_window_slots(config.timer_roll_window_slot),
            store,
            clock,
            files,
            metrics,
            progress: Mutex::default(),
            entered: Mutex::default(),
            unreadable: Mutex::default(),
            idle: AtomicBool::new(false),
            flushing: Mutex::default(),
            workers: Workers::default(),
        };
        timer.resume().map_err(|error| TimerError::Files(error.into()))?;
        Ok(timer)
    }

    /// Finds out where an earlier process has stopped. Java: `recover`.
    fn resume(&self) -> Result<(), AccessError> {
        let stopped = self.files.checkpoint();
        let (min, max) = (
            self.store.min_offset_in_queue(RMQ_SYS_WHEEL_TIMER, 0),
            self.store.max_offset_in_queue(RMQ_SYS_WHEEL_TIMER, 0),
        );
        let queue_offset = stopped.last_timer_queue_offset.min(stopped.master_timer_queue_offset);
        let queue_offset = queue_offset.min(max).max(min);
        // Java enters, and so delivers, these once more.
        if queue_offset < max {
            let next = self.store.commit_log_offset_in_queue(RMQ_SYS_WHEEL_TIMER, 0, queue_offset)?;
            *self.entered.lock() = self.files.entered_since(next)?;
        }
        let now_ms = self.slot_ms(self.clock.wall_ms());
        let span_ms = store::timer::span_ms(self.tick_ms);
        let read_ms = match stopped.last_read_time_ms {
            0 if self.files.last_physical_offset()?.is_none() => now_ms,
            stopped if (1..now_ms.saturating_add(CLOCK_WRONG_MS_MAX)).contains(&stopped) => {
                self.slot_ms(stopped)
            }
            // Nobody knows: every slot that may be over, and not so far back that `catch_up` took in those to come.
            _ => now_ms - span_ms / 2 + BLANK_SLOTS * self.tick_ms,
        };
        // If the clock has gone back meanwhile, the first turn follows it.
        let write_ms = now_ms.max(read_ms);
        *self.progress.lock() = Progress { queue_offset, read_ms, write_ms, ..Progress::default() };
        tracing::info!(
            "timed messages: slots from {read_ms} on, queue from {queue_offset} of {max}, {} known beyond it",
            self.entered.lock().len()
        );
        Ok(())
    }

    /// The slot of a moment. Java: `formatTimeMs`.
    fn slot_ms(&self, ms: i64) -> i64 {
        ms - ms.rem_euclid(self.tick_ms)
    }

    /// Starts to deliver. A master's task. An error if the system has no thread left.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let timer = self.clone();
        self.workers.start("timer", move || timer.turn_until_stopped())?;
        let timer = self.clone();
        self.workers.start("timer-flush", move || timer.flush_until_stopped())
    }

    /// Returns when nothing more is delivered and the progress is on disk. Blocks for the slot under way. The store must
    /// still be at work.
    pub fn shutdown(&self) {
        self.workers.stop();
        self.flush(true);
    }

    /// For the store's hook: wakes the thread if it sleeps.
    pub fn messages_arrived(&self, arrived: &[Arrived<'_>]) {
        if arrived.iter().any(|message| message.topic == RMQ_SYS_WHEEL_TIMER)
            && self.idle.swap(false, Ordering::AcqRel)
        {
            self.workers.wake();
        }
    }

    /// The body of GET_TIMER_CHECK_POINT.
    pub fn checkpoint(&self) -> TimerCheckpoint {
        self.files.checkpoint()
    }

    /// The body of GET_TIMER_METRICS.
    pub fn metrics_json(&self) -> Vec<u8> {
        self.metrics.to_json()
    }

    /// How late deliveries are, in milliseconds, how many messages of the timer's queue are not in the wheel yet, and how many wait in
    /// it. Java: `getDequeueBehindMillis`, `getEnqueueBehindMessages`, `getAllCongestNum`.
    pub fn behind(&self) -> TimerBehind {
        let Progress { queue_offset, read_ms, .. } = *self.progress.lock();
        let max_offset = self.store.max_offset_in_queue(RMQ_SYS_WHEEL_TIMER, 0);
        TimerBehind {
            dequeue_ms: (self.clock.wall_ms() - read_ms).max(0),
            enqueue_messages: (max_offset - queue_offset).max(0),
            waiting: self.metrics.counts().values().map(|metric| metric.count).sum(),
        }
    }

    /// Counts none of the topic's messages, which is deleted.
    pub fn forget_topic(&self, topic: &str) {
        self.metrics.remove(topic);
    }

    /// The longest delay that is taken, in milliseconds.
    pub fn max_delay_ms(&self) -> i64 {
        self.store.config().timer_max_delay_sec.saturating_mul(1000)
    }

    fn turn_until_stopped(&self) {
        while !self.workers.is_stopping() {
            // Before the look, so that a message that comes during it is not overlooked.
            self.idle.store(true, Ordering::Release);
            self.turn();
            let due_ms = self.progress.lock().read_ms + self.tick_ms;
            let until_due = Duration::from_millis((due_ms - self.clock.wall_ms()).max(0) as u64);
            self.workers.sleep_or_wake(until_due.min(SLEEP_MAX));
        }
    }

    /// Enters what is new and delivers what is due.
    fn turn(&self) {
        if self.follow_clock_back().is_err() {
            return;
        }
        self.catch_up();
        loop {
            let has_more = self.enter_batch();
            if self.follow_clock_back().is_err() {
                return;
            }
            self.move_write_time();
            self.deliver_due();
            if !has_more || self.workers.is_stopping() {
                return;
            }
        }
    }

    /// After a stop so long that new messages could take the slots of old ones, the old ones go first.
    /// Java loses those that are older than half the wheel.
    fn catch_up(&self) {
        let span_ms = store::timer::span_ms(self.tick_ms);
        let Progress { read_ms, write_ms, .. } = *self.progress.lock();
        if write_ms - read_ms < span_ms / 2 || self.store.config().timer_stop_dequeue {
            return;
        }
        self.deliver_until(read_ms + span_ms);
        let mut progress = self.progress.lock();
        if progress.read_ms >= read_ms + span_ms {
            progress.read_ms = progress.write_ms;
        }
    }

    /// Java: `maybeMoveWriteTime`.
    fn move_write_time(&self) {
        let now_ms = self.slot_ms(self.clock.wall_ms());
        let mut progress = self.progress.lock();
        progress.write_ms = progress.write_ms.max(now_ms);
    }
}

/// Whether a message asks for a delivery time and has not waited for it yet. Java: `HookUtils.checkIfTimerMessage`.
pub fn is_timed(properties: &str) -> bool {
    let asks = property::iter(properties)
        .any(|(name, _)| matches!(name, TIMER_DELIVER_MS | TIMER_DELAY_MS | TIMER_DELAY_SEC));
    asks && property::find(properties, property::TIMER_OUT_MS).is_none()
}

/// Java takes a window that does not fit the wheel for the largest.
fn roll_window_slots(wanted: i64) -> i64 {
    let most = store::layout::TIMER_SLOTS / 2 - BLANK_SLOTS;
    if (2..=most).contains(&wanted) { wanted } else { most }
}
