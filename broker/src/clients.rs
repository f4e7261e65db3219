//! Who is connected: producers and consumers by group. Java: `ProducerManager`, `ConsumerManager`, `ConsumerGroupInfo`.

mod notice;
#[cfg(test)]
mod tests;

pub use notice::Notice;

use crate::config::BrokerSettings;
use crate::limit::{Full, Limit};
use notice::Rounds;
use parking_lot::RwLock;
use process::clock::Clock;
use process::config::Live;
use remoting::body::{ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel, SubscriptionData};
use remoting::{Language, Peer};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Java: `ProducerManager.CHANNEL_EXPIRED_TIMEOUT`.
pub const PRODUCER_IDLE_MS_MAX: u64 = 120_000;

/// Clients in groups, at most: a client of three groups counts three times. 50,000 clients in 20 groups each have room.
const MEMBERS_MAX: usize = 1_048_576;

/// What groups subscribe takes so many bytes at most, names and tags with their overhead. A million plain subscriptions have room.
const SUBSCRIPTION_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A subscription, a tag, and a tag's code take so much besides their text.
const SUBSCRIPTION_BYTES: usize = 320;
const TAG_BYTES: usize = 40;
const CODE_BYTES: usize = 8;

/// Ids of clients and names of producer groups that are longer are refused. Consumer groups are made before they have clients.
pub const NAME_BYTES_MAX: usize = 1024;

/// One client on one connection. Java: `ClientChannelInfo`.
#[derive(Clone)]
pub struct Client {
    /// The connection.
    pub peer: Arc<Peer>,
    /// As the client calls itself.
    pub client_id: String,
    /// Of the client, as its heartbeat's header says.
    pub language: Language,
    /// Of the client: a number of Java's `MQVersion`.
    pub version: i32,
    /// Last heartbeat, on the monotonic clock.
    pub updated_ms: u64,
}

/// A consumer group that has clients. Java: `ConsumerGroupInfo`.
#[derive(Default)]
pub struct ConsumerGroup {
    /// Whether they pull or are pushed to; `None` if the heartbeat does not say.
    pub consume_type: Option<ConsumeType>,
    /// Whether each client gets every message; `None` if the heartbeat does not say.
    pub message_model: Option<MessageModel>,
    /// Where a new group begins; `None` if the heartbeat does not say.
    pub consume_from_where: Option<ConsumeFromWhere>,
    /// By topic.
    pub subscriptions: HashMap<String, Arc<SubscriptionData>>,
    /// By [`Peer::id`].
    pub clients: HashMap<u64, Client>,
    /// Of `subscriptions`, as they are counted.
    subscription_bytes: usize,
}

impl ConsumerGroup {
    /// Whether each of its clients gets every message.
    pub fn is_broadcasting(&self) -> bool {
        self.message_model == Some(MessageModel::Broadcasting)
    }
}

/// What a heartbeat says about one consumer group.
pub struct ConsumerHeartbeat<'a> {
    /// The group's part of the heartbeat's body.
    pub data: &'a ConsumerData,
    /// False: the subscriptions stay as they are (heartbeat V2 without them).
    pub with_subscriptions: bool,
    /// 0 for heartbeats of before V2.
    pub fingerprint: i32,
    /// The group's own `notifyConsumerIdsChangedEnable`.
    pub notify: bool,
}

/// Who is connected. Java: `ProducerManager` and `ConsumerManager`.
pub struct Clients {
    clock: Clock,
    settings: Live<BrokerSettings>,
    rounds: Rounds,
    tables: RwLock<Tables>,
    /// Which producer of a group is asked next.
    producer_turn: AtomicUsize,
}

struct Tables {
    consumers: HashMap<String, ConsumerGroup>,
    producers: HashMap<String, HashMap<u64, Client>>,
    /// By client id: where replies to a producer's requests go. Java: `clientChannelTable`.
    producer_peers: HashMap<String, Arc<Peer>>,
    /// Each consumer group's last heartbeat's; another one means that its clients disagree (heartbeat V2). Outlives
    /// the group, as Java's `consumerGroupHeartbeatTable`.
    fingerprints: HashMap<String, i32>,
    /// Groups that a connection is in, so that its end costs no search.
    groups_of_peer: HashMap<u64, PeerGroups>,
    /// Of consumer and producer groups.
    members: Limit,
    subscription_bytes: Limit,
}

