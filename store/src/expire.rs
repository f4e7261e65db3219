//! Giving disk space back, and noticing that there is none left
//! (`DefaultMessageStore.CleanCommitLogService`, `ConsumeQueueStore.CleanConsumeQueueService`).
//!
//! A thread of its own removes one file at a time, with pauses. It holds no lock while it waits for the disk. A file that
//! is being read is removed all the same, since whoever reads it keeps its mapping: Java's hung files and their second
//! chances (`destroyMapedFileIntervalForcibly`, `redeleteHangedFileInterval`) have no counterpart.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use tracing::{error, info, warn};

use super::Shared;
use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::disk::Disk;
use super::threads::PanicPoint;

/// `addScheduleTask`: nothing is removed in the first minute, in which an operator may still change his mind.
const FIRST_ROUND_AFTER: Duration = Duration::from_secs(60);
/// While appends are refused for a full disk it is looked at this often: appends go on so soon after there is space.
const FULL_DISK_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Rounds that remove files by request (`MAX_MANUAL_DELETE_FILE_TIMES`).
const MANUAL_ROUNDS: u32 = 20;

/// What the thread and those who ask it share.
#[derive(Debug, Default)]
pub struct Expire {
    /// Rounds yet to come that remove files at any hour.
    manual_rounds: AtomicU32,
    /// The disk is so full that appends are refused (`RunningFlags.DISK_FULL_BIT`).
    disk_full: AtomicBool,
    /// Where the log began when queues and index were last brought in line with it.
    cleaned_to: AtomicI64,
    stop: Mutex<bool>,
    wake: Condvar,
    pub panic_point: PanicPoint,
}

/// What a look at the disks says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pressure {
    /// Files that are old enough go at any hour.
    space: bool,
    /// Files go whatever their age.
    forced: bool,
}

impl Expire {
    pub fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// Has the next rounds remove files that are old enough, whatever the hour (`executeDeleteFilesManually`).
    pub fn delete_files_manually(&self) {
        info!("log files will be removed by request");
        self.manual_rounds.store(MANUAL_ROUNDS, Ordering::Relaxed);
    }

