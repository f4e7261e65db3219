//! Java's `MessageStoreConfig` (5.5.0), in its order of declaration.

use std::path::PathBuf;

use process::config::{boolean, choice, double, home_path, int, long, null, text};
use process::settings;

use super::{BrokerRole, DelayLevels, FlushDiskType, Hours};

settings! {
    /// How messages are kept.
    ///
    /// ```
    /// # use store::MessageStoreConfig;
    /// let config = MessageStoreConfig { max_message_size_bytes: 1 << 20, ..MessageStoreConfig::of_defaults() };
    /// ```
    pub struct MessageStoreConfig of "MessageStoreConfig" {
        store_path_root_dir: PathBuf = [never] home_path("storePathRootDir", "store").important(),
        /// Absent: `commitlog` in the root; may be several, see [`MessageStoreConfig::commit_log_dirs`].
        store_path_commit_log: Option<String> = [never] null("storePathCommitLog").important(),
        [never] null("storePathDLedgerCommitLog").important(),
        [never] null("storePathEpochFile").important(),
        [never] null("storePathBrokerIdentity").important(),
        read_only_commit_log_store_paths: Option<String> = [never] null("readOnlyCommitLogStorePaths"),
        mapped_file_size_commit_log_bytes: u64 = [restart] int("mappedFileSizeCommitLog", 1_073_741_824),
        [restart] int("compactionMappedFileSize", 104_857_600),
        [restart] int("compactionCqMappedFileSize", 10_485_760),
        [restart] int("compactionScheduleInternal", 900_000),
        [restart] int("maxOffsetMapSize", 104_857_600),
        [restart] int("compactionThreadNum", 6),
        [restart] boolean("enableCompaction", true),
        mapped_file_size_timer_log_bytes: usize = [restart] int("mappedFileSizeTimerLog", 104_857_600),
        /// Their delivery times are rounded up to a multiple of this.
        timer_precision_ms: i64 = [restart] int("timerPrecisionMs", 1000),
        /// Slots of that length after which a message is put into its topic again.
        timer_roll_window_slot: i64 = [restart] int("timerRollWindowSlot", 172_800),
        timer_flush_interval_ms: u64 = [live] int("timerFlushIntervalMs", 1000),
        [restart] int("timerGetMessageThreadNum", 3),
        [restart] int("timerPutMessageThreadNum", 3),
        [restart] boolean("timerEnableDisruptor", false).no_setter(),
        timer_enable_check_metrics: bool = [live] boolean("timerEnableCheckMetrics", true),
        [restart] boolean("timerInterceptDelayLevel", false),
        timer_max_delay_sec: i64 = [live] int("timerMaxDelaySec", 259_200),
        timer_wheel_snapshot_flush: bool = [restart] boolean("timerWheelSnapshotFlush", false),
        /// Messages with a delivery time of their own are taken.
        timer_wheel_enable: bool = [restart] boolean("timerWheelEnable", true),
        [restart] int("disappearTimeAfterStart", -1).important(),
        timer_stop_enqueue: bool = [live] boolean("timerStopEnqueue", false),
        /// When the counts of waiting messages are made anew.
        timer_check_metrics_when: Hours = [live] text("timerCheckMetricsWhen", "05").no_setter(),
        [live] boolean("timerSkipUnknownError", false),
        [live] boolean("timerWarmEnable", false).no_setter(),
        timer_stop_dequeue: bool = [live] boolean("timerStopDequeue", false).no_setter(),
        [live] boolean("timerEnableRetryUntilSuccess", false),
        /// Messages of a slot from which sends are refused at random; from twice as many, all are.
        timer_congest_num_each_slot: i64 = [live] int("timerCongestNumEachSlot", 2_147_483_647),
        timer_metric_small_threshold: i64 = [live] int("timerMetricSmallThreshold", 1_000_000),
        [live] int("timerProgressLogIntervalMs", 10_000),
        [live] int("timerWheelSnapshotIntervalMs", 10_000),
        /// Files looked at, at most, to find where recovery starts.
        commit_log_recover_max_num: usize = [restart] int("commitLogRecoverMaxNum", 10),
        [restart] boolean("timerRocksDBEnable", false),
        [live] boolean("timerRocksDBStopScan", false),
        [restart] long("timerRocksDBPrecisionMs", 1000),
        [restart] double("timerRocksDBRollMaxTps", 8_000.0),
        [restart] double("timerRocksDBTimeExpiredMaxTps", 200_000.0),
        [live] int("timerRocksDBRollIntervalHours", 1),
        [live] int("timerRocksDBRollRangeHours", 2),
        [live] boolean("timerRecallToTimeWheelEnable", true),
        [live] boolean("timerRecallToTimelineEnable", true),
        [restart] int("timerReputServiceCorePoolSize", 6),
        [restart] int("timerReputServiceMaxPoolSize", 6),
        [restart] int("timerReputServiceQueueCapacity", 10_000),
        [restart] boolean("transRocksDBEnable", false),
        [restart] boolean("transWriteOriginTransHalfEnable", true),
        [restart] boolean("indexRocksDBEnable", false),
        [live] int("maxRocksDBIndexQueryDays", 7),
        index_file_write_enable: bool = [live] boolean("indexFileWriteEnable", true),
        index_file_read_enable: bool = [live] boolean("indexFileReadEnable", true),
        [live] text("storeType", "default").important(),
        [live] boolean("iteratorWhenUseRocksdbConsumeQueue", true),
        /// A multiple of the 20 bytes of an entry, rounded up as Java does; see
        /// [`MessageStoreConfig::consume_queue_file_bytes`].
        mapped_file_size_consume_queue_bytes: u64 = [restart] int("mappedFileSizeConsumeQueue", 6_000_000),
        enable_consume_queue_ext: bool = [restart] boolean("enableConsumeQueueExt", false),
        mapped_file_size_consume_queue_ext_bytes: u64 = [restart] int("mappedFileSizeConsumeQueueExt", 50_331_648),
        mapper_file_size_batch_consume_queue_bytes: u64 = [restart] int("mapperFileSizeBatchConsumeQueue", 13_800_000),
        [restart] int("bitMapLengthConsumeQueueExt", 64),
        flush_interval_commit_log_ms: u64 = [live] int("flushIntervalCommitLog", 500).important(),
        [live] int("commitIntervalCommitLog", 200).important(),
        [restart] int("maxRecoveryCommitlogFiles", 30),
        /// Percent of the disk beyond which sends are refused.
        disk_space_warning_level_ratio: i32 = [live] int("diskSpaceWarningLevelRatio", 90),
        /// Percent of the disk beyond which files go whatever their age.
        disk_space_clean_forcibly_ratio: i32 = [live] int("diskSpaceCleanForciblyRatio", 85),
        [restart] boolean("useReentrantLockWhenPutMessage", true),
        [live] boolean("flushCommitLogTimed", true).important(),
        flush_interval_consume_queue_ms: u64 = [live] int("flushIntervalConsumeQueue", 1000),
        clean_resource_interval_ms: u64 = [restart] int("cleanResourceInterval", 10_000),
        delete_commit_log_files_interval_ms: u64 = [live] int("deleteCommitLogFilesInterval", 100),
        delete_consume_queue_files_interval_ms: u64 = [live] int("deleteConsumeQueueFilesInterval", 100),
        [live] int("destroyMapedFileIntervalForcibly", 120_000),
        [live] int("redeleteHangedFileInterval", 120_000),
        /// When files are removed for their age. Java takes a word that is no number for never.
        delete_when: Hours = [live] text("deleteWhen", "04").important(),
        /// Percent of the disk beyond which old files go at any hour.
        disk_max_used_space_ratio: i32 = [live] int("diskMaxUsedSpaceRatio", 75),
        /// Age from which a log file may be removed.
        file_reserved_time_hours: u64 = [live] int("fileReservedTime", 72).important(),
        delete_file_batch_max: usize = [live] int("deleteFileBatchMax", 10).important(),
        [restart] int("putMsgIndexHightWater", 600_000),
        /// The largest message body and the largest record's measure (`MessageExtEncoder`).
        max_message_size_bytes: usize = [live] int("maxMessageSize", 4_194_304),
        /// Bytes of index scanned for one pull with a filter.
        max_filter_message_size_bytes: usize = [live] int("maxFilterMessageSize", 16_000),
        check_crc_on_recover: bool = [restart] boolean("checkCRCOnRecover", true),
        [restart] boolean("checkCommitLogOffsetOnRecover", false),
        /// Pages of 4 KiB that must be dirty before an asynchronous flush.
        flush_commit_log_least_pages: u64 = [live] int("flushCommitLogLeastPages", 4),
        [live] int("commitCommitLogLeastPages", 4),
        [live] int("flushLeastPagesWhenWarmMapedFile", 4096),
        /// Pages of 4 KiB that must be dirty before a flush.
        flush_consume_queue_least_pages: u64 = [live] int("flushConsumeQueueLeastPages", 2),
        /// Flush this often whatever is dirty.
        flush_commit_log_thorough_interval_ms: u64 = [live] int("flushCommitLogThoroughInterval", 10_000),
        [live] int("commitCommitLogThoroughInterval", 200),
        /// Flush this often whatever is dirty.
        flush_consume_queue_thorough_interval_ms: u64 = [live] int("flushConsumeQueueThoroughInterval", 60_000),
        /// Limits of one pull that is served from memory.
        max_transfer_bytes_on_message_in_memory: usize = [live] int("maxTransferBytesOnMessageInMemory", 262_144).important(),
        max_transfer_count_on_message_in_memory: usize = [live] int("maxTransferCountOnMessageInMemory", 32).important(),
        /// Limits of one pull that is served from disk.
        max_transfer_bytes_on_message_in_disk: usize = [live] int("maxTransferBytesOnMessageInDisk", 65_536).important(),
        max_transfer_count_on_message_in_disk: usize = [live] int("maxTransferCountOnMessageInDisk", 8).important(),
        /// Percent of the memory that the log's tail is taken to fill.
        access_message_in_memory_max_ratio: u64 = [live] int("accessMessageInMemoryMaxRatio", 40).important(),
        /// Keep an index of keys, unique keys and tags.
        message_index_enable: bool = [live] boolean("messageIndexEnable", true).important(),
        max_hash_slot_num: usize = [restart] int("maxHashSlotNum", 5_000_000),
        max_index_num: usize = [restart] int("maxIndexNum", 20_000_000),
        /// Messages of one query by key, at most.
        max_msgs_num_batch: usize = [live] int("maxMsgsNumBatch", 64),
        [live] boolean("messageIndexSafe", false).important(),
        /// Where slaves connect; 0 here never: it is set to `listenPort` + 1.
        ha_listen_port: u16 = [never] int("haListenPort", 10_912),
        [live] int("haSendHeartbeatInterval", 5000),
        [live] int("haHousekeepingInterval", 20_000),
        [live] int("haTransferBatchSize", 32_768),
        [never] null("haMasterAddress").important(),
        [live] int("haMaxGapNotInSync", 268_435_456),
        broker_role: BrokerRole = [never] choice("brokerRole", BrokerRole::NAMES, "ASYNC_MASTER").important(),
        flush_disk_type: FlushDiskType = [restart] choice("flushDiskType", FlushDiskType::NAMES, "ASYNC_FLUSH").important(),
        /// How long a send waits for a synchronous flush.
        sync_flush_timeout_ms: u64 = [live] int("syncFlushTimeout", 5000),
        [restart] int("putMessageTimeout", 8000),
        [live] int("slaveTimeout", 3000),
        message_delay_level: DelayLevels =
            [restart] text("messageDelayLevel", "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"),
        /// Write `delayOffset.json` this often.
        flush_delay_offset_interval_ms: u64 = [restart] long("flushDelayOffsetInterval", 10_000),
        clean_file_forcibly_enable: bool = [live] boolean("cleanFileForciblyEnable", true).important(),
        [live] boolean("warmMapedFileEnable", false),
        /// An offset beyond the queue is not corrected on a slave.
        offset_check_in_slave: bool = [live] boolean("offsetCheckInSlave", false),
        [live] boolean("debugLockEnable", false),
        [live] boolean("duplicationEnable", false),
        [live] boolean("diskFallRecorded", true),
        /// An append that holds the log longer makes sends fail as `[PCBUSY_CLEAN_QUEUE]` or `system busy`.
        os_page_cache_busy_timeout_ms: u64 = [live] long("osPageCacheBusyTimeOutMills", 1000),
        /// Messages of one query by unique key, at most.
        default_query_max_num: i32 = [live] int("defaultQueryMaxNum", 32),
        [restart] boolean("transientStorePoolEnable", false).important(),
        [restart] int("transientStorePoolSize", 5),
        [live] boolean("fastFailIfNoBufferInStorePool", false),
        [restart] boolean("writeWithoutMmap", false).important(),
        [restart] boolean("enableDLegerCommitLog", false),
        [never] null("dLegerGroup"),
        [never] null("dLegerPeers"),
        [never] null("dLegerSelfId"),
        [restart] null("preferredLeaderId"),
        [restart] boolean("enableBatchPush", false),
        [live] boolean("enableScheduleMessageStats", true),
        enable_lmq: bool = [restart] boolean("enableLmq", false),
        enable_multi_dispatch: bool = [live] boolean("enableMultiDispatch", false),
        max_lmq_consume_queue_num: usize = [live] int("maxLmqConsumeQueueNum", 20_000),
        enable_lmq_quota: bool = [live] boolean("enableLmqQuota", false),
        [restart] boolean("enableScheduleAsyncDeliver", false),
        [live] int("scheduleAsyncDeliverMaxPendingLimit", 2000),
        [live] int("scheduleAsyncDeliverMaxResendNum2Blocked", 3),
        [restart] int("maxBatchDeleteFilesNum", 50),
        [restart] int("dispatchCqThreads", 10),
        [restart] int("dispatchCqCacheNum", 4096),
        [restart] boolean("enableAsyncReput", true),
        [live] boolean("recheckReputOffsetFromCq", false),
        [restart] int("maxTopicLength", 127),
        [live] boolean("autoMessageVersionOnTopicLen", true),
        [restart] boolean("enableRunningFlagsInFlush", false).important(),
        enabled_append_prop_crc: bool = [restart] boolean("enabledAppendPropCRC", false),
        force_verify_prop_crc: bool = [restart] boolean("forceVerifyPropCRC", false),
        /// Files of a queue that one read goes through, at most, to find a message.
        travel_cq_file_num_when_get_message: usize = [live] int("travelCqFileNumWhenGetMessage", 1),
        [live] int("correctLogicMinOffsetSleepInterval", 1),
        [live] int("correctLogicMinOffsetForceInterval", 300_000),
        [restart] boolean("mappedFileSwapEnable", true),
        [restart] long("commitLogForceSwapMapInterval", 43_200_000),
        [restart] long("commitLogSwapMapInterval", 3_600_000),
        [restart] int("commitLogSwapMapReserveFileNum", 100),
        [restart] long("logicQueueForceSwapMapInterval", 43_200_000),
        [restart] long("logicQueueSwapMapInterval", 3_600_000),
        [restart] long("cleanSwapedMapInterval", 300_000),
        [restart] int("logicQueueSwapMapReserveFileNum", 20),
        [live] boolean("searchBcqByCacheEnable", true),
        [restart] boolean("dispatchFromSenderThread", false).important(),
        [live] boolean("wakeCommitWhenPutMessage", true).important(),
        [live] boolean("wakeFlushWhenPutMessage", false).important(),
        [restart] boolean("enableCleanExpiredOffset", false).important(),
        [live] int("maxAsyncPutMessageRequests", 5000),
        [restart] int("pullBatchMaxMessageCount", 160),
        [restart] int("totalReplicas", 1).important(),
        [live] int("inSyncReplicas", 1).important(),
        [live] int("minInSyncReplicas", 1).important(),
        [live] boolean("allAckInSyncStateSet", false).important(),
        [live] boolean("enableAutoInSyncReplicas", false).important(),
        [live] boolean("haFlowControlEnable", false).important(),
        [live] long("maxHaTransferByteInSecond", 104_857_600),
        [live] long("haMaxTimeSlaveNotCatchup", 15_000),
        [live] boolean("syncMasterFlushOffsetWhenStartup", false),
        [live] long("maxChecksumRange", 1_073_741_824),
        /// Brokers that share the disk.
        replicas_per_disk_partition: u64 = [live] int("replicasPerDiskPartition", 1),
        logical_disk_space_clean_forcibly_threshold: f64 = [live] double("logicalDiskSpaceCleanForciblyThreshold", 0.8),
        [restart] long("maxSlaveResendLength", 268_435_456),
        [live] boolean("syncFromLastFile", false),
        [live] boolean("asyncLearner", false),
        [live] int("maxConsumeQueueScan", 20_000),
        [live] int("sampleCountThreshold", 5000),
        [live] boolean("coldDataFlowControlEnable", false),
        [live] boolean("coldDataScanEnable", false),
        [live] boolean("dataReadAheadEnable", true),
        [live] int("timerColdDataCheckIntervalMs", 60_000),
        [restart] int("sampleSteps", 32),
        [live] int("accessMessageInMemoryHotRatio", 26),
        [restart] boolean("enableBuildConsumeQueueConcurrently", false),
        [restart] int("batchDispatchRequestThreadPoolNums", 16),
        [restart] long("cleanRocksDBDirtyCQIntervalMin", 60),
        [restart] long("statRocksDBCQIntervalSec", 10),
        [restart] long("memTableFlushIntervalMs", 3_600_000),
        [live] boolean("realTimePersistRocksDBConfig", true),
        [live] boolean("enableRocksDBLog", false),
        [restart] int("topicQueueLockNum", 32),
        [live] boolean("readUnCommitted", false),
        [live] boolean("putConsumeQueueDataByFileChannel", true),
        [restart] boolean("rocksdbCQDoubleWriteEnable", false),
        [restart] text("combineCQLoadingCQTypes", "default;defaultRocksDB"),
        [restart] text("combineCQPreferCQType", "default"),
        [restart] text("combineAssignOffsetCQType", "default"),
        [live] boolean("combineCQEnableCheckSelf", false),
        [restart] int("combineCQMaxExtraSearchCommitLogFiles", 3),
        [restart] boolean("combineCQUseRocksdbForLmq", false),
        [restart] text("bottomMostCompressionTypeForConsumeQueueStore", "zstd"),
        [restart] text("rocksdbCompressionType", "lz4"),
        [live] int("rocksdbFlushWalFrequency", 1024),
        [live] long("rocksdbWalFileRollingThreshold", 1_073_741_824),
        [restart] boolean("enableAcceleratedRecovery", false),
        [restart] int("sharedByteBufferNum", 16),
        [restart] boolean("useSeparateStorePathForRocksdbCQ", false),
        [live] int("spinLockCollisionRetreatOptimalDegree", 1000),
        [restart] boolean("useABSLock", false),
        [live] boolean("enableLogConsumeQueueRepeatedlyBuildWhenRecover", false),
        /// A recall names topic and key, not the key alone.
        append_topic_for_timer_delete_key: bool = [live] boolean("appendTopicForTimerDeleteKey", false),
    }
}
