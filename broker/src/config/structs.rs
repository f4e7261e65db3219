//! The typed structs. A key that has a field here is a key that we act on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Config, ConfigError, Environment, FromText};
use process::settings;

/// All of a broker's settings, as one read of its [`Config`].
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    pub identity: BrokerIdentity,
    pub broker: BrokerConfig,
    pub store: MessageStoreConfig,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub environment: Arc<Environment>,
}

impl BrokerSettings {
    pub fn read(config: &Config) -> Result<BrokerSettings, ConfigError> {
        Ok(BrokerSettings {
            identity: config.read()?,
            broker: config.read()?,
            store: config.read()?,
            server: config.read()?,
            client: config.read()?,
            environment: config.environment().clone(),
        })
    }

    /// `brokerIP1:listenPort`, under which the broker registers (`BrokerController.getBrokerAddr`).
    pub fn broker_addr(&self) -> String {
        format!("{}:{}", self.broker.broker_ip1, self.server.listen_port)
    }

    /// `brokerIP2:haListenPort`, to which slaves connect (`BrokerController.getHAServerAddr`).
    pub fn ha_server_addr(&self) -> String {
        format!("{}:{}", self.broker.broker_ip2, self.store.ha_listen_port)
    }
}

settings! {
    /// Who the broker is in its cluster (Java's `BrokerIdentity`).
    pub struct BrokerIdentity of "BrokerIdentity" {
        /// Shared by a master and its slaves.
        pub broker_name: String = "brokerName",
        pub broker_cluster_name: String = "brokerClusterName",
        /// 0 for the master.
        pub broker_id: i64 = "brokerId",
    }
}

