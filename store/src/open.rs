//! Opening, starting and stopping a store: its lock, its `abort` file, its threads.

use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tracing::{error, info, warn};

use super::append::Ahead;
use super::checkpoint::Checkpoint;
use super::commit_log::CommitLog;
use process::clock::Clock;
use process::config::Live;
use process::threads::{self, caught};

use super::config::{MessageStoreConfig, Surroundings};
use super::consume_queue::Trust;
use super::consume_queue_store::ConsumeQueueStore;
use super::derive::{Derive, Line};
use super::disk::Disk;
use super::error::OpenError;
use super::expire::Expire;
use super::flush::Flusher;
use super::index::{self, Index};
use super::inventory::InventoryFile;
use super::layout::{ABORT_FILE, CHECKPOINT_FILE, LOCK_FILE, LOCK_TEXT};
use super::lock::{DirLock, FileLock};
use super::mapped_file;
use super::rebuild::Rebuild;
use super::recover::{self, Recovery};
use super::roots::Roots;
use super::safety::Safety;
use super::threads::{OnFailed, PanicPoint, Running, StoreWork};
use super::{MessageStore, OnArrived, Shared};

/// Smallest file of log or queue in bytes: room for an entry, or for a blank record and something before it.
const FILE_BYTES_MIN: u64 = 20;

/// Recovers log and queues; after a crash the index follows on a thread of its own, as far as it gets.
fn recover(
    recovery: &Recovery<'_>,
    rebuild: &Rebuild<'_>,
    queued_to: i64,
    index: &Index,
    line: &Line<'_>,
    before: &index::Before,
) -> Result<(), OpenError> {
    if recovery.is_clean() {
        return recovery.run(line, rebuild, queued_to);
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let follow = || {
            // The index goes through the log again once its end is known.
            if let Err(panic) = caught(|| index.follow(line, before, &is_over)) {
                error!(panic, "the index does not follow the recovery");
            }
        };
        if let Err(error) = thread::Builder::new().name("store-index".to_owned()).spawn_scoped(scope, follow)
        {
            warn!(%error, "the index comes after the recovery, for want of a thread");
        }
        let recovered = recovery.run(line, rebuild, queued_to);
        is_over.store(true, Ordering::Release);
        recovered
    })
}

impl MessageStore {
    /// Locks, loads and recovers the store; starts nothing. A store that is locked or whose files are not of the configured
    /// sizes is left as it was. An error for a file that cannot be read or made, too.
    pub fn open(
        config: MessageStoreConfig,
        surroundings: Surroundings,
        clock: Clock,
    ) -> Result<Arc<Self>, OpenError> {
        check_file_sizes(&config)?;
        let (root, disk) = (config.root(), &surroundings.disk);
        disk.create_dir(root).map_err(OpenError::io(root))?;
        let lock = lock(disk, root)?;
        let roots = config.commit_log_roots(&surroundings.path_splitter);
        make_dirs(&config, disk, &roots)?;
        let locks = Locks { _dirs: lock_dirs(disk, &roots)?, _store: lock };
        let log = CommitLog::load(&config, disk, roots, clock.clone())?;
        let clean = !root.join(ABORT_FILE).exists();
        let checkpoint_path = root.join(CHECKPOINT_FILE);
        let checkpoint =
            Checkpoint::open(disk, checkpoint_path.clone()).map_err(OpenError::io(checkpoint_path))?;
        let trust = match clean {
            true => Trust::All,
            false => Trust::UpTo(recover::queued_on_disk(&log, &checkpoint)?),
        };
        let inventory = InventoryFile::new(disk, root);
        let noted = inventory.read();
        let (queues, damaged) = ConsumeQueueStore::load(&config, &surroundings, trust, noted.as_ref())?;
        let queued_to = noted.as_ref().map_or(-1, |noted| noted.log_end);
        let rebuild = Rebuild::new(&queues, damaged, log.min_offset());
        let before_index = index::Before {
            clean,
            flushed_until_ms: checkpoint.fields().index_msg_timestamp,
            queued_to: queues.last_entry()?.map(|last| last.physical_offset),
        };
        let index = Index::load(&config, disk, clock.clone(), &before_index)?;
        let config = Live::new(config);
        let recovery =
            Recovery { config: &config.load(), log: &log, queues: &queues, checkpoint: &checkpoint, trust };
        let line = Line { config: &config, log: &log, queues: &queues, index: &index };
        recover(&recovery, &rebuild, queued_to, &index, &line, &before_index)?;
        if !clean || !rebuild.is_empty() || log.max_offset() < queued_to {
            inventory.write(&queues, log.max_offset()).map_err(OpenError::io(config.load().root()))?;
        }
        index.catch_up(&line, &before_index)?;
        let opened_at = log.max_offset();
        let derive = Derive::default();
        derive.set_from(opened_at);
        let parts = Shared {
            config,
            surroundings,
            running: Running::default(),
            log,
            queues,
            index,
            checkpoint,
            inventory,
            ahead: Ahead::default(),
            flusher: Flusher::default(),
            safety: Safety::default(),
            derive,
            upkeep: Mutex::default(),
            lmq_order: Mutex::default(),
            queue_flush: QueueFlush::default(),
            expire: Expire::default(),
        };
        Ok(Arc::new(Self {
            clock,
            parts: Arc::new(parts),
            physical_memory_bytes: mapped_file::physical_memory_bytes(),
            opened_at,
            was_clean: clean,
            threads: Mutex::default(),
            locks: Mutex::new(Some(locks)),
        }))
    }

