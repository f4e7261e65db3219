//! What the store is told: Java's `MessageStoreConfig`, most of which can change while the store runs, and its
//! [`Surroundings`].

mod message_store_config;
mod surroundings;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::QUEUE_ENTRY_BYTES;
use super::roots::Roots;

pub use message_store_config::MessageStoreConfig;
pub use surroundings::{BatchTopics, FilterBits, Surroundings};
pub use values::{BrokerRole, DelayLevels, FlushDiskType, Hours};

/// Bounds of `diskSpaceWarningLevelRatio` and `diskSpaceCleanForciblyRatio`.
const WARNING_LEVEL_BOUNDS: (f64, f64) = (0.35, 0.90);
const CLEAN_FORCIBLY_BOUNDS: (f64, f64) = (0.30, 0.85);

/// Places.
impl MessageStoreConfig {
    /// The store's root.
    pub fn root(&self) -> &Path {
        &self.store_path_root_dir
    }

    /// A file of `<root>/config`, such as `topics.json`.
    pub fn config_file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.store_path_root_dir.join("config").join(name)
    }

    /// The directory of the log where it has one.
    pub fn commit_log_dir(&self) -> PathBuf {
        let given = self.store_path_commit_log.as_ref().map(PathBuf::from);
        given.unwrap_or_else(|| self.store_path_root_dir.join("commitlog"))
    }

    /// The directories of the log, to each of which new files go in turn, and those that it is read from, too. Java heeds
    /// the latter where there are several of the former.
    pub(super) fn commit_log_roots(&self, splitter: &str) -> Roots {
        let split = |paths: &str| -> Vec<PathBuf> {
            paths.trim().split(splitter).filter(|path| !path.is_empty()).map(PathBuf::from).collect()
        };
        match &self.store_path_commit_log {
            Some(paths) if paths.contains(splitter) => {
                let read_only = self.read_only_commit_log_store_paths.as_deref();
                Roots::new(&split(paths), &read_only.map(split).unwrap_or_default())
            }
            _ => Roots::new(&[self.commit_log_dir()], &[]),
        }
    }

    /// Of the queues' files.
    pub fn consume_queue_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("consumequeue")
    }

    /// Of the index files.
    pub fn index_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("index")
    }

    /// Of the queues' extensions.
    pub fn consume_queue_ext_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("consumequeue_ext")
    }

    /// Of the batch queues' files.
    pub fn batch_consume_queue_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("batchconsumequeue")
    }
}

/// Values with their units, and those of two keys.
impl MessageStoreConfig {
    /// Whether appends are refused and offsets are not corrected.
    pub fn is_slave(&self) -> bool {
        self.broker_role == BrokerRole::Slave
    }

    /// Bytes of a queue's file: whole entries, as `MessageStoreConfig.getMappedFileSizeConsumeQueue`.
    pub fn consume_queue_file_bytes(&self) -> u64 {
        let entry_bytes = QUEUE_ENTRY_BYTES as u64;
        self.mapped_file_size_consume_queue_bytes.div_ceil(entry_bytes) * entry_bytes
    }

    /// Whether entries are put into index files.
    pub fn writes_index(&self) -> bool {
        self.message_index_enable && self.index_file_write_enable
    }

    /// From one look for something to flush to the next.
    pub fn flush_interval_commit_log(&self) -> Duration {
        Duration::from_millis(self.flush_interval_commit_log_ms.max(1))
    }

    /// From one flush of whatever is dirty to the next.
    pub fn flush_commit_log_thorough_interval(&self) -> Duration {
        Duration::from_millis(self.flush_commit_log_thorough_interval_ms)
    }

    /// As [`flush_interval_commit_log`](Self::flush_interval_commit_log), of the queues.
    pub fn flush_interval_consume_queue(&self) -> Duration {
        Duration::from_millis(self.flush_interval_consume_queue_ms.max(1))
    }

    /// As [`flush_commit_log_thorough_interval`](Self::flush_commit_log_thorough_interval), of the queues.
    pub fn flush_consume_queue_thorough_interval(&self) -> Duration {
        Duration::from_millis(self.flush_consume_queue_thorough_interval_ms)
    }

