//! What the store is told. The broker maps its properties to this; names and defaults are Java's
//! (`org.apache.rocketmq.store.config.MessageStoreConfig`, 5.5.0).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use super::mapped_file;
use super::roots::Roots;

/// Says which topics have batch consume queues (`queue.type=BatchCQ`).
#[derive(Clone)]
pub struct BatchTopics(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl BatchTopics {
    pub fn new(is_batch_topic: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_batch_topic))
    }

    pub fn contains(&self, topic: &str) -> bool {
        (self.0)(topic)
    }
}

impl Default for BatchTopics {
    fn default() -> Self {
        Self::new(|_| false)
    }
}

impl fmt::Debug for BatchTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchTopics")
    }
}

/// Says which consumers' filters a message passes, for its queue's extension: a topic and the text of the properties make
/// the bits of a Bloom filter.
#[derive(Clone, Default)]
pub struct FilterBits(Option<Arc<CalcBits>>);

type CalcBits = dyn Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync;

impl FilterBits {
    pub fn new(calc: impl Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(calc)))
    }

    /// `None` where nobody filters the topic, or nobody asked for bits.
    pub fn of(&self, topic: &str, properties: &str) -> Option<Vec<u8>> {
        self.0.as_ref()?(topic, properties)
    }
}

impl fmt::Debug for FilterBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FilterBits").field(&self.0.is_some()).finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDiskType {
    AsyncFlush,
    SyncFlush,
}

#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub store_path_root_dir: PathBuf,
    /// Empty: `commitlog` under the root. New log files go to each in turn.
    pub store_path_commit_log: Vec<PathBuf>,
    /// Log files are read from here, too, and removed when their time has come, but none is made.
    pub read_only_commit_log_store_paths: Vec<PathBuf>,
    pub mapped_file_size_commit_log: u64,
    /// Rounded up to whole entries, as `getMappedFileSizeConsumeQueue` does.
    pub mapped_file_size_consume_queue: u64,
    /// Queue entries point to units in `consumequeue_ext` that have room for filters' bit maps.
    pub enable_consume_queue_ext: bool,
    pub mapped_file_size_consume_queue_ext: u64,
    /// Rounded up to whole entries.
    pub mapper_file_size_batch_consume_queue: u64,
    pub batch_topics: BatchTopics,
    /// Asked for each message while there is a queue extension.
    pub filter_bits: FilterBits,
    /// Messages go to the LMQs that they name, too (`multi_dispatch`).
    pub enable_lmq: bool,
    /// ConsumeQueueStore besides the topic's own are derived from the log.
    pub enable_multi_dispatch: bool,
    /// Whether the number of LMQs is bounded.
    pub enable_lmq_quota: bool,
    pub max_lmq_consume_queue_num: usize,
    pub flush_disk_type: FlushDiskType,
    pub flush_interval_commit_log: Duration,
    pub flush_commit_log_least_pages: u64,
    pub flush_commit_log_thorough_interval: Duration,
    pub flush_interval_consume_queue: Duration,
    pub flush_consume_queue_least_pages: u64,
    pub flush_consume_queue_thorough_interval: Duration,
    pub sync_flush_timeout: Duration,
    /// Longest body in bytes.
    pub max_message_size: usize,
    pub check_crc_on_recover: bool,
    /// Each record ends in a checksum of itself ([`message::property_crc`]).
    pub enabled_append_prop_crc: bool,
    /// Recovery goes by that checksum, and takes no record without it, instead of the body's.
    pub force_verify_prop_crc: bool,
    /// Files looked at, at most, to find where recovery starts.
    pub commit_log_recover_max_num: usize,
    pub max_transfer_bytes_on_message_in_memory: usize,
    pub max_transfer_count_on_message_in_memory: usize,
    pub max_transfer_bytes_on_message_in_disk: usize,
    pub max_transfer_count_on_message_in_disk: usize,
    pub max_filter_message_size: usize,
    pub travel_cq_file_num_when_get_message: usize,
    pub access_message_in_memory_max_ratio: u64,
    pub os_page_cache_busy_timeout: Duration,
    /// Write index files (`messageIndexEnable` and `indexFileWriteEnable`).
    pub message_index_enable: bool,
    /// Answer queries by key from the index files.
    pub index_file_read_enable: bool,
    /// Slots of an index file.
    pub max_hash_slot_num: usize,
    /// Entries of an index file; it takes one less, as Java's.
    pub max_index_num: usize,
    /// Messages of one query by key, at most.
    pub max_msgs_num_batch: usize,
    /// Delay of each level from 1 on, in milliseconds (`messageDelayLevel`).
    pub delay_levels_ms: Vec<i64>,
    /// A slave: appends are refused and offsets are not corrected.
    pub slave: bool,
    pub offset_check_in_slave: bool,
    /// Age, since its last change, from which a log file may be removed.
    pub file_reserved_time: Duration,
    /// Hours of the day, in the process's time zone, in which files are removed for their age.
    pub delete_when: Vec<i32>,
    /// At most so many log files are removed in one round.
    pub delete_file_batch_max: usize,
    /// From one round to the next.
    pub clean_resource_interval: Duration,
    /// From the removal of one file to the next.
    pub delete_commit_log_files_interval: Duration,
    pub delete_consume_queue_files_interval: Duration,
    /// Used part of the disk, from 0 to 1, beyond which old files go at any hour.
    pub disk_max_used_space_ratio: f64,
    /// Beyond this, files go whatever their age, if `clean_file_forcibly_enable`. Within 0.3 and 0.85.
    pub disk_space_clean_forcibly_ratio: f64,
    /// Beyond this, appends are refused. Within 0.35 and 0.9.
    pub disk_space_warning_level_ratio: f64,
    pub clean_file_forcibly_enable: bool,
    /// Brokers that share the disk.
    pub replicas_per_disk_partition: u64,
    /// With several brokers a disk: used part of this broker's share beyond which files go whatever their age.
    pub logical_disk_space_clean_forcibly_threshold: f64,
    /// The hour of a moment, and what is left of the disks: tests pass their own.
    pub local_hour: fn(i64) -> u32,
    pub disk: Disk,
    /// Ours alone: queue files mapped at once, at most; beyond it the longest unused are let go.
    pub queue_mappings_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            store_path_root_dir: PathBuf::from("store"),
            store_path_commit_log: Vec::new(),
            read_only_commit_log_store_paths: Vec::new(),
            mapped_file_size_commit_log: 1 << 30,
            mapped_file_size_consume_queue: 6_000_000,
            enable_consume_queue_ext: false,
            mapped_file_size_consume_queue_ext: 48 << 20,
            mapper_file_size_batch_consume_queue: 13_800_000,
            batch_topics: BatchTopics::default(),
            filter_bits: FilterBits::default(),
            enable_lmq: false,
            enable_multi_dispatch: false,
            enable_lmq_quota: false,
            max_lmq_consume_queue_num: 20_000,
            flush_disk_type: FlushDiskType::AsyncFlush,
            flush_interval_commit_log: Duration::from_millis(500),
            flush_commit_log_least_pages: 4,
            flush_commit_log_thorough_interval: Duration::from_secs(10),
            flush_interval_consume_queue: Duration::from_millis(1000),
            flush_consume_queue_least_pages: 2,
            flush_consume_queue_thorough_interval: Duration::from_secs(60),
            sync_flush_timeout: Duration::from_secs(5),
            max_message_size: 4 << 20,
            check_crc_on_recover: true,
            enabled_append_prop_crc: false,
            force_verify_prop_crc: false,
            commit_log_recover_max_num: 10,
            max_transfer_bytes_on_message_in_memory: 256 << 10,
            max_transfer_count_on_message_in_memory: 32,
            max_transfer_bytes_on_message_in_disk: 64 << 10,
            max_transfer_count_on_message_in_disk: 8,
            max_filter_message_size: 16_000,
            travel_cq_file_num_when_get_message: 1,
            access_message_in_memory_max_ratio: 40,
            os_page_cache_busy_timeout: Duration::from_secs(1),
            message_index_enable: true,
            index_file_read_enable: true,
            max_hash_slot_num: 5_000_000,
            max_index_num: 20_000_000,
            max_msgs_num_batch: 64,
            delay_levels_ms: default_delay_levels_ms(),
            slave: false,
            offset_check_in_slave: false,
            file_reserved_time: Duration::from_secs(72 * 3600),
            delete_when: vec![4],
            delete_file_batch_max: 10,
            clean_resource_interval: Duration::from_secs(10),
            delete_commit_log_files_interval: Duration::from_millis(100),
            delete_consume_queue_files_interval: Duration::from_millis(100),
            disk_max_used_space_ratio: 0.75,
            disk_space_clean_forcibly_ratio: 0.85,
            disk_space_warning_level_ratio: 0.9,
            clean_file_forcibly_enable: true,
            replicas_per_disk_partition: 1,
            logical_disk_space_clean_forcibly_threshold: 0.8,
            local_hour: |ms| mapped_file::local_time(ms)[3].unsigned_abs(),
            disk: Disk::real(),
            queue_mappings_max: 16_384,
        }
    }
}