    /// Marks the store as in use (`abort`) and starts its threads. An error if the file cannot be made, or the system
    /// has no thread left.
    pub fn start(&self, mut on_arrived: OnArrived) -> Result<(), OpenError> {
        let config = self.config();
        let (root, disk) = (config.root(), self.disk());
        let abort = root.join(ABORT_FILE);
        mark_in_use(disk, &abort).map_err(OpenError::io(&abort))?;
        // Without its name on disk a power cut would look like a clean stop.
        disk.sync_dir(root).map_err(OpenError::io(root))?;
        self.parts.log.prepare_tail();
        self.spawn(
            "store-derive",
            |parts| parts.derive.from(),
            move |parts| {
                let Shared { config, log, queues, index, .. } = parts;
                let line = Line { config, log, queues, index };
                parts.derive.run(&line, &mut on_arrived);
            },
        )?;
        let flushed_where = |parts: &Shared| parts.log.flushed_where();
        self.spawn("store-flush-log", flushed_where, |parts| parts.flusher.run(parts))?;
        self.spawn("store-safety", |_| 0, |parts| parts.safety.run(parts))?;
        self.spawn("store-ahead", |_| 0, |parts| parts.ahead.run(&parts.log))?;
        let mut is_again = false;
        self.spawn(
            "store-flush-queues",
            |_| 0,
            move |parts| {
                if mem::replace(&mut is_again, true) {
                    parts.queues.mark_all_dirty();
                }
                parts.queue_flush.run(parts);
            },
        )?;
        self.spawn("store-expire", |_| 0, |parts| parts.expire.run(parts))?;
        self.parts.running.switch_on();
        Ok(())
    }