    /// How long a send waits for a synchronous flush.
    pub fn sync_flush_timeout(&self) -> Duration {
        Duration::from_millis(self.sync_flush_timeout_ms)
    }

    /// Age, since its last change, from which a log file may be removed.
    pub fn file_reserved_time(&self) -> Duration {
        Duration::from_secs(self.file_reserved_time_hours.saturating_mul(3600))
    }

    /// From one round that removes files to the next.
    pub fn clean_resource_interval(&self) -> Duration {
        Duration::from_millis(self.clean_resource_interval_ms.max(1))
    }

    /// From the removal of one log file to the next.
    pub fn delete_commit_log_files_interval(&self) -> Duration {
        Duration::from_millis(self.delete_commit_log_files_interval_ms)
    }

    /// From the removal of one queue file to the next.
    pub fn delete_consume_queue_files_interval(&self) -> Duration {
        Duration::from_millis(self.delete_consume_queue_files_interval_ms)
    }

    /// Used part of the disk, from 0 to 1, beyond which old files go at any hour.
    pub fn max_used_ratio(&self) -> f64 {
        f64::from(self.disk_max_used_space_ratio) / 100.0
    }

    /// Used part of the disk beyond which appends are refused. `property` goes before the key
    /// (`getDiskSpaceWarningLevelRatio`).
    pub fn warning_level_ratio(&self, property: Option<f64>) -> f64 {
        bounded_ratio(property, self.disk_space_warning_level_ratio, WARNING_LEVEL_BOUNDS)
    }

    /// Used part of the disk beyond which files go whatever their age, if they may. `property` goes before the key
    /// (`getDiskSpaceCleanForciblyRatio`).
    pub fn clean_forcibly_ratio(&self, property: Option<f64>) -> f64 {
        bounded_ratio(property, self.disk_space_clean_forcibly_ratio, CLEAN_FORCIBLY_BOUNDS)
    }

    /// Length of a tick of the timer, of which delivery times are made multiples.
    pub fn timer_tick_ms(&self) -> i64 {
        self.timer_precision_ms.max(1)
    }
}

fn bounded_ratio(property: Option<f64>, percent: i32, (min, max): (f64, f64)) -> f64 {
    property.unwrap_or(f64::from(percent) / 100.0).max(min).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_the_log() {
        let dirs = |paths: &str, splitter: &str| -> Vec<String> {
            let config = MessageStoreConfig {
                store_path_root_dir: "/s".into(),
                store_path_commit_log: Some(paths.to_owned()).filter(|paths| !paths.is_empty()),
                read_only_commit_log_store_paths: Some("/r".to_owned()),
                ..MessageStoreConfig::of_defaults()
            };
            let roots = config.commit_log_roots(splitter);
            roots.all().map(|(_, dir)| dir.display().to_string()).collect()
        };
        assert_eq!(dirs("", ","), ["/s/commitlog"]);
        assert_eq!(dirs("/a", ","), ["/a"]);
        assert_eq!(dirs("/a,/b,", ","), ["/a", "/b", "/r"]);
        assert_eq!(dirs("/a,b:/c", ":"), ["/a,b", "/c", "/r"]);
        // As Java's regular expression it would stand between any two letters.
        assert_eq!(dirs("/a|/c", "|"), ["/a", "/c", "/r"]);
    }

    #[test]
    fn ratios_of_the_disk_stay_within_bounds() {
        let config =
            MessageStoreConfig { disk_space_warning_level_ratio: 99, ..MessageStoreConfig::of_defaults() };
        assert_eq!((config.warning_level_ratio(None), config.warning_level_ratio(Some(0.5))), (0.90, 0.5));
        assert_eq!((config.clean_forcibly_ratio(None), config.clean_forcibly_ratio(Some(0.1))), (0.85, 0.30));
        assert_eq!(config.max_used_ratio(), 0.75);
    }

    #[test]
    fn files_of_queues_hold_whole_entries() {
        let config = MessageStoreConfig {
            mapped_file_size_consume_queue_bytes: 41,
            ..MessageStoreConfig::of_defaults()
        };
        assert_eq!(config.consume_queue_file_bytes(), 60);
    }
}
