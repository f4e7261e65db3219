//! Making and changing topics and groups.

use crate::headers;

headers! {
    /// Code 17.
    CreateTopicRequestHeader {
        topic: str = "topic",
        default_topic: str = "defaultTopic",
        read_queue_nums: i32 = "readQueueNums",
        write_queue_nums: i32 = "writeQueueNums",
        perm: i32 = "perm",
        topic_filter_type: str = "topicFilterType",
        topic_sys_flag: i32 = "topicSysFlag",
        order: bool = "order",
        /// `+key=value,-key`
        attributes: str = "attributes",
        force: bool = "force",
    }

    /// Code 215.
    DeleteTopicRequestHeader {
        topic: str = "topic",
    }
}
