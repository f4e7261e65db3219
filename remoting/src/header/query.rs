//! Finding messages by key, and one by where it lies.

use crate::headers;

headers! {
    /// Code 12.
    QueryMessageRequestHeader {
        topic: str = "topic",
        /// A key, a unique key, or tags.
        key: str = "key",
        max_num: i32 = "maxNum",
        begin_timestamp_ms: i64 = "beginTimestamp",
        end_timestamp_ms: i64 = "endTimestamp",
        /// `K`, `U` or `T` (`MessageConst.INDEX_KEY_TYPE` and following).
        index_type: str = "indexType",
        /// `MixAll.UNIQUE_MSG_QUERY_FLAG`: the key is a unique key.
        is_unique_key: bool = "_UNIQUE_KEY_QUERY",
    }

    /// The answer to code 12.
    QueryMessageResponseHeader {
        index_last_update_timestamp_ms: i64 = "indexLastUpdateTimestamp",
        index_last_update_offset: i64 = "indexLastUpdatePhyoffset",
    }

    /// Code 202.
    GetTopicStatsInfoRequestHeader {
        topic: str = "topic",
    }

    /// Code 208.
    GetConsumeStatsRequestHeader {
        consumer_group: str = "consumerGroup",
        topic: str = "topic",
        /// Names with semicolons between; given, the group's subscriptions do not matter.
        topic_list: str = "topicList",
    }

    /// Code 317.
    GetConsumeStatsInBrokerHeader {
        /// Of ordered topics alone.
        is_order: flag = "isOrder",
    }

    /// Code 321.
    QueryConsumeQueueRequestHeader {
        topic: str = "topic",
        queue_id: int = "queueId",
        index: long = "index",
        count: int = "count",
        consumer_group: str = "consumerGroup",
    }

    /// Code 33.
    ViewMessageRequestHeader {
        offset: i64 = "offset",
    }
}