    /// The log ends, and may soon begin, earlier than it did.
    pub fn log_was_cut(&self, offset: i64) {
        self.cleaned_to.fetch_min(offset, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        *self.stop.lock() = true;
        self.wake.notify_all();
    }

    /// The thread.
    pub fn run(&self, parts: &Shared) {
        self.run_from(parts, Instant::now() + FIRST_ROUND_AFTER);
    }

    pub fn run_from(&self, parts: &Shared, first_round: Instant) {
        let mut next_round = first_round;
        loop {
            self.panic_point.pass();
            let wait = next_round.saturating_duration_since(Instant::now());
            let wait = if self.is_disk_full() { wait.min(FULL_DISK_LOOK_INTERVAL) } else { wait };
            if !self.pause(wait) {
                return;
            }
            if Instant::now() < next_round {
                self.look(parts);
                continue;
            }
            self.round(parts);
            next_round = Instant::now() + parts.config.load().clean_resource_interval();
        }
    }

    /// False if the thread is to end.
    fn pause(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut stop = self.stop.lock();
        while !*stop && !self.wake.wait_until(&mut stop, deadline).timed_out() {}
        !*stop
    }

    /// One round of all services.
    pub fn round(&self, parts: &Shared) {
        self.clean_log(parts);
        self.clean_queues(parts);
    }

    /// `CleanCommitLogService.deleteExpiredFiles`.
    fn clean_log(&self, parts: &Shared) {
        let config = parts.config.load();
        let hour = (parts.surroundings.local_hour)(parts.log.clock.wall_ms());
        let is_time = config.delete_when.contains(hour);
        let pressure = self.look(parts);
        let take_one = |rounds: u32| rounds.checked_sub(1);
        let by_request =
            self.manual_rounds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok();
        if !is_time && !pressure.space && !by_request {
            return;
        }
        let whatever_age = config.clean_file_forcibly_enable && pressure.forced;
        let removed = self.remove_log_files(parts, whatever_age);
        if removed > 0 {
            let begin = parts.log.min_offset();
            info!(removed, begin, is_time, by_request, ?pressure, "log files removed");
        } else if pressure.space {
            warn!(?pressure, "the disk will soon be full, and no log file can be removed");
        }
    }

    /// From the oldest on, up to the first that is too young; the last stays (`deleteExpiredFileByTime`).
    fn remove_log_files(&self, parts: &Shared, whatever_age: bool) -> usize {
        let (config, log) = (parts.config.load(), &parts.log);
        let reserved_ms = config.file_reserved_time().as_millis() as i64;
        let others = log.files.len().saturating_sub(1);
        let mut removed = 0;
        while removed < others {
            let Some(first) = log.files.first() else { break };
            let path = first.path().to_owned();
            let now_ms = log.clock.wall_ms();
            let changed_ms = match changed_ms(log, &parts.surroundings.disk, &path, now_ms) {
                Ok(changed_ms) => changed_ms,
                Err(error) => {
                    error!(%error, path = %path.display(), "cannot see how old a log file is, it stays");
                    break;
                }
            };
            if !whatever_age && now_ms < changed_ms.saturating_add(reserved_ms) {
                break;
            }
            drop(first);
            let removed_first = {
                let _upkeep = parts.upkeep.lock();
                log.remove_first_file()
            };
            match removed_first {
                Ok(true) => info!(path = %path.display(), "log file removed"),
                Ok(false) => break,
                Err(error) => {
                    error!(%error, path = %path.display(), "cannot remove a log file");
                    break;
                }
            }
            removed += 1;
            if removed >= config.delete_file_batch_max
                || (removed < others && !self.pause(config.delete_commit_log_files_interval()))
            {
                break;
            }
        }
        removed
    }

    /// Brings queues and index in line with where the log begins (`CleanConsumeQueueService.deleteExpiredFiles`). All
    /// queues learn their min offsets first: that takes a moment, removing files can take hours.
    fn clean_queues(&self, parts: &Shared) {
        let begin = parts.log.min_offset();
        if begin <= self.cleaned_to.load(Ordering::Relaxed) {
            return;
        }
        let mut queues = parts.queues.all();
        queues.retain(|queue| {
            let _upkeep = parts.upkeep.lock();
            let corrected = queue.correct_min_offset(begin);
            if let Err(error) = &corrected {
                let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                error!(%error, topic, queue_id, "cannot see where a consume queue begins");
            }
            corrected.is_ok()
        });
        for queue in &queues {
            let removed = {
                let _upkeep = parts.upkeep.lock();
                queue.remove_expired_files(begin)
            };
            let removed = removed.unwrap_or_else(|error| {
                let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                error!(%error, topic, queue_id, "cannot remove a consume queue file");
                0
            });
            if removed > 0 {
                parts.inventory.forget();
            }
            if removed > 0 && !self.pause(parts.config.load().delete_consume_queue_files_interval()) {
                return;
            }
        }
        for queue in parts.queues.batch().all() {
            let _upkeep = parts.upkeep.lock();
            match queue.remove_expired_files(begin) {
                Ok(0) => {}
                Ok(_) => parts.inventory.forget(),
                Err(error) => {
                    let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                    error!(%error, topic, queue_id, "cannot remove a batch consume queue file");
                }
            }
            // Looks into the first file that is left.
            if let Err(error) = queue.correct_min_offset(begin) {
                let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                error!(%error, topic, queue_id, "cannot see where a batch consume queue begins");
            }
        }
        let _upkeep = parts.upkeep.lock();
        parts.index.expire(begin);
        self.cleaned_to.store(begin, Ordering::Relaxed);
    }

    /// Looks how full the disks are, and refuses appends or takes them again (`isSpaceToDelete`).
    fn look(&self, parts: &Shared) -> Pressure {
        let (config, surroundings) = (parts.config.load(), &parts.surroundings);
        let warning = config.warning_level_ratio(surroundings.warning_level_ratio);
        let forcibly = config.clean_forcibly_ratio(surroundings.clean_forcibly_ratio);
        let used = used_ratios(parts);
        for (root, dir) in parts.log.files.roots().configured() {
            parts.log.files.roots().set_full(root, surroundings.disk.used_ratio(dir) > forcibly);
        }
        if used.log > warning {
            self.set_disk_full(true, &used);
        } else if used.log <= forcibly {
            self.set_disk_full(used.queues > warning, &used);
        }
        let forced = [used.log, used.queues].iter().any(|used| *used > warning || *used > forcibly);
        if forced {
            return Pressure { space: true, forced };
        }
        match config.replicas_per_disk_partition {
            0 | 1 => {
                let is_much = |used: f64| used < 0.0 || used > config.max_used_ratio();
                Pressure { space: is_much(used.log) || is_much(used.queues), forced }
            }
            share => share_pressure(parts, &config, share),
        }
    }

    fn set_disk_full(&self, full: bool, used: &UsedRatios) {
        if self.disk_full.swap(full, Ordering::Relaxed) != full {
            match full {
                true => error!(?used, "the disk is nearly full, no more appends"),
                false => info!(?used, "the disk has space again"),
            }
        }
    }
}

/// Used parts of the disks, from 0 to 1; -1 where it is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsedRatios {
    /// Of the emptiest of the log's disks.
    pub log: f64,
    /// Of the disk with the consume queues.
    pub queues: f64,
    /// Of the disk with the index files.
    pub index: f64,
}