    /// Starts a thread of the store. `progress` says how far it is; `run` ends once it is stopped.
    pub(super) fn spawn(
        &self,
        name: &str,
        progress: fn(&Shared) -> i64,
        run: impl FnMut(&Shared) + Send + 'static,
    ) -> Result<(), OpenError> {
        let work = StoreWork { store: Arc::clone(&self.parts), progress, run };
        let thread = threads::spawn(name, work).map_err(OpenError::io(self.config().root()))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Has `hook` called, on a thread of the store, when the store gives up: it takes no more messages, and what it took may not
    /// be readable before it is opened again. The process should say so and end. To be called before [`Self::start`].
    pub fn when_failed(&self, hook: OnFailed) {
        self.parts.running.when_failed(hook);
    }

    /// Why the store has given up, if it has: one line.
    pub fn failure(&self) -> Option<&str> {
        self.parts.running.failure()
    }

    /// Flushes and derives everything, removes `abort` and unlocks. Reads go on, appends are refused.
    pub fn shutdown(&self) {
        let was_started = self.parts.running.stop();
        self.stop_threads();
        let Some(locks) = self.locks.lock().take() else { return };
        if was_started {
            self.close_clean();
        }
        drop(locks);
    }

    fn close_clean(&self) {
        let Shared { log, queues, index, checkpoint, inventory, flusher, derive, upkeep, running, .. } =
            &*self.parts;
        let _upkeep = upkeep.lock();
        if let Some(why) = running.failure() {
            error!("the next start will recover: {why}");
            return;
        }
        let indexed = index.flush_all();
        let flushed = queues.flush(0) && !flusher.has_failed() && log.dirty_bytes() == 0;
        let derived = derive.is_done(log.max_offset()) && !derive.has_left_out();
        let (true, Ok(index_until_ms)) = (flushed && derived, indexed) else {
            error!("not everything came to disk: the next start will recover");
            return;
        };
        note_all_durable(checkpoint, derive.last());
        note_index_flushed(checkpoint, index_until_ms);
        let config = self.config();
        let (root, disk) = (config.root(), self.disk());
        let closed = inventory
            .write(queues, derive.from())
            .and_then(|()| checkpoint.flush())
            .and_then(|()| disk.remove_file(&root.join(ABORT_FILE)))
            .and_then(|()| disk.sync_dir(root));
        match closed {
            Ok(()) => info!(offset = log.max_offset(), "store closed"),
            Err(error) => error!(%error, "cannot close the store cleanly: the next start will recover"),
        }
    }

    /// Log first: under SYNC_FLUSH deriving waits for it.
    fn stop_threads(&self) {
        let Shared { ahead, flusher, safety, derive, queue_flush, expire, .. } = &*self.parts;
        self.parts.running.stop();
        let mut threads = self.threads.lock();
        let mut join = |name: &str| {
            for thread in threads.extract_if(.., |thread| thread.thread().name() == Some(name)) {
                // It has caught its panics.
                let _ = thread.join();
            }
        };
        expire.stop();
        join("store-expire");
        ahead.stop();
        join("store-ahead");
        flusher.stop();
        join("store-flush-log");
        // What is not on disk by now will not be.
        safety.close();
        safety.stop();
        join("store-safety");
        derive.stop();
        join("store-derive");
        queue_flush.stop();
        join("store-flush-queues");
    }
}

/// A store that is dropped without [`MessageStore::shutdown`] is left as a crash leaves it.
impl Drop for MessageStore {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

/// Positions in log files are 31-bit numbers in Java.
fn check_file_sizes(config: &MessageStoreConfig) -> Result<(), OpenError> {
    let sizes = [
        ("mappedFileSizeCommitLog", config.mapped_file_size_commit_log_bytes),
        ("mappedFileSizeConsumeQueue", config.mapped_file_size_consume_queue_bytes),
        ("mapperFileSizeBatchConsumeQueue", config.mapper_file_size_batch_consume_queue_bytes),
        ("mappedFileSizeConsumeQueueExt", config.mapped_file_size_consume_queue_ext_bytes),
    ];
    match sizes.into_iter().find(|(_, bytes)| !(FILE_BYTES_MIN..=i32::MAX as u64).contains(bytes)) {
        Some((property, bytes)) => Err(OpenError::FileSize { property, bytes }),
        None => Ok(()),
    }
}

/// That the file is there counts, not what it holds: a full disk must not keep a store from being read.
fn mark_in_use(disk: &Disk, abort: &Path) -> io::Result<()> {
    let file = disk.open_or_create(abort)?;
    disk.resize(&file, abort, 0)?;
    match disk.write(&file, abort, std::process::id().to_string().as_bytes(), 0) {
        Err(error) if is_disk_full(&error) => Ok(()),
        other => other,
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Java's disk check takes a directory that is missing for a disk in trouble.
fn make_dirs(config: &MessageStoreConfig, disk: &Disk, roots: &Roots) -> Result<(), OpenError> {
    let dirs = roots.configured().map(|(_, dir)| dir.to_owned()).chain([config.consume_queue_dir()]);
    dirs.into_iter().try_for_each(|dir| disk.create_dir(&dir).map_err(OpenError::io(dir)))
}

/// What keeps others out while the store is open.
#[derive(Debug)]
pub struct Locks {
    _dirs: Vec<DirLock>,
    _store: FileLock,
}

/// Two brokers may have a root each and, by a slip, one log directory: Java's would write over each other's messages.
fn lock_dirs(disk: &Disk, roots: &Roots) -> Result<Vec<DirLock>, OpenError> {
    let mut locks = Vec::new();
    // One directory under two names is locked once.
    for (_, dir) in Roots::distinct(roots.configured()) {
        match DirLock::try_new(disk, dir) {
            Ok(Some(lock)) => locks.push(lock),
            Ok(None) => return Err(OpenError::Locked(dir.to_owned())),
            Err(error) => warn!(%error, dir = %dir.display(), "a log directory cannot be locked"),
        }
    }
    Ok(locks)
}

fn lock(disk: &Disk, root: &Path) -> Result<FileLock, OpenError> {
    let path = root.join(LOCK_FILE);
    let file = disk.open_or_create(&path).map_err(OpenError::io(&path))?;
    let Some(lock) = FileLock::try_new(file).map_err(OpenError::io(&path))? else {
        return Err(OpenError::Locked(path));
    };
    // Not written again, as Java does: its time says whether a Java broker was here.
    let mut text = [0; LOCK_TEXT.len()];
    if lock.file().read_exact_at(&mut text, 0).is_ok() && text == LOCK_TEXT.as_bytes() {
        return Ok(lock);
    }
    match disk.write(lock.file(), &path, LOCK_TEXT.as_bytes(), 0) {
        Err(error) if !is_disk_full(&error) => Err(OpenError::io(path)(error)),
        _ => Ok(lock),
    }
}

fn note_all_durable(checkpoint: &Checkpoint, (offset, timestamp_ms): (i64, i64)) {
    if timestamp_ms > 0 {
        checkpoint.update(|fields| fields.all_durable(offset, timestamp_ms));
    }
}

fn note_index_flushed(checkpoint: &Checkpoint, until_ms: Option<i64>) {
    if let Some(until_ms) = until_ms {
        checkpoint.update(|fields| fields.index_msg_timestamp = until_ms);
    }
}

/// The thread that brings queues and checkpoint to disk (`ConsumeQueueStore.FlushConsumeQueueService`).
#[derive(Default)]
pub struct QueueFlush {
    stop: Mutex<bool>,
    wake: Condvar,
    pub panic_point: PanicPoint,
}

impl QueueFlush {
    fn stop(&self) {
        *self.stop.lock() = true;
        self.wake.notify_one();
    }

    /// Has a sleeping thread look how long it should sleep.
    pub(super) fn reconsider(&self) {
        let _asleep_or_awake = self.stop.lock();
        self.wake.notify_one();
    }

    fn run(&self, parts: &Shared) {
        let mut thorough_at = Instant::now();
        loop {
            {
                let mut stop = self.stop.lock();
                if !*stop {
                    // Under the lock, so that no change of it comes between the look and the sleep.
                    let interval = parts.config.load().flush_interval_consume_queue();
                    self.wake.wait_for(&mut stop, interval);
                }
                if *stop {
                    return;
                }
            }
            self.panic_point.pass();
            let config = parts.config.load();
            let thorough = thorough_at.elapsed() >= config.flush_consume_queue_thorough_interval();
            if let Err(error) = flush_queues(parts, &config, thorough) {
                error!(%error, "cannot write the checkpoint");
            }
            if thorough {
                thorough_at = Instant::now();
            }
        }
    }
}

fn flush_queues(parts: &Shared, config: &MessageStoreConfig, thorough: bool) -> io::Result<()> {
    // Before the flush: what is derived while it runs may not be covered by it.
    let Shared { queues, index, checkpoint, flusher, derive, upkeep, .. } = parts;
    let _upkeep = upkeep.lock();
    let last = derive.last();
    // Java flushes full files only; a file that grows for days would be read through after a power cut.
    match if thorough { index.flush_all() } else { index.flush_full() } {
        Ok(until_ms) => note_index_flushed(checkpoint, until_ms),
        Err(error) => error!(%error, "cannot flush the index"),
    }
    let least_pages = if thorough { 0 } else { config.flush_consume_queue_least_pages };
    if queues.flush(least_pages) && thorough && flusher.flush_all(parts) && !derive.has_left_out() {
        note_all_durable(checkpoint, last);
    }
    checkpoint.flush()
}
