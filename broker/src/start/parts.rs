//! What each part of the broker is told, out of all settings.

use super::StartError;
use crate::broadcast_offsets::BroadcastConfig;
use crate::clients::NoticeConfig;
use crate::config::{BrokerConfig, BrokerRole, BrokerSettings, FlushDiskType, MessageStoreConfig};
use crate::consumer_filter::FiltersConfig;
use crate::groups::GroupsConfig;
use crate::locks::LOCK_LIVE_MS_MAX;
use crate::offsets::OffsetsConfig;
use crate::schedule::ScheduleConfig;
use crate::timer::TimerConfig;
use crate::topics::TopicsConfig;
use crate::transaction::TransactionConfig;
use std::net::SocketAddr;
use std::time::Duration;
use store::timer::TimerFilesConfig;
use store::{self, BatchTopics, FilterBits, StoreConfig};

pub(super) fn topics_config(settings: &BrokerSettings) -> TopicsConfig {
    let (broker, identity) = (&settings.broker, &settings.identity);
    TopicsConfig {
        auto_create_topic_enable: broker.auto_create_topic_enable,
        default_topic_queue_nums: broker.default_topic_queue_nums,
        broker_cluster_name: identity.broker_cluster_name.clone(),
        broker_name: identity.broker_name.clone(),
        cluster_topic_enable: broker.cluster_topic_enable,
        broker_topic_enable: broker.broker_topic_enable,
        trace_topic_enable: broker.trace_topic_enable,
        msg_trace_topic_name: broker.msg_trace_topic_name.clone(),
        revive_queue_num: broker.revive_queue_num,
        timer_wheel_enable: settings.store.timer_wheel_enable,
        enable_lmq: settings.store.enable_lmq,
    }
}

pub(super) fn groups_config(settings: &BrokerSettings) -> GroupsConfig {
    GroupsConfig {
        auto_create_subscription_group: settings.broker.auto_create_subscription_group,
        enable_create_sys_group: settings.broker.enable_create_sys_group,
        enable_lmq: settings.store.enable_lmq,
    }
}

pub(super) fn notice_config(broker: &BrokerConfig) -> NoticeConfig {
    NoticeConfig {
        notify_consumer_ids_changed_enable: broker.notify_consumer_ids_changed_enable,
        real_time_notify_consumer_change: broker.real_time_notify_consumer_change,
    }
}

pub(super) fn broadcast_config(broker: &BrokerConfig) -> BroadcastConfig {
    BroadcastConfig {
        broadcast_offset_expire: Duration::from_secs(broker.broadcast_offset_expire_s),
        broadcast_offset_expire_max: Duration::from_secs(broker.broadcast_offset_expire_max_s),
    }
}

/// How long a lock lives that nobody renews.
pub(super) fn lock_live_ms_max(settings: &BrokerSettings) -> Result<u64, StartError> {
    let name = system_property::LOCK_LIVE_MS_MAX;
    match settings.environment.system_properties().get(name) {
        None => Ok(LOCK_LIVE_MS_MAX),
        Some(value) => {
            value.trim().parse().map_err(|_| StartError::SystemProperty { name, value: value.clone() })
        }
    }
}

pub(super) fn offsets_config(settings: &BrokerSettings) -> OffsetsConfig {
    OffsetsConfig {
        enable_lmq: settings.store.enable_lmq,
        use_server_side_reset_offset: settings.broker.use_server_side_reset_offset,
        consumer_offset_update_version_step: settings.broker.consumer_offset_update_version_step,
    }
}

pub(super) fn filters_config(broker: &BrokerConfig) -> FiltersConfig {
    FiltersConfig {
        max_error_rate_of_bloom_filter: broker.max_error_rate_of_bloom_filter,
        expect_consumer_num_use_filter: broker.expect_consumer_num_use_filter,
        filter_data_clean_time_span_ms: broker.filter_data_clean_time_span_ms,
    }
}

pub(super) fn schedule_config(settings: &BrokerSettings, delay_levels_ms: Vec<i64>) -> ScheduleConfig {
    ScheduleConfig {
        delay_levels_ms,
        flush_delay_offset_interval: Duration::from_millis(settings.store.flush_delay_offset_interval_ms),
        delay_offset_update_version_step: settings.broker.delay_offset_update_version_step,
    }
}