settings! {
    /// How the broker serves its clients (Java's `BrokerConfig`).
    pub struct BrokerConfig of "BrokerConfig" {
        /// Name servers as `host:port;host:port`; see [`BrokerConfig::namesrv_addrs`].
        pub namesrv_addr: Option<String> = "namesrvAddr",
        /// The address given to clients.
        pub broker_ip1: String = "brokerIP1",
        /// The address given to slaves.
        pub broker_ip2: String = "brokerIP2",
        /// Bits of `PermName`: 4 read, 2 write.
        pub broker_permission: i32 = "brokerPermission",

        /// Queues of a topic that a send creates, at most.
        pub default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        pub auto_create_topic_enable: bool = "autoCreateTopicEnable",
        /// A topic named as the cluster exists.
        pub cluster_topic_enable: bool = "clusterTopicEnable",
        /// A topic named as the broker exists.
        pub broker_topic_enable: bool = "brokerTopicEnable",
        pub auto_create_subscription_group: bool = "autoCreateSubscriptionGroup",
        /// Groups that begin with `CID_RMQ_SYS_` may be created too.
        pub enable_create_sys_group: bool = "enableCreateSysGroup",
        /// Topics that are the broker's own may not be changed.
        pub validate_system_topic_when_update_topic: bool = "validateSystemTopicWhenUpdateTopic",
        /// Topics may be for messages of every kind (`message.type=MIXED`).
        pub enable_mixed_message_type: bool = "enableMixedMessageType",
        pub trace_topic_enable: bool = "traceTopicEnable",
        pub msg_trace_topic_name: String = "msgTraceTopicName",
        /// The `TRACE_ON` of replies and stored messages.
        pub trace_on: bool = "traceOn",
        /// The `MSG_REGION` of replies and stored messages.
        pub region_id: String = "regionId",
        /// Timed messages may be recalled.
        pub recall_message_enable: bool = "recallMessageEnable",
        pub allow_recall_when_broker_not_writeable: bool = "allowRecallWhenBrokerNotWriteable",
        pub reject_transaction_message: bool = "rejectTransactionMessage",
        /// Age from which a producer is asked about its half message.
        pub transaction_time_out_ms: i64 = "transactionTimeOut",
        /// A half message asked about so often is given up.
        pub transaction_check_max: i32 = "transactionCheckMax",
        pub transaction_check_interval_ms: u64 = "transactionCheckInterval",
        /// The ends of half messages are written together this often.
        pub transaction_op_batch_interval_ms: u64 = "transactionOpBatchInterval",
        /// Ends that fill so much are written at once.
        pub transaction_op_msg_max_size_bytes: usize = "transactionOpMsgMaxSize",
        pub transaction_metric_flush_interval_ms: u64 = "transactionMetricFlushInterval",
        pub store_reply_message_enable: bool = "storeReplyMessageEnable",

        pub long_polling_enable: bool = "longPollingEnable",
        /// How long a pull is parked where long polling is off.
        pub short_polling_time_ms: u64 = "shortPollingTimeMills",
        pub notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable",
        /// False: a group's changes are told every 15 s.
        pub real_time_notify_consumer_change: bool = "realTimeNotifyConsumerChange",
        /// Only push consumers may pull, and consumers that sent a heartbeat on the same connection.
        pub reject_pull_consumer_enable: bool = "rejectPullConsumerEnable",
        pub lite_pull_message_enable: bool = "litePullMessageEnable",
        /// Consumers may filter by expressions over properties.
        pub enable_property_filter: bool = "enablePropertyFilter",
        pub enable_calc_filter_bit_map: bool = "enableCalcFilterBitMap",
        /// A retry topic's messages are filtered as in the topic they come from.
        pub filter_support_retry: bool = "filterSupportRetry",
        /// A group's expression is forgotten so long after its last client left.
        pub filter_data_clean_time_span_ms: i64 = "filterDataCleanTimeSpan",
        /// Groups with an expression that the Bloom filter is made for.
        pub expect_consumer_num_use_filter: i32 = "expectConsumerNumUseFilter",
        /// Wrong answers of the Bloom filter, in a hundred.
        pub max_error_rate_of_bloom_filter: i32 = "maxErrorRateOfBloomFilter",
        /// A slave may serve pulls.
        pub slave_read_enable: bool = "slaveReadEnable",
        /// Offsets of broadcasting consumers are kept too.
        pub enable_broadcast_offset_store: bool = "enableBroadcastOffsetStore",
        /// How long those of a client that has left are kept.
        pub broadcast_offset_expire_s: u64 = "broadcastOffsetExpireSecond",
        /// How long those of a client that does not pull are kept.
        pub broadcast_offset_expire_max_s: u64 = "broadcastOffsetExpireMaxSecond",
        pub use_server_side_reset_offset: bool = "useServerSideResetOffset",
        /// Commits from one version of the offset table to the next.
        pub consumer_offset_update_version_step: u64 = "consumerOffsetUpdateVersionStep",
        /// Deliveries of delayed messages from one version of their offsets to the next.
        pub delay_offset_update_version_step: u64 = "delayOffsetUpdateVersionStep",
        /// Queues of the topic in which popped messages wait.
        pub revive_queue_num: i32 = "reviveQueueNum",

        /// `system busy` replies in place of waiting.
        pub broker_fast_failure_enable: bool = "brokerFastFailureEnable",
        /// A send that waits longer is refused as `system busy`.
        pub wait_time_in_send_queue_ms: u64 = "waitTimeMillsInSendQueue",
        pub wait_time_in_pull_queue_ms: u64 = "waitTimeMillsInPullQueue",
        /// Sends before this moment (ms since 1970) are refused.
        pub start_accept_send_request_time_stamp_ms: i64 = "startAcceptSendRequestTimeStamp",
        /// Sends that may wait at once.
        pub send_queue_capacity: usize = "sendThreadPoolQueueCapacity",
        /// Pulls that may wait at once.
        pub pull_queue_capacity: usize = "pullThreadPoolQueueCapacity",

        /// Register with every name server this often; Java keeps it within 10 s and 60 s.
        pub register_name_server_period_ms: u64 = "registerNameServerPeriod",
        pub register_broker_timeout_ms: u64 = "registerBrokerTimeoutMills",
        /// Register at each period even if nothing changed.
        pub force_register: bool = "forceRegister",
        /// Send the registration's body deflated.
        pub compressed_register: bool = "compressedRegister",
        /// Register a changed topic alone, with REGISTER_TOPIC_IN_NAMESRV.
        pub enable_single_topic_register: bool = "enableSingleTopicRegister",
        /// Register in parts of `split_registration_size` topics.
        pub enable_split_registration: bool = "enableSplitRegistration",
        pub split_registration_size: usize = "splitRegistrationSize",

        /// Write `consumerOffset.json` this often.
        pub flush_consumer_offset_interval_ms: u64 = "flushConsumerOffsetInterval",
        /// A client without a heartbeat for so long is gone.
        pub channel_expired_timeout_ms: u64 = "channelExpiredTimeout",
        /// A group's subscription that no heartbeat renews for so long is dropped.
        pub subscription_expired_timeout_ms: u64 = "subscriptionExpiredTimeout",

        /// Keys, separated by `;`, that a config update may not change.
        pub config_black_list: String = "configBlackList",
        /// Where a config update is kept, if not in the file given with `-c`.
        pub broker_config_path: Option<PathBuf> = "brokerConfigPath",
        /// Log files go to a folder of this broker's own.
        pub isolate_log_enable: bool = "isolateLogEnable",
    }
}

