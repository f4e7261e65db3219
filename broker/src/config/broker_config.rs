//! Java's `BrokerIdentity` and `BrokerConfig` (5.5.0), in its order of declaration.

use std::cmp::{max, min};

use process::config::{
    Environment, boolean, choice, computed_int, computed_text, int, long, null, numbered_choice, text,
};
use process::settings;

use super::name_servers;

const MESSAGE_REQUEST_MODE: &[&str] = &["PULL", "POP"];
const METRICS_EXPORTER_TYPE: &[&str] = &["DISABLE", "OTLP_GRPC", "PROM", "LOG"];

settings! {
    /// Who the broker is in its cluster (Java's `BrokerIdentity`, which `BrokerConfig` extends; `-p` does not print it).
    pub struct BrokerIdentity of "BrokerIdentity" {
        /// Shared by a master and its slaves.
        broker_name: String = [never] computed_text("brokerName", Environment::broker_name).important(),
        broker_cluster_name: String = [never] text("brokerClusterName", "DefaultCluster").important(),
        /// 0 for the master.
        broker_id: i64 = [never] long("brokerId", 0).important(),
        [never] boolean("isBrokerContainer", false).no_setter(),
        [never] boolean("isInBrokerContainer", false).set_as("inBrokerContainer"),
    }
}

