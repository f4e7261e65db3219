//! What each part of the broker is told, out of all settings.

use super::StartError;
use crate::broadcast_offsets::BroadcastConfig;
use crate::clients::NoticeConfig;
use crate::config::{BrokerConfig, BrokerSettings};
use crate::consumer_filter::FiltersConfig;
use crate::groups::GroupsConfig;
use crate::locks::LOCK_LIVE_MS_MAX;
use crate::offsets::OffsetsConfig;
use crate::schedule::ScheduleConfig;
use crate::topics::TopicsConfig;
use crate::transaction::TransactionConfig;
use std::net::SocketAddr;
use std::time::Duration;
use store::{BatchTopics, FilterBits, Surroundings};

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

pub(super) fn schedule_config(settings: &BrokerSettings) -> ScheduleConfig {
    ScheduleConfig {
        delay_levels_ms: settings.store.message_delay_level.0.clone(),
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
        file_reserved_time: settings.store.file_reserved_time(),
        ..TransactionConfig::default()
    }
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

pub(super) fn store_surroundings(
    settings: &BrokerSettings,
    batch_topics: BatchTopics,
    filter_bits: FilterBits,
) -> Result<Surroundings, StartError> {
    let splitter = settings.environment.system_properties().get(system_property::MULTI_PATH_SPLITTER);
    let surroundings = Surroundings::default();
    Ok(Surroundings {
        batch_topics,
        filter_bits,
        path_splitter: splitter.cloned().unwrap_or(surroundings.path_splitter),
        warning_level_ratio: ratio(settings, system_property::WARNING_LEVEL_RATIO)?,
        clean_forcibly_ratio: ratio(settings, system_property::CLEAN_FORCIBLY_RATIO)?,
        ..surroundings
    })
}
