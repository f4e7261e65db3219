//! What each part of the broker is told, out of all settings.

use crate::config::{BrokerConfig, BrokerRole, BrokerSettings, FlushDiskType, MessageStoreConfig};
use crate::consumer_filter::FiltersConfig;
use crate::groups::GroupsConfig;
use crate::offsets::OffsetsConfig;
use crate::schedule::ScheduleConfig;
use crate::store::{self, StoreConfig};
use crate::topics::TopicsConfig;
use std::time::Duration;

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
    }
}

pub(super) fn groups_config(settings: &BrokerSettings) -> GroupsConfig {
    GroupsConfig {
        auto_create_subscription_group: settings.broker.auto_create_subscription_group,
        enable_create_sys_group: settings.broker.enable_create_sys_group,
    }
}

pub(super) fn offsets_config(settings: &BrokerSettings) -> OffsetsConfig {
    OffsetsConfig {
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
        ..ScheduleConfig::default()
    }
}

pub(super) fn store_config(settings: &MessageStoreConfig, delay_levels_ms: Vec<i64>) -> StoreConfig {
    let ms = Duration::from_millis;
    StoreConfig {
        store_path_root_dir: settings.store_path_root_dir.clone(),
        store_path_commit_log: settings.store_path_commit_log.clone(),
        mapped_file_size_commit_log: settings.mapped_file_size_commit_log_bytes,
        mapped_file_size_consume_queue: settings.consume_queue_file_bytes(),
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
        max_transfer_bytes_on_message_in_memory: settings.max_transfer_bytes_on_message_in_memory,
        max_transfer_count_on_message_in_memory: settings.max_transfer_count_on_message_in_memory,
        max_transfer_bytes_on_message_in_disk: settings.max_transfer_bytes_on_message_in_disk,
        max_transfer_count_on_message_in_disk: settings.max_transfer_count_on_message_in_disk,
        max_filter_message_size: settings.max_filter_message_size_bytes,
        access_message_in_memory_max_ratio: settings.access_message_in_memory_max_ratio.into(),
        os_page_cache_busy_timeout: ms(settings.os_page_cache_busy_timeout_ms),
        delay_levels_ms,
        slave: settings.broker_role == BrokerRole::Slave,
        offset_check_in_slave: settings.offset_check_in_slave,
        ..StoreConfig::default()
    }
}
