//! How far each group has consumed each queue, and `config/consumerOffset.json`, with
//! `enableLmq` `config/lmqConsumerOffset.json`. Java: `ConsumerOffsetManager`.

#[cfg(test)]
mod tests;

use crate::broadcast_offsets::BROADCAST_SUFFIX;
use crate::config::BrokerSettings;
use crate::limit::{Full, Limit};
use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use crate::topic_validator::is_system_group;
use crate::topics::QUEUES_MAX;
use parking_lot::Mutex;
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use remoting::body::{ConsumerOffsetSerializeWrapper, DataVersion};
use remoting::json;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use store::topic_name::is_lmq;

/// Java: `TOPIC_GROUP_SEPARATOR`, in the file's keys `topic@group`.
const TOPIC_GROUP_SEPARATOR: char = '@';
/// So that writing a large table to its file stops few of those who pull meanwhile.
const SHARDS: usize = 16;
/// Where the one offset of a group that is an LMQ is kept. Java: `MixAll.LMQ_QUEUE_ID`.
const LMQ_QUEUE_ID: i32 = 0;

/// What all offsets take, at most; beyond it groups get none in further topics and queues. 100,000 queues that ten groups
/// consume each have room, and half a million pairs of a topic and a group.
const OFFSETS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A topic and a group, and a queue of theirs, are counted as so much.
const KEY_BYTES: usize = 256;
const QUEUE_BYTES: usize = size_of::<(i32, i64)>();

/// Asked at every pull: a look-up allocates nothing.
pub struct ConsumerOffsets {
    settings: Live<BrokerSettings>,
    /// A group that is an LMQ has one offset a topic, whatever queue is asked of. Java: `LmqConsumerOffsetManager`.
    enable_lmq: bool,
    clock: Clock,
    file: TableFile,
    data_version: Mutex<DataVersion>,
    commits: AtomicU64,
    hasher: RandomState,
    bytes: Limit,
    /// By the group's hash.
    shards: [Mutex<Shard>; SHARDS],
}

/// Group to topic.
type Shard = HashMap<String, HashMap<String, TopicOffsets>>;

#[derive(Clone, Default)]
struct TopicOffsets {
    /// The next message to consume.
    committed: QueueOffsets,
    /// The next message to pull, as of the last pull.
    pulled: QueueOffsets,
    /// What the next query is answered, once.
    reset: QueueOffsets,
}

/// Offsets by queue id, ascending. Ids come from clients; those of no queue that can be are not kept.
#[derive(Clone, Default)]
struct QueueOffsets(Vec<(i32, i64)>);

impl QueueOffsets {
    fn get(&self, queue_id: i32) -> Option<i64> {
        self.position(queue_id).ok().map(|at| self.0[at].1)
    }

    /// Returns the offset that was there; an error where there is no room for another queue.
    fn put(&mut self, room: Room<'_>, queue_id: i32, offset: i64) -> Result<Option<i64>, Full> {
        match self.position(queue_id) {
            Ok(at) => return Ok(Some(std::mem::replace(&mut self.0[at].1, offset))),
            Err(at) if (0..QUEUES_MAX).contains(&queue_id) => {
                room.take(QUEUE_BYTES)?;
                self.0.insert(at, (queue_id, offset));
            }
            Err(_) => {}
        }
        Ok(None)
    }

    fn bytes(&self) -> usize {
        self.0.len() * QUEUE_BYTES
    }

    fn position(&self, queue_id: i32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&queue_id, |queue| queue.0)
    }

    fn to_map(&self) -> BTreeMap<i32, i64> {
        self.0.iter().copied().collect()
    }
}

/// Where a group's offsets are counted.
#[derive(Clone, Copy)]
struct Room<'a> {
    bytes: &'a Limit,
    /// The broker's own groups have their offsets in any case.
    is_sure: bool,
}

impl Room<'_> {
    fn take(self, bytes: usize) -> Result<(), Full> {
        match self.is_sure {
            true => {
                self.bytes.take_anyhow(bytes);
                Ok(())
            }
            false => self.bytes.take(bytes),
        }
    }
}

