//! The parts of a broker, put together. Java: `BrokerController`.

use crate::broadcast_offsets::BroadcastOffsets;
use crate::calls::Calls;
use crate::clients::Clients;
use crate::config::BrokerSettings;
use crate::consumer_filter::ConsumerFilters;
use crate::delays::Delays;
use crate::groups::Groups;
use crate::handler::pull;
use crate::locks::Locks;
use crate::long_poll::{Arrival, LongPoll, Parked};
use crate::offsets::ConsumerOffsets;
use crate::persister::Persister;
use crate::registration::Registration;
use crate::safety::Waiting;
use crate::topics::{Topics, perm};
use crate::transaction::Transactions;
use message::uniq_key::UniqKeys;
use process::clock::Clock;
use process::config::{Live, Snapshot};
use remoting::DiskPool;
use remoting::body::TopicConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use store::{Arrived, BrokerRole, FlushDiskType, MessageStore, WaitingRoom};
use tokio::runtime::Handle;

/// What handlers work on. Each part locks for itself and calls no other part while it holds its lock.
pub struct Broker {
    pub(crate) settings: Live<BrokerSettings>,
    pub clock: Clock,
    /// Where late replies are made.
    pub runtime: Handle,
    /// This broker in stored messages and in offset ids: `brokerIP1:listenPort`.
    pub store_host: SocketAddr,
    pub uniq_keys: UniqKeys,
    pub store: Arc<MessageStore>,
    /// Where answers wait until a message is safe.
    pub waiting: Arc<WaitingRoom<Waiting>>,
    pub topics: Arc<Topics>,
    pub groups: Arc<Groups>,
    /// Writes `config/`.
    pub persister: Arc<Persister>,
    pub offsets: Arc<ConsumerOffsets>,
    pub delays: Delays,
    pub transactions: Arc<Transactions>,
    pub registration: Registration,
    pub clients: Clients,
    pub broadcast_offsets: BroadcastOffsets,
    pub calls: Calls,
    pub consumer_filters: Arc<ConsumerFilters>,
    pub locks: Locks,
    pub long_poll: LongPoll,
    /// For requests that may wait for the disk.
    pub disk_pool: DiskPool,
}

impl Broker {
    /// What the broker is told, as of now. A request loads it once.
    pub fn settings(&self) -> Snapshot<BrokerSettings> {
        self.settings.load()
    }

    pub fn is_slave(&self) -> bool {
        self.settings().store.broker_role == BrokerRole::Slave
    }

    pub fn flushes_synchronously(&self) -> bool {
        self.settings().store.flush_disk_type == FlushDiskType::SyncFlush
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
            self.offsets.commit(client, &least.group, &least.topic, least.queue_id, least.offset);
        }
    }

    /// A client's connection is gone, and the client with it.
    pub fn connection_closed(&self, peer_id: u64) {
        for group in self.clients.closed(peer_id) {
            self.consumer_filters.unregister(&group);
        }
    }

    /// New messages can be read. Called by the store's derive thread, once a batch.
    pub fn messages_arrived(self: &Arc<Broker>, arrived: &[Arrived<'_>]) {
        self.delays.schedule.messages_arrived(arrived);
        if let Some(timer) = &self.delays.timer {
            timer.messages_arrived(arrived);
        }
        if self.long_poll.is_empty_after_growth() {
            return;
        }
        let arrivals = arrived.iter().map(|message| Arrival {
            topic: message.topic,
            queue_id: message.queue_id,
            max_offset: message.max_offset,
            message: Some((message.tags_code, message.properties)),
        });
        self.answer(self.long_poll.take_woken(arrivals));
    }

    /// The queue has messages, whatever they are.
    pub fn queue_grew(self: &Arc<Broker>, topic: &str, queue_id: i32, max_offset: i64) {
        let arrival = Arrival { topic, queue_id, max_offset, message: None };
        self.answer(self.long_poll.take_woken([arrival]));
    }

    /// Wakes every parked pull whose queue has messages beyond it, whatever their tags.
    pub fn wake_grown_queues(self: &Arc<Broker>) {
        for (topic, queue_id) in self.long_poll.queues() {
            self.queue_grew(&topic, queue_id, self.store.max_offset_in_queue(&topic, queue_id));
        }
    }

    /// Serves pulls that were parked, on a task of their own.
    pub fn answer(self: &Arc<Broker>, woken: Vec<Parked>) {
        if woken.is_empty() {
            return;
        }
        let broker = self.clone();
        self.runtime.spawn(async move {
            for parked in woken {
                pull::wake(&broker, parked);
            }
        });
    }
}
