//! Pulling messages.

use crate::headers;

headers! {
    /// Codes 11 and 361.
    PullMessageRequestHeader {
        consumer_group: str = "consumerGroup",
        topic: str = "topic",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        max_msg_nums: i32 = "maxMsgNums",
        /// Bits of [`pull_sys_flag`].
        sys_flag: i32 = "sysFlag",
        commit_offset: i64 = "commitOffset",
        suspend_timeout_ms: i64 = "suspendTimeoutMillis",
        subscription: str = "subscription",
        sub_version: i64 = "subVersion",
        expression_type: str = "expressionType",
        max_msg_bytes: i32 = "maxMsgBytes",
        request_source: i32 = "requestSource",
        proxy_forward_client_id: str = "proxyFrowardClientId",
        lite_topic: str = "liteTopic",
    }

    /// Answer to codes 11 and 361.
    PullMessageResponseHeader {
        suggest_which_broker_id: i64 = "suggestWhichBrokerId",
        next_begin_offset: i64 = "nextBeginOffset",
        min_offset: i64 = "minOffset",
        max_offset: i64 = "maxOffset",
        offset_delta: i64 = "offsetDelta",
        topic_sys_flag: i32 = "topicSysFlag",
        group_sys_flag: i32 = "groupSysFlag",
        /// One of [`forbidden_type`].
        forbidden_type: i32 = "forbiddenType",
    }
}

/// Bits of a pull's `sysFlag`. Java: `PullSysFlag`.
pub mod pull_sys_flag {
    /// `commitOffset` is to be committed.
    pub const COMMIT_OFFSET: i32 = 1;
    /// The pull may wait for a message.
    pub const SUSPEND: i32 = 1 << 1;
    /// The pull brings its subscription along.
    pub const SUBSCRIPTION: i32 = 1 << 2;
    /// Of a lite pull consumer.
    pub const LITE_PULL_MESSAGE: i32 = 1 << 4;
}

/// What forbids a pull. Java: `ForbiddenType`.
pub mod forbidden_type {
    /// The broker is not readable.
    pub const BROKER: i32 = 1;
    /// The group may not consume.
    pub const GROUP: i32 = 2;
    /// The topic is not readable.
    pub const TOPIC: i32 = 3;
    /// The group may not broadcast.
    pub const BROADCASTING_DISABLED: i32 = 4;
    /// The group may not consume this topic.
    pub const SUBSCRIPTION: i32 = 5;
}