impl BrokerConfig {
    /// The name servers' addresses, each as `host:port`.
    pub fn namesrv_addrs(&self) -> Vec<String> {
        let addresses = self.namesrv_addr.as_deref().unwrap_or_default().split(';').map(str::trim);
        addresses.filter(|address| !address.is_empty()).map(str::to_string).collect()
    }
}

settings! {
    /// How messages are kept (Java's `MessageStoreConfig`).
    pub struct MessageStoreConfig of "MessageStoreConfig" {
        pub store_path_root_dir: PathBuf = "storePathRootDir",
        /// Absent: `commitlog` in the root; may be several, see [`MessageStoreConfig::commit_log_dirs`].
        pub store_path_commit_log: Option<String> = "storePathCommitLog",
        pub read_only_commit_log_store_paths: Option<String> = "readOnlyCommitLogStorePaths",
        pub broker_role: BrokerRole = "brokerRole",

        pub mapped_file_size_commit_log_bytes: u64 = "mappedFileSizeCommitLog",
        /// A multiple of the 20 bytes of an entry, rounded up as Java does; see
        /// [`MessageStoreConfig::consume_queue_file_bytes`].
        pub mapped_file_size_consume_queue_bytes: u64 = "mappedFileSizeConsumeQueue",
        pub enable_consume_queue_ext: bool = "enableConsumeQueueExt",
        pub mapped_file_size_consume_queue_ext_bytes: u64 = "mappedFileSizeConsumeQueueExt",
        pub mapper_file_size_batch_consume_queue_bytes: u64 = "mapperFileSizeBatchConsumeQueue",
        pub enable_lmq: bool = "enableLmq",
        pub enable_multi_dispatch: bool = "enableMultiDispatch",
        pub enable_lmq_quota: bool = "enableLmqQuota",
        pub max_lmq_consume_queue_num: usize = "maxLmqConsumeQueueNum",
        /// The largest message body and the largest record's measure (`MessageExtEncoder`).
        pub max_message_size_bytes: usize = "maxMessageSize",
        /// Write topic names over 127 bytes, in records of version 2.
        pub auto_message_version_on_topic_len: bool = "autoMessageVersionOnTopicLen",

        pub flush_disk_type: FlushDiskType = "flushDiskType",
        pub flush_interval_commit_log_ms: u64 = "flushIntervalCommitLog",
        /// Pages of 4 KiB that must be dirty before an asynchronous flush.
        pub flush_commit_log_least_pages: u32 = "flushCommitLogLeastPages",
        /// Flush this often whatever is dirty.
        pub flush_commit_log_thorough_interval_ms: u64 = "flushCommitLogThoroughInterval",
        pub flush_interval_consume_queue_ms: u64 = "flushIntervalConsumeQueue",
        /// Pages of 4 KiB that must be dirty before a flush.
        pub flush_consume_queue_least_pages: u32 = "flushConsumeQueueLeastPages",
        /// Flush this often whatever is dirty.
        pub flush_consume_queue_thorough_interval_ms: u64 = "flushConsumeQueueThoroughInterval",
        /// How long a send waits for a synchronous flush.
        pub sync_flush_timeout_ms: u64 = "syncFlushTimeout",
        /// How long a send waits for a slave (SYNC_MASTER).
        pub slave_timeout_ms: u64 = "slaveTimeout",
        /// An append that holds the log longer makes sends fail as `[PCBUSY_CLEAN_QUEUE]` or `system busy`.
        pub os_page_cache_busy_timeout_ms: u64 = "osPageCacheBusyTimeOutMills",
        pub check_crc_on_recover: bool = "checkCRCOnRecover",
        pub enabled_append_prop_crc: bool = "enabledAppendPropCRC",
        pub force_verify_prop_crc: bool = "forceVerifyPropCRC",

        /// Limits of one pull that is served from memory.
        pub max_transfer_bytes_on_message_in_memory: usize = "maxTransferBytesOnMessageInMemory",
        pub max_transfer_count_on_message_in_memory: usize = "maxTransferCountOnMessageInMemory",
        /// Limits of one pull that is served from disk.
        pub max_transfer_bytes_on_message_in_disk: usize = "maxTransferBytesOnMessageInDisk",
        pub max_transfer_count_on_message_in_disk: usize = "maxTransferCountOnMessageInDisk",
        /// Percent of the memory that the log's tail is taken to fill.
        pub access_message_in_memory_max_ratio: u32 = "accessMessageInMemoryMaxRatio",
        /// Bytes of index scanned for one pull with a filter.
        pub max_filter_message_size_bytes: usize = "maxFilterMessageSize",
        pub pull_batch_max_message_count: usize = "pullBatchMaxMessageCount",
        /// An offset beyond the queue is not corrected on a slave.
        pub offset_check_in_slave: bool = "offsetCheckInSlave",
        /// A consumer further behind than memory is sent to a slave.
        pub disk_fall_recorded: bool = "diskFallRecorded",

        /// Keep an index of keys, unique keys and tags.
        pub message_index_enable: bool = "messageIndexEnable",
        pub index_file_write_enable: bool = "indexFileWriteEnable",
        pub index_file_read_enable: bool = "indexFileReadEnable",
        pub max_hash_slot_num: usize = "maxHashSlotNum",
        pub max_index_num: usize = "maxIndexNum",
        /// Messages of one query by key, at most.
        pub max_msgs_num_batch: usize = "maxMsgsNumBatch",
        /// Messages of one query by unique key, at most.
        pub default_query_max_num: i32 = "defaultQueryMaxNum",
        /// Age from which a log file may be removed.
        pub file_reserved_time_hours: u32 = "fileReservedTime",
        /// Hours of the day, such as `04;16`; see [`MessageStoreConfig::delete_hours`].
        pub delete_when: String = "deleteWhen",
        pub delete_file_batch_max: usize = "deleteFileBatchMax",
        pub clean_resource_interval_ms: u64 = "cleanResourceInterval",
        pub delete_commit_log_files_interval_ms: u64 = "deleteCommitLogFilesInterval",
        pub delete_consume_queue_files_interval_ms: u64 = "deleteConsumeQueueFilesInterval",
        /// Percent of the disk beyond which old files go at any hour.
        pub disk_max_used_space_ratio: i32 = "diskMaxUsedSpaceRatio",
        /// Percent of the disk beyond which files go whatever their age.
        pub disk_space_clean_forcibly_ratio: i32 = "diskSpaceCleanForciblyRatio",
        /// Percent of the disk beyond which sends are refused.
        pub disk_space_warning_level_ratio: i32 = "diskSpaceWarningLevelRatio",
        pub clean_file_forcibly_enable: bool = "cleanFileForciblyEnable",
        /// Brokers that share the disk.
        pub replicas_per_disk_partition: u64 = "replicasPerDiskPartition",
        pub logical_disk_space_clean_forcibly_threshold: f64 = "logicalDiskSpaceCleanForciblyThreshold",

        /// Delays by level from 1, such as `1s 5s 10s`; see [`MessageStoreConfig::delay_levels_ms`].
        pub message_delay_level: String = "messageDelayLevel",
        /// Messages with a delivery time of their own are taken.
        pub timer_wheel_enable: bool = "timerWheelEnable",
        /// Their delivery times are rounded up to a multiple of this.
        pub timer_precision_ms: i64 = "timerPrecisionMs",
        /// Slots of that length after which a message is put into its topic again.
        pub timer_roll_window_slot: i64 = "timerRollWindowSlot",
        pub timer_max_delay_sec: i64 = "timerMaxDelaySec",
        pub timer_flush_interval_ms: u64 = "timerFlushIntervalMs",
        pub mapped_file_size_timer_log_bytes: usize = "mappedFileSizeTimerLog",
        pub timer_wheel_snapshot_flush: bool = "timerWheelSnapshotFlush",
        pub timer_stop_enqueue: bool = "timerStopEnqueue",
        pub timer_stop_dequeue: bool = "timerStopDequeue",
        /// Messages of a slot from which sends are refused at random; from twice as many, all are.
        pub timer_congest_num_each_slot: i64 = "timerCongestNumEachSlot",
        /// A recall names topic and key, not the key alone.
        pub append_topic_for_timer_delete_key: bool = "appendTopicForTimerDeleteKey",
        pub timer_enable_check_metrics: bool = "timerEnableCheckMetrics",
        /// Hours such as `05;17`.
        pub timer_check_metrics_when: String = "timerCheckMetricsWhen",
        pub timer_metric_small_threshold: i64 = "timerMetricSmallThreshold",
        /// Write `delayOffset.json` this often.
        pub flush_delay_offset_interval_ms: u64 = "flushDelayOffsetInterval",

        /// Where slaves connect; 0 here never: it is set to `listenPort` + 1.
        pub ha_listen_port: u16 = "haListenPort",
    }
}

