//! Which names topics and groups may have, and which topics are the broker's own. Java: `TopicValidator`, `MixAll`.

pub use store::topic_name::{
    DLQ_GROUP_TOPIC_PREFIX, RETRY_GROUP_TOPIC_PREFIX, RMQ_SYS_WHEEL_TIMER, SCHEDULE_TOPIC_XXXX,
    SYSTEM_TOPIC_PREFIX,
};

/// Its settings are those of topics that a send creates. Java: `AUTO_CREATE_TOPIC_KEY_TOPIC`.
pub const TBW102: &str = "TBW102";
/// Of Java's benchmarks.
pub const BENCHMARK_TEST: &str = "BenchmarkTest";
/// Half messages wait here for the end of their transaction.
pub const RMQ_SYS_TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Says which half messages are ended.
pub const RMQ_SYS_TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// As [`RMQ_SYS_TRANS_HALF_TOPIC`], where Java keeps transactions in RocksDB; here the name is only reserved.
pub const RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC: &str = "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC";
/// As [`RMQ_SYS_TRANS_OP_HALF_TOPIC`], where Java keeps transactions in RocksDB; here the name is only reserved.
pub const RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC";
/// Traces of messages, where `msgTraceTopicName` names no other topic.
pub const RMQ_SYS_TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Half messages that were given up because no producer knew their end.
pub const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Of Java's own tests.
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
/// Java told here once of pulls whose offset it corrected; the name is reserved.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Java: `RMQ_SYS_ROCKSDB_OFFSET_TOPIC`.
pub const CHECKPOINT_TOPIC: &str = "CHECKPOINT_TOPIC";

/// The broker's name comes behind it.
pub const SYNC_BROKER_MEMBER_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";
/// The cluster's name comes behind it: what was popped waits here for its acknowledgement.
pub const REVIVE_LOG_PREFIX: &str = "rmq_sys_REVIVE_LOG_";
/// Groups that start so are the broker's own.
pub const CID_RMQ_SYS_PREFIX: &str = "CID_RMQ_SYS_";

/// The longest name of a topic that a client may make.
pub const TOPIC_CHARS_MAX: usize = 127;
/// Shorter than a topic's, because retry and DLQ topics are made of it.
pub const GROUP_CHARS_MAX: usize = 120;
/// The longest name where the broker has put `%RETRY%` or `%DLQ%` in front.
pub const RETRY_OR_DLQ_TOPIC_CHARS_MAX: usize = 255;

/// Java: `TopicValidator.SYSTEM_TOPIC_SET`, as it is before a broker adds its own.
pub const SYSTEM_TOPICS: [&str; 12] = [
    TBW102,
    SCHEDULE_TOPIC_XXXX,
    BENCHMARK_TEST,
    RMQ_SYS_TRANS_HALF_TOPIC,
    RMQ_SYS_TRACE_TOPIC,
    RMQ_SYS_TRANS_OP_HALF_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_EVENT,
    CHECKPOINT_TOPIC,
    RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC,
    RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC,
];

const TOOL_GROUPS: [&str; 10] = [
    "DEFAULT_CONSUMER",
    "TOOLS_CONSUMER",
    "SCHEDULE_CONSUMER",
    "FILTERSRV_CONSUMER",
    "__MONITOR_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_ONSAPI_PULL",
];

const NOT_ALLOWED_SEND_TOPICS: [&str; 8] = [
    SCHEDULE_TOPIC_XXXX,
    RMQ_SYS_TRANS_HALF_TOPIC,
    RMQ_SYS_TRANS_OP_HALF_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_EVENT,
    RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC,
    RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC,
];

/// The error is Java's remark. Java: `validateTopic`.
pub fn validate_topic(topic: &str) -> Result<(), String> {
    validate_name("topic", topic)?;
    let is_retry_or_dlq =
        topic.starts_with(RETRY_GROUP_TOPIC_PREFIX) || topic.starts_with(DLQ_GROUP_TOPIC_PREFIX);
    match is_retry_or_dlq {
        true if topic.len() > RETRY_OR_DLQ_TOPIC_CHARS_MAX => Err(format!(
            "The specified topic is DLQ or Retry topic: {topic}, and it's longer than topic max length: \
             {RETRY_OR_DLQ_TOPIC_CHARS_MAX}"
        )),
        false if topic.len() > TOPIC_CHARS_MAX => {
            Err(format!("The specified topic: {topic}, is longer than topic max length: {TOPIC_CHARS_MAX}"))
        }
        _ => Ok(()),
    }
}

