//! Tables of offsets: files under `config/`, bodies by which a slave copies them, and resets.

use super::queue::MessageQueue;
use super::topic::DataVersion;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `config/consumerOffset.json` and the body of GET_ALL_CONSUMER_OFFSET. Java: the bean side of `ConsumerOffsetManager`,
/// of which `ConsumerOffsetSerializeWrapper` reads a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetSerializeWrapper {
    pub data_version: Option<DataVersion>,
    /// Group to the topics that it has offsets of. 5.x only, derived from the keys of `offset_table`.
    pub group_topic_map: Option<BTreeMap<String, BTreeSet<String>>>,
    /// LMQ name `topic@group` to offset; in files of brokers with `enableLmq` only.
    pub lmq_offset_table: Option<BTreeMap<String, i64>>,
    /// `topic@group` to queue id to the next offset to consume.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// `topic@group` to queue id to the highest offset pulled. 5.x only.
    pub pull_offset_table: Option<BTreeMap<String, BTreeMap<i32, i64>>>,
}

/// `config/delayOffset.json` and the body of GET_ALL_DELAY_OFFSET. Java: `DelayOffsetSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsetSerializeWrapper {
    pub data_version: Option<DataVersion>,
    /// Delay level, from 1, to the next offset of its queue.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Body of RESET_CONSUMER_CLIENT_OFFSET, and the answer to INVOKE_BROKER_TO_RESET_OFFSET. Java: `ResetOffsetBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBody {
    pub offset_table: BTreeMap<MessageQueue, i64>,
}

/// As [`ResetOffsetBody`], in the form that the C++ client reads. Java: `ResetOffsetBodyForC`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBodyForC {
    pub offset_table: Vec<MessageQueueForC>,
}

/// A queue and an offset in it. Java: `MessageQueueForC`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueueForC {
    pub broker_name: String,
    pub offset: i64,
    pub queue_id: i32,
    pub topic: String,
}

/// Answer to GET_CONSUMER_STATUS_FROM_CLIENT, which fills the second table, and to INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
/// which fills the first. Java: `GetConsumerStatusBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetConsumerStatusBody {
    /// By client id.
    pub consumer_table: BTreeMap<String, BTreeMap<MessageQueue, i64>>,
    pub message_queue_table: BTreeMap<MessageQueue, i64>,
}

/// Answer to QUERY_CORRECTION_OFFSET, by queue id. Java: `QueryCorrectionOffsetBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryCorrectionOffsetBody {
    pub correction_offsets: BTreeMap<i32, i64>,
}

/// Answer to QUERY_CONSUME_TIME_SPAN. Java: `QueryConsumeTimeSpanBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeTimeSpanBody {
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}

/// Store times of a queue's first and last message and of the last one consumed, in milliseconds since the epoch (-1: there is
/// none) and as Java prints them, and for how many milliseconds the next one waits. Java: `QueueTimeSpan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueTimeSpan {
    pub consume_time_stamp: i64,
    pub consume_time_stamp_str: String,
    pub delay_time: i64,
    pub max_time_stamp: i64,
    pub max_time_stamp_str: String,
    pub message_queue: MessageQueue,
    pub min_time_stamp: i64,
    pub min_time_stamp_str: String,
}
