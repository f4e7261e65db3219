//! How many messages of each topic are in some state.

use super::topic::DataVersion;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many messages of a topic wait. Java: `TransactionMetrics.Metric`, `TimerMetrics.Metric`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicMetric {
    pub count: i64,
    /// Of the last change, in milliseconds since the epoch.
    pub time_stamp: i64,
}

/// A table of such counts by real topic.
pub trait TopicCounts: Default + Serialize + DeserializeOwned {
    /// When the counts last changed.
    fn data_version(&mut self) -> &mut DataVersion;
    /// Topic to count.
    fn counts(&mut self) -> &mut BTreeMap<String, TopicMetric>;
}

/// `config/transactionMetrics`: half messages neither committed nor rolled back nor given up.
/// Java: `TransactionMetrics.TransactionMetricsSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransactionMetricsSerializeWrapper {
    pub data_version: DataVersion,
    pub transaction_count: BTreeMap<String, TopicMetric>,
}

impl TopicCounts for TransactionMetricsSerializeWrapper {
    fn data_version(&mut self) -> &mut DataVersion {
        &mut self.data_version
    }

    fn counts(&mut self) -> &mut BTreeMap<String, TopicMetric> {
        &mut self.transaction_count
    }
}

/// `config/timermetrics` and the body of `GET_TIMER_METRICS`: messages that wait for their delivery time.
/// Java: `TimerMetrics.TimerMetricsSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimerMetricsSerializeWrapper {
    pub data_version: DataVersion,
    pub timing_count: BTreeMap<String, TopicMetric>,
}

impl TopicCounts for TimerMetricsSerializeWrapper {
    fn data_version(&mut self) -> &mut DataVersion {
        &mut self.data_version
    }

    fn counts(&mut self) -> &mut BTreeMap<String, TopicMetric> {
        &mut self.timing_count
    }
}
