//! All batch consume queues of a store: few, beside the plain ones.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::property;
use parking_lot::RwLock;
use tracing::error;

use super::batch_consume_queue::BatchConsumeQueue;
use super::config::{BatchTopics, MessageStoreConfig, Surroundings};
use super::consume_queue::RETIRED;
use super::dispatch_request::DispatchRequest;
use super::error::{AccessError, OpenError};
use super::layout::{BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry};
use super::probe::Trust;
use super::sparse_files::{Mappings, SparseDir, queue_directories};

type Table = HashMap<Arc<str>, HashMap<i32, Arc<BatchConsumeQueue>>>;

pub struct BatchQueues {
    dir: Arc<SparseDir>,
    topics: BatchTopics,
    table: RwLock<Table>,
}

impl BatchQueues {
    /// Finds the queues under the store's root and where each ends; and those of them in which entries are missing.
    pub fn load(
        config: &MessageStoreConfig,
        surroundings: &Surroundings,
        mappings: &Arc<Mappings>,
        trust: Trust,
    ) -> Result<(Self, Vec<Arc<BatchConsumeQueue>>), OpenError> {
        let entry_bytes = BATCH_QUEUE_ENTRY_BYTES as u64;
        let dir = Arc::new(SparseDir {
            path: config.batch_consume_queue_dir(),
            file_bytes: (config.mapper_file_size_batch_consume_queue_bytes.div_ceil(entry_bytes)
                * entry_bytes) as i64,
            disk: surroundings.disk.clone(),
            mappings: Arc::clone(mappings),
        });
        let topics = surroundings.batch_topics.clone();
        let queues = Self { dir, topics, table: RwLock::default() };
        let mut holed = Vec::new();
        for (topic, queue_id) in queue_directories(&queues.dir)? {
            let queue = queues.insert(&topic, queue_id);
            if queue.load(trust)? {
                holed.push(queue);
            }
        }
        Ok((queues, holed))
    }

    pub fn dir(&self) -> &Arc<SparseDir> {
        &self.dir
    }

    pub fn find(&self, topic: &str, queue_id: i32) -> Option<Arc<BatchConsumeQueue>> {
        self.table.read().get(topic)?.get(&queue_id).cloned()
    }

    /// Whether a topic's queues are batch queues.
    pub fn owns(&self, topic: &str) -> bool {
        self.table.read().contains_key(topic) || self.topics.contains(topic)
    }

    /// The queue of a topic that [is owned](Self::owns).
    pub fn find_or_create(&self, topic: &str, queue_id: i32) -> Arc<BatchConsumeQueue> {
        self.find(topic, queue_id).unwrap_or_else(|| self.insert(topic, queue_id))
    }

    fn insert(&self, topic: &str, queue_id: i32) -> Arc<BatchConsumeQueue> {
        let mut table = self.table.write();
        let topic: Arc<str> =
            table.get_key_value(topic).map_or_else(|| topic.into(), |(topic, _)| Arc::clone(topic));
        let make = || Arc::new(BatchConsumeQueue::new(Arc::clone(&self.dir), Arc::clone(&topic), queue_id));
        Arc::clone(table.entry(Arc::clone(&topic)).or_default().entry(queue_id).or_insert_with(make))
    }

    pub fn all(&self) -> Vec<Arc<BatchConsumeQueue>> {
        self.table.read().values().flat_map(HashMap::values).cloned().collect()
    }

    pub fn topics(&self) -> Vec<Arc<str>> {
        self.table.read().keys().cloned().collect()
    }

    /// Queues that have files, by topic.
    pub fn ids(&self) -> Vec<(String, Vec<i32>)> {
        let with_files = |queues: &HashMap<i32, Arc<BatchConsumeQueue>>| {
            let with_files = queues.iter().filter(|(_, queue)| queue.has_files());
            let mut ids: Vec<_> = with_files.map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        };
        let table = self.table.read();
        table.iter().map(|(topic, queues)| (topic.to_string(), with_files(queues))).collect()
    }

    /// Forgets the queues of a topic, under the append lock.
    pub fn take_topic(&self, topic: &str) -> Vec<Arc<BatchConsumeQueue>> {
        let taken: Vec<_> = self.table.write().remove(topic).unwrap_or_default().into_values().collect();
        taken.iter().for_each(|queue| queue.next_offset.store(RETIRED, Ordering::Relaxed));
        taken
    }

    /// Adds a record to its queue.
    pub fn dispatch(&self, request: &DispatchRequest<'_>) -> io::Result<()> {
        let message = &request.stored.message;
        self.put(&self.find_or_create(&message.topic, message.queue_id), request)
    }

    /// Adds a record to its queue, which is `queue`.
    pub fn put(&self, queue: &BatchConsumeQueue, request: &DispatchRequest<'_>) -> io::Result<()> {
        let stored = &request.stored;
        let message = &stored.message;
        let Some((base_offset, batch_size)) = messages_of(&message.properties, stored.queue_offset) else {
            let offset = stored.physical_offset;
            error!(offset, topic = &*message.topic, "no offset or number of messages, record left out");
            return Ok(());
        };
        let entry = request.entry();
        let store_timestamp_ms = stored.store_timestamp_ms;
        let rest = BatchQueueEntry::PLAIN_REST;
        let put = queue.put(BatchQueueEntry { entry, store_timestamp_ms, base_offset, batch_size, rest });
        if let Some(why) = AccessError::behind(put)? {
            queue.give_up(why);
        }
        Ok(())
    }

    /// Why a queue takes no more messages, if there is such.
    pub fn broken(&self) -> Option<AccessError> {
        self.all().iter().find_map(|queue| queue.broken().cloned())
    }

    /// Brings to disk the queues with `least_pages` unsaved pages. False if a queue failed.
    pub fn flush(&self, least_pages: u64) -> bool {
        let is_due = |queue: &Arc<BatchConsumeQueue>| queue.dirty_pages() >= least_pages.max(1);
        self.all().into_iter().filter(is_due).all(|queue| {
            let flushed = queue.flush();
            if let Err(error) = &flushed {
                let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                error!(%error, topic, queue_id, "cannot flush a batch consume queue");
            }
            flushed.is_ok()
        })
    }

    pub fn max_physical_end(&self) -> Result<i64, AccessError> {
        let ends = self.all().iter().map(|queue| queue.max_physical_end()).collect::<Result<Vec<_>, _>>()?;
        Ok(ends.into_iter().max().unwrap_or(-1))
    }

    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        self.all().iter().try_for_each(|queue| queue.truncate(physical_offset))
    }

    pub fn settle(&self, min_physical_offset: i64) -> Result<(), AccessError> {
        self.all().iter().try_for_each(|queue| {
            queue.next_offset.store(queue.max_offset(), Ordering::Relaxed);
            queue.correct_min_offset(min_physical_offset)
        })
    }
}

/// First offset and number of a record's messages: what its two properties say, or one message
/// (`CommitLog.setBatchSizeIfNeeded`).
pub fn messages_of(properties: &str, queue_offset: i64) -> Option<(i64, i16)> {
    let (base, num) = match property::find(properties, property::INNER_NUM)
        .zip(property::find(properties, property::INNER_BASE))
    {
        Some((num, base)) => (base.parse().ok()?, num.parse().ok()?),
        None => (queue_offset, 1),
    };
    (base >= 0 && num > 0).then_some((base, num))
}