#[derive(Default)]
struct PeerGroups {
    consumer: HashSet<String>,
    producer: HashSet<String>,
}

impl Clients {
    /// Nobody is connected yet.
    pub fn new(settings: Live<BrokerSettings>, clock: Clock) -> Clients {
        let rounds = Rounds::new(clock.monotonic_ms());
        let (tables, producer_turn) = (RwLock::new(Tables::new()), AtomicUsize::new(0));
        Clients { clock, settings, rounds, tables, producer_turn }
    }

    /// A client of now, to register.
    pub fn client(&self, peer: &Arc<Peer>, client_id: String, language: Language, version: i32) -> Client {
        Client { peer: peer.clone(), client_id, language, version, updated_ms: self.clock.monotonic_ms() }
    }

    /// Runs `look` on the group, if it has clients.
    pub fn consumer_group<R>(&self, group: &str, look: impl FnOnce(&ConsumerGroup) -> R) -> Option<R> {
        self.tables.read().consumers.get(group).map(look)
    }

    /// The consumer of that id. Java: `ConsumerManager.findChannel`.
    pub fn consumer(&self, group: &str, client_id: &str) -> Option<Client> {
        let find = |group: &ConsumerGroup| group.clients.values().find(|c| c.client_id == client_id).cloned();
        self.consumer_group(group, find).flatten()
    }

    /// The id of the client on this connection, if it is one of a push consumer that broadcasts.
    pub fn broadcasting_client(&self, group: &str, peer_id: u64) -> Option<String> {
        let is_push = |group: &ConsumerGroup| group.consume_type == Some(ConsumeType::ConsumePassively);
        let find = |group: &ConsumerGroup| match group.is_broadcasting() && is_push(group) {
            true => group.clients.get(&peer_id).map(|client| client.client_id.clone()),
            false => None,
        };
        self.consumer_group(group, find).flatten()
    }

    /// Groups whose clients subscribe the topic. Java: `queryTopicConsumeByWho`.
    pub fn groups_of_topic(&self, topic: &str) -> BTreeSet<String> {
        let tables = self.tables.read();
        let subscribed = tables.consumers.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        subscribed.map(|(name, _)| name.clone()).collect()
    }

    /// The producers of a group; none if there is no such group.
    pub fn producers(&self, group: &str) -> Option<Vec<Client>> {
        self.tables.read().producers.get(group).map(|clients| clients.values().cloned().collect())
    }

    /// Every producer, by group. Java: `getProducerTable`.
    pub fn all_producers(&self) -> BTreeMap<String, Vec<Client>> {
        let tables = self.tables.read();
        let clients = |group: &HashMap<u64, Client>| group.values().cloned().collect();
        tables.producers.iter().map(|(name, group)| (name.clone(), clients(group))).collect()
    }

    /// What the group wants of the topic, and of how many topics it wants any. Java: `findSubscriptionData`,
    /// `findSubscriptionDataCount`.
    pub fn subscription(&self, group: &str, topic: &str) -> (Option<Arc<SubscriptionData>>, usize) {
        let look =
            |group: &ConsumerGroup| (group.subscriptions.get(topic).cloned(), group.subscriptions.len());
        self.consumer_group(group, look).unwrap_or((None, 0))
    }

    /// The consumers of a group; none if there is no such group.
    pub fn consumers(&self, group: &str) -> Option<Vec<Client>> {
        self.consumer_group(group, |group| group.clients.values().cloned().collect())
    }

    /// The connection of the producer of that id. Java: `ProducerManager.findChannel`.
    pub fn producer_peer(&self, client_id: &str) -> Option<Arc<Peer>> {
        self.tables.read().producer_peers.get(client_id).cloned()
    }