impl ConsumerOffsets {
    /// Reads the file at `path`; if it is missing, no group has an offset. An error if neither it nor its backup can be
    /// read.
    pub fn load(
        path: &Path,
        settings: Live<BrokerSettings>,
        clock: Clock,
    ) -> Result<ConsumerOffsets, LoadError> {
        let (file, stored) = TableFile::open::<ConsumerOffsetSerializeWrapper>(path)?;
        let stored = stored.unwrap_or_default();
        let new_version = DataVersion { timestamp: clock.wall_ms(), ..DataVersion::default() };
        let offsets = ConsumerOffsets {
            enable_lmq: settings.load().store.enable_lmq,
            settings,
            clock,
            file,
            data_version: Mutex::new(stored.data_version.unwrap_or(new_version)),
            commits: AtomicU64::new(0),
            hasher: RandomState::new(),
            bytes: Limit::new("bytes of offsets", OFFSETS_BYTES_MAX),
            shards: Default::default(),
        };
        let lmqs = stored.lmq_offset_table.unwrap_or_default().into_iter();
        let lmqs = lmqs.map(|(key, offset)| (key, BTreeMap::from([(LMQ_QUEUE_ID, offset)])));
        // Java reads no pull offsets back either.
        for (key, queues) in stored.offset_table.into_iter().chain(lmqs) {
            match key.split_once(TOPIC_GROUP_SEPARATOR) {
                Some((topic, group)) => {
                    // What is there is kept.
                    offsets.bytes.take_anyhow(KEY_BYTES + queues.len() * QUEUE_BYTES);
                    let committed = QueueOffsets(queues.into_iter().collect());
                    let mut shard = offsets.shard(group).lock();
                    let topics = shard.entry(group.to_owned()).or_default();
                    topics.insert(topic.to_owned(), TopicOffsets { committed, ..TopicOffsets::default() });
                }
                None => tracing::warn!("{}: {key} names no topic and group", path.display()),
            }
        }
        Ok(offsets)
    }

