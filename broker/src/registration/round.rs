//! What is sent to every name server at one time.

use super::Shared;
use crate::config::BrokerSettings;
use crate::topics::perm;
use message::crc32;
use remoting::body::{
    QueueData, RegisterBrokerBody, TopicConfig, TopicConfigAndMappingSerializeWrapper,
    TopicConfigSerializeWrapper, TopicRouteData,
};
use remoting::header::namesrv::{RegisterBrokerRequestHeader, RegisterTopicRequestHeader};
use remoting::{Command, RequestCode, json};
use std::sync::{Arc, OnceLock};

pub(super) struct Round {
    /// From 1 on, without gaps.
    pub number: u64,
    /// How many of the changes that [`crate::topics::Topics::changes`] counts are in this round or one before.
    pub changes: u64,
    /// Sent to name servers that have this version of the table, too.
    pub is_forced: bool,
    /// The part of the table that goes out; `None` for all of it.
    changed: Option<TopicConfigSerializeWrapper>,
    /// Made once for all name servers.
    requests: OnceLock<Vec<Command>>,
}

impl Round {
    /// Before the first.
    pub fn none() -> Round {
        Round { number: 0, changes: 0, is_forced: false, changed: None, requests: OnceLock::new() }
    }

    /// All topics, as they are when the first name server gets them. Java: `registerBrokerAll`.
    pub fn full(number: u64, is_forced: bool, shared: &Shared) -> Round {
        let changes = *shared.topics.changes().borrow();
        Round { number, changes, is_forced, changed: None, requests: OnceLock::new() }
    }

    /// The topics that changed since the last such round. Java: `registerIncrementBrokerData`.
    pub fn increment(number: u64, changes: u64, shared: &Shared) -> Round {
        let changed = Some(shared.topics.take_unregistered());
        Round { number, changes, is_forced: true, changed, requests: OnceLock::new() }
    }

    /// To be sent one after the other; none if nothing is left of what changed.
    pub fn requests(&self, shared: &Shared) -> &[Command] {
        self.requests.get_or_init(|| self.make_requests(shared))
    }

    fn make_requests(&self, shared: &Shared) -> Vec<Command> {
        let settings = shared.settings.load();
        let broker = &settings.broker;
        let topics = self.changed.clone().unwrap_or_else(|| shared.topics.to_wrapper());
        let topics = limit(topics, broker.broker_permission);
        if self.changed.is_none() {
            let topics_max = broker.enable_split_registration.then_some(broker.split_registration_size);
            return parts(topics, topics_max)
                .into_iter()
                .map(|part| register_broker(&settings, part))
                .collect();
        }
        if broker.enable_single_topic_register {
            let broker_name = &settings.identity.broker_name;
            return topics
                .topic_config_table
                .values()
                .map(|topic| register_topic(broker_name, topic))
                .collect();
        }
        // A name server may delete the topics that a registration does not name.
        if topics.topic_config_table.is_empty() {
            Vec::new()
        } else {
            vec![register_broker(&settings, topics)]
        }
    }
}

/// A broker that may not be read or written registers no topic as if it could.
fn limit(mut topics: TopicConfigSerializeWrapper, broker_permission: i32) -> TopicConfigSerializeWrapper {
    if perm::is_readable(broker_permission) && perm::is_writeable(broker_permission) {
        return topics;
    }
    for topic in topics.topic_config_table.values_mut() {
        *topic = Arc::new(TopicConfig { perm: topic.perm & broker_permission, ..TopicConfig::clone(topic) });
    }
    topics
}

/// The table in parts of `topics_max` topics.
fn parts(whole: TopicConfigSerializeWrapper, topics_max: Option<usize>) -> Vec<TopicConfigSerializeWrapper> {
    let Some(topics_max) = topics_max else { return vec![whole] };
    // A name server takes no single topic of a broker that is new to it.
    let topics_max = topics_max.max(2);
    let data_version = whole.data_version;
    let mut rest = whole.topic_config_table.into_iter().peekable();
    let mut parts = Vec::new();
    while rest.peek().is_some() {
        let topic_config_table = rest.by_ref().take(topics_max).collect();
        parts.push(TopicConfigSerializeWrapper { data_version, topic_config_table });
    }
    parts
}

/// Java: `BrokerOuterAPI.registerBrokerAll`.
fn register_broker(settings: &BrokerSettings, topics: TopicConfigSerializeWrapper) -> Command {
    let body = RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: TopicConfigAndMappingSerializeWrapper {
            data_version: topics.data_version,
            topic_config_table: topics.topic_config_table,
            ..Default::default()
        },
    };
    let (identity, compressed) = (&settings.identity, settings.broker.compressed_register);
    let body = body.encode(compressed);
    let header = RegisterBrokerRequestHeader {
        broker_name: Some(&identity.broker_name),
        broker_addr: Some(&settings.broker_addr()),
        cluster_name: Some(&identity.broker_cluster_name),
        ha_server_addr: Some(&settings.ha_server_addr()),
        broker_id: Some(identity.broker_id),
        enable_acting_master: Some(false),
        // Java 5.5.0 says false even of a compressed body, which no name server can read then.
        compressed,
        body_crc32: crc32(&body),
        ..Default::default()
    };
    Command::request(RequestCode::REGISTER_BROKER, header.encode()).with_body(body)
}

/// Leaves the broker's other topics alone, whatever the name server does with a registration that lacks them. Java:
/// `BrokerOuterAPI.registerSingleTopicAll`.
fn register_topic(broker_name: &str, topic: &TopicConfig) -> Command {
    let header = RegisterTopicRequestHeader { topic: Some(&topic.topic_name), ..Default::default() };
    let queues = QueueData {
        broker_name: broker_name.into(),
        perm: topic.perm,
        read_queue_nums: topic.read_queue_nums,
        topic_sys_flag: topic.topic_sys_flag,
        write_queue_nums: topic.write_queue_nums,
    };
    let body = TopicRouteData { queue_datas: vec![queues], ..TopicRouteData::default() };
    Command::request(RequestCode::REGISTER_TOPIC_IN_NAMESRV, header.encode()).with_body(json::to_bytes(&body))
}
