//! Bringing the log to disk (`CommitLog.GroupCommitService`, `FlushRealTimeService`).
//!
//! One sync serves all who wait when it begins; those who come while it runs share the next one. Who waits for it is
//! [`safety`](super::safety)'s.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use process::config::Live;
use tracing::error;

use super::Shared;
use super::config::{FlushDiskType, MessageStoreConfig};
use super::threads::PanicPoint;

#[derive(Default)]
struct State {
    /// Somebody wants a sync now.
    wanted: bool,
    stop: bool,
    /// The thread has been started before.
    has_run: bool,
}

#[derive(Default)]
pub struct Flusher {
    state: Mutex<State>,
    wake: Condvar,
    /// A sync has failed. What was written since the last good one may be lost although the next one succeeds: the log
    /// takes nothing more until the next start has looked at it.
    failed: AtomicBool,
    pub panic_point: PanicPoint,
}

impl Flusher {
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Has the log flushed soon.
    pub fn want(&self) {
        let mut state = self.state.lock();
        if !state.wanted {
            state.wanted = true;
            self.wake.notify_one();
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
    }

    /// The flushing thread. Run again after a panic, it begins with the flush that the earlier run may have owed.
    pub fn run(&self, store: &Shared) {
        let mut thorough_at = Instant::now();
        {
            let mut state = self.state.lock();
            state.wanted |= std::mem::replace(&mut state.has_run, true);
        }
        loop {
            let (wanted, stop) = self.wait(&store.config);
            self.panic_point.pass();
            let config = store.config.load();
            let thorough = thorough_at.elapsed() >= config.flush_commit_log_thorough_interval();
            if thorough {
                thorough_at = Instant::now();
            }
            let least_pages =
                if wanted || thorough || stop { 0 } else { config.flush_commit_log_least_pages };
            let dirty_bytes = store.log.dirty_bytes() as u64;
            if dirty_bytes > 0 && dirty_bytes / (super::mapped_file::PAGE_BYTES as u64) >= least_pages {
                self.flush_all(store);
            }
            if stop {
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

    /// Flushes whatever is unsaved, and tells all who wait for that. Whether it worked.
    pub fn flush_all(&self, store: &Shared) -> bool {
        let Shared { log, checkpoint, safety, derive, .. } = store;
        let flushed = log.flush();
        match &flushed {
            Ok(store_timestamp_ms) if *store_timestamp_ms > 0 => {
                checkpoint.update(|fields| fields.physic_msg_timestamp = *store_timestamp_ms);
            }
            Ok(_) => {}
            Err(error) => {
                error!(%error, offset = log.flushed_where(), "cannot flush the commit log, no more appends");
                self.failed.store(true, Ordering::Release);
            }
        }
        safety.progressed();
        if flushed.is_err() {
            safety.fail_disk();
        }
        // Acknowledgements first. With SYNC_FLUSH derivation goes as far as the disk has the log.
        derive.wake();
        flushed.is_ok()
    }
}
