//! Which brokers there are and which topics they hold. Java: `RouteInfoManager`.
//!
//! Plain maps: no IO, no clock, no lock. What has to happen outside, such as telling brokers or closing connections, is
//! handed back to the caller. What goes over many topics comes in parts, so that the caller can let others in between.

pub mod answers;
pub mod removal;
#[cfg(test)]
mod tests;
mod topics;

use remoting::body::{
    BrokerData, DataVersion, QueueData, TopicConfig, TopicConfigAndMappingSerializeWrapper,
    TopicQueueMappingInfo,
};
use remoting::connection::Peer;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use topics::TopicTable;

pub use topics::PARTS;

/// Topics that a registration puts into the table at once.
pub const REGISTERED_TOPICS_MAX: usize = 1000;

/// A broker that says nothing about it is gone after this much silence. Java: `DEFAULT_BROKER_CHANNEL_EXPIRED_TIME`.
const BROKER_SILENCE_MAX_MS: i64 = 120_000;
const MASTER_ID: i64 = 0;
/// Java: `PermName.PERM_READ`, `PERM_WRITE`.
const PERM_READ: i32 = 4;
const PERM_WRITE: i32 = 2;

/// The tables: topics, brokers, clusters, who is alive. Java: `RouteInfoManager`.
#[derive(Default)]
pub struct Routes {
    topics: TopicTable,
    brokers: BTreeMap<String, BrokerData>,
    /// Cluster to the names of its brokers.
    clusters: BTreeMap<String, BTreeSet<String>>,
    live: HashMap<BrokerAddr, Live>,
    filter_servers: HashMap<BrokerAddr, Vec<String>>,
    /// Static topic to each broker's share of it.
    static_topics: HashMap<String, BTreeMap<String, TopicQueueMappingInfo>>,
    /// How often queues were taken away from topics: what a registration put into the table is all there still if this
    /// has not moved since.
    removals: u64,
}

/// One broker: its cluster and its `host:port`. Java: `BrokerAddrInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct BrokerAddr {
    pub cluster: String,
    pub addr: String,
}

impl BrokerAddr {
    /// From its parts.
    pub fn new(cluster: &str, addr: &str) -> BrokerAddr {
        BrokerAddr { cluster: cluster.to_owned(), addr: addr.to_owned() }
    }
}

/// A broker that registered. Java: `BrokerLiveInfo`.
struct Live {
    last_update_ms: i64,
    silence_max_ms: i64,
    data_version: DataVersion,
    /// Of the last registration. Not its version alone: a part of the topics has the version of all of them.
    body_crc32: i32,
    connection: Arc<Peer>,
    ha_server_addr: Option<String>,
    /// [`Routes::removals`] when all topics of that registration were in the table.
    complete_at: Option<u64>,
}

/// Configuration that decides how routes are kept: those of [`NamesrvConfig`](crate::config::NamesrvConfig).
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "said there")]
pub struct Rules {
    pub delete_topic_with_broker_registration: bool,
    pub notify_min_broker_id_changed: bool,
    pub support_acting_master: bool,
}

/// What a broker says of itself when it registers: fields of the request, by their names there, and its connection.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct Registration<'a> {
    pub cluster: &'a str,
    pub addr: &'a str,
    pub name: &'a str,
    pub id: i64,
    pub ha_server_addr: Option<&'a str>,
    pub zone_name: Option<&'a str>,
    pub heartbeat_timeout_millis: Option<i64>,
    /// None from brokers before 5.0.
    pub enable_acting_master: Option<bool>,
    /// Of all that it says of its topics.
    pub body_crc32: i32,
    pub connection: &'a Arc<Peer>,
}

/// The topics that a broker registers.
pub enum Topics {
    /// As last time: [`Routes::holds`] said so.
    Unchanged(DataVersion),
    /// As its table says.
    Table(Box<TopicConfigAndMappingSerializeWrapper>),
}

/// A registration between its first part and its last.
#[derive(Debug)]
pub struct Begun {
    name: Arc<str>,
    is_lower: bool,
    puts_topics: bool,
    /// Topics that it does not name are taken from the broker.
    removes: bool,
    /// Queues that the table has already are put anew.
    is_changed: bool,
    read_only: bool,
    /// [`Routes::removals`] at the begin: if it has not moved by the next registration, all topics are there.
    complete_at: Option<u64>,
}

impl Begun {
    /// Topics must be taken out first.
    pub fn removes(&self) -> bool {
        self.removes
    }
}

