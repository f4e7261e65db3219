//! What parts are told by system properties, where Java has no key.

use super::StartError;
use crate::config::BrokerSettings;
use crate::locks::LOCK_LIVE_MS_MAX;
use store::{BatchTopics, FilterBits, Surroundings};

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