/// Bytes of one consume queue entry (Java's `ConsumeQueue.CQ_STORE_UNIT_SIZE`).
const CONSUME_QUEUE_ENTRY_BYTES: u64 = 20;

impl MessageStoreConfig {
    /// The directories of the log, and those that it is only read from. Empty: the default one. `splitter` separates several
    /// (`rocketmq.broker.multiPathSplitter`); Java heeds read-only ones where there are several.
    pub fn commit_log_dirs(&self, splitter: &str) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let split = |paths: &str| -> Vec<PathBuf> {
            paths.trim().split(splitter).filter(|path| !path.is_empty()).map(PathBuf::from).collect()
        };
        match &self.store_path_commit_log {
            None => (Vec::new(), Vec::new()),
            Some(path) if !path.contains(splitter) => (vec![PathBuf::from(path)], Vec::new()),
            Some(paths) => {
                let read_only = self.read_only_commit_log_store_paths.as_deref();
                (split(paths), read_only.map(split).unwrap_or_default())
            }
        }
    }

    /// Hours at which the counts of waiting messages are made anew; a word that is no number is none.
    pub fn timer_check_metrics_hours(&self) -> Vec<i32> {
        self.timer_check_metrics_when.split(';').filter_map(|hour| hour.trim().parse().ok()).collect()
    }

    /// `None` if a word is no number: Java would never remove a file, whatever its age.
    pub fn delete_hours(&self) -> Option<Vec<i32>> {
        self.delete_when.trim_end_matches(';').split(';').map(|hour| hour.parse().ok()).collect()
    }

    /// A file of `<root>/config`, such as `topics.json`.
    pub fn config_file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.store_path_root_dir.join("config").join(name)
    }

    /// As `MessageStoreConfig.getMappedFileSizeConsumeQueue`: whole entries.
    pub fn consume_queue_file_bytes(&self) -> u64 {
        self.mapped_file_size_consume_queue_bytes.div_ceil(CONSUME_QUEUE_ENTRY_BYTES)
            * CONSUME_QUEUE_ENTRY_BYTES
    }

    /// The delays of levels 1, 2, ... in milliseconds; `None` if a word is no delay, with which no broker starts.
    pub fn delay_levels_ms(&self) -> Option<Vec<i64>> {
        self.message_delay_level.split(' ').filter(|word| !word.is_empty()).map(delay_ms).collect()
    }
}

fn delay_ms(word: &str) -> Option<i64> {
    let unit_ms = match word.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    word[..word.len() - 1].parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// Java's `FlushDiskType`: what an acknowledged send has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDiskType {
    /// The disk.
    SyncFlush,
    /// The page cache.
    AsyncFlush,
}

impl FromText for FlushDiskType {
    const EXPECTED: &'static str = "SYNC_FLUSH or ASYNC_FLUSH";

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "SYNC_FLUSH" => Some(FlushDiskType::SyncFlush),
            "ASYNC_FLUSH" => Some(FlushDiskType::AsyncFlush),
            _ => None,
        }
    }
}

/// Java's `BrokerRole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerRole {
    /// Acknowledges without its slaves.
    AsyncMaster,
    /// Acknowledges once a slave has the message.
    SyncMaster,
    Slave,
}

impl FromText for BrokerRole {
    const EXPECTED: &'static str = "ASYNC_MASTER, SYNC_MASTER or SLAVE";

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "ASYNC_MASTER" => Some(BrokerRole::AsyncMaster),
            "SYNC_MASTER" => Some(BrokerRole::SyncMaster),
            "SLAVE" => Some(BrokerRole::Slave),
            _ => None,
        }
    }
}