    /// Registers or renews a consumer. True where the group's subscriptions are not all as the last heartbeat said, or
    /// not known, so that the client must send them again (heartbeat V2's `IS_SUB_CHANGE`). An error where there is no room
    /// for a new client, or for what it subscribes: then nothing has changed.
    pub fn register_consumer(
        &self,
        client: &Client,
        heartbeat: &ConsumerHeartbeat<'_>,
    ) -> Result<bool, Full> {
        let data = heartbeat.data;
        let group_name = data.group_name.as_str();
        let mut guard = self.tables.write();
        let tables = &mut *guard;
        let peer_id = client.peer.id();
        // A connection that closed while its heartbeat was on the way would stay in the tables for good.
        if !client.peer.is_open() {
            return Ok(false);
        }
        tables.make_room(peer_id, heartbeat)?;
        tables.groups_of_peer.entry(peer_id).or_default().consumer.insert(group_name.to_owned());
        let known = tables.fingerprints.insert(group_name.to_owned(), heartbeat.fingerprint);
        let disagrees = known.is_some_and(|fingerprint| fingerprint != heartbeat.fingerprint);
        let group = tables.consumers.entry(group_name.to_owned()).or_default();
        group.consume_type = data.consume_type;
        group.message_model = data.message_model;
        group.consume_from_where = data.consume_from_where;
        let joined = group.join(group_name, client);
        let resubscribed = heartbeat.with_subscriptions && group.subscribe(group_name, data);
        let bytes = group.subscriptions.values().map(|subscription| memory_bytes(subscription)).sum();
        tables.subscription_bytes.free(std::mem::replace(&mut group.subscription_bytes, bytes));
        tables.subscription_bytes.take_anyhow(bytes);
        let changed = joined || resubscribed;
        let notice = (changed && heartbeat.notify).then(|| self.changed(group_name, group)).flatten();
        // We, or the group's last connection, were gone meanwhile: nobody would ever say again what the group subscribes.
        let is_forgotten = !heartbeat.with_subscriptions && group.subscriptions.is_empty();
        drop(guard);
        notice.into_iter().for_each(Notice::send);
        Ok(disagrees || is_forgotten)
    }

    /// True if the group has no client left. The others are told even if the connection was not in the group.
    pub fn unregister_consumer(&self, peer_id: u64, group: &str, notify: bool) -> bool {
        let mut tables = self.tables.write();
        if let Some(groups) = tables.groups_of_peer.get_mut(&peer_id) {
            groups.consumer.remove(group);
        }
        let was_there = tables.consumers.contains_key(group);
        tables.leave_consumers(peer_id, group);
        let left = tables.consumers.get(group);
        let is_empty = was_there && left.is_none();
        let notice = left.filter(|_| notify).and_then(|left| self.changed(group, left));
        drop(tables);
        notice.into_iter().for_each(Notice::send);
        is_empty
    }

    /// Adds or renews a producer of the group, unless its connection is closed by now. An error where there is no room for it.
    pub fn register_producer(&self, client: &Client, group: &str) -> Result<(), Full> {
        let mut tables = self.tables.write();
        if !client.peer.is_open() {
            return Ok(());
        }
        let peer_id = client.peer.id();
        if !tables.producers.get(group).is_some_and(|clients| clients.contains_key(&peer_id)) {
            tables.members.take(1)?;
        }
        tables.groups_of_peer.entry(peer_id).or_default().producer.insert(group.to_owned());
        let known = tables.producers.entry(group.to_owned()).or_default().insert(peer_id, client.clone());
        if known.is_none() {
            tables.producer_peers.insert(client.client_id.clone(), client.peer.clone());
            tracing::info!("new producer in {group}: {} {}", client.client_id, client.peer.remote_addr());
        }
        Ok(())
    }

    /// The connection's client is no producer of the group any more.
    pub fn unregister_producer(&self, peer_id: u64, group: &str) {
        let mut tables = self.tables.write();
        if let Some(groups) = tables.groups_of_peer.get_mut(&peer_id) {
            groups.producer.remove(group);
        }
        tables.leave_producers(peer_id, group);
    }

    /// Some live producer of the group, another one each time. Java: `getAvailableChannel`.
    pub fn available_producer(&self, group: &str) -> Option<Arc<Peer>> {
        let tables = self.tables.read();
        let clients = tables.producers.get(group)?;
        let mut peers: Vec<_> =
            clients.values().map(|client| &client.peer).filter(|peer| peer.is_open()).collect();
        peers.sort_by_key(|peer| peer.id());
        let turn = self.producer_turn.fetch_add(1, Ordering::Relaxed);
        peers.get(turn % peers.len().max(1)).map(|peer| Arc::clone(peer))
    }

