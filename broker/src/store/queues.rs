//! All consume queues of a store (`ConsumeQueueStore`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Mutex, RwLock};
use tracing::{error, warn};

use super::config::StoreConfig;
use super::consume_queue::{ConsumeQueue, Mappings, QueueDir, Trust};
use super::error::OpenError;
use super::layout::{QUEUE_ENTRY_BYTES, QueueEntry};

/// Longest topic in bytes: the longest name of a directory.
const TOPIC_BYTES_MAX: usize = 255;

type Table = HashMap<Arc<str>, HashMap<i32, Arc<ConsumeQueue>>>;

pub struct Queues {
    dir: Arc<QueueDir>,
    table: RwLock<Table>,
    /// Queues with entries that are not on disk.
    dirty: Mutex<Vec<Arc<ConsumeQueue>>>,
}

impl Queues {
    /// Finds the queues under the store's root and where each ends.
    pub fn load(config: &StoreConfig, trust: Trust) -> Result<Self, OpenError> {
        let entry_bytes = QUEUE_ENTRY_BYTES as u64;
        let dir = QueueDir {
            path: config.consume_queue_dir(),
            file_bytes: (config.mapped_file_size_consume_queue.div_ceil(entry_bytes) * entry_bytes) as i64,
            mappings: Mappings::new(config.queue_mappings_max),
        };
        let queues = Self { dir: Arc::new(dir), table: RwLock::default(), dirty: Mutex::default() };
        for topic in names(&queues.dir.path)? {
            for queue_id in names(&queues.dir.path.join(&topic))? {
                let Ok(queue_id) = queue_id.parse() else { continue };
                if let Some(queue) = queues.find_or_create(&topic, queue_id) {
                    queue.load(trust)?;
                }
            }
        }
        Ok(queues)
    }

    pub fn find(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        self.table.read().get(topic)?.get(&queue_id).cloned()
    }

    /// `None` for a topic that cannot be the name of a directory.
    pub fn find_or_create(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        if let Some(queue) = self.find(topic, queue_id) {
            return Some(queue);
        }
        if !is_directory_name(topic) {
            return None;
        }
        let mut table = self.table.write();
        let topic = table.get_key_value(topic).map_or_else(|| topic.into(), |(topic, _)| Arc::clone(topic));
        let queue = match table.entry(Arc::clone(&topic)).or_default().entry(queue_id) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                free.insert(Arc::new(ConsumeQueue::new(Arc::clone(&self.dir), topic, queue_id)))
            }
        };
        Some(Arc::clone(queue))
    }

    pub fn all(&self) -> Vec<Arc<ConsumeQueue>> {
        self.table.read().values().flat_map(HashMap::values).cloned().collect()
    }

    /// Queues that have files, by topic.
    pub fn ids(&self) -> Vec<(String, Vec<i32>)> {
        let with_files = |queues: &HashMap<i32, Arc<ConsumeQueue>>| {
            let mut ids: Vec<_> =
                queues.iter().filter(|(_, queue)| queue.has_files()).map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        };
        let table = self.table.read();
        let topics = table.iter().map(|(topic, queues)| (topic.to_string(), with_files(queues)));
        topics.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    pub fn remove_topic(&self, topic: &str) {
        let Some(queues) = self.table.write().remove(topic) else { return };
        for queue in queues.values() {
            if let Err(error) = queue.destroy() {
                error!(%error, topic, queue_id = queue.queue_id(), "cannot remove a consume queue");
            }
        }
        // Empty by now unless something foreign is in it.
        let _ = fs::remove_dir(self.dir.path.join(topic));
    }

    /// Notes that a queue has got entries.
    pub fn mark_dirty(&self, queue: &Arc<ConsumeQueue>) {
        if !queue.listed_dirty.swap(true, Ordering::AcqRel) {
            self.dirty.lock().push(Arc::clone(queue));
        }
    }

    /// Brings to disk the queues with `least_pages` unsaved pages; those with fewer stay noted. False if a queue failed.
    pub fn flush(&self, least_pages: u64) -> bool {
        let listed = std::mem::take(&mut *self.dirty.lock());
        let mut all_well = true;
        for queue in listed {
            queue.listed_dirty.store(false, Ordering::Release);
            if let Err(error) = queue.flush(least_pages) {
                let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
                error!(%error, topic, queue_id, "cannot flush a consume queue");
                all_well = false;
            }
            if queue.is_dirty() {
                self.mark_dirty(&queue);
            }
        }
        all_well
    }

    /// First byte of the log behind the last message that any queue knows; -1 for none.
    pub fn max_physical_offset(&self) -> i64 {
        self.all().iter().map(|queue| queue.max_physical_offset()).max().unwrap_or(-1)
    }

    /// The entry of the last message that any queue knows.
    pub fn last_entry(&self) -> Option<QueueEntry> {
        let queue = self.all().into_iter().max_by_key(|queue| queue.max_physical_offset())?;
        queue.entry(queue.max_offset() - 1)
    }

    /// Cuts off entries of messages at `physical_offset` and behind it.
    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        self.all().iter().try_for_each(|queue| queue.truncate(physical_offset))
    }

    /// After recovery: offsets go on where each queue ends, and begin where the log does (`recoverOffsetTable`).
    pub fn settle(&self, min_physical_offset: i64) {
        for queue in self.all() {
            queue.next_offset.store(queue.max_offset(), Ordering::Relaxed);
            queue.correct_min_offset(min_physical_offset);
        }
    }

    /// Removes every queue (`ConsumeQueueStore.destroy`): those of a log without files point nowhere.
    pub fn remove_all(&self) {
        let topics: Vec<_> = self.table.read().keys().cloned().collect();
        for topic in topics {
            warn!(topic = &*topic, "queues removed, the log is empty");
            self.remove_topic(&topic);
        }
    }
}

/// Topics come from the network: none may lead out of the store.
fn is_directory_name(topic: &str) -> bool {
    !matches!(topic, "" | "." | "..") && topic.len() <= TOPIC_BYTES_MAX && !topic.contains(['/', '\0'])
}

/// Names of the directories in a directory; none if it is missing.
fn names(dir: &std::path::Path) -> Result<Vec<String>, OpenError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(OpenError::io(dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(OpenError::io(dir))?;
        if entry.file_type().map_err(OpenError::io(dir))?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}