impl Topics {
    /// Of those to be put into the table.
    pub fn configs(&self) -> impl Iterator<Item = &TopicConfig> {
        let table = match self {
            Topics::Unchanged(_) => None,
            Topics::Table(table) => Some(table),
        };
        table.into_iter().flat_map(|table| table.topic_config_table.values()).map(|topic| &**topic)
    }

    fn data_version(&self) -> DataVersion {
        match self {
            Topics::Unchanged(version) => *version,
            Topics::Table(table) => table.data_version,
        }
    }
}

/// What a slave learns of its master, and whom to tell about the new broker.
#[derive(Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct Registered {
    pub master_addr: Option<String>,
    pub ha_server_addr: Option<String>,
    pub notice: Option<MinBrokerIdChange>,
}

/// A single topic of a broker that is not known yet: it must register all first.
#[derive(Debug, PartialEq, Eq)]
pub struct NotRegistered;

/// Brokers of one name have another lowest id now: tell `recipients`. The rest are fields of that request. Java:
/// `notifyMinBrokerIdChanged`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct MinBrokerIdChange {
    pub recipients: Vec<String>,
    pub min_broker_id: i64,
    pub min_broker_addr: String,
    pub offline_broker_addr: Option<String>,
    pub ha_broker_addr: Option<String>,
}

impl Routes {
    /// Whether this registration with this data version repeats the last one and would change no topic.
    pub fn holds(&self, registration: &Registration, version: DataVersion, rules: Rules) -> bool {
        let known =
            self.brokers.get(registration.name).and_then(|broker| broker.broker_addrs.get(&registration.id));
        let live = self.live.get(&BrokerAddr::new(registration.cluster, registration.addr));
        known.is_some_and(|addr| addr == registration.addr)
            && live.is_some_and(|live| {
                live.data_version == version
                    && live.body_crc32 == registration.body_crc32
                    && live.complete_at == Some(self.removals)
            })
            && !rules.delete_topic_with_broker_registration
    }

    /// Takes in a broker, or news of a known one, at once. `filter_servers` of None leaves them as they are.
    /// [`NotRegistered`] for a single topic of a broker that is not known.
    pub fn register(
        &mut self,
        registration: &Registration,
        topics: Topics,
        filter_servers: Option<Vec<String>>,
        rules: Rules,
        now_ms: i64,
    ) -> Result<Registered, NotRegistered> {
        let Some(begun) = self.begin_registration(registration, &topics, rules)? else {
            return Ok(Registered::default());
        };
        for part in 0..PARTS {
            self.remove_topics_beyond(&begun, &topics, part);
        }
        self.register_topics(&begun, topics.configs());
        Ok(self.finish_registration(registration, begun, topics, filter_servers, rules, now_ms))
    }

    /// The first part of a registration: the broker is there, and not yet its topics. None if it is ignored.
    pub fn begin_registration(
        &mut self,
        registration: &Registration,
        topics: &Topics,
        rules: Rules,
    ) -> Result<Option<Begun>, NotRegistered> {
        let Registration { cluster, addr, name, id, .. } = *registration;
        let is_known = self.brokers.get(name).is_some_and(|broker| broker.broker_addrs.contains_key(&id));
        if !is_known && matches!(topics, Topics::Table(table) if table.topic_config_table.len() == 1) {
            // Before anything is noted, which nobody would ever remove; Java keeps the name.
            tracing::warn!("a single topic of broker {name} {id} {addr}, which has not registered");
            return Err(NotRegistered);
        }
        self.clusters.entry(cluster.to_owned()).or_default().insert(name.to_owned());
        let mut is_new = !self.brokers.contains_key(name);
        let broker = self.brokers.entry(name.to_owned()).or_insert_with(|| BrokerData {
            broker_name: name.to_owned(),
            cluster: cluster.to_owned(),
            ..BrokerData::default()
        });
        broker.enable_acting_master = registration.enable_acting_master == Some(true);
        broker.zone_name = registration.zone_name.map(str::to_owned);
        let is_lower = id < broker.broker_addrs.first_key_value().map_or(0, |(lowest, _)| *lowest);
        // A slave that became master comes back under another id: an address has one id only.
        broker.broker_addrs.retain(|known_id, known| known != addr || *known_id == id);

        let data_version = topics.data_version();
        if self.has_newer(registration, data_version.state_version) {
            self.forget_unless_held(&BrokerAddr::new(cluster, addr));
            return Ok(None);
        }
        let broker = self.brokers.get_mut(name).expect("inserted above");
        let before = broker.broker_addrs.insert(id, addr.to_owned());
        is_new |= before.is_none_or(|addr| addr.is_empty());

        // The topics of a master, or of the slave with the lowest id, go into the table.
        let is_lowest = broker.broker_addrs.first_key_value().is_some_and(|(lowest, _)| *lowest == id);
        let is_prime_slave = registration.enable_acting_master.is_some() && id != MASTER_ID && is_lowest;
        let read_only = is_prime_slave && broker.enable_acting_master;
        let has_topics = id == MASTER_ID || is_prime_slave;
        let is_table = matches!(topics, Topics::Table(_));
        let is_whole = match topics {
            Topics::Table(table) => table.topic_queue_mapping_info_map.is_empty(),
            Topics::Unchanged(_) => false,
        };
        let removes = has_topics && is_whole && rules.delete_topic_with_broker_registration;
        if removes {
            self.removals += 1;
        }
        Ok(Some(Begun {
            name: name.into(),
            is_lower,
            puts_topics: has_topics && is_table,
            removes,
            is_changed: is_new || self.is_changed(registration, data_version),
            read_only,
            complete_at: has_topics.then_some(self.removals),
        }))
    }