    /// The connection is gone. Returns the consumer groups that have no client left. Java: `doChannelCloseEvent`.
    pub fn closed(&self, peer_id: u64) -> Vec<String> {
        // Most connections that end never sent a heartbeat.
        if !self.tables.read().groups_of_peer.contains_key(&peer_id) {
            return Vec::new();
        }
        let mut tables = self.tables.write();
        let Some(groups) = tables.groups_of_peer.remove(&peer_id) else { return Vec::new() };
        for group in &groups.producer {
            tables.leave_producers(peer_id, group);
        }
        let mut notices = Vec::new();
        for group in &groups.consumer {
            let was_in = tables.leave_consumers(peer_id, group);
            let left = tables.consumers.get(group).filter(|_| was_in);
            notices.extend(left.and_then(|left| self.changed(group, left)));
        }
        let is_empty = |group: &String| !tables.consumers.contains_key(group);
        let empty = groups.consumer.into_iter().filter(is_empty).collect();
        drop(tables);
        notices.into_iter().for_each(Notice::send);
        empty
    }

    /// Closes the connections of consumers that sent no heartbeat for longer than `idle_ms_max`, and of producers after
    /// [`PRODUCER_IDLE_MS_MAX`]; their end takes them off the tables. Java: `scanNotActiveChannel`.
    pub fn close_expired(&self, idle_ms_max: u64) {
        let now_ms = self.clock.monotonic_ms();
        // A heartbeat may have come since that moment.
        let is_older = |client: &&Client, ms: u64| now_ms.saturating_sub(client.updated_ms) > ms;
        let tables = self.tables.read();
        let consumers = tables.consumers.values().flat_map(|group| group.clients.values());
        let consumers = consumers.filter(|client| is_older(client, idle_ms_max));
        let producers = tables.producers.values().flat_map(HashMap::values);
        let producers = producers.filter(|client| is_older(client, PRODUCER_IDLE_MS_MAX));
        for client in consumers.chain(producers) {
            tracing::warn!(
                "client {} sent no heartbeat, connection {} is closed",
                client.client_id,
                client.peer.remote_addr()
            );
            client.peer.close();
        }
    }

    /// Tells the groups that have changed since the last round, where changes are told in rounds.
    pub fn tell_changes(&self) {
        self.due_notices().into_iter().for_each(Notice::send);
    }

    fn due_notices(&self) -> Vec<Notice> {
        let changed = self.rounds.take_due(self.clock.monotonic_ms());
        let tables = self.tables.read();
        changed.into_iter().filter_map(|name| Some(notice(&name, tables.consumers.get(&name)?))).collect()
    }

    /// The notice to send now; a round tells it later if there are rounds.
    fn changed(&self, group_name: &str, group: &ConsumerGroup) -> Option<Notice> {
        let config = &self.settings.load().broker;
        if !config.notify_consumer_ids_changed_enable || group.is_broadcasting() {
            return None;
        }
        // In rounds, a group that changes often is told once.
        if !config.real_time_notify_consumer_change {
            self.rounds.note(group_name);
            return None;
        }
        Some(notice(group_name, group))
    }
}

fn notice(group_name: &str, group: &ConsumerGroup) -> Notice {
    let peers = group.clients.values().map(|client| client.peer.clone()).collect();
    Notice { group: group_name.to_owned(), peers }
}

/// About what a subscription takes.
fn memory_bytes(subscription: &SubscriptionData) -> usize {
    let SubscriptionData { topic, sub_string, expression_type, tags_set, code_set, .. } = subscription;
    let tag_bytes: usize = tags_set.iter().map(|tag| tag.len() + TAG_BYTES).sum();
    let text_bytes = 2 * topic.len() + sub_string.len() + expression_type.len();
    SUBSCRIPTION_BYTES + text_bytes + tag_bytes + CODE_BYTES * code_set.len()
}

impl Tables {
    fn new() -> Tables {
        Tables {
            consumers: HashMap::new(),
            producers: HashMap::new(),
            producer_peers: HashMap::new(),
            fingerprints: HashMap::new(),
            groups_of_peer: HashMap::new(),
            members: Limit::new("clients in groups", MEMBERS_MAX),
            subscription_bytes: Limit::new("bytes of subscriptions", SUBSCRIPTION_BYTES_MAX),
        }
    }

