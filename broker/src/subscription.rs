//! What a pull wants of a queue's messages. Java: `FilterAPI`, `ExpressionMessageFilter`.

use crate::consumer_filter::SqlFilter;
use message::java_string_hash;
use remoting::body::SubscriptionData;
use smallvec::SmallVec;
use store::{ExtUnit, MessageFilter};

/// Lets messages with one of the tags' hash codes pass; the client compares the tags themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagFilter {
    /// Whatever the tags.
    All,
    /// With a hash code among these, `String.hashCode` of the tags.
    Codes(SmallVec<[i32; 8]>),
}

impl TagFilter {
    /// `*` or `TagA || TagB`; none where Java's split finds nothing at all. Java: `FilterAPI.buildSubscriptionData`.
    pub fn parse(expression: Option<&str>) -> Option<TagFilter> {
        match expression {
            None | Some("" | "*") => Some(TagFilter::All),
            Some(tags) if tags.replace("||", "").is_empty() => None,
            Some(tags) => Some(TagFilter::Codes(
                tags.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(java_string_hash).collect(),
            )),
        }
    }

    /// What a heartbeat says that the consumer wants; its client has made the hash codes.
    pub fn of(subscription: &SubscriptionData) -> TagFilter {
        match subscription.sub_string.as_str() {
            _ if subscription.class_filter_mode => TagFilter::All,
            "*" => TagFilter::All,
            _ => TagFilter::Codes(subscription.code_set.iter().copied().collect()),
        }
    }
}

impl MessageFilter for TagFilter {
    fn matches_queue_entry(&self, tags_code: i64) -> bool {
        match self {
            TagFilter::All => true,
            TagFilter::Codes(codes) => codes.contains(&(tags_code as i32)),
        }
    }

    fn looks_at_records(&self) -> bool {
        false
    }
}

/// Which messages a pull wants.
#[derive(Clone)]
pub enum PullFilter {
    /// By tags, which stand in the queue.
    Tags(TagFilter),
    /// By an expression over properties, for which each record is looked at.
    Sql(SqlFilter),
}

impl MessageFilter for PullFilter {
    fn matches_queue_entry(&self, tags_code: i64) -> bool {
        match self {
            PullFilter::Tags(tags) => tags.matches_queue_entry(tags_code),
            PullFilter::Sql(_) => true,
        }
    }

    fn matches_ext(&self, unit: &ExtUnit<'_>) -> bool {
        match self {
            PullFilter::Tags(tags) => tags.matches_queue_entry(unit.tags_code),
            PullFilter::Sql(sql) => sql.matches_bit_map(unit.store_timestamp_ms, unit.bit_map),
        }
    }

    fn looks_at_records(&self) -> bool {
        matches!(self, PullFilter::Sql(_))
    }

    fn matches_record(&self, record: &[u8]) -> bool {
        match self {
            PullFilter::Tags(_) => true,
            PullFilter::Sql(sql) => sql.matches_record(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        assert_eq!(TagFilter::parse(Some("*")), Some(TagFilter::All));
        assert_eq!(TagFilter::parse(None), Some(TagFilter::All));
        assert_eq!(TagFilter::parse(Some("||")), None);
        let filter = TagFilter::parse(Some(" TagA||TagB || ")).unwrap();
        assert!(filter.matches_queue_entry(2598919));
        assert!(filter.matches_queue_entry(2598920));
        assert!(!filter.matches_queue_entry(2598921));
        assert!(!filter.matches_queue_entry(0));
    }
}
