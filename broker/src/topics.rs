//! The topics of this broker and `config/topics.json`. Java: `TopicConfigManager`.

mod system;
#[cfg(test)]
mod tests;
mod text;

use crate::attributes::{self, AttributeError};
use crate::config::BrokerSettings;
use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use crate::topic_validator::{self, TBW102};
use parking_lot::{Mutex, RwLock};
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use remoting::body::{DataVersion, KVTable, TopicConfig, TopicConfigSerializeWrapper};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use store::topic_name::is_lmq;
use text::Text;
use tokio::sync::watch;

/// Bits of [`TopicConfig::topic_sys_flag`]. Java: `TopicSysFlag`.
pub mod topic_sys_flag {
    /// Of a topic of one unit of a deployment.
    pub const UNIT: i32 = 1;
    /// Of a topic that other units subscribe to.
    pub const UNIT_SUB: i32 = 2;
}

/// Bits of [`TopicConfig::perm`]. Java: `PermName`.
pub mod perm {
    /// Nobody uses it; permissions are smaller numbers.
    pub const PRIORITY: i32 = 8;
    /// Consumers may pull.
    pub const READ: i32 = 4;
    /// Producers may send.
    pub const WRITE: i32 = 2;
    /// Topics may be created after this one's example.
    pub const INHERIT: i32 = 1;

    /// Which bit [`READ`] is, as groups' forbidden tables say it. Java: `INDEX_PERM_READ`.
    pub const INDEX_READ: u32 = 2;

    /// Whether [`READ`] is in it.
    pub const fn is_readable(perm: i32) -> bool {
        perm & READ != 0
    }

    /// Whether [`WRITE`] is in it.
    pub const fn is_writeable(perm: i32) -> bool {
        perm & WRITE != 0
    }

    /// Whether [`INHERIT`] is in it.
    pub const fn is_inherited(perm: i32) -> bool {
        perm & INHERIT != 0
    }

    /// Whether it is a number that an admin may set.
    pub const fn is_valid(perm: i32) -> bool {
        perm >= 0 && perm < PRIORITY
    }
}

/// Queues of a topic, at most; Java has no limit. Clients go over all of them, and answers that do must fit into a frame.
pub const QUEUES_MAX: i32 = 16_384;

/// Ids of so many queues as a topic says that it has. A table that a Java broker wrote may hold any number.
pub fn queue_ids(queue_nums: i32) -> Range<i32> {
    0..queue_nums.min(QUEUES_MAX)
}

/// The topics, kept in `topics.json`. Java: `TopicConfigManager`.
pub struct Topics {
    settings: Live<BrokerSettings>,
    /// Every LMQ is a topic of one queue, without being in the table.
    enable_lmq: bool,
    clock: Clock,
    table: RwLock<Table>,
    /// Topics that this broker made for itself.
    system_topics: HashSet<String>,
    file: TableFile,
    /// What the file is to hold, but for [`Table::unencoded`].
    text: Mutex<Text>,
    /// Topics with changes that may not be on disk yet, with the last change of each.
    unsaved: Mutex<Unsaved>,
    /// Counts changes that name servers must be told.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Table {
    topics: HashMap<String, Arc<TopicConfig>>,
    data_version: DataVersion,
    /// Made or changed since the last [`Topics::take_unregistered`]. At most every topic.
    unregistered: BTreeSet<String>,
    /// Made, changed or deleted since the last [`Topics::encode`].
    unencoded: HashSet<String>,
}

impl Table {
    fn put(&mut self, topic: TopicConfig) -> Arc<TopicConfig> {
        let topic = Arc::new(topic);
        self.unencoded.insert(topic.topic_name.clone());
        self.topics.insert(topic.topic_name.clone(), topic.clone());
        topic
    }
}

