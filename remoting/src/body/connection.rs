//! Who is connected to a broker, and what for.

use super::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A client's connection. Java: `Connection`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    pub client_addr: String,
    pub client_id: String,
    /// The name of a [`crate::Language`].
    pub language: Option<String>,
    pub version: i32,
}

/// Answer to GET_CONSUMER_CONNECTION_LIST. Java: `ConsumerConnection`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    pub connection_set: Vec<Connection>,
    pub consume_from_where: Option<ConsumeFromWhere>,
    pub consume_type: Option<ConsumeType>,
    pub message_model: Option<MessageModel>,
    /// By topic.
    pub subscription_table: BTreeMap<String, Arc<SubscriptionData>>,
}

/// Answer to GET_PRODUCER_CONNECTION_LIST. Java: `ProducerConnection`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    pub connection_set: Vec<Connection>,
}

/// Answer to GET_ALL_PRODUCER_INFO. Java: `ProducerTableInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerTableInfo {
    /// By group.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// One producer. Java: `ProducerInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    pub client_id: String,
    /// The name of a [`crate::Language`].
    pub language: Option<String>,
    /// Milliseconds since the epoch.
    pub last_update_timestamp: i64,
    /// As Java writes an address: with a slash before it.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    pub version: i32,
}

/// Answer to QUERY_TOPIC_CONSUME_BY_WHO. Java: `GroupList`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    pub group_list: BTreeSet<String>,
}

/// Answer to QUERY_SUBSCRIPTION_BY_CONSUMER. Java: `QuerySubscriptionResponseBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuerySubscriptionResponseBody {
    pub group: Option<String>,
    pub subscription_data: Option<Arc<SubscriptionData>>,
    pub topic: Option<String>,
}
