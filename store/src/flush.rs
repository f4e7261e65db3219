//! Bringing the log to disk, and telling those who wait for it (`CommitLog.GroupCommitService`,
//! `FlushRealTimeService`).
//!
//! One sync serves all who wait when it begins; those who come while it runs share the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use process::config::Live;
use tracing::error;

use super::checkpoint::Checkpoint;
use super::commit_log::CommitLog;
use super::config::{FlushDiskType, MessageStoreConfig};

/// How waiting for the disk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOutcome {
    Flushed,
    /// `FLUSH_DISK_TIMEOUT`: not within `sync_flush_timeout`, or the disk refused. The message may or may not survive.
    TimedOut,
}

pub type FlushCallback = Box<dyn FnOnce(FlushOutcome) + Send>;

/// How often a watched wait is looked at: a wait that the disk does not end is ended at most so much too late.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

struct Waiting {
    offset: i64,
    deadline: Instant,
    callback: FlushCallback,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Somebody wants a sync now.
    wanted: bool,
    watcher_sleeps: bool,
    stop: bool,
}

#[derive(Default)]
pub struct Flusher {
    state: Mutex<State>,
    wake: Condvar,
    wake_watcher: Condvar,
    /// A sync has failed. What was written since the last good one may be lost although the next one succeeds: the log
    /// takes nothing more until the next start has looked at it.
    failed: AtomicBool,
}

impl Flusher {
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Has the log flushed soon.
    pub fn want(&self) {
        let mut state = self.state.lock();
        if !state.wanted {
            state.wanted = true;
            self.wake.notify_one();
        }
    }

    pub fn when_flushed(&self, log: &CommitLog, timeout: Duration, offset: i64, callback: FlushCallback) {
        if log.flushed_where() >= offset {
            return callback(FlushOutcome::Flushed);
        }
        if self.has_failed() {
            return callback(FlushOutcome::TimedOut);
        }
        let mut state = self.state.lock();
        state.waiting.push(Waiting { offset, deadline: Instant::now() + timeout, callback });
        state.wanted = true;
        self.wake.notify_one();
        if std::mem::take(&mut state.watcher_sleeps) {
            self.wake_watcher.notify_one();
        }
    }

    /// Has a sleeping thread look how long it should sleep.
    pub fn reconsider(&self) {
        let _asleep_or_awake = self.state.lock();
        self.wake.notify_one();
    }

    pub fn stop(&self) {
        self.state.lock().stop = true;
        self.wake.notify_one();
        self.wake_watcher.notify_one();
    }

    /// The flushing thread. `on_flushed` is called after each sync.
    pub fn run(
        &self,
        config: &Live<MessageStoreConfig>,
        log: &CommitLog,
        checkpoint: &Checkpoint,
        on_flushed: impl Fn(),
    ) {
        let mut thorough_at = Instant::now();
        loop {
            let (wanted, stop) = self.wait(config);
            let config = config.load();
            let thorough = thorough_at.elapsed() >= config.flush_commit_log_thorough_interval();
            if thorough {
                thorough_at = Instant::now();
            }
            let least_pages =
                if wanted || thorough || stop { 0 } else { config.flush_commit_log_least_pages };
            if self.flush(log, checkpoint, least_pages) {
                on_flushed();
            }
            if stop {
                self.release(i64::MAX, FlushOutcome::TimedOut);
                return;
            }
        }
    }

    /// Sleeps until there is something to do: whether somebody waits, and whether to stop.
    fn wait(&self, config: &Live<MessageStoreConfig>) -> (bool, bool) {
        let mut state = self.state.lock();
        while !state.wanted && !state.stop {
            let config = config.load();
            match config.flush_disk_type {
                FlushDiskType::SyncFlush => self.wake.wait(&mut state),
                FlushDiskType::AsyncFlush => {
                    if self.wake.wait_for(&mut state, config.flush_interval_commit_log()).timed_out() {
                        break;
                    }
                }
            }
        }
        (std::mem::take(&mut state.wanted), state.stop)
    }

    /// Flushes if `least_pages` pages are unsaved. Whether anything came to disk.
    fn flush(&self, log: &CommitLog, checkpoint: &Checkpoint, least_pages: u64) -> bool {
        let dirty_bytes = log.dirty_bytes() as u64;
        if dirty_bytes == 0 || dirty_bytes / (super::mapped_file::PAGE_BYTES as u64) < least_pages {
            self.release(log.flushed_where(), FlushOutcome::Flushed);
            return false;
        }
        self.flush_all(log, checkpoint);
        true
    }

    /// Flushes whatever is unsaved. Whether that worked.
    pub fn flush_all(&self, log: &CommitLog, checkpoint: &Checkpoint) -> bool {
        let flushed = log.flush();
        match &flushed {
            Ok(store_timestamp_ms) if *store_timestamp_ms > 0 => {
                checkpoint.update(|fields| fields.physic_msg_timestamp = *store_timestamp_ms);
            }
            Ok(_) => {}
            Err(error) => {
                error!(%error, offset = log.flushed_where(), "cannot flush the commit log, no more appends");
                self.failed.store(true, Ordering::Relaxed);
            }
        }
        self.release(log.flushed_where(), FlushOutcome::Flushed);
        if flushed.is_err() {
            self.release(i64::MAX, FlushOutcome::TimedOut);
        }
        flushed.is_ok()
    }

    /// Ends the waits up to `offset`.
    fn release(&self, offset: i64, outcome: FlushOutcome) {
        let done: Vec<_> = {
            let mut state = self.state.lock();
            state.waiting.extract_if(.., |waiting| waiting.offset <= offset).collect()
        };
        for waiting in done {
            (waiting.callback)(outcome);
        }
    }

    /// The thread that ends waits whose time is over while a sync hangs (`FlushDiskWatcher`).
    pub fn watch(&self) {
        loop {
            let overdue: Vec<_> = {
                let mut state = self.state.lock();
                while state.waiting.is_empty() && !state.stop {
                    state.watcher_sleeps = true;
                    self.wake_watcher.wait(&mut state);
                }
                if state.stop {
                    return;
                }
                self.wake_watcher.wait_for(&mut state, WATCH_INTERVAL);
                let now = Instant::now();
                state.waiting.extract_if(.., |waiting| waiting.deadline <= now).collect()
            };
            for waiting in overdue {
                (waiting.callback)(FlushOutcome::TimedOut);
            }
        }
    }
}