pub(super) fn transaction_config(settings: &BrokerSettings, store_host: SocketAddr) -> TransactionConfig {
    let (broker, ms) = (&settings.broker, Duration::from_millis);
    TransactionConfig {
        broker_name: settings.identity.broker_name.clone(),
        store_host,
        transaction_time_out_ms: broker.transaction_time_out_ms,
        transaction_check_max: broker.transaction_check_max,
        transaction_check_interval: ms(broker.transaction_check_interval_ms),
        transaction_op_batch_interval: ms(broker.transaction_op_batch_interval_ms),
        transaction_op_msg_max_size: broker.transaction_op_msg_max_size_bytes,
        transaction_metric_flush_interval: ms(broker.transaction_metric_flush_interval_ms),
        file_reserved_time: file_reserved_time(&settings.store),
        ..TransactionConfig::default()
    }
}

pub(super) fn timer_config(settings: &MessageStoreConfig) -> TimerConfig {
    TimerConfig {
        files: TimerFilesConfig {
            store_path_root_dir: settings.store_path_root_dir.clone(),
            timer_precision_ms: settings.timer_precision_ms.max(1),
            mapped_file_size_timer_log: settings.mapped_file_size_timer_log_bytes,
            timer_wheel_snapshot_flush: settings.timer_wheel_snapshot_flush,
        },
        timer_roll_window_slot: settings.timer_roll_window_slot,
        timer_max_delay_sec: settings.timer_max_delay_sec,
        timer_flush_interval: Duration::from_millis(settings.timer_flush_interval_ms.max(1)),
        timer_stop_enqueue: settings.timer_stop_enqueue,
        timer_stop_dequeue: settings.timer_stop_dequeue,
        timer_congest_num_each_slot: settings.timer_congest_num_each_slot,
        append_topic_for_timer_delete_key: settings.append_topic_for_timer_delete_key,
        timer_enable_check_metrics: settings.timer_enable_check_metrics,
        timer_check_metrics_when: settings.timer_check_metrics_hours(),
        timer_metric_small_threshold: settings.timer_metric_small_threshold,
    }
}

fn file_reserved_time(settings: &MessageStoreConfig) -> Duration {
    Duration::from_secs(u64::from(settings.file_reserved_time_hours) * 3600)
}

/// Java's system properties for the broker.
mod system_property {
    /// Milliseconds, 60,000 by default.
    pub const LOCK_LIVE_MS_MAX: &str = "rocketmq.broker.rebalance.lockMaxLiveTime";
    /// A comma by default.
    pub const MULTI_PATH_SPLITTER: &str = "rocketmq.broker.multiPathSplitter";
    /// From 0 to 1, by default `diskSpaceWarningLevelRatio` / 100.
    pub const WARNING_LEVEL_RATIO: &str = "rocketmq.broker.diskSpaceWarningLevelRatio";
    /// From 0 to 1, by default `diskSpaceCleanForciblyRatio` / 100.
    pub const CLEAN_FORCIBLY_RATIO: &str = "rocketmq.broker.diskSpaceCleanForciblyRatio";
}

fn ratio(settings: &BrokerSettings, name: &'static str) -> Result<Option<f64>, StartError> {
    let value = settings.environment.system_properties().get(name).filter(|value| !value.is_empty());
    let invalid = |value: &String| StartError::SystemProperty { name, value: value.clone() };
    value.map(|value| value.trim().parse().map_err(|_| invalid(value))).transpose()
}