settings! {
    /// How the broker serves its clients.
    pub struct BrokerConfig of "BrokerConfig" {
        [never] null("brokerConfigPath"),
        [never] computed_text("rocketmqHome", Environment::rocketmq_home),
        /// Name servers as `host:port;host:port`; see [`BrokerConfig::namesrv_addrs`].
        namesrv_addr: Option<String> = [live] computed_text("namesrvAddr", Environment::namesrv_addr).important(),
        [never] int("listenPort", 6888).important(),
        /// The address given to clients.
        broker_ip1: String = [never] computed_text("brokerIP1", Environment::local_address).important(),
        /// The address given to slaves.
        broker_ip2: String = [never] computed_text("brokerIP2", Environment::local_address),
        [restart] boolean("recoverConcurrently", false).important(),
        /// Bits of `PermName`: 4 read, 2 write.
        broker_permission: i32 = [live] int("brokerPermission", 6),
        /// Queues of a topic that a send creates, at most.
        default_topic_queue_nums: i32 = [restart] int("defaultTopicQueueNums", 8),
        auto_create_topic_enable: bool = [live] boolean("autoCreateTopicEnable", true).important(),
        /// A topic named as the cluster exists.
        cluster_topic_enable: bool = [restart] boolean("clusterTopicEnable", true),
        /// A topic named as the broker exists.
        broker_topic_enable: bool = [restart] boolean("brokerTopicEnable", true),
        auto_create_subscription_group: bool = [live] boolean("autoCreateSubscriptionGroup", true).important(),
        [never] text("messageStorePlugIn", ""),
        msg_trace_topic_name: String = [restart] text("msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC").important(),
        trace_topic_enable: bool = [restart] boolean("traceTopicEnable", false).important(),
        [restart] computed_int("sendMessageThreadPoolNums", |env| min(env.processors(), 4)),
        [restart] computed_int("putMessageFutureThreadPoolNums", |env| min(env.processors(), 4)),
        [restart] computed_int("pullMessageThreadPoolNums", |env| 16 + env.processors() * 2),
        [restart] computed_int("litePullMessageThreadPoolNums", |env| 16 + env.processors() * 2),
        [restart] int("ackMessageThreadPoolNums", 16),
        [restart] computed_int("processReplyMessageThreadPoolNums", |env| 16 + env.processors() * 2),
        [restart] computed_int("queryMessageThreadPoolNums", |env| 8 + env.processors()),
        [restart] int("adminBrokerThreadPoolNums", 16),
        [restart] int("clientManageThreadPoolNums", 32),
        [restart] int("consumerManageThreadPoolNums", 32),
        [restart] int("loadBalanceProcessorThreadPoolNums", 32),
        [restart] computed_int("heartbeatThreadPoolNums", |env| min(32, env.processors())),
        [restart] int("recoverThreadPoolNums", 32),
        [restart] computed_int("endTransactionThreadPoolNums", |env| {
            max(8 + env.processors() * 2, 4 * min(env.processors(), 4))
        }),
        /// Write `consumerOffset.json` this often.
        flush_consumer_offset_interval_ms: u64 = [restart] int("flushConsumerOffsetInterval", 5000),
        [restart] int("flushConsumerOffsetHistoryInterval", 60_000),
        reject_transaction_message: bool = [live] boolean("rejectTransactionMessage", false).important(),
        [live] boolean("fetchNameSrvAddrByDnsLookup", false).important(),
        [restart] boolean("fetchNamesrvAddrByAddressServer", false).important(),
        /// Shown; there is no such queue.
        send_thread_pool_queue_capacity: i64 = [restart] int("sendThreadPoolQueueCapacity", 10_000),
        [restart] int("putThreadPoolQueueCapacity", 10_000),
        /// Shown; there is no such queue.
        pull_thread_pool_queue_capacity: i64 = [restart] int("pullThreadPoolQueueCapacity", 100_000),
        /// Shown; there is no such queue.
        lite_pull_thread_pool_queue_capacity: i64 = [restart] int("litePullThreadPoolQueueCapacity", 100_000),
        /// Shown; there is no such queue.
        ack_thread_pool_queue_capacity: i64 = [restart] int("ackThreadPoolQueueCapacity", 100_000),
        [restart] int("replyThreadPoolQueueCapacity", 10_000),
        /// Shown; there is no such queue.
        query_thread_pool_queue_capacity: i64 = [restart] int("queryThreadPoolQueueCapacity", 20_000),
        [restart] int("clientManagerThreadPoolQueueCapacity", 1_000_000),
        [restart] int("consumerManagerThreadPoolQueueCapacity", 1_000_000),
        [restart] int("heartbeatThreadPoolQueueCapacity", 50_000),
        /// Shown; there is no such queue.
        end_transaction_pool_queue_capacity: i64 = [restart] int("endTransactionPoolQueueCapacity", 100_000),
        [restart] int("adminBrokerThreadPoolQueueCapacity", 10_000),
        [restart] int("loadBalanceThreadPoolQueueCapacity", 100_000),
        long_polling_enable: bool = [live] boolean("longPollingEnable", true),
        /// How long a pull is parked where long polling is off.
        short_polling_time_ms: u64 = [live] long("shortPollingTimeMills", 1000),
        notify_consumer_ids_changed_enable: bool = [live] boolean("notifyConsumerIdsChangedEnable", true),
        [restart] boolean("highSpeedMode", false),
        [live] int("commercialBaseCount", 1),
        [live] int("commercialSizePerMsg", 4096),
        [restart] boolean("accountStatsEnable", true),
        [restart] boolean("accountStatsPrintZeroValues", true),
        [live] int("maxStatsIdleTimeInMinutes", -1),
        [live] boolean("transferMsgByHeap", true),
        /// The `MSG_REGION` of replies and stored messages.
        region_id: String = [live] text("regionId", "DefaultRegion"),
        register_broker_timeout_ms: u64 = [live] int("registerBrokerTimeoutMills", 24_000),
        [live] int("sendHeartbeatTimeoutMillis", 1000),
        /// A slave may serve pulls.
        slave_read_enable: bool = [live] boolean("slaveReadEnable", false),
        [live] boolean("disableConsumeIfConsumerReadSlowly", false),
        [live] long("consumerFallbehindThreshold", 17_179_869_184),
        [live] boolean("brokerFastFailureEnable", true),
        [live] long("waitTimeMillsInSendQueue", 200),
        [live] long("waitTimeMillsInPullQueue", 5000),
        [live] long("waitTimeMillsInLitePullQueue", 5000),
        [live] long("waitTimeMillsInHeartbeatQueue", 31_000),
        [live] long("waitTimeMillsInTransactionQueue", 3000),
        [live] long("waitTimeMillsInAckQueue", 3000),
        [live] long("waitTimeMillsInAdminBrokerQueue", 5000),
        /// Sends before this moment (ms since 1970) are refused.
        start_accept_send_request_time_stamp_ms: i64 = [live] long("startAcceptSendRequestTimeStamp", 0),
        /// The `TRACE_ON` of replies and stored messages.
        trace_on: bool = [live] boolean("traceOn", true),
        enable_calc_filter_bit_map: bool = [live] boolean("enableCalcFilterBitMap", false),
        /// Only push consumers may pull, and consumers that sent a heartbeat on the same connection.
        reject_pull_consumer_enable: bool = [live] boolean("rejectPullConsumerEnable", false),
        /// Groups with an expression that the Bloom filter is made for.
        expect_consumer_num_use_filter: i32 = [restart] int("expectConsumerNumUseFilter", 32),
        /// Wrong answers of the Bloom filter, in a hundred.
        max_error_rate_of_bloom_filter: i32 = [restart] int("maxErrorRateOfBloomFilter", 20),
        /// A group's expression is forgotten so long after its last client left.
        filter_data_clean_time_span_ms: i64 = [live] long("filterDataCleanTimeSpan", 86_400_000),
        /// A retry topic's messages are filtered as in the topic they come from.
        filter_support_retry: bool = [live] boolean("filterSupportRetry", false),
        /// Consumers may filter by expressions over properties.
        enable_property_filter: bool = [live] boolean("enablePropertyFilter", false),
        /// Send the registration's body deflated.
        compressed_register: bool = [live] boolean("compressedRegister", false),
        /// Register at each period even if nothing changed.
        force_register: bool = [live] boolean("forceRegister", true),
        /// Register with every name server this often; Java keeps it within 10 s and 60 s.
        register_name_server_period_ms: u64 = [restart] int("registerNameServerPeriod", 30_000),
        [restart] int("updateNameServerAddrPeriod", 120_000),
        [live] int("brokerHeartbeatInterval", 1000),
        [live] long("brokerNotActiveTimeoutMillis", 10_000),
        [live] boolean("enableNetWorkFlowControl", false),
        /// Offsets of broadcasting consumers are kept too.
        enable_broadcast_offset_store: bool = [live] boolean("enableBroadcastOffsetStore", true),
        /// How long those of a client that has left are kept.
        broadcast_offset_expire_s: u64 = [live] long("broadcastOffsetExpireSecond", 120),
        /// How long those of a client that does not pull are kept.
        broadcast_offset_expire_max_s: u64 = [live] long("broadcastOffsetExpireMaxSecond", 300),
        [live] int("popPollingSize", 1024),
        [restart] int("popPollingMapSize", 100_000),
        [restart] int("popPollingMapExpireTimeSeconds", 600),
        [live] long("maxPopPollingSize", 100_000),
        /// Queues of the topic in which popped messages wait.
        revive_queue_num: i32 = [restart] int("reviveQueueNum", 8),
        [live] long("reviveInterval", 1000),
        [live] long("reviveMaxSlow", 3),
        [live] long("reviveScanTime", 10_000),
        [live] boolean("enableSkipLongAwaitingAck", false),
        [live] long("reviveAckWaitMs", 180_000),
        [live] boolean("enablePopLog", false),
        [restart] boolean("enablePopBufferMerge", false),
        [live] int("popCkStayBufferTime", 10_000),
        [live] int("popCkStayBufferTimeOut", 3000),
        [live] int("popCkMaxBufferSize", 200_000),
        [live] int("popCkOffsetMaxQueueSize", 20_000),
        [live] boolean("enablePopBatchAck", false),
        [live] long("popLongPollingForceNotifyInterval", 800),
        [live] boolean("enableNotifyBeforePopCalculateLag", true),
        [live] boolean("enableNotifyAfterPopOrderLockRelease", true),
        [live] boolean("initPopOffsetByCheckMsgInMem", true),
        [live] boolean("retrieveMessageFromPopRetryTopicV1", true),
        [live] boolean("enableRetryTopicV2", false),
        [live] int("popFromRetryProbability", 20),
        [live] int("popFromRetryProbabilityForPriority", 0),
        [live] boolean("priorityOrderAsc", true),
        [live] boolean("popConsumerFSServiceInit", true),
        [live] boolean("popConsumerKVServiceLog", false),
        [restart] boolean("popConsumerKVServiceInit", false),
        [live] boolean("popConsumerKVServiceEnable", false),
        [live] int("popReviveMaxReturnSizePerRead", 16_384),
        [live] int("popReviveConcurrency", 32),
        [live] int("popReviveMaxAttemptTimes", 16),
        [live] boolean("popReviveSkipIfGroupAbsent", true),
        [live] boolean("useSeparateRetryQueue", false),
        /// False: a group's changes are told every 15 s.
        real_time_notify_consumer_change: bool = [live] boolean("realTimeNotifyConsumerChange", true),
        [live] boolean("useMessageFilterForNotification", true),
        [live] int("maxMessageFilterNumForNotification", 64),
        lite_pull_message_enable: bool = [live] boolean("litePullMessageEnable", true),
        [restart] int("syncBrokerMemberGroupPeriod", 1000),
        [restart] long("loadBalancePollNameServerInterval", 30_000),
        [restart] int("cleanOfflineBrokerInterval", 30_000),
        [live] boolean("serverLoadBalancerEnable", true),
        [live] choice("defaultMessageRequestMode", MESSAGE_REQUEST_MODE, "PULL"),
        [live] int("defaultPopShareQueueNum", -1),
        /// Age from which a producer is asked about its half message.
        transaction_time_out_ms: i64 = [live] long("transactionTimeOut", 6000).important(),
        /// A half message asked about so often is given up.
        transaction_check_max: i32 = [live] int("transactionCheckMax", 15).important(),
        transaction_check_interval_ms: u64 = [live] long("transactionCheckInterval", 30_000).important(),
        transaction_metric_flush_interval_ms: u64 = [live] long("transactionMetricFlushInterval", 10_000),
        [restart] int("transactionCheckRocksdbCoreThreads", 2),
        [restart] int("transactionCheckRocksdbMaxThreads", 5),
        [restart] int("transactionCheckRocksdbQueueCapacity", 2000),
        /// Ends that fill so much are written at once.
        transaction_op_msg_max_size_bytes: usize = [live] int("transactionOpMsgMaxSize", 4096),
        /// The ends of half messages are written together this often.
        transaction_op_batch_interval_ms: u64 = [live] int("transactionOpBatchInterval", 3000),
        [never] boolean("aclEnable", false).important(),
        store_reply_message_enable: bool = [live] boolean("storeReplyMessageEnable", true),
        [restart] boolean("enableDetailStat", true),
        [live] boolean("autoDeleteUnusedStats", true),
        /// Log files go to a folder of this broker's own.
        isolate_log_enable: bool = [restart] boolean("isolateLogEnable", false),
        [live] long("forwardTimeout", 3000),
        [restart] boolean("enableSlaveActingMaster", false),
        [restart] boolean("enableRemoteEscape", false),
        [restart] boolean("skipPreOnline", false),
        [live] boolean("asyncSendEnable", true),
        use_server_side_reset_offset: bool = [live] boolean("useServerSideResetOffset", true),
        /// Commits from one version of the offset table to the next.
        consumer_offset_update_version_step: u64 = [live] long("consumerOffsetUpdateVersionStep", 500),
        /// Deliveries of delayed messages from one version of their offsets to the next.
        delay_offset_update_version_step: u64 = [live] long("delayOffsetUpdateVersionStep", 200),
        [live] boolean("lockInStrictMode", false),
        [live] boolean("compatibleWithOldNameSrv", true),
        [restart] boolean("enableControllerMode", false),
        [live] text("controllerAddr", ""),
        [live] boolean("fetchControllerAddrByDnsLookup", false),
        [live] long("syncBrokerMetadataPeriod", 5000),
        [live] long("checkSyncStateSetPeriod", 5000),
        [live] long("syncControllerMetadataPeriod", 10_000),
        [live] long("controllerHeartBeatTimeoutMills", 10_000),
        /// Topics that are the broker's own may not be changed.
        validate_system_topic_when_update_topic: bool = [live] boolean("validateSystemTopicWhenUpdateTopic", true),
        [live] int("brokerElectionPriority", 2_147_483_647),
        [live] boolean("useStaticSubscription", false),
        [restart] numbered_choice("metricsExporterType", METRICS_EXPORTER_TYPE, "DISABLE"),
        [live] int("metricsOtelCardinalityLimit", 50_000),
        [restart] text("metricsGrpcExporterTarget", ""),
        [restart] text("metricsGrpcExporterHeader", ""),
        [restart] long("metricGrpcExporterTimeOutInMills", 3000),
        [restart] long("metricGrpcExporterIntervalInMills", 60_000),
        [restart] long("metricLoggingExporterIntervalInMills", 10_000),
        [never] int("metricsPromExporterPort", 5557),
        [never] text("metricsPromExporterHost", ""),
        [restart] text("metricsLabel", ""),
        [restart] int("metricsExportBatchMaxDataPoints", 1000),
        [restart] boolean("metricsInDelta", false),
        [restart] boolean("enableRemotingMetrics", true),
        [restart] boolean("enableMessageStoreMetrics", true),
        [restart] boolean("enablePopMetrics", true),
        [restart] boolean("enableConnectionMetrics", true),
        [restart] boolean("enableTransactionMetrics", true),
        [restart] boolean("enableStatsMetrics", true),
        [restart] boolean("enableRequestMetrics", true),
        [restart] boolean("enableLagAndDlqMetrics", true),
        /// A client without a heartbeat for so long is gone.
        channel_expired_timeout_ms: u64 = [restart] long("channelExpiredTimeout", 120_000),
        [restart] long("subscriptionExpiredTimeout", 600_000),
        [live] boolean("estimateAccumulation", true),
        [live] boolean("coldCtrStrategyEnable", false),
        [restart] boolean("usePIDColdCtrStrategy", true),
        /// What a group may read that is not in memory; shown, and of no effect yet.
        cg_cold_read_threshold_bytes: i64 = [live] long("cgColdReadThreshold", 3_145_728),
        /// What all groups together may read that is not in memory; shown, and of no effect yet.
        global_cold_read_threshold_bytes: i64 = [live] long("globalColdReadThreshold", 104_857_600),
        [restart] long("fetchNamesrvAddrInterval", 10_000),
        [live] boolean("popResponseReturnActualRetryTopic", false),
        /// Register a changed topic alone, with REGISTER_TOPIC_IN_NAMESRV.
        enable_single_topic_register: bool = [live] boolean("enableSingleTopicRegister", false),
        /// Topics may be for messages of every kind (`message.type=MIXED`).
        enable_mixed_message_type: bool = [live] boolean("enableMixedMessageType", false),
        /// Register in parts of `split_registration_size` topics.
        enable_split_registration: bool = [live] boolean("enableSplitRegistration", false),
        /// Tables are shown in pages to those who ask for pages.
        enable_split_metadata: bool = [live] boolean("enableSplitMetadata", true),
        /// Topics or groups in a page, at most.
        split_metadata_size: usize = [live] int("splitMetadataSize", 2000),
        [live] long("popInflightMessageThreshold", 10_000),
        [live] boolean("enablePopMessageThreshold", false),
        [live] boolean("enableFastChannelEventProcess", false),
        [live] boolean("printChannelGroups", false),
        [live] int("printChannelGroupsMinNum", 5),
        split_registration_size: usize = [live] int("splitRegistrationSize", 800),
        /// Keys that no update may set, with semicolons between.
        config_black_list: String = [never] text("configBlackList", "configBlackList;brokerConfigPath"),
        [live] boolean("skipWhenCKRePutReachMaxTimes", false),
        [live] boolean("appendAckAsync", false),
        [live] boolean("appendCkAsync", false),
        /// With a topic go the topics from which its retries are popped.
        clear_retry_topic_when_delete_topic: bool = [live] boolean("clearRetryTopicWhenDeleteTopic", true),
        [live] boolean("enableLmqStats", false),
        [restart] text("configManagerVersion", "v1"),
        [restart] boolean("useSingleRocksDBForAllConfigs", false),
        allow_recall_when_broker_not_writeable: bool = [live] boolean("allowRecallWhenBrokerNotWriteable", true),
        /// Timed messages may be recalled.
        recall_message_enable: bool = [live] boolean("recallMessageEnable", false),
        [live] boolean("enableRegisterProducer", true),
        /// Groups that begin with `CID_RMQ_SYS_` may be created too.
        enable_create_sys_group: bool = [live] boolean("enableCreateSysGroup", true),
        [live] boolean("enableLiteEventMode", true),
        [live] long("liteEventCheckInterval", 10_000),
        [live] long("liteTtlCheckInterval", 120_000),
        [live] long("minLiteTTl", 900_000),
        [live] long("liteSubscriptionCheckInterval", 120_000),
        [live] long("liteSubscriptionCheckTimeoutMills", 180_000),
        [live] boolean("persistConsumerOffsetIncrementally", false),
        [live] long("maxLiteSubscriptionCount", 100_000),
        [live] boolean("enableLitePopLog", false),
        [live] int("maxClientEventCount", 100),
        [live] long("liteEventFullDispatchDelayTime", 10_000),
        [live] long("liteEventFullDispatchDelayTimeForWildcardGroup", 10_000),
        [live] boolean("liteLagLatencyCollectEnable", false),
        [live] boolean("liteLagLatencyMetricsEnable", false),
        [live] boolean("liteLagCountMetricsEnable", false),
        [live] int("liteLagLatencyTopK", 50),
    }
}

impl BrokerConfig {
    /// The name servers' addresses, each as `host:port`.
    pub fn namesrv_addrs(&self) -> Vec<String> {
        let addresses = self.namesrv_addr.as_deref().unwrap_or_default();
        name_servers::addresses(addresses).map(str::to_string).collect()
    }
}