/// The error is Java's remark. Java: `validateGroup`.
pub fn validate_group(group: &str) -> Result<(), String> {
    validate_name("group", group)?;
    if group.len() > GROUP_CHARS_MAX {
        return Err(format!(
            "The specified group: {group}, is longer than group max length: {GROUP_CHARS_MAX}"
        ));
    }
    Ok(())
}

fn validate_name(kind: &str, name: &str) -> Result<(), String> {
    if is_blank(name) {
        return Err(format!("The specified {kind} is blank."));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"%|_-".contains(&b)) {
        return Err(format!(
            "The specified {kind}: {name}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
        ));
    }
    Ok(())
}

/// Empty or white space alone. Java: `UtilAll.isBlank`.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// Whether every broker has this topic for itself; [`crate::topics::Topics::is_system_topic`] also knows those that are
/// named after this broker and its cluster.
pub fn is_system_topic(topic: &str) -> bool {
    topic.starts_with(SYSTEM_TOPIC_PREFIX) || SYSTEM_TOPICS.contains(&topic)
}

/// Whether clients must not send to this topic.
pub fn is_not_allowed_send_topic(topic: &str) -> bool {
    NOT_ALLOWED_SEND_TOPICS.contains(&topic)
}

/// Java: `MixAll.isSysConsumerGroup`.
pub fn is_system_group(group: &str) -> bool {
    group.starts_with(CID_RMQ_SYS_PREFIX)
}

/// Groups that servers and tools pull with. Java: `MixAll.isSysConsumerGroupPullMessage`.
pub fn is_tool_group(group: &str) -> bool {
    TOOL_GROUPS.contains(&group) || is_system_group(group)
}

/// Where messages go that a group could not consume yet. Java: `MixAll.getRetryTopic`.
pub fn retry_topic(group: &str) -> String {
    [RETRY_GROUP_TOPIC_PREFIX, group].concat()
}

/// Where messages go that a group popped and could not consume yet: by brokers of today, and by those before 5.3. Java:
/// `KeyBuilder.buildPopRetryTopic`.
pub fn pop_retry_topics(group: &str, topic: &str) -> [String; 2] {
    ["+", "_"].map(|separator| [RETRY_GROUP_TOPIC_PREFIX, group, separator, topic].concat())
}

/// Where messages go that a group could not consume at all. Java: `MixAll.getDLQTopic`.
pub fn dlq_topic(group: &str) -> String {
    [DLQ_GROUP_TOPIC_PREFIX, group].concat()
}

/// The group whose retry topic this is.
pub fn group_of_retry_topic(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_GROUP_TOPIC_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_refused_in_javas_words() {
        let remark = |topic: &str| validate_topic(topic).unwrap_err();
        assert_eq!(remark(" \t"), "The specified topic is blank.");
        assert_eq!(
            remark("a b"),
            "The specified topic: a b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
        );
        assert!(remark("ä").contains("illegal characters"));
        let long = "x".repeat(128);
        assert_eq!(
            remark(&long),
            format!("The specified topic: {long}, is longer than topic max length: 127")
        );
        assert!(remark(&retry_topic(&"x".repeat(249))).contains("longer than topic max length: 255"));
        for good in ["%RETRY%a|b-c_D9", &long[1..], &dlq_topic(&"x".repeat(250))] {
            validate_topic(good).unwrap();
        }
    }

    #[test]
    fn groups_are_shorter_than_topics() {
        assert_eq!(validate_group("").unwrap_err(), "The specified group is blank.");
        validate_group(&"x".repeat(120)).unwrap();
        let long = "x".repeat(121);
        assert_eq!(
            validate_group(&long).unwrap_err(),
            format!("The specified group: {long}, is longer than group max length: 120")
        );
    }

    #[test]
    fn the_brokers_own_topics() {
        assert!(is_system_topic("rmq_sys_anything") && is_system_topic(TBW102));
        assert!(!is_system_topic("T") && !is_system_topic("rmq_sys"));
        assert!(is_not_allowed_send_topic(SCHEDULE_TOPIC_XXXX) && !is_not_allowed_send_topic(TBW102));
        assert_eq!(group_of_retry_topic("%RETRY%g"), Some("g"));
        assert_eq!(group_of_retry_topic("%DLQ%g"), None);
    }
}