pub(super) fn store_config(
    settings: &BrokerSettings,
    delay_levels_ms: Vec<i64>,
    batch_topics: BatchTopics,
    filter_bits: FilterBits,
) -> Result<StoreConfig, StartError> {
    let warning_level_ratio = ratio(settings, system_property::WARNING_LEVEL_RATIO)?;
    let clean_forcibly_ratio = ratio(settings, system_property::CLEAN_FORCIBLY_RATIO)?;
    let properties = settings.environment.system_properties();
    let splitter = properties.get(system_property::MULTI_PATH_SPLITTER).map_or(",", String::as_str);
    let settings = &settings.store;
    let (store_path_commit_log, read_only_commit_log_store_paths) = settings.commit_log_dirs(splitter);
    let ms = Duration::from_millis;
    Ok(StoreConfig {
        store_path_root_dir: settings.store_path_root_dir.clone(),
        store_path_commit_log,
        read_only_commit_log_store_paths,
        mapped_file_size_commit_log: settings.mapped_file_size_commit_log_bytes,
        mapped_file_size_consume_queue: settings.consume_queue_file_bytes(),
        enable_consume_queue_ext: settings.enable_consume_queue_ext,
        mapped_file_size_consume_queue_ext: settings.mapped_file_size_consume_queue_ext_bytes,
        mapper_file_size_batch_consume_queue: settings.mapper_file_size_batch_consume_queue_bytes,
        batch_topics,
        filter_bits,
        enable_lmq: settings.enable_lmq,
        enable_multi_dispatch: settings.enable_multi_dispatch,
        enable_lmq_quota: settings.enable_lmq_quota,
        max_lmq_consume_queue_num: settings.max_lmq_consume_queue_num,
        flush_disk_type: match settings.flush_disk_type {
            FlushDiskType::SyncFlush => store::FlushDiskType::SyncFlush,
            FlushDiskType::AsyncFlush => store::FlushDiskType::AsyncFlush,
        },
        flush_interval_commit_log: ms(settings.flush_interval_commit_log_ms),
        flush_commit_log_least_pages: settings.flush_commit_log_least_pages.into(),
        flush_commit_log_thorough_interval: ms(settings.flush_commit_log_thorough_interval_ms),
        flush_interval_consume_queue: ms(settings.flush_interval_consume_queue_ms),
        flush_consume_queue_least_pages: settings.flush_consume_queue_least_pages.into(),
        flush_consume_queue_thorough_interval: ms(settings.flush_consume_queue_thorough_interval_ms),
        sync_flush_timeout: ms(settings.sync_flush_timeout_ms),
        max_message_size: settings.max_message_size_bytes,
        check_crc_on_recover: settings.check_crc_on_recover,
        enabled_append_prop_crc: settings.enabled_append_prop_crc,
        force_verify_prop_crc: settings.force_verify_prop_crc,
        max_transfer_bytes_on_message_in_memory: settings.max_transfer_bytes_on_message_in_memory,
        max_transfer_count_on_message_in_memory: settings.max_transfer_count_on_message_in_memory,
        max_transfer_bytes_on_message_in_disk: settings.max_transfer_bytes_on_message_in_disk,
        max_transfer_count_on_message_in_disk: settings.max_transfer_count_on_message_in_disk,
        max_filter_message_size: settings.max_filter_message_size_bytes,
        access_message_in_memory_max_ratio: settings.access_message_in_memory_max_ratio.into(),
        os_page_cache_busy_timeout: ms(settings.os_page_cache_busy_timeout_ms),
        message_index_enable: settings.message_index_enable && settings.index_file_write_enable,
        index_file_read_enable: settings.index_file_read_enable,
        max_hash_slot_num: settings.max_hash_slot_num,
        max_index_num: settings.max_index_num,
        max_msgs_num_batch: settings.max_msgs_num_batch,
        delay_levels_ms,
        slave: settings.broker_role == BrokerRole::Slave,
        offset_check_in_slave: settings.offset_check_in_slave,
        file_reserved_time: file_reserved_time(settings),
        delete_when: settings.delete_hours().unwrap_or_default(),
        delete_file_batch_max: settings.delete_file_batch_max,
        clean_resource_interval: ms(settings.clean_resource_interval_ms.max(1)),
        delete_commit_log_files_interval: ms(settings.delete_commit_log_files_interval_ms),
        delete_consume_queue_files_interval: ms(settings.delete_consume_queue_files_interval_ms),
        disk_max_used_space_ratio: f64::from(settings.disk_max_used_space_ratio) / 100.0,
        disk_space_clean_forcibly_ratio: store::bounded_ratio(
            clean_forcibly_ratio,
            settings.disk_space_clean_forcibly_ratio,
            StoreConfig::CLEAN_FORCIBLY_BOUNDS,
        ),
        disk_space_warning_level_ratio: store::bounded_ratio(
            warning_level_ratio,
            settings.disk_space_warning_level_ratio,
            StoreConfig::WARNING_LEVEL_BOUNDS,
        ),
        clean_file_forcibly_enable: settings.clean_file_forcibly_enable,
        replicas_per_disk_partition: settings.replicas_per_disk_partition,
        logical_disk_space_clean_forcibly_threshold: settings.logical_disk_space_clean_forcibly_threshold,
        ..StoreConfig::default()
    })
}