    /// Counts the client where it is new to the group, unless that or what it subscribes has no room.
    fn make_room(&self, peer_id: u64, heartbeat: &ConsumerHeartbeat<'_>) -> Result<(), Full> {
        let group = self.consumers.get(&heartbeat.data.group_name);
        if heartbeat.with_subscriptions {
            let bytes: usize = heartbeat.data.subscription_data_set.iter().map(memory_bytes).sum();
            let more_bytes = bytes.saturating_sub(group.map_or(0, |group| group.subscription_bytes));
            self.subscription_bytes.take(more_bytes)?;
            self.subscription_bytes.free(more_bytes);
        }
        if !group.is_some_and(|group| group.clients.contains_key(&peer_id)) {
            self.members.take(1)?;
        }
        Ok(())
    }

    /// Whether the connection was in the group, which is gone with its last one.
    fn leave_consumers(&mut self, peer_id: u64, group_name: &str) -> bool {
        let Some(group) = self.consumers.get_mut(group_name) else { return false };
        let client = group.clients.remove(&peer_id);
        if let Some(client) = &client {
            tracing::info!("consumer of {group_name} left: {}", client.client_id);
            self.members.free(1);
        }
        if group.clients.is_empty() {
            self.subscription_bytes.free(group.subscription_bytes);
            self.consumers.remove(group_name);
        }
        client.is_some()
    }

    fn leave_producers(&mut self, peer_id: u64, group: &str) {
        let Some(clients) = self.producers.get_mut(group) else { return };
        let client = clients.remove(&peer_id);
        if clients.is_empty() {
            self.producers.remove(group);
        }
        if let Some(client) = client {
            tracing::info!("producer of {group} left: {}", client.client_id);
            self.members.free(1);
            self.forget_producer_peer(&client);
        }
    }

    /// Where the client is in no other group on this connection, and on no other connection since.
    fn forget_producer_peer(&mut self, client: &Client) {
        let peer_id = client.peer.id();
        let stays = self.groups_of_peer.get(&peer_id).is_some_and(|groups| !groups.producer.is_empty());
        let is_known = self.producer_peers.get(&client.client_id).is_some_and(|peer| peer.id() == peer_id);
        if is_known && !stays {
            self.producer_peers.remove(&client.client_id);
        }
    }
}

impl ConsumerGroup {
    /// True if the connection was not in the group. Java: `updateChannel`.
    fn join(&mut self, group_name: &str, client: &Client) -> bool {
        let before = self.clients.insert(client.peer.id(), client.clone());
        match before {
            None => {
                let (id, addr) = (&client.client_id, client.peer.remote_addr());
                tracing::info!("new consumer in {group_name}: {id} {addr} {:?}", self.message_model);
                true
            }
            Some(before) => {
                if before.client_id != client.client_id {
                    let (old, new) = (before.client_id, &client.client_id);
                    tracing::error!("one connection, two clients of {group_name}: {old}, now {new}");
                }
                false
            }
        }
    }

    /// True if topics came or went. A newer subscription of a known topic replaces the old one without notice.
    /// Java: `updateSubscription`.
    fn subscribe(&mut self, group_name: &str, data: &ConsumerData) -> bool {
        let mut changed = false;
        for subscription in &data.subscription_data_set {
            match self.subscriptions.get(&subscription.topic) {
                Some(old) if subscription.sub_version <= old.sub_version => continue,
                Some(_) => {}
                None => {
                    changed = true;
                    tracing::info!("{group_name} subscribes {}", subscription.topic);
                }
            }
            self.subscriptions.insert(subscription.topic.clone(), Arc::new(subscription.clone()));
        }
        let before = self.subscriptions.len();
        let named: HashSet<_> = data.subscription_data_set.iter().map(|s| s.topic.as_str()).collect();
        self.subscriptions.retain(|topic, _| named.contains(topic.as_str()));
        if self.subscriptions.len() < before {
            changed = true;
            tracing::warn!("{group_name} subscribes fewer topics than before");
        }
        changed
    }
}