    /// Java: `commitOffset`. `client` is for the log. An error where there is no room for a further queue.
    pub fn commit(
        &self,
        client: &dyn Display,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<(), Full> {
        let queue_id = self.kept_queue_id(group, queue_id);
        let before =
            self.with_topic(group, topic, |topic, room| topic.committed.put(room, queue_id, offset))?;
        if let Some(before) = before.filter(|before| offset < *before) {
            tracing::warn!(
                "{client} moves {group} in {topic} queue {queue_id} back from {before} to {offset}"
            );
        }
        let commits = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        let step = self.settings.load().broker.consumer_offset_update_version_step.max(1);
        if commits.is_multiple_of(step) {
            self.data_version.lock().next(0, self.clock.wall_ms());
        }
        self.file.note_change();
        Ok(())
    }

    /// Java: `commitPullOffset`. Not kept where there is no room for a further queue.
    pub fn commit_pull(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let put = |topic: &mut TopicOffsets, room: Room<'_>| topic.pulled.put(room, queue_id, offset);
        if self.with_topic(group, topic, put).is_ok() {
            self.file.note_change();
        }
    }

    /// The next offset to consume, -1 if the group has none in this queue. Java: `queryOffset`.
    pub fn query(&self, group: &str, topic: &str, queue_id: i32) -> i64 {
        let queue_id = self.kept_queue_id(group, queue_id);
        self.look(group, topic, |topic| self.query_in(topic, queue_id)).flatten().unwrap_or(-1)
    }

    fn kept_queue_id(&self, group: &str, queue_id: i32) -> i32 {
        if self.is_lmq(group) { LMQ_QUEUE_ID } else { queue_id }
    }

    fn is_lmq(&self, group: &str) -> bool {
        self.enable_lmq && is_lmq(group)
    }

    fn query_in(&self, topic: &TopicOffsets, queue_id: i32) -> Option<i64> {
        let is_told = |_: &i64| self.settings.load().broker.use_server_side_reset_offset;
        let reset = topic.reset.get(queue_id).filter(is_told);
        reset.or_else(|| topic.committed.get(queue_id))
    }

    /// The offset of the last pull or else as [`query`](Self::query). Java: `queryPullOffset`.
    pub fn query_pull(&self, group: &str, topic: &str, queue_id: i32) -> i64 {
        let pulled =
            |topic: &TopicOffsets| topic.pulled.get(queue_id).or_else(|| self.query_in(topic, queue_id));
        self.look(group, topic, pulled).flatten().unwrap_or(-1)
    }

    /// The committed offsets of a topic by queue id; empty if there are none.
    pub fn queues(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.look(group, topic, |topic| topic.committed.to_map()).unwrap_or_default()
    }

    /// Answers `offset` to the next query of the queue, and makes it the committed one. An error where there is no room for a
    /// further queue. Java: `assignResetOffset`.
    pub fn assign_reset(&self, group: &str, topic: &str, queue_id: i32, offset: i64) -> Result<(), Full> {
        if topic.is_empty() || group.is_empty() || queue_id < 0 || offset < 0 {
            tracing::warn!("no reset of {group} in {topic} queue {queue_id} to {offset}");
            return Ok(());
        }
        self.with_topic(group, topic, |topic, room| {
            topic.committed.put(room, queue_id, offset)?;
            topic.reset.put(room, queue_id, offset)
        })?;
        self.file.note_change();
        Ok(())
    }

    /// Java: `hasOffsetReset`.
    pub fn has_reset(&self, group: &str, topic: &str, queue_id: i32) -> bool {
        self.look(group, topic, |topic| topic.reset.get(queue_id).is_some()).unwrap_or(false)
    }

    /// Java: `queryThenEraseResetOffset`.
    pub fn query_then_erase_reset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let mut shard = self.shard(group).lock();
        let reset = &mut shard.get_mut(group)?.get_mut(topic)?.reset;
        let at = reset.position(queue_id).ok()?;
        self.bytes.free(QUEUE_BYTES);
        Some(reset.0.remove(at).1)
    }

    /// Java: `clearPullOffset`.
    pub fn clear_pull(&self, group: &str, topic: &str) {
        let mut shard = self.shard(group).lock();
        if let Some(offsets) = shard.get_mut(group).and_then(|topics| topics.get_mut(topic)) {
            self.bytes.free(std::mem::take(&mut offsets.pulled).bytes());
        }
    }

    /// An error where there is no room for them. Java: `cloneOffset`.
    pub fn clone_offsets(&self, from_group: &str, to_group: &str, topic: &str) -> Result<(), Full> {
        if let Some(committed) = self.look(from_group, topic, |topic| topic.committed.clone()) {
            self.with_topic(to_group, topic, |topic, room| {
                room.take(committed.bytes())?;
                room.bytes.free(std::mem::replace(&mut topic.committed, committed).bytes());
                Ok(())
            })?;
            self.file.note_change();
        }
        Ok(())
    }

    /// Forgets a group, and what its broadcasting clients left. Java: `removeOffset`.
    pub fn remove_group(&self, group: &str) {
        for name in [group, &[group, BROADCAST_SUFFIX].concat()] {
            let removed = self.shard(name).lock().remove(name);
            tracing::info!("offsets of group {name} removed: {}", removed.is_some());
            self.bytes.free(removed.iter().flat_map(HashMap::values).map(TopicOffsets::bytes).sum());
        }
        self.file.note_change();
    }

    /// Forgets a topic in all groups. Java: `cleanOffsetByTopic`.
    pub fn remove_topic(&self, topic: &str) {
        for shard in &self.shards {
            shard.lock().retain(|_, topics| {
                self.bytes.free(topics.remove(topic).map_or(0, |offsets| offsets.bytes()));
                !topics.is_empty()
            });
        }
        self.file.note_change();
    }

    /// Java: `whichTopicByConsumer`.
    pub fn topics_of_group(&self, group: &str) -> BTreeSet<String> {
        let shard = self.shard(group).lock();
        let topics = shard.get(group).filter(|_| is_listed(group)).into_iter().flatten();
        topics.filter(|(_, offsets)| offsets.is_committed()).map(|(topic, _)| topic.clone()).collect()
    }

