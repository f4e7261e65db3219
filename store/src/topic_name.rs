//! Names of topics that the store treats in ways of their own. Java: `TopicValidator`, `MixAll`.

/// Holds delayed messages until they are due. Java: `RMQ_SYS_SCHEDULE_TOPIC`.
pub const SCHEDULE_TOPIC_XXXX: &str = "SCHEDULE_TOPIC_XXXX";
/// Holds messages with a delivery time of their own until they are due. Java: `TimerMessageStore.TIMER_TOPIC`.
pub const RMQ_SYS_WHEEL_TIMER: &str = "rmq_sys_wheel_timer";
/// Every topic that starts so is the broker's own.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";
/// In front of a group's name: the topic of what its consumers sent back, to be consumed again.
pub const RETRY_GROUP_TOPIC_PREFIX: &str = "%RETRY%";
/// In front of a group's name: the topic of what its consumers could not consume.
pub const DLQ_GROUP_TOPIC_PREFIX: &str = "%DLQ%";
/// A light message queue: a queue of one topic each, which messages of other topics are put into as well.
pub const LMQ_PREFIX: &str = "%LMQ%";

/// Java: `MixAll.isLmq`.
pub fn is_lmq(name: &str) -> bool {
    name.starts_with(LMQ_PREFIX)
}
