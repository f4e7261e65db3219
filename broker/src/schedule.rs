//! Delayed messages: they wait in SCHEDULE_TOPIC_XXXX, a queue for each delay level, and go to their real topics when they
//! are due. Java: `ScheduleMessageService`.
//!
//! All messages of a level wait equally long, so only the first of each queue can be due next. One thread serves all
//! levels: it sleeps until the earliest of those, and is woken when a message arrives at an empty level.

mod deliver;
#[cfg(test)]
mod tests;

use crate::config::BrokerSettings;
use crate::persister::ConfigTable;
use crate::real_place;
use crate::table_file::TableFile;
use crate::topic_validator::SCHEDULE_TOPIC_XXXX;
use crate::workers::Workers;
use message::property::{self, DELAY_TIME_LEVEL, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS};
use message::{Message, Properties};
use parking_lot::Mutex;
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use remoting::body::{DataVersion, DelayOffsetSerializeWrapper};
use remoting::json;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Arrived, DelayLevels, MessageStore};

/// The thread looks at the clock at least this often, as the clock may have been set forward.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// How far each delay level is delivered, kept in `delayOffset.json`, and the thread that delivers.
pub struct Schedule {
    settings: Live<BrokerSettings>,
    /// The store has the same.
    levels: DelayLevels,
    store: Arc<MessageStore>,
    clock: Clock,
    file: TableFile,
    progress: Mutex<Progress>,
    /// By level from 1: whether the thread has seen the level's last message, and so must be woken for the next.
    idle: Vec<AtomicBool>,
    workers: Workers,
}

struct Progress {
    /// Level to the next offset to deliver.
    offsets: BTreeMap<i32, i64>,
    data_version: DataVersion,
    updates: u64,
}

impl Schedule {
    /// Reads the file at `path`; if it is missing, each level begins at its queue's start. An error if neither it nor its
    /// backup can be read.
    pub fn load(
        path: &Path,
        settings: Live<BrokerSettings>,
        store: Arc<MessageStore>,
        clock: Clock,
    ) -> Result<Schedule, LoadError> {
        let (file, stored) = TableFile::open::<DelayOffsetSerializeWrapper>(path)?;
        let stored = stored.unwrap_or_default();
        let new_version = DataVersion { timestamp: clock.wall_ms(), ..DataVersion::default() };
        let progress = Progress {
            offsets: stored.offset_table,
            data_version: stored.data_version.unwrap_or(new_version),
            updates: 0,
        };
        let levels = settings.load().store.message_delay_level.clone();
        let idle = levels.0.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Schedule {
            settings,
            levels,
            store,
            clock,
            file,
            progress: Mutex::new(progress),
            idle,
            workers: Workers::default(),
        })
    }

    /// Java: `getMaxDelayLevel`.
    pub fn delay_level_count(&self) -> i32 {
        self.levels.count() as i32
    }

    /// The delay of a level from 1 on, in milliseconds.
    pub fn delay_ms(&self, level: i32) -> Option<i64> {
        self.levels.delay_ms(level)
    }

    /// Sends a message that has a delay level to its level's queue, with its real topic and queue among its properties;
    /// false if it has none. Not for half messages, whose delay counts from the commit on.
    /// Java: `HookUtils.transformDelayLevelMessage`.
    pub fn rewrite(&self, message: &mut Message<'_>) -> bool {
        let level = property::find(&message.properties, DELAY_TIME_LEVEL);
        let level = level.and_then(|level| level.parse::<i32>().ok()).unwrap_or(0);
        if level <= 0 || self.delay_level_count() == 0 {
            return false;
        }
        let capped = level.min(self.delay_level_count());
        let mut properties = Properties::parse(&message.properties);
        if capped != level {
            properties.put(DELAY_TIME_LEVEL, &capped.to_string());
        }
        // A level goes before a time of the message's own.
        for name in [TIMER_DELIVER_MS, TIMER_DELAY_SEC, TIMER_DELAY_MS] {
            properties.remove(name);
        }
        real_place::redirect(message, properties, SCHEDULE_TOPIC_XXXX, capped - 1);
        true
    }

    /// Starts to deliver, from the stored offsets on. A master's task. An error if the system has no thread left.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let schedule = self.clone();
        self.workers.start("schedule", move || schedule.deliver_until_stopped())
    }

    /// Returns when nothing more is delivered and the offsets are on disk. Blocks for the message under way.
    pub fn shutdown(&self) {
        self.workers.stop();
        self.persist();
    }

    /// For the store's hook: wakes the thread if a message came to a level that it believes empty.
    pub fn messages_arrived(&self, arrived: &[Arrived<'_>]) {
        let mut is_waking = false;
        for message in arrived.iter().filter(|message| message.topic == SCHEDULE_TOPIC_XXXX) {
            let idle = usize::try_from(message.queue_id).ok().and_then(|level| self.idle.get(level));
            is_waking |= idle.is_some_and(|idle| idle.swap(false, Ordering::AcqRel));
        }
        if is_waking {
            self.workers.wake();
        }
    }

    /// Which version of the offsets this is; see `delayOffsetUpdateVersionStep`.
    pub fn data_version(&self) -> DataVersion {
        self.progress.lock().data_version
    }

    /// Level to the next offset to deliver.
    pub fn offsets(&self) -> BTreeMap<i32, i64> {
        self.progress.lock().offsets.clone()
    }

    /// The body of GET_ALL_DELAY_OFFSET.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_bytes(&self.to_wrapper())
    }

    fn to_wrapper(&self) -> DelayOffsetSerializeWrapper {
        let progress = self.progress.lock();
        DelayOffsetSerializeWrapper {
            data_version: Some(progress.data_version),
            offset_table: progress.offsets.clone(),
        }
    }

    fn offset(&self, level: i32) -> i64 {
        self.progress.lock().offsets.get(&level).copied().unwrap_or(0)
    }

    /// Java: `updateOffset`.
    fn update_offset(&self, level: i32, offset: i64) {
        let mut progress = self.progress.lock();
        if progress.offsets.insert(level, offset) == Some(offset) {
            return;
        }
        progress.updates += 1;
        let step = self.settings.load().broker.delay_offset_update_version_step.max(1);
        if progress.updates.is_multiple_of(step) {
            progress.data_version.next(0, self.clock.wall_ms());
        }
        self.file.note_change();
    }

    fn deliver_until_stopped(&self) {
        let mut deliveries = deliver::Deliveries::new(self);
        let mut persisted_ms = self.clock.monotonic_ms();
        while !self.workers.is_stopping() {
            let until_due = deliveries.deliver_due();
            let now_ms = self.clock.monotonic_ms();
            if now_ms - persisted_ms >= self.settings.load().store.flush_delay_offset_interval_ms {
                self.persist();
                persisted_ms = now_ms;
            }
            self.workers.sleep_or_wake(until_due.unwrap_or(SLEEP_MAX).min(SLEEP_MAX));
        }
    }
}

impl ConfigTable for Schedule {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        json::to_pretty(&self.to_wrapper())
    }
}
