//! How far topics and groups have come.

use super::heartbeat::SubscriptionData;
use super::queue::MessageQueue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answer to GET_TOPIC_STATS_INFO. Java: `TopicStatsTable`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    pub offset_table: BTreeMap<MessageQueue, TopicOffset>,
    /// Messages a second.
    pub topic_put_tps: f64,
}

/// The ends of a queue, and the store time of its last message in milliseconds since the epoch (0: it has none). Java:
/// `TopicOffset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffset {
    pub last_update_timestamp: i64,
    pub max_offset: i64,
    pub min_offset: i64,
}

/// Answer to GET_CONSUME_STATS: how far a group has come. Java: `ConsumeStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages a second.
    pub consume_tps: f64,
    pub offset_table: BTreeMap<MessageQueue, OffsetWrapper>,
}

impl ConsumeStats {
    /// Messages that are not consumed yet. Java: `computeTotalDiff`.
    pub fn total_diff(&self) -> i64 {
        let diff = |offset: &OffsetWrapper| offset.broker_offset.wrapping_sub(offset.consumer_offset);
        self.offset_table.values().map(diff).fold(0, i64::wrapping_add)
    }

    /// Messages that are pulled and not consumed yet. Java: `computeInflightTotalDiff`.
    pub fn inflight_total_diff(&self) -> i64 {
        let diff = |offset: &OffsetWrapper| offset.pull_offset.wrapping_sub(offset.consumer_offset);
        self.offset_table.values().map(diff).fold(0, i64::wrapping_add)
    }
}

/// How far a group has come in a queue. Java: `OffsetWrapper`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetWrapper {
    pub broker_offset: i64,
    pub consumer_offset: i64,
    /// Store time of the last message that is consumed, in milliseconds since the epoch; 0 if it is not known.
    pub last_timestamp: i64,
    pub pull_offset: i64,
}

/// Answer to GET_BROKER_CONSUME_STATS. Java: `ConsumeStatsList`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    pub broker_addr: Option<String>,
    /// A map of one group each, to what it consumes of each of its topics.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    pub total_diff: i64,
    pub total_inflight_diff: i64,
}

/// Answer to QUERY_CONSUME_QUEUE. Java: `QueryConsumeQueueResponseBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeQueueResponseBody {
    /// The group's filter in JSON, or why there is none.
    pub filter_data: Option<String>,
    pub max_queue_index: i64,
    pub min_queue_index: i64,
    pub queue_data: Option<Vec<ConsumeQueueData>>,
    pub subscription_data: Option<Arc<SubscriptionData>>,
}

/// An entry of a queue. Java: `ConsumeQueueData`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueData {
    /// The extension's bits, a `1` or a `0` each.
    pub bit_map: Option<String>,
    /// Whether the group's filter wants it, as far as the queue says.
    pub eval: bool,
    pub extend_data_json: Option<String>,
    pub msg: Option<String>,
    pub physic_offset: i64,
    pub physic_size: i32,
    pub tags_code: i64,
}
