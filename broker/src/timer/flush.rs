//! Wheel, progress and counts on disk. Java: `TimerFlushService` and the tasks of `TimerMessageStore.start`.

use super::{Progress, Timer};
use crate::persister::ConfigTable;
use message::java_string_hash;
use std::collections::HashMap;
use std::time::Duration;
use store::local_time;
use store::timer::TimerCheckpoint;

/// Without messages the time read is written no more often than this: re-reading empty slots costs nothing.
const IDLE_FLUSH_MS: i64 = 60_000;
/// How often old files of the timer log are looked for.
const EXPIRE_PERIOD_MS: u64 = 30_000;
/// How often it is asked whether the counts are to be made anew, and how often they are at most.
const CHECK_METRICS_PERIOD_MS: u64 = 45 * 60_000;
const CHECK_METRICS_PAUSE_MS: u64 = 70 * 60_000;

impl Timer {
    pub(super) fn flush_until_stopped(&self) {
        let (mut expired_at, mut asked_at, mut checked_at) = (0, 0, 0);
        while !self.workers.sleep(self.flush_interval()) {
            self.flush(false);
            let now_ms = self.clock.monotonic_ms();
            if now_ms - expired_at >= EXPIRE_PERIOD_MS {
                expired_at = now_ms;
                if let Err(error) = self.files.remove_expired(self.store.min_phy_offset()) {
                    tracing::error!("old files of the timer log stay: {error}");
                }
            }
            if now_ms - asked_at >= CHECK_METRICS_PERIOD_MS {
                asked_at = now_ms;
                let [.., hour, _, _] = local_time(self.clock.wall_ms());
                let is_time = self.store.config().timer_check_metrics_when.contains(hour.unsigned_abs());
                if is_time && self.is_checking() && now_ms - checked_at > CHECK_METRICS_PAUSE_MS {
                    checked_at = now_ms;
                    self.check_metrics();
                }
            }
        }
    }

    fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.store.config().timer_flush_interval_ms.max(1))
    }

    fn is_checking(&self) -> bool {
        let config = self.store.config();
        config.timer_enable_check_metrics && !config.timer_stop_enqueue
    }

    /// Puts everything on disk, if there is news. What was delivered must be on disk before the checkpoint says that it
    /// was; if it is not, the next flush will do.
    pub(super) fn flush(&self, is_last: bool) {
        let _one_at_a_time = self.flushing.lock();
        let progress = {
            let mut progress = self.progress.lock();
            // What moves from here on is news for the next flush.
            Progress { unflushed: std::mem::take(&mut progress.unflushed), ..*progress }
        };
        let last = self.files.checkpoint();
        let idle_ms = progress.read_ms.saturating_sub(last.last_read_time_ms);
        let is_fresh = (0..IDLE_FLUSH_MS).contains(&idle_ms) && !(is_last && idle_ms > 0);
        if !progress.unflushed && is_fresh {
            return;
        }
        if !self.is_log_on_disk(&progress) || !self.write_checkpoint(&progress) {
            self.progress.lock().unflushed = true;
        }
        self.metrics.persist();
    }

    /// Whether what was delivered is on disk; waits for it.
    pub(super) fn is_log_on_disk(&self, progress: &Progress) -> bool {
        let is_on_disk = self.store.flush(progress.delivered_end);
        if !is_on_disk {
            tracing::warn!("timed messages: the progress is not on disk, as the commit log is not");
        }
        is_on_disk
    }

    /// Puts the wheel on disk, and then the progress; false if that fails. One thread at a time.
    pub(super) fn write_checkpoint(&self, progress: &Progress) -> bool {
        let flushed = self.files.flush(self.checkpoint_of(progress, &self.files.checkpoint()));
        if let Err(error) = &flushed {
            tracing::error!("timed messages: the progress is not on disk: {error}");
        }
        flushed.is_ok()
    }

    /// Java: `prepareTimerCheckPoint`.
    fn checkpoint_of(&self, progress: &Progress, last: &TimerCheckpoint) -> TimerCheckpoint {
        TimerCheckpoint {
            last_read_time_ms: progress.read_ms,
            last_timer_queue_offset: progress.queue_offset,
            master_timer_queue_offset: progress.queue_offset,
            state_version: 0,
            timestamp_ms: self.clock.wall_ms(),
            counter: last.counter.wrapping_add(1),
            ..*last
        }
    }

    /// Counts the waiting messages of each topic that has few anew; crashes leave the counts wrong.
    /// Java: `checkAndReviseMetrics`.
    pub(super) fn check_metrics(&self) {
        let read_ms = self.progress.lock().read_ms;
        let counts = self.metrics.counts();
        let threshold = self.store.config().timer_metric_small_threshold;
        let small = counts.iter().filter(|(_, metric)| metric.count < threshold);
        let mut by_hash: HashMap<i32, Option<(&str, i64)>> = HashMap::new();
        for topic in counts.keys() {
            // A hash of two topics counts for neither.
            by_hash
                .entry(java_string_hash(topic))
                .and_modify(|topics| *topics = None)
                .or_insert(Some((topic, 0)));
        }
        let counted = self.files.for_each_pending(read_ms, |record| {
            if let Some(Some((_, count))) = by_hash.get_mut(&record.topic_hash) {
                *count += if record.deletes() { -1 } else { 1 };
            }
        });
        if let Err(error) = counted {
            tracing::error!("timed messages are not counted: {error}");
            return;
        }
        let counted = small.filter_map(|(topic, _)| by_hash[&java_string_hash(topic)]);
        self.metrics.set(counted.map(|(topic, count)| (topic.to_owned(), count)));
    }
}
