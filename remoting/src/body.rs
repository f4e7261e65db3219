//! The bodies of commands, and the tables of the config files, which are the same beans.
//!
//! Fields stand in the order in which Java writes them: by name. A field that Java may hold as null is an `Option` where
//! null means something, and its type's empty value elsewhere. A field is documented where its name, Java's, does not say
//! what it is.
#![allow(missing_docs, reason = "see above")]

pub mod connection;
pub mod ha;
pub mod heartbeat;
pub mod metrics;
pub mod offset;
pub mod queue;
pub mod register_broker;
pub mod request_mode;
pub mod route;
pub mod stats;
pub mod subscription_group;
pub mod topic;

pub use connection::{
    Connection, ConsumerConnection, GroupList, ProducerConnection, ProducerInfo, ProducerTableInfo,
    QuerySubscriptionResponseBody,
};
pub use ha::{HAClientRuntimeInfo, HAConnectionRuntimeInfo, HARuntimeInfo};
pub use heartbeat::{
    CheckClientRequestBody, ConsumeFromWhere, ConsumeType, ConsumerData, GetConsumerListByGroupResponseBody,
    HeartbeatData, MessageModel, ProducerData, SubscriptionData, is_tag_type,
};
pub use metrics::{
    TimerMetricsSerializeWrapper, TopicCounts, TopicMetric, TransactionMetricsSerializeWrapper,
};
pub use offset::{
    ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper, GetConsumerStatusBody, MessageQueueForC,
    QueryConsumeTimeSpanBody, QueryCorrectionOffsetBody, QueueTimeSpan, ResetOffsetBody, ResetOffsetBodyForC,
};
pub use queue::{LockBatchRequestBody, LockBatchResponseBody, MessageQueue, UnlockBatchRequestBody};
pub use register_broker::{BodyError, RegisterBrokerBody};
pub use request_mode::{
    MessageRequestMode, MessageRequestModeSerializeWrapper, SetMessageRequestModeRequestBody,
};
pub use route::{
    BrokerData, BrokerMemberGroup, ClusterInfo, GetBrokerMemberGroupResponseBody, KVTable, QueueData,
    TopicList, TopicRouteData,
};
pub use stats::{
    ConsumeQueueData, ConsumeStats, ConsumeStatsList, OffsetWrapper, QueryConsumeQueueResponseBody,
    TopicOffset, TopicStatsTable,
};
pub use subscription_group::{
    CustomizedRetryPolicy, ExponentialRetryPolicy, GroupForbidden, GroupRetryPolicy, GroupRetryPolicyType,
    SimpleSubscriptionData, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupWrapper,
};
pub use topic::{
    CreateTopicListRequestBody, DataVersion, LogicQueueMappingItem, TopicConfig,
    TopicConfigAndMappingSerializeWrapper, TopicConfigSerializeWrapper, TopicFilterType,
    TopicQueueMappingDetail, TopicQueueMappingInfo,
};