impl Topics {
    /// Reads `path` on top of the broker's own topics, so that settings an operator gave those are kept. An error if
    /// neither it nor its backup can be read.
    pub fn load(path: &Path, settings: Live<BrokerSettings>, clock: Clock) -> Result<Topics, LoadError> {
        let (file, stored) = TableFile::open::<TopicConfigSerializeWrapper>(path)?;
        let mut table = Table::default();
        table.data_version.timestamp = clock.wall_ms();
        for topic in system::topics(&settings.load()) {
            table.put(topic);
        }
        let system_topics = table.topics.keys().cloned().collect();
        if let Some(stored) = stored {
            table.unencoded.extend(stored.topic_config_table.keys().cloned());
            table.topics.extend(stored.topic_config_table);
            table.data_version = stored.data_version;
        }
        Ok(Topics {
            enable_lmq: settings.load().store.enable_lmq,
            settings,
            clock,
            table: RwLock::new(table),
            system_topics,
            file,
            text: Mutex::default(),
            unsaved: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// Java: `selectTopicConfig`.
    pub fn find(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        if self.is_lmq(topic) {
            return Some(Arc::new(lmq_topic(topic)));
        }
        self.table.read().topics.get(topic).cloned()
    }

    /// Java: `LmqTopicConfigManager`.
    fn is_lmq(&self, topic: &str) -> bool {
        self.enable_lmq && is_lmq(topic)
    }

    /// Whether the topic exists.
    pub fn contains(&self, topic: &str) -> bool {
        self.is_lmq(topic) || self.table.read().topics.contains_key(topic)
    }

    /// Java: `QueueTypeUtils.isBatchCq`.
    pub fn has_batch_queues(&self, topic: &str) -> bool {
        self.table.read().topics.get(topic).is_some_and(|topic| has_batch_queues(topic))
    }

    /// Whether the topic's messages are consumed in order; false for one that does not exist.
    pub fn is_order_topic(&self, topic: &str) -> bool {
        self.table.read().topics.get(topic).is_some_and(|topic| topic.order)
    }

    /// Java: `TopicValidator.getSystemTopicSet`.
    pub fn system_topics(&self) -> BTreeSet<&str> {
        let own = self.system_topics.iter().map(String::as_str);
        own.chain(topic_validator::SYSTEM_TOPICS.iter().copied()).collect()
    }

    /// Java: `TopicValidator.isSystemTopic`, whose set each broker adds its own names to.
    pub fn is_system_topic(&self, topic: &str) -> bool {
        topic_validator::is_system_topic(topic) || self.system_topics.contains(topic)
    }

    /// Topics in the table.
    pub fn len(&self) -> usize {
        self.table.read().topics.len()
    }

    /// Whether the table has no topic.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every topic, in no order.
    pub fn all(&self) -> Vec<Arc<TopicConfig>> {
        self.table.read().topics.values().cloned().collect()
    }

    /// The topic, made after the example of `default_topic` if it is new and the example allows it.
    /// Java: `createTopicInSendMessageMethod`.
    pub fn create_in_send_message(
        &self,
        topic: &str,
        default_topic: &str,
        remote_addr: &dyn std::fmt::Display,
        queue_nums: i32,
        sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        let created = {
            let mut table = self.table.write();
            if let Some(topic) = table.topics.get(topic) {
                return Some(topic.clone());
            }
            let Some(example) = table.topics.get(default_topic) else {
                tracing::warn!(
                    "no topic {topic} for {remote_addr}: there is no default topic {default_topic}"
                );
                return None;
            };
            // Another broker's file, or an earlier start's, may hold a TBW102 that this broker does not allow.
            let is_forbidden =
                default_topic == TBW102 && !self.settings.load().broker.auto_create_topic_enable;
            if is_forbidden || !perm::is_inherited(example.perm) {
                tracing::warn!(
                    "no topic {topic} for {remote_addr}: default topic {default_topic} does not allow it"
                );
                return None;
            }
            let queue_nums = queue_nums.min(example.write_queue_nums).max(0);
            let new = TopicConfig {
                topic_name: topic.to_owned(),
                read_queue_nums: queue_nums,
                write_queue_nums: queue_nums,
                perm: example.perm & !perm::INHERIT,
                topic_sys_flag: sys_flag,
                topic_filter_type: example.topic_filter_type,
                ..TopicConfig::default()
            };
            tracing::info!("topic {topic} made after {default_topic} for {remote_addr}: {new:?}");
            self.put_changed(&mut table, new)
        };
        self.persist_and_announce();
        Some(created)
    }

    /// The topic, made with these settings if it is new; an existing one changes in `is_order` alone.
    /// Java: `createTopicInSendMessageBackMethod`, `createTopicOfTranCheckMaxTime`.
    pub fn create_in_send_message_back(
        &self,
        topic: &str,
        queue_nums: i32,
        perm: i32,
        is_order: bool,
        sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        if let Some(existing) = self.find(topic).filter(|topic| topic.order == is_order) {
            return Some(existing);
        }
        let new = TopicConfig {
            topic_name: topic.to_owned(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            perm,
            topic_sys_flag: sys_flag,
            ..TopicConfig::default()
        };
        let changed = {
            let mut table = self.table.write();
            let base = table.topics.get(topic).map_or(new, |existing| TopicConfig::clone(existing));
            self.put_changed(&mut table, TopicConfig { order: is_order, ..base })
        };
        tracing::info!("topic made or reordered: {changed:?}");
        self.persist_and_announce();
        Some(changed)
    }

    /// Makes or replaces a topic; its attributes are a request in the form of [`attributes::alter`]. One that is as it
    /// should be stays untouched. Java: `updateTopicConfig`, `AdminBrokerProcessor.updateAndCreateTopic`. An error
    /// for attributes that `alter` refuses.
    pub fn update(&self, topic: TopicConfig) -> Result<(), AttributeError> {
        self.update_list(vec![topic]).map_err(|(_, error)| error)
    }

    /// As [`update`](Self::update) for several, with one write: all, or none if one is refused, which the error names. Java:
    /// `updateTopicConfigList`, which keeps those before the refused one.
    pub fn update_list(&self, topics: Vec<TopicConfig>) -> Result<(), (String, AttributeError)> {
        {
            let mut table = self.table.write();
            let altered = |topic: TopicConfig| {
                let name = topic.topic_name.clone();
                self.altered(&table, topic).map_err(|error| (name, error))
            };
            let altered = topics.into_iter().filter_map(|topic| altered(topic).transpose());
            let altered = altered.collect::<Result<Vec<_>, _>>()?;
            if altered.is_empty() {
                return Ok(());
            }
            altered.into_iter().for_each(|topic| drop(self.put_changed(&mut table, topic)));
        }
        self.persist_and_announce();
        Ok(())
    }

    /// The topic with the attributes that it asks for; `None` for one that is as it is, not in the table.
    fn altered(&self, table: &Table, mut topic: TopicConfig) -> Result<Option<TopicConfig>, AttributeError> {
        if self.is_lmq(&topic.topic_name) {
            return Ok(None);
        }
        let current = table.topics.get(&topic.topic_name);
        if current.is_some_and(|current| **current == topic) {
            return Ok(None);
        }
        let current = current.map(|current| &current.attributes);
        topic.attributes = attributes::alter(attributes::OF_TOPICS, current, &topic.attributes)?;
        tracing::info!("topic updated: {topic:?}");
        Ok(Some(topic))
    }

    /// False if there was no such topic. Name servers learn it with the next full registration, as in Java.
    pub fn delete(&self, topic: &str) -> bool {
        let is_deleted = {
            let mut table = self.table.write();
            let is_deleted = table.topics.remove(topic).is_some();
            if is_deleted {
                table.unencoded.insert(topic.to_owned());
                self.next_version(&mut table);
            }
            is_deleted
        };
        tracing::info!("topic {topic} deleted: {is_deleted}");
        self.persist_soon();
        is_deleted
    }

    /// Marks the topics that the name server lists as ordered. Java: `updateOrderTopicConfig`.
    pub fn update_order_topics(&self, listed: &KVTable) {
        let mut is_changed = false;
        {
            let mut table = self.table.write();
            let Table { topics, unencoded, .. } = &mut *table;
            for name in listed.table.keys() {
                if let Some(topic) = topics.get_mut(name).filter(|topic| !topic.order) {
                    Arc::make_mut(topic).order = true;
                    unencoded.insert(name.clone());
                    is_changed = true;
                }
            }
            if is_changed {
                self.next_version(&mut table);
            }
        }
        self.persist_soon();
    }

    /// Which version of the table this is: it grows with each change.
    pub fn data_version(&self) -> DataVersion {
        self.table.read().data_version
    }

    /// The whole table, for GET_ALL_TOPIC_CONFIG and registration. Java: `buildTopicConfigSerializeWrapper`.
    pub fn to_wrapper(&self) -> TopicConfigSerializeWrapper {
        // Names are copied and sorted without the lock: sends must not wait for 60,000 of them.
        let (data_version, topics) = {
            let table = self.table.read();
            (table.data_version, table.topics.values().cloned().collect::<Vec<_>>())
        };
        let topic_config_table = topics.into_iter().map(|topic| (topic.topic_name.clone(), topic)).collect();
        TopicConfigSerializeWrapper { data_version, topic_config_table }
    }

    /// As [`to_wrapper`](Self::to_wrapper), at most `max` topics in order of name from the `seq`th on, and how many there are in all.
    /// From the first on where `data_version` is not the table's. Java: `subTopicConfigTable`.
    pub fn page(
        &self,
        data_version: Option<DataVersion>,
        seq: usize,
        max: usize,
    ) -> (TopicConfigSerializeWrapper, usize) {
        let mut wrapper = self.to_wrapper();
        let total = wrapper.topic_config_table.len();
        let seq = if data_version == Some(wrapper.data_version) { seq } else { 0 };
        wrapper.topic_config_table = wrapper.topic_config_table.into_iter().skip(seq).take(max).collect();
        (wrapper, total)
    }

    /// Counts the changes that name servers must be told; see [`take_unregistered`](Self::take_unregistered).
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The topics that changed since the last call, and the version of the table that holds them. A name server that
    /// knows a version takes no more topics of it, so both are taken at one moment.
    pub fn take_unregistered(&self) -> TopicConfigSerializeWrapper {
        let mut table = self.table.write();
        let names = std::mem::take(&mut table.unregistered);
        let topics = names.into_iter().filter_map(|name| {
            let topic = table.topics.get(&name)?.clone();
            Some((name, topic))
        });
        TopicConfigSerializeWrapper { data_version: table.data_version, topic_config_table: topics.collect() }
    }

    fn put_changed(&self, table: &mut Table, topic: TopicConfig) -> Arc<TopicConfig> {
        table.unregistered.insert(topic.topic_name.clone());
        let topic = table.put(topic);
        let change = self.next_version(table);
        let mut unsaved = self.unsaved.lock();
        unsaved.insert(topic.topic_name.clone(), change, |change| self.file.is_written(change));
        topic
    }

    /// Whether the topic's settings are on disk: until they are, who relies on them is not answered. Costs two loads while
    /// no topic changes.
    pub fn is_saved(&self, topic: &str) -> bool {
        self.file.is_written(self.file.changes())
            || self.unsaved.lock().changes.get(topic).is_none_or(|change| self.file.is_written(*change))
    }

    fn next_version(&self, table: &mut Table) -> u64 {
        // The state version is the controller's master epoch, 0 without a controller.
        table.data_version.next(0, self.clock.wall_ms());
        self.file.note_change()
    }

    fn persist_and_announce(&self) {
        self.persist_soon();
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Topics whose last change may not be on disk, and which change that is.
#[derive(Default)]
struct Unsaved {
    changes: HashMap<String, u64>,
    /// When there are so many, those that are on disk by now are looked for: at each change it would be quadratic while one
    /// long write lets thousands wait.
    look_at: usize,
}

impl Unsaved {
    fn insert(&mut self, topic: String, change: u64, mut is_written: impl FnMut(u64) -> bool) {
        if self.changes.len() >= self.look_at {
            self.changes.retain(|_, change| !is_written(*change));
            self.look_at = 2 * self.changes.len() + 16;
        }
        self.changes.insert(topic, change);
    }
}

/// Whether its queues hold batches as they were sent. Java: `QueueTypeUtils.isBatchCq`.
pub fn has_batch_queues(topic: &TopicConfig) -> bool {
    topic.attributes.get(attributes::QUEUE_TYPE).is_some_and(|kind| kind == "BatchCQ")
}

fn lmq_topic(topic: &str) -> TopicConfig {
    TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: 1,
        write_queue_nums: 1,
        perm: perm::READ | perm::WRITE,
        ..TopicConfig::default()
    }
}

impl ConfigTable for Topics {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        let mut text = self.text.lock();
        let (data_version, changed) = {
            let mut table = self.table.write();
            let names = std::mem::take(&mut table.unencoded);
            let changed = names.into_iter().map(|name| (table.topics.get(&name).cloned(), name));
            (table.data_version, changed.collect::<Vec<_>>())
        };
        changed.into_iter().for_each(|(topic, name)| text.update(name, topic.as_deref()));
        text.whole(data_version)
    }
}
