//! How many transactions are open.

use super::topic::DataVersion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `config/transactionMetrics`. Java: `TransactionMetrics.TransactionMetricsSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransactionMetricsSerializeWrapper {
    pub data_version: DataVersion,
    /// By real topic.
    pub transaction_count: BTreeMap<String, TransactionMetric>,
}

/// Java: `TransactionMetrics.Metric`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransactionMetric {
    /// Half messages neither committed nor rolled back nor given up.
    pub count: i64,
    /// Of the last change, in milliseconds since the epoch.
    pub time_stamp: i64,
}
