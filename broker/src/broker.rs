//! The parts of a broker, put together. Java: `BrokerController`.

use crate::broadcast_offsets::BroadcastOffsets;
use crate::calls::Calls;
use crate::clients::Clients;
use crate::cold_data::ColdDataFlowCtr;
use crate::config::BrokerSettings;
use crate::configuration::Configuration;
use crate::consumer_filter::ConsumerFilters;
use crate::delays::Delays;
use crate::groups::Groups;
use crate::locks::Locks;
use crate::long_poll::LongPoll;
use crate::offsets::ConsumerOffsets;
use crate::persister::Persister;
use crate::registration::Registration;
use crate::request_modes::MessageRequestModes;
use crate::safety::Waiting;
use crate::store_stats::StoreStats;
use crate::topics::{Topics, perm};
use crate::transaction::Transactions;
use message::uniq_key::UniqKeys;
use process::clock::Clock;
use process::config::{Live, Snapshot};
use remoting::DiskPool;
use remoting::body::TopicConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use store::{BrokerRole, MessageStore, WaitingRoom};
use tokio::runtime::Handle;

/// What handlers work on. Each part locks for itself and calls no other part while it holds its lock.
pub struct Broker {
    pub(crate) settings: Live<BrokerSettings>,
    /// What the settings were read from, and what changes them.
    pub configuration: Configuration,
    /// The time of whatever the broker does.
    pub clock: Clock,
    /// Where late replies are made.
    pub runtime: Handle,
    /// This broker in stored messages and in offset ids: `brokerIP1:listenPort`.
    pub store_host: SocketAddr,
    /// Makes the ids of messages that the broker itself sends.
    pub uniq_keys: UniqKeys,
    /// Log and queues.
    pub store: Arc<MessageStore>,
    /// How fast the store takes and gives messages.
    pub store_stats: StoreStats,
    /// Where answers wait until a message is safe.
    pub waiting: Arc<WaitingRoom<Waiting>>,
    /// The table of topics.
    pub topics: Arc<Topics>,
    /// The table of consumer groups.
    pub groups: Arc<Groups>,
    /// How groups get their messages, where an admin has said so.
    pub request_modes: Arc<MessageRequestModes>,
    /// Writes `config/`.
    pub persister: Arc<Persister>,
    /// How far consumer groups have come.
    pub offsets: Arc<ConsumerOffsets>,
    /// What has messages wait for their time.
    pub delays: Delays,
    /// Half messages, and what became of them.
    pub transactions: Arc<Transactions>,
    /// What tells the name servers of this broker.
    pub registration: Registration,
    /// Producers and consumers that are connected.
    pub clients: Clients,
    /// How far clients of broadcasting groups have come.
    pub broadcast_offsets: BroadcastOffsets,
    /// Requests that this broker makes of clients.
    pub calls: Calls,
    /// How much groups may read that is not in memory.
    pub cold_data: ColdDataFlowCtr,
    /// The expressions by which consumer groups filter.
    pub consumer_filters: Arc<ConsumerFilters>,
    /// Which client may consume which queue, for consumers in order.
    pub locks: Locks,
    /// Pulls that wait for a message.
    pub long_poll: LongPoll<Broker>,
    /// For requests that may wait for the disk.
    pub disk_pool: DiskPool,
}

impl Broker {
    /// What the broker is told, as of now. A request loads it once.
    pub fn settings(&self) -> Snapshot<BrokerSettings> {
        self.settings.load()
    }

    /// Whether `brokerRole` is SLAVE: it takes no messages but its master's.
    pub fn is_slave(&self) -> bool {
        self.settings().store.broker_role == BrokerRole::Slave
    }

    /// A group's retry or dead-letter topic, made if it is missing. Java: `createTopicInSendMessageBackMethod`.
    pub fn group_topic(
        &self,
        topic: &str,
        queue_nums: i32,
        is_order: bool,
        sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        if let Some(config) = self.topics.find(topic).filter(|config| config.order == is_order) {
            return Some(config);
        }
        let rw = perm::READ | perm::WRITE;
        self.topics.create_in_send_message_back(topic, queue_nums, rw, is_order, sys_flag)
    }

    /// Commits how far the slowest clients of broadcasting groups are.
    pub fn commit_broadcast_offsets(&self) {
        let is_online = |group: &str, client_id: &str| self.clients.consumer(group, client_id).is_some();
        for least in self.broadcast_offsets.scan(is_online) {
            let client = &"BroadcastOffset";
            // Where there is no room for it, the next scan tries again.
            let _ = self.offsets.commit(client, &least.group, &least.topic, least.queue_id, least.offset);
        }
    }
}