/// `1s 5s 10s 30s 1m 2m ... 10m 20m 30m 1h 2h`.
fn default_delay_levels_ms() -> Vec<i64> {
    let seconds = [1, 5, 10, 30].into_iter();
    let minutes = (1..=10).chain([20, 30, 60, 120]).map(|minute| minute * 60);
    seconds.chain(minutes).map(|second| second * 1000).collect()
}

impl StoreConfig {
    /// The first directory of the log.
    pub fn commit_log_dir(&self) -> PathBuf {
        let given = self.store_path_commit_log.first().cloned();
        given.unwrap_or_else(|| self.store_path_root_dir.join("commitlog"))
    }

    pub(super) fn commit_log_roots(&self) -> Roots {
        match self.store_path_commit_log.is_empty() {
            true => Roots::new(&[self.commit_log_dir()], &[]),
            false => Roots::new(&self.store_path_commit_log, &self.read_only_commit_log_store_paths),
        }
    }

    pub fn consume_queue_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("consumequeue")
    }

    pub fn index_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("index")
    }

    pub fn consume_queue_ext_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("consumequeue_ext")
    }

    pub fn batch_consume_queue_dir(&self) -> PathBuf {
        self.store_path_root_dir.join("batchconsumequeue")
    }

    pub fn root(&self) -> &Path {
        &self.store_path_root_dir
    }

    /// Deliver time of a message of a delay level that was stored at `store_timestamp_ms`
    /// (`DefaultMessageStore.computeDeliverTimestamp`); levels beyond the table count as its last.
    pub fn deliver_timestamp_ms(&self, level: i32, store_timestamp_ms: i64) -> Option<i64> {
        let level = usize::try_from(level).ok()?.min(self.delay_levels_ms.len());
        let delay_ms = self.delay_levels_ms.get(level.checked_sub(1)?)?;
        Some(store_timestamp_ms + delay_ms)
    }
}
