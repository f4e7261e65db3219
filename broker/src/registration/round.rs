//! What is sent to every name server at one time.

use super::Shared;
use crate::topics::perm;
use remoting::body::{
    RegisterBrokerBody, TopicConfig, TopicConfigAndMappingSerializeWrapper, TopicConfigSerializeWrapper,
};
use remoting::header::namesrv::RegisterBrokerRequestHeader;
use remoting::message::crc32;
use remoting::{Command, RequestCode};
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
    request: OnceLock<Command>,
}

impl Round {
    /// Before the first.
    pub fn none() -> Round {
        Round { number: 0, changes: 0, is_forced: false, changed: None, request: OnceLock::new() }
    }

    /// All topics, as they are when the first name server gets them. Java: `registerBrokerAll`.
    pub fn full(number: u64, is_forced: bool, shared: &Shared) -> Round {
        let changes = *shared.topics.changes().borrow();
        Round { number, changes, is_forced, changed: None, request: OnceLock::new() }
    }

    /// The topics that changed since the last such round. Java: `registerIncrementBrokerData`.
    pub fn increment(number: u64, changes: u64, shared: &Shared) -> Round {
        let changed = Some(shared.topics.take_unregistered());
        Round { number, changes, is_forced: true, changed, request: OnceLock::new() }
    }

    pub fn request(&self, shared: &Shared) -> Command {
        self.request.get_or_init(|| self.make_request(shared)).clone()
    }

    fn make_request(&self, shared: &Shared) -> Command {
        let config = &shared.config;
        let topics = self.changed.clone().unwrap_or_else(|| shared.topics.to_wrapper());
        let body = RegisterBrokerBody {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: TopicConfigAndMappingSerializeWrapper {
                data_version: topics.data_version,
                topic_config_table: topics.topic_config_table,
                ..Default::default()
            },
        };
        let body = limit(body, config.broker_permission).encode(config.compressed_register);
        let header = RegisterBrokerRequestHeader {
            broker_name: Some(&config.broker_name),
            broker_addr: Some(&config.broker_addr),
            cluster_name: Some(&config.broker_cluster_name),
            ha_server_addr: Some(&config.ha_server_addr),
            broker_id: Some(config.broker_id),
            enable_acting_master: Some(false),
            // Java 5.5.0 says false even of a compressed body, which no name server can read then.
            compressed: config.compressed_register,
            body_crc32: crc32(&body),
            ..Default::default()
        };
        Command::request(RequestCode::REGISTER_BROKER, header.encode()).with_body(body)
    }
}

/// A broker that may not be read or written registers no topic as if it could.
fn limit(mut body: RegisterBrokerBody, broker_permission: i32) -> RegisterBrokerBody {
    if perm::is_readable(broker_permission) && perm::is_writeable(broker_permission) {
        return body;
    }
    for topic in body.topic_config_serialize_wrapper.topic_config_table.values_mut() {
        *topic = Arc::new(TopicConfig { perm: topic.perm & broker_permission, ..TopicConfig::clone(topic) });
    }
    body
}
