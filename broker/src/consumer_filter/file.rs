//! `consumerFilter.json`, as both Java versions write it.

use super::{GroupFilter, Registered, SQL92};
use filter::Expression;
use filter::bloom::BloomFilterData;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoredFilters {
    pub filter_data_by_topic: BTreeMap<String, FilterDataByTopic>,
}

/// Java: `FilterDataMapByTopic`.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterDataByTopic {
    pub group_filter_data: BTreeMap<String, FilterData>,
    pub topic: String,
}

/// Java: `ConsumerFilterData`.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bloom_filter_data: Option<BloomFilterData>,
    pub born_time: i64,
    pub client_version: i64,
    pub consumer_group: String,
    /// Written by Java's getter, read by nobody.
    pub dead: bool,
    pub dead_time: i64,
    pub expression: String,
    pub expression_type: String,
    pub topic: String,
}

impl From<&Registered> for FilterData {
    fn from(known: &Registered) -> FilterData {
        let GroupFilter { topic, group, expression, expression_type, born_ms, bloom, .. } = &*known.filter;
        FilterData {
            bloom_filter_data: bloom.clone(),
            born_time: *born_ms,
            client_version: known.client_version,
            consumer_group: group.clone(),
            dead: known.is_dead(),
            dead_time: known.dead_ms,
            expression: expression.clone(),
            expression_type: expression_type.clone(),
            topic: topic.clone(),
        }
    }
}

impl From<FilterData> for Registered {
    fn from(data: FilterData) -> Registered {
        let compiled = match data.expression_type.as_str() {
            SQL92 => Expression::compile(&data.expression)
                .inspect_err(|error| {
                    let FilterData { topic, consumer_group, .. } = &data;
                    tracing::error!("{consumer_group} filters {topic} by what is no expression: {error}");
                })
                .ok()
                .map(Arc::new),
            _ => None,
        };
        let filter = GroupFilter {
            topic: data.topic,
            group: data.consumer_group,
            expression: data.expression,
            expression_type: data.expression_type,
            compiled,
            born_ms: data.born_time,
            bloom: data.bloom_filter_data,
        };
        Registered { filter: Arc::new(filter), client_version: data.client_version, dead_ms: data.dead_time }
    }
}
