//! Tables of offsets: files under `config/`, and bodies by which a slave copies them.

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