    /// Java: `whichGroupByTopic`.
    pub fn groups_of_topic(&self, topic: &str) -> BTreeSet<String> {
        let mut groups = BTreeSet::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let with_topic =
                shard.iter().filter(|(_, topics)| topics.get(topic).is_some_and(TopicOffsets::is_committed));
            groups.extend(with_topic.map(|(group, _)| group.clone()).filter(|group| is_listed(group)));
        }
        groups
    }

    /// Which version of the offsets this is; see `consumerOffsetUpdateVersionStep`.
    pub fn data_version(&self) -> DataVersion {
        *self.data_version.lock()
    }

    /// The body of GET_ALL_CONSUMER_OFFSET.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_bytes(&self.to_wrapper())
    }

    fn to_wrapper(&self) -> ConsumerOffsetSerializeWrapper {
        let mut group_topics = BTreeMap::<String, BTreeSet<String>>::new();
        let (mut committed, mut pulled) = (BTreeMap::new(), BTreeMap::new());
        let mut lmqs = BTreeMap::new();
        for shard in &self.shards {
            // Cloned, so that nobody waits for the sorting and formatting.
            let shard = shard.lock().clone();
            for (group, topics) in shard {
                for (topic, offsets) in topics {
                    let key = format!("{topic}{TOPIC_GROUP_SEPARATOR}{group}");
                    if !offsets.pulled.0.is_empty() {
                        pulled.insert(key.clone(), offsets.pulled.to_map());
                    }
                    if self.is_lmq(&group) {
                        lmqs.extend(offsets.committed.get(LMQ_QUEUE_ID).map(|offset| (key, offset)));
                    } else if offsets.is_committed() {
                        committed.insert(key, offsets.committed.to_map());
                        if is_listed(&group) {
                            group_topics.entry(group.clone()).or_default().insert(topic);
                        }
                    }
                }
            }
        }
        ConsumerOffsetSerializeWrapper {
            data_version: Some(self.data_version()),
            group_topic_map: Some(group_topics),
            lmq_offset_table: self.enable_lmq.then_some(lmqs),
            offset_table: committed,
            pull_offset_table: Some(pulled),
        }
    }

    fn shard(&self, group: &str) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(group) as usize % SHARDS]
    }

    fn look<T>(&self, group: &str, topic: &str, look: impl FnOnce(&TopicOffsets) -> T) -> Option<T> {
        let shard = self.shard(group).lock();
        Some(look(shard.get(group)?.get(topic)?))
    }

    /// Changes what is known of a topic, which is new if need be. An error where there is no room for it.
    fn with_topic<T>(
        &self,
        group: &str,
        topic: &str,
        change: impl FnOnce(&mut TopicOffsets, Room<'_>) -> Result<T, Full>,
    ) -> Result<T, Full> {
        let room = Room { bytes: &self.bytes, is_sure: is_system_group(group) };
        let mut shard = self.shard(group).lock();
        // Not the entry API, which would copy both names each time.
        if let Some(offsets) = shard.get_mut(group).and_then(|topics| topics.get_mut(topic)) {
            return change(offsets, room);
        }
        room.take(KEY_BYTES)?;
        let topics = shard.entry(group.to_owned()).or_default();
        change(topics.entry(topic.to_owned()).or_default(), room)
    }
}

/// Java lists no offsets whose key has a third part, as those of `<group>@broadcast`.
fn is_listed(group: &str) -> bool {
    !group.contains(TOPIC_GROUP_SEPARATOR)
}

impl TopicOffsets {
    fn is_committed(&self) -> bool {
        !self.committed.0.is_empty()
    }

    /// As they are counted.
    fn bytes(&self) -> usize {
        KEY_BYTES + self.committed.bytes() + self.pulled.bytes() + self.reset.bytes()
    }
}

impl ConfigTable for ConsumerOffsets {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        json::to_pretty(&self.to_wrapper())
    }
}
