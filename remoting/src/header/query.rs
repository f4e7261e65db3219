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

    /// Code 33.
    ViewMessageRequestHeader {
        offset: i64 = "offset",
    }
}
