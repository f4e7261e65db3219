//! Topics: their settings, the version of the table of them, static topics.

use crate::json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// How often and when a table changed. Java: `DataVersion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    pub counter: i64,
    pub state_version: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

impl DataVersion {
    /// Java: `DataVersion.nextVersion`.
    pub fn next(&mut self, state_version: i64, now_ms: i64) {
        *self = DataVersion { counter: self.counter + 1, state_version, timestamp: now_ms };
    }
}

/// How many tags a message of a topic may have. Java: `TopicFilterType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TopicFilterType {
    #[default]
    SingleTag,
    MultiTag,
}

impl TopicFilterType {
    fn name(self) -> &'static str {
        match self {
            TopicFilterType::SingleTag => "SINGLE_TAG",
            TopicFilterType::MultiTag => "MULTI_TAG",
        }
    }
}

/// A topic's settings on one broker. Java: `TopicConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    pub attributes: BTreeMap<String, String>,
    pub order: bool,
    /// Bits of Java's `PermName`: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    pub read_queue_nums: i32,
    pub topic_filter_type: TopicFilterType,
    pub topic_name: String,
    /// Bits of Java's `TopicSysFlag`: 1 unit, 2 unit subscribed.
    pub topic_sys_flag: i32,
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            attributes: BTreeMap::new(),
            order: false,
            perm: 6,
            read_queue_nums: 16,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

impl TopicConfig {
    /// The line that a compressed registration holds. Java: `TopicConfig.encode`, 5.x.
    pub fn to_line(&self) -> String {
        let mut line = String::with_capacity(self.topic_name.len() + 32);
        let TopicConfig { topic_name, read_queue_nums, write_queue_nums, perm, .. } = self;
        let filter = self.topic_filter_type.name();
        let _ = write!(line, "{topic_name} {read_queue_nums} {write_queue_nums} {perm} {filter} ");
        line.push_str(&String::from_utf8_lossy(&json::to_bytes(&self.attributes)));
        line
    }

    /// Reads the line of either version; attributes that hold a blank are lost, as in Java. Java: `TopicConfig.decode`.
    pub fn of_line(line: &str) -> Option<TopicConfig> {
        let mut words = line.split(' ');
        let topic_name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        let (read_queue_nums, write_queue_nums, perm) = (number()?, number()?, number()?);
        let topic_filter_type = match words.next()? {
            "SINGLE_TAG" => TopicFilterType::SingleTag,
            "MULTI_TAG" => TopicFilterType::MultiTag,
            _ => return None,
        };
        let attributes =
            words.next().and_then(|text| json::from_slice(text.as_bytes()).ok()).unwrap_or_default();
        Some(TopicConfig {
            attributes,
            perm,
            read_queue_nums,
            topic_filter_type,
            topic_name,
            write_queue_nums,
            ..TopicConfig::default()
        })
    }
}

/// `config/topics.json`. Java: `TopicConfigSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigSerializeWrapper {
    pub data_version: DataVersion,
    pub topic_config_table: BTreeMap<String, Arc<TopicConfig>>,
}

/// Body of GET_ALL_TOPIC_CONFIG and, inside [`super::RegisterBrokerBody`], of REGISTER_BROKER. Java:
/// `TopicConfigAndMappingSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigAndMappingSerializeWrapper {
    pub data_version: DataVersion,
    pub mapping_data_version: DataVersion,
    pub topic_config_table: BTreeMap<String, Arc<TopicConfig>>,
    pub topic_queue_mapping_detail_map: BTreeMap<String, TopicQueueMappingDetail>,
    pub topic_queue_mapping_info_map: BTreeMap<String, TopicQueueMappingInfo>,
}

/// Body of UPDATE_AND_CREATE_TOPIC_LIST. Java: `CreateTopicListRequestBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateTopicListRequestBody {
    pub topic_config_list: Option<Vec<TopicConfig>>,
}

/// A broker's share of a static topic. Java: `TopicQueueMappingInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicQueueMappingInfo {
    pub bname: Option<String>,
    /// Global queue id to the broker's own.
    pub curr_id_map: BTreeMap<i32, i32>,
    pub dirty: bool,
    pub epoch: i64,
    pub scope: Option<String>,
    pub topic: Option<String>,
    pub total_queues: i32,
}

impl Default for TopicQueueMappingInfo {
    fn default() -> TopicQueueMappingInfo {
        TopicQueueMappingInfo {
            bname: None,
            curr_id_map: BTreeMap::new(),
            dirty: false,
            epoch: 0,
            scope: global_scope(),
            topic: None,
            total_queues: 0,
        }
    }
}

fn global_scope() -> Option<String> {
    Some("__global__".to_owned())
}

/// A broker's share of a static topic, with where each queue has been. Java: `TopicQueueMappingDetail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicQueueMappingDetail {
    pub bname: Option<String>,
    pub curr_id_map: BTreeMap<i32, i32>,
    pub dirty: bool,
    pub epoch: i64,
    pub hosted_queues: BTreeMap<i32, Vec<LogicQueueMappingItem>>,
    pub scope: Option<String>,
    pub topic: Option<String>,
    pub total_queues: i32,
}

impl Default for TopicQueueMappingDetail {
    fn default() -> TopicQueueMappingDetail {
        TopicQueueMappingDetail {
            bname: None,
            curr_id_map: BTreeMap::new(),
            dirty: false,
            epoch: 0,
            hosted_queues: BTreeMap::new(),
            scope: global_scope(),
            topic: None,
            total_queues: 0,
        }
    }
}

/// A stretch of a static topic's queue that lay in one broker's queue; -1 for an end that is not reached. Java:
/// `LogicQueueMappingItem`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogicQueueMappingItem {
    pub bname: Option<String>,
    pub end_offset: i64,
    pub r#gen: i32,
    pub logic_offset: i64,
    pub queue_id: i32,
    pub start_offset: i64,
    pub time_of_end: i64,
    pub time_of_start: i64,
}

impl Default for LogicQueueMappingItem {
    fn default() -> LogicQueueMappingItem {
        LogicQueueMappingItem {
            bname: None,
            end_offset: -1,
            r#gen: 0,
            logic_offset: 0,
            queue_id: 0,
            start_offset: 0,
            time_of_end: -1,
            time_of_start: -1,
        }
    }
}