/// What refusals tell, too (`SendMessageProcessor.diskUtil`).
pub fn used_ratios(parts: &Shared) -> UsedRatios {
    let (config, disk) = (parts.config.load(), &parts.surroundings.disk);
    let log = parts.log.files.roots().configured().map(|(_, dir)| disk.used_ratio(dir));
    UsedRatios {
        log: log.fold(100.0, f64::min),
        queues: disk.used_ratio(&config.consume_queue_dir()),
        index: disk.used_ratio(&config.index_dir()),
    }
}

/// Several brokers share the disk: what counts is this one's files beside its share (`replicasPerDiskPartition`).
fn share_pressure(parts: &Shared, config: &MessageStoreConfig, brokers: u64) -> Pressure {
    let disk = &parts.surroundings.disk;
    let spaces = parts.log.files.roots().configured().filter_map(|(_, dir)| disk.space(dir).ok());
    let emptiest = spaces.min_by(|one, other| one.used_ratio().total_cmp(&other.used_ratio()));
    let share_bytes = emptiest.map_or(0, |space| space.total) / brokers;
    let log_bytes = parts.log.files.len() as u64 * config.mapped_file_size_commit_log_bytes;
    let bytes = log_bytes + parts.queues.total_bytes() + dir_bytes(&config.index_dir());
    let used = bytes as f64 / share_bytes as f64;
    let forced = used > config.logical_disk_space_clean_forcibly_threshold;
    Pressure { space: forced || used > config.max_used_ratio(), forced }
}

/// Bytes of a directory's files, holes counted.
fn dir_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// When the oldest log file was last changed. A clock that has been set back makes that a time to come; but files are
/// written one after another, so it was not later than of any behind it.
fn changed_ms(log: &CommitLog, disk: &Disk, oldest: &Path, now_ms: i64) -> io::Result<i64> {
    let changed_ms = match last_modified_ms(disk, oldest) {
        // Java's clock for a file that is missing stands at 0: it goes.
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        otherwise => otherwise?,
    };
    if changed_ms <= now_ms {
        return Ok(changed_ms);
    }
    let files = log.files.snapshot();
    let behind = files.iter().filter_map(|file| last_modified_ms(disk, file.path()).ok());
    Ok(behind.fold(changed_ms, i64::min))
}

fn last_modified_ms(disk: &Disk, path: &Path) -> io::Result<i64> {
    let modified = disk.metadata(path)?.modified()?;
    Ok(modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64))
}
