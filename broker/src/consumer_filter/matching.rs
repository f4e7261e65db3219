//! Which messages an expression lets through. Java: `ExpressionMessageFilter`, `ExpressionForRetryMessageFilter`.

use super::{ConsumerFilters, GroupFilter};
use crate::topic_validator;
use filter::Properties;
use message::{property, record};
use std::sync::Arc;

/// A record's properties, looked up where they lie.
pub struct PropertyText<'a>(pub &'a str);

impl Properties for PropertyText<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        property::find(self.0, name)
    }
}

/// What a pull wants by an expression that is not of tags.
#[derive(Clone)]
pub struct SqlFilter {
    filters: Arc<ConsumerFilters>,
    /// None lets everything through: the pull brought an expression that is no good.
    filter: Option<Arc<GroupFilter>>,
    /// The group of a retry topic, with `filterSupportRetry`: each message is filtered as in the topic it comes from.
    retries_of: Option<String>,
}

impl SqlFilter {
    /// Lets through what `filter` does; without one, everything.
    pub fn new(filters: &Arc<ConsumerFilters>, filter: Option<Arc<GroupFilter>>) -> SqlFilter {
        SqlFilter { filters: filters.clone(), filter, retries_of: None }
    }

    /// Java: `ExpressionForRetryMessageFilter`, which does for other topics than retry topics as the plain one.
    pub fn with_retries(self, topic: &str) -> SqlFilter {
        SqlFilter { retries_of: topic_validator::group_of_retry_topic(topic).map(str::to_owned), ..self }
    }

    /// By the bits of a queue's extension: false only where the message is surely not wanted.
    /// Java: `isMatchedByConsumeQueue`.
    pub fn matches_bit_map(&self, store_timestamp_ms: i64, bit_map: &[u8]) -> bool {
        let Some(filter) = &self.filter else { return true };
        let (Some(_), Some(bits)) = (&filter.compiled, &filter.bloom) else { return true };
        let bloom = self.filters.bloom();
        let says_nothing =
            store_timestamp_ms <= filter.born_ms || bit_map.len() != bloom.bytes() || !bloom.is_valid(bits);
        says_nothing || bloom.is_hit(bits, bit_map)
    }

    /// As [`matches_properties`](Self::matches_properties), for a stored record.
    pub fn matches_record(&self, record: &[u8]) -> bool {
        self.matches_properties(&record::properties(record).unwrap_or_default())
    }

    /// An expression that fails for a message does not match it. Java: `isMatchedByCommitLog`.
    pub fn matches_properties(&self, properties: &str) -> bool {
        let properties = PropertyText(properties);
        let filter = match &self.retries_of {
            Some(group) => properties
                .get(property::RETRY_TOPIC)
                .and_then(|topic| self.filters.get(topic, group))
                .map(|(filter, _)| filter),
            None => self.filter.clone(),
        };
        let Some(filter) = filter else { return true };
        let Some(compiled) = &filter.compiled else { return true };
        compiled.matches(&properties).unwrap_or_else(|error| {
            tracing::warn!("{} cannot filter a message of {}: {error}", filter.group, filter.topic);
            false
        })
    }
}
