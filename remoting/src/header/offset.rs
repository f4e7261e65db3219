//! Offsets: a group's in a queue, and a queue's own.

use crate::headers;

headers! {
    /// Code 14.
    QueryConsumerOffsetRequestHeader {
        consumer_group: str = "consumerGroup",
        topic: str = "topic",
        queue_id: i32 = "queueId",
        set_zero_if_not_found: bool = "setZeroIfNotFound",
    }

    /// Code 15.
    UpdateConsumerOffsetRequestHeader {
        consumer_group: str = "consumerGroup",
        topic: str = "topic",
        queue_id: i32 = "queueId",
        commit_offset: i64 = "commitOffset",
    }

    /// Code 29.
    SearchOffsetRequestHeader {
        topic: str = "topic",
        queue_id: i32 = "queueId",
        timestamp_ms: i64 = "timestamp",
        /// `LOWER` or `UPPER`, or in lower case.
        boundary_type: str = "boundaryType",
    }

    /// Codes 30, 31 and 32.
    QueueRequestHeader {
        topic: str = "topic",
        queue_id: i32 = "queueId",
    }

    /// The answer to codes 14, 29, 30 and 31.
    OffsetResponseHeader {
        offset: i64 = "offset",
    }

    /// The answer to code 32.
    GetEarliestMsgStoretimeResponseHeader {
        timestamp_ms: i64 = "timestamp",
    }

    /// Codes 220 and 222.
    ResetOffsetRequestHeader {
        group: str = "group",
        topic: str = "topic",
        /// Absent or negative: all queues.
        queue_id: i32 = "queueId",
        offset: i64 = "offset",
        /// Negative: to the end.
        timestamp_ms: long = "timestamp",
        is_force: flag = "isForce",
    }

    /// Code 303.
    QueryConsumeTimeSpanRequestHeader {
        topic: str = "topic",
        group: str = "group",
    }

    /// Code 308.
    QueryCorrectionOffsetHeader {
        /// Group names with commas between them.
        filter_groups: str = "filterGroups",
        compare_group: str = "compareGroup",
        topic: str = "topic",
    }

    /// Code 314.
    CloneGroupOffsetRequestHeader {
        src_group: str = "srcGroup",
        dest_group: str = "destGroup",
        topic: str = "topic",
        offline: flag = "offline",
    }
}