    /// Puts some of a registration's topics into the table.
    pub fn register_topics<'a>(&mut self, begun: &Begun, topics: impl Iterator<Item = &'a TopicConfig>) {
        if begun.puts_topics {
            topics.for_each(|topic| self.register_queues(begun, topic));
        }
    }

    /// The last part of a registration, once all its topics are in the table.
    pub fn finish_registration(
        &mut self,
        registration: &Registration,
        begun: Begun,
        topics: Topics,
        filter_servers: Option<Vec<String>>,
        rules: Rules,
        now_ms: i64,
    ) -> Registered {
        let data_version = topics.data_version();
        if let Topics::Table(table) = topics
            && begun.puts_topics
            && begun.is_changed
        {
            for (topic, mapping) in table.topic_queue_mapping_info_map {
                let bname = mapping.bname.clone().unwrap_or_default();
                self.static_topics.entry(topic).or_default().insert(bname, mapping);
            }
        }
        self.set_live(registration, data_version, begun.complete_at, now_ms);
        self.set_filter_servers(registration, filter_servers);
        let (master_addr, ha_server_addr) = self.master_of(registration).unzip();
        let notice = (begun.is_lower && rules.notify_min_broker_id_changed)
            .then(|| self.min_broker_id_change(registration.name, None, registration.ha_server_addr))
            .flatten();
        Registered { master_addr, ha_server_addr: ha_server_addr.flatten(), notice }
    }

    /// Another address holds this id, with a newer state: of two masters the one of the later term wins.
    fn has_newer(&self, registration: &Registration, state_version: i64) -> bool {
        let Registration { cluster, addr, name, id, .. } = *registration;
        let holder = self.brokers.get(name).and_then(|broker| broker.broker_addrs.get(&id));
        let Some(holder) = holder.filter(|holder| *holder != addr) else { return false };
        let live = self.live.get(&BrokerAddr::new(cluster, holder));
        let newer = live.is_some_and(|live| live.data_version.state_version > state_version);
        if newer {
            tracing::warn!(
                "broker {name} {id} {addr} is ignored: {holder} has a newer state than {state_version}"
            );
        }
        newer
    }

    fn is_changed(&self, registration: &Registration, version: DataVersion) -> bool {
        self.data_version(registration.cluster, registration.addr) != Some(version)
    }

    fn register_queues(&mut self, begun: &Begun, topic: &TopicConfig) {
        let queues = QueueData {
            broker_name: begun.name.clone(),
            perm: if begun.read_only { topic.perm & !PERM_WRITE } else { topic.perm },
            read_queue_nums: topic.read_queue_nums,
            topic_sys_flag: topic.topic_sys_flag,
            write_queue_nums: topic.write_queue_nums,
        };
        let Some(brokers) = self.topics.get_mut(&topic.topic_name) else {
            tracing::info!("new topic {} on {}", topic.topic_name, begun.name);
            self.topics.insert(&topic.topic_name, vec![queues]);
            return;
        };
        match brokers.binary_search_by(|known| known.broker_name.cmp(&begun.name)) {
            Ok(at) if begun.is_changed => brokers[at] = queues,
            Ok(_) => {}
            Err(at) => brokers.insert(at, queues),
        }
    }

    fn set_live(
        &mut self,
        registration: &Registration,
        data_version: DataVersion,
        complete_at: Option<u64>,
        now_ms: i64,
    ) {
        let Registration { cluster, addr, name, id, .. } = *registration;
        let live = Live {
            last_update_ms: now_ms,
            silence_max_ms: registration.heartbeat_timeout_millis.unwrap_or(BROKER_SILENCE_MAX_MS),
            data_version,
            body_crc32: registration.body_crc32,
            connection: registration.connection.clone(),
            ha_server_addr: registration.ha_server_addr.map(str::to_owned),
            complete_at,
        };
        if self.live.insert(BrokerAddr::new(cluster, addr), live).is_none() {
            tracing::info!("new broker {name} {id} {addr} of cluster {cluster}");
        }
    }

    fn set_filter_servers(&mut self, registration: &Registration, filter_servers: Option<Vec<String>>) {
        let key = BrokerAddr::new(registration.cluster, registration.addr);
        match filter_servers {
            None => {}
            Some(none) if none.is_empty() => drop(self.filter_servers.remove(&key)),
            Some(servers) => drop(self.filter_servers.insert(key, servers)),
        }
    }

    /// Address and HA address of a slave's master.
    fn master_of(&self, registration: &Registration) -> Option<(String, Option<String>)> {
        if registration.id == MASTER_ID {
            return None;
        }
        let master = self.brokers.get(registration.name)?.broker_addrs.get(&MASTER_ID)?;
        let live = self.live.get(&BrokerAddr::new(registration.cluster, master))?;
        Some((master.clone(), live.ha_server_addr.clone()))
    }

    /// Whom to tell that the lowest id changed: those left when a broker went, else those before the new one.
    fn min_broker_id_change(
        &self,
        name: &str,
        offline_addr: Option<&str>,
        ha_addr: Option<&str>,
    ) -> Option<MinBrokerIdChange> {
        let addrs = &self.brokers.get(name)?.broker_addrs;
        let (min_id, min_addr) = addrs.first_key_value()?;
        let all = offline_addr.is_some() || addrs.len() == 1;
        Some(MinBrokerIdChange {
            recipients: addrs
                .iter()
                .filter(|(id, _)| all || *id != min_id)
                .map(|(_, addr)| addr.clone())
                .collect(),
            min_broker_id: *min_id,
            min_broker_addr: min_addr.clone(),
            offline_broker_addr: offline_addr.map(str::to_owned),
            ha_broker_addr: ha_addr.map(str::to_owned),
        })
    }

    /// Queues of one topic, from a broker that has registered. Java: `registerTopic`.
    pub fn register_topic(&mut self, topic: &str, queues: Vec<QueueData>) {
        // Those before an unknown broker are kept if the topic was known, as Java does.
        let unknown = queues.iter().position(|queues| !self.brokers.contains_key(&*queues.broker_name));
        if let Some(at) = unknown {
            tracing::warn!("topic {topic} of an unknown broker {}", queues[at].broker_name);
        }
        if queues.is_empty() || (unknown.is_some() && self.topics.get(topic).is_none()) {
            return;
        }
        let brokers = self.topics.entry(topic);
        for queues in queues.into_iter().take(unknown.unwrap_or(usize::MAX)) {
            match brokers.binary_search_by(|known| known.broker_name.cmp(&queues.broker_name)) {
                Ok(at) => brokers[at] = queues,
                Err(at) => brokers.insert(at, queues),
            }
        }
    }

    /// A sign of life. Java: `updateBrokerInfoUpdateTimestamp`.
    pub fn heartbeat(&mut self, cluster: &str, addr: &str, now_ms: i64) {
        if let Some(live) = self.live.get_mut(&BrokerAddr::new(cluster, addr)) {
            live.last_update_ms = now_ms;
        }
    }

    /// Takes or gives the write permission of the broker's topics in one of the [`PARTS`]; returns their number. Java:
    /// `wipeWritePermOfBrokerByLock`, `addWritePermOfBrokerByLock`.
    pub fn set_write_perm(&mut self, broker_name: &str, writes: bool, part: usize) -> i32 {
        let mut count = 0;
        let of_broker = |queues: &&mut QueueData| &*queues.broker_name == broker_name;
        for queues in self.topics.part_mut(part).values_mut().flatten().filter(of_broker) {
            queues.perm = if writes { PERM_READ | PERM_WRITE } else { queues.perm & !PERM_WRITE };
            count += 1;
        }
        count
    }
}
