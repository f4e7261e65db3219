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

    /// Code 21. A page of the table, if any field is there: `max_topic_num` topics in order of name, from the `topic_seq`th on.
    GetAllTopicConfigRequestHeader {
        /// JSON of the version that earlier pages are of: the first page again, where it is another by now.
        data_version: str = "dataVersion",
        topic_seq: i32 = "topicSeq",
        max_topic_num: i32 = "maxTopicNum",
    }

    /// The answer to code 21.
    GetAllTopicConfigResponseHeader {
        total_topic_num: i32 = "totalTopicNum",
    }

    /// Code 351.
    GetTopicConfigRequestHeader {
        topic: str = "topic",
    }

    /// Code 201; as [`GetAllTopicConfigRequestHeader`].
    GetAllSubscriptionGroupRequestHeader {
        data_version: str = "dataVersion",
        group_seq: i32 = "groupSeq",
        max_group_num: i32 = "maxGroupNum",
    }

    /// The answer to code 201.
    GetAllSubscriptionGroupResponseHeader {
        total_group_num: i32 = "totalGroupNum",
    }

    /// Code 352.
    GetSubscriptionGroupConfigRequestHeader {
        group: str = "group",
    }

    /// Code 207.
    DeleteSubscriptionGroupRequestHeader {
        group_name: str = "groupName",
        /// Its offsets, too.
        clean_offset: flag = "cleanOffset",
    }

    /// Code 353.
    UpdateGroupForbiddenRequestHeader {
        group: str = "group",
        topic: str = "topic",
        /// Absent: nothing is to change.
        readable: bool = "readable",
    }
}
